"""How fast traces are read, held and made, and how much memory that takes.

    python benchmarks/traces.py [--rows 1000000] [--json FILE]

The script writes tables of many rows itself. Each step runs in a process of its own, so that peak memory is its own:
reading without keeping anything, with a table of all jobs in order and out of order, and generating. Beside each reader
stands the csv module alone on the same file, twice, since a reader makes two passes.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def write_simple(path: Path, rows: int) -> None:
    """Write the project's own format, with ids, in order of submission."""
    with path.open("w") as stream:
        stream.write("name,tenant,submit,duration,gpus,priority,outcome,user\n")
        for row in range(rows):
            columns = f"{row * 3},{row % 50_000 + 1},{row % 8 + 1},50,completed,u{row % 1000}"
            stream.write(f"job-{row:08d},team-{row % 20},{columns}\n")


def write_philly(path: Path, rows: int) -> None:
    """Write Philly's table, a job every third second."""
    start = datetime(2017, 8, 7, tzinfo=UTC)
    with path.open("w") as stream:
        stream.write("timestamp,duration,num_gpus,gpu_time,cluster\n")
        for row in range(rows):
            time_of = (start + timedelta(seconds=row * 3)).strftime("%Y-%m-%d %H:%M:%S")
            stream.write(f"{time_of},{row % 50_000 + 1}.0,{row % 8 + 1},1.0,vc{row % 15}\n")


def read(path: Path) -> int:
    """Read a trace and keep nothing."""
    from tenantry.io.traces import open_trace

    return sum(1 for _ in open_trace(path))


def parse(path: Path) -> int:
    """Take a file apart twice and make nothing of it: the least any reader in two passes can do."""
    count = 0
    for _ in range(2):
        with path.open(newline="") as stream:
            count = sum(1 for _ in csv.reader(stream)) - 1
    return count


def hold(path: Path) -> int:
    """Read a trace into a table."""
    from tenantry.io.traces import open_trace
    from tenantry.model.job_table import JobTable

    return len(JobTable.build(open_trace(path)))


def sort(rows: int) -> int:
    """Make a table of jobs that come in no order, many in one second."""
    from tenantry.model.job_table import JobTable
    from tenantry.model.trace import TraceJob

    def jobs() -> Iterator[TraceJob]:
        source = random.Random(1)
        for row in range(rows):
            yield TraceJob(f"job-{row:08d}", f"team-{row % 20}", source.randrange(rows), 1)

    return len(JobTable.build(jobs()))


def make(rows: int) -> int:
    """Generate about as many jobs: with Philly's profile, one has 10.7 GPU-hours."""
    from tenantry.fair.synthetic import synthetic

    return sum(1 for _ in synthetic(1, capacity_gpus=10_000, load=1.0, days=rows * 10.7 / 10_000 / 24))


STEPS: dict[str, tuple[Callable[[Path], int] | Callable[[int], int], str]] = {
    "csv_module_simple": (parse, "simple.csv"),
    "read_simple": (read, "simple.csv"),
    "csv_module_philly": (parse, "philly.csv"),
    "read_philly": (read, "philly.csv"),
    "table_in_order": (hold, "simple.csv"),
    "table_no_order": (sort, ""),
    "synthetic": (make, ""),
}


def measure(step: str, folder: Path, rows: int) -> dict[str, Any]:
    """Run one step in this process and return its figures."""
    work, file = STEPS[step]
    begin, begin_cpu = time.perf_counter(), time.process_time()
    count = work(folder / file if file else rows)  # type: ignore[arg-type]
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "step": step, "jobs": count, "seconds": round(seconds, 2), "cpu_s": round(cpu, 2),
        "jobs_per_cpu_s": round(count / cpu), "peak_mib": round(peak, 1),
    }  # fmt: skip


def main() -> None:
    """Measure every step, print a table and compare with the budgets."""
    parser = argparse.ArgumentParser(description="Measure traces.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=STEPS, help="measure this step only, in this process")
    parser.add_argument("--folder", type=Path, help="where the files are, with --one")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.folder, options.rows)))
        return
    with tempfile.TemporaryDirectory() as name:
        write_simple(Path(name, "simple.csv"), options.rows)
        write_philly(Path(name, "philly.csv"), options.rows)
        rows = [_in_process(step, name, options.rows) for step in STEPS]
    print("  ".join(f"{name:>18}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>18}" for value in row.values()))
    found = {row["step"]: row for row in rows}
    ratios = {
        name: round(found[f"read_{name}"]["cpu_s"] / found[f"csv_module_{name}"]["cpu_s"], 2)
        for name in ("simple", "philly")
    }
    print(f"time to the csv module alone: {ratios}")
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["traces"]
    for step, limits in budget.items():
        for key, limit in limits.items():
            value = (
                found[step][key] / (found[step]["jobs"] if key == "cpu_s" else 1) * (1_000_000 if key == "cpu_s" else 1)
            )
            print(f"{step} {key}: {value:.1f} of at most {limit}: {'ok' if value <= limit else 'OVER'}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "ratios": ratios}, indent=2) + "\n", "utf-8")


def _in_process(step: str, folder: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", step, "--folder", folder, "--rows", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
