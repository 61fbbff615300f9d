"""One scenario: victims are evicted, then they and the job ask for places in fair order.

As ``Solver._simulate`` in :mod:`tenantry.fair.kai.solver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.bounds import may_settle, seat_of, would_fit
from tenantry.fair.replay.kernel.judging import is_fair
from tenantry.fair.replay.kernel.memory import (
    CHARGE,
    CHARGE_LIST,
    CHARGES,
    CHOSEN,
    CHOSEN_AT,
    FIRST_QUEUE,
    FORGETS,
    INNER,
    JOB_GPUS,
    JOB_LEAF,
    JOB_MARK,
    JOB_PENDING,
    JOB_POD,
    JOB_PODS,
    JOB_PODS_END,
    JOB_PREEMPTIBLE,
    JOB_WANTS,
    KEPT,
    NODE_FREE,
    NODE_GONE_FREE,
    NODE_GONE_IDLE,
    NODE_IDLE,
    NODE_USABLE,
    NODE_WAS_FREE,
    NODE_WAS_IDLE,
    NONE,
    PAIR,
    POD,
    POD_EVICTED,
    POD_NODE,
    POD_PROMISE,
    POD_SEAT,
    POD_SEATED,
    POD_STATE,
    PROBE,
    QUEUE,
    QUEUE_ALLOCATED,
    QUEUE_DEPTH,
    QUEUE_WAITING,
    RECORDED,
    RELEVANT,
    RELEVANT_AT,
    ROOT,
    SCENARIO,
    SEEKER,
    SHIFTED,
    SHIFTED_AT,
    SHIFTS,
    STAMP,
    TAKEN_BACK_AT,
    TAKEN_BACKS,
    WAITS,
    WALK_HEAD,
)
from tenantry.fair.replay.kernel.order import begin_walk, enter, list_relevant, next_job, place_branches
from tenantry.fair.replay.kernel.rooms import choose, note_shifted, shift, shift_back, try_shift
from tenantry.fair.replay.kernel.shares import charge, is_refused

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def simulate(m: Ints, f: Floats, count: int) -> bool:
    """Try a scenario: the chosen victims, for so many pods of the job. What works stays done; else all is undone."""
    if m[CHOSEN] == 0 or not would_fit(m, m[m[SEEKER] + JOB_GPUS], count) or not may_settle(m, f, count):
        return False
    m[STAMP] += 1
    m[SCENARIO] = m[STAMP]
    m[SHIFTS] = m[SHIFTED] = m[CHARGES] = 0
    relevant = m[RELEVANT_AT]
    for place in range(m[CHOSEN]):
        victim = m[m[CHOSEN_AT] + place]
        m[relevant + place] = victim
        m[victim + JOB_MARK] = m[SCENARIO]
        suppose_evicted(m, victim)
    for place in range(m[SHIFTED_AT], m[SHIFTED_AT] + m[SHIFTED]):
        node = m[place]
        try_shift(m, node, m[node + NODE_GONE_IDLE], m[node + NODE_GONE_FREE])
    seeker = m[SEEKER]
    m[relevant + m[CHOSEN]] = seeker
    m[RELEVANT] = m[CHOSEN] + 1
    m[seeker + JOB_MARK] = m[SCENARIO]
    # Recorded victims come oldest first, further ones youngest first in each leaf.
    for place in range(relevant + m[RECORDED] - 1, relevant - 1, -1):
        list_relevant(m, m[place])
    for place in range(relevant + m[RECORDED], relevant + m[CHOSEN]):
        list_relevant(m, m[place])
    list_relevant(m, seeker)
    m[seeker + JOB_WANTS] = count * m[seeker + JOB_GPUS]
    if place_again(m, f, count):
        if is_fair(m, f, count):
            return True
        if m[FORGETS] == 0:
            remember_nodes(m)
    undo_scenario(m)
    return False


def remember_nodes(m: Ints) -> None:
    """Let the nodes of victims of a refused scenario count as usable, as versions before 0.17 do."""
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim = m[place]
        for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
            if m[pod + POD_EVICTED] == m[SCENARIO]:
                m[seat_of(m, pod) + NODE_USABLE] = m[PROBE]


def undo_scenario(m: Ints) -> None:
    """Undo a scenario."""
    for place in range(m[SHIFTED_AT], m[SHIFTED_AT] + m[SHIFTED]):
        node = m[place]
        idle, free = m[node + NODE_WAS_IDLE] - m[node + NODE_IDLE], m[node + NODE_WAS_FREE] - m[node + NODE_FREE]
        if idle != 0 or free != 0:
            shift(m, node, idle, free)
    m[SHIFTS] = m[SHIFTED] = 0
    for number in range(m[CHARGES] - 1, -1, -1):
        place = m[CHARGE_LIST] + number * CHARGE
        charge(m, QUEUE_ALLOCATED, m[place], -m[place + 1])
    m[CHARGES] = 0


def try_charge(m: Ints, leaf: int, gpus: int) -> None:
    """Charge a leaf and all above it within a scenario."""
    place = m[CHARGE_LIST] + m[CHARGES] * CHARGE
    m[place], m[place + 1] = leaf, gpus
    m[CHARGES] += 1
    charge(m, QUEUE_ALLOCATED, leaf, gpus)


def suppose_evicted(m: Ints, victim: int) -> None:
    """Suppose that all pods of a victim leave; nodes are told of all victims at once."""
    gpus, gone = m[victim + JOB_GPUS], 0
    for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
        node = seat_of(m, pod)
        if node == NONE:
            continue
        # A promise that is taken back leaves its GPUs neither idle nor promised: they count as being released.
        note_shifted(m, node)
        m[node + NODE_GONE_IDLE] -= gpus if m[pod + POD_PROMISE] >= 0 else 0
        m[node + NODE_GONE_FREE] += gpus
        m[pod + POD_EVICTED], m[pod + POD_SEAT] = m[SCENARIO], NONE
        gone += 1
    try_charge(m, m[victim + JOB_LEAF], -gone * gpus)
    m[victim + JOB_WANTS] = (gone + m[victim + JOB_PENDING]) * gpus


def place_again(m: Ints, f: Floats, count: int) -> bool:
    """Let the victims and the job ask for places in fair order; return whether the job got its."""
    begin_walk(m, INNER, m[SCENARIO])
    deep = False
    for place in range(m[RELEVANT_AT], m[RELEVANT_AT] + m[RELEVANT]):
        leaf = m[m[place] + JOB_LEAF]
        deep = deep or m[leaf + QUEUE_DEPTH] > 0
        if m[leaf + INNER + WALK_HEAD] == NONE:
            enter(m, INNER, leaf)
    if deep:
        enter_others(m, INNER)
    place_branches(m, f, INNER)
    for _ in range(m[RELEVANT]):
        job = next_job(m, f, INNER)
        if job == m[SEEKER]:
            if not seat(m, f, job, count):
                return False
        else:
            seat(m, f, job, m[job + JOB_PODS])
    return True


def enter_others(m: Ints, walk: int) -> None:
    """Let all other leaves take part too: their next jobs decide how the queues above them compare."""
    for leaf in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        if m[leaf + QUEUE_WAITING] > 0 and m[leaf + walk + WALK_HEAD] == NONE:
            enter(m, walk, leaf)


def seat(m: Ints, f: Floats, job: int, count: int) -> bool:
    """Find places for up to so many pods of a job that need one, or for none of them."""
    gpus, leaf = m[job + JOB_GPUS], m[job + JOB_LEAF]
    if is_refused(m, f, leaf, m[job + JOB_WANTS], m[job + JOB_PREEMPTIBLE]):
        return False
    mark, placed = m[SHIFTS], 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        evicted = m[pod + POD_EVICTED] == m[SCENARIO]
        if not evicted and (m[pod + POD_STATE] != WAITS or m[pod + POD_PROMISE] != NONE):
            continue
        if placed == count:
            break
        node = choose(m, gpus)
        if node == NONE:
            give_up(m, mark, job)
            return False
        if evicted and holds(m, pod, node):
            stay(m, pod, gpus)
        else:
            try_shift(m, node, 0, -gpus)
            m[pod + POD_SEAT] = node
            if not evicted:
                m[pod + POD_SEATED] = m[SCENARIO]
        placed += 1
    try_charge(m, leaf, placed * gpus)
    return True


def holds(m: Ints, pod: int, node: int) -> bool:
    """Whether an evicted pod is still on a node: where it runs, is on its way out, or was promised a place.

    Placed there again it is not evicted after all, even from the other node it was promised since (a quirk).
    """
    if m[pod + POD_PROMISE] == node or (m[pod + POD_STATE] != WAITS and m[pod + POD_NODE] == node):
        return True
    for place in range(m[TAKEN_BACK_AT], m[TAKEN_BACK_AT] + m[TAKEN_BACKS] * PAIR, PAIR):
        if m[place] == pod and m[place + 1] == node:
            return True
    return False


def stay(m: Ints, pod: int, gpus: int) -> None:
    """Take back that a pod is evicted."""
    promise = m[pod + POD_PROMISE]
    if promise >= 0:
        try_shift(m, promise, gpus, -gpus)
    else:
        try_shift(m, m[pod + POD_NODE], 0, -gpus)
    m[pod + POD_SEAT] = KEPT


def give_up(m: Ints, mark: int, job: int) -> None:
    """Take back the places found for a job so far."""
    shift_back(m, mark)
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        m[pod + POD_SEAT] = NONE
        m[pod + POD_SEATED] = 0
