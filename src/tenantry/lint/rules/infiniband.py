"""InfiniBand networks: the partitions that keep tenants apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tenantry.lint.index import Index
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import CNI, SRIOV, attachment_config, plugins
from tenantry.lint.rules.networks import target_namespace
from tenantry.model.finding import Severity
from tenantry.model.reading import text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest

# P_Keys 0x7fff and 0xffff are the default partition: every port of the subnet is a member.
_DEFAULT_PARTITION = 0x7FFF
_MEMBERSHIP = 0x8000


def _pkey(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"0[xX][0-9a-fA-F]{1,4}", value):
        return int(value, 16)
    return None


def _infiniband_attachments(index: Index) -> Iterator[tuple[Manifest, Mapping[str, Any], tuple[str | int, ...]]]:
    for manifest in index.of(CNI, "NetworkAttachmentDefinition"):
        for where, plugin in plugins(attachment_config(index, manifest)):
            if text(plugin, "type") == "ib-sriov":
                yield manifest, plugin, where


@rule(
    "LINT-SRIOV-IB-PKEY",
    Severity.WARNING,
    "InfiniBand tenants are not kept apart by a partition",
    why="SriovIBNetwork has no partition key, and the default partition has every port as a member: tenants reach "
    "each other. A raw attachment of type ib-sriov with its own pkey and ib-kubernetes separates them.",
    source="ib-sriov-cni, README (pkey); ib-kubernetes, README",
)
def _infiniband_partition(index: Index) -> Iterator[Hit]:
    path = ("spec", "config")
    for manifest, plugin, where in _infiniband_attachments(index):
        key = _pkey(plugin.get("pkey"))
        if "pkey" in plugin and key is None:
            message = f"pkey {plugin['pkey']!r} is not a partition key such as 0x0a01"
            yield Hit(manifest, path, message, "Write it in hexadecimal.", Severity.ERROR, (*where, "pkey"))
        elif key is not None and key | _MEMBERSHIP == _DEFAULT_PARTITION | _MEMBERSHIP:
            message = "pkey is the default partition, of which every port is a member"
            yield Hit(manifest, path, message, "Use a partition of the tenant's own.", inner=(*where, "pkey"))
        elif key is None and index.tenant(manifest.key.namespace):
            message = f"the network of {index.tenant(manifest.key.namespace)} is in the default partition"
            yield Hit(manifest, path, message, "Add a pkey of the tenant's own.", inner=where)
    for group in index.together(index.of(SRIOV, "SriovIBNetwork")):
        owners = {index.owner(target_namespace(network)) for network in group} - {""}
        for network in group if len(owners) > 1 else ():
            message = f"tenants {', '.join(sorted(owners))} share the default partition"
            yield Hit(network, ("spec",), message, "Use an attachment of type ib-sriov with a pkey for each tenant.")


@rule(
    "LINT-SRIOV-IB-PKEY-SHARED",
    Severity.ERROR,
    "Tenants share an InfiniBand partition",
    why="Members of one partition reach each other; the membership bit does not make two partitions of one.",
    source="InfiniBand architecture specification, partitioning; ib-sriov-cni, README",
)
def _infiniband_partition_shared(index: Index) -> Iterator[Hit]:
    seen: dict[tuple[int, int], Manifest] = {}
    for manifest, plugin, where in _infiniband_attachments(index):
        key = _pkey(plugin.get("pkey"))
        if key is None or manifest in index.partial or not manifest.key.namespace:
            continue
        first = seen.setdefault((index.scope(manifest), key & _DEFAULT_PARTITION), manifest)
        mine, theirs = index.owner(manifest.key.namespace), index.owner(first.key.namespace)
        if mine != theirs:
            message = f"{mine} and {theirs} both use partition {key & _DEFAULT_PARTITION:#06x} ({first.key.name})"
            yield Hit(manifest, ("spec", "config"), message, "Give each tenant its own.", inner=(*where, "pkey"))


@rule(
    "LINT-SRIOV-IB-ISOLATION",
    Severity.ERROR,
    "Both rdmaIsolation and the rdma plugin",
    why="Both move the RDMA device into the pod; the second finds it gone and the pod does not start.",
    source="ib-sriov-cni, README (rdmaIsolation)",
)
def _infiniband_isolation(index: Index) -> Iterator[Hit]:
    for manifest, plugin, where in _infiniband_attachments(index):
        chain = [text(other, "type") for _, other in plugins(attachment_config(index, manifest))]
        if plugin.get("rdmaIsolation") is True and "rdma" in chain:
            message = "rdmaIsolation does what the chained rdma plugin does"
            yield Hit(manifest, ("spec", "config"), message, "Keep one of the two.", inner=(*where, "rdmaIsolation"))


RULES: tuple[Rule, ...] = (
    _infiniband_partition,
    _infiniband_partition_shared,
    _infiniband_isolation,
)
