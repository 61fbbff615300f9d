"""Whether a queue may take back from others, from whom, and whether what a scenario takes is fair.

Source: pkg/scheduler/plugins/proportion (proportion.go, reclaimable/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.queues import INFINITE, Queue, exceeds
from tenantry.fair.kai.state import IS_ACTIVE, plain
from tenantry.model.queue import UNLIMITED
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Job, Task, Vector

Refusal = tuple[Gate, dict[str, Any]]
Three = tuple[float, float, float]


def may_reclaim(session: Session, job: Job) -> Refusal | None:
    """Why a job may not have anything reclaimed for it, or None: it would exceed its fair share or quota."""
    queue = session.queues.get(job.queue)
    if queue is None or "proportion" not in session.plugins:
        return Gate.QUEUE_MISSING, {}
    asked = session.axes.quantities(job.request(session.smallest_gpu, real=False))
    facts = {"queue": queue.name, "requested": asked}
    if any(exceeds(share.allocated + more, share.fair) for share, more in zip(queue.shares, asked, strict=True)):
        fair = tuple(share.fair for share in queue.shares)
        return Gate.OVER_FAIR_SHARE, {**facts, "allocated": tuple(queue.allocated), "fair": fair}
    if not job.preemptible and any(
        exceeds(share.lasting + more, share.quota) for share, more in zip(queue.shares, asked, strict=True)
    ):
        lasting = tuple(share.lasting for share in queue.shares)
        return Gate.LASTING_OVER_QUOTA, {**facts, "lasting": lasting, "quota": tuple(s.quota for s in queue.shares)}
    return None


def leveled(reclaimer: Queue, victim: Queue) -> tuple[Queue, Queue]:
    """The ancestors at which two leaves part; the last common pair where one lies above the other."""
    mine, other = reclaimer, victim
    for left, right in zip(reclaimer.path(), victim.path(), strict=False):
        mine, other = left, right
        if left is not right:
            break
    return mine, other


def may_lose(session: Session, job: Job, queue: Queue) -> bool:
    """Whether a queue can have something reclaimed for a job at all (filter_victims.go)."""
    if not session.settings.rules.filters_victims or "proportion" not in session.plugins:
        return True
    reclaimer = session.queues.get(job.queue)
    if reclaimer is None:
        return True
    asked = session.axes.quantities(job.request(session.smallest_gpu, real=False))
    mine, victim = leveled(reclaimer, queue)
    if not mine.within_quota(asked):
        return any(exceeds(share.allocated, share.allocatable) for share in victim.shares)
    under = False
    for share, amount in zip(victim.shares, asked, strict=True):
        if amount <= 0 or share.quota == UNLIMITED:
            continue
        if share.allocated > share.quota:
            return True
        under = under or share.allocated < share.quota
    return not under


class Taking:
    """What one scenario takes, added up queue by queue.

    Attributes:
        reclaimer: leaf queue it is taken for.
        asked: CPU, memory and GPUs it is taken for.
        wanted: resources that are asked for.
        left: what queues still hold, those below and those above alike.
        involved: resources that are taken, by queue.
    """

    __slots__ = ("asked", "involved", "left", "reclaimer", "wanted")

    def __init__(self, reclaimer: Queue, asked: Three, wanted: set[int]) -> None:
        self.reclaimer, self.asked, self.wanted = reclaimer, asked, wanted
        self.left: dict[str, list[float]] = {}
        self.involved: dict[str, set[int]] = {}


class Ledger:
    """Queues as they stood when the search for a job began; scenarios are judged by that."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.allocated: dict[str, Three] = {}
        self.lasting: dict[str, Three] = {}
        for name, queue in session.queues.items():
            cpu, memory, gpu = queue.shares
            self.allocated[name] = (cpu.allocated, memory.allocated, gpu.allocated)
            self.lasting[name] = (cpu.lasting, memory.lasting, gpu.lasting)

    def judge(self, job: Job, victims: Mapping[str, Sequence[Task]]) -> Refusal | None:
        """Why a scenario is unfair, or None.

        Args:
            job: the job, or the part of it, that others make way for.
            victims: tasks taken, by job, as they stand after the search.
        """
        reclaimer = self.session.queues[job.queue]
        asked_vector = job.request(self.session.smallest_gpu, real=False)
        asked = self.session.axes.quantities(asked_vector)
        taking = Taking(reclaimer, asked, _resources([asked_vector]))
        for name, bundles in self._bundles(victims).items():
            refused = self._take(taking, self.session.queues[name], bundles)
            if refused is not None:
                return refused
        return self._overtakes(job, taking)

    def _bundles(self, victims: Mapping[str, Sequence[Task]]) -> dict[str, list[Vector]]:
        """What is taken of every leaf queue: pods above a minimum one by one, the rest of a job at once."""
        session = self.session
        found: dict[str, list[Vector]] = {}
        for uid in session.oldest_first(victims):
            job = session.jobs[uid]
            extra, core = _split(job, victims[uid])
            bundles = [bundle for bundle in (self._sum([task]) for task in extra) if bundle is not None]
            rest = self._sum(core)
            if rest is not None:
                bundles.append(rest)
            if bundles and job.queue in session.queues:
                found.setdefault(job.queue, []).extend(bundles)
        return {name: found[name] for name in session.arranged(found, str)}

    def _sum(self, tasks: Sequence[Task]) -> Vector | None:
        ignores_moved = self.session.settings.consolidating_reclaim
        vectors = [task.accepted for task in tasks if not (ignores_moved and task.status & IS_ACTIVE)]
        if not vectors:
            return None
        total = list(vectors[0])
        for vector in vectors[1:]:
            total = [a + b for a, b in zip(total, vector, strict=True)]
        return tuple(total)

    def _take(self, taking: Taking, victim: Queue, bundles: Sequence[Vector]) -> Refusal | None:
        left, involved = taking.left, taking.involved
        mine, other = leveled(taking.reclaimer, victim)
        involved[victim.name] = _resources(bundles)
        remaining = left.setdefault(other.name, list(self.allocated[other.name]))
        in_quota = not any(
            exceeds(held + more, share.quota)
            for held, more, share in zip(self.allocated[mine.name], taking.asked, mine.shares, strict=True)
        )
        for bundle in bundles:
            over_share = any(
                exceeds(amount, share.allocatable) for amount, share in zip(remaining, other.shares, strict=True)
            )
            over_quota = any(
                exceeds(amount, share.quota) for amount, share in zip(remaining, other.shares, strict=True)
            )
            if not over_share and not (in_quota and over_quota):
                shares = {"fair": tuple(s.fair for s in other.shares), "quota": tuple(s.quota for s in other.shares)}
                facts = {"victim": other.name, "left": tuple(remaining), "reclaimer": mine.name, "inQuota": in_quota}
                return Gate.VICTIM_WITHIN_SHARE, {**facts, **shares}
            amounts = self.session.axes.quantities(bundle)
            for queue in victim.up():
                rest = left.setdefault(queue.name, list(self.allocated[queue.name]))
                for position, amount in enumerate(amounts):
                    rest[position] -= amount
                involved[queue.name] = involved.get(queue.name, set()) | involved[victim.name]
        return None

    def _overtakes(self, job: Job, taking: Taking) -> Refusal | None:
        """Why the reclaimer or an ancestor would be fuller than a sibling it takes from, or exceed a quota."""
        left, asked = taking.left, taking.asked
        for queue in taking.reclaimer.up():
            mine = left.get(queue.name, list(self.allocated[queue.name]))
            for position, amount in enumerate(asked):
                mine[position] += amount
            for name in self.session.arranged(left, str):
                sibling = self.session.queues[name]
                if sibling.parent is not queue.parent or sibling is queue:
                    continue
                resources = taking.involved[name] | taking.wanted
                refused = self._fuller(queue, mine, sibling, left[name], resources)
                if refused is not None:
                    return refused
            if not job.preemptible:
                lasting = self.lasting[queue.name]
                if any(
                    exceeds(held + more, share.quota)
                    for held, more, share in zip(lasting, asked, queue.shares, strict=True)
                ):
                    quota = tuple(share.quota for share in queue.shares)
                    return Gate.LASTING_OVER_QUOTA, {"queue": queue.name, "lasting": lasting, "quota": quota}
        return None

    def _fuller(
        self, queue: Queue, mine: Sequence[float], sibling: Queue, other: Sequence[float], resources: set[int]
    ) -> Refusal | None:
        multiplier = max(1.0, self.session.settings.saturation_multiplier)
        for position in sorted(resources):
            fair, sibling_fair = queue.shares[position].fair, sibling.shares[position].fair
            if fair == UNLIMITED and sibling_fair == UNLIMITED:
                continue
            ratio, sibling_ratio = _saturation(mine[position], fair), _saturation(other[position], sibling_fair)
            if ratio > 1 and sibling_fair > 0 and ratio * multiplier >= sibling_ratio:
                facts = {"queue": queue.name, "saturation": ratio, "sibling": sibling.name}
                return Gate.WOULD_OVERTAKE, {**facts, "siblingSaturation": sibling_ratio, "resource": position}
        return None


def _saturation(allocated: float, fair: float) -> float:
    if fair == 0:
        return INFINITE if allocated > 0 else 0.0
    return 0.0 if fair == UNLIMITED else allocated / fair


def _resources(vectors: Sequence[Vector]) -> set[int]:
    """Resources that vectors hold any of; MIG instances are not seen here (a quirk)."""
    return {position for vector in vectors for position, amount in enumerate(plain(vector)) if amount > 0}


def _split(job: Job, tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """Victims above the minimum of their group, and the others."""
    by_group: dict[str, list[Task]] = {}
    for task in tasks:
        by_group.setdefault(task.subgroup, []).append(task)
    extra: list[Task] = []
    core: list[Task] = []
    for name, members in by_group.items():
        minimum = job.leaf_sets[name].minimum
        core += members[:minimum]
        extra += members[minimum:]
    return extra, core
