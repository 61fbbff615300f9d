"""Who there is on a platform, what they could ask the API server, and what Tenantry says to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.safe.identity import Identity, Principal, Rights, service_account
from tenantry.safe.rbac import (
    AUTHENTICATED,
    NAMESPACE_NAMED,
    OAUTH,
    RBAC,
    UNAUTHENTICATED,
    RoleBook,
    Rule,
    cluster_scoped,
)
from tenantry.safe.view import View
from testbed.api import Api, Body, User
from testbed.control_plane import Cluster

AUTHORIZATION = "authorization.k8s.io/v1"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
NAMELESS = frozenset({"list", "watch", "deletecollection"})

Atom = tuple[str, str, str, str]
"""Verb, group, plural name with subresource, and name of an object; the last is empty for all."""


@dataclass(frozen=True, order=True)
class Ask:
    """One request as the API server's authorizer sees it; ``path`` is set for one that is about no object."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def spec(self) -> Body:
        """Return what a review asks."""
        if self.path:
            return {"nonResourceAttributes": {"path": self.path, "verb": self.verb}}
        plural, _, below = self.resource.partition("/")
        told = {
            "verb": self.verb,
            "group": self.group,
            "resource": plural,
            "subresource": below,
            "namespace": self.namespace,
            "name": self.name,
        }
        return {"resourceAttributes": {key: value for key, value in told.items() if value}}


def person(name: str, *groups: str) -> Identity:
    """Return somebody who logged in."""
    return Identity(Principal("User", name), name, tuple(sorted({*groups, AUTHENTICATED})))


def user(identity: Identity) -> User:
    """Return an identity as the API server is told of it."""
    return User(identity.user, identity.groups)


def everybody(view: View) -> dict[str, list[Identity]]:
    """Return who there is by what they are: each group and each account alone, since who is in several is not known."""
    oauth = (OAUTH,) if view.distribution_openshift else ()
    found: dict[str, list[Identity]] = {
        "tenant's group": [
            person(f"member-of-{group}", group, *oauth) for tenant in view.tenants for group in tenant.groups
        ],
        "tenant's user": [person(name, *tenant.groups, *oauth) for tenant in view.tenants for name in tenant.users],
        "tenant's account": [
            service_account(space, name)
            for tenant in view.tenants
            for space in tenant.namespaces
            for name in view.accounts.of(space)
        ],
        "platform's group": [person(f"member-of-{name}", name, *oauth) for name in sorted(view.tenancy.administrators)],
        "platform's account": [
            service_account(space, name) for space in sorted(view.tenancy.platform) for name in view.accounts.of(space)
        ],
        "stranger": [
            person("stranger", *oauth),
            person("stranger-of-a-group", "a-group-nobody-knows", *oauth),
            service_account("nowhere", "nobody"),
            Identity(Principal("User", "system:anonymous"), "system:anonymous", (UNAUTHENTICATED,)),
        ],
        "cluster's own": [
            person("system:kube-proxy"),
            person("an-administrator", "system:masters"),
            person("a-monitor", "system:monitoring"),
        ],
    }
    return {kind: people for kind, people in found.items() if people}


# --- what can be asked ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """A kind or subresource of the server."""

    group: str
    resource: str
    namespaced: bool


def things(api: Api) -> list[Thing]:
    """Return every kind and subresource that the server has, and what only authorization knows."""
    found = {
        Thing(kind.group, resource, kind.namespaced)
        for kind in api.kinds().values()
        for resource in (kind.plural, *(f"{kind.plural}/{below}" for below in kind.subresources))
    }
    known = {(thing.group, thing.resource) for thing in found}
    outside = [("", "users"), ("", "groups"), ("certificates.k8s.io", "signers")]
    inside = [("", "a-kind-nobody-has"), ("", "pods/a-part-nobody-has")]
    found |= {Thing(*key, False) for key in outside if key not in known}
    found |= {Thing(*key, True) for key in inside}
    return sorted(found, key=lambda thing: (thing.group, thing.resource))


