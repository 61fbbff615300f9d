"""Why a job has its places, who could take them, and for whom it loses them."""

from __future__ import annotations

from dataclasses import replace

from moment_builders import CORE, DAY, GIB, NOW, moment, node, queue, running, waiting

from tenantry.fair.explain import Explanation, Known, Standing, explain, order_sensitive
from tenantry.fair.explain.sentences import sentence
from tenantry.fair.explain.words import Plain, Words
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import Job, Pod, PodStatus, gang, whole_gpus
from tenantry.model.moment import Moment


def explained(state: Moment, job: str, trials: int | None = None) -> Explanation:
    return explain(state, KaiScheduler(), job, Known(trials=trials))


def said(found: Explanation) -> list[str]:
    return [sentence(item.rule, item.facts, Words(Plain(), NOW)) for item in found.reason]


# --- it runs ----------------------------------------------------------------------------------------------------------


def test_what_is_within_the_quota_is_not_borrowed() -> None:
    found = explained(moment([queue("a", 4), queue("b", 4)], [node("n1")], [running("j", "a", 4, "n1")]), "j")
    assert found.standing is Standing.RUNS
    assert said(found) == [
        "It has run for 1 d on n1 and holds 4 GPUs.",
        "Queue a holds 4 of the 4 GPUs of its quota: nothing is borrowed.",
        "A job of its size with a higher priority in queue a would have it evicted if nothing is idle.",
        "No job of its size waiting in another queue would have it evicted (1 queue tried).",
    ]


def test_what_is_borrowed_can_be_taken_by_those_who_are_due_it() -> None:
    # c is due nothing beyond its quota of 0, since all is promised.
    queues = [queue("a", 2), queue("b", 6), queue("c", 0)]
    found = explained(moment(queues, [node("n1")], [running("j", "a", 4, "n1")]), "j")
    assert said(found)[1:] == [
        "Queue a holds 4 GPUs, 2 more than its quota: that part is borrowed.",
        "A job of its size with a higher priority in queue a would have it evicted if nothing is idle.",
        "A job of its size waiting in queue b would have it evicted if nothing is idle.",
    ]


def test_a_protection_ends_before_it_can_be_taken() -> None:
    queues = [queue("a", 0, reclaim_min_runtime=600, preempt_min_runtime=120), queue("b", 8)]
    found = explained(moment(queues, [node("n1")], [running("j", "a", 4, "n1", ran=60)]), "j")
    risks = {item.facts["queue"]: item.facts["until"] for item in found.reason if item.rule == "could-lose"}
    assert risks == {"a": NOW + 60, "b": NOW + 540}


def test_what_may_not_be_preempted_stays() -> None:
    found = explained(moment([queue("a", 8)], [node("n1")], [running("j", "a", 4, "n1", priority=100)]), "j")
    assert said(found)[-1] == "It may not be preempted: it runs to its end unless its node fails."


def test_a_queue_without_bound_borrows_nothing() -> None:
    found = explained(moment([queue("a", -1)], [node("n1")], [running("j", "a", 4, "n1")]), "j", trials=0)
    assert said(found)[1] == "Queue a holds 4 GPUs, and its quota has no bound: nothing is borrowed."
    assert found.untried == ("takers",)


def test_parts_of_gpus_and_slices_can_be_taken_too() -> None:
    part = Pod(
        "j-0", PodStatus.RUNNING, "n1", replace(whole_gpus(1), portion=0.5), CORE, GIB, groups=("g",), created=NOW
    )
    job = Job("j", "a", (part,), gang(1), created=NOW - DAY, started=NOW - DAY)
    found = explained(moment([queue("a", 0), queue("b", 8)], [node("n1", 1)], [job]), "j")
    assert found.standing is Standing.RUNS


# --- it starts --------------------------------------------------------------------------------------------------------


def test_it_starts_in_this_cycle() -> None:
    found = explained(moment([queue("a", 8)], [node("n1")], [waiting("j", "a", 2, pods=2)]), "j")
    assert found.standing is Standing.STARTS
    assert said(found) == ["It gets its 2 places in this cycle, on n1."]


def test_it_is_promised_what_is_reclaimed_for_it() -> None:
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 8), queue("b", 0)], [node("n1")], jobs), "j")
    assert found.standing is Standing.PROMISED
    assert said(found) == [
        "It is promised its 1 place on n1: r is evicted for it in this cycle, since its queue gets back what it is due."
    ]


