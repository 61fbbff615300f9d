"""What a change allows or forbids, in the words a reviewer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plan_changes import GONE, change_of

from tenantry.model.problem import Location
from tenantry.plan import Cause, Level

CASES: list[tuple[str, dict[str, Any], str, Level, str]] = [
    (
        "an exception that goes takes a connection away",
        {"Contract/exceptions": GONE},
        "EFFECT-EXCEPTION",
        Level.DISRUPTIVE,
        "may no longer connect to tenant search (search-serve/app=ranking-api) on TCP/8443; what uses it fails "
        "(exception assistant-uses-search)",
    ),
    (
        "a further port is told with what stays",
        {"Contract/exceptions spec.exceptions[assistant-uses-search].ports": ["TCP/8443", "TCP/9443"]},
        "EFFECT-EXCEPTION",
        Level.CHANGE,
        "may now connect to tenant search (search-serve/app=ranking-api) on TCP/8443 and TCP/9443 until 2027-06-30: "
        "The assistant grounds its answers in search results (exception assistant-uses-search)",
    ),
    (
        "a port that goes takes a connection away",
        {"Contract/exceptions spec.exceptions[assistant-uses-search].ports": ["TCP/9443"]},
        "EFFECT-EXCEPTION",
        Level.DISRUPTIVE,
        "may now connect to tenant search (search-serve/app=ranking-api) on TCP/9443 until 2027-06-30: The assistant "
        "grounds its answers in search results; no longer on TCP/8443 (exception assistant-uses-search)",
    ),
    (
        "traffic to the outside that goes is lost",
        {"Tenant/search spec.network.egress": []},
        "EFFECT-EGRESS",
        Level.DISRUPTIVE,
        "may no longer connect to 10.50.4.0/22 TCP/5432 and 10.50.4.0/22 TCP/6379; what uses it fails",
    ),
    (
        "a host name that is exchanged is gained and lost",
        {"Tenant/search spec.network.hosts": ["find.example.com"]},
        "EFFECT-HOSTS",
        Level.CHANGE,
        "may publish under find.example.com; no longer under search.example.com: what is published there stays until "
        "it is changed",
    ),
    (
        "administrators are named",
        {"Platform spec.gitops.adminGroups": ["ops"]},
        "EFFECT-ADMINISTRATORS",
        Level.CHANGE,
        "ops may do everything through Argo CD and is not held by guards; platform-admins may no longer, and is held "
        "by guards",
    ),
    (
        "an older channel changes nothing that runs",
        {"Platform spec.operators": {"gpu-operator": {"channel": "v26.3"}}},
        "EFFECT-OPERATOR",
        Level.CHANGE,
        "channel v26.7 -> v26.3; the channel is an older one and OLM never downgrades: the version that runs stays",
    ),
]


@pytest.mark.parametrize(
    ("edits", "rule", "level", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_allowed_is_told(edits: dict[str, Any], rule: str, level: Level, message: str, tmp_path: Path) -> None:
    found = [effect for effect in change_of("dell", tmp_path, edits).effects if effect.rule == rule]
    assert [(effect.level, effect.message) for effect in found] == [(level, message)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["a", "b"], ["a", "b", "c"], "hosts: + c"),
        (["a", "b"], ["b"], "hosts: - a"),
        ([{"gpus": [0], "n": 7}], [{"gpus": [0], "n": 6}], "hosts: - {gpus: [0], n: 7}, + {gpus: [0], n: 6}"),
        (["a", "b"], ["b", "a"], "hosts: another order"),
        ([], list("abcdef"), "hosts: + a, + b, + c, + d and 2 more"),
        (None, ["a"], "hosts added"),
        (["a"], None, "hosts removed"),
        (1, 2, "hosts: 1 -> 2"),
    ],
)
def test_a_list_shows_what_differs_in_it(before: object, after: object, expected: str) -> None:
    assert Cause("Platform x", "hosts", before, after, Location("p.yaml", 1, 1)).words() == expected


def test_the_cause_is_the_line_of_the_new_item(tmp_path: Path) -> None:
    hosts = [f"gpu-0{number}.ai-factory.example.com" for number in (1, 2, 3, 4, 5, 6, 9)]
    plan = change_of("dell", tmp_path, {"Platform spec.nodePools[training].hosts": hosts})
    (effect,) = [item for item in plan.effects if item.rule == "EFFECT-NODES-ADDED"]
    (cause,) = effect.causes
    lines = Path(cause.location.file).read_text("utf-8").splitlines()
    assert "gpu-09" in lines[cause.location.line - 1]
