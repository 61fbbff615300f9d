"""The order in which nodes are tried for a pod.

The original adds scores of very different size, so the larger always decides before the smaller; here they are compared
one after the other, which gives the same order without rounding.

Source: pkg/scheduler/framework/session.go and plugins nominatednode, topology, gpusharingorder, nodeavailability,
resourcetype and nodeplacement (their sizes: plugins/scores/scores.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import CPU, GPU
from tenantry.fair.kai.rules import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Task

EMPTIEST = float("inf")

Rank = tuple[bool, int, bool, bool, bool, float]
"""By what nodes are tried: nominated, near, with a shared GPU that fits, with room now, of the pod's kind, and full."""


def candidates(session: Session, task: Task, nodes: Sequence[Node], near: Mapping[str, int] | None) -> Iterator[Node]:
    """Yield the nodes a pod has room on, now or once others have left, best first.

    Args:
        session: the cycle.
        task: the pod.
        nodes: nodes to choose from; the fullest and emptiest of them set the scale of how full one is.
        near: rank of nodes by preferred topology level, larger first; None without one. Nodes it does not name are out.
    """
    kinds: dict[int, list[Node]] = {}
    for node in nodes:
        kinds.setdefault(node.kind, []).append(node)
    samples = [alike[0] for alike in kinds.values()]
    score = _score(session, task, samples)
    nominated = task.pod.placement.nominated if "nominatednode" in session.plugins else ""
    ranked: dict[Rank, list[Node]] = {}
    whole = 0.0 if task.ask.shared else task.ask.vector[GPU]
    for alike in kinds.values():
        sample = alike[0]
        if sample.idle[GPU] + sample.releasing[GPU] < whole or not sample.fits_later(task.ask):
            continue
        rank = score(sample)
        if near is None and not nominated:
            ranked.setdefault((True, 0, *rank), []).extend(alike)
            continue
        for node in alike:
            place = 0 if near is None else near.get(node.name)
            if place is not None:
                ranked.setdefault((node.name != nominated, -place, *rank), []).append(node)
    for key in sorted(ranked):
        yield from sorted(ranked[key], key=_name)


def _name(node: Node) -> str:
    return node.name


def _score(session: Session, task: Task, samples: Sequence[Node]) -> Callable[[Node], tuple[bool, bool, bool, float]]:
    """How good a node is apart from where it is: the same for all of one kind; smaller is better."""
    ask, plugins = task.ask, session.plugins
    density = _density(session, samples, GPU if ask.wants_gpu else CPU)
    shares, prefers_now = "gpusharingorder" in plugins, "nodeavailability" in plugins
    prefers_alike = not ask.wants_gpu and "resourcetype" in plugins

    def score(node: Node) -> tuple[bool, bool, bool, float]:
        return (
            not (shares and node.shared and node.fits_any_group(ask)),
            not (prefers_now and node.fits_now(ask)),
            not (prefers_alike and node.cpu_only),
            density(node),
        )

    return score


def _density(session: Session, nodes: Sequence[Node], axis: int) -> Callable[[Node], float]:
    """How much a node is passed over for being empty (binpack) or full (spread); smaller is better."""
    if "nodeplacement" not in session.plugins:
        return lambda node: 0.0
    strategy = session.settings.gpu_strategy if axis == GPU else session.settings.cpu_strategy
    if strategy is Strategy.SPREAD:
        return lambda node: _emptiness(node, axis)
    free = [node.idle[axis] + node.releasing[axis] for node in nodes if node.offered[axis]]
    largest, smallest = max([0.0, *free]), min(free, default=0.0)
    if largest == 0:
        return lambda node: 0.0
    # A node that does not offer the resource scores nothing, as the emptiest does where nodes differ (pack.go).
    without = largest if smallest != largest else EMPTIEST
    return lambda node: node.idle[axis] + node.releasing[axis] if node.offered[axis] else without


def _emptiness(node: Node, axis: int) -> float:
    count = float(node.gpu_count) if axis == GPU else node.offered[axis]
    return -(node.idle[axis] + node.releasing[axis]) / count if count else 0.0
