"""Jobs of higher priority take from lower ones of their own queue; delays; and jobs like one that failed."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import NOW, Played, cluster, job, node, play, queue

from tenantry.model.job import Job, Placement, PodStatus
from tenantry.model.moment import Moment
from tenantry.model.schedule import Gate

ONLY = ("preempt",)
LASTING: dict[str, Any] = {"priority": 100}


def preempted(*jobs: Job, gpus: float = 2, queues: Any = None, **more: Any) -> Played:
    return play(cluster([node("n1", gpus)], queues or [queue("a", 9), queue("b", 9)], jobs), actions=ONLY, **more)


# --- who takes from whom ----------------------------------------------------------------------------------------------


def test_a_more_important_job_takes_the_place_of_a_less_important_one() -> None:
    played = preempted(job("low", "a", 2, on="n1", priority=50), job("high", "a", 2, priority=51))
    assert played.lost == {"low-0"}
    assert played.promised == {"high-0": "n1"}
    assert {decision.action for decision in played.cycle.decisions} == {"preempt"}


@pytest.mark.parametrize(
    "victim",
    [
        job("low", "a", 2, on="n1", priority=51),
        job("low", "b", 2, on="n1", priority=50),
        job("low", "a", 2, on="n1", priority=50, preemptible=False),
        job("low", "a", 2, on="n1", priority=50, status=PodStatus.STUCK),
    ],
    ids=["of equal priority", "of another queue", "that stays", "on its way out"],
)
def test_a_job_is_not_taken_from_one(victim: Job) -> None:
    played = preempted(victim, job("high", "a", 2, priority=51))
    assert played.cycle.decisions == ()
    assert played.held("high", "preempt").gate is Gate.NO_VICTIMS


def test_the_least_important_and_then_the_newest_goes_first() -> None:
    jobs = [
        job("low", "a", on="n1", priority=40, created=0),
        job("mid-old", "a", on="n1", priority=50, created=1),
        job("mid-new", "a", on="n1", priority=50, created=2),
    ]
    assert preempted(*jobs, job("high", "a", 1, priority=60), gpus=3).lost == {"low-0"}
    assert preempted(*jobs, job("high", "a", 2, priority=60), gpus=3).lost == {"low-0", "mid-new-0"}


def test_priority_counts_within_a_queue_only_up_to_its_own() -> None:
    jobs = [job("low", "a", on="n1", priority=50), job("mid", "a", on="n1", priority=60)]
    held = preempted(*jobs, job("high", "a", 2, priority=60)).held("high", "preempt")
    assert held.facts["victims"] == 1


def test_shares_do_not_count() -> None:
    """The queue is far above its share of nothing; a job takes from another of the same queue all the same."""
    queues = [queue("a", 0, weight=0)]
    assert preempted(job("low", "a", 2, on="n1"), job("high", "a", 2, priority=60), queues=queues).lost == {"low-0"}


def test_a_job_that_stays_must_keep_to_the_quota() -> None:
    queues = [queue("d", 1), queue("a", 9, parent="d")]
    played = preempted(job("low", "a", 2, on="n1"), job("hard", "a", 2, **LASTING), queues=queues)
    held = played.held("hard", "preempt")
    assert held.gate is Gate.LASTING_OVER_QUOTA
    assert (held.facts["queue"], held.facts["quota"], held.facts["requested"]) == ("d", 1, 2)
    assert preempted(job("low", "a", 2, on="n1"), job("hard", "a", 1, **LASTING), queues=queues).lost == {"low-0"}


def test_limits_hold_for_what_is_put_in_place() -> None:
    queues = [queue("a", 9, limit=2)]
    jobs = [job("low", "a", 1, on="n1"), job("high", "a", 3, priority=60)]
    assert preempted(*jobs, queues=queues, gpus=4).held("high", "preempt").gate is Gate.NO_PLACE_AFTER_EVICTION


def test_pods_above_a_minimum_go_one_by_one() -> None:
    played = preempted(job("low", "a", on="n1 n1 n1", needs=1), job("high", "a", 1, priority=60), gpus=3)
    assert played.lost == {"low-2"}


def test_a_victim_that_finds_another_place_moves() -> None:
    nodes = [node("n1", 2), node("n2", 1)]
    jobs = [job("low", "a", 1, on="n1"), job("high", "a", 2, priority=60)]
    played = play(cluster(nodes, [queue("a", 9)], jobs), actions=ONLY)
    assert played.lost == set()
    assert played.promised == {"low-0": "n2", "high-0": "n1"}


def test_a_part_takes_the_place_of_a_part() -> None:
    halves = [job(f"low{number}", "a", 0.5, on="n1", groups=["g1"], created=number) for number in range(2)]
    played = preempted(*halves, job("high", "a", 0.4, priority=60), gpus=1)
    assert played.lost == {"low1-0"}
    assert played.groups("high-0") == ("g1",)


def test_each_job_is_tried_once() -> None:
    """A job that grows gets one pod, and the next one in the next cycle."""
    jobs = [job("low", "a", on="n1 n1 n1", needs=0), job("high", "a", pods=3, on="n1", needs=1, priority=60)]
    assert preempted(*jobs, gpus=4).promised == {"high-1": "n1"}


def test_one_victim_is_not_taken_for_two() -> None:
    jobs = [
        job("low", "a", 1, on="n1"),
        *(job(f"high{number}", "a", 1, priority=60, created=number) for number in range(2)),
    ]
    played = preempted(*jobs, gpus=1)
    assert played.promised == {"high0-0": "n1"}
    assert played.held("high1", "preempt").gate is Gate.NO_VICTIMS


# --- delays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "evicted", "until"),
    [
        (NOW - 59, None, NOW + 1),
        (NOW - 60, None, None),
        (NOW - 600, NOW - 10, NOW + 50),
        (NOW - 600, NOW - 60, None),
        # Its age counts where it was evicted before that, as a resubmitted job is.
        (NOW - 20, NOW - 600, NOW + 40),
    ],
)
@pytest.mark.parametrize("action", ["preempt", "reclaim", "consolidation"])
def test_a_job_waits_out_its_delay_before_others_are_evicted_for_it(
    action: str, created: int, evicted: int | None, until: int | None
) -> None:
    delayed: dict[str, Any] = {"created": created, "evicted": evicted, "preemption_delay": 60, "priority": 60}
    moment = room_to_win(job("high", "a", 2, **delayed))
    played = play(moment, actions=(action,))
    if until is None:
        assert "high-0" in played.promised
    else:
        assert played.cycle.decisions == ()
        assert (played.held("high", action).gate, played.held("high", action).facts) == (Gate.DELAYED, {"until": until})


def room_to_win(*waiting: Job) -> Moment:
    """Two nodes with two GPUs each, one free on each: every action can make room for two GPUs on one node."""
    jobs = [
        job("low", "a", on="n1", priority=40, created=NOW - 900),
        job("other", "b", on="n2", priority=40, created=NOW - 800),
    ]
    return cluster([node("n1", 2), node("n2", 2)], [queue("a", 3), queue("b", 0)], [*jobs, *waiting])


def test_a_delay_does_not_keep_a_job_from_free_gpus() -> None:
    played = play(cluster([node("n1", 1)], [queue("a", 9)], [job("x", "a", created=NOW, preemption_delay=60)]))
    assert played.bound == {"x-0": "n1"}


# --- jobs like one that failed ----------------------------------------------------------------------------------------

SIGNED: dict[str, Any] = {"signatures": True}


def alike(*waiting: Job, actions: tuple[str, ...] = ONLY, **more: Any) -> Played:
    """Nobody can be helped: what runs stays."""
    return play(
        cluster([node("n1", 4)], [queue("a", 9), queue("b", 9)], [job("held", "a", 4, on="n1", **LASTING), *waiting]),
        actions=actions,
        **{**SIGNED, **more},
    )


def test_a_job_no_easier_than_one_that_failed_is_not_tried() -> None:
    played = alike(job("x", "a", 2, created=1), job("y", "a", 2, created=2), job("z", "a", 3, created=3))
    assert played.held("x", "preempt").gate is Gate.NO_VICTIMS
    for name in ("y", "z"):
        assert played.held(name, "preempt").gate is Gate.LIKE_ONE_THAT_FAILED
        assert played.held(name, "preempt").facts == {"other": "x"}


@pytest.mark.parametrize(
    "easier",
    [
        job("y", "a", 1, created=2),
        job("y", "a", 2, pods=1, created=2, pod={"memory": 1.0}),
        job("y", "a", 2, pods=2, created=2, priority=60),
        job("y", "a", 2, pods=2, created=2, pod={"placement": Placement(selector=(("zone", "z1"),)), "memory": 9.0}),
    ],
    ids=["fewer GPUs", "fewer pods", "another priority", "other demands"],
)
def test_a_job_that_may_be_easier_is_tried(easier: Job) -> None:
    played = alike(job("x", "a", 2, pods=2, created=1, priority=50, pod={"memory": 9.0}), easier)
    assert played.held("y", "preempt").gate is Gate.NO_VICTIMS


def test_jobs_are_compared_as_they_were_when_the_cycle_began() -> None:
    """x had two waiting pods then. One has got the idle GPU since, which leaves it asking for as much as y."""
    x, y = job("x", "a", pods=2, needs=1, created=1), job("y", "a", created=2)
    played = play(cluster([node("n1")], [queue("a", 9)], [job("held", "a", 3, on="n1", **LASTING), x, y]), **SIGNED)
    assert played.bound == {"x-0": "n1"}
    assert played.gates("x")["preempt"] is played.gates("y")["preempt"] is Gate.NO_VICTIMS


@pytest.mark.parametrize(("likeness", "gate"), [("", Gate.LIKE_ONE_THAT_FAILED), ("high", Gate.NO_VICTIMS)])
def test_pods_that_say_what_is_compared_of_them_are_compared_by_that(likeness: str, gate: Gate) -> None:
    """The priority of a job comes from its pod group; pods need not have it."""
    jobs = [job("x", "a", 2, created=1, priority=60, pod={"likeness": ""})]
    jobs.append(job("y", "a", 2, created=2, priority=50, pod={"likeness": likeness}))
    assert alike(*jobs).held("y", "preempt").gate is gate


def test_without_signatures_everybody_is_tried() -> None:
    played = alike(job("x", "a", 2, created=1), job("y", "a", 2, created=2), signatures=False)
    assert played.held("y", "preempt").gate is Gate.NO_VICTIMS


def test_failures_count_within_a_queue_and_for_consolidation_anywhere() -> None:
    waiting = (job("x", "a", 2, created=1), job("y", "b", 2, created=2))
    assert alike(*waiting).held("y", "preempt").gate is Gate.NO_VICTIMS
    assert alike(*waiting, actions=("reclaim",)).held("y", "reclaim").gate is Gate.NO_VICTIMS
    # The job of b, which holds nothing, is asked first.
    held = alike(*waiting, actions=("consolidation",)).held("x", "consolidation")
    assert (held.gate, held.facts) == (Gate.LIKE_ONE_THAT_FAILED, {"other": "y"})


def test_the_smallest_that_failed_is_remembered() -> None:
    """z is easier than x, and fails too; then v, easier than x but not than z, is not tried."""
    played = alike(job("x", "a", 4, created=1), job("z", "a", 2, created=2), job("v", "a", 3, created=3))
    assert played.held("z", "preempt").gate is Gate.NO_VICTIMS
    assert played.held("v", "preempt").facts == {"other": "z"}


def test_a_job_refused_at_the_gate_is_no_example_for_others() -> None:
    """Reclaim refuses x for its share, before any search, so y is asked on its own."""
    moment = cluster(
        [node("n1", 4)],
        [queue("a", 2, weight=0), queue("b", 0)],
        [job("held", "b", 4, on="n1", **LASTING), job("x", "a", 3, created=1), job("y", "a", 2, created=2)],
    )
    played = play(moment, actions=("reclaim",), signatures=True)
    assert played.held("x", "reclaim").gate is Gate.OVER_FAIR_SHARE
    assert played.held("y", "reclaim").gate is Gate.NO_VICTIMS
