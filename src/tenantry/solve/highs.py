"""HiGHS. It proves partition plans in seconds for which other open solvers took more than a minute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tenantry.errors import MissingExtra, TenantryError
from tenantry.model.program import INFINITY, Solution, SolveStatus

if TYPE_CHECKING:
    from tenantry.model.program import Program, SolveLimits

TOLERANCE = 1e-6
"""By how much a row may be missed; what HiGHS allows by default."""


def solve(program: Program, limits: SolveLimits, start: tuple[float, ...] | None = None) -> Solution:
    """Solve a program, deterministically for as long as time does not run out.

    Args:
        program: what to minimise.
        limits: when to stop.
        start: a solution at hand, returned when time runs out before a better one is found; one that breaks a row is
            ignored. HiGHS is not told of it: given a start, 1.16.0 may call it optimal although a better solution
            exists (seen with presolve on, in 12 of 300 small covering programs; 1.15.1 does not).

    Raises:
        MissingExtra: if HiGHS is not installed.
        TenantryError: if HiGHS refuses the program or fails on it, which no program of the engines should bring about.
    """
    highspy, numpy = _library()
    if not program.cost:
        return _empty(program)
    # The class for people, highspy.Highs, greets on standard output (1.16) before it can be told to be silent.
    highs = highspy._Highs()
    # All solves of a process share threads, and one that asks for another number of them than the last is refused.
    highs.resetGlobalScheduler(True)
    for option, value in (
        ("output_flag", False),
        ("random_seed", 0),
        ("threads", limits.threads),
        ("time_limit", float(limits.seconds)),
        ("mip_rel_gap", float(limits.relative_gap)),
        ("mip_abs_gap", 1e-6),
    ):
        highs.setOptionValue(option, value)
    if highs.passModel(_model(program, highspy, numpy)) == highspy.HighsStatus.kError:
        raise TenantryError("the solver refuses the program; this is a bug in Tenantry")
    if highs.run() == highspy.HighsStatus.kError:
        raise TenantryError("the solver fails on the program; this is a bug in Tenantry")
    return _at_least(program, _solution(program, highs, highspy), start)


def _at_least(program: Program, found: Solution, start: tuple[float, ...] | None) -> Solution:
    """Return the start where the solver ran out of time before it found anything as good."""
    if start is None or found.status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE} or not _holds(program, start):
        return found
    cost = math.fsum(cost * value for cost, value in zip(program.cost, start, strict=True))
    if found.values and found.objective <= cost:
        return found
    return Solution(SolveStatus.FEASIBLE, start, cost, min(found.bound, cost))


def _holds(program: Program, values: tuple[float, ...]) -> bool:
    """Whether values keep all bounds and rows."""
    columns = zip(program.lower, values, program.upper, program.integer, strict=True)
    if any(
        not low - TOLERANCE <= value <= high + TOLERANCE or (whole and value != round(value))
        for low, value, high, whole in columns
    ):
        return False
    ends = [*program.row_starts[1:], len(program.entries)]
    for low, high, begin, end in zip(program.row_lower, program.row_upper, program.row_starts, ends, strict=True):
        total = math.fsum(program.values[at] * values[program.entries[at]] for at in range(begin, end))
        if not low - TOLERANCE <= total <= high + TOLERANCE:
            return False
    return True


def _library() -> tuple[Any, Any]:
    try:
        import highspy
        import numpy
    except ImportError as error:
        raise MissingExtra("partition", "planning partitions") from error
    return highspy, numpy


def _empty(program: Program) -> Solution:
    held = all(low <= 0 <= high for low, high in zip(program.row_lower, program.row_upper, strict=True))
    if not held:
        return Solution(SolveStatus.INFEASIBLE)
    return Solution(SolveStatus.OPTIMAL, (), 0.0, 0.0)


def _model(program: Program, highspy: Any, numpy: Any) -> Any:
    """Hand the program over as arrays: building it from expressions takes six times as long."""
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(program.cost), len(program.row_lower)
    model.col_cost_ = numpy.array(program.cost, dtype=float)
    model.col_lower_ = numpy.array(program.lower, dtype=float)
    model.col_upper_ = numpy.array(program.upper, dtype=float)
    model.row_lower_ = numpy.array(program.row_lower, dtype=float)
    model.row_upper_ = numpy.array(program.row_upper, dtype=float)
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in program.integer]
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.num_col_, matrix.num_row_ = model.num_col_, model.num_row_
    matrix.start_ = numpy.array([*program.row_starts, len(program.entries)], dtype=numpy.int32)
    matrix.index_ = numpy.array(program.entries, dtype=numpy.int32)
    matrix.value_ = numpy.array(program.values, dtype=float)
    return model


def _solution(program: Program, highs: Any, highspy: Any) -> Solution:
    status, info = highs.getModelStatus(), highs.getInfo()
    kinds = highspy.HighsModelStatus
    if status in {kinds.kInfeasible, kinds.kUnboundedOrInfeasible}:
        return Solution(SolveStatus.INFEASIBLE)
    bound = info.mip_dual_bound if any(program.integer) else info.objective_function_value
    bound = bound if math.isfinite(bound) else -INFINITY
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Solution(SolveStatus.NOTHING, bound=bound)
    values = tuple(
        float(round(value)) if whole else float(value)
        for value, whole in zip(highs.getSolution().col_value, program.integer, strict=True)
    )
    objective = math.fsum(cost * value for cost, value in zip(program.cost, values, strict=True))
    found = SolveStatus.OPTIMAL if status == kinds.kOptimal else SolveStatus.FEASIBLE
    return Solution(found, values, objective, min(bound, objective))
