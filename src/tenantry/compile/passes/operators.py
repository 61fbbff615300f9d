"""Operators: OLM objects on OpenShift, Helm charts elsewhere, and what a managed service cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.charts import charts
from tenantry.compile.cluster_policy import host_driver, node_pool_partitions
from tenantry.compile.installs import by_olm, pod_security_labels
from tenantry.compile.olm import WAVE_NAMESPACE, approved_names, install
from tenantry.model.software import VersionNumber
from tenantry.model.spec import Distribution, SharingMode
from tenantry.model.tree import Chart, Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.cluster import Cluster
    from tenantry.model.tree import Output

COMPONENT = "operators"
GITOPS = "openshift-gitops"

# Pods of these priority classes start on GKE only in namespaces whose quota names them (NVIDIA GPU Operator with GKE).
CRITICAL_CLASSES = ("system-cluster-critical", "system-node-critical")
CRITICAL_NAMESPACES = frozenset({"gpu-operator", "network-operator"})


def operators(cluster: Cluster) -> Iterable[Output]:
    """Yield what installs every operator of the platform, and notes on what installs nothing."""
    for name in sorted(cluster.operators):
        chosen = cluster.operators[name]
        package = chosen.operator.olm
        if name == GITOPS:
            continue  # it delivers this tree, so it is installed before the tree and not by it
        if package is not None and by_olm(cluster, chosen):
            for body in install(cluster, name, chosen, package):
                yield Piece(COMPONENT, name, body)
            if not chosen.csv:
                yield _build_note(cluster, name)
        yield from _untried(cluster, name)
    for chart in charts(cluster):
        yield from _chart_namespace(cluster, chart)
        yield chart
    yield from _prerequisites(cluster)
    if cluster.distribution.managed:
        yield from _managed_notes(cluster)


def _chart_namespace(cluster: Cluster, chart: Chart) -> Iterable[Piece]:
    yield Piece(
        COMPONENT,
        chart.release,
        manifest(
            "v1",
            "Namespace",
            chart.namespace,
            labels=pod_security_labels(chart.release),
            wave=WAVE_NAMESPACE,
            sync_options=GUARD_DELETE,
        ),
    )
    if cluster.distribution is Distribution.GKE and chart.release in CRITICAL_NAMESPACES:
        scope = {"operator": "In", "scopeName": "PriorityClass", "values": list(CRITICAL_CLASSES)}
        yield Piece(
            COMPONENT,
            chart.release,
            manifest(
                "v1",
                "ResourceQuota",
                "critical-pods",
                namespace=chart.namespace,
                spec={"hard": {"pods": "1000"}, "scopeSelector": {"matchExpressions": [scope]}},
            ),
        )


def _untried(cluster: Cluster, name: str) -> Iterable[Note]:
    pin, chosen = cluster.spec.platform.spec.operators.get(name), cluster.operators[name]
    if pin is not None and pin.version and chosen.version not in chosen.operator.known_good:
        yield Note(
            "NOTE-VERSION-UNTRIED",
            f"operator {name}",
            f"version {chosen.version} is none of those known to work with the rest of this platform: "
            f"{', '.join(chosen.operator.known_good)}",
            "try it on a platform of its own first",
        )


def _build_note(cluster: Cluster, name: str) -> Note:
    chosen = cluster.operators[name]
    return Note(
        "NOTE-CSV-BUILD",
        f"operator {name}",
        "it is released with OpenShift and its version carries a build stamp that cannot be known beforehand, so every "
        f"build of this release is approved: {' or '.join(approved_names(cluster, chosen))}",
        f"to pin one build, set operators.{name}.startingCSV in the Platform",
    )


def _prerequisites(cluster: Cluster) -> Iterable[Note]:
    if "openshift-ai" in cluster.operators and cluster.openshift:
        needs = "cert-manager and, for distributed inference, LeaderWorkerSet and Connectivity Link"
        if VersionNumber(cluster.operators["openshift-ai"].version) < VersionNumber("3"):
            needs = "Service Mesh 2, Serverless and Authorino where KServe serves models in serverless mode"
        yield Note(
            "NOTE-OPENSHIFT-AI-NEEDS",
            "OpenShift AI",
            f"some components need operators that the tree does not install: {needs}",
            "install them before the component openshift-ai is synced",
        )
    if "kueue" in cluster.operators and cluster.openshift:
        yield _cert_manager("the Red Hat build of Kueue")
    if "network-operator" in cluster.operators and cluster.distribution is Distribution.KUBERNETES:
        yield _cert_manager("the admission webhooks of the SR-IOV operator")


def _cert_manager(who: str) -> Note:
    return Note(
        "NOTE-CERT-MANAGER",
        who,
        "certificates come from cert-manager, which serves more than this platform and is not installed by the tree",
        "install cert-manager before the first sync",
    )


_GPU_NODES: Mapping[Distribution, tuple[str, str]] = {
    Distribution.EKS: (
        "an Ubuntu image without driver; nodes with Amazon Linux 2 cannot be mixed in",
        "a GPU image of Amazon Linux or Bottlerocket, which brings driver and container toolkit",
    ),
    Distribution.GKE: (
        "a Standard cluster with an Ubuntu node pool created with gpu-driver-version=disabled and the node label "
        "gke-no-default-nvidia-gpu-device-plugin=true",
        "a Standard cluster with the node label gke-no-default-nvidia-gpu-device-plugin=true and Google's driver "
        "installer",
    ),
    Distribution.AKS: (
        "node pools created without driver (--gpu-driver none, formerly --skip-gpu-driver-install)",
        "node pools with the driver of AKS, which brings the container toolkit too",
    ),
}
"""Node groups the GPU operator expects: with its own driver, and with the driver of the node image."""

_PARTITION_FLAG: Mapping[Distribution, str] = {
    Distribution.GKE: "gpu-partition-size",
    Distribution.AKS: "--gpu-instance-profile",
}


def _managed_notes(cluster: Cluster) -> Iterable[Note]:
    name = cluster.distribution.value
    yield Note(
        f"NOTE-{name.upper()}-NODES",
        f"nodes of {name}",
        "the provider owns node images: the tree cannot set kernel arguments, kubelet settings or NIC firmware",
        "set what is needed in the launch template or node configuration of each node group",
    )
    expected = _GPU_NODES[cluster.distribution][host_driver(cluster)]
    managed_by = cluster.spec.platform.spec.driver.managed_by
    yield Note(
        f"NOTE-{name.upper()}-GPU-NODES",
        f"GPU node groups of {name}",
        f"driver.managedBy is {managed_by}; for it the GPU operator expects {expected}",
        "create the node groups that way",
    )
    for pool in cluster.pools:
        if pool.mode is SharingMode.MIG:
            yield _partition_note(cluster, pool.name)
    if "prometheus" in cluster.operators:
        yield Note(
            "NOTE-MANAGED-PROMETHEUS",
            f"monitoring of {name}",
            "the tree installs kube-prometheus-stack and assumes that no other Prometheus Operator runs in the "
            "cluster; metrics services of the provider do not read its rules",
            "remove another Prometheus Operator first, or turn observability off in the Platform",
        )


def _partition_note(cluster: Cluster, pool: str) -> Note:
    name = cluster.distribution.value
    if node_pool_partitions(cluster):
        flag = _PARTITION_FLAG[cluster.distribution]
        return Note(
            f"NOTE-{name.upper()}-MIG",
            f"node pool {pool}",
            "the driver belongs to the node image, so GPUs are partitioned when nodes are created and every GPU alike; "
            "the MIG manager is off and the layout of the spec only sizes quotas",
            f"create the node pool with {flag} for the profile of the layout",
        )
    return Note(
        f"NOTE-{name.upper()}-MIG",
        f"node pool {pool}",
        "GPUs of virtual machines cannot be reset, so the MIG manager reboots a node to change its layout",
        "use node groups that keep a node over a reboot; automatic repair must not replace it meanwhile",
    )
