"""A rule: one plain function over the index, with the identity and the reason that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.lint.issue import LintIssue
from tenantry.model.finding import Severity, Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath

if TYPE_CHECKING:
    from tenantry.lint.index import Index


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule does not hold.

    Attributes:
        manifest: the object concerned.
        path: path inside the object.
        message: what is wrong and what follows from it.
        fix: the smallest change that resolves it.
        severity: overrides the rule's severity, for evidence that is weaker or stronger than usual.
        inner: path inside the JSON or YAML text that stands at ``path``.
    """

    manifest: Manifest
    path: DocPath
    message: str
    fix: str = ""
    severity: Severity | None = None
    inner: DocPath = ()


Check = Callable[["Index"], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with its identity.

    Attributes:
        id: stable identifier, ``LINT-<SURFACE>-<WHAT>``.
        severity: severity of a hit that names none.
        title: one line: what is wrong when the rule fires.
        why: what happens on the cluster.
        source: document or code path of the software concerned.
        fragments: whether the rule judges a value by itself, so that it holds for kustomize patches too.
        check: the function.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    fragments: bool
    check: Check

    def __call__(self, index: Index) -> Iterator[LintIssue]:
        """Run the check; hits on fragments are dropped unless the rule is safe for them."""
        for hit in self.check(index):
            if not self.fragments and hit.manifest in index.partial:
                continue
            severity = self.severity if hit.severity is None else hit.severity
            yield LintIssue(
                self.id,
                severity,
                hit.manifest,
                hit.path,
                hit.message,
                hit.fix,
                self.source,
                hit.inner,
                Verdict.VIOLATED,
            )


def rule(
    id: str,  # noqa: A002 - rules are identified, the word is theirs
    severity: Severity,
    title: str,
    *,
    why: str,
    source: str,
    fragments: bool = False,
) -> Callable[[Check], Rule]:
    """Turn a check into a rule. The arguments are the attributes of :class:`Rule`."""
    return lambda check: Rule(id, severity, title, why, source, fragments, check)
