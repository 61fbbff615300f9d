from __future__ import annotations

import ipaddress
from itertools import permutations
from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from hypothesis import given
from hypothesis import strategies as st
from pod_network import End, PodNetwork, outside, pod
from schema_check import schema_issues

from tenantry.compile.passes.network_isolation import network_isolation

VISION, BATCH, SPEECH = (
    pod("vision", tenant="vision"),
    pod("vision-batch", tenant="vision"),
    pod("speech", tenant="speech"),
)
DISTRIBUTIONS = ["openshift", "kubernetes", "eks", "gke", "aks"]
PLATFORM_NOISE = ("gpu-operator", "kube-system", "default", "redhat-ods-operator")


def platform(distribution: str = "openshift", *exceptions: dict[str, Any]) -> ClusterBuilder:
    made = cluster().on(distribution).pool("training")
    made.tenant("vision", namespaces=["vision", "vision-batch"]).tenant("speech").tenant("robots")
    return made.document("Contract", "contract", {"exceptions": list(exceptions)}) if exceptions else made


def exception(name: str = "api", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "from": {"tenant": "vision"},
        "to": {"tenant": "speech"},
        "ports": ["TCP/8443"],
        "reason": "shared model",
        "expires": "2027-01-31",
        **fields,
    }


def egress(*rules: dict[str, Any], distribution: str = "openshift") -> ClusterBuilder:
    return cluster().on(distribution).pool("training").tenant("vision", network={"egress": list(rules)})


def network(builder: ClusterBuilder) -> PodNetwork:
    return PodNetwork(run(network_isolation, builder).bodies)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_tenant_reaches_another(distribution: str) -> None:
    made = network(platform(distribution))
    ends = {"vision": [VISION, BATCH], "speech": [SPEECH], "robots": [pod("robots", tenant="robots")]}
    for source, target in permutations(ends, 2):
        for left in ends[source]:
            for right in ends[target]:
                for port in (1, 22, 53, 443, 8443, 65535):
                    assert not made.allows(left, right, port), f"{left} {right} {port}"


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_namespaces_of_one_tenant_reach_each_other(distribution: str) -> None:
    made = network(platform(distribution))
    assert made.allows(VISION, BATCH, 29500)
    assert made.allows(BATCH, VISION, 29500, "UDP")
    assert made.allows(VISION, VISION, 1)


DNS = {
    "openshift": (pod("openshift-dns"), 5353),
    "kubernetes": (pod("kube-system", {"k8s-app": "kube-dns"}), 53),
    "eks": (pod("kube-system", {"k8s-app": "kube-dns"}), 53),
    "gke": (outside("169.254.20.10"), 53),
    "aks": (pod("kube-system", {"k8s-app": "kube-dns"}), 53),
}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_names_resolve_and_nothing_else_of_the_cluster_answers(distribution: str) -> None:
    made = network(platform(distribution))
    server, port = DNS[distribution]
    assert made.allows(VISION, server, port)
    assert made.allows(VISION, server, port, "UDP")
    assert not made.allows(VISION, server, 443)
    for name in PLATFORM_NOISE:
        assert not made.allows(VISION, pod(name), 443), name
        assert not made.allows(pod(name), VISION, 443), name
    assert not made.allows(VISION, outside("203.0.113.7"), 443)
    assert not made.allows(VISION, outside("169.254.169.254"), 80)
    assert not made.allows(outside("203.0.113.7"), VISION, 443)


