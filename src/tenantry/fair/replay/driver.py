"""The clock of a replay: submissions, cycles, starts, evictions and ends in the order they happen.

Within a second, ends come first, then evicted pods go, then jobs are submitted, each in the order of jobs; the cycle
comes last. Cycles start at multiples of the scheduler's period, and only when something happened since the last one or
time alone may change what is decided. A pod that is placed runs at once. An evicted pod keeps its GPUs while it leaves,
and then waits for a place again.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.fair.replay.log import NOBODY, Happening, Log, action_number
from tenantry.fair.replay.usage import Usage
from tenantry.fair.replay.work import Workload
from tenantry.model.job import PodStatus
from tenantry.model.moment import Moment
from tenantry.model.schedule import Act
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.replay.work import Work
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable
    from tenantry.model.schedule import Cycle, Decision

STUCK_AFTER = 10_000
"""Evictions without a submission or an end between them after which a replay is given up."""

ENDS, GOES = 0, 1
"""Kinds of planned events, in the order they happen within a second."""


class Replay:
    """One replay of a trace on a scheduler.

    Attributes:
        workload: the jobs.
        log: what happened so far.
        now: current second.
    """

    def __init__(
        self,
        setup: Setup,
        table: JobTable,
        scheduler: Scheduler,
        *,
        watch: Callable[[Moment, Cycle], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare a replay.

        Args:
            setup: the cluster and how jobs behave.
            table: the jobs.
            scheduler: decides.
            watch: called with every cycle and the moment it decided on.
            progress: told how many jobs have ended, after every end.
        """
        self.setup, self.scheduler, self._watch, self._progress = setup, scheduler, watch, progress
        self.workload = Workload(table, setup)
        self.log = Log()
        self.now = 0
        self._works: dict[int, Work] = {}
        self._by_name: dict[str, Work] = {}
        self._planned: list[tuple[int, int, int, int, tuple[int, ...]]] = []
        self._next = 0
        self._due: int | None = None
        self._last_cycle: int | None = None
        self._idle_evictions = 0
        self._ended = 0
        self._usage = Usage(setup) if setup.behaviour.usage_window else None

    def run(self) -> Log:
        """Replay to the end; return what happened."""
        until = self.setup.behaviour.until
        while (now := self._next_time()) is not None:
            if until is not None and now > until:
                self.now = until
                break
            self.now = now
            self._happen()
            if self._due == now:
                self._due = None
                self._cycle()
            if self._idle_evictions > STUCK_AFTER:
                self.log.stuck = True
                break
        self.log.end = self.now
        return self.log

    def moment(self, at: int | None = None) -> Moment:
        """What the scheduler sees now, or at a later second until which nothing happens."""
        queues, now = self.setup.queues, self.now if at is None else at
        if self._usage is not None:
            # Usage of the past goes on counting while nothing happens.
            self._usage.advance(now)
            queues = self._usage.applied(queues)
        return Moment(now, queues, tuple(work.view() for work in self._works.values()), self.setup.nodes)

    def ends(self) -> dict[str, int]:
        """Second at which every running job ends if it is left alone, by name."""
        return {work.job.name: work.since + work.left for work in self._works.values() if work.since is not None}

    # --- time -------------------------------------------------------------------------------------------------------

    def _next_time(self) -> int | None:
        submit = self.workload.table.submit
        times = [submit[self._next]] if self._next < len(submit) else []
        if self._planned:
            times.append(self._planned[0][0])
        if self._due is not None:
            times.append(self._due)
        return min(times, default=None)

    def _want_cycle(self, at: int) -> None:
        """Have a cycle at the first tick from a second on that had none yet."""
        period = self.scheduler.period
        tick = -(-at // period) * period
        if self._last_cycle is not None and tick <= self._last_cycle:
            tick = self._last_cycle + period
        if self._due is None or tick < self._due:
            self._due = tick

    def _happen(self) -> None:
        """Let everything happen that is planned for this second."""
        now, submit = self.now, self.workload.table.submit
        if self._usage is not None:
            self._usage.advance(now)
        while self._planned and self._planned[0][0] == now:
            _, kind, index, epoch, pods = heappop(self._planned)
            work = self._works.get(index)
            if work is None or (kind == ENDS and work.epoch != epoch):
                continue
            if kind == ENDS:
                self._end(work)
            else:
                self._go(work, pods)
            self._want_cycle(now)
        while self._next < len(submit) and submit[self._next] == now:
            work = self.workload.make(self._next)
            if work is not None:
                self._works[work.index] = work
                self._by_name[work.job.name] = work
                self.log.add(now, Happening.SUBMIT, work.index, gpus=work.pod_gpus * len(work.pods))
                self._idle_evictions = 0
                self._want_cycle(now)
            self._next += 1

    def _end(self, work: Work) -> None:
        self.log.add(self.now, Happening.FINISH, work.index, gpus=work.pod_gpus * len(work.pods))
        self._hold(work, -len(work.pods))
        del self._works[work.index], self._by_name[work.job.name]
        self._idle_evictions = 0
        self._ended += 1
        if self._progress is not None:
            self._progress(self._ended)

    def _go(self, work: Work, pods: Iterable[int]) -> None:
        gone = 0
        for position in pods:
            work.set_pod(position, PodStatus.PENDING)
            gone += 1
        self.log.add(self.now, Happening.RELEASE, work.index, gpus=work.pod_gpus * gone)

    # --- cycles -----------------------------------------------------------------------------------------------------

    def _cycle(self) -> None:
        if not self._someone_waits():
            return
        self._last_cycle = self.now
        self.log.cycles += 1
        moment = self.moment()
        cycle = self.scheduler.cycle(moment)
        if self._watch is not None:
            self._watch(moment, cycle)
        changed = self._apply(cycle.decisions)
        for name in cycle.started:
            self._by_name[name].change(started=self.now)
        for work in self._works.values():
            work.change(stale_since=cycle.stale.get(work.job.name))
        if changed:
            self._want_cycle(self.now + 1)
        elif (wakes := self.scheduler.wakes(self.moment())) is not None:
            self._want_cycle(wakes)
        if self._usage is not None and self._someone_waits() and (look := self._usage.next_look(self.now)) is not None:
            self._want_cycle(look)

    def _someone_waits(self) -> bool:
        return any(pod.status is PodStatus.PENDING for work in self._works.values() for pod in work.pods)

    def _apply(self, decisions: Iterable[Decision]) -> bool:
        """Do what was decided; return whether that changed anything."""
        changed = False
        for (act, action, name, cause), group in groupby(decisions, key=_kind):
            work = self._by_name[name]
            if act is Act.BIND:
                self._bind(work, list(group), action)
                changed = True
            elif act is Act.EVICT:
                causer = self._by_name.get(cause)
                evicted = self._evict(work, list(group), action, NOBODY if causer is None else causer.index)
                changed = changed or evicted
        return changed

    def _bind(self, work: Work, decisions: list[Decision], action: str) -> None:
        where = {pod.name: position for position, pod in enumerate(work.pods)}
        for decision in decisions:
            work.set_pod(where[decision.pod], PodStatus.RUNNING, decision.node, decision.groups)
        gpus = work.pod_gpus * len(decisions)
        self.log.add(self.now, Happening.BIND, work.index, gpus=gpus, detail=action_number(action))
        self._hold(work, len(decisions))
        if work.count(PodStatus.RUNNING) == len(work.pods):
            self.log.add(self.now, Happening.RUN, work.index)
            end = work.start(self.now, self.setup.behaviour.startup)
            heappush(self._planned, (end, ENDS, work.index, work.epoch, ()))

    def _evict(self, work: Work, decisions: list[Decision], action: str, cause: int) -> bool:
        """Tell pods to leave; those that never ran have nothing to leave. Return whether any did."""
        work.change(evicted=self.now)
        names = {decision.pod for decision in decisions}
        leaving = [
            position for position, pod in enumerate(work.pods) if pod.name in names and pod.status is PodStatus.RUNNING
        ]
        if not leaving:
            return False
        for position in leaving:
            work.set_pod(position, PodStatus.RELEASING, work.pods[position].node, work.pods[position].groups)
        gpus, code = work.pod_gpus * len(leaving), action_number(action)
        batch = len(self.log)
        self.log.add(self.now, Happening.EVICT, work.index, gpus=gpus, cause=cause, detail=code)
        self._hold(work, -len(leaving))
        lost = work.stop(self.now, self.setup.behaviour.checkpoint)
        if lost:
            self.log.add(self.now, Happening.LOSE, work.index, cause=cause, detail=lost)
        self._idle_evictions += 1
        gone = self.now + self.setup.behaviour.leaving
        heappush(self._planned, (gone, GOES, work.index, batch, tuple(leaving)))
        return True

    def _hold(self, work: Work, pods: int) -> None:
        if self._usage is not None:
            self._usage.hold(work.job.queue, work.pod_gpus * pods / MILLI)


def _kind(decision: Decision) -> tuple[Act, str, str, str]:
    return decision.act, decision.action, decision.job, decision.cause


def replay(
    setup: Setup,
    table: JobTable,
    scheduler: Scheduler,
    *,
    watch: Callable[[Moment, Cycle], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Log:
    """Replay a trace; return what happened.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides.
        watch: called with every cycle and the moment it decided on.
        progress: told how many jobs have ended, after every end.
    """
    return Replay(setup, table, scheduler, watch=watch, progress=progress).run()
