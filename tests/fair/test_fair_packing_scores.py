"""Scores, fragments and refusals, reckoned by hand."""

from __future__ import annotations

import pytest
from packing_builders import laid, node, pod

from tenantry.fair.packing import kernel
from tenantry.fair.packing.policies import NAMES, POLICIES, Policy
from tenantry.fair.packing.records import Layout
from tenantry.model.packing import PackingPod


def used(layout: Layout, lefts: list[int], cpus: int | None = None, *, classes: list[int] | None = None) -> Layout:
    """The first node with so much left, holding pods of the given classes."""
    nodes = layout.nodes
    nodes.left[: len(lefts)] = lefts
    nodes.idle[0] = sum(lefts)
    nodes.pods[0] = 1
    if cpus is not None:
        nodes.cpus[0] = cpus
    for number in classes or []:
        nodes.holds[number] = 1
        nodes.affinities[0] += 1
    kernel.survey(layout)
    return layout


@pytest.mark.parametrize("policy", POLICIES, ids=NAMES)
def test_the_loop_scores_by_the_function_the_table_names(policy: Policy) -> None:
    number = POLICIES.index(policy)
    layout = laid([node(gpus=4)], [pod(cpus=8_000), pod(share=300, cpus=8_000), pod(devices=0, cpus=8_000)])
    used(layout, [1000, 1000, 600, 0], 64_000, classes=[0])
    scores = [policy.score(layout, 0, spec) for spec in range(3)]
    assert [kernel.score(number, layout, 0, spec) for spec in range(3)] == scores


def test_dot_product_is_low_where_plenty_of_both_is_left() -> None:
    layout = laid([node(gpus=8, cpus=64_000)], [pod(devices=4, cpus=32_000)])
    # CPU 64/128 * 32/128 = 0.125, GPU 8/8 * 4/8 = 0.5; 100 * (1 - 0.625 / 2) = 68.75
    assert kernel.dot_product(layout, 0, 0) == 68


def test_best_fit_is_high_where_little_is_left() -> None:
    layout = laid([node(gpus=8, cpus=64_000)], [pod(devices=4, cpus=32_000)])
    # CPU (64 - 32) / 128 / 2 = 0.125, GPU (8 - 4) / 8 / 2 = 0.25; 100 * (1 - 0.375) = 62.5
    assert kernel.best_fit(layout, 0, 0) == 62


def test_a_node_larger_than_the_published_ones_sets_the_scale() -> None:
    layout = laid([node(gpus=16, cpus=256_000)], [pod(devices=16, cpus=256_000)])
    assert (layout.scale.cpus, layout.scale.gpus) == (256_000, 16_000)
    assert kernel.best_fit(layout, 0, 0) == 100
    assert kernel.dot_product(layout, 0, 0) == 0


@pytest.mark.parametrize(
    ("classes", "score"),
    [
        # 3000 of 8000 are in use: 25 * 3000 / 8000 = 9.375
        pytest.param([0], 75 + 9, id="only pods of the same class"),
        pytest.param([0, 1], 50 + 9, id="pods of the same class and of others"),
        pytest.param([], 25 + 9, id="no pods with GPUs"),
        pytest.param([1], 9, id="pods of other classes only"),
    ],
)
def test_clustering_prefers_company_of_its_class(classes: list[int], score: int) -> None:
    layout = laid([node(gpus=8)], [pod(), pod(devices=2), pod(devices=0)])
    used(layout, [0, 0, 0, *[1000] * 5], classes=classes)
    assert kernel.clustering(layout, 0, 0) == score
    assert kernel.clustering(layout, 0, 2) == 0  # without GPUs


def test_parts_of_a_gpu_and_whole_gpus_are_different_classes() -> None:
    layout = laid([node()], [pod(), pod(share=500), pod(share=200), pod(devices=2), pod(devices=0)])
    assert list(layout.specs.affinity) == [0, 1, 1, 2, -1]


