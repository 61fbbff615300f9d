"""What a pod demands of its node besides room, and what it demands that no model here knows.

Source: pkg/scheduler/k8s_internal/predicates; for labels, taints and ports, the plugins of kube-scheduler that are
called there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.job import NodeTerm, Placement, Toleration
from tenantry.model.reading import at, items, mapping, text, texts
from tenantry.model.selector import Requirement, Selector, parse_selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.io.scheduler_snapshot.fields import Fields
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
OPERATORS: Final = frozenset({"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"})
LATE: Final = "WaitForFirstConsumer"


def placement_of(fields: Fields) -> Placement:
    """Read what a pod demands of its node."""
    selector = tuple(sorted((key, str(value)) for key, value in mapping(fields.body, "spec", "nodeSelector").items()))
    return Placement(
        selector=selector,
        terms=_terms(fields, ("spec", "affinity", "nodeAffinity", REQUIRED)),
        tolerations=tuple(_tolerations(fields)),
        host_ports=tuple(_host_ports(fields)),
        nominated=fields.text("status", "nominatedNodeName"),
    )


def _terms(fields: Fields, path: DocPath) -> tuple[NodeTerm, ...] | None:
    """Alternatives of a node selector; None when there is none."""
    if not fields.has(*path):
        return None
    return tuple(
        NodeTerm(
            tuple(_expressions(fields, (*path, "nodeSelectorTerms", index, "matchExpressions"))),
            tuple(
                (item.operator, item.values)
                for item in _expressions(fields, (*path, "nodeSelectorTerms", index, "matchFields"))
            ),
        )
        for index, _ in enumerate(fields.items(*path, "nodeSelectorTerms"))
    )


def _expressions(fields: Fields, path: DocPath) -> Iterator[Requirement]:
    for index, item in enumerate(fields.items(*path)):
        operator = text(item, "operator")
        if operator not in OPERATORS or not text(item, "key"):
            where = (*path, index)
            fields.wrong(where, "this is no requirement", expected=f"key and one of {', '.join(sorted(OPERATORS))}")
            continue
        yield Requirement(text(item, "key"), operator, tuple(sorted(map(str, items(item, "values")))))


def _tolerations(fields: Fields) -> Iterator[Toleration]:
    for item in fields.items("spec", "tolerations"):
        yield Toleration(
            text(item, "key"), text(item, "operator") or "Equal", text(item, "value"), text(item, "effect")
        )


def _host_ports(fields: Fields) -> Iterator[tuple[str, str, int]]:
    for container in fields.items("spec", "containers"):
        for port in items(container, "ports"):
            number = at(port, "hostPort")
            if isinstance(number, int) and not isinstance(number, bool) and number > 0:
                yield text(port, "protocol") or "TCP", text(port, "hostIP") or "0.0.0.0", number


# --- what is not modelled ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demands:
    """What a pod demands beyond labels, taints and ports.

    Attributes:
        unmodelled: what no model here knows, a clause; empty when nothing.
        assumed: what was taken for granted, clauses.
        placement: demands on its node, those of its volumes included.
    """

    unmodelled: str
    assumed: tuple[str, ...]
    placement: Placement


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the demands of a pod depend on besides the pod.

    Attributes:
        claims: volume claims by namespace and name; None when the snapshot holds none of any pod.
        volumes: volumes by name.
        classes: storage classes by name.
        device_resources: extended resources that stand for device classes.
        repelling: terms by which pods on nodes keep others away.
    """

    claims: Mapping[tuple[str, str], Manifest] | None
    volumes: Mapping[str, Manifest]
    classes: Mapping[str, Manifest]
    device_resources: frozenset[str]
    repelling: tuple[Repelling, ...]


@dataclass(frozen=True, slots=True)
class Repelling:
    """One required anti-affinity term of a pod that is on a node.

    Attributes:
        pod: namespace and name of that pod, as ``namespace/name``.
        namespaces: namespaces of the pods it keeps away; None for all.
        selector: labels of the pods it keeps away.
    """

    pod: str
    namespaces: frozenset[str] | None
    selector: Selector


def repelling_terms(fields: Fields) -> Iterator[Repelling]:
    """Yield the terms by which a pod on a node keeps others away."""
    for term in items(fields.body, "spec", "affinity", "podAntiAffinity", REQUIRED):
        try:
            selector = parse_selector(at(term, "labelSelector") or {})
        except ValueError:
            continue
        named = frozenset(texts(term, "namespaces"))
        everywhere = at(term, "namespaceSelector") is not None
        # A selector of namespaces cannot be resolved without their labels: every namespace may be meant.
        namespaces = None if everywhere else named or frozenset({fields.namespace})
        yield Repelling(f"{fields.namespace}/{fields.name}", namespaces, selector)


