"""Keeps what a cycle decides, and for every job the gate at which each action gave up on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.schedule import Act, Decision, Gate, Held

if TYPE_CHECKING:
    from tenantry.fair.kai.session import Committed
    from tenantry.fair.kai.state import Job, Task


class Recorder:
    """What is decided and why.

    Attributes:
        action: action that runs now.
        decisions: what was decided.
        held: per job and action, the last gate that was not passed.
        started: jobs that began to run.
    """

    __slots__ = ("action", "decisions", "held", "started")

    def __init__(self) -> None:
        self.action = ""
        self.decisions: list[Decision] = []
        self.held: dict[str, dict[str, Held]] = {}
        self.started: list[str] = []

    def hold(self, job: Job, gate: Gate, **facts: Any) -> None:
        """Note the gate a job did not pass in this action."""
        self.held.setdefault(job.uid, {})[self.action] = Held(self.action, gate, facts)

    def committed(self, done: Committed, cause: Job) -> None:
        """Note what a statement did."""
        moved = {task.uid for task in done.promised}
        for task, node in done.evicted:
            self.decide(Act.EVICT, task, node, cause.uid, moved=task.uid in moved)
        for task in done.bound:
            self.decide(Act.BIND, task, task.node, task.job)
        for task in done.promised:
            self.decide(Act.PROMISE, task, task.node, cause.uid)

    def decide(self, act: Act, task: Task, node: str, cause: str, *, moved: bool = False) -> None:
        """Note one decision."""
        groups = task.groups if task.shares_gpu else ()
        self.decisions.append(Decision(act, self.action, task.job, task.uid, node, groups, cause, moved))
