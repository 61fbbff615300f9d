"""The numbers behind an explanation: the job, the nodes as its pods find them, and who could make way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.amounts import asked, gpu_sizes, holds, total_gpus
from tenantry.fair.explain.answer import Facts, NodeClass, Said, VictimClass
from tenantry.fair.explain.trials import minimum_of
from tenantry.model.job import GpuKind, PodStatus
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.explain.case import Case
    from tenantry.fair.inspection import Candidate, Room
    from tenantry.model.job import Job
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Held

PRODUCT = "nvidia.com/gpu.product"


def job_facts(moment: Moment, job: Job) -> Facts:
    """Say what a job is."""
    sizes, count = gpu_sizes(moment), dict[str, int]()
    for pod in job.pods:
        count[pod.status.word] = count.get(pod.status.word, 0) + 1
    waiting = [pod for pod in job.pods if pod.status is PodStatus.PENDING]
    shown = (waiting or list(job.pods))[:1]
    return Facts(
        name=job.name,
        namespace=job.namespace,
        queue=job.queue,
        priority=job.priority,
        preemptible=job.may_be_evicted,
        created=job.created,
        started=job.started,
        evicted=job.evicted,
        pods=dict(sorted(count.items())),
        minimum=len(job.pods) if job.root is None else minimum_of(job.root),
        asks=asked(shown[0]) if shown else {},
        gpus=total_gpus(waiting, sizes),
        holds=total_gpus(holds(job), sizes),
        nodes=tuple(sorted({pod.node for pod in holds(job)})),
    )


def tried(held: Sequence[Held]) -> tuple[tuple[str, Said], ...]:
    """What each action of the cycle came to."""
    return tuple((item.action, said_of(item)) for item in held)


def said_of(held: Held) -> Said:
    """The sentence of a gate, with names of one kind under one key."""
    facts: dict[str, Any] = dict(held.facts)
    if held.gate is Gate.VICTIM_WITHIN_SHARE:
        facts["victimQueue"] = facts.pop("victim")
    return Said(held.gate.value, facts)


def node_classes(moment: Moment, rooms: Sequence[Room]) -> tuple[NodeClass, ...]:
    """Put nodes together that look alike to the waiting pods: those they fit on first, then by size."""
    products = {node.name: node.labels.get(PRODUCT, "") for node in moment.nodes}
    found: dict[tuple[Any, ...], NodeClass] = {}
    for room in rooms:
        offered = {stock.resource: stock.offered for stock in room.stocks}
        idle = {stock.resource: stock.idle for stock in room.stocks}
        main = {name: amount for name, amount in offered.items() if name not in {"cpu", "memory"}}
        key = (products[room.node], tuple(main.items()), room.refused, room.detail)
        known = found.get(key)
        if known is None:
            found[key] = NodeClass(
                (room.node,), products[room.node], offered, idle, idle, room.fits, room.refused, room.detail, room.short
            )
        else:
            found[key] = _joined(known, room, idle)
    return tuple(sorted(found.values(), key=lambda item: (item.refused not in {"", "room"}, -item.fits, item.nodes)))


def _joined(known: NodeClass, room: Room, idle: Mapping[str, float]) -> NodeClass:
    return replace(
        known,
        nodes=(*known.nodes, room.node),
        idle={name: amount + idle.get(name, 0.0) for name, amount in known.idle.items()},
        most={name: max(amount, idle.get(name, 0.0)) for name, amount in known.most.items()},
        fits=max(known.fits, room.fits),
        short=tuple(sorted({*known.short, *room.short})),
    )


def victim_classes(case: Case) -> tuple[VictimClass, ...]:
    """Count the running jobs that could make way and those that are spared, by what spares them."""
    found = []
    for action, candidates in (("reclaim", case.reclaimable), ("preempt", case.preemptable)):
        by_reason: dict[str, list[Candidate]] = {}
        for item in candidates:
            by_reason.setdefault(item.spared.value if item.spared is not None else "", []).append(item)
        for reason, items in sorted(by_reason.items()):
            untils = [item.until for item in items if item.until is not None]
            names = [item.job for item in sorted(items, key=lambda item: (-item.gpus, item.job))]
            gpus = sum(item.gpus for item in items)
            found.append(VictimClass(action, reason, tuple(names), gpus, min(untils) if untils else None))
    return tuple(found)


def room_said(case: Case) -> Said | None:
    """How the nodes look to the waiting pods, in one sentence; None where nothing can be said."""
    rooms = case.rooms
    if not rooms or not rooms[0].stocks:
        return None
    usable = [room for room in rooms if room.refused in {"", "room"}]
    resource = _scarce(usable or list(rooms))
    stocks = [stock for room in usable for stock in room.stocks if stock.resource == resource]
    refused: dict[str, int] = {}
    for room in rooms:
        if room.refused not in {"", "room"}:
            refused[room.refused] = refused.get(room.refused, 0) + 1
    needed = _needed(case)
    parts = [part for stock in stocks for part in stock.parts]
    return Said(
        "room",
        {
            "pods": needed,
            "resource": resource,
            "asked": next(stock.asked for stock in rooms[0].stocks if stock.resource == resource),
            "nodes": len(rooms),
            "usable": len(usable),
            "idle": sum(max(0.0, stock.idle) for stock in stocks),
            "most": max((stock.idle for stock in stocks), default=0.0),
            "parts": sum(parts),
            "part": max(parts, default=0.0),
            "shares": _shares(case),
            "lacks": _lacking(usable, resource),
            "fits": min(needed, sum(room.fits for room in usable)),
            "refused": dict(sorted(refused.items())),
        },
    )


def _lacking(rooms: Sequence[Room], resource: str) -> list[str]:
    """What else is too little where there is enough of a resource."""
    enough = [
        room for room in rooms if any(stock.resource == resource and stock.idle >= stock.asked for stock in room.stocks)
    ]
    if any(room.fits for room in enough):
        return []
    return sorted({name for room in enough for name in room.short} - {resource})


def _shares(case: Case) -> bool:
    """Whether the waiting pods ask for parts of GPUs."""
    return any(pod.gpu.kind in {GpuKind.FRACTION, GpuKind.MEMORY} and pod.gpu.portion < 1 for pod in case.job.pods)


def _needed(case: Case) -> int:
    """Pods the job asks places for now."""
    facts = job_facts(case.moment, case.job)
    active = sum(count for word, count in facts.pods.items() if word in {"Running", "Bound", "Binding", "Allocated"})
    return max(1, facts.minimum - active) if facts.minimum > active else 1


def _scarce(rooms: Sequence[Room]) -> str:
    """The resource most nodes have too little of; GPUs where none stands out."""
    count: dict[str, int] = {}
    for room in rooms:
        for name in room.short:
            count[name] = count.get(name, 0) + 1
    names = [stock.resource for stock in rooms[0].stocks]
    gpus = [name for name in names if name == "gpu" or "/mig-" in name]
    best = max(names, key=lambda name: (count.get(name, 0), name in gpus, -names.index(name)))
    return best if count else (gpus or names)[0]
