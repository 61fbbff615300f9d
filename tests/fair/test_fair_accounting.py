"""What a cycle counts but does not decide: helpers on nodes, jobs nobody can place, jobs beyond a depth."""

from __future__ import annotations

from dataclasses import replace

from moment_builders import CORE, GIB, moment, node, queue, waiting

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import Pod, PodStatus, whole_gpus
from tenantry.model.schedule import Act, Gate

HELPER = Pod("helper", PodStatus.RUNNING, "n1", whole_gpus(4), CORE, GIB)


def bound(job: str, cycle: object) -> int:
    return sum(item.act is Act.BIND and item.job == job for item in cycle.decisions)  # type: ignore[attr-defined]


def test_what_an_unqueued_pod_holds_is_taken_but_still_divided() -> None:
    state = moment([queue("a", 8)], [node("n1")], [waiting("j", "a", 5)], unqueued=(HELPER,))
    cycle = KaiScheduler().cycle(state)
    assert bound("j", cycle) == 0  # 8 - 4 = 4 GPUs are idle
    # Of 8 GPUs all are divided: what is asked for is due, though it does not fit.
    assert cycle.queues[0].fair[2] == 5


def test_what_a_foreign_pod_holds_is_not_divided() -> None:
    state = moment([queue("a", 2)], [node("n1")], [waiting("j", "a", 5)], foreign=(HELPER,))
    # 2 of quota, then 8 - 4 - 2 = 2 left over.
    assert KaiScheduler().cycle(state).queues[0].fair[2] == 4


def test_a_job_that_is_not_modelled_waits_and_still_asks() -> None:
    odd = replace(waiting("odd", "a", 2), unmodelled="a resource claim")
    cycle = KaiScheduler().cycle(moment([queue("a", 8)], [node("n1")], [odd, waiting("j", "a", 1)]))
    assert bound("odd", cycle) == 0
    assert bound("j", cycle) == 1
    assert cycle.queues[0].requested[2] == 3
    assert [(held.gate, held.facts) for held in cycle.held["odd"]] == [
        (Gate.NOT_MODELLED, {"demand": "a resource claim"})
    ]


def test_jobs_beyond_the_depth_of_their_queue_say_so() -> None:
    scheduler = KaiScheduler(replace(DEFAULTS, queue_depth=(("allocate", 1),), actions=("allocate",)))
    jobs = [waiting("first", "a", 1, age=300), waiting("second", "a", 1, age=200)]
    cycle = scheduler.cycle(moment([queue("a", 8)], [node("n1")], jobs))
    assert bound("first", cycle) == 1
    (held,) = cycle.held["second"]
    assert held.gate is Gate.BEYOND_DEPTH
    assert held.facts == {"queue": "a", "depth": 1, "waiting": 2}
