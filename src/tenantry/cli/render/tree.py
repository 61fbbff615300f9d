"""A compiled tree in every format: what is in it, in which order it syncs, and what a person must still do."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from tenantry import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.app.compile import CompiledTree

FORMAT_VERSION = "1.0"
WIDTH = 100


def _rows(tree: CompiledTree) -> list[tuple[str, str, int, str]]:
    """One row per Application of the platform and one for all tenants: wave, name, objects, remark."""
    compilation = tree.compilation
    counts: dict[str, int] = {}
    for piece in compilation.pieces:
        counts[piece.component] = counts.get(piece.component, 0) + 1
    rows = []
    for component in compilation.components:
        if component.tenant or component.name in {"bootstrap", "apps"}:
            continue
        charts = [chart for chart in compilation.charts if chart.component == component.name]
        remark = "drains or reboots nodes" if component.disruptive else ""
        if charts:
            names = ", ".join(f"{chart.chart} {chart.version}" for chart in charts)
            remark = "; ".join(filter(None, (f"charts {names}", remark)))
        rows.append((str(component.wave), component.name, counts.get(component.name, 0), remark))
    tenants = [component for component in compilation.components if component.tenant]
    if tenants:
        number = sum(counts.get(component.name, 0) for component in tenants)
        label = "tenant" if len(tenants) == 1 else "tenants"
        rows.append((str(tenants[0].wave), f"{len(tenants)} {label}", number, ""))
    return rows


def text(tree: CompiledTree, target: str) -> str:
    """Write the summary for a terminal."""
    rows = _rows(tree)
    width = max(len(row[1]) for row in rows)
    lines = [f"wave  {'application'.ljust(width)}  objects"]
    for wave, name, objects, remark in rows:
        lines += textwrap.wrap(
            f"{wave:>4}  {name.ljust(width)}  {objects:>7}  {remark}".rstrip(),
            WIDTH,
            subsequent_indent=" " * (width + 17),
            drop_whitespace=False,
        )
    notes = tree.compilation.notes
    if notes:
        lines += ["", f"{len(notes)} notes for a person, in full in {target}/README.md:"]
        lines += [textwrap.shorten(f"- {note.subject}: {note.text}", WIDTH, placeholder=" ...") for note in notes]
    lines += ["", f"wrote {tree.objects} objects in {len(tree.files)} files to {target}"]
    return "\n".join(lines)


def as_json(tree: CompiledTree, target: str) -> str:
    """Write the summary for machines."""
    compilation = tree.compilation
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "platform": compilation.cluster.name,
        "environment": compilation.cluster.spec.environment,
        "tree": target,
        "objects": tree.objects,
        "files": len(tree.files),
        "kinds": dict(sorted(tree.kinds.items())),
        "applications": [
            {
                "name": component.name,
                "wave": component.wave,
                "folder": component.folder,
                "disruptive": component.disruptive,
                "project": component.project,
                "tenant": component.tenant,
            }
            for component in compilation.components
            if component.name not in {"bootstrap", "apps"}
        ],
        "charts": [
            {"release": chart.release, "chart": chart.chart, "version": chart.version, "repository": chart.repository}
            for chart in compilation.charts
        ],
        "notes": [
            {"id": note.id, "subject": note.subject, "text": note.text, "action": note.action}
            for note in compilation.notes
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def markdown(tree: CompiledTree, target: str) -> str:
    """Write the summary as Markdown."""
    lines = [f"**{tree.objects} objects in {len(tree.files)} files** in `{target}`", ""]
    lines += ["| wave | application | objects | |", "|---|---|---|---|"]
    lines += [f"| {wave} | {name} | {objects} | {remark} |" for wave, name, objects, remark in _rows(tree)]
    if tree.compilation.notes:
        lines += ["", *(f"- **{note.subject}**: {note.text}. {note.action}" for note in tree.compilation.notes)]
    return "\n".join(lines) + "\n"


def html(tree: CompiledTree, target: str) -> str:
    """Write the summary as a self-contained page."""
    from tenantry.cli.render.summary import summary_page

    return summary_page(tree, target)


RENDERERS: Mapping[str, Callable[[CompiledTree, str], str]] = {
    "text": text,
    "json": as_json,
    "md": markdown,
    "html": html,
}
