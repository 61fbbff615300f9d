"""Every kind of network policy is read into rules with their places, and what is wrong becomes a problem."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_objects import Body, anp, banp, cnp, manifests, mnp, np, number, rule, sel
from network_tables import TABLES

from tenantry.safe.network.addresses import parse_cidr
from tenantry.safe.network.evaluate import Evaluator
from tenantry.safe.network.listing import list_connectivity
from tenantry.safe.network.policies import read_policies, undefined_order
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    DomainPeer,
    NodePeer,
    PodPeer,
    PortName,
    PortRange,
    Tier,
    Trouble,
)


def test_rules_know_their_object_and_place() -> None:
    body = np("b/p", ingress=[{}, {"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]}])
    (policy,) = read_policies(manifests(body)).policies
    second = policy.ingress[1]
    assert (policy.key.namespace, policy.key.name, policy.tier) == ("b", "p", Tier.NAMESPACE)
    assert second.pointer == ("spec", "ingress", 1)
    assert second.peers == (
        PodPeer(namespace="b", pointer=("spec", "ingress", 1, "from", 0)),
        AddressPeer(parse_cidr("10.0.0.0/8"), ("spec", "ingress", 1, "from", 1, "ipBlock")),
    )
    assert policy.ingress[0].peers is None
    assert policy.ingress[0].ports is None


def test_tiers_priorities_and_actions_are_read_alike_from_every_kind() -> None:
    read = read_policies(
        manifests(
            np("b/p"),
            banp(ingress=[rule("Deny")]),
            cnp("c", "Baseline", 4, egress=[rule("Accept", side="to")]),
            cnp("d", "Admin", 2, ingress=[rule("Pass")]),
            anp("a", 1, ingress=[rule("Deny", name="no")]),
        )
    )
    assert [(item.key.kind, item.tier, item.priority) for item in read.policies] == [
        ("AdminNetworkPolicy", Tier.ADMIN, 1),
        ("ClusterNetworkPolicy", Tier.ADMIN, 2),
        ("NetworkPolicy", Tier.NAMESPACE, 0),
        ("BaselineAdminNetworkPolicy", Tier.BASELINE, 0),
        ("ClusterNetworkPolicy", Tier.BASELINE, 4),
    ]
    actions = [entry.action for item in read.policies for entry in (*item.ingress, *item.egress)]
    assert actions == [Action.DENY, Action.PASS, Action.DENY, Action.ALLOW]
    assert read.policies[0].ingress[0].name == "no"
    assert read.policies[0].directions == {Direction.INGRESS}


def test_ports_are_read_alike_from_every_kind() -> None:
    namespaced = np("b/p", ingress=[{"ports": [{"port": 80, "endPort": 90}, {"protocol": "UDP"}, {"port": "web"}]}])
    admin = anp(
        "a",
        1,
        ingress=[rule("Allow", ports=[number(80), {"portRange": {"start": 5, "end": 6}}, {"namedPort": "web"}])],
    )
    cluster = cnp(
        "c",
        "Admin",
        2,
        ingress=[
            rule(
                "Accept",
                protocols=[
                    {"tcp": {"destinationPort": {"number": 80}}},
                    {"udp": {"destinationPort": {"range": {"start": 5, "end": 6}}}},
                    {"sctp": {}},
                    {"destinationNamedPort": "web"},
                ],
            )
        ],
    )
    ports = {
        item.key.name: item.ingress[0].ports for item in read_policies(manifests(namespaced, admin, cluster)).policies
    }
    assert ports["p"] == (PortRange("TCP", 80, 90), PortRange("UDP", 1, 65535), PortName("web", "TCP"))
    assert ports["a"] == (PortRange("TCP", 80, 80), PortRange("TCP", 5, 6), PortName("web"))
    assert ports["c"] == (
        PortRange("TCP", 80, 80),
        PortRange("UDP", 5, 6),
        PortRange("SCTP", 1, 65535),
        PortName("web"),
    )


def test_peers_outside_the_cluster_are_kept_apart() -> None:
    peers: list[Body] = [
        {"nodes": sel(role="gpu")},
        {"domainNames": ["*.example.org"]},
        {"networks": ["10.0.0.0/8", "fd00::/8"]},
    ]
    (policy,) = read_policies(manifests(anp("a", 1, egress=[rule("Allow", *peers, side="to")]))).policies
    assert [type(peer) for peer in policy.egress[0].peers or ()] == [NodePeer, DomainPeer, AddressPeer, AddressPeer]


def test_multi_network_policies_say_which_networks_they_are_for() -> None:
    (policy,) = read_policies(manifests(mnp("a/p", "blue, b/red"))).policies
    assert policy.networks == ("a/blue", "b/red")


def test_objects_of_other_kinds_are_passed_over() -> None:
    body = np("b/p")
    assert (
        read_policies(manifests({**body, "apiVersion": "projectcalico.org/v3"}, {**body, "kind": "Secret"})).policies
        == ()
    )


@pytest.mark.parametrize(
    ("body", "place", "part"),
    [
        pytest.param(np("b/p", ingress=[{"from": [{}]}]), "spec/ingress/0/from/0", "expected ipBlock", id="empty peer"),
        pytest.param(
            np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]),
            "spec/ingress/0/from/0",
            "cannot be combined",
            id="range with selector",
        ),
        pytest.param(
            np("b/p", egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/40"}}]}]),
            "spec/egress/0/to/0/ipBlock/cidr",
            "10.0.0.0/40",
            id="range that is none",
        ),
        pytest.param(
            np("b/p", ingress=[{"ports": [{"port": 90, "endPort": 80}]}]),
            "spec/ingress/0/ports/0/endPort",
            "before it starts",
            id="range of ports backwards",
        ),
        pytest.param(
            np("b/p", ingress=[{"ports": [{"port": "web", "endPort": 80}]}]),
            "spec/ingress/0/ports/0/endPort",
            "needs a port number",
            id="end of a named port",
        ),
        pytest.param(
            np("b/p", ingress=[{"ports": [{"port": 0}]}]), "spec/ingress/0/ports/0/port", "1 to 65535", id="port 0"
        ),
        pytest.param(
            np("b/p", ingress=[{"ports": [{"protocol": "ICMP"}]}]),
            "spec/ingress/0/ports/0/protocol",
            "SCTP, TCP, UDP",
            id="protocol without ports",
        ),
        pytest.param(
            np("b/p", {"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}),
            "spec/podSelector",
            "operator",
            id="operator that is none",
        ),
        pytest.param(
            np("b/p", {"matchLabels": {"a": True}}), "spec/podSelector", "label value", id="label that is no text"
        ),
        pytest.param(np("b/p", {"matchLabels": {"-a": "b"}}), "spec/podSelector", "label key", id="key that is none"),
        pytest.param(anp("a", 1001), "spec/priority", "0 to 1000", id="priority out of range"),
        pytest.param(anp("a", 1, {"namespaces": {}, "pods": {}}), "spec/subject", "exactly one", id="two subjects"),
        pytest.param(
            anp("a", 1, ingress=[{"action": "Deny", "from": []}]), "spec/ingress/0/from", "at least one", id="no peer"
        ),
        pytest.param(
            anp("a", 1, ingress=[rule("Drop")]), "spec/ingress/0/action", "Allow, Deny, Pass", id="action that is none"
        ),
        pytest.param(
            anp("a", 1, ingress=[rule("Deny", {"networks": ["10.0.0.0/8"], "namespaces": {}}, side="to")]),
            "spec/ingress/0/from",
            "at least one",
            id="peers under the wrong field",
        ),
        pytest.param(
            anp("a", 1, ingress=[rule("Deny", ports=[{"portNumber": {"port": 1}, "namedPort": "web"}])]),
            "spec/ingress/0/ports/0",
            "exactly one",
            id="port written twice",
        ),
        pytest.param(banp(ingress=[rule("Pass")]), "spec/ingress/0/action", "Allow, Deny", id="pass in the baseline"),
        pytest.param(banp(name="other"), "metadata/name", "named default", id="second baseline"),
        pytest.param(cnp("c", "Middle", 1), "spec/tier", "Admin or Baseline", id="tier that is none"),
        pytest.param(
            cnp("c", "Admin", 1, ingress=[rule("Accept", protocols=[{"icmp": {}}])]),
            "spec/ingress/0/protocols/0",
            "tcp, udp, sctp",
            id="protocol that is none",
        ),
    ],
)
def test_what_has_no_meaning_is_a_problem_and_left_out(body: Body, place: str, part: str) -> None:
    read = read_policies(manifests(body, np("c/good")), validated=False)
    assert [item.key.name for item in read.policies] == ["good"]
    assert [("/".join(map(str, item.pointer)), item.trouble) for item in read.problems] == [(place, Trouble.UNREADABLE)]
    assert part in read.problems[0].message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]),
            id="exception outside its range",
        ),
        pytest.param(
            np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}]),
            id="exception of the whole range",
        ),
        pytest.param(np("b/p", ingress=[{"ports": [{"port": "Web_Port"}]}]), id="name no port has"),
        pytest.param(np("b/p", types=["Both"]), id="type that is none"),
        pytest.param(np("b/p", {"matchlabels": {"app": "x"}}), id="misspelt selector, which selects everything"),
        pytest.param(
            np("b/p", ingress=[{"from": [{"podSelector": {}, "namespaces": {}}]}]), id="field that peers do not have"
        ),
        pytest.param(anp("a", None), id="no priority"),
        pytest.param(
            anp("a", 1, egress=[rule("Allow", {"networks": ["10.0.0.0/8"]}, side="to", ports=[{"namedPort": "web"}])]),
            id="named port of addresses",
        ),
    ],
)
def test_what_only_the_server_refuses_is_read_when_not_validated(body: Body) -> None:
    strict, lenient = read_policies(manifests(body)), read_policies(manifests(body), validated=False)
    assert (len(strict.policies), len(lenient.policies)) == (0, 1)
    assert (
        [item.trouble for item in strict.problems] == [item.trouble for item in lenient.problems] == [Trouble.REFUSED]
    )


def test_unknown_peers_fail_closed_and_say_so() -> None:
    body = anp(
        "a", 1, ingress=[rule("Allow", {"x": 1}), rule("Pass", {"x": 1})], egress=[rule("Deny", {"x": 1}, side="to")]
    )
    read = read_policies(manifests(body))
    (policy,) = read.policies
    assert [(item.action, item.peers, item.ports, item.unknown) for item in (*policy.ingress, *policy.egress)] == [
        (Action.ALLOW, (), None, True),
        (Action.DENY, None, None, True),
        (Action.DENY, None, None, True),
    ]
    assert {item.trouble for item in read.problems} == {Trouble.DOUBTFUL}
    assert not any(item.rejected for item in read.problems)


def test_one_priority_twice_in_a_tier_has_no_order() -> None:
    read = read_policies(manifests(anp("a", 1), cnp("b", "Admin", 1), cnp("c", "Baseline", 1), anp("d", 2)))
    assert [[item.key.name for item in group] for group in undefined_order(read.policies)] == [["a", "b"]]
    assert [item.trouble for item in read.problems] == [Trouble.DOUBTFUL]


BODIES = [body for case in TABLES for body in case.objects]


@st.composite
def damaged(draw: st.DrawFn) -> Body:
    """An object of the tables with one part replaced by something else."""
    body: Any = deepcopy(draw(st.sampled_from(BODIES)))
    at = body
    while True:
        steps = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not steps:
            return dict(body)
        step = draw(st.sampled_from(steps))
        if isinstance(at[step], dict | list) and draw(st.booleans()):
            at = at[step]
            continue
        at[step] = draw(
            st.sampled_from(
                [
                    None,
                    True,
                    -1,
                    0,
                    1.5,
                    70000,
                    "",
                    "x",
                    "1.2.3.4/33",
                    [],
                    {},
                    [None],
                    [[]],
                    {"x": "y"},
                    {"": None},
                    10**30,
                ]
            )
        )
        return dict(body)


@settings(max_examples=400, deadline=None)
@given(st.lists(damaged(), min_size=1, max_size=4), st.booleans())
def test_no_damage_makes_reading_or_listing_fail(bodies: list[Body], several: bool) -> None:
    read = read_policies(manifests(*bodies))
    Evaluator(read.policies)
    list_connectivity(manifests(*bodies, *TABLES[0].objects), several_networks=several)
