"""Sets single values in a spec by their path: ``tenants/language/quotas/training/guaranteed``, ``platform/version``.

A path names a document (``platform``, or ``tenants`` and a name), then fields below its ``spec``. An item of a list is
named by the key that identifies it in overlays, or by its number from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantry.io.spec_overlay import IDENTIFYING_KEYS, Origin
from tenantry.model.problem import nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.io.spec_places import Merged, Source
    from tenantry.model.problem import DocPath

PLATFORM, TENANTS = "platform", "tenants"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value for one place of a spec.

    Attributes:
        path: the place.
        value: the value.
        written: where in ``source`` of its :class:`Values` the value stands.
    """

    path: str
    value: Any
    written: DocPath


@dataclass(frozen=True, slots=True)
class Values:
    """Values for places of a spec, all from one document.

    Attributes:
        source: the document they stand in, for the places of problems.
        settings: the values.
    """

    source: Source
    settings: tuple[Setting, ...]


class NoSuchPlace(Exception):  # noqa: N818 - reads as what it says, and never leaves this package
    """A path leads nowhere."""

    def __init__(self, message: str, expected: str = "", nearest: str | None = None) -> None:
        self.message, self.expected, self.nearest = message, expected, nearest
        super().__init__(message)


def document_of(path: str, documents: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], list[str]]:
    """Return kind and name of the document a path leads into, and the steps below its ``spec``.

    Raises:
        NoSuchPlace: if there is no such document, or the path names nothing in it.
    """
    known = sorted(documents)
    first, *steps = path.split("/")
    if first == PLATFORM:
        key = next((key for key in known if key[0] == "Platform"), ("", ""))
        if not key[0]:
            raise NoSuchPlace(f"{path} names the platform, which the spec does not have")
    elif first == TENANTS and steps:
        name = steps.pop(0)
        names = [key[1] for key in known if key[0] == "Tenant"]
        if name not in names:
            expected = f"one of {', '.join(names)}" if names else ""
            raise NoSuchPlace(f"{path} names a tenant there is not", expected, nearest_name(name, names))
        key = ("Tenant", name)
    else:
        raise NoSuchPlace(f"{path} is no path of a spec", "platform/<field>... or tenants/<name>/<field>...")
    if not steps or not all(steps):
        raise NoSuchPlace(f"{path} names no field", f"a field below it, such as {path.rstrip('/')}/<field>")
    return key, steps


def set_value(document: Merged, steps: Sequence[str], value: Any, origin: Origin) -> None:
    """Set the value of a place below ``spec``, remembering where it was written.

    Raises:
        NoSuchPlace: if a step on the way leads nowhere.
    """
    document.body, document.origin = _set(document.body, document.origin, ["spec", *steps], (value, origin))


def _set(body: Any, origin: Origin, steps: Sequence[str], new: tuple[Any, Origin]) -> tuple[Any, Origin]:
    step, rest = steps[0], steps[1:]
    if isinstance(body, list):
        place = _item(body, step)
        value, child = _set(body[place], origin.child(place), rest, new) if rest else new
        items = [*body[:place], value, *body[place + 1 :]]
        children: dict[str | int, Origin] = {index: origin.child(index) for index in range(len(body))}
        return items, replace(origin, children={**children, place: child})
    if not isinstance(body, dict):
        raise NoSuchPlace(f"there is no {step!r} inside a single value")
    value, child = _set(body.get(step, {}), origin.child(step), rest, new) if rest else new
    fields = {key: origin.child(key) for key in body}
    return {**body, step: value}, replace(origin, children={**fields, step: child})


def _item(items: list[Any], step: str) -> int:
    """Return the number of the item a step names."""
    for key in IDENTIFYING_KEYS:
        for place, item in enumerate(items):
            if isinstance(item, dict) and item.get(key) == step:
                return place
    if step.isascii() and step.isdecimal() and int(step) < len(items):
        return int(step)
    names = [
        next((item[key] for key in IDENTIFYING_KEYS if isinstance(item.get(key), str)), "")
        for item in items
        if isinstance(item, dict)
    ]
    known = [name for name in names if name]
    expected = f"one of {', '.join(known)}" if known else f"a number below {len(items)}"
    raise NoSuchPlace(f"there is no item {step!r} in that list", expected, nearest_name(step, known))
