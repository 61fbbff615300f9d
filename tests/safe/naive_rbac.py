"""A second, slow evaluator of RBAC: asks one request at a time and walks every object, as the API server would.

Written from the documentation of Kubernetes, apart from the fast one; they share nothing but plain objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

CLUSTER_KINDS = {
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("", "namespaces"),
    ("", "users"),
    ("", "groups"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("scheduling.k8s.io", "priorityclasses"),
}


@dataclass(frozen=True)
class Who:
    """A user name with groups; ``home`` is the namespace of a service account."""

    user: str
    groups: frozenset[str]
    home: str = ""


class NaiveRbac:
    def __init__(self, bodies: Iterable[Body]) -> None:
        bodies = list(bodies)
        self.roles = {(b["kind"], b["metadata"].get("namespace", ""), b["metadata"]["name"]): b for b in bodies}
        self.bindings = [b for b in bodies if b["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
        self.aggregated = self._aggregate([b for b in bodies if b["kind"] == "ClusterRole"])

    @staticmethod
    def _aggregate(roles: list[Body]) -> dict[str, list[Body]]:
        """Run the controller until what comes back for ever is known: rounds in which every role is renewed at once."""
        now = {role["metadata"]["name"]: list(role.get("rules") or []) for role in roles}
        seen: dict[str, list[Body]] = {name: [] for name in now}
        for step in range(4 * len(roles) + 4):
            after = {}
            for role in roles:
                name = role["metadata"]["name"]
                if "aggregationRule" not in role:
                    after[name] = now[name]
                    continue
                after[name] = []
                for other in roles:
                    labels = other["metadata"].get("labels") or {}
                    chosen = any(
                        all(labels.get(key) == value for key, value in selector["matchLabels"].items())
                        for selector in role["aggregationRule"]["clusterRoleSelectors"]
                    )
                    if chosen and other is not role:
                        after[name].extend(item for item in now[other["metadata"]["name"]] if item not in after[name])
            now = after
            if step > len(roles):
                for name, rules in now.items():
                    seen[name].extend(item for item in rules if item not in seen[name])
        return seen

    def allowed(self, who: Who, request: tuple[str, str, str], namespace: str = "", name: str = "") -> bool:
        """Whether the API server allows one request; a request in no namespace looks at cluster-wide bindings only."""
        for binding in self.bindings:
            inside = binding["metadata"].get("namespace", "")
            if inside and inside != namespace:
                continue
            if any(self._means(subject, who, inside) for subject in binding.get("subjects") or []) and any(
                self._covers(rule, *request, name) for rule in self._rules(binding, inside)
            ):
                return True
        return False

    def _rules(self, binding: Body, inside: str) -> list[Body]:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            return self.aggregated.get(reference["name"], [])
        return (self.roles.get(("Role", inside, reference["name"])) or {}).get("rules") or []

    @staticmethod
    def _means(subject: Body, who: Who, inside: str) -> bool:
        if subject["kind"] == "Group":
            return subject["name"] in who.groups
        if subject["kind"] == "User":
            return bool(subject["name"] == who.user)
        home = subject.get("namespace") or inside
        return who.user == f"system:serviceaccount:{home}:{subject['name']}"

    @staticmethod
    def _covers(rule: Body, verb: str, group: str, resource: str, name: str) -> bool:
        if not {verb, "*"} & set(rule["verbs"]) or not {group, "*"} & set(rule.get("apiGroups") or []):
            return False
        below = resource.split("/", 1)[1] if "/" in resource else None
        wanted = {resource, "*"} | ({f"*/{below}"} if below else set())
        if not wanted & set(rule.get("resources") or []):
            return False
        return not rule.get("resourceNames") or name in rule["resourceNames"]


def identities(tenant: str, groups: Iterable[str], spaces: Iterable[str], accounts: dict[str, set[str]]) -> list[Who]:
    found = [
        Who("", frozenset({*groups, "system:authenticated"})),
        Who("system:anonymous", frozenset({"system:unauthenticated"})),
    ]
    for space in spaces:
        for name in sorted(accounts.get(space, set()) | {"default"}):
            found.append(account(space, name))
    return found


def account(space: str, name: str) -> Who:
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{space}"}
    return Who(f"system:serviceaccount:{space}:{name}", frozenset(groups), space)


# What leads out of a tenant when it holds in a namespace of another: channel and requests, any of which is enough.
IN_NAMESPACE: dict[str, list[tuple[str, str, str]]] = {
    "A2": [
        *(
            (verb, "", f"pods/{sub}")
            for verb in ("get", "create")
            for sub in ("exec", "attach", "portforward", "proxy")
        ),
        ("update", "", "pods/ephemeralcontainers"),
        ("patch", "", "pods/ephemeralcontainers"),
        ("create", "", "pods/eviction"),
        ("delete", "", "pods"),
        ("deletecollection", "", "pods"),
    ],
    "A3": [
        *((verb, "", "secrets") for verb in ("get", "list", "watch", "create", "update", "patch")),
        ("create", "", "serviceaccounts/token"),
        *((verb, "", "pods") for verb in ("create", "update", "patch")),
        *((verb, "apps", "deployments") for verb in ("create", "update", "patch")),
        *((verb, "batch", "jobs") for verb in ("create", "update", "patch")),
    ],
}
READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
# Anything else in a namespace of another: seen or changed. In one of the platform only what is changed counts.
ANYTHING_ELSE: tuple[tuple[str, str], ...] = (
    *(("", kind) for kind in ("pods", "secrets", "serviceaccounts")),
    ("apps", "deployments"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
)


def anything_else(verbs: tuple[str, ...]) -> list[tuple[str, str, str]]:
    named = {request for requests in IN_NAMESPACE.values() for request in requests}
    wanted = [(verb, group, kind) for verb in verbs for group, kind in ANYTHING_ELSE]
    return [request for request in wanted if request not in named]


CLUSTER_WIDE: dict[str, list[tuple[str, str, str]]] = {
    "A2": [("get", "", "nodes/proxy"), ("create", "", "nodes/proxy")],
    "A4": [
        (verb, group, resource)
        for verb in ("create", "update", "patch", "delete", "deletecollection")
        for group, resource in (
            ("rbac.authorization.k8s.io", "clusterroles"),
            ("rbac.authorization.k8s.io", "clusterrolebindings"),
            ("", "nodes"),
            ("", "persistentvolumes"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ("scheduling.k8s.io", "priorityclasses"),
        )
    ],
}
# Whoever does one of these in a namespace commands its service accounts.
TAKES_OVER = [
    *((verb, "", f"pods/{sub}") for verb in ("get", "create") for sub in ("exec", "attach", "portforward", "proxy")),
    ("update", "", "pods/ephemeralcontainers"),
    ("patch", "", "pods/ephemeralcontainers"),
    *((verb, "", "secrets") for verb in ("get", "list", "watch")),
    ("create", "", "serviceaccounts/token"),
    *((verb, "", "pods") for verb in ("create", "update", "patch")),
    *((verb, "apps", "deployments") for verb in ("create", "update", "patch")),
    *((verb, "batch", "jobs") for verb in ("create", "update", "patch")),
]
MAKES = ("create", "update", "patch")
RBAC = "rbac.authorization.k8s.io"


class NaiveReach:
    """What a tenant can do to whom, by asking every request of every identity in every namespace."""

    def __init__(self, bodies: Iterable[Body], tenants: dict[str, list[str]], accounts: dict[str, set[str]]) -> None:
        self.rbac = NaiveRbac(bodies)
        self.tenants = tenants
        self.accounts = accounts
        self.owner = {space: name for name, spaces in tenants.items() for space in spaces}
        self.spaces = sorted({*self.owner, "ops"})

    def asks(self, who: Who, requests: list[tuple[str, str, str]], space: str, names: tuple[str, ...]) -> bool:
        for request in requests:
            # Server-side apply creates what its path names.
            nameless = request[0] == "deletecollection"
            if any(self.rbac.allowed(who, request, space, name) for name in (("",) if nameless else names)):
                return True
        return False

    def target(
        self, who: Who, home: str, space: str, requests: list[tuple[str, str, str]], names: tuple[str, ...]
    ) -> str | None:
        """Return whom requests in a namespace concern: its owner, everybody for the platform's, None for nobody."""
        if self.owner.get(space) == home or not self.asks(who, requests, space, names):
            return None
        return "" if self.asks(who, requests, "", names) else self.owner.get(space, "")

    def direct(self, home: str, who: Who, names: tuple[str, ...]) -> set[tuple[str, str]]:
        """Return channel and target of every right that leads out at once."""
        found: set[tuple[str, str]] = set()
        for channel, requests in IN_NAMESPACE.items():
            for space in self.spaces:
                target = self.target(who, home, space, requests, names)
                if target is not None:
                    found.add((channel, target))
                # Held everywhere it concerns everybody, whoever owns the namespaces at hand.
            if self.asks(who, requests, "", names):
                found.add((channel, ""))
        seen, changed = anything_else(READS), anything_else(WRITES)
        for space in self.spaces:
            target = self.target(who, home, space, changed if space == "ops" else [*seen, *changed], names)
            if target is not None:
                found.add(("A3", target))
        if self.asks(who, [*seen, *changed], "", names):
            found.add(("A3", ""))
        for channel, requests in CLUSTER_WIDE.items():
            if self.asks(who, requests, "", names):
                found.add((channel, ""))
        found |= {("A1", target) for target in self._about_rights(home, who, names)}
        for space in ("", *self.spaces):
            outside = () if space else ("create", "deletecollection")
            for verb in ("delete", "update", "patch", *outside):
                asked = (space,) if space else (("",) if verb == "deletecollection" else names)
                if self.owner.get(space) != home and any(
                    self.rbac.allowed(who, (verb, "", "namespaces"), space, name) for name in asked
                ):
                    everywhere = any(self.rbac.allowed(who, (verb, "", "namespaces"), "", name) for name in asked)
                    found.add(("A4", "" if everywhere else self.owner.get(space, "")))
        return found

    def _about_rights(self, home: str, who: Who, names: tuple[str, ...]) -> set[str]:
        found: set[str] = set()
        for space in ("", *self.spaces):
            if self.owner.get(space) == home:
                continue
            writes = self.asks(who, [(verb, RBAC, "rolebindings") for verb in MAKES], space, names)
            binds = self.asks(who, [("bind", RBAC, "clusterroles"), ("bind", RBAC, "roles")], space, names)
            changes = self.asks(who, [(verb, RBAC, "roles") for verb in MAKES], space, names)
            raises = self.asks(who, [("escalate", RBAC, "roles")], space, names)
            if (writes and binds) or (changes and raises):
                everywhere = space == "" or self._everywhere(who, names)
                found.add("" if everywhere else self.owner.get(space, ""))
            if self.asks(who, [("impersonate", "", "serviceaccounts")], space, names):
                whole = self.asks(who, [("impersonate", "", "serviceaccounts")], "", names)
                found.add("" if whole else self.owner.get(space, ""))
        cluster_writes = self.asks(who, [(verb, RBAC, "clusterrolebindings") for verb in MAKES], "", names)
        if cluster_writes and self.asks(who, [("bind", RBAC, "clusterroles")], "", names):
            found.add("")
        role_writes = self.asks(who, [(verb, RBAC, "clusterroles") for verb in MAKES], "", names)
        if role_writes and self.asks(who, [("escalate", RBAC, "clusterroles")], "", names):
            found.add("")
        if self.asks(who, [("impersonate", "", "users")], "", names):
            found.add("")
        user_or_account = any(
            self.asks(who, [("impersonate", "", "users"), ("impersonate", "", "serviceaccounts")], space, names)
            for space in ("", *self.spaces)
        )
        if user_or_account and self.asks(who, [("impersonate", "", "groups")], "", names):
            found.add("")
        return found

    def _everywhere(self, who: Who, names: tuple[str, ...]) -> bool:
        writes = self.asks(who, [(verb, RBAC, "rolebindings") for verb in MAKES], "", names)
        binds = self.asks(who, [("bind", RBAC, "clusterroles"), ("bind", RBAC, "roles")], "", names)
        changes = self.asks(who, [(verb, RBAC, "roles") for verb in MAKES], "", names)
        raises = self.asks(who, [("escalate", RBAC, "roles")], "", names)
        return (writes and binds) or (changes and raises)

    def reached(self, home: str, names: tuple[str, ...]) -> set[str]:
        """Return every tenant reached in any number of steps; everybody is the empty name."""
        people = identities(home, [home], self.tenants[home], self.accounts)
        found: set[str] = set()
        entered: set[str] = set()
        waiting = [(who, home) for who in people]
        while waiting:
            who, own = waiting.pop()
            found |= {target for _, target in self.direct(own, who, names)}
            for space in self.spaces:
                if space not in entered and self.owner.get(space) != home and self._takes(who, own, space, names):
                    entered.add(space)
                    inside = sorted(self.accounts.get(space, set()) | {"default"})
                    waiting.extend((account(space, name), self.owner.get(space, "")) for name in inside)
        return found - {home}

    def _takes(self, who: Who, own: str, space: str, names: tuple[str, ...]) -> bool:
        if self.owner.get(space, "") == own:
            return False
        about = {(verb, RBAC, kind) for verb in MAKES for kind in ("rolebindings",)}
        writes = self.asks(who, sorted(about), space, names)
        binds = self.asks(who, [("bind", RBAC, "clusterroles"), ("bind", RBAC, "roles")], space, names)
        changes = self.asks(who, [(verb, RBAC, "roles") for verb in MAKES], space, names)
        raises = self.asks(who, [("escalate", RBAC, "roles")], space, names)
        acts = self.asks(who, [("impersonate", "", "serviceaccounts")], space, names)
        return self.asks(who, TAKES_OVER, space, names) or (writes and binds) or (changes and raises) or acts
