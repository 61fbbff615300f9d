"""How long a job runs before others may take its place."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import NOW, Played, cluster, job, node, play, queue

from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import Job, Subgroup
from tenantry.model.moment import Moment
from tenantry.model.queue import Queue
from tenantry.model.schedule import Gate


def taken(started: int | None, queues: list[Queue], *, victim: str = "z", action: str = "reclaim", **more: Any) -> bool:
    """Whether a job that started then loses its GPUs to one of queue x, or to a more important one of its own."""
    taker = "x" if action == "reclaim" else victim
    jobs = [job("low", victim, 2, on="n1", started=started), job("high", taker, 2, priority=60)]
    played = play(cluster([node("n1", 2)], queues, jobs), actions=(action,), **more)
    return bool(played.lost)


def tree(**minimums: int | None) -> list[Queue]:
    """d (x, y) and e (f (z)); queues named get this minimum for reclaim, or with p_ before the name for preempt."""
    parents = {"d": "", "e": "", "x": "d", "y": "d", "f": "e", "z": "f"}
    return [
        queue(
            name,
            2 if name in "dx" else 0,
            parent=parent,
            reclaim_min_runtime=minimums.get(name),
            preempt_min_runtime=minimums.get(f"p_{name}"),
        )
        for name, parent in parents.items()
    ]


# --- until when -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["reclaim", "preempt"])
@pytest.mark.parametrize(("started", "lost"), [(NOW - 59, False), (NOW - 60, True), (NOW - 600, True), (None, True)])
def test_a_job_is_protected_until_it_has_run_long_enough(action: str, started: int | None, lost: bool) -> None:
    """One that never started, as far as anybody knows, is not protected."""
    settings: dict[str, Any] = {"reclaim_min_runtime": 60, "preempt_min_runtime": 60}
    assert taken(started, tree(), action=action, **settings) is lost


def test_without_the_plugin_nobody_is_protected() -> None:
    without = DEFAULTS.plugins - {"minruntime"}
    assert taken(NOW, tree(e=999), plugins=without)
    assert not taken(NOW, tree(e=999))


def test_nothing_is_said_anywhere() -> None:
    assert taken(NOW, tree())


# --- whose word counts ------------------------------------------------------------------------------------------------

SHORT, LONG = 10, 1000
"""Seconds: the job has run for 100."""

LCA: dict[str, tuple[str, dict[str, int | None], int, bool]] = {
    # x and z part at the top, so only e is asked, whatever f and z say.
    "between top queues the victim's top queue counts": ("z", {"e": LONG, "f": SHORT, "z": SHORT}, 0, False),
    "between top queues deeper ones do not count": ("z", {"f": LONG, "z": LONG, "d": LONG}, 0, True),
    "between top queues the setting counts where the top one is silent": ("z", {"f": SHORT}, LONG, False),
    "a top queue may lift the setting": ("z", {"e": SHORT}, LONG, True),
    # x and y part below d, so y is asked, then d.
    "below a common queue the child on the victim's side counts": ("y", {"y": LONG, "d": SHORT}, 0, False),
    "below a common queue the common one counts where the child is silent": ("y", {"d": LONG}, 0, False),
    "below a common queue the taker's side does not count": ("y", {"x": LONG}, 0, True),
    "the setting comes last": ("y", {}, LONG, False),
}


@pytest.mark.parametrize("name", LCA)
def test_reclaim_asks_the_queues_where_taker_and_victim_part(name: str) -> None:
    victim, minimums, setting, lost = LCA[name]
    assert taken(NOW - 100, tree(**minimums), victim=victim, reclaim_min_runtime=setting) is lost


def test_reclaim_asks_the_child_not_what_is_below_it() -> None:
    """x and z2 part below d; f2 is the child of d on the victim's side, and z2, below it, is not asked."""
    queues = [
        queue("d", 9),
        queue("x", 2, parent="d"),
        queue("f2", 0, parent="d", reclaim_min_runtime=SHORT),
        queue("z2", 0, parent="f2", reclaim_min_runtime=LONG),
    ]
    assert taken(NOW - 100, queues, victim="z2")
    assert not taken(NOW - 100, queues, victim="z2", reclaim_by_queue=True)


BY_QUEUE: dict[str, tuple[dict[str, int | None], int, bool]] = {
    "the leaf counts": ({"z": LONG, "f": SHORT, "e": SHORT}, 0, False),
    "then its parent": ({"f": LONG, "e": SHORT}, 0, False),
    "then the top": ({"e": LONG}, 0, False),
    "then the setting": ({}, LONG, False),
    "a leaf may lift what is said above": ({"z": SHORT, "e": LONG}, LONG, True),
}


