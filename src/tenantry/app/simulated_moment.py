"""What the schedulers of a platform see at one second of a replay, for whoever explains that second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tenantry.app.job_source import read_jobs
from tenantry.app.routed import require_some
from tenantry.app.simulate import known_pool, seen, sent, who_is_who
from tenantry.app.spec import load
from tenantry.errors import InputError
from tenantry.fair.replay.driver import Replay
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.app.scheduling import PoolScheduling
    from tenantry.app.simulate import Question
    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.model.job_table import JobTable
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
    """

    pool: str
    moment: Moment
    scheduler: KaiScheduler
    tenants: Mapping[str, str]
    owners: Mapping[str, str]
    ends: Mapping[str, int]
    evictions: Mapping[str, Evicted]


def simulated_pools(question: Question, at: int) -> tuple[SimulatedPool, ...]:
    """Replay every node pool that gets jobs until a second, with the literal model of the scheduler.

    Args:
        question: what is simulated under the policy that is deployed; its scenarios, if any, all lie over the spec.
        at: seconds from the first submission.

    Returns:
        Node pools ordered by name.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, no job can be replayed, or none goes to the pool asked for.
    """
    base = seen(question, load(question.spec, question.environment))
    platform = seen(question, load(question.spec, question.environment, question.scenarios))
    if question.pool:
        known_pool(platform, question.pool)
    jobs = read_jobs(question.source, base, only=question.pool)
    there = sent(jobs, platform, who_is_who(question.tenants, (base, platform), jobs), question.pool)
    require_some(there, jobs.title)
    if question.pool and question.pool not in there.tables:
        raise InputError(f"{jobs.title}: no job goes to node pool {question.pool}")
    return tuple(_until(known_pool(platform, name), table, at) for name, table in sorted(there.tables.items()))


def _until(pool: PoolScheduling, table: JobTable, at: int) -> SimulatedPool:
    setup = replace(pool.setup, behaviour=replace(pool.setup.behaviour, until=at))
    run = Replay(setup, table, pool.scheduler)
    run.run()
    moment = replace(run.moment(), now=at)
    tenants = {queue: tenant for tenant, queue in sorted(setup.queue_of.items())}
    names = {job.name for job in moment.jobs}
    evictions: dict[str, Evicted] = {}
    for row in run.log:
        if row.happening is Happening.EVICT and (name := table.name(row.job)) in names:
            by = "" if row.cause == NOBODY else table.name(row.cause)
            evictions[name] = Evicted(row.time, ACTIONS[row.detail], by)
    return SimulatedPool(
        pool=pool.name,
        moment=moment,
        scheduler=pool.scheduler,
        tenants=tenants,
        owners={job.name: tenants[job.queue] for job in moment.jobs},
        ends=run.ends(),
        evictions=evictions,
    )
