"""``ServiceDemand``: services with rates and latency goals, a file beside a spec that a partition is planned for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.spec.base import Name, QuantityText, ShortName, SpecModel
from tenantry.model.spec.workload import Latency

Rate = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
"""Work per second, above zero."""
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
"""Worth relative to others, above zero."""


class ServiceWish(SpecModel):
    """One service."""

    name: Name
    """Name of the service."""
    workload: str = ""
    """Workload as the profile table names it; the name of the service when empty."""
    rate: Rate
    """Work per second that arrives, in the unit of the profile table."""
    latency: Latency | None = None
    """Latency goal; that of the ``Workload`` document of this workload when omitted, and none without one."""
    gpu_memory: QuantityText | None = None
    """Memory needed; that of the ``Workload`` document, or what the profile table says, when omitted."""
    tenant: Name | None = None
    """Tenant it belongs to."""
    weight: Weight = 1.0
    """Worth of serving all of it, where there are too few GPUs for all services."""


class ServiceDemand(SpecModel):
    """Services that one node pool is to serve."""

    pool: ShortName | None = None
    """Node pool; may be omitted where the platform has one pool that is partitioned or whole."""
    services: Annotated[list[ServiceWish], Field(min_length=1, max_length=1000)]
    """Services, each name once."""
