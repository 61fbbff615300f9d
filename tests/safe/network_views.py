"""Views of generated clusters for tests of the pod network: rights are listed, admission lets everything in."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from naive_network import WORKLOADS

from tenantry.model.claim import Step
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Permission, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.labels import LabelChange
from tenantry.safe.view import PodTemplate, Principal, Right, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Body = dict[str, Any]

OVN: dict[str, str | bool] = {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True}


class Everything:
    """Admission that refuses what it is told to."""

    def __init__(self, namespace: str = "", refused: Iterable[str] = ()) -> None:
        self.namespace = namespace
        self.refused = frozenset(refused)

    def pod_guards(self) -> tuple[()]:
        return ()

    def admits(self, body: Body, **_: Any) -> Admission:
        refused = body["kind"] in self.refused
        return Admission(Answer.REFUSED if refused else Answer.ADMITTED)


class ListedView(View):
    """A view whose rights are a list of tenant, verb, resource and namespace (empty: everywhere)."""

    rights: frozenset[tuple[str, str, str, str]]
    refused: frozenset[str]

    @cached_property
    def _templates(self) -> dict[str, list[PodTemplate]]:
        found: dict[str, list[PodTemplate]] = {}
        for manifest in self.snapshot:
            body = manifest.body
            namespace = manifest.key.namespace or "default"
            if manifest.key.kind == "Pod":
                template = PodTemplate(manifest, ("spec",), body)
            elif manifest.key.kind in WORKLOADS:
                inner = body["spec"]["template"]
                pod = {"metadata": {**inner.get("metadata", {}), "namespace": namespace}, "spec": inner["spec"]}
                template = PodTemplate(manifest, ("spec", "template", "spec"), pod)
            else:
                continue
            found.setdefault(self.tenancy.owner(namespace) or "", []).append(template)
        return found

    def tenant_pods(self, tenant: str) -> tuple[PodTemplate, ...]:
        return tuple(self._templates.get(tenant, ()))

    def may(  # noqa: PLR0917 - as the view has it
        self, tenant: str, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
    ) -> Right | None:
        del name
        for place in dict.fromkeys((namespace, "")):
            if (tenant, verb, resource, place) in self.rights:
                who = Principal("Group", tenant)
                steps = (Step(f"Group {tenant} may {verb} {resource}"),)
                return Right(who, verb, group, resource, namespace, (), steps, Requester(tenant))
        return None

    def reach(self, tenant: str) -> Any:
        spaces = tuple(sorted({place for name, _, _, place in self.rights if name == tenant}))

        def every(verb: str, group: str, resource: str, namespace: str) -> Iterator[Right]:
            right = self.may(tenant, verb, group, resource, namespace)
            yield from () if right is None else (right,)

        return SimpleNamespace(rights=SimpleNamespace(namespaces=spaces, every=every))

    @cached_property
    def labels(self) -> Any:
        def settable(tenant: str, namespace: str, label: str, value: str = "x") -> LabelChange | None:
            right = self.may(tenant, "patch", "", "namespaces", namespace)
            if right is None:
                return None
            body = {"kind": "Namespace", "metadata": {"name": namespace, "labels": {label: value}}}
            said = self.envelope("").admits(body)
            return None if said.refused else LabelChange(namespace, label, value, right, said, body)

        return SimpleNamespace(settable=settable, removable=settable)

    def envelope(self, namespace: str) -> Any:
        return Everything(namespace, self.refused)

    def trusted_namespace_labels(self, tenant: str) -> bool:
        return not any(name == tenant and kind == "namespaces" for name, _, kind, _ in self.rights)


def view(
    bodies: Iterable[Body],
    tenants: Mapping[str, Iterable[str]],
    *,
    strength: Strength = Strength.ADVERSARIAL,
    facts: Mapping[str, str | bool] | None = None,
    rights: Iterable[tuple[str, str, str, str]] = (),
    permissions: Iterable[Permission] = (),
    refused: Iterable[str] = (),
) -> ListedView:
    """Return a view of objects; tenants are given with their namespaces, the rest belongs to the platform."""
    snapshot = Snapshot([Manifest(body, Location("cluster.yaml")) for body in bodies])
    owned = {namespace for names in tenants.values() for namespace in names}
    tenancy = Tenancy(
        tuple(TenantIdentity(name, tuple(sorted(names))) for name, names in sorted(tenants.items())),
        frozenset(set(snapshot.namespaces) - owned),
    )
    signed = {
        name: SignedFact(name, value, "seen", "Grace") for name, value in (OVN if facts is None else facts).items()
    }
    found = ListedView(snapshot, tenancy, Declared(permissions=tuple(permissions), facts=signed), strength)
    found.rights = frozenset(rights)
    found.refused = frozenset(refused)
    return found
