"""Every cycle keeps the laws, in random clusters and whatever the order they are told in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from kai_build import play
from kai_laws import LAWS
from kai_moments import Made, Seeded, make, moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.moment import Moment

T = TypeVar("T")

BLOCK = 50
"""Clusters that one test looks at."""


def check(made: Made) -> None:
    played = play(made.moment, made.settings)
    for law in LAWS:
        law(made, played)


@pytest.mark.parametrize("block", range(4))
def test_laws_hold_in_clusters_by_seed(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        check(make(Seeded(seed)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(moments())
def test_laws_hold_in_clusters_that_are_searched_for(made: Made) -> None:
    check(made)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4, 400))
def test_laws_hold_in_many_clusters(block: int) -> None:
    test_laws_hold_in_clusters_by_seed(block)


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 20))])
def test_the_order_of_what_is_told_does_not_matter(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        made = make(Seeded(seed))
        expected = msgspec.json.encode(play(made.moment, made.settings).cycle)
        mixed = shuffled(made.moment, random.Random(seed))
        assert msgspec.json.encode(play(mixed, made.settings).cycle) == expected, seed


def shuffled(moment: Moment, chance: random.Random) -> Moment:
    def mix(items: Sequence[T]) -> tuple[T, ...]:
        return tuple(chance.sample(items, len(items)))

    jobs = mix([replace(job, pods=mix(job.pods)) for job in moment.jobs])
    return replace(moment, jobs=jobs, nodes=mix(moment.nodes), queues=mix(moment.queues))


def test_a_seed_shuffles_only_what_is_left_open() -> None:
    """Whatever the real scheduler's hash maps may do, the laws hold; and some of it decides."""
    differ = 0
    for seed in range(BLOCK // 2):
        made = make(Seeded(seed))
        mixed = replace(made, settings=replace(made.settings, order_seed=1 + seed))
        check(mixed)
        plain = play(made.moment, made.settings)
        differ += play(mixed.moment, mixed.settings).cycle.decisions != plain.cycle.decisions
    assert 0 < differ < BLOCK // 2


def test_clusters_by_seed_have_every_action_decide() -> None:
    """Laws that look at nothing prove nothing."""
    seen = set()
    for seed in range(4 * BLOCK):
        made = make(Seeded(seed))
        seen |= {(item.action, item.act.name) for item in play(made.moment, made.settings).cycle.decisions}
    assert seen == {
        ("allocate", "BIND"), ("allocate", "PROMISE"),
        ("consolidation", "EVICT"), ("consolidation", "PROMISE"),
        ("reclaim", "EVICT"), ("reclaim", "PROMISE"),
        ("preempt", "EVICT"), ("preempt", "PROMISE"),
        ("stalegangeviction", "EVICT"),
    }  # fmt: skip
