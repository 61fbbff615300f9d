"""The plan of one pool: priorities one after another, then demand of priority 0 against the cost of changes.

What a solver finds is never taken on trust: layouts are named, slices are given out again, and of all plans at hand
(the solver's, the greedy one, no change at all) the best is returned. So time that runs out costs proof, not the plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.efficient.partition.assign import assign
from tenantry.efficient.partition.greedy import greedy, score
from tenantry.efficient.partition.program import assigned_counts, chosen_counts, drained_counts, formulate
from tenantry.efficient.partition.serving import figures, serve
from tenantry.efficient.partition.units import units as make_units
from tenantry.model.partition import ChangeCosts, PlannedGpu
from tenantry.model.program import SolveLimits, SolveStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.efficient.partition.program import Formulation
    from tenantry.efficient.partition.units import Units
    from tenantry.model.partition import PartitionPlan, PartitionPool, PartitionRules, PlanFigures
    from tenantry.model.program import Solver

THREADS = 2
"""Threads of the solver."""
LEAST_CHANGE = ChangeCosts(gpu=1, node=1000)
"""Costs where all demand comes before them: nodes first, then GPUs."""
SHORTEST = 0.05
"""Seconds a step gets even when none are left, so that small pools are always solved."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one step of the optimisation came.

    Attributes:
        priority: whose unserved worth it minimised; None for the cost of changes alone.
        weighed: whether the cost of changes was part of it.
        objective: what the plan has of it.
        bound: no plan has less; 0 where nothing better is known.
        proved: whether the plan is proved to have the least.
    """

    priority: int | None
    weighed: bool
    objective: int
    bound: float
    proved: bool

    @property
    def gap(self) -> float:
        """``objective - bound`` as a part of the objective (of 1 where that is less)."""
        return 0.0 if self.proved else max(0.0, self.objective - self.bound) / max(1.0, abs(self.objective))


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it is worth, and how far the proof came.

    Attributes:
        plan: layouts and what they serve.
        figures: what it is worth and takes.
        stages: steps of the optimisation, in order; empty for a plan that was not optimised.
        source: ``solver``, ``greedy`` or ``present``: where the plan comes from.
    """

    plan: PartitionPlan
    figures: PlanFigures
    stages: tuple[Stage, ...] = ()
    source: str = "solver"

    @property
    def proved(self) -> bool:
        """Whether no plan is better, by a proof."""
        return bool(self.stages) and all(stage.proved for stage in self.stages)


def present_plan(
    pool: PartitionPool, rules: PartitionRules, solver: Solver | None, left: Callable[[], float]
) -> tuple[Planned, PartitionRules]:
    """Say what the present layouts serve, and under which rules: nodes that differ now are not held to be alike."""
    rules = replace(rules, uniform=False) if _differ(pool) else rules
    units = make_units(pool, rules)
    plan = _kept(units, solver, left)
    return Planned(plan, figures(pool, plan), source="present"), rules


def _differ(pool: PartitionPool) -> bool:
    rows: dict[str, list[object]] = {}
    for gpu in pool.gpus:
        rows.setdefault(gpu.node, []).append((gpu.index, tuple(sorted(item.profile for item in gpu.layout))))
    return len({tuple(row) for row in rows.values()}) > 1


def _kept(units: Units, solver: Solver | None, left: Callable[[], float]) -> PartitionPlan:
    gpus = tuple(PlannedGpu(gpu.node, gpu.index, gpu.layout) for gpu in units.pool.gpus)
    if units.rules.exclusive and solver is not None:
        form = formulate(units, keep=True)
        values = _staged(form, solver, left, every=True, costs=None)[1]
        if values:
            gpus = assign(units, chosen_counts(form, values), None, assigned_counts(form, values))
    return serve(units.pool, units.rules, gpus, units.spare_nodes)


