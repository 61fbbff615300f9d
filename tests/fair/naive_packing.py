"""Packing once more, plainly: every node is scored anew for every pod, by the formulas as they are written down.

The oracle of the packing tests and the peer of the packing benchmark. It shares nothing with the engine but the order
of nodes and pods and the random numbers drawn for each pod.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.packing.workload import TypicalPod
    from tenantry.model.packing import PackingPod
    from tenantry.model.trace import TraceNode


@dataclass
class Node:
    """What is left of a node."""

    model: str
    cpus: int
    memory: int
    gpus: list[int]
    classes: set[tuple[int, bool]] = field(default_factory=set)


@dataclass(frozen=True)
class Placement:
    """Where a pod went, or why nowhere."""

    node: int
    gpus: tuple[int, ...] = ()
    fragment: float = 0.0


def pack_naively(
    nodes: Sequence[TraceNode],
    pods: Sequence[PackingPod],
    typical: Sequence[TypicalPod],
    policy: str,
    *,
    at_random: bool,
    node_draws: Sequence[int],
    gpu_draws: Sequence[int],
) -> list[Placement]:
    """Place pods in order; ties go to the first node, or to the one drawn."""
    states = [Node(node.gpu, node.cpus, node.memory, [1000] * node.gpus) for node in nodes]
    most = (max(128_000, *(node.cpus for node in nodes)), max(8_000, *(1000 * node.gpus for node in nodes)))
    result = []
    for pod, node_draw, gpu_draw in zip(pods, node_draws, gpu_draws, strict=True):
        refusals = [refusal(node, pod) for node in states]
        feasible = [index for index, found in enumerate(refusals) if found == 0]
        if not feasible:
            result.append(Placement(max(refusals)))
            continue
        scores = {index: score_of(policy, states[index], pod, typical, most) for index in feasible}
        best = max(scores.values())
        equal = [index for index in feasible if scores[index] == best]
        drawn = at_random or policy == "Random"
        chosen = equal[node_draw * len(equal) // 2**31] if drawn else equal[0]
        node = states[chosen]
        gpus = gpus_for(policy, node, pod, typical, gpu_draw)
        node.cpus -= pod.cpus
        node.memory -= pod.memory
        for gpu in gpus:
            node.gpus[gpu] -= pod.share
        if pod.devices:
            node.classes.add((pod.devices, pod.share < 1000))
        result.append(Placement(chosen, tuple(gpus), fragmentation(node, node.cpus, node.gpus, typical)))
    return result


def refusal(node: Node, pod: PackingPod) -> int:
    """-4 the GPU model, -3 GPUs, -2 CPU, -1 memory, 0 nothing."""
    if pod.devices and pod.gpu and node.model not in pod.gpu.split("|"):
        return -4
    if pod.devices and sum(left >= pod.share for left in node.gpus) < pod.devices:
        return -3
    if node.cpus < pod.cpus:
        return -2
    return -1 if node.memory < pod.memory else 0


def tightest(node: Node, pod: PackingPod) -> list[int]:
    enough = [gpu for gpu, left in enumerate(node.gpus) if left >= pod.share]
    return sorted(enough, key=lambda gpu: node.gpus[gpu])[: pod.devices]


def gpus_for(policy: str, node: Node, pod: PackingPod, typical: Sequence[TypicalPod], draw: int) -> list[int]:
    part = pod.devices == 1 and pod.share < 1000
    enough = [gpu for gpu, left in enumerate(node.gpus) if left >= pod.share]
    if part and policy == "Random":
        return [enough[draw * len(enough) // 2**31]]
    if part and policy == "FGD":
        scores = [slope_of(node, pod, [gpu], typical) for gpu in enough]
        return [enough[scores.index(max(scores))]]
    return tightest(node, pod)


def score_of(policy: str, node: Node, pod: PackingPod, typical: Sequence[TypicalPod], most: tuple[int, int]) -> int:
    most_cpus, most_gpus = most
    if policy == "Random":
        return 0
    if policy == "DotProd":
        cpus = node.cpus / most_cpus * (pod.cpus / most_cpus)
        gpus = sum(node.gpus) / most_gpus * (pod.devices * pod.share / most_gpus)
        return int(100 * (1 - (cpus + gpus) / 2))
    if policy == "BestFit":
        cpus = (node.cpus - pod.cpus) / most_cpus * 0.5
        gpus = (sum(node.gpus) - pod.devices * pod.share) / most_gpus * 0.5
        return int((1 - (cpus + gpus)) * 100)
    if policy == "GpuClustering":
        return clustering(node, pod, most_gpus)
    if policy == "GpuPacking":
        return packing(node, pod)
    if pod.devices == 1 and pod.share < 1000:
        return max(slope_of(node, pod, [gpu], typical) for gpu, left in enumerate(node.gpus) if left >= pod.share)
    return slope_of(node, pod, tightest(node, pod), typical)


def clustering(node: Node, pod: PackingPod, most_gpus: int) -> int:
    if not pod.devices:
        return 0
    own = (pod.devices, pod.share < 1000) in node.classes
    others = len(node.classes) - own
    base = {(True, False): 75, (True, True): 50, (False, False): 25, (False, True): 0}[own, others > 0]
    return base + 25 * (most_gpus - sum(node.gpus)) // most_gpus


def packing(node: Node, pod: PackingPod) -> int:
    if not pod.devices:
        return 0
    free = node.gpus.count(1000)
    if free == len(node.gpus):
        return max(33 - free, free)
    lefts = [node.gpus[gpu] for gpu in tightest(node, pod)]
    if 1000 in lefts:
        return max(50 - lefts.count(1000), 33)
    return max(100 - sum(left // 10 for left in lefts) // 10, 50)


def slope_of(node: Node, pod: PackingPod, gpus: Sequence[int], typical: Sequence[TypicalPod]) -> int:
    before = fragmentation(node, node.cpus, node.gpus, typical)
    lefts = [left - pod.share * (gpu in gpus) for gpu, left in enumerate(node.gpus)]
    fall = before - fragmentation(node, node.cpus - pod.cpus, lefts, typical)
    return int(1 / (1 + math.exp(-fall / 1000)) * 100)


def fragmentation(node: Node, cpus: int, lefts: Sequence[int], typical: Sequence[TypicalPod]) -> float:
    """The sums by reason are kept apart and added in the published order, so that no digit differs."""
    sums = dict.fromkeys(("both", "gpus", "cpus", "plain", "plain-cpus", "model"), 0.0)
    idle = sum(lefts)
    for pod in typical:
        fits = cpus >= pod.cpus
        enough = sum(left >= pod.share for left in lefts) >= pod.devices
        if not pod.share:
            sums["plain" if fits else "plain-cpus"] += pod.frequency * idle
        elif pod.gpu and node.model not in pod.gpu.split("|"):
            sums["model"] += pod.frequency * idle
        elif enough and fits:
            sums["gpus"] += pod.frequency * sum(left for left in lefts if left < pod.share)
        else:
            sums["cpus" if enough else "gpus" if fits else "both"] += pod.frequency * idle
    total = 0.0
    for amount in sums.values():  # sum() adds more exactly than is published
        total += amount
    return total
