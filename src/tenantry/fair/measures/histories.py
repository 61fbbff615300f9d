"""What became of every job: one pass over the log, one entry per job in columns."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING

from tenantry.fair.replay.log import NOBODY, Happening
from tenantry.model.trace import Outcome

if TYPE_CHECKING:
    from tenantry.fair.replay.log import Log
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

_SUBMIT, _BIND, _RUN, _EVICT, _LOSE, _FINISH = (
    int(each)
    for each in (
        Happening.SUBMIT, Happening.BIND, Happening.RUN, Happening.EVICT, Happening.LOSE, Happening.FINISH,
    )
)  # fmt: skip

NEVER = -1
"""In place of a time that never came."""


def _column(count: int, value: int = 0) -> array[int]:
    return array("q", [value]) * count


class Worked:
    """Milli-GPU-seconds of jobs that ran, within a window.

    Attributes:
        start: first second of the window.
        end: second at which it ends.
        useful: work that was kept, by how the job ended.
        startup: before work began, at every start.
        lost: work that was lost.
    """

    __slots__ = ("end", "lost", "start", "startup", "useful")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.useful = dict.fromkeys(Outcome, 0)
        self.startup = self.lost = 0

    def within(self, start: int, end: int) -> int:
        """Return the seconds of a stretch that lie in the window."""
        return max(0, min(end, self.end) - max(start, self.start))


class Histories:
    """What became of every job, by its position in the table.

    Attributes:
        gpus: milli-GPUs of all its pods; 0 when it was never submitted.
        placed: 1 once any of its pods had a place.
        first: second of its first run, :data:`NEVER` for none.
        waited: seconds since submission in which not all its pods ran, until its end or the end of the replay.
        end: second it finished, :data:`NEVER` if it did not.
        evicted: how often it was evicted; decisions of one second count once.
        fruitless: most evictions in a row between which it kept no work.
        lost: seconds of work it lost.
        evictions: decisions and milli-GPU-seconds lost with them, by tenant that suffered, tenant it happened for
            (:data:`~tenantry.fair.replay.log.NOBODY` for none) and action.
        pairs: decisions by job that suffered and job it happened for.
        windows: what GPUs did in each of the windows asked for.
        last: end of the replay.
    """

    def __init__(self, log: Log, table: JobTable, setup: Setup, windows: list[tuple[int, int]]) -> None:
        """Read a log.

        Args:
            log: what happened.
            table: the jobs.
            setup: the cluster, for how long jobs take to start up.
            windows: windows, as first second and end.
        """
        count = len(table)
        self.gpus, self.first, self.waited = _column(count), _column(count, NEVER), _column(count)
        self.end, self.evicted, self.fruitless = _column(count, NEVER), _column(count), _column(count)
        self.lost, self.placed = _column(count), bytearray(count)
        self.evictions: dict[tuple[int, int, int], list[int]] = {}
        self.pairs: Counter[tuple[int, int]] = Counter()
        self.windows = [Worked(start, end) for start, end in windows]
        self.last = log.end
        self._table, self._startup = table, setup.behaviour.startup
        self._since = _column(count, NEVER)  # begins to wait
        self._works = _column(count, NEVER)  # began or begins to work
        self._told, self._row = _column(count, NEVER), _column(count)  # last eviction, fruitless ones in a row
        self._segment = _column(count)  # seconds of work before it
        self._entry, self._prior = [0, 0], 0  # of the last row that told pods to leave
        self._read(log)
        self._close(log.end)
        del self._since, self._works, self._told, self._row, self._segment

    def _read(self, log: Log) -> None:
        since, works, placed = self._since, self._works, self.placed
        columns = zip(log.time, log.happening, log.job, log.gpus, log.cause, log.detail, strict=True)
        for time, kind, job, gpus, cause, detail in columns:
            if kind == _BIND:
                placed[job] = 1
            elif kind == _SUBMIT:
                self.gpus[job], since[job] = gpus, time
            elif kind == _RUN:
                if self.first[job] == NEVER:
                    self.first[job] = time
                self.waited[job] += time - since[job]
                since[job], works[job] = NEVER, time + self._startup
            elif kind == _FINISH:
                self.end[job] = time
                self._stop(job, time)
            elif kind == _EVICT:
                self._evict(job, time, cause, detail)
            elif kind == _LOSE:
                self._lose(job, time, detail)

    def _stop(self, job: int, time: int) -> int:
        """Book a run that ends; return its seconds of work."""
        began, gpus, startup = self._works[job], self.gpus[job], self._startup
        outcome = self._table.outcome(job)
        for window in self.windows:
            window.useful[outcome] += gpus * window.within(began, time)
            if startup:
                window.startup += gpus * window.within(began - startup, min(began, time))
        self._works[job] = NEVER
        return max(0, time - began)

    def _evict(self, job: int, time: int, cause: int, action: int) -> None:
        tenant = self._table.tenant
        key = (tenant[job], NOBODY if cause == NOBODY else tenant[cause], action)
        self._entry = self.evictions.setdefault(key, [0, 0])
        self._entry[0] += 1
        if cause != NOBODY:
            self.pairs[job, cause] += 1
        if self._works[job] != NEVER:
            self._segment[job], self._since[job] = self._stop(job, time), time
        elif self._told[job] != time:
            self._segment[job] = 0
        if self._told[job] != time:
            self._told[job], self._prior = time, self._row[job]
            self.evicted[job] += 1
            self._judge(job, self._segment[job])

    def _judge(self, job: int, kept: int) -> None:
        self._row[job] = 0 if kept else self._row[job] + 1
        self.fruitless[job] = max(self.fruitless[job], self._row[job])

    def _lose(self, job: int, time: int, seconds: int) -> None:
        """Take back work that was booked as kept with the eviction in the row before."""
        gpus, outcome = self.gpus[job], self._table.outcome(job)
        self.lost[job] += seconds
        self._entry[1] += gpus * seconds
        for window in self.windows:
            amount = gpus * window.within(time - seconds, time)
            window.useful[outcome] -= amount
            window.lost += amount
        if self._segment[job] == seconds:
            self._row[job] = self._prior
            self._judge(job, 0)

    def _close(self, end: int) -> None:
        """Count what still waits or runs at the end of the replay."""
        for job, since in enumerate(self._since):
            if since != NEVER and self.end[job] == NEVER:
                self.waited[job] += end - since
            if self._works[job] != NEVER:
                self._stop(job, end)
