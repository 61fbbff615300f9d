"""What is wrong with jobs whatever the scheduler decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.explain.amounts import gpu_sizes, gpus_of
from tenantry.fair.kai.asks import mig_size
from tenantry.model.job import DEFAULT_SUBGROUP, PodStatus, Subgroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.job import Job
    from tenantry.model.moment import Moment

GONE = PodStatus.SUCCEEDED | PodStatus.FAILED | PodStatus.DELETED


def oversized(moment: Moment) -> tuple[tuple[str, float, float], ...]:
    """Jobs whose pods ask for more GPUs together than all nodes have: name, what they ask for, what there is."""
    offered = sum(
        node.gpus + sum((mig_size(name) or (0, 0))[0] * count for name, count in node.extended) for node in moment.nodes
    )
    sizes = gpu_sizes(moment)
    found = []
    for job in moment.jobs:
        if any(pod.status is PodStatus.PENDING for pod in job.pods):
            needed = _least(job, sizes)
            if needed > offered:
                found.append((job.name, needed, offered))
    return tuple(found)


def _least(job: Job, sizes: dict[str, int]) -> float:
    """GPUs of the smallest gang the job can start with."""
    by_group: dict[str, list[float]] = {}
    for pod in job.pods:
        if not pod.status & GONE:
            by_group.setdefault(pod.subgroup or DEFAULT_SUBGROUP, []).append(gpus_of(pod, sizes))
    if job.root is None:
        return sum(sum(amounts) for amounts in by_group.values())
    return _group(job.root, by_group)


def _group(group: Subgroup, by_group: Mapping[str, list[float]]) -> float:
    if group.leaf:
        return sum(sorted(by_group.get(group.name, ()))[: group.minimum or 0])
    each = sorted(_group(child, by_group) for child in group.children)
    return sum(each[: len(each) if group.minimum is None else group.minimum])
