"""MIG instances: which nodes take them, and what they count for."""

from __future__ import annotations

from typing import Any

import pytest
from kai_build import Played, cluster, job, memory, node, play, queue

from tenantry.fair.kai.asks import mig_size
from tenantry.model.job import GpuRequest, PodStatus, gpu_fraction, mig_instances, whole_gpus
from tenantry.model.moment import Node
from tenantry.model.schedule import Gate

SMALL, LARGE = "nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb"


def mig_node(name: str, small: int = 7, large: int = 2, strategy: str = "mixed", **more: Any) -> Node:
    return node(
        name,
        0,
        extended=((SMALL, float(small)), (LARGE, float(large))),
        **{"mig_enabled": True, "mig_strategy": strategy, "gpu_memory": 80_000, **more},
    )


def placed(*nodes: Node, gpus: GpuRequest, limit: float = -1, **more: Any) -> Played:
    return play(cluster(nodes, [queue("a", 99, limit=limit)], [job("x", "a", gpus, **more)]), actions=("allocate",))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (SMALL, (1, 10)),
        (LARGE, (3, 40)),
        ("nvidia.com/mig-7g.141gb", (7, 141)),
        ("nvidia.com/mig-1g.10gb.me", None),
        ("nvidia.com/mig-1g.10", None),
        ("nvidia.com/gpu", None),
        ("example.com/mig-1g.10gb", None),
    ],
)
def test_names_say_slices_and_memory(name: str, size: tuple[int, int] | None) -> None:
    """Profiles with media extensions are not understood, so they count for no queue."""
    assert mig_size(name) == size


def test_instances_are_placed_where_there_are_some() -> None:
    nodes = [mig_node("n1", small=1), mig_node("n2", small=2), node("n3", 8)]
    assert placed(*nodes, gpus=mig_instances({SMALL: 2})).bound == {"x-0": "n2"}


@pytest.mark.parametrize(
    ("asks", "strategy", "reason"),
    [
        (mig_instances({SMALL: 1}), None, "not-a-mig-node"),
        (whole_gpus(1), "mixed", "mig-only"),
        (gpu_fraction(0.5), "mixed", "mig-only"),
        (memory(1000), "mixed", "mig-only"),
        (gpu_fraction(0.5), "single", "whole-gpus-only"),
        (memory(1000), "single", "whole-gpus-only"),
        (whole_gpus(1), "single", None),
        (mig_instances({SMALL: 1}, legacy=True), "mixed", "legacy-mig"),
    ],
)
def test_nodes_take_pods_of_their_kind(asks: GpuRequest, strategy: str | None, reason: str | None) -> None:
    enabled: dict[str, Any] = {"mig_enabled": strategy is not None, "mig_strategy": strategy or "none"}
    offers = node("n1", 4, extended=((SMALL, 4.0),), gpu_memory=80_000, **enabled)
    played = placed(offers, gpus=asks)
    if reason is None:
        assert played.bound == {"x-0": "n1"}
    else:
        assert played.held("x").facts["refused"] == {reason: 1}


def test_pods_without_gpu_go_anywhere() -> None:
    assert placed(mig_node("n1"), gpus=GpuRequest()).bound == {"x-0": "n1"}


def test_a_node_that_offers_instances_is_a_mig_node_without_a_label() -> None:
    unlabelled = mig_node("n1", mig_enabled=None)
    assert placed(unlabelled, gpus=mig_instances({SMALL: 1})).bound == {"x-0": "n1"}
    denied = mig_node("n1", mig_enabled=False)
    assert placed(denied, gpus=mig_instances({SMALL: 1})).held("x").facts["refused"] == {"not-a-mig-node": 1}


def test_a_node_with_legacy_instances_takes_no_new_ones() -> None:
    legacy = job("old", "a", mig_instances({SMALL: 1}, legacy=True), on="n1")
    moment = cluster([mig_node("n1")], [queue("a", 99)], [legacy, job("x", "a", mig_instances({SMALL: 1}))])
    assert play(moment, actions=("allocate",)).held("x").facts["refused"] == {"legacy-mig": 1}


def test_instances_count_by_their_slices() -> None:
    """3 slices and twice 1 slice are 5 GPUs to a queue: a limit of 4 refuses what a limit of 5 allows."""
    asks = mig_instances({LARGE: 1, SMALL: 2})
    assert placed(mig_node("n1"), gpus=asks, limit=5).session.queues["a"].shares[2].allocated == 5
    refused = placed(mig_node("n1"), gpus=asks, limit=4).held("x")
    assert (refused.gate, refused.facts["requested"]) == (Gate.OVER_LIMIT, 5)


def test_instances_are_packed_without_regard_to_how_many_are_free() -> None:
    """How full a node is counts by whole GPUs, of which neither has any: the first by name."""
    nodes = [mig_node("n1", small=7), mig_node("n2", small=2)]
    assert placed(*nodes, gpus=mig_instances({SMALL: 1})).bound == {"x-0": "n1"}


def test_instances_on_their_way_out_are_promised() -> None:
    goes = job("goes", "a", mig_instances({LARGE: 2}), on="n1", status=PodStatus.RELEASING)
    moment = cluster([mig_node("n1")], [queue("a", 99)], [goes, job("x", "a", mig_instances({LARGE: 1}))])
    assert play(moment).promised == {"x-0": "n1"}


def test_a_queue_within_its_share_takes_instances_back() -> None:
    """Two large instances are 6 GPUs by slices of 6 + 0; each queue is due 3."""
    nodes = [mig_node("n1", small=0)]
    jobs = [job(f"held{number}", "b", mig_instances({LARGE: 1}), on="n1", created=number) for number in range(2)]
    played = play(cluster(nodes, [queue("a", 3), queue("b", 3)], [*jobs, job("x", "a", mig_instances({LARGE: 1}))]))
    assert played.due("a") == 3
    assert played.lost == {"held1-0"}
    assert played.promised == {"x-0": "n1"}


def test_consolidation_counts_slices_as_free_gpus() -> None:
    """One small instance is free, 1 slice and 10 GB of 3 and 40 asked for."""
    held = job("held", "a", mig_instances({LARGE: 1}), on="n1")
    moment = cluster(
        [mig_node("n1", small=1, large=1)], [queue("a", 99)], [held, job("x", "a", mig_instances({LARGE: 1}))]
    )
    facts = play(moment, actions=("consolidation",)).held("x", "consolidation").facts
    assert (facts["free"], facts["requested"], facts["requestedMemory"]) == (1, 3, 40)
