"""The random numbers are those of the published runs, and fair."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.fair.packing.draws import Draws


def test_the_sequence_is_that_of_the_published_generator() -> None:
    # What rand.Intn(100) of Go gives first without a seed, which is seed 1; the tour of Go made these numbers known.
    draws = Draws(1)
    assert [draws.below(100) for _ in range(10)] == [81, 87, 47, 59, 81, 18, 25, 40, 56, 0]


@pytest.mark.parametrize("seed", [0, 1, -5, 42, 2**31 - 2, 2**70])
def test_the_same_seed_gives_the_same_choices(seed: int) -> None:
    first, second = Draws(seed), Draws(seed)
    assert (first.order(20), first.numbers(5)) == (second.order(20), second.numbers(5))
    assert first.numbers(5) != Draws(seed + 1).numbers(5)


def test_skipped_numbers_are_gone() -> None:
    first, second = Draws(7), Draws(7)
    numbers = first.numbers(1000)
    second.skip(990)
    assert second.numbers(10) == numbers[990:]


@given(st.integers(0, 2**40), st.integers(1, 50))
def test_orders_lose_nothing(seed: int, count: int) -> None:
    draws, items = Draws(seed), list(range(count))
    draws.shuffle(items)
    assert sorted(items) == sorted(draws.order(count)) == list(range(count))


@given(st.integers(0, 2**40), st.integers(1, 2**31 - 1))
def test_numbers_stay_below_their_end(seed: int, end: int) -> None:
    draws = Draws(seed)
    assert all(0 <= draws.below(end) < end for _ in range(5))
    assert all(0 <= number < 2**31 for number in draws.numbers(5))


def test_every_order_is_about_as_likely() -> None:
    draws = Draws(1)
    shuffled: Counter[tuple[int, ...]] = Counter()
    ordered: Counter[tuple[int, ...]] = Counter()
    for _ in range(6000):
        items = [0, 1, 2]
        draws.shuffle(items)
        shuffled[tuple(items)] += 1
        ordered[tuple(draws.order(3))] += 1
    # 1000 of each of 6 orders, standard deviation 29
    for counts in (shuffled, ordered):
        assert len(counts) == 6
        assert all(abs(count - 1000) < 120 for count in counts.values())


def test_every_number_is_about_as_likely_even_where_ends_do_not_divide() -> None:
    # 3 * 2**29 takes up three quarters of 2**31: without care numbers below 2**29 would come twice as often
    draws = Draws(3)
    low = sum(draws.below(3 * 2**29) < 2**29 for _ in range(3000))
    assert abs(low - 1000) < 110
