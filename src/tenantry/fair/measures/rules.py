"""What deserves attention in a replay: one function per rule, in one tuple."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.fair.measures.histories import NEVER
from tenantry.fair.measures.result import QUEUE, TENANT, Cause, Measured, Stretch, Window
from tenantry.fair.measures.told import FairFinding, Ref, Told
from tenantry.fair.measures.words import hours, some, span
from tenantry.fair.replay.driver import STUCK_AFTER
from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from tenantry.fair.measures.histories import Histories
    from tenantry.model.job_table import JobTable

JOB = "job"

STARVED_AFTER = 3600
"""Seconds without a break after which a queue below what it is due is said to starve: reclaiming takes minutes."""
OWED_AFTER = 3600
"""The same for a quota."""
FRUITLESS = 3
"""Evictions of a job in a row without work kept in between that are called a loop."""
MUTUAL = 4
"""Evictions between two jobs, both ways together, that are called a loop."""
APART_ABOVE = 1.05
"""How much longer waits and slowdowns have to be than in a static partition for it to be called better."""
APART_SECONDS = 60
"""How many seconds longer the mean wait has to be as well."""


@dataclass(frozen=True, slots=True)
class View:
    """What rules look at.

    Attributes:
        window: the time measured.
        tenants: measures of tenants.
        queues: measures of queues.
        left_out: jobs that were not replayed.
        never: jobs that can never run.
        histories: what became of every job.
        table: the jobs.
        members: positions of the jobs of every tenant, in order.
    """

    window: Window
    tenants: tuple[Measured, ...]
    queues: tuple[Measured, ...]
    left_out: tuple[Cause, ...]
    never: tuple[Cause, ...]
    histories: Histories
    table: JobTable
    members: Mapping[str, Sequence[int]]

    def job(self, index: int) -> Ref:
        """Name a job."""
        return Ref(JOB, self.table.name(index), self.table.tenants[self.table.tenant[index]])


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing a rule found.

    Attributes:
        subject: whom it concerns; None for the whole replay.
        message: what happened and what follows from it.
        weight: how much of it there is; larger is worse.
        fix: the smallest change that may help.
    """

    subject: Ref | None
    message: Told
    weight: int = 0
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with its identity.

    Attributes:
        id: stable identifier, ``FAIR-<WHAT>``.
        severity: severity of what it finds.
        title: one line: what is so when it fires.
        why: when exactly it fires, and what follows.
        source: where the notion comes from.
        check: the function.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    check: Callable[[View], Iterable[Hit]]

    def __call__(self, view: View) -> Iterator[FairFinding]:
        """Run the check."""
        for hit in self.check(view):
            yield FairFinding(self.id, self.severity, hit.subject, hit.message, hit.fix, hit.weight)


def find(view: View) -> tuple[FairFinding, ...]:
    """Return what all rules find, worst first."""
    return tuple(sorted((found for rule in RULES for found in rule(view)), key=FairFinding.sort_key))


# Shares --------------------------------------------------------------------------------------------------------------


def _starvation(view: View) -> Iterator[Hit]:
    for queue in view.queues:
        shares = queue.shares
        if shares is None or shares.starved is None or shares.starved.length < STARVED_AFTER:
            continue
        if shares.starved == shares.owed:
            continue  # said of its quota already, which is more
        stretch, total = shares.starved, shares.starved_seconds or 0
        who, refs = _waited_through(view, queue, stretch)
        message = Told(
            f"{who} that fits into what queue {{0}} was due waited for {span(stretch.length)} without a break, from "
            f"{span(stretch.start)} after the first submission; it was so for {span(total)} in all, and the queue went "
            f"without {hours(shares.loss)} it was due",
            refs,
        )
        fix = (
            "see what stood in the way: limits, minimum run times, jobs that may not be evicted, or fragments on nodes"
        )
        yield Hit(refs[0], message, stretch.length, fix)


def _owed(view: View) -> Iterator[Hit]:
    for queue in view.queues:
        shares = queue.shares
        if shares is None or shares.owed is None or shares.owed.length < OWED_AFTER:
            continue
        who, refs = _waited_through(view, queue, shares.owed)
        always = shares.owed_seconds == shares.backlog_seconds
        often = "whenever it had jobs that waited" if always else f"for {span(shares.owed_seconds or 0)} in all"
        satisfied = shares.satisfaction
        message = Told(
            f"{who} that fits into the quota of queue {{0}} waited for {span(shares.owed.length)} without a break, "
            f"from {span(shares.owed.start)} after the first submission; it was so {often}. The queue held "
            f"{100 * (satisfied or 0.0):.1f} % of the quota it asked for",
            refs,
        )
        fix = (
            "quotas that add up to more than the cluster cannot all be met; else let jobs above their quota be evicted"
        )
        yield Hit(refs[0], message, shares.owed.length, fix)


