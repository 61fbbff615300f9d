"""Groups that belong together in one zone or rack."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import Played, cluster, job, node, part_or_whole, play, queue

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import (
    GpuRequest,
    Job,
    Placement,
    Pod,
    PodStatus,
    Subgroup,
    TopologyConstraint,
    gang,
    whole_gpus,
)
from tenantry.model.moment import Node, Taint, Topology
from tenantry.model.schedule import Gate

TREE = Topology("t", ("zone", "rack"))
RACK = TopologyConstraint("t", required="rack")
ZONE = TopologyConstraint("t", required="zone")


def at(zone: str, rack: str, name: str, gpus: float = 4, **more: Any) -> Node:
    return node(name, gpus, labels={"zone": zone, "rack": rack}, **more)


SITE = [
    at("z1", "r1", "n1", 2),
    at("z1", "r1", "n2", 2),
    at("z1", "r2", "n3", 3),
    at("z2", "r1", "n4", 4),
    at("z2", "r2", "n5", 2),
    at("z2", "r2", "n6", 3),
]
"""Racks of 4 (2 + 2) and 3 GPUs in z1, of 4 and 5 (2 + 3) in z2; racks of one name in two zones are two racks."""


def placed(
    *jobs: Job, nodes: list[Node] | None = None, topologies: tuple[Topology, ...] = (TREE,), **more: Any
) -> Played:
    return play(cluster(SITE if nodes is None else nodes, [queue("a", 99)], jobs, topologies), **more)


def together(
    constraint: TopologyConstraint, pods: int, gpus: float = 1, *, needs: int | None = None, on: str = ""
) -> Job:
    return job("x", "a", gpus, pods=pods, on=on, needs=gang(pods if needs is None else needs, constraint))


def used(played: Played) -> set[str]:
    return set(played.bound.values())


# --- required ---------------------------------------------------------------------------------------------------------


def test_without_a_constraint_a_gang_spreads_over_racks() -> None:
    assert len(used(placed(job("x", "a", pods=8)))) > 2


@pytest.mark.parametrize(
    ("pods", "nodes"),
    [
        # All of r2 in z1; it has 3 and is filled best.
        (3, {"n3"}),
        # Two racks of 4 are filled equally: z1.r1 comes before z2.r1.
        (4, {"n1", "n2"}),
        # Only z2.r2 has 5.
        (5, {"n5", "n6"}),
    ],
)
def test_a_gang_takes_the_rack_it_fills_best(pods: int, nodes: set[str]) -> None:
    assert used(placed(together(RACK, pods))) == nodes


def test_a_gang_that_fits_no_rack_waits_with_its_reason() -> None:
    played = placed(together(RACK, 6))
    assert played.bound == {}
    held = played.held("x")
    assert held.gate is Gate.TOPOLOGY
    assert held.facts == {"topology": "t", "subgroup": "", "required": "rack", "preferred": "", "needed": 6}


def test_a_gang_that_fits_nowhere_at_all_says_how_many_would() -> None:
    facts = placed(together(RACK, 17)).held("x").facts
    assert (facts["domain"], facts["pods"], facts["needed"]) == ("root", 16, 17)


def test_pods_are_counted_node_by_node() -> None:
    """z2.r2 has 5 GPUs, but room for one pod of 2 on n5 and one on n6; z2.r1 has room for two on its one node."""
    assert used(placed(together(RACK, 2, 2), nodes=SITE[3:])) == {"n4"}
    assert placed(together(RACK, 3, 2)).held("x").gate is Gate.TOPOLOGY


def test_a_zone_is_wider_than_a_rack() -> None:
    """9 in z2, 7 in z1."""
    assert used(placed(together(ZONE, 7))) == {"n1", "n2", "n3"}
    assert used(placed(together(ZONE, 8))) == {"n4", "n5", "n6"}


def test_what_leaves_counts_as_room() -> None:
    goes = [job("goes", "a", 3, on="n3", status=PodStatus.RELEASING), job("full", "a", 2, pods=2, on="n1 n2")]
    played = placed(*goes, together(RACK, 3), nodes=SITE[:3])
    assert set(played.promised.values()) == {"n3"}


def test_a_rack_that_proves_too_small_is_left_for_the_next() -> None:
    """z1.r2 is filled best by 3, but its node refuses; the attempt is taken back and z1.r1 is tried."""
    nodes = [*SITE[:2], at("z1", "r2", "n3", 3, taints=(Taint("team"),))]
    played = placed(together(RACK, 3), nodes=nodes)
    assert used(played) == {"n1", "n2"}
    assert played.session.nodes["n3"].idle[2] == 3


def test_growth_stays_in_the_rack_of_what_runs() -> None:
    """z1.r1 would be filled better, but the job runs in z2.r2."""
    running = [job("full", "a", 2, pods=2, on="n5 n1")]
    played = placed(*running, together(RACK, 3, needs=2, on="n6 n6"))
    assert played.bound == {"x-2": "n6"}
    none_left = placed(*running, together(RACK, 3, needs=2, on="n5 n5"), nodes=SITE[:5])
    assert none_left.bound == {}
    assert none_left.held("x").gate is Gate.TOPOLOGY


# --- preferred --------------------------------------------------------------------------------------------------------


def prefers(level: str, required: str = "") -> TopologyConstraint:
    return TopologyConstraint("t", required, level)


def test_a_preferred_rack_is_taken_where_there_is_one() -> None:
    assert used(placed(together(prefers("rack"), 5))) == {"n5", "n6"}


def test_a_preferred_rack_is_given_up_for_a_zone_and_a_zone_for_all() -> None:
    assert used(placed(together(prefers("rack"), 7))) == {"n1", "n2", "n3"}
    assert used(placed(together(prefers("rack"), 12))) > {"n1", "n4"}


def test_a_required_zone_is_never_given_up_for_a_preferred_rack() -> None:
    assert used(placed(together(prefers("rack", "zone"), 5))) == {"n5", "n6"}
    assert used(placed(together(prefers("rack", "zone"), 9))) == {"n4", "n5", "n6"}
    assert placed(together(prefers("rack", "zone"), 10)).held("x").gate is Gate.TOPOLOGY


def test_inside_a_wider_domain_the_looser_racks_are_used_first() -> None:
    """Racks of z1 rank by how well the gang fills them, and later ones score higher (a quirk).

    5 pods fill r2 (3 GPUs) more than r1 (4 GPUs): r2 ranks first and scores 5, r1 scores 10. So r1 is used up first.
    """
    played = placed(together(prefers("rack"), 5), nodes=SITE[:3])
    assert played.bound == {"x-0": "n1", "x-1": "n1", "x-2": "n2", "x-3": "n2", "x-4": "n3"}


def test_a_nominated_node_outside_the_rack_that_is_tried_first_does_not_count() -> None:
    """One GPU fills z1.r2 best of all racks, so that rack is tried alone, and has room."""
    nominated = Job(
        "x",
        "a",
        (Pod("x-0", gpu=whole_gpus(1), placement=Placement(nominated="n1")),),
        gang(1, prefers("rack")),
    )
    assert placed(nominated, nodes=SITE[:3]).bound == {"x-0": "n3"}


# --- both at several levels of one job --------------------------------------------------------------------------------


def split(*groups: Subgroup, constraint: TopologyConstraint | None = None, gpus: int = 1) -> Job:
    """A job whose groups have two pods each."""
    pods = tuple(
        Pod(f"{group.name}{number}", gpu=whole_gpus(gpus), subgroup=group.name)
        for group in groups
        for number in range(2)
    )
    return Job("x", "a", pods, Subgroup("", None, groups, constraint, leaf=False))


def rack_of(played: Played, *pods: str) -> set[tuple[str, str]]:
    racks = {place.name: (place.labels["zone"], place.labels["rack"]) for place in SITE}
    return {racks[played.bound[pod]] for pod in pods}


def test_each_group_takes_a_rack_of_its_own() -> None:
    """Groups of 2 x 2 GPUs: z1.r1, z2.r1 and z2.r2 have room for one each."""
    played = placed(split(Subgroup("m", 2, (), RACK), Subgroup("n", 2, (), RACK), Subgroup("o", 2, (), RACK), gpus=2))
    racks = [rack_of(played, f"{name}0", f"{name}1") for name in "mno"]
    assert racks == [{("z1", "r1")}, {("z2", "r1")}, {("z2", "r2")}]


def test_groups_take_racks_of_the_zone_the_job_takes() -> None:
    """Only z2 has racks for two such groups; z1.r1 would be first for the first of them."""
    played = placed(split(Subgroup("m", 2, (), RACK), Subgroup("n", 2, (), RACK), constraint=ZONE, gpus=2))
    assert rack_of(played, "m0", "m1") == {("z2", "r1")}
    assert rack_of(played, "n0", "n1") == {("z2", "r2")}


def test_a_job_waits_when_one_of_its_groups_has_no_rack() -> None:
    groups = [Subgroup(name, 2, (), RACK) for name in "mnop"]
    assert placed(split(*groups, gpus=2)).bound == {}


def test_pods_that_differ_are_measured_by_their_sum() -> None:
    """One pod with 3 GPUs and one without: 3 of 3 fit z1.r2, though no node count says how many of either fit."""
    pods = (Pod("x-0", gpu=whole_gpus(3), cpu=1.0), Pod("x-1", cpu=1.0))
    played = placed(Job("x", "a", pods, gang(2, RACK)))
    assert played.bound["x-0"] == "n3"
    assert played.bound["x-1"] == "n3"
    greedy = (Pod("x-0", gpu=whole_gpus(4)), Pod("x-1", gpu=whole_gpus(2)), Pod("x-2", cpu=1.0))
    refused = placed(Job("x", "a", greedy, gang(3, RACK)))
    assert refused.held("x").gate is Gate.TOPOLOGY


def test_parts_of_shared_gpus_count_as_room_for_parts() -> None:
    nodes = [at("z1", "r1", "n1", 1), at("z1", "r2", "n2", 1)]
    held = [job("one", "a", 0.5, on="n1", groups=["g1"]), job("two", "a", 1, on="n2")]
    played = placed(*held, together(RACK, 1, 0.5), nodes=nodes)
    assert played.bound == {"x-0": "n1"}
    assert placed(*held, together(RACK, 1, 0.6), nodes=nodes).held("x").gate is Gate.TOPOLOGY


def test_pods_that_ask_for_nothing_fit_any_rack() -> None:
    pods = (Pod("x-0", gpu=GpuRequest()), Pod("x-1", gpu=GpuRequest()))
    full = [job(f"full-{place.name}", "a", int(place.gpus), on=place.name) for place in SITE]
    assert len(placed(*full, Job("x", "a", pods, gang(2, RACK))).bound) == 2


# --- nodes and names that are not there -------------------------------------------------------------------------------


def test_a_node_without_a_label_of_some_level_is_in_no_domain() -> None:
    nodes = [node("n0", 8, labels={"zone": "z1"}), at("z1", "r1", "n1", 2)]
    assert used(placed(together(RACK, 2), nodes=nodes)) == {"n1"}
    assert placed(together(RACK, 3), nodes=nodes).bound == {}
    assert used(placed(job("x", "a", pods=3), nodes=nodes)) >= {"n0"}


def test_a_required_zone_is_refused_where_all_nodes_are_in_one_rack_of_it() -> None:
    """Counting begins at the narrowest domain that holds all nodes; a wider one is never counted (a quirk).

    With a second rack in the zone, or a preferred level that stops the descent, the same job has its place.
    """
    one_rack, two_racks = [at("z1", "r1", "n1")], [at("z1", "r1", "n1"), at("z1", "r2", "n2")]
    held = placed(together(ZONE, 2), nodes=one_rack).held("x")
    assert held.gate is Gate.TOPOLOGY
    assert len(placed(together(ZONE, 2), nodes=two_racks).bound) == 2
    assert len(placed(together(prefers("zone", "zone"), 2), nodes=one_rack).bound) == 2


@pytest.mark.parametrize(
    ("constraint", "topologies"),
    [
        (RACK, ()),
        (TopologyConstraint("other", "rack"), (TREE,)),
        (TopologyConstraint("t", "row"), (TREE,)),
        (TopologyConstraint("t", "", "row"), (TREE,)),
        (TopologyConstraint("t", "zone", "row"), (TREE,)),
        (TopologyConstraint("t"), (TREE,)),
    ],
)
def test_a_topology_or_level_that_is_not_there_is_named(
    constraint: TopologyConstraint, topologies: tuple[Topology, ...]
) -> None:
    held = placed(together(constraint, 1), topologies=topologies).held("x")
    assert held.gate is Gate.NO_TOPOLOGY
    assert held.facts["topology"] == constraint.topology


def test_a_constraint_without_topology_constrains_nothing() -> None:
    assert len(placed(together(TopologyConstraint("", "rack"), 8)).bound) == 8


def test_levels_have_other_names() -> None:
    aliased = Topology("t", ("zone", "rack"), aliases=(("block", "rack"),))
    played = placed(together(TopologyConstraint("t", "block"), 3), topologies=(aliased,))
    assert used(played) == {"n3"}


def test_without_the_plugin_there_are_no_constraints() -> None:
    assert len(placed(together(RACK, 8), plugins=DEFAULTS.plugins - {"topology"}).bound) == 8


# --- making way -------------------------------------------------------------------------------------------------------


def test_victims_are_taken_until_a_rack_is_free() -> None:
    """Racks of two nodes with 2 GPUs each, all held by single GPUs of another queue; a gang of 4 needs one rack."""
    nodes = [at("z1", rack, name, 2) for rack, name in (("r1", "n1"), ("r1", "n2"), ("r2", "n3"), ("r2", "n4"))]
    held = [job(f"h{place.name}{number}", "b", on=place.name, created=number) for place in nodes for number in range(2)]
    moment = cluster(nodes, [queue("a", 4), queue("b", 4)], [*held, together(RACK, 4)], (TREE,))
    played = play(moment)
    assert len(played.lost) == 4
    assert set(played.promised.values()) in ({"n1", "n2"}, {"n3", "n4"})


def test_a_search_ends_early_where_no_rack_can_be_large_enough() -> None:
    """Parts of the gang are tried, the whole of it is not."""
    nodes = [at("z1", rack, name, 2) for rack, name in (("r1", "n1"), ("r2", "n2"), ("r3", "n3"))]
    held = [job(f"h{place.name}", "b", 2, on=place.name) for place in nodes]
    moment = cluster(nodes, [queue("a", 4), queue("b", 2)], [*held, together(RACK, 4)], (TREE,))
    played = play(moment)
    assert played.evicted == {}
    assert played.held("x", "reclaim").facts["filtered"]["topology"] > 0
    free = cluster(nodes, moment.queues, [*held, job("x", "a", pods=4)])
    assert len(play(free).promised) == 4


def test_a_preemptor_prefers_a_domain_like_any_other_job() -> None:
    request = part_or_whole(2)
    nodes = [at("z1", "r1", "n1", 2), at("z1", "r2", "n2", 2)]
    low = job("low", "a", request, on="n1")
    high = Job("x", "a", (Pod("x-0", gpu=request), Pod("x-1", gpu=request)), gang(2, ZONE), priority=60)
    played = placed(low, high, nodes=nodes)
    assert played.lost == {"low-0"}
    assert played.promised == {"x-0": "n2", "x-1": "n1"}  # first where it is idle
