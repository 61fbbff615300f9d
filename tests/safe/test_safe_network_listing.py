"""What a listing shows, what it is narrowed to, and when it refuses to say anything."""

from __future__ import annotations

import pytest
from network_objects import (
    Body,
    anp,
    banp,
    cudn,
    deployment,
    expr,
    ingress,
    machine,
    manifests,
    mnp,
    nad,
    np,
    ns,
    pod,
    port,
    rule,
    sel,
    service,
    udn,
)

from tenantry.safe.network.listing import Focus, list_connectivity
from tenantry.safe.network.ports import ConnectionSet
from tenantry.safe.network.rules import Direction

CLUSTER = (
    deployment("a/web", port(8080, "web"), app="web"),
    deployment("b/web", app="web"),
    pod("c/db"),
    service("a/svc", {"app": "web"}, {"port": 80, "targetPort": "web"}),
    ingress("a/door", "svc", {"number": 80}),
    np("b/some", ingress=[{"ports": [{"port": 80}]}], types=["Ingress", "Egress"]),
)


def pairs(focus: Focus | None = None, *bodies: Body) -> list[str]:
    listing = list_connectivity(manifests(*(bodies or CLUSTER)), focus)
    assert listing.problems == []
    outside = "0.0.0.0-255.255.255.255[External]"
    return [f"{row.source} > {row.target}".replace(outside, "*") for row in listing.rows]


def test_rows_are_ordered_by_source_and_target() -> None:
    assert pairs() == [
        "* > a/web[Deployment]",
        "* > b/web[Deployment]",
        "* > c/db[Pod]",
        "a/web[Deployment] > *",
        "a/web[Deployment] > b/web[Deployment]",
        "a/web[Deployment] > c/db[Pod]",
        "c/db[Pod] > *",
        "c/db[Pod] > a/web[Deployment]",
        "c/db[Pod] > b/web[Deployment]",
        "{ingress-controller} > a/web[Deployment]",
    ]


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        pytest.param(
            Focus(("b/web",)),
            ["* > b/web[Deployment]", "a/web[Deployment] > b/web[Deployment]", "c/db[Pod] > b/web[Deployment]"],
            id="one workload by namespace and name",
        ),
        pytest.param(
            Focus(("db",), direction=Direction.EGRESS),
            ["c/db[Pod] > *", "c/db[Pod] > a/web[Deployment]", "c/db[Pod] > b/web[Deployment]"],
            id="what goes out of it",
        ),
        pytest.param(
            Focus(("db",), direction=Direction.INGRESS),
            ["* > c/db[Pod]", "a/web[Deployment] > c/db[Pod]"],
            id="what comes in",
        ),
        pytest.param(
            Focus(("db",), peers=("web",)),
            ["a/web[Deployment] > c/db[Pod]", "c/db[Pod] > a/web[Deployment]", "c/db[Pod] > b/web[Deployment]"],
            id="with peers, whose name two namespaces know",
        ),
        pytest.param(Focus(("ingress-controller",)), ["{ingress-controller} > a/web[Deployment]"], id="the controller"),
        pytest.param(
            Focus(("b/web", "nothing"), peers=("c/db",)), ["c/db[Pod] > b/web[Deployment]"], id="one of two exists"
        ),
        pytest.param(Focus(("nothing",)), [], id="no such workload"),
        pytest.param(Focus(("db",), peers=("nothing",)), [], id="no such peer"),
        pytest.param(
            Focus(("db",), connection=ConnectionSet.of("TCP", 81)),
            ["* > c/db[Pod]", "a/web[Deployment] > c/db[Pod]", "c/db[Pod] > *", "c/db[Pod] > a/web[Deployment]"],
            id="one connection, which is not allowed to everybody",
        ),
        pytest.param(
            Focus(("a/web",), peers=("ingress-controller",), connection=ConnectionSet.of("TCP", 8080)),
            ["{ingress-controller} > a/web[Deployment]"],
            id="one connection of the controller",
        ),
        pytest.param(
            Focus(("a/web",), peers=("ingress-controller",), connection=ConnectionSet.of("TCP", 80)),
            [],
            id="the port of the service is not that of the pod",
        ),
    ],
)
def test_focus_narrows_the_rows(focus: Focus, expected: list[str]) -> None:
    assert pairs(focus) == expected


