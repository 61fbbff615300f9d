"""What is said of where a job stands: that it runs, starts, loses its place, or that others go first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tenantry.fair.explain.sentences_gates import REFUSALS
from tenantry.fair.explain.words import Words, counted, gpus, listed, share

Facts = Mapping[str, Any]

ACTIONS: Final = {
    "reclaim": "its queue gets back what it is due",
    "preempt": "it has a higher priority in the same queue",
    "consolidation": "jobs are moved together",
    "stalegangeviction": "gangs that are incomplete for too long are ended",
}
"""Why an action evicts, in words."""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- it waits ---------------------------------------------------------------------------------------------------------


def _room(facts: Facts, words: Words) -> str:
    """How the nodes look to the waiting pods."""
    name, nodes, usable = facts["resource"], facts["nodes"], facts["usable"]
    asked, idle, most = (words.amount(name, facts[key]) for key in ("asked", "idle", "most"))
    if not usable:
        start = f"None of the {counted(nodes, 'node')} takes its {'pod' if facts['pods'] == 1 else 'pods'}"
    elif facts["pods"] == 1:
        start = f"Its pod needs {asked} on one node; the most that is idle on one is {most}, of {idle} in all"
    else:
        start = (
            f"{facts['fits']} of its {facts['pods']} pods with {asked} each would find room; "
            f"{idle} are idle in all, at most {most} on one node"
        )
    if usable == nodes or not facts["refused"]:
        return f"{start}."
    reasons = [f"{counted(count, 'node')}: {REFUSALS.get(word, word)}" for word, count in facts["refused"].items()]
    return f"{start}; {listed(reasons)}."


def _outranked(facts: Facts, words: Words) -> str:
    """Others that go first take the room."""
    jobs = words.jobs(facts["jobs"])
    return f"There is room for it, and {jobs} {'goes' if len(facts['jobs']) == 1 else 'go'} first and take it."


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
    return f"It was evicted {words.when(facts['at'])}, and waits for a place since."


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
    where = f"on {listed(facts['nodes'])}"
    if not facts["jobs"]:
        return f"It is promised its {counted(facts['pods'], 'place')} {where}, once pods that are leaving are gone."
    why = ACTIONS.get(facts["action"], facts["action"])
    return (
        f"It is promised its {counted(facts['pods'], 'place')} {where}: {words.jobs(facts['jobs'])} "
        f"{'is' if len(facts['jobs']) == 1 else 'are'} evicted for it in this cycle, since {why}."
    )


def _borrows(facts: Facts, words: Words) -> str:
    """A queue holds more than its quota."""
    queue, held, quota = words.queue(facts["queue"]), gpus(facts["allocated"]), gpus(facts["quota"])
    borrowed = gpus(facts["borrowed"])
    return f"{_upper(queue)} holds {held}, {borrowed} more than its quota of {quota}: that part is borrowed."


def _within_quota(facts: Facts, words: Words) -> str:
    """A queue holds no more than its quota."""
    queue, quota = _upper(words.queue(facts["queue"])), words.bound("gpu", facts["quota"])
    return f"{queue} holds {gpus(facts['allocated'])} of its quota of {quota}; nothing is borrowed."


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
    return f"A job of its size waiting in any of {facts['tried']} other queues would not have it evicted."


# --- it loses its places ----------------------------------------------------------------------------------------------


def _loses_reclaim(facts: Facts, words: Words) -> str:
    """The job is reclaimed."""
    cause, mine, theirs = words.job(facts["cause"]), words.queue(facts["queue"]), words.queue(facts["causeQueue"])
    held, fair, other, due = (gpus(facts[key]) for key in ("allocated", "fair", "causeAllocated", "causeFair"))
    rule = "its quota" if facts["guaranteed"] else "its fair share"
    return (
        f"{counted(facts['pods'], 'pod')} of it make way in this cycle for {cause} of {theirs}, which gets {rule} back "
        f"(it holds {other} and is due {due}); {mine} holds {held} and is due {fair}."
    )


def _loses_preempt(facts: Facts, words: Words) -> str:
    """The job is preempted."""
    return (
        f"{counted(facts['pods'], 'pod')} of it make way in this cycle for {words.job(facts['cause'])}, which has "
        f"priority {facts['causePriority']} in the same queue; its own is {facts['priority']}."
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
    pods, nodes = counted(facts["pods"], "pod"), listed(facts["nodes"])
    cause = words.job(facts["cause"])
    return f"{pods} of it are evicted in this cycle and promised {nodes} instead, so that {cause} finds room."


def _leaves(facts: Facts, words: Words) -> str:
    """The job's pods are on their way out."""
    del words
    return f"Its {counted(facts['pods'], 'pod')} are on their way out."


def _ended(facts: Facts, words: Words) -> str:
    """Nothing of the job runs or waits."""
    del words
    if not facts["pods"]:
        return "The snapshot holds none of its pods."
    return f"Its {counted(facts['pods'], 'pod')} have ended."


# --- what is taken for granted ----------------------------------------------------------------------------------------


def _unmodelled_others(facts: Facts, words: Words) -> str:
    """Other waiting jobs that the model does not place."""
    count = len(facts["jobs"])
    verb = "waits and is" if count == 1 else "wait and are"
    them = "it" if count == 1 else "them"
    return f"{words.jobs(facts['jobs'])} {verb} not modelled: room the scheduler may give to {them} counts as free."


def _assumed(facts: Facts, words: Words) -> str:
    """Something about the job that the snapshot does not say."""
    del words
    return f"{_upper(facts['what'])}."


STANDINGS: Final[Mapping[str, Callable[[Facts, Words], str]]] = {
    "room": _room,
    "outranked": _outranked,
    "first-by": _first_by,
    "set-aside": _aside,
    "evicted-before": _evicted_before,
    "runs": _runs,
    "starts": _starts,
    "is-promised": _promised,
    "borrows": _borrows,
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
