"""Jobs and pods as a batch scheduler sees them: gangs, subgroups, requests, and where each pod stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.model.selector import Requirement

DEFAULT_SUBGROUP = "default"
"""Subgroup of pods that name none."""

PREEMPTIBLE_BELOW = 100
"""Jobs of this priority and above are not evicted unless they say so (KAI, pkg/common/podgroup/preemptible.go)."""

DEFAULT_JOB_PRIORITY = 50
"""Priority of a job whose class is unknown (KAI, pkg/common/constants/constants.go)."""


class PodStatus(IntFlag):
    """Where a pod stands in one scheduling cycle (KAI scheduler, pkg/scheduler/api/pod_status)."""

    PENDING = 1
    GATED = 2
    ALLOCATED = 4
    PIPELINED = 8
    BINDING = 16
    BOUND = 32
    RUNNING = 64
    RELEASING = 128
    SUCCEEDED = 256
    FAILED = 512
    UNKNOWN = 1024
    DELETED = 2048
    STUCK = 4096

    @property
    def word(self) -> str:
        """Name as outputs spell it."""
        return "StuckInReleasing" if self is PodStatus.STUCK else (self.name or "").capitalize()


ALLOCATED = PodStatus.ALLOCATED | PodStatus.BOUND | PodStatus.BINDING | PodStatus.RUNNING
"""Counted against quotas: holds its resources."""
ACTIVE_ALLOCATED = ALLOCATED | PodStatus.PIPELINED
"""Holds its resources or is promised them."""
ACTIVE_USED = ACTIVE_ALLOCATED | PodStatus.RELEASING | PodStatus.STUCK
"""Still occupies its node."""
ALIVE = ACTIVE_ALLOCATED | PodStatus.PENDING | PodStatus.GATED
"""Counts towards the members a gang needs."""


class GpuKind(StrEnum):
    """How a pod asks for GPUs."""

    WHOLE = "whole"
    FRACTION = "fraction"
    MEMORY = "memory"
    MIG = "mig"


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """GPUs of one pod.

    Attributes:
        kind: how they are asked for; ``whole`` with no devices for a pod without GPUs.
        devices: GPUs, or GPUs a part is taken of.
        portion: part of each device, 0 to 1.
        memory: MiB of each device, when asked by memory.
        mig: count per MIG resource, for example ``{"nvidia.com/mig-3g.71gb": 1}``.
        legacy: asked for by an annotation that newer schedulers refuse.
    """

    kind: GpuKind = GpuKind.WHOLE
    devices: int = 0
    portion: float = 0.0
    memory: int = 0
    mig: tuple[tuple[str, int], ...] = ()
    legacy: bool = False


def whole_gpus(count: int) -> GpuRequest:
    """Request whole GPUs; 0 for none."""
    return GpuRequest(GpuKind.WHOLE, count, 1.0 if count else 0.0)


def gpu_fraction(portion: float, devices: int = 1) -> GpuRequest:
    """Request a part of each of some GPUs; a portion of 1 is a whole GPU that is shared with nobody."""
    return GpuRequest(GpuKind.FRACTION, devices, portion)


def gpu_memory(mebibytes: int, devices: int = 1) -> GpuRequest:
    """Request memory on each of some GPUs, in MiB."""
    return GpuRequest(GpuKind.MEMORY, devices, 0.0, mebibytes)


def mig_instances(counts: dict[str, int], *, legacy: bool = False) -> GpuRequest:
    """Request MIG instances by resource name."""
    return GpuRequest(GpuKind.MIG, mig=tuple(sorted(counts.items())), legacy=legacy)


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint a pod accepts; empty fields match anything, as in Kubernetes."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One alternative of a required node affinity: all expressions must hold.

    Attributes:
        expressions: requirements on labels of the node.
        names: names the node must be one of, or must not (``matchFields`` on ``metadata.name``), with the operator.
    """

    expressions: tuple[Requirement, ...] = ()
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """What a pod demands of its node besides room.

    Attributes:
        selector: labels the node must carry.
        terms: alternatives of the required node affinity; None when there is none.
        tolerations: taints it accepts.
        host_ports: ports of the node it takes, as protocol, address and number.
        nominated: node promised to it by its status.
    """

    selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[NodeTerm, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()
    host_ports: tuple[tuple[str, str, int], ...] = ()
    nominated: str = ""


ANYWHERE = Placement()


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a job.

    Attributes:
        name: identifier, unique in a moment.
        status: where it stands.
        node: node it is on or bound to.
        gpu: GPUs it asks for.
        cpu: millicores.
        memory: bytes.
        extended: further resources by name.
        subgroup: subgroup of its job it belongs to.
        groups: shared GPUs it holds a part of, by name.
        created: seconds on the clock of the moment.
        leader: master or launcher of a Kubeflow job, placed first.
        head: head of a Ray cluster, placed first after leaders.
        order: explicit order among the pods of its job, larger first; None when not given.
        placement: demands on its node.
        likeness: what a scheduler that skips jobs like one that failed compares of the pod; None for the priority of
            its job and its placement.
    """

    name: str
    status: PodStatus = PodStatus.PENDING
    node: str = ""
    gpu: GpuRequest = GpuRequest()
    cpu: float = 0.0
    memory: float = 0.0
    extended: tuple[tuple[str, float], ...] = ()
    subgroup: str = ""
    groups: tuple[str, ...] = ()
    created: int = 0
    leader: bool = False
    head: bool = False
    order: int | None = None
    placement: Placement = ANYWHERE
    likeness: str | None = None


@dataclass(frozen=True, slots=True)
class TopologyConstraint:
    """Pods of a group belong together in one domain of a topology.

    Attributes:
        topology: name of the topology.
        required: level (node label) within which they must stay; empty for none.
        preferred: level within which they should stay; empty for none.
    """

    topology: str
    required: str = ""
    preferred: str = ""


@dataclass(frozen=True, slots=True)
class Subgroup:
    """A node of the tree of groups inside a job. Leaves hold pods, inner nodes hold subgroups.

    Attributes:
        name: name, unique in its job; empty for the root.
        minimum: leaf: pods that must run together; inner node: subgroups that must, None for all of them.
        children: subgroups of an inner node; empty for a leaf.
        constraint: where its pods belong together.
        leaf: whether it holds pods.
    """

    name: str
    minimum: int | None = None
    children: tuple[Subgroup, ...] = ()
    constraint: TopologyConstraint | None = None
    leaf: bool = True


def gang(minimum: int, constraint: TopologyConstraint | None = None) -> Subgroup:
    """The tree of a flat job of which so many pods must run together."""
    return Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, minimum),), constraint, leaf=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A gang of pods (a PodGroup).

    Attributes:
        name: identifier, unique in a moment.
        queue: leaf queue it was submitted to.
        pods: its pods.
        root: tree of its subgroups; a flat gang of all its pods when None.
        namespace: namespace.
        priority: larger runs first within its queue.
        preemptible: whether it may be evicted for others; by its priority when None.
        created: seconds on the clock of the moment.
        started: when it last started to run; None when it never did.
        evicted: when it was last evicted; None when never.
        preemption_delay: seconds it waits before it may have others evicted.
        stale_since: since when it runs with fewer pods than its gang needs.
        staleness_grace: seconds such a gang is left alone; negative for ever, None for the scheduler's default.
        unmodelled: what it demands that no model here knows, so that its pods are counted but never placed; empty when
            everything is known.
    """

    name: str
    queue: str
    pods: tuple[Pod, ...] = ()
    root: Subgroup | None = None
    namespace: str = ""
    priority: int = DEFAULT_JOB_PRIORITY
    preemptible: bool | None = None
    created: int = 0
    started: int | None = None
    evicted: int | None = None
    preemption_delay: int = 0
    stale_since: int | None = None
    staleness_grace: int | None = None
    unmodelled: str = ""

    @property
    def may_be_evicted(self) -> bool:
        """Whether others may take its place."""
        return self.priority < PREEMPTIBLE_BELOW if self.preemptible is None else self.preemptible
