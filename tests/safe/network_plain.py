"""A plain reading of one connection at a time, and clusters to read: the opponent of the network evaluator.

Nothing here is shared with the evaluator: it walks the objects as written and answers yes or no for one protocol and
one port. The generator crosses peers and ports as cyclonus does: eight ways to combine pod and namespace selectors and
two address ranges; each protocol with no port, numbers, names and ranges.

Source: Kubernetes ``networking.k8s.io/v1`` and network-policy-api types; the idea of mattfenwick/cyclonus,
``pkg/generator``.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from network_objects import Body, anp, banp, cnp, np, ns, pod, port, rule, sel

if TYPE_CHECKING:
    from random import Random

NAME: Final = "kubernetes.io/metadata.name"
ADDRESSES: Final = ("10.0.0.1", "10.1.0.1", "192.168.4.4", "9.9.9.9")
PROBES: Final = (
    *product(("TCP", "UDP", "SCTP"), (79, 80, 81, 82, 103, 104, 65535)),
    ("UDP", 53),
    ("TCP", 8080),
)


@dataclass(frozen=True)
class Cluster:
    """Objects of one generated cluster, by what they are."""

    namespaces: tuple[Body, ...]
    pods: tuple[Body, ...]
    policies: tuple[Body, ...]

    @property
    def objects(self) -> tuple[Body, ...]:
        return (*self.namespaces, *self.pods, *self.policies)


@dataclass(frozen=True)
class Ask:
    """One connection, asked about at one of its ends.

    ``other`` is the end away from that one, ``target`` the end connected to; outside ends are addresses.
    """

    other: Body | str
    target: Body | str
    way: str
    protocol: str
    number: int


class Plain:
    """Answers for one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.labels = {
            item["metadata"]["name"]: {**item["metadata"]["labels"], NAME: item["metadata"]["name"]}
            for item in cluster.namespaces
        }
        self.policies = cluster.policies

    def allowed(self, source: Body | str, target: Body | str, protocol: str, number: int) -> bool:
        """Whether a connection gets through; an end is a pod or, outside, an address."""
        if not isinstance(source, str) and not self.passes(source, Ask(target, target, "egress", protocol, number)):
            return False
        return isinstance(target, str) or self.passes(target, Ask(source, target, "ingress", protocol, number))

    def passes(self, own: Body, ask: Ask) -> bool:
        way = ask.way
        verdict = self.tier("Admin", own, ask)
        if verdict in {"Allow", "Deny"}:
            return verdict == "Allow"
        isolating = [
            item["spec"]
            for item in self.policies
            if item["kind"] == "NetworkPolicy"
            and item["metadata"]["namespace"] == own["metadata"]["namespace"]
            and fits(item["spec"]["podSelector"], own["metadata"]["labels"])
            and way.capitalize() in types_of(item["spec"])
        ]
        if isolating:
            home = own["metadata"]["namespace"]
            rules = [entry for spec in isolating for entry in spec.get(way) or []]
            return any(self.namespaced(entry, home, ask) for entry in rules)
        return self.tier("Baseline", own, ask) != "Deny"

    def tier(self, tier: str, own: Body, ask: Ask) -> str:
        """Return the action of the first rule of a tier that is about the connection; empty when none is."""
        for item in sorted(
            (item for item in self.policies if tier_of(item) == tier), key=lambda item: item["spec"].get("priority", 0)
        ):
            if not self.covers(item["spec"]["subject"], own):
                continue
            for entry in item["spec"].get(ask.way) or []:
                peers = entry["from" if ask.way == "ingress" else "to"]
                ports = entry.get("ports") or entry.get("protocols")
                if any(self.covers(peer, ask.other) for peer in peers) and (
                    not ports or any(admin_port(item, ask.target, ask.protocol, ask.number) for item in ports)
                ):
                    return "Allow" if entry["action"] == "Accept" else str(entry["action"])
        return ""

    def covers(self, peer: Body, end: Body | str) -> bool:
        if isinstance(end, str):
            return any(ip_address(end) in ip_network(item) for item in peer.get("networks", []))
        space = self.labels[end["metadata"]["namespace"]]
        if "namespaces" in peer:
            return fits(peer["namespaces"], space)
        if "pods" in peer:
            chosen = peer["pods"]
            return fits(chosen["namespaceSelector"], space) and fits(chosen["podSelector"], end["metadata"]["labels"])
        return False

    def namespaced(self, entry: Body, home: str, ask: Ask) -> bool:
        peers = entry.get("from" if ask.way == "ingress" else "to")
        if peers and not any(self.is_peer(peer, home, ask.other) for peer in peers):
            return False
        ports = entry.get("ports")
        return not ports or any(namespaced_port(item, ask.target, ask.protocol, ask.number) for item in ports)

    def is_peer(self, peer: Body, home: str, other: Body | str) -> bool:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            return (
                isinstance(other, str)
                and ip_address(other) in ip_network(block["cidr"])
                and not any(ip_address(other) in ip_network(item) for item in block.get("except", []))
            )
        if isinstance(other, str):
            return False
        space = other["metadata"]["namespace"]
        if "namespaceSelector" not in peer and space != home:
            return False
        if "namespaceSelector" in peer and not fits(peer["namespaceSelector"], self.labels[space]):
            return False
        return "podSelector" not in peer or fits(peer["podSelector"], other["metadata"]["labels"])


