"""Other ways to run the same work on the same cluster: what sharing fairly is measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.fair.fifo import FifoScheduler
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler

EVERYBODY = "everybody"
"""The one queue of a cluster without quotas."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to run work.

    Attributes:
        name: ``fair-share``, ``static-partition`` or ``fifo``.
        setup: the cluster as it is set up then.
        scheduler: what decides.
    """

    name: str
    setup: Setup
    scheduler: Scheduler


def fair_share(setup: Setup, scheduler: KaiScheduler) -> Policy:
    """Share the cluster as its queues say."""
    return Policy("fair-share", setup, scheduler)


def static_partition(setup: Setup, scheduler: KaiScheduler) -> Policy:
    """Give every leaf queue its part of the cluster for good: nobody lends, nobody borrows.

    Parts are in proportion to quotas, a queue without a bound counting as if its quota were the whole cluster, and add
    up to all GPUs. Parts of nodes are not assigned: a queue may use any node up to its part, so a partition that cuts
    nodes between queues wastes less here than it would in fact.
    """
    parts = split(setup)
    queues = tuple(
        replace(queue, parent="", gpu=Entitled(parts[queue.name], parts[queue.name], 0.0), cpu=FREE, memory=FREE)
        for queue in setup.queues
        if queue.name in parts
    )
    return Policy("static-partition", replace(setup, queues=queues), scheduler)


def fifo(setup: Setup, scheduler: KaiScheduler) -> Policy:
    """Run jobs strictly in the order they come, whoever they belong to."""
    queues = (Queue(EVERYBODY, gpu=FREE),)
    queue_of = dict.fromkeys(setup.queue_of, EVERYBODY)
    strict = FifoScheduler(scheduler.settings, scheduler.period)
    return Policy("fifo", replace(setup, queues=queues, queue_of=queue_of), strict)


def split(setup: Setup) -> Mapping[str, float]:
    """Whole GPUs of every leaf queue in a partition of the cluster; the largest remainders are rounded up."""
    total = setup.capacity // 1000
    leaves = set(setup.leaves)
    weight = {
        queue.name: float(total) if queue.gpu.quota == UNLIMITED else queue.gpu.quota
        for queue in setup.queues
        if queue.name in leaves
    }
    whole = sum(weight.values())
    if not whole:
        weight = dict.fromkeys(weight, 1.0)
        whole = float(len(weight))
    exact = {name: total * amount / whole for name, amount in weight.items()}
    parts = {name: float(int(amount)) for name, amount in exact.items()}
    order = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in order[: total - int(sum(parts.values()))]:
        parts[name] += 1
    return parts
