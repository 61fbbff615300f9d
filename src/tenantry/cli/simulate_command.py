"""``tenantry simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option, spec_argument
from tenantry.cli.progress import stages, step
from tenantry.cli.simulation_options import (
    POLICIES,
    GroupedCommand,
    behaviour,
    behaviour_options,
    job_options,
    job_source,
)
from tenantry.errors import ExitCode


@click.command("simulate", cls=GroupedCommand)
@spec_argument
@environment_option
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=PlaceType(),
    metavar="FILE",
    help="Documents laid over the spec; results are shown beside those of the spec as it is. May be repeated.",
)
@click.option("--pool", default="", metavar="NAME", help="Replay this node pool only.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Choice(POLICIES),
    help="Way to run the work; may be repeated. All three otherwise, or with --scenario the one that is deployed.",
)
@click.option(
    "--orders",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="N",
    help="Replay as often again with another order of what the scheduler leaves open, and say what hangs on it.",
)
@click.option("--literal", is_flag=True, help="Replay as the scheduler goes about it even where a faster way is exact.")
@click.option(
    "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes at most; one on each core otherwise."
)
@job_options
@behaviour_options
@click.option("--as-tenant", default="", metavar="NAME", help="Show what this tenant may see: names of others hidden.")
@click.option("--events", type=PlaceType(), metavar="FILE", help="Write all that happened; .csv or .parquet.")
@click.option("--jobs", type=PlaceType(), metavar="FILE", help="Write what became of every job; .csv or .parquet.")
@click.option(
    "--threshold",
    type=click.Choice(["info", "warning", "error"]),
    default="error",
    show_default=True,
    help="Lowest severity of a finding that makes the exit code 2.",
)
@output_option("text", "json", "md", "html")
def command(
    *,
    spec: Path,
    environment: str,
    scenarios: tuple[Path, ...],
    pool: str,
    policies: tuple[str, ...],
    orders: int,
    literal: bool,
    workers: int | None,
    tenants: Path | None,
    as_tenant: str,
    events: Path | None,
    jobs: Path | None,
    threshold: str,
    outputs: tuple[Output, ...],
    **options: Any,
) -> int:
    """Replay jobs on the platform of a spec: who runs, who waits, who is evicted.

    Submissions, run times and sizes come from a trace or are made up; the scheduler is modelled rule by rule, each node
    pool by itself. Every replay is compared with one in which each tenant has its part of the GPUs for itself.
    docs/simulate.md says what is modelled and how to read the results.
    """
    from tenantry.app.simulate import Question, simulate
    from tenantry.app.simulation_report import report_of, table_writer, write_events, write_jobs
    from tenantry.cli.render.simulation import RENDERERS
    from tenantry.model.finding import Severity

    source = job_source(options)
    jobs_behave, tuning = behaviour(options)
    for file in (events, jobs):
        if file is not None:
            table_writer(file)
    question = Question(
        spec=spec,
        source=source,
        environment=environment,
        scenarios=scenarios,
        tenants=tenants,
        pool=pool,
        policies=policies,
        behaviour=jobs_behave,
        tuning=tuning,
        order_seeds=range(1, orders + 1),
        workers=workers or 0,
        literal=literal,
    )
    with stages() as tell:
        simulation = simulate(question, tell)
    report = report_of(simulation, as_tenant)
    with step("writing"):
        if events is not None:
            write_events(simulation, events, as_tenant)
        if jobs is not None:
            write_jobs(simulation, jobs, as_tenant)
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.FINDINGS if simulation.at_least(Severity[threshold.upper()]) else ExitCode.CLEAN
