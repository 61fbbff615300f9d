from __future__ import annotations

import json
from typing import Any

import pytest
from builders import ClusterBuilder, cluster, run
from schema_check import schema_issues

from tenantry.compile.build import WAVE
from tenantry.compile.kueue_config import FRAMEWORKS, kueue_chart_values
from tenantry.compile.names import queue_names
from tenantry.compile.passes.kueue import kueue


def two_teams() -> ClusterBuilder:
    return (
        cluster()
        .kubernetes()
        .scheduler("kueue")
        .pool("training")
        .tenant("vision", pool="training", guaranteed=8, limit=12)
        .tenant("speech", pool="training", guaranteed=4)
    )


def resources(builder: ClusterBuilder, queue: str) -> dict[str, tuple[str, str, str]]:
    group = run(kueue, builder).one("ClusterQueue", queue)["spec"]["resourceGroups"][0]
    return {
        item["name"]: (item["nominalQuota"], item["borrowingLimit"], item["lendingLimit"])
        for item in group["flavors"][0]["resources"]
    }


def test_another_scheduler_needs_nothing_of_kueue() -> None:
    assert run(kueue, two_teams().scheduler("kai")).all == []


def test_a_flavor_is_a_pool_with_the_toleration_of_its_taint() -> None:
    outputs = run(kueue, two_teams().pool("open", dedicated=False, selector={"rack": "7"}, named=False))
    assert outputs.one("ResourceFlavor", "training")["spec"] == {
        "nodeLabels": {"tenantry.dev/pool": "training"},
        "tolerations": [{"key": "tenantry.dev/pool", "operator": "Equal", "value": "training", "effect": "NoSchedule"}],
    }
    assert outputs.one("ResourceFlavor", "open")["spec"] == {"nodeLabels": {"rack": "7"}}


def test_a_tenants_queue_guarantees_borrows_and_lends() -> None:
    assert resources(two_teams(), "vision-training")["nvidia.com/gpu"] == ("8", "4", "8")  # 12 - 8 borrowed
    assert resources(two_teams(), "speech-training")["nvidia.com/gpu"] == ("4", "0", "4")


def test_weight_zero_never_borrows() -> None:
    builder = cluster().scheduler("kueue").pool("training").tenant("vision")
    builder.quota("training", guaranteed=4, limit=12, weight=0)
    assert resources(builder, "vision-training")["nvidia.com/gpu"] == ("4", "0", "4")
    spec = run(kueue, builder).one("ClusterQueue")["spec"]
    assert spec["fairSharing"] == {"weight": 0}


def test_every_resource_of_the_pool_is_covered_even_where_nothing_is_granted() -> None:
    builder = (
        cluster()
        .scheduler("kueue")
        .pool("serving", mig={"3g.71gb": 1, "1g.18gb": 4})
        .fabric(pools=("serving",), resourcePerRail=True)
        .tenant("vision", pool="serving", slices={"3g.71gb": (1, 2)}, fabrics={"roce": 101})
    )
    found = resources(builder, "vision-serving")
    assert list(found) == [
        "cpu",
        "memory",
        "ephemeral-storage",
        "nvidia.com/mig-1g.18gb",
        "nvidia.com/mig-3g.71gb",
        "openshift.io/sriovlegacy_rail0",
        "openshift.io/sriovlegacy_rail1",
    ]
    assert found["nvidia.com/mig-1g.18gb"] == ("0", "0", "0")
    group = run(kueue, builder).one("ClusterQueue")["spec"]["resourceGroups"][0]
    assert group["coveredResources"] == [item["name"] for item in group["flavors"][0]["resources"]]


def test_vfs_follow_the_tenants_limit_and_never_exceed_the_pool() -> None:
    builder = (
        cluster()
        .scheduler("kueue")
        .pool("training", nodes=2)
        .fabric(vfsPerRail=8)
        .tenant("vision", pool="training", guaranteed=8, fabrics={"roce": 101})
        .tenant("speech", pool="training", guaranteed=8)
    )
    # 2 rails x 8 VFs = 16 per node of 8 GPUs: 8 GPUs carry 16 VFs
    assert resources(builder, "vision-training")["openshift.io/sriovlegacy"] == ("16", "0", "0")
    assert resources(builder, "speech-training")["openshift.io/sriovlegacy"] == ("0", "0", "0")


