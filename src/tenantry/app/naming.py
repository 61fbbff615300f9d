"""Names as one tenant may see them: its own, and neutral ones for everybody else's.

Neutral names are numbers by age, so that they stay the same while nothing older comes or goes. They are no hashes:
those of likely names could be found out by trying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.fair.explain.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.app.cluster_view import ClusterView
    from tenantry.fair.explain.words import Naming
    from tenantry.model.pool_snapshot import JobTitle
    from tenantry.model.queue import Queue


def job_title(title: JobTitle) -> str:
    """Name of a job for people: its namespace and the object it was made for, else its pod group."""
    return f"{title.namespace}/{title.owner_name or title.group}"


def titles(view: ClusterView) -> dict[str, str]:
    """Names for people of all jobs."""
    return {name: job_title(title) for pool in view.pools.values() for name, title in pool.snapshot.titles.items()}


@dataclass(frozen=True, slots=True)
class Masked:
    """Names as one tenant may see them.

    Attributes:
        queues: names of queues that may be seen: its own, and those above them.
        own: names of its own queues.
        jobs: titles of its own jobs, by name.
        pods: names of its own pods.
        other_queues: neutral names of other queues.
        other_jobs: neutral names of other jobs.
    """

    queues: frozenset[str]
    own: frozenset[str]
    jobs: Mapping[str, str]
    pods: frozenset[str]
    other_queues: Mapping[str, str]
    other_jobs: Mapping[str, str]

    def queue(self, name: str) -> str:
        """Name of a queue."""
        return name if name in self.queues else self.other_queues.get(name, "another queue")

    def job(self, name: str) -> str:
        """Name of a job."""
        return self.jobs[name] if name in self.jobs else self.other_jobs.get(name, "another job")

    def pod(self, name: str) -> str:
        """Name of a pod."""
        return name if name in self.pods else "another pod"

    def place(self, text: str) -> str:
        """Nothing: labels and taints of nodes may hold names of others."""
        del text
        return ""


def naming(view: ClusterView, tenant: str) -> Naming:
    """Return how names are written: as they are, or as a tenant may see them.

    Args:
        view: the cluster.
        tenant: name of a tenant, or of one of its queues; empty when everything may be seen.

    Raises:
        InputError: if no queue belongs to such a tenant. Which others there are is not said.
    """
    if not tenant:
        return Plain(titles(view))
    queues = {queue.name: queue for pool in view.pools.values() for queue in pool.snapshot.moment.queues}
    owners = {name: owner for pool in view.pools.values() for name, owner in pool.snapshot.tenants.items()}
    roots = {name for name in queues if tenant in {name, owners.get(name)}}
    if not roots:
        raise InputError(f"no queue of the cluster belongs to {tenant!r}: none is called so, labelled or displayed so")
    own = frozenset(name for name in queues if roots & set(_upwards(queues, name)))
    seen = own | {above for name in own for above in _upwards(queues, name)}
    return _masked(view, queues, own, frozenset(seen))


def _upwards(queues: Mapping[str, Queue], name: str) -> Iterator[str]:
    seen: set[str] = set()
    while name in queues and name not in seen:
        seen.add(name)
        yield name
        name = queues[name].parent


def _masked(view: ClusterView, queues: Mapping[str, Queue], own: frozenset[str], seen: frozenset[str]) -> Masked:
    jobs = {job.name: job for pool in view.pools.values() for job in pool.snapshot.moment.jobs}
    aside = {name: item.queue for pool in view.pools.values() for name, item in pool.snapshot.set_aside.items()}
    mine = {name for name, job in jobs.items() if job.queue in own}
    mine |= {name for name, queue in aside.items() if queue in own}
    known = titles(view)
    others = sorted((name for name in jobs if name not in mine), key=lambda name: (jobs[name].created, name))
    hidden = sorted((name for name in queues if name not in seen), key=lambda name: (queues[name].created, name))
    return Masked(
        queues=seen,
        own=own,
        jobs={name: known.get(name, name) for name in mine},
        pods=frozenset(pod.name for name in mine & jobs.keys() for pod in jobs[name].pods),
        other_queues=_numbered("other-queue", hidden, seen),
        other_jobs=_numbered("other-job", [*others, *sorted(aside.keys() - mine)], set(known.values())),
    )


def _numbered(prefix: str, names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Number names; numbers that would give a name that exists are left out."""
    used, number, found = set(taken), 0, dict[str, str]()
    for name in names:
        number += 1
        while f"{prefix}-{number}" in used:
            number += 1
        found[name] = f"{prefix}-{number}"
    return found
