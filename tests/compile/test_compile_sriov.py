from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from hypothesis import given
from hypothesis import strategies as st

from tenantry.compile.build import SYNC_OPTIONS, WAVE
from tenantry.compile.fabric_config import fabric_modes, node_block, pool_groups
from tenantry.compile.passes.sriov import sriov
from tenantry.compile.resolve import resolve
from tenantry.model.hardware import ServerRail

OPENSHIFT_NAMESPACE = "openshift-sriov-network-operator"
RAILS = [{"name": "rail0", "pci": "0000:1a:00.0"}, {"name": "rail1", "pci": "0000:3c:00.0"}]


def roce(**fields: Any) -> ClusterBuilder:
    return cluster().pool("training").fabric(**fields)


def unchecked(builder: ClusterBuilder) -> Outputs:
    """Run on a cluster whose problems a rule between documents reports elsewhere."""
    return Outputs(sriov(resolve(builder.spec())[0]))


def test_without_fabrics_nothing_is_compiled() -> None:
    assert run(sriov, cluster().pool("training")).all == []


@pytest.mark.parametrize("service", ["eks", "gke", "aks"])
def test_managed_services_keep_their_nics(service: str) -> None:
    assert run(sriov, roce().on(service)).all == []


def test_the_daemon_waits_for_the_network_driver_on_nodes_that_can_split() -> None:
    body = run(sriov, roce()).one("SriovOperatorConfig", "default", OPENSHIFT_NAMESPACE)
    assert body["spec"]["configDaemonNodeSelector"] == {
        "network.nvidia.com/operator.mofed.wait": "false",
        "feature.node.kubernetes.io/pci-15b3.sriov.capable": "true",
        "node-role.kubernetes.io/worker": "",
    }
    assert body["spec"]["disableDrain"] is False
    assert body["spec"]["configurationMode"] == "daemon"


def test_kubernetes_nodes_carry_no_worker_role() -> None:
    body = run(sriov, roce().kubernetes()).one("SriovOperatorConfig", "default", "nvidia-network-operator")
    assert "node-role.kubernetes.io/worker" not in body["spec"]["configDaemonNodeSelector"]


def test_one_policy_per_rail_picks_exactly_its_port() -> None:
    outputs = run(sriov, roce())
    selectors = {
        body["metadata"]["name"]: body["spec"]["nicSelector"] for body in outputs.kind("SriovNetworkNodePolicy")
    }
    assert selectors == {
        "roce-rail0-training": {"vendor": "15b3", "deviceID": "1021", "rootDevices": ["0000:1a:00.0"]},
        "roce-rail1-training": {"vendor": "15b3", "deviceID": "1021", "rootDevices": ["0000:3c:00.0"]},
    }


def test_an_ethernet_policy_says_all_that_matters_for_rdma() -> None:
    spec = run(sriov, roce(vfsPerRail=10, mtu=4200)).one("SriovNetworkNodePolicy", "roce-rail0-training")["spec"]
    assert spec["nodeSelector"] == {
        "tenantry.dev/pool": "training",
        "feature.node.kubernetes.io/pci-15b3.sriov.capable": "true",
    }
    expected = {
        "resourceName": "sriovlegacy",
        "numVfs": 10,
        "mtu": 4200,
        "deviceType": "netdevice",
        "isRdma": True,
        "linkType": "eth",
        "eSwitchMode": "legacy",
        "externallyManaged": False,
        "excludeTopology": False,
    }
    assert {key: spec[key] for key in expected} == expected


def test_infiniband_sets_no_mtu_since_datagram_mode_refuses_jumbo_frames() -> None:
    spec = run(sriov, roce(name="ndr", infiniband=True)).one("SriovNetworkNodePolicy", "ndr-rail0-training")["spec"]
    assert spec["linkType"] == "ib"
    assert "mtu" not in spec


def test_vfs_made_outside_the_operator_are_only_used() -> None:
    outputs = run(sriov, roce(externallyManaged=True))
    assert {body["spec"]["externallyManaged"] for body in outputs.kind("SriovNetworkNodePolicy")} == {True}


def test_a_rail_of_its_own_is_a_resource_of_its_own() -> None:
    outputs = run(sriov, roce(resourcePerRail=True))
    names = [body["spec"]["resourceName"] for body in outputs.kind("SriovNetworkNodePolicy")]
    assert names == ["sriovlegacy_rail0", "sriovlegacy_rail1"]
    assert outputs.notes == []


def test_rails_pooled_into_one_resource_are_pointed_out() -> None:
    note = run(sriov, roce()).note("NOTE-POOLED-RAILS")
    assert "openshift.io/sriovlegacy" in note.text


