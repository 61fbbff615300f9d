"""KAI: one scheduler per node pool and a queue for every department and tenant in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.names import department_queue, tenant_queue
from tenantry.compile.queue_shares import counted, department_shares, tenant_shares
from tenantry.model.cluster import DEPARTMENT_LABEL, DOMAIN, TENANT_LABEL, ResourceKind
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.compile.queue_shares import Share
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.tree import Output

COMPONENT = "scheduler"
NODE_POOL_LABEL = "kai.scheduler/node-pool"
"""Label by which nodes, queues and pods belong to the scheduler of a pool."""
UNIT_ANNOTATION = f"{DOMAIN}/gpu-unit"
"""What one GPU of a queue is; manifests cannot carry comments."""

SKIP_MISSING = "SkipDryRunOnMissingResource=true"
UNLIMITED = -1

# Default of KAI, written out so that a changed one shows as drift (KAI scheduler, pkg/common/constants/constants.go).
PRIORITY = 100

WAVE_SHARDS, WAVE_DEPARTMENTS, WAVE_TENANTS = 0, 1, 2


def kai(cluster: Cluster) -> Iterable[Output]:
    """Yield a SchedulingShard per node pool and the queues of departments and tenants."""
    if cluster.spec.platform.spec.scheduler.type is not SchedulerType.KAI:
        return
    for pool in cluster.pools:
        yield Piece(COMPONENT, "shards", _shard(cluster, pool))
        yield from _pool_notes(pool)
    for department in cluster.departments:
        for share in department_shares(cluster, department):
            # The department is bounded by its tenants, so a limit of its own would only be one more number to keep.
            body = _queue(
                department_queue(department, share.pool),
                share,
                limit=UNLIMITED,
                display=department,
                wave=WAVE_DEPARTMENTS,
                labels={DEPARTMENT_LABEL: department},
            )
            yield Piece(COMPONENT, f"department-{department}", body)
    for tenant in cluster.tenants:
        for share in tenant_shares(cluster, tenant):
            body = _queue(
                tenant_queue(tenant.name, share.pool),
                share,
                limit=share.limit,
                display=tenant.name,
                wave=WAVE_TENANTS,
                labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
                parent=department_queue(tenant.department, share.pool),
            )
            yield Piece(COMPONENT, f"tenant-{tenant.name}", body)
    if cluster.tenants:
        yield Note(
            "NOTE-KAI-PODS",
            "pods with GPUs",
            "KAI finds the scheduler of a pod by its own label, not by its queue: a pod without it is taken by the "
            "default scheduler instance, which owns no GPU node, and waits for ever.",
            f"Pods carry schedulerName kai-scheduler and the labels kai.scheduler/queue and {NODE_POOL_LABEL} of the "
            "same node pool.",
        )


def _shard(cluster: Cluster, pool: Pool) -> dict[str, Any]:
    scheduler = cluster.spec.platform.spec.scheduler
    spec: dict[str, Any] = {
        "partitionLabelValue": pool.name,
        "placementStrategy": {"gpu": scheduler.placement, "cpu": scheduler.placement},
    }
    runtimes = {
        "preemptMinRuntime": scheduler.preempt_min_runtime,
        "reclaimMinRuntime": scheduler.reclaim_min_runtime,
    }
    known = {name: value for name, value in runtimes.items() if value is not None}
    if known:
        spec["minRuntime"] = known
    return manifest(
        "kai.scheduler/v1", "SchedulingShard", pool.name, wave=WAVE_SHARDS, sync_options=SKIP_MISSING, spec=spec
    )


def _queue(
    name: str, share: Share, *, limit: int, display: str, wave: int, labels: dict[str, str], parent: str = ""
) -> dict[str, Any]:
    # CPU (millicores) and memory (MB) are bounded by the ResourceQuota of each namespace. A missing limit would mean
    # "nothing allowed" here, so every number is written (KAI scheduler, pkg/apis/scheduling/v2/resources.go).
    free = {"quota": UNLIMITED, "limit": UNLIMITED, "overQuotaWeight": 1}
    spec: dict[str, Any] = {
        "displayName": display,
        "priority": PRIORITY,
        "resources": {
            "gpu": {"quota": share.quota, "limit": limit, "overQuotaWeight": share.weight},
            "cpu": dict(free),
            "memory": dict(free),
        },
    }
    if parent:
        spec["parentQueue"] = parent
    return manifest(
        "scheduling.run.ai/v2",
        "Queue",
        name,
        labels={NODE_POOL_LABEL: share.pool, **labels},
        annotations={UNIT_ANNOTATION: share.unit},
        wave=wave,
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _pool_notes(pool: Pool) -> Iterator[Note]:
    kinds = {item.kind for item in pool.gpu_resources}
    if not counted(pool):
        yield Note(
            "NOTE-KAI-SHARED",
            f"node pool {pool.name}",
            "KAI places pods on replicas of shared GPUs but does not count nvidia.com/gpu.shared as GPU: the queues of "
            "this pool divide nothing, no pod is reclaimed for another tenant, and only the ResourceQuota of each "
            "namespace bounds a tenant.",
            "Give the pool to one tenant, or partition its GPUs with MIG instead.",
        )
    if {ResourceKind.SLICE, ResourceKind.GPU} <= kinds:
        yield Note(
            "NOTE-KAI-MIXED-NODE",
            f"node pool {pool.name}",
            "On nodes with the mixed MIG strategy KAI starts pods that ask for MIG instances only: the GPUs that stay "
            "whole next to partitioned ones take no pod that KAI schedules.",
            "Partition every GPU of the pool, or move the whole ones to a pool of their own.",
        )
