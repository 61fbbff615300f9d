"""Random clusters, queues and traces within what the fast replay covers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.rules import Settings, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.policies import fifo, static_partition
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import Entitled, Queue
from tenantry.model.trace import MILLI, TraceJob

if TYPE_CHECKING:
    from tenantry.fair.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Case:
    """What a replay is given."""

    setup: Setup
    table: JobTable
    scheduler: Scheduler


def case(seed: int, jobs: int) -> Case:
    """Make a case: the same seed gives the same one."""
    draw = Random(seed)
    nodes = tuple(
        Node(f"n{number}", gpus=float(draw.choice([8, 8, 8, 4, 2, 1]) if draw.random() < 0.5 else 8))
        for number in range(draw.randint(1, 5))
    )
    queues, leaves = _queues(draw)
    table = _table(draw, jobs, leaves, sum(node.gpus for node in nodes))
    settings = _settings(draw, even=len({node.gpus for node in nodes}) == 1)
    behaviour = Behaviour(
        leaving=draw.choice([30, 30, 5, 0, 100]),
        checkpoint=draw.choice([3600, 600, 60, 0, None]),
        startup=draw.choice([0, 0, 20]),
        until=None if draw.random() < 0.9 else draw.randint(1, max(2, table.submit[-1])),
    )
    setup = Setup(nodes, tuple(queues), {name: name for name in leaves if draw.random() < 0.97}, behaviour)
    scheduler = KaiScheduler(settings, period=draw.choice([1, 1, 1, 5, 30]))
    if draw.random() < 0.12:
        policy = draw.choice([fifo, static_partition])(setup, scheduler)
        return Case(policy.setup, table, policy.scheduler)
    return Case(setup, table, scheduler)


def _queues(draw: Random) -> tuple[list[Queue], list[str]]:
    """One, two or three levels, some of uneven depth."""

    def queue(name: str, parent: str = "") -> Queue:
        own: dict[str, Any] = {}
        if draw.random() < 0.5:
            for minimum in ("reclaim_min_runtime", "preempt_min_runtime"):
                own[minimum] = draw.choice([None] * 6 + [0, 60, 600])
        quota = draw.choice([0, 0, 1, 2, 4, 8, 16, -1 if draw.random() < 0.15 else 4])
        limit = -1 if draw.random() < 0.85 else draw.choice([1, 2, 4, 8, 16])
        entitled = Entitled(float(quota), float(limit), float(draw.choice([0, 1, 1, 2, 3, 0.5])))
        return Queue(name, parent, gpu=entitled, priority=draw.choice([100] * 6 + [90, 110]), **own)

    levels = draw.choice([1, 1, 2, 3])
    if levels == 1:
        leaves = [f"q{number}" for number in range(draw.randint(1, 5))]
        return [queue(name) for name in leaves], leaves
    queues, leaves = [], []
    for number in range(draw.randint(1, 3)):
        parents = [f"d{number}"]
        queues.append(queue(parents[0]))
        if levels == 3 and draw.random() < 0.6:
            parents.append(f"d{number}m")
            queues.append(queue(parents[1], parents[0]))
        for position in range(draw.randint(1, 3)):
            leaves.append(f"q{number}{position}")
            queues.append(queue(leaves[-1], parents[-1] if position == 0 else draw.choice(parents)))
    if draw.random() < 0.3:
        leaves.append("top")
        queues.append(queue("top"))
    draw.shuffle(queues)
    return queues, leaves


def _table(draw: Random, count: int, leaves: list[str], gpus: float) -> JobTable:
    """Jobs at some load, from half of the cluster to four times as much."""
    load, length = draw.choice([0.5, 0.9, 1.2, 2.0, 4.0]), draw.choice([30, 200, 2000])
    sizes = draw.choice([[1], [1, 1, 2, 4, 8], [1, 2], [8, 8, 4, 1], [2, 3, 5, 1]])
    priorities = draw.choice([[50], [50, 75], [50, 60, 75, 100], [10, 50, 100, 125]])
    gangs, jobs, now = draw.random() < 0.7, [], 0
    for number in range(count):
        size, pods = draw.choice(sizes), draw.choice([2, 2, 3, 4, 8]) if gangs and draw.random() < 0.35 else 1
        seconds = int(draw.lognormvariate(0, 1) * length)
        now += int(draw.expovariate(1 / max(seconds * size * pods / gpus / load, 0.3)))
        jobs.append(
            TraceJob(
                f"j{draw.randint(0, 99)}-{number}", draw.choice(leaves), now, seconds, pods, size * MILLI,
                priority=draw.choice(priorities) if draw.random() < 0.9 else None,
                preemptible=None if draw.random() < 0.8 else draw.random() < 0.5,
            )
        )  # fmt: skip
    return JobTable.build(jobs)


def _settings(draw: Random, *, even: bool) -> Settings:
    settings = Settings(
        version=draw.choice(["0.17"] * 4 + ["0.16", "0.15"]),
        consolidation_victims=draw.choice([16, 16, 16, 2, 0, -1]),
        consolidating_reclaim=draw.random() < 0.85,
        saturation_multiplier=draw.choice([1.0, 1.0, 1.3, 2.0]),
        staleness_grace=draw.choice([60, 60, 5, -1, 0]),
        reclaim_min_runtime=draw.choice([0, 0, 0, 120]),
        preempt_min_runtime=draw.choice([0, 0, 0, 120]),
        reclaim_by_queue=draw.random() < 0.3,
        signatures=draw.random() < 0.85,
    )
    if even and draw.random() < 0.25:
        settings = placement(Strategy.SPREAD, Strategy.BINPACK, settings)
    if draw.random() < 0.15:
        kept = tuple(name for name in settings.actions if name == "allocate" or draw.random() < 0.6)
        settings = replace(settings, actions=kept)
    return settings
