"""What fits and what does not, as text and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.cli.render.layout import paragraph, table
from tenantry.model.finding import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.app.fit import FitFinding, FitReport
    from tenantry.efficient.fit.tables import Largest, PoolRow, WorkRow

MARKS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
NOTHING = "-"


class Grid(NamedTuple):
    """A table for people.

    Attributes:
        title: what it shows.
        caption: how to read it; empty where it is plain.
        head: names of the columns.
        justify: a letter per column, ``l`` or ``r``.
        rows: cells.
    """

    title: str
    caption: str
    head: tuple[str, ...]
    justify: str
    rows: tuple[tuple[str, ...], ...]


def short(resource: str) -> str:
    """Resource name without the vendor, which is the same everywhere."""
    return resource.removeprefix("nvidia.com/")


def plural(number: int, noun: str) -> str:
    """Number and noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def summary(report: FitReport) -> str:
    """Return the one line that says it all."""
    there, sound = report.guarantees
    rows = report.result.tables
    pools = plural(len({row.pool for row in rows.pools}), "node pool")
    held = f"{plural(there, 'guarantee')}, "
    if not there:
        held = "no guarantees"
    elif sound == there:
        held += "all can be held at the same time" if there > 1 else "which can be held"
    else:
        held += f"{sound} in pools that hold all of theirs at the same time"
    counts = [plural(report.count(severity), word) for severity, word in _COUNTED if report.count(severity)]
    waived = sum(item.waived for item in report.findings)
    if waived:
        counts.append(f"{waived} waived")
    return f"{report.name}: {pools}; {held}; {', '.join(counts) or '0 findings'}"


_COUNTED = ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note"))


def grids(report: FitReport) -> list[Grid]:
    """Return the tables: pools, what is left of them, the largest jobs, classes of work."""
    return [grid for grid in (_pools(report), _left(report), _largest(report), _work(report)) if grid.rows]


def _pools(report: FitReport) -> Grid:
    head = ("pool", "of", "nodes", "each", "capacity", "guaranteed", "headroom", "held", "may lose")
    rows = tuple(
        (
            row.pool, short(row.resource), str(row.nodes), str(row.per_node), str(row.capacity), str(row.guaranteed),
            str(row.headroom), held_word(row.held), may_lose(row),
        )
        for row in report.result.tables.pools
    )  # fmt: skip
    caption = "held: all guarantees at the same time; may lose: nodes, with all guarantees held"
    return Grid("node pools", caption, head, "llrrrrrlr", rows)


def _left(report: FitReport) -> Grid:
    head = ("pool", "of", "lost", "nodes", "capacity", "guaranteed", "headroom", "held")
    rows = tuple(
        (
            row.pool, short(row.resource), str(row.lost), str(row.nodes - row.lost), str(row.capacity_left),
            str(row.guaranteed), str(row.headroom_left), held_word(row.held_left),
        )
        for row in report.result.tables.pools
        if row.lost
    )  # fmt: skip
    title = f"what is left with {loss_words(report)} lost"
    return Grid(title, "the worst case for each pool", head, "llrrrrrl", rows)


def may_lose(row: PoolRow) -> str:
    """Nodes that may be lost with all guarantees held."""
    return NOTHING if row.spare is None else str(row.spare)


def loss_words(report: FitReport) -> str:
    """Say which nodes are taken to be lost."""
    loss = report.result.loss
    parts = [f"{plural(loss.anywhere, 'node')} of the platform"] if loss.anywhere else []
    parts += [f"{plural(number, 'node')} of {pool}" for pool, number in loss.pools if number]
    return " and ".join(parts) or "no node"


def held_word(verdict: Verdict) -> str:
    """Say whether guarantees are held."""
    return {Verdict.PROVED: "yes", Verdict.VIOLATED: "no", Verdict.UNKNOWN: "unknown"}[verdict]


def with_vfs(largest: Largest) -> str:
    """Write the largest pod with a virtual function for each GPU; nothing without a fabric."""
    return NOTHING if largest.fabric_pod is None else str(largest.fabric_pod)


def gang_words(largest: Largest) -> str:
    """Write a gang: pods times units, and whose pods they are."""
    if largest.gang_need is None or not largest.gang:
        return NOTHING
    return f"{largest.gang} x {largest.gang_need.units}"


def _largest(report: FitReport) -> Grid:
    head = ("tenant", "pool", "of", "limit", "pod", "with VFs", "gang", "guaranteed", "pod", "gang")
    rows = tuple(
        (
            row.tenant, row.pool, short(row.resource), str(row.limit), str(row.within_limit.pod or NOTHING),
            with_vfs(row.within_limit), gang_words(row.within_limit), str(row.guaranteed),
            str(row.within_guarantee.pod or NOTHING), gang_words(row.within_guarantee),
        )
        for row in report.result.tables.tenants
    )  # fmt: skip
    caption = "ever, and within the guarantee; with VFs: one for each GPU; gang: pods x units"
    return Grid("largest jobs", caption, head, "lllrrrrrrr", rows)


