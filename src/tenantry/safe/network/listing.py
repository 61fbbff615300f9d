"""Lists who may connect to whom: every pair of workloads and every range of outside addresses, on every network.

The order and the way of partitioning outside addresses are those of netpol-analyzer, so that both can be compared: the
ends of all ranges that rules for incoming connections name divide sources, those of rules for outgoing ones targets.

Source: np-guard netpol-analyzer, ``pkg/netpol/connlist``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tenantry.safe.network.addresses import ALL_IPV4, AddressSet, classes, text
from tenantry.safe.network.evaluate import Evaluator, Outside, Pod, SecondaryEvaluator
from tenantry.safe.network.policies import (
    ADMIN_GROUP,
    KINDS,
    MULTI_GROUP,
    NetworkPolicies,
    read_policies,
    undefined_order,
)
from tenantry.safe.network.ports import ConnectionSet
from tenantry.safe.network.rules import (
    AddressPeer,
    Direction,
    DomainPeer,
    NetworkRules,
    NodePeer,
    PodPeer,
    Tier,
    Trouble,
)
from tenantry.safe.network.services import IngressTargets, read_ingress
from tenantry.safe.network.topology import (
    NAD_GROUP,
    POD_NETWORK,
    UDN_GROUP,
    Network,
    NetworkKind,
    Topology,
    read_topology,
)
from tenantry.safe.network.workloads import NAME_LABEL, Workload, Workloads, read_workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.model.manifest import Manifest

INGRESS_CONTROLLER: Final = "ingress-controller"
_INGRESS_NAMESPACE: Final = "ingress-controller-ns"


@dataclass(frozen=True, slots=True)
class Focus:
    """What to list.

    Attributes:
        workloads: names, or ``namespace/name``; at least one end must be one of them. Empty for all.
        peers: names of the other end; only used beside ``workloads``.
        direction: only connections to (``INGRESS``) or from (``EGRESS``) the workloads in focus.
        connection: only ends between which this is allowed.
    """

    workloads: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    direction: Direction | None = None
    connection: ConnectionSet | None = None

    def includes(self, source: tuple[str, str], target: tuple[str, str]) -> bool:
        """Whether a pair is listed; ends are namespace and name, both empty for addresses."""
        if self.direction is Direction.INGRESS and not _named(target, self.workloads):
            return False
        if self.direction is Direction.EGRESS and not _named(source, self.workloads):
            return False
        peers = self.peers if self.workloads else ()
        return (_named(source, self.workloads) and _named(target, peers)) or (
            _named(target, self.workloads) and _named(source, peers)
        )


def _named(end: tuple[str, str], names: Sequence[str]) -> bool:
    return not names or end[1] in names or "/".join(end) in names


@dataclass(frozen=True, slots=True)
class Row:
    """One allowed pair.

    Attributes:
        source: who connects, as listed.
        target: to whom, as listed.
        connections: what is allowed.
        network: on which network.
    """

    source: str
    target: str
    connections: ConnectionSet
    network: Network = POD_NETWORK


@dataclass(slots=True)
class Listing:
    """All that is allowed.

    Attributes:
        rows: by source, target and network.
        networks: per workload, as listed, its primary network and its attachments; empty unless several networks were
            asked for.
        on_pod_network: number of workloads on the pod network.
        problems: why nothing can be said; the rows are empty then.
        notes: what was passed over or means nothing, a sentence each.
    """

    rows: list[Row] = field(default_factory=list)
    networks: dict[str, tuple[Network, tuple[str, ...]]] = field(default_factory=dict)
    on_pod_network: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_connectivity(
    manifests: Iterable[Manifest], focus: Focus | None = None, *, several_networks: bool = False
) -> Listing:
    """List who may connect to whom.

    Args:
        manifests: the objects, whatever they are.
        focus: what to list; None lists everything.
        several_networks: whether user-defined and secondary networks and virtual machines count; otherwise all
            workloads are taken to be on the pod network alone and machines are passed over.
    """
    written = list(manifests)
    chosen = [_regrouped(item) for item in written]
    scene = _Scene.of(chosen, several_networks=several_networks)
    found = Listing(problems=scene.problems, notes=scene.notes)
    found.notes.extend(
        f"{new.key} has API version {old.key.api_version}; it is read as {new.key.api_version}"
        for old, new in zip(written, chosen, strict=True)
        if old is not new
    )
    if found.problems:
        return found
    if several_networks:
        for item in scene.workloads.items:
            names = tuple(sorted(attachment.name for attachment in item.attachments))
            found.networks[str(item)] = (scene.topology.primary_of(item.namespace), names)
    found.on_pod_network = sum(
        scene.topology.primary_of(item.namespace) == POD_NETWORK for item in scene.workloads.items
    )
    focus = focus or Focus()
    ingress = read_ingress(chosen, scene.workloads.items)
    found.notes.extend(ingress.notes)
    missing = _missing(focus, scene.workloads, ingress)
    found.notes.extend(f"there is no workload {name}" for name in missing)
    if any(names and set(names) <= set(missing) for names in (focus.workloads, focus.peers if focus.workloads else ())):
        return found
    rows = [*scene.rows(focus), *scene.ingress_rows(focus, ingress)]
    wanted = focus.connection
    found.rows = sorted(
        (row for row in rows if row.connections and (wanted is None or wanted <= row.connections)),
        key=lambda row: (row.source, row.target, row.network.name),
    )
    return found


_API_OF: Final = {
    "UserDefinedNetwork": f"{UDN_GROUP}/v1",
    "ClusterUserDefinedNetwork": f"{UDN_GROUP}/v1",
    "NetworkAttachmentDefinition": f"{NAD_GROUP}/v1",
    "MultiNetworkPolicy": f"{MULTI_GROUP}/v1beta1",
    "VirtualMachine": "kubevirt.io/v1",
    "AdminNetworkPolicy": f"{ADMIN_GROUP}/v1alpha1",
    "BaselineAdminNetworkPolicy": f"{ADMIN_GROUP}/v1alpha1",
}
"""Kinds whose name says enough: a listing shows what is meant, so they are read whatever group is written."""


def _regrouped(manifest: Manifest) -> Manifest:
    api_version = _API_OF.get(manifest.key.kind)
    if api_version is None or manifest.key.group == api_version.partition("/")[0]:
        return manifest
    return replace(manifest, body={**manifest.body, "apiVersion": api_version})


def _missing(focus: Focus, workloads: Workloads, ingress: IngressTargets) -> list[str]:
    ends = [(item.namespace, item.name) for item in workloads.items]
    names = dict.fromkeys((*focus.workloads, *(focus.peers if focus.workloads else ())))
    present = {INGRESS_CONTROLLER} if ingress.present else set()
    known = {name for end in ends for name in (end[1], "/".join(end))} | present
    return [name for name in names if name not in known]


@dataclass(slots=True)
class _Scene:
    """Everything a listing looks at."""

    workloads: Workloads
    topology: Topology
    evaluator: Evaluator
    multi: list[NetworkRules]
    sources: list[AddressSet]
    targets: list[AddressSet]
    problems: list[str]
    notes: list[str]
    outsides: dict[AddressSet, Outside] = field(default_factory=dict)

    @classmethod
    def of(cls, manifests: list[Manifest], *, several_networks: bool) -> _Scene:
        """Read the objects."""
        workloads = read_workloads(manifests, machines=several_networks)
        topology = read_topology(manifests, workloads) if several_networks else Topology()
        read = read_policies(
            (item for item in manifests if several_networks or item.key.group != MULTI_GROUP), validated=False
        )
        multi = [policy for policy in read.policies if policy.key.group == MULTI_GROUP]
        primary = [policy for policy in read.policies if policy.key.group != MULTI_GROUP]
        problems = [*_fatal(read), *_repeated(manifests, several_networks), *map(str, topology.problems)]
        attached = {item.namespace for item in workloads.items if topology.secondary_of(item)}
        problems.extend(
            f"{policy.key} does not say which networks it is for"
            for policy in multi
            if not policy.networks and policy.subject.namespace in attached
        )
        problems.extend(_told_apart(workloads, read.policies))
        notes = [str(problem) for problem in read.problems if str(problem) not in problems]
        notes.extend(str(problem) for problem in workloads.problems)
        notes.extend([*workloads.notes, *topology.notes, *_without_effect(read.policies)])
        return cls(
            workloads=workloads,
            topology=topology,
            evaluator=Evaluator(primary),
            multi=multi,
            sources=classes(_ranges(primary, Direction.INGRESS)),
            targets=classes(_ranges(primary, Direction.EGRESS)),
            problems=problems,
            notes=notes,
        )

    def rows(self, focus: Focus) -> Iterator[Row]:
        """Yield what is allowed between workloads, and between them and the outside."""
        on_secondary = {
            str(item): {
                name: replace(item.pod, addresses=attachment.addresses)
                for name, attachment in self.topology.secondary_of(item).items()
            }
            for item in self.workloads.items
        }
        secondary = {
            name: SecondaryEvaluator(self.topology.applying(self.multi, name)) for name in self.topology.attachable
        }
        for source in self.workloads.items:
            yield from self._outside(source, focus)
            for target in self.workloads.items:
                if source is target or not focus.includes(_end(source), _end(target)):
                    continue
                network = self.topology.primary_of(source.namespace)
                if network == self.topology.primary_of(target.namespace):
                    allowed = self.evaluator.allowed(source.pod, target.pod)
                    yield Row(_shown(source, network), _shown(target, network), allowed, network)
                ours, theirs = on_secondary[str(source)], on_secondary[str(target)]
                for name in ours.keys() & theirs.keys():
                    allowed = secondary[name].allowed(ours[name], theirs[name])
                    yield Row(str(source), str(target), allowed, Network(NetworkKind.NAD, name))

    def _outside(self, workload: Workload, focus: Focus) -> Iterator[Row]:
        network = self.topology.primary_of(workload.namespace)
        shown = _shown(workload, network)
        if focus.includes(_OUTSIDE, _end(workload)):
            for addresses, outside in self._outsides(self.sources):
                allowed = self.evaluator.allowed(outside, workload.pod)
                for interval in addresses.intervals if allowed else ():
                    yield Row(f"{text(interval)}[External]", shown, allowed, network)
        if focus.includes(_end(workload), _OUTSIDE):
            for addresses, outside in self._outsides(self.targets):
                allowed = self.evaluator.allowed(workload.pod, outside)
                for interval in addresses.intervals if allowed else ():
                    yield Row(shown, f"{text(interval)}[External]", allowed, network)

    def _outsides(self, sets: list[AddressSet]) -> Iterator[tuple[AddressSet, Outside]]:
        for addresses in sets:
            yield addresses, self.outsides.setdefault(addresses, Outside(addresses))

    def ingress_rows(self, focus: Focus, ingress: IngressTargets) -> Iterator[Row]:
        """Yield what ingress controllers may reach, as far as network policies of the workloads let them."""
        labels = self.workloads.namespaces.get(_INGRESS_NAMESPACE, {NAME_LABEL: _INGRESS_NAMESPACE})
        controller = Pod(_INGRESS_NAMESPACE, INGRESS_CONTROLLER, labels, {})
        for workload in self.workloads.items if ingress.present else ():
            wanted = ingress.connections.get(str(workload))
            if wanted is None or not focus.includes((_INGRESS_NAMESPACE, INGRESS_CONTROLLER), _end(workload)):
                continue
            network = self.topology.primary_of(workload.namespace)
            allowed = wanted & self.evaluator.allowed(controller, workload.pod)
            if not allowed:
                through = ", ".join(dict.fromkeys(ingress.through[str(workload)]))
                self.notes.append(f"{through} cannot reach {workload}: no port is declared there or none is allowed")
            yield Row(f"{{{INGRESS_CONTROLLER}}}", _shown(workload, network), allowed, network)


_OUTSIDE: Final = ("", "")


def _end(workload: Workload) -> tuple[str, str]:
    return (workload.namespace, workload.name)


def _shown(workload: Workload, network: Network) -> str:
    if network.kind is NetworkKind.UDN:
        return f"{workload.namespace}[udn]/{workload.name}[{workload.kind}]"
    return str(workload)


def _ranges(policies: list[NetworkRules], direction: Direction) -> Iterator[AddressSet]:
    for policy in policies:
        for rule in policy.rules(direction):
            for peer in rule.peers or ():
                if isinstance(peer, AddressPeer):
                    yield peer.addresses


def _fatal(read: NetworkPolicies) -> Iterator[str]:
    yield from (str(problem) for problem in read.problems if problem.trouble is Trouble.UNREADABLE)
    for first, *others in undefined_order(read.policies):
        for other in (item for item in others if item.key != first.key):
            yield f"{other.key} has priority {other.priority} as {first.key} has, so their order is undefined"


def _repeated(manifests: list[Manifest], several_networks: bool) -> Iterator[str]:
    """Name objects that are there twice; two of one identity cannot be in a cluster."""
    seen = set()
    for manifest in manifests:
        key = manifest.key
        kind = (key.group, key.kind)
        if kind not in KINDS and kind != ("", "Namespace"):
            continue
        if key.group == MULTI_GROUP and not several_networks:
            continue
        namespaced = key.kind in {"NetworkPolicy", "MultiNetworkPolicy"}
        identity = (*kind, (key.namespace or "default") if namespaced else "", key.name)
        if identity in seen:
            yield f"{key} is there twice; the second is in {manifest.location}"
        seen.add(identity)


def _told_apart(workloads: Workloads, policies: tuple[NetworkRules, ...]) -> Iterator[str]:
    """Name workloads whose pods differ in labels that a network policy looks at, so that they are not one workload."""
    doubtful = [item for item in workloads.items if item.others]
    if not doubtful:
        return
    selectors = [(policy, peer) for policy in policies for peer in _pod_peers(policy)]
    for workload in doubtful:
        first = workload.pod
        for policy, peer in selectors:
            for other in workload.others:
                ends = [peer.matches(pod.namespace, pod.namespace_labels, pod.labels) for pod in (first, other)]
                if ends[0] != ends[1]:
                    place = "/".join(map(str, peer.pointer))
                    yield f"{policy.key}: {place} tells pods {first.name} and {other.name} of {workload} apart"
                    break


def _pod_peers(policy: NetworkRules) -> Iterator[PodPeer]:
    yield policy.subject
    for direction in Direction:
        if policy.tier is Tier.NAMESPACE and direction not in policy.directions:
            continue
        for rule in policy.rules(direction):
            yield from (peer for peer in rule.peers or () if isinstance(peer, PodPeer))


def _without_effect(policies: tuple[NetworkRules, ...]) -> Iterator[str]:
    for policy in policies:
        for rule in (*policy.ingress, *policy.egress):
            for peer in rule.peers or ():
                what = ""
                if isinstance(peer, NodePeer):
                    what = "nodes are not listed"
                elif isinstance(peer, DomainPeer):
                    what = "domain names are not listed"
                elif isinstance(peer, AddressPeer) and peer.addresses.version != ALL_IPV4.version:
                    what = "IPv6 addresses are not listed"
                if what:
                    yield f"{policy.key}: {'/'.join(map(str, peer.pointer))}: {what}, so this peer has no effect here"
