"""The clock of the fast replay, event by event as in :mod:`tenantry.fair.replay.driver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.actions import cycle
from tenantry.fair.replay.kernel.changes import add_row
from tenantry.fair.replay.kernel.lists import (
    begin_to_wait,
    drop_end,
    end_to_wait,
    goer,
    is_void,
    job_of,
    note_partial,
    recount,
    relist,
    unprotect,
    wake_link,
)
from tenantry.fair.replay.kernel.memory import (
    CHANGED,
    CRAMPED,
    CYCLES,
    DONE,
    DUE,
    ENDS,
    ENDS_AT,
    FINISH,
    FINISHED,
    FIRST_JOB,
    FULL,
    GOES,
    GOES_FIRST,
    GRACE,
    IDLE_EVICTIONS,
    JOB,
    JOB_ACTIVE,
    JOB_CLASS,
    JOB_END,
    JOB_GPUS,
    JOB_LEAF,
    JOB_NEXT_PARTIAL,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
    JOB_PODS_END,
    JOB_PREEMPTIBLE,
    JOB_RUNNING,
    JOB_SINCE,
    JOB_STALE,
    JOB_STARTED,
    JOB_SUBMIT,
    JOBS,
    LAST_CYCLE,
    LEAVES,
    LIVE_JOBS,
    LIVE_PODS,
    MINIMUMS,
    NEXT_JOB,
    NONE,
    NOW,
    OVERFULL,
    PARTIAL,
    PENDING_PODS,
    PERIOD,
    POD,
    POD_BATCH,
    POD_NODE,
    POD_STATE,
    QUEUE_ALLOCATED,
    QUEUE_ASKED,
    QUEUE_LASTING,
    RELEASE,
    ROOM_FOR_ROWS,
    ROOM_TO_GO,
    ROW,
    STUCK,
    STUCK_AFTER,
    SUBMIT,
    UNEVEN,
    UNTIL,
    WAITS,
    WAKE,
    WAKER,
)
from tenantry.fair.replay.kernel.rooms import shift
from tenantry.fair.replay.kernel.shares import charge

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def advance(m: Ints, f: Floats, pause: int) -> int:
    """Let things happen until all have, the log is full, or so many more jobs have ended.

    After :data:`~.memory.CRAMPED` nothing in the memory holds any more.
    """
    last = m[FINISHED] + pause
    while True:
        time = next_time(m)
        if time == NONE:
            return DONE
        if m[UNTIL] != NONE and time > m[UNTIL]:
            m[NOW] = m[UNTIL]
            return DONE
        if m[ROOM_FOR_ROWS] - m[ROW] < rows_of(m, time) or m[FINISHED] >= last:
            return FULL
        m[NOW] = time
        let_happen(m)
        if m[DUE] == time:
            m[DUE] = NONE
            if m[PENDING_PODS] > 0:
                m[LAST_CYCLE] = time
                m[CYCLES] += 1
                cycle(m, f)
                if m[OVERFULL]:
                    return CRAMPED
                plan_cycle(m)
        if m[IDLE_EVICTIONS] > STUCK_AFTER:
            m[STUCK] = 1
            return DONE


def rows_of(m: Ints, time: int) -> int:
    """Most rows that one second can add to the log."""
    number, pods = m[NEXT_JOB], 0
    while number < m[JOBS] and m[m[FIRST_JOB] + number * JOB + JOB_SUBMIT] == time:
        pods += m[m[FIRST_JOB] + number * JOB + JOB_PODS]
        number += 1
    return 8 * (m[LIVE_JOBS] + number - m[NEXT_JOB]) + 4 * (m[LIVE_PODS] + pods) + 16


def next_submission(m: Ints) -> int:
    """Second of the next submission, -1 when there is none."""
    return m[m[FIRST_JOB] + m[NEXT_JOB] * JOB + JOB_SUBMIT] if m[NEXT_JOB] < m[JOBS] else NONE


def next_time(m: Ints) -> int:
    """Second at which something happens next, -1 when nothing does."""
    while m[ENDS] > 0 and is_void(m, m[m[ENDS_AT]]):
        drop_end(m)
    time, submission = m[DUE], next_submission(m)
    if submission != NONE and (time == NONE or submission < time):
        time = submission
    if m[ENDS] > 0 and (time == NONE or (m[m[ENDS_AT]] >> 24) < time):
        time = m[m[ENDS_AT]] >> 24
    if m[GOES] > 0 and (time == NONE or m[goer(m, 0)] < time):
        time = m[goer(m, 0)]
    return time


def want_cycle(m: Ints, time: int) -> None:
    """Have a cycle at the first tick from a second on that had none yet."""
    tick = (time + m[PERIOD] - 1) // m[PERIOD] * m[PERIOD]
    if m[LAST_CYCLE] != NONE and tick <= m[LAST_CYCLE]:
        tick = m[LAST_CYCLE] + m[PERIOD]
    if m[DUE] == NONE or tick < m[DUE]:
        m[DUE] = tick


def let_happen(m: Ints) -> None:
    """Let everything happen that is planned for this second: ends, then pods that go, then submissions."""
    time = m[NOW]
    while m[ENDS] > 0 and m[m[ENDS_AT]] >> 24 == time:
        key = m[m[ENDS_AT]]
        drop_end(m)
        if not is_void(m, key):
            finish(m, job_of(m, key))
            want_cycle(m, time)
    while m[GOES] > 0 and m[goer(m, 0)] == time:
        first = goer(m, 0)
        m[GOES_FIRST] = (m[GOES_FIRST] + 1) % m[ROOM_TO_GO]
        m[GOES] -= 1
        release(m, m[first + 1], m[first + 2])
        want_cycle(m, time)
    while next_submission(m) == time:
        submit(m, m[FIRST_JOB] + m[NEXT_JOB] * JOB)
        m[NEXT_JOB] += 1
        want_cycle(m, time)


def submit(m: Ints, job: int) -> None:
    """Let a job begin to wait."""
    count = m[job + JOB_PODS]
    m[LIVE_JOBS] += 1
    m[LIVE_PODS] += count
    m[PENDING_PODS] += count
    m[IDLE_EVICTIONS] = 0
    m[job + JOB_PENDING] = count
    begin_to_wait(m, job)
    charge(m, QUEUE_ASKED, m[job + JOB_LEAF], count * m[job + JOB_GPUS])
    m[UNEVEN] = 1
    add_row(m, SUBMIT, job, count * m[job + JOB_GPUS], NONE, 0)


def finish(m: Ints, job: int) -> None:
    """Let a job end, and free its GPUs."""
    gpus, count, leaf = m[job + JOB_GPUS], m[job + JOB_PODS], m[job + JOB_LEAF]
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        shift(m, m[pod + POD_NODE], gpus, gpus)
        m[pod + POD_STATE], m[pod + POD_NODE] = LEAVES, NONE
    unprotect(m, job)
    m[job + JOB_END] = m[job + JOB_SINCE] = NONE
    m[job + JOB_RUNNING] = m[job + JOB_ACTIVE] = 0
    relist(m, job)
    charge(m, QUEUE_ALLOCATED, leaf, -count * gpus)
    charge(m, QUEUE_ASKED, leaf, -count * gpus)
    if m[job + JOB_PREEMPTIBLE] == 0:
        charge(m, QUEUE_LASTING, leaf, -count * gpus)
    m[UNEVEN] = 1
    m[LIVE_JOBS] -= 1
    m[LIVE_PODS] -= count
    m[IDLE_EVICTIONS] = 0
    m[FINISHED] += 1
    add_row(m, FINISH, job, count * gpus, NONE, 0)


def release(m: Ints, job: int, batch: int) -> None:
    """Let evicted pods go: their GPUs are free, and they wait for places again."""
    gpus, count = m[job + JOB_GPUS], 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        if m[pod + POD_STATE] == LEAVES and m[pod + POD_BATCH] == batch:
            shift(m, m[pod + POD_NODE], gpus, 0)
            m[pod + POD_STATE], m[pod + POD_NODE] = WAITS, NONE
            count += 1
    if m[job + JOB_CLASS] != NONE:
        end_to_wait(m, job)
    recount(m, job)
    begin_to_wait(m, job)
    if m[job + JOB_PENDING] < m[job + JOB_PODS]:
        note_partial(m, job)
    charge(m, QUEUE_ASKED, m[job + JOB_LEAF], count * gpus)
    m[UNEVEN] = 1
    add_row(m, RELEASE, job, count * gpus, NONE, 0)


def plan_cycle(m: Ints) -> None:
    """Plan the next cycle: right away if this one changed anything, else when time alone may change what is decided."""
    if m[CHANGED] == 1:
        want_cycle(m, m[NOW] + 1)
        return
    time = next_wake(m)
    if time != NONE:
        want_cycle(m, time)


def next_wake(m: Ints) -> int:
    """Second at which the next grace ends or, while somebody waits, the next protection; -1 for none."""
    best, job = NONE, m[PARTIAL]
    while job != NONE and m[GRACE] >= 0:
        if m[job + JOB_STALE] != NONE:
            best = sooner(m, best, m[job + JOB_STALE] + m[GRACE])
        job = m[job + JOB_NEXT_PARTIAL]
    if m[PENDING_PODS] == 0:
        return best
    for number in range(m[MINIMUMS]):
        waker = m[WAKE] + number * WAKER
        # Protections that are over are dropped for good: they end in the order in which they began.
        while m[waker] != NONE and m[m[waker] + JOB_STARTED] + m[waker + 2] <= m[NOW]:
            own = wake_link(m, number, m[waker])
            m[own], m[waker] = -2, m[own + 1]
            if m[waker] == NONE:
                m[waker + 1] = NONE
            else:
                m[wake_link(m, number, m[waker])] = NONE
        if m[waker] != NONE:
            best = sooner(m, best, m[m[waker] + JOB_STARTED] + m[waker + 2])
    return best


def sooner(m: Ints, best: int, time: int) -> int:
    """The sooner of two seconds, of which the first may be none and the second past."""
    if time <= m[NOW]:
        return best
    return time if best == NONE or time < best else best
