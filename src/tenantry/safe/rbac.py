"""RBAC as the API server evaluates it: roles with aggregation, bindings with their scope, identities with their groups.

Nonsense is read so that it never takes a right away: an aggregation selector that cannot be read matches every role.
Source: Kubernetes, ``plugin/pkg/auth/authorizer/rbac/rbac.go``, ``pkg/registry/rbac/validation/rule.go``,
``pkg/controller/clusterroleaggregation``, ``staging/src/k8s.io/apiserver/pkg/endpoints``, ``request/requestinfo.go``
and ``handlers/{patch,update}.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.reading import labels_of

if TYPE_CHECKING:
    from tenantry.model.manifest import Body, Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot

RBAC = "rbac.authorization.k8s.io"

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
OAUTH = "system:authenticated:oauth"
SERVICE_ACCOUNTS = "system:serviceaccounts"
EVERYBODY = frozenset({AUTHENTICATED, UNAUTHENTICATED, OAUTH, SERVICE_ACCOUNTS})
"""Groups that hold every identity, every one with a login, or every service account."""

# Cluster-scoped kinds whose name counts as the namespace of the request.
NAMESPACE_NAMED = frozenset({("", "namespaces"), ("project.openshift.io", "projects")})

CLUSTER_SCOPED = frozenset(
    {
        *(("", name) for name in ("namespaces", "nodes", "persistentvolumes", "componentstatuses")),
        # Whom a request may impersonate is asked about outside namespaces; service accounts are asked about inside.
        *(("", name) for name in ("users", "groups")),
        *((RBAC, name) for name in ("clusterroles", "clusterrolebindings")),
        *(
            ("admissionregistration.k8s.io", name)
            for name in (
                "mutatingwebhookconfigurations",
                "validatingwebhookconfigurations",
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
            )
        ),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        *(("storage.k8s.io", name) for name in ("storageclasses", "csidrivers", "csinodes", "volumeattachments")),
        ("storage.k8s.io", "volumeattributesclasses"),
        ("node.k8s.io", "runtimeclasses"),
        ("scheduling.k8s.io", "priorityclasses"),
        *(("certificates.k8s.io", name) for name in ("certificatesigningrequests", "clustertrustbundles", "signers")),
        *(("flowcontrol.apiserver.k8s.io", name) for name in ("flowschemas", "prioritylevelconfigurations")),
        *(
            ("policy.networking.k8s.io", name)
            for name in ("adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies")
        ),
        *(("snapshot.storage.k8s.io", name) for name in ("volumesnapshotcontents", "volumesnapshotclasses")),
        *(("resource.k8s.io", name) for name in ("deviceclasses", "resourceslices")),
        *(
            ("kueue.x-k8s.io", name)
            for name in ("clusterqueues", "resourceflavors", "cohorts", "workloadpriorityclasses")
        ),
        *(("project.openshift.io", name) for name in ("projects", "projectrequests")),
        *(("user.openshift.io", name) for name in ("users", "groups", "identities", "useridentitymappings")),
        *(
            ("machineconfiguration.openshift.io", name)
            for name in ("machineconfigs", "machineconfigpools", "kubeletconfigs")
        ),
        *(("networking.k8s.io", name) for name in ("ingressclasses", "ipaddresses", "servicecidrs")),
        *(("authentication.k8s.io", name) for name in ("selfsubjectreviews", "tokenreviews")),
        *(
            ("authorization.k8s.io", name)
            for name in ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews")
        ),
        ("gateway.networking.k8s.io", "gatewayclasses"),
        ("k8s.ovn.org", "clusteruserdefinednetworks"),
        ("nvidia.com", "clusterpolicies"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role and where it stands.

    Attributes:
        verbs: verbs, ``*`` for all.
        groups: API groups.
        resources: plural names; ``*`` for all with their subresources, ``*/sub`` for one subresource of all.
        names: names of objects; empty for all.
        urls: paths of the API server; such a rule says nothing about objects.
        role: the role it stands in, before aggregation.
        pointer: path of the rule inside that role.
    """

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: frozenset[str]
    role: ManifestKey
    pointer: DocPath

    def allows(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        """Whether it allows a request; an empty name asks about any one object, a named rule then allows it too.

        No request to delete a collection carries a name, so a named rule never allows one. One to create by POST does
        not either, but server-side apply, and PUT of some kinds, make the object their path names: there the server
        asks whether that name may be created.
        """
        if self.urls or (verb not in self.verbs and "*" not in self.verbs):
            return False
        if group not in self.groups and "*" not in self.groups:
            return False
        if not self._holds(resource):
            return False
        if not self.names:
            return True
        if verb == "deletecollection":
            return False
        return not name or name in self.names

    def _holds(self, resource: str) -> bool:
        if resource in self.resources or "*" in self.resources:
            return True
        _, _, below = resource.partition("/")
        return bool(below) and f"*/{below}" in self.resources


@dataclass(frozen=True, slots=True)
class Grant:
    """A role given to a subject in a scope.

    Attributes:
        binding: the binding.
        subject: index of the subject in it.
        namespace: where it holds; empty for the whole cluster.
        role: the role as the binding names it: kind, namespace and name.
        rules: its rules, aggregated ones included.
        to: the subject, as ``user:<name>`` or ``group:<name>``.
    """

    binding: ManifestKey
    subject: int
    namespace: str
    role: tuple[str, str, str]
    rules: tuple[Rule, ...]
    to: str = ""


@dataclass(frozen=True, slots=True)
class Dangling:
    """A binding to a role that is not among the objects."""

    binding: ManifestKey
    subject: int
    namespace: str
    role: tuple[str, str, str]


def service_account_user(namespace: str, name: str) -> str:
    """User name by which the API server knows a service account."""
    return f"system:serviceaccount:{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """Groups every service account of a namespace is in."""
    return (AUTHENTICATED, SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}")


def texts(value: object) -> tuple[str, ...]:
    """Return the strings of a list; nothing of anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _rules(manifest: Manifest) -> tuple[Rule, ...]:
    rules = manifest.body.get("rules")
    found = []
    for index, body in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(body, dict):
            parts = (texts(body.get(name)) for name in ("verbs", "apiGroups", "resources", "resourceNames"))
            verbs, groups, resources, names = (frozenset(part) for part in parts)
            urls = frozenset(texts(body.get("nonResourceURLs")))
            found.append(Rule(verbs, groups, resources, names, urls, manifest.key, ("rules", index)))
    return tuple(found)


class RoleBook:
    """Roles, bindings and who holds what.

    Args:
        snapshot: objects, default roles and bindings included.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._cluster_roles = {item.key.name: item for item in snapshot.of(RBAC, "ClusterRole")}
        self._roles = {(item.key.namespace, item.key.name): item for item in snapshot.of(RBAC, "Role")}
        self._bindings = snapshot.of(RBAC, "ClusterRoleBinding", "RoleBinding")
        self._own = {name: _rules(item) for name, item in self._cluster_roles.items()}
        self._selectors = {name: _aggregation(item.body) for name, item in self._cluster_roles.items()}
        self._any_allows: dict[tuple[frozenset[int], str, str, str], bool] = {}
        self._allowing: dict[int, tuple[tuple[Rule, ...], dict[tuple[str, str, str], tuple[Rule, ...]]]] = {}

    def allowing(self, rules: tuple[Rule, ...], verb: str, group: str, resource: str) -> tuple[Rule, ...]:
        """Return those of the rules of a role that allow a request about some object; asked once per role."""
        _, known = self._allowing.setdefault(id(rules), (rules, {}))
        key = (verb, group, resource)
        if key not in known:
            known[key] = tuple(rule for rule in rules if rule.allows(verb, group, resource))
        return known[key]

    def any_allows(self, roles: frozenset[int], verb: str, group: str, resource: str) -> bool:
        """Whether one of some lists of rules allows a request about some object; they come from :meth:`known_as`."""
        key = (roles, verb, group, resource)
        if key not in self._any_allows:
            lists = (self._allowing[role][0] for role in roles)
            self._any_allows[key] = any(self.allowing(rules, verb, group, resource) for rules in lists)
        return self._any_allows[key]

    def known_as(self, lists: Iterable[tuple[Rule, ...]]) -> frozenset[int]:
        """Return lists of rules in the form :meth:`any_allows` takes."""
        for rules in (given := list(lists)):
            self._allowing.setdefault(id(rules), (rules, {}))
        return frozenset(map(id, given))

    @cached_property
    def cluster_roles(self) -> dict[str, tuple[Rule, ...]]:
        """Rules per ClusterRole after aggregation.

        The controller replaces the rules of an aggregated role by those of the roles it selects, itself excepted. What
        stood there can survive on a cycle that reaches the role, so there it counts.
        """
        selected = {
            name: self._selected(name, selectors)
            for name, selectors in self._selectors.items()
            if selectors is not None
        }
        return {name: self._aggregated(name, selected) for name in self._cluster_roles}

    def aggregated_from(self, name: str) -> tuple[str, ...]:
        """Names of the ClusterRoles one ClusterRole selects directly, sorted."""
        selectors = self._selectors.get(name)
        return () if selectors is None else self._selected(name, selectors)

    @cached_property
    def _label_index(self) -> dict[tuple[str, str], tuple[str, ...]]:
        index: dict[tuple[str, str], list[str]] = {}
        for name, item in self._cluster_roles.items():
            for pair in labels_of(item.body).items():
                index.setdefault(pair, []).append(name)
        return {pair: tuple(sorted(names)) for pair, names in index.items()}

    def _selected(self, name: str, selectors: tuple[Selector | None, ...]) -> tuple[str, ...]:
        found: set[str] = set()
        for selector in selectors:
            if selector is None or selector.everything:
                found.update(self._cluster_roles)
                continue
            first = selector.requirements[0]
            pairs = [(first.key, value) for value in first.values] if first.operator == "In" else None
            candidates: Iterable[str] = (
                self._cluster_roles
                if pairs is None
                else (item for pair in pairs for item in self._label_index.get(pair, ()))
            )
            found.update(item for item in candidates if selector.matches(labels_of(self._cluster_roles[item].body)))
        return tuple(sorted(found - {name}))

    def _aggregated(self, name: str, selected: dict[str, tuple[str, ...]]) -> tuple[Rule, ...]:
        if name not in selected:
            return self._own[name]
        reached = _reach(name, selected)
        cycles = [item for item in reached if item in _reach_from_members(item, selected)]
        surviving = {item for cycle in cycles for item in _reach(cycle, selected)}
        return tuple(
            rule for item in sorted(reached) if item not in selected or item in surviving for rule in self._own[item]
        )

    @cached_property
    def grants(self) -> dict[str, tuple[Grant, ...]]:
        """Grants per subject: ``user:<name>`` or ``group:<name>``; service accounts are users."""
        found: dict[str, list[Grant]] = {}
        for subject, entry in self._entries():
            if isinstance(entry, Grant):
                found.setdefault(subject, []).append(entry)
        return {subject: tuple(grants) for subject, grants in found.items()}

    @cached_property
    def dangling(self) -> dict[str, tuple[Dangling, ...]]:
        """Bindings per subject whose role is not among the objects."""
        found: dict[str, list[Dangling]] = {}
        for subject, entry in self._entries():
            if isinstance(entry, Dangling):
                found.setdefault(subject, []).append(entry)
        return {subject: tuple(entries) for subject, entries in found.items()}

    def rules_of(self, role: tuple[str, str, str]) -> tuple[Rule, ...] | None:
        """Return the rules of a role given as kind, namespace and name; None when it is not among the objects."""
        kind, namespace, name = role
        if kind == "ClusterRole":
            return self.cluster_roles.get(name)
        found = self._roles.get((namespace, name))
        return None if found is None else _rules(found)

    def _entries(self) -> Iterator[tuple[str, Grant | Dangling]]:
        for binding in self._bindings:
            namespace = binding.key.namespace if binding.key.kind == "RoleBinding" else ""
            role = _role_of(binding.body, namespace)
            rules = None if role is None else self.rules_of(role)
            subjects = binding.body.get("subjects")
            for index, body in enumerate(subjects if isinstance(subjects, list) else ()):
                subject = subject_of(body, namespace)
                if subject is None or role is None:
                    continue
                if rules is None:
                    yield subject, Dangling(binding.key, index, namespace, role)
                else:
                    yield subject, Grant(binding.key, index, namespace, role, rules, subject)


def _aggregation(body: Body) -> tuple[Selector | None, ...] | None:
    """Return the selectors of an aggregated role, None for one that cannot be read; None when it is not aggregated."""
    rule = body.get("aggregationRule")
    if not isinstance(rule, dict):
        return None
    entries = rule.get("clusterRoleSelectors")
    return tuple(_selector(entry) for entry in entries) if isinstance(entries, list) else ()


def _selector(entry: Any) -> Selector | None:
    try:
        return parse_selector(entry)
    except (ValueError, TypeError, AttributeError):
        return None


def _reach(start: str, selected: dict[str, tuple[str, ...]]) -> set[str]:
    """Return all roles an aggregated role is made of, itself included."""
    return {start} | _reach_from_members(start, selected)


def _reach_from_members(start: str, selected: dict[str, tuple[str, ...]]) -> set[str]:
    """Return all roles reached by at least one step; holds ``start`` when it lies on a cycle."""
    found: set[str] = set()
    waiting = list(selected.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(selected.get(name, ()))
    return found


def _role_of(body: Body, namespace: str) -> tuple[str, str, str] | None:
    reference = body.get("roleRef")
    if not isinstance(reference, dict):
        return None
    kind, name = reference.get("kind"), reference.get("name")
    if kind == "ClusterRole" and isinstance(name, str):
        return ("ClusterRole", "", name)
    if kind == "Role" and isinstance(name, str) and namespace:
        return ("Role", namespace, name)
    return None


def subject_of(body: Any, namespace: str) -> str | None:
    """Return a subject as ``user:<name>`` or ``group:<name>``; None when it names nobody.

    Args:
        body: the subject as a binding writes it.
        namespace: namespace of the binding, which a service account without one takes.
    """
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        return None
    kind, name = body.get("kind"), body["name"]
    if kind == "ServiceAccount":
        home = body.get("namespace") or namespace
        return f"user:{service_account_user(home, name)}" if isinstance(home, str) and home else None
    return {"User": f"user:{name}", "Group": f"group:{name}"}.get(str(kind))


def cluster_scoped(group: str, resource: str) -> bool:
    """Whether a kind lives outside namespaces, as far as is known."""
    return (group, resource.partition("/")[0]) in CLUSTER_SCOPED
