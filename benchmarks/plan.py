"""How long it takes to plan a change of a large platform.

    python benchmarks/plan.py [--tenants 1000] [--pools 20] [--no-verify] [--json FILE]

The spec is that of the compile benchmark: 1,000 tenants in 2,000 namespaces on 20 pools of ten servers. Two changes are
planned: the driver with the weight of every tenant, and the limit of one tenant. Beside them: loading and compiling one
side, which a plan cannot do without. Seconds of CPU, by part; those of the processes in which sides are verified count
too. ``two_cores_s`` is what elapses where each of these has a core of its own and nothing else runs.
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
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from compile import make_spec
from tenantry.app import plan as app
from tenantry.app.spec import load
from tenantry.compile.compiler import compile_cluster
from tenantry.plan import plan

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


def _cpu() -> float:
    """Return the seconds of CPU of this process and those it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def measure(old: Path, new: Path, *, verify: bool) -> dict[str, Any]:
    """Plan once, part by part."""
    marks = [_cpu()]
    helped = os.times().children_user + os.times().children_system

    def lap() -> float:
        marks.append(_cpu())
        return round(marks[-1] - marks[-2], 2)

    was, now = load(old), load(new)
    parts = {"load_s": lap()}
    sides = [
        app._side(checked, compile_cluster(checked.cluster), name) for checked, name in ((was, "old"), (now, "new"))
    ]
    parts["compile_s"] = lap()
    if verify:
        today = date.today()
        sides = list(app._verified(sides[0], sides[1], was.spec, now.spec, today))
        parts["verify_s"] = lap()
    sides = [app._fitted(side, side.cluster) for side in sides]
    parts["fit_s"] = lap()
    made = plan(replace(sides[0]), replace(sides[1]))
    parts["plan_s"] = lap()
    parts["total_s"] = round(marks[-1] - marks[0], 2)
    helped = os.times().children_user + os.times().children_system - helped
    parts["two_cores_s"] = round(parts["total_s"] - helped / 2, 2)
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
        start = time.process_time()
        compile_cluster(load(old).cluster)
        results["one_compile_s"] = round(time.process_time() - start, 2)
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
