from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.model.program import Program, Solution, SolveLimits, SolveStatus
from tenantry.solve.highs import _at_least, solve

LIMITS = SolveLimits(seconds=30, threads=1)


def test_a_knapsack_is_solved_and_its_bound_meets_the_objective() -> None:
    program = Program()
    # Values 10, 13 and 7 for weights 3, 4 and 2 within 6: the last two, worth 20.
    columns = [program.column(-value, upper=1) for value in (10, 13, 7)]
    program.row(dict(zip(columns, (3, 4, 2), strict=True)), upper=6)
    found = solve(program, LIMITS)
    assert (found.status, found.values, found.objective, found.bound) == (SolveStatus.OPTIMAL, (0, 1, 1), -20, -20)
    assert found.gap == 0


def test_one_process_may_solve_with_different_numbers_of_threads() -> None:
    program = Program()
    program.row({program.column(1.0): 1.0}, lower=2)
    found = [solve(program, SolveLimits(seconds=30, threads=threads)).objective for threads in (2, 1, 2)]
    assert found == [2, 2, 2]


def test_what_cannot_be_is_proved_so() -> None:
    program = Program()
    program.row({program.column(1, upper=3): 1}, lower=4)
    assert solve(program, LIMITS).status is SolveStatus.INFEASIBLE


def test_a_program_without_variables_holds_when_its_rows_allow_zero() -> None:
    assert solve(Program(), LIMITS).status is SolveStatus.OPTIMAL
    program = Program()
    program.row({}, lower=1)
    assert solve(program, LIMITS).status is SolveStatus.INFEASIBLE


def test_nothing_is_written_to_standard_output() -> None:
    # A process of its own: what a library writes below Python is written once per process.
    code = (
        "from tenantry.model.program import Program, SolveLimits; from tenantry.solve.highs import solve; "
        "program = Program(); program.row({program.column(1): 1}, lower=2); "
        "solve(program, SolveLimits(), (3.0,))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    program = Program()
    columns = [program.column(draw(st.integers(-5, 5)), upper=draw(st.integers(0, 3))) for _ in range(4)]
    for _ in range(draw(st.integers(0, 3))):
        terms = {column: float(draw(st.integers(-3, 3))) for column in columns}
        program.row(terms, draw(st.integers(-6, 2)), draw(st.integers(2, 8)))
    return program


def covering() -> Program:
    """Fewest GPUs with four small slices, two small and a large one, or two large ones, so that two slices serve."""
    program = Program()
    layouts = [program.column(1) for _ in range(3)]
    small, large = program.column(), program.column()
    program.row({small: 0.6, large: 0.6}, lower=1)
    program.row({layouts[0]: 4, layouts[1]: 2, small: -1}, lower=0)
    program.row({layouts[1]: 1, layouts[2]: 2, large: -1}, lower=0)
    return program


def test_a_start_that_is_worse_than_the_optimum_is_never_called_optimal() -> None:
    # One GPU suffices; HiGHS 1.16.0, told of a plan with two, says that two are optimal.
    found = solve(covering(), LIMITS, (2.0, 0.0, 0.0, 2.0, 0.0))
    assert (found.status, found.objective, found.bound) == (SolveStatus.OPTIMAL, 1, 1)


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ((2.0, 0.0, 0.0, 2.0, 0.0), SolveStatus.FEASIBLE),
        ((2.0, 0.0, 0.0, 1.0, 0.0), SolveStatus.NOTHING),
        ((2.5, 0.0, 0.0, 2.0, 0.0), SolveStatus.NOTHING),
        ((1.0, 1.0, -1.0, 2.0, 0.0), SolveStatus.NOTHING),
        (None, SolveStatus.NOTHING),
    ],
    ids=["good", "breaks a row", "not whole", "out of bounds", "none"],
)
def test_without_time_the_start_is_what_there_is(start: tuple[float, ...] | None, status: SolveStatus) -> None:
    found = _at_least(covering(), Solution(SolveStatus.NOTHING, bound=0.5), start)
    assert found.status is status
    if status is SolveStatus.FEASIBLE:
        assert (found.values, found.objective, found.bound) == (start, 2, 0.5)


def test_a_start_gives_way_to_what_is_as_good() -> None:
    other = Solution(SolveStatus.FEASIBLE, (1.0, 1.0, 0.0, 2.0, 0.0), 2, 0.5)
    assert _at_least(covering(), other, (2.0, 0.0, 0.0, 2.0, 0.0)) is other


@settings(max_examples=60, deadline=None)
@given(programs())
def test_optimum_is_that_of_trying_everything(program: Program) -> None:
    best = None
    for values in product(*(range(int(upper) + 1) for upper in program.upper)):
        rows = [0.0] * len(program.row_lower)
        ends = [*program.row_starts, len(program.entries)][1:]
        for row, (begin, end) in enumerate(zip(program.row_starts, ends, strict=True)):
            rows[row] = sum(program.values[at] * values[program.entries[at]] for at in range(begin, end))
        if all(low <= got <= high for low, got, high in zip(program.row_lower, rows, program.row_upper, strict=True)):
            cost = sum(cost * value for cost, value in zip(program.cost, values, strict=True))
            best = cost if best is None else min(best, cost)
    found = solve(program, LIMITS)
    if best is None:
        assert found.status is SolveStatus.INFEASIBLE
    else:
        assert found.status is SolveStatus.OPTIMAL
        assert found.objective == pytest.approx(best)
