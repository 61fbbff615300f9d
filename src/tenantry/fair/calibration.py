"""Finds the load in which tenants have the parts they should have and all jobs together the published durations.

The duration of a job is the published quantile at the rank of a latent number. The rank is taken among all tenants and
sizes, so that whatever their mix is, all jobs together have the published distribution exactly. A tenant's latent
numbers are those of a power of a uniform number: the higher the power, the more of its jobs are long ones. The powers
are solved for, so that each tenant has its part of the GPU-time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.fair.profiles import Profile, SizeClass, TenantMix
    from tenantry.model.trace import Outcome

# Latent numbers are laid out by the logarithm of minus their logarithm, from exp(-exp(4)) to exp(-exp(-14)), which is
# 0.0000008 below one: dense where jobs are long, since few of them have most of the GPU-time.
_FROM: Final = 4.0
_SPAN: Final = 18.0
_STEPS: Final = 480
_MOST_ROUNDS: Final = 80
_CLOSE: Final = 0.001
# A tenant's part is refused when it is missed by more: then no mix of durations gives it.
_MISSED: Final = 0.05
# Jobs above this rank of the duration are the long ones, whose outcomes differ.
LONG: Final = 0.9


@dataclass(frozen=True, slots=True)
class JobClass:
    """Jobs of one tenant and size.

    Attributes:
        tenant: index of the tenant.
        gpus: milli-GPUs of a job.
        share: of all jobs.
        power: natural logarithm of the power of its latent numbers.
    """

    tenant: int
    gpus: int
    share: float
    power: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A load that has been solved for.

    Attributes:
        classes: jobs by tenant and size.
        durations: seconds on the grid of latent numbers, ascending.
        mean_work: milli-GPU-seconds of a job on average.
        long: seconds from which on a job is a long one.
        outcomes: each outcome with its weight among jobs that are not long, and among those that are.
    """

    classes: tuple[JobClass, ...]
    durations: tuple[float, ...]
    mean_work: float
    long: float
    outcomes: tuple[tuple[Outcome, float, float], ...]

    def duration(self, uniform: float, power: float) -> float:
        """Return the duration, in seconds, of a job of a class.

        Args:
            uniform: a number above 0 and below 1.
            power: of the class.
        """
        place = (_FROM - math.log(-math.log(uniform)) + power) * (_STEPS / _SPAN)
        if place <= 0:
            return self.durations[0]
        index = int(place)
        if index >= _STEPS:
            return self.durations[_STEPS]
        low = self.durations[index]
        return low + (place - index) * (self.durations[index + 1] - low)


def calibrate(profile: Profile, tenants: Sequence[TenantMix], capacity: int) -> Calibrated:
    """Solve for the load.

    Args:
        profile: what is published.
        tenants: their parts.
        capacity: GPUs of the cluster; sizes beyond it are left out.

    Raises:
        ValueError: if parts make no sense, or a tenant cannot have its part of the GPU-time with its part of the jobs.
    """
    _check(tenants)
    shares = [tenant.jobs / sum(each.jobs for each in tenants) for tenant in tenants]
    wanted = [tenant.gpu_time / sum(each.gpu_time for each in tenants) for tenant in tenants]
    mixes = [list(_sizes(profile, tenant, capacity)) for tenant in tenants]
    powers = [0.0] * len(tenants)
    solution = _Round(profile, shares, mixes, powers)
    for _ in range(_MOST_ROUNDS):
        solution = _Round(profile, shares, mixes, powers)
        off = [math.log(want / part) if part else math.inf for want, part in zip(wanted, solution.parts, strict=True)]
        if max(map(abs, off)) < _CLOSE:
            break
        # GPU-time grows about in proportion to the power; the common factor of all powers means nothing.
        powers = [power + max(-1.0, min(1.0, step)) for power, step in zip(powers, off, strict=True)]
        mean = sum(share * power for share, power in zip(shares, powers, strict=True))
        powers = [power - mean for power in powers]
    if any(abs(part - want) > _MISSED * want for want, part in zip(wanted, solution.parts, strict=True)):
        lacking = max(range(len(tenants)), key=lambda tenant: wanted[tenant] - solution.parts[tenant])
        raise ValueError(
            f"tenant {tenants[lacking].name} cannot have {wanted[lacking]:.1%} of the GPU-time with its part of the "
            f"jobs; the nearest to it is {solution.parts[lacking]:.1%}"
        )
    return solution.result()


