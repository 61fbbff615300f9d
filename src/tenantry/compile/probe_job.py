"""Jobs that measure a workload on a node pool: one for each kind of GPU or slice its nodes offer.

Pods need nothing of the cluster but a GPU: no API, no rights, no volume, no secret. They satisfy the restricted Pod
Security Standard. The table is what a pod writes to its log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import content_hash, manifest
from tenantry.compile.names import joined, tenant_queue
from tenantry.model.cluster import POOL_LABEL, ResourceKind
from tenantry.model.spec import SchedulerType, SharingMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.model.cluster import Cluster, Pool, PoolResource
    from tenantry.model.manifest import Body

PROGRAM = "probe.py"
"""Name of the program in the ConfigMap and in pods."""
FOLDER = "/probe"
"""Where the program is in a pod."""
MOST_BYTES = 900_000
"""Bytes of all files; a ConfigMap holds 1 MiB."""
USER = 65532
"""User off OpenShift, which gives every namespace its own range and refuses others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeJobs:
    """What the Jobs are made of.

    Attributes:
        cluster: the platform.
        pool: node pool to measure.
        namespace: namespace they run in; it exists already.
        tenant: tenant whose queue they wait in; empty where they wait in none.
        image: image with Python and PyTorch or CuPy.
        files: text by name: the program, and a module of the user's.
        arguments: arguments of the program but those that follow from the pool.
        cpu: CPUs a pod asks for, as a quantity.
        memory: memory a pod asks for and may use, as a quantity.
    """

    cluster: Cluster
    pool: Pool
    namespace: str
    image: str
    files: Mapping[str, str]
    arguments: Sequence[str]
    tenant: str = ""
    cpu: str = "4"
    memory: str = "16Gi"
    _labels: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        labels = {"app.kubernetes.io/name": "tenantry-probe", "app.kubernetes.io/instance": self.pool.name}
        object.__setattr__(self, "_labels", {**labels, **_queue_labels(self.cluster, self.pool, self.tenant)})

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the Jobs and of their pods."""
        return self._labels


def probe_jobs(jobs: ProbeJobs) -> list[Body]:
    """Return the ConfigMap with the program, and a Job for each GPU resource of the pool."""
    files = dict(sorted(jobs.files.items()))
    program = joined("probe", jobs.pool.name, content_hash(files))
    config_map = manifest(
        "v1", "ConfigMap", program, namespace=jobs.namespace, labels=jobs.labels, immutable=True, data=files
    )
    return [config_map, *(_job(jobs, program, resource) for resource in jobs.pool.gpu_resources)]


def _queue_labels(cluster: Cluster, pool: Pool, tenant: str) -> dict[str, str]:
    """Labels by which the scheduler of the platform finds the queue of a tenant."""
    if not tenant:
        return {}
    match cluster.spec.platform.spec.scheduler.type:
        case SchedulerType.KAI:
            return {"kai.scheduler/queue": tenant_queue(tenant, pool.name), "kai.scheduler/node-pool": pool.name}
        case SchedulerType.KUEUE:
            return {"kueue.x-k8s.io/queue-name": pool.name}
        case SchedulerType.RUNAI:
            return {"runai/queue": tenant}


_SCHEDULERS = {SchedulerType.KAI: "kai-scheduler", SchedulerType.RUNAI: "runai-scheduler"}


def _job(jobs: ProbeJobs, program: str, resource: PoolResource) -> Body:
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if not jobs.cluster.openshift:
        security.update(runAsUser=USER, runAsGroup=USER, fsGroup=USER)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "nodeSelector": jobs.pool.node_selector,
        "containers": [_container(jobs, resource)],
        "volumes": [
            {"name": "program", "configMap": {"name": program}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}},
        ],
    }
    if jobs.pool.spec.dedicated:
        toleration = {"key": POOL_LABEL, "operator": "Equal", "value": jobs.pool.name, "effect": "NoSchedule"}
        pod["tolerations"] = [toleration]
    scheduler = _SCHEDULERS.get(jobs.cluster.spec.platform.spec.scheduler.type, "") if jobs.tenant else ""
    if scheduler:
        pod["schedulerName"] = scheduler
    kind = re.sub(r"[^a-z0-9]+", "-", resource.name.rpartition("/")[2].lower()).strip("-")
    return manifest(
        "batch/v1",
        "Job",
        joined("probe", jobs.pool.name, kind),
        namespace=jobs.namespace,
        labels=jobs.labels,
        # A second attempt would measure again and write a second table into another log.
        spec={"backoffLimit": 0, "template": {"metadata": {"labels": dict(jobs.labels)}, "spec": pod}},
    )


def _container(jobs: ProbeJobs, resource: PoolResource) -> dict[str, Any]:
    sharing = SharingMode.MIG if resource.kind is ResourceKind.SLICE else jobs.pool.mode
    if sharing is SharingMode.MIG and not resource.profile:
        sharing = SharingMode.WHOLE  # a GPU of the pool that no layout names
    command = ["python3", f"{FOLDER}/{PROGRAM}", "--sharing", sharing.value, "--quiet"]
    if resource.profile:
        command += ["--profile", resource.profile]
    return {
        "name": "probe",
        "image": jobs.image,
        "command": [*command, *jobs.arguments],
        "workingDir": FOLDER,
        "env": [
            {"name": "HOME", "value": "/tmp"},
            # The folder of the program is read-only, and so is the image.
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "resources": {
            "requests": {"cpu": jobs.cpu, "memory": jobs.memory, resource.name: "1"},
            "limits": {"memory": jobs.memory, resource.name: "1"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "program", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
