"""Why a job has its places, loses them, or could lose them to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.amounts import holds, total_gpus
from tenantry.fair.explain.answer import Said
from tenantry.fair.explain.trials import minimum_of, named
from tenantry.fair.fairshare import CRUMB, fairshare
from tenantry.model.job import ACTIVE_USED, Job, Pod, PodStatus, gang, whole_gpus
from tenantry.model.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.fair.explain.case import Case
    from tenantry.fair.fairshare import FairShare
    from tenantry.model.moment import Moment, Node
    from tenantry.model.schedule import Decision

PROBE = "\N{BULLET}probe"
"""Name of a job that is only supposed; no real one can have it."""
TAKERS = 40
"""Queues that are tried as takers of a running job's place."""


def why_it_holds(case: Case) -> tuple[Said, ...]:
    """Say since when a job runs, and whether what it holds is borrowed."""
    job = case.job
    facts = {"since": job.started, "nodes": _nodes(job), "gpus": total_gpus(holds(job), case.sizes)}
    return (Said("runs", facts), *_borrowed(fairshare(case.moment, case.scheduler), job))


def _borrowed(shares: FairShare, job: Job) -> Iterator[Said]:
    path = shares.path(job.queue)
    borrowing = [row for row in path if row.gpu.borrowed > CRUMB]
    for row in borrowing:
        facts = {"queue": row.queue, "allocated": row.gpu.allocated, "quota": row.gpu.quota}
        yield Said("borrows", {**facts, "borrowed": row.gpu.borrowed})
    if path and not borrowing:
        row = path[-1]
        facts = {"queue": row.queue, "allocated": row.gpu.allocated, "quota": row.gpu.quota}
        yield Said("within-quota", facts)


def why_it_starts(case: Case) -> tuple[Said, ...]:
    """Say where a job gets its places, and who makes way for it."""
    placed = [item for item in case.usual.cycle.decisions if item.job == case.job.name and item.act is not Act.EVICT]
    nodes = sorted({item.node for item in placed})
    facts: dict[str, Any] = {"pods": len({item.pod for item in placed}), "nodes": nodes}
    if case.usual.now:
        return (Said("starts", facts),)
    caused = [item for item in case.usual.cycle.decisions if item.act is Act.EVICT and item.cause == case.job.name]
    jobs = list(dict.fromkeys(item.job for item in caused if not item.moved))
    moved = list(dict.fromkeys(item.job for item in caused if item.moved and item.job not in jobs))
    action = caused[0].action if caused else placed[0].action
    return (Said("is-promised", {**facts, "jobs": jobs, "moved": moved, "action": action}),)


def why_it_loses(case: Case, evicted: Sequence[Decision]) -> tuple[Said, ...]:
    """Say for whom a job is evicted in this cycle, and by which rule."""
    job, first = case.job, evicted[0]
    if first.action == "stalegangeviction" or not first.cause:
        root = job.root
        facts: dict[str, Any] = {
            "since": job.stale_since,
            "active": sum(1 for pod in job.pods if pod.status & ACTIVE_USED),
            "minimum": len(job.pods) if root is None else minimum_of(root),
        }
        return (Said("loses-stale", facts),)
    cause = named(case.moment, first.cause)
    if all(item.moved for item in evicted):
        nodes = {item.node for item in case.usual.cycle.decisions if item.job == job.name and item.act is Act.PROMISE}
        return (Said("moves", {"pods": len(evicted), "nodes": sorted(nodes), "cause": cause.name}),)
    lost = sum(not item.moved for item in evicted)
    if first.action == "preempt":
        facts = {"pods": lost, "cause": cause.name, "causePriority": cause.priority, "priority": job.priority}
        return (Said("loses-preempt", facts),)
    return (Said("loses-reclaim", {"pods": lost, "cause": cause.name, **_sides(case, cause)}),)


def _sides(case: Case, cause: Job) -> dict[str, Any]:
    """The two queues a reclaim is about: those just below the last one they have in common."""
    shares = fairshare(case.moment, case.scheduler)
    mine, theirs = shares.path(case.job.queue), shares.path(cause.queue)
    pairs = [(left, right) for left, right in zip(mine, theirs, strict=False) if left.queue != right.queue]
    left, right = pairs[0] if pairs else (mine[-1], theirs[-1])
    waiting = total_gpus((pod for pod in cause.pods if pod.status is PodStatus.PENDING), case.sizes)
    quota = right.gpu.quota
    return {
        "queue": left.queue,
        "causeQueue": right.queue,
        "allocated": left.gpu.allocated,
        "fair": left.gpu.fair,
        "causeAllocated": right.gpu.allocated,
        "causeFair": right.gpu.fair,
        "guaranteed": quota == -1 or right.gpu.allocated + waiting <= quota + CRUMB,
    }


