"""Servers, NICs and their limits, as the catalog describes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Certainty(StrEnum):
    """How well an entry of the catalog is known."""

    CERTAIN = "certain"
    """Read off real hardware, or stated by the vendor and confirmed by code."""
    HIGH = "high"
    """Follows from the architecture or from one good source."""
    MEDIUM = "medium"
    """Stated in one configuration only; confirm on the node."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network adapter.

    Attributes:
        id: catalog name, for example ``connectx-7``.
        title: name for people.
        vendor_id: PCI vendor, four lower-case hexadecimal digits.
        device_id: PCI device of the physical function, four lower-case hexadecimal digits.
        max_vfs: most VFs on one physical function the SR-IOV operator accepts for this vendor.
        max_vfs_infiniband: most VFs on one physical function in InfiniBand mode.
        link_types: link layers the adapter can run, of ``ethernet`` and ``infiniband``.
        speed_gbps: link speed in Gbit/s.
        source: where the facts come from.
        certainty: how well they are known.
        note: what to confirm, empty when nothing.
    """

    id: str
    title: str
    vendor_id: str
    device_id: str
    max_vfs: int
    max_vfs_infiniband: int
    link_types: tuple[str, ...]
    speed_gbps: int
    source: str
    certainty: Certainty
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServerRail:
    """A physical function of a server that is wired to the GPU fabric. The PCI address is empty where it varies."""

    name: str
    pci: str
    numa_node: int | None


@dataclass(frozen=True, slots=True)
class Server:
    """A server model.

    Attributes:
        id: catalog name, for example ``dell-xe9680-h200``.
        title: name for people.
        gpu: id of its GPU in the catalog; empty for ``generic``.
        gpus: GPUs per server; 0 for ``generic``.
        nvlink: whether the GPUs are joined by NVLink.
        rails: physical functions for the GPU fabric, in order.
        cpu_cores: physical cores; 0 when it depends on the order.
        memory_gib: main memory in GiB; 0 when it depends on the order.
        numa_nodes: NUMA nodes; 0 when unknown.
        product_name: DMI product name, empty when unknown.
        source: where the facts come from.
        certainty: how well they are known.
        note: what to confirm, empty when nothing.
    """

    id: str
    title: str
    gpu: str
    gpus: int
    nvlink: bool
    rails: tuple[ServerRail, ...]
    cpu_cores: int
    memory_gib: int
    numa_nodes: int
    product_name: str
    source: str
    certainty: Certainty
    note: str = ""
