"""Other values of fields of which rules are said to read little."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tenantry.safe.bearing import ROWS, Difference
from tenantry.safe.reading import walk

Body = dict[str, Any]

# Tried in turn: smaller and larger amounts as texts and numbers, and nothing at all.
VALUES = ("1", "70000000Gi", 1, 70_000_000, "other", None)


def fields(body: Body) -> Iterator[tuple[tuple[str | int, ...], Difference]]:
    """Yield the path of everything in an object that a row is about, and that it stays as it is."""
    group = body["apiVersion"].rpartition("/")[0]
    for path, value in walk(body):
        difference = Difference(group, body["kind"], "/".join(map(str, path)), value, value)
        if path and any(row.is_about(difference) for row in ROWS):
            yield path, difference


def leaves(value: Any) -> Iterator[tuple[str | int, ...]]:
    return (path for path, below in walk(value) if not isinstance(below, dict | list))


def changed(value: Any, path: tuple[str | int, ...], wanted: Any) -> Any:
    """Return a value with another one somewhere in it."""
    if not path:
        return wanted
    made = deepcopy(value)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = wanted
    return made


def with_others(bodies: list[Body]) -> Iterator[tuple[list[Body], frozenset[str]]]:
    """Yield objects with other values of such fields, and the channels that read them; none where there are none."""
    for wanted in VALUES:
        others, channels = deepcopy(bodies), set[str]()
        for place, body in enumerate(others):
            for path, difference in list(fields(body)):
                for inside in list(leaves(difference.before)):
                    other = others[place]
                    there: Any = other
                    for step in path:
                        there = there[step]
                    tried = difference._replace(before=there, after=changed(there, inside, wanted))
                    row = next((row for row in ROWS if row.is_about(tried) and row.alike(tried)), None)
                    if row is not None and tried.before != tried.after:
                        others[place] = changed(other, path, tried.after)
                        channels |= row.channels
        if others != bodies:
            yield others, frozenset(channels)
