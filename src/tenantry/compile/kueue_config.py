"""Kueue: which API its version serves, and the configuration of its manager as chart values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.software import VersionNumber

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster

# First versions that serve v1beta2; older ones know v1beta1 only, where cohortName is spelled cohort.
# Sources: kubernetes-sigs kueue, CHANGELOG 0.15; Red Hat build of Kueue 1.3 release notes (it is Kueue 0.16).
FIRST_V1BETA2 = {"upstream": VersionNumber("0.15"), "olm": VersionNumber("1.3")}

FRAMEWORKS: tuple[tuple[str, str], ...] = (
    ("BatchJob", "batch/job"),
    ("Deployment", "deployment"),
    ("JobSet", "jobset.x-k8s.io/jobset"),
    ("LeaderWorkerSet", "leaderworkerset.x-k8s.io/leaderworkerset"),
    ("MPIJob", "kubeflow.org/mpijob"),
    ("Pod", "pod"),
    ("PyTorchJob", "kubeflow.org/pytorchjob"),
    ("RayCluster", "ray.io/raycluster"),
    ("RayJob", "ray.io/rayjob"),
    ("StatefulSet", "statefulset"),
    ("TrainJob", "trainer.kubeflow.org/trainjob"),
)
"""Kinds of work that wait in queues: name on OpenShift and name upstream. Plain pods are among them, or they would be a
way around every queue."""


def modern(cluster: Cluster) -> bool:
    """Whether the installed Kueue serves v1beta2."""
    chosen = cluster.operators.get("kueue")
    if chosen is None:
        return True
    return VersionNumber(chosen.version) >= FIRST_V1BETA2["olm" if cluster.openshift else "upstream"]


def kueue_api(cluster: Cluster) -> str:
    """API version of Kueue objects."""
    return "kueue.x-k8s.io/v1beta2" if modern(cluster) else "kueue.x-k8s.io/v1beta1"


def kueue_chart_values(cluster: Cluster) -> dict[str, Any]:
    """Values of the Kueue chart.

    The manager takes its configuration as YAML in a string; JSON is YAML. The chart's default is replaced as a whole,
    so what it sets for health, metrics, webhooks and leader election is repeated here.

    Source: kubernetes-sigs kueue, charts/kueue/values.yaml and apis/config.
    """
    return {
        "managerConfig": {
            "controllerManagerConfigYaml": json.dumps(_manager_config(cluster), indent=2, ensure_ascii=False) + "\n"
        }
    }


def _manager_config(cluster: Cluster) -> dict[str, Any]:
    fair: dict[str, Any] = {"preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]}
    if not modern(cluster):
        # Naming the section is enough from v1beta2 on; before it must be switched on as well.
        fair = {"enable": True, **fair}
    return {
        "apiVersion": f"config.kueue.x-k8s.io/{'v1beta2' if modern(cluster) else 'v1beta1'}",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443", "enableClusterQueueResources": True},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "controller": {
            "groupKindConcurrency": {
                "Job.batch": 5,
                "Pod": 5,
                "Workload.kueue.x-k8s.io": 5,
                "LocalQueue.kueue.x-k8s.io": 1,
                "ClusterQueue.kueue.x-k8s.io": 1,
                "ResourceFlavor.kueue.x-k8s.io": 1,
            }
        },
        "clientConnection": {"qps": 50, "burst": 100},
        # Work without a queue name is held in namespaces of tenants, and nowhere else.
        "manageJobsWithoutQueueName": True,
        "managedJobsNamespaceSelector": {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]},
        "integrations": {"frameworks": [name for _, name in FRAMEWORKS]},
        "fairSharing": fair,
    }
