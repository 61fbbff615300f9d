"""A verification for a terminal, in Markdown, and one finding in full."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from tenantry.app.verification import STRENGTH_WORDS
from tenantry.cli.render.fixes import fix_lines, fix_words, pointer
from tenantry.cli.render.matrix import MOST, markdown_matrix, text_matrix
from tenantry.io.yaml_write import dump
from tenantry.model.change import Op
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.app.verification import Gap, SafeFinding, VerifyReport
    from tenantry.model.claim import Step
    from tenantry.model.problem import Location
    from tenantry.model.spec import Waiver
    from tenantry.model.tenancy import Permission
    from tenantry.safe.benchmark18 import Check

WIDTH = 110
ALSO = 6
"""Further pairs of a group of findings that are named."""
TITLE = 60
"""Length at which titles of channels are cut."""
GROUPS = 60
"""Groups of violations a terminal shows in full."""


def step_words(step: Step) -> str:
    """Return what a step rests on: an object and a place in it, or what is missing; empty when it needs nothing."""
    if step.by is None:
        return f"({step.missing})" if step.missing else ""
    return f"{step.by} {pointer(step.pointer)}".rstrip()


def step_line(step: Step) -> str:
    """Return a step on one line."""
    return f"{step.edge}: {step_words(step)}".removesuffix(": ")


def groups(report: VerifyReport, findings: Iterable[SafeFinding]) -> list[list[SafeFinding]]:
    """Put findings together that differ in nothing but the tenants concerned: same channel, same kind of fix."""
    names = {tenant.name: _any_of((tenant.name, *tenant.namespaces)) for tenant in report.tenancy.tenants}
    found: dict[tuple[str, str, bool], list[SafeFinding]] = {}
    for finding in findings:
        claim = finding.claim
        fault = claim.fix or (str(claim.witness.steps[-1]) if claim.witness else "")
        for tenant, sign in ((claim.target, "<target>"), (claim.source, "<source>")):
            fault = names[tenant].sub(sign, fault) if tenant in names else fault
        found.setdefault((claim.channel, fault, finding.waived), []).append(finding)
    return list(found.values())


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Match any of some names where it stands by itself; a longer name before one it begins with."""
    ordered = sorted(set(names), key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, ordered))})(?![\w-])")


# Terminal ------------------------------------------------------------------------------------------------------------


def text(report: VerifyReport) -> str:
    """Write a verification for a terminal: what is violated and missing first, then the picture, the verdict last."""
    lines: list[str] = []
    violated = groups(report, (item for item in report.findings if item.claim.verdict is Verdict.VIOLATED))
    for group in violated[:GROUPS]:
        lines += [*_group(group), ""]
    if len(violated) > GROUPS:
        lines += [
            f"and {len(violated) - GROUPS} more; --output json has all, --channel and --tenant narrow it down",
            "",
        ]
    lines += _missing(report)
    lines += _declared(report)
    lines += _channels(report)
    lines += _strengths(report)
    matrix = text_matrix(report)
    lines += [*matrix, ""] if matrix else []
    lines += _benchmark(report)
    lines += [*(_wrap(f"note: {note}") for note in report.notes)]
    lines += [_wrap(f"not read: {item}") for item in report.unread]
    lines.append(f"{report.name}: {len(report.names)} tenants, {report.objects} objects, {report.looked_at}")
    lines.append(report.headline)
    return printable("\n".join(lines))


def printable(text: str) -> str:
    """Return text without control characters, which could make a terminal lie or break XML."""
    return "".join(char if char >= " " and char != "\x7f" else char if char in "\n\t" else "?" for char in text)


def _wrap(line: str, indent: str = "    ") -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _group(group: Sequence[SafeFinding]) -> list[str]:
    """Write the first finding of a group in full and name the others."""
    first, *others = group
    lines = finding_lines(first)
    if others:
        named = ", ".join(f"{item.subject} ({item.id})" for item in others[:ALSO])
        more = f" and {len(others) - ALSO} more pairs" if len(others) > ALSO else ""
        lines.append(_wrap(f"    likewise: {named}{more}", "      "))
    return lines


