"""``tenantry probe``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from tenantry.cli.options import PlaceType, environment_option, spec_argument
from tenantry.errors import ExitCode

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti|M|G|T)")


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers joined by commas."""

    name = "numbers"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Split the text and check each number."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if any(re.fullmatch(r"[0-9]{1,6}", part) is None or int(part) < self.least for part in parts):
            self.fail(f"expected whole numbers from {self.least} on, joined by commas; found {value!r}", param, ctx)
        return tuple(dict.fromkeys(map(int, parts)))


def _matching(pattern: re.Pattern[str], expected: str) -> Any:
    def check(ctx: click.Context, param: click.Parameter, value: str) -> str:
        if value and pattern.fullmatch(value) is None:
            raise click.BadParameter(f"expected {expected}; found {value!r}", ctx=ctx, param=param)
        return value

    return check


@click.group("probe")
def command() -> None:
    """Measure how fast work runs on a GPU, alone and beside copies, and write a profile table."""


@command.command(
    "run", context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> int:
    """Measure on this machine; run --help lists the options."""
    from tenantry.app.probe import run_here

    try:
        return run_here(arguments)
    except SystemExit as stop:  # argparse has said why
        return ExitCode.BAD_INPUT if stop.code else ExitCode.CLEAN


@command.command("render")
@spec_argument
@environment_option
@click.option("--pool", required=True, metavar="NAME", help="Node pool to measure.")
@click.option("--image", required=True, metavar="IMAGE", help="Image with Python and PyTorch or CuPy.")
@click.option("--tenant", default="", metavar="NAME", help="Tenant in whose namespace and queue the Jobs run.")
@click.option(
    "--namespace", default="", metavar="NAME", callback=_matching(_LABEL, "a name of a namespace"),
    help="Namespace of the Jobs; the tenant's first otherwise.",
)  # fmt: skip
@click.option("--workload", default="matmul", show_default=True, metavar="WORK",
    help="matmul, copy or small; or module:function; or '$ COMMAND'.")  # fmt: skip
@click.option("--name", default="", metavar="NAME", help="Name of the workload in the table.")
@click.option("--module", type=PlaceType(), metavar="FILE", help="Python file with the function of --workload.")
@click.option("--batch", type=Numbers(1), default="1", show_default=True, metavar="N[,N...]", help="Items per batch.")
@click.option("--processes", type=Numbers(1), default="1", show_default=True, metavar="N[,N...]",
    help="Processes that are measured together.")  # fmt: skip
@click.option("--neighbours", type=Numbers(0), metavar="N[,N...]",
    help="Copies beside them; none, one and as many as the pool's sharing allows otherwise.")  # fmt: skip
@click.option("--seconds", type=click.IntRange(1, 3600), default=20, show_default=True, metavar="N",
    help="How long each setting is measured.")  # fmt: skip
@click.option("--pod-memory", default="16Gi", show_default=True, metavar="QUANTITY",
    callback=_matching(_QUANTITY, "an amount of memory such as 512Mi or 4Gi"), help="Memory of a pod.")  # fmt: skip
def render(
    *, spec: Path, batch: tuple[int, ...], pod_memory: str, neighbours: tuple[int, ...] | None, **options: Any
) -> int:
    """Print the Jobs that measure a workload on a node pool, one for each kind of GPU or slice its nodes offer.

    Apply them, wait, and collect the tables: kubectl logs job/NAME > NAME.csv. docs/probe.md describes what is
    measured.
    """
    from tenantry.app.probe import ProbeQuestion, probe_manifests

    question = ProbeQuestion(spec=spec, batches=batch, memory=pod_memory, neighbours=neighbours or (), **options)
    click.echo(probe_manifests(question), nl=False)
    return ExitCode.CLEAN
