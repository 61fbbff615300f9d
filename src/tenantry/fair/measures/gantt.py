"""What became of one job: when it waited, ran, and was told to leave, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

WAITS, INCOMPLETE, RUNS, LEAVES = "waits", "incomplete", "runs", "leaves"
"""States of a job: no pod has a place; some have; all run; some were told to leave."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A time in which the state of a job did not change.

    Attributes:
        state: one of the states.
        start: second it begins.
        end: second it ends.
        by: job it was evicted for, at the start of a segment that leaves; empty for none.
        by_tenant: tenant of that job.
        action: action that evicted it.
        lost: seconds of work lost then.
    """

    state: str
    start: int
    end: int
    by: str = ""
    by_tenant: str = ""
    action: str = ""
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Gantt:
    """What became of one job.

    Attributes:
        job: name.
        tenant: whose it is.
        queue: leaf queue.
        gpus: milli-GPUs of all its pods.
        work: seconds of work.
        finished: whether it finished.
        why: why it is shown, for example "waited longest".
        segments: from submission to its end, or the end of the replay.
    """

    job: str
    tenant: str
    queue: str
    gpus: int
    work: int
    finished: bool
    why: str
    segments: tuple[Segment, ...]


def gantts(log: Log, table: JobTable, setup: Setup, jobs: Iterable[int]) -> tuple[Gantt, ...]:
    """Return what became of some jobs, given by their positions in the table; those never submitted are left out."""
    raise NotImplementedError


def notable(log: Log, table: JobTable, setup: Setup, *, most: int = 6) -> dict[int, str]:
    """Return positions of jobs worth looking at and why: evicted most often, waited longest, lost most work."""
    raise NotImplementedError