def _check(tenants: Sequence[TenantMix]) -> None:
    if not tenants:
        raise ValueError("there must be a tenant")
    if len({tenant.name for tenant in tenants}) < len(tenants):
        raise ValueError(f"tenants must have different names: {', '.join(tenant.name for tenant in tenants)}")
    for tenant in tenants:
        shares = [share for _, _, share in tenant.priorities]
        if not tenant.name or tenant.jobs <= 0 or tenant.gpu_time <= 0 or tenant.users < 1:
            raise ValueError(f"a tenant needs a name, jobs, GPU-time and users: {tenant}")
        if tenant.several is not None and not 0 <= tenant.several <= 1:
            raise ValueError(f"the share of jobs with several GPUs must be from 0 to 1: {tenant}")
        if not shares or min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(f"a tenant needs priorities with shares: {tenant}")


def _sizes(profile: Profile, tenant: TenantMix, capacity: int) -> Iterator[tuple[SizeClass, float]]:
    """Yield the sizes a tenant has, with their share of its jobs."""
    fitting = [size for size in profile.sizes if size.gpus <= capacity * MILLI]
    small = sum(size.share for size in fitting if size.gpus <= MILLI)
    large = sum(size.share for size in fitting if size.gpus > MILLI)
    several = large / (small + large) if tenant.several is None else tenant.several
    several = several if large else 0.0
    for size in fitting:
        share = several * size.share / large if size.gpus > MILLI else (1 - several) * size.share / small
        if share:
            yield size, share


class _Round:
    """What follows from one choice of powers."""

    def __init__(
        self,
        profile: Profile,
        shares: Sequence[float],
        mixes: Sequence[Sequence[tuple[SizeClass, float]]],
        powers: Sequence[float],
    ) -> None:
        self.profile = profile
        self.classes = tuple(
            JobClass(tenant, size.gpus, shares[tenant] * share, powers[tenant] + math.log(size.stretch))
            for tenant, mix in enumerate(mixes)
            for size, share in mix
        )
        below = _below({job.power for job in self.classes})
        ranks = [0.0] * (_STEPS + 1)
        for job in self.classes:
            column, share = below[job.power], job.share
            for step in range(_STEPS + 1):
                ranks[step] += share * column[step]
        knots = tuple(rank for rank, _ in profile.durations)
        self.durations = tuple(_quantile(profile, knots, rank) for rank in ranks)
        self.long = _quantile(profile, knots, LONG)
        means = {power: _means(column, self.durations, self.long) for power, column in below.items()}
        self.work = [0.0] * len(shares)
        self.long_work = 0.0
        for job in self.classes:
            mean, long_mean = means[job.power]
            self.work[job.tenant] += job.share * job.gpus * mean
            self.long_work += job.share * job.gpus * long_mean

    @property
    def parts(self) -> list[float]:
        """Each tenant's part of the GPU-time."""
        total = sum(self.work)
        return [work / total if total else 0.0 for work in self.work]

    def result(self) -> Calibrated:
        """Return what a generator needs."""
        total = sum(self.work)
        outcomes = _outcomes(self.profile, self.long_work / total)
        return Calibrated(self.classes, self.durations, total, self.long, outcomes)


def _below(powers: set[float]) -> dict[float, list[float]]:
    """For each power, return on the grid how many of its latent numbers are smaller."""
    grid = [math.exp(_FROM - _SPAN * step / _STEPS) for step in range(_STEPS + 1)]
    return {power: [math.exp(-math.exp(power) * place) for place in grid] for power in sorted(powers)}


def _quantile(profile: Profile, knots: tuple[float, ...], rank: float) -> float:
    """Return the published duration at a rank, between quantiles along the logarithm."""
    index = min(max(bisect_right(knots, rank) - 1, 0), len(knots) - 2)
    (low, short), (high, long) = profile.durations[index], profile.durations[index + 1]
    return short * math.pow(long / short, min(1.0, max(0.0, (rank - low) / (high - low))))


def _means(below: Sequence[float], durations: Sequence[float], long: float) -> tuple[float, float]:
    """Return the mean duration of a class, and what long jobs contribute to it."""
    mean = long_mean = 0.0
    for step in range(_STEPS):
        part = (below[step + 1] - below[step]) * (durations[step] + durations[step + 1]) / 2
        mean += part
        if durations[step] >= long:
            long_mean += part
    # The few beyond the grid are as long as the longest on it.
    rest = (1 - below[_STEPS]) * durations[_STEPS]
    return mean + rest, long_mean + rest


def _outcomes(profile: Profile, long_part: float) -> tuple[tuple[Outcome, float, float], ...]:
    """Return outcomes with their weights among short and among long jobs.

    Two equations for two unknowns: the share of all jobs, and the share of the GPU-time, of which long jobs have
    ``long_part``.
    """
    found = []
    for outcome, by_jobs, by_time in profile.outcomes:
        long = (by_time - (1 - long_part) * by_jobs / LONG) / (long_part - (1 - long_part) * (1 - LONG) / LONG)
        long = min(1.0, max(0.0, long))
        short = min(1.0, max(0.0, (by_jobs - (1 - LONG) * long) / LONG))
        found.append((outcome, short, long))
    return tuple(found)
