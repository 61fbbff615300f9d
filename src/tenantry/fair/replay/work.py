"""Jobs of a trace as a replay sees them: what they ask a scheduler for, and how their work goes on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenantry.model.job import ANYWHERE, GpuRequest, Job, NodeTerm, Placement, Pod, PodStatus, gpu_fraction, whole_gpus
from tenantry.model.selector import Requirement
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.replay.setup import Setup
    from tenantry.model.job_table import JobTable

MODELS = "|"
"""Between the GPU models a job may run on."""
MEBIBYTE = 1024 * 1024

NO_GPU = "asks for no GPU"
NO_QUEUE = "is of a tenant without a queue"
ODD_SIZE = "asks for a part of several GPUs in one pod"


@dataclass(slots=True)
class LeftOut:
    """Jobs of a trace that are not replayed.

    Attributes:
        reason: what about them is not replayed.
        count: how many there are.
        first: position of the first.
    """

    reason: str
    count: int
    first: int


class Work:
    """One job during a replay.

    Attributes:
        index: position in the table of jobs.
        job: as the scheduler sees it, except for its pods.
        pods: its pods as they stand.
        pod_gpus: milli-GPUs of each pod.
        duration: seconds of work.
        left: seconds of work left since its last checkpoint.
        since: second from which it works; None while pods are missing.
        epoch: counts starts and stops, so that an end planned before an eviction is known to be void.
    """

    __slots__ = ("_seen", "duration", "epoch", "index", "job", "left", "pod_gpus", "pods", "since")

    def __init__(self, index: int, job: Job, pod_gpus: int, duration: int) -> None:
        self.index, self.job, self.pod_gpus = index, job, pod_gpus
        self.pods = list(job.pods)
        self.duration = self.left = duration
        self.since: int | None = None
        self.epoch = 0
        self._seen: Job | None = job

    def view(self) -> Job:
        """Return the job as the scheduler sees it."""
        if self._seen is None:
            self._seen = self.job = replace(self.job, pods=tuple(self.pods))
        return self._seen

    def change(self, **fields: int | None) -> None:
        """Change what the scheduler keeps about the job."""
        if any(getattr(self.job, name) != value for name, value in fields.items()):
            self.job = replace(self.job, **fields)  # type: ignore[arg-type]
            self._seen = None

    def set_pod(self, position: int, status: PodStatus, node: str = "", groups: tuple[str, ...] = ()) -> None:
        """Move one pod."""
        self.pods[position] = replace(self.pods[position], status=status, node=node, groups=groups)
        self._seen = None

    def count(self, status: PodStatus) -> int:
        """How many pods stand there."""
        return sum(pod.status is status for pod in self.pods)

    def start(self, now: int, startup: int) -> int:
        """Begin to work; return when the work will be done."""
        self.since = now + startup
        self.epoch += 1
        return self.since + self.left

    def stop(self, now: int, checkpoint: int | None) -> int:
        """Stop working; return the seconds of work that are lost."""
        self.epoch += 1
        if self.since is None:
            return 0
        done = self.duration - self.left + max(0, now - self.since)
        self.since = None
        kept = saved(done, checkpoint)
        self.left = self.duration - kept
        return done - kept


def saved(done: int, checkpoint: int | None) -> int:
    """Seconds of work that are kept of what was done when a job is evicted."""
    if checkpoint is None:
        return 0
    return done - done % checkpoint if checkpoint > 0 else done


@dataclass(slots=True)
class Workload:
    """The jobs of a trace that can be replayed.

    Attributes:
        table: the jobs.
        setup: the cluster they are replayed on.
        left_out: jobs that are not replayed, by reason.
    """

    table: JobTable
    setup: Setup
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    _counts_cpu: bool = False
    _counts_memory: bool = False

    def __post_init__(self) -> None:
        self._counts_cpu = any(node.cpu for node in self.setup.nodes)
        self._counts_memory = any(node.memory for node in self.setup.nodes)

    def make(self, index: int) -> Work | None:
        """Return a job of the table, or None after noting why it is left out."""
        table, setup = self.table, self.setup
        reason = refusal(table, index, setup)
        if reason is not None:
            known = self.left_out.setdefault(reason, LeftOut(reason, 0, index))
            known.count += 1
            return None
        name, gpus, submit = table.name(index), table.gpus[index], table.submit[index]
        template = Pod(
            name=name,
            gpu=gpu_request(gpus),
            cpu=float(table.cpus[index]) if self._counts_cpu else 0.0,
            memory=float(table.memory[index] * MEBIBYTE) if self._counts_memory else 0.0,
            created=submit,
            placement=placement(table.models[table.gpu[index]], setup.model_label),
        )
        priority = table.priority(index)
        job = Job(
            name=name,
            queue=setup.queue_of[table.tenants[table.tenant[index]]],
            pods=tuple(replace(template, name=f"{name}-{number:04d}") for number in range(table.pods[index])),
            priority=setup.priority if priority is None else priority,
            preemptible=table.preemptible(index),
            created=submit,
        )
        return Work(index, job, gpus, table.duration[index])


def refusal(table: JobTable, index: int, setup: Setup) -> str | None:
    """Why a job is not replayed, or None."""
    gpus = table.gpus[index]
    if not gpus or not table.pods[index]:
        return NO_GPU
    if gpus > MILLI and gpus % MILLI:
        return ODD_SIZE
    return None if table.tenants[table.tenant[index]] in setup.queue_of else NO_QUEUE


def gpu_request(gpus: int) -> GpuRequest:
    """Request milli-GPUs: whole ones, or a part of one."""
    return gpu_fraction(gpus / MILLI) if gpus < MILLI else whole_gpus(gpus // MILLI)


def placement(models: str, label: str) -> Placement:
    """Demand one of some GPU models; anything when none is named."""
    if not models:
        return ANYWHERE
    names: Sequence[str] = sorted(models.split(MODELS))
    return Placement(terms=(NodeTerm((Requirement(label, "In", tuple(names)),)),))
