"""Which pods of a job are evicted next.

Source: pkg/scheduler/api/podgroup_info/eviction_info.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.state import IS_ACTIVE, GroupSet, PodSet, group_order

if TYPE_CHECKING:
    from tenantry.fair.kai.state import Group, Job, Task


def evictable(job: Job) -> tuple[list[Task], bool]:
    """Pods of a victim to evict next, and whether it keeps active pods after that.

    First one pod above a minimum, from the deepest and fullest group; then one whole group above a minimum; then all.
    """
    tasks = _surplus(job.root) or _all_active(job.root)
    return tasks, len(tasks) < job.active


def _surplus(group: GroupSet) -> list[Task]:
    satisfied = group.members
    if not satisfied:
        return []
    children = sorted(group.children, key=group_order, reverse=True)
    if _has_surplus(group):
        for child in children:
            tasks = _surplus(child) if isinstance(child, GroupSet) else _last_above_minimum(child)
            if tasks:
                return tasks
    if group.needed < satisfied:
        for child in children:
            tasks = _all_active(child)
            if tasks:
                return tasks
    return []


def _has_surplus(group: Group) -> bool:
    if isinstance(group, PodSet):
        return group.active > group.minimum
    return group.members > group.needed or any(_has_surplus(child) for child in group.children)


def _last_above_minimum(leaf: PodSet) -> list[Task]:
    return _active(leaf)[:1] if leaf.active > leaf.minimum else []


def _all_active(group: Group) -> list[Task]:
    return [task for leaf in group.leaves() for task in _active(leaf)]


def _active(leaf: PodSet) -> list[Task]:
    """Active pods of a leaf group, the least wanted first."""
    return sorted(
        (task for task in leaf.tasks.values() if task.status & IS_ACTIVE), key=lambda task: task.order, reverse=True
    )
