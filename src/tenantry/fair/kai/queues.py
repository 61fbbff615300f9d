"""Queues during a cycle: what they are due, what they hold, and which of two goes first.

Source: pkg/scheduler/plugins/proportion (proportion.go, resource_share, queue_order, capacity_policy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.kai.division import Claimant, Share, divide
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.model.queue import Queue as ModelQueue

    Amounts = Sequence[float]
    """CPU, memory and GPUs."""

INFINITE = float("inf")

NO_SHARE_FACTOR = 1000
"""What holding a resource one has no share of weighs in the dominant share (queue_resource_share.go)."""


def exceeds(amount: float, other: float) -> bool:
    """Whether an amount is more than another where either may be unlimited; exact, without tolerance."""
    if amount == UNLIMITED:
        return other != UNLIMITED
    return other != UNLIMITED and amount > other


class Queue:
    """A queue during a cycle; shares are of CPU, memory and GPUs, in this order."""

    __slots__ = ("children", "depth", "model", "name", "parent", "priority", "shares")

    def __init__(self, model: ModelQueue) -> None:
        self.model, self.name, self.priority = model, model.name, model.priority
        self.parent: Queue | None = None
        self.children: list[Queue] = []
        self.depth = 0
        gpu, cpu, memory = model.usage
        self.shares = (
            Share(model.cpu.quota, model.cpu.limit, model.cpu.weight, cpu),
            Share(model.memory.quota, model.memory.limit, model.memory.weight, memory),
            Share(model.gpu.quota, model.gpu.limit, model.gpu.weight, gpu),
        )

    @property
    def leaf(self) -> bool:
        """Whether jobs may be submitted to it."""
        return not self.children

    def up(self) -> Iterator[Queue]:
        """Yield itself and its ancestors, nearest first."""
        queue: Queue | None = self
        while queue is not None:
            yield queue
            queue = queue.parent

    def path(self) -> list[Queue]:
        """Return its ancestors and itself, from the top."""
        return list(self.up())[::-1]

    @property
    def allocated(self) -> list[float]:
        """What its jobs hold or are promised."""
        return [share.allocated for share in self.shares]

    @property
    def over_fair_share(self) -> bool:
        """Whether it holds more than it is due of *every* resource, as the original asks."""
        return all(share.fair < share.allocated for share in self.shares)

    def within_quota(self, more: Amounts) -> bool:
        """Whether what it holds and ``more`` stays within its quota of every resource."""
        return not any(
            exceeds(share.allocated + amount, share.quota) for share, amount in zip(self.shares, more, strict=True)
        )

    def lacks_share(self, more: Amounts) -> bool:
        """Whether with ``more`` it would hold a resource it has no share of at all."""
        return any(
            share.allocatable == 0 and share.allocated + amount > 0
            for share, amount in zip(self.shares, more, strict=True)
        )

    def dominant_share(self, totals: Amounts, held: Amounts | None = None) -> float:
        """The largest part it holds of what it may hold, over all resources."""
        largest = 0.0
        for position, share in enumerate(self.shares):
            room = share.allocatable
            if room == UNLIMITED:
                room = totals[position]
            amount = share.allocated if held is None else held[position]
            part = amount * NO_SHARE_FACTOR if room == 0 else amount / room
            largest = max(largest, part)
        return largest


def build_tree(models: Iterable[ModelQueue]) -> dict[str, Queue]:
    """Return queues by name, ordered by name; those whose parent does not exist are left out with all below them."""
    queues = {model.name: Queue(model) for model in sorted(models, key=lambda model: model.name)}
    for queue in queues.values():
        parent = queues.get(queue.model.parent) if queue.model.parent else None
        if parent is not None:
            parent.children.append(queue)
            queue.parent = parent
    kept: dict[str, Queue] = {}
    waiting = [queue for queue in queues.values() if not queue.model.parent]
    while waiting:
        queue = waiting.pop()
        kept[queue.name] = queue
        for child in queue.children:
            child.depth = queue.depth + 1
        waiting += queue.children
    return {name: kept[name] for name in sorted(kept)}


def share_out(queues: Mapping[str, Queue], totals: Amounts, k: float) -> None:
    """Set what every queue is due, from the top of the tree down."""
    level = [queue for queue in queues.values() if queue.parent is None]
    _share_level(level, totals, k)


def _share_level(siblings: Sequence[Queue], totals: Amounts, k: float) -> None:
    if not siblings:
        return
    for position, total in enumerate(totals):
        claimants = [
            Claimant(queue.name, queue.priority, queue.model.created, queue.shares[position]) for queue in siblings
        ]
        divide(total, claimants, k=k)
    for queue in siblings:
        _share_level(queue.children, [share.fair for share in queue.shares], k)


class Taken:
    """What jobs hold that are taken out of a queue one after the other."""

    __slots__ = ("parts", "total", "whole")

    def __init__(self, parts: Sequence[Amounts] = ()) -> None:
        self.parts: list[Amounts] = []
        self.total, self.whole = [0.0, 0.0, 0.0], True
        for part in parts:
            self.add(part)

    def add(self, part: Amounts) -> None:
        """Take another job out."""
        self.parts.append(part)
        self.whole = self.whole and all(amount.is_integer() for amount in part)
        self.total = [a + b for a, b in zip(self.total, part, strict=True)]

    def plus(self, part: Amounts) -> Taken:
        """Return what is taken with one job more."""
        twin = Taken.__new__(Taken)
        twin.parts = [*self.parts, part] if not self.whole else self.parts
        twin.total = [a + b for a, b in zip(self.total, part, strict=True)]
        twin.whole = self.whole and all(amount.is_integer() for amount in part)
        if self.whole and not twin.whole:
            twin.parts = [*self.parts, part]
        return twin

    def subtracted(self, held: list[float]) -> list[float]:
        """Return what is left of ``held``. Parts of GPUs are subtracted one by one: sums would round otherwise."""
        if self.whole:
            return [a - b for a, b in zip(held, self.total, strict=True)]
        for part in self.parts:
            held = [a - b for a, b in zip(held, part, strict=True)]
        return held


NOTHING_TAKEN = Taken()


class Contender(NamedTuple):
    """A queue that is compared with a sibling.

    Attributes:
        queue: the queue.
        job: what its next job asks for.
        out: what its victims hold that are taken already, the next one included.
    """

    queue: Queue
    job: Amounts
    out: Taken


class QueueOrder:
    """Which of two sibling queues goes first (queue_order.go)."""

    __slots__ = ("by_age", "rank", "totals")

    def __init__(self, totals: Amounts, rank: Callable[[str], str] = str, *, by_age: bool = False) -> None:
        """Make the order.

        Args:
            totals: CPU, memory and GPUs that are divided.
            rank: key of names where nothing else decides.
            by_age: whether age alone decides, as without the plugin that divides resources.
        """
        self.totals, self.rank, self.by_age = totals, rank, by_age

    def first(self, one: Contender, other: Contender) -> bool:
        """Whether ``one`` goes before ``other``; the first difference decides."""
        left, left_job, left_out = one
        right, right_job, right_out = other
        if self.by_age:
            return (left.model.created, left.name) < (right.model.created, right.name)
        over, other_over = left.over_fair_share, right.over_fair_share
        if over is not other_over:
            return other_over
        inside, other_inside = left.within_quota(left_job), right.within_quota(right_job)
        if inside is not other_inside:
            return inside
        if left.priority != right.priority:
            return left.priority > right.priority
        lacks, other_lacks = left.lacks_share(left_job), right.lacks_share(right_job)
        if lacks is not other_lacks:
            return other_lacks
        part, other_part = self._part(left, left_job, left_out), self._part(right, right_job, right_out)
        if part != other_part:
            return part < other_part
        part, other_part = left.dominant_share(self.totals), right.dominant_share(self.totals)
        if part != other_part:
            return part < other_part
        return self._smaller_share(left, right)

    def _part(self, queue: Queue, job: Amounts, out: Taken) -> float:
        held = [share.allocated + more for share, more in zip(queue.shares, job, strict=True)]
        return queue.dominant_share(self.totals, out.subtracted(held))

    def _smaller_share(self, left: Queue, right: Queue) -> bool:
        mine = [share.allocatable for share in left.shares]
        other = [share.allocatable for share in right.shares]
        above = any(exceeds(a, b) for a, b in zip(mine, other, strict=True))
        below = any(exceeds(b, a) for a, b in zip(mine, other, strict=True))
        if above is not below:
            return below
        # Of two equal ages the right one wins in the original, which then depends on who was asked; names decide here.
        return (left.model.created, self.rank(left.name)) < (right.model.created, self.rank(right.name))
