"""Can a tenant ever run a class of work, where, how often at once, and what is in the way?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from tenantry.efficient.fit.jobs import Job
from tenantry.efficient.fit.offers import (
    attached_namespaces,
    offers,
    reaches,
    vf_limit,
)
from tenantry.efficient.fit.room import Need, per_node, refusal
from tenantry.model.cluster import ResourceKind
from tenantry.model.finding import Verdict
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import SchedulerType, SharingMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.efficient.fit.offers import Offer, Reach
    from tenantry.model.cluster import Cluster, ClusterTenant, Pool, PoolResource
    from tenantry.model.spec import Workload

T = TypeVar("T")

GIBIBYTE = 1024**3
LEAST_SHARE = 0.9
"""Part of its share of the GPU's memory that a MIG instance has at least, where it was not measured.

Profiles of the catalog that were measured have 0.91 to 1.0 of it.
"""


class Obstacle(NamedTuple):
    """Why a job cannot run in a pool, or why that is not known.

    Attributes:
        kind: what is in the way; what changes of the spec are tried depends on it.
        reason: the same in words.
        unknown: whether a fact is missing.
        most: what would be possible, in the units of ``kind``; 0 when nothing is.
    """

    kind: str
    reason: str
    unknown: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of one class of work for one tenant with one resource of one pool.

    Attributes:
        job: the job.
        obstacles: everything in the way, the worst first; empty when it runs.
        within_guarantee: jobs of it at once within what the tenant is guaranteed, on a pool of its own.
        within_limit: the same within its limit.
    """

    job: Job
    obstacles: tuple[Obstacle, ...]
    within_guarantee: int = 0
    within_limit: int = 0

    @property
    def verdict(self) -> Verdict:
        """PROVED when it can run, VIOLATED when it never can."""
        if any(not item.unknown for item in self.obstacles):
            return Verdict.VIOLATED
        return Verdict.UNKNOWN if self.obstacles else Verdict.PROVED


@dataclass(frozen=True, slots=True)
class Loss:
    """Nodes that are taken to have failed or to be reserved.

    Attributes:
        anywhere: any so many nodes of the platform, the worst choice of them.
        pools: so many of each of these pools, besides.
    """

    anywhere: int = 0
    pools: tuple[tuple[str, int], ...] = ()

    def worst(self, pool: str) -> int:
        """Most nodes of one pool that are lost."""
        return self.anywhere + dict(self.pools).get(pool, 0)

    def __bool__(self) -> bool:
        return self.anywhere > 0 or any(number for _, number in self.pools)


NO_LOSS = Loss()


