"""Reads what the DCGM exporter measured, by pod and GPU or slice.

Four metrics count, and what the monitoring of a compiled tree records of them (``METRICS``): ratios from 0 to 1, and
memory in MiB. All are gauges; others are passed over. ``DCGM_FI_DEV_GPU_UTIL`` is among those: it is not reported for
MIG instances. Samples without a pod belong to nobody: idle GPUs have none.

Source: NVIDIA dcgm-exporter, ``etc/default-counters.csv``, ``internal/pkg/rendermetrics`` and
``internal/pkg/transformation`` (names of pod labels).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tenantry.catalog import gpus
from tenantry.errors import InputError
from tenantry.io.prometheus import read_metrics
from tenantry.io.walk import shown
from tenantry.model.activity import DeviceSamples, Measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tenantry.io.prometheus import Sample

ENGINE, PROCESSORS = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_SM_ACTIVE"
TRAFFIC, MEMORY = "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_FB_USED"
METRICS: Final[Mapping[str, Measure]] = {
    ENGINE: Measure.ENGINE,
    PROCESSORS: Measure.PROCESSORS,
    TRAFFIC: Measure.TRAFFIC,
    MEMORY: Measure.MEMORY,
    "tenantry:gpu_activity:ratio": Measure.ENGINE,
    "tenantry:gpu_sm_active:ratio": Measure.PROCESSORS,
    "tenantry:gpu_memory_used:mib": Measure.MEMORY,
}
UTILISATION: Final = "DCGM_FI_DEV_GPU_UTIL"
LABEL: Final = "tenantry_dev_workload"
"""How the exporter writes the pod label ``tenantry.dev/workload``."""
COMPUTE_SLICES: Final = 7
"""Compute slices of a GPU whose model is not told. Only A30 and RTX PRO 6000 have another number of them, 4."""
HIGHEST: Final = 1.05
"""Highest ratio, and part of a GPU's memory, that is believed; counters read a moment apart give a little over 1."""
_PROFILE: Final = re.compile(r"(\d+)g\.")

Time = float | tuple[str, int]
"""Seconds since 1970, or file and number of the scrape in it."""
Key = tuple[str, str, tuple[str, ...]]
"""Namespace, pod and device."""


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What was read.

    Attributes:
        devices: by namespace, pod and device.
        notes: what was passed over and why, in a fixed order.
    """

    devices: tuple[DeviceSamples, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Collected:
    """Samples of all files; of two of one device at one time the larger counts, in whatever order they come."""

    labels: dict[Key, dict[str, str]] = field(default_factory=dict)
    files: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    values: dict[Key, dict[tuple[Measure, Time], float]] = field(default_factory=lambda: defaultdict(dict))
    holders: dict[tuple[tuple[str, ...], Time], set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class _Skipped:
    """What was left out: how many samples for a reason, and where the first is."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, place: str) -> None:
        self.places[reason].append(place)

    def notes(self) -> Iterator[str]:
        for reason, places in sorted(self.places.items()):
            count = f"{len(places)} sample{'' if len(places) == 1 else 's'}"
            yield f"{places[0]}: {count} left out: {reason}"


def read_devices(paths: Sequence[Path]) -> MetricsReading:
    """Read files that belong together; what two of them hold of the same moment counts once.

    Args:
        paths: exposition texts or JSON. A text without times may hold several scrapes one after the other.

    Raises:
        InputError: if one cannot be read, has neither format, or holds none of the metrics.
    """
    found, skipped, notes = _Collected(), _Skipped(), []
    for path in paths:
        notes += _read(path, found, skipped)
    crowded = {device for (device, _), pods in found.holders.items() if len(pods) > 1}
    devices = tuple(_device(key, found, key[2] in crowded) for key in sorted(found.values))
    return MetricsReading(devices, (*skipped.notes(), *notes))


def _read(path: Path, found: _Collected, skipped: _Skipped) -> list[str]:
    file, names = shown(path), set()
    scrape, seen = 0, set[tuple[str, tuple[tuple[str, str], ...]]]()
    for sample in read_metrics(path):
        names.add(sample.name)
        if sample.name not in METRICS:
            continue
        series = (sample.name, tuple(sorted(sample.labels.items())))
        if sample.time is None and series in seen:
            scrape, seen = scrape + 1, set()
        seen.add(series)
        _take(sample, (file, scrape) if sample.time is None else sample.time, file, found, skipped)
    if names.isdisjoint(METRICS):
        nameless = "; its series have no names: ask for metrics without a function around them" if "" in names else ""
        raise InputError(f"{file} holds none of {', '.join(METRICS)}{nameless}")
    if UTILISATION in names and not names & {name for name, measure in METRICS.items() if measure is Measure.ENGINE}:
        return [f"{file}: {UTILISATION} is not used: it is not reported under MIG; collect {ENGINE}"]
    return []


