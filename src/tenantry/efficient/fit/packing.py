"""Do pods of several kinds fit on equal nodes? Decided exactly, or said to be undecided.

1. A proof by counting that they do not: room in all nodes together, pods too large to share a node (the bound L2 of
   Martello and Toth), and the nodes each kind needs by itself.
2. A packing: the largest kinds first, onto the fullest node that takes them.
3. A search over the contents of nodes: equal nodes are interchangeable, so some node holds a pod of the largest kind,
   filled up with as much as it takes. What is left is never decided twice.

Source: S. Martello, P. Toth, "Lower bounds and reduction procedures for the bin packing problem" (1990).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tenantry.efficient.fit.room import Need, NodeRoom, per_node, together

STEPS = 20_000
"""Contents of nodes that one search looks at, about a second; then it is undecided."""
DEEPEST = 300
"""Nodes one search fills."""

Kinds = Mapping[Need, int]
"""Pods by what each needs."""


class UndecidedError(Exception):
    """The search was given up."""


def fits(room: NodeRoom, nodes: int, kinds: Kinds) -> bool | None:
    """Whether ``nodes`` equal nodes hold all pods at once; None when the search was given up."""
    try:
        return _fits(room, nodes, _cleaned(kinds))
    except UndecidedError:
        return None


def nodes_needed(room: NodeRoom, kinds: Kinds, most: int) -> int | None:
    """Fewest nodes that hold all pods; ``most + 1`` when more than ``most`` are needed.

    Returns:
        The number, or None when the search was given up.
    """
    wanted = _cleaned(kinds)
    low = lower_bound(room, wanted)
    if low is None or low > most:
        return most + 1
    try:
        # One more node never holds less.
        high = most + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if _fits(room, middle, wanted) else (middle + 1, high)
    except UndecidedError:
        return None
    return low


def lower_bound(room: NodeRoom, kinds: Kinds) -> int | None:
    """Nodes that are needed at least, by counting; None when a pod fits on none."""
    bound = 0
    for need, count in kinds.items():
        held = per_node(room, need)
        if not held:
            return None
        bound = max(bound, -(-count // held))
    for sizes, capacity in _dimensions(room, kinds):
        bound = max(bound, _martello_toth(sizes, capacity))
    return bound


def _cleaned(kinds: Kinds) -> dict[Need, int]:
    return {need: kinds[need] for need in sorted(kinds, key=lambda item: (-item.units, item)) if kinds[need]}


def _fits(room: NodeRoom, nodes: int, kinds: dict[Need, int]) -> bool:
    if not kinds:
        return True
    low = lower_bound(room, kinds)
    if low is None or low > nodes:
        return False
    order = _by_size(room, kinds)
    if _greedy(room, nodes, kinds, order):
        return True
    if nodes > DEEPEST:
        raise UndecidedError
    return _Search(room, order).run(tuple(kinds[need] for need in order), nodes)


def _dimensions(room: NodeRoom, kinds: Kinds) -> Iterator[tuple[list[tuple[int, int]], int]]:
    """Yield, for everything a node has, what pods take of it with their number, and how much there is."""
    for resource in sorted({need.resource for need in kinds}):
        yield [(need.units, count) for need, count in kinds.items() if need.resource == resource], room.units(resource)
    for fabric, offered in room.vfs:
        sizes = [(dict(need.vfs).get(fabric, 0), count) for need, count in kinds.items()]
        yield [(size, count) for size, count in sizes if size], offered
    if room.pods:
        yield [(1, count) for count in kinds.values()], room.pods


def _martello_toth(sizes: list[tuple[int, int]], capacity: int) -> int:
    best = 0
    for small in {0, *(size for size, _ in sizes if 2 * size <= capacity)}:
        alone = sum(count for size, count in sizes if size > capacity - small)
        large = [(size, count) for size, count in sizes if capacity < 2 * size and size <= capacity - small]
        opened = sum(count for _, count in large)
        spare = opened * capacity - sum(size * count for size, count in large)
        rest = sum(size * count for size, count in sizes if small <= size and 2 * size <= capacity)
        best = max(best, alone + opened + max(0, -(-(rest - spare) // capacity)))
    return best


def _by_size(room: NodeRoom, kinds: Kinds) -> list[Need]:
    """Order kinds by the largest part of a node that a pod takes, the largest first."""
    vfs = dict(room.vfs)

    def part(need: Need) -> float:
        return max(need.units / room.units(need.resource), *(count / vfs[name] for name, count in need.vfs), 0.0)

    return sorted(kinds, key=lambda need: (-part(need), need))


# A packing -----------------------------------------------------------------------------------------------------------

_Content = tuple[tuple[Need, int], ...]


def _greedy(room: NodeRoom, nodes: int, kinds: Kinds, order: list[Need]) -> bool:
    """Try to pack, largest first onto the fullest node; equal nodes are filled together."""
    states: dict[_Content, int] = {(): nodes}
    for need in order:
        left = kinds[need]
        for content in sorted(states, key=lambda item: (-_load(room, item), item)):
            if not left:
                break
            held = _most(room, content, need, left)
            if not held:
                continue
            number = states[content]
            full = min(number, left // held)
            _move(states, content, need, held, full)
            left -= full * held
            if left and full < number:
                last = min(held, left)
                _move(states, content, need, last, 1)
                left -= last
        if left:
            return False
    return True


def _load(room: NodeRoom, content: _Content) -> float:
    return sum(need.units * count / room.units(need.resource) for need, count in content)


def _most(room: NodeRoom, content: _Content, need: Need, most: int) -> int:
    """Further pods of a kind that a node with this content takes."""
    low, high = 0, min(most, per_node(room, need))
    while low < high:
        middle = (low + high + 1) // 2
        if together(room, (*content, (need, middle))):
            low = middle
        else:
            high = middle - 1
    return low


def _move(states: dict[_Content, int], content: _Content, need: Need, held: int, number: int) -> None:
    if not number:
        return
    states[content] -= number
    if not states[content]:
        del states[content]
    fuller = (*content, (need, held))
    states[fuller] = states.get(fuller, 0) + number


# A search ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Search:
    room: NodeRoom
    order: list[Need]
    steps: int = 0
    failed: dict[tuple[int, ...], int] = field(default_factory=dict)

    def run(self, left: tuple[int, ...], nodes: int) -> bool:
        """Whether the rest fits on so many empty nodes."""
        first = next((index for index, count in enumerate(left) if count), None)
        if first is None:
            return True
        if nodes <= self.failed.get(left, 0):
            return False
        bound = lower_bound(self.room, {need: count for need, count in zip(self.order, left, strict=True) if count})
        if bound is None or bound > nodes:
            return False
        for content in self._contents(left, first):
            self.steps += 1
            if self.steps > STEPS:
                raise UndecidedError
            if self.run(tuple(count - used for count, used in zip(left, content, strict=True)), nodes - 1):
                return True
        self.failed[left] = nodes
        return False

    def _contents(self, left: tuple[int, ...], first: int) -> Iterator[tuple[int, ...]]:
        """Yield what a node may hold that has a pod of the largest kind, and to which nothing left can be added."""
        empty = [0] * len(self.order)

        def extend(index: int, held: list[int]) -> Iterator[tuple[int, ...]]:
            if index == len(self.order):
                if self._full(left, held):
                    yield tuple(held)
                return
            for count in range(min(left[index], per_node(self.room, self.order[index])), (index == first) - 1, -1):
                held[index] = count
                if together(self.room, self._pods(held)):
                    yield from extend(index + 1, held)
            held[index] = 0

        yield from extend(first, empty)

    def _full(self, left: tuple[int, ...], held: list[int]) -> bool:
        for index, count in enumerate(held):
            if count < left[index]:
                held[index] += 1
                more = together(self.room, self._pods(held))
                held[index] -= 1
                if more:
                    return False
        return True

    def _pods(self, held: list[int]) -> tuple[tuple[Need, int], ...]:
        return tuple((need, count) for need, count in zip(self.order, held, strict=True) if count)
