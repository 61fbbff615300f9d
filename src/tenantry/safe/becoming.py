"""Whether an object that may not be made can come about by a change of one that may.

A guard that refuses objects being made need not refuse changes, and one that does may pass over changes that leave
alone what it looks at. So each part without which an object would be let in is taken away from the object before: if
guards refuse every change that brings it in, none brings in the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.safe.partial_values import Fields, Unlike
from tenantry.safe.refusals import About, Proof

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.model.manifest import Body
    from tenantry.safe.envelope import Envelope

Path = tuple[str, ...]

_ALWAYS = frozenset({("apiVersion",), ("kind",), ("metadata", "namespace"), ("metadata", "name")})
_MARKS = (("metadata", "labels"), ("metadata", "annotations"))

FIXED: Mapping[str, tuple[Path, ...]] = {
    # Tolerations may be added as long as a pod exists.
    "Pod": (*_MARKS, ("spec", "tolerations")),
    "PersistentVolumeClaim": _MARKS,
    "ResourceClaim": _MARKS,
    "LocalQueue": _MARKS,
}
"""What can change of objects that otherwise stay as they were made, per kind; of other kinds all can."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What admission never lets be made, in as few parts as that holds for.

    Attributes:
        known: what is known of such an object.
        parts: its parts.
        added: those of them that a change can bring in.
        proof: how it is known that no such object can be made.
    """

    known: Fields
    parts: tuple[Path, ...]
    added: tuple[Path, ...]
    proof: Proof


def whole(envelope: Envelope, body: Body, known: Fields) -> Whole:
    """Return what makes admission refuse an object to be made.

    Args:
        envelope: what admission lets into its namespace.
        body: the object, which is refused.
        known: what is known of all objects that are refused like it.
    """
    proof = envelope.refuses_all(About(known), body)
    for path in list(_leaves(known)):
        less = _without(known, path)
        proved = envelope.refuses_all(About(less), body)
        if proved:
            known, proof = less, proved
    parts = tuple(_leaves(known))
    fixed = FIXED.get(str(body.get("kind")))
    added = parts if fixed is None else tuple(path for path in parts if path[:2] in fixed)
    return Whole(known, parts, added, proof)


def never_becomes(envelope: Envelope, body: Body, refused: Whole) -> Proof:
    """Return how it is known that admission refuses every change that completes what it does not let be made.

    Where no part can be brought in, an object that has them all was made with them. Where nothing of a kind may be made
    at all, nothing is known of objects there are, and every change of one counts.
    """
    if not refused.parts:
        about = About(refused.known, Fields(refused.known.known))
        return envelope.refuses_all(about, body, operation="UPDATE")
    kept = refused.known
    for path in refused.added:
        kept = _without(kept, path)
    stays = kept if len(refused.added) < len(refused.parts) and body.get("kind") in FIXED else None
    proof = Proof.PART
    for path in refused.added:
        for old in _lacking(refused.known, path, stays):
            proof = min(proof, envelope.refuses_all(About(refused.known, old), body, operation="UPDATE"))
            if not proof:
                return proof
    return proof


def dropped(body: Body, path: Path) -> Body:
    """Return an object without one of its parts."""
    if len(path) == 1:
        return {key: value for key, value in body.items() if key != path[0]}
    return {**body, path[0]: dropped(body[path[0]], path[1:])}


def _leaves(known: Fields, above: Path = ()) -> Iterator[Path]:
    for key, value in known.known.items():
        path = (*above, key)
        if path in _ALWAYS:
            continue
        if isinstance(value, Fields) and value.known:
            yield from _leaves(value, path)
        else:
            yield path


def _without(known: Fields, path: Path) -> Fields:
    """Return what is known without one part, and without what held nothing else."""
    rest = {key: value for key, value in known.known.items() if key != path[0]}
    below = known.known[path[0]]
    if len(path) > 1 and isinstance(below, Fields):
        inner = _without(below, path[1:])
        if inner.known or inner.absent:
            rest[path[0]] = inner
    return Fields(rest, known.absent)


def _lacking(known: Fields, path: Path, stays: Fields | None) -> Iterator[Fields]:
    """Yield what is known of objects of a kind that lack a part: something on the path is not there, or says other.

    Of an object most of which stays as it was made that part is known too.
    """
    metadata = known.known.get("metadata")
    space = {key: item for key, item in metadata.known.items() if key == "namespace"} if metadata else {}
    kept = {key: item for key, item in known.known.items() if (key,) in _ALWAYS}
    base = _joined(Fields({**kept, "metadata": Fields(space)}), stays or Fields({}))
    for depth in range(len(path)):
        if path[: depth + 1] not in {("metadata",), ("spec",)} or (depth == 0 and stays is None and path[0] == "spec"):
            yield _joined(base, _placed(path[:depth], Fields({}, absent=frozenset({path[depth]}))))
    yield _joined(base, _placed(path, Unlike(lacks=_value(known, path))))


def _placed(path: Path, value: Any) -> Fields:
    for key in reversed(path):
        value = Fields({key: value})
    return value  # type: ignore[no-any-return]


def _joined(one: Fields, other: Fields) -> Fields:
    """Return what is known of an object of which two things are known."""
    found = dict(one.known)
    for key, value in other.known.items():
        mine = found.get(key)
        found[key] = _joined(mine, value) if isinstance(mine, Fields) and isinstance(value, Fields) else value
    return Fields(found, one.absent | other.absent)


def _value(known: Fields, path: Path) -> Any:
    value = known.known[path[0]]
    return _value(value, path[1:]) if len(path) > 1 and isinstance(value, Fields) else value
