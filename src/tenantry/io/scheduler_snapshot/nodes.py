"""Nodes as the scheduler reads them: what they offer, whether they are ready, what their labels say of their GPUs.

Source: pkg/scheduler/api/node_info/node_info.go and scheduler_util/scheduler_utils.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.scheduler_snapshot.requests import GPUS, whole
from tenantry.model.moment import Node, Taint
from tenantry.model.reading import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.io.scheduler_snapshot.fields import Fields

GPU_MEMORY: Final = "nvidia.com/gpu.memory"
GPU_COUNT: Final = "nvidia.com/gpu.count"
MIG_STRATEGY: Final = "nvidia.com/mig.strategy"
MIG_ENABLED: Final = "node-role.kubernetes.io/mig-enabled"

_MIB: Final = 2**20
_TIB_IN_MIB: Final = 2**20
"""A GPU of this many MiB does not exist: the label is in bytes then, as old versions of feature discovery wrote it."""
_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def node_of(fields: Fields) -> Node:
    """Read a node."""
    offered = fields.quantities("status", "allocatable")
    cpu, memory, pods = (offered.pop(name, None) for name in ("cpu", "memory", "pods"))
    gpus = sum(amount.units() for name in GPUS if (amount := offered.pop(name, None)) is not None)
    enabled = fields.labels.get(MIG_ENABLED)
    return Node(
        name=fields.name,
        gpus=float(gpus),
        cpu=float(cpu.milli()) if cpu else 0.0,
        memory=float(memory.units()) if memory else 0.0,
        pods=float(pods.units()) if pods else 0.0,
        extended=tuple((name, float(amount.units())) for name, amount in sorted(offered.items()) if amount.nanos),
        gpu_memory=_gpu_memory(fields),
        gpu_count=_label_number(fields, GPU_COUNT),
        labels=dict(fields.labels),
        taints=tuple(_taints(fields)),
        mig_enabled=None if enabled is None else enabled in _TRUE,
        mig_strategy=fields.labels.get(MIG_STRATEGY) or "none",
        unready=tuple(_unready(fields)),
    )


def _gpu_memory(fields: Fields) -> int | None:
    memory = _label_number(fields, GPU_MEMORY)
    return memory // _MIB if memory is not None and memory >= _TIB_IN_MIB else memory


def _label_number(fields: Fields, label: str) -> int | None:
    written = fields.labels.get(label)
    if written is None:
        return None
    value = whole(written)
    if value is None:
        fields.find("SNAP-LABEL", ("metadata", "labels", label), f"{label} is {written!r}, which is no whole number")
    return value


def _taints(fields: Fields) -> Iterator[Taint]:
    for taint in fields.items("spec", "taints"):
        yield Taint(text(taint, "key"), text(taint, "value"), text(taint, "effect"))


def _unready(fields: Fields) -> Iterator[str]:
    if fields.boolean("spec", "unschedulable"):
        yield "cordoned"
    for condition in fields.items("status", "conditions"):
        kind, status = text(condition, "type"), text(condition, "status")
        if kind == "Ready" and status != "True":
            yield "not-ready"
        elif kind in _PRESSURES and status != "False":
            yield _WORDS[kind]


_WORDS: Final = {
    "MemoryPressure": "memory-pressure",
    "DiskPressure": "disk-pressure",
    "PIDPressure": "process-pressure",
    "NetworkUnavailable": "network-unavailable",
}
