"""What commands that prepare a commit have in common: their options, the message, and what they print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tenantry.cli.options import Output, emit
from tenantry.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.app.promote import Prepared
    from tenantry.git import Commit

F = TypeVar("F", bound="Callable[..., Any]")
FORMAT_VERSION = "1.0"
MESSAGE_COLUMNS = 72
"""Columns of a commit message, as Git's own documentation has it."""


def prepared_options(function: F) -> F:
    """Add the options of commands that prepare a commit."""
    for option in (
        click.option(
            "--verify/--no-verify", default=True, help="Compare isolation, or leave it out, which is quicker."
        ),
        click.option("--dry-run", is_flag=True, help="Show the plan and commit nothing."),
        click.option("--branch", default="", metavar="NAME", help="Commit on a new branch and leave this one alone."),
    ):
        function = option(function)
    return function


def settle(prepared: Prepared, outputs: Sequence[Output], *, dry_run: bool) -> int:
    """Make the commit unless nothing differs or none is wanted, and say what was done."""
    made = None
    if not dry_run and not prepared.same:
        made = prepared.commit(body(prepared))
    emit(outputs, lambda form: _render(form, prepared, made))
    if made is not None:
        word = f"committed {made.hash[:7]} on {made.name}: {prepared.subject}; push it when it is reviewed"
    elif prepared.same:
        word = "nothing differs; nothing was committed"
    else:
        word = f"nothing was committed (--dry-run); it would be on {prepared.target}: {prepared.subject}"
    click.echo(word, err=True)
    return ExitCode.CLEAN


def body(prepared: Prepared) -> str:
    """Return the plan as the body of the commit message."""
    from tenantry.cli.render.layout import columns

    with columns(MESSAGE_COLUMNS):
        return _in_words(prepared)


def _in_words(prepared: Prepared) -> str:
    from tenantry.cli.render.layout import paragraph
    from tenantry.cli.render.plan import text

    lines = [text(prepared.plan)]
    if prepared.not_restored:
        lines += ["", "not brought back by this commit:"]
    for effect in prepared.not_restored:
        lines += paragraph(f"! {effect.subject}: {effect.message}", indent="  ", hang="  ")
    return "\n".join(lines)


def _render(form: str, prepared: Prepared, made: Commit | None) -> str:
    if form == "json":
        from tenantry.app.plan_format import as_data

        data = {
            "formatVersion": FORMAT_VERSION,
            "commit": made.hash if made else None,
            "branch": prepared.target,
            "subject": prepared.subject,
            "same": prepared.same,
            "notRestored": [{"subject": item.subject, "message": item.message} for item in prepared.not_restored],
            "plan": as_data(prepared.plan),
        }
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if form == "md":
        from tenantry.cli.render.plan_markdown import markdown

        return markdown(prepared.plan)
    return _in_words(prepared)


__all__ = ["body", "prepared_options", "settle"]
