"""What tenants gain and lose: guarantees, limits, shares, priorities, work that can run, waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.cluster import ResourceKind
from tenantry.model.finding import Verdict
from tenantry.plan.effect import Area, Effect, Level, Mark, Return
from tenantry.plan.rule import Comparison, Row, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Entitlement
    from tenantry.plan.effect import Cause
    from tenantry.plan.rule import Context

_QUOTA = ("Tenant/*/spec/quotas*", "Tenant/*")
_SAID = (
    "EFFECT-GUARANTEE",
    "EFFECT-LIMIT",
    "EFFECT-SHARE",
    "EFFECT-TENANT-ADDED",
    "EFFECT-TENANT-REMOVED",
    "EFFECT-QUEUE-MOVED",
    "EFFECT-NAMESPACE-ADDED",
    "EFFECT-NAMESPACE-REMOVED",
    "EFFECT-SLICES",
    "EFFECT-POOL-ADDED",
    "EFFECT-POOL-REMOVED",
    "EFFECT-NODES-ADDED",
    "EFFECT-NODES-REMOVED",
    "EFFECT-COMPUTE",
    "EFFECT-RESOURCE-NAME",
    "EFFECT-STORAGE",
    "EFFECT-SCHEDULER-SWITCH",
    "EFFECT-VF-MORE",
    "EFFECT-VF-RESET",
    "EFFECT-FABRIC",
    "EFFECT-TENANT-FABRIC",
    "EFFECT-PRIORITY-RIGHT",
    "EFFECT-METADATA",
)

ROWS = (
    Row(
        "EFFECT-QUEUES",
        (
            "Queue.scheduling.run.ai",
            "ClusterQueue.kueue.x-k8s.io",
            "Cohort.kueue.x-k8s.io",
            "LocalQueue.kueue.x-k8s.io",
        ),
        ("", "spec/*", "metadata/*"),
        "Queues say what tenants are guaranteed, may use and borrow; effects on tenants tell it",
        "KAI scheduler, Queue; Kueue, ClusterQueue and Cohort",
        Area.TENANTS,
        _QUOTA,
        said_by=_SAID,
    ),
    Row(
        "EFFECT-QUOTAS",
        ("ResourceQuota", "ClusterResourceQuota.quota.openshift.io", "LimitRange"),
        ("", "spec/*", "metadata/*"),
        "Quotas of namespaces bound what tenants may ask for; effects on tenants tell it",
        "Kubernetes, ResourceQuota: pods that run are never stopped by a lower quota",
        Area.TENANTS,
        _QUOTA,
        said_by=_SAID,
    ),
)


def entitlements(context: Context, tenant: str, *, new: bool) -> dict[tuple[str, str], Entitlement]:
    """Entitlements of a tenant by pool and resource, on one side."""
    there = (context.new_tenants if new else context.old_tenants).get(tenant)
    return {(item.pool, item.resource): item for item in there.entitlements} if there is not None else {}


def why(context: Context, tenant: str, pool: str) -> tuple[Cause, ...]:
    """Return the fields behind a changed entitlement: the quota, the tenant, or the pool."""
    for patterns in (
        (f"Tenant/{tenant}/spec/quotas/{pool}*", f"Tenant/{tenant}/spec/quotas"),
        (f"Tenant/{tenant}",),
        (
            f"Platform/*/spec/nodePools/{pool}/sharing*",
            f"Platform/*/spec/nodePools/{pool}",
            "Platform/*/spec/nodePools*",
        ),
    ):
        found = context.causes(patterns)
        if found:
            return found
    return ()


def _amounts(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Guarantee, limit and share of every tenant, pool and resource."""
    for tenant in sorted(context.old.tenant_names | context.new.tenant_names):
        before, after = (entitlements(context, tenant, new=new) for new in (False, True))
        for place in sorted({*before, *after}):
            was, now = before.get(place), after.get(place)
            for part, identifier in _PARTS:
                old = getattr(was, part) if was else 0
                new = getattr(now, part) if now else 0
                if part == "weight" and (was is None or now is None):
                    continue
                if old != new:
                    yield _amount(context, rule, tenant, place, (part, identifier, old, new))


_PARTS = (("guaranteed", "EFFECT-GUARANTEE"), ("limit", "EFFECT-LIMIT"), ("weight", "EFFECT-SHARE"))


