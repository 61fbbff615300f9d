"""Random small clusters for tests of the pod network, in the spirit of the generator of cyclonus.

Everything is chosen through a :class:`Chooser`, so that one generator serves hypothesis, which shrinks what fails, and
plain seeds, which are fast enough for thousands of clusters. Labels, ports and addresses come from small universes, so
that rules meet each other often.

Source: mattfenwick/cyclonus, ``pkg/generator`` (peers by ports); network-policy-api ``apis/v1alpha1`` and ``v1alpha2``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
Body = dict[str, Any]

TENANTS = {"ant": ("a1", "a2"), "bee": ("b1", "b2")}
PLATFORM = "shared"
RANGE = "10.0.0.0/24"
"""Addresses of pods."""

BLOCKS = (
    ("10.0.0.0/24", ("10.0.0.64/26",)),
    ("10.0.0.0/25", ()),
    ("10.0.0.0/26", ("10.0.0.16/28",)),
    ("192.168.0.0/16", ()),
    ("0.0.0.0/0", ("10.0.0.0/25",)),
    ("0.0.0.0/0", ()),
)
NUMBERS = (80, 81, 82)
NAMES = ("http", "dns")


class Chooser(Protocol):
    """Makes the choices of a generator."""

    def pick(self, options: Sequence[T]) -> T: ...

    def flip(self, chance: float = 0.5) -> bool: ...


class Seeded:
    """Chooses by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def flip(self, chance: float = 0.5) -> bool:
        return self._random.random() < chance


