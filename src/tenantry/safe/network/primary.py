"""Primary networks of namespaces, and what joins them.

Source: OVN-Kubernetes, ``docs/features/user-defined-networks`` and ``docs/features/connecting-user-defined-networks``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.network.topology import UDN_GROUP, NetworkKind, read_topology
from tenantry.safe.network.workloads import NAME_LABEL, Workloads
from tenantry.safe.reading import at, items, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Manifest
    from tenantry.model.snapshot import Snapshot

CONNECT = "ClusterNetworkConnect"


class PrimaryNetworks:
    """Which primary network each namespace is on; the empty name is the network of the cluster."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Read networks and connections between them."""
        declared = {item.key.name: labels_of(item.body) for item in snapshot.of("", "Namespace")}
        labels = {name: {**declared.get(name, {}), NAME_LABEL: name} for name in snapshot.namespaces}
        networks = [*snapshot.of(UDN_GROUP, "UserDefinedNetwork", "ClusterUserDefinedNetwork")]
        self.topology = read_topology(networks, Workloads(namespaces=labels, declared=frozenset(labels)))
        self._labels = labels
        self._objects: dict[str, Manifest] = {}
        for item in networks:
            owner = str(item.key)
            for namespace, by in self.topology.owners.items():
                if by == owner:
                    self._objects[self.of(namespace)] = item
        self._connections = [(item, self._connected(item)) for item in snapshot.of(UDN_GROUP, CONNECT)]

    @property
    def any(self) -> bool:
        """Whether any namespace has a network of its own."""
        return bool(self.topology.primary)

    @property
    def contradictory(self) -> bool:
        """Whether the objects contradict each other, so that nothing separates for certain."""
        return bool(self.topology.problems)

    def of(self, namespace: str) -> str:
        """Return the name of the primary network of a namespace."""
        found = self.topology.primary.get(namespace)
        return str(found) if found else ""

    def joining(self, names: Iterable[str], name: str) -> Manifest | None:
        """Return the object that puts some of several networks and another one together; None when nothing does."""
        wanted = set(names)
        if name in wanted:
            return self._objects.get(name)
        for item, connected in self._connections:
            if name in connected and wanted & connected:
                return item
        return None

    def together(self, one: str, other: str) -> bool:
        """Whether pods on two networks reach each other as far as these networks are concerned."""
        return one == other or any({one, other} <= connected for _, connected in self._connections)

    def _connected(self, connect: Manifest) -> set[str]:
        found: set[str] = set()
        for entry in items(connect.body, "spec", "networkSelectors"):
            wide = _selector(at(entry, "clusterUserDefinedNetworkSelector", "networkSelector"))
            own = _selector(at(entry, "primaryUserDefinedNetworkSelector", "namespaceSelector"))
            for namespace, network in self.topology.primary.items():
                if network.kind is NetworkKind.CUDN:
                    item = self._objects.get(str(network))
                    chosen = wide is not None and (item is None or wide.matches(labels_of(item.body)))
                else:
                    chosen = own is not None and own.matches(self._labels[namespace])
                if chosen:
                    found.add(str(network))
        return found


def _selector(body: Any) -> Selector | None:
    """Read a selector; one that cannot be read is taken to match everything, as that joins the most."""
    if body is None:
        return None
    try:
        return parse_selector(body)
    except (ValueError, TypeError, AttributeError):
        return Selector()
