"""Lays nodes and pods out as the flat sequences :mod:`tenantry.fair.packing.kernel` works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.packing.kernel import WHOLE
from tenantry.fair.packing.records import Arrivals, Layout, Nodes, Placed, Scale, Specs, Typical, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.packing.draws import Draws
    from tenantry.fair.packing.workload import TypicalPod
    from tenantry.model.packing import PackingPod
    from tenantry.model.trace import TraceNode

LEAST_CPUS = 128_000
"""Millicores that count as 1 unless a node has more; the largest node of the published runs."""
LEAST_GPUS = 8_000
"""Milli-GPUs that count as 1 unless a node has more; the largest node of the published runs."""


def lay_out(
    nodes: Sequence[TraceNode], pods: Sequence[PackingPod], typical: Sequence[TypicalPod], draws: Draws | None = None
) -> Layout:
    """Return nodes, in the given order, and pods, in the given order, as lists of numbers.

    Args:
        nodes: nodes, first the one that ties go to.
        pods: pods in order of arrival.
        typical: typical pods.
        draws: where two random numbers for each pod come from; without it they are 0.
    """
    models = {model: number for number, model in enumerate(dict.fromkeys(node.gpu for node in nodes))}
    kinds: dict[tuple[int, int, int, int, str], int] = {}
    order = [kinds.setdefault((pod.cpus, pod.memory, pod.devices, pod.share, pod.gpu), len(kinds)) for pod in pods]
    classes: dict[tuple[int, bool], int] = {}
    affinity = [
        classes.setdefault((devices, share < WHOLE), len(classes)) if devices else -1
        for _, _, devices, share, _ in kinds
    ]
    most = max((node.gpus for node in nodes), default=0)
    scale = Scale(
        cpus=max(LEAST_CPUS, max((node.cpus for node in nodes), default=0)),
        gpus=max(LEAST_GPUS, most * WHOLE),
        models=len(models),
        classes=len(classes),
    )
    laid = _nodes(nodes, models, scale)
    accepts = _accepts([gpu for *_, gpu in kinds], models)
    cpus, memory, devices, share = ([int(kind[column]) for kind in kinds] for column in range(4))
    specs = Specs(cpus, memory, devices, share, affinity, accepts)
    count = len(pods)
    work = Work(
        score=[0] * (len(kinds) * len(nodes)),
        seen=[-1] * len(kinds),
        log=[0] * count,
        stamp=[-1] * len(nodes),
        by_shape=[0] * (max(laid.shape, default=-1) + 1),
        chosen=[0] * max(most, 1),
        part=[0] * max(most, 1),
    )
    node_draw, gpu_draw = (draws.numbers(count) if draws is not None else [0] * count for _ in range(2))
    arrivals = Arrivals(order, node_draw, gpu_draw)
    placed = Placed(node=[0] * count, gpu=[-1] * count, fragment=[0.0] * count)
    return Layout(laid, specs, _typical(typical, models), scale, arrivals, work, placed)


def _nodes(nodes: Sequence[TraceNode], models: dict[str, int], scale: Scale) -> Nodes:
    shapes: dict[tuple[int, int, int, str], int] = {}
    first, gpus = [], 0
    for node in nodes:
        first.append(gpus)
        gpus += node.gpus
    return Nodes(
        cpus=[node.cpus for node in nodes],
        memory=[node.memory for node in nodes],
        model=[models[node.gpu] for node in nodes],
        shape=[shapes.setdefault((node.cpus, node.memory, node.gpus, node.gpu), len(shapes)) for node in nodes],
        gpus=[node.gpus for node in nodes],
        first=first,
        left=[WHOLE] * gpus,
        idle=[node.gpus * WHOLE for node in nodes],
        affinities=[0] * len(nodes),
        holds=[0] * (len(nodes) * scale.classes),
        fragment=[0.0] * len(nodes),
        pods=[0] * len(nodes),
    )


def _typical(pods: Sequence[TypicalPod], models: dict[str, int]) -> Typical:
    return Typical(
        frequency=[pod.frequency for pod in pods],
        cpus=[pod.cpus for pod in pods],
        devices=[pod.devices for pod in pods],
        share=[pod.share for pod in pods],
        accepts=_accepts([pod.gpu for pod in pods], models),
    )


def _accepts(wanted: Sequence[str], models: dict[str, int]) -> list[int]:
    """Return 1 where a pod with a text of models may run on a model; pods times models."""
    allowed = [set(text.split("|")) if text else None for text in wanted]
    return [int(names is None or model in names) for names in allowed for model in models]
