"""How long it takes to plan a change of a large platform.

    python benchmarks/plan.py [--tenants 1000] [--pools 20] [--no-verify] [--json FILE]

The spec is that of the compile benchmark: 1,000 tenants in 2,000 namespaces on 20 pools of ten servers. Two changes are
planned: the driver with the weight of every tenant, and the limit of one tenant. Beside them: loading and compiling one
side, which a plan cannot do without. Seconds that elapse, by part: on two cores one side is verified in a process of
its own, so what they say counts on an idle machine only. ``cpu_s`` is what all processes together took.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from compile import make_spec
from tenantry.app.plan import PlanQuestion, plan_specs
from tenantry.app.spec import load
from tenantry.compile.compiler import compile_cluster

HERE = Path(__file__).parent


def edited(old: Path, new: Path, case: str) -> None:
    """Copy a spec and change it."""
    shutil.copytree(old, new)
    if case == "everybody":
        platform = new / "platform.yaml"
        platform.write_text(platform.read_text("utf-8") + "  driver:\n    version: 580.126.20\n", "utf-8")
    for number, file in enumerate(sorted((new / "tenants").iterdir())):
        if case == "everybody" or not number:
            text = file.read_text("utf-8")
            changed = text.replace("limit: 8", "limit: 6", 1)
            if changed == text:
                raise SystemExit(f"{file} has no limit to change")
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
        start = time.perf_counter()
        compile_cluster(load(old).cluster)
        results["one_compile_s"] = round(time.perf_counter() - start, 2)
        print(f"loading and compiling one side {results['one_compile_s']:6.2f} s")
        for case in ("everybody", "one_tenant"):
            new = Path(folder) / case
            edited(old, new, case)
            results[case] = measure(old, new, verify=not options.no_verify)
            print(f"{case:12} " + "  ".join(f"{key} {value}" for key, value in results[case].items()))
    missed = []
    for case in ("everybody", "one_tenant"):
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
