"""The table of effect rules as a document."""

from __future__ import annotations

from tenantry.catalog.changes import immutable_fields, step_minutes
from tenantry.plan.rules import COMPARISONS, TABLE

_HEAD = """# Effects of changes

What `tenantry plan` says about a difference, and where it is known from. Objects are compared field by field; the first
row of the table that matches a field says what the change does. Comparisons look at both clusters instead. A field
without a row is shown as `effect unknown`, never as none. [plan.md](plan.md) shows them at work.

This page is written from the code by `make docs`.
"""


def effects_markdown() -> str:
    """Write comparisons, then the table in its order, then minutes and immutable fields."""
    parts = [_HEAD, "## Comparisons\n", "| rule | what | source |", "|---|---|---|"]
    parts += [f"| `{item.id}` | {item.title} | {item.source} |" for item in COMPARISONS]
    parts += ["\n## Fields of objects\n", "| rule | object | field | what happens | known | source |"]
    parts.append("|---|---|---|---|---|---|")
    for row in TABLE:
        kinds = ", ".join(f"`{kind}`" for kind in row.kinds)
        paths = ", ".join(f"`{path}`" if path else "made or gone" for path in row.paths)
        where = f"{kinds} {row.direction}" if row.direction.startswith("of ") else kinds
        moves = f"{paths} {row.direction}" if row.direction and not row.direction.startswith("of ") else paths
        parts.append(f"| `{row.id}` | {where} | {moves} | {row.title} | {row.certainty.value} | {row.source} |")
    parts += ["\n## Minutes on one node\n", "| step | minutes | known | from |", "|---|---:|---|---|"]
    for step in step_minutes().values():
        parts.append(f"| {step.step} | {step.minutes} | {'assumed' if step.assumed else 'yes'} | {step.source} |")
    parts += ["\n## Fields that cannot be changed\n", "| object | field | except | source |", "|---|---|---|---|"]
    for field in immutable_fields():
        spared = ", ".join(f"`{path}`" for path in field.exceptions)
        when = f" when `{field.when}`" if field.when else ""
        parts.append(f"| `{field.kind}`{when} | `{field.path}` | {spared} | {field.source} |")
    return "\n".join(parts) + "\n"
