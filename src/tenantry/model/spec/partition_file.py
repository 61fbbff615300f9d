"""The file that says which slices are wanted and which instances are there; no document of a spec."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.spec.base import Count, Flag, Host, Name, Positive, ShortName, SpecModel

GpuIndex = Annotated[int, Field(strict=True, ge=0, le=63)]
MemorySlice = Annotated[int, Field(strict=True, ge=0, le=7)]


class WantedSlices(SpecModel):
    """Slices of one profile, those that run already included."""

    profile: str
    """MIG profile such as ``1g.18gb``; ``gpu`` for whole GPUs."""
    count: Count
    """How many."""
    tenant: Name | None = None
    """For whom; anybody when omitted."""
    priority: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """At 1 and above guaranteed: higher ones first, whatever changes it takes. At 0 weighed against changes."""
    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    """Worth of each memory slice served, relative to others of the same priority."""


class RunningInstance(SpecModel):
    """An instance that exists on a GPU."""

    profile: str
    """MIG profile; ``gpu`` for a GPU that is not partitioned."""
    start: MemorySlice
    """Its first memory slice, as ``nvidia-smi mig -lgi`` shows it."""
    pinned: Flag = False
    """Whether it stays exactly where it is."""
    tenant: Name | None = None
    """Whose it is; unknown when omitted."""


class NodeGpu(SpecModel):
    """What one GPU of a node holds."""

    gpu: GpuIndex
    """Its number on the node."""
    instances: list[RunningInstance] = []
    """Its instances; partitioned without any when empty."""


class PoolDemand(SpecModel):
    """What is wanted of one node pool, and what is there."""

    demand: list[WantedSlices] | None = None
    """Slices that are wanted; the quotas of the tenants when omitted."""
    nodes: dict[Host, list[NodeGpu]] = {}
    """Present state by node; GPUs not named are as the spec says."""


class CostsOfChange(SpecModel):
    """What changes cost, in the worth of memory slices at weight 1."""

    gpu: Count = 1
    """Per GPU whose layout changes."""
    node: Count = 8
    """Per node with such a GPU."""


class MinutesOfChange(SpecModel):
    """How long the steps of a change take; the defaults are assumptions, not measurements."""

    drain: Count = 15
    """Until the pods of a node are gone."""
    reconfigure: Positive = 5
    """Until the MIG manager has reset and partitioned the GPUs of a node and its device plugin offers them."""


class PartitionFile(SpecModel):
    """Wanted slices and present state, by node pool."""

    pools: dict[ShortName, PoolDemand] = {}
    """Node pools by name; others are planned from quotas."""
    costs: CostsOfChange = CostsOfChange()
    """What changes cost."""
    minutes: MinutesOfChange = MinutesOfChange()
    """How long changes take."""
