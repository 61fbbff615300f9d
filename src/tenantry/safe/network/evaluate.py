"""What network policies together allow between two endpoints, and which rule decides each part of it.

The admin tier decides first, rule by rule; what it leaves or passes on goes to the namespace tier if any network policy
there isolates the pod, and only otherwise to the baseline tier; what is then left is allowed. Each direction is decided
at its own end, and a connection needs both.

Source: Kubernetes ``networking.k8s.io/v1`` NetworkPolicy; network-policy-api ``site-src/api-overview.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.safe.network.addresses import AddressSet, join
from tenantry.safe.network.ports import ALL, NONE, ConnectionSet, union
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    NetworkRules,
    Peer,
    PodPeer,
    Port,
    PortName,
    Rule,
    Tier,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Address

    from tenantry.model.manifest import ManifestKey


@dataclass(frozen=True, slots=True, order=True)
class ContainerPort:
    """A port a container declares."""

    number: int
    protocol: str = "TCP"
    name: str = ""


@dataclass(frozen=True, eq=False)
class Pod:
    """One interface of a pod on one network.

    Attributes:
        namespace: its namespace.
        name: its name.
        namespace_labels: labels of the namespace, ``kubernetes.io/metadata.name`` included.
        labels: its labels.
        ports: ports its containers declare, in the order written.
        host_network: whether it shares the network of its node.
        addresses: its addresses on this network, as far as known.
        machine: whether it is a virtual machine.
    """

    namespace: str
    name: str
    namespace_labels: dict[str, str]
    labels: dict[str, str]
    ports: tuple[ContainerPort, ...] = ()
    host_network: bool = False
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    machine: bool = False

    @cached_property
    def traits(self) -> Hashable:
        """Everything network policies can tell pods apart by."""
        return (
            self.namespace,
            frozenset(self.namespace_labels.items()),
            frozenset(self.labels.items()),
            self.ports,
            self.host_network,
            self.addresses,
            self.machine,
        )


@dataclass(frozen=True, eq=False)
class Outside:
    """Addresses outside the cluster that no network policy tells apart."""

    addresses: AddressSet

    @property
    def traits(self) -> Hashable:
        """Everything network policies can tell addresses apart by."""
        return self.addresses


Endpoint = Pod | Outside


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all connections that is decided in one place.

    Attributes:
        connections: the part.
        allowed: the decision.
        rule: the rule that decides; None for the default.
        isolated_by: network policies that isolate the pod without a rule for this part, when it is refused by default.
    """

    connections: ConnectionSet
    allowed: bool
    rule: Rule | None = None
    isolated_by: tuple[ManifestKey, ...] = ()


