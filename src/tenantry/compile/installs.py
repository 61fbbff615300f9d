"""Where operators are installed and by what, which the passes about operators agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.cluster import POOL_LABEL

if TYPE_CHECKING:
    from tenantry.model.cluster import ChosenOperator, Cluster

POD_SECURITY = "pod-security.kubernetes.io"

# Their daemon sets mount host paths, load kernel modules or configure devices; all others have no business there.
_PRIVILEGED = frozenset(
    {"gpu-operator", "network-operator", "node-feature-discovery", "prometheus", "sriov-network-operator"}
)

POOL_TOLERATION = {"key": POOL_LABEL, "operator": "Exists", "effect": "NoSchedule"}
"""Lets a daemon set run on dedicated pools."""
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
"""Lets a daemon set run on nodes that a provider taints because they have GPUs."""


def by_olm(cluster: Cluster, chosen: ChosenOperator) -> bool:
    """Whether the Operator Lifecycle Manager installs an operator; else a Helm chart does, if any."""
    return cluster.openshift and chosen.operator.olm is not None


def operator_namespace(cluster: Cluster, name: str) -> str:
    """Namespace of an operator of this platform.

    Raises:
        KeyError: if the platform does not install it.
    """
    chosen = cluster.operators[name]
    package = chosen.operator.olm if by_olm(cluster, chosen) else chosen.operator.helm
    if package is None:
        raise KeyError(f"operator {name} has neither an OLM package nor a chart for {cluster.distribution.value}")
    return package.namespace


def pod_security_labels(name: str) -> dict[str, str]:
    """Pod Security labels of the namespace of an operator: privileged only where its daemon sets touch the host."""
    level = "privileged" if name in _PRIVILEGED else "baseline"
    return {f"{POD_SECURITY}/{mode}": level for mode in ("audit", "enforce", "warn")}
