"""Replay a trace on the platform of a spec and on scenarios of it, under several policies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenantry.app.job_source import read_jobs
from tenantry.app.routed import Routed, require_known, require_some, routed
from tenantry.app.scheduling import USUAL_TUNING, Scheduling, Tuning, scheduling
from tenantry.app.simulation_findings import findings
from tenantry.app.spec import load
from tenantry.errors import InputError
from tenantry.exec.pool import cores, spread
from tenantry.fair.order import OrderDifference, compare
from tenantry.fair.replay.driver import Replay, replay
from tenantry.fair.replay.policies import fair_share, fifo, static_partition
from tenantry.fair.replay.setup import AS_USUAL, Behaviour
from tenantry.io.tenant_table import load_tenant_table
from tenantry.io.walk import shown
from tenantry.model.problem import nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenantry.app.job_source import Jobs, JobSource
    from tenantry.app.scheduling import PoolScheduling
    from tenantry.app.spec import CheckedSpec
    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.policies import Policy
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.finding import Finding, Severity
    from tenantry.model.job_table import JobTable
    from tenantry.model.moment import Moment

    Told = Callable[[str, int, int], None]
    """Told what is being done, how far it is, and of how much; 0 where that is not known."""

BASE = "base"
"""Name of the spec as it is among the scenarios."""

POLICIES: Mapping[str, Callable[[Setup, KaiScheduler], Policy]] = {
    "fair-share": fair_share,
    "static-partition": static_partition,
    "fifo": fifo,
}
"""Ways to run the work, the deployed one first."""

WORTH_SPREADING = 2_000
"""Jobs of all runs above which starting processes pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is simulated.

    Attributes:
        spec: folder of the spec, or one file.
        environment: overlay of the spec; empty for none.
        source: where jobs come from.
        scenarios: files laid over the spec, one scenario each.
        tenants: table of who is who; None when the trace names tenants of the spec.
        pool: the only node pool of interest; empty for all.
        policies: names of :data:`POLICIES`.
        behaviour: how jobs behave.
        tuning: what of the scheduler no spec says.
        order_seeds: seeds under which the scheduler's open choices are made otherwise, to see what hangs on them.
        workers: processes at most; 0 for one on each core.
    """

    spec: Path
    source: JobSource
    environment: str = ""
    scenarios: Sequence[Path] = ()
    tenants: Path | None = None
    pool: str = ""
    policies: Sequence[str] = tuple(POLICIES)
    behaviour: Behaviour = AS_USUAL
    tuning: Tuning = USUAL_TUNING
    order_seeds: Sequence[int] = ()
    workers: int = 0


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


@dataclass(frozen=True, slots=True)
class Run:
    """One replay.

    Attributes:
        case: name of the case.
        pool: name of the node pool.
        policy: name of the policy.
        setup: the cluster, as it is set up under the policy.
        table: the jobs.
        log: what happened.
        orders: what changes when the scheduler's open choices are made otherwise, by seed.
    """

    case: str
    pool: str
    policy: str
    setup: Setup
    table: JobTable
    log: Log
    orders: Mapping[int, OrderDifference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it.

    Attributes:
        platform: name of the platform.
        jobs: the jobs, as they were read.
        cases: the spec as it is, then its scenarios.
        runs: replays by case, pool and policy, in the order asked for.
        notes: what is simulated otherwise than it is deployed, a sentence each.
    """

    platform: str
    jobs: Jobs
    cases: tuple[Case, ...]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a reader should know before believing any of it: of the trace, then case by case, then run by run."""
        return tuple(findings(self))

    def at_least(self, severity: Severity) -> int:
        """Number of findings at or above a severity."""
        return sum(item.severity >= severity for item in self.findings)


@dataclass(frozen=True, slots=True)
class _Task:
    case: int
    pool: str
    policy: str


@dataclass(frozen=True, slots=True)
class _Common:
    cases: tuple[Case, ...]
    seeds: tuple[int, ...]


def simulate(question: Question, told: Told | None = None) -> Simulation:
    """Replay.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, there is nothing to replay, or the scheduler is not modelled.
    """
    tell = told or (lambda _what, _done, _total: None)
    tell("reading the spec", 0, 0)
    base = load(question.spec, question.environment)
    platform = _seen(question, base)
    if question.pool:
        known_pool(platform, question.pool)
    changed = {name: load(question.spec, question.environment, [path]) for name, path in _named(question.scenarios)}
    platforms = {BASE: platform, **{name: _seen(question, spec) for name, spec in changed.items()}}
    jobs = read_jobs(question.source, platform, only=question.pool, told=lambda done: tell("reading jobs", done, 0))
    tenants = who_is_who(question.tenants, tuple(platforms.values()), jobs)
    cases: list[Case] = []
    for name, seen in platforms.items():
        found = sent(jobs, seen, tenants, question.pool, _counting(f"sending jobs to node pools ({name})", jobs, tell))
        if name == BASE:
            require_some(found, jobs.title)
            cases.append(Case(name, seen, found))
        else:
            cases.append(_compared(Case(name, seen, found), cases[0], unchanged=changed[name].spec == base.spec))
    runs = _replayed(question, tuple(cases), tell)
    return Simulation(base.cluster.name, jobs, tuple(cases), runs, platform.notes)


def _counting(what: str, jobs: Jobs, tell: Told) -> Callable[[int], None]:
    return lambda done: tell(what, done, len(jobs.table))


def sent(
    jobs: Jobs,
    platform: Scheduling,
    tenants: Mapping[str, str],
    only: str = "",
    told: Callable[[int], None] | None = None,
) -> Routed:
    """Send jobs to the pools of a platform; tenants that only other cases have are unknown to it."""
    here = {name: tenant for name, tenant in tenants.items() if tenant in platform.priorities}
    return routed(jobs.table, platform, here, only=only, told=told)


def simulated_moment(question: Question, at: int, pool: str) -> tuple[Moment, KaiScheduler]:
    """Return what the scheduler of a node pool sees at a second of a replay, and the scheduler.

    Args:
        question: what is simulated; its scenarios, if any, all lie over the spec.
        at: seconds from the first submission.
        pool: the node pool.

    Raises:
        SpecError: as :func:`simulate`.
        InputError: as :func:`simulate`, or if no job goes to the pool.
    """
    base = _seen(question, load(question.spec, question.environment))
    platform = _seen(question, load(question.spec, question.environment, question.scenarios))
    found = known_pool(platform, pool)
    jobs = read_jobs(question.source, base, only=question.pool)
    there = sent(jobs, platform, who_is_who(question.tenants, (base, platform), jobs), question.pool)
    require_some(there, jobs.title)
    if pool not in there.tables:
        raise InputError(f"{jobs.title}: no job goes to node pool {pool}")
    setup = replace(found.setup, behaviour=replace(found.setup.behaviour, until=at))
    run = Replay(setup, there.tables[pool], found.scheduler)
    run.run()
    return replace(run.moment(), now=at), found.scheduler


def who_is_who(path: Path | None, platforms: Sequence[Scheduling], jobs: Jobs) -> Mapping[str, str]:
    """Return tenant of the platform by tenant of the trace.

    Args:
        path: table of tenants; None when the trace names tenants of the platform.
        platforms: the spec as it is and its scenarios, which may have tenants of their own.
        jobs: the jobs.

    Raises:
        SpecError: with everything that is wrong with the table.
        InputError: if the table cannot be read, or no tenant of the trace is one of the platform.
    """
    names = sorted({name for platform in platforms for name in platform.priorities})
    tenants = {name: name for name in names} if path is None else load_tenant_table(path, names)
    require_known(jobs.table.tenants, names, tenants, jobs.title)
    return tenants


def known_pool(platform: Scheduling, name: str) -> PoolScheduling:
    """Return a node pool that can be simulated.

    Raises:
        InputError: if there is none of that name, or it cannot be.
    """
    names = [pool.name for pool in platform.pools]
    if name not in names:
        near = nearest_name(name, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"there is no node pool {name!r}; expected one of {', '.join(names)}{hint}")
    found = platform.pools[names.index(name)]
    if found.offer.refused:
        raise InputError(f"node pool {name} cannot be simulated: {found.offer.refused}")
    return found


# Cases ---------------------------------------------------------------------------------------------------------------


def _seen(question: Question, spec: CheckedSpec) -> Scheduling:
    return scheduling(spec.cluster, question.behaviour, question.tuning)


def _named(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return scenarios by name.

    Raises:
        InputError: if two have the same name.
    """
    names: dict[str, Path] = {}
    for path in paths:
        other = names.setdefault(path.stem, path)
        if path.stem == BASE or other is not path:
            taken = "the spec as it is" if path.stem == BASE else shown(other)
            raise InputError(f"{shown(path)}: the name {path.stem!r} stands for {taken}; expected a name of its own")
    return list(names.items())