def test_an_interface_name_serves_where_no_address_is_given() -> None:
    outputs = run(sriov, roce(rails=[{"name": "rail0", "interface": "ens1f0np0"}]))
    selector = outputs.one("SriovNetworkNodePolicy")["spec"]["nicSelector"]
    assert selector["pfNames"] == ["ens1f0np0"]
    assert "rootDevices" not in selector


def test_a_rail_without_address_gets_no_policy_rather_than_every_port_of_the_vendor() -> None:
    outputs = unchecked(roce(rails=[{"name": "rail0"}]))
    assert outputs.kind("SriovNetworkNodePolicy") == []
    note = outputs.note("NOTE-RAIL-ADDRESS")
    assert note.subject == "fabric roce, rail rail0, node pool training"
    assert "sriovnetworknodestates" in note.action


def test_pools_of_different_servers_split_the_ports_of_their_own_model() -> None:
    builder = cluster().pool("hopper").pool("liquid").fabric(pools=("hopper", "liquid"), rails=[])
    resolved = resolve(builder.spec())[0]
    wiring = {"hopper": "0000:1a:00.0", "liquid": "0000:2b:00.0"}
    pools = tuple(
        replace(pool, server=replace(pool.server, rails=(ServerRail("rail0", wiring[pool.name], None),)))
        for pool in resolved.pools
    )
    fabric = replace(
        resolved.fabrics[0], rails=(replace(resolved.fabrics[0].rails[0], name="rail0", pci="0000:1a:00.0"),)
    )
    outputs = Outputs(sriov(replace(resolved, pools=pools, fabrics=(fabric,))))
    for name, address in wiring.items():
        body = outputs.one("SriovNetworkNodePolicy", f"roce-rail0-{name}")
        assert body["spec"]["nicSelector"]["rootDevices"] == [address]


def test_addresses_written_in_the_spec_hold_for_every_pool() -> None:
    outputs = run(sriov, cluster().pool("a").pool("b").fabric(pools=("a", "b"), rails=RAILS[:1]))
    devices = [body["spec"]["nicSelector"]["rootDevices"] for body in outputs.kind("SriovNetworkNodePolicy")]
    assert devices == [["0000:1a:00.0"], ["0000:1a:00.0"]]


# --- node groups ------------------------------------------------------------------------------------------------


def test_pools_on_one_fabric_are_one_group_drained_one_node_at_a_time() -> None:
    builder = cluster().pool("a").pool("b").fabric(pools=("b", "a"))
    body = run(sriov, builder).one("SriovNetworkPoolConfig")
    assert body["spec"] == {
        "nodeSelector": {
            "matchExpressions": [{"key": "tenantry.dev/pool", "operator": "In", "values": ["a", "b"]}],
        },
        "maxUnavailable": 1,
        "rdmaMode": "exclusive",
    }


def test_pools_of_separate_fabrics_are_separate_groups_with_modes_of_their_own() -> None:
    builder = (
        cluster()
        .pool("a")
        .pool("b")
        .fabric("one", pools=("a",))
        .fabric("two", pools=("b",), rdmaMode="shared", resourceName="two", subnet="10.21.0.0/16")
    )
    modes = {
        body["spec"]["nodeSelector"]["matchLabels"]["tenantry.dev/pool"]: body["spec"]["rdmaMode"]
        for body in run(sriov, builder).kind("SriovNetworkPoolConfig")
    }
    assert modes == {"a": "exclusive", "b": "shared"}


def test_a_fabric_in_shared_mode_becomes_exclusive_where_its_nodes_have_an_exclusive_one() -> None:
    # a-one-b-two-c is one chain, and the mode belongs to the node.
    resolved = (
        cluster()
        .pool("a")
        .pool("b")
        .pool("c")
        .fabric("one", pools=("a", "b"), rdmaMode="shared")
        .fabric(
            "two",
            pools=("b", "c"),
            resourceName="two",
            subnet="10.21.0.0/16",
            rails=[{"name": "x", "pci": "0000:99:00.0"}],
        )
        .build()
    )
    assert [[pool.name for pool in group] for group in pool_groups(resolved)] == [["a", "b", "c"]]
    assert fabric_modes(resolved) == {"one": "exclusive", "two": "exclusive"}


def test_pools_selected_by_foreign_labels_get_a_group_each_since_one_selector_cannot_say_or() -> None:
    builder = (
        cluster()
        .pool("a", selector={"rack": "1"}, named=False)
        .pool("b", selector={"row": "2"}, named=False)
        .fabric(pools=("a", "b"))
    )
    selectors = [body["spec"]["nodeSelector"] for body in run(sriov, builder).kind("SriovNetworkPoolConfig")]
    assert selectors == [{"matchLabels": {"rack": "1"}}, {"matchLabels": {"row": "2"}}]


