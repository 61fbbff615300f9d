"""What one tenant may see: its own names, and numbers in place of the names of others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tenantry.fair.measures.result import QUEUE, TENANT, Measured
from tenantry.fair.measures.timeline import QueueSeries
from tenantry.fair.measures.told import FairFinding, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.fair.measures.gantt import Gantt, Segment
    from tenantry.fair.measures.named import NamedResult, Report
    from tenantry.fair.measures.result import Cause, Result
    from tenantry.fair.measures.timeline import Timeline

JOB = "job"

_Q = TypeVar("_Q", Measured, QueueSeries)


class Disguise:
    """Other names for tenants, queues and jobs of others: the same name always gets the same other one.

    Numbers follow GPU-time held, then jobs, so that they say nothing about names.
    """

    def __init__(self, results: Sequence[NamedResult], tenant: str) -> None:
        """Choose names.

        Args:
            results: everything that will be shown.
            tenant: the tenant that may see its own names, and those of its queue and the queues above.

        Raises:
            ValueError: if no result has the tenant.
        """
        owners = {each.name: each for named in results for each in named.result.tenants if each.name == tenant}
        if not owners:
            raise ValueError(f"there is no tenant {tenant!r} in what was replayed")
        self.tenant = tenant
        queues = {each.name: each.parent for named in results for each in named.result.queues}
        self._queues = set(self._path(owners[tenant].parent, queues))
        self._own = {tenant, *self._queues}
        self._names: dict[tuple[str, str], str] = {}
        self._counts = {TENANT: 0, QUEUE: 0, JOB: 0}
        for kind in (TENANT, QUEUE):
            for name in _by_size(results, kind):
                if name not in self._own:
                    self._other(kind, name)
        self._given = {name: number for number, name in enumerate(self._names.values())}

    def _path(self, queue: str, parents: dict[str, str]) -> Iterator[str]:
        while queue:
            yield queue
            queue = parents.get(queue, "")

    def _other(self, kind: str, name: str) -> str:
        """Return the other name of something of others, a new one if it has none yet."""
        known = self._names.get((kind, name))
        while known is None:
            self._counts[kind] += 1
            wanted = f"other-{kind}-{self._counts[kind]}"
            if wanted not in self._own:
                known = self._names[kind, name] = wanted
        return known

    def tenant_name(self, name: str) -> str:
        """Return what a tenant is called."""
        return name if name in {self.tenant, ""} else self._other(TENANT, name)

    def queue_name(self, name: str) -> str:
        """Return what a queue is called."""
        return name if name in self._queues or not name else self._other(QUEUE, name)

    def job_name(self, name: str, tenant: str) -> str:
        """Return what a job of a tenant is called."""
        return name if tenant == self.tenant or not name else self._other(JOB, name)

    def ref(self, ref: Ref) -> Ref:
        """Return a name in a sentence as it is to be read."""
        if ref.kind == TENANT:
            return Ref(TENANT, self.tenant_name(ref.name))
        if ref.kind == QUEUE:
            return Ref(QUEUE, self.queue_name(ref.name))
        return Ref(ref.kind, self.job_name(ref.name, ref.tenant), self.tenant_name(ref.tenant))

    def order(self, name: str) -> tuple[int, str]:
        """Order of names after renaming: own ones first, then by number."""
        return (self._given.get(name, -1), name)


def _by_size(results: Sequence[NamedResult], kind: str) -> list[str]:
    sizes: dict[str, tuple[int, int, str]] = {}
    for named in results:
        for each in named.result.tenants if kind == TENANT else named.result.queues:
            held = each.shares.held if each.shares is not None else 0
            sizes.setdefault(each.name, (-held, -each.jobs.submitted, each.name))
    return sorted(sizes, key=sizes.__getitem__)


def hide_others(results: Sequence[NamedResult], tenant: str) -> list[NamedResult]:
    """Return the same results with tenants, queues and jobs of others renamed, alike in all of them.

    Names of the scenarios, schedulers and notes stay as they are.

    Raises:
        ValueError: if no result has the tenant.
    """
    disguise = Disguise(results, tenant)
    return [disguised(named, disguise) for named in results]


HIDDEN_FINDINGS = "what was found in the trace and the scenarios is not shown, as it may name other tenants"


def hide_others_in(report: Report, tenant: str) -> Report:
    """Return a report with tenants, queues and jobs of others renamed, alike in all its node pools.

    Findings of the trace and the scenarios are sentences of which nobody knows what they name; they are left out, and
    a note says so. Titles and notes stay as they are.

    Raises:
        ValueError: if no result has the tenant.
    """
    disguise = Disguise([named for pool in report.pools for named in pool.results], tenant)
    pools = tuple(
        replace(pool, results=tuple(disguised(named, disguise) for named in pool.results)) for pool in report.pools
    )
    notes = (*report.notes, HIDDEN_FINDINGS) if report.findings else report.notes
    return replace(report, pools=pools, notes=notes, findings=())


def disguised(named: NamedResult, disguise: Disguise) -> NamedResult:
    """Return one result with the names of a disguise."""
    timeline = None if named.timeline is None else _timeline(named.timeline, disguise)
    gantts = tuple(_gantt(each, disguise) for each in named.gantts)
    return replace(named, result=_result(named.result, disguise), timeline=timeline, gantts=gantts)


def _result(result: Result, disguise: Disguise) -> Result:
    fairness = result.fairness
    return replace(
        result,
        cluster=_measured(result.cluster, disguise),
        fairness=replace(
            fairness,
            worst_queue=disguise.queue_name(fairness.worst_queue),
            without_backlog=_sorted(map(disguise.queue_name, fairness.without_backlog), disguise),
            nothing_due=_sorted(map(disguise.queue_name, fairness.nothing_due), disguise),
        ),
        tenants=tuple(
            sorted((_measured(each, disguise) for each in result.tenants), key=lambda each: disguise.order(each.name))
        ),
        queues=_in_order([_measured(each, disguise) for each in result.queues], disguise),
        left_out=_causes(result.left_out, disguise),
        never=_causes(result.never, disguise),
        findings=tuple(sorted((_finding(each, disguise) for each in result.findings), key=FairFinding.sort_key)),
    )


def _sorted(names: Iterable[str], disguise: Disguise) -> tuple[str, ...]:
    return tuple(sorted(names, key=disguise.order))


def _measured(measured: Measured, disguise: Disguise) -> Measured:
    rename = disguise.tenant_name if measured.kind == TENANT else disguise.queue_name
    apart = measured.apart
    if apart is not None:
        job = disguise.job_name(apart.worst_job, apart.worst_tenant)
        apart = replace(apart, worst_job=job, worst_tenant=disguise.tenant_name(apart.worst_tenant))
    return replace(
        measured,
        name=rename(measured.name),
        parent=disguise.queue_name(measured.parent),
        tenants=_sorted(map(disguise.tenant_name, measured.tenants), disguise),
        apart=apart,
    )


def _in_order(queues: Sequence[_Q], disguise: Disguise) -> tuple[_Q, ...]:
    """Put queues before those below them again, siblings by their new names."""
    below: dict[str, list[_Q]] = {}
    for queue in sorted(queues, key=lambda each: disguise.order(each.name), reverse=True):
        below.setdefault(queue.parent, []).append(queue)
    placed, waiting = [], list(below.get("", []))
    while waiting:
        placed.append(queue := waiting.pop())
        waiting += below.get(queue.name, [])
    return tuple(placed)


def _causes(causes: Iterable[Cause], disguise: Disguise) -> tuple[Cause, ...]:
    renamed = [
        replace(each, tenant=disguise.tenant_name(each.tenant), first=disguise.job_name(each.first, each.tenant))
        for each in causes
    ]
    return tuple(sorted(renamed, key=lambda each: (disguise.order(each.tenant), each.reason)))


def _finding(finding: FairFinding, disguise: Disguise) -> FairFinding:
    subject = None if finding.subject is None else disguise.ref(finding.subject)
    return replace(finding, subject=subject, message=finding.message.renamed(disguise.ref))


def _timeline(timeline: Timeline, disguise: Disguise) -> Timeline:
    queues = [
        replace(each, name=disguise.queue_name(each.name), parent=disguise.queue_name(each.parent))
        for each in timeline.queues
    ]
    return replace(timeline, queues=_in_order(queues, disguise))


def _gantt(gantt: Gantt, disguise: Disguise) -> Gantt:
    return replace(
        gantt,
        job=disguise.job_name(gantt.job, gantt.tenant),
        tenant=disguise.tenant_name(gantt.tenant),
        queue=disguise.queue_name(gantt.queue),
        segments=tuple(_segment(each, disguise) for each in gantt.segments),
    )


def _segment(segment: Segment, disguise: Disguise) -> Segment:
    return replace(
        segment,
        by=disguise.job_name(segment.by, segment.by_tenant),
        by_tenant=disguise.tenant_name(segment.by_tenant),
    )
