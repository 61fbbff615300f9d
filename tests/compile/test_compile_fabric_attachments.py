from __future__ import annotations

import json
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from schema_check import schema_issues

from tenantry.compile.checks import check
from tenantry.compile.names import joined, name_clashes, network_names, tenant_networks
from tenantry.compile.passes.fabric_attachments import fabric_attachments, partition
from tenantry.compile.passes.network_operator import network_operator
from tenantry.compile.passes.sriov import sriov
from tenantry.compile.resolve import resolve
from tenantry.model.spec import FabricType


def roce(**fields: Any) -> ClusterBuilder:
    return cluster().pool("training").fabric(**fields)


def vision(builder: ClusterBuilder, key: int | str = 101, fabric: str = "roce", **fields: Any) -> ClusterBuilder:
    return builder.tenant("vision", pool="training", guaranteed=8, fabrics={fabric: key}, **fields)


def test_a_tenant_gets_a_network_of_its_own_vlan_on_every_rail() -> None:
    outputs = run(fabric_attachments, vision(roce()))
    networks = {body["metadata"]["name"]: body for body in outputs.kind("SriovNetwork")}
    assert sorted(networks) == ["vision-roce-rail0", "vision-roce-rail1"]
    body = networks["vision-roce-rail1"]
    assert body["metadata"]["namespace"] == "openshift-sriov-network-operator"
    assert body["metadata"]["labels"] == {"tenantry.dev/tenant": "vision", "tenantry.dev/department": "research"}
    assert body["spec"] == {
        "resourceName": "sriovlegacy",
        "networkNamespace": "vision",
        "vlan": 101,
        "spoofChk": "on",
        "trust": "off",
        "linkState": "auto",
        "ipam": '{"poolName": "roce-rail1", "type": "nv-ipam"}',
        "metaPlugins": '{"type": "rdma"}',
    }


def test_networks_belong_to_the_component_of_their_tenant() -> None:
    outputs = run(fabric_attachments, vision(roce()))
    assert {piece.component for piece in outputs.pieces} == {"tenant-vision"}


def test_the_rdma_plugin_is_there_exactly_in_exclusive_mode() -> None:
    for mode, present in (("exclusive", True), ("shared", False)):
        networks = run(fabric_attachments, vision(roce(rdmaMode=mode))).kind("SriovNetwork")
        assert {"metaPlugins" in body["spec"] for body in networks} == {present}


def test_a_shared_fabric_on_exclusive_nodes_needs_the_plugin_too() -> None:
    builder = roce(rdmaMode="shared").fabric(
        "second", resourceName="second", subnet="10.21.0.0/16", rails=[{"name": "x", "pci": "0000:99:00.0"}]
    )
    networks = run(fabric_attachments, vision(builder)).kind("SriovNetwork")
    assert {"metaPlugins" in body["spec"] for body in networks} == {True}


def test_a_rate_limit_of_the_fabric_holds_for_every_vf() -> None:
    networks = run(fabric_attachments, vision(roce(maxTxMbps=100_000))).kind("SriovNetwork")
    assert {body["spec"]["maxTxRate"] for body in networks} == {100_000}


def test_every_namespace_has_networks_under_names_that_never_change_when_one_is_added() -> None:
    one = run(fabric_attachments, vision(roce(), namespaces=("vision-a",))).kind("SriovNetwork")
    two = run(fabric_attachments, vision(roce(), namespaces=("vision-a", "vision-b"))).kind("SriovNetwork")
    assert [body for body in two if body["spec"]["networkNamespace"] == "vision-a"] == one
    assert [body["metadata"]["name"] for body in two if body["spec"]["networkNamespace"] == "vision-b"] == [
        "vision-roce-rail0-vision-b",
        "vision-roce-rail1-vision-b",
    ]


