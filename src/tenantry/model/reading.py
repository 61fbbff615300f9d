"""Reading values whose shape is not known: every accessor answers for any input and never raises.

Manifests come from anywhere. A field of the wrong type is the schema check's finding; here it only has to be passed
over, so the accessors return an empty value of the type asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from tenantry.model.problem import DocPath
from tenantry.model.quantity import Quantity, parse_quantity

EMPTY: Mapping[str, Any] = {}

Plain = TypeVar("Plain")


def at(value: object, *path: str | int) -> Any:
    """Return the value at a path, or None where a step is missing or the shape differs."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
        else:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
    return value


def mapping(value: object, *path: str | int) -> Mapping[Any, Any]:
    """Return the mapping at a path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, dict) else EMPTY


def items(value: object, *path: str | int) -> list[Any]:
    """Return the list at a path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def text(value: object, *path: str | int) -> str:
    """Return the string at a path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def texts(value: object, *path: str | int) -> list[str]:
    """Return the strings of the list at a path; other elements are passed over."""
    return [item for item in items(value, *path) if isinstance(item, str)]


def integer(value: object, *path: str | int) -> int | None:
    """Return the integer at a path; booleans and texts are not integers."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def number(value: object, *path: str | int) -> float | None:
    """Return the number at a path as a float."""
    found = at(value, *path)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def string_map(value: object, *path: str | int) -> dict[str, str]:
    """Return the string entries of the mapping at a path."""
    return {key: item for key, item in mapping(value, *path).items() if isinstance(key, str) and isinstance(item, str)}


def labels(body: object) -> dict[str, str]:
    """Return the labels of an object."""
    return string_map(body, "metadata", "labels")


def annotations_of(body: object) -> dict[str, str]:
    """Return the annotations of an object."""
    return string_map(body, "metadata", "annotations")


def copied(value: Plain) -> Plain:
    """Return plain data again, so that one may be changed without the other."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}  # type: ignore[return-value]
    return [copied(item) for item in value] if isinstance(value, list) else value  # type: ignore[return-value]


def walk(value: object, path: DocPath = ()) -> Iterator[tuple[DocPath, Any]]:
    """Yield every value below ``value`` with its path, parents first."""
    stack: list[tuple[DocPath, Any]] = [(path, value)]
    while stack:
        here, current = stack.pop()
        yield here, current
        if isinstance(current, dict):
            stack.extend(((*here, key), item) for key, item in reversed(current.items()) if isinstance(key, str))
        elif isinstance(current, list):
            stack.extend(((*here, position), item) for position, item in reversed(list(enumerate(current))))


def amount(value: object) -> Quantity | None:
    """Return a Kubernetes quantity written as a text or a number, or None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return parse_quantity(value)
    except ValueError:
        return None


def quantity(value: object) -> float | None:
    """Return a Kubernetes quantity as a number, or None when it is not one."""
    found = amount(value)
    return None if found is None else float(found.value)


def positive(value: object) -> bool:
    """Whether a value is a quantity above zero."""
    found = amount(value)
    return found is not None and found.nanos > 0


def from_json(value: object) -> Any:
    """Return what a JSON text holds, or None when it is no text or no JSON."""
    if not isinstance(value, str):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
