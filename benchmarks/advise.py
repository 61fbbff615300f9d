"""Measures advice on how to share GPUs: many classes of work, each in the node pools it may run in.

Classes are drawn from a fixed seed: memory, pattern, trust, burstiness, and speeds on some slices; some may run in one
pool, some in all six, which have different GPUs. The files are written to a temporary folder and read as by
``tenantry advise``; times are those of the CPU. Deciding without words and changes is timed apart.

Run: ``python benchmarks/advise.py [--classes 200] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from tenantry.app.advise import advise_spec
from tenantry.app.spec import load
from tenantry.cli.render.advice import RENDERERS
from tenantry.efficient.advise import decide, gather
from tenantry.io.yaml_write import dump

HERE = Path(__file__).parent
POOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "h200": ("h200-sxm", {"mode": "mig", "layouts": [{"profiles": {"3g.71gb": 2}}]}),
    "a100": ("a100-80", {"mode": "mig", "layouts": [{"profiles": {"1g.10gb": 7}}]}),
    "b200": ("b200", {"mode": "whole"}),
    "gh200": ("gh200-96", {"mode": "whole"}),
    "l40s": ("l40s", {"mode": "time-slicing", "replicas": 4}),
    "a30": ("a30", {"mode": "whole"}),
}
PROFILES = {
    "h200": ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb"),
    "a100": ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb"),
    "a30": ("1g.6gb", "2g.12gb"),
}
ENVELOPE = {"apiVersion": "tenantry.dev/v1alpha1"}


def platform() -> dict[str, Any]:
    """A platform with pools of six GPU models."""
    pools = [
        {"name": name, "server": "generic", "gpu": {"model": gpu, "count": 8}, "count": 4, "sharing": sharing}
        for name, (gpu, sharing) in POOLS.items()
    ]
    spec = {
        "distribution": "openshift",
        "version": "4.20",
        "gitops": {"repository": "https://git.example.com/tree.git"},
        "nodePools": pools,
    }
    return {**ENVELOPE, "kind": "Platform", "metadata": {"name": "bench"}, "spec": spec}


def tenant() -> dict[str, Any]:
    """The team that runs everything."""
    quotas = [
        {"pool": name, "slices": {next(iter(sharing["layouts"][0]["profiles"])): {"guaranteed": 1, "limit": 8}}}
        if sharing["mode"] == "mig"
        else {"pool": name, "guaranteed": 1, "limit": 8}
        for name, (_, sharing) in POOLS.items()
    ]
    spec = {"department": "research", "namespaces": [{"name": "team"}], "quotas": quotas}
    return {**ENVELOPE, "kind": "Tenant", "metadata": {"name": "team"}, "spec": spec}


def workload(number: int, draw: random.Random) -> dict[str, Any]:
    """A class of work."""
    pools = sorted(draw.sample(sorted(POOLS), draw.choice([1, 1, 2, 3, 6])))
    spec: dict[str, Any] = {
        "tenants": ["team"],
        "pools": pools,
        "gpuMemory": f"{draw.choice([2, 4, 8, 12, 16, 24, 40, 60, 90, 130])}Gi",
        "pattern": draw.choice(["training", "inference", "interactive", "batch"]),
        "trust": draw.choice(["own-team", "own-team", "any-tenant", "nobody"]),
    }
    if draw.random() < 0.5:
        spec["burstiness"] = draw.choice([1.5, 2.5, 4.0, 10.0])
    if draw.random() < 0.2:
        spec["latency"] = {"percentile": 99, "milliseconds": 50}
    known = [name for pool in pools for name in PROFILES.get(pool, ())]
    if known and draw.random() < 0.7:
        chosen = draw.sample(known, min(len(known), 3))
        spec["speed"] = {"whole": 100.0, **{name: round(draw.uniform(10, 90), 1) for name in chosen}}
    return {**ENVELOPE, "kind": "Workload", "metadata": {"name": f"class-{number:04}"}, "spec": spec}


def measure(classes: int) -> dict[str, float]:
    """Write a spec and time what is done with it."""
    draw = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        documents = [platform(), tenant(), *(workload(number, draw) for number in range(classes))]
        Path(folder, "spec.yaml").write_text("---\n".join(dump(item) for item in documents), "utf-8")
        begin = time.process_time()
        spec = load(Path(folder))
        loaded = time.process_time() - begin
        asked = list(gather(spec.cluster, {}, {}))
        begin = time.process_time()
        for question in asked:
            decide(question.work, question.pool)
        decided = time.process_time() - begin
        begin = time.process_time()
        report = advise_spec(Path(folder))
        total = time.process_time() - begin
        rendered = {}
        for form in ("text", "json", "html"):
            begin = time.process_time()
            RENDERERS[form](report, False)
            rendered[f"{form}_s"] = round(time.process_time() - begin, 3)
    return {
        "classes": classes,
        "places": len(report.advice),
        "cells": sum(len(item.cells) for item in report.advice),
        "changes": sum(len(item.changes) for item in report.advice),
        "load_s": round(loaded, 3),
        "decide_s": round(decided, 3),
        "total_s": round(total, 3),
        "times_deciding_alone": round((total - loaded) / decided, 1),
        **rendered,
    }


def main() -> None:
    """Measure, print and compare with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.classes)
    for key, value in figures.items():
        print(f"{key}: {value}")
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["advise"]
    for key, limit in budget.items():
        print(f"{key}: {figures[key]} of at most {limit}: {'ok' if figures[key] <= limit else 'OVER'}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
