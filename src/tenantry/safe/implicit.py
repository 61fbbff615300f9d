"""Objects every cluster has although no manifest shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.rbac import default_objects
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.safe.admission import mapping
from tenantry.safe.delivery import made_by_itself

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body
    from tenantry.model.snapshot import Snapshot
    from tenantry.model.tenancy import Tenancy

BUILT_IN = Location("<built-in>")
"""Place of an object that no manifest shows."""

NAME_LABEL = "kubernetes.io/metadata.name"

SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
OPENSHIFT_NAMESPACES = ("openshift", "openshift-infra", "openshift-node")

# API groups that only OpenShift serves; others that end alike belong to operators that run anywhere.
OPENSHIFT_GROUPS = frozenset(
    f"{name}.openshift.io"
    for name in (
        *("apps", "authorization", "autoscaling", "build", "cloudcredential", "config", "console", "helm", "image"),
        *("ingress", "machine", "machineconfiguration", "network", "oauth", "operator", "operator.network", "project"),
        *("quota", "route", "security", "template", "user"),
    )
)

RUNTIME_CLASSES = ("nvidia", "nvidia-cdi", "nvidia-legacy")


def is_openshift(snapshot: Snapshot) -> bool:
    """Whether kinds that only OpenShift has are among the objects."""
    return any(item.key.group in OPENSHIFT_GROUPS for item in snapshot)


def with_implicit(snapshot: Snapshot, tenancy: Tenancy) -> Snapshot:
    """Return the objects with those that are implied; an object that is given counts instead of an implied one.

    A live cluster shows all its objects, so only the label that the API server puts on namespaces is added, and what is
    made again wherever it is missing.
    """
    openshift = is_openshift(snapshot)
    added = [] if snapshot.live else list(_implied(snapshot, tenancy, openshift=openshift))
    added.extend(Manifest(body, BUILT_IN) for body in made_by_itself(snapshot, tenancy))
    both = type(snapshot)([*added, *snapshot], live=snapshot.live)
    return both.plus(_labelled(item) for item in both.of("", "Namespace"))


def _implied(snapshot: Snapshot, tenancy: Tenancy, *, openshift: bool) -> Iterator[Manifest]:
    for body in default_objects(openshift=openshift):
        yield Manifest(body, BUILT_IN)
    system = (*SYSTEM_NAMESPACES, *(OPENSHIFT_NAMESPACES if openshift else ()))
    owned = (name for tenant in tenancy.tenants for name in tenant.namespaces)
    for name in sorted({*snapshot.namespaces, *system, *tenancy.platform, *owned}):
        yield Manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, BUILT_IN)
        account = {"name": "default", "namespace": name}
        yield Manifest({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}, BUILT_IN)
    yield from _runtime_classes(snapshot)


def _labelled(namespace: Manifest) -> Manifest:
    metadata = mapping(namespace.body.get("metadata"))
    labels = {**mapping(metadata.get("labels")), NAME_LABEL: namespace.key.name}
    body: Body = {**namespace.body, "metadata": {**metadata, "labels": labels}}
    return Manifest(body, namespace.location, namespace.document, namespace.pointer)


def _runtime_classes(snapshot: Snapshot) -> Iterator[Manifest]:
    """Yield the runtime classes the NVIDIA GPU Operator makes unless devices are injected by NRI.

    Source: NVIDIA gpu-operator, ``controllers/object_controls.go`` and ``cdi.rst``.
    """
    for item in snapshot.of("nvidia.com", "ClusterPolicy"):
        spec = mapping(item.body.get("spec"))
        if mapping(spec.get("cdi")).get("nriPluginEnabled") is True:
            continue
        named = mapping(spec.get("operator")).get("runtimeClass")
        own = named if isinstance(named, str) and named else RUNTIME_CLASSES[0]
        for name in (own, *RUNTIME_CLASSES[1:]):
            metadata = {"name": name}
            yield Manifest(
                {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": name},
                BUILT_IN,
            )
