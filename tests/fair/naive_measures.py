"""Measures by walking through a log second by second with nothing kept up to date: slow, and plain to see as right."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.fair.kai.queues import build_tree, share_out
from tenantry.fair.replay.log import Happening
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Collection

    from tenantry.fair.replay.log import Log, Row
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable


@dataclass
class State:
    """A job at one second."""

    gpus: int = 0
    held: int = 0
    leaving: int = 0
    running: bool = False
    since: int = 0
    over: bool = False


@dataclass
class Moment:
    """Everything in one second, by queue where it is a mapping."""

    demand: dict[str, int]
    held: dict[str, int]
    due: dict[str, int]
    length: dict[str, int]
    need: dict[str, list[int]]
    leaving: int
    lent: dict[str, Fraction]


@dataclass
class Naive:
    """What is counted."""

    moments: list[Moment] = field(default_factory=list)
    labels: dict[tuple[int, int], str] = field(default_factory=dict)
    waited: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    first: dict[int, int] = field(default_factory=dict)
    end: dict[int, int] = field(default_factory=dict)
    evictions: list[tuple[int, int, int, int]] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    gpus: dict[int, int] = field(default_factory=dict)


def walk(log: Log, table: JobTable, setup: Setup, skip: Collection[int]) -> Naive:
    """Look at every second of a log; jobs of ``skip`` ask for nothing."""
    found, jobs = Naive(), dict[int, State]()
    rows = {time: list(group) for time, group in groupby(log, key=lambda row: row.time)}
    for now in range(log.end):
        for row in rows.get(now, []):
            happen(found, jobs, row, setup)
        asking = {job: state for job, state in jobs.items() if not state.over and job not in skip}
        for job, state in asking.items():
            if state.running:
                found.labels[job, now] = "startup" if now < state.since else "work"
            else:
                found.waited[job] += 1
        found.moments.append(moment(asking, table, setup))
    for row in rows.get(log.end, []):
        happen(found, jobs, row, setup)
    return found


def happen(found: Naive, jobs: dict[int, State], row: Row, setup: Setup) -> None:
    state = jobs.setdefault(row.job, State())
    match row.happening:
        case Happening.SUBMIT:
            state.gpus = found.gpus[row.job] = row.gpus
        case Happening.BIND:
            state.held += row.gpus
        case Happening.RUN:
            state.running, state.since = True, row.time + setup.behaviour.startup
            found.first.setdefault(row.job, row.time)
        case Happening.EVICT:
            state.running = False
            state.held -= row.gpus
            state.leaving += row.gpus
            found.evictions.append((row.job, row.cause, row.detail, 0))
        case Happening.LOSE:
            found.lost[row.job] += row.detail
            found.evictions[-1] = (*found.evictions[-1][:3], row.detail)
            for second in range(row.time - row.detail, row.time):
                found.labels[row.job, second] = "lost"
        case Happening.RELEASE:
            state.leaving -= row.gpus
        case Happening.FINISH:
            state.over, state.held = True, 0
            found.end[row.job] = row.time


def moment(jobs: dict[int, State], table: JobTable, setup: Setup) -> Moment:
    queues = {queue.name: queue for queue in setup.queues}
    demand, held = dict.fromkeys(queues, 0), dict.fromkeys(queues, 0)
    length, need = dict.fromkeys(queues, 0), {name: list[int]() for name in queues}
    for job, state in jobs.items():
        name = setup.queue_of[table.tenants[table.tenant[job]]]
        while name:
            demand[name] += state.gpus
            held[name] += state.held
            if state.held < state.gpus:
                length[name] += 1
                need[name].append(state.gpus - state.held)
            name = queues[name].parent
    waits = any(need.values())
    due = dues(demand, setup) if waits else dict(demand)
    leaving = sum(state.leaving for state in jobs.values())
    return Moment(demand, held, due, length, need, leaving, lending(demand, held, setup))


def dues(demand: dict[str, int], setup: Setup) -> dict[str, int]:
    tree = build_tree(setup.queues)
    for name, queue in tree.items():
        queue.shares[2].requested = demand[name] / 1000
    share_out(tree, (0.0, 0.0, setup.capacity / 1000), 0.0)
    found = {}
    for name, queue in tree.items():
        share = queue.shares[2]
        bounds = [round(share.fair * 1000), demand[name]]
        if share.limit != UNLIMITED:
            bounds.append(round(share.limit * 1000))
        found[name] = min(bounds)
    return found


def quota(name: str, setup: Setup) -> int:
    if not name:
        return setup.capacity
    value = next(queue.gpu.quota for queue in setup.queues if queue.name == name)
    return setup.capacity if value == UNLIMITED else round(value * 1000)


def lending(demand: dict[str, int], held: dict[str, int], setup: Setup) -> dict[str, Fraction]:
    """Return the part of each quota that is not asked for and used by siblings."""
    lent = {}
    for queue in setup.queues:
        siblings = [other.name for other in setup.queues if other.parent == queue.parent]
        beyond = sum(max(0, held[name] - quota(name, setup)) for name in siblings)
        unused = sum(max(0, quota(name, setup) - held[name]) for name in siblings)
        spare = max(0, quota(queue.parent, setup) - sum(quota(name, setup) for name in siblings))
        taken = min(max(0, beyond - spare), unused)
        unasked = max(0, quota(queue.name, setup) - demand[queue.name])
        lent[queue.name] = Fraction(unasked * taken, unused) if unused else Fraction(0)
    return lent


def longest(flags: list[bool]) -> tuple[int, int] | None:
    """Return start and end of the first longest run of True."""
    best, position = None, 0
    for flag, group in groupby(flags):
        count = len(list(group))
        if flag and (best is None or count > best[1] - best[0]):
            best = (position, position + count)
        position += count
    return best


def percentile(values: list[float], percent: int) -> float:
    """Return the smallest value that so many percent of all do not exceed."""
    return next(
        value for value in sorted(values) if 100 * sum(other <= value for other in values) >= percent * len(values)
    )
