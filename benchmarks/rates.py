"""How many GPUs services with rates need, how far that is proved, and how long it takes.

    python benchmarks/rates.py [--json FILE]

Published service levels and profiles (ParvaGPU) are planned where the data root has them, beside the published number
of GPUs. Larger demands are made up: services with random rates over a made-up profile table of an A100 80 GB. Beside
each plan stands the greedy one, whose number of GPUs a person would arrive at.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from tenantry.catalog import gpus
from tenantry.efficient.partition.operating_points import operating_points
from tenantry.efficient.partition.rate_validate import rate_faults, rates_missed
from tenantry.efficient.partition.rates import fewest_gpus, greedy, most_served
from tenantry.io.profiles import read_profiles
from tenantry.model.profile_table import Measurement, ProfileTable, Setting, Statistic
from tenantry.model.program import SolveLimits
from tenantry.model.rate_plan import RateDemand, RateRules, Service
from tenantry.model.spec.platform import SharingMode
from tenantry.solve.highs import solve

HERE = Path(__file__).parent
GPU = gpus()["a100-80"]
RULES = RateRules()
LIMITS = SolveLimits(seconds=60.0)
SPEEDS = {"1g.10gb": 1.0, "2g.20gb": 2.0, "3g.40gb": 2.9, "4g.40gb": 3.7, "7g.80gb": 5.8}


def made_up(services: int, seed: int) -> tuple[ProfileTable, list[Service]]:
    """Return a table of 20 workloads, some at their best on small slices and some on large, and services of them."""
    draw = random.Random(seed)
    rows = []
    for number in range(20):
        base, bend = draw.uniform(20, 300), draw.uniform(0.7, 1.3)
        for profile, speed in SPEEDS.items():
            setting = Setting(GPU.id, SharingMode.MIG, profile, 0, f"w{number}", 8, 1)
            rows.append(Measurement(setting, base * speed**bend, ((Statistic.P99, 0.04),)))
    wanted = [
        Service(f"s{number}", f"w{draw.randrange(20)}", draw.uniform(5, 1500), 100.0) for number in range(services)
    ]
    return ProfileTable(rows), wanted


def published(folder: Path, number: str) -> tuple[ProfileTable, list[Service], int]:
    """Return profiles, services and the number of GPUs that was published for them."""
    with (folder / "service_levels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == number]
    wanted = [
        Service(row["model"], row["model"], float(row["request_rate_per_s"]), float(row["latency_slo_ms"]))
        for row in rows
    ]
    with (folder / f"published_deployment_set{number}.csv").open(newline="") as file:
        used = {(row["Num instance"], row["Num GPU"]) for row in csv.DictReader(file)}
    return read_profiles(folder).table, wanted, len(used)


def planned(table: ProfileTable, wanted: list[Service]) -> dict[str, Any]:
    """Plan, check, and return the figures."""
    points = []
    for service in wanted:
        found = operating_points(table, GPU, service, RULES)
        if not isinstance(found, tuple):
            raise SystemExit(found.message)
        points.append(found)
    demand = RateDemand(GPU, tuple(wanted), tuple(points))
    begin = time.perf_counter()
    baseline = greedy(demand)
    between = time.perf_counter()
    outcome = fewest_gpus(demand, solve, LIMITS)
    end = time.perf_counter()
    plan = outcome.plan
    if plan is None or rate_faults(GPU, wanted, table, RULES, plan) or rates_missed(wanted, plan):
        raise SystemExit("the plan does not keep what it promises")
    fewer = max(1, int(outcome.objective * 0.7))
    most = most_served(demand, fewer, solve, LIMITS)
    last = time.perf_counter()
    return {
        "services": len(wanted),
        "gpus": int(outcome.objective),
        "bound": outcome.bound,
        "proved": outcome.proved,
        "greedy_gpus": len(baseline.layouts),
        "plan_s": round(end - between, 2),
        "greedy_s": round(between - begin, 2),
        "fewer_gpus": fewer,
        "served": round(most.objective, 3),
        "served_proved": most.proved,
        "served_s": round(last - end, 2),
    }


def main() -> int:
    """Measure, print, compare with the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    budget = tomllib.loads((HERE / "budgets.toml").read_text())["rates"]
    data = Path(os.environ.get("TENANTRY_SHARED") or HERE.parent.parent / "shared") / "profiles" / "parvagpu"
    results: list[dict[str, Any]] = []
    for number in ("1", "2", "3") if data.is_dir() else ():
        table, wanted, known = published(data, number)
        results.append({"demand": f"published {number}", "published_gpus": known, **planned(table, wanted)})
    for services in (20, 60, 200):
        for seed in (1, 2, 3):
            results.append({"demand": f"made up {services}/{seed}", **planned(*made_up(services, seed))})
    for row in results:
        proof = "proved" if row["proved"] else f"bound {row['bound']:g}"
        beside = f", published {row['published_gpus']}" if "published_gpus" in row else ""
        print(
            f"{row['demand']:<14} {row['services']:>4} services: {row['gpus']:>4} GPUs ({proof}) in "
            f"{row['plan_s']:.2f} s; greedy {row['greedy_gpus']}{beside}; "
            f"{row['served']:.2f} served on {row['fewer_gpus']} in {row['served_s']:.2f} s"
        )
    slowest = max(row["plan_s"] for row in results)
    print(f"slowest plan {slowest:.2f} s, budget {budget['plan_s']:g} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"results": results}, indent=2) + "\n")
    return int(slowest > budget["plan_s"] or not all(row["proved"] for row in results))


if __name__ == "__main__":
    sys.exit(main())
