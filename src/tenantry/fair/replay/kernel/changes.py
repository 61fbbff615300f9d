"""What a cycle changes: places given and promised, evictions, and what counts in the present cycle only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.lists import (
    begin_to_wait,
    end_to_wait,
    plan_end,
    plan_to_go,
    protect,
    recount,
    relist,
    unprotect,
)
from tenantry.fair.replay.kernel.memory import (
    ALL_ROWS,
    BIND,
    CHANGED,
    CHECKPOINT,
    CHOSEN,
    CHOSEN_AT,
    CYCLE,
    EVICT,
    FIRST_QUEUE,
    IDLE_EVICTIONS,
    JOB_CLASS,
    JOB_END,
    JOB_GPUS,
    JOB_LEAF,
    JOB_LEFT,
    JOB_NUMBER,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
    JOB_PODS_END,
    JOB_PREEMPTIBLE,
    JOB_RUNNING,
    JOB_SINCE,
    JOB_STARTED,
    JOB_TOUCHED,
    JOB_WORK,
    KEPT,
    LEAVES,
    LEAVING,
    LOSE,
    MAIN,
    NODE_IDLE,
    NODE_MOVED_FREE,
    NODE_MOVED_IDLE,
    NODE_TOUCHED,
    NONE,
    NOW,
    OVERFULL,
    PAIR,
    POD,
    POD_BATCH,
    POD_EVICTED,
    POD_NODE,
    POD_PROMISE,
    POD_SEAT,
    POD_SEATED,
    POD_STATE,
    QUEUE,
    QUEUE_ALLOCATED,
    QUEUE_ASKED,
    QUEUE_LASTING,
    QUEUE_PROMISED,
    QUEUE_PROMISED_LASTING,
    QUEUE_TOUCHED,
    ROOM_FOR_TAKEN_BACKS,
    ROOT,
    ROW,
    ROWS,
    ROWS_AT,
    RUN,
    RUNS,
    SCENARIO,
    STARTUP,
    TAKEN_BACK,
    TAKEN_BACK_AT,
    TAKEN_BACKS,
    TOUCHED_JOBS,
    TOUCHED_JOBS_AT,
    TOUCHED_LEAVES,
    TOUCHED_LEAVES_AT,
    TOUCHED_NODES,
    TOUCHED_NODES_AT,
    UNEVEN,
    WAITS,
    WALK_HEAD,
    WALK_REQUEST,
)
from tenantry.fair.replay.kernel.rooms import choose, shift
from tenantry.fair.replay.kernel.shares import charge

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Ints


def add_row(m: Ints, happening: int, job: int, gpus: int, cause: int, detail: int) -> None:  # noqa: PLR0917
    """Add a row to the log; GPUs are whole."""
    place = m[ROWS_AT] + m[ROW] * ROWS
    m[place], m[place + 1], m[place + 2] = m[NOW], happening, m[job + JOB_NUMBER]
    m[place + 3] = gpus * 1000
    m[place + 4] = m[cause + JOB_NUMBER] if cause != NONE else NONE
    m[place + 5] = detail
    m[ROW] += 1
    m[ALL_ROWS] += 1


# --- places given and promised ----------------------------------------------------------------------------------------


def place_job(m: Ints, job: int) -> None:
    """Give a job its places, or promise them where some are still being released. There is room for all of it."""
    gpus, waits = m[job + JOB_GPUS], False
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        if m[pod + POD_STATE] != WAITS or m[pod + POD_PROMISE] != NONE:
            continue
        node = choose(m, gpus)
        at_once = m[node + NODE_IDLE] >= gpus
        waits = waits or not at_once
        m[pod + POD_PROMISE] = node
        m[pod + POD_SEAT] = 1 if at_once else 0
        shift(m, node, -gpus if at_once else 0, -gpus)
    end_to_wait(m, job)
    touch_job(m, job)
    if waits:
        promise_all(m, job)
    else:
        bind(m, job)


def promise_all(m: Ints, job: int) -> None:
    """Promise a job the places chosen for its pods, also those where they could run at once."""
    gpus, count = m[job + JOB_GPUS], m[job + JOB_PENDING]
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        node = m[pod + POD_PROMISE]
        if m[pod + POD_STATE] == WAITS and node >= 0:
            if m[pod + POD_SEAT] == 1:
                shift(m, node, gpus, 0)
            touch_node(m, node, 0, -gpus)
    charge_for_now(m, job, count * gpus)
    charge(m, QUEUE_ALLOCATED, m[job + JOB_LEAF], count * gpus)
    recount(m, job)
    relist(m, job)


def bind(m: Ints, job: int) -> None:
    """Let the pods of a job run where places were chosen for them."""
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        node = m[pod + POD_PROMISE]
        if m[pod + POD_STATE] == WAITS and node >= 0:
            m[pod + POD_STATE], m[pod + POD_NODE], m[pod + POD_PROMISE] = RUNS, node, NONE
    taken, fresh = m[job + JOB_PENDING] * m[job + JOB_GPUS], m[job + JOB_RUNNING] == 0
    charge(m, QUEUE_ALLOCATED, m[job + JOB_LEAF], taken)
    if m[job + JOB_PREEMPTIBLE] == 0:
        charge(m, QUEUE_LASTING, m[job + JOB_LEAF], taken)
    recount(m, job)
    relist(m, job)
    if fresh:
        m[job + JOB_STARTED] = m[NOW]
        protect(m, job)
    m[CHANGED] = 1
    add_row(m, BIND, job, taken, NONE, 0)
    if m[job + JOB_RUNNING] == m[job + JOB_PODS]:
        add_row(m, RUN, job, 0, NONE, 0)
        m[job + JOB_SINCE] = m[NOW] + m[STARTUP]
        m[job + JOB_END] = m[job + JOB_SINCE] + m[job + JOB_LEFT]
        plan_end(m, job)


# --- evictions --------------------------------------------------------------------------------------------------------


def commit(m: Ints, action: int, job: int) -> None:
    """Keep the scenario that is done: its victims leave, and those that found places are promised them."""
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        settle_job(m, action, m[place], job)
    settle_job(m, action, job, job)
    # A job that waits no more asks for nothing where it still stands in the walk.
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        head = m[leaf + MAIN + WALK_HEAD]
        if head != NONE and m[head + JOB_CLASS] == NONE:
            m[leaf + MAIN + WALK_REQUEST] = 0


def settle_job(m: Ints, action: int, job: int, cause: int) -> None:
    """Keep what the scenario that is done means for a job: pods that leave, promises given and taken back."""
    gpus, batch = m[job + JOB_GPUS], m[ALL_ROWS]
    left = promised = 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        evicted = m[pod + POD_EVICTED] == m[SCENARIO]
        seat = m[pod + POD_SEAT] if evicted or m[pod + POD_SEATED] == m[SCENARIO] else NONE
        if seat == KEPT:
            continue
        if evicted and m[pod + POD_PROMISE] >= 0:
            touch_node(m, m[pod + POD_PROMISE], -gpus, gpus)
            note_taken_back(m, pod)
            m[pod + POD_PROMISE] = TAKEN_BACK - m[pod + POD_PROMISE]
            promised -= 1
        elif evicted:
            m[pod + POD_STATE], m[pod + POD_BATCH] = LEAVES, batch
            left += 1
        if seat >= 0:
            m[pod + POD_PROMISE] = seat
            touch_node(m, seat, 0, -gpus)
            promised += 1
    if left > 0:
        let_go(m, action, job, left, cause)
    touch_job(m, job)
    charge_for_now(m, job, promised * gpus)
    count_again(m, job)


def count_again(m: Ints, job: int) -> None:
    """Count the pods of a job again, and take it out of what it does not belong in any more."""
    ran = m[job + JOB_RUNNING] > 0
    recount(m, job)
    if m[job + JOB_CLASS] != NONE and m[job + JOB_PENDING] == 0:
        end_to_wait(m, job)
    if ran and m[job + JOB_RUNNING] == 0:
        unprotect(m, job)
    relist(m, job)


def let_go(m: Ints, action: int, job: int, left: int, cause: int) -> None:
    """Note that so many pods of a job leave, and stop its work."""
    gone, batch = left * m[job + JOB_GPUS], m[ALL_ROWS]
    add_row(m, EVICT, job, gone, cause, action)
    charge(m, QUEUE_ASKED, m[job + JOB_LEAF], -gone)
    if m[job + JOB_PREEMPTIBLE] == 0:
        charge(m, QUEUE_LASTING, m[job + JOB_LEAF], -gone)
    m[UNEVEN] = 1
    lost = stop(m, job)
    if lost > 0:
        add_row(m, LOSE, job, 0, cause, lost)
    m[IDLE_EVICTIONS] += 1
    m[CHANGED] = 1
    plan_to_go(m, m[NOW] + m[LEAVING], job, batch)


def stop(m: Ints, job: int) -> int:
    """Let a job stop working; return the seconds of work that are lost."""
    since = m[job + JOB_SINCE]
    m[job + JOB_END] = NONE
    if since == NONE:
        return 0
    m[job + JOB_SINCE] = NONE
    done, kept = m[job + JOB_WORK] - m[job + JOB_LEFT] + max(0, m[NOW] - since), 0
    if m[CHECKPOINT] > 0:
        kept = done - done % m[CHECKPOINT]
    elif m[CHECKPOINT] == 0:
        kept = done
    m[job + JOB_LEFT] = m[job + JOB_WORK] - kept
    return done - kept


# --- what counts in a cycle only --------------------------------------------------------------------------------------


def touch_job(m: Ints, job: int) -> None:
    """Remember a job to which something was promised, or from which something was taken."""
    if m[job + JOB_TOUCHED] != m[CYCLE]:
        m[job + JOB_TOUCHED] = m[CYCLE]
        m[m[TOUCHED_JOBS_AT] + m[TOUCHED_JOBS]] = job
        m[TOUCHED_JOBS] += 1


def note_taken_back(m: Ints, pod: int) -> None:
    """Remember that a pod was promised a place on a node, which goes on to count it among its own."""
    if m[TAKEN_BACKS] == m[ROOM_FOR_TAKEN_BACKS]:
        m[OVERFULL] = 1
    else:
        place = m[TAKEN_BACK_AT] + m[TAKEN_BACKS] * PAIR
        m[place], m[place + 1] = pod, m[pod + POD_PROMISE]
        m[TAKEN_BACKS] += 1


def touch_node(m: Ints, node: int, idle: int, free: int) -> None:
    """Remember what was changed on a node for this cycle only."""
    if m[node + NODE_TOUCHED] != m[CYCLE]:
        m[node + NODE_TOUCHED] = m[CYCLE]
        m[node + NODE_MOVED_IDLE] = m[node + NODE_MOVED_FREE] = 0
        m[m[TOUCHED_NODES_AT] + m[TOUCHED_NODES]] = node
        m[TOUCHED_NODES] += 1
    m[node + NODE_MOVED_IDLE] += idle
    m[node + NODE_MOVED_FREE] += free


def charge_for_now(m: Ints, job: int, gpus: int) -> None:
    """Remember GPUs that a leaf is charged with for this cycle only."""
    leaf = m[job + JOB_LEAF]
    if m[leaf + QUEUE_TOUCHED] != m[CYCLE]:
        m[leaf + QUEUE_TOUCHED] = m[CYCLE]
        m[leaf + QUEUE_PROMISED] = m[leaf + QUEUE_PROMISED_LASTING] = 0
        m[m[TOUCHED_LEAVES_AT] + m[TOUCHED_LEAVES]] = leaf
        m[TOUCHED_LEAVES] += 1
    m[leaf + QUEUE_PROMISED] += gpus
    if m[job + JOB_PREEMPTIBLE] == 0:
        m[leaf + QUEUE_PROMISED_LASTING] += gpus
        charge(m, QUEUE_LASTING, leaf, gpus)


def forget_promises(m: Ints) -> None:
    """Take back all that counted in this cycle only."""
    for place in range(m[TOUCHED_NODES_AT], m[TOUCHED_NODES_AT] + m[TOUCHED_NODES]):
        node = m[place]
        shift(m, node, -m[node + NODE_MOVED_IDLE], -m[node + NODE_MOVED_FREE])
    for place in range(m[TOUCHED_LEAVES_AT], m[TOUCHED_LEAVES_AT] + m[TOUCHED_LEAVES]):
        leaf = m[place]
        charge(m, QUEUE_ALLOCATED, leaf, -m[leaf + QUEUE_PROMISED])
        charge(m, QUEUE_LASTING, leaf, -m[leaf + QUEUE_PROMISED_LASTING])
    for place in range(m[TOUCHED_JOBS_AT], m[TOUCHED_JOBS_AT] + m[TOUCHED_JOBS]):
        job = m[place]
        for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
            m[pod + POD_PROMISE] = NONE
        if m[job + JOB_CLASS] != NONE:
            end_to_wait(m, job)
        recount(m, job)
        relist(m, job)
        if m[job + JOB_PENDING] > 0:
            begin_to_wait(m, job)
