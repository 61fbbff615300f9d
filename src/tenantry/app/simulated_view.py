"""A simulated cluster at one second, to ask about as one asks about a snapshot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tenantry.app.cluster_view import Absent, ClusterView, PoolView
from tenantry.app.job_source import TraceFile
from tenantry.app.routed import routing_findings, why_left_out
from tenantry.app.simulated_moment import simulated_moment
from tenantry.app.simulation_findings import trace_findings
from tenantry.fair.routing import ANYBODY
from tenantry.io.walk import shown
from tenantry.model.duration import duration_text
from tenantry.model.pool_snapshot import EndSource, Eviction, JobTitle, PoolSnapshot
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.simulate import Question
    from tenantry.app.simulated_moment import SimulatedMoment, SimulatedPool
    from tenantry.app.simulation_runs import Told
    from tenantry.model.trace import TraceJob


def simulated_view(question: Question, at: int, told: Told | None = None) -> ClusterView:
    """Replay until a second, and return the cluster as it stands then.

    What asks about a cluster takes it: :func:`~tenantry.app.explain.explain_job` and
    :func:`~tenantry.app.fairshare.share_out_cluster`. A job is known by its name in the trace, with the name of its
    tenant as its namespace. Times count from the first submission.

    Args:
        question: what is simulated; its scenarios, if any, all lie over the spec.
        at: seconds from the first submission.
        told: told what is being done, how far it is, and of how much.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, no job can be replayed, none goes to the pool asked for, or the replay
            ends before that second because jobs only evict each other.
    """
    found = simulated_moment(question, at, told)
    ends_by = EndSource.TRACE if isinstance(question.source, TraceFile) else EndSource.MADE_UP
    place = Location(found.jobs.file)
    scenarios = "".join(f", scenario {path.stem}" for path in question.scenarios)
    return ClusterView(
        name=f"{shown(question.spec)}, {found.jobs.title}{scenarios}, after {duration_text(at)}",
        pools={pool.pool: _view(pool, ends_by) for pool in found.pools},
        findings=(*trace_findings(found.jobs), *routing_findings(found.routed, place)),
        notes=found.platform.notes,
        after=at,
        absent=lambda: _absent(found, question.pool, at),
    )


def _view(pool: SimulatedPool, ends_by: EndSource) -> PoolView:
    snapshot = PoolSnapshot(
        pool.pool,
        pool.moment,
        titles={name: JobTitle(owner, name) for name, owner in pool.owners.items()},
        tenants=pool.tenants,
        ends=pool.ends,
        ends_by=ends_by,
        evictions={name: Eviction(*item) for name, item in pool.evictions.items()},
    )
    return PoolView(snapshot, pool.scheduler)


# Jobs of the trace that are not there ---------------------------------------------------------------------------------


def _absent(found: SimulatedMoment, only: str, at: int) -> Iterator[Absent]:
    """Jobs that are done, those to come, and those that are not replayed."""
    replayed: set[str] = set()
    for pool in found.pools:
        queues = {tenant: queue for queue, tenant in pool.tenants.items()}
        for index in range(len(pool.table)):
            name = pool.table.name(index)
            replayed.add(name)
            if name in pool.owners:
                continue
            tenant = pool.table.tenants[pool.table.tenant[index]]
            yield Absent(JobTitle(tenant, name), tenant, queues.get(tenant, ""), partial(_when, pool, index, at))
    for job in found.jobs.table:
        if job.name not in replayed:
            tenant = found.tenants.get(job.tenant) or found.tenants.get(ANYBODY, "")
            title = JobTitle(tenant or job.tenant, job.name)
            yield Absent(title, tenant, "", partial(_left_out, found, only, job))


def _when(pool: SimulatedPool, index: int, at: int) -> str:
    finished, submitted = pool.finished.get(index), pool.table.submit[index]
    if finished is not None:
        return f"it finished after {duration_text(finished)} in node pool {pool.pool}"
    if submitted > at:
        return f"it is submitted only after {duration_text(submitted)}, to node pool {pool.pool}"
    return f"node pool {pool.pool} cannot replay it"


def _left_out(found: SimulatedMoment, only: str, job: TraceJob) -> str:
    return f"jobs like it {why_left_out(job, found.platform, found.tenants, only)}"
