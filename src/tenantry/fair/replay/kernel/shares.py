"""Fair shares of GPUs, as :mod:`tenantry.fair.kai.division` divides them, and charges along the queue tree."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.memory import (
    CYCLE,
    DIVIDED,
    DOWNWARDS,
    HIGHEST,
    K_VALUE,
    NONE,
    PARENTS,
    QUEUE_ABLE,
    QUEUE_ALLOCATED,
    QUEUE_ASKED,
    QUEUE_CHILD_COUNT,
    QUEUE_CHILDREN,
    QUEUE_DIVIDED_FOR,
    QUEUE_FACTOR,
    QUEUE_FAIR,
    QUEUE_LASTING,
    QUEUE_LIMIT,
    QUEUE_PARENT,
    QUEUE_PRIORITY,
    QUEUE_QUOTA,
    QUEUE_REST,
    QUEUE_SPLIT,
    QUEUE_WANTED,
    QUEUE_WEIGHT,
    ROOT,
    TOTAL,
    UNBOUNDED,
    UNEVEN,
)

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def charge(m: Ints, field: int, leaf: int, gpus: int) -> None:
    """Add GPUs to a field of a leaf and of all queues above."""
    queue, root = leaf, m[ROOT]
    while queue != root:
        m[queue + field] += gpus
        queue = m[queue + QUEUE_PARENT]


def is_refused(m: Ints, f: Floats, leaf: int, asked: int, preemptible: int) -> bool:
    """Whether GPUs would take a queue above its limit or, for a job that may not be evicted, its quota."""
    queue, root = leaf, m[ROOT]
    while queue != root:
        limit, quota = f[queue + QUEUE_LIMIT], f[queue + QUEUE_QUOTA]
        if limit != UNBOUNDED and limit < m[queue + QUEUE_ALLOCATED] + asked:
            return True
        if preemptible == 0 and quota != UNBOUNDED and quota < m[queue + QUEUE_LASTING] + asked:
            return True
        queue = m[queue + QUEUE_PARENT]
    return False


def share_out(m: Ints, f: Floats) -> None:
    """Set what every queue is due as the cycle begins, if what anybody asks for has changed since the last time."""
    if m[DIVIDED] == m[CYCLE]:
        return
    m[DIVIDED] = m[CYCLE]
    if m[UNEVEN] == 0:
        return
    m[UNEVEN] = 0
    for place in range(m[DOWNWARDS], m[DOWNWARDS] + m[PARENTS]):
        parent = m[place]
        first = m[parent + QUEUE_CHILDREN]
        last = first + m[parent + QUEUE_CHILD_COUNT]
        total = float(m[TOTAL]) if parent == m[ROOT] else f[parent + QUEUE_FAIR]
        if f[parent + QUEUE_SPLIT] == total and is_even(m, first, last):
            continue
        f[parent + QUEUE_SPLIT] = total
        divide_gpus(m, f, first, last, total)
        for child in range(first, last):
            queue = m[child]
            limit, quota = f[queue + QUEUE_LIMIT], f[queue + QUEUE_QUOTA]
            if quota == UNBOUNDED:
                f[queue + QUEUE_ABLE] = limit
            else:
                able = max(quota, f[queue + QUEUE_FAIR])
                f[queue + QUEUE_ABLE] = able if limit == UNBOUNDED else min(limit, able)


def is_even(m: Ints, first: int, last: int) -> bool:
    """Whether siblings ask for as much as when shares were last divided among them."""
    for child in range(first, last):
        queue = m[child]
        if m[queue + QUEUE_ASKED] != m[queue + QUEUE_DIVIDED_FOR]:
            return False
    return True


def divide_gpus(m: Ints, f: Floats, first: int, last: int, total: float) -> None:
    """Split GPUs among sibling queues: quotas, then whole units by priority and weight, then single remainders."""
    left, spare, plain, lacking, lacks = total, total, True, NONE, 0
    for child in range(first, last):
        queue = m[child]
        m[queue + QUEUE_DIVIDED_FOR] = m[queue + QUEUE_ASKED]
        quota, limit, wanted = f[queue + QUEUE_QUOTA], f[queue + QUEUE_LIMIT], float(m[queue + QUEUE_ASKED])
        if limit != UNBOUNDED and limit < wanted:
            wanted = limit
        f[queue + QUEUE_WANTED] = wanted
        amount = min(total if quota == UNBOUNDED else quota, wanted)
        f[queue + QUEUE_FAIR] = amount
        f[queue + QUEUE_REST] = -1.0
        left -= amount
        spare -= wanted
        plain = plain and amount == floor(amount) and wanted == floor(wanted)
        if amount < wanted:
            lacking, lacks = queue, lacks + 1
            plain = plain and f[queue + QUEUE_WEIGHT] > 0
    if left <= 0:
        return
    if plain and spare >= 1:
        # Rounds would go on until everybody has all it asks for: in each one somebody lacks less than it is offered.
        for child in range(first, last):
            f[m[child] + QUEUE_FAIR] = f[m[child] + QUEUE_WANTED]
        return
    if plain and lacks == 1 and left == floor(left):
        # All that is left is offered to the only one that lacks anything.
        f[lacking + QUEUE_FAIR] += min(left, f[lacking + QUEUE_WANTED] - f[lacking + QUEUE_FAIR])
        return
    priority = next_priority(m, first, last, HIGHEST)
    while priority != -HIGHEST:
        left = by_weight(m, f, first, last, priority, left)
        priority = next_priority(m, first, last, priority)
    if left <= 0:
        return
    priority = next_priority(m, first, last, HIGHEST)
    while priority != -HIGHEST:
        best = largest_rest(m, f, first, last, priority)
        while best != NONE:
            if left <= 0:
                return
            unit = min(1.0, left)
            f[best + QUEUE_FAIR] += unit
            f[best + QUEUE_REST] = -1.0
            left -= unit
            best = largest_rest(m, f, first, last, priority)
        priority = next_priority(m, first, last, priority)


def next_priority(m: Ints, first: int, last: int, above: int) -> int:
    """Highest priority of siblings below another one."""
    found = -HIGHEST
    for child in range(first, last):
        priority = m[m[child] + QUEUE_PRIORITY]
        if found < priority < above:
            found = priority
    return found


def largest_rest(m: Ints, f: Floats, first: int, last: int, priority: int) -> int:
    """The queue of a priority with the largest remainder, -1 for none."""
    best = NONE
    for child in range(first, last):
        queue = m[child]
        rest = f[queue + QUEUE_REST]
        if m[queue + QUEUE_PRIORITY] == priority and rest > 0 and (best == NONE or rest > f[best + QUEUE_REST]):
            best = queue
    return best


def by_weight(m: Ints, f: Floats, first: int, last: int, priority: int, left: float) -> float:  # noqa: PLR0917
    """Serve one priority in rounds, until a round satisfies nobody; return what is left."""
    while True:
        total = weigh(m, f, first, last, priority)
        if total == 0:
            return left
        start, again = left, False
        for child in range(first, last):
            if left == 0:
                break
            queue = m[child]
            missing = f[queue + QUEUE_WANTED] - f[queue + QUEUE_FAIR]
            if missing <= 0 or m[queue + QUEUE_PRIORITY] != priority or f[queue + QUEUE_WEIGHT] == 0:
                continue
            offer = start * (f[queue + QUEUE_FACTOR] / total)
            given = missing if missing <= offer else max(0.0, float(floor(offer)))
            if missing <= offer:
                f[queue + QUEUE_REST] = -1.0
            elif offer - given > 0:
                f[queue + QUEUE_REST] = offer - given
            if given == 0:
                continue
            f[queue + QUEUE_FAIR] += given
            left -= given
            again = again or missing < offer
        if not again or left == 0:
            return left


def weigh(m: Ints, f: Floats, first: int, last: int, priority: int) -> float:
    """Set the weights of a round; return their sum, 0 when nobody lacks anything."""
    unmet = 0.0
    for child in range(first, last):
        queue = m[child]
        if f[queue + QUEUE_WANTED] > f[queue + QUEUE_FAIR] and m[queue + QUEUE_PRIORITY] == priority:
            unmet += f[queue + QUEUE_WEIGHT]
    if unmet == 0:
        return 0.0
    total = 0.0
    for child in range(first, last):
        queue = m[child]
        if f[queue + QUEUE_WANTED] > f[queue + QUEUE_FAIR] and m[queue + QUEUE_PRIORITY] == priority:
            part = f[queue + QUEUE_WEIGHT] / unmet
            f[queue + QUEUE_FACTOR] = max(0.0, part + f[K_VALUE] * part)
            total += f[queue + QUEUE_FACTOR]
    return total
