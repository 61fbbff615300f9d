"""Run:ai: departments and projects as payloads of its REST API, and the job that applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import compact_json, content_hash, manifest
from tenantry.compile.queue_shares import counted, department_shares, tenant_shares
from tenantry.compile.runai_script import SCRIPT
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.compile.queue_shares import Share
    from tenantry.model.cluster import Cluster, ClusterTenant, Pool
    from tenantry.model.tree import Output

COMPONENT = "scheduler"
NAMESPACE = "runai"
"""Namespace of the Run:ai cluster agent; it exists before the tree is synced."""
NAME = "runai-org-units"
SECRET = "runai-api-client"
"""Secret with ``clientId`` and ``clientSecret`` of a Run:ai service account; made by a person, only named here."""
IMAGE = "docker.io/library/python:3.13-alpine"

# A ConfigMap may hold 1 MiB; smaller ones stay readable in a diff and below every annotation limit.
CHUNK = 200_000

# User off OpenShift; OpenShift gives every namespace its own range and refuses others.
USER = 65532


def runai(cluster: Cluster) -> Iterable[Output]:
    """Yield payloads, the program that applies them and its job."""
    scheduler = cluster.spec.platform.spec.scheduler
    if scheduler.type is not SchedulerType.RUNAI:
        return
    payloads = dict(_payloads(cluster))
    chunks = [_config_map(f"{NAME}-{number}", data) for number, data in enumerate(_chunks(payloads), start=1)]
    for body in chunks:
        yield Piece(COMPONENT, "org-units", body)
    if scheduler.control_plane_url and scheduler.cluster_id:
        yield Piece(COMPONENT, "apply-org-units", _config_map(f"{NAME}-program", {"apply.py": SCRIPT}))
        yield Piece(
            COMPONENT, "apply-org-units", _job(cluster, [body["metadata"]["name"] for body in chunks], payloads)
        )
    yield from _notes(cluster)


def _payloads(cluster: Cluster) -> Iterator[tuple[str, str]]:
    cluster_id = cluster.spec.platform.spec.scheduler.cluster_id or ""
    for pool in cluster.pools:
        yield f"node-pool-{pool.name}.json", compact_json(_node_pool(cluster, pool, cluster_id))
    for department in cluster.departments:
        body = {
            "name": department,
            "clusterId": cluster_id,
            "description": f"Department {department}",
            "resources": _resources(cluster, department_shares(cluster, department)),
        }
        yield f"department-{department}.json", compact_json(body)
    for tenant in cluster.tenants:
        yield f"project-{tenant.name}.json", compact_json(_project(cluster, tenant, cluster_id))


def _node_pool(cluster: Cluster, pool: Pool, cluster_id: str) -> dict[str, Any]:
    placement = cluster.spec.platform.spec.scheduler.placement
    # Run:ai knows one label per node pool; of several the first in order is taken.
    key, value = sorted(pool.node_selector.items())[0]
    return {
        "name": pool.name,
        "clusterId": cluster_id,
        "labelKey": key,
        "labelValue": value,
        "schedulingConfiguration": {"placementStrategy": {"gpu": placement, "cpu": placement}},
    }


def _project(cluster: Cluster, tenant: ClusterTenant, cluster_id: str) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "clusterId": cluster_id,
        # Replaced by the id of the department when it is applied.
        "department": tenant.department,
        "description": tenant.spec.spec.description or f"Tenant {tenant.name}",
        "requestedNamespace": tenant.namespaces[0],
        "enforceRunaiScheduler": True,
        "defaultNodePools": sorted(tenant.pools),
        "resources": _resources(cluster, tenant_shares(cluster, tenant)),
    }


def _resources(cluster: Cluster, shares: Iterable[Share]) -> list[dict[str, Any]]:
    """Entries for **all** node pools: one that is not named gets quota 0 and no limit, and could borrow everything.

    CPU and memory are left to the ResourceQuota of the namespace.
    """
    known = {share.pool: share for share in shares}
    entries = []
    for pool in cluster.pools:
        share = known.get(pool.name)
        gpu = (
            {"deserved": share.quota, "limit": share.limit, "overQuotaWeight": share.weight}
            if share
            else {"deserved": 0, "limit": 0, "overQuotaWeight": 0}
        )
        entries.append({"nodePool": {"name": pool.name}, "gpu": gpu})
    return entries


def _chunks(payloads: dict[str, str]) -> Iterator[dict[str, str]]:
    chunk: dict[str, str] = {}
    size = 0
    for key, text in sorted(payloads.items()):
        length = len(key) + len(text.encode())
        if chunk and size + length > CHUNK:
            yield chunk
            chunk, size = {}, 0
        chunk[key] = text
        size += length
    yield chunk


def _config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return manifest("v1", "ConfigMap", name, namespace=NAMESPACE, data=data)


def _job(cluster: Cluster, chunks: list[str], payloads: dict[str, str]) -> dict[str, Any]:
    scheduler = cluster.spec.platform.spec.scheduler
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if not cluster.openshift:
        security["runAsUser"] = USER
    return manifest(
        "batch/v1",
        "Job",
        NAME,
        namespace=NAMESPACE,
        annotations={
            # A hook runs at every sync, so a change made by hand in Run:ai is undone by the next one.
            "argocd.argoproj.io/hook": "Sync",
            "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
            "tenantry.dev/content": content_hash([payloads, SCRIPT]),
        },
        wave=1,
        spec={
            "backoffLimit": 3,
            "activeDeadlineSeconds": 900,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "securityContext": security,
                    "containers": [_container(scheduler.control_plane_url or "", scheduler.cluster_id or "")],
                    "volumes": [
                        {"name": "program", "configMap": {"name": f"{NAME}-program"}},
                        {
                            "name": "payloads",
                            "projected": {"sources": [{"configMap": {"name": chunk}} for chunk in chunks]},
                        },
                    ],
                }
            },
        },
    )


def _container(url: str, cluster_id: str) -> dict[str, Any]:
    def secret(name: str, key: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}

    return {
        "name": "apply",
        "image": IMAGE,
        "command": ["python3", "/program/apply.py", "/payloads"],
        "env": [
            {"name": "RUNAI_URL", "value": url},
            {"name": "RUNAI_CLUSTER_ID", "value": cluster_id},
            secret("RUNAI_CLIENT_ID", "clientId"),
            secret("RUNAI_CLIENT_SECRET", "clientSecret"),
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "program", "mountPath": "/program", "readOnly": True},
            {"name": "payloads", "mountPath": "/payloads", "readOnly": True},
        ],
    }


def _notes(cluster: Cluster) -> Iterator[Note]:
    scheduler = cluster.spec.platform.spec.scheduler
    yield Note(
        "NOTE-RUNAI-SCHEMA",
        "Run:ai departments and projects",
        "Run:ai has no public schema for departments and projects, so the payloads cannot be checked before they are "
        "sent; the job reports what the control plane refuses.",
        f"Install the Run:ai cluster agent, and create the secret {NAMESPACE}/{SECRET} with clientId and clientSecret "
        "of a service account that may administer departments, projects and node pools.",
    )
    missing = [
        name
        for name, value in (("controlPlaneUrl", scheduler.control_plane_url), ("clusterId", scheduler.cluster_id))
        if not value
    ]
    if missing:
        yield Note(
            "NOTE-RUNAI-CONNECTION",
            "scheduler runai",
            f"The payloads are compiled, but no job applies them: {' and '.join(missing)} not given.",
            f"Set {' and '.join(f'spec.scheduler.{name}' for name in missing)}.",
        )
    yield from _pool_notes(cluster)
    for tenant in cluster.tenants:
        if len(tenant.namespaces) > 1:
            yield Note(
                "NOTE-RUNAI-NAMESPACES",
                f"tenant {tenant.name}",
                f"A Run:ai project has one namespace, {tenant.namespaces[0]}; in "
                f"{', '.join(tenant.namespaces[1:])} nothing is scheduled by Run:ai.",
                "Run GPU work in the first namespace, or split the tenant.",
            )


def _pool_notes(cluster: Cluster) -> Iterator[Note]:
    for pool in cluster.pools:
        if not counted(pool):
            yield Note(
                "NOTE-RUNAI-SHARED",
                f"node pool {pool.name}",
                "Run:ai does not count replicas of shared GPUs (nvidia.com/gpu.shared) as GPUs: only the ResourceQuota "
                "of each namespace bounds a tenant here.",
                "Give the pool to one tenant, or partition its GPUs with MIG instead.",
            )
        if len(pool.node_selector) > 1:
            yield Note(
                "NOTE-RUNAI-SELECTOR",
                f"node pool {pool.name}",
                "A Run:ai node pool is selected by one label; of the labels of this pool only "
                f"{sorted(pool.node_selector)[0]} is used.",
                "Give the nodes one label that no other pool has.",
            )
