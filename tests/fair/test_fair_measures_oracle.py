"""Every measure against a plain walk through the same log, second by second."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import naive_measures as naive
from hypothesis import HealthCheck, given, settings
from replayed import Replayed, replays

from tenantry.fair.measures import study
from tenantry.fair.measures.never import Never
from tenantry.fair.measures.result import ALL
from tenantry.fair.measures.tree import Tree
from tenantry.fair.replay.log import ACTIONS, NOBODY
from tenantry.fair.replay.work import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.fair.measures.named import NamedResult
    from tenantry.fair.measures.result import Apart, Measured, Spread
    from tenantry.fair.measures.timeline import Series

MEASURED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
BUCKETS = 7


def measured(made: Replayed) -> tuple[NamedResult, naive.Naive, set[int]]:
    named = study("it", made.log, made.table, made.setup, isolated=made.apart, buckets=BUCKETS)
    submitted = {row.job for row in made.log}
    placed = {row.job for row in made.log if row.happening == 1}
    never = Never(made.setup, made.table, Tree(made.setup, made.table))
    impossible = {job for job in submitted - placed if never.reason(job) is not None}
    return named, naive.walk(made.log, made.table, made.setup, impossible), impossible


@MEASURED
@given(replays())
def test_shares_are_the_sums_over_all_seconds(made: Replayed) -> None:
    named, found, _ = measured(made)
    for queue in named.result.queues:
        name, shares, bound = queue.name, queue.shares, naive.quota(queue.name, made.setup)
        assert shares is not None
        demand, held = [each.demand[name] for each in found.moments], [each.held[name] for each in found.moments]
        due = [each.due[name] for each in found.moments]
        waits = [asked > has for asked, has in zip(demand, held, strict=True)]
        rows = list(zip(demand, held, due, waits, strict=True))
        assert shares.quota == bound
        assert shares.demand == sum(demand)
        assert shares.held == sum(held)
        assert shares.due == sum(due)
        assert shares.asked_quota == sum(min(bound, asked) for asked in demand)
        assert shares.kept_quota == sum(min(has, bound, asked) for asked, has, _, _ in rows)
        assert shares.loss == sum(max(0, owed - has) for _, has, owed, _ in rows)
        assert shares.over == sum(max(0, has - owed) for _, has, owed, _ in rows)
        assert shares.borrowed == sum(max(0, has - bound) for has in held)
        assert shares.backlog_seconds == sum(waits)
        assert shares.backlog_held == sum(has for _, has, _, wait in rows if wait)
        assert shares.backlog_due == sum(owed for _, _, owed, wait in rows if wait)
        lent = sum((each.lent[name] for each in found.moments), Fraction(0))
        assert lent - 1 - len(found.moments) < shares.lent <= lent
        if not queue.leaf:
            assert shares.starved is None
            continue
        smallest = [min(each.need[name], default=math.inf) for each in found.moments]
        for seconds, stretch, whose in (
            (shares.starved_seconds, shares.starved, due),
            (shares.owed_seconds, shares.owed, [bound] * len(due)),
        ):
            flags = [need + has <= most for need, has, most in zip(smallest, held, whose, strict=True)]
            assert seconds == sum(flags)
            assert (None if stretch is None else (stretch.start, stretch.end)) == naive.longest(flags)


@MEASURED
@given(replays())
def test_every_second_of_every_gpu_is_booked_once(made: Replayed) -> None:
    named, found, _ = measured(made)
    result, capacity = named.result, made.setup.capacity
    for booking in (result.busy, result.whole):
        seconds = range(booking.start, booking.end)
        assert booking.capacity == capacity * len(seconds)
        assert booking.allocated + booking.unwanted + booking.too_small + booking.blocked == booking.capacity
        assert _free(found, seconds, capacity) == (booking.unwanted, booking.too_small, booking.blocked)
        labels = dict.fromkeys(("work", "startup", "lost"), 0)
        outcomes = dict.fromkeys(booking.useful, 0)
        for (job, second), label in found.labels.items():
            if second in seconds:
                labels[label] += found.gpus[job]
                if label == "work":
                    outcomes[str(made.table.outcome(job))] += found.gpus[job]
        assert (booking.kept, booking.startup, booking.lost) == tuple(labels.values())
        assert dict(booking.useful) == outcomes
        assert booking.leaving == sum(found.moments[second].leaving for second in seconds)
        assert booking.incomplete >= 0


def _free(found: naive.Naive, seconds: range, capacity: int) -> tuple[int, int, int]:
    unwanted = small = blocked = 0
    for second in seconds:
        each = found.moments[second]
        needs = [need for needs in each.need.values() for need in needs]
        held = sum(amount for name, amount in each.held.items() if name.startswith("q-"))
        waiting = sum(amount for name, amount in each.demand.items() if name.startswith("q-")) - held
        free = capacity - held - each.leaving
        wanted = min(free, waiting)
        unwanted += free - wanted
        if wanted and min(needs) > free:
            small += wanted
        else:
            blocked += wanted
    return unwanted, small, blocked


@MEASURED
@given(replays())
def test_waits_and_slowdowns_are_those_of_the_jobs(made: Replayed) -> None:
    named, found, impossible = measured(made)
    for each in (named.result.cluster, *named.result.tenants, *named.result.queues):
        jobs = [
            job
            for job in found.gpus
            if made.table.tenants[made.table.tenant[job]] in each.tenants and job not in impossible
        ]
        _check_jobs(each, jobs, found, made)
        ends = {job: found.end.get(job, made.log.end) - made.table.submit[job] for job in jobs}
        slowdowns = {job: max(1.0, ends[job] / max(60, made.table.duration[job])) for job in jobs}
        _check(each.slowdown, slowdowns, {job for job in jobs if job not in found.end})
        for waits in each.waits:
            own = [job for job in jobs if waits.size in {ALL, _class(found.gpus[job])}]
            first = {job: found.first.get(job, made.log.end) - made.table.submit[job] for job in own}
            _check(waits.first, first, {job for job in own if job not in found.first})
            _check(waits.total, {job: found.waited[job] for job in own}, {job for job in own if job not in found.end})


def _class(gpus: int) -> str:
    whole = gpus / 1000
    return "1 or less" if whole <= 1 else "2 to 8" if whole <= 8 else "9 to 64" if whole <= 64 else "more than 64"


def _check_jobs(each: Measured, jobs: list[int], found: naive.Naive, made: Replayed) -> None:
    counts = each.jobs
    assert counts.submitted == len(jobs) + counts.impossible
    assert counts.finished == sum(job in found.end for job in jobs)
    assert counts.unfinished == sum(job in found.first and job not in found.end for job in jobs)
    assert counts.waiting == sum(job not in found.first for job in jobs)
    del made


def _check(spread: Spread | None, values: Mapping[int, float], growing: set[int]) -> None:
    if not values:
        assert spread is None
        return
    assert spread is not None
    assert (spread.count, spread.open) == (len(values), len(growing))
    assert math.isclose(spread.mean, math.fsum(values.values()) / len(values))
    # What the growing ones reach in the end may be anything above: a statistic holds if that cannot change it.
    later = [math.inf if job in growing else value for job, value in values.items()]
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99), ("largest", 100)):
        now = naive.percentile(list(values.values()), percent)
        assert getattr(spread, name) == now
        assert (name in spread.at_least) == (naive.percentile(later, percent) != now)
    assert ("mean" in spread.at_least) == bool(growing)


@MEASURED
@given(replays())
def test_evictions_are_counted_for_those_who_suffer_and_those_who_cause_them(made: Replayed) -> None:
    named, found, _ = measured(made)
    tenant_of = {job: made.table.tenants[made.table.tenant[job]] for job in found.gpus}
    for each in (named.result.cluster, *named.result.tenants, *named.result.queues):
        suffered, caused = dict.fromkeys(ACTIONS, 0), dict.fromkeys(ACTIONS, 0)
        lost = others = cost = 0
        for victim, cause, action, seconds in found.evictions:
            amount, own = seconds * found.gpus[victim], tenant_of[victim] in each.tenants
            causes = cause != NOBODY and tenant_of[cause] in each.tenants
            if own:
                suffered[ACTIONS[action]] += 1
                lost += amount
                others += amount if cause != NOBODY and not causes else 0
            elif causes:
                caused[ACTIONS[action]] += 1
                cost += amount
        got = each.evictions
        assert (dict(got.suffered), dict(got.caused)) == (suffered, caused)
        assert (got.lost, got.lost_to_others, got.cost_others) == (lost, others, cost)
        assert got.jobs == len({victim for victim, *_ in found.evictions if tenant_of[victim] in each.tenants})


@MEASURED
@given(replays())
def test_jobs_are_compared_with_the_same_jobs_in_the_partition(made: Replayed) -> None:
    named, found, impossible = measured(made)
    other = naive.walk(made.apart, made.table, made.setup, ())
    for each in (named.result.cluster, *named.result.tenants):
        jobs = [
            job
            for job in found.gpus
            if job in other.gpus
            and job not in impossible
            and made.table.tenants[made.table.tenant[job]] in each.tenants
        ]
        if not jobs:
            assert each.apart is None
            continue
        assert each.apart is not None
        _check_apart(each.apart, jobs, found, other, made)


def _check_apart(apart: Apart, jobs: list[int], found: naive.Naive, other: naive.Naive, made: Replayed) -> None:
    both = [job for job in jobs if job in found.end and job in other.end]
    assert apart.compared == len(both)
    assert apart.only_here == sum(job in found.end and job not in other.end for job in jobs)
    assert apart.only_apart == sum(job not in found.end and job in other.end for job in jobs)
    submit = made.table.submit
    ratios = [
        max(1, found.end.get(job, made.log.end) - submit[job]) / max(1, other.end[job] - submit[job])
        for job in jobs
        if job in other.end
    ]
    assert apart.worst == max(ratios, default=None)
    assert apart.unfair == sum(ratio > 1.05 for ratio in ratios)
    ran = [job for job in jobs if job in found.first and job in other.first]
    if ran:
        assert apart.wait_here == sum(found.first[job] - submit[job] for job in ran) / len(ran)
        assert apart.wait_apart == sum(other.first[job] - submit[job] for job in ran) / len(ran)


@MEASURED
@given(replays())
def test_series_are_means_and_extremes_of_the_seconds_in_each_bucket(made: Replayed) -> None:
    named, found, _ = measured(made)
    timeline = named.timeline
    assert timeline is not None
    edges = timeline.edges
    assert (edges[0], edges[-1]) == (named.result.window.start, named.result.window.end)
    assert len(edges) - 1 <= BUCKETS
    for queue in timeline.queues:
        name = queue.name
        _check_series(queue.held, edges, [each.held[name] for each in found.moments])
        _check_series(queue.due, edges, [each.due[name] for each in found.moments])
        _check_series(queue.waiting, edges, [each.demand[name] - each.held[name] for each in found.moments])
        _check_series(queue.length, edges, [each.length[name] for each in found.moments])
    tops = [queue.name for queue in made.setup.queues if not queue.parent]
    held = [sum(each.held[name] for name in tops) + each.leaving for each in found.moments]
    _check_series(timeline.allocated, edges, held)


def _check_series(series: Series, edges: tuple[int, ...], values: list[int]) -> None:
    assert len(series.mean) == len(series.least) == len(series.most) == len(edges) - 1
    for position, (start, end) in enumerate(pairwise(edges)):
        part = values[start:end]
        assert series.mean[position] == sum(part) / len(part)
        assert (series.least[position], series.most[position]) == (min(part), max(part))


@MEASURED
@given(replays())
def test_what_became_of_a_job_fills_its_time_without_gaps(made: Replayed) -> None:
    named, found, _ = measured(made)
    index = {made.table.name(job): job for job in found.gpus}
    for gantt in named.gantts:
        job = index[gantt.job]
        if found.end.get(job, made.log.end) == made.table.submit[job]:
            assert not gantt.segments
            continue
        assert gantt.segments[0].start == made.table.submit[job]
        assert gantt.segments[-1].end == found.end.get(job, made.log.end)
        for one, following in pairwise(gantt.segments):
            assert one.end == following.start
        runs = sum(each.end - each.start for each in gantt.segments if each.state == "runs")
        assert runs == sum(owner == job for owner, _ in found.labels)
        last = sum(row.detail for row in made.log if row.job == job and row.time == made.log.end and row.happening == 4)
        assert sum(each.lost for each in gantt.segments) == found.lost[job] - last


@MEASURED
@given(replays())
def test_no_job_of_the_trace_is_lost_silently(made: Replayed) -> None:
    named, found, impossible = measured(made)
    result, table = named.result, made.table
    left_out = sum(cause.count for cause in result.left_out)
    assert result.cluster.jobs.submitted + left_out == len(table)
    assert sum(cause.count for cause in result.never) == len(impossible) == result.cluster.jobs.impossible
    refused = {job for job in range(len(table)) if refusal(table, job, made.setup) is not None}
    assert not refused & set(found.gpus)
