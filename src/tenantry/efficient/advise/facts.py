"""What a decision reads: facts about a class of work, and facts about a node pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tenantry.model.spec import SharingMode, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.efficient.advise.option import Option
    from tenantry.model.gpu import Gpu

GIB = 1024**3
MIB = 1024**2
WHOLE = "whole"
"""Key of the whole GPU among speeds."""
INTERACTIVE = "interactive"
"""Pattern of work that waits for a person most of the time: it is counted in sessions, not in speed."""


class Verdict(StrEnum):
    """What is known about a way of sharing, or about the choice among all of them."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Speed:
    """A measured speed.

    Attributes:
        value: work per second of one copy.
        where: file and line it stands in, or the table it comes from.
    """

    value: float
    where: str = ""


@dataclass(frozen=True)
class WorkFacts:
    """A class of work, as far as sharing is concerned.

    Attributes:
        name: name of the class.
        memory: bytes needed on each GPU or slice, above zero.
        gpus: GPUs or slices of one pod.
        pattern: ``training``, ``inference``, ``interactive`` or ``batch``.
        latency: percentile and milliseconds of the goal, None without one.
        burstiness: peak to mean, None when not stated.
        trust: who may run on the same GPU at the same time.
        nvlink: whether GPUs of a pod must be joined by NVLink.
        fabric: fabric whose virtual functions a pod needs, empty for none.
        vfs: virtual functions per GPU.
        tenants: tenants that run it; all of the platform when the document names none.
        speeds: measured speed of one copy by key of the option (:attr:`Option.key`); one unit for all. With a latency
            goal, the highest speed that holds it.
        failed: keys of options that were measured and cannot do it: too little memory, or the goal is missed.
    """

    name: str
    memory: int
    gpus: int = 1
    pattern: str = "batch"
    latency: tuple[float, float] | None = None
    burstiness: float | None = None
    trust: Trust = Trust.OWN_TEAM
    nvlink: bool = False
    fabric: str = ""
    vfs: int = 1
    tenants: tuple[str, ...] = ()
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def interactive(self) -> bool:
        """Whether it waits for a person most of the time."""
        return self.pattern == INTERACTIVE


@dataclass(frozen=True)
class PoolFacts:
    """A node pool, as far as sharing is concerned.

    Attributes:
        name: name of the pool.
        gpu: GPU model.
        gpus_per_node: GPUs of each server.
        nvlink: whether the GPUs of a server are joined by NVLink; None when not known.
        sharers: tenants with a quota in the pool, sorted.
        quotas: extended resources that each of them has a quota for.
        vfs: virtual functions per server, by fabric.
        driver: driver version, empty when the node image brings one that the spec does not name.
        coherent: why MIG is excluded by this driver on this GPU; empty when it is not, None when not known.
        mig_elsewhere: other pools of the platform that are partitioned with MIG.
        mps_elsewhere: other pools of the platform that are shared by MPS.
        mode: how GPUs are shared now.
        replicas: copies per GPU now, 0 without replicas.
        offered: options that the pool offers now.
        slices: an option for each MIG profile, larger ones first.
    """

    name: str
    gpu: Gpu
    gpus_per_node: int = 8
    nvlink: bool | None = True
    sharers: tuple[str, ...] = ()
    quotas: Mapping[str, frozenset[str]] = field(default_factory=dict)
    vfs: Mapping[str, int] = field(default_factory=dict)
    driver: str = ""
    coherent: str | None = ""
    mig_elsewhere: tuple[str, ...] = ()
    mps_elsewhere: tuple[str, ...] = ()
    mode: SharingMode = SharingMode.WHOLE
    replicas: int = 0
    offered: tuple[Option, ...] = ()
    slices: tuple[Option, ...] = ()

    @property
    def memory(self) -> int:
        """Memory of a whole GPU in bytes."""
        return self.gpu.memory_mib * MIB
