"""What pools offer to one pod, and what each tenant may reach of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tenantry.efficient.fit.room import Alignment, NodeRoom
from tenantry.model.cluster import ResourceKind
from tenantry.model.spec import Distribution, SchedulerType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.efficient.fit.room import Counted
    from tenantry.model.cluster import Cluster, ClusterTenant, Pool, PoolResource
    from tenantry.model.spec import Tenant

PODS_PER_NODE = {Distribution.OPENSHIFT: 250, Distribution.KUBERNETES: 110, Distribution.GKE: 110}
"""Pods the kubelet takes unless told otherwise (maxPods); on EKS and AKS it depends on the machine and the network."""

NON_PREEMPTIBLE_FROM = 100
"""KAI never preempts jobs of this priority or above, and keeps them within the quota of their queue.

Source: KAI scheduler, pkg/common/podgroup/preemptible.go and plugins/proportion/capacity_policy/quota_check.go.
"""


class Reach(NamedTuple):
    """What a tenant may use of one resource of one pool.

    Attributes:
        guaranteed: units it always gets back.
        limit: most units at one time that it can really hold.
        written: the limit as written.
        why: why ``limit`` is below ``written``; empty when it is not.
    """

    guaranteed: int
    limit: int
    written: int
    why: str = ""


@dataclass(frozen=True)
class Offer:
    """A pool as pods see it.

    Attributes:
        pool: the pool.
        nodes: nodes that are there, of ``pool.nodes``.
        room: an empty node.
    """

    pool: Pool
    nodes: int
    room: NodeRoom

    @property
    def name(self) -> str:
        """Name of the pool."""
        return self.pool.name

    def resource(self, name: str) -> PoolResource:
        """Return an advertised GPU resource; KeyError when there is none."""
        return self._resources[name]

    @cached_property
    def _resources(self) -> dict[str, PoolResource]:
        return {item.name: item for item in self.pool.gpu_resources}

    def capacity(self, resource: str, nodes: int | None = None) -> int:
        """Units in so many nodes of the pool, in all that are there unless told otherwise."""
        return self._resources[resource].per_node * (self.nodes if nodes is None else nodes)


def offers(cluster: Cluster, lost: Mapping[str, int]) -> dict[str, Offer]:
    """Return every pool by its name, with the nodes that are not lost."""
    return {
        pool.name: Offer(pool, max(0, pool.nodes - lost.get(pool.name, 0)), node_room(cluster, pool))
        for pool in cluster.pools
    }


def node_room(cluster: Cluster, pool: Pool) -> NodeRoom:
    """Return an empty node of a pool."""
    alignment = {"restricted": Alignment.RESTRICTED, "single-numa-node": Alignment.SINGLE}.get(
        pool.spec.numa_alignment, Alignment.NONE
    )
    fabrics = [cluster.fabric(name) for name in pool.fabrics]
    vfs = {fabric.name: len(fabric.rails) * fabric.spec.vfs_per_rail for fabric in fabrics}
    number = pool.server.numa_nodes
    # The catalog says how many NUMA nodes a server has, not which GPUs lie in which: equal parts, in order.
    known = alignment is Alignment.NONE or (number > 0 and pool.gpus_per_node % number == 0)
    cells = _cells(pool, number if known and alignment is not Alignment.NONE else 1)
    return NodeRoom(
        cells=cells,
        vfs=tuple(sorted(vfs.items())),
        pods=PODS_PER_NODE.get(cluster.distribution, 0),
        alignment=alignment,
        numa_known=known,
        per_rail=frozenset(fabric.name for fabric in fabrics if fabric.spec.resource_per_rail),
    )


def _cells(pool: Pool, number: int) -> tuple[Counted, ...]:
    if number == 1:
        return (tuple(sorted((item.name, item.per_node) for item in pool.gpu_resources)),)
    each = pool.gpus_per_node // number
    cells: list[dict[str, int]] = [{} for _ in range(number)]
    whole = [item for item in pool.gpu_resources if item.kind is not ResourceKind.SLICE]
    replicas = pool.spec.sharing.replicas or 1
    names = {item.profile: item.name for item in pool.gpu_resources if item.kind is ResourceKind.SLICE}
    for group in pool.groups:
        for index in group.indices:
            cell = cells[index // each]
            for profile, count in group.profiles:
                cell[names[profile]] = cell.get(names[profile], 0) + count
            if not group.profiles and whole:
                cell[whole[0].name] = cell.get(whole[0].name, 0) + replicas
    return tuple(tuple(sorted(cell.items())) for cell in cells)


def compute_units(pool: Pool, resource: PoolResource) -> int:
    """Units KAI and Run:ai count one piece as: compute slices of an instance, 1 for everything else."""
    profile = pool.gpu.profile(resource.profile) if resource.profile else None
    return profile.compute if profile is not None else 1


def lasting_only(cluster: Cluster, tenant: ClusterTenant) -> bool:
    """Whether every tier the tenant may use is one that KAI keeps within the guarantee."""
    if cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE or not tenant.priorities:
        return False
    tiers = {tier.name: tier.value for tier in cluster.spec.platform.spec.priority_tiers}
    return all(tiers[name] >= NON_PREEMPTIBLE_FROM for name in tenant.priorities)


def reaches(cluster: Cluster, tenant: ClusterTenant) -> dict[tuple[str, str], Reach]:
    """Return what a tenant may use, by pool and resource, with limits that its queues and its quotas really allow.

    A weight of 0 never borrows. Under KAI and Run:ai a tenant that has tiers of priority 100 and above only cannot
    borrow either; both bound the queue of the pool as a whole, in compute slices.
    """
    per_resource = cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE
    lasting = lasting_only(cluster, tenant)
    found: dict[tuple[str, str], Reach] = {}
    for name in tenant.pools:
        pool = cluster.pool(name)
        resources = {item.name: item for item in pool.gpu_resources}
        items = [item for item in tenant.entitlements if item.pool == name]
        shared = any(item.kind is ResourceKind.SHARED for item in pool.gpu_resources)
        weightless = max(item.weight for item in items) == 0
        quota = sum(item.guaranteed * compute_units(pool, resources[item.resource]) for item in items)
        for item in items:
            most, why = item.limit, ""
            # KAI does not count replicas, so nothing but the ResourceQuota bounds them.
            bounded = (weightless or lasting) and (per_resource or not shared)
            if bounded:
                units = compute_units(pool, resources[item.resource])
                most = min(most, item.guaranteed if per_resource else quota // units)
            if most < item.limit:
                why = "overQuotaWeight is 0" if weightless else "all its priority tiers are 100 or above"
            found[name, item.resource] = Reach(item.guaranteed, most, item.limit, why)
    return found


def vf_limit(cluster: Cluster, tenant: ClusterTenant, fabric: str) -> int:
    """Virtual functions of a fabric a tenant may hold at one time, over all pools."""
    return sum(tenant.limits.get(name, 0) for name in cluster.fabric(fabric).resources)


def attached_namespaces(tenant: Tenant, fabric: str) -> int:
    """Namespaces of a tenant that may attach to a fabric; 0 when it is not attached."""
    for item in tenant.spec.network.fabrics:
        if item.name == fabric:
            return len(item.namespaces) or len(tenant.spec.namespaces)
    return 0
