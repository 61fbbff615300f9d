"""Reader of facts about changes: minutes a step takes on one node, and fields that cannot be changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tenantry.catalog.files import read


@dataclass(frozen=True, slots=True)
class StepMinutes:
    """How long a step takes on one node.

    Attributes:
        step: name of the step, for example ``driver-reload``.
        minutes: whole minutes.
        assumed: whether no vendor publishes it.
        source: where the number comes from, or what it is made of.
    """

    step: str
    minutes: int
    assumed: bool
    source: str


@dataclass(frozen=True, slots=True)
class ImmutableField:
    """A field that cannot be changed.

    Attributes:
        kind: ``Kind.group``, or ``Kind`` of the core group.
        path: pattern of paths, ``/`` between steps.
        exceptions: patterns of paths that can be changed all the same.
        when: field of the object that must be true for it to hold; empty for always.
        source: where that is said.
    """

    kind: str
    path: str
    exceptions: tuple[str, ...]
    when: str
    source: str


@cache
def step_minutes() -> dict[str, StepMinutes]:
    """Minutes by step."""
    data = read("plan.toml")["minutes"]
    return {
        name: StepMinutes(name, entry["minutes"], entry["assumed"], entry["source"])
        for name, entry in sorted(data.items())
    }


@cache
def immutable_fields() -> tuple[ImmutableField, ...]:
    """Fields that cannot be changed, in the order of the file."""
    return tuple(
        ImmutableField(
            entry["kind"], entry["path"], tuple(entry.get("except", ())), entry.get("when", ""), entry["source"]
        )
        for entry in read("plan.toml")["immutable"]
    )
