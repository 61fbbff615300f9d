"""One representation for every kind of network policy: an ordered list of rules in three tiers.

Order of tiers: admin (AdminNetworkPolicy, ClusterNetworkPolicy of tier Admin), namespace (NetworkPolicy,
MultiNetworkPolicy), baseline (BaselineAdminNetworkPolicy, ClusterNetworkPolicy of tier Baseline); then everything is
allowed.

Source: Kubernetes network-policy-api, ``apis/v1alpha1`` and ``apis/v1alpha2``; Kubernetes ``networking.k8s.io/v1``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from tenantry.model.selector import Selector

if TYPE_CHECKING:
    from tenantry.model.manifest import ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.safe.network.addresses import AddressSet


class Tier(IntEnum):
    """Which rules are asked first; smaller is earlier."""

    ADMIN = 0
    NAMESPACE = 1
    BASELINE = 2


class Action(StrEnum):
    """What a rule does with what it matches."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"
    """Leave it to the next tier."""


class Direction(StrEnum):
    """Seen from the pod a network policy selects."""

    INGRESS = "Ingress"
    EGRESS = "Egress"

    @property
    def field(self) -> str:
        """Field of the spec with the rules of this direction."""
        return self.value.lower()


EVERYTHING = Selector()


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods by their labels and those of their namespaces; both must match.

    Attributes:
        namespace: name of the only namespace meant; empty when ``namespaces`` decides.
        namespaces: selector on labels of namespaces; everything when ``namespace`` is given.
        pods: selector on labels of pods.
        pointer: the peer inside its object.
    """

    namespace: str = ""
    namespaces: Selector = EVERYTHING
    pods: Selector = EVERYTHING
    pointer: DocPath = ()

    def matches(self, namespace: str, namespace_labels: dict[str, str], labels: dict[str, str]) -> bool:
        """Whether a pod with these labels in this namespace is meant."""
        if self.namespace and self.namespace != namespace:
            return False
        return self.namespaces.matches(namespace_labels) and self.pods.matches(labels)


@dataclass(frozen=True, slots=True)
class AddressPeer:
    """Addresses: an ``ipBlock`` less its exceptions, or one of the ``networks`` of an admin rule."""

    addresses: AddressSet
    pointer: DocPath = ()


@dataclass(frozen=True, slots=True)
class NodePeer:
    """Nodes by their labels."""

    nodes: Selector
    pointer: DocPath = ()


@dataclass(frozen=True, slots=True)
class DomainPeer:
    """A domain name outside the cluster, possibly with a leading ``*.``."""

    domain: str
    pointer: DocPath = ()


Peer = PodPeer | AddressPeer | NodePeer | DomainPeer


@dataclass(frozen=True, slots=True)
class PortRange:
    """Destination ports of one protocol, inclusive."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PortName:
    """A destination port by the name a container gives it.

    Attributes:
        name: the name.
        protocol: protocol the port must have; None takes the protocol the container names.
    """

    name: str
    protocol: str | None = None


Port = PortRange | PortName


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one direction.

    Attributes:
        policy: the object it is part of.
        pointer: the rule inside that object.
        tier: tier of the object.
        priority: priority inside the tier, smaller first; 0 for the namespace tier.
        index: place in the object's list for this direction.
        direction: which end of a connection it is about.
        action: what happens to what it matches; rules of the namespace tier allow.
        peers: who is at the other end; None means anybody, pods, nodes and outside alike.
        ports: destination ports; None means all of all protocols.
        name: name given to the rule; may be empty.
        unknown: whether a peer has fields unknown to this version, so that the rule fails closed: an Allow matches
            nothing, anything else denies everything.
    """

    policy: ManifestKey
    pointer: DocPath
    tier: Tier
    priority: int
    index: int
    direction: Direction
    action: Action
    peers: tuple[Peer, ...] | None
    ports: tuple[Port, ...] | None
    name: str = ""
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """One object: whom it selects and its rules.

    Attributes:
        key: the object.
        tier: its tier.
        priority: its priority inside the tier; 0 for the namespace tier and for a BaselineAdminNetworkPolicy.
        subject: the pods it applies to.
        directions: for the namespace tier the directions in which it isolates; else those for which it has rules.
        ingress: rules for connections to the subject, in order; without effect when not among ``directions``.
        egress: rules for connections from the subject, in order; likewise.
        networks: for a MultiNetworkPolicy the networks it is for, as ``namespace/name``; empty otherwise.
    """

    key: ManifestKey
    tier: Tier
    priority: int
    subject: PodPeer
    directions: frozenset[Direction]
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    networks: tuple[str, ...] = ()

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        """Return the rules of one direction, in order."""
        return self.ingress if direction is Direction.INGRESS else self.egress


class Trouble(IntEnum):
    """How bad a problem of a network policy is; larger is worse."""

    DOUBTFUL = 0
    """A cluster takes the object, but what it does is undefined or not what it says."""
    REFUSED = 1
    """What the object means is plain, but the API server refuses it."""
    UNREADABLE = 2
    """The object has no meaning, and the API server refuses it."""


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """Something wrong with a network policy.

    Attributes:
        key: the object.
        pointer: the place inside it.
        message: one sentence.
        trouble: how bad it is.
    """

    key: ManifestKey
    pointer: DocPath
    message: str
    trouble: Trouble = Trouble.UNREADABLE

    @property
    def rejected(self) -> bool:
        """Whether the API server would not have taken the object."""
        return self.trouble is not Trouble.DOUBTFUL

    def __str__(self) -> str:
        place = "/".join(str(step) for step in self.pointer)
        return f"{self.key}{': ' + place if place else ''}: {self.message}"
