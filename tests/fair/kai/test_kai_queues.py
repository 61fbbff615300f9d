"""Which of two queues goes first, rule by rule, and what a tree of queues is due."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_build import cluster, job, node, play, queue

from tenantry.fair.kai.queues import NOTHING_TAKEN, Contender, Queue, QueueOrder, Taken, build_tree, exceeds, share_out
from tenantry.model.job import Pod, PodStatus, gpu_memory, mig_instances, whole_gpus
from tenantry.model.moment import Moment
from tenantry.model.queue import UNLIMITED, Entitled
from tenantry.model.queue import Queue as ModelQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = (0.0, 0.0, 0.0)
TOTALS = (1000.0, 1000.0, 10.0)
"""CPU, memory and GPUs of the cluster the queues below live in."""


def standing(
    name: str,
    *,
    quota: float = 0,
    fair: float = 0,
    held: float = 0,
    limit: float = UNLIMITED,
    over_elsewhere: bool = False,
    **more: Any,
) -> Queue:
    """A queue that holds so many GPUs and, where it is over elsewhere, more CPU and memory than it is due."""
    made = Queue(ModelQueue(name, gpu=Entitled(quota, limit, 1), **more))
    cpu, memory, gpu = made.shares
    gpu.fair, gpu.allocated = fair, held
    for share in (cpu, memory):
        share.fair, share.allocated = (0, 1) if over_elsewhere else (2, 1)
    return made


def gpus(amount: float) -> tuple[float, float, float]:
    return (0.0, 0.0, float(amount))


def contender(of: Queue, asks: float = 0, out: Sequence[float] = ()) -> Contender:
    return Contender(of, gpus(asks), Taken([gpus(amount) for amount in out]))


ORDER = QueueOrder(TOTALS)

FIRST: dict[str, tuple[Contender, Contender]] = {
    # Over its share of all three resources: 5 > 4 GPUs, 1 > 0 CPU and memory. The other holds more, but is due it.
    "1: within its fair share before above it": (
        contender(standing("z", fair=8, held=8, quota=0, created=9), 1),
        contender(standing("a", fair=4, held=5, quota=9, over_elsewhere=True, priority=200), 1),
    ),
    # 5 > 4 GPUs alone is not over; so the next rule decides: 5 + 1 > 3 against 2 + 1 <= 3.
    "1: above its share of one resource only does not count": (
        contender(standing("z", fair=9, held=2, quota=3), 1),
        contender(standing("a", fair=4, held=5, quota=3, priority=200), 1),
    ),
    # 2 + 1 <= 3 against 2 + 2 > 3.
    "2: within quota with its next job before beyond it": (
        contender(standing("z", quota=3, held=2, fair=9), 1),
        contender(standing("a", quota=3, held=2, fair=9, priority=200), 2),
    ),
    "2: an unlimited quota is never exceeded": (
        contender(standing("z", quota=UNLIMITED, held=9, fair=9), 9),
        contender(standing("a", quota=3, held=3, fair=9, priority=200), 1),
    ),
    # Both within: 1 + 1 <= 3; one has the higher priority, though it holds more.
    "3: higher priority": (
        contender(standing("z", quota=3, held=2, fair=9, priority=101), 1),
        contender(standing("a", quota=3, held=0, fair=9, priority=100), 1),
    ),
    # Neither within quota. a has no share at all (max(0, 0)), z has 2.
    "4: who has a share of what it asks before who has none": (
        contender(standing("z", quota=0, held=8, fair=2), 1),
        contender(standing("a", quota=0, held=0, fair=0), 1),
    ),
    "4: a limit of nothing leaves no share": (
        contender(standing("z", quota=1, held=8, fair=2), 1),
        contender(standing("a", quota=0, held=0, fair=5, limit=0), 1),
    ),
    # (2 + 1) / 6 = 0.5 against (1 + 1) / 3 = 0.67.
    "5: the smaller part of its share with the job": (
        contender(standing("z", quota=6, held=2, fair=3), 1),
        contender(standing("a", quota=3, held=1, fair=3), 1),
    ),
    # The share is the larger of quota 2 and fair 8: 3/8 against 2/4.
    "5: the share is what is due where that is above the quota": (
        contender(standing("z", quota=2, held=2, fair=8), 1),
        contender(standing("a", quota=1, held=1, fair=4), 1),
    ),
    # Limit 3 cuts the share of a to 3: 2/3; z: 3/6.
    "5: the limit cuts the share": (
        contender(standing("z", quota=0, held=2, fair=6), 1),
        contender(standing("a", quota=0, held=1, fair=6, limit=3), 1),
    ),
    # An unlimited quota without limit counts by the cluster of 10: 3/10 against 2/5.
    "5: without quota and limit the cluster is the share": (
        contender(standing("z", quota=UNLIMITED, held=2, fair=3), 1),
        contender(standing("a", quota=5, held=1, fair=3), 1),
    ),
    # 0 GPUs but 1/1000 of the CPU of both; with the job 2/4 and 1/4, over 1000 for who has no share: 1 * 1000.
    "5: without a share what is held weighs a thousandfold": (
        contender(standing("z", quota=1, held=8, fair=0), 1),
        contender(standing("a", quota=0, held=1, fair=0), 0),
    ),
    # Victims: (6 - 4) / 4 = 0.5 against (5 - 1) / 4 = 1, though 6/4 is more than 5/4.
    "5: of victims, what is left when they are out": (
        contender(standing("z", quota=4, held=6, fair=4), 0, [3, 1]),
        contender(standing("a", quota=4, held=5, fair=4), 0, [1]),
    ),
    # (0 + 4) / 8 = (3 + 1) / 8, but 0/8 < 3/8; both within quota.
    "6: the smaller part without the job": (
        contender(standing("z", quota=8, held=0, fair=8), 4),
        contender(standing("a", quota=8, held=3, fair=8), 1),
    ),
    # (1 + 1) / 4 = (2 + 2) / 8 and 1/4 = 2/8; shares of 4 and 8.
    "7: the smaller share": (
        contender(standing("z", quota=4, held=1, fair=4, created=5), 1),
        contender(standing("a", quota=8, held=2, fair=8), 2),
    ),
    "7: any share is smaller than an unlimited one": (
        contender(standing("z", quota=10, held=0, fair=4, created=5), 1),
        contender(standing("a", quota=UNLIMITED, held=0, fair=4), 1),
    ),
    "8: the older one": (
        contender(standing("z", quota=4, held=1, fair=4, created=1), 1),
        contender(standing("a", quota=4, held=1, fair=4, created=2), 1),
    ),
    "8: of one age, by name": (
        contender(standing("a", quota=4, held=1, fair=4, created=1), 1),
        contender(standing("z", quota=4, held=1, fair=4, created=1), 1),
    ),
}


@pytest.mark.parametrize("name", FIRST)
def test_queue_goes_first(name: str) -> None:
    one, other = FIRST[name]
    assert ORDER.first(one, other)
    assert not ORDER.first(other, one)


def test_over_its_share_means_more_of_every_resource() -> None:
    assert standing("a", fair=4, held=5, over_elsewhere=True).over_fair_share
    assert not standing("a", fair=4, held=5).over_fair_share
    assert not standing("a", fair=5, held=5, over_elsewhere=True).over_fair_share


def test_equal_ages_follow_the_given_rank_where_names_are_shuffled() -> None:
    one, other = contender(standing("a", fair=4)), contender(standing("z", fair=4))
    assert ORDER.first(one, other)
    assert QueueOrder(TOTALS, lambda name: name[::-1] if name == "z" else "zz").first(other, one)


def test_without_the_plugin_that_divides_age_alone_decides() -> None:
    old, young = contender(standing("z", held=9, created=1), 1), contender(standing("a", fair=9, created=2), 1)
    assert QueueOrder(TOTALS, by_age=True).first(old, young)
    assert not QueueOrder(TOTALS, by_age=True).first(young, old)
    assert ORDER.first(young, old)
    same = contender(standing("y", created=1))
    assert QueueOrder(TOTALS, by_age=True).first(same, old)


AMOUNTS = [
    (2, 1, True),
    (1, 1, False),
    (1, 2, False),
    (UNLIMITED, 5, True),
    (5, UNLIMITED, False),
    (UNLIMITED, UNLIMITED, False),
    (0.1 + 0.2, 0.3, True),
]


@pytest.mark.parametrize(("amount", "other", "expected"), AMOUNTS)
def test_amount_exceeds_another(amount: float, other: float, expected: bool) -> None:
    """Exact: 0.1 + 0.2 is more than 0.3, as in the original."""
    assert exceeds(amount, other) is expected


@st.composite
def contenders(draw: st.DrawFn) -> Contender:
    amounts = st.sampled_from((0, 1, 2, 3, 4, 8))
    made = standing(
        draw(st.sampled_from("abcdef")),
        quota=draw(st.sampled_from((0, 2, 4, 8, UNLIMITED))),
        fair=draw(amounts),
        held=draw(amounts),
        limit=draw(st.sampled_from((UNLIMITED, UNLIMITED, 0, 2, 4))),
        over_elsewhere=draw(st.booleans()),
        priority=draw(st.sampled_from((100, 100, 90))),
        created=draw(st.sampled_from((0, 0, 1))),
    )
    return contender(made, draw(amounts), draw(st.lists(amounts, max_size=2)))


def key(item: Contender) -> tuple[object, ...]:
    """What the order says of GPUs alone, one rule after the other, as a key to sort by."""
    share, asks = item.queue.shares[2], item.job[2]
    room = share.limit if share.quota == UNLIMITED else max(share.quota, share.fair)
    if UNLIMITED not in {share.quota, share.limit}:
        room = min(room, share.limit)

    def part(held: float) -> float:
        weighed = held * 1000 if room == 0 else held / (TOTALS[2] if room == UNLIMITED else room)
        return max(weighed, 1 / 1000)  # of CPU and memory everybody holds 1 of 1000

    return (
        share.fair < share.allocated and item.queue.shares[0].fair == 0,
        share.quota != UNLIMITED and share.allocated + asks > share.quota,
        -item.queue.priority,
        room == 0 and share.allocated + asks > 0,
        part(share.allocated + asks - sum(amounts[2] for amounts in item.out.parts)),
        part(share.allocated),
        float("inf") if room == UNLIMITED else room,
        item.queue.model.created,
        item.queue.name,
    )


def compare(one: Contender, other: Contender) -> int:
    return -1 if ORDER.first(one, other) else 1


@given(st.lists(contenders(), min_size=2, max_size=6, unique_by=lambda item: item.queue.name))
def test_order_is_total_where_only_gpus_differ(items: list[Contender]) -> None:
    """Of any two exactly one is first, and all rules together are one sorting key."""
    for one in items:
        for other in items:
            if one is not other:
                assert ORDER.first(one, other) is not ORDER.first(other, one)
    ordered = sorted(items, key=cmp_to_key(compare))
    assert [item.queue.name for item in ordered] == [item.queue.name for item in sorted(items, key=key)]


@given(
    st.lists(st.tuples(*[st.sampled_from((0.0, 1.0, 0.1, 0.3, 0.25, 4.0))] * 3), max_size=5),
    st.sampled_from((0.0, 0.1, 1.0)),
)
def test_victims_are_subtracted_one_by_one(parts: list[tuple[float, float, float]], more: float) -> None:
    """Sums of parts of GPUs would round otherwise than the original's subtractions."""
    held = [10.0, 0.7, 0.9]
    expected = list(held)
    taken = Taken()
    for part in parts:
        taken.add(part)
    for part in [*parts, gpus(more)]:
        expected = [a - b for a, b in zip(expected, part, strict=True)]
    assert taken.plus(gpus(more)).subtracted(held) == expected
    assert NOTHING_TAKEN.subtracted(held) == held


