"""What an explanation is made of: things said, each by a rule with its facts, and the evidence behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.fair.fairshare import Row


class Standing(StrEnum):
    """Where a job stands once the cycle has decided."""

    RUNS = "runs"
    GROWS = "grows"
    """It runs, and waits for more pods."""
    STARTS = "starts"
    PROMISED = "promised"
    """It has places, once those who are there have left."""
    WAITS = "waits"
    LOSES = "loses"
    """Pods of it are evicted."""
    MOVES = "moves"
    """Pods of it are evicted, and all get another place."""
    LEAVES = "leaves"
    """Its pods are on their way out already."""
    NOT_MODELLED = "not-modelled"
    ENDED = "ended"
    """None of its pods runs or waits."""

    @property
    def settled(self) -> bool:
        """Whether the job has what it asks for and keeps it."""
        return self in {Standing.RUNS, Standing.STARTS, Standing.ENDED, Standing.MOVES}


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence, as its rule and the numbers and names it is made of.

    Attributes:
        rule: key of :data:`tenantry.fair.explain.sentences.SENTENCES`.
        facts: what it is made of.
    """

    rule: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Who(StrEnum):
    """Who can bring a change about."""

    NOBODY = "nobody"
    """It comes by itself."""
    OWNER = "owner"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Loss:
    """What a job loses by a change.

    Attributes:
        job: its name.
        queue: its queue.
        pods: pods it loses.
        gpus: GPUs they hold.
    """

    job: str
    queue: str
    pods: int
    gpus: float


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change after which the job gets its places, as a cycle on the changed cluster shows.

    Attributes:
        kind: the sort of change, a word.
        who: who can bring it about.
        said: the change.
        now: whether the job starts at once; else it is promised its places until others have left.
        losses: jobs that are evicted because of the change.
        moved: jobs of which pods are moved to other nodes because of it.
        delayed: jobs that would have started in this cycle and then do not.
    """

    kind: str
    who: Who
    said: Said
    now: bool
    losses: tuple[Loss, ...] = ()
    moved: tuple[str, ...] = ()
    delayed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Nodes that look alike to the waiting pods.

    Attributes:
        nodes: their names, sorted.
        product: GPU they have, as their labels say; empty when they do not.
        offered: amount per node of what one pod asks for, by resource.
        idle: idle amount on all of them, by resource.
        most: largest idle amount on one of them, by resource.
        fits: waiting pods that fit on one of them at least, were they placed nowhere else: the most.
        refused: why they take no such pod, a word; ``room`` when there is too little left; empty when they would.
        detail: label or taint they refuse it by.
        short: resources the pod finds too little of on at least one of them.
    """

    nodes: tuple[str, ...]
    product: str
    offered: Mapping[str, float]
    idle: Mapping[str, float]
    most: Mapping[str, float]
    fits: int
    refused: str
    detail: str
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VictimClass:
    """Running jobs an action treats alike.

    Attributes:
        action: ``reclaim`` or ``preempt``.
        spared: what spares them, a word; empty when they may be evicted.
        jobs: their names, those with most GPUs first.
        gpus: GPUs they hold.
        until: second at which the first protection ends; None when none does.
    """

    action: str
    spared: str
    jobs: tuple[str, ...]
    gpus: float
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the job is.

    Attributes:
        name: identifier in the moment.
        namespace: namespace.
        queue: queue.
        priority: priority.
        preemptible: whether it may be evicted for others.
        created: second it was submitted.
        started: second it last started; None when it never did.
        evicted: second it was last evicted; None when it never was.
        pods: number of pods by status word.
        minimum: pods that must run together.
        asks: what one waiting or running pod asks for, by resource; of the first kind of pods.
        gpus: GPUs all its waiting pods ask for.
        holds: GPUs its pods hold.
        nodes: nodes it is on.
    """

    name: str
    namespace: str
    queue: str
    priority: int
    preemptible: bool
    created: int
    started: int | None
    evicted: int | None
    pods: Mapping[str, int]
    minimum: int
    asks: Mapping[str, float]
    gpus: float
    holds: float
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A job whose fate depends on what the scheduler leaves open.

    Attributes:
        job: its name.
        outcomes: how often each outcome came out, the usual order first.
    """

    job: str
    outcomes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job stands where it stands, and what would change it.

    Attributes:
        job: what it is.
        standing: where it stands.
        reason: why, the dominant sentence first; at most three.
        tried: what each action of the cycle came to, by the name of the action.
        queues: its queue and those above it, from the top.
        nodes: how the nodes look to its waiting pods.
        victims: which running jobs could make way.
        remedies: changes that give it its places.
        useless: sorts of changes that were tried and do not.
        untried: sorts of changes that were not tried, or not to the end, because the work would have been too much.
        caveats: what is taken for granted.
    """

    job: Facts
    standing: Standing
    reason: tuple[Said, ...]
    tried: tuple[tuple[str, Said], ...] = ()
    queues: tuple[Row, ...] = ()
    nodes: tuple[NodeClass, ...] = ()
    victims: tuple[VictimClass, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    useless: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    caveats: tuple[Said, ...] = ()
