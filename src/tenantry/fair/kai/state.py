"""Jobs during a cycle: their pods, their tree of groups, and how much of a gang is there.

A task is one object whatever looks at it. A part of a job (a probe of the search, the rest of a victim) is a job of its
own over the same tasks whose counts stay as they were when it was made; changes of status go to the job of the session.

Source: pkg/scheduler/api/podgroup_info (job_info.go, subgroup_info/podset.go, subgroup_info/subgroupset.go).
"""

from __future__ import annotations

from operator import add, sub
from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import CPU, GPU, MEMORY, Ask, Axes
from tenantry.model.job import ACTIVE_ALLOCATED, ACTIVE_USED, ALIVE, ALLOCATED, DEFAULT_SUBGROUP, PodStatus, Subgroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.fair.kai.rules import Rules
    from tenantry.model.job import Job as ModelJob
    from tenantry.model.job import Pod, TopologyConstraint

PENDING, GATED, RELEASING, SUCCEEDED = (
    int(PodStatus.PENDING), int(PodStatus.GATED), int(PodStatus.RELEASING), int(PodStatus.SUCCEEDED),
)  # fmt: skip
IS_ALLOCATED, IS_ACTIVE, IS_USED, IS_ALIVE = int(ALLOCATED), int(ACTIVE_ALLOCATED), int(ACTIVE_USED), int(ALIVE)

Vector = tuple[float, ...]
Amounts = tuple[float, float, float]
"""CPU, memory and GPUs, as queues count them."""


class Task:
    """A pod during a cycle.

    Attributes:
        uid: identifier.
        job: identifier of its job.
        pod: as the moment has it.
        ask: what it asks for.
        subgroup: name of its leaf group.
        status: where it stands.
        node: node it is on, or promised.
        groups: shared GPUs it holds parts of.
        virtual: whether its status is only supposed, inside an undecided search.
        accepted: amounts it is charged with on its node.
        accepted_gpus: GPUs it is charged with, MIG instances by their slices.
        shares_gpu: whether it holds parts of GPUs.
        order: key among the pods of its job.
    """

    __slots__ = (
        "accepted", "accepted_gpus", "ask", "groups", "job", "node", "order", "pod", "shares_gpu", "status", "subgroup",
        "uid", "virtual",
    )  # fmt: skip

    def __init__(self, pod: Pod, job: str, axes: Axes) -> None:
        self.uid, self.job, self.pod = pod.name, job, pod
        self.ask = Ask(pod, axes)
        self.subgroup = pod.subgroup or DEFAULT_SUBGROUP
        self.status = int(pod.status)
        self.node, self.groups = pod.node, pod.groups
        self.virtual = False
        self.accepted: Vector = (0.0,) * axes.size
        self.accepted_gpus = 0.0
        self.shares_gpu = False
        # Leaders, heads and explicit order come first (plugins kubeflow, ray, taskorder), then age and name.
        explicit = (0, -pod.order) if pod.order is not None else (1, 0)
        self.order = (not pod.leader, not pod.head, *explicit, pod.created, pod.name)

    def wanted(self, *, real: bool) -> bool:
        """Whether it needs a place: pending or, inside a search, supposed to be evicted."""
        return self.status == PENDING or (not real and self.virtual and self.status == RELEASING)

    def __repr__(self) -> str:
        return f"Task({self.uid}, {PodStatus(self.status).word}, {self.node or '-'})"


class PodSet:
    """A leaf group: pods of which a minimum must run together."""

    __slots__ = ("active", "alive", "constraint", "gated", "minimum", "name", "parent", "tasks", "used")

    def __init__(self, name: str, minimum: int, constraint: TopologyConstraint | None) -> None:
        self.name, self.minimum, self.constraint = name, minimum, constraint
        self.parent: GroupSet | None = None
        self.tasks: dict[str, Task] = {}
        self.active = self.used = self.alive = self.gated = 0

    def count(self, status: int, by: int) -> None:
        """Add or remove a pod of this status from the counts."""
        if status & IS_ACTIVE:
            self.active += by
        if status & IS_USED:
            self.used += by
        if status & IS_ALIVE:
            self.alive += by
        if status == GATED:
            self.gated += by

    def add(self, task: Task) -> None:
        """Take a pod in."""
        self.tasks[task.uid] = task
        self.count(task.status, 1)

    @property
    def members(self) -> int:
        """Active pods."""
        return self.active

    @property
    def needed(self) -> int:
        """Active pods it needs."""
        return self.minimum

    @property
    def satisfied(self) -> bool:
        """Whether enough pods are active."""
        return self.active >= self.minimum

    @property
    def ready(self) -> bool:
        """Whether enough pods exist to be considered."""
        return self.alive - self.gated >= self.minimum

    def leaves(self) -> Iterator[PodSet]:
        """Yield itself."""
        yield self


