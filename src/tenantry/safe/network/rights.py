"""Who may undo network policies: rights to write them, which admission does not refuse."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.claim import Missing, Step
from tenantry.safe.network.walk import Opening
from tenantry.safe.writing import Writing, writings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Manifest
    from tenantry.safe.view import View

NETWORKING: Final = "networking.k8s.io"
ADMIN: Final = "policy.networking.k8s.io"

_WRITES: Final = ("create", "update", "patch")
_REMOVES: Final = ("delete", "deletecollection")
_ADMIN_KINDS: Final = (
    ("AdminNetworkPolicy", "adminnetworkpolicies"),
    ("ClusterNetworkPolicy", "clusternetworkpolicies"),
)
_BASELINE_KINDS: Final = (("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"),)


class Openings:
    """Answers who may open network policies, each question asked once."""

    def __init__(self, view: View) -> None:
        """Take rights and admission from a view."""
        self._view = view
        self.namespace = cache(self._namespace)
        self.admin = cache(self._admin)
        self.baseline = cache(self._baseline)
        self._there = cache(lambda group, kind: _names_by_namespace(view.snapshot.of(group, kind)))

    @cached_property
    def holders(self) -> dict[str, tuple[str, ...]]:
        """Tenants that may open the network policies of a namespace, per namespace where there are any."""
        found: dict[str, list[str]] = {}
        owned = self._view.tenancy.owners
        for tenant in self._view.tenants:
            # A right that holds in no namespace by name holds in all of them or in none.
            wide = any(
                self._view.may(tenant.name, verb, NETWORKING, "networkpolicies") for verb in (*_WRITES, *_REMOVES)
            )
            granted = self._view.reach(tenant.name).rights.namespaces
            for namespace in sorted(owned) if wide else granted:
                if namespace in owned and self.namespace(tenant.name, namespace):
                    found.setdefault(namespace, []).append(tenant.name)
        return {namespace: tuple(names) for namespace, names in found.items()}

    def _namespace(self, tenant: str, namespace: str) -> Opening | None:
        """Say how a tenant may open the network policies of a namespace, or None."""
        return self._opening(tenant, "networkpolicies", namespace, _policy(namespace))

    def _admin(self, tenant: str) -> Opening | None:
        """Say how a tenant may open the admin tier, or None."""
        found = (self._opening(tenant, plural, "", _cluster_policy(kind)) for kind, plural in _ADMIN_KINDS)
        return next((opening for opening in found if opening), None)

    def _baseline(self, tenant: str) -> Opening | None:
        """Say how a tenant may open the baseline tier, or None."""
        found = (self._opening(tenant, plural, "", _cluster_policy(kind)) for kind, plural in _BASELINE_KINDS)
        return next((opening for opening in found if opening), None) or self.admin(tenant)

    def _opening(self, tenant: str, resource: str, namespace: str, body: dict[str, Any]) -> Opening | None:
        group = body["apiVersion"].partition("/")[0]
        there = self._there(group, body["kind"]).get(namespace, set())
        rights, envelope = self._view.reach(tenant).rights, self._view.envelope(namespace)
        doubtful: Opening | None = None
        for way in writings(rights, envelope, body, (group, resource), (*_WRITES, *_REMOVES)):
            found = _by(way, there)
            if found is not None and not found.needs:
                return found
            doubtful = doubtful or found
        return doubtful


def _names_by_namespace(items: Iterable[Manifest]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.key.namespace, set()).add(item.key.name)
    return found


def _by(way: Writing, there: set[str]) -> Opening | None:
    """Say how somebody opens network policies in one way, or None; ``there`` are the names of those there are."""
    right, said = way.right, way.admission
    named = set(right.names)
    if said.refused or (way.operation != "CREATE" and not (there & named if named else there)):
        return None
    needs = () if said.admitted else said.missing
    removes = way.operation == "DELETE"
    if removes and named and not there <= named:
        how = f"take {right.verb} of {right.resource} from the tenant: it holds for some network policies only"
        needs = (*needs, Missing(f"{right.resource} without {', '.join(right.names)}", how))
    what = "removes those there are" if removes else "writes one that allows everything"
    where = f" in namespace {right.namespace}" if right.namespace else ""
    step = Step(f"may {right.verb} {right.resource}{where} and {what}")
    return Opening((*right.steps, step), needs, removes)


def _policy(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{NETWORKING}/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
    }


def _cluster_policy(kind: str) -> dict[str, Any]:
    subject: dict[str, Any] = {"namespaces": {}}
    if kind == "ClusterNetworkPolicy":
        rule: dict[str, Any] = {"action": "Accept", "from": [{"namespaces": {}}]}
        spec = {"tier": "Admin", "priority": 0, "subject": subject, "ingress": [rule]}
        return {"apiVersion": f"{ADMIN}/v1alpha2", "kind": kind, "metadata": {"name": "open"}, "spec": spec}
    spec = {"subject": subject, "ingress": [{"action": "Allow", "from": [{"namespaces": {}}]}]}
    if kind == "AdminNetworkPolicy":
        spec["priority"] = 0
    name = "default" if kind == "BaselineAdminNetworkPolicy" else "open"
    return {"apiVersion": f"{ADMIN}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
