"""PrometheusRules: the constants of the spec, the signals, and one object per concern of alerts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.monitoring.alert import rule
from tenantry.compile.monitoring.alerts import active
from tenantry.compile.monitoring.maps import pool_rules, tenant_rules
from tenantry.compile.monitoring.signals import GROUPS
from tenantry.compile.monitoring.view import NAMESPACE
from tenantry.model.cluster import DEPARTMENT_LABEL, TENANT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import Cluster, ClusterTenant
    from tenantry.model.manifest import Body

API = "monitoring.coreos.com/v1"
SKIP_MISSING = "SkipDryRunOnMissingResource=true"
INTERVAL = "1m"

_QUERY_IN_TEXT = re.compile(r'query \(?(?:printf )?"([^"]*)"')


def prometheus_rule(name: str, groups: list[dict[str, Any]], labels: Mapping[str, str] | None = None) -> Body:
    """Build one PrometheusRule in the namespace of monitoring."""
    return manifest(
        API,
        "PrometheusRule",
        name,
        namespace=NAMESPACE,
        labels=labels,
        sync_options=SKIP_MISSING,
        spec={"groups": groups},
    )


def platform_rules(view: View, runbook: str) -> Iterable[tuple[str, Body]]:
    """Yield file names and PrometheusRules of the platform."""
    pools = [{"name": "tenantry-pools", "interval": INTERVAL, "rules": list(pool_rules(view))}]
    yield "maps", prometheus_rule("tenantry-pools", pools)
    recorded = []
    for group, signals in GROUPS:
        rules = [
            {"record": signal.record, "expr": view.fill(signal.expression)}
            for signal in signals
            if view.has(signal.needs)
        ]
        if rules:
            recorded.append({"name": f"tenantry-signals-{group}", "interval": INTERVAL, "rules": rules})
    yield "signals", prometheus_rule("tenantry-signals", recorded)
    for concern, _, alerts in active(view):
        warned = {"name": f"tenantry-{concern}", "rules": [rule(alert, view, runbook) for alert in alerts]}
        yield "alerts", prometheus_rule(f"tenantry-{concern}", [warned])


def tenant_rule(cluster: Cluster, tenant: ClusterTenant) -> Body:
    """Build the PrometheusRule that says who a tenant is and what it is entitled to."""
    group = {
        "name": f"tenantry-tenant-{tenant.name}",
        "interval": INTERVAL,
        "rules": list(tenant_rules(cluster, tenant)),
    }
    labels = {TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department}
    return prometheus_rule(f"tenantry-tenant-{tenant.name}", [group], labels)


def expressions(body: Body) -> Iterator[tuple[str, str]]:
    """Yield where and what a PrometheusRule queries: its rules, and the queries inside its texts."""
    for group in body["spec"]["groups"]:
        for item in group["rules"]:
            where = f"PrometheusRule {body['metadata']['name']}, {item.get('alert') or item.get('record')}"
            yield where, item["expr"]
            for text in item.get("annotations", {}).values():
                yield from ((f"{where}, text", query) for query in _QUERY_IN_TEXT.findall(text))
