"""Plan the MIG layouts of a spec's node pools."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenantry.app.partition_findings import partition_findings
from tenantry.app.partition_input import Listed, mig_pools, partition_pools, solvable
from tenantry.app.partition_report import PartitionReport, PoolReport
from tenantry.app.spec import load
from tenantry.efficient.partition.losses import ceilings, losses
from tenantry.efficient.partition.planner import Planned, plan_pool, present_plan
from tenantry.efficient.partition.validate import plan_faults
from tenantry.errors import MissingExtra, SpecError, TenantryError
from tenantry.io.partition_file import load_listed_instances, load_partition_file
from tenantry.model.partition import ChangeCosts, PartitionRules
from tenantry.model.spec.partition_file import MinutesOfChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenantry.app.spec import CheckedSpec
    from tenantry.io.partition_file import LoadedPartitionFile
    from tenantry.model.cluster import Pool
    from tenantry.model.partition import PartitionPool
    from tenantry.model.program import Solver

REST = 0.6
"""Part of the time of a pool that its plan may take; what is left is for what could be served at most."""


@dataclass(frozen=True, slots=True)
class PartitionQuestion:
    """What is asked.

    Attributes:
        spec: folder or file of the spec.
        environment: overlay; empty for none.
        demand: file with demand and present state, or None.
        present: nodes with what ``nvidia-smi mig -lgi`` printed there.
        pinned: whether all instances of ``present`` stay.
        pools: names of the pools to plan; all that are partitioned when empty.
        rules: what plans keep to.
        costs: costs of changes that count before those of the file; None for none.
        seconds: wall-clock time of all pools together.
        greedy: whether no solver is asked.
    """

    spec: Path
    environment: str = ""
    demand: Path | None = None
    present: tuple[tuple[str, Path], ...] = ()
    pinned: bool = False
    pools: tuple[str, ...] = ()
    rules: PartitionRules = field(default_factory=PartitionRules)
    costs: tuple[int | None, int | None] = (None, None)
    seconds: float = 60.0
    greedy: bool = False


def partition(
    question: PartitionQuestion,
    *,
    clock: Callable[[], float] = time.monotonic,
    done: Callable[[int, int], None] | None = None,
) -> PartitionReport:
    """Plan all pools that are asked for, one after another, and check every plan by counting again.

    Args:
        question: what is asked.
        clock: seconds that pass.
        done: told how many pools are done and of how many.

    Raises:
        SpecError: with every problem of the spec, the demand file and the listings.
        InputError: if one of them cannot be read, or no plan can keep to the rules.
        TenantryError: if a plan does not pass the check, which is a bug.
    """
    checked = load(question.spec, question.environment, tolerated=solvable)
    file = load_partition_file(question.demand) if question.demand else None
    pools = mig_pools(checked.cluster, question.pools)
    listed = [Listed(node, load_listed_instances(path), question.pinned) for node, path in question.present]
    _refuse_unknown_profiles(checked, pools)
    wanted = partition_pools(checked.cluster, pools, file, listed)
    rules = replace(question.rules, costs=_costs(question, file))
    solver, notes = _solver(question)
    minutes = file.content.minutes if file else MinutesOfChange()
    found = []
    begin = clock()
    for number, (pool, subject) in enumerate(zip(pools, wanted, strict=True)):
        share = (question.seconds - (clock() - begin)) / (len(pools) - number)
        found.append(_one(subject, pool, rules, solver=solver, clock=_Time(clock, share), minutes=minutes))
        if done is not None:
            done(number + 1, len(pools))
    report = PartitionReport(
        name=checked.cluster.name,
        environment=question.environment,
        pools=tuple(found),
        rules=rules,
        seconds=question.seconds,
        notes=tuple(notes),
        refused=checked.tolerated,
        cluster=checked.cluster,
    )
    return replace(report, findings=partition_findings(report, file.file if file else str(question.spec)))


def _refuse_unknown_profiles(checked: CheckedSpec, pools: Sequence[Pool]) -> None:
    """Keep the problems of quotas whose profile the GPU of the pool does not have: no layout solves them."""
    gpu_of = {pool.name: pool.gpu for pool in pools}
    tenants = {tenant.name: tenant for tenant in checked.spec.tenants}
    lasting = []
    for problem in checked.tolerated:
        if problem.rule != "SPEC-QUOTA-UNIT" or len(problem.path) < 5 or problem.path[3] != "slices":
            continue
        quota = tenants[problem.subject.name].spec.quotas[int(problem.path[2])]
        if quota.pool in gpu_of and gpu_of[quota.pool].profile(str(problem.path[4])) is None:
            names = ", ".join(profile.name for profile in gpu_of[quota.pool].profiles)
            lasting.append(replace(problem, expected=f"one of {names}"))
    if lasting:
        raise SpecError(lasting)


def _costs(question: PartitionQuestion, file: LoadedPartitionFile | None) -> ChangeCosts:
    stated = ChangeCosts(file.content.costs.gpu, file.content.costs.node) if file else ChangeCosts()
    gpu, node = question.costs
    return ChangeCosts(stated.gpu if gpu is None else gpu, stated.node if node is None else node)


def _solver(question: PartitionQuestion) -> tuple[Solver | None, list[str]]:
    if question.greedy:
        return None, ["no solver was asked (--greedy): the plan is the greedy one and nothing is proved"]
    from tenantry.model.program import Program, SolveLimits
    from tenantry.solve.highs import solve

    try:
        solve(Program(), SolveLimits())
    except MissingExtra as error:
        return None, [f"{error}; the plan is the greedy one and nothing is proved"]
    return solve, []


class _Time:
    """Hands out the time of one pool."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self.clock, self.begin, self.seconds = clock, clock(), seconds

    def passed(self) -> float:
        return self.clock() - self.begin

    def left(self, part: float = 1.0) -> float:
        return self.seconds * part - self.passed()


def _one(
    subject: PartitionPool,
    pool: Pool,
    rules: PartitionRules,
    *,
    solver: Solver | None,
    clock: _Time,
    minutes: MinutesOfChange,
) -> PoolReport:
    plan, greedy = plan_pool(subject, rules, solver, lambda: clock.left(REST))
    seconds = clock.passed()
    present, present_rules = present_plan(subject, rules, solver, lambda: clock.left(0.8))
    most: Planned | None = None
    if any(missing for _, missing in plan.figures.unserved) and solver is not None:
        most, _ = plan_pool(subject, rules, solver, clock.left, every=True)
    _checked(subject, rules, plan, greedy, most)
    _checked(subject, present_rules, present)
    return PoolReport(
        pool=subject,
        cluster_pool=pool,
        rules=rules,
        plan=plan,
        greedy=greedy,
        present=present,
        most=most,
        ceilings=ceilings(subject, rules),
        losses=losses(subject, plan.plan),
        losses_before=losses(subject, present.plan),
        seconds=seconds,
        minutes=(minutes.drain, minutes.reconfigure),
    )


def _checked(subject: PartitionPool, rules: PartitionRules, *plans: Planned | None) -> None:
    """Refuse to hand out a plan that the validator does not accept.

    Raises:
        TenantryError: naming what is wrong.
    """
    for item in plans:
        faults = plan_faults(subject, rules, item.plan, item.figures) if item is not None else ()
        if faults:
            raise TenantryError(
                f"the plan of node pool {subject.name} does not pass its check, a bug in Tenantry: {faults[0]}"
            )
