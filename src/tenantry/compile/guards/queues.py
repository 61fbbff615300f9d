"""Queues, priorities and schedulers: a tenant's pods stand in its own queues, at the priorities it was granted.

KAI reads the queue and the priority of a pod from labels of its topmost owner first, whatever its kind, so the labels
are checked on every object of a tenant's namespace and not only on pods.

Source: KAI scheduler, ``pkg/podgrouper/podgrouper/plugins/defaultgrouper/default_grouper.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import POOLS, PRIORITIES, QUEUES, granted
from tenantry.compile.guards.guard import CONTAINERS, LABELS, PODS, Guard, Rule, Validation, text, texts
from tenantry.compile.guards.requesters import outside_controllers
from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

GPU_PREFIX = "nvidia.com/"
DEFAULT_SCHEDULER = "default-scheduler"
QUEUE_SCHEDULERS = {SchedulerType.KAI: "kai-scheduler", SchedulerType.RUNAI: "runai-scheduler"}
KAI_QUEUE = "kai.scheduler/queue"
KAI_POOL = "kai.scheduler/node-pool"
# Names the group of pods that share a GPU; set by the binder alone.
KAI_GPU_GROUP = "runai-gpu-group"
KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"

# Labels by which objects choose a queue, a pool or a priority, and the grant each must be in.
CHOOSING_LABELS = {
    SchedulerType.KAI: ((KAI_QUEUE, "queues"), (KAI_POOL, "pools"), ("priorityClassName", "priorities")),
    SchedulerType.RUNAI: (
        ("runai/queue", "queues"),
        ("project", "queues"),
        (KAI_QUEUE, "queues"),
        ("priorityClassName", "priorities"),
    ),
    SchedulerType.KUEUE: ((KUEUE_QUEUE, "queues"), ("kueue.x-k8s.io/priority-class", "priorities")),
}
GRANTS = {"queues": QUEUES, "pools": POOLS, "priorities": PRIORITIES}


def queues(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of pods and of the labels that choose queues."""
    scheduler = cluster.spec.platform.spec.scheduler.type
    yield _pods(cluster, scheduler)
    yield _labels(scheduler)
    if scheduler is SchedulerType.KUEUE:
        yield _kueue_workloads(cluster)


def _priority() -> Validation:
    return Validation(
        "object.spec.?priorityClassName.orValue('') in [''] + variables.priorities",
        "the priority class is not one this namespace may use",
        "'priorityClassName may be one of [' + variables.priorities.join(', ') + ']'",
    )


def requests_gpu(cluster: Cluster, containers: str) -> str:
    """CEL: whether one of some containers requests a GPU or a part of one."""
    names = sorted({item.name for pool in cluster.pools for item in pool.gpu_resources})
    others = [name for name in names if not name.startswith(GPU_PREFIX)]
    known = f" || k in {texts(others)}" if others else ""
    keys = f"exists(k, k.startsWith({text(GPU_PREFIX)}){known})"
    return (
        f"{containers}.exists(c, c.?resources.?limits.orValue({{}}).{keys} || "
        f"c.?resources.?requests.orValue({{}}).{keys})"
    )


def _pods(cluster: Cluster, scheduler: SchedulerType) -> Guard:
    variables = [
        ("queues", granted(QUEUES)),
        ("priorities", granted(PRIORITIES)),
        ("containers", CONTAINERS),
        ("gpu", requests_gpu(cluster, "variables.containers")),
        ("scheduler", f"object.spec.?schedulerName.orValue({text(DEFAULT_SCHEDULER)})"),
    ]
    same = [
        ".spec.containers",
        ".spec.?initContainers",
        ".spec.?ephemeralContainers",
        ".spec.?schedulerName",
        ".spec.?priorityClassName",
    ]
    if scheduler is SchedulerType.KUEUE:
        checks = _kueue_pods()
        same.append(f".metadata.?labels[?{text(KUEUE_QUEUE)}]")
    else:
        checks = _queue_scheduler_pods(scheduler)
        same.append(".metadata.?labels")
    return Guard(
        "queues",
        "Q2, Q3, Q5: queues of other tenants, priorities nobody granted, GPUs without a queue",
        (PODS,),
        (*checks, _priority()),
        variables=tuple(variables),
        same=tuple(same),
    )


