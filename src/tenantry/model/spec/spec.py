"""``Spec``: all documents of one environment together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tenantry.model.spec.exceptions import Contract, Facts, Waiver
from tenantry.model.spec.platform import Platform
from tenantry.model.spec.tenant import Tenant
from tenantry.model.spec.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.spec.base import Document

AnyDocument = Annotated[Platform | Tenant | Contract | Facts | Workload | Waiver, Field(discriminator="kind")]

DOCUMENT_KINDS: Mapping[str, type[Document]] = {
    "Platform": Platform,
    "Tenant": Tenant,
    "Contract": Contract,
    "Facts": Facts,
    "Workload": Workload,
    "Waiver": Waiver,
}
"""Document kinds in the order in which they are described."""


@dataclass(frozen=True)
class Spec:
    """The documents of one environment, each list ordered by name, so that file order does not matter.

    Attributes:
        platform: the cluster.
        tenants: the teams.
        contract: wanted exceptions, or None.
        facts: signed statements.
        workloads: classes of work.
        waivers: accepted findings.
        environment: name of the overlay applied, empty for none.
    """

    platform: Platform
    tenants: tuple[Tenant, ...] = ()
    contract: Contract | None = None
    facts: tuple[Facts, ...] = ()
    workloads: tuple[Workload, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    environment: str = ""
