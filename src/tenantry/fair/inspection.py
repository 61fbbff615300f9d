"""What can be asked of a scheduler besides its decisions: who is due what, where a pod fits, whom it spares and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tenantry.fair.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle, Decision, QueueView


class Spared(StrEnum):
    """What keeps a running job from being evicted for a waiting one."""

    SAME_QUEUE = "same-queue"
    OTHER_QUEUE = "other-queue"
    HOLDS_NOTHING = "holds-nothing"
    NOT_PREEMPTIBLE = "not-preemptible"
    PRIORITY = "priority"
    WITHIN_SHARE = "within-share"
    PROTECTED = "protected"


@dataclass(frozen=True, slots=True)
class Shares:
    """Who is due what.

    Attributes:
        queues: every queue, in order of names.
        total: CPU in millicores, memory in bytes and GPUs that are divided among the top queues.
        idle: what nobody holds on nodes that are ready, in the same units.
    """

    queues: tuple[QueueView, ...]
    total: tuple[float, float, float]
    idle: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Stock:
    """One resource of one node.

    Attributes:
        resource: its name; ``gpu`` for whole GPUs.
        asked: what one pod asks for.
        offered: what the node offers.
        idle: what nobody holds; of GPUs whole ones only, unless a part is asked for.
        leaving: what pods on their way out still hold.
        parts: free parts of GPUs that others share, each.
    """

    resource: str
    asked: float
    offered: float
    idle: float
    leaving: float
    parts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """A node as a waiting pod finds it.

    Attributes:
        node: its name.
        refused: why it takes no pod of the kind, a word; empty when it would.
        detail: the label, taint or the like it is refused by; empty when the word says it all.
        short: resources it has too little left of.
        fits: waiting pods of the job that fit on it now, were they placed nowhere else.
        stocks: what the pod asks for, and what is there.
    """

    node: str
    refused: str
    detail: str
    short: tuple[str, ...]
    fits: int
    stocks: tuple[Stock, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running job that might make way.

    Attributes:
        job: its name.
        queue: its queue.
        gpus: GPUs it holds, MIG instances by their compute slices.
        spared: what spares it; None when it may be evicted.
        until: second at which its protection ends; None when it has none.
    """

    job: str
    queue: str
    gpus: float
    spared: Spared | None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """Why one waiting job is looked at before another.

    Attributes:
        by: what decides, a word.
        queues: the two queues that are compared, where they differ.
        amounts: what is compared, of the one and of the other.
    """

    by: str
    queues: tuple[str, str] = ("", "")
    amounts: tuple[float, float] = (0.0, 0.0)


class Inspectable(Scheduler, Protocol):
    """A scheduler that can be asked more than its decisions."""

    def shares(self, moment: Moment) -> Shares:
        """Say who is due what at the start of a cycle."""

    def rooms(self, moment: Moment, job: str) -> tuple[Room, ...]:
        """Say how every node looks to the waiting pods of a job once the cycle has placed what it can."""

    def candidates(self, moment: Moment, job: str, action: str) -> tuple[Candidate, ...]:
        """Say which running jobs an action may evict for a job, and what spares the others."""

    def before(self, moment: Moment, one: str, other: str) -> Before | None:
        """Say why one waiting job is looked at before another; None when it is not."""

    def settle(self, moment: Moment, job: str, enough: Callable[[Sequence[Decision]], bool]) -> Cycle:
        """Decide once, but no further than to what becomes of one job.

        Args:
            moment: the cluster.
            job: the job.
            enough: whether the job has what it asks for, given the decisions so far.

        Returns:
            Decisions that are the first of those :meth:`cycle` makes. What follows may take a place again that the job
            was given.
        """
