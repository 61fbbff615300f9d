"""What is decided at once: one GPU where every node may differ, one GPU index of all nodes where they are alike.

Units with the same choices at the same price are interchangeable, so a plan says how many of a class get which layout.
Classes keep programs small whatever the size of a pool.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.efficient.partition.patterns import layout_table
from tenantry.errors import InputError
from tenantry.model.partition import Counts, counts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.efficient.partition.patterns import LayoutTable
    from tenantry.model.partition import PartitionPool, PartitionRules, PresentGpu

NOBODY = "\0"
"""Owner of a GPU on which instances of several tenants, or of unknown ones, stay: it serves those and no others."""


class Share(NamedTuple):
    """Whose the GPUs are, where GPUs belong to one tenant.

    Attributes:
        tenant: owner of the instances that stay; empty for GPUs that may be anybody's.
        spare: whether they are on a node that is held back.
    """

    tenant: str
    spare: bool


@dataclass(frozen=True)
class UnitClass:
    """Units that are interchangeable.

    Attributes:
        units: each as positions of its GPUs among those of the pool.
        options: instances per profile that each GPU of a unit may get, in a fixed order.
        changed: for each option, how many GPUs of one unit it changes.
        shares: how many GPUs of one unit are whose.
    """

    units: tuple[tuple[int, ...], ...]
    options: tuple[Counts, ...]
    changed: tuple[int, ...]
    shares: Mapping[Share, int]


@dataclass(frozen=True)
class Units:
    """All units of a pool.

    Attributes:
        pool: the pool.
        rules: what a plan keeps to.
        table: layouts of its GPU with the profiles that matter.
        classes: units by class.
        class_of: for each GPU of the pool, the number of its class.
        spare_nodes: nodes held back, see :class:`~tenantry.model.partition.PartitionPlan`.
        present: instances per profile of each GPU of the pool now.
    """

    pool: PartitionPool
    rules: PartitionRules
    table: LayoutTable
    classes: tuple[UnitClass, ...]
    class_of: tuple[int, ...]
    spare_nodes: tuple[str, ...]
    present: tuple[Counts, ...]


def units(pool: PartitionPool, rules: PartitionRules) -> Units:
    """Put the GPUs of a pool into classes.

    Raises:
        InputError: if the pool has no GPU, if no node is left when as many as asked are spare, or if instances that
            stay leave no layout that all nodes can have.
    """
    nodes = pool.nodes
    if rules.spares >= max(1, len(nodes)):
        raise InputError(f"node pool {pool.name} has {len(nodes)} nodes; {rules.spares} of them cannot be spare")
    spare_nodes = _spare_nodes(pool, rules)
    names = {demand.profile for demand in pool.demands}
    names.update(pin.placement.profile for gpu in pool.gpus for pin in gpu.pins)
    if rules.uniform and any(gpu.pins for gpu in pool.gpus):
        # What one node has may be made around what stays on another, with profiles that nobody wants.
        names.update(item.profile for gpu in pool.gpus for item in gpu.layout)
    table = layout_table(pool.gpu, tuple(sorted(names)))
    present = tuple(counts_of(gpu.layout) for gpu in pool.gpus)
    held = {gpu.node for gpu in pool.gpus if gpu.pins} if rules.frozen else set()
    still = held if rules.uniform else held | set(spare_nodes)
    grouped: dict[object, list[tuple[int, ...]]] = {}
    for members in _members(pool, rules):
        key = tuple(
            (pool.gpus[i].pins, present[i], pool.gpus[i].node in still, pool.gpus[i].node in spare_nodes)
            for i in members
        )
        grouped.setdefault(key, []).append(members)
    known = _Known(pool, rules, table, present, frozenset(still), spare_nodes)
    classes = tuple(_class(known, found) for found in grouped.values())
    class_of = [0] * len(pool.gpus)
    for number, item in enumerate(classes):
        for unit in item.units:
            for position in unit:
                class_of[position] = number
    return Units(pool, rules, table, classes, tuple(class_of), spare_nodes, present)


def _members(pool: PartitionPool, rules: PartitionRules) -> Iterable[tuple[int, ...]]:
    if not rules.uniform:
        return [(position,) for position in range(len(pool.gpus))]
    by_index: dict[int, list[int]] = {}
    for position, gpu in enumerate(pool.gpus):
        by_index.setdefault(gpu.index, []).append(position)
    return [tuple(by_index[index]) for index in sorted(by_index)]


def _spare_nodes(pool: PartitionPool, rules: PartitionRules) -> tuple[str, ...]:
    """Hold back the nodes with the fewest instances that stay, the last by name among equals."""
    if not rules.spares or (rules.uniform and not rules.exclusive):
        return ()
    pins = Counter(gpu.node for gpu in pool.gpus for _ in gpu.pins)
    order = sorted(enumerate(pool.nodes), key=lambda item: (pins[item[1]], -item[0]))
    return tuple(sorted(node for _, node in order[: rules.spares]))


class _Known(NamedTuple):
    """What classes are made from; ``still`` are the nodes that keep all their layouts."""

    pool: PartitionPool
    rules: PartitionRules
    table: LayoutTable
    present: tuple[Counts, ...]
    still: frozenset[str]
    spare_nodes: tuple[str, ...]


def _class(known: _Known, members: list[tuple[int, ...]]) -> UnitClass:
    pool, rules, table, present, still, spare_nodes = known
    first = members[0]
    fixed = {present[i] for i in first if pool.gpus[i].node in still}
    if len(first) == 1 and fixed:
        options = fixed
    else:
        options = _options(pool, table, first) | {present[i] for i in first if len(first) == 1}
        options |= _kept(pool, table, present, first)
        options = {item for item in options if fixed <= {item}}
    if not options:
        index = pool.gpus[first[0]].index
        raise InputError(
            f"node pool {pool.name}, GPU {index}: no layout holds what stays on this GPU of every node; "
            "a plan per node can (--per-node)"
        )
    # Keeping comes first, so that of equal plans the one that changes less is met first.
    order = sorted(options, key=lambda item: (sum(present[i] != item for i in first), item))
    changed = tuple(sum(present[i] != item for i in first) for item in order)
    shares: Counter[Share] = Counter(
        Share(_owner(pool.gpus[i]) if rules.exclusive else "", pool.gpus[i].node in spare_nodes) for i in first
    )
    return UnitClass(tuple(members), tuple(order), changed, dict(sorted(shares.items())))


def _options(pool: PartitionPool, table: LayoutTable, unit: tuple[int, ...]) -> set[Counts]:
    pinned = {pool.gpus[i].pinned for i in unit}
    if len(pinned) == 1:
        return set(table.best(next(iter(pinned))))
    common = set.intersection(*(set(table.reachable(layout)) for layout in pinned))
    as_dicts = {item: dict(item) for item in common}
    return {
        item
        for item in common
        if not any(
            other != item and all(more.get(name, 0) >= count for name, count in item)
            for other, more in as_dicts.items()
        )
    }


def _kept(pool: PartitionPool, table: LayoutTable, present: tuple[Counts, ...], unit: tuple[int, ...]) -> set[Counts]:
    """Present layouts that every GPU of a unit could have; one with profiles nobody wants is in no table."""
    found = {present[i] for i in unit}
    if len(found) == 1:
        return found
    pinned = {pool.gpus[i].pinned for i in unit}
    if pinned == {()}:
        return found
    return {item for item in found if all(item in table.reachable(layout) for layout in pinned)}


def _owner(gpu: PresentGpu) -> str:
    owners = {pin.tenant for pin in gpu.pins}
    if not owners:
        return ""
    return owners.pop() if len(owners) == 1 and "" not in owners else NOBODY
