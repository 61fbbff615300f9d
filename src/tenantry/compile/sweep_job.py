"""A sweep as an Indexed Job: each pod does a part of the runs and writes them to a volume that all share.

Pods need nothing of the cluster: no API, no rights, no device. They satisfy the restricted Pod Security Standard.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import content_hash, manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.model.manifest import Body

INPUTS = "/inputs"
"""Where the files of the sweep are in a pod."""
CLAIM = "/sweep"
"""Where the shared volume is in a pod."""
RESULTS = f"{CLAIM}/results"
"""Folder of the sweep in the shared volume."""

MOST_BYTES = 900_000
"""Bytes of all files; a ConfigMap holds 1 MiB, base64 and the rest of the object included."""

USER = 65532
"""User off OpenShift, which gives every namespace its own range and refuses others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJob:
    """What the Job is made of.

    Attributes:
        name: name of the sweep, a DNS label.
        namespace: namespace it runs in; it exists already.
        image: image with Tenantry installed.
        claim: PersistentVolumeClaim that all pods mount; its access mode is ReadWriteMany.
        shards: pods.
        openshift: whether it runs on OpenShift.
        files: content by path below :data:`INPUTS`.
        arguments: arguments of ``tenantry sweep`` but those for the shard and the folder of results.
        cpu: CPUs a pod asks for, as a quantity; it runs as many processes.
        memory: memory a pod asks for and may use, as a quantity.
    """

    name: str
    namespace: str
    image: str
    claim: str
    shards: int
    openshift: bool
    files: Mapping[str, bytes]
    arguments: Sequence[str]
    cpu: int = 1
    memory: str = "2Gi"


def sweep_job(job: SweepJob) -> list[Body]:
    """Return the ConfigMap with the inputs and the Job."""
    inputs = f"{job.name}-inputs-{content_hash([sorted(job.files), _texts(job.files)])}"
    return [_config_map(job, inputs), _job(job, inputs)]


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(content).decode() for path, content in sorted(files.items())}


def _keys(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the key of every path in the ConfigMap, where no key has a slash."""
    return {path: f"file-{number:04d}" for number, path in enumerate(sorted(files))}


def _config_map(job: SweepJob, name: str) -> Body:
    keys = _keys(job.files)
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for path, content in sorted(job.files.items()):
        try:
            data[keys[path]] = content.decode()
        except UnicodeDecodeError:
            binary[keys[path]] = base64.b64encode(content).decode()
    return manifest(
        "v1",
        "ConfigMap",
        name,
        namespace=job.namespace,
        labels=_labels(job),
        immutable=True,
        data=data or None,
        binaryData=binary or None,
    )


def _labels(job: SweepJob) -> dict[str, str]:
    return {"app.kubernetes.io/name": "tenantry-sweep", "app.kubernetes.io/instance": job.name}


def _job(job: SweepJob, inputs: str) -> Body:
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if not job.openshift:
        security.update(runAsUser=USER, runAsGroup=USER, fsGroup=USER)
    items = [{"key": key, "path": path} for path, key in _keys(job.files).items()]
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [_container(job)],
        "volumes": [
            {"name": "inputs", "configMap": {"name": inputs, "items": items}},
            {"name": "sweep", "persistentVolumeClaim": {"claimName": job.claim}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    return manifest(
        "batch/v1",
        "Job",
        job.name,
        namespace=job.namespace,
        labels=_labels(job),
        spec={
            "completionMode": "Indexed",
            "completions": job.shards,
            "parallelism": job.shards,
            # A pod that starts anew goes on with the runs that are not finished.
            "backoffLimit": 2 * job.shards,
            "template": {"metadata": {"labels": _labels(job)}, "spec": pod},
        },
    )


def _container(job: SweepJob) -> dict[str, Any]:
    command = ["tenantry", "sweep", *job.arguments, "--out", RESULTS]
    # Kubernetes puts in variables of this form; no shell is needed.
    command += ["--workers", str(job.cpu), "--shard", f"$(JOB_COMPLETION_INDEX)/{job.shards}"]
    index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    return {
        "name": "sweep",
        "image": job.image,
        "command": command,
        "workingDir": INPUTS,
        "env": [
            {"name": "JOB_COMPLETION_INDEX", "valueFrom": index},
            {"name": "HOME", "value": "/tmp"},
        ],
        "resources": {
            "requests": {"cpu": str(job.cpu), "memory": job.memory},
            "limits": {"memory": job.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "inputs", "mountPath": INPUTS, "readOnly": True},
            {"name": "sweep", "mountPath": CLAIM},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
