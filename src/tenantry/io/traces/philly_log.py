"""Microsoft's Philly trace as published: ``cluster_job_log``, a JSON array of jobs with their attempts.

A job runs as long as its attempts together; the time between them is none of it. GPUs and pods are those of the first
attempt. Times have no offset. Source: github.com/msr-fiddle/philly-traces, README.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tenantry.io.traces.json_stream import BrokenJson, records
from tenantry.io.traces.pods import split
from tenantry.io.traces.problem_log import ProblemLog, SilentLog, Unusable, printable
from tenantry.io.traces.source import TextBlocks, open_binary
from tenantry.io.traces.table import Reading, chosen_tenant
from tenantry.io.traces.values import Clock, checked_duration
from tenantry.model.problem import Location
from tenantry.model.reading import items, text
from tenantry.model.trace import MILLI, Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.io.traces.json_stream import Record

NEEDS: Final = "a JSON array of jobs with status, vc, jobid, attempts, submitted_time and user"
TENANTS: Final = ("vc", "user")

_OUTCOMES: Final = MappingProxyType({"Pass": Outcome.COMPLETED, "Killed": Outcome.CANCELLED, "Failed": Outcome.FAILED})


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the jobs."""
    tenant, clock = chosen_tenant(reading, TENANTS), Clock()
    with _records(reading, SilentLog()) as jobs:
        reading.origin = _first(jobs, clock)
    seen: set[str] = set()
    with _records(reading, reading.log) as jobs:
        for line, value in jobs:
            reading.rows += 1
            entry = _Entry(reading, line, clock)
            try:
                job = entry.job(value, tenant)
                if job.name in seen:
                    raise Unusable("TRACE-DUPLICATE", "the job id was there before", found=printable(job.name))
            except Unusable as problem:
                entry.left_out(problem)
                continue
            seen.add(job.name)
            yield reading.given(job, entry.warn, entry.remark)
    if clock.naive and clock.zoned:
        message = "times with and without an offset from UTC are mixed; those without are UTC"
        reading.log.add("TRACE-ZONES", Location(reading.file), message)


@contextmanager
def _records(reading: Reading, log: ProblemLog) -> Iterator[Iterator[Record]]:
    """Give the records of the file; where it stops being JSON is a problem and their end."""

    def until_broken(blocks: TextBlocks) -> Iterator[Record]:
        try:
            yield from records(blocks.parts())
        except BrokenJson as error:
            message = "the text is not JSON from here on; the jobs before are used"
            log.add("TRACE-JSON", Location(reading.file, error.line), message, found=error.reason)

    with open_binary(reading.path) as stream:
        yield until_broken(TextBlocks(stream, reading.file, log))


def _first(jobs: Iterator[Record], clock: Clock) -> int | None:
    first: int | None = None
    for _, value in jobs:
        try:
            time = clock(text(value, "submitted_time"))
        except Unusable:
            continue
        first = time if first is None else min(first, time)
    return first


class _Entry:
    """One job of the array, where it stands, and what is said about it."""

    def __init__(self, reading: Reading, line: int, clock: Clock) -> None:
        self._reading, self._clock, self._place = reading, clock, Location(reading.file, line)

    def warn(self, rule: str, message: str) -> None:
        self._reading.log.add(rule, self._place, message)

    def remark(self, rule: str, message: str) -> None:
        self._reading.log.remark(rule, self._place, message)

    def left_out(self, problem: Unusable) -> None:
        message = f"{problem.message}; the job is left out"
        self._reading.log.add(problem.rule, self._place, message, problem.expected, problem.found)

    def job(self, value: Any, tenant: str) -> TraceJob:
        """Make the job.

        Raises:
            Unusable: if it cannot be made.
        """
        if not isinstance(value, dict):
            raise Unusable("TRACE-JSON", "a job is no object", NEEDS, printable(value))
        name, owner = text(value, "jobid"), text(value, tenant)
        if not name:
            raise Unusable("TRACE-NAME", "the job has no jobid")
        if not owner:
            raise Unusable("TRACE-TENANT", f"the job has no {tenant}")
        origin = self._reading.origin or 0
        submit = self._clock(text(value, "submitted_time")) - origin
        attempts = [attempt for attempt in items(value, "attempts") if isinstance(attempt, dict)]
        pods, gpus = _shape(attempts, self._reading.options.gpus_per_node)
        started, lasted = _runtime(attempts, self._clock, self.warn)
        outcome = _OUTCOMES.get(text(value, "status"), Outcome.UNKNOWN)
        user = text(value, "user")
        return TraceJob(name, owner, submit, lasted, pods, gpus, outcome=outcome, started=started - origin, user=user)


def _shape(attempts: list[dict[str, Any]], per_node: int) -> tuple[int, int]:
    """Return the pods of the first attempt and the milli-GPUs of each."""
    if not attempts:
        raise Unusable("TRACE-NEVER-RAN", "the job has no attempts, so nothing tells its GPUs")
    servers = [len(items(server, "gpus")) for server in items(attempts[0], "detail")]
    servers = [gpus for gpus in servers if gpus]
    if not servers:
        raise Unusable("TRACE-GPUS", "the first attempt names no GPUs")
    nodes = len(servers) if len(set(servers)) == 1 else 0
    return split(sum(servers) * MILLI, per_node, nodes)[:2]


def _runtime(attempts: list[dict[str, Any]], clock: Clock, warn: Callable[[str, str], None]) -> tuple[int, int]:
    """Return when the first attempt started and how long all ran together."""
    started: int | None = None
    lasted = 0
    for number, attempt in enumerate(attempts, start=1):
        start, end = clock.maybe(text(attempt, "start_time")), clock.maybe(text(attempt, "end_time"))
        if end is None and number == len(attempts):
            raise Unusable("TRACE-UNFINISHED", "the job was still running when the trace was taken")
        if start is None or end is None or end < start:
            warn("TRACE-VALUE", f"attempt {number} of {len(attempts)} has no start or no end after it and is ignored")
            continue
        started = start if started is None else started
        lasted += end - start
    if started is None:
        raise Unusable("TRACE-NEVER-RAN", "no attempt has a start and an end")
    return started, checked_duration(lasted)
