"""A simulated cluster at one second, to ask about as one asks about a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.app.cluster_view import ClusterView, PoolView
from tenantry.app.simulated_moment import simulated_pools
from tenantry.model.pool_snapshot import Eviction, JobTitle, PoolSnapshot

if TYPE_CHECKING:
    from tenantry.app.simulate import Question
    from tenantry.app.simulated_moment import SimulatedPool


def simulated_view(question: Question, at: int) -> ClusterView:
    """Replay until a second, and return the cluster as it stands then.

    What asks about a cluster takes it: :func:`~tenantry.app.explain.explain_job` and
    :func:`~tenantry.app.fairshare.share_out_cluster`. A job is known by its name in the trace, with the name of its
    tenant as its namespace. Times count from the first submission.

    Args:
        question: what is simulated.
        at: seconds from the first submission.

    Raises:
        SpecError: with every problem of the spec, of a scenario, or of the table of tenants.
        InputError: if something cannot be read, no job can be replayed, or none goes to the pool asked for.
    """
    pools = {item.pool: _view(item) for item in simulated_pools(question, at)}
    return ClusterView(f"{question.spec} after {at} s", pools)


def _view(pool: SimulatedPool) -> PoolView:
    snapshot = PoolSnapshot(
        pool.pool,
        pool.moment,
        titles={name: JobTitle(owner, name) for name, owner in pool.owners.items()},
        tenants=pool.tenants,
        ends=pool.ends,
        evictions={name: Eviction(*item) for name, item in pool.evictions.items()},
    )
    return PoolView(snapshot, pool.scheduler)
