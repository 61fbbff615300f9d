"""The flat sequences a replay works on: lists where it runs as it stands, arrays where it is compiled.

GPUs are whole, times are seconds. Jobs come in order of submission and name, nodes and queues in order of names.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import NamedTuple, TypeAlias

Ints: TypeAlias = MutableSequence[int]
Floats: TypeAlias = MutableSequence[float]

NONE = -1
"""No job, no node, no queue, no time."""

WAITS, RUNS, LEAVES = 0, 1, 2
"""Where a pod stands between cycles."""

TAKEN_BACK = -2
"""In ``Pods.promise``: the promise was given to another in the same cycle."""

# Positions in ``State.now``.
(
    NOW, DUE, LAST_CYCLE, NEXT_JOB, ROWS, CYCLES, IDLE_EVICTIONS, STUCK, PENDING_PODS, LIVE_JOBS, LIVE_PODS, FREE_GPUS,
    MIXED, STAMP, HEAP_SIZE, RING_FIRST, RING_COUNT, FAIR_STALE, TOUCHED_JOBS, TOUCHED_NODES, TOUCHED_LEAVES, CHANGED,
    RECORDED, POTENTIAL, CHOSEN, FINISHED, SEATS, ACTION, FLAGGED, PARTIAL, FIFO_HEAD, SEARCHES, SCENARIOS,
) = range(33)  # fmt: skip
SCALARS = 33


class Config(NamedTuple):
    """What does not change during a replay.

    Attributes:
        jobs: how many jobs there are.
        nodes: how many nodes.
        queues: how many queues; the number after the last stands for the root of the tree.
        levels: how many priorities jobs have.
        most: GPUs of the largest node.
        total: GPUs of all nodes.
        period: seconds between cycles.
        leaving: seconds evicted pods take to go.
        checkpoint: seconds of work between checkpoints; -1 when nothing is saved.
        startup: seconds before work begins.
        until: last second, -1 for none.
        fifo: 1 to run jobs first come, first served.
        spread: 1 to place pods on the emptiest nodes.
        consolidates: most running jobs looked at for moving, -1 for all; 0 turns it off.
        reclaims: 1 if reclaim is on.
        preempts: 1 if preempt is on.
        evicts_stale: 1 if incomplete gangs are evicted.
        moved_is_kept: 1 if a reclaimed pod that finds another place does not count as reclaimed.
        signatures: 1 if a job no easier than one that failed is skipped.
        portfolio: 1 if victims are searched node by node first.
        forgets: 1 if nodes of a rejected scenario are forgotten.
        filters: 1 if queues that cannot lose anything are left out.
        grace: seconds an incomplete gang is left alone; negative for ever.
        saturation: how much fuller a victim's queue must be.
        k: weight of past usage, which is none here; it scales all weights alike.
        sizes: how many (priority, pods) pairs there are.
        minimums: how many different minimum run times there are.
        capacity: rows the log has room for.
    """

    jobs: int
    nodes: int
    queues: int
    levels: int
    most: int
    total: int
    period: int
    leaving: int
    checkpoint: int
    startup: int
    until: int
    fifo: int
    spread: int
    consolidates: int
    reclaims: int
    preempts: int
    evicts_stale: int
    moved_is_kept: int
    signatures: int
    portfolio: int
    forgets: int
    filters: int
    grace: int
    saturation: float
    k: float
    sizes: int
    minimums: int
    capacity: int