def _work(report: FitReport) -> Grid:
    head = ("workload", "tenant", "pool", "job", "runs", "guaranteed", "at most")
    rows = tuple(
        (
            row.workload, row.outcome.job.tenant, row.outcome.job.pool, job_words(row), runs_word(row),
            *at_once(row),
        )
        for row in report.result.tables.work
    )  # fmt: skip
    return Grid("jobs of each workload at once", "within the guarantee, and within the limit", head, "lllllrr", rows)


def job_words(row: WorkRow) -> str:
    """Write a job: pods times units of what."""
    job = row.outcome.job
    vfs = "".join(f" + {count} VFs" for _, count in job.need.vfs)
    return f"{job.pods} x {job.need.units} {short(job.need.resource)}{vfs}"


def runs_word(row: WorkRow) -> str:
    """Say whether it can run."""
    return {Verdict.PROVED: "yes", Verdict.VIOLATED: "never", Verdict.UNKNOWN: "unknown"}[row.outcome.verdict]


def at_once(row: WorkRow) -> tuple[str, str]:
    """Jobs at once within guarantee and limit; nothing where that is not known."""
    if row.outcome.verdict is Verdict.UNKNOWN:
        return NOTHING, NOTHING
    return str(row.outcome.within_guarantee), str(row.outcome.within_limit)


def reasons(report: FitReport) -> Iterator[tuple[str, str]]:
    """Yield what is in the way of a class of work, by workload, tenant and pool, in words."""
    for row in report.result.tables.work:
        if row.outcome.obstacles:
            job = row.outcome.job
            where = f"{row.workload} of {job.tenant} in {job.pool} ({short(job.need.resource)})"
            said = [f"missing: {item.reason}" if item.unknown else item.reason for item in row.outcome.obstacles]
            yield where, "; ".join(said)


def text(report: FitReport) -> str:
    """Write the tables, then findings, a paragraph each, the summary last."""
    lines: list[str] = []
    for grid in grids(report):
        lines += [f"{grid.title} ({grid.caption})", *table(grid.head, grid.rows, justify=grid.justify, indent=2), ""]
    for where, why in reasons(report):
        lines += paragraph(f"{where}: {why}", indent="  ", hang="  ")
    if lines and lines[-1]:
        lines.append("")
    return "\n".join(lines) + ("\n" if lines else "") + findings_text(report)


def findings_text(report: FitReport) -> str:
    """Write findings, a paragraph each, the summary last."""
    lines: list[str] = []
    for item in report.findings:
        lines += _finding(item)
    if report.findings:
        lines.append("")
    lines += paragraph(summary(report))
    return "\n".join(lines)


def label(item: FitFinding) -> str:
    """One word for what a finding is."""
    if item.waived:
        return "waived"
    return "unknown" if item.finding.verdict is Verdict.UNKNOWN else MARKS[item.finding.severity]


def waiver_words(item: FitFinding) -> str:
    """Say which waiver is about a finding; empty when none is."""
    if item.waiver is None:
        return ""
    spec = item.waiver.spec
    by = f" by {spec.approved_by}" if spec.approved_by else ""
    state = "until" if item.waived else "but the waiver expired on"
    return f"waived{by} {state} {spec.expires}: {spec.reason}"


def _finding(item: FitFinding) -> list[str]:
    finding = item.finding
    lines = paragraph(f"{finding.location}: {label(item)}: {finding.message}", hang="    ")
    lines += paragraph(f"{finding.subject}  [{finding.rule}]", indent="    ")
    if item.changes:
        for number, change in enumerate(item.changes):
            lines += paragraph(f"{'fix' if not number else ' or'}: {change}", indent="    ", hang="     ")
    elif finding.fix:
        lines += paragraph(f"hint: {finding.fix}", indent="    ", hang="      ")
    if item.waiver is not None:
        lines += paragraph(waiver_words(item), indent="    ", hang="  ")
    return lines


def markdown(report: FitReport) -> str:
    """Write the same as Markdown."""
    lines = [f"**{summary(report)}**", ""]
    for grid in grids(report):
        if grid.rows:
            lines += [f"**{grid.title}** ({grid.caption})", "", _row(grid.head)]
            lines.append(
                "|" + "|".join("---:" if side == "r" else "---" for side in grid.justify[: len(grid.head)]) + "|"
            )
            lines += [*map(_row, grid.rows), ""]
    lines += [f"- {where}: {why}" for where, why in reasons(report)]
    if report.findings:
        lines += ["", _row(("", "where", "subject", "what", "fix", "rule")), "|---|---|---|---|---|---|"]
        for item in report.findings:
            finding = item.finding
            said = "; ".join(filter(None, (finding.message, waiver_words(item))))
            lines.append(_row((label(item), str(finding.location), finding.subject, said, finding.fix, finding.rule)))
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
