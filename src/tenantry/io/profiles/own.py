"""The format of this project: what ``tenantry probe`` writes, and what anyone can write by hand.

A header and a row per setting. Columns are found by name, in any order; others are passed over.
"""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.io.profiles.cells import check_profile, find_gpu, quoted, rows_of
from tenantry.io.profiles.reading import Unusable
from tenantry.model.problem import nearest_name
from tenantry.model.profile_table import CPU, WHOLE, Measurement, Setting, Statistic
from tenantry.model.spec.platform import SharingMode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenantry.io.profiles.cells import Row
    from tenantry.io.profiles.reading import Collector

NEEDED: Final = ("gpu", "sharing", "workload", "throughput_per_s")
"""Columns that must be there."""

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gpu": "GPU of the catalog such as `h200-sxm`, the card as the driver names it, or `cpu`",
        "sharing": "`whole`, `mig`, `time-slicing` or `mps`",
        "profile": "MIG profile; with `mig` it must stand, with `time-slicing` it may",
        "neighbours": "other containers on the same GPU or slice with the same work at the same time; 0 when empty",
        "workload": "name of the workload",
        "batch_size": "items per batch; 1 when empty",
        "processes": "processes of the setting itself, side by side in one container; 1 when empty",
        "throughput_per_s": "work per second of all these processes together",
        "latency_mean_s": "mean latency of a batch in seconds; empty when not measured",
        "latency_p50_s": "median latency",
        "latency_p95_s": "95th percentile of the latency",
        "latency_p99_s": "99th percentile of the latency",
        "memory_mib": "GPU memory of all these processes together at most, in MiB; empty when not measured",
        "outcome": "`ran`, or `failed` for a setting that did not run; `ran` when empty",
        "driver": "version of the driver, for people",
        "source": "where the row comes from, for people",
        "device_used_mib": "memory in use on the GPU or slice by everybody, in MiB, for people",
        "device_total_mib": "memory of the GPU or slice in MiB, for people",
    }
)
"""Every column with its meaning and unit."""

_LATENCIES: Final = {each: f"latency_{each}_s" for each in Statistic}


def read(path: Path, collector: Collector, gpu: str) -> None:
    """Read one file.

    Args:
        path: the file.
        collector: takes rows and problems.
        gpu: GPU that every row must be about; any when empty.
    """
    wanted = find_gpu(gpu).id if gpu else ""
    for row in rows_of(path, collector):
        try:
            _take(row, wanted, collector)
        except Unusable as problem:
            collector.refuse(row.place, problem)


def _take(row: Row, wanted: str, collector: Collector) -> None:
    setting = _setting(row)
    if wanted and setting.gpu != wanted:
        raise Unusable("PROFILE-GPU", "the row is about another GPU", wanted, setting.gpu)
    outcome = row.text("outcome") or "ran"
    if outcome == "failed":
        collector.add_failed(setting, row.place)
        return
    if outcome != "ran":
        raise Unusable("PROFILE-VALUE", "outcome cannot be used", "ran or failed", quoted(outcome))
    if setting.gpu == CPU:
        message = f"{setting} was measured without a GPU; it is no evidence about GPUs"
        collector.note("PROFILE-NO-GPU", row.place, message)
    memory = row.optional("memory_mib")
    collector.add(
        Measurement(
            setting,
            row.positive("throughput_per_s"),
            _latencies(row),
            None if memory is None else round(memory),
            _source(row),
            row.place,
        )
    )


def _setting(row: Row) -> Setting:
    workload = row.text("workload")
    if not workload:
        raise Unusable("PROFILE-NAME", "the row names no workload", "a name", "nothing")
    mode = _mode(row)
    profile = row.text("profile")
    profile = "" if profile == WHOLE else profile
    gpu = row.text("gpu")
    if gpu != CPU:
        model = find_gpu(gpu, profile)
        gpu = model.id
        if profile:
            check_profile(model, profile)
    neighbours = row.whole("neighbours", 0, 0)
    _check_sharing(mode, profile, neighbours, gpu)
    return Setting(
        gpu, mode, profile, neighbours, workload, row.whole("batch_size", 1, 1), row.whole("processes", 1, 1)
    )


def _mode(row: Row) -> SharingMode:
    text = row.text("sharing")
    try:
        return SharingMode(text)
    except ValueError:
        modes = [each.value for each in SharingMode]
        near = nearest_name(text, modes)
        raise Unusable(
            "PROFILE-SHARING", "sharing is not known", f"one of {', '.join(modes)}", quoted(text), near
        ) from None


def _check_sharing(mode: SharingMode, profile: str, neighbours: int, gpu: str) -> None:
    """Refuse what contradicts itself: a slice without MIG, neighbours where there can be none.

    Raises:
        Unusable: with what would not.
    """
    if mode is SharingMode.MIG and not profile:
        raise Unusable("PROFILE-SHARING", "the row names no slice", "a MIG profile in the column profile", "nothing")
    if profile and mode in {SharingMode.WHOLE, SharingMode.MPS}:
        raise Unusable("PROFILE-SHARING", f"{mode} and a slice exclude each other", "no profile", quoted(profile))
    if profile and gpu == CPU:
        raise Unusable("PROFILE-SHARING", "a CPU has no slices", "no profile", quoted(profile))
    if neighbours and mode in {SharingMode.WHOLE, SharingMode.MIG}:
        raise Unusable("PROFILE-SHARING", f"there are no neighbours with {mode}", "0", f"{neighbours}")


def _latencies(row: Row) -> tuple[tuple[Statistic, float], ...]:
    found = tuple(
        (statistic, value) for statistic, column in _LATENCIES.items() if (value := row.optional(column)) is not None
    )
    ranked = [(statistic, value) for statistic, value in found if statistic is not Statistic.MEAN]
    for (low, lower), (high, higher) in pairwise(ranked):
        if higher < lower:
            raise Unusable("PROFILE-ORDER", f"{high} is below {low}", f"at least {lower:g} s", f"{higher:g} s")
    return found


def _source(row: Row) -> str:
    driver = row.text("driver")
    parts = [row.text("source"), f"driver {driver}" if driver else ""]
    return ", ".join(part for part in parts if part)
