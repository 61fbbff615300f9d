"""Objects that carry dashboards: Grafana for the platform team, the OpenShift console for everyone.

Grafana lets every viewer query every data source of its organisation, so one Grafana cannot keep tenants apart: only
the platform team gets it. On OpenShift tenants see their dashboard in the console, whose queries pass a proxy that
admits nothing but the namespace the user may see (Thanos Querier, port 9092).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.monitoring.dashboards import FLEET, PLATFORM, TENANT
from tenantry.compile.monitoring.panels import console_json, grafana_json, queries, uid
from tenantry.compile.monitoring.rules import SKIP_MISSING
from tenantry.compile.monitoring.scrape import operator_namespace
from tenantry.compile.monitoring.view import NAMESPACE
from tenantry.model.cluster import DEPARTMENT_LABEL, DOMAIN, TENANT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import ClusterTenant
    from tenantry.model.manifest import Body

API = "grafana.integreatly.org/v1beta1"
INSTANCE = {f"{DOMAIN}/grafana": "platform"}
"""Label of the Grafana that loads folders, dashboards and the data source."""

ACCOUNT = "tenantry-grafana"
TOKEN = "tenantry-grafana-token"

# Folders are closed to all but administrators until somebody opens them to a team of this Grafana.
CLOSED = '{"items":[{"permission":4,"role":"Admin"}]}'

_TITLE, _TENANT, _NAMESPACES = "%TITLE%", "%TENANT%", "%NAMESPACES%"


class TenantBoard:
    """The dashboard of tenants, rendered once; each tenant's is that text with names put in."""

    def __init__(self, view: View) -> None:
        owner = {"owner": f'tenant="{_TENANT}"', "namespaces": f'namespace=~"{_NAMESPACES}"'}
        self.view = replace(view, values={**view.values, **owner})

    @cached_property
    def _template(self) -> str:
        return grafana_json(TENANT, self.view, _TITLE)

    @cached_property
    def _uid(self) -> str:
        return uid(self.view.cluster.name, TENANT.name)

    def text(self, tenant: ClusterTenant) -> str:
        """Return the dashboard of a tenant; names of tenants and namespaces need no escaping in JSON."""
        return (
            self._template.replace(_TITLE, f"GPUs of {tenant.name}")
            .replace(_TENANT, tenant.name)
            .replace(_NAMESPACES, "|".join(tenant.namespaces))
            .replace(self._uid, uid(self.view.cluster.name, TENANT.name, tenant.name))
        )


