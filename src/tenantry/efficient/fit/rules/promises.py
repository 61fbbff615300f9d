"""Guarantees that cannot all be held at the same time, with every node and with some lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.efficient.fit.edits import (
    add_nodes,
    both,
    platform_subject,
    pool_path,
    quota_path,
    set_guarantee,
    tenant_subject,
    workload_subject,
)
from tenantry.efficient.fit.jobs import Job
from tenantry.efficient.fit.promises import held
from tenantry.efficient.fit.room import Need, per_node
from tenantry.efficient.fit.rule import Hit, rule
from tenantry.efficient.fit.work import Ground
from tenantry.model.finding import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.fit.changes import Change
    from tenantry.efficient.fit.offers import Offer
    from tenantry.efficient.fit.promises import Held, Short, Use


@rule(
    "FIT-GUARANTEE",
    Severity.ERROR,
    "The guarantees of a node pool cannot all be held at the same time",
    question="Is there a placement on the nodes of the pool of all pods that tenants run when each uses its whole "
    "guarantee of a resource for one of its workloads (pods of one unit for what is left over, and for tenants without "
    "a workload that fits), for every choice of workloads, with GPUs, slices, replicas, virtual functions, pods of a "
    "node and NUMA nodes counted? Decided by counting, a packing or an exhaustive search.",
    why="Guarantees are sums; nodes are not. A tenant below its guarantee evicts others and still does not start, "
    "since no node has room for one of its pods.",
    source="KAI scheduler, actions/reclaim (a job must fit on nodes); Kubernetes, a pod runs on one node",
)
def _guarantee(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        answer = held(ground, offer, offer.nodes)
        if answer.verdict is Verdict.UNKNOWN:
            yield _unknown(ground, offer, answer)
        elif answer.short is not None:
            yield _hit(ground, offer, answer.short, offer.nodes)


@rule(
    "FIT-NODE-LOSS",
    Severity.WARNING,
    "With the nodes lost that were asked about, guarantees or workloads no longer fit",
    question="The question of FIT-GUARANTEE, and whether each workload that runs with every node still runs in some "
    "pool, for the worst choice of the nodes that are lost (--minus-nodes). Nodes of a pool are alike, and less of "
    "them never holds more, so the worst choice takes as many nodes of one pool as it may.",
    why="Quotas stay what they were when a node fails or is drained; whoever is due the most then waits.",
    source="kubernetes-sigs kueue, issues 2665 and 10270 (quota stays when nodes are gone)",
)
def _node_loss(ground: Ground) -> Iterator[Hit]:
    if not ground.loss:
        return
    for offer in ground.offers.values():
        lost = min(offer.nodes, ground.loss.worst(offer.name))
        if not lost or held(ground, offer, offer.nodes, explain=False).verdict is not Verdict.PROVED:
            continue
        answer = held(ground, offer, offer.nodes - lost)
        if answer.short is not None:
            yield _hit(ground, offer, answer.short, offer.nodes - lost)
    yield from _lost_work(ground)


def _unknown(ground: Ground, offer: Offer, answer: Held) -> Hit:
    return Hit(
        subject=f"Node pool {offer.name}",
        document=platform_subject(ground.cluster),
        path=pool_path(ground.cluster, offer.name),
        message=f"whether all guarantees of {offer.name} can be held at the same time is not known; missing: "
        f"{answer.missing}",
        severity=Severity.INFO,
        verdict=Verdict.UNKNOWN,
    )


def _hit(ground: Ground, offer: Offer, short: Short, nodes: int) -> Hit:
    victim = short.victim
    tenant = ground.tenants[victim.tenant]
    lost = offer.nodes - nodes
    number = f"{nodes} node{'s' if nodes != 1 else ''}"
    there = f"the {number} left of {offer.name}" if lost else f"the {number} of {offer.name}"
    uses = "; ".join(_words(use) for use in short.uses)
    alike = {use.resource for use in short.uses} == {victim.resource}
    capacity = offer.capacity(victim.resource, nodes)
    total = sum(use.guaranteed for use in short.uses if use.resource == victim.resource)
    sums = f"they are {total} of {capacity} x {victim.resource}"
    if total <= capacity:
        sums = f"their sum fits ({total} of {capacity} x {victim.resource}), their pods do not"
    return Hit(
        subject=f"Node pool {offer.name}",
        document=tenant_subject(tenant),
        path=quota_path(ground.cluster, tenant, offer.name, victim.resource),
        message=f"{there} cannot hold all guarantees{'' if alike else ' of all resources'} at the same time: {sums} "
        f"({uses})",
        job=_job(ground, offer, short),
        changes=_changes(ground, offer, short, lost),
    )


def _words(use: Use) -> str:
    work = f" in pods of {use.need.units} for {use.workload}" if use.workload else ""
    return f"{use.tenant} {use.guaranteed}{work}"


def _missing_units(short: Short) -> int:
    return short.victim.guaranteed - (short.possible or 0)


def _job(ground: Ground, offer: Offer, short: Short) -> Job:
    victim = short.victim
    namespace = ground.tenants[victim.tenant].namespaces[0]
    if victim.workload:
        return Job(victim.workload, victim.tenant, namespace, offer.name, victim.pods, victim.need)
    single = Need(victim.resource, 1)
    return Job("single", victim.tenant, namespace, offer.name, max(1, _missing_units(short)), single)


def _changes(ground: Ground, offer: Offer, short: Short, lost: int) -> tuple[Change, ...]:
    def lowered(victim: Use, possible: int) -> Change:
        tenant = ground.tenants[victim.tenant]
        return set_guarantee(ground.cluster, tenant, offer.name, victim.resource, possible)

    found = []
    together = [
        lowered(victim, possible)
        for victim, possible in ((short.victim, short.possible), *short.others)
        if possible is not None
    ]
    if len(together) == 1 + len(short.others):
        found.append(both(*together))
    found += [lowered(*item) for item in short.instead]
    found = [replace(change, kind="lower") for change in found]
    if short.nodes is not None:
        found.append(add_nodes(ground.cluster, offer.name, short.nodes + lost - offer.nodes))
    return tuple(found)


# Work that no longer runs --------------------------------------------------------------------------------------------


def _lost_work(ground: Ground) -> Iterator[Hit]:
    for workload in ground.cluster.spec.workloads:
        for name in workload.spec.tenants:
            tenant = ground.tenants.get(name)
            if tenant is None or ground.runs(workload, tenant) is not Verdict.PROVED:
                continue
            outcomes = [item for item in ground.outcomes(workload, tenant) if item.verdict is Verdict.PROVED]
            needed: dict[str, int] = {}
            for outcome in outcomes:
                pool = outcome.job.pool
                needed[pool] = min(needed.get(pool, ground.offers[pool].nodes), _nodes_for(ground, outcome.job))
            if not _survives(ground, needed):
                yield _lost_hit(ground, outcomes[0].job, sorted(needed))


def _nodes_for(ground: Ground, job: Job) -> int:
    return -(-job.pods // per_node(ground.offers[job.pool].room, job.need))


def _survives(ground: Ground, needed: dict[str, int]) -> bool:
    """Whether some pool keeps the nodes a job needs, however the loss falls."""
    to_break = 0
    for pool, nodes in needed.items():
        left = ground.offers[pool].nodes - dict(ground.loss.pools).get(pool, 0)
        to_break += max(0, left - nodes + 1)
    return to_break > ground.loss.anywhere


def _lost_hit(ground: Ground, job: Job, pools: list[str]) -> Hit:
    workload = next(item for item in ground.cluster.spec.workloads if item.name == job.name)
    changes = []
    if len(pools) == 1:
        offer = ground.offers[pools[0]]
        left = offer.nodes - ground.loss.worst(offer.name)
        changes.append(add_nodes(ground.cluster, offer.name, _nodes_for(ground, job) - left))
    return Hit(
        subject=f"Workload {job.name} of {job.tenant}",
        document=workload_subject(workload),
        path=("spec", "pods"),
        message=f"with the nodes lost, no job of {job.name} fits into {' or '.join(pools)} any more",
        job=job,
        changes=tuple(changes),
    )


RULES = (_guarantee, _node_loss)
