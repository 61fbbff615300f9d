"""The proof of the pod network against a plain reading of the same objects that tries every choice.

Set ``TENANTRY_DEEP=<n>`` to try n times as many seeds.
"""

from __future__ import annotations

import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from naive_network import NaiveNetwork, NaivePod, all_labels, all_ports, allow_all, orders, pods_of
from network_views import view
from strategies import TENANTS, Generated, Seeded, clusters, generate

from tenantry.model.tenancy import Strength
from tenantry.safe.network.reach import PodNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.safe.network.reach import Way
    from tenantry.safe.network.replay import Connection

DEEP = int(os.environ.get("TENANTRY_DEEP", "1"))
FACTS: dict[str, str | bool] = {
    "cni": "ovn-kubernetes",
    "cni.enforces-network-policies": True,
    "cni.enforces-admin-network-policies": True,
}
PAIRS = (("ant", "bee"), ("bee", "ant"))
CONNECTIONS = [(protocol, port) for protocol in ("TCP", "UDP", "SCTP") for port in (1, 80, 81, 82, 5000)]


def network(made: Generated, strength: Strength) -> PodNetwork:
    return PodNetwork(view(made.bodies, TENANTS, strength=strength, facts=FACTS, rights=made.rights))


# --- as deployed: every pair of pods, every connection ---


def check_every_pair(made: Generated) -> None:
    found = network(made, Strength.DEPLOYED)
    assert [problem for problem in found.problems if problem.rejected] == []
    pods = {body["metadata"]["name"]: pods_of([body])[0] for body in made.bodies if body["kind"] == "Pod"}
    # Where no knowledge decides, only what passes either way is sure.
    plain, other = NaiveNetwork(made.bodies), NaiveNetwork(made.bodies, unknown_matches=True)
    for start, source in enumerate(found.sources.units):
        for end, target in enumerate(found.targets.units):
            one, two = pods[source.example], pods[target.example]
            if one == two:
                continue
            passing = found.connections(start, end)
            for protocol, port in all_ports(made.bodies):
                wanted = plain.connects(one, two, protocol, port) and other.connects(one, two, protocol, port)
                got = passing.contains(protocol, port)
                assert got is wanted or (two.host and not got), (one, two, protocol, port)


@settings(max_examples=60 * DEEP, deadline=None)
@given(clusters())
def test_deployed_pods_connect_exactly_as_a_plain_reading_says(made: Generated) -> None:
    check_every_pair(made)


@pytest.mark.parametrize("block", range(4))
def test_deployed_pods_connect_exactly_as_a_plain_reading_says_of_many_clusters(block: int) -> None:
    for seed in range(block * 60 * DEEP, (block + 1) * 60 * DEEP):
        check_every_pair(generate(Seeded(seed)))


# --- who reaches whom: every choice tried ---


def addresses(bodies: list[Any]) -> list[str]:
    """Return one address of pods for each class that ranges in the generator make."""
    text = str(bodies)
    if "ipBlock" in text or "'networks'" in text:
        return [f"10.0.0.{number}" for number in (1, 17, 33, 70, 130)]
    return ["10.0.0.1"]


def worlds(made: Generated, tenant: str) -> Iterator[list[Any]]:
    """Yield the objects with every choice of network policies a tenant may add."""
    mine = [allow_all(place) for name, _, _, place in made.rights if name == tenant]
    yield made.bodies
    yield from ([*made.bodies, body] for body in mine)
    if len(mine) > 1:
        yield [*made.bodies, *mine]


def attacked(made: Generated, pair: tuple[str, str], ranks: dict[str, int], strength: Strength) -> bool:
    """Try every pod the source could run against every pod of the target."""
    source, target = pair
    deployed = pods_of(made.bodies)
    labels, places = list(all_labels(made.bodies)), addresses(made.bodies)
    ends = [pod for pod in deployed if pod.namespace in TENANTS[target]]
    if strength is Strength.DEPLOYED:
        starts = [pod for pod in deployed if pod.namespace in TENANTS[source] and not pod.host]
        empty: list[str] = []
    else:
        starts = [NaivePod.of(n, item, address=at) for n in TENANTS[source] for item in labels for at in places]
        empty = [name for name in TENANTS[target] if not any(pod.namespace == name for pod in deployed)]
    for bodies in worlds(made, source) if strength is not Strength.DEPLOYED else [made.bodies]:
        plain = NaiveNetwork(bodies, ranks=ranks)
        for protocol, port in CONNECTIONS:
            named = [("http", protocol, port), ("dns", protocol, port)]
            any_pod = [
                NaivePod.of(name, item, address=at, ports=tuple(declared))
                for name in empty
                for item in labels
                for at in places
                for declared in ([], named[:1], named[1:], named)
            ]
            if any(plain.connects(one, two, protocol, port) for one in starts for two in (*ends, *any_pod)):
                return True
    return False


