"""``tenantry plan`` and ``tenantry plan show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option
from tenantry.cli.progress import step
from tenantry.errors import ExitCode, InputError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from tenantry.plan import Plan

LEVELS = ("note", "change", "disruptive", "unsafe")
HELP = """Say what a change does to whom, before it merges.

\b
tenantry plan OLD NEW         two folders
tenantry plan A..B SPEC       two revisions of the Git repository that SPEC lies in
tenantry plan A...B SPEC      B against what it has in common with A, as a pull request shows it
tenantry plan REVISION SPEC   the work tree against a revision
tenantry plan show FILE       a plan that was saved with --out

Which nodes drain or reboot and in which order, who gains or loses guarantees, which isolation breaks, which slices
and names disappear, what is deleted for good, and what waits for a person. The rules are listed in docs/effects.md.
"""
SHOW = "show"
F = TypeVar("F", bound="Callable[..., Any]")


class PlanCommand(click.Command):
    """A plan of two sides; behind the word ``show``, one that was saved. ``./show`` is a folder of that name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Take the other command where it is asked for."""
        if args[:1] == [SHOW]:
            return show.make_context(f"{info_name} {SHOW}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def how_to_say_it(function: F) -> F:
    """Add the options of how a plan is rendered and judged."""
    for option in reversed((
        click.option("--diff", is_flag=True, help="Add what differs in objects, field by field."),
        click.option(
            "--threshold",
            type=click.Choice(LEVELS),
            default="note",
            show_default=True,
            help="Lowest level of an effect that makes the exit code 2.",
        ),
        click.option(
            "--md-limit",
            type=click.IntRange(min=2_000),
            default=65_536,
            show_default=True,
            metavar="BYTES",
            help="Most bytes of Markdown: the default fits a comment on GitHub, 1000000 one on GitLab.",
        ),
        click.option("--full", default="", metavar="TEXT", help="Where the whole plan is, for Markdown that is cut."),
        output_option("text", "json", "md", "html", "sarif", "junit"),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command("plan", cls=PlanCommand, help=HELP)
@click.argument("old", type=PlaceType(), metavar="OLD|REVISION|A..B|A...B")
@click.argument("new", type=PlaceType(), metavar="[NEW|SPEC]", required=False)
@environment_option
@click.option("--verify/--no-verify", default=True, help="Compare isolation, or leave it out, which is quicker.")
@click.option("--trace", type=PlaceType(), help="Jobs to replay on both sides: waits and evictions before and after.")
@click.option(
    "--snapshot", type=PlaceType(), help="What a cluster holds: says whose pods run on nodes that drain, and the like."
)
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day on which facts must hold.")
@click.option("--out", type=PlaceType(), metavar="FILE", help="Save the plan, for tenantry plan show FILE.")
@how_to_say_it
def command(
    *,
    old: Path,
    new: Path | None,
    environment: str,
    verify: bool,
    trace: Path | None,
    snapshot: Path | None,
    diff: bool,
    threshold: str,
    md_limit: int,
    full: str,
    today: datetime | None,
    out: Path | None,
    outputs: tuple[Output, ...],
) -> int:
    """Plan two sides that are named on the command line, save the plan and render it."""
    from tenantry.app.plan import PlanQuestion, plan_compared
    from tenantry.app.plan_places import compared

    question = PlanQuestion(verify=verify, today=today.date() if today else None, trace=trace, snapshot=snapshot)
    sides = compared(str(old), str(new) if new else "")
    try:
        with step("planning"):
            plan = plan_compared(sides, environment, question)
    except SpecError as error:
        # Whoever reads the comment on a pull request sees no log; the problems take the place of the last plan.
        from tenantry.cli.render.plan_markdown import problems_markdown

        said = problems_markdown(error, sides.new.path, environment, limit=md_limit)
        emit([item for item in outputs if item.format == "md" and item.file], lambda form: said)
        raise
    if out is not None:
        emit((Output("json", out),), lambda form: render(form, plan))
    emit(outputs, lambda form: render(form, plan, diff=diff, md_limit=md_limit, full=full))
    return exit_code(plan, threshold)


@click.command(SHOW)
@click.argument("file", type=PlaceType(), metavar="FILE")
@click.option(
    "--check/--no-check",
    default=None,
    help="Refuse what cannot be checked, too, because a side is not here; or show the plan whatever became of them.",
)
@how_to_say_it
def show(
    *, file: Path, check: bool | None, diff: bool, threshold: str, md_limit: int, full: str, outputs: tuple[Output, ...]
) -> int:
    """Show a plan that was saved with --out, as the run that made it did.

    A plan whose specs have changed since is refused, with what changed. Folders are looked for from here, revisions in
    the repository around here.
    """
    from tenantry.app.saved_plan import freshness, read_plan

    plan = read_plan(file)
    if check is not False:
        found = freshness(plan)
        if found.changed or (check and found.unknown):
            reasons = "\n".join(f"  {line}" for line in (*found.changed, *found.unknown))
            word = "is stale" if found.changed else "cannot be checked"
            raise InputError(f"{file} {word}; make the plan again, or show it with --no-check:\n{reasons}")
        for line in (*(f"not checked: {item}" for item in found.unknown), *found.notes):
            click.echo(f"warning: {line}", err=True)
    emit(outputs, lambda form: render(form, plan, diff=diff, md_limit=md_limit, full=full))
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


def render(form: str, plan: Plan, *, diff: bool = False, md_limit: int = 65_536, full: str = "") -> str:
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
    if form == "md":
        from tenantry.cli.render.plan_markdown import markdown

        return markdown(plan, limit=md_limit, full=full)
    from tenantry.cli.render.plan import text

    return text(plan, diff=diff)