class Drawn:
    """Lets hypothesis choose."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        chosen: T = self._draw(st.sampled_from(list(options)))
        return chosen

    def flip(self, chance: float = 0.5) -> bool:
        return bool(self._draw(st.integers(0, 99)) >= 100 - int(100 * chance))


@dataclass(frozen=True)
class Generated:
    """A cluster.

    Attributes:
        bodies: its objects.
        rights: rights of tenants, as ``network_views.view`` takes them.
    """

    bodies: list[Body]
    rights: tuple[tuple[str, str, str, str], ...] = ()


@st.composite
def clusters(draw: Any, *, addresses: bool = True, hosts: bool = True, ties: bool = True) -> Generated:
    return generate(Drawn(draw), addresses=addresses, hosts=hosts, ties=ties)


def generate(choose: Chooser, *, addresses: bool = True, hosts: bool = True, ties: bool = True) -> Generated:
    """Return a random cluster of two tenants.

    Args:
        choose: makes the choices.
        addresses: whether pods have addresses and rules name ranges of them.
        hosts: whether pods may be on the host network.
        ties: whether admin network policies may have equal priorities.
    """
    made = _Cluster(choose, addresses, hosts)
    bodies: list[Body] = [_pod_range()] if addresses else []
    places = [name for names in TENANTS.values() for name in names]
    bodies += [_namespace(name, team) for team, names in TENANTS.items() for name in names]
    bodies.append(_namespace(PLATFORM, "platform"))
    number = 0
    for place in places:
        for _ in range(choose.pick((0, 1, 1, 2))):
            number += 1
            bodies.append(made.pod(place, number))
    bodies += [made.network_policy(choose.pick(places), index) for index in range(choose.pick((0, 1, 2, 3, 4)))]
    if choose.flip(0.7):
        # Else most clusters are wide open, and their rules never decide anything.
        bodies += [_closed(place) for place in places]
    priorities = [5, 5, 10] if ties else [5, 7, 10]
    for index in range(choose.pick((0, 0, 1, 1, 2))):
        bodies.append(made.admin_policy(f"admin-{index}", priorities[index]))
    if choose.flip(0.3):
        bodies.append(made.cluster_policy("cluster", choose.pick(("Admin", "Baseline")), 5 if ties else 6))
    if choose.flip(0.4):
        bodies.append(made.baseline_policy())
    rights = [
        (tenant, "create", "networkpolicies", place)
        for tenant, names in TENANTS.items()
        for place in names
        if choose.flip(0.4)
    ]
    return Generated(bodies, tuple(rights))


def _pod_range() -> Body:
    spec = {"clusterNetwork": [{"cidr": RANGE, "hostPrefix": 28}], "networkType": "OVNKubernetes"}
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": "Network",
        "metadata": {"name": "cluster"},
        "spec": spec,
    }


def _closed(namespace: str) -> Body:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }


def _namespace(name: str, team: str) -> Body:
    labels = {"team": team, "tier": "low" if name.endswith("2") else "high"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@dataclass(frozen=True)
class _Cluster:
    choose: Chooser
    addresses: bool
    hosts: bool

    def pod(self, namespace: str, number: int) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        labels = {}
        if flip(0.8):
            labels["app"] = pick(("web", "db"))
        if flip(0.3):
            labels["role"] = "lead"
        ports: list[Body] = []
        if flip():
            ports.append({"name": "http", "containerPort": pick(NUMBERS)})
        if flip(0.3):
            ports.append({"name": "dns", "containerPort": pick(NUMBERS), "protocol": pick(("UDP", "TCP"))})
        host = self.hosts and flip(0.1)
        spec: Body = {"containers": [{"name": "main", "image": "x", "ports": ports}]}
        if host:
            spec["hostNetwork"] = True
        body: Body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}", "namespace": namespace, "labels": labels},
            "spec": spec,
        }
        if self.addresses and not host:
            body["status"] = {"podIP": f"10.0.0.{pick((3, 20, 40, 70, 130, 200))}"}
        return body

    # --- selectors, ports, peers ---

    def pods(self) -> Body:
        """Return a selector of pods."""
        return self._selector((("app", ("web", "db")), ("role", ("lead",))))

    def spaces(self) -> Body:
        """Return a selector of namespaces."""
        name = ("kubernetes.io/metadata.name", ("a1", "b1", "b2"))
        return self._selector((("team", ("ant", "bee")), ("tier", ("low", "high")), name))

    def _selector(self, keys: Sequence[tuple[str, tuple[str, ...]]]) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        if flip(0.25):
            return {}
        found: Body = {}
        if flip(0.6):
            key, values = pick(keys)
            found["matchLabels"] = {key: pick(values)}
        if flip(0.5):
            key, values = pick(keys)
            operator = pick(("In", "NotIn", "Exists", "DoesNotExist"))
            term: Body = {"key": key, "operator": operator}
            if operator in {"In", "NotIn"}:
                term["values"] = [pick(values)] if flip() else list(values)
            found["matchExpressions"] = [term]
        return found

    def network_policy(self, namespace: str, index: int) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        spec: Body = {"podSelector": self.pods()}
        if flip(0.8):
            spec["policyTypes"] = pick((["Ingress"], ["Ingress", "Egress"], ["Egress"]))
        for way, side in (("ingress", "from"), ("egress", "to")):
            if flip(0.8 if way == "ingress" else 0.4):
                spec[way] = [self._rule(side) for _ in range(pick((0, 1, 1, 2)))]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"np-{index}", "namespace": namespace},
            "spec": spec,
        }

    def _rule(self, side: str) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        rule: Body = {}
        if flip(0.85):
            rule[side] = [self._peer() for _ in range(pick((1, 1, 2)))]
        if flip(0.5):
            rule["ports"] = [self._port() for _ in range(pick((1, 1, 2)))]
        return rule

    def _peer(self) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        if self.addresses and flip(0.2):
            cidr, without = pick(BLOCKS)
            return {"ipBlock": {"cidr": cidr, "except": list(without)} if without else {"cidr": cidr}}
        form = pick(("pods", "spaces", "spaces", "both"))
        peer: Body = {}
        if form in {"pods", "both"}:
            peer["podSelector"] = self.pods()
        if form in {"spaces", "both"}:
            peer["namespaceSelector"] = self.spaces()
        return peer

    def _port(self) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        port: Body = {}
        if flip(0.6):
            port["protocol"] = pick(("TCP", "UDP"))
        form = pick(("number", "number", "range", "name", "none"))
        if form == "number":
            port["port"] = pick(NUMBERS)
        elif form == "range":
            port["port"], port["endPort"] = 80, pick((81, 82, 65535))
        elif form == "name":
            port["port"] = pick(NAMES)
        return port

    # --- cluster-wide ---

    def _subject(self) -> Body:
        if self.choose.flip(0.7):
            return {"namespaces": self.spaces()}
        return {"pods": {"namespaceSelector": self.spaces(), "podSelector": self.pods()}}

    def _admin_rules(self, side: str, actions: Sequence[str], read: Any, key: str) -> list[Body]:
        pick, flip = self.choose.pick, self.choose.flip
        rules = []
        for index in range(pick((1, 1, 2, 3))):
            rule: Body = {"name": f"rule-{index}", "action": pick(actions)}
            named = False
            if flip(0.4):
                rule[key] = [read() for _ in range(pick((1, 2)))]
                named = any("amedPort" in name for item in rule[key] for name in item)
            peers: list[Body] = [self._subject() for _ in range(pick((1, 1, 2)))]
            # A named port needs pods at the other end.
            if side == "to" and self.addresses and not named and flip(0.2):
                peers.append({"networks": [pick(BLOCKS)[0]]})
            rule[side] = peers
            rules.append(rule)
        return rules

    def _admin_port(self) -> Body:
        pick, flip = self.choose.pick, self.choose.flip
        form = pick(("portNumber", "portRange", "namedPort"))
        if form == "namedPort":
            return {form: pick(NAMES)}
        port: Body = {"protocol": pick(("TCP", "UDP"))} if flip() else {}
        port.update({"port": pick(NUMBERS)} if form == "portNumber" else {"start": 80, "end": pick((81, 65535))})
        return {form: port}

    def _cluster_port(self) -> Body:
        pick = self.choose.pick
        form = pick(("tcp", "udp", "destinationNamedPort"))
        if form == "destinationNamedPort":
            return {form: pick(NAMES)}
        where = pick(({}, {"number": pick(NUMBERS)}, {"range": {"start": 80, "end": pick((81, 82))}}))
        return {form: {"destinationPort": where} if where else {}}

    def _admin_spec(self, actions: Sequence[str], read: Any, key: str) -> Body:
        flip = self.choose.flip
        spec: Body = {"subject": self._subject()}
        if flip(0.9):
            spec["ingress"] = self._admin_rules("from", actions, read, key)
        if flip(0.3):
            spec["egress"] = self._admin_rules("to", actions, read, key)
        return spec

    def admin_policy(self, name: str, priority: int) -> Body:
        spec = {"priority": priority, **self._admin_spec(("Allow", "Deny", "Deny", "Pass"), self._admin_port, "ports")}
        return _wide("AdminNetworkPolicy", "v1alpha1", name, spec)

    def baseline_policy(self) -> Body:
        spec = self._admin_spec(("Allow", "Deny", "Deny"), self._admin_port, "ports")
        return _wide("BaselineAdminNetworkPolicy", "v1alpha1", "default", spec)

    def cluster_policy(self, name: str, tier: str, priority: int) -> Body:
        rules = self._admin_spec(("Accept", "Deny", "Deny", "Pass"), self._cluster_port, "protocols")
        return _wide("ClusterNetworkPolicy", "v1alpha2", name, {"tier": tier, "priority": priority, **rules})


def _wide(kind: str, version: str, name: str, spec: Body) -> Body:
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
