"""What is said of where a job stands: that it runs, starts, loses its place, or that others go first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tenantry.fair.explain.sentences_gates import REFUSALS
from tenantry.fair.explain.words import Words, counted, gpus, listed, number, share, verb

Facts = Mapping[str, Any]

ACTIONS: Final = {
    "reclaim": "its queue gets back what it is due",
    "preempt": "it has a higher priority in the same queue",
    "consolidation": "jobs are moved together",
    "stalegangeviction": "gangs that are incomplete for too long are ended",
}
"""Why an action evicts, in words."""


def _make_way(pods: int) -> str:
    return f"{counted(pods, 'pod')} of it {verb(pods, 'makes', 'make')} way"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- it waits ---------------------------------------------------------------------------------------------------------


def _room(facts: Facts, words: Words) -> str:
    """How the nodes look to the waiting pods."""
    name, pods = facts["resource"], facts["pods"]
    asked = words.amount(name, facts["asked"])
    most, idle = (words.bare(name, facts[key]) for key in ("most", "idle"))
    reasons = [f"{counted(count, 'node')}: {REFUSALS.get(word, word)}" for word, count in facts["refused"].items()]
    if not facts["usable"]:
        return f"No node takes its {verb(pods, 'pod', 'pods')} ({listed(reasons)})."
    where = f"at most {most} {verb(1 if most == '1' else 2, 'is', 'are')} idle on one node, {idle} in all"
    if facts["idle"] <= 0:
        where = "nothing of that is idle on any node"
    where += _in_parts(facts)
    if facts["lacks"]:
        where += (
            f"; where there is enough, too little is left of {listed([words.kind(name) for name in facts['lacks']])}"
        )
    other = f"; others take none ({listed(reasons)})" if reasons else ""
    if pods == 1:
        return f"Its pod needs {asked} on one node: {where}{other}."
    return f"{facts['fits']} of its {pods} pods with {asked} each would find room: {where}{other}."


def _in_parts(facts: Facts) -> str:
    """What is free in parts of shared GPUs, which a pod may not be able to use."""
    if not facts["parts"]:
        return ""
    if facts["shares"]:
        return f", no more than {number(facts['part'])} of one GPU" if facts["part"] < facts["most"] else ""
    return f"; {gpus(facts['parts'])} more {verb(facts['parts'], 'is', 'are')} free, in parts of shared ones only"


def _outranked(facts: Facts, words: Words) -> str:
    """Others that go first take the room."""
    go = verb(len(facts["jobs"]), "goes first and takes", "go first and take")
    return f"There is room for it, and {words.jobs(facts['jobs'])} {go} it."


def _first_by(facts: Facts, words: Words) -> str:
    """Why another job goes first."""
    by, amounts = facts["by"], facts["amounts"]
    queue, other = (words.queue(facts[key]) if facts[key] else "" for key in ("otherQueue", "queue"))
    reasons = {
        "fair-share": f"{other} is above its fair share, and {queue} is not",
        "quota": f"with its job {queue} stays within its quota, and {other} does not",
        "queue-priority": f"{queue} has priority {amounts[0]:.0f}, and {other} {amounts[1]:.0f}",
        "no-share": f"{other} would hold something it has no share of at all, and {queue} would not",
        "part-with-job": f"{queue} would hold {share(amounts[0])} of what it may hold, and {other} {share(amounts[1])}",
        "part": f"{queue} holds {share(amounts[0])} of what it may hold, and {other} {share(amounts[1])}",
        "priority": f"its priority is {amounts[0]:.0f}, and this job's {amounts[1]:.0f}",
        "minimum": "it has fewer pods than it must run with",
        "age": f"{queue} is older than {other}" if queue and other != queue else "it was submitted earlier",
    }
    return f"{words.job(facts['other'])} goes first because {reasons[by]}."


def _aside(facts: Facts, words: Words) -> str:
    """The scheduler does not look at the job."""
    since = f" {words.when(facts['since'])}" if facts.get("since") is not None else ""
    said = f"; it recorded{since}: {facts['said']}" if facts.get("said") else ""
    return f"The scheduler does not look at it: {facts['reason']}{said}."


def _evicted_before(facts: Facts, words: Words) -> str:
    """The job was evicted earlier."""
    return f"{_evicted(facts, words).removesuffix('.')}, and waits for a place again."


def _evicted(facts: Facts, words: Words) -> str:
    """The job was evicted."""
    when = "just now" if facts["at"] == words.now else words.when(facts["at"])
    cause = facts.get("cause", "")
    why = ACTIONS.get(facts.get("action", ""), "")
    for_whom = f" for {words.job(cause)}" if cause else ""
    because = f", since {why}" if why else ""
    return f"It was evicted {when}{for_whom}{because}."


# --- it has its places ------------------------------------------------------------------------------------------------


def _runs(facts: Facts, words: Words) -> str:
    """The job runs."""
    since = f" for {words.ago(facts['since'])}" if facts.get("since") is not None else ""
    where = f" on {listed(facts['nodes'])}" if facts["nodes"] else ""
    return f"It has run{since}{where} and holds {gpus(facts['gpus'])}."


def _starts(facts: Facts, words: Words) -> str:
    """The job gets its places in this cycle."""
    del words
    return f"It gets its {counted(facts['pods'], 'place')} in this cycle, on {listed(facts['nodes'])}."


def _promised(facts: Facts, words: Words) -> str:
    """The job is promised its places."""
    places = f"It is promised its {counted(facts['pods'], 'place')} on {listed(facts['nodes'])}"
    if not facts["jobs"]:
        moved = facts["moved"]
        after = f"{words.jobs(moved)} {verb(len(moved), 'has', 'have')} moved" if moved else "leaving pods are gone"
        return f"{places}, once {after}."
    are, why = verb(len(facts["jobs"]), "is", "are"), ACTIONS.get(facts["action"], facts["action"])
    return f"{places}: {words.jobs(facts['jobs'])} {are} evicted for it in this cycle, since {why}."


def _borrows(facts: Facts, words: Words) -> str:
    """A queue holds more than its quota."""
    queue, held = _upper(words.queue(facts["queue"])), gpus(facts["allocated"])
    return f"{queue} holds {held}, {number(facts['borrowed'])} more than its quota: that part is borrowed."


def _only_protected(facts: Facts, words: Words) -> str:
    """Somebody would have to make way, but has not run long enough."""
    jobs, end = words.jobs(facts["jobs"]), words.later(facts["until"])
    many = len(facts["jobs"]) > 1
    how = f"are protected, the first of them for another {end}" if many else f"is protected for another {end}"
    return f"No running job may be evicted for it yet: {jobs} {how}."


def _within_quota(facts: Facts, words: Words) -> str:
    """A queue holds no more than its quota."""
    queue, held = _upper(words.queue(facts["queue"])), facts["allocated"]
    if facts["quota"] == -1:
        return f"{queue} holds {gpus(held)}, and its quota has no bound: nothing is borrowed."
    return f"{queue} holds {number(held)} of the {gpus(facts['quota'])} of its quota: nothing is borrowed."


def _cannot_lose(facts: Facts, words: Words) -> str:
    """Nobody can take the job's place."""
    del facts, words
    return "It may not be preempted: it runs to its end unless its node fails."


