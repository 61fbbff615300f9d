"""Reads workloads: one entry for each owner of pods, with a pod that stands for all of them.

Source: Kubernetes ``apps/v1``, ``batch/v1`` and core ``v1``; KubeVirt ``kubevirt.io/v1`` VirtualMachine; Multus,
annotation ``k8s.v1.cni.cncf.io/networks``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

from tenantry.safe.network.evaluate import ContainerPort, Pod
from tenantry.safe.network.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.safe.network.rules import RuleProblem

NAME_LABEL: Final = "kubernetes.io/metadata.name"
NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"

_TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_GROUPS: Final = frozenset(("", "apps", "batch", "extensions"))
_MACHINE_POD: Final = "virt-launcher-"
"""Pods in which virtual machines run; they are listed as the machine."""
_CLOUD_INIT_ADDRESS: Final = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}/\d{1,2}\b")
_CLOUD_INIT_FIELDS: Final = frozenset(
    (
        "addresses",
        "dhcp4-overrides",
        "dhcp6-overrides",
        "link-local",
        "match",
        "nameservers",
        "routes",
        "search",
        "subnets",
    )
)
"""Fields inside an interface of cloud-init network data that hold maps or lists."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A secondary network of a pod.

    Attributes:
        name: name of the NetworkAttachmentDefinition.
        namespace: its namespace.
        addresses: addresses asked for, as far as written.
    """

    name: str
    namespace: str
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """An owner of pods, or a pod without one.

    Attributes:
        namespace: its namespace.
        name: its name.
        kind: its kind; ``Pod`` for a pod nobody owns.
        pod: a pod that stands for all of its pods.
        attachments: secondary networks, by name.
        key: the object the pod was read from.
        others: further pods of the same owner whose labels differ.
    """

    namespace: str
    name: str
    kind: str
    pod: Pod
    attachments: tuple[Attachment, ...]
    key: ManifestKey
    others: tuple[Pod, ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}[{self.kind}]"


@dataclass(slots=True)
class Workloads:
    """What was read.

    Attributes:
        items: by namespace, name and kind.
        namespaces: labels of every namespace that is declared or holds a workload.
        declared: names of the namespaces that are declared.
        problems: what could not be read.
        notes: what was passed over, a sentence each.
    """

    items: list[Workload] = field(default_factory=list)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    problems: list[RuleProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_workloads(manifests: Iterable[Manifest], *, machines: bool = False) -> Workloads:
    """Read namespaces and workloads; other objects are passed over.

    Namespaces that are only mentioned carry no label but their name.

    Args:
        manifests: the objects, whatever they are.
        machines: whether virtual machines count as workloads.
    """
    found = Workloads()
    chosen = list(manifests)
    _read_namespaces(chosen, found)
    read: dict[tuple[str, str, str], list[Workload]] = {}
    for manifest in chosen:
        workload = _read(manifest, found, machines=machines)
        if workload is not None:
            read.setdefault((workload.namespace, workload.name, workload.kind), []).append(workload)
    for _, group in sorted(read.items()):
        first, *others = sorted(group, key=lambda item: item.pod.name)
        different = {other.pod.traits: other.pod for other in others if other.pod.labels != first.pod.labels}
        found.items.append(
            Workload(
                first.namespace,
                first.name,
                first.kind,
                first.pod,
                first.attachments,
                first.key,
                tuple(different.values()),
            )
        )
    return found


def _read_namespaces(manifests: list[Manifest], found: Workloads) -> None:
    for manifest in manifests:
        if (manifest.key.group, manifest.key.kind) == ("", "Namespace"):
            fields = Fields(manifest.key)
            metadata = fields.map_at(manifest.body, ("metadata",))
            found.namespaces[manifest.key.name] = _texts(fields, metadata, ("metadata",), "labels")
            found.problems.extend(fields.problems)
    found.declared = frozenset(found.namespaces)
    for name, labels in found.namespaces.items():
        labels[NAME_LABEL] = name


def _read(manifest: Manifest, found: Workloads, *, machines: bool) -> Workload | None:
    key = manifest.key
    fields = Fields(key)
    at: tuple[str, ...] = ()
    namespace = key.namespace or "default"
    metadata = fields.map_at(manifest.body, ("metadata",))
    if key.group == "" and key.kind == "Pod":
        if key.name.startswith(_MACHINE_POD):
            found.notes.append(f"{key} runs a virtual machine and is passed over")
            return None
        name, kind = _owner(fields, metadata) or (key.name, "Pod")
        pod_name, template = key.name, manifest.body
    elif key.kind in _TEMPLATES and key.group in _GROUPS:
        at = _TEMPLATES[key.kind]
        name, kind = key.name, key.kind
        pod_name, template = f"{key.name}-1", fields.map_at(manifest.body, at)
    elif machines and (key.group, key.kind) == ("kubevirt.io", "VirtualMachine"):
        at = ("spec", "template")
        name, kind = key.name, key.kind
        pod_name, template = f"{key.name}-1", fields.map_at(manifest.body, at)
    else:
        return None
    if not key.name:
        fields.problem(("metadata", "name"), f"expected a name as text, found {metadata.get('name')!r}")
    machine = kind == "VirtualMachine"
    labels = _texts(fields, fields.map_at(template, ("metadata",), at), (*at, "metadata"), "labels")
    pod = Pod(
        namespace=namespace,
        name=pod_name,
        namespace_labels=found.namespaces.setdefault(namespace, {NAME_LABEL: namespace}),
        labels=labels,
        ports=() if machine else _ports(fields, template, at),
        host_network=fields.map_at(template, ("spec",), at).get("hostNetwork") is True,
        machine=machine,
    )
    attachments = _machine_networks(fields, template, at, namespace) if machine else _networks(fields, template, at)
    found.problems.extend(fields.problems)
    if any(place in problem.pointer for problem in fields.problems for place in ("name", "labels", NETWORKS)):
        # Without its name, labels or networks nothing true can be said about it; a port less is only a name less.
        return None
    return Workload(namespace, name, kind, pod, attachments, key)


def _owner(fields: Fields, metadata: dict[str, Any]) -> tuple[str, str] | None:
    """Return name and kind of the controller; static pods, owned by their node, own themselves."""
    for owner in fields.list_at(metadata.get("ownerReferences"), ("metadata", "ownerReferences")):
        if isinstance(owner, dict) and owner.get("controller") is True:
            name, kind = owner.get("name"), owner.get("kind") or "Pod"
            if kind != "Node" and isinstance(name, str) and name and isinstance(kind, str):
                return name, kind
            return None
    return None


def _texts(fields: Fields, metadata: dict[str, Any], at: DocPath, name: str) -> dict[str, str]:
    values = fields.map_at(metadata, (name,), at)
    for key, value in values.items():
        if not isinstance(value, str) and value is not None:
            fields.problem((*at, name, key), f"expected text, found {value!r}; put it in quotes")
    return {key: value or "" for key, value in values.items() if isinstance(value, str | None)}


def _ports(fields: Fields, template: dict[str, Any], at: DocPath) -> tuple[ContainerPort, ...]:
    found = []
    spec = fields.map_at(template, ("spec",), at)
    for index, container in enumerate(fields.list_at(spec.get("containers"), (*at, "spec", "containers"))):
        here = (*at, "spec", "containers", index, "ports")
        ports = container.get("ports") if isinstance(container, dict) else None
        for number, item in enumerate(fields.list_at(ports, here)):
            port = item.get("containerPort") if isinstance(item, dict) else None
            if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 1 << 16:
                fields.problem((*here, number, "containerPort"), f"expected a port number, found {port!r}")
                continue
            protocol = item.get("protocol") or "TCP"
            if protocol not in ("TCP", "UDP", "SCTP"):  # a tuple: what stands there may not be hashable
                fields.problem((*here, number, "protocol"), f"expected TCP, UDP or SCTP, found {protocol!r}")
                continue
            name = item.get("name")
            found.append(ContainerPort(port, protocol, name if isinstance(name, str) else ""))
    return tuple(found)


def _networks(fields: Fields, template: dict[str, Any], at: DocPath) -> tuple[Attachment, ...]:
    """Read the annotation that asks for secondary networks: a list of names, or JSON."""
    here = (*at, "metadata")
    metadata = fields.map_at(template, ("metadata",), at)
    value = fields.map_at(metadata, ("annotations",), here).get(NETWORKS)
    here = (*here, "annotations", NETWORKS)
    home = metadata.get("namespace") or fields.key.namespace or "default"
    if not isinstance(value, str) or not value.strip():
        return ()
    found: dict[str, Attachment] = {}
    if any(sign in value for sign in '[{"'):
        for item in _json_list(fields, value, here):
            name = item.get("name")
            if isinstance(name, str) and name:
                found[name] = Attachment(name, str(item.get("namespace") or home), _addresses(item.get("ips")))
    else:
        for entry in value.split(","):
            # What follows @ names the interface inside the pod.
            namespace, name = _split(entry.strip().partition("@")[0], str(home))
            if name:
                found[name] = Attachment(name, namespace)
    return tuple(item for _, item in sorted(found.items()))


def _json_list(fields: Fields, value: str, at: DocPath) -> list[dict[str, Any]]:
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        fields.problem(at, "expected a list of networks as JSON, or names separated by commas")
        return []
    return items


def _split(name: str, namespace: str) -> tuple[str, str]:
    before, slash, after = name.partition("/")
    return (before, after) if slash else (namespace, name)


def _addresses(values: object) -> tuple[IPv4Address | IPv6Address, ...]:
    found = []
    for value in values if isinstance(values, list) else []:
        try:
            # The prefix is for routing; the pod has the one address only.
            found.append(ip_address(str(value).partition("/")[0]))
        except ValueError:
            continue
    return tuple(found)


def _machine_networks(fields: Fields, template: dict[str, Any], at: DocPath, namespace: str) -> tuple[Attachment, ...]:
    spec = fields.map_at(template, ("spec",), at)
    addresses = _addresses(_cloud_init(fields, spec, (*at, "spec", "volumes")))
    found: dict[str, Attachment] = {}
    for item in fields.list_at(spec.get("networks"), (*at, "spec", "networks")):
        multus = item.get("multus") if isinstance(item, dict) else None
        network = multus.get("networkName") if isinstance(multus, dict) else None
        if isinstance(network, str) and network:
            home, name = _split(network, namespace)
            found[name] = Attachment(name, home, addresses)
    return tuple(item for _, item in sorted(found.items()))


def _cloud_init(fields: Fields, spec: dict[str, Any], at: DocPath) -> list[str]:
    """Return the addresses that cloud-init gives to interfaces other than the first.

    Which of them belongs to which network is not said, so each network is taken to have all.
    """
    found: list[str] = []
    for volume in fields.list_at(spec.get("volumes"), at):
        source = volume.get("cloudInitNoCloud") if isinstance(volume, dict) else None
        data = source.get("networkData") if isinstance(source, dict) else None
        interface = ""
        for line in data.splitlines() if isinstance(data, str) else []:
            stripped = line.strip().removeprefix("- ")
            if stripped.endswith(":") and stripped.removesuffix(":") not in _CLOUD_INIT_FIELDS:
                interface = stripped.removesuffix(":")
            elif interface and interface != "eth0" and not stripped.startswith(("to:", "via:")):
                found.extend(_CLOUD_INIT_ADDRESS.findall(stripped))
    return found
