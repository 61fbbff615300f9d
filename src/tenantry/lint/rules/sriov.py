"""SR-IOV node policies, pools and the operator's own configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from tenantry.lint.index import Index
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import SRIOV
from tenantry.model.finding import Severity
from tenantry.model.reading import at, integer, items, mapping, string_map, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

VENDOR = "15b3"
OPERATOR_NAMESPACE = "openshift-sriov-network-operator"
MOFED_WAIT = "network.nvidia.com/operator.mofed.wait"

_RESOURCE_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
_HEX = re.compile(r"[0-9a-f]{4}")
_PCI = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
_VF_RANGE = re.compile(r"(?P<name>[^#]+)#(?P<first>[0-9]+)-(?P<last>[0-9]+)")

# PCI ids of virtual functions of this vendor; a policy selects physical functions.
_VIRTUAL = frozenset({"1014", "1016", "1018", "101a", "101c", "101e"})


@dataclass(frozen=True, slots=True)
class Function:
    """A physical function as a policy names it, and the VFs it takes: ``first`` to ``last``, or all of them."""

    name: str
    path: DocPath
    first: int
    last: int
    ranged: bool


def policies(index: Index) -> list[Manifest]:
    """Return the node policies."""
    return index.of(SRIOV, "SriovNetworkNodePolicy")


def link_type(policy: Manifest) -> str:
    """Return ``eth``, ``ib`` or, when the policy leaves the link type alone, an empty string."""
    return text(policy.body, "spec", "linkType").lower()


def is_mellanox(policy: Manifest) -> bool:
    """Whether the policy selects NVIDIA adapters by vendor."""
    return text(policy.body, "spec", "nicSelector", "vendor").lower() == VENDOR


def functions(policy: Manifest) -> list[Function]:
    """Return the physical functions a policy names one by one; empty when it selects by ids only."""
    vfs = integer(policy.body, "spec", "numVfs") or 0
    found: list[Function] = []
    for kind in ("pfNames", "rootDevices"):
        for position, name in enumerate(items(policy.body, "spec", "nicSelector", kind)):
            if not isinstance(name, str):
                continue
            path: DocPath = ("spec", "nicSelector", kind, position)
            match = _VF_RANGE.fullmatch(name)
            if match:
                found.append(Function(match["name"], path, int(match["first"]), int(match["last"]), True))
            else:
                found.append(Function(name, path, 0, max(vfs - 1, 0), False))
    return found


def share_nodes(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Whether every node of one selector is a node of the other; selectors on unrelated labels are not judged."""
    return first.items() <= second.items() or second.items() <= first.items()


def node_selector(manifest: Manifest) -> dict[str, str]:
    """Return the plain node selector of a policy."""
    return string_map(manifest.body, "spec", "nodeSelector")


