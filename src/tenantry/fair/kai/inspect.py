"""Answers what can be asked of the model besides its decisions, from the state its actions would see."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tenantry.fair.inspection import Before, Candidate, Room, Shares, Spared, Stock
from tenantry.fair.kai.asks import GPU
from tenantry.fair.kai.cycle import ACTIONS, outcome, view
from tenantry.fair.kai.min_runtime import minimum_against
from tenantry.fair.kai.predicates import unfit
from tenantry.fair.kai.queues import KEYED, NOTHING_TAKEN, Contender, Precedence
from tenantry.fair.kai.reclaimable import leveled
from tenantry.fair.kai.record import Recorder
from tenantry.fair.kai.session import Session, Statement
from tenantry.fair.kai.sharing import NEW, choose_groups
from tenantry.fair.kai.state import IS_ACTIVE, PENDING
from tenantry.fair.kai.victims import losing_queues, spared_by_preempt, spared_by_reclaim
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.rules import Settings
    from tenantry.fair.kai.session import Committed
    from tenantry.fair.kai.state import Job, Task
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle, Decision

EPSILON = 1e-9
"""Less than this of a resource is nothing: sums of parts of GPUs leave crumbs."""


def shares(moment: Moment, settings: Settings) -> Shares:
    """Say who is due what at the start of a cycle."""
    session = Session(moment, settings)
    cpu = memory = gpus = 0.0
    for node in session.nodes.values():
        if node.ready:
            amounts = session.axes.quantities(node.idle)
            cpu, memory, gpus = cpu + amounts[0], memory + amounts[1], gpus + node.idle_gpus()[0]
    return Shares(tuple(view(queue) for queue in session.queues.values()), session.totals, (cpu, memory, gpus))


def rooms(moment: Moment, settings: Settings, uid: str) -> tuple[Room, ...]:
    """Say how every node looks to the waiting pods of a job once the cycle has placed what it can."""
    session = _after(moment, settings, "allocate")
    job = session.jobs[uid]
    tasks = [task for task in job.chunk(real=True) if task.status == PENDING]
    return tuple(_room(session, tasks, session.nodes[name]) for name in sorted(session.nodes)) if tasks else ()


def candidates(moment: Moment, settings: Settings, uid: str, action: str) -> tuple[Candidate, ...]:
    """Say which running jobs an action may evict for a job, and what spares the others.

    Args:
        moment: the cluster.
        settings: settings of the scheduler.
        uid: the waiting job.
        action: ``reclaim`` or ``preempt``; the cluster is looked at as it stands when the action begins.
    """
    session = _before(moment, settings, action)
    job = session.jobs[uid]
    losing = losing_queues(session, job)
    found = []
    for victim in session.jobs.values():
        reclaims = action == "reclaim"
        spared = (
            spared_by_reclaim(session, job, victim, losing) if reclaims else spared_by_preempt(session, job, victim)
        )
        if victim is job or not victim.active or spared is Spared.OTHER_QUEUE:
            continue
        until = None
        if spared is Spared.PROTECTED and victim.started is not None:
            until = victim.started + minimum_against(session, action, job, victim)
        gpus = sum(task.accepted_gpus for task in victim.tasks.values() if task.status & IS_ACTIVE)
        found.append(Candidate(victim.uid, victim.queue, gpus, spared, until))
    return tuple(sorted(found, key=lambda item: item.job))


def before(moment: Moment, settings: Settings, one: str, other: str) -> Before | None:
    """Say why one waiting job is looked at before another; None when it is not.

    Queues are compared with these two jobs as their next ones, at the start of the cycle; inside a cycle what is placed
    meanwhile may turn the order.
    """
    session = Session(moment, settings)
    left, right = session.jobs[one], session.jobs[other]
    mine, theirs = session.queues.get(left.queue), session.queues.get(right.queue)
    if mine is None or theirs is None:
        return None
    if mine is theirs:
        return _among_jobs(session, left, right)
    upper, lower = leveled(mine, theirs)
    first, second = _contender(session, upper, left), _contender(session, lower, right)
    goes, by = session.queue_order.decide(first, second)
    if not goes:
        return None
    amounts = (0.0, 0.0)
    if by is Precedence.QUEUE_PRIORITY:
        amounts = (float(upper.priority), float(lower.priority))
    elif by in {Precedence.PART, Precedence.PART_WITH_JOB}:
        part = KEYED.index(by)
        amounts = (session.queue_order.key(first)[part], session.queue_order.key(second)[part])
    return Before(by.value, (upper.name, lower.name), amounts)


def _among_jobs(session: Session, left: Job, right: Job) -> Before | None:
    mine, theirs = session.job_key(left), session.job_key(right)
    if mine >= theirs:
        return None
    if mine[0] != theirs[0]:
        return Before(Precedence.PRIORITY.value, amounts=(float(left.priority), float(right.priority)))
    if mine[1] != theirs[1]:
        return Before(Precedence.MINIMUM.value)
    return Before(Precedence.AGE.value, amounts=(float(left.created), float(right.created)))


def _contender(session: Session, queue: Queue, job: Job) -> Contender:
    return Contender(queue, session.axes.quantities(job.request(session.smallest_gpu, real=False)), NOTHING_TAKEN)


# --- one job only ----------------------------------------------------------------------------------------------------


class _Settled(Exception):  # noqa: N818 - reads as what it says
    """Nothing that follows in the cycle gives the job anything."""


class _Watcher(Recorder):
    """Ends a cycle as soon as one job has enough, or the last action that could place it gave up on it."""

    __slots__ = ("enough", "last", "uid")

    def __init__(self, uid: str, last: str, enough: Callable[[Sequence[Decision]], bool]) -> None:
        super().__init__()
        self.uid, self.last, self.enough = uid, last, enough

    def hold(self, job: Job, gate: Gate, **facts: Any) -> None:
        super().hold(job, gate, **facts)
        # A job that waits for others to leave is promised its place right after.
        if job.uid == self.uid and self.action == self.last and gate is not Gate.WAITS_FOR_RELEASE:
            raise _Settled

    def committed(self, done: Committed, cause: Job) -> None:
        super().committed(done, cause)
        if cause.uid == self.uid and self.enough(self.decisions):
            raise _Settled


def settle(moment: Moment, settings: Settings, uid: str, enough: Callable[[Sequence[Decision]], bool]) -> Cycle:
    """Run a cycle no further than to what becomes of one job; its decisions begin those of the whole cycle."""
    session = Session(moment, settings)
    session.record = _Watcher(uid, _last(session, session.jobs[uid]), enough)
    with contextlib.suppress(_Settled):
        for name in settings.actions:
            session.record.action = name
            ACTIONS[name](session)
    return outcome(session)


def _last(session: Session, job: Job) -> str:
    """The last action that could place a job; one that evicts places nobody for whom there is nobody to evict."""
    lower = any(
        other.queue == job.queue and other.preemptible and other.priority < job.priority
        for other in session.jobs.values()
    )
    could = {"allocate", "reclaim", *(["consolidation"] if job.preemptible else []), *(["preempt"] if lower else [])}
    return next((name for name in reversed(session.settings.actions) if name in could), "")


# --- the state an action sees -----------------------------------------------------------------------------------------


def _after(moment: Moment, settings: Settings, action: str) -> Session:
    names = settings.actions[: settings.actions.index(action) + 1] if action in settings.actions else ()
    return _played(moment, settings, names)


def _before(moment: Moment, settings: Settings, action: str) -> Session:
    names = settings.actions[: settings.actions.index(action)] if action in settings.actions else settings.actions
    return _played(moment, settings, names)


def _played(moment: Moment, settings: Settings, names: Sequence[str]) -> Session:
    session = Session(moment, settings)
    for name in names:
        session.record.action = name
        ACTIONS[name](session)
    return session


# --- nodes ------------------------------------------------------------------------------------------------------------


def _room(session: Session, tasks: Sequence[Task], node: Node) -> Room:
    task = tasks[0]
    refused = unfit(session, task, node)
    word, facts = refused if refused is not None else ("", {})
    fits = _fitting(session, tasks, node) if refused is None else 0
    short = tuple(_short(session, task, node)) if refused is None and not fits else ()
    if refused is None and not fits:
        word = "room"
    detail = next((str(value) for value in facts.values()), "")
    return Room(node.name, word, detail, short, fits, tuple(_stocks(session, task, node)))


def _fitting(session: Session, tasks: Sequence[Task], node: Node) -> int:
    """Count pods that fit one after the other; the session is not used for anything else afterwards."""
    statement = Statement(session)
    count = 0
    for task in tasks:
        if not node.fits_now(task.ask) or unfit(session, task, node) is not None:
            break
        if task.ask.shared:
            choice = choose_groups(session, task, node, pipeline=False)
            if choice is None or choice.waits:
                break
            task.groups = tuple(session.new_group() if group == NEW else group for group in choice.groups)
        statement.allocate(task, node)
        count += 1
    statement.rollback()
    return count


def _short(session: Session, task: Task, node: Node) -> list[str]:
    names = []
    for name, position in session.axes.index.items():
        asked = task.ask.vector[position]
        if position == GPU and task.ask.shared:
            continue
        if asked > node.idle[position] + EPSILON:
            names.append(name)
    if task.ask.shared and not names:
        names.append("gpu")
    return names


def _stocks(session: Session, task: Task, node: Node) -> list[Stock]:
    found = []
    for name, position in session.axes.index.items():
        asked = task.ask.vector[position]
        if name == "pods" or not (asked or (position == GPU and task.ask.wants_gpu and not task.ask.mig)):
            continue
        idle, leaving = node.idle[position], node.releasing[position]
        parts: tuple[float, ...] = ()
        if position == GPU:
            parts = tuple(_free_parts(node))
            idle, leaving = idle + sum(parts) * task.ask.shared, max(0.0, leaving)
            asked = task.ask.gpus or node.charge_for(task.ask)[2]
        found.append(Stock(name, asked, node.offered[position], idle, leaving, parts))
    return found


def _free_parts(node: Node) -> Iterator[float]:
    """Parts of shared GPUs that nobody holds."""
    for held in node.holding.values():
        if held > 0 and (part := 1 - node.fraction(held)) > EPSILON:
            yield part
