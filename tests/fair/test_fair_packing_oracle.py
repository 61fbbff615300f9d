"""The engine places every pod where plain scoring of all nodes does, and compiled it leaves the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_packing import pack_naively
from packing_builders import NODES, PODS, some

from tenantry.fair.packing.compiled import functions
from tenantry.fair.packing.draws import Draws
from tenantry.fair.packing.layout import lay_out
from tenantry.fair.packing.policies import NAMES
from tenantry.fair.packing.records import Layout
from tenantry.fair.packing.run import execute
from tenantry.fair.packing.workload import typical_pods
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode

UNHURRIED = settings(deadline=None)  # plain scoring of a hundred pods takes its time, and so does compiling
POLICIES = pytest.mark.parametrize("policy", NAMES)


@st.composite
def fillings(draw: st.DrawFn) -> tuple[list[TraceNode], list[PackingPod], int]:
    """A small cluster of few shapes, pods of a few kinds, often enough to fill it, and a seed."""
    shapes = draw(st.lists(NODES, min_size=1, max_size=3))
    nodes = draw(some(st.sampled_from(shapes), 9))
    kinds = draw(some(PODS, 8))
    pods = draw(some(st.sampled_from(kinds), 100))
    return nodes, pods, draw(st.integers(0, 99))


def laid(nodes: list[TraceNode], pods: list[PackingPod], seed: int) -> Layout:
    return lay_out(nodes, pods, typical_pods(pods), Draws(seed))


@POLICIES
@UNHURRIED
@given(filling=fillings(), at_random=st.booleans())
def test_every_pod_goes_where_plain_scoring_puts_it(
    policy: str, filling: tuple[list[TraceNode], list[PackingPod], int], at_random: bool
) -> None:
    nodes, pods, _ = filling
    layout = laid(*filling)

    result, _ = execute(layout, NAMES.index(policy), at_random=at_random or policy == "Random", compiled=False)

    expected = pack_naively(
        nodes,
        pods,
        typical_pods(pods),
        policy,
        at_random=at_random,
        node_draws=layout.arrivals.node_draw,
        gpu_draws=layout.arrivals.gpu_draw,
    )
    placed = result.placed
    assert list(placed.node) == [item.node for item in expected]
    assert list(placed.gpu) == [item.gpus[0] if item.gpus else -1 for item in expected]
    assert list(placed.fragment) == [item.fragment for item in expected]


def flat(layout: Layout) -> list[list[Any]]:
    """Everything a run left, as plain lists."""
    return [
        [getattr(value, "tolist", lambda value=value: list(value))() for value in record]
        for record in (layout.nodes, layout.placed)
    ]


@POLICIES
@UNHURRIED
@given(filling=fillings(), at_random=st.booleans())
def test_compiled_the_loop_leaves_the_same_bytes(
    policy: str, filling: tuple[list[TraceNode], list[PackingPod], int], at_random: bool
) -> None:
    if functions() is None:
        pytest.skip("numba is not installed; it comes with the optional dependency group 'twin'")
    number = NAMES.index(policy)

    plain, before = execute(laid(*filling), number, at_random=at_random, compiled=False)
    compiled, before_compiled = execute(laid(*filling), number, at_random=at_random, compiled=True)

    assert flat(plain) == flat(compiled)
    assert before == before_compiled
