"""Synthetic traces: as many jobs as a load needs, with sizes, durations and tenants as published traces have them."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from tenantry.fair.calibration import Calibrated, JobClass, calibrate
from tenantry.fair.profiles import PROFILES, Profile, TenantMix
from tenantry.model.trace import MILLI, TraceJob, pod_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# No job has more than this part of all the GPU-time, so that no single one decides whether the load is met.
_LARGEST_PART: Final = 0.01
_FEWEST_STRATA, _MOST_STRATA = 16, 4096
_HOUR: Final = 3600
_WEEK: Final = 168


def synthetic(
    seed: int,
    *,
    capacity_gpus: int,
    load: float,
    days: float,
    tenants: Sequence[TenantMix] = (),
    profile: str = "philly",
    gpus_per_node: int = 8,
) -> Iterator[TraceJob]:
    """Yield a trace in order of submission, calibrated to published statistics.

    The trace begins on a Monday at midnight; times count from its first job. Durations and sizes of all jobs together
    are those of the profile, durations beyond a hundredth of all GPU-time cut; each tenant has its parts of jobs and
    GPU-time. Durations are drawn in strata, so that shares hold in short traces too. Jobs come independently of each
    other, by hour and weekday. The same arguments give the same trace.

    Args:
        seed: seed of the only randomness.
        capacity_gpus: GPUs of the cluster; larger jobs are left out.
        load: GPU-time that all jobs ask for, over the capacity of all days. Met within 1 %.
        days: how long jobs are submitted.
        tenants: who submits; those of the profile when omitted.
        profile: one of :data:`~tenantry.fair.profiles.PROFILES` by name: ``philly``, ``helios``, ``seren``, ``openb``.
        gpus_per_node: GPUs of a node; jobs of more are several pods.

    Raises:
        ValueError: if an argument makes no sense, or a tenant cannot have its part of the GPU-time.
    """
    known = {each.name: each for each in PROFILES}
    if profile not in known:
        raise ValueError(f"there is no profile {profile!r}; expected one of {', '.join(known)}")
    if capacity_gpus < 1 or not 0 < load < math.inf or not 0 < days < math.inf or gpus_per_node < 1:
        raise ValueError("capacity_gpus, load, days and gpus_per_node must be positive")
    mixes = tuple(tenants) or known[profile].tenants
    calibrated = calibrate(known[profile], mixes, capacity_gpus)
    offered = load * capacity_gpus * MILLI * days * 24 * _HOUR
    return _generate(_Plan(seed, known[profile], mixes, calibrated, offered, days, gpus_per_node))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is generated: ``offered`` is the GPU-time of all jobs in milli-GPU-seconds."""

    seed: int
    profile: Profile
    tenants: tuple[TenantMix, ...]
    calibrated: Calibrated
    offered: float
    days: float
    gpus_per_node: int


def _generate(plan: _Plan) -> Iterator[TraceJob]:
    count, work = _needed(plan)
    scale = plan.offered / work
    source = random.Random(f"submissions of {plan.seed}")
    rand = source.random
    shapes = [_Shape(plan, job) for job in plan.calibrated.classes]
    long = plan.calibrated.long
    arrivals = _arrivals(source, count, plan.days, plan.profile)
    for number, (submit, (index, duration)) in enumerate(zip(arrivals, _draws(plan), strict=False)):
        shape = shapes[index]
        priority, preemptible = shape.priorities[bisect_right(shape.priority_bounds, rand())]
        yield TraceJob(
            f"job-{number:08d}",
            shape.tenant,
            submit,
            int(duration * scale + 0.5) or 1,
            shape.pods,
            shape.gpus,
            shape.cpus,
            0,
            "",
            priority,
            preemptible,
            shape.outcomes[bisect_right(shape.long_bounds if duration >= long else shape.short_bounds, rand())],
            None,
            shape.users[bisect_right(shape.user_bounds, rand())],
        )


def _needed(plan: _Plan) -> tuple[int, float]:
    """Return how many jobs the load needs, and their GPU-time.

    The same draws are made again when the jobs are, so that none has to be kept.
    """
    work, classes = 0.0, plan.calibrated.classes
    for count, (index, duration) in enumerate(_draws(plan), start=1):
        work += duration * classes[index].gpus
        if work >= plan.offered:
            return count, work
    raise AssertionError("draws do not end")


