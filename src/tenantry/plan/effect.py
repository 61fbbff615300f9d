"""The values of a plan: effects with their causes, the steps of the roll-out, and all of it together.

Everything here is frozen, compares by value and holds plain data, so that a plan can be saved and read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from tenantry.model.problem import Location
from tenantry.plan.inputs import Inputs

if TYPE_CHECKING:
    from tenantry.model.manifest import ManifestKey


NOWHERE = Location("<spec>")


class Area(StrEnum):
    """What an effect is about, in the order in which people read it."""

    TENANTS = "tenants"
    NODES = "nodes"
    PARTITIONS = "partitions"
    ISOLATION = "isolation"
    DATA = "names and data"
    GITOPS = "GitOps"
    UNKNOWN = "effect unknown"


class Mark(StrEnum):
    """The sign in front of an effect."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"
    DISRUPT = "!"


class Level(IntEnum):
    """How much an effect matters; larger is worse."""

    NOTE = 0
    """Nobody who runs work notices."""
    CHANGE = 1
    """Something differs for somebody."""
    DISRUPTIVE = 2
    """Work is stopped, a guarantee is taken away, or something is deleted."""
    UNSAFE = 3
    """Isolation that held does not hold any more."""

    @property
    def word(self) -> str:
        """Lower-case name, as outputs spell it."""
        return self.name.lower()


class Certainty(StrEnum):
    """How well the effect is known."""

    CERTAIN = "certain"
    """Computed, or read in the code or documentation of the software that acts."""
    LIKELY = "likely"
    """Follows from how the software works; nobody has written it down."""
    UNKNOWN = "unknown"
    """No rule covers the difference."""


class Return(StrEnum):
    """What reverting the commit does to an effect."""

    RESTORED = "restored"
    """The state before comes back, at no cost."""
    AGAIN = "again"
    """The state before comes back, and the same disruption happens on the way."""
    LOST = "lost"
    """Something is gone for good."""


class Action(StrEnum):
    """What happens on a node."""

    REBOOT = "reboot"
    DRAIN = "drain"
    """Cordoned and drained; networking hardware is configured anew."""
    DRIVER_RELOAD = "driver reload"
    """Cordoned; every pod with a GPU is deleted and the GPU driver is loaded anew."""
    NIC_DRIVER_RELOAD = "network driver reload"
    """Drained; the network driver is loaded anew."""
    GPU_RESET = "GPU reset"
    """GPUs are idle, then partitioned anew."""
    RESTART = "restart"
    """Pods of operators restart; work goes on."""
    LABEL = "label"
    """Labels or taints change; work goes on."""

    @property
    def disruptive(self) -> bool:
        """Whether work on the node stops."""
        return self not in {Action.RESTART, Action.LABEL}


@dataclass(frozen=True, slots=True)
class Cause:
    """A field of the spec that was changed.

    Attributes:
        document: kind and name of the document, for example ``Platform ai-factory``.
        field: path in it, for example ``spec.driver.version``; empty for the whole document.
        before: what stood there; None for nothing.
        after: what stands there now; None for nothing.
        location: file and line in the new spec; in the old one for what is gone.
    """

    document: str
    field: str
    before: object = None
    after: object = None
    location: Location = NOWHERE

    def words(self) -> str:
        """Return the change in words: ``spec.driver.version: 1 -> 2``."""
        name = self.field or self.document
        if isinstance(self.before, list) and isinstance(self.after, list):
            return f"{name}: {_items(self.before, self.after)}"
        only = self.before if self.after is None else self.after if self.before is None else None
        if isinstance(only, dict | list):
            return f"{name} {'added' if self.before is None else 'removed'}"
        return f"{name}: {_short(self.before)} -> {_short(self.after)}"


def _items(before: list[object], after: list[object]) -> str:
    """Write how a list differs: items that are gone and items that are new."""
    gone = [f"- {_short(item)}" for item in before if item not in after]
    new = [f"+ {_short(item)}" for item in after if item not in before]
    said = [*gone, *new]
    return ", ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "") if said else "another order"


def _short(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=False).replace('"', "") if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Touched:
    """An object of the tree that differs.

    Attributes:
        key: the object.
        pointer: path of the field, steps joined by ``/``; empty for the whole object.
        before: value of the field; None for nothing.
        after: likewise.
    """

    key: ManifestKey
    pointer: str = ""
    before: object = None
    after: object = None


