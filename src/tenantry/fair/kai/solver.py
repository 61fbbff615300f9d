"""The search for victims: for a part of the job first, then for more of it, until all of it has a place.

Source: pkg/scheduler/actions/common/solvers (job_solver.go, by_pod_solver.go) and actions/common/action.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.allocate import place_job
from tenantry.fair.kai.scenario import Accumulator, Scenario, node_by_node, over_nodes
from tenantry.fair.kai.session import Statement
from tenantry.fair.kai.state import IS_ACTIVE, RELEASING, PodSet
from tenantry.fair.kai.turns import turns
from tenantry.model.job import PodStatus
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.scenario import Batch
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Group, Job, Task
    from tenantry.fair.kai.walk import Walk

Refusal = tuple[Gate, dict[str, Any]]
Validator = "Callable[[Job, Mapping[str, Sequence[Task]]], Refusal | None]"


@dataclass(slots=True)
class Found:
    """Victims that make room.

    Attributes:
        statement: the steps, done but not kept.
        tasks: tasks that lose their place or move.
        batches: the batches they were taken in.
    """

    statement: Statement
    tasks: list[Task]
    batches: list[Batch]


@dataclass(slots=True)
class Search:
    """What a search looked at.

    Attributes:
        scenarios: scenarios simulated.
        unplaced: those after which the job still had no place.
        refused: those that were judged unfair, by gate.
        rejections: accumulated states dropped by a cheap check, by check.
        last: the last judgement.
        back: victims that got a place again in the last scenario after which the job had none.
    """

    scenarios: int = 0
    unplaced: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    rejections: dict[str, int] = field(default_factory=dict)
    last: Refusal | None = None
    back: tuple[str, ...] = ()

    def held(self, victims: int) -> Refusal:
        """The gate the search ended at, with its counts."""
        facts: dict[str, Any] = {"victims": victims, "scenarios": self.scenarios, "unplaced": self.unplaced}
        facts |= {"refused": dict(sorted(self.refused.items())), "filtered": dict(sorted(self.rejections.items()))}
        if self.last is not None:
            return self.last[0], {**facts, **self.last[1]}
        if self.scenarios:
            return Gate.NO_PLACE_AFTER_EVICTION, facts | {"back": self.back}
        return (Gate.NO_SCENARIO if victims else Gate.NO_VICTIMS), facts


class Solver:
    """Searches victims for one job."""

    def __init__(
        self,
        session: Session,
        job: Job,
        victims: Callable[[], Walk],
        judge: Callable[[Job, Mapping[str, Sequence[Task]]], Refusal | None],
    ) -> None:
        """Prepare a search.

        Args:
            session: the cycle.
            job: the waiting job.
            victims: makes a fresh walk over the jobs that may be evicted.
            judge: why a scenario is refused, or None; it gets the job, or part of it, and the victims by job.
        """
        self.session, self.job, self.victims, self.judge = session, job, victims, judge
        self.search = Search()
        self.failed: set[tuple[tuple[str, ...], ...]] = set()
        self.feasible = feasible_nodes(session, job)

    def solve(self) -> tuple[bool, Statement | None]:
        """Search; return whether the whole job has a place, and the steps when any were found.

        Where steps were found but the gang is not complete after all, they stay done though nobody keeps them, as in
        the original: the rest of the cycle sees them.
        """
        before = self.job.used
        tasks = self.job.chunk(real=False)
        if not tasks:
            return False, None
        generators = (node_by_node, over_nodes) if self.session.settings.rules.portfolio else (over_nodes,)
        for generator in generators:
            found = self._with(generator, tasks)
            if found is not None:
                return self.job.gang_satisfied and self.job.used > before, found.statement
        return False, None

    def _with(self, generator: Callable[[Accumulator], Iterator[Scenario]], tasks: Sequence[Task]) -> Found | None:
        known: Found | None = None

        def works(count: int) -> bool:
            nonlocal known
            found = self._probe(generator, tasks[:count], known)
            if found is None:
                return False
            known = found
            found.statement.rollback()
            return True

        if not largest(len(tasks), works):
            return None
        return self._probe(generator, tasks, known)

    def _probe(
        self,
        generator: Callable[[Accumulator], Iterator[Scenario]],
        tasks: Sequence[Task],
        known: Found | None,
    ) -> Found | None:
        part = partial_job(self.job, tasks)
        feasible = dict(self.feasible)
        for task in known.tasks if known is not None else ():
            feasible[task.node] = self.session.nodes[task.node]
        recorded = known.batches if known is not None else []
        accumulator = Accumulator(
            self.session, part, recorded, self.victims(), feasible=feasible, rejections=self.search.rejections
        )
        rules = self.session.settings.rules
        for scenario in generator(accumulator):
            fingerprint = scenario.fingerprint() if rules.remembers_failures else ()
            if rules.remembers_failures and fingerprint in self.failed:
                continue
            found = self._simulate(scenario, feasible)
            if found is not None:
                return found
            self.failed.add(fingerprint)
        return None

    def _simulate(self, scenario: Scenario, feasible: dict[str, Node]) -> Found | None:
        victims = scenario.recorded_tasks + scenario.potential_tasks
        if not victims or any(task.node not in self.session.nodes for task in victims):
            return None
        self.search.scenarios += 1
        session, statement = self.session, Statement(self.session)
        for task in victims:
            statement.evict(task)
        added = {task.node for task in victims} - feasible.keys()
        for task in victims:
            feasible[task.node] = session.nodes[task.node]
        nodes = list(feasible.values())
        refused: Refusal | None = None
        placed = self._replay(scenario.preemptor, statement, nodes, victims)
        if placed:
            refused = self.judge(scenario.preemptor, scenario.victims())
            if refused is None:
                lost = [task for task in victims if task.status == RELEASING]
                lost += [task for task in victims if task.status == PodStatus.PIPELINED]
                return Found(statement, lost, _batches_of(session, lost, scenario))
            self.search.last = refused
            self.search.refused[refused[0].value] = self.search.refused.get(refused[0].value, 0) + 1
        else:
            self.search.unplaced += 1
        statement.rollback()
        if not placed or session.settings.rules.forgets_rejected_nodes:
            for name in added:
                del feasible[name]
        return None

    def _replay(self, preemptor: Job, statement: Statement, nodes: list[Node], victims: Sequence[Task]) -> bool:
        """Let victims and the job ask for places in fair order, as if the victims had just been submitted again."""
        session = self.session
        concerned = {task.job: session.jobs[task.job] for task in victims}
        concerned[preemptor.uid] = preemptor
        placed = False
        back: list[str] = []
        for job in turns(session, concerned):
            # Kept as it is before places are found; the judge asks for it.
            job.request(session.smallest_gpu, real=False)
            fits = place_job(session, statement, nodes, job, real=False)
            if job.uid == preemptor.uid:
                if not fits:
                    self.search.back = tuple(back)
                    return False
                placed = True
            elif fits:
                back.append(job.uid)
            else:
                # What loses its place is asked for, and that answer is kept as well: the rest of the cycle may see it.
                job.chunk(real=False)
        return placed


def feasible_nodes(session: Session, job: Job) -> dict[str, Node]:
    """Nodes a job may use as they are: those with a GPU idle or on its way out, all when a pod needs none."""
    if any(not task.ask.wants_gpu for task in job.tasks.values()):
        return dict(session.nodes)
    return {name: node for name, node in session.nodes.items() if node.any_free()}


def largest(count: int, works: Callable[[int], bool]) -> int:
    """Largest number up to ``count`` that works, doubling from one, then halving the gap; 0 when not even one does."""
    if not count:
        return 0
    low, probe = 0, 1
    while works(probe):
        low = probe
        if probe == count:
            return count
        probe = min(2 * probe, count)
    high = probe
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            low = middle
        else:
            high = middle
    return low


def partial_job(job: Job, tasks: Sequence[Task]) -> Job:
    """Return a job of its active pods and some waiting ones, with minimums no larger than what it then has."""
    part = job.part([task for task in job.tasks.values() if task.status & IS_ACTIVE] + list(tasks))
    for leaf in part.leaf_sets.values():
        if leaf.tasks:
            leaf.minimum = min(leaf.minimum, len(leaf.tasks))
    _lower_minimums(part.root)
    return part


def _lower_minimums(group: Group) -> bool:
    """Lower the minimum of inner groups to the subgroups that have pods; return whether this one has any."""
    if isinstance(group, PodSet):
        return bool(group.tasks)
    filled = sum(_lower_minimums(child) for child in group.children)
    if group.minimum is not None:
        group.minimum = min(group.minimum, filled)
    return filled > 0


def _batches_of(session: Session, tasks: Sequence[Task], scenario: Scenario) -> list[Batch]:
    """The batches that tasks were taken in; pods that kept their place are evicted again with their batch."""
    chosen: dict[str, list[Batch]] = {}
    for task in tasks:
        mine = chosen.setdefault(task.job, [])
        if any(item.uid == task.uid for batch in mine for item in batch):
            continue
        for batch in (*scenario.recorded, *scenario.potential):
            if batch[0].job == task.job and any(item.uid == task.uid for item in batch):
                mine.append(batch)
                break
    return [batch for uid in session.oldest_first(chosen) for batch in chosen[uid]]
