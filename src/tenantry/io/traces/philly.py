"""Microsoft's Philly trace as one table: ``timestamp,duration,num_gpus,gpu_time,cluster``.

The form in which schedulers are compared on it (Pollux, Sia): no users, outcomes or attempts; ``cluster`` is the
virtual cluster. Times have no offset. The original is read by :mod:`tenantry.io.traces.philly_log`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tenantry.io.traces.pods import split
from tenantry.io.traces.problem_log import Unusable
from tenantry.io.traces.table import Plan, Reading, Table, chosen_tenant, read_table
from tenantry.io.traces.values import Clock, duration, milli
from tenantry.model.trace import TraceJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.io.traces.rows import Row

COLUMNS: Final = frozenset(("timestamp", "duration", "num_gpus", "cluster"))
NEEDS: Final = "a header with timestamp, duration, num_gpus and cluster"
TENANTS: Final = ("cluster",)


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs, named by the line they stand on."""
    return read_table(reading, _bind, NEEDS)


def _bind(table: Table) -> Plan:
    when, lasts, gpus = table.column("timestamp"), table.column("duration"), table.column("num_gpus")
    tenant = table.column(chosen_tenant(table.reading, TENANTS))
    clock, rows, per_node = Clock(), table.rows, table.reading.options.gpus_per_node

    @lru_cache(maxsize=4096)
    def shape(text: str) -> tuple[int, int]:
        return split(milli(text), per_node)[:2]

    def submitted(row: Row) -> int:
        return clock(row[when])

    def build(row: Row, origin: int) -> TraceJob:
        pods, each = shape(row[gpus])
        if not row[tenant]:
            raise Unusable("TRACE-TENANT", "the row names no virtual cluster")
        submit = clock(row[when]) - origin
        return TraceJob(f"philly-{rows.line:08d}", row[tenant], submit, duration(row[lasts]), pods, each)

    return Plan(submitted, build, column=when, clock=clock)
