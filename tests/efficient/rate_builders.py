"""Small profile tables and demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog import gpus
from tenantry.efficient.partition.operating_points import operating_points
from tenantry.model.profile_table import Measurement, ProfileTable, Setting, Statistic
from tenantry.model.rate_plan import RateDemand, RateRules, Service
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.model.gpu import Gpu

A30 = gpus()["a30"]
A100 = gpus()["a100-80"]
RULES = RateRules()


def row(
    workload: str,
    profile: str,
    throughput: float,
    *,
    batch: int = 1,
    processes: int = 1,
    latency_ms: float | None = 10.0,
    statistic: Statistic = Statistic.MEAN,
    gpu: Gpu = A30,
    memory_mib: int | None = None,
    neighbours: int = 0,
) -> Measurement:
    mode = SharingMode.MIG if profile else SharingMode.MPS if neighbours else SharingMode.WHOLE
    latencies = () if latency_ms is None else ((statistic, latency_ms / 1000),)
    setting = Setting(gpu.id, mode, profile, neighbours, workload, batch, processes)
    return Measurement(setting, throughput, latencies, memory_mib)


def ladder(workload: str, speeds: Mapping[str, float], gpu: Gpu = A30) -> list[Measurement]:
    """One row per slice."""
    return [row(workload, profile, throughput, gpu=gpu) for profile, throughput in speeds.items()]


def demand(table: ProfileTable, services: Sequence[Service], gpu: Gpu = A30, rules: RateRules = RULES) -> RateDemand:
    points = []
    for service in services:
        found = operating_points(table, gpu, service, rules)
        assert isinstance(found, tuple), found
        points.append(found)
    return RateDemand(gpu, tuple(services), tuple(points))
