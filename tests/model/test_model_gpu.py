"""MIG geometry: names, placements and what fits on one GPU."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.model.gpu import (
    Gpu,
    MigProfile,
    Placement,
    all_placements,
    count_sets,
    maximal_placements,
    place,
    profile_name,
    renamed,
)
from tenantry.model.hardware import Certainty


def gpu(profiles: tuple[MigProfile, ...], compute: int, memory: int, mib: int, media: int = 0) -> Gpu:
    return Gpu(
        id="test",
        title="Test GPU",
        product="TEST",
        architecture="hopper",
        memory_mib=mib,
        pci_ids=("FFFF",),
        compute_slices=compute,
        memory_slices=memory,
        profiles=profiles,
        minimum_driver="",
        source="test",
        certainty=Certainty.CERTAIN,
        media_engines=media,
    )


# 80 GiB: 1/8 is 10, 2/8 is 20, 4/8 is 40.
ONE = MigProfile("1g.10gb", 19, 1, 1, 7, (0, 1, 2, 3, 4, 5, 6))
MEDIA = MigProfile("1g.10gb+me", 20, 1, 1, 1, (0, 1, 2, 3, 4, 5, 6))
DOUBLE = MigProfile("1g.20gb", 15, 1, 2, 4, (0, 2, 4, 6))
TWO = MigProfile("2g.20gb", 14, 2, 2, 3, (0, 2, 4))
THREE = MigProfile("3g.40gb", 9, 3, 4, 2, (0, 4))
FOUR = MigProfile("4g.40gb", 5, 4, 4, 1, (0,))
SEVEN = MigProfile("7g.80gb", 0, 7, 8, 1, (0,))
H100 = gpu((ONE, MEDIA, DOUBLE, TWO, THREE, FOUR, SEVEN), 7, 8, 81559)
PLAIN = ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")

A30 = gpu(
    (
        MigProfile("1g.6gb", 14, 1, 1, 4, (0, 1, 2, 3)),
        MigProfile("1g.6gb+me", 21, 1, 1, 1, (0, 1, 2, 3)),
        MigProfile("2g.12gb", 5, 2, 2, 2, (0, 2)),
        MigProfile("2g.12gb+me", 6, 2, 2, 1, (0, 2)),
        MigProfile("4g.24gb", 0, 4, 4, 1, (0,)),
    ),
    4,
    4,
    24576,
)

GRAPHICS = gpu(
    (
        MigProfile("1g.24gb", 14, 1, 1, 4, (0, 1, 2, 3), media=1),
        MigProfile("1g.24gb+me.all", 65, 1, 1, 1, (0, 1, 2, 3), media=4),
        MigProfile("1g.24gb-me", 67, 1, 1, 4, (0, 1, 2, 3)),
        MigProfile("2g.48gb", 5, 2, 2, 2, (0, 2), media=2),
        MigProfile("2g.48gb+me.all", 64, 2, 2, 1, (0, 2), media=4),
        MigProfile("4g.96gb", 0, 4, 4, 1, (0,), media=4),
    ),
    4,
    4,
    97887,
    media=4,
)


@pytest.mark.parametrize(
    ("compute", "memory", "slices", "total_mib", "suffix", "expected"),
    [
        # ceil(143771 / 1024) = ceil(140.40) = 141; 141 / 8 = 17.625 -> 18
        pytest.param(1, 1, 8, 143771, "", "1g.18gb", id="H200 eighth"),
        # 141 * 2 / 8 = 35.25 -> 35
        pytest.param(1, 2, 8, 143771, "", "1g.35gb", id="H200 quarter with one compute slice"),
        # 141 * 4 / 8 = 70.5 -> 71: half rounds up, where half-to-even would give 70
        pytest.param(3, 4, 8, 143771, "", "3g.71gb", id="H200 half rounds up"),
        # ceil(183359 / 1024) = ceil(179.06) = 180; 180 / 8 = 22.5 -> 23, where half-to-even would give 22
        pytest.param(1, 1, 8, 183359, "+me", "1g.23gb+me", id="B200 eighth rounds up and keeps its suffix"),
        # ceil(189471 / 1024) = ceil(185.03) = 186; 186 * 2 / 8 = 46.5 -> 47
        pytest.param(2, 2, 8, 189471, "", "2g.47gb", id="GB200 quarter rounds up"),
        # 97887 / 1024 = 95.59 -> 96; 96 / 4 = 24
        pytest.param(1, 1, 4, 97887, "-me", "1g.24gb-me", id="quarter of a four-slice GPU"),
        # exactly 80 GiB must not be rounded to 81
        pytest.param(7, 8, 8, 81920, "", "7g.80gb", id="whole number of GiB stays"),
    ],
)
def test_profile_names_follow_the_total_the_driver_reports(
    compute: int, memory: int, slices: int, *, total_mib: int, suffix: str, expected: str
) -> None:
    assert profile_name(compute, memory, slices, total_mib, suffix) == expected


@given(total=st.integers(1024, 400_000), memory=st.integers(1, 8))
def test_profile_names_agree_with_exact_arithmetic(total: int, memory: int) -> None:
    gib = -(-total // 1024)
    # floor(x + 1/2) of a fraction p / 8 is (2p + 8) // 16 in whole numbers.
    assert profile_name(1, memory, 8, total) == f"1g.{(2 * memory * gib + 8) // 16}gb"


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("3g.71gb", "nvidia.com/mig-3g.71gb"),
        ("1g.18gb+me", "nvidia.com/mig-1g.18gb.me"),
        ("1g.24gb+me.all", "nvidia.com/mig-1g.24gb.me.all"),
        ("1g.24gb-me", "nvidia.com/mig-1g.24gb-me"),
    ],
)
def test_resource_names_write_plus_as_dot(name: str, resource: str) -> None:
    assert MigProfile(name, 0, 1, 1, 1, (0,)).resource == resource


def test_another_total_gives_other_names_and_the_same_slices() -> None:
    other = renamed(H100, 193536)  # 189 GiB: 189 / 8 = 23.6 -> 24, 189 / 2 = 94.5 -> 95
    assert [profile.name for profile in other.profiles] == [
        "1g.24gb",
        "1g.24gb+me",
        "1g.47gb",
        "2g.47gb",
        "3g.95gb",
        "4g.95gb",
        "7g.189gb",
    ]
    assert other.profile("3g.95gb") is not None
    assert other.profile("3g.40gb") is None
    assert [profile.starts for profile in other.profiles] == [profile.starts for profile in H100.profiles]
    assert renamed(other, H100.memory_mib) == H100


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"1g.10gb": 0}, (), id="a count of zero is nothing"),
        pytest.param(
            {"1g.10gb": 7}, tuple(Placement(start, "1g.10gb", 1) for start in range(7)), id="seven of the smallest"
        ),
        pytest.param({"3g.40gb": 2}, (Placement(0, "3g.40gb", 4), Placement(4, "3g.40gb", 4)), id="both halves by 3g"),
        pytest.param(
            {"4g.40gb": 1, "3g.40gb": 1},
            (Placement(0, "4g.40gb", 4), Placement(4, "3g.40gb", 4)),
            id="4g and 3g fill the GPU",
        ),
        # 3g at 0 would leave slices 4-7: 2g at 4, 1g at 6, and slice 7, where no 1g may begin. So 3g goes to 4.
        pytest.param(
            {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1},
            (
                Placement(0, "2g.20gb", 2),
                Placement(2, "1g.10gb", 1),
                Placement(3, "1g.10gb", 1),
                Placement(4, "3g.40gb", 4),
            ),
            id="balanced keeps 3g off the first half",
        ),
    ],
)
def test_placements_of_known_layouts(counts: dict[str, int], expected: tuple[Placement, ...]) -> None:
    assert place(H100, counts) == expected


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        pytest.param(
            H100, {"3g.40gb": 2, "1g.10gb": 1}, id="3g twice uses all memory though one compute slice is free"
        ),
        pytest.param(H100, {"1g.10gb": 8}, id="more than the maximum of a profile"),
        pytest.param(H100, {"7g.80gb": 1, "1g.10gb": 1}, id="beside a full instance"),
        pytest.param(H100, {"2g.20gb": 3, "1g.20gb": 2}, id="memory slices run out before compute slices"),
        pytest.param(H100, {"4g.40gb": 1, "2g.20gb": 2}, id="eight compute slices"),
        pytest.param(A30, {"1g.6gb+me": 1, "2g.12gb+me": 1}, id="media extensions exist once"),
        pytest.param(A30, {"2g.12gb": 1, "1g.6gb": 3}, id="a half and three quarters"),
        pytest.param(GRAPHICS, {"1g.24gb+me.all": 1, "1g.24gb": 1}, id="one slice took every media engine"),
        pytest.param(GRAPHICS, {"1g.24gb+me.all": 1, "2g.48gb+me.all": 1}, id="every media engine twice"),
    ],
)
def test_layouts_that_do_not_fit(subject: Gpu, counts: dict[str, int]) -> None:
    assert place(subject, counts) is None


def test_a_slice_with_every_media_engine_leaves_room_for_slices_without_media() -> None:
    assert place(GRAPHICS, {"1g.24gb+me.all": 1, "1g.24gb-me": 3}) is not None


def test_a_stated_maximum_holds_even_where_there_is_room() -> None:
    subject = gpu((MigProfile("1g.2gb", 0, 1, 1, 1, (0, 1, 2, 3)),), 4, 4, 8192)
    assert place(subject, {"1g.2gb": 1}) is not None
    assert place(subject, {"1g.2gb": 2}) is None
    assert len(list(all_placements(subject))) == 4


def test_unknown_profiles_are_refused_even_when_none_is_wanted() -> None:
    with pytest.raises(KeyError, match=r"3g\.71gb"):
        place(H100, {"3g.71gb": 0})
    with pytest.raises(KeyError, match=r"3g\.71gb"):
        list(all_placements(H100, ["3g.71gb"]))


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        place(H100, {"1g.10gb": -1})


def test_a_gpu_without_mig_has_no_layout() -> None:
    plain = gpu((), 0, 0, 46068)
    assert not plain.mig_capable
    assert list(count_sets(plain)) == []
    assert list(all_placements(plain)) == []
    assert place(plain, {}) == ()


# A placement set is a non-empty set of (profile, start) pairs that can exist at a time. It is maximal when no further
# instance of the profiles considered can be added. A count set is a placement set with the starts forgotten.
# Four slices by hand: a half holds one 2g or any of the 4 subsets of two 1g, so 5 ways; 5 * 5 - 1 (both empty) + 1 (4g)
# = 25. Maximal: each half is full in 2 ways, 2 * 2 + 1 = 5. Count sets: no 2g and 0 to 4 of 1g, 5; one 2g and 0 to 2,
# 3; two 2g, 1; 5 + 3 + 1 - 1 (empty) + 1 (4g) = 9.
@pytest.mark.parametrize(
    ("subject", "names", "placements", "maximal", "counts"),
    [
        pytest.param(H100, PLAIN, 297, 19, 37, id="seven slices, plain profiles"),
        pytest.param(H100, (*PLAIN, "1g.20gb"), 722, 78, 77, id="seven slices, with the double-memory 1g"),
        pytest.param(A30, ("1g.6gb", "2g.12gb", "4g.24gb"), 25, 5, 9, id="four slices, plain profiles"),
    ],
)
def test_number_of_layouts(subject: Gpu, names: tuple[str, ...], placements: int, maximal: int, counts: int) -> None:
    sets = list(all_placements(subject, names))
    assert (len(sets), len(set(sets))) == (placements, placements)
    assert len(set(maximal_placements(subject, names))) == maximal
    multisets = {frozenset(item.items()) for item in count_sets(subject, names)}
    assert len(multisets) == len(list(count_sets(subject, names))) == counts
    assert multisets == {frozenset(Counter(one.profile for one in chosen).items()) for chosen in sets}


def naive_sets(subject: Gpu) -> set[frozenset[tuple[int, str]]]:
    """Every set of instances by trying all subsets of (start, profile): slow, and written without the model's code."""
    pairs = [(start, profile) for profile in subject.profiles for start in profile.starts]
    found = set()
    for size in range(1, subject.memory_slices + 1):
        for subset in itertools.combinations(pairs, size):
            slices = [piece for start, profile in subset for piece in range(start, start + profile.memory)]
            if len(set(slices)) < len(slices) or max(slices) >= subject.memory_slices:
                continue
            chosen = [profile for _, profile in subset]
            if sum(profile.compute for profile in chosen) > subject.compute_slices:
                continue
            if any(chosen.count(profile) > profile.maximum for profile in chosen):
                continue
            if sum(profile.name.endswith(("+me", "+me.all")) for profile in chosen) > 1:
                continue
            if subject.media_engines and sum(profile.media for profile in chosen) > subject.media_engines:
                continue
            found.add(frozenset((start, profile.name) for start, profile in subset))
    return found


