"""What a pod asks for: GPUs in every way KAI and the device plugin know, CPU and memory.

Whole GPUs, MIG slices by their part of the compute, KAI's ``gpu-fraction`` and ``gpu-memory`` annotations times
``gpu-fraction-num-devices``; a fraction counts before memory. How much GPUs shared in time and device claims are, no
object says. Source: KAI scheduler, ``pkg/scheduler/api/pod_info``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tenantry.io.traces.mig import mig_share
from tenantry.model.gpu import GPU_RESOURCE, MIG_RESOURCE_PREFIX, SHARED_GPU_RESOURCE
from tenantry.model.reading import amount, annotations_of, items, mapping, text
from tenantry.model.trace import MILLI

_FRACTION: Final = "gpu-fraction"
_MEMORY: Final = "gpu-memory"
_DEVICES: Final = "gpu-fraction-num-devices"
_PRODUCT: Final = "nvidia.com/gpu.product"
_MIB: Final = 1 << 20
_CEILING: Final = 2**31
_OF_PODS: Final = frozenset({"cpu", "memory"})
"""What a pod may ask for as a whole."""


class Request(NamedTuple):
    """What one pod asks for.

    Attributes:
        gpus: milli-GPUs; None when the pod asks for GPUs and does not say how much of them.
        cpus: millicores.
        memory: MiB.
        model: GPU product it must run on; empty for any.
    """

    gpus: int | None
    cpus: int
    memory: int
    model: str


def request_of(pod: Any, gpu_memory: int | None) -> Request:
    """Return what a pod asks for.

    Args:
        pod: the object.
        gpu_memory: MiB of the smallest GPU of the cluster, by which KAI turns memory into a share; None when unknown.
    """
    needs = _resources(pod)
    return Request(
        _annotated(annotations_of(pod), gpu_memory, _devices(pod, needs)),
        min(needs.get("cpu", 0), _CEILING),
        min(-(-needs.get("memory", 0) // (MILLI * _MIB)), _CEILING),
        _model(pod),
    )


def _annotated(annotations: dict[str, str], gpu_memory: int | None, plain: int | None) -> int | None:
    devices = _whole(annotations.get(_DEVICES)) or 1
    share = amount(annotations.get(_FRACTION))
    if share is not None and share.nanos > 0:
        return min(share.milli() * devices, _CEILING)
    wanted = _whole(annotations.get(_MEMORY))
    if wanted:
        # KAI rounds a share of memory up to hundredths of a GPU.
        return min(-(-wanted * 100 // gpu_memory) * 10 * devices, _CEILING) if gpu_memory else None
    return plain


def _devices(pod: Any, needs: dict[str, int]) -> int | None:
    """Return the milli-GPUs of extended resources; None when their size is not said."""
    if items(pod, "spec", "resourceClaims") or needs.get(SHARED_GPU_RESOURCE):
        return None
    gpus = needs.get(GPU_RESOURCE, 0)
    for name, number in needs.items():
        if name.startswith(MIG_RESOURCE_PREFIX):
            share = mig_share(name.removeprefix("nvidia.com/"))
            if share is None:
                return None
            gpus += number * share // MILLI
    return min(gpus, _CEILING)


def _resources(pod: Any) -> dict[str, int]:
    """Return what a pod asks for in thousandths, as the API server counts it.

    All containers together, or the hungriest that runs before them beside the sidecars started by then; what the pod
    asks for as a whole counts instead, and its overhead on top.

    Source: Kubernetes, ``staging/src/k8s.io/component-helpers/resource``.
    """
    total: dict[str, int] = {}
    for container in items(pod, "spec", "containers"):
        _add(total, mapping(container, "resources"))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in items(pod, "spec", "initContainers"):
        # Containers that start first and keep running (restartPolicy Always) add up with the others.
        if text(container, "restartPolicy") == "Always":
            _add(sidecars, mapping(container, "resources"))
            alone = sidecars
        else:
            alone = dict(sidecars)
            _add(alone, mapping(container, "resources"))
        peak = {name: max(peak.get(name, 0), alone.get(name, 0)) for name in peak | alone}
    together = {name: total.get(name, 0) + sidecars.get(name, 0) for name in total | sidecars}
    found = {name: max(together.get(name, 0), peak.get(name, 0)) for name in together | peak}
    whole: dict[str, int] = {}
    _add(whole, mapping(pod, "spec", "resources"))
    found |= {name: number for name, number in whole.items() if name in _OF_PODS}
    _add(found, {"requests": mapping(pod, "spec", "overhead")})
    return found


def _add(total: dict[str, int], resources: Mapping[str, Any]) -> None:
    asked = {**mapping(resources, "limits"), **mapping(resources, "requests")}
    for name, value in asked.items():
        quantity = amount(value)
        if isinstance(name, str) and quantity is not None and quantity.nanos > 0:
            total[name] = total.get(name, 0) + quantity.milli()


def _model(pod: Any) -> str:
    """Return the GPU products a pod is bound to by its node selector or required node affinity."""
    chosen = text(pod, "spec", "nodeSelector", _PRODUCT)
    if chosen:
        return chosen
    required = items(pod, "spec", "affinity", "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    products: set[str] = set()
    for term in required:
        rules = [rule for rule in items(term, "matchExpressions") if text(rule, "key") == _PRODUCT]
        named = {value for rule in rules if text(rule, "operator") == "In" for value in items(rule, "values")}
        if not named:  # terms are alternatives, and this one takes any product
            return ""
        products |= {value for value in named if isinstance(value, str)}
    return "|".join(sorted(products))


_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def _whole(written: str | None) -> int:
    """Return a whole number written in an annotation, 0 when it is none."""
    return int(written) if written and written.isdigit() and written.isascii() and len(written) < 10 else 0
