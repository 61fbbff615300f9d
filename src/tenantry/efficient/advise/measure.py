"""How to learn a missing speed: what to run, and what takes the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.advise.option import REPLICATED, resource_of

if TYPE_CHECKING:
    from tenantry.efficient.advise.facts import WorkFacts
    from tenantry.efficient.advise.option import Option


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that is not known.

    Attributes:
        fact: what it is.
        measure: how to learn it: a command or a field to fill.
    """

    fact: str
    measure: str


def speed_missing(work: WorkFacts, option: Option) -> Missing:
    """Return what is missing when the speed on an option was not measured.

    It is the speed of one pod, with the neighbours that the option gives it.
    """
    goal = f" within {work.latency[1]:g} ms" if work.latency else ""
    beside = f" beside {option.copies - 1} like it" if option.mode in REPLICATED else ""
    return Missing(
        f"speed on {option.label}{goal}",
        f"measure a pod with {resource_of(option)}{beside}; fill speed.{option.key} or a profile table",
    )
