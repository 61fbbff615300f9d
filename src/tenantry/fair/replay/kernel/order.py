"""Walks over waiting jobs in fair order, and over victims in the opposite one.

A tree of queues with a binary heap at every node, as in :mod:`tenantry.fair.kai.walk`, with two differences that leave
the order as it is. A leaf passes over jobs that nobody is interested in until one asks for more than the leaf was
compared by: those between cannot make it wait. And only leaves that matter take part, where the caller says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.lists import first_ready
from tenantry.fair.replay.kernel.memory import (
    CLASS_AFTER,
    CLASS_FLAG,
    CLASS_HEAD,
    CLASS_POINTER,
    CLASS_PREEMPTIBLE,
    CLASS_PRIORITY,
    CLASS_REQUEST,
    DOWNWARDS,
    FIRST_QUEUE,
    HIGHEST,
    INNER,
    JOB_AFTER,
    JOB_CLASS,
    JOB_LEAF,
    JOB_MARK,
    JOB_NEXT_RELEVANT,
    JOB_PRIORITY,
    JOB_WANTS,
    NONE,
    ONLY_PREEMPTIBLE,
    PARENTS,
    QUEUE,
    QUEUE_ABLE,
    QUEUE_ALLOCATED,
    QUEUE_CHILD_COUNT,
    QUEUE_CHILDREN,
    QUEUE_FIRST_CLASS,
    QUEUE_LISTED,
    QUEUE_PARENT,
    QUEUE_PRIORITY,
    QUEUE_QUOTA,
    QUEUE_RELEVANT,
    RELEVANT_ONLY,
    ROOT,
    SCENARIO,
    SETTLE,
    STAMP,
    SWITCHED,
    TOTAL,
    UNBOUNDED,
    VICTIMS,
    WALK_CURSOR,
    WALK_FLAG,
    WALK_HEAD,
    WALK_HEAP,
    WALK_MOVED,
    WALK_PRIORITY,
    WALK_REQUEST,
    WALK_SIZE,
    WALK_STAMP,
    WALK_TAKEN,
)

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


# --- comparisons ------------------------------------------------------------------------------------------------------


def leaf_below(m: Ints, walk: int, queue: int) -> int:
    """The leaf whose job is next below a queue."""
    while m[queue + QUEUE_CHILD_COUNT] > 0:
        queue = m[m[queue + walk + WALK_HEAP]]
    return queue


def part_of(m: Ints, f: Floats, queue: int, held: int) -> float:
    """Part of the GPUs a queue may hold by right that so many are."""
    able = f[queue + QUEUE_ABLE]
    if able == UNBOUNDED:
        able = float(m[TOTAL])
    return max(0.0, held * 1000.0 if able == 0 else held / able)


def goes_first(m: Ints, f: Floats, walk: int, one: int, other: int) -> bool:
    """Whether one of two siblings comes before the other (:class:`tenantry.fair.kai.queues.QueueOrder`)."""
    victims = walk == VICTIMS
    one_leaf, other_leaf = leaf_below(m, walk, one), leaf_below(m, walk, other)
    one_held, other_held = m[one + QUEUE_ALLOCATED], m[other + QUEUE_ALLOCATED]
    if not victims:
        one_held += m[one_leaf + walk + WALK_REQUEST]
        other_held += m[other_leaf + walk + WALK_REQUEST]
    inside = f[one + QUEUE_QUOTA] == UNBOUNDED or one_held <= f[one + QUEUE_QUOTA]
    other_inside = f[other + QUEUE_QUOTA] == UNBOUNDED or other_held <= f[other + QUEUE_QUOTA]
    if inside != other_inside:
        return inside != victims
    if m[one + QUEUE_PRIORITY] != m[other + QUEUE_PRIORITY]:
        return (m[one + QUEUE_PRIORITY] > m[other + QUEUE_PRIORITY]) != victims
    able, other_able = f[one + QUEUE_ABLE], f[other + QUEUE_ABLE]
    lacks, other_lacks = able == 0 and one_held > 0, other_able == 0 and other_held > 0
    if lacks != other_lacks:
        return other_lacks != victims
    if victims:
        one_held -= m[one_leaf + walk + WALK_TAKEN] + m[one_leaf + walk + WALK_REQUEST]
        other_held -= m[other_leaf + walk + WALK_TAKEN] + m[other_leaf + walk + WALK_REQUEST]
    part, other_part = part_of(m, f, one, one_held), part_of(m, f, other, other_held)
    if part == other_part:
        part = part_of(m, f, one, m[one + QUEUE_ALLOCATED])
        other_part = part_of(m, f, other, m[other + QUEUE_ALLOCATED])
    if part != other_part:
        return (part < other_part) != victims
    if able != other_able:
        return (other_able == UNBOUNDED or (able != UNBOUNDED and able < other_able)) != victims
    return (one < other) != victims


# --- heaps ------------------------------------------------------------------------------------------------------------


def rise(m: Ints, f: Floats, walk: int, heap: int, place: int) -> None:
    """Move a branch up in its heap as far as it comes before its parents."""
    while place > 0:
        parent = (place - 1) // 2
        one, other = m[heap + place], m[heap + parent]
        if not goes_first(m, f, walk, one, other):
            return
        m[heap + place], m[heap + parent] = other, one
        place = parent


def fall(m: Ints, f: Floats, walk: int, heap: int, size: int) -> None:
    """Move the first branch of a heap down to where it belongs."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            return
        if child + 1 < size and goes_first(m, f, walk, m[heap + child + 1], m[heap + child]):
            child += 1
        one, other = m[heap + child], m[heap + place]
        if not goes_first(m, f, walk, one, other):
            return
        m[heap + place], m[heap + child] = one, other
        place = child


