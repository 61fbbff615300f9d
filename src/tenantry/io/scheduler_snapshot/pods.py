"""Pods as the scheduler reads them: where they stand, what they ask for, whose they are.

Source: pkg/scheduler/api/pod_info/pod_info.go, api/bindrequest_info and plugins kubeflow, ray and taskorder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tenantry.io.scheduler_snapshot.demands import Demands, Surroundings, demands_of, placement_of
from tenantry.io.scheduler_snapshot.fields import parse_time
from tenantry.io.scheduler_snapshot.requests import requested, whole
from tenantry.model.job import ACTIVE_USED, Pod, PodStatus, whole_gpus
from tenantry.model.pool_snapshot import Eviction
from tenantry.model.reading import annotations_of, at, integer, items, mapping, text, texts

if TYPE_CHECKING:
    from tenantry.io.scheduler_snapshot.fields import Fields
    from tenantry.model.manifest import Manifest

GROUP: Final = "pod-group-name"
QUEUE: Final = "kai.scheduler/queue"
SUBGROUP: Final = "kai.scheduler/subgroup-name"
ORDER: Final = "kai.scheduler/task-priority"
GPU_GROUP: Final = "runai-gpu-group"
ROLE: Final = "training.kubeflow.org/job-role"
RAY: Final = "ray.io/node-type"
DEFAULT_SCHEDULER: Final = "default-scheduler"
RESERVATION: Final = "kai-resource-reservation"
SCALING: Final = "scaling-pod"
_COMPARED: Final = ("nodeSelector", "affinity", "priorityClassName", "priority", "topologySpreadConstraints")
"""Fields that tell pods apart beside what they ask for, their tolerations and host ports."""

STUCK_AFTER: Final = 120
"""Seconds after which a pod that should be gone no longer counts as about to go."""

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When the snapshot was taken, and what depends on it.

    Attributes:
        now: seconds since 1970.
        stuck_after: seconds after which a pod that should be gone no longer counts as about to go.
    """

    now: int
    stuck_after: int = STUCK_AFTER


@dataclass(frozen=True, slots=True)
class Bind:
    """Where the scheduler has decided to put a pod that does not know it yet."""

    node: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadPod:
    """A pod and what the scheduler knows besides.

    Attributes:
        pod: the pod.
        fields: its manifest.
        group: name of its pod group; empty when it has none.
        scheduler: scheduler it wants to be placed by.
        helper: whether the scheduler made it for itself.
        demands: what it demands that may not be modelled; only of pods that wait.
        ends: second at which its deadline ends it; None without one.
    """

    pod: Pod
    fields: Fields
    group: str
    scheduler: str
    helper: bool
    demands: Demands | None
    ends: int | None

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.fields.namespace

    @property
    def occupies(self) -> bool:
        """Whether it takes room on a node."""
        return bool(self.pod.status & ACTIVE_USED and self.pod.node)


def pod_of(fields: Fields, clock: Clock, binds: Mapping[Name, Bind], reservation: str = RESERVATION) -> ReadPod:
    """Read a pod, without what depends on other objects.

    Args:
        fields: the pod.
        clock: when the snapshot was taken.
        binds: where pods are about to be bound, by namespace and name.
        reservation: value of the label ``app`` of pods that reserve shared GPUs.
    """
    bind = binds.get((fields.namespace, fields.name))
    asked = requested(fields)
    placement = placement_of(fields)
    app = fields.labels.get("app", "")
    status = _status(fields, clock, bind)
    demands = Demands("it asks for whole GPUs and MIG instances at once", (), placement) if asked.mixed else None
    reserves = app == reservation
    name, subgroup = f"{fields.namespace}/{fields.name}", fields.labels.get(SUBGROUP, "")
    pod = Pod(
        name=name,
        status=status,
        node=fields.text("spec", "nodeName") or (bind.node if bind is not None else ""),
        # The GPU of a reservation is booked by the pods that share it.
        gpu=whole_gpus(0) if reserves else asked.gpu,
        cpu=asked.cpu,
        memory=asked.memory,
        extended=asked.extended,
        subgroup=subgroup,
        groups=_groups(fields, bind),
        created=fields.time("metadata", "creationTimestamp") or 0,
        leader=fields.labels.get(ROLE) in {"master", "launcher"},
        head=fields.labels.get(RAY) == "head",
        order=_order(fields),
        placement=placement,
        likeness=_likeness(fields),
    )
    if status is PodStatus.SUCCEEDED:
        # The scheduler keeps nothing else of it, so it counts as a pod that asks for nothing (cache/pod_transform.go).
        pod = Pod(name, status, subgroup=subgroup, likeness="")
    return ReadPod(
        pod=pod,
        fields=fields,
        group=fields.annotations.get(GROUP, ""),
        scheduler=fields.text("spec", "schedulerName") or DEFAULT_SCHEDULER,
        helper=reserves or app == SCALING,
        demands=demands,
        ends=_ends(fields, status),
    )


def with_demands(read: ReadPod, around: Surroundings) -> ReadPod:
    """Return a waiting pod with what it demands of other objects; others as they are."""
    if not read.pod.status & (PodStatus.PENDING | PodStatus.GATED):
        return read
    resources = (name for name, _ in read.pod.extended)
    demands = read.demands or demands_of(read.fields, read.pod.placement, around, resources)
    return replace(read, pod=replace(read.pod, placement=demands.placement), demands=demands)