def _queue_scheduler_pods(scheduler: SchedulerType) -> tuple[Validation, ...]:
    name = QUEUE_SCHEDULERS[scheduler]
    checks = [
        Validation(
            f"variables.scheduler in {texts((DEFAULT_SCHEDULER, name))}",
            f"spec.schedulerName must be {name} or left out",
        ),
        Validation(
            f"!variables.gpu || variables.scheduler == {text(name)}",
            f"pods that request GPUs need schedulerName {name}, which gives every tenant its share",
        ),
        # Pods that share a GPU find each other by this label; a forged one would join another tenant's GPU.
        Validation(
            f"{LABELS}.all(k, !k.startsWith({text(KAI_GPU_GROUP)})) || {outside_controllers()}",
            "the label that groups pods on one GPU is set by the scheduler alone",
        ),
    ]
    if scheduler is SchedulerType.KAI:
        # Without it KAI derives a queue from labels "project" and node pool, or takes its default queue.
        checks.append(
            Validation(
                f"variables.scheduler != {text(name)} || "
                f"object.metadata.?labels[?{text(KAI_QUEUE)}].orValue('') in variables.queues",
                f"pods scheduled by {name} need the label {KAI_QUEUE} with a queue of this namespace",
                f"'label {KAI_QUEUE} must be one of [' + variables.queues.join(', ') + ']'",
            )
        )
    return tuple(checks)


def _kueue_pods() -> tuple[Validation, ...]:
    queued = f"object.metadata.?labels[?{text(KUEUE_QUEUE)}].orValue('') in variables.queues"
    return (
        Validation(
            f"variables.scheduler == {text(DEFAULT_SCHEDULER)}",
            "spec.schedulerName must be left out: Kueue admits pods, the default scheduler places them",
        ),
        # Pods of a job carry no queue label of their own: they are made by a controller after Kueue admitted the job.
        Validation(
            f"!variables.gpu || {queued} || {outside_controllers()}",
            f"pods that request GPUs need the label {KUEUE_QUEUE} with a queue of this namespace",
            f"'label {KUEUE_QUEUE} must be one of [' + variables.queues.join(', ') + ']'",
        ),
    )


def _kueue_workloads(cluster: Cluster) -> Guard:
    template = "object.?spec.?template.?spec"
    containers = f"({template}.?containers.orValue([]) + {template}.?initContainers.orValue([]))"
    rules = (
        Rule("batch", ("v1",), ("jobs",)),
        Rule("apps", ("v1",), ("deployments", "statefulsets", "replicasets")),
    )
    return Guard(
        "queued-workloads",
        "Q5: workloads with GPUs that no queue admits",
        rules,
        (
            Validation(
                f"!variables.gpu || object.metadata.?labels[?{text(KUEUE_QUEUE)}].orValue('') in variables.queues || "
                f"{outside_controllers()}",
                f"workloads that request GPUs need the label {KUEUE_QUEUE} with a queue of this namespace",
                f"'label {KUEUE_QUEUE} must be one of [' + variables.queues.join(', ') + ']'",
            ),
        ),
        variables=(("queues", granted(QUEUES)), ("gpu", requests_gpu(cluster, containers))),
        same=(".?spec", f".metadata.?labels[?{text(KUEUE_QUEUE)}]"),
    )


def _labels(scheduler: SchedulerType) -> Guard:
    labels = CHOOSING_LABELS[scheduler]
    used = sorted({grant for _, grant in labels})
    return Guard(
        "queue-labels",
        "Q2, Q3: queues and priorities chosen by a label of the object that owns a pod",
        (Rule("*", ("*",), ("*",)),),
        tuple(
            Validation(
                f"object.?metadata.?labels[?{text(key)}].optMap(v, v in variables.{grant}).orValue(true)",
                f"the label {key} names something this namespace was not granted",
                f"'label {key} must be one of [' + variables.{grant}.join(', ') + ']'",
            )
            for key, grant in labels
        ),
        variables=tuple((name, granted(GRANTS[name])) for name in used),
        same=tuple(f".?metadata.?labels[?{text(key)}]" for key, _ in labels),
    )
