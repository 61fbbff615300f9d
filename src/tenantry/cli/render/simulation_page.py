"""The page of measured replays: differences, where GPU-time went, every queue over time, and jobs worth a look.

It has no script; pictures are part of the page.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from tenantry.cli.render.page import page
from tenantry.cli.render.simulation import MARKS, tables
from tenantry.cli.render.simulation_charts import (
    CLUSTER_KEY,
    JOB_KEY,
    QUEUE_KEY,
    USE_KEY,
    cluster_chart,
    cluster_highest,
    highest,
    job_chart,
    longest,
    queue_chart,
    use,
)
from tenantry.cli.render.simulation_charts import STYLE as CHARTS_STYLE
from tenantry.cli.render.simulation_words import about
from tenantry.cli.render.verification import printable
from tenantry.fair.measures.catalogue import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.cli.render.simulation import Sheet
    from tenantry.cli.render.simulation_words import Side
    from tenantry.fair.measures.kind import Group
    from tenantry.fair.measures.named import NamedResult, PoolResults, Report
    from tenantry.fair.measures.timeline import QueueSeries

MOST_DRAWN: Final = 12
"""Queues drawn openly, those with the most share loss in any replay."""
MOST_FOLDED: Final = 48
"""Queues drawn in all; a picture takes about five kilobytes."""
MOST_FINDINGS: Final = 500

STYLE: Final = (
    CHARTS_STYLE
    + """
.better{color:var(--better)}.worse{color:var(--worse)}.better,.worse,.same{font-size:12px;white-space:nowrap}
.same{color:var(--dim)}td.n{white-space:nowrap}td.n small,th.n{white-space:normal}
.scroll table{width:auto;min-width:min(100%,520px)}
.sheets{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:0 28px}section{min-width:0}
.scroll td+td,.scroll th+th{padding-left:14px}
.replays p{margin:0 0 8px}
h3{margin-top:22px}details{margin:6px 0}summary{cursor:pointer;color:var(--accent)}
figure ul{margin:4px 0;padding-left:18px;font-size:13px}dl{margin:4px 0 14px}dt{font-weight:600}dd{margin:0 0 8px}
.found code{color:var(--dim);white-space:nowrap}.scroll td:first-child{min-width:88px}
@media(max-width:800px){main{padding:18px 14px 40px}.better,.worse,.same{display:block}
.scroll td+td,.scroll th+th{padding-left:4px}.scroll table{font-size:13px}}
"""
)


def simulation_page(report: Report) -> str:
    """Return the page."""
    parts = [
        f"<h1>{escape(report.title)}</h1><p class=lead>{escape(report.lead)}</p>",
        *(f"<p class=note>{escape(note)}</p>" for note in report.notes),
        _known(report),
        *(_pool(pool) for pool in report.pools),
        _definitions(),
    ]
    body = "\n".join(part for part in parts if part)
    return page(f"{report.title}: simulation", printable(body), STYLE)


def _known(report: Report) -> str:
    rows = [
        (MARKS[each.severity], f"{escape(each.subject)}: {escape(each.message)}", each.fix, each.rule)
        for each in report.findings
    ]
    if not rows:
        return ""
    return f"<details><summary>{len(rows)} findings on the trace and the scenarios</summary>{_found(rows)}</details>"


def _found(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Return findings as a table: mark, escaped message, fix, rule."""
    shown = "".join(
        f'<tr class="{mark}"><td>{mark}</td><td>{message}{"<br><b>Fix:</b> " + escape(fix) if fix else ""}'
        f" <code>{escape(rule)}</code></td></tr>"
        for mark, message, fix, rule in rows[:MOST_FINDINGS]
    )
    left = len(rows) - MOST_FINDINGS
    more = f"<p class=dim>and {left} more in the JSON</p>" if left > 0 else ""
    return f"<table class=found>{shown}</table>{more}"


# A node pool ---------------------------------------------------------------------------------------------------------


def _pool(pool: PoolResults) -> str:
    results = pool.results
    sheets = list(tables(results))
    parts = [
        f"<h2>Node pool {escape(pool.pool)}</h2>" if pool.pool else "",
        _replays(results),
        _findings(results),
        _sheets(sheets[:1]),
        _uses(results),
        f"<div class=sheets>{_sheets(sheets[1:])}</div>" if len(results) > 1 else _sheets(sheets[1:]),
        _clusters(results),
        _queues(results),
        _jobs(results),
    ]
    return "\n".join(part for part in parts if part)


def _replays(results: Sequence[NamedResult]) -> str:
    items = []
    for named in results:
        said = about(named)
        lines = "<br>".join(f"<span class=dim>{escape(words)}</span>" for words in (said.window, *said.notes))
        items.append(f"<p><b>{escape(said.head)}</b><br>{lines}</p>")
    note = "<p class=dim>Differences are to the first replay.</p>" if len(results) > 1 else ""
    return f"<div class=replays>{''.join(items)}{note}</div>"


def _findings(results: Sequence[NamedResult]) -> str:
    parts = []
    for position, named in enumerate(results):
        rows = [
            (MARKS[each.severity], escape(str(each.message)), each.fix, each.rule) for each in named.result.findings
        ]
        if len(results) == 1:
            parts.append(_found(rows) if rows else "<p>Nothing was found.</p>")
            continue
        worst = f", worst: {rows[0][0]}" if rows else ""
        head = f"{escape(named.name)}: {len(rows)} findings{worst}"
        opened = "" if position else " open"
        folded = f"<details{opened}><summary>{head}</summary>{_found(rows)}</details>"
        parts.append(folded if rows else f"<p>{head}</p>")
    return "<h3>Findings</h3>" + "".join(parts)


