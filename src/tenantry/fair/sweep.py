"""The runs of a sweep: every combination of what is varied, numbered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class Variant:
    """A spec as it is varied.

    Attributes:
        scenario: position of the scenario.
        placement: position of the placement strategy; None for the spec's own.
        values: position of the value of each path.
    """

    scenario: int
    placement: int | None
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One run.

    Attributes:
        number: its number, from 0.
        variant: the spec it runs on.
        load: load that is made up; None with a trace.
        seed: its seed; None with a trace.
        pool: node pool.
        policy: way to run the work.
    """

    number: int
    variant: Variant
    load: float | None
    seed: int | None
    pool: str
    policy: str


def points(
    sweep: SweepSpec, *, pools: Sequence[str], loads: Sequence[float | None], seeds: Sequence[int | None]
) -> list[Point]:
    """Return all runs, the last axis varying fastest: scenario, placement, values, load, seed, pool, policy.

    Args:
        sweep: what is varied.
        pools: node pools to replay.
        loads: loads, those of the sweep or the one that counts without any.
        seeds: seeds, likewise.
    """
    placements: list[int | None] = list(range(len(sweep.placements))) or [None]
    values = [[(path, index) for index in range(len(choices))] for path, choices in sweep.values.items()]
    variants = [
        Variant(scenario, placement, chosen)
        for scenario, placement, chosen in product(range(len(sweep.scenarios)), placements, product(*values))
    ]
    every = product(variants, loads, seeds, pools, sweep.policies)
    return [Point(number, *axes) for number, axes in enumerate(every)]


def count(sweep: SweepSpec, *, pools: int, loads: int, seeds: int) -> int:
    """Return how many runs there would be, without making them."""
    total = len(sweep.scenarios) * max(1, len(sweep.placements)) * pools * loads * seeds * len(sweep.policies)
    for choices in sweep.values.values():
        total *= len(choices)
    return total


def axes(sweep: SweepSpec, point: Point) -> dict[str, Any]:
    """Return where a run stands on every axis, in words and numbers."""
    variant = point.variant
    found: dict[str, Any] = {"scenario": sweep.scenarios[variant.scenario]}
    if variant.placement is not None:
        found["placement"] = sweep.placements[variant.placement]
    found.update((path, sweep.values[path][index]) for path, index in variant.values)
    if point.load is not None:
        found["load"] = point.load
    if point.seed is not None:
        found["seed"] = point.seed
    return {**found, "pool": point.pool, "policy": point.policy}
