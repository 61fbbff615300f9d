from __future__ import annotations

import json
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from platform_schemas import platform_issues

from tenantry.compile.passes.operators import operators
from tenantry.io.yaml_read import load_documents

MANAGED = ["eks", "gke", "aks"]
ELSEWHERE = ["kubernetes", *MANAGED]


def lab() -> ClusterBuilder:
    return cluster().pool("training").fabric()


def wave(body: dict[str, Any]) -> int:
    return int(body["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))


# --- OpenShift ---------------------------------------------------------------------------------------------------


def test_subscriptions_are_pinned_and_wait_for_approval() -> None:
    for body in run(operators, lab()).kind("Subscription"):
        assert body["spec"]["installPlanApproval"] == "Manual"
        assert body["spec"]["channel"]
        assert body["spec"]["sourceNamespace"] == "openshift-marketplace"


def test_the_gpu_operator_is_subscribed_as_its_catalog_names_it() -> None:
    body = run(operators, lab().operator("gpu-operator", "26.3.3")).one("Subscription", "gpu-operator-certified")
    assert body["metadata"]["namespace"] == "nvidia-gpu-operator"
    assert body["spec"] == {
        "channel": "v26.3",
        "installPlanApproval": "Manual",
        "name": "gpu-operator-certified",
        "source": "certified-operators",
        "sourceNamespace": "openshift-marketplace",
        "startingCSV": "gpu-operator-certified.v26.3.3",
    }


def approved(outputs: Outputs, namespace: str) -> str:
    text: str = outputs.one("ConfigMap", "approved-csvs", namespace)["data"]["csvs"]
    return text


def test_what_is_approved_is_what_is_pinned() -> None:
    outputs = run(operators, lab().operator("gpu-operator", "26.3.3"))
    assert approved(outputs, "nvidia-gpu-operator") == "gpu-operator-certified.v26.3.3\n"


def test_operators_released_with_openshift_are_approved_by_its_release() -> None:
    outputs = run(operators, lab().openshift("4.20.5"))
    assert approved(outputs, "openshift-nfd") == "nfd.4.20.* nfd.v4.20.*\n"
    assert "startingCSV" not in outputs.one("Subscription", "nfd")["spec"]
    assert {note.subject for note in outputs.notes if note.id == "NOTE-CSV-BUILD"} == {
        "operator node-feature-discovery",
        "operator sriov-network-operator",
    }


def test_a_named_build_replaces_the_pattern() -> None:
    build = "nfd.4.20.0-202511051234"
    outputs = run(operators, lab().operator("node-feature-discovery", startingCSV=build))
    assert approved(outputs, "openshift-nfd") == f"{build}\n"
    assert outputs.one("Subscription", "nfd")["spec"]["startingCSV"] == build
    assert {note.subject for note in outputs.notes if note.id == "NOTE-CSV-BUILD"} == {
        "operator sriov-network-operator"
    }


def test_each_namespace_has_one_group_of_the_install_mode_its_operator_allows() -> None:
    outputs = run(operators, lab())
    groups = {body["metadata"]["namespace"]: body["spec"] for body in outputs.kind("OperatorGroup")}
    assert len(groups) == len(outputs.kind("OperatorGroup"))
    assert groups["nvidia-gpu-operator"] == {"targetNamespaces": ["nvidia-gpu-operator"]}
    assert groups["nvidia-network-operator"] == {"targetNamespaces": ["nvidia-network-operator"]}
    assert groups["redhat-ods-operator"] == {}
    assert set(groups) == {body["metadata"]["namespace"] for body in outputs.kind("Subscription")}


def test_approval_shares_the_wave_of_the_subscription_it_unblocks() -> None:
    # A later wave would wait for the subscription to be healthy, which it is only after approval.
    outputs = run(operators, lab())
    jobs = {body["metadata"]["namespace"]: wave(body) for body in outputs.kind("Job")}
    subscriptions = {body["metadata"]["namespace"]: wave(body) for body in outputs.kind("Subscription")}
    assert jobs == subscriptions
    for kind in ("Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap"):
        assert {wave(body) for body in outputs.kind(kind)} == {0}
    assert set(subscriptions.values()) == {1}


def test_the_approver_may_read_and_patch_plans_of_its_namespace_only() -> None:
    outputs = run(operators, lab())
    assert outputs.kind("ClusterRole") == []
    for role in outputs.kind("Role"):
        assert role["rules"] == [
            {
                "apiGroups": ["operators.coreos.com"],
                "resources": ["installplans"],
                "verbs": ["get", "list", "watch", "patch"],
            },
            {
                "apiGroups": ["operators.coreos.com"],
                "resources": ["clusterserviceversions"],
                "verbs": ["get", "list", "watch"],
            },
        ]


def test_the_approver_runs_bounded_and_harmless() -> None:
    for job in run(operators, lab()).kind("Job"):
        spec = job["spec"]
        pod = spec["template"]["spec"]
        (step,) = pod["containers"]
        assert spec["activeDeadlineSeconds"] >= 900
        assert {"name": "NAMESPACE", "value": job["metadata"]["namespace"]} in step["env"]
        assert step["command"] == ["/bin/sh", "/approved/approve.sh"]
        assert step["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["serviceAccountName"] == "installplan-approver"


@pytest.mark.parametrize(
    ("namespace", "level"),
    [
        ("nvidia-gpu-operator", "privileged"),
        ("nvidia-network-operator", "privileged"),
        ("openshift-sriov-network-operator", "privileged"),
        ("openshift-nfd", "privileged"),
        ("redhat-ods-operator", "baseline"),
        ("kai-scheduler", "baseline"),
    ],
)
def test_only_namespaces_that_touch_hosts_are_privileged(namespace: str, level: str) -> None:
    labels = run(operators, lab()).one("Namespace", namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == level


def test_the_platform_scrapes_namespaces_that_the_catalog_names() -> None:
    outputs = run(operators, lab())
    scraped = {
        body["metadata"]["name"]
        for body in outputs.kind("Namespace")
        if body["metadata"]["labels"].get("openshift.io/cluster-monitoring") == "true"
    }
    assert "nvidia-gpu-operator" in scraped
    assert "grafana-operator" not in scraped


def test_removing_an_operator_waits_for_a_person() -> None:
    outputs = run(operators, lab())
    for kind in ("Namespace", "OperatorGroup", "Subscription"):
        for body in outputs.kind(kind):
            assert body["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=confirm,Delete=confirm"


def test_what_delivers_the_tree_is_not_installed_by_it() -> None:
    outputs = run(operators, lab())
    assert not [body for body in outputs if body["metadata"].get("namespace") == "openshift-gitops-operator"]


def test_the_scheduler_without_olm_package_comes_as_a_chart_on_openshift_too() -> None:
    outputs = run(operators, lab())
    assert [chart.chart for chart in outputs.charts] == ["kai-scheduler"]
    assert outputs.chart("kai-scheduler").values["openshift"] is True


@pytest.mark.parametrize(
    ("builder", "about"),
    [
        pytest.param(lab().scheduler("kueue"), "the Red Hat build of Kueue", id="kueue on OpenShift"),
        pytest.param(lab().kubernetes(), "the admission webhooks of the SR-IOV operator", id="SR-IOV elsewhere"),
    ],
)
def test_certificates_come_from_an_operator_that_others_share(builder: ClusterBuilder, about: str) -> None:
    assert run(operators, builder).note("NOTE-CERT-MANAGER").subject == about


# --- elsewhere ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ELSEWHERE)
def test_elsewhere_there_is_no_olm(distribution: str) -> None:
    outputs = run(operators, lab().on(distribution))
    assert {body["kind"] for body in outputs} <= {"Namespace", "ResourceQuota"}
    assert not any("operators.coreos.com" in body["apiVersion"] for body in outputs)


def test_charts_of_plain_kubernetes() -> None:
    charts = {item.chart: item for item in run(operators, lab().kubernetes()).charts}
    assert sorted(charts) == [
        "gpu-operator",
        "grafana-operator",
        "kai-scheduler",
        "kube-prometheus-stack",
        "network-operator",
        "node-feature-discovery",
    ]
    assert charts["gpu-operator"].repository == "https://helm.ngc.nvidia.com/nvidia"
    assert charts["gpu-operator"].version == "v26.7.0"
    assert charts["kai-scheduler"].repository == "ghcr.io/kai-scheduler/kai-scheduler"


def test_every_chart_has_its_namespace() -> None:
    outputs = run(operators, lab().kubernetes())
    names = {body["metadata"]["name"] for body in outputs.kind("Namespace")}
    assert names == {chart.namespace for chart in outputs.charts}


def test_there_is_one_node_feature_discovery() -> None:
    outputs = run(operators, lab().kubernetes())
    assert outputs.chart("gpu-operator").values["nfd"] == {"enabled": False}
    assert outputs.chart("network-operator").values["nfd"]["enabled"] is False
    worker = outputs.chart("node-feature-discovery").values["worker"]
    pci = worker["config"]["sources"]["pci"]
    assert {"02", "0200", "0207", "03", "0300", "0302"} == set(pci["deviceClassWhitelist"])
    assert pci["deviceLabelFields"] == ["vendor"]
    assert {"key": "tenantry.dev/pool", "operator": "Exists", "effect": "NoSchedule"} in worker["tolerations"]


def test_virtual_functions_are_named_as_on_openshift() -> None:
    resolved = lab().kubernetes().build()
    values = run(operators, resolved).chart("network-operator").values
    sriov = values["sriov-network-operator"]
    assert values["sriovNetworkOperator"] == {"enabled": True}
    assert sriov["operator"]["resourcePrefix"] == "openshift.io"
    assert all(name.startswith("openshift.io/") for fabric in resolved.fabrics for name in fabric.resources)
    assert sriov["sriovOperatorConfig"] == {"deploy": False}, "the tree has that object"


def test_without_fabrics_there_is_no_network_operator() -> None:
    assert "network-operator" not in {chart.chart for chart in run(operators, cluster().kubernetes()).charts}


@pytest.mark.parametrize("distribution", MANAGED)
def test_nics_of_a_managed_service_are_left_alone(distribution: str) -> None:
    outputs = run(operators, lab().on(distribution))
    assert "network-operator" not in {chart.chart for chart in outputs.charts}


def test_the_chart_leaves_the_cluster_policy_to_the_tree() -> None:
    chart = run(operators, lab().kubernetes()).chart("gpu-operator")
    assert chart.component == "operators"
    assert chart.values["clusterPolicy"] == {"deployCR": False}
    assert "driver" not in chart.values


def test_a_chart_that_always_writes_the_cluster_policy_is_given_all_of_it() -> None:
    chart = run(operators, lab().kubernetes().operator("gpu-operator", "26.3.3")).chart("gpu-operator")
    assert chart.component == "gpu-operator", "it changes drivers, so it waits for a change window"
    assert chart.values["cdi"]["enabled"] is True
    assert chart.values["driver"]["version"] == "580.126.20"
    assert chart.values["driver"]["nvidiaDriverCRD"] == {"enabled": False, "deployDefaultCR": False}
    # The chart's name for what the resource calls podDeletion.
    assert chart.values["driver"]["upgradePolicy"]["gpuPodDeletion"]["force"] is False
    assert "podDeletion" not in chart.values["driver"]["upgradePolicy"]
    assert chart.values["nfd"] == {"enabled": False}
    assert chart.values["operator"] == {"runtimeClass": "nvidia", "cleanupCRD": False, "upgradeCRD": False}


def test_no_tenant_can_pass_by_the_queues_of_kai() -> None:
    values = run(operators, lab()).chart("kai-scheduler").values
    assert values["defaultQueue"] == {"createDefaultQueue": False}
    assert values["global"]["gpuSharing"] is False
    assert values["global"]["blockNvidiaVisibleDevices"] is True
    assert values["admission"]["gpuFractionRuntimeClassName"] == ""
    assert (values["kaiConfig"], values["kaiConfigDeployer"]) == ({"render": True}, {"enabled": False})


def test_placement_of_the_spec_reaches_the_scheduler() -> None:
    values = run(operators, lab().scheduler("kai", placement="spread")).chart("kai-scheduler").values
    assert values["scheduler"]["placementStrategy"] == "spread"


def test_kueue_holds_work_in_namespaces_of_tenants() -> None:
    values = run(operators, lab().kubernetes().scheduler("kueue")).chart("kueue").values
    (config,) = load_documents(values["managerConfig"]["controllerManagerConfigYaml"].encode(), "config")
    assert config.value["manageJobsWithoutQueueName"] is True
    assert values["enablePrometheus"] is True


def test_tenants_cannot_add_to_the_prometheus_of_the_platform() -> None:
    values = run(operators, lab().kubernetes()).chart("kube-prometheus-stack").values
    spec = values["prometheus"]["prometheusSpec"]
    for kind in ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor"):
        assert spec[f"{kind}NamespaceSelector"] == {
            "matchExpressions": [{"key": "tenantry.dev/tenant", "operator": "DoesNotExist"}]
        }
        assert spec[f"{kind}SelectorNilUsesHelmValues"] is False, "objects of operators carry no release label"


def test_without_observability_no_monitoring_is_installed() -> None:
    charts = {chart.chart for chart in run(operators, lab().kubernetes().observability(enabled=False)).charts}
    assert not charts & {"kube-prometheus-stack", "grafana-operator"}


def test_gke_lets_critical_pods_start() -> None:
    quota = run(operators, lab().gke()).one("ResourceQuota", namespace="gpu-operator")
    (term,) = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert term["scopeName"] == "PriorityClass"
    assert "system-node-critical" in term["values"]
    assert run(operators, lab().eks()).kind("ResourceQuota") == []


@pytest.mark.parametrize("distribution", MANAGED)
@pytest.mark.parametrize("managed_by", ["operator", "host"])
def test_a_managed_service_says_what_its_nodes_must_be(distribution: str, managed_by: str) -> None:
    outputs = run(operators, lab().on(distribution).driver(managedBy=managed_by))
    assert "kernel arguments" in outputs.note(f"NOTE-{distribution.upper()}-NODES").text
    assert managed_by in outputs.note(f"NOTE-{distribution.upper()}-GPU-NODES").text
    assert "Prometheus Operator" in outputs.note("NOTE-MANAGED-PROMETHEUS").text


@pytest.mark.parametrize(
    ("distribution", "managed_by", "says"),
    [
        pytest.param("gke", "host", "gpu-partition-size", id="GKE partitions by node pool"),
        pytest.param("aks", "host", "--gpu-instance-profile", id="AKS partitions by node pool"),
        pytest.param("gke", "operator", "node groups that keep a node over a reboot", id="GKE with our driver"),
        pytest.param("eks", "host", "node groups that keep a node over a reboot", id="EKS has no such setting"),
    ],
)
def test_mig_on_a_managed_service(distribution: str, managed_by: str, says: str) -> None:
    builder = cluster().on(distribution).driver(managedBy=managed_by).pool("serving", mig={"3g.71gb": 2})
    note = run(operators, builder).note(f"NOTE-{distribution.upper()}-MIG")
    assert note.subject == "node pool serving"
    assert says in note.action


def test_plain_kubernetes_has_no_notes_about_a_provider() -> None:
    notes = {note.id for note in run(operators, lab().kubernetes()).notes}
    assert notes == {"NOTE-CERT-MANAGER"}


@pytest.mark.parametrize("distribution", ["openshift", *ELSEWHERE])
@pytest.mark.parametrize("scheduler", ["kai", "kueue"])
def test_manifests_are_valid_and_values_are_plain_data(distribution: str, scheduler: str) -> None:
    outputs = run(operators, lab().on(distribution).scheduler(scheduler))
    assert platform_issues(outputs) == []
    for chart in outputs.charts:
        assert json.loads(json.dumps(chart.values)) == chart.values
        assert chart.version
        assert "{" not in chart.version


def test_a_pinned_version_nobody_tried_is_noted() -> None:
    untried = run(operators, cluster().pool("training").operator("gpu-operator", "99.1.0"))
    tried = run(operators, cluster().pool("training").operator("gpu-operator", "26.7.0"))

    assert "99.1.0" in untried.note("NOTE-VERSION-UNTRIED").text
    assert [note for note in tried.notes if note.id == "NOTE-VERSION-UNTRIED"] == []
