"""A mixed-integer linear program as arrays, and what a solver made of it.

Engines write programs and read solutions; only ``solve/`` knows a solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

INFINITY = math.inf


@dataclass(slots=True)
class Program:
    """Minimise ``cost . x`` subject to ``row_lower <= A x <= row_upper`` and ``lower <= x <= upper``.

    Columns and rows are numbered in the order they were added, which is all that identifies them.

    Attributes:
        cost: of each column.
        lower: lowest value of each column.
        upper: highest value of each column, :data:`INFINITY` when there is none.
        integer: whether the column takes whole numbers only.
        row_lower: lowest value of each row.
        row_upper: highest value of each row.
        row_starts: where the entries of each row begin in ``entries``.
        entries: column of each entry, row by row.
        values: factor of each entry.
    """

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    row_starts: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def column(self, cost: float = 0.0, lower: float = 0.0, upper: float = INFINITY, *, integer: bool = True) -> int:
        """Add a variable and return its number."""
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, terms: dict[int, float], lower: float = -INFINITY, upper: float = INFINITY) -> int:
        """Add a constraint over columns and return its number."""
        self.row_starts.append(len(self.entries))
        self.entries.extend(terms)
        self.values.extend(terms.values())
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.row_lower) - 1


class SolveStatus(StrEnum):
    """How far a solver came."""

    OPTIMAL = "optimal"
    """The best there is, within the gap asked for."""
    FEASIBLE = "feasible"
    """Time ran out: a solution, and a bound on how much better another could be."""
    INFEASIBLE = "infeasible"
    """Proved that there is none."""
    NOTHING = "nothing"
    """Time ran out before any solution was found."""


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solver made of a program.

    Attributes:
        status: how far it came.
        values: of each column, whole where the column is; empty without a solution.
        objective: cost of the values; NaN without a solution.
        bound: no solution costs less; minus infinity when unknown.
    """

    status: SolveStatus
    values: tuple[float, ...] = ()
    objective: float = math.nan
    bound: float = -INFINITY

    @property
    def gap(self) -> float:
        """``objective - bound`` as a part of the objective (of 1 where that is less); infinity without a bound."""
        if not self.values or math.isinf(self.bound):
            return INFINITY
        return max(0.0, self.objective - self.bound) / max(1.0, abs(self.objective))


@dataclass(frozen=True, slots=True)
class SolveLimits:
    """When a solver may stop.

    Attributes:
        seconds: of wall-clock time.
        relative_gap: difference of objective and bound, as a part of the objective, that counts as optimal.
        threads: most threads.
    """

    seconds: float = 60.0
    relative_gap: float = 0.0
    threads: int = 2


Solver = Callable[[Program, SolveLimits, "tuple[float, ...] | None"], Solution]
"""Solves a program; a solution at hand may be given, which is returned when no better one is found in time."""
