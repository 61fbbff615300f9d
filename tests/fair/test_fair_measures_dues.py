"""What queues are due, kept up to date, against dividing everything anew."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from naive_measures import dues
from replayed import setups

from tenantry.fair.kai.division import Claimant, Share, divide
from tenantry.fair.measures.dues import Dues
from tenantry.fair.measures.siblings import Siblings
from tenantry.fair.measures.tree import Tree
from tenantry.fair.replay.setup import Setup
from tenantry.model.job_table import JobTable
from tenantry.model.queue import UNLIMITED, Entitled, Queue

AMOUNTS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.3, 5.0, 8.0, 13.7, 40.0])
WEIGHTS = st.sampled_from([0.0, 0.1, 0.3, 1.0, 1.0, 2.0, 7.0])


@st.composite
def siblings(draw: st.DrawFn) -> list[Queue]:
    return [
        Queue(
            f"q{number}",
            gpu=Entitled(draw(AMOUNTS | st.just(UNLIMITED)), UNLIMITED, draw(WEIGHTS)),
            priority=draw(st.sampled_from([100, 100, 200])),
            created=draw(st.integers(0, 2)),
        )
        for number in range(draw(st.integers(0, 7)))
    ]


@given(siblings(), AMOUNTS | st.floats(0, 100), st.data())
def test_the_fast_division_is_the_literal_one_to_the_last_bit(
    queues: list[Queue], total: float, data: st.DataObject
) -> None:
    asked = [data.draw(AMOUNTS | st.floats(0, 50)) for _ in queues]
    claimants = [
        Claimant(queue.name, queue.priority, queue.created, Share(queue.gpu.quota, UNLIMITED, queue.gpu.weight))
        for queue in queues
    ]
    for claimant, amount in zip(claimants, asked, strict=True):
        claimant.share.requested = amount
    divide(total, claimants)
    assert Siblings(queues).divide(total, asked) == [claimant.share.fair for claimant in claimants]


@settings(max_examples=200)
@given(setups(), st.data())
def test_dues_kept_up_to_date_are_those_divided_anew(setup: Setup, data: st.DataObject) -> None:
    tree = Tree(setup, JobTable.build([]))
    demand = [0] * len(tree.names)
    kept = Dues(tree, demand)
    leaves = [position for position in range(len(demand)) if tree.is_leaf(position)]
    steps = st.lists(
        st.tuples(st.sampled_from(leaves), st.sampled_from([0, 500, 1000, 2000, 9000, 30_000])), max_size=4
    )
    for _ in range(data.draw(st.integers(1, 12))):
        asked = set()
        for leaf, amount in data.draw(steps):
            change = amount - demand[leaf]
            for position in tree.paths[leaf]:
                demand[position] += change
                asked.add(position)
        scarce, before = data.draw(st.booleans()), list(kept.due)
        moved = kept.settle(asked, scarce=scarce)
        by_name = dict(zip(tree.names, demand, strict=True))
        assert dict(zip(tree.names, kept.due, strict=True)) == (dues(by_name, setup) if scarce else by_name)
        changed = {position for position, due in enumerate(kept.due) if due != before[position]}
        assert changed <= set(moved) | asked
