"""Series over time: what every queue held, was due and waited for, in a few hundred buckets."""

from __future__ import annotations

from dataclasses import dataclass

BUCKETS = 240
"""Buckets of a series unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Series:
    """One number over time, per bucket.

    Attributes:
        mean: mean over time.
        least: smallest value.
        most: largest value.
    """

    mean: tuple[float, ...]
    least: tuple[int, ...]
    most: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QueueSeries:
    """A queue over time; amounts are in milli-GPUs.

    Attributes:
        name: name.
        parent: queue above; empty for a top queue.
        leaf: whether it takes jobs.
        quota: what it is guaranteed; the whole cluster where its quota has no bound.
        held: what it held.
        due: what it was due.
        waiting: what its jobs asked for and did not hold.
        length: how many of its jobs lacked pods.
    """

    name: str
    parent: str
    leaf: bool
    quota: int
    held: Series
    due: Series
    waiting: Series
    length: Series


@dataclass(frozen=True, slots=True)
class Timeline:
    """Series over time.

    Attributes:
        edges: seconds at which buckets begin, and the one at which the last ends.
        capacity: milli-GPUs of the cluster.
        allocated: milli-GPUs held by pods, those that leave included.
        waiting: milli-GPUs asked for and not held.
        queues: queues, each before those below it, siblings by name.
    """

    edges: tuple[int, ...]
    capacity: int
    allocated: Series
    waiting: Series
    queues: tuple[QueueSeries, ...]
