"""Packing agrees with a packer that tries everything, and refusals with what the kubelet does."""

from __future__ import annotations

import pytest
from fit_support import holds_naively
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.efficient.fit import packing
from tenantry.efficient.fit.packing import fits, lower_bound, nodes_needed
from tenantry.efficient.fit.room import Alignment, Need, NodeRoom, per_node, refusal, together

GPU, SLICE = "nvidia.com/gpu", "nvidia.com/mig-1g.18gb"


def flat(units: int = 8, vfs: int = 0, pods: int = 0) -> NodeRoom:
    return NodeRoom(((((GPU, units)),),), (("roce", vfs),) if vfs else (), pods)


def halves(units: int = 4, vfs: int = 64, alignment: Alignment = Alignment.RESTRICTED, **more: object) -> NodeRoom:
    cell = ((GPU, units),)
    return NodeRoom((cell, cell), (("roce", vfs),) if vfs else (), 0, alignment, **more)  # type: ignore[arg-type]


def of(*sizes: int) -> dict[Need, int]:
    kinds: dict[Need, int] = {}
    for size in sizes:
        kinds[Need(GPU, size)] = kinds.get(Need(GPU, size), 0) + 1
    return kinds


CASES: dict[str, tuple[NodeRoom, int, dict[Need, int], bool]] = {
    # name: (node, nodes, pods, whether they fit)
    "nothing fits on no node": (flat(), 0, {}, True),
    "one pod needs a node": (flat(), 0, of(1), False),
    "two halves fill a node": (flat(), 1, of(4, 4), True),
    "6 + 6 leave 2 and 2, so 4 has no place although 16 = 2 x 8": (flat(), 2, of(6, 6, 4), False),
    "6 + 6 + 2 + 2 do": (flat(), 2, of(6, 6, 2, 2), True),
    "three 5s do not share 2 nodes of 8, though 15 < 16": (flat(), 2, of(5, 5, 5), False),
    "3 + 3 twice leave 2 each: a third pair needs a node": (flat(), 2, of(3, 3, 3, 3, 3), False),
    "5 + 3 beside 4 + 4": (flat(), 2, of(5, 4, 4, 3), True),
    # Largest first puts 7 | 5 | 4 and then 3 with 5, so 4 has a node and 3 + 2 do not fit: 21 = 7 + (5 + 3) + (4 + 2).
    "a mix that fills every unit": (flat(8), 3, of(7, 5, 4, 3, 2, 1), True),
    # 10 = 6 + 4 = 5 + 5; first fit decreasing puts 6 + 3, 5 + 5 and then 4 + 4 + 3: fine; 30 of 30 units.
    "sums that only one arrangement fills": (flat(10), 3, of(6, 5, 5, 4, 4, 3, 3), True),
    "virtual functions run out before GPUs: 2 x 5 > 8": (
        flat(8, vfs=8), 1, {Need(GPU, 1, (("roce", 5),)): 2}, False,
    ),
    "pods of a node run out before GPUs": (flat(8, pods=3), 1, of(1, 1, 1, 1), False),
    "3 + 3 + 2 do not fit two NUMA nodes of 4": (halves(), 1, of(3, 3, 2), False),
    "3 + 3 + 1 + 1 do": (halves(), 1, of(3, 3, 1, 1), True),
    "a pod larger than a NUMA node takes both": (halves(vfs=0), 1, of(8), True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_pods_fit_exactly_when_they_can_be_placed(name: str) -> None:
    room, nodes, kinds, expected = CASES[name]

    assert fits(room, nodes, kinds) is expected
    assert holds_naively(room, nodes, kinds) is expected


def rooms() -> st.SearchStrategy[NodeRoom]:
    def make(cells: list[int], vfs: int, pods: int, alignment: Alignment) -> NodeRoom:
        aligned = len(cells) > 1
        # VFs of an aligned pod must lie in NUMA nodes too, which is another question: refusal() decides it.
        offered = () if aligned or not vfs else (("roce", vfs),)
        # Slices lie beside GPUs, in the first NUMA node only.
        parts = tuple(((GPU, units), *(((SLICE, 4),) if not place else ())) for place, units in enumerate(cells))
        return NodeRoom(parts, offered, pods, alignment if aligned else Alignment.NONE)

    cells = st.one_of(st.lists(st.integers(2, 8), min_size=1, max_size=1), st.integers(2, 4).map(lambda n: [n, n]))
    return st.builds(make, cells, st.integers(0, 6), st.integers(0, 5), st.just(Alignment.RESTRICTED))


@st.composite
def questions(draw: st.DrawFn) -> tuple[NodeRoom, int, dict[Need, int]]:
    room = draw(rooms())
    kinds: dict[Need, int] = {}
    for _ in range(draw(st.integers(0, 7))):
        vfs = draw(st.integers(0, 3)) if room.vfs else 0
        name = draw(st.sampled_from([GPU, GPU, SLICE]))
        need = Need(name, draw(st.integers(1, 8)), (("roce", vfs),) if vfs else ())
        kinds[need] = kinds.get(need, 0) + 1
    return room, draw(st.integers(0, 4)), kinds


@settings(max_examples=400, deadline=None)
@given(questions())
def test_every_verdict_agrees_with_trying_everything(question: tuple[NodeRoom, int, dict[Need, int]]) -> None:
    room, nodes, kinds = question

    assert fits(room, nodes, kinds) is holds_naively(room, nodes, kinds)


@settings(max_examples=150, deadline=None)
@given(questions())
def test_more_nodes_never_hold_less(question: tuple[NodeRoom, int, dict[Need, int]]) -> None:
    room, _, kinds = question
    answers = [fits(room, nodes, kinds) for nodes in range(6)]

    assert answers == sorted(answers, key=bool)
    needed = nodes_needed(room, kinds, 5)
    assert needed == (answers.index(True) if True in answers else 6)


@settings(max_examples=150, deadline=None)
@given(questions())
def test_counting_never_asks_for_more_nodes_than_are_needed(question: tuple[NodeRoom, int, dict[Need, int]]) -> None:
    room, _, kinds = question
    needed = nodes_needed(room, kinds, 7)
    bound = lower_bound(room, kinds)

    assert needed is not None
    assert needed == 8 if bound is None else bound <= needed


@settings(max_examples=150, deadline=None)
@given(rooms(), st.integers(1, 8), st.integers(0, 3))
def test_pods_of_one_kind_on_a_node_are_the_most_that_fit_together(room: NodeRoom, units: int, vfs: int) -> None:
    need = Need(GPU, units, (("roce", vfs),) if vfs and room.vfs else ())
    held = per_node(room, need)

    assert holds_naively(room, 1, {need: held})
    assert not holds_naively(room, 1, {need: held + 1})
    if held:
        assert together(room, ((need, held),))


def test_a_search_that_takes_too_long_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    # 6 x (5 + 3) and 4 + 4 fill 7 nodes of 8.
    kinds = {Need(GPU, 5): 6, Need(GPU, 4): 2, Need(GPU, 3): 6}
    monkeypatch.setattr(packing, "_greedy", lambda *_: False)
    assert fits(flat(), 7, kinds) is True

    monkeypatch.setattr(packing, "STEPS", 1)

    assert fits(flat(), 7, kinds) is None
    assert nodes_needed(flat(), kinds, 8) is None


def test_a_thousand_nodes_are_decided_by_counting_and_packing() -> None:
    kinds = {Need(GPU, 8): 400, Need(GPU, 4): 800, Need(GPU, 1): 1600}

    # 3200 + 3200 + 1600 = 8000 units.
    assert fits(flat(), 1000, kinds) is True
    assert fits(flat(), 999, kinds) is False


# Refusals ------------------------------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[NodeRoom, Need, str]] = {
    # name: (node, pod, kind of refusal; empty when it is admitted, ? behind it when that is not known)
    "more GPUs than a node has": (flat(), Need(GPU, 9), "size"),
    "a resource the node does not have": (flat(), Need(SLICE, 1), "size"),
    "more virtual functions than a node has": (flat(8, vfs=4), Need(GPU, 4, (("roce", 5),)), "vfs"),
    "without alignment everything that fits is admitted": (flat(8, vfs=64), Need(GPU, 8, (("roce", 8),)), ""),
    "restricted admits 8 GPUs alone: both NUMA nodes are fewest": (halves(vfs=0), Need(GPU, 8), ""),
    "restricted admits half a server with its functions": (halves(), Need(GPU, 4, (("roce", 4),)), ""),
    "8 GPUs lie on two NUMA nodes, 8 of 64 functions on one": (halves(), Need(GPU, 8, (("roce", 8),)), "numa"),
    "with 8 functions on the node 8 of them lie on two as well": (halves(vfs=8), Need(GPU, 8, (("roce", 8),)), ""),
    "5 of 8 functions lie on two NUMA nodes like 5 GPUs": (halves(vfs=8), Need(GPU, 5, (("roce", 5),)), ""),
    "5 GPUs with 4 of 8 functions do not agree": (halves(vfs=8), Need(GPU, 5, (("roce", 4),)), "numa"),
    "a function of each rail lies on one NUMA node": (
        halves(vfs=8, per_rail=frozenset({"roce"})), Need(GPU, 8, (("roce", 8),)), "numa",
    ),
    "4 GPUs with 6 of 8 functions: that depends on the wiring": (halves(vfs=8), Need(GPU, 4, (("roce", 6),)), "numa?"),
    "single-numa-node refuses more GPUs than one NUMA node has": (
        halves(alignment=Alignment.SINGLE), Need(GPU, 5), "numa",
    ),
    "single-numa-node admits as many": (halves(alignment=Alignment.SINGLE), Need(GPU, 4, (("roce", 4),)), ""),
    "NUMA nodes of a generic server are unknown": (
        NodeRoom((((GPU, 8),),), (), 0, Alignment.SINGLE, numa_known=False), Need(GPU, 2), "numa?",
    ),
    "one GPU lies on one NUMA node whatever they are": (
        NodeRoom((((GPU, 8),),), (), 0, Alignment.SINGLE, numa_known=False), Need(GPU, 1), "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_an_empty_node_refuses_what_the_kubelet_refuses(name: str) -> None:
    room, need, expected = REFUSALS[name]

    found = refusal(room, need)

    assert (f"{found.kind}{'?' if found.unknown else ''}" if found else "") == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 8), st.integers(1, 16), st.integers(1, 16), st.integers(0, 16))
def test_refusals_agree_with_the_hints_of_the_kubelet(units: int, asked: int, first: int, second: int) -> None:
    """Two NUMA nodes of 4 GPUs, with ``first`` and ``second`` functions: hints are merged as the kubelet does."""
    total = first + second
    room = halves(vfs=total)
    need = Need(GPU, units, (("roce", asked),))
    found = refusal(room, need)

    admitted = asked <= total and _admits(units, (4, 4), asked, (first, second))

    if found is None:
        # Rails are taken to lie on the NUMA nodes in equal parts; for that wiring it must be admitted.
        assert _admits(units, (4, 4), asked, (total - total // 2, total // 2))
    elif not found.unknown:
        assert not admitted


def _admits(units: int, gpus: tuple[int, int], asked: int, vfs: tuple[int, int]) -> bool:
    """Whether restricted admits: some set of NUMA nodes is preferred, being as small as can be, by both providers."""
    masks = {(0,), (1,), (0, 1)}

    def preferred(request: int, there: tuple[int, int]) -> set[tuple[int, ...]]:
        enough = {mask for mask in masks if sum(there[cell] for cell in mask) >= request}
        least = min((len(mask) for mask in enough), default=0)
        return {mask for mask in enough if len(mask) == least}

    return bool(preferred(units, gpus) & preferred(asked, vfs))
