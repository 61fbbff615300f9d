"""The formats that are read, in the order in which they are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError
from tenantry.io.traces import acme, helios, kubernetes, openb, pai, philly, philly_log, simple, slurm
from tenantry.io.traces.parquet import parquet_rows
from tenantry.io.traces.problem_log import printable
from tenantry.io.traces.rows import Layout, first_row
from tenantry.io.traces.source import PARQUET, head_of
from tenantry.io.traces.table import COMMA, Reading, folded
from tenantry.io.walk import shown
from tenantry.model.trace import TraceJob

if TYPE_CHECKING:
    from pathlib import Path

_BAR: Final = Layout(delimiter="|", quoted=False)


@dataclass(frozen=True, slots=True)
class Head:
    """How a trace starts.

    Attributes:
        path: file or folder.
        text: its first 64 KiB, decompressed; empty for a folder or Parquet.
        row: its first line taken apart at commas; for Parquet the names of its columns.
    """

    path: Path
    text: str
    row: tuple[str, ...]

    def has(self, columns: frozenset[str]) -> bool:
        """Whether these are among the columns of the first line."""
        return columns <= {folded(name) for name in self.row}

    @property
    def is_json(self) -> bool:
        """Whether it starts as a JSON array or object does."""
        return self.text.lstrip()[:1] in {"[", "{"}


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """A format of traces.

    Attributes:
        name: what users call it.
        title: what it is.
        needs: the header or content it is known by, in words.
        tenants: columns that may stand for the tenant, the usual one first.
        recognise: whether a trace that starts so is of this format.
        read: yields its jobs.
    """

    name: str
    title: str
    needs: str
    tenants: tuple[str, ...]
    recognise: Callable[[Head], bool]
    read: Callable[[Reading], Iterator[TraceJob]]


def _is_pai(head: Head) -> bool:
    if head.path.is_dir():
        return pai.tables_of(head.path)[0] is not None
    return (
        head.has(frozenset(("job_name", "task_name", "inst_num")))
        or pai.is_task_row(list(head.row))
        or _is_job_table(head)
    )


def _is_job_table(head: Head) -> bool:
    beside = pai.tables_of(head.path)
    return beside[1] == head.path and beside[0] is not None


def _is_slurm(head: Head) -> bool:
    columns = {folded(name) for name in first_row(head.text.split("\n", 1)[0], _BAR)}
    return columns >= slurm.COLUMNS - {"jobid"} and not columns.isdisjoint({"jobid", "jobidraw"})


def _is_kubernetes(head: Head) -> bool:
    if head.path.is_dir():
        return any(path.name.lower().endswith(kubernetes.SUFFIXES) for path in head.path.rglob("*"))
    return "apiVersion" in head.text and (head.is_json or "kind:" in head.text)


FORMATS: Final[tuple[TraceFormat, ...]] = (
    TraceFormat(
        "openb",
        "Alibaba cluster-trace-gpu-v2023",
        openb.NEEDS,
        openb.TENANTS,
        lambda head: head.has(openb.COLUMNS),
        openb.read,
    ),
    TraceFormat(
        "philly",
        "Microsoft Philly as one table",
        philly.NEEDS,
        philly.TENANTS,
        lambda head: head.has(philly.COLUMNS),
        philly.read,
    ),
    TraceFormat(
        "philly-log",
        "Microsoft Philly, cluster_job_log",
        philly_log.NEEDS,
        philly_log.TENANTS,
        lambda head: head.is_json and '"jobid"' in head.text and '"submitted_time"' in head.text,
        philly_log.read,
    ),
    TraceFormat(
        "helios",
        "SenseTime Helios, cluster_log.csv",
        helios.NEEDS,
        helios.TENANTS,
        lambda head: head.has(helios.COLUMNS),
        helios.read,
    ),
    TraceFormat(
        "acme",
        "Shanghai AI Lab Acme, trace_seren.csv and trace_kalos.csv",
        acme.NEEDS,
        acme.TENANTS,
        lambda head: head.has(acme.COLUMNS),
        acme.read,
    ),
    TraceFormat("pai", "Alibaba PAI, cluster-trace-gpu-v2020", pai.NEEDS, pai.TENANTS, _is_pai, pai.read),
    TraceFormat("slurm", "Slurm accounting, sacct --parsable2", slurm.NEEDS, slurm.TENANTS, _is_slurm, slurm.read),
    TraceFormat(
        "kubernetes",
        "objects and events of a cluster",
        kubernetes.NEEDS,
        kubernetes.TENANTS,
        _is_kubernetes,
        kubernetes.read,
    ),
    TraceFormat(
        "csv",
        "the fields of a job as columns, which is also written",
        simple.NEEDS,
        simple.TENANTS,
        lambda head: head.has(simple.COLUMNS),
        simple.read,
    ),
)
"""Every format; the first that recognises a trace reads it."""


def find_format(path: Path, name: str | None) -> TraceFormat:
    """Return the format of that name, or the one a trace is recognised as.

    Raises:
        InputError: if there is no such format, the trace cannot be read, or it is none that is known; lists them all.
    """
    if name is not None:
        for known in FORMATS:
            if known.name == name:
                return known
        raise InputError(f"{name!r} is no format of traces; expected one of {', '.join(each.name for each in FORMATS)}")
    head = _head(path)
    for known in FORMATS:
        if known.recognise(head):
            return known
    known_by = "".join(f"\n  {each.name}: {each.needs}" for each in FORMATS)
    found = f"its first line is {printable(head.text.split(chr(10), 1)[0])}" if head.text else "a folder"
    raise InputError(f"{shown(path)} is no trace of a known format; {found}; expected one of{known_by}")


def _head(path: Path) -> Head:
    if path.is_dir():
        return Head(path, "", ())
    start = head_of(path)
    if start.startswith(PARQUET):
        with parquet_rows(path) as rows:
            return Head(path, "", tuple(rows.header))
    text = start.decode("utf-8", "replace").removeprefix("\ufeff")
    return Head(path, text, tuple(first_row(text.split("\n", 1)[0].rstrip("\r"), COMMA)))
