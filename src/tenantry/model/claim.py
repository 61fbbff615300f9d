"""What the verifier claims: a verdict per channel and ordered pair of tenants, with its witness or missing fact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any

from tenantry.model.finding import Verdict
from tenantry.model.manifest import ManifestKey
from tenantry.model.problem import DocPath


class Effect(StrEnum):
    """What one tenant can do to another, worst first."""

    EXEC = "run in"
    WRITE = "write"
    READ = "read"
    DENY = "deny"
    STARVE = "starve"
    OBSERVE = "observe"


class Impact(IntEnum):
    """How far a channel reaches; smaller is worse."""

    S0 = 0
    """The node or the cluster."""
    S1 = 1
    """Another tenant's data or processes."""
    S2 = 2
    """Another tenant's availability or guaranteed share."""
    S3 = 3
    """Another tenant's metadata."""


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a witness.

    Attributes:
        edge: what happens, in a few words: ``egress allowed``, ``may create pods``.
        by: the object that allows it; None when it is the absence of one.
        pointer: path inside that object.
        missing: what is absent, when ``by`` is None: ``no network policy selects pods of namespace b``.
    """

    edge: str
    by: ManifestKey | None = None
    pointer: DocPath = ()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A concrete counterexample, re-checked by an independent evaluator before it is shown.

    Attributes:
        steps: the path, shortest first found.
        summary: one line: who reaches what, how.
        details: concrete pods, labels, ports, or the manifest a tenant would submit; plain data.
        assumes: facts taken for granted, each with its origin.
    """

    steps: tuple[Step, ...]
    summary: str
    details: tuple[tuple[str, Any], ...] = ()
    assumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """What would decide an UNKNOWN: the fact, and the cheapest way to supply it."""

    fact: str
    how: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One verdict about one channel.

    Attributes:
        channel: channel id such as ``N1`` or ``G4``.
        source: tenant that would act.
        target: tenant concerned; empty when it concerns every other tenant alike.
        verdict: what is known.
        effect: what could be done.
        impact: how far it would reach.
        witness: the counterexample of a ``VIOLATED``.
        missing: what would decide an ``UNKNOWN``.
        reason: why it is ``PROVED``, in one line.
        fix: what makes it ``PROVED``, in words that nobody has tried.
    """

    channel: str
    source: str
    target: str
    verdict: Verdict
    effect: Effect
    impact: Impact
    witness: Witness | None = None
    missing: tuple[Missing, ...] = ()
    reason: str = ""
    fix: str = ""

    @property
    def ground(self) -> Claim:
        """What it says, without the tenants it says it of."""
        return replace(self, source="", target="")


@dataclass(frozen=True, slots=True)
class Alike:
    """Claims that say the same of many pairs of tenants.

    Attributes:
        ground: what they say; its source and target are empty.
        pairs: source and target of each; an empty target means every other tenant.
    """

    ground: Claim
    pairs: frozenset[tuple[str, str]]
