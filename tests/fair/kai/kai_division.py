"""Divisions of one resource for tests: sibling queues in few words, and a second implementation of the rules.

The second one keeps a list of grants and works everything out from it anew at every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import add
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tenantry.fair.kai.division import Claimant, Share, divide
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Sibling:
    """What a queue brings to a division.

    Attributes:
        asks: what its jobs hold and wait for.
        quota: what it always gets back.
        weight: share of what is left over.
        limit: most it may use.
        priority: larger is served first.
        usage: part of the cluster it used lately.
        created: earlier ones get what is left.
    """

    asks: float
    quota: float = 0
    weight: float = 1
    limit: float = UNLIMITED
    priority: int = 100
    usage: float = 0
    created: int = 0

    @property
    def requestable(self) -> float:
        return self.asks if self.limit == UNLIMITED else min(self.limit, self.asks)

    def assured(self, total: float) -> float:
        """What it gets before anything is shared out."""
        return min(total if self.quota == UNLIMITED else self.quota, self.requestable)


def due(total: float, siblings: Mapping[str, Sibling], k: float = 0) -> dict[str, float]:
    """What everyone is due, as the engine says."""
    claimants = claim(siblings)
    divide(total, claimants, k=k)
    return {item.name: item.share.fair for item in claimants}


def claim(siblings: Mapping[str, Sibling]) -> list[Claimant]:
    return [
        Claimant(
            name,
            item.priority,
            item.created,
            Share(item.quota, item.limit, item.weight, item.usage, requested=item.asks),
        )
        for name, item in siblings.items()
    ]


class Grants:
    """Amounts given so far, in order."""

    def __init__(self, total: float, siblings: Mapping[str, Sibling]) -> None:
        self.total, self.siblings = total, siblings
        self.given: list[tuple[str, float]] = []

    def give(self, name: str, amount: float) -> None:
        self.given.append((name, amount))

    def of(self, name: str) -> float:
        fair = 0.0
        for who, amount in self.given:
            fair += amount if who == name else 0.0
        return fair

    @property
    def left(self) -> float:
        left = self.total
        for _, amount in self.given:
            left -= amount
        return left

    def unmet(self, name: str) -> float:
        return max(0.0, self.siblings[name].requestable - self.of(name))

    def hungry(self, names: Iterable[str]) -> list[str]:
        return [
            name
            for name in names
            if self.of(name) < self.siblings[name].asks
            and (self.siblings[name].limit == UNLIMITED or self.of(name) < self.siblings[name].limit)
        ]


def naive_due(total: float, siblings: Mapping[str, Sibling], k: float = 0) -> dict[str, float]:
    """What everyone is due, worked out the slow way."""
    grants = Grants(total, siblings)
    for name, item in siblings.items():
        grants.give(name, item.assured(total))
    if grants.left > 0:
        remainders: list[tuple[int, float, int, str]] = []
        by_priority = sorted(siblings, key=lambda name: -siblings[name].priority)
        for priority, band in groupby(by_priority, key=lambda name: siblings[name].priority):
            found = _serve(grants, list(band), k)
            remainders += [(-priority, -part, siblings[name].created, name) for name, part in found.items()]
        for *_, name in sorted(remainders):
            if grants.left > 0:
                grants.give(name, min(1.0, grants.left))
    return {name: grants.of(name) for name in siblings}


def _serve(grants: Grants, band: Sequence[str], k: float) -> dict[str, float]:
    """Serve one priority, round by round; return the parts of units nobody could be given."""
    remainders: dict[str, float] = {}
    going_on = True
    while going_on and grants.left != 0:
        start, going_on = grants.left, False
        pull = _pull(grants, band, k)
        for name in [name for name in pull if grants.siblings[name].weight]:
            if grants.left == 0:
                break
            wanted, offer = grants.unmet(name), start * (pull[name] / one_by_one(pull.values()))
            amount = wanted if wanted <= offer else math.floor(offer)
            if wanted <= offer:
                remainders.pop(name, None)
            elif offer > amount:
                remainders[name] = offer - amount
            if amount:
                grants.give(name, amount)
                going_on = going_on or wanted < offer
    return remainders


def _pull(grants: Grants, band: Sequence[str], k: float) -> dict[str, float]:
    """How strongly each hungry queue pulls; empty when none does."""
    weights = one_by_one(grants.siblings[name].weight for name in band if grants.unmet(name) > 0)
    pull = {}
    for name in grants.hungry(band) if weights else ():
        part = grants.siblings[name].weight / weights
        pull[name] = max(0.0, part + k * (part - grants.siblings[name].usage))
    return pull if any(pull.values()) else {}


def one_by_one(amounts: Iterable[float]) -> float:
    """Add as the scheduler does; from Python 3.12 on ``sum`` is more exact than that."""
    return reduce(add, amounts, 0.0)


# --- random divisions -------------------------------------------------------------------------------------------------

WHOLE = (0, 1, 2, 3, 5, 8, 13, 40)
PARTS = (0, 0, 0, 0.1, 0.25, 0.3, 0.5, 0.7)
TOTALS = (0, 1, 4, 7, 8, 16, 29, 64, 1000)


@st.composite
def siblings(draw: st.DrawFn, *, whole: bool = False, weights: Sequence[float] = (0, 1, 1, 2, 3, 5, 10)) -> Sibling:
    part = 0 if whole else draw(st.sampled_from(PARTS))
    return Sibling(
        asks=draw(st.sampled_from(WHOLE)) + part,
        quota=draw(st.sampled_from((0, 0, 1, 2, 3, 5, UNLIMITED))),
        weight=draw(st.sampled_from(weights)),
        limit=draw(st.sampled_from((UNLIMITED, UNLIMITED, UNLIMITED, 0, 1, 4, 10))),
        priority=draw(st.sampled_from((100, 100, 90, 110))),
        usage=draw(st.sampled_from((0, 0.1, 0.3, 0.5, 0.9))),
        created=draw(st.integers(0, 3)),
    )


def divisions(
    *, whole: bool = False, weights: Sequence[float] = (0, 1, 1, 2, 3, 5, 10)
) -> st.SearchStrategy[dict[str, Sibling]]:
    """Up to six siblings by name."""
    return st.lists(siblings(whole=whole, weights=weights), min_size=1, max_size=6).map(
        lambda items: {f"q{number}": item for number, item in enumerate(items)}
    )


totals = st.sampled_from(TOTALS)
k_values = st.sampled_from((0, 0.5, 1, 2))
