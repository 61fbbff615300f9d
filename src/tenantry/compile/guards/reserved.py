"""Kinds that only the platform writes in a tenant's namespace, whatever role somebody is given by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import ALL_CHANGES, Guard, Rule, Validation
from tenantry.compile.guards.requesters import administrators, controllers, outside_controllers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Guards of the tenant itself, and objects that would widen its rights, quota, queues or networks.
RESERVED = (
    Rule("", ("v1",), ("limitranges", "resourcequotas"), ALL_CHANGES),
    Rule("networking.k8s.io", ("v1",), ("networkpolicies",), ALL_CHANGES),
    Rule("rbac.authorization.k8s.io", ("v1",), ("rolebindings", "roles"), ALL_CHANGES),
    Rule("k8s.cni.cncf.io", ("*",), ("multi-networkpolicies", "network-attachment-definitions"), ALL_CHANGES),
    Rule(
        "k8s.ovn.org",
        ("*",),
        ("egressfirewalls", "egressqoses", "egressservices", "networkqoses", "userdefinednetworks"),
        ALL_CHANGES,
    ),
    Rule("sriovnetwork.openshift.io", ("*",), ("*",), ALL_CHANGES),
    Rule("kueue.x-k8s.io", ("*",), ("localqueues",), ALL_CHANGES),
    Rule("scheduling.run.ai", ("*",), ("bindrequests", "podgroups"), ALL_CHANGES),
    Rule("resource.k8s.io", ("*",), ("resourceclaims", "resourceclaimtemplates"), ALL_CHANGES),
    Rule("operators.coreos.com", ("*",), ("operatorgroups", "subscriptions"), ALL_CHANGES),
    Rule("gateway.networking.k8s.io", ("*",), ("referencegrants",), ALL_CHANGES),
)


def reserved(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guard of reserved kinds.

    Operators of the platform are service accounts of other namespaces and may write: OpenShift AI adds network policies
    and role bindings to workbenches, KubeRay roles to clusters, the scheduler pod groups.
    """
    yield Guard(
        "reserved-kinds",
        "A1, N1, Q1, X1, X3: guards of the tenant, networks, queues and rights of its own making",
        RESERVED,
        (
            Validation(
                f"{administrators(cluster)} || {controllers()} || {outside_controllers()}",
                "objects of this kind are set in Git by the platform team",
            ),
        ),
    )
