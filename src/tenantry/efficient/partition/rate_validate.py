"""Whether a plan by rate keeps what it promises, recomputed from the profile table and the GPU alone.

Shares no code with the planner: throughput, latency and geometry are looked up and added again. Every answer is a list
of sentences, empty when nothing is wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import astuple
from typing import TYPE_CHECKING

from tenantry.efficient.partition.validate import layout_faults
from tenantry.model.partition import WHOLE
from tenantry.model.rate_plan import TOLERANCE
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.model.gpu import Gpu
    from tenantry.model.profile_table import Measurement, ProfileTable
    from tenantry.model.rate_plan import RatePlan, RateRules, Service, Serving


def rate_faults(
    gpu: Gpu, services: Sequence[Service], table: ProfileTable, rules: RateRules, plan: RatePlan
) -> tuple[str, ...]:
    """Say what is wrong with the slices of a plan, whatever part of the rates it carries.

    Args:
        gpu: GPU model of the pool.
        services: what has to be served.
        table: measurements.
        rules: which settings may be used.
        plan: the plan.
    """
    faults = [
        f"GPU {number}: {fault}" for number, layout in enumerate(plan.layouts) for fault in layout_faults(gpu, layout)
    ]
    taken = Counter((serving.gpu, serving.placement) for serving in plan.servings)
    for serving in plan.servings:
        where = f"GPU {serving.gpu}, {serving.placement.profile} at {serving.placement.start}"
        if not 0 <= serving.gpu < len(plan.layouts) or serving.placement not in plan.layouts[serving.gpu]:
            faults.append(f"{where}: there is no such slice")
        elif not 0 <= serving.service < len(services):
            faults.append(f"{where}: there is no such service")
        else:
            faults += [f"{where}: {fault}" for fault in _serving_faults(gpu, services, table, rules, serving)]
    for (number, item), count in sorted(taken.items()):
        if count > 1:
            faults.append(f"GPU {number}, {item.profile} at {item.start}: given away {count} times")
    return tuple(faults)


def _serving_faults(
    gpu: Gpu, services: Sequence[Service], table: ProfileTable, rules: RateRules, serving: Serving
) -> Iterator[str]:
    service, point = services[serving.service], serving.point
    if point.profile != serving.placement.profile:
        yield f"{service.name} is to run on {point.profile}"
        return
    row = _row(table, gpu, service.workload, serving)
    if row is None:
        yield f"{service.workload} was not measured there with batch {point.batch} and {point.processes} processes"
        return
    if abs(row.throughput - point.throughput) > TOLERANCE * row.throughput:
        yield f"{service.workload} carries {row.throughput:g}/s there, not {point.throughput:g}"
    if point.processes > rules.processes:
        yield f"{point.processes} processes are more than {rules.processes}"
    room = _room(gpu, point.profile)
    if max(service.memory_mib * point.processes, row.memory_mib or 0) > room:
        yield f"{point.processes} processes of {service.workload} need more than the {room:,.0f} MiB there are"
    if service.goal_ms is not None:
        latencies = [seconds for statistic, seconds in row.latencies if statistic == point.statistic]
        if not latencies:
            yield f"no latency of {service.workload} was measured there"
        elif latencies[0] >= rules.latency_part * service.goal_ms / 1000:
            yield f"a batch takes {1000 * latencies[0]:g} ms, too long for a goal of {service.goal_ms:g} ms"


def _room(gpu: Gpu, name: str) -> float:
    """MiB of a slice: as measured, else its part of the GPU."""
    for profile in gpu.profiles:
        if profile.name == name:
            return profile.memory_gib * 1024 or gpu.memory_mib / gpu.memory_slices * profile.memory
    return float(gpu.memory_mib)


def _row(table: ProfileTable, gpu: Gpu, workload: str, serving: Serving) -> Measurement | None:
    profile = "" if serving.point.profile == WHOLE else serving.point.profile
    mode = SharingMode.MIG if profile else SharingMode.WHOLE
    wanted = (gpu.id, mode, profile, 0, workload, serving.point.batch, serving.point.processes)
    return next((row for row in table if astuple(row.setting) == wanted), None)


def rates_missed(services: Sequence[Service], plan: RatePlan) -> tuple[str, ...]:
    """Name the services whose slices carry less than their rate."""
    carried: dict[int, float] = defaultdict(float)
    for serving in plan.servings:
        carried[serving.service] += serving.point.throughput
    return tuple(
        f"{service.name} needs {service.rate:g}/s and is given {carried[number]:g}"
        for number, service in enumerate(services)
        if carried[number] < service.rate * (1 - TOLERANCE)
    )
