from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from platform_schemas import platform_issues

from tenantry.compile.passes.openshift_ai import openshift_ai


def lab() -> ClusterBuilder:
    return (
        cluster()
        .pool("training")
        .pool("serving", mig=[([0, 1], {"3g.71gb": 2}), ([2], {"1g.18gb+me": 1})])
        .pool("dev", "dell-r760xa-l40s", time_slicing=4, dedicated=False)
    )


def profiles(outputs: Outputs) -> dict[str, dict[str, Any]]:
    return {body["metadata"]["name"]: body["spec"] for body in outputs.kind("HardwareProfile")}


def accelerator(profile: dict[str, Any]) -> dict[str, Any]:
    (found,) = [item for item in profile["identifiers"] if item["resourceType"] == "Accelerator"]
    return {key: found[key] for key in ("identifier", "minCount", "defaultCount", "maxCount")}


def test_there_is_a_profile_for_everything_a_pool_advertises() -> None:
    resolved = lab().build()
    found = {name: accelerator(profile) for name, profile in profiles(run(openshift_ai, resolved)).items()}
    assert found == {
        "training-gpu": {"identifier": "nvidia.com/gpu", "minCount": 1, "defaultCount": 1, "maxCount": 8},
        # GPUs 3 to 7 of a serving node are in no layout.
        "serving-gpu": {"identifier": "nvidia.com/gpu", "minCount": 1, "defaultCount": 1, "maxCount": 5},
        # 2 slices on each of 2 GPUs.
        "serving-3g.71gb": {"identifier": "nvidia.com/mig-3g.71gb", "minCount": 1, "defaultCount": 1, "maxCount": 4},
        "serving-1g.18gb.me": {
            "identifier": "nvidia.com/mig-1g.18gb.me",
            "minCount": 1,
            "defaultCount": 1,
            "maxCount": 1,
        },
        "dev-shared": {"identifier": "nvidia.com/gpu.shared", "minCount": 1, "defaultCount": 1, "maxCount": 1},
    }
    assert {profile["identifier"] for profile in found.values()} <= set(resolved.resources)


def test_profiles_go_to_the_nodes_of_their_pool() -> None:
    found = profiles(run(openshift_ai, lab()))
    assert found["training-gpu"]["scheduling"] == {
        "type": "Node",
        "node": {
            "nodeSelector": {"tenantry.dev/pool": "training"},
            "tolerations": [
                {"key": "tenantry.dev/pool", "operator": "Equal", "value": "training", "effect": "NoSchedule"}
            ],
        },
    }
    assert "tolerations" not in found["dev-shared"]["scheduling"]["node"], "the pool has no taint"


def test_with_kueue_profiles_go_to_the_queue_of_their_pool() -> None:
    # A profile names a queue or nodes, never both (HardwareProfile validation).
    found = profiles(run(openshift_ai, lab().scheduler("kueue").tenant("vision", pool="serving", guaranteed=1)))
    assert found["serving-gpu"]["scheduling"] == {"type": "Queue", "kueue": {"localQueueName": "serving"}}
    assert {name.partition("-")[0] for name in found} == {"serving"}, "nobody has a queue in the other pools"


def test_profiles_lie_where_the_dashboard_looks_and_carry_its_words() -> None:
    body = run(openshift_ai, lab()).one("HardwareProfile", "serving-3g.71gb", "redhat-ods-applications")
    notes = body["metadata"]["annotations"]
    assert notes["opendatahub.io/display-name"].startswith("serving: slice 3g.71gb")
    assert notes["opendatahub.io/disabled"] == "false"


@pytest.mark.parametrize(("scheduler", "state"), [("kai", "Removed"), ("kueue", "Unmanaged")])
def test_openshift_ai_never_installs_a_kueue_of_its_own(scheduler: str, state: str) -> None:
    components = run(openshift_ai, lab().scheduler(scheduler)).one("DataScienceCluster")["spec"]["components"]
    assert components["kueue"] == {"managementState": state}


def test_components_are_as_chosen_and_no_other() -> None:
    builder = lab().platform(openshiftAI={"components": ["dashboard", "kserve"]})
    components = run(openshift_ai, builder).one("DataScienceCluster", "default-dsc")["spec"]["components"]
    managed = {name for name, value in components.items() if value["managementState"] == "Managed"}
    assert managed == {"dashboard", "kserve"}
    assert {"workbenches", "ray", "aipipelines"} <= set(components), "removed, not forgotten"


@pytest.mark.parametrize(
    ("version", "interface", "profile", "pipelines"),
    [("3.4.0", "v2", "v1", "aipipelines"), ("2.25.0", "v1", "v1alpha1", "datasciencepipelines")],
)
def test_each_release_is_spoken_to_in_its_own_interface(
    version: str, interface: str, profile: str, pipelines: str
) -> None:
    outputs = run(openshift_ai, lab().operator("openshift-ai", version))
    components = outputs.one("DataScienceCluster")
    assert components["apiVersion"] == f"datasciencecluster.opendatahub.io/{interface}"
    assert pipelines in components["spec"]["components"]
    assert outputs.one("DSCInitialization")["apiVersion"] == f"dscinitialization.opendatahub.io/{interface}"
    assert {body["apiVersion"] for body in outputs.kind("HardwareProfile")} == {
        f"infrastructure.opendatahub.io/{profile}"
    }


def test_removing_openshift_ai_waits_for_a_person() -> None:
    outputs = run(openshift_ai, lab())
    for kind in ("DSCInitialization", "DataScienceCluster"):
        options = outputs.one(kind)["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert options == "Prune=confirm,Delete=confirm,SkipDryRunOnMissingResource=true"


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(lab().platform(openshiftAI={"enabled": False}), id="switched off"),
        pytest.param(lab().kubernetes(), id="not OpenShift"),
    ],
)
def test_nothing_is_compiled_without_openshift_ai(builder: ClusterBuilder) -> None:
    assert run(openshift_ai, builder).all == []


@pytest.mark.parametrize(("version", "crds"), [("3.4.0", "3.0"), ("2.25.0", "2.25")])
@pytest.mark.parametrize("scheduler", ["kai", "kueue"])
def test_manifests_are_valid(version: str, crds: str, scheduler: str) -> None:
    outputs = run(openshift_ai, lab().operator("openshift-ai", version).scheduler(scheduler))
    assert platform_issues(outputs, crds) == []
