"""Scenarios: a waiting job and the pods that would be evicted for it, in the batches they were taken from their jobs.

Source: pkg/scheduler/actions/common/solvers (scenario/, pod_scenario_builder.go, sub_scenario_emitter.go) and plugins
nodelocalgreedy and multinodegang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.kai.division import added
from tenantry.fair.kai.evictable import evictable
from tenantry.fair.kai.filters import make_filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.filters import Filter
    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task
    from tenantry.fair.kai.walk import Walk

Batch = tuple["Task", ...]


class Scenario:
    """A job, what it asks for, and the victims.

    Attributes:
        preemptor: the waiting job, or the part of it that is tried.
        pending: its tasks that need a place.
        recorded: batches of victims that solved a smaller part of the job.
        potential: further batches of victims, in the order they were taken.
    """

    __slots__ = ("pending", "potential", "preemptor", "recorded")

    def __init__(
        self, preemptor: Job, pending: Sequence[Task], recorded: Sequence[Batch], potential: Iterable[Batch] = ()
    ) -> None:
        self.preemptor, self.pending, self.recorded = preemptor, pending, recorded
        self.potential: list[Batch] = list(potential)

    @property
    def recorded_tasks(self) -> list[Task]:
        """Victims that solved a smaller part."""
        return [task for batch in self.recorded for task in batch]

    @property
    def potential_tasks(self) -> list[Task]:
        """Further victims."""
        return [task for batch in self.potential for task in batch]

    def victims(self) -> dict[str, list[Task]]:
        """Victims by job, recorded ones first."""
        found: dict[str, list[Task]] = {}
        for batch in (*self.recorded, *self.potential):
            found.setdefault(batch[0].job, []).extend(batch)
        return found

    def fingerprint(self) -> tuple[tuple[str, ...], ...]:
        """What makes two scenarios for one job the same."""
        tasks = (self.pending, self.recorded_tasks, self.potential_tasks)
        return tuple(tuple(sorted(task.uid for task in group)) for group in tasks)


class Accumulator:
    """Takes victims one batch after the other, and passes on the states that the filters let through."""

    def __init__(
        self,
        session: Session,
        preemptor: Job,
        recorded: Sequence[Batch],
        victims: Walk,
        *,
        feasible: Mapping[str, Node],
        rejections: dict[str, int],
    ) -> None:
        """Start without further victims.

        Args:
            session: the cycle.
            preemptor: the waiting job, or the part of it that is tried.
            recorded: victims that solved a smaller part.
            victims: jobs to take victims from.
            feasible: nodes the job may use without evicting anybody further.
            rejections: counts, by filter, the states that were not passed on.
        """
        self.session, self.victims, self.feasible, self.rejections = session, victims, feasible, rejections
        pending = preemptor.chunk(real=False)
        self.scenario = Scenario(preemptor, pending, recorded)
        self.empty = not pending
        self.taken = {task.uid for batch in recorded for task in batch}
        self.nodes: dict[str, list[int]] = {}
        self.by_job: dict[str, list[Batch]] = {}
        for batch in recorded:
            self.by_job.setdefault(batch[0].job, []).append(batch)
        self.filters: list[Filter] = [] if self.empty else make_filters(session, self.scenario, feasible)

    def states(self) -> Iterator[Scenario]:
        """Yield the accumulated scenario at every state the filters let through, the one without victims first."""
        if self.empty:
            return
        if self._passes():
            yield self.scenario
        while self.victims:
            if self._take() and self._passes():
                yield self.scenario

    def _passes(self) -> bool:
        for check in self.filters:
            if not check.passes(self.scenario):
                self.rejections[check.name] = self.rejections.get(check.name, 0) + 1
                return False
        return True

    def _take(self) -> bool:
        job = self.victims.pop()
        tasks, more = evictable(job)
        if any(task.uid in self.taken for task in tasks):
            rest = [task for task in job.tasks.values() if task.uid not in self.taken]
            if rest:
                self.victims.push(job.part(rest))
            return False
        if more:
            gone = set(map(id, tasks))
            self.victims.push(job.part(task for task in job.tasks.values() if id(task) not in gone))
        if tasks:
            self._add(tuple(tasks))
        return True

    def _add(self, batch: Batch) -> None:
        potential = self.scenario.potential
        for name in dict.fromkeys(task.node for task in batch if task.node):
            self.nodes.setdefault(name, []).append(len(potential))
        self.by_job.setdefault(batch[0].job, []).append(batch)
        potential.append(batch)


def node_by_node(accumulator: Accumulator) -> Iterator[Scenario]:
    """Scenarios of one node each: all batches so far of jobs on a node of the newest victim (nodelocalgreedy)."""
    for base in accumulator.states():
        if not base.potential:
            if base.recorded:
                yield base
            continue
        by_job, potential = accumulator.by_job, base.potential
        newest = accumulator.session.jobs[base.potential[-1][-1].job]
        seen: set[frozenset[str]] = set()
        for name in sorted({task.node for task in newest.tasks.values() if task.node}):
            jobs = dict.fromkeys(potential[index][0].job for index in accumulator.nodes.get(name, ()))
            mixed = accumulator.session.mixed
            chosen = [mixed([task for batch in by_job[uid] for task in batch], _uid) for uid in mixed(jobs, str)]
            key = frozenset(task.uid for tasks in chosen for task in tasks)
            if not key or key in seen:
                continue
            seen.add(key)
            yield Scenario(base.preemptor, base.pending, base.recorded, map(tuple, chosen))


def over_nodes(accumulator: Accumulator) -> Iterator[Scenario]:
    """Scenarios over more and more nodes, those that need the fewest evictions first (multinodegang)."""
    for base in accumulator.states():
        if not base.potential:
            yield base
            continue
        yield from _prefixes(accumulator.session, base, accumulator.nodes, accumulator.feasible)


def _prefixes(
    session: Session, base: Scenario, by_node: Mapping[str, Sequence[int]], feasible: Mapping[str, Node]
) -> Iterator[Scenario]:
    freed: dict[str, float] = {}
    for task in base.recorded_tasks:
        if task.node:
            freed[task.node] = freed.get(task.node, 0.0) + task.accepted_gpus
    room: dict[str, float] = {}
    for name, indexes in by_node.items():
        node = session.nodes.get(name)
        total = freed.get(name, 0.0) + (node.free_gpus() if node is not None else 0.0)
        for index in indexes:
            for task in base.potential[index]:
                if task.node == name:
                    total += task.accepted_gpus
        room[name] = total
    demands = [task.ask.quota for task in base.pending]
    demand, least = added(demands), min(demands, default=-1.0)
    order = sorted((name for name in by_node if not (least > 0 and room[name] < least)), key=room.__getitem__)
    baseline = added(node.free_gpus() + freed.get(name, 0.0) for name, node in feasible.items() if name not in by_node)
    count = _covering([room[name] for name in order], max(0.0, demand - baseline))
    step = 1
    while count <= len(order):
        picked = session.mixed(
            sorted({index for name in order[:count] for index in by_node[name]}),
            lambda index: base.potential[index][0].uid,
        )
        yield Scenario(base.preemptor, base.pending, base.recorded, (base.potential[index] for index in picked))
        if count >= len(order):
            return
        count, step = min(count + step, len(order)), 2 * step


def _uid(task: Task) -> str:
    return task.uid


def _covering(rooms: Sequence[float], demand: float) -> int:
    """Fewest nodes whose room covers a demand; one more than there are when none do."""
    if demand <= 0:
        return 0
    total = 0.0
    for count, room in enumerate(rooms, 1):
        total += room
        if total >= demand:
            return count
    return len(rooms) + 1
