"""What a change does to whom: the differences of two compiled specs, as effects on nodes, tenants, isolation and data.

What lives here: differences of objects and of specs, the table of effect rules, the order and length of the roll-out,
the summary. What may not: files, Git, compiling and verifying (the caller does both for each side and hands over what
came of it).
"""

from __future__ import annotations

from tenantry.plan.effect import Area, Cause, Certainty, Effect, Level, Mark, Plan, Return
from tenantry.plan.engine import plan
from tenantry.plan.reference import effects_markdown
from tenantry.plan.side import Side

__all__ = [
    "Area",
    "Cause",
    "Certainty",
    "Effect",
    "Level",
    "Mark",
    "Plan",
    "Return",
    "Side",
    "effects_markdown",
    "plan",
]
