"""N1 to N3 and N7: whether a tenant reaches another over the pod network, the nodes' network or user-defined networks.

Sources: Kubernetes ``networking.k8s.io/v1``; network-policy-api; OVN-Kubernetes ``addAllowACLFromNode`` and
``docs/features/user-defined-networks``; OpenShift documentation of network policies (policy groups).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.channels.channel import Channel
from tenantry.safe.channels.network_services import SERVICE_CHANNELS
from tenantry.safe.devices.probes import Prober
from tenantry.safe.network.ground import OVN
from tenantry.safe.network.reach import PodNetwork, Way
from tenantry.safe.network.rules import Action, Direction, PodPeer, Rule
from tenantry.safe.network.walk import Opening
from tenantry.safe.reading import at, items, labels_of, strings, text
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.network.symbolic import Unit
    from tenantry.safe.network.walk import Via
    from tenantry.safe.view import View

N1 = Ruling("N1", "pods of one tenant connect to pods of another", Effect.WRITE, Impact.S1)
N2 = Ruling("N2", "pods on the host network, which network policies do not hold", Effect.WRITE, Impact.S1)
N3 = Ruling("N3", "namespaces that pass for the router or the host network", Effect.WRITE, Impact.S1)
N7 = Ruling("N7", "holes between user-defined networks", Effect.WRITE, Impact.S1)

IDENTITIES: Final = (
    ("policy-group.network.openshift.io/ingress", ""),
    ("policy-group.network.openshift.io/host-network", ""),
    ("network.openshift.io/policy-group", "ingress"),
    ("network.openshift.io/policy-group", "monitoring"),
)
"""Labels by which network policies know the router, the host network and monitoring."""

OPEN_PORTS: Final = "k8s.ovn.org/open-default-ports"
UDN_GROUP: Final = "k8s.ovn.org"


# --- N1 --------------------------------------------------------------------------------------------------------------


def pod_network(view: View) -> Iterable[Claim]:
    """Decide N1: no pod a tenant may run connects to a pod of another tenant, exceptions of the contract aside.

    The labels of the attacker's pods are its own choice; network policies it may write, and denials that rest on labels
    of pods, count for nothing.
    """
    network = view.pod_network
    inert = PodNetwork(view, inert=True) if network.ground.inert else None
    ways: dict[str, dict[str, Way]] = {}
    for (source, target), way in (inert or network).ways_from(_names(view)).items():
        ways.setdefault(source, {})[target] = way
    for tenant in view.sources:
        found = {
            target: _reached(inert or network, (tenant.name, target), way)
            for target, way in ways.get(tenant.name, {}).items()
        }
        doubts = _doubts(view, network, tenant)
        doubtful = Outcome.open(*doubts)
        for other in view.tenants if doubts else ():
            if other.name != tenant.name and other.name not in found:
                found[other.name] = doubtful
        if doubts and len({id(item) for item in found.values()}) == 0:
            found = {}
        yield from _together(N1, view, tenant, found, _proof(view, network, tenant))


def _names(view: View) -> tuple[str, ...]:
    return tuple(tenant.name for tenant in view.sources)


def _together(
    ruling: Ruling, view: View, tenant: TenantIdentity, found: dict[str, Outcome], reason: str
) -> Iterator[Claim]:
    """Yield one claim where all targets are alike, else one for each."""
    outcomes = list(found.values())
    first = outcomes[0] if outcomes else None
    alike = len(outcomes) == len(view.tenants) - 1 and all(item is first or item == first for item in outcomes)
    if first is not None and alike and first.witness is None:
        yield first.claim(ruling, tenant.name)
    else:
        yield from pairwise(ruling, view, tenant.name, found, reason)


def _doubts(view: View, network: PodNetwork, tenant: TenantIdentity) -> tuple[Missing, ...]:
    """Return what is missing before a pair without a way is proved."""
    if network.ground.inert:
        return ()
    rights = () if view.strength is Strength.DEPLOYED else view.unknown_roles(tenant.name)
    return tuple(dict.fromkeys((*network.ground.unproved, *rights)))


def _proof(view: View, network: PodNetwork, tenant: TenantIdentity) -> str:
    targets = len(network.targets.units) - network.targets.tenants.get(tenant.name, 0).bit_count()
    sources = network.sources.tenants.get(tenant.name, 0).bit_count()
    if not sources:
        return "it has no pod on the pod network"
    permitted = sorted(item.name for item in view.declared.permissions if item.source == tenant.name)
    beside = f", exceptions of the contract aside ({', '.join(permitted)})" if permitted else ""
    if view.strength is Strength.DEPLOYED:
        return f"network policies let nothing pass from its pods to those of other tenants{beside}"
    return (
        f"whatever labels its pods have in {sources} namespaces, network policies it cannot change let nothing pass to "
        f"{targets} classes of pods of other tenants{beside}"
    )


def _reached(network: PodNetwork, pair: tuple[str, str], way: Way) -> Outcome:
    if not way.sure or way.connection is None or way.passage is None:
        return Outcome.open(*way.missing)
    connection, passage = way.connection, way.passage
    source, target = passage.source.unit, passage.target.unit
    steps: list[Step] = []
    if source.imagined:
        steps.append(Step(f"{pair[0]} runs a pod in {source.namespace} with labels of its choice"))
    for unit in (source, target):
        steps.extend(unit.steps)
    if network.ground.inert:
        steps.append(Step("network policies are not enforced", missing=network.ground.inert))
    else:
        steps.extend(_allowed(passage.egress, source, Direction.EGRESS))
        steps.extend(_allowed(passage.ingress, target, Direction.INGRESS))
    here, there = connection.source, connection.target
    summary = (
        f"a pod of {here.namespace}{_braced(here.labels)} connects to {_named(target)}{_braced(there.labels)} "
        f"by {connection.protocol} {connection.port}"
    )
    details: tuple[tuple[str, Any], ...] = (
        ("source", {"namespace": here.namespace, "pod": source.example, "labels": dict(sorted(here.labels.items()))}),
        ("target", {"namespace": there.namespace, "pod": target.example, "labels": dict(sorted(there.labels.items()))}),
        ("protocol", connection.protocol),
        ("port", connection.port),
    )
    fix = _advice(network, passage.ingress, target)
    return Outcome.broken(Witness(tuple(steps), summary, details, _assumed(network)), fix)


def _advice(network: PodNetwork, via: Via, unit: Unit) -> str:
    """Say in words what closes a way."""
    if network.ground.inert:
        return "use a network plugin that enforces network policies"
    if unit.host_network:
        return f"take {_named(unit)} off the host network"
    if isinstance(via, Opening):
        return "refuse it by an AdminNetworkPolicy of the platform, or take the right to write network policies away"
    if isinstance(via, Rule):
        place = "/".join(map(str, via.pointer))
        return f"remove {place} of {via.policy}, or narrow it to namespaces of the tenant itself"
    return f"add a NetworkPolicy to {unit.namespace} that selects every pod and lets nothing in"


def _named(unit: Unit) -> str:
    return f"pod {unit.namespace}/{unit.example}" if unit.example else f"a pod of {unit.namespace}"


def _braced(labels: dict[str, str]) -> str:
    return f" {{{', '.join(f'{key}={value}' for key, value in sorted(labels.items()))}}}" if labels else ""


def _assumed(network: PodNetwork) -> tuple[str, ...]:
    plugin = network.ground.plugin
    return (f"cni = {plugin}",) if plugin else ()


def _allowed(via: Via, unit: Unit, direction: Direction) -> Iterator[Step]:
    word = direction.value.lower()
    if isinstance(via, Rule):
        yield Step(f"{word} is allowed", via.policy, via.pointer)
    elif isinstance(via, Opening):
        yield from via.steps
        yield Step(
            f"{word} is allowed", missing=f"nothing keeps it from opening the network policies of {unit.namespace}"
        )
    elif unit.host_network:
        yield Step(f"{word} is allowed", missing="network policies do not act on pods of the host network")
    else:
        missing = f"no network policy refuses {word} of {_named(unit)}"
        yield Step(f"{word} is allowed", missing=missing)


# --- N2 --------------------------------------------------------------------------------------------------------------


def host_network(view: View) -> Iterable[Claim]:
    """Decide N2: no pod of a tenant may be on the host network, where it has the address of a node.

    Nodes reach the pods on them whatever network policies say, and no AdminNetworkPolicy can refuse them.
    """
    prober = Prober(view)
    for tenant in view.sources:
        outcomes = [_deployed_on_host(view, tenant)]
        if view.strength is not Strength.DEPLOYED and outcomes[0].witness is None:
            outcomes.extend(_may_be_on_host(prober, tenant))
        proof = outcomes[1:] or outcomes
        yield worst(outcomes if outcomes[0].witness else proof).claim(N2, tenant.name)


def _on_host(pod: Body) -> None:
    pod["spec"]["hostNetwork"] = True


def _reaches_all() -> Step:
    return Step(
        "connects to every pod of its node",
        missing="network policies exempt the node a pod runs on, and selectors never mean pods of the host network",
    )


def _deployed_on_host(view: View, tenant: TenantIdentity) -> Outcome:
    for template in view.tenant_pods(tenant.name):
        if at(template.body, "spec", "hostNetwork") is True:
            runs = Step("runs on the host network", template.owner.key, (*template.pointer, "hostNetwork"))
            summary = f"{template.owner.key} has the address of its node, from which every pod there is reached"
            fix = f"remove hostNetwork from {template.owner.key}"
            return Outcome.broken(Witness((runs, _reaches_all()), summary), fix)
    return Outcome.safe("none of its pods is on the host network")


def _may_be_on_host(prober: Prober, tenant: TenantIdentity) -> Iterator[Outcome]:
    for namespace in tenant.namespaces:
        trial = prober.trial(namespace, [_on_host])
        if trial.answer is Answer.REFUSED:
            yield Outcome.safe(f"{trial.by} refuses pods on the host network in {namespace}")
        elif trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)
        else:
            let_in = Step("admission lets the pod in", missing=f"nothing in {namespace} refuses hostNetwork")
            summary = f"a pod of {namespace} on the host network has the address of a node"
            details = (("manifest", trial.pod),)
            fix = f"label namespace {namespace} with pod-security.kubernetes.io/enforce: restricted"
            yield Outcome.broken(Witness((let_in, _reaches_all()), summary, details), fix)


# --- N3 --------------------------------------------------------------------------------------------------------------


def borrowed_identity(view: View) -> Iterable[Claim]:
    """Decide N3: no tenant has or can set labels by which network policies know the router or the host network."""
    rules = tuple(_by_group(view))
    for tenant in view.sources:
        outcomes = [
            outcome
            for namespace in tenant.namespaces
            for label in IDENTITIES
            for outcome in [_identity(view, tenant, namespace, label, rules)]
            if outcome is not None
        ]
        yield worst([*outcomes, Outcome.safe(_without_identity(view, tenant, rules))]).claim(N3, tenant.name)


def _without_identity(view: View, tenant: TenantIdentity, rules: tuple[tuple[str, PodPeer, Rule], ...]) -> str:
    """Return why no namespace of a tenant passes for a part of the platform: exactly what was looked at."""
    asked = "the router, the host network or monitoring"
    if not (rules or _distribution_knows(view)):
        return f"no network policy knows namespaces by a label of {asked}, so such a label lets nobody in"
    if view.strength is Strength.DEPLOYED:
        return f"none of its namespaces carries a label of {asked}"
    return f"none of its namespaces carries a label of {asked} that lets it in; it can set none"


def _distribution_knows(view: View) -> bool:
    """Whether network policies that the distribution brings along admit namespaces by such a label."""
    return view.distribution_openshift or view.pod_network.ground.plugin == OVN


def _identity(
    view: View,
    tenant: TenantIdentity,
    namespace: str,
    label: tuple[str, str],
    rules: tuple[tuple[str, PodPeer, Rule], ...],
) -> Outcome | None:
    key, value = label
    manifest = view.snapshot.get("", "Namespace", namespace)
    labels = labels_of(manifest.body) if manifest else {}
    admitted = _admitting(rules, tenant, {**labels, key: value})
    if admitted is None and not _distribution_knows(view):
        return None
    by = (
        Step("is let in as the router or a node", admitted.policy, admitted.pointer)
        if admitted
        else Step("is let in as the router or a node", missing="OpenShift's own network policies admit this label")
    )
    if manifest is not None and labels.get(key) == value:
        has = Step(f"has label {key}: {value!r}", manifest.key, ("metadata", "labels", key))
        fix = f"remove label {key} from Namespace {namespace}"
        return Outcome.broken(Witness((has, by), f"namespace {namespace} passes for a part of the platform"), fix)
    if view.strength is Strength.DEPLOYED:
        return None
    change = view.labels.settable(tenant.name, namespace, key, value)
    if change is None:
        return None
    if not change.admission.admitted:
        return Outcome.open(*change.admission.missing)
    sets = Step(f"sets label {key}: {value!r} on Namespace {namespace}", missing="no admission guard refuses it")
    summary = f"{tenant.name} can make namespace {namespace} pass for a part of the platform"
    witness = Witness((*change.right.steps, sets, by), summary, (("manifest", change.body),))
    return Outcome.broken(witness, f"freeze label {key} of namespaces by an admission policy")


def _by_group(view: View) -> Iterator[tuple[str, PodPeer, Rule]]:
    """Yield the rules that know namespaces by such a label, with the namespace they protect, empty for many."""
    groups = {key for key, _ in IDENTITIES}
    for policy in view.pod_network.policies:
        for rule in policy.ingress:
            for peer in rule.peers or ():
                if isinstance(peer, PodPeer) and peer.namespaces.keys & groups:
                    yield policy.subject.namespace, peer, rule


def _admitting(
    rules: tuple[tuple[str, PodPeer, Rule], ...], tenant: TenantIdentity, labels: dict[str, str]
) -> Rule | None:
    """Return a rule of somebody else's network policies that lets namespaces in by such a label."""
    found = (
        rule
        for protected, peer, rule in rules
        if protected not in tenant.namespaces and rule.action is not Action.DENY and peer.namespaces.matches(labels)
    )
    return next(found, None)


