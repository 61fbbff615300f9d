"""One scheduling cycle from a moment to its decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.allocate import allocate
from tenantry.fair.kai.evicting import consolidation, preempt, reclaim, stale_gang_eviction
from tenantry.fair.kai.session import Session
from tenantry.model.schedule import Cycle, Gate, QueueView

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.rules import Settings
    from tenantry.model.moment import Moment

ACTIONS: dict[str, Callable[[Session], None]] = {
    "allocate": allocate,
    "consolidation": consolidation,
    "reclaim": reclaim,
    "preempt": preempt,
    "stalegangeviction": stale_gang_eviction,
}
"""What a cycle is made of, by the names the scheduler's settings use."""


def run_cycle(moment: Moment, settings: Settings) -> tuple[Cycle, Session]:
    """Run the actions of one cycle; return what was decided and the cluster as it stands then.

    Raises:
        KeyError: if the settings name an action or version that does not exist.
    """
    session = Session(moment, settings)
    _note_unfit(session)
    for name in settings.actions:
        session.record.action = name
        ACTIONS[name](session)
    return outcome(session), session


def outcome(session: Session) -> Cycle:
    """What a cycle has decided so far."""
    held = {
        uid: tuple(gates.values())
        for uid, gates in sorted(session.record.held.items())
        if (job := session.jobs.get(uid)) is not None and job.pending
    }
    views = tuple(view(queue) for queue in session.queues.values())
    return Cycle(
        decisions=tuple(session.record.decisions),
        held=held,
        queues=tuple(sorted(views, key=lambda item: item.name)),
        started=tuple(session.record.started),
        stale={uid: job.stale_since for uid, job in sorted(session.jobs.items()) if job.stale_since is not None},
    )


def _note_unfit(session: Session) -> None:
    """Note the jobs that no action looks at."""
    session.record.action = "snapshot"
    for job in session.jobs.values():
        if not job.pending:
            continue
        queue = session.queues.get(job.queue)
        if queue is None:
            session.record.hold(job, Gate.QUEUE_MISSING, queue=job.queue)
        elif not queue.leaf:
            session.record.hold(job, Gate.QUEUE_NOT_LEAF, queue=job.queue)
        elif not job.ready:
            missing = [leaf for leaf in job.leaf_sets.values() if not leaf.ready]
            facts = {leaf.name: {"pods": leaf.alive, "gated": leaf.gated, "needed": leaf.minimum} for leaf in missing}
            session.record.hold(job, Gate.NOT_READY, groups=facts)


def view(queue: Queue) -> QueueView:
    """What a queue is due and holds now."""
    cpu, memory, gpu = queue.shares
    return QueueView(
        name=queue.name,
        parent=queue.parent.name if queue.parent is not None else "",
        quota=(cpu.quota, memory.quota, gpu.quota),
        limit=(cpu.limit, memory.limit, gpu.limit),
        weight=(cpu.weight, memory.weight, gpu.weight),
        fair=(cpu.fair, memory.fair, gpu.fair),
        requested=(cpu.requested, memory.requested, gpu.requested),
        allocated=(cpu.allocated, memory.allocated, gpu.allocated),
        lasting=(cpu.lasting, memory.lasting, gpu.lasting),
        priority=queue.priority,
    )