def _take(sample: Sample, time: Time, file: str, found: _Collected, skipped: _Skipped) -> None:
    measure, labels = METRICS[sample.name], sample.labels
    namespace, pod = _attribution(labels)
    if not pod:
        skipped.add("it belongs to no pod, as on idle GPUs and where the exporter maps none", sample.place)
        return
    most = _capacity(labels) or max(gpu.memory_mib for gpu in gpus().values())
    limit = HIGHEST * most if measure is Measure.MEMORY else HIGHEST
    if not math.isfinite(sample.value) or sample.value < 0:
        skipped.add(f"{sample.name} is no number from 0 on", sample.place)
    elif sample.value > limit:
        said = "MiB are expected, and it has not so many; bytes?" if measure is Measure.MEMORY else ""
        skipped.add(f"{sample.name}: {said or 'a ratio from 0 to 1 is expected; percent?'}", sample.place)
    else:
        device = (_node(labels), labels.get("UUID") or labels.get("gpu", ""), labels.get("GPU_I_ID", ""))
        key = (namespace, pod, device)
        found.labels.setdefault(key, dict(labels)).update(labels)
        found.files[key].add(file)
        found.holders[device, time].add((namespace, pod))
        value = sample.value if measure is Measure.MEMORY else min(sample.value, 1.0)
        known = found.values[key].get((measure, time), 0.0)
        found.values[key][measure, time] = max(known, value)


def _attribution(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return namespace and pod. Where the scrape does not honour labels, ``pod`` is the exporter's own."""
    prefix = "exported_" if "exported_pod" in labels else ""
    return labels.get(f"{prefix}namespace", ""), labels.get(f"{prefix}pod", "")


def _node(labels: Mapping[str, str]) -> str:
    return labels.get("node") or labels.get("Hostname") or labels.get("hostname", "")


def _device(key: Key, found: _Collected, crowded: bool) -> DeviceSamples:
    labels = found.labels[key]
    values: dict[Measure, list[tuple[float | None, float]]] = defaultdict(list)
    # Times of one kind come before those of the other, so that they can be sorted.
    for (measure, time), value in sorted(found.values[key].items(), key=lambda item: (item[0][0], _order(item[0][1]))):
        values[measure].append((time if isinstance(time, float) else None, value))
    return DeviceSamples(
        namespace=key[0],
        pod=key[1],
        label=labels.get(LABEL, ""),
        node=_node(labels),
        pool=labels.get("pool", ""),
        product=_product(labels),
        part=_part(labels),
        capacity_mib=_capacity(labels),
        shared=crowded or bool(labels.get("vgpu")),
        files=tuple(sorted(found.files[key])),
        values=dict(values),
    )


def _order(time: Time) -> tuple[float, str, int]:
    return (time, "", 0) if isinstance(time, float) else (-1.0, *time)


# What it ran on -------------------------------------------------------------------------------------------------------


def _product(labels: Mapping[str, str]) -> str:
    return labels.get("modelName", "").replace(" ", "-")


def _part(labels: Mapping[str, str]) -> float:
    """Return the part of a GPU that a sample is about: compute slices of the instance over those of the GPU."""
    match = _PROFILE.match(labels.get("GPU_I_PROFILE", ""))
    if match is None:
        return 1.0
    product = _product(labels)
    slices = next((gpu.compute_slices for gpu in gpus().values() if gpu.product == product), 0) or COMPUTE_SLICES
    return min(1.0, int(match[1]) / slices)


def _capacity(labels: Mapping[str, str]) -> int | None:
    """Return the memory of the GPU or slice in MiB; None when the catalog does not know it."""
    gpu = next((gpu for gpu in gpus().values() if gpu.product == _product(labels)), None)
    name = labels.get("GPU_I_PROFILE", "")
    if gpu is None or not name:
        return gpu.memory_mib if gpu else None
    profile = gpu.profile(name)
    return gpu.memory_mib * profile.memory // gpu.memory_slices if profile else None
