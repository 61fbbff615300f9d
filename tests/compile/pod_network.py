"""A plain reading of network policies, admin policy first: which traffic do these objects let through?

Follows the API documents of NetworkPolicy v1 and of AdminNetworkPolicy v1alpha1 word by word, for one connection at a
time. It knows neither the compiler nor any shortcut.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Body = dict[str, Any]
To = tuple[str, int]
"""Protocol and destination port."""


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod with its namespace's labels, or an address outside."""

    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    namespace_labels: tuple[tuple[str, str], ...] = ()
    address: str = ""

    @property
    def is_pod(self) -> bool:
        return bool(self.namespace)


def pod(namespace: str, labels: Mapping[str, str] | None = None, **namespace_labels: str) -> End:
    """Return a pod; ``tenant="x"`` labels its namespace as that tenant's."""
    marks = {"kubernetes.io/metadata.name": namespace}
    if "tenant" in namespace_labels:
        marks["tenantry.dev/tenant"] = namespace_labels["tenant"]
    return End(namespace, tuple(sorted((labels or {}).items())), tuple(sorted(marks.items())))


def outside(address: str) -> End:
    return End(address=address)


@dataclass
class PodNetwork:
    """Network policies of a cluster."""

    bodies: Iterable[Body]
    policies: list[Body] = field(init=False)
    admin: list[Body] = field(init=False)
    baseline: list[Body] = field(init=False)

    def __post_init__(self) -> None:
        bodies = list(self.bodies)
        self.policies = [body for body in bodies if body["kind"] == "NetworkPolicy"]
        self.admin = sorted(
            (body for body in bodies if body["kind"] == "AdminNetworkPolicy"), key=lambda body: body["spec"]["priority"]
        )
        self.baseline = [body for body in bodies if body["kind"] == "BaselineAdminNetworkPolicy"]

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        out = not source.is_pod or self._direction("egress", source, target, (protocol, port))
        return out and (not target.is_pod or self._direction("ingress", target, source, (protocol, port)))

    def _direction(self, direction: str, pod_end: End, other: End, to: To) -> bool:
        verdict = _first(self.admin, direction, pod_end, other, to)
        if verdict in {"Allow", "Deny"}:
            return verdict == "Allow"
        selecting = [
            body
            for body in self.policies
            if body["metadata"]["namespace"] == pod_end.namespace
            and _selects(body["spec"]["podSelector"], pod_end.labels)
            and direction.capitalize() in body["spec"]["policyTypes"]
        ]
        if selecting:
            rules = [rule for body in selecting for rule in body["spec"].get(direction, [])]
            return any(_rule(rule, direction, pod_end, other, to) for rule in rules)
        return _first(self.baseline, direction, pod_end, other, to) != "Deny"


def _first(policies: list[Body], direction: str, pod_end: End, other: End, to: To) -> str:
    for body in policies:
        if not _selects(body["spec"]["subject"]["namespaces"], pod_end.namespace_labels):
            continue
        for rule in body["spec"].get(direction, []):
            peers = rule["from" if direction == "ingress" else "to"]
            if any(_admin_peer(peer, other) for peer in peers) and _admin_ports(rule.get("ports"), to):
                return str(rule["action"])
    return ""


def _admin_peer(peer: Body, other: End) -> bool:
    if not other.is_pod:
        return False
    if "namespaces" in peer:
        return _selects(peer["namespaces"], other.namespace_labels)
    pods = peer["pods"]
    return _selects(pods["namespaceSelector"], other.namespace_labels) and _selects(pods["podSelector"], other.labels)


def _admin_ports(ports: list[Body] | None, to: To) -> bool:
    protocol, port = to
    if not ports:
        return True
    for item in ports:
        number, span = item.get("portNumber"), item.get("portRange")
        if number and (number["protocol"], number["port"]) == (protocol, port):
            return True
        if span and span["protocol"] == protocol and span["start"] <= port <= span["end"]:
            return True
    return False


def _rule(rule: Body, direction: str, pod_end: End, other: End, to: To) -> bool:
    protocol, port = to
    peers = rule.get("from" if direction == "ingress" else "to")
    if peers and not any(_peer(peer, pod_end, other) for peer in peers):
        return False
    ports = rule.get("ports")
    if not ports:
        return True
    return any(
        item.get("protocol", "TCP") == protocol and item["port"] <= port <= item.get("endPort", item["port"])
        for item in ports
    )


def _peer(peer: Body, pod_end: End, other: End) -> bool:
    if "ipBlock" in peer:
        if other.is_pod:
            return False
        address, block = ipaddress.ip_address(other.address), peer["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(item) for item in block.get("except", []))
    if not other.is_pod:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], other.namespace_labels):
            return False
    elif other.namespace != pod_end.namespace:
        return False
    return _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Body, pairs: tuple[tuple[str, str], ...]) -> bool:
    labels = dict(pairs)
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_term(term, labels) for term in selector.get("matchExpressions", []))


def _term(term: Body, labels: dict[str, str]) -> bool:
    key, operator = term["key"], term["operator"]
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    if operator == "In":
        return labels.get(key) in term["values"]
    assert operator == "NotIn"
    return labels.get(key) not in term["values"]
