"""Which measured settings a service may run in, and the best of them on each slice.

On one slice only the fastest setting that keeps the latency goal matters: whatever another one can do, it does too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.partition import WHOLE
from tenantry.model.problem import nearest_name
from tenantry.model.profile_table import CPU
from tenantry.model.rate_plan import OperatingPoint
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from tenantry.model.gpu import Gpu
    from tenantry.model.profile_table import Measurement, ProfileTable
    from tenantry.model.rate_plan import RateRules, Service


@dataclass(frozen=True, slots=True)
class NoPoint:
    """Why a service can run nowhere.

    Attributes:
        message: one sentence.
        expected: what would have been accepted.
        found: what there is instead.
        nearest: the closest name of a workload, or None.
        about: the field of the service concerned: ``workload``, ``latency`` or ``memory``.
    """

    message: str
    expected: str
    found: str
    nearest: str | None = None
    about: str = "workload"


def operating_points(
    table: ProfileTable, gpu: Gpu, service: Service, rules: RateRules
) -> tuple[OperatingPoint, ...] | NoPoint:
    """Return the best setting on each slice where the service keeps its goal, by profile; or why there is none.

    Only rows of the same GPU model count: speeds on another one, even of one generation, say nothing about this one.

    Args:
        table: measurements.
        gpu: GPU model of the pool.
        service: what has to be served.
        rules: which settings may be used.
    """
    rows = list(table.select(gpu=gpu.id, workload=service.workload, alone=True))
    if not rows:
        return _unknown(table, gpu, service)
    usable = [row for row in rows if _on_one_slice(row) and row.setting.processes <= rules.processes]
    roomy = [row for row in usable if _fits(row, gpu, service)]
    if not roomy:
        return _too_large(gpu, service, rules, usable)
    quick = [row for row in roomy if _keeps(row, service, rules)]
    if not quick:
        return _too_slow(gpu, service, rules, roomy)
    best: dict[str, Measurement] = {}
    for row in sorted(quick, key=lambda row: (-row.throughput, row.setting.processes, row.setting.batch)):
        best.setdefault(row.setting.profile or WHOLE, row)
    return tuple(_point(name, best[name], service) for name in sorted(best))


def latency_budget(service: Service, rules: RateRules) -> float | None:
    """Seconds a batch must take less than; None without a goal."""
    return None if service.goal_ms is None else rules.latency_part * service.goal_ms / 1000


def _point(profile: str, row: Measurement, service: Service) -> OperatingPoint:
    measured = row.latency_for(service.percentile)
    statistic, latency = measured or ("", None)
    return OperatingPoint(profile, row.setting.batch, row.setting.processes, row.throughput, latency, str(statistic))


def _on_one_slice(row: Measurement) -> bool:
    return row.setting.mode in {SharingMode.MIG, SharingMode.WHOLE}


def _fits(row: Measurement, gpu: Gpu, service: Service) -> bool:
    needed = max(service.memory_mib * row.setting.processes, row.memory_mib or 0)
    profile = gpu.profile(row.setting.profile) if row.setting.profile else None
    if profile is None:
        return needed <= gpu.memory_mib
    # Where the usable memory was not measured, the part of the whole is the most it can be.
    room = profile.memory_gib * 1024 if profile.memory_gib else gpu.memory_mib * profile.memory / gpu.memory_slices
    return needed <= room


def _keeps(row: Measurement, service: Service, rules: RateRules) -> bool:
    budget = latency_budget(service, rules)
    if budget is None:
        return True
    measured = row.latency_for(service.percentile)
    return measured is not None and measured[1] < budget


def _unknown(table: ProfileTable, gpu: Gpu, service: Service) -> NoPoint:
    elsewhere = [name for name in table.select(workload=service.workload).gpus if name not in {gpu.id, CPU}]
    if elsewhere:
        return NoPoint(
            f"{service.workload!r} was measured on another GPU model than the pool's; speeds do not carry over",
            f"measurements on {gpu.id}",
            ", ".join(elsewhere),
        )
    if table.select(workload=service.workload).gpus == (CPU,):
        message = f"{service.workload!r} was measured without a GPU, which says nothing about one"
        return NoPoint(message, f"measurements on {gpu.id}", CPU)
    names = table.select(gpu=gpu.id).workloads
    expected = f"one of {', '.join(names)}" if names else f"a table with measurements on {gpu.id}"
    found = service.workload if names else ", ".join(table.gpus) or "an empty table"
    message = f"the profile table has no measurement of {service.workload!r} on {gpu.id}"
    return NoPoint(message, expected, found, nearest_name(service.workload, names))


def _too_large(gpu: Gpu, service: Service, rules: RateRules, usable: list[Measurement]) -> NoPoint:
    if not usable:
        message = f"{service.workload!r} was measured on {gpu.id} in no setting that a plan can use"
        expected = f"a row with sharing mig or whole, without neighbours, with at most {rules.processes} processes"
        return NoPoint(message, expected, "none")
    message = f"{service.workload!r} fits no slice of {gpu.id} on which it was measured"
    largest = max(usable, key=lambda row: _size(gpu, row))
    return NoPoint(message, f"room for {service.memory_mib:,} MiB", largest.setting.slice, about="memory")


def _too_slow(gpu: Gpu, service: Service, rules: RateRules, roomy: list[Measurement]) -> NoPoint:
    budget = latency_budget(service, rules)
    goal = f"a batch below {1000 * (budget or 0):g} ms, {rules.latency_part:g} of the goal of {service.goal_ms:g} ms"
    known = [(measured, row) for row in roomy if (measured := row.latency_for(service.percentile))]
    if not known:
        message = (
            f"no latency of {service.workload!r} was measured on {gpu.id}, so no setting is known to keep the goal"
        )
        return NoPoint(message, goal, "no latency", about="latency")
    (statistic, seconds), row = min(known, key=lambda each: (each[0][1], each[1].setting))
    processes = f", {row.setting.processes} processes" if row.setting.processes > 1 else ""
    where = f"{row.setting.slice} with batch {row.setting.batch}{processes}"
    message = f"{service.workload!r} keeps the latency goal in no setting that was measured on {gpu.id}"
    return NoPoint(message, goal, f"{1000 * seconds:g} ms ({statistic}) at best, on {where}", about="latency")


def _size(gpu: Gpu, row: Measurement) -> tuple[int, int]:
    profile = gpu.profile(row.setting.profile) if row.setting.profile else None
    return (profile.memory, profile.compute) if profile else (gpu.memory_slices + 1, 0)
