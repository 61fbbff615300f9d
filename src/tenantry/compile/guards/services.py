"""Services that only the cluster can reach, and no hand-made endpoints behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import HOSTS, granted
from tenantry.compile.guards.guard import Guard, Rule, Validation
from tenantry.compile.guards.hosts import DNS_ANNOTATION, published_names
from tenantry.compile.guards.requesters import administrators, controllers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Writes mirrored EndpointSlices for user-defined networks.
OVN_NAMESPACE = "openshift-ovn-kubernetes"


def services(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of Services and of what lies behind them."""
    yield Guard(
        "services",
        "N4, N7: addresses of nodes, load balancers and other hosts taken by a Service (CVE-2020-8554)",
        (Rule("", ("v1",), ("services",)),),
        (
            Validation(
                "object.spec.?type.orValue('ClusterIP') == 'ClusterIP'",
                "Services must be of type ClusterIP; publish them by a route or an ingress",
            ),
            Validation(
                "object.spec.?externalIPs.orValue([]).size() == 0",
                "spec.externalIPs must be empty: it would take over traffic to these addresses",
            ),
            Validation(
                published_names("object"),
                f"the annotation {DNS_ANNOTATION} names a host this namespace may not publish",
            ),
        ),
        variables=(("hosts", granted(HOSTS)),),
        same=(".spec.?type", ".spec.?externalIPs", ".spec.?externalName", ".metadata.?annotations"),
    )
    # Argo CD is not exempt: what it applies here may come from a tenant's repository.
    trusted = controllers([OVN_NAMESPACE] if cluster.openshift else [])
    yield Guard(
        "endpoints",
        "N5: a Service that leads to pods of another tenant through a proxy of the platform (CVE-2021-25740)",
        (Rule("", ("v1",), ("endpoints",)), Rule("discovery.k8s.io", ("v1",), ("endpointslices",))),
        (
            Validation(
                f"{administrators(cluster)} || {trusted}",
                "endpoints are written by the cluster from the selector of a Service",
            ),
        ),
    )
