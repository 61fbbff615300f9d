"""Pods drawn at random, and what one counts as: by Tenantry's readers of requests, and by the server's quotas."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from tenantry.io.scheduler_snapshot.fields import Fields, Log
from tenantry.io.scheduler_snapshot.requests import requested
from tenantry.io.traces.kube_requests import request_of
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.quantity import parse_quantity
from testbed.control_plane import Cluster

Body = dict[str, Any]

DEVICES = (
    "nvidia.com/gpu",
    "nvidia.com/gpu.shared",
    "nvidia.com/mig-1g.18gb",
    "nvidia.com/mig-3g.71gb",
    "openshift.io/sriovlegacy",
    "rdma/hca_shared",
)
AMOUNTS = {
    "cpu": ("100m", "1", "250m", "0.5", "1500m", "2"),
    "memory": ("64Mi", "1Gi", "100M", "1500Ki", "2e8"),
    "ephemeral-storage": ("1Gi", "500Mi", "1G"),
}
IMAGE = "registry.example.com/a:1"


def drawn(dice: Random, name: str, namespace: str, *, overhead: str = "") -> Body:
    """Return a pod with containers of every kind, and now and then requests of its own or an overhead."""
    spec: Body = {"containers": [_container(dice, f"main-{index}") for index in range(dice.randint(1, 3))]}
    before = []
    for index in range(dice.choice((0, 0, 1, 2, 4))):
        container = _container(dice, f"before-{index}")
        if dice.random() < 0.5:
            container["restartPolicy"] = "Always"
        before.append(container)
    if before:
        spec["initContainers"] = before
    if overhead and dice.random() < 0.3:
        spec["runtimeClassName"] = overhead
    if dice.random() < 0.25:
        spec["resources"] = {"requests": {"cpu": "16", "memory": "32Gi"}, "limits": {"cpu": "24", "memory": "64Gi"}}
        part = dice.choice(("cpu", "memory", ""))
        for side in spec["resources"].values():
            side.pop(part, None)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _container(dice: Random, name: str) -> Body:
    requests, limits = {}, {}
    for resource, amounts in AMOUNTS.items():
        low, high = sorted(dice.sample(amounts, 2), key=lambda text: parse_quantity(text).nanos)
        shape = dice.randrange(4)
        if shape in {1, 3}:
            requests[resource] = low
        if shape in {2, 3}:
            limits[resource] = high
    for resource in dice.sample(DEVICES, dice.choice((0, 0, 1, 2))):
        # An extended resource is one number: what is left out is copied by the server.
        number = str(dice.randint(1, 4))
        limits[resource] = number
        if dice.random() < 0.5:
            requests[resource] = number
    return {"name": name, "image": IMAGE, "resources": {"requests": requests, "limits": limits}}


def snapshot_count(pod: Body) -> dict[str, int]:
    """Return what the reader of scheduler snapshots says that a pod asks for, by name; CPU in millicores.

    Whole GPUs beside MIG instances are left out: it keeps but one kind, since no node can give a pod both.
    """
    found = requested(Fields(Manifest(pod, Location("<test>")), Log()))
    amounts = {"cpu": round(found.cpu), "memory": round(found.memory), **dict(found.gpu.mig)}
    amounts |= {name: round(number) for name, number in found.extended}
    if not found.mixed and found.gpu.devices:
        amounts["nvidia.com/gpu"] = found.gpu.devices
    return amounts


def trace_count(pod: Body) -> dict[str, int]:
    """Return what the reader of events says: CPU in millicores, memory in MiB rounded up."""
    found = request_of(pod, None)
    return {"cpu": found.cpus, "memory": found.memory}


def amount(key: str, written: str) -> int:
    """Return a quota amount as a number: millicores for CPU, bytes or pieces else."""
    quantity = parse_quantity(written)
    return quantity.milli() if key.endswith("cpu") else quantity.units()


def named(pod: Body, name: str) -> Body:
    """Return a pod under another name."""
    other = deepcopy(pod)
    other["metadata"]["name"] = name
    return other


# --- what the server counts -------------------------------------------------------------------------------------------


def used(cluster: Cluster, namespace: str, name: str = "all") -> dict[str, str]:
    """Return what the server counts."""
    return dict(status(cluster, namespace, name).get("used") or {})


def status(cluster: Cluster, namespace: str, name: str) -> Body:
    """Return what the server says of a quota."""
    body = cluster.api.get("v1", "ResourceQuota", name, namespace)
    assert body is not None
    return dict(body.get("status") or {})


def counts(cluster: Cluster, namespace: str, name: str = "all") -> dict[str, int]:
    return {key: amount(key, text) for key, text in used(cluster, namespace, name).items()}


def row_of(name: str) -> str:
    return name if "/" not in name else f"{name.partition('/')[0]}/..."
