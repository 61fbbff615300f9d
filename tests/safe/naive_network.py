"""A plain reading of network policies: may one pod open one connection to another, given these objects?

Follows the API documents word by word, one connection at a time, straight from the objects. It shares nothing with
``tenantry.safe``: it is there to disagree with it. What an API leaves open is an argument, never a guess.

Source: Kubernetes ``networking.k8s.io/v1`` types; network-policy-api ``apis/v1alpha1`` and ``apis/v1alpha2``;
OVN-Kubernetes, documentation of user-defined networks.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Body = dict[str, Any]
NAME = "kubernetes.io/metadata.name"
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}


@dataclass(frozen=True)
class NaivePod:
    """One pod: where it is and what selectors and named ports see of it."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[str, str, int], ...] = ()
    """Name, protocol and number of container ports that have a name."""
    address: str = ""
    host: bool = False

    @staticmethod
    def of(namespace: str, labels: Mapping[str, str] | None = None, **more: Any) -> NaivePod:
        return NaivePod(namespace, tuple(sorted((labels or {}).items())), **more)


def pods_of(bodies: Iterable[Body]) -> list[NaivePod]:
    """Every pod, or pod a controller would make, among the objects."""
    found = []
    for body in bodies:
        if body["kind"] == "Pod":
            found.append(_pod(body["metadata"], body["spec"], body["metadata"].get("namespace", "default"), body))
        elif body["kind"] in WORKLOADS:
            template = body["spec"]["template"]
            meta = template.get("metadata", {})
            found.append(_pod(meta, template["spec"], body["metadata"].get("namespace", "default"), {}))
    return found


def _pod(metadata: Body, spec: Body, namespace: str, body: Body) -> NaivePod:
    ports = [
        (port["name"], port.get("protocol", "TCP"), port["containerPort"])
        for container in spec.get("containers", [])
        for port in container.get("ports", [])
        if "name" in port
    ]
    address = body.get("status", {}).get("podIP", "")
    labels = metadata.get("labels", {})
    return NaivePod.of(namespace, labels, ports=tuple(ports), address=address, host=spec.get("hostNetwork", False))


