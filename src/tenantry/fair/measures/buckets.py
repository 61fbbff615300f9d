"""Series over time, made bucket by bucket as a flow goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.measures.timeline import QueueSeries, Series, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.fair.measures.flow import Flow
    from tenantry.fair.measures.tree import Tree


class Line:
    """One number over time: exact sums per bucket, and its extremes."""

    __slots__ = ("_least", "_leasts", "_means", "_most", "_mosts", "_since", "_sum", "_value")

    def __init__(self, start: int) -> None:
        self._since, self._value, self._sum = start, 0, 0
        self._least = self._most = 0
        self._means: list[float] = []
        self._leasts: list[int] = []
        self._mosts: list[int] = []

    def change(self, now: int, value: int, begun: int) -> None:
        """Note a value from now on; ``begun`` is the second at which the bucket began."""
        if value == self._value:
            return
        self._sum += self._value * (now - self._since)
        self._since, self._value = now, value
        if now == begun:
            self._least = self._most = value
        elif value < self._least:
            self._least = value
        elif value > self._most:
            self._most = value

    def close(self, edge: int, seconds: int) -> None:
        """End a bucket of so many seconds, and begin the next."""
        self._means.append((self._sum + self._value * (edge - self._since)) / seconds)
        self._leasts.append(self._least)
        self._mosts.append(self._most)
        self._since, self._sum = edge, 0
        self._least = self._most = self._value

    def series(self) -> Series:
        """Return all buckets."""
        return Series(tuple(self._means), tuple(self._leasts), tuple(self._mosts))


class Buckets:
    """Series of every queue and of the cluster."""

    def __init__(self, flow: Flow, tree: Tree, start: int, end: int, most: int) -> None:
        """Begin.

        Args:
            flow: the state of the queues.
            tree: the queues.
            start: first second.
            end: last second.
            most: buckets at most.

        Raises:
            ValueError: if there is to be no bucket.
        """
        if most < 1:
            raise ValueError(f"a series needs at least one bucket; {most} were asked for")
        length = max(1, -(-(end - start) // most))
        self._edges = [*range(start, end, length), end]
        self._flow, self._tree, self._bucket = flow, tree, 0
        self._lines = [tuple(Line(start) for _ in range(4)) for _ in tree.names]
        self._allocated, self._waiting = Line(start), Line(start)

    def step(self, now: int, touched: Iterable[int], moved: Iterable[int]) -> None:
        """Close buckets that are over, then take what the flow says."""
        edges = self._edges
        while self._bucket + 1 < len(edges) and edges[self._bucket + 1] <= now:
            self._close()
        begun, flow = edges[self._bucket], self._flow
        for position in touched:
            held, due, waiting, length = self._lines[position]
            held.change(now, flow.held[position], begun)
            due.change(now, flow.due[position], begun)
            waiting.change(now, flow.demand[position] - flow.held[position], begun)
            length.change(now, flow.length[position], begun)
        for position in moved:
            self._lines[position][1].change(now, flow.due[position], begun)
        self._allocated.change(now, flow.total_held + flow.leaving, begun)
        self._waiting.change(now, flow.total_demand - flow.total_held, begun)

    def close(self) -> Timeline:
        """Close the buckets that are left; return the series."""
        while self._bucket + 1 < len(self._edges):
            self._close()
        tree = self._tree
        queues = tuple(
            QueueSeries(
                name=name,
                parent=tree.queues[position].parent,
                leaf=tree.is_leaf(position),
                quota=tree.quota[position],
                held=lines[0].series(),
                due=lines[1].series(),
                waiting=lines[2].series(),
                length=lines[3].series(),
            )
            for position, (name, lines) in enumerate(zip(tree.names, self._lines, strict=True))
        )
        allocated, waiting = self._allocated.series(), self._waiting.series()
        return Timeline(tuple(self._edges), tree.capacity, allocated, waiting, queues)

    def _close(self) -> None:
        edge = self._edges[self._bucket + 1]
        seconds = edge - self._edges[self._bucket]
        for lines in (*self._lines, (self._allocated, self._waiting)):
            for line in lines:
                line.close(edge, seconds)
        self._bucket += 1
