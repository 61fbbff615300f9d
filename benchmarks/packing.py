"""Packs the published traces under every policy and seed: how long it takes, how near it comes to what is published.

    python benchmarks/packing.py [--trace NAME ...] [--policy NAME ...] [--seeds 10] [--json FILE]

One run after another in this process, compiled. The first run of a fresh process is timed apart, with nothing compiled
before and with everything. Runs as they stand, without compiling, are timed with one seed. The peer is plain scoring of
all nodes for every pod (``tests/fair/naive_packing.py``) on every 20th node, as the whole cluster takes it hours; both
place the same pods and must place them alike. Published figures are read from the data root.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from statistics import fmean, median
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "fair")]

from naive_packing import pack_naively

from tenantry.fair.packing.compiled import functions
from tenantry.fair.packing.draws import Draws
from tenantry.fair.packing.layout import lay_out
from tenantry.fair.packing.policies import NAMES, RANDOM, Ties
from tenantry.fair.packing.run import execute, pack
from tenantry.fair.packing.workload import arriving, typical_pods
from tenantry.io.packing_lists import read_nodes, read_pods
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode

LOADS = (90, 100, 130)
COLUMN = "allocated_percent_at_arrival_"
EVERY = 20
"""Plain scoring is timed on every so many-th node."""

Published = dict[tuple[str, str], dict[int, dict[int, float]]]


def published(folder: Path) -> Published:
    """Read the percent allocated by load and seed, for each trace and policy."""
    found: Published = defaultdict(dict)
    with (folder / "published_allocation.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            figures = {int(name.removeprefix(COLUMN)): float(row[name]) for name in row if COLUMN in name}
            found[row["trace"], row["policy"].partition("-")[2]][int(row["seed"])] = figures
    return found


def compare(
    case: tuple[str, str], nodes: list[TraceNode], pods: list[PackingPod], expected: dict[int, dict[int, float]]
) -> dict[str, Any]:
    """Run all seeds of a trace and policy, and hold them against what is published."""
    trace, policy = case
    seconds, runs = [], {}
    for seed in sorted(expected):
        begin = time.perf_counter()
        run = pack(nodes, pods, policy, seed=seed)
        seconds.append(time.perf_counter() - begin)
        runs[seed] = {level.arrived: level.allocated for level in run.levels}
    means = {load: fmean(figures[load] for figures in runs.values()) for load in LOADS}
    differences = {load: means[load] - fmean(figures[load] for figures in expected.values()) for load in LOADS}
    figures = [abs(runs[seed][load] - value) for seed in expected for load, value in expected[seed].items()]
    return {
        "trace": trace, "policy": policy, "seeds": len(runs), "run_s": round(median(seconds), 3),
        "slowest_run_s": round(max(seconds), 3),
        **{f"at_{load}": round(value, 3) + 0.0 for load, value in differences.items()},
        # A published figure was rounded twice to a hundredth.
        "figures": len(figures), "figures_alike": sum(figure <= 0.011 for figure in figures),
    }  # fmt: skip


def against_plain(nodes: list[TraceNode], pods: list[PackingPod]) -> list[dict[str, Any]]:
    """Time plain scoring, the loop as it stands and the loop compiled, on a part of the cluster."""
    few = nodes[::EVERY]
    capacity = sum(node.gpus for node in few) * 1000
    typical = typical_pods(pods)
    rows = []
    for number, policy in enumerate(NAMES):
        draws = Draws(42)
        arrivals = arriving(pods, capacity, 130, draws)
        node_draw, gpu_draw = draws.numbers(len(arrivals)), draws.numbers(len(arrivals))
        begin = time.perf_counter()
        plain = pack_naively(few, arrivals, typical, policy, at_random=False, node_draws=node_draw, gpu_draws=gpu_draw)
        row: dict[str, Any] = {"policy": policy, "nodes": len(few), "pods": len(arrivals)}
        row["plain_s"] = round(time.perf_counter() - begin, 3)
        for name, compiled in (("as_it_stands", False), ("compiled", True)):
            layout = lay_out(few, arrivals, typical)
            layout.arrivals.node_draw[:], layout.arrivals.gpu_draw[:] = node_draw, gpu_draw
            begin = time.perf_counter()
            layout, _ = execute(layout, number, at_random=policy == RANDOM, compiled=compiled)
            taken = time.perf_counter() - begin
            if [int(node) for node in layout.placed.node] != [item.node for item in plain]:
                raise SystemExit(f"{policy}: plain scoring places other pods elsewhere")
            row[f"{name}_s"], row[f"{name}_times_faster"] = round(taken, 4), round(row["plain_s"] / taken)
        rows.append(row)
    return rows


def first_runs(arguments: list[str]) -> dict[str, float]:
    """Time the first run of a fresh process, with nothing compiled before and with everything."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--first", *arguments]
        times = [
            float(subprocess.run(command, check=True, capture_output=True, text=True,
                                 env={**os.environ, "NUMBA_CACHE_DIR": cache}).stdout)
            for _ in range(2)
        ]  # fmt: skip
    return {"cold_s": round(times[0], 2), "warm_s": round(times[1], 2)}


