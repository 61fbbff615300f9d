"""Finding room for a job: group by group, pod by pod, all or nothing.

Source: pkg/scheduler/actions/common/allocate.go and actions/allocate/allocate.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.capacity import job_refused
from tenantry.fair.kai.predicates import refuses, too_large
from tenantry.fair.kai.scoring import candidates
from tenantry.fair.kai.session import Statement
from tenantry.fair.kai.sharing import NEW, choose_groups
from tenantry.fair.kai.state import IS_ALLOCATED, GroupSet, PodSet, group_order
from tenantry.fair.kai.topology import Refused, TopologyPlacer
from tenantry.fair.kai.walk import Walk
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Group, Job, Task


def allocate(session: Session) -> None:
    """Place waiting jobs on room that is idle or being released, in fair order; growth takes turns."""
    depth = dict(session.settings.queue_depth).get("allocate")
    walk = Walk(session, depth=depth).fill(job for job in session.jobs.values() if job.pending and job.ready)
    while walk:
        job = walk.pop()
        statement = Statement(session)
        running = any(task.status & IS_ALLOCATED for task in job.tasks.values())
        if not place_job(session, statement, list(session.nodes.values()), job, real=True):
            statement.rollback()
            continue
        waits = job.must_wait_whole()
        if waits:
            statement.promise_all(job)
            session.record.hold(job, Gate.WAITS_FOR_RELEASE)
        session.record.committed(statement.commit(), job)
        if not waits and not running:
            job.started = session.now
            if job.uid not in session.record.started:
                session.record.started.append(job.uid)
        if any(task.wanted(real=True) for task in job.tasks.values()):
            walk.push(job)


def place_job(session: Session, statement: Statement, nodes: Sequence[Node], job: Job, *, real: bool) -> bool:
    """Find room for the pods a job asks for now.

    Args:
        session: the cycle.
        statement: takes the steps; the caller takes them back when there is no room.
        nodes: nodes to choose from.
        job: the job, or a part of it.
        real: whether idle room is taken; a search only promises.
    """
    if job.model.unmodelled:
        return False
    placer = Placer(session, statement, job, real=real)
    tasks = job.chunk(real=real)
    if not tasks:
        if real:
            # It needs only some of its groups, and asks for those first by order, though nothing waits there (a quirk).
            session.record.hold(job, Gate.NOT_READY, groups=job.short_groups())
        return False
    refused = job_refused(session, job, tasks)
    if refused is not None:
        if real:
            session.record.hold(job, refused[0], **refused[1])
        return False
    return placer.place(tasks, nodes)


class Placer:
    """Places the pods of one job."""

    __slots__ = ("job", "needed", "real", "session", "statement", "topology")

    def __init__(self, session: Session, statement: Statement, job: Job, *, real: bool) -> None:
        self.session, self.statement, self.job, self.real = session, statement, job, real
        self.topology: TopologyPlacer | None = None
        self.needed = 0

    def place(self, tasks: Sequence[Task], nodes: Sequence[Node]) -> bool:
        """Find room for pods of the job."""
        root = self.job.root
        leaf = root.children[0] if len(root.children) == 1 else None
        if not isinstance(leaf, PodSet) or root.constraint is not None or leaf.constraint is not None:
            return self.place_group(root, tasks, nodes)
        mark = self.statement.mark()
        if self._place_within(leaf, tasks, nodes):
            return True
        self.statement.rollback(mark)
        return False

    def place_group(self, group: Group, tasks: Sequence[Task], nodes: Sequence[Node]) -> bool:
        """Find room for the pods of a group within one of the domains it may use, tried one after the other."""
        if not tasks:
            return True
        names = {task.subgroup for task in tasks}
        leaves = [leaf for leaf in group.leaves() if leaf.name in names]
        self.topology = self.topology or TopologyPlacer(self.session, self.job)
        domains = self.topology.domains(group, leaves, tasks, nodes)
        if isinstance(domains, Refused):
            self._hold(domains.gate, domains.facts)
            return False
        for domain in domains:
            mark = self.statement.mark()
            if self._place_within(group, tasks, domain):
                return True
            self.statement.rollback(mark)
        return False

    def _place_within(self, group: Group, tasks: Sequence[Task], nodes: Sequence[Node]) -> bool:
        if isinstance(group, PodSet):
            self.needed = len(tasks)
            for index, task in enumerate(tasks):  # noqa: SIM110 - this is called very often
                if not self._place_task(task, index, nodes):
                    return False
            return True
        for child in sorted(group.children, key=group_order):
            names = {leaf.name for leaf in child.leaves()}
            mine = [task for task in tasks if task.subgroup in names]
            if (isinstance(child, GroupSet) or mine) and not self.place_group(child, mine, nodes):
                return False
        return True

    def _place_task(self, task: Task, index: int, nodes: Sequence[Node]) -> bool:
        session, checks = self.session, "predicates" in self.session.plugins
        if checks:
            excess = too_large(session, task)
            if excess is not None:
                self._hold(Gate.TOO_LARGE, excess)
                return False
        near = self.topology.ranks(self.job.leaf_sets[task.subgroup]) if self.topology is not None else None
        refusals: dict[str, int] = {}
        for node in candidates(session, task, nodes, near):
            refused = refuses(session, task, self.job, node) if checks else None
            if refused is not None:
                refusals[refused[0]] = refusals.get(refused[0], 0) + 1
            elif self._place_on(task, node):
                return True
        self._hold(Gate.NO_ROOM, {"found": index, "needed": self.needed, "pod": task.uid, "refused": refusals})
        return False

    def _place_on(self, task: Task, node: Node) -> bool:
        if task.ask.shared:
            choice = choose_groups(self.session, task, node, pipeline=not self.real)
            if choice is None:
                return False
            new = self.session.new_group
            task.groups = tuple(new() if group == NEW else group for group in choice.groups)
            if self.real and not choice.waits:
                self.statement.allocate(task, node)
            else:
                self.statement.pipeline(task, node, real=False)
        elif self.real and node.fits_now(task.ask):
            self.statement.allocate(task, node)
        else:
            self.statement.pipeline(task, node, real=self.real)
        return True

    def _hold(self, gate: Gate, facts: dict[str, Any]) -> None:
        if self.real:
            self.session.record.hold(self.job, gate, **facts)