# --- N7 --------------------------------------------------------------------------------------------------------------


def user_networks(view: View) -> Iterable[Claim]:
    """Decide N7: user-defined networks keep tenants apart wherever they are relied on.

    They do not where two tenants share one or a ClusterNetworkConnect joins theirs and network policies let traffic
    pass, where pods open ports on the default network, and where Services are published on nodes.
    """
    for tenant in view.sources:
        found: dict[str, Outcome] = {}
        for other in view.tenants if view.pod_network.networks.any else ():
            if other.name != tenant.name:
                outcome = _joined(view, tenant, other) or _opened(view, tenant, other) or _joinable(view, tenant, other)
                if outcome is not None:
                    found[other.name] = outcome
        yield from pairwise(N7, view, tenant.name, found, _networks_proof(view, tenant))


def _networks_proof(view: View, tenant: TenantIdentity) -> str:
    names = {view.pod_network.network_of(namespace) for namespace in tenant.namespaces}
    if names == {""}:
        return "its namespaces have no network of their own; N1 decides on the pod network"
    return f"no hole leads out of {', '.join(sorted(name for name in names if name))}"


def _joined(view: View, tenant: TenantIdentity, other: TenantIdentity) -> Outcome | None:
    network = view.pod_network
    own = {network.network_of(name) for name in tenant.namespaces}
    for namespace in other.namespaces:
        name = network.network_of(namespace)
        if not name:
            continue
        joining = network.networks.joining(own, name)
        if joining is None:
            continue
        way = network.ways_from(_names(view)).get((tenant.name, other.name))
        if way is None:
            return None
        if not way.sure:
            return Outcome.open(*way.missing)
        reached = _reached(network, (tenant.name, other.name), way).witness
        shared = "joins their networks" if joining.key.kind == "ClusterNetworkConnect" else "is the network of both"
        steps = (Step(shared, joining.key, ("spec",)), *(reached.steps if reached else ()))
        summary = f"{tenant.name} and {other.name} share {joining.key}, and network policies let traffic pass"
        return Outcome.broken(Witness(steps, summary), f"give {tenant.name} and {other.name} networks of their own")
    return None