def place_branches(m: Ints, f: Floats, walk: int) -> None:
    """Fill the heaps from the leaves up with all queues that have a next job somewhere below."""
    for position in range(m[DOWNWARDS] + m[PARENTS] - 1, m[DOWNWARDS] - 1, -1):
        parent = m[position]
        heap, size = m[parent + walk + WALK_HEAP], 0
        for place in range(m[parent + QUEUE_CHILDREN], m[parent + QUEUE_CHILDREN] + m[parent + QUEUE_CHILD_COUNT]):
            queue = m[place]
            m[queue + walk + WALK_MOVED] = 0
            leaf = m[queue + QUEUE_CHILD_COUNT] == 0
            if (leaf and m[queue + walk + WALK_HEAD] != NONE) or (not leaf and m[queue + walk + WALK_SIZE] > 0):
                m[heap + size] = queue
                rise(m, f, walk, heap, size)
                size += 1
        m[parent + walk + WALK_SIZE] = size


def first_leaf(m: Ints, f: Floats, walk: int) -> int:
    """The leaf whose job is next, -1 when none is left; queues that have changed are put in their place on the way."""
    parent = m[ROOT]
    m[walk + SWITCHED] = 0
    if m[parent + walk + WALK_SIZE] == 0:
        return NONE
    while True:
        heap = m[parent + walk + WALK_HEAP]
        queue = m[heap]
        if m[queue + walk + WALK_MOVED] == 1:
            if m[parent + walk + WALK_SIZE] > 1:
                fall(m, f, walk, heap, m[parent + walk + WALK_SIZE])
                if parent != m[ROOT] and m[heap] != queue:
                    m[walk + SWITCHED] = 1
            m[queue + walk + WALK_MOVED] = 0
        elif m[queue + QUEUE_CHILD_COUNT] == 0:
            return queue
        else:
            parent = queue


def mark_moved(m: Ints, walk: int, queue: int) -> None:
    """Note that the next job of a queue, and so of all above it, has changed."""
    while queue != m[ROOT]:
        m[queue + walk + WALK_MOVED] = 1
        queue = m[queue + QUEUE_PARENT]


