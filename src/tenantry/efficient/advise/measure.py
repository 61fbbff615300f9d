"""How to learn a missing speed: the command that measures it and the field that takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.efficient.advise.facts import WorkFacts
    from tenantry.efficient.advise.option import Option


def how_to_measure(work: WorkFacts, option: Option) -> str:
    """Say how to measure the speed of one copy."""
    return f"measure one copy on {option.label}, then spec.speed.{option.key} of Workload {work.name}"
