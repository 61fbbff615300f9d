"""The log of a replay: one row per thing that happened, in columns so that a million jobs fit in memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = -1
"""Cause of what happens for no other job."""


class Happening(IntEnum):
    """What a row says. ``gpus`` is in milli-GPUs, and what ``cause`` and ``detail`` are depends on the kind."""

    SUBMIT = 0
    """The job asks for ``gpus``."""
    BIND = 1
    """Pods of it get ``gpus``; ``detail`` is the action."""
    RUN = 2
    """All its pods are there: it works from now on."""
    EVICT = 3
    """Pods of it with ``gpus`` are told to leave; ``cause`` is the job it happens for, ``detail`` the action."""
    LOSE = 4
    """``detail`` seconds of its work are lost with the eviction before."""
    RELEASE = 5
    """Evicted pods of it are gone, and their ``gpus`` free."""
    FINISH = 6
    """Its work is done and its ``gpus`` are free."""


ACTIONS = ("allocate", "consolidation", "reclaim", "preempt", "stalegangeviction")
"""Actions by the number rows hold; ``allocate`` stands for every other name too."""


def action_number(name: str) -> int:
    """Number of an action in rows."""
    return ACTIONS.index(name) if name in ACTIONS else 0


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


def _bytes() -> array[int]:
    return array("b")


@dataclass(slots=True)
class Log:
    """Rows in the order they happened.

    Attributes:
        time: seconds.
        happening: :class:`Happening` of each row.
        job: position of the job in the table of jobs.
        gpus: milli-GPUs, by kind of row.
        cause: job it happens for, :data:`NOBODY` for none.
        detail: further number, by kind of row.
        end: last second of the replay.
        cycles: scheduling cycles that were run.
        stuck: whether it was ended because jobs only kept evicting each other.
    """

    time: array[int] = field(default_factory=_longs)
    happening: array[int] = field(default_factory=_bytes)
    job: array[int] = field(default_factory=_longs)
    gpus: array[int] = field(default_factory=_longs)
    cause: array[int] = field(default_factory=_longs)
    detail: array[int] = field(default_factory=_longs)
    end: int = 0
    cycles: int = 0
    stuck: bool = False

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

    def __len__(self) -> int:
        return len(self.time)

    def __iter__(self) -> Iterator[Row]:
        columns = zip(self.time, self.happening, self.job, self.gpus, self.cause, self.detail, strict=True)
        for time, happening, job, gpus, cause, detail in columns:
            yield Row(time, Happening(happening), job, gpus, cause, detail)
