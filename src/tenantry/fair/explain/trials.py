"""Tries changes: runs the cycle on a changed moment and says what becomes of the job.

Nothing here guesses. A change helps if the cycle on the changed moment gives the job its places, and what it costs
others is the difference between that cycle and the one without the change.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.explain.amounts import gpu_sizes, total_gpus
from tenantry.fair.explain.answer import Loss
from tenantry.model.job import ACTIVE_ALLOCATED, DEFAULT_SUBGROUP, Job, Pod, PodStatus, Subgroup
from tenantry.model.schedule import Act, Cycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.fair.inspection import Inspectable
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.moment import Moment, Node
    from tenantry.model.queue import Queue
    from tenantry.model.schedule import Decision

WORK = 30_000_000
"""Trials of one explanation times the square of pods and nodes: a cycle takes a microsecond or two for each pair."""
FEWEST, MOST = 8, 400
"""Trials of one explanation, however large or small the cluster is."""


LEAST_PART = 4
"""Trials one sort of change may always take, if there are any left."""


class Spent(Exception):  # noqa: N818 - reads as what it says
    """No further trial may be run."""


class Undone(Exception):  # noqa: N818 - reads as what it says
    """What a change gave the job was taken again later in the same cycle."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cycle does for one job.

    Attributes:
        cycle: the cycle.
        placed: whether the job gets the places it asks for now: its gang or, once that runs, one more pod.
        now: whether it gets all of them at once, not only a promise.
    """

    cycle: Cycle
    placed: bool
    now: bool


def budget(moment: Moment) -> int:
    """How many trials a moment of this size may take."""
    size = len(moment.nodes) + sum(len(job.pods) for job in moment.jobs)
    return max(FEWEST, min(MOST, WORK // max(1, size) ** 2))


class Trials:
    """Runs cycles for one job and counts them."""

    def __init__(self, scheduler: Inspectable, job: str, left: int) -> None:
        self.scheduler, self.job, self.left = scheduler, job, left
        self.run_so_far = 0

    def run(self, moment: Moment, scheduler: Scheduler | None = None) -> Outcome:
        """Run one cycle.

        Raises:
            Spent: if no further trial may be run.
        """
        return self.run_for(moment, named(moment, self.job), scheduler)

    def run_for(self, moment: Moment, job: Job, scheduler: Scheduler | None = None) -> Outcome:
        """Run one cycle and look at another job.

        Raises:
            Spent: if no further trial may be run.
        """
        self._count()
        return outcome((scheduler or self.scheduler).cycle(moment), job)

    def settle(self, moment: Moment, scheduler: Inspectable | None = None, *, free: bool = False) -> Outcome:
        """Run a cycle no further than to what becomes of the job: much quicker where it is placed early on.

        Args:
            moment: the changed cluster.
            scheduler: its scheduler; the job's own when None.
            free: whether the trial is run though no further one may be, as the answer hangs on it.

        Raises:
            Spent: if no further trial may be run.
        """
        if not free:
            self._count()
        job = named(moment, self.job)
        cycle = (scheduler or self.scheduler).settle(moment, self.job, lambda decisions: _fate(decisions, job).placed)
        return Outcome(cycle, *_fate(cycle.decisions, job))

    @contextmanager
    def part(self) -> Iterator[None]:
        """Leave most of the trials to others: what is asked within gets a third of them, but some always."""
        others = max(0, self.left - max(LEAST_PART, self.left // 3))
        self.left -= others
        try:
            yield
        finally:
            self.left += others

    def _count(self) -> None:
        if self.left <= 0:
            raise Spent
        self.left -= 1
        self.run_so_far += 1


class _Fate(NamedTuple):
    placed: bool
    now: bool


def outcome(cycle: Cycle, job: Job) -> Outcome:
    """Say what a cycle does for a job."""
    return Outcome(cycle, *_fate(cycle.decisions, job))


def _fate(decisions: Sequence[Decision], job: Job) -> _Fate:
    before, after, promised = _active(job), _active(job), 0
    subgroups = {pod.name: pod.subgroup or DEFAULT_SUBGROUP for pod in job.pods}
    for decision in decisions:
        if decision.job != job.name:
            continue
        name = subgroups[decision.pod]
        if decision.act is Act.EVICT:
            after[name] = after.get(name, 0) - 1
        else:
            after[name] = after.get(name, 0) + 1
            promised += decision.act is Act.PROMISE
    root = job.root or Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, len(job.pods)),), leaf=False)
    placed = satisfied(root, after)
    if placed and satisfied(root, before):
        placed = sum(after.values()) > sum(before.values())
    return _Fate(placed, placed and not promised)


def _active(job: Job) -> dict[str, int]:
    found: dict[str, int] = {}
    for pod in job.pods:
        if pod.status & ACTIVE_ALLOCATED:
            name = pod.subgroup or DEFAULT_SUBGROUP
            found[name] = found.get(name, 0) + 1
    return found


def satisfied(group: Subgroup, active: dict[str, int]) -> bool:
    """Whether enough pods of a group run together."""
    if group.leaf:
        return active.get(group.name, 0) >= (group.minimum or 0)
    enough = sum(satisfied(child, active) for child in group.children)
    return enough >= (len(group.children) if group.minimum is None else group.minimum)


def minimum_of(group: Subgroup) -> int:
    """Fewest pods that satisfy a group."""
    if group.leaf:
        return group.minimum or 0
    each = sorted(minimum_of(child) for child in group.children)
    return sum(each[: len(each) if group.minimum is None else group.minimum])


def losses(moment: Moment, cycle: Cycle, usual: Cycle) -> tuple[Loss, ...]:
    """Jobs a cycle evicts that the usual one does not, those that lose most first."""
    spared = {item.pod for item in usual.decisions if item.act is Act.EVICT and not item.moved}
    lost: dict[str, list[str]] = {}
    for item in cycle.decisions:
        if item.act is Act.EVICT and not item.moved and item.pod not in spared:
            lost.setdefault(item.job, []).append(item.pod)
    sizes = gpu_sizes(moment)
    found = []
    for job in moment.jobs:
        if job.name in lost:
            pods = [pod for pod in job.pods if pod.name in lost[job.name]]
            found.append(Loss(job.name, job.queue, len(pods), total_gpus(pods, sizes)))
    return tuple(sorted(found, key=lambda item: (-item.gpus, item.job)))


def moved(cycle: Cycle, usual: Cycle) -> tuple[str, ...]:
    """Jobs of which a cycle moves pods that the usual one does not."""
    settled = {item.pod for item in usual.decisions if item.moved}
    return tuple(sorted({item.job for item in cycle.decisions if item.moved and item.pod not in settled}))


def delayed(cycle: Cycle, usual: Cycle, but: str) -> tuple[str, ...]:
    """Jobs the usual cycle starts and this one does not."""
    return tuple(sorted(started(usual) - started(cycle) - {but}))


def started(cycle: Cycle) -> set[str]:
    """Jobs a cycle gives places to that they can take at once."""
    return {item.job for item in cycle.decisions if item.act is Act.BIND}


# --- changes of a moment ----------------------------------------------------------------------------------------------


def named(moment: Moment, name: str) -> Job:
    """Return a job.

    Raises:
        KeyError: if there is none of that name.
    """
    for job in moment.jobs:
        if job.name == name:
            return job
    raise KeyError(name)


def with_job(moment: Moment, job: Job) -> Moment:
    """Return the moment with a job instead of the one of its name."""
    return replace(moment, jobs=tuple(job if item.name == job.name else item for item in moment.jobs))


def with_queue(moment: Moment, *queues: Queue) -> Moment:
    """Return the moment with queues instead of those of their names."""
    by_name = {queue.name: queue for queue in queues}
    return replace(moment, queues=tuple(by_name.get(item.name, item) for item in moment.queues))


def with_nodes(moment: Moment, change: Callable[[Node], Node]) -> Moment:
    """Return the moment with every node changed."""
    return replace(moment, nodes=tuple(map(change, moment.nodes)))


def without(moment: Moment, jobs: Iterable[str]) -> Moment:
    """Return the moment as it is once jobs have ended."""
    gone = set(jobs)
    return replace(moment, jobs=tuple(job for job in moment.jobs if job.name not in gone))


def without_waiting(moment: Moment, but: str) -> Moment:
    """Return the moment in which no other job waits for anything."""

    def running(job: Job) -> Job:
        kept = tuple(pod for pod in job.pods if pod.status is not PodStatus.PENDING)
        return job if job.name == but or len(kept) == len(job.pods) else replace(job, pods=kept)

    return replace(moment, jobs=tuple(map(running, moment.jobs)))


def advance(moment: Moment, cycle: Cycle) -> Moment:
    """Return the moment as it is once everything a cycle decided has been done.

    Evicted pods wait again, as their controllers make them anew; promises are forgotten, as the scheduler does.
    """
    by_job: dict[str, dict[str, Decision]] = {}
    for item in cycle.decisions:
        if item.act is not Act.PROMISE:
            by_job.setdefault(item.job, {})[item.pod] = item
    jobs = []
    for job in moment.jobs:
        decisions = by_job.get(job.name, {})
        pods = tuple(_done(pod, decisions.get(pod.name)) for pod in job.pods)
        begun = moment.now if job.name in cycle.started else job.started
        evicted = moment.now if any(item.act is Act.EVICT for item in decisions.values()) else job.evicted
        jobs.append(replace(job, pods=pods, started=begun, evicted=evicted, stale_since=cycle.stale.get(job.name)))
    return replace(moment, jobs=tuple(jobs))


def _done(pod: Pod, decision: Decision | None) -> Pod:
    if decision is None:
        return pod
    if decision.act is Act.BIND:
        return replace(pod, status=PodStatus.RUNNING, node=decision.node, groups=decision.groups)
    return replace(pod, status=PodStatus.PENDING, node="", groups=())


# --- searching --------------------------------------------------------------------------------------------------------


def smallest(low: int, high: int, works: Callable[[int], bool]) -> int | None:
    """Smallest number above ``low`` and up to ``high`` that works, or None when ``high`` does not.

    Numbers are halved, so where a number works though a larger one does not, another answer that works may come out;
    the one before it does not work.
    """
    if high <= low or not works(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


def largest(low: int, high: int, works: Callable[[int], bool]) -> int | None:
    """Largest number from ``low`` and below ``high`` that works, None when ``low`` does not; see :func:`smallest`."""
    if high <= low or not works(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            low = middle
        else:
            high = middle
    return low


def shortest(items: list[str], works: Callable[[list[str]], bool]) -> list[str] | None:
    """Shortest beginning of some things that works, found by halving; None when not even all of them work."""
    count = smallest(0, len(items), lambda number: works(items[:number]))
    return None if count is None else items[:count]


def needed(items: list[str], works: Callable[[list[str]], bool]) -> list[str]:
    """Things of which none can be left out: each is left out in turn if the others still work, the last first."""
    chosen = items
    for item in reversed(items[:-1]):
        fewer = [other for other in chosen if other != item]
        if works(fewer):
            chosen = fewer
    return chosen


def minimal(items: list[str], works: Callable[[list[str]], bool]) -> list[str] | None:
    """Few of some things that work together, none of which can be left out; None when not even all of them work."""
    found = shortest(items, works)
    return None if found is None else needed(found, works)