class GroupSet:
    """An inner group: subgroups of which a minimum must be satisfied together."""

    __slots__ = ("children", "constraint", "minimum", "name", "parent")

    def __init__(self, name: str, minimum: int | None, constraint: TopologyConstraint | None) -> None:
        self.name, self.minimum, self.constraint = name, minimum, constraint
        self.parent: GroupSet | None = None
        self.children: list[GroupSet | PodSet] = []

    def add(self, child: GroupSet | PodSet) -> None:
        """Take a subgroup in."""
        child.parent = self
        self.children.append(child)

    @property
    def members(self) -> int:
        """Direct subgroups that are satisfied."""
        return sum(child.satisfied for child in self.children)

    @property
    def needed(self) -> int:
        """Direct subgroups it needs."""
        return len(self.children) if self.minimum is None else self.minimum

    @property
    def satisfied(self) -> bool:
        """Whether enough direct subgroups are satisfied."""
        return self.members >= self.needed

    @property
    def ready(self) -> bool:
        """Whether enough direct subgroups are ready."""
        return sum(child.ready for child in self.children) >= self.needed

    def leaves(self) -> Iterator[PodSet]:
        """Yield the leaf groups below, in order."""
        for child in self.children:
            yield from child.leaves()

    def copy(self) -> GroupSet:
        """Return the same tree without pods."""
        twin = GroupSet(self.name, self.minimum, self.constraint)
        for child in self.children:
            twin.add(
                child.copy() if isinstance(child, GroupSet) else PodSet(child.name, child.minimum, child.constraint)
            )
        return twin


Group = GroupSet | PodSet


