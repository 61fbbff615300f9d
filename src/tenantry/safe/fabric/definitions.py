"""Who writes secondary networks, and who attaches to whose.

Sources: Multus ``pkg/k8sclient/k8sclient.go`` (namespace isolation, and the default network it does not hold for);
Multus ``docs/configuration.md``; OpenShift documentation of secondary networks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tenantry.model.claim import Step, Witness
from tenantry.model.tenancy import PLATFORM, Strength
from tenantry.safe.devices.probes import admitted, with_annotation
from tenantry.safe.devices.reading import parsed
from tenantry.safe.fabric.attachments import CNI, DEFAULT_NETWORK, MELLANOX, NETWORKS, OVN, SRIOV
from tenantry.safe.powers import MAKE
from tenantry.safe.reading import copied, items, strings, text
from tenantry.safe.ruling import Outcome, admission_missing, lacking, pod_witness, worst
from tenantry.safe.samples import sample
from tenantry.safe.shapes import policy_text, shapes_of
from tenantry.safe.writing import likeliest, writings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.fabric.adapters import Fabrics
    from tenantry.safe.fabric.attachments import Attachment
    from tenantry.safe.view import View

GLOBAL_NAMESPACES = ("default", "openshift-multus", "openshift-sriov-network-operator", "openshift-cnv")
"""Namespaces whose networks every pod may name on OpenShift; ``default`` also elsewhere."""
ISOLATION = "multus.namespace-isolation"

_KINDS = (
    (CNI, "network-attachment-definitions", True),
    (SRIOV, "sriovnetworks", True),
    (SRIOV, "sriovibnetworks", True),
    (SRIOV, "ovsnetworks", True),
    (MELLANOX, "macvlannetworks", False),
    (MELLANOX, "hostdevicenetworks", False),
    (MELLANOX, "ipoibnetworks", False),
    (OVN, "clusteruserdefinednetworks", False),
)


# --- X1: writing definitions ----------------------------------------------------------------------------------------


def definition_body(namespace: str) -> Body:
    """Return a definition that gives a pod an interface on the uplink of its node."""
    config = {"cniVersion": "0.3.1", "name": "probe", "type": "macvlan", "master": "eth0", "mode": "passthru"}
    return {
        "apiVersion": f"{CNI}/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"config": json.dumps(config)},
    }


def _places(view: View, tenant: TenantIdentity) -> Iterator[tuple[str, str, str]]:
    """Yield where networks are written that pods of a tenant could attach to: namespace, API group, plural name.

    Operators make definitions in any namespace from objects in their own, wherever they run.
    """
    granted = view.reach(tenant.name).rights.namespaces
    spaces = dict.fromkeys((*tenant.namespaces, *GLOBAL_NAMESPACES, *filter(None, granted)))
    for group, resource, namespaced in _KINDS:
        yield from ((namespace, group, resource) for namespace in (spaces if namespaced else ("",)))


def writing_outcome(view: View, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant can give its pods any interface of a node by writing a network."""
    if view.strength is Strength.DEPLOYED:
        return Outcome.safe("only what is deployed counts here; nobody writes networks")
    found = [outcome for place in _places(view, tenant) if (outcome := _written(view, tenant, *place)) is not None]
    if found:
        return worst(found)
    roles = view.unknown_roles(tenant.name)
    if roles:
        return Outcome.open(*roles)
    return Outcome.safe("it has no right to write NetworkAttachmentDefinitions or objects they are made of")


def _written(view: View, tenant: TenantIdentity, namespace: str, group: str, resource: str) -> Outcome | None:
    body = definition_body(namespace) if group == CNI else sample(group, resource, namespace)
    rights = view.reach(tenant.name).rights
    way = likeliest(writings(rights, view.envelope(namespace), body, (group, resource), MAKE))
    if way is None:
        return None
    right = way.right
    if way.admission.refused:
        return Outcome.safe(f"{way.admission.by} refuses {resource} it writes")
    if not way.admission.admitted:
        return Outcome.open(*admission_missing(way.admission, namespace))
    fix = f"remove the right to {right.verb} {resource} from {tenant.name}"
    summary = f"{tenant.name} writes a network of its own and gets any interface of a node, the uplink included"
    if group != CNI:
        return Outcome.broken(Witness(right.steps, f"{summary}: it may {right.verb} {resource}"), fix)
    return Outcome.broken(Witness(right.steps, summary, (("definition", body),)), fix)


