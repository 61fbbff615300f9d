"""The published packing results in the data root come out again.

With the same seed pods and nodes come in the published order, so runs of policies that draw nothing else are the
published ones, figure by figure. The policy Random draws among nodes in an order that the published program left to its
threads, so of its runs only means can be the same. Of the others few seeds are run by default; ``pytest -m slow`` runs
all that are published, and so does ``benchmarks/packing.py``.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

from tenantry.fair.packing.policies import RANDOM
from tenantry.fair.packing.run import pack
from tenantry.io.packing_lists import read_nodes, read_pods
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode

ROOT = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).resolve().parents[2] / "../shared"))
DATA = ROOT / "traces" / "openb"
PUBLISHED = DATA / "published_allocation.csv"
COLUMN = "allocated_percent_at_arrival_"
SAME = 0.011
"""How far a figure may be from the published one, in percent of all GPUs: that one was rounded twice to a hundredth."""
NEAR = 0.5
"""How far a mean over seeds may be from the published mean."""
FEW = 2
"""Seeds of the default run."""

Published = dict[tuple[str, str], dict[int, dict[int, float]]]


def published() -> Published:
    """Allocated percent by load and seed, for each trace and policy."""
    found: Published = defaultdict(dict)
    if PUBLISHED.is_file():
        with PUBLISHED.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                figures = {int(name.removeprefix(COLUMN)): value for name, value in row.items() if COLUMN in name}
                policy = row["policy"].partition("-")[2]  # they are numbered: 01-Random
                found[row["trace"], policy][int(row["seed"])] = {load: float(text) for load, text in figures.items()}
    return found


CASES = published()

pytestmark = pytest.mark.skipif(not CASES, reason=f"no published results in {DATA}; set TENANTRY_SHARED")
REPEATABLE = pytest.mark.parametrize(("trace", "policy"), sorted(case for case in CASES if case[1] != RANDOM))
DRAWN = pytest.mark.parametrize("trace", sorted(trace for trace, policy in CASES if policy == RANDOM))


@cache
def lists(trace: str) -> tuple[list[TraceNode], list[PackingPod]]:
    return read_nodes(DATA / "nodes.csv"), read_pods(DATA / f"pods_{trace}.csv")


@cache
def figures(trace: str, policy: str, seed: int) -> dict[int, float]:
    """Allocated percent by load."""
    run = pack(*lists(trace), policy, seed=seed)
    return {level.arrived: level.allocated for level in run.levels}


def different(trace: str, policy: str, seeds: list[int]) -> list[tuple[int, int, float, float]]:
    """Seed, load, figure and published figure where these differ."""
    return [
        (seed, load, figures(trace, policy, seed)[load], expected)
        for seed in seeds
        for load, expected in CASES[trace, policy][seed].items()
        if abs(figures(trace, policy, seed)[load] - expected) > SAME
    ]


def far(trace: str, policy: str, seeds: list[int]) -> list[tuple[int, float, float]]:
    """Load, mean over so many seeds and mean over all published ones where these are far apart."""
    found = []
    for load in (90, 100, 130):
        mean = fmean(figures(trace, policy, seed)[load] for seed in seeds)
        expected = fmean(figure[load] for figure in CASES[trace, policy].values())
        if abs(mean - expected) > NEAR:
            found.append((load, mean, expected))
    return found


@REPEATABLE
def test_a_run_is_the_published_run_of_its_seed(trace: str, policy: str) -> None:
    assert different(trace, policy, sorted(CASES[trace, policy])[:FEW]) == []


@DRAWN
def test_random_runs_are_near_the_published_means(trace: str) -> None:
    assert far(trace, RANDOM, sorted(CASES[trace, RANDOM])) == []


@pytest.mark.slow
@REPEATABLE
def test_every_run_is_the_published_run_of_its_seed(trace: str, policy: str) -> None:
    assert different(trace, policy, sorted(CASES[trace, policy])) == []


@pytest.mark.slow
@REPEATABLE
def test_means_over_all_seeds_are_the_published_means(trace: str, policy: str) -> None:
    assert far(trace, policy, sorted(CASES[trace, policy])) == []
