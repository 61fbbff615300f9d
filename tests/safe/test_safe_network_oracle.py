"""The evaluator agrees with a plain reading of the objects on thousands of generated clusters."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product
from random import Random

import pytest
from network_objects import manifests
from network_plain import ADDRESSES, PROBES, Cluster, Plain, generate

from tenantry.safe.network.addresses import classes, parse_cidr
from tenantry.safe.network.evaluate import Endpoint, Evaluator, Outside, Pod
from tenantry.safe.network.policies import read_policies
from tenantry.safe.network.ports import ALL, NONE, union
from tenantry.safe.network.rules import Direction
from tenantry.safe.network.workloads import read_workloads

CLUSTERS_PER_ROUND = 150
ROUNDS = 14
PROBES_PER_PAIR = 6


def endpoints(cluster: Cluster) -> dict[str, Pod]:
    workloads = read_workloads(manifests(*cluster.objects))
    return {f"{item.namespace}/{item.name}": item.pod for item in workloads.items}


def disagreements(cluster: Cluster, random: Random) -> list[str]:
    read = read_policies(manifests(*cluster.objects))
    assert not read.problems
    evaluator, plain = Evaluator(read.policies), Plain(cluster)
    bodies = {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in cluster.pods}
    pods: dict[str, Endpoint] = {**endpoints(cluster)}
    outside: dict[str, Endpoint] = {address: Outside(parse_cidr(f"{address}/32")) for address in ADDRESSES}
    found = []
    for source, target in product((*pods, *outside), repeat=2):
        if source == target or (source in outside and target in outside):
            continue
        ends = (pods | outside)[source], (pods | outside)[target]
        allowed = evaluator.allowed(*ends)
        for protocol, number in random.sample(PROBES, PROBES_PER_PAIR):
            wanted = plain.allowed(bodies.get(source, source), bodies.get(target, target), protocol, number)
            if allowed.contains(protocol, number) is not wanted:
                found.append(f"{source} > {target} {protocol} {number}: {allowed}, should be {wanted}")
    return found


@pytest.mark.parametrize("start", range(ROUNDS))
def test_evaluator_agrees_with_a_plain_reading(start: int) -> None:
    for seed in range(start * CLUSTERS_PER_ROUND, (start + 1) * CLUSTERS_PER_ROUND):
        random = Random(seed)
        cluster = generate(random)
        assert disagreements(cluster, random) == [], f"seed {seed}: {cluster.policies}"


def test_generated_clusters_are_worth_reading() -> None:
    answers: Counter[str] = Counter()
    for seed in range(200):
        cluster = generate(Random(seed))
        evaluator = Evaluator(read_policies(manifests(*cluster.objects)).policies)
        pods = endpoints(cluster)
        for source, target in product(pods.values(), repeat=2):
            allowed = evaluator.allowed(source, target)
            answers["all" if allowed == ALL else "none" if allowed == NONE else "some"] += source is not target
    # Neither everything open nor everything shut: each answer is at least a tenth of all.
    assert min(answers.values()) * 10 > answers.total()


@pytest.mark.parametrize("seed", range(60))
def test_shares_divide_all_connections(seed: int) -> None:
    cluster = generate(Random(seed))
    evaluator = Evaluator(read_policies(manifests(*cluster.objects)).policies)
    pods = endpoints(cluster)
    for own, other in product(pods.values(), repeat=2):
        for direction in Direction:
            shares = list(evaluator.shares(own, other, direction))
            assert union(share.connections for share in shares) == ALL
            for index, share in enumerate(shares):
                assert share.connections
                assert all(not share.connections & later.connections for later in shares[index + 1 :])
                assert share.allowed or share.rule is not None or share.isolated_by


@pytest.mark.parametrize("seed", range(40))
def test_no_network_policy_tells_addresses_of_one_class_apart(seed: int) -> None:
    random = Random(seed)
    sets = [
        parse_cidr(f"{random.randrange(4)}.0.{random.randrange(4)}.0/{random.choice((6, 8, 22, 24, 32))}")
        for _ in range(8)
    ]
    found = classes(sets)
    for item, part in product(sets, found):
        assert part <= item or part - item == part, "it is inside or outside"
    total = sorted(interval for part in found for interval in part.intervals)
    assert total[0][0] == 0
    assert total[-1][1] == 2**32 - 1
    assert all(before[1] + 1 == after[0] for before, after in pairwise(total))
