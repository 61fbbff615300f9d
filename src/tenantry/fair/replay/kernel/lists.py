"""Which jobs wait, which may be victims, and what is planned when: linked lists, a heap and a ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import ENDS, GOES, GOES_FIRST, NONE, PARTIAL, PENDING, RUNS, WAITS
from tenantry.fair.replay.kernel.rooms import clear_bit, set_bit

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Classes, Config, Ints, Jobs, Lists, Queues, State


# --- waiting jobs -----------------------------------------------------------------------------------------------------


def begin_to_wait(state: State, job: int) -> None:
    """Put a job into the class of the pods it misses, in order of age; evicted ones are older than most."""
    jobs, classes, queues = state.jobs, state.classes, state.queues
    kind = jobs.first_class[job] + jobs.pending[job] - 1
    jobs.in_class[job] = kind
    tail = classes.tail[kind]
    if tail == NONE:
        classes.head[kind] = classes.tail[kind] = job
        jobs.prior[job] = jobs.after[job] = NONE
        open_class(classes, queues, kind)
    elif tail < job:
        jobs.prior[job], jobs.after[job] = tail, NONE
        jobs.after[tail] = classes.tail[kind] = job
    else:
        other = classes.head[kind]
        while other < job:
            other = jobs.after[other]
        prior = jobs.prior[other]
        jobs.prior[job], jobs.after[job], jobs.prior[other] = prior, other, job
        if prior == NONE:
            classes.head[kind] = job
        else:
            jobs.after[prior] = job
    queues.waiting[classes.leaf[kind]] += 1
    shape = classes.shape[kind]
    classes.shape_jobs[shape] += 1
    if classes.shape_jobs[shape] == 1:
        first = classes.shape_first[0]
        classes.shape_after[shape], classes.shape_prior[shape] = first, NONE
        if first != NONE:
            classes.shape_prior[first] = shape
        classes.shape_first[0] = shape


def end_to_wait(state: State, job: int) -> None:
    """Take a job out of its class. Its own links stay, for walks that stand on it."""
    jobs, classes, queues = state.jobs, state.classes, state.queues
    kind = jobs.in_class[job]
    jobs.in_class[job] = NONE
    prior, after = jobs.prior[job], jobs.after[job]
    if prior == NONE:
        classes.head[kind] = after
    else:
        jobs.after[prior] = after
    if after == NONE:
        classes.tail[kind] = prior
    else:
        jobs.prior[after] = prior
    if classes.head[kind] == NONE:
        close_class(classes, queues, kind)
    queues.waiting[classes.leaf[kind]] -= 1
    shape = classes.shape[kind]
    classes.shape_jobs[shape] -= 1
    if classes.shape_jobs[shape] == 0:
        before, behind = classes.shape_prior[shape], classes.shape_after[shape]
        if before == NONE:
            classes.shape_first[0] = behind
        else:
            classes.shape_after[before] = behind
        if behind != NONE:
            classes.shape_prior[behind] = before


def open_class(classes: Classes, queues: Queues, kind: int) -> None:
    """Add a class to those of its leaf that have jobs."""
    leaf = classes.leaf[kind]
    first = queues.first_class[leaf]
    classes.after[kind], classes.prior[kind] = first, NONE
    if first != NONE:
        classes.prior[first] = kind
    queues.first_class[leaf] = kind


def close_class(classes: Classes, queues: Queues, kind: int) -> None:
    """Take a class out of those of its leaf that have jobs."""
    before, behind = classes.prior[kind], classes.after[kind]
    if before == NONE:
        queues.first_class[classes.leaf[kind]] = behind
    else:
        classes.after[before] = behind
    if behind != NONE:
        classes.prior[behind] = before


# --- possible victims -------------------------------------------------------------------------------------------------


def list_of(config: Config, jobs: Jobs, job: int) -> int:
    """List of possible victims a job belongs in, -1 when it holds or is promised nothing or may not be evicted."""
    active = jobs.active[job]
    if active == 0 or jobs.preemptible[job] == 0:
        return NONE
    return (jobs.leaf[job] * config.levels + jobs.level[job]) * 2 + (1 if active == jobs.pods[job] else 0)


def relist(config: Config, jobs: Jobs, lists: Lists, queues: Queues, job: int) -> None:
    """Put a job into the list of possible victims it belongs in, in order of age; most are young."""
    old, new = jobs.in_list[job], list_of(config, jobs, job)
    if old == new:
        return
    jobs.in_list[job] = new
    if old != NONE:
        earlier, later = jobs.earlier[job], jobs.later[job]
        if later == NONE:
            lists.held_tail[old] = earlier
        else:
            jobs.earlier[later] = earlier
        if earlier == NONE:
            lists.held_head[old] = later
        else:
            jobs.later[earlier] = later
        queues.held[jobs.leaf[job]] -= 1
        if new == NONE:
            clear_bit(lists.movable, 0, lists.movable_level, job)
    if new == NONE:
        return
    other = lists.held_tail[new]
    while other > job:
        other = jobs.earlier[other]
    jobs.earlier[job] = other
    if other == NONE:
        later = lists.held_head[new]
        lists.held_head[new] = job
    else:
        later = jobs.later[other]
        jobs.later[other] = job
    jobs.later[job] = later
    if later == NONE:
        lists.held_tail[new] = job
    else:
        jobs.earlier[later] = job
    queues.held[jobs.leaf[job]] += 1
    if old == NONE:
        set_bit(lists.movable, 0, lists.movable_level, job)


# --- gangs that run with pods missing ---------------------------------------------------------------------------------


def note_partial(state: State, job: int) -> None:
    """Remember a job that may run with pods missing; they are looked at in order of age."""
    now, jobs = state.now, state.jobs
    if jobs.in_partial[job] == 1:
        return
    jobs.in_partial[job] = 1
    before, other = NONE, now[PARTIAL]
    while other != NONE and other < job:
        before, other = other, jobs.next_partial[other]
    jobs.next_partial[job] = other
    if before == NONE:
        now[PARTIAL] = job
    else:
        jobs.next_partial[before] = job


# --- protection by minimum run times ----------------------------------------------------------------------------------


def protect(config: Config, jobs: Jobs, lists: Lists, job: int) -> None:
    """Note that a job has started, for each minimum run time that may protect it."""
    for number in range(config.minimums):
        if jobs.preemptible[job] == 0 or lists.applies[jobs.leaf[job] * config.minimums + number] == 0:
            continue
        base = number * config.jobs
        tail = lists.wake_tail[number]
        lists.wake_prior[base + job], lists.wake_after[base + job] = tail, NONE
        if tail == NONE:
            lists.wake_head[number] = job
        else:
            lists.wake_after[base + tail] = job
        lists.wake_tail[number] = job


def unprotect(config: Config, lists: Lists, job: int) -> None:
    """Note that a job runs no more."""
    for number in range(config.minimums):
        base = number * config.jobs
        prior, after = lists.wake_prior[base + job], lists.wake_after[base + job]
        if prior == -2:
            continue
        lists.wake_prior[base + job] = -2
        if prior == NONE:
            lists.wake_head[number] = after
        else:
            lists.wake_after[base + prior] = after
        if after == NONE:
            lists.wake_tail[number] = prior
        else:
            lists.wake_prior[base + after] = prior


# --- planned ends, a heap of packed numbers ---------------------------------------------------------------------------


def pack(end: int, job: int) -> int:
    """Pack a second and a job into one number that sorts by both."""
    return (end << 24) | job


def plan_end(now: Ints, jobs: Jobs, heap: Ints, job: int) -> None:
    """Plan the end of a job."""
    if now[ENDS] == len(heap):
        forget_void(now, jobs, heap)
    place = now[ENDS]
    now[ENDS] = place + 1
    key = pack(jobs.end[job], job)
    while place > 0:
        parent = (place - 1) >> 1
        if heap[parent] <= key:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = key


def drop_end(now: Ints, heap: Ints) -> None:
    """Take the first planned end out."""
    size = now[ENDS] - 1
    now[ENDS] = size
    if size > 0:
        sink(heap, heap[size], 0, size)


def sink(heap: Ints, key: int, place: int, size: int) -> None:
    """Put a number where it belongs, at a place or below."""
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = key


def is_void(jobs: Jobs, key: int) -> bool:
    """Whether a planned end does not hold any more."""
    return jobs.end[key & 0xFFFFFF] != key >> 24


def forget_void(now: Ints, jobs: Jobs, heap: Ints) -> None:
    """Drop planned ends of jobs that were evicted since."""
    size = 0
    for place in range(now[ENDS]):
        if not is_void(jobs, heap[place]):
            heap[size] = heap[place]
            size += 1
    now[ENDS] = size
    for place in range(size // 2 - 1, -1, -1):
        sink(heap, heap[place], place, size)


# --- evicted pods on their way ----------------------------------------------------------------------------------------


def plan_to_go(now: Ints, lists: Lists, time: int, job: int, batch: int) -> None:
    """Plan that evicted pods are gone; within a second in order of jobs, then of evictions."""
    room = len(lists.ring_time)
    count = now[GOES]
    place = (now[GOES_FIRST] + count) % room
    while count > 0:
        before = (place - 1) % room
        if lists.ring_time[before] != time or lists.ring_job[before] <= job:
            break
        lists.ring_time[place], lists.ring_job[place] = time, lists.ring_job[before]
        lists.ring_batch[place] = lists.ring_batch[before]
        place = before
        count -= 1
    lists.ring_time[place], lists.ring_job[place], lists.ring_batch[place] = time, job, batch
    now[GOES] += 1


# --- pods -------------------------------------------------------------------------------------------------------------


def recount(state: State, job: int) -> None:
    """Count the pods of a job by where they stand, promises included."""
    now, jobs, pods = state.now, state.jobs, state.pods
    running = active = pending = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        promise, where = pods.promise[pod], pods.state[pod]
        if promise >= 0:
            active += 1
        elif promise == NONE and where == WAITS:
            pending += 1
        elif promise == NONE and where == RUNS:
            running += 1
            active += 1
    now[PENDING] += pending - jobs.pending[job]
    jobs.running[job], jobs.active[job], jobs.pending[job] = running, active, pending


def note_unready(state: State) -> None:
    """Note which of the jobs that run with pods missing have pods on their way out; actions leave those alone."""
    jobs = state.jobs
    job = state.now[PARTIAL]
    while job != NONE:
        jobs.unready[job] = 0 if jobs.active[job] + jobs.pending[job] == jobs.pods[job] else 1
        job = jobs.next_partial[job]
