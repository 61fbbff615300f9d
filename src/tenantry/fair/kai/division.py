"""Fair share: how much of each resource every queue is due, given what it asks for.

Source: pkg/scheduler/plugins/proportion/resource_division/resource_division.go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(slots=True)
class Share:
    """One resource of one queue.

    Attributes:
        quota: amount it always gets back; :data:`~tenantry.model.queue.UNLIMITED` for everything.
        limit: most it may use at one time; likewise.
        weight: share of what is left over, relative to its siblings.
        usage: share of the cluster it used lately, 0 to 1.
        requested: what its jobs hold and wait for.
        allocated: what its jobs hold or are promised.
        lasting: part of ``allocated`` held by jobs that may not be evicted.
        fair: what it is due.
    """

    quota: float
    limit: float
    weight: float
    usage: float = 0.0
    requested: float = 0.0
    allocated: float = 0.0
    lasting: float = 0.0
    fair: float = 0.0

    @property
    def requestable(self) -> float:
        """What it asks for, within its limit."""
        return self.requested if self.limit == UNLIMITED else min(self.limit, self.requested)

    @property
    def missing(self) -> float:
        """What it asks for beyond what it is due."""
        return max(0.0, self.requestable - self.fair)

    @property
    def satisfied(self) -> bool:
        """Whether it is due all it asks for, or all its limit allows."""
        return self.requested <= self.fair or (self.limit != UNLIMITED and self.limit <= self.fair)

    @property
    def allocatable(self) -> float:
        """The larger of quota and fair share, within its limit; its limit when its quota has no bound."""
        if self.quota == UNLIMITED:
            return self.limit
        amount = max(self.quota, self.fair)
        return amount if self.limit == UNLIMITED else min(self.limit, amount)


@dataclass(frozen=True, slots=True)
class Claimant:
    """A queue that takes part in a division: its share of the resource and what ties are broken by."""

    name: str
    priority: int
    created: int
    share: Share


def added(amounts: Iterable[float]) -> float:
    """Add amounts one after the other, as the original does; ``sum`` rounds otherwise from Python 3.12 on."""
    total = 0.0
    for amount in amounts:
        total += amount
    return total


def divide(total: float, claimants: Sequence[Claimant], *, k: float = 0.0) -> float:
    """Split one resource among sibling queues, adding what each is due to ``share.fair``.

    Quota first, whatever the total. What is left goes by priority, highest first, and by weight within one priority, in
    whole units. Last, single units go to the largest remainders; they may exceed what a queue asked for by less than
    one unit, as in the original.

    Args:
        total: capacity to split, in devices (GPUs), millicores (CPU) or bytes (memory).
        claimants: siblings, in the order in which one round serves them; only float sums depend on it.
        k: weight of past usage in time-based fair share, dimensionless; 0 turns it off.

    Returns:
        What nobody is due; 0 when quotas exceed the total.
    """
    left = total
    for item in claimants:
        share = item.share
        amount = min(total if share.quota == UNLIMITED else share.quota, share.requestable)
        share.fair += amount
        left -= amount
    if left <= 0:
        return 0.0
    remainders: dict[int, dict[str, tuple[Claimant, float]]] = {}
    for priority in sorted({item.priority for item in claimants}, reverse=True):
        band = [item for item in claimants if item.priority == priority]
        left, remainders[priority] = _by_weight(left, band, k)
    for pairs in remainders.values():
        order = sorted(pairs.values(), key=lambda pair: (-pair[1], pair[0].created, pair[0].name))
        for item, _ in order:
            if left <= 0:
                return left
            unit = min(1.0, left)
            item.share.fair += unit
            left -= unit
    return left


def _by_weight(left: float, band: Sequence[Claimant], k: float) -> tuple[float, dict[str, tuple[Claimant, float]]]:
    """Serve one priority in rounds, until a round satisfies nobody; return what is left and the remainders."""
    remainders: dict[str, tuple[Claimant, float]] = {}
    while True:
        weights = _weights(band, k)
        total = added(weights.values())
        if total == 0:
            return left, remainders
        start, again = left, False
        for item in band:
            if left == 0:
                break
            share = item.share
            if share.satisfied or share.weight == 0:
                continue
            missing = share.missing
            offer = start * (weights[item.name] / total)
            given = missing if missing <= offer else max(0.0, float(math.floor(offer)))
            if missing <= offer:
                remainders.pop(item.name, None)
            elif offer - given > 0:
                # One of an earlier round stays where a later offer is a whole number, as in the original.
                remainders[item.name] = (item, offer - given)
            if given == 0:
                continue
            share.fair += given
            left -= given
            again = again or missing < offer
        if not again or left == 0:
            return left, remainders


def _weights(band: Iterable[Claimant], k: float) -> dict[str, float]:
    """Weight of every unsatisfied queue, lowered by what it used lately beyond its part."""
    unmet = added(item.share.weight for item in band if item.share.missing > 0)
    if unmet == 0:
        return {}
    weights = {}
    for item in band:
        if not item.share.satisfied:
            part = item.share.weight / unmet
            weights[item.name] = max(0.0, part + k * (part - item.share.usage))
    return weights