@pytest.mark.parametrize("subject", [A30, GRAPHICS], ids=["media extensions", "media engines"])
def test_enumeration_agrees_with_trying_every_subset(subject: Gpu) -> None:
    naive = naive_sets(subject)
    assert {frozenset((one.start, one.profile) for one in chosen) for chosen in all_placements(subject)} == naive
    maximal = {one for one in naive if not any(one < other for other in naive)}
    assert {frozenset((one.start, one.profile) for one in chosen) for chosen in maximal_placements(subject)} == maximal


@st.composite
def geometries(draw: st.DrawFn) -> Gpu:
    """Small GPUs of any geometry, not only the ones that are sold."""
    memory_slices = draw(st.integers(1, 6))
    profiles = []
    for number in range(draw(st.integers(1, 3))):
        memory = draw(st.integers(1, memory_slices))
        last = memory_slices - memory
        starts = draw(st.lists(st.integers(0, last), min_size=1, max_size=4, unique=True).map(sorted))
        suffix = draw(st.sampled_from(["", "", "+me", "-me"]))
        profiles.append(
            MigProfile(
                f"{number + 1}g.{number + 1}gb{suffix}",
                number,
                draw(st.integers(1, 4)),
                memory,
                draw(st.integers(1, 4)),
                tuple(starts),
                media=draw(st.integers(0, 2)),
            )
        )
    return gpu(tuple(profiles), draw(st.integers(1, 6)), memory_slices, 8192, media=draw(st.integers(0, 4)))


