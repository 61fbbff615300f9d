"""What renderers are given: measured replays by name, with what is drawn of them."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.fair.measures.gantt import Gantt
from tenantry.fair.measures.result import Result
from tenantry.fair.measures.timeline import Timeline
from tenantry.model.finding import Finding


@dataclass(frozen=True, slots=True)
class NamedResult:
    """One replay of several that are laid side by side.

    Attributes:
        name: name of the scenario, the policy, or both, as the user knows it; unique among those rendered together.
        result: what was measured.
        timeline: series over time; None where nobody asked for them.
        gantts: what became of some jobs.
        scheduler: name and version of the scheduler it was replayed on.
        note: one sentence about it, for readers; empty when there is nothing to say.
    """

    name: str
    result: Result
    timeline: Timeline | None = None
    gantts: tuple[Gantt, ...] = ()
    scheduler: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PoolResults:
    """All replays of one node pool: they are laid side by side.

    Attributes:
        pool: name of the node pool; empty where there is only one cluster to speak of.
        results: the replays, the one that others are compared with first; at least one.
    """

    pool: str
    results: tuple[NamedResult, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is rendered at once.

    Attributes:
        title: what was replayed, in a few words: the name of the platform.
        lead: one sentence about the jobs: where they come from, how many.
        pools: node pools with replays.
        notes: what is simulated otherwise than it is deployed, a sentence each.
        findings: what a reader should know of the trace and the scenarios; what was found in a replay is in its result.
    """

    title: str
    lead: str
    pools: tuple[PoolResults, ...]
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
