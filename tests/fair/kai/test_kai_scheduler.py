"""The scheduler behind the common interface: its cycle, when time alone may change its mind, and what it shuffles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kai_build import NOW, QUIET, cluster, job, node, play, queue

from tenantry.fair.kai.rules import DEFAULTS, Settings
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import Job, PodStatus
from tenantry.model.moment import Moment
from tenantry.model.queue import Queue
from tenantry.model.schedule import Act

WAITING = job("waits", "a", 8, priority=10)


def wakes(*jobs: Job, queues: list[Queue] | None = None, settings: Settings = DEFAULTS, **more: Any) -> int | None:
    return KaiScheduler(replace(settings, **more)).wakes(moment(*jobs, queues=queues))


def moment(*jobs: Job, queues: list[Queue] | None = None) -> Moment:
    return cluster([node("n1", 2)], queues or [queue("a", 9), queue("b", 9)], jobs)


def test_it_says_its_name_and_decides() -> None:
    scheduler = KaiScheduler()
    assert scheduler.name == "KAI 0.17"
    assert KaiScheduler(replace(DEFAULTS, version="0.15")).name == "KAI 0.15"
    assert scheduler.period == 1
    assert scheduler.cycle(moment(job("x", "a"))) == play(moment(job("x", "a")), DEFAULTS).cycle


def test_nothing_to_wait_for() -> None:
    assert wakes() is None
    assert wakes(job("x", "a", on="n1", started=NOW - 5), WAITING) is None


# --- graces -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "own", "setting", "expected"),
    [
        (NOW - 10, None, 60, NOW + 50),
        (NOW - 10, 30, 60, NOW + 20),
        (NOW - 60, None, 60, None),
        (NOW - 10, None, -1, None),
        (NOW - 10, -1, 60, None),
        (None, 30, 60, None),
    ],
)
def test_it_wakes_when_a_grace_ends(since: int | None, own: int | None, setting: int, expected: int | None) -> None:
    gang = job("gang", "a", on="n1", pods=2, stale_since=since, staleness_grace=own)
    ready = replace(gang, pods=tuple(replace(pod, status=PodStatus.RUNNING) for pod in gang.pods))
    assert wakes(ready, staleness_grace=setting) == expected


def test_a_version_without_own_graces_wakes_by_the_setting() -> None:
    gang = job("gang", "a", on="n1", stale_since=NOW - 10, staleness_grace=30)
    assert wakes(gang, version="0.16", staleness_grace=60) == NOW + 50


# --- delays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "evicted", "expected"),
    [
        (NOW - 10, None, NOW + 50),
        (NOW - 900, NOW - 20, NOW + 40),
        (NOW - 20, NOW - 900, NOW + 40),
        (NOW - 60, None, None),
    ],
)
def test_it_wakes_when_a_delay_ends(created: int, evicted: int | None, expected: int | None) -> None:
    assert wakes(job("x", "a", 8, created=created, evicted=evicted, preemption_delay=60)) == expected


def test_delays_count_for_jobs_that_wait_in_versions_that_know_them() -> None:
    delayed = job("x", "a", 8, created=NOW - 10, preemption_delay=60)
    assert wakes(delayed, version="0.16") is None
    running = job("x", "a", 2, on="n1", created=NOW - 10, preemption_delay=60)
    assert wakes(running, WAITING) is None


# --- protections ------------------------------------------------------------------------------------------------------


def test_it_wakes_when_the_first_protection_that_somebody_waits_for_ends() -> None:
    queues = [
        queue("d", reclaim_min_runtime=500),
        queue("a", parent="d", preempt_min_runtime=100),
        queue("b", parent="d"),
    ]
    runs = job("runs", "a", on="n1", started=NOW - 50)
    other = job("other", "b", on="n1", started=NOW - 480)
    assert wakes(runs, WAITING, queues=queues) == NOW + 50
    assert wakes(runs, other, WAITING, queues=queues) == NOW + 20
    assert wakes(runs, other, queues=queues) is None  # nobody waits
    # Once the nearer one is over the wider one still counts.
    assert wakes(replace(runs, started=NOW - 100), WAITING, queues=queues) == NOW + 400


def test_settings_protect_where_queues_are_silent() -> None:
    runs = job("runs", "a", on="n1", started=NOW - 50)
    assert wakes(runs, WAITING, reclaim_min_runtime=80) == NOW + 30
    assert wakes(runs, WAITING, preempt_min_runtime=70) == NOW + 20


def test_what_cannot_be_evicted_or_never_started_ends_no_protection() -> None:
    assert wakes(job("runs", "a", on="n1", started=NOW, priority=100), WAITING, reclaim_min_runtime=80) is None
    assert wakes(job("runs", "a", on="n1"), WAITING, reclaim_min_runtime=80) is None


def test_queues_in_a_circle_are_left_out_and_protect_nobody() -> None:
    queues = [queue("a", parent="b", reclaim_min_runtime=70), queue("b", parent="a"), queue("c")]
    assert wakes(job("runs", "a", on="n1", started=NOW), WAITING, queues=queues) is None


# --- whether it matters -----------------------------------------------------------------------------------------------


def at(second: int, *jobs: Job, queues: list[Queue] | None = None) -> Moment:
    return replace(moment(*jobs, queues=queues), now=second)


CHANGES: dict[str, tuple[tuple[Job, ...], list[Queue]]] = {
    "grace": ((job("gang", "a", on="n1", pods=3, needs=3, stale_since=NOW - 10),), [queue("a", 9)]),
    "delay": (
        (
            job("low", "a", 2, on="n1", created=NOW - 900),
            job("high", "a", 2, priority=60, created=NOW - 10, preemption_delay=60),
        ),
        [queue("a", 9)],
    ),
    "protection": (
        (job("low", "a", 2, on="n1", started=NOW - 10), job("high", "a", 2, priority=60)),
        [queue("a", 9, preempt_min_runtime=60)],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_decides_otherwise_at_that_second_and_not_before(name: str) -> None:
    jobs, queues = CHANGES[name]
    scheduler = KaiScheduler(QUIET)
    wake = scheduler.wakes(at(NOW, *jobs, queues=queues))
    assert wake == NOW + 50

    def evicts(second: int) -> bool:
        return any(item.act is Act.EVICT for item in scheduler.cycle(at(second, *jobs, queues=queues)).decisions)

    assert not evicts(NOW)
    assert not evicts(wake - 1)
    assert evicts(wake)


def test_shuffled_schedulers_differ_in_their_seed_alone() -> None:
    scheduler = KaiScheduler(replace(DEFAULTS, version="0.16"), period=5)
    shuffled = scheduler.shuffled(3)
    assert shuffled == replace(scheduler, settings=replace(scheduler.settings, order_seed=3))
    equal = moment(job("x", "a", 2), job("y", "b", 2))
    found = {tuple(item.pod for item in scheduler.shuffled(seed).cycle(equal).decisions) for seed in range(12)}
    assert found == {("x-0",), ("y-0",)}
