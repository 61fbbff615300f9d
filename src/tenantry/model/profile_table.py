"""Measurements of how fast work runs on a part of a GPU: neutral rows, whatever format they came from.

A *setting* is what was measured: a workload with a batch size and a number of processes, on a GPU or a slice of one,
with neighbours or alone. A *measurement* is what came out. Throughput is the work per second of all the setting's
processes together; work is whatever the workload counts (requests, samples, iterations), in one unit per workload.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tenantry.model.problem import Location
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CPU: Final = "cpu"
"""Stands for the GPU model of what was measured without a GPU; no evidence about any GPU."""

WHOLE: Final = "whole"
"""Name of the whole GPU among slices, as ``Workload`` documents spell it."""


class Statistic(StrEnum):
    """Which latency of many was written down."""

    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"

    @property
    def percent(self) -> float | None:
        """The percentile in percent; None for the mean, which is none."""
        return None if self is Statistic.MEAN else float(self.value[1:])


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What was measured.

    Attributes:
        gpu: GPU of the catalog, for example ``a100-80``; :data:`CPU` without one.
        mode: how the GPU is shared: ``whole`` is one container alone on a GPU that is not partitioned.
        profile: MIG profile; empty when not on a slice. Only ``mig`` and ``time-slicing`` have one.
        neighbours: other containers on the same GPU or slice that ran the same work at the same time.
        workload: name of the workload.
        batch: items per batch.
        processes: the setting's own processes in one container, side by side.
    """

    gpu: str
    mode: SharingMode
    profile: str
    neighbours: int
    workload: str
    batch: int
    processes: int

    @property
    def slice(self) -> str:
        """The MIG profile, or :data:`WHOLE`."""
        return self.profile or WHOLE

    @property
    def alone(self) -> bool:
        """Whether nothing else ran on the same GPU or slice."""
        return not self.neighbours

    def __str__(self) -> str:
        beside = f" beside {self.neighbours} others by {self.mode}" if self.neighbours else ""
        processes = f", {self.processes} processes" if self.processes > 1 else ""
        return f"{self.workload} on {self.slice} of {self.gpu}{beside}, batch {self.batch}{processes}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out for a setting.

    Attributes:
        setting: what was measured.
        throughput: work per second of all processes together, above zero.
        latencies: seconds per batch, by statistic; empty when not measured.
        memory_mib: GPU memory that all processes took at most, None when not measured.
        source: what it comes from, in words: a publication, or card and driver.
        location: file and line.
    """

    setting: Setting
    throughput: float
    latencies: tuple[tuple[Statistic, float], ...] = ()
    memory_mib: int | None = None
    source: str = ""
    location: Location = field(default_factory=lambda: Location("<table>"), compare=False)

    def latency(self, statistic: Statistic) -> float | None:
        """Seconds for a statistic, None when it was not measured."""
        return dict(self.latencies).get(statistic)

    def latency_for(self, percent: float) -> tuple[Statistic, float] | None:
        """The latency that says most about a percentile: the lowest measured percentile at or above it.

        Where none is that high, the highest measured percentile, else the mean; both say less than was asked, which
        the statistic returned tells.
        """
        known = dict(self.latencies)
        ranked = [each for each in (Statistic.P50, Statistic.P95, Statistic.P99) if each in known]
        for each in ranked:
            if (each.percent or 0.0) >= percent:
                return each, known[each]
        if ranked:
            return ranked[-1], known[ranked[-1]]
        return (Statistic.MEAN, known[Statistic.MEAN]) if Statistic.MEAN in known else None


class ProfileTable:
    """Measurements, each setting once, in the order of their settings.

    Attributes:
        measurements: what was measured.
        failed: settings that were tried and did not run, for example for want of memory.
    """

    def __init__(self, measurements: Iterable[Measurement] = (), failed: Iterable[Setting] = ()) -> None:
        """Sort the rows.

        Raises:
            ValueError: if a setting is there twice.
        """
        self.measurements = tuple(sorted(measurements, key=lambda row: row.setting))
        self.failed = tuple(sorted(set(failed)))
        self._by_setting: Mapping[Setting, Measurement] = {row.setting: row for row in self.measurements}
        if len(self._by_setting) != len(self.measurements):
            raise ValueError("a setting is in the table twice")

    def __len__(self) -> int:
        return len(self.measurements)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self.measurements)

    def get(self, setting: Setting) -> Measurement | None:
        """Return what was measured for a setting, None when nothing was."""
        return self._by_setting.get(setting)

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads, sorted."""
        return tuple(sorted({row.setting.workload for row in self.measurements}))

    @property
    def gpus(self) -> tuple[str, ...]:
        """GPU models, sorted; :data:`CPU` is among them where something ran without a GPU."""
        return tuple(sorted({row.setting.gpu for row in self.measurements}))

    def select(
        self,
        *,
        gpu: str | None = None,
        workload: str | None = None,
        mode: SharingMode | None = None,
        profile: str | None = None,
        alone: bool | None = None,
    ) -> ProfileTable:
        """Return the rows, and the settings that did not run, that have all the given values."""

        def wanted(setting: Setting) -> bool:
            return (
                (gpu is None or setting.gpu == gpu)
                and (workload is None or setting.workload == workload)
                and (mode is None or setting.mode is mode)
                and (profile is None or setting.profile == profile)
                and (alone is None or setting.alone is alone)
            )

        rows = [row for row in self.measurements if wanted(row.setting)]
        return ProfileTable(rows, [setting for setting in self.failed if wanted(setting)])

    def evidence(self) -> ProfileTable:
        """Return the rows that were measured on a GPU."""
        rows = [row for row in self.measurements if row.setting.gpu != CPU]
        return ProfileTable(rows, [setting for setting in self.failed if setting.gpu != CPU])

    def merged(self, other: ProfileTable) -> ProfileTable:
        """Return both tables; a setting that both have is taken from this one."""
        rows = [*self.measurements, *(row for row in other if row.setting not in self._by_setting)]
        return ProfileTable(rows, {*self.failed, *other.failed} - {row.setting for row in rows})

    def best(self, gpu: str, workload: str) -> dict[str, Measurement]:
        """Return the fastest row without neighbours on each slice (:data:`WHOLE` included), over batches and processes.

        Of equally fast rows the one with fewer processes, then the smaller batch.
        """
        rows: dict[str, list[Measurement]] = defaultdict(list)
        for row in self.select(gpu=gpu, workload=workload, alone=True):
            rows[row.setting.slice].append(row)
        return {
            name: min(found, key=lambda row: (-row.throughput, row.setting.processes, row.setting.batch))
            for name, found in sorted(rows.items())
        }

    def like_for_like(self, gpu: str, workload: str, base: str) -> dict[str, tuple[float, ...]]:
        """Return throughputs relative to a slice, for each batch and number of processes measured on both, alone.

        Args:
            gpu: GPU model.
            workload: workload.
            base: slice that counts as 1, a MIG profile or :data:`WHOLE`.

        Returns:
            Ratios by slice, ascending; the base is left out. Empty when the base was not measured.
        """
        rows = list(self.select(gpu=gpu, workload=workload, alone=True))
        bases = {
            (row.setting.batch, row.setting.processes): row.throughput for row in rows if row.setting.slice == base
        }
        ratios: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            key = (row.setting.batch, row.setting.processes)
            if row.setting.slice != base and key in bases:
                ratios[row.setting.slice].append(row.throughput / bases[key])
        return {name: tuple(sorted(found)) for name, found in sorted(ratios.items())}
