"""Measures the proof of the pod network on generated clusters, how it grows, and a plain evaluation beside it.

A cluster has tenants with ten namespaces each, nine network policies per namespace and pods with labels nobody selects
by beside those that count. ``--holes`` seeds pairs of network policies that together let one tenant through.

Run: ``python benchmarks/verify_network.py [--tenants 100] [--pods 100] [--strength adversarial] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "safe"))

from naive_network import NaiveNetwork, pods_of

from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.network.reach import PodNetwork
from tenantry.safe.view import View

Body = dict[str, Any]

NAMESPACES = 10
ROLES = ("web", "worker", "cache", "loader", "api")
PLACE = Location("cluster.yaml")


def policy(namespace: str, name: str, spec: Body) -> Body:
    """Return a network policy."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def policies(tenant: str, namespace: str, index: int) -> list[Body]:
    """Return the nine network policies of a namespace; ``index`` varies them a little."""
    own = {"namespaceSelector": {"matchLabels": {"tenant": tenant}}}
    app = {"matchLabels": {"app": f"a{index % 8}"}}
    web = {"namespaceSelector": own["namespaceSelector"], "podSelector": {"matchLabels": {"role": "web"}}}
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    both = ["Ingress", "Egress"]
    apps = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a1", "a2"]}]}
    scraped = [{"from": [monitoring], "ports": [{"port": 9400}]}]
    return [
        policy(namespace, "default-deny", {"podSelector": {}, "policyTypes": both}),
        policy(namespace, "same-tenant", {"podSelector": {}, "ingress": [{"from": [own]}]}),
        policy(namespace, "to-tenant", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [own]}]}),
        policy(namespace, "apps", {"podSelector": app, "ingress": [{"from": [web], "ports": [{"port": 8080}]}]}),
        policy(namespace, "cache", {"podSelector": {"matchLabels": {"role": "cache"}}, "ingress": [
            {"from": [{"podSelector": apps}],
             "ports": [{"port": 6379}]}]}),
        policy(namespace, "metrics", {"podSelector": {}, "ingress": scraped}),
        policy(namespace, "dns", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-dns"}}}],
             "ports": [{"port": 53, "protocol": "UDP"}]}]}),
        policy(namespace, "store", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [
            {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]}),
        policy(namespace, "api", {"podSelector": {"matchLabels": {"role": "api"}}, "ingress": [
            {"from": [{"namespaceSelector": {"matchLabels": {"tenant": tenant, "tier": "front"}}}],
             "ports": [{"port": 8443}]}]}),
    ]  # fmt: skip


def build(tenants: int, pods: int, holes: int) -> tuple[list[Body], dict[str, tuple[str, ...]]]:
    """Return the objects and the namespaces of every tenant; ``pods`` are those of one namespace."""
    bodies: list[Body] = []
    owned: dict[str, tuple[str, ...]] = {}
    for number in range(tenants):
        tenant = f"t{number}"
        owned[tenant] = tuple(f"{tenant}-n{index}" for index in range(NAMESPACES))
        for index, namespace in enumerate(owned[tenant]):
            labels = {"tenant": tenant, "tier": "front" if index % 2 else "back"}
            metadata = {"name": namespace, "labels": labels}
            bodies.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
            bodies.extend(policies(tenant, namespace, index))
            bodies.extend(_pod(namespace, item) for item in range(pods))
    for number in range(holes):
        source, target = f"t{number}-n1", f"t{(number + 1) % tenants}-n2"
        selected = {"podSelector": {"matchLabels": {"role": "web"}}}
        far = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": source}}, **selected}
        bodies.append(policy(target, "hole", {**selected, "ingress": [{"from": [far], "ports": [{"port": 6379}]}]}))
        out = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 6379}]}]}
        bodies.append(policy(source, "hole-out", out))
    return bodies, owned


