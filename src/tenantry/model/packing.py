"""What is packed: pods that ask for GPUs or parts of them. Nodes are :class:`tenantry.model.trace.TraceNode`."""

from __future__ import annotations

import msgspec


class PackingPod(msgspec.Struct, frozen=True, gc=False):
    """One pod to place.

    Attributes:
        name: name of the pod.
        devices: how many GPUs it needs, all on one node; 0 for none.
        share: milli-GPUs it needs of each of them, 1 to 1000; 0 without GPUs.
        cpus: millicores.
        memory: MiB.
        gpu: GPU models it may run on, joined by ``|``; empty for any.
    """

    name: str
    devices: int = 1
    share: int = 1000
    cpus: int = 0
    memory: int = 0
    gpu: str = ""

    @property
    def demand(self) -> int:
        """Milli-GPUs it asks for."""
        return self.devices * self.share

    def accepts(self, model: str) -> bool:
        """Whether it may run on a node with this GPU model."""
        return not self.gpu or model in self.gpu.split("|")
