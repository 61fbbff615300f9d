"""Whether a scenario may be done, as ``Ledger`` in :mod:`tenantry.fair.kai.reclaimable` judges."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.memory import (
    CHOSEN,
    CHOSEN_AT,
    CONSOLIDATE,
    FIRST_QUEUE,
    JOB_GPUS,
    JOB_LEAF,
    JOB_POD,
    JOB_PODS_END,
    JOB_PREEMPTIBLE,
    MODE,
    MOVED_IS_KEPT,
    NONE,
    POD,
    POD_EVICTED,
    POD_SEAT,
    QUEUE,
    QUEUE_ABLE,
    QUEUE_BEFORE,
    QUEUE_CHILD_COUNT,
    QUEUE_CHILDREN,
    QUEUE_FAIR,
    QUEUE_JUDGED,
    QUEUE_LASTING,
    QUEUE_LEFT,
    QUEUE_PARENT,
    QUEUE_QUOTA,
    RECLAIM,
    ROOT,
    SATURATION,
    SCENARIO,
    SEEKER,
    UNBOUNDED,
)
from tenantry.fair.replay.kernel.victims import parting

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def is_fair(m: Ints, f: Floats, count: int) -> bool:
    """Whether a scenario in which so many pods of the job have places may be done."""
    if m[MODE] == RECLAIM:
        return may_be_taken(m, f, count * m[m[SEEKER] + JOB_GPUS])
    if m[MODE] == CONSOLIDATE:
        for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
            if gone_pods(m, m[place], 1) > 0:
                return False
    return True


def gone_pods(m: Ints, victim: int, moved_is_kept: int) -> int:
    """Pods of a victim that are taken from its queue: those without a place, or all that are evicted."""
    count = 0
    for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
        if m[pod + POD_EVICTED] == m[SCENARIO] and (moved_is_kept == 0 or m[pod + POD_SEAT] == NONE):
            count += 1
    return count


def may_be_taken(m: Ints, f: Floats, asked: int) -> bool:
    """Whether every queue may lose what is taken of it, and nobody overtakes anybody."""
    own = m[m[SEEKER] + JOB_LEAF]
    for queue in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        m[queue + QUEUE_JUDGED] = 0
    leaf, last = NONE, NONE
    while True:
        victim = next_chosen(m, leaf, last)
        if victim == NONE:
            return not overtakes(m, f, asked)
        leaf, last = m[victim + JOB_LEAF], victim
        gone = gone_pods(m, victim, m[MOVED_IS_KEPT]) * m[victim + JOB_GPUS]
        if gone > 0 and not take(m, f, own, leaf, asked, gone):
            return False


def next_chosen(m: Ints, leaf: int, last: int) -> int:
    """The chosen victim after another one, by leaf and age; -1 when there is none."""
    best, best_leaf = NONE, NONE
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        job = m[place]
        own = m[job + JOB_LEAF]
        if own < leaf or (own == leaf and job <= last):
            continue
        if best == NONE or own < best_leaf or (own == best_leaf and job < best):
            best, best_leaf = job, own
    return best


def left_with(m: Ints, queue: int) -> int:
    """GPUs a queue is left with in the scenario that is judged."""
    return m[queue + QUEUE_LEFT] if m[queue + QUEUE_JUDGED] == 1 else m[queue + QUEUE_BEFORE]


def take(m: Ints, f: Floats, own: int, leaf: int, asked: int, gone: int) -> bool:  # noqa: PLR0917
    """Take GPUs of a leaf; return whether its queue holds more than it has a right to before."""
    mine, other = parting(m, own, leaf)
    quota = f[mine + QUEUE_QUOTA]
    in_quota = quota == UNBOUNDED or m[mine + QUEUE_BEFORE] + asked <= quota
    rest = left_with(m, other)
    over_share = f[other + QUEUE_ABLE] != UNBOUNDED and rest > f[other + QUEUE_ABLE]
    over_quota = f[other + QUEUE_QUOTA] != UNBOUNDED and rest > f[other + QUEUE_QUOTA]
    if not over_share and not (in_quota and over_quota):
        return False
    queue = leaf
    while queue != m[ROOT]:
        m[queue + QUEUE_LEFT] = left_with(m, queue) - gone
        m[queue + QUEUE_JUDGED] = 1
        queue = m[queue + QUEUE_PARENT]
    return True


def overtakes(m: Ints, f: Floats, asked: int) -> bool:
    """Whether the queue of the job or one above would be fuller than a sibling it takes from, or exceed its quota."""
    seeker = m[SEEKER]
    queue = m[seeker + JOB_LEAF]
    while queue != m[ROOT]:
        mine = left_with(m, queue) + asked
        if m[queue + QUEUE_JUDGED] == 1:
            m[queue + QUEUE_LEFT] = mine
        ratio, parent = saturation(mine, f[queue + QUEUE_FAIR]), m[queue + QUEUE_PARENT]
        for place in range(m[parent + QUEUE_CHILDREN], m[parent + QUEUE_CHILDREN] + m[parent + QUEUE_CHILD_COUNT]):
            sibling = m[place]
            if m[sibling + QUEUE_JUDGED] == 0 or sibling == queue or ratio <= 1 or f[sibling + QUEUE_FAIR] <= 0:
                continue
            if ratio * f[SATURATION] >= saturation(m[sibling + QUEUE_LEFT], f[sibling + QUEUE_FAIR]):
                return True
        quota = f[queue + QUEUE_QUOTA]
        if m[seeker + JOB_PREEMPTIBLE] == 0 and quota != UNBOUNDED and m[queue + QUEUE_LASTING] + asked > quota:
            return True
        queue = parent
    return False


def saturation(held: int, fair: float) -> float:
    """How full a queue is: what it holds over what it is due."""
    if fair == 0:
        return inf if held > 0 else 0.0
    return held / fair
