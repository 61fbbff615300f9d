"""Admission guards: what the API server refuses in tenants' namespaces, one module per subject.

What lives here: each guard as data (requests it looks at, CEL, messages), the annotations guards read, the roles of
tenants, which decide what a guard has to withstand. What may not: manifests of other kinds, state, anything per tenant
except the annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.devices import devices
from tenantry.compile.guards.drains import drains
from tenantry.compile.guards.hosts import hosts
from tenantry.compile.guards.monitors import monitors
from tenantry.compile.guards.namespaces import namespaces
from tenantry.compile.guards.networks import networks
from tenantry.compile.guards.pools import pools
from tenantry.compile.guards.queues import queues
from tenantry.compile.guards.reserved import reserved
from tenantry.compile.guards.services import services
from tenantry.compile.guards.volumes import volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.compile.guards.guard import Guard
    from tenantry.model.cluster import Cluster

GUARDS: tuple[Callable[[Cluster], Iterable[Guard]], ...] = (
    namespaces,
    devices,
    pools,
    queues,
    networks,
    services,
    hosts,
    volumes,
    reserved,
    monitors,
    drains,
)
"""Every guard of a platform, in the order in which they are written."""


def guards_of(cluster: Cluster) -> tuple[Guard, ...]:
    """Return the guards of one platform."""
    return tuple(guard for make in GUARDS for guard in make(cluster))
