"""Who owns what: tenants with their namespaces and groups, the platform, and services shared by all."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

PLATFORM = "platform"
"""Owner of namespaces that belong to the cluster and its operators."""


class Strength(IntEnum):
    """What a proof quantifies over; larger is stronger."""

    DEPLOYED = 1
    """The objects as they are."""
    ADVERSARIAL = 2
    """Everything a tenant's identities may create, change or delete and admission lets pass: the promise."""
    CARELESS = 3
    """Also everything the other tenant's own identities may write to its own harm."""


@dataclass(frozen=True)
class TenantIdentity:
    """A tenant as the verifier sees it.

    Attributes:
        name: name of the tenant.
        namespaces: its namespaces, sorted.
        groups: groups of the identity provider whose members act for it.
        users: users who act for it.
    """

    name: str
    namespaces: tuple[str, ...]
    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tenancy:
    """Owners of namespaces.

    Attributes:
        tenants: tenants ordered by name.
        platform: namespaces of the cluster, its operators and shared services.
        administrators: groups and users that act for the platform and are trusted.
    """

    tenants: tuple[TenantIdentity, ...]
    platform: frozenset[str] = frozenset()
    administrators: frozenset[str] = frozenset()

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """Owner per namespace; ``platform`` for the platform's."""
        owners = dict.fromkeys(sorted(self.platform), PLATFORM)
        for tenant in self.tenants:
            owners.update(dict.fromkeys(tenant.namespaces, tenant.name))
        return owners

    def owner(self, namespace: str) -> str | None:
        """Return the owner of a namespace, or None when nobody owns it, which is an error."""
        return self.owners.get(namespace)

    @cached_property
    def by_name(self) -> Mapping[str, TenantIdentity]:
        """Tenants by name."""
        return {tenant.name: tenant for tenant in self.tenants}


@dataclass(frozen=True, slots=True)
class Permission:
    """A wanted exception: traffic from one tenant to another.

    Attributes:
        name: name of the exception in the contract.
        source: tenant that starts it.
        target: tenant it reaches.
        source_namespaces: namespaces it starts from; all of the tenant's when empty.
        source_labels: labels of the pods it starts from; all pods when empty. Who carries them is the tenant's choice:
            they say which connections are wanted, not which of its people may make them.
        target_namespaces: namespaces it reaches; all of the tenant's when empty.
        target_labels: labels of the pods it reaches; all pods when empty.
        ports: protocol, first and last port.
        reason: why it is wanted.
        expires: last day on which it holds.
    """

    name: str
    source: str
    target: str
    source_namespaces: tuple[str, ...]
    target_namespaces: tuple[str, ...]
    target_labels: tuple[tuple[str, str], ...]
    ports: tuple[tuple[str, int, int], ...]
    reason: str
    expires: date
    source_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SignedFact:
    """A statement a person signs for; it may have expired."""

    id: str
    value: str | bool
    evidence: str
    signed_by: str
    expired: bool = False


@dataclass(frozen=True)
class Declared:
    """What is declared besides the objects.

    Attributes:
        permissions: wanted exceptions that hold today.
        expired: wanted exceptions that hold no more; they permit nothing and are reported.
        facts: signed facts by id; expired ones prove nothing.
    """

    permissions: tuple[Permission, ...] = ()
    expired: tuple[Permission, ...] = ()
    facts: Mapping[str, SignedFact] = field(default_factory=dict)

    def fact(self, fact_id: str) -> str | bool | None:
        """Return the value of a fact that is signed and has not expired, else None."""
        found = self.facts.get(fact_id)
        return None if found is None or found.expired else found.value
