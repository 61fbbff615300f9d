"""Small clusters for tests of the KAI model, and what a cycle did with them in words that read well.

Everything counts GPUs unless a test says otherwise: pods ask for no CPU and no memory, so that one resource decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.cycle import run_cycle
from tenantry.fair.kai.rules import DEFAULTS, Settings
from tenantry.model.job import GpuKind, GpuRequest, Job, Pod, PodStatus, gang, gpu_fraction, gpu_memory, whole_gpus
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import UNLIMITED, Entitled, Queue
from tenantry.model.schedule import Act, Cycle, Gate, Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.kai.session import Session
    from tenantry.model.job import Subgroup
    from tenantry.model.moment import Topology

NOW = 100_000

QUIET = replace(DEFAULTS, signatures=False)
"""Settings in which every waiting job is tried, so that each can be asked why it waits."""


def node(name: str, gpus: float = 4, **more: Any) -> Node:
    """A node with so many GPUs and plenty of everything else."""
    return Node(name, gpus, **{"cpu": 1e6, "memory": 1e12, **more})


def queue(
    name: str, quota: float = 0, *, limit: float = UNLIMITED, weight: float = 1, parent: str = "", **more: Any
) -> Queue:
    """A queue that is entitled to so many GPUs, and to any amount of CPU and memory."""
    return Queue(name, parent, Entitled(quota, limit, weight), **more)


def job(
    name: str,
    queue: str,
    gpus: float | GpuRequest = 1,
    *,
    pods: int = 1,
    on: str | Sequence[str] = (),
    needs: int | Subgroup | None = None,
    status: PodStatus = PodStatus.RUNNING,
    groups: Sequence[str | Sequence[str]] = (),
    pod: dict[str, Any] | None = None,
    **more: Any,
) -> Job:
    """A job of equal pods named ``<name>-<number>``.

    Args:
        name: name.
        queue: queue it was submitted to.
        gpus: GPUs of each pod; less than one is a part of a GPU.
        pods: pods it has.
        on: nodes of its first pods, separated by blanks; the others wait.
        needs: pods that must run together, or the tree of its subgroups; all of them when None.
        status: status of the pods on nodes.
        groups: shared GPUs of the pods on nodes, one entry per pod.
        pod: further fields of every pod.
        more: further fields of the job.
    """
    places = on.split() if isinstance(on, str) else list(on)
    request = gpus if isinstance(gpus, GpuRequest) else part_or_whole(gpus)
    shared = [(entry,) if isinstance(entry, str) else tuple(entry) for entry in groups]
    members = []
    for number in range(max(pods, len(places))):
        member = Pod(f"{name}-{number}", gpu=request, **(pod or {}))
        if number < len(places):
            held = shared[number] if number < len(shared) else ()
            member = replace(member, node=places[number], status=status, groups=held)
        members.append(member)
    root = gang(needs) if isinstance(needs, int) else needs
    return Job(name, queue, tuple(members), root, **more)


def part_or_whole(gpus: float) -> GpuRequest:
    return gpu_fraction(gpus) if 0 < gpus < 1 else whole_gpus(int(gpus))


def memory(mebibytes: int, devices: int = 1) -> GpuRequest:
    return gpu_memory(mebibytes, devices)


def cluster(
    nodes: Sequence[Node], queues: Sequence[Queue], jobs: Sequence[Job], topologies: Sequence[Topology] = ()
) -> Moment:
    return Moment(NOW, tuple(queues), tuple(jobs), tuple(nodes), tuple(topologies))


@dataclass(frozen=True)
class Played:
    """A cycle that was run, and the cluster as it stood after it."""

    moment: Moment
    cycle: Cycle
    session: Session

    def _nodes(self, act: Act) -> dict[str, str]:
        return {decision.pod: decision.node for decision in self.cycle.decisions if decision.act is act}

    @property
    def bound(self) -> dict[str, str]:
        """Node by pod that was bound."""
        return self._nodes(Act.BIND)

    @property
    def promised(self) -> dict[str, str]:
        """Node by pod that was promised one."""
        return self._nodes(Act.PROMISE)

    @property
    def evicted(self) -> dict[str, str]:
        """Node left by pod that was evicted, those that move included."""
        return self._nodes(Act.EVICT)

    @property
    def lost(self) -> set[str]:
        """Pods that were evicted and promised nothing."""
        return self.evicted.keys() - self.promised.keys()

    def groups(self, pod: str) -> tuple[str, ...]:
        """Shared GPUs a decision gives to a pod."""
        return next(
            decision.groups
            for decision in self.cycle.decisions
            if decision.pod == pod and decision.act in {Act.BIND, Act.PROMISE}
        )

    def held(self, job: str, action: str = "allocate") -> Held:
        """Why an action gave up on a job."""
        return next(held for held in self.cycle.held[job] if held.action == action)

    def gates(self, job: str) -> dict[str, Gate]:
        """Gate by action that gave up on a job."""
        return {held.action: held.gate for held in self.cycle.held.get(job, ())}

    def due(self, queue: str) -> float:
        """GPUs a queue is due."""
        return next(view.fair[2] for view in self.cycle.queues if view.name == queue)


def play(moment: Moment, settings: Settings = QUIET, **changes: Any) -> Played:
    """Run a cycle."""
    cycle, session = run_cycle(moment, replace(settings, **changes))
    return Played(moment, cycle, session)


def shares_gpu(pod: Pod) -> bool:
    return pod.gpu.kind in {GpuKind.FRACTION, GpuKind.MEMORY}
