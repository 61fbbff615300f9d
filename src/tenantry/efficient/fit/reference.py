"""The list of rules as a document."""

from __future__ import annotations

from tenantry.efficient.fit.rules import RULES

_HEAD = """# Rules of fit

What `tenantry fit`, and `tenantry lint` on a spec, decide about a whole spec: whether what is promised fits the
hardware. Each rule says the question it decides; where a fact is missing the verdict is UNKNOWN and the fact is named.
Most findings name a job that cannot run, and changes of the spec that were tried: with the change the finding is gone
and no other appears. [fit.md](fit.md) shows them at work. What the compiler refuses already (`SPEC-*`) is not repeated.

This page is written from the code by `make docs`.
"""


def fit_markdown() -> str:
    """Write the list of rules in the order of their ids."""
    parts = [_HEAD]
    for rule in sorted(RULES, key=lambda item: item.id):
        parts.append(f"## {rule.id}\n\n**{rule.severity.word}** · {rule.title}\n")
        parts.append(f"Question: {rule.question}\n\n{rule.why}\n\nSource: {rule.source}\n")
    return "\n".join(parts)
