"""What the schedulers of a platform see at one second of a replay, for whoever explains that second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tenantry.app.job_source import read_jobs
from tenantry.app.routed import require_some
from tenantry.app.simulate import known_pool, seen, sent, who_is_who
from tenantry.app.simulation_findings import STUCK
from tenantry.app.spec import load
from tenantry.errors import InputError
from tenantry.fair.replay.driver import Replay
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening
from tenantry.model.job_table import JobTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.app.job_source import Jobs
    from tenantry.app.routed import Routed
    from tenantry.app.scheduling import PoolScheduling, Scheduling
    from tenantry.app.simulate import Question
    from tenantry.app.simulation_runs import Told
    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.model.moment import Moment


class Evicted(NamedTuple):
    """The last time a job was evicted.

    Attributes:
        at: second.
        action: action of the scheduler that did it.
        by: name of the job it happened for; empty for none.
    """

    at: int
    action: str
    by: str


@dataclass(frozen=True, slots=True)
class SimulatedPool:
    """A node pool at one second of a replay, after everything that happened in it.

    Attributes:
        pool: its name.
        moment: queues, jobs and nodes as the scheduler sees them.
        scheduler: the scheduler.
        tenants: tenant by the name of its leaf queue.
        owners: tenant by the name of each job of the moment.
        ends: second at which each running job ends if it is left alone.
        evictions: last eviction of each job of the moment that had one.
        table: jobs of the pool, those of the past and the future included.
        finished: second at which a job was done, by its position in the table.
    """

    pool: str
    moment: Moment
    scheduler: KaiScheduler
    tenants: Mapping[str, str]
    owners: Mapping[str, str]
    ends: Mapping[str, int]
    evictions: Mapping[str, Evicted]
    table: JobTable
    finished: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class SimulatedMoment:
    """A platform at one second of a replay.

    Attributes:
        pools: node pools ordered by name, those without jobs included, those that cannot be simulated not.
        jobs: all jobs, as they were read.
        tenants: tenant of the platform by tenant of the trace.
        platform: the platform as its schedulers see it.
        routed: which job goes where.
    """

    pools: tuple[SimulatedPool, ...]
    jobs: Jobs
    tenants: Mapping[str, str]
    platform: Scheduling
    routed: Routed


def simulated_pools(question: Question, at: int) -> tuple[SimulatedPool, ...]:
    """Return the node pools of :func:`simulated_moment` that get jobs."""
    return tuple(pool for pool in simulated_moment(question, at).pools if len(pool.table))


def simulated_moment(question: Question, at: int, told: Told | None = None) -> SimulatedMoment:
    """Replay every node pool until a second, with the literal model of the scheduler.

    Args:
        question: what is simulated under the policy that is deployed; its scenarios, if any, all lie over the spec.
        at: seconds from the first submission.
        told: told what is being done, how far it is, and of how much; of a replay seconds of the trace.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, no job can be replayed, none goes to the pool asked for, or the replay
            ends before that second because jobs only evict each other.
    """
    tell = told or (lambda _what, _done, _total: None)
    tell("reading the spec", 0, 0)
    base = seen(question, load(question.spec, question.environment))
    platform = seen(question, load(question.spec, question.environment, question.scenarios))
    if question.pool:
        known_pool(platform, question.pool)
    jobs = read_jobs(question.source, base, only=question.pool, told=lambda done: tell("reading jobs", done, 0))
    tenants = who_is_who(question.tenants, (base, platform), jobs)
    counted = len(jobs.table)
    there = sent(jobs, platform, tenants, question.pool, lambda done: tell("sending jobs to node pools", done, counted))
    require_some(there, jobs.title)
    if question.pool and question.pool not in there.tables:
        raise InputError(f"{jobs.title}: no job goes to node pool {question.pool}")
    pools = [pool for pool in platform.pools if not pool.offer.refused and question.pool in {"", pool.name}]
    empty = JobTable()
    return SimulatedMoment(
        pools=tuple(_until(pool, there.tables.get(pool.name, empty), at, tell) for pool in pools),
        jobs=jobs,
        tenants=tenants,
        platform=platform,
        routed=there,
    )


def _until(pool: PoolScheduling, table: JobTable, at: int, tell: Told) -> SimulatedPool:
    setup = replace(pool.setup, behaviour=replace(pool.setup.behaviour, until=at))
    what = f"replaying {pool.name} (seconds)"
    tell(what, 0, at)
    run = Replay(setup, table, pool.scheduler, watch=lambda moment, _: tell(what, moment.now, at))
    run.run()
    if run.log.stuck:
        raise InputError(f"node pool {pool.name} after {run.now:,} s, before the moment asked for: {STUCK}")
    moment = run.moment(at)
    tenants = {queue: tenant for tenant, queue in sorted(setup.queue_of.items())}
    names = {job.name for job in moment.jobs}
    evictions: dict[str, Evicted] = {}
    finished: dict[int, int] = {}
    for row in run.log:
        if row.happening is Happening.EVICT and (name := table.name(row.job)) in names:
            by = "" if row.cause == NOBODY else table.name(row.cause)
            evictions[name] = Evicted(row.time, ACTIONS[row.detail], by)
        elif row.happening is Happening.FINISH:
            finished[row.job] = row.time
    return SimulatedPool(
        pool=pool.name,
        moment=moment,
        scheduler=pool.scheduler,
        tenants=tenants,
        owners={job.name: tenants[job.queue] for job in moment.jobs},
        ends=run.ends(),
        evictions=evictions,
        table=table,
        finished=finished,
    )
