"""Join a spec with the catalog into the resolved cluster.

Whatever cannot be resolved is reported and left out, so that the rules can still look at the rest and every problem is
reported at once. A cluster with problems must not be compiled.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.problems import at, unknown_name
from tenantry.model.cluster import (
    ChosenOperator,
    Cluster,
    ClusterFabric,
    ClusterTenant,
    Entitlement,
    FabricRail,
    GpuGroup,
    Pool,
    PoolResource,
    ResourceKind,
)
from tenantry.model.gpu import GPU_RESOURCE, MIG_RESOURCE_PREFIX, SHARED_GPU_RESOURCE
from tenantry.model.spec import Distribution, FabricType, OperatorPin, SchedulerType, SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.gpu import Gpu
    from tenantry.model.hardware import Server
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.software import Operator
    from tenantry.model.spec import Fabric, NodePool, PlatformSpec, PoolQuota, Spec, Tenant

VF_PREFIX = "openshift.io"
"""Prefix of VF resources on every distribution; the chart off OpenShift is configured to use it too."""

NON_PREEMPTIBLE_FROM = 100
"""KAI never preempts jobs of this priority or above. Source: KAI, pkg/common/podgroup/preemptible.go."""


def resolve(spec: Spec) -> tuple[Cluster, list[SpecProblem]]:
    """Resolve a spec; the cluster is complete exactly when no problem is returned.

    Args:
        spec: documents that are valid one by one.

    Returns:
        The cluster, without the pools, fabrics and quotas that could not be resolved, and the problems found.
    """
    problems: list[SpecProblem] = []
    platform = spec.platform.spec
    fabrics_of_pool: dict[str, list[Fabric]] = {}
    for fabric in sorted(platform.fabrics, key=lambda item: item.name):
        for pool_name in dict.fromkeys(fabric.pools):
            fabrics_of_pool.setdefault(pool_name, []).append(fabric)
    operators = _operators(spec, problems)
    driver = _driver_version(platform, operators)
    servers: dict[str, tuple[Server, Gpu, int]] = {}
    for index, pool in enumerate(platform.node_pools):
        found = _hardware(spec, pool, ("spec", "nodePools", index), problems)
        if found is not None:
            servers.setdefault(pool.name, found)
    nodes = {pool.name: _node_count(pool) for pool in platform.node_pools}
    fabrics = tuple(_fabrics(spec, servers, nodes, problems))
    rails_of = {fabric.name: fabric for fabric in fabrics}
    pools: dict[str, Pool] = {}
    for pool in platform.node_pools:
        if pool.name in servers and pool.name not in pools:
            attached = [rails_of[item.name] for item in fabrics_of_pool.get(pool.name, []) if item.name in rails_of]
            pools[pool.name] = _pool(pool, servers[pool.name], nodes[pool.name], attached, driver)
    ordered = tuple(pools[name] for name in sorted(pools))
    resources = tuple(sorted({item.name for pool in ordered for item in pool.resources}))
    declared = {pool.name for pool in platform.node_pools}
    tenants = tuple(
        _tenant(spec, item, pools=pools, declared=declared, resources=resources, problems=problems)
        for item in spec.tenants
    )
    minor = catalog.kubernetes_minor(platform.distribution.value, platform.version)
    if minor is None:
        problems.append(
            at(
                spec.platform,
                ("spec", "version"),
                f"{platform.distribution.value} {platform.version} is not a version this release knows",
                expected=_known_versions(platform.distribution),
                found=platform.version,
                rule="SPEC-DISTRIBUTION",
            )
        )
        minor = "1.33"
    return Cluster(spec, ordered, fabrics, tenants, operators, resources, minor), problems


def _known_versions(distribution: Distribution) -> str:
    if distribution is Distribution.OPENSHIFT:
        return f"one of {', '.join(catalog.openshift_versions())}"
    return "a version of Kubernetes such as 1.33"


def _hardware(spec: Spec, pool: NodePool, path: DocPath, problems: list[SpecProblem]) -> tuple[Server, Gpu, int] | None:
    servers, gpus = catalog.servers(), catalog.gpus()
    server = servers.get(pool.server)
    if server is None:
        problems.append(
            unknown_name(spec.platform, (*path, "server"), "server", pool.server, servers, rule="SPEC-UNKNOWN-SERVER")
        )
        return None
    generic = not server.gpu
    if generic and pool.gpu is None:
        problems.append(
            at(
                spec.platform,
                (*path, "gpu"),
                f"node pool {pool.name} uses a generic server, whose GPUs the catalog does not know",
                expected="gpu: {model, count}",
                rule="SPEC-GENERIC-GPU",
            )
        )
        return None
    if not generic and pool.gpu is not None:
        problems.append(
            at(
                spec.platform,
                (*path, "gpu"),
                f"server {server.id} has {server.gpus} x {server.gpu}; gpu is only for generic servers",
                expected="no gpu field, or server: generic",
                rule="SPEC-GENERIC-GPU",
            )
        )
    model = pool.gpu.model if generic and pool.gpu is not None else server.gpu
    gpu = gpus.get(model)
    if gpu is None:
        problems.append(
            unknown_name(spec.platform, (*path, "gpu", "model"), "GPU", model, gpus, rule="SPEC-UNKNOWN-GPU")
        )
        return None
    return server, gpu, pool.gpu.count if generic and pool.gpu is not None else server.gpus


def _node_count(pool: NodePool) -> int:
    return len(pool.hosts) or pool.count or 0


def _pool(
    pool: NodePool, hardware: tuple[Server, Gpu, int], nodes: int, fabrics: list[ClusterFabric], driver: str
) -> Pool:
    server, gpu, gpus_per_node = hardware
    groups = tuple(_groups(pool, gpu, gpus_per_node))
    resources = [*_gpu_resources(pool, gpu, groups), *_vf_resources(fabrics)]
    version = pool.driver.version if pool.driver else driver
    names = tuple(fabric.name for fabric in fabrics)
    return Pool(pool, server, gpu, gpus_per_node, nodes, groups, tuple(resources), names, version)


def _groups(pool: NodePool, gpu: Gpu, gpus_per_node: int) -> Iterable[GpuGroup]:
    everyone = tuple(range(gpus_per_node))
    if pool.sharing.mode is not SharingMode.MIG:
        yield GpuGroup(everyone, ())
        return
    left = set(everyone)
    for layout in pool.sharing.layouts:
        chosen = everyone if layout.gpus is None else tuple(sorted(set(layout.gpus)))
        indices = tuple(index for index in chosen if index in left)
        left.difference_update(indices)
        known = tuple(sorted((name, count) for name, count in layout.profiles.items() if gpu.profile(name)))
        if indices:
            yield GpuGroup(indices, known)
    if left:
        yield GpuGroup(tuple(sorted(left)), ())


def _gpu_resources(pool: NodePool, gpu: Gpu, groups: tuple[GpuGroup, ...]) -> Iterable[PoolResource]:
    total = sum(len(group.indices) for group in groups)
    mode = pool.sharing.mode
    if mode in {SharingMode.TIME_SLICING, SharingMode.MPS}:
        yield PoolResource(SHARED_GPU_RESOURCE, ResourceKind.SHARED, total * (pool.sharing.replicas or 1))
        return
    whole = sum(len(group.indices) for group in groups if not group.profiles)
    if whole:
        yield PoolResource(GPU_RESOURCE, ResourceKind.GPU, whole)
    slices: dict[str, int] = {}
    for group in groups:
        for name, count in group.profiles:
            slices[name] = slices.get(name, 0) + count * len(group.indices)
    for name in sorted(slices):
        profile = gpu.profile(name)
        resource = profile.resource if profile else MIG_RESOURCE_PREFIX + name
        yield PoolResource(resource, ResourceKind.SLICE, slices[name], name)


def _vf_resources(fabrics: list[ClusterFabric]) -> Iterable[PoolResource]:
    count: dict[str, int] = {}
    for fabric in fabrics:
        for rail in fabric.rails:
            count[rail.resource] = count.get(rail.resource, 0) + fabric.spec.vfs_per_rail
    for name, number in count.items():
        yield PoolResource(name, ResourceKind.VF, number)


def _fabrics(
    spec: Spec,
    servers: Mapping[str, tuple[Server, Gpu, int]],
    nodes: Mapping[str, int],
    problems: list[SpecProblem],
) -> Iterable[ClusterFabric]:
    nics = catalog.nics()
    declared = {pool.name for pool in spec.platform.spec.node_pools}
    numbered = sorted(enumerate(spec.platform.spec.fabrics), key=lambda pair: pair[1].name)
    for index, fabric in numbered:
        path: DocPath = ("spec", "fabrics", index)
        nic = nics.get(fabric.nic)
        if nic is None:
            problems.append(
                unknown_name(spec.platform, (*path, "nic"), "NIC", fabric.nic, nics, rule="SPEC-UNKNOWN-NIC")
            )
        for position, name in enumerate(fabric.pools):
            if name not in declared:
                where = (*path, "pools", position)
                problems.append(
                    unknown_name(spec.platform, where, "node pool", name, declared, rule="SPEC-UNKNOWN-POOL")
                )
        if nic is None:
            continue
        mtu = fabric.mtu
        if mtu is None and fabric.type is FabricType.ETHERNET:
            mtu = 9000
        wired = sum(nodes.get(name, 0) for name in dict.fromkeys(fabric.pools))
        yield ClusterFabric(fabric, nic, tuple(_rails(fabric, servers)), mtu, wired)


def _rails(fabric: Fabric, servers: Mapping[str, tuple[Server, Gpu, int]]) -> Iterable[FabricRail]:
    if fabric.rails:
        physical = [(rail.name, rail.pci or "", rail.interface or "") for rail in fabric.rails]
    else:
        models = [servers[name][0] for name in fabric.pools if name in servers]
        physical = [(rail.name, rail.pci, "") for rail in models[0].rails] if models else []
    prefixes = split_prefix(fabric.subnet, len(physical))
    for number, (name, pci, interface) in enumerate(physical):
        short = fabric.resource_name
        if fabric.resource_per_rail:
            short += "_" + name.replace("-", "_")
        subnet = prefixes[number] if number < len(prefixes) else ""
        yield FabricRail(name, pci, interface, f"{VF_PREFIX}/{short}", subnet)


def split_prefix(prefix: str, parts: int) -> list[str]:
    """Divide an IP prefix into ``parts`` equal prefixes; empty when it is not a prefix or too small."""
    if parts == 0:
        return []
    try:
        network = ipaddress.ip_network(prefix, strict=False)
        pieces = network.subnets(prefixlen_diff=(parts - 1).bit_length())
        return [str(piece) for piece, _ in zip(pieces, range(parts), strict=False)]
    except ValueError:
        return []


def _tenant(
    spec: Spec,
    tenant: Tenant,
    *,
    pools: Mapping[str, Pool],
    declared: set[str],
    resources: tuple[str, ...],
    problems: list[SpecProblem],
) -> ClusterTenant:
    entitlements: list[Entitlement] = []
    for index, quota in enumerate(tenant.spec.quotas):
        path: DocPath = ("spec", "quotas", index)
        if quota.pool not in declared:
            problems.append(
                unknown_name(tenant, (*path, "pool"), "node pool", quota.pool, declared, rule="SPEC-UNKNOWN-POOL")
            )
        elif quota.pool in pools:
            entitlements.extend(_entitlements(pools[quota.pool], quota))
    # Nodes offer whole GPUs until their sharing is configured, so these are bounded whatever the pools are set to.
    limits = dict.fromkeys(sorted({*resources, GPU_RESOURCE}), 0)
    for item in entitlements:
        limits[item.resource] = limits.get(item.resource, 0) + item.limit
    _add_vf_limits(tenant, pools, entitlements, limits)
    ordered = tuple(sorted(entitlements, key=lambda item: (item.pool, item.resource)))
    return ClusterTenant(tenant, ordered, limits, _priorities(spec, tenant))


def _entitlements(pool: Pool, quota: PoolQuota) -> Iterable[Entitlement]:
    weight = quota.over_quota_weight
    for resource in pool.gpu_resources:
        if resource.kind is ResourceKind.SLICE:
            entry = quota.slices.get(resource.profile)
            if entry is not None:
                limit = entry.guaranteed if entry.limit is None else entry.limit
                yield Entitlement(quota.pool, resource.name, entry.guaranteed, limit, weight)
        else:
            limit = quota.guaranteed if quota.limit is None else quota.limit
            if limit or quota.guaranteed:
                yield Entitlement(quota.pool, resource.name, quota.guaranteed, limit, weight)


def _add_vf_limits(
    tenant: Tenant, pools: Mapping[str, Pool], entitlements: list[Entitlement], limits: dict[str, int]
) -> None:
    """Grant VFs in proportion to GPUs.

    A tenant attached to a fabric may hold the VFs that belong to its GPUs: of the VFs of a node, the part that its
    GPU limit is of the node's GPUs, rounded up.
    """
    attached = {item.name for item in tenant.spec.network.fabrics}
    for pool in pools.values():
        if not attached.intersection(pool.fabrics):
            continue
        gpus = sum(item.limit for item in entitlements if item.pool == pool.name)
        units = sum(resource.per_node for resource in pool.gpu_resources)
        for resource in pool.resources:
            if resource.kind is ResourceKind.VF and units:
                share = -(-gpus * resource.per_node // units)
                limits[resource.name] += min(share, pool.capacity(resource.name))


def _priorities(spec: Spec, tenant: Tenant) -> tuple[str, ...]:
    tiers = {tier.name: tier for tier in spec.platform.spec.priority_tiers}
    if tenant.spec.priorities:
        return tuple(name for name in dict.fromkeys(tenant.spec.priorities) if name in tiers)
    low = [tier for tier in tiers.values() if tier.value < NON_PREEMPTIBLE_FROM]
    return tuple(tier.name for tier in sorted(low, key=lambda tier: (tier.value, tier.name)))


def wanted_operators(spec: Spec) -> tuple[str, ...]:
    """Catalog names of the operators a platform installs, in the order of need."""
    platform = spec.platform.spec
    openshift = platform.distribution is Distribution.OPENSHIFT
    names = ["node-feature-discovery", "gpu-operator"]
    if platform.fabrics:
        names += ["network-operator", "sriov-network-operator"]
    if platform.scheduler.type is SchedulerType.KAI:
        names.append("kai-scheduler")
    elif platform.scheduler.type is SchedulerType.KUEUE:
        names.append("kueue")
    if openshift:
        names.append("openshift-gitops")
        if platform.openshift_ai.enabled:
            names.append("openshift-ai")
    if platform.observability.enabled:
        if platform.observability.grafana:
            names.append("grafana-operator")
        if not openshift:
            names.append("prometheus")
    return tuple(names)


def _operators(spec: Spec, problems: list[SpecProblem]) -> dict[str, ChosenOperator]:
    known = catalog.operators()
    pins = spec.platform.spec.operators
    problems.extend(
        unknown_name(spec.platform, ("spec", "operators", name), "operator", name, known, rule="SPEC-UNKNOWN-OPERATOR")
        for name in pins
        if name not in known
    )
    platform = spec.platform.spec
    return {
        name: _choose(known[name], pins.get(name, OperatorPin()), platform)
        for name in wanted_operators(spec)
        if name in known
    }


def _choose(operator: Operator, pin: OperatorPin, platform: PlatformSpec) -> ChosenOperator:
    openshift = platform.distribution is Distribution.OPENSHIFT
    version = pin.version or operator.version_on(olm=openshift, cluster_version=platform.version)
    version = version.removeprefix("v")
    if operator.olm is None or not openshift:
        return ChosenOperator(operator, version, "", "")
    channel = pin.channel or operator.olm.channel_for(version)
    return ChosenOperator(operator, version, channel, pin.starting_csv or operator.olm.csv_for(version))


def _driver_version(platform: PlatformSpec, operators: Mapping[str, ChosenOperator]) -> str:
    if platform.driver.version:
        return platform.driver.version
    chosen = operators.get("gpu-operator")
    shipped = chosen.operator.parts(chosen.version).get("driver", "") if chosen else ""
    return shipped or catalog.operators()["nvidia-driver"].recommended
