"""Slurm's accounting, as ``sacct --parsable2`` or ``--parsable`` prints it.

Steps are passed over. A task of an array is a job; so is each component of a heterogeneous job, which no record here
can hold together. Suspended time is not in the elapsed time. Times are local to where ``sacct`` ran: set ``TZ=UTC``.
Source: Slurm, ``sacct`` manual page, ``src/sacct/print.c``; ``src/common/parse_time.c`` for ``Unknown`` and ``None``.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from tenantry.io.traces.outcomes import SLURM
from tenantry.io.traces.pods import split
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.rows import Layout, Row
from tenantry.io.traces.slurm_fields import Tracked, elapsed, is_job, is_step, tracked
from tenantry.io.traces.table import Plan, Reading, Table, chosen_tenant, per_pod, read_table
from tenantry.io.traces.values import Clock, count, is_missing
from tenantry.model.trace import Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEEDS: Final = (
    "columns separated by | with JobID, Submit, Start, Elapsed, State, Account, AllocTRES and ReqTRES, "
    "better also User, Partition, QOS, NNodes: sacct --allusers --parsable2 --noconvert --format=..."
)
COLUMNS: Final = frozenset(("jobid", "submit", "state"))
TENANTS: Final = ("account", "user", "partition", "qos")
_LAYOUT: Final = Layout(delimiter="|", quoted=False)
_NO_END: Final = frozenset(("RUNNING", "SUSPENDED", "RESIZING", "COMPLETING", "STOPPED"))
_NO_START: Final = frozenset(("PENDING", "REQUEUED", "CONFIGURING"))


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs."""
    return read_table(reading, _bind, NEEDS, layout=_LAYOUT)


def _bind(table: Table) -> Plan:
    job_id, submit, state = table.column("JobID", "JobIDRaw"), table.column("Submit"), table.column("State")
    tenant = table.column(chosen_tenant(table.reading, TENANTS))
    user, qos = table.optional("user"), table.optional("qos")
    options, clock = table.reading.options, Clock()
    shape, ran = _shapes(table), _runtime(table, clock)

    def submitted(row: Row) -> int:
        return clock(row[submit])

    def build(row: Row, origin: int) -> TraceJob | None:
        name = row[job_id]
        if is_step(name):
            table.remark("TRACE-STEP", "steps inside a job are no submissions")
            return None
        if not is_job(name):
            raise Unusable("TRACE-NAME", "the job id cannot be read", "123, 123_4 or 123+0", printable(name))
        if not row[tenant]:
            raise Unusable("TRACE-TENANT", f"the job has no {table.rows.header[tenant]}")
        status = row[state].partition(" ")[0].rstrip("+")
        started, lasted = ran(row, status)
        pods, held = shape(row)
        if held.ignored:
            message = "an amount cannot be read and is ignored"
            table.warn("TRACE-VALUE", message, "a number with K, M, G or T", printable(held.ignored))
        if "+" in name:
            table.remark("TRACE-PARTS", "the components of a heterogeneous job are jobs of their own")
        return TraceJob(
            name,
            row[tenant],
            clock(row[submit]) - origin,
            lasted,
            pods,
            (held.gpus or 0) // pods,
            per_pod(held.cpus, pods),
            per_pod(held.memory, pods),
            held.models,
            options.priorities.get(row[qos]) if qos is not None else None,
            True if status == "PREEMPTED" else None,
            SLURM.get(status, Outcome.UNKNOWN),
            None if started is None else started - origin,
            row[user] if user is not None else "",
        )

    return Plan(submitted, build, itemgetter(job_id), submit, clock)


def _runtime(table: Table, clock: Clock) -> Callable[[Row, str], tuple[int | None, int]]:
    """Return what reads when a job started and how long it ran."""
    start, lasts = table.column("Start"), table.column("ElapsedRaw", "Elapsed")

    def ran(row: Row, status: str) -> tuple[int | None, int]:
        if status in _NO_END:
            raise Unusable("TRACE-UNFINISHED", "the job was still running when the trace was taken")
        if status in _NO_START or is_missing(row[start]):
            raise Unusable("TRACE-NEVER-RAN", "the job never started", found=printable(status))
        return clock(row[start]), elapsed(row[lasts])

    return ran


def _shapes(table: Table) -> Callable[[Row], tuple[int, Tracked]]:
    """Return what reads the pods of a job and what it held, which is what it asked for where nothing says more."""
    given, asked, number = table.optional("alloctres"), table.optional("reqtres"), table.optional("nnodes")
    if given is None and asked is None:
        table.column("AllocTRES", "ReqTRES")
    options = table.reading.options

    def shape(row: Row) -> tuple[int, Tracked]:
        wanted = tracked(row[asked]) if asked is not None else None
        held = tracked(row[given]) if given is not None and row[given] else wanted
        if held is None or held.gpus is None:
            message = "the job holds shares of GPUs, whose size sacct does not say"
            raise Unusable("TRACE-GPUS", message if held else "neither AllocTRES nor ReqTRES says what the job holds")
        nodes = count(row[number]) if number is not None and row[number] not in {"", "0"} else 0
        pods, _, fits = split(held.gpus, options.gpus_per_node, nodes)
        if held.gpus and not fits:
            message = f"{held.gpus / 1000:g} GPUs cannot be shared evenly by {nodes} nodes; they are {pods} pods"
            table.warn("TRACE-SHAPE", message)
        # A model is needed when it was asked for; one that was merely given only by option.
        models = held.models if options.assigned_model else (wanted.models if wanted is not None else "")
        return pods, held._replace(models=models)

    return shape