class Evaluator:
    """Decides connections under a set of network policies, all of one network.

    Subclasses may read peers and ports differently, for example so as to err on one side: see :meth:`matches_peer` and
    :meth:`resolve`. Answers are kept per kind of endpoint, so pods that nothing tells apart cost one evaluation.
    """

    def __init__(self, policies: Iterable[NetworkRules]) -> None:
        """Take network policies of any tier, in any order."""
        ordered = sorted(policies, key=lambda item: (item.priority, item.key.namespace, item.key.kind, item.key.name))
        self.admin = tuple(policy for policy in ordered if policy.tier is Tier.ADMIN)
        self.baseline = tuple(policy for policy in ordered if policy.tier is Tier.BASELINE)
        self.by_namespace: dict[str, list[NetworkRules]] = {}
        for policy in ordered:
            if policy.tier is Tier.NAMESPACE:
                self.by_namespace.setdefault(policy.subject.namespace, []).append(policy)
        self._kinds: dict[Hashable, int] = {}
        self._kind_of: dict[Endpoint, int] = {}
        self._selected: dict[tuple[int, Direction], _Selected] = {}
        self._allowed: dict[tuple[int, int, Direction], ConnectionSet] = {}
        # Rules are told apart by identity: they live as long as the evaluator, and comparing them is slow.
        self._matches: dict[tuple[int, int], bool] = {}
        self._addresses: dict[tuple[int, int], AddressSet] = {}

    def kind(self, endpoint: Endpoint) -> int:
        """Return the number of the class of endpoints that no network policy can tell from this one."""
        found = self._kind_of.get(endpoint)
        if found is None:
            found = self._kind_of[endpoint] = self._kinds.setdefault(endpoint.traits, len(self._kinds))
        return found

    def allowed(self, source: Endpoint, target: Endpoint) -> ConnectionSet:
        """Return the connections from one endpoint to another; a pod always reaches itself."""
        if source is target:
            return ALL
        found = ALL
        if isinstance(source, Pod):
            found = self.direction_allowed(source, target, Direction.EGRESS)
        if found and isinstance(target, Pod):
            found = found & self.direction_allowed(target, source, Direction.INGRESS)
        return found

    def direction_allowed(self, captured: Pod, other: Endpoint, direction: Direction) -> ConnectionSet:
        """Return what the network policies of one end allow in one direction."""
        key = (self.kind(captured), self.kind(other), direction)
        found = self._allowed.get(key)
        if found is None:
            found = union(share.connections for share in self.shares(captured, other, direction) if share.allowed)
            self._allowed[key] = found
        return found

    def shares(self, captured: Pod, other: Endpoint, direction: Direction) -> Iterator[Share]:
        """Divide all connections between one end and another by what decides them.

        Args:
            captured: the pod whose network policies are asked.
            other: the other end.
            direction: ``INGRESS`` for connections from ``other``, ``EGRESS`` for connections to it.
        """
        selected = self._select(captured, direction)
        target = captured if direction is Direction.INGRESS else other
        rest = yield from self._admin_shares(selected, other, target)
        if selected.isolating:
            yield from self._namespace_shares(selected, other, target, rest)
        else:
            yield from self._baseline_shares(selected, other, target, rest)

    def _admin_shares(
        self, selected: _Selected, other: Endpoint, target: Endpoint
    ) -> Generator[Share, None, ConnectionSet]:
        """Yield what the admin tier decides and return what it leaves to the next."""
        rest, passed = ALL, NONE
        for rule in selected.admin:
            matched = self._matched(rule, other, target, rest)
            if not matched:
                continue
            rest = rest - matched
            if rule.action is Action.PASS:
                passed = passed | matched
            else:
                yield Share(matched, rule.action is Action.ALLOW, rule)
        return rest | passed

    def _namespace_shares(
        self, selected: _Selected, other: Endpoint, target: Endpoint, rest: ConnectionSet
    ) -> Iterator[Share]:
        for rule in selected.namespaced:
            matched = self._matched(rule, other, target, rest)
            if matched:
                rest = rest - matched
                yield Share(matched, allowed=True, rule=rule)
        if rest:
            yield Share(rest, allowed=False, isolated_by=selected.isolating)

    def _baseline_shares(
        self, selected: _Selected, other: Endpoint, target: Endpoint, rest: ConnectionSet
    ) -> Iterator[Share]:
        for rule in selected.baseline:
            matched = self._matched(rule, other, target, rest)
            if matched:
                rest = rest - matched
                # Passing on from the last tier is allowing, as nothing comes after it.
                yield Share(matched, rule.action is not Action.DENY, rule)
        if rest:
            yield Share(rest, allowed=True)

    def _select(self, captured: Pod, direction: Direction) -> _Selected:
        key = (self.kind(captured), direction)
        found = self._selected.get(key)
        if found is None:
            isolating = [
                policy
                for policy in self.by_namespace.get(captured.namespace, ())
                if direction in policy.directions and self.selects(policy, captured)
            ]
            found = _Selected(
                admin=self._rules(self.admin, captured, direction),
                isolating=tuple(policy.key for policy in isolating),
                namespaced=tuple(rule for policy in isolating for rule in policy.rules(direction)),
                baseline=self._rules(self.baseline, captured, direction),
            )
            self._selected[key] = found
        return found

    def _rules(self, policies: tuple[NetworkRules, ...], captured: Pod, direction: Direction) -> tuple[Rule, ...]:
        return tuple(rule for policy in policies if self.selects(policy, captured) for rule in policy.rules(direction))

    def _matched(self, rule: Rule, other: Endpoint, target: Endpoint, rest: ConnectionSet) -> ConnectionSet:
        if not rest:
            return NONE
        key = (id(rule), self.kind(other))
        found = self._matches.get(key)
        if found is None:
            found = self._matches[key] = self.matches(rule, other)
        return self.connections(rule, target) & rest if found else NONE

    def selects(self, policy: NetworkRules, pod: Pod) -> bool:
        """Whether a network policy applies to a pod."""
        return policy.subject.matches(pod.namespace, pod.namespace_labels, pod.labels)

    def matches(self, rule: Rule, other: Endpoint) -> bool:
        """Whether a rule is about the endpoint at the other end."""
        if rule.peers is None:
            return True
        if isinstance(other, Outside):
            return other.addresses <= self._addresses_of(rule, other.addresses.version)
        return any(self.matches_peer(rule, peer, other) for peer in rule.peers)

    def _addresses_of(self, rule: Rule, version: int) -> AddressSet:
        """Return all addresses a rule names: as no rule divides the outside ends, one range need not hold them."""
        key = (id(rule), version)
        found = self._addresses.get(key)
        if found is None:
            named = [peer.addresses for peer in rule.peers or () if isinstance(peer, AddressPeer)]
            found = self._addresses[key] = join(named, version)
        return found

    def matches_peer(self, rule: Rule, peer: Peer, other: Pod) -> bool:
        """Whether one peer of a rule is the pod at the other end.

        Here addresses never mean pods, and nodes and domain names mean nothing.
        """
        del rule
        return isinstance(peer, PodPeer) and peer.matches(other.namespace, other.namespace_labels, other.labels)

    def connections(self, rule: Rule, target: Endpoint) -> ConnectionSet:
        """Return the connections a rule is about, given who is connected to."""
        if rule.ports is None:
            return ALL
        return union(self.port_connections(rule, port, target) for port in rule.ports)

    def port_connections(self, rule: Rule, port: Port, target: Endpoint) -> ConnectionSet:
        """Return the connections one port of a rule is about."""
        if isinstance(port, PortName):
            return self.resolve(rule, port, target)
        return ConnectionSet.of(port.protocol, port.first, port.last)

    def resolve(self, rule: Rule, port: PortName, target: Endpoint) -> ConnectionSet:
        """Return the connections a port name means at the pod that is connected to; none when it has no such port."""
        del rule
        return named_connections(port, target.ports) if isinstance(target, Pod) else NONE


class SecondaryEvaluator(Evaluator):
    """Decides connections on a secondary network, where MultiNetworkPolicies apply.

    Address ranges mean the addresses pods have on that network, and virtual machines are known by these alone.

    Source: k8snetworkplumbingwg multi-networkpolicy, ``scheme.yml`` and README.
    """

    def matches_peer(self, rule: Rule, peer: Peer, other: Pod) -> bool:
        """Whether one peer of a rule is the pod at the other end."""
        if isinstance(peer, AddressPeer):
            return any(address in peer.addresses for address in other.addresses)
        if isinstance(peer, PodPeer) and other.machine:
            return False
        return super().matches_peer(rule, peer, other)


@dataclass(frozen=True, slots=True)
class _Selected:
    """What concerns one kind of pod in one direction, in order."""

    admin: tuple[Rule, ...]
    isolating: tuple[ManifestKey, ...]
    namespaced: tuple[Rule, ...]
    baseline: tuple[Rule, ...]


def named_connections(port: PortName, declared: Iterable[ContainerPort]) -> ConnectionSet:
    """Return what a port name means where these ports are declared."""
    return union(
        ConnectionSet.of(item.protocol, item.number)
        for item in declared
        if item.name == port.name and port.protocol in (None, item.protocol)
    )