@pytest.mark.parametrize(
    ("distribution", "namespace", "reaches"),
    [
        pytest.param("openshift", "openshift-monitoring", True, id="monitoring of OpenShift"),
        pytest.param("openshift", "openshift-user-workload-monitoring", True, id="monitoring of users' work"),
        pytest.param("openshift", "openshift-ingress", True, id="router"),
        pytest.param("openshift", "openshift-host-network", True, id="router on the host network"),
        pytest.param("openshift", "redhat-ods-applications", True, id="controllers of workbenches"),
        pytest.param("openshift", "openshift-console", False, id="another part of OpenShift"),
        pytest.param("kubernetes", "monitoring", True, id="Prometheus"),
        pytest.param("kubernetes", "ingress-nginx", True, id="ingress controller"),
        pytest.param("aks", "app-routing-system", True, id="ingress controller of AKS"),
        pytest.param("kubernetes", "openshift-ingress", False, id="a namespace of another distribution"),
    ],
)
def test_the_platform_reaches_tenants_where_it_must(distribution: str, namespace: str, reaches: bool) -> None:
    assert network(platform(distribution)).allows(pod(namespace), VISION, 8080) is reaches


def test_a_tenant_that_owns_a_platform_name_does_not_inherit_its_rights() -> None:
    made = cluster().kubernetes().pool("training").tenant("vision").tenant("evil", namespaces=["ingress-nginx"])
    assert not network(made).allows(pod("ingress-nginx", tenant="evil"), VISION, 8080)


def test_load_balancers_of_gke_reach_pods_directly() -> None:
    made = network(platform("gke"))
    assert made.allows(outside("35.191.0.9"), VISION, 8080)
    assert not made.allows(outside("35.192.0.9"), VISION, 8080)


# --- contract ---


@pytest.mark.parametrize("distribution", ["openshift", "eks"])
def test_an_exception_opens_exactly_what_it_says(distribution: str) -> None:
    made = network(platform(distribution, exception(ports=["TCP/8443", "UDP/9000-9010"])))
    assert made.allows(VISION, SPEECH, 8443)
    assert made.allows(BATCH, SPEECH, 8443)
    assert made.allows(VISION, SPEECH, 9010, "UDP")
    assert not made.allows(VISION, SPEECH, 9011, "UDP")
    assert not made.allows(VISION, SPEECH, 8443, "UDP")
    assert not made.allows(VISION, SPEECH, 8444)
    # One direction only, and nobody else.
    assert not made.allows(SPEECH, VISION, 8443)
    assert not made.allows(pod("robots", tenant="robots"), SPEECH, 8443)


@pytest.mark.parametrize("distribution", ["openshift", "eks"])
def test_an_exception_between_some_namespaces_and_pods_stays_there(distribution: str) -> None:
    source: dict[str, Any] = {"from": {"tenant": "speech", "pods": {"app": "client"}}}
    narrow = exception(
        **source,
        to={"tenant": "vision", "namespaces": ["vision-batch"], "pods": {"app": "api"}},
    )
    made = network(platform(distribution, narrow))
    client = pod("speech", {"app": "client", "x": "y"}, tenant="speech")
    api = pod("vision-batch", {"app": "api"}, tenant="vision")
    assert made.allows(client, api, 8443)
    assert not made.allows(SPEECH, api, 8443)
    assert not made.allows(client, BATCH, 8443)
    assert not made.allows(client, pod("vision", {"app": "api"}, tenant="vision"), 8443)


def test_exceptions_carry_why_and_how_long() -> None:
    made = run(network_isolation, platform("openshift", exception()))
    for name, namespace in (("contract-api-in", "speech"), ("contract-api-out", "vision")):
        notes = made.one("NetworkPolicy", name, namespace)["metadata"]["annotations"]
        assert notes == {"tenantry.dev/reason": "shared model", "tenantry.dev/expires": "2027-01-31"}


def test_more_exceptions_than_a_policy_can_hold_are_still_passed_on() -> None:
    many = [exception(f"e{index}", ports=[f"TCP/{8000 + index}"]) for index in range(120)]
    made = run(network_isolation, platform("openshift", *many))
    rules = made.one("AdminNetworkPolicy", "tenantry-speech")["spec"]["ingress"]
    assert len(rules) == 3  # own tenant, contract, others; the definition allows 100
    made_network = PodNetwork(made.bodies)
    assert made_network.allows(VISION, SPEECH, 8119)
    assert not made_network.allows(VISION, SPEECH, 8120)


# --- admin tier ---