def special_verbs(thing: Thing) -> tuple[str, ...]:
    """Return verbs beside the usual ones that the server asks about a kind."""
    return {
        (RBAC, "roles"): ("bind", "escalate"),
        (RBAC, "clusterroles"): ("bind", "escalate"),
        ("", "users"): ("impersonate",),
        ("", "groups"): ("impersonate",),
        ("", "serviceaccounts"): ("impersonate",),
        ("certificates.k8s.io", "signers"): ("approve", "sign", "attest"),
    }.get((thing.group, thing.resource), ())


PATHS = (
    *("/api", "/api/v1", "/apis/apps", "/healthz", "/healthz/etcd", "/livez", "/metrics", "/metrics/slis", "/version"),
    *("/openapi/v2", "/openapi/v3/apis", "/logs", "/debug/pprof/profile", "/", "/.well-known/openid-configuration"),
    *("/openid/v1/jwks", "/configz", "/statusz", "/version/", "/versions"),
)


@dataclass
class Asker:
    """Draws requests.

    Attributes:
        dice: seeded.
        things: what can be asked about.
        namespaces: where.
    """

    dice: Random
    things: list[Thing]
    namespaces: list[str]

    def any(self) -> Ask:
        """Return any request."""
        dice = self.dice
        if dice.random() < 0.08:
            return Ask(dice.choice(("get", "post", "*")), path=dice.choice(PATHS))
        thing = dice.choice(self.things)
        verb = dice.choice((*VERBS, *special_verbs(thing)))
        group, resource = thing.group, thing.resource
        if dice.random() < 0.05:
            verb, group, resource = dice.choice(
                ((verb, group, "*"), ("*", group, resource), (verb, "*", resource), ("*", "*", "*"))
            )
        return self.fitting(verb, group, resource, dice.choice(("", "", dice.choice(("one", "two", "default")))))

    def near(self, rules: list[Rule]) -> Ask:
        """Return a request that a rule allows somewhere, or one beside it."""
        dice = self.dice
        if not rules:
            return self.any()
        rule = dice.choice(rules)
        verb = dice.choice(sorted(rule.verbs))
        if rule.urls:
            path = dice.choice(sorted(rule.urls)).replace("*", dice.choice(("", "x", "*")))
            return Ask(dice.choice((verb, verb, "post")), path=path or "/")
        group, resource = dice.choice(sorted(rule.groups)), dice.choice(sorted(rule.resources))
        name = dice.choice((*sorted(rule.names), "")) if rule.names else dice.choice(("", "one"))
        change = dice.randrange(8)
        if change == 0:
            verb = dice.choice(VERBS)
        elif change == 1:
            name = dice.choice(("one", "", f"{name}x"))
        elif change == 2:
            resource = resource.partition("/")[0] if "/" in resource else f"{resource}/status"
        elif change == 3:
            group = dice.choice(("", "apps", RBAC, "*"))
        return self.fitting(verb, group, resource, name)

    def fitting(self, verb: str, group: str, resource: str, name: str) -> Ask:
        """Return a request that the server could make of itself: its authorizer is asked of nothing else."""
        outside = self._outside(group, resource)
        if verb == "deletecollection":
            # A request to delete a collection carries no name.
            name = ""
        namespace = "" if outside and verb != "bind" else self.dice.choice(self.namespaces)
        if (group, resource.partition("/")[0]) in NAMESPACE_NAMED and verb not in NAMELESS and verb != "create":
            # Their name is the namespace of the request, and such a request has one.
            namespace = name = self.dice.choice([space for space in self.namespaces if space])
        return Ask(verb, group, resource, namespace, name)

    def _outside(self, group: str, resource: str) -> bool:
        plural = resource.partition("/")[0]
        known = next((thing for thing in self.things if (thing.group, thing.resource) == (group, plural)), None)
        return cluster_scoped(group, resource) if known is None else not known.namespaced


# --- what is said to it -----------------------------------------------------------------------------------------------


def predicted(rights: Rights, ask: Ask) -> bool:
    """Return what Tenantry says: one that names no object is allowed by rights that hold for all of them."""
    if ask.path:
        return any(_reaches(rule, ask) for held in rights.in_scope("") for rule in held.grant.rules)
    found = rights.every(ask.verb, ask.group, ask.resource, ask.namespace, ask.name)
    return any(not right.names or ask.name in right.names for right in found)


