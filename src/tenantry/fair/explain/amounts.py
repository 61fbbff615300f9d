"""Amounts of pods as people count them: GPUs whatever way they were asked for, and every other resource by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import mig_size, rounded_gpus
from tenantry.model.job import ACTIVE_USED, GpuKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.job import Job, Pod
    from tenantry.model.moment import Moment


def gpu_sizes(moment: Moment) -> dict[str, int]:
    """MiB of a GPU by node, where a label says so; of the smallest under the empty name."""
    sizes = {node.name: node.gpu_memory for node in moment.nodes if node.gpu_memory}
    return {"": min(sizes.values()), **sizes} if sizes else {}


def gpus_of(pod: Pod, sizes: dict[str, int]) -> float:
    """GPUs of a pod: MIG instances by compute slices, memory by the GPUs of its node or the smallest there are."""
    gpu = pod.gpu
    if gpu.kind is GpuKind.MIG:
        return float(sum((mig_size(name) or (0, 0))[0] * count for name, count in gpu.mig))
    if gpu.kind is GpuKind.MEMORY:
        size = sizes.get(pod.node) or sizes.get("")
        return gpu.devices * gpu.memory / size if size else float(gpu.devices)
    return rounded_gpus(gpu.portion, gpu.devices)


def total_gpus(pods: Iterable[Pod], sizes: dict[str, int]) -> float:
    """GPUs of pods."""
    return sum(gpus_of(pod, sizes) for pod in pods)


def holds(job: Job) -> list[Pod]:
    """Pods of a job that occupy nodes."""
    return [pod for pod in job.pods if pod.status & ACTIVE_USED and pod.node]


def asked(pod: Pod) -> dict[str, float]:
    """What a pod asks for by resource: ``gpu`` in GPUs, ``gpu-memory`` in MiB of each, CPU in millicores, bytes."""
    found: dict[str, float] = {}
    gpu = pod.gpu
    if gpu.kind is GpuKind.MIG:
        found.update((name, float(count)) for name, count in gpu.mig)
    elif gpu.kind is GpuKind.MEMORY:
        found["gpu-memory"] = float(gpu.memory)
        if gpu.devices > 1:
            found["gpu-devices"] = float(gpu.devices)
    elif gpu.devices:
        found["gpu"] = rounded_gpus(gpu.portion, gpu.devices)
    if pod.cpu:
        found["cpu"] = pod.cpu
    if pod.memory:
        found["memory"] = pod.memory
    found.update((name, amount) for name, amount in pod.extended if amount)
    return found
