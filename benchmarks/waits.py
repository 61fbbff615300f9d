"""Replays the Philly trace with the quotas of its virtual clusters: who waits how long under which policy.

    python benchmarks/waits.py [--nodes 80 100 125] [--policy NAME ...] [--json FILE]

Every virtual cluster is a queue below the root. Its quota and weight are its part of the nodes published for the
clusters, scaled to the cluster at hand; clusters without published nodes have no quota and the smallest weight. All
jobs have one priority and may be evicted, save a checkpoint every hour, and take 30 s to leave. Fair share is the model
of the KAI scheduler, the static partition gives every queue its part for good, and FIFO is strict: nobody overtakes.
A job that never starts counts with as long as it has waited at the end, and ``at_least`` names what that makes a bound.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.measures import measure
from tenantry.fair.measures.result import gpu_hours
from tenantry.fair.replay.kernel.compiled import compiled_advance
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


def replayed(setup: Setup, table: JobTable, name: str) -> dict[str, Any]:
    """Replay under one policy; return what came of it."""
    policy = POLICIES[name](setup, KaiScheduler())
    begin = time.process_time()
    log = run_replay(policy.setup, table, policy.scheduler)
    taken = time.process_time() - begin
    result = measure(log, table, setup)
    cluster, window = result.cluster, result.window
    first, small = cluster.waits[0].first, cluster.waits[1].first
    assert first is not None
    assert small is not None
    return {
        "policy": name, "finished": cluster.jobs.finished, "never_started": cluster.jobs.waiting,
        "mean_s": round(first.mean), "p50_s": first.p50, "p95_s": first.p95, "p99_s": first.p99,
        "at_least": list(first.at_least), "one_gpu_p95_s": small.p95, "evictions": cluster.evictions.count,
        "lost_gpu_h": round(gpu_hours(cluster.evictions.lost)), "days": round((window.end - window.start) / 86400, 1),
        "cycles": window.cycles, "cpu_s": round(taken, 1), "jobs_per_s": round(len(table) / taken),
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
