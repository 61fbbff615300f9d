"""Small traces and clusters for tests of replays, and logs in words that read well."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.driver import Replay
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.trace import MILLI, TraceJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.replay.log import Log
    from tenantry.fair.scheduler import Scheduler

KAI = KaiScheduler(DEFAULTS)


def node(name: str, gpus: int = 4, **more: Any) -> Node:
    return Node(name, gpus, **more)


def queue(name: str, quota: float = 0, *, parent: str = "", limit: float = UNLIMITED, **more: Any) -> Queue:
    """A queue with a quota of GPUs, free in all else."""
    return Queue(name, parent, Entitled(quota, limit, 1.0), FREE, FREE, **more)


def cluster(nodes: Sequence[Node], queues: Sequence[Queue], **behaviour: Any) -> Setup:
    """A cluster whose tenants are called as their leaf queues."""
    setup = Setup(tuple(nodes), tuple(queues), {}, Behaviour(**behaviour))
    return Setup(setup.nodes, setup.queues, {name: name for name in setup.leaves}, setup.behaviour)


def job(name: str, tenant: str, at: int, seconds: int, gpus: float = 1, *, pods: int = 1, **more: Any) -> TraceJob:
    """A job of some GPUs per pod."""
    return TraceJob(name, tenant, at, seconds, pods, round(gpus * MILLI), **more)


def played(setup: Setup, jobs: Sequence[TraceJob], scheduler: Scheduler = KAI) -> tuple[Replay, Log]:
    replay = Replay(setup, JobTable.build(jobs), scheduler)
    return replay, replay.run()


def told(setup: Setup, jobs: Sequence[TraceJob], scheduler: Scheduler = KAI) -> list[str]:
    """What happens, one line each: second, what, job, GPUs, and what the kind of row adds."""
    return lines(JobTable.build(jobs), played(setup, jobs, scheduler)[1])


def lines(table: JobTable, log: Log) -> list[str]:
    found = []
    for row in log:
        words = [str(row.time), row.happening.name.lower(), table.name(row.job)]
        if row.gpus:
            words.append(f"{row.gpus / MILLI:g}")
        if row.happening in {Happening.BIND, Happening.EVICT}:
            words.append(ACTIONS[row.detail])
        elif row.happening is Happening.LOSE:
            words.append(f"{row.detail}s")
        if row.cause != NOBODY:
            words.append(f"for {table.name(row.cause)}")
        found.append(" ".join(words))
    return found


def random_jobs(seed: int, tenants: Sequence[str], count: int = 40) -> list[TraceJob]:
    """Jobs of several sizes and priorities, some at one second."""
    chance = random.Random(seed)
    found, at = [], 0
    for number in range(count):
        at += chance.choice((0, 0, 5, 20, 60))
        gpus = chance.choice((0.25, 0.5, 1, 1, 2, 4))
        found.append(
            job(
                f"j{number:02d}",
                chance.choice(list(tenants)),
                at,
                chance.choice((0, 7, 60, 300, 900)),
                gpus,
                pods=chance.choice((1, 1, 1, 2, 3)) if gpus >= 1 else 1,
                priority=chance.choice((None, 50, 60, 100)),
                preemptible=chance.choice((None, None, True, False)),
            )
        )
    return found
