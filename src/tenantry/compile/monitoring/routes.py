"""Who is told: alerts of a tenant to its contacts, alerts of the platform to its receiver.

On OpenShift, Alertmanager adds ``namespace="<namespace of the object>"`` to every AlertmanagerConfig, so a route
can only see alerts that carry the namespace it lies in: each namespace of a tenant gets one. Elsewhere the compiled
chart turns that off and reads routes from namespaces of the platform only: one per tenant is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import manifest
from tenantry.compile.monitoring.alert import TENANT
from tenantry.compile.monitoring.rules import SKIP_MISSING
from tenantry.compile.monitoring.view import NAMESPACE
from tenantry.model.cluster import DEPARTMENT_LABEL, TENANT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import ClusterTenant
    from tenantry.model.manifest import Body

NAME = "tenantry-alerts"

# The string is a whole file to the monitoring operator, so it cannot be merged key by key.
CLUSTER_MONITORING = "enableUserWorkload: true\nalertmanagerMain:\n  enableUserAlertmanagerConfig: true\n"


def addresses(tenant: ClusterTenant) -> list[str]:
    """E-mail addresses of a tenant, each once, sorted."""
    return sorted({contact.email for contact in tenant.spec.spec.contacts if contact.email})


def tenant_routes(view: View, tenant: ClusterTenant) -> Iterable[Body]:
    """Yield the AlertmanagerConfigs of a tenant; none when it has no e-mail address."""
    to = addresses(tenant)
    if not to:
        return
    if view.cluster.openshift:
        yield from (_route(tenant, NAME, namespace, to) for namespace in tenant.namespaces)
    else:
        yield _route(tenant, f"{NAME}-{tenant.name}", NAMESPACE, to)


def _route(tenant: ClusterTenant, name: str, namespace: str, to: list[str]) -> Body:
    matchers = {"tenant": ("=", tenant.name), "audience": ("=", TENANT), "severity": ("=~", "warning|critical")}
    route = {
        "receiver": "contacts",
        "groupBy": ["alertname", "pool"],
        "groupWait": "1m",
        "groupInterval": "10m",
        "repeatInterval": "12h",
        "matchers": [{"name": key, "matchType": how, "value": value} for key, (how, value) in matchers.items()],
    }
    receiver = {"name": "contacts", "emailConfigs": [{"to": ", ".join(to), "sendResolved": True}]}
    return manifest(
        "monitoring.coreos.com/v1alpha1",
        "AlertmanagerConfig",
        name,
        namespace=namespace,
        labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
        wave=1,
        sync_options=SKIP_MISSING,
        spec={"route": route, "receivers": [receiver]},
    )


def cluster_monitoring() -> Body:
    """Build the ConfigMap that lets OpenShift's Alertmanager read AlertmanagerConfigs of namespaces."""
    return manifest(
        "v1",
        "ConfigMap",
        "cluster-monitoring-config",
        namespace="openshift-monitoring",
        sync_options="ServerSideApply=true,Prune=false,Delete=false",
        data={"config.yaml": CLUSTER_MONITORING},
    )


def platform_route(view: View) -> str:
    """Return the route that a person adds to the configuration of Alertmanager, as text.

    An AlertmanagerConfig can only name receivers it defines itself, and a receiver holds secrets, so this cannot be
    an object in Git.
    """
    receiver = view.cluster.spec.platform.spec.observability.alert_receiver or "RECEIVER"
    matchers = [f'platform="{view.cluster.name}"', 'audience="platform"', 'severity=~"warning|critical"']
    lines = [
        "route:",
        "  routes:",
        "  - matchers:",
        *(f"    - '{matcher}'" for matcher in matchers),
        f"    receiver: {receiver}",
        "    group_by: [alertname, pool, node]",
    ]
    return "\n".join(lines) + "\n"
