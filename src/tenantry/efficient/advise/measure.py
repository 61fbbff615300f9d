"""How to learn a missing speed: what to run, and what takes the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.advise.option import REPLICATED, resource_of
from tenantry.model.spec import SharingMode

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

    It is the speed of one copy, with the neighbours that the option gives it. ``MODULE:FUNCTION`` stands for the user's
    own work; the row belongs to the class by its name.

    Source: docs/probe.md.
    """
    goal = f" within {work.latency[1]:g} ms" if work.latency else ""
    command = f"tenantry probe run --name {work.name} --workload MODULE:FUNCTION"
    if option.mode in REPLICATED:
        command += f" --neighbours {option.copies - 1}"
    if option.mode is SharingMode.MPS:
        command += " --sharing mps"
    return Missing(
        f"speed on {option.label}{goal}",
        f"in a pod with {resource_of(option)}: {command}; or fill speed.{option.key}",
    )
