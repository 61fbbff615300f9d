"""Label selectors mean what the server takes them to mean, and are refused where it refuses them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from e2e_support import Tally, Transcript

from tenantry.model.selector import parse_selector
from testbed.control_plane import Cluster

pytestmark = pytest.mark.e2e

SEED = 20
RECORDED = 10
"""Every how many cases one is kept."""
KEYS = ["team", "tier", "tenantry.dev/tenant", "a.b-c/d_e.f", "x"]
VALUES = ["vision", "speech", "1", "true", "A.b_c-9", "gold", "", "v" * 63]
OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"]


def labels(draw: random.Random) -> dict[str, str]:
    return {key: draw.choice(VALUES) for key in KEYS if draw.random() < 0.5}


def expression(draw: random.Random) -> dict[str, Any]:
    operator = draw.choice(OPERATORS)
    body: dict[str, Any] = {"key": draw.choice(KEYS), "operator": operator}
    if operator in {"In", "NotIn"}:
        body["values"] = draw.choices(VALUES, k=draw.randint(1, 3))
    return body


def selector(draw: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if draw.random() < 0.4:
        body["matchLabels"] = {draw.choice(KEYS): draw.choice(VALUES)}
    if draw.random() < 0.8:
        body["matchExpressions"] = [expression(draw) for _ in range(draw.randint(0, 3))]
    return body


def written(body: dict[str, Any]) -> str:
    """The same selector as a query takes it; metav1.LabelSelectorAsSelector is the server's own translation."""
    parts = [f"{key}={value}" for key, value in body.get("matchLabels", {}).items()]
    for item in body.get("matchExpressions", []):
        key, operator = item["key"], item["operator"]
        listed = ",".join(dict.fromkeys(item.get("values", []))) or ","
        forms = {"In": f"{key} in ({listed})", "NotIn": f"{key} notin ({listed})"}
        parts.append(forms.get(operator) or ("" if operator == "Exists" else "!") + key)
    return ",".join(parts)


def test_selectors_choose_what_the_server_chooses(
    module_cluster: Cluster, tally: Tally, transcript: Transcript
) -> None:
    draw = random.Random(SEED)
    api, namespace = module_cluster.api, "default"
    objects = {f"object-{number}": labels(draw) for number in range(40)}
    for name, chosen in objects.items():
        meta = {"name": name, "namespace": namespace, "labels": {"testbed": "selectors", **chosen}}
        api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}).expect()
    transcript.add("objects", objects)
    wrong = []
    for number in range(1500):
        body = selector(draw)
        query = {"labelSelector": ",".join(filter(None, ["testbed=selectors", written(body)]))}
        theirs = {item["metadata"]["name"] for item in api.list("v1", "ConfigMap", namespace, query)}
        if number % RECORDED == 0:
            transcript.add("chosen", body, sorted(theirs))
        parsed = parse_selector(body)
        ours = {name for name, chosen in objects.items() if parsed.matches(chosen)}
        if not tally.count("selectors", "label selectors: objects chosen", agreed=ours == theirs):
            wrong.append((body, sorted(ours ^ theirs)))
    assert wrong == []


BROKEN: list[dict[str, Any]] = [
    {"matchExpressions": [{"key": "team", "operator": "In"}]},
    {"matchExpressions": [{"key": "team", "operator": "In", "values": []}]},
    {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": []}]},
    {"matchExpressions": [{"key": "team", "operator": "Exists", "values": ["a"]}]},
    {"matchExpressions": [{"key": "team", "operator": "DoesNotExist", "values": ["a"]}]},
    {"matchExpressions": [{"key": "team", "operator": "Equals", "values": ["a"]}]},
    {"matchExpressions": [{"key": "team", "operator": "in", "values": ["a"]}]},
    {"matchExpressions": [{"operator": "Exists"}]},
    {"matchExpressions": [{"key": "", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "team"}]},
    {"matchExpressions": [{"key": "two words", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "a/b/c", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "-team", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "UPPER.example/x", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "k" * 64, "operator": "Exists"}]},
    {"matchExpressions": [{"key": "team", "operator": "In", "values": ["two words"]}]},
    {"matchExpressions": [{"key": "team", "operator": "In", "values": ["v" * 64]}]},
    {"matchExpressions": [{"key": "team", "operator": "In", "values": ["-a"]}]},
    {"matchLabels": {"two words": "a"}},
    {"matchLabels": {"team": "two words"}},
    {"matchLabels": {"team": "v" * 64}},
    {"matchLabels": {"team": "ä"}},
    {"matchLabels": {"/team": "a"}},
    {"matchLabels": {"": "a"}},
    {"matchLabel": {"team": "a"}},
]


def test_what_is_no_selector_is_refused_on_both_sides(
    module_cluster: Cluster, tally: Tally, transcript: Transcript
) -> None:
    draw = random.Random(SEED + 1)
    wrong = []
    for body in [*BROKEN, *(selector(draw) for _ in range(300))]:
        policy = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "probe", "namespace": "default"},
            "spec": {"podSelector": body},
        }
        theirs = module_cluster.api.create(policy, dry_run=True).ok
        if body in BROKEN:
            transcript.add("taken", body, theirs)
        if not tally.count("selectors", "label selectors: taken or refused", agreed=theirs is taken(body)):
            wrong.append((body, theirs))
    assert wrong == []


def taken(body: dict[str, Any]) -> bool:
    try:
        parse_selector(body)
    except ValueError:
        return False
    return True
