"""Pools whose nodes do not offer what is counted: nodes in two pools, GPUs no scheduler gives, pods, NUMA nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.efficient.fit.changes import Change, Edit
from tenantry.efficient.fit.edits import (
    platform_subject,
    pool_path,
    quota_path,
    set_alignment,
    set_vfs,
)
from tenantry.efficient.fit.jobs import Job
from tenantry.efficient.fit.offers import attached_namespaces
from tenantry.efficient.fit.room import Alignment, Need, refusal
from tenantry.efficient.fit.rule import Hit, rule
from tenantry.efficient.fit.work import Ground, refused_by_kai
from tenantry.model.cluster import POOL_LABEL, ResourceKind
from tenantry.model.finding import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.fit.offers import Offer
    from tenantry.model.cluster import ClusterTenant, Pool


@rule(
    "FIT-NODES-TWICE",
    Severity.ERROR,
    "Two node pools select the same nodes, so their capacity is promised twice",
    question="Do the labels that all nodes of one pool carry contain the selector of another? UNKNOWN where two "
    "selectors name different labels, so that a node might carry both.",
    why="Each pool counts the nodes as its own: guarantees of both fit on paper and not on the nodes, and two "
    "configurations of sharing fight over the same GPUs.",
    source="Kubernetes, label selectors; KAI scheduler, SchedulingShard (a node belongs to one node pool)",
)
def _nodes_twice(ground: Ground) -> Iterator[Hit]:
    pools = [offer.pool for offer in ground.offers.values()]
    for first in pools:
        for second in pools:
            if first.name == second.name or not second.spec.selector:
                continue
            wanted, carried = second.node_selector, _carried(first)
            subject = f"Node pools {first.name} and {second.name}"
            path = (*pool_path(ground.cluster, second.name), "selector")
            if all(carried.get(key) == value for key, value in wanted.items()):
                labels = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
                # Of two equal selectors the later pool is the one that is wrong.
                if first.spec.selector and _selects(first, second) and first.name > second.name:
                    continue
                yield Hit(
                    subject,
                    platform_subject(ground.cluster),
                    path,
                    f"the nodes of {first.name} carry {labels}, so {second.name} selects them too: "
                    f"{first.nodes} nodes are counted twice",
                    job=_job_on(ground, second),
                    changes=(_own_label(ground, second),),
                )
            elif first.name < second.name and first.spec.selector and _compatible(first, second):
                yield Hit(
                    subject,
                    platform_subject(ground.cluster),
                    path,
                    f"whether a node carries the labels of both {first.name} and {second.name} is not known; missing: "
                    "the labels of the node groups",
                    severity=Severity.INFO,
                    verdict=Verdict.UNKNOWN,
                    hint="select both pools by different values of one label",
                )


def _carried(pool: Pool) -> dict[str, str]:
    """Labels that every node of a pool carries."""
    return {**pool.spec.labels, **pool.node_selector, POOL_LABEL: pool.name}


def _selects(pool: Pool, other: Pool) -> bool:
    carried = _carried(other)
    return all(carried.get(key) == value for key, value in pool.node_selector.items())


def _compatible(first: Pool, second: Pool) -> bool:
    """Whether one node could be in both pools, as far as selectors and labels say."""
    return all(
        _carried(one).get(key, value) == value
        for one, other in ((first, second), (second, first))
        for key, value in other.node_selector.items()
    )


def _own_label(ground: Ground, pool: Pool) -> Change:
    path = (*pool_path(ground.cluster, pool.name), "selector")
    edit = Edit("Platform", ground.cluster.name, path, {POOL_LABEL: pool.name})
    return Change(f"select {pool.name} by a label of its own, such as {POOL_LABEL}={pool.name}", (edit,))


def _job_on(ground: Ground, pool: Pool) -> Job | None:
    for tenant in ground.holders[pool.name]:
        for (name, resource), reach in ground.reach(tenant).items():
            if name == pool.name and reach.guaranteed:
                single = Need(resource, 1)
                return Job("single", tenant.name, tenant.namespaces[0], pool.name, reach.guaranteed, single)
    return None


@rule(
    "FIT-MIXED-NODE",
    Severity.ERROR,
    "Whole GPUs on partitioned nodes are given to nobody by KAI",
    question="Does the pool leave GPUs whole on nodes that have MIG instances, while KAI or Run:ai schedules it?",
    why="Under the MIG strategy mixed KAI takes a node with instances for a MIG node and places no pod there that asks "
    "for nvidia.com/gpu, however many are free.",
    source="KAI scheduler, pkg/scheduler/api/node_info/node_info.go (v0.17): strategy mixed accepts pods with "
    "instances only",
)
def _mixed_node(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        resource = next((item for item in offer.pool.gpu_resources if item.kind is ResourceKind.GPU), None)
        if resource is None or not refused_by_kai(ground.cluster, offer.pool, resource):
            continue
        holders = [
            tenant for tenant in ground.holders[offer.name] if (offer.name, resource.name) in ground.reach(tenant)
        ]
        job = None
        if holders:
            job = Job("single", holders[0].name, holders[0].namespaces[0], offer.name, 1, Need(resource.name, 1))
        names = ", ".join(tenant.name for tenant in holders)
        yield Hit(
            f"Node pool {offer.name}",
            platform_subject(ground.cluster),
            (*pool_path(ground.cluster, offer.name), "sharing", "layouts"),
            f"{resource.per_node} GPUs of each node of {offer.name} stay whole beside MIG instances, and the scheduler "
            f"never gives them to a pod{f', whatever {names} may use' if names else ''}",
            job=job,
            changes=tuple(_as_instances(ground, offer, holders)),
            severity=Severity.ERROR if holders else Severity.WARNING,
            hint="partition every GPU of the pool, or give whole GPUs a pool of their own",
        )


def _as_instances(ground: Ground, offer: Offer, holders: list[ClusterTenant]) -> Iterator[Change]:
    """Yield the change that makes each whole GPU one instance, with the quotas in instances."""
    pool = offer.pool
    profile = next(
        (item for item in pool.gpu.profiles if item.memory == pool.gpu.memory_slices and not item.suffix), None
    )
    rest = next((group for group in pool.groups if not group.profiles), None)
    if profile is None or rest is None:
        return
    path = (*pool_path(ground.cluster, pool.name), "sharing", "layouts")
    layout: dict[str, Any] = {"gpus": list(rest.indices), "profiles": {profile.name: 1}}
    edits = [Edit("Platform", ground.cluster.name, (*path, len(pool.spec.sharing.layouts)), layout)]
    for tenant in holders:
        where = quota_path(ground.cluster, tenant, pool.name)
        quota = next(item for item in tenant.spec.spec.quotas if item.pool == pool.name)
        amounts = {"guaranteed": quota.guaranteed, "limit": quota.guaranteed if quota.limit is None else quota.limit}
        edits += [
            Edit("Tenant", tenant.name, (*where, "guaranteed"), 0),
            Edit("Tenant", tenant.name, (*where, "limit"), 0),
            Edit("Tenant", tenant.name, (*where, "slices", profile.name), amounts),
        ]
    yield Change(f"make each whole GPU of {pool.name} one {profile.name} instance, quotas likewise", tuple(edits))


@rule(
    "FIT-PODS-PER-NODE",
    Severity.ERROR,
    "Nodes offer more replicas than they may hold pods",
    question="Has a node more replicas of shared GPUs than the kubelet takes pods (250 on OpenShift, 110 elsewhere; "
    "not decided on EKS and AKS)? A pod gets one replica.",
    why="The rest can never be used, so capacity and guarantees that count it do not hold.",
    source="Kubernetes, kubelet maxPods; OpenShift, maximum number of pods per node; NVIDIA device plugin, "
    "failRequestsGreaterThanOne",
)
def _pods_per_node(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        for resource in offer.pool.gpu_resources:
            most = offer.room.pods
            if resource.kind is not ResourceKind.SHARED or not most or resource.per_node <= most:
                continue
            replicas = most // offer.pool.gpus_per_node
            job = _job_on(ground, offer.pool)
            yield Hit(
                f"Node pool {offer.name}",
                platform_subject(ground.cluster),
                (*pool_path(ground.cluster, offer.name), "sharing", "replicas"),
                f"a node of {offer.name} has {resource.per_node} replicas and takes {most} pods: "
                f"{(resource.per_node - most) * offer.nodes} of {offer.capacity(resource.name)} can never be used",
                job=job and replace(job, pods=most * offer.nodes + 1),
                changes=tuple(_fewer(ground, offer, replicas)) if replicas > 1 else (),
                severity=Severity.ERROR if _promised(ground, offer) > most * offer.nodes else Severity.WARNING,
                hint=f"make at most {most} replicas on a node",
            )


def _promised(ground: Ground, offer: Offer) -> int:
    return sum(
        reach.guaranteed
        for tenant in ground.holders[offer.name]
        for (name, _), reach in ground.reach(tenant).items()
        if name == offer.name
    )


def _fewer(ground: Ground, offer: Offer, replicas: int) -> Iterator[Change]:
    """Yield the change to fewer replicas, with quotas cut to what the pool has then."""
    old, path = offer.pool.spec.sharing.replicas or 1, pool_path(ground.cluster, offer.name)
    edits = [Edit("Platform", ground.cluster.name, (*path, "sharing", "replicas"), replicas)]
    for tenant in ground.holders[offer.name]:
        for (name, resource), reach in ground.reach(tenant).items():
            if name == offer.name:
                where = quota_path(ground.cluster, tenant, name, resource)
                amounts = {"guaranteed": reach.guaranteed, "limit": reach.written}
                edits += [
                    Edit("Tenant", tenant.name, (*where, key), value * replicas // old)
                    for key, value in amounts.items()
                ]
    yield Change(
        f"make {replicas} replicas of each GPU of {offer.name} instead of {old}, quotas likewise", tuple(edits)
    )


@rule(
    "FIT-NUMA",
    Severity.WARNING,
    "The kubelet refuses pods of several GPUs with one virtual function each",
    question="Is there a number of GPUs, within some tenant's limit, for which an empty node refuses a pod that asks "
    "for as many virtual functions of one resource, because NUMA alignment restricted finds no NUMA nodes both prefer?",
    why="GPUs of a whole server lie on all its NUMA nodes; virtual functions are so many that one NUMA node has enough "
    "of them. The pod is bound, refused with TopologyAffinityError, and made again.",
    source="Kubernetes, pkg/kubelet/cm/topologymanager/policy.go (mergePermutation) and "
    "cm/devicemanager/topology_hints.go",
)
def _numa(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        if offer.room.alignment is not Alignment.RESTRICTED:
            continue
        resource = next((item for item in offer.pool.gpu_resources if item.kind is ResourceKind.GPU), None)
        for fabric in offer.pool.fabrics if resource is not None else ():
            hit = _refused(ground, offer, resource.name if resource else "", fabric)
            if hit is not None:
                yield hit


def _refused(ground: Ground, offer: Offer, resource: str, fabric: str) -> Hit | None:
    tenant, limit = None, 0
    for item in ground.holders[offer.name]:
        reach = ground.reach(item).get((offer.name, resource))
        if reach is not None and attached_namespaces(item.spec, fabric) and reach.limit > limit:
            tenant, limit = item, reach.limit
    if tenant is None:
        return None
    for units in range(1, min(limit, offer.room.units(resource)) + 1):
        need = Need(resource, units, ((fabric, units),))
        refused = refusal(offer.room, need)
        if refused is not None and refused.kind == "numa" and not refused.unknown:
            whole = offer.room.units(resource)
            rails = len(ground.cluster.fabric(fabric).rails)
            changes = [set_alignment(ground.cluster, offer.name, "best-effort")]
            if fabric not in offer.room.per_rail and rails and whole % rails == 0:
                changes.append(set_vfs(ground.cluster, fabric, whole // rails))
            return Hit(
                f"Node pool {offer.name} on {fabric}",
                platform_subject(ground.cluster),
                (*pool_path(ground.cluster, offer.name), "numaAlignment"),
                f"pods of {units} and more GPUs with one virtual function of {fabric} for each never start in "
                f"{offer.name}: {refused.reason}",
                job=Job("aligned", tenant.name, tenant.namespaces[0], offer.name, 1, need),
                changes=tuple(changes),
            )
    return None


RULES = (_nodes_twice, _mixed_node, _pods_per_node, _numa)
