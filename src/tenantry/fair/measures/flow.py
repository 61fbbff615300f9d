"""The log once more, second by second: what every queue asks for, holds and is due between two changes."""

from __future__ import annotations

from array import array
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from tenantry.fair.measures.dues import Dues
from tenantry.fair.replay.log import Happening

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from tenantry.fair.measures.tree import Tree
    from tenantry.fair.replay.log import Log
    from tenantry.model.job_table import JobTable

_SUBMIT, _BIND, _EVICT = int(Happening.SUBMIT), int(Happening.BIND), int(Happening.EVICT)
_RELEASE, _FINISH = int(Happening.RELEASE), int(Happening.FINISH)

NOTHING = 1 << 62
"""What the smallest waiting job lacks where no job waits: more than any job."""


class Lacking:
    """How many milli-GPUs waiting jobs lack, the smallest first."""

    __slots__ = ("_counts", "_heap")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._heap: list[int] = []

    def add(self, amount: int) -> None:
        """Note that a job lacks so much."""
        count = self._counts.get(amount)
        if count is None:
            heappush(self._heap, amount)
            count = 0
        self._counts[amount] = count + 1

    def remove(self, amount: int) -> None:
        """Forget a job that lacked so much."""
        self._counts[amount] -= 1

    def smallest(self) -> int:
        """Return what the job lacks that lacks least, or :data:`NOTHING`."""
        heap, counts = self._heap, self._counts
        while heap and not counts[heap[0]]:
            del counts[heappop(heap)]
        return heap[0] if heap else NOTHING


class Flow:
    """The state of all queues as a log goes on. Amounts are in milli-GPUs.

    Attributes:
        demand: what jobs of every queue ask for, from submission to end.
        held: what their pods hold that were not told to leave.
        due: what every queue is due.
        length: jobs of every queue that lack pods.
        lacking: what waiting jobs lack, of leaf queues.
        lacking_any: what all waiting jobs lack.
        total_demand: what all jobs ask for.
        total_held: what all pods hold that were not told to leave.
        leaving: what pods hold that were told to leave.
    """

    def __init__(self, log: Log, table: JobTable, tree: Tree, skip: Container[int]) -> None:
        """Begin before the first row.

        Args:
            log: what happened.
            table: the jobs.
            tree: the queues.
            skip: jobs that can never run; they ask for nothing.
        """
        count = len(tree.names)
        self.demand, self.held, self.length = [0] * count, [0] * count, [0] * count
        self._dues = Dues(tree, self.demand)
        self.due = self._dues.due
        self.lacking = [Lacking() for _ in range(count)]
        self.lacking_any = Lacking()
        self.total_demand = self.total_held = self.leaving = 0
        self._log, self._table, self._tree, self._skip = log, table, tree, skip

    def steps(self) -> Iterator[tuple[int, set[int], list[int]]]:
        """Go through the log.

        Yields:
            A second in which something happened, with the state after it: the second, the queues whose demand or
            holdings changed, and the queues that are due something else. Both are void once the next is asked for.
        """
        log, tenant, leaf_of = self._log, self._table.tenant, self._tree.leaf_of
        missing = array("q", bytes(8 * len(self._table)))
        held_by, asked_by, now = set[int](), set[int](), -1
        for time, kind, job, gpus in zip(log.time, log.happening, log.job, log.gpus, strict=True):
            if time != now:
                if now >= 0:
                    yield self._settled(now, held_by, asked_by)
                now = time
            if kind == _RELEASE:
                self.leaving -= gpus
                continue
            leaf = leaf_of[tenant[job]]
            if leaf is None or not gpus or (kind == _SUBMIT and job in self._skip):
                continue
            if kind == _SUBMIT:
                self._ask(leaf, gpus)
                asked_by.add(leaf)
                missing[job] = self._lack(leaf, 0, gpus)
            elif kind == _BIND:
                self._hold(leaf, gpus)
                held_by.add(leaf)
                missing[job] = self._lack(leaf, missing[job], missing[job] - gpus)
            elif kind == _EVICT:
                self._hold(leaf, -gpus)
                held_by.add(leaf)
                self.leaving += gpus
                missing[job] = self._lack(leaf, missing[job], missing[job] + gpus)
            elif kind == _FINISH:
                self._hold(leaf, -gpus)
                self._ask(leaf, -gpus)
                asked_by.add(leaf)
        if now >= 0:
            yield self._settled(now, held_by, asked_by)

    def _settled(self, now: int, held_by: set[int], asked_by: set[int]) -> tuple[int, set[int], list[int]]:
        paths = self._tree.paths
        asked = {position for leaf in asked_by for position in paths[leaf]}
        touched = {position for leaf in held_by for position in paths[leaf]} | asked if held_by else asked
        moved = self._dues.settle(asked, scarce=self.total_demand > self.total_held)
        held_by.clear()
        asked_by.clear()
        return now, touched, moved

    def _ask(self, leaf: int, gpus: int) -> None:
        self.total_demand += gpus
        for position in self._tree.paths[leaf]:
            self.demand[position] += gpus

    def _hold(self, leaf: int, gpus: int) -> None:
        self.total_held += gpus
        for position in self._tree.paths[leaf]:
            self.held[position] += gpus

    def _lack(self, leaf: int, before: int, after: int) -> int:
        """Note that a job of a leaf lacks ``after`` instead of ``before``; return ``after``."""
        for lacking in (self.lacking[leaf], self.lacking_any):
            if before:
                lacking.remove(before)
            if after:
                lacking.add(after)
        change = bool(after) - bool(before)
        if change:
            for position in self._tree.paths[leaf]:
                self.length[position] += change
        return after
