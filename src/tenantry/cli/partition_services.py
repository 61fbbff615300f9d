"""``tenantry partition`` for services with rates: its options, and what it does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from tenantry.cli.options import PlaceType, emit
from tenantry.cli.progress import step
from tenantry.errors import ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenantry.cli.options import Output

F = TypeVar("F", bound="Callable[..., Any]")

OWN = ("profiles", "latency_part", "processes", "slices")
"""Options that are about services alone."""

ABOUT_SLICES = (
    "present", "pinned", "per_node", "exclusive", "keep_nodes", "spares", "gpu_cost", "node_cost", "greedy", "patch",
    "mig_config",
)  # fmt: skip
"""Options that say nothing about services."""

_OPTIONS = (
    click.option("--profiles", type=PlaceType(), metavar="PATH",
        help="With services: how fast each workload runs on a slice; docs/profiles.md lists the formats."),
    click.option("--latency-part", type=click.FloatRange(0.01, 1.0), metavar="PART",
        help="With services: a batch takes less than this part of the latency goal. [default: 0.45]"),
    click.option("--processes", type=click.IntRange(1, 48), metavar="N",
        help="With services: most processes side by side on one slice. [default: 5]"),
    click.option("--slices", type=PlaceType(), metavar="FILE",
        help="With services: write the slices as a demand file, which lays them out on nodes."),
)  # fmt: skip


def service_options(function: F) -> F:
    """Add the options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def asks_for_services(demand: Path | None, options: Mapping[str, Any]) -> bool:
    """Whether services are to be planned.

    Raises:
        UsageError: if options about services come without any.
    """
    from tenantry.io.service_demand import names_services

    if demand is not None and names_services(demand):
        return True
    given = [f"--{name.replace('_', '-')}" for name in OWN if options[name] is not None]
    if given:
        raise click.UsageError(f"{given[0]} is about services; --demand names no file with services")
    return False


def plan_services(
    spec: Path, environment: str, demand: Path, options: Mapping[str, Any], outputs: Sequence[Output]
) -> int:
    """Plan services and write the outputs.

    Args:
        spec: the spec.
        environment: overlay of the spec.
        demand: file with services.
        options: those of :data:`OWN`, and ``pools`` and ``time_limit``.
        outputs: what is written where.

    Returns:
        2 when the pool has too few GPUs, else 0.
    """
    from tenantry.app.rates import plan_rates, slices_wanted
    from tenantry.cli.render.rates import RENDERERS
    from tenantry.model.rate_plan import LATENCY_PART, MOST_PROCESSES, RateRules

    given = [f"--{name.replace('_', '-')}" for name in ABOUT_SLICES if options.get(name)]
    if given:
        raise click.UsageError(f"{given[0]} is about slices; write those of the services with --slices, then plan them")
    if len(options["pools"]) > 1:
        raise click.UsageError("services are planned on one node pool; give --pool once")
    rules = RateRules(
        latency_part=options["latency_part"] or LATENCY_PART, processes=options["processes"] or MOST_PROCESSES
    )
    with step("planning services"):
        report = plan_rates(
            spec,
            demand,
            environment=environment,
            profiles=options["profiles"],
            pool="".join(options["pools"]),
            rules=rules,
            seconds=options["time_limit"],
        )
    if options["slices"] is not None:
        _write(options["slices"], slices_wanted(report))
    emit(outputs, lambda form: RENDERERS[form](report))
    return ExitCode.CLEAN if report.suffices else ExitCode.FINDINGS


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}") from error
