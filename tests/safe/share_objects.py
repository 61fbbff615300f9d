"""Objects that many tests of channels use: nodes, pods, quotas, rights of tenant a, queues."""

from __future__ import annotations

from typing import Any

from safe_clusters import Body, bind, cluster_role, guard, obj, role, rule

EDITORS: list[Body] = [bind(f"{name}-edit", "ClusterRole/edit", f"group:{name}", namespace=name) for name in "ab"]
"""Both tenants may edit their namespaces."""


def node(name: str = "gpu-1", labels: Any = None, taints: Any = None, **allocatable: str) -> Body:
    """A node; ``gpu`` stands for ``nvidia.com/gpu``."""
    amounts = {"cpu": "64", "memory": "512Gi", **allocatable}
    if "gpu" in amounts:
        amounts["nvidia.com/gpu"] = amounts.pop("gpu")
    spec = {"taints": taints} if taints else {}
    return obj("Node", name, metadata={"labels": labels or {}}, spec=spec, status={"allocatable": amounts})


def pod(name: str, namespace: str, labels: Body | None = None, limits: Body | None = None, **spec: Any) -> Body:
    """A pod as somebody deployed it."""
    container: Body = {"name": "main", "image": "registry.example.com/main:1"}
    if limits:
        container["resources"] = {"limits": limits, "requests": limits}
    body = {"containers": [container], **spec}
    return obj("Pod", name, namespace, metadata={"labels": labels or {}}, spec=body)


def quota(namespace: str = "a", name: str = "quota", scopes: Any = None, **hard: Any) -> Body:
    """A quota, narrowed to a list of scopes where given; ``gpu`` stands for ``requests.nvidia.com/gpu``."""
    keys = {"requests.nvidia.com/gpu" if key == "gpu" else key: value for key, value in hard.items()}
    spec: Body = {"hard": keys, **({"scopes": scopes} if scopes else {})}
    return obj("ResourceQuota", name, namespace, spec=spec)


def right(name: str, verbs: str, resources: str, group: str = "") -> list[Body]:
    """A right of tenant a in its namespace."""
    return [role(name, "a", rule(verbs, resources, group)), bind(name, f"Role/{name}", "group:a", namespace="a")]


def cluster_right(name: str, verbs: str, resources: str, group: str = "") -> list[Body]:
    """A right of tenant a in the whole cluster."""
    return [cluster_role(name, rule(verbs, resources, group)), bind(name, f"ClusterRole/{name}", "group:a")]


def nobody(name: str) -> Body:
    """The binding of a right with tenant a taken out."""
    return bind(name, f"ClusterRole/{name}", "group:other")


def config_map(name: str, **data: str) -> Body:
    return obj("ConfigMap", name, "ops", data={key.replace("_", "."): value for key, value in data.items()})


def gpu_policy(**spec: Any) -> Body:
    return obj("ClusterPolicy", "gpu", api="nvidia.com/v1", spec=spec)


def kai(name: str, gpu: float = 8, parent: str = "", cpu: float = -1, shard: str = "") -> Body:
    """A queue of KAI."""
    free = {"quota": -1, "limit": -1, "overQuotaWeight": 1}
    shares = {"gpu": {**free, "quota": gpu}, "cpu": {**free, "quota": cpu}, "memory": free}
    spec = {"resources": shares, **({"parentQueue": parent} if parent else {})}
    labels = {"kai.scheduler/node-pool": shard} if shard else {}
    return obj("Queue", name, api="scheduling.run.ai/v2", metadata={"labels": labels}, spec=spec)


def space(name: str, level: str = "restricted", annotations: Any = None, **labels: str) -> Body:
    """A namespace with a level of Pod Security, none when empty."""
    given = {**({"pod-security.kubernetes.io/enforce": level} if level else {}), **labels}
    return obj("Namespace", name, metadata={"labels": given, "annotations": annotations or {}})


def labelled_space(name: str, labels: Body) -> Body:
    """A namespace with labels of any key."""
    return obj("Namespace", name, metadata={"labels": labels})


NO_NODE_NAME = guard("no-node-name", "object.spec.?nodeName.orValue('') == ''")
