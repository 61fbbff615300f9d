"""Who acts for whom: members and service accounts of tenants, and the rights bindings give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.claim import Step
from tenantry.safe.answer import Requester
from tenantry.safe.rbac import (
    AUTHENTICATED,
    NAMESPACE_NAMED,
    OAUTH,
    UNAUTHENTICATED,
    Grant,
    RoleBook,
    cluster_scoped,
    service_account_groups,
    service_account_user,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.manifest import ManifestKey
    from tenantry.model.snapshot import Snapshot
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.rbac import Rule

_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A subject of RBAC: ``kind`` is ``User``, ``Group`` or ``ServiceAccount``; only the last has a namespace."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


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
        requester: who asks the API server when the right is used.
    """

    principal: Principal
    verb: str
    group: str
    resource: str
    namespace: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    requester: Requester


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody the API server knows: a user name with groups.

    Attributes:
        principal: how people name it.
        user: user name; empty for an unnamed member of groups.
        groups: its groups, sorted.
        steps: how it was reached; empty for those a tenant has from the start.
        namespace: namespace of a service account.
    """

    principal: Principal
    user: str
    groups: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    namespace: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects of bindings that mean it."""
        own = (f"user:{self.user}",) if self.user else ()
        return (*own, *(f"group:{group}" for group in self.groups))

    @property
    def requester(self) -> Requester:
        """The identity as admission sees it."""
        return Requester(self.user or f"member of {self.principal.name}", self.groups)


def service_account(namespace: str, name: str, steps: tuple[Step, ...] = ()) -> Identity:
    """Return the identity of a service account."""
    principal = Principal("ServiceAccount", name, namespace)
    user = service_account_user(namespace, name)
    return Identity(principal, user, tuple(sorted(service_account_groups(namespace))), steps, namespace)


def account_of(user: str) -> tuple[str, str] | None:
    """Return namespace and name of the service account a user name means, or None."""
    namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if user.startswith(_ACCOUNT) and namespace and name else None


class Accounts:
    """Service accounts per namespace: those that exist, ``default``, and those bindings name, which may be created."""

    def __init__(self, snapshot: Snapshot, book: RoleBook) -> None:
        names: dict[str, set[str]] = {namespace: {"default"} for namespace in snapshot.namespaces}
        for item in snapshot.of("", "ServiceAccount"):
            names.setdefault(item.key.namespace, set()).add(item.key.name)
        for subject in (*book.grants, *book.dangling):
            found = account_of(subject.removeprefix("user:"))
            if found:
                names.setdefault(found[0], set()).add(found[1])
        self._names = {namespace: tuple(sorted(found)) for namespace, found in names.items()}

    def of(self, namespace: str) -> tuple[str, ...]:
        """Names in a namespace, sorted."""
        return self._names.get(namespace, ("default",))


