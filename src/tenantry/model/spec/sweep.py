"""``Sweep``: many runs of a simulation at once, every combination of what is varied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tenantry.model.spec.base import Document, ShortName, SpecModel

PolicyName = Literal["fair-share", "static-partition", "fifo"]
"""A way to run the work."""

Load = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
"""GPU-time asked for over the capacity of all days."""

Seed = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
"""Seed of made-up load."""

Scalar = Annotated[int | float | bool | str, Field(union_mode="smart")]
"""A single value, as a spec may hold it."""

LONGEST_AXIS = 1000
MOST_RUNS = 1_000_000
"""Runs of one sweep."""


class SweepSpec(SpecModel):
    """What is varied. Each list is an axis; the runs are all their combinations, the last axis varying fastest."""

    pools: Annotated[list[ShortName], Field(max_length=LONGEST_AXIS)] = []
    """Node pools to replay, each on its own; all that can be simulated when empty."""
    scenarios: Annotated[list[str], Field(max_length=LONGEST_AXIS)] = ["base"]
    """Files laid over the spec, relative to this one; ``base`` is the spec as it is."""
    placements: Annotated[list[Literal["binpack", "spread"]], Field(max_length=2)] = []
    """Placement strategies; the spec's own when empty."""
    values: dict[str, Annotated[list[Scalar], Field(min_length=1, max_length=LONGEST_AXIS)]] = {}
    """Values of single fields of the spec by their path, such as ``tenants/language/quotas/training/guaranteed``; each
    path is an axis of its own."""
    loads: Annotated[list[Load], Field(max_length=LONGEST_AXIS)] = []
    """Loads to make up; only without a trace."""
    seeds: Annotated[list[Seed], Field(max_length=LONGEST_AXIS)] = []
    """Seeds of made-up load; only without a trace."""
    policies: Annotated[list[PolicyName], Field(min_length=1, max_length=3)] = ["fair-share"]
    """Ways to run the work: ``fair-share`` (what the spec deploys), ``static-partition``, ``fifo``."""


class Sweep(Document):
    """A file beside a spec that says what a sweep varies; it is no part of the spec."""

    kind: Literal["Sweep"]
    """Always ``Sweep``."""
    spec: SweepSpec
    """What is varied."""
