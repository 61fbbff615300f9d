"""Shanghai AI Lab's Acme trace: ``trace_seren.csv`` and ``trace_kalos.csv``.

There are no teams in it: the tenant is the user, or the kind of work by option. Times carry their offset from UTC.
``cpu_num`` counts all nodes, ``mem_per_pod_GB`` one pod. Source: github.com/InternLM/AcmeTrace, README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.traces.job_logs import bind
from tenantry.io.traces.table import Reading, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.trace import TraceJob

COLUMNS: Final = frozenset(
    ("job_id", "user", "gpu_num", "cpu_num", "node_num", "type", "state", "submit_time", "start_time", "end_time")
)
NEEDS: Final = (
    "a header with job_id, user, node_num, gpu_num, cpu_num, type, state, submit_time, start_time, end_time and "
    "duration"
)
TENANTS: Final = ("user", "type")


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs."""
    return read_table(reading, lambda table: bind(table, TENANTS, memory="mem_per_pod_GB"), NEEDS)