def plan_pool(
    pool: PartitionPool,
    rules: PartitionRules,
    solver: Solver | None,
    left: Callable[[], float],
    *,
    every: bool = False,
) -> tuple[Planned, Planned]:
    """Plan the layouts of a pool.

    Args:
        pool: what there is and what is wanted.
        rules: what the plan keeps to.
        solver: solves programs; the greedy plan is all there is without one.
        left: seconds that are left, asked before each step.
        every: whether all demand comes before the cost of changes, as guaranteed demand does; of the plans that serve
            most, one that changes the fewest nodes is taken then, and of these one that changes the fewest GPUs.

    Returns:
        The plan, and the greedy one.

    Raises:
        InputError: as :func:`~tenantry.efficient.partition.units.units`.
    """
    units = make_units(pool, rules)
    costs = LEAST_CHANGE if every else rules.costs
    baseline = greedy(units, costs, every=every)
    if solver is None:
        planned = Planned(baseline, figures(pool, baseline), source="greedy")
        return planned, planned
    form = formulate(units, nodes=bool(costs.node))
    served = dict(figures(pool, baseline).unserved)
    stages, values = _staged(form, solver, left, every=every, costs=costs, known=served)
    best, source = baseline, "greedy"
    if values:
        gpus = assign(units, chosen_counts(form, values), drained_counts(form, values), assigned_counts(form, values))
        found = serve(pool, rules, gpus, units.spare_nodes)
        if score(units, found, costs, every=every) <= score(units, best, costs, every=every):
            best, source = found, "solver"
    figured = figures(pool, best)
    return (
        Planned(best, figured, tuple(_told(stage, figured, costs) for stage in stages), source),
        Planned(baseline, figures(pool, baseline), source="greedy"),
    )


def _told(stage: Stage, found: PlanFigures, costs: ChangeCosts) -> Stage:
    """State what the plan at hand has of a step; it need not be the plan that the solver found."""
    objective = dict(found.unserved).get(stage.priority, 0) if stage.priority is not None else 0
    objective += found.cost(costs) if stage.weighed else 0
    return replace(stage, objective=objective, proved=stage.proved and objective <= stage.objective)


def _staged(
    form: Formulation,
    solver: Solver,
    left: Callable[[], float],
    *,
    every: bool,
    costs: ChangeCosts | None,
    known: Mapping[int, int] | None = None,
) -> tuple[list[Stage], tuple[float, ...]]:
    """Minimise one thing after another, and hold each at what was reached.

    Args:
        form: the program; rows are added to it.
        solver: solves it.
        left: seconds that are left.
        every: whether demand of priority 0 comes before the cost of changes, too.
        costs: of changes; None where nothing changes.
        known: what some plan leaves unserved by priority. Where that is nothing, nothing is left to prove.
    """
    steps = _Steps(form, solver, left)
    stages = steps.stages
    easy = known is not None
    for priority in sorted((priority for priority in form.unserved if priority or every), reverse=True):
        easy = easy and known is not None and not known[priority]
        if easy or not form.unserved[priority]:
            stages.append(Stage(priority, weighed=False, objective=0, bound=0.0, proved=True))
        else:
            steps.take(priority, None)
        if stages[-1].objective < form.unserved[priority]:
            form.hold(priority, stages[-1].objective)
    if costs is not None:
        steps.take(None if every else 0, costs)
    return stages, steps.values


class _Steps:
    """Solves a program for one goal after another.

    Attributes:
        stages: how far each step came.
        values: of the columns in the last solution; empty without any.
    """

    def __init__(self, form: Formulation, solver: Solver, left: Callable[[], float]) -> None:
        self.form, self.solver, self.left = form, solver, left
        self.stages: list[Stage] = []
        self.values: tuple[float, ...] = ()

    def take(self, priority: int | None, costs: ChangeCosts | None) -> None:
        """Minimise what is unserved at a priority, with the cost of changes where it is given."""
        program, constant = self.form.costing(priority, costs)
        limits = SolveLimits(max(SHORTEST, self.left()), threads=THREADS)
        solution = self.solver(program, limits, self.values or None)
        # Everything that is counted is whole, so the bound may be rounded up to the next whole number.
        # Nothing of it is negative, which holds even where the solver knows no bound.
        bound = max(0, math.ceil(solution.bound + constant - 1e-6)) if math.isfinite(solution.bound) else 0
        objective, proved = constant, False
        if solution.values:
            self.values = solution.values
            objective = round(solution.objective) + constant
            proved = solution.status is SolveStatus.OPTIMAL or bound >= objective
        self.stages.append(Stage(priority, costs is not None, objective, bound, proved))
