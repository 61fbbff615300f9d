"""What fits and what does not, as a page: pools as bars, tables, and findings with the pod that cannot run."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from tenantry.cli.render.fit import grids, held_word, label, loss_words, reasons, short, summary, waiver_words
from tenantry.cli.render.page import page
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from tenantry.app.fit import FitFinding, FitReport
    from tenantry.cli.render.fit import Grid
    from tenantry.efficient.fit.tables import PoolRow

COLOURS = ("#2f6fb5", "#2e8b6f", "#a8652a", "#7a5bb0", "#b04a66", "#5c7a29", "#3d7f8c", "#8a6d3b")
"""Tenants in turn; white text is readable on each."""
STYLE = """
.lost{background:repeating-linear-gradient(45deg,var(--line),var(--line) 5px,var(--free) 5px,var(--free) 10px)}
.pools{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:16px}
.finding{margin:0 0 14px}.finding h3{margin-bottom:2px;overflow-wrap:anywhere}.finding p{margin:4px 0}
.finding pre{overflow-x:auto;font:12px/1.4 ui-monospace,Menlo,monospace;margin:6px 0 0}
.bar span{color:#fff}.bar .over{background:var(--bad)}.tag{font-size:12px;color:var(--dim)}
.e{color:var(--bad)}.w{color:var(--warn)}summary{cursor:pointer;color:var(--accent)}
"""


def html(report: FitReport) -> str:
    """Write the page."""
    parts = [f"<h1>What fits</h1><p class=lead>{escape(summary(report))}</p>"]
    if report.findings:
        parts.append("<h2>Findings</h2>" + "".join(_finding(item) for item in report.findings))
    parts.append(f"<h2>Node pools</h2><div class=pools>{''.join(_card(report, row) for row in _rows(report))}</div>")
    parts += [_table(grid) for grid in grids(report) if grid.rows]
    blocked = [f"<li><b>{escape(where)}</b>: {escape(why)}</li>" for where, why in reasons(report)]
    if blocked:
        parts.append(f"<h2>What is in the way</h2><ul>{''.join(blocked)}</ul>")
    return page("What fits", "".join(parts), STYLE)


def _rows(report: FitReport) -> tuple[PoolRow, ...]:
    return report.result.tables.pools


def _card(report: FitReport, row: PoolRow) -> str:
    owners = sorted({item.tenant for item in report.result.tables.tenants})
    total = max(row.capacity, row.guaranteed, 1)
    spans = []
    for item in report.result.tables.tenants:
        if (item.pool, item.resource) == (row.pool, row.resource) and item.guaranteed:
            colour = COLOURS[owners.index(item.tenant) % len(COLOURS)]
            spans.append(
                f'<span style="width:{100 * item.guaranteed / total:.2f}%;background:{colour}" '
                f'title="{escape(item.tenant)}: {item.guaranteed} guaranteed">{escape(item.tenant)} '
                f"{item.guaranteed}</span>"
            )
    said = f"{row.guaranteed} of {row.capacity} guaranteed, headroom {row.headroom}"
    extra = "" if row.spare is None else f"; guarantees hold with {row.spare} nodes lost"
    left = ""
    if row.lost:
        width = 100 * row.capacity_left / total
        left = (
            f'<div class=bar><span class="dimtext" style="width:{width:.2f}%;background:var(--accent)">'
            f"{row.capacity_left} left</span>"
            f'<span class=lost style="width:{100 - width:.2f}%"></span></div>'
            f"<p class=tag>with {escape(loss_words(report))} lost: headroom {row.headroom_left}, "
            f"guarantees held: {held_word(row.held_left)}</p>"
        )
    state = "" if row.held is Verdict.PROVED else f" · <b class=e>guarantees held: {held_word(row.held)}</b>"
    return (
        f"<div class=card><h3>{escape(row.pool)} · {escape(short(row.resource))}</h3>"
        f"<div class=tag>{row.nodes} nodes of {row.per_node}{state}</div><div class=bar>{''.join(spans)}</div>"
        f"<p class=tag>{escape(said + extra)}</p>{left}</div>"
    )


def _table(grid: Grid) -> str:
    sides = ["n" if side == "r" else "" for side in grid.justify]
    head = "".join(f"<th class='{side}'>{escape(name)}</th>" for name, side in zip(grid.head, sides, strict=False))
    body = "".join(
        "<tr>"
        + "".join(f"<td class='{side}'>{escape(cell)}</td>" for cell, side in zip(row, sides, strict=False))
        + "</tr>"
        for row in grid.rows
    )
    title = grid.title[:1].upper() + grid.title[1:]
    top = f"<h2>{escape(title)}</h2><p class=tag>{escape(grid.caption)}</p>"
    return f"{top}<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _finding(item: FitFinding) -> str:
    finding, word = item.finding, label(item)
    mark = {"error": "e", "warning": "w"}.get(word, "dim")
    fixes = "".join(
        f"<p><b>{'Or' if number else 'Fix'}:</b> {escape(change)}</p>" for number, change in enumerate(item.changes)
    )
    if not fixes and finding.fix:
        fixes = f"<p><b>Hint:</b> {escape(finding.fix)}</p>"
    pod = ""
    if item.job is not None and item.shape is not None:
        shown = escape(json.dumps(item.shape, indent=2, ensure_ascii=False))
        pod = f"<details><summary>{escape(item.job.words())}</summary><pre>{shown}</pre></details>"
    waiver = f"<p class=dim>{escape(waiver_words(item))}</p>" if item.waiver is not None else ""
    return (
        f"<div class='card finding'><h3><span class={mark}>{word}</span> · {escape(finding.subject)} "
        f"<code>{escape(finding.rule)}</code></h3><p>{escape(finding.message)}</p>{fixes}{waiver}{pod}"
        f"<p class=tag><code>{escape(str(finding.location))}</code> {escape(finding.path)}</p></div>"
    )
