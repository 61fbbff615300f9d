"""Monitoring: what is watched on which platform, with thresholds of the spec and only with metrics that exist."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
from builders import Outputs, cluster, run
from schema_check import ROOT

from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.compile.charts import charts
from tenantry.compile.dcgm import collected_metrics
from tenantry.compile.monitoring import grafana, law, rules, signals
from tenantry.compile.monitoring.alerts import CONCERNS
from tenantry.compile.monitoring.gpu_alerts import HEALTH
from tenantry.compile.monitoring.promql import metrics
from tenantry.compile.monitoring.runbook import PATH, alert_table
from tenantry.compile.monitoring.view import FLAGS, View, label_metric, metric_resource, view_of
from tenantry.compile.monitoring.xid import XIDS, any_of
from tenantry.compile.passes.monitoring import monitoring
from tenantry.io.yaml_read import load_documents
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.schema import SchemaSet

if TYPE_CHECKING:
    from builders import ClusterBuilder

    from tenantry.model.manifest import Body

MINUTES = {"idleMinutes": 45, "starvationMinutes": 90, "quotaWarningPercent": 80}
NAMESPACE = "tenantry-monitoring"


def platform(distribution: str = "openshift", scheduler: str = "kai", **observability: Any) -> ClusterBuilder:
    """A platform with whole, MIG and time-sliced GPUs, a fabric where there can be one, and two tenants."""
    fields = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "c1"} if scheduler == "runai" else {}
    builder = cluster().on(distribution).scheduler(scheduler, **fields).observability(**{**MINUTES, **observability})
    builder.pool("training").pool("dev", time_slicing=4, nodes=1, named=False)
    if distribution in {"openshift", "kubernetes"}:
        builder.pool("serving", mig={"3g.71gb": 2}, nodes=1).fabric()
    contacts = [{"name": "on call", "email": "vision@example.com"}, {"name": "lead", "email": "lead@example.com"}]
    builder.tenant("vision", pool="training", guaranteed=8, limit=12, namespaces=["vision", "vision-dev"],
                   contacts=contacts)  # fmt: skip
    return builder.tenant("speech", pool="dev", guaranteed=2, department="products")


PLATFORMS = [
    pytest.param(platform(distribution, scheduler, profilingMetrics=profiling),
                 id=f"{distribution} with {scheduler}{'' if profiling else ' without profiling'}")
    for distribution in ("openshift", "kubernetes", "eks", "gke", "aks")
    for scheduler in ("kai", "kueue", "runai")
    for profiling in (True, False)
]  # fmt: skip


def alerts_of(outputs: Outputs) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for body in outputs.kind("PrometheusRule")
        for group in body["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def records_of(outputs: Outputs) -> list[dict[str, Any]]:
    bodies = outputs.kind("PrometheusRule")
    return [rule for body in bodies for group in body["spec"]["groups"] for rule in group["rules"] if "record" in rule]


def expressions_of(outputs: Outputs, view: View) -> list[tuple[str, str]]:
    """Everything that Prometheus will be asked."""
    found = [pair for body in outputs.kind("PrometheusRule") for pair in rules.expressions(body)]
    return [*found, *grafana.all_queries(view)]


@cache
def schemas() -> SchemaSet:
    folder = ROOT / "crds"
    paths = sorted([*folder.glob("monitoring/*.yaml"), *folder.glob("grafana/*.yaml")])
    if not paths:
        pytest.skip(f"no CustomResourceDefinitions below {ROOT}; set TENANTRY_SHARED")
    crds = [item.value for path in paths for item in load_documents(path.read_bytes(), path.name) if item.value]
    return SchemaSet.build(crds, kubernetes_schemas("1.33"))


# --- every platform ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", PLATFORMS)
def test_every_object_passes_its_schema(builder: ClusterBuilder) -> None:
    found: list[str] = []
    for body in run(monitoring, builder):
        where = f"{body['kind']} {body['metadata']['name']}"
        assert schemas().knows(body["apiVersion"], body["kind"]), where
        found.extend(f"{where}: {issue}" for issue in schemas().check(Manifest(body, Location("<test>"))))
    assert found == []


@pytest.mark.parametrize("builder", PLATFORMS)
def test_every_query_is_promql_on_delivered_metrics(builder: ClusterBuilder) -> None:
    view = view_of(builder.build())
    allowed = law.available(view)
    asked = expressions_of(run(monitoring, builder), view)
    assert len(asked) > 100
    for where, expression in asked:
        promql_parser.parse(expression.replace("%s", "x"))
        assert metrics(expression) <= allowed, where
        assert "@" not in expression, f"{where}: a placeholder was left"


@pytest.mark.parametrize("builder", PLATFORMS)
def test_alerts_say_how_urgent_they_are_and_where_help_is(builder: ClusterBuilder) -> None:
    outputs = run(monitoring, builder)
    (text,) = outputs.texts
    assert text.path == PATH
    headings = {line.removeprefix("### ").lower() for line in text.content.splitlines() if line.startswith("### ")}
    alerts = alerts_of(outputs)
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert rule["labels"]["platform"] == "lab"
        assert rule["annotations"]["summary"], name
        assert "@" not in rule["annotations"]["description"], name
        path, _, section = rule["annotations"]["runbook"].partition("#")
        assert path == PATH
        assert section in headings, f"{name} has no section in the runbook"
    assert headings == {name.lower() for name in alerts}


@pytest.mark.parametrize("builder", PLATFORMS)
def test_no_name_is_used_twice(builder: ClusterBuilder) -> None:
    outputs = run(monitoring, builder)
    keys = [(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in outputs]
    assert len(keys) == len(set(keys))
    names = [
        rule["alert"]
        for body in outputs.kind("PrometheusRule")
        for group in body["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(names) == len(set(names))
    groups = [group["name"] for body in outputs.kind("PrometheusRule") for group in body["spec"]["groups"]]
    assert len(groups) == len(set(groups))


def test_nothing_is_compiled_when_observability_is_off() -> None:
    assert run(monitoring, platform(enabled=False)).all == []


def test_two_runs_yield_the_same() -> None:
    assert run(monitoring, platform()).all == run(monitoring, platform()).all


# --- thresholds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["kai", "kueue", "runai"])
def test_thresholds_come_from_the_spec(scheduler: str) -> None:
    alerts = alerts_of(run(monitoring, platform(scheduler=scheduler)))
    assert alerts["GpuIdle"]["for"] == "45m"
    assert alerts["TenantStarved"]["for"] == "90m"
    assert alerts["TenantWaitsLong"]["for"] == "90m"
    assert "for 90m" in alerts["TenantStarved"]["annotations"]["description"]
    assert alerts["TenantNearLimit"]["expr"].endswith(">= 0.8")  # 80 percent
    assert alerts["NamespaceNearQuota"]["expr"].endswith(">= 0.8")


def test_thresholds_follow_a_change_of_the_spec() -> None:
    changed = platform(idleMinutes=5, starvationMinutes=10, quotaWarningPercent=95)
    alerts = alerts_of(run(monitoring, changed))
    assert (alerts["GpuIdle"]["for"], alerts["TenantStarved"]["for"]) == ("5m", "10m")
    assert alerts["TenantNearLimit"]["expr"].endswith(">= 0.95")


# --- what is watched where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "present", "absent"),
    [
        pytest.param(cluster(), ["GpuFatalXid", "GpuMissing", "ArgoAppOutOfSync"],
                     ["MigConfigFailed", "NoisyNeighbourMemory", "RdmaPortDown", "TenantStarved", "GpuIdle"],
                     id="whole GPUs without fabric or tenants"),
        pytest.param(cluster().pool("serving", mig={"3g.71gb": 2}), ["MigConfigFailed", "MigSlicesMissing"],
                     ["NoisyNeighbourMemory"], id="MIG"),
        pytest.param(cluster().pool("dev", mps=4), ["NoisyNeighbourMemory"], ["MigConfigFailed"], id="MPS"),
        pytest.param(cluster().pool("training").fabric(), ["VirtualFunctionsMissing", "RdmaPortDown"], [],
                     id="a fabric"),
        pytest.param(platform("eks"), ["GpuOperatorNotReady"], ["RdmaPortDown"],
                     id="a managed service, where the platform makes no virtual functions"),
        pytest.param(platform("openshift"), [], ["GpuOperatorNotReady", "GpuDriverUpgradeFailed"],
                     id="OpenShift, where the GPU Operator ships these alerts itself"),
        pytest.param(platform().driver(managedBy="host"), ["GpuDriverSkew"], ["GpuDriverNotPinned"],
                     id="a driver that the node image brings"),
        pytest.param(platform(scheduler="kueue"), ["TenantStarved"], ["TenantBelowFairShare"], id="Kueue"),
    ],
)  # fmt: skip
def test_alerts_fit_the_platform(builder: ClusterBuilder, present: list[str], absent: list[str]) -> None:
    names = set(alerts_of(run(monitoring, builder)))
    assert set(present) <= names
    assert not names & set(absent)


def test_activity_is_profiled_or_else_estimated() -> None:
    def activity(profiling: bool) -> set[str]:
        found = records_of(run(monitoring, platform(profilingMetrics=profiling)))
        (rule,) = [rule for rule in found if rule["record"] == "tenantry:gpu_activity:ratio"]
        return {name for name in metrics(rule["expr"]) if name.startswith("DCGM_")}

    assert activity(True) == {"DCGM_FI_PROF_GR_ENGINE_ACTIVE"}
    assert activity(False) == {"DCGM_FI_DEV_GPU_UTIL"}


def test_signals_understand_both_spellings_and_both_ways_to_scrape() -> None:
    found = {rule["record"]: rule["expr"] for rule in records_of(run(monitoring, platform()))}
    for record in ("tenantry:gpu:present", "tenantry:gpu_activity:ratio"):
        for label in ("hostname", "Hostname", "exported_namespace", "exported_pod"):
            assert f'"{label}"' in found[record], f"{record} ignores {label}"
    # Health belongs to the GPU: with the pod as a label, the end of the pod would hide the change that ended it.
    (labels,) = re.findall(r"^max by \(([^)]*)\)", found["tenantry:gpu_xid:last"])
    assert labels.split(", ") == ["node", "gpu", "UUID", "modelName"]


def test_signals_keep_nodes_and_namespaces_that_nobody_declared() -> None:
    expression = {rule["record"]: rule["expr"] for rule in records_of(run(monitoring, platform()))}
    activity = expression["tenantry:gpu_activity:ratio"]
    assert "(tenantry_node_pool or on (node) group by (node) (tenantry:gpu:present))" in activity
    assert "(tenantry_namespace_tenant or on (namespace) group by (namespace) (tenantry:gpu:present))" in activity


def test_a_signal_is_recorded_before_it_is_used() -> None:
    for flags in ({"profiling"}, {"utilisation"}):
        view = View(cluster().build(), frozenset({*FLAGS} - {"profiling", "utilisation"} | flags), {})
        for _, group in signals.GROUPS:
            known: set[str] = set()
            own = {signal.record for signal in group}
            for signal in group:
                if view.has(signal.needs):
                    used = metrics(signal.expression.replace("@", "")) & own
                    assert used <= known, f"{signal.record} comes before {used - known}"
                    known.add(signal.record)


# --- constants of the spec --------------------------------------------------------------------------------------------


def constants(outputs: Outputs, record: str) -> list[tuple[dict[str, str], str]]:
    return [(rule["labels"], rule["expr"]) for rule in records_of(outputs) if rule["record"] == record]


def test_namespaces_name_their_tenant() -> None:
    found = constants(run(monitoring, platform()), "tenantry_namespace_tenant")
    assert found == [
        ({"namespace": "speech", "tenant": "speech", "department": "products"}, "vector(1)"),
        ({"namespace": "vision", "tenant": "vision", "department": "research"}, "vector(1)"),
        ({"namespace": "vision-dev", "tenant": "vision", "department": "research"}, "vector(1)"),
    ]


def test_entitlements_are_spelt_as_kube_state_metrics_spells_them() -> None:
    builder = cluster().pool("serving", mig={"3g.71gb": 2}).tenant("vision", pool="serving", slices={"3g.71gb": (2, 4)})
    found = constants(run(monitoring, builder), "tenantry_tenant_quota")
    place = {
        "tenant": "vision",
        "department": "research",
        "namespace": "vision",
        "pool": "serving",
        "resource": "nvidia_com_mig_3g_71gb",
        "queue": "vision-serving",
    }
    assert found == [
        ({**place, "bound": "guaranteed"}, "vector(2)"),
        ({**place, "bound": "limit"}, "vector(4)"),
    ]


def test_a_bound_of_nothing_is_no_series() -> None:
    builder = cluster().pool("training").tenant("vision", pool="training", guaranteed=0, limit=4)
    found = constants(run(monitoring, builder), "tenantry_tenant_quota")
    assert [labels["bound"] for labels, _ in found] == ["limit"]


def test_run_ai_tenants_have_no_queue_per_pool() -> None:
    found = constants(run(monitoring, platform(scheduler="runai")), "tenantry_tenant_quota")
    assert found
    assert all("queue" not in labels for labels, _ in found)


def test_pools_tell_what_their_nodes_must_offer() -> None:
    # 2 slices of 3g.71gb on each of 8 GPUs = 16 per node; 8 GPUs shared by 4 = 32.
    outputs = run(monitoring, platform())
    devices = {
        (labels["pool"], labels["resource"]): expr for labels, expr in constants(outputs, "tenantry_pool_device")
    }
    assert devices[("serving", "nvidia_com_mig_3g_71gb")] == "vector(16)"
    assert devices[("dev", "nvidia_com_gpu_shared")] == "vector(32)"
    assert devices[("training", "nvidia_com_gpu")] == "vector(8)"
    # 8 virtual functions on each of 2 rails.
    assert devices[("training", "openshift_io_sriovlegacy")] == "vector(16)"


def test_nodes_of_a_pool_are_named_or_found_by_label() -> None:
    builder = cluster().pool("named", nodes=1).pool("counted", named=False)
    builder.pool("chosen", named=False, selector={"eks.amazonaws.com/nodegroup": "gpuNodes"})
    found = constants(run(monitoring, builder), "tenantry_node_pool")
    assert found == [
        ({"pool": "chosen"}, 'group by (node) (kube_node_labels{label_eks_amazonaws_com_nodegroup="gpuNodes"})'),
        ({"pool": "counted"}, 'group by (node) (kube_node_labels{label_tenantry_dev_pool="counted"})'),
        ({"node": "named-0.example.com", "pool": "named"}, "vector(1)"),
    ]


def test_a_pool_with_a_driver_of_its_own_is_held_to_that() -> None:
    builder = cluster().pool("old", driver={"version": "580.95.05"}).pool("new").driver(version="595.91.07")
    found = constants(run(monitoring, builder), "tenantry_pool_driver")
    assert [(labels["pool"], labels["DCGM_FI_DRIVER_VERSION"]) for labels, _ in found] == [
        ("new", "595.91.07"),
        ("old", "580.95.05"),
    ]


@pytest.mark.parametrize(
    ("spell", "name", "spelt"),
    [
        pytest.param(metric_resource, "nvidia.com/mig-1g.18gb.me", "nvidia_com_mig_1g_18gb_me", id="a slice"),
        pytest.param(metric_resource, "openshift.io/sriovlegacy", "openshift_io_sriovlegacy", id="a virtual function"),
        pytest.param(label_metric, "tenantry.dev/pool", "label_tenantry_dev_pool", id="a label"),
        pytest.param(label_metric, "agentPool", "label_agent_pool", id="camel case becomes snake case"),
    ],
)
def test_names_are_spelt_as_kube_state_metrics_does(spell: Any, name: str, spelt: str) -> None:
    assert spell(name) == spelt


# --- the law ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        pytest.param("DCGM_FI_DEV_FB_TOTAL > 1", "no exporter delivers DCGM_FI_DEV_FB_TOTAL", id="not in the list"),
        pytest.param("sriov_vf_rx_dropped", "no exporter delivers sriov_vf_rx_dropped", id="exporter not switched on"),
        pytest.param("kueue_pending_workloads", "no exporter delivers", id="exporter of another scheduler"),
        pytest.param("kube_pod_statuses", "no exporter delivers kube_pod_statuses", id="a misspelt metric"),
        pytest.param("tenantry:gpu_temprature:celsius", "no exporter delivers", id="a misspelt signal"),
        pytest.param("sum(up", "never closed", id="not PromQL"),
    ],
)
def test_the_law_refuses_what_nobody_delivers(expression: str, complaint: str) -> None:
    allowed = law.available(view_of(platform().build()))
    with pytest.raises(ValueError, match=complaint):
        law.check([("alert Example", "up == 0"), ("alert Wrong", expression)], allowed)


def test_the_law_names_every_violation() -> None:
    with pytest.raises(ValueError, match=r"(?s)first: .*a\b.*second: .*b\b"):
        law.check([("first", "a"), ("second", "b")], frozenset())


def test_a_query_inside_a_text_is_held_to_the_law() -> None:
    text = "{{ range query (printf \"sum by (tenant) (made_up{node='%s'})\" $labels.node) }}{{ end }}"
    rule = {"alert": "A", "expr": "up", "annotations": {"description": text}}
    body: Body = {"metadata": {"name": "r"}, "spec": {"groups": [{"rules": [rule]}]}}
    assert [metrics(expression) for _, expression in rules.expressions(body)] == [{"up"}, {"made_up"}]


def test_compiling_fails_when_an_alert_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law, "collected_metrics", lambda chosen: collected_metrics(chosen)[1:])
    run(monitoring, platform())  # nothing uses the SM clock, which is first in the list
    without = [name for name in collected_metrics(platform().build()) if name != "DCGM_FI_DEV_XID_ERRORS"]
    monkeypatch.setattr(law, "collected_metrics", lambda _: without)
    with pytest.raises(ValueError, match=r"tenantry:gpu_xid:last: no exporter delivers DCGM_FI_DEV_XID_ERRORS"):
        run(monitoring, platform())


def test_histograms_are_known_by_their_series() -> None:
    allowed = law.available(view_of(platform(scheduler="kueue").build()))
    assert "kueue_admission_wait_time_seconds_bucket" in allowed
    assert "kueue_admission_wait_time_seconds" not in allowed


# --- XID --------------------------------------------------------------------------------------------------------------


def test_xid_alerts_compare_the_code_and_never_count_it() -> None:
    fatal = next(alert for alert in HEALTH if alert.name == "GpuFatalXid")
    codes = {int(code) for code in re.findall(r"== ([0-9]+)", fatal.expression)}
    assert codes == {item.code for item in XIDS if item.fatal}
    assert {48, 79, 95} <= codes
    assert not {63, 94} & codes
    for alert in HEALTH:
        assert not re.search(r"(increase|rate)\(tenantry:gpu_xid:last", alert.expression), alert.name
    assert any_of("x", fatal=False) == "x == 63 or x == 94"


def test_the_runbook_lists_every_code() -> None:
    (text,) = run(monitoring, cluster()).texts
    for item in XIDS:
        assert f"| {item.code} | {item.meaning} | {item.action} |" in text.content


def test_the_runbook_names_the_namespaces_of_the_platform() -> None:
    (openshift,) = run(monitoring, platform("openshift")).texts
    (plain,) = run(monitoring, platform("kubernetes")).texts
    assert "kubectl -n nvidia-gpu-operator " in openshift.content
    assert "kubectl -n gpu-operator " in plain.content
    assert "OPERATOR_NAMESPACE" not in openshift.content + plain.content


# --- scraping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "monitors"),
    [
        pytest.param(platform("openshift", "kai"), ["kai-queue-controller", "kai-schedulers"], id="OpenShift with KAI"),
        pytest.param(platform("openshift", "kueue"), ["kueue"], id="OpenShift with Kueue"),
        pytest.param(platform("openshift", "runai"), [], id="OpenShift with Run:ai"),
        pytest.param(platform("kubernetes", "kai"), ["argocd", "kai-queue-controller", "kai-schedulers"],
                     id="Kubernetes with KAI"),
        pytest.param(platform("kubernetes", "kueue"), ["argocd"], id="Kubernetes, where Kueue's chart has its own"),
    ],
)  # fmt: skip
def test_only_what_nobody_else_scrapes_gets_a_monitor(builder: ClusterBuilder, monitors: list[str]) -> None:
    found = run(monitoring, builder).kind("ServiceMonitor")
    assert sorted(body["metadata"]["name"] for body in found) == [f"tenantry-{name}" for name in monitors]
    assert all(body["metadata"]["annotations"]["tenantry.dev/reason"] for body in found)
    assert not any("dcgm" in json.dumps(body) for body in found)


def test_every_shard_of_the_scheduler_is_scraped() -> None:
    body = run(monitoring, platform()).one("ServiceMonitor", "tenantry-kai-schedulers")
    (choice,) = body["spec"]["selector"]["matchExpressions"]
    assert choice["values"] == [f"kai-scheduler-{name}" for name in ("default", "dev", "serving", "training")]


def test_prometheus_may_look_only_where_it_scrapes() -> None:
    outputs = run(monitoring, platform("openshift", "kai"))
    assert [body["metadata"]["namespace"] for body in outputs.kind("Role")] == ["kai-scheduler"]
    (binding,) = outputs.kind("RoleBinding")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "openshift-monitoring"}
    ]
    assert run(monitoring, platform("kubernetes", "kai")).kind("Role") == []


def test_the_chart_of_prometheus_delivers_what_rules_rely_on() -> None:
    (chart,) = [item for item in charts(platform("kubernetes", "kai").build()) if item.chart == "kube-prometheus-stack"]
    labels = chart.values["kube-state-metrics"]["metricLabelsAllowlist"]
    assert labels == ["nodes=[*]", "pods=[kai.scheduler/queue]"]
    strategy = chart.values["alertmanager"]["alertmanagerSpec"]["alertmanagerConfigMatcherStrategy"]
    assert strategy == {"type": "None"}


# --- dashboards -------------------------------------------------------------------------------------------------------


def boards(outputs: Outputs) -> dict[str, dict[str, Any]]:
    return {body["metadata"]["name"]: json.loads(body["spec"]["json"]) for body in outputs.kind("GrafanaDashboard")}


def test_panels_fill_rows_of_24_columns_and_do_not_overlap() -> None:
    for name, board in boards(run(monitoring, platform())).items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24, f"{name}: {panel['title']} is too wide"
            assert not cells & taken, f"{name}: {panel['title']} covers another panel"
            taken |= cells
            assert panel["description"], f"{name}: {panel['title']} does not say what to look for"


def test_dashboards_have_uids_of_their_own_that_survive_changes_of_panels() -> None:
    outputs = run(monitoring, platform())
    found = {name: board["uid"] for name, board in boards(outputs).items()}
    assert len(set(found.values())) == len(found)
    assert all(re.fullmatch(r"[0-9a-f]{1,40}", uid) for uid in found.values())
    without = boards(run(monitoring, platform(profilingMetrics=False)))
    assert {name: board["uid"] for name, board in without.items()} == found


def test_a_tenants_dashboard_asks_for_nothing_but_the_tenant() -> None:
    outputs = run(monitoring, platform())
    board = boards(outputs)["tenantry-tenant-vision"]
    assert board["title"] == "GPUs of vision"
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert "speech" not in target["expr"]
            for selector in re.findall(r"(?:tenantry|kube)[a-z_:]*(\{[^}]*\})?", target["expr"]):
                owned = 'tenant="vision"' in selector or 'namespace=~"vision|vision-dev"' in selector
                assert owned, f"{panel['title']}: {target['expr']}"
    assert not re.search(r"%[A-Z]+%", json.dumps(board)), "a name was not put in"


def test_tenants_in_the_console_see_one_namespace() -> None:
    body = run(monitoring, platform()).one("ConfigMap", "dashboard-tenantry-tenant")
    assert body["metadata"]["namespace"] == "openshift-config-managed"
    assert body["metadata"]["labels"]["console.openshift.io/odc-dashboard"] == "true"
    board = json.loads(body["data"]["tenantry-tenant.json"])
    for row in board["rows"]:
        assert sum(panel["span"] for panel in row["panels"]) <= 12
        for panel in row["panels"]:
            assert panel["type"] in {"singlestat", "graph", "table"}
            for target in panel["targets"]:
                for selector in re.findall(r"(?:tenantry|kube)[a-z_:]*(\{[^}]*\})?", target["expr"]):
                    assert 'namespace="$namespace"' in selector, target["expr"]


def test_only_administrators_get_the_fleet_in_the_console() -> None:
    body = run(monitoring, platform()).one("ConfigMap", "dashboard-tenantry-fleet")
    assert body["metadata"]["labels"] == {"console.openshift.io/dashboard": "true"}
    plain = run(monitoring, platform("kubernetes"))
    assert [item for item in plain.kind("ConfigMap") if "dashboard" in item["metadata"]["name"]] == []


def test_folders_are_closed_and_each_tenant_has_one() -> None:
    folders = run(monitoring, platform()).kind("GrafanaFolder")
    assert [body["metadata"]["name"] for body in folders] == [
        "tenantry-platform",
        "tenantry-tenant-speech",
        "tenantry-tenant-vision",
    ]
    for body in folders:
        assert json.loads(body["spec"]["permissions"]) == {"items": [{"permission": 4, "role": "Admin"}]}


def test_grafana_objects_stay_inside_the_namespace_of_monitoring() -> None:
    outputs = run(monitoring, platform())
    found = [body for body in outputs if body["apiVersion"].startswith("grafana.")]
    assert found
    for body in found:
        assert body["metadata"]["namespace"] == NAMESPACE
        # Else any Grafana of a tenant with the right label would receive the platform's data source.
        assert "allowCrossNamespaceImport" not in body["spec"]


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_no_secret_is_written(distribution: str) -> None:
    outputs = run(monitoring, platform(distribution))
    for body in outputs.kind("Secret"):
        assert "data" not in body
        assert "stringData" not in body
    (source,) = outputs.kind("GrafanaDatasource")
    held = source["spec"]["datasource"].get("secureJsonData", {})
    assert all(re.fullmatch(r"(Bearer )?\$\{[a-z.-]+\}", value) for value in held.values())


def test_dashboards_can_be_left_out() -> None:
    outputs = run(monitoring, platform(grafana=False))
    assert [body["kind"] for body in outputs if body["apiVersion"].startswith("grafana.")] == []
    assert alerts_of(outputs)


# --- routes -----------------------------------------------------------------------------------------------------------


def test_each_namespace_of_a_tenant_routes_to_its_contacts_on_openshift() -> None:
    outputs = run(monitoring, platform())
    found = outputs.kind("AlertmanagerConfig")
    assert [body["metadata"]["namespace"] for body in found] == ["vision", "vision-dev"]
    for body in found:
        (receiver,) = body["spec"]["receivers"]
        assert receiver["emailConfigs"] == [{"to": "lead@example.com, vision@example.com", "sendResolved": True}]
        matchers = {item["name"]: item["value"] for item in body["spec"]["route"]["matchers"]}
        assert matchers == {"tenant": "vision", "audience": "tenant", "severity": "warning|critical"}
    components = {piece.component for piece in outputs.pieces if piece.body["kind"] == "AlertmanagerConfig"}
    assert components == {"tenant-vision"}


def test_routes_lie_with_the_platform_where_alertmanager_reads_no_others() -> None:
    (body,) = run(monitoring, platform("kubernetes")).kind("AlertmanagerConfig")
    assert (body["metadata"]["namespace"], body["metadata"]["name"]) == (NAMESPACE, "tenantry-alerts-vision")


def test_alerts_for_tenants_carry_tenant_and_namespace() -> None:
    for _, _, alerts in CONCERNS:
        for alert in alerts:
            if alert.audience == "tenant":
                used = metrics(view_of(platform().build()).fill(alert.expression))
                kept = "tenantry_namespace_tenant" in used or all(
                    name.startswith(("tenantry:gpu_", "tenantry:tenant_", "tenantry_tenant_")) for name in used
                )
                assert kept, f"{alert.name} may lose the labels that route it"
                assert "$labels.tenant" in alert.description


def test_the_platforms_route_names_the_existing_receiver() -> None:
    outputs = run(monitoring, platform(alertReceiver="gpu-team"))
    (text,) = outputs.texts
    assert "    receiver: gpu-team\n" in text.content
    assert "gpu-team" in outputs.note("NOTE-ALERT-ROUTE").text


@pytest.mark.parametrize(
    ("builder", "note", "there"),
    [
        pytest.param(platform(), "NOTE-CLUSTER-MONITORING", True, id="a shared ConfigMap on OpenShift"),
        pytest.param(platform("kubernetes"), "NOTE-CLUSTER-MONITORING", False, id="no such ConfigMap elsewhere"),
        pytest.param(platform(), "NOTE-ALERT-EMAIL", True, id="tenants with e-mail need a mail server"),
        pytest.param(cluster().pool("training").tenant("a"), "NOTE-ALERT-EMAIL", False, id="tenants without"),
        pytest.param(platform(profilingMetrics=False), "NOTE-MIG-ACTIVITY", True, id="MIG without profiling"),
        pytest.param(platform(), "NOTE-MIG-ACTIVITY", False, id="MIG with profiling"),
        pytest.param(platform(), "NOTE-SHARED-METRICS", True, id="shared GPUs"),
        pytest.param(cluster(), "NOTE-SHARED-METRICS", False, id="no shared GPUs"),
        pytest.param(platform(grafana=False), "NOTE-GRAFANA-SHARED", False, id="no Grafana"),
    ],
)
def test_notes_say_what_the_tree_cannot_do(builder: ClusterBuilder, note: str, there: bool) -> None:
    assert (note in {item.id for item in run(monitoring, builder).notes}) is there


# --- documentation ----------------------------------------------------------------------------------------------------


def test_the_table_of_alerts_in_the_documentation_is_current() -> None:
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    start, end = "alert_table -->\n", "<!-- end of alerts -->"
    assert text[text.index(start) + len(start) : text.index(end)] == alert_table()


def test_flags_that_alerts_need_exist() -> None:
    for _, _, alerts in CONCERNS:
        for alert in alerts:
            assert set(alert.needs) <= set(FLAGS), alert.name
