"""The page of a partition plan: every kind of GPU before and after, drawn to scale in memory slices."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.app.partition_output import mig_configuration, steps
from tenantry.cli.render.page import page
from tenantry.cli.render.partition_words import (
    HEAD,
    JUSTIFY,
    changes_words,
    demand_cells,
    loss_words,
    more_words,
    proof_words,
    question_words,
)
from tenantry.model.partition import WHOLE, Layout, counts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.app.partition_report import PartitionReport, PoolReport

MOST_KINDS = 60
"""Kinds of GPUs a page draws of each pool; of more, those that change and of which there are most."""
MOST_NAMES = 6
SLICE, BAR, GAP, LEFT = 46, 30, 8, 56
"""Units of the drawing: width of a memory slice of eight, height of a GPU, between two, and for words in front."""

STYLE = """
:root{--k1:#9ec9f0;--k2:#8fd0b0;--k3:#f0c987;--k4:#d9b3e6;--k7:#f2a9a0;--kw:#c3cad4;--edge:#22303f}
@media(prefers-color-scheme:dark){:root{--k1:#2f5f8a;--k2:#2c6b4b;--k3:#7a5a1e;--k4:#63407a;--k7:#7a3630;--kw:#414d5a;
--edge:#d5dee8}}
.kinds{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:14px}
.kind p{margin:0 0 8px;font-size:13px;color:var(--dim)}.kind h3{margin:0 0 2px}
.kind svg{width:100%}.g1{fill:var(--k1)}.g2{fill:var(--k2)}.g3{fill:var(--k3)}.g4{fill:var(--k4)}.g7{fill:var(--k7)}
.gw{fill:var(--kw)}.none{fill:none;stroke:var(--dim);stroke-dasharray:3 3}.box{stroke:var(--bg);stroke-width:2}
.pin{stroke:var(--edge);stroke-width:2.5}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;overflow-x:auto;
font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,monospace}
@media(max-width:800px){main{padding:18px 14px 40px}}
"""


def as_html(report: PartitionReport) -> str:
    """Write the page."""
    parts = [
        f"<h1>Partition plan of {escape(report.name)}</h1>",
        f'<p class="lead">{escape(question_words(report))}</p>',
    ]
    for item in report.findings:
        parts.append(f'<p class="note"><b>{item.severity.word}</b> {escape(item.message)} <code>{item.rule}</code></p>')
    parts += [f'<p class="note">{escape(note)}</p>' for note in report.notes]
    for pool in report.pools:
        parts += _pool(pool)
    parts += ["<h2>MIG configuration</h2>", f"<pre>{escape(mig_configuration(report))}</pre>"]
    return page(f"Partition plan of {report.name}", "\n".join(parts), STYLE)


def _pool(pool: PoolReport) -> list[str]:
    found = pool.plan.figures
    facts = (
        (f"{len(pool.pool.gpus):,}", f"{pool.pool.gpu.title}"),
        (f"{len(pool.pool.nodes):,}", "nodes"),
        (f"{found.changed_gpus:,}", "GPUs change"),
        (f"{found.changed_nodes:,}", "nodes change"),
        (f"{len(pool.groups):,}", "node configurations"),
    )
    parts = [
        f"<h2>Node pool {escape(pool.pool.name)}</h2>",
        '<ul class="facts">'
        + "".join(f"<li><b>{escape(a)}</b><span>{escape(b)}</span></li>" for a, b in facts)
        + "</ul>",
        f"<p>{escape(proof_words(pool, timed=False))}</p><p>{escape(changes_words(pool))}</p>",
        _table(HEAD, [demand_cells(row) for row in pool.rows], JUSTIFY),
        "<ul>" + "".join(f"<li>{escape(words)}</li>" for words in (*loss_words(pool), *more_words(pool))) + "</ul>",
        _kinds(pool),
    ]
    todo = steps(pool)
    if todo:
        parts.append("<h2>Steps</h2><ol>" + "".join(f"<li>{escape(step)}</li>" for step in todo) + "</ol>")
    return parts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], justify: str) -> str:
    if not rows:
        return ""

    def row(cells: Sequence[str], tag: str) -> str:
        found = (
            f"<{tag}{' class=n' if justify[place] == 'r' else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(found)}</tr>"

    return f'<div class="scroll"><table>{row(head, "th")}{"".join(row(cells, "td") for cells in rows)}</table></div>'


_Kind = tuple[Layout, Layout, Layout]


def _kinds(pool: PoolReport) -> str:
    grouped: dict[_Kind, list[tuple[str, int]]] = {}
    for before, after in zip(pool.pool.gpus, pool.plan.plan.gpus, strict=True):
        grouped.setdefault((before.layout, after.layout, before.pinned), []).append((before.node, before.index))
    order = sorted(grouped, key=lambda kind: (_same(kind), -len(grouped[kind]), kind))
    slices = pool.pool.gpu.memory_slices
    cards = [_card(kind, grouped[kind], slices) for kind in order[:MOST_KINDS]]
    left = order[MOST_KINDS:]
    words = (
        f'<p class="dim">{len(left):,} further kinds with {sum(len(grouped[kind]) for kind in left):,} GPUs are not '
        "drawn; the JSON output has them all.</p>"
        if left
        else ""
    )
    legend = (
        '<p class="dim">One box is one instance, as wide as its memory slices; a dashed one is memory in no instance'
    )
    pins = "; a dark edge marks an instance that stays" if any(kind[2] for kind in order) else ""
    return f'{legend}{pins}.</p><div class="kinds">{"".join(cards)}</div>{words}'


def _same(kind: _Kind) -> bool:
    return counts_of(kind[0]) == counts_of(kind[1])


def _card(kind: _Kind, gpus: list[tuple[str, int]], slices: int) -> str:
    before, after, pinned = kind
    by_node: dict[str, list[int]] = {}
    for node, index in gpus:
        by_node.setdefault(node, []).append(index)
    names = [f"{node} GPU {', '.join(map(str, indices))}" for node, indices in by_node.items()]
    shown = "; ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        shown += f"; and {len(names) - MOST_NAMES:,} more nodes"
    title = f"{len(gpus):,} GPU{'s' if len(gpus) > 1 else ''} {'stay' if _same(kind) else 'change'}"
    if len(gpus) == 1:
        title = f"1 GPU {'stays' if _same(kind) else 'changes'}"
    rows = [("now", before)] if _same(kind) else [("now", before), ("then", after)]
    height = len(rows) * (BAR + GAP)
    width = LEFT + SLICE * 8
    body = "".join(_bar(word, layout, pinned, slices, place * (BAR + GAP)) for place, (word, layout) in enumerate(rows))
    said = "; ".join(f"{word}: {_spoken(layout)}" for word, layout in rows)
    return (
        f'<div class="card kind"><h3>{title}</h3><p>{escape(shown)}</p>'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">{body}</svg></div>'
    )


def _spoken(layout: Layout) -> str:
    return ", ".join(f"{item.profile} at {item.start}" for item in layout) or "no instance"


def _bar(word: str, layout: Layout, pinned: Layout, slices: int, top: int) -> str:
    unit = SLICE * 8 / slices
    parts = [f'<text class="dimtext" x="0" y="{top + 20}">{word}</text>']
    covered = {place for item in layout for place in range(item.start, item.start + item.size)}
    for place in range(slices):
        if place not in covered:
            parts.append(
                f'<rect class="none" x="{LEFT + place * unit + 2:g}" y="{top + 2}" width="{unit - 4:g}" '
                f'height="{BAR - 4}" rx="3"/>'
            )
    for item in layout:
        kind = "w" if item.profile == WHOLE else item.profile[:1]
        edge = "pin" if item in pinned else "box"
        x, width = LEFT + item.start * unit, item.size * unit
        name = "whole GPU" if item.profile == WHOLE else item.profile
        shown = name if len(name) * 7 < width else name.partition(".")[0]
        parts.append(
            f'<g><title>{escape(name)} at memory slice {item.start}</title><rect class="g{kind} {edge}" '
            f'x="{x + 1:g}" y="{top + 1}" width="{width - 2:g}" height="{BAR - 2}" rx="4"/>'
            f'<text x="{x + width / 2:g}" y="{top + 19}" text-anchor="middle">{escape(shown)}</text></g>'
        )
    return "".join(parts)
