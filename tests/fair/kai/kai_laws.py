"""Laws every cycle keeps, whatever the cluster.

Each is stated as it is true of the real scheduler. Where it does not do what one would expect, the law says what it
does, and calls that a quirk.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
from kai_build import Played, play, shares_gpu
from kai_replay import (
    EPSILON,
    HOLDS,
    LEAVES,
    PROMISED,
    WAITS,
    Amounts,
    Spot,
    State,
    Step,
    asked,
    charge,
    exceeds,
    final,
    gpu_size,
    job_of,
    leaves_of,
    mebibytes,
    node_of,
    path,
    plus,
    queue_of,
    steps,
)

from tenantry.model.job import DEFAULT_SUBGROUP, GpuKind, PodStatus
from tenantry.model.queue import UNLIMITED
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kai_moments import Made

    from tenantry.model.job import Job, Pod
    from tenantry.model.moment import Moment, Node
    from tenantry.model.queue import Queue
    from tenantry.model.schedule import Decision, Held, QueueView

    Law = Callable[[Made, Played], None]

MIXED = HOLDS | PROMISED
STALE = "stalegangeviction"


def off_the_books(made: Made, played: Played) -> bool:
    """Whether queues look emptier to a cycle than its decisions leave them, by one of two quirks.

    A search may leave steps done that nobody keeps. And it may count a victim again and again: as one that was enough
    for a part of the job, and with the rest of its own job for a larger part.
    """
    return unkept(made, played) or any(any(missing(played, view)) for view in played.cycle.queues)


def missing(played: Played, view: QueueView) -> Amounts:
    """What a queue does not know that its jobs hold."""
    held = final(played).held(view.name)
    cpu, memory, gpu = (
        0.0 if math.isclose(a, b, abs_tol=1e-6) else a - b for a, b in zip(held, view.allocated, strict=True)
    )
    return (cpu, memory, gpu)


def unkept(made: Made, played: Played) -> bool:
    """Whether a search may have left steps done: one that worked, for a job that needs only some of its groups."""
    for job in made.moment.jobs:
        if needs_some(job):
            for held in played.cycle.held.get(job.name, ()):
                failed = held.facts.get("unplaced", 0) + sum(held.facts.get("refused", {}).values())
                if "scenarios" in held.facts and held.facts["scenarios"] > failed:
                    return True
    return False


def losses_that_count_again(made: Made, played: Played, queue: str) -> Amounts:
    """What a queue lost of jobs that lose their pods in more than one go."""
    total: Amounts = (0.0, 0.0, 0.0)
    for item in played.cycle.decisions if made.settings.rules.portfolio else ():
        job = job_of(made.moment, item.job)
        below = queue in {above.name for above in path(made.moment, job.queue)}
        if item.act is Act.EVICT and item.action != STALE and below and (spare_pods(job) or needs_some(job)):
            pod = next(pod for pod in job.pods if pod.name == item.pod)
            total = plus(total, charge(pod, node_of(made.moment, item.node)))
    return total


def needs_some(job: Job) -> bool:
    """Whether it needs only some of its groups."""
    return job.root is not None and job.root.minimum is not None


# --- decisions --------------------------------------------------------------------------------------------------------


def decisions_follow_from_where_pods_stand(made: Made, played: Played) -> None:
    """Each pod leaves its own node, is placed once, and moves exactly when it is said to.

    A promise may be taken back by a later action, as if the pod were there (a quirk). So may the place of a pod that a
    search left behind (a quirk).
    """
    if unkept(made, played):
        return
    for step in steps(played):
        for decision in step.decisions:
            spot = step.before.spots[decision.pod]
            assert decision.job == spot.job
            if decision.act is Act.EVICT:
                assert spot.status & MIXED
                assert (decision.node, decision.groups) == (spot.node, spot.groups)
                assert decision.moved is (decision.pod in {item.pod for item in step.of(Act.PROMISE)})
            elif decision.act is Act.BIND:
                assert spot.status is WAITS
                assert decision.cause == decision.job
            else:
                assert spot.status is WAITS or decision.pod in {item.pod for item in step.of(Act.EVICT)}
            assert bool(decision.groups) is (shares_gpu(spot.pod))
            if decision.act is not Act.EVICT and decision.groups:
                assert len(set(decision.groups)) == spot.pod.gpu.devices


def what_started_held_nothing_before(made: Made, played: Played) -> None:
    """A job that needs no pod counts as started when one is promised to it (a quirk)."""
    bound = {decision.job for decision in played.cycle.decisions if decision.act is Act.BIND}
    held = {job.name for job in made.moment.jobs if any(pod.status & HOLDS for pod in job.pods)}
    assert len(set(played.cycle.started)) == len(played.cycle.started)
    assert bound - held <= set(played.cycle.started)
    for name in set(played.cycle.started) - (bound - held):
        assert any(not leaf.minimum for leaf in leaves_of(job_of(made.moment, name)))
        assert name not in held
        assert placed_in(played, name, "allocate")


def the_session_stands_where_the_decisions_lead(made: Made, played: Played) -> None:
    """Queues may know less than they hold, where jobs were lost that lose their pods in more than one go."""
    if unkept(made, played):
        return
    for uid, spot in final(played).spots.items():
        task = played.session.jobs[spot.job].tasks[uid]
        assert (task.status, task.node) == (spot.status, spot.node)
    for view in played.cycle.queues:
        unknown = missing(played, view)
        assert all(amount >= 0 for amount in unknown)
        lost = losses_that_count_again(made, played, view.name)
        assert all(more or not amount for amount, more in zip(unknown, lost, strict=True))
        for amount, expected in zip(view.lasting, final(played).held(view.name, lasting=True), strict=True):
            assert math.isclose(amount, expected, abs_tol=1e-6)


# --- nodes ------------------------------------------------------------------------------------------------------------


def nothing_is_given_twice(made: Made, played: Played) -> None:
    """What is on a node now, and what will be when those that leave have left, fits what the node offers.

    Where GPUs are spread, a part that would fit a shared GPU may get one that is only about to be free (a quirk). A pod
    that was moved and is looked at again may get its new place back though others were promised it (a quirk).
    """
    last, vague = final(played), unkept(made, played) or evicts_after_moving(played)
    for node in made.moment.nodes:
        assert vague or not overfull(node, last.expected(node.name)), f"{node.name} later"
        spread = "gpuspread" in made.settings.plugins
        parts = any(item.act is Act.BIND and item.groups and item.node == node.name for item in played.cycle.decisions)
        assert (spread and parts) or not overfull(node, last.occupying(node.name)), f"{node.name} now"


def evicts_after_moving(played: Played) -> bool:
    moves = [any(item.moved for item in step.decisions) for step in steps(played)]
    return True in moves[:-1]


def overfull(node: Node, pods: Iterable[tuple[Pod, tuple[str, ...]]]) -> bool:
    whole, cpu, count, shared = 0, 0.0, 0, dict[str, int]()
    for pod, groups in pods:
        cpu += pod.cpu
        count += 1
        if pod.gpu.kind is GpuKind.WHOLE:
            whole += pod.gpu.devices
        for group in groups:
            shared[group] = shared.get(group, 0) + mebibytes(pod, node)
    return (
        whole + len(shared) > node.gpus
        or cpu > node.cpu
        or count > node.pods
        or any(amount > gpu_size(node) for amount in shared.values())
    )


def pods_are_placed_where_they_may_be(made: Made, played: Played) -> None:
    for decision in played.cycle.decisions:
        if decision.act is not Act.EVICT:
            pod = next(pod for pod in job_of(made.moment, decision.job).pods if pod.name == decision.pod)
            assert admits(node_of(made.moment, decision.node), pod)


def admits(node: Node, pod: Pod) -> bool:
    return not node.unready and not node.taints and (pod.gpu.kind is not GpuKind.MEMORY or node.gpu_memory is not None)


def required_domains_hold_all_of_a_group(made: Made, played: Played) -> None:
    """What is placed of a group that must stay together shares a rack or zone; so does growth with what runs.

    Groups of one job are held together only while they are placed together (a quirk), so only flat jobs are looked at.
    """
    for step in steps(played):
        for name in {item.job for item in step.decisions if item.act is not Act.EVICT}:
            job = job_of(made.moment, name)
            constraint = job.root.constraint if job.root is not None else None
            if constraint is None or not constraint.required or len(leaves_of(job)) > 1:
                continue
            levels = ("zone", "rack")[: 2 if constraint.required == "rack" else 1]
            before = domains_of(made.moment, step.before.of(name), levels)
            assert len(domains_of(made.moment, step.after.of(name), levels)) <= max(1, len(before))


def domains_of(moment: Moment, spots: Iterable[Spot], levels: Sequence[str]) -> set[tuple[str, ...]]:
    nodes = [node_of(moment, spot.node) for spot in spots if spot.status & MIXED]
    return {tuple(node.labels[level] for level in levels) for node in nodes}


def placed_in(played: Played, job: str, action: str) -> bool:
    return any(
        item.job == job and item.action == action and item.act is not Act.EVICT for item in played.cycle.decisions
    )


def no_pod_is_held_for_want_of_room_that_is_there(made: Made, played: Played) -> None:
    """A single pod that found no room has none at the end either: nothing becomes idle within a cycle."""
    last = final(played)
    for name, reasons in played.cycle.held.items():
        job = job_of(made.moment, name)
        held = next((item for item in reasons if item.action == "allocate"), None)
        if (
            held is None
            or held.gate is not Gate.NO_ROOM
            or len(job.pods) != 1
            or job.pods[0].gpu.kind is not GpuKind.WHOLE
        ):
            continue
        refused = sum(held.facts["refused"].values())
        roomy = [node for node in made.moment.nodes if room_for(job.pods[0], node, last)]
        assert len(roomy) <= refused, roomy


def room_for(pod: Pod, node: Node, state: State) -> bool:
    if not admits(node, pod):
        return False
    now = [*state.occupying(node.name), (pod, ())]
    later = [*state.expected(node.name), (pod, ())]
    return not overfull(node, now) and not overfull(node, later)


# --- queues -----------------------------------------------------------------------------------------------------------


def no_queue_passes_its_limit(made: Made, played: Played) -> None:
    """Nor does it pass it further, where it held more than its limit from the start."""
    if off_the_books(made, played):
        return
    start, last = State.start(made.moment), final(played)
    for queue in made.moment.queues:
        before, after = start.held(queue.name), last.held(queue.name)
        bounds = [
            max(limit, held) if limit != UNLIMITED else limit for limit, held in zip(limits(queue), before, strict=True)
        ]
        assert not exceeds(after, bounds), queue.name


def lasting_jobs_stay_within_quotas(made: Made, played: Played) -> None:
    if off_the_books(made, played):
        return
    start, last = State.start(made.moment), final(played)
    for queue in made.moment.queues:
        before, after = start.held(queue.name, lasting=True), last.held(queue.name, lasting=True)
        bounds = [
            max(quota, held) if quota != UNLIMITED else quota for quota, held in zip(quotas(queue), before, strict=True)
        ]
        assert not exceeds(after, bounds), queue.name


def limits(queue: Queue) -> tuple[float, float, float]:
    return (queue.cpu.limit, queue.memory.limit, queue.gpu.limit)


def quotas(queue: Queue) -> tuple[float, float, float]:
    return (queue.cpu.quota, queue.memory.quota, queue.gpu.quota)


# --- who loses --------------------------------------------------------------------------------------------------------


def jobs_that_stay_are_never_evicted(made: Made, played: Played) -> None:
    """Except a gang that is stale."""
    for decision in played.cycle.decisions:
        if decision.act is Act.EVICT and decision.action != STALE:
            assert job_of(made.moment, decision.job).may_be_evicted


def preemption_is_by_priority_within_a_queue(made: Made, played: Played) -> None:
    for decision in played.cycle.decisions:
        if decision.act is Act.EVICT and decision.action == "preempt":
            winner, loser = job_of(made.moment, decision.cause), job_of(made.moment, decision.job)
            assert winner.queue == loser.queue
            assert winner.priority > loser.priority


def consolidation_only_moves(made: Made, played: Played) -> None:
    for decision in played.cycle.decisions:
        if decision.act is Act.EVICT and decision.action == "consolidation":
            assert decision.moved
            assert job_of(made.moment, decision.cause).may_be_evicted


def reclaim_is_between_queues_for_one_within_its_share(made: Made, played: Played) -> None:
    smallest = played.session.smallest_gpu
    for step in reclaims(made, played):
        winner = job_of(made.moment, step.cause)
        mine = view_of(played, winner.queue)
        assert all(job_of(made.moment, item.job).queue != winner.queue for item in step.of(Act.EVICT))
        pods = [step.before.spots[item.pod].pod for item in step.of(Act.PROMISE) if item.job == winner.name]
        assert pods
        assert not exceeds(plus(step.before.held(winner.queue), asked(pods, smallest)), mine.fair)


def reclaims(made: Made, played: Played) -> list[Step]:
    return [] if off_the_books(made, played) else [step for step in steps(played) if step.action == "reclaim"]


def who_loses_was_above_its_quota_before_its_last_loss(made: Made, played: Played) -> None:
    """Compared are the queues below which taker and victim part, not the leaves (a quirk).

    Before each part it loses the victim's queue is above the larger of quota and fair share or, when the taker's is
    within its quota, above its own quota, in some resource, asked for or not (quirks). A single part may take it far
    below (a quirk). With consolidating reclaim, pods that find another place count for nothing (a quirk).
    """
    for step in reclaims(made, played):
        winner = job_of(made.moment, step.cause)
        pods = [step.before.spots[item.pod].pod for item in step.of(Act.PROMISE) if item.job == winner.name]
        counted = [item for item in step.of(Act.EVICT) if not (item.moved and made.settings.consolidating_reclaim)]
        for name, items in by_other_queue(made.moment, winner.queue, counted).items():
            mine, other = view_of(played, name[0]), view_of(played, name[1])
            wants = plus(step.before.held(mine.name), asked(pods, played.session.smallest_gpu))
            bundles = [bundle for job in {item.job for item in items} for bundle in bundles_of(made.moment, job, items)]
            left = step.before.held(other.name)
            for bundle in bundles:
                left = plus(left, bundle, -1)
            largest = tuple(max(amounts) for amounts in zip(*bundles, strict=True))
            last = plus(left, (largest[0], largest[1], largest[2]))
            in_quota = not exceeds(wants, mine.quota)
            assert exceeds(last, allocatable(other), -EPSILON) or (in_quota and exceeds(last, other.quota, -EPSILON))


def by_other_queue(moment: Moment, queue: str, items: Sequence[Decision]) -> dict[tuple[str, str], list[Decision]]:
    """Losses by the pair of queues at which the paths of taker and victim part."""
    found: dict[tuple[str, str], list[Decision]] = {}
    for item in items:
        mine, other = path(moment, queue)[::-1], path(moment, job_of(moment, item.job).queue)[::-1]
        pair = next((one.name, two.name) for one, two in zip(mine, other, strict=False) if one.name != two.name)
        found.setdefault(pair, []).append(item)
    return found


def bundles_of(moment: Moment, name: str, items: Sequence[Decision]) -> list[Amounts]:
    """What a job loses: at most its minimum at once, the rest pod by pod. Any split that is coarser proves less."""
    job = job_of(moment, name)
    mine = [item for item in items if item.job == name]
    minimum = sum(leaf.minimum or 0 for leaf in leaves_of(job))
    pods = {pod.name: pod for pod in job.pods}
    amounts = [charge(pods[item.pod], node_of(moment, item.node)) for item in mine]
    core: Amounts = (0.0, 0.0, 0.0)
    for amount in amounts[:minimum]:
        core = plus(core, amount)
    return [*amounts[minimum:], *([core] if minimum else [])]


def view_of(played: Played, name: str) -> QueueView:
    return next(view for view in played.cycle.queues if view.name == name)


def allocatable(view: QueueView) -> tuple[float, ...]:
    """The larger of quota and fair share, within the limit; the limit where the quota has no bound."""
    rows = zip(view.quota, view.fair, view.limit, strict=True)
    return tuple(
        limit if quota == UNLIMITED else max(quota, fair) if limit == UNLIMITED else min(limit, max(quota, fair))
        for quota, fair, limit in rows
    )


# --- gangs ------------------------------------------------------------------------------------------------------------


def gangs_are_placed_whole_or_not_at_all(made: Made, played: Played) -> None:
    """What is bound starts a gang that is whole without promises; what is promised makes one whole with them.

    Pods on their way out still count for a search (a quirk), so a job that lost its pods may win one in their place.
    """
    for step in steps(played):
        for name in {item.job for item in step.of(Act.BIND)}:
            assert step.after.satisfied(job_of(made.moment, name), HOLDS)
        for name in {item.job for item in step.of(Act.PROMISE)}:
            assert step.after.satisfied(job_of(made.moment, name), MIXED | LEAVES)


def gangs_lose_what_is_above_their_minimum_or_everything(made: Made, played: Played) -> None:
    """One with pods to spare may lose its core and keep those, as victims are picked by their nodes (a quirk)."""
    for step in steps(played):
        for name in {item.job for item in step.of(Act.EVICT)}:
            job = job_of(made.moment, name)
            before = sum(1 for spot in step.before.of(name) if spot.status & MIXED)
            after = sum(1 for spot in step.after.of(name) if spot.status & MIXED)
            needed = sum(leaf.minimum or 0 for leaf in leaves_of(job))
            kept = after <= max(0, before - needed) if spare_pods(job) else not after
            assert kept or step.after.satisfied(job, MIXED) or not step.before.satisfied(job, MIXED)


# --- protections ------------------------------------------------------------------------------------------------------


def protected_jobs_keep_their_minimum(made: Made, played: Played) -> None:
    """A job with no pod to spare is not touched; one with spare pods keeps each group at its minimum.

    Pods that are on their way out still count as there, and those the same search promises a place (quirks).
    """
    for step in steps(played):
        if step.action not in {"reclaim", "preempt"}:
            continue
        for name in {item.job for item in step.of(Act.EVICT)}:
            if not protected(made, played, step.action, step.cause, name):
                continue
            job = job_of(made.moment, name)
            assert spare_pods(job, allows_none=made.settings.rules.allows_no_minimum)
            for leaf in leaves_of(job):
                taken = sum(
                    1
                    for item in step.of(Act.EVICT)
                    if item.job == name and subgroup(step.before, item.pod) == leaf.name
                )
                there = step.after.count(name, leaf.name, MIXED | LEAVES | PodStatus.STUCK)
                assert not taken or there - taken >= (leaf.minimum or 0)


def subgroup(state: State, pod: str) -> str:
    return state.spots[pod].pod.subgroup or DEFAULT_SUBGROUP


def spare_pods(job: Job, *, allows_none: bool = True) -> bool:
    """Whether some group has more pods than it needs; up to 0.17.0 a flat job needs one at least."""
    leaves = leaves_of(job)
    for leaf in leaves:
        minimum = leaf.minimum or 0
        if not allows_none and len(leaves) == 1 and leaf.name == DEFAULT_SUBGROUP:
            minimum = max(minimum, 1)
        if sum(1 for pod in job.pods if (pod.subgroup or DEFAULT_SUBGROUP) == leaf.name) > minimum:
            return True
    return False


def protected(made: Made, played: Played, action: str, winner: str, loser: str) -> bool:
    """Whether a job has not run long enough; one that starts in this cycle has not run at all."""
    job = job_of(made.moment, loser)
    started = made.moment.now if loser in played.cycle.started else job.started
    if started is None:
        return False
    up = path(made.moment, job.queue)
    if action == "preempt":
        minimums, default = [queue.preempt_min_runtime for queue in up], made.settings.preempt_min_runtime
    else:
        taker = [queue.name for queue in path(made.moment, job_of(made.moment, winner).queue)]
        default = made.settings.reclaim_min_runtime
        if not made.settings.reclaim_by_queue:
            # From the child of the nearest common queue upwards; of another tree only the top is asked (a quirk).
            common = [index for index, queue in enumerate(up) if queue.name in taker]
            up = up[max(common[0] - 1, 0) :] if common else up[-1:]
        minimums = [queue.reclaim_min_runtime for queue in up]
    minimum = next((value for value in minimums if value is not None), default)
    return made.moment.now < started + minimum


# --- the same for the same --------------------------------------------------------------------------------------------


def the_same_moment_gives_the_same_bytes(made: Made, played: Played) -> None:
    again = play(made.moment, made.settings)
    assert msgspec.json.encode(again.cycle) == msgspec.json.encode(played.cycle)


# --- reasons ----------------------------------------------------------------------------------------------------------


def every_job_that_waits_has_a_reason_from_all_who_looked_at_it(made: Made, played: Played) -> None:
    for job in made.moment.jobs:
        last = final(played)
        reasons = {held.action for held in played.cycle.held.get(job.name, ())}
        if not any(last.waits(spot) for spot in last.of(job.name)):
            assert not reasons
        if not any(spot.status is WAITS for spot in last.of(job.name)):
            continue  # what was placed and taken away again may have been placed by the first who looked at it
        assert reasons
        if "snapshot" in reasons:
            assert reasons == {"snapshot"}
            continue
        for action in made.settings.actions[:-1]:
            # Who lost pods may not be ready any more, and who was placed by an action was not given up on by it.
            lost = any(item.act is Act.EVICT and item.job == job.name for item in played.cycle.decisions)
            lost = lost or unkept(made, played)
            assert action in reasons or lost or placed_in(played, job.name, action), action


def reasons_come_in_the_order_of_actions(made: Made, played: Played) -> None:
    order = ("snapshot", *made.settings.actions)
    for reasons in played.cycle.held.values():
        places = [order.index(held.action) for held in reasons]
        assert places == sorted(set(places))


def reasons_agree_with_the_moment(made: Made, played: Played) -> None:
    for name, reasons in played.cycle.held.items():
        for held in reasons:
            check = REASONS.get(held.gate)
            assert check is not None, held.gate
            check(made, played, job_of(made.moment, name), held)


def _over_limit(made: Made, played: Played, job: Job, held: Held) -> None:
    facts, queue = held.facts, queue_of(made.moment, held.facts["queue"])
    assert queue in path(made.moment, job.queue)
    assert facts["limit"] == dict(zip(("CPU", "Memory", "GPU"), limits(queue), strict=True))[facts["resource"]]
    assert facts["requested"] > 0
    assert facts["allocated"] + facts["requested"] > facts["limit"]


def _lasting(made: Made, played: Played, job: Job, held: Held) -> None:
    facts, queue = held.facts, queue_of(made.moment, held.facts["queue"])
    assert not job.may_be_evicted
    assert queue in path(made.moment, job.queue)
    if "resource" in facts:
        assert facts["quota"] == dict(zip(("CPU", "Memory", "GPU"), quotas(queue), strict=True))[facts["resource"]]
        assert facts["lasting"] + facts["requested"] > facts["quota"]
    else:
        assert facts["quota"] == quotas(queue)
        assert exceeds(plus(facts["lasting"], facts["requested"]), facts["quota"], 0)


def _over_share(made: Made, played: Played, job: Job, held: Held) -> None:
    assert held.facts["queue"] == job.queue
    assert held.facts["fair"] == view_of(played, job.queue).fair
    assert off_the_books(made, played) or exceeds(
        plus(held.facts["allocated"], held.facts["requested"]), held.facts["fair"], 0
    )


def _too_large(made: Made, played: Played, job: Job, held: Held) -> None:
    facts = held.facts
    assert facts["requested"] > facts["largest"]
    pod = next(pod for pod in job.pods if pod.name == facts["pod"])
    offered = {"cpu": [node.cpu for node in made.moment.nodes], "gpu": [node.gpus for node in made.moment.nodes]}
    assert facts["largest"] == max(offered[facts["resource"]])
    assert facts["requested"] == {"cpu": pod.cpu, "gpu": round(pod.gpu.portion, 2) * pod.gpu.devices}[facts["resource"]]


def _no_room(made: Made, played: Played, job: Job, held: Held) -> None:
    facts = held.facts
    assert facts["pod"] in {pod.name for pod in job.pods}
    assert 0 <= facts["found"] < facts["needed"] <= len(job.pods)
    assert sum(facts["refused"].values()) <= len(made.moment.nodes)
    reasons = {"taint", "cordoned", "pods", "gpu-memory-unknown", "over-limit", "lasting-over-quota"}
    assert set(facts["refused"]) <= reasons


def _topology(made: Made, played: Played, job: Job, held: Held) -> None:
    assert job.root is not None
    assert job.root.constraint is not None
    assert held.facts["topology"] == job.root.constraint.topology
    assert (held.facts["required"], held.facts["preferred"]) == (
        job.root.constraint.required,
        job.root.constraint.preferred,
    )
    assert 0 < held.facts["needed"] <= len(job.pods)
    if held.facts.get("pods") is not None:
        assert held.facts["pods"] < held.facts["needed"]


def _delayed(made: Made, played: Played, job: Job, held: Held) -> None:
    lost = any(item.job == job.name and item.act is Act.EVICT for item in played.cycle.decisions)
    evicted = {job.evicted or 0, made.moment.now if lost else 0}
    assert held.facts["until"] in {max(job.created, second) + job.preemption_delay for second in evicted}
    assert held.facts["until"] > made.moment.now


def _not_preemptible(made: Made, played: Played, job: Job, held: Held) -> None:
    assert not job.may_be_evicted
    assert held.action == "consolidation"


def _too_few(made: Made, played: Played, job: Job, held: Held) -> None:
    facts = held.facts
    assert facts["free"] < facts["requested"] or facts["freeMemory"] < facts["requestedMemory"]
    # The free part of a shared GPU counts beside the whole of it when everybody leaves it (a quirk).
    assert facts["free"] <= 2 * sum(node.gpus for node in made.moment.nodes if not node.unready)


def _like(made: Made, played: Played, job: Job, held: Held) -> None:
    other = job_of(made.moment, held.facts["other"])
    assert other is not job
    assert other.priority == job.priority
    gates = {item.action: item.gate for item in played.cycle.held.get(other.name, ())}  # none once it lost its pods
    assert gates.get(held.action) is not Gate.LIKE_ONE_THAT_FAILED
    assert held.action == "consolidation" or other.queue == job.queue


def _search(made: Made, played: Played, job: Job, held: Held) -> None:
    facts = held.facts
    assert facts["scenarios"] >= facts["unplaced"] + sum(facts["refused"].values())  # some solved a part of the job
    assert 0 <= facts["victims"] < len(made.moment.jobs)
    if held.gate is Gate.NO_VICTIMS:
        assert facts["victims"] == facts["scenarios"] == 0
    elif held.gate is Gate.NO_SCENARIO:
        assert facts["scenarios"] == 0 < facts["victims"]
    elif held.gate is Gate.NO_PLACE_AFTER_EVICTION:
        assert facts["scenarios"] > 0
        assert not facts["refused"]
    else:
        assert facts["refused"][held.gate.value] > 0
        actions = {
            Gate.VICTIM_WITHIN_SHARE: {"reclaim"},
            Gate.WOULD_OVERTAKE: {"reclaim"},
            Gate.VICTIM_PROTECTED: {"reclaim", "preempt"},
            Gate.VICTIM_WITHOUT_PLACE: {"consolidation"},
        }
        assert held.action in actions[held.gate]


def _within_share(made: Made, played: Played, job: Job, held: Held) -> None:
    _search(made, played, job, held)
    facts, victim = held.facts, view_of(played, held.facts["victim"])
    assert (facts["fair"], facts["quota"]) == (victim.fair, victim.quota)
    assert not exceeds(facts["left"], allocatable(victim), 0)
    assert not (facts["inQuota"] and exceeds(facts["left"], victim.quota, 0))


def _overtakes(made: Made, played: Played, job: Job, held: Held) -> None:
    _search(made, played, job, held)
    facts = held.facts
    assert facts["saturation"] > 1
    assert facts["saturation"] * made.settings.saturation_multiplier >= facts["siblingSaturation"]
    assert queue_of(made.moment, facts["queue"]).parent == queue_of(made.moment, facts["sibling"]).parent


def _shielded(made: Made, played: Played, job: Job, held: Held) -> None:
    _search(made, played, job, held)
    assert protected(made, played, held.action, job.name, held.facts["victim"])


def _not_ready(made: Made, played: Played, job: Job, held: Held) -> None:
    """Too few pods; for an action to say so, a job that needs some of its groups has none left in those it asks for."""
    groups = held.facts["groups"]
    assert groups
    assert all(facts["pods"] - facts["gated"] < facts["needed"] for facts in groups.values())
    assert held.action == "snapshot" or needs_some(job)


def _depth(made: Made, played: Played, job: Job, held: Held) -> None:
    facts = held.facts
    assert (facts["queue"], facts["depth"]) == (job.queue, dict(made.settings.queue_depth)[held.action])
    assert facts["depth"] < facts["waiting"] <= sum(item.queue == job.queue for item in made.moment.jobs)


def _promised(made: Made, played: Played, job: Job, held: Held) -> None:
    """Seen only where a later action took the promise back."""
    assert held.action == "allocate"
    assert placed_in(played, job.name, "allocate")
    assert any(item.job == job.name and item.act is Act.EVICT for item in played.cycle.decisions)


REASONS: dict[Gate, Callable[[Made, Played, Job, Held], Any]] = {
    Gate.OVER_LIMIT: _over_limit,
    Gate.LASTING_OVER_QUOTA: _lasting,
    Gate.OVER_FAIR_SHARE: _over_share,
    Gate.TOO_LARGE: _too_large,
    Gate.NO_ROOM: _no_room,
    Gate.TOPOLOGY: _topology,
    Gate.DELAYED: _delayed,
    Gate.NOT_PREEMPTIBLE: _not_preemptible,
    Gate.TOO_FEW_FREE: _too_few,
    Gate.LIKE_ONE_THAT_FAILED: _like,
    Gate.NO_VICTIMS: _search,
    Gate.NO_SCENARIO: _search,
    Gate.NO_PLACE_AFTER_EVICTION: _search,
    Gate.VICTIM_WITHOUT_PLACE: _search,
    Gate.VICTIM_WITHIN_SHARE: _within_share,
    Gate.WOULD_OVERTAKE: _overtakes,
    Gate.VICTIM_PROTECTED: _shielded,
    Gate.NOT_READY: _not_ready,
    Gate.BEYOND_DEPTH: _depth,
    Gate.WAITS_FOR_RELEASE: _promised,
}


LAWS: tuple[Law, ...] = (
    decisions_follow_from_where_pods_stand,
    what_started_held_nothing_before,
    the_session_stands_where_the_decisions_lead,
    nothing_is_given_twice,
    pods_are_placed_where_they_may_be,
    required_domains_hold_all_of_a_group,
    no_pod_is_held_for_want_of_room_that_is_there,
    no_queue_passes_its_limit,
    lasting_jobs_stay_within_quotas,
    jobs_that_stay_are_never_evicted,
    preemption_is_by_priority_within_a_queue,
    consolidation_only_moves,
    reclaim_is_between_queues_for_one_within_its_share,
    who_loses_was_above_its_quota_before_its_last_loss,
    gangs_are_placed_whole_or_not_at_all,
    gangs_lose_what_is_above_their_minimum_or_everything,
    protected_jobs_keep_their_minimum,
    the_same_moment_gives_the_same_bytes,
    every_job_that_waits_has_a_reason_from_all_who_looked_at_it,
    reasons_come_in_the_order_of_actions,
    reasons_agree_with_the_moment,
)
"""All laws; each raises AssertionError where it is broken."""
