"""Limits, and quotas of jobs that may not be evicted, at every level of the tree."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import Played, cluster, job, memory, node, play, queue

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import Job, Pod, PodStatus
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.schedule import Gate

LASTING: dict[str, Any] = {"priority": 100}
"""Of jobs that may not be evicted."""
ALLOCATE = ("allocate",)


def placed(queues: list[Queue], *jobs: Job, gpus: float = 8, **more: Any) -> Played:
    return play(cluster([node("n1", gpus, **more)], queues, jobs), actions=ALLOCATE)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_queue_is_filled_up_to_its_limit() -> None:
    played = placed([queue("a", 9, limit=3)], *(job(f"x{number}", "a", created=number) for number in range(4)))
    assert list(played.bound) == ["x0-0", "x1-0", "x2-0"]
    held = played.held("x3")
    assert held.gate is Gate.OVER_LIMIT
    assert held.facts == {"queue": "a", "resource": "GPU", "limit": 3, "allocated": 3, "requested": 1}


def test_a_limit_of_nothing_allows_nothing() -> None:
    assert placed([queue("a", 9, limit=0)], job("x", "a")).bound == {}


def test_a_gang_is_counted_as_a_whole() -> None:
    played = placed([queue("a", limit=3)], job("x", "a", pods=4))
    assert played.bound == {}
    assert played.held("x").facts["requested"] == 4


def test_growth_is_counted_pod_by_pod() -> None:
    assert len(placed([queue("a", limit=3)], job("x", "a", pods=4, needs=1)).bound) == 3


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"x": 1, "d": 9, "top": 9}, "x"),
        ({"x": UNLIMITED, "d": 1, "top": 9}, "d"),
        ({"x": UNLIMITED, "d": UNLIMITED, "top": 1}, "top"),
        ({"x": 1, "d": 1, "top": 1}, "x"),
    ],
)
def test_every_queue_above_counts_and_the_nearest_is_named(limits: dict[str, float], named: str) -> None:
    queues = [
        queue("top", limit=limits["top"]),
        queue("d", limit=limits["d"], parent="top"),
        queue("x", limit=limits["x"], parent="d"),
        queue("y", parent="d"),
    ]
    played = placed(queues, job("held", "x", 1, on="n1"), job("more", "x", 1))
    assert played.held("more").facts["queue"] == named
    assert played.bound == {}


def test_what_siblings_hold_counts_above() -> None:
    queues = [queue("d", limit=2), queue("x", parent="d"), queue("y", parent="d")]
    played = placed(queues, job("held", "y", 2, on="n1"), job("more", "x", 1))
    assert played.held("more").facts == {
        "queue": "d", "resource": "GPU", "limit": 2, "allocated": 2, "requested": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cpu", "ram", "resource"), [(1.0, 1.0, "CPU"), (UNLIMITED, 1.0, "Memory"), (UNLIMITED, UNLIMITED, "GPU")]
)
def test_resources_are_checked_in_order(cpu: float, ram: float, resource: str) -> None:
    tight = Queue("a", gpu=Entitled(0, 0), cpu=Entitled(-1, cpu), memory=Entitled(-1, ram))
    played = placed([tight], job("x", "a", 1, pod={"cpu": 100.0, "memory": 100.0}))
    assert played.held("x").facts["resource"] == resource


def test_a_resource_that_is_not_asked_for_is_not_checked() -> None:
    """The queue is above its CPU limit already, but this pod asks for none."""
    tight = Queue("a", gpu=FREE, cpu=Entitled(-1, 50.0))
    held = Job("held", "a", (Pod("held-0", PodStatus.RUNNING, "n1", cpu=100.0),))
    assert list(placed([tight], held, job("x", "a")).bound) == ["x-0"]


def test_limits_are_compared_exactly() -> None:
    """0.1 + 0.2 is more than 0.3 in the original's numbers, so the last tenth is refused; 0.25 + 0.5 is exact."""
    for first, second, limit, fits in ((0.1, 0.2, 0.3, False), (0.25, 0.5, 0.75, True)):
        running = job("held", "a", first, on="n1", groups=["g1"])
        played = placed([queue("a", limit=limit)], running, job("x", "a", second))
        assert bool(played.bound) is fits


# --- quotas of jobs that may not be evicted ---------------------------------------------------------------------------


def test_jobs_that_may_not_be_evicted_stay_within_the_quota() -> None:
    jobs = [job(f"x{number}", "a", created=number, **LASTING) for number in range(3)]
    played = placed([queue("a", 2)], *jobs)
    assert list(played.bound) == ["x0-0", "x1-0"]
    held = played.held("x2")
    assert held.gate is Gate.LASTING_OVER_QUOTA
    assert held.facts == {"queue": "a", "resource": "GPU", "quota": 2, "lasting": 2, "requested": 1}


