"""Random small clusters for laws that every cycle keeps.

Everything is chosen through a :class:`Chooser`, so that one generator serves hypothesis, which shrinks what fails, and
plain seeds. What runs at the start fits where it runs; whether its queues may hold that much is left to chance.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hypothesis import strategies as st
from kai_build import NOW, node, queue

from tenantry.fair.kai.rules import DEFAULTS, Settings, Strategy, placement
from tenantry.model.job import (
    GpuKind,
    GpuRequest,
    Job,
    Pod,
    PodStatus,
    Subgroup,
    TopologyConstraint,
    gpu_fraction,
    gpu_memory,
    whole_gpus,
)
from tenantry.model.moment import Moment, Node, Taint, Topology
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

LABEL = 16_000
"""MiB of every GPU, where a label says so."""


class Chooser(Protocol):
    """Makes the choices of a generator."""

    def pick(self, options: Sequence[T]) -> T: ...

    def flip(self, chance: int = 50) -> bool: ...


class Seeded:
    """Chooses by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def flip(self, chance: int = 50) -> bool:
        return self._random.random() * 100 < chance


class Drawn:
    """Lets hypothesis choose; what is simplest comes first in the options, and no coin falls."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        chosen: T = options[self._draw(st.integers(0, len(options) - 1))]
        return chosen

    def flip(self, chance: int = 50) -> bool:
        return bool(self._draw(st.integers(0, 99)) >= 100 - chance)


@dataclass
class Room:
    """What is free while a cluster is filled: whole GPUs by node, and used parts of shared ones."""

    choose: Chooser
    nodes: list[Node]
    free: dict[str, int] = field(default_factory=dict)
    shared: dict[tuple[str, str], float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    pods: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = {item.name: int(item.gpus) for item in self.nodes}
        self.cpu = {item.name: item.cpu for item in self.nodes}
        self.pods = {item.name: item.pods for item in self.nodes}

    def take(self, gpu: GpuRequest, cpu: float) -> tuple[str, tuple[str, ...]] | None:
        """Find a node for a pod and charge it; None when there is none."""
        roomy = [item for item in self.nodes if self.cpu[item.name] >= cpu and self.pods[item.name] >= 1]
        fitting = [item.name for item in roomy if self._fits(gpu, item)]
        if not fitting:
            return None
        name = self.choose.pick(fitting)
        self.cpu[name] -= cpu
        self.pods[name] -= 1
        if gpu.kind is GpuKind.WHOLE:
            self.free[name] -= gpu.devices
            return name, ()
        groups: list[str] = []
        for _ in range(gpu.devices):
            group = self._part(gpu, name, groups)
            self.shared[name, group] = self.shared.get((name, group), 0.0) + part_of(gpu)
            groups.append(group)
        return name, tuple(groups)

    def _fits(self, gpu: GpuRequest, item: Node) -> bool:
        if gpu.kind is GpuKind.WHOLE:
            return self.free[item.name] >= gpu.devices
        if gpu.kind is GpuKind.MEMORY and item.gpu_memory is None:
            return False
        return self.free[item.name] + len(self._open(gpu, item.name)) >= gpu.devices

    def _open(self, gpu: GpuRequest, name: str) -> list[str]:
        return [
            group for (place, group), used in self.shared.items() if place == name and used + part_of(gpu) <= 1 + 1e-9
        ]

    def _part(self, gpu: GpuRequest, name: str, taken: Sequence[str]) -> str:
        """A shared GPU with room or, by chance or for want of one, a new one."""
        usable = [group for group in self._open(gpu, name) if group not in taken]
        if self.free[name] and (not usable or self.choose.flip(30)):
            self.free[name] -= 1
            return str(len(self.shared))
        return self.choose.pick(usable)


def part_of(gpu: GpuRequest) -> float:
    """Part of each GPU a pod takes; memory in hundredths of the one size there is, rounded up."""
    return -(-gpu.memory * 100 // LABEL) / 100 if gpu.kind is GpuKind.MEMORY else gpu.portion


@dataclass(frozen=True)
class Made:
    """A moment, and settings to run it with."""

    moment: Moment
    settings: Settings


def make(choose: Chooser) -> Made:
    """Make a cluster of two to four nodes with up to eight jobs."""
    nodes = [_node(choose, number) for number in range(choose.pick((2, 3, 4)))]
    queues, leaves = _queues(choose)
    room = Room(choose, nodes)
    jobs = tuple(_job(choose, f"j{number}", choose.pick(leaves), room) for number in range(choose.pick((6, 8, 4, 7))))
    topologies = (Topology("t", ("zone", "rack")),)
    return Made(Moment(NOW, queues, jobs, tuple(nodes), topologies), _settings(choose))


@st.composite
def moments(draw: st.DrawFn) -> Made:
    """A random cluster."""
    return make(Drawn(draw))


def _node(choose: Chooser, number: int) -> Node:
    return node(
        f"n{number}",
        choose.pick((2, 4, 1)),
        cpu=choose.pick((1e6, 1e6, 8.0, 4.0)),
        gpu_memory=None if choose.flip(20) else LABEL,
        labels={"zone": choose.pick(("z1", "z2")), "rack": choose.pick(("r1", "r2"))},
        taints=(Taint("team"),) if choose.flip(10) else (),
        unready=("cordoned",) if choose.flip(5) else (),
        pods=choose.pick((110.0, 110.0, 110.0, 4.0)),
    )


def _queues(choose: Chooser) -> tuple[tuple[Queue, ...], list[str]]:
    """Two top queues with up to four leaves below, some of them one level deeper."""
    queues = [_queue(choose, name, "", (4, 8, 2, 0)) for name in ("d", "e")]
    parents, leaves = ["d", "e"], []
    if choose.flip(40):
        queues.append(_queue(choose, "f", "e", (4, 2, 0)))
        parents.append("f")
    for name in ("q1", "q2", "q3", "q4")[: choose.pick((2, 3, 4))]:
        queues.append(_queue(choose, name, choose.pick(parents), (2, 1, 0, 4)))
        leaves.append(name)
    return tuple(queues), leaves


def _queue(choose: Chooser, name: str, parent: str, quotas: Sequence[float]) -> Queue:
    made = queue(
        name,
        UNLIMITED if choose.flip(10) else choose.pick(quotas),
        limit=choose.pick((2, 4, 1)) if choose.flip(8) else UNLIMITED,
        weight=choose.pick((1, 0, 2, 3)),
        parent=parent,
        priority=choose.pick((100, 100, 90, 110)),
        created=choose.pick((0, 1)),
        reclaim_min_runtime=choose.pick((60, 0)) if choose.flip(20) else None,
        preempt_min_runtime=choose.pick((60, 0)) if choose.flip(20) else None,
        usage=(choose.pick((0.1, 0.5)), 0.0, 0.0) if choose.flip(20) else (0.0, 0.0, 0.0),
    )
    cpu = Entitled(choose.pick((UNLIMITED, 4.0, 1.0)), choose.pick((UNLIMITED, 6.0)), 1) if choose.flip(15) else FREE
    return replace(made, cpu=cpu)


def _job(choose: Chooser, name: str, owner: str, room: Room) -> Job:
    gpu, cpu = _request(choose), choose.pick((0.0, 0.0, 0.0, 1.0, 2.0))
    count, runs, leaves = choose.pick((1, 2, 3, 4)), choose.flip(65), choose.flip(8)
    pods = []
    for number in range(count):
        place = room.take(gpu, cpu) if runs else None
        held: dict[str, Any] = {}
        if place is not None:
            status = PodStatus.RELEASING if leaves else PodStatus.RUNNING
            held = {"status": status, "node": place[0], "groups": place[1]}
        pods.append(Pod(f"{name}-{number}", gpu=gpu, cpu=cpu, created=choose.pick((0, 1)), **held))
    root = _root(choose, count) if choose.flip(50) else None
    if root is not None and len(root.children) > 1:
        pods = [replace(pod, subgroup="mn"[number % 2]) for number, pod in enumerate(pods)]
    return Job(
        name,
        owner,
        tuple(pods),
        root,
        priority=choose.pick((50, 60, 40, 50, 60, 40, 100)),
        preemptible=choose.flip(50) if choose.flip(10) else None,
        created=NOW - choose.pick((10, 20, 30, 600)),
        started=NOW - choose.pick((600, 50)) if runs else None,
        preemption_delay=choose.pick((5, 100)) if choose.flip(10) else 0,
        stale_since=NOW - choose.pick((10, 100)) if choose.flip(10) else None,
    )


def _request(choose: Chooser) -> GpuRequest:
    kind = choose.pick(("whole", "whole", "whole", "part", "memory", "none"))
    if kind == "whole":
        return whole_gpus(choose.pick((1, 1, 2)))
    if kind == "part":
        return gpu_fraction(choose.pick((0.5, 0.25, 0.3, 0.7)), 2 if choose.flip(20) else 1)
    if kind == "memory":
        return gpu_memory(choose.pick((8_000, 4_000, 1_000)))
    return GpuRequest()


def _root(choose: Chooser, pods: int) -> Subgroup:
    """A flat gang or one of two groups, with fewer pods needed than there are, or a place they belong to."""
    constraint = None
    if choose.flip(20):
        level = choose.pick(("rack", "zone"))
        constraint = TopologyConstraint("t", level) if choose.flip(60) else TopologyConstraint("t", "", level)
    if pods > 1 and choose.flip(30):
        groups = (Subgroup("m", choose.pick((1, 0))), Subgroup("n", 1))
        return Subgroup("", choose.pick((None, None, None, 1)), groups, constraint, leaf=False)
    return Subgroup("", None, (Subgroup("default", choose.pick(range(pods + 1))),), constraint, leaf=False)


def _settings(choose: Chooser) -> Settings:
    settings = DEFAULTS
    if choose.flip(20):
        settings = placement(choose.pick((Strategy.SPREAD, Strategy.BINPACK)), Strategy.SPREAD)
    return replace(
        settings,
        version=choose.pick(("0.17", "0.17", "0.17", "0.16", "0.15")),
        consolidating_reclaim=not choose.flip(30),
        signatures=not choose.flip(50),
        saturation_multiplier=choose.pick((1.0, 1.5)),
        reclaim_min_runtime=choose.pick((0, 0, 60)),
        preempt_min_runtime=choose.pick((0, 0, 60)),
        reclaim_by_queue=choose.flip(30),
        k_value=choose.pick((1.0, 0.0)),
        queue_depth=(("allocate", 2), ("reclaim", 1)) if choose.flip(10) else (),
    )
