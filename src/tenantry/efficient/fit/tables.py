"""What pools have and promise, the largest job of each tenant, and how often each class of work runs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.fit.offers import attached_namespaces, vf_limit
from tenantry.efficient.fit.promises import held, spare_nodes
from tenantry.efficient.fit.room import Need, per_node, refusal
from tenantry.model.cluster import ResourceKind
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.fit.offers import Offer
    from tenantry.efficient.fit.room import Counted
    from tenantry.efficient.fit.work import Ground, Outcome
    from tenantry.model.cluster import ClusterTenant


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One resource of one pool.

    Attributes:
        pool: name of the pool.
        resource: extended resource.
        nodes: nodes of the pool.
        per_node: units of each.
        guaranteed: units promised to tenants.
        lost: nodes taken to be lost in the worst case.
        held: whether all guarantees of the pool can be held at the same time on all nodes.
        held_left: the same without the lost nodes.
        spare: most nodes the pool can lose with all its guarantees held; None when they are not, or not known to be.
    """

    pool: str
    resource: str
    nodes: int
    per_node: int
    guaranteed: int
    lost: int
    held: Verdict
    held_left: Verdict
    spare: int | None

    @property
    def capacity(self) -> int:
        """Units on all nodes."""
        return self.nodes * self.per_node

    @property
    def headroom(self) -> int:
        """Units promised to nobody; negative when more is promised than there is."""
        return self.capacity - self.guaranteed

    @property
    def capacity_left(self) -> int:
        """Units without the lost nodes."""
        return (self.nodes - self.lost) * self.per_node

    @property
    def headroom_left(self) -> int:
        """Units promised to nobody without the lost nodes; negative when more is promised than is left."""
        return self.capacity_left - self.guaranteed


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest jobs within a bound.

    Attributes:
        pod: units of the largest pod; 0 when none.
        fabric_pod: the same with one virtual function of each of its fabrics for each unit; None without a fabric.
        gang: pods of the largest gang.
        gang_need: what each of its pods takes; None when there is none.
        workload: class of work whose pods the gang has; empty for the largest pods.
    """

    pod: int
    fabric_pod: int | None
    gang: int = 0
    gang_need: Need | None = None
    workload: str = ""

    @property
    def units(self) -> int:
        """Units of the gang."""
        return self.gang * self.gang_need.units if self.gang_need else 0


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One tenant and one resource of one pool.

    Attributes:
        tenant: who.
        pool: where.
        resource: of what.
        guaranteed: units it always gets back.
        limit: units it can hold at most.
        vfs: virtual functions for each GPU that its pods are taken to ask for, by fabric.
        within_limit: its largest jobs ever.
        within_guarantee: its largest jobs that nobody can evict for being over a guarantee.
    """

    tenant: str
    pool: str
    resource: str
    guaranteed: int
    limit: int
    vfs: Counted
    within_limit: Largest
    within_guarantee: Largest


