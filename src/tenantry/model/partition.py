"""The partition of a node pool's GPUs: what there is, what is wanted, and a plan of layouts.

Counts are slices (instances of one MIG profile) unless said otherwise. A *layout* is all instances of a GPU, by start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.gpu import Placement

if TYPE_CHECKING:
    from tenantry.model.gpu import Gpu

WHOLE = "gpu"
"""Name of the only instance of a GPU that is not partitioned: MIG is off, and it is given out as one."""

Layout = tuple[Placement, ...]
"""The instances of one GPU by start; empty for a partitioned GPU without any."""
Counts = tuple[tuple[str, int], ...]
"""Instances per profile, sorted by profile; no profile with none."""


def whole_gpu(gpu: Gpu) -> Layout:
    """Return the layout of a GPU that is not partitioned."""
    return (Placement(0, WHOLE, gpu.memory_slices),)


def counts_of(layout: Layout) -> Counts:
    """Count the instances of a layout: all that a MIG configuration of a node can state."""
    found: dict[str, int] = {}
    for placement in layout:
        found[placement.profile] = found.get(placement.profile, 0) + 1
    return tuple(sorted(found.items()))


def size_of(gpu: Gpu, profile: str) -> int:
    """Memory slices of a profile, all of the GPU's for :data:`WHOLE`; KeyError for one the GPU does not have."""
    if profile == WHOLE:
        return gpu.memory_slices
    known = gpu.profile(profile)
    if known is None:
        raise KeyError(profile)
    return known.memory


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A running instance that stays where it is.

    Attributes:
        placement: where.
        tenant: whose; empty when not known.
    """

    placement: Placement
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class PresentGpu:
    """One GPU as it is now.

    Attributes:
        node: name of its node.
        index: its number on the node.
        layout: instances it has; may be destroyed unless pinned.
        pins: those that stay; each is in ``layout``.
    """

    node: str
    index: int
    layout: Layout
    pins: tuple[Pin, ...] = ()

    @property
    def pinned(self) -> Layout:
        """Placements that stay, by start."""
        return tuple(sorted(pin.placement for pin in self.pins))


@dataclass(frozen=True, slots=True)
class SliceDemand:
    """Slices of one profile that are wanted in a pool, those that run already included.

    Attributes:
        profile: MIG profile, or :data:`WHOLE`.
        count: how many.
        tenant: for whom; empty for anybody.
        priority: demand of a higher one is served first, whatever that costs others; at 1 and above it is guaranteed,
            at 0 it is weighed against the cost of changes.
        weight: worth of one memory slice served, relative to demand of the same priority; positive.
    """

    profile: str
    count: int
    tenant: str = ""
    priority: int = 0
    weight: int = 1

    @property
    def guaranteed(self) -> bool:
        """Whether it counts before the cost of changes."""
        return self.priority > 0


@dataclass(frozen=True, slots=True)
class PartitionPool:
    """A node pool whose GPUs are to be partitioned.

    Attributes:
        name: name of the pool.
        gpu: GPU model.
        gpus: every GPU, by node and index; all nodes have the same indices.
        demands: what is wanted, in the order of the output.
    """

    name: str
    gpu: Gpu
    gpus: tuple[PresentGpu, ...]
    demands: tuple[SliceDemand, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, in the order of ``gpus``."""
        return tuple(dict.fromkeys(gpu.node for gpu in self.gpus))


@dataclass(frozen=True, slots=True)
class ChangeCosts:
    """What a change costs, in the worth of memory slices: 8 is a whole GPU with 8 memory slices left idle.

    Attributes:
        gpu: per GPU whose layout changes.
        node: per node with such a GPU, which is drained for it.
    """

    gpu: int = 1
    node: int = 8


@dataclass(frozen=True, slots=True)
class PartitionRules:
    """What a plan has to keep to.

    Attributes:
        uniform: each node of the pool gets the same layouts, which is what a spec can express.
        exclusive: the slices of a GPU belong to one tenant.
        spares: nodes that may be lost while demand that is guaranteed is still served.
        frozen: nodes with a pinned instance keep all their layouts, as they cannot be drained.
        costs: of changes.
    """

    uniform: bool = True
    exclusive: bool = False
    spares: int = 0
    frozen: bool = False
    costs: ChangeCosts = ChangeCosts()


@dataclass(frozen=True, slots=True)
class PlannedGpu:
    """One GPU as it is to be.

    Attributes:
        node: name of its node.
        index: its number on the node.
        layout: instances it is to have.
        tenant: whose slices these are where GPUs belong to one tenant; empty otherwise, and for nobody's.
    """

    node: str
    index: int
    layout: Layout
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """Layouts for every GPU of a pool.

    Attributes:
        gpus: every GPU, in the order of the pool.
        served: slices given to each demand, in the order of the pool's demands.
        spare_nodes: nodes held back: what is guaranteed is served by the others. Empty where nodes are alike, as every
            one of them can be the one that is lost.
    """

    gpus: tuple[PlannedGpu, ...]
    served: tuple[int, ...]
    spare_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """What a plan is worth and takes.

    Attributes:
        unserved: for each priority of the demand, highest first: worth of what is not served, which is memory slices
            times weight.
        changed_gpus: GPUs whose instances per profile differ from now.
        changed_nodes: nodes with such a GPU.
    """

    unserved: tuple[tuple[int, int], ...]
    changed_gpus: int
    changed_nodes: int

    def cost(self, costs: ChangeCosts) -> int:
        """Cost of the changes."""
        return costs.gpu * self.changed_gpus + costs.node * self.changed_nodes

    def objective(self, costs: ChangeCosts) -> int:
        """Worth of what is not served at priority 0, plus the cost of changes; the last thing that is minimised."""
        return dict(self.unserved).get(0, 0) + self.cost(costs)
