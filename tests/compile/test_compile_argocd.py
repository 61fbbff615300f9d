"""What Argo CD gets: closed projects, Applications in waves, guards on what drains nodes."""

from __future__ import annotations

import pytest
from builders import ClusterBuilder, Outputs, cluster

from tenantry.compile.compiler import Compilation, compile_cluster
from tenantry.compile.passes.argocd import TENANT_FORBIDDEN_KINDS

WINDOW = {"schedule": "0 20 * * 5", "duration": "8h", "timeZone": "Europe/Amsterdam"}


def two_tenants() -> ClusterBuilder:
    return (
        cluster()
        .openshift()
        .pool("training")
        .fabric("roce")
        .tenant("vision", pool="training", guaranteed=8, repositories=["https://git.example.com/vision.git"],
                namespaces=["vision-train", "vision-serve"], access=[{"group": "vision", "role": "edit"}])
        .tenant("search", pool="training", guaranteed=8)
    )  # fmt: skip


def compiled(builder: ClusterBuilder) -> tuple[Compilation, Outputs]:
    compilation = compile_cluster(builder.build())
    return compilation, Outputs(compilation.pieces)


def test_the_default_project_is_locked() -> None:
    _, outputs = compiled(two_tenants())

    spec = outputs.one("AppProject", "default")["spec"]

    assert (spec["sourceRepos"], spec["destinations"], spec["clusterResourceWhitelist"]) == ([], [], [])


