"""Advice as text and Markdown, and the list of formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.cli.render.advice_data import UNITS, as_json, headline, now, verdict_line
from tenantry.cli.render.layout import paragraph, table
from tenantry.efficient.advise.changes import reported
from tenantry.efficient.advise.facts import Verdict
from tenantry.efficient.advise.score import Bounds
from tenantry.efficient.advise.words import bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.app.advise import AdviceReport
    from tenantry.efficient.advise import Advice, Cell

HEADER = ("class of work", "node pool", "now", "advice", "per GPU", "")
MARK = "*"
"""Before an option that the pool offers now."""


def text(report: AdviceReport, brief: bool) -> str:
    """Write the overview, then every class of work with its options."""
    lines = [f"{report.name}{f' ({report.environment})' if report.environment else ''}"]
    lines += paragraph(headline(report))
    if report.advice:
        lines += ["", *table(HEADER, [_row(item) for item in report.advice])]
    if not brief:
        for item in report.advice:
            lines += ["", *_details(item)]
    lines += ["", *_remarks(report)]
    return "\n".join(lines).rstrip() + "\n"


def _row(item: Advice) -> tuple[str, ...]:
    return (item.work.name, item.pool.name, now(item), verdict_line(item), score(item), item.standing.value)


def score(item: Advice) -> str:
    """Write what one GPU does by the advice."""
    if item.decision.leader is None:
        return "-"
    return counted(item, item.decision.score)


def counted(item: Advice, value: Bounds | None) -> str:
    """Write bounds with what they count; nothing for an option that is refused."""
    if value is None:
        return "-"
    one = item.unit == "sessions" and value == Bounds(1.0, 1.0)
    return f"{bounds(value)} {UNITS[item.unit].removesuffix('s') if one else UNITS[item.unit]}"


def _details(item: Advice) -> Iterator[str]:
    gpus = item.pool.gpus_per_node
    yield f"{item.work.name} in {item.pool.name}: {gpus} x {item.pool.gpu.title} a server"
    yield from paragraph(sentence(item), indent="  ")
    rows = [
        (f"{MARK if cell.offered else ' '} {cell.option.label}", cell.verdict.value, cell_score(cell), _why(cell))
        for cell in item.cells
    ]
    yield from _options(("  option", "verdict", f"per GPU, {UNITS[item.unit]}", "why"), rows)
    yield f"  {MARK} offered now"
    leader = item.leader
    for caveat in leader.caveats if leader else ():
        yield from paragraph(f"beware: {caveat}", indent="  ", hang="  ")
    if item.missing:
        yield "  missing:"
        for missing in item.missing:
            yield from paragraph(f"{missing.fact}: {missing.measure}", indent="    ", hang="  ")
    if item.changes:
        yield "  would change it:"
        for change in item.changes:
            yield from paragraph(f"{change.text} -> {reported(change.decision)}", indent="    ", hang="  ")


def _options(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out the options, the last column wrapped. A general table takes ten times as long, and there are many."""
    left = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header) - 1)]
    for row in (header, *rows):
        names = "  ".join(cell.ljust(size) for cell, size in zip(row, left, strict=False))
        yield from paragraph(row[-1], indent=f"  {names}  ")


def sentence(item: Advice) -> str:
    """Say what is recommended, why, and how the pool stands to it."""
    leader = item.leader
    if item.decision.verdict is Verdict.REFUSED or leader is None:
        return f"Cannot run there, {item.standing_reason}."
    if item.decision.verdict is Verdict.ALLOWED:
        said = f"{leader.option.label}: {'; '.join(leader.reasons)}. {_others(item)}"
    else:
        rivals = ", ".join(option.label for option in item.decision.rivals)
        said = f"UNKNOWN: best of what is known is {leader.option.label}, and {rivals} may be better."
    return f"{said} {_capital(item.standing.value)}: {item.standing_reason}."


def _others(item: Advice) -> str:
    left = [cell for cell in item.cells if cell.verdict is not Verdict.REFUSED and cell is not item.leader]
    if not left:
        return "Nothing else is left by the rules."
    return "No other option that is left does more per GPU."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def cell_score(cell: Cell) -> str:
    """Write what one GPU does with an option; nothing for one that is refused."""
    return bounds(cell.score) if cell.score is not None else "-"


def _why(cell: Cell) -> str:
    said = cell.reasons[0] if cell.verdict is Verdict.REFUSED else "; ".join(cell.reasons)
    more = f" (and {len(cell.reasons) - 1} more)" if cell.verdict is Verdict.REFUSED and len(cell.reasons) > 1 else ""
    return f"{cell.rule}: {said}{more}" if cell.rule else said


def _remarks(report: AdviceReport) -> Iterator[str]:
    for note in report.notes:
        yield from paragraph(f"note: {note}", hang="  ")
    for problem in report.problems:
        yield from paragraph(f"profiles: {problem}", hang="  ")
    for finding in report.findings:
        word = "unknown" if finding.verdict.value == "UNKNOWN" else finding.severity.word
        said = f"{finding.location}: {word}: {finding.subject}: {finding.message} [{finding.rule}]"
        yield from paragraph(said, hang="  ")
        if finding.fix:
            yield from paragraph(f"fix: {finding.fix}", indent="  ", hang="  ")


# Markdown ------------------------------------------------------------------------------------------------------------


def markdown(report: AdviceReport, brief: bool) -> str:
    """Write the overview and every class of work as tables."""
    lines = [f"# {report.name}: how to share GPUs", "", f"**{headline(report)}**", ""]
    if report.advice:
        lines += _markdown_table((*HEADER[:-1], "pool"), [_row(item) for item in report.advice])
    for item in report.advice if not brief else ():
        lines += ["", f"## {item.work.name} in {item.pool.name}", "", sentence(item), ""]
        rows = [
            (
                f"**{cell.option.label}**" if cell is item.leader else cell.option.label,
                "yes" if cell.offered else "",
                cell.verdict.value,
                cell_score(cell),
                f"{f'`{cell.rule}` ' if cell.rule else ''}{'; '.join(cell.reasons)}",
            )
            for cell in item.cells
        ]
        lines += _markdown_table(("option", "now", "verdict", f"per GPU, {UNITS[item.unit]}", "why"), rows)
        if item.missing:
            lines += ["", "Missing:", "", *(f"- {missing.fact}: {missing.measure}" for missing in item.missing)]
        if item.changes:
            changed = (f"- {change.text} → {reported(change.decision)}" for change in item.changes)
            lines += ["", "Would change it:", "", *changed]
    if report.notes or report.findings:
        lines += ["", "## Findings", "", *(f"- {note}" for note in report.notes)]
        lines += [f"- `{item.rule}` {item.location}: {item.subject}: {item.message}" for item in report.findings]
    return "\n".join(lines) + "\n"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _json(report: AdviceReport, brief: bool) -> str:
    del brief
    return as_json(report)


def _html(report: AdviceReport, brief: bool) -> str:
    del brief
    from tenantry.cli.render.advice_page import advice_page

    return advice_page(report)


RENDERERS: Mapping[str, Callable[[AdviceReport, bool], str]] = {
    "text": text,
    "json": _json,
    "md": markdown,
    "html": _html,
}
"""Writer of each output format."""
