"""Replay a trace on the platform of a spec and on scenarios of it, under several policies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.app.job_source import read_jobs
from tenantry.app.routed import Routed, require_known, require_some, routed
from tenantry.app.scheduling import USUAL_TUNING, Scheduling, Tuning, scheduling
from tenantry.app.simulation_findings import findings
from tenantry.app.simulation_runs import BASE, FAIR_SHARE, POLICIES, Case, Plan, Run, replayed
from tenantry.app.spec import load
from tenantry.errors import InputError
from tenantry.fair.replay.setup import AS_USUAL, Behaviour
from tenantry.io.tenant_table import load_tenant_table
from tenantry.io.walk import shown
from tenantry.model.problem import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenantry.app.job_source import Jobs, JobSource
    from tenantry.app.scheduling import PoolScheduling
    from tenantry.app.simulation_runs import Told
    from tenantry.app.spec import CheckedSpec
    from tenantry.model.finding import Finding, Severity


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
        policies: names of :data:`~tenantry.app.simulation_runs.POLICIES`; when empty all of them, or with scenarios the
            deployed one, so that what is laid side by side differs in the scenario alone.
        behaviour: how jobs behave.
        tuning: what of the scheduler no spec says.
        order_seeds: seeds under which the scheduler's open choices are made otherwise, to see what hangs on them.
        workers: processes at most; 0 for one on each core.
        literal: whether to run the literal model of the scheduler even where the fast replay gives the same log.
    """

    spec: Path
    source: JobSource
    environment: str = ""
    scenarios: Sequence[Path] = ()
    tenants: Path | None = None
    pool: str = ""
    policies: Sequence[str] = ()
    behaviour: Behaviour = AS_USUAL
    tuning: Tuning = USUAL_TUNING
    order_seeds: Sequence[int] = ()
    workers: int = 0
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it.

    Attributes:
        platform: name of the platform.
        jobs: the jobs, as they were read.
        cases: the spec as it is, then its scenarios.
        runs: replays by pool, case and policy, in the order asked for.
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
        """Number of findings at or above a severity, those of runs of the policy that is deployed included.

        What is found in the other policies is an argument for the deployed one, and nothing to act on.
        """
        deployed = (run for run in self.runs if run.policy == FAIR_SHARE)
        measured = sum(item.severity >= severity for run in deployed for item in run.measured.result.findings)
        return measured + sum(item.severity >= severity for item in self.findings)


def simulate(question: Question, told: Told | None = None) -> Simulation:
    """Replay.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, there is nothing to replay, or the scheduler is not modelled.
    """
    tell = told or (lambda _what, _done, _total: None)
    tell("reading the spec", 0, 0)
    base = load(question.spec, question.environment)
    platform = seen(question, base)
    if question.pool:
        known_pool(platform, question.pool)
    changed = {name: load(question.spec, question.environment, [path]) for name, path in _named(question.scenarios)}
    platforms = {BASE: platform, **{name: seen(question, spec) for name, spec in changed.items()}}
    jobs = read_jobs(question.source, platform, only=question.pool, told=lambda done: tell("reading jobs", done, 0))
    tenants = who_is_who(question.tenants, tuple(platforms.values()), jobs)
    cases: list[Case] = []
    for name, platform_seen in platforms.items():
        found = sent(
            jobs, platform_seen, tenants, question.pool, _counting(f"sending jobs to node pools ({name})", jobs, tell)
        )
        if name == BASE:
            require_some(found, jobs.title)
            cases.append(Case(name, platform_seen, found))
        else:
            cases.append(
                _compared(Case(name, platform_seen, found), cases[0], unchanged=changed[name].spec == base.spec)
            )
    plan = Plan(
        tuple(cases),
        policies=tuple(question.policies) or ((FAIR_SHARE,) if question.scenarios else tuple(POLICIES)),
        seeds=tuple(question.order_seeds),
        literal=question.literal,
    )
    runs = replayed(plan, question.workers, tell)
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
        hint = did_you_mean(name, names)
        raise InputError(f"there is no node pool {name!r}; expected one of {', '.join(names)}{hint}")
    found = platform.pools[names.index(name)]
    if found.offer.refused:
        raise InputError(f"node pool {name} cannot be simulated: {found.offer.refused}")
    return found


# Cases ---------------------------------------------------------------------------------------------------------------


def seen(question: Question, spec: CheckedSpec) -> Scheduling:
    """Return what the schedulers of a spec see."""
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
