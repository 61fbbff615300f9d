"""One run: a list of pods fills a cluster under one policy, one seed and one rule for ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.packing import kernel
from tenantry.fair.packing.compiled import as_arrays, functions
from tenantry.fair.packing.draws import Draws
from tenantry.fair.packing.kernel import WHOLE
from tenantry.fair.packing.layout import lay_out
from tenantry.fair.packing.measure import Level, Track, columns, windows
from tenantry.fair.packing.policies import NAMES, RANDOM, REFUSALS, Refusal, Ties
from tenantry.fair.packing.workload import arriving, typical_pods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.packing.records import Layout
    from tenantry.model.packing import PackingPod
    from tenantry.model.trace import TraceNode

DRAWN_BEFORE_PODS = 1
"""Numbers the published program draws before it shuffles pods: one for its log."""
DRAWN_BEFORE_NODES = 10
"""Numbers it draws between pods and nodes, as the scheduler in it starts: each watch on the cluster draws how long to
last. That there are ten is read off the published runs, all of which come out figure by figure with this number."""


class Failed(NamedTuple):
    """Pods that no node could take.

    Attributes:
        pods: how many.
        gpus: GPUs they asked for.
    """

    pods: float
    gpus: float


class PackingRun(NamedTuple):
    """What came of a run.

    Attributes:
        policy: name of the policy.
        seed: seed of the order of pods, of the order of nodes and of all draws.
        ties: which of several equal nodes took a pod.
        levels: state of the cluster at each load.
        models: the same for the GPUs of each model, by model.
        arrived: how many pods arrived.
        failed: pods that no node could take, by reason; all reasons.
    """

    policy: str
    seed: int
    ties: Ties
    levels: tuple[Level, ...]
    models: dict[str, tuple[Level, ...]]
    arrived: int
    failed: dict[Refusal, Failed]


def pack(
    nodes: Sequence[TraceNode],
    pods: Sequence[PackingPod],
    policy: str,
    *,
    seed: int,
    load: int = 130,
    ties: Ties = Ties.FIXED,
    compiled: bool = True,
) -> PackingRun:
    """Fill a cluster.

    Pods arrive in a random order, none ever leaves, and one that no node can take is dropped. With the same seed pods
    and nodes come in the same order under every policy, and that is the order of the published run of that seed.

    Args:
        nodes: the empty cluster; the order does not matter.
        pods: the list; the order does not matter.
        policy: name of a policy.
        seed: seed of all chance.
        load: GPUs asked for by all pods together, in percent of all GPUs; reached by drawing pods of the list again.
        ties: which of several nodes with the same score takes a pod; under the policy Random always one drawn.
        compiled: whether to compile where that is possible; the result is the same.

    Raises:
        ValueError: if there is no such policy, no node has a GPU, or no pod asks for one.

    Source: kubernetes-scheduler-simulator of HKUST, ``pkg/simulator/simulator.go``. There the order of nodes comes from
    a random number put before their names.
    """
    number = _number(policy)
    if policy == RANDOM:
        ties = Ties.RANDOM
    capacity = sum(node.gpus for node in nodes) * WHOLE
    if not capacity:
        raise ValueError("no node has a GPU")
    if not any(pod.demand for pod in pods):
        raise ValueError("no pod asks for a GPU")
    draws = Draws(seed)
    draws.skip(DRAWN_BEFORE_PODS)
    arrivals = arriving(pods, capacity, load, draws)
    draws.skip(DRAWN_BEFORE_NODES)
    ordered = _ordered(nodes, ties, draws)
    at_random = ties is Ties.RANDOM
    layout = lay_out(ordered, arrivals, typical_pods(pods), draws if at_random else None)
    layout, fragment = execute(layout, number, at_random=at_random, compiled=compiled)
    result = _measured(ordered, arrivals, layout, fragment, load)
    return PackingRun(NAMES[number], seed, ties, *result)


def _number(policy: str) -> int:
    if policy not in NAMES:
        raise ValueError(f"there is no policy {policy!r}, only {', '.join(NAMES)}")
    return NAMES.index(policy)


def _ordered(nodes: Sequence[TraceNode], ties: Ties, draws: Draws) -> list[TraceNode]:
    """Return nodes in the order in which ties go to them."""
    ordered = sorted(nodes, key=lambda node: node.name)
    if ties is Ties.NAME:
        return ordered
    numbers = draws.order(len(ordered))
    return [node for _, node in sorted(zip(numbers, ordered, strict=True), key=lambda pair: pair[0])]


def execute(layout: Layout, policy: int, *, at_random: bool, compiled: bool) -> tuple[Layout, list[float]]:
    """Run the loop.

    Args:
        layout: nodes and pods; used up.
        policy: number of the policy.
        at_random: whether to draw among equal nodes for each pod.
        compiled: whether to compile where that is possible.

    Returns:
        The layout as the loop left it, and how many milli-GPUs of each node were fragments before.
    """
    code = functions() if compiled else None
    if code is not None:
        layout = as_arrays(layout)
    survey, fill = (code["survey"], code["fill"]) if code is not None else (kernel.survey, kernel.fill)
    survey(layout)
    before = [float(amount) for amount in layout.nodes.fragment]
    fill(policy, int(at_random), layout)
    return layout, before


def _measured(
    nodes: Sequence[TraceNode], arrivals: Sequence[PackingPod], layout: Layout, fragment: list[float], load: int
) -> tuple[tuple[Level, ...], dict[str, tuple[Level, ...]], int, dict[Refusal, Failed]]:
    """Return the last four fields of a run; ``fragment`` is used up."""
    tracks = _tracks(nodes, fragment)
    cluster = Track(sum(node.gpus for node in nodes), sum(fragment))
    failed = dict.fromkeys(Refusal, Failed(0, 0))
    for pod, place, after in zip(arrivals, map(int, layout.placed.node), layout.placed.fragment, strict=True):
        if place >= 0:
            grown = float(after) - fragment[place]
            fragment[place] = float(after)
            cluster.add(pod.demand, grown)
            tracks[nodes[place].gpu].add(pod.demand, grown)
        else:
            reason = REFUSALS[place]
            failed[reason] = Failed(failed[reason].pods + 1, failed[reason].gpus + pod.demand)
        cluster.arrived()
        for track in tracks.values():
            track.arrived()
    loads = columns(load)
    spans = windows([pod.demand for pod in arrivals], cluster.gpus * WHOLE, loads)
    models = {model: _levels(track, loads, spans) for model, track in tracks.items() if track.gpus}
    lost = {reason: Failed(item.pods, item.gpus / WHOLE) for reason, item in failed.items()}
    return _levels(cluster, loads, spans), models, len(arrivals), lost


def _tracks(nodes: Sequence[TraceNode], fragment: Sequence[float]) -> dict[str, Track]:
    """Return what to follow for each GPU model, in the order of their names."""
    totals: dict[str, tuple[int, float]] = {}
    for node, amount in zip(nodes, fragment, strict=True):
        gpus, lost = totals.get(node.gpu, (0, 0.0))
        totals[node.gpu] = (gpus + node.gpus, lost + amount)
    return {model: Track(*totals[model]) for model in sorted(totals)}


def _levels(track: Track, loads: Sequence[int], spans: Sequence[tuple[int, int]]) -> tuple[Level, ...]:
    return tuple(track.level(load, first, end) for load, (first, end) in zip(loads, spans, strict=True))
