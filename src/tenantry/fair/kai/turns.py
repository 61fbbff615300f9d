"""Whose turn it is inside a search: the order in which a job and its victims ask for places again.

In the original all waiting jobs stand in line and those that are not concerned are passed over, which takes most of the
time of a cycle. Who goes first of those concerned can be told without most of the line: top queues nobody concerned is
below do not matter, once all who are left are in one queue they follow its order, and a job that asks for no more than
one before it in its queue comes right after it.

Source: pkg/scheduler/actions/common/action.go and actions/utils/job_order_by_queue.go.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cmp_to_key
from heapq import heapify, heappop, heapreplace
from operator import attrgetter, le
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.kai.queues import MOST_KEYS, NOTHING_TAKEN, Contender
from tenantry.fair.kai.walk import Walk
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Amounts, Job
    from tenantry.fair.kai.walk import JobKey

    Keyed = tuple[tuple[object, ...], "Branch"]

NOT_ASKED = -1
"""Stands for what a job asks for until somebody looks."""
NEVER = -1
"""Stands for the time of a front that does not hold any more."""


class Turn(NamedTuple):
    """One who is concerned: the job's name, its queue, its key among those of its queue, and what it asks for."""

    uid: str
    queue: str
    key: JobKey
    asked: Amounts


class Queued:
    """Jobs of one leaf queue that wait, in order, with numbers of what they ask for.

    ``behind`` keeps, by position and front, where the next job is that asks for more than those of the front.
    """

    __slots__ = ("asks", "behind", "jobs", "keys")

    def __init__(self) -> None:
        self.keys: list[JobKey] = []
        self.jobs: list[Job] = []
        self.asks: list[int] = []
        self.behind: dict[tuple[int, int], int] = {}


class Branch:
    """A queue in the walk over those that decide.

    Attributes:
        queue: the queue.
        parent: the queue above.
        children: the queues below.
        rank: where it stands among its siblings when nothing else decides.
        bounded: whether nothing it may hold is negative, so that asking for more never makes it go sooner.
        walk: number of the walk that uses it.
        below: jobs concerned below it that are left.
        heap: queues below that have jobs left, each with its key.
        ask: number of what it was last compared with.
        head: the queue right below the root of the walk that it belongs to.
        turned: turns below it so far, for a head: each may change what the queues below hold.
        turns: jobs concerned, in order, for a leaf; ``places`` is where they stand in line, ``next`` the next of them.
        taken: positions in line of jobs that stand for themselves already, or in part.
        at: position in line.
        front: number of the largest asks since what the queues above hold has changed, as of ``since``.
    """

    __slots__ = (
        "_known", "_states", "_version", "at", "below", "bounded", "children", "front", "head", "heap", "ask", "next",
        "parent", "places", "queue", "queued", "rank", "regular", "since", "taken", "turned", "turns", "walk",
    )  # fmt: skip

    def __init__(self, queue: Queue, parent: Branch | None, rank: int, line: Line) -> None:
        self.queue, self.parent, self.rank = queue, parent, rank
        rooms = [total if room == UNLIMITED else room for room, total in zip(queue.rooms, line.totals, strict=True)]
        self.bounded = all(room >= 0 for room in rooms)
        self.queued = Queued()
        self.walk = self.below = self.ask = self.turned = self.next = self.at = self.front = self.since = 0
        self.regular = False
        self.heap: list[Keyed] = []
        self.head = self
        self.turns: list[Turn] = []
        self.places: list[int] = []
        self.taken: set[int] = set()
        self._version = -1
        self._known: dict[int, tuple[object, ...]] = {}
        self._states: dict[Amounts, dict[int, tuple[object, ...]]] = {}
        self.children: list[Branch] = line.branch_out(queue.children, self)

    def key(self, ask: int, line: Line) -> tuple[object, ...]:
        """Key among its siblings when its next job asks for so much; no two are the same."""
        queue = self.queue
        if self._version != queue.version:
            self._version = queue.version
            cpu, memory, gpu = queue.shares
            state = (cpu.allocated, memory.allocated, gpu.allocated)
            known = self._states.get(state)
            if known is None:
                if len(self._states) > MOST_KEYS:
                    self._states.clear()
                known = self._states[state] = {}
            self._known = known
        key = self._known.get(ask)
        if key is None:
            order = line.session.queue_order
            made = () if order.by_age else order.key(Contender(queue, line.amounts[ask], NOTHING_TAKEN))
            key = self._known[ask] = (*made, self.rank)
        return key


