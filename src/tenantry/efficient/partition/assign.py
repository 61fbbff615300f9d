"""From numbers to names: which GPU gets which layout, on as few nodes and with as few different nodes as can be.

Among nodes that are alike, layouts are dealt in one of two ways, whichever makes fewer different nodes: evenly, or node
by node. Both are orders of the same layouts, so nothing that a plan is worth depends on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from tenantry.efficient.partition.program import Assigned, NodeKind, node_kinds
from tenantry.model.partition import PlannedGpu, counts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.efficient.partition.units import Units
    from tenantry.model.partition import Counts, Layout


def assign(
    units: Units,
    chosen: Sequence[Sequence[int]],
    drained: Mapping[str, int] | None,
    owners: Mapping[Assigned, int],
) -> tuple[PlannedGpu, ...]:
    """Give every GPU of the pool its layout.

    Args:
        units: what was decided about.
        chosen: how many units of each class get each option.
        drained: how many nodes of each kind may change, by the first node of the kind; None to find out here.
        owners: how many free GPUs of each layout each tenant gets, where GPUs belong to tenants.

    Returns:
        Every GPU, in the order of the pool.
    """
    counts: list[Counts] = list(units.present)
    if units.rules.uniform:
        for item, numbers in zip(units.classes, chosen, strict=True):
            left = iter(item.units)
            for option, number in enumerate(numbers):
                for _ in range(number):
                    for position in next(left):
                        counts[position] = item.options[option]
    else:
        _per_node(units, chosen, drained, counts)
    layouts = _Layouts(units)
    tenants = _tenants(units, counts, owners) if units.rules.exclusive else [""] * len(counts)
    return tuple(
        PlannedGpu(gpu.node, gpu.index, layouts.of(position, counts[position]), tenants[position])
        for position, gpu in enumerate(units.pool.gpus)
    )


class _Layouts:
    """Finds a layout with given counts that keeps as much of the present one in place as it can."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.known: dict[tuple[Layout, Layout, Counts], Layout] = {}
        self.there: dict[Counts, Layout] = {}
        for gpu, counts in zip(units.pool.gpus, units.present, strict=True):
            self.there.setdefault(counts, gpu.layout)

    def of(self, position: int, counts: Counts) -> Layout:
        gpu = self.units.pool.gpus[position]
        if counts == self.units.present[position]:
            return gpu.layout
        key = (gpu.pinned, gpu.layout, counts)
        if key not in self.known:
            found = self.units.table.nearest(gpu.pinned, counts, gpu.layout)
            # A layout of another node may have profiles that nobody wants, which are in no table.
            self.known[key] = self.there[counts] if found is None else found
        return self.known[key]


def _per_node(
    units: Units, chosen: Sequence[Sequence[int]], drained: Mapping[str, int] | None, counts: list[Counts]
) -> None:
    kinds = node_kinds(units)
    changes = [
        [counts for counts, changed, number in zip(item.options, item.changed, numbers, strict=True)
         for _ in range(number if changed else 0)]
        for item, numbers in zip(units.classes, chosen, strict=True)
    ]  # fmt: skip
    touched = _touched(kinds, [len(items) for items in changes], drained)
    positions: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, gpu in enumerate(units.pool.gpus):
        positions[gpu.node][units.class_of[position]].append(position)
    for kind, nodes in touched:
        for number, gpus in kind.gpus:
            now = units.classes[number].options[0]
            dealt = changes[number][: gpus * len(nodes)]
            del changes[number][: gpus * len(nodes)]
            dealt += [now] * (gpus * len(nodes) - len(dealt))
            for node, hand in zip(nodes, _deal(dealt, len(nodes)), strict=True):
                for position, layout in zip(positions[node][number], hand, strict=True):
                    counts[position] = layout


