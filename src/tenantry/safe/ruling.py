"""Making claims of one channel, and spreading what is known of tenants over ordered pairs of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Claim, Effect, Impact, Missing, Step, Witness
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.model.manifest import Body, ManifestKey
    from tenantry.safe.view import Admission, View


@dataclass(frozen=True, slots=True)
class Ruling:
    """A channel before it has a rule; makes its claims.

    Attributes:
        id: short id such as ``G1``.
        title: what it is, in a few words.
        effect: the worst a tenant could do through it.
        impact: how far that would reach.
    """

    id: str
    title: str
    effect: Effect
    impact: Impact

    def proved(self, source: str, reason: str, target: str = "") -> Claim:
        """Claim that nothing can happen."""
        return Claim(self.id, source, target, Verdict.PROVED, self.effect, self.impact, reason=reason)

    def violated(self, source: str, witness: Witness, fix: str, target: str = "") -> Claim:
        """Claim that a witness shows how it happens."""
        return Claim(self.id, source, target, Verdict.VIOLATED, self.effect, self.impact, witness, fix=fix)

    def unknown(self, source: str, missing: Iterable[Missing], target: str = "") -> Claim:
        """Claim that facts are missing."""
        return Claim(self.id, source, target, Verdict.UNKNOWN, self.effect, self.impact, missing=_once(tuple(missing)))


@lru_cache(maxsize=4096)
def _once(missing: tuple[Missing, ...]) -> tuple[Missing, ...]:
    """Return what is missing, each once; the same object for what is equal, as very many claims lack the same."""
    return tuple(dict.fromkeys(missing))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known about one source, before it is a claim.

    Attributes:
        reason: why nothing can happen; empty when it can, or when that is not known.
        witness: how it happens.
        fix: the smallest change that prevents it.
        missing: what would decide.
    """

    reason: str = ""
    witness: Witness | None = None
    fix: str = ""
    missing: tuple[Missing, ...] = ()

    @classmethod
    def safe(cls, reason: str) -> Outcome:
        """Nothing can happen."""
        return cls(reason=reason)

    @classmethod
    def broken(cls, witness: Witness, fix: str) -> Outcome:
        """It can happen."""
        return cls(witness=witness, fix=fix)

    @classmethod
    def open(cls, *missing: Missing) -> Outcome:
        """It is not known."""
        return cls(missing=missing)

    def claim(self, ruling: Ruling, source: str, target: str = "") -> Claim:
        """Return the claim about a source, and a target where it concerns one only."""
        if self.witness is not None:
            return ruling.violated(source, self.witness, self.fix, target)
        if self.missing:
            return ruling.unknown(source, self.missing, target)
        return ruling.proved(source, self.reason, target)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the first that is broken, else all that is open as one, else the first that is safe."""
    found = list(outcomes)
    if found and all(item is found[0] for item in found):
        # One finding, however often it was made.
        return found[0]
    broken = next((item for item in found if item.witness is not None), None)
    if broken is not None:
        return broken
    missing = tuple(dict.fromkeys(entry for item in found for entry in item.missing))
    if missing:
        return Outcome(missing=missing)
    return next(iter(found), Outcome.safe("there is nothing that could do it"))


def pairwise(ruling: Ruling, view: View, source: str, found: Mapping[str, Outcome], reason: str) -> Iterator[Claim]:
    """Yield the claims of one source: one for all targets where nothing is found, else one for each.

    Args:
        ruling: the channel.
        view: the tenants.
        source: tenant that would act.
        found: outcome per target concerned.
        reason: why all other targets are safe.
    """
    if not found:
        yield ruling.proved(source, reason)
        return
    if view.spared is not None:
        view.spared.add((ruling.id, source))
        for name, known in found.items():
            if name != source and (known.witness is not None or known.missing):
                yield known.claim(ruling, source, name)
        return
    for tenant in view.tenants:
        if tenant.name != source:
            outcome = found.get(tenant.name)
            yield outcome.claim(ruling, source, tenant.name) if outcome else ruling.proved(source, reason, tenant.name)


def step(edge: str, by: ManifestKey, *pointer: str | int) -> Step:
    """Return a step that an object allows."""
    return Step(edge, by, pointer)


def lacking(edge: str, missing: str) -> Step:
    """Return a step that the absence of an object allows."""
    return Step(edge, None, (), missing)


def pod_witness(summary: str, pod: Body, steps: Iterable[Step], *assumes: str) -> Witness:
    """Return a witness that is a pod somebody could submit."""
    return Witness(tuple(steps), summary, (("pod", pod),), assumes)


def admission_missing(admission: Admission, namespace: str) -> tuple[Missing, ...]:
    """Return what would decide an admission that is not known."""
    if admission.missing:
        return admission.missing
    subject = str(admission.by) if admission.by else f"admission of namespace {namespace}"
    return (Missing(subject, admission.reason or "show what this object lets in, or remove it"),)
