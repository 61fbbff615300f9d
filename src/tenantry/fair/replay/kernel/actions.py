"""The actions of a cycle, and what they change: placing, promising, evicting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.lists import (
    begin_to_wait,
    end_to_wait,
    note_unready,
    plan_end,
    plan_to_go,
    protect,
    recount,
    relist,
    unprotect,
)
from tenantry.fair.replay.kernel.numbers import (
    ACTION,
    ALL_JOBS,
    ALL_ROWS,
    BIND,
    CANDIDATES,
    CHANGED,
    CHOSEN,
    CONSOLIDATE,
    CYCLE,
    EVICT,
    FIFO_FIRST,
    FLAGGED,
    FLAGGED_CLASSES,
    FREE,
    IDLE_EVICTIONS,
    KEPT,
    LEAVES,
    LOSE,
    NEXT_JOB,
    NONE,
    NOW,
    ONLY_PREEMPTIBLE,
    PARTIAL,
    PREEMPT,
    RECLAIM,
    ROW,
    RUN,
    RUNS,
    SCENARIO,
    SELECTION,
    STALE,
    STAMP,
    TOUCHED_JOBS,
    TOUCHED_LEAVES,
    TOUCHED_NODES,
    UNEVEN,
    WAITS,
)
from tenantry.fair.replay.kernel.order import begin_walk, enter, next_job, place_branches, precedes, settle
from tenantry.fair.replay.kernel.rooms import choose, next_bit, places, shift
from tenantry.fair.replay.kernel.scenarios import solve
from tenantry.fair.replay.kernel.search import is_refused
from tenantry.fair.replay.kernel.shares import charge, share_out

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import State


def cycle(state: State) -> None:
    """Run all actions once, then forget what counted in this cycle only."""
    now, config = state.now, state.config
    now[STAMP] += 1
    now[CYCLE] = now[STAMP]
    now[TOUCHED_JOBS] = now[TOUCHED_NODES] = now[TOUCHED_LEAVES] = 0
    now[CHANGED] = 0
    if config.fifo == 1:
        allocate_in_turn(state)
        return
    note_unready(state)
    allocate(state)
    if config.movable != 0:
        consolidate(state)
    if config.reclaims == 1:
        reclaim(state)
    if config.preempts == 1:
        preempt(state)
    if config.evicts_stale == 1:
        evict_stale(state)
    forget_promises(state)
    forget_whole(state)


# --- the log ----------------------------------------------------------------------------------------------------------


def add_row(state: State, happening: int, job: int, gpus: int, cause: int, detail: int) -> None:
    """Add a row to the log; GPUs are whole."""
    now, rows = state.now, state.rows
    place = now[ROW]
    rows.time[place], rows.happening[place], rows.job[place] = now[NOW], happening, job
    rows.gpus[place], rows.cause[place], rows.detail[place] = gpus * 1000, cause, detail
    now[ROW] = place + 1
    now[ALL_ROWS] += 1


# --- allocate ---------------------------------------------------------------------------------------------------------


def allocate(state: State) -> None:
    """Place waiting jobs on what is free, in fair order."""
    now, walk = state.now, state.main
    leaves = flag_fitting(state)
    if leaves == 0:
        return
    if leaves == 1:
        while now[FLAGGED] > 0:
            place_job(state, first_flagged(state))
            keep_fitting(state)
        return
    share_out(state)
    walk.state[ALL_JOBS] = walk.state[ONLY_PREEMPTIBLE] = 0
    begin_walk(state, walk, FLAGGED_CLASSES, now[SELECTION])
    enter_flagged(state)
    place_branches(state.config, state.queues, walk)
    while now[FLAGGED] > 0:
        job = next_job(state, walk)
        if job == NONE:
            return
        place_job(state, job)
        keep_fitting(state)


def flag_fitting(state: State) -> int:
    """Flag the classes whose jobs fit; return of how many leaves they are."""
    config, now, classes, queues, nodes = state.config, state.now, state.classes, state.queues, state.nodes
    now[STAMP] += 1
    now[SELECTION] = now[STAMP]
    now[FLAGGED] = 0
    shape = classes.shape_first[0]
    while shape != NONE:
        if places(config, nodes, classes.shape_gpus[shape]) >= classes.shape_pods[shape]:
            break
        shape = classes.shape_after[shape]
    if shape == NONE:
        return 0
    leaves = 0
    for leaf in range(config.queues):
        kind = queues.first_class[leaf]
        found = False
        while kind != NONE:
            if fits_class(state, kind):
                classes.flag[kind] = now[SELECTION]
                classes.flagged[now[FLAGGED]] = kind
                now[FLAGGED] += 1
                found = True
            kind = classes.after[kind]
        if found:
            leaves += 1
            queues.on[leaf] = now[SELECTION]
    return leaves


def fits_class(state: State, kind: int) -> bool:
    """Whether jobs of a class have room and are within limits, and one of them is ready."""
    classes, jobs = state.classes, state.jobs
    if places(state.config, state.nodes, classes.gpus[kind]) < classes.pods[kind]:
        return False
    job = classes.head[kind]
    while job != NONE and jobs.unready[job] == 1:
        job = jobs.after[job]
    if job == NONE:
        return False
    return not is_refused(
        state.config, state.queues, classes.leaf[kind], classes.request[kind], classes.preemptible[kind]
    )


def keep_fitting(state: State) -> None:
    """Take the flag of classes whose jobs do not fit any more."""
    now, classes = state.now, state.classes
    count = 0
    for place in range(now[FLAGGED]):
        kind = classes.flagged[place]
        if fits_class(state, kind):
            classes.flagged[count] = kind
            count += 1
        else:
            classes.flag[kind] = 0
    now[FLAGGED] = count


def first_flagged(state: State) -> int:
    """First ready job of all flagged classes, which are of one leaf."""
    classes, jobs = state.classes, state.jobs
    best = NONE
    for place in range(state.now[FLAGGED]):
        job = classes.head[classes.flagged[place]]
        while job != NONE and jobs.unready[job] == 1:
            job = jobs.after[job]
        if job != NONE and precedes(state, job, best):
            best = job
    return best


def enter_flagged(state: State) -> None:
    """Let the leaves take part that matter: those with flagged classes, and all where queues above are compared."""
    queues, walk = state.queues, state.main
    deep = False
    for leaf in range(state.config.queues):
        if queues.on[leaf] == state.now[SELECTION]:
            enter(state, walk, leaf)
            deep = deep or queues.depth[leaf] > 0
    if deep:
        for leaf in range(state.config.queues):
            if queues.waiting[leaf] > 0 and walk.head[leaf] == NONE:
                enter(state, walk, leaf)


def place_job(state: State, job: int) -> None:
    """Give a job its places, or promise them where some are still being released. There is room for all of it."""
    config, now, jobs, pods, nodes = state.config, state.now, state.jobs, state.pods, state.nodes
    gpus = jobs.gpus[job]
    waits = False
    first, last = jobs.first_pod[job], jobs.first_pod[job] + jobs.pods[job]
    for pod in range(first, last):
        if pods.state[pod] != WAITS or pods.promise[pod] != NONE:
            continue
        node = choose(config, now, nodes, gpus)
        at_once = nodes.idle[node] >= gpus
        waits = waits or not at_once
        pods.promise[pod] = node
        pods.seat[pod] = 1 if at_once else 0
        shift(config, now, nodes, node, -gpus if at_once else 0, -gpus)
    count = jobs.pending[job]
    end_to_wait(state, job)
    touch_job(state, job)
    if waits:
        for pod in range(first, last):
            node = pods.promise[pod]
            if pods.state[pod] == WAITS and node >= 0:
                if pods.seat[pod] == 1:
                    shift(config, now, nodes, node, gpus, 0)
                touch_node(state, node, 0, -gpus)
        promise(state, job, count)
        return
    bind(state, job, count)


def bind(state: State, job: int, count: int) -> None:
    """Let the placed pods of a job run."""
    config, now, jobs, pods = state.config, state.now, state.jobs, state.pods
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        node = pods.promise[pod]
        if pods.state[pod] == WAITS and node >= 0:
            pods.state[pod], pods.node[pod], pods.promise[pod] = RUNS, node, NONE
    fresh = jobs.running[job] == 0
    taken = count * jobs.gpus[job]
    charge(config, state.queues.allocated, state.queues, jobs.leaf[job], taken)
    if jobs.preemptible[job] == 0:
        charge(config, state.queues.lasting, state.queues, jobs.leaf[job], taken)
    recount(state, job)
    relist(config, jobs, state.lists, state.queues, job)
    if fresh:
        jobs.started[job] = now[NOW]
        protect(config, jobs, state.lists, job)
    now[CHANGED] = 1
    add_row(state, BIND, job, taken, NONE, 0)
    if jobs.running[job] == jobs.pods[job]:
        add_row(state, RUN, job, 0, NONE, 0)
        jobs.since[job] = now[NOW] + config.startup
        jobs.end[job] = jobs.since[job] + jobs.left[job]
        plan_end(now, jobs, state.lists.heap, job)


def promise(state: State, job: int, count: int) -> None:
    """Count promised pods of a job for the rest of the cycle."""
    jobs = state.jobs
    charge_for_now(state, job, count * jobs.gpus[job])
    charge(state.config, state.queues.allocated, state.queues, jobs.leaf[job], count * jobs.gpus[job])
    recount(state, job)
    relist(state.config, jobs, state.lists, state.queues, job)


def allocate_in_turn(state: State) -> None:
    """Place jobs strictly in order of submission until one has to wait."""
    config, now, jobs, nodes = state.config, state.now, state.jobs, state.nodes
    job = now[FIFO_FIRST]
    while job < now[NEXT_JOB]:
        if jobs.pending[job] > 0 and jobs.possible[job] == 1:
            if places(config, nodes, jobs.gpus[job]) < jobs.pods[job]:
                break
            place_job(state, job)
        job += 1
    now[FIFO_FIRST] = job


# --- what counts in a cycle only --------------------------------------------------------------------------------------


def touch_job(state: State, job: int) -> None:
    """Remember a job to which something was promised, or from which something was taken."""
    now, jobs = state.now, state.jobs
    if jobs.touched[job] != now[CYCLE]:
        jobs.touched[job] = now[CYCLE]
        state.lists.touched[now[TOUCHED_JOBS]] = job
        now[TOUCHED_JOBS] += 1


def touch_node(state: State, node: int, idle: int, free: int) -> None:
    """Remember what was changed on a node for this cycle only."""
    now, nodes = state.now, state.nodes
    if nodes.touched[node] != now[CYCLE]:
        nodes.touched[node] = now[CYCLE]
        nodes.moved_idle[node] = nodes.moved_free[node] = 0
        nodes.listed[now[TOUCHED_NODES]] = node
        now[TOUCHED_NODES] += 1
    nodes.moved_idle[node] += idle
    nodes.moved_free[node] += free


def charge_for_now(state: State, job: int, gpus: int) -> None:
    """Remember GPUs that a leaf is charged with for this cycle only."""
    now, queues, leaf = state.now, state.queues, state.jobs.leaf[job]
    if queues.touched[leaf] != now[CYCLE]:
        queues.touched[leaf] = now[CYCLE]
        queues.promised[leaf] = queues.promised_lasting[leaf] = 0
        queues.listed[now[TOUCHED_LEAVES]] = leaf
        now[TOUCHED_LEAVES] += 1
    queues.promised[leaf] += gpus
    if state.jobs.preemptible[job] == 0:
        queues.promised_lasting[leaf] += gpus
        charge(state.config, queues.lasting, queues, leaf, gpus)


def forget_promises(state: State) -> None:
    """Take back all that counted in this cycle only."""
    config, now, jobs, pods, nodes, queues = (
        state.config, state.now, state.jobs, state.pods, state.nodes, state.queues,
    )  # fmt: skip
    for place in range(now[TOUCHED_NODES]):
        node = nodes.listed[place]
        shift(config, now, nodes, node, -nodes.moved_idle[node], -nodes.moved_free[node])
    for place in range(now[TOUCHED_LEAVES]):
        leaf = queues.listed[place]
        charge(config, queues.allocated, queues, leaf, -queues.promised[leaf])
        charge(config, queues.lasting, queues, leaf, -queues.promised_lasting[leaf])
    for place in range(now[TOUCHED_JOBS]):
        job = state.lists.touched[place]
        first = jobs.first_pod[job]
        for pod in range(first, first + jobs.pods[job]):
            pods.promise[pod] = NONE
        if jobs.in_class[job] != NONE:
            end_to_wait(state, job)
        recount(state, job)
        relist(config, jobs, state.lists, queues, job)
        if jobs.pending[job] > 0:
            begin_to_wait(state, job)


# --- actions that evict -----------------------------------------------------------------------------------------------


def consolidate(state: State) -> None:
    """Move running jobs together where that makes room for a waiting one."""
    act(state, CONSOLIDATE)


def reclaim(state: State) -> None:
    """Take back from queues above their share for jobs of queues within theirs."""
    act(state, RECLAIM)


def preempt(state: State) -> None:
    """Evict jobs of lower priority for jobs of the same queue."""
    act(state, PREEMPT)


def act(state: State, action: int) -> None:
    """Search victims for one job after the other, in fair order."""
    config, now, jobs, classes = state.config, state.now, state.jobs, state.classes
    if state.lists.movable[0] == 0:
        return
    share_out(state)
    note_unready(state)
    now[STAMP] += 1
    now[SELECTION] = now[ACTION] = now[STAMP]
    flag_worthy(state, action)
    if now[FLAGGED] == 0:
        return
    begin_main_walk(state, action)
    while now[FLAGGED] > 0:
        job = next_job(state, state.main)
        if job == NONE:
            return
        settle(state, state.main)
        kind = jobs.in_class[job]
        leaf = config.queues if action == CONSOLIDATE else jobs.leaf[job]
        if not is_worthy(state, action, kind):
            classes.flag[kind] = 0
            now[FLAGGED] -= 1
        elif solve_for(state, action, job, kind):
            commit(state, action, job)
            flag_worthy(state, action)
        else:
            note_failed(state, leaf, kind)


def solve_for(state: State, action: int, job: int, kind: int) -> bool:
    """Search victims for a job, where nothing rules out at once that there are any."""
    if action == CONSOLIDATE and (state.now[FREE] < state.classes.request[kind] or not choose_candidates(state, job)):
        return False
    if action == PREEMPT and is_over_quota(state, kind):
        return False
    return solve(state, action, job)


def begin_main_walk(state: State, action: int) -> None:
    """Begin a walk over all waiting jobs that an action looks at."""
    walk = state.main
    walk.state[ALL_JOBS] = 0
    walk.state[ONLY_PREEMPTIBLE] = 1 if action == CONSOLIDATE else 0
    begin_walk(state, walk, FLAGGED_CLASSES, state.now[SELECTION])
    for leaf in range(state.config.queues):
        if state.queues.waiting[leaf] > 0:
            enter(state, walk, leaf)
    place_branches(state.config, state.queues, walk)


def flag_worthy(state: State, action: int) -> None:
    """Flag the classes for whose jobs victims may be searched as things stand."""
    now, classes, queues = state.now, state.classes, state.queues
    now[FLAGGED] = 0
    for leaf in range(state.config.queues):
        kind = queues.first_class[leaf]
        while kind != NONE:
            if is_worthy(state, action, kind):
                classes.flag[kind] = now[SELECTION]
                now[FLAGGED] += 1
            else:
                classes.flag[kind] = 0
            kind = classes.after[kind]


def is_worthy(state: State, action: int, kind: int) -> bool:
    """Whether victims may be searched for jobs of a class as things stand."""
    classes, config = state.classes, state.config
    leaf = classes.leaf[kind]
    if classes.gpus[kind] > config.most:
        return False
    if action == CONSOLIDATE:
        return classes.preemptible[kind] == 1 and not is_hopeless(state, config.queues, kind)
    if is_hopeless(state, leaf, kind):
        return False
    return may_reclaim(state, kind) if action == RECLAIM else state.queues.held[leaf] > 0


def may_reclaim(state: State, kind: int) -> bool:
    """Whether jobs of a class stay within the fair share of their queue and, if they may not be evicted, its quota."""
    classes, queues = state.classes, state.queues
    leaf, request = classes.leaf[kind], classes.request[kind]
    if queues.allocated[leaf] + request > queues.fair[leaf]:
        return False
    quota = queues.quota[leaf]
    return classes.preemptible[kind] == 1 or quota == -1.0 or queues.lasting[leaf] + request <= quota


def is_over_quota(state: State, kind: int) -> bool:
    """Whether jobs of a class that may not be evicted would take a queue above its quota."""
    classes, queues = state.classes, state.queues
    if classes.preemptible[kind] == 1:
        return False
    queue = classes.leaf[kind]
    while queue != state.config.queues:
        quota = queues.quota[queue]
        if quota != -1.0 and quota < queues.lasting[queue] + classes.request[kind]:
            return True
        queue = queues.parent[queue]
    return False


def is_hopeless(state: State, leaf: int, kind: int) -> bool:
    """Whether a job is no easier than one that failed in this action (:class:`tenantry.fair.kai.evicting.Easiest`)."""
    classes = state.classes
    place = leaf * state.config.sizes + classes.size[kind]
    if state.config.signatures == 0 or classes.failed_at[place] != state.now[ACTION]:
        return False
    return classes.gpus[kind] >= classes.failed[place]


def note_failed(state: State, leaf: int, kind: int) -> None:
    """Remember a job that failed, if it is smaller than the one remembered."""
    classes, now = state.classes, state.now
    place = leaf * state.config.sizes + classes.size[kind]
    if classes.failed_at[place] != now[ACTION] or classes.gpus[kind] <= classes.failed[place]:
        classes.failed_at[place], classes.failed[place] = now[ACTION], classes.gpus[kind]


def choose_candidates(state: State, job: int) -> bool:
    """Choose the few oldest jobs that may be moved for another one; return whether there are any."""
    config, now, lists, search = state.config, state.now, state.lists, state.search
    if config.movable < 0:
        return True
    now[CANDIDATES] = 0
    other = next_bit(lists.movable, 0, lists.movable_level, 0)
    # One more than the setting says, as in the original.
    while other != NONE and now[CANDIDATES] <= config.movable:
        if other != job:
            place = now[CANDIDATES] - 1
            while place >= 0 and comes_after(state, search.candidates[place], other):
                search.candidates[place + 1] = search.candidates[place]
                place -= 1
            search.candidates[place + 1] = other
            now[CANDIDATES] += 1
        other = next_bit(lists.movable, 0, lists.movable_level, other + 1)
    return now[CANDIDATES] > 0


def comes_after(state: State, one: int, other: int) -> bool:
    """Whether one candidate comes after another: by leaf, lowest priority, complete gangs, youngest first."""
    jobs = state.jobs
    if jobs.leaf[one] != jobs.leaf[other]:
        return jobs.leaf[one] > jobs.leaf[other]
    if jobs.level[one] != jobs.level[other]:
        return jobs.level[one] > jobs.level[other]
    whole, other_whole = jobs.in_list[one] & 1, jobs.in_list[other] & 1
    if whole != other_whole:
        return whole < other_whole
    return one < other


# --- what evictions change --------------------------------------------------------------------------------------------


def commit(state: State, action: int, job: int) -> None:
    """Keep the scenario that is done: its victims leave, and those that found places are promised them."""
    now, jobs, search, walk = state.now, state.jobs, state.search, state.main
    for place in range(now[CHOSEN]):
        settle_job(state, action, search.chosen[place], job)
    settle_job(state, action, job, job)
    # A job that waits no more asks for nothing where it still stands in the walk.
    for leaf in range(state.config.queues):
        head = walk.head[leaf]
        if head != NONE and jobs.in_class[head] == NONE:
            walk.request[leaf] = 0


def settle_job(state: State, action: int, job: int, cause: int) -> None:
    """Keep what the scenario that is done means for a job: pods that leave, promises given and taken back."""
    now, jobs, pods = state.now, state.jobs, state.pods
    gpus, batch = jobs.gpus[job], now[ALL_ROWS]
    left = promised = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        evicted = pods.evicted[pod] == now[SCENARIO]
        seat = pods.seat[pod] if evicted or pods.seated[pod] == now[SCENARIO] else NONE
        if seat == KEPT:
            continue
        if evicted and pods.promise[pod] >= 0:
            touch_node(state, pods.promise[pod], -gpus, gpus)
            pods.promise[pod] = -2 - pods.promise[pod]
            promised -= 1
        elif evicted:
            pods.state[pod], pods.batch[pod] = LEAVES, batch
            left += 1
        if seat >= 0:
            pods.promise[pod] = seat
            touch_node(state, seat, 0, -gpus)
            promised += 1
    if left > 0:
        let_go(state, action, job, left, cause)
    touch_job(state, job)
    charge_for_now(state, job, promised * gpus)
    count_again(state, job)


def count_again(state: State, job: int) -> None:
    """Count the pods of a job again, and take it out of what it does not belong in any more."""
    jobs = state.jobs
    waited = jobs.in_class[job] != NONE
    ran = jobs.running[job] > 0
    recount(state, job)
    if waited and jobs.pending[job] == 0:
        end_to_wait(state, job)
    if ran and jobs.running[job] == 0:
        unprotect(state.config, state.lists, job)
    relist(state.config, jobs, state.lists, state.queues, job)


def let_go(state: State, action: int, job: int, left: int, cause: int) -> None:
    """Note that so many pods of a job leave, and stop its work."""
    config, now, jobs, queues = state.config, state.now, state.jobs, state.queues
    gone, batch = left * jobs.gpus[job], now[ALL_ROWS]
    add_row(state, EVICT, job, gone, cause, action)
    charge(config, queues.asked, queues, jobs.leaf[job], -gone)
    if jobs.preemptible[job] == 0:
        charge(config, queues.lasting, queues, jobs.leaf[job], -gone)
    now[UNEVEN] = 1
    lost = stop(state, job)
    if lost > 0:
        add_row(state, LOSE, job, 0, cause, lost)
    now[IDLE_EVICTIONS] += 1
    now[CHANGED] = 1
    plan_to_go(now, state.lists, now[NOW] + config.leaving, job, batch)


def stop(state: State, job: int) -> int:
    """Let a job stop working; return the seconds of work that are lost."""
    config, jobs = state.config, state.jobs
    since = jobs.since[job]
    jobs.end[job] = NONE
    if since == NONE:
        return 0
    jobs.since[job] = NONE
    done = jobs.work[job] - jobs.left[job] + max(0, state.now[NOW] - since)
    kept = 0
    if config.checkpoint > 0:
        kept = done - done % config.checkpoint
    elif config.checkpoint == 0:
        kept = done
    jobs.left[job] = jobs.work[job] - kept
    return done - kept


# --- gangs that run with pods missing ---------------------------------------------------------------------------------


def evict_stale(state: State) -> None:
    """Evict gangs that have run with too few pods for longer than their grace period."""
    config, now, jobs = state.config, state.now, state.jobs
    job = now[PARTIAL]
    while job != NONE:
        if jobs.pending[job] == 0 or jobs.pending[job] == jobs.pods[job]:
            jobs.stale[job] = NONE
        else:
            if jobs.stale[job] == NONE:
                jobs.stale[job] = now[NOW]
            if config.grace >= 0 and now[NOW] - jobs.stale[job] >= config.grace:
                evict_all(state, job)
        job = jobs.next_partial[job]


def evict_all(state: State, job: int) -> None:
    """Evict all running pods of a job for good."""
    config, now, jobs, pods = state.config, state.now, state.jobs, state.pods
    gpus, batch = jobs.gpus[job], now[ALL_ROWS]
    left = 0
    first = jobs.first_pod[job]
    for pod in range(first, first + jobs.pods[job]):
        if pods.state[pod] == RUNS and pods.promise[pod] == NONE:
            pods.state[pod], pods.batch[pod] = LEAVES, batch
            shift(config, now, state.nodes, pods.node[pod], 0, gpus)
            left += 1
    if left > 0:
        charge(config, state.queues.allocated, state.queues, jobs.leaf[job], -left * gpus)
        let_go(state, STALE, job, left, NONE)
        count_again(state, job)


def forget_whole(state: State) -> None:
    """Forget jobs that do not run with pods missing any more."""
    now, jobs = state.now, state.jobs
    before, job = NONE, now[PARTIAL]
    while job != NONE:
        after = jobs.next_partial[job]
        pending = jobs.pending[job]
        if jobs.stale[job] == NONE and (pending == 0 or pending == jobs.pods[job]):
            jobs.in_partial[job] = jobs.unready[job] = 0
            if before == NONE:
                now[PARTIAL] = after
            else:
                jobs.next_partial[before] = after
        else:
            before = job
        job = after
