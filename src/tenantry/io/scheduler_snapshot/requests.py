"""What a pod asks for: amounts of its containers, and GPUs in every way the scheduler knows.

Source: pkg/scheduler/api/pod_info/pod_info.go and api/resource_info/resource_requirment.go. The scheduler looks at
requests; the API server copies limits there where requests are silent, which manifests from Git have not seen yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenantry.model.job import GpuKind, GpuRequest, gpu_fraction, gpu_memory, mig_instances, whole_gpus
from tenantry.model.quantity import Quantity
from tenantry.model.reading import at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.io.scheduler_snapshot.fields import Fields
    from tenantry.model.problem import DocPath

GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu")
MIG_PREFIX: Final = "nvidia.com/mig-"
FRACTION: Final = "gpu-fraction"
MEMORY: Final = "gpu-memory"
DEVICES: Final = "gpu-fraction-num-devices"

_NONE: Final = Quantity(0)
Amounts = dict[str, Quantity]


@dataclass(frozen=True, slots=True)
class Requested:
    """What a pod asks for.

    Attributes:
        cpu: millicores.
        memory: bytes.
        gpu: GPUs.
        extended: further resources in their own units.
        mixed: whether it asks for whole GPUs and MIG instances, which no node can give to one pod.
    """

    cpu: float
    memory: float
    gpu: GpuRequest
    extended: tuple[tuple[str, float], ...]
    mixed: bool = False


def requested(fields: Fields) -> Requested:
    """Read what a pod asks for."""
    amounts = _amounts(fields)
    gpus = sum(amounts.pop(name, _NONE).units() for name in GPUS)
    mig = {name: amounts.pop(name).units() for name in sorted(amounts) if name.startswith(MIG_PREFIX)}
    mig = {name: count for name, count in mig.items() if count > 0}
    shared = _shared(fields)
    legacy = _legacy(fields)
    gpu = legacy or shared or (mig_instances(mig) if mig else whole_gpus(gpus))
    if shared is not None and gpus:
        fields.find(
            "SNAP-GPU-TWICE",
            ("metadata", "annotations", FRACTION if shared.kind is GpuKind.FRACTION else MEMORY),
            "the pod asks for whole GPUs as well; the scheduler reads the annotation only",
        )
    cpu, memory = amounts.pop("cpu", _NONE), amounts.pop("memory", _NONE)
    amounts.pop("pods", None)
    extended = tuple((name, float(amount.units())) for name, amount in sorted(amounts.items()) if amount.nanos)
    mixed = gpu.kind is GpuKind.MIG and not gpu.legacy and gpus > 0
    return Requested(float(cpu.milli()), float(memory.units()), gpu, extended, mixed)


def _amounts(fields: Fields) -> Amounts:
    """All containers together, or the hungriest that runs before them beside the sidecars started by then."""
    total = _sum(fields, "containers")
    sidecars: Amounts = {}
    peak: Amounts = {}
    for index, container in enumerate(fields.items("spec", "initContainers")):
        own = _container(fields, ("spec", "initContainers", index))
        if at(container, "restartPolicy") == "Always":
            sidecars = _joined(sidecars, own, Quantity.__add__)
        else:
            peak = _joined(peak, _joined(own, sidecars, Quantity.__add__), max)
    total = _joined(_joined(total, sidecars, Quantity.__add__), peak, max)
    overhead = fields.quantities("spec", "overhead")
    return _joined(total, {name: overhead[name] for name in ("cpu", "memory") if name in overhead}, Quantity.__add__)


def _sum(fields: Fields, kind: str) -> Amounts:
    total: Amounts = {}
    for index, _ in enumerate(fields.items("spec", kind)):
        total = _joined(total, _container(fields, ("spec", kind, index)), Quantity.__add__)
    return total


def _container(fields: Fields, path: DocPath) -> Amounts:
    limits = fields.quantities(*path, "resources", "limits")
    return {**limits, **fields.quantities(*path, "resources", "requests")}


def _joined(left: Amounts, right: Amounts, how: Callable[[Quantity, Quantity], Quantity]) -> Amounts:
    return {name: how(left.get(name, _NONE), right.get(name, _NONE)) for name in left | right}


# --- parts of GPUs --------------------------------------------------------------------------------------------------


def _shared(fields: Fields) -> GpuRequest | None:
    """GPUs asked for by annotation, or None: a fraction counts before memory, and either times the devices."""
    memory = _memory(fields)
    portion = _fraction(fields)
    devices = _devices(fields) if memory is not None or portion is not None else 1
    if portion is not None:
        if memory is not None:
            path = ("metadata", "annotations", MEMORY)
            fields.find("SNAP-GPU-TWICE", path, f"{FRACTION} is there as well, and the scheduler reads that one only")
        return gpu_fraction(portion, devices)
    return None if memory is None else gpu_memory(memory, devices)


def _memory(fields: Fields) -> int | None:
    written = fields.annotations.get(MEMORY)
    if written is None:
        return None
    value = whole(written)
    if value is not None and value > 0:
        return value
    _odd(fields, MEMORY, written, "a whole number of MiB above 0")
    return None


def _fraction(fields: Fields) -> float | None:
    written = fields.annotations.get(FRACTION)
    if written is None:
        return None
    try:
        value = float(written) if "_" not in written else math.nan
    except ValueError:
        value = math.nan
    if 0 < value <= 1:
        return value
    _odd(fields, FRACTION, written, "a part of a GPU above 0 and at most 1")
    return None


def _devices(fields: Fields) -> int:
    written = fields.annotations.get(DEVICES)
    if not written:
        return 1
    value = whole(written)
    if value is not None and value > 0:
        return value
    _odd(fields, DEVICES, written, "a whole number of GPUs above 0")
    return 1


def _legacy(fields: Fields) -> GpuRequest | None:
    """MIG instances asked for by annotation, as old schedulers took them; newer ones refuse such pods."""
    found = {}
    for name, written in fields.annotations.items():
        count = whole(written) if name.startswith(MIG_PREFIX) else None
        if count is not None:
            found[name] = count
    return mig_instances(found, legacy=True) if found else None


def _odd(fields: Fields, name: str, written: str, expected: str) -> None:
    message = f"{name} is {written!r}, not {expected}; the scheduler passes over it"
    fields.find("SNAP-ANNOTATION", ("metadata", "annotations", name), message)


def whole(text: str) -> int | None:
    """Return a whole number as Go's ``strconv`` reads it in base ten, or None."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