def test_vfs_of_a_pool_are_no_more_than_it_has_whatever_the_tenant_holds_elsewhere() -> None:
    builder = (
        cluster()
        .scheduler("kueue")
        .pool("one", nodes=1)
        .pool("two", nodes=2)
        .fabric(pools=("one", "two"), vfsPerRail=8)
        .tenant("vision", pool="one", guaranteed=8, fabrics={"roce": 101})
        .quota("two", guaranteed=16)
    )
    # 16 VFs per node: 16 in the first pool, 32 in the second, 48 together
    assert resources(builder, "vision-one")["openshift.io/sriovlegacy"][0] == "16"
    assert resources(builder, "vision-two")["openshift.io/sriovlegacy"][0] == "32"


@pytest.mark.parametrize(
    ("written", "namespaces", "nominal"),
    [
        pytest.param("64", 1, "64", id="one namespace"),
        pytest.param("64", 3, "192", id="three namespaces of 64"),
        pytest.param("500m", 3, "1500m", id="fractions stay exact"),
    ],
)
def test_cpu_is_the_budget_of_all_namespaces(written: str, namespaces: int, nominal: str) -> None:
    names = [f"v{number}" for number in range(namespaces)]
    builder = (
        cluster()
        .scheduler("kueue")
        .pool("training")
        .tenant("vision", pool="training", guaranteed=8, namespaces=names, compute={"cpu": written, "memory": "1Ti"})
    )
    assert resources(builder, "vision-training")["cpu"] == (nominal, "0", "0")
    assert resources(builder, "vision-training")["memory"][0] == f"{namespaces}Ti"


def test_only_namespaces_of_the_tenant_may_submit() -> None:
    for name in ("vision", "speech"):
        spec = run(kueue, two_teams()).one("ClusterQueue", f"{name}-training")["spec"]
        assert spec["namespaceSelector"] == {"matchLabels": {"tenantry.dev/tenant": name}}


def test_nobody_evicts_another_within_its_guarantee() -> None:
    spec = run(kueue, two_teams()).one("ClusterQueue", "vision-training")["spec"]
    assert spec["preemption"] == {
        "withinClusterQueue": "LowerPriority",
        "reclaimWithinCohort": "Any",
        "borrowWithinCohort": {"policy": "Never"},
    }


def test_departments_borrow_from_each_other_within_one_pool() -> None:
    builder = two_teams().pool("serving").tenant("robots", pool="serving", guaranteed=8, department="lab")
    outputs = run(kueue, builder)
    assert {body["metadata"]["name"]: body["spec"].get("parentName") for body in outputs.kind("Cohort")} == {
        "training": None,
        "research-training": "training",
        "serving": None,
        "lab-serving": "serving",
    }
    assert outputs.one("ClusterQueue", "robots-serving")["spec"]["cohortName"] == "lab-serving"


@pytest.mark.parametrize(
    ("distribution", "version", "api", "field"),
    [
        pytest.param("kubernetes", "0.19.2", "v1beta2", "cohortName", id="upstream today"),
        pytest.param("kubernetes", "0.15.0", "v1beta2", "cohortName", id="first upstream with v1beta2"),
        pytest.param("kubernetes", "0.14.8", "v1beta1", "cohort", id="last upstream without"),
        pytest.param("openshift", "1.3.0", "v1beta2", "cohortName", id="Red Hat build with v1beta2"),
        pytest.param("openshift", "1.2.0", "v1beta1", "cohort", id="Red Hat build without"),
    ],
)
def test_the_cohort_is_spelled_as_the_installed_version_reads_it(
    distribution: str, version: str, api: str, field: str
) -> None:
    builder = two_teams().on(distribution).operator("kueue", version)
    outputs = run(kueue, builder)
    body = outputs.one("ClusterQueue", "vision-training")
    assert body["apiVersion"] == f"kueue.x-k8s.io/{api}"
    assert body["spec"][field] == "research-training"
    assert ({"cohort", "cohortName"} & set(body["spec"])) == {field}
    assert schema_issues(outputs) == []


