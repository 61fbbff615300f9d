"""Moving running jobs together: nobody loses its place, and that is all that counts."""

from __future__ import annotations

from typing import Any

from kai_build import Played, cluster, job, node, play, queue

from tenantry.model.job import PodStatus
from tenantry.model.moment import Moment
from tenantry.model.schedule import Gate

ONLY = ("consolidation",)
TWO_NODES = [node("n1", 4), node("n2", 4)]


def consolidated(moment: Moment, **more: Any) -> Played:
    return play(moment, actions=ONLY, **more)


def fragmented(*extra: Any, waits: Any = None, queues: Any = None, nodes: Any = None) -> Moment:
    """Two GPUs free on each of two nodes; a job waits for four on one."""
    jobs = [job("left", "a", 2, on="n1", created=1), job("right", "a", 2, on="n2", created=2)]
    waiting = job("big", "a", 4, created=3) if waits is None else waits
    return cluster(nodes or TWO_NODES, queues or [queue("a", 99)], [*jobs, *extra, waiting])


def test_a_job_is_moved_to_make_room() -> None:
    """The newest job moves; the older one stays."""
    played = consolidated(fragmented())
    assert played.evicted == {"right-0": "n2"}
    assert played.promised == {"right-0": "n1", "big-0": "n2"}
    evict = played.cycle.decisions[0]
    assert (evict.moved, evict.cause, evict.action) == (True, "big", "consolidation")


def test_several_jobs_are_moved_where_one_is_not_enough() -> None:
    """Single GPUs on n2 move to the two GPUs n1 has left."""
    nodes = [node("n1", 4), node("n2", 4)]
    held = [job("wide", "a", 2, on="n1")]
    small = [job(f"s{number}", "a", 1, on="n2", created=1 + number) for number in range(2)]
    played = consolidated(cluster(nodes, [queue("a", 99)], [*held, *small, job("big", "a", 4, created=9)]))
    assert played.evicted == {"s0-0": "n2", "s1-0": "n2"}
    assert played.promised == {"s0-0": "n1", "s1-0": "n1", "big-0": "n2"}


def stuck(created: int) -> Moment:
    """One GPU free on each of two nodes and two on a third; neither job of three fits anywhere else."""
    jobs = [job("left", "a", 3, on="n1", created=1), job("right", "a", 3, on="n2", created=2)]
    nodes = [*TWO_NODES, node("n3", 2)]
    return cluster(nodes, [queue("a", 99)], [*jobs, job("big", "a", 4, created=created)])


def test_nobody_loses_its_place() -> None:
    """The older job that waits would have the place of one that runs, and that one none."""
    played = consolidated(stuck(created=0))
    assert played.cycle.decisions == ()
    held = played.held("big", "consolidation")
    assert held.gate is Gate.VICTIM_WITHOUT_PLACE
    assert held.facts["victim"] in {"left", "right"}
    assert held.facts["refused"] == {"victim-without-place": held.facts["scenarios"]}


def test_older_jobs_take_their_place_back_first() -> None:
    played = consolidated(stuck(created=9))
    assert played.cycle.decisions == ()
    held = played.held("big", "consolidation")
    assert held.gate is Gate.NO_PLACE_AFTER_EVICTION
    assert held.facts["unplaced"] == held.facts["scenarios"] > 0


def test_too_few_free_gpus_end_it_at_once() -> None:
    moment = fragmented(job("extra", "a", 1, on="n1"))
    held = consolidated(moment).held("big", "consolidation")
    assert held.gate is Gate.TOO_FEW_FREE
    assert (held.facts["free"], held.facts["requested"]) == (3, 4)


def test_free_parts_of_shared_gpus_count_as_free() -> None:
    """3.5 GPUs: 2 + 1 whole ones and half a shared one."""
    moment = fragmented(job("half", "a", 0.5, on="n1", groups=["g1"]))
    assert consolidated(moment).held("big", "consolidation").facts["free"] == 3.5


def test_gpus_on_their_way_out_count_as_free() -> None:
    """The job on n2 would not leave idle room for room that is yet to come, so the one on n1 moves."""
    moment = fragmented(job("goes", "a", 2, on="n1", status=PodStatus.RELEASING))
    played = consolidated(moment)
    assert played.promised == {"left-0": "n2", "big-0": "n1"}


def test_gpus_of_nodes_that_are_not_ready_do_not() -> None:
    nodes = [*TWO_NODES, node("n3", 4, unready=("cordoned",))]
    moment = fragmented(job("extra", "a", 2, on="n1"), nodes=nodes)
    assert consolidated(moment).held("big", "consolidation").facts["free"] == 2


def test_only_jobs_that_may_be_evicted_have_others_moved() -> None:
    played = consolidated(fragmented(waits=job("big", "a", 4, priority=100)))
    assert played.cycle.decisions == ()
    assert played.held("big", "consolidation").gate is Gate.NOT_PREEMPTIBLE