def move_on(m: Ints, f: Floats, walk: int, leaf: int) -> None:
    """Note that a leaf has another next job, or leave it out with all queues above that are empty then."""
    if m[leaf + walk + WALK_HEAD] != NONE:
        mark_moved(m, walk, leaf)
        return
    queue = leaf
    while True:
        parent = m[queue + QUEUE_PARENT]
        heap, last = m[parent + walk + WALK_HEAP], m[parent + walk + WALK_SIZE] - 1
        m[heap] = m[heap + last]
        m[parent + walk + WALK_SIZE] = last
        if last > 1:
            fall(m, f, walk, heap, last)
        if last > 0 or parent == m[ROOT]:
            mark_moved(m, walk, parent)
            return
        queue = parent


# --- waiting jobs -----------------------------------------------------------------------------------------------------


def begin_walk(m: Ints, walk: int, flag: int) -> None:
    """Begin a walk without jobs; it gives out those of flagged classes or, within a scenario, those marked."""
    m[STAMP] += 1
    m[walk + WALK_STAMP] = m[STAMP]
    m[walk + WALK_FLAG] = flag
    m[walk + RELEVANT_ONLY] = 1 if walk == INNER else 0
    m[walk + ONLY_PREEMPTIBLE] = 0
    m[walk + SETTLE] = NONE
    for queue in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        m[queue + walk + WALK_HEAD] = NONE


def enter(m: Ints, walk: int, leaf: int) -> None:
    """Let the jobs of a leaf take part."""
    m[leaf + walk + WALK_PRIORITY], m[leaf + walk + WALK_CURSOR] = HIGHEST, NONE
    find_head(m, walk, leaf)


def behind_cursor(m: Ints, walk: int, leaf: int, kind: int) -> int:
    """First job of a class that was not passed yet and takes part, or -1."""
    passed = m[leaf + walk + WALK_PRIORITY]
    if m[kind + CLASS_PRIORITY] > passed or (m[walk + ONLY_PREEMPTIBLE] == 1 and m[kind + CLASS_PREEMPTIBLE] == 0):
        return NONE
    job = m[kind + CLASS_HEAD]
    if m[kind + CLASS_PRIORITY] == passed:
        cursor = m[leaf + walk + WALK_CURSOR]
        # Two pointers per class: those of the inner walk lie behind those of the main one.
        pointer = kind + CLASS_POINTER + (walk >> 2)
        if m[pointer + 1] == m[walk + WALK_STAMP]:
            job = m[pointer]
        while job != NONE and job <= cursor:
            job = m[job + JOB_AFTER]
        m[pointer], m[pointer + 1] = job, m[walk + WALK_STAMP]
    if m[walk + RELEVANT_ONLY] == 1:
        # Those that are relevant take part as such, not as members of their class.
        while job != NONE and m[job + JOB_MARK] == m[walk + WALK_FLAG]:
            job = m[job + JOB_AFTER]
        return job
    return first_ready(m, job)


def precedes(m: Ints, one: int, other: int) -> bool:
    """Whether one of two jobs of a leaf comes before the other; any comes before none."""
    if other == NONE:
        return True
    priority, other_priority = m[one + JOB_PRIORITY], m[other + JOB_PRIORITY]
    return one < other if priority == other_priority else priority > other_priority


def find_head(m: Ints, walk: int, leaf: int) -> None:
    """Find the first job of a leaf behind the cursor."""
    best, request = NONE, 0
    kind = m[leaf + QUEUE_FIRST_CLASS]
    while kind != NONE:
        job = behind_cursor(m, walk, leaf, kind)
        if job != NONE and precedes(m, job, best):
            best, request = job, m[kind + CLASS_REQUEST]
        kind = m[kind + CLASS_AFTER]
    set_head(m, walk, leaf, best, request)


def set_head(m: Ints, walk: int, leaf: int, best: int, request: int) -> None:
    """Set the next job of a leaf; within a scenario relevant jobs count too."""
    if m[walk + RELEVANT_ONLY] == 1:
        job = next_relevant(m, walk, leaf)
        if job != NONE and precedes(m, job, best):
            best, request = job, m[job + JOB_WANTS]
    m[leaf + walk + WALK_HEAD], m[leaf + walk + WALK_REQUEST] = best, request


