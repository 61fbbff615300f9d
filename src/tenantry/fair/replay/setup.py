"""What a replay is given: nodes, queues, who submits to which queue, and how jobs behave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.moment import Node, Topology
    from tenantry.model.queue import Queue


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How jobs behave where a trace does not say. Times are in seconds.

    Attributes:
        period: between two scheduling cycles.
        leaving: that pods take to go once they are evicted; they hold their GPUs meanwhile.
        checkpoint: of work between two checkpoints; an evicted job resumes from its last one. None when jobs save
            nothing and start over.
        startup: that a job holds its GPUs before it does any work, at every start.
        usage_window: over which past usage counts for time-based fair share; 0 turns it off.
        half_life: after which past usage counts half; 0 when it counts in full.
    """

    period: int = 1
    leaving: int = 30
    checkpoint: int | None = 3600
    startup: int = 0
    usage_window: int = 0
    half_life: int = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """A cluster that work is replayed on.

    Attributes:
        nodes: nodes.
        queues: the queue tree.
        queue_of: leaf queue of every tenant.
        behaviour: how jobs behave.
        priority: priority of jobs that name none.
        topologies: topologies.
    """

    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    queue_of: Mapping[str, str]
    behaviour: Behaviour = Behaviour()
    priority: int = 50
    topologies: tuple[Topology, ...] = ()

    @property
    def capacity(self) -> int:
        """Milli-GPUs of all nodes."""
        return sum(round(node.gpus * 1000) for node in self.nodes)