class Line:
    """All jobs with pods that wait, in order within each queue, kept up to date while pods come and go."""

    def __init__(self, session: Session) -> None:
        self.session, self.totals = session, session.totals
        self.walks = 0
        self.known: dict[str, tuple[JobKey, Queued]] = {}
        self.amounts: list[Amounts] = []
        self.numbers: dict[Amounts, int] = {}
        self.fronts: list[tuple[int, ...]] = [()]
        self._fronts: dict[tuple[int, ...], int] = {(): 0}
        self._grown: dict[tuple[int, int], int] = {}
        self._within: dict[tuple[int, int], bool] = {}
        self.touched = set(session.jobs)
        for job in session.jobs.values():
            job.touched = self.touched
        order = session.queue_order
        levels: list[Sequence[Queue]] = [[queue for queue in session.queues.values() if queue.parent is None]]
        levels += [queue.children for queue in session.queues.values()]
        self.decided = all(order.decides(level) for level in levels) and not session.settings.order_seed
        """Whether the order of two queues never depends on a third."""
        self.leaves: dict[str, Branch] = {}
        self.tops = self.branch_out(levels[0], None)

    def branch_out(self, queues: Sequence[Queue], parent: Branch | None) -> list[Branch]:
        """Return the branches of sibling queues, in the order in which they go when nothing else decides."""
        before = self.session.queue_order.before_alike
        ordered = sorted(queues, key=cmp_to_key(lambda one, other: -1 if before(one, other) else 1))
        branches = [Branch(queue, parent, rank, self) for rank, queue in enumerate(ordered)]
        self.leaves.update((branch.queue.name, branch) for branch in branches if branch.queue.leaf)
        return branches

    def jobs_of(self, queue: str) -> list[Job]:
        """Jobs of a leaf queue, in order."""
        self.renew()
        return self.leaves[queue].queued.jobs

    def renew(self) -> None:
        """Take note of jobs with pods that came or went."""
        for uid in self.touched:
            self._renew(self.session.jobs[uid])
        self.touched.clear()

    def number(self, asked: Amounts) -> int:
        """Number of what a job asks for."""
        number = self.numbers.get(asked)
        if number is None:
            number = self.numbers[asked] = len(self.amounts)
            self.amounts.append(asked)
        return number

    def ask(self, queued: Queued, position: int) -> int:
        """Number of what the job at a position asks for."""
        asked = queued.asks[position]
        if asked == NOT_ASKED:
            asked = queued.asks[position] = self.number(queued.jobs[position].asked(self.session.smallest_gpu))
        return asked

    def grown(self, front: int, ask: int) -> int:
        """Number of a front with one more ask: the largest of all, none within another."""
        known = self._grown.get((front, ask))
        if known is None:
            asks = self.fronts[front]
            if not self._is_within(ask, front):
                room = self.amounts[ask]
                asks = (*(old for old in asks if not all(map(le, self.amounts[old], room))), ask)
            known = self._fronts.setdefault(asks, len(self.fronts))
            if known == len(self.fronts):
                self.fronts.append(asks)
            self._grown[front, ask] = known
        return known

    def behind(self, queued: Queued, at: int, front: int) -> int:
        """Position of the first job from one on that asks for more of something than each of a front."""
        place = queued.behind.get((at, front))
        if place is None:
            place, size = at, len(queued.keys)
            while place < size and self._is_within(self.ask(queued, place), front):
                place += 1
            queued.behind[at, front] = place
        return place

    def _is_within(self, ask: int, front: int) -> bool:
        known = self._within.get((ask, front))
        if known is None:
            amounts = self.amounts[ask]
            known = any(all(map(le, amounts, self.amounts[room])) for room in self.fronts[front])
            self._within[ask, front] = known
        return known

    def _renew(self, job: Job) -> None:
        known = self.known.get(job.uid)
        if known is None and not job.pending:
            return
        key = self.session.job_key(job)
        if known is not None:
            position = bisect_left(known[1].keys, known[0])
            if job.pending and key == known[0]:
                asked = known[1].asks[position]
                if asked != NOT_ASKED and self.number(job.asked(self.session.smallest_gpu)) != asked:
                    known[1].asks[position] = NOT_ASKED
                    known[1].behind.clear()
                return
            del known[1].keys[position], known[1].jobs[position], known[1].asks[position], self.known[job.uid]
            known[1].behind.clear()
        branch = self.leaves.get(job.queue)
        if job.pending and branch is not None:
            queued = branch.queued
            position = bisect_left(queued.keys, key)
            queued.keys.insert(position, key)
            queued.jobs.insert(position, job)
            queued.asks.insert(position, NOT_ASKED)
            queued.behind.clear()
            self.known[job.uid] = (key, queued)