# --- the tree ---------------------------------------------------------------------------------------------------------


def due(queues: Sequence[ModelQueue], requests: dict[str, float], total: float, k: float = 0) -> dict[str, float]:
    """GPUs each queue is due when leaves ask for so many."""
    tree = build_tree(queues)
    for name, amount in requests.items():
        for above in tree[name].up():
            above.shares[2].requested += amount
    share_out(tree, (0.0, 0.0, total), k)
    return {name: item.shares[2].fair for name, item in tree.items()}


def test_children_divide_what_their_parent_is_due() -> None:
    # Departments ask for 12 and 8 of 12: quotas 2 and 2, then 8 by weight 1 to 3: 4 and 6.
    # Below d: quota 1 for x, the other 3 by weight 2 to 1: 2 and 1. e has one child.
    queues = [
        queue("d", 2, weight=1),
        queue("e", 2, weight=3),
        queue("x", 1, parent="d", weight=2),
        queue("y", 0, parent="d", weight=1),
        queue("z", 0, parent="e"),
    ]
    assert due(queues, {"x": 6, "y": 6, "z": 8}, 12) == {"d": 4, "e": 8, "x": 3, "y": 1, "z": 8}


def test_a_childs_quota_is_given_though_the_parent_is_due_less() -> None:
    queues = [queue("d", 1, weight=0), queue("x", 3, parent="d"), queue("y", 2, parent="d")]
    assert due(queues, {"x": 5, "y": 5}, 8) == {"d": 1, "x": 1 + 2, "y": 2}


