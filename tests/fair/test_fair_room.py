"""Jobs that can never start, and those that can: held to a replay on the empty cluster."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.log import Happening
from tenantry.fair.replay.setup import Setup
from tenantry.fair.room import Room, Shape
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import FREE, Entitled, Queue
from tenantry.model.trace import TraceJob

QUEUES = (
    Queue("lab", gpu=Entitled(10, 14, 1)),
    Queue("vision", "lab", Entitled(6, 12, 1)),
    Queue("speech", "lab", Entitled(4, -1, 1)),
)
OF = {"vision": "vision", "speech": "speech"}
WHOLE = Setup((Node("a", 8.0), Node("b", 8.0), Node("c", 4.0)), QUEUES, OF)
SLICES = Setup(
    (Node("a", extended=(("nvidia.com/mig-1g.18gb", 3.0), ("nvidia.com/mig-3g.71gb", 2.0)), mig_strategy="mixed"),),
    QUEUES,
    OF,
    instances={1000: "nvidia.com/mig-1g.18gb", 3000: "nvidia.com/mig-3g.71gb"},
)


def shape(pods: int, gpus: int, *, queue: str = "vision", lasting: bool = False) -> Shape:
    return Shape(queue, pods, gpus, 0, 0, lasting)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (shape(1, 8000), None),
        (shape(1, 9000), "has pods that no node has room for"),
        (shape(2, 6000), None),
        (shape(3, 5000, queue="speech"), "has more pods than all nodes have room for"),  # the third node has 4
        (shape(13, 1000), "asks for more than the limit of its queue"),  # vision: 12
        (shape(15, 1000, queue="speech"), "asks for more than the limit of its queue"),  # lab: 14
        (shape(7, 1000, lasting=True), "may not be evicted and asks for more than the quota of its queue"),
        (shape(6, 1000, lasting=True), None),
        (shape(40, 250), None),  # 10 GPUs
    ],
)
def test_whole_gpus(asked: Shape, reason: str | None) -> None:
    found = Room(WHOLE).never(asked)
    assert (found.reason if found else None) == reason


def test_slices() -> None:
    room = Room(SLICES)
    assert room.never(shape(2, 3000)) is None
    assert room.never(shape(3, 1000)) is None
    too_many = room.never(shape(4, 1000))
    assert too_many is not None
    assert too_many.most == "3 such pods"
    none = room.never(shape(1, 2000))
    assert none is not None
    assert none.most == "instances of 1g.18gb, 3g.71gb"


def test_cpu_and_memory_count_where_nodes_say_what_they_have() -> None:
    node = Node("a", 8.0, cpu=64_000.0, memory=256.0 * 1024**3)
    room = Room(Setup((node,), (Queue("q", gpu=FREE),), {"t": "q"}))
    assert room.never(Shape("q", 4, 1000, 16_000, 65_536, lasting=False)) is None
    assert room.never(Shape("q", 5, 1000, 16_000, 0, lasting=False)) is not None
    assert room.never(Shape("q", 5, 1000, 0, 65_536, lasting=False)) is not None


@settings(max_examples=60, deadline=None)
@given(
    setup=st.sampled_from([WHOLE, SLICES]),
    tenant=st.sampled_from(sorted(OF)),
    pods=st.integers(1, 16),
    gpus=st.sampled_from([250, 500, 1000, 2000, 3000, 4000, 5000, 8000]),
    lasting=st.booleans(),
)
def test_a_job_starts_on_the_empty_cluster_exactly_when_nothing_is_said_against_it(
    setup: Setup, tenant: str, pods: int, gpus: int, lasting: bool
) -> None:
    if setup.instances and gpus not in setup.instances:
        return
    job = TraceJob("job", tenant, 0, 60, pods, gpus, preemptible=not lasting)
    log = replay(setup, JobTable.build([job]), KaiScheduler())
    never = Room(setup).never(Shape(OF[tenant], pods, gpus, 0, 0, lasting))
    assert (Happening.RUN in list(log.happening)) is (never is None)
