"""Simulated GPU nodes of a spec: what kubelets, device plugins and feature discovery would tell the API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tenantry.compile.passes.node_labels import pool_labels
from tenantry.model.cluster import POOL_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Cluster as Resolved
    from tenantry.model.cluster import Pool
    from testbed.control_plane import Cluster

Body = dict[str, Any]

KWOK = {"kwok.x-k8s.io/node": "fake"}
PODS_PER_NODE = 250
"""The default of OpenShift."""


def nodes_of(resolved: Resolved) -> Iterator[Body]:
    """Yield every node of every pool, as it registers: the labels and taints of the pool are already on it."""
    for pool in resolved.pools:
        names = pool.spec.hosts or [f"{pool.name}-{number}" for number in range(pool.nodes)]
        for name in names:
            yield _node(resolved, pool, str(name))


def register(cluster: Cluster, resolved: Resolved) -> list[str]:
    """Create the nodes of a spec with their capacity; return their names."""

    def one(body: Body) -> str:
        cluster.api.create({key: value for key, value in body.items() if key != "status"}).expect()
        # NodeRestriction and the registry drop the status of what is created: kubelets send it afterwards.
        cluster.api.patch(body, {"status": body["status"]}, sub="status").expect()
        # No controller of nodes runs that would take off the taint of nodes that are new.
        cluster.api.patch(body, {"spec": {"taints": body["spec"].get("taints")}}).expect()
        return str(body["metadata"]["name"])

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, nodes_of(resolved)))


def _node(resolved: Resolved, pool: Pool, name: str) -> Body:
    capacity = {
        "cpu": str(pool.server.cpu_cores or 64),
        "memory": f"{pool.server.memory_gib or 512}Gi",
        "ephemeral-storage": "1Ti",
        "pods": str(PODS_PER_NODE),
        **{item.name: str(item.per_node) for item in pool.resources},
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(pool.gpus_per_node),
        "nvidia.com/gpu.deploy.driver": "true",
        "feature.node.kubernetes.io/pci-10de.present": "true",
        **pool.node_selector,
        **pool_labels(resolved, pool),
    }
    taints = [{"key": POOL_LABEL, "value": pool.name, "effect": "NoSchedule"}] if pool.spec.dedicated else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": dict(sorted(labels.items())), "annotations": KWOK},
        "spec": {"taints": taints} if taints else {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated"},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "cri-o://1.34.0",
                "kernelVersion": "5.14.0",
                "kubeProxyVersion": "",
                "kubeletVersion": f"v{resolved.kubernetes_minor}.0",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "",
                "systemUUID": "",
            },
        },
    }