# --- X2: attaching to definitions of others -------------------------------------------------------------------------


@dataclass(frozen=True)
class Isolation:
    """Whether Multus keeps pods to definitions of their own namespace.

    Attributes:
        on: whether it does; None when that is not known.
        shared: namespaces it does not hold for.
        why: what says so.
        step: where it is said; None when a fact or the distribution says so.
    """

    on: bool | None
    shared: tuple[str, ...]
    why: str
    step: Step | None = None


def isolation(view: View) -> Isolation:
    """Return what the objects, the distribution or a signed fact say about Multus' namespace isolation."""
    for place, config in _configs(view):
        on = config.get("namespaceIsolation") is True
        listed = text(config, "globalNamespaces")
        shared = tuple(part.strip() for part in listed.split(",") if part.strip()) or ("default",)
        return Isolation(on, shared, f"namespaceIsolation is {str(on).lower()}", place)
    signed = view.declared.fact(ISOLATION)
    if isinstance(signed, bool):
        return Isolation(signed, GLOBAL_NAMESPACES, f"{ISOLATION} is signed as {str(signed).lower()}")
    if view.distribution_openshift:
        return Isolation(True, GLOBAL_NAMESPACES, "OpenShift runs Multus with namespace isolation")
    return Isolation(None, GLOBAL_NAMESPACES, "")


def _configs(view: View) -> Iterator[tuple[Step, dict[str, object]]]:
    for manifest in view.snapshot.of("mellanox.com", "NicClusterPolicy"):
        path = ("spec", "secondaryNetwork", "multus", "config")
        config = parsed(text(manifest.body, *path))
        if isinstance(config, dict):
            yield Step("configuration of Multus", manifest.key, path), config
    for manifest in view.snapshot.of("", "ConfigMap"):
        if "multus" not in manifest.key.name:
            continue
        for key, value in sorted(strings(manifest.body, "data").items()):
            config = parsed(value)
            if isinstance(config, dict) and ("namespaceIsolation" in config or config.get("type") == "multus"):
                yield Step("configuration of Multus", manifest.key, ("data", key)), config
    for manifest in view.snapshot.of("apps", "DaemonSet"):
        for index, container in enumerate(items(manifest.body, "spec", "template", "spec", "containers")):
            words = [str(word) for word in (*items(container, "command"), *items(container, "args"))]
            found = next((word for word in words if word.startswith("--namespace-isolation")), "")
            if found:
                place = Step(found, manifest.key, ("spec", "template", "spec", "containers", index, "args"))
                on = found.partition("=")[2] in {"", "true"}
                listed = next((word for word in words if word.startswith("--global-namespaces=")), "")
                yield place, {"namespaceIsolation": on, "globalNamespaces": listed.partition("=")[2]}


def attaching_outcomes(fabrics: Fabrics, tenant: TenantIdentity) -> dict[str, Outcome]:
    """Return for every tenant whose networks this one may attach to what is known about it."""
    view = fabrics.view
    setting = isolation(view)
    found: dict[str, list[Outcome]] = {}
    told_apart = _Words(view, tenant, _rules(view))
    refused = fabrics.refused.setdefault(told_apart.home, {})
    let_in: dict[tuple[str, tuple[str, ...]], _LetIn] = {}
    for attachment, owner, kind in _kinds(fabrics):
        # One network that a tenant attaches to is enough.
        if owner == tenant.name or (owner in found and found[owner][-1].witness is not None):
            continue
        if owner is not None and kind:
            what = told_apart.kind(attachment, kind)
            alike = refused.setdefault(what, [])
            if len(alike) >= _ENOUGH:
                outcome = alike[0]
            else:
                outcome = _foreign(fabrics, tenant, attachment, setting, _Known(let_in, what))
            if outcome.reason and len(alike) < _ENOUGH:
                alike.append(outcome)
            found.setdefault(owner, []).append(outcome)
        elif owner in {PLATFORM, None}:
            for target, outcome in _common(fabrics, tenant, attachment, setting).items():
                found.setdefault(target, []).append(outcome)
    return {target: worst(values) for target, values in found.items()}


class _LetIn(NamedTuple):
    """A pod that admission lets in with the name of a network in an annotation.

    Attributes:
        pod: the pod.
        way: which of the ways to write the name it holds.
    """

    pod: Body
    way: int


