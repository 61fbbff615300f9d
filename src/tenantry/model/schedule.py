"""What a scheduling cycle decided, and why the jobs that wait do wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Act(StrEnum):
    """What happened to a pod."""

    BIND = "bind"
    EVICT = "evict"
    PROMISE = "promise"


class Gate(StrEnum):
    """What a job did not pass; each comes with the numbers it was decided by."""

    QUEUE_MISSING = "queue-missing"
    QUEUE_NOT_LEAF = "queue-not-leaf"
    NOT_READY = "not-ready"
    BEYOND_DEPTH = "beyond-depth"
    OVER_LIMIT = "over-limit"
    LASTING_OVER_QUOTA = "lasting-over-quota"
    TOO_LARGE = "too-large"
    NO_ROOM = "no-room"
    NO_TOPOLOGY = "no-topology"
    TOPOLOGY = "topology"
    WAITS_FOR_RELEASE = "waits-for-release"
    DELAYED = "delayed"
    NOT_PREEMPTIBLE = "not-preemptible"
    TOO_FEW_FREE = "too-few-free"
    OVER_FAIR_SHARE = "over-fair-share"
    LIKE_ONE_THAT_FAILED = "like-one-that-failed"
    NO_VICTIMS = "no-victims"
    NO_SCENARIO = "no-scenario"
    NO_PLACE_AFTER_EVICTION = "no-place-after-eviction"
    VICTIM_WITHIN_SHARE = "victim-within-share"
    WOULD_OVERTAKE = "would-overtake"
    VICTIM_PROTECTED = "victim-protected"
    VICTIM_WITHOUT_PLACE = "victim-without-place"


@dataclass(frozen=True, slots=True)
class Held:
    """The gate at which an action gave up on a job.

    Attributes:
        action: action of the cycle.
        gate: what was not passed.
        facts: the numbers and names it was decided by.
    """

    action: str
    gate: Gate
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing a cycle does.

    Attributes:
        act: what happens.
        action: action of the cycle that decided it.
        job: job of the pod.
        pod: the pod.
        node: node it is bound to, leaves, or is promised.
        groups: shared GPUs it takes parts of.
        cause: job it happens for; itself when it is placed.
        moved: whether an evicted pod is promised another place at once.
    """

    act: Act
    action: str
    job: str
    pod: str
    node: str
    groups: tuple[str, ...] = ()
    cause: str = ""
    moved: bool = False


@dataclass(frozen=True, slots=True)
class QueueView:
    """What a queue was due and held in a cycle, for CPU, memory and GPUs."""

    name: str
    parent: str
    quota: tuple[float, float, float]
    limit: tuple[float, float, float]
    weight: tuple[float, float, float]
    fair: tuple[float, float, float]
    requested: tuple[float, float, float]
    allocated: tuple[float, float, float]
    lasting: tuple[float, float, float]
    priority: int


@dataclass(frozen=True, slots=True)
class Cycle:
    """The outcome of one scheduling cycle.

    Attributes:
        decisions: what is done, in order.
        held: per waiting job, the gate at which each action gave up on it, in the order of actions.
        queues: what every queue was due at the start and holds at the end, in order of names.
        started: jobs that began to run, none of whose pods held anything before.
        stale: since when jobs run with fewer pods than their gangs need.
    """

    decisions: tuple[Decision, ...]
    held: Mapping[str, tuple[Held, ...]]
    queues: tuple[QueueView, ...]
    started: tuple[str, ...] = ()
    stale: Mapping[str, int] = field(default_factory=dict)
