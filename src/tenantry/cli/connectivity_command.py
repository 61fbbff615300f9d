"""``tenantry connectivity``."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.options import Output, emit, output_option
from tenantry.cli.progress import step
from tenantry.errors import ExitCode


@click.command("connectivity")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option(
    "--focus",
    "--focus-workload",
    "workloads",
    multiple=True,
    metavar="WORKLOAD",
    help="Only connections with this workload, by name or namespace/name; may be repeated or a list with commas.",
)
@click.option(
    "--focus-peer",
    "peers",
    multiple=True,
    metavar="WORKLOAD",
    help="With --focus: only connections with this one at the other end; may be repeated or a list with commas.",
)
@click.option(
    "--focus-direction",
    "direction",
    type=click.Choice(["ingress", "egress"]),
    default=None,
    help="With --focus: only connections to the workload, or only those from it.",
)
@click.option(
    "--focus-connection",
    "--focus-conn",
    "connection",
    default="",
    metavar="PROTOCOL-PORT",
    help="Only pairs between which this connection is allowed, such as tcp-80.",
)
@click.option(
    "--multiple-networks",
    "several_networks",
    is_flag=True,
    help="Look at user-defined networks, network attachment definitions and virtual machines too.",
)
@output_option("text", "json", "csv", "md")
def command(
    *,
    paths: tuple[Path, ...],
    workloads: tuple[str, ...],
    peers: tuple[str, ...],
    direction: str | None,
    connection: str,
    several_networks: bool,
    outputs: tuple[Output, ...],
) -> int:
    """List who may connect to whom.

    Reads workloads, network policies of every kind, services, Ingress and Route objects below DIR and lists every
    allowed connection between workloads, outside addresses and ingress controllers. The text output is that of
    netpol-analyzer, so that both can be compared.
    """
    from tenantry.app.connectivity import list_folder
    from tenantry.cli.render.connectivity import RENDERERS

    with step("reading network policies"):
        report = list_folder(
            paths,
            workloads=_names(workloads),
            peers=_names(peers),
            direction=direction or "",
            connection=connection,
            several_networks=several_networks,
        )
    for note in dict.fromkeys(report.listing.notes):
        click.echo(f"note: {note}", err=True)
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.CLEAN


def _names(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
