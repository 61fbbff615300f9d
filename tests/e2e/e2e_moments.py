"""Random clusters with more of what the model knows than the laws need: MIG, trees of subgroups, several sizes of GPUs.

What runs at the start fits where it runs. Choices are made as for the laws (``kai_moments``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kai_build import NOW, node, queue
from kai_moments import Chooser, Made

from tenantry.fair.kai.rules import DEFAULTS, Settings, Strategy, placement
from tenantry.model.job import (
    ANYWHERE,
    GpuKind,
    GpuRequest,
    Job,
    NodeTerm,
    Placement,
    Pod,
    PodStatus,
    Subgroup,
    Toleration,
    TopologyConstraint,
    gpu_fraction,
    gpu_memory,
    mig_instances,
    whole_gpus,
)
from tenantry.model.moment import Moment, Node, Taint, Topology
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.selector import Requirement

LEVELS = ("zone", "rack", "kubernetes.io/hostname")
MIG = ("nvidia.com/mig-1g.18gb", "nvidia.com/mig-2g.35gb", "nvidia.com/mig-3g.71gb")
MIB = (16_000, 40_000, 80_000)
"""MiB of GPUs, by label."""


@dataclass
class Left:
    """What is left of a node while running jobs are put on it."""

    node: Node
    cpu: float = 0.0
    memory: float = 0.0
    pods: float = 0.0
    gpus: int = 0
    mig: dict[str, float] = field(default_factory=dict)
    shared: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        item = self.node
        self.cpu, self.memory, self.pods, self.gpus = item.cpu, item.memory, item.pods, int(item.gpus)
        self.mig = dict(item.extended)

    def part(self, gpu: GpuRequest) -> float:
        """Part of each GPU that a pod takes here, memory in hundredths, rounded up."""
        if gpu.kind is GpuKind.MEMORY:
            return -(-gpu.memory * 100 // (self.node.gpu_memory or 1)) / 100
        return gpu.portion

    def open(self, gpu: GpuRequest) -> list[str]:
        """GPUs that are shared and have room."""
        return [group for group, used in self.shared.items() if used + self.part(gpu) <= 1 + 1e-9]

    def fits(self, gpu: GpuRequest, cpu: float, memory: float) -> bool:
        """Whether a pod can have been put here."""
        if self.cpu < cpu or self.memory < memory or self.pods < 1:
            return False
        if gpu.kind is GpuKind.MIG:
            return all(self.mig.get(name, 0.0) >= count for name, count in gpu.mig)
        if gpu.kind is GpuKind.WHOLE:
            return self.gpus >= gpu.devices
        if gpu.kind is GpuKind.MEMORY and (self.node.gpu_memory or 0) < gpu.memory:
            return False
        return self.gpus + len(self.open(gpu)) >= gpu.devices


class Wide:
    """Makes one cluster."""

    def __init__(self, choose: Chooser) -> None:
        self.choose, self.pick, self.flip = choose, choose.pick, choose.flip
        self.big, self.slices = choose.flip(30), choose.flip(20)
        self.sizes: tuple[int, ...] = self.pick(((2, 4, 1), (8,), (4, 8), (2, 4, 1)))
        self.groups = 0

    def make(self) -> Made:
        """Return the cluster."""
        nodes = self._nodes()
        self.left = [Left(item) for item in nodes]
        queues, leaves = self._queues(sum(int(item.gpus) for item in nodes))
        priorities = self.pick(((50,), (50, 60), (50, 75, 100), (40, 50, 60, 75, 100, 125)))
        count = self.pick((5, 8, 12, 18, 25)) if self.big else self.pick((4, 6, 8, 10))
        jobs = tuple(self._job(number, self.pick(leaves), self.pick(priorities)) for number in range(count))
        foreign, strays = (self._others(name) for name in ("foreign", "stray"))
        return Made(Moment(NOW, queues, jobs, nodes, (Topology("t", LEVELS),), foreign, strays), self._settings())

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _nodes(self) -> tuple[Node, ...]:
        memory = self.pick(MIB)
        mixed = self.flip(15)
        count = self.pick((2, 3, 4, 6, 8)) if self.big else self.pick((2, 3, 4))
        nodes = [self._node(f"n{number}", self.pick(MIB) if mixed else memory) for number in range(count)]
        if self.flip(10):
            nodes.append(node("plain", 0, cpu=64_000.0, memory=256e9, labels={"zone": "z1", "rack": "r1"}))
        return tuple(nodes)

    def _node(self, name: str, memory: int) -> Node:
        labels = {"zone": self.pick(("z1", "z2")), "rack": self.pick(("r1", "r2", "r3")), LEVELS[-1]: name}
        if self.flip(5):
            del labels["rack"]
        if self.flip(30):
            labels["kind"] = self.pick(("a", "b"))
        effect = self.pick(("NoSchedule", "NoExecute", "PreferNoSchedule"))
        made = node(
            name,
            self.pick(self.sizes),
            cpu=self.pick((1e6, 1e6, 64_000.0, 8_000.0)),
            memory=self.pick((1e12, 1e12, 64e9)),
            gpu_memory=None if self.flip(7) else memory,
            labels=labels,
            taints=(Taint("team", self.pick(("", "x")), effect),) if self.flip(10) else (),
            unready=(self.pick(("cordoned", "not-ready")),) if self.flip(4) else (),
            pods=self.pick((110.0, 110.0, 110.0, 5.0)),
        )
        if self.slices and self.flip(60):
            offers = tuple((name, float(self.pick((1, 2, 3)))) for name in MIG if self.flip(60))
            return replace(made, gpus=0.0, extended=offers, gpu_count=4, mig_enabled=True, mig_strategy="mixed")
        return replace(made, gpu_count=int(made.gpus)) if self.flip(20) else made

    # --- queues -------------------------------------------------------------------------------------------------------

    def _queues(self, gpus: int) -> tuple[tuple[Queue, ...], list[str]]:
        tops = self.pick((1, 2, 3))
        each = max(1, gpus // tops)
        found = [self._queue(f"d{number}", "", (each, each, each // 2, 2 * each, 0)) for number in range(tops)]
        parents = [item.name for item in found]
        for name, chance in (("m0", 40), ("m1", 15)):
            if self.flip(chance):
                found.append(self._queue(name, self.pick(parents), (each // 2, 1, 0)))
                parents.append(name)
        count = self.pick((2, 3, 4, 5, 7))
        leaves = [f"q{number}" for number in range(count)]
        quotas = (max(1, gpus // count), gpus // count // 2, 0, 1, 2, 0.5)
        return (*found, *(self._queue(name, self.pick(parents), quotas) for name in leaves)), leaves

    def _queue(self, name: str, parent: str, quotas: Sequence[float]) -> Queue:
        made = queue(
            name,
            UNLIMITED if self.flip(6) else self.pick(quotas),
            limit=self.pick((2, 4, 8, 1.5)) if self.flip(10) else UNLIMITED,
            weight=self.pick((1, 0, 2, 3, 0.5)),
            parent=parent,
            priority=self.pick((100, 100, 100, 90, 110)),
            created=self.pick((0, 1, 2)),
            reclaim_min_runtime=self.pick((60, 0, 300)) if self.flip(15) else None,
            preempt_min_runtime=self.pick((60, 0, 300)) if self.flip(15) else None,
            usage=self.pick(((0.3, 0.1, 0.0), (0.05, 0.4, 0.6), (0.9, 0.9, 0.9))) if self.flip(20) else (0.0, 0.0, 0.0),
        )
        cpu = Entitled(self.pick((UNLIMITED, 4_000.0, 32_000.0)), self.pick((UNLIMITED, UNLIMITED, 64_000.0)), 1)
        memory = Entitled(self.pick((UNLIMITED, 8e9)), self.pick((UNLIMITED, 256e9)), 1)
        return replace(made, cpu=cpu if self.flip(10) else FREE, memory=memory if self.flip(6) else FREE)

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def _job(self, number: int, owner: str, priority: int) -> Job:
        gpu, cpu, memory = self._request(), self.pick((0.0, 0.0, 1e3, 2e3)), self.pick((0.0, 0.0, 1e9, 16e9))
        count, runs = self.pick((1, 1, 2, 3, 4, 6)), self.flip(62)
        rare = self.pick(
            (PodStatus.RELEASING, PodStatus.RELEASING, PodStatus.BOUND, PodStatus.BINDING, PodStatus.STUCK)
        )
        status = rare if self.flip(15) else PodStatus.RUNNING
        where = self._placement()
        pods = []
        for position in range(count):
            place = self._take(gpu, cpu, memory) if runs and self.flip(85) else None
            held: dict[str, Any] = {}
            if place is not None:
                held = {"status": status, "node": place[0], "groups": place[1]}
            elif self.flip(4):
                held = {"status": self.pick((PodStatus.SUCCEEDED, PodStatus.GATED))}
            order = self.pick((1, 2)) if self.flip(5) else None
            created = self.pick((0, 1))
            shape = Pod(f"j{number}-{position}", gpu=gpu, cpu=cpu, memory=memory, created=created, placement=where)
            pods.append(replace(shape, order=order, **held))
        root = self._root(count)
        leaves = [] if root is None else [leaf.name for leaf in _leaves(root)]
        if len(leaves) > 1:
            pods = [replace(pod, subgroup=leaves[position % len(leaves)]) for position, pod in enumerate(pods)]
        return Job(
            f"j{number}",
            owner,
            tuple(pods),
            root,
            priority=priority,
            preemptible=self.flip(50) if self.flip(8) else None,
            created=NOW - 600 + 7 * number - self.pick((0, 0, 0, 3600)),
            started=NOW - self.pick((600, 50, 3000)) if any(pod.node for pod in pods) else None,
            preemption_delay=self.pick((5, 2000)) if self.flip(6) else 0,
            stale_since=NOW - self.pick((10, 100)) if self.flip(6) else None,
            staleness_grace=self.pick((20, 200)) if self.flip(4) else None,
        )

    def _others(self, name: str) -> tuple[Pod, ...]:
        """Pods that belong to no job."""
        if not self.flip(15):
            return ()
        found = []
        for number in range(self.pick((1, 2))):
            gpu, cpu = whole_gpus(self.pick((0, 1))), self.pick((1e3, 4e3))
            place = self._take(gpu, cpu, 0.0)
            if place is not None:
                found.append(Pod(f"{name}-{number}", PodStatus.RUNNING, place[0], gpu, cpu))
        return tuple(found)

    def _request(self) -> GpuRequest:
        kind = self.pick((*("whole",) * 5, "part", "memory", "none", *(("mig",) * 2 if self.slices else ())))
        if kind == "whole":
            return whole_gpus(self.pick((1, 1, 1, 2, 2, 4, 8) if max(self.sizes) > 4 else (1, 1, 2)))
        if kind == "part":
            return gpu_fraction(self.pick((0.5, 0.25, 0.3, 0.7, 0.1, 0.9)), self.pick((2, 3)) if self.flip(15) else 1)
        if kind == "memory":
            return gpu_memory(self.pick((8_000, 4_000, 1_000, 12_345)))
        return mig_instances({self.pick(MIG): self.pick((1, 1, 2))}) if kind == "mig" else GpuRequest()

    def _take(self, gpu: GpuRequest, cpu: float, memory: float) -> tuple[str, tuple[str, ...]] | None:
        fitting = [item for item in self.left if item.fits(gpu, cpu, memory)]
        if not fitting:
            return None
        left = self.pick(fitting)
        left.cpu, left.memory, left.pods = left.cpu - cpu, left.memory - memory, left.pods - 1
        if gpu.kind is GpuKind.WHOLE:
            left.gpus -= gpu.devices
            return left.node.name, ()
        for name, instances in gpu.mig:
            left.mig[name] -= instances
        groups: list[str] = []
        for _ in range(gpu.devices):
            usable = [group for group in left.open(gpu) if group not in groups]
            if left.gpus and (not usable or self.flip(30)):
                left.gpus -= 1
                group, self.groups = f"g{self.groups}", self.groups + 1
            else:
                group = self.pick(usable)
            left.shared[group] = left.shared.get(group, 0.0) + left.part(gpu)
            groups.append(group)
        return left.node.name, tuple(groups)

    def _placement(self) -> Placement:
        zone = Requirement("zone", self.pick(("In", "NotIn")), (self.pick(("z1", "z2")),))
        demands = (
            Placement(selector=(("kind", self.pick(("a", "b"))),)),
            Placement(terms=(NodeTerm((zone,)),)),
            Placement(tolerations=(Toleration("team", "Exists"),)),
        )
        return self.pick(demands) if self.flip(23) else ANYWHERE

    def _root(self, pods: int) -> Subgroup | None:
        form = self.pick(("", "", "flat", "flat", "two", "two", "tree"))
        if form == "flat":
            least = self.pick(range(0 if self.flip(10) else 1, pods + 1))
            return Subgroup("", None, (Subgroup("default", least),), self._constraint(), leaf=False)
        if not form or pods == 1:
            return None
        if form == "two":
            parts = tuple(
                Subgroup(name, self.pick(least), (), self._constraint() if self.flip(30) else None)
                for name, least in (("m", (1, 0, 2)), ("n", (1,)))
            )
            return Subgroup("", self.pick((None, None, 1)), parts, self._constraint(), leaf=False)
        leaves = (Subgroup("a", 1), Subgroup("b", self.pick((0, 1))))
        inner = Subgroup("in", self.pick((None, 1)), leaves, self._constraint(), leaf=False)
        whole = self._constraint() if self.flip(50) else None
        return Subgroup("", self.pick((None, 1)), (inner, Subgroup("c", self.pick((0, 1)))), whole, leaf=False)

    def _constraint(self) -> TopologyConstraint | None:
        if not self.flip(22):
            return None
        required, preferred = self.pick(((1, 0), (1, 0), (0, 1), (1, 1)))
        return TopologyConstraint("t", self.pick(LEVELS) * required, self.pick(LEVELS) * preferred)

    def _settings(self) -> Settings:
        strategies = (Strategy.SPREAD, Strategy.BINPACK)
        settings = placement(self.pick(strategies), self.pick(strategies)) if self.flip(20) else DEFAULTS
        return replace(
            settings,
            consolidating_reclaim=not self.flip(25),
            signatures=not self.flip(40),
            saturation_multiplier=self.pick((1.0, 1.0, 1.5)),
            reclaim_min_runtime=self.pick((0, 0, 60)),
            preempt_min_runtime=self.pick((0, 0, 60)),
            reclaim_by_queue=self.flip(30),
            k_value=self.pick((1.0, 1.0, 0.0, 2.5)),
            queue_depth=(("allocate", 2), ("reclaim", 1)) if self.flip(7) else (),
            consolidation_victims=self.pick((16, 16, -1, 2, 0)),
        )


def _leaves(group: Subgroup) -> list[Subgroup]:
    return [group] if group.leaf else [leaf for child in group.children for leaf in _leaves(child)]


def wide(choose: Chooser) -> Made:
    """Make a cluster of two to nine nodes with up to 25 jobs."""
    return Wide(choose).make()


def contended(choose: Chooser) -> Made:
    """Make a cluster of which nearly all is left over when quotas are given, and asked for several times."""
    nodes = tuple(node(f"n{number}", 8, gpu_memory=MIB[0]) for number in range(choose.pick((2, 3))))
    queues, leaves = [], []
    for top in ("d0", "d1", "d2")[: choose.pick((2, 3))]:
        queues.append(_lean(choose, top, ""))
        for number in range(choose.pick((1, 2, 3))):
            leaves.append(f"{top}-{number}")
            queues.append(_lean(choose, leaves[-1], top))
    free, jobs = {item.name: 8 for item in nodes}, []
    for number in range(choose.pick((10, 14, 18))):
        gpus, count = choose.pick((1, 1, 2, 4)), choose.pick((1, 1, 2))
        pods = []
        for position in range(count):
            name = next((name for name, left in free.items() if left >= gpus), "") if number < 9 else ""
            held: dict[str, Any] = {"status": PodStatus.RUNNING, "node": name} if name else {}
            pods.append(Pod(f"j{number}-{position}", gpu=whole_gpus(gpus), **held))
            if name:
                free[name] -= gpus
        started = NOW - 600 if all(pod.node for pod in pods) else None
        priority = choose.pick((50, 50, 75, 100))
        jobs.append(
            Job(
                f"j{number}",
                choose.pick(leaves),
                tuple(pods),
                priority=priority,
                created=NOW - 600 + number,
                started=started,
            )
        )
    settings = replace(DEFAULTS, k_value=choose.pick((1.0, 2.5, 0.0)), signatures=choose.flip(50))
    return Made(Moment(NOW, tuple(queues), tuple(jobs), nodes), settings)


def _lean(choose: Chooser, name: str, parent: str) -> Queue:
    return queue(
        name,
        choose.pick((0, 0, 1, 2)),
        limit=choose.pick((6, 10)) if choose.flip(15) else UNLIMITED,
        weight=choose.pick((1, 2, 3, 0.5, 0)),
        parent=parent,
        priority=choose.pick((100, 100, 100, 110)),
        created=len(name) + ord(name[-1]),
        usage=tuple(choose.pick((0.0, 0.1, 0.3, 0.7)) for _ in range(3)),
    )
