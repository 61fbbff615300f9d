"""Namespaces that differ in nothing but names, so that trying things in one of them is enough.

Compared are labels, annotations, and the objects inside that say what may be done there, with the names of the
namespace and of its tenant taken out. What policies could tell apart by those names makes a difference: each text in a
policy is compared with each name the way CEL can compare them, and so is its length where a policy asks for one.
Tenants whose groups or users are named in bindings or security context constraints of the whole cluster are never taken
for one another.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tenantry.safe.comparisons import measure_texts
from tenantry.safe.reading import annotations_of, items, labels_of, strings, text, texts, walk
from tenantry.safe.shared import once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

_KINDS = frozenset({"RoleBinding", "Role", "ServiceAccount", "ResourceQuota", "LimitRange", "LocalQueue"})

# Words for people and for the tools that apply objects. Policies that read one of them make it count.
_DESCRIPTIVE = (
    "openshift.io/description",
    "openshift.io/display-name",
    "openshift.io/requester",
    "kubernetes.io/metadata.name",
    "kubectl.kubernetes.io/last-applied-configuration",
    "argocd.argoproj.io/",
)

# Says whom the work is for. Policies that do not name it can compare its value with their texts only.
_FOR_ACCOUNTS = frozenset({"tenantry.dev/department"})

POLICIES = (
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
)
"""Kinds of objects that take part in admission, of the group ``admissionregistration.k8s.io``."""

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


class Shapes:
    """Shapes of the namespaces of tenants.

    Args:
        view: the objects and who owns what; not kept.
    """

    def __init__(self, view: View) -> None:
        bodies = list(policy_bodies(view))
        self._measured = measure_texts(bodies)
        self._words = "\n".join(map(repr, bodies))
        self._comparison = _Comparison(sorted(_literals(bodies)))
        self._special = _special_names(view)
        self._marks: dict[str, str] = {}
        self._keys: dict[str, bool] = {}
        self._of: dict[str, str] = {}
        holders = _holders(view)
        for tenant in view.tenants:
            names = (*tenant.groups, *tenant.users)
            alone = tenant.name if self._special & {*names, *tenant.namespaces} else ""
            marks = (alone, self.mark(tenant.name), sorted(map(self.mark, names)))
            members = {name: self.mark(name) for name in names if holders[name] == {tenant.name}}
            for namespace in tenant.namespaces:
                own = namespace if namespace in self._special else ""
                parts = (own, marks, self.mark(namespace), self._contents(view, namespace))
                written = neutral(repr(parts), tenant.name, namespace)
                self._of[namespace] = _anonymous(written, members, (tenant.name, namespace))

    def of(self, namespace: str) -> str:
        """Return the shape of a namespace; its own name where it belongs to no tenant."""
        return self._of.get(namespace, namespace)

    def mark(self, name: str) -> str:
        """Return how the texts of policies compare with a name; equal for names they cannot tell apart."""
        if name not in self._marks:
            length = len(name) if self._measured else ""
            self._marks[name] = f"{self._comparison.mark(name)}{length}"
        return self._marks[name]

    def _contents(self, view: View, namespace: str) -> list[object]:
        home = view.snapshot.get("", "Namespace", namespace)
        body = home.body if home else None
        parts: list[object] = [self._told(source) for source in (labels_of(body), annotations_of(body))]
        for manifest in view.snapshot.within(namespace):
            if manifest.key.kind in _KINDS:
                inside = {key: value for key, value in manifest.body.items() if key not in {"metadata", "status"}}
                labels = self._told(strings(manifest.body, "metadata", "labels"))
                parts.append((manifest.key.kind, manifest.key.name, labels, inside))
        return parts

    def _told(self, entries: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return labels or annotations without words for people; policies that read one of them make it count."""
        return sorted(
            (key, self.mark(value) if key in _FOR_ACCOUNTS and not self._read(key) else value)
            for key, value in entries.items()
            if not key.startswith(_DESCRIPTIVE) or self._read(key)
        )

    def _read(self, key: str) -> bool:
        """Whether a policy may read a label or annotation."""
        if key not in self._keys:
            self._keys[key] = key in self._words
        return self._keys[key]

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Namespaces by shape, in the order in which they were read."""
        found: dict[str, list[str]] = defaultdict(list)
        for namespace, shape in self._of.items():
            found[shape].append(namespace)
        return dict(found)


@once
def shapes_of(view: View) -> Shapes:
    """Return the shapes of a view; channels share them."""
    return Shapes(view)


def representatives(view: View, tenant: TenantIdentity) -> tuple[str, ...]:
    """Return namespaces of a tenant, one of each shape, the first by name."""
    shapes = shapes_of(view)
    first: dict[str, str] = {}
    for namespace in tenant.namespaces:
        first.setdefault(shapes.of(namespace), namespace)
    return tuple(first.values())


def neutral(written: str, tenant: str, namespace: str) -> str:
    """Return a text with the names of a namespace and of its tenant taken out, where they stand as words."""
    for name, mark in sorted(((namespace, "\0"), (tenant, "\1")), key=lambda pair: (-len(pair[0]), pair)):
        if name and name in written:
            written = _without_word(written, name, mark)
    return written


_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def _without_word(written: str, word: str, mark: str) -> str:
    """Return a text with a mark for a word where no letter or digit stands beside it."""
    parts: list[str] = []
    done = 0
    place = written.find(word)
    while place >= 0:
        end = place + len(word)
        if written[place - 1 : place] not in _ALPHANUMERIC and written[end : end + 1] not in _ALPHANUMERIC:
            parts += (written[done:place], mark)
            done = end
            place = written.find(word, end)
        else:
            place = written.find(word, place + 1)
    return "".join((*parts, written[done:]))


def _anonymous(written: str, members: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return a text with the groups and users of a tenant taken out, and what they have to do with some names.

    Args:
        written: the text.
        members: how policies compare with each group or user.
        names: names that policies could compare them with.
    """
    told = []
    for place, name in enumerate(sorted(members, key=lambda name: (-len(name), name))):
        found = _without_word(written, name, f"\2{place}\2") if name and name in written else written
        if found != written:
            written = found
            told.append((place, members[name], [relation(name, other) for other in names]))
    return f"{written}{told}"


