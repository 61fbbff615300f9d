"""The ClusterPolicy: what runs on every GPU node, hardened alike on all distributions.

Exactly one owner writes it. On OpenShift, and with charts that can leave it out, it is a manifest of this tree; older
charts always write one themselves, so there the same content becomes their values.

Source: NVIDIA gpu-operator, ``api/nvidia/v1/clusterpolicy_types.go`` and ``deployments/gpu-operator`` of each release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import content_hash
from tenantry.compile.dcgm import metrics_csv
from tenantry.compile.gpu_sharing import MIG_DISABLED, PLUGIN_DEFAULT, mig_config_map, plugin_config_map
from tenantry.compile.installs import GPU_TOLERATION, POOL_TOLERATION
from tenantry.model.software import VersionNumber
from tenantry.model.spec import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.cluster import ChosenOperator, Cluster

OPERATOR = "gpu-operator"
PRIORITY_CLASS = "system-node-critical"

# First chart with clusterPolicy.deployCR.
FIRST_WITHOUT_POLICY = VersionNumber("26.7")

# Where Google's installer puts the driver, read-only elsewhere (NVIDIA GPU Operator with GKE).
GKE_DRIVER_FOLDER = "/home/kubernetes/bin/nvidia"
# From here on containerd's configuration must be read from the file (NVIDIA GPU Operator with GKE).
GKE_FILE_CONFIG = VersionNumber("1.33")

_ROLES: Mapping[str, tuple[str, str, str]] = {
    # section: image role and part of the catalog, prefix and suffix of the tag around the version of the part
    "toolkit": ("container-toolkit", "v", ""),
    "devicePlugin": ("device-plugin", "v", ""),
    "gfd": ("device-plugin", "v", ""),
    "migManager": ("mig-manager", "v", ""),
    "dcgmExporter": ("dcgm-exporter", "", "-distroless"),
}


def host_driver(cluster: Cluster) -> bool:
    """Whether the node image brings the driver."""
    return cluster.spec.platform.spec.driver.managed_by == "host"


def host_toolkit(cluster: Cluster) -> bool:
    """Whether the node image brings the container toolkit too: GPU images of EKS and AKS do."""
    return host_driver(cluster) and cluster.distribution in {Distribution.EKS, Distribution.AKS}


def node_pool_partitions(cluster: Cluster) -> bool:
    """Whether MIG is set on the node pool of the provider, because the driver is not the operator's to restart."""
    return host_driver(cluster) and cluster.distribution in {Distribution.GKE, Distribution.AKS}


def per_pool_drivers(cluster: Cluster) -> bool:
    """Whether some pool has a driver version of its own, so that drivers are NVIDIADriver objects, one per pool."""
    return not host_driver(cluster) and any(pool.spec.driver is not None for pool in cluster.pools)


def owned_by_tree(cluster: Cluster) -> bool:
    """Whether the ClusterPolicy is a manifest of the tree; else the chart writes it from its values.

    Off OpenShift the operator knows no default images when the chart writes no policy, so the catalog has to know those
    of the release.
    """
    if cluster.openshift:
        return True
    chosen = cluster.operators[OPERATOR]
    known = chosen.operator.parts(chosen.version)
    return VersionNumber(chosen.version) >= FIRST_WITHOUT_POLICY and all(
        part in known for part, _, _ in _ROLES.values()
    )


def dcgm_config_map(cluster: Cluster) -> str:
    """Name of the ConfigMap with the list of metrics; empty when monitoring is not compiled."""
    if not cluster.spec.platform.spec.observability.enabled:
        return ""
    return f"dcgm-metrics-{content_hash(metrics_csv(cluster))}"


def image_triple(path: str, version: str) -> dict[str, str]:
    """Repository, image and version: the operator refuses an image of which only a part is given."""
    repository, _, image = path.rpartition("/")
    return {"repository": repository, "image": image, "version": version}


def driver_fields(cluster: Cluster, version: str) -> dict[str, Any]:
    """What ClusterPolicy and NVIDIADriver say alike about a driver."""
    chosen, driver = cluster.operators[OPERATOR], cluster.spec.platform.spec.driver
    return {
        **image_triple(chosen.operator.images["driver"], version),
        "kernelModuleType": driver.kernel_module,
        "usePrecompiled": False,
        "rdma": _rdma(cluster),
        "upgradePolicy": _upgrade_policy(cluster),
    }


def _rdma(cluster: Cluster) -> dict[str, bool]:
    # The switch loads nvidia-peermem, which DMA-BUF does not need. peermem is built against the RDMA stack of the DOCA
    # driver where the network operator loads one, else against the host's.
    peermem = cluster.spec.platform.spec.driver.gpudirect == "peermem"
    ours = bool(cluster.fabrics) and not cluster.distribution.managed
    return {"enabled": peermem, "useHostMofed": peermem and not ours}


def _upgrade_policy(cluster: Cluster) -> dict[str, Any]:
    return {
        "autoUpgrade": True,
        "maxParallelUpgrades": cluster.spec.platform.spec.driver.max_parallel_upgrades,
        "maxUnavailable": "25%",
        # Pods that hold a GPU are deleted; a drain would evict everything else of the node as well.
        "drain": {"enable": False, "force": False, "deleteEmptyDir": False, "timeoutSeconds": 300},
        # Shared memory of training pods is an emptyDir: refusing those would stop every upgrade. Pods without a
        # controller would not come back, so they stop it and a person decides.
        "podDeletion": {"force": False, "deleteEmptyDir": True, "timeoutSeconds": 300},
        "waitForCompletion": {"timeoutSeconds": 0},
    }


