"""The clock of a replay: what happens when, on clusters small enough to follow by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from replay_build import KAI, cluster, job, lines, node, played, queue, random_jobs, told

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.driver import Replay, replay
from tenantry.fair.replay.log import Happening
from tenantry.model.job import PodStatus
from tenantry.model.job_table import JobTable
from tenantry.model.schedule import Act, Cycle, Decision
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.moment import Moment
    from tenantry.model.trace import TraceJob

ONE = ([node("n1")], [queue("a", 4)])
"""Four GPUs for one queue."""


# --- from submission to end -------------------------------------------------------------------------------------------


def test_a_job_is_placed_in_the_second_it_comes_and_ends_after_its_duration() -> None:
    assert told(cluster(*ONE), [job("x", "a", 10, 100, 2, pods=2)]) == [
        "10 submit x 4",
        "10 bind x 4 allocate",
        "10 run x",
        "110 finish x 4",
    ]


def test_starting_up_holds_gpus_and_is_no_work() -> None:
    assert told(cluster(*ONE, startup=25), [job("x", "a", 0, 100)])[-1] == "125 finish x 1"


def test_who_waits_is_placed_in_the_second_room_comes_free() -> None:
    jobs = [job("x", "a", 0, 100, 4), job("y", "a", 40, 10, 4)]
    assert told(cluster(*ONE), jobs)[3:] == [
        "40 submit y 4",
        "100 finish x 4",
        "100 bind y 4 allocate",
        "100 run y",
        "110 finish y 4",
    ]


def test_a_job_of_no_duration_ends_at_once_and_makes_room_in_the_next_cycle() -> None:
    jobs = [job("x", "a", 0, 0, 4), job("y", "a", 0, 5, 4)]
    assert told(cluster(*ONE), jobs) == [
        "0 submit x 4",
        "0 submit y 4",
        "0 bind x 4 allocate",
        "0 run x",
        "0 finish x 4",
        "1 bind y 4 allocate",
        "1 run y",
        "6 finish y 4",
    ]


def test_cycles_start_at_multiples_of_the_period_only() -> None:
    scheduler = KaiScheduler(DEFAULTS, period=60)
    jobs = [job("x", "a", 61, 30, 4), job("y", "a", 62, 1, 4)]
    assert told(cluster(*ONE), jobs, scheduler)[2:] == [
        "120 bind x 4 allocate",
        "120 run x",
        "150 finish x 4",
        "180 bind y 4 allocate",
        "180 run y",
        "181 finish y 4",
    ]


def test_parts_of_gpus_share_one() -> None:
    setup = cluster([node("n1", 1, gpu_memory=16_000)], [queue("a", 1)])
    jobs = [job("x", "a", 0, 9, 0.5), job("y", "a", 1, 9, 0.5), job("z", "a", 2, 9, 0.5)]
    assert [line for line in told(setup, jobs) if "bind" in line] == [
        "0 bind x 0.5 allocate",
        "1 bind y 0.5 allocate",
        "9 bind z 0.5 allocate",
    ]


def test_an_end_that_is_asked_for_stops_the_clock_whatever_runs() -> None:
    jobs = [job("x", "a", 0, 100), job("y", "a", 50, 100), job("z", "a", 51, 100)]
    _, log = played(cluster(*ONE, until=50), jobs)
    assert (log.end, [row.happening.name for row in log]) == (50, ["SUBMIT", "BIND", "RUN", "SUBMIT", "BIND", "RUN"])


def test_an_empty_trace_ends_at_once() -> None:
    _, log = played(cluster(*ONE), [])
    assert (len(log), log.end, log.cycles) == (0, 0, 0)


def test_a_job_too_large_for_the_cluster_waits_for_ever_and_does_not_hang() -> None:
    assert told(cluster(*ONE), [job("x", "a", 3, 100, 8)]) == ["3 submit x 8"]


# --- evictions --------------------------------------------------------------------------------------------------------

LOW_THEN_HIGH = [job("low", "a", 0, 1000, 4), job("high", "a", 100, 50, 4, priority=60)]


def test_an_evicted_job_holds_its_gpus_while_it_leaves_and_resumes_from_its_checkpoint() -> None:
    """Of 100 seconds 60 are saved, so 940 are left when the winner has ended: 180 + 940 = 1120."""
    assert told(cluster(*ONE, leaving=30, checkpoint=60), LOW_THEN_HIGH) == [
        "0 submit low 4",
        "0 bind low 4 allocate",
        "0 run low",
        "100 submit high 4",
        "100 evict low 4 preempt for high",
        "100 lose low 40s for high",
        "130 release low 4",
        "130 bind high 4 allocate",
        "130 run high",
        "180 finish high 4",
        "180 bind low 4 allocate",
        "180 run low",
        "1120 finish low 4",
    ]


@pytest.mark.parametrize(
    ("checkpoint", "startup", "lost", "end"),
    [
        # No work is ever lost: 900 are left.
        pytest.param(0, 0, None, 180 + 900, id="always saved"),
        # Nothing is ever saved.
        pytest.param(None, 0, "100s", 180 + 1000, id="never saved"),
        pytest.param(3600, 0, "100s", 180 + 1000, id="not yet saved"),
        pytest.param(50, 0, None, 180 + 900, id="saved this very second"),
        # Of the 100 seconds it worked 80; the winner ends at 130 + 20 + 50 = 200, and starting again takes 20.
        pytest.param(50, 20, "30s", 200 + 20 + 950, id="after starting up"),
        # Never began to work.
        pytest.param(None, 500, None, 130 + 500 + 50 + 500 + 1000, id="while starting up"),
    ],
)
def test_what_is_lost_depends_on_the_last_checkpoint(
    checkpoint: int | None, startup: int, lost: str | None, end: int
) -> None:
    rows = told(cluster(*ONE, checkpoint=checkpoint, startup=startup), LOW_THEN_HIGH)
    assert [row for row in rows if " lose " in row] == ([f"100 lose low {lost} for high"] if lost else [])
    assert rows[-1] == f"{end} finish low 4"


def test_checkpoints_count_work_from_the_beginning_not_from_the_last_start() -> None:
    """It works 0-100 (60 saved) and 180-230, 110 in all: the last checkpoint lies at 60 still, and 50 are lost."""
    rows = told(cluster(*ONE, checkpoint=60), [*LOW_THEN_HIGH, job("second", "a", 230, 10, 4, priority=60)])
    assert "180 run low" in rows
    assert "230 lose low 50s for second" in rows
    assert rows[-1] == "1210 finish low 4"  # 940 from 230 + 30 + 10 on


def test_who_leaves_at_once_leaves_room_in_the_next_cycle() -> None:
    rows = told(cluster(*ONE, leaving=0), LOW_THEN_HIGH)
    assert "100 evict low 4 preempt for high" in rows
    assert "100 release low 4" in rows
    assert "101 bind high 4 allocate" in rows


def test_an_end_planned_before_an_eviction_is_void() -> None:
    rows = told(cluster(*ONE, leaving=2000, checkpoint=0), LOW_THEN_HIGH)
    assert [row for row in rows if "finish low" in row] == ["3050 finish low 4"]  # 2100 + 50, then 900


def test_what_is_taken_back_for_another_queue_says_for_whom() -> None:
    setup = cluster([node("n1")], [queue("a", 2), queue("b", 2)])
    jobs = [*(job(f"a{number}", "a", number, 500) for number in range(4)), job("b", "b", 50, 10, 2)]
    rows = told(setup, jobs)
    assert [row for row in rows if "evict" in row] == [
        "50 evict a2 1 reclaim for b",
        "50 evict a3 1 reclaim for b",
    ]
    assert "80 bind b 2 allocate" in rows


def test_a_protection_that_ends_is_looked_at_in_that_second() -> None:
    setup = cluster([node("n1")], [queue("a", 4, preempt_min_runtime=300)])
    rows = told(setup, LOW_THEN_HIGH)
    assert "300 evict low 4 preempt for high" in rows


# --- what is left out -------------------------------------------------------------------------------------------------


def test_jobs_that_cannot_be_replayed_are_counted_with_the_first_of_each_kind() -> None:
    jobs = [
        job("fine", "a", 0, 10),
        job("none", "a", 1, 10, 0),
        job("odd", "a", 2, 10, 1.5),
        job("who", "z", 3, 10),
        job("who2", "y", 4, 10),
    ]
    made, log = played(cluster(*ONE), jobs)
    found = {item.reason: (item.count, item.first) for item in made.workload.left_out.values()}
    assert found == {
        "asks for no GPU": (1, 1),
        "asks for a part of several GPUs in one pod": (1, 2),
        "is of a tenant without a queue": (2, 3),
    }
    assert {row.job for row in log} == {0}


def test_pods_ask_for_cpu_only_where_nodes_count_it() -> None:
    heavy = [job("x", "a", 0, 10, cpus=9)]
    assert len(told(cluster(*ONE), heavy)) == 4
    assert told(cluster([node("n1", cpu=8.0)], [queue("a", 4)]), heavy) == ["0 submit x 1"]
    assert len(told(cluster([node("n1", cpu=9.0)], [queue("a", 4)]), heavy)) == 4


def test_models_a_job_names_choose_its_nodes() -> None:
    product = "nvidia.com/gpu.product"
    nodes = [node("n1", 1, labels={product: "A"}), node("n2", 1, labels={product: "B"}), node("n3", 1)]
    where: dict[str, str] = {}

    def watch(moment: Moment, cycle: Cycle) -> None:
        where.update({item.job: item.node for item in cycle.decisions})

    jobs = [job("x", "a", 0, 10, gpu="B"), job("y", "a", 1, 10, gpu="C|A"), job("z", "a", 2, 10)]
    replay(cluster(nodes, [queue("a", 4)]), JobTable.build(jobs), KAI, watch=watch)
    assert where == {"x": "n2", "y": "n1", "z": "n3"}


# --- a scheduler that never makes up its mind -------------------------------------------------------------------------


class Restless:
    """Places whoever waits and has everybody leave again a second later, for ever."""

    name, period = "restless", 1

    def cycle(self, moment: Moment) -> Cycle:
        made = []
        for item in moment.jobs:
            act = Act.EVICT if item.pods[0].status is PodStatus.RUNNING else Act.BIND
            if not item.pods[0].status & PodStatus.RELEASING and item.name != "z":
                made.append(Decision(act, "allocate", item.name, item.pods[0].name, "n1", (), "nobody"))
        return Cycle(tuple(made), {}, ())

    def wakes(self, moment: Moment) -> int | None:
        return moment.now + 1

    def shuffled(self, seed: int) -> Restless:
        return self


def test_a_replay_in_which_jobs_only_evict_each_other_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.fair.replay.driver.STUCK_AFTER", 20)
    jobs = [job("x", "a", 0, 1000), job("y", "a", 0, 1000), job("z", "a", 0, 1, 9)]
    log = replay(cluster(*ONE, leaving=1), JobTable.build(jobs), Restless())
    assert log.stuck
    assert sum(row.happening is Happening.EVICT for row in log) == 21 + 1  # both go in the cycle that is one too many


# --- laws -------------------------------------------------------------------------------------------------------------

TREE = [queue("d", 4), queue("e", 4), queue("a", 2, parent="d"), queue("b", 2, parent="d"), queue("c", 4, parent="e")]
BEHAVIOURS: list[dict[str, Any]] = [
    {},
    {"leaving": 0, "checkpoint": None, "startup": 3},
    {"leaving": 90, "checkpoint": 0},
    {"checkpoint": 60, "usage_window": 600, "half_life": 300},
]


def random_setup(seed: int) -> Setup:
    nodes = [node("n1", 4, gpu_memory=16_000), node("n2", 4, gpu_memory=16_000)]
    return cluster(nodes, TREE, **BEHAVIOURS[seed % len(BEHAVIOURS)])


def columns(log: Log) -> tuple[Any, ...]:
    """A log as bytes, and what it counts."""
    parts = (log.time, log.happening, log.job, log.gpus, log.cause, log.detail)
    return (*(part.tobytes() for part in parts), log.end, log.cycles, log.stuck)


def schedulers(seed: int) -> tuple[Scheduler, ...]:
    return (KAI, KAI.shuffled(seed + 1), FifoScheduler(DEFAULTS))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_rows_nodes_and_queues_does_not_matter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.fair.replay.driver.STUCK_AFTER", 100)
    setup, jobs, chance = random_setup(seed), random_jobs(seed, "abc", 24), random.Random(seed)
    mixed = cluster(setup.nodes[::-1], chance.sample(TREE, len(TREE)), **BEHAVIOURS[seed % len(BEHAVIOURS)])
    for scheduler in schedulers(seed):
        expected = columns(played(setup, jobs, scheduler)[1])
        assert columns(played(mixed, chance.sample(jobs, len(jobs)), scheduler)[1]) == expected


def test_the_same_replay_gives_the_same_bytes() -> None:
    first, again = (columns(played(random_setup(3), random_jobs(3, "abc", 24))[1]) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("seed", [0, 1, 6])
def test_every_replay_keeps_its_books(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheduler in schedulers(seed)[::2]:
        setup, jobs = random_setup(seed), random_jobs(seed, "abc")
        made, log = played(setup, jobs, scheduler)
        keeps_its_books(made, log, jobs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 120))
def test_many_replays_keep_their_books(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    test_every_replay_keeps_its_books(seed, monkeypatch)
    test_the_order_of_rows_nodes_and_queues_does_not_matter(seed, monkeypatch)


def keeps_its_books(made: Replay, log: Log, jobs: Sequence[TraceJob]) -> None:
    """Nothing runs before it is submitted or twice; no more is held than there is; all work is done, and once."""
    behaviour = made.setup.behaviour
    held, total, running = defaultdict[int, int](int), 0, dict[int, int]()
    done, lost, leaving = defaultdict[int, int](int), defaultdict[int, int](int), defaultdict[int, list[int]](list)
    ended = set()
    assert list(log.time) == sorted(log.time)
    for row in log:
        one = made.workload.table[row.job]
        assert row.time >= one.submit
        assert row.job not in ended
        if row.happening is Happening.BIND:
            held[row.job] += row.gpus
            total += row.gpus
            assert held[row.job] <= one.demand
        elif row.happening is Happening.RUN:
            assert held[row.job] == one.demand
            running[row.job] = row.time + behaviour.startup
        elif row.happening is Happening.EVICT:
            leaving[row.job].append(row.time)
            if row.job in running:
                done[row.job] += max(0, row.time - running.pop(row.job))
        elif row.happening is Happening.LOSE:
            lost[row.job] += row.detail
            assert row.detail > 0
            assert behaviour.checkpoint is None or row.detail < (behaviour.checkpoint or 1)
        elif row.happening is Happening.RELEASE:
            assert row.time == leaving[row.job].pop(0) + behaviour.leaving
            held[row.job] -= row.gpus
            total -= row.gpus
        elif row.happening is Happening.FINISH:
            done[row.job] += row.time - running.pop(row.job)
            assert done[row.job] - lost[row.job] == one.duration
            total -= held.pop(row.job)
            ended.add(row.job)
        assert total <= made.setup.capacity
    if log.stuck:
        return
    assert not running
    waiting = {index for index in range(len(jobs)) if jobs[index].gpus} - ended
    assert all(blocked(made, index) for index in waiting)


def blocked(made: Replay, index: int) -> bool:
    """Whether a job that never ran asks for more than it may ever get: more than two nodes, or a lasting quota."""
    one = made.workload.table[index]
    lasting = one.preemptible is False or (one.preemptible is None and (one.priority or 50) >= 100)
    quota = {"a": 2, "b": 2, "c": 4}[one.tenant] * MILLI
    per_node = 4 * MILLI // one.gpus
    behind = isinstance(made.scheduler, FifoScheduler) or lasting
    return one.pods > 2 * per_node or (lasting and one.demand > quota) or (behind and one.demand > 4 * MILLI)


def test_progress_counts_ends() -> None:
    told_to: list[int] = []
    jobs = random_jobs(1, "abc")
    made = Replay(random_setup(1), JobTable.build(jobs), KAI, progress=told_to.append)
    log = made.run()
    assert told_to == list(range(1, sum(row.happening is Happening.FINISH for row in log) + 1))
    assert lines(made.workload.table, log)
