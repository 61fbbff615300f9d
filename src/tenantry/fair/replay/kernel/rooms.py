"""Nodes: what is idle and free on them, and which one a pod is placed on.

Nodes with as many idle and as many free GPUs are one bucket, which keeps them in order of names.
"""

from __future__ import annotations

from math import frexp
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.memory import (
    BUCKET,
    BUCKET_BITS,
    FIRST_NODE,
    FREE,
    MIXED,
    MOST,
    NODE,
    NODE_FREE,
    NODE_GONE_FREE,
    NODE_GONE_IDLE,
    NODE_IDLE,
    NODE_NUMBER,
    NODE_SHIFTED,
    NODE_TREE,
    NODE_WAS_FREE,
    NODE_WAS_IDLE,
    NODE_WORDS,
    NONE,
    SCENARIO,
    SHIFT,
    SHIFT_LIST,
    SHIFTED,
    SHIFTED_AT,
    SHIFTS,
    SPREAD,
    USABLE,
    WITH_FREE,
)

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Ints


# --- sets of numbers --------------------------------------------------------------------------------------------------

# A set is a tree of 32-bit words, each bit of which says whether the word below has any. The shape of a tree is how
# many levels it has, where each of them begins, the widest first, and its length.


def set_bit(m: Ints, base: int, tree: int, member: int) -> None:
    """Add a number to a set."""
    for level in range(tree + m[tree], tree, -1):
        word = base + m[level] + (member >> 5)
        before = m[word]
        m[word] = before | (1 << (member & 31))
        if before != 0:
            return
        member >>= 5


def clear_bit(m: Ints, base: int, tree: int, member: int) -> None:
    """Take a number out of a set."""
    for level in range(tree + m[tree], tree, -1):
        word = base + m[level] + (member >> 5)
        m[word] &= ~(1 << (member & 31))
        if m[word] != 0:
            return
        member >>= 5


def lowest(word: int) -> int:
    """Position of the lowest bit of a word that is not 0."""
    return frexp(float(word & -word))[1] - 1


def first_bit(m: Ints, base: int, tree: int) -> int:
    """Smallest number of a set, or -1."""
    if m[base] == 0:
        return NONE
    member = 0
    for level in range(tree + 1, tree + m[tree] + 1):
        member = (member << 5) + lowest(m[base + m[level] + member])
    return member


def next_bit(m: Ints, base: int, tree: int, member: int) -> int:
    """Smallest number of a set that is at least ``member``, or -1."""
    deepest = tree + m[tree]
    level = deepest
    while level > tree:
        word = m[level] + (member >> 5)
        if word >= m[level + 1]:
            return NONE
        rest = m[base + word] >> (member & 31)
        if rest != 0:
            member += lowest(rest)
            while level < deepest:
                level += 1
                member = (member << 5) + lowest(m[base + m[level] + member])
            return member
        member = (member >> 5) + 1
        level -= 1
    return NONE


def tree_length(m: Ints, tree: int) -> int:
    """How many words a set takes."""
    return m[tree + m[tree] + 1]


# --- what is free -----------------------------------------------------------------------------------------------------


def bucket_of(m: Ints, idle: int, free: int) -> int:
    """Number of the bucket of nodes with so many idle and free GPUs; none at all counts like fewer than none."""
    return min(max(idle, 0), m[MOST]) * (m[MOST] + 1) + max(free, 0)


def usable(idle: int, free: int) -> int:
    """GPUs free on a node, where any is idle or being released; a node may have been promised more than it has."""
    return free if idle > 0 or free - idle > 0 else 0


