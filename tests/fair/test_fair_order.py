"""Two replays compared: what hangs on choices the scheduler leaves open."""

from __future__ import annotations

from tenantry.fair.order import OrderDifference, compare
from tenantry.fair.replay.log import Happening, Log


def log(*rows: tuple[int, Happening, int], end: int = 100) -> Log:
    found = Log(end=end)
    for time, happening, job in rows:
        found.add(time, happening, job)
    return found


RUNS = ((0, Happening.RUN, 0), (10, Happening.RUN, 1))


def test_a_replay_does_not_differ_from_itself() -> None:
    assert compare(log(*RUNS), log(*RUNS), 2).same


def test_first_starts_evictions_and_the_end_are_compared() -> None:
    other = log((0, Happening.RUN, 0), (5, Happening.EVICT, 0), (10, Happening.RUN, 0), (17, Happening.RUN, 1), end=120)
    # job 0 starts as before and is evicted once more; job 1 starts 7 s later; the end is 20 s later
    assert compare(log(*RUNS), other, 2) == OrderDifference(1, 7, 1, 1, 20)


def test_a_job_that_starts_in_one_of_the_two_only_differs_without_a_shift() -> None:
    assert compare(log(*RUNS), log(RUNS[0]), 2) == OrderDifference(1, 0, 0, 0, 0)