@given(st.lists(st.frozensets(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=5))
def test_every_wired_pool_is_in_exactly_one_group(wiring: list[frozenset[int]]) -> None:
    builder = cluster()
    for number in range(5):
        builder.pool(f"p{number}")
    for number, pools in enumerate(wiring):
        names = [f"p{pool}" for pool in sorted(pools)]
        builder.fabric(f"f{number}", pools=names, resourceName=f"r{number}")
    resolved = resolve(builder.spec())[0]
    grouped = [pool.name for group in pool_groups(resolved) for pool in group]
    assert sorted(grouped) == sorted({f"p{pool}" for pools in wiring for pool in pools})
    of = {pool.name: number for number, group in enumerate(pool_groups(resolved)) for pool in group}
    for pools in wiring:
        assert len({of[f"p{pool}"] for pool in pools}) == 1


# --- addresses --------------------------------------------------------------------------------------------------


def test_each_rail_has_a_pool_of_addresses_for_its_nodes() -> None:
    outputs = run(sriov, roce(subnet="10.20.0.0/16"))
    pools = {body["metadata"]["name"]: body["spec"] for body in outputs.kind("IPPool")}
    assert {name: spec["subnet"] for name, spec in pools.items()} == {
        "roce-rail0": "10.20.0.0/17",
        "roce-rail1": "10.20.128.0/17",
    }
    term = {"matchExpressions": [{"key": "tenantry.dev/pool", "operator": "In", "values": ["training"]}]}
    assert pools["roce-rail0"]["nodeSelector"] == {"nodeSelectorTerms": [term]}
    assert {body["metadata"]["namespace"] for body in outputs.kind("IPPool")} == {"nvidia-network-operator"}


@pytest.mark.parametrize(
    ("vfs", "subnet", "nodes", "block"),
    [
        pytest.param(8, "10.20.0.0/16", 2, 16, id="twice as many as VFs where there is room"),
        pytest.param(10, "10.20.0.0/16", 2, 16, id="next power of two above ten"),
        # /26 is two rails of /27: 32 - 2 = 30 addresses; 2 x 16 = 32 do not fit, 2 x 8 = 16 do
        pytest.param(8, "10.20.0.0/26", 2, 8, id="exactly the VFs where the prefix is short"),
        pytest.param(1, "10.20.0.0/16", 2, 2, id="never fewer than two, which the operator refuses"),
        pytest.param(8, "fd00::/64", 2, 16, id="the newer protocol"),
    ],
)
def test_blocks_hold_an_address_for_every_vf(vfs: int, subnet: str, nodes: int, block: int) -> None:
    builder = cluster().pool("training", nodes=nodes).fabric(vfsPerRail=vfs, subnet=subnet)
    sizes = {body["spec"]["perNodeBlockSize"] for body in run(sriov, builder).kind("IPPool")}
    assert sizes == {block}


@given(vfs=st.integers(1, 127), nodes=st.integers(1, 400), prefix=st.integers(16, 30))
def test_blocks_cover_the_vfs_and_grow_only_where_all_nodes_fit(vfs: int, nodes: int, prefix: int) -> None:
    builder = cluster().pool("training", nodes=nodes, named=False)
    builder.fabric(vfsPerRail=vfs, subnet=f"10.0.0.0/{prefix}", rails=[RAILS[0]])
    resolved = resolve(builder.spec())[0]
    fabric = resolved.fabrics[0]
    block = node_block(fabric, fabric.rails[0])
    usable = ipaddress.ip_network(f"10.0.0.0/{prefix}").num_addresses - 2
    assert block >= vfs
    assert block == max(vfs, 2) or block * nodes <= usable


# --- order and guards -------------------------------------------------------------------------------------------


def test_nodes_change_mode_before_vfs_are_made_and_vfs_before_they_have_addresses_at_the_latest() -> None:
    waves: dict[str, set[str]] = {}
    for body in run(sriov, roce()):
        waves.setdefault(body["kind"], set()).add(body["metadata"]["annotations"].get(WAVE, "0"))
    assert waves == {
        "SriovOperatorConfig": {"0"},
        "SriovNetworkPoolConfig": {"1"},
        "SriovNetworkNodePolicy": {"2"},
        "IPPool": {"2"},
    }


def test_nothing_that_drains_nodes_is_deleted_without_a_person() -> None:
    for body in run(sriov, roce()):
        options = body["metadata"]["annotations"][SYNC_OPTIONS].split(",")
        assert {"Prune=confirm", "Delete=confirm", "SkipDryRunOnMissingResource=true"} <= set(options)
