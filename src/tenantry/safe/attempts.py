"""Trying objects as a tenant would: has it the right to write them, and does admission let them in?

An attempt holds the whole manifest, so what is let in is a counterexample somebody could apply. Pods about which only
admission decides are tried by :mod:`tenantry.safe.devices.probes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.manifest import key_of
from tenantry.safe.answer import Answer
from tenantry.safe.becoming import FIXED, dropped, never_becomes, whole
from tenantry.safe.other_hosts import PLURALS
from tenantry.safe.powers import pod_makers
from tenantry.safe.refusals import about_body, about_kind, unless_more_is_said
from tenantry.safe.ruling import Outcome, admission_missing
from tenantry.safe.shapes import neutral, shapes_of
from tenantry.safe.writing import before

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.model.manifest import Body
    from tenantry.safe.becoming import Path
    from tenantry.safe.view import Admission, Right, View

PROBE = "probe"
"""Name of every object that is tried."""

# Plurals that are not the kind in lower case with an s.
_PLURALS = {
    "Ingress": "ingresses",
    "NetworkPolicy": "networkpolicies",
    "Endpoints": "endpoints",
    **PLURALS,
}

_CHANGES = (("update", "UPDATE"), ("patch", "UPDATE"), ("delete", "DELETE"), ("deletecollection", "DELETE"))

MOST_EXISTING = 3
"""Objects of a kind in a namespace that are tried to be changed."""

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
        old: the object before, where one is changed into another.
    """

    namespace: str
    body: Body
    operation: str
    right: Right
    admission: Admission
    old: Body | None = None

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
        before = () if self.old is None else (("before", self.old),)
        details = (("manifest", self.body), ("operation", self.operation), *before)
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
    _parts: dict[tuple[str, str], tuple[Path, ...] | None] = field(default_factory=dict)

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

    def create(
        self, tenant: str, namespace: str, body: Body, *, exact: bool = False, named: bool = False
    ) -> Attempt | None:
        """Try to create an object, or to change one into it where that is refused; None without the right to.

        Its namespace is filled in.

        Args:
            tenant: who creates it.
            namespace: where.
            body: the object.
            exact: whether it means something by what its spec leaves out.
            named: whether it means something by its name.
        """
        key = key_of(body)
        if (key.group, key.kind) == ("", "Pod"):
            right = self.pods(tenant, namespace)
        else:
            right = self.right(tenant, "create", key.group, plural(body), namespace)
        made = None if right is None else self._attempt(namespace, body, "CREATE", right, exact=exact, named=named)
        if made is not None and not made.admission.refused:
            return made
        return most(
            [
                item
                for item in (made, *self._becoming(tenant, namespace, body, exact=exact, named=named))
                if item is not None
            ]
        )

    def change(self, tenant: str, namespace: str, body: Body) -> Attempt | None:
        """Try to change, then to delete an object that exists; None without a right to either."""
        return self._alter(tenant, namespace, body, _CHANGES)

    def delete(self, tenant: str, namespace: str, body: Body) -> Attempt | None:
        """Try to delete an object that exists; None without a right to."""
        return self._alter(tenant, namespace, body, _CHANGES[2:])

    def _alter(self, tenant: str, namespace: str, body: Body, changes: Iterable[tuple[str, str]]) -> Attempt | None:
        key = key_of(body)
        tried: list[Attempt] = []
        for verb, operation in changes:
            right = self.right(tenant, verb, key.group, plural(body), namespace, name=key.name)
            if right is not None and not any(item.operation == operation for item in tried):
                tried.append(self._attempt(namespace, body, operation, right))
        return most(tried)

    def _becoming(self, tenant: str, namespace: str, body: Body, *, exact: bool, named: bool) -> Iterator[Attempt]:
        """Yield attempts to change an object that is there, or one that may be made, into what may not be made."""
        key = key_of(body)
        rights = (self.right(tenant, verb, key.group, plural(body), namespace) for verb in ("update", "patch"))
        right = next((item for item in rights if item is not None), None)
        parts = () if right is None else self._parts_to_add(namespace, body, exact=exact, named=named)
        if right is None or parts is None:
            return
        there = [item.body for item in self.view.snapshot.within(namespace) if item.key.kind == key.kind]
        meant = [item for item in there if not right.names or item["metadata"]["name"] in right.names]
        name = right.names[0] if right.names else key.name
        made_up = [_called(dropped(body, path), name) for path in parts] or [_called(before(body), name)]
        for old in (*(() if key.kind in FIXED else meant[:MOST_EXISTING]), *made_up):
            change = _called(body, old["metadata"]["name"])
            found = self._attempt(namespace, change, "UPDATE", right, old=old)
            if found.admission.refused:
                found = replace(found, admission=unless_more_is_said(found.admission))
            elif found.admission.admitted and old not in meant and not self._can_be_there(tenant, namespace, old):
                how = f"let admission refuse changes of {plural(body)} as it refuses them being made"
                missing = (Missing(f"which {plural(body)} there are in {namespace}", how),)
                found = replace(found, admission=replace(found.admission, answer=Answer.UNKNOWN, missing=missing))
            yield found

    def _parts_to_add(self, namespace: str, body: Body, *, exact: bool, named: bool) -> tuple[Path, ...] | None:
        """Return parts of an object that a change may bring in; None where it is known that none does."""
        owner = self.view.tenancy.owner(namespace) or ""
        key = (shapes_of(self.view).of(namespace), f"{neutral(repr(body), owner, namespace)}{exact}{named}")
        if key not in self._parts:
            envelope = self.view.envelope(namespace)
            placed = _called({**body, "metadata": {**body.get("metadata", {}), "namespace": namespace}}, PROBE)
            refused = whole(envelope, placed, about_body(placed, exact=exact, named=named).known)
            self._parts[key] = None if never_becomes(envelope, placed, refused) else refused.added
        return self._parts[key]

    def _can_be_there(self, tenant: str, namespace: str, body: Body) -> bool:
        """Whether a tenant may make an object."""
        key = key_of(body)
        right = self.right(tenant, "create", key.group, plural(body), namespace)
        return right is not None and self._attempt(namespace, body, "CREATE", right).admission.admitted

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

    def _attempt(
        self,
        namespace: str,
        body: Body,
        operation: str,
        right: Right,
        *,
        exact: bool = False,
        named: bool = False,
        old: Body | None = None,
    ) -> Attempt:
        placed = {**body, "metadata": {**body.get("metadata", {}), "namespace": namespace}}
        # What is refused in one namespace is refused in every other of its shape.
        owner = self.view.tenancy.owner(namespace) or ""
        told = neutral(repr((placed, old)), owner, namespace)
        key = (shapes_of(self.view).of(namespace), operation, f"{told}{exact}{named}")
        admission = self._refused.get(key)
        if admission is None:
            if operation == "CREATE":
                about = partial(about_body, placed, exact=exact, named=named)
            elif old is not None:
                about = None
            else:
                about = partial(about_kind, placed, operation=operation, named=True)
            admission = self.view.envelope(namespace).admits(placed, operation=operation, old=old, about=about)
            if admission.refused:
                self._refused[key] = admission
        return Attempt(namespace, placed, operation, right, admission, old)


def _called(body: Body, name: str) -> Body:
    return {**body, "metadata": {**body.get("metadata", {}), "name": name}}


def most(tried: Sequence[Attempt]) -> Attempt | None:
    """Return the attempt that says most: one let in, else one that cannot be decided, else one refused."""
    admitted = (item for item in tried if item.admission.admitted)
    undecided = (item for item in tried if not item.admission.refused)
    return next(admitted, None) or next(undecided, None) or (tried[0] if tried else None)


def plural(body: Body) -> str:
    """Return the plural name of an object's kind."""
    kind = key_of(body).kind
    return _PLURALS.get(kind) or f"{kind.lower()}s"
