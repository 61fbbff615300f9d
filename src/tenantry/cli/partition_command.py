"""``tenantry partition``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option, spec_argument
from tenantry.cli.partition_services import asks_for_services, plan_services, service_options
from tenantry.cli.progress import counted
from tenantry.errors import ExitCode, InputError

SEVERITIES = ("info", "warning", "error")


class ListingType(click.ParamType[tuple[str, Path]]):
    """A node and the file with what ``nvidia-smi mig -lgi`` printed there: ``NODE=FILE``."""

    name = "listing"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        node, sign, file = str(value).partition("=")
        if not (node and sign and file):
            self.fail(f"{value!r} is no listing; expected NODE=FILE", param, ctx)
        return node, Path(file)


@click.command("partition")
@spec_argument
@environment_option
@click.option(
    "--demand", type=PlaceType(), metavar="FILE", help="Wanted slices and present state, or services; else quotas."
)
@click.option(
    "--present", type=ListingType(), multiple=True, metavar="NODE=FILE",
    help="What nvidia-smi mig -lgi printed on a node; may be repeated.",
)  # fmt: skip
@click.option("--pinned", is_flag=True, help="Every instance of --present stays exactly where it is.")
@click.option("--pool", "pools", multiple=True, metavar="NAME", help="Plan this node pool only; may be repeated.")
@click.option("--per-node", is_flag=True, help="Nodes of a pool may get different layouts; alike otherwise.")
@click.option("--exclusive", is_flag=True, help="The slices of a GPU belong to one tenant.")
@click.option("--keep-nodes", is_flag=True, help="Leave nodes with instances that stay alone: they cannot be drained.")
@click.option(
    "--spares", type=click.IntRange(0, 10_000), default=0, show_default=True, metavar="N",
    help="Serve what is guaranteed with any N nodes of the pool lost.",
)  # fmt: skip
@click.option("--gpu-cost", type=click.IntRange(0, 1_000_000), metavar="N", help="Cost of a changed GPU. [default: 1]")
@click.option(
    "--node-cost", type=click.IntRange(0, 1_000_000), metavar="N", help="Cost of a drained node. [default: 8]"
)
@click.option(
    "--time-limit", type=click.FloatRange(0.1, 86_400), default=60.0, show_default=True, metavar="SECONDS",
    help="Wall-clock time; the best plan found by then is returned with its gap.",
)  # fmt: skip
@click.option("--greedy", is_flag=True, help="Ask no solver: the greedy plan, without a proof.")
@click.option("--patch", type=PlaceType(), metavar="FILE", help="Write the plan as a document that lies over the spec.")
@click.option("--mig-config", type=PlaceType(), metavar="FILE", help="Write the plan as a MIG configuration.")
@click.option(
    "--threshold", type=click.Choice(SEVERITIES), default="error", show_default=True,
    help="Findings of this severity and above make the exit code 2.",
)  # fmt: skip
@service_options
@output_option("text", "json", "md", "html")
def command(
    *,
    spec: Path,
    environment: str,
    patch: Path | None,
    mig_config: Path | None,
    threshold: str,
    outputs: tuple[Output, ...],
    **options: Any,
) -> int:
    """Plan the MIG layout of every GPU of the node pools that are partitioned.

    Serves what is guaranteed to tenants first, whatever changes it takes; what lies between guarantee and limit is
    weighed against the nodes to drain and the GPUs to reset. docs/partition.md says what is optimised and describes the
    file of --demand. A file that names services with rates and latency goals is answered with the slices they need and
    the fewest GPUs that have them; docs/rates.md describes it.
    """
    demand = options["demand"]
    if asks_for_services(demand, options):
        given = {**options, "patch": patch, "mig_config": mig_config}
        return plan_services(spec, environment, demand, given, outputs)
    from tenantry.app.partition import partition
    from tenantry.app.partition_output import mig_configuration, patch_problems, spec_patch
    from tenantry.cli.render.partition import RENDERERS
    from tenantry.model.finding import Severity

    with counted("planning partitions") as done:
        report = partition(_question(spec, environment, options), done=done)
    if patch is not None:
        _write(patch, spec_patch(report))
        for problem in patch_problems(spec, environment, patch):
            click.echo(f"note: with {patch} laid over it, {problem.location}: {problem.message}", err=True)
    if mig_config is not None:
        _write(mig_config, mig_configuration(report))
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.FINDINGS if report.at_least(Severity[threshold.upper()]) else ExitCode.CLEAN


def _question(spec: Path, environment: str, options: dict[str, Any]) -> Any:
    from tenantry.app.partition import PartitionQuestion
    from tenantry.model.partition import PartitionRules

    if options["pinned"] and not options["present"]:
        raise click.UsageError("--pinned is about the instances of --present; the demand file pins its own")
    return PartitionQuestion(
        spec=spec,
        environment=environment,
        demand=options["demand"],
        present=options["present"],
        pinned=options["pinned"],
        pools=options["pools"],
        rules=PartitionRules(
            uniform=not options["per_node"],
            exclusive=options["exclusive"],
            spares=options["spares"],
            frozen=options["keep_nodes"],
        ),
        costs=(options["gpu_cost"], options["node_cost"]),
        seconds=options["time_limit"],
        greedy=options["greedy"],
    )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}") from error