def check_reach(made: Generated, strength: Strength) -> None:
    ways = network(made, strength).ways
    for pair in PAIRS:
        way = ways.get(pair)
        tried = [attacked(made, pair, ranks, strength) for ranks in orders(made.bodies)]
        asked = " ".join(item.how for item in way.missing) if way else ""
        if not any(tried):
            # A port name that no pod declares today may be declared tomorrow.
            assert way is None or "as a number" in asked, pair
            continue
        assert way is not None, pair
        # Where every order lets something pass, but not the same, no single connection is sure.
        assert way.sure or "priorities" in asked, pair
        assert all(tried) or not way.sure, pair


@pytest.mark.parametrize("block", range(3))
def test_of_deployed_pods_a_tenant_reaches_another_if_and_only_if_some_pair_connects(block: int) -> None:
    for seed in range(block * 80 * DEEP, (block + 1) * 80 * DEEP):
        check_reach(generate(Seeded(seed), hosts=False), Strength.DEPLOYED)


def cheap(made: Generated) -> bool:
    """Whether all choices can be tried in a second or so."""
    free = sum(1 for _ in all_labels(made.bodies)) * len(addresses(made.bodies))
    return free * free * sum(1 for _ in orders(made.bodies)) <= 1000


@pytest.mark.parametrize("seed", [20243, 20453, 21251, 22006])
def test_deployed_pods_of_clusters_that_were_once_judged_wrongly(seed: int) -> None:
    check_reach(generate(Seeded(seed), hosts=False), Strength.DEPLOYED)


@pytest.mark.parametrize("block", range(4))
def test_an_adversary_reaches_another_tenant_if_and_only_if_some_choice_does(block: int) -> None:
    tried = 0
    for seed in range(1000 + block * 12 * DEEP, 1000 + (block + 1) * 12 * DEEP):
        made = generate(Seeded(seed), hosts=False)
        if DEEP > 1 or cheap(made):
            tried += 1
            check_reach(made, Strength.ADVERSARIAL)
    assert tried > 3


# --- witnesses and laws ---


def replayed(made: Generated, pair: tuple[str, str], way: Way) -> bool:
    """Whether a plain reading lets the connection of a witness pass, with the network policies its source may add."""
    connection: Connection | None = way.connection
    assert connection is not None
    ends = []
    for pod in (connection.source, connection.target):
        ports = tuple((item.name, item.protocol, item.number) for item in pod.ports if item.name)
        address = str(pod.addresses[0]) if pod.addresses and not pod.host_network else ""
        ends.append(NaivePod.of(pod.namespace, pod.labels, ports=ports, address=address, host=pod.host_network))
    return any(
        NaiveNetwork(bodies).connects(ends[0], ends[1], connection.protocol, connection.port)
        for bodies in worlds(made, pair[0])
    )


@settings(max_examples=40 * DEEP, deadline=None)
@given(clusters())
def test_every_witness_connects_in_a_plain_reading(made: Generated) -> None:
    for pair, way in network(made, Strength.ADVERSARIAL).ways.items():
        assert not way.sure or replayed(made, pair, way), pair


@pytest.mark.parametrize("strength", [Strength.ADVERSARIAL, Strength.CARELESS])
def test_every_witness_of_many_clusters_connects_in_a_plain_reading(strength: Strength) -> None:
    counted = 0
    for seed in range(2000, 2000 + 120 * DEEP):
        made = generate(Seeded(seed))
        careless = Generated(made.bodies, () if strength is Strength.CARELESS else made.rights)
        for pair, way in network(careless, strength).ways.items():
            if way.sure:
                counted += 1
                assert replayed(careless, pair, way), (seed, pair)
    assert counted > 50  # else the generator makes nothing to test


def reached(made: Generated, strength: Strength) -> set[tuple[str, str]]:
    return {pair for pair, way in network(made, strength).ways.items() if way.sure}


@pytest.mark.parametrize("strength", list(Strength))
def test_one_more_rule_in_a_network_policy_never_closes_a_way(strength: Strength) -> None:
    for seed in range(3000, 3000 + 60 * DEEP):
        made = generate(Seeded(seed))
        before = reached(made, strength)
        bodies = deepcopy(made.bodies)
        for body in bodies:
            if body["kind"] == "NetworkPolicy" and "Ingress" in body["spec"].get("policyTypes", ["Ingress"]):
                rule = {"from": [{"namespaceSelector": {"matchLabels": {"team": "ant"}}}], "ports": [{"port": 81}]}
                body["spec"].setdefault("ingress", []).append(rule)
        assert before <= reached(Generated(bodies, made.rights), strength), seed


def test_a_stronger_adversary_reaches_at_least_as_much() -> None:
    for seed in range(4000, 4000 + 100 * DEEP):
        made = generate(Seeded(seed), ties=False, addresses=False, hosts=False)
        weak, strong, strongest = (reached(made, strength) for strength in Strength)
        assert weak <= strong <= strongest, seed