def list_relevant(m: Ints, job: int) -> None:
    """Put a job of a scenario among those of its leaf, in fair order; quick for one that comes before all of them."""
    leaf = m[job + JOB_LEAF]
    if m[leaf + QUEUE_LISTED] != m[SCENARIO]:
        m[leaf + QUEUE_LISTED], m[leaf + QUEUE_RELEVANT] = m[SCENARIO], NONE
    after = m[leaf + QUEUE_RELEVANT]
    if precedes(m, job, after):
        m[leaf + QUEUE_RELEVANT], m[job + JOB_NEXT_RELEVANT] = job, after
        return
    before = after
    after = m[before + JOB_NEXT_RELEVANT]
    while not precedes(m, job, after):
        before = after
        after = m[before + JOB_NEXT_RELEVANT]
    m[before + JOB_NEXT_RELEVANT], m[job + JOB_NEXT_RELEVANT] = job, after


def next_relevant(m: Ints, walk: int, leaf: int) -> int:
    """First relevant job of a leaf that was not passed yet, or -1."""
    if m[leaf + QUEUE_LISTED] != m[SCENARIO]:
        return NONE
    job, passed, cursor = m[leaf + QUEUE_RELEVANT], m[leaf + walk + WALK_PRIORITY], m[leaf + walk + WALK_CURSOR]
    while job != NONE and (m[job + JOB_PRIORITY] > passed or (m[job + JOB_PRIORITY] == passed and job <= cursor)):
        job = m[job + JOB_NEXT_RELEVANT]
    m[leaf + QUEUE_RELEVANT] = job
    return job


def is_given_out(m: Ints, walk: int, job: int) -> bool:
    """Whether a job is one that the walk is for."""
    if m[walk + RELEVANT_ONLY] == 1:
        return m[job + JOB_MARK] == m[walk + WALK_FLAG]
    kind = m[job + JOB_CLASS]
    return kind != NONE and m[kind + CLASS_FLAG] == m[walk + WALK_FLAG]


def pass_on(m: Ints, walk: int, leaf: int) -> None:
    """Pass the head of a leaf and all behind it up to one that is given out or asks for more than the leaf did.

    Only the head where its turn came by the job of another leaf: one that asks for as much may have to wait.
    """
    job, most = m[leaf + walk + WALK_HEAD], m[leaf + walk + WALK_REQUEST]
    if m[walk + SWITCHED] == 1:
        most = NONE
    m[leaf + walk + WALK_PRIORITY], m[leaf + walk + WALK_CURSOR] = m[job + JOB_PRIORITY], job
    best, request, flagged = NONE, 0, m[walk + RELEVANT_ONLY] == 0
    kind = m[leaf + QUEUE_FIRST_CLASS]
    while kind != NONE:
        if m[kind + CLASS_REQUEST] > most or (flagged and m[kind + CLASS_FLAG] == m[walk + WALK_FLAG]):
            job = behind_cursor(m, walk, leaf, kind)
            if job != NONE and precedes(m, job, best):
                best, request = job, m[kind + CLASS_REQUEST]
        kind = m[kind + CLASS_AFTER]
    set_head(m, walk, leaf, best, request)


def next_job(m: Ints, f: Floats, walk: int) -> int:
    """Next job in fair order that the walk is for, or -1."""
    settle(m, f, walk)
    while True:
        leaf = first_leaf(m, f, walk)
        if leaf == NONE:
            return NONE
        job = m[leaf + walk + WALK_HEAD]
        if is_given_out(m, walk, job):
            m[leaf + walk + WALK_PRIORITY], m[leaf + walk + WALK_CURSOR] = m[job + JOB_PRIORITY], job
            m[walk + SETTLE] = leaf
            return job
        pass_on(m, walk, leaf)
        move_on(m, f, walk, leaf)


def settle(m: Ints, f: Floats, walk: int) -> None:
    """Find what comes after the job that was given out last.

    Done late where only the queue of that job changes meanwhile, and at once where others may.
    """
    leaf = m[walk + SETTLE]
    if leaf != NONE:
        m[walk + SETTLE] = NONE
        find_head(m, walk, leaf)
        move_on(m, f, walk, leaf)
