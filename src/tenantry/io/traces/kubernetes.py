"""Kubernetes objects: submissions put together from pod groups, pods and events.

``kubectl get podgroups,pods,events,nodes,priorityclasses -A -o json``, one file or a folder of them, JSON or YAML. A
pod group of KAI is a submission; without one, the pods of one controller are, or a pod alone. Events alone tell when
pods were placed and ended, not what they asked for. Objects are all held until the last is read, some kilobytes each.
Source: KAI scheduler v0.17, ``pkg/common/constants``, ``pkg/scheduler/cache/status_updater``; core/v1 Event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError
from tenantry.io.traces.json_stream import BrokenJson, records
from tenantry.io.traces.kube_objects import Group, Name, Objects, Pod, Story
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.source import TextBlocks, head_of, open_binary
from tenantry.io.traces.table import Reading, chosen_tenant
from tenantry.io.traces.values import Clock, checked_duration
from tenantry.io.walk import Walk, shown
from tenantry.io.yaml_read import Limits, load_documents, read_file
from tenantry.model.problem import Location
from tenantry.model.reading import items, text
from tenantry.model.trace import Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDS: Final = (
    "a JSON or YAML List, or a folder of them, with PodGroup, Pod or Event objects: kubectl get ... -A -o json"
)
TENANTS: Final = ("queue", "namespace", "user")
SUFFIXES: Final = (".json", ".json.gz", ".yaml", ".yml")

_YAML: Final = Limits(max_bytes=64 << 20)
# Values of the priority classes that KAI installs. Source: deployments/kai-scheduler/templates/priorityclasses.
_CLASSES: Final = MappingProxyType({"train": 50, "build-preemptible": 75, "build": 100, "inference": 125})
# Controllers that keep pods running; without GPUs these are the platform itself.
_SERVICES: Final = frozenset(("Pod", "ReplicaSet", "StatefulSet", "DaemonSet", "Node", "ReplicationController"))
# Below this priority KAI may evict. Source: pkg/common/podgroup/preemptible.go.
_PREEMPTIBLE_BELOW: Final = 100


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the submissions, in order of submission."""
    tenant = chosen_tenant(reading, TENANTS)
    clock = Clock()
    objects = Objects(clock)
    for place, body in _objects(reading):
        reading.rows += 1
        try:
            objects.take(body, place)
        except Unusable as problem:
            message = f"{text(body, 'kind')} {text(body, 'metadata', 'name')}: {problem.message}; it is left out"
            reading.log.add(problem.rule, place, message, problem.expected, problem.found)
    for place in objects.passed_over:
        reading.log.remark("TRACE-NO-JOB", place, "the object is no pod, pod group or event")
    submissions = [each for each in _submissions(objects, reading) if each.submit is not None]
    submissions.sort(key=lambda each: (each.submit, each.name))
    reading.origin = submissions[0].submit if submissions else None
    maker = _Maker(objects, reading, tenant, reading.origin or 0)
    for submission in submissions:
        yield from maker.jobs(submission)


def _objects(reading: Reading) -> Iterator[tuple[Location, dict[str, Any]]]:
    for path in _files(reading.path):
        for line, value in _values(path, reading):
            if isinstance(value, dict):
                yield Location(shown(path), line), value
            else:
                place = Location(shown(path), line)
                reading.log.add("TRACE-JSON", place, "this is no object; it is left out", "an object", printable(value))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    walk = Walk(wanted=lambda name: name.lower().endswith(SUFFIXES))
    walk.add_folder(path)
    if walk.problems:
        problem = walk.problems[0]
        raise InputError(f"{shown(problem.path)} {problem.reason}")
    return walk.files


def _values(path: Path, reading: Reading) -> Iterator[tuple[int, Any]]:
    is_json = head_of(path).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
    # YAML may start with a brace too, but only JSON can be read record by record.
    if is_json and path.suffix.lower() not in {".yaml", ".yml"}:
        with open_binary(path) as stream:
            try:
                yield from records(TextBlocks(stream, shown(path), reading.log).parts())
            except BrokenJson as error:
                place = Location(shown(path), error.line)
                message = "the text is not JSON from here on; the objects before are used"
                reading.log.add("TRACE-JSON", place, message, found=error.reason)
        return
    for document in load_documents(read_file(path, _YAML), shown(path), limits=_YAML):
        members = items(document.value, "items")
        for value in members or ([document.value] if document.value is not None else []):
            yield document.line, value


