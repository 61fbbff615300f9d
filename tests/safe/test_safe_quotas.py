"""What quotas bound: scopes that together cover all pods, cluster quotas by label and annotation, nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import Body, obj, snapshot
from share_objects import quota, space

from tenantry.safe.quotas import QuotaBook


def scoped(name: str, *terms: tuple[str, str, list[str]]) -> Body:
    entries = [
        {"scopeName": scope, "operator": operator, **({"values": values} if values else {})}
        for scope, operator, values in terms
    ]
    return obj("ResourceQuota", name, "a", spec={"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": entries}})


COVERS = [
    ("plain", [quota(pods="1")], True),
    ("nothing", [], False),
    ("one scope", [quota(scopes=["BestEffort"], pods="1")], False),
    ("both halves", [quota("a", "x", ["BestEffort"], pods="1"), quota("a", "y", ["NotBestEffort"], pods="1")], True),
    (
        "halves of two divisions",
        [quota("a", "x", ["BestEffort"], pods="1"), quota("a", "y", ["Terminating"], pods="1")],
        False,
    ),
    (
        "two scopes at once",
        [quota("a", "x", ["BestEffort", "Terminating"], pods="1"), quota("a", "y", ["NotTerminating"], pods="1")],
        False,
    ),
    (
        "classes and all others",
        [scoped("x", ("PriorityClass", "In", ["p"])), scoped("y", ("PriorityClass", "NotIn", ["p"]))],
        True,
    ),
    (
        "more classes than are left out",
        [scoped("x", ("PriorityClass", "In", ["p", "q"])), scoped("y", ("PriorityClass", "NotIn", ["p"]))],
        True,
    ),
    (
        "a class that neither counts",
        [scoped("x", ("PriorityClass", "In", ["p"])), scoped("y", ("PriorityClass", "NotIn", ["p", "q"]))],
        False,
    ),
    (
        "with and without a class",
        [scoped("x", ("PriorityClass", "Exists", [])), scoped("y", ("PriorityClass", "DoesNotExist", []))],
        True,
    ),
    ("an amount that is none", [quota(pods="many")], False),
    ("no amount", [quota(pods=None)], False),
]


@pytest.mark.parametrize(("quotas", "covered"), [row[1:] for row in COVERS], ids=[row[0] for row in COVERS])
def test_a_key_is_bounded_when_its_quotas_cover_every_pod(quotas: list[Body], covered: bool) -> None:
    assert (QuotaBook(snapshot(space("a"), quotas)).bound("a", "pods") is not None) is covered


def cluster_quota(**selector: Any) -> Body:
    spec = {"selector": selector, "quota": {"hard": {"pods": "1"}}}
    return obj("ClusterResourceQuota", "all", api="quota.openshift.io/v1", spec=spec)


SELECTED = [
    ("labels", {"labels": {"matchLabels": {"team": "x"}}}, ("a",)),
    ("annotations", {"annotations": {"owner": "y"}}, ("b",)),
    ("both must match", {"labels": {"matchLabels": {"team": "x"}}, "annotations": {"owner": "y"}}, ()),
    ("expressions", {"labels": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, ("a",)),
    ("no selector selects nothing", {}, ()),
    ("an empty selector selects everything", {"labels": {}}, ("a", "b")),
    ("nonsense selects nothing", {"labels": {"matchLabels": ["x"]}}, ()),
]


@pytest.mark.parametrize(("selector", "names"), [row[1:] for row in SELECTED], ids=[row[0] for row in SELECTED])
def test_cluster_quotas_sum_over_the_namespaces_they_select(selector: Body, names: tuple[str, ...]) -> None:
    book = QuotaBook(snapshot(space("a", team="x"), space("b", annotations={"owner": "y"}), cluster_quota(**selector)))
    assert book.selected["all"] == names
    assert {name for name in ("a", "b") if book.bound(name, "pods") is not None} == set(names)


def test_a_quota_limits_the_classes_its_scope_holds() -> None:
    book = QuotaBook(snapshot(scoped("x", ("PriorityClass", "In", ["p"]))))
    assert book.limiting_class("a", "p") is not None
    assert book.limiting_class("a", "q") is None
    others = QuotaBook(snapshot(scoped("x", ("PriorityClass", "NotIn", ["p"]))))
    assert others.limiting_class("a", "p") is None
    assert others.limiting_class("a", "q") is not None
    # A pod without a class is in no scope that asks for one.
    classed = QuotaBook(snapshot(scoped("x", ("PriorityClass", "Exists", []))))
    assert classed.limiting_class("a", "p") is not None
    assert classed.limiting_class("a", "") is None


@pytest.mark.parametrize(
    ("left", "right", "every"),
    [
        pytest.param(("NotIn", ["p"]), ("NotIn", ["q"]), True, id="what one leaves out the other holds"),
        pytest.param(("NotIn", ["p"]), ("NotIn", ["p", "q"]), False, id="both leave one out"),
        pytest.param(("NotIn", ["p"]), ("Exists", []), True, id="whatever has a class, and what has none"),
        pytest.param(("In", ["p"]), ("Exists", []), False, id="pods without a class"),
    ],
)
def test_scopes_on_classes_hold_every_pod_together(
    left: tuple[str, list[str]], right: tuple[str, list[str]], every: bool
) -> None:
    pair = (scoped("x", ("PriorityClass", *left)), scoped("y", ("PriorityClass", *right)))
    assert (QuotaBook(snapshot(*pair)).bound("a", "pods") is not None) is every
