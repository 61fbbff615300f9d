"""Plans: held against trying everything, and against what must hold of any plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_pools import (
    A30,
    H200,
    SMALL,
    best_by_trying,
    best_of_owners_by_trying,
    layout,
    pinned,
    pool,
    pools,
)  # fmt: skip

from tenantry.efficient.partition.greedy import score
from tenantry.efficient.partition.losses import ceilings, losses
from tenantry.efficient.partition.planner import Planned, plan_pool, present_plan
from tenantry.efficient.partition.units import units
from tenantry.efficient.partition.validate import plan_faults
from tenantry.errors import InputError
from tenantry.model.gpu import all_placements
from tenantry.model.partition import (
    WHOLE,
    ChangeCosts,
    PartitionPool,
    PartitionRules,
    PresentGpu,
    SliceDemand,
    counts_of,
    whole_gpu,
)
from tenantry.model.program import Program, Solution, SolveLimits, SolveStatus

highs = pytest.importorskip("tenantry.solve.highs")
pytest.importorskip("highspy")


def forever() -> float:
    return 60.0


def planned(subject: PartitionPool, rules: PartitionRules, *, every: bool = False) -> Planned:
    """Plan, and hold both plans against the validator."""
    found, baseline = plan_pool(subject, rules, highs.solve, forever, every=every)
    assert plan_faults(subject, rules, found.plan, found.figures) == ()
    assert plan_faults(subject, rules, baseline.plan, baseline.figures) == ()
    return found


def rank(subject: PartitionPool, rules: PartitionRules, found: Planned, *, every: bool = False) -> tuple[int, ...]:
    costs = ChangeCosts(1, 1000) if every else rules.costs
    return score(units(subject, rules), found.plan, costs, every=every)


COSTS = st.builds(ChangeCosts, gpu=st.integers(0, 4), node=st.integers(0, 6))
RULES = st.builds(
    PartitionRules, uniform=st.booleans(), exclusive=st.booleans(), spares=st.integers(0, 1), frozen=st.booleans(),
    costs=COSTS,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(pools(), COSTS, st.booleans())
def test_no_plan_per_node_is_better(subject: PartitionPool, costs: ChangeCosts, every: bool) -> None:
    rules = PartitionRules(uniform=False, costs=ChangeCosts(1, 1000) if every else costs)
    found = planned(subject, rules, every=every)
    assert found.proved
    assert rank(subject, rules, found, every=every) == best_by_trying(subject, rules, every=every)


@settings(max_examples=25, deadline=None)
@given(pools(), COSTS, st.booleans())
def test_no_uniform_plan_is_better(subject: PartitionPool, costs: ChangeCosts, every: bool) -> None:
    rules = PartitionRules(uniform=True, costs=ChangeCosts(1, 1000) if every else costs)
    best = best_by_trying(subject, rules, every=every)
    if best is None:
        with pytest.raises(InputError, match="no layout holds what stays"):
            planned(subject, rules, every=every)
        return
    found = planned(subject, rules, every=every)
    assert found.proved
    assert rank(subject, rules, found, every=every) == best


@settings(max_examples=25, deadline=None)
@given(pools(nodes=3, gpus_per_node=1, own=True), COSTS)
def test_no_plan_is_better_where_gpus_belong_to_tenants(subject: PartitionPool, costs: ChangeCosts) -> None:
    rules = PartitionRules(uniform=False, exclusive=True, costs=costs)
    found = planned(subject, rules)
    assert found.proved
    assert rank(subject, rules, found) == best_of_owners_by_trying(subject, rules)


@settings(max_examples=80, deadline=None)
@given(pools(nodes=3), RULES, st.booleans())
def test_every_plan_is_valid_and_never_worse_than_greedy(
    subject: PartitionPool, rules: PartitionRules, every: bool
) -> None:
    try:
        found, baseline = plan_pool(subject, rules, highs.solve, forever, every=every)
    except InputError:
        return
    for item in (found, baseline):
        assert plan_faults(subject, rules, item.plan, item.figures) == ()
    assert rank(subject, rules, found, every=every) <= rank(subject, rules, baseline, every=every)
    # The solver's plan is what its numbers say: what is unserved equals the bound that it proved.
    assert found.proved
    assert all(stage.objective == stage.bound for stage in found.stages), found.stages


@settings(max_examples=40, deadline=None)
@given(pools(nodes=2, own=True), RULES)
def test_pinned_instances_never_move(subject: PartitionPool, rules: PartitionRules) -> None:
    try:
        found = planned(subject, rules)
    except InputError:
        return
    for before, after in zip(subject.gpus, found.plan.gpus, strict=True):
        assert set(before.pinned) <= set(after.layout)


@settings(max_examples=40, deadline=None)
@given(pools(), st.booleans())
def test_more_gpus_never_serve_less(subject: PartitionPool, every: bool) -> None:
    rules = PartitionRules(uniform=False)
    more = replace(subject, gpus=(*subject.gpus, *(PresentGpu("n9", index, ()) for index in range(2))))
    few, many = planned(subject, rules, every=every), planned(more, rules, every=every)
    assert rank(more, rules, many, every=every) <= rank(subject, rules, few, every=every)


@settings(max_examples=30, deadline=None)
@given(pools())
def test_a_plan_is_never_worse_than_no_change(subject: PartitionPool) -> None:
    rules = PartitionRules(uniform=False)
    present, _ = present_plan(subject, rules, highs.solve, forever)
    assert plan_faults(subject, rules, present.plan, present.figures) == ()
    assert rank(subject, rules, planned(subject, rules)) <= rank(subject, rules, present)


def test_demand_above_capacity_is_served_as_far_as_it_goes_and_divided_in_proportion() -> None:
    # Two nodes with two A30s give 16 slices of 1g: 24 and 8 are wanted, so 12 and 4 are served.
    demands = (SliceDemand("1g.6gb", 24, "a", 1), SliceDemand("1g.6gb", 8, "b", 1))
    found = planned(pool([(), ()], [(), ()], demands=demands), PartitionRules())
    assert found.plan.served == (12, 4)
    assert found.proved
    assert dict(found.figures.unserved)[1] == 16


def test_guaranteed_demand_is_served_whatever_it_costs_and_other_demand_only_where_it_pays() -> None:
    full = layout(A30, **{"4g.24gb": 1})
    rows = [[full, full], [full, full]]
    costs = ChangeCosts(gpu=3, node=10)
    one = (SliceDemand("1g.6gb", 1, "a", 1),)
    assert planned(pool(*rows, demands=one), PartitionRules(uniform=False, costs=costs)).figures.changed_gpus == 1
    # A GPU in four slices is worth 4, a change 3 + 10: two GPUs of one node are worth 8 and take 16.
    many = (SliceDemand("1g.6gb", 16, "a"),)
    assert planned(pool(*rows, demands=many), PartitionRules(uniform=False, costs=costs)).figures.changed_gpus == 0
    # At a weight of 3 they are worth 24.
    many = (SliceDemand("1g.6gb", 16, "a", 0, 3),)
    assert planned(pool(*rows, demands=many), PartitionRules(uniform=False, costs=costs)).figures.changed_gpus == 4


def test_changes_gather_on_few_nodes() -> None:
    full = layout(A30, **{"4g.24gb": 1})
    demands = (SliceDemand("1g.6gb", 8, "a", 1), SliceDemand("4g.24gb", 4, "a", 1))
    subject = pool([full, full], [full, full], [full, full], demands=demands)
    found = planned(subject, PartitionRules(uniform=False))
    assert (found.figures.changed_gpus, found.figures.changed_nodes) == (2, 1)


def test_what_is_guaranteed_survives_the_loss_of_a_node() -> None:
    # Three nodes alike, one may be lost: 8 slices of 1g on two nodes with one GPU each are the most.
    full = layout(A30, **{"4g.24gb": 1})
    subject = pool([full], [full], [full], demands=(SliceDemand("1g.6gb", 9, "a", 1),))
    found = planned(subject, PartitionRules(spares=1))
    assert found.plan.served == (8,)
    assert found.figures.changed_nodes == 3
    apart = planned(subject, PartitionRules(uniform=False, spares=1))
    assert (apart.plan.served, apart.plan.spare_nodes) == ((8,), ("n3",))


def test_more_spare_nodes_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="has 2 nodes; 2 of them cannot be spare"):
        planned(pool([()], [()], demands=()), PartitionRules(spares=2))


def test_gpus_of_one_tenant_serve_nobody_else() -> None:
    # A GPU of each tenant's own: 2 of 4 slices stay idle on each, though one GPU would do for both.
    demands = (SliceDemand("1g.6gb", 2, "a", 1), SliceDemand("1g.6gb", 2, "b", 1))
    subject = pool([(), ()], demands=demands)
    found = planned(subject, PartitionRules(uniform=False, exclusive=True))
    assert {gpu.tenant for gpu in found.plan.gpus} == {"a", "b"}
    alone = planned(pool([()], demands=demands), PartitionRules(uniform=False, exclusive=True))
    assert sum(alone.plan.served) == 2


def test_running_instances_serve_their_own_tenant_only() -> None:
    subject = pool(
        [layout(A30, **{"1g.6gb": 4})], demands=(SliceDemand("1g.6gb", 4, "a", 1), SliceDemand("1g.6gb", 4, "b", 1)),
        pins={(1, 0): tuple(pinned("1g.6gb", start, "b") for start in (0, 1, 2))},
    )  # fmt: skip
    assert planned(subject, PartitionRules()).plan.served == (1, 3)


def test_losses_are_slices_nobody_wants_and_parts_of_gpus_in_no_slice() -> None:
    # 7 x 1g takes 7 of 8 memory slices and all compute, 2 x 3g all memory and 6 of 7 compute slices.
    rows = [layout(H200, **{"1g.18gb": 7}), layout(H200, **{"3g.71gb": 2})]
    subject = pool(rows, demands=(SliceDemand("1g.18gb", 5, "a", 1),), gpu=H200)
    found = losses(subject, planned(subject, PartitionRules()).plan)
    assert found.idle == (("1g.18gb", 2), ("3g.71gb", 2))
    assert (found.memory, found.compute, found.total_memory, found.total_compute) == (1, 1, 16, 14)


def test_ceilings_are_what_a_pool_could_hold_of_one_profile_alone() -> None:
    demands = (SliceDemand("1g.6gb", 1), SliceDemand("2g.12gb", 1))
    subject = pool([(), layout(A30, **{"1g.6gb": 1})], [(), ()], demands=demands, pins={(1, 1): (pinned("1g.6gb", 0),)})
    # Beside the pinned slice one 2g fits instead of two: 2 + 1 + 2 + 2, and where nodes are alike 2 x 2 + 2 x 1.
    assert ceilings(subject, PartitionRules(uniform=False)) == {"1g.6gb": 16, "2g.12gb": 7}
    assert ceilings(subject, PartitionRules()) == {"1g.6gb": 16, "2g.12gb": 6}


def test_whole_gpus_are_layouts_too() -> None:
    full = whole_gpu(H200)
    demands = (SliceDemand(WHOLE, 1, "a", 1), SliceDemand("3g.71gb", 2, "b", 1))
    subject = pool([full, full], demands=demands, gpu=H200)
    found = planned(subject, PartitionRules(uniform=False))
    assert found.plan.served == (1, 2)
    assert found.figures.changed_gpus == 1


def test_nodes_with_running_instances_are_left_alone_on_request() -> None:
    subject = pool(
        [layout(A30, **{"1g.6gb": 1}), ()], [(), ()], demands=(SliceDemand("2g.12gb", 8, "a", 1),),
        pins={(1, 0): (pinned("1g.6gb", 0, "b"),)},
    )  # fmt: skip
    rules = PartitionRules(uniform=False)
    # Beside the pinned slice 2g still fits at 2: 1 + 2 on its node, 4 on the other.
    assert planned(subject, rules).plan.served == (7,)
    assert planned(subject, replace(rules, frozen=True)).plan.served == (4,)


def test_pins_that_no_common_layout_holds_are_named() -> None:
    subject = pool(
        [layout(A30, **{"4g.24gb": 1})], [layout(A30, **{"1g.6gb": 4})], demands=(),
        pins={(1, 0): (pinned("4g.24gb", 0),), (2, 0): (pinned("1g.6gb", 3),)},
    )  # fmt: skip
    with pytest.raises(InputError, match="GPU 0: no layout holds what stays on this GPU of every node"):
        planned(subject, PartitionRules())


def test_without_time_the_greedy_plan_is_returned_with_what_is_known_of_the_bound() -> None:
    def nothing(program: Program, limits: SolveLimits, start: tuple[float, ...] | None) -> Solution:
        del program, limits, start
        return Solution(SolveStatus.NOTHING, bound=-7.5)

    subject = pool([(), ()], demands=(SliceDemand("1g.6gb", 20, "a", 1), SliceDemand("2g.12gb", 9, "b")))
    found, baseline = plan_pool(subject, PartitionRules(), nothing, lambda: 0.0)
    assert (found.plan, found.source, found.proved) == (baseline.plan, "greedy", False)
    # 20 guaranteed slices less 7.5, rounded up: no plan leaves fewer than 13.
    assert found.stages[0].bound == 13
    assert plan_faults(subject, PartitionRules(), found.plan, found.figures) == ()


def test_a_solution_that_is_not_proved_comes_with_its_gap() -> None:
    def lazily(program: Program, limits: SolveLimits, start: tuple[float, ...] | None) -> Solution:
        found: Solution = highs.solve(program, limits, start)
        return Solution(SolveStatus.FEASIBLE, found.values, found.objective, found.objective - 10)

    # 20 slices on 8: 12 unserved. The first stage has a bound of 2, so that its gap is 10 of 12.
    subject = pool([(), ()], demands=(SliceDemand("1g.6gb", 20, "a", 1),))
    found, _ = plan_pool(subject, PartitionRules(), lazily, lambda: 0.0)
    assert (found.stages[0].objective, found.stages[0].bound, found.proved) == (12, 2, False)
    assert found.stages[0].gap == pytest.approx(10 / 12)


def test_a_broken_plan_does_not_pass() -> None:
    subject = pool([layout(A30, **{"2g.12gb": 2}), ()], demands=(SliceDemand("1g.6gb", 4, "a", 1),))
    rules = PartitionRules(uniform=False)
    found = planned(subject, rules)
    gpus = found.plan.gpus
    broken = [
        (replace(found.plan, served=(5,)), "5 x 1g.6gb are served where 4 are wanted"),
        (replace(found.plan, gpus=gpus[:1]), "does not name every GPU"),
        (replace(found.plan, gpus=tuple(replace(gpu, layout=gpu.layout * 2) for gpu in gpus)), "overlap"),
        (replace(found.plan, gpus=tuple(replace(gpu, layout=()) for gpu in gpus)), "4 x 1g.6gb are given out"),
    ]
    for plan, fault in broken:
        assert fault in "; ".join(plan_faults(subject, rules, plan))
    assert "nodes are said to change" in plan_faults(
        subject, rules, found.plan, replace(found.figures, changed_gpus=9)
    )[0]  # fmt: skip


def test_all_small_layouts_are_known_to_the_naive_search() -> None:
    assert len({counts_of(have) for have in all_placements(A30, SMALL)}) == 9
