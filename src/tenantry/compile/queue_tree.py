"""The queue tree of a node pool: a queue per department and, below it, one per tenant.

What is compiled into manifests and what the scheduler's model is given are the same queues, so that a prediction is
about what is deployed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.compile.names import department_queue, tenant_queue
from tenantry.compile.queue_shares import department_shares, tenant_shares
from tenantry.model.queue import UNLIMITED, Entitled, Queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.compile.queue_shares import Share
    from tenantry.model.cluster import Cluster, ClusterTenant


@dataclass(frozen=True, slots=True)
class OwnedQueue:
    """A queue of one node pool and whose it is.

    Attributes:
        queue: the queue; amounts of GPUs are whole numbers in the units of ``share``.
        share: the share it was made from.
        department: department it belongs to.
        tenant: tenant that submits to it; empty for the queue of a department, which takes no jobs.
    """

    queue: Queue
    share: Share
    department: str
    tenant: str = ""

    @property
    def owner(self) -> str:
        """Tenant or department it is named after."""
        return self.tenant or self.department


def department_queues(cluster: Cluster, department: str) -> Iterator[OwnedQueue]:
    """Yield the queues of a department, one per node pool its tenants have an entitlement in, ordered by pool."""
    for share in department_shares(cluster, department):
        # The department is bounded by its tenants, so a limit of its own would only be one more number to keep.
        gpu = Entitled(float(share.quota), UNLIMITED, float(share.weight))
        yield OwnedQueue(Queue(department_queue(department, share.pool), gpu=gpu), share, department)


def tenant_queues(cluster: Cluster, tenant: ClusterTenant) -> Iterator[OwnedQueue]:
    """Yield the queues of a tenant, one per node pool it has an entitlement in, ordered by pool."""
    for share in tenant_shares(cluster, tenant):
        queue = Queue(
            tenant_queue(tenant.name, share.pool),
            department_queue(tenant.department, share.pool),
            gpu=Entitled(float(share.quota), float(share.limit), float(share.weight)),
        )
        yield OwnedQueue(queue, share, tenant.department, tenant.name)


def pool_queues(cluster: Cluster, pool: str) -> tuple[OwnedQueue, ...]:
    """Return the queues of one node pool: departments, then tenants, each in the order of names."""
    departments = (item for name in cluster.departments for item in department_queues(cluster, name))
    tenants = (item for tenant in cluster.tenants for item in tenant_queues(cluster, tenant))
    return tuple(item for group in (departments, tenants) for item in group if item.share.pool == pool)
