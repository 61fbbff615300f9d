"""What rules a scenario out by counting alone, before anybody asks for a place.

The original has only the first of these two bounds. The second changes no decision: it holds back scenarios whose
outcome would be thrown away, with nothing left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.memory import (
    CHOSEN,
    CHOSEN_AT,
    CONSOLIDATE,
    FIRST_QUEUE,
    FORGETS,
    JOB_GPUS,
    JOB_LEAF,
    JOB_POD,
    JOB_PODS_END,
    MODE,
    MOST,
    MOVED_IS_KEPT,
    NEED_AT,
    NODE_EXTRA,
    NODE_EXTRA_AT,
    NODE_FREE,
    NONE,
    POD,
    POD_NODE,
    POD_PROMISE,
    POD_STATE,
    PREEMPT,
    QUEUE,
    QUEUE_ABLE,
    QUEUE_BEFORE,
    QUEUE_HELD,
    QUEUE_KEEPS,
    QUEUE_QUOTA,
    ROOT,
    RUNS,
    SEEKER,
    STAMP,
    UNBOUNDED,
)
from tenantry.fair.replay.kernel.rooms import fitting, places
from tenantry.fair.replay.kernel.victims import parting

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def seat_of(m: Ints, pod: int) -> int:
    """Node of a pod that runs or is promised a place, -1 of any other."""
    promise = m[pod + POD_PROMISE]
    if promise >= 0:
        return promise
    return m[pod + POD_NODE] if promise == NONE and m[pod + POD_STATE] == RUNS else NONE


def more_places(m: Ints, gpus: int, enough: int) -> int:
    """Count how many more pods of so many GPUs fit once the chosen victims are gone, or until that is enough."""
    m[STAMP] += 1
    stamp, more = m[STAMP], 0
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim = m[place]
        for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
            node = seat_of(m, pod)
            if node == NONE:
                continue
            if m[node + NODE_EXTRA_AT] != stamp:
                m[node + NODE_EXTRA_AT], m[node + NODE_EXTRA] = stamp, 0
            before = fitting(m[node + NODE_FREE] + m[node + NODE_EXTRA], gpus)
            m[node + NODE_EXTRA] += m[victim + JOB_GPUS]
            more += fitting(m[node + NODE_FREE] + m[node + NODE_EXTRA], gpus) - before
            if more >= enough:
                return more
    return more


def would_fit(m: Ints, gpus: int, count: int) -> bool:
    """Whether so many pods would fit with the chosen victims gone, all others aside."""
    missing = count - places(m, gpus)
    return missing <= 0 or more_places(m, gpus, missing) >= missing


def note_keepers(m: Ints, f: Floats, asked: int) -> None:
    """Note the leaves of which nobody may lose its place for so many GPUs, however a scenario goes.

    A job is taken from a leaf only while the queue above it, where it parts from the one that reclaims, holds more than
    it has a right to, and what it holds only shrinks (:func:`~.judging.take`). Who is moved only loses nothing.
    """
    own = m[m[SEEKER] + JOB_LEAF]
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        if m[leaf + QUEUE_HELD] == 0:
            continue
        if m[MODE] == CONSOLIDATE:
            m[leaf + QUEUE_KEEPS] = 1
        elif leaf == own or m[MODE] == PREEMPT:
            m[leaf + QUEUE_KEEPS] = 0
        else:
            mine, other = parting(m, own, leaf)
            held, quota = m[other + QUEUE_BEFORE], f[mine + QUEUE_QUOTA]
            in_quota = quota == UNBOUNDED or m[mine + QUEUE_BEFORE] + asked <= quota
            over_share = f[other + QUEUE_ABLE] != UNBOUNDED and held > f[other + QUEUE_ABLE]
            over_quota = f[other + QUEUE_QUOTA] != UNBOUNDED and held > f[other + QUEUE_QUOTA]
            m[leaf + QUEUE_KEEPS] = 0 if over_share or (in_quota and over_quota) else 1


def may_settle(m: Ints, count: int) -> bool:
    """Whether so many pods of the job and all chosen victims that keep their places could have one at the same time.

    A node with room for k blocks of s GPUs holds pods that take at most k such blocks, each pod as many as fit in it.
    """
    if m[FORGETS] == 0 or m[MODE] == PREEMPT:
        return True
    need, keepers = m[NEED_AT], 0
    for gpus in range(1, m[MOST] + 1):
        m[need + gpus] = 0
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim = m[place]
        if m[m[victim + JOB_LEAF] + QUEUE_KEEPS] == 0:
            continue
        keepers += 1
        for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
            if seat_of(m, pod) != NONE:
                m[need + m[victim + JOB_GPUS]] += 1
    if keepers == 0:
        return True
    if m[MOVED_IS_KEPT] == 0 and m[MODE] != CONSOLIDATE:
        return False
    own = m[m[SEEKER] + JOB_GPUS]
    m[need + own] += count
    for gpus in range(own, 0, -1):  # noqa: SIM110 - compiled, which generators are not
        if m[need + gpus] > 0 and not has_blocks(m, gpus):
            return False
    return True


def has_blocks(m: Ints, gpus: int) -> bool:
    """Whether there are enough blocks of so many GPUs for the pods of a scenario that have to have a place."""
    missing = -places(m, gpus)
    for size in range(gpus, m[MOST] + 1):
        missing += m[m[NEED_AT] + size] * (size // gpus)
    return missing <= 0 or more_places(m, gpus, missing) >= missing
