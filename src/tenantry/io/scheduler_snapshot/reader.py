"""Reads a snapshot, and takes one node pool out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.io.scheduler_snapshot.cluster import Cluster, repeated
from tenantry.io.scheduler_snapshot.fields import Log
from tenantry.io.scheduler_snapshot.jobs import job_of, set_aside, title_of
from tenantry.io.scheduler_snapshot.queues import check_tree, one_level, owner_of, queue_of, usable
from tenantry.io.scheduler_snapshot.sources import read_sources
from tenantry.model.finding import Severity
from tenantry.model.job import ACTIVE_USED, PodStatus
from tenantry.model.moment import Moment
from tenantry.model.pool_snapshot import DEFAULT_POOL, JobTitle, PoolSnapshot, SetAside
from tenantry.model.problem import SpecProblem, Subject, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tenantry.io.scheduler_snapshot.fields import Fields
    from tenantry.io.scheduler_snapshot.pods import ReadPod
    from tenantry.model.finding import Finding
    from tenantry.model.job import Job, Pod
    from tenantry.model.manifest import Manifest
    from tenantry.model.pool_snapshot import Eviction
    from tenantry.model.problem import Location
    from tenantry.model.queue import Queue

_ASK = "kubectl get nodes,pods,queues.scheduling.run.ai,podgroups.scheduling.run.ai,priorityclasses -A -o json"
SAME_NAME = "another pod group of its name exists, and the scheduler tells pod groups apart by name only"
_BROKEN = frozenset({"LINT-YAML", "LINT-UNREADABLE", "LINT-SYMLINK-LOOP", "LINT-NOT-MANIFEST", "LINT-NOT-OBJECT"})


class ClusterSnapshot:
    """A cluster at one instant.

    Attributes:
        pools: names of its node pools, sorted.
        manifests: every object that was read.
        now: second it is read for, since 1970.
    """

    def __init__(self, cluster: Cluster, files: Sequence[Finding], log: Log) -> None:
        self._cluster, self._files, self._log = cluster, tuple(files), log
        self._read: dict[str, PoolSnapshot] = {}
        self.manifests: tuple[Manifest, ...] = tuple(cluster.objects)
        self.now, self.pools = cluster.now, _pools(cluster)
        self._same_names()

    @property
    def problems(self) -> tuple[SpecProblem, ...]:
        """What cannot be read, in the order of files and lines."""
        return tuple(sorted(set(self._log.problems), key=lambda item: (item.location, item.path, item.message)))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is worth knowing about the objects and files that were read."""
        return tuple(sorted({*self._files, *self._log.findings}, key=lambda item: item.sort_key()))

    def pool(self, name: str) -> PoolSnapshot:
        """Return one node pool.

        Raises:
            InputError: if there is none of that name.
        """
        if name not in self.pools:
            hint = did_you_mean(name, self.pools)
            raise InputError(f"there is no node pool {name!r}; there are {', '.join(self.pools)}{hint}")
        if name not in self._read:
            self._read[name] = _Pool(self._cluster, self._log, name).read()
        return self._read[name]

    def place(self, group: str, kind: str, name: str, namespace: str = "") -> Location | None:
        """Return where an object was read; None when there is no such object."""
        found = self._cluster.objects.get(group, kind, name, namespace)
        return found.location if found is not None else None

    def _same_names(self) -> None:
        for item in repeated(self._cluster.objects):
            message = "the object is in the snapshot twice, with different content"
            self._log.problem(item, (), message, expected="every object once, as it was at one instant")


