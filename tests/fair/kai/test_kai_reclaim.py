"""Taking back from queues above their share for jobs of queues within theirs."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import QUIET, Played, cluster, job, memory, node, play, queue

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import Job, Pod, PodStatus
from tenantry.model.moment import Moment
from tenantry.model.queue import FREE, Entitled, Queue
from tenantry.model.schedule import Gate

ONLY = ("reclaim",)
LASTING: dict[str, Any] = {"priority": 100}


def reclaimed(moment: Moment, **more: Any) -> Played:
    return play(moment, actions=ONLY, **more)


def singles(owner: str, count: int, place: str = "n1", **more: Any) -> list[Job]:
    """Jobs of one GPU each, the first one the oldest."""
    return [job(f"{owner}{number}", owner, on=place, created=number, **more) for number in range(count)]


def full(*waiting: Job, quotas: tuple[float, float] = (2, 2), weights: tuple[float, float] = (1, 1)) -> Moment:
    """Four GPUs, all held by b with a job each."""
    queues = [queue("a", quotas[0], weight=weights[0]), queue("b", quotas[1], weight=weights[1])]
    return cluster([node("n1", 4)], queues, [*singles("b", 4), *waiting])


# --- who may take -----------------------------------------------------------------------------------------------------


def test_a_queue_within_its_share_gets_its_gpus_back() -> None:
    """The newest job of the queue above its share goes."""
    played = reclaimed(full(job("x", "a")))
    assert played.lost == {"b3-0"}
    assert played.promised == {"x-0": "n1"}
    evict, promise = played.cycle.decisions
    assert (evict.action, evict.cause, evict.moved) == ("reclaim", "x", False)
    assert promise.cause == "x"


def test_a_job_that_would_take_its_queue_above_its_share_takes_nothing() -> None:
    """a is due 2 of 4: 2 by quota, and b asks for 4."""
    played = reclaimed(full(job("x", "a", 3), quotas=(2, 2)))
    assert played.cycle.decisions == ()
    held = played.held("x", "reclaim")
    assert held.gate is Gate.OVER_FAIR_SHARE
    assert held.facts["requested"][2] == 3
    assert held.facts["fair"][2] == 2
    assert held.facts["allocated"][2] == 0


def test_jobs_take_until_the_share_is_reached() -> None:
    played = reclaimed(full(*(job(f"x{number}", "a", created=number) for number in range(3))))
    assert played.lost == {"b2-0", "b3-0"}
    assert set(played.promised) == {"x0-0", "x1-0"}
    assert played.held("x2", "reclaim").gate is Gate.OVER_FAIR_SHARE
    assert played.held("x2", "reclaim").facts["allocated"][2] == 2


def test_a_share_by_weight_is_taken_back_too() -> None:
    """No quotas; weights of 1 and 3 make 1 of 4 GPUs for a."""
    played = reclaimed(full(job("x", "a"), job("y", "a", created=9), quotas=(0, 0), weights=(1, 3)))
    assert played.due("a") == 1
    assert played.promised == {"x-0": "n1"}
    assert played.held("y", "reclaim").gate is Gate.OVER_FAIR_SHARE


def test_every_resource_counts_for_the_share() -> None:
    """The GPU is there for the taking, but the queue is due no CPU."""
    no_cpu = Queue("a", gpu=Entitled(2, -1, 1), cpu=Entitled(0, -1, 0))
    jobs = [*singles("b", 4), job("x", "a", pod={"cpu": 100.0})]
    held = reclaimed(cluster([node("n1", 4)], [no_cpu, queue("b", 2)], jobs)).held("x", "reclaim")
    assert held.gate is Gate.OVER_FAIR_SHARE
    assert (held.facts["requested"][0], held.facts["fair"][0]) == (100, 0)


def test_jobs_that_stay_are_taken_for_within_the_quota_only() -> None:
    """a is due 2 by weight, but has a quota of 1."""
    jobs = (job("hard", "a", pods=2, **LASTING),)
    held = reclaimed(full(*jobs, quotas=(1, 1))).held("hard", "reclaim")
    assert held.gate is Gate.LASTING_OVER_QUOTA
    assert (held.facts["quota"][2], held.facts["lasting"][2]) == (1, 0)
    assert reclaimed(full(job("hard", "a", **LASTING), quotas=(1, 1))).promised == {"hard-0": "n1"}
    assert len(reclaimed(full(job("soft", "a", pods=2), quotas=(1, 1))).promised) == 2


def test_memory_asked_for_counts_by_the_smallest_gpu() -> None:
    """8000 MiB are half a GPU of 16000; the share of a is a quarter."""
    nodes = [node("n1", 2, gpu_memory=16_000)]
    queues = [queue("a", 0.25, weight=0), queue("b", 1)]
    jobs = [*singles("b", 2), job("x", "a", memory(8_000))]
    held = reclaimed(cluster(nodes, queues, jobs)).held("x", "reclaim")
    assert held.gate is Gate.OVER_FAIR_SHARE
    assert (held.facts["requested"][2], held.facts["fair"][2]) == (0.5, 0.25)


# --- of whom it may take ----------------------------------------------------------------------------------------------


def test_a_queue_within_its_quota_loses_nothing() -> None:
    """b holds its quota of 4; quotas of 6 on 4 GPUs promise too much, and who is there stays."""
    played = reclaimed(full(job("x", "a"), quotas=(2, 4)))
    assert played.cycle.decisions == ()
    assert played.held("x", "reclaim").gate is Gate.VICTIM_WITHIN_SHARE
    under = cluster([node("n1", 4)], [queue("a", 2), queue("b", 5)], [*singles("b", 4), job("x", "a")])
    assert reclaimed(under).held("x", "reclaim").gate is Gate.NO_VICTIMS


def test_a_queue_within_its_fair_share_loses_nothing_to_who_is_above_its_quota() -> None:
    """Of the two GPUs that the quota of c leaves, a and b are due one each; b holds one."""
    queues = [queue("a", 0), queue("b", 0), queue("c", 2)]
    moment = cluster([node("n1", 4)], queues, [*singles("b", 1), *singles("c", 3, **LASTING), job("x", "a")])
    played = reclaimed(moment)
    assert (played.due("a"), played.due("b")) == (1, 1)
    assert played.held("x", "reclaim").gate is Gate.NO_VICTIMS


def test_who_is_within_its_quota_takes_from_who_is_above_its_own_but_within_its_share() -> None:
    """b is due 3: quota 1 and all that a leaves. It holds 3. a has a quota of 2 and asks for 1."""
    queues = [queue("a", 2), queue("b", 1)]
    moment = cluster([node("n1", 3)], queues, [*singles("b", 3), job("x", "a")])
    played = reclaimed(moment)
    assert (played.due("a"), played.due("b")) == (1, 2)
    assert played.lost == {"b2-0"}


def test_jobs_that_stay_are_not_taken() -> None:
    jobs = [*singles("b", 4, **LASTING), job("x", "a")]
    played = reclaimed(cluster([node("n1", 4)], [queue("a", 2), queue("b", 0)], jobs))
    assert played.held("x", "reclaim").gate is Gate.NO_VICTIMS


def test_a_job_may_take_a_queue_below_its_share() -> None:
    """What is asked is whether the queue is above its share before it loses a job, not after (a quirk)."""
    queues = [queue("a", 2), queue("b", 3)]
    moment = cluster([node("n1", 4)], queues, [job("wide", "b", 4, on="n1"), job("x", "a")])
    assert reclaimed(moment).lost == {"wide-0"}


def test_pods_above_a_minimum_go_one_by_one() -> None:
    queues = [queue("a", 2), queue("b", 2)]
    elastic = job("elastic", "b", on="n1 n1 n1 n1", needs=1)
    played = reclaimed(cluster([node("n1", 4)], queues, [elastic, job("x", "a")]))
    assert played.lost == {"elastic-3"}
    two = reclaimed(cluster([node("n1", 4)], queues, [elastic, job("x", "a", 2)]))
    assert two.lost == {"elastic-2", "elastic-3"}


def test_a_gang_goes_as_a_whole() -> None:
    queues = [queue("a", 2), queue("b", 2)]
    played = reclaimed(
        cluster([node("n1", 4)], queues, [job("gang", "b", on="n1 n1 n1"), *singles("b", 1), job("x", "a")])
    )
    assert played.lost in ({"b0-0"}, {"gang-0", "gang-1", "gang-2"})
    assert played.lost == {"gang-0", "gang-1", "gang-2"}  # of one age, the last by name goes first


def test_the_queue_that_is_most_above_its_share_loses_first() -> None:
    queues = [queue("a", 2), queue("b", 2), queue("c", 2)]
    jobs = [*singles("b", 3), *singles("c", 4), job("x", "a")]
    assert reclaimed(cluster([node("n1", 7)], queues, jobs)).lost == {"c3-0"}


def test_the_least_important_job_loses_first() -> None:
    queues = [queue("a", 2), queue("b", 2)]
    jobs = [
        job("old", "b", on="n1", priority=40, created=0),
        job("new", "b", 3, on="n1", priority=60, created=9),
        job("x", "a"),
    ]
    assert reclaimed(cluster([node("n1", 4)], queues, jobs)).lost == {"old-0"}


def test_victims_are_taken_of_one_node_where_that_is_enough() -> None:
    """The newest job of b is on n2, the next one on n1; a job of 2 needs the two on n1 and spares the one on n2."""
    queues = [queue("a", 2), queue("b", 1)]
    jobs = [
        *singles("b", 2, "n1"),
        job("b9", "b", on="n2", created=9),
        job("stays", "c", on="n2", **LASTING),
        job("x", "a", 2),
    ]
    played = reclaimed(cluster([node("n1", 2), node("n2", 2)], [*queues, queue("c", 1)], jobs))
    assert played.lost == {"b0-0", "b1-0"}
    assert played.promised == {"x-0": "n1"}


def test_a_gang_takes_over_several_nodes() -> None:
    queues = [queue("a", 4), queue("b", 0)]
    jobs = [*singles("b", 2, "n1"), job("b8", "b", 2, on="n2", created=8), job("x", "a", 1, pods=4)]
    played = reclaimed(cluster([node("n1", 2), node("n2", 2)], queues, jobs))
    assert len(played.lost) == 3
    assert sorted(played.promised.values()) == ["n1", "n1", "n2", "n2"]


def test_a_gang_that_cannot_have_all_of_its_pods_takes_nothing() -> None:
    queues = [queue("a", 4), queue("b", 0), queue("c", 1)]
    jobs = [*singles("b", 3), *singles("c", 1, **LASTING), job("x", "a", 1, pods=4)]
    played = reclaimed(cluster([node("n1", 4)], queues, jobs))
    assert played.cycle.decisions == ()
    held = played.held("x", "reclaim")
    assert held.facts["filtered"]["free-gpus"] > 0


def test_room_on_its_way_out_is_counted_before_anybody_is_evicted() -> None:
    queues = [queue("a", 2), queue("b", 2)]
    goes = job("goes", "b", on="n1", status=PodStatus.RELEASING)
    played = reclaimed(cluster([node("n1", 4)], queues, [*singles("b", 3), goes, job("x", "a", 2)]))
    assert len(played.lost) == 1


# --- trees ------------------------------------------------------------------------------------------------------------


def two_departments(
    *jobs: Job, d: float, e: float, x: float = 0, y: float = 0, z: float = 0, gpus: float = 4
) -> Moment:
    """Departments d (queues x and y) and e (queue z) with these quotas and no weights above."""
    queues = [
        queue("d", d, weight=0),
        queue("e", e, weight=0),
        queue("x", x, parent="d"),
        queue("y", y, parent="d"),
        queue("z", z, parent="e"),
    ]
    return cluster([node("n1", gpus)], queues, jobs)


def test_departments_are_compared_not_the_queues_below_them() -> None:
    """z holds what its own quota says, but its department is above its own; so z loses."""
    played = reclaimed(two_departments(*singles("z", 4), job("w", "x"), d=2, e=2, x=2, z=4))
    assert played.lost == {"z3-0"}


def test_within_a_department_its_queues_are_compared() -> None:
    played = reclaimed(two_departments(*singles("y", 2), *singles("z", 2), job("w", "x"), d=2, e=2, x=1, y=1, z=2))
    assert played.lost == {"y1-0"}


def test_a_department_within_its_quota_protects_a_queue_above_its_own() -> None:
    """z is above its quota of 0, but e is not above its quota of 4."""
    played = reclaimed(two_departments(*singles("z", 4), job("w", "x"), d=2, e=4, x=2))
    assert played.cycle.decisions == ()


def test_a_job_that_stays_keeps_to_the_quota_of_every_queue_above() -> None:
    """x has a quota of 2 in a department with a quota of 1."""
    moment = two_departments(*singles("z", 4), job("w", "x", pods=2, **LASTING), d=1, e=2, x=2)
    played = play(moment, actions=("allocate", "reclaim"))
    assert played.cycle.decisions == ()
    assert (played.held("w").gate, played.held("w").facts["queue"]) == (Gate.LASTING_OVER_QUOTA, "d")
    # The search meets the same quota when it asks for a place.
    assert played.held("w", "reclaim").gate is Gate.NO_PLACE_AFTER_EVICTION
    assert len(reclaimed(two_departments(*singles("z", 4), job("w", "x", **LASTING), d=1, e=2, x=1)).lost) == 1


@pytest.mark.parametrize(
    ("z_holds", "multiplier", "taken"),
    [
        # d would hold 3 of 2, e 5 of 4 after losing one: 1.5 >= 1.25.
        (6, 1.0, False),
        # e 7 of 4: 1.5 < 1.75.
        (8, 1.0, True),
        # 1.5 * 1.2 = 1.8 >= 1.75.
        (8, 1.2, False),
        # A multiplier below one counts as one.
        (8, 0.5, True),
        (6, 0.5, False),
    ],
)
def test_a_department_never_becomes_fuller_than_the_one_it_takes_from(
    z_holds: int, multiplier: float, taken: bool
) -> None:
    """d (quota 2) holds 2 that stay, and its queue x asks for one more within its own quota; e has a quota of 4."""
    jobs = [*singles("y", 2, **LASTING), *singles("z", z_holds), job("w", "x")]
    moment = two_departments(*jobs, d=2, e=4, x=2, y=2, gpus=2 + z_holds)
    played = reclaimed(moment, saturation_multiplier=multiplier)
    assert bool(played.lost) is taken
    if not taken:
        held = played.held("w", "reclaim")
        assert held.gate is Gate.WOULD_OVERTAKE
        assert (held.facts["queue"], held.facts["sibling"], held.facts["saturation"]) == ("d", "e", 1.5)
        assert held.facts["siblingSaturation"] == (z_holds - 1) / 4


def test_a_sibling_that_is_due_nothing_may_always_be_taken_from() -> None:
    """1.5 is more than anything of nothing, yet a fair share of 0 does not protect."""
    jobs = [*singles("y", 2, **LASTING), *singles("z", 2), job("w", "x")]
    assert reclaimed(two_departments(*jobs, d=2, e=0, x=2, y=2)).lost == {"z1-0"}


# --- what moves -------------------------------------------------------------------------------------------------------


def at_its_share() -> Moment:
    """b holds exactly its quota, one GPU on each of two nodes; a asks for both GPUs of one node."""
    queues = [queue("a", 2), queue("b", 2)]
    jobs = [job("left", "b", on="n1", created=0), job("right", "b", on="n2", created=1), job("x", "a", 2, created=9)]
    return cluster([node("n1", 2), node("n2", 2)], queues, jobs)


def test_jobs_that_find_another_place_are_not_taken_from_anybody() -> None:
    """When all victims move nothing is left to judge, so a queue within its share has a job moved (a quirk)."""
    played = reclaimed(at_its_share())
    assert played.lost == set()
    assert played.promised == {"right-0": "n1", "x-0": "n2"}


def test_without_consolidating_reclaim_a_move_is_a_loss() -> None:
    played = reclaimed(at_its_share(), consolidating_reclaim=False)
    assert played.cycle.decisions == ()
    assert played.held("x", "reclaim").gate is Gate.VICTIM_WITHIN_SHARE


# --- parts of GPUs ----------------------------------------------------------------------------------------------------


def test_a_part_is_taken_back_from_a_shared_gpu() -> None:
    halves = [job(f"b{number}", "b", 0.5, on="n1", groups=["g1"], created=number) for number in range(2)]
    played = reclaimed(cluster([node("n1", 1)], [queue("a", 0.5), queue("b", 0.5)], [*halves, job("x", "a", 0.5)]))
    assert played.lost == {"b1-0"}
    assert played.groups("x-0") == ("g1",)


def test_a_whole_gpu_is_taken_back_by_evicting_all_who_share_it() -> None:
    halves = [job(f"b{number}", "b", 0.5, on="n1", groups=["g1"], created=number) for number in range(2)]
    played = reclaimed(cluster([node("n1", 1)], [queue("a", 1), queue("b", 0)], [*halves, job("x", "a", 1)]))
    assert played.lost == {"b0-0", "b1-0"}
    assert played.promised == {"x-0": "n1"}


# --- odds and ends ----------------------------------------------------------------------------------------------------


def test_without_the_plugin_that_divides_nothing_is_reclaimed() -> None:
    played = reclaimed(full(job("x", "a")), plugins=DEFAULTS.plugins - {"proportion"})
    assert played.cycle.decisions == ()


def test_growth_of_a_job_asks_for_one_pod_per_cycle() -> None:
    jobs = [*singles("b", 3), job("grows", "a", pods=3, on="n1", needs=1)]
    played = reclaimed(cluster([node("n1", 4)], [queue("a", 4), queue("b", 0)], jobs))
    assert played.promised == {"grows-1": "n1"}


def test_two_queues_may_take_from_a_third_in_turn() -> None:
    queues = [queue("a", 1), queue("b", 0), queue("c", 1)]
    jobs = [*singles("b", 2), job("x", "a"), job("y", "c")]
    played = reclaimed(cluster([node("n1", 2)], queues, jobs))
    assert played.lost == {"b0-0", "b1-0"}
    assert set(played.promised) == {"x-0", "y-0"}


def test_a_cpu_only_job_takes_cpu_back() -> None:
    cpus = Queue("a", gpu=FREE, cpu=Entitled(1000, -1, 0))
    others = Queue("b", gpu=FREE, cpu=Entitled(1000, -1, 0))
    held = [Job(f"b{number}", "b", (Pod(f"b{number}-0", PodStatus.RUNNING, "n1", cpu=1000.0),)) for number in range(2)]
    wants = Job("x", "a", (Pod("x-0", cpu=1000.0),), created=9)
    played = reclaimed(cluster([node("n1", 0, cpu=2000.0)], [cpus, others], [*held, wants]))
    assert played.lost == {"b1-0"}
    assert played.promised == {"x-0": "n1"}


def test_a_reclaim_is_followed_by_nothing_for_those_in_the_same_cycle() -> None:
    """The pod that was evicted leaves; it is neither waiting nor evicted again by a later action."""
    played = play(full(job("x", "a"), job("urgent", "b", priority=90, created=9)), QUIET)
    leaving = [decision.pod for decision in played.cycle.decisions if decision.act == "evict"]
    assert len(leaving) == len(set(leaving)) == 2