def _touched(
    kinds: Sequence[NodeKind], changes: Sequence[int], drained: Mapping[str, int] | None
) -> list[tuple[NodeKind, tuple[str, ...]]]:
    """Choose the nodes that change: as told, or those that take most of what is left to change, one after another."""
    if drained is not None:
        return [(kind, kind.nodes[: drained[kind.nodes[0]]]) for kind in kinds if drained[kind.nodes[0]]]
    left = list(changes)
    taken: Counter[int] = Counter()

    def gain(place: int) -> int:
        return sum(min(gpus, left[number]) for number, gpus in kinds[place].gpus)

    # What a node takes of the rest only falls: an old value is a bound, and the first that still holds is the most.
    queue = [(-gain(place), place) for place in range(len(kinds))]
    heapify(queue)
    while queue and any(left):
        bound, place = heappop(queue)
        now = gain(place)
        if now < -bound:
            heappush(queue, (-now, place))
            continue
        # As many nodes of this kind as are filled alike, at once.
        rooms = [left[number] // gpus for number, gpus in kinds[place].gpus if min(gpus, left[number])]
        times = max(1, min(len(kinds[place].nodes) - taken[place], *rooms))
        taken[place] += times
        for number, gpus in kinds[place].gpus:
            left[number] = max(0, left[number] - gpus * times)
        if taken[place] < len(kinds[place].nodes):
            heappush(queue, (-gain(place), place))
    return [(kinds[place], kinds[place].nodes[: taken[place]]) for place in sorted(taken)]


def _deal(layouts: Sequence[Counts], hands: int) -> list[list[Counts]]:
    """Deal layouts to nodes that are alike, each as many."""
    size = len(layouts) // hands
    ordered = sorted(layouts)
    in_turn = [ordered[start : start + size] for start in range(0, len(ordered), size)] if size else [[]] * hands
    evenly: list[list[Counts]] = [[] for _ in range(hands)]
    rest: list[Counts] = []
    for layout, count in sorted(Counter(ordered).items()):
        for hand in evenly:
            hand.extend([layout] * (count // hands))
        rest.extend([layout] * (count % hands))
    for hand in evenly:
        missing = size - len(hand)
        hand.extend(rest[:missing])
        del rest[:missing]
        hand.sort()
    kinds = [len({tuple(hand) for hand in dealt}) for dealt in (evenly, in_turn)]
    return evenly if kinds[0] <= kinds[1] else in_turn


def _tenants(units: Units, counts: Sequence[Counts], owners: Mapping[Assigned, int]) -> list[str]:
    """Say whose each GPU is: the tenant of what stays on it, or one that gets GPUs with such a layout."""
    left: dict[tuple[Counts, bool], list[str]] = defaultdict(list)
    for key in sorted(owners, key=lambda key: (key.tenant, key.counts), reverse=True):
        left[key.counts, key.spare].extend([key.tenant] * owners[key])
    found = []
    for position, gpu in enumerate(units.pool.gpus):
        tenants = {pin.tenant for pin in gpu.pins}
        if tenants:
            found.append(tenants.pop() if len(tenants) == 1 else "")
            continue
        waiting = left[counts[position], gpu.node in units.spare_nodes]
        found.append(waiting.pop() if waiting else "")
    return found


def configurations(gpus: Sequence[PlannedGpu]) -> dict[tuple[Counts, ...], tuple[str, ...]]:
    """Group nodes by the layouts of their GPUs in order of index; each group is one MIG configuration.

    Returns:
        Names of the nodes by their configuration, the one of most nodes first, then in the order of the first node.
    """
    rows: dict[str, list[Counts]] = defaultdict(list)
    for gpu in gpus:
        rows[gpu.node].append(counts_of(gpu.layout))
    grouped: dict[tuple[Counts, ...], list[str]] = defaultdict(list)
    for node, row in rows.items():
        grouped[tuple(row)].append(node)
    order = sorted(grouped, key=lambda row: -len(grouped[row]))
    return {row: tuple(grouped[row]) for row in order}
