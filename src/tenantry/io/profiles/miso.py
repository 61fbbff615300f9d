"""MISO: iteration time of training on the slices of an A100 with 40 GB.

Columns: ``slice`` (MIG profile), ``workload``, ``batch_size``, ``samples`` (iterations that were timed),
``median_iteration_s``. One process each. Throughput is the batch size over the median iteration: samples per second.

Source: MISO, SoCC '22, artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.profiles.cells import check_profile, find_gpu, rows_of
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

COLUMNS: Final = frozenset(("slice", "workload", "batch_size", "samples", "median_iteration_s"))
GPU: Final = "a100-40"


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
            collector.add(_measurement(row, model))
        except Unusable as problem:
            collector.refuse(row.place, problem)


def _measurement(row: Row, gpu: Gpu) -> Measurement:
    workload = row.text("workload")
    if not workload:
        raise Unusable("PROFILE-NAME", "the row names no workload", "a name", "nothing")
    setting = Setting(
        gpu=gpu.id,
        mode=SharingMode.MIG,
        profile=check_profile(gpu, row.text("slice")),
        neighbours=0,
        workload=workload,
        batch=row.whole("batch_size", 1),
        processes=1,
    )
    row.whole("samples", 1)
    seconds = row.positive("median_iteration_s")
    return Measurement(
        setting,
        setting.batch / seconds,
        ((Statistic.P50, seconds),),
        source="MISO (SoCC '22) artifact",
        location=row.place,
    )
