"""The list of rules as a document."""

from __future__ import annotations

from collections import defaultdict

from tenantry.lint.rule import Rule
from tenantry.lint.rules import RULES

_HEAD = """# Rules

What `tenantry lint` looks for beyond the schema of each object: references between objects, and the fields inside
strings that hold JSON or YAML. *error*: it cannot work, or does something else than it says. *warning*: it works, and
will hurt. *info*: worth knowing. A rule may report more mildly where the set of manifests is not the whole cluster.
Rules about a spec as a whole, whether what it promises fits its hardware, are in [fit-rules.md](fit-rules.md).
Rules marked with a dagger (†) judge a value by itself and therefore also look at kustomize patches.
"""


def rules_markdown() -> str:
    """Write the list of rules, grouped by surface, in the order of their ids."""
    surfaces: dict[str, list[Rule]] = defaultdict(list)
    for rule in RULES:
        surfaces[rule.id.split("-")[1]].append(rule)
    parts = [_HEAD]
    for surface in sorted(surfaces):
        parts.append(f"## {surface}\n")
        for rule in sorted(surfaces[surface], key=lambda item: item.id):
            dagger = " †" if rule.fragments else ""
            parts.append(f"### {rule.id}\n\n**{rule.severity.word}**{dagger} · {rule.title}\n")
            parts.append(f"{rule.why}\n\nSource: {rule.source}\n")
    return "\n".join(parts)
