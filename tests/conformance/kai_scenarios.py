"""Reads scheduling scenarios written for the KAI scheduler and plays them on the model.

A scenario is what a test of the scheduler hands to its fake cluster; the defaults here are those of that fake cluster
(KAI scheduler, pkg/scheduler/test_utils).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tenantry.fair.kai.cycle import ACTIONS, outcome
from tenantry.fair.kai.rules import PLUGINS, Settings, Strategy
from tenantry.fair.kai.session import Session
from tenantry.model.job import (
    GpuRequest,
    Job,
    NodeTerm,
    Placement,
    Pod,
    PodStatus,
    Subgroup,
    TopologyConstraint,
    gpu_fraction,
    gpu_memory,
    mig_instances,
    whole_gpus,
)
from tenantry.model.moment import Moment, Node, Topology
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.schedule import Act
from tenantry.model.selector import Requirement

NOW = 10_000_000
STATES = {status.word: status for status in PodStatus}
NODE_TYPE = "kai.scheduler/type"
"""Label of the fake cluster that names the node; scenarios demand nodes by it."""
CONSTANTS = {"tasks_fake.NodeAffinityKey": NODE_TYPE}
"""Labels that scenarios write by the name of a constant."""
STALE_ACTION = "stalegangeviction"
STALE_GRACE = 60
"""Seconds of grace the tests of that action set; the others set none."""
UNTIL, AFTER = 2, 5
"""Rounds before the outcome is compared, and rounds in which it must stay so."""


class NotModelled(Exception):  # noqa: N818 - reads as what it says
    """The scenario needs something the model refuses."""


def refuse_what_is_not_modelled(scenario: dict[str, Any]) -> None:
    """Raise for DRA, inter-pod affinity and volumes, which the model does not know."""
    if scenario.get("TestDRAObjects"):
        raise NotModelled("dynamic resource allocation")
    for job in scenario["Jobs"]:
        for task in job["Tasks"]:
            if task.get("PodAffinityTopologyKey") or task.get("PodAntiAffinityTopologyKey"):
                raise NotModelled("inter-pod affinity")
            if task.get("PersistentVolumeClaimNames"):
                raise NotModelled("volumes")


@dataclass
class TaskState:
    """Where a task stands between rounds."""

    status: PodStatus
    node: str
    groups: tuple[str, ...]


@dataclass
class Play:
    """A scenario being played: the state of its tasks between rounds."""

    scenario: dict[str, Any]
    settings: Settings
    tasks: dict[str, TaskState] = field(default_factory=dict)
    session: Session | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scenario["Jobs"].sort(key=lambda job: -job.get("Priority", 0))
        for job in self.scenario["Jobs"]:
            for index, task in enumerate(job["Tasks"]):
                groups = list(task.get("GPUGroups", ()))
                if _is_fraction(job) and task.get("NodeName"):
                    devices = job.get("RequiredMultiFractionDevicesPerTask") or 1
                    groups += [f"own-{job['Name']}-{index}-{number}" for number in range(devices - len(groups))]
                state = TaskState(STATES[task["State"]], task.get("NodeName", ""), tuple(groups))
                self.tasks[f"{job['Name']}-{index}"] = state

    def moment(self) -> Moment:
        """The cluster as it stands."""
        jobs = self.scenario["Jobs"]
        return Moment(
            now=NOW,
            queues=tuple(_queues(self.scenario)),
            jobs=tuple(self._job(job, index, len(jobs)) for index, job in enumerate(jobs)),
            nodes=tuple(_node(name, node) for name, node in self.scenario["Nodes"].items()),
            topologies=tuple(
                Topology(item["ObjectMeta"]["Name"], tuple(level["NodeLabel"] for level in item["Spec"]["Levels"]))
                for item in self.scenario.get("Topologies", ())
            ),
        )

    def run(self, actions: tuple[str, ...]) -> Session:
        """Run actions on a fresh session; count what they do."""
        session = Session(self.moment(), self.settings)
        for name in actions:
            session.record.action = name
            ACTIONS[name](session)
        acts = [decision.act for decision in outcome(session).decisions]
        self.counts = {act.value: acts.count(act) for act in Act}
        self.session = session
        return session

    def settle(self) -> None:
        """Let the cluster catch up with what a round decided."""
        assert self.session is not None
        for job in self.scenario["Jobs"]:
            for index in range(len(job["Tasks"])):
                uid = f"{job['Name']}-{index}"
                task, state = self.session.jobs[job["Name"]].tasks[uid], self.tasks[uid]
                status = PodStatus(task.status)
                if status is PodStatus.PIPELINED or (status is PodStatus.RELEASING and not job.get("DeleteJobInTest")):
                    state.status, state.node = PodStatus.PENDING, ""
                else:
                    state.status = PodStatus.RUNNING if status is PodStatus.BINDING else status
                    state.node, state.groups = task.node, task.groups

    def _job(self, job: dict[str, Any], index: int, count: int) -> Job:
        age = job.get("JobAgeInMinutes") or count - index
        pods = tuple(self._pod(job, task, number) for number, task in enumerate(job["Tasks"]))
        root = _group(job["RootSubGroupSet"]) if job.get("RootSubGroupSet") else None
        if root is not None and any(not pod.subgroup for pod in pods) and not _has_default(root):
            root = replace(root, children=(*root.children, Subgroup("default", len(pods))))
        allocated = PodStatus.ALLOCATED | PodStatus.BOUND | PodStatus.BINDING | PodStatus.RUNNING
        running = any(pod.status & allocated for pod in pods)
        stale, grace = job.get("StaleDuration"), job.get("PerJobStalenessGracePeriod")
        preemptibility = job.get("Preemptibility")
        return Job(
            name=job["Name"],
            queue=job["QueueName"],
            pods=pods,
            root=root,
            namespace=job.get("Namespace", ""),
            priority=job.get("Priority", 0),
            preemptible=None if not preemptibility else preemptibility == "preemptible",
            created=NOW - 60 * age,
            started=NOW - 60 if running else None,
            preemption_delay=_seconds(job.get("PreemptionDelay")) or 0,
            stale_since=None if stale is None else NOW - stale // 10**9,
            staleness_grace=_seconds(grace),
        )

    def _pod(self, job: dict[str, Any], task: dict[str, Any], index: int) -> Pod:
        state = self.tasks[f"{job['Name']}-{index}"]
        nothing = job.get("IsBestEffortJob")
        gpu = GpuRequest() if nothing else _gpu(job, task)
        return Pod(
            name=f"{job['Name']}-{index}",
            status=state.status,
            node=state.node,
            groups=state.groups,
            gpu=replace(gpu, legacy=bool(task.get("IsLegacyMigTask"))),
            cpu=0.0 if nothing else (job.get("RequiredCPUsPerTask") or 1) * 1000.0,
            memory=0.0 if nothing else job.get("RequiredMemoryPerTask") or 1e9,
            subgroup=task.get("SubGroupName", ""),
            order=task.get("Priority"),
            placement=_placement(task),
        )


def _is_fraction(job: dict[str, Any]) -> bool:
    return not float(job.get("RequiredGPUsPerTask", 0)).is_integer()


def _gpu(job: dict[str, Any], task: dict[str, Any]) -> GpuRequest:
    mig = task.get("RequiredMigInstances")
    if mig:
        return mig_instances(mig)
    devices = job.get("RequiredMultiFractionDevicesPerTask") or 1
    if _is_fraction(job):
        return gpu_fraction(job["RequiredGPUsPerTask"], devices)
    if job.get("RequiredGpuMemory"):
        return gpu_memory(job["RequiredGpuMemory"], devices)
    own = task.get("RequiredGPUs")
    return whole_gpus(int(job.get("RequiredGPUsPerTask", 0)) if own is None else own)


def _placement(task: dict[str, Any]) -> Placement:
    names = task.get("NodeAffinityNames")
    if not names:
        return Placement()
    return Placement(terms=(NodeTerm((Requirement(NODE_TYPE, "In", tuple(sorted(names))),)),))


def _seconds(duration: dict[str, int] | None) -> int | None:
    return None if duration is None else duration["Duration"] // 10**9


def _group(group: dict[str, Any]) -> Subgroup:
    leaves = tuple(
        Subgroup(leaf["name"], leaf["minAvailable"], (), _constraint(leaf.get("topology")))
        for leaf in group.get("podSets", ())
    )
    inner = tuple(map(_group, group.get("groups", ())))
    constraint = _constraint(group.get("topology"))
    return Subgroup(group["name"], group.get("minSubGroup"), (*inner, *leaves), constraint, leaf=False)


def _constraint(topology: dict[str, str] | None) -> TopologyConstraint | None:
    if topology is None:
        return None
    return TopologyConstraint(
        topology["Topology"], topology.get("RequiredLevel", ""), topology.get("PreferredLevel", "")
    )


def _has_default(group: Subgroup) -> bool:
    return any(child.name == "default" or _has_default(child) for child in group.children)


def _node(name: str, node: dict[str, Any]) -> Node:
    strategy, gpus = node.get("MigStrategy", ""), node.get("GPUs", 0)
    memory = node.get("GPUMemory") or 100
    return Node(
        name=name,
        gpus=0.0 if strategy == "mixed" else float(gpus),
        cpu=(node.get("CPUMillis") or 20000) * 1000.0,
        memory=node.get("CPUMemory") or 20e9,
        pods=float(node.get("MaxTaskNum") or 110),
        extended=tuple(sorted((key, float(count)) for key, count in node.get("MigInstances", {}).items())),
        gpu_memory=None if node.get("GpuMemorySynced") is False else memory,
        gpu_count=gpus,
        labels={NODE_TYPE: name, **{CONSTANTS.get(key, key): value for key, value in node.get("Labels", {}).items()}},
        mig_enabled=bool(strategy),
        mig_strategy=strategy or "none",
    )


def _queues(scenario: dict[str, Any]) -> list[Queue]:
    departments = scenario.get("Departments") or []
    default = not departments and not scenario.get("DisableDefaultDepartment")
    if default:
        departments = [{"Name": "default", "DeservedGPUs": -1, "MaxAllowedGPUs": -1}]
    queues = {}
    for index, queue in enumerate(scenario["Queues"]):
        queues[queue["Name"]] = Queue(
            name=queue["Name"],
            parent="default" if default else queue.get("ParentQueue", ""),
            gpu=Entitled(
                queue.get("DeservedGPUs", 0), queue.get("MaxAllowedGPUs") or -1, queue.get("GPUOverQuotaWeight", 0)
            ),
            cpu=Entitled(_given(queue, "DeservedCPUs"), _given(queue, "MaxAllowedCPUs"), 1),
            memory=_megabytes(queue),
            priority=100 if queue.get("Priority") is None else queue["Priority"],
            created=NOW + 60 * index,
            reclaim_min_runtime=_seconds(queue.get("ReclaimMinRuntime")),
        )
    for index, department in enumerate(departments):
        queues[department["Name"]] = Queue(
            name=department["Name"],
            gpu=Entitled(
                department.get("DeservedGPUs", 0),
                department.get("MaxAllowedGPUs") or -1,
                department.get("DeservedGPUs", 0),
            ),
            cpu=Entitled(UNLIMITED, _given(department, "MaxAllowedCPUs"), 1),
            memory=FREE,
            created=NOW + 60 * index,
        )
    return list(queues.values())


def _given(item: dict[str, Any], key: str) -> float:
    return -1.0 if item.get(key) is None else float(item[key])


def _megabytes(queue: dict[str, Any]) -> Entitled:
    """Queues write memory in MB; the scheduler counts bytes."""
    quota, limit = (max(-1.0, _given(queue, key) * 10**6) for key in ("DeservedMemory", "MaxAllowedMemory"))
    return Entitled(quota, limit, 1)


def settings_of(scenario: dict[str, Any], action: str) -> Settings:
    """Settings of the fake cluster, with the plugins a scenario turns on where it says so."""
    plugins, gpu, cpu = PLUGINS, Strategy.BINPACK, Strategy.BINPACK
    mocks = scenario.get("Mocks") or {}
    config = mocks.get("SchedulerConf")
    if config:
        named = {plugin["Name"]: plugin.get("Arguments", {}) for tier in config["Tiers"] for plugin in tier["Plugins"]}
        plugins = frozenset(named)
        arguments = named.get("nodeplacement", {})
        gpu = Strategy(arguments.get("constants.GPUResource", "binpack"))
        cpu = Strategy(arguments.get("constants.CPUResource", "binpack"))
    if "CacheRequirements" not in mocks:
        plugins -= {"predicates"}
    return Settings(
        gpu_strategy=gpu,
        cpu_strategy=cpu,
        consolidation_victims=-1,
        signatures=False,
        staleness_grace=STALE_GRACE if action == STALE_ACTION else 0,
        assumed_gpu_memory=100,
        plugins=plugins,
    )
