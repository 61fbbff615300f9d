"""Run every rule over a set of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tenantry.lint.context import LintContext
from tenantry.lint.index import Index
from tenantry.lint.issue import LintIssue
from tenantry.lint.rule import Rule
from tenantry.lint.rules import RULES
from tenantry.model.manifest import Manifest


def lint(manifests: Sequence[Manifest], context: LintContext, rules: Iterable[Rule] = RULES) -> list[LintIssue]:
    """Judge manifests by meaning: references between objects, and what stands in strings.

    Args:
        manifests: objects of any origin, whole or fragments.
        context: what is known besides them.
        rules: the rules to run; all of them unless told otherwise.

    Returns:
        Issues in the order of :meth:`LintIssue.sort_key`, none twice.
    """
    index = Index(manifests, context)
    found = {issue for rule in rules for issue in rule(index)}
    return sorted(found, key=LintIssue.sort_key)
