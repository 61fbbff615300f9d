"""What packing gave out and stranded, as text, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantry import __version__
from tenantry.fair.packing.policies import Refusal, Ties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenantry.app.pack import PackReport
    from tenantry.fair.packing.compare import Outlook, Sensitivity
    from tenantry.fair.packing.measure import Level

FORMAT_VERSION = "1.0"
COLUMNS = (
    "policy", "ties", "model", "arrived_percent", "allocated_percent", "allocated_deviation", "unallocated_gpus",
    "fragment_gpus", "fragment_percent",
)  # fmt: skip
"""Columns of the CSV; ``model`` is empty for the whole cluster, and a deviation is known for that only."""


class _Table(NamedTuple):
    """A table for people; the first two columns are words, the others numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def text(report: PackReport) -> str:
    """Write the summary and a table for each question."""
    return "\n".join([*_summary(report), *(line for table in _tables(report) for line in ("", *_lines(table)))])


def as_markdown(report: PackReport) -> str:
    """Write the summary and the tables as Markdown."""
    lines = [f"{line}  " for line in _summary(report)]
    for table in _tables(report):
        lines += ["", f"**{table.title}**", "", _markdown_row(table.head)]
        lines.append("|" + "|".join("---" if index < 2 else "---:" for index in range(len(table.head))) + "|")
        lines += [_markdown_row(row) for row in table.rows]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _lines(table: _Table) -> Iterator[str]:
    yield table.title
    widths = [max(len(row[index]) for row in (table.head, *table.rows)) for index in range(len(table.head))]
    for row in (table.head, *table.rows):
        cells = (
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _summary(report: PackReport) -> Iterator[str]:
    yield (
        f"{report.nodes:,} nodes with {report.gpus:,} GPUs; {report.pods:,} pods ask for {report.demand:,.1f} GPUs, "
        f"{100 * report.demand / report.gpus:.1f} % of them"
    )
    first, last = report.seeds[0], report.seeds[-1]
    seeds = f"{len(report.seeds)} seeds, {first} to {last}" if last > first else f"one seed, {first}"
    yield f"pods arrive until they ask for {report.load} %; means over {seeds}"


def _tables(report: PackReport) -> Iterator[_Table]:
    yield _by_load(report, "GPUs given out, %, by GPUs asked for, %", lambda level: f"{level.allocated:.2f}")
    yield _by_load(report, "GPUs not given out, by GPUs asked for, %", lambda level: f"{level.unallocated:,.1f}")
    yield _by_load(
        report,
        "fragments: GPUs not given out that a typical pod cannot use, by GPUs asked for, %",
        lambda level: f"{level.fragment:,.1f}",
    )
    yield _at_end(report)
    yield _by_model(report)
    if report.sensitivities:
        yield _by_ties(report)


def _by_load(report: PackReport, title: str, cell: Callable[[Level], str]) -> _Table:
    head = ("policy", "ties", *(str(level.arrived) for level in report.outlooks[0].levels))
    rows = (
        (outlook.policy, str(outlook.ties), *(cell(level) for level in outlook.levels)) for outlook in report.outlooks
    )
    return _Table(title, head, tuple(rows))


def _at_end(report: PackReport) -> _Table:
    head = (
        "policy", "ties", "given out", "± seeds", "fragments of idle", "pods", "failed",
        *(f"no {reason}" for reason in Refusal),
    )  # fmt: skip
    rows = []
    for outlook in report.outlooks:
        level, failed = outlook.levels[-1], [outlook.failed[reason].pods for reason in Refusal]
        rows.append(
            (
                outlook.policy, str(outlook.ties), f"{level.allocated:.2f} %", f"{outlook.deviation[-1]:.2f}",
                f"{level.fragment_percent:.1f} %", f"{outlook.arrived:,.0f}", f"{sum(failed):,.0f}",
                *(f"{count:,.0f}" for count in failed),
            )
        )  # fmt: skip
    return _Table(f"at {report.load} %: pods that no node could take, by what the last nodes lacked", head, tuple(rows))


def _by_model(report: PackReport) -> _Table:
    head = ("policy", "ties", *(f"{model or 'none'} ({gpus:,})" for model, gpus in report.models.items()))
    rows = (
        (
            outlook.policy,
            str(outlook.ties),
            *(f"{outlook.models[model][-1].allocated:.2f}" for model in report.models),
        )
        for outlook in report.outlooks
    )
    return _Table(f"at {report.load} %: GPUs given out by model, %", head, tuple(rows))


def _by_ties(report: PackReport) -> _Table:
    rules = list(report.sensitivities[0].allocated)
    head = ("policy", "", *(str(rule) for rule in rules), "spread")
    rows = (
        (item.policy, "", *(f"{item.allocated[rule]:.2f}" for rule in rules), f"{item.spread:.2f}")
        for item in report.sensitivities
    )
    return _Table(f"at {report.load} %: GPUs given out by rule for ties, %", head, tuple(rows))


def as_csv(report: PackReport) -> str:
    """Write one line for each policy, rule for ties, model and load."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for outlook in report.outlooks:
        for model, levels in {"": outlook.levels, **outlook.models}.items():
            for level, deviation in zip(levels, outlook.deviation, strict=True):
                spread = f"{deviation:.4f}" if levels is outlook.levels else ""
                writer.writerow(
                    (
                        outlook.policy, outlook.ties, model, level.arrived, f"{level.allocated:.4f}", spread,
                        f"{level.unallocated:.4f}", f"{level.fragment:.4f}", f"{level.fragment_percent:.4f}",
                    )
                )  # fmt: skip
    return buffer.getvalue()


def as_json(report: PackReport) -> str:
    """Write everything for machines; amounts of GPUs are in GPUs, shares in percent."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "cluster": {"nodes": report.nodes, "gpus": report.gpus, "models": report.models},
        "workload": {"pods": report.pods, "gpus": report.demand, "loadPercent": report.load},
        "seeds": list(report.seeds),
        "results": [_result(outlook) for outlook in report.outlooks],
        "tieSensitivity": [_sensitivity(item) for item in report.sensitivities],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _result(outlook: Outlook) -> dict[str, Any]:
    return {
        "policy": outlook.policy,
        "ties": str(outlook.ties),
        "levels": [
            {**_level(level), "allocatedDeviation": _number(deviation)}
            for level, deviation in zip(outlook.levels, outlook.deviation, strict=True)
        ],
        "models": [
            {"model": model, "levels": [_level(level) for level in levels]} for model, levels in outlook.models.items()
        ],
        "podsArrived": _number(outlook.arrived),
        "podsFailed": [
            {"missing": str(reason), "pods": _number(item.pods), "gpus": _number(item.gpus)}
            for reason, item in outlook.failed.items()
        ],
        "seeds": [
            {"seed": seed, "allocatedPercent": [_number(value) for value in values]}
            for seed, values in outlook.allocated.items()
        ],
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "arrivedPercent": level.arrived,
        "allocatedPercent": _number(level.allocated),
        "unallocatedGpus": _number(level.unallocated),
        "fragmentGpus": _number(level.fragment),
        "fragmentPercent": _number(level.fragment_percent),
    }


def _sensitivity(item: Sensitivity) -> dict[str, Any]:
    allocated: dict[str, float] = {str(rule): _number(item.allocated[rule]) for rule in Ties if rule in item.allocated}
    return {
        "policy": item.policy,
        "arrivedPercent": item.arrived,
        "allocatedPercent": allocated,
        "spreadPoints": _number(item.spread),
    }


def _number(value: float) -> float:
    """Return a figure to four digits after the point: what lies below is noise of means."""
    return round(value, 4)


RENDERERS: Mapping[str, Callable[[PackReport], str]] = {
    "text": text,
    "json": as_json,
    "md": as_markdown,
    "csv": as_csv,
}
"""Writer of each output format."""
