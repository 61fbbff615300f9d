"""The reference of measures, findings and columns of files, written from the lists that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.measures.catalogue import GROUPS
from tenantry.fair.measures.events import EVENT_COLUMNS, JOB_COLUMNS
from tenantry.fair.measures.rules import RULES
from tenantry.model.column import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.kind import Group, Measure
    from tenantry.fair.measures.rules import Rule
    from tenantry.model.column import Column

HEAD = """# Measures

What is measured of a replay, of whom, how it is reckoned, and how to read it. Integrals (∫) run over time and sums (Σ)
over jobs. Amounts are added up as whole milli-GPU-seconds, so parts add up to the whole exactly. What cannot be known
is `-` in text and null in JSON, never 0. A number with ≥ is a lower bound: jobs that had not ended when the replay did
may raise it.

Outputs hold one replay, or several side by side with differences to the first: scenarios of a spec, or policies
(`fair-share` as it is deployed, `static-partition`, `fifo`). Every replay of one cluster is measured against the quotas
and weights of its spec, whatever it was scheduled by: so a first-in-first-out replay has share losses too.

| output | holds |
|---|---|
| text, Markdown | what matters most: cluster, waits by job size, tenants with the most share loss, queues, findings |
| HTML | the same, and drawn: where GPU-time went, GPUs and queues over time, jobs worth a look |
| JSON | every measure of every tenant and queue, series over time, findings, and these definitions |
| CSV, Parquet | one row per event, and one per job: [columns below](#events-and-jobs) |

The page in HTML is one file that loads nothing and runs no script.

One tenant's view has its own names, those of its queue and of the queues above it; other tenants, queues and jobs are
numbered, alike in every replay. Numbers follow GPU-time held, so they say nothing about names. Sizes, times and counts
of others stay: the view hides who they are, not what they do.

This page is written from the code by `make docs`.
"""

_FINDINGS = """## Findings

| | finding | when | source |
|---|---|---|---|"""

_FILES = """## Events and jobs

Every event of a replay is a row, in the order of the replay; every job of the trace is a row, by submission, whether it
was replayed or not.
"""


def measures_markdown() -> str:
    """Return the page: measures by group, findings, and the columns of files."""
    parts = [HEAD, *map(_group, GROUPS), "\n".join([_FINDINGS, *map(_rule, RULES)]) + "\n", _FILES]
    parts += [_columns("Events", EVENT_COLUMNS), _columns("Jobs", JOB_COLUMNS)]
    return "\n".join(parts)


def _group(group: Group) -> str:
    rows = "\n".join(map(_measure, group.measures))
    head = "| measure | of | better | how it is reckoned | how to read it | source |\n|---|---|---|---|---|---|"
    return f"## {group.title}\n\n{group.about}\n\n{head}\n{rows}\n"


def _measure(measure: Measure) -> str:
    text = measure.text
    better = measure.better.value if measure.better.value != "neither" else ""
    cells = (
        f"{measure.title}<br>`{measure.key}`, {measure.unit.value}",
        ", ".join(measure.kinds),
        better,
        text.formula,
        text.reading,
        text.source,
    )
    return _row(cells)


def _rule(rule: Rule) -> str:
    return _row((rule.severity.word, f"`{rule.id}`: {rule.title}", rule.why, rule.source))


def _columns(title: str, columns: Sequence[Column]) -> str:
    words = {Kind.TEXT: "text", Kind.WHOLE: "whole number"}
    rows = "\n".join(_row((f"`{each.name}`", words[each.kind], each.meaning)) for each in columns)
    return f"### {title}\n\n| column | | meaning |\n|---|---|---|\n{rows}\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
