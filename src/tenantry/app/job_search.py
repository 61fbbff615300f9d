"""Finds the job that is meant by a name, and says of one that is not there why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.app.naming import Masked, job_title
from tenantry.errors import InputError
from tenantry.fair.explain.words import listed
from tenantry.model.duration import duration_text
from tenantry.model.problem import did_you_mean

if TYPE_CHECKING:
    from tenantry.app.cluster_view import ClusterView, PoolView
    from tenantry.fair.explain.words import Naming
    from tenantry.model.pool_snapshot import JobTitle

SHOWN = 20
"""Jobs that are listed where none of the name is there."""
COMPARED = 20_000
"""Jobs of a trace whose names are compared with one that nothing has; comparing more takes minutes."""


def find_job(view: ClusterView, wanted: str, names: Naming, *, pool: str, tenant: str) -> tuple[PoolView, str]:
    """Return the node pool of a job and its name there.

    Args:
        view: the cluster.
        wanted: the job: its pod group, the object that was made for, or one of its pods, with or without namespace.
        names: how names may be shown.
        pool: the only node pool to look at; empty for all.
        tenant: tenant who asks, as it is said; empty for anybody.

    Raises:
        InputError: if there is no such pool, or no such job at this moment, with what became of it where that is
            known; or if several are meant.
    """
    pools = [view.pool(pool)] if pool else list(view.pools.values())
    visible = [
        (item, name)
        for item in pools
        for name in item.snapshot.titles
        if not isinstance(names, Masked) or name in names.jobs
    ]
    for matches in (_by_group, _by_owner, _by_pod):
        found = [(item, name) for item, name in visible if matches(item, name, wanted)]
        if len(found) > 1:
            options = ", ".join(sorted(_exact(item, name) for item, name in found))
            raise InputError(f"{wanted!r} may mean several jobs: {options}")
        if found:
            return found[0]
    there = sorted({job_title(item.snapshot.titles[name]) for item, name in visible})
    where = f" in node pool {pool}" if pool else ""
    if view.after is None:
        raise InputError(_nowhere(f"there is no job {wanted!r}{_whose(tenant)}{where}; there are", wanted, there, []))
    raise InputError(_not_now(view, wanted, there, names, tenant))


def _not_now(view: ClusterView, wanted: str, there: list[str], names: Naming, tenant: str) -> str:
    """What is said of a job that is not there at a moment of a simulation."""
    looked = f"looked at {_pools(view)} after {duration_text(view.after or 0)}"
    owners = _owners(view, names)
    others = list[str]()
    for item in view.absent():
        if isinstance(names, Masked) and (item.queue not in names.own if item.queue else item.tenant not in owners):
            continue
        full = job_title(item.title)
        if wanted in {item.title.group, full}:
            return f"job {full} is not there: {item.why()}; {looked}"
        if len(others) < COMPARED:
            others.append(full)
    lead = f"there never is a job {wanted!r}{_whose(tenant)}; {looked}, where there are"
    return _nowhere(lead, wanted, there, others)


def _nowhere(lead: str, wanted: str, there: list[str], others: list[str]) -> str:
    """What is said of a name that no job has."""
    known = [*there, *others]
    hint = did_you_mean(wanted, [*known, *(item.partition("/")[2] for item in known)])
    shown = ", ".join(there[:SHOWN]) + (", ..." if len(there) > SHOWN else "")
    return f"{lead} {shown or 'none'}{hint}"


def _whose(tenant: str) -> str:
    return f" of {tenant}" if tenant else ""


def _pools(view: ClusterView) -> str:
    return f"node pool{'s' if len(view.pools) > 1 else ''} {listed(list(view.pools))}"


def _owners(view: ClusterView, names: Naming) -> set[str]:
    """Tenants whose queues may be seen as their own."""
    if not isinstance(names, Masked):
        return set()
    pairs = (pair for pool in view.pools.values() for pair in pool.snapshot.tenants.items())
    return {owner for queue, owner in pairs if queue in names.own}


def _exact(pool: PoolView, name: str) -> str:
    title = pool.snapshot.titles[name]
    return f"{title.namespace}/{title.group}"


def _by_group(pool: PoolView, name: str, wanted: str) -> bool:
    title: JobTitle = pool.snapshot.titles[name]
    return wanted in {name, title.group, f"{title.namespace}/{title.group}"}


def _by_owner(pool: PoolView, name: str, wanted: str) -> bool:
    title: JobTitle = pool.snapshot.titles[name]
    return bool(title.owner_name) and wanted in {title.owner_name, f"{title.namespace}/{title.owner_name}"}


def _by_pod(pool: PoolView, name: str, wanted: str) -> bool:
    for job in pool.snapshot.moment.jobs:
        if job.name == name:
            return any(wanted in {pod.name, pod.name.partition("/")[2]} for pod in job.pods)
    return False
