"""Shared by the tests of lint: manifests from YAML text, and cases of a rule with the fix that silences it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsIndex

from tenantry.io.yaml_read import load_documents
from tenantry.lint import LintContext, LintIssue, lint
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location, dotted


class Doc(str):
    """A text of manifests whose edits must change it, so that no case tests something else than it says."""

    __slots__ = ()

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> Doc:
        assert old in self, f"{old!r} is not in the text"
        return Doc(super().replace(old, new, count))

    def __add__(self, other: str) -> Doc:
        return Doc(super().__add__(other))

    def __radd__(self, other: str) -> Doc:
        return Doc(other.__add__(str(self)))


def parse(text: str) -> Any:
    documents = load_documents(text)
    return documents[0].value if documents else None


def manifests(text: str, file: str = "set.yaml") -> list[Manifest]:
    """Read documents; a comment ``# file: NAME`` above documents puts what follows into another file."""
    found: list[Manifest] = []
    for part in ("\n" + text).split("\n# file: ")[0:1]:
        found += _documents(part, file)
    for part in ("\n" + text).split("\n# file: ")[1:]:
        name, _, rest = part.partition("\n")
        found += _documents(rest, name.strip())
    return found


def _documents(text: str, file: str) -> list[Manifest]:
    return [
        Manifest(document.value, Location(file, document.line, 1), document.index)
        for document in load_documents(text)
        if document.value is not None
    ]


def run(text: str, *, complete: bool = False, partial: bool = False) -> list[LintIssue]:
    found = manifests(text)
    fragments = frozenset(found) if partial else frozenset()
    return lint(found, LintContext(parse_yaml=parse, partial=fragments, complete=complete))


def of(issues: list[LintIssue], rule: str) -> list[LintIssue]:
    return [issue for issue in issues if issue.rule == rule]


def shown(issues: list[LintIssue]) -> list[str]:
    return [f"{issue.severity.word} {issue.rule} {dotted(issue.path)}: {issue.message}" for issue in issues]


@dataclass(frozen=True)
class Case:
    """A defect and its smallest repair.

    Attributes:
        rule: the rule that finds it.
        name: what is wrong, as a test id.
        bad: manifests with the defect.
        fix: text to replace and what replaces it, in turn; afterwards the rule is silent.
        path: where it is reported; inner paths follow an arrow.
        severity: how bad it is.
        complete: whether the set is everything the cluster gets.
    """

    rule: str
    name: str
    bad: str
    fix: tuple[tuple[str, str], ...]
    path: str
    severity: Severity
    complete: bool = False

    @property
    def good(self) -> str:
        text = self.bad
        for old, new in self.fix:
            assert old in text, f"the fix of {self.name} replaces nothing: {old!r}"
            text = text.replace(old, new)
        return text


def error(rule: str, name: str, bad: str, *fix: tuple[str, str], at: str, complete: bool = False) -> Case:
    return Case(rule, name, bad, fix, at, Severity.ERROR, complete)


def warning(rule: str, name: str, bad: str, *fix: tuple[str, str], at: str, complete: bool = False) -> Case:
    return Case(rule, name, bad, fix, at, Severity.WARNING, complete)


def info(rule: str, name: str, bad: str, *fix: tuple[str, str], at: str, complete: bool = False) -> Case:
    return Case(rule, name, bad, fix, at, Severity.INFO, complete)