class Ground:
    """The cluster with some nodes lost, and what rules ask about it again and again."""

    def __init__(self, cluster: Cluster, lost: Mapping[str, int] | None = None, loss: Loss = NO_LOSS) -> None:
        self.cluster = cluster
        self.loss = loss
        self.lost = {name: number for name, number in (lost or {}).items() if number}
        self.offers: dict[str, Offer] = offers(cluster, self.lost)
        self._reaches: dict[str, dict[tuple[str, str], Reach]] = {}
        self._outcomes: dict[tuple[str, str], tuple[Outcome, ...]] = {}
        self._kept: dict[tuple[str, ...], object] = {}

    @cached_property
    def tenants(self) -> dict[str, ClusterTenant]:
        """Tenants by name."""
        return {tenant.name: tenant for tenant in self.cluster.tenants}

    @cached_property
    def holders(self) -> dict[str, tuple[ClusterTenant, ...]]:
        """Tenants with an entitlement, by pool."""
        found: dict[str, list[ClusterTenant]] = {name: [] for name in self.offers}
        for tenant in self.cluster.tenants:
            for name in tenant.pools:
                found[name].append(tenant)
        return {name: tuple(tenants) for name, tenants in found.items()}

    @cached_property
    def work_of(self) -> dict[str, tuple[Workload, ...]]:
        """Classes of work by tenant."""
        found: dict[str, list[Workload]] = {name: [] for name in self.tenants}
        for workload in self.cluster.spec.workloads:
            for name in workload.spec.tenants or list(self.tenants):
                found.setdefault(name, []).append(workload)
        return {name: tuple(items) for name, items in found.items()}

    def kept(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """Return something that is made once, and asked for several times."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast("T", self._kept[key])

    def reach(self, tenant: ClusterTenant) -> dict[tuple[str, str], Reach]:
        """What a tenant may use, by pool and resource."""
        if tenant.name not in self._reaches:
            self._reaches[tenant.name] = reaches(self.cluster, tenant)
        return self._reaches[tenant.name]

    def outcomes(self, workload: Workload, tenant: ClusterTenant) -> tuple[Outcome, ...]:
        """What comes of a class of work in each pool it may run in, for each resource it could take there."""
        key = workload.name, tenant.name
        if key not in self._outcomes:
            self._outcomes[key] = tuple(_outcomes(self, workload, tenant))
        return self._outcomes[key]

    def runs(self, workload: Workload, tenant: ClusterTenant) -> Verdict:
        """Whether a class of work can ever run for a tenant: PROVED when it can in some pool."""
        verdicts = {outcome.verdict for outcome in self.outcomes(workload, tenant)}
        for verdict in (Verdict.PROVED, Verdict.UNKNOWN):
            if verdict in verdicts:
                return verdict
        return Verdict.VIOLATED


def _outcomes(ground: Ground, workload: Workload, tenant: ClusterTenant) -> Iterator[Outcome]:
    names = [name for name in ground.offers if not workload.spec.pools or name in workload.spec.pools]
    held = {pool for pool, _ in ground.reach(tenant)}
    # Pools that are only not excluded raise no hope, unless the tenant is named and has a quota in none.
    hoped = set(workload.spec.pools) or set(names if workload.spec.tenants and not held.intersection(names) else ())
    for name in names:
        for resource in ground.offers[name].pool.gpu_resources:
            if (name, resource.name) in ground.reach(tenant) or (name not in held and name in hoped):
                yield _outcome(ground, workload, tenant, ground.offers[name], resource)


def need_of(workload: Workload, resource: str) -> Need:
    """What a pod of a class of work takes, as units of a resource."""
    rdma = workload.spec.rdma
    vfs = ((rdma.fabric, workload.spec.gpus * rdma.vfs_per_gpu),) if rdma is not None else ()
    return Need(resource, workload.spec.gpus, vfs)


def _outcome(
    ground: Ground, workload: Workload, tenant: ClusterTenant, offer: Offer, resource: PoolResource
) -> Outcome:
    job = Job(
        name=workload.name,
        tenant=tenant.name,
        namespace=_namespace(workload, tenant),
        pool=offer.name,
        pods=workload.spec.pods,
        need=need_of(workload, resource.name),
    )
    obstacles = [
        *_hardware(ground, workload, offer, resource),
        *_room(ground, offer, job),
        *_rights(ground, tenant, job),
    ]
    ordered = tuple(sorted(obstacles, key=lambda item: item.unknown))
    if any(not item.unknown for item in ordered):
        return Outcome(job, ordered)
    guaranteed, limit = _at_once(ground, tenant, offer, job)
    return Outcome(job, ordered, guaranteed, limit)


def _namespace(workload: Workload, tenant: ClusterTenant) -> str:
    rdma = workload.spec.rdma
    for item in tenant.spec.spec.network.fabrics:
        if rdma is not None and item.name == rdma.fabric and item.namespaces:
            return item.namespaces[0]
    return tenant.namespaces[0]


# Hardware ------------------------------------------------------------------------------------------------------------


def _hardware(ground: Ground, workload: Workload, offer: Offer, resource: PoolResource) -> Iterator[Obstacle]:
    pool, spec = offer.pool, workload.spec
    yield from memory_obstacle(pool, resource, spec.gpu_memory)
    if resource.kind is ResourceKind.SHARED and spec.gpus > 1:
        yield Obstacle(
            "replicas",
            f"a pod asks for {spec.gpus} replicas of shared GPUs, and the device plugin refuses more than one",
            most=1,
        )
    if spec.nvlink and resource.kind is not ResourceKind.GPU:
        yield Obstacle("nvlink", f"{_plural(resource)} of {pool.name} are not joined by NVLink")
    elif spec.nvlink and spec.gpus > 1 and not pool.server.nvlink:
        if pool.server.gpu:
            yield Obstacle("nvlink", f"GPUs of {pool.server.title} are not joined by NVLink", most=1)
        else:
            yield Obstacle("nvlink", f"whether NVLink joins the GPUs of {pool.name}, a generic server", unknown=True)
    if refused_by_kai(ground.cluster, pool, resource):
        yield Obstacle("mixed", f"{_scheduler(ground.cluster)} gives whole GPUs of nodes with MIG instances to nobody")


def memory_obstacle(pool: Pool, resource: PoolResource, text: str) -> Iterator[Obstacle]:
    """Yield an obstacle when one unit has less memory than the text says, or when that is not known."""
    needed = float(parse_quantity(text).value) / GIBIBYTE
    whole = pool.gpu.memory_mib / 1024
    if resource.kind is ResourceKind.SLICE:
        profile = pool.gpu.profile(resource.profile)
        if profile is None:
            return
        share = whole * profile.memory / pool.gpu.memory_slices
        there, least = (profile.memory_gib, profile.memory_gib) if profile.memory_gib else (share, LEAST_SHARE * share)
        unit = f"a {resource.profile} instance"
    elif resource.kind is ResourceKind.SHARED and pool.mode is SharingMode.MPS:
        there = least = whole / (pool.spec.sharing.replicas or 1)
        unit = "a replica under MPS"
    else:
        there = least = whole
        unit = "a GPU"
    if needed > there:
        yield Obstacle("memory", f"it needs {text} on each GPU, and {unit} of {pool.name} has {there:.1f} GiB")
    elif needed > least:
        yield Obstacle(
            "memory", f"usable memory of {unit} of {pool.name} (nvidia-smi mig -lgip), at most {there:.1f} GiB",
            unknown=True,
        )  # fmt: skip


def refused_by_kai(cluster: Cluster, pool: Pool, resource: PoolResource) -> bool:
    """Whether the scheduler never places whole GPUs of a pool, because other GPUs of its nodes are partitioned.

    Source: KAI scheduler, pkg/scheduler/api/node_info/node_info.go (isTaskAllocatable): under the MIG strategy mixed a
    node with MIG instances takes pods that ask for instances only.
    """
    if cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE or resource.kind is not ResourceKind.GPU:
        return False
    return any(item.kind is ResourceKind.SLICE for item in pool.gpu_resources)


def _scheduler(cluster: Cluster) -> str:
    return {SchedulerType.KAI: "KAI", SchedulerType.RUNAI: "Run:ai"}.get(
        cluster.spec.platform.spec.scheduler.type, "the scheduler"
    )


def _plural(resource: PoolResource) -> str:
    return "MIG instances" if resource.kind is ResourceKind.SLICE else "replicas of shared GPUs"


# Room and rights -----------------------------------------------------------------------------------------------------


def _room(ground: Ground, offer: Offer, job: Job) -> Iterator[Obstacle]:
    for fabric, _ in job.need.vfs:
        if fabric not in offer.pool.fabrics:
            yield Obstacle("wiring", f"{offer.name} is not wired to fabric {fabric}")
            return
    refused = refusal(offer.room, job.need)
    if refused is not None:
        most = offer.room.units(job.need.resource) if refused.kind == "size" else 0
        yield Obstacle(refused.kind, refused.reason, refused.unknown, most)
        if not refused.unknown:
            return
    each = per_node(offer.room, job.need)
    if each * offer.nodes < job.pods:
        lost = ground.lost.get(offer.name, 0)
        nodes = f"{offer.nodes} nodes" + (f" ({lost} of {offer.pool.nodes} lost)" if lost else "")
        yield Obstacle(
            "gang",
            f"it has {job.pods} pods, and {nodes} of {offer.name} take {each} such pods each, {each * offer.nodes} "
            "together",
            most=each * offer.nodes,
        )


def _rights(ground: Ground, tenant: ClusterTenant, job: Job) -> Iterator[Obstacle]:
    reach = ground.reach(tenant).get((job.pool, job.need.resource))
    if reach is None:
        yield Obstacle("quota", f"tenant {tenant.name} has no quota for {job.need.resource} in {job.pool}")
    elif job.units > reach.limit:
        because = f" ({reach.why}, so the limit of {reach.written} is never reached)" if reach.why else ""
        yield Obstacle(
            "limit",
            f"it asks for {job.units} x {job.need.resource}, and tenant {tenant.name} may hold {reach.limit} in "
            f"{job.pool}{because}",
            most=reach.limit,
        )
    for fabric, count in job.need.vfs:
        if not attached_namespaces(tenant.spec, fabric):
            yield Obstacle("attachment", f"tenant {tenant.name} is not attached to fabric {fabric}")
        elif fabric in ground.offers[job.pool].pool.fabrics:
            most = vf_limit(ground.cluster, tenant, fabric)
            if reach is not None and job.pods * count > most:
                yield Obstacle(
                    "vf-limit",
                    f"it asks for {job.pods * count} virtual functions of {fabric}, and those that belong to the GPUs "
                    f"of tenant {tenant.name} are {most}",
                    most=most,
                )
    pods = tenant.spec.spec.compute.pods
    if job.pods > pods:
        yield Obstacle(
            "pods", f"it has {job.pods} pods, and a namespace of tenant {tenant.name} may have {pods}", most=pods
        )


def _at_once(ground: Ground, tenant: ClusterTenant, offer: Offer, job: Job) -> tuple[int, int]:
    """Jobs at once on a pool of the tenant's own, within its guarantee and within its limit."""
    reach = ground.reach(tenant)[job.pool, job.need.resource]
    namespaces = len(tenant.namespaces)
    bounds = [per_node(offer.room, job.need) * offer.nodes // job.pods]
    for fabric, count in job.need.vfs:
        namespaces = attached_namespaces(tenant.spec, fabric)
        bounds.append(vf_limit(ground.cluster, tenant, fabric) // (count * job.pods))
    bounds.append(namespaces * (tenant.spec.spec.compute.pods // job.pods))
    most = min(bounds)
    return min(most, reach.guaranteed // job.units), min(most, reach.limit // job.units)