@dataclass(frozen=True, slots=True)
class WorkRow:
    """One class of work for one tenant with one resource of one pool.

    Attributes:
        workload: class of work.
        outcome: what comes of it.
    """

    workload: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables, each ordered by the names in its first columns."""

    pools: tuple[PoolRow, ...]
    tenants: tuple[TenantRow, ...]
    work: tuple[WorkRow, ...]


def tables(ground: Ground) -> Tables:
    """Fill the tables."""
    rows = [row for offer in ground.offers.values() for row in _pool_rows(ground, offer)]
    tenants = [row for tenant in ground.cluster.tenants for row in _tenant_rows(ground, tenant)]
    work = [
        WorkRow(workload.name, outcome)
        for workload in ground.cluster.spec.workloads
        for tenant in ground.cluster.tenants
        if not workload.spec.tenants or tenant.name in workload.spec.tenants
        for outcome in ground.outcomes(workload, tenant)
    ]
    return Tables(tuple(rows), tuple(tenants), tuple(work))


def _pool_rows(ground: Ground, offer: Offer) -> Iterator[PoolRow]:
    lost = min(offer.nodes, ground.loss.worst(offer.name))
    whole = held(ground, offer, offer.nodes, explain=False).verdict
    left = held(ground, offer, offer.nodes - lost, explain=False).verdict if lost else whole
    spare = spare_nodes(ground, offer) if whole is Verdict.PROVED else None
    for resource in offer.pool.gpu_resources:
        promised = 0
        for tenant in ground.holders[offer.name]:
            reach = ground.reach(tenant).get((offer.name, resource.name))
            promised += reach.guaranteed if reach is not None else 0
        yield PoolRow(offer.name, resource.name, offer.nodes, resource.per_node, promised, lost, whole, left, spare)


def _tenant_rows(ground: Ground, tenant: ClusterTenant) -> Iterator[TenantRow]:
    for (pool, resource), reach in ground.reach(tenant).items():
        offer = ground.offers[pool]
        # A pod that works over a fabric has a virtual function for each GPU unless its workload says otherwise.
        fabrics = [name for name in offer.pool.fabrics if attached_namespaces(tenant.spec, name)]
        vfs = tuple((name, 1) for name in sorted(fabrics)) if offer.resource(resource).kind is ResourceKind.GPU else ()
        yield TenantRow(
            tenant.name,
            pool,
            resource,
            reach.guaranteed,
            reach.limit,
            vfs,
            _largest(ground, tenant, offer, resource, vfs=vfs, bound=reach.limit),
            _largest(ground, tenant, offer, resource, vfs=vfs, bound=reach.guaranteed),
        )


def _largest(
    ground: Ground, tenant: ClusterTenant, offer: Offer, resource: str, *, vfs: Counted, bound: int
) -> Largest:
    shared = offer.resource(resource).kind is ResourceKind.SHARED
    most = min(bound, offer.room.units(resource), 1 if shared else bound)
    single = offer.resource(resource).kind is not ResourceKind.GPU
    plain = _largest_pod(offer, resource, (), most)
    wired = _largest_pod(offer, resource, vfs, most) if vfs else None
    pod = plain.units if plain is not None else 0
    fabric_pod = (wired.units if wired is not None else 0) if vfs else None
    best: tuple[int, int, str, Need] | None = None
    for workload in ground.work_of[tenant.name]:
        for outcome in ground.outcomes(workload, tenant):
            job = outcome.job
            same = job.pool == offer.name and job.need.resource == resource
            # What is in the way of the gang as written may not be in the way of another number of its pods.
            blocked = {item.kind for item in outcome.obstacles if not item.unknown} - {
                "gang",
                "limit",
                "pods",
                "vf-limit",
            }
            if same and not blocked:
                pods = _gang(ground, tenant, offer, job.need, bound)
                if pods and (best is None or pods * job.need.units > best[0]):
                    best = pods * job.need.units, pods, workload.name, job.need
    if best is not None:
        return Largest(pod, fabric_pod, best[1], best[3], best[2])
    usual = wired if vfs else plain
    if usual is not None and single:
        usual = Need(resource, 1)  # a process uses one instance, so gangs of instances have one in each pod
    pods = _gang(ground, tenant, offer, usual, bound) if usual is not None else 0
    return Largest(pod, fabric_pod, pods, usual if pods else None)


def _largest_pod(offer: Offer, resource: str, vfs: Counted, most: int) -> Need | None:
    """Return the largest pod that an empty node admits, with so many virtual functions for each unit."""
    for units in range(most, 0, -1):
        need = Need(resource, units, tuple((name, units * each) for name, each in vfs))
        refused = refusal(offer.room, need)
        if refused is None or refused.unknown:
            return need
    return None


def _gang(ground: Ground, tenant: ClusterTenant, offer: Offer, need: Need, bound: int) -> int:
    """Most pods of one kind that one job can have."""
    bounds = [bound // need.units, per_node(offer.room, need) * offer.nodes, tenant.spec.spec.compute.pods]
    bounds += [vf_limit(ground.cluster, tenant, fabric) // count for fabric, count in need.vfs]
    return min(bounds)