@dataclass(slots=True)
class _Submission:
    """What was submitted together: a pod group and its pods, the pods of a controller, or what events tell of a pod."""

    name: str
    namespace: str
    place: Location
    submit: int | None
    group: Group | None = None
    pods: list[Pod] = field(default_factory=list)
    gone: list[Story] = field(default_factory=list)
    """What events tell of pods that are not there."""
    about: list[Story] = field(default_factory=list)
    """What events tell of the pod group or controller itself."""


def _submissions(objects: Objects, reading: Reading) -> Iterator[_Submission]:
    found: dict[tuple[str, Name], _Submission] = {}
    for name, group in objects.groups.items():
        found["PodGroup", name] = _Submission("/".join(name), name[0], group.place, group.created, group)
    for name, pod in objects.pods.items():
        key = _owner(pod, objects)
        service = key is None or key[0] in _SERVICES
        if service and objects.request(pod).gpus == 0:
            message = f"the pod {'/'.join(name)} belongs to no job and asks for no GPU"
            reading.log.remark("TRACE-NO-JOB", pod.place, message)
            continue
        kind, whole = key or ("Pod", name)
        submission = found.get((kind, whole))
        if submission is None:
            submission = found[kind, whole] = _Submission("/".join(whole), name[0], pod.place, pod.created)
        submission.pods.append(pod)
        if submission.group is None and pod.created is not None:
            submission.submit = min(pod.created, submission.submit if submission.submit is not None else pod.created)
    _add_stories(found, objects)
    yield from found.values()


def _owner(pod: Pod, objects: Objects) -> tuple[str, Name] | None:
    """Return what a pod was submitted with; None for a pod alone."""
    group = (pod.name[0], pod.group)
    if pod.group and group in objects.groups:
        return "PodGroup", group
    kind, name = pod.owner
    if not kind:
        return None
    return kind, (pod.name[0], pod.group or name)


