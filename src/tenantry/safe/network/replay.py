"""Checks a way through network policies by evaluating them for two concrete pods.

This shares nothing with the walk that found the way but the network policies as read.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing
from tenantry.safe.network.evaluate import ContainerPort, Endpoint, Evaluator, Pod
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    NetworkRules,
    Peer,
    PodPeer,
    Rule,
    Tier,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.safe.network.addresses import AddressSet
    from tenantry.safe.network.ground import Ground
    from tenantry.safe.network.walk import Passage


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One connection between two concrete pods."""

    source: Pod
    target: Pod
    protocol: str
    port: int


def concrete(passage: Passage) -> Connection | None:
    """Choose pods, a protocol and a port for a way; None when no port is left."""
    chosen = passage.connections.example()
    if chosen is None:
        return None
    protocol, port = chosen
    pods = []
    for end, fallback in ((passage.source, "source"), (passage.target, "target")):
        declared = tuple(ContainerPort(port, kind, name) for name, kind in end.declares)
        pods.append(
            Pod(
                namespace=end.unit.namespace,
                name=end.unit.example or fallback,
                namespace_labels=end.space.example(),
                labels=end.labels.example(),
                ports=end.unit.ports + declared,
                host_network=end.unit.host_network,
                addresses=tuple(_first(item) for item in end.addresses[:1]),
            )
        )
    return Connection(pods[0], pods[1], protocol, port)


class Replay(Evaluator):
    """Evaluates network policies and leans towards refusal wherever something is not known."""

    def __init__(self, policies: Iterable[NetworkRules], ground: Ground) -> None:
        """Take the network policies of the cluster and what is known of the network plugin."""
        super().__init__(policies)
        self.ground = ground

    def leaves(self, connection: Connection, opened: tuple[Tier, ...] = ()) -> bool:
        """Whether a connection leaves its source; ``opened`` are tiers that somebody has opened there."""
        return self._passes(connection.source, connection.target, Direction.EGRESS, connection, opened)

    def enters(self, connection: Connection, opened: tuple[Tier, ...] = ()) -> bool:
        """Whether a connection enters its target; ``opened`` are tiers that somebody has opened there."""
        return self._passes(connection.target, connection.source, Direction.INGRESS, connection, opened)

    def _passes(
        self, here: Pod, there: Pod, direction: Direction, connection: Connection, opened: tuple[Tier, ...]
    ) -> bool:
        if here.host_network or Tier.ADMIN in opened:
            return True
        for share in self.shares(here, there, direction):
            if not share.connections.contains(connection.protocol, connection.port):
                continue
            tier = share.rule.tier if share.rule else Tier.NAMESPACE if share.isolated_by else Tier.BASELINE
            # Whoever opens the namespace tier writes a network policy there, and the baseline is not asked any more.
            reopened = tier in opened or (tier is Tier.BASELINE and Tier.NAMESPACE in opened)
            return share.allowed or reopened
        return False

    def selects(self, policy: NetworkRules, pod: Pod) -> bool:
        """Whether a network policy applies to a pod; none does to pods on the host network."""
        return not pod.host_network and super().selects(policy, pod)

    def matches(self, rule: Rule, other: Endpoint) -> bool:
        """Whether a rule is about the other end; one that is in doubt is if it refuses."""
        if rule.unknown or isinstance(self.ground.effect(rule.policy, rule.tier), Missing):
            return rule.action is Action.DENY and super().matches(rule, other)
        return super().matches(rule, other)

    def matches_peer(self, rule: Rule, peer: Peer, other: Pod) -> bool:
        """Whether a peer means the other end; one that is in doubt does if its rule refuses."""
        if other.host_network:
            return not isinstance(peer, PodPeer) and rule.action is Action.DENY
        if isinstance(peer, AddressPeer):
            if self.ground.blocks_match_pods is None:
                return rule.action is Action.DENY
            return self.ground.blocks_match_pods and any(address in peer.addresses for address in other.addresses)
        return super().matches_peer(rule, peer, other)


def _first(addresses: AddressSet) -> IPv4Address | IPv6Address:
    number = addresses.intervals[0][0]
    return IPv4Address(number) if addresses.version == 4 else IPv6Address(number)