class _Known(NamedTuple):
    """What admission let in of one tenant's pods, by annotation and kind of network; and the kind that is asked about.

    Admission that cannot tell networks apart lets in a pod that names another one of the kind.
    """

    let_in: dict[tuple[str, tuple[str, ...]], _LetIn]
    kind: tuple[str, ...]

    def pod(self, annotation: str, ways: Sequence[str]) -> Body | None:
        """Return a pod of which it is known that it is let in, or None."""
        known = self.let_in.get((annotation, self.kind))
        if known is None:
            return None
        made = copied(known.pod)
        with_annotation(annotation, ways[known.way])(made)
        return made

    def note(self, annotation: str, ways: Sequence[str], pod: Body, tried: Body) -> None:
        """Remember a pod that is let in.

        Args:
            annotation: where it names a network.
            ways: the ways to name it.
            pod: the pod.
            tried: what was tried, without the name; a pod that differs in more may do so by what it names.
        """
        written = strings(pod, "metadata", "annotations").get(annotation, "")
        made = copied(tried)
        with_annotation(annotation, written)(made)
        if written in ways and made == pod:
            self.let_in[annotation, self.kind] = _LetIn(pod, ways.index(written))


_ENOUGH = 2
"""Refused networks of a kind after which the rest of that kind counts as refused too."""


class _Words:
    """Sorts tenants and networks by what admission could tell apart: names it mentions, and the shape of others.

    Admission reads its own policies, their parameters and the Namespace. A name none of them mentions differs from
    others of its shape in nothing they could look at, if each text in a policy compares with both alike.

    Attributes:
        home: what tenants whose Namespaces say the same but for their names have in common.
    """

    def __init__(self, view: View, tenant: TenantIdentity, rules: frozenset[str]) -> None:
        homes = [view.snapshot.get("", "Namespace", name) for name in tenant.namespaces]
        told = [repr(home.body.get("metadata")) for home in homes if home is not None]
        self._words = rules | _words(told)
        named = {tenant.name: "+", **dict.fromkeys(tenant.namespaces, "*")}
        unsaid = sorted((name for name in named if name not in rules), key=lambda name: (-len(name), name))
        self.home = "\n".join(sorted({_replaced(item, unsaid, named) for item in told}))

    def kind(self, attachment: Attachment, kind: tuple[str, ...]) -> tuple[str, ...]:
        """Return what networks that admission cannot tell apart have in common, given what they have but for words."""
        namespace, name = attachment.namespace, attachment.name
        if namespace in self._words or name in self._words:
            shapes = (namespace if namespace in self._words else kind[0], name if name in self._words else kind[1])
            return (*shapes, *kind[2:])
        return kind


@lru_cache(maxsize=2)
def _kinds(fabrics: Fabrics) -> tuple[tuple[Attachment, str | None, tuple[str, ...]], ...]:
    """Return every network with the owner of its namespace and, where that is a tenant, its kind.

    That is what is left of its names without what tells tenants apart, and how policies compare them.
    """
    tenants = fabrics.view.tenancy.by_name
    mark = shapes_of(fabrics.view).mark
    found = []
    for item, owner in fabrics.homes:
        kind: tuple[str, ...] = ()
        if owner is not None and owner in tenants:
            shapes = (_shape(name, item.namespace, owner) for name in (item.namespace, item.name))
            kind = (*shapes, *map(mark, (item.namespace, item.name, f"{item.namespace}/{item.name}")))
        found.append((item, owner, kind))
    return tuple(found)


def _shape(name: str, namespace: str, owner: str) -> str:
    """Return a name without what tells tenants apart; no name looks like one."""
    shape = re.sub(r"[0-9]+", "0", name.replace(namespace, "*").replace(owner, "*"))
    return f"{shape}?"


@lru_cache(maxsize=2)
def _rules(view: View) -> frozenset[str]:
    """Return the words of all admission policies and of what they take as parameters."""
    return _words([policy_text(view)])


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[A-Za-z0-9._-]+", text))


def _replaced(written: str, names: Iterable[str], signs: Mapping[str, str]) -> str:
    for name in names:
        written = written.replace(name, signs[name])
    return written


