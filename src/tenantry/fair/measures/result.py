"""What is measured of a replay, as values.

Amounts of GPU-time are integers in milli-GPU-seconds, so that they add up exactly; :func:`gpu_hours` turns them into
what people read. Times are seconds from the first submission of the trace. What cannot be known is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenantry.fair.measures.told import FairFinding
from tenantry.model.trace import MILLI

GPU_HOUR = 3600 * MILLI
"""Milli-GPU-seconds of one GPU-hour."""

SIZE_CLASSES = ("1 or less", "2 to 8", "9 to 64", "more than 64")
"""Job-size classes by GPUs of the whole job."""

_LARGEST_MILLI = (1 * MILLI, 8 * MILLI, 64 * MILLI)

ALL = "all"
"""In place of a size class: jobs of every size."""

TENANT, QUEUE, CLUSTER = "tenant", "queue", "cluster"
"""Kinds of subjects."""


def gpu_hours(amount: int) -> float:
    """Return GPU-hours of milli-GPU-seconds."""
    return amount / GPU_HOUR


def size_class(gpus: int) -> int:
    """Return the position in :data:`SIZE_CLASSES` of a job of so many milli-GPUs in all."""
    return sum(gpus > largest for largest in _LARGEST_MILLI)


def ratio(part: float, whole: float) -> float | None:
    """Divide, or return None where there is nothing to divide by."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number is spread over jobs. Percentiles are values of a job (nearest rank), not interpolated.

    Attributes:
        count: jobs counted.
        open: of them, jobs whose number was still growing at the end of the replay; they count as what it had reached.
        mean: mean.
        p50: median.
        p95: 95th percentile.
        p99: 99th percentile.
        largest: largest.
        at_least: of the statistics above, the names of those that open jobs may still raise: they are lower bounds.
    """

    count: int
    open: int
    mean: float
    p50: float
    p95: float
    p99: float
    largest: float
    at_least: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waits:
    """How long jobs of one size class waited, in seconds; None where there are none.

    Attributes:
        size: one of :data:`SIZE_CLASSES`, or :data:`ALL`.
        first: from submission until all its pods ran for the first time.
        total: all time between submission and end in which not all its pods ran, after evictions too.
    """

    size: str
    first: Spread | None
    total: Spread | None


@dataclass(frozen=True, slots=True)
class Jobs:
    """How many jobs there are, by how far they got; the last four add up to those submitted.

    Attributes:
        submitted: jobs that were submitted.
        finished: jobs that finished.
        unfinished: jobs that ran but had not finished at the end.
        waiting: jobs that never ran, though they could.
        impossible: jobs that never ran and never can; they have no wait and count for no demand.
    """

    submitted: int = 0
    finished: int = 0
    unfinished: int = 0
    waiting: int = 0
    impossible: int = 0


@dataclass(frozen=True, slots=True)
class Evictions:
    """Evictions. One is a decision against pods of one job, by one action, for one cause.

    Attributes:
        suffered: evictions of its jobs, by action.
        caused: evictions of jobs of others for its jobs, by action.
        jobs: its jobs that were evicted at least once.
        lost: milli-GPU-seconds of work its jobs lost.
        lost_to_others: part of ``lost`` that was for jobs of others.
        cost_others: milli-GPU-seconds of work that jobs of others lost for its jobs.
    """

    suffered: Mapping[str, int]
    caused: Mapping[str, int]
    jobs: int = 0
    lost: int = 0
    lost_to_others: int = 0
    cost_others: int = 0

    @property
    def count(self) -> int:
        """Evictions of its jobs."""
        return sum(self.suffered.values())

    @property
    def count_caused(self) -> int:
        """Evictions of jobs of others for its jobs."""
        return sum(self.caused.values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time that went on without a break, in seconds."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Seconds it lasted."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Shares:
    """What a queue held against what it was due, over the whole replay. GPU-time is in milli-GPU-seconds.

    Attributes:
        quota: milli-GPUs it is guaranteed; the whole cluster where its quota has no bound.
        held: time held.
        demand: time asked for: from submission to end, of jobs that can run.
        due: time it was due.
        asked_quota: time of its quota that it asked for.
        kept_quota: time of its quota that it held.
        loss: time it was due and did not hold.
        lent: time of its quota that it did not ask for and others used.
        backlog_seconds: seconds in which it asked for more than it held.
        backlog_held: time held in these seconds.
        backlog_due: time due in these seconds.
        starved_seconds: seconds in which a job of its waited that would have fitted into what it was due and did not
            hold; None of a queue with queues below it.
        owed_seconds: the same for its quota.
        starved: longest stretch of the former, None when there is none.
        owed: longest stretch of the latter.
    """

    quota: int
    held: int
    demand: int
    due: int
    asked_quota: int
    kept_quota: int
    loss: int
    lent: int
    backlog_seconds: int
    backlog_held: int
    backlog_due: int
    starved_seconds: int | None = None
    owed_seconds: int | None = None
    starved: Stretch | None = None
    owed: Stretch | None = None

    @property
    def satisfaction(self) -> float | None:
        """Quota satisfaction: the part it held of the quota it asked for, 0 to 1."""
        return ratio(self.kept_quota, self.asked_quota)

    @property
    def over(self) -> int:
        """Time it held beyond what it was due, while somebody waited."""
        return self.loss + self.held - self.due

    @property
    def borrowed(self) -> int:
        """Time it held beyond its quota."""
        return self.held - self.kept_quota

    @property
    def normalised(self) -> float | None:
        """Normalised share: held over due while it had backlog; None when it had none, or was due nothing then."""
        return ratio(self.backlog_held, self.backlog_due)


@dataclass(frozen=True, slots=True)
class Apart:
    """Jobs in this replay against the same jobs in a static partition of the cluster.

    Attributes:
        compared: jobs that finished in both; ratios are over these.
        only_here: jobs that finished here alone.
        only_apart: jobs that finished in the partition alone.
        worst: worst finish-time fairness, None when there is none.
        worst_open: whether that job had not ended here, so that the worst is a lower bound.
        worst_job: the job it is of.
        worst_tenant: whose job that is.
        unfair: of the jobs that finished in the partition, those surely above :data:`UNFAIR_ABOVE`.
        wait_here: mean seconds to the first run, of jobs that ran in both.
        wait_apart: the same in the partition.
        slowdown_here: mean bounded slowdown of compared jobs.
        slowdown_apart: the same in the partition.
    """

    compared: int
    only_here: int
    only_apart: int
    worst: float | None
    worst_open: bool
    worst_job: str
    worst_tenant: str
    unfair: int
    wait_here: float | None
    wait_apart: float | None
    slowdown_here: float | None
    slowdown_apart: float | None

    @property
    def unfair_part(self) -> float | None:
        """Part of the jobs that finished in the partition that are surely above :data:`UNFAIR_ABOVE`, 0 to 1."""
        return ratio(self.unfair, self.compared + self.only_apart)

    @property
    def wait_ratio(self) -> float | None:
        """Mean wait here over mean wait in the partition; below 1 sharing pays. None where nobody waited there."""
        return None if self.wait_here is None or not self.wait_apart else self.wait_here / self.wait_apart

    @property
    def slowdown_ratio(self) -> float | None:
        """Mean bounded slowdown here over the one in the partition; below 1 sharing pays."""
        if self.slowdown_here is None or not self.slowdown_apart:
            return None
        return self.slowdown_here / self.slowdown_apart


UNFAIR_ABOVE = 1.05
"""Finish-time fairness above which a job is said to be treated unfairly."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that is measured of one tenant, one queue or the whole cluster.

    Attributes:
        kind: :data:`TENANT`, :data:`QUEUE` or :data:`CLUSTER`.
        name: name; empty for the cluster.
        parent: queue above, of a queue; its leaf queue, of a tenant.
        level: 0 for a top queue, one more for each queue above it; 0 otherwise.
        leaf: whether it takes jobs.
        tenants: tenants whose jobs are counted, sorted.
        jobs: how far its jobs got.
        waits: by size class, all sizes first.
        slowdown: bounded slowdown, None without jobs.
        evictions: evictions.
        shares: what it held against what it was due. None for a tenant that shares its queue with others, whose quota
            is not divided between them, and for the cluster.
        apart: comparison with a static partition, None when there was none to compare with.
    """

    kind: str
    name: str
    parent: str
    level: int
    leaf: bool
    tenants: tuple[str, ...]
    jobs: Jobs
    waits: tuple[Waits, ...]
    slowdown: Spread | None
    evictions: Evictions
    shares: Shares | None = None
    apart: Apart | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """Where the GPU-time of the cluster went in a window, in milli-GPU-seconds. The parts add up to all there is.

    Attributes:
        start: first second of the window.
        end: second at which it ends.
        capacity: all there is.
        useful: work that was kept, by how the job ended in the trace (:class:`~tenantry.model.trace.Outcome`); work of
            jobs that still ran at the end of the replay counts as kept.
        startup: held by jobs before they did any work, at every start.
        lost: work done and lost with an eviction.
        incomplete: held by pods of jobs that lacked others of their pods.
        leaving: held by evicted pods that were going.
        unwanted: free, and nobody waited for it.
        too_small: free while somebody waited, but less in all than the smallest waiting job lacked.
        blocked: free and wanted, in all enough for the smallest waiting job: kept from it by placement (fragments,
            GPU models, CPU, memory), by limits, or by the order in which jobs are served.
    """

    start: int
    end: int
    capacity: int
    useful: Mapping[str, int]
    startup: int
    lost: int
    incomplete: int
    leaving: int
    unwanted: int
    too_small: int
    blocked: int

    @property
    def kept(self) -> int:
        """All useful work."""
        return sum(self.useful.values())

    @property
    def allocated(self) -> int:
        """Held by pods, those that leave included."""
        return self.kept + self.startup + self.lost + self.incomplete + self.leaving

    @property
    def allocation(self) -> float | None:
        """Part of the capacity that was allocated, 0 to 1."""
        return ratio(self.allocated, self.capacity)


@dataclass(frozen=True, slots=True)
class Fairness:
    """How evenly the queues that take jobs got what they were due.

    Attributes:
        jain: Jain index of normalised shares of queues with backlog, 1/n to 1; None when none had any.
        worst: smallest normalised share.
        worst_queue: the queue it is of.
        counted: queues with backlog that were due something then.
        without_backlog: queues with jobs that never asked for more than they held; they are not counted.
        nothing_due: queues with backlog that were due nothing in all that time; they are not counted.
        loss: time that all of them were due and did not hold, in milli-GPU-seconds.
    """

    jain: float | None
    worst: float | None
    worst_queue: str
    counted: int
    without_backlog: tuple[str, ...]
    nothing_due: tuple[str, ...]
    loss: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Jobs that did not run, and why.

    Attributes:
        reason: why, in words that follow "the job".
        tenant: whose they are.
        count: how many.
        first: name of the first of them.
    """

    reason: str
    tenant: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class Window:
    """The time that was measured, in seconds from the first submission of the trace.

    Attributes:
        start: first submission that was replayed.
        last_submit: last submission that was replayed.
        end: end of the replay.
        capacity: milli-GPUs of the cluster.
        cut: whether the replay was ended before everything had finished that could.
        stuck: whether it was given up because jobs only kept evicting each other.
        cycles: scheduling cycles.
    """

    start: int
    last_submit: int
    end: int
    capacity: int
    cut: bool
    stuck: bool
    cycles: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that is measured of one replay.

    Attributes:
        window: the time measured.
        cluster: all jobs together.
        busy: where GPU-time went from the first to the last submission.
        whole: where GPU-time went from the first submission to the end.
        fairness: how evenly queues got what they were due.
        tenants: tenants with jobs, sorted.
        queues: queues, each before those below it, siblings by name.
        left_out: jobs of the trace that were not replayed.
        never: jobs that can never run.
        findings: what deserves attention, worst first.
    """

    window: Window
    cluster: Measured
    busy: Booking
    whole: Booking
    fairness: Fairness
    tenants: tuple[Measured, ...]
    queues: tuple[Measured, ...]
    left_out: tuple[Cause, ...]
    never: tuple[Cause, ...]
    findings: tuple[FairFinding, ...]
