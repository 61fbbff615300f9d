"""Check manifests of any origin: each against its schema, all together against the lint rules, specs as a whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.app.lint_specs import lint_specs
from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.errors import InputError
from tenantry.io.manifests import ManifestSet, locate, read_manifests
from tenantry.io.yaml_read import load_documents
from tenantry.lint import LintContext, lint
from tenantry.model.finding import Finding, Severity
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location, dotted
from tenantry.model.spec import API_VERSION
from tenantry.schema import ExtraKind, SchemaSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path
    from typing import Any

    from tenantry.lint import LintIssue

DEFAULT_KUBERNETES = "1.34"
"""Kubernetes whose schemas are used unless told otherwise."""


@dataclass(frozen=True)
class LintReport:
    """What lint found.

    Attributes:
        findings: in the order of :meth:`~tenantry.model.finding.Finding.sort_key`.
        manifests: number of objects read.
        files: number of files read.
        unchecked: number of objects per ``apiVersion/kind`` for which no schema was given.
        notes: what could not be evaluated, a sentence each.
        kubernetes: Kubernetes version whose schemas were used.
    """

    findings: tuple[Finding, ...]
    manifests: int
    files: int
    unchecked: dict[str, int]
    notes: tuple[str, ...]
    kubernetes: str

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def at_least(self, severity: Severity) -> int:
        """Number of findings at or above a severity."""
        return sum(finding.severity >= severity for finding in self.findings)


def lint_paths(
    paths: Sequence[Path],
    *,
    crds: Sequence[Path] = (),
    kubernetes: str = DEFAULT_KUBERNETES,
    complete: bool = False,
    cel: bool = False,
    environment: str = "",
    today: date | None = None,
) -> LintReport:
    """Check every manifest below the paths, and every spec as a whole.

    Args:
        paths: files and folders.
        crds: files and folders with CustomResourceDefinitions; those among the manifests are used as well.
        kubernetes: Kubernetes version for the schemas of built-in kinds.
        complete: whether the manifests are everything the cluster gets, so that references to nothing are errors.
        cel: whether the validation rules of CRDs are evaluated too.
        environment: overlay of the specs among the paths; empty for none.
        today: day on which waivers of a spec must hold; the current one when None.

    Raises:
        InputError: if a path cannot be read, or an environment is named and there is no spec that has it.
        MissingExtra: if ``cel`` is asked for and the optional dependency is not installed.
    """
    read = read_manifests(paths)
    definitions = read_manifests(crds).manifests if crds else ()
    schemas = schema_set([*definitions, *read.manifests], kubernetes, cel=cel)
    findings = list(read.findings)
    findings.extend(_schema_findings(read, schemas))
    context = LintContext(parse_yaml=parse_one, partial=frozenset(_fragments(read)), complete=complete)
    findings.extend(lint_finding(issue) for issue in lint(read.manifests, context))
    specs = lint_specs(paths, read.manifests, environment, today=today)
    findings.extend(specs.findings)
    keys = [item.key for item in read.manifests if item.key.api_version != API_VERSION]
    unchecked = Counter(f"{key.api_version} {key.kind}" for key in keys if not schemas.knows(key.api_version, key.kind))
    return LintReport(
        findings=tuple(sorted(set(findings), key=Finding.sort_key)),
        manifests=len(read.manifests),
        files=read.files_read,
        unchecked=dict(sorted(unchecked.items())),
        notes=(*(f"{note.subject}: {note.text}" for note in schemas.notes()), *specs.notes),
        kubernetes=kubernetes,
    )


def schema_set(manifests: Iterable[Manifest], kubernetes: str, *, cel: bool = False) -> SchemaSet:
    """Build schemas from the CRDs among ``manifests``, Kubernetes' own and the catalog's."""
    crds = [item.body for item in manifests if item.key.kind == "CustomResourceDefinition"]
    extra = [
        ExtraKind(f"{item.group}/{item.version}", item.kind, item.namespaced, dict(item.schema))
        for item in catalog.extra_schemas()
    ]
    return SchemaSet.build(crds, kubernetes=kubernetes_schemas(kubernetes), extra=extra, cel=cel)


def parse_one(text: str) -> Any:
    """Read one YAML document held in a string; None when it is empty.

    Raises:
        YamlError: if it is not one document of YAML.
    """
    documents = load_documents(text)
    if len(documents) > 1:
        raise InputError("one YAML document is expected here, there are several")
    return documents[0].value if documents else None


def _fragments(read: ManifestSet) -> Iterable[Manifest]:
    return (item for item in read.manifests if item in read.partial)


def _schema_findings(read: ManifestSet, schemas: SchemaSet) -> Iterable[Finding]:
    for item in read.manifests:
        for issue in schemas.check(item, partial=item in read.partial):
            yield issue.finding(item, locate(item, issue.path))


def lint_finding(issue: LintIssue) -> Finding:
    """Return an issue with its place in a file."""
    path = dotted(issue.path)
    if issue.inner:
        path += f" -> {dotted(issue.inner)}"
    return Finding(
        rule=issue.rule,
        severity=issue.severity,
        subject=str(issue.manifest.key),
        message=issue.message,
        location=_place(issue),
        path=path,
        fix=issue.fix,
        verdict=issue.verdict,
        source=issue.source,
    )


def _place(issue: LintIssue) -> Location:
    return locate(issue.manifest, issue.path)
