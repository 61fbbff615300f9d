"""Who a guard lets through: the platform's administrators and the controllers that keep a cluster running.

Exemptions are the weak point of any guard, so each guard names the narrowest set that works. Service accounts are
recognised by the namespace they live in, which the API server puts into the user name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import one_of_prefixes, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

USER = "request.userInfo.?username.orValue('')"
GROUPS = "request.userInfo.?groups.orValue([])"

# Kubernetes' own controllers; they act as these when they do not use service accounts of kube-system.
SYSTEM_USERS = ("system:apiserver", "system:kube-controller-manager")


def administrators(cluster: Cluster) -> str:
    """CEL: whether the requester is a platform administrator."""
    groups = {"system:masters", *cluster.spec.platform.spec.gitops.admin_groups}
    if cluster.openshift:
        groups.add("system:cluster-admins")
    return f"{GROUPS}.exists(g, g in {texts(sorted(groups))})"


def controllers(namespaces: Iterable[str] = ()) -> str:
    """CEL: whether the requester is a controller of Kubernetes or a service account of one of these namespaces."""
    prefixes = [f"system:serviceaccount:{name}:" for name in sorted({"kube-system", *namespaces})]
    return f"({USER} in {texts(SYSTEM_USERS)} || {one_of_prefixes(USER, prefixes)})"


def outside_controllers() -> str:
    """CEL: whether the requester is a service account that does not belong to the request's namespace."""
    return (
        f"({USER}.startsWith('system:serviceaccount:') && "
        f"!{USER}.startsWith('system:serviceaccount:' + request.namespace + ':'))"
    )


def platform_requesters(cluster: Cluster) -> str:
    """CEL: whether the requester may change what the platform sets up: administrators, Argo CD, system controllers."""
    systems = [f"system:serviceaccount:{cluster.argocd_namespace}:"]
    if cluster.openshift:
        # Nobody but the cluster itself can create namespaces of this prefix: project requests refuse it.
        systems.append("system:serviceaccount:openshift-")
    return f"{administrators(cluster)} || {controllers()} || {one_of_prefixes(USER, systems)}"
