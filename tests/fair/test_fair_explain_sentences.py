"""Every sentence: that there is one for every gate, that it names its numbers, and that names in it can be replaced."""

from __future__ import annotations

from typing import Any

import pytest

from tenantry.fair.explain.sentences import NAMES, SENTENCES, named_facts, sentence
from tenantry.fair.explain.words import Plain, Words, listed, number, span
from tenantry.model.schedule import Gate

THREE = (0.0, 0.0, 0.0)
NOW = 1_773_136_800  # 2026-03-10T10:00:00Z

SAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    Gate.NOT_MODELLED: (
        {"demand": "it asks for devices"},
        "What the scheduler does with it is not modelled: it asks for devices. It is counted, and not placed.",
    ),
    Gate.QUEUE_MISSING: (
        {"queue": "q"},
        "Queue q does not exist, or has no way up to a top queue; the scheduler passes over its jobs.",
    ),
    Gate.QUEUE_NOT_LEAF: (
        {"queue": "q"},
        "It was submitted to queue q, which has queues below it; only the lowest take jobs.",
    ),
    Gate.NOT_READY: (
        {"groups": {"default": {"pods": 3, "gated": 1, "needed": 4}}},
        "Too few of its pods are there to start: 2 of 4 (1 held back by scheduling gates).",
    ),
    Gate.BEYOND_DEPTH: (
        {"queue": "q", "depth": 10, "waiting": 12},
        "12 jobs wait in queue q, and the scheduler looks at 10 of a queue in each cycle.",
    ),
    Gate.OVER_LIMIT: (
        {"queue": "q", "resource": "CPU", "limit": 8000.0, "allocated": 6500.0, "requested": 2000.0},
        "It asks for 2 CPUs; queue q holds 6.5 of the 8 CPUs it may have at most.",
    ),
    Gate.LASTING_OVER_QUOTA: (
        {"queue": "q", "resource": "GPU", "quota": 4.0, "lasting": 3.0, "requested": 2.0},
        "It may not be preempted, and such jobs get no more than their queue's quota: queue q has 4 GPUs, "
        "such jobs hold "
        "3 of it, and it asks for 2 GPUs.",
    ),
    Gate.TOO_LARGE: (
        {"resource": "memory", "requested": 2.0**41, "largest": 2.0**40, "pod": "p"},
        "Its pod asks for 2,048 GiB of memory; the largest node of the pool has 1,024 GiB of memory.",
    ),
    Gate.NO_ROOM: (
        {"found": 2, "needed": 4, "pod": "p", "refused": {"taint": 1, "cordoned": 2}},
        "There is room for 2 of the 4 pods that must start together; nodes with room refuse it (2 nodes: cordoned and "
        "1 node: a taint the pod does not tolerate).",
    ),
    Gate.NO_TOPOLOGY: (
        {"topology": "racks", "subgroup": ""},
        "Its pods must be placed by topology racks, which does not exist or whose levels no node names.",
    ),
    Gate.TOPOLOGY: (
        {"topology": "racks", "required": "rack", "preferred": "", "needed": 4, "pods": 3, "domain": "root"},
        "Its 4 pods must be placed together within one rack, and none has the room; the nodes have room for 3.",
    ),
    Gate.WAITS_FOR_RELEASE: ({}, "It has its places; it starts once the pods that are leaving them are gone."),
    Gate.DELAYED: (
        {"until": NOW + 90},
        "It may have nobody evicted yet: its preemption delay ends in 1 min 30 s (2026-03-10 10:01:30 UTC).",
    ),
    Gate.NOT_PREEMPTIBLE: ({}, "Running jobs are moved together only for jobs that may be preempted themselves."),
    Gate.TOO_FEW_FREE: (
        {"free": 1.0, "requested": 4.0, "freeMemory": 0, "requestedMemory": 0},
        "Moving running jobs together would not do: 1 GPU is idle in all, and it asks for 4.",
    ),
    Gate.OVER_FAIR_SHARE: (
        {"queue": "q", "allocated": (0.0, 0.0, 6.0), "requested": (0.0, 0.0, 4.0), "fair": (0.0, 0.0, 8.0)},
        "Nobody has to make way: queue q is due 8 GPUs and holds 6; 4 more would exceed its fair share.",
    ),
    Gate.LIKE_ONE_THAT_FAILED: (
        {"other": "j"},
        "j demands the same, is no larger, and failed in this cycle; so it is not tried.",
    ),
    Gate.NO_VICTIMS: (
        {"victims": 0, "scenarios": 0, "unplaced": 0, "refused": {}, "filtered": {}},
        "No running job may be evicted for it.",
    ),
    Gate.NO_SCENARIO: (
        {"victims": 2, "scenarios": 0, "unplaced": 0, "refused": {}, "filtered": {"free-gpus": 3}},
        "2 running jobs may be evicted for it, and evicting all of them would not do: too few GPUs come free "
        "on the nodes "
        "it needs.",
    ),
    Gate.NO_PLACE_AFTER_EVICTION: (
        {"victims": 3, "scenarios": 2, "unplaced": 2, "refused": {}, "filtered": {}, "back": ("j",)},
        "3 running jobs may be evicted for it; 2 ways of doing so came into question and left it without a "
        "place: j would "
        "get its place back first.",
    ),
    Gate.VICTIM_WITHIN_SHARE: (
        {
            "victimQueue": "v",
            "reclaimer": "q",
            "left": (0.0, 0.0, 4.0),
            "fair": (0.0, 0.0, 4.0),
            "quota": (0.0, 0.0, 2.0),
            "inQuota": False,
        },
        "Enough room would only come from queue v by taking what is its own: it would hold 4 GPUs by then, "
        "and its fair "
        "share is 4 GPUs, its quota 2 GPUs; queue q may take what a queue holds above its fair share, no more.",
    ),
    Gate.WOULD_OVERTAKE: (
        {"queue": "q", "saturation": 1.5, "sibling": "s", "siblingSaturation": 1.25, "resource": 2},
        "With it queue q would hold 150 % of its fair share of GPUs and leave queue s with 125 % of its own; who takes "
        "back may not end up the fuller one.",
    ),
    Gate.VICTIM_PROTECTED: (
        {"victim": "j"},
        "j would have to make way, and may still run undisturbed for a while.",
    ),
    Gate.VICTIM_WITHOUT_PLACE: (
        {"victim": "j"},
        "Moving running jobs together would leave j without a place, which it may not.",
    ),
    "room": (
        {
            "pods": 4,
            "resource": "gpu",
            "asked": 8.0,
            "nodes": 6,
            "usable": 5,
            "idle": 20.0,
            "most": 8.0,
            "parts": 1.5,
            "part": 0.5,
            "shares": False,
            "lacks": ["memory"],
            "fits": 1,
            "refused": {"cordoned": 1},
        },
        "1 of its 4 pods with 8 GPUs each would find room: at most 8 are idle on one node, 20 in all; 1.5 GPUs more "
        "are free, in parts of shared ones only; where there is enough, too little is left of memory; others take none "
        "(1 node: cordoned).",
    ),
    "outranked": ({"jobs": ["a", "b"]}, "There is room for it, and a and b go first and take it."),
    "first-by": (
        {"other": "a", "by": "quota", "otherQueue": "x", "queue": "y", "amounts": (0.0, 0.0)},
        "a goes first because with its job queue x stays within its quota, and queue y does not.",
    ),
    "set-aside": (
        {"reason": "it was tried once", "said": "over limit", "since": NOW - 60},
        "The scheduler does not look at it: it was tried once; it recorded 1 min ago (2026-03-10 09:59 UTC): "
        "over limit.",
    ),
    "evicted": (
        {"at": NOW, "cause": "a", "action": "preempt"},
        "It was evicted just now for a, since it has a higher priority in the same queue.",
    ),
    "evicted-before": (
        {"at": NOW - 3600, "cause": "a", "action": "reclaim"},
        "It was evicted 1 h ago (2026-03-10 09:00 UTC) for a, since its queue gets back what it is due, "
        "and waits for a place again.",
    ),
    "runs": ({"since": NOW - 5400, "nodes": ["n1"], "gpus": 8.0}, "It has run for 1 h 30 min on n1 and holds 8 GPUs."),
    "starts": ({"pods": 2, "nodes": ["n1", "n2"]}, "It gets its 2 places in this cycle, on n1 and n2."),
    "is-promised": (
        {"pods": 1, "nodes": ["n1"], "jobs": ["a"], "moved": [], "action": "reclaim"},
        "It is promised its 1 place on n1: a is evicted for it in this cycle, since its queue gets back what "
        "it is due.",
    ),
    "borrows": (
        {"queue": "q", "allocated": 8.0, "quota": 6.0, "borrowed": 2.0},
        "Queue q holds 8 GPUs, 2 more than its quota: that part is borrowed.",
    ),
    "only-protected": (
        {"jobs": ["a", "b"], "until": NOW + 90},
        "No running job may be evicted for it yet: a and b are protected, the first of them for another 1 min 30 s "
        "(2026-03-10 10:01:30 UTC).",
    ),
    "within-quota": (
        {"queue": "q", "allocated": 3.0, "quota": 4.0},
        "Queue q holds 3 of the 4 GPUs of its quota: nothing is borrowed.",
    ),
    "cannot-lose": ({}, "It may not be preempted: it runs to its end unless its node fails."),
    "could-lose": (
        {"queue": "q", "action": "reclaim", "until": NOW + 600},
        "A job of its size waiting in queue q would have it evicted, from the end of its protection on, in 10 min "
        "(2026-03-10 10:10 UTC).",
    ),
    "safe": ({"tried": 1}, "No job of its size waiting in another queue would have it evicted (1 queue tried)."),
    "loses-reclaim": (
        {
            "pods": 2,
            "cause": "a",
            "causeQueue": "x",
            "queue": "y",
            "allocated": 8.0,
            "fair": 4.0,
            "causeAllocated": 0.0,
            "causeFair": 4.0,
            "guaranteed": True,
        },
        "2 pods of it make way in this cycle for a of queue x, which gets its quota back (it holds 0 of the "
        "4 GPUs it is "
        "due); queue y holds 8 and is due 4 GPUs.",
    ),
    "loses-preempt": (
        {"pods": 1, "cause": "a", "causePriority": 75, "priority": 50},
        "1 pod of it makes way in this cycle for a, which has priority 75 in the same queue; its own is 50.",
    ),
    "loses-stale": (
        {"since": NOW - 120, "active": 1, "minimum": 2},
        "It is evicted in this cycle: it has run for 2 min with 1 of the 2 pods it must run with, and its "
        "grace is over.",
    ),
    "moves": (
        {"pods": 1, "nodes": ["n2"], "cause": "a"},
        "1 pod of it is evicted in this cycle and promised n2 instead, so that a finds room.",
    ),
    "leaves": ({"pods": 1}, "Its 1 pod is on the way out."),
    "ended": ({"pods": 2}, "Its 2 pods have ended."),
    "unmodelled-others": (
        {"jobs": ["a"]},
        "a waits and is not modelled: room the scheduler may give to it counts as free.",
    ),
    "assumed": ({"what": "its volumes are everywhere"}, "Its volumes are everywhere."),
    "fewer-pods": ({"pods": 2, "minimum": 4}, "start with 2 of the 4 pods that must start together"),
    "smaller-pods": ({"resource": "gpu", "amount": 4.0, "asked": 8.0}, "ask for 4 GPUs per pod instead of 8 GPUs"),
    "smaller-slices": (
        {"resource": "nvidia.com/mig-1g.18gb", "amount": 1.0, "asked": "nvidia.com/mig-3g.71gb"},
        "ask for 1 1g.18gb per pod instead of 3g.71gb",
    ),
    "without-selector": ({"demand": "a=b"}, "drop the demand on node labels (a=b)"),
    "without-taints": ({"taint": "a"}, "tolerate the taints that keep it off nodes (a)"),
    "without-host-ports": ({"demand": ""}, "give up the ports of the node"),
    "without-topology": ({"demand": ""}, "drop the topology constraint"),
    "without-demands": ({"demand": ""}, "drop all demands on nodes: labels, taints, ports and topology together"),
    "elsewhere": ({"pool": "p", "queue": "q"}, "submit it to node pool p, queue q"),
    "preemptible": ({"queue": "q"}, "let it be preemptible"),
    "lasting": ({"queue": "q"}, "let it be non-preemptible, which counts it against the quota of queue q"),
    "priority": (
        {"priority": 101, "old": 50, "lasting": True},
        "raise its priority from 50 to 101, at which it is no longer preemptible",
    ),
    "limit": (
        {"changes": [{"queue": "q", "resource": "gpu", "old": 4.0, "new": 6.0}]},
        "raise the limit of queue q from 4 GPUs to 6 GPUs",
    ),
    "quota": (
        {
            "changes": [
                {"queue": "q", "resource": "gpu", "old": 4.0, "new": 6.0},
                {"queue": "p", "resource": "gpu", "old": 8.0, "new": 10.0},
            ]
        },
        "raise the quota of queue q from 4 GPUs to 6 GPUs and the quota of queue p from 8 GPUs to 10 GPUs",
    ),
    "weight": ({"queue": "q", "old": 1.0, "new": 3.0}, "raise the over-quota weight of queue q from 1 to 3"),
    "queue-priority": ({"queue": "q", "old": 100, "new": 201}, "raise the priority of queue q from 100 to 201"),
    "ready-nodes": ({"nodes": ["n1"], "reasons": ["cordoned"]}, "make n1 ready again (cordoned)"),
    "more-nodes": ({"count": 2, "like": "n1", "gpus": 8.0}, "add 2 nodes like n1 (8 GPUs each)"),
    "time": (
        {"at": NOW + 600, "after": 600, "jobs": ["a"]},
        "wait 10 min (2026-03-10 10:10 UTC): a may be evicted then",
    ),
    "deadline": (
        {"at": NOW + 60, "after": 60, "job": "a"},
        "wait until a ends, at the latest by its deadline in 1 min (2026-03-10 10:01 UTC)",
    ),
    "run-time": (
        {"at": NOW + 60, "after": 60, "job": "a", "source": "trace"},
        "wait until a ends in 1 min (2026-03-10 10:01 UTC), when its run time in the trace is over",
    ),
    "end-of-one": (
        {"jobs": ["a"], "gpus": [8.0]},
        "wait until a (8 GPUs) ends",
    ),
    "end-of-all": (
        {"jobs": ["a", "b"], "gpus": [8.0, 1.0]},
        "wait until all of these have ended: a (8 GPUs) and b (1 GPU)",
    ),
    "end-of-many": (
        {"count": 20, "gpus": 160.0},
        "wait until much has ended: the 20 largest running jobs (160 GPUs) would do",
    ),
    "next-cycle": ({"jobs": ["a"]}, "wait for the next cycle: this one evicts a"),
    "effect": (
        {
            "now": False,
            "losses": [{"job": "a", "queue": "x", "pods": 1, "gpus": 4.0}],
            "moved": ["b"],
            "delayed": ["c", "d"],
        },
        "it is promised its place; a of queue x (4 GPUs) is evicted; b is moved; c and d then wait instead",
    ),
}
"""Facts of every rule, and the sentence they make."""


