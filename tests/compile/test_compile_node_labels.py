from __future__ import annotations

import json
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from platform_schemas import platform_issues

from tenantry.compile.gpu_sharing import mig_config_name, plugin_configs
from tenantry.compile.passes.gpu_operator import gpu_operator
from tenantry.compile.passes.node_labels import node_labels, pool_labels

HOSTS = ["dev-0.example.com", "serving-0.example.com", "serving-1.example.com", "training-0.example.com"]


def lab() -> ClusterBuilder:
    return (
        cluster()
        .pool("training", nodes=1, labels={"rack": "r1"})
        .pool("serving", mig={"3g.71gb": 2})
        .pool("dev", "dell-r760xa-l40s", nodes=1, time_slicing=4, dedicated=False)
    )


def applied(outputs: Outputs) -> dict[str, dict[str, str]]:
    """Labels per host, as the Job would apply them."""
    (config,) = outputs.kind("ConfigMap")
    nodes = json.loads(config["data"]["nodes.json"])
    assert (nodes["apiVersion"], nodes["kind"]) == ("v1", "List")
    assert all((node["apiVersion"], node["kind"]) == ("v1", "Node") for node in nodes["items"])
    return {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes["items"]}


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    pod = job["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_every_host_gets_the_labels_of_its_pool() -> None:
    resolved = lab().build()
    labels = applied(run(node_labels, resolved))
    assert sorted(labels) == HOSTS
    assert labels["training-0.example.com"] == {
        "rack": "r1",
        "kai.scheduler/node-pool": "training",
        "nvidia.com/mig.config": "all-disabled",
        "tenantry.dev/pool": "training",
    }
    assert labels["serving-1.example.com"]["nvidia.com/mig.config"] == mig_config_name(resolved.pool("serving"))
    assert labels["dev-0.example.com"]["nvidia.com/device-plugin.config"] == "dev-time-slicing-4"
    assert "nvidia.com/mig.config" not in labels["dev-0.example.com"], "an L40S cannot be partitioned"


def test_labels_name_entries_that_the_gpu_operator_is_given() -> None:
    resolved = lab().build()
    outputs = run(gpu_operator, resolved)
    (mig,) = [body for body in outputs.kind("ConfigMap") if "config.yaml" in body["data"]]
    for labels in applied(run(node_labels, resolved)).values():
        if "nvidia.com/mig.config" in labels:
            assert f"  {labels['nvidia.com/mig.config']}:\n" in mig["data"]["config.yaml"]
        if "nvidia.com/device-plugin.config" in labels:
            assert labels["nvidia.com/device-plugin.config"] in plugin_configs(resolved)


def test_a_pool_cannot_label_itself_out_of_its_own_name() -> None:
    resolved = cluster().pool("training", labels={"tenantry.dev/pool": "serving"}).build()
    assert pool_labels(resolved, resolved.pools[0])["tenantry.dev/pool"] == "training"


@pytest.mark.parametrize(("scheduler", "labelled"), [("kai", True), ("runai", True), ("kueue", False)])
def test_node_pools_of_the_scheduler_are_labelled_where_it_has_any(scheduler: str, labelled: bool) -> None:
    fields = {"controlPlaneUrl": "https://run.example.com", "clusterId": "c1"} if scheduler == "runai" else {}
    resolved = lab().scheduler(scheduler, **fields).build()
    assert ("kai.scheduler/node-pool" in pool_labels(resolved, resolved.pools[0])) is labelled


def test_labels_come_before_the_taints_of_dedicated_pools_and_no_other() -> None:
    job = run(node_labels, lab()).one("Job")
    commands = [step["command"] for step in steps(job)]
    assert commands[0] == [
        "kubectl",
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=tenantry-node-labels",
        "-f",
        "/config/nodes.json",
    ]
    serving = ["serving-0.example.com", "serving-1.example.com"]
    taint = ["kubectl", "taint", "nodes", "--overwrite"]
    assert commands[1:] == [
        [*taint, *serving, "tenantry.dev/pool=serving:NoSchedule"],
        [*taint, "training-0.example.com", "tenantry.dev/pool=training:NoSchedule"],
    ]


def test_the_job_reads_the_nodes_it_was_compiled_with() -> None:
    outputs = run(node_labels, lab())
    (config,) = outputs.kind("ConfigMap")
    volumes = outputs.one("Job")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "config", "configMap": {"name": config["metadata"]["name"]}} in volumes
    assert config["immutable"] is True