@dataclass(frozen=True, slots=True)
class NodeAction:
    """What happens on the nodes of a pool.

    Attributes:
        action: what it is.
        pool: node pool.
        nodes: nodes on which it happens.
        at_once: nodes on which it happens at the same time; as many as ``nodes`` where nothing holds it back.
        minutes: minutes on one node, from ``step_minutes``.
        component: Application that starts it.
        held_back_by: setting that limits how many nodes at a time; empty where none does.
    """

    action: Action
    pool: str
    nodes: int
    at_once: int
    minutes: int
    component: str
    held_back_by: str = ""

    @property
    def rounds(self) -> int:
        """How many times ``at_once`` nodes are taken."""
        return -(-self.nodes // max(self.at_once, 1))

    @property
    def total_minutes(self) -> int:
        """Minutes on all nodes."""
        return self.rounds * self.minutes


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that the change does.

    Attributes:
        rule: stable identifier such as ``EFFECT-DRIVER-RELOAD``.
        area: what it is about.
        mark: ``+``, ``~``, ``-`` or ``!``.
        level: how much it matters.
        subject: what it happens to: a tenant, a node pool, a pair of tenants, an Application.
        message: one sentence: what happens.
        certainty: how well that is known.
        source: where the rule comes from.
        causes: fields of the spec behind it, in the order of their places.
        touched: objects behind it, sorted; what makes every difference of objects accounted for.
        numbers: amounts by name, for example ``(("guaranteed before", 16), ("guaranteed after", 8))``.
        tenants: tenants concerned, sorted.
        pools: node pools concerned, sorted.
        action: what happens on nodes, or None.
        way_back: what reverting the commit does.
        details: further lines, such as the steps of a witness.
    """

    rule: str
    area: Area
    mark: Mark
    level: Level
    subject: str
    message: str
    certainty: Certainty = Certainty.CERTAIN
    source: str = ""
    causes: tuple[Cause, ...] = ()
    touched: tuple[Touched, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    tenants: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    action: NodeAction | None = None
    way_back: Return = Return.RESTORED
    details: tuple[str, ...] = ()

    def sort_key(self) -> tuple[int, int, str, str, str]:
        """Order of effects everywhere: area, worst first, subject, that it comes or goes, rule, message."""
        first = "" if self.rule in {"EFFECT-TENANT-ADDED", "EFFECT-TENANT-REMOVED"} else self.rule
        return (list(Area).index(self.area), -self.level, self.subject, first, self.message)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the roll-out: one Application acts on one pool.

    Attributes:
        wave: sync wave of the Application.
        component: the Application.
        start: minutes after the first sync at which it starts at the earliest.
        minutes: how long it takes.
        action: what happens on nodes.
    """

    wave: int
    component: str
    start: int
    minutes: int
    action: NodeAction


@dataclass(frozen=True, slots=True)
class Application:
    """An Argo CD Application whose folder differs.

    Attributes:
        name: its name.
        wave: sync wave.
        added: objects that are made.
        changed: objects that are changed.
        removed: objects that are no more in the tree.
        waits: why it does not sync by itself at any time; empty when it does.
    """

    name: str
    wave: int
    added: int
    changed: int
    removed: int
    waits: str = ""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """How an object of the tree differs.

    Attributes:
        key: the object.
        component: Application it belongs to.
        mark: ``+``, ``~`` or ``-``.
        fields: what differs in it, sorted by path; empty for whole objects.
    """

    key: ManifestKey
    component: str
    mark: Mark
    fields: tuple[Touched, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything a change does.

    Attributes:
        name: the platform.
        environment: overlay applied; empty for none.
        before: name of the old side, as the user gave it.
        after: name of the new side.
        effects: in the order of :meth:`Effect.sort_key`.
        steps: the roll-out, in the order in which it happens.
        applications: Applications touched, in the order of their waves.
        objects: differences of objects, in the order of their keys.
        causes: every field of the spec that differs, by document and path.
        summary: the one line that says it all.
        verified: whether isolation of both sides was compared.
        notes: what was left out or taken for granted, a sentence each.
        inputs: what it was made from.
    """

    name: str
    environment: str
    before: str
    after: str
    effects: tuple[Effect, ...] = ()
    steps: tuple[Step, ...] = ()
    applications: tuple[Application, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    causes: tuple[Cause, ...] = ()
    summary: str = ""
    verified: bool = True
    notes: tuple[str, ...] = ()
    inputs: Inputs = field(default_factory=Inputs)

    @property
    def worst(self) -> Level | None:
        """The worst level of all effects; None without any."""
        return max((effect.level for effect in self.effects), default=None)

    @property
    def minutes(self) -> int:
        """Minutes until the last node is done, when nothing has to wait for a person or a change window."""
        return max((step.start + step.minutes for step in self.steps), default=0)

    def of(self, area: Area) -> tuple[Effect, ...]:
        """Return the effects of an area, in their order."""
        return tuple(effect for effect in self.effects if effect.area is area)
