"""How long a job runs before others may take its place.

Source: pkg/scheduler/plugins/minruntime (minruntime.go, resolver.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.rules import Settings
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task


def minimum_between(mine: Queue, other: Queue, settings: Settings) -> int:
    """Seconds a job of one leaf queue (``other``) runs before a job of another one may have it evicted."""
    default = settings.reclaim_min_runtime
    path = other.path()
    if settings.reclaim_by_queue:
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


def minimum_within(queue: Queue, settings: Settings) -> int:
    """Seconds a job runs before a job of its own leaf queue may have it evicted."""
    for ancestor in queue.up():
        if ancestor.model.preempt_min_runtime is not None:
            return ancestor.model.preempt_min_runtime
    return settings.preempt_min_runtime


def possible_minimums(queue: Queue, settings: Settings) -> frozenset[int]:
    """All times, in seconds, for which a job of a leaf queue may be protected from anybody."""
    found = {settings.reclaim_min_runtime, settings.preempt_min_runtime}
    for ancestor in queue.up():
        found |= {ancestor.model.reclaim_min_runtime or 0, ancestor.model.preempt_min_runtime or 0}
    return frozenset(value for value in found if value > 0)


def protected(session: Session, action: str, preemptor: Job, victim: Job) -> bool:
    """Whether a victim has not run long enough to be evicted; one that never started is not protected."""
    if "minruntime" not in session.plugins or victim.started is None:
        return False
    mine, other, settings = session.queues.get(preemptor.queue), session.queues.get(victim.queue), session.settings
    if action == "reclaim":
        minimum = settings.reclaim_min_runtime
        if mine is not None and other is not None:
            minimum = minimum_between(mine, other, settings)
    else:
        minimum = minimum_within(other, settings) if other is not None else settings.preempt_min_runtime
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