def test_an_unlimited_quota_of_a_child_is_all_its_parent_is_due() -> None:
    queues = [queue("d", 3, weight=0), queue("x", UNLIMITED, parent="d"), queue("y", UNLIMITED, parent="d")]
    assert due(queues, {"x": 5, "y": 2}, 8) == {"d": 3, "x": 3, "y": 2}


def test_three_levels_divide_one_after_the_other() -> None:
    queues = [
        queue("top", UNLIMITED),
        queue("left", 2, parent="top", weight=0),
        queue("right", 0, parent="top"),
        queue("l1", parent="left"),
        queue("r1", parent="right", weight=1),
        queue("r2", parent="right", weight=2),
    ]
    found = due(queues, {"l1": 9, "r1": 9, "r2": 9}, 8)
    assert found == {"top": 8, "left": 2, "right": 6, "l1": 2, "r1": 2, "r2": 4}


def test_usage_weighs_at_every_level() -> None:
    # Top: d pulls with 1/2 + (1/2 - 1/2), e with 1: 3 and 6 of 9. Below e: x with 1/2, y with 1: 2 and 4.
    queues = [
        queue("d", usage=(0.5, 0, 0)),
        queue("e"),
        queue("x", parent="e", usage=(0.5, 0, 0)),
        queue("y", parent="e"),
    ]
    assert due(queues, {"d": 9, "x": 9, "y": 9}, 9, k=1) == {"d": 3, "e": 6, "x": 2, "y": 4}


