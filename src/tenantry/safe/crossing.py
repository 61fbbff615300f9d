"""A right that leads from one tenant to another, with the path to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.answer import Admission, Answer

if TYPE_CHECKING:
    from tenantry.model.claim import Effect, Impact, Step
    from tenantry.safe.powers import Gain

_ADMITTED = Admission(Answer.ADMITTED)


@dataclass(frozen=True)
class Crossing:
    """A right that leads from one tenant to another, to the platform or to the whole cluster.

    Attributes:
        channel: channel it belongs to.
        kind: short name of what is done.
        target: tenant concerned; empty for every other one.
        namespace: namespace in which it holds; empty for the whole cluster.
        steps: the path: identity, binding, role, and admission.
        does: what can be done, after "may".
        effect: what it does to others.
        impact: how far.
        gain: what it leads to.
        admission: what admission says to it.
        manifest: the object that would be written; None where none is.
    """

    channel: str
    kind: str
    target: str
    namespace: str
    steps: tuple[Step, ...]
    does: str
    effect: Effect
    impact: Impact
    gain: Gain
    admission: Admission = _ADMITTED
    manifest: dict[str, object] | None = None