@pytest.mark.parametrize(
    ("lefts", "wanted", "score"),
    [
        pytest.param([1000] * 8, pod(share=500), 33 - 8, id="an empty node"),
        pytest.param([1000] * 2, pod(share=500), 33 - 2, id="a smaller empty node"),
        pytest.param([1000] * 20, pod(share=500), 20, id="an empty node so large that its size is more"),
        pytest.param([0, *[1000] * 7], pod(devices=2), 50 - 2, id="free GPUs of a node in use"),
        pytest.param([0, *[1000] * 19], pod(devices=19), 33, id="very many of them"),
        # 700 of 1000 left is 70 %, a tenth of which is 7
        pytest.param([700, 1000], pod(share=500), 100 - 7, id="a GPU in use"),
        pytest.param([709, 1000], pod(share=500), 100 - 7, id="percents are cut off"),
        pytest.param([700, 600, 0], pod(devices=2, share=500), 100 - 13, id="two GPUs in use"),
        pytest.param([900] * 8, pod(devices=8, share=500), 50, id="many GPUs in use"),
        pytest.param([700], pod(devices=0), 0, id="no GPUs wanted"),
    ],
)
def test_packing_prefers_gpus_in_use(lefts: list[int], wanted: PackingPod, score: int) -> None:
    layout = laid([node(gpus=len(lefts))], [wanted])
    assert kernel.packing(used(layout, lefts), 0, 0) == score


def test_the_tightest_gpus_come_first_and_the_first_of_equal_ones() -> None:
    layout = used(laid([node(gpus=5)], [pod(devices=3, share=400)]), [1000, 300, 400, 700, 400])
    assert kernel.tightest(layout, 0, 0) == 3
    assert list(layout.work.chosen[:3]) == [2, 4, 3]


def test_fragments_are_what_typical_pods_cannot_use() -> None:
    typical = [pod(share=500, cpus=4_000), pod(devices=2, cpus=8_000), pod(devices=0, cpus=1_000), pod(gpu="H")]
    layout = laid([node(gpus=4, gpu="G")], [pod()], typical=typical)
    used(layout, [1000, 600, 300, 0], 6_000)
    # half a GPU: 300 is too little; two GPUs: only one is whole, all 1900; no GPU and another model: all 1900
    assert layout.nodes.fragment[0] == pytest.approx((300 + 1900 + 1900 + 1900) / 4)
    # without CPU for it the half GPU cannot use anything
    assert kernel.fragment(layout, 0, 3_999) == pytest.approx(1900)
    used(layout, [0, 0, 0, 0], 6_000)
    assert layout.nodes.fragment[0] == 0


def test_a_fall_of_fragmentation_scores_above_half_and_a_rise_below() -> None:
    # 100 / (1 + e**-x) for a fall of x GPUs: 50, 73.1, 26.9, 99.97
    assert [kernel.slope(fall) for fall in (0.0, 1000.0, -1000.0, 8000.0)] == [50, 73, 26, 99]


def test_gradient_fills_the_gap_that_nothing_else_needs() -> None:
    layout = laid([node(gpus=3)], [pod(share=300)], typical=[pod(), pod(share=500)])
    used(layout, [1000, 600, 300])
    # (900 + 300) / 2 before; from the second GPU (600 + 600) / 2 after, from the third (600 + 0) / 2
    assert kernel.gradient(layout, 0, 0) == kernel.slope(300.0)
    assert layout.work.chosen[0] == 2


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        pytest.param(pod(devices=8, cpus=10**6, memory=10**9, gpu="H|A"), kernel.NO_MODEL, id="model before all else"),
        pytest.param(pod(devices=2, cpus=10**6, gpu="H|G"), kernel.NO_GPUS, id="too few GPUs with enough left"),
        pytest.param(pod(share=601, cpus=10**6, memory=10**9), kernel.NO_CPUS, id="CPU before memory"),
        pytest.param(pod(share=500, cpus=32_000, memory=65), kernel.NO_MEMORY, id="memory last"),
        pytest.param(pod(share=1000, cpus=32_000, memory=64, gpu="G"), 0, id="fits exactly"),
        pytest.param(pod(devices=0, cpus=32_001), kernel.NO_CPUS, id="CPU without GPUs"),
    ],
)
def test_a_node_refuses_for_the_first_thing_it_lacks(wanted: PackingPod, refusal: int) -> None:
    layout = used(laid([node(gpus=2, cpus=32_000, memory=64)], [wanted]), [1000, 600])
    assert kernel.refuses(layout, 0, 0) == refusal
