"""Classes of pods that no network policy tells apart, and sets of them as bits of integers.

A selector is evaluated once for all classes: an index holds for each label the set of classes that carry it. For a pod
whose labels are free two sets are kept apart: the classes a selector may match and those it matches in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from tenantry.model.selector import Requirement, Selector, satisfy
from tenantry.safe.network.addresses import AddressSet
from tenantry.safe.network.evaluate import ContainerPort
from tenantry.safe.network.ports import PROTOCOLS
from tenantry.safe.network.rules import AddressPeer, NetworkRules, PodPeer, PortName
from tenantry.safe.network.symbolic import ANY_ADDRESS, Labels, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.model.manifest import Body
    from tenantry.safe.view import PodTemplate

NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Told:
    """What network policies tell pods apart by.

    Attributes:
        keys: keys of labels of pods that any selector looks at.
        named: names of ports that any rule uses.
        blocks: sets of addresses that any rule uses.
        spaces: keys of labels of namespaces that any selector looks at, each with the values it names, sorted.
    """

    keys: frozenset[str]
    named: frozenset[str]
    blocks: tuple[AddressSet, ...]
    spaces: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, policies: Iterable[NetworkRules], further: Iterable[str] = ()) -> Told:
        """Gather it from all network policies; ``further`` are keys something else looks at."""
        pods: list[Selector] = []
        names: set[str] = set()
        blocks: set[AddressSet] = set()
        spaces: dict[str, set[str]] = {}

        def look(selector: Selector) -> None:
            for requirement in selector.requirements:
                spaces.setdefault(requirement.key, set()).update(requirement.values)

        for policy in policies:
            pods.append(policy.subject.pods)
            look(policy.subject.namespaces)
            for rule in (*policy.ingress, *policy.egress):
                names.update(port.name for port in rule.ports or () if isinstance(port, PortName))
                for peer in rule.peers or ():
                    if isinstance(peer, PodPeer):
                        pods.append(peer.pods)
                        look(peer.namespaces)
                    elif isinstance(peer, AddressPeer):
                        blocks.add(peer.addresses)
        looked = tuple((key, tuple(sorted(values))) for key, values in sorted(spaces.items()))
        ranges = tuple(sorted(blocks, key=lambda item: (item.version, item.intervals)))
        keys = {key for selector in dict.fromkeys(pods) for key in selector.keys}
        return cls(frozenset({*further, *keys}), frozenset(names), ranges, looked)


def classify(
    tenant: str, templates: Iterable[PodTemplate], spaces: Mapping[str, Labels], told: Told, networks: Mapping[str, str]
) -> list[Unit]:
    """Return the classes of a tenant's pods, ordered by namespace and by the pod that stands for each.

    Args:
        tenant: name of the tenant.
        templates: its pods and what pods are made from.
        spaces: labels of its namespaces.
        told: what tells pods apart.
        networks: primary network per namespace.
    """
    found: dict[object, Unit] = {}
    for template in templates:
        metadata = template.body.get("metadata") or {}
        namespace = metadata.get("namespace") or "default"
        if namespace not in spaces:
            continue
        labels = labels_of(metadata, told.keys)
        spec = template.body.get("spec") or {}
        ports = tuple(port for port in container_ports(spec) if port.name in told.named) if told.named else ()
        host = spec.get("hostNetwork") is True
        addresses = _addresses(template.owner.body) if told.blocks else ()
        inside = tuple(any(_within(item, block) for item in addresses) for block in told.blocks) if addresses else ()
        key = (namespace, tuple(sorted(labels.items())), ports, host, inside)
        if key in found:
            continue
        found[key] = Unit(
            tenant=tenant,
            namespace=namespace,
            space=spaces[namespace],
            labels=Labels(labels),
            ports=ports,
            host_network=host,
            addresses=addresses or ANY_ADDRESS,
            network=networks.get(namespace, ""),
            example=str(template.owner.key.name),
        )
    return sorted(found.values(), key=lambda unit: (unit.namespace, unit.example))


def labels_of(metadata: Mapping[str, Any], keys: frozenset[str] | None = None) -> dict[str, str]:
    """Return the labels of an object, of some keys only when given; what is no text is left out."""
    labels = metadata.get("labels")
    if not isinstance(labels, dict):
        return {}
    if keys is None:
        return {key: value for key, value in labels.items() if isinstance(value, str)}
    return {key: labels[key] for key in keys if isinstance(labels.get(key), str)}


def container_ports(spec: Mapping[str, Any]) -> tuple[ContainerPort, ...]:
    """Return the ports the containers of a pod declare, sorted; of init containers those that keep running."""
    containers = [item for item in spec.get("containers") or () if isinstance(item, dict)]
    for item in spec.get("initContainers") or ():
        if isinstance(item, dict) and item.get("restartPolicy") == "Always":
            containers.append(item)
    found = set()
    for container in containers:
        for port in container.get("ports") or ():
            if not isinstance(port, dict) or not isinstance(port.get("containerPort"), int):
                continue
            protocol, name = port.get("protocol") or "TCP", port.get("name")
            if protocol in PROTOCOLS and 0 < port["containerPort"] < 2**16:  # ports have 16 bits
                found.add(ContainerPort(port["containerPort"], protocol, name if isinstance(name, str) else ""))
    return tuple(sorted(found))


def _addresses(body: Body) -> tuple[AddressSet, ...]:
    status = body.get("status") if body.get("kind") == "Pod" else None
    if not isinstance(status, dict):
        return ()
    entries = status.get("podIPs")
    texts = [item.get("ip") for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []
    found = []
    for text in texts or [status.get("podIP")]:
        try:
            address = ip_address(text) if isinstance(text, str) else None
        except ValueError:
            address = None
        if address is not None:
            found.append(AddressSet(address.version, ((int(address), int(address)),)))
    return tuple(sorted(set(found), key=lambda item: (item.version, item.intervals)))


def _within(point: AddressSet, block: AddressSet) -> bool:
    return point <= block


@dataclass(frozen=True, slots=True)
class Matched:
    """The classes a selector or peer may match, and those it matches whatever labels are chosen."""

    may: int
    must: int


class Index:
    """Sets of classes as bits: bit ``i`` stands for the unit at place ``i``."""

    def __init__(self, units: Sequence[Unit]) -> None:
        """Index units; those of one namespace must stand together."""
        self.units = tuple(units)
        self.everything = (1 << len(self.units)) - 1
        self._peers: dict[tuple[str, Selector, Selector], Matched] = {}
        self._spaces: dict[Selector, Matched] = {}
        self._pods: dict[Selector, Matched] = {}

    def where(self, chosen: Callable[[Unit], bool]) -> int:
        """Return the set of units for which something holds."""
        return mask_of(place for place, unit in enumerate(self.units) if chosen(unit))

    @cached_property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """First place and number of units per namespace."""
        found: dict[str, tuple[int, int]] = {}
        for place, unit in enumerate(self.units):
            first, count = found.get(unit.namespace, (place, 0))
            if first + count != place:
                raise ValueError(f"units of namespace {unit.namespace} do not stand together")
            found[unit.namespace] = (first, count + 1)
        return found

    @cached_property
    def tenants(self) -> dict[str, int]:
        """Set of units per tenant."""
        places: dict[str, list[int]] = {}
        for place, unit in enumerate(self.units):
            places.setdefault(unit.tenant, []).append(place)
        return {tenant: mask_of(found) for tenant, found in places.items()}

    @cached_property
    def selectable(self) -> int:
        """Units that peers and subjects can mean: pods on the host network are never meant."""
        return self.where(lambda unit: not unit.host_network)

    def namespace(self, name: str) -> int:
        """Return the units of a namespace."""
        first, count = self.ranges.get(name, (0, 0))
        return ((1 << count) - 1) << first

    def peer(self, peer: PodPeer) -> Matched:
        """Return the units a peer or subject means."""
        key = (peer.namespace, peer.namespaces, peer.pods)
        found = self._peers.get(key)
        if found is None:
            space = self.spaces(peer.namespaces)
            may, must = space.may & self.selectable, space.must & self.selectable
            if peer.namespace:
                own = self.namespace(peer.namespace)
                may, must = may & own, must & own
            if may and not peer.pods.everything:
                pods = self.pods(peer.pods)
                may, must = may & pods.may, must & pods.must
            found = self._peers[key] = Matched(may, must)
        return found

    def spaces(self, selector: Selector) -> Matched:
        """Return the units whose namespace a selector matches."""
        found = self._spaces.get(selector)
        if found is None:
            may = must = 0
            if selector.everything:
                may = must = self.everything
            else:
                may = must = self._fixed_spaces.holding(selector)
                for labels, units in self._free_spaces:
                    met = labels.meet(selector)
                    if met is not None:
                        may |= units
                        must |= units if met is labels else 0
            found = self._spaces[selector] = Matched(may, must)
        return found

    @cached_property
    def _fixed_spaces(self) -> _Labelled:
        """Units in namespaces whose labels are given, by these labels."""
        return _Labelled((place, unit.space.fixed) for place, unit in enumerate(self.units) if not unit.space.free)

    @cached_property
    def _free_spaces(self) -> list[tuple[Labels, int]]:
        """Labels of namespaces that may be chosen, with the units in them; a namespace may be there with several."""
        found: dict[int, tuple[Labels, list[int]]] = {}
        for place, unit in enumerate(self.units):
            if unit.space.free:
                found.setdefault(id(unit.space), (unit.space, []))[1].append(place)
        return [(labels, mask_of(places)) for labels, places in found.values()]

    def pods(self, selector: Selector) -> Matched:
        """Return the units whose labels a selector matches."""
        found = self._pods.get(selector)
        if found is None:
            may = closed = self._labelled.holding(selector)
            if self._free and satisfy([selector]) is not None:
                may |= self._free
            must = closed | (self._free if selector.everything else 0)
            found = self._pods[selector] = Matched(may, must)
        return found

    @cached_property
    def _free(self) -> int:
        return self.where(lambda unit: unit.labels.free)

    @cached_property
    def _labelled(self) -> _Labelled:
        """Units whose labels are given, by these labels."""
        return _Labelled((place, unit.labels.fixed) for place, unit in enumerate(self.units) if not unit.labels.free)


class _Labelled:
    """Places by labels: which of them a selector matches."""

    def __init__(self, labels: Iterable[tuple[int, Mapping[str, str]]]) -> None:
        places: dict[str, dict[str, list[int]]] = {}
        all_places: list[int] = []
        for place, entries in labels:
            all_places.append(place)
            for key, value in entries.items():
                places.setdefault(key, {}).setdefault(value, []).append(place)
        self._everything = mask_of(all_places)
        self._by_value = {key: {value: mask_of(at) for value, at in values.items()} for key, values in places.items()}
        self._present = {key: _join(values.values()) for key, values in self._by_value.items()}

    def holding(self, selector: Selector) -> int:
        """Return the places whose labels a selector matches."""
        found = self._everything
        for requirement in selector.requirements:
            found &= self._holding(requirement)
        return found

    def _holding(self, requirement: Requirement) -> int:
        if requirement.operator in {"Exists", "DoesNotExist"}:
            found = self._present.get(requirement.key, 0)
            return found if requirement.operator == "Exists" else self._everything & ~found
        values = self._by_value.get(requirement.key, {})
        found = _join(values.get(value, 0) for value in requirement.values)
        return found if requirement.operator == "In" else self._everything & ~found


def imagined(unit: Unit, ranges: tuple[AddressSet, ...]) -> Unit:
    """Return any pod that could be made where a unit is."""
    return replace(
        unit,
        labels=Labels({}, free=True),
        ports=(),
        host_network=False,
        addresses=ranges or ANY_ADDRESS,
        example="",
    )


def mask_of(places: Iterable[int]) -> int:
    """Return the set of some places as one integer."""
    found = bytearray()
    for place in places:
        byte, bit = divmod(place, 8)
        if byte >= len(found):
            found.extend(bytes(byte + 1 - len(found)))
        found[byte] |= 1 << bit
    return int.from_bytes(found, "little")


def places_of(mask: int) -> Iterator[int]:
    """Yield the places in a set, ascending."""
    digits = bin(mask)[:1:-1]  # the lowest bit first, without the prefix
    place = digits.find("1")
    while place >= 0:
        yield place
        place = digits.find("1", place + 1)


def _join(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
