"""Kinds whose objects fill the API server's store, and the quota keys that count them.

Source: Kubernetes documentation, "Resource Quotas", object count quota: ``count/<plural>.<group>`` for any kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.reading import items, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Body
    from tenantry.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True, order=True)
class Countable:
    """A kind of object that a quota can count.

    Attributes:
        group: API group.
        plural: plural name.
        kind: name of the kind; empty when it is not known.
        version: API version to try it with.
    """

    group: str
    plural: str
    kind: str = ""
    version: str = "v1"

    def body(self) -> Body:
        """Return the least object of the kind."""
        version = f"{self.group}/{self.version}" if self.group else self.version
        return {"apiVersion": version, "kind": self.kind, "metadata": {"name": "probe"}, "spec": {}}


COUNTED: tuple[Countable, ...] = (
    Countable("", "configmaps", "ConfigMap"),
    Countable("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    Countable("", "pods"),
    Countable("", "replicationcontrollers", "ReplicationController"),
    Countable("", "secrets", "Secret"),
    Countable("", "serviceaccounts", "ServiceAccount"),
    Countable("", "services", "Service"),
    Countable("", "endpoints", "Endpoints"),
    Countable("", "limitranges", "LimitRange"),
    Countable("", "podtemplates", "PodTemplate"),
    Countable("", "resourcequotas", "ResourceQuota"),
    Countable("apps", "controllerrevisions", "ControllerRevision"),
    Countable("apps", "daemonsets", "DaemonSet"),
    Countable("apps", "deployments", "Deployment"),
    Countable("apps", "replicasets", "ReplicaSet"),
    Countable("apps", "statefulsets", "StatefulSet"),
    Countable("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "v2"),
    Countable("batch", "cronjobs", "CronJob"),
    Countable("batch", "jobs", "Job"),
    Countable("coordination.k8s.io", "leases", "Lease"),
    Countable("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    Countable("networking.k8s.io", "ingresses", "Ingress"),
    Countable("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    Countable("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    Countable("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
    Countable("rbac.authorization.k8s.io", "roles", "Role"),
    Countable("resource.k8s.io", "resourceclaims", "ResourceClaim"),
    Countable("resource.k8s.io", "resourceclaimtemplates", "ResourceClaimTemplate"),
)
"""Kinds every cluster has."""

# Names without a prefix that quotas accept for kinds of the core group.
_PLAIN = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    }
)

# Groups of questions and of views on other objects: nothing of theirs is stored. Events expire within the hour.
_NOT_STORED = frozenset(
    {
        "authentication.k8s.io",
        "authorization.k8s.io",
        "authorization.openshift.io",
        "events.k8s.io",
        "metrics.k8s.io",
        "custom.metrics.k8s.io",
        "packages.operators.coreos.com",
        "project.openshift.io",
        "security.openshift.io",
        "template.openshift.io",
        "image.openshift.io",
        "build.openshift.io",
        "apps.openshift.io",
    }
)


def countables(snapshot: Snapshot) -> tuple[Countable, ...]:
    """Return the kinds whose objects are stored: built-in ones, and custom ones with a definition or named by a role.

    Args:
        snapshot: the objects as given; default roles name kinds that a cluster need not have.
    """
    found = {(kind.group, kind.plural): kind for kind in COUNTED}
    for manifest in snapshot.of("apiextensions.k8s.io", "CustomResourceDefinition"):
        if text(manifest.body, "spec", "scope") == "Namespaced":
            group, plural = text(manifest.body, "spec", "group"), text(manifest.body, "spec", "names", "plural")
            kind = text(manifest.body, "spec", "names", "kind")
            found.setdefault((group, plural), Countable(group, plural, kind))
    for role in snapshot.of("rbac.authorization.k8s.io", "ClusterRole", "Role"):
        for group, plural in _named(role.body):
            found.setdefault((group, plural), Countable(group, plural))
    return tuple(found[key] for key in sorted(found))


def _named(role: Body) -> list[tuple[str, str]]:
    """Return custom kinds that a role lets somebody create, by name."""
    found: list[tuple[str, str]] = []
    for rule in items(role, "rules"):
        if not {"create", "*"} & set(texts(rule, "verbs")):
            continue
        for group in texts(rule, "apiGroups"):
            custom = "." in group and not group.endswith(".k8s.io") and group not in _NOT_STORED
            workload = group in {"jobset.x-k8s.io", "leaderworkerset.x-k8s.io", "gateway.networking.k8s.io"}
            if custom or workload:
                found.extend((group, name) for name in texts(rule, "resources") if "/" not in name and name != "*")
    return found


def quota_keys(kind: Countable) -> tuple[str, ...]:
    """Return the quota keys that count objects of a kind, the usual one first."""
    counted = f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"
    return (kind.plural, counted) if not kind.group and kind.plural in _PLAIN else (counted,)
