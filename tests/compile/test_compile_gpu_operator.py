from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, cluster, run
from platform_schemas import platform_issues

from tenantry.compile.passes.gpu_operator import gpu_operator
from tenantry.compile.passes.operators import operators

EVERYWHERE = ["openshift", "kubernetes", "eks", "gke", "aks"]
HARDENED = [
    {"name": "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED", "value": "false"},
    {"name": "ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS", "value": "false"},
]


def lab() -> ClusterBuilder:
    return (
        cluster()
        .pool("training")
        .pool("serving", mig={"3g.71gb": 2})
        .pool("dev", "dell-r760xa-l40s", time_slicing=4)
        .fabric()
    )


def policy(builder: ClusterBuilder) -> dict[str, Any]:
    spec: dict[str, Any] = run(gpu_operator, builder).one("ClusterPolicy", "gpu-cluster-policy")["spec"]
    return spec


# --- hardening ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", EVERYWHERE)
def test_pods_cannot_name_devices_themselves_on_any_distribution(distribution: str) -> None:
    spec = policy(lab().on(distribution))
    assert spec["cdi"] == {"enabled": True, "nriPluginEnabled": False}
    assert spec["toolkit"]["enabled"] is True
    assert [item for item in spec["toolkit"]["env"] if item in HARDENED] == HARDENED
    # With CDI the operator sets the device list strategy; one set here would contradict the toolkit.
    assert "env" not in spec["devicePlugin"]


@pytest.mark.parametrize("distribution", EVERYWHERE[1:])
def test_a_chart_that_writes_the_policy_hardens_alike(distribution: str) -> None:
    values = run(operators, lab().on(distribution).operator("gpu-operator", "26.3.3")).chart("gpu-operator").values
    assert values["cdi"] == {"enabled": True, "nriPluginEnabled": False}
    assert [item for item in values["toolkit"]["env"] if item in HARDENED] == HARDENED
    assert values["daemonsets"] == policy(lab().on(distribution))["daemonsets"]


def test_daemon_sets_run_on_dedicated_and_on_tainted_gpu_nodes() -> None:
    daemons = policy(lab())["daemonsets"]
    assert daemons["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "tenantry.dev/pool", "operator": "Exists", "effect": "NoSchedule"},
    ]
    assert daemons["priorityClassName"] == "system-node-critical"


# --- ownership ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "owner"),
    [
        pytest.param(lab(), "tree", id="OpenShift"),
        pytest.param(lab().operator("gpu-operator", "25.10.1"), "tree", id="OpenShift, older operator"),
        pytest.param(lab().kubernetes(), "tree", id="chart that can leave it out"),
        pytest.param(lab().kubernetes().operator("gpu-operator", "26.3.3"), "chart", id="chart that cannot"),
        pytest.param(lab().kubernetes().operator("gpu-operator", "26.9.9"), "chart", id="images not known"),
    ],
)
def test_exactly_one_owner_writes_the_policy(builder: ClusterBuilder, owner: str) -> None:
    ours = run(gpu_operator, builder).kind("ClusterPolicy")
    charts = [chart for chart in run(operators, builder).charts if chart.chart == "gpu-operator"]
    theirs = [chart for chart in charts if chart.values.get("clusterPolicy") != {"deployCR": False}]
    assert (len(ours), len(theirs)) == ((1, 0) if owner == "tree" else (0, 1))


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_images_are_whole_or_absent(distribution: str) -> None:
    # The operator refuses an image of which only a part is given, and off OpenShift it knows no default.
    spec = policy(lab().on(distribution))
    for section, value in spec.items():
        given = {"repository", "image", "version"} & set(value) if isinstance(value, dict) else set()
        assert given in (set(), {"repository", "image", "version"}), section
    pinned = {section for section, value in spec.items() if isinstance(value, dict) and "version" in value}
    operands = {"toolkit", "devicePlugin", "gfd", "migManager", "dcgmExporter"}
    assert pinned == ({"driver"} if distribution == "openshift" else {"driver", *operands})


def test_images_are_those_of_the_release() -> None:
    # NVIDIA gpu-operator v26.7.0, deployments/gpu-operator/values.yaml.
    spec = policy(lab().kubernetes().operator("gpu-operator", "26.7.0"))
    found = {key: f"{value['repository']}/{value['image']}:{value['version']}" for key, value in spec.items()
             if "version" in value}  # fmt: skip
    assert found == {
        "driver": "nvcr.io/nvidia/driver:595.91.07",
        "toolkit": "nvcr.io/nvidia/k8s/container-toolkit:v1.20.0",
        "devicePlugin": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0",
        "gfd": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0",
        "migManager": "nvcr.io/nvidia/cloud-native/k8s-mig-manager:v0.15.0",
        "dcgmExporter": "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless",
    }


