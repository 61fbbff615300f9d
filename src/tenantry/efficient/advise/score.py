"""The score: how much one GPU does when it is shared so, as a number where it is known and as bounds where it is not.

Work that waits for a person is counted in sessions that one GPU holds at the same time. All other work is counted in
speed: copies on one GPU times the speed of one copy. A speed that nobody measured is bounded by those that somebody
did, because a larger slice is never slower; without any measurement the whole GPU is the unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import WHOLE
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option
    from tenantry.model.gpu import MigProfile

BY_TURNS = frozenset({"training", "batch"})
"""Patterns of work that keeps a GPU busy: taking turns adds nothing to it, unless a measurement says otherwise."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number between two; ``high`` is infinite where nothing bounds it."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether it is one number."""
        return self.low == self.high

    def times(self, factor: float) -> Bounds:
        """Both ends multiplied."""
        return Bounds(self.low * factor, self.high * factor)


NONE = Bounds(0.0, 0.0)


def unit(work: WorkFacts) -> str:
    """What a score counts: ``sessions``, ``work/s``, or ``GPUs`` where the whole GPU is the unit."""
    if work.interactive:
        return "sessions"
    return "work/s" if work.speeds else "GPUs"


def per_copy(work: WorkFacts, pool: PoolFacts, option: Option) -> Bounds:
    """Speed of one copy: as measured, else bounded.

    * The whole GPU is 1 when nothing was measured, else at least as fast as anything measured.
    * A slice lies between the slices within it and those around it.
    * One of several copies by MPS or time-slicing is at most as fast as the whole GPU.
    """
    measured = work.speeds.get(option.key)
    if measured is not None:
        return Bounds(measured.value, measured.value)
    whole = _whole(work)
    if option.mode is SharingMode.WHOLE:
        return whole
    if option.profile is None:
        return Bounds(0.0, whole.high)
    return _within(work, pool, option.profile, whole)


def _whole(work: WorkFacts) -> Bounds:
    if not work.speeds:
        return Bounds(1.0, 1.0)
    measured = work.speeds.get(WHOLE)
    if measured is not None:
        return Bounds(measured.value, measured.value)
    return Bounds(max(speed.value for speed in work.speeds.values()), math.inf)


def _within(work: WorkFacts, pool: PoolFacts, profile: MigProfile, whole: Bounds) -> Bounds:
    low, high = 0.0, whole.high
    for key, speed in work.speeds.items():
        other = pool.gpu.profile(key)
        if other is None:
            continue
        if other.compute >= profile.compute and other.memory >= profile.memory:
            high = min(high, speed.value)
        if other.compute <= profile.compute and other.memory <= profile.memory:
            low = max(low, speed.value)
    return Bounds(min(low, high), high)


def per_gpu(work: WorkFacts, pool: PoolFacts, option: Option) -> Bounds:
    """What one GPU does when it is shared so by this class of work alone, in :func:`unit`.

    Time-slicing: peaks take turns. Of work whose peak is ``b`` times its mean, ``b`` copies keep one GPU as busy as
    one copy at its peak, so that no more than ``b`` of them are served (whole numbers; peaks are taken to fall apart).
    """
    if work.interactive:
        return _sessions(work, option)
    if option.mode is SharingMode.TIME_SLICING and option.key not in work.speeds:
        return _by_turns(work, option)
    return per_copy(work, pool, option).times(option.copies)


def _sessions(work: WorkFacts, option: Option) -> Bounds:
    count = option.copies
    if option.mode is SharingMode.TIME_SLICING and work.burstiness is not None:
        count = max(1, min(count, int(work.burstiness)))
    return Bounds(float(count), float(count))


def _by_turns(work: WorkFacts, option: Option) -> Bounds:
    whole = _whole(work)
    if work.burstiness is not None:
        return whole.times(max(1, min(option.copies, int(work.burstiness))))
    if work.pattern in BY_TURNS:
        return Bounds(0.0, whole.high)
    return Bounds(0.0, whole.high * option.copies)
