"""Attachments of tenants to fabrics: one network per namespace and rail, isolated by VLAN or P_Key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import compact_json, manifest
from tenantry.compile.components import tenant_component
from tenantry.compile.fabric_config import fabric_modes, ip_pool_name, sriov_namespace
from tenantry.compile.names import tenant_networks
from tenantry.model.cluster import DEPARTMENT_LABEL, TENANT_LABEL
from tenantry.model.spec import FabricType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.compile.names import TenantNetwork
    from tenantry.model.cluster import Cluster
    from tenantry.model.tree import Output

SKIP_MISSING = "SkipDryRunOnMissingResource=true"

# Namespaces come first; a network whose namespace is missing stays unrendered.
WAVE = 1

# The upper bit of a P_Key says full or limited member and is set by the subnet manager for each member; only the lower
# 15 bits name the partition, and ib-kubernetes refuses anything longer (ib-kubernetes, pkg/ib-utils/utils.go).
PARTITION_BITS = 0x7FFF


def fabric_attachments(cluster: Cluster) -> Iterable[Output]:
    """Yield SriovNetworks (Ethernet) and NetworkAttachmentDefinitions with P_Key (InfiniBand) of every tenant."""
    if not cluster.fabrics:
        return
    modes = fabric_modes(cluster)
    infiniband = False
    for tenant in cluster.tenants:
        labels = {TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department}
        for network in tenant_networks(cluster, tenant):
            exclusive = modes[network.fabric.name] == "exclusive"
            if network.fabric.spec.type is FabricType.INFINIBAND:
                infiniband = True
                body = _definition(network, labels, exclusive=exclusive)
            else:
                body = _sriov_network(cluster, network, labels, exclusive=exclusive)
            yield Piece(tenant_component(tenant.name).name, "networks", body)
    if infiniband:
        yield Note(
            "NOTE-PKEY-PODS",
            "pods on InfiniBand fabrics",
            "The P_Key of a VF is set only for pods that ask for it; others do not start on these networks.",
            "Pods carry the annotation mellanox.infiniband.app besides k8s.v1.cni.cncf.io/networks.",
        )


def partition(p_key: str) -> str:
    """Name a partition by its 15 bits: ``0x8010`` and ``0x10`` are the same partition, ``0x0010``."""
    return f"0x{int(p_key, 16) & PARTITION_BITS:04X}"


def _ipam(network: TenantNetwork) -> dict[str, str]:
    return {"type": "nv-ipam", "poolName": ip_pool_name(network.fabric, network.rail)}


def _sriov_network(
    cluster: Cluster, network: TenantNetwork, labels: dict[str, str], *, exclusive: bool
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceName": network.rail.short_resource,
        "networkNamespace": network.namespace,
        "vlan": network.attachment.vlan,
        # Otherwise the pod could take another tenant's MAC address or tag frames itself.
        "spoofChk": "on",
        "trust": "off",
        "linkState": "auto",
        "ipam": compact_json(_ipam(network)),
    }
    if network.fabric.spec.max_tx_mbps is not None:
        spec["maxTxRate"] = network.fabric.spec.max_tx_mbps
    if exclusive:
        # In exclusive mode the pod sees no RDMA device without this plugin; in shared mode the plugin fails the pod
        # (rdma-cni, cmd/rdma/main.go).
        spec["metaPlugins"] = compact_json({"type": "rdma"})
    return manifest(
        "sriovnetwork.openshift.io/v1",
        "SriovNetwork",
        network.name,
        namespace=sriov_namespace(cluster),
        labels=labels,
        wave=WAVE,
        sync_options=SKIP_MISSING,
        spec=spec,
    )


def _definition(network: TenantNetwork, labels: dict[str, str], *, exclusive: bool) -> dict[str, Any]:
    """Build the definition by hand: SriovIBNetwork has no field for a P_Key.

    The configuration is one flat plugin with ``rdmaIsolation`` rather than a chain with the rdma plugin, because
    ib-kubernetes looks for ``ibKubernetesEnabled`` at the top.

    Source: ib-kubernetes, pkg/daemon/daemon.go; ib-sriov-cni, pkg/types/types.go.
    """
    config: dict[str, Any] = {
        "cniVersion": "0.3.1",
        "name": network.name,
        "type": "ib-sriov",
        "pkey": partition(network.attachment.p_key or ""),
        "link_state": "enable",
        "ibKubernetesEnabled": True,
        "ipam": _ipam(network),
    }
    if exclusive:
        config["rdmaIsolation"] = True
    return manifest(
        "k8s.cni.cncf.io/v1",
        "NetworkAttachmentDefinition",
        network.name,
        namespace=network.namespace,
        labels=labels,
        annotations={"k8s.v1.cni.cncf.io/resourceName": network.rail.resource},
        wave=WAVE,
        sync_options=SKIP_MISSING,
        spec={"config": compact_json(config)},
    )
