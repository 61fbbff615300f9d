"""The replays of a simulation: every case, node pool and policy, measured and compared with a static partition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from tenantry.exec.pool import cores, spread
from tenantry.fair.measures import NamedResult, study
from tenantry.fair.order import OrderDifference, compare
from tenantry.fair.replay.policies import fair_share, fifo, static_partition
from tenantry.fair.replay.run import run_replay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.app.routed import Routed
    from tenantry.app.scheduling import PoolScheduling, Scheduling
    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.policies import Policy
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

    Told = Callable[[str, int, int], None]
    """Told what is being done, how far it is, and of how much; 0 where that is not known."""

BASE = "base"
"""Name of the spec as it is among the scenarios."""

FAIR_SHARE, STATIC_PARTITION, FIFO = "fair-share", "static-partition", "fifo"

POLICIES: Mapping[str, Callable[[Setup, KaiScheduler], Policy]] = {
    FAIR_SHARE: fair_share,
    STATIC_PARTITION: static_partition,
    FIFO: fifo,
}
"""Ways to run the work, the deployed one first."""

NOTES: Mapping[str, str] = {
    FAIR_SHARE: "",
    STATIC_PARTITION: "every tenant has its part of the GPUs for itself, by quotas: none lends or borrows",
    FIFO: "jobs start strictly in the order they come, without quotas",
}
"""What a policy is, for readers; nothing of the one that is deployed."""

WORTH_SPREADING = 20_000
"""Jobs of all runs above which starting processes pays."""


@dataclass(frozen=True, slots=True)
class Case:
    """The spec as it is, or one scenario.

    Attributes:
        name: :data:`BASE`, or the name of the scenario's file without its ending.
        platform: what the schedulers see.
        jobs: the jobs of every pool.
        same: why it gives what the base gives, in words; empty when it may differ.
    """

    name: str
    platform: Scheduling
    jobs: Routed
    same: str = ""

    def pool(self, name: str) -> PoolScheduling:
        """Return a node pool; a pool with jobs is one of the platform."""
        return next(item for item in self.platform.pools if item.name == name)


@dataclass(frozen=True, slots=True)
class Run:
    """One replay.

    Attributes:
        case: name of the case.
        pool: name of the node pool.
        policy: name of the policy.
        setup: the cluster as the spec sets it up, whatever queues the policy had.
        table: the jobs.
        log: what happened.
        measured: its measures, under a name that no other run of the pool has.
        orders: what changes when the scheduler's open choices are made otherwise, by seed.
    """

    case: str
    pool: str
    policy: str
    setup: Setup
    table: JobTable
    log: Log
    measured: NamedResult
    orders: Mapping[int, OrderDifference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be replayed.

    Attributes:
        cases: the spec as it is, then its scenarios.
        policies: names of :data:`POLICIES`, in the order of the results.
        seeds: seeds of other orders of what the scheduler leaves open.
        literal: whether to run the literal model of the scheduler always.
    """

    cases: tuple[Case, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    literal: bool = False

    @property
    def pools(self) -> tuple[str, ...]:
        """Node pools with jobs in any case, sorted."""
        return tuple(sorted({pool for case in self.cases for pool in case.jobs.tables}))


class _Task(NamedTuple):
    case: int
    pool: str
    policy: str


class _Replayed(NamedTuple):
    log: Log
    orders: dict[int, OrderDifference]


class _Study(NamedTuple):
    task: _Task
    name: str
    log: Log
    apart: Log


def replayed(plan: Plan, workers: int, tell: Told) -> tuple[Run, ...]:
    """Replay and measure everything; every replay is compared with a static partition of the same case.

    Args:
        plan: what is to be replayed.
        workers: processes at most; 0 for one on each core.
        tell: told how far it is.
    """
    wanted = dict.fromkeys((*plan.policies, STATIC_PARTITION))
    tasks = [
        _Task(number, pool, policy)
        for number, case in enumerate(plan.cases)
        if not case.same
        for pool in case.jobs.tables
        for policy in wanted
    ]
    sizes = [len(plan.cases[task.case].jobs.tables[task.pool]) for task in tasks]
    most = min(workers or cores(), len(tasks))
    alone = most <= 1 or sum(sizes) * (1 + len(plan.seeds)) <= WORTH_SPREADING
    if alone:
        logs = {}
        for position, task in enumerate(tasks):
            logs[task] = replay_task(plan, task, _after(sum(sizes[:position]), sum(sizes), tell))
    else:
        done = spread(replay_task, plan, tasks, workers=most, done=lambda ready: tell("replaying", ready, len(tasks)))
        logs = dict(zip(tasks, done, strict=True))
    studies = [
        _Study(task, _name(plan, task), logs[task].log, logs[task._replace(policy=STATIC_PARTITION)].log)
        for task in tasks
        if task.policy in plan.policies
    ]
    results = spread(
        study_task,
        plan,
        studies,
        workers=1 if alone else most,
        done=lambda ready: tell("measuring", ready, len(studies)),
    )
    measured = {each.task: result for each, result in zip(studies, results, strict=True)}
    return tuple(
        _run(plan, _Task(number, pool, policy), logs, measured)
        for pool in plan.pools
        for number, case in enumerate(plan.cases)
        if pool in case.jobs.tables
        for policy in plan.policies
    )


def _run(plan: Plan, task: _Task, logs: Mapping[_Task, _Replayed], measured: Mapping[_Task, NamedResult]) -> Run:
    case = plan.cases[task.case]
    # A case that must give what the base gives is not replayed again.
    source = task._replace(case=0) if case.same else task
    found, result = logs[source], replace(measured[source], name=_name(plan, task))
    setup, table = case.pool(task.pool).setup, case.jobs.tables[task.pool]
    return Run(case.name, task.pool, task.policy, setup, table, found.log, result, found.orders)


def _name(plan: Plan, task: _Task) -> str:
    """Name a run by what tells it from the others of its pool."""
    if len(plan.cases) == 1:
        return task.policy
    case = plan.cases[task.case].name
    return case if len(plan.policies) == 1 else f"{case} {task.policy}"


def _after(before: int, total: int, tell: Told) -> Callable[[int], None]:
    return lambda done: tell("replaying", before + done, total)


def replay_task(plan: Plan, task: _Task, told: Callable[[int], None] | None = None) -> _Replayed:
    """Do one replay, and those it is compared with."""
    case = plan.cases[task.case]
    pool, table = case.pool(task.pool), case.jobs.tables[task.pool]
    policy = POLICIES[task.policy](pool.setup, pool.scheduler)
    log = run_replay(policy.setup, table, policy.scheduler, literal=plan.literal, progress=told)
    seeds = plan.seeds if task.policy in plan.policies else ()
    orders = {
        seed: compare(log, run_replay(policy.setup, table, policy.scheduler.shuffled(seed)), len(table))
        for seed in seeds
    }
    return _Replayed(log, orders)


def study_task(plan: Plan, task: _Study) -> NamedResult:
    """Measure one replay."""
    case = plan.cases[task.task.case]
    pool, table = case.pool(task.task.pool), case.jobs.tables[task.task.pool]
    policy = POLICIES[task.task.policy](pool.setup, pool.scheduler)
    return study(
        task.name,
        task.log,
        table,
        pool.setup,
        isolated=task.apart,
        scheduler=policy.scheduler.name,
        note=NOTES[task.task.policy],
    )
