"""``Workload``: the needs of one class of work."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tenantry.model.spec.base import Document, Flag, Name, Positive, QuantityText, ShortName, SpecModel
from tenantry.model.spec.platform import SharingMode

PositiveNumber = Annotated[float, Field(gt=0, le=1e12)]
_REPLICAS = re.compile(r"(mps|time-slicing)-([1-9][0-9]{0,2})", re.ASCII)


def replicas_of(key: str) -> tuple[SharingMode, int] | None:
    """Return mode and copies of a key of ``speed`` such as ``mps-4``; None for any other key.

    At least 2 and at most 128 copies, as ``sharing.replicas`` of a node pool.
    """
    match = _REPLICAS.fullmatch(key)
    if match is None or not 2 <= int(match[2]) <= 128:
        return None
    return SharingMode(match[1]), int(match[2])


class Trust(StrEnum):
    """How far a class of work may share a GPU."""

    OWN_TEAM = "own-team"
    ANY_TENANT = "any-tenant"
    NOBODY = "nobody"


class Rdma(SpecModel):
    """Virtual functions a pod needs."""

    fabric: ShortName
    """Fabric of the platform."""
    vfs_per_gpu: Positive = 1
    """Virtual functions per GPU."""


class Latency(SpecModel):
    """A latency goal."""

    percentile: Annotated[float, Field(gt=0, le=100)] = 99.0
    """Percentile of requests, in percent."""
    milliseconds: PositiveNumber
    """Goal for that percentile."""


class WorkloadSpec(SpecModel):
    """What one class of work needs."""

    description: str = ""
    """What the work is."""
    tenants: list[Name] = []
    """Tenants that run it; any when empty."""
    pools: list[ShortName] = []
    """Node pools it may run in; any when empty."""
    gpus: Positive = 1
    """GPUs (or slices) of one pod."""
    pods: Positive = 1
    """Pods of one job, started together."""
    gpu_memory: QuantityText
    """Memory needed on each GPU or slice."""
    pattern: Literal["training", "inference", "interactive", "batch"] = "batch"
    """Shape of the work over time."""
    latency: Latency | None = None
    """Latency goal of an inference service."""
    burstiness: PositiveNumber | None = None
    """Ratio of peak to mean request rate."""
    trust: Trust = Trust.OWN_TEAM
    """Who may run on the same GPU at the same time; ``own-team`` and ``any-tenant`` may sit beside another tenant's MIG
    slice, which hardware isolates, and ``nobody`` takes the whole GPU."""
    nvlink: Flag = False
    """Whether GPUs of one pod must be joined by NVLink."""
    rdma: Rdma | None = None
    """Virtual functions."""
    speed: dict[str, PositiveNumber] = {}
    """Measured speed of one pod in work per second, in any one unit, per MIG profile, ``whole``, ``mps-4`` or
    ``time-slicing-4`` (one of four copies on a GPU); with a latency goal, the highest speed that holds it."""


class Workload(Document):
    """A class of work."""

    kind: Literal["Workload"]
    """Always ``Workload``."""
    spec: WorkloadSpec
    """What it needs."""
