"""Kernel and kubelet settings of pools that need them: a machine config pool each, so that others do not reboot."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.model.cluster import POOL_LABEL
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Output

COMPONENT = "node-tuning"
API = "machineconfiguration.openshift.io/v1"
ROLE_LABEL = "machineconfiguration.openshift.io/role"

POD_PIDS_LIMIT = 4096
"""Processes of one pod; a fork bomb of one tenant must not take the node."""

# Traffic between NIC and GPU goes through the root complex where the IOMMU translates it. Passthrough is enough and
# leaves an IOMMU that is off as it is (NVIDIA NCCL documentation, troubleshooting, PCI access control).
KERNEL_ARGUMENTS = ["iommu=pt"]

# RDMA registers memory by locking it; pods stay bounded by their memory limit (CRI-O, crio.conf, default_ulimits).
MEMLOCK_FILE = "/etc/crio/crio.conf.d/10-tenantry-memlock.conf"
MEMLOCK = '[crio.runtime]\ndefault_ulimits = ["memlock=-1:-1"]\n'


def node_tuning(cluster: Cluster) -> Iterable[Output]:
    """Yield machine configs, kubelet configs and the pools that apply them; elsewhere notes with the same settings."""
    for pool in cluster.pools:
        if not needs_tuning(pool):
            continue
        if not cluster.openshift:
            yield _by_hand(pool)
            continue
        if pool.fabrics:
            yield Piece(COMPONENT, pool.name, _machine_config(pool))
        yield Piece(COMPONENT, pool.name, _kubelet_config(pool))
        yield Piece(COMPONENT, pool.name, _machine_config_pool(pool))
        yield _worker_note(pool)


def needs_tuning(pool: Pool) -> bool:
    """Whether a pool is wired to a fabric or asks for NUMA alignment."""
    return bool(pool.fabrics) or pool.spec.numa_alignment != "none"


def machine_pool_name(pool: Pool) -> str:
    """Name of the machine config pool; prefixed, since ``worker`` and ``master`` belong to OpenShift."""
    return f"pool-{pool.name}"


def _machine_config_pool(pool: Pool) -> Body:
    # All three objects of a pool share a wave: rendering waits some seconds for more, so nodes reboot once, not twice.
    return manifest(
        API,
        "MachineConfigPool",
        machine_pool_name(pool),
        labels={POOL_LABEL: pool.name},
        # Without it its nodes fall back to the worker pool, and reboot.
        sync_options=GUARD_DELETE,
        spec={
            "machineConfigSelector": {
                "matchExpressions": [
                    {"key": ROLE_LABEL, "operator": "In", "values": ["worker", machine_pool_name(pool)]}
                ]
            },
            "maxUnavailable": 1,
            "nodeSelector": {"matchLabels": dict(sorted(pool.node_selector.items()))},
            "paused": False,
        },
    )


def _machine_config(pool: Pool) -> Body:
    content = base64.b64encode(MEMLOCK.encode()).decode()
    file = {
        "path": MEMLOCK_FILE,
        "mode": 0o644,
        "overwrite": True,
        "contents": {"source": f"data:;base64,{content}"},
    }
    return manifest(
        API,
        "MachineConfig",
        f"99-{machine_pool_name(pool)}-rdma",
        labels={ROLE_LABEL: machine_pool_name(pool)},
        sync_options=GUARD_DELETE,
        spec={
            "config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}},
            "kernelArguments": list(KERNEL_ARGUMENTS),
        },
    )


def _kubelet_config(pool: Pool) -> Body:
    return manifest(
        API,
        "KubeletConfig",
        machine_pool_name(pool),
        sync_options=GUARD_DELETE,
        spec={
            "kubeletConfig": _kubelet_settings(pool),
            "machineConfigPoolSelector": {"matchLabels": {POOL_LABEL: pool.name}},
        },
    )


def _kubelet_settings(pool: Pool) -> dict[str, Any]:
    settings: dict[str, Any] = {"podPidsLimit": POD_PIDS_LIMIT}
    if pool.spec.numa_alignment != "none":
        # Only CPUs of their own can be aligned: with the default policy every pod floats over all of them.
        settings["cpuManagerPolicy"] = "static"
        settings["cpuManagerReconcilePeriod"] = "5s"
        settings["topologyManagerPolicy"] = pool.spec.numa_alignment
    return dict(sorted(settings.items()))


def _worker_note(pool: Pool) -> Note:
    return Note(
        "NOTE-MACHINE-POOL",
        f"node pool {pool.name}",
        f"its nodes join machine config pool {machine_pool_name(pool)} and reboot one by one when it first syncs",
        "every node carries node-role.kubernetes.io/worker and belongs to no other custom machine config pool",
    )


def _by_hand(pool: Pool) -> Note:
    kubelet = ", ".join(f"{key}: {value}" for key, value in _kubelet_settings(pool).items())
    parts = [f"kubelet configuration {kubelet}"]
    if pool.fabrics:
        parts.append(f"kernel arguments {' '.join(KERNEL_ARGUMENTS)}")
        parts.append("an unlimited memlock for containers (LimitMEMLOCK=infinity of the container runtime)")
    return Note(
        "NOTE-NODE-TUNING",
        f"node pool {pool.name}",
        "without MachineConfig, kernel and kubelet are set where nodes are provisioned, not in the tree",
        f"set on every node: {'; '.join(parts)}",
    )
