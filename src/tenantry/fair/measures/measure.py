"""From a log to all its measures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenantry.fair.measures.apart import Meeting, meet
from tenantry.fair.measures.buckets import Buckets
from tenantry.fair.measures.flow import Flow
from tenantry.fair.measures.gantt import gantts, notable
from tenantry.fair.measures.histories import Histories
from tenantry.fair.measures.integrals import Integrals
from tenantry.fair.measures.ledger import Ledger
from tenantry.fair.measures.named import NamedResult
from tenantry.fair.measures.never import Never
from tenantry.fair.measures.result import Booking, Cause, Fairness, Measured, Result, Shares, Window, ratio
from tenantry.fair.measures.rules import View, find
from tenantry.fair.measures.subjects import Subjects, count_jobs
from tenantry.fair.measures.timeline import BUCKETS
from tenantry.fair.measures.tree import Tree
from tenantry.fair.replay.log import Happening
from tenantry.fair.replay.work import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.fair.measures.timeline import Timeline
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

TOO_LATE = "was to be submitted after the replay had ended"
NOT_THERE = "is missing from the log"


def measure(log: Log, table: JobTable, setup: Setup, *, isolated: Log | None = None) -> Result:
    """Return all measures of a replay.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster as its owner set it up: its queues say what everybody is due, whatever queues the replay had
            (a static partition or a queue for everybody is measured with the same setup).
        isolated: what happened to the same jobs in a static partition, for finish-time fairness and the incentive to
            share; None leaves these out.

    Raises:
        ValueError: if the queues are no tree, or a tenant's queue takes no jobs.
    """
    return _Study(log, table, setup, isolated).result


def timeline(log: Log, table: JobTable, setup: Setup, *, buckets: int = BUCKETS) -> Timeline:
    """Return series over the time from the first submission to the end.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster as its owner set it up, whatever it was replayed as.
        buckets: how many buckets of equal length at most; the last may be shorter.

    Raises:
        ValueError: as :func:`measure`, or if there is to be no bucket.
    """
    found = _Study(log, table, setup, None, buckets).timeline
    assert found is not None
    return found


def study(
    name: str,
    log: Log,
    table: JobTable,
    setup: Setup,
    *,
    isolated: Log | None = None,
    buckets: int = BUCKETS,
    jobs: Iterable[int] | None = None,
    scheduler: str = "",
    note: str = "",
) -> NamedResult:
    """Return measures, series over time and what became of some jobs at once, in half the time of one by one.

    Args:
        name: name of the replay, as in :class:`NamedResult`.
        log: what happened.
        table: the jobs.
        setup: the cluster as its owner set it up.
        isolated: what happened in a static partition.
        buckets: buckets of the series.
        jobs: positions of the jobs to show; None chooses some worth looking at.
        scheduler: name of the scheduler.
        note: one sentence about the replay.

    Raises:
        ValueError: as :func:`timeline`.
    """
    done = _Study(log, table, setup, isolated, buckets)
    if jobs is None:
        chosen = notable(log, table, setup, histories=done.histories, skip=done.impossible)
    else:
        chosen = dict.fromkeys(jobs, "chosen")
    drawn = gantts(log, table, setup, chosen)
    return NamedResult(name, done.result, done.timeline, drawn, scheduler, note)


class _Study:
    """One replay being measured: the log is read twice, once job by job and once second by second."""

    def __init__(
        self, log: Log, table: JobTable, setup: Setup, isolated: Log | None, buckets: int | None = None
    ) -> None:
        self._log, self._table = log, table
        self.tree = Tree(setup, table)
        start, last = _submissions(log)
        self.histories = Histories(log, table, setup, [(start, last), (start, log.end)])
        self.impossible = impossible_jobs(self.histories, table, setup, self.tree)
        shares, bookings, self.timeline = self._walk(start, last, buckets)
        counted = count_jobs(self.histories, table, log.end, self.impossible)
        if isolated is not None:
            other = Histories(isolated, table, setup, [])
            for job, gpus in enumerate(self.histories.gpus):
                if gpus and other.gpus[job] and job not in self.impossible:
                    own = counted[table.tenant[job]]
                    own.meeting = own.meeting or Meeting()
                    meet(own.meeting, job, table, self.histories, other)
        subjects = Subjects(self.histories, table, self.tree, counted, shares)
        left_out = self._left_out(setup)
        cluster = subjects.cluster()
        unfinished = cluster.jobs.unfinished + cluster.jobs.waiting
        cut = log.stuck or any(cause.reason == TOO_LATE for cause in left_out)
        if unfinished and setup.behaviour.until is not None:
            cut = cut or log.end >= setup.behaviour.until
        window = Window(start, last, log.end, self.tree.capacity, cut, log.stuck, log.cycles)
        tenants, queues = subjects.tenants(), subjects.queues()
        never = self._causes((job, reason) for job, reason in self.impossible.items())
        members = {table.tenants[tenant]: own.members for tenant, own in counted.items()}
        view = View(window, tenants, queues, left_out, never, self.histories, table, members)
        fairness = fairness_of(queues)
        self.result = Result(window, cluster, *bookings, fairness, tenants, queues, left_out, never, find(view))

    def _walk(
        self, start: int, last: int, buckets: int | None
    ) -> tuple[list[Shares], tuple[Booking, Booking], Timeline | None]:
        """Go through the log second by second."""
        log = self._log
        flow = Flow(log, self._table, self.tree, self.impossible)
        integrals, ledger = Integrals(flow, self.tree), Ledger(flow, self.tree.capacity, last)
        drawn = Buckets(flow, self.tree, start, log.end, buckets) if buckets is not None else None
        for now, touched, moved in flow.steps():
            ledger.step(now)
            integrals.step(now, touched, moved)
            if drawn is not None:
                drawn.step(now, touched, moved)
        ledger.close(log.end)
        shares = integrals.close(log.end)
        busy, whole = self.histories.windows
        return shares, ledger.bookings(busy, whole), None if drawn is None else drawn.close()

    def _left_out(self, setup: Setup) -> tuple[Cause, ...]:
        missing = (job for job, gpus in enumerate(self.histories.gpus) if not gpus)
        return self._causes((job, refusal(self._table, job, setup) or self._absent(job)) for job in missing)

    def _absent(self, job: int) -> str:
        return TOO_LATE if self._table.submit[job] > self._log.end or self._log.stuck else NOT_THERE

    def _causes(self, jobs: Iterable[tuple[int, str]]) -> tuple[Cause, ...]:
        """Group jobs by tenant and reason, in this order."""
        table = self._table
        counts: dict[tuple[int, str], list[int]] = {}
        for job, reason in jobs:
            counts.setdefault((table.tenant[job], reason), [0, job])[0] += 1
        return tuple(
            Cause(reason, table.tenants[tenant], count, table.name(first))
            for (tenant, reason), (count, first) in sorted(counts.items())
        )


def impossible_jobs(histories: Histories, table: JobTable, setup: Setup, tree: Tree | None = None) -> dict[int, str]:
    """Return jobs that were submitted, never got a place and never can, with the reason."""
    never = Never(setup, table, tree or Tree(setup, table))
    found = {}
    for job, (gpus, placed) in enumerate(zip(histories.gpus, histories.placed, strict=True)):
        if gpus and not placed and (reason := never.reason(job)) is not None:
            found[job] = reason
    return found


def _submissions(log: Log) -> tuple[int, int]:
    """Return the seconds of the first and the last submission."""
    submit = int(Happening.SUBMIT)
    for position in range(len(log) - 1, -1, -1):
        if log.happening[position] == submit:
            return log.time[0], log.time[position]
    return log.end, log.end


def fairness_of(queues: Sequence[Measured]) -> Fairness:
    """Return how evenly queues that take jobs got what they were due."""
    shares: list[tuple[float, str]] = []
    idle, nothing, loss = [], [], 0
    for queue in queues:
        if not queue.leaf or queue.shares is None or not queue.jobs.submitted:
            continue
        loss += queue.shares.loss
        normalised = queue.shares.normalised
        if not queue.shares.backlog_seconds:
            idle.append(queue.name)
        elif normalised is None:
            nothing.append(queue.name)
        else:
            shares.append((normalised, queue.name))
    values = [value for value, _ in shares]
    squares = math.fsum(value * value for value in values)
    worst = min(shares, default=None)
    return Fairness(
        jain=ratio(math.fsum(values) ** 2, len(values) * squares) if values else None,
        worst=worst[0] if worst else None,
        worst_queue=worst[1] if worst else "",
        counted=len(values),
        without_backlog=tuple(idle),
        nothing_due=tuple(nothing),
        loss=loss,
    )