@dataclass
class NaiveNetwork:
    """Network policies of a cluster.

    Attributes:
        bodies: the objects.
        blocks_match_pods: whether the network plugin compares address ranges with addresses of pods.
        unknown_matches: whether a pod without a known address is taken to lie in any range.
        ranks: place of an admin network policy among those of equal priority, by name.
    """

    bodies: list[Body]
    blocks_match_pods: bool = True
    unknown_matches: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = {
            body["metadata"]["name"]: {NAME: body["metadata"]["name"], **body["metadata"].get("labels", {})}
            for body in self.bodies
            if body["kind"] == "Namespace"
        }
        tiers: dict[str, list[Body]] = {"Admin": [], "Baseline": []}
        for body in self.bodies:
            if body["kind"] == "AdminNetworkPolicy":
                tiers["Admin"].append(body)
            elif body["kind"] == "BaselineAdminNetworkPolicy" and body["metadata"]["name"] == "default":
                tiers["Baseline"].append(body)
            elif body["kind"] == "ClusterNetworkPolicy":
                tiers[body["spec"]["tier"]].append(body)
        self.admin = sorted(tiers["Admin"], key=self._place)
        self.baseline = sorted(tiers["Baseline"], key=self._place)
        self.policies = [body for body in self.bodies if body["kind"] == "NetworkPolicy"]

    def _place(self, body: Body) -> tuple[int, int, str]:
        name = body["metadata"]["name"]
        return body["spec"].get("priority", 0), self.ranks.get(name, 0), name

    def connects(self, source: NaivePod, target: NaivePod, protocol: str, port: int) -> bool:
        """Whether a connection passes the source's egress and the target's ingress."""
        if source == target:
            return True
        return self._passes("egress", source, target, target, protocol, port) and self._passes(
            "ingress", target, source, target, protocol, port
        )

    def _passes(  # noqa: PLR0917 - both ends, the way and the connection
        self, way: str, here: NaivePod, there: NaivePod, target: NaivePod, protocol: str, port: int
    ) -> bool:
        if here.host:
            return True  # network policies do not act on the node's own network

        def met(rule: Body, key: str) -> bool:
            return self._ports(rule.get(key), target, protocol, port)

        decided = self._first(self.admin, way, here, there, met)
        if decided in {"Allow", "Deny"}:
            return decided == "Allow"
        selecting = [body for body in self.policies if self._selected(body, here, way)]
        if selecting:
            return any(
                self._peers(rule.get("from" if way == "ingress" else "to"), here, there) and met(rule, "ports")
                for body in selecting
                for rule in body["spec"].get(way) or []
            )
        return self._first(self.baseline, way, here, there, met) != "Deny"

    def _selected(self, body: Body, pod: NaivePod, way: str) -> bool:
        spec = body["spec"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        return (
            body["metadata"].get("namespace", "default") == pod.namespace
            and way.capitalize() in types
            and matches(spec.get("podSelector") or {}, dict(pod.labels))
        )

    def _first(
        self, policies: list[Body], way: str, here: NaivePod, there: NaivePod, met: Callable[[Body, str], bool]
    ) -> str:
        for body in policies:
            if not self._admin_pods(body["spec"]["subject"], here):
                continue
            key = "protocols" if body["kind"] == "ClusterNetworkPolicy" else "ports"
            for rule in body["spec"].get(way) or []:
                peers = rule["from" if way == "ingress" else "to"]
                if any(self._admin_peer(peer, there) for peer in peers) and met(rule, key):
                    return {"Accept": "Allow"}.get(rule["action"], str(rule["action"]))
        return ""

    def _admin_pods(self, chosen: Body, pod: NaivePod) -> bool:
        if pod.host:
            return False
        spaces = self.labels.get(pod.namespace, {NAME: pod.namespace})
        if "namespaces" in chosen:
            return matches(chosen["namespaces"], spaces)
        pods = chosen["pods"]
        return matches(pods["namespaceSelector"], spaces) and matches(pods["podSelector"], dict(pod.labels))

    def _admin_peer(self, peer: Body, pod: NaivePod) -> bool:
        if "networks" in peer:
            return any(self._block(cidr, [], pod) for cidr in peer["networks"])
        if "nodes" in peer or "domainNames" in peer:
            return False
        return self._admin_pods(peer, pod)

    def _peers(self, peers: list[Body] | None, here: NaivePod, there: NaivePod) -> bool:
        return not peers or any(self._peer(peer, here, there) for peer in peers)

    def _peer(self, peer: Body, here: NaivePod, there: NaivePod) -> bool:
        if "ipBlock" in peer:
            return self._block(peer["ipBlock"]["cidr"], peer["ipBlock"].get("except") or [], there)
        if there.host:
            return False
        if "namespaceSelector" in peer:
            spaces = self.labels.get(there.namespace, {NAME: there.namespace})
            if not matches(peer["namespaceSelector"], spaces):
                return False
        elif there.namespace != here.namespace:
            return False
        return "podSelector" not in peer or matches(peer["podSelector"], dict(there.labels))

    def _block(self, cidr: str, without: list[str], pod: NaivePod) -> bool:
        if not self.blocks_match_pods:
            return False
        if not pod.address:
            return self.unknown_matches
        address = ipaddress.ip_address(pod.address)
        return address in ipaddress.ip_network(cidr) and not any(
            address in ipaddress.ip_network(item) for item in without
        )

    def _ports(self, ports: list[Body] | None, target: NaivePod, protocol: str, port: int) -> bool:
        return not ports or any(_port(item, target, protocol, port) for item in ports)


def _port(item: Body, target: NaivePod, protocol: str, port: int) -> bool:
    for form in ("portNumber", "portRange", "namedPort", "destinationNamedPort"):
        if form in item:
            return _admin_port(form, item[form], target, protocol, port)
    for word in ("tcp", "udp", "sctp"):
        if word in item:
            wanted = item[word].get("destinationPort")
            return word.upper() == protocol and (wanted is None or _destination(wanted, port))
    if item.get("protocol", "TCP") != protocol:
        return False
    number: Any = item.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return (number, protocol, port) in target.ports
    return bool(number <= port <= item.get("endPort", number))


def _destination(wanted: Body, port: int) -> bool:
    if "number" in wanted:
        return bool(wanted["number"] == port)
    return bool(wanted["range"]["start"] <= port <= wanted["range"]["end"])


def _admin_port(form: str, value: Any, target: NaivePod, protocol: str, port: int) -> bool:
    if form in {"namedPort", "destinationNamedPort"}:
        return any(declared == (value, protocol, port) for declared in target.ports)
    if value.get("protocol", "TCP") != protocol:
        return False
    if form == "portNumber":
        return bool(value["port"] == port)
    return bool(value["start"] <= port <= value["end"])


def matches(selector: Body, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a label selector."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_term(term, labels) for term in selector.get("matchExpressions") or [])


def _term(term: Body, labels: Mapping[str, str]) -> bool:
    present = term["key"] in labels
    operator = term["operator"]
    if operator in {"Exists", "DoesNotExist"}:
        return bool(present is (operator == "Exists"))
    inside = present and labels[term["key"]] in term["values"]
    return bool(inside) is (operator == "In")


# --- every choice of a tenant, one after the other -------------------------------------------------------------------


def all_ports(bodies: list[Body]) -> list[tuple[str, int]]:
    """Connections that tell any two sets of ports written in the objects apart."""
    numbers = {1, 65535}

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in {"port", "endPort", "start", "end", "number", "containerPort"} and isinstance(item, int):
                    numbers.update({item, max(1, item - 1), min(65535, item + 1)})
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    collect(bodies)
    return [(protocol, number) for protocol in ("TCP", "UDP", "SCTP") for number in sorted(numbers)]


def all_labels(bodies: list[Body]) -> Iterator[dict[str, str]]:
    """Every way to set the labels that any selector of pods looks at; small universes only."""
    values: dict[str, set[str]] = {}

    def collect(value: Any, under: str) -> None:
        if isinstance(value, dict):
            if under == "podSelector":
                for key, item in (value.get("matchLabels") or {}).items():
                    values.setdefault(key, set()).add(item)
                for term in value.get("matchExpressions") or []:
                    values.setdefault(term["key"], set()).update(term.get("values") or [])
            for key, item in value.items():
                collect(item, key)
        elif isinstance(value, list):
            for item in value:
                collect(item, under)

    collect(bodies, "")
    keys = sorted(values)
    choices = [[None, "another-value", *sorted(values[key])] for key in keys]
    for chosen in product(*choices):
        yield {key: value for key, value in zip(keys, chosen, strict=True) if value is not None}


def orders(bodies: list[Body]) -> Iterator[dict[str, int]]:
    """Every order in which admin network policies of equal priority may be asked."""
    names = sorted(
        body["metadata"]["name"] for body in bodies if body["kind"] in {"AdminNetworkPolicy", "ClusterNetworkPolicy"}
    )
    for chosen in permutations(names):
        yield {name: place for place, name in enumerate(chosen)}


def allow_all(namespace: str) -> Body:
    """The network policy with which the owner of a namespace opens it."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    return {"kind": "NetworkPolicy", "metadata": {"name": "wide-open", "namespace": namespace}, "spec": spec}
