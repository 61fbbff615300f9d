"""Queues as the scheduler reads them.

Source: pkg/scheduler/api/queue_info/queue_info.go, plugins/proportion/proportion.go and apis/scheduling/v2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tenantry.model.queue import DEFAULT_QUEUE_PRIORITY, FREE, UNLIMITED, Entitled, Queue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.io.scheduler_snapshot.fields import Fields

TENANT_LABEL: Final = "tenantry.dev/tenant"
COMMON_PARENT: Final = "default"
"""Queue that replaces all top queues where fairness has one level only (cache/cluster_info/queue.go)."""

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
