"""The project's own format: CSV with the fields of a job as columns. What other tools can write, and what is written.

``submit`` and ``started`` are both seconds from any zero, or both points in time. ``gpus`` counts GPUs and ``cpus``
cores, with decimals; ``memory`` is in MiB. With a column ``pods``, sizes are those of one pod; without, ``gpus`` is
that of the job and is split. An empty field stands for the field's default.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError
from tenantry.io.traces.pods import split
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.table import Plan, Reading, Table, chosen_tenant, read_table
from tenantry.io.traces.values import Clock, count, duration, mebibytes, milli, relative
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.trace import MILLI, Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tenantry.io.traces.rows import Row

COLUMNS: Final = frozenset(("tenant", "submit", "duration"))
NEEDS: Final = (
    "a header with tenant, submit and duration, and any other field of a job: name, gpus, pods, priority, ..."
)
TENANTS: Final = ("tenant", "user")

_REMEMBERED: Final = 4096
_FIELDS: Final = TraceJob.__struct_fields__
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_TRUTHS: Final = {"true": True, "false": False}
_INTEGER: Final = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_SPECIAL: Final = re.compile(r'[",\r\n]')


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs; those without a name are named by the line they stand on."""
    return read_table(reading, _bind, NEEDS)


def _bind(table: Table) -> Plan:
    submit, lasts = table.column("submit"), table.column("duration")
    tenant, name = table.column(chosen_tenant(table.reading, TENANTS)), table.optional("name")
    clock, rows = Clock(), table.rows
    when = _when(table.reading, clock)
    shape, rest = _shapes(table), _rest(table, when)

    def submitted(row: Row) -> int:
        return when(row[submit])

    def build(row: Row, origin: int) -> TraceJob:
        time = when(row[submit]) - origin
        if not row[tenant]:
            raise Unusable("TRACE-TENANT", "the row names no tenant")
        called = (row[name] if name is not None else "") or f"job-{rows.line:08d}"
        return TraceJob(called, row[tenant], time, duration(row[lasts]), *shape(row), *rest(row, origin))

    return Plan(submitted, build, None if name is None else itemgetter(name), submit, clock)


def _when(reading: Reading, clock: Clock) -> Callable[[str], int]:
    """Return what reads times, all seconds or all points in time: the first that can be read decides."""

    def first(text: str) -> int:
        if reading.absolute is not None:
            return clock(text) if reading.absolute else relative(text)
        absolute = "-" in text
        time = clock(text) if absolute else relative(text)
        reading.absolute = absolute
        return time

    if reading.absolute is None:
        return first
    return clock if reading.absolute else relative


def _shapes(table: Table) -> Callable[[Row], tuple[int, int]]:
    """Return what reads pods and milli-GPUs of each."""
    pods, gpus = table.optional("pods"), table.optional("gpus")
    per_node = table.reading.options.gpus_per_node

    @lru_cache(maxsize=4096)
    def shape(number: str, amount: str) -> tuple[int, int]:
        each = milli(amount) if amount else MILLI
        if pods is None:
            return split(each, per_node)[:2]
        return (count(number) if number else 1), each

    if gpus is None and pods is None:
        return lambda _: (1, MILLI)
    # An empty text stands for a column that is not there.
    return lambda row: shape(row[pods] if pods is not None else "", row[gpus] if gpus is not None else "")


def _rest(table: Table, when: Callable[[str], int]) -> Callable[[Row, int], list[Any]]:
    """Return what reads the fields of a job after its GPUs, in their order."""
    readers: dict[str, tuple[Any, Callable[[str], Any]]] = {
        "cpus": (0, table.ignoring(milli, 0)),
        "memory": (0, table.ignoring(mebibytes, 0)),
        "gpu": ("", str),
        "priority": (None, table.ignoring(_priority, None)),
        "preemptible": (None, table.ignoring(_truth, None)),
        "outcome": (Outcome.UNKNOWN, table.ignoring(_outcome, Outcome.UNKNOWN)),
    }
    columns = [(column, number) for number, name in enumerate(readers) if (column := table.optional(name)) is not None]
    defaults = [default for default, _ in readers.values()]
    reads = [read for _, read in readers.values()]
    started, user = table.optional("started"), table.optional("user")
    known: dict[tuple[str, ...], list[Any]] = {}

    def read(texts: tuple[str, ...]) -> list[Any]:
        """Read what few jobs differ in, and remember it unless something was wrong with it."""
        before, values = table.log.counts["TRACE-VALUE"], defaults.copy()
        for (_, number), text in zip(columns, texts, strict=True):
            if text:
                values[number] = reads[number](text)
        if table.log.counts["TRACE-VALUE"] == before and len(known) < _REMEMBERED:
            known[texts] = values
        return values

    def rest(row: Row, origin: int) -> list[Any]:
        texts = tuple([row[column] for column, _ in columns])
        values = known.get(texts) or read(texts)
        start = when(row[started]) - origin if started is not None and row[started] else None
        return [*values, start, row[user] if user is not None else ""]

    return rest


def _priority(text: str) -> int | None:
    if _INTEGER.fullmatch(text) is None or not -(2**31) <= int(text) < 2**31:
        raise Unusable("TRACE-VALUE", "the priority cannot be read", "a whole number of 32 bits", printable(text))
    return int(text)


def _truth(text: str) -> bool | None:
    if text not in _TRUTHS:
        raise Unusable("TRACE-VALUE", "preemptible cannot be read", "true or false", printable(text))
    return _TRUTHS[text]


def _outcome(text: str) -> Outcome:
    if text not in _OUTCOMES:
        raise Unusable("TRACE-VALUE", "the outcome cannot be read", " or ".join(_OUTCOMES), printable(text))
    return _OUTCOMES[text]


def write_csv(jobs: Iterable[TraceJob], path: Path) -> int:
    """Write jobs in the order given, replacing the file whole or not at all.

    Returns:
        The number of jobs written.

    Raises:
        InputError: if the file cannot be written, or a text holds half a character.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    written = 0
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            stream.write(",".join(_FIELDS) + "\n")
            for job in jobs:
                stream.write(_line(job))
                written += 1
        unfinished.replace(path)
    except (OSError, UnicodeEncodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else f"{error.reason} in {printable(error.object)}"
        raise InputError(f"{shown(path)} cannot be written: {reason}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _line(job: TraceJob) -> str:
    priority = "" if job.priority is None else job.priority
    preemptible = "" if job.preemptible is None else str(job.preemptible).lower()
    started = "" if job.started is None else job.started
    return (
        f"{_quoted(job.name)},{_quoted(job.tenant)},{job.submit},{job.duration},{job.pods},{_units(job.gpus)},"
        f"{_units(job.cpus)},{job.memory},{_quoted(job.gpu)},{priority},{preemptible},{job.outcome.value},{started},"
        f"{_quoted(job.user)}\n"
    )


def _quoted(text: str) -> str:
    # The csv module leaves a lone carriage return bare, which no reader takes back as part of a field.
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def _units(amount: int) -> str:
    whole, part = divmod(amount, MILLI)
    return f"{whole}.{part:03d}".rstrip("0") if part else str(whole)
