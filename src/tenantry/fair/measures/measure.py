"""From a log to all its measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.fair.measures.result import Result
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable


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
    raise NotImplementedError