def _pod(namespace: str, index: int) -> Body:
    labels = {"app": f"a{index % 50}", "role": ROLES[index % 5], "pod-template-hash": f"h{index}"}
    ports = [{"containerPort": 8080, "name": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"p{index}", "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "x", "ports": ports}]},
    }


class BareView(View):
    """A view without RBAC or admission, so that only the network is measured."""

    def may(self, *_: Any, **__: Any) -> None:
        """Nobody has any right."""
        return

    def reach(self, tenant: str) -> Any:
        """Return that nothing is granted anywhere."""
        return SimpleNamespace(rights=SimpleNamespace(namespaces=()))


def view(bodies: list[Body], owned: dict[str, tuple[str, ...]], strength: Strength) -> View:
    """Return a view of objects with every fact signed."""
    snapshot = Snapshot([Manifest(body, PLACE) for body in bodies])
    tenancy = Tenancy(tuple(TenantIdentity(name, names) for name, names in sorted(owned.items())))
    facts: dict[str, str | bool] = {"cni.enforces-network-policies": True, "cni.ranges-without-pods": True}
    facts["cni"] = "ovn-kubernetes"
    signed = {name: SignedFact(name, value, "seen", "Grace") for name, value in facts.items()}
    return BareView(snapshot, tenancy, Declared(facts=signed), strength)


def measure(tenants: int, pods: int, holes: int, strength: Strength) -> dict[str, Any]:
    """Time one proof; the holes that were seeded must be found, and no other."""
    bodies, owned = build(tenants, pods, holes)
    made = view(bodies, owned, strength)
    gc.collect()
    started = time.perf_counter()
    network = PodNetwork(made)
    ways = network.ways
    seconds = time.perf_counter() - started
    sure = sorted(pair for pair, way in ways.items() if way.sure)
    if len(sure) != holes:
        raise SystemExit(f"{holes} holes were seeded and {len(sure)} found")
    return {
        "strength": strength.name.lower(),
        "pods": tenants * NAMESPACES * pods,
        "namespaces": tenants * NAMESPACES,
        "networkPolicies": sum(body["kind"] == "NetworkPolicy" for body in bodies),
        "sources": len(network.sources.units),
        "targets": len(network.targets.units),
        "holes": len(sure),
        "seconds": round(seconds, 2),
        "peakMiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def compare(tenants: int, pods: int) -> dict[str, Any]:
    """Time the plain evaluation of all pairs of pods on one port, and ours on all ports, on one small cluster."""
    bodies, owned = build(tenants, pods, 1)
    found = pods_of(bodies)
    owner = {namespace: tenant for tenant, names in owned.items() for namespace in names}
    started = time.perf_counter()
    plain = NaiveNetwork(bodies)
    pairs = {
        (owner[one.namespace], owner[other.namespace])
        for one in found
        for other in found
        if owner[one.namespace] != owner[other.namespace] and plain.connects(one, other, "TCP", 6379)
    }
    slow = time.perf_counter() - started
    started = time.perf_counter()
    ways = PodNetwork(view(bodies, owned, Strength.DEPLOYED)).ways
    fast = time.perf_counter() - started
    if set(ways) != pairs:
        raise SystemExit(f"the plain evaluation finds {sorted(pairs)}, ours {sorted(ways)}")
    return {"pods": len(found), "plainSeconds": round(slow, 2), "seconds": round(fast, 3), "ratio": round(slow / fast)}


def main() -> None:
    """Measure every strength at a tenth of the size and at full size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--pods", type=int, default=100, help="pods of each namespace")
    parser.add_argument("--holes", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    runs = []
    for strength in Strength:
        for tenants, pods in ((max(2, given.tenants // 10), max(1, given.pods // 10)), (given.tenants, given.pods)):
            made = measure(tenants, pods, given.holes, strength)
            runs.append(made)
            print("  ".join(f"{key} {value}" for key, value in made.items()), flush=True)
    against = compare(3, 5)
    print("against a plain evaluation:", "  ".join(f"{key} {value}" for key, value in against.items()))
    if given.json:
        given.json.write_text(json.dumps({"runs": runs, "against": against}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
