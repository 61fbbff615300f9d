"""Layouts around pinned instances, and the validator that knows nothing of how they are found."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.catalog.hardware import gpus
from tenantry.efficient.partition.patterns import layout_table
from tenantry.efficient.partition.validate import layout_faults, present_faults
from tenantry.model.gpu import Gpu, Placement, all_placements
from tenantry.model.partition import WHOLE, Layout, Pin, PresentGpu, counts_of, whole_gpu

H200, A30, PRO = gpus()["h200-sxm"], gpus()["a30"], gpus()["rtx-pro-6000"]
PLAIN = ("1g.18gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb")


def at(start: int, profile: str, gpu: Gpu = H200) -> Placement:
    known = gpu.profile(profile)
    return Placement(start, profile, known.memory if known else 1)


def every_instance(gpu: Gpu) -> list[Placement]:
    return [Placement(start, item.name, item.memory) for item in gpu.profiles for start in item.starts]


@pytest.mark.parametrize("gpu", [A30, PRO, H200], ids=lambda gpu: gpu.id)
def test_validator_and_enumeration_agree_on_every_pair_and_every_layout(gpu: Gpu) -> None:
    layouts = set(all_placements(gpu))
    assert all(not layout_faults(gpu, layout) for layout in layouts)
    for pair in combinations(every_instance(gpu), 2):
        layout = tuple(sorted(pair))
        assert bool(layout_faults(gpu, layout)) == (layout not in layouts), layout


@given(st.data())
def test_validator_and_enumeration_agree_on_any_instances(data: st.DataObject) -> None:
    gpu = data.draw(st.sampled_from([A30, PRO]))
    chosen = tuple(sorted(data.draw(st.lists(st.sampled_from(every_instance(gpu)), min_size=1, max_size=4))))
    assert bool(layout_faults(gpu, chosen)) == (chosen not in set(all_placements(gpu)))


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        pytest.param((at(0, "5g.100gb"),), "no profile 5g.100gb", id="unknown profile"),
        pytest.param((at(2, "3g.71gb"),), "cannot begin at memory slice 2, only at 0, 4", id="wrong start"),
        pytest.param((Placement(0, "3g.71gb", 3),), "takes 4 memory slices, not 3", id="wrong size"),
        pytest.param((at(0, "4g.71gb"), at(2, "2g.35gb")), "overlap on memory slice 2", id="overlap"),
        pytest.param((at(0, "1g.18gb+me"), at(1, "1g.18gb+me")), "at most 1", id="two with media extensions"),
        pytest.param((*whole_gpu(H200), at(0, "1g.18gb")), "no instances besides", id="whole and a slice"),
    ],
)
def test_impossible_layouts_are_named(layout: Layout, fault: str) -> None:
    assert fault in "; ".join(layout_faults(H200, layout))


def test_seventh_compute_slice_is_not_given_out_twice() -> None:
    # 2 x 1 + 2 x 2 + 2 more single ones: 8 compute slices on 7, though 8 memory slices would do on an imagined layout.
    layout = (at(0, "2g.35gb"), at(2, "2g.35gb"), at(4, "2g.35gb"), at(6, "1g.18gb"))
    assert not layout_faults(H200, layout)  # 3 x 2 + 1 = 7
    double = (at(0, "4g.71gb"), at(4, "2g.35gb"), at(6, "1g.35gb"))
    assert not layout_faults(H200, double)  # 4 + 2 + 1 = 7


def test_media_engines_run_out() -> None:
    # +me.all takes all four decoders, so beside it only profiles without media fit.
    assert "media engines" in "; ".join(layout_faults(PRO, (at(0, "1g.24gb+me.all", PRO), at(1, "1g.24gb", PRO))))
    assert not layout_faults(PRO, (at(0, "1g.24gb+me.all", PRO), at(1, "1g.24gb-me", PRO)))


def test_pinned_instance_that_is_not_there_is_named() -> None:
    present = PresentGpu("n1", 0, (at(0, "3g.71gb"),), (Pin(at(4, "3g.71gb")),))
    assert present_faults(H200, present) == ("3g.71gb at 4 is pinned but not there",)


@pytest.mark.parametrize(
    ("names", "sets"),
    [
        # Count sets that no other one surpasses, and 1 more than the count sets of a GPU for the empty one.
        pytest.param(PLAIN, (12, 38), id="plain profiles"),
        pytest.param((*PLAIN, "1g.35gb"), (28, 78), id="with the double-memory 1g"),
    ],
)
def test_number_of_layouts_worth_having(names: tuple[str, ...], sets: tuple[int, int]) -> None:
    table = layout_table(H200, tuple(sorted(names)))
    assert (len(table.best()), len(table.reachable())) == sets


@pytest.mark.parametrize("gpu", [A30, H200], ids=lambda gpu: gpu.id)
def test_layouts_around_pins_are_all_there_is_and_the_best_of_it(gpu: Gpu) -> None:
    names = tuple(sorted(item.name for item in gpu.profiles if not item.suffix))
    table = layout_table(gpu, names)
    layouts = [(), *all_placements(gpu, names)]
    for pinned in layouts[:: max(1, len(layouts) // 60)]:
        around = [layout for layout in layouts if set(pinned) <= set(layout)]
        assert set(table.reachable(pinned)) == {counts_of(layout) for layout in around}
        best = table.best(pinned)
        for layout in around:
            have = dict(counts_of(layout))
            assert any(all(dict(more).get(name, 0) >= count for name, count in have.items()) for more in best)
        assert all(set(pinned) <= set(layout) and not layout_faults(gpu, layout) for layout in best.values())


def test_whole_gpu_is_a_layout_only_where_it_is_wanted_and_nothing_is_pinned() -> None:
    table = layout_table(A30, ("1g.6gb", "4g.24gb", WHOLE))
    assert table.best()[((WHOLE, 1),)] == whole_gpu(A30)
    pinned = (at(0, "1g.6gb", A30),)
    assert all(WHOLE not in dict(counts) for counts in table.best(pinned))
    assert list(table.best(whole_gpu(A30)).values()) == [whole_gpu(A30)]


def test_profile_of_another_gpu_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError, match=r"3g\.40gb"):
        layout_table(H200, ("3g.40gb",))
    with pytest.raises(KeyError):
        layout_table(H200, PLAIN).best((at(1, "2g.35gb"),))
