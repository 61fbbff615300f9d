"""What of a plan meets something that is really there: pods on nodes that drain, claims in namespaces that go.

A snapshot is what the cluster held at one instant, so it adds facts to effects and never makes or removes one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenantry.model.quantity import is_quantity, parse_quantity
from tenantry.model.selector import Selector, parse_selector
from tenantry.plan.effect import Action, Level, NodeAction
from tenantry.plan.rule import listed, plural
from tenantry.plan.rules.tenants import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.model.manifest import Body
    from tenantry.model.snapshot import Snapshot
    from tenantry.plan.effect import Effect
    from tenantry.plan.rule import Context

_OVER = frozenset({"Succeeded", "Failed"})
_DRAINS = frozenset({Action.REBOOT, Action.DRAIN, Action.NIC_DRIVER_RELOAD})
_SHARES = frozenset({"gpu-fraction", "gpu-memory"})
"""Annotations by which pods ask KAI for a part of a GPU; another pod, of the scheduler, asks the kubelet for it."""
_MOST = 6


@dataclass(frozen=True)
class LivePod:
    """A pod that was there.

    Attributes:
        namespace: its namespace.
        name: its name.
        node: node it runs on; empty while it waits.
        tenant: tenant of its namespace; empty for the platform's own.
        owner: kind and name of its controller; empty without one.
        labels: its labels.
        requests: units of extended resources it asks for, by name.
        shares: whether it holds a part of a GPU that it asks for by annotation.
    """

    namespace: str
    name: str
    node: str
    tenant: str
    owner: str
    labels: Mapping[str, str]
    requests: Mapping[str, int]
    shares: bool = False

    @property
    def daemon(self) -> bool:
        """Whether a drain leaves it alone, as it comes back with the node."""
        return self.owner.startswith(("DaemonSet ", "Node "))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Live:
    """What was there.

    Attributes:
        pods: pods that had not ended, by namespace and name.
        nodes: labels of nodes, by name.
        claims: volume claims by namespace.
        kinds: number of objects by API group and kind.
        budgets: PodDisruptionBudgets that allow no disruption: namespace, name, pods they select.
    """

    pods: tuple[LivePod, ...] = ()
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[tuple[str, str], int] = field(default_factory=dict)
    budgets: tuple[tuple[str, str, Selector], ...] = ()


def live(snapshot: Snapshot, tenants: Mapping[str, str]) -> Live:
    """Read what counts from the objects of a cluster.

    Args:
        snapshot: the objects.
        tenants: tenant by namespace.
    """
    pods = [_pod(item.body, tenants) for item in snapshot.of("", "Pod") if _phase(item.body) not in _OVER]
    budgets = []
    for item in snapshot.of("policy", "PodDisruptionBudget"):
        if _get(item.body, "status", "disruptionsAllowed") == 0:
            # A budget without a selector selects nothing.
            with contextlib.suppress(ValueError):
                selector = parse_selector(_get(item.body, "spec", "selector"))
                budgets.append((item.key.namespace, item.key.name, selector))
    return Live(
        pods=tuple(sorted(pods, key=str)),
        nodes={item.key.name: _get(item.body, "metadata", "labels") or {} for item in snapshot.of("", "Node")},
        claims=Counter(item.key.namespace for item in snapshot.of("", "PersistentVolumeClaim")),
        kinds=Counter((item.key.group, item.key.kind) for item in snapshot),
        budgets=tuple(budgets),
    )


def _get(body: Any, *steps: str) -> Any:
    for step in steps:
        body = body.get(step) if isinstance(body, dict) else None
    return body


def _phase(body: Body) -> str:
    return str(_get(body, "status", "phase") or "")


def _pod(body: Body, tenants: Mapping[str, str]) -> LivePod:
    namespace = _get(body, "metadata", "namespace") or "default"
    owners = [item for item in _get(body, "metadata", "ownerReferences") or () if _get(item, "controller")]
    requests: Counter[str] = Counter()
    for container in _get(body, "spec", "containers") or ():
        asked = {**(_get(container, "resources", "limits") or {}), **(_get(container, "resources", "requests") or {})}
        for name, amount in asked.items():
            # Extended resources have a domain in their name; limits stand for requests that are not written.
            if "/" in name and is_quantity(amount):
                requests[name] += parse_quantity(amount).units()
    notes = _get(body, "metadata", "annotations") or {}
    return LivePod(
        namespace,
        _get(body, "metadata", "name") or "",
        _get(body, "spec", "nodeName") or "",
        tenants.get(namespace, ""),
        f"{_get(owners[0], 'kind')} {_get(owners[0], 'name')}" if owners else "",
        _get(body, "metadata", "labels") or {},
        requests,
        shares=bool(_SHARES & notes.keys()),
    )


def with_live(context: Context, effects: Iterable[Effect], there: Live) -> list[Effect]:
    """Add to every effect what it meets."""
    return [
        replace(effect, details=(*effect.details, *found)) if (found := tuple(_met(context, effect, there))) else effect
        for effect in effects
    ]


def _met(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    if effect.action is not None and effect.action.action.disruptive:
        yield from _on_nodes(context, effect.action, there)
    say = _SAYERS.get(effect.rule)
    if say is not None:
        yield from say(context, effect, there)


def _on_nodes(context: Context, done: NodeAction, there: Live) -> Iterator[str]:
    """Say whose pods run on the nodes of a pool, and which of them hold up what is done there."""
    pool = context.new_pools[done.pool]
    nodes = {name for name, labels in there.nodes.items() if _selected(pool.node_selector, labels)}
    if not nodes:
        yield "now: the snapshot has no node of this pool"
        return
    gpus = {item.name for item in (*pool.gpu_resources, *context.old_pools[done.pool].gpu_resources)}
    drains = done.action in _DRAINS
    pods = [
        pod for pod in there.pods
        if pod.node in nodes and not pod.daemon and (drains or pod.shares or gpus & pod.requests.keys())
    ]  # fmt: skip
    if len(nodes) != done.nodes:
        yield f"now: the snapshot has {plural(len(nodes), 'node')} of this pool"
    yield f"on them now: {_whose(pods, gpus)}"
    alone = [str(pod) for pod in pods if not pod.owner]
    if alone:
        yield f"without a controller, so that the drain stops at {'it' if len(alone) == 1 else 'them'}: {listed(alone)}"
    if drains:
        for namespace, name, selector in there.budgets:
            held = [pod for pod in pods if pod.namespace == namespace and selector.matches(pod.labels)]
            if held:
                yield f"PodDisruptionBudget {namespace}/{name} allows no disruption: the drain waits for it"


def _selected(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _whose(pods: Sequence[LivePod], resources: Iterable[str]) -> str:
    """Say whose pods these are, tenant by tenant."""
    if not pods:
        return "no pod"
    by_tenant: dict[str, list[LivePod]] = {}
    for pod in pods:
        by_tenant.setdefault(pod.tenant, []).append(pod)
    said = []
    for tenant, held in sorted(by_tenant.items(), key=lambda item: (not item[0], item[0])):
        amounts: Counter[str] = Counter()
        for pod in held:
            amounts.update({name: number for name, number in pod.requests.items() if name in set(resources)})
        units = ", ".join(f"{number} {name}" for name, number in sorted(amounts.items()) if number)
        names = listed(sorted({pod.owner.partition(" ")[2] or pod.name for pod in held}), 2)
        said.append(f"{tenant or 'others'} {plural(len(held), 'pod')} ({units + '; ' if units else ''}{names})")
    return ", ".join(said[:_MOST]) + (f" and {len(said) - _MOST} more tenants" if len(said) > _MOST else "")


def _namespace(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    del context
    for touched in effect.touched:
        name = touched.key.name
        pods = sum(pod.namespace == name for pod in there.pods)
        yield f"in {name} now: {plural(pods, 'pod')}, {plural(there.claims.get(name, 0), 'volume claim')}"


def _definition(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    for touched in effect.touched:
        key = touched.key
        body = context.old.objects[key.group, key.kind, key.namespace, key.name][2]
        group, kind = _get(body, "spec", "group"), _get(body, "spec", "names", "kind")
        yield f"now: {plural(there.kinds.get((group, kind), 0), 'object')} of kind {kind}"


def _tenant(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    del context
    pods = [pod for pod in there.pods if pod.tenant in effect.tenants]
    resources = {name for pod in pods for name in pod.requests}
    yield f"now: {_whose(pods, resources)}"


def _name(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    del context
    pods = [pod for pod in there.pods if pod.requests.get(effect.subject)]
    if effect.level is Level.DISRUPTIVE:
        yield f"asking for it now: {_whose(pods, {effect.subject})}"


def _leaving(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    """Say what runs on nodes that leave, as far as the spec names them."""
    (pool,) = effect.pools
    was, now = context.old_pools[pool], context.new_pools.get(pool)
    nodes = set(was.spec.hosts or ()) - set((now.spec.hosts or ()) if now is not None else ())
    if not nodes and now is None:
        nodes = {name for name, labels in there.nodes.items() if _selected(was.node_selector, labels)}
    if nodes:
        gpus = {item.name for item in was.gpu_resources}
        yield f"on them now: {_whose([pod for pod in there.pods if pod.node in nodes and not pod.daemon], gpus)}"


def _used(context: Context, effect: Effect, there: Live) -> Iterator[str]:
    """Say how much of an amount that falls is in use."""
    numbers = dict(effect.numbers)
    before, after = numbers.get("before", 0), numbers.get("after", numbers.get("left", 0))
    if "before" in numbers and after >= before:
        return
    for pool in effect.pools:
        resources = [
            name for name in _resources(context, pool) if f" {unit_of(context, pool, name)}" in f"{effect.message} "
        ]
        nodes = _pool_nodes(context, pool, there)
        for name in resources:
            held = sum(
                pod.requests.get(name, 0) for pod in there.pods if pod.node in nodes and pod.tenant in effect.tenants
            )
            above = f", {held - after} more than is left" if held > after else ""
            yield f"in use now: {held} {name}{above}"


def _resources(context: Context, pool: str) -> list[str]:
    pools = (context.old_pools, context.new_pools)
    return sorted({item.name for side in pools if pool in side for item in side[pool].gpu_resources})


def _pool_nodes(context: Context, pool: str, there: Live) -> set[str]:
    known = context.old_pools.get(pool) or context.new_pools[pool]
    return {name for name, labels in there.nodes.items() if _selected(known.node_selector, labels)}


_SAYERS: dict[str, Callable[[Context, Effect, Live], Iterator[str]]] = {
    "EFFECT-NAMESPACE-REMOVED": _namespace,
    "EFFECT-CRD-REMOVED": _definition,
    "EFFECT-TENANT-REMOVED": _tenant,
    "EFFECT-RESOURCE-NAME": _name,
    "EFFECT-NODES-REMOVED": _leaving,
    "EFFECT-POOL-REMOVED": _leaving,
    "EFFECT-GUARANTEE": _used,
    "EFFECT-LIMIT": _used,
    "EFFECT-ROLLOUT-SHORTFALL": _used,
}
"""What is said about effects that act on something else than nodes, by rule."""
