"""Explains one job: where it stands, why, and what would change it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.fair.explain import remedies_owner as owner
from tenantry.fair.explain import remedies_platform as platform
from tenantry.fair.explain import remedies_time as later
from tenantry.fair.explain.answer import Change, Explanation, Remedy, Said, Standing
from tenantry.fair.explain.case import Case, Known
from tenantry.fair.explain.evidence import job_facts, node_classes, tried, victim_classes
from tenantry.fair.explain.holding import who_could_take, why_it_holds, why_it_loses, why_it_starts
from tenantry.fair.explain.trials import Spent, Trials, Undone, budget, named
from tenantry.fair.explain.waiting import why_it_waits
from tenantry.fair.fairshare import fairshare
from tenantry.model.job import ACTIVE_ALLOCATED, ACTIVE_USED, PodStatus
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.fair.inspection import Inspectable
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle, Decision

REMEDIES: tuple[tuple[str, Callable[[Case], Iterator[Remedy]]], ...] = (
    ("next-cycle", later.next_cycle),
    ("time", later.time),
    ("preemptible", owner.preemptible),
    ("fewer-pods", owner.fewer_pods),
    ("smaller-pods", owner.smaller_pods),
    ("demands", owner.without_demands),
    ("elsewhere", owner.elsewhere),
    ("priority", platform.priority),
    ("limit", platform.limits),
    ("quota", platform.quota),
    ("weight", platform.weight),
    ("queue-priority", platform.queue_priority),
    ("ready-nodes", platform.ready_nodes),
    ("more-nodes", platform.more_nodes),
    ("ends", later.ends),
)
"""Sorts of changes that are tried, in the order they are tried in: what costs most trials comes last."""

HOPELESS = frozenset(
    {Gate.NOT_MODELLED.value, Gate.QUEUE_MISSING.value, Gate.QUEUE_NOT_LEAF.value, Gate.NOT_READY.value}
)
"""Gates that no change of the cluster opens."""

SEEDS = (1, 2, 3, 4, 5)
"""Orders that are tried besides the usual one to see what depends on them."""


def explain(moment: Moment, scheduler: Inspectable, job: str, known: Known | None = None) -> Explanation:
    """Explain one job.

    Args:
        moment: the cluster.
        scheduler: its scheduler.
        job: name of the job in the moment.
        known: ends of running jobs, other pools, and how many trials may be run.

    Raises:
        KeyError: if the moment has no job of that name.
    """
    known = known or Known()
    trials = Trials(scheduler, job, budget(moment) if known.trials is None else known.trials)
    case = Case(moment, scheduler, named(moment, job), known, trials)
    standing, evicted = _standing(case)
    rows = fairshare(moment, scheduler).path(case.job.queue)
    base = Explanation(job_facts(moment, case.job), standing, (), queues=rows, caveats=tuple(_caveats(case)))
    if standing in {Standing.WAITS, Standing.GROWS, Standing.NOT_MODELLED}:
        return _waiting(case, base)
    return _holding(case, base, evicted)


def _standing(case: Case) -> tuple[Standing, Sequence[Decision]]:
    job, decisions = case.job, case.usual.cycle.decisions
    evicted = [item for item in decisions if item.job == job.name and item.act is Act.EVICT]
    if evicted:
        return Standing.MOVES if all(item.moved for item in evicted) else Standing.LOSES, evicted
    active = any(pod.status & ACTIVE_ALLOCATED for pod in job.pods)
    if not case.waiting and not any(pod.status is PodStatus.GATED for pod in job.pods):
        used = any(pod.status & ACTIVE_USED for pod in job.pods)
        return Standing.RUNS if active else Standing.LEAVES if used else Standing.ENDED, ()
    if case.usual.placed:
        return Standing.STARTS if case.usual.now else Standing.PROMISED, ()
    if job.unmodelled:
        return Standing.NOT_MODELLED, ()
    return Standing.GROWS if active else Standing.WAITS, ()


def _waiting(case: Case, base: Explanation) -> Explanation:
    reason = why_it_waits(case)
    if base.standing is Standing.WAITS:
        reason = (*reason, *_evicted(case, "evicted-before"))
    base = replace(base, reason=reason, tried=tried(case.usual.cycle.held.get(case.job.name, ())))
    if reason[0].rule in HOPELESS:
        return base
    if base.standing is Standing.GROWS:
        base = replace(base, reason=(*reason, *why_it_holds(case)))
    base = replace(base, nodes=node_classes(case.moment, case.rooms), victims=victim_classes(case))
    return _with_remedies(case, base)


def _evicted(case: Case, rule: str) -> Iterator[Said]:
    known = case.known.evictions.get(case.job.name)
    if known is not None:
        yield Said(rule, {"at": known.at, "cause": known.by, "action": known.action})
    elif case.job.evicted is not None:
        yield Said(rule, {"at": case.job.evicted, "cause": "", "action": ""})


def _with_remedies(case: Case, base: Explanation) -> Explanation:
    remedies: list[Remedy] = []
    useless, untried = [], []
    for kind, find in REMEDIES:
        count, runs = len(remedies), case.trials.run_so_far
        try:
            with case.trials.part():
                remedies.extend(find(case))
        except Spent:
            untried.append(kind)
            continue
        except Undone:
            pass
        # What was not even tried does not apply to the job.
        if len(remedies) == count and case.trials.run_so_far > runs:
            useless.append(kind)
    return replace(base, remedies=tuple(remedies), useless=tuple(useless), untried=tuple(untried))


def _holding(case: Case, base: Explanation, evicted: Sequence[Decision]) -> Explanation:
    if base.standing in {Standing.LOSES, Standing.MOVES}:
        return replace(base, reason=why_it_loses(case, evicted))
    if base.standing in {Standing.STARTS, Standing.PROMISED}:
        return replace(base, reason=why_it_starts(case))
    if base.standing is Standing.RUNS:
        risks, untried = list[Said](), list[str]()
        try:
            risks.extend(who_could_take(case))
        except Spent:
            untried.append("takers")
        return replace(base, reason=(*why_it_holds(case), *risks), untried=tuple(untried))
    pods = {"pods": len(case.job.pods)}
    if base.standing is Standing.LEAVES:
        return replace(base, reason=(Said("leaves", pods), *_evicted(case, "evicted")))
    return replace(base, reason=(Said("ended", pods),))


def _caveats(case: Case) -> Iterator[Said]:
    others = [job.name for job in case.moment.jobs if job.unmodelled and job.name != case.job.name]
    waiting = [name for name in others if any(pod.status is PodStatus.PENDING for pod in named(case.moment, name).pods)]
    if waiting:
        yield Said("unmodelled-others", {"jobs": waiting})


def order_sensitive(moment: Moment, scheduler: Scheduler, seeds: Iterable[int] = SEEDS) -> tuple[Change, ...]:
    """Jobs that fare otherwise when what the scheduler leaves open is decided another way.

    Args:
        moment: the cluster.
        scheduler: its scheduler.
        seeds: orders that are tried besides the usual one.
    """
    usual = scheduler.cycle(moment)
    counts: dict[str, dict[str, int]] = {job.name: {_fate(usual, job.name): 1} for job in moment.jobs}
    for seed in seeds:
        cycle = scheduler.shuffled(seed).cycle(moment)
        for name, count in counts.items():
            fate = _fate(cycle, name)
            count[fate] = count.get(fate, 0) + 1
    return tuple(Change(name, tuple(count.items())) for name, count in sorted(counts.items()) if len(count) > 1)


def _fate(cycle: Cycle, job: str) -> str:
    """What becomes of a job: how many of its pods start, are promised a place, or are evicted."""
    count: dict[str, int] = {}
    for item in cycle.decisions:
        if item.job == job:
            word = (
                "moved"
                if item.moved
                else {"bind": "started", "promise": "promised", "evict": "evicted"}[item.act.value]
            )
            count[word] = count.get(word, 0) + 1
    return ", ".join(f"{number} {word}" for word, number in sorted(count.items())) or "as it is"
