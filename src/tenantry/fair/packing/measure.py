"""How much of a cluster is given out, and how much is stranded, while pods arrive.

Source: kubernetes-scheduler-simulator of HKUST, ``experiments/analysis/merge_*_discrete.py``: a figure at 90 % is the
mean over the arrivals after which the load rounds to 90 %.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.packing.kernel import WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

ARRIVED = (50, 70, 80, 90, 95, 100, 110, 120, 130)
"""Percent of all GPUs asked for, at which figures are published."""


class Level(NamedTuple):
    """The state of a cluster, or of its GPUs of one model, at a load.

    Attributes:
        arrived: the load: GPUs asked for by all pods so far, in percent of all GPUs of the cluster.
        allocated: GPUs given out, percent.
        unallocated: GPUs not given out.
        fragment: unallocated GPUs that a typical pod cannot use, on average over typical pods.
        fragment_percent: ``fragment`` in percent of ``unallocated``.
    """

    arrived: int
    allocated: float
    unallocated: float
    fragment: float
    fragment_percent: float


def columns(load: int) -> tuple[int, ...]:
    """Return the loads to report on the way to ``load`` percent: the published ones below it, then tens, and itself."""
    tens = range(ARRIVED[-1] + 10, load, 10)
    return (*(arrived for arrived in (*ARRIVED, *tens) if arrived < load), load)


def windows(demands: Sequence[int], capacity: int, loads: Sequence[int]) -> list[tuple[int, int]]:
    """Return which arrivals belong to each load.

    Args:
        demands: milli-GPUs each pod asks for, in order of arrival.
        capacity: milli-GPUs of the cluster.
        loads: loads in percent.

    Returns:
        For each load the first arrival and the one after the last: those after which the load rounds to it, halves to
        the even number. Where there is none, as pods are large, the last arrival before; ``(-1, 0)`` when nothing had
        arrived by then.
    """
    arrived = list(accumulate(demands))
    rounded = [_rounded(100 * amount, capacity) for amount in arrived]
    found = []
    for load in loads:
        first, end = bisect_left(rounded, load), bisect_right(rounded, load)
        found.append((first, end) if first < end else (first - 1, first))
    return found


def _rounded(amount: int, unit: int) -> int:
    whole, rest = divmod(amount, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2))


class Track:
    """What is given out and what is fragmented after each arrival, of a cluster or of its GPUs of one model.

    Args:
        gpus: how many GPUs there are.
        fragment: milli-GPUs that are fragments at the start.
    """

    def __init__(self, gpus: int, fragment: float) -> None:
        self.gpus = gpus
        self._used, self._fragment = 0, fragment
        self._start = (0, fragment)
        self._after: list[tuple[int, float]] = []

    def add(self, used: int, fragment: float) -> None:
        """Note what a placement added, in milli-GPUs."""
        self._used += used
        self._fragment += fragment

    def arrived(self) -> None:
        """Note that a pod arrived, placed or not."""
        self._after.append((self._used, self._fragment))

    def level(self, load: int, first: int, end: int) -> Level:
        """Return the state at a load: the mean over a window of arrivals."""
        states = self._after[first:end] if first >= 0 else [self._start]
        capacity = self.gpus * WHOLE
        count = len(states)
        used = sum(state[0] for state in states) / count
        fragment = fsum(state[1] for state in states) / count
        shares = (100.0 * lost / (capacity - held) if capacity > held else 0.0 for held, lost in states)
        return Level(
            load,
            allocated=100.0 * used / capacity if capacity else 0.0,
            unallocated=(capacity - used) / WHOLE,
            fragment=fragment / WHOLE,
            fragment_percent=fsum(shares) / count,
        )