def uncompiled(nodes: list[TraceNode], pods: list[PackingPod]) -> list[dict[str, Any]]:
    """Time a run of each policy as it stands, and of FGD with drawn ties, which fill most nodes by parts."""
    rows = []
    for policy, ties in [*((name, Ties.FIXED) for name in NAMES), ("FGD", Ties.RANDOM)]:
        times = []
        for compiled in (False, True):
            begin = time.perf_counter()
            pack(nodes, pods, policy, seed=42, ties=ties, compiled=compiled)
            times.append(time.perf_counter() - begin)
        rows.append(
            {
                "policy": policy, "ties": str(ties), "as_it_stands_s": round(times[0], 2),
                "compiled_s": round(times[1], 3),
            }
        )  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows of figures under their names."""
    head = list(rows[0])
    cells = [head, *([str(row[name]) for name in head] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(head))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print()


def by_trace(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the largest and the mean distance of means from published ones, for each trace."""
    found = {}
    for trace in dict.fromkeys(row["trace"] for row in rows):
        distances = [
            abs(value) for row in rows if row["trace"] == trace for value in (row[f"at_{load}"] for load in LOADS)
        ]
        found[trace] = {"largest": round(max(distances), 3), "mean": round(fmean(distances), 3)}
    return found


def main() -> None:
    """Measure, print and compare with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TENANTRY_SHARED", "../shared")))
    parser.add_argument("--trace", action="append", help="this trace only; may be repeated")
    parser.add_argument("--policy", action="append", choices=NAMES, help="this policy only; may be repeated")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first", action="store_true", help="time the first run of this process only")
    options = parser.parse_args()
    folder = options.data / "traces" / "openb"
    if not folder.is_dir():
        print(f"no traces in {folder}; set TENANTRY_SHARED: nothing was measured")
        return
    results = published(folder)
    traces = options.trace or sorted({trace for trace, _ in results})
    nodes = read_nodes(folder / "nodes.csv")
    lists = {trace: read_pods(folder / f"pods_{trace}.csv") for trace in traces}
    if options.first:
        begin = time.perf_counter()
        pack(nodes, lists[traces[0]], "FGD", seed=42)
        print(time.perf_counter() - begin)
        return
    if functions() is None:
        print("numba is not installed: every run is timed as it stands")
    body: dict[str, Any] = {"first_run": first_runs(["--data", str(options.data), "--trace", traces[0]])}
    print(f"first run of a process: {body['first_run']}\n")
    pack(nodes, lists[traces[0]], "FGD", seed=42)  # loads what is compiled
    body["runs"] = []
    for case in ((trace, policy) for trace in traces for policy in options.policy or NAMES):
        seeds = dict(sorted(results[case].items())[: options.seeds])
        body["runs"].append(compare(case, nodes, lists[case[0]], seeds))
    table(body["runs"])
    body["distance"] = by_trace(body["runs"])
    for trace, distance in body["distance"].items():
        print(
            f"{trace}: means differ from the published ones by {distance['mean']} points, {distance['largest']} at most"
        )
    print()
    body["uncompiled"] = uncompiled(nodes, lists[traces[0]])
    table(body["uncompiled"])
    body["against_plain"] = against_plain(nodes, lists[traces[0]])
    table(body["against_plain"])
    _hold(body)
    if options.json:
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def _hold(body: dict[str, Any]) -> None:
    """Print what the budgets say of the figures."""
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["packing"]
    found = {
        "run_s": max(row["slowest_run_s"] for row in body["runs"]),
        "uncompiled_run_s": max(row["as_it_stands_s"] for row in body["uncompiled"]),
        "difference_points": max(item["largest"] for item in body["distance"].values()),
    }
    for key, value in found.items():
        print(f"{key}: {value} of at most {budget[key]}: {'ok' if value <= budget[key] else 'OVER'}")


if __name__ == "__main__":
    main()