def turn_of(session: Session, job: Job) -> Turn:
    """Turn of a job, or of a part of one."""
    return Turn(job.uid, job.queue, session.job_key(job), job.asked(session.smallest_gpu))


def turns(session: Session, concerned: Mapping[str, Job]) -> Iterator[Job]:
    """Yield jobs in the order in which they ask for places, while places are given to those before.

    Args:
        session: the cycle.
        concerned: jobs by identifier, each as it is in the session or a part of it. Those without a leaf queue have no
            turn.
    """
    if session.line.decided:
        for turn in in_turn(session, [turn_of(session, job) for job in concerned.values()]):
            yield concerned[turn.uid]
        return
    waiting = {job.uid: job for job in session.jobs.values() if job.pending or job.uid in concerned}
    waiting.update(concerned)
    left = set(concerned)
    for job in Walk(session).fill(waiting.values()):
        if job.uid in left:
            left.discard(job.uid)
            yield job
        if not left:
            return


def in_turn(session: Session, asking: Iterable[Turn]) -> Iterator[Turn]:
    """Yield turns in their order, while queues are charged for those before; only where that order is decided."""
    return iter(_Turns(session.line, asking))


class _Turns:
    """A walk over as few queues as decide. Only one at a time: the branches of the line hold where it is."""

    __slots__ = ("heap", "last", "left", "line", "walk")

    def __init__(self, line: Line, asking: Iterable[Turn]) -> None:
        line.renew()
        line.walks += 1
        self.line, self.walk = line, line.walks
        self.heap: list[Keyed] = []
        self.last: Branch | None = None
        self.left: list[Branch] = []
        for turn in asking:
            branch = line.leaves.get(turn.queue)
            if branch is None:
                continue
            above: Branch | None = branch
            while above is not None:
                if above.walk != self.walk:
                    above.walk, above.below = self.walk, 0
                    above.turns = []
                    if above is branch:
                        self.left.append(branch)
                above.below += 1
                above = above.parent
            branch.turns.append(turn)
        for branch in self.left:
            branch.turns.sort(key=attrgetter("key"))
            branch.next = 0

    def __iter__(self) -> Iterator[Turn]:
        if len(self.left) > 1:
            self._build()
        while len(self.left) > 1:
            turn = self._pop()
            if turn is not None:
                yield turn
        for branch in self.left:
            yield from branch.turns[branch.next :]

    # --- building -----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """Place queues with somebody concerned below, each complete with all that is below it."""
        kept = [branch for branch in self.line.tops if branch.walk == self.walk]
        while len(kept) == 1:
            kept = [branch for branch in kept[0].children if branch.walk == self.walk]
        for branch in kept:
            branch.turned = 0
            self._fill(branch, branch, regular=True)
        self.heap = [(branch.key(branch.ask, self.line), branch) for branch in kept]
        heapify(self.heap)

    def _fill(self, branch: Branch, head: Branch, *, regular: bool) -> bool:
        """Put a queue at its start; return whether there is anybody."""
        branch.head = head
        cpu, memory, gpu = branch.queue.shares
        held = cpu.allocated >= 0 and memory.allocated >= 0 and gpu.allocated >= 0
        branch.regular = regular = regular and branch.bounded and held
        if not branch.children:
            branch.at = branch.front = branch.since = 0
            self._line_up(branch)
            return self._find_next(branch)
        line = self.line
        heap = branch.heap = [
            (child.key(child.ask, line), child)
            for child in branch.children
            if self._fill(child, head, regular=regular)
        ]
        heapify(heap)
        if heap:
            branch.ask = heap[0][1].ask
        return bool(heap)

    def _line_up(self, branch: Branch) -> None:
        """Find where in line those concerned stand."""
        if branch.walk != self.walk:
            branch.turns, branch.places, branch.next = [], [], 0
            branch.taken = set()
            return
        keys, known = branch.queued.keys, self.line.known
        branch.places = [bisect_right(keys, turn.key) for turn in branch.turns]
        branch.taken = {bisect_left(keys, known[turn.uid][0]) for turn in branch.turns if turn.uid in known}

    # --- walking ------------------------------------------------------------------------------------------------------

    def _pop(self) -> Turn | None:
        """Take the next job out, with those of its queue behind it that nobody can come between; return its turn.

        One that asks for no more than one before it in its queue goes no later than that one: no other queue was before
        it, so none is now, as long as the queues of that job hold what they held. That is so only where each queue
        above was compared with that very job, or with one that asks for as much.
        """
        if self.last is not None:
            self._replace(self.last)
        heap = self.heap
        while len(heap) == 1 and heap[0][1].children:
            heap = self._descend(heap[0][1])
        branch = heap[0][1]
        while branch.children:
            branch = branch.heap[0][1]
        self.last = branch
        place, head = branch.next, branch.head
        if place < len(branch.turns) and branch.places[place] <= branch.at:
            head.turned += 1
            branch.next += 1
            above: Branch | None = branch
            while above is not None:
                above.below -= 1
                above = above.parent
            if branch.next == len(branch.turns):
                self.left.remove(branch)
            return branch.turns[place]
        if branch.since != head.turned:
            branch.since, branch.front = head.turned, 0
        if branch.regular and self._was_compared(branch):
            branch.front = self.line.grown(branch.front, branch.ask)
        branch.at += 1
        return None

    @staticmethod
    def _was_compared(branch: Branch) -> bool:
        """Whether each queue above was compared with what the next job asks for."""
        ask, head = branch.ask, branch.head
        while branch is not head and branch.parent is not None:
            branch = branch.parent
            if branch.ask != ask:
                return False
        return True

    def _find_next(self, branch: Branch) -> bool:
        """Find the next job of a leaf queue; return whether there is one."""
        line, queued, taken = self.line, branch.queued, branch.taken
        front = branch.front if branch.since == branch.head.turned else 0
        size = stop = len(queued.keys)
        if branch.next < len(branch.turns):
            stop = branch.places[branch.next]
        at = branch.at
        while at < stop:
            if at in taken:
                at += 1
            elif front and (behind := line.behind(queued, at, front)) > at:
                at = min(behind, stop)
            else:
                branch.at, branch.ask = at, line.ask(queued, at)
                return True
        branch.at = at
        if branch.next < len(branch.turns):
            branch.ask = line.number(branch.turns[branch.next].asked)
            return True
        return at < size

    def _replace(self, branch: Branch) -> None:
        """Put a leaf queue whose first job was taken out where it belongs now, and those above it.

        A queue above is compared with the next job of that leaf, whether or not that is the next one below it (a quirk).
        Only once the leaf is empty is it compared with the next one below it.
        """
        line, head = self.line, branch.head
        if not head.below:
            heappop(self.heap)
            return
        if self._find_next(branch):
            ask = branch.ask
        else:
            while True:
                if branch is head or branch.parent is None:
                    heappop(self.heap)
                    return
                branch = branch.parent
                heappop(branch.heap)
                if branch.heap:
                    ask = branch.heap[0][1].ask
                    break
        while True:
            branch.ask = ask
            keyed = (branch.key(ask, line), branch)
            if branch is head or branch.parent is None:
                heapreplace(self.heap, keyed)
                return
            branch = branch.parent
            heapreplace(branch.heap, keyed)

    def _descend(self, top: Branch) -> list[Keyed]:
        """Go on with the queues below the only one that is left."""
        self.heap = [keyed for keyed in top.heap if keyed[1].walk == self.walk and keyed[1].below]
        heapify(self.heap)
        for _, branch in self.heap:
            self._put_under(branch, branch)
        return self.heap

    def _put_under(self, branch: Branch, head: Branch) -> None:
        branch.head = head
        branch.since = NEVER
        for child in branch.children:
            self._put_under(child, head)