def test_a_tenant_deploys_its_repositories_into_its_namespaces_and_nothing_else() -> None:
    _, outputs = compiled(two_tenants())

    spec = outputs.one("AppProject", "tenant-vision")["spec"]

    assert spec["sourceRepos"] == ["https://git.example.com/vision.git"]
    assert [item["namespace"] for item in spec["destinations"]] == ["vision-serve", "vision-train"]
    assert spec["clusterResourceWhitelist"] == []
    forbidden = {(item["group"], item["kind"]) for item in spec["namespaceResourceBlacklist"]}
    assert forbidden == set(TENANT_FORBIDDEN_KINDS)
    assert {("rbac.authorization.k8s.io", "RoleBinding"), ("networking.k8s.io", "NetworkPolicy"),
            ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"), ("", "ResourceQuota")} <= forbidden  # fmt: skip


def test_a_tenant_without_repositories_has_a_project_that_deploys_nothing() -> None:
    _, outputs = compiled(two_tenants())

    assert outputs.one("AppProject", "tenant-search")["spec"]["sourceRepos"] == []
    assert [body["metadata"]["name"] for body in outputs.kind("ApplicationSet")] == ["tenant-vision"]


def test_no_project_is_open_to_every_namespace_or_cluster_kind() -> None:
    _, outputs = compiled(two_tenants())

    for project in outputs.kind("AppProject"):
        spec = project["spec"]
        assert all("*" not in item["namespace"] for item in spec["destinations"]), project["metadata"]["name"]
        assert all(item["kind"] != "*" for item in spec["clusterResourceWhitelist"]), project["metadata"]["name"]
        assert "*" not in spec["sourceRepos"]


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes", "eks", "gke", "aks"])
def test_projects_cover_every_compiled_object(distribution: str) -> None:
    """An object outside its project's kinds or namespaces would make every sync fail."""
    compilation = compile_cluster(cluster().on(distribution).tenant("a", pool="training", guaranteed=1).build())
    projects = {
        p.body["metadata"]["name"]: p.body["spec"] for p in compilation.pieces if p.body["kind"] == "AppProject"
    }
    owner = {component.name: component.project for component in compilation.components}

    for piece in compilation.pieces:
        if piece.component == "bootstrap":
            continue
        spec = projects[owner[piece.component]]
        namespace = piece.body["metadata"].get("namespace")
        if namespace:
            assert namespace in {item["namespace"] for item in spec["destinations"]}, piece.body
        else:
            group = piece.body["apiVersion"].rpartition("/")[0]
            kinds = {(item["group"], item["kind"]) for item in spec["clusterResourceWhitelist"]}
            assert (group, piece.body["kind"]) in kinds, piece.body


def test_every_component_is_delivered_by_exactly_one_application() -> None:
    compilation, outputs = compiled(two_tenants())

    paths = [app["spec"]["source"].get("path") for app in outputs.kind("Application")]

    folders = {component.folder for component in compilation.components} - {"bootstrap"}
    assert sorted(path for path in paths if path) == sorted(folders)


def test_waves_order_providers_before_users() -> None:
    compilation, _ = compiled(two_tenants())
    wave = {component.name: component.wave for component in compilation.components}

    assert wave["operators"] < wave["node-features"] < wave["network-operator"] < wave["sriov"]
    assert wave["operators"] < wave["gpu-operator"] < wave["tenant-vision"]
    assert wave["admission"] < wave["tenant-vision"]  # no tenant before its guards


def test_every_application_survives_what_happens_on_a_first_sync() -> None:
    _, outputs = compiled(two_tenants())

    for app in outputs.kind("Application"):
        policy = app["spec"]["syncPolicy"]
        assert {"ServerSideApply=true", "SkipDryRunOnMissingResource=true"} <= set(policy["syncOptions"])
        assert policy["retry"]["limit"] == 10
        assert app["spec"]["project"] != "default"


def test_disruptive_applications_wait_for_the_change_windows() -> None:
    compilation, outputs = compiled(two_tenants().gitops(changeWindows=[WINDOW]))

    windows = outputs.one("AppProject", "platform")["spec"]["syncWindows"]

    disruptive = sorted(component.name for component in compilation.components if component.disruptive)
    assert [window["applications"] for window in windows] == [disruptive]
    assert "gpu-operator" in disruptive
    assert {key: windows[0][key] for key in ("kind", *WINDOW)} == {"kind": "allow", **WINDOW}
    assert not [note for note in compilation.notes if note.id == "NOTE-CHANGE-WINDOWS"]


def test_without_change_windows_a_note_says_so() -> None:
    compilation, _ = compiled(two_tenants())

    assert [note.id for note in compilation.notes if note.id == "NOTE-CHANGE-WINDOWS"]


def test_charts_become_applications_of_their_own_off_openshift() -> None:
    compilation, outputs = compiled(cluster().kubernetes().tenant("a", pool="training", guaranteed=1))

    releases = {chart.release for chart in compilation.charts}
    apps = {app["metadata"]["name"]: app["spec"]["source"] for app in outputs.kind("Application")}
    assert releases
    for chart in compilation.charts:
        source = apps[f"chart-{chart.release}"]
        assert (source["chart"], source["targetRevision"]) == (chart.chart, chart.version)
        assert chart.repository in outputs.one("AppProject", "platform")["spec"]["sourceRepos"]


def test_health_checks_reach_argo_cd_on_both_kinds_of_cluster() -> None:
    _, openshift = compiled(two_tenants())
    _, kubernetes = compiled(cluster().kubernetes())

    kinds = {check["kind"] for check in openshift.one("ArgoCD")["spec"]["resourceHealthChecks"]}
    keys = set(kubernetes.one("ConfigMap", "argocd-cm")["data"])
    assert {"Application", "ClusterPolicy", "NicClusterPolicy", "DataScienceCluster"} <= kinds
    assert "resource.customizations.health.argoproj.io_Application" in keys


def test_only_the_platform_team_administers_argo_cd() -> None:
    _, outputs = compiled(two_tenants().gitops(adminGroups=["sre", "gpu-admins"]))

    rbac = outputs.one("ArgoCD")["spec"]["rbac"]

    assert rbac["policy"] == "g, gpu-admins, role:admin\ng, sre, role:admin\n"
    assert rbac["defaultPolicy"] == ""


def test_argo_cd_itself_is_pinned_and_not_synced_by_itself() -> None:
    compilation, _ = compiled(two_tenants())
    bootstrap = Outputs(piece for piece in compilation.pieces if piece.component == "bootstrap")

    spec = bootstrap.one("Subscription", "openshift-gitops-operator")["spec"]

    chosen = compilation.cluster.operators["openshift-gitops"]
    assert (spec["startingCSV"], spec["installPlanApproval"]) == (chosen.csv, "Manual")
    assert [app["spec"]["source"]["path"] for app in bootstrap.kind("Application")] == ["apps"]


def test_a_chart_that_drives_nodes_waits_for_the_change_windows_too() -> None:
    """Before 26.7 the chart of the GPU Operator owns the ClusterPolicy."""
    builder = cluster().kubernetes().operator("gpu-operator", "25.10.1").gitops(changeWindows=[WINDOW])
    compilation, outputs = compiled(builder)

    [window] = outputs.one("AppProject", "platform")["spec"]["syncWindows"]

    assert "gpu-operator" in {chart.component for chart in compilation.charts}
    assert "chart-gpu-operator" in window["applications"]