def test_removing_or_deleting_the_policy_waits_for_a_person() -> None:
    outputs = run(gpu_operator, lab().pool("old", driver={"version": "580.126.20"}))
    for kind in ("ClusterPolicy", "NVIDIADriver"):
        for body in outputs.kind(kind):
            options = body["metadata"]["annotations"]["argocd.argoproj.io/sync-options"].split(",")
            assert options == ["Prune=confirm", "Delete=confirm", "SkipDryRunOnMissingResource=true"]


# --- driver ------------------------------------------------------------------------------------------------------


def test_the_driver_is_pinned_and_upgraded_carefully() -> None:
    driver = policy(lab().driver(version="580.126.20", maxParallelUpgrades=2))["driver"]
    assert {key: driver[key] for key in ("repository", "image", "version")} == {
        "repository": "nvcr.io/nvidia",
        "image": "driver",
        "version": "580.126.20",
    }
    upgrade = driver["upgradePolicy"]
    assert upgrade["autoUpgrade"] is True, "otherwise pods of the old driver stay"
    assert upgrade["maxParallelUpgrades"] == 2
    assert upgrade["drain"]["enable"] is False, "a drain evicts pods without GPUs as well"
    assert upgrade["podDeletion"]["force"] is False


@pytest.mark.parametrize(
    ("gpudirect", "fabric", "rdma"),
    [
        pytest.param("dma-buf", True, {"enabled": False, "useHostMofed": False}, id="DMA-BUF needs no module"),
        pytest.param("peermem", True, {"enabled": True, "useHostMofed": False}, id="peermem on the driver we load"),
        pytest.param("peermem", False, {"enabled": True, "useHostMofed": True}, id="peermem on the host's driver"),
        pytest.param("off", True, {"enabled": False, "useHostMofed": False}, id="off"),
    ],
)
def test_how_nics_reach_gpu_memory(gpudirect: str, fabric: bool, rdma: dict[str, bool]) -> None:
    builder = cluster().pool("training").driver(gpudirect=gpudirect)
    assert policy(builder.fabric() if fabric else builder)["driver"]["rdma"] == rdma


def test_a_driver_of_its_own_makes_one_object_per_pool_that_covers_all() -> None:
    builder = lab().driver(version="595.91.07").pool("old", driver={"version": "580.126.20"})
    outputs = run(gpu_operator, builder)
    drivers = {body["metadata"]["name"]: body["spec"] for body in outputs.kind("NVIDIADriver")}
    assert {name: spec["version"] for name, spec in drivers.items()} == {
        "dev": "595.91.07",
        "old": "580.126.20",
        "serving": "595.91.07",
        "training": "595.91.07",
    }
    assert all(spec["nodeSelector"] == {"tenantry.dev/pool": name} for name, spec in drivers.items())
    assert all(spec["default"] is False and spec["repository"] == "nvcr.io/nvidia" for spec in drivers.values())
    driver = policy(builder)["driver"]
    assert driver["useNvidiaDriverCRD"] is True
    assert "version" not in driver, "two places for one version"


