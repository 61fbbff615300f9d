"""Changes that the owner of a job can make himself: fewer pods, smaller pods, fewer demands, another pool."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.answer import Remedy, Said, Who
from tenantry.fair.explain.trials import largest, with_job
from tenantry.fair.kai.asks import mig_size
from tenantry.fair.kai.predicates import untolerated
from tenantry.model.job import (
    ACTIVE_ALLOCATED,
    ANYWHERE,
    GpuKind,
    Job,
    Pod,
    PodStatus,
    Subgroup,
    Toleration,
    gang,
    mig_instances,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.fair.explain.case import Case
    from tenantry.model.job import GpuRequest
    from tenantry.model.moment import Moment

LINEAR = 16
"""Up to so many possibilities are tried one by one, so that the largest is found even where a smaller one fails."""
ANY_TAINT = (Toleration(operator="Exists"),)
CORE, GIB = 1000.0, 2.0**30


def fewer_pods(case: Case) -> Iterator[Remedy]:
    """The largest gang that would get its places."""
    job, root = case.job, case.job.root
    if root is None or len(root.children) != 1 or not root.children[0].leaf:
        return
    minimum = root.children[0].minimum or 0
    active = sum(1 for pod in job.pods if pod.status & ACTIVE_ALLOCATED)
    lowest = max(1, active + 1)
    if minimum <= lowest:
        return

    def smaller(count: int) -> Job:
        kept = [pod for pod in job.pods if pod.status is not PodStatus.PENDING]
        pods = (*kept, *case.waiting[: count - active])
        return replace(job, pods=pods, root=gang(count, root.constraint))

    count = _largest(lowest, minimum, lambda number: case.helps(with_job(case.moment, smaller(number))))
    if count is not None:
        said = Said("fewer-pods", {"pods": count, "minimum": minimum})
        yield case.remedy("fewer-pods", Who.OWNER, said, with_job(case.moment, smaller(count)))


def smaller_pods(case: Case) -> Iterator[Remedy]:
    """The largest request per pod that would get its places: of GPUs, and of CPU or memory where those are short."""
    if not case.waiting:
        return
    yield from _fewer_gpus(case, case.waiting[0].gpu)
    short = {name for room in case.rooms for name in room.short}
    for name, unit in (("cpu", CORE), ("memory", GIB)):
        if name in short:
            yield from _less(case, name, unit)


def _less(case: Case, name: str, unit: float) -> Iterator[Remedy]:
    """The largest amount of CPU or memory in whole cores or GiB that would get its places."""
    asked: float = max(getattr(pod, name) for pod in case.waiting)

    def lowered(count: int) -> Moment:
        most = count * unit
        changes: dict[str, Any] = {name: most}
        return case.with_pods({pod.name: replace(pod, **changes) for pod in case.waiting if getattr(pod, name) > most})

    count = largest(1, math.ceil(asked / unit), lambda number: case.helps(lowered(number)))
    if count is not None:
        said = Said("smaller-pods", {"resource": name, "amount": count * unit, "asked": asked})
        yield case.remedy("smaller-pods", Who.OWNER, said, lowered(count))


def _fewer_gpus(case: Case, gpu: GpuRequest) -> Iterator[Remedy]:
    if gpu.kind is GpuKind.MIG:
        yield from _smaller_slices(case, gpu)
        return
    changes: dict[GpuKind, tuple[int, Callable[[GpuRequest, int], GpuRequest]]] = {
        GpuKind.WHOLE: (gpu.devices, lambda old, count: replace(old, devices=min(old.devices, count))),
        GpuKind.FRACTION: (
            round(gpu.portion * 100),
            lambda old, count: replace(old, portion=min(old.portion, count / 100)),
        ),
        GpuKind.MEMORY: (-(-gpu.memory // 1000), lambda old, count: replace(old, memory=min(old.memory, count * 1000))),
    }
    high, change = changes[gpu.kind]

    def lowered(count: int) -> dict[str, Pod]:
        return {pod.name: replace(pod, gpu=change(pod.gpu, count)) for pod in case.waiting if pod.gpu.kind is gpu.kind}

    count = _largest(1, high, lambda number: case.helps(case.with_pods(lowered(number))))
    if count is None:
        return
    facts: dict[str, Any] = {
        GpuKind.WHOLE: {"resource": "gpu", "amount": float(count), "asked": float(gpu.devices)},
        GpuKind.FRACTION: {"resource": "gpu", "amount": count / 100, "asked": gpu.portion},
        GpuKind.MEMORY: {"resource": "gpu-memory", "amount": count * 1000.0, "asked": float(gpu.memory)},
    }[gpu.kind]
    yield case.remedy("smaller-pods", Who.OWNER, Said("smaller-pods", facts), case.with_pods(lowered(count)))


def _smaller_slices(case: Case, gpu: GpuRequest) -> Iterator[Remedy]:
    """The largest other MIG instance that nodes offer and that would get its place."""
    offered = {name for node in case.moment.nodes for name, count in node.extended if count and "/mig-" in name}
    asked = dict(gpu.mig)
    for name in sorted(offered - asked.keys(), key=lambda item: (_slice_order(item), item), reverse=True):
        if asked and _slice_order(name) >= max(map(_slice_order, asked)):
            continue
        changed = {pod.name: replace(pod, gpu=mig_instances({name: 1})) for pod in case.waiting}
        if case.helps(case.with_pods(changed)):
            facts = {"resource": name, "amount": 1.0, "asked": ", ".join(sorted(asked))}
            yield case.remedy("smaller-pods", Who.OWNER, Said("smaller-slices", facts), case.with_pods(changed))
            return


def _slice_order(name: str) -> tuple[int, int]:
    return mig_size(name) or (0, 0)


def _largest(low: int, high: int, works: Callable[[int], bool]) -> int | None:
    """Largest number from ``low`` and below ``high`` that works; one by one where there are few."""
    if high - low > LINEAR:
        return largest(low, high, works)
    return next((number for number in range(high - 1, low - 1, -1) if works(number)), None)


def without_demands(case: Case) -> Iterator[Remedy]:
    """The demand on nodes without which the job would get its places; all of them where no single one is enough."""
    found = list(_demands(case))
    if len(found) > 1:
        found.append(("demands", _without_any(case), ""))
    for name, moment, detail in found:
        if case.helps(moment):
            yield case.remedy(
                "demands",
                Who.OWNER,
                Said(f"without-{name}", {"taint" if name == "taints" else "demand": detail}),
                moment,
            )
            return


def _demands(case: Case) -> Iterator[tuple[str, Moment, str]]:
    placements = [pod.placement for pod in case.waiting]
    if any(item.selector or item.terms for item in placements):
        selected = sorted({f"{key}={value}" for item in placements for key, value in item.selector})
        changed = {
            pod.name: replace(pod, placement=replace(pod.placement, selector=(), terms=None)) for pod in case.waiting
        }
        yield "selector", case.with_pods(changed), ", ".join(selected)
    taints = {untolerated(item, node.taints) for item in placements for node in case.moment.nodes}
    named = sorted(f"{taint.key}={taint.value}" if taint.value else taint.key for taint in taints if taint is not None)
    if named:
        changed = {
            pod.name: replace(pod, placement=replace(pod.placement, tolerations=ANY_TAINT)) for pod in case.waiting
        }
        yield "taints", case.with_pods(changed), ", ".join(named)
    if any(item.host_ports for item in placements):
        changed = {pod.name: replace(pod, placement=replace(pod.placement, host_ports=())) for pod in case.waiting}
        yield "host-ports", case.with_pods(changed), ""
    if case.job.root is not None and _constrained(case.job.root):
        free = replace(case.job, root=_unconstrained(case.job.root))
        yield "topology", with_job(case.moment, free), ""


def _without_any(case: Case) -> Moment:
    pods = {pod.name: replace(pod, placement=replace(ANYWHERE, tolerations=ANY_TAINT)) for pod in case.waiting}
    job = replace(case.job, pods=tuple(pods.get(pod.name, pod) for pod in case.job.pods))
    return with_job(case.moment, job if job.root is None else replace(job, root=_unconstrained(job.root)))


def _constrained(group: Subgroup) -> bool:
    return group.constraint is not None or any(map(_constrained, group.children))


def _unconstrained(group: Subgroup) -> Subgroup:
    return replace(group, constraint=None, children=tuple(map(_unconstrained, group.children)))


def elsewhere(case: Case) -> Iterator[Remedy]:
    """Other pools in which the job would get its places."""
    for other in case.known.elsewhere:
        moved = replace(case.job, queue=other.queue)
        moment = replace(other.moment, jobs=(*other.moment.jobs, moved))
        if case.helps(moment, other.scheduler):
            said = Said("elsewhere", {"pool": other.pool, "queue": other.queue})
            yield case.remedy("elsewhere", Who.OWNER, said, moment, other.scheduler)


def preemptible(case: Case) -> Iterator[Remedy]:
    """Whether the job would get its places if it could be preempted, or could not."""
    may = case.job.may_be_evicted
    changed = replace(case.job, preemptible=not may)
    moment = with_job(case.moment, changed)
    if case.helps(moment):
        said = Said("lasting" if may else "preemptible", {"queue": case.job.queue})
        yield case.remedy("preemptible", Who.OWNER, said, moment)