def _waited_through(view: View, queue: Measured, stretch: Stretch) -> tuple[str, tuple[Ref, ...]]:
    """Name the smallest, then earliest job of a queue that waited for its first run all through a stretch."""
    histories, table, owner = view.histories, view.table, Ref(QUEUE, queue.name)
    best = None
    for tenant in queue.tenants:
        jobs = view.members[tenant]
        for job in jobs[: bisect_right(jobs, stretch.start, key=table.submit.__getitem__)]:
            ran, gpus = histories.first[job], histories.gpus[job]
            if (ran == NEVER or ran >= stretch.end) and (best is None or gpus < histories.gpus[best]):
                best = job
    return ("a job", (owner,)) if best is None else ("a job such as {1}", (owner, view.job(best)))


# Evictions -----------------------------------------------------------------------------------------------------------


def _loops(view: View) -> Iterator[Hit]:
    """Group jobs in loops by tenant: one evicted again and again, or two that evict each other."""
    histories, found = view.histories, dict[int, list[int]]()
    for job, row in enumerate(histories.fruitless):
        wasted = row >= FRUITLESS or histories.lost[job] > view.table.duration[job]
        if wasted and histories.evicted[job] >= FRUITLESS:
            found.setdefault(view.table.tenant[job], []).append(job)
    for tenant, jobs in sorted(found.items()):
        worst = max(jobs, key=lambda job: (histories.evicted[job], histories.lost[job], -job))
        lost = sum(histories.lost[job] * histories.gpus[job] for job in jobs)
        message = Told(
            f"{some(len(jobs), 'job')} of tenant {{0}}, evicted {FRUITLESS} times or more, kept no work in between or "
            f"lost more than there was to do; {hours(lost)} of work were lost. Worst is {{1}} with "
            f"{some(histories.evicted[worst], 'eviction')}",
            (owner := Ref(TENANT, view.table.tenants[tenant]), view.job(worst)),
        )
        yield Hit(owner, message, lost, "give these jobs a minimum run time above their checkpoint interval")
    yield from _mutual(view)


def _mutual(view: View) -> Iterator[Hit]:
    pairs = view.histories.pairs
    loops = [
        (count + back, job, cause)
        for (job, cause), count in pairs.items()
        if job < cause and (back := pairs.get((cause, job), 0)) and count + back >= MUTUAL
    ]
    if not loops:
        return
    count, job, cause = min(loops, key=lambda loop: (-loop[0], *loop[1:]))
    message = Told(
        f"{some(len(loops), 'pair')} of jobs evicted each other {MUTUAL} times or more; {{0}} and {{1}} did so "
        f"{count} times",
        (view.job(job), view.job(cause)),
    )
    yield Hit(None, message, count, "give the queues of these jobs a minimum run time")


# Jobs ----------------------------------------------------------------------------------------------------------------


def _never_runs(view: View) -> Iterator[Hit]:
    for cause in view.never:
        owner, first = Ref(TENANT, cause.tenant), Ref(JOB, cause.first, cause.tenant)
        each = "the job" if cause.count == 1 else "each"
        message = Told(
            f"{some(cause.count, 'job')} of tenant {{0}} can never run, {{1}} the first: {each} {cause.reason}",
            (owner, first),
        )
        yield Hit(owner, message, cause.count, "split the job, or change what bounds it")


def _left_out(view: View) -> Iterator[Hit]:
    for cause in view.left_out:
        owner, first = Ref(TENANT, cause.tenant), Ref(JOB, cause.first, cause.tenant)
        each = "the job" if cause.count == 1 else "each"
        message = Told(
            f"{some(cause.count, 'job')} of tenant {{0}} {'is' if cause.count == 1 else 'are'} in the trace but not in "
            f"the replay, {{1}} the first: {each} {cause.reason}",
            (owner, first),
        )
        yield Hit(owner, message, cause.count)


