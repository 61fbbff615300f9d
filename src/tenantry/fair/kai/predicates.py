"""Whether a pod may be placed on a node, room aside.

Source: pkg/scheduler/plugins/predicates/predicates.go, k8s_internal/predicates, api/node_info/node_info.go; for labels,
taints and ports, the plugins of kube-scheduler that are called there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.capacity import over_limit, over_quota, unbounded
from tenantry.fair.kai.node import is_new_group
from tenantry.fair.kai.session import CPU_WORKER, GPU_WORKER
from tenantry.fair.kai.sharing import choose_groups
from tenantry.model.job import GpuKind

if TYPE_CHECKING:
    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task
    from tenantry.model.job import NodeTerm, Placement
    from tenantry.model.moment import Node as ModelNode
    from tenantry.model.moment import Taint
    from tenantry.model.selector import Requirement

Refusal = tuple[str, dict[str, Any]]
"""A reason in a word, with its numbers."""


def too_large(session: Session, task: Task) -> dict[str, Any] | None:
    """What a pod asks more of than any node offers, or None (maxNodeResources.go)."""
    if id(task.ask.fitting) in session.small:
        return None
    largest = session.largest_node
    for name, position in session.axes.index.items():
        amount, most = task.ask.vector[position], largest[position]
        if amount > most:
            return {"resource": name, "requested": amount, "largest": most, "pod": task.uid}
    session.small.add(id(task.ask.fitting))
    return None


def refuses(session: Session, task: Task, job: Job, node: Node) -> Refusal | None:
    """Why a node with room refuses a pod, or None."""
    if not unbounded(session, job):
        asked = node.charge_for(task.ask)
        found = over_limit(session, job, asked) or over_quota(session, job, asked)
        if found is not None:
            return found[0].value, found[1]
    return unfit(session, task, node)


def unfit(session: Session, task: Task, node: Node) -> Refusal | None:
    """Why a node refuses a pod whatever its queue may hold, or None."""
    reason = _wrong_kind(task, node) or _no_pod_left(session, task, node)
    if reason is not None:
        return reason, {}
    if not node.ready:
        return node.model.unready[0], {}
    placement = task.pod.placement
    if not selected(placement, node.model):
        return "node-affinity", {}
    taint = untolerated(placement, node.model.taints)
    if taint is not None:
        return "taint", {"taint": f"{taint.key}={taint.value}:{taint.effect}" if taint.value else taint.key}
    if placement.host_ports and _ports_taken(task, node):
        return "host-port", {}
    if session.settings.restrict_nodes:
        label = GPU_WORKER if task.ask.wants_gpu else CPU_WORKER
        if label not in node.model.labels:
            return "worker-label", {"label": label}
    return None


def _wrong_kind(task: Task, node: Node) -> str | None:
    ask = task.ask
    if ask.legacy:
        return "legacy-mig"
    if not ask.wants_gpu:
        return None
    is_mig = ask.kind is GpuKind.MIG
    if is_mig and not node.mig:
        return "not-a-mig-node"
    if node.mig:
        if is_mig and node.legacy:
            return "legacy-mig"
        if node.strategy == "single" and not ask.regular:
            return "whole-gpus-only"
        if node.strategy == "mixed" and not is_mig:
            return "mig-only"
    if ask.memory > 0 and not node.synced:
        return "gpu-memory-unknown"
    return None


def _no_pod_left(session: Session, task: Task, node: Node) -> str | None:
    """A GPU that begins to be shared needs a reservation pod besides the pod itself."""
    if not task.ask.shared:
        return None if node.free_pods > 0 else "pods"
    if node.free_pods >= 2:
        return None
    choice = choose_groups(session, task, node, pipeline=False)
    if choice is None or choice.waits:
        choice = choose_groups(session, task, node, pipeline=True)
    new = choice is None or any(is_new_group(group) for group in choice.groups)
    return "pods" if new else None


def selected(placement: Placement, node: ModelNode) -> bool:
    """Whether a node has the labels a pod demands."""
    if not placement.selector and placement.terms is None:
        return True
    labels = node.labels
    if any(labels.get(key) != value for key, value in placement.selector):
        return False
    return placement.terms is None or any(_term_holds(term, node) for term in placement.terms)


def _term_holds(term: NodeTerm, node: ModelNode) -> bool:
    if not term.expressions and not term.names:
        return False  # an empty term matches nothing
    for operator, names in term.names:
        if (node.name in names) is not (operator == "In"):
            return False
    return all(_expression_holds(expression, node.labels) for expression in term.expressions)


def _expression_holds(expression: Requirement, labels: dict[str, str]) -> bool:
    if expression.operator not in {"Gt", "Lt"}:
        return expression.holds(labels)
    try:
        value, bound = int(labels.get(expression.key, "")), int(expression.values[0])
    except (ValueError, IndexError):
        return False
    return value > bound if expression.operator == "Gt" else value < bound


def untolerated(placement: Placement, taints: tuple[Taint, ...]) -> Taint | None:
    """The first taint that keeps a pod away, or None."""
    for taint in taints:
        if taint.effect in {"NoSchedule", "NoExecute"} and not any(
            (not item.effect or item.effect == taint.effect)
            and (not item.key or item.key == taint.key)
            and (item.operator == "Exists" or (bool(item.key) and item.value == taint.value))
            for item in placement.tolerations
        ):
            return taint
    return None


def _ports_taken(task: Task, node: Node) -> bool:
    wanted = task.pod.placement.host_ports
    for held in node.held.values():
        for protocol, address, port in held.task.pod.placement.host_ports:
            for other_protocol, other_address, other_port in wanted:
                same_address = address == other_address or "0.0.0.0" in {address, other_address}
                if protocol == other_protocol and port == other_port and same_address:
                    return True
    return False
