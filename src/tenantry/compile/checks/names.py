"""Names that must be unique, free, or short enough to be joined."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tenantry.compile.problems import at
from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Document

RESERVED_NAMESPACE = re.compile(
    r"^(default|kube-.*|openshift|openshift-.*|redhat-ods-.*|rhods-.*|tenantry-.*|argocd|monitoring"
    r"|gpu-operator|nvidia-.*|node-feature-discovery|sriov-network-operator|kueue-.*|kai-.*|runai|runai-.*"
    r"|grafana|grafana-.*|cert-manager|cert-manager-.*|istio-.*|knative-.*|amazon-.*|gke-.*|gmp-.*|aks-.*|calico-.*"
    r"|tigera-operator|cilium|cilium-.*|multus|olm)$"
)
"""Namespaces of the cluster, its operators and Argo CD, which no tenant may own."""


KAI_CLASSES = frozenset({"train", "build-preemptible", "build", "inference"})
"""Priority classes that KAI and Run:ai install. Source: KAI scheduler, pkg/common/constants and its chart."""


def duplicates(cluster: Cluster) -> Iterable[SpecProblem]:
    """Names inside one list are unique."""
    platform = cluster.spec.platform
    spec = platform.spec
    yield from _repeated(platform, ("spec", "nodePools"), "name", [pool.name for pool in spec.node_pools], "node pool")
    yield from _repeated(platform, ("spec", "fabrics"), "name", [item.name for item in spec.fabrics], "fabric")
    yield from _repeated(
        platform, ("spec", "priorityTiers"), "name", [tier.name for tier in spec.priority_tiers], "priority tier"
    )
    for index, fabric in enumerate(spec.fabrics):
        path: DocPath = ("spec", "fabrics", index, "rails")
        yield from _repeated(platform, path, "name", [rail.name for rail in fabric.rails], "rail")
        addresses = [rail.pci or "" for rail in fabric.rails]
        yield from _repeated(platform, path, "pci", addresses, "PCI address")
    for tenant in cluster.spec.tenants:
        quotas = [quota.pool for quota in tenant.spec.quotas]
        yield from _repeated(tenant, ("spec", "quotas"), "pool", quotas, "quota for node pool")
        yield from _repeated(
            tenant, ("spec", "access"), "group", [grant.group for grant in tenant.spec.access], "a role for group"
        )
        classes = [item.storage_class for item in tenant.spec.storage]
        yield from _repeated(tenant, ("spec", "storage"), "class", classes, "storage class")
        attached = [item.name for item in tenant.spec.network.fabrics]
        yield from _repeated(tenant, ("spec", "network", "fabrics"), "name", attached, "attachment to fabric")
    if cluster.spec.contract is not None:
        named = [item.name for item in cluster.spec.contract.spec.exceptions]
        yield from _repeated(cluster.spec.contract, ("spec", "exceptions"), "name", named, "exception")


def _repeated(document: Document, path: DocPath, key: str, names: Sequence[str], what: str) -> Iterable[SpecProblem]:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and name in seen:
            first = seen[name]
            yield at(
                document,
                (*path, index, key),
                f"{what} {name!r} is declared twice, first as entry {first + 1}",
                expected="each name once",
                found=name,
                rule="SPEC-DUPLICATE-NAME",
            )
        seen.setdefault(name, index)


def hosts(cluster: Cluster) -> Iterable[SpecProblem]:
    """A host belongs to one pool, and counts agree with the hosts named."""
    platform = cluster.spec.platform
    owner: dict[str, str] = {}
    for index, pool in enumerate(platform.spec.node_pools):
        path: DocPath = ("spec", "nodePools", index)
        for position, host in enumerate(pool.hosts):
            if host in owner:
                yield at(
                    platform,
                    (*path, "hosts", position),
                    f"host {host} is already in node pool {owner[host]}",
                    expected="each host in one node pool",
                    found=host,
                    rule="SPEC-HOST-TWICE",
                )
            owner.setdefault(host, pool.name)
        if not pool.hosts and pool.count is None:
            yield at(
                platform,
                path,
                f"node pool {pool.name} says neither how many servers it has nor which",
                expected="count or hosts",
                rule="SPEC-POOL-SIZE",
            )
        if pool.hosts and pool.count is not None and pool.count != len(set(pool.hosts)):
            yield at(
                platform,
                (*path, "count"),
                f"node pool {pool.name} names {len(set(pool.hosts))} hosts but counts {pool.count} servers",
                expected=str(len(set(pool.hosts))),
                found=pool.count,
                rule="SPEC-POOL-SIZE",
            )
        if pool.hosts and pool.selector:
            yield at(
                platform,
                (*path, "selector"),
                f"node pool {pool.name} has both hosts and a selector",
                expected="hosts, or a selector for nodes labelled elsewhere",
                rule="SPEC-POOL-SELECTION",
            )


def namespaces(cluster: Cluster) -> Iterable[SpecProblem]:
    """A namespace belongs to one tenant and is not one of the cluster's own."""
    owner: dict[str, str] = {}
    for tenant in cluster.spec.tenants:
        for index, namespace in enumerate(tenant.spec.namespaces):
            path: DocPath = ("spec", "namespaces", index, "name")
            if namespace.name in owner:
                yield at(
                    tenant,
                    path,
                    f"namespace {namespace.name} is already claimed by tenant {owner[namespace.name]}",
                    expected="a namespace no other entry claims",
                    found=namespace.name,
                    rule="SPEC-NAMESPACE-CLAIMED",
                )
            owner.setdefault(namespace.name, tenant.name)
            if RESERVED_NAMESPACE.match(namespace.name) or namespace.name == cluster.argocd_namespace:
                yield at(
                    tenant,
                    path,
                    f"namespace {namespace.name} belongs to the cluster or one of its operators",
                    expected="a namespace of the tenant's own",
                    found=namespace.name,
                    rule="SPEC-NAMESPACE-RESERVED",
                )


