"""Which pods arrive in which order, and which are typical."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from packing_builders import pod

from tenantry.fair.packing.draws import Draws
from tenantry.fair.packing.workload import TypicalPod, arriving, typical_pods
from tenantry.model.packing import PackingPod


def numbered(*demands: int) -> list[PackingPod]:
    """Pods with names in order, of so many milli-GPUs each."""
    return [
        pod(*divmod(demand, 1000) if demand < 1000 else (demand // 1000, 1000), name=f"p{index:03}")
        if demand >= 1000
        else pod(1 if demand else 0, demand, name=f"p{index:03}")
        for index, demand in enumerate(demands)
    ]


def demand(pods: list[PackingPod]) -> int:
    return sum(item.demand for item in pods)


def test_typical_pods_cover_95_percent_and_are_frequent_first() -> None:
    pods = [*[pod(cpus=1)] * 60, *[pod(share=500)] * 34, *[pod(devices=2)] * 4, *[pod(devices=4)] * 2]
    # 60 + 34 = 94 is not enough, 98 is; renormalised by it
    assert typical_pods(pods) == (
        TypicalPod(60 / 100 / (98 / 100), 1, 1000, 1, ""),
        TypicalPod(34 / 100 / (98 / 100), 0, 500, 1, ""),
        TypicalPod(4 / 100 / (98 / 100), 0, 1000, 2, ""),
    )


def test_all_kinds_are_typical_when_none_is_rare() -> None:
    assert [item.frequency for item in typical_pods([pod(cpus=1), pod(cpus=2)])] == [0.5, 0.5]


def test_equally_frequent_kinds_come_in_falling_order_of_what_they_ask_for() -> None:
    pods = [pod(cpus=1), pod(cpus=2, share=100), pod(cpus=2, share=200), pod(cpus=2, share=200, gpu="G")]
    kinds = [(item.cpus, item.share, item.gpu) for item in typical_pods(pods)]
    assert kinds == [(2, 200, "G"), (2, 200, ""), (2, 100, ""), (1, 1000, "")]


def test_memory_does_not_tell_typical_pods_apart() -> None:
    assert len(typical_pods([pod(memory=1), pod(memory=2)])) == 1


def test_the_same_seed_gives_the_same_arrivals_whatever_the_order_of_the_list() -> None:
    pods = numbered(*[1000] * 20, *[500] * 20)
    first = arriving(pods, 100_000, 130, Draws(7))
    assert first == arriving(pods[::-1], 100_000, 130, Draws(7))
    assert first != arriving(pods, 100_000, 130, Draws(8))


def test_the_whole_list_arrives_before_any_pod_arrives_again() -> None:
    pods = numbered(*[1000] * 20)
    arrivals = arriving(pods, 100_000, 100, Draws(1))
    assert sorted(item.name for item in arrivals[:20]) == [item.name for item in pods]
    assert demand(arrivals) == 100_000


def test_a_list_that_asks_for_too_much_is_shortened_at_random() -> None:
    pods = numbered(*[1000] * 20)
    arrivals = arriving(pods, 10_000, 100, Draws(1))
    assert len({item.name for item in arrivals}) == 10
    assert arrivals != arriving(pods, 10_000, 100, Draws(2))


def test_a_list_that_asks_for_as_much_as_is_wanted_stays_as_it_is() -> None:
    assert Counter(arriving(numbered(0, 0, 4000), 4_000, 100, Draws(3))) == Counter(numbered(0, 0, 4000))


def test_the_last_pod_drawn_again_may_overshoot_by_all_its_gpus_but_one() -> None:
    # 8 + 8 = 16 of 17 wanted: one GPU of another pod still fits, so all 8 come
    assert demand(arriving(numbered(8000), 17_000, 100, Draws(1))) == 24_000


@given(st.lists(st.sampled_from([0, 1, 333, 1000, 2000]), min_size=1, max_size=30), st.integers(1, 200), st.integers())
def test_arrivals_ask_for_the_load_give_or_take_one_pod(demands: list[int], load: int, seed: int) -> None:
    pods = numbered(*demands, 1000)
    arrivals = arriving(pods, 20_000, load, Draws(seed))
    assert abs(demand(arrivals) * 100 - 20_000 * load) <= 2_000 * 100
    assert {item.name for item in arrivals} <= {item.name for item in pods}
