"""What else a tenant is promised: room for volumes, CPU and memory, trust; and who divides the GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.plan.effect import Area, Effect, Level, Mark
from tenantry.plan.rule import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.plan.rule import Context


def _storage(context: Context, rule: Comparison) -> Iterator[Effect]:
    for name in sorted(context.old.tenant_names & context.new.tenant_names):
        was = {item.storage_class: item for item in context.old_tenants[name].spec.spec.storage}
        now = {item.storage_class: item for item in context.new_tenants[name].spec.spec.storage}
        for kind in sorted({*was, *now}):
            before, after = was.get(kind), now.get(kind)
            if before == after:
                continue
            said = f"{_room(before)} -> {_room(after)}" if before and after else _room(after or before)
            word = "changes" if before and after else "added" if after else "taken away"
            yield _promise(
                context,
                rule,
                name,
                f"room in storage class {kind} {word}: {said}; volumes that are there stay",
                (f"Tenant/{name}/spec/storage/{kind}*", f"Tenant/{name}/spec/storage*"),
            )


def _room(quota: object) -> str:
    capacity, claims = getattr(quota, "capacity", "none"), getattr(quota, "claims", 0)
    return f"{capacity} in {claims} claims"


def _compute(context: Context, rule: Comparison) -> Iterator[Effect]:
    for name in sorted(context.old.tenant_names & context.new.tenant_names):
        was, now = context.old_tenants[name].spec.spec.compute, context.new_tenants[name].spec.spec.compute
        if was == now:
            continue
        parts = [
            f"{word} {getattr(was, field)} -> {getattr(now, field)}"
            for field, word in _COMPUTE
            if getattr(was, field) != getattr(now, field)
        ]
        yield _promise(
            context,
            rule,
            name,
            f"in each namespace {', '.join(parts)}; pods that run stay",
            (f"Tenant/{name}/spec/compute*",),
        )


_COMPUTE = (("cpu", "CPU"), ("memory", "memory"), ("ephemeral_storage", "ephemeral storage"), ("pods", "pods"))


def _trust(context: Context, rule: Comparison) -> Iterator[Effect]:
    for name in sorted(context.old.tenant_names & context.new.tenant_names):
        was, now = context.old_tenants[name].spec.spec.trust, context.new_tenants[name].spec.spec.trust
        if was != now:
            hostile = now == "hostile"
            said = "shares no node with another tenant" if hostile else "may share nodes with others"
            yield _promise(context, rule, name, f"trust: {was} -> {now}; {said}", (f"Tenant/{name}/spec/trust",))


def _promise(context: Context, rule: Comparison, tenant: str, said: str, patterns: tuple[str, ...]) -> Effect:
    return Effect(
        rule.id,
        rule.area,
        Mark.CHANGE,
        Level.CHANGE,
        f"tenant {tenant}",
        said,
        source=rule.source,
        causes=context.causes(patterns),
        tenants=(tenant,),
    )


def _switch(context: Context, rule: Comparison) -> Iterator[Effect]:
    was = context.old.cluster.spec.platform.spec.scheduler.type
    now = context.new.cluster.spec.platform.spec.scheduler.type
    if was is not now:
        yield Effect(
            rule.id,
            rule.area,
            Mark.DISRUPT,
            Level.DISRUPTIVE,
            "scheduler",
            f"{was.value} -> {now.value}: queues of {was.value} disappear, jobs that wait in them never start and are "
            f"submitted again with the labels of {now.value}; pods that run go on",
            source=rule.source,
            causes=context.causes(("Platform/*/spec/scheduler/type",)),
            tenants=tuple(sorted(context.old.tenant_names & context.new.tenant_names)),
        )


def _version(context: Context, rule: Comparison) -> Iterator[Effect]:
    was, now = (side.cluster.spec.platform.spec for side in (context.old, context.new))
    if (was.distribution, was.version) != (now.distribution, now.version):
        yield Effect(
            rule.id,
            rule.area,
            Mark.CHANGE,
            Level.CHANGE,
            "platform",
            f"{was.distribution.value} {was.version} -> {now.distribution.value} {now.version}: the tree upgrades no "
            "cluster; it is compiled for another version, and Jobs of the tree take their tools from it",
            source=rule.source,
            causes=context.causes(("Platform/*/spec/version|Platform/*/spec/distribution",)),
        )


def _sharing(context: Context, rule: Comparison) -> Iterator[Effect]:
    for name in sorted(context.old.pool_names & context.new.pool_names):
        was, now = context.old_pools[name].mode, context.new_pools[name].mode
        if was is not now:
            yield Effect(
                rule.id,
                rule.area,
                Mark.CHANGE,
                Level.CHANGE,
                f"node pool {name}",
                f"GPUs are given to containers as {now.value}, no longer as {was.value}; pods that run keep what they "
                "have until they start again, so both ways live side by side",
                source=rule.source,
                causes=context.causes((f"Platform/*/spec/nodePools/{name}/sharing*",)),
                tenants=context.entitled([name]),
                pools=(name,),
            )


COMPARISONS = (
    Comparison(
        "EFFECT-PLATFORM-VERSION",
        "The version of the platform that the tree is compiled for changes",
        "the tree holds no ClusterVersion: the distribution is upgraded by other means",
        Area.GITOPS,
        ("Platform/*/spec/version",),
        _version,
    ),
    Comparison(
        "EFFECT-SHARING-MODE",
        "GPUs of a pool are shared in another way",
        "NVIDIA k8s-device-plugin, sharing: devices are given to a container when it starts",
        Area.PARTITIONS,
        ("Platform/*/spec/nodePools/*/sharing*",),
        _sharing,
    ),
    Comparison(
        "EFFECT-STORAGE",
        "Room in a storage class changes",
        "Kubernetes, ResourceQuota and LimitRange: judged when a claim is made",
        Area.TENANTS,
        ("Tenant/*/spec/storage*",),
        _storage,
    ),
    Comparison(
        "EFFECT-COMPUTE",
        "CPU, memory or number of pods changes",
        "Kubernetes, ResourceQuota and LimitRange: judged when a pod is made",
        Area.TENANTS,
        ("Tenant/*/spec/compute*",),
        _compute,
    ),
    Comparison(
        "EFFECT-TRUST",
        "A tenant is trusted more or less",
        "the rules of fit and of the scheduler model keep it apart",
        Area.TENANTS,
        ("Tenant/*/spec/trust",),
        _trust,
    ),
    Comparison(
        "EFFECT-SCHEDULER-SWITCH",
        "Another scheduler divides GPUs",
        "KAI: pods name their queue by the label kai.scheduler/queue; Kueue: by kueue.x-k8s.io/queue-name",
        Area.TENANTS,
        ("Platform/*/spec/scheduler/type",),
        _switch,
    ),
)
