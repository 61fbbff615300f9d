"""Placing waiting jobs: which node, all of a gang or nothing, and room that is promised before it is free."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import QUIET, Played, cluster, job, node, play, queue

from tenantry.fair.kai.rules import DEFAULTS, Settings, Strategy, placement
from tenantry.model.job import GpuRequest, Job, Placement, Pod, PodStatus, Subgroup
from tenantry.model.moment import Node
from tenantry.model.schedule import Act, Gate

NO_GPU = GpuRequest()
LEAVING = PodStatus.RELEASING


def alone(*nodes: Node, held: tuple[Job, ...] = (), pod: dict[str, Any] | None = None, **more: Any) -> Played:
    """One pod that waits for a GPU, or for what it is said to ask for."""
    settings: Settings = more.pop("settings", QUIET)
    asks = more.pop("gpus", 1)
    return play(cluster(nodes, [queue("a", 99)], [*held, job("x", "a", asks, pod=pod)]), settings, **more)


def filled(place: str, gpus: int, *, status: PodStatus = PodStatus.RUNNING) -> Job:
    return job(f"on-{place}", "a", gpus, on=place, status=status, priority=200)


# --- which node -------------------------------------------------------------------------------------------------------


def test_binpack_takes_the_node_with_the_fewest_free_gpus() -> None:
    held = (filled("n1", 1), filled("n2", 3), filled("n3", 2))
    assert alone(node("n1"), node("n2"), node("n3"), held=held).bound == {"x-0": "n2"}


def test_spread_takes_the_node_with_the_largest_free_part() -> None:
    """4 of 8 are free on n1, 2 of 2 on n2: fewer, but a larger part."""
    settings = placement(Strategy.SPREAD, Strategy.BINPACK)
    nodes = (node("n1", 8), node("n2", 2), node("n3", 2))
    held = (filled("n1", 4), filled("n3", 1))
    assert alone(*nodes, held=held, settings=settings).bound == {"x-0": "n2"}


def test_spread_counts_the_gpus_a_label_names() -> None:
    """4 free of 8 named against 3 free of 4: n2."""
    nodes = (node("n1", 4, gpu_count=8), node("n2", 4, gpu_count=4))
    settings = placement(Strategy.SPREAD, Strategy.BINPACK)
    assert alone(*nodes, held=(filled("n2", 1),), settings=settings).bound == {"x-0": "n2"}


@pytest.mark.parametrize("strategy", Strategy)
def test_of_equal_nodes_the_first_by_name(strategy: Strategy) -> None:
    settings = placement(strategy, strategy)
    assert alone(node("n2"), node("n1"), node("n3"), settings=settings).bound == {"x-0": "n1"}


def test_room_that_is_idle_goes_before_a_fuller_node_that_is_about_to_have_room() -> None:
    held = (job("goes", "a", 4, on="n2", status=LEAVING),)
    assert alone(node("n1", 8), node("n2", 4), held=held).bound == {"x-0": "n1"}
    without = DEFAULTS.plugins - {"nodeavailability"}
    assert alone(node("n1", 8), node("n2", 4), held=held, plugins=without).promised == {"x-0": "n2"}


def test_what_is_leaving_counts_as_free_for_the_choice() -> None:
    """1 idle and 3 leaving on n1, 2 idle on n2: binpack sees 4 and 2."""
    held = (job("goes", "a", 3, on="n1", status=LEAVING), filled("n2", 2))
    assert alone(node("n1"), node("n2"), held=held).bound == {"x-0": "n2"}


def test_a_nominated_node_goes_first() -> None:
    nominated = {"placement": Placement(nominated="n2")}
    held = (filled("n1", 3),)
    assert alone(node("n1"), node("n2"), held=held, pod=nominated).bound == {"x-0": "n2"}
    without = DEFAULTS.plugins - {"nominatednode"}
    assert alone(node("n1"), node("n2"), held=held, pod=nominated, plugins=without).bound == {"x-0": "n1"}


def test_a_pod_without_gpu_prefers_a_node_without() -> None:
    nodes = (node("n1", 4, cpu=1000.0), node("n2", 0, cpu=9000.0))
    small = {"cpu": 100.0}
    assert alone(*nodes, gpus=NO_GPU, pod=small).bound == {"x-0": "n2"}
    without = DEFAULTS.plugins - {"resourcetype"}
    assert alone(*nodes, gpus=NO_GPU, pod=small, plugins=without).bound == {"x-0": "n1"}


def test_a_pod_without_gpu_is_packed_by_cpu_and_spread_by_its_own_strategy() -> None:
    nodes = (node("n1", 0, cpu=9000.0), node("n2", 0, cpu=4000.0), node("n3", 0, cpu=2000.0))
    held = (Job("held", "a", (Pod("held-0", PodStatus.RUNNING, "n3", cpu=500.0),)),)
    assert alone(*nodes, held=held, gpus=NO_GPU, pod={"cpu": 100.0}).bound == {"x-0": "n3"}
    spread = placement(Strategy.BINPACK, Strategy.SPREAD)
    assert alone(*nodes, held=held, gpus=NO_GPU, pod={"cpu": 100.0}, settings=spread).bound == {"x-0": "n1"}


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        # The fuller of two nodes scores 9, the emptier one 0, as does a0 without any CPU.
        ({"a0": 0, "b0": 100, "b1": 50}, "b1"),
        # Equal nodes score 9 each; a0 scores nothing, though it is first by name.
        ({"a0": 0, "b0": 100, "b1": 100}, "b0"),
        # Nothing is free anywhere: nobody scores.
        ({"a0": 0}, "a0"),
    ],
)
def test_a_node_without_cpu_scores_nothing(cpus: dict[str, float], expected: str) -> None:
    nodes = [node(name, 0, cpu=float(amount)) for name, amount in cpus.items()]
    assert alone(*nodes, gpus=NO_GPU).bound == {"x-0": expected}


def test_without_the_plugin_that_packs_names_decide() -> None:
    without = DEFAULTS.plugins - {"nodeplacement"}
    assert alone(node("n1"), node("n2"), held=(filled("n2", 3),), plugins=without).bound == {"x-0": "n1"}


def test_spreading_turns_consolidation_off() -> None:
    assert "consolidation" in DEFAULTS.actions
    for gpu, cpu in ((Strategy.SPREAD, Strategy.BINPACK), (Strategy.BINPACK, Strategy.SPREAD)):
        assert "consolidation" not in placement(gpu, cpu).actions
    assert placement(Strategy.BINPACK, Strategy.BINPACK) == DEFAULTS
    plugins = placement(Strategy.SPREAD, Strategy.BINPACK).plugins
    assert {"gpupack", "gpusharingorder"} & plugins == set()
    assert "gpuspread" in plugins


# --- whether there is room --------------------------------------------------------------------------------------------

SHORT: dict[str, tuple[Node, dict[str, Any]]] = {
    "GPUs": (node("n1", 0), {}),
    "CPU": (node("n1", cpu=999.0), {"cpu": 1000.0}),
    "memory": (node("n1", memory=9.0), {"memory": 10.0}),
    "extended": (node("n1", extended=(("rdma/shared", 1.0),)), {"extended": (("rdma/shared", 2.0),)}),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_pod_no_node_could_ever_hold_is_too_large(name: str) -> None:
    short, asks = SHORT[name]
    played = alone(short, pod=asks)
    assert played.bound == {}
    gates = played.gates("x")
    assert {gates[action] for action in ("allocate", "consolidation", "preempt")} == {Gate.TOO_LARGE}
    facts = played.held("x").facts
    assert facts["requested"] > facts["largest"]
    assert facts["pod"] == "x-0"


@pytest.mark.parametrize("name", ["CPU", "memory", "extended"])
def test_a_pod_takes_the_node_that_has_all_it_asks_for(name: str) -> None:
    short, asks = SHORT[name]
    plenty = node("n2", 8, extended=(("rdma/shared", 2.0),))
    assert alone(short, plenty, pod=asks).bound == {"x-0": "n2"}


def test_pods_are_counted() -> None:
    nodes = (node("n1", 4, pods=1.0), node("n2", 8))
    assert alone(*nodes, held=(filled("n1", 1),)).bound == {"x-0": "n2"}


def test_a_node_that_is_overcommitted_takes_nobody_even_without_asking_for_that() -> None:
    """Every resource is compared, those not asked for included, so 0 CPU does not fit on -1000 (a quirk)."""
    greedy = Job("greedy", "a", (Pod("greedy-0", PodStatus.RUNNING, "n1", cpu=2000.0),))
    played = alone(node("n1", cpu=1000.0), held=(greedy,))
    assert played.bound == {}
    assert played.held("x").gate is Gate.NO_ROOM


def test_pods_that_are_over_or_stand_elsewhere_hold_nothing() -> None:
    over = [job(f"{status.word}", "a", 4, on="n1", status=status) for status in (PodStatus.SUCCEEDED, PodStatus.FAILED)]
    astray = job("astray", "a", 4, on="gone")
    assert alone(node("n1", 1), held=(*over, astray), gpus=1).bound == {"x-0": "n1"}


def test_a_pod_stuck_on_its_way_out_still_holds_its_gpus() -> None:
    held = (job("stuck", "a", 1, on="n1", status=PodStatus.STUCK),)
    played = alone(node("n1", 1), held=held)
    assert (played.bound, played.promised) == ({}, {})


def test_pods_of_other_schedulers_hold_their_room() -> None:
    moment = cluster([node("n1", 2)], [queue("a", 9)], [job("x", "a", 2)])
    foreign = Pod("other-0", PodStatus.RUNNING, "n1", job("y", "a").pods[0].gpu)
    assert play(moment).bound == {"x-0": "n1"}
    crowded = cluster(moment.nodes, moment.queues, moment.jobs)
    crowded = type(crowded)(crowded.now, crowded.queues, crowded.jobs, crowded.nodes, foreign=(foreign,))
    assert play(crowded).bound == {}


# --- gangs ------------------------------------------------------------------------------------------------------------


def test_a_gang_is_placed_over_several_nodes() -> None:
    played = play(cluster([node("n1", 2), node("n2", 2)], [queue("a", 9)], [job("x", "a", 1, pods=3)]))
    assert played.bound == {"x-0": "n1", "x-1": "n1", "x-2": "n2"}


def test_a_gang_that_does_not_fit_is_not_placed_at_all_and_others_take_the_room() -> None:
    """Nothing is kept for the gang; a younger job gets what the gang could have had in part."""
    jobs = [job("gang", "a", 1, pods=5, created=1), job("young", "a", 3, created=2)]
    played = play(cluster([node("n1", 4)], [queue("a", 9)], jobs))
    assert played.bound == {"young-0": "n1"}
    held = played.held("gang")
    assert held.gate is Gate.NO_ROOM
    # Four of five found room before the fifth did not; no node had room for that one, so none refused it.
    assert held.facts == {"found": 4, "needed": 5, "pod": "gang-4", "refused": {}}


def test_a_gang_of_groups_is_placed_whole_or_not_at_all() -> None:
    groups = Subgroup("", None, (Subgroup("m", 2), Subgroup("n", 2)), leaf=False)
    pods = tuple(Pod(f"x-{number}", gpu=job("y", "a").pods[0].gpu, subgroup="mn"[number % 2]) for number in range(4))
    for gpus, count in ((4, 4), (3, 0)):
        played = play(cluster([node("n1", gpus)], [queue("a", 9)], [Job("x", "a", pods, groups)]))
        assert len(played.bound) == count


def test_a_gang_may_start_with_as_many_groups_as_it_needs() -> None:
    groups = Subgroup("", 1, (Subgroup("m", 2), Subgroup("n", 2)), leaf=False)
    pods = tuple(Pod(f"x-{number}", gpu=job("y", "a").pods[0].gpu, subgroup="mn"[number % 2]) for number in range(4))
    played = play(cluster([node("n1", 3)], [queue("a", 9)], [Job("x", "a", pods, groups)]))
    assert played.bound == {"x-0": "n1", "x-2": "n1"}


def test_a_gang_grows_pod_by_pod_after_it_has_started() -> None:
    played = play(cluster([node("n1", 3)], [queue("a", 9)], [job("x", "a", 1, pods=5, needs=2)]))
    assert list(played.bound) == ["x-0", "x-1", "x-2"]
    assert played.cycle.started == ("x",)
    assert played.held("x").facts["found"] == 0  # the next pod of its growth found no room


def test_a_job_that_grows_does_not_start_anew() -> None:
    played = play(cluster([node("n1", 3)], [queue("a", 9)], [job("x", "a", 1, pods=2, on="n1", needs=1)]))
    assert played.bound == {"x-1": "n1"}
    assert played.cycle.started == ()


def test_a_gang_may_need_no_pod_at_all() -> None:
    played = play(cluster([node("n1", 2)], [queue("a", 9)], [job("x", "a", 1, pods=4, needs=0)]))
    assert list(played.bound) == ["x-0", "x-1"]


# --- promises ---------------------------------------------------------------------------------------------------------


def test_room_of_a_pod_on_its_way_out_is_promised() -> None:
    played = alone(node("n1", 1), held=(job("goes", "a", on="n1", status=LEAVING),))
    assert played.promised == {"x-0": "n1"}
    assert (played.bound, played.cycle.started) == ({}, ())
    decision = played.cycle.decisions[0]
    assert (decision.act, decision.action, decision.job, decision.cause) == (Act.PROMISE, "allocate", "x", "x")


def test_promised_room_is_not_promised_twice() -> None:
    jobs = [job("goes", "a", on="n1", status=LEAVING), job("x", "a", created=1), job("y", "a", created=2)]
    played = play(cluster([node("n1", 1)], [queue("a", 9)], jobs))
    assert played.promised == {"x-0": "n1"}
    assert played.held("y").gate is Gate.NO_ROOM


def test_a_gang_of_which_a_part_must_wait_waits_as_a_whole() -> None:
    jobs = [job("goes", "a", on="n1", status=LEAVING), job("x", "a", pods=2)]
    played = play(cluster([node("n1", 2)], [queue("a", 9)], jobs))
    assert played.bound == {}
    assert played.promised == {"x-0": "n1", "x-1": "n1"}
    assert "x" not in played.cycle.held  # a job with a promise for all its pods is not held


def test_growth_that_must_wait_does_not_keep_the_gang_from_starting() -> None:
    jobs = [job("goes", "a", on="n1", status=LEAVING), job("x", "a", pods=2, needs=1)]
    played = play(cluster([node("n1", 2)], [queue("a", 9)], jobs))
    assert played.bound == {"x-0": "n1"}
    assert played.promised == {"x-1": "n1"}
    assert played.cycle.started == ("x",)


def test_room_promised_to_a_gang_is_not_taken_by_the_next_job() -> None:
    """The idle GPU that belongs to the promise of the first gang is not idle for the second job."""
    jobs = [
        job("goes", "a", on="n1", status=LEAVING),
        job("x", "a", pods=2, created=1),
        job("y", "a", created=2),
    ]
    played = play(cluster([node("n1", 2)], [queue("a", 9)], jobs))
    assert played.promised == {"x-0": "n1", "x-1": "n1"}
    assert played.held("y").gate is Gate.NO_ROOM


def test_what_is_promised_counts_for_the_queue() -> None:
    jobs = [job("goes", "a", on="n1", status=LEAVING), job("x", "a", created=1), job("y", "a", created=2)]
    played = play(cluster([node("n1", 2)], [queue("a", 9, limit=1)], jobs))
    assert list(played.bound) == ["x-0"]
    assert played.held("y").gate is Gate.OVER_LIMIT
