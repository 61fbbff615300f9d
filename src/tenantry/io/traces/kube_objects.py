"""Keeps of Kubernetes objects what tells of submissions: pods, pod groups, events, and what explains them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantry.io.traces.kube_requests import Request, request_of
from tenantry.io.traces.problem_log import Unusable
from tenantry.model.reading import annotations_of, at, integer, items, labels, mapping, text

if TYPE_CHECKING:
    from tenantry.io.traces.values import Clock
    from tenantry.model.problem import Location

GROUP_OF_POD: Final = "pod-group-name"
QUEUE_LABELS: Final = ("kai.scheduler/queue", "runai/queue", "kueue.x-k8s.io/queue-name")
DEFAULT_SCHEDULER: Final = "default-scheduler"

_USER: Final = "user"
_LAST_START: Final = "kai.scheduler/last-start-timestamp"
_LAST_EVICTION: Final = "kai.scheduler/last-eviction-timestamp"
_GPU_MEMORY: Final = "nvidia.com/gpu.memory"

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Pod:
    """One pod. Times are Unix seconds, None when unknown."""

    name: Name
    group: str
    owner: Name
    place: Location
    body_request: Any
    created: int | None
    scheduled: int | None
    finished: int | None
    phase: str
    queue: str
    user: str
    priority: int | None
    priority_class: str


@dataclass(slots=True)
class Group:
    """One pod group of KAI."""

    name: Name
    place: Location
    created: int | None
    queue: str
    user: str
    priority_class: str
    preemptibility: str
    members: int
    started: int | None
    evicted: int | None


@dataclass(slots=True)
class Story:
    """What events tell of one object."""

    place: Location
    first: int
    scheduled: int | None = None
    ended: int | None = None
    evictions: list[str] = field(default_factory=list)
    job: Name | None = None
    by_default: bool = False


class Objects:
    """Everything taken from the objects given.

    Attributes:
        pods: by name.
        groups: by name.
        stories: what events tell, by kind and name.
        priorities: values of priority classes.
        passed_over: where objects of other kinds stand.
    """

    def __init__(self, clock: Clock) -> None:
        self.pods: dict[Name, Pod] = {}
        self.groups: dict[Name, Group] = {}
        self.stories: dict[tuple[str, Name], Story] = {}
        self.priorities: dict[str, int] = {}
        self.passed_over: list[Location] = []
        self._clock = clock
        self._gpu_memory: int | None = None

    def take(self, body: dict[str, Any], place: Location) -> None:
        """Take one object.

        Raises:
            Unusable: if a time in it cannot be read.
        """
        kind, group = text(body, "kind"), text(body, "apiVersion").rpartition("/")[0]
        if kind == "Pod" and not group:
            self._pod(body, place)
        elif kind == "PodGroup" and group == "scheduling.run.ai":
            self._group(body, place)
        elif kind == "Event" and group in {"", "events.k8s.io"}:
            self._event(body, place)
        elif kind == "PriorityClass":
            value = integer(body, "value")
            if value is not None:
                self.priorities[text(body, "metadata", "name")] = value
        elif kind == "Node" and not group:
            self._node(body)
        else:
            self.passed_over.append(place)

    def request(self, pod: Pod) -> Request:
        """Return what a pod asks for, knowing the memory of the GPUs of all nodes given."""
        return request_of(pod.body_request, self._gpu_memory)

    def _node(self, body: dict[str, Any]) -> None:
        memory = labels(body).get(_GPU_MEMORY, "")
        if memory.isdigit() and memory.isascii() and 100 < int(memory) < 2**31:
            smaller = self._gpu_memory is None or int(memory) < self._gpu_memory
            self._gpu_memory = int(memory) if smaller else self._gpu_memory

    def _pod(self, body: dict[str, Any], place: Location) -> None:
        name = _name(body)
        marks = labels(body)
        owner = next((ref for ref in items(body, "metadata", "ownerReferences") if at(ref, "controller") is True), None)
        self.pods[name] = Pod(
            name,
            annotations_of(body).get(GROUP_OF_POD, ""),
            (text(owner, "kind"), text(owner, "name")),
            place,
            _only_requests(body),
            self._time(text(body, "metadata", "creationTimestamp")),
            self._scheduled(body),
            self._finished(body),
            text(body, "status", "phase"),
            next((marks[label] for label in QUEUE_LABELS if marks.get(label)), ""),
            marks.get(_USER, "") or annotations_of(body).get(_USER, ""),
            integer(body, "spec", "priority"),
            text(body, "spec", "priorityClassName"),
        )

    def _group(self, body: dict[str, Any], place: Location) -> None:
        name, marks, notes = _name(body), labels(body), annotations_of(body)
        self.groups[name] = Group(
            name,
            place,
            self._time(text(body, "metadata", "creationTimestamp")),
            text(body, "spec", "queue") or next((marks[label] for label in QUEUE_LABELS if marks.get(label)), ""),
            marks.get(_USER, "") or notes.get(_USER, ""),
            text(body, "spec", "priorityClassName"),
            text(body, "spec", "preemptibility"),
            integer(body, "spec", "minMember") or 1,
            self._time(notes.get(_LAST_START, "")),
            self._time(notes.get(_LAST_EVICTION, "")),
        )

    def _scheduled(self, body: dict[str, Any]) -> int | None:
        for condition in items(body, "status", "conditions"):
            if text(condition, "type") == "PodScheduled" and text(condition, "status") == "True":
                return self._time(text(condition, "lastTransitionTime"))
        return self._time(text(body, "status", "startTime"))

    def _finished(self, body: dict[str, Any]) -> int | None:
        """Return when the last container ended, of a pod that has ended."""
        if text(body, "status", "phase") not in {"Succeeded", "Failed"}:
            return None
        ends = [
            self._time(text(status, "state", "terminated", "finishedAt"))
            for status in items(body, "status", "containerStatuses")
        ]
        known = [end for end in ends if end is not None]
        if known:
            return max(known)
        # The statuses of containers are lost with their node; the pod stopped being ready when it ended.
        ready = (entry for entry in items(body, "status", "conditions") if text(entry, "type") == "Ready")
        return self._time(next((text(condition, "lastTransitionTime") for condition in ready), ""))

    def _event(self, body: dict[str, Any], place: Location) -> None:
        about = mapping(body, "involvedObject") or mapping(body, "regarding")
        name, kind = (text(about, "namespace"), text(about, "name")), text(about, "kind")
        first, last = self._span(body)
        story = self.stories.setdefault((kind, name), Story(place, first))
        story.first = min(story.first, first)
        reason, message = text(body, "reason"), text(body, "message") or text(body, "note")
        if reason == "Scheduled" and (story.scheduled is None or first < story.scheduled):
            sender = text(body, "reportingComponent") or text(body, "reportingController")
            story.scheduled = first
            story.by_default = (sender or text(body, "source", "component")) == DEFAULT_SCHEDULER
        elif reason in {"Killing", "Completed"}:
            story.ended = last if story.ended is None else max(story.ended, last)
        elif reason == "Evict":
            story.evictions.append(annotations_of(body).get("evictor-action-type", "") or "unknown action")
        elif reason == "SuccessfulCreate" and kind == "Job" and message.startswith("Created pod: "):
            pod = (name[0], message.removeprefix("Created pod: "))
            of_pod = self.stories.setdefault(("Pod", pod), Story(place, first))
            of_pod.job = name
            of_pod.first = min(of_pod.first, first)

    def _span(self, body: dict[str, Any]) -> tuple[int, int]:
        """Return when an event happened first and last."""
        written = [
            text(body, "firstTimestamp") or text(body, "deprecatedFirstTimestamp"),
            text(body, "eventTime"),
            text(body, "series", "lastObservedTime"),
            text(body, "lastTimestamp") or text(body, "deprecatedLastTimestamp"),
            text(body, "metadata", "creationTimestamp"),
        ]
        times = [time for time in map(self._time, written[:4]) if time is not None]
        if not times:
            times = [self._clock(written[4])]
        return min(times), max(times)

    def _time(self, written: str) -> int | None:
        return self._clock.maybe(written)


def _name(body: dict[str, Any]) -> Name:
    name = text(body, "metadata", "name")
    if not name:
        raise Unusable("TRACE-NAME", f"a {text(body, 'kind')} has no name")
    return text(body, "metadata", "namespace"), name


def _only_requests(body: dict[str, Any]) -> Any:
    """Return the part of a pod that says what it asks for; the rest of a pod takes some kilobytes."""
    spec = mapping(body, "spec")
    kept = ("containers", "initContainers", "resourceClaims", "nodeSelector", "affinity")
    small = {field: spec[field] for field in kept if field in spec}
    for part in ("containers", "initContainers"):
        small[part] = [
            {key: at(container, key) for key in ("resources", "restartPolicy")} for container in items(small, part)
        ]
    return {"metadata": {"annotations": annotations_of(body)}, "spec": small}
