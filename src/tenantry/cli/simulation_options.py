"""Options that every simulation has: where jobs come from, and how they and the scheduler behave."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tenantry.cli.options import PlaceType

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tenantry.app.job_source import JobSource
    from tenantry.app.scheduling import Tuning
    from tenantry.fair.replay.setup import Behaviour

    F = TypeVar("F", bound="Callable[..., Any]")

PROFILES: Final = ("philly", "helios", "seren", "openb")
FORMATS: Final = ("openb", "philly", "philly-log", "helios", "acme", "pai", "slurm", "kubernetes", "csv")
POLICIES: Final = ("fair-share", "static-partition", "fifo")
NEVER: Final = "never"

_DAYS: Final = re.compile(r"(\d{1,6})d(.*)", re.ASCII)
_LONGEST: Final = 10 * 366 * 86_400


class DurationType(click.ParamType[int]):
    """A length of time such as ``30s``, ``1h30m`` or ``7d``, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        from tenantry.model.duration import parse_duration

        if isinstance(value, int):
            return value
        text = str(value)
        match = _DAYS.fullmatch(text)
        days, rest = (int(match[1]), match[2]) if match else (0, text)
        seconds = 0 if match and not rest else parse_duration(rest)
        if seconds is None or seconds < 0 or days * 86_400 + seconds > _LONGEST:
            self.fail(f"{text!r} is no length of time; expected one such as 30s, 1h30m or 7d", param, ctx)
        return days * 86_400 + seconds


class CheckpointType(DurationType):
    """Time between checkpoints, or ``never``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; -1 stands for never, since None is what click takes for no value."""
        return -1 if value == NEVER else super().convert(value, param, ctx)


class Grouped(click.Option):
    """An option under a heading of its own in the help.

    Attributes:
        heading: the heading.
    """

    def __init__(self, *args: Any, heading: str, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.heading = heading


class GroupedCommand(click.Command):
    """A command that lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options without a heading first, then group by group."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                groups.setdefault(param.heading if isinstance(param, Grouped) else "Options", []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _option(*names: str, heading: str, **fields: Any) -> Callable[[F], F]:
    return click.option(*names, cls=Grouped, heading=heading, **fields)


def _all(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_JOBS = "Jobs"
_BEHAVIOUR = "Behaviour of jobs and scheduler"

job_options: Callable[[Any], Any] = _all(
    (
        _option("--trace", type=PlaceType(), metavar="FILE", heading=_JOBS, help="Trace to replay: docs/traces.md."),
        _option(
            "--synthetic",
            type=click.IntRange(0, 2**31 - 1),
            metavar="SEED",
            heading=_JOBS,
            help="Make up load for the tenants of the spec instead; the same seed gives the same jobs.",
        ),
        _option(
            "--tenants", type=PlaceType(), metavar="FILE", heading=_JOBS,
            help="Which tenant of the spec a tenant of the trace is: a YAML map, or CSV with the header trace,tenant; "
            "'*' stands for the others. Without it, tenants are those of the spec by their names.",
        ),
        _option(
            "--format", "trace_format", type=click.Choice(FORMATS), heading=_JOBS,
            help="Format of the trace; recognised otherwise.",
        ),
        _option(
            "--tenant-field", default="", metavar="NAME", heading=_JOBS,
            help="Column of the trace that names the tenant; the format's own otherwise.",
        ),
        _option(
            "--load", type=click.FloatRange(0, 10, min_open=True), default=0.9, show_default=True, metavar="X",
            heading=_JOBS, help="Made-up GPU-time over the capacity of each node pool.",
        ),
        _option(
            "--days", type=click.FloatRange(0, 366, min_open=True), default=7.0, show_default=True, metavar="N",
            heading=_JOBS, help="Days in which made-up jobs are submitted.",
        ),
        _option(
            "--profile", type=click.Choice(PROFILES), default="philly", show_default=True, heading=_JOBS,
            help="Cluster whose durations and sizes made-up jobs have.",
        ),
    )
)  # fmt: skip

_OF_JOBS = (
    _option(
        "--checkpoint", type=CheckpointType(), default="1h", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="Work between two checkpoints, from the last of which an evicted job resumes; 0s loses nothing, "
        f"{NEVER} loses all.",
    ),
    _option(
        "--leaving", type=DurationType(), default="30s", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="How long evicted pods hold their GPUs.",
    ),
    _option(
        "--startup", type=DurationType(), default="0s", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="How long a job holds its GPUs before it works, at every start.",
    ),
)  # fmt: skip
_UNTIL = _option(
    "--until", type=DurationType(), metavar="TIME", heading=_BEHAVIOUR,
    help="End the replay then, whatever still runs or waits; else when all is done.",
)  # fmt: skip
_OF_SCHEDULER = (
    _option(
        "--period", type=DurationType(), default="1s", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="Time between two scheduling cycles.",
    ),
    _option(
        "--usage-window", type=DurationType(), default="0s", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="Past usage that counts for time-based fair share; 0s turns that off.",
    ),
    _option(
        "--half-life", type=DurationType(), default="0s", show_default=True, metavar="TIME", heading=_BEHAVIOUR,
        help="Age at which past usage counts half; 0s counts all in full.",
    ),
    _option(
        "--k-value", type=click.FloatRange(0, 1000), default=1.0, show_default=True, metavar="X",
        heading=_BEHAVIOUR, help="Weight of past usage, where a usage window is set.",
    ),
)  # fmt: skip

behaviour_options: Callable[[Any], Any] = _all((*_OF_JOBS, _UNTIL, *_OF_SCHEDULER))

moment_behaviour_options: Callable[[Any], Any] = _all((*_OF_JOBS, *_OF_SCHEDULER))
"""Those of :data:`behaviour_options` that mean something where a replay is only followed to a moment."""


def job_source(options: dict[str, Any], *, seed: int | None = None) -> JobSource:
    """Return where jobs come from.

    Args:
        options: values of the options of a command; those of :data:`job_options` are taken out.
        seed: seed of made-up load where neither a trace nor a seed is given; None where one of them is needed.

    Raises:
        click.UsageError: if it is not said, or said twice.
    """
    from tenantry.app.job_source import MadeUp, TraceFile

    trace: Path | None = options.pop("trace")
    synthetic: int | None = options.pop("synthetic")
    name, field = options.pop("trace_format"), options.pop("tenant_field")
    made_up = {key: options.pop(key) for key in ("load", "days", "profile")}
    if trace is not None and synthetic is not None:
        raise click.UsageError("--trace and --synthetic exclude each other")
    if trace is not None:
        return TraceFile(trace, name or "", field)
    if name or field:
        raise click.UsageError("--format and --tenant-field describe a trace; give one with --trace")
    chosen = seed if synthetic is None else synthetic
    if chosen is None:
        raise click.UsageError("give a trace with --trace FILE, or a seed for made-up load with --synthetic SEED")
    return MadeUp(chosen, **made_up)


def behaviour(options: dict[str, Any]) -> tuple[Behaviour, Tuning]:
    """Return how jobs and scheduler behave; their options are taken out."""
    from tenantry.app.scheduling import Tuning
    from tenantry.fair.replay.setup import Behaviour

    checkpoint = options.pop("checkpoint")
    jobs = Behaviour(
        leaving=options.pop("leaving"),
        checkpoint=None if checkpoint < 0 else checkpoint,
        startup=options.pop("startup"),
        usage_window=options.pop("usage_window"),
        half_life=options.pop("half_life"),
        until=options.pop("until", None),
    )
    return jobs, Tuning(max(1, options.pop("period")), options.pop("k_value"))
