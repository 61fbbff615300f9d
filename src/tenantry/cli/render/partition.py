"""A partition plan as text, JSON and Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.app.partition_output import configuration_name, mig_configuration, runs, steps
from tenantry.cli.render.layout import paragraph, table
from tenantry.cli.render.partition_page import as_html
from tenantry.cli.render.partition_words import (
    HEAD,
    JUSTIFY,
    changes_words,
    demand_cells,
    layout_cells,
    loss_words,
    more_words,
    proof_words,
    question_words,
)
from tenantry.model.partition import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.app.partition_report import PartitionReport, PoolReport
    from tenantry.efficient.partition.losses import Losses
    from tenantry.efficient.partition.planner import Planned, Stage
    from tenantry.model.finding import Finding
    from tenantry.model.partition import Layout

FORMAT_VERSION = "1.0"


def text(report: PartitionReport) -> str:
    """Write the plan for a terminal."""
    lines = [*paragraph(question_words(report))]
    for pool in report.pools:
        lines += ["", *_pool_text(pool)]
    for item in report.findings:
        lines += ["", *paragraph(f"{item.severity.word}: {item.message}"), f"    rule {item.rule}"]
    for note in report.notes:
        lines += ["", *paragraph(f"note: {note}")]
    if report.refused:
        lines += ["", *paragraph(f"note: the spec as it is has {len(report.refused)} problems about these layouts:")]
        lines += [
            line for item in report.refused for line in paragraph(f"{item.location}: {item.message}", indent="  ")
        ]
    return "\n".join(lines)


def _pool_text(pool: PoolReport) -> Iterator[str]:
    nodes = len(pool.pool.nodes)
    word = "node" if nodes == 1 else "nodes"
    yield from paragraph(
        f"node pool {pool.pool.name}: {nodes:,} {word} with {len(pool.indices)} x {pool.pool.gpu.title}"
    )
    yield from paragraph(proof_words(pool), indent="  ")
    yield from paragraph(changes_words(pool), indent="  ")
    if pool.rows:
        yield ""
        yield from table(HEAD, [demand_cells(row) for row in pool.rows], justify=JUSTIFY, indent=2)
    yield ""
    yield from table(("nodes", "GPUs", "layout now", "layout planned"), layout_cells(pool), indent=2)
    yield ""
    for words in (*loss_words(pool), *more_words(pool)):
        yield from paragraph(words, indent="  ")
    for number, step in enumerate(steps(pool), 1):
        yield from paragraph(step, indent=f"  {number}. ")


def as_markdown(report: PartitionReport) -> str:
    """Write the plan as Markdown."""
    lines = [f"# Partition plan of {report.name}", "", question_words(report)]
    for pool in report.pools:
        lines += ["", f"## Node pool {pool.pool.name}", "", proof_words(pool, timed=False), "", changes_words(pool), ""]
        lines += _markdown_table(HEAD, [demand_cells(row) for row in pool.rows], JUSTIFY)
        lines += ["", *_markdown_table(("nodes", "GPUs", "layout now", "layout planned"), layout_cells(pool), "")]
        lines += ["", *(f"- {words}" for words in (*loss_words(pool), *more_words(pool)))]
        lines += ["", *(f"{number}. {step}" for number, step in enumerate(steps(pool), 1))]
    if report.findings:
        lines += ["", "## Findings", ""]
        lines += [
            f"- **{item.severity.word}** `{item.rule}` {item.subject}: {item.message}" for item in report.findings
        ]
    lines += [f"\n> {note}" for note in report.notes]
    lines += ["", "## MIG configuration", "", "```yaml", mig_configuration(report).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]], justify: str) -> list[str]:
    marks = ("---:" if justify[place : place + 1] == "r" else "---" for place in range(len(head)))
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return [body[0], f"|{'|'.join(marks)}|", *body[1:]]


def as_json(report: PartitionReport) -> str:
    """Write everything for machines."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "platform": report.name,
        "environment": report.environment or None,
        "rules": {
            "uniform": report.rules.uniform,
            "exclusive": report.rules.exclusive,
            "spareNodes": report.rules.spares,
            "keepNodes": report.rules.frozen,
            "gpuCost": report.rules.costs.gpu,
            "nodeCost": report.rules.costs.node,
            "timeLimitSeconds": report.seconds,
        },
        "pools": [_pool_json(item) for item in report.pools],
        "migConfiguration": mig_configuration(report),
        "findings": [_finding_json(item) for item in report.findings],
        "notes": list(report.notes),
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _finding_json(item: Finding) -> dict[str, Any]:
    return {
        "rule": item.rule, "severity": item.severity.word, "verdict": str(item.verdict), "subject": item.subject,
        "message": item.message, "file": item.location.file, "fix": item.fix, "source": item.source,
    }  # fmt: skip


