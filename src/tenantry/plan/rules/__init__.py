"""The rules: which difference does what.

What lives here: the table of object fields (``TABLE``, the first row that matches takes a difference) and the
comparisons of the two clusters (``COMPARISONS``). What may not: how rules are run, and text of outputs.
"""

from __future__ import annotations

from tenantry.plan.rules import data, gitops, isolation, nodes, partitions, permissions, platform, tenants, terms

TABLE = (*nodes.ROWS, *partitions.ROWS, *tenants.ROWS, *data.ROWS, *gitops.ROWS, *platform.ROWS)
"""Rows in the order in which they are tried."""

COMPARISONS = (
    *nodes.COMPARISONS,
    *partitions.COMPARISONS,
    *tenants.COMPARISONS,
    *terms.COMPARISONS,
    *isolation.COMPARISONS,
    *permissions.COMPARISONS,
    *data.COMPARISONS,
    *gitops.COMPARISONS,
)
"""Comparisons of the clusters, in the order in which they run."""

__all__ = ["COMPARISONS", "TABLE"]