def identities(tenant: TenantIdentity, accounts: Accounts, *, openshift: bool) -> tuple[Identity, ...]:
    """Return who acts for a tenant: its users, an unnamed member of its groups, and service accounts of its namespaces.

    Which groups a user is in is not known, so each is taken to be in all of them. Nobody is also somebody: who does not
    log in belongs to ``system:unauthenticated``.
    """
    everyone = (AUTHENTICATED, OAUTH) if openshift else (AUTHENTICATED,)
    groups = tuple(sorted({*tenant.groups, *everyone}))
    found = [Identity(Principal("User", user), user, groups) for user in sorted(tenant.users)]
    if tenant.groups or not found:
        found.append(Identity(Principal("Group", tenant.groups[0] if tenant.groups else tenant.name), "", groups))
    for namespace in tenant.namespaces:
        found.extend(service_account(namespace, name) for name in accounts.of(namespace))
    found.append(Identity(Principal("User", "system:anonymous"), "system:anonymous", (UNAUTHENTICATED,)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Held:
    """A grant held by an identity."""

    identity: Identity
    grant: Grant

    @property
    def principal(self) -> Principal:
        """Who holds it as the binding names it: a group for an unnamed member."""
        kind, _, name = self.grant.to.partition(":")
        unnamed = not self.identity.user and kind == "group"
        return Principal("Group", name) if unnamed else self.identity.principal

    def steps(self, rule: Rule | None = None) -> tuple[Step, ...]:
        """Return the path to a rule of the grant: identity, binding, role."""
        binding = Step(
            f"{self.principal} is bound to {self.grant.role[0]} {self.grant.role[2]}",
            self.grant.binding,
            ("subjects", self.grant.subject),
        )
        if rule is None:
            return (*self.identity.steps, binding)
        words = f"{_listed(rule.verbs)} {_listed(rule.resources or rule.urls)}"
        return (*self.identity.steps, binding, Step(f"may {words}", rule.role, rule.pointer))


def _listed(values: Iterable[str]) -> str:
    names = sorted(values)
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


class Rights:
    """What a set of identities may do.

    Args:
        book: roles and bindings.
        who: the identities.
        extra: grants that can be gained, with the identity that gains them.
        without: bindings that count as taken away.
    """

    def __init__(
        self,
        book: RoleBook,
        who: Iterable[Identity],
        extra: Iterable[Held] = (),
        without: frozenset[ManifestKey] = frozenset(),
    ) -> None:
        self.identities = tuple(who)
        self.left_out = without
        self._book = book
        self._by_namespace: dict[str, list[Held]] = {}
        self._cache: dict[tuple[str, ...], Right | None] = {}
        self._roles: dict[str, frozenset[int]] = {}
        seen: set[tuple[object, ...]] = set()
        for held in (*self._held(), *extra):
            if held.grant.binding in without:
                continue
            # A group's grant is the same through whichever member it is reached; the first one stands for all.
            key = (held.grant.binding, held.grant.subject, held.grant.role, held.identity.steps)
            if key not in seen:
                seen.add(key)
                self._by_namespace.setdefault(held.grant.namespace, []).append(held)

    def _held(self) -> Iterator[Held]:
        for identity in self.identities:
            for subject in identity.subjects:
                for grant in self._book.grants.get(subject, ()):
                    yield Held(identity, grant)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces in which anything is granted, sorted; the empty name stands for the whole cluster."""
        return tuple(sorted(self._by_namespace))

    def in_scope(self, namespace: str) -> list[Held]:
        """Return what is granted in exactly this scope."""
        return self._by_namespace.get(namespace, [])

    def all(self) -> Iterator[Held]:
        """Yield everything granted, the whole cluster first, then by namespace."""
        for namespace in self.namespaces:
            yield from self._by_namespace[namespace]

    def find(self, verb: str, group: str, resource: str, namespace: str, name: str = "") -> Right | None:
        """Return the strongest right of a kind, or None; see :meth:`tenantry.safe.view.View.may`."""
        key = (verb, group, resource, namespace, name)
        if key not in self._cache:
            self._cache[key] = self._find(*key)
        return self._cache[key]

    def _find(self, verb: str, group: str, resource: str, namespace: str, name: str) -> Right | None:
        found = list(self.every(verb, group, resource, namespace, name))
        return min(found, key=lambda right: (bool(right.namespace), bool(right.names), len(right.steps)), default=None)

    def every(self, verb: str, group: str, resource: str, namespace: str, name: str = "") -> Iterator[Right]:
        """Yield every right of a kind, one per rule that gives it."""
        for scope in self._scopes(verb, group, resource, namespace, name):
            if not self._book.any_allows(self._roles_in(scope), verb, group, resource):
                continue
            for held in self.in_scope(scope):
                for rule in self._book.allowing(held.grant.rules, verb, group, resource):
                    asked = name
                    if (group, resource.partition("/")[0]) in NAMESPACE_NAMED:
                        if scope and verb in {"create", "list", "watch", "deletecollection"}:
                            continue
                        asked = scope or namespace or name
                    if rule.allows(verb, group, resource, asked):
                        names = tuple(sorted(rule.names))
                        steps = held.steps(rule)
                        who = held.identity.requester
                        yield Right(held.principal, verb, group, resource, scope, names, steps, who)

    def _roles_in(self, scope: str) -> frozenset[int]:
        if scope not in self._roles:
            self._roles[scope] = self._book.known_as(held.grant.rules for held in self.in_scope(scope))
        return self._roles[scope]

    def _scopes(self, verb: str, group: str, resource: str, namespace: str, name: str) -> tuple[str, ...]:
        """Return the scopes whose grants count: a right on cluster-scoped kinds is inert in a namespace.

        Namespaces and projects are an exception: the API server takes their name for the namespace of the request. So
        is ``bind``, which is asked in the namespace of the binding.
        """
        if (group, resource.partition("/")[0]) in NAMESPACE_NAMED:
            inside = namespace or name
            return ("", inside) if inside else self.namespaces
        if not namespace or (cluster_scoped(group, resource) and verb != "bind"):
            return ("",)
        return ("", namespace)
