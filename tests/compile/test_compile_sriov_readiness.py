"""The Job that ends the sync of the fabrics: it waits for exactly what was compiled, and can do nothing else."""

from __future__ import annotations

from builders import cluster, run

from tenantry.compile.passes.sriov import sriov
from tenantry.compile.passes.sriov_readiness import SECONDS_PER_NODE, sriov_readiness


def commands(outputs_job: dict[str, object]) -> list[list[str]]:
    spec = outputs_job["spec"]["template"]["spec"]  # type: ignore[index]
    return [step["command"] for step in (*spec.get("initContainers", ()), *spec["containers"])]


def test_the_sync_ends_when_every_node_offers_its_functions() -> None:
    outputs = run(sriov_readiness, cluster().openshift().pool("training", nodes=3).fabric("roce", vfsPerRail=8))

    job = outputs.one("Job")

    states, functions = commands(job)
    assert "sriovnetworknodestates.sriovnetwork.openshift.io" in states
    assert "--for=jsonpath={.status.syncStatus}=Succeeded" in states
    assert "--selector=tenantry.dev/pool=training" in functions
    # 2 rails of 8 functions
    assert "--for=jsonpath={.status.allocatable.openshift\\.io/sriovlegacy}=16" in functions
    assert job["spec"]["activeDeadlineSeconds"] == 3 * SECONDS_PER_NODE + 600


def test_each_rail_that_is_a_resource_is_waited_for() -> None:
    outputs = run(sriov_readiness, cluster().kubernetes().pool("training").fabric("roce", resourcePerRail=True))

    waits = [command for command in commands(outputs.one("Job")) if "nodes" in command]

    assert [next(part for part in wait if part.startswith("--for")) for wait in waits] == [
        "--for=jsonpath={.status.allocatable.openshift\\.io/sriovlegacy_rail0}=8",
        "--for=jsonpath={.status.allocatable.openshift\\.io/sriovlegacy_rail1}=8",
    ]


def test_the_job_reads_and_changes_nothing() -> None:
    outputs = run(sriov_readiness, cluster().openshift().fabric("roce"))

    rules = [rule for kind in ("Role", "ClusterRole") for body in outputs.kind(kind) for rule in body["rules"]]

    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {resource for rule in rules for resource in rule["resources"]} == {"nodes", "sriovnetworknodestates"}


def test_the_job_comes_after_what_it_waits_for() -> None:
    builder = cluster().openshift().fabric("roce")
    wave = "argocd.argoproj.io/sync-wave"

    last = max(int(body["metadata"]["annotations"].get(wave, 0)) for body in run(sriov, builder))

    assert int(run(sriov_readiness, builder).one("Job")["metadata"]["annotations"][wave]) > last


def test_without_a_fabric_there_is_nothing_to_wait_for() -> None:
    assert not run(sriov_readiness, cluster()).all
    assert not run(sriov_readiness, cluster().eks()).all
