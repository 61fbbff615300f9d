"""Who is due what: a row per queue and resource, in the order of the queue tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.fair.inspection import Inspectable, Shares
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import QueueView

RESOURCES = ("cpu", "memory", "gpu")
"""Resources that queues divide, in the order of the scheduler's vectors."""

CRUMB = 1e-6
"""GPUs below which an amount is nothing: parts of GPUs leave crumbs in sums."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """One resource of one queue: GPUs, millicores or bytes. A quota or limit of -1 is unlimited.

    Attributes:
        quota: what it always gets back.
        limit: most it may hold.
        weight: share of what is left over, relative to its siblings.
        deserved: part of its quota that its jobs ask for: what it is due before anything is left over.
        fair: what it is due in all.
        allocated: what its jobs hold.
        lasting: part of that held by jobs that may not be evicted.
        requested: what its jobs hold and wait for.
        borrowed: what it holds above its quota.
        unused: quota that its jobs do not hold.
        lent: part of that which could not be handed out now without taking it back from others.
        starved: what it is missing of its fair share while its jobs wait for it.
    """

    quota: float
    limit: float
    weight: float
    deserved: float
    fair: float
    allocated: float
    lasting: float
    requested: float
    borrowed: float
    unused: float
    lent: float
    starved: float


@dataclass(frozen=True, slots=True)
class Row:
    """A queue.

    Attributes:
        queue: its name.
        parent: name of its parent; empty for a top queue.
        depth: queues above it.
        leaf: whether it takes jobs.
        priority: its priority.
        cpu: millicores.
        memory: bytes.
        gpu: GPUs.
    """

    queue: str
    parent: str
    depth: int
    leaf: bool
    priority: int
    cpu: Amounts
    memory: Amounts
    gpu: Amounts

    def of(self, resource: str) -> Amounts:
        """Return the amounts of one resource."""
        return {"cpu": self.cpu, "memory": self.memory, "gpu": self.gpu}[resource]

    @property
    def starves(self) -> bool:
        """Whether it is missing some of its fair share of any resource."""
        return any(item.starved > CRUMB for item in (self.cpu, self.memory, self.gpu))


@dataclass(frozen=True, slots=True)
class FairShare:
    """Who is due what in a pool.

    Attributes:
        rows: queues, parents before children, siblings by name.
        total: what is divided, per resource: GPUs, millicores or bytes.
        idle: what nobody holds.
    """

    rows: tuple[Row, ...]
    total: Mapping[str, float]
    idle: Mapping[str, float]

    def path(self, queue: str) -> tuple[Row, ...]:
        """Return a queue and those above it, from the top; nothing for one that is not in the tree."""
        by_name = {row.queue: row for row in self.rows}
        found: list[Row] = []
        while queue in by_name:
            found.append(by_name[queue])
            queue = by_name[queue].parent
        return tuple(reversed(found))


def fairshare(moment: Moment, scheduler: Inspectable) -> FairShare:
    """Say who is due what at the start of a cycle.

    What is lent is reckoned per level of the tree: quotas there that nobody uses, less what is idle, are held by
    others, as far as others hold more than their own; that part is spread over the queues of the level in proportion
    to their unused quota.
    """
    shares = scheduler.shares(moment)
    children: dict[str, list[QueueView]] = {}
    for view in shares.queues:
        children.setdefault(view.parent, []).append(view)
    ordered = list(_ordered(children, "", 0))
    lent = [_lent(ordered, shares, position) for position in range(len(RESOURCES))]
    rows = tuple(
        Row(
            view.name,
            view.parent,
            depth,
            view.name not in children,
            view.priority,
            *(_amounts(view, position, lent[position].get(view.name, 0.0)) for position in range(len(RESOURCES))),
        )
        for view, depth in ordered
    )
    return FairShare(
        rows, dict(zip(RESOURCES, shares.total, strict=True)), dict(zip(RESOURCES, shares.idle, strict=True))
    )


def _ordered(children: Mapping[str, Sequence[QueueView]], parent: str, depth: int) -> Iterator[tuple[QueueView, int]]:
    for view in sorted(children.get(parent, ()), key=lambda item: item.name):
        yield view, depth
        yield from _ordered(children, view.name, depth + 1)


def _lent(ordered: Sequence[tuple[QueueView, int]], shares: Shares, position: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for level in sorted({depth for _, depth in ordered}):
        unused = {view.name: _unused(view, position) for view, depth in ordered if depth == level}
        total = sum(unused.values())
        beyond = sum(_beyond(view, position) for view, depth in ordered if depth == level)
        # Quotas may promise more than there is: what nobody holds beyond his own is lent to nobody.
        held = min(beyond, max(0.0, total - max(0.0, shares.idle[position])))
        if total > CRUMB and held > CRUMB:
            found.update((name, amount * (held / total)) for name, amount in unused.items())
    return found


def _unused(view: QueueView, position: int) -> float:
    quota = view.quota[position]
    return 0.0 if quota == UNLIMITED else max(0.0, quota - view.allocated[position])


def _beyond(view: QueueView, position: int) -> float:
    """What a queue may hold of the quotas of others: what is above its own, or everything if that has no bound."""
    quota = view.quota[position]
    return view.allocated[position] if quota == UNLIMITED else max(0.0, view.allocated[position] - quota)


def _amounts(view: QueueView, position: int, lent: float) -> Amounts:
    quota, limit, fair = view.quota[position], view.limit[position], view.fair[position]
    allocated, requested = view.allocated[position], view.requested[position]
    wanted = requested if limit == UNLIMITED else min(limit, requested)
    return Amounts(
        quota=quota,
        limit=limit,
        weight=view.weight[position],
        deserved=wanted if quota == UNLIMITED else min(quota, wanted),
        fair=fair,
        allocated=allocated,
        lasting=view.lasting[position],
        requested=requested,
        borrowed=0.0 if quota == UNLIMITED else max(0.0, allocated - quota),
        unused=_unused(view, position),
        lent=lent,
        starved=max(0.0, min(fair, wanted) - allocated),
    )