def _could_lose(facts: Facts, words: Words) -> str:
    """Who could take the job's place."""
    if facts["action"] == "preempt":
        start = f"A job of its size with a higher priority in {words.queue(facts['queue'])} would have it evicted"
    else:
        start = f"A job of its size waiting in {words.queue(facts['queue'])} would have it evicted"
    until = facts.get("until")
    if until is not None:
        return f"{start}, from the end of its protection on, {words.when(until)}."
    return f"{start} if nothing is idle."


def _safe(facts: Facts, words: Words) -> str:
    """Nobody could take the job's place at present."""
    del words
    tried = counted(facts["tried"], "queue")
    return f"No job of its size waiting in another queue would have it evicted ({tried} tried)."


# --- it loses its places ----------------------------------------------------------------------------------------------


def _loses_reclaim(facts: Facts, words: Words) -> str:
    """The job is reclaimed."""
    cause, mine, theirs = words.job(facts["cause"]), words.queue(facts["queue"]), words.queue(facts["causeQueue"])
    held, other = number(facts["allocated"]), number(facts["causeAllocated"])
    fair, due = gpus(facts["fair"]), gpus(facts["causeFair"])
    rule = "its quota" if facts["guaranteed"] else "its fair share"
    sides = f"it holds {other} of the {due} it is due); {mine} holds {held} and is due {fair}"
    return f"{_make_way(facts['pods'])} in this cycle for {cause} of {theirs}, which gets {rule} back ({sides}."