def test_it_is_promised_what_is_being_left() -> None:
    leaving = running("r", "a", 8, "n1")
    leaving = replace(leaving, pods=(replace(leaving.pods[0], status=PodStatus.RELEASING),))
    found = explained(moment([queue("a", 8)], [node("n1")], [leaving, waiting("j", "a", 8)]), "j")
    assert said(found) == ["It is promised its 1 place on n1, once leaving pods are gone."]
    assert said(explained(moment([queue("a", 8)], [node("n1")], [leaving]), "r")) == ["Its 1 pod is on the way out."]


def test_it_is_promised_room_that_others_move_out_of() -> None:
    # 4 + 4 GPUs are idle; r moves to n2 so that 8 are on n1.
    jobs = [running("r", "a", 4, "n1"), running("s", "a", 4, "n2"), waiting("j", "a", 8)]
    state = moment([queue("a", 16)], [node("n1"), node("n2")], jobs)
    found = explained(state, "j")
    moved = found.reason[0].facts["moved"][0]
    assert said(found) == [
        f"It is promised its 1 place on {found.reason[0].facts['nodes'][0]}, once {moved} has moved."
    ]
    assert explained(state, moved).standing is Standing.MOVES
    assert said(explained(state, moved))[0].startswith("1 pod of it is evicted in this cycle and promised ")


# --- it loses its places ----------------------------------------------------------------------------------------------


def test_it_is_reclaimed_for_a_queue_that_gets_its_quota_back() -> None:
    jobs = [running("j", "b", 8, "n1"), waiting("w", "a", 4)]
    found = explained(moment([queue("a", 4), queue("b", 4)], [node("n1")], jobs), "j")
    assert found.standing is Standing.LOSES
    assert said(found) == [
        "1 pod of it makes way in this cycle for w of queue a, which gets its quota back "
        "(it holds 0 of the 4 GPUs it is due); queue b holds 8 and is due 4 GPUs."
    ]


def test_it_is_reclaimed_for_a_queue_that_gets_its_fair_share_back() -> None:
    jobs = [running("j", "b", 8, "n1"), waiting("w", "a", 4)]
    found = explained(moment([queue("a", 0), queue("b", 0)], [node("n1")], jobs), "j")
    assert "which gets its fair share back (it holds 0 of the 4 GPUs it is due)" in said(found)[0]


def test_it_is_reclaimed_between_departments() -> None:
    queues = [queue("west", 8), queue("a", 8, parent="west"), queue("east", 0), queue("b", 0, parent="east")]
    jobs = [running("j", "b", 8, "n1"), waiting("w", "a", 8)]
    facts = explained(moment(queues, [node("n1")], jobs), "j").reason[0].facts
    assert (facts["queue"], facts["causeQueue"], facts["guaranteed"]) == ("east", "west", True)


def test_it_is_preempted() -> None:
    jobs = [running("j", "a", 8, "n1"), waiting("w", "a", 4, priority=75)]
    found = explained(moment([queue("a", 8)], [node("n1")], jobs), "j")
    assert said(found) == [
        "1 pod of it makes way in this cycle for w, which has priority 75 in the same queue; its own is 50."
    ]


def test_it_is_an_incomplete_gang() -> None:
    job = running("j", "a", 1, "n1", minimum=2, stale_since=NOW - 120)
    found = explained(moment([queue("a", 8)], [node("n1")], [job]), "j")
    assert found.standing is Standing.LOSES
    assert "it has run for 2 min with 1 of the 2 pods it must run with" in said(found)[0]


def test_nothing_of_it_is_left() -> None:
    done = Job("j", "a", (Pod("j-0", PodStatus.SUCCEEDED, created=NOW),), gang(1), created=NOW)
    state = moment([queue("a", 8)], [node("n1")], [done, Job("k", "a", (), gang(1))])
    assert said(explained(state, "j")) == ["Its 1 pod has ended."]
    assert said(explained(state, "k")) == ["The snapshot holds none of its pods."]


# --- order ------------------------------------------------------------------------------------------------------------


def test_what_depends_on_an_open_order_is_found() -> None:
    # Two queues alike, created in the same second: which of the two goes first is open.
    jobs = [waiting("x", "a", 8), waiting("y", "b", 8)]
    state = moment([queue("a", 4), queue("b", 4)], [node("n1")], jobs)
    changes = order_sensitive(state, KaiScheduler(), seeds=range(1, 9))
    assert [item.job for item in changes] == ["x", "y"]
    assert {outcome for outcome, _ in changes[0].outcomes} == {"1 started", "as it is"}
    assert sum(count for _, count in changes[0].outcomes) == 9


def test_what_is_settled_depends_on_no_order() -> None:
    jobs = [waiting("x", "a", 4), waiting("y", "b", 4)]
    assert order_sensitive(moment([queue("a", 4), queue("b", 4)], [node("n1")], jobs), KaiScheduler()) == ()
