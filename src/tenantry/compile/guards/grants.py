"""What a namespace may use, written on it as annotations that guards read.

The values are parameters of the guards. They live on the Namespace because guards see ``namespaceObject`` without a
look-up that could fail, and because no tenant can write its Namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import text
from tenantry.compile.names import network_names, queue_names
from tenantry.model.cluster import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, ClusterTenant

POOLS = f"{DOMAIN}/pools"
QUEUES = f"{DOMAIN}/queues"
PRIORITIES = f"{DOMAIN}/priorities"
HOSTS = f"{DOMAIN}/hosts"
NETWORKS = f"{DOMAIN}/networks"
STORAGE_CLASSES = f"{DOMAIN}/storage-classes"


def namespace_grants(cluster: Cluster, tenant: ClusterTenant) -> dict[str, dict[str, str]]:
    """Return the grant annotations of every namespace of a tenant; lists are sorted and comma-joined, '' when empty."""
    common = {
        POOLS: _joined(tenant.pools),
        QUEUES: _joined(queue_names(cluster, tenant)),
        PRIORITIES: _joined(tenant.priorities),
        HOSTS: _joined(tenant_hosts(cluster, tenant)),
        STORAGE_CLASSES: _joined(item.storage_class for item in tenant.spec.spec.storage),
    }
    return {
        name: {**common, NETWORKS: _joined(network_names(cluster, tenant, name))} for name in sorted(tenant.namespaces)
    }


def tenant_hosts(cluster: Cluster, tenant: ClusterTenant) -> tuple[str, ...]:
    """Host names under which a tenant may publish: each stands for itself and everything below it."""
    domain = cluster.spec.platform.spec.ingress_domain
    own = (f"{tenant.name}.{domain}",) if domain else ()
    return tuple(sorted({*own, *tenant.spec.spec.network.hosts}))


def granted(annotation: str) -> str:
    """CEL: the list of values that an annotation of the request's namespace grants."""
    return f"namespaceObject.metadata.?annotations[?{text(annotation)}].orValue('').split(',').filter(v, v != '')"


def _joined(values: Iterable[str]) -> str:
    return ",".join(sorted(set(values)))