@pytest.mark.parametrize("name", BY_QUEUE)
def test_reclaim_may_ask_from_the_leaf_upwards(name: str) -> None:
    minimums, setting, lost = BY_QUEUE[name]
    assert taken(NOW - 100, tree(**minimums), reclaim_by_queue=True, reclaim_min_runtime=setting) is lost


@pytest.mark.parametrize("name", BY_QUEUE)
def test_preempt_asks_from_the_leaf_upwards(name: str) -> None:
    minimums, setting, lost = BY_QUEUE[name]
    prefixed = {f"p_{queue}": value for queue, value in minimums.items()}
    assert taken(NOW - 100, tree(**prefixed), action="preempt", preempt_min_runtime=setting) is lost


def test_each_action_has_its_own_minimum() -> None:
    assert taken(NOW - 100, tree(z=LONG, e=LONG), action="preempt", reclaim_min_runtime=LONG)
    assert taken(NOW - 100, tree(p_z=LONG, p_e=LONG), action="reclaim", preempt_min_runtime=LONG)


# --- jobs with more pods than they need -------------------------------------------------------------------------------


def elastic(*jobs: Job, gpus: float = 4) -> Moment:
    queues = [queue("x", 4), queue("z", 0, reclaim_min_runtime=LONG)]
    return cluster([node("n1", gpus)], queues, jobs)


def grown(needs: int | Subgroup, pods: int = 4, **more: Any) -> Job:
    return job("low", "z", on=["n1"] * pods, needs=needs, started=NOW - 100, **more)


def reclaimed(moment: Moment, **more: Any) -> Played:
    return play(moment, actions=("reclaim",), **more)


def test_a_protected_job_loses_what_is_above_its_minimum() -> None:
    assert reclaimed(elastic(grown(2), job("high", "x", 2))).lost == {"low-2", "low-3"}


def test_a_protected_job_keeps_its_minimum() -> None:
    played = reclaimed(elastic(grown(3), job("high", "x", 2)))
    assert played.cycle.decisions == ()
    held = played.held("high", "reclaim")
    assert (held.gate, held.facts["victim"]) == (Gate.VICTIM_PROTECTED, "low")


def test_every_group_of_a_protected_job_keeps_its_minimum() -> None:
    """Two groups of two with a minimum of one each: one pod of either may go."""
    groups = Subgroup("", None, (Subgroup("m", 1), Subgroup("n", 1)), leaf=False)
    base = grown(groups)
    pods = tuple(
        type(pod)(pod.name, pod.status, pod.node, pod.gpu, subgroup="mn"[number % 2])
        for number, pod in enumerate(base.pods)
    )
    low = Job("low", "z", pods, groups, started=NOW - 100)
    assert reclaimed(elastic(low, job("high", "x", 2))).lost == {"low-2", "low-3"}
    assert reclaimed(elastic(low, job("high", "x", 3))).cycle.decisions == ()


def test_an_unprotected_elastic_job_loses_everything() -> None:
    unprotected = elastic(job("low", "z", on=["n1"] * 4, needs=3, started=NOW - 9999), job("high", "x", 2))
    assert len(reclaimed(unprotected).lost) == 4


def test_a_pod_that_finds_another_place_counts_as_lost_all_the_same() -> None:
    """All victims of a scenario are counted against the minimum, those that move included (a quirk).

    The gang of low is 1 of 2 pods; x needs both GPUs of n1, where both pods run; one GPU is free on n2. Either pod
    could move there while the other is lost, and the job would keep one pod; the scenario takes two, so it is refused.
    """
    nodes = [node("n1", 2), node("n2", 1)]
    queues = [queue("x", 4), queue("z", 0, reclaim_min_runtime=LONG)]
    jobs = [job("low", "z", on="n1 n1", needs=1, started=NOW - 100), job("high", "x", 2)]
    played = reclaimed(cluster(nodes, queues, jobs))
    assert played.held("high", "reclaim").gate is Gate.VICTIM_PROTECTED
    long_ago = cluster(nodes, queues, [job("low", "z", on="n1 n1", needs=1, started=NOW - 9999), jobs[1]])
    assert len(reclaimed(long_ago).lost) == 1


def test_consolidation_knows_no_protection() -> None:
    nodes = [node("n1", 2), node("n2", 2)]
    queues = [queue("x", 4, reclaim_min_runtime=LONG), queue("z", 4, reclaim_min_runtime=LONG)]
    jobs = [job("low", "z", on="n1", started=NOW), job("mid", "z", on="n2", started=NOW), job("high", "x", 2)]
    assert len(play(cluster(nodes, queues, jobs), actions=("consolidation",)).evicted) == 1
