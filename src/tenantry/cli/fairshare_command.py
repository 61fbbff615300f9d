"""``tenantry fairshare``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from tenantry.cli.cluster_options import cluster_of, cluster_options
from tenantry.cli.options import Output, emit, output_option
from tenantry.errors import ExitCode


@click.command("fairshare")
@cluster_options
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
@output_option("text", "json")
def command(
    *,
    paths: tuple[Path, ...],
    pool_label: str,
    moment: datetime | None,
    version: str,
    tenant: str,
    pools: tuple[str, ...],
    resources: tuple[str, ...],
    outputs: tuple[Output, ...],
) -> int:
    """Show who is due which share of a cluster, and who holds it.

    Per queue and node pool: what it is guaranteed and limited to, what it is due, holds and asks for, what it borrows
    and lends, and what it is missing. Exit code 2 means that a queue which takes jobs has less than it is due while its
    jobs wait.
    """
    from tenantry.app.fairshare import share_out_cluster
    from tenantry.cli.render.fairshare import RENDERERS
    from tenantry.cli.render.snapshot_notes import print_notes

    read = cluster_of(paths, pool_label=pool_label, moment=moment, version=version)
    report = share_out_cluster(read, pools, tenant=tenant)
    print_notes(report.findings, [note for pool in report.pools for note in pool.notes])
    emit(outputs, lambda form: RENDERERS[form](report, resources))
    return ExitCode.FINDINGS if report.starving else ExitCode.CLEAN
