"""Clusters that make no sense are refused with what was expected, not replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tenantry.fair.checks import check_queues, check_setup
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.moment import Node
from tenantry.model.queue import FREE, Entitled, Queue

NODE = Node("node-1", gpus=8.0)
TREE = (Queue("lab", gpu=FREE), Queue("vision", "lab", Entitled(4, 8, 1)))
GOOD = Setup((NODE,), TREE, {"vision": "vision"})


def test_a_sound_cluster_has_no_problems() -> None:
    assert check_setup(GOOD) == []


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("a queue given twice", {"queues": (*TREE, TREE[1])}, "FAIR-QUEUE-TWICE", "queue vision"),
    ("a parent that is missing", {"queues": (TREE[1],)}, "FAIR-QUEUE-PARENT", "queue vision"),
    ("a queue without a name", {"queues": (*TREE, Queue("", gpu=FREE))}, "FAIR-QUEUE-NAME", "queue"),
    ("a negative quota", {"queues": (TREE[0], Queue("vision", "lab", Entitled(-2, 8, 1)))}, "FAIR-QUEUE-AMOUNT",
     "queue vision"),
    ("a limit that is no number", {"queues": (TREE[0], Queue("vision", "lab", Entitled(1, float("nan"), 1)))},
     "FAIR-QUEUE-AMOUNT", "queue vision"),
    ("an absurd quota", {"queues": (TREE[0], Queue("vision", "lab", Entitled(1e18, -1, 1)))}, "FAIR-QUEUE-AMOUNT",
     "queue vision"),
    ("a negative weight", {"queues": (TREE[0], Queue("vision", "lab", Entitled(1, 8, -1)))}, "FAIR-QUEUE-WEIGHT",
     "queue vision"),
    ("an unlimited weight", {"queues": (TREE[0], Queue("vision", "lab", Entitled(1, 8, float("inf"))))},
     "FAIR-QUEUE-WEIGHT", "queue vision"),
    ("a limit below the quota", {"queues": (TREE[0], Queue("vision", "lab", Entitled(8, 4, 1)))}, "FAIR-QUEUE-LIMIT",
     "queue vision"),
    ("a negative protection", {"queues": (TREE[0], replace(TREE[1], reclaim_min_runtime=-1))}, "FAIR-QUEUE-RUNTIME",
     "queue vision"),
    ("a node given twice", {"nodes": (NODE, NODE)}, "FAIR-NODE-TWICE", "node node-1"),
    ("a node with negative GPUs", {"nodes": (Node("node-1", gpus=-1.0),)}, "FAIR-NODE-AMOUNT", "node node-1"),
    ("a tenant whose queue is missing", {"queue_of": {"vision": "visoin"}}, "FAIR-TENANT-QUEUE", "tenant vision"),
    ("a tenant whose queue takes no jobs", {"queue_of": {"vision": "lab"}}, "FAIR-TENANT-QUEUE", "tenant vision"),
    ("an instance that counts otherwise", {"instances": {2000: "nvidia.com/mig-3g.71gb"}}, "FAIR-INSTANCE",
     "nvidia.com/mig-3g.71gb"),
    ("time that runs backwards", {"behaviour": Behaviour(leaving=-5)}, "FAIR-BEHAVIOUR", "behaviour"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "rule", "subject"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_is_reported_with_its_rule(changes: dict[str, Any], rule: str, subject: str) -> None:
    problems = check_setup(replace(GOOD, **changes))
    assert (rule, subject) in {(problem.rule, problem.subject) for problem in problems}
    assert all(problem.message and problem.expected for problem in problems)


def test_a_circle_is_reported_once_with_its_members_and_not_for_those_below_it() -> None:
    queues = (Queue("a", "c", FREE), Queue("b", "a", FREE), Queue("c", "b", FREE), Queue("leaf", "a", FREE))
    problems = check_queues(queues)
    assert [(problem.rule, problem.subject, problem.found) for problem in problems] == [
        ("FAIR-QUEUE-CYCLE", "queue a", "a > c > b > a")
    ]
    assert [problem.rule for problem in check_queues((Queue("own", "own", FREE),))] == ["FAIR-QUEUE-CYCLE"]


def test_a_problem_reads_as_a_sentence() -> None:
    problem = check_queues((Queue("vision", "lab", FREE),))[0]
    assert str(problem) == (
        "queue vision: its parent lab is no queue, so the scheduler leaves it out with all below it; "
        "expected the name of a queue; found lab (FAIR-QUEUE-PARENT)"
    )
