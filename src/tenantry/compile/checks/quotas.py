"""Quotas: in the units of the pool, consistent, and within its capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.problems import at, unknown_name
from tenantry.model.cluster import ResourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.cluster import Cluster, Entitlement, Pool, PoolResource
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import PoolQuota, Tenant


def units(cluster: Cluster) -> Iterable[SpecProblem]:
    """Slices are asked of pools that have them, GPUs of pools that have whole or replicated ones."""
    pools = {pool.name: pool for pool in cluster.pools}
    for tenant in cluster.spec.tenants:
        for index, quota in enumerate(tenant.spec.quotas):
            pool = pools.get(quota.pool)
            if pool is not None:
                yield from _units(tenant, quota, pool, ("spec", "quotas", index))


def _units(tenant: Tenant, quota: PoolQuota, pool: Pool, path: DocPath) -> Iterable[SpecProblem]:
    profiles = [item.profile for item in pool.gpu_resources if item.kind is ResourceKind.SLICE]
    # A layout with a misspelt profile is reported where it stands; what it was meant to offer is unknown then.
    doubtful = any(pool.gpu.profile(name) is None for layout in pool.spec.sharing.layouts for name in layout.profiles)
    for name, entry in quota.slices.items():
        if name not in profiles and not (doubtful and pool.gpu.profile(name)):
            yield unknown_name(
                tenant,
                (*path, "slices", name),
                f"MIG profile in node pool {pool.name}",
                name,
                profiles,
                rule="SPEC-QUOTA-UNIT",
            )
        if entry.limit is not None and entry.limit < entry.guaranteed:
            yield _below(tenant, (*path, "slices", name, "limit"), entry.guaranteed, entry.limit)
    counted = any(item.kind is not ResourceKind.SLICE for item in pool.gpu_resources)
    if (quota.guaranteed or quota.limit) and not counted:
        yield at(
            tenant,
            (*path, "guaranteed" if quota.guaranteed else "limit"),
            f"every GPU of node pool {pool.name} is partitioned, so GPUs cannot be counted there",
            expected=f"slices: with {', '.join(profiles)}",
            found=quota.guaranteed or quota.limit,
            rule="SPEC-QUOTA-UNIT",
        )
    if quota.limit is not None and quota.limit < quota.guaranteed:
        yield _below(tenant, (*path, "limit"), quota.guaranteed, quota.limit)


def _below(tenant: Tenant, path: DocPath, guaranteed: int, limit: int) -> SpecProblem:
    return at(
        tenant,
        path,
        f"the limit is below what is guaranteed ({guaranteed})",
        expected=f"at least {guaranteed}",
        found=limit,
        rule="SPEC-QUOTA-LIMIT",
    )


def capacity(cluster: Cluster) -> Iterable[SpecProblem]:
    """No limit exceeds a pool, and all guarantees together fit it."""
    asked: dict[tuple[str, str], list[tuple[Tenant, Entitlement]]] = {}
    for tenant in cluster.tenants:
        for item in tenant.entitlements:
            asked.setdefault((item.pool, item.resource), []).append((tenant.spec, item))
    for pool in cluster.pools:
        for resource in pool.gpu_resources:
            yield from _capacity(pool, resource, asked.get((pool.name, resource.name), []))


def _capacity(pool: Pool, resource: PoolResource, asked: Sequence[tuple[Tenant, Entitlement]]) -> Iterable[SpecProblem]:
    whole = pool.capacity(resource.name)
    there = f"{whole} x {resource.name} ({pool.nodes} nodes of {resource.per_node})"
    promised = 0
    for tenant, item in asked:
        path = _path(tenant, pool.name, resource.profile)
        if item.limit > whole:
            yield at(
                tenant,
                (*path, "limit") if item.limit != item.guaranteed else path,
                f"node pool {pool.name} has {there}",
                expected=f"at most {whole}",
                found=item.limit,
                rule="SPEC-QUOTA-CAPACITY",
            )
        if item.guaranteed and promised + item.guaranteed > whole >= promised:
            yield at(
                tenant,
                path,
                f"guarantees in node pool {pool.name} exceed its {there}: {promised} are promised to other tenants",
                expected=f"at most {whole - promised} guaranteed",
                found=item.guaranteed,
                rule="SPEC-QUOTA-CAPACITY",
            )
        promised += item.guaranteed


def _path(tenant: Tenant, pool: str, profile: str) -> DocPath:
    index = next(i for i, quota in enumerate(tenant.spec.quotas) if quota.pool == pool)
    path: DocPath = ("spec", "quotas", index)
    return (*path, "slices", profile) if profile else path


CHECKS = (units, capacity)