def _sheets(sheets: Iterable[Sheet]) -> str:
    return "".join(map(_sheet, sheets))


def _sheet(sheet: Sheet) -> str:
    heads = "".join(
        f"<th class=n>{escape(head)}</th>" if position else f"<th>{escape(head)}</th>"
        for position, head in enumerate(sheet.head)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row, range(len(row))))}</tr>" for row in sheet.rows)
    note = f"<p class=dim>{escape(sheet.note)}</p>" if sheet.note else ""
    table = f"<div class=scroll><table><tr>{heads}</tr>{rows}</table></div>"
    return f"<section><h3>{escape(sheet.title)}</h3>{table}{note}</section>"


def _cell(cell: str | Side, position: int) -> str:
    if isinstance(cell, str):
        indent = len(cell) - len(cell.lstrip(" "))
        words = "&emsp;" * (indent // 2) + escape(cell.strip())
        return f"<td class=n>{words}</td>" if position else f"<td>{words}</td>"
    moved = f" <span class={cell.tone or 'same'}>{escape(cell.moved)}</span>" if cell.moved else ""
    return f"<td class=n>{escape(cell.text)}{moved}</td>"


# Pictures ------------------------------------------------------------------------------------------------------------


def _uses(results: Sequence[NamedResult]) -> str:
    bars = "".join(use(named.name, named.result.busy) for named in results)
    if not bars:
        return ""
    return f"<h3>Where GPU-time went, from the first to the last submission</h3>{USE_KEY}<div class=charts>{bars}</div>"


def _clusters(results: Sequence[NamedResult]) -> str:
    drawn = [(named.name, named.timeline) for named in results if named.timeline is not None]
    most = max((cluster_highest(timeline) for _, timeline in drawn), default=0.0)
    charts = "".join(cluster_chart(name, timeline, most) for name, timeline in drawn)
    return f"<h3>GPUs over time</h3>{CLUSTER_KEY}<div class=charts>{charts}</div>" if charts else ""


def _queues(results: Sequence[NamedResult]) -> str:
    """Draw queues that take jobs, those with the most share loss first; of several replays in one row each."""
    loss: dict[str, int] = {}
    for named in results:
        for each in named.result.queues:
            if each.leaf and each.shares is not None and each.jobs.submitted:
                loss[each.name] = max(loss.get(each.name, 0), each.shares.loss)
    names = sorted(loss, key=lambda name: (-loss[name], name))
    drawn = [(name, charts) for name in names[:MOST_FOLDED] if (charts := _queue(name, results))]
    if not drawn:
        return ""
    several = len(results) > 1
    items = [
        f"<h4>{escape(name)}</h4><div class=charts>{charts}</div>" if several else charts for name, charts in drawn
    ]
    shown, folded = (
        part if several else f"<div class=charts>{part}</div>"
        for part in ("".join(items[:MOST_DRAWN]), "".join(items[MOST_DRAWN:]))
    )
    more, left = len(items) - MOST_DRAWN, len(names) - len(drawn)
    return (
        "<h3>Queues over time</h3><p class=dim>GPUs above, jobs that lack GPUs below; means of short times. Those with "
        f"the most share loss first.</p>{QUEUE_KEY}{shown}"
        + (f"<details><summary>{more} more queues</summary>{folded}</details>" if more > 0 else "")
        + (f"<p class=dim>{left} more queues, with less share loss, are in the JSON</p>" if left else "")
    )


def _queue(name: str, results: Sequence[NamedResult]) -> str:
    found = []
    for named in results:
        if named.timeline is not None:
            series: QueueSeries | None = next((each for each in named.timeline.queues if each.name == name), None)
            if series is not None:
                found.append((named, named.timeline, series))
    most = max((highest(series) for *_, series in found), default=0.0)
    length = max((longest(series) for *_, series in found), default=0.0)
    return "".join(
        queue_chart(
            named.name,
            timeline,
            series,
            title=named.name if len(results) > 1 else name,
            most=most,
            length=length,
        )
        for named, timeline, series in found
    )


def _jobs(results: Sequence[NamedResult]) -> str:
    parts = []
    for named in results:
        charts = "".join(job_chart(each) for each in named.gantts if each.segments)
        if charts:
            head = f"<h4>{escape(named.name)}</h4>" if len(results) > 1 else ""
            parts.append(f"{head}<div class=charts>{charts}</div>")
    if not parts:
        return ""
    said = "Each from its submission to its end, on a scale of its own."
    return f"<h3>Jobs worth a look</h3><p class=dim>{said}</p>{JOB_KEY}{''.join(parts)}"


# Definitions ---------------------------------------------------------------------------------------------------------


def _definitions() -> str:
    groups = "".join(map(_group, GROUPS))
    return f"<h2>How it is reckoned</h2><details><summary>All measures with their formulas</summary>{groups}</details>"


def _group(group: Group) -> str:
    items = "".join(
        f"<dt>{escape(each.title)}</dt><dd><code>{escape(each.text.formula)}</code> {escape(each.text.reading)}</dd>"
        for each in group.measures
    )
    about_it = escape(group.about.replace("`", "").replace("*", ""))
    return f"<h3>{escape(group.title)}</h3><p>{about_it}</p><dl>{items}</dl>"
