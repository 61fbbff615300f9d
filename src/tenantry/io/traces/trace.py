"""Opens a trace of any known format."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantry.io.traces.formats import TraceFormat, find_format
from tenantry.io.traces.options import DEFAULT, TraceOptions
from tenantry.io.traces.problem_log import ProblemLog
from tenantry.io.traces.table import Reading
from tenantry.model.finding import Severity
from tenantry.model.trace_problem import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tenantry.model.trace import TraceJob
    from tenantry.model.trace_problem import TraceProblem


@dataclass(frozen=True, slots=True)
class TraceCounts:
    """How much was read.

    Attributes:
        rows: rows or records with as many columns as they should have.
        jobs: jobs given.
        left_out: rows left out because of a problem, broken ones included.
        by_rule: how often each rule was met, also beyond the problems kept; by rule id.
    """

    rows: int
    jobs: int
    left_out: int
    by_rule: Mapping[str, int]


class Trace:
    """A trace: iterate for its jobs, then ask what was wrong.

    Each iteration reads the file anew, in bounded memory, and in the order of the file but for Kubernetes objects.
    The other attributes describe the last iteration as far as it went.

    Attributes:
        format: name of the format.
    """

    def __init__(self, path: Path, format: TraceFormat, options: TraceOptions) -> None:  # noqa: A002 - its usual name
        self.format = format.name
        self._path, self._known, self._options = path, format, options
        self._reading = self._start()

    def __iter__(self) -> Iterator[TraceJob]:
        """Yield the jobs.

        Raises:
            InputError: if the trace cannot be read, lacks a column, or has a problem and the options say strict.
            MissingExtra: for Parquet without DuckDB.
        """
        self._reading = reading = self._start()
        return self._known.read(reading)

    @property
    def problems(self) -> tuple[TraceProblem, ...]:
        """Problems and remarks in the order found, up to the number the options allow."""
        return tuple(self._reading.log.problems)

    @property
    def counts(self) -> TraceCounts:
        """How much was read, and how often each rule was met."""
        met = self._reading.log.counts
        left_out = sum(number for rule, number in met.items() if RULES[rule].severity is Severity.ERROR)
        by_rule = MappingProxyType({rule: met[rule] for rule in sorted(met)})
        return TraceCounts(self._reading.rows, self._reading.jobs, left_out, by_rule)

    @property
    def origin(self) -> int | None:
        """Unix time of the first submission; None when the trace has relative times only."""
        return self._reading.origin

    @property
    def timed(self) -> bool:
        """Whether the trace has times; one without can be packed but not replayed."""
        return self._reading.timed

    def _start(self) -> Reading:
        log = ProblemLog(limit=self._options.max_problems, strict=self._options.strict)
        return Reading(self._path, self._options, log)


def open_trace(path: Path, *, format: str | None = None, options: TraceOptions = DEFAULT) -> Trace:  # noqa: A002
    """Open a trace; nothing but its start is read before it is iterated.

    Args:
        path: a file, plain or gzipped, or Parquet with the columns of one of the table formats; for ``pai`` and
            ``kubernetes`` also a folder.
        format: name of one of :data:`~tenantry.io.traces.formats.FORMATS`; None to recognise it.
        options: how it is read.

    Raises:
        InputError: if the file cannot be read or is of no known format, or there is no format of that name.
        MissingExtra: for Parquet without DuckDB.
    """
    return Trace(path, find_format(path, format), options)