def _reaches(rule: Rule, ask: Ask) -> bool:
    paths = (url == ask.path or (url.endswith("*") and ask.path.startswith(url[:-1])) for url in rule.urls)
    return (ask.verb in rule.verbs or "*" in rule.verbs) and any(paths)


def reviewed(api: Api, who: User, ask: Ask, *, oneself: bool) -> bool:
    """Return what the server says, to somebody about itself or to the administrator about somebody."""
    kind = "SelfSubjectAccessReview" if oneself else "SubjectAccessReview"
    spec = ask.spec() if oneself else {**ask.spec(), "user": who.name, "groups": list(who.groups)}
    body = {"apiVersion": AUTHORIZATION, "kind": kind, "spec": spec}
    answer = api.request("POST", f"/apis/{AUTHORIZATION}/{kind.lower()}s", body, user=who if oneself else None)
    return bool(answer.expect()["status"]["allowed"])


def ruled(api: Api, who: User, namespace: str) -> frozenset[Atom]:
    """Return all that the server says somebody may do in a namespace, one by one; paths have the group ``url``."""
    body = {"apiVersion": AUTHORIZATION, "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = api.request("POST", f"/apis/{AUTHORIZATION}/selfsubjectrulesreviews", body, user=who).expect()["status"]
    found = [*(status.get("resourceRules") or ()), *(status.get("nonResourceRules") or ())]
    return frozenset(atom for rule in found for atom in atoms_of(rule))


def listed(rights: Rights, namespace: str) -> frozenset[Atom]:
    """Return the same as Tenantry has it, rules on paths in a namespace included, though nobody asks for these."""
    held = [*rights.in_scope(""), *rights.in_scope(namespace)]
    return frozenset(atom for item in held for rule in item.grant.rules for atom in atoms(rule))


def atoms(rule: Rule) -> Iterator[Atom]:
    """Yield what a rule allows, one by one."""
    yield from ((verb, "url", path, "") for verb in rule.verbs for path in rule.urls)
    if not rule.urls:
        yield from (
            (verb, group, resource, name)
            for verb in rule.verbs
            for group in rule.groups
            for resource in rule.resources
            for name in rule.names or ("",)
        )


def atoms_of(rule: Mapping[str, Any]) -> Iterator[Atom]:
    """Yield what a rule as written allows, one by one."""
    verbs = rule.get("verbs") or ()
    yield from ((verb, "url", path, "") for verb in verbs for path in rule.get("nonResourceURLs") or ())
    if not rule.get("nonResourceURLs"):
        yield from (
            (verb, group, resource, name)
            for verb in verbs
            for group in rule.get("apiGroups") or ()
            for resource in rule.get("resources") or ()
            for name in rule.get("resourceNames") or ("",)
        )


# --- what the server holds --------------------------------------------------------------------------------------------


def live(cluster: Cluster) -> Snapshot:
    """Return the roles and bindings that the server holds."""
    kinds = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    return Snapshot((manifest(body) for kind in kinds for body in bodies(cluster, kind)), live=True)


def bodies(cluster: Cluster, kind: str) -> Iterable[Body]:
    """Return the objects of a kind of RBAC with what a list leaves out."""
    version = f"{RBAC}/v1"
    return [{"apiVersion": version, "kind": kind, **body} for body in cluster.api.list(version, kind)]


def manifest(body: Body) -> Manifest:
    """Return an object of the server as one that was read."""
    return Manifest(body, Location("<server>"))


def aggregated(cluster: Cluster, book: RoleBook) -> bool:
    """Whether the controller has put together every role as predicted."""
    now = {body["metadata"]["name"]: body for body in bodies(cluster, "ClusterRole")}
    return all(
        {atom for rule in now[name].get("rules") or () for atom in atoms_of(rule)}
        == {atom for rule in rules for atom in atoms(rule)}
        for name, rules in book.cluster_roles.items()
        if book.aggregated_from(name) and name in now
    )
