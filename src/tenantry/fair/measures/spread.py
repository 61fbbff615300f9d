"""How numbers of jobs are spread, when some were still growing at the end of the replay."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from tenantry.fair.measures.result import Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOWDOWN_LEAST = 60
"""Seconds that the work of a job counts for at least in its slowdown, so that short jobs do not decide it."""

_RANKS = {"p50": 50, "p95": 95, "p99": 99, "largest": 100}


def spread(known: Sequence[float], growing: Sequence[float]) -> Spread | None:
    """Describe numbers; None where there are none.

    Args:
        known: numbers that are final, sorted.
        growing: what numbers had reached that were still growing at the end, sorted.
    """
    count = len(known) + len(growing)
    if not count:
        return None
    merged = sorted([*known, *growing]) if growing else known
    values, at_least = {}, ["mean"] if growing else []
    for name, percent in _RANKS.items():
        rank = -(-percent * count // 100)
        values[name] = value = merged[rank - 1]
        # With so many final numbers no larger, growing ones cannot raise it; with fewer they can.
        if growing and bisect_right(known, value) < rank:
            at_least.append(name)
    return Spread(count, len(growing), mean(merged), **values, at_least=tuple(at_least))


def mean(values: Sequence[float]) -> float:
    """Return the mean: exact sums, rounded once."""
    return math.fsum(values) / len(values)


def bounded_slowdown(elapsed: int, work: int) -> float:
    """Return (end - submission) / max(work, 60 s), at least 1 (Feitelson et al., JSSPP 1997)."""
    return max(1.0, elapsed / max(work, SLOWDOWN_LEAST))
