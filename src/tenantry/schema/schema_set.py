"""All schemas of a cluster, and the check of one object against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tenantry.errors import MissingExtra
from tenantry.model.finding import Severity, Verdict
from tenantry.model.manifest import Body, Manifest
from tenantry.schema import rules
from tenantry.schema.close import Closer, Schema
from tenantry.schema.compiled import CompiledSchema
from tenantry.schema.identity import identity_issues
from tenantry.schema.issue import SchemaIssue
from tenantry.schema.kinds import KindIndex, served_versions
from tenantry.schema.native import native_issues

if TYPE_CHECKING:
    from tenantry.catalog.kubernetes import KubernetesSchemas
    from tenantry.schema.cel import RuleSet

Gvk = tuple[str, str, str]
"""Group, version, kind."""


@dataclass(frozen=True, slots=True)
class ExtraKind:
    """A kind that exists without a CRD: served by an aggregated API server or checked by an operator.

    Attributes:
        api_version: for example ``route.openshift.io/v1``.
        kind: for example ``Route``.
        namespaced: whether its objects have a namespace.
        schema: structural schema as in a CRD's ``openAPIV3Schema``; None when only the kind's existence is known.
    """

    api_version: str
    kind: str
    namespaced: bool = True
    schema: Schema | None = None


@dataclass(frozen=True, slots=True, order=True)
class SchemaNote:
    """Something of a schema that is not evaluated, so that nothing may be concluded from it.

    Attributes:
        subject: apiVersion and kind.
        text: what is not evaluated and why.
    """

    subject: str
    text: str


@dataclass(slots=True, eq=False)
class _Variant:
    """One schema given for a kind; compiled when an object of the kind is first checked."""

    close: Callable[[bool], Schema | None]
    namespaced: bool
    rules: Callable[[], RuleSet | None] = lambda: None
    compiled: dict[bool, CompiledSchema | None] = field(default_factory=dict)

    def schema(self, *, partial: bool) -> CompiledSchema | None:
        if partial not in self.compiled:
            closed = self.close(partial)
            self.compiled[partial] = None if closed is None else CompiledSchema(closed, patch=partial)
        return self.compiled[partial]


class SchemaSet:
    """Schemas of all kinds known, compiled one by one as they are needed. Made by :meth:`build`."""

    def __init__(self, kubernetes: KubernetesSchemas | None, *, cel: bool = False) -> None:
        self._kubernetes = kubernetes
        self._cel = cel
        self._variants: dict[Gvk, list[_Variant]] = {}
        self._kinds = KindIndex(complete=kubernetes.groups if kubernetes else frozenset())
        self._by_name: dict[tuple[str, str], list[_Variant] | None] = {}

    @classmethod
    def build(
        cls,
        crds: Iterable[Body],
        kubernetes: KubernetesSchemas | None = None,
        extra: Iterable[ExtraKind] = (),
        *,
        cel: bool = False,
    ) -> SchemaSet:
        """Collect schemas without compiling any.

        Several CRDs may define the same kind, as copies of different releases do: an object is accepted if one of them
        accepts it, and otherwise judged by the one it comes closest to.

        Args:
            crds: CustomResourceDefinitions; other objects are passed over.
            kubernetes: Kubernetes' own schemas; without them native kinds are not checked.
            extra: kinds known from elsewhere.
            cel: also evaluate the validation rules of CRDs.

        Raises:
            MissingExtra: if ``cel`` is asked for and its package is not installed.
        """
        if cel and find_spec("cel_expr_python") is None:
            raise MissingExtra("cel", "evaluating the validation rules of CRDs")
        result = cls(kubernetes, cel=cel)
        if kubernetes is not None:
            for gvk, name in kubernetes.kinds.items():
                result._add_native(gvk, name)
        for crd in crds:
            if crd.get("kind") == "CustomResourceDefinition":
                result._add_crd(crd)
        for kind in extra:
            group, _, version = kind.api_version.rpartition("/")
            result._add((group, version, kind.kind), kind.schema, kind.namespaced)
        return result

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind are checked, or known not to exist."""
        return self._find(api_version, kind) is not None or self._kinds.problem(api_version, kind) is not None

    def namespaced(self, api_version: str, kind: str) -> bool | None:
        """Whether objects of a kind have a namespace; None if the kind is unknown or its CRDs disagree."""
        scopes = {variant.namespaced for variant in self._find(api_version, kind) or ()}
        return scopes.pop() if len(scopes) == 1 else None

    def check(self, manifest: Manifest, *, partial: bool = False) -> list[SchemaIssue]:
        """Say everything that is wrong with an object, looking at nothing else.

        Args:
            manifest: the object.
            partial: the object is a patch: nothing is required of it, and its name may be left out.

        Returns:
            Issues in order of their path; none for a kind that is not known (see :meth:`knows`).
        """
        body = manifest.body
        api_version, kind = body.get("apiVersion"), body.get("kind")
        if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
            return list(_without_kind(body))
        variants = self._find(api_version, kind)
        if variants is None:
            problem = self._kinds.problem(api_version, kind)
            return [problem] if problem else []
        found = self._judge(variants, body, partial=partial)
        if not partial:
            found.extend(self._about_object(api_version, kind, body))
        return sorted(set(found), key=SchemaIssue.sort_key) if found else found

    def notes(self) -> tuple[SchemaNote, ...]:
        """Return what could not be evaluated in the schemas used so far, in order."""
        found = {
            SchemaNote(f"{group}/{version} {kind}".lstrip("/"), text)
            for (group, version, kind), variants in self._variants.items()
            for variant in variants
            for checker in (*variant.compiled.values(), variant.rules() if variant.compiled else None)
            if checker is not None
            for text in checker.not_evaluated
        }
        return tuple(sorted(found))

    def _judge(self, variants: list[_Variant], body: Body, *, partial: bool) -> list[SchemaIssue]:
        best: list[SchemaIssue] | None = None
        for variant in variants:
            compiled = variant.schema(partial=partial)
            issues = compiled.issues(body) if compiled else []
            rule_set = None if partial or not _is_accepted(issues) else variant.rules()
            if rule_set is not None:
                issues = [*issues, *rule_set.issues(body)]
            if _is_accepted(issues):
                return issues
            if best is None or len(issues) < len(best):
                best = issues
        return best or []

    def _about_object(self, api_version: str, kind: str, body: Body) -> Iterator[SchemaIssue]:
        group = api_version.rpartition("/")[0]
        native = self._kubernetes is not None and group in self._kubernetes.groups
        form = self._kubernetes.names.get(kind, "") if native and self._kubernetes else ""
        yield from identity_issues(body, form=form, namespaced=self.namespaced(api_version, kind))
        if native:
            yield from native_issues(group, kind, body)

    def _find(self, api_version: str, kind: str) -> list[_Variant] | None:
        try:
            return self._by_name[api_version, kind]
        except KeyError:
            group, _, version = api_version.rpartition("/")
            found = self._by_name[api_version, kind] = self._variants.get((group, version, kind))
            return found

    def _add_native(self, gvk: Gvk, definition: str) -> None:
        group, version, kind = gvk
        kubernetes = self._kubernetes
        assert kubernetes is not None

        def close(partial: bool) -> Schema:
            return Closer(kubernetes.definitions, kubernetes.key_defaults, partial=partial).native(definition)

        self._kinds.add(group, version, kind)
        self._variants.setdefault(gvk, []).append(_Variant(close, (group, kind) not in kubernetes.cluster_scoped))

    def _add_crd(self, crd: Body) -> None:
        spec = crd.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if not isinstance(spec, dict) or not isinstance(names, dict):
            return
        group, kind = str(spec.get("group", "")), str(names.get("kind", ""))
        for version in served_versions(spec):
            name = str(version.get("name", ""))
            if version.get("served") is not True:
                self._kinds.add(group, name, kind, served=False)
                continue
            holder = version.get("schema")
            schema = holder.get("openAPIV3Schema") if isinstance(holder, dict) else None
            subresources = version.get("subresources")
            self._add(
                (group, name, kind),
                schema if isinstance(schema, dict) else None,
                spec.get("scope") != "Cluster",
                status_ignored=isinstance(subresources, dict) and "status" in subresources,
                prune=spec.get("preserveUnknownFields") is not True,
            )

    def _add(
        self, gvk: Gvk, schema: Schema | None, namespaced: bool, *, status_ignored: bool = False, prune: bool = True
    ) -> None:
        definitions: Any = self._kubernetes.definitions if self._kubernetes else {}

        def close(partial: bool) -> Schema | None:
            if schema is None:
                return None
            return Closer(definitions, partial=partial, prune=prune).custom(schema, status_ignored=status_ignored)

        @cache
        def rule_set() -> RuleSet | None:
            if schema is None or not self._cel:
                return None
            from tenantry.schema.cel import RuleSet

            return RuleSet(schema)

        self._kinds.add(*gvk)
        self._variants.setdefault(gvk, []).append(_Variant(close, namespaced, rule_set))
        self._by_name.clear()


def _is_accepted(issues: list[SchemaIssue]) -> bool:
    """Whether a server takes the object, as far as could be evaluated."""
    return all(issue.verdict is Verdict.UNKNOWN or issue.severity < Severity.ERROR for issue in issues)


def _without_kind(body: Body) -> Iterator[SchemaIssue]:
    for field_name in ("apiVersion", "kind"):
        value = body.get(field_name)
        if not isinstance(value, str) or not value:
            yield SchemaIssue(
                rules.REQUIRED if value is None or value == "" else rules.TYPE,
                (field_name,),
                f"the object has no {field_name}, so the API server cannot tell what it is",
                expected=f"{field_name} as text",
                found="" if value is None else str(value),
                fix=f"add {field_name}",
            )
