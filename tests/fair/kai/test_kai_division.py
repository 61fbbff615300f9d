"""What queues are due: tables worked out by hand, and laws that hold for any division."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kai_division import Sibling, claim, divisions, due, k_values, naive_due, siblings, totals

from tenantry.fair.kai.division import divide
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDING = 1e-9
UNIT = 1 + ROUNDING
"""Shares are dealt in whole units, so neighbours may differ by one."""


# --- tables -----------------------------------------------------------------------------------------------------------

TABLE: dict[str, tuple[float, dict[str, tuple[Sibling, float]]]] = {
    "quotas come first, up to what is asked": (
        10,
        {
            "a": (Sibling(3, quota=4, weight=0), 3),
            "b": (Sibling(9, quota=4, weight=0), 4),
            "c": (Sibling(0, quota=2), 0),
        },
    ),
    "quotas are not scaled when they exceed the total": (
        5,
        {"a": (Sibling(4, quota=4), 4), "b": (Sibling(9, quota=3), 3), "c": (Sibling(9, weight=5), 0)},
    ),
    "an unlimited quota is the whole total, for each who has one": (
        6,
        {"a": (Sibling(9, quota=UNLIMITED), 6), "b": (Sibling(2, quota=UNLIMITED), 2), "c": (Sibling(1), 0)},
    ),
    "equal weights": (9, {"a": (Sibling(9), 3), "b": (Sibling(9), 3), "c": (Sibling(9), 3)}),
    # 12 left of 16 after quotas of 4: 12 * 1/6, 12 * 2/6, 12 * 3/6 on top.
    "weights 1, 2, 3 divide what quotas leave": (
        16,
        {
            "a": (Sibling(20, quota=1), 3),
            "b": (Sibling(20, quota=1, weight=2), 5),
            "c": (Sibling(20, quota=2, weight=3), 8),
        },
    ),
    # 10 by 3: 3 1/3 each, so 3 and a remainder of 1/3 each; the one unit left goes to the oldest.
    "an equal remainder goes to the oldest": (
        10,
        {"a": (Sibling(9, created=2), 3), "b": (Sibling(9, created=1), 4), "c": (Sibling(9, created=2), 3)},
    ),
    "an equal remainder of equal age goes by name": (
        11,
        {"a": (Sibling(9), 4), "b": (Sibling(9), 4), "c": (Sibling(9), 3)},
    ),
    # 7 * 1/4 = 1.75 and 7 * 3/4 = 5.25: the larger remainder wins though the other is older.
    "a larger remainder goes first": (
        7,
        {"a": (Sibling(9, created=5), 2), "b": (Sibling(9, weight=3), 5)},
    ),
    # Round one: 4 each of 12, a wants 1 only. Round two: 3 left, 1.5 each: 1 and 1; the last unit goes by name.
    "what one does not want is dealt again": (
        12,
        {"a": (Sibling(1), 1), "b": (Sibling(20), 6), "c": (Sibling(20), 5)},
    ),
    "a limit caps what is asked, and the rest is dealt again": (
        12,
        {"a": (Sibling(20, limit=2), 2), "b": (Sibling(20), 5), "c": (Sibling(20), 5)},
    ),
    "a limit below the quota wins": (8, {"a": (Sibling(9, quota=5, limit=2), 2), "b": (Sibling(9), 6)}),
    "a limit of nothing gives nothing": (8, {"a": (Sibling(9, quota=5, limit=0), 0), "b": (Sibling(9), 8)}),
    "without weight there is nothing beyond the quota": (
        9,
        {"a": (Sibling(9, quota=2, weight=0), 2), "b": (Sibling(3), 3)},
    ),
    "nobody wants what is left": (9, {"a": (Sibling(2), 2), "b": (Sibling(3, quota=1), 3)}),
    "priority is served first": (
        10,
        {
            "a": (Sibling(7, priority=90, weight=9), 2),
            "b": (Sibling(8, priority=110), 8),
            "c": (Sibling(4, priority=80), 0),
        },
    ),
    "quotas come before priority": (
        10,
        {"a": (Sibling(9, quota=4, priority=90), 4), "b": (Sibling(9, priority=110), 6)},
    ),
    # 7 by 2: 3 each with 1/2 each undealt. That whole unit is then offered to the lower priority, which takes it.
    "what rounding leaves of one priority goes to the next": (
        7,
        {
            "a": (Sibling(9, priority=110), 3),
            "b": (Sibling(9, priority=110), 3),
            "c": (Sibling(5, priority=90), 1),
        },
    ),
    # Likewise, but nobody below wants it, so it returns to the first by name.
    "what rounding leaves returns when nobody below wants it": (
        7,
        {"a": (Sibling(9, priority=110), 4), "b": (Sibling(9, priority=110), 3), "c": (Sibling(0, priority=90), 0)},
    ),
    # Half a GPU asked is given as it is; b is offered 1.75 of 3.5 and c likewise: 1 and 1, then what 0.5 leaves.
    # Round two: 3.5 - 0.5 - 1 - 1 = 1 left, 0.5 each: nothing in whole units; the unit goes by name.
    "parts of a unit are given when they are all that is asked": (
        3.5,
        {"a": (Sibling(0.5), 0.5), "b": (Sibling(5), 2), "c": (Sibling(5), 1)},
    ),
    # Offers are 0.2 each of 1; a asks for 0.3, more than that, and gets the whole unit (the original's remainder).
    "a unit may exceed what was asked": (
        1,
        {name: (Sibling(0.3, created=created), float(not created)) for created, name in enumerate("abcde")},
    ),
    "the last unit may be a part": (0.5, {"a": (Sibling(2, created=1), 0), "b": (Sibling(2), 0.5)}),
    "nothing to divide": (0, {"a": (Sibling(2, quota=1), 1), "b": (Sibling(2), 0)}),
    # Round one: 8 * 5/10 = 4, 8 * 3/10 = 2.4, 8 * 2/10 = 1.6: a takes 1, b 2 (0.4 noted), c 1 (0.6 noted).
    # Round two: 4 left, 4 * 3/5 = 2.4, 4 * 2/5 = 1.6: b 2, c 1. The unit left goes to the remainder of 0.6.
    "remainders of the last round count": (
        8,
        {"a": (Sibling(1, weight=5), 1), "b": (Sibling(20, weight=3), 4), "c": (Sibling(20, weight=2), 3)},
    ),
    # Round one: 9 * 2/3 = 6 to a, who wants 1; 9 * 1/3 = 3 to b. Round two: 5 to b, exactly.
    "a single claimant left takes it all": (9, {"a": (Sibling(1, weight=2), 1), "b": (Sibling(20), 8)}),
}

USAGE: dict[str, tuple[float, float, dict[str, tuple[Sibling, float]]]] = {
    "without k usage means nothing": (
        0,
        8,
        {"a": (Sibling(9, usage=0.9), 4), "b": (Sibling(9), 4)},
    ),
    # 1/2 + 1/2 for both who used nothing: the same split as by weight.
    "without usage k means nothing": (1, 8, {"a": (Sibling(9), 4), "b": (Sibling(9), 4)}),
    # a: 1/2 + (1/2 - 1/2) = 1/2; b: 1/2 + (1/2 - 0) = 1: one to two.
    "who used more gets less": (1, 9, {"a": (Sibling(9, usage=0.5), 3), "b": (Sibling(9), 6)}),
    # a: 1/2 + 2 (1/2 - 1/2) = 1/2; b: 1/2 + 2 (1/2 - 1/4) = 1: one to two.
    "k weighs usage": (2, 9, {"a": (Sibling(9, usage=0.5), 3), "b": (Sibling(9, usage=0.25), 6)}),
    # a pulls with 1/2 + (1/2 - 1), which is 0.
    "who used twice its part gets nothing while others want": (
        1,
        6,
        {"a": (Sibling(9, usage=1), 0), "b": (Sibling(9), 6)},
    ),
    # Round two is among a alone: 1 + (1 - 1) > 0.
    "who used all gets what others leave": (1, 6, {"a": (Sibling(9, usage=1), 4), "b": (Sibling(2), 2)}),
    # Both at 0: nothing is dealt at all, though both want it and it is there.
    "where everyone used twice its part nobody gets anything": (
        1,
        6,
        {"a": (Sibling(9, usage=1), 0), "b": (Sibling(9, usage=1), 0)},
    ),
    "usage does not touch quotas": (
        1,
        6,
        {"a": (Sibling(9, quota=4, usage=1), 4), "b": (Sibling(9), 2)},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_queues_are_due(name: str) -> None:
    total, rows = TABLE[name]
    assert due(total, {who: row[0] for who, row in rows.items()}) == {who: row[1] for who, row in rows.items()}


@pytest.mark.parametrize("name", USAGE)
def test_queues_are_due_by_past_usage(name: str) -> None:
    k, total, rows = USAGE[name]
    assert due(total, {who: row[0] for who, row in rows.items()}, k) == {who: row[1] for who, row in rows.items()}


def test_tables_are_large_enough() -> None:
    assert sum(len(rows) for _, rows in TABLE.values()) + sum(len(rows) for *_, rows in USAGE.values()) >= 72


def test_division_says_what_nobody_is_due() -> None:
    assert divide(9, claim({"a": Sibling(2), "b": Sibling(3)})) == 4
    assert divide(9, claim({"a": Sibling(12), "b": Sibling(3)})) == 0
    assert divide(3, claim({"a": Sibling(5, quota=4), "b": Sibling(9, quota=1)})) == 0
    assert divide(6, claim({"a": Sibling(9, usage=1), "b": Sibling(9, usage=1)}), k=1) == 6


def test_a_remainder_stays_where_a_later_offer_is_whole() -> None:
    """The original overwrites a remainder only with another one.

    Round one of 7: offers of 1.4, 2.8, 1.4 and 1.4; a takes the 1 it wants, b 2, c 1 and d 1, with 0.8 noted for b.
    Round two of 2: offers of 1, 0.5 and 0.5; b takes 1, and its old note of 0.8 wins the last unit over 0.5.
    """
    four = {"a": Sibling(1), "b": Sibling(9, weight=2), "c": Sibling(9), "d": Sibling(9)}
    assert due(7, four) == {"a": 1, "b": 4, "c": 1, "d": 1}


# --- laws -------------------------------------------------------------------------------------------------------------


@given(totals, divisions(), k_values)
def test_division_agrees_with_a_second_implementation(total: float, among: dict[str, Sibling], k: float) -> None:
    assert due(total, among, k) == naive_due(total, among, k)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@given(totals, divisions(), k_values)
def test_many_divisions_agree_with_a_second_implementation(total: float, among: dict[str, Sibling], k: float) -> None:
    assert due(total, among, k) == naive_due(total, among, k)


def assured(total: float, among: Mapping[str, Sibling]) -> float:
    return sum(item.assured(total) for item in among.values())


@given(totals, divisions())
def test_shares_sum_to_all_there_is_or_all_that_is_wanted(total: float, among: dict[str, Sibling]) -> None:
    """Quotas that exceed the total are given all the same; queues without weight want no more than their quota."""
    wanted = sum(item.requestable if item.weight else item.assured(total) for item in among.values())
    quotas = assured(total, among)
    expected = quotas if quotas >= total else min(total, wanted)
    assert sum(due(total, among).values()) == pytest.approx(expected, abs=ROUNDING)


@given(totals, divisions(), k_values)
def test_shares_never_sum_to_more_than_there_is_where_quotas_fit(
    total: float, among: dict[str, Sibling], k: float
) -> None:
    """Past usage may leave something to nobody, but never gives away what is not there."""
    assert sum(due(total, among, k).values()) <= max(total, assured(total, among)) + ROUNDING


@given(totals, divisions(), k_values)
def test_nobody_is_due_less_than_its_quota_or_a_unit_more_than_it_asks(
    total: float, among: dict[str, Sibling], k: float
) -> None:
    for name, fair in due(total, among, k).items():
        assert fair >= among[name].assured(total)
        assert fair < among[name].requestable + 1
        if among[name].weight == 0:
            assert fair == among[name].assured(total)


@given(totals, divisions(whole=True), k_values)
def test_whole_requests_are_never_exceeded(total: float, among: dict[str, Sibling], k: float) -> None:
    """The unit that may exceed a request does so only where the request is no whole number."""
    for name, fair in due(total, among, k).items():
        assert fair <= among[name].requestable
        assert float(fair).is_integer()


@given(totals, divisions(), siblings(), st.sampled_from((0, 1, 3)))
def test_a_heavier_queue_is_never_due_less(total: float, among: dict[str, Sibling], one: Sibling, more: float) -> None:
    found = due(total, {**among, "light": one, "heavy": replace(one, weight=one.weight + more)})
    assert found["heavy"] >= found["light"] - UNIT


@given(totals, divisions(), siblings(), st.sampled_from((1, 2, 5)))
def test_raising_its_own_weight_never_costs_a_queue(
    total: float, among: dict[str, Sibling], one: Sibling, more: float
) -> None:
    before = due(total, {**among, "mine": one})["mine"]
    after = due(total, {**among, "mine": replace(one, weight=one.weight + more)})["mine"]
    assert after >= before - UNIT


@given(totals, divisions(), siblings(), st.sampled_from((0.1, 0.4)), st.sampled_from((0.5, 1, 2)))
def test_a_queue_that_used_more_is_never_due_more(
    total: float, among: dict[str, Sibling], one: Sibling, more: float, k: float
) -> None:
    found = due(total, {**among, "idle": one, "busy": replace(one, usage=one.usage + more)}, k)
    assert found["idle"] >= found["busy"] - UNIT


@given(totals, divisions(), k_values)
def test_without_usage_the_split_is_by_weight(total: float, among: dict[str, Sibling], k: float) -> None:
    unused = {name: replace(item, usage=0) for name, item in among.items()}
    split = due(total, unused)
    for name, fair in due(total, unused, k).items():
        assert fair == pytest.approx(split[name], abs=UNIT)
    assert due(total, among, 0) == split


@given(totals, divisions())
def test_a_lower_priority_gets_only_what_rounding_leaves_while_a_higher_one_wants_more(
    total: float, among: dict[str, Sibling]
) -> None:
    """Each queue above leaves less than one unit to those below."""
    found = due(total, among)
    for priority in {item.priority for item in among.values()}:
        above = {name: item for name, item in among.items() if item.priority > priority and item.weight}
        if any(found[name] <= item.requestable - 1 for name, item in above.items()):
            below = [name for name, item in among.items() if item.priority <= priority]
            beyond = sum(found[name] - among[name].assured(total) for name in below)
            assert beyond < len(above) + ROUNDING


@given(totals, divisions(whole=True, weights=(2,)), st.randoms(use_true_random=False), k_values)
def test_the_order_of_siblings_does_not_matter(
    total: float, among: dict[str, Sibling], random: object, k: float
) -> None:
    """Sums of equal weights round alike in any order; others may round apart, so the engine takes queues by name."""
    names = list(among)
    random.shuffle(names)  # type: ignore[attr-defined]
    unused = {name: replace(among[name], usage=0.25) for name in among}
    assert due(total, {name: unused[name] for name in names}, k) == due(total, unused, k)
