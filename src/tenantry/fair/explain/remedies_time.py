"""What comes by itself: protections that end, graces that run out, running jobs that end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.amounts import holds, total_gpus
from tenantry.fair.explain.answer import Remedy, Said, Who
from tenantry.fair.explain.trials import advance, losses, minimal, without
from tenantry.model.job import ACTIVE_USED
from tenantry.model.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.fair.explain.case import Case
    from tenantry.model.job import Job
    from tenantry.model.moment import Moment

WAKES = 12
"""Moments ahead at which time alone may change something that are looked at."""
SINGLE = 24
"""Running jobs that are tried alone before several together."""
SHOWN = 3
"""Running jobs whose end alone would do that are shown one by one."""


def time(case: Case) -> Iterator[Remedy]:
    """The first moment at which a protection, a delay or a grace ends and the job would get its places."""
    moment = case.moment
    for _ in range(WAKES):
        wake = case.scheduler.wakes(moment)
        if wake is None:
            return
        moment = replace(moment, now=wake)
        found = case.trials.run(moment)
        if found.placed:
            lost = losses(moment, found.cycle, case.usual.cycle)
            facts = {"at": wake, "after": wake - case.moment.now, "jobs": [item.job for item in lost]}
            yield Remedy("time", Who.NOBODY, Said("time", facts), now=found.now, losses=lost)
            return


def ends(case: Case) -> Iterator[Remedy]:
    """The running jobs whose ends would give the job its places."""
    running = [job for job in case.moment.jobs if job.name != case.job.name and holds(job)]
    known = sorted((case.known.ends[job.name], job.name) for job in running if job.name in case.known.ends)
    if known:
        yield from _in_order(case, known)
    alone = [job for job in _by_size(case, running)[:SINGLE] if case.helps(without(case.moment, [job.name]))]
    for number, job in enumerate(alone[:SHOWN], 1):
        more = len(alone) - SHOWN if number == SHOWN else 0
        said = Said("end-of-one", {"jobs": [job.name], "gpus": [_gpus(case, job)], "more": max(0, more)})
        yield case.remedy("ends", Who.NOBODY, said, without(case.moment, [job.name]))
    if alone:
        return
    order = [job.name for job in _by_size(case, running)]
    chosen = minimal(order, lambda names: case.helps(without(case.moment, names)))
    if chosen is not None:
        by_name = {job.name: job for job in running}
        facts = {"jobs": chosen, "gpus": [_gpus(case, by_name[name]) for name in chosen]}
        yield case.remedy("ends", Who.NOBODY, Said("end-of-all", facts), without(case.moment, chosen))


def _in_order(case: Case, known: list[tuple[int, str]]) -> Iterator[Remedy]:
    """Let jobs end at their deadlines, and what is freed be given out meanwhile, until the job has its places."""
    moment = advance(case.moment, case.usual.cycle)
    for end, name in known:
        if not _still_runs(moment, name):
            continue
        moment = replace(without(moment, [name]), now=max(end, moment.now))
        found = case.trials.run(moment)
        if found.placed:
            facts = {"at": end, "after": end - case.moment.now, "job": name}
            lost = losses(moment, found.cycle, case.usual.cycle)
            yield Remedy("deadline", Who.NOBODY, Said("deadline", facts), now=found.now, losses=lost)
            return
        moment = advance(moment, found.cycle)


def _still_runs(moment: Moment, name: str) -> bool:
    return any(job.name == name and any(pod.status & ACTIVE_USED for pod in job.pods) for job in moment.jobs)


def _by_size(case: Case, jobs: list[Job]) -> list[Job]:
    """Jobs by what they hold: the smallest that would do is worth most, but one large is better than many small."""
    return sorted(jobs, key=lambda job: (-_gpus(case, job), job.name))


def _gpus(case: Case, job: Job) -> float:
    return total_gpus(holds(job), case.sizes)


def next_cycle(case: Case) -> Iterator[Remedy]:
    """Whether what this cycle sets free gives the job its places in the next one."""
    cycle = case.usual.cycle
    if not any(item.act is Act.EVICT for item in cycle.decisions):
        return
    found = case.trials.run(advance(case.moment, cycle))
    if found.placed:
        facts: dict[str, Any] = {"jobs": sorted({item.job for item in cycle.decisions if item.act is Act.EVICT})}
        yield Remedy("next-cycle", Who.NOBODY, Said("next-cycle", facts), now=found.now)
