"""Which network policies act on which pods, in which order, and a quick bound of whom they may let through.

Pods on which equal network policies act form a group. For a group the bound is a set of classes at the other end: those
that some label, port or answer to an open question may let through. Whoever is outside it is refused for certain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby, islice, permutations, product
from typing import TYPE_CHECKING, Final

from tenantry.model.claim import Missing
from tenantry.safe.network.classes import Index, mask_of, places_of
from tenantry.safe.network.ports import ALL, NONE, ConnectionSet, union
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    NetworkRules,
    NodePeer,
    Peer,
    PodPeer,
    Port,
    PortName,
    Rule,
    Tier,
)
from tenantry.safe.network.symbolic import ANY_ADDRESS, common
from tenantry.safe.network.walk import AdminRule, Opening, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.safe.network.addresses import AddressSet
    from tenantry.safe.network.ground import Ground

MOST_ORDERS: Final = 48
"""Orders of equally ranked network policies that are tried; four of them have 24."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Units of an index on which equal network policies act.

    Attributes:
        members: the units.
        tenants: the same per tenant, by name.
        policies: what acts on the first of them, and whether it does whatever labels are chosen.
    """

    members: int
    tenants: tuple[tuple[str, int], ...]
    policies: tuple[tuple[NetworkRules, bool], ...]


class Acting:
    """Network policies that act on the units of an index in one direction."""

    def __init__(self, policies: Sequence[NetworkRules], index: Index, direction: Direction) -> None:
        """Find out which network policy acts on which unit."""
        self.direction = direction
        self.index = index
        self.policies = tuple(policy for policy in policies if direction in policy.directions)
        self._of: list[list[int]] = [[] for _ in index.units]
        self._content = _contents(self.policies, direction)
        for number, policy in enumerate(self.policies):
            matched = index.peer(policy.subject)
            if not matched.may:
                continue
            window = index.ranges.get(policy.subject.namespace) if policy.subject.namespace else None
            first = window[0] if window else 0
            for place in places_of(matched.may >> first):
                certain = matched.must >> (first + place) & 1
                self._of[first + place].append(number * 2 + certain)
        self._sides: dict[tuple[object, ...], tuple[Side, ...]] = {}

    def groups(self) -> list[Group]:
        """Return the groups of all units, ordered by their first unit."""
        found: dict[tuple[int, ...], list[int]] = {}
        for place, numbers in enumerate(self._of):
            key = tuple(self._content[number // 2] * 2 + number % 2 for number in numbers)
            exempt = (-1,) if self.index.units[place].host_network else key
            found.setdefault(exempt, []).append(place)
        return [self._group(places) for places in found.values()]

    def _group(self, places: list[int]) -> Group:
        members = mask_of(places)
        names = sorted({self.index.units[place].tenant for place in places})
        tenants = tuple((name, members & self.index.tenants[name]) for name in names)
        acting = tuple((self.policies[number // 2], bool(number % 2)) for number in self._of[places[0]])
        return Group(members, tenants, acting)

    def acting(self, place: int) -> tuple[int, ...]:
        """Return what tells apart which network policies act on a unit."""
        return tuple(self._of[place])

    def sides(self, place: int, opened: Opening | None, baseline_opened: Opening | None) -> tuple[Side, ...]:
        """Return the network policies of one unit, once for each order that the API leaves open."""
        unit = self.index.units[place]
        if unit.host_network:
            return (Side(self.direction, exempt=True),)
        key = (tuple(self._of[place]), id(opened), id(baseline_opened))
        found = self._sides.get(key)
        if found is None:
            acting = [self.policies[number // 2] for number in self._of[place]]
            tiers = {tier: [policy for policy in acting if policy.tier is tier] for tier in Tier}
            tried = [list(islice(_orders(tiers[tier]), MOST_ORDERS + 1)) for tier in (Tier.ADMIN, Tier.BASELINE)]
            found = self._sides[key] = tuple(
                Side(
                    self.direction,
                    admin=self._rules(admin),
                    namespaced=tuple(tiers[Tier.NAMESPACE]),
                    baseline=self._rules(baseline),
                    opened=opened,
                    baseline_opened=baseline_opened,
                )
                for admin, baseline in islice(product(*tried), MOST_ORDERS + 1)
            )
        return found

    def _rules(self, policies: Iterable[NetworkRules]) -> tuple[AdminRule, ...]:
        return tuple(AdminRule(policy.subject, rule) for policy in policies for rule in policy.rules(self.direction))


def _contents(policies: Sequence[NetworkRules], direction: Direction) -> list[int]:
    """Return a number per network policy, the same for those of the namespace tier whose rules say the same."""
    numbers: dict[object, int] = {}
    rules: dict[int, object] = {}
    found = []
    for policy in policies:
        if policy.tier is Tier.NAMESPACE:
            key: object = frozenset(_content(rule, rules) for rule in policy.rules(direction))
        else:
            key = policy.key
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _content(rule: Rule, known: dict[int, object]) -> object:
    found = known.get(id(rule))
    if found is None:
        # Peers in the own namespace never mean another tenant's pods, so where they point makes no difference.
        peers = None if rule.peers is None else frozenset(_bare(peer) for peer in rule.peers if not _own(peer))
        found = known[id(rule)] = (peers, rule.ports)
    return found


def _own(peer: Peer) -> bool:
    return isinstance(peer, PodPeer) and bool(peer.namespace)


def _bare(peer: Peer) -> object:
    if isinstance(peer, PodPeer):
        return (peer.namespaces, peer.pods)
    return replace(peer, pointer=())


def ranked(policies: Sequence[NetworkRules]) -> Iterator[list[NetworkRules]]:
    """Yield groups of cluster-wide network policies of equal priority, in order."""
    ordered = sorted(policies, key=lambda policy: (policy.priority, policy.key))
    for _, group in groupby(ordered, key=lambda policy: policy.priority):
        yield list(group)


def _orders(policies: Sequence[NetworkRules]) -> Iterator[list[NetworkRules]]:
    """Yield every order the API leaves open, the one by name first."""
    groups = [
        # A product takes its factors whole, and ten network policies have millions of orders.
        list(islice(permutations(group), MOST_ORDERS + 1)) if _differ(group) else [group]
        for group in ranked(policies)
    ]
    for chosen in product(*groups):
        yield [policy for group in chosen for policy in group]


def _differ(policies: Iterable[NetworkRules]) -> bool:
    """Whether the order of network policies may make a difference: not if all their rules do the same."""
    return len({rule.action for policy in policies for rule in (*policy.ingress, *policy.egress)}) > 1


Parts = dict[ConnectionSet, int]
"""Sets of units by the connections that may pass to or from them."""


def _add(parts: Parts, connections: ConnectionSet, units: int) -> None:
    if units and connections:
        parts[connections] = parts.get(connections, 0) | units


class Bound:
    """Bounds of whom network policies may let through, as sets of units of an index at the other end."""

    def __init__(self, other: Index, ground: Ground) -> None:
        """Take the units at the other end."""
        self.other = other
        self.ground = ground
        self._rules: dict[int, tuple[int, int]] = {}
        self._ports: dict[tuple[Port, ...] | None, ConnectionSet] = {None: ALL}
        self._policies: dict[tuple[int, Direction], Parts] = {}
        self._blocks: dict[AddressSet, int] = {}
        self._hosts = other.everything & ~other.selectable

    def of(self, group: Group, direction: Direction, *, opened: bool = False) -> Parts:
        """Return the units at the other end that may be let through, by the connections that may be.

        Args:
            group: the units whose network policies are asked.
            direction: which of their rules.
            opened: whether somebody may open the namespace tier.
        """
        certain = {id(policy) for policy, sure in group.policies if sure}
        admin = [policy for policy, _ in group.policies if policy.tier is Tier.ADMIN]
        found, denied = self._tier(admin, direction, certain)
        if opened:
            _add(found, ALL, self.other.everything & ~denied)
            return found
        isolated = False
        for policy, _ in group.policies:
            if policy.tier is Tier.NAMESPACE:
                isolated = isolated or id(policy) in certain
                for ports, units in self._policy(policy, direction).items():
                    _add(found, ports, units & ~denied)
        if not isolated:
            baseline = [policy for policy, _ in group.policies if policy.tier is Tier.BASELINE]
            _, refused = self._tier(baseline, direction, certain)
            _add(found, ALL, self.other.everything & ~denied & ~refused)
        return found

    def _tier(self, policies: Sequence[NetworkRules], direction: Direction, certain: set[int]) -> tuple[Parts, int]:
        """Return what rules of one cluster-wide tier may allow, and the units they refuse for certain."""
        found: Parts = {}
        kept = denied = 0
        for rank in ranked(policies):
            rules = [(rule, id(policy) in certain) for policy in rank for rule in policy.rules(direction)]
            if len(rank) > 1:
                rules.sort(key=lambda item: item[0].action is Action.DENY)
            for rule, sure in rules:
                may, must = self._rule(rule)
                if rule.action is Action.DENY:
                    denied |= must & ~kept if sure else 0
                    continue
                kept |= may & ~denied
                if rule.action is Action.ALLOW:
                    _add(found, self._connections(rule), may & ~denied)
        return found, denied

    def _policy(self, policy: NetworkRules, direction: Direction) -> Parts:
        key = (id(policy), direction)
        found = self._policies.get(key)
        if found is None:
            found = self._policies[key] = {}
            for rule in policy.rules(direction):
                _add(found, self._connections(rule), self._rule(rule)[0])
        return found

    def _connections(self, rule: Rule) -> ConnectionSet:
        """Return all that the ports of a rule may come to mean."""
        found = self._ports.get(rule.ports)
        if found is None:
            found = self._ports[rule.ports] = union(
                ConnectionSet.of(port.protocol, port.first, port.last)
                if not isinstance(port, PortName)
                else (ConnectionSet.of(port.protocol) if port.protocol else ALL)
                for port in rule.ports or ()
            )
        return found

    def _rule(self, rule: Rule) -> tuple[int, int]:
        """Return the units a rule may be about, and those it is about for certain with all connections."""
        found = self._rules.get(id(rule))
        if found is None:
            effect = self.ground.effect(rule.policy, rule.tier)
            may = self.other.everything if rule.unknown or rule.peers is None else self._peers(rule.peers)
            sure = rule.ports is None and not rule.unknown and not isinstance(effect, Missing)
            must = 0
            if sure:
                must = self.other.everything if rule.peers is None else self._certain(rule.peers)
            found = self._rules[id(rule)] = (may, must)
        return found

    def _certain(self, peers: Iterable[Peer]) -> int:
        found = 0
        for peer in peers:
            if isinstance(peer, PodPeer):
                found |= self.other.peer(peer).must
        return found

    def _peers(self, peers: Iterable[Peer]) -> int:
        found = 0
        for peer in peers:
            if isinstance(peer, PodPeer):
                # Peers in the own namespace are of the own tenant.
                found |= 0 if peer.namespace else self.other.peer(peer).may
            elif isinstance(peer, AddressPeer):
                found |= self._hosts
                if self.ground.blocks_match_pods is not False:
                    found |= self._block(peer.addresses)
            elif isinstance(peer, NodePeer):
                found |= self._hosts
            else:
                found |= self.other.everything
        return found

    def _block(self, block: AddressSet) -> int:
        found = self._blocks.get(block)
        if found is None:
            found = self._blocks[block] = self.other.where(
                lambda unit: unit.addresses is ANY_ADDRESS or any(common(item, block) for item in unit.addresses)
            )
        return found


class Exits:
    """Whom the sources of each tenant may reach, by tenant."""

    def __init__(self, starts: dict[str, list[tuple[int, Parts]]], targets: Index) -> None:
        self._starts = starts
        self._targets = targets
        self._known: dict[tuple[str, str], list[tuple[ConnectionSet, int, int]]] = {}

    def of(self, source: str, target: str) -> list[tuple[ConnectionSet, int, int]]:
        """Return connections, sources and targets between which they may pass, between two tenants."""
        found = self._known.get((source, target))
        if found is None:
            merged: dict[tuple[ConnectionSet, int], int] = {}
            owned = self._targets.tenants.get(target, 0)
            for sources, parts in self._starts.get(source, ()):
                reached, connections = within(parts, owned)
                if reached:
                    key = (connections, reached)
                    merged[key] = merged.get(key, 0) | sources
            found = [(connections, sources, reached) for (connections, reached), sources in merged.items()]
            self._known[source, target] = found
        return found


def within(parts: Parts, units: int) -> tuple[int, ConnectionSet]:
    """Return those of some units that are in any part, and all connections of these parts."""
    found, connections = 0, NONE
    for part, members in parts.items():
        if members & units:
            found |= members & units
            connections = connections | part
    return found, connections
