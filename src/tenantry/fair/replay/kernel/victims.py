"""Who may be evicted for a job, in the order in which they come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.lists import held_list
from tenantry.fair.replay.kernel.memory import (
    CANDIDATES,
    CANDIDATES_AT,
    CONSOLIDATE,
    FILTERS,
    FIRST_JOB,
    FIRST_QUEUE,
    HELD_ENDS,
    JOB,
    JOB_ACTIVE,
    JOB_EARLIER,
    JOB_GPUS,
    JOB_LEAF,
    JOB_LEVEL,
    JOB_PENDING,
    JOB_PODS,
    JOB_RUNNING,
    JOB_STARTED,
    LEVELS,
    MINIMUMS,
    MODE,
    MOVABLE,
    MOVABLE_BITS,
    MOVABLE_TREE,
    NONE,
    NOW,
    PREEMPT,
    QUEUE,
    QUEUE_ABLE,
    QUEUE_ALLOCATED,
    QUEUE_DEPTH,
    QUEUE_HELD,
    QUEUE_NUMBER,
    QUEUE_PARENT,
    QUEUE_PREEMPT_MINIMUM,
    QUEUE_QUOTA,
    RECLAIM,
    RECLAIM_MINIMUM,
    ROOT,
    SEEKER,
    UNBOUNDED,
    VICTIMS,
    WALK_CURSOR,
    WALK_HEAD,
    WALK_REQUEST,
    WALK_TAKEN,
)
from tenantry.fair.replay.kernel.order import first_leaf, move_on, place_branches
from tenantry.fair.replay.kernel.rooms import next_bit

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def begin_victims(m: Ints, f: Floats) -> None:
    """Begin a walk over the jobs that may be evicted for the one that seeks room."""
    seeker = m[SEEKER]
    mode, own, asked = m[MODE], m[seeker + JOB_LEAF], m[seeker + JOB_PENDING] * m[seeker + JOB_GPUS]
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        m[leaf + VICTIMS + WALK_TAKEN] = 0
        m[leaf + VICTIMS + WALK_HEAD] = NONE
        if m[leaf + QUEUE_HELD] == 0 or (mode == PREEMPT and leaf != own):
            continue
        if mode == RECLAIM and (leaf == own or not may_lose(m, f, own, asked, leaf)):
            continue
        if mode == CONSOLIDATE and m[MOVABLE] >= 0:
            first_candidate(m, leaf)
        else:
            first_victim(m, leaf, 0, 1)
    place_branches(m, f, VICTIMS)


def may_lose(m: Ints, f: Floats, own: int, asked: int, leaf: int) -> bool:
    """Whether a leaf can have something reclaimed at all (:func:`tenantry.fair.kai.reclaimable.may_lose`)."""
    if m[FILTERS] == 0:
        return True
    mine, other = parting(m, own, leaf)
    held = m[other + QUEUE_ALLOCATED]
    if f[mine + QUEUE_QUOTA] != UNBOUNDED and m[mine + QUEUE_ALLOCATED] + asked > f[mine + QUEUE_QUOTA]:
        return f[other + QUEUE_ABLE] != UNBOUNDED and held > f[other + QUEUE_ABLE]
    return f[other + QUEUE_QUOTA] == UNBOUNDED or held >= f[other + QUEUE_QUOTA]


def anybody_may_lose(m: Ints, f: Floats, own: int, asked: int) -> bool:
    """Whether any leaf can have something reclaimed by another one that asks for so many GPUs."""
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        if m[leaf + QUEUE_HELD] > 0 and leaf != own and may_lose(m, f, own, asked, leaf):
            return True
    return False


def outranks_any(m: Ints, leaf: int, above: int) -> bool:
    """Whether any possible victim of a leaf is of a lower priority."""
    start = held_list(m, leaf, 0, 0)
    for ends in range(start, start + above * 2 * HELD_ENDS, HELD_ENDS):  # noqa: SIM110 - as above
        if m[ends] != NONE:
            return True
    return False


def parting(m: Ints, one: int, other: int) -> tuple[int, int]:
    """The ancestors at which two leaves part."""
    while m[one + QUEUE_DEPTH] > m[other + QUEUE_DEPTH]:
        one = m[one + QUEUE_PARENT]
    while m[other + QUEUE_DEPTH] > m[one + QUEUE_DEPTH]:
        other = m[other + QUEUE_PARENT]
    while m[one + QUEUE_PARENT] != m[other + QUEUE_PARENT]:
        one, other = m[one + QUEUE_PARENT], m[other + QUEUE_PARENT]
    return one, other


def first_victim(m: Ints, leaf: int, level: int, whole: int) -> None:
    """Find the first victim of a leaf from a list on: lowest priority, complete gangs first, youngest first."""
    above = m[m[SEEKER] + JOB_LEVEL] if m[MODE] == PREEMPT else m[LEVELS]
    while level < above:
        if choose_victim(m, leaf, m[held_list(m, leaf, level, whole) + 1]):
            return
        if whole == 1:
            whole = 0
        else:
            level, whole = level + 1, 1
    m[leaf + VICTIMS + WALK_HEAD] = NONE


def choose_victim(m: Ints, leaf: int, job: int) -> bool:
    """Take the first job of a list from one on that may be evicted; return whether there is any."""
    while job != NONE and not may_be_victim(m, job):
        job = m[job + JOB_EARLIER]
    m[leaf + VICTIMS + WALK_HEAD] = job
    if job == NONE:
        return False
    m[leaf + VICTIMS + WALK_REQUEST] = m[job + JOB_RUNNING] * m[job + JOB_GPUS]
    return True


def may_be_victim(m: Ints, job: int) -> bool:
    """Whether a job may be evicted: not the one that seeks room, and not protected."""
    seeker, mode = m[SEEKER], m[MODE]
    if job == seeker:
        return False
    if mode == CONSOLIDATE or m[job + JOB_STARTED] < 0 or m[MINIMUMS] == 0:
        return True
    leaf = m[job + JOB_LEAF]
    if mode == RECLAIM:
        queues = (m[ROOT] - m[FIRST_QUEUE]) // QUEUE
        row = m[RECLAIM_MINIMUM] + m[m[seeker + JOB_LEAF] + QUEUE_NUMBER] * queues
        minimum = m[row + m[leaf + QUEUE_NUMBER]]
    else:
        minimum = m[leaf + QUEUE_PREEMPT_MINIMUM]
    return m[NOW] >= m[job + JOB_STARTED] + minimum


def next_victim(m: Ints, f: Floats) -> int:
    """Next victim, or -1."""
    leaf = first_leaf(m, f, VICTIMS)
    if leaf == NONE:
        return NONE
    job = m[leaf + VICTIMS + WALK_HEAD]
    m[leaf + VICTIMS + WALK_TAKEN] += m[leaf + VICTIMS + WALK_REQUEST]
    if m[MODE] == CONSOLIDATE and m[MOVABLE] >= 0:
        next_candidate(m, leaf)
    elif not choose_victim(m, leaf, m[job + JOB_EARLIER]):
        if m[job + JOB_ACTIVE] == m[job + JOB_PODS]:
            first_victim(m, leaf, m[job + JOB_LEVEL], 0)
        else:
            first_victim(m, leaf, m[job + JOB_LEVEL] + 1, 1)
    move_on(m, f, VICTIMS, leaf)
    return job


# --- few candidates ---------------------------------------------------------------------------------------------------


def choose_candidates(m: Ints) -> bool:
    """Choose the few oldest jobs that may be moved for the one that seeks room; return whether there are any."""
    if m[MOVABLE] < 0:
        return True
    m[CANDIDATES] = 0
    number = next_bit(m, m[MOVABLE_BITS], m[MOVABLE_TREE], 0)
    # One more than the setting says, as in the original.
    while number != NONE and m[CANDIDATES] <= m[MOVABLE]:
        job = m[FIRST_JOB] + number * JOB
        if job != m[SEEKER]:
            place = m[CANDIDATES_AT] + m[CANDIDATES] - 1
            while place >= m[CANDIDATES_AT] and comes_after(m, m[place], job):
                m[place + 1] = m[place]
                place -= 1
            m[place + 1] = job
            m[CANDIDATES] += 1
        number = next_bit(m, m[MOVABLE_BITS], m[MOVABLE_TREE], number + 1)
    return m[CANDIDATES] > 0


def comes_after(m: Ints, one: int, other: int) -> bool:
    """Whether one candidate comes up after another: by leaf, lowest priority, complete gangs, youngest first."""
    if m[one + JOB_LEAF] != m[other + JOB_LEAF]:
        return m[one + JOB_LEAF] > m[other + JOB_LEAF]
    if m[one + JOB_LEVEL] != m[other + JOB_LEVEL]:
        return m[one + JOB_LEVEL] > m[other + JOB_LEVEL]
    whole, other_whole = m[one + JOB_ACTIVE] == m[one + JOB_PODS], m[other + JOB_ACTIVE] == m[other + JOB_PODS]
    if whole != other_whole:
        return other_whole
    return one < other


def first_candidate(m: Ints, leaf: int) -> None:
    """Find the first of few candidates in a leaf."""
    for place in range(m[CANDIDATES_AT], m[CANDIDATES_AT] + m[CANDIDATES]):
        if m[m[place] + JOB_LEAF] == leaf:
            m[leaf + VICTIMS + WALK_CURSOR] = place - 1
            next_candidate(m, leaf)
            return


def next_candidate(m: Ints, leaf: int) -> None:
    """Find the next of few candidates in a leaf; they are sorted by leaf."""
    place = m[leaf + VICTIMS + WALK_CURSOR] + 1
    m[leaf + VICTIMS + WALK_CURSOR] = place
    m[leaf + VICTIMS + WALK_HEAD] = NONE
    if place < m[CANDIDATES_AT] + m[CANDIDATES] and m[m[place] + JOB_LEAF] == leaf:
        job = m[place]
        m[leaf + VICTIMS + WALK_HEAD] = job
        m[leaf + VICTIMS + WALK_REQUEST] = m[job + JOB_RUNNING] * m[job + JOB_GPUS]
