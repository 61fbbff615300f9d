"""What is said of changes that give a job its places, and of what they cost others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tenantry.fair.explain.sentences_gates import REFUSALS
from tenantry.fair.explain.words import Words, counted, gpus, listed, number, verb
from tenantry.model.pool_snapshot import EndSource

Facts = Mapping[str, Any]


def _fewer_pods(facts: Facts, words: Words) -> str:
    del words
    return f"start with {facts['pods']} of the {facts['minimum']} pods that must start together"


def _smaller_pods(facts: Facts, words: Words) -> str:
    name = facts["resource"]
    return f"ask for {words.amount(name, facts['amount'])} per pod instead of {words.amount(name, facts['asked'])}"


def _smaller_slices(facts: Facts, words: Words) -> str:
    other = facts["asked"].replace("nvidia.com/mig-", "")
    return f"ask for {words.amount(facts['resource'], facts['amount'])} per pod instead of {other}"


def _without_selector(facts: Facts, words: Words) -> str:
    del words
    demand = f" ({facts['demand']})" if facts["demand"] else ""
    return f"drop the demand on node labels{demand}"


def _without_taints(facts: Facts, words: Words) -> str:
    taint = words.naming.place(facts["taint"])
    return f"tolerate the taints that keep it off nodes{f' ({taint})' if taint else ''}"


def _without_host_ports(facts: Facts, words: Words) -> str:
    del facts, words
    return "give up the ports of the node"


def _without_topology(facts: Facts, words: Words) -> str:
    del facts, words
    return "drop the topology constraint"


def _without_demands(facts: Facts, words: Words) -> str:
    del facts, words
    return "drop all demands on nodes: labels, taints, ports and topology together"


def _elsewhere(facts: Facts, words: Words) -> str:
    return f"submit it to node pool {facts['pool']}, {words.queue(facts['queue'])}"


def _preemptible(facts: Facts, words: Words) -> str:
    del facts, words
    return "let it be preemptible"


def _lasting(facts: Facts, words: Words) -> str:
    return f"let it be non-preemptible, which counts it against the quota of {words.queue(facts['queue'])}"


def _priority(facts: Facts, words: Words) -> str:
    del words
    extra = ", at which it is no longer preemptible" if facts["lasting"] else ""
    return f"raise its priority from {facts['old']} to {facts['priority']}{extra}"


def _raised(facts: Facts, words: Words, what: str) -> str:
    parts = []
    for change in facts["changes"]:
        old, new = (words.bound(change["resource"], change[key]) for key in ("old", "new"))
        parts.append(f"the {what} of {words.queue(change['queue'])} from {old} to {new}")
    return f"raise {listed(parts)}"


def _limit(facts: Facts, words: Words) -> str:
    return _raised(facts, words, "limit")


def _quota(facts: Facts, words: Words) -> str:
    return _raised(facts, words, "quota")


def _weight(facts: Facts, words: Words) -> str:
    old, new = number(facts["old"]), number(facts["new"])
    return f"raise the over-quota weight of {words.queue(facts['queue'])} from {old} to {new}"


def _queue_priority(facts: Facts, words: Words) -> str:
    return f"raise the priority of {words.queue(facts['queue'])} from {facts['old']} to {facts['new']}"


def _ready_nodes(facts: Facts, words: Words) -> str:
    del words
    why = listed([REFUSALS.get(reason, reason) for reason in facts["reasons"]])
    return f"make {listed(facts['nodes'])} ready again ({why})"


def _more_nodes(facts: Facts, words: Words) -> str:
    del words
    return f"add {counted(facts['count'], 'node')} like {facts['like']} ({gpus(facts['gpus'])} each)"


def _time(facts: Facts, words: Words) -> str:
    jobs = f": {words.jobs(facts['jobs'])} may be evicted then" if facts["jobs"] else ""
    return f"wait {words.later(facts['at'])}{jobs}"


def _deadline(facts: Facts, words: Words) -> str:
    return f"wait until {words.job(facts['job'])} ends, at the latest by its deadline {words.when(facts['at'])}"


def _run_time(facts: Facts, words: Words) -> str:
    whose = "its run time in the trace" if facts["source"] == EndSource.TRACE else "its made-up run time"
    return f"wait until {words.job(facts['job'])} ends {words.when(facts['at'])}, when {whose} is over"


def _ending(facts: Facts, words: Words, joined: str) -> str:
    pairs = zip(facts["jobs"], facts["gpus"], strict=True)
    return listed([f"{words.job(job)} ({gpus(held)})" for job, held in pairs], joined)


def _end_of_one(facts: Facts, words: Words) -> str:
    return f"wait until {_ending(facts, words, 'or')} ends"


def _end_of_all(facts: Facts, words: Words) -> str:
    return f"wait until all of these have ended: {_ending(facts, words, 'and')}"


def _end_of_many(facts: Facts, words: Words) -> str:
    del words
    return f"wait until much has ended: the {facts['count']} largest running jobs ({gpus(facts['gpus'])}) would do"


def _next_cycle(facts: Facts, words: Words) -> str:
    return f"wait for the next cycle: this one evicts {words.jobs(facts['jobs'])}"


def _effect(facts: Facts, words: Words) -> str:
    """What a change leads to."""
    parts = ["it starts at once" if facts["now"] else "it is promised its place"]
    if facts["losses"]:
        lost = [
            f"{words.job(item['job'])} of {words.queue(item['queue'])} ({gpus(item['gpus'])})"
            for item in facts["losses"]
        ]
        parts.append(f"{listed(lost)} {verb(len(lost), 'is', 'are')} evicted")
    if facts["moved"]:
        parts.append(f"{words.jobs(facts['moved'])} {verb(len(facts['moved']), 'is', 'are')} moved")
    if facts["delayed"]:
        parts.append(f"{words.jobs(facts['delayed'])} then {verb(len(facts['delayed']), 'waits', 'wait')} instead")
    return "; ".join(parts)


CHANGES: Final[Mapping[str, Callable[[Facts, Words], str]]] = {
    "fewer-pods": _fewer_pods,
    "smaller-pods": _smaller_pods,
    "smaller-slices": _smaller_slices,
    "without-selector": _without_selector,
    "without-taints": _without_taints,
    "without-host-ports": _without_host_ports,
    "without-topology": _without_topology,
    "without-demands": _without_demands,
    "elsewhere": _elsewhere,
    "preemptible": _preemptible,
    "lasting": _lasting,
    "priority": _priority,
    "limit": _limit,
    "quota": _quota,
    "weight": _weight,
    "queue-priority": _queue_priority,
    "ready-nodes": _ready_nodes,
    "more-nodes": _more_nodes,
    "time": _time,
    "deadline": _deadline,
    "run-time": _run_time,
    "end-of-one": _end_of_one,
    "end-of-all": _end_of_all,
    "end-of-many": _end_of_many,
    "next-cycle": _next_cycle,
    "effect": _effect,
}
"""Sentence of every rule about changes."""
