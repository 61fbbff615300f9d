"""Values of the kube-prometheus-stack chart that the rules rely on, for platforms that are not OpenShift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster


def prometheus_values(cluster: Cluster) -> dict[str, Any]:
    """Return the chart values without which some alerts could not fire.

    Node labels (MIG state, pools) and queue labels of pods are metrics only when listed; rules and monitors of
    operators carry no release label, so the selectors must not ask for one. Grafana comes from its operator.

    Source: prometheus-community helm-charts, ``charts/kube-prometheus-stack/values.yaml`` and
    ``charts/kube-state-metrics/values.yaml``.
    """
    labels = ["nodes=[*]"]
    if cluster.spec.platform.spec.scheduler.type is SchedulerType.KAI:
        labels.append("pods=[kai.scheduler/queue]")
    selectors = ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor")
    return {
        "grafana": {"enabled": False},
        "kube-state-metrics": {"metricLabelsAllowlist": labels},
        "prometheus": {"prometheusSpec": {f"{kind}SelectorNilUsesHelmValues": False for kind in selectors}},
    }
