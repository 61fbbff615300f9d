"""What the spec knows and no exporter does, as constant series: who owns a namespace, what a tenant is entitled to.

Compiled instead of read from labels: platform monitoring does not expose namespace labels everywhere, and a rule in
Git cannot drift from the quota next to it. One rule costs one sample per minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.monitoring.view import label_metric, metric_resource
from tenantry.compile.names import tenant_queue
from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import Cluster, ClusterTenant

    Rule = dict[str, Any]

MAPS: Mapping[str, str] = {
    "tenantry_node_pool": "1 for each node of a node pool (labels node, pool)",
    "tenantry_pool_node": "GPUs of each node of a pool (label pool)",
    "tenantry_pool_device": "devices that each node of a pool must advertise (labels pool, resource)",
    "tenantry_pool_driver": "1 for the driver version pinned for a pool (labels pool, DCGM_FI_DRIVER_VERSION)",
    "tenantry_namespace_tenant": "1 for each namespace of a tenant (labels namespace, tenant, department)",
    "tenantry_tenant_home": "1 for the first namespace of a tenant, which its alerts carry (labels tenant, namespace)",
    "tenantry_tenant_quota": "devices a tenant is entitled to (labels tenant, department, namespace, pool, resource, "
    "queue, bound: guaranteed or limit)",
}
"""Constant series and what each holds."""


def constant(record: str, value: int, **labels: str) -> Rule:
    """Return a recording rule of a constant with labels."""
    return {"record": record, "expr": f"vector({value})", "labels": dict(labels)}


def pool_rules(view: View) -> Iterable[Rule]:
    """Yield the constants of the node pools, in the order of the pools."""
    for pool in view.cluster.pools:
        hosts = pool.spec.hosts
        if hosts:
            yield from (constant("tenantry_node_pool", 1, node=host, pool=pool.name) for host in sorted(hosts))
        else:
            chosen = ", ".join(f'{label_metric(key)}="{value}"' for key, value in sorted(pool.node_selector.items()))
            expression = f"group by (node) (kube_node_labels{{{chosen}}})"
            yield {"record": "tenantry_node_pool", "expr": expression, "labels": {"pool": pool.name}}
        yield constant("tenantry_pool_node", pool.gpus_per_node, pool=pool.name)
        for item in pool.resources:
            yield constant("tenantry_pool_device", item.per_node, pool=pool.name, resource=metric_resource(item.name))
        if "pinned-driver" in view.flags and pool.driver:
            yield constant("tenantry_pool_driver", 1, pool=pool.name, DCGM_FI_DRIVER_VERSION=pool.driver)


def tenant_rules(cluster: Cluster, tenant: ClusterTenant) -> Iterable[Rule]:
    """Yield the constants of one tenant: its namespaces, then its entitlements."""
    owner = {"tenant": tenant.name, "department": tenant.department}
    home = tenant.namespaces[0]
    yield constant("tenantry_tenant_home", 1, tenant=tenant.name, namespace=home)
    for namespace in tenant.namespaces:
        yield constant("tenantry_namespace_tenant", 1, namespace=namespace, **owner)
    queued = cluster.spec.platform.spec.scheduler.type is not SchedulerType.RUNAI
    for item in tenant.entitlements:
        place = {"namespace": home, "pool": item.pool, "resource": metric_resource(item.resource)}
        if queued:
            place["queue"] = tenant_queue(tenant.name, item.pool)
        for bound, value in (("guaranteed", item.guaranteed), ("limit", item.limit)):
            if value:
                yield constant("tenantry_tenant_quota", value, **owner, **place, bound=bound)