def _pool_json(pool: PoolReport) -> dict[str, Any]:
    return {
        "pool": pool.pool.name,
        "gpu": pool.pool.gpu.id,
        "nodes": len(pool.pool.nodes),
        "gpusPerNode": len(pool.indices),
        "status": pool.status,
        "seconds": round(pool.seconds, 3),
        "plan": _planned_json(pool, pool.plan),
        "greedy": _planned_json(pool, pool.greedy),
        "present": _planned_json(pool, pool.present),
        "most": _planned_json(pool, pool.most) if pool.most is not None else None,
        "nodeMinutes": pool.node_minutes,
        "demand": [
            {
                "tenant": row.tenant or None, "profile": row.profile, "priority": row.priority, "weight": row.weight,
                "wanted": row.wanted, "servedNow": row.now, "servedGreedy": row.greedy, "servedPlanned": row.planned,
                "servedAtMost": row.most, "ceiling": row.ceiling,
            }
            for row in pool.rows
        ],
        "losses": {"now": _losses_json(pool.losses_before), "planned": _losses_json(pool.losses)},
        "configurations": [
            {
                "name": configuration_name(pool, group),
                "nodes": list(group.nodes),
                "changedNodes": list(group.changed),
                "gpus": [
                    {"indices": list(gpus), "instances": dict(counts)}
                    for counts, gpus in runs(group.layouts, pool.indices)
                ],
            }
            for group in pool.groups
        ],
        "spareNodes": list(pool.plan.plan.spare_nodes),
        "gpus": [
            {
                "node": after.node, "index": after.index, "tenant": after.tenant or None,
                "changes": counts_of(before.layout) != counts_of(after.layout),
                "before": _layout_json(before.layout), "after": _layout_json(after.layout),
                "pinned": [[pin.placement.start, pin.placement.profile] for pin in before.pins],
            }
            for before, after in zip(pool.pool.gpus, pool.plan.plan.gpus, strict=True)
        ],
    }  # fmt: skip


def _layout_json(layout: Layout) -> list[list[Any]]:
    return [[item.start, item.profile, item.size] for item in layout]


def _planned_json(pool: PoolReport, planned: Planned) -> dict[str, Any]:
    figures = planned.figures
    return {
        "source": planned.source,
        "unserved": {str(priority): worth for priority, worth in figures.unserved},
        "changedGpus": figures.changed_gpus,
        "changedNodes": figures.changed_nodes,
        "objective": figures.objective(pool.rules.costs),
        "stages": [_stage_json(stage) for stage in planned.stages],
    }


def _stage_json(stage: Stage) -> dict[str, Any]:
    return {
        "priority": stage.priority,
        "withCosts": stage.weighed,
        "objective": stage.objective,
        "bound": stage.bound,
        "gap": round(stage.gap, 6),
        "proved": stage.proved,
    }


def _losses_json(losses: Losses) -> dict[str, Any]:
    return {
        "idleSlices": dict(losses.idle),
        "memorySlicesInNoInstance": losses.memory,
        "computeSlicesInNoInstance": losses.compute,
        "memorySlices": losses.total_memory,
        "computeSlices": losses.total_compute,
    }


RENDERERS: Mapping[str, Callable[[PartitionReport], str]] = {
    "text": text,
    "json": as_json,
    "md": as_markdown,
    "html": as_html,
}
"""Writer of each output format."""
