"""Numbers of a tenant that contradict each other: limits, guarantees, pods, CPU and memory, fabrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.efficient.fit.changes import Change, Edit
from tenantry.efficient.fit.edits import (
    platform_subject,
    pool_path,
    quota_path,
    set_limit,
    set_pods,
    tenant_subject,
)
from tenantry.efficient.fit.jobs import Job
from tenantry.efficient.fit.offers import vf_limit
from tenantry.efficient.fit.room import Need
from tenantry.efficient.fit.rule import Hit, rule
from tenantry.efficient.fit.work import Ground
from tenantry.model.cluster import CONTAINER_LIMITS, ResourceKind
from tenantry.model.finding import Severity
from tenantry.model.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.fit.offers import Reach
    from tenantry.model.cluster import ClusterTenant

_COMPUTE = (("cpu", "cpu"), ("memory", "memory"), ("ephemeral-storage", "ephemeralStorage"))
"""Names of what containers are limited in, and of the fields that bound a namespace."""


@rule(
    "FIT-LIMIT-UNREACHED",
    Severity.WARNING,
    "A limit can never be reached, since the tenant never borrows",
    question="Is the limit above what the tenant's queue lets it hold: its guarantee, where its weight is 0, or where "
    "it may use tiers of priority 100 and above only (KAI and Run:ai)? Both count compute slices of MIG instances.",
    why="The tenant plans for the limit and gets its guarantee, however idle the cluster is.",
    source="KAI scheduler, resource_division.go (weight 0 is passed over) and capacity_policy/quota_check.go "
    "(non-preemptible jobs stay within the quota); kubernetes-sigs kueue, borrowingLimit",
)
def _limit_unreached(ground: Ground) -> Iterator[Hit]:
    for tenant in ground.cluster.tenants:
        for (pool, resource), reach in ground.reach(tenant).items():
            if not reach.why:
                continue
            units = reach.limit + 1
            changes = [set_limit(ground.cluster, tenant, pool, resource, reach.limit)]
            if reach.why.startswith("overQuotaWeight"):
                path = (*quota_path(ground.cluster, tenant, pool), "overQuotaWeight")
                words = f"give tenant {tenant.name} overQuotaWeight 1 in {pool}"
                changes.append(Change(words, (Edit("Tenant", tenant.name, path, 1),)))
            yield Hit(
                f"Tenant {tenant.name} in {pool}: {resource}",
                tenant_subject(tenant),
                (*quota_path(ground.cluster, tenant, pool, resource), "limit"),
                f"tenant {tenant.name} can never hold more than {reach.limit} of its limit of {reach.written} x "
                f"{resource} in {pool}, because {reach.why}",
                job=Job("single", tenant.name, tenant.namespaces[0], pool, units, Need(resource, 1)),
                changes=tuple(changes),
            )


@rule(
    "FIT-CAPACITY-UNUSED",
    Severity.INFO,
    "Some units of a node pool can never be used by anybody",
    question="Is the sum of what all tenants can reach of a resource below the capacity of the pool?",
    why="The limits keep units idle even when every tenant waits.",
    source="KAI scheduler, capacity_policy/max_allowed_check.go; Kubernetes, Resource Quotas",
)
def _capacity_unused(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        for resource in offer.pool.gpu_resources:
            capacity = offer.capacity(resource.name)
            holders = []
            for tenant in ground.holders[offer.name]:
                reach = ground.reach(tenant).get((offer.name, resource.name))
                if reach is not None:
                    holders.append((tenant, reach))
            reached = sum(reach.limit for _, reach in holders)
            if reached >= capacity:
                continue
            yield _unused_hit(
                ground, offer.name, resource.name, idle=capacity - reached, capacity=capacity, holders=holders
            )


def _unused_hit(
    ground: Ground, pool: str, resource: str, *, idle: int, capacity: int, holders: list[tuple[ClusterTenant, Reach]]
) -> Hit:
    changes, job = [], None
    able = [(tenant, item) for tenant, item in holders if not item.why]
    if able:
        tenant, reach = max(able, key=lambda pair: (pair[1].limit, pair[0].name))
        changes.append(set_limit(ground.cluster, tenant, pool, resource, reach.written + idle))
        job = Job("single", tenant.name, tenant.namespaces[0], pool, reach.limit + 1, Need(resource, 1))
    return Hit(
        f"Node pool {pool}: {resource}",
        platform_subject(ground.cluster),
        pool_path(ground.cluster, pool),
        f"{idle} of {capacity} x {resource} in {pool} stay idle whatever is asked for: all limits together "
        f"are {capacity - idle}",
        job=job,
        changes=tuple(changes),
        hint="" if able else f"give a tenant a quota for {resource} in {pool}",
    )


def pods_for_guarantees(ground: Ground, tenant: ClusterTenant) -> tuple[int, Job | None]:
    """Fewest pods that hold all a tenant is guaranteed, and one of them.

    A replica takes a pod of its own, since requests for several are refused; an instance too, since a process uses one
    only. GPUs take a pod for every node that they fill.
    """
    total, job = 0, None
    for (pool, name), reach in ground.reach(tenant).items():
        if not reach.guaranteed:
            continue
        offer = ground.offers[pool]
        single = offer.resource(name).kind is not ResourceKind.GPU
        each = 1 if single else offer.room.units(name)
        total += -(-reach.guaranteed // each)
        need = Need(name, min(each, reach.guaranteed))
        job = job or Job("single", tenant.name, tenant.namespaces[0], pool, 1, need)
    return total, job


@rule(
    "FIT-COMPUTE-PODS",
    Severity.WARNING,
    "A tenant may not have as many pods as its guarantees take",
    question="Do the pods of all its namespaces suffice for what it is guaranteed in all pools, with a pod for every "
    "slice and replica and for every node filled with whole GPUs?",
    why="The quota on pods refuses the rest; guaranteed slices stay idle.",
    source="NVIDIA MIG user guide (a CUDA process uses one instance); NVIDIA device plugin, failRequestsGreaterThanOne"
    "; Kubernetes, Resource Quotas (pods)",
)
def _compute_pods(ground: Ground) -> Iterator[Hit]:
    for tenant in ground.cluster.tenants:
        needed, job = pods_for_guarantees(ground, tenant)
        each, namespaces = tenant.spec.spec.compute.pods, len(tenant.namespaces)
        if needed <= each * namespaces or job is None:
            continue
        yield Hit(
            f"Tenant {tenant.name}",
            tenant_subject(tenant),
            ("spec", "compute", "pods"),
            f"what tenant {tenant.name} is guaranteed takes {needed} pods, and its {namespaces} "
            f"namespace{'s' if namespaces > 1 else ''} may have {each * namespaces}",
            job=job,
            changes=(set_pods(tenant, -(-needed // namespaces)),),
        )


@rule(
    "FIT-COMPUTE",
    Severity.WARNING,
    "CPU, memory or storage of a tenant's namespaces cannot carry what it is guaranteed",
    question="Do the pods of FIT-COMPUTE-PODS fit into compute, when their containers ask for nothing and so get the "
    "usual limits (the LimitRange of the namespace)?",
    why="The quota on CPU or memory refuses pods for which slices are free and guaranteed.",
    source="Kubernetes, Limit Ranges (defaults count against quotas)",
)
def _compute(ground: Ground) -> Iterator[Hit]:
    for tenant in ground.cluster.tenants:
        needed, job = pods_for_guarantees(ground, tenant)
        namespaces = len(tenant.namespaces)
        if job is None:
            continue
        for name, field in _COMPUTE:
            attribute = name.replace("-", "_")
            each = parse_quantity(CONTAINER_LIMITS[name])
            given = parse_quantity(getattr(tenant.spec.spec.compute, attribute))
            room = given.nanos // each.nanos * namespaces
            if room >= needed:
                continue
            enough = each * -(-needed // namespaces)
            path = ("spec", "compute", field)
            words = f"raise compute.{field} of tenant {tenant.name} to {enough}"
            yield Hit(
                f"Tenant {tenant.name}: {name}",
                tenant_subject(tenant),
                path,
                f"what tenant {tenant.name} is guaranteed takes {needed} pods, and {given} of {name} in each of "
                f"{namespaces} namespaces carry {room} with the usual limit of {each} each",
                job=job,
                changes=(Change(words, (Edit("Tenant", tenant.name, path, str(enough)),)),),
            )


@rule(
    "FIT-FABRIC-UNUSED",
    Severity.WARNING,
    "A tenant is attached to a fabric on which it may hold no virtual function",
    question="Does the tenant have a quota in a pool that is wired to the fabric?",
    why="Virtual functions are granted in proportion to GPUs of the nodes they lie in; every pod that asks for one is "
    "refused by the quota.",
    source="Kubernetes, Resource Quotas for extended resources",
)
def _fabric_unused(ground: Ground) -> Iterator[Hit]:
    for tenant in ground.cluster.tenants:
        attached = tenant.spec.spec.network.fabrics
        for index, item in enumerate(attached):
            fabric = next((known for known in ground.cluster.fabrics if known.name == item.name), None)
            if fabric is None or vf_limit(ground.cluster, tenant, fabric.name):
                continue
            others = [
                other.model_dump(mode="json", by_alias=True, exclude_unset=True)
                for position, other in enumerate(attached)
                if position != index
            ]
            edit = Edit("Tenant", tenant.name, ("spec", "network", "fabrics"), others)
            yield Hit(
                f"Tenant {tenant.name} on {item.name}",
                tenant_subject(tenant),
                ("spec", "network", "fabrics", index),
                f"tenant {tenant.name} has no quota in a pool wired to fabric {item.name} "
                f"({', '.join(fabric.spec.pools)}), so it may hold none of its virtual functions",
                changes=(Change(f"detach tenant {tenant.name} from fabric {item.name}", (edit,)),),
            )


RULES = (_limit_unreached, _capacity_unused, _compute_pods, _compute, _fabric_unused)
