from __future__ import annotations

import base64
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from platform_schemas import platform_issues

from tenantry.compile.passes.node_tuning import node_tuning

ROLE = "machineconfiguration.openshift.io/role"


def wired(**fields: Any) -> ClusterBuilder:
    return cluster().pool("training", **fields).pool("dev").fabric(pools=["training"])


def test_pools_that_need_nothing_are_left_to_the_worker_pool() -> None:
    assert run(node_tuning, cluster().pool("training").pool("dev", time_slicing=4)).all == []


def test_only_the_wired_pool_gets_a_machine_config_pool() -> None:
    (pool,) = run(node_tuning, wired()).kind("MachineConfigPool")
    assert pool["metadata"]["name"] == "pool-training"
    assert pool["metadata"]["labels"] == {"tenantry.dev/pool": "training"}
    assert pool["spec"] == {
        "machineConfigSelector": {
            "matchExpressions": [{"key": ROLE, "operator": "In", "values": ["worker", "pool-training"]}]
        },
        "maxUnavailable": 1,
        "nodeSelector": {"matchLabels": {"tenantry.dev/pool": "training"}},
        "paused": False,
    }


def test_a_pool_called_worker_is_not_the_worker_pool_of_openshift() -> None:
    (pool,) = run(node_tuning, cluster().pool("worker", numaAlignment="restricted")).kind("MachineConfigPool")
    assert pool["metadata"]["name"] not in {"worker", "master"}


def test_selectors_meet_what_they_select() -> None:
    outputs = run(node_tuning, wired())
    pool, config, kubelet = (outputs.one(kind) for kind in ("MachineConfigPool", "MachineConfig", "KubeletConfig"))
    roles = pool["spec"]["machineConfigSelector"]["matchExpressions"][0]["values"]
    assert config["metadata"]["labels"][ROLE] in roles
    wanted = kubelet["spec"]["machineConfigPoolSelector"]["matchLabels"]
    assert wanted.items() <= pool["metadata"]["labels"].items()


def test_rdma_may_lock_memory_and_peer_traffic_is_not_translated() -> None:
    spec = run(node_tuning, wired()).one("MachineConfig")["spec"]
    assert spec["kernelArguments"] == ["iommu=pt"]
    assert spec["config"]["ignition"] == {"version": "3.4.0"}
    (file,) = spec["config"]["storage"]["files"]
    prefix, _, content = file["contents"]["source"].partition(",")
    assert prefix == "data:;base64"
    assert base64.b64decode(content, validate=True).decode() == (
        '[crio.runtime]\ndefault_ulimits = ["memlock=-1:-1"]\n'
    )
    assert file["mode"] == 0o644
    assert file["path"].startswith("/etc/crio/crio.conf.d/")


def kubelet(outputs: Outputs) -> Any:
    return outputs.one("KubeletConfig")["spec"]["kubeletConfig"]


@pytest.mark.parametrize("alignment", ["best-effort", "restricted", "single-numa-node"])
def test_alignment_needs_cpus_that_belong_to_the_pod(alignment: str) -> None:
    settings = kubelet(run(node_tuning, cluster().pool("training", numaAlignment=alignment)))
    assert settings == {
        "cpuManagerPolicy": "static",
        "cpuManagerReconcilePeriod": "5s",
        "podPidsLimit": 4096,
        "topologyManagerPolicy": alignment,
    }


def test_without_alignment_cpus_stay_shared() -> None:
    assert kubelet(run(node_tuning, wired())) == {"podPidsLimit": 4096}


def test_alignment_alone_changes_no_kernel() -> None:
    assert run(node_tuning, cluster().pool("training", numaAlignment="restricted")).kind("MachineConfig") == []


def test_everything_that_reboots_nodes_is_guarded_and_synced_together() -> None:
    outputs = run(node_tuning, wired(numaAlignment="restricted"))
    assert sorted(body["kind"] for body in outputs) == ["KubeletConfig", "MachineConfig", "MachineConfigPool"]
    for body in outputs:
        # No wave: a second wave would wait for the first reboot and cause another.
        assert body["metadata"]["annotations"] == {"argocd.argoproj.io/sync-options": "Prune=confirm,Delete=confirm"}


def test_nodes_must_stay_workers() -> None:
    note = run(node_tuning, wired()).note("NOTE-MACHINE-POOL")
    assert "node-role.kubernetes.io/worker" in note.action


@pytest.mark.parametrize("distribution", ["kubernetes", "eks"])
def test_elsewhere_a_person_sets_the_same(distribution: str) -> None:
    outputs = run(node_tuning, wired(numaAlignment="restricted").on(distribution))
    assert outputs.bodies == []
    action = outputs.note("NOTE-NODE-TUNING").action
    for expected in ("topologyManagerPolicy: restricted", "podPidsLimit: 4096", "iommu=pt", "LimitMEMLOCK=infinity"):
        assert expected in action


def test_manifests_are_valid() -> None:
    assert platform_issues(run(node_tuning, wired(numaAlignment="restricted"))) == []
