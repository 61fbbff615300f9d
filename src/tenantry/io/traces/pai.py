"""Alibaba's 2020 trace of its machine-learning platform PAI: ``pai_task_table.csv`` and, beside it, the job table.

Each task (workers, parameter servers) is a job here: its instances are alike and start together. The job table has the
user and the time of submission; without it, tasks count as submitted when they were launched. Tables come without
header. ``plan_cpu`` is in hundredths of a core, ``plan_gpu`` in hundredths of a GPU, ``plan_mem`` in GiB, all for one
instance; times are seconds from an unknown day, true in hour and weekday at UTC+8.
Source: github.com/alibaba/clusterdata, cluster-trace-gpu-v2020, README and ``data/*.header``.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.rows import Layout, Row, first_row, open_rows
from tenantry.io.traces.source import head_of
from tenantry.io.traces.table import COMMA, ONE_TENANT, Plan, Reading, Table, chosen_tenant, folded, read_table
from tenantry.io.traces.values import checked_duration, count, is_missing, mebibytes, milli, relative
from tenantry.io.walk import shown
from tenantry.model.problem import Location
from tenantry.model.trace import Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TASK_COLUMNS: Final = (
    "job_name",
    "task_name",
    "inst_num",
    "status",
    "start_time",
    "end_time",
    "plan_cpu",
    "plan_mem",
    "plan_gpu",
    "gpu_type",
)
JOB_COLUMNS: Final = ("job_name", "inst_id", "user", "status", "start_time", "end_time")
NEEDS: Final = (
    "pai_task_table.csv with " + ", ".join(TASK_COLUMNS) + " (with or without header), and beside it pai_job_table.csv"
)
TENANTS: Final = ("user", "none")
STATUSES: Final = frozenset(("Terminated", "Failed", "Running", "Waiting", "Interrupted"))
"""What the column ``status`` holds."""

_OUTCOMES: Final = MappingProxyType({"Terminated": Outcome.COMPLETED, "Failed": Outcome.FAILED})
_TASKS, _JOBS = "pai_task_table", "pai_job_table"
_SUFFIXES: Final = (".csv", ".csv.gz")


class _Job:
    """What the job table says of one job."""

    __slots__ = ("submit", "user")

    def __init__(self, submit: int, user: str) -> None:
        self.submit, self.user = submit, user


def tables_of(path: Path) -> tuple[Path | None, Path | None]:
    """Return the task table and the job table that a folder or one of the two files stands for."""
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        return _in(folder, _TASKS), _in(folder, _JOBS)
    if path.name.startswith(_JOBS):
        return _in(folder, _TASKS), path
    return path, _in(folder, _JOBS)


def is_task_row(row: Row) -> bool:
    """Whether a row without header is one of the task table."""
    return len(row) == len(TASK_COLUMNS) and row[3] in STATUSES


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the tasks, named ``job/task``."""
    tasks, jobs = tables_of(reading.path)
    if tasks is None:
        raise InputError(f"{reading.file}: there is no task table; {NEEDS}")
    known = None if jobs is None else _read_jobs(reading, jobs)
    yield from read_table(
        reading, lambda table: _bind(table, known), NEEDS, path=tasks, layout=_layout(tasks, TASK_COLUMNS)
    )


def _in(folder: Path, name: str) -> Path | None:
    found = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def _layout(path: Path, columns: tuple[str, ...]) -> Layout:
    line = head_of(path).split(b"\n", 1)[0].decode("utf-8", "replace")
    has_header = folded(columns[0]) in map(folded, first_row(line, COMMA))
    return COMMA if has_header else Layout(header=columns)


def _read_jobs(reading: Reading, path: Path) -> Mapping[str, _Job]:
    """Read submission and user of every job: some 250 bytes of memory for each."""
    jobs: dict[str, _Job] = {}
    users: dict[str, str] = {}
    with open_rows(path, reading.log, _layout(path, JOB_COLUMNS)) as rows:
        table = Table(rows, reading, reading.log, NEEDS)
        name, user, start = table.column("job_name"), table.column("user"), table.column("start_time")
        for row in rows:
            try:
                job = _Job(_since(row[start]), users.setdefault(row[user], row[user]))
            except Unusable as problem:
                message = f"{problem.message}; the row is left out"
                place = Location(shown(path), rows.line)
                reading.log.add(problem.rule, place, message, problem.expected, problem.found)
                continue
            jobs.setdefault(row[name], job)
    return jobs


def _since(text: str) -> int:
    """Read a time; 0 stands for none in these tables."""
    time = relative(text)
    if not time:
        raise Unusable("TRACE-TIME", "a time is missing", found=printable(text))
    return time


def _bind(table: Table, jobs: Mapping[str, _Job] | None) -> Plan:
    name, task = table.column("job_name"), table.column("task_name")
    launched, number = table.column("start_time"), table.column("inst_num")
    cpus, memory, gpus = table.column("plan_cpu"), table.column("plan_mem"), table.column("plan_gpu")
    status, model = table.column("status"), table.column("gpu_type")
    by_user = chosen_tenant(table.reading, TENANTS) == "user"
    assigned = table.reading.options.assigned_model
    ran = _runtime(table)
    cores, gibibytes = table.ignoring(partial(milli, unit=100), 0), table.ignoring(partial(mebibytes, unit=1024), 0)
    if jobs is None or not by_user:
        table.remark("TRACE-NO-TENANTS", "the trace does not tell tenants apart: all tasks belong to one")

    def identity(row: Row) -> str:
        return f"{row[name]}/{row[task]}"

    def submitted(row: Row) -> int:
        job = jobs.get(row[name]) if jobs is not None else None
        return _since(row[launched]) if job is None else job.submit

    def build(row: Row, origin: int) -> TraceJob:
        job = jobs.get(row[name]) if jobs is not None else None
        if jobs is not None and job is None:
            message = "the job is not in the job table; its user is unknown and its launch counts as its submission"
            table.warn("TRACE-ORPHAN", message, found=printable(row[name]))
        user = "" if job is None else job.user
        started, lasted = ran(row)
        return TraceJob(
            identity(row),
            (user if by_user else "") or ONE_TENANT,
            submitted(row) - origin,
            lasted,
            count(row[number]),
            0 if is_missing(row[gpus]) else milli(row[gpus], unit=100),
            cores(row[cpus]),
            gibibytes(row[memory]),
            row[model] if assigned else "",
            outcome=_OUTCOMES.get(row[status], Outcome.UNKNOWN),
            started=started - origin,
            user=user,
        )

    return Plan(submitted, build, identity)


def _runtime(table: Table) -> Callable[[Row], tuple[int, int]]:
    """Return what reads when a task started and how long it ran."""
    start, end, status = table.column("start_time"), table.column("end_time"), table.column("status")

    def ran(row: Row) -> tuple[int, int]:
        if is_missing(row[start]):
            raise Unusable("TRACE-NEVER-RAN", "the task never started")
        started = _since(row[start])
        if is_missing(row[end]):
            what = "was still running when the trace was taken" if row[status] == "Running" else "has no end"
            raise Unusable("TRACE-UNFINISHED", f"the task {what}")
        return started, checked_duration(_since(row[end]) - started)

    return ran
