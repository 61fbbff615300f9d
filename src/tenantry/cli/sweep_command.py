"""``tenantry sweep``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option
from tenantry.cli.progress import stages, step
from tenantry.cli.simulation_options import (
    Grouped,
    GroupedCommand,
    behaviour,
    behaviour_options,
    job_options,
    job_source,
)
from tenantry.errors import ExitCode

SEED = 1
"""Seed of made-up load where neither the command nor the sweep names one."""

_CLUSTER = "On a cluster"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_QUANTITY = re.compile(r"[1-9][0-9]{0,8}(Mi|Gi|Ti)", re.ASCII)


class ShardType(click.ParamType[tuple[int, int]]):
    """A part of the runs: ``0/4`` is the first of four."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value), re.ASCII)
        if match is None or int(match[1]) >= int(match[2]):
            self.fail(f"{value!r} is no part; expected one such as 0/4, the first of four", param, ctx)
        return int(match[1]), int(match[2])


def _matching(pattern: re.Pattern[str], expected: str) -> Any:
    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value and not pattern.fullmatch(value):
            raise click.BadParameter(f"{value!r} is not {expected}", ctx, param)
        return value

    return check


@click.command("sweep", cls=GroupedCommand)
@click.argument("spec", type=PlaceType(), metavar="SPEC")
@click.argument("sweep", type=PlaceType(), metavar="SWEEP")
@environment_option
@click.option("--out", type=PlaceType(), metavar="DIR", help="Folder of the runs; a sweep in it is gone on with.")
@click.option("--shard", type=ShardType(), metavar="I/N", help="Do the I-th of N parts only, from 0, and do not merge.")
@click.option("--merge", is_flag=True, help="Only merge the runs that are in the folder.")
@click.option("--parquet", type=PlaceType(), metavar="FILE", help="Write all merged runs as a Parquet file too.")
@click.option(
    "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes at most; one on each core otherwise."
)
@job_options
@behaviour_options
@click.option(
    "--kubernetes", is_flag=True, cls=Grouped, heading=_CLUSTER,
    help="Run nothing; print the manifests of an Indexed Job that does the runs on a cluster.",
)  # fmt: skip
@click.option("--image", default="", metavar="IMAGE", cls=Grouped, heading=_CLUSTER, help="Image with Tenantry in it.")
@click.option(
    "--namespace", default="", metavar="NAME", cls=Grouped, heading=_CLUSTER,
    callback=_matching(_LABEL, "a name of a namespace: lower-case letters, digits and -"),
    help="Namespace of the Job; it exists.",
)  # fmt: skip
@click.option(
    "--claim", default="", metavar="NAME", cls=Grouped, heading=_CLUSTER,
    callback=_matching(_LABEL, "a name of a claim: lower-case letters, digits and -"),
    help="PersistentVolumeClaim that all pods write to (ReadWriteMany); it exists.",
)  # fmt: skip
@click.option(
    "--pods", type=click.IntRange(1, 10_000), default=8, show_default=True, metavar="N", cls=Grouped, heading=_CLUSTER,
    help="Pods at most.",
)  # fmt: skip
@click.option(
    "--pod-cpus", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N", cls=Grouped,
    heading=_CLUSTER, help="CPUs of a pod; it runs as many processes.",
)  # fmt: skip
@click.option(
    "--pod-memory", default="2Gi", show_default=True, metavar="QUANTITY", cls=Grouped, heading=_CLUSTER,
    callback=_matching(_QUANTITY, "an amount of memory such as 512Mi or 4Gi"),
    help="Memory of a pod.",
)  # fmt: skip
@click.option(
    "--trace-in-claim", default="", metavar="PATH", cls=Grouped, heading=_CLUSTER,
    help="Where in the claim the trace lies, if it is too large for a ConfigMap.",
)  # fmt: skip
@output_option("text", "json", "md")
def command(
    *,
    spec: Path,
    sweep: Path,
    environment: str,
    out: Path | None,
    shard: tuple[int, int] | None,
    merge: bool,
    parquet: Path | None,
    workers: int | None,
    tenants: Path | None,
    kubernetes: bool,
    outputs: tuple[Output, ...],
    **options: Any,
) -> int:
    """Simulate every combination of what SWEEP varies: scenarios, values of the spec, loads, seeds, policies.

    Every finished run is a file below --out, so a sweep that was interrupted goes on where it stopped, and parts of it
    can run on several machines that share the folder. docs/sweep.md describes the file SWEEP.
    """
    from tenantry.app.sweep import SweepQuestion
    from tenantry.app.sweep import merge as merge_runs
    from tenantry.cli.render.sweep import RENDERERS

    place = {
        name: options.pop(name)
        for name in ("image", "namespace", "claim", "pods", "pod_cpus", "pod_memory", "trace_in_claim")
    }
    source = job_source(options, seed=SEED)
    jobs, tuning = behaviour(options)
    question = SweepQuestion(
        spec=spec, sweep=sweep, source=source, environment=environment, tenants=tenants, behaviour=jobs, tuning=tuning
    )
    if kubernetes:
        click.echo(_manifests(question, place), nl=False)
        return ExitCode.CLEAN
    if out is None:
        raise click.UsageError("say with --out where the runs go")
    if parquet is not None and shard is not None:
        raise click.UsageError("a part of the runs is not merged; give --parquet with --merge")
    outcome = merge_runs(out) if merge else _done(question, out, shard, workers)
    if parquet is not None and outcome.results is not None:
        from tenantry.io.sweep_store import write_parquet

        with step("writing"):
            write_parquet(outcome.results, parquet)
    emit(outputs, lambda form: RENDERERS[form](outcome))
    return ExitCode.CLEAN


def _done(question: Any, out: Path, shard: tuple[int, int] | None, workers: int | None) -> Any:
    from tenantry.app.sweep import WHOLE, Shard
    from tenantry.app.sweep import sweep as run_sweep

    part = WHOLE if shard is None else Shard(*shard)
    with stages() as tell:
        return run_sweep(
            question, out, shard=part, workers=workers or 0, told=lambda done, total: tell("simulating", done, total)
        )


def _manifests(question: Any, place: dict[str, Any]) -> str:
    from tenantry.app.sweep_cluster import Place, cluster_manifests

    missing = [f"--{name}" for name in ("image", "namespace", "claim") if not place[name]]
    if missing:
        raise click.UsageError(f"--kubernetes needs {', '.join(missing)}")
    return cluster_manifests(
        question,
        Place(
            namespace=place["namespace"],
            image=place["image"],
            claim=place["claim"],
            pods=place["pods"],
            cpu=place["pod_cpus"],
            memory=place["pod_memory"],
            trace=place["trace_in_claim"].strip("/"),
        ),
    )
