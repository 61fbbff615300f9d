"""Argo CD as it is set up: its namespaces, its projects, and what its own roles let whom do.

Where there is no project ``default`` Argo CD makes one that admits everything.

Source: Argo CD, ``docs/operator-manual/{rbac,app-any-namespace}.md``, ``docs/user-guide/projects.md``,
``pkg/apis/application/v1alpha1/types.go`` (``AppProject``), ``util/{glob,rbac}``, ``util/settings`` (default project).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tenantry.model.reading import text
from tenantry.safe.admission import items, mapping
from tenantry.safe.rbac import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.model.manifest import Body, Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot
    from tenantry.model.tenancy import Tenancy

GROUP = "argoproj.io"
IN_CLUSTER = ("https://kubernetes.default.svc", "in-cluster")

# Where Argo CD is installed by its manifests, its chart and the OpenShift GitOps operator.
USUAL_NAMESPACES = ("argocd", "openshift-gitops")


DEFAULT_PROJECT = "default"

_CONFIGURATION = ("argocd-cm", "argocd-rbac-cm")
_RULES = "argocd-rbac-cm"
_PACKAGE = "openshift-gitops-operator"


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One ``p`` line of an Argo CD policy.

    Attributes:
        subject: role, group or user.
        kind: ``applications``, ``projects``, ...
        action: ``create``, ``sync``, ``*``, ...
        object: ``<project>/<application>``, with globs.
        by: the object that holds the line.
        pointer: where in it.
    """

    subject: str
    kind: str
    action: str
    object: str
    by: ManifestKey
    pointer: DocPath


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a project may deploy to."""

    server: str
    name: str
    namespace: str
    index: int

    @property
    def here(self) -> bool:
        """Whether it can mean the cluster Argo CD runs in; what says neither server nor name can mean any."""
        if self.server:
            return glob(IN_CLUSTER[0], self.server.removeprefix("!"))
        return not self.name or glob(IN_CLUSTER[1], self.name.removeprefix("!"))

    @property
    def denied(self) -> bool:
        """Whether it says where it may not deploy to."""
        return any(item.startswith("!") for item in (self.namespace, self.server, self.name))

    @property
    def place(self) -> str:
        """The namespaces it is about, as a pattern."""
        return self.namespace.removeprefix("!")


@dataclass(frozen=True)
class Project:
    """An AppProject."""

    manifest: Manifest

    @cached_property
    def spec(self) -> Body:
        """Its spec."""
        return mapping(self.manifest.body.get("spec"))

    @property
    def name(self) -> str:
        """Its name."""
        return self.manifest.key.name

    @property
    def sources(self) -> tuple[str, ...]:
        """Repositories it may deploy from; none means nothing can be deployed."""
        return tuple(item for item in texts(self.spec.get("sourceRepos")) if not item.startswith("!"))

    @property
    def source_namespaces(self) -> tuple[str, ...]:
        """Namespaces besides Argo CD's own in which Applications of it may be."""
        return texts(self.spec.get("sourceNamespaces"))

    @cached_property
    def destinations(self) -> tuple[Destination, ...]:
        """Where it may deploy to."""
        entries = self.spec.get("destinations")
        return tuple(
            Destination(text(entry, "server"), text(entry, "name"), text(entry, "namespace"), index)
            for index, entry in enumerate(entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
        )

    def admits(self, namespace: str) -> Destination | None:
        """Return the destination that lets it deploy into a namespace of this cluster, or None; denials win."""
        plain, patterns = self._places
        fitting = [*plain.get(namespace, ()), *(item for item in patterns if glob(namespace, item.place))]
        if any(entry.denied for entry in fitting):
            return None
        return min(fitting, key=lambda entry: entry.index, default=None)

    @cached_property
    def _places(self) -> tuple[dict[str, list[Destination]], list[Destination]]:
        """Destinations in this cluster: by namespace where that is plain, and those with patterns."""
        plain: dict[str, list[Destination]] = {}
        patterns: list[Destination] = []
        for entry in self.destinations:
            if entry.here and any(sign in entry.place for sign in "*?"):
                patterns.append(entry)
            elif entry.here:
                plain.setdefault(entry.place, []).append(entry)
        return plain, patterns

    def reached(self, namespaces: Iterable[str]) -> frozenset[str]:
        """Return those of some namespaces that it may deploy into."""
        plain, patterns = self._places
        # Without patterns nothing but the names written can match.
        names = namespaces if patterns else plain.keys() & frozenset(namespaces)
        return frozenset(name for name in names if self.admits(name) is not None)

    def cluster_kinds(self) -> Iterator[tuple[int, str, str]]:
        """Yield index, group and kind of the cluster-scoped kinds it may deploy."""
        entries = self.spec.get("clusterResourceWhitelist")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield index, str(entry.get("group", "")), str(entry.get("kind", ""))

    def deploys(self, group: str, kind: str) -> bool:
        """Whether it may deploy a namespaced kind."""
        denied = any(_matches(entry, group, kind) for entry in items(self.spec.get("namespaceResourceBlacklist")))
        allowed = self.spec.get("namespaceResourceWhitelist")
        return not denied and (allowed is None or any(_matches(entry, group, kind) for entry in items(allowed)))

    def role_groups(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """Yield index, group and policies of its roles."""
        entries = self.spec.get("roles")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            for group in texts(mapping(entry).get("groups")):
                yield index, group, texts(mapping(entry).get("policies"))


def glob(value: str, pattern: str) -> bool:
    """Whether a value matches a pattern as Argo CD matches: ``*`` stands for any text, slashes included."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _matches(entry: Body, group: str, kind: str) -> bool:
    return glob(group, str(entry.get("group", ""))) and glob(kind, str(entry.get("kind", "")))


class Delivery:
    """What is known of Argo CD on a cluster."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.projects = tuple(Project(item) for item in snapshot.of(GROUP, "AppProject"))
        self.applications = tuple(snapshot.of(GROUP, "Application", "ApplicationSet"))
        self.lines = tuple(self._policy())
        self.members = dict(self._members())

    @cached_property
    def present(self) -> bool:
        """Whether anything of Argo CD is among the objects."""
        return bool(self.projects or self.applications or self._set_up)

    @cached_property
    def _set_up(self) -> frozenset[str]:
        """Namespaces in which something sets Argo CD up."""
        found = {item.key.namespace for item in self._snapshot.of(GROUP, "ArgoCD")}
        found |= {item.key.namespace for item in self._snapshot.of("", "ConfigMap") if item.key.name in _CONFIGURATION}
        for item in self._snapshot.of("operators.coreos.com", "Subscription"):
            # The operator makes an instance of its own.
            if text(item.body, "spec", "name") == _PACKAGE:
                found.add(USUAL_NAMESPACES[-1])
        return frozenset(found)

    @cached_property
    def rules_known(self) -> bool:
        """Whether what its own roles let whom do is among the objects."""
        rules = any(item.key.name == _RULES for item in self._snapshot.of("", "ConfigMap"))
        return rules or self._snapshot.live or bool(self._snapshot.of(GROUP, "ArgoCD")) or not self.present

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces Argo CD runs in, sorted."""
        found = {item.manifest.key.namespace for item in self.projects} | self._set_up
        usual = {name for name in USUAL_NAMESPACES if name in self._snapshot.namespaces}
        return tuple(sorted((found | usual) - {""}))

    @cached_property
    def controllers(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of the service accounts that deploy, sorted."""
        names = {
            (item.key.namespace, item.key.name)
            for item in self._snapshot.of("", "ServiceAccount")
            if item.key.namespace in self.namespaces and item.key.name.endswith("application-controller")
        }
        for item in self._snapshot.of("rbac.authorization.k8s.io", "ClusterRoleBinding", "RoleBinding"):
            for subject in items(item.body.get("subjects")):
                name, namespace = str(subject.get("name")), str(subject.get("namespace"))
                if subject.get("kind") == "ServiceAccount" and name.endswith("application-controller"):
                    names.add((namespace, name))
        usual = {(namespace, "argocd-application-controller") for namespace in self.namespaces}
        return tuple(sorted(names or usual))

    def may(self, groups: tuple[str, ...], kind: str, action: str) -> Iterator[PolicyLine]:
        """Yield the lines of the global policy that let members of groups do something."""
        subjects = {*groups}
        while more := {role for subject in subjects for role in self.members.get(subject, ())} - subjects:
            subjects |= more
        for place in sorted(place for subject in subjects for place in self._places.get(subject, ())):
            line = self.lines[place]
            if self._fits(kind, line.kind) and self._fits(action, line.action):
                yield line

    @cached_property
    def _places(self) -> Mapping[str, list[int]]:
        """Places of lines by subject."""
        found: dict[str, list[int]] = {}
        for place, line in enumerate(self.lines):
            found.setdefault(line.subject, []).append(place)
        return found

    @cached_property
    def reached(self) -> tuple[frozenset[str], ...]:
        """Namespaces of the cluster each project may deploy into, in the order of projects."""
        return tuple(project.reached(self._snapshot.namespaces) for project in self.projects)

    def names(self, project: str, line: PolicyLine) -> bool:
        """Whether a line is about applications of a project."""
        return self._fits(project, line.object.partition("/")[0]) or (
            self.by_expressions and self._fits(f"{project}/application", line.object)
        )

    @cached_property
    def by_expressions(self) -> bool:
        """Whether lines hold regular expressions instead of patterns."""
        modes = [
            text(item.body, "data", "policy.matchMode")
            for item in self._snapshot.of("", "ConfigMap")
            if item.key.name == _RULES
        ]
        modes += [text(item.body, "spec", "rbac", "policyMatcherMode") for item in self._snapshot.of(GROUP, "ArgoCD")]
        return "regex" in modes

    def _fits(self, value: str, pattern: str) -> bool:
        """Whether a value is what a line of the policy says; an expression that cannot be read fits everything."""
        if not self.by_expressions:
            return glob(value, pattern)
        try:
            return glob(value, pattern) or re.search(pattern, value) is not None
        except re.error:
            return True

    def _texts(self) -> Iterator[tuple[str, ManifestKey, DocPath]]:
        """Yield every text of the global policy, and the default role."""
        for item in self._snapshot.of("", "ConfigMap"):
            if item.key.name == "argocd-rbac-cm":
                for key, value in sorted(mapping(item.body.get("data")).items()):
                    if key.endswith(".csv") and isinstance(value, str):
                        yield value, item.key, ("data", key)
                    if key == "policy.default" and isinstance(value, str) and value:
                        yield _default(value), item.key, ("data", key)
        for item in self._snapshot.of(GROUP, "ArgoCD"):
            rbac = mapping(mapping(item.body.get("spec")).get("rbac"))
            if isinstance(rbac.get("policy"), str):
                yield rbac["policy"], item.key, ("spec", "rbac", "policy")
            if isinstance(rbac.get("defaultPolicy"), str) and rbac["defaultPolicy"]:
                yield _default(rbac["defaultPolicy"]), item.key, ("spec", "rbac", "defaultPolicy")

    def _rows(self) -> Iterator[tuple[list[str], ManifestKey, DocPath]]:
        for lines, by, pointer in self._texts():
            for row in _rows_of(lines):
                yield [cell.strip() for cell in row], by, pointer

    def _policy(self) -> Iterator[PolicyLine]:
        denied = {tuple(row[1:5]) for row, _, _ in self._rows() if len(row) == 6 and row[0] == "p" and row[5] == "deny"}
        for row, by, pointer in self._rows():
            if len(row) >= 5 and row[0] == "p" and row[-1] != "deny" and tuple(row[1:5]) not in denied:
                yield PolicyLine(row[1], row[2], row[3], row[4], by, pointer)
            # The built-in role of administrators may do everything, that of readers also read logs of pods.
            if len(row) == 3 and row[0] == "g" and row[2] == "role:admin":
                yield PolicyLine(row[1], "*", "*", "*", by, pointer)
            if len(row) == 3 and row[0] == "g" and row[2] == "role:readonly":
                yield PolicyLine(row[1], "logs", "get", "*/*", by, pointer)

    def _members(self) -> Iterator[tuple[str, set[str]]]:
        found: dict[str, set[str]] = {}
        for row, _, _ in self._rows():
            if len(row) == 3 and row[0] == "g":
                found.setdefault(row[1], set()).add(row[2])
        yield from found.items()


EVERYONE = "<everyone>"
"""Subject of lines that hold for everybody who logs in to Argo CD."""


def _rows_of(lines: str) -> Iterator[list[str]]:
    """Yield the cells of every line; each is read by itself, so a quote that is not closed hides no other line."""
    for line in lines.splitlines():
        try:
            yield from csv.reader([line], skipinitialspace=True)
        except csv.Error:
            continue


def open_project(namespace: str) -> Body:
    """Return the project that Argo CD makes in its namespace where there is none named ``default``."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": DEFAULT_PROJECT, "namespace": namespace},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def made_by_itself(snapshot: Snapshot, tenancy: Tenancy) -> Iterator[Body]:
    """Yield the projects Argo CD makes by itself, for objects without them.

    Where only Applications show that there is an Argo CD it is taken to run where those of the platform are.
    """
    delivery = Delivery(snapshot)
    if not delivery.present:
        return
    homes = set(delivery.namespaces) or {
        item.key.namespace for item in delivery.applications if tenancy.owner(item.key.namespace) not in tenancy.by_name
    }
    given = {item.manifest.key.namespace for item in delivery.projects if item.name == DEFAULT_PROJECT}
    for namespace in sorted((homes or {USUAL_NAMESPACES[0]}) - given - {""}):
        yield open_project(namespace)


def _default(role: Any) -> str:
    return f"g, {EVERYONE}, {role}"
