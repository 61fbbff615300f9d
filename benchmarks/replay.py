"""How fast made-up jobs are replayed, as the code stands and compiled, and how much memory that takes.

    python benchmarks/replay.py [--case NAME ...] [--json FILE]

Jobs have the sizes and durations of a published cluster and come from 16 tenants of unequal size in 4 departments, with
equal quotas that add up to the cluster; a tenth of them may not be evicted and has a higher priority. Each replay runs
in a process of its own, and a way as often as it is named; both ways must give the same log. Jobs are made before the
clock starts, and what is compiled is loaded before it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TENANTS, DEPARTMENTS = 16, 4
# Profile, load, days, nodes of 8 GPUs, ways.
CASES: dict[str, tuple[str, float, float, int, tuple[str, ...]]] = {
    "usual": ("philly", 0.95, 5.0, 1_000, ("plain", "compiled")),
    "preempting": ("seren", 0.8, 1.7, 1_000, ("plain", "compiled")),
    "large": ("philly", 0.95, 4.85, 10_000, ("compiled",)),
}


def replayed(case: str, way: str) -> dict[str, Any]:
    """Replay one case one way."""
    from tenantry.fair.kai.scheduler import KaiScheduler
    from tenantry.fair.profiles import TenantMix
    from tenantry.fair.replay.kernel.compiled import compiled_advance
    from tenantry.fair.replay.kernel.run import replay_fast
    from tenantry.fair.replay.log import Happening
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.synthetic import synthetic
    from tenantry.model.job_table import JobTable
    from tenantry.model.moment import Node
    from tenantry.model.queue import Entitled, Queue

    profile, load, days, nodes, _ = CASES[case]
    gpus = nodes * 8
    mixes = [
        TenantMix(name=f"t{number}", jobs=1 / (1 + number % 5), gpu_time=1 / (1 + number % 5))
        for number in range(TENANTS)
    ]
    table = JobTable.build(synthetic(7, capacity_gpus=gpus, load=load, days=days, tenants=mixes, profile=profile))
    queues = [Queue(f"d{number}", gpu=Entitled(gpus / DEPARTMENTS, -1, 1)) for number in range(DEPARTMENTS)]
    queues += [
        Queue(mix.name, f"d{number % DEPARTMENTS}", gpu=Entitled(float(gpus // TENANTS), -1, 1))
        for number, mix in enumerate(mixes)
    ]
    cluster = tuple(Node(f"n{number}", gpus=8.0) for number in range(nodes))
    setup = Setup(cluster, tuple(queues), {mix.name: mix.name for mix in mixes})
    if way == "compiled":
        compiled_advance()
    begin = time.process_time()
    log = replay_fast(setup, table, KaiScheduler(), compiled=way == "compiled")
    taken = time.process_time() - begin
    digest = hashlib.sha256()
    for column in (log.time, log.happening, log.job, log.gpus, log.cause, log.detail):
        digest.update(column.tobytes())
    return {
        "case": case, "way": way, "jobs": len(table), "nodes": nodes, "cpu_s": round(taken, 2),
        "jobs_per_s": round(len(table) / taken), "cycles": log.cycles,
        "evictions": sum(item == Happening.EVICT for item in log.happening),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "log": digest.hexdigest()[:16],
    }  # fmt: skip


def main() -> None:
    """Measure, print and compare with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="this case only; may be repeated")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(replayed(options.case[0], options.way)))
        return
    rows: list[dict[str, Any]] = []
    for case in options.case or CASES:
        for way in CASES[case][-1]:
            command = [sys.executable, __file__, "--case", case, "--way", way]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        if len({row["log"] for row in rows if row["case"] == case}) > 1:
            raise SystemExit(f"{case}: the two ways give different logs")
    budgets = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["replay"]
    for row in rows:
        least = budgets[f"{row['case']}_{row['way']}_jobs_per_s"]
        print(f"{row['case']} {row['way']}: {row['jobs_per_s']} jobs/s of at least {least}: "
              f"{'ok' if row['jobs_per_s'] >= least else 'UNDER'}")  # fmt: skip
        if row["case"] == "large":
            print(f"large: {row['peak_mib']} MiB of at most {budgets['large_peak_mib']}")
    if options.json:
        options.json.write_text(json.dumps({"replays": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
