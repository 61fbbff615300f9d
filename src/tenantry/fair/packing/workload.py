"""Which pods arrive, in which order, and which of them are typical.

The order is random but repeatable: sorted by name, shuffled, and then prolonged by drawing pods of the list again until
they ask for as much as is wanted of the cluster, or shortened by dropping pods at random.

Source: kubernetes-scheduler-simulator of HKUST, ``SortClusterPods``, ``tuneUpPods``, ``tuneDownPods``
(``pkg/simulator/simulator.go``) and ``GetTypicalPods`` (``pkg/utils/frag.go``).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.packing.draws import Draws
    from tenantry.model.packing import PackingPod

POPULARITY = 95
"""Percent of all pods that typical pods stand for."""


class TypicalPod(NamedTuple):
    """A kind of pod that fragmentation is measured against; memory does not count.

    Attributes:
        frequency: share of all typical pods, 0 to 1.
        cpus: millicores.
        share: milli-GPUs of each GPU.
        devices: how many GPUs.
        gpu: GPU models it may run on, joined by ``|``; empty for any.
    """

    frequency: float
    cpus: int
    share: int
    devices: int
    gpu: str


def typical_pods(pods: Sequence[PackingPod]) -> tuple[TypicalPod, ...]:
    """Return the most frequent kinds of pods that together are 95 % of a list, most frequent first.

    Equally frequent kinds come in falling order of CPU, part of a GPU, number of GPUs and GPU model, as published.
    """
    counts = Counter((pod.cpus, pod.share, pod.devices, pod.gpu) for pod in pods)
    ordered = sorted(((count, kind) for kind, count in counts.items()), reverse=True)
    total = len(pods)
    kept, covered = 0, 0
    while covered * 100 < POPULARITY * total:
        covered += ordered[kept][0]
        kept += 1
    # Two divisions, as published: a score may depend on the last bit.
    part = covered / total if kept < len(ordered) else 1.0
    return tuple(TypicalPod(count / total / part, *kind) for count, kind in ordered[:kept])


def arriving(pods: Sequence[PackingPod], capacity: int, load: int, draws: Draws) -> list[PackingPod]:
    """Return pods in the order of arrival.

    Args:
        pods: the list; its order does not matter. One of them at least asks for GPUs.
        capacity: milli-GPUs of the cluster, more than 0.
        load: milli-GPUs all pods ask for, in percent of ``capacity``.
        draws: where chance comes from.

    Returns:
        The whole list and pods drawn again, up to the first that would make it too much; fewer than the list when it
        asks for more. As published, a pod drawn again is held against the load by one of its GPUs only, so the last one
        may overshoot.
    """
    named = sorted(pods, key=lambda pod: pod.name)
    result = list(named)
    draws.shuffle(result)
    wanted = capacity * load
    total = sum(pod.demand for pod in result)
    if total * 100 >= wanted:
        while total * 100 > wanted:
            total -= result.pop(draws.below(len(result))).demand
        return result
    while True:
        pod = named[draws.below(len(named))]
        if (total + pod.share) * 100 > wanted:
            return result
        total += pod.demand
        result.append(pod)
