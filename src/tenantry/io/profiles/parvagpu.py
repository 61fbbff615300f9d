"""ParvaGPU: throughput and latency of inference on the slices of an A100 with 80 GB, one file per model.

Columns: ``Mig instance`` (compute slices), ``Batch size``, ``Workload Number`` (processes side by side in the slice),
``Throughput`` (work per second of **each** process), ``Latency`` (seconds per batch). Latency times throughput is the
batch size in every row, so it is a mean. Rows with zeros did not run. The name of the file is the workload.

Source: ParvaGPU, SC '24, artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.profiles.cells import check_profile, find_gpu, quoted, rows_of
from tenantry.io.profiles.reading import Unusable
from tenantry.io.walk import shown
from tenantry.model.problem import Location
from tenantry.model.profile_table import Measurement, Setting, Statistic
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.io.profiles.cells import Row
    from tenantry.io.profiles.reading import Collector
    from tenantry.model.gpu import Gpu

SLICE, BATCH, PROCESSES = "Mig instance", "Batch size", "Workload Number"
THROUGHPUT, LATENCY = "Throughput", "Latency"
COLUMNS: Final = frozenset((SLICE, BATCH, PROCESSES, THROUGHPUT, LATENCY))
GPU: Final = "a100-80"


def read(path: Path, collector: Collector, gpu: str) -> None:
    """Read one file.

    Args:
        path: the file.
        collector: takes rows and problems.
        gpu: GPU that was measured; the published one when empty.
    """
    model = find_gpu(gpu or GPU)
    if not gpu:
        message = f"the format does not say which GPU was measured; {GPU} is taken, which was published"
        collector.note("PROFILE-ASSUMED", Location(shown(path)), message)
    for row in rows_of(path, collector):
        try:
            _take(row, path.stem, model, collector)
        except Unusable as problem:
            collector.refuse(row.place, problem)


def _take(row: Row, workload: str, gpu: Gpu, collector: Collector) -> None:
    setting = Setting(
        gpu=gpu.id,
        mode=SharingMode.MIG,
        profile=check_profile(gpu, _profile(row, gpu)),
        neighbours=0,
        workload=workload,
        batch=row.whole(BATCH, 1),
        processes=row.whole(PROCESSES, 1),
    )
    throughput, latency = row.number(THROUGHPUT), row.number(LATENCY)
    if not throughput and not latency:
        collector.add_failed(setting, row.place)
        return
    if not throughput or not latency:
        found = f"throughput {row.text(THROUGHPUT)} and latency {row.text(LATENCY)}"
        raise Unusable("PROFILE-VALUE", "only one of throughput and latency is zero", "both or neither", found)
    collector.add(
        Measurement(
            setting,
            throughput * setting.processes,
            ((Statistic.MEAN, latency),),
            source="ParvaGPU (SC '24) artifact",
            location=row.place,
        )
    )


def _profile(row: Row, gpu: Gpu) -> str:
    """Return the plain profile with that many compute slices; the one with less memory where there are two."""
    text = row.text(SLICE)
    fitting = [each for each in gpu.profiles if not each.suffix and str(each.compute) == text]
    if not fitting:
        sizes = sorted({each.compute for each in gpu.profiles})
        expected = f"a number of compute slices of {gpu.id}: {', '.join(map(str, sizes))}"
        raise Unusable("PROFILE-SLICE", f"{gpu.id} has no such slice", expected, quoted(text))
    return min(fitting, key=lambda each: each.memory).name
