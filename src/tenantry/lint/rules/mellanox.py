"""NicClusterPolicy, NicNodePolicy and the NIC configuration operator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tenantry.lint.advertised import plugin_resources
from tenantry.lint.index import Index, hint
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX, SRIOV
from tenantry.lint.rules.sriov import VENDOR, functions, is_mellanox, policies
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, integer, items, mapping, string_map, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

NIC_CONFIGURATION = "configuration.net.nvidia.com"

_SRIOV_NAME = re.compile(r"[A-Za-z0-9_.]+")
_SHARED_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_GUID = re.compile(r"(?:[0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}")

_SHARED_KEYS = frozenset({"resourceName", "resourcePrefix", "rdmaHcaMax", "selectors", "devices"})
_SHARED_SELECTORS = frozenset({"vendors", "deviceIDs", "drivers", "ifNames", "linkTypes"})
_SRIOV_KEYS = frozenset(
    {"resourceName", "resourcePrefix", "deviceType", "selectors", "excludeTopology", "additionalInfo"}
)
_SRIOV_SELECTORS = frozenset(
    {
        *("vendors", "devices", "drivers", "pciAddresses", "acpiIndexes", "pfNames", "rootDevices", "linkTypes"),
        *("ddpProfiles", "isRdma", "needVhostNet", "vdpaType", "auxTypes", "pKeys"),
    }
)


def nic_policies(index: Index) -> list[Manifest]:
    """Return the objects of the NVIDIA network operator that carry component sections."""
    return index.of(MELLANOX, "NicClusterPolicy", "NicNodePolicy")


def _plugin_configs(index: Index) -> Iterator[tuple[Manifest, str, str]]:
    """Yield each device plugin section with its configuration text."""
    for manifest in nic_policies(index):
        for section in ("rdmaSharedDevicePlugin", "sriovDevicePlugin"):
            source = text(manifest.body, "spec", section, "config")
            if source.strip():
                yield manifest, section, source


@rule(
    "LINT-NIC-CONFIG",
    Severity.ERROR,
    "The configuration text of a device plugin cannot be used",
    why="The text goes unchanged to the plugin, which crashes on it; the admission webhook that would refuse it is "
    "optional.",
    source="network-operator, webhook-schemas/{rdma_shared_device_plugin,sriov_network_device_plugin}.json",
    fragments=True,
)
def _plugin_config(index: Index) -> Iterator[Hit]:
    for manifest, section, source in _plugin_configs(index):
        path: DocPath = ("spec", section, "config")
        parsed = index.json(source)
        if parsed.error:
            yield Hit(manifest, path, f"config is not JSON: {parsed.error}", "Write the text as strict JSON.")
            continue
        key = "configList" if section == "rdmaSharedDevicePlugin" else "resourceList"
        if not items(parsed.value, key):
            yield Hit(manifest, path, f"config has no {key}, so the plugin offers nothing", f"Add {key}.")
        for position, entry in enumerate(items(parsed.value, key)):
            shared = section == "rdmaSharedDevicePlugin"
            for inner, message in _shared_faults(entry) if shared else _sriov_faults(entry):
                yield Hit(manifest, path, message, "Correct the entry.", inner=(key, position, *inner))


def _shared_faults(entry: object) -> Iterator[tuple[DocPath, str]]:
    yield from _name_faults(entry, _SHARED_NAME, "letters, digits, '.', '_' and '-'")
    most = at(entry, "rdmaHcaMax")
    if most is None or integer(entry, "rdmaHcaMax") is None or most < 1:
        yield ("rdmaHcaMax",), f"rdmaHcaMax is {most!r}; it is the number of pods per device, 1 or more"
    if not mapping(entry, "selectors") and not items(entry, "devices"):
        yield ("selectors",), "neither selectors nor devices choose an adapter"
    yield from _list_faults(entry, "selectors", ())


def _sriov_faults(entry: object) -> Iterator[tuple[DocPath, str]]:
    yield from _name_faults(entry, _SRIOV_NAME, "letters, digits, '.' and '_', no '-'")
    kind = at(entry, "deviceType")
    if kind is not None and kind not in {"accelerator", "netDevice", "auxNetDevice"}:
        yield ("deviceType",), f"deviceType {kind!r} is none of netDevice, auxNetDevice and accelerator"
    selectors = at(entry, "selectors")
    for position, part in enumerate(selectors if isinstance(selectors, list) else [selectors]):
        where: DocPath = ("selectors", position) if isinstance(selectors, list) else ("selectors",)
        yield from _list_faults({"selectors": part}, "selectors", where[1:])


def _name_faults(entry: object, pattern: re.Pattern[str], words: str) -> Iterator[tuple[DocPath, str]]:
    name, prefix = text(entry, "resourceName"), text(entry, "resourcePrefix")
    if not name:
        yield ("resourceName",), "an entry has no resourceName"
    elif not pattern.fullmatch(name):
        yield ("resourceName",), f"resourceName {name!r} may hold only {words}"
    if prefix and not _DOMAIN.fullmatch(prefix):
        yield ("resourcePrefix",), f"resourcePrefix {prefix!r} is no domain name"


def _list_faults(entry: object, key: str, where: DocPath) -> Iterator[tuple[DocPath, str]]:
    for name, value in mapping(entry, key).items():
        if name in {"isRdma", "needVhostNet"}:
            if not isinstance(value, bool):
                yield (key, *where, name), f"{name} is {value!r}, not true or false"
        elif name != "vdpaType" and not isinstance(value, list):
            yield (key, *where, str(name)), f"{name} takes a list"


@rule(
    "LINT-NIC-CONFIG-KEY",
    Severity.WARNING,
    "The configuration text of a device plugin has a key the plugin does not know",
    why="Unknown keys are passed over: the selection or option that was meant does not happen.",
    source="network-operator, webhook-schemas; sriov-network-device-plugin and k8s-rdma-shared-dev-plugin, README",
    fragments=True,
)
def _plugin_config_keys(index: Index) -> Iterator[Hit]:
    for manifest, section, source in _plugin_configs(index):
        value = index.json(source).value
        shared = section == "rdmaSharedDevicePlugin"
        top = {"configList", "periodicUpdateInterval"} if shared else {"resourceList"}
        yield from _unknown(manifest, section, value, top, ())
        key = "configList" if shared else "resourceList"
        for position, entry in enumerate(items(value, key)):
            known = _SHARED_KEYS if shared else _SRIOV_KEYS
            yield from _unknown(manifest, section, entry, known, (key, position))
            chosen = _SHARED_SELECTORS if shared else _SRIOV_SELECTORS
            yield from _unknown(manifest, section, at(entry, "selectors"), chosen, (key, position, "selectors"))


def _unknown(
    manifest: Manifest, section: str, value: object, known: frozenset[str] | set[str], inner: DocPath
) -> Iterator[Hit]:
    for name in mapping(value):
        if name not in known:
            close = nearest_name(str(name), known)
            message = f"{section} does not know {name!r}" + (f"; did you mean {close!r}?" if close else "")
            yield Hit(manifest, ("spec", section, "config"), message, "Correct the key.", inner=(*inner, str(name)))


@rule(
    "LINT-NIC-HOSTDEV",
    Severity.WARNING,
    "A HostDeviceNetwork names a resource that no device plugin offers",
    why="Pods that attach the network ask for a device nobody advertises and stay Pending.",
    source="NVIDIA network operator documentation, host device network",
)
def _host_device(index: Index) -> Iterator[Hit]:
    known = {name.rpartition("/")[2] for name in plugin_resources(index)}
    for network in index.of(MELLANOX, "HostDeviceNetwork"):
        name = text(network.body, "spec", "resourceName")
        verdict = index.dangling(name, known) if name else None
        if verdict:
            severity, nearest = verdict
            message = f"no device plugin of the set offers {name!r}{hint(nearest)}"
            yield Hit(network, ("spec", "resourceName"), message, "Name a resource of sriovDevicePlugin.", severity)


@rule(
    "LINT-NIC-IB-KUBERNETES",
    Severity.ERROR,
    "Partition keys cannot be handed out: ibKubernetes lacks what it needs",
    why="Without the range of GUIDs and the credentials of the subnet manager no pod joins its partition.",
    source="network-operator, api/v1alpha1 (IBKubernetesSpec); ib-kubernetes, README",
)
def _ib_kubernetes(index: Index) -> Iterator[Hit]:
    for manifest in index.of(MELLANOX, "NicClusterPolicy"):
        section = at(manifest.body, "spec", "ibKubernetes")
        if not isinstance(section, dict):
            continue
        path: DocPath = ("spec", "ibKubernetes")
        for name in ("pKeyGUIDPoolRangeStart", "pKeyGUIDPoolRangeEnd", "ufmSecret"):
            if not text(section, name):
                yield Hit(manifest, (*path, name), f"ibKubernetes has no {name}", f"Add {name}.")
        ends = [text(section, "pKeyGUIDPoolRangeStart"), text(section, "pKeyGUIDPoolRangeEnd")]
        for name, value in zip(("pKeyGUIDPoolRangeStart", "pKeyGUIDPoolRangeEnd"), ends, strict=True):
            if value and not _GUID.fullmatch(value):
                yield Hit(manifest, (*path, name), f"{value!r} is no GUID", "Write eight pairs, 02:00:...:00.")
        if all(_GUID.fullmatch(end) for end in ends) and ends[0].lower() > ends[1].lower():
            message = "the range of GUIDs ends before it begins"
            yield Hit(manifest, (*path, "pKeyGUIDPoolRangeStart"), message, "Swap the ends.")


@rule(
    "LINT-NIC-TWO-PLUGINS",
    Severity.ERROR,
    "Two device plugins claim the same VFs",
    why="The device plugin of the NicClusterPolicy and the one of the SR-IOV operator both advertise the VFs; pods "
    "get devices that are already in use.",
    source="NVIDIA network operator documentation, SR-IOV deployment",
)
def _two_plugins(index: Index) -> Iterator[Hit]:
    for manifest in nic_policies(index):
        config = index.json(text(manifest.body, "spec", "sriovDevicePlugin", "config") or "{}").value
        for position, entry in enumerate(items(config, "resourceList")):
            selectors = at(entry, "selectors")
            for part in selectors if isinstance(selectors, list) else [selectors]:
                for policy in index.beside(manifest, SRIOV, "SriovNetworkNodePolicy"):
                    if is_mellanox(policy) and _claims(part, policy):
                        message = f"the plugin also claims the VFs of SriovNetworkNodePolicy {policy.key.name}"
                        path: DocPath = ("spec", "sriovDevicePlugin", "config")
                        fix = "Remove sriovDevicePlugin, or select other functions."
                        yield Hit(manifest, path, message, fix, inner=("resourceList", position, "selectors"))


def _claims(selectors: object, policy: Manifest) -> bool:
    """Whether a selector of the device plugin covers functions of a policy, as far as names tell."""
    vendors = texts(selectors, "vendors")
    if vendors and VENDOR not in vendors:
        return False
    for key in ("pfNames", "rootDevices"):
        named = {name.partition("#")[0] for name in texts(selectors, key)}
        taken = {function.name for function in functions(policy) if function.path[2] == key}
        if named and taken:
            return bool(named & taken)
    return not any(selectors_of in mapping(selectors) for selectors_of in ("pciAddresses", "devices", "acpiIndexes"))


@rule(
    "LINT-NIC-NODE-OVERLAP",
    Severity.ERROR,
    "A component is configured for all nodes and again for some",
    why="The webhook refuses a NicNodePolicy whose sections the NicClusterPolicy has too, or that shares nodes with "
    "another NicNodePolicy.",
    source="network-operator, api/v1alpha1/validator (NicNodePolicy)",
)
def _node_policy_overlap(index: Index) -> Iterator[Hit]:
    for group in index.together(index.of(MELLANOX, "NicClusterPolicy", "NicNodePolicy")):
        wide = [manifest for manifest in group if manifest.key.kind == "NicClusterPolicy"]
        narrow = [manifest for manifest in group if manifest.key.kind == "NicNodePolicy"]
        for position, policy in enumerate(narrow):
            for section in ("ofedDriver", "rdmaSharedDevicePlugin", "sriovDevicePlugin"):
                if section not in mapping(policy.body, "spec"):
                    continue
                others = [other for other in (*wide, *narrow[:position]) if _overlaps(policy, other, section)]
                for other in others:
                    message = f"{other.key.kind} {other.key.name} configures {section} for these nodes too"
                    yield Hit(policy, ("spec", section), message, "Configure it in one place.")


def _overlaps(policy: Manifest, other: Manifest, section: str) -> bool:
    if section not in mapping(other.body, "spec"):
        return False
    if other.key.kind == "NicClusterPolicy":
        return True
    mine = string_map(policy.body, "spec", "nodeSelector").items()
    theirs = string_map(other.body, "spec", "nodeSelector").items()
    return mine <= theirs or theirs <= mine


@rule(
    "LINT-NIC-MULTUS",
    Severity.WARNING,
    "A second Multus on OpenShift",
    why="OpenShift ships Multus; a second one writes its configuration over the platform's.",
    source="NVIDIA network operator documentation, OpenShift deployment guide",
)
def _second_multus(index: Index) -> Iterator[Hit]:
    for manifest in index.of(MELLANOX, "NicClusterPolicy"):
        on_openshift = index.beside(manifest, "operators.coreos.com", "Subscription")
        if mapping(manifest.body, "spec", "secondaryNetwork", "multus") and on_openshift:
            message = "the cluster installs operators with OLM; on OpenShift Multus is part of the platform"
            path = ("spec", "secondaryNetwork", "multus")
            yield Hit(manifest, path, message, "Remove secondaryNetwork.multus on OpenShift.")


@rule(
    "LINT-NIC-WHEREABOUTS",
    Severity.WARNING,
    "The address plugin is configured in the NicClusterPolicy",
    why="secondaryNetwork.ipamPlugin left the object in 25.10 and is dropped by the API server; networks that use "
    "whereabouts then find no plugin.",
    source="NVIDIA network operator documentation, release notes 25.10",
    fragments=True,
)
def _whereabouts(index: Index) -> Iterator[Hit]:
    for manifest in index.of(MELLANOX, "NicClusterPolicy"):
        if "ipamPlugin" in mapping(manifest.body, "spec", "secondaryNetwork"):
            path = ("spec", "secondaryNetwork", "ipamPlugin")
            yield Hit(manifest, path, "ipamPlugin is no longer part of the object", "Use nvIpam.")


@rule(
    "LINT-NIC-IMAGE",
    Severity.WARNING,
    "A component of the NicClusterPolicy has no repository or version",
    why="The operator builds the image from repository, image and version; without them, and without spec.global, "
    "the pods cannot pull.",
    source="network-operator, example/crs/mellanox.com_v1alpha1_nicclusterpolicy_cr_global_config.yaml",
)
def _component_image(index: Index) -> Iterator[Hit]:
    for manifest in nic_policies(index):
        spec = mapping(manifest.body, "spec")
        fallback = mapping(spec, "global")
        for path, section in _components(spec):
            missing = [name for name in ("repository", "version") if not section.get(name) and not fallback.get(name)]
            if section.get("image") and missing:
                message = f"{'.'.join(map(str, path))} has no {' and no '.join(missing)}, and spec.global gives none"
                yield Hit(manifest, ("spec", *path), message, f"Add {' and '.join(missing)}.")


def _components(spec: Mapping[str, Any]) -> Iterator[tuple[DocPath, Mapping[str, Any]]]:
    for name, section in spec.items():
        if not isinstance(section, dict) or name == "global":
            continue
        if "image" in section:
            yield (name,), section
        for inner, part in section.items():
            if isinstance(part, dict) and "image" in part:
                yield (name, inner), part


@rule(
    "LINT-NIC-CONFIGURATION",
    Severity.ERROR,
    "A NIC configuration template asks for what the firmware cannot do",
    why="roceOptimized exists on Ethernet only and gpuDirectOptimized needs pciPerformanceOptimized; the template "
    "is not applied.",
    source="NVIDIA network operator documentation, NIC configuration operator",
)
def _nic_template(index: Index) -> Iterator[Hit]:
    for manifest in index.of(NIC_CONFIGURATION, "NicConfigurationTemplate"):
        template = mapping(manifest.body, "spec", "template")
        path: DocPath = ("spec", "template")
        roce = at(template, "roceOptimized", "enabled") is True
        if roce and text(template, "linkType").lower() == "infiniband":
            yield Hit(manifest, (*path, "roceOptimized"), "RoCE exists on Ethernet only", "Remove roceOptimized.")
        direct = at(template, "gpuDirectOptimized", "enabled") is True
        if direct and at(template, "pciPerformanceOptimized", "enabled") is not True:
            message = "gpuDirectOptimized needs pciPerformanceOptimized"
            yield Hit(manifest, (*path, "gpuDirectOptimized"), message, "Enable pciPerformanceOptimized.")


@rule(
    "LINT-NIC-TEMPLATE-VFS",
    Severity.WARNING,
    "Firmware and node policies disagree about VFs",
    why="The NIC configuration operator and the SR-IOV operator both write NUM_OF_VFS and reboot the node in turn.",
    source="NVIDIA network operator documentation, NIC configuration operator (use with the SR-IOV operator)",
)
def _template_vfs(index: Index) -> Iterator[Hit]:
    for manifest in index.whole(NIC_CONFIGURATION, "NicConfigurationTemplate"):
        vfs = integer(manifest.body, "spec", "template", "numVfs")
        kind = text(manifest.body, "spec", "nicSelector", "nicType")
        for policy in policies(index) if vfs is not None else ():
            asked = integer(policy.body, "spec", "numVfs")
            same = kind and kind == text(policy.body, "spec", "nicSelector", "deviceID")
            if same and asked is not None and asked != vfs and index.scope(policy) == index.scope(manifest):
                message = f"numVfs is {vfs} here and {asked} in SriovNetworkNodePolicy {policy.key.name}"
                yield Hit(manifest, ("spec", "template", "numVfs"), message, "Use one number.")


RULES: tuple[Rule, ...] = (
    _plugin_config,
    _plugin_config_keys,
    _host_device,
    _ib_kubernetes,
    _two_plugins,
    _node_policy_overlap,
    _second_multus,
    _whereabouts,
    _component_image,
    _nic_template,
    _template_vfs,
)
