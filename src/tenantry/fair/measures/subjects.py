"""Tenants, queues and the cluster: sets of tenants whose jobs are measured together."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.fair.measures.apart import apart_of
from tenantry.fair.measures.histories import NEVER
from tenantry.fair.measures.result import (
    ALL,
    CLUSTER,
    QUEUE,
    SIZE_CLASSES,
    TENANT,
    Evictions,
    Jobs,
    Measured,
    Shares,
    Spread,
    Waits,
    size_class,
)
from tenantry.fair.measures.spread import bounded_slowdown, spread
from tenantry.fair.replay.log import ACTIONS, NOBODY

if TYPE_CHECKING:
    from collections.abc import Container

    from tenantry.fair.measures.apart import Meeting
    from tenantry.fair.measures.histories import Histories
    from tenantry.fair.measures.tree import Tree
    from tenantry.model.job_table import JobTable

Numbers = list[list[float]]
"""Final numbers and growing ones."""


@dataclass(slots=True)
class Counted:
    """What one tenant's jobs, or those of several, come to.

    Attributes:
        jobs: submitted, finished, unfinished, waiting and impossible jobs.
        first: seconds to the first run, by size class.
        total: seconds waited in all, by size class.
        slowdown: bounded slowdowns.
        evicted: jobs that were evicted.
        members: positions of the jobs, in order; of one tenant only.
        meeting: jobs here and in a static partition, if there was one.
    """

    jobs: list[int] = field(default_factory=lambda: [0] * 5)
    first: list[Numbers] = field(default_factory=lambda: [[[], []] for _ in SIZE_CLASSES])
    total: list[Numbers] = field(default_factory=lambda: [[[], []] for _ in SIZE_CLASSES])
    slowdown: Numbers = field(default_factory=lambda: [[], []])
    evicted: int = 0
    members: array[int] = field(default_factory=lambda: array("q"))
    meeting: Meeting | None = None

    def sort(self) -> None:
        """Sort all numbers."""
        for numbers in (*self.first, *self.total, self.slowdown):
            for values in numbers:
                values.sort()


def count_jobs(histories: Histories, table: JobTable, end: int, impossible: Container[int]) -> dict[int, Counted]:
    """Return what the jobs of every tenant come to, by position of the tenant."""
    counted: dict[int, Counted] = {}
    first, finish, waited = histories.first, histories.end, histories.waited
    submit, duration, tenant = table.submit, table.duration, table.tenant
    for job, gpus in enumerate(histories.gpus):
        if not gpus:
            continue
        own = counted.get(tenant[job])
        if own is None:
            own = counted[tenant[job]] = Counted()
        own.members.append(job)
        jobs = own.jobs
        jobs[0] += 1
        if job in impossible:
            jobs[4] += 1
            continue
        ran, ended, size = first[job], finish[job], size_class(gpus)
        over = ended != NEVER
        jobs[1 if over else 2 if ran != NEVER else 3] += 1
        own.first[size][ran == NEVER].append((end if ran == NEVER else ran) - submit[job])
        own.total[size][not over].append(waited[job])
        own.slowdown[not over].append(bounded_slowdown((ended if over else end) - submit[job], duration[job]))
        own.evicted += bool(histories.evicted[job])
    for own in counted.values():
        own.sort()
    return counted


def together(parts: Sequence[Counted]) -> Counted:
    """Return what jobs of several tenants come to."""
    if len(parts) == 1:
        return parts[0]
    whole = Counted(jobs=[sum(each) for each in zip(*(part.jobs for part in parts), strict=True)] or [0] * 5)
    whole.evicted = sum(part.evicted for part in parts)
    for part in parts:
        pairs = zip(
            (*whole.first, *whole.total, whole.slowdown), (*part.first, *part.total, part.slowdown), strict=True
        )
        for numbers, more in pairs:
            numbers[0] += more[0]
            numbers[1] += more[1]
    whole.sort()
    return whole


def waits(counted: Counted) -> tuple[Waits, ...]:
    """Return waits by size class, all sizes first."""
    rows = []
    for position, size in enumerate((ALL, *SIZE_CLASSES)):
        pair = [_all(numbers) if size == ALL else numbers[position - 1] for numbers in (counted.first, counted.total)]
        rows.append(Waits(size, *(spread(*numbers) for numbers in pair)))
    return tuple(rows)


def _all(classes: Sequence[Numbers]) -> Numbers:
    return [sorted(value for numbers in classes for value in numbers[final]) for final in (0, 1)]


def evictions(histories: Histories, tenants: Container[int], jobs: int) -> Evictions:
    """Return evictions of and for the jobs of some tenants."""
    suffered, caused = dict.fromkeys(ACTIONS, 0), dict.fromkeys(ACTIONS, 0)
    lost = to_others = cost = 0
    for (victim, causer, action), (count, amount) in histories.evictions.items():
        if victim in tenants:
            suffered[ACTIONS[action]] += count
            lost += amount
            if causer != NOBODY and causer not in tenants:
                to_others += amount
        elif causer in tenants:
            caused[ACTIONS[action]] += count
            cost += amount
    return Evictions(suffered, caused, jobs, lost, to_others, cost)


class Subjects:
    """Measures of tenants, queues and the cluster."""

    def __init__(
        self, histories: Histories, table: JobTable, tree: Tree, counted: dict[int, Counted], shares: Sequence[Shares]
    ) -> None:
        self._histories, self._table, self._tree = histories, table, tree
        self._counted, self._shares = counted, shares
        self._known: dict[tuple[int, ...], tuple[Counted, tuple[Waits, ...], Spread | None]] = {}
        below: dict[int, list[int]] = {}
        for tenant in sorted(counted):
            leaf = tree.leaf_of[tenant]
            for position in tree.paths[leaf] if leaf is not None else ():
                below.setdefault(position, []).append(tenant)
        self._below = below

    def cluster(self) -> Measured:
        """Measure all jobs together."""
        return self._measured(CLUSTER, "", tuple(sorted(self._counted)))

    def tenants(self) -> tuple[Measured, ...]:
        """Measure every tenant with jobs."""
        return tuple(self._tenant(tenant) for tenant in sorted(self._counted))

    def _tenant(self, tenant: int) -> Measured:
        leaf = self._tree.leaf_of[tenant]
        alone = leaf is not None and self._below[leaf] == [tenant]
        shares = self._shares[leaf] if leaf is not None and alone else None
        queue = self._tree.names[leaf] if leaf is not None else ""
        return self._measured(TENANT, self._table.tenants[tenant], (tenant,), shares, parent=queue)

    def queues(self) -> tuple[Measured, ...]:
        """Measure every queue."""
        tree, rows = self._tree, []
        for position, name in enumerate(tree.names):
            tenants, parent = tuple(self._below.get(position, ())), tree.queues[position].parent
            rows.append(self._measured(QUEUE, name, tenants, self._shares[position], parent=parent, position=position))
        return tuple(rows)

    def _measured(
        self,
        kind: str,
        name: str,
        tenants: tuple[int, ...],
        shares: Shares | None = None,
        *,
        parent: str = "",
        position: int | None = None,
    ) -> Measured:
        if tenants not in self._known:
            own = together([self._counted[tenant] for tenant in tenants])
            self._known[tenants] = own, waits(own), spread(*own.slowdown)
        own, waited, slowdown = self._known[tenants]
        meetings = [meeting for tenant in tenants if (meeting := self._counted[tenant].meeting) is not None]
        return Measured(
            kind=kind,
            name=name,
            parent=parent,
            level=len(self._tree.paths[position]) - 1 if position is not None else 0,
            leaf=position is not None and self._tree.is_leaf(position),
            tenants=tuple(self._table.tenants[tenant] for tenant in tenants),
            jobs=Jobs(*own.jobs),
            waits=waited,
            slowdown=slowdown,
            evictions=evictions(self._histories, set(tenants), own.evicted),
            shares=shares,
            apart=apart_of(meetings, self._table),
        )
