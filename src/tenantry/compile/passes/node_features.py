"""Node feature discovery, whose labels the GPU and network operators select nodes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.installs import GPU_TOLERATION, POOL_TOLERATION, operator_namespace
from tenantry.model.tree import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.tree import Output

COMPONENT = "node-features"
OPERATOR = "node-feature-discovery"

PCI_CLASSES = ("02", "0200", "0207", "03", "0300", "0302")
"""Network and display controllers. A NIC in InfiniBand mode is 0207: without it such a node never gets pci-15b3.present
and the whole RDMA stack stays away without an error."""

LABEL_FIELDS = ("vendor",)
"""With any other list the labels are called differently from what the network operator selects."""


def node_features(cluster: Cluster) -> Iterable[Output]:
    """Yield the NodeFeatureDiscovery of OpenShift; elsewhere the chart's values say the same."""
    if not cluster.openshift or OPERATOR not in cluster.operators:
        return
    yield Piece(
        COMPONENT,
        "nfd",
        manifest(
            "nfd.openshift.io/v1",
            "NodeFeatureDiscovery",
            "nfd-instance",
            namespace=operator_namespace(cluster, OPERATOR),
            # Its labels vanish with it, and with them the drivers of every node.
            sync_options=f"{GUARD_DELETE},SkipDryRunOnMissingResource=true",
            spec={
                "operand": {"workerTolerations": [GPU_TOLERATION, POOL_TOLERATION]},
                "workerConfig": {"configData": worker_config()},
            },
        ),
    )


def worker_config() -> str:
    """Configuration of the NFD worker, as the text its operator expects."""
    lines = ["core:", "  sleepInterval: 60s", "sources:", "  pci:", "    deviceClassWhitelist:"]
    lines.extend(f'      - "{name}"' for name in PCI_CLASSES)
    lines.append("    deviceLabelFields:")
    lines.extend(f"      - {name}" for name in LABEL_FIELDS)
    return "\n".join(lines) + "\n"
