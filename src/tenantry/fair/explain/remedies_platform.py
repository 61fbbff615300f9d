"""Changes that those who run the platform can make: priorities, limits, quotas, weights, nodes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.answer import Remedy, Said, Who
from tenantry.fair.explain.trials import minimal, smallest, with_job, with_nodes, with_queue
from tenantry.model.queue import UNLIMITED
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.fair.explain.case import Case
    from tenantry.model.moment import Moment, Node
    from tenantry.model.queue import Queue

HEAVIEST = 100
"""Weights are tried up to so many times the largest of the siblings."""
ROUNDS = 8
"""Limits that are raised one after the other."""
PRIORITIES = 12
"""Priorities that are tried."""
FIELDS = {"CPU": "cpu", "Memory": "memory", "GPU": "gpu"}
"""Field of a queue by the name a gate gives its resource."""


def priority(case: Case) -> Iterator[Remedy]:
    """The smallest priority within its queue with which the job would get its places."""
    rivals = {job.priority for job in case.moment.jobs if job.queue == case.job.queue and job.name != case.job.name}
    for number in sorted(value + 1 for value in rivals if value >= case.job.priority)[:PRIORITIES]:
        moment = with_job(case.moment, replace(case.job, priority=number))
        if case.helps(moment):
            changed = replace(case.job, priority=number)
            facts = {
                "priority": number,
                "old": case.job.priority,
                "lasting": case.job.may_be_evicted and not changed.may_be_evicted,
            }
            yield case.remedy("priority", Who.PLATFORM, Said("priority", facts), moment)
            return


def limits(case: Case) -> Iterator[Remedy]:
    """The limits that are in the way, raised to what is needed and no further."""
    moment, raised = case.moment, list[tuple[str, str, float, float]]()
    for _ in range(ROUNDS):
        found = case.trials.run(moment)
        if found.placed and raised:
            facts = {"changes": [_limit_change(*item) for item in raised]}
            yield case.remedy("limit", Who.PLATFORM, Said("limit", facts), moment)
            return
        held = next((item for item in found.cycle.held.get(case.job.name, ()) if item.gate is Gate.OVER_LIMIT), None)
        if found.placed or held is None:
            return
        name, resource = held.facts["queue"], FIELDS[held.facts["resource"]]
        needed = held.facts["allocated"] + held.facts["requested"]
        queue = next(item for item in moment.queues if item.name == name)
        raised.append((name, resource, held.facts["limit"], needed))
        moment = with_queue(moment, _entitled(queue, resource, limit=needed))


def _limit_change(queue: str, resource: str, old: float, new: float) -> dict[str, object]:
    return {"queue": queue, "resource": resource, "old": old, "new": new}


def _entitled(queue: Queue, resource: str, **changes: float) -> Queue:
    changed: dict[str, Any] = {resource: replace(getattr(queue, resource), **changes)}
    return replace(queue, **changed)


def quota(case: Case) -> Iterator[Remedy]:
    """The smallest quota of GPUs that gives the job its places: of its queue, or of those above as well."""
    if not case.path or case.path[0].gpu.quota == UNLIMITED:
        return
    for queues in _chains(case.path):
        found = _raised_quota(case, queues)
        if found is not None:
            yield found
            return


def _raised_quota(case: Case, queues: Sequence[Queue]) -> Remedy | None:
    unit = _unit(case)
    most = math.ceil(sum(node.gpus for node in case.moment.nodes) / unit) + 1

    def raised(steps: int) -> list[Queue]:
        return [_entitled(queue, "gpu", quota=queue.gpu.quota + steps * unit) for queue in queues]

    steps = smallest(0, most, lambda number: case.helps(with_queue(case.moment, *raised(number))))
    if steps is None:
        return None
    changed = raised(steps)
    facts = {
        "changes": [
            {"queue": old.name, "resource": "gpu", "old": old.gpu.quota, "new": new.gpu.quota}
            for old, new in zip(queues, changed, strict=True)
        ]
    }
    return case.remedy("quota", Who.PLATFORM, Said("quota", facts), with_queue(case.moment, *changed))


def _unit(case: Case) -> float:
    """Step in which GPU quotas are raised: whole GPUs, tenths where parts of GPUs are asked for."""
    whole = all(float(pod.gpu.portion or 1.0).is_integer() and not pod.gpu.memory for pod in case.waiting)
    return 1.0 if whole and all(float(queue.gpu.quota).is_integer() for queue in case.path) else 0.1


def _chains(path: Sequence[Queue]) -> Iterator[list[Queue]]:
    """The queue alone, then with one more queue above it at a time; unlimited ones are left as they are."""
    bounded = [queue for queue in path if queue.gpu.quota != UNLIMITED]
    for count in range(1, len(bounded) + 1):
        yield bounded[:count]


def weight(case: Case) -> Iterator[Remedy]:
    """The smallest weight of a queue on the way up that gives the job its places."""
    for queue in case.path:
        found = _heavier(case, queue)
        if found is not None:
            yield found
            return


def _heavier(case: Case, queue: Queue) -> Remedy | None:
    siblings = [item for item in case.moment.queues if item.parent == queue.parent]
    most = math.ceil(max(item.gpu.weight for item in siblings)) * HEAVIEST or HEAVIEST

    def changed(value: float) -> Moment:
        return with_queue(case.moment, _entitled(queue, "gpu", weight=value))

    number = smallest(math.floor(queue.gpu.weight), most, lambda value: case.helps(changed(value)))
    if number is None:
        return None
    said = Said("weight", {"queue": queue.name, "old": queue.gpu.weight, "new": float(number)})
    return case.remedy("weight", Who.PLATFORM, said, changed(float(number)))


def queue_priority(case: Case) -> Iterator[Remedy]:
    """The smallest priority of a queue on the way up with which the job would get its places."""
    for queue in case.path:
        rivals = {item.priority for item in case.moment.queues if item.parent == queue.parent and item is not queue}
        for number in sorted(value + 1 for value in rivals if value >= queue.priority)[:PRIORITIES]:
            moment = with_queue(case.moment, replace(queue, priority=number))
            if case.helps(moment):
                facts = {"queue": queue.name, "old": queue.priority, "new": number}
                yield case.remedy("queue-priority", Who.PLATFORM, Said("queue-priority", facts), moment)
                return


def ready_nodes(case: Case) -> Iterator[Remedy]:
    """The fewest nodes that are not ready, and would give the job its places if they were."""
    names = sorted(node.name for node in case.moment.nodes if node.unready)
    if not names:
        return

    def readied(chosen: Sequence[str]) -> Moment:
        return with_nodes(case.moment, lambda node: replace(node, unready=()) if node.name in chosen else node)

    chosen = minimal(names, lambda some: case.helps(readied(some)))
    if chosen is not None:
        reasons = sorted({node.unready[0] for node in case.moment.nodes if node.name in chosen})
        said = Said("ready-nodes", {"nodes": chosen, "reasons": reasons})
        yield case.remedy("ready-nodes", Who.PLATFORM, said, readied(chosen))


def more_nodes(case: Case) -> Iterator[Remedy]:
    """The fewest further nodes like one there is that give the job its places."""
    for node in _templates(case.moment):
        found = _with_copies(case, node)
        if found is not None:
            yield found
            return


def _with_copies(case: Case, node: Node) -> Remedy | None:
    def grown(count: int) -> Moment:
        return replace(case.moment, nodes=(*case.moment.nodes, *_copies(node, count)))

    count = smallest(0, max(1, len(case.waiting)), lambda number: case.helps(grown(number)))
    if count is None:
        return None
    gpus = node.gpus or sum(amount for name, amount in node.extended if "/mig-" in name)
    said = Said("more-nodes", {"count": count, "like": node.name, "gpus": gpus})
    return case.remedy("more-nodes", Who.PLATFORM, said, grown(count))


def _templates(moment: Moment) -> list[Node]:
    """One ready node of every kind with GPUs, those with fewest first."""
    found: dict[tuple[object, ...], Node] = {}
    for node in sorted(moment.nodes, key=lambda item: (item.gpus, item.name)):
        if not node.unready and (node.gpus or any("/mig-" in name for name, _ in node.extended)):
            found.setdefault((node.gpus, node.gpu_memory, node.extended, node.taints), node)
    return list(found.values())


def _copies(node: Node, count: int) -> Iterator[Node]:
    for number in range(1, count + 1):
        name = f"{node.name}-copy-{number}"
        labels = {key: name if value == node.name else value for key, value in node.labels.items()}
        yield replace(node, name=name, labels=labels)
