"""A plan as text: the summary first, effects by area, the roll-out, what differs in the tree last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenantry.cli.render.layout import paragraph, table
from tenantry.plan.effect import Area, Level, Return
from tenantry.plan.rollout import IN_A_WINDOW
from tenantry.plan.summary import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.plan import Effect, Plan
    from tenantry.plan.effect import Cause, Touched

SIGNS = "+ added  ~ changed  - removed  ! disruptive or unsafe"
MOST_CAUSES = 3
_BACK = {Return.AGAIN: "happens again on the way back", Return.LOST: "not undone by git revert"}


def headline(plan: Plan) -> str:
    """Return the first line: the platform and the summary."""
    where = f" ({plan.environment})" if plan.environment else ""
    return f"{plan.name}{where}: {plan.summary}"


def text(plan: Plan, *, diff: bool = False) -> str:
    """Write the plan for a terminal."""
    lines = paragraph(headline(plan))
    for area in Area:
        there = [effect for effect in plan.of(area) if effect.level > Level.NOTE]
        if there:
            lines += ["", area.value]
        for effect in there:
            lines += _effect(effect)
    notes = [effect for effect in plan.effects if effect.level is Level.NOTE]
    if notes:
        lines += ["", "nobody notices"]
    for effect in notes:
        lines += paragraph(f"{effect.mark.value} {effect.subject}: {effect.message}", indent="  ", hang="  ")
    lines += _rollout(plan)
    lines += _difference(plan) if diff else _collapsed(plan)
    if plan.notes:
        lines.append("")
    for note in plan.notes:
        lines += paragraph(note)
    return "\n".join(lines)


def _effect(effect: Effect) -> list[str]:
    lines = paragraph(f"{effect.mark.value} {effect.subject}: {effect.message}", indent="  ", hang="  ")
    for cause in effect.causes[:MOST_CAUSES]:
        lines += paragraph(cause_words(cause), indent="      ", hang="  ")
    if len(effect.causes) > MOST_CAUSES:
        lines.append(f"      and {len(effect.causes) - MOST_CAUSES} more fields")
    lines += paragraph("; ".join(effect_facts(effect)), indent="      ", hang="  ")
    for detail in effect.details:
        lines += paragraph(detail, indent="        ", hang="  ")
    return lines


def cause_words(cause: Cause) -> str:
    """Write a cause with its place."""
    return f"{cause.location.file}:{cause.location.line}  {cause.words()}"


def effect_facts(effect: Effect) -> Iterator[str]:
    """Yield what else is said about an effect: tenants, how well it is known, the way back, its rule."""
    if effect.tenants and effect.area is not Area.ISOLATION and not effect.subject.startswith("tenant "):
        yield f"tenants: {', '.join(effect.tenants)}"
    if effect.certainty.value != "certain":
        yield effect.certainty.value
    if effect.way_back in _BACK:
        yield _BACK[effect.way_back]
    yield f"[{effect.rule}]"


def _rollout(plan: Plan) -> list[str]:
    if not plan.applications:
        return []
    lines = ["", *paragraph(f"roll-out ({rollout_length(plan)})", hang="  ")]
    if plan.steps:
        rows = [
            (
                f"{duration(step.start)}", f"{duration(step.minutes)}", step.component, step.action.pool,
                step.action.action.value, str(step.action.nodes), str(step.action.at_once),
            )
            for step in plan.steps
        ]  # fmt: skip
        head = ("after", "takes", "Application", "node pool", "what", "nodes", "at once")
        lines += table(head, rows, justify="rrlllrr", indent=2)
    waves = [
        (str(item.wave), item.name, f"+{item.added}", f"~{item.changed}", f"-{item.removed}", item.waits)
        for item in plan.applications
    ]
    if plan.steps:
        lines.append("")
    lines += table(("wave", "Application", "+", "~", "-", "waits"), waves, justify="rlrrrl", indent=2)
    return lines


def rollout_length(plan: Plan) -> str:
    """Say how long the roll-out takes on nodes."""
    if not plan.steps:
        return "no node is disturbed"
    held = {item.name for item in plan.applications if IN_A_WINDOW in item.waits}
    windows = any(step.component in held for step in plan.steps)
    begin = "from the opening of a change window, people not counted" if windows else "people not counted"
    return f"about {duration(plan.minutes)} on nodes, assumed minutes; {begin}"


def _collapsed(plan: Plan) -> list[str]:
    if not plan.objects:
        return []
    differ = (
        "1 object of the tree differs" if len(plan.objects) == 1 else f"{len(plan.objects)} objects of the tree differ"
    )
    return ["", f"{differ}; --diff shows the fields"]


def _difference(plan: Plan) -> list[str]:
    if not plan.objects:
        return []
    lines = ["", "objects of the tree"]
    for item in plan.objects:
        lines.append(f"  {item.mark.value} {item.key}")
        lines += [line for field in item.fields for line in paragraph(field_words(field), indent="      ", hang="  ")]
    return lines


def field_words(field: Touched) -> str:
    """Write a field that differs, long values cut."""
    return f"{field.pointer}: {_value(field.before)} -> {_value(field.after)}"


def _value(value: object) -> str:
    if value is None:
        return "unset"
    said = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return said if len(said) <= 120 else said[:117] + "..."
