"""Nodes, pods and random small clusters for the packing tests."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

from tenantry.fair.packing.draws import Draws
from tenantry.fair.packing.layout import lay_out
from tenantry.fair.packing.records import Layout
from tenantry.fair.packing.workload import typical_pods
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode

Item = TypeVar("Item")


def node(name: str = "a", gpus: int = 8, gpu: str = "G", cpus: int = 96_000, memory: int = 1_000_000) -> TraceNode:
    return TraceNode(name, gpus, gpu, cpus, memory)


def pod(
    devices: int = 1, share: int = 1000, cpus: int = 0, *, memory: int = 0, gpu: str = "", name: str = "p"
) -> PackingPod:
    return PackingPod(name, devices, share if devices else 0, cpus, memory, gpu)


def laid(
    nodes: list[TraceNode], pods: list[PackingPod], seed: int = 0, typical: list[PackingPod] | None = None
) -> Layout:
    """Nodes and pods in the given order; the typical pods are those of the list unless others are given."""
    return lay_out(nodes, pods, typical_pods(typical or pods), Draws(seed))


NODES = st.builds(
    TraceNode,
    name=st.just("n"),
    gpus=st.sampled_from([0, 1, 2, 3, 4, 8, 8, 10]),
    gpu=st.sampled_from(["A", "A", "B", ""]),
    cpus=st.sampled_from([0, 8_000, 32_000, 64_000, 96_000, 128_000, 192_000]),
    memory=st.sampled_from([0, 64, 256, 1024]),
)
_CPU_ONLY = st.builds(
    PackingPod,
    name=st.just("p"),
    devices=st.just(0),
    share=st.just(0),
    cpus=st.sampled_from([0, 1_000, 6_000, 24_000]),
    memory=st.sampled_from([0, 16, 100]),
)
_WITH_GPUS = st.builds(
    PackingPod,
    name=st.just("p"),
    devices=st.sampled_from([1, 1, 1, 1, 2, 4, 8]),
    share=st.sampled_from([1000, 1000, 1, 160, 250, 333, 470, 500, 810]),
    cpus=st.sampled_from([0, 1_000, 2_500, 6_000, 12_000, 24_000]),
    memory=st.sampled_from([0, 1, 16, 100]),
    gpu=st.sampled_from(["", "", "", "A", "B", "B|A", "C"]),
)
PODS = st.one_of(_WITH_GPUS, _WITH_GPUS, _WITH_GPUS, _CPU_ONLY)


def some(items: st.SearchStrategy[Item], most: int) -> st.SearchStrategy[list[Item]]:
    """Lists of every length from 1 to ``most``, each as likely; lists left to themselves stay short."""
    return st.integers(1, most).flatmap(lambda count: st.lists(items, min_size=count, max_size=count))
