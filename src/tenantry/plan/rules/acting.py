"""Effects on nodes: which pools an object acts on, how many nodes at a time, and the effect made of that."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.catalog.changes import step_minutes
from tenantry.model.cluster import POOL_LABEL
from tenantry.plan.effect import Action, Effect, Level, Mark, NodeAction, Return
from tenantry.plan.rule import listed, plural
from tenantry.plan.summary import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.manifest import Body
    from tenantry.plan.rule import Context, Hit, Row
    from tenantry.plan.side import Side

_STEPS = {
    Action.REBOOT: "reboot",
    Action.DRAIN: "drain",
    Action.DRIVER_RELOAD: "driver-reload",
    Action.NIC_DRIVER_RELOAD: "nic-driver-reload",
    Action.GPU_RESET: "gpu-reset",
    Action.RESTART: "restart",
    Action.LABEL: "label",
}


def minutes_of(action: Action) -> int:
    """Minutes of an action on one node."""
    return step_minutes()[_STEPS[action]].minutes


def act(
    action: Action,
    said: str,
    *,
    mark: Mark = Mark.DISRUPT,
    way_back: Return | None = None,
    together: bool = False,
    level: Level | None = None,
) -> Callable[[Context, Row, Sequence[Hit]], Iterable[Effect]]:
    """Make the function of a row that acts on nodes: one effect per pool with nodes that stay.

    Args:
        action: what happens on each node.
        said: what happens, as the end of a sentence about nodes.
        mark: sign of the effect.
        way_back: what reverting does; that of the action when None.
        together: whether nothing limits how many nodes at a time.
        level: how much it matters; that of the action when None.
    """

    def effects(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
        by_pool: dict[str, list[Hit]] = {}
        for hit in hits:
            for pool in pools_of(context, hit):
                by_pool.setdefault(pool, []).append(hit)
        for pool, there in sorted(by_pool.items()):
            nodes = context.staying(pool)
            if nodes:
                done = node_action(context, action, pool, nodes, there[0].component)
                if together:
                    done = replace(done, at_once=nodes, held_back_by="")
                made = node_effect(context, row, done, said, there, mark=mark, way_back=way_back)
                yield made if level is None else replace(made, level=level, tenants=context.entitled([pool]))

    return effects


def node_effect(
    context: Context,
    row: Row,
    done: NodeAction,
    said: str,
    hits: Sequence[Hit],
    *,
    mark: Mark = Mark.DISRUPT,
    way_back: Return | None = None,
) -> Effect:
    """Return the effect of an action on the nodes of one pool."""
    disruptive = done.action.disruptive
    pace = ""
    if disruptive and done.nodes > 1:
        limit = f" ({done.held_back_by})" if done.held_back_by else ""
        pace = (
            f", {'all at once' if done.at_once >= done.nodes else plural(done.at_once, 'node') + ' at a time'}{limit}"
        )
    time = f", about {duration(done.total_minutes)}" if disruptive else ""
    return Effect(
        rule=row.id,
        area=row.area,
        mark=mark if disruptive else Mark.CHANGE,
        level=Level.DISRUPTIVE if disruptive else Level.NOTE,
        subject=f"node pool {done.pool}",
        message=f"{plural(done.nodes, 'node')}{pace}: {said}{time}",
        certainty=row.certainty,
        source=row.source,
        causes=context.causes(row.causes),
        touched=tuple(sorted((hit.touched for hit in hits), key=lambda item: (item.key, item.pointer))),
        numbers=(("nodes", done.nodes), ("at once", done.at_once), ("minutes", done.total_minutes)),
        tenants=context.entitled([done.pool]) if disruptive else (),
        pools=(done.pool,),
        action=done,
        way_back=way_back or (Return.AGAIN if disruptive else Return.RESTORED),
    )


def node_action(context: Context, action: Action, pool: str, nodes: int, component: str) -> NodeAction:
    """Say how many nodes of a pool are acted on at a time, and what limits that."""
    at_once, by = _limit(context.new, action, context.new_pools[pool], nodes)
    return NodeAction(action, pool, nodes, min(at_once, nodes), minutes_of(action), component, by)


def _limit(side: Side, action: Action, pool: Pool, nodes: int) -> tuple[int, str]:
    cluster = side.cluster
    if action is Action.DRIVER_RELOAD:
        # maxUnavailable is a share of all nodes with a GPU, and at least one node may always go on.
        every = sum(item.nodes for item in cluster.pools)
        wanted = cluster.spec.platform.spec.driver.max_parallel_upgrades
        share = max(1, math.ceil(every / 4))
        return (wanted, "maxParallelUpgrades") if wanted <= share else (share, "maxUnavailable 25%")
    if action is Action.NIC_DRIVER_RELOAD:
        policy = _spec(side, "mellanox.com", "NicClusterPolicy")
        upgrade = policy.get("ofedDriver", {}).get("upgradePolicy", {})
        return int(upgrade.get("maxParallelUpgrades", 1)), "maxParallelUpgrades"
    if action is Action.DRAIN:
        return _pool_config(side, pool), "maxUnavailable"
    if action is Action.REBOOT:
        spec = _machine_pool(side, pool)
        return int(spec.get("maxUnavailable", 1)), "maxUnavailable"
    return nodes, ""


def _spec(side: Side, group: str, kind: str) -> dict[str, Any]:
    for (found, name, _, _), (_, _, body) in side.objects.items():
        if found == group and name == kind:
            return body.get("spec") or {}
    return {}


def _pool_config(side: Side, pool: Pool) -> int:
    for (_, kind, _, _), (_, _, body) in side.objects.items():
        if kind == "SriovNetworkPoolConfig":
            spec = body.get("spec") or {}
            if _selects(spec.get("nodeSelector") or {}, pool):
                return int(spec.get("maxUnavailable", 1))
    return 1


def _machine_pool(side: Side, pool: Pool) -> dict[str, Any]:
    found = side.objects.get(("machineconfiguration.openshift.io", "MachineConfigPool", "", f"pool-{pool.name}"))
    return (found[2].get("spec") or {}) if found else {}


def pools_of(context: Context, hit: Hit) -> list[str]:
    """Return the pools whose nodes an object acts on, before or after, that both sides have."""
    both = [context.new_pools[name] for name in sorted(context.old.pool_names & context.new.pool_names)]
    kind = hit.key.kind
    if kind == "ClusterPolicy":
        return [pool.name for pool in both]
    if kind == "NicClusterPolicy":
        wired = {*_wired(context.old.cluster), *_wired(context.new.cluster)}
        return [pool.name for pool in both if pool.name in wired]
    selectors = [_selector(body) for body in (hit.old, hit.new) if body is not None]
    return [pool.name for pool in both if any(_matches(context, selector, pool) for selector in selectors)]


def _matches(context: Context, selector: dict[str, Any], pool: Pool) -> bool:
    before = context.old_pools[pool.name]
    return _selects(selector, pool) or _selects(selector, before)


def _wired(cluster: Cluster) -> set[str]:
    return {name for fabric in cluster.fabrics for name in fabric.spec.pools}


def _selector(body: Body) -> dict[str, Any]:
    spec = body.get("spec") or {}
    kind = body.get("kind")
    if kind == "MachineConfig":
        role = body["metadata"].get("labels", {}).get("machineconfiguration.openshift.io/role", "")
        return {POOL_LABEL: role.removeprefix("pool-")}
    if kind == "KubeletConfig":
        return dict((spec.get("machineConfigPoolSelector") or {}).get("matchLabels") or {})
    if kind == "MachineConfigPool":
        return {POOL_LABEL: body["metadata"]["name"].removeprefix("pool-")}
    return dict(spec.get("nodeSelector") or {})


def _selects(selector: dict[str, Any], pool: Pool) -> bool:
    """Whether a selector, as labels or as a label selector, is about the nodes of a pool."""
    if not selector:
        return True
    labels = selector.get("matchLabels", selector)
    if not isinstance(labels, dict):
        return False
    wanted = pool.node_selector
    if all(labels.get(key) == value for key, value in wanted.items()):
        return True
    if labels.get(POOL_LABEL) == pool.name:
        return True
    for item in selector.get("matchExpressions") or ():
        if all(item.get("key") == key and value in (item.get("values") or ()) for key, value in wanted.items()):
            return True
    return False


def names(pools: Iterable[str]) -> str:
    """Return names of pools for a sentence."""
    return listed(sorted(pools))
