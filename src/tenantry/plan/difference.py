"""Differences: of two sets of objects field by field, and of two specs.

Lists whose items carry one identifying key are compared item by item, whatever their order; other lists as a whole.
A path is text with ``/`` between steps and names instead of positions, so that a pattern can match it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tenantry.model.problem import Subject
from tenantry.plan.effect import Cause, Mark, ObjectChange, Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.problem import DocPath
    from tenantry.model.spec import Contract, Facts, Platform, Spec, Tenant, Waiver, Workload
    from tenantry.model.spec.base import Document
    from tenantry.plan.side import Side

KEYS = ("name", "pool", "id", "class", "group", "key", "displayName", "alert", "record")
"""Fields that identify an item of a list, in the order in which they are tried."""


class Leaf(NamedTuple):
    """One difference below a value.

    Attributes:
        path: names of the steps.
        old: the same with positions in the old value; shorter where nothing stood there.
        new: the same with positions in the new value.
        before: what stood there; None for nothing.
        after: what stands there now; None for nothing.
    """

    path: tuple[str, ...]
    old: DocPath
    new: DocPath
    before: Any
    after: Any


def leaves(before: Any, after: Any, path: tuple[str, ...] = (), old: DocPath = (), new: DocPath = ()) -> Iterator[Leaf]:
    """Yield the differences of two values, sorted by path."""
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}, key=str):
            yield from leaves(before.get(key), after.get(key), (*path, str(key)), (*old, key), (*new, key))
        return
    if isinstance(before, list) and isinstance(after, list):
        key = _identifying([*before, *after])
        if key and _unique(before, key) and _unique(after, key):
            yield from _items((before, after), key, path, old, new)
            return
    yield Leaf(path, old, new, before, after)


def _items(
    lists: tuple[list[Any], list[Any]], key: str, path: tuple[str, ...], old: DocPath, new: DocPath
) -> Iterator[Leaf]:
    before, after = lists
    was = {str(item[key]): (index, item) for index, item in enumerate(before)}
    now = {str(item[key]): (index, item) for index, item in enumerate(after)}
    for name in sorted({*was, *now}):
        index, left = was.get(name, (-1, None))
        position, right = now.get(name, (-1, None))
        yield from leaves(
            left, right, (*path, name), (*old, index) if index >= 0 else old, (*new, position) if position >= 0 else new
        )
    if list(was) != list(now) and set(was) == set(now):
        # Order alone differs: it may matter to what reads the list, so it is a difference of its own.
        yield Leaf((*path, "order"), old, new, list(was), list(now))


def _identifying(items: list[Any]) -> str:
    if not items or not all(isinstance(item, dict) for item in items):
        return ""
    return next((key for key in KEYS if all(isinstance(item.get(key), str) for item in items)), "")


def _unique(items: list[Any], key: str) -> bool:
    return len({item[key] for item in items}) == len(items)


def object_changes(old: Side, new: Side) -> tuple[ObjectChange, ...]:
    """Return how the objects of two trees differ, in the order of their keys."""
    found = []
    for identity in sorted({*old.objects, *new.objects}):
        was, now = old.objects.get(identity), new.objects.get(identity)
        if was is None and now is not None:
            found.append(ObjectChange(now[1], now[0], Mark.ADD))
        elif now is None and was is not None:
            found.append(ObjectChange(was[1], was[0], Mark.REMOVE))
        elif was is not None and now is not None and was[2] != now[2]:
            fields = tuple(
                Touched(now[1], "/".join(item.path), item.before, item.after) for item in leaves(was[2], now[2])
            )
            if fields:
                found.append(ObjectChange(now[1], now[0], Mark.CHANGE, fields))
    return tuple(found)


class SpecChange(NamedTuple):
    """A field of the spec that differs.

    Attributes:
        path: ``Kind/name/spec/...`` with names instead of positions, for patterns.
        tenant: tenant whose document it is in; empty for other documents.
        cause: the same for people.
    """

    path: str
    tenant: str
    cause: Cause


def spec_changes(old: Side, new: Side) -> tuple[SpecChange, ...]:
    """Return every field of the spec that differs, by document and path."""
    was, now = (({} if side.absent else _documents(side.cluster.spec)) for side in (old, new))
    found = []
    for kind, name in sorted({*was, *now}):
        before, after = was.get((kind, name)), now.get((kind, name))
        if before is not None and before is after:
            continue
        subject = Subject(kind, _name(before, after))
        tenant = name if kind == "Tenant" else ""
        if before is None or after is None:
            side = new if before is None else old
            words = ("absent", "present") if before is None else ("present", "absent")
            cause = Cause(str(subject), "", *words, side.locate(subject, ()))
            found.append(SpecChange(f"{kind}/{name}", tenant, cause))
            continue
        if before == after:
            continue
        for leaf in leaves(_plain(before), _plain(after)):
            gone = leaf.after is None and leaf.before is not None
            location = old.locate(subject, leaf.old) if gone else new.locate(subject, (*leaf.new, *_first(leaf)))
            cause = Cause(str(subject), _dotted(leaf.path), leaf.before, leaf.after, location)
            found.append(SpecChange("/".join((kind, name, *leaf.path)), tenant, cause))
    return tuple(found)


def only_numbers_differ(before: Spec, after: Spec) -> bool:
    """Whether two specs have the same documents and fields, and differ in nothing but numbers."""
    was, now = _documents(before), _documents(after)
    return was.keys() == now.keys() and all(
        isinstance(value, int | float) and not isinstance(value, bool)
        for key in was
        if was[key] is not now[key] and was[key] != now[key]
        for leaf in leaves(_plain(was[key]), _plain(now[key]))
        for value in (leaf.before, leaf.after)
    )


def _first(leaf: Leaf) -> DocPath:
    """Return the position of the first item of a list that is new; none where nothing is or no list is meant."""
    if isinstance(leaf.before, list) and isinstance(leaf.after, list):
        return next(((index,) for index, item in enumerate(leaf.after) if item not in leaf.before), ())
    return ()


def _name(before: Document | None, after: Document | None) -> str:
    there = after if after is not None else before
    return there.name if there is not None else ""


def _documents(spec: Spec) -> dict[tuple[str, str], Document]:
    there: list[Platform | Tenant | Facts | Workload | Waiver | Contract] = [
        spec.platform,
        *spec.tenants,
        *spec.facts,
        *spec.workloads,
        *spec.waivers,
    ]
    if spec.contract is not None:
        there.append(spec.contract)
    # The platform goes by its kind, so that renaming it is a change and not a new platform.
    return {("Platform", "") if item is spec.platform else (item.kind, item.name): item for item in there}


def _plain(document: Document) -> Any:
    return document.model_dump(mode="json", by_alias=True, exclude_none=True)


def _dotted(path: tuple[str, ...]) -> str:
    """Write a path for people; names of list items and odd keys in brackets."""
    text = ""
    for step in path:
        simple = step.replace("_", "").isalnum() and not step[:1].isdigit()
        text += f"[{step}]" if not simple else (f".{step}" if text else step)
    return text
