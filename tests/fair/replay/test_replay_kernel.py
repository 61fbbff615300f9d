"""The fast replay against the literal one: the same log, whatever is replayed, as it stands and compiled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from kernel_cases import case
from replay_build import KAI, cluster, job, node, queue

from tenantry.fair.kai.rules import DEFAULTS, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.kernel import run as kernel
from tenantry.fair.replay.kernel.compiled import compiled_advance
from tenantry.fair.replay.kernel.coverage import not_covered
from tenantry.fair.replay.kernel.layout import lay_out
from tenantry.fair.replay.kernel.run import replay_fast
from tenantry.fair.replay.log import Happening, Log
from tenantry.model.job_table import JobTable

if TYPE_CHECKING:
    from tenantry.fair.replay.setup import Setup

CASES = [*((seed, 30) for seed in range(30)), (6070, 60), (80, 60), (103, 60)]
"""Seeds and numbers of jobs; the last ones evict gangs that run with pods missing."""
MORE_SEEDS = range(1000, 3000)

both_ways = pytest.mark.parametrize(
    "compiled",
    [False, pytest.param(True, marks=pytest.mark.skipif(compiled_advance() is None, reason="needs numba"))],
    ids=["plain", "compiled"],
)


def compare(seed: int, jobs: int, *, compiled: bool) -> Log:
    given = case(seed, jobs)
    assert not_covered(given.setup, given.table, given.scheduler) is None
    found = replay_fast(given.setup, given.table, given.scheduler, compiled=compiled)
    assert found == replay(given.setup, given.table, given.scheduler)
    return found


@both_ways
@pytest.mark.parametrize(("seed", "jobs"), CASES)
def test_random_replays_are_the_same(seed: int, jobs: int, compiled: bool) -> None:
    compare(seed, jobs, compiled=compiled)


@pytest.mark.slow
@both_ways
@pytest.mark.parametrize("first", range(MORE_SEEDS.start, MORE_SEEDS.stop, 50))
def test_many_random_replays_are_the_same(first: int, compiled: bool) -> None:
    for seed in range(first, first + 50):
        compare(seed, 60, compiled=compiled)


def test_the_random_replays_have_everything_in_them() -> None:
    seen: Counter[Any] = Counter()
    for seed, jobs in CASES:
        given = case(seed, jobs)
        log = replay_fast(given.setup, given.table, given.scheduler, compiled=False)
        seen.update(log.happening)
        pairs = zip(log.happening, log.detail, strict=True)
        seen.update(("evicted by", detail) for happening, detail in pairs if happening == Happening.EVICT)
        seen[given.scheduler.name] += 1
    assert all(seen[happening] for happening in Happening)
    assert {key[1] for key in seen if isinstance(key, tuple)} == {1, 2, 3, 4}
    assert len({key for key in seen if isinstance(key, str)}) > 1


@both_ways
def test_the_log_is_the_same_however_often_it_is_taken_away(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given = case(3, 80)
    expected = replay_fast(given.setup, given.table, given.scheduler, compiled=compiled)
    monkeypatch.setattr(kernel, "ROWS", 8)
    monkeypatch.setattr(kernel, "PAUSE", 2)
    ended: list[int] = []
    found = replay_fast(given.setup, given.table, given.scheduler, compiled=compiled, progress=ended.append)
    assert found == expected
    assert ended == sorted(ended)
    assert len(ended) > 5


@both_ways
def test_the_log_is_the_same_where_a_cycle_lacks_room_at_first(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def watched(*given: Any, rows: int, slack: int) -> Any:
        tried.append(slack)
        return lay_out(*given, rows=rows, slack=slack)

    monkeypatch.setattr(kernel, "SLACK", 0)
    monkeypatch.setattr(kernel, "lay_out", watched)
    for seed, jobs in CASES[-2:]:
        compare(seed, jobs, compiled=compiled)
    assert len(tried) > len(CASES[-2:])


@both_ways
def test_order_of_input_does_not_matter(compiled: bool) -> None:
    given = case(8, 60)
    jobs = list(given.table)
    turned = JobTable.build(jobs[::-1])
    upside_down = replace(given.setup, nodes=given.setup.nodes[::-1], queues=given.setup.queues[::-1])
    expected = replay_fast(given.setup, given.table, given.scheduler, compiled=compiled)
    assert replay_fast(upside_down, turned, given.scheduler, compiled=compiled) == expected


# --- what it leaves to the literal replay -----------------------------------------------------------------------------

SETUP = cluster([node("a", 8), node("b", 8)], [queue("one", 8), queue("two", 8)])
TABLE = JobTable.build([job("first", "one", 0, 100, 8), job("second", "two", 5, 100, 1)])


@pytest.mark.parametrize(
    ("setup", "jobs", "scheduler", "why"),
    [
        (SETUP, [job("j", "one", 0, 10, 0.5)], KAI, "parts of GPUs"),
        (cluster([node("a", 8, cpu=64.0)], [queue("one")]), [job("j", "one", 0, 10, cpus=4)], KAI, "ask for CPU"),
        (cluster([node("a", 80)], [queue("one")]), [], KAI, "more than 64"),
        (cluster([node("a", 8, unready=True)], [queue("one")]), [], KAI, "unready"),
        (cluster([node("a", 8)], [queue("one", parent="none")]), [], KAI, "no parent"),
        (cluster([node("a", 8)], [queue("one", parent="two"), queue("two", parent="one")]), [], KAI, "go round"),
        (cluster([node("a", 8)], [queue("one", -3)]), [], KAI, "negative"),
        (cluster([node("a", 8)], [queue("one")], usage_window=3600), [], KAI, "past usage"),
        (replace(SETUP, instances={1000: "nvidia.com/mig-1g.10gb"}), [], KAI, "partitioned"),
        (SETUP, [], KaiScheduler(replace(DEFAULTS, order_seed=7)), "shuffled"),
        (SETUP, [], KaiScheduler(replace(DEFAULTS, actions=("reclaim", "allocate"))), "settings"),
        (
            cluster([node("a", 8), node("b", 4)], [queue("one")]),
            [],
            KaiScheduler(placement(Strategy.SPREAD, Strategy.BINPACK, DEFAULTS)),
            "spread",
        ),
    ],
)  # fmt: skip
def test_what_it_does_not_know_it_says(setup: Setup, jobs: list[Any], scheduler: KaiScheduler, why: str) -> None:
    assert not_covered(SETUP, TABLE, KAI) is None
    found = not_covered(setup, JobTable.build(jobs) if jobs else TABLE, scheduler)
    assert found is not None
    assert why in found
