"""What manifests mean together: references between objects, and the fields inside strings that hold JSON or YAML.

What lives here: the index over a set of manifests, one module of rules per surface, the run over all of them. What may
not: files, YAML libraries (the caller passes a reader), clocks, the network, and checks of one object against its
schema, which belong to :mod:`tenantry.schema`.
"""

from __future__ import annotations

from tenantry.lint.catalogue import rules_markdown
from tenantry.lint.context import LintContext
from tenantry.lint.engine import lint
from tenantry.lint.issue import LintIssue
from tenantry.lint.rule import Rule
from tenantry.lint.rules import RULES

__all__ = ["RULES", "LintContext", "LintIssue", "Rule", "lint", "rules_markdown"]
