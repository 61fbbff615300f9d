"""What a pod demands of its node besides room, and what a node refuses."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import cluster, job, node, play, queue

from tenantry.fair.kai.predicates import selected, untolerated
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import GpuRequest, NodeTerm, Placement, Toleration
from tenantry.model.moment import Node, Taint
from tenantry.model.schedule import Gate
from tenantry.model.selector import Requirement

A100 = {"gpu": "a100", "memory": "80", "zone": "east"}


def term(
    *expressions: tuple[str, str, tuple[str, ...]], names: tuple[tuple[str, tuple[str, ...]], ...] = ()
) -> NodeTerm:
    return NodeTerm(tuple(Requirement(*expression) for expression in expressions), names)


SELECTED: dict[str, tuple[Placement, bool]] = {
    "nothing demanded": (Placement(), True),
    "a label": (Placement(selector=(("gpu", "a100"),)), True),
    "all labels": (Placement(selector=(("gpu", "a100"), ("zone", "west"))), False),
    "a label that is not there": (Placement(selector=(("rack", ""),)), False),
    "In": (Placement(terms=(term(("gpu", "In", ("a100", "h100"))),)), True),
    "NotIn": (Placement(terms=(term(("gpu", "NotIn", ("a100",))),)), False),
    "NotIn holds where the label is absent": (Placement(terms=(term(("rack", "NotIn", ("r1",))),)), True),
    "Exists": (Placement(terms=(term(("rack", "Exists", ())),)), False),
    "DoesNotExist": (Placement(terms=(term(("rack", "DoesNotExist", ())),)), True),
    "Gt": (Placement(terms=(term(("memory", "Gt", ("40",))),)), True),
    "Gt is strict": (Placement(terms=(term(("memory", "Gt", ("80",))),)), False),
    "Lt": (Placement(terms=(term(("memory", "Lt", ("81",))),)), True),
    "Lt is strict": (Placement(terms=(term(("memory", "Lt", ("80",))),)), False),
    "Gt of what is no number": (Placement(terms=(term(("gpu", "Gt", ("1",))),)), False),
    "Gt of a label that is not there": (Placement(terms=(term(("rack", "Gt", ("1",))),)), False),
    "all expressions of a term": (Placement(terms=(term(("gpu", "Exists", ()), ("rack", "Exists", ())),)), False),
    "any term": (Placement(terms=(term(("rack", "Exists", ())), term(("gpu", "Exists", ())))), True),
    "an empty term matches nothing": (Placement(terms=(term(),)), False),
    "no term matches": (Placement(terms=()), False),
    "by name": (Placement(terms=(term(names=(("In", ("n1", "n2")),)),)), True),
    "not by name": (Placement(terms=(term(names=(("NotIn", ("n1",)),)),)), False),
    "labels and terms": (Placement((("zone", "west"),), (term(("gpu", "Exists", ())),)), False),
}


@pytest.mark.parametrize("name", SELECTED)
def test_node_is_selected(name: str) -> None:
    placement, expected = SELECTED[name]
    assert selected(placement, node("n1", labels=A100)) is expected


TAINT = Taint("team", "vision")

TOLERATED: dict[str, tuple[Taint, tuple[Toleration, ...], bool]] = {
    "not tolerated": (TAINT, (), False),
    "equal": (TAINT, (Toleration("team", "Equal", "vision"),), True),
    "another value": (TAINT, (Toleration("team", "Equal", "speech"),), False),
    "another key": (TAINT, (Toleration("job", "Equal", "vision"),), False),
    "exists": (TAINT, (Toleration("team", "Exists"),), True),
    "everything": (TAINT, (Toleration("", "Exists"),), True),
    "an empty key with Equal tolerates nothing": (TAINT, (Toleration("", "Equal", "vision"),), False),
    "the same effect": (TAINT, (Toleration("team", "Exists", effect="NoSchedule"),), True),
    "another effect": (TAINT, (Toleration("team", "Exists", effect="NoExecute"),), False),
    "NoExecute keeps away": (Taint("team", "vision", "NoExecute"), (), False),
    "PreferNoSchedule does not": (Taint("team", "vision", "PreferNoSchedule"), (), True),
    "one of several": (TAINT, (Toleration("job", "Exists"), Toleration("team", "Exists")), True),
}


@pytest.mark.parametrize("name", TOLERATED)
def test_taint_is_tolerated(name: str) -> None:
    taint, tolerations, expected = TOLERATED[name]
    found = untolerated(Placement(tolerations=tolerations), (taint,))
    assert found == (None if expected else taint)


def test_every_taint_must_be_tolerated() -> None:
    taints = (Taint("a"), Taint("b"))
    assert untolerated(Placement(tolerations=(Toleration("a", "Exists"),)), taints) == taints[1]


REFUSED: dict[str, tuple[Node, Placement, str]] = {
    "label": (node("n1", labels={"gpu": "h100"}), Placement(selector=(("gpu", "a100"),)), "node-affinity"),
    "taint": (node("n1", taints=(TAINT,)), Placement(), "taint"),
    "cordoned": (node("n1", unready=("cordoned", "disk-pressure")), Placement(), "cordoned"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_node_that_refuses_is_passed_over_and_counted(name: str) -> None:
    refusing, placement, reason = REFUSED[name]
    good = node("n2", labels={"gpu": "a100"})
    both = cluster([refusing, good], [queue("a", 9)], [job("x", "a", pod={"placement": placement})])
    assert play(both).bound == {"x-0": "n2"}
    alone = play(cluster([refusing], both.queues, both.jobs), actions=("allocate",))
    assert alone.held("x").gate is Gate.NO_ROOM
    assert alone.held("x").facts == {"found": 0, "needed": 1, "pod": "x-0", "refused": {reason: 1}}


def test_without_predicates_no_node_refuses() -> None:
    refusing, placement, _ = REFUSED["taint"]
    moment = cluster([refusing], [queue("a", 9)], [job("x", "a", pod={"placement": placement})])
    assert play(moment, plugins=DEFAULTS.plugins - {"predicates"}).bound == {"x-0": "n1"}


PORTS: dict[str, tuple[tuple[str, str, int], bool]] = {
    "same": (("TCP", "0.0.0.0", 80), False),
    "another port": (("TCP", "0.0.0.0", 81), True),
    "another protocol": (("UDP", "0.0.0.0", 80), True),
    "one address of all": (("TCP", "10.0.0.1", 80), False),
}


@pytest.mark.parametrize("name", PORTS)
def test_host_ports_are_taken_once(name: str) -> None:
    port, fits = PORTS[name]
    holder = job("holder", "a", on="n1", pod={"placement": Placement(host_ports=(("TCP", "0.0.0.0", 80),))})
    wants = job("x", "a", pod={"placement": Placement(host_ports=(port,))})
    assert bool(play(cluster([node("n1")], [queue("a", 9)], [holder, wants])).bound) is fits


def test_host_ports_of_different_addresses_do_not_meet() -> None:
    holder = job("holder", "a", on="n1", pod={"placement": Placement(host_ports=(("TCP", "10.0.0.1", 80),))})
    wants = job("x", "a", pod={"placement": Placement(host_ports=(("TCP", "10.0.0.2", 80),))})
    assert play(cluster([node("n1")], [queue("a", 9)], [holder, wants])).bound == {"x-0": "n1"}


def test_a_pod_without_ports_meets_nobody() -> None:
    holder = job("holder", "a", on="n1", pod={"placement": Placement(host_ports=(("TCP", "0.0.0.0", 80),))})
    assert play(cluster([node("n1")], [queue("a", 9)], [holder, job("x", "a")])).bound == {"x-0": "n1"}


WORKER = "node-role.kubernetes.io/{}-worker"


@pytest.mark.parametrize(("asks", "kind"), [(1, "gpu"), (GpuRequest(), "cpu")])
def test_restricted_pods_use_workers_of_their_kind(asks: Any, kind: str) -> None:
    nodes = [
        node("n0"),
        node("n1", labels={WORKER.format("cpu" if kind == "gpu" else "gpu"): ""}),
        node("n2", labels={WORKER.format(kind): ""}),
    ]
    moment = cluster(nodes, [queue("a", 9)], [job("x", "a", asks)])
    assert play(moment, restrict_nodes=True).bound == {"x-0": "n2"}
    held = play(cluster(nodes[:2], moment.queues, moment.jobs), restrict_nodes=True, actions=("allocate",)).held("x")
    assert held.facts["refused"] == {"worker-label": 1}  # the node without any label does not take part at all


def test_restricted_gpus_are_divided_on_gpu_workers_only() -> None:
    nodes = [
        node("n1", 4, labels={WORKER.format("gpu"): ""}),
        node("n2", 4, labels={WORKER.format("cpu"): ""}),
        node("n3", 4),
    ]
    moment = cluster(nodes, [queue("a")], [job("x", "a", 1, pods=20)])
    assert play(moment, restrict_nodes=True).due("a") == 4
    assert play(moment).due("a") == 12
