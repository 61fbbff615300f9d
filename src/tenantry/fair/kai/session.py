"""One scheduling cycle: the cluster in memory, and every step that changes it and can be taken back.

Source: pkg/scheduler/framework (session.go, statement.go) and plugins/proportion/proportion.go.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tenantry.fair.kai.asks import DEFAULT_GPU_MEMORY, GPU, Axes
from tenantry.fair.kai.line import Line
from tenantry.fair.kai.node import Node
from tenantry.fair.kai.queues import QueueOrder, build_tree, share_out
from tenantry.fair.kai.record import Recorder
from tenantry.fair.kai.state import IS_ALLOCATED, IS_USED, PENDING, RELEASING, Job, Task, build_job
from tenantry.fair.kai.topology import Tree
from tenantry.model.job import PodStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenantry.fair.kai.queues import Queue
    from tenantry.fair.kai.rules import Settings
    from tenantry.model.moment import Moment, Topology

T = TypeVar("T")
ALLOCATED, PIPELINED, BINDING = int(PodStatus.ALLOCATED), int(PodStatus.PIPELINED), int(PodStatus.BINDING)
NEW_GROUP = "shared-"
GPU_WORKER = "node-role.kubernetes.io/gpu-worker"
CPU_WORKER = "node-role.kubernetes.io/cpu-worker"


class Session:
    """The cluster during one cycle.

    Attributes:
        now: seconds on the clock of the moment.
        settings: settings of the scheduler.
        plugins: plugins that are on.
        axes: positions in vectors.
        nodes: nodes by name, in order of names.
        jobs: jobs by identifier, oldest first.
        queues: queues by name, in order of names.
        totals: CPU, memory and GPUs that queues divide.
        largest_node: most of each resource that any node offers.
        small: what pods ask for that is known to be no more than some node offers, by what all who do have in common.
        uneven: what pods ask for that was found overdrawn, or not offered at all, on some node, likewise.
        smallest_gpu: MiB of the smallest GPU of the cluster; None when no label says.
        largest_gpu: likewise the largest.
        queue_order: which of two queues goes first.
        line: jobs with pods that wait.
        record: what was decided and why.
    """

    def __init__(self, moment: Moment, settings: Settings) -> None:
        self.now, self.settings, self.moment = moment.now, settings, moment
        self.plugins = settings.plugins
        self._keyed = ("priority" in self.plugins, "elastic" in self.plugins)
        self.record = Recorder()
        self.axes = Axes(_extended(moment))
        nodes = moment.nodes
        if settings.restrict_nodes:
            nodes = tuple(node for node in nodes if GPU_WORKER in node.labels or CPU_WORKER in node.labels)
        ordered = self.arranged(sorted(nodes, key=lambda node: node.name), lambda node: node.name)
        self.nodes = {model.name: Node(model, self.axes) for model in ordered}
        self.largest_node = [
            max((node.offered[position] for node in self.nodes.values()), default=0.0)
            for position in range(self.axes.size)
        ]
        self.small: set[int] = set()
        self.uneven: set[int] = set()
        self.smallest_gpu, self.largest_gpu = self._gpu_memories()
        self.queues = build_tree(moment.queues)
        self.jobs = self._jobs()
        self._age = {uid: position for position, uid in enumerate(self.jobs)}
        self.foreign = [Task(pod, "", self.axes) for pod in sorted(moment.foreign, key=lambda pod: pod.name)]
        self.unqueued = [Task(pod, "", self.axes) for pod in sorted(moment.unqueued, key=lambda pod: pod.name)]
        self._occupy()
        self.totals = self._totals()
        self._count_queues()
        divides = "proportion" in self.plugins
        if divides:
            share_out(self.queues, self.totals, max(0.0, settings.k_value))
        self.queue_order = QueueOrder(self.totals, self.rank, by_age=not divides)
        self.line = Line(self)
        self.topologies: Mapping[str, Topology] = {topology.name: topology for topology in moment.topologies}
        self._trees: dict[str, Tree] = {}
        self._groups = max((_number(group) for node in self.nodes.values() for group in node.shared), default=0)

    # --- order of what the original takes from hash maps --------------------------------------------------------------

    def rank(self, name: str) -> str:
        """Key by which names are ordered where the original leaves the order open."""
        seed = self.settings.order_seed
        return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() if seed else name

    def oldest_first(self, uids: Iterable[str]) -> list[str]:
        """Order jobs the original takes from a hash map: by age and name, or shuffled by the seed."""
        return self.arranged(uids, str) if self.settings.order_seed else sorted(uids, key=self._age.__getitem__)

    def arranged(self, items: Iterable[T], name: Callable[[T], str]) -> list[T]:
        """Order things the original takes from a hash map: by name, or shuffled by the seed."""
        return sorted(items, key=lambda item: self.rank(name(item)))

    def mixed(self, items: Iterable[T], name: Callable[[T], str]) -> list[T]:
        """Leave things in the order they were found in, or shuffle them by the seed."""
        return self.arranged(items, name) if self.settings.order_seed else list(items)

    def job_key(self, job: Job) -> tuple[int, int, int, str]:
        """Key of a job among those of its queue: priority, elastic state, age, name (framework/session_plugins.go)."""
        by_priority, by_state = self._keyed
        return (-job.priority if by_priority else 0, job.elastic_state if by_state else 0, job.created, job.uid)

    # --- the start of a cycle ----------------------------------------------------------------------------------------

    def _gpu_memories(self) -> tuple[int | None, int | None]:
        known = [node.gpu_memory for node in self.nodes.values() if node.gpu_memory > DEFAULT_GPU_MEMORY]
        assumed = self.settings.assumed_gpu_memory
        smallest = min(known) if known else assumed
        if not self.settings.rules.knows_smallest_gpu:
            smallest = DEFAULT_GPU_MEMORY
        return smallest, max(known) if known else assumed

    def _jobs(self) -> dict[str, Job]:
        models = self.mixed(sorted(self.moment.jobs, key=lambda job: (job.created, job.name)), lambda job: job.name)
        return {model.name: build_job(model, self.axes, self.settings.rules) for model in models}

    def _occupy(self) -> None:
        tasks = [task for job in self.jobs.values() for task in job.tasks.values()] + self.foreign + self.unqueued
        for task in sorted(tasks, key=lambda item: item.uid):
            node = self.nodes.get(task.node)
            if node is not None and task.status & IS_USED:
                node.add(task)

    def _totals(self) -> tuple[float, float, float]:
        total = [0.0, 0.0, 0.0]
        for node in self.nodes.values():
            if not node.ready:
                continue
            offered = list(node.offered)
            if self.settings.restrict_nodes and GPU_WORKER not in node.model.labels:
                offered[GPU] = 0.0
                for position, _ in self.axes.mig:
                    offered[position] = 0.0
            for position, amount in enumerate(self.axes.quantities(offered)):
                total[position] += amount
        for task in self.foreign:
            under = self.nodes.get(task.node)
            if under is not None and under.ready and task.status & IS_USED:
                for position, amount in enumerate(self.axes.quantities(task.ask.vector)):
                    total[position] -= amount
        return (total[0], total[1], total[2])

    def _count_queues(self) -> None:
        for job in self.jobs.values():
            leaf = self.queues.get(job.queue)
            if leaf is None:
                continue
            for task in job.tasks.values():
                if task.status & IS_ALLOCATED:
                    amounts = self.axes.quantities(task.accepted)
                    leaf.charge(*amounts, lasting=not job.preemptible)
                    self._request(leaf, amounts)
                elif task.status == PENDING:
                    cpu, memory, gpu = self.axes.quantities(task.ask.vector)
                    if task.ask.memory and self.smallest_gpu is not None:
                        gpu += task.ask.memory_as_gpus(self.smallest_gpu)
                    self._request(leaf, (cpu, memory, gpu))

    @staticmethod
    def _request(leaf: Queue, amounts: Sequence[float]) -> None:
        for queue in leaf.up():
            for share, amount in zip(queue.shares, amounts, strict=True):
                share.requested += amount

    # --- what steps do to queues --------------------------------------------------------------------------------------

    def charge(self, task: Task) -> None:
        """Charge the queues of a task with what it is accepted for."""
        job = self.jobs[task.job]
        leaf = self.queues.get(job.queue)
        if leaf is not None:
            ask, accepted = task.ask, task.accepted
            cpu, memory, gpu = ask.amounts if accepted is ask.vector else self.axes.quantities(accepted)
            leaf.charge(cpu, memory, gpu, lasting=not job.preemptible)

    def discharge(self, task: Task) -> None:
        """Take that charge back."""
        job = self.jobs[task.job]
        leaf = self.queues.get(job.queue)
        if leaf is not None:
            ask, accepted = task.ask, task.accepted
            cpu, memory, gpu = ask.amounts if accepted is ask.vector else self.axes.quantities(accepted)
            leaf.charge(-cpu, -memory, -gpu, lasting=not job.preemptible)

    def tree(self, name: str) -> Tree | None:
        """Return the domains of a topology, or None when there is no such topology."""
        topology = self.topologies.get(name)
        if topology is not None and name not in self._trees:
            self._trees[name] = Tree(topology, self.nodes.values(), self.axes.size)
        return self._trees.get(name)

    def new_group(self) -> str:
        """Name a GPU that begins to be shared."""
        self._groups += 1
        return f"{NEW_GROUP}{self._groups}"

    def evict_stale(self, task: Task) -> None:
        """Evict a task for good, outside any search."""
        job = self.jobs[task.job]
        job.set_status(task, RELEASING)
        node = self.nodes.get(task.node)
        if node is not None:
            node.update(task)
            self.discharge(task)


class Before(NamedTuple):
    """How a task stood before a step."""

    status: int
    node: str
    groups: tuple[str, ...]
    virtual: bool

    @classmethod
    def of(cls, task: Task) -> Before:
        """Note how a task stands."""
        return tuple.__new__(cls, (task.status, task.node, task.groups, task.virtual))


class Committed(NamedTuple):
    """Tasks that were bound, evicted (with how they stood before) and promised room."""

    bound: list[Task]
    evicted: list[tuple[Task, Before]]
    promised: list[Task]


class Step:
    """One step of a statement; ``undoes`` is the position of the step it takes back, for those that do."""

    __slots__ = ("before", "kind", "task", "undoes", "valid")

    def __init__(self, kind: str, task: Task, before: Before, undoes: int = -1) -> None:
        self.kind, self.task, self.before, self.undoes = kind, task, before, undoes
        self.valid = True


class Statement:
    """Steps that are tried together and then kept or taken back."""

    __slots__ = ("session", "steps")

    def __init__(self, session: Session) -> None:
        self.session, self.steps = session, list[Step]()

    def mark(self) -> int:
        """Return a place to roll back to."""
        return len(self.steps)

    def rollback(self, mark: int = 0) -> None:
        """Take back every step since a mark."""
        for position in range(len(self.steps) - 1, mark - 1, -1):
            step = self.steps[position]
            if step.kind == "undo":
                undone = self.steps[step.undoes]
                self._evict(undone.task)
                undone.valid = True
            elif step.valid:
                self._reverse(step)
        del self.steps[mark:]

    # --- steps --------------------------------------------------------------------------------------------------------

    def evict(self, task: Task) -> None:
        """Have a task leave its node."""
        step = Step("evict", task, Before.of(task))
        self._evict(task)
        self.steps.append(step)

    def allocate(self, task: Task, node: Node) -> None:
        """Give a task room that is idle."""
        step = Step("allocate", task, Before.of(task))
        self.session.jobs[task.job].set_status(task, ALLOCATED)
        task.node = node.name
        node.add(task)
        self.session.charge(task)
        self.steps.append(step)
        task.virtual = True

    def pipeline(self, task: Task, node: Node, *, real: bool) -> None:
        """Promise a task room that is idle or being released.

        Inside a search (not ``real``), a victim that gets its own place back is simply not evicted.
        """
        held = node.held.get(task.uid)
        moves = False
        if held is not None:
            moves = bool(task.groups) and task.shares_gpu and task.groups not in (("-1",), held.groups)
            if not real and not moves:
                task.groups = held.groups
                self._take_back_eviction(task)
                return
        before = Before.of(task)
        self.session.jobs[task.job].set_status(task, PIPELINED)
        task.node = node.name
        if moves and held is not None:
            before = before._replace(groups=held.groups)
            node.move_part(task)
        elif held is not None:
            node.update(task)
        else:
            node.add(task)
        self.session.charge(task)
        self.steps.append(Step("pipeline", task, before))
        task.virtual = True

    def promise_all(self, job: Job) -> None:
        """Turn room already given to a gang in this statement into promises, since part of it has to wait."""
        given = [step for step in self.steps if step.kind == "allocate" and step.task.job == job.uid]
        self.steps = [step for step in self.steps if step not in given]
        for step in given:
            task, node = step.task, self.session.nodes[step.task.node]
            self.session.jobs[task.job].set_status(task, PENDING)
            node.remove(task.uid)
            self.session.discharge(task)
            task.virtual, task.node = True, ""
            self.pipeline(task, node, real=True)

    def commit(self) -> Committed:
        """Keep every step; return what it did.

        A search may evict a pod a second time, once as a recorded victim and once with the rest of its job; queues then
        count it twice (a quirk). It leaves once, and is named once.
        """
        bound, evicted, promised = [], [], []
        session, leaving = self.session, set[str]()
        for step in self.steps:
            if not step.valid:
                continue
            task = step.task
            if step.kind == "evict":
                task.virtual = False
                session.jobs[task.job].evicted = session.now
                if task.uid not in leaving:
                    evicted.append((task, step.before))
                leaving.add(task.uid)
            elif step.kind == "allocate":
                if task.shares_gpu:
                    shared = session.nodes[task.node].shared
                    for group in task.groups:
                        shared.setdefault(group, 0)
                task.virtual = step.before.virtual
                session.jobs[task.job].set_status(task, BINDING)
                bound.append(task)
            elif step.kind == "pipeline":
                promised.append(task)
        self.steps = []
        return Committed(bound, evicted, promised)

    # --- how steps are done and taken back ----------------------------------------------------------------------------

    def _evict(self, task: Task) -> None:
        session = self.session
        session.jobs[task.job].set_status(task, RELEASING)
        session.nodes[task.node].update(task)
        session.discharge(task)
        task.virtual = True

    def _take_back_eviction(self, task: Task) -> None:
        for position, step in enumerate(self.steps):
            if step.valid and step.kind == "evict" and step.task is task:
                self._reverse(step)
                step.valid = False
                self.steps.append(Step("undo", task, step.before, undoes=position))
                return
        raise RuntimeError(f"{task.uid} is on its node but was not evicted in this search")

    def _reverse(self, step: Step) -> None:
        task, before, session = step.task, step.before, self.session
        if step.kind == "allocate":
            session.jobs[task.job].set_status(task, PENDING)
            session.nodes[task.node].withdraw(task.uid)
            task.virtual = before.virtual
            session.discharge(task)
            task.node = ""
            return
        node = session.nodes[task.node]
        session.jobs[task.job].set_status(task, before.status)
        task.groups, task.virtual = before.groups, before.virtual
        if step.kind == "evict":
            if task.uid in node.held:
                node.update(task)
            else:
                node.add(task)
            session.charge(task)
            return
        node.withdraw(task.uid)
        session.discharge(task)
        task.node = before.node


def _number(group: str) -> int:
    digits = group.removeprefix(NEW_GROUP)
    return int(digits) if digits != group and digits.isdecimal() else 0


def _extended(moment: Moment) -> list[str]:
    names = [name for node in moment.nodes for name, _ in node.extended]
    pods = [pod for job in moment.jobs for pod in job.pods] + [*moment.foreign, *moment.unqueued]
    for pod in pods:
        names += [name for name, _ in pod.extended]
        names += [name for name, _ in pod.gpu.mig]
    return names