# --- who could take it ------------------------------------------------------------------------------------------------


def who_could_take(case: Case) -> Iterator[Said]:
    """Say which queues could have a running job evicted, were a job like it waiting there and nothing idle.

    Raises:
        Spent: if no further trial may be run.
    """
    if not case.job.may_be_evicted:
        yield Said("cannot-lose", {})
        return
    crowded = _crowded(case)
    parents = {queue.parent for queue in case.moment.queues}
    leaves = sorted(queue.name for queue in case.moment.queues if queue.name not in parents)
    others = [name for name in leaves if name != case.job.queue]
    found = 0
    for queue in [case.job.queue, *others[:TAKERS]]:
        said = _taker(case, crowded, queue)
        if said is not None:
            found += queue != case.job.queue
            yield said
    if not found and others:
        yield Said("safe", {"tried": min(len(others), TAKERS)})


def _taker(case: Case, crowded: Moment, queue: str) -> Said | None:
    """Whether a job of one queue could take the place, at present or once a protection is over."""
    own = queue == case.job.queue
    action = "preempt" if own else "reclaim"
    moment = replace(crowded, jobs=(*crowded.jobs, _probe(case, queue)))
    if _evicts(case, moment):
        return Said("could-lose", {"queue": queue, "action": action, "until": None})
    mine = [item for item in case.scheduler.candidates(moment, PROBE, action) if item.job == case.job.name]
    until = mine[0].until if mine else None
    if until is not None and until > moment.now and _evicts(case, replace(moment, now=until)):
        return Said("could-lose", {"queue": queue, "action": action, "until": until})
    return None


def _evicts(case: Case, moment: Moment) -> bool:
    probe = named(moment, PROBE)
    cycle = case.trials.run_for(moment, probe).cycle
    return any(
        item.act is Act.EVICT and item.job == case.job.name and item.cause == PROBE and not item.moved
        for item in cycle.decisions
    )


def _probe(case: Case, queue: str) -> Job:
    """A waiting job of the same size in some queue; of higher priority in the job's own."""
    pods = tuple(
        Pod(
            f"{PROBE}-{number}",
            gpu=pod.gpu,
            cpu=pod.cpu,
            memory=pod.memory,
            extended=pod.extended,
            created=case.moment.now,
            placement=replace(pod.placement, nominated=""),
        )
        for number, pod in enumerate(holds(case.job))
    )
    priority = case.job.priority + 1 if queue == case.job.queue else case.job.priority
    return Job(PROBE, queue, pods, gang(len(pods)), priority=priority, preemptible=True, created=case.moment.now)


def _crowded(case: Case) -> Moment:
    """The moment without other waiting jobs and without anything idle, so that a place must be taken from somebody."""
    jobs = tuple(
        replace(job, pods=tuple(pod for pod in job.pods if pod.status is not PodStatus.PENDING))
        for job in case.moment.jobs
    )
    held: dict[str, list[Pod]] = {}
    pods = [pod for job in jobs for pod in job.pods] + [*case.moment.foreign, *case.moment.unqueued]
    for pod in pods:
        if pod.status & ACTIVE_USED and pod.node:
            held.setdefault(pod.node, []).append(pod)
    fillers = tuple(filler for node in case.moment.nodes for filler in _fillers(node, held.get(node.name, [])))
    return replace(case.moment, jobs=jobs, unqueued=(*case.moment.unqueued, *fillers))


def _fillers(node: Node, pods: Sequence[Pod]) -> Iterator[Pod]:
    """Pods that take what is idle on a node: whole GPUs, and MIG instances."""
    shared = {group for pod in pods for group in pod.groups}
    used = sum(pod.gpu.devices for pod in pods if not pod.groups) + len(shared)
    idle = int(node.gpus) - used
    name = f"{PROBE}-on-{node.name}"
    if idle > 0:
        yield Pod(name, PodStatus.RUNNING, node.name, whole_gpus(idle))
    slices = {resource: count for resource, count in node.extended if "/mig-" in resource}
    for pod in pods:
        for resource, count in pod.gpu.mig:
            slices[resource] = slices.get(resource, 0.0) - count
    taken = tuple((resource, count) for resource, count in sorted(slices.items()) if count > 0)
    if taken:
        yield Pod(f"{name}-slices", PodStatus.RUNNING, node.name, extended=taken)


def _nodes(job: Job) -> list[str]:
    return sorted({pod.node for pod in holds(job)})
