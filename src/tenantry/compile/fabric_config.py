"""What the passes about fabrics share: where operators live, RDMA modes, addresses of physical functions, IP blocks."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tenantry.compile.names import joined
from tenantry.model.cluster import POOL_LABEL

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster, ClusterFabric, FabricRail, Pool
    from tenantry.model.software import Operator

VENDOR_NODE_LABEL = "feature.node.kubernetes.io/pci-15b3.present"
SRIOV_NODE_LABEL = "feature.node.kubernetes.io/pci-15b3.sriov.capable"
DRIVER_READY_LABEL = "network.nvidia.com/operator.mofed.wait"


def _namespace(cluster: Cluster, name: str, fallback: str) -> str:
    chosen = cluster.operators.get(name)
    operator: Operator | None = chosen.operator if chosen else None
    if operator is None:
        return fallback
    if cluster.openshift and operator.olm is not None:
        return operator.olm.namespace
    return operator.helm.namespace if operator.helm is not None else fallback


def network_operator_namespace(cluster: Cluster) -> str:
    """Namespace of the NVIDIA Network Operator and of the IP pools."""
    return _namespace(cluster, "network-operator", "nvidia-network-operator")


def sriov_namespace(cluster: Cluster) -> str:
    """Namespace of the SR-IOV Network Operator; it ignores objects anywhere else.

    Off OpenShift the chart of the NVIDIA Network Operator brings it along, into its own namespace.

    Source: sriov-network-operator, pkg/webhook/validate.go.
    """
    if cluster.openshift:
        return _namespace(cluster, "sriov-network-operator", "openshift-sriov-network-operator")
    return network_operator_namespace(cluster)


def wired_pools(cluster: Cluster, fabric: ClusterFabric | None = None) -> tuple[Pool, ...]:
    """Node pools wired to a fabric, or to any fabric, ordered by name."""
    return tuple(
        pool for pool in cluster.pools if (fabric.name in pool.fabrics if fabric is not None else bool(pool.fabrics))
    )


def pool_groups(cluster: Cluster) -> tuple[tuple[Pool, ...], ...]:
    """Wired node pools grouped so that pools joined by a fabric, even over others, are together.

    The RDMA namespace mode is a setting of the node, and an attachment works in one mode only: all nodes that one
    attachment can reach must agree.
    """
    groups: list[tuple[set[str], list[Pool]]] = []
    for pool in wired_pools(cluster):
        fabrics, members = set(pool.fabrics), [pool]
        rest = []
        for known, others in groups:
            if known & fabrics:
                fabrics |= known
                members = [*others, *members]
            else:
                rest.append((known, others))
        groups = [*rest, (fabrics, members)]
    ordered = (tuple(sorted(members, key=lambda pool: pool.name)) for _, members in groups)
    return tuple(sorted(ordered, key=lambda group: group[0].name))


def group_mode(cluster: Cluster, group: tuple[Pool, ...]) -> str:
    """RDMA namespace mode of the nodes of a group: ``exclusive`` as soon as one of their fabrics asks for it."""
    names = {name for pool in group for name in pool.fabrics}
    modes = {fabric.spec.rdma_mode for fabric in cluster.fabrics if fabric.name in names}
    return "exclusive" if "exclusive" in modes else "shared"


def fabric_modes(cluster: Cluster) -> dict[str, str]:
    """RDMA namespace mode in force per fabric name."""
    modes: dict[str, str] = {fabric.name: fabric.spec.rdma_mode for fabric in cluster.fabrics}
    for group in pool_groups(cluster):
        mode = group_mode(cluster, group)
        modes.update((name, mode) for pool in group for name in pool.fabrics)
    return modes


def rail_selector(fabric: ClusterFabric, rail: FabricRail, pool: Pool) -> dict[str, list[str]]:
    """Return what picks the physical function of a rail on the nodes of a pool; empty when no address is known.

    Addresses written in the spec hold for every pool of the fabric; otherwise each pool has those of its server model.
    A PCI address is preferred because loading the DOCA driver may rename interfaces.
    """
    pci, interface = rail.pci, rail.interface
    if not fabric.spec.rails:
        pci = next((item.pci for item in pool.server.rails if item.name == rail.name), "")
    if pci:
        return {"rootDevices": [pci]}
    return {"pfNames": [interface]} if interface else {}


def ip_pool_name(fabric: ClusterFabric, rail: FabricRail) -> str:
    """Name of the IP pool of a rail."""
    return joined(fabric.name, rail.name)


def node_block(fabric: ClusterFabric, rail: FabricRail) -> int:
    """Addresses each node gets from the IP pool of a rail.

    The next power of two above the number of VFs, so that addresses of pods that are still going away do not keep new
    ones waiting; exactly the number of VFs (at least 2) where the prefix has no room for more.

    Source: nvidia-k8s-ipam, api/v1alpha1/ippool_validate.go: blocks have at least 2 addresses, and the first and last
    address of the prefix are not handed out.
    """
    vfs = fabric.spec.vfs_per_rail
    roomy = 1 << vfs.bit_length()
    if not rail.subnet:
        return max(roomy, 2)
    usable = ipaddress.ip_network(rail.subnet, strict=False).num_addresses - 2
    return max(roomy if roomy * max(fabric.nodes, 1) <= usable else vfs, 2)


def pools_by_label(group: tuple[Pool, ...]) -> bool:
    """Whether one label selector can name all pools of a group: they carry the label of Tenantry alone."""
    return all(pool.node_selector == {POOL_LABEL: pool.name} for pool in group)


def node_terms(pools: tuple[Pool, ...]) -> list[dict[str, object]]:
    """Node selector terms, one per pool, of which a node has to meet one."""
    return [
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]} for key, value in sorted(pool.node_selector.items())
            ]
        }
        for pool in pools
    ]