def test_jobs_that_may_be_evicted_exceed_the_quota() -> None:
    assert len(placed([queue("a", 2)], *(job(f"x{number}", "a") for number in range(3))).bound) == 3


def test_only_what_may_not_be_evicted_counts() -> None:
    """The queue holds 5, but only 1 of that stays."""
    jobs = [job("soft", "a", 4, on="n1"), job("hard", "a", 1, on="n1", **LASTING), job("x", "a", 1, **LASTING)]
    assert list(placed([queue("a", 2)], *jobs).bound) == ["x-0"]


def test_an_explicit_word_beats_priority() -> None:
    soft = job("soft", "a", 3, priority=100, preemptible=True)
    hard = job("hard", "a", 3, priority=50, preemptible=False)
    played = placed([queue("a", 2)], soft, hard)
    assert list(played.bound) == ["soft-0"]
    assert played.held("hard").gate is Gate.LASTING_OVER_QUOTA


@pytest.mark.parametrize(
    ("quotas", "named"),
    [
        ({"x": 0, "d": 9, "top": 9}, "x"),
        ({"x": 9, "d": 0, "top": 9}, "d"),
        ({"x": UNLIMITED, "d": UNLIMITED, "top": 0}, "top"),
    ],
)
def test_quotas_of_every_queue_above_count(quotas: dict[str, float], named: str) -> None:
    queues = [
        queue("top", quotas["top"]),
        queue("d", quotas["d"], parent="top"),
        queue("x", quotas["x"], parent="d"),
    ]
    assert placed(queues, job("hard", "x", **LASTING)).held("hard").facts["queue"] == named


def test_an_unlimited_quota_bounds_nothing() -> None:
    assert list(placed([queue("a", UNLIMITED)], job("hard", "a", 8, **LASTING)).bound) == ["hard-0"]


def test_a_limit_is_named_before_a_quota() -> None:
    played = placed([queue("a", 0, limit=0)], job("hard", "a", **LASTING))
    assert played.held("hard").gate is Gate.OVER_LIMIT


# --- memory of GPUs ---------------------------------------------------------------------------------------------------


def test_memory_counts_by_the_largest_gpu_first_and_by_the_node_then() -> None:
    """8000 MiB are 0.1 of a GPU of 80000 and 0.5 of one of 16000: the limit of 0.3 allows the large node alone."""
    nodes = [node("n1", 1, gpu_memory=16_000), node("n2", 4, gpu_memory=80_000)]
    played = play(cluster(nodes, [queue("a", limit=0.3)], [job("x", "a", memory(8000))]), actions=ALLOCATE)
    assert played.bound == {"x-0": "n2"}
    tight = play(cluster(nodes, [queue("a", limit=0.09)], [job("x", "a", memory(8000))]), actions=ALLOCATE)
    assert tight.held("x").facts == {
        "queue": "a", "resource": "GPU", "limit": 0.09, "allocated": 0, "requested": 0.1,
    }  # fmt: skip
    small = play(cluster(nodes[:1], [queue("a", limit=0.3)], [job("x", "a", memory(8000))]), actions=ALLOCATE)
    assert small.held("x").facts["requested"] == 0.5


def test_a_node_on_which_it_would_count_too_much_refuses_it_with_the_reason() -> None:
    """The large node is full, so only the small one, on which the limit is passed, has room."""
    nodes = [node("n1", 1, gpu_memory=16_000), node("n2", 1, gpu_memory=80_000)]
    jobs = [job("held", "b", 1, on="n2"), job("x", "a", memory(8000))]
    played = play(cluster(nodes, [queue("a", limit=0.3), queue("b")], jobs), actions=ALLOCATE)
    assert played.held("x").gate is Gate.NO_ROOM
    assert played.held("x").facts["refused"] == {"over-limit": 1}


def test_memory_on_several_gpus_counts_for_each() -> None:
    nodes = [node("n1", 2, gpu_memory=16_000)]
    queues = [queue("a", limit=0.9)]
    assert play(cluster(nodes, queues, [job("x", "a", memory(8000, 2))]), actions=ALLOCATE).bound == {}
    assert play(cluster(nodes, queues, [job("x", "a", memory(7200, 2))]), actions=ALLOCATE).bound == {"x-0": "n1"}


def test_without_the_plugin_that_divides_nothing_is_bounded() -> None:
    moment = cluster([node("n1", 8)], [queue("a", 0, limit=0)], [job("hard", "a", 8, **LASTING)])
    assert play(moment, actions=ALLOCATE).bound == {}
    assert play(moment, actions=ALLOCATE, plugins=DEFAULTS.plugins - {"proportion", "predicates"}).bound == {
        "hard-0": "n1"
    }
