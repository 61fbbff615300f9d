"""The order in which jobs are looked at: a tree of queues with a heap at every node, jobs at the leaves.

Source: pkg/scheduler/actions/utils (job_order_by_queue.go, input_jobs.go) and scheduler_util/priority_queue.go.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantry.fair.kai.queues import NOTHING_TAKEN, Contender, OrderKey, Taken
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Amounts, Job

T = TypeVar("T")
NOTHING = (0.0, 0.0, 0.0)


class Heap(Generic[T]):
    """A binary heap whose comparison may change between calls, sifted exactly as Go's ``container/heap`` does.

    The walk compares queues by what they hold at the moment, so the way elements are moved decides who comes first.
    """

    __slots__ = ("before", "items")

    def __init__(self, before: Callable[[T, T], bool]) -> None:
        self.before, self.items = before, list[T]()

    def push(self, item: T) -> None:
        """Add an element."""
        self.items.append(item)
        self._up(len(self.items) - 1)

    def pop(self) -> T:
        """Take the first element out."""
        items = self.items
        last = len(items) - 1
        items[0], items[last] = items[last], items[0]
        self._down(0, last)
        return items.pop()

    def remove(self, index: int) -> T:
        """Take the element at a position out."""
        items = self.items
        last = len(items) - 1
        if last != index:
            items[index], items[last] = items[last], items[index]
            if not self._down(index, last):
                self._up(index)
        return items.pop()

    def sift_first(self) -> None:
        """Move the first element to where it belongs now."""
        if not self._down(0, len(self.items)):
            self._up(0)

    def _up(self, index: int) -> None:
        items, before = self.items, self.before
        while index > 0:
            parent = (index - 1) // 2
            if not before(items[index], items[parent]):
                break
            items[parent], items[index] = items[index], items[parent]
            index = parent

    def _down(self, start: int, size: int) -> bool:
        items, before = self.items, self.before
        index = start
        while True:
            child = 2 * index + 1
            if child >= size:
                break
            if child + 1 < size and before(items[child + 1], items[child]):
                child += 1
            if not before(items[child], items[index]):
                break
            items[index], items[child] = items[child], items[index]
            index = child
        return index > start


JobKey = tuple[int, int, int, str]
Known = tuple[float, float, float, int, "Amounts"]
"""What a key was made of: what the queue held, how many victims were taken, and what the next job asks for or holds."""
NEVER = -1
"""Version of a key that has to be made anew: the job it is made of is another one."""
NO_KEY: OrderKey = (False, False, 0, False, 0.0, 0.0)


class Leaf:
    """Jobs of one leaf queue, in order; victims are taken from the far end."""

    __slots__ = ("at", "entries", "key", "known", "moved", "parent", "queue", "version")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.parent: Inner | None = None
        self.entries: list[tuple[JobKey, Job]] = []
        self.at = 0
        self.moved = False
        self.known: Known | None = None
        self.key: OrderKey = NO_KEY
        self.version = NEVER

    def __len__(self) -> int:
        return len(self.entries) - self.at


class Inner:
    """A queue with queues below."""

    __slots__ = ("heap", "key", "known", "moved", "parent", "queue", "version")

    def __init__(self, queue: Queue, before: Callable[[Branch, Branch], bool]) -> None:
        self.queue = queue
        self.parent: Inner | None = None
        self.heap: Heap[Branch] = Heap(before)
        self.moved = False
        self.known: Known | None = None
        self.key: OrderKey = NO_KEY
        self.version = NEVER

    def __len__(self) -> int:
        return len(self.heap.items)


Branch = Inner | Leaf


class Walk:
    """Jobs in fair order or, as victims, in reverse fair order."""

    def __init__(self, session: Session, *, victims: bool = False, depth: int | None = None) -> None:
        """Make an empty walk.

        Args:
            session: the cycle.
            victims: whether the order is reversed, and queues are judged by what their victims leave them.
            depth: most jobs per leaf queue; all when None.
        """
        self.session, self.victims, self.depth = session, victims, depth
        self.top: Heap[Branch] = Heap(self._before)
        self.branches: dict[str, Branch] = {}
        self.taken: dict[str, Taken] = {}

    def __bool__(self) -> bool:
        return bool(self.top.items)

    def __iter__(self) -> Iterator[Job]:
        """Take the jobs out one after the other; they may be put back meanwhile."""
        while self:
            yield self.pop()

    def fill(self, jobs: Iterable[Job]) -> Walk:
        """Add jobs whose queue exists and is a leaf; return the walk.

        The original adds job by job, so that a heap of many queues can be left in an order that depends on who came
        first. Here every queue is complete before it is placed among its siblings, which are placed in order of names,
        unless the order is shuffled on purpose.
        """
        queues = self.session.queues
        usable = [job for job in jobs if (queue := queues.get(job.queue)) is not None and queue.leaf]
        if self.session.settings.order_seed and self.depth is None:
            for job in usable:
                self.push(job)
            return self
        by_leaf: dict[str, list[Job]] = {}
        for job in usable:
            by_leaf.setdefault(job.queue, []).append(job)
        if self.depth is not None:
            by_leaf = {name: self._within_depth(held, self.depth) for name, held in by_leaf.items()}
        for name, members in by_leaf.items():
            leaf = Leaf(queues[name])
            leaf.entries = sorted(((self.session.job_key(job), job) for job in members), key=job_key_of)
            self.branches[name] = leaf
        self.place([queue for queue in queues.values() if queue.parent is None], None)
        return self

    def place(self, siblings: Iterable[Queue], parent: Inner | None) -> None:
        """Place the queues among their siblings that have jobs somewhere below, complete with all that is below."""
        heap = self.top if parent is None else parent.heap
        for queue in siblings:
            branch = self.branches.get(queue.name)
            if branch is None and not queue.leaf:
                inner = Inner(queue, self._before)
                self.place(queue.children, inner)
                if len(inner):
                    branch = self.branches[queue.name] = inner
            if branch is not None:
                branch.parent = parent
                heap.push(branch)

    def _within_depth(self, jobs: list[Job], depth: int) -> list[Job]:
        """Jobs of one queue that a bounded walk looks at; the others are told so."""
        key, victims = self.session.job_key, self.victims
        kept = _first_of_heap(jobs, depth, lambda a, b: key(a) >= key(b) if victims else key(a) < key(b))
        seen = {job.uid for job in kept}
        for job in jobs:
            if job.uid not in seen:
                self.session.record.hold(job, Gate.BEYOND_DEPTH, queue=job.queue, depth=depth, waiting=len(jobs))
        return kept

    def push(self, job: Job) -> None:
        """Put a job back, or a part of one."""
        queue = self.session.queues[job.queue]
        branch = self.branches.get(job.queue)
        new = branch is None
        leaf = Leaf(queue) if branch is None else branch
        if not isinstance(leaf, Leaf):
            return
        insort(leaf.entries, (self.session.job_key(job), job), lo=leaf.at, key=job_key_of)
        if new:
            self.branches[job.queue] = leaf
            self._link(leaf)
        self._mark(leaf)

    def pop(self) -> Job:
        """Take the next job out."""
        leaf = self.descend()
        job = self._peek(leaf)
        if self.victims:
            leaf.entries.pop()
            self.taken.setdefault(job.queue, Taken()).add(job.held)
        else:
            leaf.at += 1
        self.after_pop(leaf)
        return job

    # --- the tree ---------------------------------------------------------------------------------------------------

    def _link(self, branch: Branch) -> None:
        queue = branch.queue
        if queue.parent is None:
            self.top.push(branch)
            return
        known = self.branches.get(queue.parent.name)
        parent = known if isinstance(known, Inner) else Inner(queue.parent, self._before)
        self.branches[queue.parent.name] = parent
        branch.parent = parent
        parent.heap.push(branch)
        if known is None:
            self._link(parent)

    def descend(self) -> Leaf:
        """Return the leaf queue the next job is in."""
        heap = self.top
        while True:
            branch = heap.items[0]
            if branch.moved:
                heap.sift_first()
                branch.moved = False
                above = branch.parent
                while above is not None:
                    above.version = NEVER
                    above = above.parent
            elif isinstance(branch, Leaf):
                return branch
            else:
                heap = branch.heap

    def after_pop(self, branch: Branch) -> None:
        """Have a queue whose first job was taken out find its place again, or drop out."""
        while not len(branch):
            parent = branch.parent
            (self.top if parent is None else parent.heap).pop()
            branch.version = NEVER
            del self.branches[branch.queue.name]
            if parent is None:
                return
            branch = parent
        self._mark(branch)

    @staticmethod
    def _mark(branch: Branch) -> None:
        current: Branch | None = branch
        while current is not None:
            current.moved, current.version = True, NEVER
            current = current.parent

    # --- comparisons ------------------------------------------------------------------------------------------------

    def _before(self, left: Branch, right: Branch) -> bool:
        if left.version == left.queue.version:
            mine = left.key
        elif not len(left):
            return not self.victims
        else:
            mine = self._key(left)
        if right.version == right.queue.version:
            other = right.key
        elif not len(right):
            return self.victims
        else:
            other = self._key(right)
        first = self.session.queue_order.before(left.queue, mine, right.queue, other)
        return not first if self.victims else first

    def _key(self, branch: Branch) -> OrderKey:
        """Key of a queue with what the next job of the best leaf below asks for, or what its victims hold.

        It is kept while nothing changes that it is made of.
        """
        best = branch
        while isinstance(best, Inner):
            best = best.heap.items[0]
        job = best.entries[-1 if self.victims else best.at][1]
        cpu, memory, gpu = branch.queue.shares
        taken = self.taken.get(job.queue, NOTHING_TAKEN) if self.victims else NOTHING_TAKEN
        amounts = job.held if self.victims else job.asked(self.session.smallest_gpu)
        known = branch.known
        if (
            known is None
            or known[4] is not amounts
            or known[2] != gpu.allocated
            or known[0] != cpu.allocated
            or known[1] != memory.allocated
            or known[3] != taken.count
        ):
            branch.known = (cpu.allocated, memory.allocated, gpu.allocated, taken.count, amounts)
            if self.victims:
                branch.key = self.session.queue_order.key(Contender(branch.queue, NOTHING, taken.plus(amounts)))
            else:
                branch.key = self.session.queue_order.kept_key(branch.queue, amounts)
        branch.version = branch.queue.version
        return branch.key

    def _peek(self, leaf: Leaf) -> Job:
        return leaf.entries[-1 if self.victims else leaf.at][1]


def job_key_of(entry: tuple[JobKey, Job]) -> JobKey:
    """Key of an entry of a leaf."""
    return entry[0]


def _first_of_heap(jobs: Iterable[T], depth: int, before: Callable[[T, T], bool]) -> list[T]:
    """What a bounded heap keeps: it drops whatever stands at the position of the bound, not the worst (a quirk)."""
    heap: Heap[T] = Heap(before)
    for job in jobs:
        heap.push(job)
        if len(heap.items) > depth:
            heap.remove(depth)
    return list(heap.items)
