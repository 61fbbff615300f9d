"""Lays out a cluster and a trace as the flat sequences a replay works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.min_runtime import minimum_between
from tenantry.fair.kai.rules import Settings, Strategy
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.kernel.numbers import (
    DUE,
    FREE,
    LAST_CYCLE,
    NONE,
    PARTIAL,
    SCALARS,
    STAMP,
    UNEVEN,
    WALK_SCALARS,
)
from tenantry.fair.replay.kernel.records import (
    Classes,
    Config,
    Jobs,
    Lists,
    Nodes,
    Pods,
    Queues,
    Rows,
    Search,
    State,
    Walk,
)
from tenantry.fair.replay.kernel.rooms import set_bit
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable
    from tenantry.model.queue import Queue

# --- what is laid out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """A state ready to run.

    Attributes:
        state: everything the replay needs, on lists.
        origin: position in the table of every job, where some are left out; None where none is.
    """

    state: State
    origin: Sequence[int] | None


def lay_out(setup: Setup, table: JobTable, scheduler: Scheduler, kept: Sequence[int], rows: int) -> Layout:
    """Lay out a replay.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides; :func:`not_covered` must have found nothing.
        kept: positions of the jobs that are replayed.
        rows: rows the log has room for.
    """
    nodes = sorted(setup.nodes, key=lambda node: node.name)
    sizes = [int(node.gpus) for node in nodes]
    queues = sorted(setup.queues, key=lambda queue: queue.name)
    number = {queue.name: position for position, queue in enumerate(queues)}
    asks = _asks(setup, table, kept, number, sizes)
    classes, first_class, size_count = _classes(asks, len(queues))
    minimums, lists = _lists(scheduler, queues, len(kept), asks, sum(sizes))
    config = _config(setup, scheduler, asks, sizes, len(queues), size_count, len(minimums), rows)
    now = [0] * SCALARS
    now[NOW], now[UNEVEN], now[STAMP] = 0, 1, 1
    now[DUE] = now[LAST_CYCLE] = now[PARTIAL] = NONE
    state = State(
        config=config,
        now=now,
        jobs=_jobs(asks, first_class),
        pods=_pods(sum(asks.pods)),
        nodes=_nodes(sizes, config.most, now),
        queues=_queues(queues, number),
        classes=classes,
        main=_walk(len(queues), len(classes.leaf)),
        inner=_walk(len(queues), len(classes.leaf)),
        victims=_walk(len(queues), len(classes.leaf)),
        search=_search(config),
        lists=lists,
        rows=Rows(*([0] * rows for _ in Rows._fields)),
    )
    return Layout(state, None if len(kept) == len(table) else kept)
