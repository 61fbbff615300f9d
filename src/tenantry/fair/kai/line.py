"""Jobs with pods that wait, in order within each queue, and the queues as the search for whose turn it is sees them.

Source: pkg/scheduler/actions/utils (job_order_by_queue.go, input_jobs.go).
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cmp_to_key
from operator import le
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.kai.queues import MOST_KEYS, NOTHING_TAKEN, Contender
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Amounts, Job
    from tenantry.fair.kai.walk import JobKey

    Keyed = tuple[tuple[object, ...], "Branch"]

NOT_ASKED = -1
"""Stands for what a job asks for until somebody looks."""


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
        "_known", "_states", "_version", "ask", "at", "below", "bounded", "children", "front", "head", "heap", "next",
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
        if self._version == queue.version:
            key = self._known.get(ask)
            if key is not None:
                return key
        else:
            self._version = queue.version
            cpu, memory, gpu = queue.shares
            state = (cpu.allocated, memory.allocated, gpu.allocated)
            known = self._states.get(state)
            if known is None:
                if len(self._states) > MOST_KEYS:
                    self._states.clear()
                known = self._states[state] = {}
            self._known = known
            key = known.get(ask)
            if key is not None:
                return key
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

        def compare(one: Queue, other: Queue) -> int:
            return -1 if self.session.queue_order.before_alike(one, other) else 1

        ordered = sorted(queues, key=cmp_to_key(compare))
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
