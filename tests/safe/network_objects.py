"""Small builders of the objects that decide who may connect to whom; ``namespace/name`` names everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.safe.network.topology import UDN_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

Body = dict[str, Any]
ANYWHERE: Body = {}


def manifests(*bodies: Body) -> list[Manifest]:
    return [Manifest(body, Location("objects.yaml", index + 1)) for index, body in enumerate(bodies)]


def obj(api_version: str, kind: str, name: str, **parts: Any) -> Body:
    namespace, slash, short = name.rpartition("/")
    metadata: Body = {"name": short, **({"namespace": namespace} if slash else {}), **parts.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def ns(name: str, *, udn: bool = False, **labels: str) -> Body:
    found = {**labels, **({UDN_LABEL: ""} if udn else {})}
    return obj("v1", "Namespace", name, metadata={"labels": found})


def port(number: int, name: str = "", protocol: str = "") -> Body:
    return {
        "containerPort": number,
        **({"name": name} if name else {}),
        **({"protocol": protocol} if protocol else {}),
    }


def pod(name: str, *ports: Body, networks: str = "", metadata: Body | None = None, **labels: str) -> Body:
    annotations = {"annotations": {"k8s.v1.cni.cncf.io/networks": networks}} if networks else {}
    spec = {"containers": [{"name": "main", "ports": list(ports)}]}
    return obj("v1", "Pod", name, metadata={"labels": labels, **annotations, **(metadata or {})}, spec=spec)


def deployment(name: str, *ports: Body, replicas: int = 1, kind: str = "Deployment", **labels: str) -> Body:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "ports": list(ports)}]}}
    return obj("apps/v1", kind, name, spec={"replicas": replicas, "template": template})


def machine(name: str, *networks: str, addresses: Iterable[str] = (), **labels: str) -> Body:
    data = "version: 2\nethernets:\n  eth1:\n    addresses:\n" + "".join(f"      - {item}\n" for item in addresses)
    spec = {
        "networks": [{"name": f"net{index}", "multus": {"networkName": item}} for index, item in enumerate(networks)],
        "volumes": [{"name": "init", "cloudInitNoCloud": {"networkData": data}}],
    }
    return obj(
        "kubevirt.io/v1", "VirtualMachine", name, spec={"template": {"metadata": {"labels": labels}, "spec": spec}}
    )


def sel(*expressions: Body, **labels: str) -> Body:
    return {
        **({"matchLabels": labels} if labels else {}),
        **({"matchExpressions": list(expressions)} if expressions else {}),
    }


def expr(key: str, operator: str, *values: str) -> Body:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def np(name: str, pods: Body | None = None, types: list[str] | None = None, **rules: Any) -> Body:
    spec = {"podSelector": pods or {}, **({"policyTypes": types} if types is not None else {}), **rules}
    return obj("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def mnp(name: str, network: str, pods: Body | None = None, **rules: Any) -> Body:
    body = np(name, pods, **rules)
    body["apiVersion"], body["kind"] = "k8s.cni.cncf.io/v1beta1", "MultiNetworkPolicy"
    body["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/policy-for": network}
    return body


def anp(name: str, priority: int | None, subject: Body | None = None, **rules: Any) -> Body:
    spec = {"priority": priority, "subject": subject or {"namespaces": {}}, **rules}
    return obj("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", name, spec=spec)


def banp(subject: Body | None = None, name: str = "default", **rules: Any) -> Body:
    spec = {"subject": subject or {"namespaces": {}}, **rules}
    return obj("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy", name, spec=spec)


def cnp(name: str, tier: str, priority: int, subject: Body | None = None, **rules: Any) -> Body:
    spec = {"tier": tier, "priority": priority, "subject": subject or {"namespaces": {}}, **rules}
    return obj("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", name, spec=spec)


def rule(action: str, *peers: Body, side: str = "from", **rest: Any) -> Body:
    """A rule of a cluster-wide network policy; without peers it means every namespace."""
    return {"action": action, side: list(peers) or [{"namespaces": {}}], **rest}


def number(value: int, protocol: str = "TCP") -> Body:
    return {"portNumber": {"protocol": protocol, "port": value}}


def service(name: str, selector: dict[str, str] | None, *ports: Body) -> Body:
    return obj(
        "v1", "Service", name, spec={**({"selector": selector} if selector is not None else {}), "ports": list(ports)}
    )


def ingress(name: str, target: str, reference: Body) -> Body:
    backend = {"service": {"name": target, "port": reference}}
    return obj("networking.k8s.io/v1", "Ingress", name, spec={"rules": [{"http": {"paths": [{"backend": backend}]}}]})


def route(name: str, target: str, reference: int | str | None = None) -> Body:
    part = {} if reference is None else {"port": {"targetPort": reference}}
    return obj("route.openshift.io/v1", "Route", name, spec={"to": {"kind": "Service", "name": target}, **part})


def udn(name: str, role: str = "Primary") -> Body:
    return obj("k8s.ovn.org/v1", "UserDefinedNetwork", name, spec={"topology": "Layer2", "layer2": {"role": role}})


def cudn(name: str, namespaces: Body, role: str = "Primary") -> Body:
    network = {"topology": "Layer3", "layer3": {"role": role}}
    return obj(
        "k8s.ovn.org/v1", "ClusterUserDefinedNetwork", name, spec={"namespaceSelector": namespaces, "network": network}
    )


def nad(name: str) -> Body:
    return obj("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", name, spec={"config": "{}"})