@given(subject=geometries(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_place_agrees_with_trying_every_subset(subject: Gpu, data: st.DataObject) -> None:
    counts = {profile.name: data.draw(st.integers(0, 3), label=profile.name) for profile in subject.profiles}
    wanted = Counter({name: count for name, count in counts.items() if count})
    feasible = {frozenset(Counter(name for _, name in chosen).items()) for chosen in naive_sets(subject)}
    found = place(subject, counts)
    assert (found is not None) == (not wanted or frozenset(wanted.items()) in feasible)
    if found:
        assert Counter(one.profile for one in found) == wanted
        assert frozenset((one.start, one.profile) for one in found) in naive_sets(subject)
        assert list(found) == sorted(found)
        assert place(subject, dict(reversed(counts.items()))) == found


@given(subject=geometries())
@settings(max_examples=100, deadline=None)
def test_enumerations_agree_with_trying_every_subset(subject: Gpu) -> None:
    naive = naive_sets(subject)
    sets = [frozenset((one.start, one.profile) for one in chosen) for chosen in all_placements(subject)]
    assert len(sets) == len(set(sets))
    assert set(sets) == naive
    assert {frozenset(item.items()) for item in count_sets(subject)} == {
        frozenset(Counter(name for _, name in chosen).items()) for chosen in naive
    }


def test_memory_in_gib_rounds_up_as_names_do() -> None:
    assert H100.memory_gib == math.ceil(81559 / 1024) == 80
    assert gpu((), 0, 0, 81920).memory_gib == 80
    assert gpu((), 0, 0, 81921).memory_gib == 81
