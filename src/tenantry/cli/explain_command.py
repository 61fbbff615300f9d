"""``tenantry explain``."""

from __future__ import annotations

from typing import Any

import click

from tenantry.cli.cluster_options import cluster_of, cluster_options
from tenantry.cli.options import Output, emit, output_option
from tenantry.cli.simulation_options import GroupedCommand
from tenantry.errors import ExitCode


@click.command("explain", cls=GroupedCommand)
@click.argument("job", metavar="JOB")
@click.option(
    "--pool",
    default="",
    metavar="NAME",
    help="Node pool of the job; found by itself where one job fits. Of a simulation no other is replayed.",
)
@click.option("--check-order", is_flag=True, help="Say what depends on an order that the scheduler leaves open.")
@click.option(
    "--trials",
    type=click.IntRange(min=0),
    default=None,
    metavar="N",
    help="Changes that are tried at most; as many as the size of the cluster allows by default.",
)
@cluster_options
@output_option("text", "json")
def command(
    *,
    job: str,
    tenant: str,
    pool: str,
    check_order: bool,
    trials: int | None,
    outputs: tuple[Output, ...],
    **options: Any,
) -> int:
    """Say why a job waits or runs, and what would change it.

    JOB is a pod group, the object it was made for (such as a PyTorchJob) or one of its pods, with or without
    NAMESPACE/. Of a simulation it is a job of the trace, with or without TENANT/. One cycle of the scheduler is run on
    the cluster as it is then; then changes are tried, each by a cycle of its own. Exit code 2 means that the job waits,
    loses its place, or is not modelled.
    """
    from tenantry.app.explain import Question, explain_job
    from tenantry.cli.progress import step
    from tenantry.cli.render.explain import RENDERERS
    from tenantry.cli.render.snapshot_notes import print_notes

    question = Question(job, pool, tenant, check_order, trials)
    read = cluster_of(options, pool)
    view = read()
    with step("trying what would help"):
        report = explain_job(lambda: view, question)
    print_notes(report.findings, report.notes)
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.CLEAN if report.settled else ExitCode.FINDINGS
