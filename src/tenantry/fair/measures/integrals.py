"""Sums over time of what every queue held, asked for and was due: exact, in milli-GPU-seconds.

Between two steps of a flow nothing changes, so a queue is looked at only when something about it changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.measures.flow import NOTHING
from tenantry.fair.measures.result import Shares, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.fair.measures.flow import Flow
    from tenantry.fair.measures.tree import Tree

_FINE = 32
"""Bits behind the point in which lending is reckoned; a sum is off by less than a milli-GPU-second per change."""


class Streak:
    """How long something held, in all and without a break."""

    __slots__ = ("longest", "seconds", "since")

    def __init__(self) -> None:
        self.seconds, self.since = 0, -1
        self.longest: Stretch | None = None

    def note(self, now: int, *, holds: bool) -> None:
        """Say whether it holds from now on."""
        if holds:
            if self.since < 0:
                self.since = now
        elif self.since >= 0:
            self.seconds += now - self.since
            if now > self.since and (self.longest is None or now - self.since > self.longest.length):
                self.longest = Stretch(self.since, now)
            self.since = -1


class Lending:
    """Quotas among siblings: what is used beyond them, and which part of unused quota that takes.

    Attributes:
        total: integral of that part, in seconds with :data:`_FINE` bits behind the point.
    """

    __slots__ = ("_beyond", "_last", "_rate", "_spare", "_unused", "total")

    def __init__(self, entitled: int, quotas: Iterable[int]) -> None:
        quotas = list(quotas)
        self.total = self._beyond = self._last = self._rate = 0
        self._unused = sum(quotas)
        self._spare = max(0, entitled - self._unused)

    def advance(self, now: int) -> int:
        """Return the integral until now."""
        self.total += self._rate * (now - self._last)
        self._last = now
        return self.total

    def change(self, quota: int, before: int, after: int) -> None:
        """Note what one of the siblings holds; :meth:`advance` comes first."""
        self._beyond += max(0, after - quota) - max(0, before - quota)
        self._unused += max(0, quota - after) - max(0, quota - before)
        taken = min(self._beyond - self._spare, self._unused)
        self._rate = (taken << _FINE) // self._unused if taken > 0 else 0


class Integrals:
    """Sums over time for every queue."""

    def __init__(self, flow: Flow, tree: Tree) -> None:
        count = len(tree.names)
        self._flow, self._tree = flow, tree
        self._held, self._demand, self._due = [0] * count, [0] * count, [0] * count
        self._last, self._last_due = [0] * count, [0] * count
        names = ("held", "demand", "due", "asked", "kept", "loss", "lent", "seconds", "back_held", "back_due")
        self._sums = {name: [0] * count for name in names}
        leaves = [tree.is_leaf(position) for position in range(count)]
        self._starved = [Streak() if leaf else None for leaf in leaves]
        self._owed = [Streak() if leaf else None for leaf in leaves]
        self._lending = {
            group: Lending(tree.capacity if group < 0 else tree.quota[group], (tree.quota[each] for each in children))
            for group, children in tree.children.items()
        }
        self._unasked = list(tree.quota)
        self._lent_from = [0] * count

    def step(self, now: int, touched: Iterable[int], moved: Iterable[int]) -> None:
        """Add up until now what is about to change, then take what the flow says."""
        flow = self._flow
        for position in touched:
            self._add(position, now)
            self._add_due(position, now)
            self._lend(position, now)
            self._held[position], self._demand[position] = flow.held[position], flow.demand[position]
            self._due[position] = flow.due[position]
            if self._starved[position] is not None:
                self._judge(position, now)
        for position in moved:
            self._add_due(position, now)
            self._due[position] = flow.due[position]
            if self._starved[position] is not None:
                self._judge(position, now)

    def close(self, end: int) -> list[Shares]:
        """Add up until the end; return the sums of every queue."""
        for position in range(len(self._held)):
            self._add(position, end)
            self._add_due(position, end)
            self._lend(position, end)
            for streak in (self._starved[position], self._owed[position]):
                if streak is not None:
                    streak.note(end, holds=False)
        return [self._shares(position) for position in range(len(self._held))]

    def _add(self, position: int, now: int) -> None:
        seconds = now - self._last[position]
        if not seconds:
            return
        self._last[position] = now
        sums, quota = self._sums, self._tree.quota[position]
        held, demand = self._held[position], self._demand[position]
        sums["held"][position] += held * seconds
        sums["demand"][position] += demand * seconds
        sums["asked"][position] += (quota if quota < demand else demand) * seconds
        sums["kept"][position] += (quota if quota < held else held) * seconds
        if demand > held:
            sums["seconds"][position] += seconds
            sums["back_held"][position] += held * seconds

    def _add_due(self, position: int, now: int) -> None:
        seconds = now - self._last_due[position]
        if not seconds:
            return
        self._last_due[position] = now
        sums, due, held = self._sums, self._due[position], self._held[position]
        sums["due"][position] += due * seconds
        if due > held:
            sums["loss"][position] += (due - held) * seconds
        if self._demand[position] > held:
            sums["back_due"][position] += due * seconds

    def _lend(self, position: int, now: int) -> None:
        lending, quota = self._lending[self._tree.parents[position]], self._tree.quota[position]
        total = lending.advance(now)
        if unasked := self._unasked[position]:
            self._sums["lent"][position] += unasked * (total - self._lent_from[position])
        self._lent_from[position] = total
        lending.change(quota, self._held[position], self._flow.held[position])
        self._unasked[position] = max(0, quota - self._flow.demand[position])

    def _judge(self, position: int, now: int) -> None:
        """Note whether a job waits that fits into what its queue is due, or into its quota."""
        held, need = self._held[position], NOTHING
        if self._demand[position] > held:
            need = held + self._flow.lacking[position].smallest()
        starved, owed = self._starved[position], self._owed[position]
        if starved is not None and owed is not None:
            starved.note(now, holds=need <= self._due[position])
            owed.note(now, holds=need <= self._tree.quota[position])

    def _shares(self, position: int) -> Shares:
        sums = {name: values[position] for name, values in self._sums.items()}
        starved, owed = self._starved[position], self._owed[position]
        return Shares(
            quota=self._tree.quota[position],
            held=sums["held"],
            demand=sums["demand"],
            due=sums["due"],
            asked_quota=sums["asked"],
            kept_quota=sums["kept"],
            loss=sums["loss"],
            lent=sums["lent"] >> _FINE,
            backlog_seconds=sums["seconds"],
            backlog_held=sums["back_held"],
            backlog_due=sums["back_due"],
            starved_seconds=None if starved is None else starved.seconds,
            owed_seconds=None if owed is None else owed.seconds,
            starved=None if starved is None else starved.longest,
            owed=None if owed is None else owed.longest,
        )
