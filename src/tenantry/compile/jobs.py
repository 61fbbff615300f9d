"""Jobs that run a command-line client in the cluster: images, hook annotations and a pod that can do nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.installs import POOL_TOLERATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.model.cluster import Cluster

SYSTEM_NAMESPACE = "tenantry-system"
"""Namespace of what Tenantry itself runs in the cluster; the node-labels pass creates it."""

_TOLERATIONS = [
    # Where every other node is dedicated, the control plane is the only place for a Job of some seconds.
    {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
    POOL_TOLERATION,
]

SYNC_HOOK = {
    "argocd.argoproj.io/hook": "Sync",
    # A Job cannot be changed, so the last one goes when the next one comes; until then its logs can be read.
    "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
}
"""Annotations of a Job that runs with every sync."""

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/audit": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
"""Labels of a namespace in which only harmless pods may run."""


def client_image(cluster: Cluster) -> str:
    """Image with ``kubectl`` of the cluster's own version; on OpenShift with ``oc`` and a shell besides.

    Not the ``cli`` image stream of OpenShift: it is served by the internal registry, which on bare metal is removed
    until someone gives it storage.
    """
    if cluster.openshift:
        release = ".".join(cluster.spec.platform.spec.version.removeprefix("v").split(".")[:2])
        return f"registry.redhat.io/openshift4/ose-cli-rhel9:v{release}"
    return f"registry.k8s.io/kubectl:v{cluster.kubernetes_minor}.0"


def container(
    name: str, image: str, command: Sequence[str], *, mounts: Mapping[str, str], env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Build a container without rights, with a read-only root and writable ``/tmp``.

    Args:
        name: name of the container.
        image: image.
        command: program and arguments; no shell is involved unless named.
        mounts: path per volume name; ``tmp`` is added.
        env: environment; ``HOME`` is added for the client's cache.
    """
    variables = {"HOME": "/tmp", **(env or {})}
    volumes = [{"name": volume, "mountPath": path, "readOnly": True} for volume, path in sorted(mounts.items())]
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*volumes, {"name": "tmp", "mountPath": "/tmp"}],
    }


def pod(
    cluster: Cluster, service_account: str, steps: Sequence[dict[str, Any]], volumes: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Build a pod spec that runs its steps one after the other and satisfies the restricted Pod Security Standard."""
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if not cluster.openshift:
        # OpenShift gives each namespace its own range of user ids; elsewhere the image alone would run as root.
        security.update(runAsUser=65532, runAsGroup=65532)
    spec: dict[str, Any] = {
        "serviceAccountName": service_account,
        "restartPolicy": "Never",
        "securityContext": security,
        "tolerations": [dict(toleration) for toleration in _TOLERATIONS],
        "containers": [steps[-1]],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    if len(steps) > 1:
        spec["initContainers"] = list(steps[:-1])
    return spec