def finding_lines(finding: SafeFinding) -> list[str]:
    """Write one finding: what it is, its path, a line each, and the fix."""
    claim = finding.claim
    state = "WAIVED" if finding.waived else claim.verdict.value
    lines = [f"{state} {claim.impact.name} {finding.subject}: {finding.title} ({claim.effect})  [{finding.id}]"]
    lines.append(_wrap(f"    {finding.message}"))
    lines += [f"    {line}" for line in _path(finding)]
    lines += [_wrap(f"    {line}", "        ") for line in fix_lines(finding)]
    if finding.waiver is not None:
        lines.append(_wrap(f"    {_waiver(finding.waiver, expired=not finding.waived)}", "      "))
    return lines


def _path(finding: SafeFinding) -> list[str]:
    witness = finding.claim.witness
    if witness is None:
        return []
    places = [*finding.places, *[None] * len(witness.steps)]
    width = max(len(step.edge) for step in witness.steps)
    ends = [f"{step_words(step)}{_place(place)}" for step, place in zip(witness.steps, places, strict=False)]
    numbers = range(1, len(ends) + 1)
    if width + max(map(len, ends)) + 12 <= WIDTH:
        return [
            f"{number}. {step.edge.ljust(width)}  {end}".rstrip()
            for number, step, end in zip(numbers, witness.steps, ends, strict=True)
        ]
    lines = []
    for number, step, end in zip(numbers, witness.steps, ends, strict=True):
        lines += [f"{number}. {step.edge}", *([f"       {end}"] if end else [])]
    return lines


def _place(place: Location | None) -> str:
    return f"  {place.file}:{place.line}" if place is not None and place.line else ""


def _missing(report: VerifyReport) -> list[str]:
    if not report.gaps:
        return []
    lines = ["Not known, and what would decide it:"]
    for gap in report.gaps:
        lines += _gap(gap)
    entries = [gap.entry for gap in report.gaps if gap.entry]
    if entries:
        lines += ["", "Once somebody has checked them, these entries of a Facts document supply them:", ""]
        lines += [f"    {line}" for entry in entries for line in entry.rstrip().splitlines()]
    return [*lines, ""]


def _gap(gap: Gap) -> list[str]:
    count = f"{gap.findings} finding{'' if gap.findings == 1 else 's'}"
    head = f"  {gap.fact or 'no fact can say it'}: {', '.join(gap.channels)} ({count})"
    lines = [_wrap(head, "      ")]
    if gap.state:
        lines.append(f"      {gap.state}")
    shown = [short_way(gap, way) for way in gap.how[:3]]
    lines += [_wrap(f"      {way}", "        ") for way in shown]
    if len(gap.how) > len(shown):
        lines.append(f"      and {len(gap.how) - len(shown)} more ways like these")
    return lines


def short_way(gap: Gap, way: str) -> str:
    """Return a way to supply a fact without saying again that it is signed in a ``Facts`` document."""
    return way.replace(f"sign {gap.fact} in a Facts document; it can be seen by: ", "seen by: ") if gap.fact else way


def _declared(report: VerifyReport) -> list[str]:
    lines = [_wrap(f"  {_permission(item)}", "      ") for item in report.permissions]
    lines += [_wrap(f"  EXPIRED {_permission(item)}", "      ") for item in report.expired_permissions]
    if lines:
        lines = ["Exceptions of the contract:", *lines, ""]
    waivers = [_wrap(f"  {item.spec.rule} {item.spec.subject}: {_waiver(item)}", "      ") for item in report.waivers]
    waivers += [
        _wrap(f"  {item.spec.rule} {item.spec.subject}: {_waiver(item, expired=True)}", "      ")
        for item in report.expired_waivers
    ]
    if waivers:
        lines += ["Waivers:", *waivers, ""]
    return lines