def test_drivers_share_the_wave_of_the_policy_that_waits_for_them() -> None:
    outputs = run(gpu_operator, lab().pool("old", driver={"version": "580.126.20"}))
    bodies = [*outputs.kind("NVIDIADriver"), *outputs.kind("ClusterPolicy")]
    assert {body["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for body in bodies} == {"1"}


def test_a_driver_of_the_node_image_is_left_alone() -> None:
    builder = lab().driver(managedBy="host").pool("old", driver={"version": "580.126.20"})
    assert policy(builder)["driver"] == {"enabled": False}
    assert run(gpu_operator, builder).kind("NVIDIADriver") == []


# --- configurations ----------------------------------------------------------------------------------------------


def test_configurations_are_named_by_what_they_hold() -> None:
    outputs = run(gpu_operator, lab())
    spec = outputs.one("ClusterPolicy")["spec"]
    maps = {body["metadata"]["name"]: body for body in outputs.kind("ConfigMap")}
    assert set(maps[spec["migManager"]["config"]["name"]]["data"]) == {"config.yaml"}
    assert set(maps[spec["devicePlugin"]["config"]["name"]]["data"]) == {"default", "dev-time-slicing-4"}
    assert set(maps[spec["dcgmExporter"]["config"]["name"]]["data"]) == {"dcgm-metrics.csv"}
    assert spec["devicePlugin"]["config"]["default"] == "default"
    # Any other default does nothing (gpu-operator, controllers/nodelabeling_controller.go).
    assert spec["migManager"]["config"]["default"] == "all-disabled"
    assert len(maps) == 3
    assert all(body["immutable"] and body["metadata"]["namespace"] == "nvidia-gpu-operator" for body in maps.values())


@pytest.mark.parametrize(
    ("builder", "strategy"),
    [
        pytest.param(cluster().pool("training"), "none", id="whole GPUs"),
        pytest.param(cluster().pool("training").pool("s", mig={"3g.71gb": 2}), "mixed", id="some are partitioned"),
    ],
)
def test_slices_have_names_of_their_own(builder: ClusterBuilder, strategy: str) -> None:
    assert policy(builder)["mig"] == {"strategy": strategy}


def test_without_sharing_there_are_no_configurations_to_choose_from() -> None:
    outputs = run(gpu_operator, cluster().pool("training"))
    assert [next(iter(body["data"])) for body in outputs.kind("ConfigMap")] == ["dcgm-metrics.csv"]
    spec = outputs.one("ClusterPolicy")["spec"]
    assert "config" not in spec["devicePlugin"]
    assert spec["migManager"]["config"] == {"default": "all-disabled"}


def test_metrics_are_scraped_where_monitoring_is_compiled() -> None:
    assert policy(lab())["dcgmExporter"]["serviceMonitor"]["enabled"] is True
    outputs = run(gpu_operator, lab().observability(enabled=False))
    assert outputs.one("ClusterPolicy")["spec"]["dcgmExporter"] == {
        "enabled": True,
        "serviceMonitor": {"enabled": False},
    }
    assert not [body for body in outputs.kind("ConfigMap") if "dcgm-metrics.csv" in body["data"]]


def test_node_level_alerts_have_data() -> None:
    assert policy(lab())["nodeStatusExporter"] == {"enabled": True}


# --- distributions -----------------------------------------------------------------------------------------------


def test_openshift_builds_the_driver_with_its_toolkit() -> None:
    assert policy(lab())["operator"]["use_ocp_driver_toolkit"] is True
    assert "use_ocp_driver_toolkit" not in policy(lab().kubernetes())["operator"]


def test_gke_with_the_driver_of_google() -> None:
    spec = policy(lab().gke().driver(managedBy="host"))
    assert spec["driver"] == {"enabled": False}
    assert spec["hostPaths"] == {"driverInstallDir": "/home/kubernetes/bin/nvidia"}
    assert spec["toolkit"]["installDir"] == "/home/kubernetes/bin/nvidia"
    assert spec["migManager"]["enabled"] is False


@pytest.mark.parametrize(("version", "from_file"), [("1.32", False), ("1.33", True), ("1.34", True)])
def test_gke_configures_containerd_by_file_from_1_33_on(version: str, from_file: bool) -> None:
    env = policy(lab().gke(version))["toolkit"]["env"]
    assert ({"name": "RUNTIME_CONFIG_SOURCE", "value": "file"} in env) is from_file
    assert {"name": "RUNTIME_CONFIG_SOURCE", "value": "file"} not in policy(lab().eks(version))["toolkit"]["env"]


@pytest.mark.parametrize(("distribution", "runtime_class"), [("eks", "nvidia"), ("aks", "nvidia-container-runtime")])
def test_node_images_that_bring_the_toolkit_are_said_to_be_unhardened(distribution: str, runtime_class: str) -> None:
    outputs = run(gpu_operator, lab().on(distribution).driver(managedBy="host"))
    spec = outputs.one("ClusterPolicy")["spec"]
    assert spec["toolkit"]["enabled"] is False
    assert spec["operator"]["runtimeClass"] == runtime_class
    assert "accept-nvidia-visible-devices-envvar-when-unprivileged" in outputs.note("NOTE-HOST-TOOLKIT").action


@pytest.mark.parametrize(("distribution", "reboot"), [("openshift", "false"), ("kubernetes", "false"), ("eks", "true")])
def test_virtual_machines_reboot_to_change_a_layout(distribution: str, reboot: str) -> None:
    assert policy(lab().on(distribution))["migManager"]["env"] == [{"name": "WITH_REBOOT", "value": reboot}]


@pytest.mark.parametrize("distribution", EVERYWHERE)
@pytest.mark.parametrize("managed_by", ["operator", "host"])
def test_manifests_are_valid(distribution: str, managed_by: str) -> None:
    builder = lab().on(distribution).driver(managedBy=managed_by)
    assert platform_issues(run(gpu_operator, builder)) == []
    assert platform_issues(run(gpu_operator, builder.pool("old", driver={"version": "580.126.20"}))) == []