def test_queues_without_a_root_are_left_out() -> None:
    queues = [queue("d"), queue("x", parent="d"), queue("lost", parent="gone"), queue("below", parent="lost")]
    circle = [queue("one", parent="two"), queue("two", parent="one")]
    tree = build_tree([*queues, *circle])
    assert list(tree) == ["d", "x"]
    assert [item.name for item in tree["x"].up()] == ["x", "d"]
    assert [item.name for item in tree["x"].path()] == ["d", "x"]
    assert [(item.name, item.leaf, item.depth) for item in tree.values()] == [("d", False, 0), ("x", True, 1)]


@given(
    st.lists(st.sampled_from((0, 1, 2, 4, UNLIMITED)), min_size=6, max_size=6),
    st.lists(st.sampled_from((0, 1, 2, 3)), min_size=6, max_size=6),
    st.lists(st.sampled_from((0, 1, 3, 8, 0.5)), min_size=6, max_size=6),
    st.sampled_from((0, 3, 8, 16)),
    st.randoms(use_true_random=False),
)
def test_children_are_due_what_their_parent_is_and_no_order_of_input_matters(
    quotas: list[float], weights: list[float], requests: list[float], total: float, random: Any
) -> None:
    """Children sum to at most their parent's share, or to their quotas where those exceed it."""
    parents = {"d": "", "e": "", "x": "d", "y": "d", "z": "e", "u": "x"}
    queues = [
        queue(name, quota, weight=weight, parent=parent)
        for (name, parent), quota, weight in zip(parents.items(), quotas, weights, strict=True)
    ]
    asks = {name: amount for name, amount in zip(parents, requests, strict=True) if name in {"y", "z", "u"}}
    found = due(queues, asks, total)
    for parent in ("d", "e", "x"):
        below = [item for item in queues if item.parent == parent]
        room = found[parent]
        wanted = {
            name: sum(amount for leaf, amount in asks.items() if leaf in {name, {"x": "u"}.get(name)})
            for name in parents
        }
        quota = sum(min(room if item.gpu.quota == UNLIMITED else item.gpu.quota, wanted[item.name]) for item in below)
        assert sum(found[item.name] for item in below) <= max(room, quota) + 1e-9
    random.shuffle(queues)
    assert due(queues, asks, total) == found


