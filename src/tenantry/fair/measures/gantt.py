"""What became of one job: when it waited, ran, and was told to leave, and for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.fair.measures.histories import Histories
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening, Row

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

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
        by: job it was evicted for, in a segment that an eviction begins; empty for none.
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


def gantts(log: Log, table: JobTable, setup: Setup, jobs: Mapping[int, str]) -> tuple[Gantt, ...]:
    """Return what became of some jobs.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster.
        jobs: why each is shown, by position in the table; those never submitted are left out.
    """
    rows: dict[int, list[Row]] = {job: [] for job in jobs}
    columns = zip(log.time, log.happening, log.job, log.gpus, log.cause, log.detail, strict=True)
    for row in columns:
        if row[2] in rows:
            rows[row[2]].append(Row(row[0], Happening(row[1]), *row[2:]))
    return tuple(_gantt(own, table, setup, log.end, why) for job, why in jobs.items() if (own := rows[job]))


def _gantt(rows: list[Row], table: JobTable, setup: Setup, end: int, why: str) -> Gantt:
    job = rows[0].job
    tenant = table.tenants[table.tenant[job]]
    return Gantt(
        job=table.name(job),
        tenant=tenant,
        queue=setup.queue_of.get(tenant, ""),
        gpus=rows[0].gpus,
        work=table.duration[job],
        finished=rows[-1].happening is Happening.FINISH,
        why=why,
        segments=tuple(_segments(rows, table, end)),
    )


def _segments(rows: list[Row], table: JobTable, end: int) -> Iterator[Segment]:
    """Yield the states of a job; within a second only the last one counts."""
    held = leaving = 0
    runs, going = False, Segment(WAITS, rows[0].time, end)
    for time, happened in groupby(rows, key=lambda row: row.time):
        evicted: Row | None = None
        lost, over = 0, False
        for row in happened:
            kind = row.happening
            if kind is Happening.BIND:
                held += row.gpus
            elif kind is Happening.RUN:
                runs = True
            elif kind is Happening.EVICT:
                evicted, runs = evicted or row, False
                held, leaving = held - row.gpus, leaving + row.gpus
            elif kind is Happening.LOSE:
                lost += row.detail
            elif kind is Happening.RELEASE:
                leaving -= row.gpus
            over = over or kind is Happening.FINISH
        state = RUNS if runs else LEAVES if leaving else INCOMPLETE if held else WAITS
        if state == going.state and evicted is None and not over:
            continue
        if time > going.start:
            yield replace(going, end=time)
        if over:
            return
        going = Segment(state, time, end) if evicted is None else _evicted(state, evicted, table, end, lost)
    if end > going.start:
        yield going


def _evicted(state: str, row: Row, table: JobTable, end: int, lost: int) -> Segment:
    by, by_tenant = "", ""
    if row.cause != NOBODY:
        by, by_tenant = table.name(row.cause), table.tenants[table.tenant[row.cause]]
    return Segment(state, row.time, end, by, by_tenant, ACTIONS[row.detail], lost)


def notable(
    log: Log,
    table: JobTable,
    setup: Setup,
    *,
    most: int = 6,
    histories: Histories | None = None,
    skip: Container[int] = (),
) -> dict[int, str]:
    """Return jobs worth looking at by position, and why: evicted most often, waited longest, lost most, largest.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster.
        most: jobs at most.
        histories: what became of every job, where that is known already.
        skip: jobs to pass over.
    """
    known = Histories(log, table, setup, []) if histories is None else histories
    lost = [seconds * gpus for seconds, gpus in zip(known.lost, known.gpus, strict=True)]
    wishes: tuple[tuple[str, Sequence[int]], ...] = (
        ("evicted most often", known.evicted),
        ("waited longest", known.waited),
        ("lost most work", lost),
        ("largest", known.gpus),
    )
    shown = [job for job in range(len(table)) if job not in skip]
    best = [(why, nlargest(most, shown, key=lambda job: (values[job], -job)), values) for why, values in wishes]
    chosen: dict[int, str] = {}
    for rank in range(most):
        for why, jobs, values in best:
            if rank < len(jobs) and len(chosen) < most and values[jobs[rank]] > 0:
                chosen.setdefault(jobs[rank], why if rank == 0 else f"{why}, rank {rank + 1}")
    return chosen
