"""Gangs that run with too few pods are evicted after their grace."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import NOW, Played, cluster, job, node, play, queue

from tenantry.model.job import Job, Pod, PodStatus, Subgroup, whole_gpus
from tenantry.model.schedule import Act

ONLY = ("stalegangeviction",)


def short(**more: Any) -> Job:
    """A gang of three of which two run."""
    return job("gang", "a", on="n1 n1", pods=3, needs=3, **more)


def after(*jobs: Job, **more: Any) -> Played:
    return play(cluster([node("n1", 8)], [queue("a", 9)], jobs), actions=ONLY, **more)


def test_the_moment_a_gang_is_first_seen_short_is_kept() -> None:
    played = after(short())
    assert played.evicted == {}
    assert played.cycle.stale == {"gang": NOW}
    assert after(short(stale_since=NOW - 5)).cycle.stale == {"gang": NOW - 5}


@pytest.mark.parametrize(
    ("since", "own", "setting", "evicted"),
    [
        (NOW - 59, None, 60, False),
        (NOW - 60, None, 60, True),
        (NOW - 60, 61, 60, False),
        (NOW - 10, 10, 60, True),
        (NOW - 9999, -1, 60, False),
        (NOW - 9999, None, -1, False),
        (NOW - 5, 5, -1, True),
        (None, None, 0, True),
        (None, 0, 60, True),
    ],
)
def test_a_gang_is_evicted_after_its_grace(since: int | None, own: int | None, setting: int, evicted: bool) -> None:
    """Its own grace counts before that of the settings; a negative one never ends."""
    played = after(short(stale_since=since, staleness_grace=own), staleness_grace=setting)
    assert set(played.evicted) == ({"gang-0", "gang-1"} if evicted else set())


def test_evictions_are_for_nobody() -> None:
    decision = after(short(), staleness_grace=0).cycle.decisions[0]
    assert (decision.act, decision.action, decision.job, decision.cause) == (Act.EVICT, "stalegangeviction", "gang", "")
    assert (decision.node, decision.moved) == ("n1", False)


def test_a_gang_that_may_not_be_evicted_is_evicted_all_the_same() -> None:
    assert set(after(short(priority=200), staleness_grace=0).evicted) == {"gang-0", "gang-1"}


@pytest.mark.parametrize(
    "whole",
    [
        job("gang", "a", on="n1 n1 n1", needs=3, stale_since=NOW - 99),
        job("gang", "a", on="n1 n1", pods=4, needs=2, stale_since=NOW - 99),
        job("gang", "a", pods=3, needs=3, stale_since=NOW - 99),
    ],
    ids=["complete", "above its minimum", "not running at all"],
)
def test_a_gang_that_is_not_short_is_forgotten(whole: Job) -> None:
    played = after(whole, staleness_grace=0)
    assert (played.evicted, played.cycle.stale) == ({}, {})


def test_pods_on_their_way_out_count_for_the_gang() -> None:
    """As long as a pod has not left its node the gang counts as whole; then it is short, and all of it goes."""
    gang = short()
    leaving = Pod("gang-2", PodStatus.RELEASING, "n1", whole_gpus(1))
    assert after(Job("gang", "a", (*gang.pods[:2], leaving), gang.root), staleness_grace=0).evicted == {}
    stuck = Pod("gang-2", PodStatus.STUCK, "n1", whole_gpus(1))
    assert after(Job("gang", "a", (*gang.pods[:2], stuck), gang.root), staleness_grace=0).evicted == {}


def test_a_gang_of_which_a_pod_has_finished_is_spared() -> None:
    gang = short()
    done = Pod("gang-2", PodStatus.SUCCEEDED, "n1", whole_gpus(1))
    assert after(Job("gang", "a", (*gang.pods[:2], done), gang.root), staleness_grace=0).evicted == {}
    failed = Pod("gang-2", PodStatus.FAILED, "n1", whole_gpus(1))
    assert len(after(Job("gang", "a", (*gang.pods[:2], failed), gang.root), staleness_grace=0).evicted) == 2


def test_groups_are_looked_at_not_how_many_of_them_are_needed() -> None:
    """One group of two would be enough for the job, but a group that is short makes it stale (a quirk)."""
    groups = Subgroup("", 1, (Subgroup("m", 1), Subgroup("n", 1)), leaf=False)
    pods = (
        Pod("x-0", PodStatus.RUNNING, "n1", whole_gpus(1), subgroup="m"),
        Pod("x-1", gpu=whole_gpus(1), subgroup="n"),
    )
    assert set(after(Job("x", "a", pods, groups), staleness_grace=0).evicted) == {"x-0"}


def test_it_comes_after_everything_else_had_its_chance() -> None:
    """The missing pod finds room in the same cycle, so the gang is whole when it is looked at."""
    played = play(cluster([node("n1", 8)], [queue("a", 9)], [short(stale_since=NOW - 999)]))
    assert played.bound == {"gang-2": "n1"}
    assert (played.evicted, played.cycle.stale) == ({}, {})
    crowded = play(cluster([node("n1", 2)], [queue("a", 9)], [short(stale_since=NOW - 999)]))
    assert set(crowded.evicted) == {"gang-0", "gang-1"}