def shift(m: Ints, node: int, idle: int, free: int) -> None:
    """Add to what is idle and free on a node."""
    # Most of a replay is spent here: for nodes with no more than they offer, what is called elsewhere is spelled out.
    old_idle, old_free = m[node + NODE_IDLE], m[node + NODE_FREE]
    new_idle, new_free = old_idle + idle, old_free + free
    m[node + NODE_IDLE], m[node + NODE_FREE] = new_idle, new_free
    m[FREE] += free
    if (old_idle == old_free) != (new_idle == new_free):
        m[MIXED] += 1 if old_idle == old_free else -1
    most = m[MOST]
    if 0 <= old_idle <= old_free <= most and 0 <= new_idle <= new_free <= most:
        m[USABLE] += free
        old, new = old_idle * (most + 1) + old_free, new_idle * (most + 1) + new_free
    else:
        m[USABLE] += usable(new_idle, new_free) - usable(old_idle, old_free)
        old, new = bucket_of(m, old_idle, old_free), bucket_of(m, new_idle, new_free)
        old_free, new_free = max(old_free, 0), max(new_free, 0)
    if old == new:
        return
    m[m[WITH_FREE] + old_free] -= 1
    m[m[WITH_FREE] + new_free] += 1
    m[m[BUCKET] + old] -= 1
    m[m[BUCKET] + new] += 1
    tree, number = m[NODE_TREE], m[node + NODE_NUMBER]
    length, deepest, bits = m[NODE_WORDS], m[tree + m[tree]] + (number >> 5), m[BUCKET_BITS]
    bit = 1 << (number & 31)
    word = bits + old * length + deepest
    m[word] &= ~bit
    if m[word] == 0:
        clear_bit(m, bits + old * length, tree, number)
    word = bits + new * length + deepest
    if m[word] == 0:
        set_bit(m, bits + new * length, tree, number)
    else:
        m[word] |= bit


def note_shifted(m: Ints, node: int) -> None:
    """Remember what a node had before the present scenario."""
    if m[node + NODE_SHIFTED] != m[SCENARIO]:
        m[node + NODE_SHIFTED] = m[SCENARIO]
        m[node + NODE_WAS_IDLE], m[node + NODE_WAS_FREE] = m[node + NODE_IDLE], m[node + NODE_FREE]
        m[node + NODE_GONE_IDLE] = m[node + NODE_GONE_FREE] = 0
        m[m[SHIFTED_AT] + m[SHIFTED]] = node
        m[SHIFTED] += 1


def try_shift(m: Ints, node: int, idle: int, free: int) -> None:
    """Add to what is idle and free on a node within a scenario."""
    note_shifted(m, node)
    place = m[SHIFT_LIST] + m[SHIFTS] * SHIFT
    m[place], m[place + 1], m[place + 2] = node, idle, free
    m[SHIFTS] += 1
    shift(m, node, idle, free)


def shift_back(m: Ints, mark: int) -> None:
    """Take back the changes of a scenario since a mark."""
    for number in range(m[SHIFTS] - 1, mark - 1, -1):
        place = m[SHIFT_LIST] + number * SHIFT
        shift(m, m[place], -m[place + 1], -m[place + 2])
    m[SHIFTS] = mark


def fitting(free: int, gpus: int) -> int:
    """How many pods of so many GPUs fit on what is free on a node."""
    return free // gpus if free > 0 else 0


def places(m: Ints, gpus: int) -> int:
    """How many pods of so many GPUs all that is free has room for."""
    count, table = 0, m[WITH_FREE]
    for free in range(gpus, m[MOST] + 1):
        count += m[table + free] * (free // gpus)
    return count


# --- where pods go ----------------------------------------------------------------------------------------------------


def choose(m: Ints, gpus: int) -> int:
    """Node for a pod of so many GPUs, or -1.

    First those where it can run at once, then the fullest (or, to spread, the emptiest), then the first by name.
    """
    most = m[MOST]
    if m[MIXED] == 0:
        for step in range(gpus, most + 1):
            free = most + gpus - step if m[SPREAD] == 1 else step
            if m[m[WITH_FREE] + free] > 0:
                return first_in(m, free * (most + 1) + free)
        return NONE
    for at_once in range(1, -1, -1):
        low, high = (gpus, most) if at_once == 1 else (0, gpus - 1)
        for step in range(gpus, most + 1):
            free = most + gpus - step if m[SPREAD] == 1 else step
            if m[m[WITH_FREE] + free] == 0:
                continue
            found = NONE
            for idle in range(low, high + 1):
                bucket = idle * (most + 1) + free
                if m[m[BUCKET] + bucket] > 0:
                    node = first_in(m, bucket)
                    if found == NONE or node < found:
                        found = node
            if found != NONE:
                return found
    return NONE


def first_in(m: Ints, bucket: int) -> int:
    """First node by name of a bucket that has any."""
    tree = m[NODE_TREE]
    return m[FIRST_NODE] + first_bit(m, m[BUCKET_BITS] + bucket * m[NODE_WORDS], tree) * NODE
