"""What renderers are given: measured replays by name, with what is drawn of them."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.fair.measures.gantt import Gantt
from tenantry.fair.measures.result import Result
from tenantry.fair.measures.timeline import Timeline


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