def _loses_preempt(facts: Facts, words: Words) -> str:
    """The job is preempted."""
    return (
        f"{_make_way(facts['pods'])} in this cycle for {words.job(facts['cause'])}, which has priority "
        f"{facts['causePriority']} in the same queue; its own is {facts['priority']}."
    )


def _loses_stale(facts: Facts, words: Words) -> str:
    """The job is evicted as an incomplete gang."""
    since = f" for {words.ago(facts['since'])}" if facts.get("since") is not None else ""
    return (
        f"It is evicted in this cycle: it has run{since} with {facts['active']} of the "
        f"{counted(facts['minimum'], 'pod')} it must run with, and its grace is over."
    )


def _moves(facts: Facts, words: Words) -> str:
    """The job is moved."""
    pods, nodes, are = counted(facts["pods"], "pod"), listed(facts["nodes"]), verb(facts["pods"], "is", "are")
    cause = words.job(facts["cause"])
    return f"{pods} of it {are} evicted in this cycle and promised {nodes} instead, so that {cause} finds room."


def _leaves(facts: Facts, words: Words) -> str:
    """The job's pods are on their way out."""
    del words
    return f"Its {counted(facts['pods'], 'pod')} {verb(facts['pods'], 'is', 'are')} on the way out."


def _ended(facts: Facts, words: Words) -> str:
    """Nothing of the job runs or waits."""
    del words
    if not facts["pods"]:
        return "The snapshot holds none of its pods."
    return f"Its {counted(facts['pods'], 'pod')} {verb(facts['pods'], 'has', 'have')} ended."


# --- what is taken for granted ----------------------------------------------------------------------------------------


def _unmodelled_others(facts: Facts, words: Words) -> str:
    """Other waiting jobs that the model does not place."""
    wait = verb(len(facts["jobs"]), "waits and is", "wait and are")
    them = verb(len(facts["jobs"]), "it", "them")
    return f"{words.jobs(facts['jobs'])} {wait} not modelled: room the scheduler may give to {them} counts as free."


def _assumed(facts: Facts, words: Words) -> str:
    """Something about the job that the snapshot does not say."""
    del words
    return f"{_upper(facts['what'])}."


STANDINGS: Final[Mapping[str, Callable[[Facts, Words], str]]] = {
    "room": _room,
    "outranked": _outranked,
    "first-by": _first_by,
    "set-aside": _aside,
    "evicted": _evicted,
    "evicted-before": _evicted_before,
    "runs": _runs,
    "starts": _starts,
    "is-promised": _promised,
    "borrows": _borrows,
    "only-protected": _only_protected,
    "within-quota": _within_quota,
    "cannot-lose": _cannot_lose,
    "could-lose": _could_lose,
    "safe": _safe,
    "loses-reclaim": _loses_reclaim,
    "loses-preempt": _loses_preempt,
    "loses-stale": _loses_stale,
    "moves": _moves,
    "leaves": _leaves,
    "ended": _ended,
    "unmodelled-others": _unmodelled_others,
    "assumed": _assumed,
}
"""Sentence of every rule about where a job stands."""
