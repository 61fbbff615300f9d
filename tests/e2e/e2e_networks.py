"""Random namespaces with workloads, Services, Ingresses, Routes and network policies of three kinds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

Body = dict[str, Any]

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod")
POD_LABELS, NAMESPACE_LABELS = ("app", "tier", "role"), ("team", "env")
VALUES = ("a", "b", "c")
NAMES_OF_PORTS, PORTS, PROTOCOLS = ("web", "dns", "db"), (80, 443, 8080, 53, 5432), ("TCP", "UDP", "SCTP")
RANGES = (
    "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "1.2.3.4/32", "169.254.169.254/32",
)  # fmt: skip
MIXED = {"Ingress": "from", "Egress": "to"}
ADMIN = "policy.networking.k8s.io/v1alpha1"


class Networks:
    """Makes one set of manifests."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.namespaces = [f"ns{number}" for number in range(self.pick((1, 2, 3)))]
        self.workloads: list[tuple[str, str, list[Body]]] = []
        """Name, namespace and ports of each workload."""

    def pick(self, options: Sequence[Any]) -> Any:
        return self._random.choice(options)

    def flip(self, chance: int) -> bool:
        return self._random.random() * 100 < chance

    def some(self, options: Sequence[Any], count: int) -> list[Any]:
        return self._random.sample(options, min(count, len(options)))

    def make(self) -> list[Body]:
        """Return the manifests, in no order."""
        made = [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": self._labels(NAMESPACE_LABELS)},
            }
            for name in self.namespaces
            if self.flip(85)
        ]
        made += [self._workload(f"w{number}") for number in range(self.pick((2, 3, 4, 5)))]
        made += [self._policy(f"policy{number}") for number in range(self.pick((0, 1, 1, 2, 3)))]
        made += self._admin_policies()
        services = [self._service(*workload) for workload in self.workloads if self.flip(50)]
        made += services
        if services:
            made += [self._entry(f"entry{number}", self.pick(services)) for number in range(self.pick((0, 0, 1, 2)))]
        self._random.shuffle(made)
        return made

    # --- workloads ----------------------------------------------------------------------------------------------------

    def _labels(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.pick(VALUES) for name in names if self.flip(55)}

    def _workload(self, name: str) -> Body:
        kind, namespace = self.pick(KINDS), self.pick(self.namespaces)
        labels = {"app": name, **self._labels(POD_LABELS[1:])}
        ports: list[Body] = []
        for _ in range(self.pick((0, 1, 1, 2))):
            port = {"containerPort": self.pick(PORTS)}
            if self.flip(50):
                port["name"] = self.pick(NAMES_OF_PORTS)
            if self.flip(30):
                port["protocol"] = self.pick(PROTOCOLS)
            if port.get("name") not in {other["name"] for other in ports if "name" in other}:
                ports.append(port)
        self.workloads.append((name, namespace, ports))
        spec = {"containers": [{"name": "main", "image": "work", "ports": ports}]}
        metadata = {"name": name, "namespace": namespace}
        if kind == "Pod":
            status = {"podIP": f"10.0.0.{len(self.workloads)}", "hostIP": "192.168.0.1"}
            return {
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {**metadata, "labels": labels},
                "spec": spec,
                "status": status,
            }
        body: Body = {"template": {"metadata": {"labels": labels}, "spec": spec}}
        if kind != "Job":
            body["selector"] = {"matchLabels": labels}
        if kind in {"Deployment", "StatefulSet", "ReplicaSet"} and self.flip(40):
            body["replicas"] = self.pick((1, 2, 3))
        return {
            "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": body,
        }

    def _service(self, workload: str, namespace: str, ports: list[Body]) -> Body:
        offered: list[Body] = []
        for port in (ports or [{"containerPort": 80}])[: self.pick((1, 2))]:
            target = self.pick(({}, {"targetPort": port["containerPort"]}, {"targetPort": port.get("name", 9999)}))
            protocol = {"protocol": port["protocol"]} if "protocol" in port and self.flip(70) else {}
            offered.append({"name": f"port{len(offered)}", "port": self.pick(PORTS), **target, **protocol})
        if len({port["port"] for port in offered}) < len(offered):
            del offered[1:]
        selector = {"app": workload} if self.flip(70) else self._labels(POD_LABELS[1:]) or {"app": workload}
        spec = {"ports": offered, **({"selector": selector} if self.flip(90) else {})}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"to-{workload}", "namespace": namespace},
            "spec": spec,
        }

    def _entry(self, name: str, service: Body) -> Body:
        """An Ingress or a Route to a service."""
        told, ports = service["metadata"], service["spec"]["ports"]
        metadata = {"name": name, "namespace": told["namespace"]}
        port = self.pick(ports)
        if self.flip(40):
            spec: Body = {"host": "route.example.com", "to": {"kind": "Service", "name": told["name"]}}
            if self.flip(50):
                spec["port"] = {"targetPort": self.pick((port.get("targetPort", port["port"]), port["name"]))}
            return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata, "spec": spec}
        by = {"number": port["port"]} if self.flip(60) else {"name": port["name"]}
        backend = {"service": {"name": told["name"], "port": by}}
        spec = {"defaultBackend": backend} if self.flip(40) else {}
        if not spec or self.flip(60):
            path = {"path": "/", "pathType": "Prefix", "backend": backend}
            spec["rules"] = [{"host": "ingress.example.com", "http": {"paths": [path]}}]
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}

    # --- policies -----------------------------------------------------------------------------------------------------

    def _selector(self, names: Sequence[str]) -> Body:
        values = (*VALUES, "w0", "w1")
        form = self.pick(("all", "labels", "labels", "expression", "both"))
        found: Body = {}
        if form in {"labels", "both"}:
            found["matchLabels"] = {self.pick(names): self.pick(values)}
        if form in {"expression", "both"}:
            operator = self.pick(("In", "NotIn", "Exists", "DoesNotExist"))
            among = {"values": self.some(values, self.pick((1, 2)))} if operator in {"In", "NotIn"} else {}
            found["matchExpressions"] = [{"key": self.pick(names), "operator": operator, **among}]
        return found

    def _namespaces(self) -> Body:
        if self.flip(20):
            return {"matchLabels": {"kubernetes.io/metadata.name": self.pick(self.namespaces)}}
        return self._selector(NAMESPACE_LABELS)

    def _policy(self, name: str) -> Body:
        spec: Body = {"podSelector": self._selector(POD_LABELS)}
        types = self.pick((["Ingress"], ["Egress"], ["Ingress", "Egress"], None))
        if types is not None:
            spec["policyTypes"] = types
        for direction, end in MIXED.items():
            if (types is None or direction in types) and self.flip(60):
                spec[direction.lower()] = [self._rule(end) for _ in range(self.pick((0, 1, 1, 2)))]
        metadata = {"name": name, "namespace": self.pick(self.namespaces)}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    def _rule(self, end: str) -> Body:
        peers = {end: [self._peer() for _ in range(self.pick((1, 1, 2)))]} if self.flip(80) else {}
        # Addresses have no named ports, and the analyzer ends at a rule that asks them for one.
        named = not any("ipBlock" in peer for peer in peers.get(end, ())) and bool(peers)
        ports = {"ports": [self._port(named=named) for _ in range(self.pick((1, 1, 2)))]} if self.flip(50) else {}
        return {**peers, **ports}

    def _peer(self) -> Body:
        kind = self.pick(("block", "pods", "namespaces", "both"))
        if kind == "block":
            whole = self.pick(RANGES)
            inside = [part for part in RANGES if part != whole and IPv4Network(part).subnet_of(IPv4Network(whole))]
            less = {"except": self.some(inside, self.pick((1, 2)))} if inside and self.flip(50) else {}
            return {"ipBlock": {"cidr": whole, **less}}
        pods = {"podSelector": self._selector(POD_LABELS)} if kind != "namespaces" else {}
        return {**pods, **({"namespaceSelector": self._namespaces()} if kind != "pods" else {})}

    def _port(self, *, named: bool) -> Body:
        found: Body = {"protocol": self.pick(PROTOCOLS)} if self.flip(50) else {}
        if named and self.flip(25):
            return {**found, "port": self.pick(NAMES_OF_PORTS)}
        if self.flip(85):
            found["port"] = self.pick((*PORTS, 1, 65_535))
            if self.flip(20):
                found["endPort"] = min(65_535, found["port"] + self.pick((0, 1, 100, 70_000)))
        return found

    def _admin_policies(self) -> list[Body]:
        found = []
        count = self.pick((1, 1, 2, 3)) if self.flip(60) else 0
        for number, priority in enumerate(self.some(range(100), count)):
            spec = {"priority": priority, "subject": self._subject(), **self._admin_rules(("Allow", "Deny", "Pass"))}
            metadata = {"name": f"admin{number}"}
            found.append({"apiVersion": ADMIN, "kind": "AdminNetworkPolicy", "metadata": metadata, "spec": spec})
        if self.flip(35):
            spec = {"subject": self._subject(), **self._admin_rules(("Allow", "Deny"))}
            metadata = {"name": "default"}
            found.append(
                {"apiVersion": ADMIN, "kind": "BaselineAdminNetworkPolicy", "metadata": metadata, "spec": spec}
            )
        return found

    def _subject(self) -> Body:
        if self.flip(50):
            return {"namespaces": self._namespaces()}
        return {"pods": {"namespaceSelector": self._namespaces(), "podSelector": self._selector(POD_LABELS)}}

    def _admin_rules(self, actions: Sequence[str]) -> Body:
        found: Body = {}
        for direction, end in MIXED.items():
            if self.flip(70):
                found[direction.lower()] = [
                    self._admin_rule(f"rule{number}", self.pick(actions), end)
                    for number in range(self.pick((0, 1, 1, 2, 3)))
                ]
        return found

    def _admin_rule(self, name: str, action: str, end: str) -> Body:
        peers = [
            {"networks": self.some(RANGES, self.pick((1, 2)))} if end == "to" and self.flip(30) else self._subject()
            for _ in range(self.pick((1, 1, 2)))
        ]
        ports = [self._admin_port() for _ in range(self.pick((1, 1, 2)))]
        return {"name": name, "action": action, end: peers, **({"ports": ports} if self.flip(50) else {})}

    def _admin_port(self) -> Body:
        form = self.pick(("number", "number", "range", "name"))
        if form == "name":
            return {"namedPort": self.pick(NAMES_OF_PORTS)}
        if form == "number":
            return {"portNumber": {"port": self.pick(PORTS), "protocol": self.pick(PROTOCOLS)}}
        start = self.pick((1, 80, 400, 8000))
        return {
            "portRange": {"start": start, "end": start + self.pick((1, 50, 1000)), "protocol": self.pick(PROTOCOLS)}
        }
