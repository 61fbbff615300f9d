"""Which running jobs may be evicted for a waiting one, and what spares the others.

Source: pkg/scheduler/actions/reclaim/reclaim.go and actions/preempt/preempt.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.inspection import Spared
from tenantry.fair.kai.min_runtime import protected
from tenantry.fair.kai.reclaimable import may_lose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job


def losing_queues(session: Session, job: Job) -> dict[str, bool]:
    """Whether each leaf queue can have something reclaimed for a job at all."""
    return {name: may_lose(session, job, queue) for name, queue in session.queues.items() if queue.leaf}


def spared_by_reclaim(session: Session, job: Job, victim: Job, losing: Mapping[str, bool]) -> Spared | None:
    """What keeps a job from being reclaimed for another, or None."""
    if victim.queue == job.queue:
        return Spared.SAME_QUEUE
    if not victim.preemptible:
        return Spared.NOT_PREEMPTIBLE
    if not victim.active:
        return Spared.HOLDS_NOTHING
    if not losing.get(victim.queue, True):
        return Spared.WITHIN_SHARE
    # Elastic jobs may lose what is above their minimum even while they are protected.
    if not victim.elastic and protected(session, "reclaim", job, victim):
        return Spared.PROTECTED
    return None


def spared_by_preempt(session: Session, job: Job, victim: Job) -> Spared | None:
    """What keeps a job from being preempted for another, or None."""
    if victim is job or victim.queue != job.queue:
        return Spared.OTHER_QUEUE
    if not victim.preemptible:
        return Spared.NOT_PREEMPTIBLE
    if victim.priority >= job.priority:
        return Spared.PRIORITY
    if not victim.active:
        return Spared.HOLDS_NOTHING
    if not victim.elastic and protected(session, "preempt", job, victim):
        return Spared.PROTECTED
    return None
