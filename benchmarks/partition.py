"""Plans the partition of made-up pools: how long a proof takes, and how far the greedy plan is from the best one.

    python benchmarks/partition.py [--seeds 3] [--json FILE]

Pools are made up from a seed. *Owned*: H100 80 GB, every GPU one tenant's, 30 % of them with an instance that stays;
demand of 90 % of all memory slices with weights of 1 to 3; 3 for each GPU that changes. *Drained*: the same with 8 for
each node as well. *Shared*: 60 % of all GPUs hold instances that stay, and 95 % of the memory slices that are left are
wanted, whoever's GPUs they are on. Times are of building, solving, naming and giving out; the check is not in them.
The solver has two threads, so seconds of CPU may be more than pass where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
import tomllib
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantry.catalog.hardware import gpus
from tenantry.efficient.partition.greedy import greedy
from tenantry.efficient.partition.planner import plan_pool
from tenantry.efficient.partition.units import units
from tenantry.efficient.partition.validate import plan_faults
from tenantry.model.gpu import all_placements, maximal_placements
from tenantry.model.partition import ChangeCosts, PartitionPool, PartitionRules, Pin, PresentGpu, SliceDemand
from tenantry.solve.highs import solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.partition import Layout

HERE = Path(__file__).parent
GPU = gpus()["h100-sxm-80"]
NAMES = [profile.name for profile in GPU.profiles if not profile.suffix]
PER_NODE = 8
LIMIT = 120.0


class Case(NamedTuple):
    """A kind of pool."""

    name: str
    gpus: int
    tenants: int
    rules: PartitionRules
    seeds: int = 0


OWNED = PartitionRules(uniform=False, exclusive=True, costs=ChangeCosts(gpu=3, node=0))
DRAINED = PartitionRules(uniform=False, exclusive=True, costs=ChangeCosts(gpu=3, node=8))
SHARED = PartitionRules(uniform=False, costs=ChangeCosts(gpu=3, node=0))
SHARED_DRAINED = PartitionRules(uniform=False, costs=ChangeCosts(gpu=1, node=8))
CASES = (
    Case("owned", 120, 12, OWNED),
    Case("owned", 500, 20, OWNED),
    Case("owned", 2000, 40, OWNED),
    Case("drained", 120, 12, DRAINED),
    Case("drained", 500, 20, DRAINED),
    Case("drained", 2000, 40, DRAINED, 1),
    Case("shared", 500, 20, SHARED),
    Case("shared", 5000, 40, SHARED),
    Case("shared, drained", 5000, 40, SHARED_DRAINED),
)


def owned(count: int, tenants: int, seed: int) -> PartitionPool:
    """Make up a pool whose GPUs belong to tenants."""
    draw = random.Random(seed)
    names = [f"tenant-{number:02}" for number in range(tenants)]
    layouts = list(maximal_placements(GPU, NAMES))
    found = []
    for number in range(count):
        layout = draw.choice(layouts)
        pins = (Pin(draw.choice(layout), draw.choice(names)),) if draw.random() < 0.3 else ()
        found.append(PresentGpu(f"node-{number // PER_NODE:04}", number % PER_NODE, layout, pins))
    return PartitionPool("pool", GPU, tuple(found), demands(draw, names, int(count * GPU.memory_slices * 0.9)))


def shared(count: int, tenants: int, seed: int) -> PartitionPool:
    """Make up a pool of GPUs that all may use, most of them with instances that stay."""
    draw = random.Random(seed)
    names = [f"tenant-{number:02}" for number in range(tenants)]
    layouts = list(all_placements(GPU, NAMES))
    found: list[PresentGpu] = []
    for number in range(count):
        layout: Layout = draw.choice(layouts) if draw.random() < 0.6 else ()
        pins = tuple(Pin(item) for item in layout)
        found.append(PresentGpu(f"node-{number // PER_NODE:04}", number % PER_NODE, layout, pins))
    used = [pin.placement for gpu in found for pin in gpu.pins]
    free = count * GPU.memory_slices - sum(item.size for item in used)
    # Whoever wants what runs already is left open: it is part of what is wanted.
    running = [SliceDemand(name, sum(item.profile == name for item in used), weight=3) for name in NAMES]
    return PartitionPool("pool", GPU, tuple(found), (*running, *demands(draw, names, int(free * 0.95))))


def demands(draw: random.Random, names: Sequence[str], slices: int) -> tuple[SliceDemand, ...]:
    """Make up demand of so many memory slices, smaller profiles more often."""
    wanted: dict[tuple[str, str], int] = {}
    while slices > 0:
        profile = draw.choices(NAMES, weights=[4, 2, 3, 2, 1, 1][: len(NAMES)])[0]
        count, tenant = draw.randint(1, 4), draw.choice(names)
        wanted[tenant, profile] = wanted.get((tenant, profile), 0) + count
        known = GPU.profile(profile)
        slices -= count * (known.memory if known else 0)
    return tuple(
        SliceDemand(profile, count, tenant, 0, draw.randint(1, 3))
        for (tenant, profile), count in sorted(wanted.items())
    )


def measure(case: Case, seed: int) -> dict[str, Any]:
    """Plan one pool and hold the plan against the validator."""
    pool = (shared if case.name.startswith("shared") else owned)(case.gpus, case.tenants, seed)
    begin = time.process_time()
    greedy(units(pool, case.rules), case.rules.costs)
    greedy_s = time.process_time() - begin
    begin, cpu = time.perf_counter(), time.process_time()
    plan, baseline = plan_pool(pool, case.rules, solve, lambda: LIMIT - (time.perf_counter() - begin))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    faults = [*plan_faults(pool, case.rules, plan.plan, plan.figures), *plan_faults(pool, case.rules, baseline.plan)]
    if faults:
        raise SystemExit(f"{case.name} {case.gpus} x {case.tenants}, seed {seed}: {faults[0]}")
    costs = case.rules.costs
    return {
        "seed": seed, "seconds": round(seconds, 2), "cpu_s": round(cpu, 2), "greedy_s": round(greedy_s, 2),
        "proved": plan.proved,
        "objective": plan.figures.objective(costs), "bound": plan.stages[-1].bound,
        "greedy": baseline.figures.objective(costs),
        "unserved": dict(plan.figures.unserved)[0], "greedy_unserved": dict(baseline.figures.unserved)[0],
        "changed_gpus": plan.figures.changed_gpus, "changed_nodes": plan.figures.changed_nodes,
    }  # fmt: skip


def main() -> None:
    """Measure, print and compare with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    body: dict[str, Any] = {"cpus": os.cpu_count(), "python": platform.python_version(), "cases": []}
    for case in CASES:
        runs = [measure(case, seed) for seed in range(1, (case.seeds or options.seeds) + 1)]
        slowest, middle = max(run["cpu_s"] for run in runs), median(run["cpu_s"] for run in runs)
        wall = max(run["seconds"] for run in runs)
        body["cases"].append(
            {
                "case": case.name,
                "gpus": case.gpus,
                "tenants": case.tenants,
                "slowest_cpu_s": slowest,
                "slowest_s": wall,
                "runs": runs,
            }
        )
        times = median(run["greedy"] / max(1, run["objective"]) for run in runs)
        print(
            f"{case.name:16} {case.gpus:5} GPUs x {case.tenants:2} tenants: {middle:6.2f} s of CPU, slowest "
            f"{slowest:6.2f} s ({wall:.2f} s passed); "
            f"proved {sum(run['proved'] for run in runs)} of {len(runs)}; greedy costs {times:.2f} times as much",
            flush=True,
        )
    _hold(body["cases"])
    if options.json:
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def _hold(cases: list[dict[str, Any]]) -> None:
    """Print what the budgets say of the figures."""
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["partition"]
    for case in cases:
        key = f"{case['case'].replace(', ', '_')}_{case['gpus']}_s"
        if key in budget:
            fine = case["slowest_cpu_s"] <= budget[key] and all(run["proved"] for run in case["runs"])
            print(f"{key}: {case['slowest_cpu_s']} of at most {budget[key]}, all proved: {'ok' if fine else 'OVER'}")


if __name__ == "__main__":
    main()
