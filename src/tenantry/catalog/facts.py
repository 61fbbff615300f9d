"""Reader of the facts a person may sign for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tenantry.catalog.files import Table, read


@dataclass(frozen=True, slots=True)
class FactDefinition:
    """Something no manifest shows and a ``Facts`` document may state.

    Attributes:
        id: what is stated, for example ``fabric.switch-partitioning``.
        description: its meaning, in one or two sentences.
        values: what may be stated; True and False for a yes-or-no fact.
        holds: the values that let a rule prove isolation; empty when the fact only informs.
        seen: where it can be seen: a command or a record.
    """

    id: str
    description: str
    values: tuple[str | bool, ...]
    holds: tuple[str | bool, ...]
    seen: str

    def allows(self, value: str | bool) -> bool:
        """Whether ``value`` may be stated; ``"true"`` in quotes is not True."""
        return value in self.values

    def proves(self, value: str | bool) -> bool:
        """Whether stating ``value`` lets a rule prove isolation."""
        return value in self.holds


@cache
def fact_definitions() -> tuple[FactDefinition, ...]:
    """Facts that may be stated, in the order of their ids."""
    data = read("facts.toml")["fact"]
    return tuple(_definition(name, data[name]) for name in sorted(data))


def _definition(name: str, entry: Table) -> FactDefinition:
    return FactDefinition(
        id=name,
        description=entry["description"],
        values=(False, True) if entry.get("boolean") else tuple(entry["values"]),
        holds=tuple(entry.get("holds", ())),
        seen=entry["seen"],
    )
