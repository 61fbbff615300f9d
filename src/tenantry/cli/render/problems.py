"""Problems of a spec, for people."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from tenantry.model.problem import dotted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.problem import SpecProblem


def problem_lines(problem: SpecProblem) -> list[str]:
    """Write one problem: place, path and message; then what was expected, found and meant."""
    where = f"{problem.location}: "
    path = dotted(problem.path)
    lines = [f"{where}{problem.subject}{': ' + path if path else ''}", f"    {problem.message}"]
    details = []
    if problem.expected:
        details.append(f"expected {problem.expected}")
    if problem.found:
        details.append(f"found {problem.found}")
    if problem.nearest:
        details.append(f"did you mean {problem.nearest!r}?")
    if details:
        lines.append(f"    {'; '.join(details)}")
    lines.append(f"    rule {problem.rule}")
    return lines


def _coloured() -> bool:
    # Source: no-color.org; any value but the empty one counts.
    return sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def print_problems(problems: Sequence[SpecProblem], outcome: str = "nothing was written", *, where: str = "") -> None:
    """Print every problem, their number and what follows to standard error; ``where`` tells one of several specs."""
    for problem in problems:
        first, *rest = problem_lines(problem)
        click.secho(f"error: {first}", fg="red", err=True, color=_coloured())
        for line in rest:
            click.echo(line, err=True)
    count = len(problems)
    of = f" in the spec {where}" if where else ""
    click.echo(f"{count} problem{'s' if count != 1 else ''}{of}; {outcome}", err=True)
