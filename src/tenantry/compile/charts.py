"""Helm charts: values for every operator that no Operator Lifecycle Manager installs.

Sources: ``values.yaml`` of NVIDIA gpu-operator, Mellanox network-operator, node-feature-discovery, KAI scheduler,
grafana-operator and kube-prometheus-stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.cluster_policy import chart_values, cluster_policy, owned_by_tree
from tenantry.compile.installs import GPU_TOLERATION, POOL_TOLERATION, by_olm
from tenantry.compile.kueue_config import kueue_chart_values
from tenantry.compile.monitoring.stack import ROUTE_MATCHING, exposed_labels
from tenantry.compile.passes.node_features import LABEL_FIELDS, PCI_CLASSES
from tenantry.compile.passes.node_labels import KAI_POOL_LABEL
from tenantry.compile.resolve import VF_PREFIX
from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.tree import Chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tenantry.model.cluster import Cluster

Values = dict[str, Any]

# Charts bring their definitions in a folder that Argo CD applies on every sync, so their own upgrade hooks, which may
# change any definition of the cluster, stay off.


def charts(cluster: Cluster) -> Iterable[Chart]:
    """Yield the charts of a cluster, ordered by operator."""
    for name in sorted(cluster.operators):
        chosen = cluster.operators[name]
        package = chosen.operator.helm
        if package is None or name not in _VALUES or by_olm(cluster, chosen) or _left_out(cluster, name):
            continue
        yield Chart(
            component=_component(cluster, name),
            repository=package.repository,
            chart=package.chart,
            version=package.version_for(chosen.version),
            release=name,
            namespace=package.namespace,
            values=_VALUES[name](cluster),
        )


def _left_out(cluster: Cluster, name: str) -> bool:
    # Providers own NICs and their drivers: there is nothing for the network operator to do.
    return name == "network-operator" and cluster.distribution.managed


def _component(cluster: Cluster, name: str) -> str:
    # A chart that writes the ClusterPolicy changes drivers, so it belongs to what waits for a change window.
    return "gpu-operator" if name == "gpu-operator" and not owned_by_tree(cluster) else "operators"


def _node_feature_discovery(cluster: Cluster) -> Values:
    sources = {"pci": {"deviceClassWhitelist": list(PCI_CLASSES), "deviceLabelFields": list(LABEL_FIELDS)}}
    return {
        "master": {"config": {"extraLabelNs": ["nvidia.com"]}},
        "worker": {
            "config": {"core": {"sleepInterval": "60s"}, "sources": sources},
            "tolerations": [GPU_TOLERATION, POOL_TOLERATION],
        },
    }


def _gpu_operator(cluster: Cluster) -> Values:
    # One NFD per cluster: the chart of its own.
    values: Values = {"nfd": {"enabled": False}, "operator": {"cleanupCRD": False, "upgradeCRD": False}}
    if owned_by_tree(cluster):
        return {"clusterPolicy": {"deployCR": False}, "gpuCluster": {"deployCR": False}, **values}
    policy = chart_values(cluster_policy(cluster))
    return {**policy, **values, "operator": {**policy["operator"], **values["operator"]}}


def _network_operator(cluster: Cluster) -> Values:
    certificates = {"certManager": {"enabled": True, "generateSelfSigned": True}, "custom": {"enabled": False}}
    return {
        "nfd": {"enabled": False, "deployNodeFeatureRules": True},
        "upgradeCRDs": False,
        "sriovNetworkOperator": {"enabled": True},
        "sriov-network-operator": {
            "operator": {
                # The chart's own prefix would give VFs another name than on OpenShift.
                "resourcePrefix": VF_PREFIX,
                "admissionControllers": {"enabled": True, "certificates": certificates},
            },
            # The configuration is a manifest of the tree; two owners would undo each other.
            "sriovOperatorConfig": {"deploy": False},
        },
    }


def _kai_scheduler(cluster: Cluster) -> Values:
    return {
        # Detected by asking the cluster, which rendering in Argo CD cannot.
        "openshift": cluster.openshift,
        "kaiConfigDeployer": {"enabled": False},
        "kaiConfig": {"render": True},
        "global": {
            # Fractions of a GPU would need pods that name devices themselves, which the container toolkit refuses.
            "gpuSharing": False,
            "blockNvidiaVisibleDevices": True,
            "nodePoolLabelKey": KAI_POOL_LABEL,
        },
        # Tenants may not use the runtime class that opens all GPUs of a node.
        "admission": {"gpuFractionRuntimeClassName": ""},
        "scheduler": {"placementStrategy": cluster.spec.platform.spec.scheduler.placement},
        # It is unlimited, so it would be a way around every quota.
        "defaultQueue": {"createDefaultQueue": False},
    }


def _kueue(cluster: Cluster) -> Values:
    values = kueue_chart_values(cluster)
    if cluster.spec.platform.spec.observability.enabled:
        values["enablePrometheus"] = True
    return values


def _grafana_operator(cluster: Cluster) -> Values:
    return {"namespaceScope": False}


def _prometheus(cluster: Cluster) -> Values:
    # Whatever the platform installs is scraped; a tenant cannot add rules or targets to the platform's Prometheus.
    platform = {"matchExpressions": [{"key": TENANT_LABEL, "operator": "DoesNotExist"}]}
    selectors: Values = {}
    for kind in ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor"):
        selectors[f"{kind}NamespaceSelector"] = platform
        selectors[f"{kind}SelectorNilUsesHelmValues"] = False
    return {
        # The Grafana operator installs it.
        "grafana": {"enabled": False},
        "alertmanager": {
            "alertmanagerSpec": {
                "alertmanagerConfigNamespaceSelector": platform,
                "alertmanagerConfigSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "tenantry"}},
                "alertmanagerConfigMatcherStrategy": dict(ROUTE_MATCHING),
            }
        },
        "kube-state-metrics": {"metricLabelsAllowlist": exposed_labels(cluster)},
        "prometheus": {"prometheusSpec": selectors},
        "prometheus-node-exporter": {"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]},
    }


_VALUES: Mapping[str, Callable[[Cluster], Values]] = {
    "gpu-operator": _gpu_operator,
    "grafana-operator": _grafana_operator,
    "kai-scheduler": _kai_scheduler,
    "kueue": _kueue,
    "network-operator": _network_operator,
    "node-feature-discovery": _node_feature_discovery,
    "prometheus": _prometheus,
}
"""Values per operator. The SR-IOV operator is not among them: the chart of the network operator brings it along."""
