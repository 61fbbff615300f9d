"""ServiceMonitors for what nobody else scrapes.

Left to their owners: the GPU Operator makes the monitor of the DCGM exporter and its own (``serviceMonitor.enabled``),
OpenShift GitOps those of Argo CD, the chart of Kueue its own
(``enablePrometheus``), and the cluster's monitoring those of node exporter and kube-state-metrics. A second
monitor of the same target would count everything twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.monitoring.rules import API, SKIP_MISSING
from tenantry.compile.monitoring.view import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.compile.monitoring.view import View
    from tenantry.model.cluster import Cluster
    from tenantry.model.manifest import Body


@dataclass(frozen=True, slots=True)
class Target:
    """Services that are scraped alike.

    Attributes:
        name: name of the ServiceMonitor.
        namespace: namespace of the services.
        selector: label selector of the services.
        port: name of the port.
        secured: whether the port speaks TLS and asks for the scraper's token.
        reason: why we scrape it.
    """

    name: str
    namespace: str
    selector: dict[str, Any]
    port: str
    secured: bool
    reason: str


def targets(view: View) -> Iterable[Target]:
    """Yield what to scrape on a cluster.

    Source: KAI scheduler, ``docs/metrics/service-monitors.yaml`` (the service of a scheduler is named after its shard);
    Kueue, ``config/prometheus/monitor.yaml`` and openshift kueue-operator,
    ``bindata/assets/kueue-operator/controller-manager-metrics-service.yaml``; Argo CD,
    ``docs/operator-manual/metrics.md``.
    """
    cluster = view.cluster
    if "kai" in view.flags:
        namespace = operator_namespace(cluster, "kai-scheduler")
        schedulers = ["kai-scheduler-default", *(f"kai-scheduler-{pool.name}" for pool in cluster.pools)]
        chosen = {"matchExpressions": [{"key": "app", "operator": "In", "values": sorted(set(schedulers))}]}
        reason = "KAI makes monitors only together with a Prometheus of its own, and never one of its schedulers"
        yield Target("kai-queue-controller", namespace, _app("queue-controller"), "metrics", False, reason)
        yield Target("kai-schedulers", namespace, chosen, "http-metrics", False, reason)
    if "kueue" in view.flags and cluster.openshift:
        labels = {"matchLabels": {"control-plane": "controller-manager"}}
        yield Target(
            "kueue",
            operator_namespace(cluster, "kueue"),
            labels,
            "https",
            True,
            "the operator makes the service but no monitor",
        )
    if not cluster.openshift:
        argocd = {"matchLabels": {"app.kubernetes.io/name": "argocd-metrics"}}
        yield Target("argocd", cluster.argocd_namespace, argocd, "metrics", False, "Argo CD's manifests make none")


def operator_namespace(cluster: Cluster, name: str) -> str:
    """Namespace in which an operator of the catalog runs on this cluster.

    Raises:
        KeyError: if the cluster does not run it.
    """
    operator = cluster.operators[name].operator
    package = operator.olm if cluster.openshift and operator.olm else operator.helm
    if package is None:
        raise KeyError(name)
    return package.namespace


def _app(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app": name}}


def monitors(view: View) -> Iterable[Body]:
    """Yield the ServiceMonitors, and on OpenShift the access that lets Prometheus find their targets."""
    found = list(targets(view))
    for target in found:
        yield _service_monitor(target)
    if view.cluster.openshift:
        for namespace in sorted({target.namespace for target in found}):
            yield from _discovery_access(namespace)


def _service_monitor(target: Target) -> Body:
    endpoint: dict[str, Any] = {"port": target.port, "interval": "30s"}
    if target.secured:
        endpoint |= {
            "scheme": "https",
            "path": "/metrics",
            "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
            # The controller signs its own certificate; only metrics cross this connection.
            "tlsConfig": {"insecureSkipVerify": True},
        }
    spec = {
        "endpoints": [endpoint],
        "namespaceSelector": {"matchNames": [target.namespace]},
        "selector": target.selector,
    }
    return manifest(
        API,
        "ServiceMonitor",
        f"tenantry-{target.name}",
        namespace=NAMESPACE,
        annotations={"tenantry.dev/reason": target.reason},
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _discovery_access(namespace: str) -> Iterable[Body]:
    """Let the platform's Prometheus list the services of a namespace; it may do so only where it is told to."""
    name = "tenantry-prometheus"
    verbs = ["get", "list", "watch"]
    yield manifest(
        "rbac.authorization.k8s.io/v1",
        "Role",
        name,
        namespace=namespace,
        rules=[
            {"apiGroups": [""], "resources": ["endpoints", "pods", "services"], "verbs": verbs},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
        ],
    )
    yield manifest(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        name,
        namespace=namespace,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "openshift-monitoring"}],
    )
