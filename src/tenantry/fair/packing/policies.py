"""The placement policies, by their published names, and the rules for ties."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.packing import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.fair.packing.records import Layout


class Policy(NamedTuple):
    """Where pods go.

    Attributes:
        name: published name.
        score: how well a node suits a pod, 0 to 100.
        gpus: which GPUs of that node it gets.
        prefers: one line for people.
    """

    name: str
    score: Callable[[Layout, int, int], int]
    gpus: str
    prefers: str


POLICIES: tuple[Policy, ...] = (
    Policy("Random", kernel.anywhere, "drawn", "any node that can take the pod"),
    Policy("DotProd", kernel.dot_product, "tightest", "nodes whose free CPU and GPU point away from the pod's needs"),
    Policy("GpuClustering", kernel.clustering, "tightest", "nodes with pods of the same GPU count, then fuller ones"),
    Policy("GpuPacking", kernel.packing, "tightest", "GPUs in use, then nodes in use, then small empty nodes"),
    Policy("BestFit", kernel.best_fit, "tightest", "nodes with least CPU and GPU left afterwards"),
    Policy("FGD", kernel.gradient, "least fragmenting", "nodes and GPUs whose fragmentation grows least"),
)
"""All policies; the place of each is its number in :mod:`tenantry.fair.packing.kernel`."""

NAMES = tuple(policy.name for policy in POLICIES)
RANDOM = NAMES[kernel.RANDOM]
"""The policy that has no ties to break: it draws every node."""


class Ties(StrEnum):
    """Which of several nodes with the same score takes a pod."""

    FIXED = "fixed"
    """The first in a random order of nodes that stays the same for a whole run; the published rule."""
    NAME = "name"
    """The first by name."""
    RANDOM = "random"
    """One drawn for each pod, as kube-scheduler does."""


class Refusal(StrEnum):
    """The first filter that no node passed."""

    MODEL = "GPU model"
    """No node has a GPU model it accepts."""
    GPUS = "GPUs"
    """No node of such a model has as many GPUs with enough left."""
    CPUS = "CPU"
    """Nodes have the GPUs, but none of them the CPU."""
    MEMORY = "memory"
    """Nodes have the GPUs and the CPU, but none of them the memory."""


REFUSALS = {
    kernel.NO_MODEL: Refusal.MODEL,
    kernel.NO_GPUS: Refusal.GPUS,
    kernel.NO_CPUS: Refusal.CPUS,
    kernel.NO_MEMORY: Refusal.MEMORY,
}
"""What the numbers of the kernel mean."""
