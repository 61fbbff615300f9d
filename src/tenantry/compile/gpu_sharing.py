"""How GPUs of each pool are shared, as the MIG manager and the device plugin read it.

The operator watches neither the content of these ConfigMaps nor, on a node, anything but the node label that chooses an
entry. So names carry a hash of what they stand for: another layout is another name, and only nodes whose own layout
changed get another label.

Sources: NVIDIA mig-parted ``api/spec/v1/spec.go``; k8s-device-plugin ``api/config/v1`` and ``cmd/config-manager``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import content_hash
from tenantry.model.gpu import GPU_RESOURCE
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.cluster import Cluster, GpuGroup, Pool

MIG_CONFIG_LABEL = "nvidia.com/mig.config"
"""Node label that names an entry of the MIG configuration."""
PLUGIN_CONFIG_LABEL = "nvidia.com/device-plugin.config"
"""Node label that names an entry of the device-plugin configuration."""
MIG_CONFIG_KEY = "config.yaml"
"""Key of the ConfigMap the MIG manager reads."""
MIG_DISABLED = "all-disabled"
"""Entry that turns MIG off; the operator applies it to nodes without a label."""
PLUGIN_DEFAULT = "default"
"""Entry for nodes without a label: nothing is shared."""

_SECTIONS: Mapping[SharingMode, str] = {SharingMode.TIME_SLICING: "timeSlicing", SharingMode.MPS: "mps"}


def mig_config_name(pool: Pool) -> str:
    """Entry of the MIG configuration for the nodes of a pool; empty when the GPU cannot be partitioned.

    Changes exactly when the layout changes, so that no node is emptied and reset for a change elsewhere.
    """
    if pool.mode is SharingMode.MIG:
        return f"{pool.name}-{content_hash(_layout(pool))}"
    return MIG_DISABLED if pool.gpu.mig_capable else ""


def _layout(pool: Pool) -> list[list[object]]:
    return [[_devices(pool, group), dict(group.profiles)] for group in _ordered(pool)]


def _ordered(pool: Pool) -> list[GpuGroup]:
    return sorted(pool.groups, key=lambda group: group.indices)


def _devices(pool: Pool, group: GpuGroup) -> str:
    if len(group.indices) == pool.gpus_per_node:
        return "all"
    return f"[{', '.join(str(index) for index in group.indices)}]"


def mig_config(cluster: Cluster) -> str:
    """Text of the MIG configuration of all pools, empty when no pool is partitioned.

    Every GPU of a node is named by exactly one item of its entry: where two items cover one GPU, mig-parted applies the
    later and may then never find the node in the wanted state. There is no ``device-filter``: with one, a node that has
    another GPU than the spec says would be reported as done although nothing was partitioned; without, it fails loudly.
    """
    pools = [pool for pool in cluster.pools if pool.mode is SharingMode.MIG]
    if not pools:
        return ""
    lines = ["version: v1", "mig-configs:", f"  {MIG_DISABLED}:", "    - devices: all", "      mig-enabled: false"]
    for pool in pools:
        lines.append(f"  {mig_config_name(pool)}:")
        for group in _ordered(pool):
            lines.append(f"    - devices: {_devices(pool, group)}")
            lines.append(f"      mig-enabled: {'true' if group.profiles else 'false'}")
            if group.profiles:
                lines.append("      mig-devices:")
                lines.extend(f'        "{profile}": {count}' for profile, count in sorted(group.profiles))
    return "\n".join(lines) + "\n"


def mig_config_map(cluster: Cluster) -> str:
    """Name of the ConfigMap with the MIG configuration; empty when there is none."""
    text = mig_config(cluster)
    return f"mig-config-{content_hash(text)}" if text else ""


def plugin_config_key(pool: Pool) -> str:
    """Entry of the device-plugin configuration for the nodes of a pool; empty when its GPUs are not replicated.

    Names mode and replicas, because the plugin notices another entry but not another content of the same entry.
    """
    if pool.mode not in _SECTIONS:
        return ""
    return f"{pool.name}-{pool.mode.value}-{pool.spec.sharing.replicas}"


def plugin_configs(cluster: Cluster) -> dict[str, str]:
    """Entries of the device-plugin configuration, empty when no pool replicates GPUs."""
    shared = {plugin_config_key(pool): _plugin_config(pool) for pool in cluster.pools if pool.mode in _SECTIONS}
    return {PLUGIN_DEFAULT: "version: v1\n", **shared} if shared else {}


def _plugin_config(pool: Pool) -> str:
    # Renamed, so that a quota on whole GPUs does not cover replicas and the other way round. Several replicas in one
    # request may be the same GPU and never more of it, so such a request is refused.
    lines: Iterable[str] = (
        "version: v1",
        "sharing:",
        f"  {_SECTIONS[pool.mode]}:",
        "    renameByDefault: true",
        "    failRequestsGreaterThanOne: true",
        "    resources:",
        f"      - name: {GPU_RESOURCE}",
        f"        replicas: {pool.spec.sharing.replicas}",
    )
    return "\n".join(lines) + "\n"


def plugin_config_map(cluster: Cluster) -> str:
    """Name of the ConfigMap with the device-plugin configuration; empty when there is none."""
    entries = plugin_configs(cluster)
    return f"device-plugin-config-{content_hash(entries)}" if entries else ""
