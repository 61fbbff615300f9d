"""Whose turn it is inside a search: the order in which a job and its victims ask for places again.

In the original all waiting jobs stand in line and those that are not concerned are passed over, which takes most of the
time of a cycle. Who goes first of those concerned can be told without most of the line: top queues nobody concerned is
below do not matter, once all who are left are in one queue they follow its order, and a job that asks for no more than
one before it in its queue comes right after it.

Source: pkg/scheduler/actions/common/action.go and actions/utils/job_order_by_queue.go.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heapify, heappop, heapreplace
from operator import attrgetter
from typing import TYPE_CHECKING

from tenantry.fair.kai.line import Turn
from tenantry.fair.kai.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.fair.kai.line import Branch, Keyed, Line
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job

NEVER = -1
"""Stands for the time of a front that does not hold any more."""


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
            (child.key(child.ask, line), child) for child in branch.children if self._fill(child, head, regular=regular)
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

        A queue above is compared with the next job of that leaf, though another one below it may go first (a quirk);
        only once the leaf is empty with the next one below it.
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
        while branch is not head and branch.parent is not None:
            branch.ask = ask
            above = branch.parent
            heapreplace(above.heap, (branch.key(ask, line), branch))
            branch = above
        branch.ask = ask
        heapreplace(self.heap, (branch.key(ask, line), branch))

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
