"""Classes of work that never run, that run on borrowed units only, or that crowd a shared GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.efficient.fit.changes import Change, Edit
from tenantry.efficient.fit.edits import (
    add_nodes,
    attach,
    both,
    platform_subject,
    pool_path,
    quota_path,
    set_alignment,
    set_guarantee,
    set_limit,
    set_pods,
    set_vfs,
    set_workload,
    tenant_subject,
    workload_subject,
)
from tenantry.efficient.fit.room import Need, per_node, refusal
from tenantry.efficient.fit.rule import Hit, rule
from tenantry.efficient.fit.work import GIBIBYTE, Ground, Outcome, memory_obstacle
from tenantry.model.cluster import ResourceKind
from tenantry.model.finding import Severity, Verdict
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.fit.jobs import Job
    from tenantry.efficient.fit.work import Obstacle
    from tenantry.model.cluster import ClusterTenant, Pool
    from tenantry.model.problem import DocPath
    from tenantry.model.spec import Workload

FIELDS: dict[str, DocPath] = {
    "memory": ("spec", "gpuMemory"),
    "nvlink": ("spec", "nvlink"),
    "wiring": ("spec", "rdma", "fabric"),
    "vfs": ("spec", "rdma", "vfsPerGpu"),
    "vf-limit": ("spec", "rdma"),
    "attachment": ("spec", "rdma", "fabric"),
    "gang": ("spec", "pods"),
    "pods": ("spec", "pods"),
}
"""Where an obstacle is shown in the workload; at its GPUs otherwise."""


@rule(
    "FIT-WORKLOAD-NEVER",
    Severity.ERROR,
    "A class of work can never run for a tenant",
    question="Is there a pool the workload may run in, with a resource the tenant may use, where an empty cluster "
    "takes one job: memory of a GPU or slice, NVLink, GPUs, slices and virtual functions of a node, what the kubelet's "
    "NUMA alignment admits, nodes for all pods of the gang, the tenant's limit, its virtual functions and its pods? "
    "Pods of one job are equal, so the pods of a node times the nodes decide exactly.",
    why="The job waits for ever and shows Pending like any other; no eviction and no idle night helps it.",
    source="KAI scheduler, capacity_policy/max_allowed_check.go; Kubernetes, topology manager; NVIDIA MIG user guide",
)
def _never(ground: Ground) -> Iterator[Hit]:
    for workload in ground.cluster.spec.workloads:
        names = workload.spec.tenants or sorted(ground.tenants)
        tenants = [ground.tenants[name] for name in names if name in ground.tenants]
        verdicts = {tenant.name: ground.runs(workload, tenant) for tenant in tenants}
        if not workload.spec.tenants:
            # Nobody is named, so it is enough that somebody can run it.
            if any(verdict is not Verdict.VIOLATED for verdict in verdicts.values()):
                continue
            tenants = sorted(tenants, key=lambda item: _distance(ground, workload, item))[:1]
        for tenant in tenants:
            if verdicts[tenant.name] is not Verdict.PROVED:
                yield _never_hit(ground, workload, tenant, verdicts[tenant.name])


def _distance(ground: Ground, workload: Workload, tenant: ClusterTenant) -> tuple[int, str]:
    outcomes = ground.outcomes(workload, tenant)
    return min((len(item.obstacles) for item in outcomes), default=99), tenant.name


def _nearest_first(outcomes: tuple[Outcome, ...], verdict: Verdict) -> list[Outcome]:
    chosen = [item for item in outcomes if item.verdict is verdict]
    return sorted(chosen, key=lambda item: (len(item.obstacles), item.job.pool, item.job.need.resource))


def _never_hit(ground: Ground, workload: Workload, tenant: ClusterTenant, verdict: Verdict) -> Hit:
    outcomes = _nearest_first(ground.outcomes(workload, tenant), verdict)
    subject = f"Workload {workload.name} of {tenant.name}"
    document = workload_subject(workload)
    if not outcomes:
        return Hit(
            subject,
            document,
            ("spec", "tenants"),
            f"tenant {tenant.name} has a quota in no pool that {workload.name} may run in",
            hint=f"give tenant {tenant.name} a quota in {', '.join(workload.spec.pools) or 'a node pool'}",
        )
    best = outcomes[0]
    reasons = "; ".join(
        f"{'' if len(outcomes) == 1 else item.job.pool + ': '}{item.obstacles[0].reason}" for item in outcomes
    )
    path = FIELDS.get(best.obstacles[0].kind, ("spec", "gpus"))
    if verdict is Verdict.UNKNOWN:
        return Hit(
            subject,
            document,
            path,
            f"whether {workload.name} can ever run for tenant {tenant.name} is not known; missing: {reasons}",
            job=best.job,
            severity=Severity.INFO,
            verdict=Verdict.UNKNOWN,
        )
    return Hit(
        subject,
        document,
        path,
        f"{workload.name} can never run for tenant {tenant.name}: {reasons}",
        job=best.job,
        changes=tuple(_remedies(ground, workload, tenant, outcomes)),
        hint=_hint(ground, workload, best.obstacles[0].kind),
    )


def _hint(ground: Ground, workload: Workload, kind: str) -> str:
    """Say what a person may do where no number of the spec helps."""
    pools = [offer.pool for offer in ground.offers.values()]
    if kind == "memory":
        able = [
            f"{pool.name} ({resource.name.removeprefix('nvidia.com/')})"
            for pool in pools
            for resource in pool.gpu_resources
            if not list(memory_obstacle(pool, resource, workload.spec.gpu_memory))
        ]
        where = f", such as {', '.join(able)}" if able else "; no pool of the platform has any"
        return f"run {workload.name} on GPUs or slices with {workload.spec.gpu_memory}{where}"
    if kind == "nvlink":
        able = [pool.name for pool in pools if pool.server.nvlink and pool.mode is SharingMode.WHOLE]
        where = f", such as {', '.join(able)}" if able else "; no pool of the platform has them"
        return f"run {workload.name} on whole GPUs joined by NVLink{where}"
    if kind == "wiring" and workload.spec.rdma is not None:
        wired = ground.cluster.fabric(workload.spec.rdma.fabric).spec.pools
        return f"run {workload.name} in a pool that is wired to {workload.spec.rdma.fabric}: {', '.join(wired)}"
    if kind == "mixed":
        return "partition every GPU of the pool, or give whole GPUs a pool of their own"
    return ""


def _remedies(ground: Ground, workload: Workload, tenant: ClusterTenant, outcomes: list[Outcome]) -> Iterator[Change]:
    for outcome in outcomes:
        changes = [_grown(ground, tenant, outcome, item) for item in outcome.obstacles if not item.unknown]
        made = [change for change in changes if change is not None]
        if made and len(made) == len(changes):
            yield replace(both(*made), kind="give")
        units = outcome.job.need.units
        while units:
            smaller = _shrunk(ground, workload, outcome, units)
            if smaller is not None:
                yield replace(smaller, kind="shrink")
            units //= 2


def _grown(ground: Ground, tenant: ClusterTenant, outcome: Outcome, obstacle: Obstacle) -> Change | None:
    """Give the job what it asks for."""
    cluster, job = ground.cluster, outcome.job
    if obstacle.kind == "limit":
        reach = ground.reach(tenant)[job.pool, job.need.resource]
        if reach.why:
            return set_guarantee(cluster, tenant, job.pool, job.need.resource, job.units)
        return set_limit(cluster, tenant, job.pool, job.need.resource, job.units)
    if obstacle.kind == "quota":
        return _new_quota(ground, tenant, job)
    if obstacle.kind == "attachment":
        return attach(cluster, tenant, job.need.vfs[0][0])
    if obstacle.kind == "pods":
        return set_pods(tenant, job.pods)
    if obstacle.kind == "numa":
        return set_alignment(cluster, job.pool, "best-effort")
    if obstacle.kind == "gang" and obstacle.most:
        offer = ground.offers[job.pool]
        return add_nodes(cluster, job.pool, -(-job.pods // per_node(offer.room, job.need)) - offer.nodes)
    if obstacle.kind == "vf-limit":
        # Virtual functions are granted in the proportion of GPUs, so the limit on these has to carry them.
        room = ground.offers[job.pool].room
        fabric, count = job.need.vfs[0]
        units = sum(item.per_node for item in ground.offers[job.pool].pool.gpu_resources)
        needed = -(-job.pods * count * units // dict(room.vfs)[fabric])
        return set_limit(cluster, tenant, job.pool, job.need.resource, max(needed, job.units))
    if obstacle.kind == "vfs":
        fabric, count = job.need.vfs[0]
        rails = len(cluster.fabric(fabric).rails)
        return set_vfs(cluster, fabric, -(-count // rails)) if rails else None
    return None


def _new_quota(ground: Ground, tenant: ClusterTenant, job: Job) -> Change:
    profile = ground.offers[job.pool].resource(job.need.resource).profile
    amounts = {"guaranteed": 0, "limit": job.units}
    quotas = tenant.spec.spec.quotas
    words = f"give tenant {tenant.name} a limit of {job.units} x {job.need.resource} in {job.pool}"
    if job.pool in tenant.pools or any(item.pool == job.pool for item in quotas):
        path = quota_path(ground.cluster, tenant, job.pool, job.need.resource)
        edits = [Edit("Tenant", tenant.name, (*path, key), value) for key, value in amounts.items()]
        return Change(words, tuple(edits))
    quota = {"pool": job.pool, **({"slices": {profile: amounts}} if profile else amounts)}
    if quotas:
        return Change(words, (Edit("Tenant", tenant.name, ("spec", "quotas", len(quotas)), quota),))
    return Change(words, (Edit("Tenant", tenant.name, ("spec", "quotas"), [quota]),))


def _shrunk(ground: Ground, workload: Workload, outcome: Outcome, units: int) -> Change | None:
    """Make the job as large as it can be with pods of at most so many units; without a limit, give it one."""
    kinds = {item.kind for item in outcome.obstacles}
    if not kinds <= {"limit", "quota", "size", "numa", "gang", "pods", "replicas", "vfs", "vf-limit"}:
        return None
    tenant, offer, job = ground.tenants[outcome.job.tenant], ground.offers[outcome.job.pool], outcome.job
    reach = ground.reach(tenant).get((job.pool, job.need.resource))
    limit = reach.limit if reach is not None else 0
    need = _smaller(ground, workload, outcome, min(limit or units, units))
    if need is None:
        return None
    pods = min(job.pods, per_node(offer.room, need) * offer.nodes, tenant.spec.spec.compute.pods)
    pods = min(pods, limit // need.units) if limit else pods
    if pods < 1:
        return None
    changes = []
    if need.units != job.need.units:
        changes.append(set_workload(workload, "gpus", need.units))
    if pods != job.pods:
        changes.append(set_workload(workload, "pods", pods))
    if changes and not limit:
        changes.append(_new_quota(ground, tenant, replace(job, pods=pods, need=need)))
    return both(*changes) if changes else None


def _smaller(ground: Ground, workload: Workload, outcome: Outcome, most: int) -> Need | None:
    """Return the largest pod of a class of work, up to the one it has, that an empty node admits."""
    offer, job, rdma = ground.offers[outcome.job.pool], outcome.job, workload.spec.rdma
    shared = offer.resource(job.need.resource).kind is ResourceKind.SHARED
    for units in range(1 if shared else min(job.need.units, most), 0, -1):
        vfs = ((rdma.fabric, units * rdma.vfs_per_gpu),) if rdma is not None else ()
        need = Need(job.need.resource, units, vfs)
        if refusal(offer.room, need) is None:
            return need
    return None


# Within what is guaranteed -------------------------------------------------------------------------------------------


@rule(
    "FIT-WORKLOAD-BORROWS",
    Severity.INFO,
    "A class of work of a tenant runs on borrowed units only",
    question="Is one job of the workload within the tenant's guarantee in some pool where it can run?",
    why="The job waits until others leave enough idle, and is evicted as soon as they want it back; a tier that is "
    "never preempted never starts it.",
    source="KAI scheduler, plugins/proportion (jobs over the quota of their queue are reclaimed)",
)
def _borrows(ground: Ground) -> Iterator[Hit]:
    for workload in ground.cluster.spec.workloads:
        for name in workload.spec.tenants:
            tenant = ground.tenants.get(name)
            if tenant is None:
                continue
            running = [item for item in ground.outcomes(workload, tenant) if item.verdict is Verdict.PROVED]
            if not running or any(item.within_guarantee for item in running):
                continue
            job = running[0].job
            guaranteed = ground.reach(tenant)[job.pool, job.need.resource].guaranteed
            change = set_guarantee(ground.cluster, tenant, job.pool, job.need.resource, job.units)
            yield Hit(
                f"Workload {workload.name} of {name}",
                workload_subject(workload),
                ("spec", "pods"),
                f"a job of {workload.name} takes {job.units} x {job.need.resource}, and tenant {name} is guaranteed "
                f"{guaranteed} in {job.pool}: it runs while others leave {job.units - guaranteed} idle, and can be "
                "evicted for them",
                job=job,
                changes=(change,),
            )


@rule(
    "FIT-GUARANTEE-POD",
    Severity.WARNING,
    "A guarantee is smaller than one pod of every class of work of the tenant",
    question="Does one pod of some workload that can run there for the tenant fit into its guarantee?",
    why="The tenant is promised units that none of its jobs can use by right, and others cannot be promised them.",
    source="KAI scheduler, plugins/proportion; kubernetes-sigs kueue, nominal quota",
)
def _guarantee_pod(ground: Ground) -> Iterator[Hit]:
    for tenant in ground.cluster.tenants:
        for (pool, resource), reach in ground.reach(tenant).items():
            jobs = [
                outcome.job
                for workload in ground.work_of[tenant.name]
                if tenant.name in workload.spec.tenants
                for outcome in ground.outcomes(workload, tenant)
                if outcome.job.pool == pool
                and outcome.job.need.resource == resource
                and outcome.verdict is not Verdict.VIOLATED
            ]
            if not reach.guaranteed or not jobs or any(job.need.units <= reach.guaranteed for job in jobs):
                continue
            job = min(jobs, key=lambda item: (item.need.units, item.name))
            yield Hit(
                f"Tenant {tenant.name} in {pool}",
                tenant_subject(tenant),
                quota_path(ground.cluster, tenant, pool, resource),
                f"tenant {tenant.name} is guaranteed {reach.guaranteed} x {resource} in {pool}, and a pod of "
                f"{job.name}, the smallest of its workloads there, takes {job.need.units}: nothing it runs is ever "
                "within its guarantee",
                job=job,
                changes=(
                    set_guarantee(ground.cluster, tenant, pool, resource, job.units),
                    set_guarantee(ground.cluster, tenant, pool, resource, job.need.units),
                    set_guarantee(ground.cluster, tenant, pool, resource, 0),
                ),
            )


@rule(
    "FIT-SHARED-MEMORY",
    Severity.WARNING,
    "Pods that share a GPU in time need more memory together than it has",
    question="Do as many pods of the workload as a GPU of the pool has replicas fit into its memory?",
    why="Time slicing does not divide memory: whoever allocates last fails, whoever runs beside it too.",
    source="NVIDIA GPU Operator, Time-Slicing GPUs in Kubernetes (no memory limit, no fault isolation)",
)
def _shared_memory(ground: Ground) -> Iterator[Hit]:
    for offer in ground.offers.values():
        pool = offer.pool
        if pool.mode is not SharingMode.TIME_SLICING:
            continue
        replicas = pool.spec.sharing.replicas or 1
        for workload in ground.cluster.spec.workloads:
            needed = float(parse_quantity(workload.spec.gpu_memory).value) / GIBIBYTE
            room = int(pool.gpu.memory_mib / 1024 / needed)
            users = [
                (tenant, outcome.job)
                for tenant in ground.holders[pool.name]
                if not workload.spec.tenants or tenant.name in workload.spec.tenants
                for outcome in ground.outcomes(workload, tenant)
                if outcome.job.pool == pool.name and outcome.verdict is Verdict.PROVED
            ]
            if room >= replicas or not users:
                continue
            job = users[0][1]
            yield Hit(
                f"Workload {workload.name} in {pool.name}",
                platform_subject(ground.cluster),
                (*pool_path(ground.cluster, pool.name), "sharing", "replicas"),
                f"{replicas} pods share a GPU of {pool.name}, which has {pool.gpu.memory_mib / 1024:.1f} GiB, and "
                f"{room + 1} pods of {workload.name} need {(room + 1) * needed:.1f} GiB",
                job=replace(job, pods=room + 1),
                changes=tuple(_fewer_replicas(ground, pool, room)) if room > 1 else (),
                hint="" if room > 1 else f"give {workload.name} whole GPUs or MIG instances",
            )


def _fewer_replicas(ground: Ground, pool: Pool, replicas: int) -> Iterator[Change]:
    """Yield the change to fewer replicas; guarantees and limits shrink in proportion, rounded down."""
    old = pool.spec.sharing.replicas or 1
    path = (*pool_path(ground.cluster, pool.name), "sharing", "replicas")
    edits = [Edit("Platform", ground.cluster.name, path, replicas)]
    for tenant in ground.holders[pool.name]:
        for (name, resource), reach in ground.reach(tenant).items():
            if name == pool.name:
                where = quota_path(ground.cluster, tenant, name, resource)
                amounts = {"guaranteed": reach.guaranteed, "limit": reach.written}
                edits += [
                    Edit("Tenant", tenant.name, (*where, key), value * replicas // old)
                    for key, value in amounts.items()
                ]
    yield Change(f"share each GPU of {pool.name} among {replicas} instead of {old}, quotas in proportion", tuple(edits))


RULES = (_never, _borrows, _guarantee_pod, _shared_memory)
