"""Channels of secondary networks: each hole with its witness, its guard, and what is missing where a fact is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from device_objects import (
    CDI,
    SRIOV_NAMESPACE,
    claims,
    cluster_policy,
    guard,
    in_red_and_blue,
    labelled_node,
    manifest,
    namespace,
    network_definition,
    no,
    node,
    node_policy,
    of_red,
    pod,
    pool_config,
    rights,
    sriov_network,
    view,
    world,
)
from holes import Case, Hole, cases_checked, holes_checked
from hypothesis import given
from hypothesis import strategies as st
from safe_clusters import Body, bind, rule
from share_objects import quota

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.bearing import Difference, bearing
from tenantry.safe.channels.fabric import CHANNELS
from tenantry.safe.fabric.adapters import fabrics_of

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

GPUS = {"nvidia.com/gpu": "8"}
OWN_NETWORKS = (
    "object.metadata.?annotations.orValue({}).all(k, k != 'k8s.v1.cni.cncf.io/networks' || "
    "!object.metadata.annotations[k].matches('[/\"]')) && "
    "object.metadata.?annotations.orValue({}).all(k, !k.startsWith('v1.multus-cni.io/'))"
)
NO_DEFAULT_NETWORK = "object.metadata.?annotations.orValue({}).all(k, !k.startsWith('v1.multus-cni.io/'))"
NO_IMEX = (
    "object.spec.containers.all(c, c.?env.orValue([]).all(e, e.name != 'NVIDIA_IMEX_CHANNELS') && "
    "c.?volumeMounts.orValue([]).all(m, !m.mountPath.contains('imex')))"
)
NO_CAPABILITIES = (
    "object.spec.containers.all(c, c.?securityContext.?capabilities.?add.orValue([]).all(a, "
    "!(a in ['NET_ADMIN', 'NET_RAW'])))"
)
SWITCHES = {"fabric.switch-partitioning": "vlan"}
POOL_NODE = labelled_node("a-1", {"pool": "a"})
CNI_GROUP = "k8s.cni.cncf.io"


def shared_plugin(most: int, **entry: Any) -> Body:
    config = {"configList": [{"resourceName": "hca", "rdmaHcaMax": most, **entry}]}
    spec = {"rdmaSharedDevicePlugin": {"config": json.dumps(config)}}
    return manifest("mellanox.com/v1alpha1", "NicClusterPolicy", "nic-cluster-policy", spec=spec)


def ib(tenant: str, pkey: str = "") -> Body:
    fields = {"pkey": pkey} if pkey else {}
    return network_definition(tenant, f"{tenant}-ib", "openshift.io/ib", type="ib-sriov", **fields)


def ib_kubernetes() -> Body:
    spec = {"ibKubernetes": {"ufmSecret": "ufm", "pKeyGUIDPoolRangeStart": "02:00", "pKeyGUIDPoolRangeEnd": "02:FF"}}
    return manifest("mellanox.com/v1alpha1", "NicClusterPolicy", "nic-cluster-policy", spec=spec)


def multi_policy(tenant: str, name: str) -> Body:
    return manifest(
        f"{CNI_GROUP}/v1beta1",
        "MultiNetworkPolicy",
        "deny",
        tenant,
        annotations={"k8s.v1.cni.cncf.io/policy-for": name},
        spec={"podSelector": {}, "policyTypes": ["Ingress"]},
    )


def cluster_network(*, used: bool) -> Body:
    return manifest("operator.openshift.io/v1", "Network", "cluster", spec={"useMultiNetworkPolicy": used})


def macvlan(tenant: str, master: str = "eth1") -> Body:
    return network_definition(tenant, f"{tenant}-lan", type="macvlan", master=master)


WRITES_NETWORKS = rights("red", rule("create", "network-attachment-definitions", CNI_GROUP))
TWO_NETWORKS = [sriov_network("red", 100), sriov_network("blue", 100)]
APART = [sriov_network("red", 100), sriov_network("blue", 200)]
SAME_LAN = [macvlan("red"), macvlan("blue")]

HOLES = [
    Hole(
        "a tenant that writes networks",
        "X1",
        world(WRITES_NETWORKS),
        guard("networks", "false", "network-attachment-definitions", group=CNI_GROUP),
        "any interface of a node",
        ("red-1-red",),
    ),
    Hole(
        "a tenant that has the network operator write networks, wherever it runs",
        "X1",
        world(
            namespace("network-operator"),
            rights("red", rule("update", "sriovnetworks", "sriovnetwork.openshift.io"), inside="network-operator"),
        ),
        rights("red", rule("get", "sriovnetworks", "sriovnetwork.openshift.io"), inside="network-operator"),
        "any interface of a node",
        ("red-1-network-operator",),
        together=True,
    ),
    Hole(
        "the network of another tenant, Multus told not to look",
        "X2",
        world(macvlan("blue")),
        guard("own", OWN_NETWORKS),
        "blue/blue-lan",
        ("blue-lan",),
        {"multus.namespace-isolation": False},
    ),
    Hole(
        "the network of another tenant in place of the default one, which isolation does not look at",
        "X2",
        world(macvlan("blue")),
        guard("default", NO_DEFAULT_NETWORK),
        "blue/blue-lan",
        ("blue-lan",),
        {"multus.namespace-isolation": True},
    ),
    Hole(
        "a network in a namespace every pod may name",
        "X2",
        world(macvlan("default")),
        guard("own", OWN_NETWORKS),
        "pods of red and blue meet",
        ("default-lan",),
        {"multus.namespace-isolation": True},
    ),
    Hole(
        "one VLAN on one VF resource",
        "X3",
        world(TWO_NETWORKS),
        [sriov_network("blue", 200)],
        "are one network",
        ("red-fast", "blue-fast"),
        SWITCHES,
    ),
    Hole(
        "no VLAN for either",
        "X3",
        world(sriov_network("red", None), sriov_network("blue", 0)),
        [sriov_network("blue", 200)],
        "are one network",
        ("red-fast", "blue-fast"),
        SWITCHES,
    ),
    Hole(
        "one uplink, a definition and an object of the network operator",
        "X3",
        world(
            macvlan("red", "bond0.7"),
            manifest(
                "mellanox.com/v1alpha1",
                "MacvlanNetwork",
                "blue-lan",
                spec={"networkNamespace": "blue", "master": "bond0.7"},
            ),
        ),
        [
            manifest(
                "mellanox.com/v1alpha1",
                "MacvlanNetwork",
                "blue-lan",
                spec={"networkNamespace": "blue", "master": "bond0.8"},
            )
        ],
        "VLAN 7",
        ("red-lan", "blue-lan"),
        SWITCHES,
    ),
    Hole(
        "one physical network of OVN-Kubernetes",
        "X3",
        world(
            *(
                network_definition(
                    tenant, "l", type="ovn-k8s-cni-overlay", topology="localnet", physicalNetworkName="dc", vlanID=9
                )
                for tenant in ("red", "blue")
            )
        ),
        [
            network_definition(
                "blue", "l", type="ovn-k8s-cni-overlay", topology="localnet", physicalNetworkName="dc", vlanID=10
            )
        ],
        "VLAN 9",
        ("l",),
        SWITCHES,
    ),
    Hole(
        "switches that keep no VLANs apart",
        "X3",
        world(APART),
        [],
        "switches do not keep VLANs apart",
        ("red-fast", "blue-fast"),
        {"fabric.switch-partitioning": "none"},
        SWITCHES,
        words=True,
    ),
    Hole(
        "trusted VFs",
        "X4",
        world(sriov_network("red", trust="on"), sriov_network("blue", 200)),
        [sriov_network("red")],
        "trusted",
        ("red-fast",),
    ),
    Hole(
        "VFs whose address is not checked",
        "X4",
        world(sriov_network("red", spoofChk="off"), sriov_network("blue", 200)),
        [sriov_network("red")],
        "addresses of others",
        ("red-fast",),
    ),
    Hole(
        "VFs without a VLAN and pods that configure interfaces",
        "X4",
        world(sriov_network("red", 0), sriov_network("blue", 200)),
        guard("capabilities", NO_CAPABILITIES),
        "tags its traffic",
        ("red-fast",),
        stays=True,
    ),
    Hole(
        "VFs without a VLAN that pods drive themselves",
        "X4",
        world(
            sriov_network("red", 0),
            sriov_network("blue", 200),
            node_policy(deviceType="vfio-pci"),
            guard("capabilities", NO_CAPABILITIES),
        ),
        [node_policy()],
        "tags its traffic",
        ("red-fast", "fast"),
    ),
    Hole(
        "VFs that fill a port",
        "X5",
        world(APART, node_policy(), POOL_NODE),
        [sriov_network("blue", 200, minTxRate=1000)],
        "fill the port",
        ("red-fast", "blue-fast"),
        {"fabric.traffic-classes": False},
    ),
    Hole(
        "VFs that fill a port, limited",
        "X5",
        world(APART, node_policy(), POOL_NODE),
        # 8 VFs of 40 Gbit/s fill 320 of the 400 Gbit/s of a ConnectX-7.
        [sriov_network("red", maxTxRate=40000)],
        "fill the port",
        ("red-fast", "blue-fast"),
        {"fabric.traffic-classes": False},
    ),
    Hole(
        "a policy on a network where nothing enforces it",
        "X6",
        world(SAME_LAN, multi_policy("blue", "blue-lan"), cluster_network(used=False)),
        [cluster_network(used=True)],
        "has no effect",
        ("deny", "red-lan", "cluster"),
    ),
    Hole(
        "a policy on VFs with RDMA, which goes past the kernel",
        "X6",
        world(TWO_NETWORKS, node_policy(isRdma=True), multi_policy("blue", "blue-fast"), cluster_network(used=True)),
        [node_policy(isRdma=False)],
        "has no effect",
        ("deny", "fast"),
    ),
    Hole(
        "RDMA devices shown in every network namespace",
        "X7",
        world(node_policy(isRdma=True), POOL_NODE, pool_config("shared")),
        [no("blue", "openshift.io/fast")],
        "see the RDMA devices",
        ("fast", "pool-shared"),
    ),
    Hole(
        "RDMA devices of nodes whose mode is signed as shared",
        "X7",
        world(node_policy(isRdma=True), POOL_NODE),
        [pool_config("exclusive")],
        "see the RDMA devices",
        ("fast",),
        {"rdma.namespace-mode": "shared"},
    ),
    Hole(
        "one RDMA device for pods of two tenants",
        "X8",
        world(shared_plugin(63)),
        [no("red", "rdma/hca")],
        "rdma/hca",
        ("nic-cluster-policy",),
    ),
    Hole(
        "one RDMA device, with a prefix of its own",
        "X8",
        world(shared_plugin(63, resourcePrefix="example.com")),
        [shared_plugin(1, resourcePrefix="example.com")],
        "example.com/hca",
        ("nic-cluster-policy",),
    ),
    Hole(
        "one partition, as full and as limited member",
        "X9",
        world(ib("red", "0x8010"), ib("blue", "0x0010"), ib_kubernetes()),
        [ib("blue", "0x8011")],
        "are one partition",
        ("red-ib", "blue-ib"),
        {"fabric.default-partition-limited": True, "fabric.subnet-manager": "ufm"},
    ),
    Hole(
        "the default partition",
        "X9",
        world(ib("red"), ib("blue", "0x8011")),
        [],
        "0x7fff",
        ("red-ib", "blue-ib"),
        {"fabric.default-partition-limited": False, "fabric.subnet-manager": "opensm"},
        {"fabric.default-partition-limited": True},
        words=True,
    ),
    Hole(
        "a subnet anyone may manage",
        "X10",
        world(ib("red", "0x8010"), ib("blue", "0x8011")),
        [],
        "subnet manager",
        ("red-ib",),
        {"fabric.management-keys": False},
        {"fabric.management-keys": True},
        words=True,
    ),
    Hole(
        "VFs that pods drive themselves, without an IOMMU",
        "X11",
        world(node_policy(deviceType="vfio-pci"), POOL_NODE),
        [node_policy()],
        "memory of the server",
        ("fast",),
        {"pcie.iommu": "off"},
        {"nodes.whole-server-per-tenant": True},
        together=True,
    ),
    Hole(
        "NVLink that nothing partitions",
        "X12",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS), guard("imex", NO_IMEX)),
        [no("blue", "nvidia.com/gpu")],
        "NVLink joins their GPUs",
        ("gpu-1",),
        {"nvlink.partitioning": "none"},
    ),
    Hole(
        "IMEX channels for whoever asks",
        "X12",
        world(
            cluster_policy(cdi=CDI),
            {
                **node(allocatable=GPUS),
                "metadata": {"name": "gpu-1", "labels": {"nvidia.com/gpu.clique": "7b968a6d.0"}},
            },
        ),
        guard("imex", NO_IMEX),
        "IMEX channels",
        (),
        {"nvlink.partitioning": "compute-domains"},
        stays=True,
    ),
]
TestHoles = holes_checked(in_red_and_blue(HOLES))


def dangling(tenant: str) -> Body:
    return bind("elsewhere", "ClusterRole/not-here", f"group:{tenant}", namespace=tenant)


CASES = [
    Case("a role that is not among the objects", "X1", world(dangling("red")), "what ClusterRole not-here allows"),
    Case(
        "whether Multus looks at namespaces",
        "X2",
        world(macvlan("blue"), guard("default", NO_DEFAULT_NETWORK)),
        "multus.namespace-isolation",
        settled={"multus.namespace-isolation": True},
    ),
    Case("whether switches keep VLANs apart", "X3", world(APART), "fabric.switch-partitioning", settled=SWITCHES),
    Case(
        "whether two resources are one network",
        "X3",
        world(sriov_network("red", 100, "fast"), sriov_network("blue", 100, "slow")),
        "fabric.networks-separate",
        settled={"fabric.networks-separate": True, **SWITCHES},
    ),
    Case(
        "what a definition holds",
        "X3",
        world(sriov_network("red"), {**network_definition("blue"), "spec": {"config": "{not json"}}),
        "what carries network blue/net",
    ),
    Case(
        "what a trunk carries",
        "X3",
        world(
            network_definition("red", type="bridge", bridge="br", vlanTrunk=[{"minID": 1, "maxID": 4094}]),
            network_definition("blue", type="bridge", bridge="br", vlan=7),
        ),
        "what carries network red/net",
    ),
    Case(
        "whether the driver checks addresses",
        "X4",
        world(
            {**sriov_network("red"), "spec": {"resourceName": "fast", "networkNamespace": "red", "vlan": 100}},
            sriov_network("blue", 200),
        ),
        f"spoofChk of SriovNetwork {SRIOV_NAMESPACE}/red-fast",
    ),
    Case(
        "what divides a port",
        "X5",
        world(APART, node_policy(), POOL_NODE),
        "fabric.traffic-classes",
        settled={"fabric.traffic-classes": True},
    ),
    Case(
        "what enforces policies of secondary networks",
        "X6",
        world(SAME_LAN, multi_policy("blue", "blue-lan")),
        "what enforces MultiNetworkPolicies",
    ),
    Case(
        "which mode RDMA devices are in",
        "X7",
        world(node_policy(isRdma=True), POOL_NODE),
        "rdma.namespace-mode",
        settled={"rdma.namespace-mode": "exclusive"},
    ),
    Case(
        "a pool that covers other nodes only",
        "X7",
        world(node_policy(isRdma=True), POOL_NODE, pool_config("exclusive", pool="b")),
        "rdma.namespace-mode",
    ),
    Case(
        "a configuration that cannot be read",
        "X8",
        world(
            manifest(
                "mellanox.com/v1alpha1",
                "NicClusterPolicy",
                "nic-cluster-policy",
                spec={"rdmaSharedDevicePlugin": {"config": "{"}},
            )
        ),
        "configuration in NicClusterPolicy nic-cluster-policy",
    ),
    Case(
        "whether the default partition joins them",
        "X9",
        world(ib("red", "0x8010"), ib("blue", "0x8011"), ib_kubernetes()),
        "fabric.default-partition-limited",
        settled={"fabric.default-partition-limited": True, "fabric.subnet-manager": "ufm"},
    ),
    Case(
        "who manages the subnet",
        "X10",
        world(ib("red", "0x8010"), ib("blue", "0x8011")),
        "fabric.management-keys",
        settled={"fabric.management-keys": True},
    ),
    Case(
        "whether transfers are checked",
        "X11",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS)),
        "pcie.acs",
        settled={"pcie.acs": "redirect-on"},
    ),
    Case(
        "what partitions NVLink",
        "X12",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS), guard("imex", NO_IMEX)),
        "nvlink.partitioning",
        settled={"nvlink.partitioning": "whole-node"},
    ),
    Case(
        "whether nodes are in an NVLink domain",
        "X12",
        world(cluster_policy(cdi=CDI), labelled_node("gpu-1", {"pool": "a"})),
        "label nvidia.com/gpu.clique of nodes",
    ),
]


TestCases = cases_checked(in_red_and_blue(CASES))


def both(**config: Any) -> list[Body]:
    """A network of each tenant, told apart by the word ``{}`` in its fields."""
    return [
        network_definition(tenant, tenant, **{key: str(value).format(tenant) for key, value in config.items()})
        for tenant in ("red", "blue")
    ]


RESOURCES = [
    sriov_network("red", 1, "fast"),
    sriov_network("blue", 2, "slow"),
    node_policy("fast"),
    node_policy("slow"),
]
L40S = labelled_node("gpu-1", {"nvidia.com/gpu.product": "NVIDIA-L40S"})
MIG_NODE = node(allocatable={"nvidia.com/mig-3g.71gb": "4"})
RDMA_OF_BLUE = [node_policy(isRdma=True), pool_config("shared"), no("red", "openshift.io/fast")]
WHOLE = {"nodes.whole-server-per-tenant": True}

HARMLESS: list[tuple[str, str, list[Body], dict[str, Any]]] = [
    ("networks of one tenant", "X3", world(sriov_network("red"), sriov_network("red", 100, "slow")), {}),
    ("bridges of different names", "X3", world(both(type="bridge", bridge="{}")), {}),
    ("overlays of different names", "X3", world(both(type="ovn-k8s-cni-overlay", topology="layer2")), {}),
    ("trusted VFs nobody else shares", "X4", world(sriov_network("red", trust="on")), {}),
    ("VFs of different adapters", "X5", world(RESOURCES), {}),
    ("VFs of servers given whole", "X5", world(APART, node_policy(), POOL_NODE), WHOLE),
    ("a policy on a network nobody shares", "X6", world(macvlan("blue"), multi_policy("blue", "blue-lan")), {}),
    ("VFs without RDMA", "X7", world(node_policy(), POOL_NODE, pool_config("shared")), {}),
    ("RDMA devices of a pool of one tenant", "X7", world(RDMA_OF_BLUE), {}),
    ("an RDMA device for one pod at a time", "X8", world(shared_plugin(1)), {}),
    ("InfiniBand of one tenant", "X9", world(ib("red")), {}),
    ("InfiniBand of one tenant, to manage", "X10", world(ib("red")), {}),
    ("MIG instances in one server", "X11", world(cluster_policy(), MIG_NODE), {}),
    ("GPUs without NVLink", "X12", world(cluster_policy(), L40S, guard("imex", NO_IMEX)), {}),
    *((f"no fabric at all: {channel.id}", channel.id, world(), {}) for channel in CHANNELS),
]


@pytest.mark.parametrize(
    ("channel", "objects", "facts"), [case[1:] for case in HARMLESS], ids=[case[0] for case in HARMLESS]
)
def test_what_harms_nobody_is_proved(channel: str, objects: list[Body], facts: dict[str, Any]) -> None:
    found = claims(channel, view(objects, facts))
    assert {item.verdict for item in found} == {Verdict.PROVED}, found


# --- details ----------------------------------------------------------------------------------------------------------


def test_a_careless_victim_joins_a_network_by_writing_one() -> None:
    objects = world(APART, rights("blue", rule("create", "network-attachment-definitions", CNI_GROUP)))
    facts = {**SWITCHES}
    assert of_red("X3", view(objects, facts)).verdict is Verdict.PROVED
    assert of_red("X3", view(objects, facts, Strength.CARELESS)).verdict is Verdict.VIOLATED


def test_as_deployed_only_pods_that_name_a_network_count() -> None:
    facts = {"multus.namespace-isolation": False}
    objects = world(macvlan("blue"))
    assert of_red("X2", view(objects, facts, Strength.DEPLOYED)).verdict is Verdict.PROVED
    written = json.dumps([{"name": "blue-lan", "namespace": "blue"}])
    for value in ("blue/blue-lan", "blue/blue-lan@net1", written):
        work = pod("red", annotations={"k8s.v1.cni.cncf.io/networks": value})
        found = of_red("X2", view([*objects, work], facts, Strength.DEPLOYED))
        assert found.verdict is Verdict.VIOLATED, value
        assert found.witness is not None
        assert "work" in {step.by.name for step in found.witness.steps if step.by}


def test_multus_configuration_among_the_objects_decides() -> None:
    def configured(*, on: bool) -> Body:
        config = json.dumps({"type": "multus", "namespaceIsolation": on})
        return manifest("v1", "ConfigMap", "multus-daemon-config", "kube-system", data={"daemon-config.json": config})

    objects = world(macvlan("blue"), guard("default", NO_DEFAULT_NETWORK))
    assert of_red("X2", view([*objects, configured(on=True)])).verdict is Verdict.PROVED
    found = of_red("X2", view([*objects, configured(on=False)]))
    assert found.verdict is Verdict.VIOLATED
    assert found.witness is not None
    assert "multus-daemon-config" in {step.by.name for step in found.witness.steps if step.by}


def test_a_right_in_another_namespace_writes_networks_too() -> None:
    writes = rights("red", rule("patch", "network-attachment-definitions", CNI_GROUP), inside="default")
    assert of_red("X1", view(world(namespace("default"), writes))).verdict is Verdict.VIOLATED


def test_reading_networks_is_no_writing() -> None:
    reads = rights("red", rule("get list watch", "network-attachment-definitions", CNI_GROUP))
    assert of_red("X1", view(world(reads))).verdict is Verdict.PROVED


def test_a_limit_too_high_for_the_port_is_no_limit() -> None:
    # 8 VFs of 60 Gbit/s want 480 of the 400 Gbit/s of a ConnectX-7.
    objects = world(sriov_network("red", maxTxRate=60000), sriov_network("blue", 200), node_policy(), POOL_NODE)
    assert of_red("X5", view(objects, {"fabric.traffic-classes": False})).verdict is Verdict.VIOLATED


def test_how_many_may_be_had_decides_whether_they_fill_the_port() -> None:
    objects = world(sriov_network("red", maxTxRate=60000), sriov_network("blue", 200), node_policy(), POOL_NODE)
    signed = {"fabric.traffic-classes": False}

    def of(most: str) -> tuple[list[Body], Verdict]:
        held = [*objects, quota("red", "held", **{"requests.openshift.io/fast": most})]
        return held, of_red("X5", view(held, signed)).verdict

    (few, safe), (many, filled) = of("6"), of("7")
    assert (safe, filled) == (Verdict.PROVED, Verdict.VIOLATED)
    differs = Difference("", "ResourceQuota", "spec/hard/requests.openshift.io/fast", "6", "7")
    assert few != many
    assert bearing([differs], many) == frozenset({"X5"})


def test_network_policies_never_separate_secondary_networks() -> None:
    policy = multi_policy("blue", "blue-lan")
    found = of_red("X3", view(world(SAME_LAN, policy, cluster_network(used=True)), SWITCHES))
    assert found.verdict is Verdict.VIOLATED


def test_resources_are_asked_for_by_the_prefix_objects_mention() -> None:
    seen = view(world(node_policy(), no("red", "nvidia.com/fast")))
    assert fabrics_of(seen).full_names("fast") == ["nvidia.com/fast"]
    assert fabrics_of(view(world(node_policy()))).full_names("fast") == ["openshift.io/fast"]


@given(st.integers(1, 4094), st.integers(1, 4094))
def test_networks_are_one_exactly_when_their_vlans_are(one: int, other: int) -> None:
    found = of_red("X3", view(world(sriov_network("red", one), sriov_network("blue", other)), SWITCHES))
    assert (found.verdict is Verdict.VIOLATED) is (one == other)


@given(st.integers(1, 0x7FFE), st.integers(1, 0x7FFE), st.booleans(), st.booleans())
def test_partitions_are_compared_without_the_bit_of_membership(one: int, other: int, full: bool, limited: bool) -> None:
    keys = [f"0x{number | (0x8000 if bit else 0):04x}" for number, bit in ((one, full), (other, limited))]
    facts: dict[str, Any] = {"fabric.default-partition-limited": True, "fabric.subnet-manager": "ufm"}
    found = of_red("X9", view(world(ib("red", keys[0]), ib("blue", keys[1]), ib_kubernetes()), facts))
    assert (found.verdict is Verdict.VIOLATED) is (one == other)