def test_only_the_namespaces_named_may_attach() -> None:
    builder = roce().tenant(
        "vision",
        pool="training",
        guaranteed=8,
        namespaces=("train", "web"),
        network={"fabrics": [{"name": "roce", "vlan": 101, "namespaces": ["train"]}]},
    )
    resolved = builder.build()
    assert {body["spec"]["networkNamespace"] for body in run(fabric_attachments, resolved)} == {"train"}
    assert network_names(resolved, resolved.tenants[0], "train") == ("vision-roce-rail0", "vision-roce-rail1")
    assert network_names(resolved, resolved.tenants[0], "web") == ()


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(vision(roce(), namespaces=("a", "b")), id="ethernet, two namespaces"),
        pytest.param(
            vision(roce(name="ndr", infiniband=True), "0x8010", "ndr", namespaces=("a", "b")),
            id="infiniband, two namespaces",
        ),
        pytest.param(roce().tenant("other", pool="training", guaranteed=8), id="no attachment at all"),
    ],
)
def test_names_told_to_admission_are_those_of_the_networks_made(builder: ClusterBuilder) -> None:
    resolved = builder.build()
    made: dict[str, set[str]] = {}
    for body in run(fabric_attachments, resolved):
        namespace = body["spec"].get("networkNamespace") or body["metadata"]["namespace"]
        made.setdefault(namespace, set()).add(body["metadata"]["name"])
    for tenant in resolved.tenants:
        for namespace in tenant.namespaces:
            names = network_names(resolved, tenant, namespace)
            assert set(names) == made.get(namespace, set())
            assert list(names) == sorted(names)


# --- InfiniBand -------------------------------------------------------------------------------------------------


def definition(builder: ClusterBuilder, name: str = "vision-ndr-rail0") -> tuple[Any, Any]:
    body = run(fabric_attachments, builder).one("NetworkAttachmentDefinition", name)
    return body, json.loads(body["spec"]["config"])


def infiniband(**fields: Any) -> ClusterBuilder:
    return vision(roce(name="ndr", infiniband=True, **fields), "0x8010", "ndr")


def test_a_partition_is_a_definition_in_the_tenants_namespace_because_no_sriov_kind_has_a_p_key() -> None:
    body, config = definition(infiniband())
    assert body["metadata"]["namespace"] == "vision"
    assert body["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"] == "openshift.io/sriovlegacy"
    assert config == {
        "cniVersion": "0.3.1",
        "name": "vision-ndr-rail0",
        "type": "ib-sriov",
        "pkey": "0x0010",
        "link_state": "enable",
        "ibKubernetesEnabled": True,
        "rdmaIsolation": True,
        "ipam": {"type": "nv-ipam", "poolName": "ndr-rail0"},
    }
    assert run(fabric_attachments, infiniband()).kind("SriovNetwork") == []


def test_rdma_is_isolated_once_and_only_where_nodes_are_exclusive() -> None:
    _, config = definition(infiniband(rdmaMode="shared"))
    assert "rdmaIsolation" not in config
    assert "plugins" not in config


def test_each_namespace_on_infiniband_has_its_own_copy_under_the_plain_name() -> None:
    builder = vision(roce(name="ndr", infiniband=True), "0x8010", "ndr", namespaces=("a", "b"))
    found = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in run(fabric_attachments, builder)}
    assert found == {(namespace, f"vision-ndr-rail{rail}") for namespace in "ab" for rail in (0, 1)}


@pytest.mark.parametrize(
    ("written", "named"),
    [
        pytest.param("0x8010", "0x0010", id="full member"),
        pytest.param("0x10", "0x0010", id="short, limited member"),
        pytest.param("0xFFFE", "0x7FFE", id="largest a tenant may have"),
        pytest.param("0xabc", "0x0ABC", id="lower case"),
    ],
)
def test_a_partition_is_named_by_fifteen_bits(written: str, named: str) -> None:
    assert partition(written) == named


def test_pods_on_infiniband_are_told_what_to_carry() -> None:
    assert "mellanox.infiniband.app" in run(fabric_attachments, infiniband()).note("NOTE-PKEY-PODS").action
    assert run(fabric_attachments, vision(roce())).notes == []


# --- nothing without isolation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("infiniband", [False, True])
def test_an_attachment_that_isolates_nobody_yields_nothing(infiniband: bool) -> None:
    builder = roce(infiniband=infiniband).tenant(
        "vision", pool="training", guaranteed=8, network={"fabrics": [{"name": "roce"}]}
    )
    resolved, problems = resolve(builder.spec())
    assert not problems
    assert Outputs(fabric_attachments(resolved)).all == []


