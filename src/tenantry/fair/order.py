"""What hangs on choices that the scheduler leaves open, as the order of hash maps: two replays, compared.

A share or a wait that changes with them is not decided by any quota, and nobody should plan with its last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.fair.replay.log import Happening

if TYPE_CHECKING:
    from tenantry.fair.replay.log import Log

NEVER = -1
"""Stands for the start of a job that never starts."""


@dataclass(frozen=True, slots=True)
class OrderDifference:
    """How one replay differs from another of the same jobs.

    Attributes:
        started_otherwise: jobs that first start at another second, or in only one of the two.
        largest_shift: most seconds between the first starts of a job.
        evicted_otherwise: jobs that are evicted more or less often.
        evictions: by how many evictions there are more in the other.
        end: by how many seconds the other ends later.
    """

    started_otherwise: int
    largest_shift: int
    evicted_otherwise: int
    evictions: int
    end: int

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self == OrderDifference(0, 0, 0, 0, 0)


def compare(log: Log, other: Log, jobs: int) -> OrderDifference:
    """Compare two replays of a table of so many jobs."""
    one, two = _starts(log, jobs), _starts(other, jobs)
    shifts = [abs(first - second) for first, second in zip(one, two, strict=True) if NEVER not in {first, second}]
    evicted, evicted_there = _evictions(log, jobs), _evictions(other, jobs)
    return OrderDifference(
        started_otherwise=sum(first != second for first, second in zip(one, two, strict=True)),
        largest_shift=max(shifts, default=0),
        evicted_otherwise=sum(first != second for first, second in zip(evicted, evicted_there, strict=True)),
        evictions=sum(evicted_there) - sum(evicted),
        end=other.end - log.end,
    )


def _starts(log: Log, jobs: int) -> list[int]:
    starts = [NEVER] * jobs
    for time, happening, job in zip(log.time, log.happening, log.job, strict=True):
        if happening == Happening.RUN and starts[job] == NEVER:
            starts[job] = time
    return starts


def _evictions(log: Log, jobs: int) -> list[int]:
    counts = [0] * jobs
    for happening, job in zip(log.happening, log.job, strict=True):
        if happening == Happening.EVICT:
            counts[job] += 1
    return counts
