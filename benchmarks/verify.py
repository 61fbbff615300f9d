"""Measures the whole proof, every channel, on generated clusters, and how it grows.

A cluster has tenants with ten namespaces each; each namespace has pods, nine network policies, two quotas, roles and
role bindings, a service account and a Service. ``--pods`` is the number of pods in one namespace.

Beside them a compiled platform, that of the compile benchmark with 400 tenants: deciding one tenant for all that differ
in names only against deciding each, in the same run.

Run: ``python benchmarks/verify.py [--tenants 100] [--pods 100] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "safe")]

from compile import make_spec
from tenantry.app.verify import spec_subject
from tenantry.exec.garbage import keeping_all
from tenantry.model.manifest import Manifest
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.channels import CHANNELS
from tenantry.safe.verify import verify, verify_once
from tenantry.safe.view import View
from verify_network import NAMESPACES, PLACE, build

Body = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def _object(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Body:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _access(tenant: str, namespace: str) -> list[Body]:
    rules = [{"apiGroups": ["", "apps", "batch"], "resources": ["pods", "configmaps", "deployments", "jobs"],
              "verbs": ["get", "list", "watch", "create", "delete"]}]  # fmt: skip
    group = [{"kind": "Group", "apiGroup": RBAC, "name": f"{tenant}-team"}]
    account = [{"kind": "ServiceAccount", "name": "runner", "namespace": namespace}]
    reader = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    own = {"apiGroup": RBAC, "kind": "Role", "name": "worker"}
    return [
        _object(f"{RBAC}/v1", "Role", "worker", namespace, rules=rules),
        _object(f"{RBAC}/v1", "RoleBinding", "worker", namespace, roleRef=own, subjects=group),
        _object(f"{RBAC}/v1", "RoleBinding", "viewer", namespace, roleRef=reader, subjects=group),
        _object(f"{RBAC}/v1", "RoleBinding", "runner", namespace, roleRef=own, subjects=account),
        _object(f"{RBAC}/v1", "RoleBinding", "runner-view", namespace, roleRef=reader, subjects=account),
        _object("v1", "ServiceAccount", "runner", namespace),
    ]


def _rest(namespace: str) -> list[Body]:
    hard = {"requests.cpu": "64", "limits.cpu": "64", "requests.memory": "1Ti", "limits.memory": "1Ti", "pods": "200",
            "requests.ephemeral-storage": "1Ti", "limits.ephemeral-storage": "1Ti", "requests.nvidia.com/gpu": "8",
            "persistentvolumeclaims": "20", "requests.storage": "10Ti"}  # fmt: skip
    counts = {"count/jobs.batch": "100", "count/deployments.apps": "100", "configmaps": "200", "secrets": "200"}
    service = {"selector": {"role": "api"}, "ports": [{"port": 8080}]}
    return [
        _object("v1", "ResourceQuota", "compute", namespace, spec={"hard": hard}),
        _object("v1", "ResourceQuota", "objects", namespace, spec={"hard": counts}),
        _object("v1", "Service", "api", namespace, spec=service),
    ]


def cluster(tenants: int, pods: int) -> tuple[Snapshot, Tenancy]:
    """Return the objects of a cluster and who owns what."""
    bodies, owned = build(tenants, pods, 0)
    for body in bodies:
        if body["kind"] == "Namespace":
            body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    for tenant, namespaces in owned.items():
        for namespace in namespaces:
            bodies += _access(tenant, namespace) + _rest(namespace)
    identities = tuple(TenantIdentity(name, names, (f"{name}-team",)) for name, names in sorted(owned.items()))
    return Snapshot([Manifest(body, PLACE) for body in bodies]), Tenancy(identities)


def measure(tenants: int, pods: int) -> dict[str, Any]:
    """Verify one cluster in this process and return its figures."""
    snapshot, tenancy = cluster(tenants, pods)
    facts: dict[str, str | bool] = {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True}
    declared = Declared(facts={name: SignedFact(name, value, "seen", "Grace") for name, value in facts.items()})
    gc.collect()
    # One thread: seconds of CPU are what it takes on a machine that does nothing else.
    begin = time.process_time()
    claims = verify(View(snapshot, tenancy, declared, Strength.ADVERSARIAL), CHANNELS)
    seconds = time.process_time() - begin
    kinds = [manifest.key for manifest in snapshot]
    return {
        "tenants": tenants,
        "namespaces": tenants * NAMESPACES,
        "pods": tenants * NAMESPACES * pods,
        "networkPolicies": sum(key.kind == "NetworkPolicy" for key in kinds),
        "rbacObjects": sum(key.group == RBAC for key in kinds),
        "claims": len(tuple(claims)),
        "total_s": round(seconds, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def measure_platform(tenants: int) -> dict[str, Any]:
    """Verify a compiled platform with and without its twins and return seconds of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        make_spec(Path(folder), tenants, 20)
        subject = spec_subject(Path(folder))
    views = [View(subject.snapshot, subject.tenancy, Declared(), Strength.ADVERSARIAL) for _ in range(2)]
    seconds = []
    with keeping_all():
        for decide, view in zip((verify_once, verify), views, strict=True):
            begin = time.process_time()
            claims = decide(view, CHANNELS)
            seconds.append(time.process_time() - begin)
            print(f"{decide.__name__}: {len(claims)} claims, {seconds[-1]:.1f} s", file=sys.stderr)
    return {"tenants": tenants, "once_s": round(seconds[0], 2), "ratio": round(seconds[0] / seconds[1], 3)}


def main() -> None:
    """Measure a tenth, a third and the whole size, print a table and compare with the budgets."""
    parser = argparse.ArgumentParser(description="Measure the whole proof.")
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help="measure this size only, in this process")
    parser.add_argument("--platform", type=int, default=0, metavar="N", help="measure a platform of N tenants only")
    options = parser.parse_args()
    if options.platform:
        print(json.dumps(measure_platform(options.platform)))
        return
    if options.one:
        print(json.dumps(measure(options.tenants, options.pods)))
        return
    sizes = [max(1, options.tenants // 10), max(1, options.tenants // 3), options.tenants]
    rows = [_in_process("--one", "--tenants", size, "--pods", options.pods) for size in sizes]
    print("  ".join(f"{name:>15}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>15}" for value in row.values()))
    growth = (rows[-1]["total_s"] / rows[-1]["pods"]) / (rows[0]["total_s"] / rows[0]["pods"])
    print(f"time per pod, largest against smallest: {growth:.2f}")
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["verify"]
    for key in ("total_s", "peak_mib"):
        print(f"{key}: {rows[-1][key]} of at most {budget[key]}: {'ok' if rows[-1][key] <= budget[key] else 'OVER'}")
    compiled = _in_process("--platform", 400)
    most = budget["platform"]["ratio"]
    print(f"a platform of 400 tenants: {compiled['once_s']} s, {compiled['ratio']} of deciding each, at most {most}")
    if options.json:
        body = {"rows": rows, "growth": round(growth, 3), "platform": compiled}
        options.json.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def _in_process(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
