"""What all proposals about objects share: objects on a path, and changes of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenantry.model.claim import Claim, Step
    from tenantry.model.manifest import Body, Manifest
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

    Rules = Mapping[str, Callable[[View, Claim], Iterator[Proposal]]]


def steps_of(claim: Claim) -> tuple[Step, ...]:
    """Return the path of a witness."""
    return claim.witness.steps if claim.witness is not None else ()


def details_of(claim: Claim) -> dict[str, Any]:
    """Return the details of a witness."""
    return dict(claim.witness.details) if claim.witness is not None else {}


def given(view: View, step: Step) -> Manifest | None:
    """Return the object of a step, None where it was not among those that were given."""
    key = step.by
    return view.given.get(key.group, key.kind, key.name, key.namespace) if key is not None else None


def on_path(view: View, claim: Claim, *kinds: str) -> list[Manifest]:
    """Return the objects of some kinds a witness goes through, each once, in the order of its steps."""
    found = [given(view, step) for step in steps_of(claim) if step.by is not None and step.by.kind in kinds]
    return list({item.key: item for item in found if item is not None}.values())


def put(manifest: Manifest, value: Any, *pointer: str | int, note: str = "") -> Change:
    """Return the change that sets a field of an object."""
    return Change(Op.SET, manifest.key, pointer, value, note)


def names(namespaces: Iterable[str]) -> Body:
    """Return a selector of namespaces by the label the API server gives them."""
    entry = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(namespaces)}
    return {"matchExpressions": [entry]}


def closed(view: View, namespace: str) -> Change:
    """Return the change that lets nothing into the pods of a namespace."""
    return network_policy(view, namespace, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]})


def platform_only(view: View, namespace: str) -> Change:
    """Return the change that lets pods of a namespace be reached from namespaces of the platform only."""
    trusted = names({namespace, *(view.tenancy.platform & set(view.given.namespaces))})
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": trusted}]}]}
    return network_policy(view, namespace, "from-platform", spec)


def network_policy(view: View, namespace: str, name: str, spec: Body) -> Change:
    """Return the change that makes a network policy, under another name where there is one of this name."""
    if view.given.get("networking.k8s.io", "NetworkPolicy", name, namespace) is not None:
        name = f"tenantry-{name}"
    key = ManifestKey("networking.k8s.io/v1", "NetworkPolicy", namespace, name)
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": key.api_version, "kind": key.kind, "metadata": metadata, "spec": spec}
    return Change(Op.CREATE, key, (), body)
