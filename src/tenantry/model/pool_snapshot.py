"""One node pool of a cluster as its batch scheduler sees it: the moment, the scheduler's settings, and who is who."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.moment import Moment

DEFAULT_POOL = "default"
"""What the scheduler calls objects that name no node pool (KAI, pkg/common/constants/constants.go)."""


class EndSource(StrEnum):
    """How the ends of running jobs are known."""

    DEADLINE = "deadline"
    """By a deadline, at which a job ends at the latest."""
    TRACE = "trace"
    """By its run time in the trace that is replayed, after which it ends if it is left alone."""
    MADE_UP = "made-up"
    """By the run time it was made up with, after which it ends if it is left alone."""


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """How one scheduler instance is set up, in the words of its own configuration.

    Attributes:
        actions: actions of a cycle, in order; None when nobody says.
        plugins: arguments of every plugin that is on; None when nobody says.
        queue_depth: jobs per leaf queue an action looks at, by action.
        flags: options of its command line by name, as text.
        weighs_usage: whether a database of past usage is configured.
    """

    actions: tuple[str, ...] | None = None
    plugins: Mapping[str, Mapping[str, str]] | None = None
    queue_depth: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    weighs_usage: bool = False


@dataclass(frozen=True, slots=True)
class JobTitle:
    """How people know a job.

    Attributes:
        namespace: namespace.
        group: name of its pod group.
        owner: what the pod group was made for, such as ``PyTorchJob finetune``; empty when nothing says.
        owner_name: name of that object alone.
    """

    namespace: str
    group: str
    owner: str = ""
    owner_name: str = ""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A job the scheduler does not look at, and why.

    Attributes:
        queue: queue it was submitted to.
        reason: what keeps it out, a clause.
        said: what the scheduler recorded about it; empty when nothing.
        since: second at which it did; None when unknown.
    """

    queue: str
    reason: str
    said: str = ""
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Eviction:
    """The last time a job was evicted, as an event tells.

    Attributes:
        at: second.
        action: action of the scheduler that did it; empty when the event does not say.
        by: name of the job it happened for; empty when the event names none.
    """

    at: int
    action: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """A node pool at one instant.

    Attributes:
        pool: its name; :data:`DEFAULT_POOL` for objects that name none.
        moment: queues, jobs and nodes.
        config: how its scheduler is set up.
        titles: how people know the jobs of the moment.
        tenants: owner of a queue by the queue's name, where its labels or its display name say.
        ends: second at which a running job ends, where that is known.
        ends_by: how it is known.
        evictions: last evictions of jobs, where events tell.
        assumed: what was taken for granted about a job, clauses.
        set_aside: jobs that are not in the moment because the scheduler does not look at them.
    """

    pool: str
    moment: Moment
    config: SchedulerConfig = SchedulerConfig()
    titles: Mapping[str, JobTitle] = field(default_factory=dict)
    tenants: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[str, int] = field(default_factory=dict)
    ends_by: EndSource = EndSource.DEADLINE
    evictions: Mapping[str, Eviction] = field(default_factory=dict)
    assumed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set_aside: Mapping[str, SetAside] = field(default_factory=dict)
