"""One entry for replays takes the fast way where it is exact, and a static partition leaves others alone."""

from __future__ import annotations

from typing import Any

import pytest

from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay import run as entry
from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.kernel.coverage import not_covered
from tenantry.fair.replay.log import Happening
from tenantry.fair.replay.policies import split, static_partition
from tenantry.fair.replay.run import run_replay
from tenantry.fair.replay.setup import Setup
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import UNLIMITED, Entitled, Queue
from tenantry.model.trace import TraceJob

SETUP = Setup(
    nodes=(Node("a", 8.0), Node("b", 8.0)),
    queues=(
        Queue("lab", gpu=Entitled(16, UNLIMITED, 1)),
        Queue("vision", "lab", Entitled(12, 16, 1)),
        Queue("speech", "lab", Entitled(4, 16, 1)),
    ),
    queue_of={"vision": "vision", "speech": "speech"},
)


def table(*jobs: tuple[str, int, int, int, int]) -> JobTable:
    """Make jobs of (tenant, submit, duration, pods, milli-GPUs)."""
    return JobTable.build(TraceJob(f"job-{number}", *job) for number, job in enumerate(jobs))


# speech borrows the whole cluster, vision takes its quota back: with an eviction and lost work
WHOLE = table(("speech", 0, 5000, 2, 8000), ("vision", 60, 600, 1, 8000), ("speech", 70, 100, 1, 1000))
FRACTIONS = table(("speech", 0, 5000, 1, 500), ("vision", 60, 600, 1, 8000))


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("another way was asked for")


def test_the_fast_way_is_taken_where_it_applies_and_gives_the_same_log(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = KaiScheduler()
    assert not_covered(SETUP, WHOLE, scheduler) is None
    expected = replay(SETUP, WHOLE, scheduler)
    assert Happening.EVICT in set(expected.happening)
    monkeypatch.setattr(entry, "replay", forbidden)
    assert run_replay(SETUP, WHOLE, scheduler) == expected


def test_the_literal_way_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "replay_fast", forbidden)
    assert run_replay(SETUP, WHOLE, KaiScheduler(), literal=True).end > 5000


def test_the_literal_way_is_taken_where_the_fast_one_does_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not_covered(SETUP, FRACTIONS, KaiScheduler()) is not None
    monkeypatch.setattr(entry, "replay_fast", forbidden)
    assert run_replay(SETUP, FRACTIONS, KaiScheduler()) == replay(SETUP, FRACTIONS, KaiScheduler())


@pytest.mark.parametrize(("jobs", "compiled"), [(3, True), (4, False)], ids=["large enough", "too small"])
def test_only_large_replays_are_compiled(monkeypatch: pytest.MonkeyPatch, jobs: int, *, compiled: bool) -> None:
    asked = []
    monkeypatch.setattr(entry, "COMPILED_FROM", jobs)
    monkeypatch.setattr(entry, "replay_fast", lambda *_, **options: asked.append(options["compiled"]))
    run_replay(SETUP, WHOLE, KaiScheduler())
    assert asked == [compiled]


def test_a_static_partition_gives_parts_by_quota_and_never_touches_pods_of_other_queues() -> None:
    # 16 GPUs by quotas of 12 and 4
    assert split(SETUP) == {"vision": 12.0, "speech": 4.0}
    jobs = table(
        *[("speech", second, 900, 1, 2000) for second in range(0, 60, 20)],
        *[("vision", second, 900, 1, 4000) for second in range(10, 90, 20)],
    )
    policy = static_partition(SETUP, KaiScheduler())
    log = run_replay(policy.setup, jobs, policy.scheduler)
    assert Happening.EVICT not in set(log.happening)
    # speech runs two jobs of 2 in its 4 GPUs, the third when the first ends; vision three of 4 in its 12
    starts = {jobs.name(row.job): row.time for row in log if row.happening is Happening.RUN}
    waits = {name: starts[name] - jobs.submit[index] for index in range(len(jobs)) if (name := jobs.name(index))}
    assert waits == {"job-0": 0, "job-1": 0, "job-2": 860, "job-3": 0, "job-4": 0, "job-5": 0, "job-6": 840}
