"""What a replay is given: nodes, queues, who submits to which queue, and how jobs behave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.job import DEFAULT_JOB_PRIORITY
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.moment import Node
    from tenantry.model.queue import Queue

USAGE_RESOLUTION = 60
"""Seconds between two samples of usage, and between two looks at them (KAI, cache/usagedb/api/defaults.go)."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How jobs behave where a trace does not say. Times are in seconds.

    Attributes:
        leaving: that pods take to go once they are evicted; they hold their GPUs meanwhile.
        checkpoint: of work between two checkpoints; an evicted job resumes from its last one. 0 when nothing is ever
            lost, None when jobs save nothing and start over.
        startup: that a job holds its GPUs before it does any work, at every start.
        usage_window: over which past usage counts for time-based fair share; 0 turns it off.
        half_life: after which past usage counts half; 0 when it counts in full.
        until: second at which the replay ends whatever still runs or waits; None to let everything end.
    """

    leaving: int = 30
    checkpoint: int | None = 3600
    startup: int = 0
    usage_window: int = 0
    half_life: int = 0
    until: int | None = None


AS_USUAL = Behaviour()


@dataclass(frozen=True, slots=True)
class Setup:
    """A cluster that work is replayed on.

    Attributes:
        nodes: nodes.
        queues: the queue tree.
        queue_of: leaf queue of every tenant; jobs of others are left out.
        behaviour: how jobs behave.
        priority: priority of jobs that name none.
        model_label: node label that names the model of its GPUs.
    """

    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    queue_of: Mapping[str, str]
    behaviour: Behaviour = AS_USUAL
    priority: int = DEFAULT_JOB_PRIORITY
    model_label: str = "nvidia.com/gpu.product"

    @property
    def capacity(self) -> int:
        """Milli-GPUs of all nodes that are ready."""
        return sum(round(node.gpus * MILLI) for node in self.nodes if not node.unready)

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the queues that take jobs, sorted."""
        parents = {queue.parent for queue in self.queues}
        return tuple(sorted(queue.name for queue in self.queues if queue.name not in parents))
