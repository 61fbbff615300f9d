"""How long it takes to compile, check and write a platform of many tenants, and how that grows.

    python benchmarks/compile.py [--tenants 1000] [--pools 20] [--json FILE]

The spec is made by the script, written as YAML, and then goes the way of ``tenantry compile``: read, resolve, check,
compile, serialise, write; and of ``tenantry lint``'s schema check, on the same objects. Beside it the same objects are
dumped with PyYAML's C emitter, as a peer in the same run. Each size runs in a process of its own, so that peak memory
is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def make_spec(folder: Path, tenants: int, pools: int) -> None:
    """Write a spec: half of the pools whole with a fabric, half partitioned; each tenant has quotas in two pools."""
    from tenantry.io.yaml_write import dump

    node_pools = []
    for index in range(pools):
        pool: dict[str, Any] = {"name": f"pool-{index:02d}", "server": "dell-xe9680-h200"}
        pool["hosts"] = [f"node-{index:02d}-{number:03d}" for number in range(10)]
        if index % 2:
            pool["sharing"] = {"mode": "mig", "layouts": [{"profiles": {"1g.18gb": 7}}]}
        node_pools.append(pool)
    rails = [{"name": f"rail{number}", "pci": f"0000:{26 + number:02x}:00.0"} for number in range(4)]
    whole = [pool["name"] for pool in node_pools if "sharing" not in pool]
    fabric = {
        "name": "roce", "type": "ethernet", "nic": "connectx-7", "pools": whole, "subnet": "10.64.0.0/12",
        "rails": rails, "vlans": {"first": 1, "last": 4094},
    }  # fmt: skip
    platform = {
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "large"},
        "spec": {
            "distribution": "openshift", "version": "4.20", "ingressDomain": "apps.example.com",
            "gitops": {"repository": "https://git.example.com/large.git"},
            "nodePools": node_pools, "fabrics": [fabric],
        },
    }  # fmt: skip
    (folder / "platform.yaml").write_text(dump(platform), "utf-8")
    (folder / "tenants").mkdir()
    for index in range(tenants):
        first, second = node_pools[(2 * index) % pools]["name"], node_pools[(2 * index + 1) % pools]["name"]
        tenant = {
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": f"tenant-{index:04d}"},
            "spec": {
                "department": f"department-{index % 25:02d}",
                "contacts": [{"name": "Team", "email": f"team-{index}@example.com"}],
                "namespaces": [{"name": f"team-{index:04d}"}, {"name": f"team-{index:04d}-serve"}],
                "access": [{"group": f"leads-{index}", "role": "admin"}, {"group": f"team-{index}", "role": "edit"}],
                "quotas": [
                    {"pool": first, "guaranteed": 0, "limit": 8},
                    {"pool": second, "slices": {"1g.18gb": {"guaranteed": 1, "limit": 7}}},
                ],
                "priorities": ["batch", "interactive"],
                "network": {
                    "egress": [{"to": ["10.40.0.0/24"], "ports": ["TCP/443"], "reason": "object store"}],
                    "fabrics": [{"name": "roce", "vlan": index + 1, "namespaces": [f"team-{index:04d}"]}],
                },
                "storage": [{"class": "nfs", "capacity": "10Ti"}],
                "repositories": [f"https://git.example.com/team-{index}.git"],
            },
        }  # fmt: skip
        (folder / "tenants" / f"tenant-{index:04d}.yaml").write_text(dump(tenant), "utf-8")


def measure(tenants: int, pools: int, crds: str, folder: Path) -> dict[str, Any]:
    """Run one size in this process, below an empty folder, and return its figures."""
    import yaml

    from tenantry.app.compile import compile_spec, write
    from tenantry.app.lint import schema_set
    from tenantry.io.manifests import read_manifests
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import Location

    spec, out = folder / "spec", folder / "tree"
    spec.mkdir()
    make_spec(spec, tenants, pools)
    # Reading CustomResourceDefinitions is the same work for every size and is not part of the budget.
    definitions = read_manifests([Path(crds)]).manifests if crds else ()
    begin = time.perf_counter()
    tree = compile_spec(spec)
    compiled = time.perf_counter()
    schemas = schema_set(definitions, tree.compilation.cluster.kubernetes_minor)
    bodies = [piece.body for piece in tree.compilation.pieces]
    place = Location("memory")
    issues = [issue for body in bodies for issue in schemas.check(Manifest(body, place))]
    checked = time.perf_counter()
    write(tree, out)
    written = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer_begin = time.perf_counter()
    yaml.dump_all(bodies, Dumper=yaml.CSafeDumper, sort_keys=False)
    peer = time.perf_counter() - peer_begin
    if issues:
        raise SystemExit(f"{len(issues)} schema issues, the first: {issues[0]}")
    total = written - begin
    return {
        "tenants": tenants, "pools": pools, "objects": len(bodies), "files": len(tree.files),
        "compile_s": round(compiled - begin, 3), "schema_s": round(checked - compiled, 3),
        "write_s": round(written - checked, 3), "total_s": round(total, 3), "peak_mib": round(peak, 1),
        "pyyaml_dump_s": round(peer, 3), "ratio_to_pyyaml_dump": round(total / peer, 2),
    }  # fmt: skip


def main() -> None:
    """Measure a quarter, a half and the whole size, print a table and compare with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--crds", default=os.environ.get("TENANTRY_SHARED", "../shared") + "/crds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=Path, metavar="FOLDER", help="measure this size only, in this process")
    options = parser.parse_args()
    crds = options.crds if Path(options.crds).is_dir() else ""
    if options.one:
        print(json.dumps(measure(options.tenants, options.pools, crds, options.one)))
        return
    sizes = [options.tenants // 4, options.tenants // 2, options.tenants]
    # One folder for all sizes: a file system may create files more slowly just after deleting as many.
    with tempfile.TemporaryDirectory() as temporary:
        rows = [_in_process(size, options.pools, crds, Path(temporary) / str(size)) for size in sizes]
    head = ("tenants", "objects", "compile_s", "schema_s", "write_s", "total_s", "peak_mib", "pyyaml_dump_s",
            "ratio_to_pyyaml_dump")  # fmt: skip
    print("  ".join(f"{name:>13}" for name in head))
    for row in rows:
        print("  ".join(f"{row[name]:>13}" for name in head))
    # How long a disk takes to make files and flush them says nothing about how the compiler grows.
    first, last = ((row["compile_s"] + row["schema_s"]) / row["objects"] for row in (rows[0], rows[-1]))
    growth = last / first
    print(f"compile and schema time per object, largest against smallest: {growth:.2f}")
    if not crds:
        print("no CustomResourceDefinitions found: custom resources were not checked")
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["compile"]
    whole = rows[-1]
    for key in ("total_s", "peak_mib"):
        print(f"{key}: {whole[key]} of at most {budget[key]}: {'ok' if whole[key] <= budget[key] else 'OVER'}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "growth": round(growth, 3)}, indent=2) + "\n", "utf-8")


def _in_process(tenants: int, pools: int, crds: str, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    size = ["--tenants", str(tenants), "--pools", str(pools)]
    command = [sys.executable, __file__, "--one", str(folder), *size, "--crds", crds]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
