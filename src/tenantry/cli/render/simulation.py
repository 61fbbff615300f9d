"""Measured replays for a terminal and in Markdown: one by itself, several side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from tenantry.cli.render.simulation_data import as_json
from tenantry.cli.render.simulation_words import (
    COMPARED,
    HEADLINE,
    HEADS,
    OF_QUEUE,
    OF_TENANT,
    RARE,
    about,
    by_weight,
    measured,
    side_by_side,
    statistic,
    title,
)
from tenantry.cli.render.verification import cell, printable
from tenantry.fair.measures.compare import compare
from tenantry.fair.measures.result import ALL, CLUSTER, SIZE_CLASSES, TENANT
from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.cli.render.simulation_words import Side
    from tenantry.fair.measures.compare import Compared
    from tenantry.fair.measures.named import NamedResult, PoolResults, Report
    from tenantry.fair.measures.result import Measured
    from tenantry.fair.measures.told import FairFinding
    from tenantry.model.finding import Finding

WIDTH = 100
"""Columns of a terminal unless told otherwise."""
MOST_ROWS = 20
"""Tenants or queues a table of a terminal shows."""
MOST_FINDINGS = 12
"""Findings of a replay a terminal shows; half as many of each of several."""
MARKS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class Table(NamedTuple):
    """A table of plain text: the first column is words, the others numbers.

    Attributes:
        title: what it shows.
        head: heads of the columns.
        rows: the rows.
        note: what is not in it; empty when nothing is missing.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Sheet(NamedTuple):
    """A table whose cells may know their difference to the first replay.

    Attributes:
        title: what it shows.
        head: heads of the columns.
        rows: the rows.
        note: what is not in it; empty when nothing is missing.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Side, ...], ...]
    note: str = ""

    @property
    def plain(self) -> Table:
        """The same as text."""
        return Table(self.title, self.head, tuple(tuple(map(str, row)) for row in self.rows), self.note)


def text(report: Report, width: int = WIDTH) -> str:
    """Write replays for a terminal of so many columns."""
    lines = [*_wrapped(f"{report.title}: {report.lead}", width, "    ")]
    lines += [line for note in report.notes for line in _wrapped(f"note: {note}", width, "    ")]
    if report.findings:
        lines += ["", "Before the replays", *_known(report.findings, width)]
    for pool in report.pools:
        lines += ["", *_pool(pool, width)]
    return printable("\n".join(lines)) + "\n"


def markdown(report: Report) -> str:
    """Write replays as Markdown."""
    lines = [f"## {cell(report.title)}", "", cell(report.lead), ""]
    lines += [f"- {cell(note)}" for note in report.notes]
    lines += [""] if report.notes else []
    if report.findings:
        lines += ["| | rule | subject | what | fix |", "|---|---|---|---|---|"]
        lines += [
            _row((MARKS[each.severity], each.rule, each.subject, each.message, each.fix)) for each in report.findings
        ]
        lines.append("")
    for pool in report.pools:
        lines += [f"### Node pool {cell(pool.pool)}", ""] if pool.pool else []
        lines += _pool_in_markdown(pool)
    return printable("\n".join(lines).rstrip()) + "\n"


def as_html(report: Report) -> str:
    """Write replays as a self-contained page."""
    from tenantry.cli.render.simulation_page import simulation_page

    return simulation_page(report)


def _pool(pool: PoolResults, width: int) -> list[str]:
    results = pool.results
    lines = [f"Node pool {pool.pool}"] if pool.pool else []
    for named in results:
        lines += _about(named, width)
    for sheet in tables(results):
        for part in _fitting(sheet.plain, width, keep=1 if len(results) == 1 else 2):
            lines += ["", *_lines(part, width)]
    for named in results:
        lines += _findings(named, width, several=len(results) > 1)
    return lines


def _pool_in_markdown(pool: PoolResults) -> list[str]:
    lines = []
    for named in pool.results:
        said = about(named)
        words = (f"**{cell(said.head)}**", said.window, *map(cell, said.notes))
        lines += [*(f"{each}  " for each in words), ""]
    for table in (sheet.plain for sheet in tables(pool.results)):
        lines += [f"**{cell(table.title)}**", "", _row(table.head), "|---|" + "---:|" * (len(table.head) - 1)]
        lines += [_row(row) for row in table.rows]
        lines += ["", *([cell(table.note), ""] if table.note else [])]
    for named in pool.results:
        found = named.result.findings
        if found:
            lines += [f"**Findings: {cell(named.name)}**", "", "| | rule | what | fix |", "|---|---|---|---|"]
            lines += [_row((MARKS[each.severity], each.rule, str(each.message), each.fix)) for each in found]
            lines.append("")
    return lines


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(cell, cells)) + " |"


# Tables --------------------------------------------------------------------------------------------------------------


def tables(results: Sequence[NamedResult]) -> Iterator[Sheet]:
    """Yield the tables for people: the cluster, waits by size, tenants, queues; of several replays side by side."""
    rows = compare(results)
    by_key = {(row.kind, row.subject, row.measure): row for row in rows}
    names = tuple(named.name for named in results)
    cluster = [by_key[CLUSTER, "", key] for key in HEADLINE]
    known = [(row, key) for row, key in zip(cluster, HEADLINE, strict=True) if _says(row)]
    yield Sheet("Cluster", ("", *names), tuple((title(key), *side_by_side(row)) for row, key in known))
    yield _waits(results)
    if len(results) == 1:
        yield _subjects(results[0], TENANT, OF_TENANT)
        if any(not queue.leaf for queue in results[0].result.queues):
            yield _queues(results[0])
        return
    for key in COMPARED:
        table = _compared(key, names, [row for row in rows if row.kind == TENANT and row.measure == key])
        if table is not None:
            yield table


def _says(row: Compared) -> bool:
    """Whether a row says more than that nothing is known, or that no job is in a state few are in."""
    return bool({*row.values} - ({None, 0} if row.measure in RARE else {None}))


def _waits(results: Sequence[NamedResult]) -> Sheet:
    rows = []
    for position, size in enumerate((ALL, *SIZE_CLASSES)):
        each = [named.result.cluster.waits[position] for named in results]
        if any(waits.first is not None for waits in each):
            cells = [f"{statistic(waits.first, 'p50')} / {statistic(waits.first, 'p95')}" for waits in each]
            count = max(waits.first.count for waits in each if waits.first is not None)
            words = "all sizes" if size == ALL else "1 GPU or less" if size == SIZE_CLASSES[0] else f"{size} GPUs"
            rows.append((f"{words} ({count:,} jobs)", *cells))
    return Sheet("Wait until the first run, p50 / p95", ("", *(named.name for named in results)), tuple(rows))


def _subjects(named: NamedResult, kind: str, keys: Sequence[str]) -> Sheet:
    subjects = by_weight(named, kind)
    used = [key for key in keys if any(measured(key, each, named.result) != "-" for each in subjects)]
    shown = subjects[:MOST_ROWS]
    rows = tuple((each.name, *(measured(key, each, named.result) for key in used)) for each in shown)
    return Sheet("Tenants", ("", *(HEADS[key] for key in used)), rows, _missing(len(subjects), "tenants"))


def _missing(count: int, things: str) -> str:
    if count <= MOST_ROWS:
        return ""
    return f"{count - MOST_ROWS} more {things}, with less share loss, are in the other outputs"


def _queues(named: NamedResult) -> Sheet:
    queues = named.result.queues
    rows = tuple(_queue(each, named) for each in queues[: 2 * MOST_ROWS])
    left = len(queues) - len(rows)
    note = f"{left} more queues are in the other outputs" if left else ""
    return Sheet("Queues", ("", "quota", *(HEADS[key] for key in OF_QUEUE)), rows, note)


def _queue(queue: Measured, named: NamedResult) -> tuple[str, ...]:
    quota = f"{queue.shares.quota / 1000:,g}" if queue.shares is not None else "-"
    name = "  " * queue.level + queue.name
    return (name, quota, *(measured(key, queue, named.result) for key in OF_QUEUE))


def _compared(key: str, names: Sequence[str], rows: Sequence[Compared]) -> Sheet | None:
    """Lay one measure of all tenants side by side, those it changes most for first."""
    known = [row for row in rows if set(row.values) != {None}]
    if not known:
        return None
    known.sort(key=lambda row: (-max(abs(change or 0.0) for change in row.differences), row.subject))
    shown: tuple[tuple[str | Side, ...], ...] = tuple((row.subject, *side_by_side(row)) for row in known[:MOST_ROWS])
    left = len(known) - len(shown)
    note = f"{left} more tenants, for whom it changes less, are in the other outputs" if left else ""
    return Sheet(f"Tenants: {title(key)}", ("", *names), shown, note)


# Terminal ------------------------------------------------------------------------------------------------------------


def _about(named: NamedResult, width: int) -> list[str]:
    said = about(named)
    lines = _wrapped(said.head, width, "    ")
    return lines + [line for note in (said.window, *said.notes) for line in _wrapped(f"    {note}", width, "    ")]


def _wrapped(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False)


def _fitting(table: Table, width: int, keep: int) -> Iterator[Table]:
    """Split a table into parts that fit, each with the first ``keep`` columns; words are cut before numbers are."""
    widths = [max(len(row[index]) for row in (table.head, *table.rows)) for index in range(len(table.head))]
    keep = min(keep, len(widths))
    words = min(widths[0], max(16, width // 3, width - sum(part + 2 for part in widths[1:])))
    rows = tuple((_cut(row[0], words), *row[1:]) for row in table.rows)
    first = words + sum(part + 2 for part in widths[1:keep])
    position, part = keep, 0
    while position < len(widths) or not part:
        end, used = position, first
        while end < len(widths) and (end == position or used + widths[end] + 2 <= width):
            used += widths[end] + 2
            end += 1
        columns = (*range(keep), *range(position, end))
        head = tuple(table.head[index] for index in columns)
        heading = table.title if not part else f"{table.title}, continued"
        body = tuple(tuple(row[index] for index in columns) for row in rows)
        yield Table(heading, head, body, table.note if end >= len(widths) else "")
        position, part = end, part + 1


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"


def _lines(table: Table, width: int) -> Iterator[str]:
    yield table.title
    widths = [max(len(row[index]) for row in (table.head, *table.rows)) for index in range(len(table.head))]
    for row in (table.head, *table.rows):
        cells = (
            words.rjust(size) if index else words.ljust(size)
            for index, (words, size) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
    if table.note:
        yield from _wrapped(table.note, width, "")


def _findings(named: NamedResult, width: int, *, several: bool) -> list[str]:
    found = named.result.findings
    heading = f"Findings: {named.name}" if several else "Findings"
    if not found:
        return ["", f"{heading}: none"]
    lines = ["", heading]
    most = MOST_FINDINGS // 2 if several else MOST_FINDINGS
    for position, each in enumerate(found[:most]):
        last = position + 1 in {len(found), most} or found[position + 1].fix != each.fix
        lines += _finding(each, width, fix=last)
    if len(found) > most:
        lines.append(f"and {len(found) - most} more in the other outputs")
    return lines


def _known(findings: Sequence[Finding], width: int) -> Iterator[str]:
    for each in findings[:MOST_FINDINGS]:
        where = f"{each.location}: " if each.location.file else ""
        yield from _wrapped(
            f"{where}{MARKS[each.severity]}: {each.subject}: {each.message}  [{each.rule}]", width, "    "
        )
    if len(findings) > MOST_FINDINGS:
        yield f"and {len(findings) - MOST_FINDINGS} more in the other outputs"


def _finding(finding: FairFinding, width: int, *, fix: bool) -> list[str]:
    words = f"{MARKS[finding.severity]}: {finding.message}  [{finding.rule}]"
    lines = _wrapped(words, width, "    ")
    return lines + (_wrapped(f"    fix: {finding.fix}", width, "      ") if fix and finding.fix else [])


RENDERERS: Mapping[str, Callable[[Report], str]] = {
    "text": text,
    "json": as_json,
    "md": markdown,
    "html": as_html,
}
"""Writer of each output format."""
