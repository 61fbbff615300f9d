"""The queue tree as flat lists, and who submits where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.queue import UNLIMITED
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

ROOT = -1
"""In place of the queue above a top queue."""


class Tree:
    """Queues by position: each before those below it, siblings by name.

    Attributes:
        names: names.
        queues: the queues.
        parents: position of the queue above, :data:`ROOT` for none.
        children: positions of the queues below, by position; those at the top by :data:`ROOT`.
        paths: positions from the queue itself to the top.
        quota: milli-GPUs guaranteed; the capacity where nothing bounds them.
        limit: milli-GPUs at most; None where nothing bounds them.
        capacity: milli-GPUs of the cluster.
        leaf_of: position of the leaf queue of every tenant of the table, None for tenants without one.
    """

    def __init__(self, setup: Setup, table: JobTable) -> None:
        """Lay out a tree.

        Raises:
            ValueError: if the queues are no tree, or a tenant's queue takes no jobs.
        """
        below: dict[str, list[str]] = {}
        by_name = {queue.name: queue for queue in setup.queues}
        for queue in sorted(setup.queues, key=lambda item: item.name):
            below.setdefault(queue.parent, []).append(queue.name)
        self.names: list[str] = []
        waiting = below.get("", [])[::-1]
        while waiting:
            self.names.append(name := waiting.pop())
            waiting += below.get(name, [])[::-1]
        if len(self.names) != len(setup.queues):
            lost = sorted(set(by_name) - set(self.names))
            raise ValueError(f"the queues are no tree: {', '.join(lost) or 'names repeat'}")
        index = {name: position for position, name in enumerate(self.names)}
        self.queues = [by_name[name] for name in self.names]
        self.parents = [index.get(queue.parent, ROOT) for queue in self.queues]
        self.children = {index.get(name, ROOT): [index[child] for child in names] for name, names in below.items()}
        self.paths: list[tuple[int, ...]] = []
        for position, parent in enumerate(self.parents):
            self.paths.append((position, *(self.paths[parent] if parent != ROOT else ())))
        self.capacity = setup.capacity
        self.quota = [
            self.capacity if queue.gpu.quota == UNLIMITED else round(queue.gpu.quota * MILLI) for queue in self.queues
        ]
        self.limit = [None if queue.gpu.limit == UNLIMITED else round(queue.gpu.limit * MILLI) for queue in self.queues]
        self.leaf_of = [self._leaf(index, tenant, setup.queue_of.get(tenant)) for tenant in table.tenants]

    def is_leaf(self, position: int) -> bool:
        """Whether a queue takes jobs."""
        return position not in self.children

    def _leaf(self, index: dict[str, int], tenant: str, queue: str | None) -> int | None:
        if queue is None:
            return None
        if queue not in index or not self.is_leaf(index[queue]):
            raise ValueError(f"tenant {tenant} submits to {queue}, which is no queue that takes jobs")
        return index[queue]