def test_only_jobs_that_may_be_evicted_are_moved() -> None:
    jobs = [job("left", "a", 2, on="n1", priority=100), job("right", "a", 2, on="n2", priority=100)]
    played = consolidated(cluster(TWO_NODES, [queue("a", 99)], [*jobs, job("big", "a", 4)]))
    assert played.held("big", "consolidation").gate is Gate.NO_VICTIMS


def test_neither_queue_nor_priority_nor_protection_counts() -> None:
    """A job of low priority has a protected one of another queue moved that is more important."""
    jobs = [
        job("left", "b", 2, on="n1", priority=90, started=99_999),
        job("right", "b", 2, on="n2", priority=100),
    ]
    queues = [queue("a", 99, reclaim_min_runtime=3600), queue("b", 99, reclaim_min_runtime=3600)]
    played = consolidated(cluster(TWO_NODES, queues, [*jobs, job("big", "a", 4, priority=10)]))
    assert played.evicted == {"left-0": "n1"}
    assert played.promised == {"left-0": "n2", "big-0": "n1"}


def test_a_job_moves_to_the_fullest_node_with_room() -> None:
    """Three GPUs are free on n2, two on n3."""
    jobs = [job("left", "b", 2, on="n1"), job("right", "b", 2, on="n2", priority=100), job("big", "a", 4)]
    nodes = [node("n1", 4), node("n2", 5), node("n3", 2)]
    played = consolidated(cluster(nodes, [queue("a", 99), queue("b", 99)], jobs))
    assert played.promised == {"left-0": "n3", "big-0": "n1"}


def test_one_job_more_than_the_setting_says_is_looked_at() -> None:
    """Of three single GPUs on n2, all must move: 2 looked at with a setting of 1, 3 with a setting of 2 (a quirk)."""
    nodes = [node("n1", 4), node("n2", 4)]
    small = [job(f"s{number}", "a", 1, on="n2", created=number) for number in range(3)]
    held = job("wide", "a", 1, on="n1", priority=100)
    moment = cluster(nodes, [queue("a", 99)], [*small, held, job("big", "a", 4, created=9)])
    assert consolidated(moment, consolidation_victims=1).evicted == {}
    assert len(consolidated(moment, consolidation_victims=2).evicted) == 3
    assert len(consolidated(moment, consolidation_victims=-1).evicted) == 3


def test_a_setting_of_nothing_turns_it_off() -> None:
    played = consolidated(fragmented(), consolidation_victims=0)
    assert played.cycle.decisions == ()
    assert played.gates("big") == {}


def test_two_elastic_pods_of_one_job_are_not_moved() -> None:
    """Each job asks once for a place in a scenario, and growth asks for one pod: the other has none (a quirk).

    Two single GPUs of two jobs are moved; two single GPUs above the minimum of one job are not.
    """
    nodes = [node("n1", 4), node("n2", 4)]
    wide = job("wide", "a", 2, on="n1", priority=100)
    big = job("big", "a", 4, created=9)
    one = job("grown", "a", 1, on="n2 n2", needs=0)
    two = [job(f"s{number}", "a", 1, on="n2") for number in range(2)]
    assert len(consolidated(cluster(nodes, [queue("a", 99)], [wide, *two, big])).evicted) == 2
    played = consolidated(cluster(nodes, [queue("a", 99)], [wide, one, big]))
    assert played.cycle.decisions == ()
    assert played.held("big", "consolidation").gate is Gate.VICTIM_WITHOUT_PLACE


def test_a_gang_is_moved_as_a_whole() -> None:
    nodes = [node("n1", 4), node("n2", 4)]
    wide = job("wide", "a", 2, on="n1", priority=100)
    played = consolidated(
        cluster(nodes, [queue("a", 99)], [wide, job("gang", "a", 1, on="n2 n2"), job("big", "a", 4, created=9)])
    )
    assert played.promised == {"gang-0": "n1", "gang-1": "n1", "big-0": "n2"}


def test_parts_of_gpus_are_moved_together() -> None:
    """A half on each of two GPUs; one moves beside the other, on the same node."""
    halves = [job(f"h{number}", "a", 0.5, on="n1", groups=[f"g{number}"], created=number) for number in range(2)]
    played = consolidated(cluster([node("n1", 2)], [queue("a", 99)], [*halves, job("big", "a", 1, created=9)]))
    assert played.evicted == {"h1-0": "n1"}
    assert played.promised == {"h1-0": "n1", "big-0": "n1"}
    assert played.groups("h1-0") == ("g0",)


def test_limits_hold_while_jobs_are_moved() -> None:
    limited = [queue("a", 99, limit=7)]
    played = consolidated(fragmented(queues=limited))
    assert played.cycle.decisions == ()
    assert played.held("big", "consolidation").gate is Gate.NO_PLACE_AFTER_EVICTION


def test_what_one_job_won_counts_for_the_next() -> None:
    """The second job would need the moves undone; it finds too few GPUs left."""
    second = job("second", "a", 1, created=9)
    played = consolidated(fragmented(second))
    assert played.promised["big-0"] == "n2"
    assert played.held("second", "consolidation").facts["free"] == 0
