"""``tenantry fit``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, emit, environment_option, output_option, spec_argument
from tenantry.cli.progress import step
from tenantry.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.app.fit import FitReport


@click.command("fit")
@spec_argument
@environment_option
@click.option(
    "--minus-nodes",
    multiple=True,
    metavar="N|POOL=N",
    help="Do without N nodes: any of the platform, the worst choice of them, or of one pool; may be repeated.",
)
@click.option(
    "--threshold",
    type=click.Choice(["info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Lowest severity that makes the exit code 2.",
)
@click.option(
    "--today", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day on which waivers must hold."
)
@output_option("text", "json", "md", "html")
def command(
    *,
    spec: Path,
    environment: str,
    minus_nodes: tuple[str, ...],
    threshold: str,
    today: datetime | None,
    outputs: tuple[Output, ...],
) -> int:
    """Decide whether what SPEC promises fits its hardware.

    Can every tenant's guarantee be held at the same time, what is the largest job each tenant can ever run, how often
    does each workload run at once, and what is left when nodes fail. What does not fit comes with a job that cannot run
    and the nearest changes of the spec, each tried. The rules are listed in docs/fit-rules.md.
    """
    from tenantry.app.fit import fit_spec
    from tenantry.model.finding import Severity

    with step("deciding what fits"):
        report = fit_spec(spec, environment, minus_nodes, today=today.date() if today else None)
    emit(outputs, lambda form: _render(form, report))
    return ExitCode.FINDINGS if report.at_least(Severity[threshold.upper()]) else ExitCode.CLEAN


def _render(form: str, report: FitReport) -> str:
    if form == "json":
        from tenantry.cli.render.fit_data import as_json

        return as_json(report)
    if form == "html":
        from tenantry.cli.render.fit_page import html

        return html(report)
    from tenantry.cli.render import fit

    return fit.markdown(report) if form == "md" else fit.text(report)
