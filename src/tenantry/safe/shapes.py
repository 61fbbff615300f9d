"""Namespaces of a tenant that differ in nothing but their name, so that trying things in one of them is enough.

Compared are labels, annotations, and the objects inside that say what may be done there, each with the name of the
namespace taken out. A namespace that some policy or webhook mentions by name is never taken for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tenantry.safe.reading import annotations_of, at, labels_of, text

if TYPE_CHECKING:
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

_KINDS = frozenset({"RoleBinding", "Role", "ServiceAccount", "ResourceQuota", "LimitRange", "LocalQueue"})

# Words for people and for the tools that apply objects. Policies that read one of them make it count.
_DESCRIPTIVE = (
    "openshift.io/description",
    "openshift.io/display-name",
    "openshift.io/requester",
    "kubernetes.io/metadata.name",
    "kubectl.kubernetes.io/last-applied-configuration",
    "argocd.argoproj.io/",
)

_POLICIES = (
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
)

_KNOWN: WeakKeyDictionary[View, dict[str, tuple[str, ...]]] = WeakKeyDictionary()


def policy_text(view: View) -> str:
    """Return the words of all admission policies, of webhooks, and of the objects policies take as parameters."""
    parts: list[str] = []
    for manifest in view.snapshot.of("admissionregistration.k8s.io", *_POLICIES):
        parts.append(repr({key: value for key, value in manifest.body.items() if key != "metadata"}))
        group = text(manifest.body, "spec", "paramKind", "apiVersion").rpartition("/")[0]
        kind = text(manifest.body, "spec", "paramKind", "kind")
        parts.extend(repr(item.body) for item in (view.snapshot.of(group, kind) if kind else ()))
    return "\n".join(parts)


def representatives(view: View, tenant: TenantIdentity) -> tuple[str, ...]:
    """Return namespaces of a tenant, one of each shape, the first by name."""
    found = _KNOWN.get(view)
    if found is None:
        words = policy_text(view)
        found = _KNOWN[view] = {item.name: _first_of_each(view, item, words) for item in view.tenants}
    return found[tenant.name]


def _first_of_each(view: View, tenant: TenantIdentity, words: str) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for namespace in tenant.namespaces:
        first.setdefault(_shape(view, namespace, words), namespace)
    return tuple(first.values())


def _shape(view: View, namespace: str, words: str) -> str:
    if namespace in words:
        return namespace
    home = view.snapshot.get("", "Namespace", namespace)
    body = home.body if home else None
    parts: list[object] = [
        sorted((key, value) for key, value in source.items() if key in words or not key.startswith(_DESCRIPTIVE))
        for source in (labels_of(body), annotations_of(body))
    ]
    for manifest in view.snapshot.within(namespace):
        if manifest.key.kind in _KINDS:
            inside = {key: value for key, value in manifest.body.items() if key not in {"metadata", "status"}}
            parts.append((manifest.key.kind, manifest.key.name, at(manifest.body, "metadata", "labels"), inside))
    return repr(parts).replace(namespace, "\0")
