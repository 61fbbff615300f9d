"""What every channel looks at: the objects, implicit ones included, who owns what, and analyses made on demand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.catalog.facts import fact_definitions
from tenantry.model.claim import Missing, Step
from tenantry.model.tenancy import Declared, Strength, Tenancy, TenantIdentity

if TYPE_CHECKING:
    from tenantry.model.manifest import Body, Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot


class Answer(StrEnum):
    """What admission says about an object."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an object would be let in.

    Attributes:
        answer: what is known.
        by: the object that refuses it, or that nobody can look into; None when admitted.
        pointer: the place in ``by`` that decides.
        reason: why, in one line.
        missing: what would decide an unknown answer.
    """

    answer: Answer
    by: ManifestKey | None = None
    pointer: DocPath = ()
    reason: str = ""
    missing: tuple[Missing, ...] = ()

    @property
    def admitted(self) -> bool:
        """Whether it is known to be let in."""
        return self.answer is Answer.ADMITTED

    @property
    def refused(self) -> bool:
        """Whether it is known to be refused."""
        return self.answer is Answer.REFUSED


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A subject of RBAC: ``kind`` is ``User``, ``Group`` or ``ServiceAccount``; only the last has a namespace."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks the API server: a user name with its groups, as ``request.userInfo`` has them."""

    username: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Right:
    """A right some principal of a tenant has, and the objects that give it.

    Attributes:
        principal: who has it.
        verb: the verb asked about.
        group: API group.
        resource: plural name, with subresource where asked: ``pods/exec``.
        namespace: namespace it holds in; empty when it holds in all (or for cluster-scoped kinds).
        names: the only object names it holds for; empty when it holds for all.
        steps: how the principal is reached and which binding, role and rule give the right.
    """

    principal: Principal
    verb: str
    group: str
    resource: str
    namespace: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A pod, or what a controller makes pods from.

    Attributes:
        owner: the object that holds it.
        pointer: where in that object the pod's spec is.
        body: a pod with its metadata, namespace included, and spec.
    """

    owner: Manifest
    pointer: DocPath
    body: Body


class Envelope:
    """What admission lets into one namespace."""

    def admits(self, body: Body, *, operation: str = "CREATE", user: Requester | None = None) -> Admission:
        """Say whether an object would be let in.

        Args:
            body: a Pod or any other object; its namespace is filled in.
            operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
            user: who asks; None for every way the tenant has: its members, its service accounts, and for pods the
                controllers that make them from templates. Then it is admitted if one of them is let in.
        """
        raise NotImplementedError


class View:
    """The objects and everything channels share; nothing in it changes.

    Attributes:
        snapshot: the objects, implicit ones included.
        given: the objects as they came.
        tenancy: who owns what.
        declared: exceptions and signed facts.
        strength: what proofs quantify over.
    """

    def __init__(
        self, snapshot: Snapshot, tenancy: Tenancy, declared: Declared, strength: Strength = Strength.ADVERSARIAL
    ) -> None:
        self.given = snapshot
        self.snapshot = snapshot
        self.tenancy = tenancy
        self.declared = declared
        self.strength = strength

    @property
    def tenants(self) -> tuple[TenantIdentity, ...]:
        """Tenants, by name."""
        return self.tenancy.tenants

    @cached_property
    def distribution_openshift(self) -> bool:
        """Whether kinds that only OpenShift has are among the objects."""
        raise NotImplementedError

    def signed(self, fact_id: str) -> bool | None:
        """Whether a signed fact proves isolation: True, False when its value does not, None when nobody signed it."""
        value = self.declared.fact(fact_id)
        if value is None:
            return None
        return any(item.id == fact_id and item.proves(value) for item in fact_definitions())

    def missing(self, fact_id: str) -> Missing:
        """Say how to supply a fact that is missing."""
        found = next((item for item in fact_definitions() if item.id == fact_id), None)
        if found is None:
            return Missing(fact_id, "")
        return Missing(fact_id, f"sign {fact_id} in a Facts document; it can be seen by: {found.seen}")

    def principals(self, tenant: str) -> tuple[Principal, ...]:
        """Return who acts for a tenant: its users and groups, service accounts of its namespaces, implied groups."""
        raise NotImplementedError

    def may(
        self, tenant: str, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
    ) -> Right | None:
        """Return the strongest right of this kind any principal of a tenant has or can come to have, or None.

        Args:
            tenant: name of the tenant.
            verb: ``get``, ``create``, ... or ``use``.
            group: API group; empty for the core group.
            resource: plural name, with subresource where meant: ``pods/exec``.
            namespace: namespace the object is in; empty asks about cluster-scoped kinds, or about all namespaces.
            name: name of the object; empty asks about any one name, and ``Right.names`` says which.
        """
        raise NotImplementedError

    def envelope(self, namespace: str) -> Envelope:
        """Return what admission lets into a namespace."""
        raise NotImplementedError

    def tenant_pods(self, tenant: str) -> tuple[PodTemplate, ...]:
        """Return the pods and pod templates in a tenant's namespaces, ordered by object."""
        raise NotImplementedError

    def trusted_namespace_labels(self, tenant: str) -> bool:
        """Whether a tenant cannot change labels of any namespace: RBAC gives no right to, or admission refuses it."""
        raise NotImplementedError
