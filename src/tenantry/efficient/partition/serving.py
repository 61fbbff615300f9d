"""Who gets the slices of given layouts, and what a plan is worth and takes.

Slices of a profile go to demand of higher priority first, then of higher weight; where demand that counts alike exceeds
what is left, everyone gets the same part of it, what remains going to the largest remainder, then the first in order.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tenantry.model.partition import PartitionPlan, PlanFigures, counts_of, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.partition import PartitionPool, PartitionRules, PlannedGpu


def worth(pool: PartitionPool, number: int) -> int:
    """Worth of one slice of a demand: memory slices times weight."""
    demand = pool.demands[number]
    return size_of(pool.gpu, demand.profile) * demand.weight


def owned_pins(pool: PartitionPool, nodes: Iterable[str] | None = None) -> Counter[tuple[str, str]]:
    """Count instances that stay by their tenant and profile; those of unknown tenants serve anybody.

    Args:
        pool: the pool.
        nodes: nodes that count; all when omitted.
    """
    chosen = None if nodes is None else set(nodes)
    return Counter(
        (pin.tenant, pin.placement.profile)
        for gpu in pool.gpus
        if chosen is None or gpu.node in chosen
        for pin in gpu.pins
        if pin.tenant
    )


def served_by_pins(pool: PartitionPool, spare_nodes: Sequence[str]) -> list[int]:
    """Slices of each demand that its tenant's own running instances serve, guaranteed demand first.

    Instances on nodes that are held back serve no guaranteed demand.
    """
    safe = owned_pins(pool, set(pool.nodes) - set(spare_nodes))
    spare = owned_pins(pool, spare_nodes)
    served = [0] * len(pool.demands)
    for number in serving_order(pool):
        demand = pool.demands[number]
        if not demand.tenant:
            continue
        key = (demand.tenant, demand.profile)
        for left in (safe,) if demand.guaranteed else (spare, safe):
            taken = min(left[key], demand.count - served[number])
            served[number] += taken
            left[key] -= taken
    return served


def serving_order(pool: PartitionPool) -> list[int]:
    """Numbers of the demands in the order they are served."""
    return sorted(
        range(len(pool.demands)), key=lambda number: (-pool.demands[number].priority, -worth(pool, number), number)
    )


def serve(
    pool: PartitionPool, rules: PartitionRules, gpus: Sequence[PlannedGpu], spare_nodes: tuple[str, ...]
) -> PartitionPlan:
    """Give out the slices of planned GPUs.

    Args:
        pool: what is wanted.
        rules: what the plan keeps to.
        gpus: every GPU of the pool with its layout.
        spare_nodes: nodes that serve nothing that is guaranteed.
    """
    served = _of_own_gpus(pool, gpus, spare_nodes) if rules.exclusive else _of_all(pool, rules, gpus, spare_nodes)
    return PartitionPlan(tuple(gpus), tuple(served), spare_nodes)


def _of_all(
    pool: PartitionPool, rules: PartitionRules, gpus: Sequence[PlannedGpu], spare_nodes: tuple[str, ...]
) -> list[int]:
    served = served_by_pins(pool, spare_nodes)
    safe, spare = _supply(gpus, spare_nodes)
    for (_, profile), count in owned_pins(pool, set(pool.nodes) - set(spare_nodes)).items():
        safe[profile] -= count
    for (_, profile), count in owned_pins(pool, spare_nodes).items():
        spare[profile] -= count
    cap: Counter[str] | None = None
    if rules.spares and not spare_nodes:
        # Nodes are alike: any that is lost takes the same part of every profile with it.
        total, nodes = safe.copy(), len(pool.nodes)
        for (_, profile), count in owned_pins(pool).items():
            total[profile] += count
        cap = Counter({name: count // nodes * (nodes - rules.spares) for name, count in total.items()})
        for number, count in enumerate(served):
            if pool.demands[number].guaranteed:
                cap[pool.demands[number].profile] -= count
    for group in _alike(pool, range(len(pool.demands))):
        demand = pool.demands[group[0]]
        profile = demand.profile
        room = safe[profile] if demand.guaranteed else safe[profile] + spare[profile]
        if demand.guaranteed and cap is not None:
            room = min(room, cap[profile])
        given = _divided([pool.demands[number].count - served[number] for number in group], room)
        for number, count in zip(group, given, strict=True):
            served[number] += count
        _take(sum(given), profile, safe, spare, guaranteed=demand.guaranteed)
        if demand.guaranteed and cap is not None:
            cap[profile] -= sum(given)
    return served


def _of_own_gpus(pool: PartitionPool, gpus: Sequence[PlannedGpu], spare_nodes: tuple[str, ...]) -> list[int]:
    safe: Counter[tuple[str, str]] = Counter()
    spare: Counter[tuple[str, str]] = Counter()
    for present, gpu in zip(pool.gpus, gpus, strict=True):
        counted = spare if gpu.node in spare_nodes else safe
        if gpu.tenant:
            counted.update({(gpu.tenant, name): count for name, count in counts_of(gpu.layout)})
        else:
            counted.update((pin.tenant, pin.placement.profile) for pin in present.pins)
    served = [0] * len(pool.demands)
    for number in serving_order(pool):
        demand = pool.demands[number]
        key = (demand.tenant, demand.profile)
        for left in (safe,) if demand.guaranteed else (spare, safe):
            taken = max(0, min(left[key], demand.count - served[number]))
            served[number] += taken
            left[key] -= taken
    return served


def _supply(gpus: Sequence[PlannedGpu], spare_nodes: tuple[str, ...]) -> tuple[Counter[str], Counter[str]]:
    safe: Counter[str] = Counter()
    spare: Counter[str] = Counter()
    for gpu in gpus:
        counted = spare if gpu.node in spare_nodes else safe
        for name, count in counts_of(gpu.layout):
            counted[name] += count
    return safe, spare


def _take(count: int, key: str, safe: Counter[str], spare: Counter[str], *, guaranteed: bool) -> None:
    """Take slices away, from nodes that are held back first where that is allowed."""
    first = 0 if guaranteed else min(count, max(0, spare[key]))
    spare[key] -= first
    safe[key] -= count - first


def _alike(pool: PartitionPool, numbers: Iterable[int]) -> list[list[int]]:
    """Group demands that count alike, in the order they are served."""
    groups: dict[tuple[int, int, str], list[int]] = {}
    for number in numbers:
        demand = pool.demands[number]
        groups.setdefault((-demand.priority, -worth(pool, number), demand.profile), []).append(number)
    return [groups[key] for key in sorted(groups)]


def _divided(wanted: Sequence[int], room: int) -> list[int]:
    """Split what there is in proportion to what is wanted."""
    total, room = sum(wanted), max(0, room)
    if total <= room:
        return list(wanted)
    given = [count * room // total for count in wanted]
    order = sorted(range(len(wanted)), key=lambda i: (-(wanted[i] * room % total), i))
    for i in order[: room - sum(given)]:
        given[i] += 1
    return given


def figures(pool: PartitionPool, plan: PartitionPlan) -> PlanFigures:
    """Reckon what a plan is worth and takes."""
    unserved: dict[int, int] = {}
    for number, (demand, served) in enumerate(zip(pool.demands, plan.served, strict=True)):
        missing = (demand.count - served) * worth(pool, number)
        unserved[demand.priority] = unserved.get(demand.priority, 0) + missing
    changed = [
        after
        for before, after in zip(pool.gpus, plan.gpus, strict=True)
        if before.layout != after.layout and counts_of(before.layout) != counts_of(after.layout)
    ]
    nodes = {gpu.node for gpu in changed}
    return PlanFigures(tuple(sorted(unserved.items(), reverse=True)), len(changed), len(nodes))