def _add_stories(found: dict[tuple[str, Name], _Submission], objects: Objects) -> None:
    """Add what events tell of submissions, and submissions of which only events tell."""
    others = any(story.scheduled is not None and not story.by_default for story in objects.stories.values())
    for (kind, name), story in objects.stories.items():
        # Where another scheduler places the jobs, what the default one places is the platform itself.
        if kind != "Pod" or name in objects.pods or (story.by_default and others):
            continue
        whole = ("Job", story.job) if story.job is not None else (kind, name)
        submission = found.get(whole)
        if submission is None:
            submission = found[whole] = _Submission("/".join(whole[1]), name[0], story.place, story.first)
        if not submission.pods and submission.submit is not None:
            submission.gone.append(story)
            submission.submit = min(submission.submit, story.first)
    for key, story in objects.stories.items():
        if key[0] != "Pod" and key in found:
            found[key].about.append(story)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes jobs of submissions."""

    objects: Objects
    reading: Reading
    tenant: str
    origin: int
    taken: dict[str, int] = field(default_factory=dict)

    def jobs(self, submission: _Submission) -> Iterator[TraceJob]:
        """Yield the job of a submission, or one for each kind of its pods."""
        log, place = self.reading.log, submission.place

        def warn(rule: str, message: str) -> None:
            log.add(rule, place, message)

        def remark(rule: str, message: str) -> None:
            log.remark(rule, place, message)

        for reason in (reason for story in submission.about for reason in story.evictions):
            remark("TRACE-EVICTED", f"{submission.name} was evicted ({reason}); what it ran before is not counted")
        try:
            made = list(self._made(submission))
        except Unusable as problem:
            message = f"{submission.name}: {problem.message}; it is left out"
            log.add(problem.rule, place, message, problem.expected, problem.found)
            return
        if len(made) > 1:
            remark("TRACE-PARTS", f"the pods of {submission.name} are unlike; each kind is a job of its own")
        for job in made:
            yield self.reading.given(job, warn, remark)

    def _made(self, submission: _Submission) -> Iterator[TraceJob]:
        started, lasted, outcome = _runtime(submission)
        owner = self._tenant(submission)
        priority, preemptible = self._priority(submission)
        user = submission.group.user if submission.group is not None else ""
        user = user or next((pod.user for pod in submission.pods if pod.user), "")
        for pods, gpus, cpus, memory, model in self._kinds(submission):
            yield TraceJob(
                self._unused(submission.name),
                owner,
                (submission.submit or 0) - self.origin,
                lasted,
                pods,
                gpus,
                cpus,
                memory,
                model,
                priority,
                preemptible,
                outcome,
                started - self.origin,
                user,
            )

    def _unused(self, name: str) -> str:
        """Return the name, numbered where a part of the submission or an object of another kind has it already."""
        number = self.taken[name] = self.taken.get(name, 0) + 1
        return name if number == 1 else self._unused(f"{name}/{number}")

    def _tenant(self, submission: _Submission) -> str:
        queue = submission.group.queue if submission.group is not None else ""
        queue = queue or next((pod.queue for pod in submission.pods if pod.queue), "")
        user = submission.group.user if submission.group is not None else ""
        user = user or next((pod.user for pod in submission.pods if pod.user), "")
        # Where there are no queues, namespaces are what tenants have.
        owner = {"queue": queue or submission.namespace, "namespace": submission.namespace, "user": user}[self.tenant]
        if not owner:
            raise Unusable("TRACE-TENANT", f"it has no {self.tenant}")
        return owner

    def _priority(self, submission: _Submission) -> tuple[int | None, bool | None]:
        """Return priority and whether it may be evicted, as KAI takes both."""
        group = submission.group
        name = group.priority_class if group is not None else ""
        name = name or next((pod.priority_class for pod in submission.pods if pod.priority_class), "")
        known = {**_CLASSES, **self.objects.priorities, **self.reading.options.priorities}
        priority = known.get(name)
        if priority is None:
            priority = next((pod.priority for pod in submission.pods if pod.priority is not None), None)
        if group is None:
            return priority, None
        if group.preemptibility:
            return priority, group.preemptibility == "preemptible"
        return priority, None if priority is None else priority < _PREEMPTIBLE_BELOW

    def _kinds(self, submission: _Submission) -> list[tuple[int, int, int, int, str]]:
        """Return number, milli-GPUs, millicores, MiB and model of the pods of each kind, the largest first."""
        if not submission.pods:
            pods = submission.group.members if submission.group is not None else max(1, len(submission.gone))
            self._assumed(submission)
            return [(pods, self.reading.options.unknown_gpus, 0, 0, "")]
        kinds: dict[tuple[int, str], list[tuple[int, int]]] = {}
        for pod in submission.pods:
            request = self.objects.request(pod)
            if request.gpus is None:
                self._assumed(submission)
            gpus = self.reading.options.unknown_gpus if request.gpus is None else request.gpus
            kinds.setdefault((gpus, request.model), []).append((request.cpus, request.memory))
        return [
            (len(alike), gpus, max(cpus for cpus, _ in alike), max(memory for _, memory in alike), model)
            for (gpus, model), alike in sorted(kinds.items(), key=lambda kind: (-kind[0][0], kind[0][1]))
        ]

    def _assumed(self, submission: _Submission) -> None:
        message = f"{submission.name}: nothing says how much GPU its pods ask for; a part of a GPU or more is assumed"
        found = f"{self.reading.options.unknown_gpus} milli-GPUs each"
        self.reading.log.add("TRACE-ASSUMED", submission.place, message, found=found)


def _runtime(submission: _Submission) -> tuple[int, int, Outcome]:
    """Return start, duration and outcome.

    Raises:
        Unusable: if it did not start, or has not ended.
    """
    parts = [(pod.scheduled, pod.finished) for pod in submission.pods]
    parts = parts or [(story.scheduled, story.ended) for story in submission.gone]
    starts = [start for start, _ in parts if start is not None]
    if not starts and submission.group is not None and submission.group.started is not None:
        starts = [submission.group.started]
    if not starts:
        raise Unusable("TRACE-NEVER-RAN", "it never started")
    ends = [end for _, end in parts if end is not None]
    told = [story.ended for story in submission.about if story.ended is not None]
    if not told and (not ends or len(ends) < len(parts)):
        raise Unusable("TRACE-UNFINISHED", "nothing tells that it ended; it may still run")
    started = min(starts)
    return started, checked_duration(max(ends + told) - started), _outcome(submission.pods)


def _outcome(pods: list[Pod]) -> Outcome:
    phases = {pod.phase for pod in pods}
    if "Failed" in phases:
        return Outcome.FAILED
    return Outcome.COMPLETED if phases == {"Succeeded"} else Outcome.UNKNOWN
