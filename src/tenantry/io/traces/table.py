"""Reads a table row by row into jobs: what all formats of one job per row share.

A format says which columns it needs and how one row becomes a job; :func:`read_table` does the rest in two passes, the
first for the first submission and doubled ids (:mod:`tenantry.io.traces.survey`), the second for the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from tenantry.errors import InputError
from tenantry.io.traces.problem_log import ProblemLog, SilentLog, Unusable, printable, whole_text
from tenantry.io.traces.rows import Layout, Row, Rows, open_rows
from tenantry.io.traces.survey import Doubles, first_of
from tenantry.io.traces.values import Clock, is_missing
from tenantry.io.walk import shown
from tenantry.model.problem import Location, did_you_mean
from tenantry.model.trace import TraceJob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.io.traces.options import TraceOptions

_T = TypeVar("_T")
_REMEMBERED: Final = 4096

COMMA: Final = Layout()
"""Comma-separated values with a header."""

ONE_TENANT: Final = "all"
"""Tenant of all jobs of a trace that does not tell tenants apart."""


@dataclass(slots=True)
class Reading:
    """One reading of a trace.

    Attributes:
        path: file or folder.
        options: how it is read.
        log: collects problems.
        rows: rows or records looked at so far.
        jobs: jobs given so far.
        origin: Unix time of the first submission, None when the trace has relative times only.
        timed: whether the trace has times at all.
        absolute: whether its times are points in time, for formats that take both; None until one was read.
        last: submission of the job given last.
    """

    path: Path
    options: TraceOptions
    log: ProblemLog
    rows: int = 0
    jobs: int = 0
    origin: int | None = None
    timed: bool = True
    absolute: bool | None = None
    last: int = -1

    @property
    def file(self) -> str:
        """The path for people."""
        return shown(self.path)

    def looked_at(
        self, job: TraceJob, warn: Callable[[str, str], None], remark: Callable[[str, str], None]
    ) -> TraceJob:
        """Return a job that is given out, without a start that cannot be; remark on what is common and no fault."""
        if job.started is not None and job.started < job.submit:
            seconds = job.submit - job.started
            warn("TRACE-VALUE", f"the job started {seconds} s before it was submitted; the start is ignored")
            job = msgspec.structs.replace(job, started=None)
        if job.submit < self.last:
            remark("TRACE-UNSORTED", "the job was submitted before the one of the row before it")
        if not job.gpus:
            remark("TRACE-CPU-ONLY", f"the job {printable(job.name)} asks for no GPU")
        return job

    def given(self, job: TraceJob, warn: Callable[[str, str], None], remark: Callable[[str, str], None]) -> TraceJob:
        """Count a job of a format without rows that is given out, and look at it."""
        self.jobs += 1
        texts = {field: whole_text(getattr(job, field)) for field in ("name", "tenant", "gpu", "user")}
        if any(getattr(job, field) != text for field, text in texts.items()):
            warn("TRACE-ENCODING", "the job's name, tenant, model or user holds half characters; they become escapes")
            job = msgspec.structs.replace(job, **texts)
        job = self.looked_at(job, warn, remark)
        self.last = job.submit
        return job


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one table become jobs.

    Attributes:
        submitted: reads when the job of a row was submitted; raises :class:`Unusable`.
        build: makes the job of a row, given the time of the first submission; None for a row that is none.
            Raises :class:`Unusable`.
        identity: reads the job id, which becomes the name; None when the table has none.
        column: the column ``submitted`` reads with the clock; None when it reads anything else.
        clock: reads the absolute times of the table; None when they are relative.
    """

    submitted: Callable[[Row], int]
    build: Callable[[Row, int], TraceJob | None]
    identity: Callable[[Row], str] | None = None
    column: int | None = None
    clock: Clock | None = None


