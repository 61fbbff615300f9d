"""The KAI scheduler behind the interface that all modelled schedulers share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.fair.kai.cycle import run_cycle
from tenantry.fair.kai.rules import DEFAULTS, Settings
from tenantry.model.job import PodStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.job import Job
    from tenantry.model.moment import Moment
    from tenantry.model.queue import Queue
    from tenantry.model.schedule import Cycle


@dataclass(frozen=True, slots=True)
class KaiScheduler:
    """One instance of the KAI scheduler.

    Attributes:
        settings: its settings.
        period: seconds between two cycles.
    """

    settings: Settings = DEFAULTS
    period: int = 1

    @property
    def name(self) -> str:
        """Name and version."""
        return f"KAI {self.settings.version}"

    def cycle(self, moment: Moment) -> Cycle:
        """Decide once."""
        return run_cycle(moment, self.settings)[0]

    def wakes(self, moment: Moment) -> int | None:
        """Second at which the next grace, delay or protection ends that somebody may wait for."""
        times = list(self._graces(moment))
        if any(_waits(job) for job in moment.jobs):
            times += self._delays(moment)
            times += self._protections(moment)
        return min((time for time in times if time > moment.now), default=None)

    def shuffled(self, seed: int) -> KaiScheduler:
        """Return the scheduler with everything it takes from hash maps in another order."""
        return replace(self, settings=replace(self.settings, order_seed=seed))

    def _graces(self, moment: Moment) -> Iterator[int]:
        for job in moment.jobs:
            if job.stale_since is None:
                continue
            own = job.staleness_grace if self.settings.rules.own_grace else None
            grace = self.settings.staleness_grace if own is None else own
            if grace >= 0:
                yield job.stale_since + grace

    def _delays(self, moment: Moment) -> Iterator[int]:
        if self.settings.rules.honours_delay:
            for job in moment.jobs:
                if job.preemption_delay > 0 and _waits(job):
                    yield max(job.created, job.evicted or job.created) + job.preemption_delay

    def _protections(self, moment: Moment) -> Iterator[int]:
        """Ends of all protections a running job may have; which one counts depends on who wants its place."""
        settings, queues = self.settings, {queue.name: queue for queue in moment.queues}
        defaults = {settings.reclaim_min_runtime, settings.preempt_min_runtime}
        known: dict[str, set[int]] = {}
        for job in moment.jobs:
            if job.started is None or not job.may_be_evicted or not _runs(job):
                continue
            if job.queue not in known:
                known[job.queue] = {value for value in _minimums(queues, job.queue) | defaults if value > 0}
            for minimum in known[job.queue]:
                yield job.started + minimum


def _waits(job: Job) -> bool:
    return any(pod.status is PodStatus.PENDING for pod in job.pods)


def _runs(job: Job) -> bool:
    return any(pod.status is PodStatus.RUNNING for pod in job.pods)


def _minimums(queues: dict[str, Queue], name: str) -> set[int]:
    found: set[int] = set()
    seen: set[str] = set()
    while name in queues and name not in seen:
        queue = queues[name]
        found |= {value for value in (queue.reclaim_min_runtime, queue.preempt_min_runtime) if value is not None}
        seen.add(name)
        name = queue.parent
    return found
