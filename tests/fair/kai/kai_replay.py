"""What a cycle decided, played on the moment by plain counting, without any of the engine's books."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.model.job import DEFAULT_SUBGROUP, GpuKind, PodStatus, Subgroup
from tenantry.model.queue import UNLIMITED
from tenantry.model.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kai_build import Played

    from tenantry.model.job import Job, Pod
    from tenantry.model.moment import Moment, Node
    from tenantry.model.queue import Queue
    from tenantry.model.schedule import Decision

HOLDS = PodStatus.RUNNING | PodStatus.BINDING | PodStatus.BOUND | PodStatus.ALLOCATED
PROMISED, LEAVES, WAITS = PodStatus.PIPELINED, PodStatus.RELEASING, PodStatus.PENDING
EPSILON = 1e-9

Amounts = tuple[float, float, float]
"""CPU, memory and GPUs."""


def plus(one: Amounts, other: Amounts, sign: float = 1) -> Amounts:
    return (one[0] + sign * other[0], one[1] + sign * other[1], one[2] + sign * other[2])


@dataclass
class Spot:
    """Where a pod stands.

    Attributes:
        pod: as it was at the start.
        job: its job.
        status: where it stands.
        node: node it is on or promised.
        groups: shared GPUs it holds parts of, or is promised.
        old: node and shared GPUs it still occupies, while it leaves them or is promised others.
    """

    pod: Pod
    job: str
    status: PodStatus
    node: str
    groups: tuple[str, ...]
    old: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Step:
    """Decisions made together: one action, for one job.

    Attributes:
        action: the action.
        cause: job they are made for; empty for gangs that are stale.
        decisions: what is done.
        before: where every pod stood before.
        after: where every pod stands then.
    """

    action: str
    cause: str
    decisions: tuple[Decision, ...]
    before: State
    after: State

    def of(self, act: Act) -> list[Decision]:
        return [item for item in self.decisions if item.act is act]


@dataclass
class State:
    """Where every pod stands, and what follows from that."""

    moment: Moment
    spots: dict[str, Spot] = field(default_factory=dict)

    @classmethod
    def start(cls, moment: Moment) -> State:
        spots = {
            pod.name: Spot(
                pod,
                job.name,
                pod.status,
                pod.node,
                pod.groups,
                (pod.node, pod.groups) if pod.status is LEAVES else None,
            )
            for job in moment.jobs
            for pod in job.pods
        }
        return cls(moment, spots)

    def after(self, decision: Decision) -> State:
        """Return the state after one decision."""
        spot = self.spots[decision.pod]
        if decision.act is Act.EVICT:
            # One that was only promised a place, by an earlier action, gives up nothing but the promise.
            old = (spot.node, spot.groups) if spot.status & HOLDS else spot.old
            moved = Spot(spot.pod, spot.job, LEAVES, spot.node, spot.groups, old)
        elif decision.act is Act.BIND:
            moved = Spot(spot.pod, spot.job, PodStatus.BINDING, decision.node, decision.groups)
        else:
            moved = Spot(spot.pod, spot.job, PROMISED, decision.node, decision.groups, spot.old)
        return State(self.moment, {**self.spots, decision.pod: moved})

    def of(self, job: str) -> list[Spot]:
        return [spot for spot in self.spots.values() if spot.job == job]

    # --- nodes --------------------------------------------------------------------------------------------------------

    def occupying(self, node: str) -> Iterator[tuple[Pod, tuple[str, ...]]]:
        """Pods that are on a node now, those on their way out included."""
        for spot in self.spots.values():
            if spot.status & (HOLDS | PodStatus.STUCK) and spot.node == node:
                yield spot.pod, spot.groups
            elif spot.old is not None and spot.old[0] == node:
                yield spot.pod, spot.old[1]

    def waits(self, spot: Spot) -> bool:
        """Whether a pod that waited at the start was given nothing, or had it taken away again."""
        return spot.pod.status is WAITS and not spot.status & (HOLDS | PROMISED)

    def expected(self, node: str) -> Iterator[tuple[Pod, tuple[str, ...]]]:
        """Pods that will be on a node when those on their way out have left."""
        for spot in self.spots.values():
            if spot.status & (HOLDS | PROMISED | PodStatus.STUCK) and spot.node == node:
                yield spot.pod, spot.groups

    # --- queues -------------------------------------------------------------------------------------------------------

    def held(self, queue: str, *, lasting: bool = False) -> Amounts:
        """What the jobs of a queue and all below it hold or are promised."""
        total: Amounts = (0.0, 0.0, 0.0)
        below = {
            item.name for item in self.moment.queues if queue in {above.name for above in path(self.moment, item.name)}
        }
        for job in self.moment.jobs:
            if job.queue in below and not (lasting and job.may_be_evicted):
                total = plus(total, self.of_job(job.name))
        return total

    def of_job(self, job: str) -> Amounts:
        total: Amounts = (0.0, 0.0, 0.0)
        for spot in self.of(job):
            if spot.status & (HOLDS | PROMISED):
                total = plus(total, charge(spot.pod, node_of(self.moment, spot.node)))
        return total

    # --- gangs --------------------------------------------------------------------------------------------------------

    def satisfied(self, job: Job, statuses: PodStatus) -> bool:
        """Whether enough pods of a job are in one of the statuses."""
        return self._satisfied(job, root_of(job), statuses)

    def _satisfied(self, job: Job, group: Subgroup, statuses: PodStatus) -> bool:
        if group.leaf:
            return self.count(job.name, group.name, statuses) >= (group.minimum or 0)
        met = sum(self._satisfied(job, child, statuses) for child in group.children)
        return met >= (len(group.children) if group.minimum is None else group.minimum)

    def count(self, job: str, leaf: str, statuses: PodStatus) -> int:
        return sum(
            1 for spot in self.of(job) if spot.status & statuses and (spot.pod.subgroup or DEFAULT_SUBGROUP) == leaf
        )


def steps(played: Played) -> list[Step]:
    """Decisions of a cycle in the groups they were made in."""
    state, found = State.start(played.moment), []
    for (action, cause), group in groupby(played.cycle.decisions, key=lambda item: (item.action, item.cause)):
        decisions, before = tuple(group), state
        for decision in decisions:
            state = state.after(decision)
        found.append(Step(action, cause, decisions, before, state))
    return found


def final(played: Played) -> State:
    made = steps(played)
    return made[-1].after if made else State.start(played.moment)


# --- what is looked up ------------------------------------------------------------------------------------------------


def node_of(moment: Moment, name: str) -> Node:
    return next(item for item in moment.nodes if item.name == name)


def job_of(moment: Moment, name: str) -> Job:
    return next(item for item in moment.jobs if item.name == name)


def queue_of(moment: Moment, name: str) -> Queue:
    return next(item for item in moment.queues if item.name == name)


def path(moment: Moment, name: str) -> list[Queue]:
    """A queue and all above it, nearest first."""
    found = []
    while name:
        found.append(queue_of(moment, name))
        name = found[-1].parent
    return found


def root_of(job: Job) -> Subgroup:
    return job.root or Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, len(job.pods)),), leaf=False)


def leaves_of(job: Job) -> list[Subgroup]:
    """Groups that hold pods."""

    def below(group: Subgroup) -> Iterator[Subgroup]:
        if group.leaf:
            yield group
        for child in group.children:
            yield from below(child)

    return list(below(root_of(job)))


def part(pod: Pod, node: Node) -> float:
    """Part of each of its GPUs that a pod takes on a node, to a hundredth."""
    gpu = pod.gpu
    if gpu.kind is GpuKind.MEMORY:
        return math.ceil(gpu.memory / (node.gpu_memory or 100) * 100) / 100
    return round(gpu.portion, 2)


def mebibytes(pod: Pod, node: Node) -> int:
    """Memory a pod takes of each of its GPUs on a node; what a label says is rounded down to hundreds."""
    return pod.gpu.memory or int(pod.gpu.portion * gpu_size(node))


def gpu_size(node: Node) -> int:
    return 100 if node.gpu_memory is None else node.gpu_memory // 100 * 100


def charge(pod: Pod, node: Node) -> Amounts:
    """What a pod is charged with on a node."""
    whole = pod.gpu.kind is GpuKind.WHOLE
    return (pod.cpu, pod.memory, float(pod.gpu.devices) if whole else part(pod, node) * pod.gpu.devices)


def asked(pods: Sequence[Pod], smallest: int | None) -> Amounts:
    """What pods ask for, as queues count it before they are placed."""
    total: Amounts = (0.0, 0.0, 0.0)
    for pod in pods:
        gpu = pod.gpu
        amount = gpu.devices * round(gpu.portion, 2)
        if gpu.kind is GpuKind.MEMORY:
            amount = gpu.devices * gpu.memory / smallest if smallest else 0.0
        total = plus(total, (pod.cpu, pod.memory, amount))
    return total


def exceeds(amounts: Amounts, bounds: Sequence[float], slack: float = EPSILON) -> bool:
    """Whether any amount is above its bound."""
    return any(bound != UNLIMITED and amount > bound + slack for amount, bound in zip(amounts, bounds, strict=True))
