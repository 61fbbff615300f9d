"""Secondary networks a tenant's pods can attach to, and what lies below them.

Read from NetworkAttachmentDefinitions and from the objects operators make them of. Sources: CNI plugins sriov-cni,
ib-sriov-cni, macvlan, ipvlan, vlan, bridge, host-device and ovn-k8s-cni-overlay; SR-IOV network operator
``api/v1/helper.go`` (RenderNetAttDef); NVIDIA network operator ``api/v1alpha1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tenantry.model.selector import parse_selector
from tenantry.safe.devices.reading import parsed
from tenantry.safe.reading import at, items, mapping, strings, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Body, Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.safe.view import View

CNI = "k8s.cni.cncf.io"
SRIOV = "sriovnetwork.openshift.io"
MELLANOX = "mellanox.com"
OVN = "k8s.ovn.org"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
RESOURCE_ANNOTATION = "k8s.v1.cni.cncf.io/resourceName"


class Medium(StrEnum):
    """What carries a secondary network."""

    VF = "VF resource"
    UPLINK = "uplink"
    BRIDGE = "bridge"
    PHYSICAL = "physical network"
    OVERLAY = "overlay"
    DEVICE = "host device"
    INFINIBAND = "InfiniBand"
    UNKNOWN = "unknown"

    @property
    def wired(self) -> bool:
        """Whether switches carry it, so that networks with different names may be one."""
        return self in {Medium.VF, Medium.UPLINK, Medium.PHYSICAL, Medium.DEVICE}


@dataclass(frozen=True)
class Attachment:
    """A network that pods of a namespace can attach to.

    Attributes:
        namespace: namespace of the NetworkAttachmentDefinition.
        name: its name.
        medium: what carries it.
        below: name of what carries it: a VF resource without prefix, an interface, a bridge.
        vlan: VLAN; 0 for untagged. None on InfiniBand and where it is not known.
        key: object that describes it.
        pointer: place of the VLAN or P_Key in it.
        plugin: type of the CNI plugin; empty when not known.
        settings: settings of the VF or plugin as written.
        pkey: P_Key as written; empty when none is.
    """

    namespace: str
    name: str
    medium: Medium
    below: str
    vlan: int | None
    key: ManifestKey
    pointer: DocPath
    plugin: str
    settings: Mapping[str, Any]
    pkey: str = ""

    @property
    def title(self) -> str:
        """The network in a few words."""
        where = f"{self.medium} {self.below}".strip()
        return f"{self.namespace}/{self.name} ({where}{'' if self.vlan is None else f', VLAN {self.vlan}'})"

    @property
    def partition(self) -> int | None:
        """P_Key without the bit of membership; None for the default partition or when none is set."""
        try:
            number = int(self.pkey, 16) & 0x7FFF
        except ValueError:
            return None
        return None if number == 0x7FFF else number


def read_attachments(view: View) -> tuple[Attachment, ...]:
    """Return every secondary network of a view, by namespace and name; one described twice counts once."""
    found: dict[tuple[str, str], Attachment] = {}
    for attachment in (*_definitions(view), *_virtual_functions(view), *_others(view), *_user_defined(view)):
        # What an operator's object says is complete; the definition made of it may lag behind.
        found[(attachment.namespace, attachment.name)] = attachment
    return tuple(found[name] for name in sorted(found))


def of_tenants(view: View, attachments: tuple[Attachment, ...]) -> dict[str, tuple[Attachment, ...]]:
    """Return the secondary networks in the namespaces of each tenant."""
    found: dict[str, list[Attachment]] = {tenant.name: [] for tenant in view.tenants}
    for attachment in attachments:
        owner = view.tenancy.owner(attachment.namespace)
        if owner in found:
            found[owner].append(attachment)
    return {name: tuple(values) for name, values in found.items()}


# --- NetworkAttachmentDefinitions -----------------------------------------------------------------------------------


def _definitions(view: View) -> Iterator[Attachment]:
    for manifest in view.snapshot.of(CNI, "NetworkAttachmentDefinition"):
        config = parsed(text(manifest.body, "spec", "config"))
        chain = items(config, "plugins")
        plugin = next((item for item in chain if isinstance(item, dict)), None) if chain else config
        name = text(config, "name") or manifest.key.name
        yield from_plugin(manifest, plugin if isinstance(plugin, dict) else {}, name)


def from_plugin(manifest: Manifest, plugin: Mapping[str, Any], network: str) -> Attachment:
    """Return the network a CNI plugin makes.

    Args:
        manifest: the NetworkAttachmentDefinition.
        plugin: configuration of the first plugin of the chain.
        network: name of the network in the configuration.
    """
    kind = text(plugin, "type")
    medium, below, vlan = _carrier(kind, plugin, network)
    resource = strings(manifest.body, "metadata", "annotations").get(RESOURCE_ANNOTATION, "")
    if medium in {Medium.VF, Medium.DEVICE} and resource:
        below = resource.rpartition("/")[2]
    return Attachment(
        manifest.key.namespace,
        manifest.key.name,
        medium,
        below,
        vlan,
        manifest.key,
        ("spec", "config"),
        kind,
        plugin,
        text(plugin, "pkey"),
    )


def _carrier(kind: str, plugin: Mapping[str, Any], network: str) -> tuple[Medium, str, int | None]:
    master = text(plugin, "master") or text(plugin, "linkInContainer")
    if kind in {"sriov", "accelerated-bridge", "host-device"}:
        medium = Medium.DEVICE if kind == "host-device" else Medium.VF
        device = next(
            (text(plugin, key) for key in ("device", "pciBusID", "hwaddr", "kernelpath") if key in plugin), ""
        )
        return medium, device or network, _number(plugin.get("vlan"))
    if kind in {"ib-sriov", "ipoib"}:
        return Medium.INFINIBAND, master or network, None
    if kind in {"macvlan", "ipvlan"}:
        base, tag = _tagged(master)
        return Medium.UPLINK, base or "interface of the default route", tag
    if kind == "vlan":
        return Medium.UPLINK, master, _number(plugin.get("vlanId"))
    if kind in {"bridge", "ovs"}:
        medium = Medium.BRIDGE if kind == "bridge" else Medium.PHYSICAL
        return medium, text(plugin, "bridge") or "cni0", _tag(plugin)
    if kind == "ovn-k8s-cni-overlay":
        if text(plugin, "topology") == "localnet":
            return Medium.PHYSICAL, text(plugin, "physicalNetworkName") or network, _number(plugin.get("vlanID"))
        return Medium.OVERLAY, network, 0
    return Medium.UNKNOWN, network, None


def _tag(plugin: Mapping[str, object]) -> int | None:
    """Return the VLAN of an interface on a bridge; one that carries several has none that is known."""
    several = any(plugin.get(key) for key in ("vlanTrunk", "trunk"))
    return None if several else _number(plugin.get("vlan", plugin.get("tag")))


def _number(value: object) -> int | None:
    """Return a VLAN; 0 when it is left out, None when it is none."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _tagged(interface: str) -> tuple[str, int]:
    """Return an interface without the VLAN its name ends with, and the VLAN."""
    match = re.fullmatch(r"(.+)\.([0-9]{1,4})", interface)
    return (match[1], int(match[2])) if match else (interface, 0)