def cluster_policy(cluster: Cluster) -> dict[str, Any]:
    """Spec of the ClusterPolicy."""
    spec: dict[str, Any] = {
        "operator": _operator(cluster),
        "daemonsets": {
            "priorityClassName": PRIORITY_CLASS,
            "rollingUpdate": {"maxUnavailable": "1"},
            "tolerations": [GPU_TOLERATION, POOL_TOLERATION],
            "updateStrategy": "RollingUpdate",
        },
        "cdi": {"enabled": True, "nriPluginEnabled": False},
        "mig": {"strategy": cluster.mig_strategy},
        "driver": _driver(cluster),
        "toolkit": _toolkit(cluster),
        "devicePlugin": _device_plugin(cluster),
        "migManager": _mig_manager(cluster),
        # The exporter runs the engine itself; a second one would hold the profiling counters.
        "dcgm": {"enabled": False},
        "dcgmExporter": _dcgm_exporter(cluster),
        "gfd": {"enabled": True},
        # Without it, alerts about operands on nodes have no data.
        "nodeStatusExporter": {"enabled": True},
        "sandboxWorkloads": {"enabled": False},
    }
    if _google_driver(cluster):
        spec["hostPaths"] = {"driverInstallDir": GKE_DRIVER_FOLDER}
    if owned_by_tree(cluster) and not cluster.openshift:
        chosen = cluster.operators[OPERATOR]
        for section, triple in _images(chosen).items():
            spec[section].update(triple)
    return spec


def _images(chosen: ChosenOperator) -> dict[str, dict[str, str]]:
    parts = chosen.operator.parts(chosen.version)
    return {
        section: image_triple(chosen.operator.images[part], f"{before}{parts[part]}{after}")
        for section, (part, before, after) in _ROLES.items()
    }


def _google_driver(cluster: Cluster) -> bool:
    return host_driver(cluster) and cluster.distribution is Distribution.GKE


def _operator(cluster: Cluster) -> dict[str, Any]:
    if cluster.openshift:
        return {"runtimeClass": "nvidia", "use_ocp_driver_toolkit": True}
    # The runtime class of the node image of AKS; the operator's own would name a handler that is not there.
    aks = host_toolkit(cluster) and cluster.distribution is Distribution.AKS
    return {"runtimeClass": "nvidia-container-runtime" if aks else "nvidia"}


def _driver(cluster: Cluster) -> dict[str, Any]:
    if host_driver(cluster):
        return {"enabled": False}
    if per_pool_drivers(cluster):
        return {"enabled": True, "useNvidiaDriverCRD": True, "upgradePolicy": _upgrade_policy(cluster)}
    version = next(pool.driver for pool in cluster.pools)
    return {"enabled": True, "useNvidiaDriverCRD": False, **driver_fields(cluster, version)}


def _toolkit(cluster: Cluster) -> dict[str, Any]:
    if host_toolkit(cluster):
        return {"enabled": False}
    # Devices come through CDI from the device plugin alone. Otherwise any pod of the runtime class could name all GPUs
    # of its node in a variable or a mount, past quota and scheduler.
    env = {
        "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED": "false",
        "ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS": "false",
    }
    if cluster.distribution is Distribution.GKE and VersionNumber(cluster.kubernetes_minor) >= GKE_FILE_CONFIG:
        env["RUNTIME_CONFIG_SOURCE"] = "file"
    toolkit: dict[str, Any] = {"enabled": True, "env": [{"name": key, "value": value} for key, value in env.items()]}
    if _google_driver(cluster):
        toolkit["installDir"] = GKE_DRIVER_FOLDER
    return toolkit


def _device_plugin(cluster: Cluster) -> dict[str, Any]:
    plugin: dict[str, Any] = {"enabled": True}
    name = plugin_config_map(cluster)
    if name:
        plugin["config"] = {"name": name, "default": PLUGIN_DEFAULT}
    return plugin


def _mig_manager(cluster: Cluster) -> dict[str, Any]:
    if node_pool_partitions(cluster):
        return {"enabled": False}
    config = {"default": MIG_DISABLED}
    name = mig_config_map(cluster)
    if name:
        config["name"] = name
    # A GPU handed through to a virtual machine cannot be reset, only rebooted with it.
    reboot = "true" if cluster.distribution.managed else "false"
    return {"enabled": True, "config": config, "env": [{"name": "WITH_REBOOT", "value": reboot}]}


def _dcgm_exporter(cluster: Cluster) -> dict[str, Any]:
    name = dcgm_config_map(cluster)
    if not name:
        return {"enabled": True, "serviceMonitor": {"enabled": False}}
    # honorLabels keeps namespace and pod those of the workload instead of the exporter's.
    monitor = {"enabled": True, "honorLabels": True, "interval": "15s"}
    return {"enabled": True, "config": {"name": name}, "serviceMonitor": monitor}


def chart_values(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Write a ClusterPolicy spec as values of the chart, which names three things differently."""
    values = {key: dict(value) for key, value in spec.items()}
    driver = values["driver"]
    per_pool = driver.pop("useNvidiaDriverCRD", False)
    driver["nvidiaDriverCRD"] = {"enabled": per_pool, "deployDefaultCR": False}
    if "upgradePolicy" in driver:
        policy = dict(driver["upgradePolicy"])
        policy["gpuPodDeletion"] = policy.pop("podDeletion")
        driver["upgradePolicy"] = policy
    return values
