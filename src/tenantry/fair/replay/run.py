"""The one way to replay: fast where that gives the same log, else as the scheduler itself goes about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.kernel.coverage import not_covered
from tenantry.fair.replay.kernel.run import replay_fast

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable

COMPILED_FROM = 20_000
"""Jobs from which the fast replay is compiled, where it can be: below that, compiling takes longer than it saves."""


def run_replay(
    setup: Setup,
    table: JobTable,
    scheduler: Scheduler,
    *,
    literal: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Log:
    """Replay a trace; return what happened.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides.
        literal: whether to run the literal model of the scheduler even where the fast replay gives the same log.
        progress: told from time to time how many jobs have ended.
    """
    if literal or not_covered(setup, table, scheduler) is not None:
        return replay(setup, table, scheduler, progress=progress)
    return replay_fast(setup, table, scheduler, compiled=len(table) >= COMPILED_FROM, progress=progress)
