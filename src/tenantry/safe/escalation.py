"""Rights about rights: bind, escalate and impersonate, which the API server asks about beside the write itself.

Source: Kubernetes, ``pkg/registry/rbac/{role,rolebinding,clusterrole,clusterrolebinding}/policybased`` and
``pkg/registry/rbac/escalation_check.go``; ``staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step
from tenantry.model.manifest import ManifestKey
from tenantry.model.tenancy import TenantIdentity
from tenantry.safe.answer import Admission, Answer
from tenantry.safe.crossing import Crossing
from tenantry.safe.identity import Held, Identity, Right, Rights, account_of
from tenantry.safe.powers import CHANGE, MAKE, RBAC, Gain
from tenantry.safe.rbac import Grant, Rule
from tenantry.safe.samples import sample
from tenantry.safe.writing import Writing, likeliest, writings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.safe.envelope import Admitter
    from tenantry.safe.view import View

_ALL = frozenset({"*"})
_NONE: frozenset[str] = frozenset()
_IMPERSONATED = ("users", "groups", "serviceaccounts")


@dataclass(frozen=True, slots=True)
class Gained:
    """A grant a tenant can give itself, and what admission says to the object it would write."""

    held: Held
    admission: Admission


def everything(role: ManifestKey) -> Rule:
    """Return the rule that allows everything, as if it stood in a role."""
    return Rule(_ALL, _ALL, _ALL, _NONE, _NONE, role, ())


def gained_at_home(view: View, tenant: str, admitter: Admitter) -> tuple[Gained, ...]:
    """Return what a tenant can give itself in its own namespaces, until nothing more is gained.

    Args:
        view: the objects and the rights bindings give.
        tenant: name of the tenant.
        admitter: what admission lets in, as far as that is known.
    """
    base = view.base_rights(tenant)
    own = view.tenancy.by_name[tenant].namespaces
    if not _about_rights(base, ("bind", "escalate")):
        return ()
    found: dict[tuple[str, str, str], Gained] = {}
    while True:
        before = len(found)
        for identity in base.identities:
            extra = [item.held for item in found.values() if item.held.identity == identity and item.admission.admitted]
            rights = Rights(view.book, [identity], extra)
            if not _about_rights(rights, ("bind", "escalate")):
                continue
            for namespace in own:
                for item in _gains(view, admitter, rights, (identity, namespace)):
                    key = (identity.user or identity.principal.name, namespace, item.held.grant.role[2])
                    found.setdefault(key, item)
        if len(found) == before:
            return tuple(found.values())


def _about_rights(rights: Rights, verbs: tuple[str, ...] = ("bind", "escalate", "impersonate")) -> bool:
    """Whether any rule is about rights at all, which is rarely so and quickly seen."""
    return any(
        verb in rule.verbs or "*" in rule.verbs for held in rights.all() for rule in held.grant.rules for verb in verbs
    )


def _gains(view: View, admitter: Admitter, rights: Rights, where: tuple[Identity, str]) -> Iterator[Gained]:
    """Yield what one identity can give itself in a namespace."""
    identity, namespace = where
    writes = _written(view, admitter, rights, ("rolebindings", namespace), MAKE)
    if writes is not None:
        for kind in ("clusterroles", "roles"):
            for right in rights.every("bind", RBAC, kind, namespace):
                for role in _bindable(view, kind, namespace, right):
                    steps = (*writes.right.steps, *right.steps[-1:])
                    yield Gained(_held(view, identity, namespace, role, steps), writes.admission)
    raises = next(rights.every("escalate", RBAC, "roles", namespace), None)
    changes = _written(view, admitter, rights, ("roles", namespace), CHANGE)
    if raises is not None and changes is not None and _bound_role(rights, namespace, changes.right):
        steps = (*changes.right.steps, *raises.steps[-1:])
        yield Gained(_held(view, identity, namespace, ("Role", namespace, "*"), steps), changes.admission)


def _bindable(view: View, kind: str, namespace: str, right: Right) -> Iterator[tuple[str, str, str]]:
    if kind == "clusterroles":
        names = right.names or ("cluster-admin",)
        yield from (("ClusterRole", "", name) for name in names)
        return
    names = right.names or tuple(item.key.name for item in view.snapshot.within(namespace) if item.key.kind == "Role")
    yield from (("Role", namespace, name) for name in names)


def _bound_role(rights: Rights, namespace: str, changes: Right) -> bool:
    """Whether the identity is bound to a Role it may change."""
    return any(
        held.grant.role[0] == "Role" and (not changes.names or held.grant.role[2] in changes.names)
        for held in rights.in_scope(namespace)
    )


def _held(view: View, identity: Identity, namespace: str, role: tuple[str, str, str], steps: tuple[Step, ...]) -> Held:
    rules = view.book.rules_of(role)
    key = ManifestKey(f"{RBAC}/v1", role[0], role[1], role[2])
    if rules is None:
        rules = (everything(key),)
    binding = ManifestKey(f"{RBAC}/v1", "RoleBinding", namespace, "probe")
    reached = Identity(identity.principal, identity.user, identity.groups, steps, identity.namespace)
    return Held(reached, Grant(binding, 0, namespace, role, rules))


def _written(
    view: View, admitter: Admitter, rights: Rights, what: tuple[str, str], verbs: tuple[str, ...]
) -> Writing | None:
    """Return how bindings or roles are written in a namespace, every one for the empty name; None without a right."""
    resource, namespace = what
    asked = namespace or ("" if resource.startswith("cluster") else _any_namespace(view))
    body = sample(RBAC, resource, asked)
    return likeliest(writings(rights, admitter.envelope(asked), body, (RBAC, resource), verbs, scope=namespace))


# --- crossings ----------------------------------------------------------------------------------------------------


def escalations(view: View, tenant: str, rights: Rights) -> Iterator[Crossing]:
    """Yield the rights about rights that lead out of a tenant."""
    if not _about_rights(rights):
        return
    for identity in rights.identities:
        own = Rights(view.book, [identity], without=rights.left_out)
        if _about_rights(own):
            yield from _binding(view, tenant, own)
            yield from _raising(view, tenant, own)
            yield from _impersonating(view, tenant, own)


def _foreign(view: View, tenant: str, rights: Rights) -> Iterator[tuple[str, str]]:
    """Yield scopes outside a tenant in which anything is granted, with whom they concern."""
    for scope in rights.namespaces:
        subjects = {held.grant.to for held in rights.in_scope(scope)}
        targets = {view.targets.of(tenant, scope, subject) for subject in sorted(subjects)} - {None}
        yield from ((scope, target) for target in sorted(str(item) for item in targets))


def _binding(view: View, tenant: str, rights: Rights) -> Iterator[Crossing]:
    for scope, target in _foreign(view, tenant, rights):
        for resource in ("rolebindings", *(("clusterrolebindings",) if not scope else ())):
            writes = _written(view, view.admitter, rights, (resource, scope), MAKE)
            binds = next(rights.every("bind", RBAC, "clusterroles", scope), None)
            if resource == "rolebindings":
                binds = binds or next(rights.every("bind", RBAC, "roles", scope), None)
            if writes is None or binds is None:
                continue
            what = "cluster" if resource == "clusterrolebindings" else f"namespace {scope or 'of its choice'}"
            yield _crossing(view, "bind", (scope, target), (writes, binds), f"give itself a role in the {what}")


def _raising(view: View, tenant: str, rights: Rights) -> Iterator[Crossing]:
    for scope, target in _foreign(view, tenant, rights):
        for resource in ("roles", *(("clusterroles",) if not scope else ())):
            writes = _written(view, view.admitter, rights, (resource, scope), MAKE)
            raises = next(rights.every("escalate", RBAC, resource, scope), None)
            if writes is not None and raises is not None:
                yield _crossing(view, "escalate", (scope, target), (writes, raises), f"write any right into {resource}")


def _crossing(view: View, kind: str, where: tuple[str, str], rights: tuple[Writing, Right], does: str) -> Crossing:
    scope, target = where
    way, allows = rights
    writes = way.right
    whole = not scope
    namespace = scope or ("" if writes.resource.startswith("cluster") else _any_namespace(view))
    return Crossing(
        "A1",
        f"{kind} {writes.resource}",
        target,
        scope,
        (*writes.steps, *allows.steps[-1:]),
        does,
        Effect.EXEC,
        Impact.S0 if whole or not target else Impact.S1,
        Gain.CLUSTER if whole else Gain.NAMESPACE,
        way.admission,
        sample(RBAC, writes.resource, namespace),
    )


def _any_namespace(view: View) -> str:
    return view.tenants[0].namespaces[0] if view.tenants and view.tenants[0].namespaces else "default"


def _impersonating(view: View, tenant: str, rights: Rights) -> Iterator[Crossing]:
    """Yield whom an identity may act as; groups can only be taken on along with a user or service account."""
    own = view.tenancy.by_name.get(tenant, TenantIdentity(tenant, ()))
    found = {resource: list(_impersonations(rights, resource)) for resource in _IMPERSONATED}
    for right in found["users"]:
        yield from _acting_as(view, tenant, right, set(own.users), "user")
    if found["users"] or found["serviceaccounts"]:
        for right in found["groups"]:
            yield from _acting_as(view, tenant, right, set(own.groups), "group")
    for right in found["serviceaccounts"]:
        subjects = {held.grant.to for held in rights.in_scope(right.namespace)}
        targets = {view.targets.of(tenant, right.namespace, subject) for subject in subjects} - {None}
        for target in sorted(str(item) for item in targets):
            where = f"namespace {right.namespace}" if right.namespace else "every namespace"
            yield _as(right, target, f"act as service accounts of {where}")


def _impersonations(rights: Rights, resource: str) -> Iterator[Right]:
    """Yield rights that the server asks about: of whoever is named like a service account it asks as of one."""
    scopes = rights.namespaces if resource == "serviceaccounts" else ("",)
    for scope in scopes:
        for right in rights.every("impersonate", "", resource, scope):
            accounts_alone = right.names and all(account_of(name) for name in right.names)
            if right.namespace == scope and not (resource == "users" and accounts_alone):
                yield right


def _acting_as(view: View, tenant: str, right: Right, own: set[str], kind: str) -> Iterator[Crossing]:
    if right.namespace:
        return
    if not right.names:
        yield _as(right, "", f"act as any {kind}")
        return
    for name in sorted(set(right.names) - own):
        if kind == "user" and account_of(name):
            continue
        owner = _owner_of(view, name, kind)
        if owner != tenant:
            target = owner if owner is not None and owner in view.tenancy.by_name else ""
            yield _as(right, target, f"act as {kind} {name}", name)


def _owner_of(view: View, name: str, kind: str) -> str | None:
    for item in view.tenants:
        if name in (item.users if kind == "user" else item.groups):
            return item.name
    return None


def _as(right: Right, target: str, does: str, name: str = "") -> Crossing:
    whole = not right.namespace and not target
    return Crossing(
        "A1",
        f"impersonate {right.resource}{f' {name}' if name else ''}",
        target,
        right.namespace,
        right.steps,
        does,
        Effect.EXEC,
        Impact.S1 if target else Impact.S0,
        Gain.CLUSTER if whole else Gain.NAMESPACE,
        Admission(Answer.ADMITTED),
    )
