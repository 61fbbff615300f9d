"""SenseTime's Helios trace: ``cluster_log.csv`` of the clusters Earth, Saturn, Uranus and Venus.

The tenant is the virtual cluster. Times are local ones without an offset.
Source: github.com/S-Lab-System-Group/HeliosData, README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.traces.job_logs import bind
from tenantry.io.traces.table import Reading, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.trace import TraceJob

COLUMNS: Final = frozenset(
    ("job_id", "user", "vc", "gpu_num", "cpu_num", "node_num", "state", "submit_time", "start_time", "end_time")
)
NEEDS: Final = (
    "a header with job_id, user, vc, gpu_num, cpu_num, node_num, state, submit_time, start_time, end_time and duration"
)
TENANTS: Final = ("vc", "user")


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs."""
    return read_table(reading, lambda table: bind(table, TENANTS), NEEDS)