def bind_of(manifest: Manifest) -> tuple[Name, Bind] | None:
    """Read a bind request; None for one that has failed for good."""
    body = manifest.body
    if text(body, "status", "phase") == "Failed":
        limit, attempts = integer(body, "spec", "backoffLimit"), integer(body, "status", "failedAttempts") or 0
        if limit is None or attempts >= limit:
            return None
    node = text(body, "spec", "selectedNode")
    name = (manifest.key.namespace or "default", text(body, "spec", "podName"))
    return (name, Bind(node, tuple(texts(body, "spec", "selectedGPUGroups")))) if node and name[1] else None


def eviction_of(manifest: Manifest) -> tuple[Name, Eviction] | None:
    """Read an event by which the scheduler tells that it evicted a pod group; None for any other.

    Source: pkg/scheduler/cache/status_updater/default_status_updater.go.
    """
    body, notes = manifest.body, annotations_of(manifest.body)
    about = mapping(body, "involvedObject") or mapping(body, "regarding")
    if text(body, "reason") != "Evict" or about.get("kind") != "PodGroup":
        return None
    times = (parse_time(at(body, name)) for name in ("lastTimestamp", "eventTime", "deprecatedLastTimestamp"))
    second = next((found for found in times if found is not None), None)
    if second is None:
        return None
    by = notes.get("evictor-pod-group-name", "")
    where = notes.get("evictor-pod-group-namespace", "")
    name = (text(dict(about), "namespace") or "default", text(dict(about), "name"))
    return name, Eviction(second, notes.get("evictor-action-type", ""), f"{where}/{by}" if by and where else by)


def _status(fields: Fields, clock: Clock, bind: Bind | None) -> PodStatus:
    phase = fields.text("status", "phase")
    leaving = fields.time("metadata", "deletionTimestamp")
    if phase == "Running":
        if leaving is None:
            return PodStatus.RUNNING
        return PodStatus.STUCK if clock.now - leaving > clock.stuck_after else PodStatus.RELEASING
    # A manifest that no API server has seen has no phase; the server would say Pending.
    if phase in {"", "Pending"}:
        if leaving is not None:
            return PodStatus.RELEASING
        if fields.text("spec", "nodeName"):
            return PodStatus.BOUND
        if bind is not None:
            return PodStatus.BINDING
        return PodStatus.GATED if fields.items("spec", "schedulingGates") else PodStatus.PENDING
    return {"Succeeded": PodStatus.SUCCEEDED, "Failed": PodStatus.FAILED}.get(phase, PodStatus.UNKNOWN)


def _groups(fields: Fields, bind: Bind | None) -> tuple[str, ...]:
    """Shared GPUs a pod holds parts of; one per device, the first in a label of its own."""
    if bind is not None and bind.groups:
        return bind.groups
    first = fields.labels.get(GPU_GROUP)
    if first is None:
        return ()
    return (first, *(value for key, value in sorted(fields.labels.items()) if key.startswith(f"{GPU_GROUP}/")))


def _likeness(fields: Fields) -> str:
    """What is compared of pods where one job is skipped for being like another that failed; empty without any of it.

    The priority is the pod's own, which the class of its pod group does not change.

    Source: pkg/scheduler/api/pod_info/scheduling_constraints_signature.go.
    """
    compared = [at(fields.body, "spec", name) for name in _COMPARED]
    containers = (*fields.items("spec", "containers"), *fields.items("spec", "initContainers"))
    ports = [at(port, "hostPort") or 0 for container in containers for port in items(container, "ports")]
    tolerations = [
        [text(item, name) for name in ("key", "operator", "value", "effect")]
        for item in fields.items("spec", "tolerations")
    ]
    found = [*compared, tolerations, ports]
    return json.dumps(found, sort_keys=True, default=str) if any(item not in (None, []) for item in found) else ""


def _order(fields: Fields) -> int | None:
    written = fields.labels.get(ORDER)
    if written is None:
        return None
    value = whole(written)
    if value is None:
        message = f"{ORDER} is {written!r}, which is no whole number; the order of the pod is undefined"
        fields.find("SNAP-LABEL", ("metadata", "labels", ORDER), message)
    return value


def _ends(fields: Fields, status: PodStatus) -> int | None:
    deadline = fields.integer("spec", "activeDeadlineSeconds", least=0)
    started = fields.time("status", "startTime")
    return started + deadline if deadline is not None and started is not None and status & ACTIVE_USED else None


def times_of(body: Mapping[str, Any]) -> list[Any]:
    """Return everything in an object that tells when something was seen to happen."""
    metadata, status = at(body, "metadata"), at(body, "status")
    found = [
        at(metadata, "creationTimestamp"),
        at(status, "startTime"),
        at(body, "lastTimestamp"),
        at(body, "eventTime"),
    ]
    found += [at(entry, "time") for entry in items(metadata, "managedFields")]
    for entry in (*items(status, "conditions"), *items(status, "schedulingConditions")):
        found += [at(entry, "lastTransitionTime"), at(entry, "lastHeartbeatTime")]
    for entry in items(status, "containerStatuses"):
        found += [at(entry, "state", "running", "startedAt"), at(entry, "state", "terminated", "finishedAt")]
    return found
