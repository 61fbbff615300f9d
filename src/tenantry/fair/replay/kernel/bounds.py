"""What rules a scenario out by counting alone, before anybody asks for a place.

The original has only the first of these two bounds. The second changes no decision: it holds back scenarios whose
outcome would be thrown away, with nothing left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.judging import saturation
from tenantry.fair.replay.kernel.memory import (
    AHEAD,
    CHOSEN,
    CHOSEN_AT,
    CLASS_AFTER,
    CLASS_HEAD,
    CLASS_REQUEST,
    CONSOLIDATE,
    FIRST_QUEUE,
    FORGETS,
    JOB_GPUS,
    JOB_LEAF,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
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
    QUEUE_FAIR,
    QUEUE_FIRST_CLASS,
    QUEUE_GONE,
    QUEUE_HELD,
    QUEUE_KEEPS,
    QUEUE_LIMIT,
    QUEUE_PARENT,
    QUEUE_PRIORITY,
    QUEUE_QUOTA,
    QUEUE_WIDEST,
    RECLAIM,
    ROOT,
    RUNS,
    SATURATION,
    SEEKER,
    STAMP,
    UNBOUNDED,
)
from tenantry.fair.replay.kernel.order import part_of, precedes
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


def note_waiting(m: Ints) -> None:
    """Note the largest jobs that wait: before the one that seeks room in its queue, and below every queue."""
    seeker = m[SEEKER]
    own = m[seeker + JOB_LEAF]
    m[AHEAD] = 0
    for queue in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        m[queue + QUEUE_WIDEST] = 0
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        kind, widest = m[leaf + QUEUE_FIRST_CLASS], 0
        while kind != NONE:
            request = m[kind + CLASS_REQUEST]
            widest = max(widest, request)
            if leaf == own and request > m[AHEAD] and precedes(m, m[kind + CLASS_HEAD], seeker):
                m[AHEAD] = request
            kind = m[kind + CLASS_AFTER]
        queue = leaf
        while queue != m[ROOT] and m[queue + QUEUE_WIDEST] < widest:
            m[queue + QUEUE_WIDEST] = widest
            queue = m[queue + QUEUE_PARENT]


def may_settle(m: Ints, f: Floats, count: int) -> bool:
    """Whether so many pods of the job and all chosen victims that have to have a place could have one at the same time.

    Those victims have to that may not lose their place, and those that ask before the job does and, if there is no room
    for them, leave none for the job either.
    """
    if m[MODE] == PREEMPT:
        return True
    need, seeker, loyal = m[NEED_AT], m[SEEKER], m[FORGETS] == 1
    own = m[seeker + JOB_GPUS]
    for gpus in range(1, m[MOST] + 1):
        m[need + gpus] = 0
    whole = note_gone(m)
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim = m[place]
        gpus = m[victim + JOB_GPUS]
        kept = loyal and (m[m[victim + JOB_LEAF] + QUEUE_KEEPS] == 1 or would_overtake(m, f, victim, count * own))
        if kept and m[MOVED_IS_KEPT] == 0 and m[MODE] != CONSOLIDATE:
            return False
        if kept or (whole and gpus <= own and asks_before(m, f, victim, count)):
            m[need + gpus] += gone_of(m, victim)
    m[need + own] += count
    for gpus in range(own, 0, -1):  # noqa: SIM110 - compiled, which generators are not
        if m[need + gpus] > 0 and not has_blocks(m, gpus):
            return False
    return True


def would_overtake(m: Ints, f: Floats, victim: int, asked: int) -> bool:
    """Whether the job may not gain so many GPUs while a chosen victim loses any: its queue would overtake another one.

    That is judged where the two queues part (:func:`~.judging.overtakes`). The queue of the job is left with no less
    than without all chosen victims below it, and that of the victim with less than before.
    """
    own, leaf = m[m[SEEKER] + JOB_LEAF], m[victim + JOB_LEAF]
    if m[MODE] != RECLAIM or leaf == own:
        return False
    mine, other = parting(m, own, leaf)
    if f[other + QUEUE_FAIR] <= 0:
        return False
    ratio = saturation(m[mine + QUEUE_BEFORE] - m[mine + QUEUE_GONE] + asked, f[mine + QUEUE_FAIR])
    return ratio > 1 and ratio * f[SATURATION] >= saturation(m[other + QUEUE_BEFORE], f[other + QUEUE_FAIR])


def gone_of(m: Ints, victim: int) -> int:
    """Pods that a victim loses when it is evicted."""
    count = 0
    for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
        if seat_of(m, pod) != NONE:
            count += 1
    return count


def note_gone(m: Ints) -> bool:
    """Note what the chosen victims hold in the queues above the job; return whether none of them waits for pods too."""
    queue = m[m[SEEKER] + JOB_LEAF]
    while queue != m[ROOT]:
        m[queue + QUEUE_GONE] = 0
        queue = m[queue + QUEUE_PARENT]
    whole = True
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim = m[place]
        whole = whole and m[victim + JOB_PENDING] == 0
        gone, queue = gone_of(m, victim) * m[victim + JOB_GPUS], m[victim + JOB_LEAF]
        while queue != m[ROOT]:
            m[queue + QUEUE_GONE] += gone
            queue = m[queue + QUEUE_PARENT]
    return whole


def asks_before(m: Ints, f: Floats, victim: int, count: int) -> bool:
    """Whether a chosen victim, none of whose pods waits, asks before the job, and takes the last room if need be.

    The job comes up only after all before it in its queue, so its queue has to be first with the largest of their
    requests added. As long as the victim has not asked, its queue holds less than before the scenario, and asks for no
    more than the largest job below it does. Where it is first even so, the victim asks before. If it finds no room
    then, there is none for the job either, unless it is a gang that needs more blocks than the job.
    """
    seeker, leaf = m[SEEKER], m[victim + JOB_LEAF]
    own, gpus = m[seeker + JOB_LEAF], m[seeker + JOB_GPUS]
    if leaf == own or m[victim + JOB_PODS] > count * (gpus // m[victim + JOB_GPUS]):
        return False
    queue = leaf
    while queue != m[ROOT]:
        if f[queue + QUEUE_LIMIT] != UNBOUNDED and m[queue + QUEUE_BEFORE] > f[queue + QUEUE_LIMIT]:
            return False
        queue = m[queue + QUEUE_PARENT]
    mine, other = parting(m, own, leaf)
    # A queue above others may still compare with the next job of the one below it whose turn it was last (a quirk), and
    # that job may ask for less.
    least = m[mine + QUEUE_BEFORE] - m[mine + QUEUE_GONE] + (max(m[AHEAD], count * gpus) if mine == own else 0)
    if f[mine + QUEUE_QUOTA] == UNBOUNDED or least <= f[mine + QUEUE_QUOTA]:
        return False
    if f[mine + QUEUE_ABLE] == 0 or f[other + QUEUE_ABLE] == 0:
        return False
    if m[mine + QUEUE_PRIORITY] != m[other + QUEUE_PRIORITY]:
        return m[other + QUEUE_PRIORITY] > m[mine + QUEUE_PRIORITY]
    return part_of(m, f, other, m[other + QUEUE_BEFORE] + m[other + QUEUE_WIDEST]) < part_of(m, f, mine, least)


def has_blocks(m: Ints, gpus: int) -> bool:
    """Whether there are enough blocks of so many GPUs for the pods of a scenario that have to have a place.

    A node with room for k blocks holds pods that take at most k of them, each pod as many as fit in it.
    """
    missing = -places(m, gpus)
    for size in range(gpus, m[MOST] + 1):
        missing += m[m[NEED_AT] + size] * (size // gpus)
    return missing <= 0 or more_places(m, gpus, missing) >= missing
