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
