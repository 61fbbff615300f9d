"""How long it takes to plan a change of a large platform.

    python benchmarks/plan.py [--tenants 1000] [--pools 20] [--no-verify] [--json FILE]

The spec is that of the compile benchmark: 1,000 tenants in 2,000 namespaces on 20 pools of ten servers. Three changes
are planned: the limit of one tenant, the group that works for one tenant, which every proof reads, and the driver with
the limit of every tenant. Seconds that elapse, by part: on two cores one side is verified in a process of its own, so
what they say counts on an idle machine only. ``cpu_s`` is what all processes together took.

Beside them, as somebody runs them: ``tenantry compile`` of one side, and ``tenantry plan`` of the limit of one tenant.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from compile import make_spec
from tenantry.app.plan import PlanQuestion, plan_specs
from tenantry.app.spec import load
from tenantry.errors import ExitCode

HERE = Path(__file__).parent
CASES = ("one_tenant", "one_group", "everybody")


def edited(old: Path, new: Path, case: str) -> None:
    """Copy a spec and change it."""
    shutil.copytree(old, new)
    if case == "everybody":
        platform = new / "platform.yaml"
        platform.write_text(platform.read_text("utf-8") + "  driver:\n    version: 580.126.20\n", "utf-8")
    before, after = ("group: team-", "group: staff-") if case == "one_group" else ("limit: 8", "limit: 6")
    for number, file in enumerate(sorted((new / "tenants").iterdir())):
        if case == "everybody" or not number:
            text = file.read_text("utf-8")
            changed = text.replace(before, after, 1)
            if changed == text:
                raise SystemExit(f"{file} has no {before!r} to change")
            file.write_text(changed, "utf-8")


def measure(old: Path, new: Path, *, verify: bool) -> dict[str, Any]:
    """Plan once, part by part."""
    start = last = time.perf_counter()
    spent = os.times()
    parts: dict[str, Any] = {}
    doing = "loading"

    def lap(text: str = "") -> None:
        nonlocal last, doing
        now = time.perf_counter()
        parts[f"{doing.split(maxsplit=1)[0]}_s"] = round(now - last, 2)
        last, doing = now, text

    was, now = load(old), load(new)
    made = plan_specs(was, now, "old", "new", PlanQuestion(verify=verify), progress=lap)
    lap()
    cpu = sum(after - before for before, after in zip(spent[:4], os.times()[:4], strict=True))
    parts |= {"elapsed_s": round(last - start, 2), "cpu_s": round(cpu, 2)}
    return {**parts, "effects": len(made.effects), "objects": len(made.objects), "summary": made.summary}


def command(*arguments: object) -> float:
    """Run a command of Tenantry; return the seconds that elapse."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "tenantry", *map(str, arguments)], capture_output=True, check=False)
    # A plan that does something ends with 2 or 3.
    if done.returncode not in {ExitCode.CLEAN, ExitCode.FINDINGS, ExitCode.UNSAFE}:
        raise SystemExit(done.stderr.decode())
    return round(time.perf_counter() - start, 2)


def main() -> int:
    """Measure, print, compare with the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--no-verify", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    budgets = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["plan"]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        old.mkdir()
        make_spec(old, options.tenants, options.pools)
        for case in CASES:
            new = Path(folder) / case
            edited(old, new, case)
            # A process of its own each time: a large heap of one would slow down the next.
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                results[case] = apart.submit(measure, old, new, verify=not options.no_verify).result()
            print(f"{case:12} " + "  ".join(f"{key} {value}" for key, value in results[case].items()))
        compiled = command("compile", old, "--out", Path(folder) / "tree")
        planned = command("plan", old, Path(folder) / "one_tenant", *(["--no-verify"] if options.no_verify else []))
        results["commands"] = {"compile_s": compiled, "plan_s": planned, "ratio": round(planned / compiled, 2)}
        print(f"{'commands':12} " + "  ".join(f"{key} {value}" for key, value in results["commands"].items()))
    missed = []
    for case in (*CASES, "commands"):
        for part, budget in budgets[case].items():
            if results[case].get(part, 0) > budget:
                missed.append(f"{case}: {part} {results[case][part]}, budget {budget}")
    if options.json:
        body = {"tenants": options.tenants, "pools": options.pools, "verify": not options.no_verify, "results": results}
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    for line in missed:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