def _amount(
    context: Context, rule: Comparison, tenant: str, place: tuple[str, str], amount: tuple[str, str, int, int]
) -> Effect:
    part, identifier, old, new = amount
    pool, resource = place
    fewer = new < old
    word = {"guaranteed": "guarantee", "limit": "limit", "weight": "share of idle GPUs (weight)"}[part]
    unit = "" if part == "weight" else f" {unit_of(context, pool, resource)}"
    gone = tenant not in context.new_tenants
    lost = fewer and part == "guaranteed" and not gone
    sign = Mark.CHANGE if old and new else Mark.ADD if new else Mark.REMOVE
    return Effect(
        rule=identifier,
        area=rule.area,
        mark=Mark.DISRUPT if lost else sign,
        level=Level.DISRUPTIVE if lost else Level.CHANGE,
        subject=f"tenant {tenant}",
        message=f"{word} in {pool}: {old} -> {new}{unit}",
        source=rule.source,
        causes=why(context, tenant, pool),
        numbers=(("before", old), ("after", new)),
        tenants=(tenant,),
        pools=(pool,),
    )


def unit_of(context: Context, pool: str, resource: str) -> str:
    """Return what one unit of a resource is, for people."""
    for pools in (context.new_pools, context.old_pools):
        for item in pools[pool].resources if pool in pools else ():
            if item.name == resource:
                if item.kind is ResourceKind.SLICE:
                    return f"slices {item.profile}"
                return "shared GPUs" if item.kind is ResourceKind.SHARED else "GPUs"
    return resource