def _foreign(
    fabrics: Fabrics, tenant: TenantIdentity, attachment: Attachment, setting: Isolation, known: _Known | None = None
) -> Outcome:
    """Return whether pods of a tenant attach to a network outside its namespaces."""
    name = f"{attachment.namespace}/{attachment.name}"
    replaced = _attached(fabrics, tenant, attachment, (DEFAULT_NETWORK, [name]), known)
    if replaced.witness is not None:
        return _because(replaced, _NOT_ISOLATED)
    added = _attached(fabrics, tenant, attachment, (NETWORKS, _ways(attachment)), known)
    if added.reason:
        return added if replaced.reason else replaced
    shared = attachment.namespace in setting.shared
    if setting.on is True and not shared:
        why = f"{setting.why}; the network that replaces the default one is refused"
        return Outcome.safe(why) if replaced.reason else replaced
    if setting.on is None and not shared:
        return Outcome.open(fabrics.view.missing(ISOLATION))
    if shared:
        return _because(added, Step("a namespace every pod may name", attachment.key, ("metadata", "name")))
    return _because(added, setting.step or lacking("Multus does not look at namespaces", setting.why))


_NOT_ISOLATED = lacking(
    "Multus looks up the network that replaces the default one", "namespace isolation does not hold for that annotation"
)


def _because(outcome: Outcome, step: Step) -> Outcome:
    """Return a broken outcome with one step more."""
    witness = outcome.witness
    if witness is None:
        return outcome
    more = Witness((*witness.steps, step), witness.summary, witness.details, witness.assumes)
    return Outcome.broken(more, outcome.fix)


def _ways(attachment: Attachment) -> list[str]:
    """Return the ways in which a pod may name a network."""
    name = f"{attachment.namespace}/{attachment.name}"
    listed = json.dumps([{"name": attachment.name, "namespace": attachment.namespace}])
    return [name, listed, f"probe,{name}@net9"]


def _attached(
    fabrics: Fabrics,
    tenant: TenantIdentity,
    attachment: Attachment,
    naming: tuple[str, list[str]],
    known: _Known | None,
) -> Outcome:
    """Return whether a pod of a tenant may name a network in an annotation, whatever Multus makes of it.

    Args:
        fabrics: networks and who may have what.
        tenant: whose pods.
        attachment: the network.
        naming: the annotation, and the ways to name the network in it.
        known: what was let in before; None where nothing is noted.
    """
    view = fabrics.view
    annotation, ways = naming
    template = fabrics.named(tenant.name).get((annotation, attachment.namespace, attachment.name))
    if template is not None:
        step = Step("a pod names it", template.owner.key, (*template.pointer[:-1], "metadata", "annotations"))
        return Outcome.broken(_reached(tenant, attachment, template.body, step), _fix(annotation))
    if view.strength is Strength.DEPLOYED:
        return Outcome.safe("no pod deployed names a network of another tenant")
    pod = known.pod(annotation, ways) if known is not None else None
    if pod is None:
        changes = [with_annotation(annotation, written) for written in ways]
        trial = admitted(fabrics.access.prober.worst(tenant, changes), "networks of other namespaces")
        if isinstance(trial, Outcome):
            return trial
        pod = trial.pod
        if known is not None:
            known.note(annotation, ways, pod, fabrics.access.prober.base(text(pod, "metadata", "namespace"))[0])
    step = lacking("admission lets the pod in", f"no admission policy refuses the annotation {annotation}")
    return Outcome.broken(_reached(tenant, attachment, pod, step), _fix(annotation))


def _reached(tenant: TenantIdentity, attachment: Attachment, pod: Body, step: Step) -> Witness:
    target = Step("attaches to", attachment.key, ())
    return pod_witness(f"a pod of {tenant.name} attaches to {attachment.title}", pod, (step, target))


def _fix(annotation: str) -> str:
    return f"add an admission policy that lets pods name networks of their own namespace only in {annotation}"


def _common(fabrics: Fabrics, tenant: TenantIdentity, attachment: Attachment, setting: Isolation) -> dict[str, Outcome]:
    """Return what is known of a network of the platform: who meets this tenant on it."""
    mine = _foreign(fabrics, tenant, attachment, setting)
    if mine.reason:
        return {}
    found: dict[str, Outcome] = {}
    for other in fabrics.view.tenants:
        if other.name == tenant.name:
            continue
        theirs = _foreign(fabrics, other, attachment, setting)
        if mine.missing or theirs.missing:
            found[other.name] = Outcome.open(*mine.missing, *theirs.missing)
        elif theirs.witness is not None and mine.witness is not None:
            summary = f"pods of {tenant.name} and {other.name} meet on {attachment.title}"
            fix = "keep networks in the namespaces of the tenants they are for"
            found[other.name] = Outcome.broken(Witness(mine.witness.steps, summary, mine.witness.details), fix)
    return found