@rule(
    "LINT-SRIOV-VENDOR-ONLY",
    Severity.WARNING,
    "A node policy selects adapters by vendor only",
    why="Every adapter of the vendor gets VFs, the ones that carry storage and the node's own network included: the "
    "node loses them while it is drained and reconfigured.",
    source="network-operator, example/sriov-network/sriov-network-node-policy-legacy.yaml",
)
def _vendor_only(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        selector = mapping(policy.body, "spec", "nicSelector")
        if selector.get("vendor") and not any(selector.get(key) for key in _NARROWING):
            yield Hit(
                policy,
                ("spec", "nicSelector"),
                f"the selector takes every adapter of vendor {selector['vendor']}, management and storage included",
                "Add deviceID and pfNames or rootDevices.",
            )


_NARROWING = ("deviceID", "pfNames", "rootDevices", "netFilter")


@rule(
    "LINT-SRIOV-SELECTOR-EMPTY",
    Severity.ERROR,
    "A node policy selects no adapter",
    why="An empty nicSelector matches nothing and is refused by the operator's webhook.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _selector_empty(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        selector = at(policy.body, "spec", "nicSelector")
        named = isinstance(selector, dict) and any(selector.get(key) for key in ("vendor", *_NARROWING))
        if isinstance(selector, dict) and not named and policy.key.name != "default":
            yield Hit(policy, ("spec", "nicSelector"), "nicSelector selects nothing", "Name deviceID and pfNames.")


@rule(
    "LINT-SRIOV-RESOURCE-NAME",
    Severity.ERROR,
    "The resource name of a node policy or network is malformed",
    why="The webhook refuses it. The prefix belongs to the operator and is not written here.",
    source="sriov-network-operator, pkg/webhook/validate.go and api/v1/helper.go",
    fragments=True,
)
def _resource_name(index: Index) -> Iterator[Hit]:
    for manifest in index.of(SRIOV, "SriovNetworkNodePolicy", "SriovNetwork", "SriovIBNetwork", "OVSNetwork"):
        name = text(manifest.body, "spec", "resourceName")
        path = ("spec", "resourceName")
        if "/" in name:
            fix = f"Write {name.rpartition('/')[2]}."
            yield Hit(manifest, path, f"{name!r} carries a prefix; the operator adds its own", fix)
        elif name and (len(name) > 63 or not _RESOURCE_NAME.fullmatch(name)):
            message = f"{name!r} is no resource name: letters, digits, '-' and '_', at most 63 characters"
            yield Hit(manifest, path, message, "Rename it.")


@rule(
    "LINT-SRIOV-IDS",
    Severity.ERROR,
    "An adapter is named by an id that no physical function has",
    why="The policy matches no adapter; the webhook answers that no NIC is supported, or nothing happens.",
    source="sriov-network-operator, api/v1/helper.go (Selected); PCI ID repository",
    fragments=True,
)
def _adapter_ids(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        selector = mapping(policy.body, "spec", "nicSelector")
        for name in ("vendor", "deviceID"):
            value, path = selector.get(name), ("spec", "nicSelector", name)
            if not isinstance(value, str) or not value:
                continue
            if not _HEX.fullmatch(value):
                message = f"{name} {value!r} is not four lower-case hexadecimal digits and is compared as text"
                yield Hit(policy, path, message, f"Write {value.lower().removeprefix('0x').zfill(4)!r}.")
            elif name == "deviceID" and value in _VIRTUAL and selector.get("vendor", VENDOR) == VENDOR:
                message = f"{value} is the id of a virtual function; a policy selects physical functions"
                yield Hit(policy, path, message, "Write the id of the adapter, such as 1021 for ConnectX-7.")
        for position, address in enumerate(texts(selector, "rootDevices")):
            if not _PCI.fullmatch(address):
                path_of = ("spec", "nicSelector", "rootDevices", position)
                yield Hit(policy, path_of, f"{address!r} is no PCI address", "Write it as 0000:18:00.1, in quotes.")


@rule(
    "LINT-SRIOV-VFIO-RDMA",
    Severity.ERROR,
    "A node policy asks for vfio-pci and RDMA at once",
    why="A VF bound to vfio-pci has no RDMA device; the webhook refuses the pair.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _vfio_rdma(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        spec = mapping(policy.body, "spec")
        if spec.get("deviceType") == "vfio-pci" and spec.get("isRdma") is True:
            message = "deviceType vfio-pci excludes isRdma: such a VF has no RDMA device"
            yield Hit(policy, ("spec", "deviceType"), message, "Write deviceType: netdevice.")


@rule(
    "LINT-SRIOV-VFIO-MELLANOX",
    Severity.WARNING,
    "VFs of an NVIDIA adapter are bound to vfio-pci",
    why="Pods get no mlx5 device and NCCL falls back to TCP. NVIDIA adapters run DPDK on netdevice too; vfio-pci is "
    "for virtual machines.",
    source="sriov-network-operator, README (NVIDIA adapters use netdevice)",
)
def _vfio_mellanox(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        spec = mapping(policy.body, "spec")
        if spec.get("deviceType") == "vfio-pci" and is_mellanox(policy) and spec.get("isRdma") is not True:
            message = "containers that get these VFs see no mlx5 device"
            yield Hit(policy, ("spec", "deviceType"), message, "Write deviceType: netdevice unless VMs use the VFs.")


@rule(
    "LINT-SRIOV-VFS",
    Severity.ERROR,
    "The number of VFs is outside what the operator or the adapter accepts",
    why="0 is refused except in the deprecated default policy; more than 128 on an NVIDIA adapter is refused by the "
    "webhook; more than the adapter has leaves the node in sync status Failed.",
    source="sriov-network-operator, pkg/webhook/validate.go (MlxMaxVFs 128)",
    fragments=True,
)
def _vfs_count(index: Index) -> Iterator[Hit]:
    limits = {(nic.vendor_id, nic.device_id): nic.max_vfs for nic in index.context.nics.values()}
    for policy in policies(index):
        vfs = integer(policy.body, "spec", "numVfs")
        path = ("spec", "numVfs")
        if vfs is None or policy.key.name == "default":
            continue
        vendor = text(policy.body, "spec", "nicSelector", "vendor").lower()
        limit = limits.get((vendor, text(policy.body, "spec", "nicSelector", "deviceID").lower()), 0)
        limit = limit or (128 if vendor == VENDOR else 0)
        if vfs < 1:
            yield Hit(policy, path, f"numVfs is {vfs}; a policy creates at least one VF", "Write 1 or more.")
        elif limit and vfs > limit:
            yield Hit(policy, path, f"numVfs is {vfs}; the adapter takes at most {limit}", f"Write at most {limit}.")


@rule(
    "LINT-SRIOV-IB-VFS",
    Severity.WARNING,
    "More than 16 VFs on an InfiniBand function",
    why="The kernel's answer about the VFs of an InfiniBand function no longer fits one netlink message: 'Message "
    "too long', and the node stays in sync status Failed.",
    source="NVIDIA network operator documentation, known limitations",
)
def _infiniband_vfs(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        vfs = integer(policy.body, "spec", "numVfs")
        if link_type(policy) == "ib" and vfs is not None and vfs > 16:
            message = f"numVfs is {vfs} on InfiniBand, where 16 is the most that works"
            yield Hit(policy, ("spec", "numVfs"), message, "Write at most 16.")


@rule(
    "LINT-SRIOV-IB-MTU",
    Severity.WARNING,
    "An InfiniBand policy sets an Ethernet MTU",
    why="IPoIB in datagram mode takes at most 4092; a larger value can not be set, and the node never becomes ready.",
    source="Linux kernel, Documentation/infiniband/ipoib.rst (datagram mode)",
)
def _infiniband_mtu(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        mtu = integer(policy.body, "spec", "mtu")
        if link_type(policy) == "ib" and mtu is not None and mtu > 4092:
            message = f"mtu {mtu} cannot be set on InfiniBand, where 4092 is the most"
            yield Hit(policy, ("spec", "mtu"), message, "Leave mtu out, or write at most 4092.")


@rule(
    "LINT-SRIOV-SWITCHDEV-IB",
    Severity.ERROR,
    "Switchdev mode on InfiniBand",
    why="Switchdev exists for Ethernet only; the webhook refuses the policy.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _switchdev_infiniband(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        if link_type(policy) == "ib" and text(policy.body, "spec", "eSwitchMode") == "switchdev":
            yield Hit(policy, ("spec", "eSwitchMode"), "switchdev needs Ethernet", "Write eSwitchMode: legacy.")


@rule(
    "LINT-SRIOV-VF-RANGE",
    Severity.ERROR,
    "A VF range is malformed or reaches beyond numVfs",
    why="The webhook refuses the policy.",
    source="sriov-network-operator, pkg/webhook/validate.go; api/v1/helper.go (ParseVfRange)",
)
def _vf_range(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        vfs = integer(policy.body, "spec", "numVfs")
        for function in functions(policy):
            if "#" in function.name:
                message = f"{function.name!r} is no VF range"
                yield Hit(policy, function.path, message, "Write it as ens1f0#0-3.")
            elif function.ranged and function.first > function.last:
                yield Hit(policy, function.path, "the VF range ends before it begins", "Write the lower VF first.")
            elif function.ranged and vfs is not None and function.last >= vfs:
                message = f"the range ends at VF {function.last}, but the last of {vfs} VFs is {vfs - 1}"
                yield Hit(policy, function.path, message, f"End at {vfs - 1}, or raise numVfs to {function.last + 1}.")


def _shared_functions(index: Index) -> Iterator[tuple[Manifest, Function, Manifest, Function]]:
    """Yield pairs of policies of one deployment that name one physical function of nodes both match."""
    for group in index.together(policies(index)):
        by_name: dict[str, list[tuple[Manifest, Function]]] = {}
        for policy in group:
            for function in functions(policy):
                by_name.setdefault(function.name, []).append((policy, function))
        for users in by_name.values():
            for (first, mine), (second, theirs) in combinations(users, 2):
                if first is second or share_nodes(node_selector(first), node_selector(second)):
                    yield first, mine, second, theirs


@rule(
    "LINT-SRIOV-VF-OVERLAP",
    Severity.ERROR,
    "Two node policies take the same VFs of one physical function",
    why="With ranges the webhook refuses the second policy. Without ranges the VFs of the lower priority are "
    "dropped without a message and its resource is never advertised.",
    source="sriov-network-operator, pkg/webhook/validate.go; api/v1/helper.go (mergeConfigs)",
)
def _vf_overlap(index: Index) -> Iterator[Hit]:
    for first, mine, second, theirs in _shared_functions(index):
        if mine.last < theirs.first or theirs.last < mine.first:
            continue
        yield Hit(
            second,
            theirs.path,
            f"VFs {max(mine.first, theirs.first)}-{min(mine.last, theirs.last)} of {mine.name} are taken by policy "
            f"{first.key.name} as well",
            "Give each policy its own range, as ens1f0#0-3 and ens1f0#4-7.",
            None if mine.ranged and theirs.ranged else Severity.WARNING,
        )


@rule(
    "LINT-SRIOV-SAME-RESOURCE",
    Severity.WARNING,
    "Two node policies give one resource name on one physical function",
    why="The group of the lower priority is dropped without a message, so fewer VFs are advertised than the "
    "policies add up to.",
    source="sriov-network-operator, api/v1/helper.go (mergeConfigs)",
)
def _same_resource(index: Index) -> Iterator[Hit]:
    for first, mine, second, theirs in _shared_functions(index):
        name = text(first.body, "spec", "resourceName")
        if first is not second and name and name == text(second.body, "spec", "resourceName"):
            message = f"policy {first.key.name} gives {name} on {mine.name} too; one of the two groups is dropped"
            yield Hit(second, theirs.path, message, "Use one policy, or two resource names.")


@rule(
    "LINT-SRIOV-VFS-UNEQUAL",
    Severity.WARNING,
    "Node policies disagree about the number of VFs of one physical function",
    why="The highest number wins, and the ranges of the others no longer mean what their authors thought.",
    source="sriov-network-operator, api/v1/helper.go (mergeConfigs)",
)
def _vfs_unequal(index: Index) -> Iterator[Hit]:
    for first, mine, second, _ in _shared_functions(index):
        here, there = integer(first.body, "spec", "numVfs"), integer(second.body, "spec", "numVfs")
        if here is not None and there is not None and here != there:
            message = f"numVfs is {there}, but policy {first.key.name} asks for {here} on {mine.name}"
            yield Hit(second, ("spec", "numVfs"), message, "Use one number on both.")


@rule(
    "LINT-SRIOV-MTU-UNEQUAL",
    Severity.WARNING,
    "One resource is made of VFs with different MTUs",
    why="Pods of one job may get either; large messages between them hang while small ones pass.",
    source="NVIDIA network operator documentation, MTU requirements",
)
def _mtu_unequal(index: Index) -> Iterator[Hit]:
    for group in index.together(policies(index)):
        seen: dict[str, Manifest] = {}
        for policy in group:
            name = text(policy.body, "spec", "resourceName")
            first = seen.setdefault(name, policy) if name else policy
            mine, theirs = integer(policy.body, "spec", "mtu"), integer(first.body, "spec", "mtu")
            if mine != theirs and mine is not None and theirs is not None:
                message = f"{name} has mtu {mine} here and {theirs} in policy {first.key.name}"
                yield Hit(policy, ("spec", "mtu"), message, "Use one MTU for one resource.")


@rule(
    "LINT-SRIOV-DEFAULT-POLICY",
    Severity.WARNING,
    "A node policy is named default",
    why="The operator skips the policy of that name; it is a leftover of older releases.",
    source="sriov-network-operator, pkg/webhook/validate.go (default policy)",
)
def _default_policy(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        if policy.key.name == "default" and (integer(policy.body, "spec", "numVfs") or 0) > 0:
            yield Hit(policy, ("metadata", "name"), "the policy named default is skipped", "Rename it.")


@rule(
    "LINT-SRIOV-TOPOLOGY",
    Severity.WARNING,
    "VFs for RDMA leave NUMA placement out",
    why="With excludeTopology the kubelet does not align VF and GPU; GPUDirect crosses the socket.",
    source="sriov-network-operator, api/v1 (excludeTopology); Kubernetes, topology manager",
)
def _topology_excluded(index: Index) -> Iterator[Hit]:
    for policy in policies(index):
        spec = mapping(policy.body, "spec")
        if spec.get("excludeTopology") is True and spec.get("isRdma") is True:
            message = "GPU and VF of a pod may sit on different sockets"
            yield Hit(policy, ("spec", "excludeTopology"), message, "Leave excludeTopology out.")


def operator_namespaces(index: Index, manifest: Manifest) -> set[str]:
    """Return the namespaces in which an SR-IOV operator runs, as far as the deployment of ``manifest`` shows."""
    found = {
        other.key.namespace
        for other in index.beside(manifest, SRIOV, "SriovOperatorConfig")
        if other.key.namespace and other.key.name == "default"
    }
    for other in index.beside(manifest, "operators.coreos.com", "Subscription"):
        if text(other.body, "spec", "name") == "sriov-network-operator" and other.key.namespace:
            found.add(other.key.namespace)
    return found


@rule(
    "LINT-SRIOV-NAMESPACE",
    Severity.ERROR,
    "An object of the SR-IOV operator is outside the operator's namespace",
    why="Node policies, pools and the operator's configuration are ignored there with no more than a warning.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _outside_operator_namespace(index: Index) -> Iterator[Hit]:
    for manifest in index.of(SRIOV, "SriovNetworkNodePolicy", "SriovNetworkPoolConfig"):
        namespace, known = manifest.key.namespace, operator_namespaces(index, manifest)
        if namespace and known and namespace not in known:
            message = f"the operator runs in {', '.join(sorted(known))} and ignores objects in {namespace}"
            yield Hit(manifest, ("metadata", "namespace"), message, f"Write namespace: {min(known)}.")


RULES: tuple[Rule, ...] = (
    _vendor_only,
    _selector_empty,
    _resource_name,
    _adapter_ids,
    _vfio_rdma,
    _vfio_mellanox,
    _vfs_count,
    _infiniband_vfs,
    _infiniband_mtu,
    _switchdev_infiniband,
    _vf_range,
    _vf_overlap,
    _same_resource,
    _vfs_unequal,
    _mtu_unequal,
    _default_policy,
    _topology_excluded,
    _outside_operator_namespace,
)
