from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, cluster, run
from hypothesis import given
from hypothesis import strategies as st

from tenantry.compile.build import SYNC_OPTIONS
from tenantry.compile.passes.network_operator import guid_pool, network_operator


def roce() -> ClusterBuilder:
    return cluster().pool("training").fabric()


def infiniband() -> ClusterBuilder:
    return cluster().pool("training").fabric("ndr", infiniband=True)


def policy(builder: ClusterBuilder) -> Any:
    return run(network_operator, builder).one("NicClusterPolicy")["spec"]


def test_without_fabrics_nothing_is_compiled() -> None:
    assert run(network_operator, cluster().pool("training")).all == []


def test_the_policy_has_the_only_name_the_operator_honours_and_asks_before_it_is_deleted() -> None:
    body = run(network_operator, roce()).one("NicClusterPolicy")
    assert body["metadata"]["name"] == "nic-cluster-policy"
    options = body["metadata"]["annotations"][SYNC_OPTIONS].split(",")
    assert {"Prune=confirm", "Delete=confirm", "SkipDryRunOnMissingResource=true"} == set(options)


def test_the_driver_image_is_a_complete_triple_of_the_catalog() -> None:
    driver = policy(roce())["ofedDriver"]
    assert driver["repository"] == "nvcr.io/nvidia/mellanox"
    assert driver["image"] == "doca-driver"
    assert driver["version"].startswith("doca")


def test_a_driver_upgrade_drains_one_node_at_a_time_before_the_driver_is_loaded() -> None:
    upgrade = policy(roce())["ofedDriver"]["upgradePolicy"]
    assert (upgrade["autoUpgrade"], upgrade["maxParallelUpgrades"], upgrade["safeLoad"]) == (True, 1, True)
    assert upgrade["drain"]["enable"] is True
    assert upgrade["drain"]["force"] is False


def test_the_driver_has_five_minutes_to_unload_and_complete_probes() -> None:
    driver = policy(roce())["ofedDriver"]
    assert driver["terminationGracePeriodSeconds"] == 300
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert set(driver[probe]) == {"initialDelaySeconds", "periodSeconds"}


@pytest.mark.parametrize("builder", [roce(), infiniband(), roce().kubernetes()])
def test_the_sriov_operator_alone_owns_the_vfs(builder: ClusterBuilder) -> None:
    spec = policy(builder)
    assert "sriovDevicePlugin" not in spec
    assert "rdmaSharedDevicePlugin" not in spec


def test_openshift_brings_multus_and_kubernetes_does_not() -> None:
    assert "secondaryNetwork" not in policy(roce())
    network = policy(roce().kubernetes())["secondaryNetwork"]
    assert network["multus"]["image"] == "multus-cni"
    assert network["cniPlugins"]["image"] == "plugins"


def test_kubernetes_is_told_that_multus_does_not_isolate_namespaces() -> None:
    assert "admission" in run(network_operator, roce().kubernetes()).note("NOTE-MULTUS-ISOLATION").text
    assert not [note for note in run(network_operator, roce()).notes if note.id == "NOTE-MULTUS-ISOLATION"]


def test_the_driver_is_loaded_on_wired_pools_only_whatever_other_nodes_carry() -> None:
    builder = roce().pool("storage-heavy")
    terms = policy(builder)["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "tenantry.dev/pool", "operator": "In", "values": ["training"]}]}]


def test_nodes_of_a_managed_label_are_matched_by_every_label() -> None:
    builder = cluster().pool("training", selector={"zone": "a", "rack": "r1"}, named=False).fabric()
    terms = policy(builder)["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [item["key"] for item in terms[0]["matchExpressions"]] == ["rack", "zone"]


def test_taints_of_dedicated_pools_are_tolerated_and_nothing_more() -> None:
    toleration = {"key": "tenantry.dev/pool", "operator": "Exists", "effect": "NoSchedule"}
    assert policy(roce())["tolerations"] == [toleration]
    assert "tolerations" not in policy(cluster().pool("training", dedicated=False).fabric())


def test_ethernet_needs_no_subnet_manager() -> None:
    assert "ibKubernetes" not in policy(roce())


def test_partitions_are_set_through_the_subnet_manager_whose_secret_is_only_named() -> None:
    outputs = run(network_operator, infiniband())
    section = outputs.one("NicClusterPolicy")["spec"]["ibKubernetes"]
    assert section["ufmSecret"] == "ib-kubernetes-ufm-secret"
    assert outputs.kind("Secret") == []
    assert "UFM_PASSWORD" in outputs.note("NOTE-UFM-SECRET").action


def test_a_tenants_p_key_is_enough_to_need_the_subnet_manager() -> None:
    builder = cluster().pool("training").fabric("ndr", infiniband=True, pKeys=None)
    assert "ibKubernetes" not in policy(builder)
    builder.tenant("vision", pool="training", guaranteed=8, fabrics={"ndr": "0x8010"})
    assert "ibKubernetes" in policy(builder)


def test_two_clusters_on_one_subnet_hand_out_different_guids() -> None:
    assert guid_pool("east") != guid_pool("west")


@given(st.text(min_size=1, max_size=63))
def test_guid_pools_are_local_addresses_in_order(name: str) -> None:
    start, end = (int(text.replace(":", ""), 16) for text in guid_pool(name))
    assert start >> 56 == end >> 56 == 0x02
    assert end - start == 2**32 - 1  # four of eight bytes are left to count in


def test_an_operator_release_with_unknown_driver_is_written_with_the_known_one_and_says_so() -> None:
    builder = roce().operator("network-operator", "24.7.0")
    outputs = run(network_operator, builder)
    assert outputs.one("NicClusterPolicy")["spec"]["nvIpam"]["version"] == "network-operator-v24.7.0"
    assert "24.7.0" in outputs.note("NOTE-DOCA-VERSION").subject
    assert not [note for note in run(network_operator, roce()).notes if note.id == "NOTE-DOCA-VERSION"]


@pytest.mark.parametrize("service", ["eks", "gke", "aks"])
def test_a_managed_service_keeps_its_nics_and_the_reader_is_told(service: str) -> None:
    outputs = run(network_operator, roce().on(service))
    assert outputs.pieces == []
    assert outputs.note("NOTE-MANAGED-FABRIC").subject == "fabric roce"
