"""First come, first served: the scheduler that a fair one is measured against.

Jobs start strictly in the order of submission; the first that finds no room holds up all behind it. Nobody is evicted,
and queues bound nothing. Jobs that would not fit the empty cluster are passed over, or nothing would ever run again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.fair.kai.allocate import place_job
from tenantry.fair.kai.cycle import outcome
from tenantry.fair.kai.rules import DEFAULTS, Settings
from tenantry.fair.kai.session import Session, Statement
from tenantry.model.job import PodStatus
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from tenantry.fair.kai.state import Job
    from tenantry.model.job import Job as ModelJob
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle


@dataclass(frozen=True, slots=True)
class FifoScheduler:
    """First come, first served, placing pods as the KAI scheduler does.

    Attributes:
        settings: placement strategy and the like; actions and shares do not matter.
        period: seconds between two cycles.
    """

    settings: Settings = DEFAULTS
    period: int = 1

    @property
    def name(self) -> str:
        """Name."""
        return "FIFO"

    def cycle(self, moment: Moment) -> Cycle:
        """Start jobs until one has to wait."""
        session = Session(moment, replace(self.settings, plugins=self.settings.plugins - {"proportion"}))
        session.record.action = "allocate"
        empty: Session | None = None
        waiting = sorted(
            (job for job in session.jobs.values() if job.pending and job.ready), key=lambda job: (job.created, job.uid)
        )
        for job in waiting:
            if _place(session, job):
                continue
            if empty is None:
                empty = Session(replace(moment, jobs=tuple(map(_unplaced, moment.jobs)), foreign=()), self.settings)
            if _fits_empty(empty, job):
                break
        return outcome(session)

    def wakes(self, moment: Moment) -> int | None:
        """Return None: time alone changes nothing."""
        del moment
        return None

    def shuffled(self, seed: int) -> FifoScheduler:
        """Return the scheduler with everything it takes from hash maps in another order."""
        return replace(self, settings=replace(self.settings, order_seed=seed))


def _place(session: Session, job: Job) -> bool:
    """Start a job if all of it has room now."""
    statement = Statement(session)
    if not place_job(session, statement, list(session.nodes.values()), job, real=True):
        statement.rollback()
        return False
    if job.must_wait_whole():
        statement.rollback()
        session.record.hold(job, Gate.WAITS_FOR_RELEASE)
        return False
    session.record.committed(statement.commit(), job)
    session.record.started.append(job.uid)
    return True


def _unplaced(job: ModelJob) -> ModelJob:
    return replace(job, pods=tuple(replace(pod, status=PodStatus.PENDING, node="", groups=()) for pod in job.pods))


def _fits_empty(empty: Session, job: Job) -> bool:
    statement = Statement(empty)
    fits = place_job(empty, statement, list(empty.nodes.values()), empty.jobs[job.uid], real=False)
    statement.rollback()
    return fits
