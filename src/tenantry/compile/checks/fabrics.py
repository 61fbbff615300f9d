"""Fabrics: what the NIC can do, isolation numbers, addresses, and virtual functions per GPU."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tenantry.compile.checks.network import prefix_problem
from tenantry.compile.problems import at
from tenantry.model.spec import FabricType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, ClusterFabric, Pool
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Fabric, FabricAttachment, Tenant

IPOIB_MTU = 4092
"""Largest MTU of InfiniBand in datagram mode. Source: network-operator documentation."""
DEFAULT_PARTITION = 0x7FFF
"""The partition every port belongs to; it isolates nobody."""


def _index(cluster: Cluster, fabric: ClusterFabric) -> int:
    return next(i for i, item in enumerate(cluster.spec.platform.spec.fabrics) if item is fabric.spec)


def hardware(cluster: Cluster) -> Iterable[SpecProblem]:
    """The NIC supports the link type, the number of VFs and the MTU."""
    platform = cluster.spec.platform
    for fabric in cluster.fabrics:
        path: DocPath = ("spec", "fabrics", _index(cluster, fabric))
        spec, nic = fabric.spec, fabric.nic
        if spec.type.value not in nic.link_types:
            yield at(
                platform,
                (*path, "type"),
                f"{nic.title} cannot run {spec.type.value}",
                expected=" or ".join(nic.link_types),
                found=spec.type.value,
                rule="SPEC-FABRIC-LINK",
            )
        infiniband = spec.type is FabricType.INFINIBAND
        most = nic.max_vfs_infiniband if infiniband else nic.max_vfs
        if spec.vfs_per_rail > most:
            yield at(
                platform,
                (*path, "vfsPerRail"),
                f"{nic.title} takes at most {most} virtual functions per port on {spec.type.value}",
                expected=f"at most {most}",
                found=spec.vfs_per_rail,
                rule="SPEC-FABRIC-VFS",
            )
        if infiniband and spec.mtu is not None and spec.mtu > IPOIB_MTU:
            yield at(
                platform,
                (*path, "mtu"),
                "InfiniBand in datagram mode carries at most 4092 bytes; a larger MTU never takes effect",
                expected=f"at most {IPOIB_MTU}, or no mtu",
                found=spec.mtu,
                rule="SPEC-FABRIC-MTU",
            )


def rails(cluster: Cluster) -> Iterable[SpecProblem]:
    """Every rail names its physical function exactly; rails and pools are not shared between fabrics."""
    platform = cluster.spec.platform
    for fabric in cluster.fabrics:
        path: DocPath = ("spec", "fabrics", _index(cluster, fabric), "rails")
        if not fabric.rails:
            yield at(
                platform,
                path[:-1],
                f"fabric {fabric.name} has no rails and its servers' wiring is not in the catalog",
                expected='rails: a list of {name, pci: "0000:1a:00.0"}',
                rule="SPEC-FABRIC-RAILS",
            )
        unnamed = [rail.name for rail in fabric.rails if not (rail.pci or rail.interface)]
        if unnamed:
            at_rail = fabric.spec.rails and (*path, next(i for i, r in enumerate(fabric.rails) if r.name == unnamed[0]))
            yield at(
                platform,
                at_rail or path[:-1],
                f"{', '.join(unnamed)} of fabric {fabric.name} could be any port: selecting by vendor would take "
                "management and storage ports too",
                expected="pci (see SriovNetworkNodeState, status.interfaces) or interface for each rail",
                rule="SPEC-FABRIC-RAILS",
            )
    yield from _claimed_twice(cluster)


def _claimed_twice(cluster: Cluster) -> Iterable[SpecProblem]:
    owner: dict[tuple[str, str], str] = {}
    names: dict[str, str] = {}
    for fabric in cluster.fabrics:
        index = _index(cluster, fabric)
        for pool in dict.fromkeys(fabric.spec.pools):
            for number, rail in enumerate(fabric.rails):
                for key in filter(None, (rail.pci, rail.interface)):
                    other = owner.setdefault((pool, key), fabric.name)
                    if other != fabric.name:
                        yield at(
                            cluster.spec.platform,
                            ("spec", "fabrics", index, "rails", number),
                            f"port {key} of node pool {pool} belongs to fabric {other} already",
                            expected="each port in one fabric",
                            found=key,
                            rule="SPEC-FABRIC-RAILS",
                        )
        for resource in fabric.resources:
            other = names.setdefault(resource, fabric.name)
            if other != fabric.name:
                yield at(
                    cluster.spec.platform,
                    ("spec", "fabrics", index, "resourceName"),
                    f"fabric {other} advertises its virtual functions as {resource} too",
                    expected="another resourceName",
                    found=fabric.spec.resource_name,
                    rule="SPEC-FABRIC-RESOURCE",
                )


def addresses(cluster: Cluster) -> Iterable[SpecProblem]:
    """Each rail has room for a block of addresses on every node, and fabrics do not overlap."""
    platform = cluster.spec.platform
    networks: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    for fabric in cluster.fabrics:
        path: DocPath = ("spec", "fabrics", _index(cluster, fabric), "subnet")
        try:
            network = ipaddress.ip_network(fabric.spec.subnet)
        except ValueError:
            yield from prefix_problem(platform, path, fabric.spec.subnet)
            continue
        # nv-ipam hands out blocks per node; the least that lets every VF of a node have an address.
        block = max(fabric.spec.vfs_per_rail, 2)
        needed = max(1, fabric.nodes) * block + 2
        parts = max(1, len(fabric.rails))
        room = network.num_addresses >> (parts - 1).bit_length()
        if room < needed:
            yield at(
                platform,
                path,
                f"a rail gets {room} addresses, but {fabric.nodes} nodes need blocks of {block}",
                expected=f"a prefix with at least {needed} addresses for each of {parts} rails",
                found=fabric.spec.subnet,
                rule="SPEC-FABRIC-ADDRESSES",
            )
        for name, other in networks:
            if network.overlaps(other):
                yield at(
                    platform,
                    path,
                    f"{network} overlaps {other} of fabric {name}",
                    expected="prefixes apart from each other",
                    found=fabric.spec.subnet,
                    rule="SPEC-FABRIC-ADDRESSES",
                )
        networks.append((fabric.name, network))


def attachments(cluster: Cluster) -> Iterable[SpecProblem]:
    """Each tenant on a fabric has a VLAN or P_Key nobody else has on any fabric, inside the range set aside.

    Fabrics may meet in one switch, which the spec does not show, and there are numbers enough.
    """
    fabrics = {fabric.name: fabric.spec for fabric in cluster.fabrics}
    users: dict[tuple[str, int], tuple[str, str]] = {}
    for tenant in cluster.spec.tenants:
        for index, item in enumerate(tenant.spec.network.fabrics):
            fabric = fabrics.get(item.name)
            if fabric is None:
                continue
            path: DocPath = ("spec", "network", "fabrics", index)
            ethernet = fabric.type is FabricType.ETHERNET
            wanted, other = ("vlan", "pKey") if ethernet else ("pKey", "vlan")
            number = item.vlan if ethernet else _pkey(item)
            if (item.p_key if ethernet else item.vlan) is not None:
                yield _wrong_kind(tenant, (*path, other), fabric, other, wanted)
            if number is None:
                yield at(
                    tenant,
                    path,
                    f"without a {wanted} nothing separates tenant {tenant.name} from others on fabric {fabric.name}",
                    expected=f"{wanted}: a number of the tenant's own",
                    rule="SPEC-FABRIC-ISOLATION",
                )
                continue
            yield from _in_range(tenant, fabric, (*path, wanted), number)
            first, where = users.setdefault((wanted, number), (tenant.name, fabric.name))
            if first != tenant.name:
                yield at(
                    tenant,
                    (*path, wanted),
                    f"{_label(fabric, number)} on fabric {where} belongs to tenant {first} already",
                    expected=f"a {wanted} no other tenant uses",
                    found=item.vlan if ethernet else item.p_key,
                    rule="SPEC-VLAN-TWICE" if ethernet else "SPEC-PKEY-TWICE",
                )


def _pkey(item: FabricAttachment) -> int | None:
    # The top bit of a P_Key only says full or limited membership: 0x8010 and 0x0010 are one partition.
    return None if item.p_key is None else int(item.p_key, 16) & 0x7FFF


def _label(fabric: Fabric, number: int) -> str:
    return f"VLAN {number}" if fabric.type is FabricType.ETHERNET else f"partition {number:#06x}"


def _wrong_kind(tenant: Tenant, path: DocPath, fabric: Fabric, found: str, wanted: str) -> SpecProblem:
    return at(
        tenant,
        path,
        f"fabric {fabric.name} is {fabric.type.value}, where tenants are separated by {wanted}",
        expected=wanted,
        found=found,
        rule="SPEC-FABRIC-ISOLATION",
    )


def _in_range(tenant: Tenant, fabric: Fabric, path: DocPath, number: int) -> Iterable[SpecProblem]:
    first, last = 1, 4094
    shown = "1 to 4094"
    if fabric.type is FabricType.ETHERNET and fabric.vlans:
        first, last = fabric.vlans.first, fabric.vlans.last
        shown = f"{first} to {last}"
    elif fabric.type is FabricType.INFINIBAND:
        first, last = 1, DEFAULT_PARTITION - 1
        if fabric.p_keys:
            first, last = (int(text, 16) & 0x7FFF for text in (fabric.p_keys.first, fabric.p_keys.last))
        shown = f"{first:#06x} to {last:#06x} (with or without the membership bit 0x8000)"
    if not first <= number <= last:
        yield at(
            tenant,
            path,
            f"{_label(fabric, number)} is outside what fabric {fabric.name} sets aside for tenants",
            expected=shown,
            found=_label(fabric, number),
            rule="SPEC-FABRIC-RANGE",
        )


def ranges(cluster: Cluster) -> Iterable[SpecProblem]:
    """Ranges begin before they end."""
    for fabric in cluster.fabrics:
        path: DocPath = ("spec", "fabrics", _index(cluster, fabric))
        vlans, keys = fabric.spec.vlans, fabric.spec.p_keys
        if vlans and vlans.first > vlans.last:
            yield _reversed(cluster, (*path, "vlans"), str(vlans.first), str(vlans.last))
        if keys and int(keys.first, 16) & 0x7FFF > int(keys.last, 16) & 0x7FFF:
            yield _reversed(cluster, (*path, "pKeys"), keys.first, keys.last)


def _reversed(cluster: Cluster, path: DocPath, first: str, last: str) -> SpecProblem:
    return at(
        cluster.spec.platform,
        path,
        "the range ends before it begins",
        expected="first not above last",
        found=f"{first} to {last}",
        rule="SPEC-FABRIC-RANGE",
    )


def shared_rdma(cluster: Cluster) -> Iterable[SpecProblem]:
    """With the shared RDMA mode every pod sees every RDMA device, so at most one tenant may attach."""
    for fabric in cluster.fabrics:
        if fabric.spec.rdma_mode != "shared":
            continue
        users = [
            tenant.name
            for tenant in cluster.spec.tenants
            if any(item.name == fabric.name for item in tenant.spec.network.fabrics)
        ]
        if len(users) > 1:
            yield at(
                cluster.spec.platform,
                ("spec", "fabrics", _index(cluster, fabric), "rdmaMode"),
                f"in shared mode pods see each other's RDMA devices, and tenants {', '.join(users)} attach",
                expected="exclusive",
                found="shared",
                rule="SPEC-FABRIC-RDMA-MODE",
            )


def vfs_per_gpu(cluster: Cluster) -> Iterable[SpecProblem]:
    """Where a workload needs VFs for each GPU, a node has enough for all its GPUs."""
    fabrics = {fabric.name: fabric for fabric in cluster.fabrics}
    for workload in cluster.spec.workloads:
        rdma = workload.spec.rdma
        fabric = fabrics.get(rdma.fabric) if rdma else None
        if rdma is None or fabric is None:
            continue
        vfs = len(fabric.rails) * fabric.spec.vfs_per_rail
        for pool in _candidates(cluster, workload.spec.pools, fabric):
            needed = pool.gpus_per_node * rdma.vfs_per_gpu
            if vfs < needed:
                yield at(
                    workload,
                    ("spec", "rdma", "vfsPerGpu"),
                    f"a node of pool {pool.name} has {vfs} virtual functions on fabric {fabric.name} "
                    f"({len(fabric.rails)} rails of {fabric.spec.vfs_per_rail}) but {pool.gpus_per_node} GPUs that "
                    f"need {rdma.vfs_per_gpu} each",
                    expected=f"at least {-(-needed // max(1, len(fabric.rails)))} vfsPerRail on the fabric",
                    found=rdma.vfs_per_gpu,
                    rule="SPEC-VF-COUNT",
                )
        for name in workload.spec.pools:
            if name in {pool.name for pool in cluster.pools} and name not in fabric.spec.pools:
                yield at(
                    workload,
                    ("spec", "rdma", "fabric"),
                    f"node pool {name} is not wired to fabric {fabric.name}",
                    expected=f"a workload in pools {', '.join(fabric.spec.pools)}",
                    found=fabric.name,
                    rule="SPEC-FABRIC-POOL",
                )


def _candidates(cluster: Cluster, named: list[str], fabric: ClusterFabric) -> Iterable[Pool]:
    for pool in cluster.pools:
        if pool.name in fabric.spec.pools and (not named or pool.name in named):
            yield pool


CHECKS = (hardware, rails, addresses, attachments, ranges, shared_rdma, vfs_per_gpu)
