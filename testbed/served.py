"""Moments as the KAI scheduler serves them, for the scheduler itself and for the reader of such snapshots alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tenantry.fair.kai.rules import Settings, Strategy
from tenantry.model.job import GpuKind, GpuRequest, Job, Pod, PodStatus, Subgroup, TopologyConstraint
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import Entitled, Queue

Body = dict[str, Any]

NAMESPACE = "work"
LEAVES_FOR, STUCK_FOR = 5, 500
"""Seconds since pods were deleted that leave, and that should have left."""

PLUGINS = (
    "predicates", "proportion", "priority", "nodeavailability", "resourcetype", "podaffinity", "elastic", "kubeflow",
    "ray", "subgrouporder", "taskorder", "nominatednode", "dynamicresources", "minruntime", "topology",
    "sg-nodelocalgreedy", "sg-multinodegang", "gpupack", "gpuspread", "nodeplacement", "gpusharingorder",
)  # fmt: skip
"""Plugins an instance runs, in the order of their ranks."""


class Served:
    """Writes a moment as of a second of the clock on the wall.

    Args:
        moment: the cluster.
        settings: those of the instance.
        now: second that the moment is put at.
        priorities_of_pods: whether pods carry the priority class of their job, too.
    """

    def __init__(self, moment: Moment, settings: Settings, now: int, *, priorities_of_pods: bool = False) -> None:
        self.moment, self.settings, self.now, self._priorities = moment, settings, now, priorities_of_pods

    def snapshot(self) -> Body:
        """Return the snapshot."""
        jobs = self.moment.jobs
        priorities = sorted({job.priority for job in jobs})
        raw = {
            "nodes": [node(item) for item in self.moment.nodes],
            "queues": [self._queue(item) for item in self.moment.queues],
            "podGroups": [self._group(job) for job in jobs],
            "pods": [
                *(self._pod(job, pod) for job in jobs for pod in job.pods),
                *(other(pod, "default-scheduler") for pod in self.moment.foreign),
                *(other(pod, "kai-scheduler") for pod in self.moment.unqueued),
            ],
            "bindRequests": [binding(pod) for job in jobs for pod in job.pods if pod.status is PodStatus.BINDING],
            "priorityClasses": [{"metadata": {"name": class_of(value)}, "value": value} for value in priorities],
            "topologies": [
                {"metadata": {"name": item.name}, "spec": {"levels": [{"nodeLabel": level} for level in item.levels]}}
                for item in self.moment.topologies
            ],
        }
        return {
            "config": config(self.settings),
            "schedulerParams": parameters(self.settings),
            "rawObjects": raw,
            "usage": {"queues": {queue.name: used(queue) for queue in self.moment.queues}},
        }

    def _time(self, second: int) -> str:
        return _iso(second - self.moment.now + self.now)

    def _queue(self, queue: Queue) -> Body:
        resources = {"gpu": _entitled(queue.gpu), "cpu": _entitled(queue.cpu), "memory": _entitled(queue.memory, 1e6)}
        spec: Body = {"resources": resources, "priority": queue.priority, "parentQueue": queue.parent}
        times = (("reclaimMinRuntime", queue.reclaim_min_runtime), ("preemptMinRuntime", queue.preempt_min_runtime))
        spec |= {name: f"{value}s" for name, value in times if value is not None}
        metadata = {"name": queue.name, "uid": queue.name, "creationTimestamp": self._time(queue.created)}
        return {"metadata": metadata, "spec": spec}

    def _group(self, job: Job) -> Body:
        times = (("last-start", job.started), ("stale-podgroup", job.stale_since), ("last-eviction", job.evicted))
        metadata = {
            "name": job.name,
            "namespace": NAMESPACE,
            "uid": job.name,
            "creationTimestamp": self._time(job.created),
            "annotations": {f"kai.scheduler/{name}-timestamp": self._time(at) for name, at in times if at is not None},
        }
        spec: Body = {"queue": job.queue, "priorityClassName": class_of(job.priority), **_members(job)}
        if job.preemptible is not None:
            spec["preemptibility"] = "preemptible" if job.preemptible else "non-preemptible"
        if job.preemption_delay:
            spec["preemptionDelay"] = f"{job.preemption_delay}s"
        if job.staleness_grace is not None:
            spec["stalenessGracePeriod"] = f"{job.staleness_grace}s"
        return {"metadata": metadata, "spec": spec}

    def _pod(self, job: Job, pod: Pod) -> Body:
        labels = {"kai.scheduler/queue": job.queue}
        if pod.subgroup:
            labels["kai.scheduler/subgroup-name"] = pod.subgroup
        if pod.order is not None:
            labels["kai.scheduler/task-priority"] = str(pod.order)
        if len(pod.groups) == 1:
            labels["runai-gpu-group"] = pod.groups[0]
        elif pod.groups:
            labels |= {f"runai-gpu-group/{group}": group for group in pod.groups}
        annotations, requests = _asked(pod)
        metadata: Body = {
            "name": pod.name,
            "namespace": NAMESPACE,
            "uid": pod.name,
            "creationTimestamp": self._time(pod.created),
            "labels": labels,
            "annotations": {"pod-group-name": job.name, **annotations},
        }
        spec: Body = {"schedulerName": "kai-scheduler", **_placed(pod), "containers": _containers(requests)}
        if self._priorities:
            spec |= {"priorityClassName": class_of(job.priority), "priority": job.priority}
        if pod.status is PodStatus.GATED:
            spec["schedulingGates"] = [{"name": "tenantry.dev/held"}]
        if pod.node and pod.status is not PodStatus.BINDING:
            spec["nodeName"] = pod.node
            metadata["annotations"]["received-resource-type"] = received(pod)
        since = {PodStatus.RELEASING: LEAVES_FOR, PodStatus.STUCK: STUCK_FOR}.get(pod.status)
        if since is not None:
            metadata |= {"deletionTimestamp": _iso(self.now - since), "finalizers": ["tenantry.dev/kept"]}
        return {"metadata": metadata, "spec": spec, "status": {"phase": phase_of(pod)}}


def phase_of(pod: Pod) -> str:
    """Return the phase the kubelet reports."""
    if pod.status is PodStatus.SUCCEEDED:
        return "Succeeded"
    return "Running" if pod.status & (PodStatus.RUNNING | PodStatus.RELEASING | PodStatus.STUCK) else "Pending"


def received(pod: Pod) -> str:
    """Return how the scheduler gave a pod its GPUs."""
    return {GpuKind.WHOLE: "Regular", GpuKind.MIG: "MigInstance"}.get(pod.gpu.kind, "Fraction")


def binding(pod: Pod) -> Body:
    """Return the request by which the scheduler has a pod bound."""
    groups = {"selectedGPUGroups": list(pod.groups)} if pod.groups else {}
    spec = {"podName": pod.name, "selectedNode": pod.node, "receivedResourceType": received(pod), **groups}
    return {"metadata": {"name": pod.name, "namespace": NAMESPACE, "uid": f"bind-{pod.name}"}, "spec": spec}


def other(pod: Pod, scheduler: str) -> Body:
    """Return a pod of no job, which some scheduler put on its node."""
    metadata = {"name": pod.name, "namespace": "other", "uid": pod.name}
    spec = {"schedulerName": scheduler, "nodeName": pod.node, "containers": _containers(_asked(pod)[1])}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def used(queue: Queue) -> Mapping[str, float]:
    """Return what a queue used lately, as the data base tells it; no instance serves that."""
    gpu, cpu, memory = queue.usage
    return {"nvidia.com/gpu": gpu, "cpu": cpu, "memory": memory}


def class_of(priority: int) -> str:
    """Return the name of the priority class with this value."""
    return f"priority-{priority}"


def node(item: Node) -> Body:
    """Return a node."""
    offered = {"cpu": f"{item.cpu:.0f}m", "memory": f"{item.memory:.0f}", "pods": f"{item.pods:.0f}"}
    offered |= {name: f"{amount:.0f}" for name, amount in (("nvidia.com/gpu", item.gpus), *item.extended) if amount}
    told = {
        "nvidia.com/gpu.memory": item.gpu_memory,
        "nvidia.com/gpu.count": item.gpu_count,
        "node-role.kubernetes.io/mig-enabled": None if item.mig_enabled is None else str(item.mig_enabled).lower(),
        "nvidia.com/mig.strategy": None if item.mig_strategy == "none" else item.mig_strategy,
    }
    labels = {**item.labels, **{name: str(value) for name, value in told.items() if value is not None}}
    spec = {
        "unschedulable": "cordoned" in item.unready,
        "taints": [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in item.taints],
    }
    ready = {"type": "Ready", "status": "False" if "not-ready" in item.unready else "True"}
    status = {"allocatable": offered, "capacity": offered, "conditions": [ready]}
    return {"metadata": {"name": item.name, "uid": item.name, "labels": labels}, "spec": spec, "status": status}


def config(settings: Settings) -> Body:
    """Return the configuration of an instance."""
    arguments = {
        "nodeplacement": {"gpu": settings.gpu_strategy.value, "cpu": settings.cpu_strategy.value},
        # The misspelling is the scheduler's.
        "proportion": {
            "kValue": str(settings.k_value),
            "relcaimerSaturationMultiplier": str(settings.saturation_multiplier),
        },
        "minruntime": {
            "defaultReclaimMinRuntime": f"{settings.reclaim_min_runtime}s",
            "defaultPreemptMinRuntime": f"{settings.preempt_min_runtime}s",
            "reclaimResolveMethod": "queue" if settings.reclaim_by_queue else "lca",
        },
    }
    spreads = settings.gpu_strategy is Strategy.SPREAD
    off = {"gpupack", "gpusharingorder"} if spreads else {"gpuspread"}
    plugins = [{"name": name, "arguments": arguments.get(name, {})} for name in PLUGINS if name not in off]
    return {
        "actions": ", ".join(settings.actions),
        "tiers": [{"plugins": plugins}],
        "queueDepthPerAction": dict(settings.queue_depth),
    }


def parameters(settings: Settings) -> Body:
    """Return the options of an instance."""
    second = 10**9
    return {
        "schedulerName": "kai-scheduler",
        "partitionParams": {"NodePoolLabelKey": "kai.scheduler/node-pool", "NodePoolLabelValue": ""},
        "restrictSchedulingNodes": settings.restrict_nodes,
        "maxNumberConsolidationPreemptees": settings.consolidation_victims,
        "useSchedulingSignatures": settings.signatures,
        "fullHierarchyFairness": True,
        "allowConsolidatingReclaim": settings.consolidating_reclaim,
        "numOfStatusRecordingWorkers": 1,
        "globalDefaultStalenessGracePeriod": settings.staleness_grace * second,
        "schedulePeriod": second,
        "stuckInReleasingThreshold": 120 * second,
        "queueLabelKey": "kai.scheduler/queue",
    }


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entitled(part: Entitled, unit: float = 1) -> Mapping[str, float]:
    quota, limit = (amount if amount < 0 else amount / unit for amount in (part.quota, part.limit))
    return {"quota": quota, "limit": limit, "overQuotaWeight": part.weight}


def _members(job: Job) -> Body:
    root = job.root
    if root is None:
        return {"minMember": len(job.pods)}
    found: Body = {"topologyConstraint": _constraint(root.constraint)} if root.constraint else {}
    if len(root.children) == 1 and root.children[0].leaf:
        return {**found, "minMember": root.children[0].minimum}
    if root.minimum is not None:
        found["minSubGroup"] = root.minimum
    return {**found, "subGroups": list(_below(root, ""))}


def _below(group: Subgroup, parent: str) -> Iterator[Body]:
    for child in group.children:
        entry: Body = {"name": child.name, **({"parent": parent} if parent else {})}
        if child.minimum is not None:
            entry["minMember" if child.leaf else "minSubGroup"] = child.minimum
        if child.constraint is not None:
            entry["topologyConstraint"] = _constraint(child.constraint)
        yield entry
        yield from _below(child, child.name)


def _constraint(constraint: TopologyConstraint) -> Mapping[str, str]:
    levels = {"requiredTopologyLevel": constraint.required, "preferredTopologyLevel": constraint.preferred}
    return {"topology": constraint.topology, **{name: level for name, level in levels.items() if level}}


def _asked(pod: Pod) -> tuple[dict[str, str], dict[str, str]]:
    """Return the annotations and the requests by which a pod asks."""
    requests = {"cpu": f"{pod.cpu:.0f}m", "memory": f"{pod.memory:.0f}"}
    requests = {name: amount for name, amount in requests.items() if amount not in {"0m", "0"}}
    gpu, annotations = pod.gpu, {}
    if gpu.kind is GpuKind.MIG:
        requests |= {name: str(count) for name, count in gpu.mig}
    elif gpu.kind is GpuKind.WHOLE:
        requests |= {"nvidia.com/gpu": str(gpu.devices)} if gpu.devices else {}
    else:
        annotations = _shared(gpu)
    return annotations, requests


def _containers(requests: dict[str, str]) -> list[Body]:
    return [{"name": "main", "image": "work", "resources": {"requests": requests, "limits": requests}}]


def _shared(gpu: GpuRequest) -> dict[str, str]:
    part = {"gpu-fraction": repr(gpu.portion)} if gpu.kind is GpuKind.FRACTION else {"gpu-memory": str(gpu.memory)}
    return {**part, **({"gpu-fraction-num-devices": str(gpu.devices)} if gpu.devices > 1 else {})}


def _placed(pod: Pod) -> Body:
    placement = pod.placement
    found: Body = {}
    if placement.selector:
        found["nodeSelector"] = dict(placement.selector)
    if placement.tolerations:
        found["tolerations"] = [
            _filled({"key": item.key, "operator": item.operator, "value": item.value, "effect": item.effect})
            for item in placement.tolerations
        ]
    if placement.terms is not None:
        terms = [{"matchExpressions": list(_expressions(term.expressions))} for term in placement.terms]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        found["affinity"] = {"nodeAffinity": required}
    return found


def _expressions(requirements: Iterable[Any]) -> Iterator[Body]:
    for item in requirements:
        yield {"key": item.key, "operator": item.operator, "values": list(item.values)}


def _filled(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in fields.items() if value}
