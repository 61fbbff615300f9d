"""The log of a replay: one row per thing that happened, in columns so that a million jobs fit in memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOBODY = -1
"""Cause of what happens for no other job."""


class Happening(IntEnum):
    """What a row says. ``gpus`` is the change of what the job holds, in milli-GPUs."""

    SUBMIT = 0
    """The job asks for its GPUs; ``gpus`` is what it asks for."""
    BIND = 1
    """Pods of it got their GPUs."""
    RUN = 2
    """All its pods are there: it works from now on."""
    EVICT = 3
    """Pods of it are told to leave; ``cause`` is the job it happens for, ``detail`` the action."""
    LOSE = 4
    """Work is lost with an eviction; ``detail`` is the seconds of it."""
    RELEASE = 5
    """Evicted pods are gone; ``gpus`` is what they held until now."""
    FINISH = 6
    """Its work is done."""


ACTION_CODES = ("allocate", "consolidation", "reclaim", "preempt", "stalegangeviction")
"""Actions by the number rows hold."""


class Row(NamedTuple):
    """One thing that happened; the job is its position in the table of jobs."""

    time: int
    happening: Happening
    job: int
    gpus: int
    cause: int
    detail: int


def _longs() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Log:
    """Rows in the order they happened.

    Attributes:
        time: seconds.
        happening: :class:`Happening` of each row.
        job: position of the job in the table of jobs.
        gpus: change of what the job holds, or what it asks for, in milli-GPUs.
        cause: job it happens for, :data:`NOBODY` for none.
        detail: further number, by kind of row.
        fair_time: seconds at which the fair share of a queue changed while it had less than it asked for.
        fair_queue: position of that queue in ``queues``.
        fair_share: milli-GPUs it was due from then on; what it asked for once it had everything.
        queues: leaf queues, in order of names.
        end: last second of the replay.
        cycles: scheduling cycles that were run.
    """

    time: array[int] = field(default_factory=_longs)
    happening: array[int] = field(default_factory=lambda: array("b"))
    job: array[int] = field(default_factory=_longs)
    gpus: array[int] = field(default_factory=_longs)
    cause: array[int] = field(default_factory=_longs)
    detail: array[int] = field(default_factory=_longs)
    fair_time: array[int] = field(default_factory=_longs)
    fair_queue: array[int] = field(default_factory=_longs)
    fair_share: array[int] = field(default_factory=_longs)
    queues: Sequence[str] = ()
    end: int = 0
    cycles: int = 0

    def add(
        self, time: int, happening: Happening, job: int, *, gpus: int = 0, cause: int = NOBODY, detail: int = 0
    ) -> None:
        """Add a row."""
        self.time.append(time)
        self.happening.append(happening)
        self.job.append(job)
        self.gpus.append(gpus)
        self.cause.append(cause)
        self.detail.append(detail)

    def note_fair(self, time: int, queue: int, share: int) -> None:
        """Note what a queue is due from now on."""
        self.fair_time.append(time)
        self.fair_queue.append(queue)
        self.fair_share.append(share)

    def __len__(self) -> int:
        return len(self.time)

    def __iter__(self) -> Iterator[Row]:
        columns = zip(self.time, self.happening, self.job, self.gpus, self.cause, self.detail, strict=True)
        for time, happening, job, gpus, cause, detail in columns:
            yield Row(time, Happening(happening), job, gpus, cause, detail)

    def same_as(self, other: Log) -> bool:
        """Whether two replays went the same way, to the last row."""
        names = ("time", "happening", "job", "gpus", "cause", "detail", "fair_time", "fair_queue", "fair_share")
        return all(getattr(self, name) == getattr(other, name) for name in names) and self.end == other.end
