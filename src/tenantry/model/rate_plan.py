"""Services with a rate and a latency goal, where they can run, and a plan of slices that carries them.

Rates and throughputs are work per second, in the unit of the service's workload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tenantry.model.gpu import Gpu, Placement
    from tenantry.model.partition import Layout

LATENCY_PART: Final = 0.45
"""Part of the latency goal that a batch may take. A request that just missed a batch waits for it to end and then runs
in the next one, so it takes up to two batches; what is left of the goal is for everything else.

Source: ParvaGPU (SC '24), which takes settings whose latency is below 0.45 of the service level."""

MOST_PROCESSES: Final = 5
"""Processes side by side on one slice that are considered, as in ParvaGPU (SC '24)."""

TOLERANCE: Final = 1e-6
"""Part of a rate that may be missing: what a solver takes for equal."""


@dataclass(frozen=True, slots=True)
class Service:
    """What has to be served.

    Attributes:
        name: name, unique in a demand.
        workload: its workload, as profile tables name it.
        rate: work per second that arrives.
        goal_ms: latency goal in milliseconds, None without one.
        percentile: percent of requests the goal is for.
        weight: worth of serving it whole, relative to others, where GPUs are too few.
        memory_mib: GPU memory that each of its processes needs at least, 0 when only the profile table says.
    """

    name: str
    workload: str
    rate: float
    goal_ms: float | None = None
    percentile: float = 99.0
    weight: float = 1.0
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class RateRules:
    """Which settings of a profile table may be used.

    Attributes:
        latency_part: a batch must take less than this part of the goal.
        processes: most processes on one slice.
    """

    latency_part: float = LATENCY_PART
    processes: int = MOST_PROCESSES


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How a service would run on one slice.

    Attributes:
        profile: MIG profile, or ``partition.WHOLE`` for a GPU that is not partitioned.
        batch: items per batch.
        processes: processes side by side.
        throughput: work per second.
        latency_s: seconds per batch, None when not measured.
        statistic: which latency that is; empty when none.
    """

    profile: str
    batch: int
    processes: int
    throughput: float
    latency_s: float | None = None
    statistic: str = ""


@dataclass(frozen=True, slots=True)
class RateDemand:
    """Services and where each can run.

    Attributes:
        gpu: GPU model of the pool.
        services: what has to be served.
        points: operating points of each service, one per profile at most, in the order of ``services``; none is empty.
    """

    gpu: Gpu
    services: tuple[Service, ...]
    points: tuple[tuple[OperatingPoint, ...], ...]

    @property
    def profiles(self) -> tuple[str, ...]:
        """Profiles any service can run on, sorted."""
        return tuple(sorted({point.profile for points in self.points for point in points}))


@dataclass(frozen=True, slots=True)
class Serving:
    """One slice that serves.

    Attributes:
        gpu: number of the GPU, from 0.
        placement: where on it.
        service: number of the service in the demand.
        point: how it runs there.
    """

    gpu: int
    placement: Placement
    service: int
    point: OperatingPoint


@dataclass(frozen=True, slots=True)
class RatePlan:
    """GPUs with their layouts, and what runs on which slice.

    Attributes:
        layouts: layout of each GPU; slices that serve nothing are free.
        servings: slices that serve, by GPU and start.
    """

    layouts: tuple[Layout, ...]
    servings: tuple[Serving, ...]

    def throughput(self, service: int) -> float:
        """Work per second that a service's slices carry."""
        return sum(serving.point.throughput for serving in self.servings if serving.service == service)


@dataclass(frozen=True, slots=True)
class RateOutcome:
    """A plan and how good it is.

    Attributes:
        plan: the plan; None when none was found in time.
        objective: GPUs needed, or the weighted sum of served parts, of the plan.
        bound: no plan needs fewer GPUs, or serves more.
        proved: whether the plan is the best there is.
    """

    plan: RatePlan | None
    objective: float
    bound: float
    proved: bool

    @property
    def gap(self) -> float:
        """Distance of objective and bound, as a part of the objective (of 1 where that is less)."""
        return abs(self.objective - self.bound) / max(1.0, abs(self.objective))
