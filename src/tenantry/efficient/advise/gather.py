"""Gathers the facts of a decision from the resolved cluster and from measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.efficient.advise.facts import WHOLE, PoolFacts, Speed, WorkFacts
from tenantry.efficient.advise.option import REPLICATED, Option, slice_option, slice_options
from tenantry.model.cluster import ResourceKind
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import SharingMode, replicas_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.gpu import Gpu
    from tenantry.model.spec import Workload

GENERIC = "generic"
"""Server of the catalog about which it knows nothing."""
GRACE = ("gb", "gh")
"""How catalog names of GPUs on Grace begin."""
DRIVER = "nvidia-driver"


@dataclass(frozen=True)
class Gathered:
    """A question: a class of work in a pool.

    Attributes:
        work: the class.
        pool: the pool.
        named: whether the document names the pool, instead of being open to any.
        notes: what was not used, a sentence each.
    """

    work: WorkFacts
    pool: PoolFacts
    named: bool = True
    notes: tuple[str, ...] = ()


def gather(
    cluster: Cluster,
    where: Mapping[tuple[str, str], str],
    measured: Mapping[tuple[str, str], tuple[Mapping[str, Speed], Mapping[str, str]]],
) -> Iterator[Gathered]:
    """Yield every class of work with every pool it may run in, by name of class, then of pool.

    A class that names no pools may run where one of its tenants has a quota.

    Args:
        cluster: the resolved cluster.
        where: place in a file of each speed, by name of the workload and key.
        measured: speeds, and what cannot be done, by name of the workload and GPU; they count before the spec's.
    """
    pools = {pool.name: pool_facts(cluster, pool) for pool in cluster.pools}
    for workload in sorted(cluster.spec.workloads, key=lambda item: item.name):
        spec = workload.spec
        tenants = tuple(sorted(spec.tenants)) or tuple(tenant.name for tenant in cluster.tenants)
        base = work_facts(workload, tenants)
        if spec.pools:
            names = sorted(name for name in set(spec.pools) if name in pools)
        else:
            names = [name for name, pool in pools.items() if not tenants or set(tenants) & set(pool.sharers)]
        chosen = [pools[name] for name in names]
        for pool in chosen:
            own, notes = _own_speeds(workload, pool.gpu, [item.gpu for item in chosen], where)
            speeds, failed = measured.get((workload.name, pool.gpu.id), ({}, {}))
            yield Gathered(
                _with(base, {**own, **speeds}, {key: said for key, said in failed.items() if key not in own}),
                pool,
                named=bool(spec.pools),
                notes=notes,
            )


def _with(work: WorkFacts, speeds: Mapping[str, Speed], failed: Mapping[str, str]) -> WorkFacts:
    return WorkFacts(**{**vars(work), "speeds": speeds, "failed": failed})


def work_facts(workload: Workload, tenants: tuple[str, ...]) -> WorkFacts:
    """Return the facts of a class of work, without speeds."""
    spec = workload.spec
    return WorkFacts(
        name=workload.name,
        memory=max(1, parse_quantity(spec.gpu_memory).units()),
        gpus=spec.gpus,
        pattern=spec.pattern,
        latency=(spec.latency.percentile, spec.latency.milliseconds) if spec.latency else None,
        burstiness=spec.burstiness,
        trust=spec.trust,
        nvlink=spec.nvlink,
        fabric=spec.rdma.fabric if spec.rdma else "",
        vfs=spec.rdma.vfs_per_gpu if spec.rdma else 1,
        tenants=tenants,
    )


def _own_speeds(
    workload: Workload, gpu: Gpu, gpus: Sequence[Gpu], where: Mapping[tuple[str, str], str]
) -> tuple[dict[str, Speed], tuple[str, ...]]:
    """Return the speeds of a document that speak of a GPU.

    A MIG profile says which GPU it is of; ``whole`` and replicas do not. They are used where all pools of a class have
    one GPU model, or where all profiles beside them are of one.
    """
    written = workload.spec.speed
    models = {item.id: item for item in gpus}
    plain = {key for key in written if key == WHOLE or replicas_of(key)}
    profiles = set(written) - plain
    fitting = {model for model, item in models.items() if profiles and all(item.profile(name) for name in profiles)}
    clear = len(models) == 1 or fitting == {gpu.id}
    used = {key for key in profiles if gpu.profile(key)} | (plain if clear else set())
    notes: tuple[str, ...] = ()
    if plain - used and not fitting:
        keys = ", ".join(sorted(plain))
        said = f"the class may run on {len(models)} GPU models and it does not say on which it was measured"
        notes = (f"spec.speed of {keys} is not used: {said}",)
    return {key: Speed(written[key], where.get((workload.name, key), "")) for key in sorted(used)}, notes


def pool_facts(cluster: Cluster, pool: Pool) -> PoolFacts:
    """Return the facts of a pool."""
    quotas = {
        tenant.name: frozenset(
            item.resource for item in tenant.entitlements if item.pool == pool.name and (item.limit or item.guaranteed)
        )
        for tenant in cluster.tenants
    }
    others = [item for item in cluster.pools if item.name != pool.name]
    host = cluster.spec.platform.spec.driver.managed_by == "host" and pool.spec.driver is None
    offered = tuple(_offered(pool))
    return PoolFacts(
        name=pool.name,
        gpu=pool.gpu,
        gpus_per_node=pool.gpus_per_node,
        nvlink=None if pool.server.id == GENERIC else pool.server.nvlink,
        sharers=tuple(sorted(name for name, resources in quotas.items() if resources)),
        quotas={name: resources for name, resources in quotas.items() if resources},
        vfs=_vfs(cluster, pool),
        driver="" if host else pool.driver,
        coherent=_coherent(pool.gpu, "" if host else pool.driver),
        mig_elsewhere=tuple(item.name for item in others if item.mode is SharingMode.MIG),
        mps_elsewhere=tuple(item.name for item in others if item.mode is SharingMode.MPS),
        mode=pool.mode,
        replicas=pool.spec.sharing.replicas or 0 if pool.mode in REPLICATED else 0,
        offered=offered,
        slices=slice_options(pool.gpu, frozenset(item.profile.name for item in offered if item.profile)),
    )


def _offered(pool: Pool) -> Iterator[Option]:
    """Yield what nodes of the pool advertise."""
    for resource in pool.gpu_resources:
        if resource.kind is ResourceKind.GPU:
            yield Option(SharingMode.WHOLE, 1)
        elif resource.kind is ResourceKind.SHARED:
            yield Option(pool.mode, pool.spec.sharing.replicas or 1)
        else:
            profile = pool.gpu.profile(resource.profile)
            if profile is not None:
                yield slice_option(pool.gpu, profile)


def _vfs(cluster: Cluster, pool: Pool) -> dict[str, int]:
    per_node = {resource.name: resource.per_node for resource in pool.resources if resource.kind is ResourceKind.VF}
    return {
        name: sum(per_node.get(resource, 0) for resource in cluster.fabric(name).resources) for name in pool.fabrics
    }


def _coherent(gpu: Gpu, driver: str) -> str | None:
    """Return why the driver excludes MIG on a Grace system: empty when it does not, None when the driver is unknown."""
    if not gpu.id.startswith(GRACE):
        return ""
    if not driver:
        return None
    operator = catalog.operators().get(DRIVER)
    faults = operator.faults(driver) if operator else ()
    return next((fault.reason for fault in faults if fault.when == "grace-mig"), "")