class Job:
    """A gang during a cycle, or a part of one."""

    __slots__ = (
        "_asked",
        "_chunk",
        "_held",
        "_request",
        "active",
        "allocated",
        "axes",
        "created",
        "delay_until",
        "errors",
        "evicted",
        "grace",
        "leaf_sets",
        "model",
        "name",
        "namespace",
        "pending",
        "preemptible",
        "priority",
        "queue",
        "root",
        "signature",
        "stale",
        "stale_since",
        "started",
        "strays",
        "succeeded",
        "tasks",
        "touched",
        "uid",
    )  # fmt: skip

    def __init__(self, model: ModelJob, axes: Axes, root: GroupSet) -> None:
        self.model, self.axes, self.root = model, axes, root
        self.uid = self.name = model.name
        self.namespace, self.queue, self.priority = model.namespace, model.queue, model.priority
        self.preemptible, self.created = model.may_be_evicted, model.created
        self.started, self.evicted = model.started, model.evicted
        self.stale_since, self.stale = model.stale_since, model.stale_since is not None
        self.leaf_sets = {leaf.name: leaf for leaf in root.leaves()}
        self.tasks: dict[str, Task] = {}
        self.strays: list[str] = []
        self.allocated = [0.0] * axes.size
        self.active = self.pending = self.succeeded = 0
        self.signature: tuple[object, ...] | None = None
        self._chunk: list[Task] | None = None
        self._request: Vector | None = None
        self._asked: tuple[Vector, Amounts] | None = None
        self._held: Amounts | None = None
        self.touched: set[str] | None = None

    def add(self, task: Task) -> None:
        """Take a pod in; one whose subgroup does not exist is set aside."""
        leaf = self.leaf_sets.get(task.subgroup)
        if leaf is None:
            self.strays.append(task.uid)
            return
        leaf.add(task)
        self.tasks[task.uid] = task
        self._count(task, 1)

    def _count(self, task: Task, by: int) -> None:
        status = task.status
        if status & IS_ACTIVE:
            self.active += by
        if status == PENDING:
            self.pending += by
        elif status == SUCCEEDED:
            self.succeeded += by
        if status & IS_ALLOCATED:
            self.allocated = list(map(add if by > 0 else sub, self.allocated, task.ask.vector))
        self._chunk = self._request = self._held = None
        if self.touched is not None:
            self.touched.add(self.uid)

    def set_status(self, task: Task, status: int) -> None:
        """Move one of its pods to another status."""
        move = (task.status, status)
        counts = _MOVES.get(move) or _MOVES.setdefault(move, _counts(*move))
        leaf = self.leaf_sets[task.subgroup]
        active, used, alive, gated, pending, succeeded, held, holds = counts
        if active:
            self.active += active
            leaf.active += active
        if used:
            leaf.used += used
        if alive:
            leaf.alive += alive
        if gated:
            leaf.gated += gated
        self.pending += pending
        self.succeeded += succeeded
        if held:
            self.allocated = list(map(sub, self.allocated, task.ask.vector))
        if holds:
            self.allocated = list(map(add, self.allocated, task.ask.vector))
        task.status = status
        self._chunk = self._request = self._held = None
        if self.touched is not None:
            self.touched.add(self.uid)

    def part(self, tasks: Iterable[Task]) -> Job:
        """Return a job of some of its pods, with counts as they are now."""
        twin = Job(self.model, self.axes, self.root.copy())
        for task in tasks:
            twin.add(task)
        return twin

    @property
    def ready(self) -> bool:
        """Whether enough of its pods exist to be considered."""
        return self.root.ready

    def short_groups(self) -> dict[str, dict[str, int]]:
        """Leaf groups with too few pods, with how many there are and are needed."""
        return {
            leaf.name: {"pods": leaf.alive, "gated": leaf.gated, "needed": leaf.minimum}
            for leaf in self.leaf_sets.values()
            if not leaf.ready
        }

    @property
    def elastic(self) -> bool:
        """Whether it has more pods than it needs."""
        return any(leaf.minimum < len(leaf.tasks) for leaf in self.leaf_sets.values())

    @property
    def used(self) -> int:
        """Pods that occupy nodes."""
        return sum(leaf.used for leaf in self.leaf_sets.values())

    @property
    def gang_satisfied(self) -> bool:
        """Whether every leaf group has enough pods on nodes or promised one."""
        return all(leaf.used >= leaf.minimum for leaf in self.leaf_sets.values())

    @property
    def elastic_state(self) -> int:
        """0 below the minimum of some leaf, 1 exactly at every minimum, 2 above (plugins/elastic/elastic.go)."""
        state = 1
        for leaf in self.leaf_sets.values():
            if leaf.active < leaf.minimum:
                return 0
            if leaf.active > leaf.minimum:
                state = 2
        return state

    def must_wait_whole(self) -> bool:
        """Whether part of a gang was only promised a place, so that none of it may start (ShouldPipelineJob)."""
        for leaf in self.leaf_sets.values():
            promised = running = 0
            for task in leaf.tasks.values():
                if task.status == PodStatus.PIPELINED:
                    promised += 1
                elif task.status & IS_ACTIVE:
                    running += 1
            if promised and running < leaf.minimum:
                return True
        return False

    def chunk(self, *, real: bool) -> list[Task]:
        """Tasks it asks places for now: what its gang misses or, once that is there, one more pod.

        The answer is kept until a pod changes status, whoever asks (a quirk of the original).
        """
        if self._chunk is None:
            self._chunk = _collect(self.root, real=real)
        return self._chunk

    def request(self, smallest_gpu: int | None, *, real: bool) -> Vector:
        """Amounts of :meth:`chunk`; memory of GPUs counts by the smallest GPU of the cluster."""
        if self._request is None:
            tasks = self.chunk(real=real)
            if len(tasks) == 1 and not tasks[0].ask.memory and tasks[0].wanted(real=real):
                self._request = tasks[0].ask.vector
                return self._request
            total = [0.0] * self.axes.size
            for task in tasks:
                if task.wanted(real=real):
                    for position, amount in enumerate(task.ask.vector):
                        total[position] += amount
                    if task.ask.memory and smallest_gpu is not None:
                        total[GPU] += task.ask.memory_as_gpus(smallest_gpu)
            self._request = tuple(total)
        return self._request

    def asked(self, smallest_gpu: int | None) -> Amounts:
        """CPU, memory and GPUs of :meth:`request` in a search; the same object while it stays the same."""
        known = self._asked
        if known is None or known[0] is not self._request:
            request = self.request(smallest_gpu, real=False)
            known = self._asked = (request, self.axes.quantities(request))
        return known[1]

    @property
    def held(self) -> Amounts:
        """CPU, memory and GPUs its pods hold; the same object while it stays the same."""
        if self._held is None:
            self._held = self.axes.quantities(self.allocated)
        return self._held


