"""Past usage in a replay: sampled every minute, weighed by age, over a sliding window, as a share of the cluster."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_build import KAI, cluster, job, node, played, queue, told

from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.usage import Usage
from tenantry.model.job_table import JobTable

if TYPE_CHECKING:
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle

QUEUES = (queue("d"), queue("a", parent="d"), queue("b", parent="d"), queue("c"))


def usage(window: int = 600, half_life: int = 0) -> Usage:
    """Usage of a cluster of eight GPUs."""
    return Usage(cluster([node("n1", 8)], QUEUES, usage_window=window, half_life=half_life))


def shares(made: Usage) -> dict[str, float]:
    return {item.name: item.usage[0] for item in made.applied(QUEUES)}


def test_nothing_was_used_at_first() -> None:
    assert set(shares(usage()).values()) == {0.0}


def test_what_is_held_counts_for_the_queue_and_all_above() -> None:
    made = usage()
    made.hold("a", 2)
    made.hold("c", 4)
    made.advance(0)
    assert shares(made) == {"a": 0.25, "b": 0.0, "c": 0.5, "d": 0.25}


def test_a_sample_is_taken_every_minute_and_says_what_is_held_then() -> None:
    made = usage()
    made.advance(0)
    made.hold("a", 8)
    made.advance(59)
    assert shares(made)["a"] == 0.0
    made.advance(60)
    assert shares(made)["a"] == 0.5  # one sample of two
    made.hold("a", -8)
    made.advance(240)
    assert shares(made)["a"] == 0.2  # one of five


def test_samples_leave_the_window() -> None:
    made = usage(window=180)
    made.hold("a", 8)
    made.advance(60)
    made.hold("a", -8)
    for second, expected in ((120, 2 / 3), (180, 1 / 3), (240, 0.0)):
        made.advance(second)
        assert shares(made)["a"] == pytest.approx(expected)


def test_a_sample_counts_half_after_the_half_life() -> None:
    """Held in the first of three minutes: 1/4 of 1/4 + 1/2 + 1, the share of what the cluster could have given."""
    made = usage(half_life=60)
    made.hold("a", 8)
    made.advance(0)
    made.hold("a", -8)
    made.advance(120)
    assert shares(made)["a"] == pytest.approx(0.25 / 1.75)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8)), min_size=1, max_size=40),
    st.sampled_from((60, 240, 600)),
    st.sampled_from((0, 60, 90, 6000)),
)
def test_usage_is_the_weighed_mean_over_the_window(held: list[tuple[str, int]], window: int, half_life: int) -> None:
    """Against the plain definition: every sample in the window by its own weight."""
    made, samples = usage(window, half_life), list[dict[str, int]]()
    now = dict.fromkeys("abc", 0)
    for minute, (name, gpus) in enumerate(held):
        made.hold(name, gpus - now[name])
        now[name] = gpus
        made.advance(minute * 60)
        samples.append(dict(now))
    recent = samples[-(window // 60) :][::-1]
    weights = [0.5 ** (age * 60 / half_life) if half_life else 1.0 for age in range(len(recent))]
    for name in "abc":
        expected = sum(weight * sample[name] for weight, sample in zip(weights, recent, strict=True)) / sum(weights) / 8
        assert math.isclose(shares(made)[name], expected, abs_tol=1e-9)


# --- in a replay ------------------------------------------------------------------------------------------------------


def test_the_scheduler_looks_again_every_minute_while_somebody_waits_and_usage_may_change() -> None:
    """The last that was held is in the sample of second 60; after the window of three samples all are alike."""
    looks: list[int] = []

    def watch(moment: Moment, cycle: Cycle) -> None:
        looks.append(moment.now)

    setup = cluster([node("n1", 1)], [queue("a", 1)], usage_window=180)
    jobs = [job("x", "a", 0, 70), job("never", "a", 0, 10, 2)]
    log = replay(setup, JobTable.build(jobs), KAI, watch=watch)
    assert looks == [0, 1, 60, 70, 120, 180, 240, 300]
    assert log.end == 300


def test_who_used_much_lately_waits_for_who_did_not() -> None:
    """Both queues are alike but for the past hour, in which one held everything."""
    queues = [queue("a", 0), queue("b", 0)]
    jobs = [job("past", "a", 0, 3600, 2), job("a", "a", 3599, 100, 2), job("b", "b", 3599, 100, 2)]

    def order(window: int) -> list[str]:
        setup = cluster([node("n1", 2)], queues, usage_window=window)
        return [row.split()[2] for row in told(setup, jobs) if "bind" in row]

    assert order(0) == ["past", "a", "b"]
    assert order(7200)[1] == "b"


def test_usage_never_keeps_a_replay_going_for_ever() -> None:
    setup = cluster([node("n1", 1)], [queue("a", 1)], usage_window=600, half_life=60)
    made, log = played(setup, [job("never", "a", 5, 10, 2), job("x", "a", 7, 10)])
    assert log.end < 2000
    assert made.now == log.end