def careless(namespace: str) -> dict[str, Any]:
    """A policy that opens a namespace to everybody in both directions."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    return {"kind": "NetworkPolicy", "metadata": {"name": "open", "namespace": namespace}, "spec": spec}


def test_above_network_policies_nothing_a_namespace_says_opens_it_to_other_tenants() -> None:
    made = run(network_isolation, platform()).bodies
    opened = PodNetwork([*made, careless("vision"), careless("speech")])
    assert not opened.allows(SPEECH, VISION, 443)
    without = [body for body in made if body["kind"] != "AdminNetworkPolicy"]
    assert PodNetwork([*without, careless("vision"), careless("speech")]).allows(SPEECH, VISION, 443)


def test_without_network_policies_the_baseline_still_denies() -> None:
    made = [body for body in run(network_isolation, platform()) if body["kind"] == "BaselineAdminNetworkPolicy"]
    assert not PodNetwork(made).allows(SPEECH, VISION, 443)
    assert PodNetwork(made).allows(pod("openshift-ingress"), VISION, 443)


def test_the_admin_tier_opens_nothing() -> None:
    made = run(network_isolation, platform("openshift", exception()))
    actions = {
        rule["action"]
        for body in (*made.kind("AdminNetworkPolicy"), *made.kind("BaselineAdminNetworkPolicy"))
        for direction in ("ingress", "egress")
        for rule in body["spec"].get(direction, [])
    }
    assert actions == {"Pass", "Deny"}


def test_admin_policies_share_a_priority_and_never_a_subject() -> None:
    many = cluster().pool("training")
    for index in range(150):
        many.tenant(f"team-{index}")
    policies = run(network_isolation, many).kind("AdminNetworkPolicy")
    subjects = [body["spec"]["subject"]["namespaces"]["matchLabels"]["tenantry.dev/tenant"] for body in policies]
    assert len(set(subjects)) == len(subjects) == 150
    # OVN-Kubernetes supports 0 to 99.
    assert {body["spec"]["priority"] for body in policies} == {40}


@pytest.mark.parametrize(
    ("fact", "present"), [("ovn-kubernetes", True), ("cilium", False), ("calico", False), ("", False)]
)
def test_off_openshift_the_admin_tier_needs_a_signed_network_plugin(fact: str, present: bool) -> None:
    made = platform("kubernetes")
    if fact:
        made.document("Facts", "facts", {"facts": [signed("cni", fact)]})
    outputs = run(network_isolation, made)
    assert bool(outputs.kind("AdminNetworkPolicy")) is present
    assert bool([note for note in outputs.notes if note.id == "NOTE-NETWORK-ADMIN-TIER"]) is not present


def signed(name: str, value: str | bool) -> dict[str, Any]:
    return {"id": name, "value": value, "evidence": "seen", "signedBy": "Grace", "date": "2026-01-01"}


def test_enforcement_is_asked_for_until_somebody_signs_that_it_was_seen() -> None:
    asked = [note.id for note in run(network_isolation, platform("eks")).notes]
    assert "NOTE-NETWORK-ENFORCEMENT" in asked
    facts = {"facts": [signed("cni.enforces-network-policies", True)]}
    told = run(network_isolation, platform("eks").document("Facts", "facts", facts))
    assert "NOTE-NETWORK-ENFORCEMENT" not in [note.id for note in told.notes]


# --- mutation: every policy carries weight ---


EXPORTER = pod("gpu-operator", {"app": "nvidia-dcgm-exporter"})


def without(bodies: list[dict[str, Any]], name: str) -> PodNetwork:
    return PodNetwork([body for body in bodies if body["metadata"]["name"] != name])


@pytest.mark.parametrize(
    ("name", "source", "target", "port", "before"),
    [
        pytest.param("allow-same-tenant", VISION, BATCH, 80, True, id="same tenant"),
        pytest.param("allow-dns", VISION, pod("kube-system", {"k8s-app": "kube-dns"}), 53, True, id="DNS"),
        pytest.param("allow-platform", pod("monitoring"), VISION, 80, True, id="platform"),
        pytest.param("contract-api-in", VISION, SPEECH, 8443, True, id="contract, far side"),
        pytest.param("contract-api-out", VISION, SPEECH, 8443, True, id="contract, near side"),
        pytest.param(
            "tenantry-metrics",
            pod("default"),
            pod("gpu-operator", {"app": "nvidia-dcgm-exporter"}),
            9400,
            False,
            id="metrics",
        ),
    ],
)
def test_a_missing_policy_changes_what_gets_through(
    name: str, source: End, target: End, port: int, before: bool
) -> None:
    bodies = run(network_isolation, platform("kubernetes", exception())).bodies
    assert PodNetwork(bodies).allows(source, target, port) is before
    assert without(bodies, name).allows(source, target, port) is not before


def test_default_deny_holds_when_every_other_policy_is_gone() -> None:
    bodies = [body for body in run(network_isolation, platform("eks")) if body["metadata"]["name"] == "default-deny"]
    assert not PodNetwork(bodies).allows(SPEECH, VISION, 443)
    assert PodNetwork([]).allows(SPEECH, VISION, 443)


# --- metrics ---


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_gpu_metrics_of_all_tenants_are_for_monitoring_alone(distribution: str) -> None:
    outputs = run(network_isolation, platform(distribution))
    made = PodNetwork(outputs.bodies)
    home = outputs.one("NetworkPolicy", "tenantry-metrics")["metadata"]["namespace"]
    exporter = pod(home, {"app": "nvidia-dcgm-exporter"})
    scraper = pod("openshift-monitoring" if distribution == "openshift" else "monitoring")
    assert made.allows(scraper, exporter, 9400)
    assert not made.allows(pod("default"), exporter, 9400)
    assert not made.allows(VISION, exporter, 9400)


# --- egress ---


def test_egress_reaches_the_prefixes_and_ports_written() -> None:
    made = network(egress({"to": ["198.51.100.0/24"], "ports": ["TCP/443", "TCP/8000-8010"]}))
    assert made.allows(VISION, outside("198.51.100.7"), 443)
    assert made.allows(VISION, outside("198.51.100.7"), 8005)
    assert not made.allows(VISION, outside("198.51.100.7"), 8011)
    assert not made.allows(VISION, outside("198.51.101.7"), 443)


CLOUD_PRIVATE = ["169.254.169.254", "10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.1.1"]
OPENSHIFT_INNER = ["169.254.169.254", "10.128.0.9", "172.30.0.1"]


@pytest.mark.parametrize(
    ("distribution", "prefix", "reached", "closed"),
    [
        pytest.param("openshift", "0.0.0.0/0", ["8.8.8.8", "10.1.2.3"], OPENSHIFT_INNER, id="everything, on OpenShift"),
        pytest.param("eks", "0.0.0.0/0", ["8.8.8.8"], CLOUD_PRIVATE, id="the Internet, elsewhere"),
        pytest.param("eks", "10.1.0.0/16", ["10.1.2.3"], ["10.2.0.1"], id="a private prefix by itself"),
        pytest.param("openshift", "10.0.0.0/8", ["10.1.2.3"], ["10.128.0.9", "10.131.255.255"], id="around the pods"),
        pytest.param("openshift", "10.128.4.0/24", [], ["10.128.4.5"], id="a prefix of pods"),
        pytest.param("kubernetes", "169.254.169.254/32", [], ["169.254.169.254"], id="the metadata service"),
        pytest.param("eks", "::/0", ["2001:db8::1"], ["fd00:ec2::254", "fe80::1", "fc00::1"], id="every IPv6 address"),
    ],
)
def test_egress_never_leads_back_into_the_cluster(
    distribution: str, prefix: str, reached: list[str], closed: list[str]
) -> None:
    outputs = run(network_isolation, egress({"to": [prefix]}, distribution=distribution))
    made = PodNetwork(outputs.bodies)
    assert [address for address in reached if not made.allows(VISION, outside(address), 443)] == []
    assert [address for address in closed if made.allows(VISION, outside(address), 443)] == []
    if not reached:
        assert outputs.note("NOTE-EGRESS-CLOSED").subject == "tenant vision"


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.sampled_from(["openshift", "eks"]))
def test_exclusions_are_what_the_api_server_takes(number: int, length: int, distribution: str) -> None:
    prefix = ipaddress.IPv4Network((number, length), strict=False)
    outputs = run(network_isolation, egress({"to": [str(prefix)]}, distribution=distribution))
    for body in outputs.kind("NetworkPolicy"):
        for rule in body["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                parts = [ipaddress.IPv4Network(part) for part in block.get("except", [])]
                assert all(part.subnet_of(prefix) and part != prefix for part in parts)
                # No part lies in another one.
                assert all(not one.overlaps(two) for one, two in permutations(parts, 2))


# --- shape ---


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_object_is_valid(distribution: str) -> None:
    made = platform(distribution, exception(), exception("narrow", to={"tenant": "speech", "pods": {"a": "b"}}))
    made.tenant("far", network={"egress": [{"to": ["0.0.0.0/0", "2001:db8::/32"], "ports": ["TCP/443", "UDP/1-9"]}]})
    assert schema_issues(run(network_isolation, made)) == []


def test_objects_do_not_depend_on_the_order_of_documents() -> None:
    def bodies(names: list[str]) -> list[dict[str, Any]]:
        made = cluster().pool("training")
        for name in names:
            made.tenant(name)
        return run(network_isolation, made).bodies

    assert bodies(["a", "b", "c"]) == bodies(["c", "a", "b"])


def test_objects_of_a_tenant_lie_in_its_own_component() -> None:
    made: Outputs = run(network_isolation, platform())
    for piece in made.pieces:
        owner = piece.body["metadata"].get("labels", {}).get("tenantry.dev/tenant")
        assert piece.component == (f"tenant-{owner}" if owner else piece.component)
        assert owner or piece.component in {"admission", "gpu-operator"}


# --- addresses of the cluster itself ---------------------------------------------------------------------------------


def egress_blocks(builder: ClusterBuilder) -> list[dict[str, Any]]:
    policy = run(network_isolation, builder).one("NetworkPolicy", "allow-egress")
    return [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"]]


def anywhere() -> ClusterBuilder:
    return cluster().kubernetes().tenant("vision", network={"egress": [{"to": ["0.0.0.0/0"]}]})


def test_stated_ranges_are_left_out_of_wide_egress_and_nothing_more() -> None:
    stated = {"pods": ["10.244.0.0/16"], "services": ["10.96.0.0/12"]}

    [block] = egress_blocks(anywhere().platform(network=stated))

    assert block["except"] == ["10.96.0.0/12", "10.244.0.0/16", "169.254.0.0/16"]


def test_unknown_services_keep_private_ranges_closed() -> None:
    [block] = egress_blocks(anywhere().platform(network={"pods": ["10.244.0.0/16"]}))

    assert "10.0.0.0/8" in block["except"]


def test_pods_call_the_api_servers_only_where_they_are_named() -> None:
    named = {"apiServers": {"addresses": ["10.1.0.12/32", "10.1.0.11/32"], "port": 6443}}
    without = run(network_isolation, cluster().tenant("vision"))
    outputs = run(network_isolation, cluster().platform(network=named).tenant("vision"))

    [rule] = outputs.one("NetworkPolicy", "allow-api-server")["spec"]["egress"]

    assert rule["to"] == [{"ipBlock": {"cidr": "10.1.0.11/32"}}, {"ipBlock": {"cidr": "10.1.0.12/32"}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 6443}]
    assert not [note for note in outputs.notes if note.id == "NOTE-NETWORK-API-SERVER"]
    assert not [body for body in without.kind("NetworkPolicy") if body["metadata"]["name"] == "allow-api-server"]
    assert without.note("NOTE-NETWORK-API-SERVER").action
