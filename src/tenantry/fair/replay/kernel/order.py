"""Walks over waiting jobs in fair order, and over victims in the opposite one.

A tree of queues with a binary heap at every node, as in :mod:`tenantry.fair.kai.walk`, with two differences that leave
the order as it is. A leaf passes over jobs that nobody is interested in until one asks for more than the leaf was
compared by: those between cannot make it wait. And only leaves that matter take part, where the caller says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import (
    ALL_JOBS,
    CANDIDATES,
    CONSOLIDATE,
    FLAG_OF_WALK,
    FLAGGED_CLASSES,
    HIGHEST,
    KIND,
    MODE,
    NONE,
    NOW,
    ONLY_PREEMPTIBLE,
    PREEMPT,
    PREEMPTOR,
    RECLAIM,
    RELEVANT,
    RELEVANT_JOBS,
    SETTLE,
    STAMP,
    STAMP_OF_WALK,
)

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Config, Jobs, Queues, State, Walk


# --- comparisons ------------------------------------------------------------------------------------------------------


def leaf_below(config: Config, queues: Queues, walk: Walk, queue: int) -> int:
    """The leaf whose job is next below a queue."""
    while queues.first_child[queue + 1] > queues.first_child[queue]:
        queue = walk.heap[queues.first_child[queue]]

    return queue


def part_of(config: Config, queues: Queues, queue: int, held: int) -> float:
    """Part of the GPUs a queue may hold by right that so many are."""
    able = queues.able[queue]
    if able == -1.0:
        able = float(config.total)
    return max(0.0, held * 1000.0 if able == 0 else held / able)


def goes_first(config: Config, queues: Queues, walk: Walk, one: int, other: int) -> bool:
    """Whether one of two siblings comes before the other (:class:`tenantry.fair.kai.queues.QueueOrder`)."""
    one_leaf, other_leaf = leaf_below(config, queues, walk, one), leaf_below(config, queues, walk, other)
    victims = walk.state[MODE] != 0
    one_more = 0 if victims else walk.request[one_leaf]
    other_more = 0 if victims else walk.request[other_leaf]
    one_held, other_held = queues.allocated[one] + one_more, queues.allocated[other] + other_more
    inside = queues.quota[one] == -1.0 or one_held <= queues.quota[one]
    other_inside = queues.quota[other] == -1.0 or other_held <= queues.quota[other]
    if inside != other_inside:
        return inside != victims
    if queues.priority[one] != queues.priority[other]:
        return (queues.priority[one] > queues.priority[other]) != victims
    lacks, other_lacks = queues.able[one] == 0 and one_held > 0, queues.able[other] == 0 and other_held > 0
    if lacks != other_lacks:
        return other_lacks != victims
    if victims:
        one_held -= walk.taken[one_leaf] + walk.request[one_leaf]
        other_held -= walk.taken[other_leaf] + walk.request[other_leaf]
    part, other_part = part_of(config, queues, one, one_held), part_of(config, queues, other, other_held)
    if part == other_part:
        part = part_of(config, queues, one, queues.allocated[one])
        other_part = part_of(config, queues, other, queues.allocated[other])
    if part != other_part:
        return (part < other_part) != victims
    if queues.able[one] != queues.able[other]:
        unbounded = queues.able[other] == -1.0
        smaller = unbounded or (queues.able[one] != -1.0 and queues.able[one] < queues.able[other])
        return smaller != victims
    return (one < other) != victims


# --- heaps ------------------------------------------------------------------------------------------------------------


def rise(config: Config, queues: Queues, walk: Walk, base: int, place: int) -> None:
    """Move a branch up in its heap as far as it comes before its parents."""
    heap = walk.heap
    while place > 0:
        parent = (place - 1) // 2
        if not goes_first(config, queues, walk, heap[base + place], heap[base + parent]):
            return
        heap[base + place], heap[base + parent] = heap[base + parent], heap[base + place]
        place = parent


def fall(config: Config, queues: Queues, walk: Walk, base: int, size: int) -> bool:
    """Move the first branch of a heap down to where it belongs; return whether it moved."""
    heap = walk.heap
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and goes_first(config, queues, walk, heap[base + child + 1], heap[base + child]):
            child += 1
        if not goes_first(config, queues, walk, heap[base + child], heap[base + place]):
            break
        heap[base + place], heap[base + child] = heap[base + child], heap[base + place]
        place = child
    return place > 0


def place_branches(config: Config, queues: Queues, walk: Walk) -> None:
    """Fill the heaps from the leaves up with all queues that have a next job somewhere below."""
    for position in range(config.queues, -1, -1):
        parent = queues.downwards[position]
        base, last = queues.first_child[parent], queues.first_child[parent + 1]
        size = 0
        for place in range(base, last):
            queue = queues.children[place]
            walk.moved[queue] = 0
            leaf = queues.first_child[queue + 1] == queues.first_child[queue]
            if (walk.head[queue] != NONE) if leaf else (walk.size[queue] > 0):
                walk.heap[base + size] = queue
                rise(config, queues, walk, base, size)
                size += 1
        walk.size[parent] = size


def first_leaf(config: Config, queues: Queues, walk: Walk) -> int:
    """The leaf whose job is next, -1 when none is left; queues that have changed are put in their place on the way."""
    parent = config.queues
    if walk.size[parent] == 0:
        return NONE
    while True:
        base = queues.first_child[parent]
        queue = walk.heap[base]
        if walk.moved[queue] == 1:
            if walk.size[parent] > 1:
                fall(config, queues, walk, base, walk.size[parent])
            walk.moved[queue] = 0
        elif queues.first_child[queue + 1] == queues.first_child[queue]:
            return queue
        else:
            parent = queue


def mark_moved(config: Config, queues: Queues, walk: Walk, queue: int) -> None:
    """Note that the next job of a queue, and so of all above it, has changed."""
    while queue != config.queues:
        walk.moved[queue] = 1
        queue = queues.parent[queue]


def leave(config: Config, queues: Queues, walk: Walk, queue: int) -> None:
    """Take a leaf without further jobs out, and all queues above that are empty then."""
    while True:
        parent = queues.parent[queue]
        base, last = queues.first_child[parent], walk.size[parent] - 1
        walk.heap[base] = walk.heap[base + last]
        walk.size[parent] = last
        if last > 1:
            fall(config, queues, walk, base, last)
        if last > 0 or parent == config.queues:
            mark_moved(config, queues, walk, parent)
            return
        queue = parent


# --- waiting jobs -----------------------------------------------------------------------------------------------------


def begin_walk(state: State, walk: Walk, kind: int, flag: int) -> None:
    """Begin a walk without jobs.

    Args:
        state: everything.
        walk: the walk.
        kind: what jobs are given out: those of flagged classes, or those that are relevant in a scenario.
        flag: flag of those classes.
    """
    state.now[STAMP] += 1
    walk.state[STAMP_OF_WALK] = state.now[STAMP]
    walk.state[KIND], walk.state[FLAG_OF_WALK] = kind, flag
    walk.state[SETTLE], walk.state[MODE] = NONE, 0
    for queue in range(state.config.queues):
        walk.head[queue] = NONE


def enter(state: State, walk: Walk, leaf: int) -> None:
    """Let the jobs of a leaf take part."""
    walk.cursor_priority[leaf], walk.cursor_job[leaf] = HIGHEST, NONE
    find_head(state, walk, leaf)


def behind_cursor(state: State, walk: Walk, leaf: int, kind: int) -> int:
    """First job of a class that was not passed yet and takes part, or -1."""
    jobs, classes = state.jobs, state.classes
    if classes.priority[kind] > walk.cursor_priority[leaf]:
        return NONE
    if walk.state[ONLY_PREEMPTIBLE] == 1 and classes.preemptible[kind] == 0:
        return NONE
    job = classes.head[kind]
    if classes.priority[kind] == walk.cursor_priority[leaf]:
        cursor = walk.cursor_job[leaf]
        if walk.pointed[kind] == walk.state[STAMP_OF_WALK]:
            job = walk.pointer[kind]
        while job != NONE and job <= cursor:
            job = jobs.after[job]
        walk.pointer[kind], walk.pointed[kind] = job, walk.state[STAMP_OF_WALK]
    if walk.state[KIND] == RELEVANT_JOBS:
        # Those that are relevant take part as such, not as members of their class.
        while job != NONE and jobs.mark[job] == walk.state[FLAG_OF_WALK]:
            job = jobs.after[job]
    elif walk.state[ALL_JOBS] == 0:
        while job != NONE and jobs.unready[job] == 1:
            job = jobs.after[job]
    return job


def precedes(state: State, one: int, other: int) -> bool:
    """Whether one of two jobs of a leaf comes before the other; any comes before none."""
    priority = state.jobs.priority
    return other == NONE or priority[one] > priority[other] or (priority[one] == priority[other] and one < other)


def find_head(state: State, walk: Walk, leaf: int) -> None:
    """Find the first job of a leaf behind the cursor."""
    classes = state.classes
    best, request = NONE, 0
    kind = state.queues.first_class[leaf]
    while kind != NONE:
        job = behind_cursor(state, walk, leaf, kind)
        if job != NONE and precedes(state, job, best):
            best, request = job, classes.request[kind]
        kind = classes.after[kind]
    if walk.state[KIND] == RELEVANT_JOBS:
        job = next_relevant(state, walk, leaf)
        if job != NONE and precedes(state, job, best):
            best, request = job, state.jobs.wants[job]
    walk.head[leaf], walk.request[leaf] = best, request


def next_relevant(state: State, walk: Walk, leaf: int) -> int:
    """First relevant job of a leaf that was not passed yet, or -1."""
    jobs, relevant = state.jobs, state.search.relevant
    best = NONE
    for place in range(state.now[RELEVANT]):
        job = relevant[place]
        if jobs.leaf[job] != leaf:
            continue
        priority = jobs.priority[job]
        if priority > walk.cursor_priority[leaf]:
            continue
        if priority == walk.cursor_priority[leaf] and job <= walk.cursor_job[leaf]:
            continue
        if precedes(state, job, best):
            best = job
    return best


def is_given_out(state: State, walk: Walk, job: int) -> bool:
    """Whether a job is one that the walk is for."""
    if walk.state[KIND] == RELEVANT_JOBS:
        return state.jobs.mark[job] == walk.state[FLAG_OF_WALK]
    kind = state.jobs.in_class[job]
    return kind != NONE and state.classes.flag[kind] == walk.state[FLAG_OF_WALK]


def pass_on(state: State, walk: Walk, leaf: int) -> None:
    """Pass the head of a leaf and all behind it up to one that is given out or asks for more than the leaf did."""
    classes = state.classes
    job = walk.head[leaf]
    walk.cursor_priority[leaf], walk.cursor_job[leaf] = state.jobs.priority[job], job
    most = walk.request[leaf]
    best, request = NONE, 0
    kind = state.queues.first_class[leaf]
    while kind != NONE:
        given = walk.state[KIND] == FLAGGED_CLASSES and classes.flag[kind] == walk.state[FLAG_OF_WALK]
        if given or classes.request[kind] > most:
            job = behind_cursor(state, walk, leaf, kind)
            if job != NONE and precedes(state, job, best):
                best, request = job, classes.request[kind]
        kind = classes.after[kind]
    if walk.state[KIND] == RELEVANT_JOBS:
        job = next_relevant(state, walk, leaf)
        if job != NONE and precedes(state, job, best):
            best, request = job, state.jobs.wants[job]
    walk.head[leaf], walk.request[leaf] = best, request


def next_job(state: State, walk: Walk) -> int:
    """Next job in fair order that the walk is for, or -1."""
    config, queues = state.config, state.queues
    settle(state, walk)
    while True:
        leaf = first_leaf(config, queues, walk)
        if leaf == NONE:
            return NONE
        job = walk.head[leaf]
        if is_given_out(state, walk, job):
            walk.cursor_priority[leaf], walk.cursor_job[leaf] = state.jobs.priority[job], job
            walk.state[SETTLE] = leaf
            return job
        pass_on(state, walk, leaf)
        if walk.head[leaf] == NONE:
            leave(config, queues, walk, leaf)
        else:
            mark_moved(config, queues, walk, leaf)


def settle(state: State, walk: Walk) -> None:
    """Find what comes after the job that was given out last.

    Done late where only the queue of that job changes meanwhile, and at once where others may.
    """
    leaf = walk.state[SETTLE]
    if leaf == NONE:
        return
    walk.state[SETTLE] = NONE
    find_head(state, walk, leaf)
    if walk.head[leaf] == NONE:
        leave(state.config, state.queues, walk, leaf)
    else:
        mark_moved(state.config, state.queues, walk, leaf)


# --- victims ----------------------------------------------------------------------------------------------------------


def begin_victims(state: State, walk: Walk, mode: int, preemptor: int) -> None:
    """Begin a walk over the jobs that may be evicted for another one."""
    config, jobs, queues = state.config, state.jobs, state.queues
    walk.state[MODE], walk.state[PREEMPTOR] = mode, preemptor
    own = jobs.leaf[preemptor]
    for leaf in range(config.queues):
        walk.taken[leaf] = 0
        walk.head[leaf] = NONE
        if queues.held[leaf] == 0:
            continue
        if mode == RECLAIM and (leaf == own or not may_lose(config, queues, jobs, preemptor, leaf)):
            continue
        if mode == PREEMPT and leaf != own:
            continue
        if mode == CONSOLIDATE and config.movable >= 0:
            first_candidate(state, walk, leaf)
        else:
            first_victim(state, walk, leaf, 0, 1)
    place_branches(config, queues, walk)


def may_lose(config: Config, queues: Queues, jobs: Jobs, job: int, leaf: int) -> bool:
    """Whether a leaf can have something reclaimed for a job at all (:func:`tenantry.fair.kai.reclaimable.may_lose`)."""
    if config.filters == 0:
        return True
    asked = jobs.pending[job] * jobs.gpus[job]
    mine, other = parting(config, queues, jobs.leaf[job], leaf)
    quota, held = queues.quota[mine], queues.allocated[other]
    if quota != -1.0 and queues.allocated[mine] + asked > quota:
        return queues.able[other] != -1.0 and held > queues.able[other]
    quota = queues.quota[other]
    return quota == -1.0 or held >= quota


def parting(config: Config, queues: Queues, one: int, other: int) -> tuple[int, int]:
    """The ancestors at which two leaves part."""
    while queues.depth[one] > queues.depth[other]:
        one = queues.parent[one]
    while queues.depth[other] > queues.depth[one]:
        other = queues.parent[other]
    while queues.parent[one] != queues.parent[other]:
        one, other = queues.parent[one], queues.parent[other]

    return one, other


def first_victim(state: State, walk: Walk, leaf: int, level: int, whole: int) -> None:
    """Find the first victim of a leaf from a list on: lowest priority, complete gangs first, youngest first."""
    config, jobs, lists = state.config, state.jobs, state.lists
    highest = config.levels
    if walk.state[MODE] == PREEMPT:
        highest = jobs.level[walk.state[PREEMPTOR]]
    while level < highest:
        job = lists.held_tail[(leaf * config.levels + level) * 2 + whole]
        if choose_victim(state, walk, leaf, job):
            return
        if whole == 1:
            whole = 0
        else:
            level, whole = level + 1, 1
    walk.head[leaf] = NONE


def choose_victim(state: State, walk: Walk, leaf: int, job: int) -> bool:
    """Take the first job of a list from one on that may be evicted; return whether there is any."""
    jobs = state.jobs
    while job != NONE and not may_be_victim(state, walk, job):
        job = jobs.earlier[job]
    walk.head[leaf] = job
    if job == NONE:
        return False
    walk.request[leaf] = jobs.running[job] * jobs.gpus[job]
    return True


def may_be_victim(state: State, walk: Walk, job: int) -> bool:
    """Whether a job may be evicted for another one: not that one itself, and not protected."""
    config, jobs, lists, mode = state.config, state.jobs, state.lists, walk.state[MODE]
    preemptor = walk.state[PREEMPTOR]
    if job == preemptor:
        return False
    if mode == CONSOLIDATE or jobs.started[job] < 0 or config.minimums == 0:
        return True
    if mode == RECLAIM:
        minimum = lists.reclaim_minimum[jobs.leaf[preemptor] * config.queues + jobs.leaf[job]]
    else:
        minimum = lists.preempt_minimum[jobs.leaf[job]]
    return state.now[NOW] >= jobs.started[job] + minimum


def next_victim(state: State, walk: Walk) -> int:
    """Next victim, or -1."""
    config, jobs, queues = state.config, state.jobs, state.queues
    leaf = first_leaf(config, queues, walk)
    if leaf == NONE:
        return NONE
    job = walk.head[leaf]
    walk.taken[leaf] += walk.request[leaf]
    if walk.state[MODE] == CONSOLIDATE and config.movable >= 0:
        next_candidate(state, walk, leaf)
    elif not choose_victim(state, walk, leaf, jobs.earlier[job]):
        whole = jobs.in_list[job] & 1
        level = jobs.level[job]
        if whole == 1:
            first_victim(state, walk, leaf, level, 0)
        else:
            first_victim(state, walk, leaf, level + 1, 1)
    if walk.head[leaf] == NONE:
        leave(config, queues, walk, leaf)
    else:
        mark_moved(config, queues, walk, leaf)
    return job


def first_candidate(state: State, walk: Walk, leaf: int) -> None:
    """Find the first of few candidates in a leaf."""
    search = state.search
    walk.cursor_job[leaf] = NONE
    for place in range(state.now[CANDIDATES]):
        if state.jobs.leaf[search.candidates[place]] == leaf:
            walk.cursor_job[leaf] = place - 1
            next_candidate(state, walk, leaf)
            return


def next_candidate(state: State, walk: Walk, leaf: int) -> None:
    """Find the next of few candidates in a leaf; they are sorted by leaf."""
    jobs, search = state.jobs, state.search
    place = walk.cursor_job[leaf] + 1
    walk.cursor_job[leaf] = place
    walk.head[leaf] = NONE
    if place < state.now[CANDIDATES]:
        job = search.candidates[place]
        if jobs.leaf[job] == leaf:
            walk.head[leaf] = job
            walk.request[leaf] = jobs.running[job] * jobs.gpus[job]
