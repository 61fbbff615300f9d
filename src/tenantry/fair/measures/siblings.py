"""The division of :mod:`tenantry.fair.kai.division`, several times as fast: the same sums on lists, without usage.

A measure of a large replay divides hundreds of thousands of times. That both give the same, to the last bit, is tested.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.queue import Queue


class Siblings:
    """Queues that divide what the queue above them is due."""

    __slots__ = ("_bands", "_quotas", "_ranks", "_weights")

    def __init__(self, queues: Sequence[Queue]) -> None:
        self._quotas = [math.inf if queue.gpu.quota == UNLIMITED else queue.gpu.quota for queue in queues]
        self._weights = [queue.gpu.weight for queue in queues]
        by_age = sorted(range(len(queues)), key=lambda position: (queues[position].created, queues[position].name))
        self._ranks = [0] * len(queues)
        for rank, position in enumerate(by_age):
            self._ranks[position] = rank
        priorities = sorted({queue.priority for queue in queues}, reverse=True)
        self._bands = [
            [position for position, queue in enumerate(queues) if queue.priority == priority] for priority in priorities
        ]

    def divide(self, total: float, asked: Sequence[float]) -> list[float]:
        """Return what each is due.

        Args:
            total: GPUs to divide.
            asked: GPUs each asks for within its limit.
        """
        fair, left = [], total
        for quota, amount in zip(self._quotas, asked, strict=True):
            bound = total if quota == math.inf else quota
            own = amount if amount < bound else bound
            fair.append(own)
            left -= own
        if left <= 0:
            return fair
        remainders = []
        for band in self._bands:
            unmet = [position for position in band if asked[position] > fair[position]]
            left, rest = self._rounds(left, unmet, asked, fair)
            remainders.append(rest)
        for rest in remainders:
            if left <= 0:
                break
            for position in sorted(rest, key=lambda each: (-rest[each], self._ranks[each])):
                if left <= 0:
                    break
                unit = min(1.0, left)
                fair[position] += unit
                left -= unit
        return fair

    def _rounds(
        self, left: float, unmet: list[int], asked: Sequence[float], fair: list[float]
    ) -> tuple[float, dict[int, float]]:
        """Serve queues of one priority in rounds; return what is left and the remainders."""
        weights, remainders = self._weights, dict[int, float]()
        while unmet:
            whole = total = 0.0
            for position in unmet:
                whole += weights[position]
            if whole == 0:
                break
            for position in unmet:
                total += weights[position] / whole
            start, again = left, False
            for position in unmet:
                weight = weights[position]
                if left == 0 or weight == 0:
                    continue
                missing, offer = asked[position] - fair[position], start * (weight / whole / total)
                given = missing
                if missing <= offer:
                    remainders.pop(position, None)
                else:
                    given = float(math.floor(offer))
                    if offer > given:
                        remainders[position] = offer - given
                fair[position] += given
                left -= given
                again = again or (missing < offer and given > 0)
            if not again or left == 0:
                break
            unmet = [position for position in unmet if asked[position] > fair[position]]
        return left, remainders
