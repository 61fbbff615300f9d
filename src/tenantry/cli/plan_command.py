"""``tenantry plan``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option
from tenantry.cli.progress import step
from tenantry.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.plan import Plan

LEVELS = ("note", "change", "disruptive", "unsafe")


@click.command("plan")
@click.argument("old", type=PlaceType(), metavar="OLD|REVISION|A..B|A...B")
@click.argument("new", type=PlaceType(), metavar="[NEW|SPEC]", required=False)
@environment_option
@click.option("--verify/--no-verify", default=True, help="Compare isolation, or leave it out, which is quicker.")
@click.option("--trace", type=PlaceType(), help="Jobs to replay on both sides: waits and evictions before and after.")
@click.option("--diff", is_flag=True, help="Add what differs in objects, field by field.")
@click.option(
    "--threshold",
    type=click.Choice(LEVELS),
    default="note",
    show_default=True,
    help="Lowest level of an effect that makes the exit code 2.",
)
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day on which facts must hold.")
@output_option("text", "json", "md", "html", "sarif", "junit")
def command(
    *,
    old: Path,
    new: Path | None,
    environment: str,
    verify: bool,
    trace: Path | None,
    diff: bool,
    threshold: str,
    today: datetime | None,
    outputs: tuple[Output, ...],
) -> int:
    r"""Say what a change does to whom, before it merges.

    \b
    tenantry plan OLD NEW         two folders
    tenantry plan A..B SPEC       two revisions of the Git repository that SPEC lies in
    tenantry plan A...B SPEC      B against what it has in common with A, as a pull request shows it
    tenantry plan REVISION SPEC   the work tree against a revision

    Which nodes drain or reboot and in which order, who gains or loses guarantees, which isolation breaks, which slices
    and names disappear, what is deleted for good, and what waits for a person. The rules are listed in docs/effects.md.
    """
    from tenantry.app.plan import PlanQuestion, plan_places
    from tenantry.app.plan_places import compared

    question = PlanQuestion(verify=verify, today=today.date() if today else None, trace=trace)
    with step("planning"):
        before, after, notes = compared(str(old), str(new) if new else "")
        plan = plan_places(before, after, environment, question, notes=notes)
    emit(outputs, lambda form: render(form, plan, diff=diff))
    return exit_code(plan, threshold)


def exit_code(plan: Plan, threshold: str) -> ExitCode:
    """0 without differences at the threshold, 3 when something is disruptive or unsafe, else 2."""
    from tenantry.plan import Level

    worst = plan.worst
    lowest = Level[threshold.upper()]
    if worst is None:
        return ExitCode.FINDINGS if plan.causes and lowest is Level.NOTE else ExitCode.CLEAN
    if worst < lowest:
        return ExitCode.CLEAN
    return ExitCode.UNSAFE if worst >= Level.DISRUPTIVE else ExitCode.FINDINGS


def render(form: str, plan: Plan, *, diff: bool = False) -> str:
    """Write a plan in one of the formats."""
    if form == "json":
        from tenantry.cli.render.plan_data import as_json

        return as_json(plan)
    if form == "html":
        from tenantry.cli.render.plan_page import html

        return html(plan)
    if form in {"sarif", "junit"}:
        from tenantry.cli.render.plan_reports import junit, sarif

        return sarif(plan) if form == "sarif" else junit(plan)
    from tenantry.cli.render import plan as words

    return words.markdown(plan) if form == "md" else words.text(plan, diff=diff)
