"""The clock of the fast replay, event by event as in :mod:`tenantry.fair.replay.driver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.actions import add_row, cycle
from tenantry.fair.replay.kernel.lists import (
    begin_to_wait,
    drop_end,
    end_to_wait,
    is_void,
    note_partial,
    recount,
    relist,
    unprotect,
)
from tenantry.fair.replay.kernel.numbers import (
    CHANGED,
    CYCLES,
    DUE,
    ENDS,
    FINISH,
    FINISHED,
    GOES,
    GOES_FIRST,
    IDLE_EVICTIONS,
    LAST_CYCLE,
    LEAVES,
    LIVE_JOBS,
    LIVE_PODS,
    NEXT_JOB,
    NONE,
    NOW,
    PARTIAL,
    PENDING,
    RELEASE,
    ROW,
    STUCK,
    STUCK_AFTER,
    SUBMIT,
    UNEVEN,
    WAITS,
)
from tenantry.fair.replay.kernel.rooms import shift
from tenantry.fair.replay.kernel.shares import charge

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import State

DONE, FULL = 0, 1
"""Why the clock stops: everything has happened, or the log has to be taken away first."""


def advance(state: State, pause: int) -> int:
    """Let things happen until all have, the log is full, or so many more jobs have ended."""
    config, now = state.config, state.now
    pause += now[FINISHED]
    while True:
        time = next_time(state)
        if time == NONE:
            return DONE
        if config.until != NONE and time > config.until:
            now[NOW] = config.until
            return DONE
        if config.rows - now[ROW] < room_needed(state, time) or now[FINISHED] >= pause:
            return FULL
        now[NOW] = time
        let_happen(state)
        if now[DUE] == time:
            now[DUE] = NONE
            if now[PENDING] > 0:
                now[LAST_CYCLE] = time
                now[CYCLES] += 1
                cycle(state)
                plan_cycle(state)
        if now[IDLE_EVICTIONS] > STUCK_AFTER:
            now[STUCK] = 1
            return DONE


def room_needed(state: State, time: int) -> int:
    """Most rows that one second can add to the log."""
    now, jobs = state.now, state.jobs
    job, pods = now[NEXT_JOB], 0
    while job < state.config.jobs and jobs.submit[job] == time:
        pods += jobs.pods[job]
        job += 1
    return 8 * (now[LIVE_JOBS] + job - now[NEXT_JOB]) + 4 * (now[LIVE_PODS] + pods) + 16


def next_time(state: State) -> int:
    """Second at which something happens next, -1 when nothing does."""
    config, now, jobs, lists = state.config, state.now, state.jobs, state.lists
    while now[ENDS] > 0 and is_void(jobs, lists.heap[0]):
        drop_end(now, lists.heap)
    time = now[DUE]
    if now[NEXT_JOB] < config.jobs and (time == NONE or jobs.submit[now[NEXT_JOB]] < time):
        time = jobs.submit[now[NEXT_JOB]]
    if now[ENDS] > 0 and (time == NONE or (lists.heap[0] >> 24) < time):
        time = lists.heap[0] >> 24
    if now[GOES] > 0 and (time == NONE or lists.ring_time[now[GOES_FIRST]] < time):
        time = lists.ring_time[now[GOES_FIRST]]
    return time


def want_cycle(state: State, time: int) -> None:
    """Have a cycle at the first tick from a second on that had none yet."""
    now, period = state.now, state.config.period
    tick = (time + period - 1) // period * period
    if now[LAST_CYCLE] != NONE and tick <= now[LAST_CYCLE]:
        tick = now[LAST_CYCLE] + period
    if now[DUE] == NONE or tick < now[DUE]:
        now[DUE] = tick


def let_happen(state: State) -> None:
    """Let everything happen that is planned for this second: ends, then pods that go, then submissions."""
    config, now, jobs, lists = state.config, state.now, state.jobs, state.lists
    time = now[NOW]
    while now[ENDS] > 0 and lists.heap[0] >> 24 == time:
        key = lists.heap[0]
        drop_end(now, lists.heap)
        if not is_void(jobs, key):
            finish(state, key & 0xFFFFFF)
            want_cycle(state, time)
    while now[GOES] > 0 and lists.ring_time[now[GOES_FIRST]] == time:
        first = now[GOES_FIRST]
        now[GOES_FIRST] = (first + 1) % len(lists.ring_time)
        now[GOES] -= 1
        release(state, lists.ring_job[first], lists.ring_batch[first])
        want_cycle(state, time)
    while now[NEXT_JOB] < config.jobs and jobs.submit[now[NEXT_JOB]] == time:
        submit(state, now[NEXT_JOB])
        now[NEXT_JOB] += 1
        want_cycle(state, time)


def submit(state: State, job: int) -> None:
    """Let a job begin to wait."""
    config, now, jobs = state.config, state.now, state.jobs
    count = jobs.pods[job]
    asked = count * jobs.gpus[job]
    now[LIVE_JOBS] += 1
    now[LIVE_PODS] += count
    now[IDLE_EVICTIONS] = 0
    now[PENDING] += count
    jobs.pending[job] = count
    begin_to_wait(state, job)
    charge(config, state.queues.asked, state.queues, jobs.leaf[job], asked)
    now[UNEVEN] = 1
    add_row(state, SUBMIT, job, asked, NONE, 0)


def finish(state: State, job: int) -> None:
    """Let a job end, and free its GPUs."""
    config, now, jobs, pods, queues = state.config, state.now, state.jobs, state.pods, state.queues
    gpus, count, leaf = jobs.gpus[job], jobs.pods[job], jobs.leaf[job]
    first = jobs.first_pod[job]
    for pod in range(first, first + count):
        shift(config, now, state.nodes, pods.node[pod], gpus, gpus)
        pods.state[pod], pods.node[pod] = LEAVES, NONE
    unprotect(config, state.lists, job)
    jobs.end[job] = jobs.since[job] = NONE
    jobs.running[job] = jobs.active[job] = 0
    relist(config, jobs, state.lists, queues, job)
    held = count * gpus
    charge(config, queues.allocated, queues, leaf, -held)
    charge(config, queues.asked, queues, leaf, -held)
    if jobs.preemptible[job] == 0:
        charge(config, queues.lasting, queues, leaf, -held)
    now[UNEVEN] = 1
    now[LIVE_JOBS] -= 1
    now[LIVE_PODS] -= count
    now[IDLE_EVICTIONS] = 0
    now[FINISHED] += 1
    add_row(state, FINISH, job, held, NONE, 0)


def release(state: State, job: int, batch: int) -> None:
    """Let evicted pods go: their GPUs are free, and they wait for places again."""
    config, now, jobs, pods = state.config, state.now, state.jobs, state.pods
    gpus = jobs.gpus[job]
    count = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        if pods.state[pod] == LEAVES and pods.batch[pod] == batch:
            shift(config, now, state.nodes, pods.node[pod], gpus, 0)
            pods.state[pod], pods.node[pod] = WAITS, NONE
            count += 1
    if jobs.in_class[job] != NONE:
        end_to_wait(state, job)
    recount(state, job)
    begin_to_wait(state, job)
    if jobs.pending[job] < jobs.pods[job]:
        note_partial(state, job)
    charge(config, state.queues.asked, state.queues, jobs.leaf[job], count * gpus)
    now[UNEVEN] = 1
    add_row(state, RELEASE, job, count * gpus, NONE, 0)


def plan_cycle(state: State) -> None:
    """Plan the next cycle: right away if this one changed anything, else when time alone may change what is decided."""
    now = state.now
    if now[CHANGED] == 1:
        want_cycle(state, now[NOW] + 1)
        return
    time = next_wake(state)
    if time != NONE:
        want_cycle(state, time)


def next_wake(state: State) -> int:
    """Second at which the next grace or protection ends, -1 for none; somebody waits."""
    config, now, jobs, lists = state.config, state.now, state.jobs, state.lists
    best = NONE
    job = now[PARTIAL]
    while job != NONE and config.grace >= 0:
        if jobs.stale[job] != NONE:
            best = sooner(best, jobs.stale[job] + config.grace, now[NOW])
        job = jobs.next_partial[job]
    if now[PENDING] == 0:
        return best
    for number in range(config.minimums):
        job = lists.wake_head[number]
        while job != NONE:
            time = jobs.started[job] + lists.minimum[number]
            if time > now[NOW]:
                best = sooner(best, time, now[NOW])
                break
            # Over for good: it is not looked at again.
            after = lists.wake_after[number * config.jobs + job]
            lists.wake_head[number] = after
            lists.wake_prior[number * config.jobs + job] = -2
            if after == NONE:
                lists.wake_tail[number] = NONE
            else:
                lists.wake_prior[number * config.jobs + after] = NONE
            job = after
    return best


def sooner(best: int, time: int, now: int) -> int:
    """The sooner of two seconds of which the first may be none and the second may be past."""
    if time <= now:
        return best
    return time if best == NONE or time < best else best
