"""Whether a job can ever run: on all nodes, empty, within the bounds of its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.measures.tree import ROOT
from tenantry.fair.replay.work import MEBIBYTE, MODELS
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.queue import UNLIMITED
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from tenantry.fair.measures.tree import Tree
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable
    from tenantry.model.moment import Node

LARGER_THAN_NODES = "has pods that are larger than every node it may run on"
LARGER_THAN_CLUSTER = "is larger than all nodes it may run on"
LARGER_THAN_LIMIT = "is larger than the limit of its queue or of one above"
LASTING_BEYOND_QUOTA = "may not be evicted and is larger than the quota of its queue or of one above"


class Shape(NamedTuple):
    """What decides whether a job can ever run: leaf queue, pods, what each asks for, and whether it may be evicted."""

    leaf: int
    pods: int
    gpus: int
    cpus: int
    memory: int
    model: int
    lasting: bool


class Never:
    """Reasons why jobs can never run, where that is certain."""

    def __init__(self, setup: Setup, table: JobTable, tree: Tree) -> None:
        self._setup, self._table, self._tree = setup, table, tree
        self._nodes = [node for node in setup.nodes if not node.unready and node.gpus]
        self._counts_cpu = any(node.cpu for node in setup.nodes)
        self._counts_memory = any(node.memory for node in setup.nodes)
        self._known: dict[Shape, str | None] = {}

    def reason(self, index: int) -> str | None:
        """Return why a job of a tenant with a queue can never run, or None where nothing says so."""
        table = self._table
        leaf = self._tree.leaf_of[table.tenant[index]]
        if leaf is None:
            return None
        priority, preemptible = table.priority(index), table.preemptible(index)
        value = self._setup.priority if priority is None else priority
        lasting = value >= PREEMPTIBLE_BELOW if preemptible is None else not preemptible
        size = table.pods[index], table.gpus[index], table.cpus[index], table.memory[index]
        shape = Shape(leaf, *size, table.gpu[index], lasting)
        if shape not in self._known:
            self._known[shape] = self._of_nodes(shape) or self._of_queues(shape)
        return self._known[shape]

    def _of_nodes(self, shape: Shape) -> str | None:
        if any(node.extended for node in self._setup.nodes):
            return None  # MIG instances and the like are not GPUs of a node
        models = set(filter(None, self._table.models[shape.model].split(MODELS)))
        held = [self._pods_on(node, shape) for node in self._nodes if not models or self._model(node) in models]
        if not any(held):
            return LARGER_THAN_NODES
        return LARGER_THAN_CLUSTER if sum(held) < shape.pods else None

    def _model(self, node: Node) -> str | None:
        return node.labels.get(self._setup.model_label)

    def _pods_on(self, node: Node, shape: Shape) -> int:
        if shape.gpus < MILLI:
            bounds = [int(node.gpus) * (MILLI // shape.gpus)]
        else:
            bounds = [int(node.gpus) // (shape.gpus // MILLI)]
        if self._counts_cpu and shape.cpus:
            bounds.append(int(node.cpu // shape.cpus))
        if self._counts_memory and shape.memory:
            bounds.append(int(node.memory // (shape.memory * MEBIBYTE)))
        return min(*bounds, int(node.pods))

    def _of_queues(self, shape: Shape) -> str | None:
        asked = shape.pods * shape.gpus
        position = shape.leaf
        while position != ROOT:
            limit = self._tree.limit[position]
            if limit is not None and asked > limit:
                return LARGER_THAN_LIMIT
            if (
                shape.lasting
                and self._tree.queues[position].gpu.quota != UNLIMITED
                and asked > self._tree.quota[position]
            ):
                return LASTING_BEYOND_QUOTA
            position = self._tree.parents[position]
        return None
