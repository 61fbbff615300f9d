"""``tenantry pack``."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.options import Output, PlaceType, emit, output_option
from tenantry.cli.progress import counted
from tenantry.errors import ExitCode
from tenantry.fair.packing.policies import NAMES, Ties


@click.command("pack")
@click.argument("nodes", type=PlaceType(), metavar="NODES")
@click.argument("pods", type=PlaceType(), metavar="PODS")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Choice(NAMES, case_sensitive=False),
    help="Placement policy; may be repeated. All of them otherwise.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, metavar="N", help="Runs of each kind."
)
@click.option(
    "--first-seed",
    type=click.IntRange(0, 2**31 - 1),
    default=42,
    show_default=True,
    metavar="N",
    help="Seed of the first run; the published runs are 42 to 51.",
)
@click.option(
    "--load",
    type=click.IntRange(1, 1000),
    default=130,
    show_default=True,
    metavar="PERCENT",
    help="GPUs all pods ask for, of all GPUs; pods of the list arrive again until it is reached.",
)
@click.option(
    "--ties",
    type=click.Choice([*(rule.value for rule in Ties), "all"]),
    default=Ties.FIXED.value,
    show_default=True,
    help="Which of several equal nodes takes a pod: the first in one random order, the first by name, or one drawn "
    "each time; or all three rules, compared.",
)
@click.option(
    "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes at most; one on each core otherwise."
)
@output_option("text", "json", "md", "csv")
def command(
    *,
    nodes: Path,
    pods: Path,
    policies: tuple[str, ...],
    seeds: int,
    first_seed: int,
    load: int,
    ties: str,
    workers: int | None,
    outputs: tuple[Output, ...],
) -> int:
    """Fill a cluster with pods and see what is given out and what is stranded.

    NODES has the columns sn, cpu_milli, memory_mib, gpu and model; PODS has name, cpu_milli, memory_mib, num_gpu,
    gpu_milli and may have gpu_spec, models joined by |. Pods arrive in a random order and none leaves. docs/packing.md
    says what is modelled.
    """
    from tenantry.app.pack import pack_lists
    from tenantry.cli.render.packing import RENDERERS

    with counted("filling the cluster") as done:
        report = pack_lists(
            nodes,
            pods,
            policies=policies or NAMES,
            seeds=seeds,
            first_seed=first_seed,
            load=load,
            ties=tuple(Ties) if ties == "all" else (Ties(ties),),
            workers=workers or 0,
            done=done,
        )
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.CLEAN
