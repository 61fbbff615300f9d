"""Networks on VFs: SriovNetwork, SriovIBNetwork, raw attachments, address pools, and the pods that use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.advertised import vf_resources
from tenantry.lint.index import Index, built_in_namespace, hint
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX, SRIOV, meta_plugins, networks
from tenantry.lint.rules.sriov import link_type, operator_namespaces
from tenantry.model.finding import Severity
from tenantry.model.reading import at, integer, items, mapping, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest

IPAM = "nv-ipam.nvidia.com"
NAD_RESOURCE = "k8s.v1.cni.cncf.io/resourceName"

# P_Keys 0x7fff and 0xffff are the default partition: every port of the subnet is a member.
_DEFAULT_PARTITION = 0x7FFF
_MEMBERSHIP = 0x8000


def sriov_networks(index: Index) -> list[Manifest]:
    """Return the networks on VFs of the SR-IOV operator."""
    return index.of(SRIOV, "SriovNetwork", "SriovIBNetwork", "OVSNetwork")


def target_namespace(network: Manifest) -> str:
    """Return the namespace the network's attachment is made in; empty when it is not written."""
    return text(network.body, "spec", "networkNamespace") or network.key.namespace


@rule(
    "LINT-SRIOV-LINKTYPE",
    Severity.ERROR,
    "A network does not fit the link type of its VFs",
    why="The sriov CNI cannot set up an InfiniBand VF nor the ib-sriov CNI an Ethernet one: pods fail to start.",
    source="sriov-cni and ib-sriov-cni, README",
)
def _network_link_type(index: Index) -> Iterator[Hit]:
    for network in sriov_networks(index):
        found = vf_resources(index).get(text(network.body, "spec", "resourceName"))
        links = {link_type(policy) for policy in found.policies} if found else set()
        wanted = "ib" if network.key.kind == "SriovIBNetwork" else "eth"
        if links == {"ib" if wanted == "eth" else "eth"}:
            right = "SriovNetwork" if wanted == "ib" else "SriovIBNetwork"
            message = f"{network.key.kind} uses VFs whose policy sets linkType {min(links)}"
            yield Hit(network, ("spec", "resourceName"), message, f"Use {right}, or the resource of the other fabric.")


@rule(
    "LINT-SRIOV-NETWORK-RESOURCE",
    Severity.WARNING,
    "A network names a resource that no node policy makes",
    why="Pods that attach the network ask for a device nobody advertises and stay Pending.",
    source="sriov-network-operator, README (resourceName ties network and policy together)",
)
def _network_resource(index: Index) -> Iterator[Hit]:
    for network in sriov_networks(index):
        name = text(network.body, "spec", "resourceName")
        verdict = index.dangling(name, vf_resources(index)) if name and "/" not in name else None
        if verdict:
            severity, nearest = verdict
            message = f"no node policy makes {name!r}{hint(nearest)}"
            yield Hit(network, ("spec", "resourceName"), message, "Name the resource of a node policy.", severity)


@rule(
    "LINT-SRIOV-NETNS",
    Severity.WARNING,
    "A network is made in a namespace that is not declared",
    why="The operator reports NamespaceNotFound and makes no attachment; pods cannot find the network.",
    source="sriov-network-operator, controllers/generic_network_controller.go",
)
def _network_namespace(index: Index) -> Iterator[Hit]:
    for network in networks(index):
        name = text(network.body, "spec", "networkNamespace")
        if not name or built_in_namespace(name):
            continue
        verdict = index.dangling(name, index.namespaces)
        if verdict:
            severity, nearest = verdict
            message = f"the namespace {name} is not declared in the set{hint(nearest)}"
            yield Hit(network, ("spec", "networkNamespace"), message, "Declare it or correct the name.", severity)


@rule(
    "LINT-SRIOV-NETNS-MISSING",
    Severity.INFO,
    "A network names no namespace for its attachment",
    why="The attachment is made in the operator's namespace, where pods of tenants find it only by its full name "
    "and only if Multus allows it.",
    source="sriov-network-operator, api/v1/helper.go (RenderNetAttDef); OpenShift Multus namespaceIsolation",
)
def _network_namespace_missing(index: Index) -> Iterator[Hit]:
    for network in sriov_networks(index):
        if network.key.namespace in operator_namespaces(index, network) and not at(
            network.body, "spec", "networkNamespace"
        ):
            yield Hit(network, ("spec",), "the attachment is made beside the operator", "Add networkNamespace.")


