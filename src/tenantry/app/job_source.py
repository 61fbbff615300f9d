"""Where the jobs of a simulation come from: a trace, or load made up for the tenants of a platform."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec.structs import replace

from tenantry.errors import InputError
from tenantry.fair.profiles import TenantMix
from tenantry.fair.routing import is_lasting
from tenantry.fair.synthetic import synthetic
from tenantry.io.traces import TraceOptions, open_trace
from tenantry.io.walk import shown
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.job_table import JobTable
from tenantry.model.trace import MILLI, pod_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.app.scheduling import PoolScheduling, Scheduling
    from tenantry.model.trace import TraceJob
    from tenantry.model.trace_problem import TraceProblem

TOLD_EVERY = 50_000
"""Jobs between two words on how far reading is."""
LASTING_PART = 0.1
"""Part of made-up jobs that may not be evicted, where their tenant has classes for both kinds."""
BORROWERS_PART = 0.25
"""Part of its limit that a tenant with a smaller quota is taken to be worth when load is made up."""


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace.

    Attributes:
        path: file or folder.
        format: name of its format; empty to recognise it.
        tenant: column that stands for the tenant; empty for the format's own.
    """

    path: Path
    format: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Load that looks like a published one.

    Attributes:
        seed: seed of the only randomness.
        load: GPU-time asked for over the capacity of all days, for each node pool.
        days: how long jobs are submitted.
        profile: whose durations and sizes it has.
    """

    seed: int
    load: float = 0.9
    days: float = 7.0
    profile: str = "philly"


JobSource = TraceFile | MadeUp


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of a simulation before they go to pools.

    Attributes:
        title: where they come from, in words.
        file: their file; empty for made-up load.
        table: the jobs, as the trace has them.
        problems: what was wrong with the trace, the first of each rule in full.
        counts: how often each rule was met.
    """

    title: str
    file: str
    table: JobTable
    problems: tuple[TraceProblem, ...] = ()
    counts: Mapping[str, int] | None = None


def read_jobs(
    source: JobSource, platform: Scheduling, *, only: str = "", told: Callable[[int], None] | None = None
) -> Jobs:
    """Read a trace, or make up load for the tenants of a platform.

    Args:
        source: where jobs come from.
        platform: the platform.
        only: the only node pool of interest; empty for all.
        told: told now and then how many jobs were read.

    Raises:
        InputError: if the trace cannot be read, has no times or no jobs, or the load cannot be made.
        MissingExtra: for a trace in Parquet without DuckDB.
    """
    if isinstance(source, MadeUp):
        title = f"synthetic load {source.load:g}, {source.days:g} days after {source.profile}, seed {source.seed}"
        pools = [pool for pool in platform.pools if not pool.offer.refused and only in {"", pool.name}]
        return Jobs(title, "", _built(_told((job for pool in pools for job in _made_up(source, pool, platform)), told)))
    per_node = max((node.gpu_count or 1 for pool in platform.pools for node in pool.setup.nodes), default=8)
    options = TraceOptions(tenant=source.tenant, gpus_per_node=per_node, priorities=dict(platform.classes))
    trace = open_trace(source.path, format=source.format or None, options=options)
    table = _built(_told(iter(trace), told))
    file = shown(source.path)
    if not trace.timed:
        raise InputError(f"{file} has no times of submission and no durations; it can be packed but not replayed")
    seen: Counter[str] = Counter()
    kept = []
    for problem in trace.problems:
        seen[problem.rule] += 1
        if seen[problem.rule] == 1:
            kept.append(problem)
    if not len(table):
        first = f"; {kept[0]}" if kept else ""
        raise InputError(f"{file}: expected jobs; none of {trace.counts.rows} rows is one that can be replayed{first}")
    return Jobs(f"{file} ({trace.format})", file, table, tuple(kept), trace.counts.by_rule)


def _built(jobs: Iterator[TraceJob]) -> JobTable:
    try:
        return JobTable.build(jobs)
    except ValueError as error:
        raise InputError(str(error)) from error


def _told(jobs: Iterator[TraceJob], told: Callable[[int], None] | None) -> Iterator[TraceJob]:
    if told is None:
        return jobs
    return _counting(jobs, told)


def _counting(jobs: Iterator[TraceJob], told: Callable[[int], None]) -> Iterator[TraceJob]:
    for number, job in enumerate(jobs, start=1):
        if not number % TOLD_EVERY:
            told(number)
        yield job


# Made-up load --------------------------------------------------------------------------------------------------------


def _made_up(source: MadeUp, pool: PoolScheduling, platform: Scheduling) -> Iterator[TraceJob]:
    """Yield the load of one pool; jobs demand the pool by its name, so that they go there when they are read again."""
    mixes = [mix for tenant in sorted(pool.offer.entitled) if (mix := _mix(tenant, pool, platform)) is not None]
    capacity = pool.setup.capacity // MILLI
    if not mixes or not capacity:
        return
    per_node = pool.setup.nodes[0].gpu_count or 1
    try:
        jobs = synthetic(
            # Each pool has jobs of its own, whichever other pools there are.
            (source.seed << 32) + crc32(pool.name.encode()),
            capacity_gpus=capacity,
            load=source.load,
            days=source.days,
            tenants=mixes,
            profile=source.profile,
            gpus_per_node=per_node,
        )
    except ValueError as error:
        raise InputError(f"no load can be made for node pool {pool.name}: {error}") from error
    for job in jobs:
        bounded = _bounded(job, pool, per_node)
        sized = _in_slices(bounded, pool) if pool.offer.slices else bounded
        yield replace(sized, name=f"{pool.name}-{job.name.removeprefix('job-')}", gpu=pool.name)


def _mix(tenant: str, pool: PoolScheduling, platform: Scheduling) -> TenantMix | None:
    quota, limit = pool.offer.entitled[tenant]
    if limit < 1 or (pool.offer.slices and not pool.offer.sizes.get(tenant)):
        return None
    values = platform.priorities[tenant]
    # A job that may not be evicted has to stay within the quota, so without one there are none.
    lasting = [value for value in values if value >= PREEMPTIBLE_BELOW] if quota >= 1 else []
    passing = [value for value in values if value < PREEMPTIBLE_BELOW] or ([] if lasting else [pool.setup.priority])
    parts = ((passing, 1 - LASTING_PART if lasting else 1.0), (lasting, LASTING_PART if passing else 1.0))
    priorities = tuple(
        (value, value < PREEMPTIBLE_BELOW, part / len(values)) for values, part in parts for value in values
    )
    return TenantMix(name=tenant, jobs=1, gpu_time=max(quota, limit * BORROWERS_PART), priorities=priorities)


def _bounded(job: TraceJob, pool: PoolScheduling, per_node: int) -> TraceJob:
    """Return a job within what its queue may ever hold: smaller and as much longer."""
    quota, limit = pool.offer.entitled[job.tenant]
    lasting = is_lasting(pool.setup.priority if job.priority is None else job.priority, job.preemptible)
    most = int(quota if lasting else limit) * MILLI
    if job.demand <= most:
        return job
    each = pod_size(most, per_node)
    duration = -(-job.duration * job.demand // most)
    return replace(job, gpus=each, pods=most // each, duration=duration)


def _in_slices(job: TraceJob, pool: PoolScheduling) -> TraceJob:
    """Return a job on MIG instances: a GPU stands for a compute slice, and large instances are taken first."""
    sizes = pool.offer.sizes[job.tenant]
    size = max((size for size in sizes if size <= job.demand), default=sizes[0])
    pods = max(1, (job.demand + size // 2) // size)
    return replace(job, pods=pods, gpus=size // pool.offer.slices)
