"""Sends the jobs of a trace to the node pools of a platform, and says of those left out why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.app.job_source import TOLD_EVERY
from tenantry.errors import InputError
from tenantry.fair.routing import ANYBODY, Aside, Change, Note, Router
from tenantry.model.finding import Finding, Severity
from tenantry.model.job_table import JobTable
from tenantry.model.problem import Location, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.app.scheduling import Scheduling
    from tenantry.fair.routing import Noted
    from tenantry.model.trace import TraceJob

SHOWN = 5
"""Names shown where there may be many."""

HOUR = 3_600_000
"""Milli-GPU-seconds of a GPU-hour."""

_WORDS: dict[Aside | Change, tuple[Severity, str, str]] = {
    Aside.NO_GPU: (Severity.INFO, "ask for no GPU and are left out", ""),
    Aside.NO_DURATION: (Severity.WARNING, "have no run time in the trace and are left out", ""),
    Aside.ODD_SIZE: (Severity.WARNING, "ask for a part of several GPUs in one pod and are left out", ""),
    Aside.UNKNOWN_TENANT: (
        Severity.WARNING,
        "are of a tenant that the spec does not have and are left out",
        "say with --tenants which tenant of the spec it is",
    ),
    Aside.OTHER_POOL: (Severity.INFO, "demand GPUs of another node pool and are left out", ""),
    Aside.NO_QUEUE: (
        Severity.WARNING,
        "are of a tenant without a quota there and are left out",
        "give the tenant a quota in the pool",
    ),
    Aside.REFUSED_POOL: (Severity.WARNING, "belong into a node pool that is not simulated and are left out", ""),
    Aside.NO_INSTANCE: (
        Severity.WARNING,
        "ask for more than any MIG instance their tenant may have and are left out",
        "give the tenant a quota of larger instances, or of whole GPUs",
    ),
    Aside.NEVER_STARTS: (
        Severity.WARNING,
        "can never start and are left out",
        "raise the limit, or submit smaller jobs",
    ),
    Change.MODEL: (Severity.INFO, "demand a GPU model that no node pool has, and run on what their tenant has", ""),
    Change.PRIORITY: (Severity.INFO, "have a priority that their tenant may not use, and run at the next lower", ""),
}
"""Severity, what happened to the jobs, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Routed:
    """The jobs of every pool.

    Attributes:
        tables: jobs by pool; pools without jobs are missing.
        notes: what was left out or changed, and how often.
        jobs: jobs there were.
    """

    tables: Mapping[str, JobTable]
    notes: Mapping[Note, Noted]
    jobs: int

    @property
    def left_out(self) -> int:
        """Jobs that are not replayed."""
        return self.jobs - sum(len(table) for table in self.tables.values())


def routed(
    table: JobTable,
    platform: Scheduling,
    tenants: Mapping[str, str],
    *,
    only: str = "",
    told: Callable[[int], None] | None = None,
) -> Routed:
    """Send jobs to node pools.

    Args:
        table: the jobs.
        platform: the platform.
        tenants: tenant of the platform by tenant of the trace.
        only: the only node pool of interest; empty for all.
        told: told now and then how many jobs were looked at.
    """
    router = Router([pool.offer for pool in platform.pools], tenants=tenants, priorities=platform.priorities, only=only)
    tables = JobTable.build_parts(_placed(table, router, told))
    return Routed(tables, router.notes, len(table))


def _placed(table: JobTable, router: Router, told: Callable[[int], None] | None) -> Iterator[tuple[str, TraceJob]]:
    names = [offer.name for offer in router.offers]
    for number, job in enumerate(table, start=1):
        placed = router.route(job)
        if placed is not None:
            yield names[placed[0]], placed[1]
        if told is not None and not number % TOLD_EVERY:
            told(number)


def require_known(names: Sequence[str], known: Sequence[str], tenants: Mapping[str, str], title: str) -> None:
    """Refuse a trace of which no tenant is one of the platform.

    Args:
        names: tenants of the trace.
        known: tenants of the platform.
        tenants: tenant of the platform by tenant of the trace.
        title: what the trace is, in words.

    Raises:
        InputError: with the names nearest to each other.
    """
    if ANYBODY in tenants or any(name in tenants for name in names):
        return
    near = [f"{name!r} is near {other!r}" for name in names if (other := nearest_name(name, known))]
    raise InputError(
        f"{title}: none of its tenants ({_some(names)}) is a tenant of the spec ({', '.join(known)})"
        f"{f'; {_some(near)}' if near else ''}; say with --tenants who is who"
    )


def require_some(found: Routed, title: str) -> None:
    """Refuse a trace of which no job can be replayed, and say what is against it.

    Raises:
        InputError: if there is nothing to replay.
    """
    if found.tables:
        return
    reasons = sorted(found.notes.items(), key=lambda item: (-item[1].count, item[0]))
    told = "; ".join(f"{noted.count} jobs {_said(note)}" for note, noted in reasons if isinstance(note.kind, Aside))
    raise InputError(f"{title}: none of {found.jobs} jobs can be replayed: {told or 'there are none'}")


def why_left_out(job: TraceJob, platform: Scheduling, tenants: Mapping[str, str], only: str = "") -> str:
    """Return why a job goes to no node pool, a sentence's end about jobs like it; empty when it goes to one.

    Args:
        job: the job, as the trace has it.
        platform: the platform.
        tenants: tenant of the platform by tenant of the trace.
        only: the only node pool of interest; empty for all.
    """
    router = Router([pool.offer for pool in platform.pools], tenants=tenants, priorities=platform.priorities, only=only)
    router.route(job)
    return next((_said(note) for note in router.notes if isinstance(note.kind, Aside)), "")


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _said(note: Note) -> str:
    where = f" (tenant {note.about})" if note.about else ""
    return f"{_WORDS[note.kind][1]}{where}{f': {note.detail}' if note.detail else ''}"


def routing_findings(found: Routed, place: Location, scenario: str = "") -> Iterable[Finding]:
    """Yield what was left out or changed, a finding each.

    Args:
        found: the jobs that were sent.
        place: file they come from.
        scenario: scenario they were sent in; empty for the spec as it is.
    """
    where = f", scenario {scenario}" if scenario else ""
    for note, noted in sorted(found.notes.items()):
        severity, what, fix = _WORDS[note.kind]
        about = f"tenant {note.about}" if note.about else "jobs"
        pool = f" in node pool {note.pool}" if note.pool else ""
        detail = f": {note.detail}" if note.detail else ""
        hours = noted.gpu_time / HOUR
        yield Finding(
            f"SIM-{note.kind.value.upper()}",
            severity,
            f"{about}{pool}{where}",
            f"{noted.count:,} jobs ({hours:,.1f} GPU-hours) {what}{detail}; the first is {noted.first}",
            place,
            fix=fix,
        )