def _joinable(view: View, tenant: TenantIdentity, other: TenantIdentity) -> Outcome | None:
    """Return how a tenant joins the networks of another to its own, if it has the right to."""
    network = view.pod_network
    names = sorted(network.network_of(name) for name in other.namespaces if network.network_of(name))
    right = network.joins(tenant.name) if names and view.strength is not Strength.DEPLOYED else None
    if right is None:
        return None
    joins = Step(f"joins network {names[0]} to its own by {right.resource}")
    summary = f"{tenant.name} may {right.verb} {right.resource} and so put {names[0]} and its own network together"
    return Outcome.broken(Witness((*right.steps, joins), summary), f"take {right.resource} from {tenant.name}")


def _opened(view: View, tenant: TenantIdentity, other: TenantIdentity) -> Outcome | None:
    """Return the first hole by which pods of another network are reached all the same."""
    network = view.pod_network
    own = {network.network_of(name) for name in tenant.namespaces}
    for namespace in other.namespaces:
        name = network.network_of(namespace)
        if not name or name in own:
            continue
        for template in view.tenant_pods(other.name):
            if text(template.body, "metadata", "namespace") != namespace:
                continue
            if OPEN_PORTS in strings(template.body, "metadata", "annotations"):
                opens = Step(f"opens ports by annotation {OPEN_PORTS}", template.owner.key, template.pointer)
                summary = f"{template.owner.key} answers on the default network, beside network {name}"
                return Outcome.broken(Witness((opens,), summary), f"remove annotation {OPEN_PORTS}")
        published = _published(view, namespace)
        if published is not None:
            shows = Step("is reached through nodes", published.key, ("spec", "type"))
            summary = f"{published.key} is published on nodes, which every network reaches"
            return Outcome.broken(Witness((shows,), summary), f"make {published.key} of type ClusterIP")
    return None


def _published(view: View, namespace: str) -> Manifest | None:
    for service in view.snapshot.within(namespace):
        if (service.key.group, service.key.kind) != ("", "Service"):
            continue
        if text(service.body, "spec", "type") in {"NodePort", "LoadBalancer"} or items(
            service.body, "spec", "externalIPs"
        ):
            return service
    return None


def _channel(ruling: Ruling, decide: Any) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)


CHANNELS: Final = tuple(
    sorted(
        (
            _channel(N1, pod_network),
            _channel(N2, host_network),
            _channel(N3, borrowed_identity),
            _channel(N7, user_networks),
            *SERVICE_CHANNELS,
        ),
        key=lambda channel: channel.id,
    )
)
"""Channels of the pod network and of Services, by id."""
