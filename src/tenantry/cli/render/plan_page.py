"""A plan as a self-contained page: summary, effects by area, a timeline of the roll-out, what differs folded away."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.cli.render.page import page
from tenantry.cli.render.plan import cause_words, field_words, headline, rollout_length
from tenantry.plan.effect import Action, Area, Level, Mark, Return
from tenantry.plan.summary import duration

if TYPE_CHECKING:
    from tenantry.plan import Effect, Plan

STYLE = """
.mark{font-weight:700;width:22px}.bad .mark{color:var(--bad)}.why{color:var(--dim);font-size:13px}
.why code{display:block}details{margin:10px 0}summary{cursor:pointer;color:var(--dim)}
.diff{font:12px/1.5 ui-monospace,Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.timeline rect{rx:3px}.timeline .reboot,.timeline .drain,.timeline .nic{fill:#c4573a}
.timeline .driver{fill:#b98a1f}.timeline .reset{fill:#7a5bb5}.timeline path{stroke:var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--dim)}
td:nth-child(2){white-space:nowrap}.effects{width:100%}.effects td:last-child{overflow-wrap:anywhere;width:34%}
@media(max-width:640px){.effects td{display:block;border:0;padding:2px 0}.effects tr{display:block;
border-bottom:1px solid var(--line);padding:6px 0}}
"""
_COLOURS = {
    Action.REBOOT: ("reboot", "#c4573a"),
    Action.DRAIN: ("drain", "#c4573a"),
    Action.NIC_DRIVER_RELOAD: ("nic", "#c4573a"),
    Action.DRIVER_RELOAD: ("driver", "#b98a1f"),
    Action.GPU_RESET: ("reset", "#7a5bb5"),
}
WIDTH, NAMES, ROW = 900, 220, 30
"""Units a timeline is wide, those of its names, and the height of a row."""


def html(plan: Plan) -> str:
    """Write the plan as a page."""
    parts = [f"<h1>Plan of {escape(plan.name)}</h1>", f"<p class=lead>{escape(headline(plan))}</p>"]
    parts.append(f"<p class=dim>from <code>{escape(plan.before)}</code> to <code>{escape(plan.after)}</code></p>")
    for area in Area:
        there = [effect for effect in plan.of(area) if effect.level > Level.NOTE]
        if there:
            parts.append(
                f"<h2>{escape(area.value)}</h2><div class=scroll><table class=effects>{''.join(map(_row, there))}"
                "</table></div>"
            )
    parts.append(_timeline(plan))
    parts.append(_applications(plan))
    notes = [effect for effect in plan.effects if effect.level is Level.NOTE]
    if notes:
        items = "".join(f"<li>{escape(item.subject)}: {escape(item.message)}</li>" for item in notes)
        counted = "1 effect" if len(notes) == 1 else f"{len(notes)} effects"
        parts.append(f"<details><summary>{counted} that nobody notices</summary><ul>{items}</ul></details>")
    parts += [f"<p class=note>{escape(note)}</p>" for note in plan.notes]
    parts.append(_objects(plan))
    return page(f"Plan of {plan.name}", "\n".join(filter(None, parts)), STYLE)


def _row(effect: Effect) -> str:
    why = "".join(f"<code>{escape(cause_words(cause))}</code>" for cause in effect.causes[:5])
    more = f"<br>and {len(effect.causes) - 5} more fields" if len(effect.causes) > 5 else ""
    back = {Return.AGAIN: "happens again on the way back", Return.LOST: "not undone by git revert"}.get(
        effect.way_back, ""
    )
    facts = "; ".join(filter(None, (effect.certainty.value, back, effect.source)))
    steps = "".join(f"<li>{escape(detail)}</li>" for detail in effect.details)
    tenants = f"<div class=why>tenants: {escape(', '.join(effect.tenants))}</div>" if effect.tenants else ""
    return (
        f'<tr class="{"bad" if effect.mark is Mark.DISRUPT else ""}"><td class=mark>{effect.mark.value}</td>'
        f"<td>{escape(effect.subject)}</td><td>{escape(effect.message)}{f'<ol>{steps}</ol>' if steps else ''}{tenants}"
        f"<div class=why>{escape(effect.rule)}: {escape(facts)}</div></td><td class=why>{why}{more}</td></tr>"
    )


def _timeline(plan: Plan) -> str:
    """Draw a bar per Application and pool, cut into rounds of nodes."""
    if not plan.steps:
        return ""
    total = max(plan.minutes, 1)
    scale = (WIDTH - NAMES - 10) / total
    body = []
    every = next((step for step in (5, 15, 30, 60, 120, 240, 480, 1440) if total / step <= 8), 2880)
    bottom = len(plan.steps) * ROW + 8
    for minute in range(0, total + 1, every):
        x = NAMES + minute * scale
        anchor = "end" if x > WIDTH - 30 else "middle"
        body.append(
            f'<path d="M{x:.1f} 0V{bottom}"/><text class=dimtext x="{x:.1f}" y="{bottom + 14}" text-anchor="{anchor}">'
            f"{duration(minute)}</text>"
        )
    for index, step in enumerate(plan.steps):
        y = index * ROW + 6
        kind, _ = _COLOURS[step.action.action]
        body.append(f'<text x="0" y="{y + 14}">{escape(step.component)} on {escape(step.action.pool)}</text>')
        rounds = min(step.action.rounds, 60)
        each = step.minutes * scale / rounds
        for number in range(rounds):
            x = NAMES + step.start * scale + number * each
            body.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(each - 1.5, 0.7):.1f}" height="20"/>')
    legend = "".join(
        f'<span><i class=dot style="background:{_COLOURS[action][1]}"></i> {escape(action.value)}</span>'
        for action in sorted({step.action.action for step in plan.steps})
    )
    said = "; ".join(
        f"{step.component} on {step.action.pool}: {step.action.action.value}, from {duration(step.start)} for "
        f"{duration(step.minutes)}"
        for step in plan.steps
    )
    return (
        f"<h2>Roll-out</h2><p class=dim>{escape(rollout_length(plan).capitalize())}. "
        "Each block is a round of nodes.</p><div class=scroll>"
        f'<svg class=timeline viewBox="0 0 {WIDTH} {bottom + 22}" style="min-width:620px" role=img '
        f'aria-label="{escape(said)}">{"".join(body)}</svg></div><div class=legend>{legend}</div>'
    )


def _applications(plan: Plan) -> str:
    if not plan.applications:
        return ""
    rows = "".join(
        f"<tr><td class=n>{item.wave}</td><td>{escape(item.name)}</td><td class=n>+{item.added}</td>"
        f"<td class=n>~{item.changed}</td><td class=n>-{item.removed}</td><td>{escape(item.waits)}</td></tr>"
        for item in plan.applications
    )
    head = f"<tr><th class=n>Wave</th><th>Application</th>{'<th class=n></th>' * 3}<th>Waits</th></tr>"
    return f"<h2>Applications, in the order of their waves</h2><div class=scroll><table>{head}{rows}</table></div>"


def _objects(plan: Plan) -> str:
    if not plan.objects:
        return ""
    lines = []
    for item in plan.objects:
        lines.append(f"{item.mark.value} {item.key}")
        lines += [f"    {field_words(field)}" for field in item.fields]
    body = escape("\n".join(lines))
    title = f"{len(plan.objects)} objects of the tree differ"
    return f"<details><summary>{title}</summary><div class=diff>{body}</div></details>"
