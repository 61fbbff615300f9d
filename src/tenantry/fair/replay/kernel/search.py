"""One scenario: victims are evicted, then they and the job ask for places in fair order, and the result is judged.

As ``Solver._simulate`` in :mod:`tenantry.fair.kai.solver` and ``Ledger`` in :mod:`tenantry.fair.kai.reclaimable`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import (
    ALL_JOBS,
    CHARGES,
    CHOSEN,
    CONSOLIDATE,
    KEPT,
    NONE,
    ONLY_PREEMPTIBLE,
    PROBING,
    RECLAIM,
    RELEVANT,
    RELEVANT_JOBS,
    RUNS,
    SCENARIO,
    SHIFTS,
    STAMP,
    WAITS,
)
from tenantry.fair.replay.kernel.order import begin_walk, enter, next_job, parting, place_branches
from tenantry.fair.replay.kernel.rooms import choose, fitting, places, shift_back, try_shift
from tenantry.fair.replay.kernel.shares import charge

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Config, Jobs, Queues, State


def seat_of(state: State, pod: int) -> int:
    """Node of a pod that runs or is promised a place, -1 of any other."""
    promise = state.pods.promise[pod]
    if promise >= 0:
        return promise
    return state.pods.node[pod] if promise == NONE and state.pods.state[pod] == RUNS else NONE


def would_fit(state: State, job: int, count: int) -> bool:
    """Whether the pods of a job would fit with the chosen victims gone, all others aside."""
    config, jobs, nodes, now = state.config, state.jobs, state.nodes, state.now
    gpus = jobs.gpus[job]
    missing = count - places(config, nodes, gpus)
    if missing <= 0:
        return True
    now[STAMP] += 1
    stamp = now[STAMP]
    for place in range(now[CHOSEN]):
        victim = state.search.chosen[place]
        first = jobs.first_pod[victim]
        for pod in range(first, first + jobs.pods[victim]):
            node = seat_of(state, pod)
            if node == NONE:
                continue
            if nodes.extra_at[node] != stamp:
                nodes.extra_at[node], nodes.extra[node] = stamp, 0
            before = fitting(nodes.free[node] + nodes.extra[node], gpus)
            nodes.extra[node] += jobs.gpus[victim]
            missing -= fitting(nodes.free[node] + nodes.extra[node], gpus) - before
            if missing <= 0:
                return True
    return False


def simulate(state: State, mode: int, job: int, count: int) -> bool:
    """Try a scenario: the chosen victims, for the first pods of a job. What works stays done; else all is undone."""
    now, jobs, search = state.now, state.jobs, state.search
    if now[CHOSEN] == 0 or not would_fit(state, job, count):
        return False
    now[STAMP] += 1
    stamp = now[STAMP]
    now[SCENARIO] = stamp
    now[SHIFTS] = now[CHARGES] = 0
    for place in range(now[CHOSEN]):
        victim = search.chosen[place]
        search.relevant[place] = victim
        suppose_evicted(state, victim)
        jobs.mark[victim] = stamp
    search.relevant[now[CHOSEN]] = job
    now[RELEVANT] = now[CHOSEN] + 1
    jobs.mark[job] = stamp
    jobs.wants[job] = count * jobs.gpus[job]
    if place_again(state, job, count):
        if is_fair(state, mode, job, count):
            return True
        if state.config.forgets == 0:
            remember_nodes(state)
    undo_scenario(state)
    return False


def remember_nodes(state: State) -> None:
    """Let the nodes of victims of a refused scenario count as usable, as versions before 0.17 do."""
    now, jobs = state.now, state.jobs
    for place in range(now[CHOSEN]):
        victim = state.search.chosen[place]
        first = jobs.first_pod[victim]
        for pod in range(first, first + jobs.pods[victim]):
            if state.pods.evicted[pod] == now[SCENARIO]:
                state.nodes.usable[seat_of(state, pod)] = now[PROBING]


def undo_scenario(state: State) -> None:
    """Undo a scenario."""
    now, search = state.now, state.search
    shift_back(state, 0)
    for place in range(now[CHARGES] - 1, -1, -1):
        charge(
            state.config, state.queues.allocated, state.queues, search.charge_leaf[place], -search.charge_gpus[place]
        )
    now[CHARGES] = 0


def try_charge(state: State, leaf: int, gpus: int) -> None:
    """Charge a leaf and all above it within a scenario."""
    place = state.now[CHARGES]
    state.search.charge_leaf[place], state.search.charge_gpus[place] = leaf, gpus
    state.now[CHARGES] = place + 1
    charge(state.config, state.queues.allocated, state.queues, leaf, gpus)


def suppose_evicted(state: State, victim: int) -> None:
    """Suppose that all pods of a victim leave, the last ones first."""
    now, jobs, pods = state.now, state.jobs, state.pods
    gpus = jobs.gpus[victim]
    gone = 0
    first = jobs.first_pod[victim]
    for pod in range(first + jobs.pods[victim] - 1, first - 1, -1):
        node = seat_of(state, pod)
        if node == NONE:
            continue
        # A promise that is taken back leaves its GPUs neither idle nor promised: they count as being released.
        try_shift(state, node, -gpus if pods.promise[pod] >= 0 else 0, gpus)
        pods.evicted[pod], pods.seat[pod] = now[SCENARIO], NONE
        gone += 1
    try_charge(state, jobs.leaf[victim], -gone * gpus)
    jobs.wants[victim] = (gone + jobs.pending[victim]) * gpus


def place_again(state: State, preemptor: int, count: int) -> bool:
    """Let the victims and the job ask for places in fair order; return whether the job got its."""
    now, jobs, walk = state.now, state.jobs, state.inner
    walk.state[ALL_JOBS], walk.state[ONLY_PREEMPTIBLE] = 1, 0
    begin_walk(state, walk, RELEVANT_JOBS, now[SCENARIO])
    for place in range(now[RELEVANT]):
        leaf = jobs.leaf[state.search.relevant[place]]
        if walk.head[leaf] == NONE:
            enter(state, walk, leaf)
    if state.config.queues > 0:
        enter_others(state)
    place_branches(state.config, state.queues, walk)
    for _ in range(now[RELEVANT]):
        job = next_job(state, walk)
        fits = seat(state, job, count if job == preemptor else jobs.pods[job], job == preemptor)
        if job == preemptor and not fits:
            return False
    return True


def enter_others(state: State) -> None:
    """Let leaves take part whose jobs decide how queues above them compare: those below the same parents."""
    queues, walk, jobs = state.queues, state.inner, state.jobs
    deepest = 0
    for place in range(state.now[RELEVANT]):
        deepest = max(deepest, queues.depth[jobs.leaf[state.search.relevant[place]]])
    if deepest == 0:
        return
    for leaf in range(state.config.queues):
        if queues.waiting[leaf] > 0 and walk.head[leaf] == NONE:
            enter(state, walk, leaf)


def seat(state: State, job: int, count: int, preemptor: bool) -> bool:
    """Find places for the pods of a job that need one, or for none of them."""
    config, now, jobs, pods, nodes = state.config, state.now, state.jobs, state.pods, state.nodes
    gpus, leaf = jobs.gpus[job], jobs.leaf[job]
    if is_refused(config, state.queues, leaf, jobs.wants[job], jobs.preemptible[job]):
        return False
    shifts = now[SHIFTS]
    placed = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        evicted = pods.evicted[pod] == now[SCENARIO]
        if not evicted and (pods.state[pod] != WAITS or pods.promise[pod] != NONE):
            continue
        if placed == count:
            break
        node = choose(config, now, nodes, gpus)
        if node == NONE:
            give_up(state, shifts, job)
            return False
        if evicted and not preemptor and holds(state, pod, node):
            stay(state, pod, gpus)
        else:
            try_shift(state, node, 0, -gpus)
            pods.seat[pod] = node
            if not evicted:
                pods.seated[pod] = now[SCENARIO]
        placed += 1
    try_charge(state, leaf, placed * gpus)
    return True


def holds(state: State, pod: int, node: int) -> bool:
    """Whether a pod that is supposed to be evicted still is on a node: where it runs, leaves or was promised a place."""
    pods = state.pods
    return pods.promise[pod] == node or (pods.state[pod] != WAITS and pods.node[pod] == node)


def stay(state: State, pod: int, gpus: int) -> None:
    """Take back that a pod is evicted."""
    pods = state.pods
    promise = pods.promise[pod]
    if promise >= 0:
        try_shift(state, promise, gpus, -gpus)
    else:
        try_shift(state, pods.node[pod], 0, -gpus)
    pods.seat[pod] = KEPT


def give_up(state: State, shifts: int, job: int) -> None:
    """Take back the places found for a job so far."""
    jobs, pods = state.jobs, state.pods
    shift_back(state, shifts)
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        pods.seat[pod] = NONE
        pods.seated[pod] = 0


def is_refused(config: Config, queues: Queues, leaf: int, asked: int, preemptible: int) -> bool:
    """Whether GPUs would take a queue above its limit or, for a job that may not be evicted, its quota."""
    queue = leaf
    while queue != config.queues:
        limit, quota = queues.limit[queue], queues.quota[queue]
        if limit != -1.0 and limit < queues.allocated[queue] + asked:
            return True
        if preemptible == 0 and quota != -1.0 and quota < queues.lasting[queue] + asked:
            return True
        queue = queues.parent[queue]
    return False


# --- judging ----------------------------------------------------------------------------------------------------------


def is_fair(state: State, mode: int, job: int, count: int) -> bool:
    """Whether a scenario in which the job has its place may be done."""
    if mode == RECLAIM:
        return may_be_taken(state, job, count * state.jobs.gpus[job])
    if mode == CONSOLIDATE:
        for place in range(state.now[CHOSEN]):
            if lost_pods(state, state.search.chosen[place]) > 0:
                return False
    return True


def lost_pods(state: State, victim: int) -> int:
    """Pods of a victim that found no place."""
    pods, jobs = state.pods, state.jobs
    count = 0
    first = jobs.first_pod[victim]
    for pod in range(first, first + jobs.pods[victim]):
        if pods.evicted[pod] == state.now[SCENARIO] and pods.seat[pod] == NONE:
            count += 1
    return count


def gone_pods(state: State, victim: int) -> int:
    """Pods of a victim that count as taken from its queue."""
    if state.config.moved_is_kept == 1:
        return lost_pods(state, victim)
    pods, jobs = state.pods, state.jobs
    count = 0
    first = jobs.first_pod[victim]
    for pod in range(first, first + jobs.pods[victim]):
        if pods.evicted[pod] == state.now[SCENARIO]:
            count += 1
    return count


def may_be_taken(state: State, job: int, asked: int) -> bool:
    """Whether every queue may lose what is taken of it, and nobody overtakes anybody."""
    config, jobs, queues, now = state.config, state.jobs, state.queues, state.now
    own = jobs.leaf[job]
    for queue in range(config.queues):
        queues.judged[queue] = 0
    for leaf in range(config.queues):
        if leaf == own or queues.first_child[leaf + 1] > queues.first_child[leaf]:
            continue
        last = NONE
        while True:
            victim = next_chosen(state, leaf, last)
            if victim == NONE:
                break
            last = victim
            gone = gone_pods(state, victim) * jobs.gpus[victim]
            if gone > 0 and not take(config, queues, own, leaf, asked, gone):
                return False

    return not overtakes(config, queues, jobs, job, asked)


def next_chosen(state: State, leaf: int, last: int) -> int:
    """Oldest chosen victim of a leaf that is younger than another one, or -1."""
    jobs, search = state.jobs, state.search
    best = NONE
    for place in range(state.now[CHOSEN]):
        job = search.chosen[place]
        if jobs.leaf[job] == leaf and job > last and (best == NONE or job < best):
            best = job
    return best


def left_with(queues: Queues, queue: int) -> int:
    """GPUs a queue is left with in the scenario that is judged."""
    return queues.left[queue] if queues.judged[queue] == 1 else queues.before[queue]


def take(config: Config, queues: Queues, own: int, leaf: int, asked: int, gone: int) -> bool:
    """Take GPUs of a leaf; return whether its queue holds more than it has a right to before."""
    mine, other = parting(config, queues, own, leaf)
    quota = queues.quota[mine]
    in_quota = quota == -1.0 or queues.before[mine] + asked <= quota
    rest = left_with(queues, other)
    over_share = queues.able[other] != -1.0 and rest > queues.able[other]
    over_quota = queues.quota[other] != -1.0 and rest > queues.quota[other]
    if not over_share and not (in_quota and over_quota):
        return False
    queue = leaf
    while queue != config.queues:
        queues.left[queue] = left_with(queues, queue) - gone
        queues.judged[queue] = 1
        queue = queues.parent[queue]
    return True


def overtakes(config: Config, queues: Queues, jobs: Jobs, job: int, asked: int) -> bool:
    """Whether the queue of a job or one above it would be fuller than a sibling it takes from, or exceed its quota."""
    queue = jobs.leaf[job]
    while queue != config.queues:
        mine = left_with(queues, queue) + asked
        if queues.judged[queue] == 1:
            queues.left[queue] = mine
        for sibling in range(config.queues):
            if queues.judged[sibling] == 0 or queues.parent[sibling] != queues.parent[queue] or sibling == queue:
                continue
            ratio = saturation(mine, queues.fair[queue])
            other = saturation(queues.left[sibling], queues.fair[sibling])
            if ratio > 1 and queues.fair[sibling] > 0 and ratio * config.saturation >= other:
                return True
        quota = queues.quota[queue]
        if jobs.preemptible[job] == 0 and quota != -1.0 and queues.lasting[queue] + asked > quota:
            return True
        queue = queues.parent[queue]
    return False


def saturation(held: int, fair: float) -> float:
    """How full a queue is: what it holds over what it is due."""
    if fair == 0:
        return inf if held > 0 else 0.0
    return held / fair
