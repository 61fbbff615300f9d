"""How long a job runs before others may take its place.

Source: pkg/scheduler/plugins/minruntime (minruntime.go, resolver.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task


def reclaim_minimum(session: Session, reclaimer: Job, victim: Job) -> int:
    """Seconds a victim runs before a job of another queue may have it evicted."""
    default = session.settings.reclaim_min_runtime
    mine, other = session.queues.get(reclaimer.queue), session.queues.get(victim.queue)
    if mine is None or other is None:
        return default
    path = other.path()
    if session.settings.reclaim_by_queue:
        considered = path[::-1]
    else:
        own = mine.path()
        if own[0] is not path[0]:
            # Below different top queues only the top one is asked, whatever deeper ones say (a quirk).
            return default if path[0].model.reclaim_min_runtime is None else path[0].model.reclaim_min_runtime
        common = -1
        for left, right in zip(own, path, strict=False):
            if left is not right:
                break
            common += 1
        considered = path[: min(common + 2, len(path))][::-1]
    for queue in considered:
        if queue.model.reclaim_min_runtime is not None:
            return queue.model.reclaim_min_runtime
    return default


def preempt_minimum(session: Session, victim: Job) -> int:
    """Seconds a victim runs before a job of its own queue may have it evicted."""
    queue = session.queues.get(victim.queue)
    for ancestor in queue.up() if queue is not None else ():
        if ancestor.model.preempt_min_runtime is not None:
            return ancestor.model.preempt_min_runtime
    return session.settings.preempt_min_runtime


def protected(session: Session, action: str, preemptor: Job, victim: Job) -> bool:
    """Whether a victim has not run long enough to be evicted; one that never started is not protected."""
    if "minruntime" not in session.plugins or victim.started is None:
        return False
    minimum = reclaim_minimum(session, preemptor, victim) if action == "reclaim" else preempt_minimum(session, victim)
    return session.now < victim.started + minimum


def breaks_minimum(session: Session, action: str, preemptor: Job, victims: Mapping[str, Sequence[Task]]) -> str | None:
    """Name of a protected elastic job that victims would take below its minimum, or None.

    Elastic jobs may lose what is above their minimum at any time. Victims that find another place count too (a quirk).
    """
    for uid, tasks in victims.items():
        job = session.jobs[uid]
        if not job.elastic or not protected(session, action, preemptor, job):
            continue
        taken: dict[str, int] = {}
        for task in tasks:
            taken[task.subgroup] = taken.get(task.subgroup, 0) + 1
        for name, count in taken.items():
            leaf = job.leaf_sets[name]
            if leaf.minimum > leaf.used - count:
                return uid
    return None
