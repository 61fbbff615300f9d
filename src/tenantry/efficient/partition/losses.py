"""What layouts lose: slices nobody wants, parts of GPUs that are in no slice, and demand that no layout can serve."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.partition.patterns import layout_table
from tenantry.model.partition import WHOLE, counts_of, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.partition import Layout, PartitionPlan, PartitionPool, PartitionRules


@dataclass(frozen=True, slots=True)
class Losses:
    """What a plan leaves without use.

    Attributes:
        idle: slices that exist and serve no demand, by profile; none that is 0.
        memory: memory slices of all GPUs that are in no instance.
        compute: compute slices of all GPUs that are in no instance.
        total_memory: memory slices of all GPUs.
        total_compute: compute slices of all GPUs.
    """

    idle: tuple[tuple[str, int], ...]
    memory: int
    compute: int
    total_memory: int
    total_compute: int


def losses(pool: PartitionPool, plan: PartitionPlan) -> Losses:
    """Reckon what a plan leaves without use."""
    gpu, supply = pool.gpu, Counter[str]()
    for item in plan.gpus:
        supply.update(dict(counts_of(item.layout)))
    memory = sum(size_of(gpu, name) * count for name, count in supply.items())
    compute = sum(
        (profile.compute if (profile := gpu.profile(name)) else gpu.compute_slices) * count
        for name, count in supply.items()
    )
    for demand, served in zip(pool.demands, plan.served, strict=True):
        supply[demand.profile] -= served
    total = len(plan.gpus)
    return Losses(
        tuple(sorted((name, count) for name, count in supply.items() if count > 0)),
        gpu.memory_slices * total - memory,
        gpu.compute_slices * total - compute,
        gpu.memory_slices * total,
        gpu.compute_slices * total,
    )


def ceilings(pool: PartitionPool, rules: PartitionRules) -> dict[str, int]:
    """Most slices of each wanted profile that any layouts of the pool can have, whatever they cost and others lose.

    With uniform rules the GPUs of one index get as many as the one among them that can hold fewest.
    """
    names = sorted({demand.profile for demand in pool.demands})
    pinned_names = {pin.placement.profile for gpu in pool.gpus for pin in gpu.pins}
    table = layout_table(pool.gpu, tuple(sorted({*names, *pinned_names})))
    known: dict[Layout, dict[str, int]] = {}

    def most(pinned: Layout) -> dict[str, int]:
        if pinned not in known:
            best: Counter[str] = Counter()
            for counts in table.best(pinned):
                best |= Counter(dict(counts))
            known[pinned] = dict(best)
        return known[pinned]

    if not rules.uniform:
        return {name: sum(most(gpu.pinned).get(name, 0) for gpu in pool.gpus) for name in names}
    by_index: dict[int, list[Layout]] = {}
    for gpu in pool.gpus:
        by_index.setdefault(gpu.index, []).append(gpu.pinned)
    return {
        name: sum(min(most(layout).get(name, 0) for layout in layouts) * len(layouts) for layouts in by_index.values())
        for name in names
    }


def describe(layout: Sequence[tuple[str, int]]) -> str:
    """Write counts as people read them: ``2 x 3g.71gb``; a GPU that is not partitioned is ``whole``."""
    if tuple(layout) == ((WHOLE, 1),):
        return "whole"
    return " + ".join(f"{count} x {name}" for name, count in layout) or "no instance"
