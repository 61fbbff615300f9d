"""Made-up roles and bindings of all kinds, and attempts to give rights by writing others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from e2e_rights import Ask, Atom, atoms, atoms_of, person, predicted, user

from tenantry.safe.identity import Identity, Rights, service_account
from tenantry.safe.rbac import RBAC, RoleBook, Rule
from testbed.api import Answer, Body
from testbed.control_plane import Cluster

API = f"{RBAC}/v1"

SPACES = ("team-a", "team-b", "ops")
GROUPS = ("group-a", "group-b", "group-c")
PEOPLE = (
    person("ann", "group-a"),
    person("ben", "group-a", "group-b"),
    person("cem", "group-c"),
    person("dot"),
    service_account("team-a", "default"),
    service_account("team-a", "builder"),
    service_account("team-b", "builder"),
    service_account("ops", "robot"),
)
SUBJECTS: tuple[Body, ...] = (
    *({"apiGroup": RBAC, "kind": "Group", "name": name} for name in GROUPS),
    {"apiGroup": RBAC, "kind": "Group", "name": "system:serviceaccounts"},
    {"apiGroup": RBAC, "kind": "Group", "name": "system:serviceaccounts:team-a"},
    {"apiGroup": RBAC, "kind": "User", "name": "dot"},
    {"apiGroup": RBAC, "kind": "User", "name": "group-a"},
    {"apiGroup": RBAC, "kind": "User", "name": "system:serviceaccount:team-b:builder"},
    {"kind": "ServiceAccount", "namespace": "team-a", "name": "builder"},
    {"kind": "ServiceAccount", "namespace": "ops", "name": "robot"},
)
KINDS = (
    *(("", name) for name in ("pods", "pods/exec", "pods/log", "secrets", "configmaps", "nodes", "nodes/proxy")),
    *(("", name) for name in ("namespaces", "serviceaccounts", "serviceaccounts/token", "users", "groups")),
    *((RBAC, name) for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    *(("apps", name) for name in ("deployments", "deployments/scale")),
    ("scheduling.k8s.io", "priorityclasses"),
    ("coordination.k8s.io", "leases"),
)
SOME_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def made_up(dice: Random) -> list[Body]:
    """Return roles, some put together from others, and bindings of all kinds."""
    names = [f"made-up-{index}" for index in range(24)]
    found = [_role(dice, "ClusterRole", name) for name in names]
    found += [_role(dice, "Role", f"local-{index}", space) for space in SPACES for index in range(4)]
    for index in range(40):
        space = dice.choice((*SPACES, *SPACES, ""))
        local = bool(space) and dice.random() < 0.4
        reference = {
            "apiGroup": RBAC,
            "kind": "Role" if local else "ClusterRole",
            "name": f"local-{dice.randrange(4)}" if local else dice.choice((*names, "view", "edit")),
        }
        found.append(
            {
                "apiVersion": API,
                "kind": "RoleBinding" if space else "ClusterRoleBinding",
                "metadata": {"name": f"made-up-{index}", **({"namespace": space} if space else {})},
                "roleRef": reference,
                "subjects": dice.sample(SUBJECTS, dice.randint(1, 2)),
            }
        )
    return [*found, *_givers()]


GIVERS: dict[str, list[list[str]]] = {
    "writer": [["create", "update", "roles", "rolebindings", "clusterroles", "clusterrolebindings"]],
    "binder": [["bind", "clusterroles"], ["bind", "roles"]],
    "some-binder": [["bind", "clusterroles", "=view", "=made-up-1", "=made-up-2"], ["bind", "roles", "=local-1"]],
    "raiser": [["escalate", "roles", "clusterroles"]],
    "some-raiser": [["escalate", "roles", "=local-2", "=new"]],
    "actor": [["impersonate", "users", "=one", "=ann", "=system:serviceaccount:ops:robot"], ["impersonate", "groups"]],
    "some-actor": [["impersonate", "users"], ["impersonate", "groups", "=group-b", "=two"]],
    "keeper": [["impersonate", "serviceaccounts"]],
}
"""Roles about rights: verbs, kinds, and names after an equals sign."""

GIVEN = (
    *(("writer", space, index) for space, index in (("team-a", 0), ("team-b", 1), ("", 9), ("team-a", 4))),
    *(("writer", space, index) for space, index in (("team-b", 7), ("ops", 5))),
    *(("binder", space, index) for space, index in (("team-b", 7), ("", 9))),
    *(("some-binder", space, index) for space, index in (("team-a", 0), ("team-b", 1), ("", 5))),
    *(("raiser", space, index) for space, index in (("team-a", 4), ("ops", 5))),
    *(("some-raiser", space, index) for space, index in (("team-a", 0), ("", 7))),
    *(("actor", "", 5), ("some-actor", "", 0), ("keeper", "team-a", 9), ("keeper", "", 2), ("keeper", "ops", 5)),
)
"""Who holds them where: an index into the subjects."""


def _givers() -> Iterator[Body]:
    for name, rules in GIVERS.items():
        written = [
            {
                "apiGroups": ["", RBAC],
                "verbs": [word for word in words if word in {"create", "update", "bind", "escalate", "impersonate"}],
                "resources": [word for word in words if word.endswith("s")],
                "resourceNames": [word[1:] for word in words if word.startswith("=")],
            }
            for words in rules
        ]
        yield {"apiVersion": API, "kind": "ClusterRole", "metadata": {"name": name}, "rules": written}
    for index, (name, space, subject) in enumerate(GIVEN):
        yield {
            "apiVersion": API,
            "kind": "RoleBinding" if space else "ClusterRoleBinding",
            "metadata": {"name": f"given-{index}", **({"namespace": space} if space else {})},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [SUBJECTS[subject]],
        }


def _role(dice: Random, kind: str, name: str, namespace: str = "") -> Body:
    body: Body = {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": [made_up_rule(dice, paths=kind == "ClusterRole") for _ in range(dice.randint(1, 3))],
    }
    if kind == "ClusterRole":
        if dice.random() < 0.5:
            body["metadata"]["labels"] = {f"part-{dice.randrange(4)}": "yes"}
        if dice.random() < 0.25:
            body["aggregationRule"] = {
                "clusterRoleSelectors": [{"matchLabels": {f"part-{dice.randrange(4)}": "yes"}}],
            }
            body["rules"] = []
    return body


def made_up_rule(dice: Random, *, paths: bool) -> Body:
    verbs = dice.sample(SOME_VERBS, dice.randint(1, 3)) if dice.random() < 0.9 else ["*"]
    if paths and dice.random() < 0.12:
        return {"verbs": verbs, "nonResourceURLs": [dice.choice(("/metrics", "/healthz/*", "/logs", "/debug/*", "*"))]}
    group, resource = dice.choice(KINDS)
    if resource in {"roles", "clusterroles"} and dice.random() < 0.5:
        verbs = [dice.choice(("bind", "escalate"))]
    if resource in {"roles", "rolebindings"} and dice.random() < 0.5:
        verbs = ["create", "update"]
    if resource in {"users", "groups", "serviceaccounts"} and dice.random() < 0.6:
        verbs = ["impersonate"]
    if dice.random() < 0.1:
        resource = dice.choice(("*", "*/exec", "*/status", "pods/*"))
    rule: Body = {"verbs": verbs, "apiGroups": [dice.choice((group, group, group, "*"))], "resources": [resource]}
    if dice.random() < 0.25:
        rule["resourceNames"] = dice.sample(("one", "two", "ann", "group-b", "view", "robot"), dice.randint(1, 2))
    return rule


# --- giving rights ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """An attempt to give rights.

    Attributes:
        who: tries it.
        namespace: where; empty for the whole cluster.
        role: kind, namespace and name of the role that is bound, or written.
        rule: what is written into it; None where it is bound.
    """

    who: Identity
    namespace: str
    role: tuple[str, str, str]
    rule: Body | None = None

    def body(self) -> Body:
        """Return the object that is written."""
        kind, space, name = self.role
        if self.rule is not None:
            metadata = {"name": name, **({"namespace": space} if space else {})}
            return {"apiVersion": API, "kind": kind, "metadata": metadata, "rules": [self.rule]}
        return {
            "apiVersion": API,
            "kind": "RoleBinding" if self.namespace else "ClusterRoleBinding",
            "metadata": {"name": "try", **({"namespace": self.namespace} if self.namespace else {})},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "try"}],
        }

    @property
    def changes(self) -> bool:
        """Whether a role that is there is changed."""
        return self.rule is not None and self.role[2] != "new"

    def tried(self, cluster: Cluster) -> Answer:
        """Return what the server says."""
        send = cluster.api.update if self.changes else cluster.api.create
        return send(self.body(), user=user(self.who), dry_run=True)

    def predicted(self, book: RoleBook) -> bool:
        """Return what Tenantry says: it takes the right to write, and what is given itself or a right about rights."""
        rights = Rights(book, [self.who])
        kind, _, name = self.role
        written = f"{self.body()['kind'].lower()}s"
        may = (
            Ask("update", RBAC, written, self.namespace, name)
            if self.changes
            else Ask("create", RBAC, written, self.namespace)
        )
        if not predicted(rights, may):
            return False
        if self.rule is None:
            about = Ask("bind", RBAC, f"{kind.lower()}s", self.namespace, name)
        else:
            # Who makes a new one names it in the body alone, where the server does not look.
            about = Ask("escalate", RBAC, written, self.namespace, name if self.changes else "")
        return predicted(rights, about) or self.covered(book)

    def covered(self, book: RoleBook) -> bool:
        """Whether one has everything oneself that is given."""
        rights = Rights(book, [self.who])
        held = [*rights.in_scope(""), *(rights.in_scope(self.namespace) if self.namespace else ())]
        rules = [rule for item in held for rule in item.grant.rules]
        given = [atom for rule in book.rules_of(self.role) or () for atom in atoms(rule)]
        if self.rule is not None:
            given = list(atoms_of(self.rule))
        return all(any(_covers(rule, atom) for rule in rules) for atom in given)


def _covers(rule: Rule, atom: Atom) -> bool:
    verb, group, resource, name = atom
    if group == "url":
        paths = (url == resource or (url.endswith("*") and resource.startswith(url[:-1])) for url in rule.urls)
        return (verb in rule.verbs or "*" in rule.verbs) and any(paths)
    # Names matter for every verb here, for what is compared are rules, not requests.
    return replace(rule, names=frozenset()).allows(verb, group, resource) and (not rule.names or name in rule.names)