def read_snapshot(paths: Sequence[Path], *, pool_label: str = "", at_time: int | None = None) -> ClusterSnapshot:
    """Read a snapshot of a cluster.

    Args:
        paths: files and folders of manifests, or a zip that the KAI scheduler served.
        pool_label: label by which objects belong to a node pool; the scheduler's own when empty.
        at_time: second since 1970 it is read for; the newest in the snapshot when None.

    Raises:
        InputError: if a path cannot be read, or what is read holds no cluster.
    """
    sources = read_sources(paths)
    log = Log()
    for item in sources.findings:
        if item.rule in _BROKEN:
            log.problems.append(
                SpecProblem(Subject("File", item.subject), (), item.message, location=item.location, rule=item.rule)
            )
    cluster = Cluster(sources, log, pool_label=pool_label, at_time=at_time)
    names = ", ".join(str(path) for path in paths)
    for kind, found in (("Node", cluster.nodes), ("Queue", cluster.queues)):
        if not found and not log.problems:
            raise InputError(f"{names}: there is no {kind}; a snapshot is what this prints:\n  {_ASK}")
    return ClusterSnapshot(cluster, [item for item in sources.findings if item.rule not in _BROKEN], log)


def _pools(cluster: Cluster) -> tuple[str, ...]:
    if cluster.served is not None:
        return (cluster.served_pool,)
    named = {cluster.pool_of(item) for item, _ in cluster.nodes} | {cluster.pool_of(item) for item in cluster.queues}
    named |= {cluster.pool_of(item) for item in cluster.groups}
    return tuple(sorted(named | {item.text("spec", "partitionLabelValue") or DEFAULT_POOL for item in cluster.shards}))


@dataclass(slots=True)
class _Jobs:
    """Jobs of a pool while they are read."""

    jobs: list[Job] = field(default_factory=list)
    titles: dict[str, JobTitle] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    assumed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    """Names of pods that belong to a job of the pool."""


