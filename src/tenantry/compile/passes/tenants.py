"""Tenants: namespaces with their guards' parameters, access, quotas, limits and service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.components import tenant_component
from tenantry.compile.guards.grants import namespace_grants
from tenantry.compile.guards.roles import rights, role_name
from tenantry.model.cluster import CONTAINER_LIMITS, DEPARTMENT_LABEL, TENANT_LABEL
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import AccessRole, SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, ClusterTenant
    from tenantry.model.manifest import Body
    from tenantry.model.spec import TenantNamespace

# Everything else of a tenant lies in its namespaces.
WAVE_NAMESPACE = -1

# Objects per namespace. They protect etcd and the API server, not fairness, so they are the same for everybody.
OBJECT_LIMITS: dict[str, int] = {
    "configmaps": 500,
    "count/cronjobs.batch": 100,
    "count/deployments.apps": 200,
    "count/ingresses.networking.k8s.io": 100,
    "count/jobs.batch": 1000,
    "count/replicasets.apps": 1000,
    "count/statefulsets.apps": 200,
    "replicationcontrollers": 0,
    # The platform's own two.
    "resourcequotas": 2,
    "secrets": 500,
    "services": 200,
}
# Of any other kind that members of a tenant may create.
USUAL_LIMIT = 200
# Core kinds that quotas count by their plain name. Source: Kubernetes, Resource Quotas, object count quota.
NAMED_RESOURCES = frozenset({
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services",
})  # fmt: skip
# Ways to nodes and devices that this platform does not hand out.
CLOSED: dict[str, int] = {
    "services.loadbalancers": 0,
    "services.nodeports": 0,
    "count/resourceclaims.resource.k8s.io": 0,
    "count/resourceclaimtemplates.resource.k8s.io": 0,
}

# What a container gets that asks for nothing; its limits are those of the model.
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "1Gi"}


def tenants(cluster: Cluster) -> Iterable[Piece | Note]:
    """Yield the objects of every tenant, then the notes that concern several of them."""
    counts = _object_limits(cluster)
    for tenant in cluster.tenants:
        yield from _tenant(cluster, tenant, counts)
    yield from _notes(cluster)


def _tenant(cluster: Cluster, tenant: ClusterTenant, counts: dict[str, int]) -> Iterator[Piece]:
    component = tenant_component(tenant.name).name
    labels = {TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department}
    grants = namespace_grants(cluster, tenant)
    compute, objects = _compute_quota(tenant), _object_quota(tenant, counts)
    limits = _limits(tenant)
    for index, item in enumerate(tenant.spec.spec.namespaces):
        namespace = _namespace(cluster, tenant, item, labels, grants[item.name], first=index == 0)
        yield Piece(component, "namespaces", namespace)
        for body in _access(tenant, item.name, labels):
            yield Piece(component, "access", body)
        for kind, name, spec in (
            ("ResourceQuota", "tenantry-compute", {"hard": compute}),
            ("ResourceQuota", "tenantry-objects", {"hard": objects}),
            ("LimitRange", "tenantry", {"limits": limits}),
        ):
            yield Piece(component, "quota", manifest("v1", kind, name, namespace=item.name, labels=labels, spec=spec))
    if cluster.openshift:
        yield Piece(component, "quota", _cluster_quota(tenant, labels))


def _namespace(
    cluster: Cluster,
    tenant: ClusterTenant,
    namespace: TenantNamespace,
    labels: dict[str, str],
    grants: dict[str, str],
    *,
    first: bool,
) -> Body:
    # A pinned version: what Pod Security refuses changes with a reviewed change of the platform, not with an upgrade.
    version = f"v{cluster.kubernetes_minor}"
    marks = dict(labels)
    for mode in ("enforce", "audit", "warn"):
        marks[f"pod-security.kubernetes.io/{mode}"] = "restricted"
        marks[f"pod-security.kubernetes.io/{mode}-version"] = version
    scheduler = cluster.spec.platform.spec.scheduler.type
    annotations = dict(grants)
    if cluster.openshift:
        # Otherwise OpenShift rewrites the labels above from what service accounts may use.
        marks["security.openshift.io/scc.podSecurityLabelSync"] = "false"
        if cluster.spec.platform.spec.openshift_ai.enabled:
            marks["opendatahub.io/dashboard"] = "true"
        if scheduler is SchedulerType.KUEUE:
            marks["kueue.openshift.io/managed"] = "true"
        annotations["openshift.io/display-name"] = (
            namespace.name if namespace.name == tenant.name else f"{tenant.name}: {namespace.name}"
        )
        annotations["openshift.io/description"] = namespace.purpose or tenant.spec.spec.description
    if scheduler is SchedulerType.RUNAI and first:
        # Ties the namespace to the project of the same name; a project has one namespace.
        marks["runai/queue"] = tenant.name
    return manifest(
        "v1",
        "Namespace",
        namespace.name,
        labels=marks,
        annotations=annotations,
        wave=WAVE_NAMESPACE,
        sync_options=GUARD_DELETE,
    )


def _access(tenant: ClusterTenant, namespace: str, labels: dict[str, str]) -> Iterator[Body]:
    # Pods that need the API server say so; a token that nobody asked for is only there to be stolen.
    yield manifest(
        "v1",
        "ServiceAccount",
        "default",
        namespace=namespace,
        labels=labels,
        automountServiceAccountToken=False,
    )
    for role in AccessRole:
        groups = sorted({grant.group for grant in tenant.spec.spec.access if grant.role is role})
        if groups:
            yield manifest(
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                role_name(role),
                namespace=namespace,
                labels=labels,
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name(role)},
                subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name} for name in groups],
            )


def device_limits(tenant: ClusterTenant) -> dict[str, str]:
    """Return a quota key for **every** extended resource of the cluster: without its key one is unlimited.

    Only ``requests.<name>`` is a valid key, since extended resources cannot be overcommitted.

    Source: Kubernetes documentation, "Resource Quotas".
    """
    return {f"requests.{name}": str(tenant.limits[name]) for name in sorted(tenant.limits)}


def _compute_quota(tenant: ClusterTenant) -> dict[str, str]:
    compute = tenant.spec.spec.compute
    return {
        "limits.cpu": compute.cpu,
        "limits.ephemeral-storage": compute.ephemeral_storage,
        "limits.memory": compute.memory,
        "pods": str(compute.pods),
        "requests.cpu": compute.cpu,
        "requests.ephemeral-storage": compute.ephemeral_storage,
        "requests.memory": compute.memory,
        **device_limits(tenant),
    }


def _storage(tenant: ClusterTenant) -> dict[str, str]:
    """Return quota keys for the classes granted and for the sum, which also bounds classes that are not named."""
    hard: dict[str, str] = {}
    total, claims = parse_quantity("0"), 0
    for item in sorted(tenant.spec.spec.storage, key=lambda entry: entry.storage_class):
        prefix = f"{item.storage_class}.storageclass.storage.k8s.io"
        hard[f"{prefix}/persistentvolumeclaims"] = str(item.claims)
        hard[f"{prefix}/requests.storage"] = item.capacity
        capacity = parse_quantity(item.capacity)
        total = capacity + total
        claims += item.claims
    hard["persistentvolumeclaims"] = str(claims)
    hard["requests.storage"] = str(total)
    return hard


def _object_limits(cluster: Cluster) -> dict[str, int]:
    """Return a limit for every kind of object that a member of a tenant may create: one without would be endless."""
    limits: dict[str, int] = {}
    for right in rights(cluster, AccessRole.ADMIN):
        if "create" in right.verbs:
            limits.update((_quota_key(right.group, name), USUAL_LIMIT) for name in right.resources if "/" not in name)
    limits.pop("pods", None)  # a tenant's own number, beside its CPU and memory
    limits.update(OBJECT_LIMITS)
    if cluster.openshift:
        limits["count/routes.route.openshift.io"] = limits["count/ingresses.networking.k8s.io"]
    return {**limits, **CLOSED}


def _quota_key(group: str, resource: str) -> str:
    if group:
        return f"count/{resource}.{group}"
    return resource if resource in NAMED_RESOURCES else f"count/{resource}"


def _object_quota(tenant: ClusterTenant, counts: dict[str, int]) -> dict[str, str]:
    hard = {name: str(count) for name, count in counts.items()} | _storage(tenant)
    return dict(sorted(hard.items()))


def _limits(tenant: ClusterTenant) -> list[dict[str, Any]]:
    compute = tenant.spec.spec.compute
    most = {"cpu": compute.cpu, "memory": compute.memory, "ephemeral-storage": compute.ephemeral_storage}
    limits: list[dict[str, Any]] = [
        {
            "type": "Container",
            "default": {name: _smaller(CONTAINER_LIMITS[name], most[name]) for name in most},
            "defaultRequest": {name: _smaller(DEFAULT_REQUESTS[name], most[name]) for name in most},
            "max": most,
        }
    ]
    sizes = [item.capacity for item in tenant.spec.spec.storage]
    if sizes:
        limits.append({"type": "PersistentVolumeClaim", "max": {"storage": max(sizes, key=parse_quantity)}})
    return limits


def _smaller(left: str, right: str) -> str:
    return left if parse_quantity(left) <= parse_quantity(right) else right


def _cluster_quota(tenant: ClusterTenant, labels: dict[str, str]) -> Body:
    """Return the quota over all namespaces of the tenant, so that a second namespace gives no second share."""
    hard = dict(sorted({**device_limits(tenant), **_storage(tenant)}.items()))
    return manifest(
        "quota.openshift.io/v1",
        "ClusterResourceQuota",
        f"tenantry-{tenant.name}",
        labels=labels,
        spec={
            "selector": {"labels": {"matchLabels": {TENANT_LABEL: tenant.name}}},
            "quota": {"hard": hard},
        },
    )


def _notes(cluster: Cluster) -> Iterator[Note]:
    several = [tenant.name for tenant in cluster.tenants if len(tenant.namespaces) > 1]
    if several and not cluster.openshift:
        yield Note(
            "NOTE-QUOTA-PER-NAMESPACE",
            f"{len(several)} tenants with several namespaces",
            "a ResourceQuota bounds one namespace, so the sum over namespaces is bounded by the scheduler's queues "
            f"alone for GPUs, and by nothing for virtual functions and storage: {_some(several)}",
            "keep one namespace per tenant where the sum has to be bounded",
        )
    if not cluster.openshift:
        attached = [tenant.name for tenant in cluster.tenants if tenant.spec.spec.network.fabrics]
        if attached:
            yield Note(
                "NOTE-RDMA-MEMLOCK",
                f"{len(attached)} tenants on a fabric",
                "RDMA locks memory. Pod Security restricted refuses the capability IPC_LOCK, so the container runtime "
                f"has to raise the limit of locked memory for: {_some(attached)}",
                "set LimitMEMLOCK=infinity in the systemd unit of containerd on nodes wired to a fabric",
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
