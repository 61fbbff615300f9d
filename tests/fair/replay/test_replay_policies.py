"""Static partition, FIFO and fair share of the same work on the same cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_build import KAI, cluster, job, node, queue, random_jobs, told

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.rules import DEFAULTS, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.policies import Policy, fair_share, fifo, split, static_partition
from tenantry.fair.replay.setup import Setup
from tenantry.model.job import Job, Pod, PodStatus, whole_gpus
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.schedule import Gate
from tenantry.model.trace import TraceJob

TWO = cluster([node("n1")], [queue("a", 3), queue("b", 1)])
"""Four GPUs of which one queue is due three."""


def rows(policy: Policy, jobs: list[TraceJob], word: str) -> list[str]:
    return [row for row in told(policy.setup, jobs, policy.scheduler) if f" {word} " in row]


# --- static partition -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "quotas", "expected"),
    [
        pytest.param(8, {"a": 6, "b": 2}, {"a": 6, "b": 2}, id="quotas are the cluster"),
        pytest.param(8, {"a": 3, "b": 1}, {"a": 6, "b": 2}, id="quotas are less than the cluster"),
        pytest.param(4, {"a": 6, "b": 2}, {"a": 3, "b": 1}, id="quotas are more than the cluster"),
        # 8/3 = 2.67 each: two are rounded up, by name.
        pytest.param(8, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 3, "c": 2}, id="equal remainders"),
        # 5 * 0.6 = 3, 5 * 0.3 = 1.5, 5 * 0.1 = 0.5: the tie goes by name.
        pytest.param(5, {"a": 6, "b": 3, "c": 1}, {"a": 3, "b": 2, "c": 0}, id="one remainder too few"),
        pytest.param(9, {"a": 0, "b": 0}, {"a": 5, "b": 4}, id="nobody is entitled"),
        # Without a bound counts as 8 of 8 + 8.
        pytest.param(8, {"a": UNLIMITED, "b": 8}, {"a": 4, "b": 4}, id="no bound"),
    ],
)
def test_parts_are_in_proportion_to_quotas(gpus: int, quotas: dict[str, float], expected: dict[str, float]) -> None:
    setup = cluster([node("n1", gpus)], [queue(name, quota) for name, quota in quotas.items()])
    assert split(setup) == expected


@given(
    st.integers(0, 200),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.sampled_from((0, 1, 2.5, 7, UNLIMITED)), min_size=1),
)
def test_parts_add_up_to_all_gpus_and_are_within_one_of_exact(gpus: int, quotas: dict[str, float]) -> None:
    setup = cluster([node("n1", gpus)], [queue(name, quota) for name, quota in quotas.items()])
    parts = split(setup)
    assert sum(parts.values()) == gpus
    exact = {name: float(gpus) if quota == UNLIMITED else quota for name, quota in quotas.items()}
    if whole := sum(exact.values()):
        assert all(abs(parts[name] - gpus * exact[name] / whole) < 1 for name in parts)


def test_only_leaves_have_parts_and_nodes_that_are_not_ready_give_none() -> None:
    nodes = [node("n1"), node("n2", unready=("cordoned",))]
    queues = [queue("d", 9), queue("a", 1, parent="d"), queue("b", 1, parent="d"), queue("c", 2)]
    made = static_partition(cluster(nodes, queues), KAI)
    assert [(item.name, item.parent, item.gpu, item.cpu, item.memory) for item in made.setup.queues] == [
        ("a", "", Entitled(1, 1, 0), FREE, FREE),
        ("b", "", Entitled(1, 1, 0), FREE, FREE),
        ("c", "", Entitled(2, 2, 0), FREE, FREE),
    ]


def test_nobody_borrows_what_is_idle_in_a_partition() -> None:
    jobs = [job("b1", "b", 0, 100), job("b2", "b", 0, 100), job("a", "a", 50, 10, 3)]
    assert rows(static_partition(TWO, KAI), jobs, "bind") == [
        "0 bind b1 1 allocate",
        "50 bind a 3 allocate",
        "100 bind b2 1 allocate",
    ]
    assert rows(fair_share(TWO, KAI), jobs, "bind")[:2] == ["0 bind b1 1 allocate", "0 bind b2 1 allocate"]


@pytest.mark.parametrize("seed", range(3))
def test_a_partition_never_lets_anybody_pass_its_part_and_evicts_across_none(seed: int) -> None:
    setup = cluster([node("n1", 4), node("n2", 4)], [queue("a", 3), queue("b", 4), queue("c", 1)])
    jobs = [item for item in random_jobs(seed, "abc") if item.gpus >= 1000]
    owner = {item.name: item.tenant for item in jobs}
    policy = static_partition(setup, KAI)
    held, parts = dict.fromkeys("abc", 0.0), split(setup)
    for row in told(policy.setup, jobs, policy.scheduler):
        words = row.split()
        name = owner[words[2]]
        held[name] += {"bind": 1, "evict": -1, "finish": -1}.get(words[1], 0) * float([*words, "0"][3].rstrip("s"))
        assert held[name] <= parts[name]  # pods on their way out count no more
        assert words[1] != "evict" or words[4] == "preempt"


# --- first come, first served -----------------------------------------------------------------------------------------


def test_fifo_holds_up_all_behind_the_first_that_waits() -> None:
    jobs = [job("x", "a", 0, 100, 3), job("big", "b", 1, 10, 2), job("small", "a", 2, 10)]
    policy = fifo(TWO, KAI)
    assert rows(policy, jobs, "bind") == ["0 bind x 3 allocate", "100 bind big 2 allocate", "100 bind small 1 allocate"]
    assert rows(fair_share(TWO, KAI), jobs, "bind")[1] == "2 bind small 1 allocate"


def test_fifo_has_one_queue_for_everybody_and_evicts_nobody() -> None:
    jobs = [job("low", "b", 0, 100, 4), job("high", "a", 10, 10, 4, priority=90)]
    policy = fifo(TWO, KAI)
    assert (policy.setup.leaves, set(policy.setup.queue_of.values())) == (("everybody",), {"everybody"})
    assert rows(policy, jobs, "evict") == []
    assert rows(policy, jobs, "bind") == ["0 bind low 4 allocate", "100 bind high 4 allocate"]
    assert rows(fair_share(TWO, KAI), jobs, "evict") == []


def test_fifo_passes_over_what_would_not_fit_the_empty_cluster() -> None:
    jobs = [job("never", "a", 0, 100, 5), job("gang", "a", 1, 100, 3, pods=2), job("x", "a", 2, 10)]
    assert rows(fifo(TWO, KAI), jobs, "bind") == ["2 bind x 1 allocate"]


def test_fifo_orders_by_submission_whatever_the_priority() -> None:
    jobs = [job("x", "a", 0, 10, 4), job("z", "a", 1, 10, 4), job("y", "b", 1, 10, 4, priority=90)]
    assert rows(fifo(TWO, KAI), jobs, "bind") == [
        "0 bind x 4 allocate",
        "10 bind y 4 allocate",
        "20 bind z 4 allocate",
    ]


def test_fifo_says_why_the_first_waits_and_never_wakes_by_itself() -> None:
    scheduler = FifoScheduler(DEFAULTS)
    pods = tuple(Pod(f"{name}-0", gpu=whole_gpus(2)) for name in "xy")
    running = Pod("r-0", PodStatus.RUNNING, "n1", whole_gpus(3))
    jobs = (Job("r", "q", (running,)), Job("x", "q", pods[:1], created=1), Job("y", "q", pods[1:], created=2))
    moment = Moment(5, (Queue("q", gpu=FREE),), jobs, (Node("n1", 4.0),))
    cycle = scheduler.cycle(moment)
    assert cycle.decisions == ()
    assert [(name, [item.gate for item in held]) for name, held in cycle.held.items()] == [("x", [Gate.NO_ROOM])]
    assert scheduler.wakes(moment) is None
    assert (scheduler.name, scheduler.shuffled(4).settings.order_seed) == ("FIFO", 4)


def test_fifo_does_not_start_what_has_to_wait_for_a_pod_that_leaves() -> None:
    leaving = Pod("r-0", PodStatus.RELEASING, "n1", whole_gpus(3))
    jobs = (Job("r", "q", (leaving,)), Job("x", "q", (Pod("x-0", gpu=whole_gpus(2)),), created=1))
    cycle = FifoScheduler(DEFAULTS).cycle(Moment(5, (Queue("q", gpu=FREE),), jobs, (Node("n1", 4.0),)))
    assert cycle.decisions == ()
    assert [item.gate for item in cycle.held["x"]] == [Gate.WAITS_FOR_RELEASE]


# --- fair share -------------------------------------------------------------------------------------------------------


def test_fair_share_leaves_the_cluster_as_it_is() -> None:
    policy = fair_share(TWO, KAI)
    assert (policy.name, policy.setup, policy.scheduler) == ("fair-share", TWO, KAI)


def test_fifo_places_pods_as_the_scheduler_it_is_measured_against_does() -> None:
    spread = KaiScheduler(placement(Strategy.SPREAD, Strategy.SPREAD), period=7)
    strict = fifo(TWO, spread).scheduler
    assert isinstance(strict, FifoScheduler)
    assert (strict.settings, strict.period) == (spread.settings, 7)
    setup = Setup((node("n1"), node("n2")), TWO.queues, TWO.queue_of)
    jobs = [job("x", "a", 0, 10), job("y", "a", 0, 10), job("z", "a", 0, 10, 4)]
    assert rows(fifo(setup, spread), jobs, "bind")[-1] == "14 bind z 4 allocate"
    assert rows(fifo(setup, KAI), jobs, "bind")[-1] == "0 bind z 4 allocate"