def test_every_namespace_has_a_queue_per_pool_named_like_it() -> None:
    builder = two_teams().pool("serving").quota("serving", guaranteed=4)
    builder.tenant("robots", pool="serving", guaranteed=4, namespaces=("r1", "r2"))
    resolved = builder.build()
    outputs = run(kueue, resolved)
    found = {
        (body["metadata"]["namespace"], body["metadata"]["name"]): body["spec"]["clusterQueue"]
        for body in outputs.kind("LocalQueue")
    }
    assert found == {
        ("speech", "serving"): "speech-serving",
        ("speech", "training"): "speech-training",
        ("vision", "training"): "vision-training",
        ("r1", "serving"): "robots-serving",
        ("r2", "serving"): "robots-serving",
    }
    for tenant in resolved.tenants:
        names = {name for space, name in found if space in tenant.namespaces}
        assert set(queue_names(resolved, tenant)) == names
    assert {piece.component for piece in outputs.pieces if piece.body["kind"] == "LocalQueue"} == {
        "tenant-robots",
        "tenant-speech",
        "tenant-vision",
    }


def test_priority_tiers_are_workload_priorities() -> None:
    builder = two_teams().platform(priorityTiers=[{"name": "low", "value": 10}, {"name": "high", "value": 90}])
    classes = run(kueue, builder).kind("WorkloadPriorityClass")
    assert [(body["metadata"]["name"], body["value"]) for body in classes] == [("low", 10), ("high", 90)]


def test_openshift_runs_the_operand_that_holds_work_without_a_queue_name() -> None:
    body = run(kueue, two_teams().openshift()).one("Kueue", "cluster")
    config = body["spec"]["config"]
    assert config["workloadManagement"] == {"labelPolicy": "None"}
    assert config["preemption"] == {"preemptionPolicy": "FairSharing"}
    assert {"Pod", "BatchJob"} <= set(config["integrations"]["frameworks"])
    assert "Delete=confirm" in body["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    assert run(kueue, two_teams()).kind("Kueue") == []


def test_flavors_and_cohorts_exist_before_the_queues_that_name_them() -> None:
    waves: dict[str, set[int]] = {}
    for body in run(kueue, two_teams().openshift()):
        wave = int(body["metadata"].get("annotations", {}).get(WAVE, "0"))
        waves.setdefault(body["kind"], set()).add(wave)
    assert max(waves["Kueue"]) < min(waves["ResourceFlavor"])
    assert max(waves["ResourceFlavor"] | waves["Cohort"]) < min(waves["ClusterQueue"])


# --- chart ------------------------------------------------------------------------------------------------------


def manager(builder: ClusterBuilder) -> Any:
    return json.loads(kueue_chart_values(builder.build())["managerConfig"]["controllerManagerConfigYaml"])


def test_the_manager_holds_nameless_work_of_tenants_and_of_nobody_else() -> None:
    config = manager(two_teams())
    assert config["manageJobsWithoutQueueName"] is True
    assert config["managedJobsNamespaceSelector"] == {
        "matchExpressions": [{"key": "tenantry.dev/tenant", "operator": "Exists"}]
    }
    assert "pod" in config["integrations"]["frameworks"]
    assert "resources" not in config  # nothing is excluded from quota


def test_fair_sharing_is_spelled_as_the_version_reads_it() -> None:
    assert manager(two_teams())["apiVersion"] == "config.kueue.x-k8s.io/v1beta2"
    assert "enable" not in manager(two_teams())["fairSharing"]
    old = manager(two_teams().operator("kueue", "0.14.0"))
    assert old["apiVersion"] == "config.kueue.x-k8s.io/v1beta1"
    assert old["fairSharing"]["enable"] is True


def test_both_names_of_a_framework_stand_together() -> None:
    assert len({name for name, _ in FRAMEWORKS}) == len({name for _, name in FRAMEWORKS}) == len(FRAMEWORKS)
