"""Short ways to write a moment: whole GPUs, plenty of CPU and memory, queues free unless they say otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tenantry.model.job import Job, Pod, PodStatus, gang, whole_gpus
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import UNLIMITED, Entitled, Queue

NOW = 1_000_000
DAY = 86_400
CORE, GIB = 1000.0, 2.0**30


def node(name: str, gpus: int = 8, **changes: Any) -> Node:
    """A node with 100 cores and 1 TiB."""
    return replace(Node(name, float(gpus), 100 * CORE, 1024 * GIB, gpu_memory=81_500), **changes)


def queue(
    name: str, quota: float = 0, *, limit: float = UNLIMITED, weight: float = 1, parent: str = "", **changes: Any
) -> Queue:
    """A queue entitled to GPUs; CPU and memory are free."""
    return replace(Queue(name, parent, Entitled(quota, limit, weight)), **changes)


def running(
    name: str,
    of: str,
    gpus: int,
    on: str | tuple[str, ...],
    *,
    ran: int = DAY,
    minimum: int | None = None,
    **changes: Any,
) -> Job:
    """A job with one running pod per node named, each with so many GPUs, that started ``ran`` seconds ago."""
    nodes = (on,) if isinstance(on, str) else on
    pods = tuple(
        Pod(f"{name}-{number}", PodStatus.RUNNING, where, whole_gpus(gpus), CORE, GIB, created=NOW - ran)
        for number, where in enumerate(nodes)
    )
    root = gang(len(pods) if minimum is None else minimum)
    return replace(Job(name, of, pods, root, "work", created=NOW - ran, started=NOW - ran), **changes)


def waiting(
    name: str, of: str, gpus: int, pods: int = 1, *, age: int = 60, minimum: int | None = None, **changes: Any
) -> Job:
    """A job whose pods wait for so many GPUs each, submitted ``age`` seconds ago; a gang of all unless told."""
    members = tuple(
        Pod(f"{name}-{number}", gpu=whole_gpus(gpus), cpu=CORE, memory=GIB, created=NOW - age) for number in range(pods)
    )
    return replace(
        Job(name, of, members, gang(pods if minimum is None else minimum), "work", created=NOW - age), **changes
    )


def moment(queues: list[Queue], nodes: list[Node], jobs: list[Job], **changes: Any) -> Moment:
    """All of it, now."""
    return replace(Moment(NOW, tuple(queues), tuple(jobs), tuple(nodes)), **changes)
