"""Fair shares of GPUs, as :mod:`tenantry.fair.kai.division` divides them, and charges along the queue tree."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.numbers import CYCLE, DIVIDED, HIGHEST, UNEVEN

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.records import Config, Ints, Queues, State


def charge(config: Config, amounts: Ints, queues: Queues, leaf: int, gpus: int) -> None:
    """Add GPUs to the amounts of a leaf and of all queues above."""
    queue = leaf
    while queue != config.queues:
        amounts[queue] += gpus
        queue = queues.parent[queue]


def share_out(state: State) -> None:
    """Set what every queue is due as the cycle begins, if what anybody asks for has changed since the last time."""
    config, now, queues = state.config, state.now, state.queues
    if now[DIVIDED] == now[CYCLE]:
        return
    now[DIVIDED] = now[CYCLE]
    if now[UNEVEN] == 0:
        return
    now[UNEVEN] = 0
    for position in range(config.queues + 1):
        parent = queues.downwards[position]
        first, last = queues.first_child[parent], queues.first_child[parent + 1]
        if first == last:
            continue
        total = float(config.total) if parent == config.queues else queues.fair[parent]
        divide_gpus(config, queues, first, last, total)
        for place in range(first, last):
            queue = queues.children[place]
            limit, quota = queues.limit[queue], queues.quota[queue]
            if quota == -1.0:
                queues.able[queue] = limit
            else:
                able = max(quota, queues.fair[queue])
                queues.able[queue] = able if limit == -1.0 else min(limit, able)


def requestable(queues: Queues, queue: int) -> float:
    """GPUs a queue asks for within its limit."""
    asked, limit = float(queues.asked[queue]), queues.limit[queue]
    return asked if limit == -1.0 else min(limit, asked)


def satisfied(queues: Queues, queue: int) -> bool:
    """Whether a queue is due all it asks for, or all its limit allows."""
    fair, limit = queues.fair[queue], queues.limit[queue]
    return queues.asked[queue] <= fair or (limit != -1.0 and limit <= fair)


def divide_gpus(config: Config, queues: Queues, first: int, last: int, total: float) -> None:
    """Split GPUs among sibling queues: quotas, then whole units by priority and weight, then single remainders."""
    left = total
    for place in range(first, last):
        queue = queues.children[place]
        quota = queues.quota[queue]
        amount = min(total if quota == -1.0 else quota, requestable(queues, queue))
        queues.fair[queue] = amount
        queues.rest[queue] = -1.0
        left -= amount
    if left <= 0:
        return
    priority = HIGHEST
    while True:
        priority = next_priority(queues, first, last, priority)
        if priority == -HIGHEST:
            break
        left = by_weight(config, queues, first, last, priority, left)
    priority = HIGHEST
    while True:
        priority = next_priority(queues, first, last, priority)
        if priority == -HIGHEST:
            return
        while True:
            best = -1
            for place in range(first, last):
                queue = queues.children[place]
                rest = queues.rest[queue]
                if queues.priority[queue] == priority and rest > 0 and (best < 0 or rest > queues.rest[best]):
                    best = queue
            if best < 0:
                break
            if left <= 0:
                return
            unit = min(1.0, left)
            queues.fair[best] += unit
            queues.rest[best] = -1.0
            left -= unit


def next_priority(queues: Queues, first: int, last: int, above: int) -> int:
    """Highest priority of siblings below another one."""
    found = -HIGHEST
    for place in range(first, last):
        priority = queues.priority[queues.children[place]]
        if found < priority < above:
            found = priority
    return found


def by_weight(config: Config, queues: Queues, first: int, last: int, priority: int, left: float) -> float:
    """Serve one priority in rounds, until a round satisfies nobody; return what is left."""
    while True:
        total = weigh(config, queues, first, last, priority)
        if total == 0:
            return left
        start, again = left, False
        for place in range(first, last):
            if left == 0:
                break
            queue = queues.children[place]
            if queues.priority[queue] != priority or satisfied(queues, queue) or queues.weight[queue] == 0:
                continue
            missing = max(0.0, requestable(queues, queue) - queues.fair[queue])
            offer = start * (queues.factor[queue] / total)
            given = missing if missing <= offer else max(0.0, float(floor(offer)))
            if missing <= offer:
                queues.rest[queue] = -1.0
            elif offer - given > 0:
                queues.rest[queue] = offer - given
            if given == 0:
                continue
            queues.fair[queue] += given
            left -= given
            again = again or missing < offer
        if not again or left == 0:
            return left


def weigh(config: Config, queues: Queues, first: int, last: int, priority: int) -> float:
    """Set the weights of a round; return their sum, 0 when nobody lacks anything."""
    unmet = 0.0
    for place in range(first, last):
        queue = queues.children[place]
        if queues.priority[queue] == priority and requestable(queues, queue) - queues.fair[queue] > 0:
            unmet += queues.weight[queue]
    if unmet == 0:
        return 0.0
    total = 0.0
    for place in range(first, last):
        queue = queues.children[place]
        if queues.priority[queue] == priority and not satisfied(queues, queue):
            part = queues.weight[queue] / unmet
            queues.factor[queue] = max(0.0, part + config.k * part)
            total += queues.factor[queue]
    return total
