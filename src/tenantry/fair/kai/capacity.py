"""Limits, and quotas of jobs that may not be evicted, at every level of the tree.

Source: pkg/scheduler/plugins/proportion/capacity_policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.asks import RESOURCES
from tenantry.model.job import GpuKind
from tenantry.model.queue import UNLIMITED
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task

Refusal = tuple[Gate, dict[str, Any]]


def job_refused(session: Session, job: Job, tasks: Iterable[Task]) -> Refusal | None:
    """Why tasks of a job would take a queue over its limit or quota, or None."""
    if "proportion" not in session.plugins or unbounded(session, job):
        return None
    asked = asked_amounts(session, tasks)
    return over_limit(session, job, asked) or over_quota(session, job, asked)


def unbounded(session: Session, job: Job) -> bool:
    """Whether no amount is refused: there is no limit above the job, and it may be evicted."""
    leaf = session.queues.get(job.queue)
    return job.preemptible and (leaf is None or not leaf.limited)


def asked_amounts(session: Session, tasks: Iterable[Task]) -> tuple[float, float, float]:
    """CPU, memory and GPUs of tasks; memory of GPUs counts by the largest GPU of the cluster."""
    cpu = memory = gpus = 0.0
    for task in tasks:
        amounts = session.axes.quantities(task.ask.vector)
        cpu += amounts[0]
        memory += amounts[1]
        if task.ask.kind is not GpuKind.MEMORY or not session.settings.rules.limits_count_memory:
            gpus += amounts[2]
        elif session.largest_gpu is not None:
            gpus += task.ask.memory_as_gpus(session.largest_gpu)
    return (cpu, memory, gpus)


def over_limit(session: Session, job: Job, asked: Sequence[float]) -> Refusal | None:
    """Why amounts would take a queue above its limit, or None; the nearest queue is named."""
    leaf = session.queues.get(job.queue)
    for queue in leaf.up() if leaf is not None else ():
        for name, share, amount in zip(RESOURCES, queue.shares, asked, strict=True):
            if share.limit != UNLIMITED and amount and share.limit < share.allocated + amount:
                facts = {"queue": queue.name, "resource": name, "limit": share.limit}
                return Gate.OVER_LIMIT, {**facts, "allocated": share.allocated, "requested": amount}
    return None


def over_quota(session: Session, job: Job, asked: Sequence[float]) -> Refusal | None:
    """Why amounts of a job that may not be evicted would take a queue above its quota, or None."""
    if job.preemptible:
        return None
    leaf = session.queues.get(job.queue)
    for queue in leaf.up() if leaf is not None else ():
        for name, share, amount in zip(RESOURCES, queue.shares, asked, strict=True):
            if share.quota != UNLIMITED and amount and share.quota < share.lasting + amount:
                facts = {"queue": queue.name, "resource": name, "quota": share.quota}
                return Gate.LASTING_OVER_QUOTA, {**facts, "lasting": share.lasting, "requested": amount}
    return None
