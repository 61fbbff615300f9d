"""The page of advice: the matrix, and for every class of work the options with their reasons to open."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.cli.render.advice import cell_score, counted, score, sentence
from tenantry.cli.render.advice_data import UNITS, headline, now, verdict_line
from tenantry.cli.render.page import page
from tenantry.efficient.advise import Standing
from tenantry.efficient.advise.changes import reported
from tenantry.efficient.advise.facts import Verdict
from tenantry.efficient.advise.words import bounds
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from tenantry.app.advise import AdviceReport
    from tenantry.efficient.advise import Advice, Cell

COLUMNS = (
    (SharingMode.WHOLE, "whole GPU"),
    (SharingMode.MIG, "MIG"),
    (SharingMode.MPS, "MPS"),
    (SharingMode.TIME_SLICING, "time-slicing"),
)
TONES = {Standing.AGREES: "ok", Standing.CHANGE: "warn", Standing.UNDECIDED: "un", Standing.CANNOT: "bad"}

STYLE = """
:root{--ok:#1b7a4b;--okbg:#e3f3ea;--un:#6b7686;--unbg:#e9ecf1}
@media(prefers-color-scheme:dark){:root{--ok:#5fc994;--okbg:#17301f;--un:#8794a6;--unbg:#2a323d}}
.verdict{border-left:5px solid var(--un);background:var(--card);padding:12px 16px;margin:0 0 18px;font-size:17px;
font-weight:600;border-radius:0 8px 8px 0}
.tag{display:inline-block;border-radius:4px;padding:1px 8px;font-size:13px;font-weight:600;white-space:nowrap}
.tag.ok{background:var(--okbg);color:var(--ok)}.tag.un{background:var(--unbg);color:var(--fg)}
.tag.warn{border:1px solid var(--warn);color:var(--warn)}.tag.bad{border:1px solid var(--bad);color:var(--bad)}
.matrix td b{display:block}.matrix td{font-size:13.5px}.matrix td.no{color:var(--dim)}
.matrix td.best{background:var(--okbg)}.matrix td{padding-left:8px}.matrix th{padding-left:8px}
.options{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:8px;margin:12px 0}
.options details{border:1px solid var(--line);border-radius:8px;background:var(--bg);min-width:0;margin:0}
.options details[open]{grid-column:1/-1}
.options summary{list-style:none;padding:8px 12px;color:var(--fg)}
.options summary::-webkit-details-marker{display:none}
.options summary b{display:block}.options summary span{color:var(--dim);font-size:13px}
.options .refused{background:var(--card)}.options .refused summary{color:var(--dim)}
.options .unknown{border-style:dashed;border-color:var(--un)}
.options .best{border:2px solid var(--ok)}.options .best summary b::after{content:" \\2713";color:var(--ok)}
.options .now summary b::before{content:"now";font-size:11px;font-weight:600;background:var(--gpu);border-radius:3px;
padding:1px 5px;margin-right:6px}
.in{padding:0 12px 12px;font-size:14px}.in ul{margin:4px 0 10px;padding-left:20px}
.in td:last-child{overflow-wrap:anywhere;color:var(--dim);font-size:12.5px}
article{margin:0 0 18px}article h3{font-size:17px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:4px 24px}
.two ul{margin:4px 0;padding-left:20px;font-size:14px}.two h4{margin:8px 0 0;font-size:13px;color:var(--dim)}
a{color:var(--accent)}
@media(max-width:700px){main{padding:18px 14px 40px}
.matrix thead{display:none}.matrix tr{display:block;border-bottom:2px solid var(--line);padding:8px 0}
.matrix td,.matrix th{display:flex;gap:10px;border:0;padding:3px 6px}
.matrix td::before{content:attr(data-label);color:var(--dim);flex:0 0 96px}.matrix td b{display:inline}
.two{grid-template-columns:1fr}.in table,.in tbody,.in tr,.in td{display:block}.in tr{padding:4px 0}
.in td{border:0;padding:0}.options{grid-template-columns:repeat(auto-fill,minmax(140px,1fr))}}
"""


def advice_page(report: AdviceReport) -> str:
    """Write the report as a self-contained page; it needs no script."""
    lead = f"environment {report.environment}" if report.environment else "how to share GPUs"
    parts = [
        f"<h1>{escape(report.name)}</h1><p class=lead>{escape(lead)}</p>",
        f"<p class=verdict>{escape(headline(report))}</p>",
        _matrix(report),
        "<h2>Reasons</h2>" if report.advice else "",
        *(_article(item, number) for number, item in enumerate(report.advice)),
        _findings(report),
    ]
    return page(f"{report.name}: how to share GPUs", "\n".join(part for part in parts if part), STYLE)


def _matrix(report: AdviceReport) -> str:
    if not report.advice:
        return ""
    heads = "".join(f"<th>{escape(title)}</th>" for _, title in COLUMNS)
    rows = "".join(_row(item, number) for number, item in enumerate(report.advice))
    return (
        "<h2>Classes of work and ways of sharing</h2>"
        "<p class=dim>In a cell: the best of its kind and what one GPU does. Follow a class for reasons.</p>"
        f"<div class=scroll><table class=matrix><thead><tr><th>Class and node pool</th>{heads}<th>Advice</th>"
        f"<th>The pool now</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(item: Advice, number: int) -> str:
    cells = "".join(_best_of(item, mode, title) for mode, title in COLUMNS)
    title = f'<a href="#a{number}">{escape(item.work.name)}</a>&nbsp;in&nbsp;{escape(item.pool.name)}'
    return (
        f"<tr><th scope=row>{title}</th>"
        f"{cells}<td data-label=Advice><span><b>{escape(verdict_line(item))}</b> {escape(score(item))}</span></td>"
        f'<td data-label="The pool now"><span>{_tag(item)} {escape(now(item))}</span></td></tr>'
    )


def _best_of(item: Advice, mode: SharingMode, title: str) -> str:
    """Return the cell of a kind: its best option by what is certain, then by what is possible."""
    cells = [cell for cell in item.cells if cell.option.mode is mode]
    left = [cell for cell in cells if cell.score is not None]
    label = f'data-label="{escape(title)}"'
    if not left:
        why = cells[0] if cells else None
        tip = escape("; ".join(why.reasons)) if why else ""
        return f'<td class=no {label} title="{tip}"><span>refused{_rule(why)}</span></td>'
    best = max(left, key=lambda cell: (cell is item.leader, *_ends(cell)))
    chosen = " class=best" if best is item.leader and item.decision.verdict is Verdict.ALLOWED else ""
    tip = escape("; ".join(best.reasons))
    said = f"<b>{escape(best.option.label)}</b> {escape(cell_score(best))}"
    return f'<td{chosen} {label} title="{tip}"><span>{said}</span></td>'


def _ends(cell: Cell) -> tuple[float, float]:
    return (cell.score.low, cell.score.high) if cell.score is not None else (0.0, 0.0)


def _rule(cell: Cell | None) -> str:
    return f" <small>{escape(cell.rule.removeprefix('ADVISE-').lower())}</small>" if cell and cell.rule else ""


def _tag(item: Advice) -> str:
    return f'<span class="tag {TONES[item.standing]}">{escape(item.standing.value)}</span>'


def _article(item: Advice, number: int) -> str:
    title = f"{escape(item.work.name)} in {escape(item.pool.name)}"
    options = "".join(_option(item, cell) for cell in item.cells)
    lists = _list("Missing", [f"{missing.fact}: {missing.measure}" for missing in item.missing])
    lists += _list("Would change it", [f"{change.text} \u2192 {reported(change.decision)}" for change in item.changes])
    return (
        f"<article class=card id=a{number}><h3>{title} {_tag(item)}</h3>"
        f"<p class=dim>{escape(item.pool.gpu.title)}, {item.pool.gpus_per_node} a server</p>"
        f"<p>{escape(sentence(item))}</p><div class=options>{options}</div><div class=two>{lists}</div></article>"
    )


def _list(title: str, items: list[str]) -> str:
    if not items:
        return ""
    return f"<div><h4>{title}</h4><ul>{''.join(f'<li>{escape(text)}</li>' for text in items)}</ul></div>"


def _option(item: Advice, cell: Cell) -> str:
    kinds = [cell.verdict.value]
    if cell is item.leader and item.decision.verdict is Verdict.ALLOWED:
        kinds.append("best")
    if cell.offered:
        kinds.append("now")
    said = cell.rule if cell.verdict is Verdict.REFUSED else counted(item, cell.score)
    tip = escape("; ".join(cell.reasons))
    return (
        f'<details class="{" ".join(kinds)}"><summary title="{tip}"><b>{escape(cell.option.label)}</b>'
        f"<span>{escape(said)}</span></summary><div class=in>{_inside(item, cell)}</div></details>"
    )


def _inside(item: Advice, cell: Cell) -> str:
    reasons = "".join(f"<li>{escape(text)}</li>" for text in cell.reasons)
    parts = [f"<p><b>{cell.verdict.value}</b>{f' by {escape(cell.rule)}' if cell.rule else ''}</p><ul>{reasons}</ul>"]
    if cell.source:
        parts.append(f"<p class=dim>{escape(cell.source)}</p>")
    if cell.copy is not None and cell.score is not None and cell.option.copies > 1:
        parts.append(
            f"<p>{cell.option.copies} on a GPU, {escape(bounds(cell.copy))} each, {escape(bounds(cell.score))} "
            f"per GPU ({escape(UNITS[item.unit])}); one takes {cell.share:.3g} of a GPU</p>"
        )
    parts.append(_list("Missing", [f"{missing.fact}: {missing.measure}" for missing in cell.missing]))
    parts.append(_list("Beware", list(cell.caveats)))
    rows = "".join(
        f"<tr><td>{escape(fact.name)}</td><td>{escape(fact.value)}</td><td>{escape(fact.where)}</td></tr>"
        for fact in cell.facts
    )
    parts.append(f"<table>{rows}</table>")
    return "".join(part for part in parts if part)


def _findings(report: AdviceReport) -> str:
    items = [f"<li>{escape(note)}</li>" for note in report.notes]
    items += [f"<li>{escape(str(problem))}</li>" for problem in report.problems]
    for finding in report.findings:
        fix = f" Fix: {escape(finding.fix)}." if finding.fix else ""
        items.append(
            f"<li><b>{escape(finding.rule)}</b> {escape(finding.subject)}: {escape(finding.message)}.{fix} "
            f"<code>{escape(str(finding.location))}</code></li>"
        )
    return f"<h2>Findings</h2><ul>{''.join(items)}</ul>" if items else ""
