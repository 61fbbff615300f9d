"""What members of a tenant may do in its namespaces: three ClusterRoles, each right listed.

Kubernetes' own ``admin`` and ``edit`` are not used. They grow by aggregation with every operator, and they hold rights
that undo isolation: network policies, endpoints on upgraded clusters, resource claims, role bindings, tokens and
impersonation of service accounts.

Left out on purpose: wildcards; writing of network policies, quotas, limit ranges, endpoints, network attachment
definitions, roles, role bindings, local queues, pod groups, resource claims, daemon sets; ``pods/proxy`` and
``services/proxy`` (the API server would connect from the host network); ``serviceaccounts/token``; ``pods/binding``;
``escalate``, ``bind``, ``impersonate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.model.spec import AccessRole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Cluster

READ = ("get", "list", "watch")
CHANGE = ("create", "update", "patch", "delete", "deletecollection")
CONNECT = ("create", "get")
RESIZE = ("get", "update", "patch")


class Right(NamedTuple):
    """One rule of a role: verbs on resources of one API group."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


# Written by tenants and read by all their members.
WORKLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("configmaps", "persistentvolumeclaims", "pods", "serviceaccounts", "services")),
    ("apps", ("deployments", "statefulsets")),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("batch", ("cronjobs", "jobs")),
    ("networking.k8s.io", ("ingresses",)),
    ("policy", ("poddisruptionbudgets",)),
    ("jobset.x-k8s.io", ("jobsets",)),
    ("leaderworkerset.x-k8s.io", ("leaderworkersets",)),
    ("ray.io", ("rayclusters", "rayjobs", "rayservices")),
    ("kubeflow.org", ("mpijobs", "pytorchjobs")),
    ("trainer.kubeflow.org", ("trainjobs",)),
    ("serving.kserve.io", ("inferenceservices", "servingruntimes")),
)

OPENSHIFT_WORKLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kubeflow.org", ("notebooks",)),
    ("route.openshift.io", ("routes",)),
    # User workload monitoring confines rules and monitors to their namespace.
    ("monitoring.coreos.com", ("podmonitors", "prometheusrules", "servicemonitors")),
)

GATEWAY_WORKLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("gateway.networking.k8s.io", ("grpcroutes", "httproutes")),
)

# Written by controllers or by the platform.
READ_ONLY: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "",
        (
            "endpoints",
            "events",
            "limitranges",
            "persistentvolumeclaims/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers",
            "resourcequotas",
            "resourcequotas/status",
            "services/status",
        ),
    ),
    ("apps", ("controllerrevisions", "daemonsets", "deployments/status", "replicasets", "statefulsets/status")),
    ("batch", ("jobs/status",)),
    ("discovery.k8s.io", ("endpointslices",)),
    ("events.k8s.io", ("events",)),
    ("k8s.cni.cncf.io", ("network-attachment-definitions",)),
    ("kueue.x-k8s.io", ("localqueues", "workloads")),
    ("metrics.k8s.io", ("pods",)),
    ("networking.k8s.io", ("networkpolicies",)),
    ("rbac.authorization.k8s.io", ("rolebindings", "roles")),
    ("scheduling.run.ai", ("podgroups",)),
)


def role_name(role: AccessRole) -> str:
    """Name of the ClusterRole behind a role of the spec."""
    return f"tenantry-tenant-{role.value}"


def rights(cluster: Cluster, role: AccessRole) -> tuple[Right, ...]:
    """Return the rights of a role, those of the lesser roles included."""
    found = list(_view(cluster))
    if role in {AccessRole.EDIT, AccessRole.ADMIN}:
        found.extend(_edit(cluster))
    if role is AccessRole.ADMIN:
        found.extend(_admin())
    return tuple(found)


def _workloads(cluster: Cluster) -> tuple[tuple[str, tuple[str, ...]], ...]:
    # Gateways on OpenShift belong to the platform; routes are what tenants use there.
    return (*WORKLOADS, *(OPENSHIFT_WORKLOADS if cluster.openshift else GATEWAY_WORKLOADS))


def _view(cluster: Cluster) -> Iterator[Right]:
    yield Right("", ("namespaces",), ("get",))
    if cluster.openshift:
        yield Right("project.openshift.io", ("projects",), ("get",))
    for group, resources in (*_workloads(cluster), *READ_ONLY):
        yield Right(group, resources, READ)


def _edit(cluster: Cluster) -> Iterator[Right]:
    for group, resources in _workloads(cluster):
        yield Right(group, resources, CHANGE)
    # Written but not read back: reading secrets is for administrators of the tenant.
    yield Right("", ("secrets",), CHANGE)
    yield Right("", ("pods/eviction",), ("create",))
    yield Right("apps", ("deployments/scale", "statefulsets/scale"), RESIZE)
    if cluster.openshift:
        # Needed to set spec.host at all; the guard of routes decides which.
        yield Right("route.openshift.io", ("routes/custom-host",), ("create", "update"))


def _admin() -> Iterator[Right]:
    yield Right("", ("secrets",), READ)
    yield Right("", ("pods/attach", "pods/exec", "pods/portforward"), CONNECT)
    yield Right("", ("pods/ephemeralcontainers",), RESIZE)
