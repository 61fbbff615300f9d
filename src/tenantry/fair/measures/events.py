"""Logs and jobs as rows of words and numbers, a few thousand at a time, for files that other tools read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from tenantry.fair.measures.histories import NEVER, Histories
from tenantry.fair.measures.measure import impossible_jobs
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening
from tenantry.fair.replay.work import refusal
from tenantry.model.column import Cell, Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.fair.measures.hiding import Disguise
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

Row = tuple[Cell, ...]

BATCH: Final = 8192
"""Rows of a batch."""

EVENTS: Final = {
    Happening.SUBMIT: "submitted",
    Happening.BIND: "placed",
    Happening.RUN: "runs",
    Happening.EVICT: "evicted",
    Happening.LOSE: "work-lost",
    Happening.RELEASE: "released",
    Happening.FINISH: "finished",
}
"""What happened, in a word."""

EVENT_COLUMNS: Final = (
    Column("timeSeconds", Kind.WHOLE, "seconds from the first submission of the trace"),
    Column("event", Kind.TEXT, ", ".join(EVENTS.values())),
    Column("job", Kind.TEXT, "the job"),
    Column("tenant", Kind.TEXT, "whose it is"),
    Column("queue", Kind.TEXT, "its leaf queue"),
    Column("milliGpus", Kind.WHOLE, "GPUs concerned, in thousandths; nothing for runs and work-lost"),
    Column("action", Kind.TEXT, "action of the scheduler that placed or evicted pods"),
    Column("causeJob", Kind.TEXT, "job that pods were evicted for"),
    Column("causeTenant", Kind.TEXT, "whose that is"),
    Column("lostSeconds", Kind.WHOLE, "seconds of work lost"),
)
"""Columns of events: one row per row of the log."""

JOB_COLUMNS: Final = (
    Column("job", Kind.TEXT, "the job"),
    Column("tenant", Kind.TEXT, "whose it is"),
    Column("user", Kind.TEXT, "the person, where the trace says"),
    Column("queue", Kind.TEXT, "its leaf queue"),
    Column("state", Kind.TEXT, "finished, unfinished, waiting, impossible or left-out"),
    Column("reason", Kind.TEXT, "why it is impossible or left out"),
    Column("outcome", Kind.TEXT, "how it ended in the trace"),
    Column("pods", Kind.WHOLE, "pods"),
    Column("milliGpus", Kind.WHOLE, "GPUs of all pods, in thousandths"),
    Column("submitSeconds", Kind.WHOLE, "submission"),
    Column("firstRunSeconds", Kind.WHOLE, "first second in which all pods ran"),
    Column("endSeconds", Kind.WHOLE, "end"),
    Column("workSeconds", Kind.WHOLE, "work there was to do"),
    Column("waitSeconds", Kind.WHOLE, "from submission to the first run"),
    Column("totalWaitSeconds", Kind.WHOLE, "in which not all pods ran, until its end or the end of the replay"),
    Column("evictions", Kind.WHOLE, "seconds in which it was evicted"),
    Column("lostSeconds", Kind.WHOLE, "seconds of work lost"),
)
"""Columns of jobs: one row per job of the trace."""


def event_batches(log: Log, table: JobTable, setup: Setup, *, disguise: Disguise | None = None) -> Iterator[list[Row]]:
    """Yield the log in batches of rows, in its order.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster as its owner set it up.
        disguise: other names for others.
    """
    names = _Names(table, setup, disguise)
    yield from _batched(_event_rows(log, names))


def _event_rows(log: Log, names: _Names) -> Iterator[Row]:
    words = {int(kind): word for kind, word in EVENTS.items()}
    acted, silent = {int(Happening.BIND), int(Happening.EVICT)}, {int(Happening.RUN), int(Happening.LOSE)}
    lose = int(Happening.LOSE)
    columns = zip(log.time, log.happening, log.job, log.gpus, log.cause, log.detail, strict=True)
    for time, kind, job, gpus, cause, detail in columns:
        yield (
            time,
            words[kind],
            names.job(job),
            *names.owners(job),
            None if kind in silent else gpus,
            ACTIONS[detail] if kind in acted else None,
            None if cause == NOBODY else names.job(cause),
            None if cause == NOBODY else names.owners(cause)[0],
            detail if kind == lose else None,
        )


def job_batches(log: Log, table: JobTable, setup: Setup, *, disguise: Disguise | None = None) -> Iterator[list[Row]]:
    """Yield all jobs of the trace in batches of rows, by submission, with what became of them.

    Args:
        log: what happened.
        table: the jobs.
        setup: the cluster as its owner set it up.
        disguise: other names for others.
    """
    histories = Histories(log, table, setup, [])
    impossible = impossible_jobs(histories, table, setup)
    names = _Names(table, setup, disguise)
    yield from _batched(_job_rows(table, setup, histories, impossible, names))


def _job_rows(
    table: JobTable, setup: Setup, histories: Histories, impossible: dict[int, str], names: _Names
) -> Iterator[Row]:
    for job, gpus in enumerate(histories.gpus):
        first, end, submit = histories.first[job], histories.end[job], table.submit[job]
        reason = impossible.get(job) if gpus else refusal(table, job, setup)
        yield (
            names.job(job),
            names.owners(job)[0],
            names.user(job),
            names.owners(job)[1],
            _state(histories, job, impossible=job in impossible),
            reason,
            str(table.outcome(job)),
            table.pods[job],
            table.pods[job] * table.gpus[job],
            submit,
            _time(first),
            _time(end),
            table.duration[job],
            None if first == NEVER else first - submit,
            histories.waited[job] if gpus else None,
            histories.evicted[job] if gpus else None,
            histories.lost[job] if gpus else None,
        )


def _time(second: int) -> int | None:
    return None if second == NEVER else second


def _state(histories: Histories, job: int, *, impossible: bool) -> str:
    if not histories.gpus[job]:
        return "left-out"
    if histories.end[job] != NEVER:
        return "finished"
    return "impossible" if impossible else "waiting" if histories.first[job] == NEVER else "unfinished"


class _Names:
    """Names of jobs, tenants, queues and people, in a disguise where there is one."""

    def __init__(self, table: JobTable, setup: Setup, disguise: Disguise | None) -> None:
        self._table, self._disguise = table, disguise
        self._owners = []
        for tenant in table.tenants:
            queue = setup.queue_of.get(tenant, "")
            if disguise is None:
                self._owners.append((tenant, queue or None))
            else:
                self._owners.append((disguise.tenant_name(tenant), disguise.queue_name(queue) or None))

    def job(self, index: int) -> str:
        """Return the name of a job."""
        name = self._table.name(index)
        if self._disguise is None:
            return name
        return self._disguise.job_name(name, self._table.tenants[self._table.tenant[index]])

    def owners(self, index: int) -> tuple[str, str | None]:
        """Return tenant and queue of a job."""
        return self._owners[self._table.tenant[index]]

    def user(self, index: int) -> str | None:
        """Return the person; nobody where it is not known or not to be seen."""
        table = self._table
        if self._disguise is not None and table.tenants[table.tenant[index]] != self._disguise.tenant:
            return None
        return table.users[table.user[index]] or None


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch
