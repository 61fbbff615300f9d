"""Where the GPU-time of the whole cluster went: every milli-GPU-second is booked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.measures.result import Booking

if TYPE_CHECKING:
    from tenantry.fair.measures.flow import Flow
    from tenantry.fair.measures.histories import Worked


class Ledger:
    """What pods hold, and what is free though somebody waits."""

    def __init__(self, flow: Flow, capacity: int, cut: int) -> None:
        """Begin before the first row.

        Args:
            flow: the state of the queues.
            capacity: milli-GPUs of the cluster.
            cut: second at which the first of two windows ends.
        """
        self._flow, self._capacity, self._cut = flow, capacity, cut
        self._last: int | None = None
        self._state = (0, 0, 0, 0, 0)
        self._sums = [0, 0, 0, 0, 0]
        self._first: list[int] = [0, 0, 0, 0, 0]

    def step(self, now: int) -> None:
        """Add up until now, then take what the flow says. Called at the second of the cut, too."""
        self._add(now)
        flow = self._flow
        free = self._capacity - flow.total_held - flow.leaving
        waiting = flow.total_demand - flow.total_held
        unwanted = free - waiting if free > waiting else 0
        wanted = free - unwanted
        small = wanted if wanted and flow.lacking_any.smallest() > free else 0
        self._state = (flow.total_held, flow.leaving, unwanted, small, wanted - small)

    def close(self, end: int) -> None:
        """Add up until the end of the replay."""
        self._add(end)

    def _add(self, now: int) -> None:
        seconds = now - self._last if self._last is not None else 0
        self._last = now
        if seconds:
            sums = self._sums
            for position, amount in enumerate(self._state):
                sums[position] += amount * seconds
        if now == self._cut:
            self._first = list(self._sums)

    def bookings(self, busy: Worked, whole: Worked) -> tuple[Booking, Booking]:
        """Return both windows, with what pods did while they held GPUs."""
        return self._booking(busy, self._first), self._booking(whole, self._sums)

    def _booking(self, worked: Worked, sums: list[int]) -> Booking:
        held, leaving, unwanted, too_small, blocked = sums
        useful = {str(outcome): amount for outcome, amount in worked.useful.items()}
        return Booking(
            start=worked.start,
            end=worked.end,
            capacity=self._capacity * (worked.end - worked.start),
            useful=useful,
            startup=worked.startup,
            lost=worked.lost,
            incomplete=held - sum(useful.values()) - worked.startup - worked.lost,
            leaving=leaving,
            unwanted=unwanted,
            too_small=too_small,
            blocked=blocked,
        )
