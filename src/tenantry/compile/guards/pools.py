"""Dedicated node pools: pods tolerate only the taints of pools their tenant was granted, and never choose a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import POOLS, granted
from tenantry.compile.guards.guard import PODS, Guard, Validation, text, texts
from tenantry.model.cluster import POOL_LABEL
from tenantry.model.spec import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Added to pods by admission plugins and controllers of Kubernetes itself.
NODE_CONDITIONS = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
)
# Taints by which GPU nodes refuse pods without GPUs; quota decides who may request those.
DEVICE_TAINT_PREFIX = "nvidia.com/"


def pools(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guard that binds pods to the node pools of their tenant."""
    others = [*NODE_CONDITIONS, *cluster.resources]
    if cluster.distribution is Distribution.AKS:
        others.append("sku")
    other = f"(t.key in {texts(others)} || t.key.startsWith({text(DEVICE_TAINT_PREFIX)}))"
    own = (
        f"(t.key == {text(POOL_LABEL)} && t.?operator.orValue('Equal') == 'Equal' && "
        "t.?value.orValue('') in variables.pools)"
    )
    yield Guard(
        "pools",
        "Q8: node pools of other tenants and nodes of the control plane",
        (PODS,),
        (
            Validation(
                f"object.spec.?tolerations.orValue([]).all(t, has(t.key) && ({own} || {other}))",
                "a toleration names a taint of a node pool that this namespace may not use, or any taint at all",
                f"'tolerations may name {POOL_LABEL} with one of [' + variables.pools.join(', ') + "
                "'] and conditions of nodes, nothing else'",
            ),
            Validation(
                "request.operation != 'CREATE' || object.spec.?nodeName.orValue('') == ''",
                "pods are placed by the scheduler: spec.nodeName must be left out",
            ),
        ),
        variables=(("pools", granted(POOLS)),),
        same=(".spec.?tolerations",),
    )
