"""The page of a verification: the matrix, the path of every finding as a chain of boxes, and what is declared.

It works without its script, which only draws the paths of a pair beside the matrix once a cell is followed.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.app.verification import STRENGTH_WORDS
from tenantry.cli.render.fixes import NOT_TRIED, change_line, outcome, pointer
from tenantry.cli.render.matrix import LEGEND, SELF, mark, worst_first
from tenantry.cli.render.page import page
from tenantry.cli.render.verification import groups, permission_ports, short_way, strength_rows
from tenantry.model.change import Op
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.app.verification import Cell, Gap, SafeFinding, VerifyReport
    from tenantry.model.claim import Step
    from tenantry.model.problem import Location

MOST_TENANTS = 40
"""Tenants the matrix of a page shows; of more, those that can act on most others."""
MOST_FINDINGS = 2000
"""Paths a page draws; each takes about a kilobyte."""
MOST_IN_PAIR = 60

STYLE = """
:root{--s0:#8f1d14;--s1:#c2382b;--s2:#b65c0c;--s3:#8a6d00;--un:#6b7686;--ok:#1b7a4b;--okbg:#e3f3ea;--unbg:#e9ecf1}
@media(prefers-color-scheme:dark){:root{--s0:#a3281d;--s1:#c2453a;--s2:#b0661f;--s3:#85700f;--un:#8794a6;--ok:#5fc994;
--okbg:#17301f;--unbg:#2a323d}}
.verdict{border-left:5px solid var(--s1);background:var(--card);padding:12px 16px;margin:0 0 18px;font-size:17px;
font-weight:600;border-radius:0 8px 8px 0}.verdict.ok{border-color:var(--ok)}.verdict.un{border-color:var(--un)}
.matrix{width:auto;border-collapse:separate;border-spacing:3px}
.matrix th,.matrix td{border:0;padding:0}
.matrix thead th{vertical-align:bottom;padding-bottom:6px}
.matrix thead th span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;max-height:160px;
overflow:hidden;text-overflow:ellipsis}
.matrix thead th:last-child,.matrix td.reach{padding-left:12px;text-align:left;white-space:nowrap}
.matrix tbody th,.matrix td.reach{vertical-align:middle}
.matrix tbody th{padding-right:10px;text-align:right;white-space:nowrap;color:var(--fg);font-weight:500}
.matrix td a,.matrix td span.c{display:block;width:34px;height:30px;line-height:30px;text-align:center;
border-radius:4px;font-size:13px;font-weight:600;text-decoration:none}
.matrix td a:hover,.matrix td a:focus{outline:2px solid var(--accent);outline-offset:1px}
.c.ok{background:var(--okbg);color:var(--ok)}.c.un{background:var(--unbg);color:var(--fg);border:1px dashed var(--un)}
.c.s0,.c.s1,.c.s2,.c.s3{color:#fff}.c.s0,.b.s0{background:var(--s0)}.c.s1,.b.s1{background:var(--s1)}
.c.s2,.b.s2{background:var(--s2)}.c.s3,.b.s3{background:var(--s3)}
.b{display:inline-block;border-radius:4px;padding:0 7px;color:#fff;font-size:12px;font-weight:600;line-height:20px;
white-space:nowrap}.b.un{background:var(--unbg);color:var(--fg)}.b.ok{background:var(--okbg);color:var(--ok)}
.pair{display:none;border:1px solid var(--accent);border-radius:8px;padding:14px 16px;margin:14px 0}
.pair:target{display:block}.pair ul{list-style:none;margin:0;padding:0}.pair>ul>li{margin:0 0 10px}
.finding{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;margin:0 0 14px}
.finding:target,.same:target{border-color:var(--accent);box-shadow:0 0 0 1px var(--accent)}
.finding p{margin:4px 0 8px}.finding h3{font-size:15px;margin:0}.id{color:var(--dim);font-size:12px}
.same{border-top:1px solid var(--line);padding:8px 0 2px}
.chain{display:flex;flex-wrap:wrap;list-style:none;margin:6px 0;padding:0;gap:8px 0}
.chain>li{display:flex;align-items:center;max-width:100%}
.chain>li+li::before{content:"\\2192";align-self:center;padding:0 8px;color:var(--dim);font-size:18px}
.step{border:1px solid var(--line);border-radius:6px;background:var(--bg);padding:6px 10px;min-width:90px;
max-width:390px;font-size:13px;line-height:1.35;overflow-wrap:anywhere}
.step small{display:block;color:var(--dim);font-size:12px}.step code{font-size:11.5px;color:var(--dim);display:block}
.step.end{text-align:center;background:var(--accent);border-color:var(--accent);color:var(--bg);font-weight:600;align-self:center}
.step.none{border-style:dashed;border-color:var(--warn)}
td.n+td,th.n+th{padding-left:18px}
details{margin:6px 0}summary{cursor:pointer;color:var(--accent)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;overflow-x:auto;
font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,monospace}
a{color:var(--accent)}.old{color:var(--bad);font-weight:600}
@media(max-width:800px){main{padding:18px 14px 40px}.step{max-width:100%}}
"""

SCRIPT = """<script>
function draw(){var p=document.querySelector('.pair:target');if(!p||p.dataset.drawn)return;p.dataset.drawn=1;
p.querySelectorAll('li[data-f]').forEach(function(li){var f=document.getElementById(li.dataset.f);
var c=f&&f.querySelector('.chain');if(c)li.appendChild(c.cloneNode(true))})}
addEventListener('hashchange',draw);addEventListener('load',draw);
document.querySelectorAll('a[href^="#SAFE"]').forEach(function(a){a.addEventListener('click',function(){
var f=document.getElementById(a.getAttribute('href').slice(1)),d=f&&f.closest('details');if(d)d.open=true})})
</script>"""


def verification_page(report: VerifyReport) -> str:
    """Return the page."""
    lead = f"{report.objects} objects; {report.looked_at}; {STRENGTH_WORDS[report.strength]}"
    tone = "ok" if report.zero else "un" if not report.count(Verdict.VIOLATED) else ""
    parts = [
        f"<h1>{escape(report.name)}</h1><p class=lead>{escape(lead)}</p>",
        f'<p class="verdict {tone}">{escape(report.headline)}</p>',
        _matrix(report),
        _findings(report),
        _gaps(report),
        _unread(report),
        _channels(report),
        _strengths(report),
        _tenants(report),
        _contract(report),
        _facts(report),
        _waivers(report),
        SCRIPT if report.findings else "",
    ]
    return page(f"{report.name}: verification", "\n".join(part for part in parts if part), STYLE)


def html(report: VerifyReport) -> str:
    """Write a verification as a self-contained page."""
    return verification_page(report)


def _strengths(report: VerifyReport) -> str:
    rows = strength_rows(report)
    if not rows:
        return ""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    said = "What is open today, what a tenant could do, and what other tenants could let it do to their own harm."
    table = f"<div class=scroll><table><tr>{head}</tr>{lines}</table></div>"
    return f"<h2>How strong a proof</h2><p class=dim>{said}</p>{table}"


# Matrix --------------------------------------------------------------------------------------------------------------


def _matrix(report: VerifyReport) -> str:
    if len(report.names) < 2:
        return ""
    names = sorted(worst_first(report)[:MOST_TENANTS])
    panels: dict[tuple[str, tuple[int, ...]], int] = {}
    titles: dict[int, list[str]] = {}
    rows = []
    for source in names:
        cells = []
        for target in names:
            cell = report.cell(source, target)
            if not report.concerns(source, target):
                cells.append(f"<td>{SELF}</td>")
                continue
            number = -1
            if cell.findings:
                number = panels.setdefault((source, cell.findings), len(panels))
                titles.setdefault(number, []).append(target)
            cells.append(_cell(cell, source, target, number))
        violated, unknown = report.blast(source)
        reach = f"{violated}" + (f" <span class=dim>+ {unknown} unknown</span>" if unknown else "")
        rows.append(f"<tr><th scope=row>{escape(source)}</th>{''.join(cells)}<td class=reach>{reach}</td></tr>")
    heads = "".join(f"<th scope=col><span>{escape(name)}</span></th>" for name in names)
    left_out = len(report.names) - len(names)
    note = (
        f" The {len(names)} tenants that can act on most others; {left_out} more are in the JSON." if left_out else ""
    )
    return (
        "<h2>Who can act on whom</h2>"
        f"<p class=dim>Rows act on columns. {escape(LEGEND)}.{note} Follow a cell to see how.</p>"
        f"<div class=scroll><table class=matrix><thead><tr><th></th>{heads}<th>acts on</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        + "".join(_panel(report, key, number, titles[number]) for key, number in panels.items())
    )


def _cell(cell: Cell, source: str, target: str, number: int) -> str:
    sign = mark(cell)
    said = cell.verdict.value.lower()
    label = escape(f"{source} on {target}: {said}" + (f", {len(cell.findings)} findings" if cell.findings else ""))
    if number < 0:
        return f'<td><span class="c ok" title="{label}" aria-label="{label}">{sign}</span></td>'
    kind = cell.impact.name.lower() if cell.verdict is Verdict.VIOLATED and cell.impact is not None else "un"
    return f'<td><a class="c {kind}" href="#p{number}" title="{label}" aria-label="{label}">{sign}</a></td>'


def _panel(report: VerifyReport, key: tuple[str, tuple[int, ...]], number: int, targets: Sequence[str]) -> str:
    source, indices = key
    # Findings are ordered worst first, so those whose path is drawn are the first ones.
    found = [report.findings[index] for index in indices if index < MOST_FINDINGS]
    left_out = sum(index >= MOST_FINDINGS for index in indices)
    violated = [item for item in found if item.claim.verdict is Verdict.VIOLATED]
    items = "".join(
        f'<li data-f="{item.id}">{_badge(item)} <a href="#{item.id}">{escape(item.claim.channel)} '
        f"{escape(item.title)}</a>: {escape(item.message)}</li>"
        for item in violated[:MOST_IN_PAIR]
    )
    left_out += max(0, len(violated) - MOST_IN_PAIR)
    more = f"<li>and {left_out} more findings, in the JSON</li>" if left_out else ""
    unknown = dict.fromkeys(
        f"{item.claim.channel} {item.title}" for item in found if item.claim.verdict is Verdict.UNKNOWN
    )
    if unknown:
        listed = escape("; ".join(unknown))
        more += f'<li><span class="b un">? unknown</span> <a href="#unknown">what would decide it</a>: {listed}</li>'
    names = ", ".join(targets[:8]) + (f" and {len(targets) - 8} more" if len(targets) > 8 else "")
    return (
        f"<section class=pair id=p{number}><h3>{escape(source)} on {escape(names)}</h3><ul>{items}{more}</ul></section>"
    )


def _badge(item: SafeFinding) -> str:
    if item.claim.verdict is Verdict.UNKNOWN:
        return '<span class="b un">? unknown</span>'
    impact = item.claim.impact.name
    waived = " waived" if item.waived else ""
    return f'<span class="b {impact.lower()}">{impact} {escape(item.claim.effect.value)}{waived}</span>'


# Findings ------------------------------------------------------------------------------------------------------------


def _findings(report: VerifyReport) -> str:
    violated = [item for item in report.findings if item.claim.verdict is Verdict.VIOLATED]
    unknown = [item for item in report.findings if item.claim.verdict is Verdict.UNKNOWN]
    parts = []
    if violated:
        parts.append("<h2>Violations</h2>")
        parts += [_group(group) for group in groups(report, violated[:MOST_FINDINGS])]
        if len(violated) > MOST_FINDINGS:
            parts.append(f"<p class=dim>and {len(violated) - MOST_FINDINGS} more, in the JSON</p>")
    if unknown:
        rows = "".join(_unknown_row(item) for item in unknown[:MOST_FINDINGS])
        parts.append(
            "<h2>Not known</h2><p class=dim>Neither proved nor violated; below is what would decide it.</p>"
            f"<details><summary>{len(unknown)} findings</summary><div class=scroll><table><tr><th>Channel</th>"
            f"<th>Who</th><th>What is missing</th><th>Finding</th></tr>{rows}</table></div></details>"
        )
    return "".join(parts)


def _unknown_row(item: SafeFinding) -> str:
    return (
        f'<tr id="{item.id}"><td>{escape(item.claim.channel)} {escape(item.title)}</td><td>{_who(item)}</td>'
        f"<td>{escape(item.message)}</td><td class=id>{item.id}</td></tr>"
    )


def _who(item: SafeFinding) -> str:
    return f"{escape(item.claim.source)} &rarr; {escape(item.claim.target) or 'every other tenant'}"


def _group(group: Sequence[SafeFinding]) -> str:
    first, *others = group
    claim, fix = first.claim, _fix(first)
    same = ""
    if others:
        items = "".join(_likewise(item, fix) for item in others)
        same = f"<details><summary>likewise for {len(others)} more</summary>{items}</details>"
    waiver = ""
    if first.waiver is not None:
        state = "Waived until" if first.waived else "<span class=old>Waiver expired</span> on"
        waiver = f"<p>{state} {first.waiver.spec.expires}: {escape(first.waiver.spec.reason)}</p>"
    return (
        f'<article class=finding id="{first.id}"><h3>{_badge(first)} {_who(first)}: {escape(claim.channel)} '
        f"{escape(first.title)} <span class=id>{first.id}</span></h3><p>{escape(first.message)}</p>"
        f"{_chain(first)}{fix}{waiver}{_example(first)}{same}</article>"
    )


def _likewise(item: SafeFinding, fix: str) -> str:
    own = _fix(item)
    own = "" if own == fix else own
    return (
        f'<div class=same id="{item.id}"><b>{_who(item)}</b> <span class=id>{item.id}</span>{_chain(item)}{own}</div>'
    )


def _fix(item: SafeFinding) -> str:
    """Write the changes that close a hole, and that they were tried; words where no change was found."""
    if item.repair is None:
        words = item.claim.fix
        return f"<p><b>Fix</b> ({NOT_TRIED}): {escape(words)}</p>" if words else ""
    from tenantry.io.yaml_write import dump

    lines = []
    for change in item.repair.changes:
        made = ""
        if change.op is Op.CREATE:
            made = f"<details><summary>manifest</summary><pre>{escape(dump(change.value))}</pre></details>"
        lines.append(f"<li>{escape(change_line(change))}{made}</li>")
    return f"<p><b>Fix</b> ({escape(outcome(item.repair))}):</p><ul>{''.join(lines)}</ul>"


def _chain(item: SafeFinding) -> str:
    """Draw the path: the tenant that acts, a box per step, the tenant concerned."""
    witness = item.claim.witness
    if witness is None:
        return ""
    places = [*item.places, *[None] * len(witness.steps)]
    steps = "".join(f"<li>{_step(step, place)}</li>" for step, place in zip(witness.steps, places, strict=False))
    target = escape(item.claim.target) or "every other tenant"
    return (
        f"<ol class=chain><li><div class='step end'>{escape(item.claim.source)}</div></li>{steps}"
        f"<li><div class='step end'>{target}</div></li></ol>"
    )


def _step(step: Step, place: Location | None) -> str:
    edge = f"<small>{escape(step.edge)}</small>"
    if step.by is None:
        if not step.missing:
            return f"<div class=step>{escape(step.edge)}</div>"
        return f"<div class='step none'>{edge}{escape(step.missing)}</div>"
    inside = f"<code>{escape(pointer(step.pointer))}</code>" if step.pointer else ""
    where = f"<code>{escape(str(place.file))}{f':{place.line}' if place.line else ''}</code>" if place else ""
    key = step.by
    name = f"{key.namespace}/{key.name}" if key.namespace else key.name
    return f"<div class=step>{edge}<b>{escape(key.kind)}</b> {escape(name)}{inside}{where}</div>"


def _example(item: SafeFinding) -> str:
    witness = item.claim.witness
    if witness is None or not (witness.details or witness.assumes):
        return ""
    from tenantry.io.yaml_write import dump

    lines = "".join(
        f"{escape(name)}:\n{escape(dump(value))}\n"
        if isinstance(value, dict | list | tuple)
        else f"{escape(name)}: {escape(str(value))}\n"
        for name, value in witness.details
    )
    example = f"<pre>{lines}</pre>" if lines else ""
    assumed = "".join(f"<li>{escape(text)}</li>" for text in witness.assumes)
    assumes = f"<p>Taken for granted:</p><ul>{assumed}</ul>" if assumed else ""
    return f"<details><summary>example</summary>{example}{assumes}</details>"


# What is missing and what is declared --------------------------------------------------------------------------------


def _gaps(report: VerifyReport) -> str:
    if not report.gaps:
        return ""
    rows = "".join(_gap(gap) for gap in report.gaps)
    entries = "".join(gap.entry for gap in report.gaps if gap.entry)
    summary = "entries for a Facts document, to sign once checked"
    paste = f"<details><summary>{summary}</summary><pre>{escape(entries)}</pre></details>" if entries else ""
    return (
        "<span id=unknown></span>"
        + _table("What would decide it", ("Fact", "Channels", "#Findings", "How to supply it"), rows)
        + paste
    )


def _gap(gap: Gap) -> str:
    ways = "<br>".join(escape(short_way(gap, way)) for way in gap.how[:4])
    more = f"<br><span class=dim>and {len(gap.how) - 4} more like these</span>" if len(gap.how) > 4 else ""
    state = f"<br><span class=old>{escape(gap.state)}</span>" if gap.state else ""
    fact = f"<code>{escape(gap.fact)}</code>" if gap.fact else "<span class=dim>none can say it</span>"
    return (
        f"<tr><td>{fact}{state}</td><td>{escape(', '.join(gap.channels))}</td><td class=n>{gap.findings}</td>"
        f"<td>{ways}{more}</td></tr>"
    )


def _unread(report: VerifyReport) -> str:
    if not report.unread and not report.notes:
        return ""
    items = "".join(f"<p class=note>{escape(item)}</p>" for item in (*report.unread, *report.notes))
    return f"<h2>{'Not read' if report.unread else 'Notes'}</h2>{items}"


def _channels(report: VerifyReport) -> str:
    tones = {Verdict.PROVED: "ok", Verdict.UNKNOWN: "un"}
    rows = []
    for item in report.channels:
        tone = tones.get(item.verdict, item.impact.name.lower())
        reasons = "<br>".join(escape(reason) for reason in item.reasons[:3])
        more = f"<br><span class=dim>and {len(item.reasons) - 3} more reasons</span>" if len(item.reasons) > 3 else ""
        rows.append(
            f"<tr><td>{escape(item.id)}</td><td>{escape(item.title)}</td><td>{item.impact.name}</td>"
            f'<td><span class="b {tone}">{item.verdict.value.lower()}</span></td><td class=n>{item.violated}</td>'
            f"<td class=n>{item.unknown}</td><td class=n>{item.proved}</td><td>{reasons}{more}</td></tr>"
        )
    heads = ("", "Channel", "Impact", "Verdict", "#Violated", "#Unknown", "#Proved", "Why it is proved")
    return _table("Channels", heads, "".join(rows))


def _tenants(report: VerifyReport) -> str:
    rows = []
    for tenant in report.tenancy.tenants:
        bench = _checks(report, tenant.name)
        people = ", ".join((*tenant.groups, *tenant.users))
        rows.append(
            f"<tr><td>{escape(tenant.name)}</td><td>{escape(', '.join(tenant.namespaces))}</td>"
            f"<td>{escape(people)}</td><td>{bench}</td></tr>"
        )
    heads = ("Tenant", "Namespaces", "Groups and users", "Multi-tenancy benchmark")
    return _table("Tenants", heads, "".join(rows))


def _checks(report: VerifyReport, tenant: str) -> str:
    """Return how many checks of the benchmarks a tenant passes, and why not the others."""
    if tenant not in report.benchmark:
        return ""
    passed, total = report.passed(tenant)
    failed = "".join(
        f"<li>{escape(item.id)} {escape(item.title)}: {escape(item.reason)}</li>"
        for item in report.benchmark[tenant]
        if item.verdict is not Verdict.PROVED
    )
    return f"{passed}/{total}" + (
        f"<details><summary>not passed</summary><ul>{failed}</ul></details>" if failed else ""
    )


def _contract(report: VerifyReport) -> str:
    every = [(item, False) for item in report.permissions] + [(item, True) for item in report.expired_permissions]
    if not every:
        return ""
    rows = "".join(
        f"<tr><td>{escape(item.name)}</td><td>{escape(item.source)} &rarr; {escape(item.target)}</td>"
        f"<td>{escape(permission_ports(item))}</td><td>{escape(item.reason)}</td>"
        f"<td>{_until(str(item.expires), old=old)}</td></tr>"
        for item, old in every
    )
    return _table("Exceptions of the contract", ("Exception", "Who", "Ports", "Why", "Until"), rows)


def _until(day: str, *, old: bool) -> str:
    return f"<span class=old>expired {escape(day)}</span>" if old else escape(day)


def _facts(report: VerifyReport) -> str:
    if not report.facts:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(item.id)}</code></td><td>{escape(str(item.value))}</td><td>{escape(item.evidence)}</td>"
        f"<td>{escape(item.signed_by)}{' <span class=old>expired</span>' if item.expired else ''}</td></tr>"
        for item in report.facts
    )
    return _table("Signed facts", ("Fact", "Value", "Evidence", "Signed by"), rows)


def _waivers(report: VerifyReport) -> str:
    every = [(item, False) for item in report.waivers] + [(item, True) for item in report.expired_waivers]
    if not every:
        return ""
    rows = "".join(
        f"<tr><td>{escape(item.spec.rule)}</td><td>{escape(item.spec.subject)}</td><td>{escape(item.spec.reason)}</td>"
        f"<td>{escape(item.spec.approved_by)}</td><td>{_until(str(item.spec.expires), old=old)}</td></tr>"
        for item, old in every
    )
    return _table("Waivers", ("Rule", "Subject", "Why", "By", "Until"), rows)


def _table(title: str, heads: Sequence[str], rows: str) -> str:
    """Return a section with a table; columns of numbers are marked by ``#``."""
    cells = "".join(
        f"<th class=n>{escape(head[1:])}</th>" if head.startswith("#") else f"<th>{escape(head)}</th>" for head in heads
    )
    return f"<h2>{escape(title)}</h2><div class=scroll><table><tr>{cells}</tr>{rows}</table></div>"
