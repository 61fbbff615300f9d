"""How busy pods and classes of work kept the GPUs or slices they had, as monitoring saw it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 0.7
"""Part of a GPU or slice from which on memory may have been reserved because it was there: a judgement, below the 0.9
that vLLM takes unless told otherwise (``gpu_memory_utilization``) and the 0.75 of JAX
(``XLA_PYTHON_CLIENT_MEM_FRACTION``)."""
GAP = 2.5
"""A step between samples that is so many times the usual one is a gap."""


class Measure(StrEnum):
    """What is measured."""

    ENGINE = "engine"
    PROCESSORS = "processors"
    TRAFFIC = "traffic"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples of a ratio from 0 to 1.

    Attributes:
        samples: how many.
        mean: their mean.
        p95: the value that 95 % of them do not surpass (nearest rank).
    """

    samples: int
    mean: float
    p95: float


def spread(values: Sequence[float]) -> Spread | None:
    """Sum up samples; None when there are none."""
    if not values:
        return None
    ranked = sorted(values)
    return Spread(len(ranked), math.fsum(ranked) / len(ranked), ranked[math.ceil(0.95 * len(ranked)) - 1])


@dataclass(frozen=True, slots=True)
class DeviceSamples:
    """What was seen of one pod on one GPU or slice.

    Attributes:
        namespace: namespace of the pod.
        pod: its name.
        label: value of its label ``tenantry.dev/workload``; empty without one.
        node: node, as the exporter names it; empty when not told.
        pool: node pool, which recorded signals carry; empty when not told.
        product: GPU model as the node label ``nvidia.com/gpu.product`` writes it; empty when not told.
        part: part of a GPU that it is: 1, or compute slices of the instance over those of the GPU.
        capacity_mib: memory of the GPU or slice; None when the catalog does not know it.
        shared: whether another pod was on it at the same time, so that nothing can be told apart.
        files: files that the samples are from, sorted.
        values: time and value by measure, by time; ratios, and MiB for memory. Times are seconds since 1970, or None
            where a text gave none.
    """

    namespace: str
    pod: str
    label: str = ""
    node: str = ""
    pool: str = ""
    product: str = ""
    part: float = 1.0
    capacity_mib: int | None = None
    shared: bool = False
    files: tuple[str, ...] = ()
    values: Mapping[Measure, Sequence[tuple[float | None, float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """What monitoring saw of a class of work. None means that it was not collected, never that it was zero.

    Attributes:
        pods: pods seen.
        files: files that this is from, sorted.
        engine: part of the time any kernel was resident on what the pods had, slice or GPU. One thread is enough to
            show 1.
        engine_of_gpu: the same as a part of the whole GPU: under MIG weighted by compute slices.
        multiprocessors: part of the multiprocessors with a warp, averaged over time (``SM_ACTIVE``).
        memory_traffic: part of the time memory was moved (``DRAM_ACTIVE``); about 0.8 is the practical peak.
        peak_memory_mib: most GPU memory in use on one GPU or slice, in MiB, rounded up.
        filled: whether that peak was most of what the pod had (``MOST``).
        span: seconds from the first sample to the last; None without times.
        gap: longest time without samples between two of one series that is no usual step, in seconds; 0 without gaps.
    """

    pods: int
    files: tuple[str, ...] = ()
    engine: Spread | None = None
    engine_of_gpu: Spread | None = None
    multiprocessors: Spread | None = None
    memory_traffic: Spread | None = None
    peak_memory_mib: int | None = None
    filled: bool = False
    span: float | None = None
    gap: float = 0.0


def summed(devices: Sequence[DeviceSamples]) -> Activity:
    """Sum up what was seen of the pods of one class of work; every sample counts alike."""

    def all_of(measure: Measure) -> list[float]:
        return [value for device in devices for _, value in device.values.get(measure, ())]

    of_gpu = [value * device.part for device in devices for _, value in device.values.get(Measure.ENGINE, ())]
    peaks = [
        (max(value for _, value in device.values[Measure.MEMORY]), device.capacity_mib or math.inf)
        for device in devices
        if device.values.get(Measure.MEMORY)
    ]
    series = [[at for at, _ in item if at is not None] for device in devices for item in device.values.values()]
    times = [at for item in series for at in item]
    peak, capacity = max(peaks, default=(None, math.inf))
    return Activity(
        pods=len({(device.namespace, device.pod) for device in devices}),
        files=tuple(sorted({file for device in devices for file in device.files})),
        engine=spread(all_of(Measure.ENGINE)),
        engine_of_gpu=spread(of_gpu),
        multiprocessors=spread(all_of(Measure.PROCESSORS)),
        memory_traffic=spread(all_of(Measure.TRAFFIC)),
        peak_memory_mib=None if peak is None else math.ceil(peak),
        filled=peak is not None and peak >= MOST * capacity,
        span=max(times) - min(times) if times else None,
        gap=max((longest_gap(item) for item in series), default=0.0),
    )


def longest_gap(times: Sequence[float]) -> float:
    """Return the longest step between times in order that is no usual one, in seconds; 0 when all are."""
    steps = [after - before for before, after in pairwise(times)]
    if len(steps) < 2:
        return 0.0
    longest = max(steps)
    return longest if longest > GAP * median(steps) else 0.0
