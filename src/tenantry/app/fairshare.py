"""Say who is due what in a cluster, and who holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.app.naming import Masked, naming
from tenantry.fair.fairshare import FairShare, fairshare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.app.cluster_view import ClusterView
    from tenantry.fair.explain.words import Naming
    from tenantry.fair.fairshare import Row
    from tenantry.model.finding import Finding


@dataclass(frozen=True, slots=True)
class PoolShares:
    """A node pool.

    Attributes:
        pool: its name.
        scheduler: name and version of its scheduler.
        now: second of the moment.
        rows: queues by the name they may be shown under, parents before children.
        parents: parent of every queue, by the names they may be shown under.
        tenants: owner of a queue, by the name the queue may be shown under.
        total: what is divided, per resource.
        idle: what nobody holds.
        notes: what of the scheduler's configuration is not followed.
    """

    pool: str
    scheduler: str
    now: int
    rows: tuple[tuple[str, Row], ...]
    parents: Mapping[str, str]
    tenants: Mapping[str, str]
    total: Mapping[str, float]
    idle: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FairShareReport:
    """Who is due what.

    Attributes:
        source: where the cluster comes from.
        pools: its node pools.
        findings: what is worth knowing about what was read.
        notes: what is otherwise than it is deployed.
        after: seconds from the first submission to the moment, where it is simulated; None for a snapshot.
    """

    source: str
    pools: tuple[PoolShares, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    after: int | None = None

    @property
    def starving(self) -> bool:
        """Whether a queue that takes jobs is missing some of its fair share while its jobs wait for it."""
        return any(row.leaf and row.starves for pool in self.pools for _, row in pool.rows)


def share_out_cluster(
    cluster: Callable[[], ClusterView], pools: Sequence[str] = (), *, tenant: str = ""
) -> FairShareReport:
    """Say who is due what.

    Args:
        cluster: gives the cluster.
        pools: node pools to look at; all when empty.
        tenant: tenant whose eyes the answer is for; empty when everything may be seen.

    Raises:
        InputError: if there is no such pool or tenant.
        SnapshotError: if the cluster cannot be read.
    """
    view = cluster()
    names = naming(view, tenant)
    masked = isinstance(names, Masked)
    found = []
    for name in pools or view.pools:
        pool = view.pool(name)
        shares: FairShare = fairshare(pool.snapshot.moment, pool.scheduler)
        found.append(
            PoolShares(
                pool=name,
                scheduler=pool.scheduler.name,
                now=pool.snapshot.moment.now,
                rows=tuple(_ordered(shares.rows, names)),
                parents={names.queue(row.queue): names.queue(row.parent) if row.parent else "" for row in shares.rows},
                tenants={
                    names.queue(queue): owner
                    for queue, owner in pool.snapshot.tenants.items()
                    if not isinstance(names, Masked) or queue in names.queues
                },
                total=shares.total,
                idle=shares.idle,
                notes=pool.notes,
            )
        )
    # Findings and notes speak of anybody's objects in their own words.
    findings, notes = ((), ()) if masked else (view.findings, view.notes)
    return FairShareReport(view.name, tuple(found), findings, notes, view.after)


def _ordered(rows: Sequence[Row], names: Naming) -> Iterator[tuple[str, Row]]:
    """Queues in the order of the names they are shown under, so that the order does not tell of others."""
    children: dict[str, list[Row]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)

    def below(parent: str) -> Iterator[tuple[str, Row]]:
        for name, row in sorted(((names.queue(row.queue), row) for row in children.get(parent, ())), key=_first):
            yield name, row
            yield from below(row.queue)

    yield from below("")


def _first(pair: tuple[str, Row]) -> str:
    return pair[0]
