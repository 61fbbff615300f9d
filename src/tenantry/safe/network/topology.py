"""Which networks there are and which workloads are on them.

Every workload has one primary network: the pod network, or the primary UserDefinedNetwork or ClusterUserDefinedNetwork
of its namespace. Pods on different primary networks cannot talk there, whatever network policies say. Secondary
networks come from NetworkAttachmentDefinitions.

Source: OVN-Kubernetes, ``docs/features/user-defined-networks`` and ``go-controller/pkg/crd/userdefinednetwork/v1``;
Kubernetes Network Plumbing Working Group, multi-net-spec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from tenantry.safe.network.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Manifest
    from tenantry.safe.network.rules import NetworkRules, RuleProblem
    from tenantry.safe.network.workloads import Attachment, Workload, Workloads

UDN_LABEL: Final = "k8s.ovn.org/primary-user-defined-network"
"""Label a namespace must be created with to have a primary network of its own."""

UDN_GROUP: Final = "k8s.ovn.org"
NAD_GROUP: Final = "k8s.cni.cncf.io"


class NetworkKind(StrEnum):
    """What makes a network."""

    POD = "pod-network"
    UDN = "UDN"
    CUDN = "CUDN"
    NAD = "NAD"


@dataclass(frozen=True, slots=True, order=True)
class Network:
    """A network.

    Attributes:
        kind: what makes it.
        name: the namespace of a UserDefinedNetwork, else the name of the object.
    """

    kind: NetworkKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is NetworkKind.POD else f"{self.name}[{self.kind.value}]"


POD_NETWORK: Final = Network(NetworkKind.POD, "pod-network")


@dataclass(slots=True)
class Topology:
    """Networks of a cluster.

    Attributes:
        primary: primary network by namespace; those missing are on the pod network.
        owners: name of the object behind each entry of ``primary``, for messages.
        attachable: namespaces in which a NetworkAttachmentDefinition of a name exists, by that name.
        problems: contradictions, after which nothing can be said.
        notes: what was passed over, a sentence each.
    """

    primary: dict[str, Network] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    attachable: dict[str, frozenset[str]] = field(default_factory=dict)
    problems: list[RuleProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def primary_of(self, namespace: str) -> Network:
        """Return the primary network of the pods of a namespace."""
        return self.primary.get(namespace, POD_NETWORK)

    def secondary_of(self, workload: Workload) -> dict[str, Attachment]:
        """Return the attachments of a workload to networks that exist, by name of the network.

        The same name in two namespaces means one network; a definition must exist in the namespace the attachment
        names, which is the pod's own unless said otherwise.
        """
        return {item.name: item for item in workload.attachments if self.exists(item.name, item.namespace)}

    def exists(self, name: str, namespace: str) -> bool:
        """Whether a NetworkAttachmentDefinition exists in a namespace."""
        return namespace in self.attachable.get(name, frozenset())

    def applying(self, policies: Iterable[NetworkRules], network: str) -> list[NetworkRules]:
        """Return the MultiNetworkPolicies that are for a secondary network."""
        return [
            policy
            for policy in policies
            if any(
                name == network and self.exists(name, namespace)
                for namespace, _, name in (item.partition("/") for item in policy.networks)
            )
        ]


def read_topology(manifests: Iterable[Manifest], workloads: Workloads) -> Topology:
    """Read user-defined networks and network attachment definitions; other objects are passed over.

    Args:
        manifests: the objects, whatever they are.
        workloads: namespaces with their labels.
    """
    found = Topology()
    attachable: dict[str, set[str]] = {}
    ordered = sorted(manifests, key=lambda item: (_ORDER.get(item.key.kind, 0), item.key))
    for manifest in ordered:
        key = manifest.key
        fields = Fields(key)
        if (key.group, key.kind) == (UDN_GROUP, "UserDefinedNetwork"):
            _namespaced(fields, manifest.body, workloads, found)
        elif (key.group, key.kind) == (UDN_GROUP, "ClusterUserDefinedNetwork"):
            _cluster_wide(fields, manifest.body, workloads, found)
        elif (key.group, key.kind) == (NAD_GROUP, "NetworkAttachmentDefinition"):
            attachable.setdefault(key.name, set()).add(key.namespace or "default")
        found.problems.extend(fields.problems)
    found.attachable = {name: frozenset(places) for name, places in sorted(attachable.items())}
    return found


_ORDER: Final = {"UserDefinedNetwork": 1, "ClusterUserDefinedNetwork": 2}


def _namespaced(fields: Fields, body: dict[str, Any], workloads: Workloads, found: Topology) -> None:
    key = fields.key
    namespace = key.namespace or "default"
    if key.name == "default":
        fields.problem(("metadata", "name"), "a user-defined network cannot be named default")
        return
    if not _primary(fields, fields.map_at(body, ("spec",)), ("spec",), found):
        return
    if namespace not in workloads.declared:
        found.notes.append(f"{key} is passed over: namespace {namespace} is not among the manifests")
    elif UDN_LABEL not in workloads.namespaces[namespace]:
        found.notes.append(f"{key} is passed over: namespace {namespace} has no label {UDN_LABEL}")
    else:
        _assign(fields, found, namespace, Network(NetworkKind.UDN, namespace))


def _cluster_wide(fields: Fields, body: dict[str, Any], workloads: Workloads, found: Topology) -> None:
    key = fields.key
    spec = fields.map_at(body, ("spec",))
    if not _primary(fields, fields.map_at(spec, ("network",), ("spec",)), ("spec", "network"), found):
        return
    at = ("spec", "namespaceSelector")
    selector = fields.selector(spec.get("namespaceSelector"), at, absent_is_everything=True)
    if fields.problems:
        return
    if selector.everything and found.primary:
        fields.problem(at, "it selects every namespace, but some have a primary network already")
        return
    # Namespaces that only hold workloads are taken for declared ones without labels.
    chosen = [name for name in sorted(workloads.declared) if selector.matches(workloads.namespaces[name])]
    for namespace in chosen:
        if UDN_LABEL in workloads.namespaces[namespace]:
            _assign(fields, found, namespace, Network(NetworkKind.CUDN, key.name))
        elif namespace in found.primary:
            _taken(fields, found, namespace)
        else:
            found.notes.append(f"{key} passes over namespace {namespace}: it has no label {UDN_LABEL}")
    if not any(UDN_LABEL in workloads.namespaces[namespace] for namespace in chosen):
        found.notes.append(f"{key} selects no namespace that has the label {UDN_LABEL}")


def _assign(fields: Fields, found: Topology, namespace: str, network: Network) -> None:
    if namespace in found.primary:
        _taken(fields, found, namespace)
    elif namespace == "default" or namespace.startswith("openshift-"):
        fields.problem(("metadata", "namespace"), f"namespace {namespace} cannot have a primary network of its own")
    else:
        found.primary[namespace] = network
        found.owners[namespace] = str(fields.key)


def _taken(fields: Fields, found: Topology, namespace: str) -> None:
    message = f"namespace {namespace} has the primary network of {found.owners[namespace]} already"
    fields.problem(("metadata", "name"), message)


def _primary(fields: Fields, spec: dict[str, Any], at: tuple[str, ...], found: Topology) -> bool:
    """Whether a network is primary; problems are noted when it is not a valid network at all."""
    topology = spec.get("topology")
    if topology == "Localnet" and "network" in at:
        found.notes.append(f"{fields.key} is a secondary network and is passed over")
        return False
    if not isinstance(topology, str) or topology not in {"Layer2", "Layer3"}:
        fields.problem((*at, "topology"), f"expected Layer2 or Layer3, found {topology!r}")
        return False
    name, other = str(topology).lower(), "layer3" if topology == "Layer2" else "layer2"
    if spec.get(other) is not None:
        fields.problem((*at, other), f"has no place beside topology {topology}")
        return False
    role = fields.map_at(spec, (name,), at).get("role")
    if role == "Secondary":
        found.notes.append(f"{fields.key} is a secondary network and is passed over")
    elif role != "Primary" and spec.get(name) is not None:
        fields.problem((*at, name, "role"), f"expected Primary or Secondary, found {role!r}")
    return role == "Primary"
