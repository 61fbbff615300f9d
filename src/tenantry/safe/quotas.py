"""What quotas bound in each namespace: plain ones, ones with scopes that together cover all pods, and cluster quotas.

Source: Kubernetes documentation, "Resource Quotas"; OpenShift, ``ClusterResourceQuota`` (quota.openshift.io/v1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.selector import parse_selector
from tenantry.safe.reading import amount, at, items, mapping, strings, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot

CLUSTER_QUOTA = "ClusterResourceQuota"

# Pairs of scopes that together hold every pod.
_COMPLEMENTS = {"Terminating": "NotTerminating", "BestEffort": "NotBestEffort"}

# Not a name a priority class can have.
_UNNAMED = "*"

Scope = tuple[str, str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Bound:
    """An amount a quota sets.

    Attributes:
        quota: the quota.
        key: its name, for example ``requests.nvidia.com/gpu``.
        hard: the amount as written.
        pointer: where it stands.
        scopes: what narrows the quota to some pods; empty when it counts all.
    """

    quota: Manifest
    key: str
    hard: object
    pointer: DocPath
    scopes: tuple[Scope, ...] = ()

    @property
    def by_annotations(self) -> bool:
        """Whether it picks its namespaces by annotations."""
        return bool(mapping(self.quota.body, "spec", "selector", "annotations"))

    @property
    def cluster(self) -> bool:
        """Whether it sums over the namespaces of a ClusterResourceQuota."""
        return self.quota.key.kind == CLUSTER_QUOTA


class QuotaBook:
    """Quotas per namespace.

    Args:
        snapshot: the objects.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._bounds: dict[str, dict[str, list[Bound]]] = {}
        self.selected: dict[str, tuple[str, ...]] = {}
        for quota in snapshot.of("", "ResourceQuota"):
            self._add(quota.key.namespace, quota, ("spec", "hard"), _scopes(at(quota.body, "spec")))
        homes = snapshot.of("", "Namespace")
        by_label: dict[tuple[str, str], list[Manifest]] = {}
        for home in homes:
            for pair in strings(home.body, "metadata", "labels").items():
                by_label.setdefault(pair, []).append(home)
        for quota in snapshot.of("quota.openshift.io", CLUSTER_QUOTA):
            names = tuple(home.key.name for home in _selected(quota, homes, by_label))
            self.selected[quota.key.name] = names
            for name in names:
                self._add(name, quota, ("spec", "quota", "hard"), _scopes(at(quota.body, "spec", "quota")))

    def _add(self, namespace: str, quota: Manifest, path: DocPath, scopes: tuple[Scope, ...]) -> None:
        found = self._bounds.setdefault(namespace, {})
        for key, hard in mapping(quota.body, *path).items():
            # An amount that cannot be read bounds nothing.
            if amount(hard) is not None:
                found.setdefault(key, []).append(Bound(quota, key, hard, (*path, key), scopes))

    def bound(self, namespace: str, *keys: str) -> Bound | None:
        """Return a bound on any of some keys that holds for all pods of a namespace, None when none does."""
        return next(iter(self.bounds(namespace, *keys)), None)

    def bounds(self, namespace: str, *keys: str) -> list[Bound]:
        """Return the bounds on some keys that hold for all pods of a namespace, alone or with their complement."""
        of_namespace = self._bounds.get(namespace, {})
        found: list[Bound] = []
        for key in keys:
            given = of_namespace.get(key, [])
            found.extend(item for item in given if not item.scopes)
            narrow = [item for item in given if len(item.scopes) == 1]
            found.extend(left for left in narrow for right in narrow if _cover_all(left.scopes[0], right.scopes[0]))
        return found

    def keys(self, namespace: str) -> Iterable[tuple[str, Bound]]:
        """Yield every key of a namespace with each of its bounds, sorted by key."""
        for key, bounds in sorted(self._bounds.get(namespace, {}).items()):
            yield from ((key, bound) for bound in bounds)

    def limiting_class(self, namespace: str, priority_class: str) -> Bound | None:
        """Return a bound on how many pods of a priority class a namespace may hold, through a scope on the class."""
        for key in ("pods", "count/pods"):
            for item in self._bounds.get(namespace, {}).get(key, []):
                if len(item.scopes) == 1 and _holds_class(item.scopes[0], priority_class):
                    return item
        return None


def _scopes(spec: object) -> tuple[Scope, ...]:
    found: list[Scope] = [(name, "Exists", frozenset()) for name in items(spec, "scopes") if isinstance(name, str)]
    for entry in items(spec, "scopeSelector", "matchExpressions"):
        values = frozenset(value for value in items(entry, "values") if isinstance(value, str))
        found.append((text(entry, "scopeName"), text(entry, "operator"), values))
    return tuple(found)


def _cover_all(left: Scope, right: Scope) -> bool:
    """Whether two scopes together hold every pod; of a pair of opposites ``left`` is the first."""
    name, operator, values = left
    other, against, excluded = right
    if operator == against == "Exists" and _COMPLEMENTS.get(name) == other:
        return True
    if name != other or name != "PriorityClass":
        return False
    # One class of each kind there can be: those named, one that nobody names, and none.
    classes = (*values, *excluded, _UNNAMED, "")
    return all(_holds_class(left, item) or _holds_class(right, item) for item in classes)


def _holds_class(scope: Scope, priority_class: str) -> bool:
    name, operator, values = scope
    if name != "PriorityClass":
        return False
    if operator in {"In", "NotIn"}:
        return (priority_class in values) is (operator == "In")
    # A pod that names no class has none here.
    return bool(priority_class) is (operator == "Exists")


def _selected(
    quota: Manifest, homes: list[Manifest], by_label: dict[tuple[str, str], list[Manifest]]
) -> list[Manifest]:
    """Return the namespaces a cluster quota sums over; both selectors must match, and one at least is given."""
    written = at(quota.body, "spec", "selector", "labels")
    wanted = strings(quota.body, "spec", "selector", "annotations")
    if written is None and not wanted:
        return []
    try:
        selector = parse_selector({} if written is None else written)
    except (ValueError, TypeError):
        return []
    first = next((item for item in selector.requirements if item.operator == "In"), None)
    if first is not None:
        homes = [home for value in first.values for home in by_label.get((first.key, value), [])]
    return [
        home
        for home in homes
        if selector.matches(strings(home.body, "metadata", "labels"))
        and wanted.items() <= strings(home.body, "metadata", "annotations").items()
    ]


@lru_cache(maxsize=2)
def quotas_of(snapshot: Snapshot) -> QuotaBook:
    """Return the quotas of a snapshot; channels share them."""
    return QuotaBook(snapshot)