def relation(one: str, other: str) -> str:
    """Return a sign for what one name has to do with another: the same, a part of it, or made of it."""
    if one in other:
        return "=" if one == other else "<" if other.startswith(one) else ">" if other.endswith(one) else "~"
    return "." if other not in one else "(" if one.startswith(other) else ")" if one.endswith(other) else "-"


def policy_text(view: View) -> str:
    """Return the words of all admission policies, of webhooks, and of the objects policies take as parameters."""
    return "\n".join(map(repr, policy_bodies(view)))


def policy_bodies(view: View) -> Iterator[Any]:
    """Yield all admission policies and webhooks, and the objects that policies take as parameters."""
    for manifest in view.snapshot.of("admissionregistration.k8s.io", *POLICIES):
        yield {key: value for key, value in manifest.body.items() if key not in {"metadata", "kind", "apiVersion"}}
    for group, kind in sorted(set(_parameter_kinds(view))):
        yield from (item.body for item in view.snapshot.of(group, kind))


def _parameter_kinds(view: View) -> Iterator[tuple[str, str]]:
    """Yield API group and kind of the objects that policies take as parameters."""
    for manifest in view.snapshot.of("admissionregistration.k8s.io", *POLICIES):
        kind = text(manifest.body, "spec", "paramKind", "kind")
        if kind:
            yield text(manifest.body, "spec", "paramKind", "apiVersion").rpartition("/")[0], kind


def _literals(bodies: Iterable[Any]) -> set[str]:
    """Return every text a policy could compare a name with: its values, and what is quoted inside its expressions."""
    found: set[str] = set()
    for body in bodies:
        for _, value in walk(body):
            if isinstance(value, str):
                found.update({value} if len(value) < 100 else ())
                found.update(left or right for left, right in _QUOTED.findall(value))
    return found - {""}


_START = 3
"""Letters by which texts are looked up that a name may hold."""


class _Comparison:
    """Compares names with many texts, with a letter for each."""

    def __init__(self, literals: list[str]) -> None:
        self._literals = literals
        self._joined = "\n".join(literals)
        self._starting: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for place, literal in enumerate(literals):
            self._starting[literal[:_START]].append((place, literal))
        compiled = ((place, _pattern(literal)) for place, literal in enumerate(literals))
        self._patterns = [(place, pattern) for place, pattern in compiled if pattern is not None]

    def mark(self, name: str) -> str:
        """Return one letter per text for how it compares with a name."""
        found = ["."] * len(self._literals)
        for place, pattern in self._patterns:
            if pattern.search(name):
                found[place] = "m"
        if name in self._joined:
            for place, literal in enumerate(self._literals):
                if name in literal:
                    # Lists joined in one text, such as parameters, name it among others.
                    found[place] = "@" if name in re.split(r"[^A-Za-z0-9.-]+", literal) else "."
        inside = {
            place
            for start in range(len(name))
            for length in range(1, _START + 1)
            for place, literal in self._starting.get(name[start : start + length], ())
            if name.startswith(literal, start)
        }
        for place in inside:
            part = self._literals[place]
            sign = "<" if name.startswith(part) else ">" if name.endswith(part) else "~"
            found[place] = "=" if part == name else sign
        return "".join(found)


def _pattern(literal: str) -> re.Pattern[str] | None:
    """Return a text as the regular expression it may be, or None."""
    if not any(sign in literal for sign in "^$*+[(\\"):
        return None
    try:
        with warnings.catch_warnings():
            # Most literals are no patterns, and Python warns about some that only look like one.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(literal)
    except re.error:
        return None


def _holders(view: View) -> dict[str, set[str]]:
    """Return the tenants in whose namespaces something is bound to a name, or whose name it is; others are empty."""
    found: dict[str, set[str]] = defaultdict(set)
    for manifest in view.snapshot.of("rbac.authorization.k8s.io", "RoleBinding"):
        owner = view.tenancy.owner(manifest.key.namespace) or ""
        for subject in items(manifest.body, "subjects"):
            found[text(subject, "name")].add(owner)
    for tenant in view.tenants:
        for name in (*tenant.groups, *tenant.users):
            found[name].add(tenant.name)
    return found


def _special_names(view: View) -> set[str]:
    """Return users, groups and namespaces of service accounts that something of the whole cluster names."""
    found: set[str] = set()
    for manifest in view.snapshot.of("rbac.authorization.k8s.io", "ClusterRoleBinding", "RoleBinding"):
        for subject in items(manifest.body, "subjects"):
            home = text(subject, "namespace") if text(subject, "kind") == "ServiceAccount" else ""
            if manifest.key.kind == "ClusterRoleBinding" or (home and home != manifest.key.namespace):
                found.add(home or text(subject, "name"))
    for manifest in view.snapshot.of("security.openshift.io", "SecurityContextConstraints"):
        found.update(name for name in (*texts(manifest.body, "users"), *texts(manifest.body, "groups")))
    accounts = {
        name.split(":")[2] for name in found if name.startswith("system:serviceaccount:") and name.count(":") > 2
    }
    return found | accounts | {name.rpartition(":")[2] for name in found if name.startswith("system:serviceaccounts:")}
