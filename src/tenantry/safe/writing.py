"""Writing an object by every right to it and in every way: making it, changing one there is, removing it.

A guard that refuses objects being made may let them be changed, and one identity of a tenant may do what another may
not, so each way is asked about for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.powers import OPERATIONS
from tenantry.safe.refusals import About, about_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.model.manifest import Body
    from tenantry.safe.answer import Admission, Requester
    from tenantry.safe.envelope import Envelope
    from tenantry.safe.identity import Right, Rights


@dataclass(frozen=True, slots=True)
class Writing:
    """One way to write an object, and what admission says to it.

    Attributes:
        right: the right used.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
        admission: what admission says.
    """

    right: Right
    operation: str
    admission: Admission


def before(body: Body) -> Body:
    """Return an object from which one becomes another by a change: the same, saying nothing yet."""
    emptied: dict[str, object] = {}
    for key, value in body.items():
        if key == "metadata":
            emptied[key] = {name: item for name, item in value.items() if name not in {"labels", "annotations"}}
        elif key in {"apiVersion", "kind"}:
            emptied[key] = value
        elif isinstance(value, (dict, list)):
            emptied[key] = type(value)()
    return emptied


def asked(
    envelope: Envelope,
    body: Body,
    operation: str,
    user: Requester,
    *,
    about: Callable[[Body, str], About] = lambda body, operation: about_kind(body, operation=operation),
) -> Admission:
    """Return what admission says to one way of writing an object.

    Args:
        envelope: what admission lets into the namespace.
        body: the object.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
        user: who asks.
        about: what of the object the question is about.
    """
    old = before(body) if operation == "UPDATE" else None
    return envelope.admits(body, operation=operation, user=user, old=old, about=lambda: about(body, operation))


def writings(
    rights: Rights,
    envelope: Envelope,
    body: Body,
    kind: tuple[str, str],
    verbs: Sequence[str],
    *,
    scope: str | None = None,
    about: Callable[[Body, str], About] = lambda body, operation: about_kind(body, operation=operation),
) -> Iterator[Writing]:
    """Yield every way in which somebody may write an object, one per identity, operation and names it may write.

    Args:
        rights: what they may do.
        envelope: what admission lets into the namespace; the empty one for kinds outside namespaces.
        body: the object.
        kind: its group and plural name.
        verbs: verbs that count.
        scope: namespace the rights have to hold in, empty for every one; that of the envelope when None.
        about: what of the object the question is about.
    """
    group, resource = kind
    seen: set[tuple[Requester, str, tuple[str, ...]]] = set()
    for verb in verbs:
        for right in rights.every(verb, group, resource, envelope.namespace if scope is None else scope):
            key = (right.requester, OPERATIONS[verb], right.names)
            if key not in seen:
                seen.add(key)
                said = asked(envelope, body, key[1], right.requester, about=about)
                yield Writing(right, key[1], said)


def likeliest(ways: Iterable[Writing]) -> Writing | None:
    """Return the first way that is let in, else the first of which that is not known, else one that is refused."""
    left: Writing | None = None
    for way in ways:
        if way.admission.admitted:
            return way
        if left is None or (left.admission.refused and not way.admission.refused):
            left = way
    return left