def _grafana(kind: str, name: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> Body:
    chosen = {"instanceSelector": {"matchLabels": dict(INSTANCE)}, **spec}
    return manifest(API, kind, name, namespace=NAMESPACE, labels=labels, sync_options=SKIP_MISSING, spec=chosen)


def instance() -> Body:
    """Build the Grafana of the platform team: no anonymous users, nothing sent home, no way in from outside."""
    config = {
        "analytics": {"check_for_updates": "false", "reporting_enabled": "false"},
        "auth.anonymous": {"enabled": "false"},
        "users": {"allow_sign_up": "false", "viewers_can_edit": "false"},
    }
    return manifest(
        API,
        "Grafana",
        "tenantry",
        namespace=NAMESPACE,
        labels=INSTANCE,
        wave=-1,
        sync_options=SKIP_MISSING,
        spec={"config": config},
    )


def source(view: View) -> Iterable[Body]:
    """Yield the data source of the platform team, and on OpenShift the account whose token it reads by name."""
    if "plain" in view.flags:
        datasource = {
            "name": "platform",
            "type": "prometheus",
            "access": "proxy",
            "isDefault": True,
            "url": f"http://prometheus-operated.{operator_namespace(view.cluster, 'prometheus')}.svc:9090",
            "jsonData": {"httpMethod": "POST", "timeInterval": "30s"},
        }
        yield _grafana("GrafanaDatasource", "tenantry-platform", {"datasource": datasource})
        return
    yield manifest("v1", "ServiceAccount", ACCOUNT, namespace=NAMESPACE, wave=-1)
    yield manifest(
        "v1",
        "Secret",
        TOKEN,
        namespace=NAMESPACE,
        # Kubernetes fills in the token; Git never holds it.
        annotations={"kubernetes.io/service-account.name": ACCOUNT},
        wave=-1,
        type="kubernetes.io/service-account-token",
    )
    yield manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        ACCOUNT,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-monitoring-view"},
        subjects=[{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    )
    datasource = {
        "name": "platform",
        "type": "prometheus",
        "access": "proxy",
        "isDefault": True,
        "url": "https://thanos-querier.openshift-monitoring.svc.cluster.local:9091",
        "jsonData": {
            "httpHeaderName1": "Authorization",
            "httpMethod": "POST",
            "timeInterval": "30s",
            "tlsAuthWithCACert": True,
        },
        "secureJsonData": {"httpHeaderValue1": "Bearer ${token}", "tlsCACert": "${service-ca.crt}"},
    }
    token = {"secretKeyRef": {"name": TOKEN, "key": "token"}}
    authority = {"configMapKeyRef": {"name": "openshift-service-ca.crt", "key": "service-ca.crt"}}
    yield _grafana(
        "GrafanaDatasource",
        "tenantry-platform",
        {
            "datasource": datasource,
            "valuesFrom": [
                {"targetPath": "secureJsonData.httpHeaderValue1", "valueFrom": token},
                {"targetPath": "secureJsonData.tlsCACert", "valueFrom": authority},
            ],
        },
    )


def platform_dashboards(view: View) -> Iterable[Body]:
    """Yield the folder and the dashboards of the platform."""
    yield _grafana("GrafanaFolder", "tenantry-platform", {"title": "Platform", "permissions": CLOSED})
    for dashboard in PLATFORM:
        if view.has(dashboard.needs):
            spec = {"folderRef": "tenantry-platform", "json": grafana_json(dashboard, view)}
            yield _grafana("GrafanaDashboard", dashboard.name, spec)


def tenant_dashboard(board: TenantBoard, tenant: ClusterTenant) -> Iterable[Body]:
    """Yield the folder and the dashboard of one tenant."""
    labels = {TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department}
    name = f"tenantry-tenant-{tenant.name}"
    yield _grafana("GrafanaFolder", name, {"title": f"Tenant {tenant.name}", "permissions": CLOSED}, labels)
    yield _grafana("GrafanaDashboard", name, {"folderRef": name, "json": board.text(tenant)}, labels)


def console_dashboards(view: View) -> Iterable[Body]:
    """Yield dashboards of the OpenShift console: the fleet for administrators, one's own namespace for everyone."""
    yield _console(FLEET.name, console_json(FLEET, view), {"console.openshift.io/dashboard": "true"})
    if view.has(TENANT.needs):
        chosen = {
            "allValue": None,
            "includeAll": False,
            "label": "Namespace",
            "multi": False,
            "name": "namespace",
            "query": "label_values(tenantry_namespace_tenant, namespace)",
            "type": "query",
        }
        text = console_json(TENANT, _console_view(view), [chosen])
        labels = {"console.openshift.io/dashboard": "true", "console.openshift.io/odc-dashboard": "true"}
        yield _console(TENANT.name, text, labels)


def _console_view(view: View) -> View:
    mine = 'namespace="$namespace"'
    return replace(view, values={**view.values, "owner": mine, "namespaces": mine})


def _console(name: str, text: str, labels: dict[str, str]) -> Body:
    return manifest(
        "v1",
        "ConfigMap",
        f"dashboard-{name}",
        namespace="openshift-config-managed",
        labels=labels,
        data={f"{name}.json": text},
    )


def all_queries(view: View) -> Iterator[tuple[str, str]]:
    """Yield where and what the dashboards of a cluster query."""
    for dashboard in PLATFORM:
        if view.has(dashboard.needs):
            yield from queries(dashboard, view)
    if view.has(TENANT.needs):
        yield from queries(TENANT, _console_view(view))
