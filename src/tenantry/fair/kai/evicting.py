"""The actions that evict: consolidation, reclaim, preempt and the eviction of incomplete gangs.

Source: pkg/scheduler/actions (consolidation, reclaim, preempt, stalegangeviction) and actions/common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.asks import fits, mig_size
from tenantry.fair.kai.capacity import asked_amounts, over_quota
from tenantry.fair.kai.min_runtime import breaks_minimum
from tenantry.fair.kai.predicates import too_large
from tenantry.fair.kai.reclaimable import Ledger, may_reclaim
from tenantry.fair.kai.solver import Solver
from tenantry.fair.kai.state import IS_ACTIVE, IS_ALIVE, PENDING, RELEASING
from tenantry.fair.kai.victims import losing_queues, spared_by_preempt, spared_by_reclaim
from tenantry.fair.kai.walk import Walk
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, PodSet, Task, Vector

    Judge = Callable[[Job, Mapping[str, Sequence[Task]]], "tuple[Gate, dict[str, Any]] | None"]

ALL = -1


def consolidation(session: Session) -> None:
    """Move running jobs together where that makes room for a waiting one; nobody loses its place for it."""
    most = session.settings.consolidation_victims
    if not most:
        return
    failed = Easiest()
    for job in _waiting(session, "consolidation", only_preemptible=True):
        if not _worth_trying(session, job, failed):
            continue
        short = _too_few_free(session, job)
        if short is not None:
            session.record.hold(job, Gate.TOO_FEW_FREE, **short)
            failed.note(job)
            continue
        candidates = [
            victim
            for victim in session.jobs.values()
            if victim.preemptible and victim is not job and victim.active and _on_known_nodes(session, victim)
        ]
        if most != ALL:
            candidates = candidates[: most + 1]  # one more than the setting says (a quirk)
        if not _search(session, job, candidates, _all_placed):
            failed.note(job)


def reclaim(session: Session) -> None:
    """Take back from queues above their share for jobs of queues within theirs."""
    failed: dict[str, Easiest] = {}
    for job in _waiting(session, "reclaim"):
        refused = may_reclaim(session, job)
        if refused is not None:
            session.record.hold(job, refused[0], **refused[1])
            continue
        easiest = failed.setdefault(job.queue, Easiest())
        if not _worth_trying(session, job, easiest):
            continue
        losing = losing_queues(session, job)
        candidates = [
            victim
            for victim in session.jobs.values()
            if victim.active and spared_by_reclaim(session, job, victim, losing) is None
        ]
        ledger = Ledger(session)

        def judge(part: Job, victims: Mapping[str, Sequence[Task]], ledger: Ledger = ledger) -> Any:
            return ledger.judge(part, victims) or _minimum_kept(session, "reclaim", part, victims)

        if not _search(session, job, candidates, judge):
            easiest.note(job)


def preempt(session: Session) -> None:
    """Evict jobs of lower priority for jobs of the same queue."""
    failed: dict[str, Easiest] = {}
    for job in _waiting(session, "preempt"):
        easiest = failed.setdefault(job.queue, Easiest())
        if not _worth_trying(session, job, easiest):
            continue
        if "proportion" in session.plugins:
            refused = over_quota(session, job, asked_amounts(session, job.chunk(real=False)))
            if refused is not None:
                session.record.hold(job, refused[0], **refused[1])
                easiest.note(job)
                continue
        candidates = [
            victim
            for victim in session.jobs.values()
            if victim.active and spared_by_preempt(session, job, victim) is None and _on_known_nodes(session, victim)
        ]

        def judge(part: Job, victims: Mapping[str, Sequence[Task]]) -> Any:
            return _minimum_kept(session, "preempt", part, victims)

        if not _search(session, job, candidates, judge):
            easiest.note(job)


def stale_gang_eviction(session: Session) -> None:
    """Evict gangs that have run with too few pods for longer than their grace period."""
    rules = session.settings.rules
    for job in session.jobs.values():
        if not _is_stale(job):
            job.stale_since, job.stale = None, False
            continue
        if job.stale_since is None:
            job.stale_since = session.now
        own = job.model.staleness_grace if rules.own_grace else None
        grace = session.settings.staleness_grace if own is None else own
        if grace < 0 or session.now - job.stale_since < grace:
            continue
        job.stale = True
        for task in sorted(job.tasks.values(), key=lambda item: item.order):
            if task.status & IS_ACTIVE:
                node = task.node
                session.evict_stale(task)
                session.record.decide(Act.EVICT, task, node, "", groups=task.groups)


def _is_stale(job: Job) -> bool:
    return bool(job.used) and not job.succeeded and not job.gang_satisfied


# --- what the actions share -------------------------------------------------------------------------------------------


def _waiting(session: Session, action: str, *, only_preemptible: bool = False) -> Walk:
    """A walk over the jobs that may have others evicted; iterating it takes them out."""
    chosen = []
    for job in session.jobs.values():
        if not job.pending or not job.ready or job.model.unmodelled:
            continue
        if only_preemptible and not job.preemptible:
            session.record.hold(job, Gate.NOT_PREEMPTIBLE)
            continue
        until = _delayed_until(session, job)
        if until is not None:
            session.record.hold(job, Gate.DELAYED, until=until)
            continue
        chosen.append(job)
    return Walk(session, depth=dict(session.settings.queue_depth).get(action)).fill(chosen)


def _delayed_until(session: Session, job: Job) -> int | None:
    """When a job may have others evicted at the earliest, while that lies ahead."""
    delay = job.model.preemption_delay
    if delay <= 0 or not session.settings.rules.honours_delay:
        return None
    end = max(job.created, job.evicted if job.evicted is not None else job.created) + delay
    return end if session.now < end else None


def _worth_trying(session: Session, job: Job, failed: Easiest) -> bool:
    if session.settings.signatures:
        other = failed.no_easier_than(job)
        if other is not None:
            session.record.hold(job, Gate.LIKE_ONE_THAT_FAILED, other=other)
            return False
    if "predicates" in session.plugins:
        for task in job.chunk(real=False):
            excess = too_large(session, task)
            if excess is not None:
                session.record.hold(job, Gate.TOO_LARGE, **excess)
                return False
    return True


def _search(session: Session, job: Job, candidates: Sequence[Job], judge: Judge) -> bool:
    """Search victims among candidates and keep what is found; return whether the job got its place."""
    solver = Solver(session, job, lambda: Walk(session, victims=True).fill(candidates), judge)
    solved, statement = solver.solve()
    if solved and statement is not None:
        session.record.committed(statement.commit(), job)
        return True
    held = solver.search.held(len(candidates))
    session.record.hold(job, held[0], **held[1])
    return False


def _minimum_kept(
    session: Session, action: str, part: Job, victims: Mapping[str, Sequence[Task]]
) -> tuple[Gate, dict[str, Any]] | None:
    broken = breaks_minimum(session, action, part, victims)
    return None if broken is None else (Gate.VICTIM_PROTECTED, {"victim": broken})


def _all_placed(part: Job, victims: Mapping[str, Sequence[Task]]) -> tuple[Gate, dict[str, Any]] | None:
    del part
    for uid, tasks in victims.items():
        if any(task.status == RELEASING for task in tasks):
            return Gate.VICTIM_WITHOUT_PLACE, {"victim": uid}
    return None


def _on_known_nodes(session: Session, job: Job) -> bool:
    return any(task.status & IS_ALIVE and (not task.node or task.node in session.nodes) for task in job.tasks.values())


def _too_few_free(session: Session, job: Job) -> dict[str, Any] | None:
    """Why all GPUs that are idle or on their way out are too few for a job, or None."""
    free, memory = 0.0, 0
    for node in session.nodes.values():
        if node.ready:
            idle, releasing = node.idle_gpus(), node.releasing_gpus()
            free += idle[0] + releasing[0]
            memory += idle[1] + releasing[1]
    asked, asked_memory = 0.0, 0
    for task in job.chunk(real=False):
        asked += task.ask.gpus
        asked_memory += task.ask.memory
        for name, count in task.ask.mig:
            size = mig_size(name)
            if size is not None:
                asked += size[0] * count
                asked_memory += size[1] * count
    if free >= asked and memory >= asked_memory:
        return None
    return {"free": free, "requested": asked, "freeMemory": memory, "requestedMemory": asked_memory}


class Easiest:
    """The smallest jobs that failed, one per kind of demands: a job no easier than one of them is not tried.

    Source: pkg/scheduler/actions/common/minimal_job_comparison.go.
    """

    def __init__(self) -> None:
        self.known: dict[object, Job] = {}

    def no_easier_than(self, job: Job) -> str | None:
        """Name of a job that failed and was no harder, or None."""
        other = self.known.get(signature(job))
        if other is None:
            return None
        mine, theirs = _waiting_vectors(job), _waiting_vectors(other)
        if mine and theirs:
            if len(theirs) > len(mine):
                return None
            for vector, known in zip(mine, theirs, strict=False):
                if fits(vector, list(known)) and not fits(known, list(vector)):
                    return None
        return other.uid

    def note(self, job: Job) -> None:
        """Remember a job that failed, if it is smaller in every way than the one remembered."""
        key = signature(job)
        other = self.known.get(key)
        if other is not None:
            mine, theirs = _waiting_vectors(job), _waiting_vectors(other)
            if not mine or not theirs or len(mine) > len(theirs):
                return
            if not all(fits(vector, list(known)) for vector, known in zip(mine, theirs, strict=False)):
                return
        self.known[key] = job


def _waiting_vectors(job: Job) -> list[Vector]:
    return sorted(task.ask.vector for task in job.tasks.values() if task.status == PENDING)


def signature(job: Job) -> tuple[object, ...]:
    """What a job demands of nodes besides room; jobs of one signature differ in size only.

    It is taken when the cycle begins, so pods count as waiting that did so then (a quirk).

    Source: api/pod_info/scheduling_constraints_signature.go, podgroup_info/job_info.go and subgroup_info/podset.go.
    """
    if job.signature is None:
        job.signature = tuple(sorted(_leaf_signature(leaf, job.priority) for leaf in job.leaf_sets.values()))
    return job.signature


def _leaf_signature(leaf: PodSet, priority: int) -> str:
    waiting = [task.pod for task in leaf.tasks.values() if not task.pod.status & IS_ACTIVE]
    if not waiting:
        return ""
    constraints: list[object] = [leaf.constraint]
    parent = leaf.parent
    while parent is not None:
        constraints.append(parent.constraint)
        parent = parent.parent
    pods = (repr((priority, pod.placement)) if pod.likeness is None else pod.likeness for pod in waiting)
    return repr((constraints, sorted(pods)))
