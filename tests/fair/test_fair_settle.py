"""Cycles that end once a job's fate is known: the same decisions as far as they go, and the same fate."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from moment_builders import moment, node, queue, running, waiting
from moment_strategies import moments

from tenantry.fair.explain.trials import Spent, Trials
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import PodStatus
from tenantry.model.moment import Moment
from tenantry.model.schedule import Act, Cycle, Decision

SCHEDULER = KaiScheduler()


def settled(state: Moment, job: str) -> Cycle:
    """A cycle that ends with the first place the job gets."""

    def enough(decisions: Sequence[Decision]) -> bool:
        return any(item.job == job and item.act is not Act.EVICT for item in decisions)

    return SCHEDULER.settle(state, job, enough)


def actions(cycle: Cycle) -> set[str]:
    return {item.action for item in cycle.decisions} | {held.action for gates in cycle.held.values() for held in gates}


@settings(deadline=None, max_examples=200)
@given(moments())
def test_the_decisions_are_the_first_of_the_whole_cycle_and_the_fate_is_the_same(state: Moment) -> None:
    whole = SCHEDULER.cycle(state)
    for job in state.jobs:
        if all(pod.status is not PodStatus.PENDING for pod in job.pods):
            continue
        trials = Trials(SCHEDULER, job.name, 2)
        short = trials.settle(state)
        assert whole.decisions[: len(short.cycle.decisions)] == short.cycle.decisions
        lost = any(item.job == job.name and item.act is Act.EVICT for item in whole.decisions)
        found = trials.run(state)
        assert short.placed == found.placed or lost


def test_a_job_that_is_placed_at_once_costs_no_search_for_others() -> None:
    # b waits for what a borrows; j finds room on another node.
    jobs = [running("r", "a", 8, "n1"), waiting("w", "b", 8), waiting("j", "b", 1, age=3600)]
    state = moment([queue("a", 0), queue("b", 8)], [node("n1"), node("n2", 1)], jobs)
    assert "reclaim" in actions(SCHEDULER.cycle(state))
    assert actions(settled(state, "j")) == {"allocate"}


def test_where_nobody_of_the_queue_ranks_lower_preemption_is_not_looked_at() -> None:
    jobs = [running("r", "a", 8, "n1"), waiting("j", "a", 8)]
    state = moment([queue("a", 8)], [node("n1")], jobs)
    assert "preempt" in actions(SCHEDULER.cycle(state))
    assert "preempt" not in actions(settled(state, "j"))


def test_preemption_is_looked_at_where_it_gives_the_place() -> None:
    jobs = [running("r", "a", 8, "n1"), waiting("j", "a", 8, priority=60)]
    state = moment([queue("a", 8)], [node("n1")], jobs)
    found = settled(state, "j")
    assert [(item.job, item.act) for item in found.decisions] == [("r", Act.EVICT), ("j", Act.PROMISE)]


def test_a_free_trial_does_not_count() -> None:
    trials = Trials(SCHEDULER, "j", 0)
    state = moment([queue("a", 8)], [node("n1")], [waiting("j", "a", 8)])
    assert trials.settle(state, free=True).placed
    assert trials.run_so_far == 0


def test_one_sort_of_change_leaves_trials_to_the_others() -> None:
    trials = Trials(SCHEDULER, "j", 30)
    state = moment([queue("a", 8)], [node("n1")], [waiting("j", "a", 8)])

    def forever() -> None:
        while True:
            trials.run(state)

    def spend() -> int:
        before = trials.run_so_far
        with trials.part(), pytest.raises(Spent):
            forever()
        return trials.run_so_far - before

    # A third of 30, of 20, of 14, and never fewer than 4 as long as there are so many.
    assert [spend() for _ in range(6)] == [10, 6, 4, 4, 4, 2]
    assert trials.left == 0
