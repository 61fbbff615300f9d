"""Monitoring: rules, scrape targets, dashboards, routes, and the runbook that goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import manifest
from tenantry.compile.components import tenant_component
from tenantry.compile.monitoring import grafana, law, routes, rules, runbook, scrape
from tenantry.compile.monitoring.view import NAMESPACE, view_of
from tenantry.model.tree import Note, Piece, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import Cluster
    from tenantry.model.tree import Output

COMPONENT = "monitoring"


def monitoring(cluster: Cluster) -> Iterable[Output]:
    """Yield everything that watches the platform; nothing when observability is off.

    Raises:
        ValueError: if an expression uses a metric that nobody exports on this platform: a mistake in this package.
    """
    if not cluster.spec.platform.spec.observability.enabled:
        return
    view = view_of(cluster)
    yield Piece(COMPONENT, "namespace", _namespace(view))
    yield from _rules(view)
    yield from (Piece(COMPONENT, "monitors", body) for body in scrape.monitors(view))
    yield from _dashboards(view)
    yield from _routes(view)
    yield Text(runbook.PATH, runbook.runbook(view))
    yield from _notes(view)


def _namespace(view: View) -> dict[str, object]:
    # Platform monitoring reads rules and monitors only from namespaces with this label.
    labels = {"openshift.io/cluster-monitoring": "true"} if "openshift" in view.flags else {}
    labels["pod-security.kubernetes.io/enforce"] = "baseline"
    return manifest("v1", "Namespace", NAMESPACE, labels=labels, wave=-2, sync_options="Prune=confirm,Delete=confirm")


def _rules(view: View) -> Iterator[Piece]:
    cluster = view.cluster
    path = "/".join(part for part in (cluster.spec.platform.spec.gitops.path, runbook.PATH) if part)
    pieces = [Piece(COMPONENT, file, body) for file, body in rules.platform_rules(view, path)]
    pieces += [
        Piece(COMPONENT, f"tenant-{tenant.name}", rules.tenant_rule(cluster, tenant)) for tenant in cluster.tenants
    ]
    allowed = law.available(view)
    # Rules of tenants are constants, and as many as there are tenants: they use no metric.
    law.check(
        (
            pair
            for piece in pieces
            if piece.file in {"alerts", "signals", "maps"}
            for pair in rules.expressions(piece.body)
        ),
        allowed,
    )
    law.check(grafana.all_queries(view), allowed)
    yield from pieces


def _dashboards(view: View) -> Iterator[Piece]:
    cluster = view.cluster
    if cluster.openshift:
        yield from (Piece(COMPONENT, "console", body) for body in grafana.console_dashboards(view))
    if not cluster.spec.platform.spec.observability.grafana:
        return
    yield Piece(COMPONENT, "grafana", grafana.instance())
    yield from (Piece(COMPONENT, "grafana", body) for body in grafana.source(view))
    yield from (Piece(COMPONENT, "dashboards", body) for body in grafana.platform_dashboards(view))
    board = grafana.TenantBoard(view)
    for tenant in cluster.tenants:
        file = f"tenant-{tenant.name}"
        yield from (Piece(COMPONENT, file, body) for body in grafana.tenant_dashboard(board, tenant))


def _routes(view: View) -> Iterator[Piece]:
    cluster = view.cluster
    if cluster.openshift:
        yield Piece(COMPONENT, "cluster-monitoring", routes.cluster_monitoring())
    for tenant in cluster.tenants:
        component, file = (tenant_component(tenant.name).name, "alerts")
        if not cluster.openshift:
            component, file = COMPONENT, f"tenant-{tenant.name}"
        yield from (Piece(component, file, body) for body in routes.tenant_routes(view, tenant))


def _notes(view: View) -> Iterator[Note]:
    cluster = view.cluster
    observability = cluster.spec.platform.spec.observability
    yield Note(
        "NOTE-ALERT-ROUTE",
        "alerts for the platform team",
        f"alerts for the platform reach receiver {observability.alert_receiver} only when Alertmanager has a route "
        "to it"
        if observability.alert_receiver
        else "no receiver is named for alerts of the platform",
        f"add the route at the end of {runbook.PATH} to the configuration of Alertmanager, which holds secrets"
        + ("" if observability.alert_receiver else ", and name the receiver in observability.alertReceiver"),
    )
    if any(routes.addresses(tenant) for tenant in cluster.tenants):
        yield Note(
            "NOTE-ALERT-EMAIL",
            "alerts for tenants",
            "tenants with an e-mail contact get their alerts by e-mail; Alertmanager refuses these routes while it "
            "has no "
            "mail server",
            "set smtp_smarthost and smtp_from in the global section of Alertmanager's configuration",
        )
    if cluster.openshift:
        yield Note(
            "NOTE-CLUSTER-MONITORING",
            "ConfigMap openshift-monitoring/cluster-monitoring-config",
            "its config.yaml is one string, so applying it replaces settings that another source may have put there",
            "if it is already managed elsewhere, add alertmanagerMain.enableUserAlertmanagerConfig and "
            "enableUserWorkload "
            "there, and leave the file cluster-monitoring.yaml out of this tree",
        )
    yield from _blind_spots(view)


def _blind_spots(view: View) -> Iterator[Note]:
    if view.cluster.spec.platform.spec.observability.grafana:
        tenants_see = (
            "tenants see their own namespaces in the OpenShift console (Observe, Dashboards)"
            if view.cluster.openshift
            else "tenants have no dashboards of their own here"
        )
        yield Note(
            "NOTE-GRAFANA-SHARED",
            "Grafana",
            "every viewer of a Grafana may query all of its data sources, so the compiled Grafana is for the "
            "platform team "
            f"and its folders are closed; {tenants_see}",
            "give tenants a Grafana of their own only with a data source that enforces their namespaces",
        )
    if "shared" in view.flags:
        yield Note(
            "NOTE-SHARED-METRICS",
            "node pools with time-slicing or MPS",
            "the DCGM exporter cannot say which pod uses how much of a shared GPU: alerts name the GPU and the "
            "tenants on "
            "its node, and idle pods on it are not seen",
            "use MIG where use must be attributed",
        )
    if "mig" in view.flags and "utilisation" in view.flags:
        yield Note(
            "NOTE-MIG-ACTIVITY",
            "node pools with MIG",
            "activity of MIG slices is a profiling metric, and profiling metrics are off: idle slices are not seen",
            "set observability.profilingMetrics to true",
        )
