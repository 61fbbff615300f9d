"""Small pools for tests, made up and drawn, and the naive search for the best plan of them."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import strategies as st

from tenantry.catalog.hardware import gpus
from tenantry.model.gpu import Gpu, Placement, all_placements, place
from tenantry.model.partition import (
    Counts,
    Layout,
    PartitionPool,
    PartitionRules,
    Pin,
    PresentGpu,
    SliceDemand,
    counts_of,
)

A30, H200 = gpus()["a30"], gpus()["h200-sxm"]
SMALL = ("1g.6gb", "2g.12gb", "4g.24gb")
"""Profiles of the A30 that small pools use: 9 sets of counts."""


def layout(gpu: Gpu, **counts: int) -> Layout:
    """Place instances: ``layout(H200, **{"3g.71gb": 2})``."""
    found = place(gpu, counts)
    assert found is not None
    return found


def pool(
    *rows: list[Layout],
    demands: tuple[SliceDemand, ...],
    gpu: Gpu = A30,
    pins: dict[tuple[int, int], tuple[Pin, ...]] | None = None,
) -> PartitionPool:
    """Build a pool of nodes ``n1``, ``n2``, …, each a list of layouts."""
    return PartitionPool(
        "pool",
        gpu,
        tuple(
            PresentGpu(f"n{node}", index, have, (pins or {}).get((node, index), ()))
            for node, row in enumerate(rows, 1)
            for index, have in enumerate(row)
        ),
        demands,
    )


@st.composite
def pools(draw: st.DrawFn, *, nodes: int = 2, gpus_per_node: int = 2, own: bool = False) -> PartitionPool:
    """Draw a pool of A30s with pinned instances and demand of two tenants; ``own``: one tenant's pins on each GPU."""
    layouts = [(), *all_placements(A30, SMALL)]
    found = []
    for node, index in product(range(nodes), range(gpus_per_node)):
        have = draw(st.sampled_from(layouts))
        owner = draw(st.sampled_from(["a", "b"]))
        pins = tuple(
            Pin(item, owner if own else draw(st.sampled_from(["a", "b", ""])))
            for item in have
            if draw(st.integers(0, 3)) == 0
        )
        found.append(PresentGpu(f"n{node}", index, have, pins))
    demands = draw(
        st.lists(
            st.builds(
                SliceDemand,
                profile=st.sampled_from(SMALL),
                count=st.integers(0, 9),
                tenant=st.sampled_from(["a", "b"]),
                priority=st.sampled_from([0, 0, 1, 2]),
                weight=st.integers(1, 3),
            ),
            max_size=5,
        )
    )
    return PartitionPool("pool", A30, tuple(found), tuple(demands))


def best_by_trying(subject: PartitionPool, rules: PartitionRules, *, every: bool) -> tuple[int, ...] | None:
    """Return what the best of all plans leaves and takes, found by trying every layout on every GPU.

    None when no plan is allowed. Without spare nodes and without tenants that own GPUs.
    """
    supersets = [
        {counts_of(have) for have in [(), *all_placements(subject.gpu, SMALL)] if set(gpu.pinned) <= set(have)}
        | {counts_of(gpu.layout)}
        for gpu in subject.gpus
    ]
    best: tuple[int, ...] | None = None
    size = {name: profile.memory for name in SMALL if (profile := subject.gpu.profile(name))}
    for chosen in product(*(sorted(options) for options in supersets)):
        if rules.uniform and not _alike(subject, chosen):
            continue
        left = _unserved(subject, chosen, size)
        changed = [gpu for gpu, counts in zip(subject.gpus, chosen, strict=True) if counts != counts_of(gpu.layout)]
        costs = rules.costs
        price = costs.gpu * len(changed) + costs.node * len({gpu.node for gpu in changed})
        ranked = tuple(left[priority] for priority in sorted(left, reverse=True) if priority or every)
        score = (*ranked, price if every else price + left.get(0, 0))
        best = score if best is None else min(best, score)
    return best


def _alike(subject: PartitionPool, chosen: tuple[Counts, ...]) -> bool:
    first: dict[int, Counts] = {}
    return all(first.setdefault(gpu.index, counts) == counts for gpu, counts in zip(subject.gpus, chosen, strict=True))


def _unserved(subject: PartitionPool, chosen: tuple[Counts, ...], size: dict[str, int]) -> dict[int, int]:
    """Serve slice by slice: a tenant's own running instances first, then whatever there is, the most worthy first."""
    own = Counter((pin.tenant, pin.placement.profile) for gpu in subject.gpus for pin in gpu.pins if pin.tenant)
    free: Counter[str] = Counter()
    for counts in chosen:
        free.update(dict(counts))
    for (_, profile), count in own.items():
        free[profile] -= count
    left: dict[int, int] = {}
    wanted = [demand for demand in subject.demands for _ in range(demand.count)]
    for demand in subject.demands:
        left.setdefault(demand.priority, 0)
    for demand in sorted(wanted, key=lambda item: (-item.priority, -item.weight)):
        if own[demand.tenant, demand.profile]:
            own[demand.tenant, demand.profile] -= 1
        elif free[demand.profile]:
            free[demand.profile] -= 1
        else:
            left[demand.priority] += size[demand.profile] * demand.weight
    return left


def pinned(profile: str, start: int, tenant: str = "", gpu: Gpu = A30) -> Pin:
    """Build a pinned instance."""
    known = gpu.profile(profile)
    assert known is not None
    return Pin(Placement(start, profile, known.memory), tenant)


def best_of_owners_by_trying(subject: PartitionPool, rules: PartitionRules) -> tuple[int, ...]:
    """Return what the best of all plans leaves and takes where every GPU belongs to one tenant, ``a`` or ``b``.

    Pins on one GPU are one tenant's.
    """
    size = {name: profile.memory for name in SMALL if (profile := subject.gpu.profile(name))}
    options = []
    for gpu in subject.gpus:
        owners = sorted({pin.tenant for pin in gpu.pins}) or ["a", "b"]
        around = [counts_of(have) for have in [(), *all_placements(subject.gpu, SMALL)] if set(gpu.pinned) <= set(have)]
        options.append([(counts, owner) for counts in sorted({*around, counts_of(gpu.layout)}) for owner in owners])
    best: tuple[int, ...] | None = None
    for chosen in product(*options):
        free: Counter[tuple[str, str]] = Counter()
        for counts, owner in chosen:
            free.update({(owner, name): count for name, count in counts})
        left = {demand.priority: 0 for demand in subject.demands}
        for demand in sorted(subject.demands, key=lambda item: (-item.priority, -item.weight)):
            served = min(demand.count, free[demand.tenant, demand.profile])
            free[demand.tenant, demand.profile] -= served
            left[demand.priority] += (demand.count - served) * size[demand.profile] * demand.weight
        changed = [
            gpu for gpu, (counts, _) in zip(subject.gpus, chosen, strict=True) if counts != counts_of(gpu.layout)
        ]
        price = rules.costs.gpu * len(changed) + rules.costs.node * len({gpu.node for gpu in changed})
        ranked = tuple(left[priority] for priority in sorted(left, reverse=True) if priority)
        score = (*ranked, price + left.get(0, 0))
        best = score if best is None else min(best, score)
    assert best is not None
    return best
