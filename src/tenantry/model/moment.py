"""A moment: the queues, jobs and nodes a batch scheduler sees at one instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.model.job import Job, Pod
    from tenantry.model.queue import Queue


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as a batch scheduler sees it.

    Attributes:
        name: name.
        gpus: whole GPUs it offers.
        cpu: millicores it offers.
        memory: bytes it offers.
        pods: pods it may hold.
        extended: further resources it offers, MIG instances among them.
        gpu_memory: MiB of each GPU; None when no label says so.
        gpu_count: GPUs its label names, which may differ from what it offers; None when no label says so.
        labels: labels.
        taints: taints.
        mig_enabled: what the label for MIG workers says; None when there is none.
        mig_strategy: ``none``, ``single`` or ``mixed``.
        unready: why nothing may be placed on it; empty when it is ready.
    """

    name: str
    gpus: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    pods: float = 110.0
    extended: tuple[tuple[str, float], ...] = ()
    gpu_memory: int | None = None
    gpu_count: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    mig_enabled: bool | None = None
    mig_strategy: str = "none"
    unready: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """Levels of a topology from the widest to the narrowest, as node labels.

    Attributes:
        name: name.
        levels: node labels, widest first.
        aliases: other names of levels.
    """

    name: str
    levels: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """What a scheduler sees at one instant.

    Attributes:
        now: seconds on a clock that every other time here is read on.
        queues: the queue tree.
        jobs: jobs with their pods.
        nodes: nodes.
        topologies: topologies.
        foreign: pods of other schedulers that occupy nodes.
    """

    now: int
    queues: tuple[Queue, ...]
    jobs: tuple[Job, ...]
    nodes: tuple[Node, ...]
    topologies: tuple[Topology, ...] = ()
    foreign: tuple[Pod, ...] = ()
