"""Whether a job can ever start on a cluster: on all of its nodes, empty, within the bounds of its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.model.queue import UNLIMITED
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.moment import Node
    from tenantry.model.queue import Queue

MEBIBYTE = 1024 * 1024


class Shape(NamedTuple):
    """What decides whether a job can ever start.

    Attributes:
        queue: leaf queue.
        pods: pods alike.
        gpus: milli-GPUs of each.
        cpus: millicores of each.
        memory: MiB of each.
        lasting: whether it may not be evicted, and so has to stay within quotas.
    """

    queue: str
    pods: int
    gpus: int
    cpus: int
    memory: int
    lasting: bool


@dataclass(frozen=True, slots=True)
class Never:
    """Why a job can never start.

    Attributes:
        reason: what it asks more of than there is, in words without numbers.
        most: the most there is, in words.
    """

    reason: str
    most: str


class Room:
    """What the empty cluster has room for."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._queues = {queue.name: queue for queue in setup.queues}
        self._nodes = [node for node in setup.nodes if not node.unready]
        self._counts_cpu = any(node.cpu for node in setup.nodes)
        self._counts_memory = any(node.memory for node in setup.nodes)
        self._known: dict[Shape, Never | None] = {}

    def never(self, shape: Shape) -> Never | None:
        """Return why jobs of a shape can never start, or None when they can."""
        if shape not in self._known:
            self._known[shape] = self._beyond_nodes(shape) or self._beyond_queues(shape)
        return self._known[shape]

    def _beyond_nodes(self, shape: Shape) -> Never | None:
        held = [self._pods_on(node, shape) for node in self._nodes]
        if not any(held):
            return Never("has pods that no node has room for", self._largest())
        if sum(held) < shape.pods:
            return Never("has more pods than all nodes have room for", f"{sum(held)} such pods")
        return None

    def _pods_on(self, node: Node, shape: Shape) -> int:
        resource = self._setup.instances.get(shape.gpus)
        if self._setup.instances:
            most = int(dict(node.extended).get(resource, 0.0)) if resource else 0
        elif shape.gpus < MILLI:
            most = int(node.gpus) * (MILLI // shape.gpus if shape.gpus else 0)
        else:
            most = int(node.gpus * MILLI) // shape.gpus
        bounds = [most, int(node.pods)]
        if self._counts_cpu and shape.cpus:
            bounds.append(int(node.cpu) // shape.cpus)
        if self._counts_memory and shape.memory:
            bounds.append(int(node.memory) // (shape.memory * MEBIBYTE))
        return min(bounds)

    def _largest(self) -> str:
        if self._setup.instances:
            names = sorted({name.removeprefix("nvidia.com/mig-") for name in self._setup.instances.values()})
            return f"instances of {', '.join(names)}"
        return f"{max((node.gpus for node in self._nodes), default=0):g} GPUs on a node"

    def _beyond_queues(self, shape: Shape) -> Never | None:
        asked = shape.pods * shape.gpus / MILLI
        for queue in self._up(shape.queue):
            if queue.gpu.limit != UNLIMITED and asked > queue.gpu.limit:
                return Never("asks for more than the limit of its queue", f"{queue.gpu.limit:g} in queue {queue.name}")
        if shape.lasting:
            for queue in self._up(shape.queue):
                if queue.gpu.quota != UNLIMITED and asked > queue.gpu.quota:
                    most = f"{queue.gpu.quota:g} in queue {queue.name}"
                    return Never("may not be evicted and asks for more than the quota of its queue", most)
        return None

    def _up(self, name: str) -> list[Queue]:
        path: list[Queue] = []
        while (queue := self._queues.get(name)) is not None and queue not in path:
            path.append(queue)
            name = queue.parent
        return path
