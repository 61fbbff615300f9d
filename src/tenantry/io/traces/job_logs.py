"""Job logs of SenseTime's clusters, which Helios and Acme share in all but the tenant and memory columns."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from tenantry.io.traces.outcomes import SLURM
from tenantry.io.traces.pods import split
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.table import Plan, Table, chosen_tenant, per_pod
from tenantry.io.traces.values import Clock, checked_duration, count, duration, is_missing, mebibytes, milli
from tenantry.model.trace import Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.io.traces.rows import Row


def bind(table: Table, tenants: Sequence[str], memory: str = "") -> Plan:
    """Say how a row becomes a job.

    Args:
        table: the table.
        tenants: columns that may stand for the tenant, the usual one first.
        memory: column with the memory of one pod in GiB; empty when there is none.
    """
    name, user, state = table.column("job_id"), table.column("user"), table.column("state")
    gpus, cpus, nodes = table.column("gpu_num"), table.column("cpu_num"), table.column("node_num")
    submit = table.column("submit_time")
    tenant = table.column(chosen_tenant(table.reading, tenants))
    memories = table.optional(memory)
    cores, gibibytes = table.ignoring(milli, 0), table.ignoring(partial(mebibytes, unit=1024), 0)
    clock = Clock()
    ran = _runtime(table, clock)
    shape = _shapes(table)

    def submitted(row: Row) -> int:
        return clock(row[submit])

    def build(row: Row, origin: int) -> TraceJob:
        if not row[tenant]:
            raise Unusable("TRACE-TENANT", f"the row has no {table.rows.header[tenant]}")
        if not row[name]:
            raise Unusable("TRACE-NAME", "the row has no job_id")
        started, lasted = ran(row)
        pods, each = shape(row[gpus], row[nodes])
        return TraceJob(
            row[name],
            row[tenant],
            clock(row[submit]) - origin,
            lasted,
            pods,
            each,
            per_pod(cores(row[cpus]), pods),
            gibibytes(row[memories]) if memories is not None else 0,
            outcome=SLURM.get(row[state], Outcome.UNKNOWN),
            started=None if started is None else started - origin,
            user=row[user],
        )

    return Plan(submitted, build, itemgetter(name), submit, clock)


def _runtime(table: Table, clock: Clock) -> Callable[[Row], tuple[int | None, int]]:
    """Return what reads when a job started and how long it ran.

    The time from start to end counts, where both are known: Acme documents its duration as that but counts it from the
    submission in Kalos.
    """
    start, end, lasts = table.column("start_time"), table.column("end_time"), table.column("duration")

    def ran(row: Row) -> tuple[int | None, int]:
        started, ended = clock.maybe(row[start]), clock.maybe(row[end])
        if started is None:
            if is_missing(row[lasts]):
                raise Unusable("TRACE-NEVER-RAN", "the job never started")
            return None, duration(row[lasts])
        if ended is None:
            if is_missing(row[lasts]):
                raise Unusable("TRACE-UNFINISHED", "the job was still running when the trace was taken")
            return started, duration(row[lasts])
        lasted = checked_duration(ended - started)
        if row[lasts] != str(lasted):
            message = f"the duration {printable(row[lasts])} is not the {lasted} s from start to end, which count"
            table.remark("TRACE-MISMATCH", message)
        return started, lasted

    return ran


def _shapes(table: Table) -> Callable[[str, str], tuple[int, int]]:
    """Return what says how many pods of how many GPUs a job has."""
    per_node = table.reading.options.gpus_per_node

    def shape(gpus: str, nodes: str) -> tuple[int, int]:
        wanted = 0 if is_missing(nodes) or nodes in {"0", "0.0"} else count(nodes)
        amount = milli(gpus)
        pods, each, fits = split(amount, per_node, wanted)
        if not fits:
            message = f"{gpus} GPUs cannot be shared evenly by {nodes} nodes of {per_node}; they are {pods} pods"
            table.warn("TRACE-SHAPE", message)
        return pods, each

    return shape
