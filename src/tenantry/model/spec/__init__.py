"""What users write: the documents of ``tenantry.dev/v1alpha1``.

One module per document kind. Models say what is a valid document on its own; rules between documents, and between a
document and the catalog, live in :mod:`tenantry.compile.checks`.
"""

from tenantry.model.spec.base import API_VERSION, Document, SpecModel
from tenantry.model.spec.exceptions import Contract, ContractException, Fact, Facts, Waiver
from tenantry.model.spec.platform import (
    ApiServers,
    ClusterNetwork,
    Distribution,
    Driver,
    Fabric,
    FabricType,
    GitOps,
    NodePool,
    Observability,
    OpenShiftAi,
    OperatorPin,
    Platform,
    PlatformSpec,
    PriorityTier,
    Scheduler,
    SchedulerType,
    Sharing,
    SharingMode,
    SliceLayout,
)
from tenantry.model.spec.spec import DOCUMENT_KINDS, AnyDocument, Spec
from tenantry.model.spec.sweep import Sweep, SweepSpec
from tenantry.model.spec.tenant import (
    AccessGrant,
    AccessRole,
    EgressRule,
    FabricAttachment,
    PoolQuota,
    SliceQuota,
    StorageQuota,
    Tenant,
    TenantNamespace,
    TenantSpec,
)
from tenantry.model.spec.workload import Trust, Workload, WorkloadSpec, replicas_of

__all__ = [
    "API_VERSION",
    "DOCUMENT_KINDS",
    "AccessGrant",
    "AccessRole",
    "AnyDocument",
    "ApiServers",
    "ClusterNetwork",
    "Contract",
    "ContractException",
    "Distribution",
    "Document",
    "Driver",
    "EgressRule",
    "Fabric",
    "FabricAttachment",
    "FabricType",
    "Fact",
    "Facts",
    "GitOps",
    "NodePool",
    "Observability",
    "OpenShiftAi",
    "OperatorPin",
    "Platform",
    "PlatformSpec",
    "PoolQuota",
    "PriorityTier",
    "Scheduler",
    "SchedulerType",
    "Sharing",
    "SharingMode",
    "SliceLayout",
    "SliceQuota",
    "Spec",
    "SpecModel",
    "StorageQuota",
    "Sweep",
    "SweepSpec",
    "Tenant",
    "TenantNamespace",
    "TenantSpec",
    "Trust",
    "Waiver",
    "Workload",
    "WorkloadSpec",
    "replicas_of",
]
