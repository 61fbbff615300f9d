"""The flat sequences the packing loop works on: lists where it runs as it stands, arrays where it is compiled.

Amounts are millicores, MiB and milli-GPUs. Nodes come in the order in which ties go to them.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import NamedTuple, TypeAlias

Ints: TypeAlias = MutableSequence[int]
Floats: TypeAlias = MutableSequence[float]


class Nodes(NamedTuple):
    """What is left of each node; changed by placing.

    Attributes:
        cpus: millicores left.
        memory: MiB left.
        model: number of its GPU model.
        shape: number shared by nodes that are alike when empty.
        gpus: how many GPUs it has.
        first: where its GPUs begin in ``left``; they lie next to each other.
        left: milli-GPUs left of each GPU of all nodes.
        idle: sum of ``left`` over its GPUs.
        affinities: of how many classes it holds pods.
        holds: 1 where it holds a pod of a class; nodes times classes.
        fragment: milli-GPUs of ``idle`` that are fragments.
        pods: how many pods it holds.
    """

    cpus: Ints
    memory: Ints
    model: Ints
    shape: Ints
    gpus: Ints
    first: Ints
    left: Ints
    idle: Ints
    affinities: Ints
    holds: Ints
    fragment: Floats
    pods: Ints


class Specs(NamedTuple):
    """What pods ask for; one entry for all pods that ask for the same.

    Attributes:
        cpus: millicores.
        memory: MiB.
        devices: how many GPUs.
        share: milli-GPUs of each.
        affinity: class of pods it belongs to (how many GPUs, whole or not), -1 without GPUs.
        accepts: 1 where it may run on a GPU model; specs times models.
    """

    cpus: Ints
    memory: Ints
    devices: Ints
    share: Ints
    affinity: Ints
    accepts: Ints


class Typical(NamedTuple):
    """The pods fragmentation is measured against.

    Attributes:
        frequency: share of all typical pods, 0 to 1.
        cpus: millicores.
        devices: how many GPUs.
        share: milli-GPUs of each.
        accepts: 1 where it may run on a GPU model; typical pods times models.
    """

    frequency: Floats
    cpus: Ints
    devices: Ints
    share: Ints
    accepts: Ints


class Scale(NamedTuple):
    """What scores are measured by, and how many models and classes there are.

    Attributes:
        cpus: millicores that count as 1.
        gpus: milli-GPUs that count as 1.
        models: how many GPU models there are.
        classes: how many classes of pods there are.
    """

    cpus: int
    gpus: int
    models: int
    classes: int


class Arrivals(NamedTuple):
    """Pods in the order in which they arrive.

    Attributes:
        spec: number of what it asks for.
        node_draw: a random number below 2**31 for choosing a node.
        gpu_draw: a random number below 2**31 for choosing a GPU.
    """

    spec: Ints
    node_draw: Ints
    gpu_draw: Ints


class Work(NamedTuple):
    """Room to work in.

    Attributes:
        score: last known score of each node for each spec; specs times nodes.
        seen: how many placements the scores of a spec take into account, -1 before the first.
        log: nodes of all placements, in order.
        stamp: last arrival for which a node was scored again, -1 before the first.
        by_shape: score of an empty node of each shape.
        chosen: GPUs chosen for a pod, counted from the first of the node; as long as a node has GPUs.
        part: milli-GPUs left of GPUs in use; as long as a node has GPUs.
    """

    score: Ints
    seen: Ints
    log: Ints
    stamp: Ints
    by_shape: Ints
    chosen: Ints
    part: Ints


class Placed(NamedTuple):
    """What became of each arrival.

    Attributes:
        node: where it went; else why no node could take it, a negative number of :mod:`tenantry.fair.packing.kernel`.
        gpu: first of its GPUs, counted from the first of the node; -1 without.
        fragment: milli-GPUs of that node that are fragments afterwards.
    """

    node: Ints
    gpu: Ints
    fragment: Floats


class Layout(NamedTuple):
    """Everything the loop needs.

    Attributes:
        nodes: nodes in tie order.
        specs: what pods ask for.
        typical: what fragmentation is measured against.
        scale: what scores are measured by.
        arrivals: pods in order.
        work: room to work in.
        placed: where the result goes.
    """

    nodes: Nodes
    specs: Specs
    typical: Typical
    scale: Scale
    arrivals: Arrivals
    work: Work
    placed: Placed
