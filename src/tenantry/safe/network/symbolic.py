"""Endpoints whose labels an adversary may choose, and what can be said about them.

An endpoint is a pod as far as it is decided: labels that are given, and, where somebody may still choose, requirements
collected so far. Asking whether a selector matches has two answers then, each with the requirements it adds. Exact:
requirements on different keys are independent, see :func:`tenantry.model.selector.satisfy`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.model.selector import Requirement, Selector, satisfy
from tenantry.safe.network.addresses import ALL_IPV4, ALL_IPV6, AddressSet
from tenantry.safe.network.rules import PodPeer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.model.claim import Missing, Step
    from tenantry.safe.network.evaluate import ContainerPort

_OPPOSITE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}

ANY_ADDRESS = (ALL_IPV4, ALL_IPV6)
"""What is known of an address of which nothing is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of a pod or namespace.

    Attributes:
        fixed: labels that are given.
        free: whether keys that are not given may be chosen; else they are absent.
        wanted: what was required of the free keys so far; always satisfiable.
    """

    fixed: Mapping[str, str]
    free: bool = False
    wanted: tuple[Requirement, ...] = ()

    def meet(self, selector: Selector) -> Labels | None:
        """Return the labels such that the selector matches, or None when it cannot."""
        if not self.free:
            return self if selector.matches(self.fixed) else None
        more = tuple(item for item in selector.requirements if item not in self.wanted)
        if not more:
            return self
        if satisfy([Selector(self.wanted + more)], self.fixed) is None:
            return None
        more = tuple(item for item in more if item.key not in self.fixed)
        return replace(self, wanted=self.wanted + more) if more else self

    def miss(self, selector: Selector) -> Iterator[Labels]:
        """Yield the ways in which the selector does not match; self alone when it cannot match anyhow."""
        if not self.free:
            if not selector.matches(self.fixed):
                yield self
            return
        if self.meet(selector) is None:
            yield self
            return
        for item in selector.requirements:
            found = self.meet(Selector((negated(item),)))
            if found is not None:
                yield found

    def example(self) -> dict[str, str]:
        """Return the least labels that satisfy everything required."""
        found = satisfy([Selector(self.wanted)], self.fixed)
        if found is None:
            raise ValueError("labels with requirements that contradict each other")
        return found


def negated(requirement: Requirement) -> Requirement:
    """Return the requirement that holds exactly where this one does not."""
    return Requirement(requirement.key, _OPPOSITE[requirement.operator], requirement.values)


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Pods that nothing tells apart, or one pod whose labels are free.

    Attributes:
        tenant: owner of the namespace.
        namespace: the namespace.
        space: labels of the namespace.
        labels: labels of the pods.
        ports: ports the containers declare.
        host_network: whether the pods share the network of their node.
        addresses: addresses the pods may have.
        network: the primary network; empty for that of the cluster.
        example: name of one of the pods; empty for a pod that is only imagined.
        only: the tenant that has brought its namespace into this state; empty when it is as it is.
        steps: how that tenant does so.
        needs: what would decide whether it can.
    """

    tenant: str
    namespace: str
    space: Labels
    labels: Labels
    ports: tuple[ContainerPort, ...] = ()
    host_network: bool = False
    addresses: tuple[AddressSet, ...] = ANY_ADDRESS
    network: str = ""
    example: str = ""
    only: str = ""
    steps: tuple[Step, ...] = ()
    needs: tuple[Missing, ...] = ()

    @property
    def imagined(self) -> bool:
        """Whether it stands for any pod that could be made."""
        return self.labels.free


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """One end of a connection, as far as it is decided.

    Attributes:
        unit: the pods it is one of.
        space: labels of its namespace.
        labels: its labels.
        addresses: addresses it may have.
        declares: names and protocols of ports that an imagined pod must declare.
    """

    unit: Unit
    space: Labels
    labels: Labels
    addresses: tuple[AddressSet, ...]
    declares: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, unit: Unit) -> End:
        """Return an end of which nothing more is decided than its unit says."""
        return cls(unit, unit.space, unit.labels, unit.addresses)

    def meet(self, peer: PodPeer) -> End | None:
        """Return the end such that a peer or subject means it, or None when it cannot."""
        if peer.namespace and peer.namespace != self.unit.namespace:
            return None
        space = self.space.meet(peer.namespaces)
        labels = None if space is None else self.labels.meet(peer.pods)
        if space is None or labels is None:
            return None
        return self if space is self.space and labels is self.labels else replace(self, space=space, labels=labels)

    def miss(self, peer: PodPeer) -> Iterator[End]:
        """Yield the ways in which a peer or subject does not mean it; self alone when it cannot mean it anyhow."""
        if self.meet(peer) is None:
            yield self
            return
        for space in self.space.miss(peer.namespaces):
            yield replace(self, space=space)
        for labels in self.labels.miss(peer.pods):
            yield replace(self, labels=labels)

    def miss_all(self, peers: Sequence[PodPeer], start: int = 0) -> Iterator[End]:
        """Yield the ways in which none of several subjects means it; there may be many, so take them one by one."""
        if start == len(peers):
            yield self
            return
        for end in self.miss(peers[start]):
            yield from end.miss_all(peers, start + 1)

    def inside(self, addresses: AddressSet) -> End | None:
        """Return the end with an address in a set, or None when it has none there."""
        left = tuple(found for item in self.addresses if (found := common(item, addresses)))
        return None if not left else self if left == self.addresses else replace(self, addresses=left)

    def outside(self, addresses: AddressSet) -> End | None:
        """Return the end with an address that is not in a set, or None when it has none."""
        left = tuple(found for item in self.addresses if (found := item - addresses))
        return None if not left else self if left == self.addresses else replace(self, addresses=left)

    def declaring(self, name: str, protocol: str) -> End:
        """Return the end with a port of this name."""
        if (name, protocol) in self.declares:
            return self
        return replace(self, declares=(*self.declares, (name, protocol)))


def common(one: AddressSet, other: AddressSet) -> AddressSet:
    """Return the addresses in both sets; none when they are of different versions."""
    return one - (one - other) if one.version == other.version else AddressSet(one.version, ())
