"""Quotas count and bound as Tenantry says: pods of every shape, every key, scopes, each namespace up to its limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from e2e_pods import DEVICES, amount, drawn, snapshot_count, trace_count
from e2e_support import Tally

from testbed.api import Body
from testbed.control_plane import Cluster

pytestmark = pytest.mark.e2e

SEED = 61
WORKERS = 8
MIB = 1 << 20
PLENTY = "1000000"

OVERHEAD = "heavy"

OF_THE_POD = "requests of the pod as a whole (listed)"
"""Snapshots are read as the KAI scheduler does, which adds up containers (``pod_info.go``)."""


def made(cluster: Cluster, name: str, *, labels: dict[str, str] | None = None) -> str:
    """Make a namespace and wait for its account, without which pods are refused."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}
    cluster.api.create(space).expect()
    cluster.until(
        f"the account of {name}", lambda: cluster.api.get("v1", "ServiceAccount", "default", name) is not None
    )
    return name


def bounded(cluster: Cluster, namespace: str, hard: dict[str, str], name: str = "all", **spec: Any) -> None:
    """Make a quota and wait until the server has counted for it."""
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": hard, **spec},
    }
    cluster.api.create(body).expect()
    cluster.until(f"quota {name} of {namespace}", lambda: set(used(cluster, namespace, name)) == set(hard))


def used(cluster: Cluster, namespace: str, name: str = "all") -> dict[str, str]:
    """Return what the server counts."""
    body = cluster.api.get("v1", "ResourceQuota", name, namespace)
    assert body is not None
    return dict((body.get("status") or {}).get("used") or {})


def counts(cluster: Cluster, namespace: str, name: str = "all") -> dict[str, int]:
    return {key: amount(key, text) for key, text in used(cluster, namespace, name).items()}


# --- what a pod counts as ---------------------------------------------------------------------------------------------


class TestCounting:
    """What one pod counts as: init containers, sidecars, overhead, requests of the pod itself, defaults."""

    def test_pods_of_every_shape_count_alike(self, module_cluster: Cluster, tally: Tally) -> None:
        overhead = {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": OVERHEAD},
            "handler": "runc",
            "overhead": {"podFixed": {"cpu": "250m", "memory": "120Mi"}},
        }
        module_cluster.api.create(overhead).expect()
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(lambda part: self._counted(module_cluster, part), range(WORKERS)))
        wrong: list[Any] = []
        for pod, server in (case for cases in found for case in cases):
            ours = snapshot_count(pod)
            mixed = "nvidia.com/gpu" in server and any(name.startswith("nvidia.com/mig") for name in server)
            for name in sorted(server | ours):
                agreed = server.get(name, 0) == ours.get(name, 0)
                if not agreed and name in pod["spec"].get("resources", {}).get("requests", {}):
                    tally.count("what a pod counts as", OF_THE_POD, agreed=True)
                elif not (mixed and name == "nvidia.com/gpu") and not tally.count(
                    "what a pod counts as", _row(name), agreed=agreed
                ):
                    wrong.append((name, server.get(name, 0), ours.get(name, 0), pod["spec"]))
            told = trace_count(pod)
            agreed = told == {"cpu": server["cpu"], "memory": -(-server["memory"] // MIB)}
            if not tally.count("what a pod counts as", "cpu and memory, as traces are read", agreed=agreed):
                wrong.append(("trace", server, told, pod["spec"]))
        assert not wrong

    @staticmethod
    def _counted(cluster: Cluster, part: int) -> list[tuple[Body, dict[str, int]]]:
        """Create pods one after the other, and return each as it is stored with what was added to the count."""
        namespace = made(cluster, f"counting-{part}")
        keys = {f"requests.{name}": name for name in ("cpu", "memory", "ephemeral-storage", *DEVICES)}
        bytes_of = dict.fromkeys(("requests.memory", "requests.ephemeral-storage"), "1000Ti")
        bounded(cluster, namespace, {**dict.fromkeys(keys, PLENTY), **bytes_of})
        defaults = {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "defaults", "namespace": namespace},
            "spec": {
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "4", "memory": "4Gi", "ephemeral-storage": "4Gi"},
                        "defaultRequest": {"cpu": "50m", "memory": "32Mi", "ephemeral-storage": "1Gi"},
                    }
                ]
            },
        }
        cluster.api.create(defaults).expect()
        dice, found = Random(SEED + part), []
        before = counts(cluster, namespace)
        for index in range(30):
            answer = cluster.api.create(drawn(dice, f"pod-{index}", namespace, overhead=OVERHEAD))
            if answer.reason == "Invalid":
                # Requests of a pod that do not hold those of its containers.
                continue
            stored = answer.expect()
            after = counts(cluster, namespace)
            added = {keys[key]: after[key] - before[key] for key in keys if after[key] != before[key]}
            found.append((stored, {"cpu": 0, "memory": 0, **added}))
            before = after
        return found


def _row(name: str) -> str:
    return name if "/" not in name else f"{name.partition('/')[0]}/..."
