"""Small random clusters, traces and policies, really replayed, for tests of what is measured of replays."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.log import Log
from tenantry.fair.replay.policies import fair_share, fifo, static_partition
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import UNLIMITED, Entitled, Queue
from tenantry.model.trace import Outcome, TraceJob

TENANTS = ("ada", "bob", "cy", "dee")


@dataclass(frozen=True)
class Replayed:
    """A replay with what it was made of."""

    setup: Setup
    table: JobTable
    log: Log
    apart: Log


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    gpus = draw(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=3))
    nodes = tuple(Node(f"n{number}", gpus=float(count), gpu_memory=80_000) for number, count in enumerate(gpus))
    count = draw(st.integers(1, 4))
    depts = draw(st.integers(0, 2))
    queues = [Queue(f"dept-{number}", gpu=draw(entitled())) for number in range(depts)]
    for name in TENANTS[:count]:
        parent = draw(st.sampled_from(["", *(queue.name for queue in queues if queue.name.startswith("dept"))]))
        priority, created = draw(st.sampled_from([100, 100, 200])), draw(st.integers(0, 2))
        queues.append(Queue(f"q-{name}", parent, draw(entitled()), priority=priority, created=created))
    parents = {queue.parent for queue in queues}
    queues = [queue for queue in queues if queue.name.startswith("q-") or queue.name in parents]
    behaviour = Behaviour(
        leaving=draw(st.sampled_from([0, 1, 4])),
        checkpoint=draw(st.sampled_from([None, 0, 7])),
        startup=draw(st.sampled_from([0, 0, 3])),
        until=draw(st.sampled_from([None, None, 40, 90])),
    )
    shared = draw(st.booleans())
    queue_of = {name: f"q-{TENANTS[0] if shared and name == TENANTS[count - 1] else name}" for name in TENANTS[:count]}
    return Setup(nodes, tuple(queues), queue_of, behaviour)


def entitled() -> st.SearchStrategy[Entitled]:
    quotas = st.sampled_from([0.0, 1.0, 2.0, 2.5, 4.0, 8.0, UNLIMITED])
    return st.builds(
        lambda quota, limit, weight: Entitled(quota, limit if limit >= quota > UNLIMITED else UNLIMITED, weight),
        quotas,
        st.sampled_from([UNLIMITED, UNLIMITED, 4.0, 8.0]),
        st.sampled_from([0.0, 1.0, 1.0, 2.0]),
    )


@st.composite
def tables(draw: st.DrawFn) -> JobTable:
    jobs = []
    for number in range(draw(st.integers(1, 14))):
        pods, gpus = draw(st.sampled_from([(1, 1000), (1, 1000), (1, 500), (2, 1000), (1, 4000), (3, 2000), (2, 8000)]))
        jobs.append(
            TraceJob(
                f"job-{number:02d}",
                draw(st.sampled_from([*TENANTS, "nobody"])),
                draw(st.integers(0, 30)),
                draw(st.integers(0, 40)),
                pods,
                gpus,
                priority=draw(st.sampled_from([None, 50, 75, 100])),
                outcome=draw(st.sampled_from(Outcome)),
            )
        )
    return JobTable.build(jobs)


@st.composite
def replays(draw: st.DrawFn) -> Replayed:
    setup, table = draw(setups()), draw(tables())
    scheduler = KaiScheduler(period=draw(st.sampled_from([1, 1, 5])))
    policy = draw(st.sampled_from([fair_share, fair_share, static_partition, fifo]))(setup, scheduler)
    partition = static_partition(setup, scheduler)
    log = replay(policy.setup, table, policy.scheduler)
    return Replayed(setup, table, log, replay(partition.setup, table, partition.scheduler))
