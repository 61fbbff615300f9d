"""Queues as the scheduler reads them.

Source: pkg/scheduler/api/queue_info/queue_info.go, plugins/proportion/proportion.go and apis/scheduling/v2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tenantry.model.queue import DEFAULT_QUEUE_PRIORITY, FREE, UNLIMITED, Entitled, Queue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenantry.io.scheduler_snapshot.fields import Fields

TENANT_LABEL: Final = "tenantry.dev/tenant"
COMMON_PARENT: Final = "default"
"""Queue that replaces all top queues where fairness has one level only (cache/cluster_info/queue.go)."""

DEEPEST: Final = 64
"""Levels of queues that are followed. Two are usual; the bound keeps a snapshot from exhausting the stack."""

SHOWN: Final = 8
"""Queues of a ring that are written out."""

_MEGABYTE: Final = 10**6
"""Queues write memory in MB; the scheduler counts bytes."""


def queue_of(fields: Fields) -> Queue:
    """Read a queue. What it does not say is 0, a limit included."""
    priority = fields.integer("spec", "priority")
    return Queue(
        name=fields.name,
        parent=fields.text("spec", "parentQueue"),
        gpu=_entitled(fields, "gpu"),
        cpu=_entitled(fields, "cpu"),
        memory=_entitled(fields, "memory", _MEGABYTE),
        priority=DEFAULT_QUEUE_PRIORITY if priority is None else priority,
        created=fields.time("metadata", "creationTimestamp") or 0,
        reclaim_min_runtime=fields.duration("spec", "reclaimMinRuntime"),
        preempt_min_runtime=fields.duration("spec", "preemptMinRuntime"),
    )


def _entitled(fields: Fields, resource: str, unit: int = 1) -> Entitled:
    path = ("spec", "resources", resource)
    quota, limit, weight = (fields.number(*path, name) or 0.0 for name in ("quota", "limit", "overQuotaWeight"))
    for name, value, least in (
        ("quota", quota, UNLIMITED),
        ("limit", limit, UNLIMITED),
        ("overQuotaWeight", weight, 0),
    ):
        if value < least:
            expected = "-1 for unlimited, or 0 and more" if least else "0 and more"
            fields.wrong((*path, name), f"{name} of {resource} means nothing", expected=expected, found=f"{value:g}")
    # An unlimited amount stays so whatever the unit is.
    return Entitled(max(UNLIMITED, quota * unit), max(UNLIMITED, limit * unit), weight)


def owner_of(fields: Fields) -> str:
    """Tenant of a queue: what its label says, else its display name; empty when neither does."""
    return fields.labels.get(TENANT_LABEL) or fields.text("spec", "displayName")


def one_level(queues: Iterable[Queue], now: int) -> list[Queue]:
    """Return the queues with one common parent, as a scheduler without fairness between departments sees them."""
    common = Queue(COMMON_PARENT, "", FREE, FREE, FREE, created=now)
    return [common, *(replace(item, parent=COMMON_PARENT) for item in queues if item.parent)]


def check_tree(fields: Sequence[Fields], queues: Sequence[Queue]) -> None:
    """Report queues that are their own ancestors, and those too far down to be followed.

    Args:
        fields: the manifests of the queues.
        queues: what was read from them, in the same order.
    """
    parents = {queue.name: queue.parent for queue in queues}
    ways, path = _ways_up(parents), ("spec", "parentQueue")
    for item, queue in zip(fields, queues, strict=True):
        above, end = ways[queue.name]
        if end == queue.name:
            ring = " -> ".join(_ring(queue.name, parents, above + 1))
            item.wrong(path, f"the queue is its own ancestor: {ring}", expected="a tree of queues")
        elif above == DEEPEST and not end:
            # Those further down say nothing new.
            item.wrong(path, f"the queue has {above} queues above it", expected=f"at most {DEEPEST} levels of queues")


def usable(queues: Iterable[Queue]) -> dict[str, bool]:
    """Queues that lead up to a top queue, and whether they are leaves."""
    parents = {queue.name: queue.parent for queue in queues}
    kept = [name for name, (_, end) in _ways_up(parents).items() if not end]
    inner = {parents[name] for name in kept}
    return {name: name not in inner for name in kept}


def _ways_up(parents: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """How many queues are above each queue, and what ends the way up: nothing, a missing queue, or one met before.

    Of a ring every queue ends its own way, and has all others above it.
    """
    found: dict[str, tuple[int, str]] = {}
    for name in parents:
        way: dict[str, None] = {}
        at = name
        while at in parents and at not in found and at not in way:
            way[at] = None
            at = parents[at]
        below = list(way)
        if at in way:
            ring = below[below.index(at) :]
            found.update((member, (len(ring) - 1, member)) for member in ring)
            below = below[: below.index(at)]
        above, end = found.get(at, (-1, at))
        for member in reversed(below):
            above += 1
            found[member] = (above, end)
    return {name: found[name] for name in parents}


def _ring(name: str, parents: Mapping[str, str], length: int) -> list[str]:
    """Queues of a ring from one back to itself; of a long one the first."""
    way = [name]
    while len(way) <= min(length, SHOWN):
        way.append(parents[way[-1]])
    return way if length <= SHOWN else [*way, "...", name]
