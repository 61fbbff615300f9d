"""Whose turn it is inside a search: the order in which a job and its victims ask for places again.

In the original all waiting jobs stand in line and those that are not concerned are passed over, which takes most of the
time of a cycle. Who goes first of those concerned can be told without most of the line: top queues nobody concerned is
below do not matter, and once all who are left are in one queue, they follow its order.

Source: pkg/scheduler/actions/common/action.go and actions/utils/job_order_by_queue.go.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from tenantry.fair.kai.walk import Inner, Leaf, Walk, job_key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Amounts, Job
    from tenantry.fair.kai.walk import Branch, JobKey

    Entry = tuple[JobKey, Job]


NOT_ASKED = -1
"""Stands for what a job asks for until somebody looks."""
CONCERNED = -2
"""Stands for what a job asks for that is concerned itself."""


class Line:
    """All jobs with pods that wait, in order within each queue, kept up to date while pods come and go."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.entries: dict[str, list[Entry]] = {}
        self.known: dict[str, Entry] = {}
        self.asks: dict[str, list[int]] = {}
        self.numbers: dict[Amounts, int] = {}
        self.touched = set(session.jobs)
        for job in session.jobs.values():
            job.touched = self.touched
        order = session.queue_order
        levels = [[queue for queue in session.queues.values() if queue.parent is None]]
        levels += [queue.children for queue in session.queues.values()]
        self.decided = all(order.decides(level) for level in levels) and not session.settings.order_seed
        """Whether the order of two queues never depends on a third."""

    def of(self, queue: str) -> list[Entry]:
        """Jobs of a leaf queue, in order."""
        for uid in self.touched:
            self._renew(self.session.jobs[uid])
        self.touched.clear()
        return self.entries.setdefault(queue, [])

    def asks_of(self, queue: str) -> list[int]:
        """Numbers of what the jobs of a leaf queue ask for, in their order; :data:`NOT_ASKED` until somebody looks."""
        entries = self.of(queue)
        known = self.asks.get(queue)
        if known is None:
            known = self.asks[queue] = [NOT_ASKED] * len(entries)
        return known

    def number(self, job: Job) -> int:
        """Number of what a job asks for."""
        return self.numbers.setdefault(job.asked(self.session.smallest_gpu), len(self.numbers))

    def take_out(self, entries: list[Entry], job: Job) -> int | None:
        """Take a job, which may be part of one, out of a list of all that wait in its queue; return where it was."""
        known = self.known.get(job.uid)
        if known is None:
            return None
        position = bisect_left(entries, known[0], key=job_key_of)
        del entries[position]
        return position

    def _renew(self, job: Job) -> None:
        if not job.pending and job.uid not in self.known:
            return
        members = self.entries.setdefault(job.queue, [])
        self.take_out(members, job)
        self.known.pop(job.uid, None)
        self.asks.pop(job.queue, None)
        if job.pending:
            entry = self.known[job.uid] = (self.session.job_key(job), job)
            insort(members, entry, key=job_key_of)


def turns(session: Session, concerned: Mapping[str, Job]) -> Iterator[Job]:
    """Yield jobs in the order in which they ask for places, while places are given to those before.

    Args:
        session: the cycle.
        concerned: jobs by identifier, each as it is in the session or a part of it. Those without a leaf queue have no
            turn.
    """
    if session.line.decided:
        yield from _Turns(session, concerned)
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


class _Turns:
    """A walk over as few queues as decide."""

    def __init__(self, session: Session, concerned: Mapping[str, Job]) -> None:
        self.session, self.concerned = session, concerned
        self.walk = Walk(session)
        self.left: dict[str, list[Entry]] = {}
        self.below: dict[str, int] = {}
        self.seen: dict[str, set[int]] = {}
        self.asks: dict[str, list[int]] = {}
        for job in concerned.values():
            queue = session.queues.get(job.queue)
            if queue is not None and queue.leaf:
                self.left.setdefault(job.queue, []).append((session.job_key(job), job))
                for above in queue.up():
                    self.below[above.name] = self.below.get(above.name, 0) + 1
        for entries in self.left.values():
            entries.sort(key=job_key_of)

    def __iter__(self) -> Iterator[Job]:
        if len(self.left) > 1:
            self._build([queue for queue in self.session.queues.values() if queue.parent is None])
        while len(self.left) > 1:
            top = self.walk.top.items[0]
            if len(self.walk.top.items) == 1 and isinstance(top, Inner):
                self._descend(top)
                continue
            job = self._pop()
            if job.uid in self.concerned:
                self._passed(job)
                yield job
        for entries in self.left.values():
            for _, job in entries:
                yield job

    def _pop(self) -> Job:
        """Take the next job out, with those of its queue behind it that nobody can come between.

        One who is not concerned and asks for the same as one before it in its queue, since anybody was given a place,
        goes no later than that one: no other queue was before, so none is now. That holds only where each queue above
        was compared with that very job.
        """
        leaf = self.walk.descend()
        entries = leaf.entries
        job = entries[leaf.at][1]
        leaf.at += 1
        if job.uid in self.concerned or self.walk.stale:
            self.seen.clear()
        else:
            leaf.at = self._behind(job.queue, entries, leaf.at)
        self.walk.after_pop(leaf)
        return job

    def _behind(self, queue: str, entries: list[Entry], at: int) -> int:
        """Position of the first job from one on that is concerned, or asks for what was not asked for yet."""
        asks, seen = self.asks[queue], self.seen.setdefault(queue, set())
        for position in range(at, len(entries)):
            asked = asks[position]
            if asked == CONCERNED:
                return position
            if asked == NOT_ASKED:
                asked = asks[position] = self.session.line.number(entries[position][1])
            if asked not in seen:
                seen.add(asked)
                return position
        return len(entries)

    def _build(self, siblings: list[Queue]) -> None:
        """Place queues with somebody concerned below, each complete with all that is below it."""
        while len(kept := [queue for queue in siblings if queue.name in self.below]) == 1:
            siblings = kept[0].children
        for queue in kept:
            self._fill(queue)
        self.walk.place(kept, None)

    def _fill(self, queue: Queue) -> None:
        if not queue.leaf:
            for child in queue.children:
                self._fill(child)
            return
        line = self.session.line
        entries = line.of(queue.name)
        asks = line.asks_of(queue.name)
        if queue.name in self.left:
            entries, asks = list(entries), list(asks)
            for key, job in self.left[queue.name]:
                waiting = line.take_out(entries, job)
                if waiting is not None:
                    del asks[waiting]
                position = bisect_right(entries, key, key=job_key_of)
                entries.insert(position, (key, job))
                asks.insert(position, CONCERNED)
        self.asks[queue.name] = asks
        if entries:
            leaf = Leaf(queue)
            leaf.entries = entries
            self.walk.branches[queue.name] = leaf

    def _passed(self, job: Job) -> None:
        """Note that a job had its turn; its top queue does not matter any more once nobody below it is left."""
        entries = self.left[job.queue]
        del entries[0]
        if not entries:
            del self.left[job.queue]
        path = self.session.queues[job.queue].path()
        for queue in path:
            self.below[queue.name] -= 1
        top = self.walk.top
        for queue in path:
            if not self.below[queue.name] and top.items and top.items[0].queue is queue:
                top.pop()
                return

    def _descend(self, top: Branch) -> None:
        """Go on with the queues below the only one that is left."""
        if isinstance(top, Inner):
            self.walk.top = top.heap
            for branch in top.heap.items:
                branch.parent = None