def lengths(cluster: Cluster) -> Iterable[SpecProblem]:
    """Joined names stay within the 63 characters of a label value."""
    for tenant in cluster.tenants:
        for index, quota in enumerate(tenant.spec.spec.quotas):
            name = f"{tenant.name}-{quota.pool}"
            if len(name) > 63:
                yield _too_long(tenant.spec, ("spec", "quotas", index, "pool"), name, "queue")
        rails = {fabric.name: [rail.name for rail in fabric.rails] for fabric in cluster.fabrics}
        for index, item in enumerate(tenant.spec.spec.network.fabrics):
            longest = max(
                (f"{tenant.name}-{item.name}-{rail}" for rail in rails.get(item.name, [])), key=len, default=""
            )
            if len(longest) > 63:
                yield _too_long(tenant.spec, ("spec", "network", "fabrics", index, "name"), longest, "network")
        if len(f"tenant-{tenant.name}") > 53:  # Helm and Argo CD release names
            yield _too_long(tenant.spec, ("metadata", "name"), f"tenant-{tenant.name}", "Application", 53)


def _too_long(document: Document, path: DocPath, name: str, what: str, limit: int = 63) -> SpecProblem:
    return at(
        document,
        path,
        f"the {what} would be named {name!r}, which has {len(name)} characters",
        expected=f"at most {limit} characters; choose shorter names",
        found=name,
        rule="SPEC-NAME-LENGTH",
    )


def priorities(cluster: Cluster) -> Iterable[SpecProblem]:
    """Priority tiers have different values, or their order would be undefined."""
    platform = cluster.spec.platform
    counts = Counter(tier.value for tier in platform.spec.priority_tiers)
    for index, tier in enumerate(platform.spec.priority_tiers):
        if counts[tier.value] > 1:
            same = sorted(item.name for item in platform.spec.priority_tiers if item.value == tier.value)
            yield at(
                platform,
                ("spec", "priorityTiers", index, "value"),
                f"priority tiers {', '.join(same)} have the same value {tier.value}",
                expected="a value of its own",
                found=tier.value,
                rule="SPEC-PRIORITY-VALUE",
            )
        owner = "Kubernetes" if tier.name.startswith("system-") else ""
        if platform.spec.scheduler.type is not SchedulerType.KUEUE and tier.name in KAI_CLASSES:
            owner = "KAI, which brings a PriorityClass of that name"
        if owner:
            yield at(
                platform,
                ("spec", "priorityTiers", index, "name"),
                f"the name {tier.name} belongs to {owner}",
                expected="another name",
                found=tier.name,
                rule="SPEC-PRIORITY-NAME",
            )


def scheduler(cluster: Cluster) -> Iterable[SpecProblem]:
    """Run:ai needs to know its control plane and cluster."""
    platform = cluster.spec.platform
    chosen = platform.spec.scheduler
    if chosen.type is SchedulerType.RUNAI:
        missing = [
            name
            for name, value in (("controlPlaneUrl", chosen.control_plane_url), ("clusterId", chosen.cluster_id))
            if not value
        ]
        if missing:
            yield at(
                platform,
                ("spec", "scheduler"),
                f"scheduler runai needs {' and '.join(missing)}",
                expected=" and ".join(missing),
                rule="SPEC-RUNAI",
            )


CHECKS = (duplicates, hosts, namespaces, lengths, priorities, scheduler)
