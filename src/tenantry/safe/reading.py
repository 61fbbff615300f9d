"""Reading values out of objects that nobody checked: what is absent or of another type reads as empty."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry.model.quantity import Quantity, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.problem import DocPath


def at(body: Any, *path: str | int) -> Any:
    """Return the value at a path, None when a step does not exist."""
    for step in path:
        if isinstance(body, dict):
            body = body.get(step)
        elif isinstance(body, list) and isinstance(step, int) and -len(body) <= step < len(body):
            body = body[step]
        else:
            return None
    return body


def items(body: Any, *path: str | int) -> list[Any]:
    """Return the list at a path, an empty one for anything else."""
    found = at(body, *path)
    return found if isinstance(found, list) else []


def mapping(body: Any, *path: str | int) -> dict[str, Any]:
    """Return the map at a path, an empty one for anything else."""
    found = at(body, *path)
    return found if isinstance(found, dict) else {}


def text(body: Any, *path: str | int) -> str:
    """Return the string at a path, an empty one for anything else."""
    found = at(body, *path)
    return found if isinstance(found, str) else ""


def texts(body: Any, *path: str | int) -> list[str]:
    """Return the strings of the list at a path."""
    return [item for item in items(body, *path) if isinstance(item, str)]


def strings(body: Any, *path: str | int) -> dict[str, str]:
    """Return the entries of the map at a path whose keys and values are strings."""
    found: dict[Any, Any] = mapping(body, *path)
    return {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, str)}


def labels_of(body: Any) -> dict[str, str]:
    """Return the labels of an object."""
    return strings(body, "metadata", "labels")


def annotations_of(body: Any) -> dict[str, str]:
    """Return the annotations of an object."""
    return strings(body, "metadata", "annotations")


def amount(value: object) -> Quantity | None:
    """Return a quantity written as a text or a number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return parse_quantity(value)
    except ValueError:
        return None


def positive(value: object) -> bool:
    """Whether a value is a quantity above zero."""
    found = amount(value)
    return found is not None and found.nanos > 0


def number(value: object) -> float | None:
    """Return a plain number, None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def from_json(value: str) -> Any:
    """Return what a JSON text holds, None when it is none."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def walk(body: Any, path: DocPath = ()) -> Iterator[tuple[DocPath, Any]]:
    """Yield every value of a body with its path, parents first."""
    yield path, body
    if isinstance(body, dict):
        for key, value in body.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from walk(value, (*path, index))
