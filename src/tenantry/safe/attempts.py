"""Trying objects as a tenant would: has it the right to write them, and does admission let them in?

An attempt holds the whole manifest, so what is let in is a counterexample somebody could apply. Pods about which only
admission decides are tried by :mod:`tenantry.safe.devices.probes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tenantry.model.claim import Step, Witness
from tenantry.model.manifest import key_of
from tenantry.safe.devices.ruling import Outcome, admission_missing
from tenantry.safe.powers import pod_makers
from tenantry.safe.refusals import about_body, about_kind
from tenantry.safe.shapes import neutral, shapes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.manifest import Body
    from tenantry.safe.view import Admission, Right, View

PROBE = "probe"
"""Name of every object that is tried."""

# Plurals that are not the kind in lower case with an s.
_PLURALS = {"Ingress": "ingresses", "Gateway": "gateways", "NetworkPolicy": "networkpolicies", "Endpoints": "endpoints"}

_CHANGES = (("update", "UPDATE"), ("patch", "UPDATE"), ("delete", "DELETE"), ("deletecollection", "DELETE"))

_DONE = {"CREATE": "lets in", "UPDATE": "lets change", "DELETE": "lets delete"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something a tenant has the right to do, and what admission says to it.

    Attributes:
        namespace: where.
        body: the whole manifest.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
        right: the right it uses.
        admission: what admission says.
    """

    namespace: str
    body: Body
    operation: str
    right: Right
    admission: Admission

    def witness(self, summary: str, steps: Iterable[Step] = (), assumes: Sequence[str] = ()) -> Witness:
        """Return the witness of an attempt that is let in.

        Args:
            summary: one line.
            steps: what follows from it.
            assumes: facts taken for granted.
        """
        kind = key_of(self.body).kind
        let_in = Step(
            f"admission {_DONE[self.operation]} the {kind}",
            missing=f"no admission guard of namespace {self.namespace} refuses this {kind}",
        )
        details = (("manifest", self.body), ("operation", self.operation))
        return Witness((*self.right.steps, let_in, *steps), summary, details, tuple(assumes))

    def outcome(self, summary: str, fix: str, steps: Iterable[Step] = (), assumes: Sequence[str] = ()) -> Outcome:
        """Return what follows from the attempt: broken when let in, open when that is not known, else safe."""
        if self.admission.admitted:
            return Outcome.broken(self.witness(summary, steps, assumes), fix)
        if self.admission.refused:
            return Outcome.safe(f"{self.admission.by or 'admission'} refuses it in {self.namespace}")
        return Outcome.open(*admission_missing(self.admission, self.namespace))


@dataclass
class Attempts:
    """Tries objects in the name of tenants and remembers which rights they have.

    Attributes:
        view: the objects, who owns what, rights and admission.
    """

    view: View
    _rights: dict[tuple[str, str, str, str, str, str], Right | None] = field(default_factory=dict)
    _refused: dict[tuple[str, str, str], Admission] = field(default_factory=dict)
    _pods: dict[tuple[str, str], Right | None] = field(default_factory=dict)

    def right(
        self, tenant: str, verb: str, group: str, resource: str, namespace: str = "", *, name: str = ""
    ) -> Right | None:
        """Return a right of a tenant as :meth:`View.may` does, asking once."""
        key = (tenant, verb, group, resource, namespace, name)
        if key not in self._rights:
            self._rights[key] = self.view.may(tenant, verb, group, resource, namespace, name)
        return self._rights[key]

    def pods(self, tenant: str, namespace: str) -> Right | None:
        """Return a right by which a tenant can bring pods into being in a namespace."""
        key = (tenant, namespace)
        if key not in self._pods:
            rights = (
                self.right(tenant, verb, group, resource, namespace)
                for group, resource, verbs in pod_makers()
                for verb in verbs
            )
            self._pods[key] = next((right for right in rights if right is not None), None)
        return self._pods[key]

    def writes(self, tenant: str, group: str, resource: str, namespace: str = "", name: str = "") -> Right | None:
        """Return a right to create, change or delete objects of a kind."""
        created = self.right(tenant, "create", group, resource, namespace, name=name)
        return created or self.alters(tenant, group, resource, namespace, name)

    def alters(self, tenant: str, group: str, resource: str, namespace: str = "", name: str = "") -> Right | None:
        """Return a right to change or delete objects of a kind that exist."""
        for verb in ("update", "patch", "delete", "deletecollection"):
            found = self.right(tenant, verb, group, resource, namespace, name=name)
            if found is not None:
                return found
        return None

    def create(self, tenant: str, namespace: str, body: Body, *, exact: bool = False) -> Attempt | None:
        """Try to create an object, whose namespace is filled in; None without the right to.

        Args:
            tenant: who creates it.
            namespace: where.
            body: the object.
            exact: whether it means something by what its spec leaves out.
        """
        key = key_of(body)
        if (key.group, key.kind) == ("", "Pod"):
            right = self.pods(tenant, namespace)
        else:
            right = self.right(tenant, "create", key.group, plural(body), namespace)
        return None if right is None else self._attempt(namespace, body, "CREATE", right, exact=exact)

    def change(self, tenant: str, namespace: str, body: Body) -> Attempt | None:
        """Try to change, then to delete an object that exists; None without a right to either."""
        key = key_of(body)
        tried: list[Attempt] = []
        for verb, operation in _CHANGES:
            right = self.right(tenant, verb, key.group, plural(body), namespace, name=key.name)
            if right is not None and not any(item.operation == operation for item in tried):
                tried.append(self._attempt(namespace, body, operation, right))
        return most(tried)

    def first(self, tenant: str, namespace: str, bodies: Iterable[Body], *, exact: bool = False) -> Attempt | None:
        """Try to create objects in order until one is let in; None without a right to create any of them."""
        tried: list[Attempt] = []
        for body in bodies:
            found = self.create(tenant, namespace, body, exact=exact)
            if found is not None:
                tried.append(found)
                if found.admission.admitted:
                    break
        return most(tried)

    def _attempt(self, namespace: str, body: Body, operation: str, right: Right, *, exact: bool = False) -> Attempt:
        placed = {**body, "metadata": {**body.get("metadata", {}), "namespace": namespace}}
        # What is refused in one namespace is refused in every other of its shape.
        owner = self.view.tenancy.owner(namespace) or ""
        key = (shapes_of(self.view).of(namespace), operation, f"{neutral(repr(placed), owner, namespace)}{exact}")
        admission = self._refused.get(key)
        if admission is None:
            create = operation == "CREATE"
            about = (
                partial(about_body, placed, exact=exact) if create else partial(about_kind, placed, operation=operation)
            )
            admission = self.view.envelope(namespace).admits(placed, operation=operation, about=about)
            if admission.refused:
                self._refused[key] = admission
        return Attempt(namespace, placed, operation, right, admission)


def most(tried: Sequence[Attempt]) -> Attempt | None:
    """Return the attempt that says most: one let in, else one that cannot be decided, else one refused."""
    admitted = (item for item in tried if item.admission.admitted)
    undecided = (item for item in tried if not item.admission.refused)
    return next(admitted, None) or next(undecided, None) or (tried[0] if tried else None)


def plural(body: Body) -> str:
    """Return the plural name of an object's kind."""
    kind = key_of(body).kind
    return _PLURALS.get(kind) or f"{kind.lower()}s"