def _compared(case: Case, base: Case, *, unchanged: bool) -> Case:
    """Return a scenario, saying so when it must give what the base gives."""
    if unchanged:
        return replace(case, same="it changes nothing in the spec")
    if case.platform.pools == base.platform.pools and case.platform.priorities == base.platform.priorities:
        return replace(case, same="it changes nothing that the scheduler sees")
    return case


# Replays -------------------------------------------------------------------------------------------------------------


def _replayed(question: Question, cases: tuple[Case, ...], tell: Told) -> tuple[Run, ...]:
    tasks = [
        _Task(number, pool, policy)
        for number, case in enumerate(cases)
        if not case.same
        for pool in case.jobs.tables
        for policy in question.policies
    ]
    common = _Common(cases, tuple(question.order_seeds))
    sizes = [len(cases[task.case].jobs.tables[task.pool]) for task in tasks]
    total = sum(sizes)
    if total * (1 + len(common.seeds)) > WORTH_SPREADING and (workers := question.workers or cores()) > 1:
        runs = spread(run_task, common, tasks, workers=workers, done=lambda done: tell("replaying", done, len(tasks)))
    else:
        runs = []
        for number, task in enumerate(tasks):
            runs.append(run_task(common, task, _after(sum(sizes[:number]), total, tell)))
    found = {(run.case, run.pool, run.policy): run for run in runs}
    return tuple(
        replace(found[(BASE if case.same else case.name, pool, policy)], case=case.name)
        for case in cases
        for pool in case.jobs.tables
        for policy in question.policies
    )


def _after(before: int, total: int, tell: Told) -> Callable[[int], None]:
    return lambda done: tell("replaying", before + done, total)


def run_task(common: _Common, task: _Task, told: Callable[[int], None] | None = None) -> Run:
    """Do one replay, and those it is compared with."""
    case = common.cases[task.case]
    pool = next(item for item in case.platform.pools if item.name == task.pool)
    table = case.jobs.tables[task.pool]
    policy = POLICIES[task.policy](pool.setup, pool.scheduler)
    log = replay(policy.setup, table, policy.scheduler, progress=told)
    orders = {
        seed: compare(log, replay(policy.setup, table, policy.scheduler.shuffled(seed)), len(table))
        for seed in common.seeds
    }
    return Run(case.name, task.pool, task.policy, policy.setup, table, log, orders)
