"""Names that must be declared somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.problems import at, unknown_name
from tenantry.model.problem import nearest_name
from tenantry.model.spec import replicas_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Document, Workload


def tenants(cluster: Cluster) -> Iterable[SpecProblem]:
    """Tiers, fabrics and namespaces named by a tenant exist."""
    platform = cluster.spec.platform.spec
    tiers = {tier.name for tier in platform.priority_tiers}
    fabrics = {fabric.name for fabric in platform.fabrics}
    for tenant in cluster.spec.tenants:
        for index, name in enumerate(tenant.spec.priorities):
            if name not in tiers:
                path: DocPath = ("spec", "priorities", index)
                yield unknown_name(tenant, path, "priority tier", name, tiers, rule="SPEC-UNKNOWN-TIER")
        own = {namespace.name for namespace in tenant.spec.namespaces}
        for index, item in enumerate(tenant.spec.network.fabrics):
            path = ("spec", "network", "fabrics", index)
            if item.name not in fabrics:
                yield unknown_name(tenant, (*path, "name"), "fabric", item.name, fabrics, rule="SPEC-UNKNOWN-FABRIC")
            yield from _namespaces(tenant, (*path, "namespaces"), item.namespaces, own)


def _namespaces(document: Document, path: DocPath, named: Iterable[str], own: set[str]) -> Iterable[SpecProblem]:
    for position, name in enumerate(named):
        if name not in own:
            yield unknown_name(
                document, (*path, position), "namespace of the tenant", name, own, rule="SPEC-UNKNOWN-NAMESPACE"
            )


def contract(cluster: Cluster) -> Iterable[SpecProblem]:
    """Both sides of an exception exist and differ."""
    document = cluster.spec.contract
    if document is None:
        return
    owned = {tenant.name: {item.name for item in tenant.spec.namespaces} for tenant in cluster.spec.tenants}
    for index, item in enumerate(document.spec.exceptions):
        path: DocPath = ("spec", "exceptions", index)
        for side, peer in (("from", item.source), ("to", item.target)):
            if peer.tenant not in owned:
                where = (*path, side, "tenant")
                yield unknown_name(document, where, "tenant", peer.tenant, owned, rule="SPEC-UNKNOWN-TENANT")
            else:
                where = (*path, side, "namespaces")
                yield from _namespaces(document, where, peer.namespaces, owned[peer.tenant])
        if item.source.tenant == item.target.tenant:
            yield at(
                document,
                (*path, "to", "tenant"),
                f"exception {item.name} is between tenant {item.source.tenant} and itself",
                expected="two tenants; a tenant may always reach itself",
                found=item.target.tenant,
                rule="SPEC-CONTRACT-SELF",
            )


def workloads(cluster: Cluster) -> Iterable[SpecProblem]:
    """Tenants, pools, fabrics and slices named by a workload exist."""
    platform = cluster.spec.platform.spec
    tenant_names = {tenant.name for tenant in cluster.spec.tenants}
    pools = {pool.name for pool in platform.node_pools}
    fabrics = {fabric.name for fabric in platform.fabrics}
    for workload in cluster.spec.workloads:
        for index, name in enumerate(workload.spec.tenants):
            if name not in tenant_names:
                path: DocPath = ("spec", "tenants", index)
                yield unknown_name(workload, path, "tenant", name, tenant_names, rule="SPEC-UNKNOWN-TENANT")
        for index, name in enumerate(workload.spec.pools):
            if name not in pools:
                path = ("spec", "pools", index)
                yield unknown_name(workload, path, "node pool", name, pools, rule="SPEC-UNKNOWN-POOL")
        rdma = workload.spec.rdma
        if rdma is not None and rdma.fabric not in fabrics:
            path = ("spec", "rdma", "fabric")
            yield unknown_name(workload, path, "fabric", rdma.fabric, fabrics, rule="SPEC-UNKNOWN-FABRIC")
        yield from _speeds(cluster, workload)


def _speeds(cluster: Cluster, workload: Workload) -> Iterable[SpecProblem]:
    """What was measured is a part of a GPU that the class may run on."""
    named = set(workload.spec.pools)
    pools = [pool for pool in cluster.pools if not named or pool.name in named]
    if not pools:
        return  # every pool it names is unknown, which is reported
    profiles = {profile.name for pool in pools for profile in pool.gpu.profiles}
    gpus = ", ".join(sorted({pool.gpu.title for pool in pools}))
    for name in workload.spec.speed:
        if name != "whole" and name not in profiles and replicas_of(name) is None:
            yield at(
                workload,
                ("spec", "speed", name),
                f"{name!r} is no part of a GPU that the class may run on ({gpus})",
                expected=f"one of {', '.join(sorted(profiles))}, whole, mps-N or time-slicing-N (N copies, 2 to 128)"
                if profiles
                else "whole, mps-N or time-slicing-N (N copies, 2 to 128)",
                found=name,
                nearest=nearest_name(name, {*profiles, "whole", *_shared_like(name)}),
                rule="SPEC-UNKNOWN-PROFILE",
            )


def _shared_like(name: str) -> Iterable[str]:
    """Keys of shared GPUs with the number of copies that was written, where it may be."""
    written = name.rpartition("-")[2]
    copies = written if replicas_of(f"mps-{written}") else "2"
    return (f"{mode}-{copies}" for mode in ("mps", "time-slicing"))


def facts(cluster: Cluster) -> Iterable[SpecProblem]:
    """Facts are stated under names some rule reads, once each."""
    known = {fact.id: fact for fact in catalog.fact_definitions()}
    for document in cluster.spec.facts:
        seen: set[str] = set()
        for index, fact in enumerate(document.spec.facts):
            path: DocPath = ("spec", "facts", index, "id")
            if fact.id not in known:
                yield unknown_name(document, path, "fact", fact.id, known, rule="SPEC-UNKNOWN-FACT")
            if fact.id in seen:
                yield at(
                    document,
                    path,
                    f"fact {fact.id} is stated twice",
                    expected="each fact once",
                    found=fact.id,
                    rule="SPEC-DUPLICATE-NAME",
                )
            seen.add(fact.id)
            if fact.expires is not None and fact.expires < fact.date:
                yield at(
                    document,
                    (*path[:-1], "expires"),
                    f"fact {fact.id} expires before the day it was checked, {fact.date}",
                    expected=f"a day after {fact.date}",
                    found=fact.expires,
                    rule="SPEC-DATES",
                )


CHECKS = (tenants, contract, workloads, facts)
