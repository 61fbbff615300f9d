"""The SR-IOV operator's own configuration, and its pools of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from tenantry.lint.index import Index
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX, SRIOV
from tenantry.model.finding import Severity
from tenantry.model.reading import at, items, mapping, string_map, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest

MOFED_WAIT = "network.nvidia.com/operator.mofed.wait"


@rule(
    "LINT-SRIOV-DRAIN-OFF",
    Severity.WARNING,
    "Draining is switched off",
    why="VFs are reconfigured under running pods, which lose their network.",
    source="sriov-network-operator, api/v1 (disableDrain); meant for single-node clusters",
    fragments=True,
)
def _drain_off(index: Index) -> Iterator[Hit]:
    for manifest in index.of(SRIOV, "SriovOperatorConfig"):
        if at(manifest.body, "spec", "disableDrain") is True:
            message = "nodes are not drained before their VFs change"
            yield Hit(manifest, ("spec", "disableDrain"), message, "Write false unless the cluster has one node.")


@rule(
    "LINT-SRIOV-SYSTEMD",
    Severity.WARNING,
    "The configuration mode is systemd",
    why="NVIDIA lists the mode as unsupported on OpenShift, and the NIC configuration operator needs daemon mode.",
    source="NVIDIA network operator documentation, release notes; network-operator, nic-fw-configuration",
    fragments=True,
)
def _systemd_mode(index: Index) -> Iterator[Hit]:
    for manifest in index.of(SRIOV, "SriovOperatorConfig"):
        if text(manifest.body, "spec", "configurationMode") == "systemd":
            yield Hit(manifest, ("spec", "configurationMode"), "systemd mode is not supported here", "Write daemon.")


@rule(
    "LINT-SRIOV-MOFED-WAIT",
    Severity.WARNING,
    "The SR-IOV daemon does not wait for the network driver",
    why="VFs made before the DOCA driver loads vanish when it does.",
    source="NVIDIA network operator documentation, OpenShift deployment guide",
)
def _mofed_wait(index: Index) -> Iterator[Hit]:
    for manifest in index.whole(SRIOV, "SriovOperatorConfig"):
        loads = any(
            mapping(other.body, "spec", "ofedDriver")
            for other in index.beside(manifest, MELLANOX, "NicClusterPolicy", "NicNodePolicy")
        )
        selector = mapping(manifest.body, "spec", "configDaemonNodeSelector")
        if loads and selector.get(MOFED_WAIT) != "false":
            yield Hit(
                manifest,
                ("spec", "configDaemonNodeSelector"),
                "the daemon starts before the driver of the NicClusterPolicy has loaded",
                f'Add {MOFED_WAIT}: "false".',
            )


@rule(
    "LINT-SRIOV-PF-RENAMED",
    Severity.INFO,
    "Functions are named by interface while the network driver is replaced",
    why="The DOCA driver may rename interfaces (enp3s0f0 becomes enp3s0f0np0); the policy then matches nothing. PCI "
    "addresses stay.",
    source="NVIDIA network operator documentation, DOCA driver container; network-operator, example/udev",
)
def _renamed(index: Index) -> Iterator[Hit]:
    for policy in index.of(SRIOV, "SriovNetworkNodePolicy"):
        loads = any(
            mapping(other.body, "spec", "ofedDriver")
            for other in index.beside(policy, MELLANOX, "NicClusterPolicy", "NicNodePolicy")
        )
        selector = mapping(policy.body, "spec", "nicSelector")
        if loads and selector.get("pfNames") and not selector.get("rootDevices"):
            path = ("spec", "nicSelector", "pfNames")
            yield Hit(policy, path, "interface names may change with the driver", "Select by rootDevices.")


@rule(
    "LINT-SRIOV-POOL-SELECTOR",
    Severity.ERROR,
    "The node selector of a pool is a plain map",
    why="The field is a label selector; the API server drops the labels and the empty selector matches every node.",
    source="sriov-network-operator, config/crd/bases/sriovnetwork.openshift.io_sriovnetworkpoolconfigs.yaml",
    fragments=True,
)
def _pool_selector(index: Index) -> Iterator[Hit]:
    for manifest in index.of(SRIOV, "SriovNetworkPoolConfig"):
        selector = at(manifest.body, "spec", "nodeSelector")
        stray = [key for key in mapping(selector) if key not in {"matchLabels", "matchExpressions"}]
        if stray or isinstance(selector, list):
            message = "nodeSelector is a label selector; these labels are dropped and every node matches"
            yield Hit(manifest, ("spec", "nodeSelector"), message, "Put the labels under matchLabels.")


def pool_labels(pool: Manifest) -> dict[str, str]:
    """Return the labels a pool selects nodes by; expressions are not read."""
    return string_map(pool.body, "spec", "nodeSelector", "matchLabels")


@rule(
    "LINT-SRIOV-POOL-OVERLAP",
    Severity.ERROR,
    "A node belongs to two pools",
    why="A node that several pools match is never drained, so its configuration stays InProgress for ever.",
    source="sriov-network-operator, controllers/drain_controller.go",
)
def _pool_overlap(index: Index) -> Iterator[Hit]:
    for group in index.together(index.of(SRIOV, "SriovNetworkPoolConfig")):
        plain = [pool for pool in group if not items(pool.body, "spec", "nodeSelector", "matchExpressions")]
        for first, second in combinations(plain, 2):
            mine, theirs = pool_labels(first).items(), pool_labels(second).items()
            if mine <= theirs or theirs <= mine:
                message = f"nodes of this pool also belong to pool {first.key.name} and are never drained"
                yield Hit(second, ("spec", "nodeSelector"), message, "Select disjoint sets of nodes.")


@rule(
    "LINT-SRIOV-POOL-OFFLOAD",
    Severity.ERROR,
    "A pool for hardware offload selects nodes as well",
    why="ovsHardwareOffloadConfig names a machine config pool; the webhook refuses it together with nodeSelector or "
    "maxUnavailable.",
    source="sriov-network-operator, pkg/webhook/validate.go",
)
def _pool_offload(index: Index) -> Iterator[Hit]:
    for pool in index.of(SRIOV, "SriovNetworkPoolConfig"):
        spec = mapping(pool.body, "spec")
        if text(spec, "ovsHardwareOffloadConfig", "name") and ("nodeSelector" in spec or "maxUnavailable" in spec):
            path = ("spec", "ovsHardwareOffloadConfig", "name")
            yield Hit(pool, path, "the field excludes nodeSelector and maxUnavailable", "Use two pools.")


RULES: tuple[Rule, ...] = (
    _drain_off,
    _systemd_mode,
    _mofed_wait,
    _renamed,
    _pool_selector,
    _pool_overlap,
    _pool_offload,
)
