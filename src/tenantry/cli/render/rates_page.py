"""The page of a plan for services: what each runs on, and every kind of GPU drawn to scale in memory slices."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.cli.render.page import page
from tenantry.cli.render.rates_words import HEADER, JUSTIFY, many, profile_words, service_cells, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.app.rates import RateReport
    from tenantry.model.gpu import Placement

MOST_KINDS = 60
"""Kinds of GPUs that are drawn; of more, the most frequent."""
WIDTH, BAR, LETTER = 480, 44, 6.6
"""Units of the drawing: width of a GPU, its height, and about the width of a letter."""

STYLE = """
:root{--busy:#cfe3d6;--busyline:#2f7d53}
@media(prefers-color-scheme:dark){:root{--busy:#254b36;--busyline:#8fd0b0}}
.scroll td,.scroll th{white-space:nowrap}
.kinds{margin-bottom:18px;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:14px}
.kind svg{width:100%}.busy{fill:var(--busy);stroke:var(--busyline)}
.free{fill:none;stroke:var(--dim);stroke-dasharray:3 3}
@media(max-width:800px){main{padding:18px 14px 40px}}
"""


def as_html(report: RateReport) -> str:
    """Write the page."""
    title = f"Services on node pool {report.pool}"
    first, *rest = verdict(report)
    facts = (
        (f"{report.needed.objective:,.0f}", "GPUs needed"),
        (f"{report.available:,}", "GPUs in the pool"),
        (f"{len(report.baseline.layouts):,}", "GPUs in the greedy plan"),
        (f"{len(report.demand.services):,}", "services"),
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(first)}</p>',
        '<ul class="facts">'
        + "".join(f"<li><b>{value}</b><span>{word}</span></li>" for value, word in facts)
        + "</ul>",
        *(f"<p>{escape(sentence)}</p>" for sentence in rest),
        "<h2>Services</h2>",
        _table(list(service_cells(report))),
        "<h2>GPUs</h2>",
        *_kinds(report),
        *(f'<p class="note">{escape(note)}</p>' for note in report.notes),
    ]
    return page(title, "\n".join(parts), STYLE)


def _table(rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        found = (
            f"<{tag}{' class=n' if JUSTIFY[place] == 'r' else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(found)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table>{row(HEADER, "th")}{body}</table></div>'


def _kinds(report: RateReport) -> list[str]:
    kinds = report.kinds()
    slices = report.gpu.memory_slices or 1
    parts = [
        '<p class="dim">One box is one slice, as wide as its memory; a dashed one is free. '
        "GPUs that are alike are drawn once.</p>",
        '<div class="kinds">',
        *(_card(count, kind, slices) for count, kind in kinds[:MOST_KINDS]),
        "</div>",
    ]
    left = kinds[MOST_KINDS:]
    if left:
        gpus = sum(count for count, _ in left)
        parts.append(f'<p class="dim">{many(len(left), "further kind")} with {many(gpus, "GPU")} are not drawn.</p>')
    return parts


def _card(count: int, kind: Sequence[tuple[Placement, str]], slices: int) -> str:
    said = ", ".join(f"{profile_words(item.profile)} {service or 'free'}" for item, service in kind)
    boxes = "".join(_box(item, service, slices) for item, service in kind)
    return (
        f'<div class="card kind"><h3>{many(count, "GPU")}</h3>'
        f'<svg viewBox="0 0 {WIDTH} {BAR}" role="img" aria-label="{escape(said)}">{boxes}</svg></div>'
    )


def _box(item: Placement, service: str, slices: int) -> str:
    unit = WIDTH / slices
    # A GPU without MIG has one box of the whole width.
    x, width = item.start * unit, (item.size or slices) * unit
    name, middle = profile_words(item.profile), x + width / 2
    return (
        f"<g><title>{escape(f'{name}: {service or chr(45)}')}</title>"
        f'<rect class="{"busy" if service else "free"}" x="{x + 1:g}" y="1" width="{width - 2:g}" height="{BAR - 2}" '
        f'rx="4"/><text x="{middle:g}" y="18" text-anchor="middle">{escape(_short(service or "free", width))}</text>'
        f'<text class="dimtext" x="{middle:g}" y="34" text-anchor="middle">{escape(_short(name, width))}</text></g>'
    )


def _short(text: str, width: float) -> str:
    """Cut a text that is wider than its box."""
    most = max(2, int(width / LETTER) - 1)
    return text if len(text) <= most else text[: most - 1] + "…"