def test_there_is_a_sentence_for_every_gate_and_a_sample_for_every_sentence() -> None:
    assert set(Gate) <= set(SENTENCES)
    assert set(SAMPLES) == set(SENTENCES)


@pytest.mark.parametrize("rule", sorted(SAMPLES))
def test_a_sentence_says_its_numbers(rule: str) -> None:
    facts, expected = SAMPLES[rule]
    assert sentence(rule, facts, Words(Plain(), NOW)) == expected


class Hidden:
    """Names nothing."""

    def queue(self, name: str) -> str:
        return "Q"

    def job(self, name: str) -> str:
        return "J"

    def pod(self, name: str) -> str:
        return "P"

    def place(self, text: str) -> str:
        return ""


CANARY = "zz9-canary"


def planted(key: str, value: Any) -> Any:
    """The same facts with every name of a queue, job, pod or taint replaced by one that must not be seen."""
    if isinstance(value, dict):
        return {inner: planted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [planted(key, item) for item in value]
    return CANARY if key in NAMES and isinstance(value, str) and value else value


@pytest.mark.parametrize("rule", sorted(SAMPLES))
def test_no_name_gets_past_the_naming(rule: str) -> None:
    facts = {key: planted(key, value) for key, value in SAMPLES[rule][0].items()}
    words = Words(Hidden(), NOW)
    assert CANARY not in sentence(rule, facts, words)
    assert CANARY not in repr(named_facts(facts, words))


NO_NAMES = {
    "action", "asked", "by", "demand", "domain", "lacks", "like", "nodes", "pool", "preferred", "reason", "reasons",
    "required", "resource", "said", "source", "subgroup", "topology", "what",
}  # fmt: skip
"""Facts whose texts name nobody: words, resources, nodes, levels, and what belongs to the job itself."""


def texts(key: str, value: Any) -> set[str]:
    """Facts that hold texts."""
    if isinstance(value, dict):
        return set().union(*(texts(inner, item) for inner, item in value.items())) if key != "groups" else set()
    if isinstance(value, list | tuple):
        return set().union(*(texts(key, item) for item in value)) if value else set()
    return {key} if isinstance(value, str) else set()


def test_every_fact_that_is_text_is_known_to_hold_a_name_or_not() -> None:
    found = {name for facts, _ in SAMPLES.values() for key, value in facts.items() for name in texts(key, value)}
    assert found <= set(NAMES) | NO_NAMES


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"quota": (-1.0, -1.0, 4.0), "lasting": (9.0, 9.0, 3.0), "requested": (1.0, 1.0, 2.0), "queue": "q"},
            "queue q has 4 GPUs, such jobs hold 3 of it, and it asks for 2 GPUs",
            id="the resource that does not fit is named",
        ),
        pytest.param(
            {"quota": (1000.0, -1.0, 4.0), "lasting": (500.0, 0.0, 0.0), "requested": (2000.0, 0.0, 1.0), "queue": "q"},
            "queue q has 1 CPU, such jobs hold 0.5 of it, and it asks for 2 CPUs",
            id="another one than GPUs",
        ),
        pytest.param(
            {"quota": (0.0, 0.0, 4.0), "lasting": THREE, "queue": "q"},
            "queue q has 4 GPUs, such jobs hold 0 of it.",
            id="without what is asked for",
        ),
    ],
)
def test_a_quota_that_is_exceeded_is_named(facts: dict[str, Any], expected: str) -> None:
    assert expected in sentence(Gate.LASTING_OVER_QUOTA, facts, Words(Plain()))


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("fair-share", "queue y is above its fair share, and queue x is not"),
        ("queue-priority", "queue x has priority 2, and queue y 1"),
        ("no-share", "queue y would hold something it has no share of at all, and queue x would not"),
        ("part-with-job", "queue x would hold 200 % of what it may hold, and queue y 100 %"),
        ("part", "queue x holds 200 % of what it may hold, and queue y 100 %"),
        ("priority", "its priority is 2, and this job's 1"),
        ("minimum", "it has fewer pods than it must run with"),
        ("age", "queue x is older than queue y"),
    ],
)
def test_every_way_to_go_first(by: str, expected: str) -> None:
    facts = {"other": "a", "by": by, "otherQueue": "x", "queue": "y", "amounts": (2.0, 1.0)}
    assert sentence("first-by", facts, Words(Plain())) == f"a goes first because {expected}."


def test_clocks_that_do_not_count_from_1970_are_not_shown() -> None:
    assert Words(Plain(), 1000).when(1600) == "in 10 min"
    assert Words(Plain(), 1000).when(940) == "1 min ago"
    assert Words(Plain(), 1000).when(1000) == "now"


def test_numbers_spans_and_lists() -> None:
    assert [number(value) for value in (0.0, -0.001, 8.0, 0.5, 1.333, 1e6)] == [
        "0",
        "0",
        "8",
        "0.5",
        "1.33",
        "1,000,000",
    ]
    assert [span(value) for value in (0, 59, 61, 3600, 90_061)] == ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c", "d"]) == "a, b, c and d"
    assert listed(["a", "b", "c", "d", "e"], "or") == "a, b, c or 2 more"
