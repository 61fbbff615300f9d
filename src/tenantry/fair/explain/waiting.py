"""Why a job waits: of all gates it did not pass, the one that decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.fair.explain.answer import Said
from tenantry.fair.explain.evidence import room_said, said_of
from tenantry.fair.explain.trials import Spent, minimal, without_waiting
from tenantry.fair.inspection import Spared
from tenantry.model.job import PodStatus
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.fair.explain.case import Case
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Held

FINAL = (
    Gate.NOT_MODELLED,
    Gate.QUEUE_MISSING,
    Gate.QUEUE_NOT_LEAF,
    Gate.NOT_READY,
    Gate.TOO_LARGE,
    Gate.OVER_LIMIT,
    Gate.LASTING_OVER_QUOTA,
    Gate.NO_TOPOLOGY,
    Gate.BEYOND_DEPTH,
)
"""Gates that say it all, the first that was met counts: no room and no eviction would change them."""

MAKING_WAY = (
    Gate.DELAYED,
    Gate.OVER_FAIR_SHARE,
    Gate.LASTING_OVER_QUOTA,
    Gate.VICTIM_PROTECTED,
    Gate.VICTIM_WITHIN_SHARE,
    Gate.WOULD_OVERTAKE,
    Gate.NO_PLACE_AFTER_EVICTION,
    Gate.NO_SCENARIO,
    Gate.NO_VICTIMS,
    Gate.LIKE_ONE_THAT_FAILED,
)
"""Gates that say why nobody makes way for a job without room, the most telling first."""

AHEAD = 3
"""Jobs that go first of which is said why."""


def why_it_waits(case: Case) -> tuple[Said, ...]:
    """Say why a job waits, the dominant reason first."""
    held = case.usual.cycle.held.get(case.job.name, ())
    for gate in FINAL:
        for item in held:
            if item.gate is gate and item.action in {"snapshot", "allocate"}:
                return (said_of(item),)
    ahead = _outranked(case)
    if ahead is not None:
        return ahead
    room = _no_room(case, held)
    way = _nobody_makes_way(case, held)
    if room is not None and not room.facts.get("usable", 1):
        return (room,)
    return tuple(item for item in (room, way) if item is not None) or tuple(map(said_of, held[:1]))


def _no_room(case: Case, held: tuple[Held, ...]) -> Said | None:
    """What the job found on the nodes: topology where that decided, else the nodes as they are."""
    placing = next((item for item in held if item.action == "allocate"), None)
    if placing is not None and placing.gate is Gate.TOPOLOGY:
        return said_of(placing)
    return room_said(case) or (said_of(placing) if placing is not None else None)


def _nobody_makes_way(case: Case, held: tuple[Held, ...]) -> Said | None:
    ways = [item for item in held if item.action in {"reclaim", "preempt"}]
    for gate in MAKING_WAY:
        for item in ways:
            if item.gate is gate:
                root = _root(case, item)
                return _only_protected(case) or root if root.rule == Gate.NO_VICTIMS else root
    return None


def _only_protected(case: Case) -> Said | None:
    """Who would make way if he had run for longer; None where that is nobody."""
    found = [
        item
        for item in (*case.reclaimable, *case.preemptable)
        if item.spared is Spared.PROTECTED and item.until is not None
    ]
    if not found:
        return None
    names = [item.job for item in sorted(found, key=lambda item: (-item.gpus, item.job))]
    until = min(item.until for item in found if item.until is not None)
    return Said("only-protected", {"jobs": names, "until": until})


def _root(case: Case, held: Held) -> Said:
    """The gate itself; of a job that was not tried because a like one failed, the gate that one failed at."""
    seen = {case.job.name}
    while held.gate is Gate.LIKE_ONE_THAT_FAILED and held.facts["other"] not in seen:
        other = held.facts["other"]
        seen.add(other)
        found = [item for item in case.usual.cycle.held.get(other, ()) if item.action == held.action]
        if not found:
            break
        held = found[0]
    return said_of(held)


def _outranked(case: Case) -> tuple[Said, ...] | None:
    """Who takes the room the job would have, or None when there is none even without them."""
    first = [name for name in _bound(case) if name != case.job.name]
    if not first:
        return None
    # With nobody else waiting, a cycle is quick.
    alone = case.trials.settle(without_waiting(case.moment, case.job.name), free=True)
    if not (alone.placed and alone.now):
        return None
    try:
        # Those who took the very nodes come first: most often they are the only ones that matter.
        nodes = {item.node for item in alone.cycle.decisions if item.job == case.job.name}
        first.sort(key=lambda name: not nodes & _nodes(case, name))
        with case.trials.part():
            chosen = minimal(first, lambda names: _starts(case, _not_waiting(case.moment, set(names))))
    except Spent:
        chosen = None
    jobs = chosen or first
    return (Said("outranked", {"jobs": jobs}), *list(_why_first(case, jobs))[:AHEAD])


def _bound(case: Case) -> list[str]:
    """Jobs that get places in this cycle, in the order they do."""
    return list(dict.fromkeys(item.job for item in case.usual.cycle.decisions if item.act is Act.BIND))


def _nodes(case: Case, job: str) -> set[str]:
    return {item.node for item in case.usual.cycle.decisions if item.job == job and item.act is Act.BIND}


def _starts(case: Case, moment: Moment) -> bool:
    """Whether the job gets its places at once, with nobody evicted."""
    found = case.trials.settle(moment)
    return found.placed and found.now


def _not_waiting(moment: Moment, names: set[str]) -> Moment:
    jobs = tuple(
        replace(job, pods=tuple(pod for pod in job.pods if pod.status is not PodStatus.PENDING))
        if job.name in names
        else job
        for job in moment.jobs
    )
    return replace(moment, jobs=jobs)


def _why_first(case: Case, jobs: list[str]) -> Iterator[Said]:
    for name in jobs:
        found = case.scheduler.before(case.moment, name, case.job.name)
        if found is not None:
            yield Said(
                "first-by",
                {
                    "other": name,
                    "by": found.by,
                    "otherQueue": found.queues[0],
                    "queue": found.queues[1],
                    "amounts": found.amounts,
                },
            )
