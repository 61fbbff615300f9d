"""Runs the fast replay and takes its log away."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from tenantry.fair.replay.kernel import memory as at
from tenantry.fair.replay.kernel.clock import advance
from tenantry.fair.replay.kernel.compiled import compiled_advance
from tenantry.fair.replay.kernel.layout import SLACK, lay_out
from tenantry.fair.replay.log import NOBODY, Log
from tenantry.fair.replay.work import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.fair.replay.kernel.layout import Layout
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable

ROWS = 1 << 16
"""Rows the log has room for before they are taken away."""
PAUSE = 1 << 14
"""Jobs that end between two reports of progress."""


def replay_fast(
    setup: Setup,
    table: JobTable,
    scheduler: Scheduler,
    *,
    compiled: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Log:
    """Replay a trace, where :func:`~.coverage.not_covered` finds nothing against it; return what happened.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides.
        compiled: whether to run compiled where that is possible; the log is the same.
        progress: told from time to time how many jobs have ended.
    """
    kept = [index for index in range(len(table)) if refusal(table, index, setup) is None]
    run = compiled_advance() if compiled else None
    slack = SLACK
    while (log := _replay(lay_out(setup, table, scheduler, kept, rows=ROWS, slack=slack), run, progress)) is None:
        slack = 4 * slack + 1  # all over again: a cycle that had no room cannot be taken back
    if not log.stuck and len(table):
        # Jobs that are left out pass the clock as well.
        last, until = table.submit[-1], setup.behaviour.until
        log.end = max(log.end, last if until is None else min(last, until))
    return log


def _replay(layout: Layout, run: Callable[..., int] | None, progress: Callable[[int], None] | None) -> Log | None:
    """Run what is laid out; None when a list of a cycle was too short."""
    m: Any = layout.m
    f: Any = layout.f
    if run is None:
        m, f, run = m.tolist(), f.tolist(), advance
    log = Log()
    while (ended := run(m, f, PAUSE)) != at.DONE or m[at.ROW]:
        if ended == at.CRAMPED:
            return None
        idle = not m[at.ROW] and m[at.ROOM_FOR_ROWS]
        _take_rows(m, log, layout.origin)
        if progress is not None:
            progress(int(m[at.FINISHED]))
        if ended == at.DONE:
            break
        if idle:
            _make_more_room(m)
    log.end, log.cycles, log.stuck = int(m[at.NOW]), int(m[at.CYCLES]), bool(m[at.STUCK])
    return log


def _take_rows(m: Any, log: Log, origin: Sequence[int] | None) -> None:
    start, end = int(m[at.ROWS_AT]), int(m[at.ROWS_AT] + m[at.ROW] * at.ROWS)
    m[at.ROW] = 0
    for number, name in enumerate(("time", "happening", "job", "gpus", "cause", "detail")):
        column: array[int] = getattr(log, name)
        values = m[start + number : end : at.ROWS]
        numbers: Sequence[int] = values
        if origin is not None and name in {"job", "cause"}:
            numbers = [NOBODY if job == NOBODY else origin[job] for job in numbers]
        column.extend(array(column.typecode, numbers))


def _make_more_room(m: Any) -> None:
    """Make room for twice as many rows; they come last in the memory."""
    rows = int(m[at.ROOM_FOR_ROWS])
    m[at.ROOM_FOR_ROWS] = 2 * rows
    m.extend([0] * (rows * at.ROWS))
