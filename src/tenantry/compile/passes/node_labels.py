"""Labels and taints of nodes, which decide how GPUs are shared and who may run where.

Nodes are made by the kubelet, so the tree holds no Node. A Job applies partial Nodes with server-side apply:
labels that leave the spec leave the node, labels of others stay. Decision 0001 gives the alternatives.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import content_hash, manifest
from tenantry.compile.gpu_sharing import MIG_CONFIG_LABEL, PLUGIN_CONFIG_LABEL, mig_config_name, plugin_config_key
from tenantry.compile.jobs import RESTRICTED, SYNC_HOOK, SYSTEM_NAMESPACE, client_image, container, pod
from tenantry.model.cluster import POOL_LABEL
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.tree import Output

COMPONENT = "node-labels"
NAME = "node-labels"
FIELD_MANAGER = "tenantry-node-labels"
KAI_POOL_LABEL = "kai.scheduler/node-pool"
NODES_KEY = "nodes.json"
HEAL_SCHEDULE = "*/15 * * * *"
"""How often labels changed by hand are put back."""

RBAC = "rbac.authorization.k8s.io"


def pool_labels(cluster: Cluster, pool: Pool) -> dict[str, str]:
    """Labels every node of a pool must carry, sorted by key."""
    labels = {**pool.spec.labels, POOL_LABEL: pool.name}
    chosen = {MIG_CONFIG_LABEL: mig_config_name(pool), PLUGIN_CONFIG_LABEL: plugin_config_key(pool)}
    labels.update((key, value) for key, value in chosen.items() if value)
    if cluster.spec.platform.spec.scheduler.type in {SchedulerType.KAI, SchedulerType.RUNAI}:
        labels[KAI_POOL_LABEL] = pool.name
    return dict(sorted(labels.items()))


def pool_taint(pool: Pool) -> str:
    """Taint every node of a dedicated pool must carry, as ``kubectl taint`` spells it; empty for other pools."""
    return f"{POOL_LABEL}={pool.name}:NoSchedule" if pool.spec.dedicated else ""


def node_labels(cluster: Cluster) -> Iterable[Output]:
    """Yield the Job that labels and taints named hosts, and notes for pools whose hosts are not named."""
    yield Piece(COMPONENT, "namespace", manifest("v1", "Namespace", SYSTEM_NAMESPACE, labels=RESTRICTED, wave=-1))
    named = [pool for pool in cluster.pools if pool.spec.hosts]
    yield from (_by_hand(cluster, pool) for pool in cluster.pools if not pool.spec.hosts)
    if all(pool.spec.dedicated for pool in cluster.pools):
        yield _other_nodes()
    if not named:
        return
    nodes = node_list(cluster)
    config = f"{NAME}-{content_hash(nodes)}"
    for body in _access(named):
        yield Piece(COMPONENT, "access", body)
    yield Piece(
        COMPONENT,
        "nodes",
        manifest("v1", "ConfigMap", config, namespace=SYSTEM_NAMESPACE, immutable=True, data={NODES_KEY: nodes}),
    )
    template = {"spec": _pod(cluster, named, config)}
    job = {"backoffLimit": 3, "activeDeadlineSeconds": 600, "template": template}
    yield Piece(
        COMPONENT,
        "job",
        manifest("batch/v1", "Job", NAME, namespace=SYSTEM_NAMESPACE, annotations=SYNC_HOOK, wave=1, spec=job),
    )
    yield Piece(COMPONENT, "heal", _heal(job))


def node_list(cluster: Cluster) -> str:
    """Partial Nodes of all named hosts as one JSON list; ``kubectl`` reads JSON like YAML.

    Sorted by name and one node per line, so that a change of one node is a change of one line in review.
    """
    labels = {host: pool_labels(cluster, pool) for pool in cluster.pools for host in pool.spec.hosts}
    lines = [
        json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": host, "labels": labels[host]}})
        for host in sorted(labels)
    ]
    return '{"apiVersion": "v1", "kind": "List", "items": [\n' + ",\n".join(lines) + "\n]}\n"


def _access(named: list[Pool]) -> Iterable[dict[str, Any]]:
    hosts = sorted(host for pool in named for host in pool.spec.hosts)
    yield manifest("v1", "ServiceAccount", NAME, namespace=SYSTEM_NAMESPACE)
    # Without the right to create, applying a host that does not exist fails instead of making a ghost node.
    rule = {"apiGroups": [""], "resources": ["nodes"], "resourceNames": hosts, "verbs": ["get", "patch"]}
    yield manifest(f"{RBAC}/v1", "ClusterRole", f"tenantry-{NAME}", rules=[rule])
    yield manifest(
        f"{RBAC}/v1",
        "ClusterRoleBinding",
        f"tenantry-{NAME}",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": f"tenantry-{NAME}"},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": SYSTEM_NAMESPACE}],
    )


def _pod(cluster: Cluster, named: list[Pool], config: str) -> dict[str, Any]:
    image, mounts = client_image(cluster), {"config": "/config"}
    apply = [
        "kubectl",
        "apply",
        "--server-side",
        "--force-conflicts",
        f"--field-manager={FIELD_MANAGER}",
        "-f",
        f"/config/{NODES_KEY}",
    ]
    steps = [container("labels", image, apply, mounts=mounts)]
    for pool in named:
        if pool.spec.dedicated:
            taint = ["kubectl", "taint", "nodes", "--overwrite", *sorted(pool.spec.hosts), pool_taint(pool)]
            steps.append(container(f"taint-{pool.name}", image, taint, mounts=mounts))
    return pod(cluster, NAME, steps, [{"name": "config", "configMap": {"name": config}}])


def _heal(job: dict[str, Any]) -> dict[str, Any]:
    return manifest(
        "batch/v1",
        "CronJob",
        f"{NAME}-heal",
        namespace=SYSTEM_NAMESPACE,
        wave=1,
        spec={
            "schedule": HEAL_SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 300,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    )


def _other_nodes() -> Note:
    return Note(
        "NOTE-OTHER-NODES",
        "nodes outside the pools",
        "every pool is dedicated, so operators, schedulers and monitoring find no place on its nodes",
        "keep at least two schedulable nodes outside the pools, or leave a pool undedicated",
    )


def _by_hand(cluster: Cluster, pool: Pool) -> Note:
    labels = ", ".join(f"{key}={value}" for key, value in pool_labels(cluster, pool).items())
    taint = pool_taint(pool)
    return Note(
        "NOTE-NODE-LABELS",
        f"node pool {pool.name}",
        "no hosts are named, so nothing in the tree labels or taints its nodes; new nodes would come without",
        f"set on the node group or machine set: labels {labels}; " + (f"taint {taint}" if taint else "no taint"),
    )