@dataclass(slots=True)
class Table:
    """A table being read, as the format that reads it sees it.

    Attributes:
        rows: the rows; ``rows.line`` is the line of the last one.
        reading: what is read, and how.
        log: where problems go in this pass.
        needs: what the format needs, in words.
    """

    rows: Rows
    reading: Reading
    log: ProblemLog
    needs: str
    _columns: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        columns: dict[str, int] = {}
        for index, name in enumerate(self.rows.header):
            columns.setdefault(folded(name), index)
        self._columns = columns

    def column(self, *names: str) -> int:
        """Return the index of the first of these columns that is there.

        Raises:
            InputError: if none is.
        """
        for name in names:
            if folded(name) in self._columns:
                return self._columns[folded(name)]
        hint = did_you_mean(names[0], self._columns)
        found = printable(", ".join(self.rows.header))
        message = f"{self.reading.file}:1: there is no column {' or '.join(names)}; {self.needs}; found {found}{hint}"
        raise InputError(message)

    def optional(self, name: str) -> int | None:
        """Return the index of a column, None when it is not there."""
        return self._columns.get(folded(name))

    @property
    def place(self) -> Location:
        """The row given last."""
        return Location(self.reading.file, self.rows.line)

    def warn(self, rule: str, message: str, expected: str = "", found: str = "") -> None:
        """Note a problem of the row given last, which is kept."""
        self.log.add(rule, self.place, message, expected, found)

    def ignoring(self, read: Callable[[str], _T], default: _T) -> Callable[[str], _T]:
        """Return what reads a value that is not needed: nothing gives the default, nonsense too, with a warning."""
        known: dict[str, _T] = {"": default}

        def lenient(text: str) -> _T:
            if text in known:
                return known[text]
            try:
                value = read(text)
                if len(known) < _REMEMBERED:
                    known[text] = value
                return value
            except Unusable as problem:
                if not is_missing(text):
                    self.warn("TRACE-VALUE", f"{problem.message} and is ignored", problem.expected, problem.found)
                return default

        return lenient

    def remark(self, rule: str, message: str) -> None:
        """Note what may hold for many rows."""
        if rule in self.log.counts:  # without the place, which takes longer to make than the rest
            self.log.counts[rule] += 1
        else:
            self.log.add(rule, self.place, message)


Binder = Callable[[Table], Plan]
"""What a format gives: looks its columns up and says how rows become jobs."""


def folded(name: str) -> str:
    """Return the name of a column as names are compared."""
    return name.strip().casefold()


def read_table(
    reading: Reading, bind: Binder, needs: str, *, path: Path | None = None, layout: Layout = COMMA
) -> Iterator[TraceJob]:
    """Yield the jobs of a table.

    Args:
        reading: what is read.
        bind: how rows become jobs.
        needs: what the format needs, for the message when a column is missing.
        path: the table, when it is not the path of the reading.
        layout: how rows are written.

    Raises:
        InputError: if the table cannot be read, lacks a column, or has a problem and the reader is strict.
    """
    where = path or reading.path
    silent = SilentLog()
    with open_rows(where, silent, layout) as rows:
        plan = bind(Table(rows, reading, silent, needs))
        doubles = Doubles(where.stat().st_size if plan.identity else 0)
        watched = doubles.watch(rows, plan.identity) if plan.identity is not None else rows
        first = first_of(watched, plan.submitted, plan.column)
    if plan.clock is not None and plan.clock.used:
        reading.origin = first
    with open_rows(where, reading.log, layout) as rows:
        table = Table(rows, reading, reading.log, needs)
        yield from _second_pass(table, bind(table), first or 0, doubles)
        if not doubles.all_checked:
            table.remark("TRACE-UNCHECKED", "there are too many job ids to look for duplicates among all of them")


def _second_pass(table: Table, plan: Plan, origin: int, doubles: Doubles) -> Iterator[TraceJob]:
    reading, build, suspects = table.reading, plan.build, doubles.suspects
    for row in table.rows:
        reading.rows += 1
        try:
            job = build(row, origin)
        except Unusable as problem:
            message = f"{problem.message}; the row is left out"
            table.warn(problem.rule, message, problem.expected, problem.found)
            continue
        if job is None:
            continue
        if job.name in suspects and doubles.repeated(job.name):
            table.warn("TRACE-DUPLICATE", "the job id was there before; the row is left out", found=printable(job.name))
            continue
        reading.jobs += 1
        # Two of three jobs need no look, and a call would cost as much as making one.
        if job.submit < reading.last or not job.gpus or job.started is not None:
            job = reading.looked_at(job, table.warn, table.remark)
        reading.last = job.submit
        yield job
    if plan.clock is not None and plan.clock.naive and plan.clock.zoned:
        table.remark("TRACE-ZONES", "times with and without an offset from UTC are mixed; those without are UTC")


def per_pod(total: int, pods: int) -> int:
    """Return one pod's part of what a job was given in all, rounded up."""
    return -(-total // pods)


def chosen_tenant(reading: Reading, allowed: Sequence[str]) -> str:
    """Return the column that stands for the tenant: the one asked for, else the format's first.

    Raises:
        InputError: if another column was asked for.
    """
    wanted = reading.options.tenant
    if not wanted:
        return allowed[0]
    if wanted not in allowed:
        raise InputError(
            f"{reading.file}: {wanted!r} cannot stand for the tenant; expected one of {', '.join(allowed)}"
        )
    return wanted
