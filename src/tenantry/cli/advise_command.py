"""``tenantry advise``."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option, spec_argument
from tenantry.cli.progress import step
from tenantry.errors import ExitCode


@click.command("advise")
@spec_argument
@environment_option
@click.option(
    "--profiles",
    multiple=True,
    type=PlaceType(),
    metavar="PATH",
    help="Profile table, or a folder of them; rows belong to the Workload of the same name. May be repeated.",
)
@click.option(
    "--workload", "workloads", multiple=True, metavar="NAME", help="This class of work only; may be repeated."
)
@click.option("--brief", is_flag=True, help="Only the overview, without options and reasons (text and md).")
@click.option(
    "--threshold",
    type=click.Choice(["info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Lowest severity that makes the exit code 2.",
)
@output_option("text", "json", "md", "html")
def command(
    *,
    spec: Path,
    environment: str,
    profiles: tuple[Path, ...],
    workloads: tuple[str, ...],
    brief: bool,
    threshold: str,
    outputs: tuple[Output, ...],
) -> int:
    """Advise how to share GPUs: whole, MIG slices, MPS or time-slicing.

    For every Workload of SPEC and every node pool it may run in: what each way of sharing does per GPU, which rule
    refuses it, what is not known and how to measure it, and which change of one fact would change the advice.
    docs/advise.md lists the rules.
    """
    from tenantry.app.advise import advise_spec
    from tenantry.cli.render.advice import RENDERERS
    from tenantry.model.finding import Severity

    with step("weighing"):
        report = advise_spec(spec, environment, profiles=profiles, workloads=workloads)
    emit(outputs, lambda form: RENDERERS[form](report, brief))
    return ExitCode.FINDINGS if report.at_least(Severity[threshold.upper()]) else ExitCode.CLEAN
