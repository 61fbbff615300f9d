"""The order in which nodes are tried for a pod.

The original adds scores of very different size, so the larger always decides before the smaller; here they are compared
one after the other, which gives the same order without rounding.

Source: pkg/scheduler/framework/session.go and plugins nominatednode, topology, gpusharingorder, nodeavailability,
resourcetype and nodeplacement (their sizes: plugins/scores/scores.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import CPU, GPU
from tenantry.fair.kai.node import UNKNOWN
from tenantry.fair.kai.rules import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.fair.kai.asks import Ask, Goodness
    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Task

EMPTIEST = float("inf")
UNSEEN = ()
"""Stands for how good a node is until somebody looks."""

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
    ask = task.ask
    known = ask.fitting
    look_up = known.get
    found: list[tuple[Goodness, str, Node]] = []
    for node in nodes:
        good = look_up(node.kind, UNSEEN)
        if good is None:
            continue
        if not good:
            kind = node.kind if node.kind != UNKNOWN else node.find_kind()
            if kind not in known:
                known[kind] = _goodness(session, ask, node)
            good = known[kind]
            if good is None:
                continue
        found.append((good, node.name, node))
    if len(found) > 1 and id(known) in session.uneven:
        found = _scaled(ask, found, nodes)
    nominated = task.pod.placement.nominated if "nominatednode" in session.plugins else ""
    ranked: Sequence[tuple[Rank | Goodness, str, Node]] = found
    if near is not None or nominated:
        ranked = [
            ((name != nominated, -place, *good), name, node)
            for good, name, node in found
            if (place := 0 if near is None else near.get(name)) is not None
        ]
    if not ranked:
        return
    best = min(ranked)  # nearly always the only one that is needed
    yield best[2]
    for item in sorted(ranked):
        if item is not best:
            yield item[2]


def _goodness(session: Session, ask: Ask, node: Node) -> Goodness | None:
    """How good a node is apart from where it is, the same for all of one kind; None where the pod has no room."""
    if not node.fits_later(ask):
        return None
    plugins = session.plugins
    return (
        not ("gpusharingorder" in plugins and node.shared and node.fits_any_group(ask)),
        not ("nodeavailability" in plugins and node.fits_now(ask)),
        not ("resourcetype" in plugins and not ask.wants_gpu and node.cpu_only),
        _density(session, ask, node),
    )


def _density(session: Session, ask: Ask, node: Node) -> float:
    """How much a node is passed over for being empty (binpack) or full (spread), before :func:`_scaled`."""
    if "nodeplacement" not in session.plugins:
        return 0.0
    axis = GPU if ask.wants_gpu else CPU
    if _strategy(session, ask) is Strategy.BINPACK:
        density = node.idle[axis] + node.releasing[axis] if node.offered[axis] else EMPTIEST
        if not 0 <= density < EMPTIEST:
            session.uneven.add(id(ask.fitting))
        return density
    count = float(node.gpu_count) if axis == GPU else node.offered[axis]
    return -(node.idle[axis] + node.releasing[axis]) / count if count else 0.0


def _strategy(session: Session, ask: Ask) -> Strategy:
    return session.settings.gpu_strategy if ask.wants_gpu else session.settings.cpu_strategy


def _scaled(
    ask: Ask, found: list[tuple[Goodness, str, Node]], nodes: Sequence[Node]
) -> list[tuple[Goodness, str, Node]]:
    """Return nodes by how good they are for a pod, by the scale of all nodes it may choose from.

    The scale matters only where nothing at all is free on a node, or it does not offer the resource (pack.go).
    """
    for good, _, _ in found:
        if not 0 <= good[3] < EMPTIEST:
            break
    else:
        return found
    axis = GPU if ask.wants_gpu else CPU
    free = [node.idle[axis] + node.releasing[axis] for node in nodes if node.offered[axis]]
    largest, smallest = max([0.0, *free]), min(free, default=0.0)
    # A node that does not offer the resource scores nothing, as the emptiest does where nodes differ.
    without = largest if smallest != largest else EMPTIEST
    scaled = []
    for good, name, node in found:
        density = 0.0 if largest == 0 else good[3] if good[3] != EMPTIEST else without
        scaled.append(((*good[:3], density), name, node))
    return scaled