# --- objects operators make definitions of --------------------------------------------------------------------------


def _home(manifest: Manifest) -> str:
    return text(manifest.body, "spec", "networkNamespace") or manifest.key.namespace


def _virtual_functions(view: View) -> Iterator[Attachment]:
    for manifest in view.snapshot.of(SRIOV, "SriovNetwork", "OVSNetwork", "SriovIBNetwork"):
        spec = mapping(manifest.body, "spec")
        infiniband = manifest.key.kind == "SriovIBNetwork"
        yield Attachment(
            _home(manifest),
            manifest.key.name,
            Medium.INFINIBAND if infiniband else Medium.VF,
            text(spec, "resourceName"),
            None if infiniband else _number(spec.get("vlan")),
            manifest.key,
            ("spec",) if infiniband or "vlan" not in spec else ("spec", "vlan"),
            "ib-sriov" if infiniband else "sriov",
            spec,
        )


def _others(view: View) -> Iterator[Attachment]:
    for manifest in view.snapshot.of(MELLANOX, "MacvlanNetwork", "HostDeviceNetwork", "IPoIBNetwork"):
        spec = mapping(manifest.body, "spec")
        base, tag = _tagged(text(spec, "master"))
        medium, below, vlan, plugin = {
            "MacvlanNetwork": (Medium.UPLINK, base or "interface of the default route", tag, "macvlan"),
            "HostDeviceNetwork": (Medium.DEVICE, text(spec, "resourceName"), 0, "host-device"),
            "IPoIBNetwork": (Medium.INFINIBAND, text(spec, "master"), None, "ipoib"),
        }[manifest.key.kind]
        # Without a namespace of their own these definitions are made in the default one.
        home = text(spec, "networkNamespace") or "default"
        yield Attachment(home, manifest.key.name, medium, below, vlan, manifest.key, ("spec",), plugin, spec)


def _user_defined(view: View) -> Iterator[Attachment]:
    for manifest in view.snapshot.of(OVN, "ClusterUserDefinedNetwork"):
        network = mapping(manifest.body, "spec", "network")
        topology = text(network, "topology")
        details = mapping(network, topology.lower())
        if topology not in {"Localnet", "Layer2", "Layer3"} or text(details, "role") == "Primary":
            continue
        local = topology == "Localnet"
        below = text(details, "physicalNetworkName") if local else manifest.key.name
        vlan = _number(at(details, "vlan", "access", "id")) if local else 0
        for namespace in _selected(view, manifest):
            medium = Medium.PHYSICAL if local else Medium.OVERLAY
            yield Attachment(
                namespace,
                manifest.key.name,
                medium,
                below,
                vlan,
                manifest.key,
                ("spec", "network"),
                "ovn-k8s-cni-overlay",
                details,
            )


def _selected(view: View, manifest: Manifest) -> Iterator[str]:
    try:
        selector = parse_selector(mapping(manifest.body, "spec", "namespaceSelector"))
    except ValueError:
        return
    for home in view.snapshot.of("", "Namespace"):
        labels = {**strings(home.body, "metadata", "labels"), "kubernetes.io/metadata.name": home.key.name}
        if selector.matches(labels):
            yield home.key.name


def named_networks(pod: Body, annotation: str) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of every network a pod names in an annotation.

    Source: Multus ``pkg/k8sclient/k8sclient.go`` (parsePodNetworkAnnotation).
    """
    written = strings(pod, "metadata", "annotations").get(annotation, "")
    home = text(pod, "metadata", "namespace")
    if any(sign in written for sign in '[{"'):
        listed = parsed(written)
        for entry in listed if isinstance(listed, list) else []:
            yield text(entry, "namespace") or home, text(entry, "name")
        return
    for part in written.split(","):
        space, _, name = part.strip().rpartition("/")
        if name:
            yield space.strip() or home, name.partition("@")[0].strip()
