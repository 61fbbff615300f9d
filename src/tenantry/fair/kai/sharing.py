"""Which GPUs of a node a part is taken of.

Source: pkg/scheduler/gpu_sharing/gpuSharing.go, framework/session.go, plugins/gpupack and plugins/gpuspread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.kai.node import WHOLE

if TYPE_CHECKING:
    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Task

NEW = "new"
"""Stands for a GPU that begins to be shared; it is named when the pod is placed."""


class Choice(NamedTuple):
    """GPUs chosen for a pod, and whether it has to wait for some of them."""

    groups: tuple[str, ...]
    waits: bool


def choose_groups(session: Session, task: Task, node: Node, *, pipeline: bool) -> Choice | None:
    """Choose GPUs for a pod that asks for parts of some, or None when there are too few.

    Binpack takes the fullest shared GPUs first, spread the emptiest; equal ones go by name.
    """
    chosen: list[str] = []
    waits = False
    room = node.fits_now(task.ask)
    for group in ranked_groups(session, task, node):
        if group == WHOLE:
            chosen.append(NEW)
            waits = waits or pipeline or not room
        else:
            chosen.append(group)
            waits = waits or not node.fits_group_now(task.ask, group) or not room
        if len(chosen) == task.ask.devices:
            return Choice(tuple(chosen), waits)
    return None


def ranked_groups(session: Session, task: Task, node: Node) -> list[str]:
    """GPUs a part may be taken of, best first; of equal ones those shared already."""
    packs, spreads = "gpupack" in session.plugins, "gpuspread" in session.plugins
    ranked = []
    for group in node.sharable(task.ask):
        if group == WHOLE:
            ranked.append((-1.0 if spreads else 0.0, True, "", group))
            continue
        portion = node.used_portion(group)
        if portion is not None:
            score = (portion if packs else 0.0) + (1 - portion if spreads else 0.0)
            ranked.append((-score, False, session.rank(group), group))
    return [item[-1] for item in sorted(ranked)]
