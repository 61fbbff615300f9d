"""Nodes: what is idle and free on them, and which one a pod is placed on.

Nodes with as many idle and as many free GPUs are one bucket, which keeps them in order of names.
"""

from __future__ import annotations

from math import frexp
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import FREE, MIXED, NONE, SHIFTS, USABLE

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Config, Ints, Nodes, State


def set_bit(bits: Ints, base: int, level: Ints, member: int) -> None:
    """Add a number to a set: a tree of 32-bit words, each bit of which says whether the word below has any."""
    for depth in range(len(level) - 2, -1, -1):
        word = base + level[depth] + (member >> 5)
        before = bits[word]
        bits[word] = before | (1 << (member & 31))
        if before != 0:
            return
        member >>= 5


def clear_bit(bits: Ints, base: int, level: Ints, member: int) -> None:
    """Take a number out of a set."""
    for depth in range(len(level) - 2, -1, -1):
        word = base + level[depth] + (member >> 5)
        bits[word] &= ~(1 << (member & 31))
        if bits[word] != 0:
            return
        member >>= 5


def lowest(word: int) -> int:
    """Position of the lowest bit of a word that is not 0."""
    return frexp(float(word & -word))[1] - 1


def first_bit(bits: Ints, base: int, level: Ints) -> int:
    """Smallest number of a set, or -1."""
    if bits[base] == 0:
        return NONE
    member = 0
    for depth in range(len(level) - 1):
        member = (member << 5) + lowest(bits[base + level[depth] + member])
    return member


def next_bit(bits: Ints, base: int, level: Ints, member: int) -> int:
    """Smallest number of a set that is at least ``member``, or -1."""
    deepest = len(level) - 2
    depth = deepest
    while depth >= 0:
        if base + level[depth] + (member >> 5) >= base + level[depth + 1]:
            return NONE
        rest = bits[base + level[depth] + (member >> 5)] >> (member & 31)
        if rest != 0:
            member += lowest(rest)
            while depth < deepest:
                depth += 1
                member = (member << 5) + lowest(bits[base + level[depth] + member])
            return member
        member = (member >> 5) + 1
        depth -= 1
    return NONE


def bucket_of(config: Config, idle: int, free: int) -> int:
    """Number of the bucket of nodes with so many idle and free GPUs; none at all counts like fewer than none."""
    return min(max(idle, 0), config.most) * (config.most + 1) + max(free, 0)


def usable(idle: int, free: int) -> int:
    """GPUs free on a node, where any is idle or being released; a node may have been promised more than it has."""
    return free if idle > 0 or free - idle > 0 else 0


def shift(config: Config, now: Ints, nodes: Nodes, node: int, idle: int, free: int) -> None:
    """Add to what is idle and free on a node."""
    old_idle, old_free = nodes.idle[node], nodes.free[node]
    new_idle, new_free = old_idle + idle, old_free + free
    nodes.idle[node], nodes.free[node] = new_idle, new_free
    nodes.with_free[max(old_free, 0)] -= 1
    nodes.with_free[max(new_free, 0)] += 1
    now[FREE] += free
    now[USABLE] += usable(new_idle, new_free) - usable(old_idle, old_free)
    if (old_idle == old_free) != (new_idle == new_free):
        now[MIXED] += 1 if old_idle == old_free else -1
    old, new = bucket_of(config, old_idle, old_free), bucket_of(config, new_idle, new_free)
    if old != new:
        length = nodes.level[len(nodes.level) - 1]
        nodes.bucket[old] -= 1
        nodes.bucket[new] += 1
        clear_bit(nodes.bits, old * length, nodes.level, node)
        set_bit(nodes.bits, new * length, nodes.level, node)


def try_shift(state: State, node: int, idle: int, free: int) -> None:
    """Add to what is idle and free on a node within a scenario."""
    now, nodes = state.now, state.nodes
    place = now[SHIFTS]
    nodes.shift_node[place], nodes.shift_idle[place], nodes.shift_free[place] = node, idle, free
    now[SHIFTS] = place + 1
    shift(state.config, now, nodes, node, idle, free)


def shift_back(state: State, mark: int) -> None:
    """Take back the changes of a scenario since a mark."""
    now, nodes = state.now, state.nodes
    for place in range(now[SHIFTS] - 1, mark - 1, -1):
        shift(state.config, now, nodes, nodes.shift_node[place], -nodes.shift_idle[place], -nodes.shift_free[place])
    now[SHIFTS] = mark


def fitting(free: int, gpus: int) -> int:
    """How many pods of so many GPUs fit on what is free on a node."""
    return free // gpus if free > 0 else 0


def places(config: Config, nodes: Nodes, gpus: int) -> int:
    """How many pods of so many GPUs all that is free has room for."""
    count = 0
    for free in range(gpus, config.most + 1):
        count += nodes.with_free[free] * (free // gpus)
    return count


def choose(config: Config, now: Ints, nodes: Nodes, gpus: int) -> int:
    """Node for a pod of so many GPUs, or -1.

    First those where it can run at once, then the fullest (or, to spread, the emptiest), then the first by name.
    """
    most = config.most
    length = nodes.level[len(nodes.level) - 1]
    if now[MIXED] == 0:
        for step in range(gpus, most + 1):
            free = most + gpus - step if config.spread == 1 else step
            if nodes.with_free[free] > 0:
                return first_bit(nodes.bits, (free * (most + 1) + free) * length, nodes.level)
        return NONE
    for at_once in range(1, -1, -1):
        low, high = (gpus, most) if at_once == 1 else (0, gpus - 1)
        for step in range(gpus, most + 1):
            free = most + gpus - step if config.spread == 1 else step
            if nodes.with_free[free] == 0:
                continue
            found = NONE
            for idle in range(low, high + 1):
                bucket = idle * (most + 1) + free
                if nodes.bucket[bucket] > 0:
                    node = first_bit(nodes.bits, bucket * length, nodes.level)
                    if found == NONE or node < found:
                        found = node
            if found != NONE:
                return found
    return NONE
