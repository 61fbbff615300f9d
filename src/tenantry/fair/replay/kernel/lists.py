"""Which jobs wait, which may be victims, and what is planned when: linked lists, a heap and a ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.memory import (
    APPLIES,
    CLASS,
    CLASS_AFTER,
    CLASS_HEAD,
    CLASS_LEAF,
    CLASS_PRIOR,
    CLASS_SHAPE,
    CLASS_TAIL,
    ENDS,
    ENDS_AT,
    FIRST_JOB,
    FIRST_SHAPE,
    GOER,
    GOES,
    GOES_FIRST,
    HELD,
    HELD_ENDS,
    JOB,
    JOB_ACTIVE,
    JOB_AFTER,
    JOB_CLASS,
    JOB_EARLIER,
    JOB_END,
    JOB_FIRST_CLASS,
    JOB_IN_PARTIAL,
    JOB_LATER,
    JOB_LEAF,
    JOB_LEVEL,
    JOB_LIST,
    JOB_NEXT_PARTIAL,
    JOB_NUMBER,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
    JOB_PODS_END,
    JOB_PREEMPTIBLE,
    JOB_PRIOR,
    JOB_RUNNING,
    JOB_STALE,
    JOB_UNREADY,
    JOBS,
    LEVELS,
    MINIMUMS,
    MOVABLE_BITS,
    MOVABLE_TREE,
    NONE,
    PARTIAL,
    PENDING_PODS,
    POD,
    POD_PROMISE,
    POD_STATE,
    QUEUE_FIRST_CLASS,
    QUEUE_HELD,
    QUEUE_NUMBER,
    QUEUE_WAITING,
    RING,
    ROOM_FOR_ENDS,
    ROOM_TO_GO,
    RUNS,
    SHAPE_AFTER,
    SHAPE_JOBS,
    SHAPE_PRIOR,
    WAITS,
    WAKE,
    WAKE_LINK,
    WAKE_LINKS,
    WAKER,
)
from tenantry.fair.replay.kernel.rooms import clear_bit, set_bit

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Ints


# --- waiting jobs -----------------------------------------------------------------------------------------------------


def begin_to_wait(m: Ints, job: int) -> None:
    """Put a job into the class of the pods it misses, in order of age; evicted ones are older than most."""
    kind = m[job + JOB_FIRST_CLASS] + (m[job + JOB_PENDING] - 1) * CLASS
    m[job + JOB_CLASS] = kind
    tail = m[kind + CLASS_TAIL]
    if tail == NONE:
        m[kind + CLASS_HEAD] = m[kind + CLASS_TAIL] = job
        m[job + JOB_PRIOR] = m[job + JOB_AFTER] = NONE
        open_class(m, kind)
    elif tail < job:
        m[job + JOB_PRIOR], m[job + JOB_AFTER] = tail, NONE
        m[tail + JOB_AFTER] = m[kind + CLASS_TAIL] = job
    else:
        other = m[kind + CLASS_HEAD]
        while other < job:
            other = m[other + JOB_AFTER]
        prior = m[other + JOB_PRIOR]
        m[job + JOB_PRIOR], m[job + JOB_AFTER], m[other + JOB_PRIOR] = prior, other, job
        if prior == NONE:
            m[kind + CLASS_HEAD] = job
        else:
            m[prior + JOB_AFTER] = job
    m[m[kind + CLASS_LEAF] + QUEUE_WAITING] += 1
    shape = m[kind + CLASS_SHAPE]
    m[shape + SHAPE_JOBS] += 1
    if m[shape + SHAPE_JOBS] == 1:
        first = m[FIRST_SHAPE]
        m[shape + SHAPE_AFTER], m[shape + SHAPE_PRIOR] = first, NONE
        if first != NONE:
            m[first + SHAPE_PRIOR] = shape
        m[FIRST_SHAPE] = shape


def end_to_wait(m: Ints, job: int) -> None:
    """Take a job out of its class. Its own links stay, for walks that stand on it."""
    kind = m[job + JOB_CLASS]
    m[job + JOB_CLASS] = NONE
    prior, after = m[job + JOB_PRIOR], m[job + JOB_AFTER]
    if prior == NONE:
        m[kind + CLASS_HEAD] = after
    else:
        m[prior + JOB_AFTER] = after
    if after == NONE:
        m[kind + CLASS_TAIL] = prior
    else:
        m[after + JOB_PRIOR] = prior
    if m[kind + CLASS_HEAD] == NONE:
        close_class(m, kind)
    m[m[kind + CLASS_LEAF] + QUEUE_WAITING] -= 1
    shape = m[kind + CLASS_SHAPE]
    m[shape + SHAPE_JOBS] -= 1
    if m[shape + SHAPE_JOBS] == 0:
        before, behind = m[shape + SHAPE_PRIOR], m[shape + SHAPE_AFTER]
        if before == NONE:
            m[FIRST_SHAPE] = behind
        else:
            m[before + SHAPE_AFTER] = behind
        if behind != NONE:
            m[behind + SHAPE_PRIOR] = before


def open_class(m: Ints, kind: int) -> None:
    """Add a class to those of its leaf that have jobs."""
    leaf = m[kind + CLASS_LEAF]
    first = m[leaf + QUEUE_FIRST_CLASS]
    m[kind + CLASS_AFTER], m[kind + CLASS_PRIOR] = first, NONE
    if first != NONE:
        m[first + CLASS_PRIOR] = kind
    m[leaf + QUEUE_FIRST_CLASS] = kind


def close_class(m: Ints, kind: int) -> None:
    """Take a class out of those of its leaf that have jobs."""
    before, behind = m[kind + CLASS_PRIOR], m[kind + CLASS_AFTER]
    if before == NONE:
        m[m[kind + CLASS_LEAF] + QUEUE_FIRST_CLASS] = behind
    else:
        m[before + CLASS_AFTER] = behind
    if behind != NONE:
        m[behind + CLASS_PRIOR] = before


def first_ready(m: Ints, job: int) -> int:
    """First job of a class, from one on, none of whose pods is on its way out; -1 when there is none."""
    while job != NONE and m[job + JOB_UNREADY] == 1:
        job = m[job + JOB_AFTER]
    return job


# --- possible victims -------------------------------------------------------------------------------------------------


def held_list(m: Ints, leaf: int, level: int, whole: int) -> int:
    """List of jobs of a leaf and priority that may be victims, by whether their gangs are complete."""
    return m[HELD] + ((m[leaf + QUEUE_NUMBER] * m[LEVELS] + level) * 2 + whole) * HELD_ENDS


def list_of(m: Ints, job: int) -> int:
    """List of possible victims a job belongs in, -1 when it holds or is promised nothing or may not be evicted."""
    active = m[job + JOB_ACTIVE]
    if active == 0 or m[job + JOB_PREEMPTIBLE] == 0:
        return NONE
    return held_list(m, m[job + JOB_LEAF], m[job + JOB_LEVEL], 1 if active == m[job + JOB_PODS] else 0)


def relist(m: Ints, job: int) -> None:
    """Put a job into the list of possible victims it belongs in."""
    old, new = m[job + JOB_LIST], list_of(m, job)
    if old == new:
        return
    m[job + JOB_LIST] = new
    if old != NONE:
        unlink(m, job, old)
    if new != NONE:
        link(m, job, new)
    if old == NONE:
        m[m[job + JOB_LEAF] + QUEUE_HELD] += 1
        set_bit(m, m[MOVABLE_BITS], m[MOVABLE_TREE], m[job + JOB_NUMBER])
    elif new == NONE:
        m[m[job + JOB_LEAF] + QUEUE_HELD] -= 1
        clear_bit(m, m[MOVABLE_BITS], m[MOVABLE_TREE], m[job + JOB_NUMBER])


def unlink(m: Ints, job: int, ends: int) -> None:
    """Take a job out of a list of possible victims."""
    earlier, later = m[job + JOB_EARLIER], m[job + JOB_LATER]
    if later == NONE:
        m[ends + 1] = earlier
    else:
        m[later + JOB_EARLIER] = earlier
    if earlier == NONE:
        m[ends] = later
    else:
        m[earlier + JOB_LATER] = later


def link(m: Ints, job: int, ends: int) -> None:
    """Put a job into a list of possible victims, in order of age; most are young."""
    other = m[ends + 1]
    while other > job:
        other = m[other + JOB_EARLIER]
    m[job + JOB_EARLIER] = other
    if other == NONE:
        later = m[ends]
        m[ends] = job
    else:
        later = m[other + JOB_LATER]
        m[other + JOB_LATER] = job
    m[job + JOB_LATER] = later
    if later == NONE:
        m[ends + 1] = job
    else:
        m[later + JOB_EARLIER] = job


# --- gangs that run with pods missing ---------------------------------------------------------------------------------


def note_partial(m: Ints, job: int) -> None:
    """Remember a job that may run with pods missing; they are looked at in order of age."""
    if m[job + JOB_IN_PARTIAL] == 1:
        return
    m[job + JOB_IN_PARTIAL] = 1
    before, other = NONE, m[PARTIAL]
    while other != NONE and other < job:
        before, other = other, m[other + JOB_NEXT_PARTIAL]
    m[job + JOB_NEXT_PARTIAL] = other
    if before == NONE:
        m[PARTIAL] = job
    else:
        m[before + JOB_NEXT_PARTIAL] = job


def note_unready(m: Ints) -> None:
    """Note which of the jobs that run with pods missing have pods on their way out; actions leave those alone."""
    job = m[PARTIAL]
    while job != NONE:
        m[job + JOB_UNREADY] = 0 if m[job + JOB_ACTIVE] + m[job + JOB_PENDING] == m[job + JOB_PODS] else 1
        job = m[job + JOB_NEXT_PARTIAL]


def forget_whole(m: Ints) -> None:
    """Forget jobs that do not run with pods missing any more."""
    before, job = NONE, m[PARTIAL]
    while job != NONE:
        after, pending = m[job + JOB_NEXT_PARTIAL], m[job + JOB_PENDING]
        if m[job + JOB_STALE] == NONE and (pending == 0 or pending == m[job + JOB_PODS]):
            m[job + JOB_IN_PARTIAL] = m[job + JOB_UNREADY] = 0
            if before == NONE:
                m[PARTIAL] = after
            else:
                m[before + JOB_NEXT_PARTIAL] = after
        else:
            before = job
        job = after


# --- protection by minimum run times ----------------------------------------------------------------------------------


def protect(m: Ints, job: int) -> None:
    """Note that a job has started, for each minimum run time that may protect it."""
    if m[job + JOB_PREEMPTIBLE] == 0:
        return
    applies = m[APPLIES] + m[m[job + JOB_LEAF] + QUEUE_NUMBER] * m[MINIMUMS]
    for number in range(m[MINIMUMS]):
        if m[applies + number] == 0:
            continue
        waker, own = m[WAKE] + number * WAKER, wake_link(m, number, job)
        tail = m[waker + 1]
        m[own], m[own + 1] = tail, NONE
        if tail == NONE:
            m[waker] = job
        else:
            m[wake_link(m, number, tail) + 1] = job
        m[waker + 1] = job


def wake_link(m: Ints, number: int, job: int) -> int:
    """Links of a job among those that a minimum run time protects."""
    return m[WAKE_LINKS] + (number * m[JOBS] + m[job + JOB_NUMBER]) * WAKE_LINK


def unprotect(m: Ints, job: int) -> None:
    """Note that a job runs no more."""
    for number in range(m[MINIMUMS]):
        waker, own = m[WAKE] + number * WAKER, wake_link(m, number, job)
        prior, after = m[own], m[own + 1]
        if prior == -2:
            continue
        m[own] = -2
        if prior == NONE:
            m[waker] = after
        else:
            m[wake_link(m, number, prior) + 1] = after
        if after == NONE:
            m[waker + 1] = prior
        else:
            m[wake_link(m, number, after)] = prior


# --- planned ends, a heap of packed numbers ---------------------------------------------------------------------------


def plan_end(m: Ints, job: int) -> None:
    """Plan the end of a job."""
    if m[ENDS] == m[ROOM_FOR_ENDS]:
        forget_void(m)
    heap, place = m[ENDS_AT], m[ENDS]
    m[ENDS] = place + 1
    # A second and a job in one number that sorts by both.
    key = (m[job + JOB_END] << 24) | m[job + JOB_NUMBER]
    while place > 0:
        parent = (place - 1) >> 1
        if m[heap + parent] <= key:
            break
        m[heap + place] = m[heap + parent]
        place = parent
    m[heap + place] = key


def drop_end(m: Ints) -> None:
    """Take the first planned end out."""
    size = m[ENDS] - 1
    m[ENDS] = size
    if size > 0:
        sink(m, m[m[ENDS_AT] + size], 0, size)


def sink(m: Ints, key: int, place: int, size: int) -> None:
    """Put a number where it belongs in the heap, at a place or below."""
    heap = m[ENDS_AT]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and m[heap + child + 1] < m[heap + child]:
            child += 1
        if m[heap + child] >= key:
            break
        m[heap + place] = m[heap + child]
        place = child
    m[heap + place] = key


def job_of(m: Ints, key: int) -> int:
    """The job whose end was planned."""
    return m[FIRST_JOB] + (key & 0xFFFFFF) * JOB


def is_void(m: Ints, key: int) -> bool:
    """Whether a planned end does not hold any more."""
    return m[job_of(m, key) + JOB_END] != key >> 24


def forget_void(m: Ints) -> None:
    """Drop planned ends of jobs that were evicted since."""
    heap, size = m[ENDS_AT], 0
    for place in range(m[ENDS]):
        if not is_void(m, m[heap + place]):
            m[heap + size] = m[heap + place]
            size += 1
    m[ENDS] = size
    for place in range(size // 2 - 1, -1, -1):
        sink(m, m[heap + place], place, size)


# --- evicted pods on their way ----------------------------------------------------------------------------------------


def plan_to_go(m: Ints, time: int, job: int, batch: int) -> None:
    """Plan that evicted pods are gone; within a second in order of jobs, then of evictions."""
    count = m[GOES]
    place = goer(m, count)
    while count > 0:
        before = goer(m, count - 1)
        if m[before] != time or m[before + 1] <= job:
            break
        m[place], m[place + 1], m[place + 2] = m[before], m[before + 1], m[before + 2]
        place = before
        count -= 1
    m[place], m[place + 1], m[place + 2] = time, job, batch
    m[GOES] += 1


def goer(m: Ints, number: int) -> int:
    """Evicted pods on their way, counted from those that go first."""
    return m[RING] + (m[GOES_FIRST] + number) % m[ROOM_TO_GO] * GOER


# --- pods -------------------------------------------------------------------------------------------------------------


def recount(m: Ints, job: int) -> None:
    """Count the pods of a job by where they stand, promises included."""
    running = active = pending = 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        promise, state = m[pod + POD_PROMISE], m[pod + POD_STATE]
        if promise >= 0:
            active += 1
        elif promise == NONE and state == WAITS:
            pending += 1
        elif promise == NONE and state == RUNS:
            running += 1
            active += 1
    m[PENDING_PODS] += pending - m[job + JOB_PENDING]
    m[job + JOB_RUNNING], m[job + JOB_ACTIVE], m[job + JOB_PENDING] = running, active, pending