@pytest.mark.parametrize("service", ["eks", "gke", "aks"])
def test_managed_services_have_no_networks_and_no_names(service: str) -> None:
    resolved = vision(roce().on(service)).build()
    assert run(fabric_attachments, resolved).all == []
    assert network_names(resolved, resolved.tenants[0], "vision") == ()


# --- names ------------------------------------------------------------------------------------------------------


def test_long_names_end_in_a_hash_that_tells_them_apart() -> None:
    one, other = joined("t" * 40, "f" * 30, "rail0"), joined("t" * 40, "f" * 30, "rail1")
    assert len(one) == len(other) == 63
    assert one != other
    assert joined("vision", "roce", "rail0") == "vision-roce-rail0"


def test_two_owners_of_one_name_are_found() -> None:
    # Tenant a-b on fabric c and tenant a on fabric b-c would both be a-b-c-r.
    builder = (
        cluster()
        .pool("training")
        .fabric("c", rails=[{"name": "r", "pci": "0000:1a:00.0"}])
        .fabric("b-c", rails=[{"name": "r", "pci": "0000:3c:00.0"}], resourceName="two", subnet="10.21.0.0/16")
        .tenant("a-b", pool="training", guaranteed=8, fabrics={"c": 101})
        .tenant("a", pool="training", guaranteed=8, fabrics={"b-c": 102})
    )
    clash = [item for item in name_clashes(builder.build()) if item.kind == "SriovNetwork"]
    assert [(item.name, len(item.owners), item.tenant) for item in clash] == [("a-b-c-r", 2, "a-b")]
    problems = [item for item in check(builder.build()) if item.rule == "SPEC-NAME-CLASH"]
    assert str(problems[0].subject) == "Tenant a-b"
    assert "a-b-c-r" in problems[0].message


@pytest.mark.parametrize(
    ("scheduler", "kind", "tenants", "pools"),
    [
        pytest.param("kai", "Queue", {"a-b": "x", "a": "x"}, ("c", "b-c"), id="tenant a-b on c, tenant a on b-c"),
        pytest.param("kueue", "ClusterQueue", {"a-b": "x", "a": "x"}, ("c", "b-c"), id="the same with Kueue"),
        pytest.param("kueue", "Cohort", {"t": "a", "u": "x"}, ("b", "a-b"), id="department a on b, and pool a-b"),
        pytest.param("kai", "Queue", {"x": "d", "t": "x"}, ("p-dept", "p"), id="tenant x on p-dept, department x on p"),
    ],
)
def test_queues_of_two_owners_are_found(
    scheduler: str, kind: str, tenants: dict[str, str], pools: tuple[str, str]
) -> None:
    builder = cluster().scheduler(scheduler)
    for pool in pools:
        builder.pool(pool)
    for (tenant, department), pool in zip(tenants.items(), pools, strict=True):
        builder.tenant(tenant, pool=pool, guaranteed=8, department=department)
    assert kind in {item.kind for item in name_clashes(builder.build())}


def test_an_ordinary_platform_has_no_clash() -> None:
    resolved = vision(roce()).tenant("speech", pool="training", guaranteed=8).build()
    assert name_clashes(resolved) == ()
    assert [item for item in check(resolved) if item.rule == "SPEC-NAME-CLASH"] == []


# --- schemas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(lambda: vision(roce(maxTxMbps=1000), namespaces=("a", "b")), id="roce"),
        pytest.param(
            lambda: vision(roce(resourcePerRail=True, externallyManaged=True, rdmaMode="shared")), id="shared"
        ),
        pytest.param(infiniband, id="infiniband"),
    ],
)
def test_everything_about_fabrics_passes_its_schema(builder: Any, distribution: str) -> None:
    resolved = builder().on(distribution).build()
    bodies = [body for step in (network_operator, sriov, fabric_attachments) for body in run(step, resolved)]
    assert len(bodies) >= 6
    assert schema_issues(bodies) == []


def test_networks_of_every_link_type_are_counted_alike() -> None:
    resolved = infiniband().build()
    networks = list(tenant_networks(resolved, resolved.tenants[0]))
    assert {item.fabric.spec.type for item in networks} == {FabricType.INFINIBAND}
    assert [item.rail.name for item in networks] == ["rail0", "rail1"]
