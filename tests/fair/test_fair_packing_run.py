"""Whole runs: ties, refusals, models, and what several runs say together."""

from __future__ import annotations

import sys

import pytest
from packing_builders import node, pod

from tenantry.fair.packing.compare import outlooks, sensitivities
from tenantry.fair.packing.compiled import functions
from tenantry.fair.packing.kernel import slope
from tenantry.fair.packing.policies import NAMES, Refusal, Ties
from tenantry.fair.packing.run import Failed, PackingRun, pack
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode


def cluster(*models: str, gpus: int = 4, cpus: int = 32_000) -> list[TraceNode]:
    return [node(f"n{index:02}", gpus, model, cpus, 1000) for index, model in enumerate(models)]


def pods(count: int, kind: PackingPod) -> list[PackingPod]:
    return [pod(kind.devices, kind.share, kind.cpus, memory=kind.memory, gpu=kind.gpu, name=f"p{index:04}")
            for index in range(count)]  # fmt: skip


def run(
    nodes: list[TraceNode], items: list[PackingPod], policy: str = "BestFit", load: int = 100, **options: object
) -> PackingRun:
    return pack(nodes, items, policy, seed=1, load=load, compiled=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize("ties", Ties)
def test_pods_that_fill_every_gpu_leave_nothing(policy: str, ties: Ties) -> None:
    result = run(cluster(*"GGGG"), pods(16, pod()), policy, ties=ties)
    assert (result.levels[-1].arrived, result.levels[-1].allocated, result.levels[-1].unallocated) == (100, 100.0, 0.0)
    assert result.arrived == 16
    assert result.failed == dict.fromkeys(Refusal, Failed(0, 0.0))


@pytest.mark.parametrize(
    ("kind", "reason", "failed"),
    [
        # 16 GPUs; one pod of 2 of each 2 takes 16 cores of 32
        pytest.param(pod(devices=2, cpus=32_000), Refusal.CPUS, Failed(4, 8.0), id="CPU"),
        pytest.param(pod(devices=2, memory=1000), Refusal.MEMORY, Failed(4, 8.0), id="memory"),
        pytest.param(pod(devices=8), Refusal.GPUS, Failed(2, 16.0), id="larger than any node"),
        pytest.param(pod(gpu="H"), Refusal.MODEL, Failed(16, 16.0), id="no such model"),
    ],
)
def test_failed_pods_are_counted_by_what_was_lacking(kind: PackingPod, reason: Refusal, failed: Failed) -> None:
    result = run(cluster(*"GGGG"), pods(16_000 // kind.demand, kind))
    assert {name: item for name, item in result.failed.items() if item.pods} == {reason: failed}
    assert result.levels[-1].unallocated == pytest.approx(failed.gpus)


def test_a_pod_lacks_gpus_once_they_are_gone_even_if_it_lacked_cpu_before() -> None:
    large, small = pod(cpus=64_000, name="a"), [pod(name=f"b{index}") for index in range(16)]
    result = run(cluster("G", gpus=4), [large, *small], load=500)
    # whatever the order, the pod that no node has the CPU for is refused for CPU until all four GPUs are gone
    lacking = {name: item.pods for name, item in result.failed.items()}
    assert lacking[Refusal.GPUS] > 0
    assert lacking[Refusal.CPUS] + lacking[Refusal.GPUS] == result.arrived - 4


def test_each_model_is_reported_for_itself() -> None:
    result = run([*cluster("H", "G"), node("cpu", 0, "")], [*pods(4, pod(gpu="G"))], load=50)
    assert {model: (levels[-1].allocated, levels[-1].unallocated) for model, levels in result.models.items()} == {
        "G": (100.0, 0.0),
        "H": (0.0, 4.0),
    }


def test_models_add_up_to_the_cluster() -> None:
    items = [
        *pods(30, pod(share=370, cpus=1_000)),
        *[pod(devices=2, cpus=3_000, name=f"q{index}") for index in range(9)],
    ]
    result = run(cluster(*"GHGHJ"), items, "FGD", load=130)
    for index, level in enumerate(result.levels):
        parts = [levels[index] for levels in result.models.values()]
        assert sum(part.unallocated for part in parts) == pytest.approx(level.unallocated)
        assert sum(part.fragment for part in parts) == pytest.approx(level.fragment)


def test_by_name_the_first_of_equal_nodes_takes_the_pod() -> None:
    nodes = [*cluster("A", "B", "C")]
    result = run(nodes[::-1], pods(2, pod()), load=16, ties=Ties.NAME)
    assert [levels[-1].allocated for levels in result.models.values()] == [25.0, 0.0, 0.0]


def test_a_fixed_order_is_the_same_throughout_a_run_and_another_for_another_seed() -> None:
    nodes = cluster(*"ABCDEFGH")
    takers = set()
    for seed in range(20):
        result = pack(nodes, pods(8, pod(share=500)), "GpuPacking", seed=seed, load=12, compiled=False)
        taking = [model for model, levels in result.models.items() if levels[-1].allocated]
        assert len(taking) == 1
        takers.update(taking)
    assert len(takers) > 3


def test_drawn_ties_spread_pods_that_a_fixed_order_gathers() -> None:
    # Pods without GPUs score 0 on every node under this policy, and pods with one need all the CPU of a node.
    nodes = cluster(*"GGGGGGGG", gpus=1)
    items = [*pods(32, pod(devices=0, cpus=1_000)), *[pod(cpus=32_000, name=f"z{index}") for index in range(8)]]
    fixed, drawn = (run(nodes, items, "GpuPacking", ties=ties).levels[-1] for ties in (Ties.FIXED, Ties.RANDOM))
    assert fixed.allocated >= 75.0
    assert drawn.allocated <= 50.0


def test_random_draws_whatever_the_rule_for_ties() -> None:
    runs = [run(cluster(*"GHGH"), pods(20, pod(share=300)), "Random", ties=ties) for ties in Ties]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0].ties is Ties.RANDOM


@pytest.mark.parametrize(
    ("nodes", "items", "policy", "message"),
    [
        (cluster("G"), pods(1, pod()), "Worst", "there is no policy 'Worst', only Random"),
        ([node(gpus=0)], pods(1, pod()), "FGD", "no node has a GPU"),
        ([], pods(1, pod()), "FGD", "no node has a GPU"),
        (cluster("G"), pods(1, pod(devices=0)), "FGD", "no pod asks for a GPU"),
    ],
)
def test_what_cannot_be_filled_is_refused(
    nodes: list[TraceNode], items: list[PackingPod], policy: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(nodes, items, policy)


def seeded(policy: str, ties: Ties, seeds: range) -> list[PackingRun]:
    items = [
        *pods(30, pod(share=370, cpus=1_000)),
        *[pod(devices=2, cpus=3_000, name=f"q{index}") for index in range(9)],
    ]
    return [pack(cluster(*"GHGHJ"), items, policy, seed=seed, load=130, ties=ties, compiled=False) for seed in seeds]


def test_an_outlook_is_the_mean_over_seeds() -> None:
    runs = seeded("BestFit", Ties.FIXED, range(4))
    (outlook,) = outlooks(runs)
    last = [item.levels[-1].allocated for item in runs]
    mean = sum(last) / 4
    assert outlook.levels[-1].allocated == pytest.approx(mean)
    assert outlook.deviation[-1] == pytest.approx((sum((value - mean) ** 2 for value in last) / 3) ** 0.5)
    assert outlook.allocated[2] == tuple(level.allocated for level in runs[2].levels)
    assert sum(item.pods for item in outlook.failed.values()) == pytest.approx(
        sum(failed.pods for item in runs for failed in item.failed.values()) / 4
    )


def test_one_seed_has_no_deviation() -> None:
    assert set(outlooks(seeded("FGD", Ties.NAME, range(1)))[0].deviation) == {0.0}


def test_sensitivity_is_the_spread_over_rules_for_ties() -> None:
    runs = [item for ties in Ties for item in seeded("FGD", ties, range(3))] + seeded("Random", Ties.RANDOM, range(3))
    found = outlooks(runs)
    (item,) = sensitivities(found)
    assert item.policy == "FGD"
    assert list(item.allocated.values()) == [outlook.levels[-1].allocated for outlook in found[:3]]
    assert item.spread == max(item.allocated.values()) - min(item.allocated.values())


def test_without_the_compiler_runs_go_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    functions.cache_clear()
    try:
        assert functions() is None
        plain = pack(cluster("G"), pods(4, pod()), "FGD", seed=1, load=100, compiled=True)
    finally:
        functions.cache_clear()
    assert plain == run(cluster("G"), pods(4, pod()), "FGD")


def test_without_a_folder_to_keep_it_in_the_loop_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", reason="it comes with the optional dependency group 'twin'")
    compile_ = numba.njit

    def homeless(*arguments: object, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_(*arguments, **options)

    monkeypatch.setattr(numba, "njit", homeless)
    functions.cache_clear()
    try:
        code = functions()
    finally:
        functions.cache_clear()
    assert code is not None
    assert code["slope"](1000.0) == slope(1000.0)