def permission_ports(item: Permission) -> str:
    """Return the ports of an exception in words."""
    return ", ".join(f"{name}/{first}" + (f"-{last}" if last != first else "") for name, first, last in item.ports)


def _permission(item: Permission) -> str:
    return f"{item.name}: {item.source} -> {item.target} {permission_ports(item)} until {item.expires}: {item.reason}"


def _waiver(item: Waiver, *, expired: bool = False) -> str:
    by = f" by {item.spec.approved_by}" if item.spec.approved_by else ""
    state = "EXPIRED on" if expired else "until"
    return f"waived{by} {state} {item.spec.expires}: {item.spec.reason}"


def _channels(report: VerifyReport) -> list[str]:
    open_rows = [item for item in report.channels if item.verdict is not Verdict.PROVED]
    proved = [item for item in report.channels if item.verdict is Verdict.PROVED]
    lines = []
    if open_rows:
        width = min(TITLE, max(len(item.title) for item in open_rows))
        lines.append(f"{'channel'.ljust(width + 5)}      violated  unknown  proved  (pairs)")
        for item in open_rows:
            counts = f"{item.violated:>8}  {item.unknown:>7}  {item.proved:>6}"
            title = textwrap.shorten(item.title, TITLE, placeholder=" ...").ljust(width)
            lines.append(f"{item.id.ljust(4)} {title}  {item.impact.name}  {counts}")
        lines.append("")
    if proved:
        names = " ".join(item.id for item in proved)
        lines += [_wrap(f"proved for every pair ({len(proved)} of {len(report.channels)} channels): {names}"), ""]
    return lines


def strength_rows(report: VerifyReport) -> list[list[str]]:
    """Return the table that compares strengths: a head, a row per channel open at one of them, and the pairs."""
    if not report.strengths:
        return []
    open_ids = [
        item.id
        for item in report.channels
        if any(column.verdicts.get(item.id) is not Verdict.PROVED for column in report.strengths)
    ]
    rows = [["channel", *(STRENGTH_WORDS[column.strength] for column in report.strengths)]]
    rows += [[name, *(_said(column.verdicts[name]) for column in report.strengths)] for name in open_ids]
    for word, count in (("violated", "violated"), ("unknown", "unknown")):
        rows.append([f"pairs {word}", *(f"{getattr(column, count)} of {column.pairs}" for column in report.strengths)])
    return rows


def _said(verdict: Verdict) -> str:
    return "proved" if verdict is Verdict.PROVED else verdict.value


def _strengths(report: VerifyReport) -> list[str]:
    rows = strength_rows(report)
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, ""]


def _benchmark(report: VerifyReport) -> list[str]:
    """Write a line per tenant; of many tenants one for all that pass the same."""
    lines: dict[str, list[str]] = {}
    for name, checks in sorted(report.benchmark.items()):
        passed, total = report.passed(name)
        failed = ", ".join(short_check(check) for check in checks if check.verdict is not Verdict.PROVED)
        rest = f"; not: {failed}" if failed else ""
        lines.setdefault(f"multi-tenancy benchmark {passed}/{total}{rest}", []).append(name)
    if len(report.benchmark) > MOST:
        ordered = sorted(lines.items(), key=lambda item: (-len(item[1]), item[0]))
        return [*(_wrap(f"{_some(names)}: {line}") for line, names in ordered), ""]
    width = max((len(name) for name in report.benchmark), default=0)
    each = sorted((name, line) for line, names in lines.items() for name in names)
    return [*(_wrap(f"{name.ljust(width)}  {line}") for name, line in each), ""] if each else []


def _some(names: Sequence[str]) -> str:
    """Write a few of many names, and how many there are."""
    if len(names) <= ALSO:
        return ", ".join(names)
    return f"{len(names)} tenants ({', '.join(names[:ALSO])}, ...)"


def short_check(check: Check) -> str:
    """Return the id of a check without the prefix all of them have; a question mark says that it is not known."""
    return check.id.removeprefix("MTB-") + ("?" if check.verdict is Verdict.UNKNOWN else "")


