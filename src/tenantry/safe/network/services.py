"""What an ingress controller may reach: Ingress and Route, by way of Services, to ports of pods.

Only TCP ports that containers declare count; virtual machines declare none and are taken to listen everywhere.

Source: Kubernetes ``networking.k8s.io/v1`` Ingress and core ``v1`` Service; OpenShift ``route.openshift.io/v1`` Route.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.model.selector import equality_selector
from tenantry.safe.network.evaluate import named_connections
from tenantry.safe.network.fields import Fields
from tenantry.safe.network.ports import LAST_PORT, NONE, ConnectionSet
from tenantry.safe.network.rules import PortName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.manifest import Manifest
    from tenantry.safe.network.evaluate import Pod
    from tenantry.safe.network.workloads import Workload

PortReference = int | str | None
"""A port by number or name; None for every port."""


@dataclass(slots=True)
class IngressTargets:
    """What ingress controllers may reach before network policies are asked.

    Attributes:
        connections: by workload; those without an entry cannot be reached.
        through: objects that lead to each workload, for messages.
        present: whether there are both services with pods and ingress objects.
        notes: what was passed over, a sentence each.
    """

    connections: dict[str, ConnectionSet] = field(default_factory=dict)
    through: dict[str, list[str]] = field(default_factory=dict)
    present: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Service:
    """The workloads a Service selects, and its ports as written."""

    workloads: tuple[Workload, ...]
    ports: tuple[dict[str, Any], ...]


def read_ingress(manifests: Iterable[Manifest], workloads: Iterable[Workload]) -> IngressTargets:
    """Follow every Ingress and Route to the workloads behind it.

    Args:
        manifests: the objects, whatever they are.
        workloads: the workloads Services may select.
    """
    found = IngressTargets()
    chosen = list(manifests)
    services = _services(chosen, list(workloads), found)
    leading = 0
    for manifest in chosen:
        key = manifest.key
        fields = Fields(key)
        if key.kind == "Ingress" and key.group in {"networking.k8s.io", "extensions"}:
            backends = list(_ingress_backends(fields, manifest.body))
        elif key.kind == "Route" and key.group in {"route.openshift.io", ""}:
            backends = list(_route_backends(fields, manifest.body))
        else:
            continue
        leading += bool(backends)
        found.notes.extend(str(problem) for problem in fields.problems)
        for name, port in backends:
            service = services.get((key.namespace or "default", name))
            if service is None:
                found.notes.append(f"{key} leads to service {name}, which does not exist or selects nothing")
                continue
            for workload in service.workloads:
                connections = _reached(service, port, workload.pod, by_pod_port=key.kind == "Route")
                found.connections[str(workload)] = found.connections.get(str(workload), NONE) | connections
                found.through.setdefault(str(workload), []).append(str(key))
    found.present = bool(services) and bool(leading)
    return found


def _services(
    manifests: list[Manifest], workloads: list[Workload], found: IngressTargets
) -> dict[tuple[str, str], _Service]:
    by_namespace: dict[str, list[Workload]] = {}
    for workload in workloads:
        by_namespace.setdefault(workload.namespace, []).append(workload)
    services = {}
    for manifest in manifests:
        key = manifest.key
        if (key.group, key.kind) != ("", "Service"):
            continue
        fields = Fields(key)
        spec = fields.map_at(manifest.body, ("spec",))
        labels = fields.map_at(spec, ("selector",), ("spec",))
        namespace = key.namespace or "default"
        ports = fields.list_at(spec.get("ports"), ("spec", "ports"))
        found.notes.extend(str(problem) for problem in fields.problems)
        if spec.get("selector") is None:
            found.notes.append(f"{key} has no selector and is passed over")
            continue
        selector = equality_selector({name: str(value) for name, value in labels.items()})
        selected = tuple(item for item in by_namespace.get(namespace, ()) if selector.matches(item.pod.labels))
        if selected:
            services[namespace, key.name] = _Service(selected, tuple(item for item in ports if isinstance(item, dict)))
    return services


def _ingress_backends(fields: Fields, body: dict[str, Any]) -> Iterator[tuple[str, PortReference]]:
    spec = fields.map_at(body, ("spec",))
    backends = [spec.get("defaultBackend")]
    for index, rule in enumerate(fields.list_at(spec.get("rules"), ("spec", "rules"))):
        http = rule.get("http") if isinstance(rule, dict) else None
        at = ("spec", "rules", index, "http", "paths")
        paths = fields.list_at(http.get("paths") if isinstance(http, dict) else None, at)
        backends.extend(path.get("backend") for path in paths if isinstance(path, dict))
    for backend in backends:
        service = backend.get("service") if isinstance(backend, dict) else None
        if isinstance(service, dict) and isinstance(service.get("name"), str):
            port = service.get("port")
            port = port if isinstance(port, dict) else {}
            yield service["name"], _reference(port.get("name") or port.get("number"))


def _route_backends(fields: Fields, body: dict[str, Any]) -> Iterator[tuple[str, PortReference]]:
    spec = fields.map_at(body, ("spec",))
    port = _reference(fields.map_at(spec, ("port",), ("spec",)).get("targetPort"))
    backends = [spec.get("to"), *fields.list_at(spec.get("alternateBackends"), ("spec", "alternateBackends"))]
    for backend in backends:
        if isinstance(backend, dict) and (backend.get("kind") or "Service") == "Service":
            yield str(backend.get("name") or ""), port


def _reference(value: object) -> PortReference:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return value or None


def _reached(service: _Service, wanted: PortReference, pod: Pod, *, by_pod_port: bool) -> ConnectionSet:
    """Return the TCP ports of a pod behind a port of a service."""
    found = NONE
    for target in _targets(service.ports, wanted, by_pod_port=by_pod_port):
        if isinstance(target, str):
            found = found | named_connections(PortName(target, "TCP"), pod.ports)
        elif _listens(pod, target):
            found = found | ConnectionSet.of("TCP", target)
    return found


def _listens(pod: Pod, number: int) -> bool:
    """Whether a pod declares a port, of whatever protocol: what an ingress controller sends is TCP."""
    return pod.machine or any(port.number == number for port in pod.ports)


def _targets(ports: tuple[dict[str, Any], ...], wanted: PortReference, *, by_pod_port: bool) -> list[int | str]:
    """Return the ports of pods behind a port of a service: of the first that fits, or of all when none is asked for."""
    found: list[int | str] = []
    for port in ports:
        target = _reference(port.get("targetPort"))
        leads_to = _reference(port.get("port")) if target is None else target
        # A Route may name the port of the pod; an Ingress can do so by number only.
        pod_port = target if by_pod_port or isinstance(wanted, int) else None
        if wanted is not None and wanted not in (port.get("name"), port.get("port"), pod_port):
            continue
        if isinstance(leads_to, str) or (isinstance(leads_to, int) and 0 < leads_to <= LAST_PORT):
            found.append(leads_to)
        if wanted is not None:
            break
    return found
