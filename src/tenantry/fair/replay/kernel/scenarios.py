"""The search for victims: which scenarios are tried for a job, in which order.

As ``Solver``, ``Accumulator``, ``node_by_node`` and ``over_nodes`` of :mod:`tenantry.fair.kai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import (
    CHOSEN,
    ENTRIES,
    KEPT,
    LEAVES,
    NONE,
    POTENTIAL,
    PROBE,
    PROBING,
    RECORDED,
    RUNS,
    SCENARIO,
    SEEN,
    STAMP,
    USABLE,
)
from tenantry.fair.replay.kernel.order import begin_victims, next_victim
from tenantry.fair.replay.kernel.rooms import fitting, places, usable
from tenantry.fair.replay.kernel.search import seat_of, simulate, undo_scenario

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Ints, State


def solve(state: State, mode: int, job: int) -> bool:
    """Search victims for a job; what is found stays done, with its victims chosen."""
    queues = state.queues
    for queue in range(state.config.queues):
        queues.before[queue] = queues.allocated[queue]
    count = state.jobs.pending[job]
    for over_nodes in range(1 - state.config.portfolio, 2):
        if solve_with(state, mode, job, count, over_nodes == 1):
            return True
    return False


def solve_with(state: State, mode: int, job: int, count: int, over_nodes: bool) -> bool:
    """Search for a part of the job first: doubling it while that works, then halving the gap; at last for all of it."""
    state.now[RECORDED] = 0
    low, part = 0, 1
    while probe(state, mode, job, part, over_nodes):
        record(state)
        low = part
        if part == count:
            return probe(state, mode, job, count, over_nodes)
        part = min(2 * part, count)
    if low == 0:
        return False
    high = part
    while high - low > 1:
        part = (low + high) // 2
        if probe(state, mode, job, part, over_nodes):
            record(state)
            low = part
        else:
            high = part
    return probe(state, mode, job, count, over_nodes)


def record(state: State) -> None:
    """Keep the victims that had to move or go, oldest first, for the next part of the job, and undo the scenario."""
    now, jobs, pods, search, nodes = state.now, state.jobs, state.pods, state.search, state.nodes
    now[STAMP] += 1
    stamp = now[STAMP]
    count = 0
    for place in range(now[CHOSEN]):
        victim = search.chosen[place]
        moved = False
        first = jobs.first_pod[victim]
        for pod in range(first, first + jobs.pods[victim]):
            if pods.evicted[pod] == now[SCENARIO] and pods.seat[pod] != KEPT:
                moved = True
                nodes.feasible[seat_of(state, pod)] = stamp
        if moved:
            search.recorded[count] = victim
            count += 1
    now[RECORDED] = count
    now[PROBE] = stamp
    sort_jobs(search.recorded, count)
    undo_scenario(state)


def sort_jobs(jobs: Ints, count: int) -> None:
    """Sort the first numbers of a list."""
    for place in range(1, count):
        job = jobs[place]
        before = place - 1
        while before >= 0 and jobs[before] > job:
            jobs[before + 1] = jobs[before]
            before -= 1
        jobs[before + 1] = job


def probe(state: State, mode: int, job: int, count: int, over_nodes: bool) -> bool:
    """Take victims one after the other and try the scenarios each makes possible, for some pods of a job."""
    now, jobs, search = state.now, state.jobs, state.search
    known = now[PROBE] if now[RECORDED] > 0 else NONE
    now[STAMP] += 1
    stamp = now[PROBING] = now[STAMP]
    now[POTENTIAL] = now[ENTRIES] = now[SEEN] = 0
    fit = places(state.config, state.nodes, jobs.gpus[job])
    for place in range(now[RECORDED]):
        victim = search.recorded[place]
        jobs.recorded[victim] = stamp
        fit += gain_of(state, job, victim, stamp)
    if fit >= count and now[RECORDED] > 0 and try_recorded(state, mode, job, count):
        return True
    begin_victims(state, state.victims, mode, job)
    while True:
        victim = next_victim(state, state.victims)
        if victim == NONE:
            return False
        if jobs.recorded[victim] == stamp:
            continue
        search.potential[now[POTENTIAL]] = victim
        now[POTENTIAL] += 1
        fit += gain_of(state, job, victim, stamp)
        list_on_nodes(state, victim, stamp)
        if fit < count:
            continue
        if over_nodes:
            if try_over_nodes(state, mode, job, count, stamp, known):
                return True
        elif try_node_by_node(state, mode, job, count, victim, stamp):
            return True


def gain_of(state: State, job: int, victim: int, stamp: int) -> int:
    """Count how many pods of a job more fit once a victim is gone too."""
    jobs, nodes = state.jobs, state.nodes
    gpus = jobs.gpus[job]
    more = 0
    first = jobs.first_pod[victim]
    for pod in range(first, first + jobs.pods[victim]):
        node = seat_of(state, pod)
        if node == NONE:
            continue
        if nodes.gained[node] != stamp:
            nodes.gained[node], nodes.gain[node], nodes.first[node] = stamp, 0, NONE
        before = fitting(nodes.free[node] + nodes.gain[node], gpus)
        nodes.gain[node] += jobs.gpus[victim]
        more += fitting(nodes.free[node] + nodes.gain[node], gpus) - before
    return more


def list_on_nodes(state: State, victim: int, stamp: int) -> None:
    """Note a victim on each of its nodes."""
    now, jobs, nodes, search = state.now, state.jobs, state.nodes, state.search
    first = jobs.first_pod[victim]
    for pod in range(first + jobs.pods[victim] - 1, first - 1, -1):
        node = seat_of(state, pod)
        if node == NONE:
            continue
        if nodes.first[node] != NONE and search.entry_job[nodes.last[node]] == victim:
            continue
        entry = now[ENTRIES]
        now[ENTRIES] = entry + 1
        search.entry_job[entry], search.entry_after[entry] = victim, NONE
        if nodes.first[node] == NONE:
            nodes.first[node] = entry
            nodes.seen[now[SEEN]] = node
            now[SEEN] += 1
        else:
            search.entry_after[nodes.last[node]] = entry
        nodes.last[node] = entry


def try_recorded(state: State, mode: int, job: int, count: int) -> bool:
    """Try the scenario with the victims of a smaller part alone."""
    choose_recorded(state)
    return simulate(state, mode, job, count)


def choose_recorded(state: State) -> None:
    """Begin a scenario with the victims of a smaller part of the job."""
    now, search = state.now, state.search
    for place in range(now[RECORDED]):
        search.chosen[place] = search.recorded[place]
    now[CHOSEN] = now[RECORDED]


# --- node by node -----------------------------------------------------------------------------------------------------


def try_node_by_node(state: State, mode: int, job: int, count: int, newest: int, stamp: int) -> bool:
    """Try, for every node of the newest victim, to evict all victims so far that are on it."""
    nodes, search, now = state.nodes, state.search, state.now
    corners = corners_of(state, newest)
    alone = False
    for place in range(corners):
        node = search.corner[place]
        if nodes.gained[node] != stamp or nodes.first[node] == NONE:
            continue
        choose_recorded(state)
        entry = nodes.first[node]
        while entry != NONE:
            search.chosen[now[CHOSEN]] = search.entry_job[entry]
            now[CHOSEN] += 1
            entry = search.entry_after[entry]
        if now[CHOSEN] == now[RECORDED] + 1 and search.chosen[now[RECORDED]] == newest:
            if alone:
                continue
            alone = True
        if simulate(state, mode, job, count):
            return True
    return False


def corners_of(state: State, job: int) -> int:
    """List the nodes of a job in order, those it leaves included; return how many there are."""
    jobs, pods, corner = state.jobs, state.pods, state.search.corner
    count = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        promise = pods.promise[pod]
        if promise >= 0:
            node = promise
        elif promise < NONE:
            node = -2 - promise
        elif pods.state[pod] == RUNS or pods.state[pod] == LEAVES:
            node = pods.node[pod]
        else:
            continue
        place = count - 1
        while place >= 0 and corner[place] > node:
            place -= 1
        if place >= 0 and corner[place] == node:
            continue
        for behind in range(count, place + 1, -1):
            corner[behind] = corner[behind - 1]
        corner[place + 1] = node
        count += 1
    return count


# --- over nodes -------------------------------------------------------------------------------------------------------


def try_over_nodes(state: State, mode: int, job: int, count: int, stamp: int, known: int) -> bool:
    """Try to evict victims over more and more nodes, those with the least to be had first."""
    now, jobs, nodes = state.now, state.jobs, state.nodes
    gpus = jobs.gpus[job]
    baseline = elsewhere(state, stamp, known)
    length = order_nodes(state, gpus)
    demand = max(0, count * gpus - baseline)
    width, total = 0, 0
    if demand > 0:
        width = length + 1
        for place in range(length):
            total += nodes.room[nodes.order[place]]
            if total >= demand:
                width = place + 1
                break
    step = 1
    while width <= length:
        choose_recorded(state)
        choose_on(state, width)
        if simulate(state, mode, job, count):
            return True
        if width >= length:
            return False
        width = min(width + step, length)
        if state.config.portfolio == 1:
            step *= 2
    return False


def elsewhere(state: State, stamp: int, known: int) -> int:
    """GPUs that are free, or freed by recorded victims, on usable nodes without further victims."""
    now, jobs, nodes, search = state.now, state.jobs, state.nodes, state.search
    total = now[USABLE]
    for place in range(now[SEEN]):
        node = nodes.seen[place]
        total -= usable(nodes.idle[node], nodes.free[node])
    now[STAMP] += 1
    for place in range(now[RECORDED]):
        victim = search.recorded[place]
        first = jobs.first_pod[victim]
        for pod in range(first, first + jobs.pods[victim]):
            node = seat_of(state, pod)
            if node == NONE or (nodes.gained[node] == stamp and nodes.first[node] != NONE):
                continue
            idle, free = nodes.idle[node], nodes.free[node]
            if idle > 0 or free - idle > 0:
                total += jobs.gpus[victim]
            elif nodes.usable[node] == stamp or (known != NONE and nodes.feasible[node] == known):
                total += jobs.gpus[victim]
                if nodes.extra_at[node] != now[STAMP]:
                    nodes.extra_at[node] = now[STAMP]
                    total += free
    return total


def order_nodes(state: State, gpus: int) -> int:
    """Order the nodes of victims that may hold a pod, those with the least to be had first; return how many."""
    now, nodes = state.now, state.nodes
    for place in range(now[SEEN]):
        node = nodes.seen[place]
        nodes.room[node] = nodes.free[node] + nodes.gain[node]
    length = 0
    for room in range(gpus, state.config.most + 1):
        for place in range(now[SEEN]):
            node = nodes.seen[place]
            if nodes.room[node] == room:
                nodes.order[length] = node
                length += 1
    return length


def choose_on(state: State, width: int) -> None:
    """Add the victims on the first nodes to a scenario, in the order they came up."""
    now, jobs, nodes, search = state.now, state.jobs, state.nodes, state.search
    now[STAMP] += 1
    picked = now[STAMP]
    for place in range(width):
        entry = nodes.first[nodes.order[place]]
        while entry != NONE:
            jobs.picked[search.entry_job[entry]] = picked
            entry = search.entry_after[entry]
    for place in range(now[POTENTIAL]):
        victim = search.potential[place]
        if jobs.picked[victim] == picked:
            search.chosen[now[CHOSEN]] = victim
            now[CHOSEN] += 1
