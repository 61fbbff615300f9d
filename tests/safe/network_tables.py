"""Truth tables of network policies: a small cluster each, and who may connect to whom in it.

Expectations name pairs ``a/x > b/y`` of pods, or an address for an end outside; ``ALL`` and ``NONE`` are every and
no connection. Every row says why in its name. The tables are the tests of the semantics, and what mutants must break.

Sources: Kubernetes ``networking.k8s.io/v1`` types.go; network-policy-api ``apis/v1alpha1/shared_types.go``,
``apis/v1alpha2/clusternetworkpolicy_types.go`` and ``site-src/api-overview.md``; OVN-Kubernetes user-defined networks;
multi-networkpolicy ``scheme.yml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from network_objects import (
    Body,
    anp,
    banp,
    cnp,
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
    number,
    pod,
    port,
    route,
    rule,
    sel,
    service,
    udn,
)

from tenantry.safe.network.listing import list_connectivity

if TYPE_CHECKING:
    from tenantry.safe.network.listing import Listing

ALL: Final = "All Connections"
NONE: Final = "No Connections"


@dataclass(frozen=True)
class Table:
    """One cluster and what holds in it."""

    name: str
    objects: tuple[Body, ...]
    expected: dict[str, str]
    several_networks: bool = False

    def wrong(self) -> dict[str, tuple[str, str]]:
        """Return what is listed and what should be, where they differ."""
        listing = list_connectivity(manifests(*self.objects), several_networks=self.several_networks)
        if listing.problems:
            return {"problems": ("; ".join(listing.problems), "")}
        found = {pair: (listed(listing, pair), wanted) for pair, wanted in self.expected.items()}
        return {pair: (got, wanted) for pair, (got, wanted) in found.items() if got != wanted}


def listed(listing: Listing, pair: str) -> str:
    """Return what a listing says about ``source > target``, or ``source > target @ network``."""
    ends, _, network = pair.partition(" @ ")
    source, _, target = ends.partition(" > ")
    found = [
        str(row.connections)
        for row in listing.rows
        if is_end(row.source, source) and is_end(row.target, target) and network in ("", row.network.name)
    ]
    return "; ".join(found) or NONE


def is_end(shown: str, wanted: str) -> bool:
    if shown.endswith("[External]"):
        if "/" in wanted or wanted.startswith("{"):
            return False
        first, last = (ip_address(part) for part in shown.removesuffix("[External]").split("-"))
        return int(first) <= int(ip_address(wanted)) <= int(last)
    return shown.replace("[udn]", "").partition("[")[0] == wanted


PAIR: Final = (pod("a/x", app="x"), pod("b/y", port(80, "web"), port(53, "dns", "UDP"), app="y"))
"""Two pods in two namespaces; the second declares ports."""

FROM_A: Final = {"namespaceSelector": sel(**{"kubernetes.io/metadata.name": "a"})}


NAMESPACE_TABLES: Final = (
    Table(
        "nothing isolates anybody without network policies",
        PAIR,
        {"a/x > b/y": ALL, "b/y > a/x": ALL, "9.9.9.9 > b/y": ALL},
    ),
    Table(
        "an empty pod selector isolates all pods of its own namespace and of no other",
        (*PAIR, np("b/deny")),
        {"a/x > b/y": NONE, "b/y > a/x": ALL, "9.9.9.9 > b/y": NONE, "9.9.9.9 > a/x": ALL, "b/y > 9.9.9.9": ALL},
    ),
    Table(
        "a pod selector leaves other pods of the namespace alone",
        (*PAIR, pod("b/z", app="z"), np("b/deny", sel(app="z"))),
        {"a/x > b/y": ALL, "a/x > b/z": NONE},
    ),
    Table(
        "without types outgoing connections are isolated only by rules for them",
        (*PAIR, pod("c/z"), np("a/p", egress=[{"to": [FROM_A]}]), np("c/q", ingress=[{}])),
        {"a/x > b/y": NONE, "b/y > a/x": NONE, "c/z > b/y": ALL, "b/y > c/z": ALL},
    ),
    Table(
        "types are taken literally: rules of a direction that is not listed count for nothing",
        (*PAIR, np("b/p", types=["Egress"], ingress=[{"from": [{"podSelector": {}}]}])),
        {"a/x > b/y": ALL, "b/y > a/x": NONE, "b/y > 9.9.9.9": NONE},
    ),
    Table(
        "a listed direction isolates without any rule",
        (*PAIR, np("a/p", types=["Egress"])),
        {"a/x > b/y": NONE, "b/y > a/x": ALL},
    ),
    Table(
        "several network policies allow what any of them allows",
        (
            *PAIR,
            np("b/one", ingress=[{"ports": [{"port": 80}]}]),
            np("b/two", ingress=[{"ports": [{"port": 81}]}, {"ports": [{"port": 90, "endPort": 92}]}]),
            np("b/three"),
        ),
        {"a/x > b/y": "TCP 80-81,90-92", "9.9.9.9 > b/y": "TCP 80-81,90-92"},
    ),
    Table(
        "a rule without peers means anybody, inside and outside; an empty list of peers too",
        (
            *PAIR,
            np("b/p", ingress=[{"ports": [{"port": 80}]}]),
            np("a/q", ingress=[{"from": [], "ports": [{"port": 9}]}]),
        ),
        {"a/x > b/y": "TCP 80", "9.9.9.9 > b/y": "TCP 80", "b/y > a/x": "TCP 9", "9.9.9.9 > a/x": "TCP 9"},
    ),
    Table(
        "an empty list of ports means all of all protocols",
        (*PAIR, np("b/p", ingress=[{"from": [FROM_A], "ports": []}])),
        {"a/x > b/y": ALL, "9.9.9.9 > b/y": NONE},
    ),
    Table(
        "an empty rule allows everything", (*PAIR, np("b/p", ingress=[{}])), {"a/x > b/y": ALL, "9.9.9.9 > b/y": ALL}
    ),
    Table(
        "a pod selector alone means pods of the network policy's own namespace",
        (*PAIR, pod("b/x", app="x"), np("b/p", sel(app="y"), ingress=[{"from": [{"podSelector": sel(app="x")}]}])),
        {"a/x > b/y": NONE, "b/x > b/y": ALL},
    ),
    Table(
        "a namespace selector alone means all pods there",
        (*PAIR, ns("a", team="t"), pod("c/x"), np("b/p", ingress=[{"from": [{"namespaceSelector": sel(team="t")}]}])),
        {"a/x > b/y": ALL, "c/x > b/y": NONE},
    ),
    Table(
        "both selectors in one peer must both match, in two peers either does",
        (
            ns("a", team="t"),
            ns("c"),
            pod("a/x", app="x"),
            pod("a/o"),
            pod("c/x", app="x"),
            pod("c/o"),
            pod("b/and"),
            pod("d/or"),
            np("b/p", ingress=[{"from": [{"namespaceSelector": sel(team="t"), "podSelector": sel(app="x")}]}]),
            np(
                "d/p",
                ingress=[
                    {
                        "from": [
                            {"namespaceSelector": sel(team="t")},
                            {"namespaceSelector": {}, "podSelector": sel(app="x")},
                        ]
                    }
                ],
            ),
        ),
        {
            "a/x > b/and": ALL,
            "a/o > b/and": NONE,
            "c/x > b/and": NONE,
            "c/o > b/and": NONE,
            "a/x > d/or": ALL,
            "a/o > d/or": ALL,
            "c/x > d/or": ALL,
            "c/o > d/or": NONE,
        },
    ),
    Table(
        "an empty namespace selector means every namespace, not the outside",
        (*PAIR, np("b/p", ingress=[{"from": [{"namespaceSelector": {}}]}])),
        {"a/x > b/y": ALL, "9.9.9.9 > b/y": NONE},
    ),
    Table(
        "every namespace carries its name as a label, also one that is only mentioned",
        (*PAIR, ns("c"), pod("c/z"), np("b/p", ingress=[{"from": [FROM_A]}])),
        {"a/x > b/y": ALL, "c/z > b/y": NONE},
    ),
    Table(
        "NotIn and DoesNotExist hold where the key is absent, In and Exists do not",
        (
            pod("a/with", tier="gold"),
            pod("a/other", tier="lead"),
            pod("a/without"),
            *(pod(f"b/{name}", op=name) for name in ("in", "notin", "exists", "absent")),
            np(
                "b/in",
                sel(op="in"),
                ingress=[{"from": [{"namespaceSelector": {}, "podSelector": sel(expr("tier", "In", "gold", "iron"))}]}],
            ),
            np(
                "b/notin",
                sel(op="notin"),
                ingress=[{"from": [{"namespaceSelector": {}, "podSelector": sel(expr("tier", "NotIn", "gold"))}]}],
            ),
            np(
                "b/exists",
                sel(op="exists"),
                ingress=[{"from": [{"namespaceSelector": {}, "podSelector": sel(expr("tier", "Exists"))}]}],
            ),
            np(
                "b/absent",
                sel(op="absent"),
                ingress=[{"from": [{"namespaceSelector": {}, "podSelector": sel(expr("tier", "DoesNotExist"))}]}],
            ),
        ),
        {
            "a/with > b/in": ALL,
            "a/other > b/in": NONE,
            "a/without > b/in": NONE,
            "a/with > b/notin": NONE,
            "a/other > b/notin": ALL,
            "a/without > b/notin": ALL,
            "a/with > b/exists": ALL,
            "a/without > b/exists": NONE,
            "a/with > b/absent": NONE,
            "a/without > b/absent": ALL,
        },
    ),
    Table(
        "labels and expressions of one selector must all hold",
        (
            pod("a/both", app="x", tier="gold"),
            pod("a/one", app="x"),
            pod("b/y"),
            np(
                "b/p",
                ingress=[{"from": [{"namespaceSelector": {}, "podSelector": sel(expr("tier", "Exists"), app="x")}]}],
            ),
        ),
        {"a/both > b/y": ALL, "a/one > b/y": NONE},
    ),
    Table(
        "an address range is about the outside, less its exceptions",
        (*PAIR, np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}])),
        {
            "10.0.0.1 > b/y": ALL,
            "10.1.2.3 > b/y": NONE,
            "10.2.0.0 > b/y": ALL,
            "11.0.0.0 > b/y": NONE,
            "a/x > b/y": NONE,
        },
    ),
    Table(
        "the whole address space does not mean pods",
        (*PAIR, np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])),
        {"9.9.9.9 > b/y": ALL, "a/x > b/y": NONE},
    ),
    Table(
        "ranges for incoming connections do not divide targets, nor the other way round",
        (
            *PAIR,
            np("b/p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
            np("a/p", egress=[{"to": [{"ipBlock": {"cidr": "12.0.0.0/8"}}]}]),
        ),
        {
            "10.9.9.9 > b/y": ALL,
            "12.9.9.9 > b/y": NONE,
            "a/x > 12.9.9.9": ALL,
            "a/x > 10.9.9.9": NONE,
            "b/y > 10.9.9.9": ALL,
        },
    ),
    Table(
        "a port without a number means all ports of its protocol, and the protocol is TCP unless said",
        (*PAIR, np("b/p", ingress=[{"from": [FROM_A], "ports": [{"protocol": "UDP"}, {"port": 443}]}])),
        {"a/x > b/y": "TCP 443,UDP 1-65535"},
    ),
    Table(
        "an end port includes both ends",
        (*PAIR, np("b/p", ingress=[{"ports": [{"protocol": "SCTP", "port": 100, "endPort": 200}]}])),
        {"a/x > b/y": "SCTP 100-200"},
    ),
    Table(
        "a named port is that of the pod connected to, and must have the protocol",
        (
            *PAIR,
            pod("b/z", port(8080, "web")),
            np("b/p", ingress=[{"ports": [{"port": "web"}, {"port": "dns"}, {"port": "none"}]}]),
        ),
        {"a/x > b/y": "TCP 80", "a/x > b/z": "TCP 8080", "9.9.9.9 > b/y": "TCP 80"},
    ),
    Table(
        "on the way out a named port is that of the peer, so one rule gives several numbers and none outside",
        (
            pod("a/x", port(7, "web")),
            pod("b/y", port(80, "web")),
            pod("b/z", port(8080, "web"), port(9, "web2")),
            np("a/p", egress=[{"ports": [{"port": "web"}]}]),
        ),
        {"a/x > b/y": "TCP 80", "a/x > b/z": "TCP 8080", "a/x > 9.9.9.9": NONE},
    ),
    Table(
        "a connection needs both ends",
        (
            *PAIR,
            np("a/p", types=["Egress"], egress=[{"ports": [{"port": 80, "endPort": 90}]}]),
            np("b/p", ingress=[{"ports": [{"port": 85, "endPort": 99}]}]),
        ),
        {"a/x > b/y": "TCP 85-90", "9.9.9.9 > b/y": "TCP 85-99", "a/x > 9.9.9.9": "TCP 80-90"},
    ),
)

NS_A: Final = {"namespaces": sel(**{"kubernetes.io/metadata.name": "a"})}
NS_B: Final = {"namespaces": sel(**{"kubernetes.io/metadata.name": "b"})}

ADMIN_TABLES: Final = (
    Table(
        "without rules for a direction an admin network policy isolates nobody",
        (*PAIR, anp("one", 5, ingress=[rule("Deny", NS_A, ports=[number(80)])])),
        {"a/x > b/y": "SCTP 1-65535,TCP 1-79,81-65535,UDP 1-65535", "b/y > a/x": ALL, "b/y > 9.9.9.9": ALL},
    ),
    Table(
        "the first rule that matches decides",
        (
            *PAIR,
            anp(
                "one",
                5,
                ingress=[
                    rule("Allow", NS_A, ports=[number(80)]),
                    rule("Deny", NS_A),
                    rule("Allow", NS_A, ports=[number(81)]),
                ],
            ),
        ),
        {"a/x > b/y": "TCP 80", "9.9.9.9 > b/y": ALL},
    ),
    Table(
        "the smaller priority number comes first",
        (
            *PAIR,
            anp("later", 9, ingress=[rule("Deny", NS_A)]),
            anp("zz-first", 1, ingress=[rule("Allow", NS_A, ports=[number(80)])]),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "Allow is final over network policies of the namespace",
        (*PAIR, np("b/deny"), anp("one", 5, ingress=[rule("Allow", NS_A, ports=[number(80)])])),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "Deny is final over network policies of the namespace",
        (*PAIR, np("b/allow", ingress=[{}]), anp("one", 5, ingress=[rule("Deny", NS_A)])),
        {"a/x > b/y": NONE, "9.9.9.9 > b/y": ALL},
    ),
    Table(
        "Pass skips later admin rules and leaves the decision to the namespace",
        (
            *PAIR,
            np("b/some", ingress=[{"ports": [{"port": 80}]}]),
            anp("one", 1, ingress=[rule("Pass", NS_A, ports=[number(80), number(81)])]),
            anp("two", 2, ingress=[rule("Deny", NS_A)]),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "what was passed on reaches the baseline when no network policy isolates the pod",
        (
            *PAIR,
            anp("one", 1, ingress=[rule("Pass", NS_A, ports=[number(80), number(81)]), rule("Deny", NS_A)]),
            banp(ingress=[rule("Deny", NS_A, ports=[number(81)])]),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "the baseline is asked only for pods no network policy isolates in that direction",
        (
            *PAIR,
            np("b/some", ingress=[{"from": [FROM_A]}]),
            banp(ingress=[rule("Deny", NS_A)], egress=[rule("Deny", NS_A, side="to")]),
        ),
        {"a/x > b/y": ALL, "b/y > a/x": NONE},
    ),
    Table(
        "the baseline denies nothing that it does not name",
        (*PAIR, pod("c/z"), banp(ingress=[rule("Allow", NS_A, ports=[number(80)]), rule("Deny", NS_A)])),
        {"a/x > b/y": "TCP 80", "c/z > b/y": ALL, "9.9.9.9 > b/y": ALL},
    ),
    Table(
        "the baseline comes after what admin rules decided",
        (*PAIR, anp("one", 1, ingress=[rule("Allow", NS_A, ports=[number(80)])]), banp(ingress=[rule("Deny", NS_A)])),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "a subject of pods needs namespace and pod to match",
        (
            *PAIR,
            pod("b/z"),
            pod("c/y", app="y"),
            anp(
                "one",
                1,
                {"pods": {"namespaceSelector": NS_B["namespaces"], "podSelector": sel(app="y")}},
                ingress=[rule("Deny", NS_A)],
            ),
        ),
        {"a/x > b/y": NONE, "a/x > b/z": ALL, "a/x > c/y": ALL},
    ),
    Table(
        "a peer of pods needs namespace and pod to match",
        (
            *PAIR,
            pod("a/y", app="y"),
            pod("c/z"),
            anp(
                "one",
                1,
                egress=[
                    rule(
                        "Deny",
                        {"pods": {"namespaceSelector": NS_B["namespaces"], "podSelector": sel(app="y")}},
                        side="to",
                    )
                ],
            ),
        ),
        {"c/z > b/y": NONE, "c/z > a/y": ALL, "c/z > a/x": ALL},
    ),
    Table(
        "rules on the way in cannot name the outside, so they never deny it",
        (*PAIR, anp("one", 1, ingress=[rule("Deny")])),
        {"a/x > b/y": NONE, "9.9.9.9 > b/y": ALL},
    ),
    Table(
        "networks on the way out mean outside addresses here, not pods",
        (*PAIR, anp("one", 1, NS_A, egress=[rule("Deny", {"networks": ["9.0.0.0/8", "10.0.0.0/8"]}, side="to")])),
        {"a/x > 9.9.9.9": NONE, "a/x > 10.9.9.9": NONE, "a/x > 11.0.0.0": ALL, "a/x > b/y": ALL},
    ),
    Table(
        "ranges include both ends and named ports take the protocol of the pod",
        (
            *PAIR,
            anp(
                "one",
                1,
                ingress=[
                    rule(
                        "Allow",
                        NS_A,
                        ports=[
                            {"portRange": {"protocol": "UDP", "start": 5, "end": 7}},
                            {"namedPort": "dns"},
                            {"namedPort": "web"},
                        ],
                    ),
                    rule("Deny", NS_A),
                ],
            ),
        ),
        {"a/x > b/y": "TCP 80,UDP 5-7,53", "b/y > a/x": ALL},
    ),
    Table(
        "each end asks the network policies that select it",
        (
            *PAIR,
            anp(
                "out",
                1,
                NS_A,
                egress=[rule("Allow", NS_B, side="to", ports=[number(80), number(81)]), rule("Deny", NS_B, side="to")],
            ),
            anp("in", 2, NS_B, ingress=[rule("Allow", NS_A, ports=[number(81), number(82)]), rule("Deny", NS_A)]),
        ),
        {"a/x > b/y": "TCP 81"},
    ),
    Table(
        "an Allow with a peer of unknown form matches nothing",
        (*PAIR, anp("one", 1, ingress=[rule("Allow", NS_A, {"tenants": {}}), rule("Deny", NS_A, ports=[number(80)])])),
        {"a/x > b/y": "SCTP 1-65535,TCP 1-79,81-65535,UDP 1-65535"},
    ),
    Table(
        "a Deny or Pass with a peer of unknown form denies everything in its direction",
        (*PAIR, pod("c/z"), anp("one", 1, NS_B, ingress=[rule("Pass", {"tenants": {}}, ports=[number(80)])])),
        {"a/x > b/y": NONE, "c/z > b/y": NONE, "9.9.9.9 > b/y": NONE, "b/y > a/x": ALL},
    ),
)

CLUSTER_TABLES: Final = (
    Table(
        "a cluster network policy of the admin tier comes before the namespace, in order of priority",
        (
            *PAIR,
            np("b/deny"),
            cnp("late", "Admin", 7, ingress=[rule("Deny", NS_A)]),
            cnp(
                "zz-early",
                "Admin",
                3,
                ingress=[rule("Accept", NS_A, protocols=[{"tcp": {"destinationPort": {"number": 80}}}])],
            ),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "the baseline tier comes after the namespace, and in order of priority",
        (
            *PAIR,
            pod("c/z"),
            np("b/some", ingress=[{"ports": [{"port": 99}]}]),
            cnp("late", "Baseline", 7, ingress=[rule("Deny")]),
            cnp(
                "zz-early",
                "Baseline",
                3,
                ingress=[
                    rule("Accept", NS_A, protocols=[{"udp": {"destinationPort": {"range": {"start": 5, "end": 6}}}}])
                ],
            ),
        ),
        {"a/x > b/y": "TCP 99", "a/x > c/z": "UDP 5-6", "b/y > c/z": NONE},
    ),
    Table(
        "Pass in the baseline tier allows, as no tier comes after it",
        (
            *PAIR,
            cnp(
                "one",
                "Baseline",
                1,
                ingress=[
                    rule("Pass", NS_A, protocols=[{"tcp": {"destinationPort": {"number": 80}}}]),
                    rule("Deny", NS_A),
                ],
            ),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "Pass in the admin tier skips the rest of the tier",
        (
            *PAIR,
            np("b/some", ingress=[{"ports": [{"port": 80}, {"port": 90}]}]),
            cnp(
                "one",
                "Admin",
                1,
                ingress=[rule("Pass", NS_A, protocols=[{"destinationNamedPort": "web"}]), rule("Deny", NS_A)],
            ),
        ),
        {"a/x > b/y": "TCP 80"},
    ),
    Table(
        "a protocol without a port means all its ports",
        (*PAIR, cnp("one", "Admin", 1, ingress=[rule("Deny", NS_A, protocols=[{"sctp": {}}, {"tcp": None}])])),
        {"a/x > b/y": "UDP 1-65535"},
    ),
)

WORKLOAD_TABLES: Final = (
    Table(
        "replicas and owners are one workload, which is not listed with itself",
        (
            deployment("a/web", replicas=3, app="x"),
            deployment("b/db", replicas=0, kind="StatefulSet", app="y"),
            pod(
                "b/db-0",
                metadata={"ownerReferences": [{"controller": True, "kind": "StatefulSet", "name": "db"}]},
                app="y",
            ),
            pod("b/static", metadata={"ownerReferences": [{"controller": True, "kind": "Node", "name": "n1"}]}),
        ),
        {"a/web > b/db": ALL, "a/web > a/web": NONE, "b/db > b/static": ALL, "a/web > b/db-0": NONE},
    ),
    Table(
        "what is written without a namespace is in the default one",
        (pod("x", app="x"), pod("b/y"), np("deny")),
        {"b/y > default/x": NONE, "default/x > b/y": ALL},
    ),
    Table(
        "an ingress leads to the port behind the service, as far as network policies allow",
        (
            pod("a/x", port(8080, "web"), port(9090), app="x"),
            pod("a/y", port(8080), app="y"),
            service(
                "a/svc",
                {"app": "x"},
                {"name": "front", "port": 80, "targetPort": "web"},
                {"port": 81, "targetPort": 9090},
            ),
            service("a/shut", {"app": "y"}, {"port": 80, "targetPort": 8080}),
            ingress("a/one", "svc", {"name": "front"}),
            ingress("a/two", "shut", {"number": 80}),
            np("a/deny", sel(app="y")),
        ),
        {"{ingress-controller} > a/x": "TCP 8080", "{ingress-controller} > a/y": NONE},
    ),
    Table(
        "a route without a port leads to all ports of the service that containers declare",
        (
            pod("a/x", port(8080, "web"), port(9090), app="x"),
            pod("b/x", port(8080, "web"), app="x"),
            service(
                "a/svc",
                {"app": "x"},
                {"port": 80, "targetPort": "web"},
                {"port": 9090},
                {"port": 7, "targetPort": 7777},
            ),
            route("a/r", "svc"),
        ),
        {"{ingress-controller} > a/x": "TCP 8080,9090", "{ingress-controller} > b/x": NONE},
    ),
    Table(
        "a route may name the port of the pod",
        (
            pod("a/x", port(8080, "web"), port(9090, "admin"), app="x"),
            service("a/svc", {"app": "x"}, {"port": 80, "targetPort": "web"}, {"port": 81, "targetPort": "admin"}),
            route("a/r", "svc", "admin"),
        ),
        {"{ingress-controller} > a/x": "TCP 9090"},
    ),
    Table(
        "ingress rules need the peer to select the controller's namespace or everything",
        (
            pod("a/x", port(8080), app="x"),
            service("a/svc", {"app": "x"}, {"port": 8080}),
            ingress("a/one", "svc", {"number": 8080}),
            np("a/p", ingress=[{"from": [{"namespaceSelector": {}}]}]),
        ),
        {"{ingress-controller} > a/x": "TCP 8080"},
    ),
)

NETWORK_TABLES: Final = (
    Table(
        "namespaces with a primary network of their own reach neither each other nor the pod network",
        (
            ns("a", udn=True),
            ns("b", udn=True),
            ns("c"),
            pod("a/x"),
            pod("a/z"),
            pod("b/y"),
            pod("c/p"),
            udn("a/one"),
            udn("b/two"),
        ),
        {"a/x > a/z": ALL, "a/x > b/y": NONE, "a/x > c/p": NONE, "c/p > a/x": NONE, "9.9.9.9 > a/x": ALL},
        several_networks=True,
    ),
    Table(
        "a network needs the label of its namespace and the primary role",
        (
            ns("a"),
            ns("b", udn=True),
            ns("c", udn=True),
            pod("a/x"),
            pod("b/y"),
            pod("c/z"),
            udn("a/one"),
            udn("b/two", "Secondary"),
            udn("c/three"),
        ),
        {"a/x > b/y": ALL, "a/x > c/z": NONE},
        several_networks=True,
    ),
    Table(
        "a cluster-wide network joins the namespaces it selects and no others",
        (
            ns("a", udn=True, net="g"),
            ns("b", udn=True, net="g"),
            ns("c", udn=True),
            ns("d", net="g"),
            pod("a/x"),
            pod("b/y"),
            pod("c/z"),
            pod("d/w"),
            cudn("green", sel(net="g")),
        ),
        {"a/x > b/y": ALL, "a/x > c/z": NONE, "a/x > d/w": NONE, "c/z > d/w": ALL},
        several_networks=True,
    ),
    Table(
        "network policies apply within a primary network",
        (ns("a", udn=True), pod("a/x"), pod("a/z", app="z"), udn("a/one"), np("a/deny", sel(app="z"))),
        {"a/x > a/z": NONE, "a/z > a/x": ALL},
        several_networks=True,
    ),
    Table(
        "pods attached to one definition reach each other on it, whatever network policies say about the pod network",
        (pod("a/x", networks="blue"), pod("a/y", networks="blue@net1"), pod("a/z"), nad("a/blue"), np("a/deny")),
        {"a/x > a/y @ blue": ALL, "a/x > a/z @ blue": NONE, "a/x > a/y @ pod-network": NONE},
        several_networks=True,
    ),
    Table(
        "a definition is looked up in the pod's namespace unless the pod names another",
        (
            pod("a/x", networks="blue"),
            pod("a/y", networks="a/blue"),
            pod("b/none", networks="blue"),
            pod("b/named", networks="a/blue"),
            pod("b/wrong", networks="c/blue"),
            nad("a/blue"),
        ),
        {
            "a/x > a/y @ blue": ALL,
            "a/x > b/named @ blue": ALL,
            "a/x > b/none @ blue": NONE,
            "a/x > b/wrong @ blue": NONE,
            "b/none > b/named @ blue": NONE,
        },
        several_networks=True,
    ),
    Table(
        "a network may be asked for in JSON",
        (
            pod("a/x", networks='[{"name": "blue"}]'),
            pod("b/y", networks='[{"name": "blue", "namespace": "a"}]'),
            nad("a/blue"),
        ),
        {"a/x > b/y @ blue": ALL},
        several_networks=True,
    ),
    Table(
        "a multi-network policy isolates on the networks it is for, and on no other",
        (
            pod("a/x", networks="blue,red", app="x"),
            pod("a/y", networks="blue,red", app="y"),
            nad("a/blue"),
            nad("a/red"),
            mnp("a/p", "blue", sel(app="y"), ingress=[{"ports": [{"port": 80}]}]),
        ),
        {"a/x > a/y @ blue": "TCP 80", "a/x > a/y @ red": ALL, "a/x > a/y @ pod-network": ALL, "a/y > a/x @ blue": ALL},
        several_networks=True,
    ),
    Table(
        "a multi-network policy is for networks of the namespace it names, which must exist there",
        (
            pod("a/x", networks="blue", app="x"),
            pod("a/y", networks="blue", app="y"),
            nad("a/blue"),
            mnp("a/p", "b/blue", sel(app="y")),
        ),
        {"a/x > a/y @ blue": ALL},
        several_networks=True,
    ),
    Table(
        "on a secondary network address ranges mean the addresses pods have there",
        (
            pod("a/x", networks='[{"name": "blue", "ips": ["10.0.0.5/24"]}]'),
            pod("a/z", networks='[{"name": "blue", "ips": ["10.0.1.5/24"]}]'),
            pod("a/y", networks="blue", app="y"),
            nad("a/blue"),
            mnp("a/p", "blue", sel(app="y"), ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}]),
        ),
        {"a/x > a/y @ blue": ALL, "a/z > a/y @ blue": NONE},
        several_networks=True,
    ),
    Table(
        "virtual machines are known to multi-network policies by address alone",
        (
            machine("a/vm", "blue", addresses=["10.0.0.5/24"], app="x"),
            pod("a/x", networks="blue", app="x"),
            pod("a/y", networks="blue", app="y"),
            pod("a/w", networks="blue", app="w"),
            nad("a/blue"),
            mnp("a/p", "blue", sel(app="y"), ingress=[{"from": [{"podSelector": sel(app="x")}]}]),
            mnp("a/q", "blue", sel(app="w"), ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}]),
        ),
        {"a/vm > a/y @ blue": NONE, "a/x > a/y @ blue": ALL, "a/vm > a/w @ blue": ALL, "a/x > a/w @ blue": NONE},
        several_networks=True,
    ),
)

TABLES: Final = (*NAMESPACE_TABLES, *ADMIN_TABLES, *CLUSTER_TABLES, *WORKLOAD_TABLES, *NETWORK_TABLES)
