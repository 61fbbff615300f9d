"""Whether a layout can exist and a plan keeps its promises, recomputed from the facts of the GPU alone.

Shares no code with the planner: occupancy, supply and changes are counted here again, slice by slice. Every answer is a
list of sentences, empty when nothing is wrong.

Source: the rules of ``model/gpu.py``, after the NVIDIA MIG user guide.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tenantry.model.partition import WHOLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tenantry.model.gpu import Gpu, Placement
    from tenantry.model.partition import (
        Layout,
        PartitionPlan,
        PartitionPool,
        PartitionRules,
        PlanFigures,
        PlannedGpu,
        PresentGpu,
    )


def layout_faults(gpu: Gpu, layout: Layout) -> tuple[str, ...]:
    """Say why the instances of a layout cannot exist together on one GPU.

    Args:
        gpu: the GPU model.
        layout: instances, in any order.
    """
    if any(placement.profile == WHOLE for placement in layout):
        return () if len(layout) == 1 else ("a GPU that is not partitioned has no instances besides",)
    faults = [fault for placement in sorted(layout) for fault in _placement_faults(gpu, placement)]
    if faults:
        return tuple(faults)
    return (*_overlaps(layout), *_excesses(gpu, layout))


def _placement_faults(gpu: Gpu, placement: Placement) -> Iterator[str]:
    profile = gpu.profile(placement.profile)
    if profile is None:
        yield f"{gpu.title} has no profile {placement.profile}"
        return
    if placement.size != profile.memory:
        yield f"{placement.profile} takes {profile.memory} memory slices, not {placement.size}"
    if placement.start not in profile.starts:
        starts = ", ".join(str(start) for start in profile.starts)
        yield f"{placement.profile} cannot begin at memory slice {placement.start}, only at {starts}"


def _overlaps(layout: Layout) -> Iterator[str]:
    holder: dict[int, Placement] = {}
    for placement in sorted(layout):
        for memory_slice in range(placement.start, placement.start + placement.size):
            other = holder.get(memory_slice)
            if other is not None:
                yield (
                    f"{placement.profile} at {placement.start} and {other.profile} at {other.start} overlap on memory "
                    f"slice {memory_slice}"
                )
                break
            holder[memory_slice] = placement


def _excesses(gpu: Gpu, layout: Layout) -> Iterator[str]:
    counts = Counter(placement.profile for placement in layout)
    compute = media = extensions = 0
    for name in sorted(counts):
        profile, count = gpu.profile(name), counts[name]
        if profile is None:
            continue
        if count > profile.maximum:
            yield f"{count} x {name} on one GPU, which has at most {profile.maximum}"
        compute += profile.compute * count
        media += profile.media * count
        extensions += count if name.endswith(("+me", "+me.all")) else 0
    if compute > gpu.compute_slices:
        yield f"{compute} compute slices on one GPU, which has {gpu.compute_slices}"
    if extensions > 1:
        yield f"media extensions on {extensions} instances of one GPU, which has them once"
    if gpu.media_engines and media > gpu.media_engines:
        yield f"{media} media engines on one GPU, which has {gpu.media_engines}"


def present_faults(gpu: Gpu, present: PresentGpu) -> tuple[str, ...]:
    """Say why a GPU cannot be as it is said to be now: impossible instances, or pinned ones it does not have."""
    faults = layout_faults(gpu, present.layout)
    held = Counter(present.layout)
    pinned = Counter(pin.placement for pin in present.pins)
    lost = [placement for placement in sorted(pinned) if pinned[placement] > held[placement]]
    return (*faults, *(f"{item.profile} at {item.start} is pinned but not there" for item in lost))


def plan_faults(
    pool: PartitionPool, rules: PartitionRules, plan: PartitionPlan, figures: PlanFigures | None = None
) -> tuple[str, ...]:
    """Say what is wrong with a plan.

    Args:
        pool: what there is and what is wanted.
        rules: what the plan has to keep to.
        plan: layouts and what is served.
        figures: what the plan is said to be worth and to take; checked when given.
    """
    there = [(gpu.node, gpu.index) for gpu in pool.gpus]
    if [(gpu.node, gpu.index) for gpu in plan.gpus] != there:
        return ("the plan does not name every GPU of the pool once, in order",)
    if len(plan.served) != len(pool.demands):
        return ("the plan does not say of every demand what is served",)
    faults = [
        f"{after.node} GPU {after.index}: {fault}"
        for before, after in zip(pool.gpus, plan.gpus, strict=True)
        for fault in _gpu_faults(pool, rules, before, after)
    ]
    faults += _uniform_faults(rules, plan)
    faults += _serving_faults(pool, rules, plan)
    faults += _spare_faults(pool, rules, plan)
    if figures is not None:
        faults += _figure_faults(pool, plan, figures)
    return tuple(faults)


def _gpu_faults(pool: PartitionPool, rules: PartitionRules, before: PresentGpu, after: PlannedGpu) -> Iterator[str]:
    yield from layout_faults(pool.gpu, after.layout)
    if list(after.layout) != sorted(after.layout):
        yield "its instances are not in order of their start"
    kept = set(after.layout)
    for pin in before.pins:
        if pin.placement not in kept:
            yield f"the pinned {pin.placement.profile} at {pin.placement.start} does not stay"
        if rules.exclusive and after.tenant and pin.tenant != after.tenant:
            yield f"it is {after.tenant}'s, but an instance of {pin.tenant or 'nobody known'} stays on it"
    if rules.frozen and _changed(before, after) and any(gpu.pins for gpu in pool.gpus if gpu.node == before.node):
        yield "it changes although its node has pinned instances"


def _changed(before: PresentGpu, after: PlannedGpu) -> bool:
    return Counter(item.profile for item in before.layout) != Counter(item.profile for item in after.layout)


def _uniform_faults(rules: PartitionRules, plan: PartitionPlan) -> Iterator[str]:
    if not rules.uniform:
        return
    first: dict[int, Counter[str]] = {}
    for gpu in plan.gpus:
        counts = Counter(item.profile for item in gpu.layout)
        if first.setdefault(gpu.index, counts) != counts:
            yield f"{gpu.node} GPU {gpu.index}: its layout differs from that of the other nodes"


def _supply(gpus: Iterable[PlannedGpu], skipped: Collection[str] = ()) -> Counter[str]:
    return Counter(item.profile for gpu in gpus if gpu.node not in skipped for item in gpu.layout)


def _serving_faults(pool: PartitionPool, rules: PartitionRules, plan: PartitionPlan) -> Iterator[str]:
    for demand, served in zip(pool.demands, plan.served, strict=True):
        if not 0 <= served <= demand.count:
            yield f"{served} x {demand.profile} are served where {demand.count} are wanted"
    everything = range(len(pool.demands))
    yield from _overdrawn(pool, rules, plan, everything, ())
    if plan.spare_nodes:
        guaranteed = [number for number in everything if pool.demands[number].priority > 0]
        yield from _overdrawn(pool, rules, plan, guaranteed, plan.spare_nodes)


def _overdrawn(
    pool: PartitionPool,
    rules: PartitionRules,
    plan: PartitionPlan,
    chosen: Iterable[int],
    skipped: Collection[str],
) -> Iterator[str]:
    """Name what is given out more often than there is, on nodes that are not skipped."""
    given: Counter[tuple[str, str]] = Counter()
    for number in chosen:
        demand = pool.demands[number]
        given[demand.tenant, demand.profile] += plan.served[number]
    if rules.exclusive:
        there = Counter(
            (gpu.tenant, item.profile) for gpu in plan.gpus if gpu.node not in skipped for item in gpu.layout
        )
        for present, gpu in zip(pool.gpus, plan.gpus, strict=True):
            if not gpu.tenant and gpu.node not in skipped:
                there.update((pin.tenant, pin.placement.profile) for pin in present.pins)
        for (tenant, profile), count in sorted(given.items()):
            if count > there[tenant, profile]:
                yield f"{tenant} is given {count} x {profile} but has {there[tenant, profile]} on GPUs of its own"
        return
    supply = _supply(plan.gpus, skipped)
    owned = Counter(
        (pin.tenant, pin.placement.profile)
        for gpu in pool.gpus
        if gpu.node not in skipped
        for pin in gpu.pins
        if pin.tenant
    )
    for profile in sorted({profile for _, profile in given}):
        free = supply[profile] - sum(count for (_, name), count in owned.items() if name == profile)
        asked = sum(max(0, count - owned[key]) for key, count in given.items() if key[1] == profile)
        if asked > free:
            yield f"{asked} x {profile} are given out where {free} are free"


def _spare_faults(pool: PartitionPool, rules: PartitionRules, plan: PartitionPlan) -> Iterator[str]:
    """Check that what is guaranteed survives the loss of any nodes, as many as are to be spare."""
    if not rules.spares:
        return
    if not rules.uniform or rules.exclusive:
        if len(set(plan.spare_nodes)) != rules.spares or not set(plan.spare_nodes) <= set(pool.nodes):
            yield f"{len(set(plan.spare_nodes))} nodes are spare where {rules.spares} should be"
        return
    given: Counter[str] = Counter()
    for demand, served in zip(pool.demands, plan.served, strict=True):
        given[demand.profile] += served if demand.priority > 0 else 0
    for profile, count in sorted(given.items()):
        per_node = Counter(dict.fromkeys(pool.nodes, 0))
        per_node.update(gpu.node for gpu in plan.gpus for item in gpu.layout if item.profile == profile)
        lost = sum(amount for _, amount in per_node.most_common(rules.spares))
        if count > per_node.total() - lost:
            yield f"{count} x {profile} are guaranteed, of which {per_node.total() - lost} survive"


def _figure_faults(pool: PartitionPool, plan: PartitionPlan, figures: PlanFigures) -> Iterator[str]:
    unserved: Counter[int] = Counter()
    for demand, served in zip(pool.demands, plan.served, strict=True):
        profile = pool.gpu.profile(demand.profile)
        size = profile.memory if profile is not None else pool.gpu.memory_slices
        unserved[demand.priority] += (demand.count - served) * size * demand.weight
    if tuple(sorted(unserved.items(), reverse=True)) != figures.unserved:
        yield f"unserved is said to be {figures.unserved}"
    changed = [after for before, after in zip(pool.gpus, plan.gpus, strict=True) if _changed(before, after)]
    if len(changed) != figures.changed_gpus or len({gpu.node for gpu in changed}) != figures.changed_nodes:
        yield f"{figures.changed_gpus} GPUs on {figures.changed_nodes} nodes are said to change"
