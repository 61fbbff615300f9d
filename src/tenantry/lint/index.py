"""The manifests of a run, arranged for the rules; built once, read by all of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, TypeVar

from tenantry.lint.context import LintContext
from tenantry.lint.pods import PodSpec, pod_specs
from tenantry.lint.scope import scopes
from tenantry.lint.strings import Parsed, parse_json, parse_yaml_text
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath, nearest_name
from tenantry.model.reading import labels, string_map

T = TypeVar("T")

# Label keys that name the tenant of a namespace; the last path element decides, whoever owns the domain.
_TENANT_KEYS = re.compile(r"(?:^|/)(?:tenant|team)(?:-name)?$")

# Namespaces that exist without a manifest, or belong to the platform.
_BUILT_IN = re.compile(r"default|kube-.*|openshift|openshift-.*")


class Index:
    """The manifests of a run, arranged for the rules.

    Attributes:
        context: what is known besides the manifests.
        manifests: all manifests in the order given.
        partial: manifests that are fragments.
        complete: whether the set is everything the cluster gets.
    """

    def __init__(self, manifests: Sequence[Manifest], context: LintContext) -> None:
        self.context = context
        self.manifests = tuple(manifests)
        self.partial = frozenset(context.partial)
        self.complete = context.complete
        self._kinds: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
        self._groups: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in self.manifests:
            key = manifest.key
            self._kinds[key.group, key.kind].append(manifest)
            self._groups[key.group].append(manifest)
        self._sorted: dict[tuple[str, str], dict[int, list[Manifest]]] = {}
        self._nearest: dict[tuple[str, int], tuple[object, str]] = {}
        self._parsed: dict[tuple[str, str], Parsed] = {}
        self._shared: dict[str, Any] = {}

    def of(self, group: str, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds of an API group, fragments included, in the order read."""
        if len(kinds) == 1:
            return self._kinds.get((group, kinds[0]), [])
        return [manifest for kind in kinds for manifest in self._kinds.get((group, kind), ())]

    def whole(self, group: str, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds without fragments."""
        return [manifest for manifest in self.of(group, *kinds) if manifest not in self.partial]

    def group(self, group: str) -> list[Manifest]:
        """Return the objects of an API group, fragments included, in the order read."""
        return self._groups.get(group, [])

    def shared(self, name: str, build: Callable[[Index], T]) -> T:
        """Return a value that several rules need, built on first use."""
        if name not in self._shared:
            self._shared[name] = build(self)
        found: T = self._shared[name]
        return found

    def json(self, text: str) -> Parsed:
        """Parse JSON held in a string, once per text."""
        return self._parse("json", text, parse_json)

    def yaml(self, text: str) -> Parsed:
        """Parse YAML held in a string, once per text."""
        return self._parse("yaml", text, lambda source: parse_yaml_text(source, self.context.parse_yaml))

    def _parse(self, form: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
        key = form, text
        if key not in self._parsed:
            self._parsed[key] = parse(text)
        return self._parsed[key]

    @cached_property
    def _scopes(self) -> dict[str, int]:
        return scopes(self.manifests, partial=self.partial, complete=self.complete)

    def scope(self, manifest: Manifest) -> int:
        """Return the number of the deployment the object belongs to."""
        return self._scopes[manifest.location.file]

    def together(self, manifests: Iterable[Manifest]) -> list[list[Manifest]]:
        """Split objects by deployment, fragments left out; each part keeps the order given."""
        found: dict[int, list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            if manifest not in self.partial:
                found[self.scope(manifest)].append(manifest)
        return [found[number] for number in sorted(found)]

    def beside(self, manifest: Manifest, group: str, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds in the deployment of ``manifest``, fragments included."""
        scope = self.scope(manifest)
        return [other for kind in kinds for other in self._by_scope(group, kind).get(scope, ())]

    def _by_scope(self, group: str, kind: str) -> dict[int, list[Manifest]]:
        if (group, kind) not in self._sorted:
            parts: dict[int, list[Manifest]] = defaultdict(list)
            for manifest in self.of(group, kind):
                parts[self.scope(manifest)].append(manifest)
            self._sorted[group, kind] = dict(parts)
        return self._sorted[group, kind]

    @cached_property
    def pods(self) -> tuple[PodSpec, ...]:
        """Pod specs of all objects."""
        return tuple(pod for manifest in self.manifests for pod in pod_specs(manifest))

    @cached_property
    def namespaces(self) -> dict[str, Manifest]:
        """Namespaces the set declares, by name; OpenShift projects count."""
        found = self.of("", "Namespace") + self.of("project.openshift.io", "Project", "ProjectRequest")
        return {manifest.key.name: manifest for manifest in found if manifest.key.name}

    @cached_property
    def _tenants(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, manifest in self.namespaces.items():
            for key, value in sorted(labels(manifest.body).items()):
                if value and _TENANT_KEYS.search(key):
                    found[name] = value
                    break
        return found

    def tenant(self, namespace: str) -> str:
        """Return the tenant a namespace belongs to by its labels, empty when none is named."""
        return self._tenants.get(namespace, "")

    @property
    def tenant_namespaces(self) -> frozenset[str]:
        """Namespaces whose labels name a tenant."""
        return frozenset(self._tenants)

    def owner(self, namespace: str) -> str:
        """Return who a namespace belongs to: its tenant when labels name one, else the namespace itself."""
        return self.tenant(namespace) or namespace

    @cached_property
    def config_maps(self) -> dict[str, list[Manifest]]:
        """ConfigMaps by name."""
        found: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in self.of("", "ConfigMap"):
            found[manifest.key.name].append(manifest)
        return dict(found)

    @cached_property
    def config_texts(self) -> tuple[tuple[Manifest, str, str], ...]:
        """Every text of every ConfigMap: the object, the key, the text."""
        return tuple(
            (manifest, key, value)
            for manifest in self.of("", "ConfigMap")
            for key, value in string_map(manifest.body, "data").items()
        )

    def dangling(self, name: str, known: Collection[str]) -> tuple[Severity, str] | None:
        """Judge a reference to a name that should be among ``known``; pass the same collection for the same question.

        Returns:
            None when the name is known, or when nothing of that kind is in the set and the set is not complete.
            Otherwise the severity (an error only in a complete set) and the nearest known name, or an empty string.
        """
        if name in known or (not known and not self.complete):
            return None
        return (Severity.ERROR if self.complete else Severity.WARNING), self.nearest(name, known)

    def nearest(self, name: str, known: Collection[str]) -> str:
        """Return the name of a collection that is closest to ``name``, looked up once per name and collection."""
        key = name, id(known)
        if key not in self._nearest:
            # The collection is kept beside the answer, so that its id is not given to another one.
            self._nearest[key] = known, nearest_name(name, known) or ""
        return self._nearest[key][1]


def built_in_namespace(name: str) -> bool:
    """Whether a namespace exists without a manifest or belongs to the platform."""
    return _BUILT_IN.fullmatch(name) is not None


def data_path(key: str) -> DocPath:
    """Return the path of a text of a ConfigMap."""
    return ("data", key)


def slip(written: str, known: Iterable[str]) -> str:
    """Return the known name that ``written`` is a typing error of, empty when it is another word."""
    names = {name.casefold(): name for name in sorted(known)}
    close = get_close_matches(written.casefold(), names, 1, 0.85)
    return names[close[0]] if close else ""


def hint(nearest: str) -> str:
    """Return the words that propose the nearest name, empty when there is none."""
    return f"; did you mean {nearest!r}?" if nearest else ""
