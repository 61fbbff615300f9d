"""Runs the fast replay and takes its log away."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from tenantry.fair.replay.kernel.clock import DONE, advance
from tenantry.fair.replay.kernel.compiled import as_arrays, compiled_functions
from tenantry.fair.replay.kernel.layout import lay_out
from tenantry.fair.replay.kernel.numbers import CYCLES, FINISHED, NOW, ROW, STUCK
from tenantry.fair.replay.log import NOBODY, Log
from tenantry.fair.replay.work import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.fair.replay.kernel.records import State
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable

ROWS = 1 << 16
"""Rows the log of a replay has room for before they are taken away."""
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
    layout = lay_out(setup, table, scheduler, kept, ROWS)
    state, run = layout.state, advance
    functions = compiled_functions() if compiled else None
    if functions is not None:
        state, run = as_arrays(state), functions["advance"]
    log = Log()
    while True:
        before = int(state.now[ROW]), int(state.now[FINISHED])
        over = run(state, PAUSE) == DONE
        full = not over and before == (0, int(state.now[FINISHED])) and state.now[ROW] == 0
        _take_rows(state, log, layout.origin)
        if progress is not None:
            progress(int(state.now[FINISHED]))
        if over:
            break
        if full:
            state = _with_more_rows(state)
    log.end, log.cycles, log.stuck = int(state.now[NOW]), int(state.now[CYCLES]), bool(state.now[STUCK])
    return log


def _take_rows(state: State, log: Log, origin: Sequence[int] | None) -> None:
    count = int(state.now[ROW])
    state.now[ROW] = 0
    for name in state.rows._fields:
        column: array[int] = getattr(log, name)
        values: Any = getattr(state.rows, name)[:count]
        numbers = values if isinstance(values, list) else values.tolist()
        if origin is not None and name in {"job", "cause"}:
            numbers = [NOBODY if job == NOBODY else origin[job] for job in numbers]
        column.extend(array(column.typecode, numbers))


def _with_more_rows(state: State) -> State:
    """Return the state with a log twice as long."""
    rows: Any = type(state.rows)(*(_doubled(column) for column in state.rows))
    return state._replace(rows=rows, config=state.config._replace(rows=2 * state.config.rows))


def _doubled(column: Any) -> Any:
    if isinstance(column, list):
        return column * 2
    import numpy as np

    return np.concatenate((column, column))
