"""Figures at a load: which arrivals count, and what is reckoned from them."""

from __future__ import annotations

import pytest

from tenantry.fair.packing.measure import Level, Track, columns, windows


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (130, (50, 70, 80, 90, 95, 100, 110, 120, 130)),
        (100, (50, 70, 80, 90, 95, 100)),
        (40, (40,)),
        (97, (50, 70, 80, 90, 95, 97)),
        (155, (50, 70, 80, 90, 95, 100, 110, 120, 130, 140, 150, 155)),
    ],
)
def test_loads_are_the_published_ones_and_then_tens(load: int, expected: tuple[int, ...]) -> None:
    assert columns(load) == expected


def test_a_load_is_the_arrivals_that_round_to_it() -> None:
    # of 1000: 49.4, 49.6, 50, 50.4, 50.6 %
    assert windows([494, 2, 4, 4, 2], 1000, [49, 50, 51]) == [(0, 1), (1, 4), (4, 5)]


def test_halves_round_to_the_even_percent() -> None:
    # 49.5, 50.5, 51.5 %
    assert windows([495, 10, 10], 1000, [50, 52]) == [(0, 2), (2, 3)]


def test_pods_without_gpus_count_where_they_arrive() -> None:
    assert windows([500, 0, 0, 100], 1000, [50]) == [(0, 3)]


def test_a_load_that_large_pods_jump_over_is_the_state_before() -> None:
    # 40 %, then 120 %
    assert windows([400, 800], 1000, [30, 50, 110, 120]) == [(-1, 0), (0, 1), (0, 1), (1, 2)]


def track() -> Track:
    """Four GPUs, 400 milli-GPUs of fragments at the start; three arrivals, one of which finds no place."""
    result = Track(4, 400.0)
    result.add(1000, 200.0)
    result.arrived()
    result.arrived()
    result.add(3000, -600.0)
    result.arrived()
    return result


@pytest.mark.parametrize(
    ("first", "end", "level"),
    [
        pytest.param(-1, 0, Level(50, 0.0, 4.0, 0.4, 10.0), id="before anything arrived"),
        # 1 of 4 GPUs; 600 of 3000 idle milli-GPUs
        pytest.param(0, 1, Level(50, 25.0, 3.0, 0.6, 20.0), id="after the first"),
        # (1 + 1 + 4) / 3 of 4 GPUs; (600 + 600 + 0) / 3; (20 + 20 + 0) / 3
        pytest.param(0, 3, Level(50, 50.0, 2.0, 0.4, 40 / 3), id="mean over all"),
        pytest.param(2, 3, Level(50, 100.0, 0.0, 0.0, 0.0), id="nothing idle"),
    ],
)
def test_a_level_is_the_mean_over_its_arrivals(first: int, end: int, level: Level) -> None:
    assert track().level(50, first, end) == pytest.approx(level)
