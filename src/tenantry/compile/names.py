"""Names that more than one pass must agree on: networks of tenants, queues, cohorts.

Names are joined from names the user chose, so two different owners can in principle arrive at the same text
(tenant ``a-b`` on ``c``, tenant ``a`` on ``b-c``). :func:`name_clashes` lists such cases; a spec that has one must not
be compiled, because the second object would silently replace the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.compile.build import content_hash
from tenantry.model.spec import FabricType, SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Cluster, ClusterFabric, ClusterTenant, FabricRail
    from tenantry.model.spec import FabricAttachment

# Queue names are label values of pods, and NetworkAttachmentDefinition names become interface annotations: both end at
# 63 characters (RFC 1123 label).
LONGEST = 63


def joined(*parts: str) -> str:
    """Join parts with hyphens; a result above 63 characters is cut and ends in a hash of all parts."""
    name = "-".join(parts)
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9].rstrip('-')}-{content_hash(list(parts))}"


@dataclass(frozen=True, slots=True)
class TenantNetwork:
    """One attachment of one namespace to one rail.

    Attributes:
        name: name of the NetworkAttachmentDefinition in the namespace.
        namespace: namespace that may attach.
        fabric: fabric.
        rail: rail of that fabric.
        attachment: the attachment as written.
    """

    name: str
    namespace: str
    fabric: ClusterFabric
    rail: FabricRail
    attachment: FabricAttachment


def tenant_networks(cluster: Cluster, tenant: ClusterTenant) -> Iterator[TenantNetwork]:
    """Yield the networks of a tenant, ordered by fabric, namespace as written, and rail.

    An attachment without VLAN (Ethernet) or P_Key (InfiniBand) isolates nobody, so it yields none. SriovNetworks of all
    tenants share the operator's namespace: the first namespace of the tenant has the plain name, later ones carry the
    namespace too, so that adding a namespace renames nothing. Raw definitions on InfiniBand live in the tenant's own
    namespace and need no suffix.
    """
    if cluster.distribution.managed:
        return
    fabrics = {fabric.name: fabric for fabric in cluster.fabrics}
    seen: set[str] = set()
    for attachment in sorted(tenant.spec.spec.network.fabrics, key=lambda item: item.name):
        fabric = fabrics.get(attachment.name)
        if fabric is None or attachment.name in seen:
            continue
        seen.add(attachment.name)
        infiniband = fabric.spec.type is FabricType.INFINIBAND
        if (attachment.p_key if infiniband else attachment.vlan) is None:
            continue
        allowed = [name for name in tenant.namespaces if not attachment.namespaces or name in attachment.namespaces]
        for namespace in allowed:
            suffix = () if infiniband or namespace == tenant.namespaces[0] else (namespace,)
            for rail in fabric.rails:
                name = joined(tenant.name, fabric.name, rail.name, *suffix)
                yield TenantNetwork(name, namespace, fabric, rail, attachment)


def network_names(cluster: Cluster, tenant: ClusterTenant, namespace: str) -> tuple[str, ...]:
    """Names of the networks that pods of a namespace may attach to, sorted; they lie in that namespace."""
    return tuple(sorted({item.name for item in tenant_networks(cluster, tenant) if item.namespace == namespace}))


def tenant_queue(tenant: str, pool: str) -> str:
    """Name of the KAI leaf queue and of the Kueue ClusterQueue of a tenant in a node pool."""
    return joined(tenant, pool)


def department_queue(department: str, pool: str) -> str:
    """Name of the KAI queue of a department in a node pool; it takes no pods."""
    return joined(department, pool, "dept")


def department_cohort(department: str, pool: str) -> str:
    """Name of the Kueue Cohort of a department in a node pool; its parent is named like the pool."""
    return joined(department, pool)


def queue_names(cluster: Cluster, tenant: ClusterTenant) -> tuple[str, ...]:
    """Names by which pods of the tenant choose a queue, sorted.

    KAI: value of ``kai.scheduler/queue``, one leaf queue per node pool. Kueue: value of
    ``kueue.x-k8s.io/queue-name``, one LocalQueue per node pool, named like it. Run:ai: name of the project.
    """
    kind = cluster.spec.platform.spec.scheduler.type
    if kind is SchedulerType.RUNAI:
        return (tenant.name,)
    if kind is SchedulerType.KUEUE:
        return tuple(sorted(tenant.pools))
    return tuple(sorted(tenant_queue(tenant.name, pool) for pool in tenant.pools))


@dataclass(frozen=True, slots=True, order=True)
class NameClash:
    """Different owners whose objects would carry the same name.

    Attributes:
        kind: kind of the objects.
        name: the name.
        owners: who would own it, sorted, for example ``tenant a-b in node pool c``.
        tenant: name of the last tenant concerned, in whose document the problem is best shown.
    """

    kind: str
    name: str
    owners: tuple[str, ...]
    tenant: str


def name_clashes(cluster: Cluster) -> tuple[NameClash, ...]:
    """Return every name that two owners share, sorted; empty for almost every platform."""
    owners: dict[tuple[str, str], dict[str, str]] = {}
    for tenant in cluster.tenants:
        for kind, name, owner in (*_network_owners(cluster, tenant), *_queue_owners(cluster, tenant)):
            owners.setdefault((kind, name), {})[owner] = tenant.name
    return tuple(
        sorted(
            NameClash(kind, name, tuple(sorted(who)), max(who.values()))
            for (kind, name), who in owners.items()
            if len(who) > 1
        )
    )


def _network_owners(cluster: Cluster, tenant: ClusterTenant) -> Iterator[tuple[str, str, str]]:
    for network in tenant_networks(cluster, tenant):
        if network.fabric.spec.type is FabricType.ETHERNET:
            where = f"fabric {network.fabric.name}, rail {network.rail.name}, namespace {network.namespace}"
            yield "SriovNetwork", network.name, f"tenant {tenant.name} on {where}"


def _queue_owners(cluster: Cluster, tenant: ClusterTenant) -> Iterator[tuple[str, str, str]]:
    kind = cluster.spec.platform.spec.scheduler.type
    for pool in tenant.pools:
        leaf = f"tenant {tenant.name} in node pool {pool}"
        department = f"department {tenant.department} in node pool {pool}"
        if kind is SchedulerType.KAI:
            yield "Queue", tenant_queue(tenant.name, pool), leaf
            yield "Queue", department_queue(tenant.department, pool), department
        elif kind is SchedulerType.KUEUE:
            yield "ClusterQueue", tenant_queue(tenant.name, pool), leaf
            yield "Cohort", department_cohort(tenant.department, pool), department
            yield "Cohort", pool, f"node pool {pool}"
