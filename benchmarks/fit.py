"""How long it takes to decide whether a large spec fits its hardware.

    python benchmarks/fit.py [--tenants 200] [--pools 20] [--json FILE]

Every pool has ten servers of eight GPUs; half are partitioned. Each tenant is guaranteed something in two pools and has
two workloads with pods of 1 to 8 GPUs, so that guarantees have to be packed. Three specs are measured: one whose
guarantees hold, the same with a node of the platform lost, and one whose sums fit and whose pods do not, with changes
tried. Beside each: the time to resolve and check the spec, which every command needs first.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from tenantry.app.fit import rebuild
from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.efficient.fit import FitResult, fit
from tenantry.efficient.fit.work import NO_LOSS, Loss
from tenantry.model.spec import API_VERSION, Platform, Spec, Tenant, Workload

HERE = Path(__file__).parent
SERVERS = 10


def make_spec(tenants: int, pools: int, *, tight: bool) -> Spec:
    """Make a spec in memory; ``tight`` guarantees pods of six and four that do not share servers."""
    node_pools: list[dict[str, Any]] = []
    for index in range(pools):
        pool: dict[str, Any] = {"name": f"pool-{index:02d}", "server": "dell-xe9680-h200", "count": SERVERS}
        if index % 2:
            pool["sharing"] = {"mode": "mig", "layouts": [{"profiles": {"1g.18gb": 7}}]}
        node_pools.append(pool)
    platform = {
        "distribution": "openshift", "version": "4.20", "nodePools": node_pools,
        "gitops": {"repository": "https://git.example.com/large.git"},
    }  # fmt: skip
    teams, work = [], []
    for index in range(tenants):
        whole, parts = node_pools[(2 * index) % pools]["name"], node_pools[(2 * index + 1) % pools]["name"]
        # A pool of 80 GPUs has 2 * tenants / pools tenants, 20 by default, with 4 each.
        share = max(1, 8 * SERVERS * pools // (2 * tenants))
        size = (1, 2, 4, 8)[index // pools % 4]
        if tight and whole == "pool-00":
            # Ten pods of six and five of four are 80 GPUs of ten servers, and the pods of four have no place.
            position = 2 * index // pools
            share, size = ((12, 6), (4, 4), (0, 1))[min(position // 5, 2)]
        name = f"tenant-{index:04d}"
        quotas = [
            {"pool": whole, "guaranteed": share, "limit": 8 * SERVERS},
            {"pool": parts, "slices": {"1g.18gb": {"guaranteed": 7 * share // 2, "limit": 56 * SERVERS}}},
        ]
        spec = {
            "department": "all",
            "namespaces": [{"name": name}],
            "quotas": quotas,
            "compute": {"cpu": "512", "memory": "2Ti"},
        }
        teams.append({"metadata": {"name": name}, "spec": spec})
        for number, gpus in enumerate((size, 1)):
            body = {"tenants": [name], "pools": [whole], "gpus": gpus, "pods": 1 + number, "gpuMemory": "60Gi"}
            work.append({"metadata": {"name": f"work-{index:04d}-{number}"}, "spec": body})
    head = {"apiVersion": API_VERSION}
    return Spec(
        Platform.model_validate({**head, "kind": "Platform", "metadata": {"name": "large"}, "spec": platform}),
        tuple(Tenant.model_validate({**head, "kind": "Tenant", **item}) for item in teams),
        workloads=tuple(Workload.model_validate({**head, "kind": "Workload", **item}) for item in work),
    )


def measure(spec: Spec, loss: Loss, *, tries: bool) -> dict[str, Any]:
    """Decide once; seconds of CPU."""
    start = time.process_time()
    cluster, problems = resolve(spec)
    problems += check(cluster)
    if problems:
        raise SystemExit(f"the spec of the benchmark has problems: {problems[0]}")
    resolved = time.process_time()
    answer = fit(cluster, loss=loss, rebuild=rebuild if tries else None)
    return {
        "resolve_s": round(resolved - start, 3),
        "fit_s": round(time.process_time() - resolved, 3),
        "findings": _counts(answer),
        "changes": sum(len(item.changes) for item in answer.found),
    }


def _counts(answer: FitResult) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in answer.found:
        found[item.rule.id] = found.get(item.rule.id, 0) + 1
    return dict(sorted(found.items()))


def main() -> int:
    """Measure, print, compare with the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cases = {
        "holds": (False, NO_LOSS, True),
        "one_node_lost": (False, Loss(1), False),
        "does_not_hold": (True, NO_LOSS, True),
    }
    budgets = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["fit"]
    results, missed = {}, []
    for name, (tight, loss, tries) in cases.items():
        found = measure(make_spec(options.tenants, options.pools, tight=tight), loss, tries=tries)
        results[name] = found
        print(f"{name:14} resolve {found['resolve_s']:6.3f} s  fit {found['fit_s']:6.3f} s  {found['findings']}")
        if found["fit_s"] > budgets[f"{name}_s"]:
            missed.append(f"{name}: {found['fit_s']} s, budget {budgets[f'{name}_s']} s")
    if options.json:
        body = {"tenants": options.tenants, "pools": options.pools, "results": results}
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    for line in missed:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