def types_of(spec: Body) -> list[str]:
    if "policyTypes" in spec:
        return list(spec["policyTypes"])
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def tier_of(item: Body) -> str:
    kinds = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}
    return str(kinds.get(item["kind"]) or item["spec"].get("tier", ""))


def fits(selector: Body, labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for item in selector.get("matchExpressions", []):
        key, values = item["key"], item.get("values", [])
        holds = {
            "In": key in labels and labels[key] in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[item["operator"]]
        if not holds:
            return False
    return True


def declared(target: Body | str) -> list[Body]:
    return [] if isinstance(target, str) else list(target["spec"]["containers"][0]["ports"])


def namespaced_port(item: Body, target: Body | str, protocol: str, number: int) -> bool:
    if item.get("protocol", "TCP") != protocol:
        return False
    wanted: Any = item.get("port")
    if isinstance(wanted, str):
        return any(
            one.get("name") == wanted and one.get("protocol", "TCP") == protocol and one["containerPort"] == number
            for one in declared(target)
        )
    return wanted is None or bool(wanted <= number <= item.get("endPort", wanted))


def admin_port(item: Body, target: Body | str, protocol: str, number: int) -> bool:
    name = item.get("namedPort") or item.get("destinationNamedPort")
    if name:
        return any(
            one.get("name") == name and one.get("protocol", "TCP") == protocol and one["containerPort"] == number
            for one in declared(target)
        )
    if "portNumber" in item:
        return bool(item["portNumber"]["protocol"] == protocol and item["portNumber"]["port"] == number)
    if "portRange" in item:
        limits = item["portRange"]
        return bool(limits["protocol"] == protocol and limits["start"] <= number <= limits["end"])
    ((kind, value),) = item.items()
    if kind.upper() != protocol:
        return False
    wanted = value.get("destinationPort")
    if not wanted:
        return True
    if "number" in wanted:
        return bool(wanted["number"] == number)
    return bool(wanted["range"]["start"] <= number <= wanted["range"]["end"])


SELECTORS: Final[tuple[Body, ...]] = (
    {},
    sel(pod="a"),
    {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["a", "b"]}]},
    {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["a"]}]},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    {"matchLabels": {"pod": "b"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
)
SPACES: Final[tuple[Body, ...]] = (
    {},
    sel(ns="x"),
    sel(**{NAME: "y"}),
    {"matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]},
)
BLOCKS: Final[tuple[Body, ...]] = (
    {"cidr": "10.0.0.0/8"},
    {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]},
    {"cidr": "0.0.0.0/0", "except": ["192.168.0.0/16", "10.0.0.0/24"]},
)
NUMBERS: Final[tuple[Body, ...]] = (
    {},
    {"port": 80},
    {"port": 81},
    {"port": "web"},
    {"port": "dns"},
    {"port": 80, "endPort": 103},
)
PORTS: Final[tuple[Body, ...]] = tuple(
    {**({"protocol": protocol} if protocol else {}), **wanted}
    for protocol, wanted in product((None, "TCP", "UDP", "SCTP"), NUMBERS)
)
ADMIN_PORTS: Final[tuple[Body, ...]] = (
    *({"portNumber": {"protocol": protocol, "port": number}} for protocol in ("TCP", "UDP") for number in (80, 81)),
    {"portRange": {"protocol": "TCP", "start": 81, "end": 104}},
    {"portRange": {"protocol": "SCTP", "start": 1, "end": 65535}},
    {"namedPort": "web"},
    {"namedPort": "dns"},
)
CLUSTER_PORTS: Final[tuple[Body, ...]] = (
    {"tcp": {"destinationPort": {"number": 80}}},
    {"udp": {"destinationPort": {"range": {"start": 79, "end": 81}}}},
    {"sctp": {}},
    {"destinationNamedPort": "web"},
)


def generate(random: Random) -> Cluster:
    """Return a cluster of three namespaces, six pods and some network policies of every kind."""
    namespaces = (ns("x", ns="x"), ns("y", ns="y"), ns("z"))
    pods = tuple(
        pod(f"{space}/{name}", *_declared(random), metadata={"labels": _labels(random, name)})
        for space, name in product("xyz", "ab")
    )
    policies = [_namespaced(random, index) for index in range(random.randrange(4))]
    priorities = random.sample(range(20), 4)
    policies += [_cluster_wide(random, index, priorities[index]) for index in range(random.randrange(3))]
    if random.random() < 0.3:
        policies.append(banp(_subject(random), **_admin_rules(random, ("Allow", "Deny"), "ports", ADMIN_PORTS)))
    return Cluster(namespaces, pods, tuple(policies))


def _labels(random: Random, name: str) -> dict[str, str]:
    return {"pod": name, **({"tier": "gold"} if random.random() < 0.5 else {})}


def _declared(random: Random) -> list[Body]:
    choices = (port(80, "web"), port(8080, "web"), port(53, "dns", "UDP"), port(81, "dns"))
    return random.sample(choices, random.randrange(3))


def _namespaced(random: Random, index: int) -> Body:
    rules: dict[str, Any] = {}
    for way, side in (("ingress", "from"), ("egress", "to")):
        if random.random() < 0.6:
            rules[way] = [_rule(random, side) for _ in range(random.randrange(3))]
    types = random.choice((None, None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    return np(f"{random.choice('xyz')}/p{index}", random.choice(SELECTORS), types, **rules)


def _rule(random: Random, side: str) -> Body:
    found: Body = {}
    if random.random() < 0.8:
        found[side] = [_peer(random) for _ in range(random.randrange(1, 3))]
    if random.random() < 0.7:
        found["ports"] = random.sample(PORTS, random.randrange(1, 3))
    return found


def _peer(random: Random) -> Body:
    """One of the ten peers: each selector absent, empty or with labels, but not both absent, and address ranges."""
    if random.random() < 0.2:
        return {"ipBlock": random.choice(BLOCKS)}
    pods, spaces = random.choice((None, *SELECTORS)), random.choice((None, *SPACES))
    if pods is None and spaces is None:
        pods = {}
    return {
        **({} if pods is None else {"podSelector": pods}),
        **({} if spaces is None else {"namespaceSelector": spaces}),
    }


def _cluster_wide(random: Random, index: int, priority: int) -> Body:
    if random.random() < 0.6:
        rules = _admin_rules(random, ("Allow", "Deny", "Pass"), "ports", ADMIN_PORTS)
        return anp(f"a{index}", priority, _subject(random), **rules)
    tier = random.choice(("Admin", "Baseline"))
    rules = _admin_rules(random, ("Accept", "Deny", "Pass"), "protocols", CLUSTER_PORTS)
    # A baseline priority away from that of the singleton, as equal ones have no order.
    return cnp(f"c{index}", tier, priority + 20, _subject(random), **rules)


def _subject(random: Random) -> Body:
    if random.random() < 0.5:
        return {"namespaces": random.choice(SPACES)}
    return {"pods": {"namespaceSelector": random.choice(SPACES), "podSelector": random.choice(SELECTORS)}}


def _admin_rules(random: Random, actions: tuple[str, ...], field: str, ports: tuple[Body, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for way, side in (("ingress", "from"), ("egress", "to")):
        rules = []
        for _ in range(random.randrange(4)):
            peers = [_subject(random) for _ in range(random.randrange(1, 3))]
            chosen = random.sample(ports, random.randrange(3))
            named = any("amedPort" in key for item in chosen for key in item)
            if side == "to" and not named and random.random() < 0.3:
                peers.append({"networks": random.sample(("10.0.0.0/8", "9.0.0.0/8", "192.168.4.4/32"), 2)})
            rules.append(rule(random.choice(actions), *peers, side=side, **({field: chosen} if chosen else {})))
        if rules:
            found[way] = rules
    return found
