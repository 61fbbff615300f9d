"""What a pod asks for, in the scheduler's own numbers: a vector over all resources and the parts of GPUs.

Source: pkg/scheduler/api/resource_info (resource_vector.go, gpu_resource_requirment.go) and api/pod_info/pod_info.go.
"""

from __future__ import annotations

import math
import re
from operator import le
from typing import TYPE_CHECKING

from tenantry.model.job import GpuKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.job import GpuRequest, Pod

CPU, MEMORY, GPU, PODS = 0, 1, 2, 3
CORE = ("cpu", "memory", "gpu", "pods")
"""Resources every vector begins with."""

RESOURCES = ("CPU", "Memory", "GPU")
"""Resources queues divide, in the order they are checked."""

MIG_PREFIX = "nvidia.com/mig-"
# Profiles with media extensions do not match, so they count for no queue.
_MIG = re.compile(r"^nvidia\.com/mig-(\d+)g\.(\d+)gb$")

DEFAULT_GPU_MEMORY = 100
"""MiB a GPU is taken to have when no label says so; any number keeps the arithmetic of parts working."""


def mig_size(resource: str) -> tuple[int, int] | None:
    """Compute slices and GB of a MIG resource, or None when its name is not understood."""
    match = _MIG.match(resource)
    return (int(match[1]), int(match[2])) if match else None


def rounded_gpus(portion: float, devices: int) -> float:
    """GPUs of some devices when each part is rounded to a hundredth, halves upwards."""
    hundredths = portion * 100
    whole = math.floor(hundredths)
    return (whole + (1 if hundredths - whole >= 0.5 else 0)) * devices / 100


Goodness = tuple[bool, bool, bool, float]
"""Without a shared GPU that fits, without room now, of another kind than the pod, and how empty: smaller is better."""


class Axes:
    """Positions of resources in vectors.

    Attributes:
        index: position by resource name.
        mig: position and compute slices of every MIG resource that counts as GPUs.
        models: number of all that does not change of a node, by what it is.
        kinds: number of every state in which any node was.
        fitting: by what pods ask for, and by kind of node, how good it is for them; None where they do not fit.
    """

    __slots__ = ("fitting", "index", "kinds", "mig", "models", "size")

    def __init__(self, extended: Iterable[str]) -> None:
        self.index = {name: position for position, name in enumerate((*CORE, *sorted(set(extended) - set(CORE))))}
        self.size = len(self.index)
        self.models: dict[tuple[object, ...], int] = {}
        self.kinds: dict[tuple[object, ...], int] = {}
        self.fitting: dict[tuple[object, ...], dict[int, Goodness | None]] = {}
        self.mig = tuple(
            (position, float(size[0])) for name, position in self.index.items() if (size := mig_size(name)) is not None
        )

    def total_gpus(self, vector: list[float] | tuple[float, ...]) -> float:
        """GPUs of a vector; a MIG instance counts its compute slices."""
        total = vector[GPU]
        for position, slices in self.mig:
            total += slices * vector[position]
        return total

    def quantities(self, vector: list[float] | tuple[float, ...]) -> tuple[float, float, float]:
        """CPU, memory and GPUs of a vector, as queues count them."""
        return (vector[CPU], vector[MEMORY], self.total_gpus(vector))


def fits(vector: tuple[float, ...] | list[float], room: list[float]) -> bool:
    """Whether a vector is at most the room in every resource, those it does not ask for included."""
    return all(map(le, vector, room))


class Ask:
    """What one pod asks for.

    Attributes:
        vector: amount per resource.
        amounts: CPU, memory and GPUs of it, as queues count them.
        kind: how GPUs are asked for.
        devices: GPUs, or GPUs a part is taken of.
        portion: part of each, as written.
        memory: MiB of each, when asked by memory.
        mig: count per MIG resource.
        gpus: GPUs in hundredths, MIG instances and memory aside.
        quota: GPUs counted against queues: as ``gpus``, MIG instances by their slices.
        shared: whether a part of a GPU is asked for.
        regular: whether whole GPUs or none are asked for.
        wants_gpu: whether any GPU is asked for.
        legacy: asked for by an annotation newer schedulers refuse.
        fitting: how good nodes are for it, by kind; shared by all that ask for the same.
    """

    __slots__ = (
        "amounts", "devices", "fitting", "gpus", "kind", "legacy", "memory", "mig", "portion", "quota", "regular",
        "shared", "vector", "wants_gpu",
    )  # fmt: skip

    def __init__(self, pod: Pod, axes: Axes) -> None:
        gpu: GpuRequest = pod.gpu
        self.kind, self.devices, self.portion, self.memory = gpu.kind, gpu.devices, gpu.portion, gpu.memory
        self.mig, self.legacy = gpu.mig, gpu.legacy
        self.gpus = rounded_gpus(gpu.portion, gpu.devices)
        slices = sum((mig_size(name) or (0, 0))[0] * count for name, count in gpu.mig)
        self.quota = slices + self.gpus
        self.shared = gpu.kind in {GpuKind.FRACTION, GpuKind.MEMORY}
        self.regular = gpu.kind is GpuKind.WHOLE
        self.wants_gpu = self.gpus > 0 or gpu.kind in {GpuKind.MEMORY, GpuKind.MIG}
        vector = [0.0] * axes.size
        vector[CPU], vector[MEMORY], vector[GPU], vector[PODS] = pod.cpu, pod.memory, self.gpus, 1.0
        for name, amount in pod.extended:
            vector[axes.index[name]] = amount
        for name, count in gpu.mig:
            vector[axes.index[name]] = float(count)
        self.vector = tuple(vector)
        self.amounts = axes.quantities(self.vector)
        shape = (self.vector, gpu.kind, gpu.devices, gpu.portion, gpu.memory)
        self.fitting = axes.fitting.setdefault(shape, {})

    def memory_as_gpus(self, gpu_memory: int) -> float:
        """GPUs that memory asked for comes to on GPUs of so many MiB, unrounded; 0 when none is asked for."""
        if self.memory <= 0 or gpu_memory <= 0:
            return 0.0
        return self.devices * (self.memory / gpu_memory)
