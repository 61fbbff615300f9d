"""Options of commands that ask about a cluster: a snapshot of a real one, or a moment of a simulated one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from tenantry.cli.options import PlaceType
from tenantry.cli.simulation_options import (
    DurationType,
    Grouped,
    behaviour,
    job_options,
    job_source,
    moment_behaviour_options,
)
from tenantry.fair.kai.rules import DEFAULTS, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.app.cluster_view import ClusterView

F = TypeVar("F", bound="Callable[..., Any]")
LATEST = 1000 * 86_400
"""Last second of a trace that may be looked at; later ones would be taken for dates."""

_SNAPSHOT = "A snapshot"
_SIMULATION = "A moment of a simulation"
_MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"])
_LENGTH = DurationType()
_EITHER = (
    "say which cluster is meant: a snapshot of one with --snapshot PATH, or a moment of a simulated one with "
    "--spec SPEC and --at TIME"
)

_OPTIONS = (
    click.option(
        "--at",
        default="",
        metavar="TIME",
        help="Moment that is looked at. Of a snapshot in UTC, YYYY-MM-DDTHH:MM:SS, by default the newest in it; of a "
        "simulation the time since the first submission, such as 3h20m.",
    ),
    click.option(
        "--as-tenant",
        "tenant",
        default="",
        metavar="NAME",
        help="Show what this tenant may see: names of other tenants become neutral, numbers stay.",
    ),
    click.option(
        "--snapshot", "paths", multiple=True, type=click.Path(path_type=Path), metavar="PATH", cls=Grouped,
        heading=_SNAPSHOT,
        help="Manifests as kubectl prints them, or the zip a KAI scheduler serves at /get-snapshot; may be repeated.",
    ),
    click.option(
        "--pool-label", default="", metavar="KEY", cls=Grouped, heading=_SNAPSHOT,
        help="Label of node pools; as the cluster says by default.",
    ),
    click.option(
        "--scheduler-version", "version", type=click.Choice(tuple(VERSIONS)), default=DEFAULTS.version,
        show_default=True, cls=Grouped, heading=_SNAPSHOT,
        help="Version of the KAI scheduler: 0.17.0 as released, others with what was mended since.",
    ),
    click.option(
        "--spec", type=PlaceType(), metavar="SPEC", cls=Grouped, heading=_SIMULATION,
        help="Spec whose platform is simulated until --at, as `simulate` does it.",
    ),
    click.option(
        "-e", "--environment", default="", metavar="NAME", cls=Grouped, heading=_SIMULATION,
        help="Overlay to apply: a folder below SPEC/environments.",
    ),
    click.option(
        "--scenario", "scenarios", multiple=True, type=PlaceType(), metavar="FILE", cls=Grouped, heading=_SIMULATION,
        help="Documents laid over the spec; one file.",
    ),
    job_options,
    moment_behaviour_options,
)  # fmt: skip


def cluster_options(function: F) -> F:
    """Add the options that say which cluster is meant and who asks."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def cluster_of(options: dict[str, Any], pool: str = "") -> Callable[[], ClusterView]:
    """Return what gives the cluster that the options name.

    Args:
        options: values of the options of a command; those of :func:`cluster_options` are taken out, but for the tenant.
        pool: the only node pool that is looked at; empty for all.

    Raises:
        click.UsageError: if none or several clusters are named, or an option does not go with the one that is.
    """
    context = click.get_current_context()
    paths, spec, at = options.pop("paths"), options.pop("spec"), options.pop("at")
    if not paths and spec is None:
        raise click.UsageError(_EITHER, context)
    if paths and spec is not None:
        raise click.UsageError(f"--snapshot and --spec exclude each other; {_EITHER}", context)
    _require_fitting(context, simulated=spec is not None)
    return _simulated(options, spec, at, pool) if spec is not None else _snapshot(options, paths, at)


def _require_fitting(context: click.Context, *, simulated: bool) -> None:
    """Refuse options that say something about the other kind of cluster."""
    this, other = ("--spec", "--snapshot") if simulated else ("--snapshot", "--spec")
    for param in context.command.params:
        if not isinstance(param, Grouped) or (param.heading == _SNAPSHOT) is not simulated or param.name is None:
            continue
        if context.get_parameter_source(param.name) not in {ParameterSource.DEFAULT, None}:
            raise click.UsageError(f"{max(param.opts, key=len)} goes with {other}, not with {this}", context)


def _snapshot(options: dict[str, Any], paths: tuple[Path, ...], at: str) -> Callable[[], ClusterView]:
    from tenantry.app.cluster_view import snapshot_view
    from tenantry.cli.progress import step

    label, version = options.pop("pool_label"), options.pop("version")
    second = _utc(at) if at else None

    def read() -> ClusterView:
        with step("reading the snapshot"):
            return snapshot_view(paths, pool_label=label, at_time=second, version=version)

    return read


def _utc(text: str) -> int:
    try:
        moment: datetime = _MOMENT.convert(text, None, None)
    except click.BadParameter as error:
        raise click.BadParameter(
            f"{text!r} is no moment of a snapshot; expected one in UTC such as 2026-03-10T11:31:00Z",
            param_hint="'--at'",
        ) from error
    return int(moment.replace(tzinfo=UTC).timestamp())


def _simulated(options: dict[str, Any], spec: Path, at: str, pool: str) -> Callable[[], ClusterView]:
    from tenantry.app.simulate import Question
    from tenantry.app.simulated_view import simulated_view
    from tenantry.cli.progress import stages

    scenarios = options.pop("scenarios")
    if len(scenarios) > 1:
        raise click.UsageError("give at most one --scenario: a moment is one of the spec, or of one scenario of it")
    source = job_source(options)
    jobs, tuning = behaviour(options)
    second = _length(at)
    question = Question(
        spec=spec,
        source=source,
        environment=options.pop("environment"),
        scenarios=scenarios,
        tenants=options.pop("tenants"),
        pool=pool,
        behaviour=jobs,
        tuning=tuning,
    )

    def replay() -> ClusterView:
        with stages() as tell:
            return simulated_view(question, second, tell)

    return replay


def _length(text: str) -> int:
    if not text:
        raise click.UsageError("say with --at which moment of the simulation is meant, such as --at 3h20m")
    try:
        second = _LENGTH.convert(text, None, None)
    except click.BadParameter as error:
        raise click.BadParameter(
            f"{text!r} is no moment of a simulation; expected the time since the first submission such as 3h20m or "
            "1d6h",
            param_hint="'--at'",
        ) from error
    if second > LATEST:
        raise click.BadParameter(f"{text!r} is too late; expected at most {LATEST // 86_400}d", param_hint="'--at'")
    return second