@rule(
    "LINT-SRIOV-NETNS-OUTSIDE",
    Severity.ERROR,
    "A network outside the operator's namespace names another namespace",
    why="networkNamespace is honoured only in the operator's namespace; elsewhere the object is refused, so that "
    "one tenant cannot write into the namespace of another.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _network_namespace_outside(index: Index) -> Iterator[Hit]:
    for network in sriov_networks(index):
        known = operator_namespaces(index, network)
        target = text(network.body, "spec", "networkNamespace")
        namespace = network.key.namespace
        if target and namespace and known and namespace not in known and target != namespace:
            message = f"the object is in {namespace}, the operator in {', '.join(sorted(known))}"
            path = ("spec", "networkNamespace")
            yield Hit(network, path, message, f"Move it to {min(known)}, or leave networkNamespace out.")


@rule(
    "LINT-SRIOV-TRUST",
    Severity.WARNING,
    "Pods of a network may forge addresses or VLANs",
    why="trust on lets a pod change its MAC address and go promiscuous; spoofChk off lets it send as another. "
    "Either breaks the separation of tenants on the fabric.",
    source="sriov-cni, docs/configuration-reference.md (trust, spoofchk)",
    fragments=True,
)
def _trusted(index: Index) -> Iterator[Hit]:
    for network in index.of(SRIOV, "SriovNetwork", "OVSNetwork"):
        if text(network.body, "spec", "trust") == "on":
            yield Hit(network, ("spec", "trust"), "pods may change the MAC address of their VF", 'Write trust: "off".')
        if text(network.body, "spec", "spoofChk") == "off":
            message = "pods may send with the address of another"
            yield Hit(network, ("spec", "spoofChk"), message, 'Write spoofChk: "on".')


@rule(
    "LINT-SRIOV-VLAN-SHARED",
    Severity.WARNING,
    "Networks of different tenants use one VLAN",
    why="The VLAN set on the VF is all that keeps Ethernet tenants apart; on the same number, or on none, they "
    "reach each other directly.",
    source="sriov-cni, docs/configuration-reference.md (vlan)",
)
def _vlan_shared(index: Index) -> Iterator[Hit]:
    for group in index.together(index.of(SRIOV, "SriovNetwork")):
        seen: dict[tuple[str, int], Manifest] = {}
        for network in group:
            if not text(network.body, "spec", "networkNamespace"):
                continue
            vlan = integer(network.body, "spec", "vlan") or 0
            resource = text(network.body, "spec", "resourceName")
            # Untagged traffic meets only on one adapter; a tag is one broadcast domain across adapters.
            first = seen.setdefault((resource if vlan == 0 else "", vlan), network)
            mine, theirs = target_namespace(network), target_namespace(first)
            if index.owner(mine) == index.owner(theirs):
                continue
            labelled = index.tenant(mine) and index.tenant(theirs)
            same = resource == text(first.body, "spec", "resourceName")
            which = f"VLAN {vlan}" if vlan else "no VLAN"
            yield Hit(
                network,
                ("spec", "vlan") if vlan else ("spec",),
                f"{index.owner(mine)} and {index.owner(theirs)} both use {which} (network {first.key.name})",
                "Give each tenant its own VLAN.",
                Severity.ERROR if labelled and same else None,
            )


@rule(
    "LINT-SRIOV-VLAN-QOS",
    Severity.ERROR,
    "A VLAN priority without a VLAN",
    why="vlanQoS is part of the tag; the CNI refuses it on VLAN 0.",
    source="sriov-cni, pkg/config (vlanQoS requires vlan)",
)
def _vlan_priority(index: Index) -> Iterator[Hit]:
    for network in index.of(SRIOV, "SriovNetwork"):
        if (integer(network.body, "spec", "vlanQoS") or 0) and not integer(network.body, "spec", "vlan"):
            yield Hit(network, ("spec", "vlanQoS"), "vlanQoS needs a vlan other than 0", "Set vlan, or remove vlanQoS.")


@rule(
    "LINT-SRIOV-RATE",
    Severity.ERROR,
    "The lowest rate of a VF is above its highest",
    why="The kernel refuses the pair when a pod starts.",
    source="ip-link(8), min_tx_rate and max_tx_rate",
)
def _rates(index: Index) -> Iterator[Hit]:
    for network in index.of(SRIOV, "SriovNetwork"):
        low, high = integer(network.body, "spec", "minTxRate") or 0, integer(network.body, "spec", "maxTxRate") or 0
        if high and low > high:
            yield Hit(network, ("spec", "minTxRate"), f"minTxRate {low} is above maxTxRate {high}", "Swap them.")


def _namespaced(index: Index) -> bool:
    """Whether a MachineConfig puts RDMA into exclusive mode by a kernel argument."""
    return any(
        "ib_core.netns_mode=0" in argument
        for manifest in index.of("machineconfiguration.openshift.io", "MachineConfig")
        for argument in items(manifest.body, "spec", "kernelArguments")
        if isinstance(argument, str)
    )


def _pool_modes(index: Index, network: Manifest) -> set[str]:
    pools = index.beside(network, SRIOV, "SriovNetworkPoolConfig")
    return {text(pool.body, "spec", "rdmaMode") or "shared" for pool in pools}


def _chains_rdma(network: Manifest) -> bool:
    return any(text(plugin, "type") == "rdma" for plugin in meta_plugins(network))


@rule(
    "LINT-SRIOV-RDMA-SHARED",
    Severity.ERROR,
    "A network chains the rdma plugin while the nodes share RDMA devices",
    why="CNI ADD fails: RDMA subsystem namespace awareness mode is set to shared. No pod with this network starts.",
    source="rdma-cni, cmd/rdma/main.go",
)
def _rdma_shared(index: Index) -> Iterator[Hit]:
    for network in sriov_networks(index):
        if _chains_rdma(network) and _pool_modes(index, network) == {"shared"} and not _namespaced(index):
            message = "the rdma plugin needs exclusive RDMA devices, and every SriovNetworkPoolConfig has shared ones"
            yield Hit(network, ("spec", "metaPlugins"), message, "Write rdmaMode: exclusive in the pool.")


@rule(
    "LINT-SRIOV-RDMA-PLUGIN",
    Severity.WARNING,
    "RDMA is exclusive on the nodes, but a network does not chain the rdma plugin",
    why="In exclusive mode only the plugin moves the RDMA device into the pod; without it the pod sees none and "
    "NCCL falls back to TCP.",
    source="rdma-cni, README; sriov-network-operator, api/v1 (rdmaMode)",
)
def _rdma_plugin_missing(index: Index) -> Iterator[Hit]:
    for network in index.of(SRIOV, "SriovNetwork", "SriovIBNetwork"):
        found = vf_resources(index).get(text(network.body, "spec", "resourceName"))
        if found and found.rdma and not _chains_rdma(network) and _pool_modes(index, network) == {"exclusive"}:
            message = "rdmaMode is exclusive and no rdma plugin is chained, so pods see no RDMA device"
            yield Hit(network, ("spec", "metaPlugins"), message, """Write metaPlugins: '{"type": "rdma"}'.""")


@rule(
    "LINT-SRIOV-EXCLUSIVE-SHARED-PLUGIN",
    Severity.ERROR,
    "Exclusive RDMA devices and the plugin for shared ones",
    why="The shared device plugin needs the shared mode: in exclusive mode its resource is 0 or its devices unusable.",
    source="k8s-rdma-shared-dev-plugin, README",
)
def _exclusive_shared_plugin(index: Index) -> Iterator[Hit]:
    for manifest in index.of(MELLANOX, "NicClusterPolicy", "NicNodePolicy"):
        if mapping(manifest.body, "spec", "rdmaSharedDevicePlugin") and "exclusive" in _pool_modes(index, manifest):
            message = "a SriovNetworkPoolConfig sets rdmaMode exclusive, which the shared device plugin cannot use"
            yield Hit(manifest, ("spec", "rdmaSharedDevicePlugin"), message, "Use one of the two.")


@rule(
    "LINT-SRIOV-RDMA-OMITTED",
    Severity.WARNING,
    "RDMA is wanted from VFs that have none",
    why="Without isRdma the pod gets a network interface but no /dev/infiniband; NCCL silently uses TCP.",
    source="sriov-network-operator, README (isRdma)",
)
def _rdma_omitted(index: Index) -> Iterator[Hit]:
    wanted: dict[str, str] = {}
    for network in sriov_networks(index):
        if _chains_rdma(network) or network.key.kind == "SriovIBNetwork":
            wanted.setdefault(text(network.body, "spec", "resourceName"), f"{network.key.kind} {network.key.name}")
    for pod in index.pods:
        for name in pod.resources:
            locks = any("IPC_LOCK" in container.capabilities for container in pod.containers)
            if pod.uses_gpu or locks:
                wanted.setdefault(name.rpartition("/")[2], f"{pod.manifest.key.kind} {pod.manifest.key.name}")
    for name, resource in vf_resources(index).items():
        for policy in resource.policies:
            spec = mapping(policy.body, "spec")
            if name in wanted and spec.get("isRdma") is not True and spec.get("deviceType") != "vfio-pci":
                message = f"{wanted[name]} wants RDMA from {name}, but isRdma is not true"
                yield Hit(policy, ("spec", "isRdma"), message, "Write isRdma: true.")


RULES: tuple[Rule, ...] = (
    _network_link_type,
    _network_resource,
    _network_namespace,
    _network_namespace_missing,
    _network_namespace_outside,
    _trusted,
    _vlan_shared,
    _vlan_priority,
    _rates,
    _rdma_shared,
    _rdma_plugin_missing,
    _exclusive_shared_plugin,
    _rdma_omitted,
)
