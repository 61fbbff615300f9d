"""Kueue: a flavor per node pool, a ClusterQueue per tenant and pool, cohorts per department, queues in namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.components import tenant_component
from tenantry.compile.kueue_config import FRAMEWORKS, kueue_api, modern
from tenantry.compile.names import department_cohort, tenant_queue
from tenantry.model.cluster import DEPARTMENT_LABEL, POOL_LABEL, TENANT_LABEL, ResourceKind
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, ClusterTenant, Pool
    from tenantry.model.tree import Output

COMPONENT = "scheduler"
SKIP_MISSING = "SkipDryRunOnMissingResource=true"

# Flavors and cohorts before the ClusterQueues that name them.
WAVE_CONFIG, WAVE_FLAVORS, WAVE_QUEUES = 0, 1, 2

# LocalQueues come after the namespaces of their tenant.
WAVE_LOCAL = 1


def kueue(cluster: Cluster) -> Iterable[Output]:
    """Yield the operand (OpenShift), flavors, cohorts, priority classes and queues."""
    if cluster.spec.platform.spec.scheduler.type is not SchedulerType.KUEUE:
        return
    if cluster.openshift:
        yield Piece(COMPONENT, "kueue", _operand())
    for pool in cluster.pools:
        yield Piece(COMPONENT, "flavors", _flavor(cluster, pool))
    for body in _cohorts(cluster):
        yield Piece(COMPONENT, "cohorts", body)
    for tier in sorted(cluster.spec.platform.spec.priority_tiers, key=lambda item: (item.value, item.name)):
        body = manifest(
            kueue_api(cluster),
            "WorkloadPriorityClass",
            tier.name,
            wave=WAVE_FLAVORS,
            sync_options=SKIP_MISSING,
            value=tier.value,
            description=tier.description or None,
        )
        yield Piece(COMPONENT, "priorities", body)
    for tenant in cluster.tenants:
        for name in sorted(tenant.pools):
            yield Piece(COMPONENT, f"tenant-{tenant.name}", _cluster_queue(cluster, tenant, cluster.pool(name)))
        for body in _local_queues(cluster, tenant):
            yield Piece(tenant_component(tenant.name).name, "queues", body)


def _operand() -> dict[str, Any]:
    return manifest(
        "kueue.openshift.io/v1",
        "Kueue",
        # The operator accepts this name only.
        "cluster",
        wave=WAVE_CONFIG,
        sync_options=f"Prune=confirm,Delete=confirm,{SKIP_MISSING}",
        spec={
            "managementState": "Managed",
            "config": {
                "integrations": {"frameworks": [name for name, _ in FRAMEWORKS]},
                # Work that names no queue is held too, or leaving the name out would be the way around the queue.
                "workloadManagement": {"labelPolicy": "None"},
                "preemption": {"preemptionPolicy": "FairSharing"},
            },
        },
    )


def _flavor(cluster: Cluster, pool: Pool) -> dict[str, Any]:
    spec: dict[str, Any] = {"nodeLabels": dict(sorted(pool.node_selector.items()))}
    if pool.spec.dedicated:
        spec["tolerations"] = [
            {"key": POOL_LABEL, "operator": "Equal", "value": pool.name, "effect": "NoSchedule"},
        ]
    return manifest(
        kueue_api(cluster), "ResourceFlavor", pool.name, wave=WAVE_FLAVORS, sync_options=SKIP_MISSING, spec=spec
    )


def _cohorts(cluster: Cluster) -> Iterator[dict[str, Any]]:
    used = {(name, tenant.department) for tenant in cluster.tenants for name in tenant.pools}
    for pool in cluster.pools:
        departments = sorted(department for name, department in used if name == pool.name)
        if not departments:
            continue
        yield _cohort(cluster, pool.name, {})
        for department in departments:
            yield _cohort(
                cluster,
                department_cohort(department, pool.name),
                {"parentName": pool.name, "fairSharing": {"weight": 1}},
                {DEPARTMENT_LABEL: department},
            )


def _cohort(cluster: Cluster, name: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> dict[str, Any]:
    return manifest(
        kueue_api(cluster),
        "Cohort",
        name,
        labels=labels,
        wave=WAVE_FLAVORS,
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _cluster_queue(cluster: Cluster, tenant: ClusterTenant, pool: Pool) -> dict[str, Any]:
    resources = [*_compute(tenant), *_devices(tenant, pool)]
    cohort = department_cohort(tenant.department, pool.name)
    weight = max(item.weight for item in tenant.entitlements if item.pool == pool.name)
    spec: dict[str, Any] = {
        ("cohortName" if modern(cluster) else "cohort"): cohort,
        # Left out it would select no namespace, empty it would select every tenant's.
        "namespaceSelector": {"matchLabels": {TENANT_LABEL: tenant.name}},
        "queueingStrategy": "BestEffortFIFO",
        # What a tenant borrows goes back to whoever is guaranteed it; nobody evicts another within its guarantee.
        "preemption": {
            "withinClusterQueue": "LowerPriority",
            "reclaimWithinCohort": "Any",
            "borrowWithinCohort": {"policy": "Never"},
        },
        "fairSharing": {"weight": weight},
        "resourceGroups": [
            {
                # Every resource that pods here may ask for: one that is missing would keep a workload out for ever.
                "coveredResources": [item["name"] for item in resources],
                "flavors": [{"name": pool.name, "resources": resources}],
            }
        ],
    }
    return manifest(
        kueue_api(cluster),
        "ClusterQueue",
        tenant_queue(tenant.name, pool.name),
        labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
        wave=WAVE_QUEUES,
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _entry(name: str, nominal: str | int, borrowing: int = 0, lending: str | int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "nominalQuota": str(nominal),
        "borrowingLimit": str(borrowing),
        "lendingLimit": str(lending),
    }


def _compute(tenant: ClusterTenant) -> Iterator[dict[str, Any]]:
    """Budgets of all namespaces of the tenant together; each ResourceQuota bounds one namespace, so nothing is lent."""
    compute = tenant.spec.spec.compute
    count = len(tenant.namespaces)
    for name, text in (
        ("cpu", compute.cpu),
        ("memory", compute.memory),
        ("ephemeral-storage", compute.ephemeral_storage),
    ):
        yield _entry(name, str(parse_quantity(text) * count))


def _devices(tenant: ClusterTenant, pool: Pool) -> Iterator[dict[str, Any]]:
    entitled = {item.resource: item for item in tenant.entitlements if item.pool == pool.name}
    for resource in pool.resources:
        item = entitled.get(resource.name)
        if resource.kind is ResourceKind.VF:
            # VFs go with GPUs: as many as the tenant may hold at all, and nobody waits for them by themselves.
            yield _entry(resource.name, min(tenant.limits.get(resource.name, 0), pool.capacity(resource.name)))
        elif item is None:
            yield _entry(resource.name, 0)
        else:
            borrowing = max(0, item.limit - item.guaranteed) if item.weight else 0
            yield _entry(resource.name, item.guaranteed, borrowing, item.guaranteed)


def _local_queues(cluster: Cluster, tenant: ClusterTenant) -> Iterator[dict[str, Any]]:
    for namespace in tenant.namespaces:
        for pool in sorted(tenant.pools):
            yield manifest(
                kueue_api(cluster),
                "LocalQueue",
                pool,
                namespace=namespace,
                labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
                wave=WAVE_LOCAL,
                sync_options=SKIP_MISSING,
                spec={"clusterQueue": tenant_queue(tenant.name, pool)},
            )
