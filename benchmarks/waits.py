"""Replays the Philly trace with the quotas of its virtual clusters: who waits how long under which policy.

    python benchmarks/waits.py [--nodes 80 100 125] [--policy NAME ...] [--json FILE]

Every virtual cluster is a queue below the root. Its quota and weight are its part of the nodes published for the
clusters, scaled to the cluster at hand; clusters without published nodes have no quota and the smallest weight. All
jobs have one priority and may be evicted, save a checkpoint every hour, and take 30 s to leave. Fair share is the model
of the KAI scheduler, the static partition gives every queue its part for good, and FIFO is strict: nobody overtakes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.kernel.compiled import compiled_advance
from tenantry.fair.replay.log import Happening, Log
from tenantry.fair.replay.policies import fair_share, fifo, static_partition
from tenantry.fair.replay.run import run_replay
from tenantry.fair.replay.setup import Setup
from tenantry.io.traces import open_trace
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import Entitled, Queue

GPUS = 8
POLICIES = {"fair-share": fair_share, "static-partition": static_partition, "fifo": fifo}


def setup_for(nodes: int, published: dict[str, int], tenants: Sequence[str]) -> Setup:
    """Return a cluster of so many nodes whose queues have the parts of the virtual clusters."""
    total, least = sum(published.values()), min(published.values())
    queues = []
    for name in sorted(tenants):
        quota = float(nodes * GPUS * published.get(name, 0) // total)
        queues.append(Queue(name, gpu=Entitled(quota, -1.0, float(published.get(name, least)))))
    names = {name: name for name in tenants}
    return Setup(tuple(Node(f"node-{number:03d}", gpus=float(GPUS)) for number in range(nodes)), tuple(queues), names)


def waits(log: Log, table: JobTable) -> array[int]:
    """Seconds from submission to the first start of every job, -1 for those that never start."""
    found = array("q", [-1]) * len(table)
    for time_of, happening, job in zip(log.time, log.happening, log.job, strict=True):
        if happening == Happening.RUN and found[job] < 0:
            found[job] = time_of - table.submit[job]
    return found


def percentile(ordered: Sequence[int], part: float) -> int:
    """The value that so large a part of sorted values does not exceed."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0


def replayed(setup: Setup, table: JobTable, name: str) -> dict[str, Any]:
    """Replay under one policy; return what came of it."""
    policy = POLICIES[name](setup, KaiScheduler())
    begin = time.process_time()
    log = run_replay(policy.setup, table, policy.scheduler)
    taken = time.process_time() - begin
    waited = waits(log, table)
    started = sorted(wait for wait in waited if wait >= 0)
    small = sorted(wait for wait, gpus in zip(waited, table.gpus, strict=True) if wait >= 0 and gpus <= 1000)
    ends = [when for when, happening in zip(log.time, log.happening, strict=True) if happening == Happening.FINISH]
    lost = sum(
        seconds * table.gpus[job] * table.pods[job]
        for happening, job, seconds in zip(log.happening, log.job, log.detail, strict=True)
        if happening == Happening.LOSE
    )
    return {
        "policy": name, "started": len(started), "finished": len(ends), "mean_s": round(fmean(started)),
        "p50_s": percentile(started, 0.5), "p95_s": percentile(started, 0.95), "p99_s": percentile(started, 0.99),
        "one_gpu_p95_s": percentile(small, 0.95), "evictions": sum(item == Happening.EVICT for item in log.happening),
        "lost_gpu_h": round(lost / 1000 / 3600), "days": round((log.end - table.submit[0]) / 86400, 1),
        "cycles": log.cycles, "cpu_s": round(taken, 1), "jobs_per_s": round(len(table) / taken),
    }  # fmt: skip


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TENANTRY_SHARED", "../shared")))
    parser.add_argument("--nodes", type=int, nargs="+", default=[80, 100, 125])
    parser.add_argument("--policy", action="append", choices=tuple(POLICIES), help="this policy only; may be repeated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = options.data / "traces" / "philly"
    if not folder.is_dir():
        print(f"no trace in {folder}; set TENANTRY_SHARED: nothing was measured")
        return
    with (folder / "vc_nodes.csv").open(encoding="utf-8", newline="") as stream:
        published = {row["vc"]: int(row["node num"]) for row in csv.DictReader(stream)}
    table = JobTable.build(open_trace(folder / "jobs.csv"))
    print(f"{len(table)} jobs of {len(table.tenants)} virtual clusters", file=sys.stderr)
    begin = time.process_time()
    body: dict[str, Any] = {"jobs": len(table), "compiled": compiled_advance() is not None}
    body["compiling_cpu_s"] = round(time.process_time() - begin, 1)
    rows: list[dict[str, Any]] = []
    for nodes in options.nodes:
        setup = setup_for(nodes, published, table.tenants)
        for name in options.policy or POLICIES:
            rows.append({"nodes": nodes, **replayed(setup, table, name)})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    body["replays"] = rows
    body["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if options.json:
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