def _unfinished(view: View) -> Iterator[Hit]:
    for tenant in view.tenants:
        running, waiting = tenant.jobs.unfinished, tenant.jobs.waiting
        if running + waiting:
            owner = Ref(TENANT, tenant.name)
            message = Told(
                f"{some(running + waiting, 'job')} of tenant {{0}} had not finished when the replay ended after "
                f"{span(view.window.end)}, {waiting:,} of them never ran; their waits and slowdowns are lower bounds",
                (owner,),
            )
            yield Hit(owner, message, running + waiting)


# The replay ----------------------------------------------------------------------------------------------------------


def _stuck(view: View) -> Iterator[Hit]:
    if view.window.stuck:
        message = Told(
            f"the replay was given up after {span(view.window.end)}: jobs evicted each other more than "
            f"{STUCK_AFTER:,} times without one that came or ended"
        )
        yield Hit(None, message, fix="give queues a minimum run time, or turn consolidation off")


def _better_apart(view: View) -> Iterator[Hit]:
    for tenant in view.tenants:
        apart = tenant.apart
        if apart is None or apart.wait_here is None or apart.wait_apart is None or apart.slowdown_ratio is None:
            continue
        longer = apart.wait_here - apart.wait_apart
        if (
            longer >= APART_SECONDS
            and apart.wait_here > APART_ABOVE * apart.wait_apart
            and apart.slowdown_ratio > APART_ABOVE
        ):
            owner = Ref(TENANT, tenant.name)
            message = Told(
                f"tenant {{0}} would be better off with its part of the cluster for itself: its jobs wait "
                f"{span(apart.wait_here)} on average instead of {span(apart.wait_apart)}, and their mean bounded "
                f"slowdown is {apart.slowdown_ratio:.2f} times as large",
                (owner,),
            )
            yield Hit(owner, message, round(longer), "raise its quota or its over-quota weight")


_KAI = "KAI scheduler, plugins/proportion (v0.17): what a queue is due it may reclaim"

RULES = (
    Rule(
        "FAIR-STUCK", Severity.ERROR, "the replay ended in a circle of evictions",
        f"More than {STUCK_AFTER:,} evictions without a job that came or ended. Everything measured is of the time "
        "before.",
        "property of the replay", _stuck,
    ),
    Rule(
        "FAIR-QUOTA-UNMET", Severity.ERROR, "a guarantee did not hold",
        f"A job that would have fitted into the quota of its queue waited for {span(OWED_AFTER)} or longer without a "
        "break. Jobs too large for what is left of the quota do not count.",
        "quota satisfaction; " + _KAI, _owed,
    ),
    Rule(
        "FAIR-STARVATION", Severity.WARNING, "a queue stayed below what it was due",
        f"A job waited that would have fitted into what its queue was due and did not hold, for {span(STARVED_AFTER)} "
        "or longer without a break. Jobs too large for the difference do not count.",
        "share loss; " + _KAI, _starvation,
    ),
    Rule(
        "FAIR-EVICTION-LOOP", Severity.WARNING, "evictions destroy work again and again",
        f"A job was evicted {FRUITLESS} times or more and kept no work between as many in a row, or lost more work "
        f"than there was to do; or two jobs evicted each other {MUTUAL} times or more in all.",
        "lost work per GPU-hour; Google ML goodput, wasted progress from disruption", _loops,
    ),
    Rule(
        "FAIR-NEVER-RUNS", Severity.WARNING, "jobs that can never run",
        "A job asks for more than any node, all nodes, the limit of a queue or, where it may not be evicted, the quota "
        "of a queue. It counts for no demand and no wait.",
        "KAI scheduler, plugins/proportion/capacity_policy and plugins/nodeplacement", _never_runs,
    ),
    Rule(
        "FAIR-BETTER-APART", Severity.WARNING, "a tenant would be better off without sharing",
        f"Its jobs wait more than {APART_ABOVE} times as long as in a static partition, {APART_SECONDS} s longer at "
        f"least, and their mean bounded slowdown is more than {APART_ABOVE} times as large.",
        "sharing incentive: Ghodsi et al., NSDI 2011; Themis, NSDI 2020", _better_apart,
    ),
    Rule(
        "FAIR-UNFINISHED", Severity.INFO, "jobs that had not finished at the end",
        "The replay ended with jobs that could still run. What they waited until then counts.",
        "property of the replay", _unfinished,
    ),
    Rule(
        "FAIR-LEFT-OUT", Severity.INFO, "jobs of the trace that were not replayed",
        "They take no part in anything measured.",
        "property of the replay", _left_out,
    ),
)  # fmt: skip
"""All rules, worst first."""
