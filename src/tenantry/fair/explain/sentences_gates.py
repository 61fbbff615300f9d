"""What is said of every gate a job did not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tenantry.fair.explain.words import (
    Words,
    at,
    counted,
    first_exceeding,
    gpus,
    idle_gpus,
    listed,
    number,
    share,
    verb,
)
from tenantry.model.schedule import Gate

Facts = Mapping[str, Any]

RESOURCES: Final = ("cpu", "memory", "gpu")

REFUSALS: Final = {
    "taint": "a taint the pod does not tolerate",
    "node-affinity": "labels the pod demands are missing",
    "host-port": "a port of the node is taken",
    "worker-label": "not labelled as a worker of the kind",
    "pods": "no further pods allowed",
    "not-a-mig-node": "no MIG instances",
    "whole-gpus-only": "gives out whole GPUs only",
    "mig-only": "gives out MIG instances only",
    "legacy-mig": "MIG instances asked for by annotation",
    "gpu-memory-unknown": "no label says how much memory its GPUs have",
    "cordoned": "cordoned",
    "not-ready": "not ready",
    "memory-pressure": "out of memory",
    "disk-pressure": "out of disk",
    "process-pressure": "out of process ids",
    "network-unavailable": "without network",
    "over-limit": "the limit of the queue",
    "lasting-over-quota": "the quota of the queue",
    "room": "too little left",
}
"""Why a node takes no pod, in words."""

CHECKS: Final = {
    "free-gpus": "too few GPUs come free on the nodes it needs",
    "node-labels": "none comes free on a node with the labels it demands",
    "topology": "no single domain of its topology comes free enough",
}
"""Cheap checks that rule ways of evicting out."""


def _not_modelled(facts: Facts, words: Words) -> str:
    """Source of what is refused: :attr:`tenantry.model.job.Job.unmodelled`."""
    del words
    return f"What the scheduler does with it is not modelled: {facts['demand']}. It is counted, and not placed."


def _queue_missing(facts: Facts, words: Words) -> str:
    name = facts.get("queue", "")
    what = f"{words.queue(name)[0].upper()}{words.queue(name)[1:]}" if name else "The queue it names"
    return f"{what} does not exist, or has no way up to a top queue; the scheduler passes over its jobs."


def _queue_not_leaf(facts: Facts, words: Words) -> str:
    return f"It was submitted to {words.queue(facts['queue'])}, which has queues below it; only the lowest take jobs."


def _not_ready(facts: Facts, words: Words) -> str:
    del words
    parts = []
    for name, group in facts["groups"].items():
        where = "" if name == "default" else f" in subgroup {name}"
        gated = f" ({group['gated']} held back by scheduling gates)" if group["gated"] else ""
        parts.append(f"{group['pods'] - group['gated']} of {group['needed']}{where}{gated}")
    return f"Too few of its pods are there to start: {listed(parts)}."


def _beyond_depth(facts: Facts, words: Words) -> str:
    queue, depth = words.queue(facts["queue"]), facts["depth"]
    return f"{facts['waiting']} jobs wait in {queue}, and the scheduler looks at {depth} of a queue in each cycle."


def _over_limit(facts: Facts, words: Words) -> str:
    name = facts["resource"]
    asked, limit = words.amount(name, facts["requested"]), words.amount(name, facts["limit"])
    held = words.bare(name, facts["allocated"])
    return f"It asks for {asked}; {words.queue(facts['queue'])} holds {held} of the {limit} it may have at most."


def _lasting_over_quota(facts: Facts, words: Words) -> str:
    if isinstance(facts["quota"], int | float):
        name, quota, lasting = facts["resource"], facts["quota"], facts["lasting"]
        asked = facts.get("requested")
    else:
        requested = facts.get("requested", (0.0, 0.0, 0.0))
        position = first_exceeding(facts["lasting"], requested, facts["quota"])
        name, quota = RESOURCES[position], at(facts, "quota", position)
        lasting, asked = at(facts, "lasting", position), requested[position] if "requested" in facts else None
    more = f", and it asks for {words.amount(name, asked)}" if asked is not None else ""
    return (
        f"It may not be preempted, and such jobs get no more than their queue's quota: {words.queue(facts['queue'])} "
        f"has {words.amount(name, quota)}, such jobs hold {words.bare(name, lasting)} of it{more}."
    )


def _too_large(facts: Facts, words: Words) -> str:
    asked = words.amount(facts["resource"], facts["requested"])
    if not facts["largest"]:
        return f"Its pod asks for {asked}, and no node of the pool offers any."
    largest = words.amount(facts["resource"], facts["largest"])
    return f"Its pod asks for {asked}; the largest node of the pool has {largest}."


def _no_room(facts: Facts, words: Words) -> str:
    del words
    needed, found = facts.get("needed", 1), facts["found"]
    refused = {reason: count for reason, count in facts["refused"].items() if count}
    start = f"There is room for {found} of the {needed} pods that must start together" if needed > 1 else (
        "No node has room for its pod")  # fmt: skip
    if not refused:
        return f"{start}."
    reasons = [f"{counted(count, 'node')}: {REFUSALS.get(reason, reason)}" for reason, count in sorted(refused.items())]
    return f"{start}; nodes with room refuse it ({listed(reasons)})."


def _no_topology(facts: Facts, words: Words) -> str:
    del words
    return (
        f"Its pods must be placed by topology {facts['topology']}, which does not exist or whose levels no node names."
    )


def _topology(facts: Facts, words: Words) -> str:
    del words
    level = facts.get("required") or facts.get("preferred") or "domain"
    most = facts.get("pods")
    room = f"; the nodes have room for {most}" if most is not None else ""
    pods = counted(facts["needed"], "pod")
    return f"Its {pods} must be placed together within one {level}, and none has the room{room}."


def _waits_for_release(facts: Facts, words: Words) -> str:
    del facts, words
    return "It has its places; it starts once the pods that are leaving them are gone."


def _delayed(facts: Facts, words: Words) -> str:
    return f"It may have nobody evicted yet: its preemption delay ends {words.when(facts['until'])}."


def _not_preemptible(facts: Facts, words: Words) -> str:
    del facts, words
    return "Running jobs are moved together only for jobs that may be preempted themselves."


def _too_few_free(facts: Facts, words: Words) -> str:
    del words
    if facts["free"] >= facts["requested"]:
        have, want = number(facts["freeMemory"]), number(facts["requestedMemory"])
        return f"Moving running jobs together would not do: {have} MiB of GPU memory are idle, and it asks for {want}."
    idle, asked = idle_gpus(facts["free"]), number(facts["requested"])
    return f"Moving running jobs together would not do: {idle} in all, and it asks for {asked}."


def _over_fair_share(facts: Facts, words: Words) -> str:
    position = first_exceeding(facts["allocated"], facts["requested"], facts["fair"])
    name = RESOURCES[position]
    held, asked = (words.bare(name, at(facts, key, position)) for key in ("allocated", "requested"))
    queue, fair = words.queue(facts["queue"]), words.amount(name, at(facts, "fair", position))
    return f"Nobody has to make way: {queue} is due {fair} and holds {held}; {asked} more would exceed its fair share."


def _like_one_that_failed(facts: Facts, words: Words) -> str:
    return f"{words.job(facts['other'])} demands the same, is no larger, and failed in this cycle; so it is not tried."


def _no_victims(facts: Facts, words: Words) -> str:
    del facts, words
    return "No running job may be evicted for it."


def _no_scenario(facts: Facts, words: Words) -> str:
    del words
    reasons = [CHECKS.get(name, name) for name in facts["filtered"]]
    why = f": {listed(reasons)}" if reasons else ""
    jobs, them = counted(facts["victims"], "running job"), verb(facts["victims"], "it", "all of them")
    return f"{jobs} may be evicted for it, and evicting {them} would not do{why}."


def _no_place_after_eviction(facts: Facts, words: Words) -> str:
    ways, jobs = counted(facts["scenarios"], "way"), counted(facts["victims"], "running job")
    back = facts.get("back", ())
    why = f": {words.jobs(back)} would get {'its' if len(back) == 1 else 'their'} place back first" if back else ""
    return f"{jobs} may be evicted for it; {ways} of doing so came into question and left it without a place{why}."


def _victim_within_share(facts: Facts, words: Words) -> str:
    victim, reclaimer = words.queue(facts["victimQueue"]), words.queue(facts["reclaimer"])
    left, fair, quota = (at(facts, key, 2) for key in ("left", "fair", "quota"))
    due = f"its fair share is {gpus(fair)}" + ("" if quota in {-1, fair} else f", its quota {gpus(quota)}")
    bound = "its fair share" if not facts.get("inQuota") else "its quota"
    return (
        f"Enough room would only come from {victim} by taking what is its own: it would hold {gpus(left)} by then, and "
        f"{due}; {reclaimer} may take what a queue holds above {bound}, no more."
    )


def _would_overtake(facts: Facts, words: Words) -> str:
    mine, other = share(facts["saturation"]), share(facts["siblingSaturation"])
    queue, sibling = words.queue(facts["queue"]), words.queue(facts["sibling"])
    name = {0: "CPU", 1: "memory", 2: "GPUs"}.get(facts["resource"], "it")
    return (
        f"With it {queue} would hold {mine} of its fair share of {name} and leave {sibling} with {other} of its own; "
        "who takes back may not end up the fuller one."
    )


def _victim_protected(facts: Facts, words: Words) -> str:
    return f"{words.job(facts['victim'])} would have to make way, and may still run undisturbed for a while."


def _victim_without_place(facts: Facts, words: Words) -> str:
    return f"Moving running jobs together would leave {words.job(facts['victim'])} without a place, which it may not."


GATES: Final[Mapping[str, Callable[[Facts, Words], str]]] = {
    Gate.NOT_MODELLED: _not_modelled,
    Gate.QUEUE_MISSING: _queue_missing,
    Gate.QUEUE_NOT_LEAF: _queue_not_leaf,
    Gate.NOT_READY: _not_ready,
    Gate.BEYOND_DEPTH: _beyond_depth,
    Gate.OVER_LIMIT: _over_limit,
    Gate.LASTING_OVER_QUOTA: _lasting_over_quota,
    Gate.TOO_LARGE: _too_large,
    Gate.NO_ROOM: _no_room,
    Gate.NO_TOPOLOGY: _no_topology,
    Gate.TOPOLOGY: _topology,
    Gate.WAITS_FOR_RELEASE: _waits_for_release,
    Gate.DELAYED: _delayed,
    Gate.NOT_PREEMPTIBLE: _not_preemptible,
    Gate.TOO_FEW_FREE: _too_few_free,
    Gate.OVER_FAIR_SHARE: _over_fair_share,
    Gate.LIKE_ONE_THAT_FAILED: _like_one_that_failed,
    Gate.NO_VICTIMS: _no_victims,
    Gate.NO_SCENARIO: _no_scenario,
    Gate.NO_PLACE_AFTER_EVICTION: _no_place_after_eviction,
    Gate.VICTIM_WITHIN_SHARE: _victim_within_share,
    Gate.WOULD_OVERTAKE: _would_overtake,
    Gate.VICTIM_PROTECTED: _victim_protected,
    Gate.VICTIM_WITHOUT_PLACE: _victim_without_place,
}
"""Sentence of every gate."""
