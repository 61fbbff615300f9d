"""Shares of tenants and departments in node pools, in the unit KAI and Run:ai count GPUs in.

A whole GPU counts 1. A MIG instance counts its compute slices (``3g.71gb`` counts 3), in requests and in the capacity
of the node alike. A replica of a time-sliced or MPS GPU is not a GPU to these schedulers at all; it is written as 1 so
that the numbers stay readable, and :attr:`Share.counted` says that nothing enforces them there.

Source: KAI scheduler, pkg/scheduler/api/node_info/node_info.go and api/resource_info/resource_vector.go (v0.17).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.cluster import ResourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, ClusterTenant, Pool


@dataclass(frozen=True, slots=True)
class Share:
    """What one owner may use in one node pool.

    Attributes:
        pool: name of the node pool.
        quota: units it always gets back.
        limit: most units at one time; never below ``quota``.
        weight: share of idle units relative to siblings; 0 never borrows.
        unit: what one unit is, in words.
        counted: whether the scheduler counts these units as GPUs.
    """

    pool: str
    quota: int
    limit: int
    weight: int
    unit: str
    counted: bool = True


def units(pool: Pool, resource: str) -> int:
    """Units one piece of an extended resource counts in a node pool."""
    for item in pool.gpu_resources:
        if item.name == resource and item.kind is ResourceKind.SLICE:
            profile = pool.gpu.profile(item.profile)
            return profile.compute if profile is not None else 1
    return 1


def unit_name(pool: Pool) -> str:
    """What a unit is in a node pool, in words."""
    kinds = {item.kind for item in pool.gpu_resources}
    if ResourceKind.SHARED in kinds:
        return "replicas of shared GPUs"
    if ResourceKind.SLICE in kinds:
        return "compute slices of MIG instances"
    return "GPUs"


def counted(pool: Pool) -> bool:
    """Whether KAI and Run:ai count the GPUs of a pool: they know ``nvidia.com/gpu`` and MIG resources only."""
    return all(item.kind is not ResourceKind.SHARED for item in pool.gpu_resources)


def tenant_shares(cluster: Cluster, tenant: ClusterTenant) -> tuple[Share, ...]:
    """Shares of a tenant, one per pool it has an entitlement in, ordered by pool.

    A tenant of weight 0 never borrows, so its limit is its guarantee.
    """
    shares = []
    for name in sorted(tenant.pools):
        pool = cluster.pool(name)
        items = [item for item in tenant.entitlements if item.pool == name]
        quota = sum(item.guaranteed * units(pool, item.resource) for item in items)
        weight = max(item.weight for item in items)
        limit = sum(max(item.guaranteed, item.limit if weight else 0) * units(pool, item.resource) for item in items)
        shares.append(Share(name, quota, limit, weight, unit_name(pool), counted(pool)))
    return tuple(shares)


def department_shares(cluster: Cluster, department: str) -> tuple[Share, ...]:
    """Shares of a department: sums over its tenants per pool, of weight 1, ordered by pool."""
    tenants = [tenant for tenant in cluster.tenants if tenant.department == department]
    return _summed(share for tenant in tenants for share in tenant_shares(cluster, tenant))


def _summed(shares: Iterable[Share]) -> tuple[Share, ...]:
    total: dict[str, Share] = {}
    for share in shares:
        known = total.get(share.pool)
        quota, limit = (known.quota, known.limit) if known else (0, 0)
        total[share.pool] = Share(share.pool, quota + share.quota, limit + share.limit, 1, share.unit, share.counted)
    return tuple(total[name] for name in sorted(total))
