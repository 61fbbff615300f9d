"""Reads every kind of network policy into :mod:`~tenantry.safe.network.rules`.

What the API server would refuse is a problem and the object is left out, since it is not in any cluster; a peer with
fields this version does not know makes its rule fail closed, as the API demands of implementations.

Source: Kubernetes ``pkg/apis/networking/validation``; network-policy-api ``apis/v1alpha1/shared_types.go`` and
``apis/v1alpha2/clusternetworkpolicy_types.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenantry.safe.network.fields import Fields
from tenantry.safe.network.policy_ports import admin_port, cluster_port, namespace_port
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    DomainPeer,
    NetworkRules,
    NodePeer,
    Peer,
    PodPeer,
    Port,
    PortName,
    Rule,
    RuleProblem,
    Tier,
    Trouble,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

ADMIN_GROUP: Final = "policy.networking.k8s.io"
MULTI_GROUP: Final = "k8s.cni.cncf.io"
POLICY_FOR: Final = "k8s.v1.cni.cncf.io/policy-for"
"""Annotation of a MultiNetworkPolicy: the networks it is for."""

LAST_PRIORITY: Final = 1000


@dataclass(frozen=True, slots=True)
class NetworkPolicies:
    """What was read.

    Attributes:
        policies: the admin tier by priority, then the others; equal ones by kind, namespace and name.
        problems: what is wrong, by object and place.
    """

    policies: tuple[NetworkRules, ...]
    problems: tuple[RuleProblem, ...]

    def __iter__(self) -> Any:
        return iter(self.policies)


def read_policies(manifests: Iterable[Manifest], *, validated: bool = True) -> NetworkPolicies:
    """Read all network policies among the manifests; other objects are passed over.

    Besides what each object shows by itself this reports admin network policies of one tier with one priority, whose
    order is undefined.

    Args:
        manifests: the objects, whatever they are.
        validated: leave out what the API server refuses although its meaning is plain; what has no meaning is left out
            in any case.
    """
    worst = Trouble.DOUBTFUL if validated else Trouble.REFUSED
    found: list[NetworkRules] = []
    problems: list[RuleProblem] = []
    for manifest in manifests:
        reader = _READERS.get((manifest.key.group, manifest.key.kind))
        if reader is None:
            continue
        fields = Fields(manifest.key)
        policy = reader(fields, manifest.body)
        problems.extend(fields.problems)
        if policy is not None and all(problem.trouble <= worst for problem in fields.problems):
            found.append(policy)
    found.sort(key=lambda item: (item.tier, item.priority, item.key.kind, item.key.namespace, item.key.name))
    problems.extend(_same_priority(found))
    problems.sort(key=lambda item: (item.key, tuple(map(str, item.pointer)), item.message))
    return NetworkPolicies(tuple(found), tuple(problems))


def undefined_order(policies: Iterable[NetworkRules]) -> list[tuple[NetworkRules, ...]]:
    """Return the groups of two or more cluster-wide network policies whose order the API leaves undefined."""
    groups: dict[tuple[Tier, int], list[NetworkRules]] = {}
    for policy in policies:
        if policy.tier is not Tier.NAMESPACE:
            groups.setdefault((policy.tier, policy.priority), []).append(policy)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _same_priority(policies: list[NetworkRules]) -> Iterable[RuleProblem]:
    for group in undefined_order(policies):
        first, *others = group
        for other in others:
            message = f"has priority {other.priority} as {first.key.name} has; which comes first is undefined"
            yield RuleProblem(other.key, ("spec", "priority"), message, Trouble.DOUBTFUL)


def _namespace_policy(fields: Fields, body: dict[str, Any]) -> NetworkRules | None:
    spec = fields.map_at(body, ("spec",))
    namespace = fields.key.namespace or "default"
    pods = fields.selector(spec.get("podSelector"), ("spec", "podSelector"), absent_is_everything=True)
    types = fields.list_at(spec.get("policyTypes"), ("spec", "policyTypes"))
    for index, item in enumerate(types):
        if item not in tuple(Direction):
            message = f"expected Ingress or Egress, found {item!r}"
            fields.problem(("spec", "policyTypes", index), message, Trouble.REFUSED)
    rules = {
        direction: _rules(fields, spec, direction, _NamespaceRule(fields, direction, namespace).read)
        for direction in Direction
    }
    annotations = fields.map_at(body, ("metadata", "annotations"))
    return NetworkRules(
        key=fields.key,
        tier=Tier.NAMESPACE,
        priority=0,
        subject=PodPeer(namespace=namespace, pods=pods, pointer=("spec", "podSelector")),
        directions=_isolated(types, egress=bool(rules[Direction.EGRESS])),
        ingress=rules[Direction.INGRESS],
        egress=rules[Direction.EGRESS],
        networks=_policy_for(annotations.get(POLICY_FOR), namespace) if fields.key.group == MULTI_GROUP else (),
    )


def _isolated(types: list[Any], *, egress: bool) -> frozenset[Direction]:
    """Return the directions in which pods are isolated: those listed, or incoming and, with rules for it, outgoing."""
    if types:
        return frozenset(direction for direction in Direction if direction.value in types)
    return frozenset(Direction) if egress else frozenset((Direction.INGRESS,))


def _policy_for(value: object, namespace: str) -> tuple[str, ...]:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else []
    return tuple(sorted({name if "/" in name else f"{namespace}/{name}" for name in names if name}))


def _admin_policy(fields: Fields, body: dict[str, Any]) -> NetworkRules | None:
    spec = fields.map_at(body, ("spec",))
    if fields.key.kind == "BaselineAdminNetworkPolicy":
        if fields.key.name != "default":
            fields.problem(("metadata", "name"), f"must be named default, found {fields.key.name!r}")
        actions = {Action.ALLOW: "Allow", Action.DENY: "Deny"}
        return _cluster_wide(fields, spec, tier=Tier.BASELINE, priority=0, actions=actions, ports="ports")
    actions = {action: action.value for action in Action}
    return _cluster_wide(
        fields, spec, tier=Tier.ADMIN, priority=_priority(fields, spec), actions=actions, ports="ports"
    )


def _cluster_policy(fields: Fields, body: dict[str, Any]) -> NetworkRules | None:
    spec = fields.map_at(body, ("spec",))
    tiers = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}
    named = spec.get("tier")
    tier = tiers.get(named, Tier.ADMIN) if isinstance(named, str) else Tier.ADMIN
    if not isinstance(named, str) or named not in tiers:
        fields.problem(("spec", "tier"), f"expected Admin or Baseline, found {named!r}")
    actions = {Action.ALLOW: "Accept", Action.DENY: "Deny", Action.PASS: "Pass"}
    return _cluster_wide(fields, spec, tier=tier, priority=_priority(fields, spec), actions=actions, ports="protocols")


def _priority(fields: Fields, spec: dict[str, Any]) -> int:
    value = spec.get("priority")
    if value is None:
        fields.problem(("spec", "priority"), "a priority is missing and taken for 0", Trouble.REFUSED)
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_PRIORITY:
        fields.problem(("spec", "priority"), f"expected a whole number from 0 to {LAST_PRIORITY}, found {value!r}")
        return 0
    return value


def _cluster_wide(
    fields: Fields, spec: dict[str, Any], *, tier: Tier, priority: int, actions: dict[Action, str], ports: str
) -> NetworkRules | None:
    subject = _subject(fields, spec.get("subject"))
    rules = {}
    for direction in Direction:
        reader = _AdminRule(
            fields, direction, tier, priority, {word: action for action, word in actions.items()}, ports
        )
        rules[direction] = _rules(fields, spec, direction, reader.read)
    if subject is None:
        return None
    return NetworkRules(
        key=fields.key,
        tier=tier,
        priority=priority,
        subject=subject,
        directions=frozenset(direction for direction in Direction if rules[direction]),
        ingress=rules[Direction.INGRESS],
        egress=rules[Direction.EGRESS],
    )


def _subject(fields: Fields, value: object) -> PodPeer | None:
    at = ("spec", "subject")
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"namespaces", "pods"}:
        fields.problem(at, "expected exactly one of namespaces and pods")
        return None
    return _pods_peer(fields, value, at)


def _pods_peer(fields: Fields, value: dict[str, Any], at: DocPath) -> PodPeer:
    """Read ``namespaces`` or ``pods`` of a subject or peer of a cluster-wide network policy."""
    if "namespaces" in value:
        return PodPeer(namespaces=fields.selector(value["namespaces"], (*at, "namespaces")), pointer=at)
    pods = fields.map_at(value, ("pods",), at)
    if not isinstance(value["pods"], dict):
        fields.problem((*at, "pods"), "expected namespaceSelector and podSelector")
    inner = (*at, "pods")
    return PodPeer(
        namespaces=fields.selector(
            pods.get("namespaceSelector"), (*inner, "namespaceSelector"), absent_is_everything=True
        ),
        pods=fields.selector(pods.get("podSelector"), (*inner, "podSelector"), absent_is_everything=True),
        pointer=at,
    )


def _rules(
    fields: Fields,
    spec: dict[str, Any],
    direction: Direction,
    read: Callable[[int, dict[str, Any], DocPath], Rule | None],
) -> tuple[Rule, ...]:
    found = []
    at = ("spec", direction.field)
    for index, body in enumerate(fields.list_at(spec.get(direction.field), at)):
        here = (*at, index)
        if body is not None and not isinstance(body, dict):
            fields.problem(here, f"expected a rule, found {body!r}")
            continue
        rule = read(index, body or {}, here)
        if rule is not None:
            found.append(rule)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _NamespaceRule:
    """Reads rules of a NetworkPolicy or MultiNetworkPolicy."""

    fields: Fields
    direction: Direction
    namespace: str

    def read(self, index: int, body: dict[str, Any], at: DocPath) -> Rule | None:
        side = "from" if self.direction is Direction.INGRESS else "to"
        peers = [
            self._peer(item, (*at, side, number))
            for number, item in enumerate(self.fields.list_at(body.get(side), (*at, side)))
        ]
        ports = [
            namespace_port(self.fields, item, (*at, "ports", number))
            for number, item in enumerate(self.fields.list_at(body.get("ports"), (*at, "ports")))
        ]
        return Rule(
            policy=self.fields.key,
            pointer=at,
            tier=Tier.NAMESPACE,
            priority=0,
            index=index,
            direction=self.direction,
            action=Action.ALLOW,
            # An empty list means the same as none.
            peers=tuple(peer for peer in peers if peer is not None) if peers else None,
            ports=tuple(port for port in ports if port is not None) if ports else None,
        )

    def _peer(self, item: object, at: DocPath) -> Peer | None:
        fields = self.fields
        known = {"podSelector", "namespaceSelector", "ipBlock"}
        chosen = {key for key in known if item.get(key) is not None} if isinstance(item, dict) else set()
        if not isinstance(item, dict) or not chosen:
            fields.problem(at, "expected ipBlock, or podSelector and namespaceSelector or one of them")
            return None
        unknown = sorted(str(key) for key in item if key not in known)
        if unknown:
            fields.problem(at, f"a peer has no field {', '.join(unknown)}", Trouble.REFUSED)
        if "ipBlock" in chosen:
            if len(chosen) > 1:
                fields.problem(at, "ipBlock cannot be combined with a selector")
            return self._block(item["ipBlock"], (*at, "ipBlock"))
        everywhere = "namespaceSelector" in chosen
        return PodPeer(
            namespace="" if everywhere else self.namespace,
            namespaces=fields.selector(
                item.get("namespaceSelector"), (*at, "namespaceSelector"), absent_is_everything=True
            ),
            pods=fields.selector(item.get("podSelector"), (*at, "podSelector"), absent_is_everything=True),
            pointer=at,
        )

    def _block(self, item: object, at: DocPath) -> AddressPeer | None:
        fields = self.fields
        if not isinstance(item, dict):
            fields.problem(at, f"expected cidr and except, found {item!r}")
            return None
        whole = fields.cidr(item.get("cidr"), (*at, "cidr"))
        if whole is None:
            return None
        left = whole
        for index, entry in enumerate(fields.list_at(item.get("except"), (*at, "except"))):
            hole = fields.cidr(entry, (*at, "except", index))
            if hole is None:
                continue
            if not (hole <= whole and hole != whole):
                message = f"{entry} must lie inside {item.get('cidr')} and be smaller"
                fields.problem((*at, "except", index), message, Trouble.REFUSED)
            left = left - hole
        return AddressPeer(left, at)


@dataclass(frozen=True, slots=True)
class _AdminRule:
    """Reads rules of cluster-wide network policies."""

    fields: Fields
    direction: Direction
    tier: Tier
    priority: int
    actions: dict[str, Action]
    ports_field: str

    def read(self, index: int, body: dict[str, Any], at: DocPath) -> Rule | None:
        fields = self.fields
        word = body.get("action")
        action = self.actions.get(word) if isinstance(word, str) else None
        if action is None:
            fields.problem((*at, "action"), f"expected one of {', '.join(self.actions)}, found {word!r}")
            return None
        side = "from" if self.direction is Direction.INGRESS else "to"
        items = fields.list_at(body.get(side), (*at, side))
        if not items:
            fields.problem((*at, side), "expected at least one peer")
        read = [self._peers(item, (*at, side, number)) for number, item in enumerate(items)]
        unknown = any(found is None for found in read)
        peers: list[Peer] | None = [peer for found in read for peer in found or ()]
        ports = self._ports(body, at)
        if unknown:
            closed = action is Action.ALLOW
            action, peers, ports = (action, [], ports) if closed else (Action.DENY, None, None)
        elif ports and any(isinstance(port, PortName) for port in ports):
            self._named(peers, at)
        name = body.get("name")
        return Rule(
            policy=fields.key,
            pointer=at,
            tier=self.tier,
            priority=self.priority,
            index=index,
            direction=self.direction,
            action=action,
            peers=None if peers is None else tuple(peers),
            ports=ports,
            name=name if isinstance(name, str) else "",
            unknown=unknown,
        )

    def _ports(self, body: dict[str, Any], at: DocPath) -> tuple[Port, ...] | None:
        at = (*at, self.ports_field)
        items = self.fields.list_at(body.get(self.ports_field), at)
        read = cluster_port if self.ports_field == "protocols" else admin_port
        found = [read(self.fields, item, (*at, index)) for index, item in enumerate(items)]
        return tuple(port for port in found if port is not None) if found else None

    def _named(self, peers: list[Peer] | None, at: DocPath) -> None:
        for peer in peers or ():
            if not isinstance(peer, PodPeer):
                message = "a named port needs pods at the other end, not addresses, nodes or domains"
                self.fields.problem(at, message, Trouble.REFUSED)
                return

    def _peers(self, item: object, at: DocPath) -> list[Peer] | None:
        """Read one peer, None for one with unknown fields; networks and domain names make one each."""
        fields = self.fields
        known = {"namespaces", "pods"}
        if self.direction is Direction.EGRESS:
            known |= {"networks", "nodes", "domainNames"}
        if not isinstance(item, dict):
            fields.problem(at, f"expected a peer, found {item!r}")
            return []
        extra = sorted(map(str, set(item) - known))
        if extra or not item:
            what = f"unknown field {', '.join(extra)}" if extra else "no field that is known"
            fields.problem(at, f"the peer has {what}, so the rule fails closed", Trouble.DOUBTFUL)
            return None
        if len(item) > 1:
            fields.problem(at, f"expected exactly one field, found {', '.join(sorted(item))}")
        if "namespaces" in item or "pods" in item:
            return [_pods_peer(fields, item, at)]
        if "nodes" in item:
            return [NodePeer(fields.selector(item["nodes"], (*at, "nodes")), at)]
        if "domainNames" in item:
            return [DomainPeer(str(name), at) for name in fields.filled(item["domainNames"], (*at, "domainNames"))]
        found: list[Peer] = []
        for index, entry in enumerate(fields.filled(item["networks"], (*at, "networks"))):
            here = (*at, "networks", index)
            addresses = fields.cidr(entry, here)
            if addresses is not None:
                found.append(AddressPeer(addresses, here))
        return found


_READERS: Final[dict[tuple[str, str], Callable[[Fields, dict[str, Any]], NetworkRules | None]]] = {
    ("networking.k8s.io", "NetworkPolicy"): _namespace_policy,
    ("extensions", "NetworkPolicy"): _namespace_policy,
    (MULTI_GROUP, "MultiNetworkPolicy"): _namespace_policy,
    (ADMIN_GROUP, "AdminNetworkPolicy"): _admin_policy,
    (ADMIN_GROUP, "BaselineAdminNetworkPolicy"): _admin_policy,
    (ADMIN_GROUP, "ClusterNetworkPolicy"): _cluster_policy,
}

KINDS: Final = tuple(_READERS)
"""Group and kind of every object that is read here."""
