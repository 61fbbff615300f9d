"""``tenantry fairshare``."""

from __future__ import annotations

from typing import Any

import click

from tenantry.cli.cluster_options import cluster_of, cluster_options
from tenantry.cli.options import Output, emit, output_option
from tenantry.cli.simulation_options import GroupedCommand
from tenantry.errors import ExitCode


@click.command("fairshare", cls=GroupedCommand)
@click.option("--pool", "pools", multiple=True, metavar="NAME", help="Look at this node pool only; may be repeated.")
@click.option(
    "--resource",
    "resources",
    multiple=True,
    type=click.Choice(["gpu", "cpu", "memory"]),
    default=("gpu",),
    show_default=True,
    help="What to show as text; may be repeated. JSON holds all of it.",
)
@cluster_options
@output_option("text", "json")
def command(
    *,
    tenant: str,
    pools: tuple[str, ...],
    resources: tuple[str, ...],
    outputs: tuple[Output, ...],
    **options: Any,
) -> int:
    """Show who is due which share of a cluster, and who holds it.

    Per queue and node pool: what it is guaranteed and limited to, what it is due, holds and asks for, what it borrows
    and lends, and what it is missing. Exit code 2 means that a queue which takes jobs has less than it is due while its
    jobs wait.
    """
    from tenantry.app.fairshare import share_out_cluster
    from tenantry.cli.render.fairshare import RENDERERS
    from tenantry.cli.render.snapshot_notes import print_notes

    if options["spec"] is not None and len(pools) > 1:
        raise click.UsageError("give at most one --pool with --spec: no other is replayed then")
    read = cluster_of(options, pools[0] if pools else "")
    report = share_out_cluster(read, pools, tenant=tenant)
    print_notes(report.findings, [*report.notes, *(note for pool in report.pools for note in pool.notes)])
    emit(outputs, lambda form: RENDERERS[form](report, resources))
    return ExitCode.FINDINGS if report.starving else ExitCode.CLEAN
