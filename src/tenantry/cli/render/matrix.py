"""The tenant x tenant matrix: who can act on whom, in a terminal and in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from tenantry.app.verification import Cell, VerifyReport

MOST = 30
"""Tenants a matrix shows; above that rows of counts say more."""
WIDTH = 100
ROWS = 20
"""Rows of counts that are shown."""

PROVED, UNKNOWN, SELF = "·", "?", " "
LEGEND = "S0 node or cluster, S1 data or processes, S2 availability or share, S3 metadata; ? not known; · proved"


def mark(cell: Cell) -> str:
    """Return what stands in a cell: the impact of the worst violation, or a sign."""
    if cell.verdict is Verdict.VIOLATED and cell.impact is not None:
        return cell.impact.name
    return UNKNOWN if cell.verdict is Verdict.UNKNOWN else PROVED


def _mark(report: VerifyReport, source: str, target: str) -> str:
    return mark(report.cell(source, target)) if report.concerns(source, target) else SELF


def worst_first(report: VerifyReport) -> list[str]:
    """Return the tenants, those first that can act on most others."""
    blasts = {name: report.blast(name) for name in report.names}
    return sorted(report.names, key=lambda name: (-blasts[name][0], -blasts[name][1], name))


def text_matrix(report: VerifyReport) -> list[str]:
    """Return the lines of the matrix: rows act on columns. Many tenants become rows of counts, worst first."""
    if len(report.names) < 2:
        return []
    if len(report.names) > MOST:
        return _counts(report)
    names = report.names
    longest = max(len(name) for name in names)
    by_name = longest + 2 + len(names) * (longest + 2) <= WIDTH
    heads = list(names) if by_name else [str(index) for index in range(1, len(names) + 1)]
    labels = [name if by_name else f"{index:>2} {name}" for index, name in enumerate(names, 1)]
    left = max(len(label) for label in labels)
    widths = [max(2, len(head)) for head in heads]
    lines = [_line("", left, heads, widths, "acts on")]
    for label, source in zip(labels, names, strict=True):
        marks = [_mark(report, source, target) for target in names]
        lines.append(_line(label, left, marks, widths, _reach(report, source)))
    return [*lines, "", f"rows act on columns; {LEGEND}"]


def _line(label: str, left: int, cells: list[str], widths: list[int], right: str) -> str:
    shown = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{label.ljust(left)}  {shown}   {right}".rstrip()


def _reach(report: VerifyReport, source: str) -> str:
    violated, unknown = report.blast(source)
    return f"{violated}" + (f", {unknown} unknown" if unknown else "")


def _counts(report: VerifyReport) -> list[str]:
    others = len(report.names) - 1
    rows = [(name, *report.blast(name)) for name in worst_first(report)]
    open_rows = [row for row in rows if row[1] or row[2]]
    left = max([len(row[0]) for row in open_rows[:ROWS]], default=6)
    lines = [f"{'tenant'.ljust(left)}  acts on  unknown  of"] if open_rows else []
    lines += [
        f"{name.ljust(left)}  {violated:>7}  {unknown:>7}  {others}" for name, violated, unknown in open_rows[:ROWS]
    ]
    if len(open_rows) > ROWS:
        lines.append(f"and {len(open_rows) - ROWS} more tenants that can act on others or may")
    closed = len(rows) - len(open_rows)
    if closed:
        lines.append(f"{closed} tenants can act on nobody")
    return lines


def markdown_matrix(report: VerifyReport) -> list[str]:
    """Return the lines of the matrix as a Markdown table, or of counts when there are many tenants."""
    if len(report.names) < 2:
        return []
    if len(report.names) > MOST:
        return ["```text", *_counts(report), "```", ""]
    lines = ["| | " + " | ".join(report.names) + " |", "|---" * (len(report.names) + 1) + "|"]
    for source in report.names:
        marks = [_mark(report, source, target) for target in report.names]
        lines.append(f"| **{source}** | " + " | ".join(marks) + " |")
    return [*lines, "", f"Rows act on columns; {LEGEND}.", ""]
