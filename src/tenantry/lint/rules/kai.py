"""KAI scheduler: queues, shards, and what pods say to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenantry.lint.index import Index, hint
from tenantry.lint.pods import KAI_QUEUE, PodSpec
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.kueue import in_cycle
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, labels, mapping, number, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

KAI = "scheduling.run.ai"
SHARDS = "kai.scheduler"
POOL_LABEL = "kai.scheduler/node-pool"
RESOURCES = ("gpu", "cpu", "memory")


def queues(index: Index) -> list[Manifest]:
    """Return the queues."""
    return index.of(KAI, "Queue")


def _parent(queue: Manifest) -> str:
    return text(queue.body, "spec", "parentQueue")


@rule(
    "LINT-KAI-LIMIT",
    Severity.ERROR,
    "A queue's limit lets nothing run",
    why="A limit that is missing or 0 allows nothing of the resource; -1 is unlimited. Pods stay pending, whatever "
    "the quota is.",
    source="KAI scheduler, pkg/apis/scheduling/v2/resources.go; pkg/scheduler/plugins/proportion",
)
def _limit(index: Index) -> Iterator[Hit]:
    for queue in queues(index):
        for name in RESOURCES if mapping(queue.body, "spec", "resources") else ():
            path: DocPath = ("spec", "resources", name)
            section = mapping(queue.body, *path)
            written = number(section, "limit")
            if "limit" not in section:
                message = f"{name} has no limit, which allows nothing"
                yield Hit(queue, (*path, "limit"), message, "Write limit: -1, or a number.")
            elif written == 0:
                quota, weight = number(section, "quota") or 0, number(section, "overQuotaWeight") or 0
                message = f"the limit of {name} is 0, which allows nothing"
                # All three at 0 is how a queue is closed for a resource on purpose.
                severity = None if quota or weight else Severity.INFO
                yield Hit(queue, (*path, "limit"), message, "Write -1, or at least the quota.", severity)


@rule(
    "LINT-KAI-BELOW-QUOTA",
    Severity.ERROR,
    "A queue's limit is below its quota",
    why="The part of the quota above the limit can never be used.",
    source="KAI scheduler, pkg/scheduler/plugins/proportion",
)
def _below_quota(index: Index) -> Iterator[Hit]:
    for queue in queues(index):
        for name in RESOURCES:
            section = mapping(queue.body, "spec", "resources", name)
            most, quota = number(section, "limit"), number(section, "quota")
            if most is not None and quota is not None and 0 < most < quota:
                path = ("spec", "resources", name, "limit")
                yield Hit(queue, path, f"limit {most:g} of {name} is below quota {quota:g}", "Raise the limit.")


@rule(
    "LINT-KAI-NEGATIVE",
    Severity.ERROR,
    "A queue has a negative amount that is not -1",
    why="-1 means unlimited; other negative numbers mean nothing and are cut to -1.",
    source="KAI scheduler, pkg/scheduler/plugins/proportion",
    fragments=True,
)
def _negative(index: Index) -> Iterator[Hit]:
    for queue in queues(index):
        for name in RESOURCES:
            for field in ("quota", "limit", "overQuotaWeight"):
                value = number(queue.body, "spec", "resources", name, field)
                allowed = -1 if field != "overQuotaWeight" else 0
                if value is not None and value < 0 and value != allowed:
                    path = ("spec", "resources", name, field)
                    yield Hit(queue, path, f"{field} of {name} is {value:g}", "Write -1 for unlimited, or 0 and more.")


@rule(
    "LINT-KAI-PARENT",
    Severity.WARNING,
    "A queue's parent does not exist",
    why="An orphan is dropped with everything below it: its jobs are never scheduled.",
    source="KAI scheduler, pkg/scheduler/cache/cluster_info/queue.go",
)
def _parent_missing(index: Index) -> Iterator[Hit]:
    known = {queue.key.name for queue in queues(index)}
    for queue in queues(index):
        name = _parent(queue)
        if name and name not in known:
            # A patch or a set of one queue may leave its parent to another place.
            severity = Severity.ERROR if index.complete else None if len(known) > 1 else Severity.INFO
            message = f"no Queue {name} is in the set{hint(nearest_name(name, known - {queue.key.name}) or '')}"
            yield Hit(queue, ("spec", "parentQueue"), message, "Add the queue or correct the name.", severity)


@rule(
    "LINT-KAI-CYCLE",
    Severity.ERROR,
    "Queues are each other's parents",
    why="No queue of a cycle is reached from the top; none of their jobs is scheduled.",
    source="KAI scheduler, pkg/scheduler/cache/cluster_info/queue.go",
)
def _cycle(index: Index) -> Iterator[Hit]:
    for group in index.together(queues(index)):
        parents = {queue.key.name: _parent(queue) for queue in group}
        for queue in group:
            if in_cycle(queue.key.name, parents):
                yield Hit(queue, ("spec", "parentQueue"), "following the parents leads back here", "Break the cycle.")


@rule(
    "LINT-KAI-SUM",
    Severity.WARNING,
    "The quotas of a department's queues are more than its own",
    why="The children cannot all get what they are promised; the parent's quota bounds them when others want the rest.",
    source="KAI scheduler, docs/queues",
)
def _quota_sum(index: Index) -> Iterator[Hit]:
    for group in index.together(queues(index)):
        by_name = {queue.key.name: queue for queue in group}
        for name in RESOURCES:
            sums: dict[str, float] = {}
            for queue in group:
                share = number(queue.body, "spec", "resources", name, "quota") or 0.0
                sums[_parent(queue)] = sums.get(_parent(queue), 0.0) + max(share, 0.0)
            for parent, total in sums.items():
                quota = number(by_name[parent].body, "spec", "resources", name, "quota") if parent in by_name else None
                if quota is not None and quota >= 0 and total > quota:
                    path = ("spec", "resources", name, "quota")
                    message = f"the queues below have {total:g} of {name}, this one {quota:g}"
                    yield Hit(by_name[parent], path, message, "Raise this quota, or lower theirs.")


def _shard(manifest: Manifest) -> str:
    return labels(manifest.body).get(POOL_LABEL, "")


@rule(
    "LINT-KAI-SHARD",
    Severity.ERROR,
    "Queues and shards do not fit together",
    why="Each shard is a scheduler of its own and sees the queues and nodes of its own label value only: a parent "
    "in another shard is a missing parent, and two shards of one value schedule the same nodes twice.",
    source="KAI scheduler, pkg/scheduler/conf/scheduler_conf.go; docs/operator/scheduling-shards.md",
)
def _shards(index: Index) -> Iterator[Hit]:
    by_name = {(index.scope(queue), queue.key.name): queue for queue in queues(index) if queue not in index.partial}
    for queue in queues(index):
        parent = by_name.get((index.scope(queue), _parent(queue)))
        if parent is not None and _shard(parent) != _shard(queue):
            mine, theirs = _shard(queue) or "no label", _shard(parent) or "no label"
            message = f"the queue is in shard {mine}, its parent in {theirs}"
            yield Hit(queue, ("metadata", "labels", POOL_LABEL), message, "Give both the same label.")
    for group in index.together(index.of(SHARDS, "SchedulingShard")):
        seen: dict[str, Manifest] = {}
        for shard in group:
            value = text(shard.body, "spec", "partitionLabelValue")
            first = seen.setdefault(value, shard)
            if first.key.name != shard.key.name:
                message = f"shard {first.key.name} has the same partition"
                yield Hit(shard, ("spec", "partitionLabelValue"), message, "Give each shard its own value.")


@rule(
    "LINT-KAI-POD-QUEUE",
    Severity.ERROR,
    "A pod names a queue it cannot run in",
    why="Only queues without children take pods; a pod of a missing or inner queue is passed over.",
    source="KAI scheduler, pkg/scheduler/actions/utils/input_jobs.go",
)
def _pod_queue(index: Index) -> Iterator[Hit]:
    known = {queue.key.name for queue in queues(index)}
    inner = {_parent(queue) for queue in queues(index)} - {""}
    for pod in index.pods:
        name = pod.labels.get(KAI_QUEUE, "")
        path = _queue_path(pod)
        if name in inner:
            message = f"queue {name} has queues below it and takes no pods"
            yield Hit(pod.manifest, path, message, "Name a queue without children.")
        elif name and known:
            verdict = index.dangling(name, known)
            if verdict:
                severity, nearest = verdict
                message = f"no Queue {name} is in the set{hint(nearest)}"
                yield Hit(pod.manifest, path, message, "Correct the label.", severity)


def _queue_path(pod: PodSpec) -> DocPath:
    own = labels(pod.manifest.body)
    return ("metadata", "labels", KAI_QUEUE) if KAI_QUEUE in own else (*pod.path[:-1], "metadata", "labels", KAI_QUEUE)


@rule(
    "LINT-KAI-SCHEDULER",
    Severity.WARNING,
    "A pod names a KAI queue but another scheduler",
    why="Without schedulerName kai-scheduler the default scheduler places the pod past every queue.",
    source="KAI scheduler, docs/quickstart",
)
def _scheduler_name(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        written = text(dict(pod.spec), "schedulerName")
        # Pod groupers of training operators set the scheduler; a bare pod or job has to say so itself.
        plain = pod.manifest.key.group in {"", "apps", "batch"}
        if KAI_QUEUE in pod.labels and plain and written != "kai-scheduler":
            message = f"the scheduler is {written or 'the default one'}"
            yield Hit(pod.manifest, (*pod.path, "schedulerName"), message, "Write schedulerName: kai-scheduler.")


@rule(
    "LINT-KAI-FRACTION",
    Severity.ERROR,
    "A pod asks for a part of a GPU in a way that cannot work",
    why="gpu-fraction lies above 0 and at most 1, gpu-memory is a whole number of MiB; with nvidia.com/gpu beside "
    "it the pod is refused, and gpu-fraction overrides gpu-memory.",
    source="KAI scheduler, docs/gpu-sharing; pkg/scheduler/api/pod_info/pod_info.go",
    fragments=True,
)
def _fraction(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        for name, message in _fraction_faults(pod.annotations, "nvidia.com/gpu" in pod.resources):
            yield Hit(pod.manifest, (*pod.annotations_path, name), message, "Correct the annotation.")


def _fraction_faults(notes: Mapping[str, str], whole: bool) -> Iterator[tuple[str, str]]:
    share, memory = notes.get("gpu-fraction"), notes.get("gpu-memory")
    if share is not None:
        try:
            inside = 0 < float(share) <= 1
        except ValueError:
            inside = False
        if not inside:
            yield "gpu-fraction", f"gpu-fraction is {share!r}, not a share above 0 and at most 1"
    if memory is not None and not (memory.isdigit() and int(memory) > 0):
        yield "gpu-memory", f"gpu-memory is {memory!r}, not a whole number of MiB"
    if share is not None and memory is not None:
        yield "gpu-memory", "gpu-fraction overrides gpu-memory"
    if whole and (share is not None or memory is not None):
        name = "gpu-fraction" if share is not None else "gpu-memory"
        yield name, "the pod asks for a whole nvidia.com/gpu as well"


@rule(
    "LINT-KAI-NO-RESOURCES",
    Severity.ERROR,
    "A queue has no amounts at all",
    why="Without resources every quota and limit is 0: nothing below or in the queue is scheduled.",
    source="KAI scheduler, pkg/scheduler/api/queue_info/queue_info.go",
)
def _no_resources(index: Index) -> Iterator[Hit]:
    for queue in queues(index):
        spec = at(queue.body, "spec")
        if isinstance(spec, dict) and not mapping(spec, "resources"):
            yield Hit(queue, ("spec", "resources"), "every limit is 0, so nothing may run", "Add resources.")


RULES: tuple[Rule, ...] = (
    _limit,
    _below_quota,
    _negative,
    _parent_missing,
    _cycle,
    _quota_sum,
    _shards,
    _pod_queue,
    _scheduler_name,
    _fraction,
    _no_resources,
)
