"""The actions of a cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.changes import commit, count_again, forget_promises, let_go, place_job
from tenantry.fair.replay.kernel.lists import first_ready, forget_whole, note_unready
from tenantry.fair.replay.kernel.memory import (
    ACTION,
    ALL_ROWS,
    CHANGED,
    CLASS_AFTER,
    CLASS_FLAG,
    CLASS_GPUS,
    CLASS_HEAD,
    CLASS_LASTING,
    CLASS_LEAF,
    CLASS_PODS,
    CLASS_PREEMPTIBLE,
    CLASS_REQUEST,
    CLASS_SIZE,
    CONSOLIDATE,
    CYCLE,
    EVICTS_STALE,
    FAILED,
    FAILURE,
    FIFO,
    FIFO_FIRST,
    FIRST_JOB,
    FIRST_QUEUE,
    FIRST_SHAPE,
    FLAGGED,
    FLAGGED_AT,
    FREE,
    GRACE,
    JOB,
    JOB_CLASS,
    JOB_GPUS,
    JOB_LEAF,
    JOB_LEVEL,
    JOB_NEXT_PARTIAL,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
    JOB_PODS_END,
    JOB_POSSIBLE,
    JOB_STALE,
    LEAVES,
    MAIN,
    MOST,
    MOVABLE,
    MOVABLE_BITS,
    NEXT_JOB,
    NONE,
    NOW,
    ONLY_PREEMPTIBLE,
    PARTIAL,
    POD,
    POD_BATCH,
    POD_NODE,
    POD_PROMISE,
    POD_STATE,
    PREEMPT,
    PREEMPTS,
    QUEUE,
    QUEUE_ALLOCATED,
    QUEUE_DEPTH,
    QUEUE_FAIR,
    QUEUE_FIRST_CLASS,
    QUEUE_FLAG,
    QUEUE_HELD,
    QUEUE_LASTING,
    QUEUE_NUMBER,
    QUEUE_PARENT,
    QUEUE_QUOTA,
    RECLAIM,
    RECLAIMS,
    ROOT,
    RUNS,
    SEEKER,
    SELECTION,
    SHAPE_AFTER,
    SHAPE_GPUS,
    SHAPE_PODS,
    SIGNATURES,
    SIZES,
    STALE,
    STAMP,
    TAKEN_BACKS,
    TOUCHED_JOBS,
    TOUCHED_LEAVES,
    TOUCHED_NODES,
    UNBOUNDED,
)
from tenantry.fair.replay.kernel.order import begin_walk, enter, next_job, place_branches, precedes, settle
from tenantry.fair.replay.kernel.rooms import places, shift
from tenantry.fair.replay.kernel.scenarios import solve
from tenantry.fair.replay.kernel.search import enter_others
from tenantry.fair.replay.kernel.shares import charge, is_refused, share_out
from tenantry.fair.replay.kernel.victims import anybody_may_lose, choose_candidates, outranks_any

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def cycle(m: Ints, f: Floats) -> None:
    """Run all actions once, then forget what counted in this cycle only."""
    m[STAMP] += 1
    m[CYCLE] = m[STAMP]
    m[TOUCHED_JOBS] = m[TOUCHED_NODES] = m[TOUCHED_LEAVES] = m[TAKEN_BACKS] = m[CHANGED] = 0
    if m[FIFO] == 1:
        allocate_in_turn(m)
        return
    note_unready(m)
    allocate(m, f)
    if m[MOVABLE] != 0:
        act(m, f, CONSOLIDATE)
    if m[RECLAIMS] == 1:
        act(m, f, RECLAIM)
    if m[PREEMPTS] == 1:
        act(m, f, PREEMPT)
    if m[EVICTS_STALE] == 1:
        evict_stale(m)
    forget_promises(m)
    forget_whole(m)


# --- allocate ---------------------------------------------------------------------------------------------------------


def allocate(m: Ints, f: Floats) -> None:
    """Place waiting jobs on what is free, in fair order."""
    leaves = flag_fitting(m, f)
    if leaves <= 1:
        # Nobody to compare with: jobs go in the order of their queue.
        while m[FLAGGED] > 0:
            place_job(m, first_flagged(m))
            keep_fitting(m, f)
        return
    share_out(m, f)
    begin_walk(m, MAIN, m[SELECTION])
    enter_flagged(m)
    place_branches(m, f, MAIN)
    while m[FLAGGED] > 0:
        job = next_job(m, f, MAIN)
        if job == NONE:
            return
        place_job(m, job)
        keep_fitting(m, f)


def flag_fitting(m: Ints, f: Floats) -> int:
    """Flag the classes whose jobs fit; return of how many leaves they are."""
    m[STAMP] += 1
    m[SELECTION] = m[STAMP]
    m[FLAGGED] = 0
    shape = m[FIRST_SHAPE]
    while shape != NONE and places(m, m[shape + SHAPE_GPUS]) < m[shape + SHAPE_PODS]:
        shape = m[shape + SHAPE_AFTER]
    if shape == NONE:
        return 0
    leaves = 0
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        kind, before = m[leaf + QUEUE_FIRST_CLASS], m[FLAGGED]
        while kind != NONE:
            if fits_class(m, f, kind):
                m[kind + CLASS_FLAG] = m[SELECTION]
                m[m[FLAGGED_AT] + m[FLAGGED]] = kind
                m[FLAGGED] += 1
            kind = m[kind + CLASS_AFTER]
        if m[FLAGGED] > before:
            leaves += 1
            m[leaf + QUEUE_FLAG] = m[SELECTION]
    return leaves


def fits_class(m: Ints, f: Floats, kind: int) -> bool:
    """Whether jobs of a class have room and are within limits, and one of them is ready."""
    if places(m, m[kind + CLASS_GPUS]) < m[kind + CLASS_PODS] or first_ready(m, m[kind + CLASS_HEAD]) == NONE:
        return False
    return not is_refused(m, f, m[kind + CLASS_LEAF], m[kind + CLASS_REQUEST], m[kind + CLASS_PREEMPTIBLE])


def keep_fitting(m: Ints, f: Floats) -> None:
    """Take the flag of classes whose jobs do not fit any more."""
    start, count = m[FLAGGED_AT], 0
    for place in range(start, start + m[FLAGGED]):
        kind = m[place]
        if fits_class(m, f, kind):
            m[start + count] = kind
            count += 1
        else:
            m[kind + CLASS_FLAG] = 0
    m[FLAGGED] = count


def first_flagged(m: Ints) -> int:
    """First ready job of all flagged classes, which are of one leaf."""
    best = NONE
    for place in range(m[FLAGGED_AT], m[FLAGGED_AT] + m[FLAGGED]):
        job = first_ready(m, m[m[place] + CLASS_HEAD])
        if job != NONE and precedes(m, job, best):
            best = job
    return best


def enter_flagged(m: Ints) -> None:
    """Let the leaves take part that matter: those with flagged classes, and all where queues above are compared."""
    deep = False
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        if m[leaf + QUEUE_FLAG] == m[SELECTION]:
            enter(m, MAIN, leaf)
            deep = deep or m[leaf + QUEUE_DEPTH] > 0
    if deep:
        enter_others(m, MAIN)


def allocate_in_turn(m: Ints) -> None:
    """Place jobs in order of submission until one has to wait; those too large for the cluster do not count."""
    job, last = m[FIFO_FIRST], m[FIRST_JOB] + m[NEXT_JOB] * JOB
    while job < last:
        if m[job + JOB_PENDING] > 0 and m[job + JOB_POSSIBLE] == 1:
            if places(m, m[job + JOB_GPUS]) < m[job + JOB_PODS]:
                break
            place_job(m, job)
        job += JOB
    m[FIFO_FIRST] = job


# --- actions that evict -----------------------------------------------------------------------------------------------


def act(m: Ints, f: Floats, action: int) -> None:
    """Search victims for one job after the other, in fair order."""
    if m[m[MOVABLE_BITS]] == 0 or (action == CONSOLIDATE and not any_within_free(m)):
        return
    if action == RECLAIM:
        share_out(m, f)
    note_unready(m)
    m[STAMP] += 1
    m[SELECTION] = m[ACTION] = m[STAMP]
    flag_worthy(m, f, action)
    if m[FLAGGED] == 0:
        return
    # Not before, as most often nothing is worth a search; and not later, as what is asked for changes from here on.
    share_out(m, f)
    begin_walk(m, MAIN, m[SELECTION])
    m[MAIN + ONLY_PREEMPTIBLE] = 1 if action == CONSOLIDATE else 0
    enter_others(m, MAIN)
    place_branches(m, f, MAIN)
    while m[FLAGGED] > 0:
        job = next_job(m, f, MAIN)
        if job == NONE:
            return
        settle(m, f, MAIN)
        kind = m[job + JOB_CLASS]
        if not is_worthy(m, f, action, kind):
            m[kind + CLASS_FLAG] = 0
            m[FLAGGED] -= 1
        elif solve_for(m, f, action, job):
            commit(m, action, job)
            flag_worthy(m, f, action)
        else:
            note_failed(m, action, kind)


def any_within_free(m: Ints) -> bool:
    """Whether any job that waits asks for no more than is free in all."""
    shape = m[FIRST_SHAPE]
    while shape != NONE and m[shape + SHAPE_PODS] * m[shape + SHAPE_GPUS] > m[FREE]:
        shape = m[shape + SHAPE_AFTER]
    return shape != NONE


def flag_worthy(m: Ints, f: Floats, action: int) -> None:
    """Flag the classes for whose jobs victims may be searched as things stand."""
    m[FLAGGED] = 0
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        kind = m[leaf + QUEUE_FIRST_CLASS]
        while kind != NONE:
            worthy = is_worthy(m, f, action, kind)
            m[kind + CLASS_FLAG] = m[SELECTION] if worthy else 0
            m[FLAGGED] += 1 if worthy else 0
            kind = m[kind + CLASS_AFTER]


def is_worthy(m: Ints, f: Floats, action: int, kind: int) -> bool:
    """Whether victims may be searched for jobs of a class as things stand."""
    # What rules most of them out comes first.
    leaf, request = m[kind + CLASS_LEAF], m[kind + CLASS_REQUEST]
    if action == CONSOLIDATE:
        if m[FREE] < request or m[kind + CLASS_PREEMPTIBLE] == 0:
            return False
    elif action == RECLAIM:
        if not may_reclaim(m, f, kind) or not anybody_may_lose(m, f, leaf, request):
            return False
    elif m[leaf + QUEUE_HELD] == 0 or not outranks_any(m, leaf, m[m[kind + CLASS_HEAD] + JOB_LEVEL]):
        return False
    if m[kind + CLASS_GPUS] > m[MOST] or is_hopeless(m, action, kind):
        return False
    if action != PREEMPT:
        return True
    # Where some of their sort may be evicted, jobs above the quota have to come up: larger ones are not tried then.
    return m[kind + CLASS_LASTING] == 0 or not is_over_quota(m, f, kind)


def may_reclaim(m: Ints, f: Floats, kind: int) -> bool:
    """Whether jobs of a class stay within the fair share of their queue and, if they may not be evicted, its quota."""
    leaf, request = m[kind + CLASS_LEAF], m[kind + CLASS_REQUEST]
    if m[leaf + QUEUE_ALLOCATED] + request > f[leaf + QUEUE_FAIR]:
        return False
    quota = f[leaf + QUEUE_QUOTA]
    return m[kind + CLASS_PREEMPTIBLE] == 1 or quota == UNBOUNDED or m[leaf + QUEUE_LASTING] + request <= quota


def solve_for(m: Ints, f: Floats, action: int, job: int) -> bool:
    """Search victims for a job, where nothing rules out at once that there are any."""
    kind = m[job + JOB_CLASS]
    if action == CONSOLIDATE:
        m[SEEKER] = job
        return choose_candidates(m) and solve(m, f, action, job)
    return not (action == PREEMPT and is_over_quota(m, f, kind)) and solve(m, f, action, job)


def is_over_quota(m: Ints, f: Floats, kind: int) -> bool:
    """Whether jobs of a class that may not be evicted would take a queue above its quota."""
    if m[kind + CLASS_PREEMPTIBLE] == 1:
        return False
    queue = m[kind + CLASS_LEAF]
    while queue != m[ROOT]:
        quota = f[queue + QUEUE_QUOTA]
        if quota != UNBOUNDED and quota < m[queue + QUEUE_LASTING] + m[kind + CLASS_REQUEST]:
            return True
        queue = m[queue + QUEUE_PARENT]
    return False


def failure(m: Ints, action: int, kind: int) -> int:
    """Where the smallest job is kept that failed in an action: for all jobs of a size, of its leaf but for moves."""
    queue = m[ROOT] if action == CONSOLIDATE else m[kind + CLASS_LEAF]
    return m[FAILED] + (m[queue + QUEUE_NUMBER] * m[SIZES] + m[kind + CLASS_SIZE]) * FAILURE


def is_hopeless(m: Ints, action: int, kind: int) -> bool:
    """Whether a job is no easier than one that failed in this action (:class:`tenantry.fair.kai.evicting.Easiest`)."""
    place = failure(m, action, kind)
    return m[SIGNATURES] == 1 and m[place + 1] == m[ACTION] and m[kind + CLASS_GPUS] >= m[place]


def note_failed(m: Ints, action: int, kind: int) -> None:
    """Remember a job that failed, if it is smaller than the one remembered."""
    place = failure(m, action, kind)
    if m[place + 1] != m[ACTION] or m[kind + CLASS_GPUS] <= m[place]:
        m[place], m[place + 1] = m[kind + CLASS_GPUS], m[ACTION]


# --- gangs that run with pods missing ---------------------------------------------------------------------------------


def evict_stale(m: Ints) -> None:
    """Evict gangs that have run with too few pods for longer than their grace period."""
    job = m[PARTIAL]
    while job != NONE:
        if m[job + JOB_PENDING] == 0 or m[job + JOB_PENDING] == m[job + JOB_PODS]:
            m[job + JOB_STALE] = NONE
        else:
            if m[job + JOB_STALE] == NONE:
                m[job + JOB_STALE] = m[NOW]
            if m[GRACE] >= 0 and m[NOW] - m[job + JOB_STALE] >= m[GRACE]:
                evict_all(m, job)
        job = m[job + JOB_NEXT_PARTIAL]


def evict_all(m: Ints, job: int) -> None:
    """Evict all running pods of a job for good."""
    gpus, batch, left = m[job + JOB_GPUS], m[ALL_ROWS], 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        if m[pod + POD_STATE] == RUNS and m[pod + POD_PROMISE] == NONE:
            m[pod + POD_STATE], m[pod + POD_BATCH] = LEAVES, batch
            shift(m, m[pod + POD_NODE], 0, gpus)
            left += 1
    if left > 0:
        charge(m, QUEUE_ALLOCATED, m[job + JOB_LEAF], -left * gpus)
        let_go(m, STALE, job, left, NONE)
        count_again(m, job)
