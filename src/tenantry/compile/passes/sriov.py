"""SR-IOV: who configures nodes, in which RDMA mode, which physical functions are split, and addresses for the VFs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.fabric_config import (
    DRIVER_READY_LABEL,
    SRIOV_NODE_LABEL,
    group_mode,
    ip_pool_name,
    network_operator_namespace,
    node_block,
    node_terms,
    pool_groups,
    pools_by_label,
    rail_selector,
    sriov_namespace,
    wired_pools,
)
from tenantry.compile.names import joined
from tenantry.model.cluster import POOL_LABEL
from tenantry.model.spec import FabricType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, ClusterFabric, FabricRail, Pool
    from tenantry.model.tree import Output

COMPONENT = "sriov"
API = "sriovnetwork.openshift.io/v1"
SKIP_MISSING = "SkipDryRunOnMissingResource=true"
GUARDED = f"{GUARD_DELETE},{SKIP_MISSING}"

# Order inside the Application: nodes change their RDMA mode (and reboot) before VFs are made.
WAVE_CONFIG, WAVE_POOLS, WAVE_FUNCTIONS = 0, 1, 2


def sriov(cluster: Cluster) -> Iterable[Output]:
    """Yield operator configuration, node groups, node policies per pool and rail, and IP pools."""
    if not cluster.fabrics or cluster.distribution.managed:
        return
    yield Piece(COMPONENT, "operator-config", _operator_config(cluster))
    for body in _pool_configs(cluster):
        yield Piece(COMPONENT, "node-groups", body)
    for fabric in cluster.fabrics:
        for rail in fabric.rails:
            for pool in wired_pools(cluster, fabric):
                selector = rail_selector(fabric, rail, pool)
                if selector:
                    body = _node_policy(cluster, fabric, rail, pool, selector)
                    yield Piece(COMPONENT, f"fabric-{fabric.name}", body)
                else:
                    yield _address_note(cluster, fabric, rail, pool)
            if rail.subnet and wired_pools(cluster, fabric):
                yield Piece(COMPONENT, f"fabric-{fabric.name}", _ip_pool(cluster, fabric, rail))
        yield from _notes(fabric)


def _operator_config(cluster: Cluster) -> dict[str, Any]:
    # The daemon waits for the DOCA driver: VFs made before it vanish when it is loaded.
    nodes = {DRIVER_READY_LABEL: "false", SRIOV_NODE_LABEL: "true"}
    if cluster.openshift:
        nodes["node-role.kubernetes.io/worker"] = ""
    return manifest(
        API,
        "SriovOperatorConfig",
        # Only this name in the operator's namespace is accepted (sriov-network-operator, pkg/webhook/validate.go).
        "default",
        namespace=sriov_namespace(cluster),
        wave=WAVE_CONFIG,
        sync_options=GUARDED,
        spec={
            "configDaemonNodeSelector": nodes,
            "configurationMode": "daemon",
            "disableDrain": False,
            "enableInjector": True,
            "enableOperatorWebhook": True,
            "logLevel": 0,
        },
    )


def _pool_configs(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """One per group of pools, or one per pool where no single selector names the group: a node is in exactly one."""
    for group in pool_groups(cluster):
        mode = group_mode(cluster, group)
        parts = [group] if pools_by_label(group) else [(pool,) for pool in group]
        for pools in parts:
            selector: dict[str, Any] = {"matchLabels": dict(sorted(pools[0].node_selector.items()))}
            if len(pools) > 1:
                values = [pool.name for pool in pools]
                selector = {"matchExpressions": [{"key": POOL_LABEL, "operator": "In", "values": values}]}
            yield manifest(
                API,
                "SriovNetworkPoolConfig",
                joined(*(pool.name for pool in pools)),
                namespace=sriov_namespace(cluster),
                wave=WAVE_POOLS,
                sync_options=GUARDED,
                spec={"nodeSelector": selector, "maxUnavailable": 1, "rdmaMode": mode},
            )


def _node_policy(
    cluster: Cluster, fabric: ClusterFabric, rail: FabricRail, pool: Pool, selector: dict[str, list[str]]
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceName": rail.short_resource,
        "nodeSelector": dict(sorted({**pool.node_selector, SRIOV_NODE_LABEL: "true"}.items())),
        # Vendor and device alone would also match storage and management ports of the same make.
        "nicSelector": {"vendor": fabric.nic.vendor_id, "deviceID": fabric.nic.device_id, **selector},
        "numVfs": fabric.spec.vfs_per_rail,
        "priority": 10,
        "deviceType": "netdevice",
        "isRdma": True,
        "linkType": "ib" if fabric.spec.type is FabricType.INFINIBAND else "eth",
        "eSwitchMode": "legacy",
        "externallyManaged": fabric.spec.externally_managed,
        "excludeTopology": False,
    }
    if fabric.mtu is not None:
        spec["mtu"] = fabric.mtu
    return manifest(
        API,
        "SriovNetworkNodePolicy",
        joined(fabric.name, rail.name, pool.name),
        namespace=sriov_namespace(cluster),
        wave=WAVE_FUNCTIONS,
        sync_options=GUARDED,
        spec=spec,
    )


def _ip_pool(cluster: Cluster, fabric: ClusterFabric, rail: FabricRail) -> dict[str, Any]:
    return manifest(
        "nv-ipam.nvidia.com/v1alpha1",
        "IPPool",
        ip_pool_name(fabric, rail),
        namespace=network_operator_namespace(cluster),
        wave=WAVE_FUNCTIONS,
        sync_options=GUARDED,
        spec={
            "subnet": rail.subnet,
            "perNodeBlockSize": node_block(fabric, rail),
            "nodeSelector": {"nodeSelectorTerms": node_terms(wired_pools(cluster, fabric))},
        },
    )


def _address_note(cluster: Cluster, fabric: ClusterFabric, rail: FabricRail, pool: Pool) -> Note:
    namespace = sriov_namespace(cluster)
    return Note(
        "NOTE-RAIL-ADDRESS",
        f"fabric {fabric.name}, rail {rail.name}, node pool {pool.name}",
        "Neither PCI address nor interface of this rail is known for the servers of the pool, so no VFs are made: a "
        f"selector by vendor alone would split every {fabric.nic.title} port, management and storage included.",
        f"Read pciAddress in status.interfaces of 'kubectl -n {namespace} get sriovnetworknodestates -o yaml' and "
        "write it as pci of the rail.",
    )


def _notes(fabric: ClusterFabric) -> Iterator[Note]:
    if len(fabric.rails) > len(fabric.resources):
        yield Note(
            "NOTE-POOLED-RAILS",
            f"fabric {fabric.name}",
            f"All {len(fabric.rails)} rails are one resource, {fabric.resources[0]}: a VF of any rail may stand behind "
            "an attachment, whatever rail its name and address belong to.",
            "Where rails are separate networks, set resourcePerRail.",
        )