def _teams(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Tenants that come, go, or move in the hierarchy."""
    for name in sorted(context.old.tenant_names | context.new.tenant_names):
        was, now = context.old_tenants.get(name), context.new_tenants.get(name)
        causes = context.causes((f"Tenant/{name}",))
        if was is None and now is not None:
            yield Effect(
                "EFFECT-TENANT-ADDED",
                rule.area,
                Mark.ADD,
                Level.CHANGE,
                f"tenant {name}",
                f"tenant added with {listed(now.namespaces)}",
                source=rule.source,
                causes=causes,
                tenants=(name,),
                pools=now.pools,
            )
        elif now is None and was is not None:
            yield Effect(
                "EFFECT-TENANT-REMOVED",
                rule.area,
                Mark.DISRUPT,
                Level.DISRUPTIVE,
                f"tenant {name}",
                f"tenant removed: its Application is deleted once a person confirms it in Argo CD, and everything in "
                f"{listed(was.namespaces)} with it",
                source=rule.source,
                causes=causes,
                tenants=(name,),
                pools=was.pools,
                way_back=Return.LOST,
            )
        elif was is not None and now is not None and was.department != now.department:
            yield Effect(
                "EFFECT-QUEUE-MOVED",
                rule.area,
                Mark.CHANGE,
                Level.CHANGE,
                f"tenant {name}",
                f"its queues move from department {was.department} to {now.department}: idle GPUs are shared within "
                "the department first",
                source=rule.source,
                causes=context.causes((f"Tenant/{name}/spec/department",)),
                tenants=(name,),
                pools=now.pools,
            )


def _rights(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Priority tiers that tenants may use."""
    for name in sorted(context.old.tenant_names & context.new.tenant_names):
        was, now = context.old_tenants[name].priorities, context.new_tenants[name].priorities
        if was == now:
            continue
        gained, lost = [item for item in now if item not in was], [item for item in was if item not in now]
        said = [f"gains {listed(gained)}"] if gained else []
        said += [f"loses {listed(lost)}: pods that name it are refused"] if lost else []
        if was[:1] != now[:1]:
            said.append(f"its default changes from {''.join(was[:1])} to {''.join(now[:1])}")
        yield Effect(
            rule.id,
            rule.area,
            Mark.DISRUPT if lost else Mark.CHANGE,
            Level.DISRUPTIVE if lost else Level.CHANGE,
            f"tenant {name}",
            f"priority tiers: {'; '.join(said) or 'their order changes'}",
            source=rule.source,
            causes=context.causes((f"Tenant/{name}/spec/priorities*",))
            or context.causes(("Platform/*/spec/priorityTiers*",)),
            tenants=(name,),
        )


def _work(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Jobs that could run and cannot now, or the other way round."""
    if context.old.work is None or context.new.work is None:
        return
    for place in sorted({*context.old.work, *context.new.work}):
        was, now = context.old.work.get(place), context.new.work.get(place)
        before = was.verdict if was else Verdict.UNKNOWN
        after = now.verdict if now else Verdict.UNKNOWN
        workload, tenant, pool, resource = place
        stays = tenant in context.new_tenants and pool in context.new_pools
        causes = why(context, tenant, pool) or context.causes(
            (f"Workload/{workload}*", f"Tenant/{tenant}/*", "Platform/*")
        )
        if before is Verdict.PROVED and after is not Verdict.PROVED and stays and was is not None:
            reason = f": {now.reason}" if now and now.reason else f": {pool} offers no {resource} to it"
            yield Effect(
                rule.id,
                rule.area,
                Mark.DISRUPT,
                Level.DISRUPTIVE,
                f"tenant {tenant}",
                f"workload {workload} could run in {pool} and cannot now: {was.job}{reason}",
                source=rule.source,
                causes=causes,
                tenants=(tenant,),
                pools=(pool,),
            )
        elif after is Verdict.PROVED and before is not Verdict.PROVED and now is not None and was is not None:
            yield Effect(
                rule.id,
                rule.area,
                Mark.ADD,
                Level.CHANGE,
                f"tenant {tenant}",
                f"workload {workload} can run in {pool} now: {now.job}",
                source=rule.source,
                causes=causes,
                tenants=(tenant,),
                pools=(pool,),
            )


def _held(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Guarantees of a pool that cannot be held at the same time any more."""
    if context.old.held is None or context.new.held is None:
        return
    for place in sorted({*context.old.held} & {*context.new.held}):
        before, after = context.old.held[place], context.new.held[place]
        if before is after or Verdict.VIOLATED not in {before, after}:
            continue
        pool, resource = place
        bad = after is Verdict.VIOLATED
        yield Effect(
            rule.id,
            rule.area,
            Mark.DISRUPT if bad else Mark.ADD,
            Level.DISRUPTIVE if bad else Level.CHANGE,
            f"node pool {pool}",
            f"guarantees of {resource} "
            + ("cannot all be held at the same time any more" if bad else "can all be held now"),
            source=rule.source,
            causes=context.causes(
                (f"Platform/*/spec/nodePools/{pool}*|Tenant/*/spec/quotas/{pool}*|Tenant/*/spec/trust", "Tenant/*")
            ),
            tenants=context.entitled([pool]),
            pools=(pool,),
        )


def _waits(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Waits and preemptions of a replayed trace."""
    if context.old.waits is None or context.new.waits is None:
        return
    for place in sorted({*context.old.waits} & {*context.new.waits}):
        was, now = context.old.waits[place], context.new.waits[place]
        if was == now:
            continue
        tenant, pool = place
        yield Effect(
            rule.id,
            rule.area,
            Mark.CHANGE,
            Level.CHANGE,
            f"tenant {tenant}",
            f"the same {was.jobs} jobs in {pool}: median wait {_time(was.median)} -> {_time(now.median)}, "
            f"longest {_time(was.longest)} -> {_time(now.longest)}, evictions {was.preempted} -> {now.preempted}, "
            f"never started {was.unfinished} -> {now.unfinished}",
            source=rule.source,
            causes=context.causes(rule.causes),
            numbers=(("evictions before", was.preempted), ("evictions after", now.preempted)),
            tenants=(tenant,),
            pools=(pool,),
        )


def _time(seconds: int | None) -> str:
    return "unknown" if seconds is None else f"{seconds} s" if seconds < 600 else f"{round(seconds / 60)} min"


COMPARISONS = (
    Comparison(
        "EFFECT-AMOUNTS",
        "Guarantee, limit or share of a tenant changes",
        "the entitlements that queues and quotas are compiled from; pods that run are not stopped by a lower quota",
        Area.TENANTS,
        _QUOTA,
        _amounts,
    ),
    Comparison(
        "EFFECT-TENANTS",
        "Tenants come, go or move to another department",
        "one Application per tenant, pruned only after a person confirms (sync option Prune=confirm)",
        Area.TENANTS,
        ("Tenant/*",),
        _teams,
    ),
    Comparison(
        "EFFECT-PRIORITY-RIGHT",
        "The priority tiers a tenant may use change",
        "admission guards of the tree refuse other PriorityClasses; Kubernetes, PriorityClass",
        Area.TENANTS,
        ("Tenant/*/spec/priorities*",),
        _rights,
    ),
    Comparison(
        "EFFECT-WORK",
        "A class of work can run no more, or can run now",
        "tenantry fit, exact packing",
        Area.TENANTS,
        ("Workload/*",),
        _work,
    ),
    Comparison(
        "EFFECT-HELD",
        "Guarantees of a pool can be held no more, or can be held now",
        "tenantry fit, exact packing",
        Area.TENANTS,
        ("Tenant/*/spec/quotas*",),
        _held,
    ),
    Comparison(
        "EFFECT-WAITS",
        "Waits and preemptions of the same jobs change",
        "tenantry simulate, the same trace on both sides",
        Area.TENANTS,
        ("Tenant/*/spec/quotas*|Platform/*/spec/scheduler*|Platform/*/spec/priorityTiers*", "*"),
        _waits,
    ),
)
