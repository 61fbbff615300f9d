"""KAI: one scheduler per node pool and a queue for every department and tenant in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.queue_shares import counted
from tenantry.compile.queue_tree import department_queues, tenant_queues
from tenantry.model.cluster import DEPARTMENT_LABEL, DOMAIN, TENANT_LABEL, ResourceKind
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.compile.queue_tree import OwnedQueue
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.queue import Entitled
    from tenantry.model.tree import Output

COMPONENT = "scheduler"
NODE_POOL_LABEL = "kai.scheduler/node-pool"
"""Label by which nodes, queues and pods belong to the scheduler of a pool."""
UNIT_ANNOTATION = f"{DOMAIN}/gpu-unit"
"""What one GPU of a queue is; manifests cannot carry comments."""

SKIP_MISSING = "SkipDryRunOnMissingResource=true"

WAVE_SHARDS, WAVE_DEPARTMENTS, WAVE_TENANTS = 0, 1, 2


def kai(cluster: Cluster) -> Iterable[Output]:
    """Yield a SchedulingShard per node pool and the queues of departments and tenants."""
    if cluster.spec.platform.spec.scheduler.type is not SchedulerType.KAI:
        return
    for pool in cluster.pools:
        yield Piece(COMPONENT, "shards", _shard(cluster, pool))
        yield from _pool_notes(pool)
    for department in cluster.departments:
        for item in department_queues(cluster, department):
            body = _queue(item, wave=WAVE_DEPARTMENTS, labels={DEPARTMENT_LABEL: department})
            yield Piece(COMPONENT, f"department-{department}", body)
    for tenant in cluster.tenants:
        for item in tenant_queues(cluster, tenant):
            labels = {TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department}
            yield Piece(COMPONENT, f"tenant-{tenant.name}", _queue(item, wave=WAVE_TENANTS, labels=labels))
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


def _queue(item: OwnedQueue, *, wave: int, labels: dict[str, str]) -> dict[str, Any]:
    # CPU (millicores) and memory (MB) are bounded by the ResourceQuota of each namespace. A missing limit would mean
    # "nothing allowed" here, so every number is written (KAI scheduler, pkg/apis/scheduling/v2/resources.go).
    queue = item.queue
    spec: dict[str, Any] = {
        "displayName": item.owner,
        "priority": queue.priority,
        "resources": {
            "gpu": _entitled(queue.gpu),
            "cpu": _entitled(queue.cpu),
            "memory": _entitled(queue.memory),
        },
    }
    if queue.parent:
        spec["parentQueue"] = queue.parent
    return manifest(
        "scheduling.run.ai/v2",
        "Queue",
        queue.name,
        labels={NODE_POOL_LABEL: item.share.pool, **labels},
        annotations={UNIT_ANNOTATION: item.share.unit},
        wave=wave,
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _entitled(amounts: Entitled) -> dict[str, int]:
    return {"quota": int(amounts.quota), "limit": int(amounts.limit), "overQuotaWeight": int(amounts.weight)}


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
