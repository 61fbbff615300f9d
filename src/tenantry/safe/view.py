"""What every channel looks at: the objects, implicit ones included, who owns what, and analyses made on demand."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.catalog.facts import fact_definitions
from tenantry.model.claim import Missing
from tenantry.model.tenancy import Declared, Strength, Tenancy, TenantIdentity
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.envelope import Admitter, Envelope
from tenantry.safe.graph import Reach, Targets
from tenantry.safe.identity import Accounts, Identity, Principal, Right, Rights, identities
from tenantry.safe.implicit import is_openshift, with_implicit
from tenantry.safe.labels import LabelRights
from tenantry.safe.network.reach import PodNetwork
from tenantry.safe.pods import PodTemplate, addresses_of, plain_pod, templates_of
from tenantry.safe.rbac import RoleBook
from tenantry.safe.standing import Standing, settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.manifest import ManifestKey
    from tenantry.model.snapshot import Snapshot

__all__ = [
    "Admission",
    "Answer",
    "Envelope",
    "PodTemplate",
    "Principal",
    "Requester",
    "Right",
    "View",
    "plain_pod",
]


class View:
    """The objects and everything channels share; nothing in it changes but what is asked.

    Attributes:
        snapshot: the objects, implicit ones included.
        given: the objects as they came.
        tenancy: who owns what.
        declared: exceptions and signed facts.
        strength: what proofs quantify over.
        sources: tenants that channels decide about, as those who act; all stay in the objects, and as those who suffer.
            What is worked out once must not depend on it.
        spared: channels and sources of which only what is not proved is claimed, pair by pair; None where all is.
    """

    def __init__(
        self, snapshot: Snapshot, tenancy: Tenancy, declared: Declared, strength: Strength = Strength.ADVERSARIAL
    ) -> None:
        self.given = snapshot
        self.snapshot = with_implicit(snapshot, tenancy)
        self.tenancy = tenancy
        self.declared = declared
        self.strength = strength
        self.sources = tenancy.tenants
        self.spared: set[tuple[str, str]] | None = None
        self._base: dict[str, Rights] = {}
        self._reach: dict[str, Reach] = {}
        self._strengths: dict[Strength, View] = {strength: self}

    def at(self, strength: Strength) -> View:
        """Return the same objects at another strength; what does not depend on it is worked out once for both."""
        if strength not in self._strengths:
            # These are what a view at any strength has in common, and what is known of them by then.
            for shared in ("book", "accounts", "_identities", "targets", "standing", "_pods"):
                getattr(self, shared)
            other = copy(self)
            other.strength = strength
            other.__dict__.pop("pod_network", None)
            self._strengths[strength] = other
        self._strengths[strength].spared = self.spared
        self._strengths[strength].sources = self.sources
        return self._strengths[strength]

    @property
    def tenants(self) -> tuple[TenantIdentity, ...]:
        """Tenants, by name."""
        return self.tenancy.tenants

    @cached_property
    def distribution_openshift(self) -> bool:
        """Whether kinds that only OpenShift has are among the objects."""
        return is_openshift(self.given)

    # --- facts ----------------------------------------------------------------------------------------------------

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

    # --- identities and rights ------------------------------------------------------------------------------------

    @cached_property
    def book(self) -> RoleBook:
        """Roles and bindings."""
        return RoleBook(self.snapshot)

    @cached_property
    def accounts(self) -> Accounts:
        """Service accounts per namespace."""
        return Accounts(self.snapshot, self.book)

    @cached_property
    def _identities(self) -> dict[str, tuple[Identity, ...]]:
        openshift = self.distribution_openshift
        return {tenant.name: identities(tenant, self.accounts, openshift=openshift) for tenant in self.tenants}

    def identities(self, tenant: str) -> tuple[Identity, ...]:
        """Return who acts for a tenant from the start."""
        return self._identities[tenant]

    def principals(self, tenant: str) -> tuple[Principal, ...]:
        """Return who acts for a tenant: users, groups, service accounts of its namespaces, and what each is part of."""
        found = {identity.principal for identity in self.identities(tenant)}
        groups = {group for identity in self.identities(tenant) for group in identity.groups}
        return tuple(sorted(found | {Principal("Group", group) for group in groups}))

    def base_rights(self, tenant: str) -> Rights:
        """Return the rights bindings give a tenant today."""
        if tenant not in self._base:
            self._base[tenant] = Rights(self.book, self.identities(tenant))
        return self._base[tenant]

    @cached_property
    def targets(self) -> Targets:
        """Whom a scope concerns."""
        return Targets(self)

    def reach(self, tenant: str) -> Reach:
        """Return what a tenant can come to be and to do, with the shortest path to each."""
        if tenant not in self._reach:
            self._reach[tenant] = Reach(self, tenant)
        return self._reach[tenant]

    def may(  # noqa: PLR0917 - reads as a sentence: may this tenant, with this verb, ...
        self, tenant: str, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
    ) -> Right | None:
        """Return the strongest right of this kind any principal of a tenant has or can give itself, or None.

        Admission is not asked: ask the envelope with the object that would be written.

        Args:
            tenant: name of the tenant.
            verb: ``get``, ``create``, ... or ``use``.
            group: API group; empty for the core group.
            resource: plural name, with subresource where meant: ``pods/exec``.
            namespace: namespace the object is in; empty asks about cluster-scoped kinds, or about all namespaces.
            name: name of the object; empty asks about any one name, and ``Right.names`` says which.
        """
        return self.reach(tenant).rights.find(verb, group, resource, namespace, name)

    def unknown_roles(self, tenant: str) -> tuple[Missing, ...]:
        """Return what is missing to know a tenant's rights.

        These are the roles it is bound to that are not among the objects, and what admission says to those it would
        give itself.
        """
        doubtful = (item.admission for item in self.standing.gained[tenant] if not item.admission.refused)
        gains = tuple(dict.fromkeys(entry for said in doubtful for entry in said.missing))
        if self.snapshot.live:
            return gains
        found = {
            (entry.role, entry.binding)
            for identity in self.identities(tenant)
            for subject in identity.subjects
            for entry in self.book.dangling.get(subject, ())
        }
        roles = sorted({role: str(binding) for role, binding in sorted(found, reverse=True)}.items())
        missing = (
            Missing(
                f"what {kind} {f'{namespace}/' if namespace else ''}{name} allows",
                f"add the {kind}, to which {binding} refers, to the manifests",
            )
            for (kind, namespace, name), binding in roles
        )
        return (*missing, *gains)

    # --- admission ------------------------------------------------------------------------------------------------

    @cached_property
    def standing(self) -> Standing:
        """What tenants may do with what they can give themselves, and admission as it is for them."""
        return settled(self)

    @property
    def admitter(self) -> Admitter:
        """Everything admission knows."""
        return self.standing.admitter

    def envelope(self, namespace: str) -> Envelope:
        """Return what admission lets into a namespace; the empty name stands for objects outside namespaces."""
        return self.admitter.envelope(namespace)

    # --- network ---------------------------------------------------------------------------------------------------

    @cached_property
    def pod_network(self) -> PodNetwork:
        """Who reaches whom over the pod network, at the strength of this view."""
        return PodNetwork(self)

    # --- namespaces and pods --------------------------------------------------------------------------------------

    @property
    def labels(self) -> LabelRights:
        """Who may change labels of namespaces."""
        return self.standing.labels

    def trusted_namespace_labels(self, tenant: str) -> bool:
        """Whether a tenant cannot change labels of any namespace: RBAC gives no right to, or admission refuses it."""
        return all(self.labels.change(tenant, namespace) is None for namespace in self.snapshot.namespaces)

    def keeps_labels(self, tenant: str, namespaces: Iterable[str], keys: Iterable[str]) -> bool:
        """Whether a tenant cannot change some labels of some namespaces."""
        wanted = tuple(keys)
        return all(self.labels.change_of(tenant, name, key) is None for name in namespaces for key in wanted)

    def tenant_pods(self, tenant: str) -> tuple[PodTemplate, ...]:
        """Return the pods and pod templates in a tenant's namespaces, ordered by object."""
        return self._pods[tenant]

    @cached_property
    def _pods(self) -> Mapping[str, tuple[PodTemplate, ...]]:
        return {
            tenant.name: tuple(
                template
                for namespace in tenant.namespaces
                for manifest in self.snapshot.within(namespace)
                for template in templates_of(manifest)
            )
            for tenant in self.tenancy.tenants
        }

    @cached_property
    def pod_addresses(self) -> Mapping[str, tuple[str, ManifestKey]]:
        """Owner and pod per address that a pod of a tenant has."""
        return {
            address: (tenant.name, template.owner.key)
            for tenant in self.tenancy.tenants
            for template in self.tenant_pods(tenant.name)
            for address in addresses_of(template.owner.body)
        }