def explain(finding: SafeFinding) -> str:
    """Write one finding in full: path, concrete example, assumptions, fix."""
    lines = finding_lines(finding)
    witness = finding.claim.witness
    if witness is not None:
        for name, value in witness.details:
            if isinstance(value, dict | list | tuple):
                lines += ["", f"    {name}:", *(f"      {line}" for line in dump(value).rstrip().splitlines())]
            else:
                lines += [f"    {name}: {value}"]
        if witness.assumes:
            lines += ["", "    taken for granted:", *(f"      {item}" for item in witness.assumes)]
    for change in finding.repair.changes if finding.repair is not None else ():
        if change.op is Op.CREATE:
            made = dump(change.value).rstrip().splitlines()
            lines += ["", f"    {change.key}, as the fix makes it:", *(f"      {line}" for line in made)]
    for item in finding.claim.missing:
        lines.append(_wrap(f"    missing: {item.fact or 'nothing that can be signed'}", "      "))
    return printable("\n".join(lines))


# Markdown ------------------------------------------------------------------------------------------------------------


def markdown(report: VerifyReport) -> str:
    """Write a verification as Markdown."""
    lines = [f"**{report.headline}**", "", f"{report.name}: {len(report.names)} tenants, {report.objects} objects, "]
    lines[-1] += f"{report.looked_at}; strength: {STRENGTH_WORDS[report.strength]}."
    lines += ["", *markdown_matrix(report)]
    rows = strength_rows(report)
    if rows:
        head, *others = rows
        lines += [_cells(head), "|---" * len(head) + "|", *map(_cells, others), ""]
    violated = [item for item in report.findings if item.claim.verdict is Verdict.VIOLATED]
    if violated:
        lines += ["| who | what | path | fix | finding |", "|---|---|---|---|---|"]
        for group in groups(report, violated):
            lines.append(_row(group))
        lines.append("")
    if report.gaps:
        lines += ["| not known | decides | cheapest way to supply it |", "|---|---|---|"]
        for gap in report.gaps:
            lines.append(f"| {cell(gap.fact or '')} | {', '.join(gap.channels)} | {cell('; '.join(gap.how[:3]))} |")
        lines.append("")
    for title, items in (("Exceptions of the contract", report.permissions), ("Expired", report.expired_permissions)):
        if items:
            lines += [f"{title}:", "", *(f"- {cell(_permission(item))}" for item in items), ""]
    waivers = [(item, False) for item in report.waivers] + [(item, True) for item in report.expired_waivers]
    if waivers:
        lines += ["Waivers:", ""]
        lines += [
            f"- {item.spec.rule} `{item.spec.subject}`: {cell(_waiver(item, expired=old))}" for item, old in waivers
        ]
        lines.append("")
    lines += [f"- not read: {cell(item)}" for item in report.unread]
    lines += [f"- {cell(line)}" for line in _benchmark(report) if line]
    return printable("\n".join(lines).rstrip()) + "\n"


def _cells(row: Sequence[str]) -> str:
    return f"| {' | '.join(map(cell, row))} |"


def _row(group: Sequence[SafeFinding]) -> str:
    first = group[0]
    who = "<br>".join(cell(item.subject) for item in group[:ALSO])
    who += f"<br>and {len(group) - ALSO} more" if len(group) > ALSO else ""
    steps = first.claim.witness.steps if first.claim.witness else ()
    path = "<br>".join(f"{number}. {cell(step_line(step))}" for number, step in enumerate(steps, 1))
    state = " (waived)" if first.waived else ""
    what = f"{first.claim.impact.name} {cell(first.title)}{state}: {cell(first.message)}"
    return f"| {who} | {what} | {path} | {cell(fix_words(first))} | {first.id} |"


def cell(value: str) -> str:
    """Return text that cannot break out of a cell of a Markdown table."""
    return value.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace(">", "&gt;")
