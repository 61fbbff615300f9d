"""Freeze of the labels and annotations of governed namespaces: every other guard and network rule trusts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import ALL_CHANGES, Guard, Rule, Validation, text, texts
from tenantry.compile.guards.requesters import platform_requesters
from tenantry.model.cluster import DOMAIN, TENANT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

OURS = f"{DOMAIN}/"

PROTECTED_PREFIXES = (
    OURS,
    "pod-security.kubernetes.io/",
    "security.openshift.io/",
    # SCC ranges, node selector, cluster monitoring.
    "openshift.io/",
    # Identities that network policies of the platform admit.
    "policy-group.network.openshift.io/",
    "network.openshift.io/",
    # Primary user-defined network, open ports, multicast, egress gateways.
    "k8s.ovn.org/",
    # Dynamic resource allocation with administrator access; the second spelling is that of Kubernetes 1.33 and earlier.
    "resource.kubernetes.io/",
    "resource.k8s.io/",
    "kueue.openshift.io/",
    "kueue.x-k8s.io/",
    "kueue-managed",
    "kai.scheduler/",
    "runai/",
    # Default tolerations and node selectors of a namespace.
    "scheduler.alpha.kubernetes.io/",
    # Hands the namespace to an Argo CD instance.
    "argocd.argoproj.io/",
    # Address pools and encapsulation of other network plugins.
    "cni.projectcalico.org/",
    "ipam.cilium.io/",
    "ovn.kubernetes.io/",
)

RESERVED_PREFIXES = ("kube-", "openshift-")
RESERVED_NAMES = ("default", "openshift")


def namespaces(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guard of namespaces; it looks at all of them, since a label selector would follow the new labels."""
    rule = Rule("", ("v1",), ("namespaces", "namespaces/status", "namespaces/finalize"), ALL_CHANGES)
    protected = f"{texts(PROTECTED_PREFIXES)}.exists(p, k.startsWith(p))"
    maps = {
        "old_labels": "oldObject == null ? {} : oldObject.metadata.?labels.orValue({})",
        "new_labels": "object == null ? {} : object.metadata.?labels.orValue({})",
        "old_annotations": "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
        "new_annotations": "object == null ? {} : object.metadata.?annotations.orValue({})",
    }
    ours = " || ".join(f"variables.{name}.exists(k, k.startsWith({text(OURS)}))" for name in maps)
    frozen = " && ".join(_frozen(kind, protected) for kind in ("labels", "annotations"))
    reserved = " || ".join(
        (
            *(f"request.name.startsWith({text(prefix)})" for prefix in RESERVED_PREFIXES),
            f"request.name in {texts(sorted({*RESERVED_NAMES, cluster.argocd_namespace}))}",
        )
    )
    yield Guard(
        "namespaces",
        "N3, N7, H2, G11, Q5: labels and annotations of namespaces that security rests on",
        (rule,),
        (
            Validation(
                f"variables.trusted || !variables.governed || ({frozen})",
                "labels and annotations of this namespace that security rests on are set in Git by the platform team",
            ),
            Validation(
                f"!({text(TENANT_LABEL)} in variables.new_labels) || !({reserved})",
                "a namespace of the cluster itself cannot belong to a tenant",
            ),
        ),
        variables=(
            *maps.items(),
            ("governed", ours),
            ("trusted", platform_requesters(cluster)),
        ),
        everywhere=True,
    )


def _frozen(kind: str, protected: str) -> str:
    new, old = f"variables.new_{kind}", f"variables.old_{kind}"
    kept = f"{new}.all(k, !{protected} || (k in {old} && {old}[k] == {new}[k]))"
    none_lost = f"{old}.all(k, !{protected} || k in {new})"
    return f"{kept} && {none_lost}"
