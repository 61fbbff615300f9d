"""Logs told by hand, for tests of what is found in them."""

from __future__ import annotations

from tenantry.fair.measures import Result, measure
from tenantry.fair.replay.log import ACTIONS, NOBODY, Happening, Log
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.queue import UNLIMITED, Entitled, Queue
from tenantry.model.trace import TraceJob

GPUS = 8


class Story:
    """One node of 8 GPUs, a queue for each tenant, and what happened there; jobs are named ``<tenant>-<anything>``."""

    def __init__(
        self,
        *jobs: TraceJob,
        quotas: dict[str, float],
        until: int | None = None,
        limits: dict[str, float] | None = None,
    ) -> None:
        bounds = limits or {}
        queues = tuple(
            Queue(name, gpu=Entitled(quota, bounds.get(name, UNLIMITED), 1.0)) for name, quota in quotas.items()
        )
        node = Node("n0", gpus=float(GPUS), gpu_memory=80_000)
        behaviour = Behaviour(leaving=0, checkpoint=None, until=until)
        self.setup = Setup((node,), queues, {name: name for name in quotas}, behaviour)
        self.table = JobTable.build(jobs)
        self.log = Log()
        self._index = {self.table.name(number): number for number in range(len(self.table))}

    def _row(self, time: int, kind: Happening, job: str, cause: str = "", detail: int = 0) -> Story:
        number = self._index[job]
        gpus = 0 if kind in {Happening.RUN, Happening.LOSE} else self.table.pods[number] * self.table.gpus[number]
        by = self._index[cause] if cause else NOBODY
        self.log.add(time, kind, number, gpus=gpus, cause=by, detail=detail)
        self.log.end = max(self.log.end, time)
        return self

    def submit(self, time: int, job: str) -> Story:
        return self._row(time, Happening.SUBMIT, job)

    def start(self, time: int, job: str) -> Story:
        return self._row(time, Happening.BIND, job)._row(time, Happening.RUN, job)

    def finish(self, time: int, job: str) -> Story:
        return self._row(time, Happening.FINISH, job)

    def evict(self, time: int, job: str, cause: str = "", *, lost: int = 0, action: str = "reclaim") -> Story:
        self._row(time, Happening.EVICT, job, cause, ACTIONS.index(action))
        if lost:
            self._row(time, Happening.LOSE, job, cause, lost)
        return self._row(time, Happening.RELEASE, job)

    def result(self, *, end: int = 0, apart: Log | None = None) -> Result:
        self.log.end = max(self.log.end, end)
        return measure(self.log, self.table, self.setup, isolated=apart)


def job(name: str, submit: int, work: int, gpus: int, *, pods: int = 1, preemptible: bool | None = None) -> TraceJob:
    """Make a job of whole GPUs per pod; its tenant is what stands before the dash."""
    return TraceJob(name, name.partition("-")[0], submit, work, pods, gpus * 1000, preemptible=preemptible)
