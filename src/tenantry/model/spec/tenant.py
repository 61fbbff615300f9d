"""``Tenant``: one team with its namespaces, people, quotas and network needs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tenantry.model.spec.base import (
    EMAIL_PATTERN,
    Count,
    Document,
    GroupText,
    Host,
    Name,
    Positive,
    PrefixText,
    QuantityText,
    ShortName,
    SpecModel,
    Url,
)
from tenantry.model.spec.platform import PKeyText


class AccessRole(StrEnum):
    """What a group may do in the namespaces of its tenant."""

    ADMIN = "admin"
    EDIT = "edit"
    VIEW = "view"


class AccessGrant(SpecModel):
    """A role for a group of the identity provider."""

    group: GroupText
    """Group name as it appears in tokens."""
    role: AccessRole
    """``admin`` (may restart, debug and read secrets), ``edit`` or ``view``."""


class TenantNamespace(SpecModel):
    """A namespace of the tenant."""

    name: Name
    """Name of the namespace, unique in the cluster."""
    purpose: str = ""
    """What runs there."""


class SliceQuota(SpecModel):
    """Entitlement to slices of one MIG profile."""

    guaranteed: Count = 0
    """Slices the tenant always gets back."""
    limit: Count | None = None
    """Most slices at one time; ``guaranteed`` when omitted."""


class PoolQuota(SpecModel):
    """Entitlement of a tenant in one node pool."""

    pool: ShortName
    """Node pool of the platform."""
    guaranteed: Count = 0
    """GPUs (replicas in a shared pool) the tenant always gets back; for whole, time-sliced and MPS pools."""
    limit: Count | None = None
    """Most GPUs at one time; ``guaranteed`` when omitted."""
    slices: dict[str, SliceQuota] = {}
    """Entitlement per MIG profile, for MIG pools."""
    over_quota_weight: Count = 1
    """Share of idle GPUs relative to other tenants; 0 never borrows."""


class EgressRule(SpecModel):
    """Traffic that pods of the tenant may start to the outside."""

    to: Annotated[list[PrefixText], Field(min_length=1)]
    """Destination prefixes outside the cluster."""
    ports: list[Annotated[str, Field(pattern=r"^(TCP|UDP|SCTP)/[0-9]{1,5}(-[0-9]{1,5})?$")]] = []
    """Destination ports such as ``TCP/443``; every port when empty."""
    reason: str = ""
    """Why it is needed."""


class FabricAttachment(SpecModel):
    """Use of a fabric, isolated by VLAN or P_Key."""

    name: ShortName
    """Fabric of the platform."""
    vlan: Annotated[int, Field(strict=True, ge=1, le=4094)] | None = None
    """VLAN of the tenant on an Ethernet fabric."""
    p_key: PKeyText | None = None
    """P_Key of the tenant on an InfiniBand fabric."""
    namespaces: list[Name] = []
    """Namespaces that may attach; all of the tenant's when empty."""


class Network(SpecModel):
    """What the tenant needs of the networks."""

    egress: list[EgressRule] = []
    """Destinations outside the cluster; none but DNS when empty."""
    fabrics: list[FabricAttachment] = []
    """High-speed networks."""
    hosts: list[Host] = []
    """Host names for routes and ingresses besides ``*.<tenant>.<ingressDomain>``."""


class StorageQuota(SpecModel):
    """Room in one storage class."""

    storage_class: Host = Field(alias="class")
    """StorageClass."""
    capacity: QuantityText
    """Sum of requests."""
    claims: Positive = 20
    """Number of PersistentVolumeClaims."""


class Compute(SpecModel):
    """Everything besides GPUs, for each namespace of the tenant."""

    cpu: QuantityText = "64"
    """Sum of CPU requests and limits."""
    memory: QuantityText = "512Gi"
    """Sum of memory requests and limits."""
    ephemeral_storage: QuantityText = "500Gi"
    """Sum of ephemeral storage requests and limits."""
    pods: Positive = 200
    """Number of pods."""


class Contact(SpecModel):
    """Whom to ask."""

    name: str
    """Person or list."""
    email: Annotated[str, Field(pattern=EMAIL_PATTERN)] | None = None
    """Address."""
    chat: str | None = None
    """Chat channel."""


class TenantSpec(SpecModel):
    """Who the team is and what it is entitled to."""

    department: ShortName
    """Department the tenant belongs to; departments are the upper level of the queue hierarchy."""
    description: str = ""
    """What the team does."""
    contacts: list[Contact] = []
    """Whom to ask."""
    namespaces: Annotated[list[TenantNamespace], Field(min_length=1)]
    """Namespaces; no other tenant may claim them."""
    access: list[AccessGrant] = []
    """Roles of groups."""
    quotas: list[PoolQuota] = []
    """Entitlement per node pool; none in pools not named."""
    priorities: list[ShortName] = []
    """Priority tiers the tenant may use, the first being its default; all tiers below 100 when empty."""
    network: Network = Network()
    """Egress and fabrics."""
    storage: list[StorageQuota] = []
    """Room per storage class; none in classes not named."""
    compute: Compute = Compute()
    """CPU, memory and pods per namespace."""
    repositories: list[Url] = []
    """Git repositories the tenant may deploy from through Argo CD."""
    trust: Literal["standard", "hostile"] = "standard"
    """``hostile`` tenants share no node: their node pools are dedicated, and no other tenant has a quota there."""


class Tenant(Document):
    """One team."""

    kind: Literal["Tenant"]
    """Always ``Tenant``."""
    spec: TenantSpec
    """Who the team is and what it is entitled to."""