class _Pool:
    """One node pool while it is read."""

    def __init__(self, cluster: Cluster, log: Log, name: str) -> None:
        self.cluster, self.log, self.name = cluster, log, name
        self.instance = cluster.instance(name)
        self.nodes = [node for item, node in cluster.nodes if self._mine(item)]
        self.names = {node.name for node in self.nodes}

    def _mine(self, fields: Fields) -> bool:
        return self.cluster.served is not None or self.cluster.pool_of(fields) == self.name

    def read(self) -> PoolSnapshot:
        fields = [item for item in self.cluster.queues if self._mine(item)]
        queues = [queue_of(item) for item in fields]
        check_tree(fields, queues)
        if not self.instance.full_hierarchy:
            queues = one_level(queues, self.cluster.now)
        found = self._jobs(queues)
        foreign, unqueued = self._others(found.taken)
        moment = Moment(
            now=self.cluster.now,
            queues=tuple(queues),
            jobs=tuple(found.jobs),
            nodes=tuple(self.nodes),
            topologies=self.cluster.topologies,
            foreign=foreign,
            unqueued=unqueued,
        )
        return PoolSnapshot(
            pool=self.name,
            moment=moment,
            config=self.instance.config,
            titles=found.titles,
            tenants={item.name: owner for item in fields if (owner := owner_of(item))},
            ends=found.ends,
            evictions=self._evictions(found),
            assumed=found.assumed,
            set_aside=found.set_aside,
        )

    # --- jobs --------------------------------------------------------------------------------------------------------

    def _jobs(self, queues: Sequence[Queue]) -> _Jobs:
        found = _Jobs()
        groups = [item for item in self.cluster.groups if self._mine(item)]
        here, anywhere = _counted(groups), _counted(self.cluster.groups)
        elsewhere = {(item.namespace, item.name) for item in self.cluster.groups}
        by_group, known = self.cluster.by_group(), usable(queues)
        for item in groups:
            twice = here[item.name] > 1
            pods = [
                pod
                for pod in by_group.get(item.name, ())
                if pod.namespace == item.namespace or (not twice and (pod.namespace, item.name) not in elsewhere)
            ]
            aside = set_aside(item, self.name)
            name = f"{item.namespace}/{item.name}" if anywhere[item.name] > 1 else item.name
            if aside is not None:
                found.titles[name] = title_of(item)
                found.set_aside[name] = aside
                continue
            unmodelled = SAME_NAME if twice else ""
            job = job_of(
                item, name, pods, self.cluster.priorities, known_queue=item.text("spec", "queue") in known,
                unmodelled=unmodelled,
            )  # fmt: skip
            self._add(found, item, job, pods)
            self._check(item, job, pods, known)
        return found

    def _check(self, item: Fields, job: Job, pods: Sequence[ReadPod], known: Mapping[str, bool]) -> None:
        queue = job.queue
        if job.unmodelled == SAME_NAME:
            item.find("SNAP-SAME-NAME", ("metadata", "name"), SAME_NAME)
        elif job.unmodelled:
            item.find("SNAP-NOT-MODELLED", (), f"the job is counted but not placed by the model: {job.unmodelled}")
        strangers = sorted({pod.namespace for pod in pods} - {item.namespace})
        if strangers:
            message = f"pods of namespace {strangers[0]} name it as their group, and the scheduler counts them to it"
            item.find("SNAP-SAME-NAME", ("metadata", "name"), message)
        if queue not in known:
            hint = did_you_mean(queue, known)
            message = (
                f"queue {queue or '(none)'} does not exist in node pool {self.name}; the job is never scheduled{hint}"
            )
            item.find("SNAP-JOB-QUEUE", ("spec", "queue"), message, severity=Severity.ERROR)
        elif not known[queue]:
            message = f"queue {queue} has queues below it and takes no jobs; the job is never scheduled"
            item.find("SNAP-JOB-QUEUE", ("spec", "queue"), message, severity=Severity.ERROR)

    @staticmethod
    def _add(found: _Jobs, item: Fields, job: Job, pods: Sequence[ReadPod]) -> None:
        name = job.name
        found.titles[name] = title_of(item)
        found.jobs.append(job)
        found.taken.update(pod.pod.name for pod in pods)
        assumed = dict.fromkeys(words for pod in pods if pod.demands is not None for words in pod.demands.assumed)
        if assumed:
            found.assumed[name] = tuple(assumed)
        ends = [pod.ends for pod in pods if pod.pod.status & ACTIVE_USED]
        known_ends = [end for end in ends if end is not None]
        if ends and len(known_ends) == len(ends):
            found.ends[name] = max(known_ends)

    def _evictions(self, found: _Jobs) -> dict[str, Eviction]:
        """Last evictions of the pool's jobs, with the jobs they happened for by the names these have here."""
        names = {(title.namespace, title.group): name for name, title in found.titles.items()}
        told = {}
        for name, item in self.cluster.evictions().items():
            if name in names:
                where, _, group = item.by.rpartition("/")
                told[names[name]] = replace(item, by=names.get((where, group), item.by))
        return told

    # --- other pods --------------------------------------------------------------------------------------------------

    def _others(self, taken: set[str]) -> tuple[tuple[Pod, ...], tuple[Pod, ...]]:
        """Pods on the pool's nodes that belong to none of its jobs: those of other schedulers, and further ones."""
        foreign: list[Pod] = []
        unqueued: list[Pod] = []
        groups = {(item.namespace, item.name) for item in self.cluster.groups}
        for item in self.cluster.pods:
            if item.pod.name in taken:
                continue
            ours = item.scheduler == self.instance.scheduler
            if ours and not item.helper and (item.namespace, item.group) not in groups:
                self._ungrouped(item)
            if not item.occupies or item.pod.node not in self.names:
                continue
            (unqueued if ours or item.helper else foreign).append(item.pod)
        return tuple(foreign), tuple(unqueued)

    def _ungrouped(self, item: ReadPod) -> None:
        if item.pod.status & (PodStatus.SUCCEEDED | PodStatus.FAILED):
            return
        what = f"pod group {item.group} is not in the snapshot" if item.group else "the pod has no pod group"
        effect = "it holds room that no queue is charged with" if item.occupies else "the scheduler does not see it"
        item.fields.find("SNAP-POD-GROUP", ("metadata", "annotations"), f"{what}; {effect}")


def _counted(groups: Sequence[Fields]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in groups:
        found[item.name] = found.get(item.name, 0) + 1
    return found
