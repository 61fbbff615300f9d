"""What becomes of slices and shared GPUs: which appear, which disappear, and which GPUs are reset for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.cluster import ResourceKind
from tenantry.model.spec import SharingMode
from tenantry.plan.effect import Action, Area, Effect, Level, Mark, NodeAction, Return
from tenantry.plan.rule import Comparison, Row, plural
from tenantry.plan.rules.acting import minutes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Pool
    from tenantry.plan.rule import Context

_SHARING = ("Platform/*/spec/nodePools/*/sharing*", "Platform/*/spec/nodePools*")
_POOLS = ("EFFECT-POOL-ADDED", "EFFECT-POOL-REMOVED", "EFFECT-NODES-ADDED", "EFFECT-NODES-REMOVED")

ROWS = (
    Row(
        "EFFECT-SHARING-FILES",
        ("ConfigMap",),
        ("", "data/*", "metadata/*"),
        "Layouts, plugin settings and lists of metrics are ConfigMaps named after their content",
        "NVIDIA GPU Operator, gpu-sharing limitations: the content is not watched, so the name changes",
        Area.PARTITIONS,
        _SHARING,
        said_by=(*_POOLS, "EFFECT-DEVICE-PLUGIN", "EFFECT-MIG-MANAGER", "EFFECT-EXPORTER", "EFFECT-GPU-OPERANDS"),
        when=lambda context, hit: hit.component == "gpu-operator",
        direction="of component gpu-operator",
    ),
)


def _slices(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Units per resource and node that nodes of a pool offer, before and after."""
    for name in sorted(context.old.pool_names & context.new.pool_names):
        was, now = context.old_pools[name], context.new_pools[name]
        before = {item.name: item for item in was.gpu_resources}
        after = {item.name: item for item in now.gpu_resources}
        nodes = context.staying(name)
        for resource in sorted({*before, *after}):
            left, right = before.get(resource), after.get(resource)
            old, new = (left.per_node if left else 0), (right.per_node if right else 0)
            if old == new or not nodes:
                continue
            one = right or left
            noun = "slices" if one is not None and one.kind is ResourceKind.SLICE else "units"
            fewer = new < old
            yield Effect(
                rule=rule.id,
                area=rule.area,
                mark=Mark.ADD if not old else Mark.REMOVE if not new else Mark.CHANGE,
                level=Level.DISRUPTIVE if fewer else Level.CHANGE,
                subject=f"node pool {name}",
                message=f"{resource}: {old * nodes} {noun} -> {new * nodes} ({old} -> {new} on each of "
                f"{plural(nodes, 'node')})",
                source=rule.source,
                causes=_why(context, name),
                numbers=(("before", old * nodes), ("after", new * nodes)),
                tenants=context.entitled([name]),
                pools=(name,),
            )


def _why(context: Context, pool: str) -> tuple:  # type: ignore[type-arg]
    return context.causes((f"Platform/*/spec/nodePools/{pool}/sharing*",)) or context.causes(
        (f"Platform/*/spec/nodePools/{pool}/*", f"Platform/*/spec/nodePools/{pool}")
    )


def layout_by_gpu(pool: Pool) -> dict[int, tuple[tuple[str, int], ...]]:
    """Profiles of every GPU of a node, by index; none for a whole GPU."""
    return {index: group.profiles for group in pool.groups for index in group.indices}


def _resets(context: Context, rule: Comparison) -> Iterator[Effect]:
    """GPUs whose layout differs."""
    for name in sorted(context.old.pool_names & context.new.pool_names):
        was, now = context.old_pools[name], context.new_pools[name]
        if was.spec.server != now.spec.server or SharingMode.MIG not in {was.mode, now.mode}:
            continue
        before, after = layout_by_gpu(was), layout_by_gpu(now)
        changed = sorted(index for index in {*before, *after} if before.get(index, ()) != after.get(index, ()))
        nodes = context.staying(name)
        if not changed or not nodes:
            continue
        done = NodeAction(Action.GPU_RESET, name, nodes, nodes, minutes_of(Action.GPU_RESET), "node-labels")
        yield Effect(
            rule=rule.id,
            area=rule.area,
            mark=Mark.DISRUPT,
            level=Level.DISRUPTIVE,
            subject=f"node pool {name}",
            message=f"{plural(len(changed) * nodes, 'GPU')} reset: index {', '.join(map(str, changed))} of each of "
            f"{plural(nodes, 'node')}, all nodes at once when their label changes; meanwhile no pod with a GPU starts "
            "there. Nothing evicts pods that hold these GPUs: while one does, mig.config.state is failed; drain the "
            f"nodes first{_at_any_time(context)}",
            source=rule.source,
            causes=_why(context, name),
            numbers=(("GPUs", len(changed) * nodes), ("nodes", nodes), ("minutes", done.total_minutes)),
            tenants=context.entitled([name]),
            pools=(name,),
            action=done,
            way_back=Return.AGAIN,
        )


def _at_any_time(context: Context) -> str:
    windows = context.new.cluster.spec.platform.spec.gitops.change_windows
    return "; no change window holds the label back" if windows else ""


COMPARISONS = (
    Comparison(
        "EFFECT-SLICES",
        "Slices, replicas or whole GPUs that nodes offer appear and disappear",
        "NVIDIA k8s-device-plugin, internal/rm/rm.go: names and numbers of resources follow layout and sharing",
        Area.PARTITIONS,
        _SHARING,
        _slices,
    ),
    Comparison(
        "EFFECT-GPU-RESET",
        "GPUs are partitioned anew",
        "NVIDIA mig-parted, deployments/container/reconfigure-mig.sh: no user workload may hold the GPUs",
        Area.PARTITIONS,
        _SHARING,
        _resets,
    ),
)