_MOVES: dict[tuple[int, int], tuple[int, ...]] = {}
"""What a move from one status to another changes, once it was asked for."""


def _counts(before: int, after: int) -> tuple[int, ...]:
    """By how much a move changes the counts of pods, and whether it held and holds its amounts before and after."""
    sets = (IS_ACTIVE, IS_USED, IS_ALIVE, GATED, PENDING, SUCCEEDED)
    changes = (bool(after & statuses) - bool(before & statuses) for statuses in sets)
    return (*changes, bool(before & IS_ALLOCATED), bool(after & IS_ALLOCATED))


def build_job(model: ModelJob, axes: Axes, rules: Rules) -> Job:
    """Return the state of a job at the start of a cycle."""
    root = model.root
    if root is None:
        root = Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, len(model.pods)),), leaf=False)
    tree = GroupSet(root.name, root.minimum, root.constraint)
    for child in root.children:
        tree.add(_tree(child))
    if not tree.children:
        tree.add(PodSet(DEFAULT_SUBGROUP, len(model.pods), None))
    if not rules.allows_no_minimum and len(tree.children) == 1 and tree.children[0].name == DEFAULT_SUBGROUP:
        leaf = tree.children[0]
        leaf.minimum = max(leaf.minimum or 0, 1)
    job = Job(model, axes, tree)
    for pod in model.pods:
        if pod.status is not PodStatus.SUCCEEDED or rules.sees_succeeded:
            job.add(Task(pod, model.name, axes))
    return job


def _tree(group: Subgroup) -> Group:
    if group.leaf:
        return PodSet(group.name, group.minimum or 0, group.constraint)
    inner = GroupSet(group.name, group.minimum, group.constraint)
    for child in group.children:
        inner.add(_tree(child))
    return inner


def group_order(group: Group) -> tuple[object, ...]:
    """Key of a subgroup among its siblings: unsatisfied first, then those with a minimum, by how full they are.

    Source: plugins/subgrouporder/subgroup_order.go; the name decides at last.
    """
    members, needed = group.members, group.needed
    if members < needed:
        return (0, 0.0, group.name)
    if needed:
        return (1, members / needed, group.name)
    return (2, float(members), group.name)


def _collect(group: GroupSet, *, real: bool) -> list[Task]:
    """Tasks a group asks for (api/podgroup_info/allocation_info.go)."""
    children = group.children
    if len(children) == 1 and isinstance(children[0], PodSet) and group.minimum is None:
        return _from_child(children[0], real=real)
    if len(children) > 1:
        children = sorted(children, key=group_order)
    if not group.satisfied:
        tasks: list[Task] = []
        for child in children[: group.needed]:
            if not child.satisfied:
                tasks += _from_child(child, real=real)
        return tasks
    for child in children:
        found = _from_child(child, real=real)
        if found:
            return found
    return []


def _from_child(child: Group, *, real: bool) -> list[Task]:
    if isinstance(child, GroupSet):
        return _collect(child, real=real)
    wanted = [
        task
        for task in child.tasks.values()
        if task.status == PENDING or (not real and task.virtual and task.status == RELEASING)
    ]
    if len(wanted) > 1:
        wanted.sort(key=lambda task: task.order)
    return wanted[: 1 if child.satisfied else child.minimum - child.active]


def plain(vector: Vector | list[float]) -> tuple[float, float, float]:
    """CPU, memory and plain GPUs of a vector, MIG instances aside."""
    return (vector[CPU], vector[MEMORY], vector[GPU])
