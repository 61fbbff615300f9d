"""The rules, one module per subject, in one visible tuple.

What lives here: plain functions from the ground to hits, each saying which question it decides, exactly. What may not:
state, and what :mod:`tenantry.compile.checks` refuses already.
"""

from __future__ import annotations

from tenantry.efficient.fit.rule import Rule
from tenantry.efficient.fit.rules import pools, promises, tenants, workloads

RULES: tuple[Rule, ...] = (*promises.RULES, *workloads.RULES, *tenants.RULES, *pools.RULES)
