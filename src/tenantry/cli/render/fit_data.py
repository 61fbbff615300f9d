"""What fits and what does not, for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.findings import plain_finding
from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from tenantry.app.fit import FitFinding, FitReport
    from tenantry.efficient.fit.jobs import Job
    from tenantry.efficient.fit.tables import Largest, PoolRow, TenantRow, WorkRow

FORMAT_VERSION = "1.0"


def as_json(report: FitReport) -> str:
    """Write everything that is known."""
    rows, loss = report.result.tables, report.result.loss
    there, sound = report.guarantees
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "platform": report.name,
        "environment": report.environment,
        "minusNodes": {"anywhere": loss.anywhere, "pools": dict(loss.pools)},
        "counts": {
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.INFO),
            "waived": sum(item.waived for item in report.findings),
            "guarantees": there,
            "guaranteesHeld": sound,
        },
        "pools": [_pool(row) for row in rows.pools],
        "largestJobs": [_tenant(row) for row in rows.tenants],
        "workloads": [_work(row) for row in rows.work],
        "findings": [_finding(item) for item in report.findings],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _pool(row: PoolRow) -> dict[str, Any]:
    return {
        "pool": row.pool,
        "resource": row.resource,
        "nodes": row.nodes,
        "perNode": row.per_node,
        "capacity": row.capacity,
        "guaranteed": row.guaranteed,
        "headroom": row.headroom,
        "held": row.held.value,
        "mayLose": row.spare,
        "lost": {
            "nodes": row.lost,
            "capacity": row.capacity_left,
            "headroom": row.headroom_left,
            "held": row.held_left.value,
        },
    }


def _tenant(row: TenantRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "pool": row.pool,
        "resource": row.resource,
        "guaranteed": row.guaranteed,
        "limit": row.limit,
        "vfsPerGpu": dict(row.vfs),
        "withinLimit": _largest(row.within_limit),
        "withinGuarantee": _largest(row.within_guarantee),
    }


def _largest(item: Largest) -> dict[str, Any]:
    need = item.gang_need
    return {
        "pod": item.pod,
        "podWithVfs": item.fabric_pod,
        "gang": {
            "pods": item.gang,
            "unitsPerPod": need.units if need is not None else 0,
            "vfsPerPod": dict(need.vfs) if need is not None else {},
            "workload": item.workload or None,
        },
    }


def _work(row: WorkRow) -> dict[str, Any]:
    return {
        "workload": row.workload,
        **_job(row.outcome.job),
        "verdict": row.outcome.verdict.value,
        "jobsWithinGuarantee": row.outcome.within_guarantee,
        "jobsWithinLimit": row.outcome.within_limit,
        "obstacles": [
            {"kind": item.kind, "reason": item.reason, "missingFact": item.unknown} for item in row.outcome.obstacles
        ],
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        "tenant": job.tenant,
        "namespace": job.namespace,
        "pool": job.pool,
        "resource": job.need.resource,
        "pods": job.pods,
        "unitsPerPod": job.need.units,
        "vfsPerPod": dict(job.need.vfs),
    }


def _finding(item: FitFinding) -> dict[str, Any]:
    job = None
    if item.job is not None:
        job = {"name": item.job.name, **_job(item.job), "pod": item.shape}
    return {
        **plain_finding(item.finding),
        "job": job,
        "changes": list(item.changes),
        "waived": item.waived,
        "waiver": item.waiver.name if item.waiver is not None else None,
    }
