"""Changes of objects as data: what to make, take away or set, and where; and fixes made of them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tenantry.model.finding import Verdict
from tenantry.model.manifest import Body, Manifest, ManifestKey
from tenantry.model.problem import DocPath, Location
from tenantry.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable


class Op(StrEnum):
    """What a change does."""

    CREATE = "create"
    """Make an object; ``value`` is its body."""
    DELETE = "delete"
    """Delete an object."""
    SET = "set"
    """Set a field to ``value``; mappings on the way to it are made where they are missing."""
    ADD = "add"
    """Append ``value`` to a list, which is made where it is missing."""
    REMOVE = "remove"
    """Remove a field, or an item of a list."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object.

    Attributes:
        op: what it does.
        key: the object.
        pointer: path inside it; empty for the whole object.
        value: what is made, set or appended; plain data.
        note: what a person has to choose, such as an amount; empty where nothing is left to choose.
    """

    op: Op
    key: ManifestKey
    pointer: DocPath = ()
    value: Any = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """Changes after which a hole is gone: they were applied to the objects and the rule was asked again.

    Attributes:
        changes: what is changed, in this order.
        leaves: verdict of the rule about the same tenants afterwards.
        rest: what is found or missing then; empty when ``leaves`` is PROVED.
    """

    changes: tuple[Change, ...]
    leaves: Verdict
    rest: str = ""


def changed(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot | None:
    """Return the objects after changes; None when one of them does not apply to what is there.

    Args:
        snapshot: the objects; they stay as they are.
        changes: applied one after the other.
    """
    bodies: dict[tuple[str, str, str, str], Manifest | None] = {}
    for change in changes:
        key = change.key
        identity = (key.group, key.kind, key.namespace, key.name)
        before = bodies[identity] if identity in bodies else snapshot.get(key.group, key.kind, key.name, key.namespace)
        if (before is None) is not (change.op is Op.CREATE):
            return None
        if before is None:
            bodies[identity] = Manifest(deepcopy(change.value), Location(""))
        elif change.op is Op.DELETE:
            bodies[identity] = None
        else:
            body = deepcopy(before.body)
            if not _edit(body, change):
                return None
            bodies[identity] = Manifest(body, before.location, before.document, before.pointer)
    gone = [
        ManifestKey(f"{group}/", kind, space, name) for (group, kind, space, name), item in bodies.items() if not item
    ]
    return snapshot.minus(gone).plus(item for item in bodies.values() if item is not None)


def _edit(body: Body, change: Change) -> bool:
    """Change a body in place; say whether that was possible."""
    if not change.pointer:
        return False
    *way, last = change.pointer
    makes = change.op in {Op.SET, Op.ADD}
    where: Any = body
    for part in way:
        if isinstance(where, dict) and makes and where.get(part) is None:
            where[part] = {}
        inside = _inside(where, part)
        if inside is None:
            return False
        where = inside[0]
    if change.op is Op.REMOVE:
        if _inside(where, last) is None:
            return False
        del where[last]
        return True
    if change.op is Op.ADD and isinstance(where, dict):
        there = where.get(last)
        if there is not None and not isinstance(there, list):
            return False
        where[last] = [*(there or []), deepcopy(change.value)]
        return True
    if change.op is Op.SET and (isinstance(where, dict) or _inside(where, last) is not None):
        where[last] = deepcopy(change.value)
        return True
    return False


def _inside(where: Any, part: str | int) -> tuple[Any] | None:
    """Return what is at a place, in a tuple; None when there is no such place."""
    if isinstance(where, dict):
        return (where[part],) if part in where else None
    if isinstance(where, list) and isinstance(part, int) and 0 <= part < len(where):
        return (where[part],)
    return None
