"""How GPUs are shared: modes and their fields, MIG layouts, and who may share a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.problems import at, unknown_name
from tenantry.model.gpu import place
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import NodePool, SliceLayout

REPLICATED = frozenset({SharingMode.TIME_SLICING, SharingMode.MPS})


def _resolved(cluster: Cluster) -> Iterator[tuple[int, NodePool, Pool | None]]:
    known = {pool.name: pool for pool in cluster.pools}
    for index, pool in enumerate(cluster.spec.platform.spec.node_pools):
        yield index, pool, known.get(pool.name)


def fields(cluster: Cluster) -> Iterable[SpecProblem]:
    """Each sharing mode has exactly the fields it needs."""
    platform = cluster.spec.platform
    for index, pool, _ in _resolved(cluster):
        path: DocPath = ("spec", "nodePools", index, "sharing")
        sharing = pool.sharing
        if sharing.mode is SharingMode.MIG and not sharing.layouts:
            yield at(
                platform,
                path,
                f"node pool {pool.name} is partitioned but has no layouts",
                expected="layouts: a list of {profiles: {<profile>: <count>}}",
                rule="SPEC-SHARING-FIELDS",
            )
        if sharing.mode is not SharingMode.MIG and sharing.layouts:
            yield at(
                platform,
                (*path, "layouts"),
                f"layouts have no meaning with mode {sharing.mode.value}",
                expected="mode: mig, or no layouts",
                rule="SPEC-SHARING-FIELDS",
            )
        if sharing.mode in REPLICATED and sharing.replicas is None:
            yield at(
                platform,
                path,
                f"node pool {pool.name} shares GPUs by {sharing.mode.value} but has no replicas",
                expected="replicas: containers that may share one GPU, at least 2",
                rule="SPEC-SHARING-FIELDS",
            )
        if sharing.mode not in REPLICATED and sharing.replicas is not None:
            yield at(
                platform, (*path, "replicas"), f"replicas have no meaning with mode {sharing.mode.value}",
                expected="mode: time-slicing or mps, or no replicas", found=sharing.replicas,
                rule="SPEC-SHARING-FIELDS",
            )  # fmt: skip


def mig_layouts(cluster: Cluster) -> Iterable[SpecProblem]:
    """Layouts fit the GPU they are made for."""
    platform = cluster.spec.platform
    for index, spec, pool in _resolved(cluster):
        if pool is None or spec.sharing.mode is not SharingMode.MIG:
            continue
        path: DocPath = ("spec", "nodePools", index, "sharing")
        if not pool.gpu.mig_capable:
            yield at(
                platform,
                (*path, "mode"),
                f"{pool.gpu.title} cannot be partitioned with MIG",
                expected="whole, time-slicing or mps",
                found="mig",
                rule="SPEC-MIG-CAPABLE",
            )
            continue
        taken: dict[int, int] = {}
        for number, layout in enumerate(spec.sharing.layouts):
            where: DocPath = (*path, "layouts", number)
            yield from _indices(cluster, pool, layout, where, taken=taken, number=number)
            yield from _fits(cluster, pool, layout, where)


def _indices(
    cluster: Cluster, pool: Pool, layout: SliceLayout, path: DocPath, *, taken: dict[int, int], number: int
) -> Iterable[SpecProblem]:
    platform = cluster.spec.platform
    chosen = list(range(pool.gpus_per_node)) if layout.gpus is None else layout.gpus
    for position, gpu in enumerate(chosen):
        where = path if layout.gpus is None else (*path, "gpus", position)
        if gpu >= pool.gpus_per_node:
            yield at(
                platform,
                where,
                f"{pool.server.title} has {pool.gpus_per_node} GPUs, numbered from 0",
                expected=f"0 to {pool.gpus_per_node - 1}",
                found=gpu,
                rule="SPEC-MIG-GPU-INDEX",
            )
        elif gpu in taken:
            yield at(
                platform,
                where,
                f"GPU {gpu} is in layout {taken[gpu] + 1} already",
                expected="each GPU in one layout",
                found=gpu,
                rule="SPEC-MIG-GPU-INDEX",
            )
            if layout.gpus is None:
                break
        taken.setdefault(gpu, number)


def _fits(cluster: Cluster, pool: Pool, layout: SliceLayout, path: DocPath) -> Iterable[SpecProblem]:
    platform = cluster.spec.platform
    names = [profile.name for profile in pool.gpu.profiles]
    unknown = [name for name in layout.profiles if pool.gpu.profile(name) is None]
    for name in unknown:
        yield unknown_name(
            platform,
            (*path, "profiles", name),
            f"MIG profile of {pool.gpu.title}",
            name,
            names,
            rule="SPEC-UNKNOWN-PROFILE",
        )
    if unknown or place(pool.gpu, layout.profiles) is not None:
        return
    profiles = [(pool.gpu.profile(name), count) for name, count in layout.profiles.items()]
    memory = sum(profile.memory * count for profile, count in profiles if profile)
    compute = sum(profile.compute * count for profile, count in profiles if profile)
    yield at(
        platform,
        (*path, "profiles"),
        f"the layout does not fit {pool.gpu.title}: it needs {memory} memory and {compute} compute slices",
        expected=f"instances that can be placed on {pool.gpu.memory_slices} memory and "
        f"{pool.gpu.compute_slices} compute slices without overlap",
        found=", ".join(f"{count} x {name}" for name, count in sorted(layout.profiles.items())),
        rule="SPEC-MIG-FIT",
    )


def mps_with_mig(cluster: Cluster) -> Iterable[SpecProblem]:
    """MPS and MIG exclude each other on one platform.

    The device plugin exits when MPS is configured under the mixed MIG strategy, which is set for all nodes at once.
    Source: k8s-device-plugin, cmd/nvidia-device-plugin/main.go.
    """
    modes = {pool.spec.sharing.mode for pool in cluster.pools}
    if {SharingMode.MIG, SharingMode.MPS} <= modes:
        for index, pool, _ in _resolved(cluster):
            if pool.sharing.mode is SharingMode.MPS:
                yield at(
                    cluster.spec.platform,
                    ("spec", "nodePools", index, "sharing", "mode"),
                    "the device plugin refuses MPS when another pool of the platform is partitioned with MIG",
                    expected="time-slicing or whole, or no pool with mode mig",
                    found="mps",
                    rule="SPEC-MPS-WITH-MIG",
                )


def shared_between_tenants(cluster: Cluster) -> Iterable[SpecProblem]:
    """Time-slicing and MPS give no isolation, so one tenant at most may use such a pool."""
    for pool in cluster.pools:
        if pool.mode not in REPLICATED:
            continue
        users = [tenant for tenant in cluster.tenants if pool.name in tenant.pools]
        for tenant in users[1:]:
            index = next(i for i, quota in enumerate(tenant.spec.spec.quotas) if quota.pool == pool.name)
            yield at(
                tenant.spec,
                ("spec", "quotas", index),
                f"node pool {pool.name} shares each GPU by {pool.mode.value}, which isolates neither memory nor "
                f"faults, and tenant {users[0].name} uses it already",
                expected="a pool of one tenant's own, or a pool with mode mig or whole",
                found=pool.name,
                rule="SPEC-SHARED-POOL",
            )


def hostile_alone(cluster: Cluster) -> Iterable[SpecProblem]:
    """A tenant of trust ``hostile`` has its node pools to itself.

    No scheduler keeps pods of two tenants off one node of a pool; the taint of a pool of its own does.
    """
    for pool in cluster.pools:
        users = [tenant for tenant in cluster.tenants if pool.name in tenant.pools]
        for tenant in users:
            if tenant.spec.spec.trust != "hostile" or (len(users) == 1 and pool.spec.dedicated):
                continue
            index = next(i for i, quota in enumerate(tenant.spec.spec.quotas) if quota.pool == pool.name)
            others = " and ".join(other.name for other in users if other is not tenant)
            why = f"{others} may use node pool {pool.name} too" if others else f"{pool.name} is not dedicated"
            yield at(
                tenant.spec,
                ("spec", "quotas", index),
                f"tenant {tenant.name} is hostile and may share no node, but {why}",
                expected="a dedicated pool that no other tenant has a quota in, or trust standard",
                found=pool.name,
                rule="SPEC-HOSTILE-POOL",
            )


CHECKS = (fields, mig_layouts, mps_with_mig, shared_between_tenants, hostile_alone)
