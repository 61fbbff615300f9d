"""Which node pool and queue the jobs of a trace go to, as whom, and which jobs are left out, each with its reason.

A job belongs to a tenant of the platform by a table, or because the trace names it so. Of the pools it goes to

1. one that offers a GPU model it demands, or that it demands by its own name; a model that no pool offers is no demand;
2. else, if one pool is asked for, that one;
3. else one its tenant is entitled to: rather one that hands out what it asks for (parts of GPUs, or whole ones), then
   the one with the largest quota, then limit, then by name. A pool it can never start in comes after all it can.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tenantry.fair.room import Room, Shape
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.room import Never
    from tenantry.model.trace import TraceJob

ANYBODY = "*"
"""In a table of tenants: every tenant that it does not name."""

_TOKEN = re.compile(r"[a-z0-9]+")
_VENDOR = {"nvidia", "tesla"}


@dataclass(frozen=True, slots=True)
class PoolOffer:
    """A node pool as jobs choose among them.

    Attributes:
        name: name of the pool.
        titles: what the GPU model is called: in the catalog, on nodes, by people.
        setup: the cluster the pool is.
        slices: compute slices of a whole GPU, for pools of MIG instances; 0 for others.
        sizes: milli-GPUs of the instances each tenant is entitled to, ascending; only for pools of MIG instances.
        entitled: quota and limit by tenant.
        refused: why nothing can be replayed there; empty when it can.
    """

    name: str
    titles: tuple[str, ...]
    setup: Setup
    slices: int = 0
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    entitled: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refused: str = ""


class Aside(StrEnum):
    """Why a job is left out."""

    NO_GPU = "no-gpu"
    NO_DURATION = "no-duration"
    ODD_SIZE = "odd-size"
    UNKNOWN_TENANT = "unknown-tenant"
    OTHER_POOL = "other-pool"
    NO_QUEUE = "no-queue"
    REFUSED_POOL = "refused-pool"
    NO_INSTANCE = "no-instance"
    NEVER_STARTS = "never-starts"


class Change(StrEnum):
    """What of a job is replayed otherwise than the trace says."""

    MODEL = "model"
    PRIORITY = "priority"


class Note(NamedTuple):
    """What was left out or changed, and about whom.

    Attributes:
        kind: what.
        about: tenant of the trace where it is unknown, else tenant of the platform; empty where that does not matter.
        pool: node pool; empty when none.
        detail: further words: the model, the reason a job never starts, the priority class.
    """

    kind: Aside | Change
    about: str = ""
    pool: str = ""
    detail: str = ""


@dataclass(slots=True)
class Noted:
    """How often something was noted.

    Attributes:
        count: jobs.
        gpu_time: milli-GPU-seconds they ask for.
        first: name of the first of them.
    """

    count: int = 0
    gpu_time: int = 0
    first: str = ""


class Router:
    """Sends jobs to pools and keeps count of what is left out or changed.

    Attributes:
        offers: pools.
        notes: what was left out or changed so far.
        seen: jobs by tenant of the trace.
    """

    def __init__(
        self,
        offers: Sequence[PoolOffer],
        *,
        tenants: Mapping[str, str],
        priorities: Mapping[str, tuple[int, ...]],
        only: str = "",
    ) -> None:
        """Prepare.

        Args:
            offers: pools of the platform.
            tenants: tenant of the platform by tenant of the trace; :data:`ANYBODY` stands for all it does not name.
            priorities: values of the priority classes each tenant may use, ascending.
            only: the only pool of interest; empty for all.
        """
        self.offers = tuple(offers)
        self.notes: dict[Note, Noted] = {}
        self.seen: Counter[str] = Counter()
        self._tenants, self._priorities, self._only = tenants, priorities, only
        self._rooms = [Room(offer.setup) for offer in offers]
        self._ranked = lru_cache(maxsize=None)(self._rank)
        self._named = lru_cache(maxsize=None)(self._pools_named)

    def route(self, job: TraceJob) -> tuple[int, TraceJob] | None:
        """Return the number of the pool a job goes to and the job as it is replayed there; None when it is left out."""
        placed = self._placed(job)
        if isinstance(placed, Note):
            self._count(job, placed)
            return None
        return placed

    def _placed(self, job: TraceJob) -> tuple[int, TraceJob] | Note:
        self.seen[job.tenant] += 1
        reason = _unfit(job)
        if reason is not None:
            return Note(reason)
        tenant = self._tenants.get(job.tenant) or self._tenants.get(ANYBODY, "")
        if not tenant:
            return Note(Aside.UNKNOWN_TENANT, job.tenant)
        named = self._named(job.gpu)
        if named and self._only and self._only not in {self.offers[number].name for number in named}:
            return Note(Aside.OTHER_POOL, tenant, detail=job.gpu)
        ranked = self._ranked(tenant, job.gpus < MILLI, named)
        if not ranked:
            return Note(Aside.NO_QUEUE, tenant, self._only, job.gpu if named else "")
        if job.gpu and not named:
            self._count(job, Note(Change.MODEL, detail=job.gpu))
        return self._in_first(self._with_priority(replace(job, tenant=tenant, gpu="")), ranked)

    def _in_first(self, job: TraceJob, ranked: tuple[int, ...]) -> tuple[int, TraceJob] | Note:
        """Take the first pool a job can start in; else say what is against the best one."""
        against: list[Note] = []
        for number in ranked:
            offer = self.offers[number]
            if offer.refused:
                against.append(Note(Aside.REFUSED_POOL, job.tenant, offer.name))
            elif (shaped := self._shaped(offer, job)) is None:
                against.append(Note(Aside.NO_INSTANCE, job.tenant, offer.name))
            elif (never := self._never(number, shaped)) is not None:
                against.append(Note(Aside.NEVER_STARTS, job.tenant, offer.name, f"{never.reason}: {never.most}"))
            else:
                return number, shaped
        return against[0]

    def _shaped(self, offer: PoolOffer, job: TraceJob) -> TraceJob | None:
        """Return a job as the pool counts it: on MIG instances, the smallest that is as much of a GPU."""
        if not offer.slices:
            return job
        # Readers round parts of a GPU down, so that 428 thousandths are three of seven slices.
        needed = -(-job.gpus * offer.slices // MILLI) * MILLI
        size = next((size for size in offer.sizes.get(job.tenant, ()) if size >= needed), None)
        return None if size is None else replace(job, gpus=size)

    def _never(self, number: int, job: TraceJob) -> Never | None:
        setup = self.offers[number].setup
        lasting = is_lasting(setup.priority if job.priority is None else job.priority, job.preemptible)
        shape = Shape(setup.queue_of[job.tenant], job.pods, job.gpus, job.cpus, job.memory, lasting)
        return self._rooms[number].never(shape)

    def _with_priority(self, job: TraceJob) -> TraceJob:
        """Return a job at a priority its tenant may use: the next class below its own, else the lowest."""
        allowed = self._priorities.get(job.tenant, ())
        if job.priority is None or not allowed or job.priority in allowed:
            return job
        value = max((value for value in allowed if value <= job.priority), default=allowed[0])
        self._count(job, Note(Change.PRIORITY, job.tenant, detail=f"{job.priority} as {value}"))
        return replace(job, priority=value)

    def _pools_named(self, models: str) -> frozenset[int]:
        """Return the pools that offer one of some models, or are named so."""
        wanted = [name for name in models.split("|") if name]
        by_name = frozenset(number for number, offer in enumerate(self.offers) if offer.name in wanted)
        if by_name:
            return by_name
        return frozenset(
            number for number, offer in enumerate(self.offers) if any(is_model(name, offer.titles) for name in wanted)
        )

    def _rank(self, tenant: str, parts: bool, named: frozenset[int]) -> tuple[int, ...]:
        """Return the pools a tenant's jobs may go to, best first."""

        def key(number: int) -> tuple[bool, bool, float, float, str]:
            offer = self.offers[number]
            quota, limit = offer.entitled[tenant]
            return bool(offer.refused), bool(offer.slices) is not parts, -quota, -limit, offer.name

        numbers = [
            number
            for number in sorted(named) or range(len(self.offers))
            if not self._only or self.offers[number].name == self._only
        ]
        return tuple(sorted((number for number in numbers if tenant in self.offers[number].entitled), key=key))

    def _count(self, job: TraceJob, note: Note) -> None:
        noted = self.notes.setdefault(note, Noted(first=job.name))
        noted.count += 1
        noted.gpu_time += job.demand * job.duration


def _unfit(job: TraceJob) -> Aside | None:
    if not job.gpus or not job.pods:
        return Aside.NO_GPU
    if not job.duration:
        return Aside.NO_DURATION
    return Aside.ODD_SIZE if job.gpus > MILLI and job.gpus % MILLI else None


def is_lasting(priority: int, preemptible: bool | None) -> bool:
    """Whether a job may not be evicted."""
    return priority >= PREEMPTIBLE_BELOW if preemptible is None else not preemptible


def is_model(name: str, titles: Iterable[str]) -> bool:
    """Whether a name says no more than the titles of a GPU model do: ``A100-80GB`` of ``NVIDIA-A100-SXM4-80GB``."""
    wanted = set(_TOKEN.findall(name.lower())) - _VENDOR
    known = {token for title in titles for token in _TOKEN.findall(title.lower())}
    return bool(wanted) and wanted <= known