def demands_of(fields: Fields, placement: Placement, around: Surroundings, resources: Iterable[str]) -> Demands:
    """Read what a waiting pod demands that the model may not know.

    Args:
        fields: the pod.
        placement: what is known of its demands.
        around: volumes, other pods.
        resources: extended resources it asks for.
    """
    affinity = mapping(fields.body, "spec", "affinity")
    if fields.items("spec", "resourceClaims"):
        return Demands("it asks for devices by resource claims (DRA)", (), placement)
    devices = sorted(set(resources) & around.device_resources)
    if devices:
        return Demands(f"its {devices[0]} is given out by a device class (DRA)", (), placement)
    for kind, words in (("podAffinity", "near"), ("podAntiAffinity", "away from")):
        if items(affinity, kind, REQUIRED):
            return Demands(f"it must be placed {words} other pods (required {kind})", (), placement)
    for term in around.repelling:
        if (term.namespaces is None or fields.namespace in term.namespaces) and term.selector.matches(fields.labels):
            return Demands("a running pod keeps pods like it away (required podAntiAffinity)", (), placement)
    assumed = []
    if any(items(affinity, kind, PREFERRED) for kind in ("podAffinity", "podAntiAffinity")):
        assumed.append("it prefers nodes by the pods on them, which does not change where the model places it")
    return _with_volumes(fields, placement, around, tuple(assumed))


def _with_volumes(fields: Fields, placement: Placement, around: Surroundings, assumed: tuple[str, ...]) -> Demands:
    for volume in fields.items("spec", "volumes"):
        claim = text(volume, "persistentVolumeClaim", "claimName")
        if not claim and at(volume, "ephemeral") is not None:
            claim = f"{fields.name}-{text(volume, 'name')}"
        if not claim:
            continue
        if around.claims is None:
            words = "its volumes are taken to be reachable from every node; no PersistentVolumeClaim is in the snapshot"
            return Demands("", (*assumed, words), placement)
        body = around.claims.get((fields.namespace, claim))
        if body is None:
            return Demands(f"its volume claim {claim} is not in the snapshot", assumed, placement)
        name = text(body.body, "spec", "volumeName")
        if not name or text(body.body, "status", "phase") not in {"", "Bound"}:
            late = _binds_late(body, around)
            how = "is bound only when the pod is placed" if late else "is not bound yet"
            return Demands(f"its volume claim {claim} {how}", assumed, placement)
        found = around.volumes.get(name)
        if found is None:
            words = f"volume {name} is taken to be reachable from every node; it is not in the snapshot"
            assumed = (*assumed, words)
        else:
            placement = replace(placement, terms=_both(placement.terms, _volume_terms(found)))
    return Demands("", assumed, placement)


def _binds_late(claim: Manifest, around: Surroundings) -> bool:
    name = text(claim.body, "spec", "storageClassName")
    return name in around.classes and text(around.classes[name].body, "volumeBindingMode") == LATE


def _volume_terms(volume: Manifest) -> tuple[NodeTerm, ...] | None:
    terms = items(volume.body, "spec", "nodeAffinity", "required", "nodeSelectorTerms")
    if not terms:
        return None
    return tuple(NodeTerm(tuple(_plain(term, "matchExpressions"))) for term in terms)


def _plain(term: Any, key: str) -> Iterator[Requirement]:
    for item in items(term, key):
        if text(item, "operator") in OPERATORS:
            yield Requirement(text(item, "key"), text(item, "operator"), tuple(sorted(map(str, items(item, "values")))))


def _both(left: tuple[NodeTerm, ...] | None, right: tuple[NodeTerm, ...] | None) -> tuple[NodeTerm, ...] | None:
    """Alternatives that satisfy one of each; an empty term matches nothing and stays so."""
    if left is None or right is None:
        return right if left is None else left
    return tuple(
        NodeTerm((*one.expressions, *other.expressions), (*one.names, *other.names))
        if (one.expressions or one.names) and (other.expressions or other.names)
        else NodeTerm()
        for one, other in product(left, right)
    )


def device_resources(classes: Iterable[Manifest]) -> frozenset[str]:
    """Extended resources that device classes give out."""
    return frozenset(name for item in classes if (name := text(item.body, "spec", "extendedResourceName")))
