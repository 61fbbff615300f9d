"""The KAI scheduler behind the interface that all modelled schedulers share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.fair.kai.cycle import run_cycle
from tenantry.fair.kai.min_runtime import possible_minimums
from tenantry.fair.kai.queues import build_tree
from tenantry.fair.kai.rules import DEFAULTS, Settings
from tenantry.model.job import PodStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.job import Job
    from tenantry.model.moment import Moment
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
        queues = build_tree(moment.queues)
        known = {name: possible_minimums(queue, self.settings) for name, queue in queues.items()}
        for job in moment.jobs:
            if job.started is not None and job.may_be_evicted and _runs(job):
                for minimum in known.get(job.queue, ()):
                    yield job.started + minimum


def _waits(job: Job) -> bool:
    return any(pod.status is PodStatus.PENDING for pod in job.pods)


def _runs(job: Job) -> bool:
    return any(pod.status is PodStatus.RUNNING for pod in job.pods)
