"""The job in question with everything an explanation needs to know about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.fair.explain.amounts import gpu_sizes
from tenantry.fair.explain.answer import Remedy, Said, Who
from tenantry.fair.explain.trials import Trials, Undone, delayed, losses, moved, outcome, with_job
from tenantry.model.job import PodStatus
from tenantry.model.pool_snapshot import EndSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.explain.trials import Outcome
    from tenantry.fair.inspection import Candidate, Inspectable, Room
    from tenantry.model.job import Job, Pod
    from tenantry.model.moment import Moment
    from tenantry.model.pool_snapshot import Eviction
    from tenantry.model.queue import Queue
    from tenantry.model.schedule import Cycle


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another node pool the job could be submitted to.

    Attributes:
        pool: its name.
        moment: its queues, jobs and nodes.
        scheduler: its scheduler.
        queue: queue the job's tenant has there.
    """

    pool: str
    moment: Moment
    scheduler: Inspectable
    queue: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the moment.

    Attributes:
        ends: second at which running jobs end, where that is known.
        ends_by: how it is known.
        evictions: last evictions of jobs, where events tell.
        elsewhere: other pools the job could be submitted to.
        trials: trials that may be run; as many as the size of the cluster allows when None.
    """

    ends: Mapping[str, int] = field(default_factory=dict)
    ends_by: EndSource = EndSource.DEADLINE
    evictions: Mapping[str, Eviction] = field(default_factory=dict)
    elsewhere: Sequence[Elsewhere] = ()
    trials: int | None = None


class Case:
    """The job, the cluster, and what the cycle does as things are.

    Attributes:
        moment: the cluster.
        scheduler: its scheduler.
        job: the job.
        known: what is known besides.
        trials: runs changed moments.
        usual: what the cycle does for the job as things are.
    """

    def __init__(self, moment: Moment, scheduler: Inspectable, job: Job, known: Known, trials: Trials) -> None:
        self.moment, self.scheduler, self.job, self.known, self.trials = moment, scheduler, job, known, trials
        self.usual: Outcome = outcome(scheduler.cycle(moment), job)

    @cached_property
    def queues(self) -> dict[str, Queue]:
        """Queues by name."""
        return {queue.name: queue for queue in self.moment.queues}

    @cached_property
    def path(self) -> tuple[Queue, ...]:
        """The job's queue and those above it, nearest first."""
        found: list[Queue] = []
        name = self.job.queue
        while name in self.queues and all(item.name != name for item in found):
            found.append(self.queues[name])
            name = self.queues[name].parent
        return tuple(found)

    @cached_property
    def rooms(self) -> tuple[Room, ...]:
        """How every node looks to the waiting pods."""
        return self.scheduler.rooms(self.moment, self.job.name)

    @cached_property
    def reclaimable(self) -> tuple[Candidate, ...]:
        """Running jobs of other queues, as reclaim sees them."""
        return self.scheduler.candidates(self.moment, self.job.name, "reclaim")

    @cached_property
    def preemptable(self) -> tuple[Candidate, ...]:
        """Running jobs of its own queue, as preempt sees them, which comes after reclaim."""
        return self.scheduler.candidates(self.moment, self.job.name, "preempt")

    @cached_property
    def sizes(self) -> dict[str, int]:
        """MiB of a GPU by node."""
        return gpu_sizes(self.moment)

    @property
    def waiting(self) -> list[Pod]:
        """Pods that wait."""
        return [pod for pod in self.job.pods if pod.status is PodStatus.PENDING]

    def held(self, action: str) -> Said | None:
        """The gate at which an action gave up on the job."""
        for held in self.usual.cycle.held.get(self.job.name, ()):
            if held.action == action:
                return Said(held.gate.value, held.facts)
        return None

    def with_pods(self, change: Mapping[str, Pod]) -> Moment:
        """The moment with some pods of the job changed."""
        pods = tuple(change.get(pod.name, pod) for pod in self.job.pods)
        return with_job(self.moment, replace(self.job, pods=pods))

    def helps(self, moment: Moment, scheduler: Inspectable | None = None) -> bool:
        """Whether a changed moment gives the job its places."""
        return self.trials.settle(moment, scheduler).placed

    def remedy(self, kind: str, who: Who, said: Said, moment: Moment, scheduler: Inspectable | None = None) -> Remedy:
        """Make a remedy of a change that helps, with what it costs others.

        Raises:
            Spent: if no further trial may be run.
            Undone: if the whole cycle takes again what the change gives.
        """
        found = self.trials.run(moment, scheduler)
        if not found.placed:
            raise Undone
        usual: Cycle = self.usual.cycle
        if scheduler is not None:
            usual = scheduler.cycle(replace(moment, jobs=tuple(j for j in moment.jobs if j.name != self.job.name)))
        return Remedy(
            kind,
            who,
            said,
            now=found.now,
            losses=losses(moment, found.cycle, usual),
            moved=moved(found.cycle, usual),
            delayed=delayed(found.cycle, usual, self.job.name),
        )
