"""Who may change labels of namespaces: Pod Security, every selector of namespaces and most guards rest on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.admission import mapping
from tenantry.safe.pod_security import ENFORCE, PRIVILEGED
from tenantry.safe.rbac import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body
    from tenantry.safe.answer import Admission
    from tenantry.safe.identity import Right
    from tenantry.safe.view import View

# Labels by which a namespace leaves a guard or takes on an identity, with a value that does so.
CRITICAL = (
    (ENFORCE, PRIVILEGED),
    ("openshift.io/run-level", "0"),
    ("policy-group.network.openshift.io/ingress", ""),
    ("policy-group.network.openshift.io/host-network", ""),
    ("network.openshift.io/policy-group", "ingress"),
    ("k8s.ovn.org/primary-user-defined-network", ""),
    ("resource.kubernetes.io/admin-access", "true"),
    ("resource.k8s.io/admin-access", "true"),
)

_RESOURCES = (("namespaces", ""), ("namespaces/status", "status"), ("namespaces/finalize", "finalize"))
_VERBS = ("update", "patch")
_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A change of a namespace's labels that a tenant has a right to and admission does not refuse for certain.

    Attributes:
        namespace: the namespace.
        key: the label.
        value: what it becomes; None when it is removed.
        right: the right used.
        admission: admitted, or unknown.
        body: the namespace as it would be submitted.
    """

    namespace: str
    key: str
    value: str | None
    right: Right
    admission: Admission
    body: Body


class LabelRights:
    """Answers who may change labels of which namespace, each question asked once."""

    def __init__(self, view: View) -> None:
        """Take objects, rights and admission from a view."""
        self._view = view
        self._any: dict[str, bool] = {}
        self._changes: dict[tuple[str, str], LabelChange | None] = {}

    def change(self, tenant: str, namespace: str) -> LabelChange | None:
        """Return the first change of labels of a namespace that is let in, else the first that may be, else None."""
        if not self._has_any_right(tenant):
            return None
        key = (tenant, namespace)
        if key not in self._changes:
            self._changes[key] = self._change(tenant, namespace)
        return self._changes[key]

    def settable(self, tenant: str, namespace: str, label: str, value: str = "x") -> LabelChange | None:
        """Return how a tenant can give a namespace a label, or None when it cannot."""
        if not self._has_any_right(tenant):
            return None
        return self._first(tenant, namespace, [(label, value)])

    def removable(self, tenant: str, namespace: str, label: str) -> LabelChange | None:
        """Return how a tenant can take a label from a namespace, or None when it cannot."""
        if not self._has_any_right(tenant):
            return None
        return self._first(tenant, namespace, [(label, None)])

    def _has_any_right(self, tenant: str) -> bool:
        if tenant not in self._any:
            rights = self._view.base_rights(tenant)
            self._any[tenant] = any(
                rights.find(verb, "", resource, "") is not None for resource, _ in _RESOURCES for verb in _VERBS
            )
        return self._any[tenant]

    def _change(self, tenant: str, namespace: str) -> LabelChange | None:
        manifest = self._view.snapshot.get("", "Namespace", namespace)
        present = sorted(labels_of(manifest.body).items()) if manifest else []
        changes: list[tuple[str, str | None]] = [*CRITICAL]
        for key, value in present:
            if key != _NAME:
                changes.extend(((key, None), (key, f"{value[:60]}-x")))
        return self._first(tenant, namespace, [item for item in changes if item not in present])

    def _first(self, tenant: str, namespace: str, changes: list[tuple[str, str | None]]) -> LabelChange | None:
        unknown: LabelChange | None = None
        for resource, subresource in _RESOURCES:
            for right in self._rights(tenant, resource, namespace):
                for key, value in changes:
                    found = self._try(namespace, key, value, right, subresource)
                    if found is not None and found.admission.admitted:
                        return found
                    unknown = unknown or found
        return unknown

    def _rights(self, tenant: str, resource: str, namespace: str) -> Iterator[Right]:
        rights = self._view.base_rights(tenant)
        seen = set()
        for verb in _VERBS:
            for right in rights.every(verb, "", resource, namespace, namespace):
                if right.requester not in seen:
                    seen.add(right.requester)
                    yield right

    def _try(self, namespace: str, key: str, value: str | None, right: Right, subresource: str) -> LabelChange | None:
        manifest = self._view.snapshot.get("", "Namespace", namespace)
        old: Body = manifest.body if manifest else _bare(namespace)
        metadata = mapping(old.get("metadata"))
        labels = {name: item for name, item in labels_of(old).items() if name != key}
        if value is not None:
            labels[key] = value
        body = {**old, "metadata": {**metadata, "labels": labels}}
        admission = self._view.envelope("").admits(
            body, operation="UPDATE", user=right.requester, old=old, subresource=subresource
        )
        return None if admission.refused else LabelChange(namespace, key, value, right, admission, body)


def _bare(namespace: str) -> Body:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {_NAME: namespace}}}
