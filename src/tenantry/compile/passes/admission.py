"""Cluster-wide guards: priority classes, roles of tenants, and what the API server refuses in tenants' namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.guards import guards_of
from tenantry.compile.guards.roles import Right, rights, role_name
from tenantry.model.software import VersionNumber
from tenantry.model.spec import AccessRole, SchedulerType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster
    from tenantry.model.manifest import Body
    from tenantry.model.spec import PriorityTier

COMPONENT = "admission"

# ValidatingAdmissionPolicy is served as v1 and cannot be switched off by a feature gate from this minor on.
FIRST_MINOR = "1.30"

# Tiers from this value on are never preempted by KAI.
NEVER_PREEMPTED = 100


def admission(cluster: Cluster) -> Iterable[Piece | Note]:
    """Yield priority classes, roles, guards, and the notes on what they cannot enforce."""
    tiers = sorted(cluster.spec.platform.spec.priority_tiers, key=lambda tier: tier.name)
    yield from (Piece(COMPONENT, "priority-classes", _priority_class(tier)) for tier in tiers)
    yield from (Piece(COMPONENT, "roles", _role(cluster, role)) for role in AccessRole)
    if cluster.openshift:
        yield Piece(COMPONENT, "roles", _no_self_provisioning())
    for guard in guards_of(cluster):
        yield from (Piece(COMPONENT, f"guard-{guard.name}", body) for body in guard.manifests())
    yield from _notes(cluster)


def _priority_class(tier: PriorityTier) -> Body:
    return manifest(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        tier.name,
        value=tier.value,
        globalDefault=False,
        # The default scheduler preempts across namespaces, so a tier that preempts would take other tenants' places on
        # shared nodes. Queues preempt within their tenant by value and do not read this field.
        preemptionPolicy="Never",
        description=tier.description or f"Priority tier {tier.name}",
    )


def _role(cluster: Cluster, role: AccessRole) -> Body:
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        role_name(role),
        rules=[_rule(right) for right in rights(cluster, role)],
    )


def _rule(right: Right) -> dict[str, Any]:
    return {"apiGroups": [right.group], "resources": list(right.resources), "verbs": list(right.verbs)}


def _no_self_provisioning() -> Body:
    """Return OpenShift's binding that lets everybody create projects, with nobody in it.

    A project made by a user would lie outside every guard. The annotation keeps the cluster from restoring it.

    Source: OpenShift documentation, "Disabling project self-provisioning".
    """
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "self-provisioners",
        annotations={"rbac.authorization.kubernetes.io/autoupdate": "false"},
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "self-provisioner"},
        subjects=[],
    )


def _notes(cluster: Cluster) -> Iterator[Note]:
    if VersionNumber(cluster.kubernetes_minor) < VersionNumber(FIRST_MINOR):
        yield Note(
            "NOTE-ADMISSION-VERSION",
            f"Kubernetes {cluster.kubernetes_minor}",
            f"admission guards need Kubernetes {FIRST_MINOR}; this cluster refuses nothing beyond Pod Security",
            f"upgrade to Kubernetes {FIRST_MINOR} or later before tenants are let in",
        )
    yield from _tier_notes(cluster)
    if cluster.openshift:
        yield from _route_notes(cluster)


def _tier_notes(cluster: Cluster) -> Iterator[Note]:
    """Yield a note per tier that asks not to preempt although the scheduler decides by value alone."""
    platform = cluster.spec.platform.spec
    if platform.scheduler.type is SchedulerType.KUEUE:
        return
    for tier in sorted(platform.priority_tiers, key=lambda item: item.name):
        lower = sorted(
            other.name
            for other in platform.priority_tiers
            if other.value < tier.value and other.value < NEVER_PREEMPTED
        )
        if not tier.preempts and lower:
            yield Note(
                "NOTE-PRIORITY-PREEMPTS",
                f"priority tier {tier.name}",
                f"{platform.scheduler.type.value} preempts by value within a queue, so jobs of {tier.name} preempt "
                f"those of {', '.join(lower)} although preempts is false",
                "give both tiers the same value, or accept it",
            )


def _route_notes(cluster: Cluster) -> Iterator[Note]:
    """Yield a note per pair of namespaces whose routes could get one and the same generated host.

    The router names a route ``<route>-<namespace>``; with namespaces ``c`` and ``b-c``, route ``a-b`` of the first and
    route ``a`` of the second both become ``a-b-c``.
    """
    owners = {name: tenant.name for tenant in cluster.tenants for name in tenant.namespaces}
    for longer in sorted(owners):
        parts = longer.split("-")
        for count in range(1, len(parts)):
            shorter = "-".join(parts[count:])
            if owners.get(shorter, owners[longer]) != owners[longer]:
                yield Note(
                    "NOTE-ROUTE-HOSTS",
                    f"namespaces {shorter} and {longer}",
                    "generated route hosts of these namespaces of different tenants can collide; the older route wins",
                    "rename one of them, or have both tenants set spec.host",
                )
