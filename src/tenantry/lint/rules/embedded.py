"""Strings that hold JSON or YAML for CNI plugins or nodes: whether they can be read, and the fields in them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tenantry.lint.index import Index, data_path
from tenantry.lint.pods import NETWORKS, networks_of
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.strings import parse_chain
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath
from tenantry.model.reading import annotations_of, at, items, mapping, text

SRIOV = "sriovnetwork.openshift.io"
MELLANOX = "mellanox.com"
CNI = "k8s.cni.cncf.io"

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NODE_TEXT = re.compile(r"(?m)[\"']?\bkind[\"']?\s*:\s*[\"']?Node[\"']?\s*(?:[,}]|$)")


def networks(index: Index) -> list[Manifest]:
    """Return every object that carries the ``ipam`` text of a secondary network."""
    return [
        *index.of(SRIOV, "SriovNetwork", "SriovIBNetwork", "OVSNetwork"),
        *index.of(MELLANOX, "MacvlanNetwork", "HostDeviceNetwork", "IPoIBNetwork"),
    ]


def attachment_config(index: Index, manifest: Manifest) -> Mapping[str, Any]:
    """Return the CNI configuration of a NetworkAttachmentDefinition, empty when there is none that can be read."""
    found = index.json(text(manifest.body, "spec", "config") or "{}").value
    return found if isinstance(found, dict) else {}


def plugins(config: Mapping[str, Any]) -> list[tuple[DocPath, Mapping[str, Any]]]:
    """Return the plugins of a CNI configuration with their paths: the chain, or the configuration itself."""
    if "plugins" in config:
        found = enumerate(items(config, "plugins"))
        return [(("plugins", position), plugin) for position, plugin in found if isinstance(plugin, dict)]
    return [((), config)] if config else []


def meta_plugins(manifest: Manifest) -> list[Mapping[str, Any]]:
    """Return the chained plugins of an SR-IOV network; an unreadable text gives none."""
    chain = parse_chain(text(manifest.body, "spec", "metaPlugins")).value
    return [plugin for plugin in chain if isinstance(plugin, dict)] if isinstance(chain, list) else []


@rule(
    "LINT-EMBED-IPAM",
    Severity.ERROR,
    "The ipam text of a network is not a JSON object with a type",
    why="The operator pastes the text into the CNI configuration; when it cannot be read no "
    "NetworkAttachmentDefinition appears and pods that name the network do not start.",
    source="sriov-network-operator, api/v1/helper.go (RenderNetAttDef); network-operator, example/sriov-network",
    fragments=True,
)
def _ipam_readable(index: Index) -> Iterator[Hit]:
    for manifest in networks(index):
        source = at(manifest.body, "spec", "ipam")
        if not isinstance(source, str) or not source.strip():
            continue
        path = ("spec", "ipam")
        parsed = index.json(source)
        if parsed.error:
            yield Hit(manifest, path, f"ipam is not JSON: {parsed.error}", "Write the text as strict JSON.")
        elif not isinstance(parsed.value, dict):
            yield Hit(manifest, path, "ipam holds no JSON object", 'Write an object such as {"type": "nv-ipam"}.')
        elif parsed.value and not text(parsed.value, "type"):
            yield Hit(manifest, path, "ipam names no type, so no address plugin is called", 'Add "type".')


_IPAM_ADDRESSES: Mapping[str, tuple[DocPath, ...]] = {
    "whereabouts": (("range",), ("range_start",), ("range_end",), ("gateway",)),
    "host-local": (("subnet",), ("rangeStart",), ("rangeEnd",), ("gateway",)),
    "static": (),
}


def _address(value: object) -> bool:
    """Whether a value is an address, a network or a span of two addresses."""
    if not isinstance(value, str):
        return False
    try:
        for part in value.split("-") if "/" in value and "-" in value else [value]:
            ipaddress.ip_interface(part.strip())
    except ValueError:
        return False
    return True


def _ipam_faults(ipam: Mapping[str, Any]) -> Iterator[tuple[DocPath, str]]:
    kind = text(ipam, "type")
    for path in _IPAM_ADDRESSES.get(kind, ()):
        value = at(ipam, *path)
        if value not in (None, "") and not _address(value):
            yield path, f"{path[-1]} of {kind} is {value!r}, which is no address or network"
    if kind == "whereabouts":
        if not any(key in ipam for key in ("range", "ipRanges", "configuration_path")):
            yield (), "whereabouts has no range to take addresses from"
        for position, value in enumerate(items(ipam, "exclude")):
            if not _address(value):
                yield ("exclude", position), f"{value!r} is no network that can be excluded"
    if kind == "host-local" and not any(key in ipam for key in ("subnet", "ranges")):
        yield (), "host-local has no subnet to take addresses from"
    if kind == "static":
        for position, entry in enumerate(items(ipam, "addresses")):
            if not _address(at(entry, "address")) or "/" not in text(entry, "address"):
                yield ("addresses", position), "a static address is written with its prefix length, as 192.0.2.5/24"
    if kind == "nv-ipam" and "poolName" in ipam and not text(ipam, "poolName"):
        yield ("poolName",), "poolName is empty"
    if kind == "nv-ipam" and text(ipam, "poolType") not in {"", "ippool", "cidrpool"}:
        yield ("poolType",), f"poolType is {ipam['poolType']!r}; nv-ipam knows ippool and cidrpool"


@rule(
    "LINT-EMBED-IPAM-FIELDS",
    Severity.ERROR,
    "A field of the ipam text is missing or is no address",
    why="The address plugin refuses its configuration when a pod starts, not when the network is applied.",
    source="containernetworking plugins, ipam/host-local and ipam/static; whereabouts, pkg/types; nvidia-k8s-ipam, "
    "README",
    fragments=True,
)
def _ipam_fields(index: Index) -> Iterator[Hit]:
    for manifest in networks(index):
        ipam = index.json(text(manifest.body, "spec", "ipam") or "{}").value
        for inner, message in _ipam_faults(ipam) if isinstance(ipam, dict) else ():
            yield Hit(manifest, ("spec", "ipam"), message, "Correct the ipam text.", inner=inner)
    for manifest in index.of(CNI, "NetworkAttachmentDefinition"):
        for where, plugin in plugins(attachment_config(index, manifest)):
            for inner, message in _ipam_faults(mapping(plugin, "ipam")):
                yield Hit(manifest, ("spec", "config"), message, "Correct ipam.", inner=(*where, "ipam", *inner))


@rule(
    "LINT-EMBED-CAPABILITIES",
    Severity.ERROR,
    "The capabilities text of a network is not a JSON object of switches",
    why="The text is pasted into the CNI configuration, which then cannot be read, or the capability is not passed on.",
    source="sriov-network-operator, api/v1/helper.go (RenderNetAttDef); CNI specification, capabilities",
    fragments=True,
)
def _capabilities_readable(index: Index) -> Iterator[Hit]:
    path = ("spec", "capabilities")
    for manifest in index.of(SRIOV, "SriovNetwork", "SriovIBNetwork", "OVSNetwork"):
        source = text(manifest.body, *path)
        parsed = index.json(source) if source.strip() else None
        if parsed is None:
            continue
        if parsed.error:
            yield Hit(manifest, path, f"capabilities is not JSON: {parsed.error}", 'Write {"mac": true}.')
        elif not isinstance(parsed.value, dict) or not all(isinstance(value, bool) for value in parsed.value.values()):
            yield Hit(manifest, path, "capabilities is no object of true and false", 'Write {"mac": true}.')


@rule(
    "LINT-EMBED-METAPLUGINS",
    Severity.ERROR,
    "The metaPlugins text is not a comma-separated list of JSON objects with a type",
    why="The text is pasted into the plugins array of the CNI configuration; what does not fit there leaves the "
    "network without its NetworkAttachmentDefinition.",
    source="sriov-network-operator, bindata/manifests/cni-config/sriov/sriov-cni-config.yaml",
    fragments=True,
)
def _meta_plugins_readable(index: Index) -> Iterator[Hit]:
    path = ("spec", "metaPlugins")
    for manifest in index.of(SRIOV, "SriovNetwork", "SriovIBNetwork", "OVSNetwork"):
        source = at(manifest.body, *path)
        if not isinstance(source, str) or not source.strip():
            continue
        parsed = parse_chain(source)
        if parsed.error:
            yield Hit(manifest, path, f"metaPlugins is not JSON: {parsed.error}", 'Write {"type": "rdma"}.')
            continue
        chain = parsed.value if isinstance(parsed.value, list) else [parsed.value]
        for position, plugin in enumerate(chain):
            if isinstance(plugin, list):
                yield Hit(
                    manifest,
                    path,
                    "metaPlugins is an array; it is pasted into an array and would be nested",
                    "Leave the outer brackets away.",
                )
            elif not text(plugin, "type"):
                yield Hit(
                    manifest,
                    path,
                    f"entry {position + 1} of metaPlugins is no object with a type",
                    'Give each entry a "type".',
                    inner=(position,),
                )


@rule(
    "LINT-EMBED-NAD",
    Severity.ERROR,
    "The config text of a NetworkAttachmentDefinition is not a CNI configuration",
    why="Multus reads the text when a pod starts; a pod that names the network fails with a parse error.",
    source="Network Plumbing Working Group, multi-network specification 1.3, section 3.4; CNI specification",
    fragments=True,
)
def _attachment_readable(index: Index) -> Iterator[Hit]:
    path = ("spec", "config")
    for manifest in index.of(CNI, "NetworkAttachmentDefinition"):
        source = at(manifest.body, *path)
        if not isinstance(source, str) or not source.strip():
            continue
        parsed = index.json(source)
        if parsed.error:
            yield Hit(manifest, path, f"config is not JSON: {parsed.error}", "Write the text as strict JSON.")
        elif not isinstance(parsed.value, dict):
            yield Hit(manifest, path, "config holds no JSON object", "Write a CNI configuration.")
        elif not text(parsed.value, "type") and not items(parsed.value, "plugins"):
            yield Hit(
                manifest, path, "config names neither a type nor plugins, so no CNI plugin is called", 'Add "type".'
            )
        else:
            for where, plugin in plugins(parsed.value):
                if not text(plugin, "type"):
                    yield Hit(manifest, path, "a plugin of the chain has no type", 'Add "type".', inner=where)


@rule(
    "LINT-EMBED-NETWORKS",
    Severity.ERROR,
    "The networks annotation of a pod is JSON that cannot be read",
    why="Multus refuses the pod: it gets no secondary network and stays in ContainerCreating.",
    source="Network Plumbing Working Group, multi-network specification 1.3, section 4.1.2",
    fragments=True,
)
def _networks_annotation(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        source = networks_of(pod).strip()
        if not source.startswith(("[", "{")):
            continue
        path = (*pod.annotations_path, NETWORKS)
        parsed = index.json(source)
        if parsed.error:
            yield Hit(pod.manifest, path, f"the annotation is not JSON: {parsed.error}", "Write strict JSON.")
        elif not isinstance(parsed.value, list):
            yield Hit(pod.manifest, path, "the annotation holds no JSON array", "Write an array of objects.")
        else:
            for position, entry in enumerate(parsed.value):
                if not text(entry, "name"):
                    yield Hit(pod.manifest, path, "an entry names no network", 'Add "name".', inner=(position, "name"))


def embedded_nodes(index: Index) -> list[tuple[Manifest, DocPath, DocPath, Mapping[str, Any]]]:
    """Return Node objects: manifests of their own, and those inside texts of ConfigMaps.

    Each comes with the object it stands in, the path of the text, the path inside the text, and the Node.
    """
    return index.shared("nodes", _nodes)


def _nodes(index: Index) -> list[tuple[Manifest, DocPath, DocPath, Mapping[str, Any]]]:
    found: list[tuple[Manifest, DocPath, DocPath, Mapping[str, Any]]] = [
        (manifest, (), (), manifest.body) for manifest in index.of("", "Node")
    ]
    for manifest, key, source in index.config_texts:
        if not _NODE_TEXT.search(source):
            continue
        for number, part in enumerate(re.split(r"(?m)^---\s*$", source)):
            value = index.yaml(part).value
            members = items(value, "items") if text(value, "kind").endswith("List") else [value]
            for position, node in enumerate(members):
                if text(node, "kind") == "Node" and text(node, "apiVersion") == "v1":
                    inner: DocPath = (number, "items", position) if len(members) > 1 else (number,)
                    found.append((manifest, data_path(key), inner, node))
    return found


@rule(
    "LINT-EMBED-NODES",
    Severity.ERROR,
    "A Node inside a ConfigMap cannot be applied",
    why="The job that applies the nodes fails, or the API server refuses the label: labels are strings of at most "
    "63 characters.",
    source="Kubernetes, labels and selectors: syntax and character set",
    fragments=True,
)
def _nodes_applicable(index: Index) -> Iterator[Hit]:
    for manifest, key, source in index.config_texts:
        if _NODE_TEXT.search(source):
            for part in re.split(r"(?m)^---\s*$", source):
                error = index.yaml(part).error
                if error:
                    yield Hit(manifest, data_path(key), f"the text is not YAML: {error}", "Correct the text.")
    for manifest, path, inner, node in embedded_nodes(index):
        if not path:
            continue
        if not text(node, "metadata", "name"):
            yield Hit(manifest, path, "a Node has no name", "Name the node.", inner=inner)
        for name, value in mapping(node, "metadata", "labels").items():
            message = _label_fault(name, value)
            if message:
                place = (*inner, "metadata", "labels", str(name))
                yield Hit(manifest, path, message, "Quote the value and keep to the syntax of labels.", inner=place)


def _label_fault(name: object, value: object) -> str:
    if not isinstance(name, str) or not _LABEL_NAME.fullmatch(name.rpartition("/")[2]):
        return f"{name!r} is no label name"
    if value is None:
        return ""  # server-side apply takes null as "not mine"
    if not isinstance(value, str):
        return f"the label {name} is {type(value).__name__} {value!r}; labels are strings"
    return "" if _LABEL_VALUE.fullmatch(value) else f"{value!r} is no label value ({name})"


@rule(
    "LINT-EMBED-SCALAR",
    Severity.ERROR,
    "A value that must be a string was read as a number or boolean",
    why="Unquoted on and off are booleans, device ids such as 1021 are numbers, and PCI addresses such as "
    "00:18:00.1 are read as base-60 numbers by some tools. The API server refuses the object.",
    source="sriov-network-operator, doc/quickstart.md (unquoted PCI address); YAML 1.1 types",
    fragments=True,
)
def _unquoted(index: Index) -> Iterator[Hit]:
    for manifest, path, value in _strings(index):
        if value is not None and not isinstance(value, str):
            message = f"{path[-1]} was read as {type(value).__name__} {value!r}; the field is a string"
            yield Hit(manifest, path, message, "Put the value in quotes.")


def _strings(index: Index) -> Iterator[tuple[Manifest, DocPath, object]]:
    """Yield the fields that are strings and easily written without quotes."""
    for manifest in index.of(SRIOV, "SriovNetworkNodePolicy"):
        selector = mapping(manifest.body, "spec", "nicSelector")
        for name in ("vendor", "deviceID"):
            yield manifest, ("spec", "nicSelector", name), selector.get(name)
        for name in ("rootDevices", "pfNames"):
            for position, value in enumerate(items(selector, name)):
                yield manifest, ("spec", "nicSelector", name, position), value
    for manifest in index.of(SRIOV, "SriovNetwork", "OVSNetwork", "SriovIBNetwork"):
        for name in ("spoofChk", "trust", "linkState"):
            yield manifest, ("spec", name), at(manifest.body, "spec", name)
    for manifest in index.of("", "Node", "Namespace"):
        for part in ("labels", "annotations"):
            for name, value in mapping(manifest.body, "metadata", part).items():
                yield manifest, ("metadata", part, str(name)), value


@rule(
    "LINT-ARGO-WAVE",
    Severity.ERROR,
    "The sync wave is not a whole number in quotes",
    why="Argo CD ignores a wave it cannot read and applies the object in wave 0; an unquoted number is refused by "
    "the API server, for annotations are strings.",
    source="Argo CD, gitops-engine/pkg/sync/common and docs/user-guide/sync-waves.md",
    fragments=True,
)
def _wave_readable(index: Index) -> Iterator[Hit]:
    name = "argocd.argoproj.io/sync-wave"
    for manifest in index.manifests:
        metadata = manifest.body.get("metadata")
        notes = metadata.get("annotations") if isinstance(metadata, dict) else None
        if not isinstance(notes, dict) or name not in notes:
            continue
        value = notes[name]
        path = ("metadata", "annotations", name)
        if not isinstance(value, str):
            yield Hit(manifest, path, f"the sync wave is {type(value).__name__} {value!r}, not a string", "Quote it.")
        elif not re.fullmatch(r"[+-]?[0-9]+", value):
            yield Hit(manifest, path, f"the sync wave {value!r} is not a whole number", 'Write a number such as "5".')


@rule(
    "LINT-EMBED-LAST-APPLIED",
    Severity.INFO,
    "The annotation of a former client-side apply was committed",
    why="kubectl writes last-applied-configuration; in Git it freezes an old state and confuses the next apply.",
    source="Kubernetes, declarative management of objects: how apply calculates differences",
    fragments=True,
)
def _last_applied(index: Index) -> Iterator[Hit]:
    name = "kubectl.kubernetes.io/last-applied-configuration"
    for manifest in index.manifests:
        if name in annotations_of(manifest.body):
            yield Hit(
                manifest, ("metadata", "annotations", name), "the annotation belongs to the cluster", "Remove it."
            )


RULES: tuple[Rule, ...] = (
    _ipam_readable,
    _ipam_fields,
    _capabilities_readable,
    _meta_plugins_readable,
    _attachment_readable,
    _networks_annotation,
    _nodes_applicable,
    _unquoted,
    _wave_readable,
    _last_applied,
)
