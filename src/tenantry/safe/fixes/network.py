"""Proposals about the pod network: what network policies let in, and what is open beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey
from tenantry.safe.fixes.objects import closed, details_of, given, names, on_path, platform_only, put, steps_of
from tenantry.safe.reading import annotations_of, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_OPEN_PORTS: Final = "k8s.ovn.org/open-default-ports"


def _default_deny(view: View, claim: Claim) -> Iterator[Proposal]:
    """Refuse what comes in: in the namespace that is reached, or in all of its tenant."""
    details = details_of(claim)
    reached = text(details.get("target"), "namespace")
    removed = tuple(
        Change(Op.REMOVE, step.by, step.pointer)
        for step in steps_of(claim)
        if step.by is not None and step.by.kind == "NetworkPolicy" and step.by.namespace == reached and step.pointer
    )
    if removed:
        yield removed[-1:]
    if reached:
        yield (closed(view, reached),)
    if claim.target:
        yield (_denied(view, claim),)


def _denied(view: View, claim: Claim) -> Change:
    """Return the change that has the platform refuse what comes from a tenant, whatever anybody else writes."""
    name = f"tenantry-{claim.source}-to-{claim.target}"
    key = ManifestKey("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "", name)
    source, target = (names(view.tenancy.by_name[item].namespaces) for item in (claim.source, claim.target))
    spec = {
        "priority": 10,
        "subject": {"namespaces": target},
        "ingress": [{"name": "other-tenant", "action": "Deny", "from": [{"namespaces": source}]}],
    }
    body = {"apiVersion": key.api_version, "kind": key.kind, "metadata": {"name": name}, "spec": spec}
    return Change(Op.CREATE, key, (), body)


def exporter(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the rule away that lets a tenant in, or let in what comes from namespaces of the platform only."""
    for step in reversed(steps_of(claim)):
        if step.by is not None and step.by.kind == "NetworkPolicy" and step.pointer:
            yield (Change(Op.REMOVE, step.by, step.pointer),)
    words = claim.witness.summary.split() if claim.witness else []
    owned = {name for tenant in view.tenants for name in tenant.namespaces}
    for namespace in view.given.namespaces:
        if namespace in words and namespace not in owned:
            yield (platform_only(view, namespace),)


def _networks(view: View, claim: Claim) -> Iterator[Proposal]:
    """Close what is open across networks: the type of a Service, ports of the default network, a network in common."""
    for manifest in on_path(view, claim, "Service"):
        yield (put(manifest, "ClusterIP", "spec", "type"),)
    for step in steps_of(claim):
        owner = given(view, step)
        if owner is not None and _OPEN_PORTS in annotations_of(owner.body):
            yield (Change(Op.REMOVE, owner.key, ("metadata", "annotations", _OPEN_PORTS)),)
    spaces = view.tenancy.by_name[claim.target].namespaces if claim.target else ()
    if spaces:
        yield tuple(closed(view, name) for name in spaces)


RULES: Final[Rules] = {
    "N1": _default_deny,
    "N7": _networks,
    "G12": exporter,
}
"""What is proposed, per channel."""
