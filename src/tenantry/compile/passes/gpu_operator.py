"""GPU stack: the ClusterPolicy, drivers per pool, and the configurations that node labels choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.cluster_policy import (
    OPERATOR,
    PRIORITY_CLASS,
    cluster_policy,
    dcgm_config_map,
    driver_fields,
    host_toolkit,
    owned_by_tree,
    per_pool_drivers,
)
from tenantry.compile.dcgm import CSV_KEY, metrics_csv
from tenantry.compile.gpu_sharing import (
    MIG_CONFIG_KEY,
    mig_config,
    mig_config_map,
    plugin_config_map,
    plugin_configs,
)
from tenantry.compile.installs import GPU_TOLERATION, POOL_TOLERATION, operator_namespace
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Output

COMPONENT = "gpu-operator"
NAME = "gpu-cluster-policy"
GUARDED = f"{GUARD_DELETE},SkipDryRunOnMissingResource=true"

# Drivers come in the wave of the policy: it is not ready before they are, and a later wave would wait for it.
WAVE_POLICY = 1


def gpu_operator(cluster: Cluster) -> Iterable[Output]:
    """Yield the ConfigMaps, the ClusterPolicy and, where drivers differ, one NVIDIADriver per pool."""
    namespace = operator_namespace(cluster, OPERATOR)
    for file, name, data in (
        ("mig-config", mig_config_map(cluster), {MIG_CONFIG_KEY: mig_config(cluster)}),
        ("device-plugin-config", plugin_config_map(cluster), plugin_configs(cluster)),
        ("dcgm-metrics", dcgm_config_map(cluster), {CSV_KEY: metrics_csv(cluster)}),
    ):
        if name:
            body = manifest("v1", "ConfigMap", name, namespace=namespace, immutable=True, data=data)
            yield Piece(COMPONENT, file, body)
    if per_pool_drivers(cluster):
        for pool in cluster.pools:
            yield Piece(COMPONENT, "drivers", _driver(cluster, pool))
    if owned_by_tree(cluster):
        policy = manifest(
            "nvidia.com/v1",
            "ClusterPolicy",
            NAME,
            wave=WAVE_POLICY,
            sync_options=GUARDED,
            spec=cluster_policy(cluster),
        )
        yield Piece(COMPONENT, "cluster-policy", policy)
    if host_toolkit(cluster):
        yield _toolkit_note(cluster)


def _driver(cluster: Cluster, pool: Pool) -> Body:
    # Selectors of pools are disjoint and cover every pool; two drivers for one node make the operator refuse both.
    return manifest(
        "nvidia.com/v1alpha1",
        "NVIDIADriver",
        pool.name,
        wave=WAVE_POLICY,
        sync_options=GUARDED,
        spec={
            "default": False,
            "driverType": "gpu",
            **driver_fields(cluster, pool.driver),
            "nodeSelector": dict(sorted(pool.node_selector.items())),
            "priorityClassName": PRIORITY_CLASS,
            "tolerations": [GPU_TOLERATION, POOL_TOLERATION],
        },
    )


def _toolkit_note(cluster: Cluster) -> Note:
    return Note(
        "NOTE-HOST-TOOLKIT",
        f"node images of {cluster.distribution.value}",
        "the container toolkit comes with the node image, so nothing in the tree can make it refuse GPUs that a pod "
        "names in NVIDIA_VISIBLE_DEVICES; the admission guards refuse such pods, the node does not",
        "set accept-nvidia-visible-devices-envvar-when-unprivileged = false in "
        "/etc/nvidia-container-runtime/config.toml of the node image",
    )