# --- what is divided, and what counts as asked for --------------------------------------------------------------------


def test_nodes_that_are_not_ready_and_pods_of_others_are_not_divided() -> None:
    foreign = Pod("system-0", PodStatus.RUNNING, "n1", whole_gpus(1))
    gone = Pod("system-1", PodStatus.SUCCEEDED, "n1", whole_gpus(2))
    moment = Moment(
        100,
        (queue("a"),),
        (job("wide", "a", 1, pods=20),),
        (node("n1", 4), node("n2", 8, unready=("cordoned",))),
        foreign=(foreign, gone),
    )
    assert play(moment).due("a") == 3


def test_requests_count_what_is_held_and_what_waits() -> None:
    """Gated, leaving and promised pods ask for nothing."""
    jobs = [
        job("runs", "a", 2, on="n1"),
        job("waits", "a", 1, pods=3, on="n1", needs=1, status=PodStatus.RELEASING),
        job("gated", "a", 1, pods=1, pod={"status": PodStatus.GATED}),
        job("done", "a", 1, pods=1, pod={"status": PodStatus.SUCCEEDED}),
    ]
    session = play(cluster([node("n1", 4)], [queue("a")], jobs), actions=()).session
    assert session.queues["a"].shares[2].requested == 2 + 2
    assert session.queues["a"].shares[2].allocated == 2


def test_memory_asked_for_counts_by_the_smallest_gpu() -> None:
    nodes = [node("n1", 4, gpu_memory=16_000), node("n2", 4, gpu_memory=80_050), node("n3", 4)]
    moment = cluster(nodes, [queue("a")], [job("memory", "a", gpu_memory(5000, 2), pods=1)])
    assert play(moment, actions=()).session.queues["a"].shares[2].requested == 2 * 5000 / 16_000


def test_mig_instances_count_by_their_slices() -> None:
    request = {"nvidia.com/mig-3g.40gb": 1, "nvidia.com/mig-1g.10gb": 2}
    extended = (("nvidia.com/mig-3g.40gb", 2.0), ("nvidia.com/mig-1g.10gb", 2.0))
    moment = cluster(
        [node("n1", 0, extended=extended)], [queue("a")], [job("mig", "a", mig_instances(request), pods=1)]
    )
    session = play(moment, actions=()).session
    assert session.queues["a"].shares[2].requested == 3 + 2
    assert session.totals[2] == 2 * 3 + 2
