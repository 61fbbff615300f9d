"""Replay one trace on both sides of a plan: what jobs wait and how often they are evicted, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.app.job_source import TraceFile, read_jobs
from tenantry.app.routed import require_some
from tenantry.app.scheduling import USUAL_TUNING, scheduling
from tenantry.app.simulate import sent, who_is_who
from tenantry.app.simulation_runs import BASE, FAIR_SHARE, Case, Plan, replayed
from tenantry.fair.measures.result import ALL
from tenantry.fair.replay.setup import AS_USUAL
from tenantry.plan.side import Waits

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.fair.measures.result import Measured
    from tenantry.model.cluster import Cluster

AFTER = "after"
"""Name of the case that is the new side."""

Waiting = dict[tuple[str, str], Waits]
"""By tenant and node pool."""


def both_waits(old: Cluster, new: Cluster, trace: Path) -> tuple[Waiting, Waiting]:
    """Replay a trace on both clusters under the scheduling policy that is deployed.

    Args:
        old: the cluster before.
        new: the cluster after.
        trace: file or folder of a trace that names tenants of the spec.

    Raises:
        InputError: if the trace cannot be read or the scheduler is not modelled.
    """
    platforms = {name: scheduling(cluster, AS_USUAL, USUAL_TUNING) for name, cluster in ((BASE, old), (AFTER, new))}
    jobs = read_jobs(TraceFile(trace), platforms[BASE])
    tenants = who_is_who(None, tuple(platforms.values()), jobs)
    cases = tuple(Case(name, platform, sent(jobs, platform, tenants)) for name, platform in platforms.items())
    require_some(cases[0].jobs, jobs.title)
    runs = replayed(Plan(cases, (FAIR_SHARE,)), 0, lambda _what, _done, _total: None)
    found: dict[str, Waiting] = {BASE: {}, AFTER: {}}
    for run in runs:
        for tenant in run.measured.result.tenants:
            found[run.case][tenant.name, run.pool] = _waits(tenant)
    return found[BASE], found[AFTER]


def _waits(tenant: Measured) -> Waits:
    first = next((item.first for item in tenant.waits if item.size == ALL), None)
    counted = tenant.jobs
    return Waits(
        jobs=counted.submitted,
        median=None if first is None else round(first.p50),
        longest=None if first is None else round(first.largest),
        preempted=tenant.evictions.count,
        unfinished=counted.waiting + counted.impossible,
    )
