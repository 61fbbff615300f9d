"""Queues: who is entitled to how much of a cluster, in a tree of any depth."""

from __future__ import annotations

from dataclasses import dataclass

UNLIMITED = -1.0
"""Written for a quota or limit that does not bound anything."""

DEFAULT_QUEUE_PRIORITY = 100
"""Priority of a queue that names none (KAI scheduler, pkg/common/constants/constants.go)."""


@dataclass(frozen=True, slots=True)
class Entitled:
    """What a queue is entitled to of one resource.

    Attributes:
        quota: amount it always gets back; :data:`UNLIMITED` for everything.
        limit: most it may use at one time; :data:`UNLIMITED` for no bound.
        weight: share of what is left over, relative to its siblings; 0 never borrows.
    """

    quota: float = 0.0
    limit: float = UNLIMITED
    weight: float = 0.0


FREE = Entitled(UNLIMITED, UNLIMITED, 1.0)
"""A resource that nobody bounds."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A node of the queue tree; only leaves take jobs.

    Attributes:
        name: name, unique in its tree.
        parent: name of its parent; empty for a top queue.
        gpu: entitlement in GPUs.
        cpu: entitlement in millicores.
        memory: entitlement in bytes.
        priority: larger is served first.
        created: seconds on the clock of the moment it belongs to.
        reclaim_min_runtime: seconds a job runs before another queue may reclaim its GPUs; None inherits.
        preempt_min_runtime: seconds a job runs before a job of its own queue may preempt it; None inherits.
        usage: share of the cluster it used lately, for GPUs, CPU and memory (0 to 1), weighed by time-based fair share.
    """

    name: str
    parent: str = ""
    gpu: Entitled = Entitled()
    cpu: Entitled = FREE
    memory: Entitled = FREE
    priority: int = DEFAULT_QUEUE_PRIORITY
    created: int = 0
    reclaim_min_runtime: int | None = None
    preempt_min_runtime: int | None = None
    usage: tuple[float, float, float] = (0.0, 0.0, 0.0)
