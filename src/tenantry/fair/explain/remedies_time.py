"""What comes by itself: protections that end, graces that run out, running jobs that end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.amounts import holds, total_gpus
from tenantry.fair.explain.answer import Remedy, Said, Who
from tenantry.fair.explain.trials import advance, losses, needed, shortest, without
from tenantry.model.job import ACTIVE_USED
from tenantry.model.pool_snapshot import EndSource
from tenantry.model.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.fair.explain.case import Case
    from tenantry.model.job import Job
    from tenantry.model.moment import Moment

WAKES = 12
"""Moments ahead at which time alone may change something that are looked at."""
FEW = 12
"""Running jobs that are named where all of them must end."""
SINGLE = 12
"""Running jobs that are tried alone where one is known to do."""
SHOWN = 3
"""Running jobs each of which would do alone that are named."""


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
    """The running jobs whose ends would give the job its places: each that would do alone, else few together."""
    running = [job for job in case.moment.jobs if job.name != case.job.name and holds(job)]
    known = sorted((case.known.ends[job.name], job.name) for job in running if job.name in case.known.ends)
    if known:
        yield from _in_order(case, known)
    held = {job.name: _gpus(case, job) for job in running}
    # One large job is worth more than many small ones.
    order = sorted(held, key=lambda name: (-held[name], name))

    def works(names: list[str]) -> bool:
        return case.helps(without(case.moment, names))

    chosen = shortest(order, works)
    if chosen is None:
        return
    if len(chosen) > FEW:
        said = Said("end-of-many", {"count": len(chosen), "gpus": sum(held[name] for name in chosen)})
        yield case.remedy("ends", Who.NOBODY, said, without(case.moment, chosen))
        return
    chosen = needed(chosen, works)
    alone = chosen if len(chosen) > 1 else _alone(order, chosen[0], works)
    for names in [chosen] if len(chosen) > 1 else [[name] for name in alone]:
        rule = "end-of-one" if len(names) == 1 else "end-of-all"
        said = Said(rule, {"jobs": names, "gpus": [held[name] for name in names]})
        yield case.remedy("ends", Who.NOBODY, said, without(case.moment, names))


def _alone(order: list[str], known: str, works: Callable[[list[str]], bool]) -> list[str]:
    """Jobs any one of which would do: the one that is known to, and others found among the largest."""
    found = []
    for name in order[:SINGLE]:
        if name == known or works([name]):
            found.append(name)
        if len(found) == SHOWN:
            return found
    return found if known in found else [*found, known]


def _in_order(case: Case, known: list[tuple[int, str]]) -> Iterator[Remedy]:
    """Let jobs end when they are known to, and what is freed be given out meanwhile, until the job has its places."""
    moment = advance(case.moment, case.usual.cycle)
    for end, name in known:
        if not _still_runs(moment, name):
            continue
        moment = replace(without(moment, [name]), now=max(end, moment.now))
        found = case.trials.run(moment)
        if found.placed:
            facts: dict[str, Any] = {"at": end, "after": end - case.moment.now, "job": name}
            rule = "deadline"
            if case.known.ends_by is not EndSource.DEADLINE:
                rule, facts["source"] = "run-time", case.known.ends_by.value
            lost = losses(moment, found.cycle, case.usual.cycle)
            yield Remedy(rule, Who.NOBODY, Said(rule, facts), now=found.now, losses=lost)
            return
        moment = advance(moment, found.cycle)


def _still_runs(moment: Moment, name: str) -> bool:
    return any(job.name == name and any(pod.status & ACTIVE_USED for pod in job.pods) for job in moment.jobs)


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
