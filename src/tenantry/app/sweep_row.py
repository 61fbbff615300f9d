"""One run of a sweep as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.measures import NamedResult, compare, measure
from tenantry.fair.measures.result import CLUSTER, TENANT

if TYPE_CHECKING:
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable


def measured_row(log: Log, table: JobTable, setup: Setup) -> dict[str, Any]:
    """Return the measures of a replay: those of the cluster by key, and those of tenants below ``tenants``."""
    found = compare([NamedResult("run", measure(log, table, setup))])
    cluster = {item.measure: item.values[0] for item in found if item.kind == CLUSTER}
    tenants: dict[str, dict[str, float | None]] = {}
    for item in found:
        if item.kind == TENANT:
            tenants.setdefault(item.subject, {})[item.measure] = item.values[0]
    return {**cluster, "tenants": tenants}
