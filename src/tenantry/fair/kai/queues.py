"""Queues during a cycle: what they are due, what they hold, and which of two goes first.

Source: pkg/scheduler/plugins/proportion (proportion.go, resource_share, queue_order, capacity_policy).
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.kai.division import Claimant, Share, divide
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenantry.model.queue import Queue as ModelQueue

    Amounts = Sequence[float]
    """CPU, memory and GPUs."""

INFINITE = float("inf")

NO_SHARE_FACTOR = 1000
"""What holding a resource one has no share of weighs in the dominant share (queue_resource_share.go)."""


MOST_KEYS = 1000
"""Keys that are kept per queue."""


def exceeds(amount: float, other: float) -> bool:
    """Whether an amount is more than another where either may be unlimited; exact, without tolerance."""
    if amount == UNLIMITED:
        return other != UNLIMITED
    return other != UNLIMITED and amount > other


class Queue:
    """A queue during a cycle; shares are of CPU, memory and GPUs, in this order.

    ``version`` changes whenever it is charged, or a queue below it.
    """

    __slots__ = (
        "_limited", "_up", "children", "depth", "keys", "model", "name", "parent", "priority", "shares", "version",
    )  # fmt: skip

    def __init__(self, model: ModelQueue) -> None:
        self.model, self.name, self.priority = model, model.name, model.priority
        self.parent: Queue | None = None
        self.children: list[Queue] = []
        self._up: tuple[Queue, ...] = ()
        self._limited: bool | None = None
        self.depth = self.version = 0
        self.keys: dict[tuple[float, float, float, Amounts], OrderKey] = {}
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

    def up(self) -> tuple[Queue, ...]:
        """Return itself and its ancestors, nearest first; kept from when it is asked first, with the tree complete."""
        if not self._up:
            above = self.parent.up() if self.parent is not None else ()
            self._up = (self, *above)
        return self._up

    @property
    def limited(self) -> bool:
        """Whether it or an ancestor has a limit of anything."""
        if self._limited is None:
            self._limited = any(share.limit != UNLIMITED for queue in self.up() for share in queue.shares)
        return self._limited

    def path(self) -> list[Queue]:
        """Return its ancestors and itself, from the top."""
        return list(reversed(self.up()))

    @property
    def allocated(self) -> list[float]:
        """What its jobs hold or are promised."""
        return [share.allocated for share in self.shares]

    @property
    def rooms(self) -> list[float]:
        """Most it may hold of every resource."""
        return [share.allocatable for share in self.shares]

    @property
    def over_fair_share(self) -> bool:
        """Whether it holds more than it is due of *every* resource, as the original asks."""
        return all(share.fair < share.allocated for share in self.shares)

    def charge(self, cpu: float, memory: float, gpu: float, *, lasting: bool) -> None:
        """Charge it, and all above it, with what a job holds more; ``lasting`` for one that may not be evicted."""
        for queue in self.up():
            queue.version += 1
            of_cpu, of_memory, of_gpu = queue.shares
            of_cpu.allocated += cpu
            of_memory.allocated += memory
            of_gpu.allocated += gpu
            if lasting:
                of_cpu.lasting += cpu
                of_memory.lasting += memory
                of_gpu.lasting += gpu

    def within_quota(self, more: Amounts) -> bool:
        """Whether what it holds and ``more`` stays within its quota of every resource."""
        return not any(
            exceeds(share.allocated + amount, share.quota) for share, amount in zip(self.shares, more, strict=True)
        )


def largest_part(held: Amounts, rooms: Amounts) -> float:
    """The dominant share: the largest part a queue holds of what it may hold, over all resources."""
    largest = 0.0
    for amount, room in zip(held, rooms, strict=True):
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

    __slots__ = ("count", "parts", "total", "whole")

    def __init__(self, parts: Sequence[Amounts] = ()) -> None:
        self.parts: list[Amounts] = []
        self.total, self.whole, self.count = [0.0, 0.0, 0.0], True, 0
        for part in parts:
            self.add(part)

    def add(self, part: Amounts) -> None:
        """Take another job out."""
        self.parts.append(part)
        self.count += 1
        self.whole = self.whole and all(amount.is_integer() for amount in part)
        self.total = [a + b for a, b in zip(self.total, part, strict=True)]

    def plus(self, part: Amounts) -> Taken:
        """Return what is taken with one job more."""
        twin = Taken.__new__(Taken)
        twin.count = self.count + 1
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


class Precedence(StrEnum):
    """What decides which of two queues or jobs goes first."""

    FAIR_SHARE = "fair-share"
    QUOTA = "quota"
    QUEUE_PRIORITY = "queue-priority"
    NO_SHARE = "no-share"
    PART_WITH_JOB = "part-with-job"
    PART = "part"
    PRIORITY = "priority"
    MINIMUM = "minimum"
    AGE = "age"


OrderKey = tuple[bool, bool, int, bool, float, float]
KEYED = (
    Precedence.FAIR_SHARE,
    Precedence.QUOTA,
    Precedence.QUEUE_PRIORITY,
    Precedence.NO_SHARE,
    Precedence.PART_WITH_JOB,
    Precedence.PART,
)
"""What each part of such a key stands for."""


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
        return self.before(one.queue, self.key(one), other.queue, self.key(other))

    def decide(self, one: Contender, other: Contender) -> tuple[bool, Precedence]:
        """Whether ``one`` goes before ``other``, and by what."""
        mine, theirs = self.key(one), self.key(other)
        goes = self.before(one.queue, mine, other.queue, theirs)
        differing = (by for by, left, right in zip(KEYED, mine, theirs, strict=True) if left != right)
        return goes, Precedence.AGE if self.by_age else next(differing, Precedence.AGE)

    def before(self, left: Queue, key: OrderKey, right: Queue, other: OrderKey) -> bool:
        """Whether a queue goes before another one, given the keys of both."""
        if key != other and not self.by_age:
            return key < other
        return self.before_alike(left, right)

    def kept_key(self, queue: Queue, job: Amounts) -> OrderKey:
        """Key of a queue with its next job, remembered: a search comes to the same few states again and again."""
        cpu, memory, gpu = queue.shares
        known, state = queue.keys, (cpu.allocated, memory.allocated, gpu.allocated, job)
        key = known.get(state)
        if key is None:
            if len(known) > MOST_KEYS:
                known.clear()
            key = known[state] = self.key(Contender(queue, job, NOTHING_TAKEN))
        return key

    def key(self, one: Contender) -> OrderKey:
        """What decides between two queues before their shares do; the smaller goes first.

        One not over its fair share, one within its quota with its next job, the higher priority, one that has a share
        of all it would hold, and the smaller dominant share, with its next job and without.
        """
        queue, job, out = one
        held: list[float] = []
        more: list[float] = []
        rooms: list[float] = []
        over, inside, lacks = True, True, False
        for share, asked, total in zip(queue.shares, job, self.totals, strict=True):
            allocated, fair, quota = share.allocated, share.fair, share.quota
            amount, room = allocated + asked, share.allocatable
            over = over and fair < allocated
            if quota != UNLIMITED and (amount > quota or amount == UNLIMITED):
                inside = False
            if room == 0:
                lacks = lacks or amount > 0
            elif room == UNLIMITED:
                room = total
            held.append(allocated)
            more.append(amount)
            rooms.append(room)
        part = largest_part(out.subtracted(more), rooms)
        return (over, not inside, -queue.priority, lacks, part, largest_part(held, rooms))

    def decides(self, siblings: Sequence[Queue]) -> bool:
        """Whether shares order siblings in one line, so that it does not matter who is compared with whom."""
        rooms = sorted([INFINITE if room == UNLIMITED else room for room in queue.rooms] for queue in siblings)
        return self.by_age or all(
            low <= high for one, two in pairwise(rooms) for low, high in zip(one, two, strict=True)
        )

    def before_alike(self, left: Queue, right: Queue) -> bool:
        """Whether a queue goes before another one of the same key."""
        if self.by_age:
            return (left.model.created, left.name) < (right.model.created, right.name)
        mine, other = left.rooms, right.rooms
        above = any(exceeds(a, b) for a, b in zip(mine, other, strict=True))
        below = any(exceeds(b, a) for a, b in zip(mine, other, strict=True))
        if above is not below:
            return below
        # Of two equal ages the right one wins in the original, which then depends on who was asked; names decide here.
        return (left.model.created, self.rank(left.name)) < (right.model.created, self.rank(right.name))