class _Shape:
    """What all jobs of one class have in common."""

    def __init__(self, plan: _Plan, job: JobClass) -> None:
        tenant, profile = plan.tenants[job.tenant], plan.profile
        self.tenant = tenant.name
        self.gpus = pod_size(job.gpus, plan.gpus_per_node)
        self.pods = job.gpus // self.gpus if job.gpus else 1
        self.cpus = profile.cores_per_gpu * self.gpus // MILLI if job.gpus else profile.cores
        self.priorities = [(value, preemptible) for value, preemptible, _ in tenant.priorities]
        self.priority_bounds = _bounds([share for _, _, share in tenant.priorities])
        self.outcomes = [outcome for outcome, _, _ in plan.calibrated.outcomes]
        self.short_bounds = _bounds([short for _, short, _ in plan.calibrated.outcomes])
        self.long_bounds = _bounds([long for _, _, long in plan.calibrated.outcomes])
        self.users = [f"{tenant.name}-u{number}" for number in range(1, tenant.users + 1)]
        self.user_bounds = _bounds([1 / number for number in range(1, tenant.users + 1)])


def _bounds(shares: Sequence[float]) -> list[float]:
    """Return where in [0, 1) one choice ends and the next begins, for ``bisect_right``."""
    total = sum(shares)
    return [bound / total for bound in accumulate(shares)][:-1]


def _draws(plan: _Plan) -> Iterator[tuple[int, float]]:
    """Yield class and duration of one job after another, without end."""
    source, calibrated, offered = random.Random(plan.seed), plan.calibrated, plan.offered
    rand, shuffle, duration = source.random, source.shuffle, calibrated.duration
    bounds = _bounds([job.share for job in calibrated.classes])
    powers = [job.power for job in calibrated.classes]
    caps = [_LARGEST_PART * offered / job.gpus if job.gpus else math.inf for job in calibrated.classes]
    # A class has a stratum for each of its jobs: then each stratum has one, and few jobs are as mixed as many.
    expected = offered / calibrated.mean_work
    sizes = [min(_MOST_STRATA, max(_FEWEST_STRATA, round(expected * job.share))) for job in calibrated.classes]
    pools: list[list[int]] = [[] for _ in calibrated.classes]
    choices: list[int] = []
    while True:
        if not choices:
            choices.extend(range(_MOST_STRATA))
            shuffle(choices)
        index = bisect_right(bounds, (choices.pop() + rand()) / _MOST_STRATA)
        pool, size = pools[index], sizes[index]
        if not pool:
            pool.extend(range(size))
            shuffle(pool)
        uniform = (pool.pop() + rand()) / size
        lasted = duration(uniform, powers[index]) if 0.0 < uniform < 1.0 else calibrated.durations[0]
        cap = caps[index]
        yield index, lasted if lasted < cap else cap


def _arrivals(source: random.Random, count: int, days: float, profile: Profile) -> Iterator[int]:
    """Yield ``count`` times of submission in seconds from the first, ascending."""
    rand = source.random
    hours = math.ceil(days * 24)
    weights = [_weight(profile, hour) for hour in range(hours)]
    weights[-1] *= days * 24 - (hours - 1)  # the last hour may be a part of one
    bounds = [0.0, *accumulate(weights)]
    total, hour, first, left = bounds[-1], 0, -1, 1.0
    for remaining in range(count, 0, -1):
        # The smallest of the remaining uniform numbers between the last one and 1, one after another.
        left *= rand() ** (1 / remaining)
        place = total * (1 - left)
        while hour < hours - 1 and bounds[hour + 1] <= place:
            hour += 1
        part = (place - bounds[hour]) / (bounds[hour + 1] - bounds[hour])
        width = _HOUR if hour < hours - 1 else _HOUR * (days * 24 - (hours - 1))
        time = int(hour * _HOUR + part * width)
        first = time if first < 0 else first
        yield time - first


def _weight(profile: Profile, hour: int) -> float:
    """Return how many jobs are submitted in an hour of the week, in comparison."""
    swing = 1 + profile.amplitude * math.cos(2 * math.pi * (hour % 24 + 0.5 - profile.peak) / 24)
    return swing * (profile.weekend if hour % _WEEK >= 120 else 1.0)
