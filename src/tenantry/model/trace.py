"""Traces: what was submitted to a cluster, when, by whom, and how long it ran.

Amounts are integers: milli-GPUs, millicores, MiB and seconds. Times count from the first submission of the trace, so
that two traces can be laid side by side.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

MILLI = 1000
"""Milli-GPUs of one whole GPU."""


class Outcome(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class TraceJob(msgspec.Struct, frozen=True, gc=False):
    """One submission: ``pods`` alike that start together.

    Attributes:
        name: identifier, unique in the trace.
        tenant: team, virtual cluster, account or user that pays for it.
        submit: seconds from the first submission.
        duration: seconds it runs once started; 0 when the trace does not say, and then the job can be packed onto
            nodes but not replayed.
        pods: pods started together.
        gpus: milli-GPUs of each pod; 500 is half a GPU, 8000 eight whole ones.
        cpus: millicores of each pod; 0 when the trace does not say.
        memory: MiB of each pod; 0 when the trace does not say.
        gpu: GPU models it may run on, joined by ``|``; empty for any.
        priority: value of its priority class, None when the trace does not say.
        preemptible: whether it may be evicted for others, None when the trace does not say.
        outcome: how it ended.
        started: seconds from the first submission at which it really started, None when unknown or never.
        user: the person, where the trace tells tenants and people apart.
    """

    name: str
    tenant: str
    submit: int
    duration: int
    pods: int = 1
    gpus: int = MILLI
    cpus: int = 0
    memory: int = 0
    gpu: str = ""
    priority: int | None = None
    preemptible: bool | None = None
    outcome: Outcome = Outcome.UNKNOWN
    started: int | None = None
    user: str = ""

    @property
    def demand(self) -> int:
        """Milli-GPUs of all its pods."""
        return self.pods * self.gpus


def pod_size(gpus: int, per_node: int) -> int:
    """Return the milli-GPUs of each of the fewest pods that are alike, fit nodes and have these GPUs together.

    A job that fits one node is one pod; 16 GPUs on nodes of 8 are pods of 8, 12 are pods of 6, 11 are pods of 1.

    Args:
        gpus: milli-GPUs of the whole job.
        per_node: GPUs of one node.

    Raises:
        ValueError: if the job needs several nodes and part of a GPU.
    """
    if gpus <= per_node * MILLI:
        return gpus
    if gpus % MILLI:
        raise ValueError(f"{gpus} milli-GPUs on nodes of {per_node} GPUs cannot be split into pods")
    return next(size for size in range(per_node, 0, -1) if not gpus // MILLI % size) * MILLI


class TraceNode(msgspec.Struct, frozen=True, gc=False):
    """A node of the cluster a trace comes from, or that it is replayed on.

    Attributes:
        name: name of the node.
        gpus: whole GPUs.
        gpu: GPU model; empty when the trace does not say.
        cpus: millicores; 0 when the trace does not say.
        memory: MiB; 0 when the trace does not say.
    """

    name: str
    gpus: int
    gpu: str = ""
    cpus: int = 0
    memory: int = 0