def test_access_is_to_patch_the_named_hosts_and_nothing_else() -> None:
    role = run(node_labels, lab()).one("ClusterRole")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": HOSTS, "verbs": ["get", "patch"]}
    ]


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_the_pod_is_harmless(distribution: str) -> None:
    job = run(node_labels, lab().on(distribution)).one("Job")
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # OpenShift assigns a user of the namespace's own range and refuses any other.
    assert ("runAsUser" in pod["securityContext"]) is (distribution == "kubernetes")
    for step in steps(job):
        context = step["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(step["resources"]) == {"requests", "limits"}
        assert step["command"][0] == "kubectl", "no shell"


def test_jobs_find_a_place_where_every_worker_is_dedicated() -> None:
    pod = run(node_labels, lab()).one("Job")["spec"]["template"]["spec"]
    tolerated = {item["key"] for item in pod["tolerations"]}
    assert {"tenantry.dev/pool", "node-role.kubernetes.io/control-plane"} <= tolerated


def test_the_job_runs_with_each_sync_and_the_last_one_stays_readable() -> None:
    annotations = run(node_labels, lab()).one("Job")["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/hook"] == "Sync"
    assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"


def test_the_job_comes_after_what_it_reads() -> None:
    outputs = run(node_labels, lab())
    waves = {
        body["kind"]: int(body["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))
        for body in outputs
    }
    needed = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap")
    assert max(waves[kind] for kind in needed) < waves["Job"] == waves["CronJob"]


def test_labels_changed_by_hand_are_put_back_by_the_same_pod() -> None:
    outputs = run(node_labels, lab())
    heal, job = outputs.one("CronJob"), outputs.one("Job")
    assert heal["spec"]["schedule"] == "*/15 * * * *"
    assert heal["spec"]["concurrencyPolicy"] == "Forbid"
    assert heal["spec"]["jobTemplate"]["spec"] == job["spec"]


def config_name(builder: ClusterBuilder) -> str:
    name: str = run(node_labels, builder).one("ConfigMap")["metadata"]["name"]
    return name


def test_the_nodes_are_renamed_only_when_something_about_them_changes() -> None:
    assert config_name(lab()) == config_name(lab().tenant("vision", pool="training", guaranteed=8))
    assert config_name(lab()) != config_name(lab().pool("spare", nodes=1))


def test_hosts_without_names_are_left_to_the_node_group() -> None:
    outputs = run(node_labels, cluster().eks().pool("training", named=False, selector={"group": "gpu"}))
    assert outputs.kind("Job") == []
    assert outputs.kind("ClusterRole") == []
    note = outputs.note("NOTE-NODE-LABELS")
    assert note.subject == "node pool training"
    for expected in (
        "tenantry.dev/pool=training",
        "nvidia.com/mig.config=all-disabled",
        "kai.scheduler/node-pool=training",
        "taint tenantry.dev/pool=training:NoSchedule",
    ):
        assert expected in note.action


def test_the_note_of_a_shared_pool_asks_for_no_taint() -> None:
    note = run(node_labels, cluster().pool("open", named=False, dedicated=False)).note("NOTE-NODE-LABELS")
    assert note.action.endswith("no taint")


def test_named_and_unnamed_pools_live_together() -> None:
    outputs = run(node_labels, lab().pool("cloud", named=False))
    assert outputs.note("NOTE-NODE-LABELS").subject == "node pool cloud"
    assert sorted(applied(outputs)) == HOSTS


def test_a_cluster_of_dedicated_nodes_is_told_to_keep_others() -> None:
    assert "outside the pools" in run(node_labels, cluster().pool("training")).note("NOTE-OTHER-NODES").action
    assert not [note for note in run(node_labels, lab()).notes if note.id == "NOTE-OTHER-NODES"]


@pytest.mark.parametrize("builder", [lab(), lab().kubernetes(), cluster().gke().pool("training", named=False)])
def test_the_namespace_of_the_jobs_admits_only_harmless_pods(builder: ClusterBuilder) -> None:
    labels = run(node_labels, builder).one("Namespace", "tenantry-system")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes", "eks", "gke", "aks"])
def test_manifests_are_valid(distribution: str) -> None:
    assert platform_issues(run(node_labels, lab().on(distribution))) == []