def test_peers_without_workloads_narrow_nothing() -> None:
    assert pairs(Focus(peers=("db",))) == pairs()


@pytest.mark.parametrize(
    ("bodies", "part"),
    [
        pytest.param((anp("a", 3), anp("b", 3)), "AdminNetworkPolicy b has priority 3", id="one priority twice"),
        pytest.param((banp(name="other"),), "must be named default", id="baseline of another name"),
        pytest.param((banp(), banp()), "BaselineAdminNetworkPolicy default is there twice", id="two baselines"),
        pytest.param((anp("a", 1), anp("a", 2)), "AdminNetworkPolicy a is there twice", id="two of one name"),
        pytest.param(
            (np("p"), np("default/p")), "NetworkPolicy default/p is there twice", id="default namespace twice"
        ),
        pytest.param((ns("a"), ns("a")), "Namespace a is there twice", id="one namespace twice"),
        pytest.param((np("a/p", {"matchLabels": []}),), "spec/podSelector", id="selector that is none"),
        pytest.param(
            (np("a/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]),),
            "ipBlock/cidr",
            id="range that is none",
        ),
    ],
)
def test_contradictions_are_problems_and_nothing_is_listed(bodies: tuple[Body, ...], part: str) -> None:
    listing = list_connectivity(manifests(pod("a/x"), pod("b/y"), *bodies))
    assert listing.rows == []
    assert len(listing.problems) == 1
    assert part in listing.problems[0]


@pytest.mark.parametrize(
    ("bodies", "part"),
    [
        pytest.param(
            (ns("a", udn=True), udn("a/one"), udn("a/two")), "has the primary network of", id="two in one namespace"
        ),
        pytest.param(
            (ns("a", udn=True), udn("a/one"), cudn("all", {})), "some have a primary network already", id="one for all"
        ),
        pytest.param(
            (ns("a", udn=True, n="1"), cudn("one", sel(n="1")), cudn("two", sel(n="1"))),
            "has the primary network of",
            id="two cluster-wide ones in one namespace",
        ),
        pytest.param(
            (ns("default", udn=True), udn("default/one")), "cannot have a primary network", id="default namespace"
        ),
        pytest.param(
            (ns("openshift-x", udn=True), udn("openshift-x/one")),
            "cannot have a primary network",
            id="platform namespace",
        ),
        pytest.param((ns("a", udn=True), udn("a/default")), "cannot be named default", id="reserved name"),
        pytest.param(
            (ns("a", udn=True), udn("a/one", "Main")), "expected Primary or Secondary", id="role that is none"
        ),
        pytest.param(
            (nad("a/blue"), pod("a/y", networks="blue"), mnp("a/p", "")),
            "does not say which networks",
            id="for no network",
        ),
        pytest.param((mnp("a/p", "x"), mnp("a/p", "x")), "is there twice", id="multi-network policy twice"),
    ],
)
def test_contradictory_networks_are_problems(bodies: tuple[Body, ...], part: str) -> None:
    listing = list_connectivity(manifests(pod("a/x"), *bodies), several_networks=True)
    assert [part in problem for problem in listing.problems] == [True]
    assert list_connectivity(manifests(pod("a/x"), *bodies)).problems == [], "they are not looked at unless asked for"


OWNED = {"ownerReferences": [{"controller": True, "kind": "ReplicaSet", "name": "web"}]}


@pytest.mark.parametrize(
    ("selector", "told_apart"),
    [
        pytest.param(sel(version="1"), True, id="label of one"),
        pytest.param(sel(app="web"), False, id="label of both"),
        pytest.param(sel(expr("version", "In", "1", "2")), False, id="either value"),
        pytest.param(sel(expr("version", "NotIn", "1")), True, id="not that of one"),
        pytest.param(sel(expr("version", "Exists")), False, id="whatever value"),
    ],
)
def test_pods_of_one_owner_are_one_workload_unless_a_selector_tells_them_apart(
    selector: Body, told_apart: bool
) -> None:
    bodies = (
        pod("a/web-1", metadata=OWNED, app="web", version="1"),
        pod("a/web-2", metadata=OWNED, app="web", version="2"),
        pod("b/x"),
    )
    assert list_connectivity(manifests(*bodies)).problems == []
    for body in (
        np("a/p", selector),
        np("b/p", ingress=[{"from": [{"namespaceSelector": {}, "podSelector": selector}]}]),
    ):
        problems = list_connectivity(manifests(*bodies, body)).problems
        assert bool(problems) is told_apart
        assert not told_apart or "a/web[ReplicaSet]" in problems[0]
    elsewhere = np("b/p", selector)
    assert list_connectivity(manifests(*bodies, elsewhere)).problems == []


@pytest.mark.parametrize(
    ("bodies", "several", "part"),
    [
        pytest.param((pod("a/virt-launcher-vm-1"),), False, "runs a virtual machine", id="pod of a machine"),
        pytest.param((udn("x/one"),), True, "namespace x is not among the manifests", id="namespace missing"),
        pytest.param((ns("x"), udn("x/one")), True, "has no label", id="label missing"),
        pytest.param((cudn("all", sel(n="1")),), True, "selects no namespace", id="nothing selected"),
        pytest.param((ns("x", udn=True), udn("x/one", "Secondary")), True, "secondary network", id="secondary role"),
        pytest.param((service("a/s", None),), False, "has no selector", id="service without selector"),
        pytest.param((ingress("a/i", "gone", {"number": 1}),), False, "does not exist", id="service missing"),
        pytest.param(
            (anp("n", 1, egress=[rule("Deny", {"nodes": {}}, side="to")]),), False, "nodes are not listed", id="nodes"
        ),
        pytest.param(
            (anp("n", 1, egress=[rule("Deny", {"networks": ["fd00::/8"]}, side="to")]),), False, "IPv6", id="IPv6"
        ),
        pytest.param(
            (anp("n", 1, egress=[rule("Allow", {"domainNames": ["x.org"]}, side="to")]),),
            False,
            "domain names",
            id="names",
        ),
        pytest.param(
            (pod("a/z", metadata={"labels": {"app": 5}}),), False, "put it in quotes", id="label that is no text"
        ),
        pytest.param(
            (pod("a/z", metadata={"name": True}),),
            False,
            "expected a name as text, found True",
            id="name that is no text",
        ),
        pytest.param((pod("a/z", {"containerport": 5}),), False, "expected a port number", id="port misspelt"),
        pytest.param(
            ({**nad("a/blue"), "apiVersion": "nmstate.io/v1"},), True, "it is read as k8s.cni.cncf.io/v1", id="group"
        ),
    ],
)
def test_what_is_passed_over_is_said(bodies: tuple[Body, ...], several: bool, part: str) -> None:
    listing = list_connectivity(manifests(pod("a/x"), *bodies), several_networks=several)
    assert listing.problems == []
    assert [part in note for note in listing.notes].count(True) == 1


def test_machines_count_only_where_several_networks_are_asked_for() -> None:
    bodies = manifests(machine("a/vm"), pod("b/x"))
    assert len(list_connectivity(bodies).rows) == len(["in", "out"])
    assert len(list_connectivity(bodies, several_networks=True).rows) == len(["in", "out"] * 2 + ["there", "back"])


def test_addresses_of_machines_leave_out_the_first_interface() -> None:
    data = """\
ethernets:
  eth0:
    addresses: [10.0.0.9/24]
  eth1:
    addresses:
    - 10.0.1.9/24
    routes:
    - to: 0.0.0.0/0
"""
    body = machine("a/vm", "blue")
    body["spec"]["template"]["spec"]["volumes"][0]["cloudInitNoCloud"]["networkData"] = data
    policies = [
        mnp(f"a/{name}", "blue", sel(app=name), ingress=[{"from": [{"ipBlock": {"cidr": cidr}}]}])
        for name, cidr in (("first", "10.0.0.0/24"), ("second", "10.0.1.0/24"), ("route", "0.0.0.0/32"))
    ]
    targets = [pod(f"a/{name}", networks="blue", app=name) for name in ("first", "second", "route")]
    listing = list_connectivity(manifests(body, nad("a/blue"), *policies, *targets), several_networks=True)
    reached = [row.target for row in listing.rows if row.network.name == "blue" and "vm" in row.source]
    assert reached == ["a/second[Pod]"]


def test_the_order_of_objects_does_not_matter() -> None:
    assert pairs(None, *CLUSTER) == pairs(None, *CLUSTER[::-1])
