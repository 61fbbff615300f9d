"""``Platform``: one cluster with its node pools, fabrics, operators, scheduler and repository."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tenantry.model.spec.base import (
    FOLDER_PATTERN,
    REVISION_PATTERN,
    Count,
    Document,
    DurationText,
    Flag,
    GroupText,
    Host,
    Name,
    Positive,
    PrefixText,
    ShortName,
    SpecModel,
    Url,
    Version,
    WebUrl,
)


class Distribution(StrEnum):
    """The Kubernetes the platform runs on."""

    OPENSHIFT = "openshift"
    KUBERNETES = "kubernetes"
    EKS = "eks"
    GKE = "gke"
    AKS = "aks"

    @property
    def managed(self) -> bool:
        """Whether a cloud provider runs the control plane and the node images."""
        return self in {Distribution.EKS, Distribution.GKE, Distribution.AKS}


class SharingMode(StrEnum):
    """How one GPU is given to containers."""

    WHOLE = "whole"
    MIG = "mig"
    TIME_SLICING = "time-slicing"
    MPS = "mps"


class SchedulerType(StrEnum):
    """Who divides GPUs among tenants."""

    KAI = "kai"
    RUNAI = "runai"
    KUEUE = "kueue"


class FabricType(StrEnum):
    """Link layer of a high-speed network."""

    ETHERNET = "ethernet"
    INFINIBAND = "infiniband"


class SliceLayout(SpecModel):
    """MIG profiles on some GPUs of every node of a pool."""

    gpus: Annotated[list[Count], Field(min_length=1)] | None = None
    """Indices of the GPUs on each node; all GPUs when omitted."""
    profiles: Annotated[dict[str, Positive], Field(min_length=1)]
    """Count per MIG profile on each of these GPUs, for example ``{"3g.71gb": 2}``."""


class Sharing(SpecModel):
    """How GPUs of a pool are shared."""

    mode: SharingMode = SharingMode.WHOLE
    """``whole``, ``mig``, ``time-slicing`` or ``mps``."""
    layouts: list[SliceLayout] = []
    """With ``mig``: which profiles on which GPUs. GPUs not named by any layout stay whole."""
    replicas: Annotated[int, Field(strict=True, ge=2, le=128)] | None = None
    """With ``time-slicing`` or ``mps``: containers that may share one GPU."""


class GpuChoice(SpecModel):
    """The GPUs of a server that the catalog does not describe."""

    model: str
    """GPU of the catalog, for example ``h200-sxm``."""
    count: Positive
    """GPUs per server."""


class PoolDriver(SpecModel):
    """A driver for one pool that differs from the platform's."""

    version: Version
    """NVIDIA driver version."""


class NodePool(SpecModel):
    """Servers of one model that are configured alike."""

    name: ShortName
    """Name of the pool; becomes the node label ``tenantry.dev/pool``."""
    server: str
    """Server of the catalog, for example ``dell-xe9680-h200``, or ``generic``."""
    gpu: GpuChoice | None = None
    """GPUs of a ``generic`` server."""
    count: Positive | None = None
    """Number of servers; may be omitted when ``hosts`` are named."""
    hosts: list[Host] = []
    """Node names of the servers."""
    selector: dict[str, str] = {}
    """Labels the nodes already carry (a node group of a managed service); instead of ``hosts``."""
    sharing: Sharing = Sharing()
    """How the GPUs are shared."""
    dedicated: Flag = True
    """Whether nodes are tainted so that only pods bound to this pool run there."""
    labels: dict[str, str] = {}
    """Further node labels."""
    driver: PoolDriver | None = None
    """A driver version of its own."""
    numa_alignment: Literal["none", "best-effort", "restricted", "single-numa-node"] = "none"
    """Topology manager policy of the kubelet (OpenShift); ``restricted`` refuses pods whose GPUs and virtual functions
    prefer different NUMA nodes, as those of a whole server do unless functions are as few as GPUs."""


class Rail(SpecModel):
    """One physical function per server, wired to one switch plane."""

    name: ShortName
    """Name of the rail, for example ``rail0``."""
    pci: Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")] | None = None
    """PCI address of the physical function, quoted, for example ``"0000:1a:00.0"``; survives renaming by drivers."""
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")] | None = None
    """Interface name of the physical function; less robust than ``pci``."""


class VlanRange(SpecModel):
    """VLAN identifiers set aside for tenants."""

    first: Annotated[int, Field(strict=True, ge=1, le=4094)]
    """Lowest VLAN."""
    last: Annotated[int, Field(strict=True, ge=1, le=4094)]
    """Highest VLAN."""


PKeyText = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{1,4}$")]


class PKeyRange(SpecModel):
    """InfiniBand partition keys set aside for tenants."""

    first: PKeyText
    """Lowest P_Key, for example ``"0x8010"``."""
    last: PKeyText
    """Highest P_Key."""


class Fabric(SpecModel):
    """A high-speed network between servers, reached by SR-IOV virtual functions."""

    name: ShortName
    """Name of the fabric."""
    type: FabricType
    """``ethernet`` (RoCE) or ``infiniband``."""
    nic: str
    """NIC of the catalog, for example ``connectx-7``."""
    pools: Annotated[list[Name], Field(min_length=1)]
    """Node pools wired to the fabric."""
    rails: list[Rail] = []
    """Physical functions; those of the server model when omitted."""
    vfs_per_rail: Annotated[int, Field(strict=True, ge=1, le=127)] = 8
    """Virtual functions made on each physical function."""
    resource_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=40)] = "sriovlegacy"
    """Extended resource name without its prefix."""
    resource_per_rail: Flag = False
    """Whether each rail is a resource of its own (``<resourceName>_<rail>``), so that pods get one VF of each."""
    mtu: Annotated[int, Field(strict=True, ge=1280, le=9216)] | None = None
    """MTU of the VFs; 9000 on Ethernet and unset on InfiniBand when omitted."""
    rdma_mode: Literal["exclusive", "shared"] = "exclusive"
    """RDMA network namespace mode; only ``exclusive`` hides one pod's RDMA device from another."""
    vlans: VlanRange | None = None
    """VLANs for tenants (Ethernet)."""
    p_keys: PKeyRange | None = None
    """P_Keys for tenants (InfiniBand)."""
    subnet: PrefixText
    """Addresses for VFs; divided equally among the rails."""
    max_tx_mbps: Positive | None = None
    """Upper transmit rate of one VF in Mbit/s."""
    externally_managed: Flag = False
    """VFs are made outside the SR-IOV operator; required when the NIC carries the node's primary network."""


class ApiServers(SpecModel):
    """Where the Kubernetes API is reached from pods."""

    addresses: Annotated[list[PrefixText], Field(min_length=1)]
    """Addresses of the API servers as prefixes, for example ``10.1.0.11/32``."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 6443
    """Port the API servers listen on; 443 on most managed services."""


class ClusterNetwork(SpecModel):
    """Addresses of the cluster itself, which no manifest shows."""

    pods: list[PrefixText] = []
    """Prefixes of pods; those of a default installation on OpenShift, unknown elsewhere when empty."""
    services: list[PrefixText] = []
    """Prefixes of Services; likewise."""
    api_servers: ApiServers | None = None
    """API servers; pods of tenants may call them only when they are named."""


class OperatorPin(SpecModel):
    """A version of one operator."""

    version: Version | None = None
    """Version; the catalog's recommended one when omitted."""
    channel: str | None = None
    """OLM channel (OpenShift)."""
    starting_csv: str | None = Field(default=None, alias="startingCSV")
    """ClusterServiceVersion to install; derived from the version when omitted."""


class Driver(SpecModel):
    """The NVIDIA GPU driver."""

    version: Version | None = None
    """Driver version; the catalog's for the chosen GPU Operator when omitted."""
    kernel_module: Literal["open", "proprietary", "auto"] = "open"
    """Kernel module; ``open`` is needed for DMA-BUF."""
    gpudirect: Literal["dma-buf", "peermem", "off"] = "dma-buf"
    """How NICs reach GPU memory."""
    managed_by: Literal["operator", "host"] = "operator"
    """Whether the GPU Operator installs the driver or the node image brings it (managed services)."""
    max_parallel_upgrades: Positive = 1
    """Nodes whose driver is reloaded at the same time."""


class Scheduler(SpecModel):
    """Who divides GPUs among tenants."""

    type: SchedulerType = SchedulerType.KAI
    """``kai``, ``runai`` or ``kueue``."""
    placement: Literal["binpack", "spread"] = "binpack"
    """Whether GPUs of few nodes are filled first."""
    reclaim_min_runtime: DurationText | None = None
    """How long a borrowing job runs before its GPUs may be reclaimed (KAI)."""
    preempt_min_runtime: DurationText | None = None
    """How long a job runs before a job of higher priority in its own queue may preempt it (KAI)."""
    control_plane_url: WebUrl | None = None
    """Address of the Run:ai control plane (``runai``)."""
    cluster_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=63)] | None = None
    """Identifier of this cluster in the Run:ai control plane (``runai``)."""


class PriorityTier(SpecModel):
    """A priority class that tenants may be allowed to use."""

    name: ShortName
    """Name of the PriorityClass."""
    value: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
    """Larger runs first. With KAI, jobs at 100 and above are never preempted."""
    preempts: Flag = True
    """Whether jobs of this tier may preempt jobs of lower tiers of the same tenant."""
    description: str = ""
    """What the tier is for."""


class ChangeWindow(SpecModel):
    """A time in which applications that drain or reboot nodes may sync."""

    schedule: Annotated[str, Field(pattern=r"^\S+ \S+ \S+ \S+ \S+$")]
    """Start of the window as a cron expression."""
    duration: DurationText
    """Length of the window."""
    time_zone: str = "UTC"
    """IANA time zone of the schedule."""


class GitOps(SpecModel):
    """The repository Argo CD syncs and who may change what."""

    repository: Url
    """Repository the compiled tree is committed to."""
    revision: Annotated[str, Field(pattern=REVISION_PATTERN)] = "main"
    """Branch or tag Argo CD follows."""
    path: Annotated[str, Field(pattern=FOLDER_PATTERN)] = ""
    """Folder of the tree inside the repository; the root when empty."""
    namespace: Name | None = None
    """Namespace of Argo CD; ``openshift-gitops`` on OpenShift, ``argocd`` elsewhere."""
    admin_groups: Annotated[list[GroupText], Field(min_length=1)] = ["platform-admins"]
    """Identity-provider groups of the platform team."""
    change_windows: list[ChangeWindow] = []
    """When disruptive applications may sync; any time when empty."""


class Observability(SpecModel):
    """Metrics, alerts and dashboards."""

    enabled: Flag = True
    """Whether monitoring is compiled."""
    profiling_metrics: Flag = True
    """Collect DCGM profiling metrics (SM activity); they conflict with Nsight profilers."""
    idle_minutes: Positive = 60
    """Minutes after which an allocated but idle GPU raises an alert."""
    starvation_minutes: Positive = 120
    """Minutes a job may wait below its tenant's guarantee before an alert is raised."""
    quota_warning_percent: Annotated[int, Field(strict=True, ge=1, le=100)] = 90
    """Use of a quota, in percent, that raises an alert."""
    alert_receiver: str | None = None
    """Name of the existing Alertmanager receiver for the platform team."""
    grafana: Flag = True
    """Whether Grafana dashboards are compiled."""


AiComponent = Literal[
    "dashboard", "workbenches", "aipipelines", "kserve", "ray", "trustyai", "modelregistry", "trainingoperator"
]


class OpenShiftAi(SpecModel):
    """Red Hat OpenShift AI."""

    enabled: Flag = True
    """Whether OpenShift AI is installed (OpenShift only)."""
    components: list[AiComponent] = [
        "dashboard",
        "workbenches",
        "kserve",
        "ray",
    ]
    """Components under management; the others are removed."""


class PlatformSpec(SpecModel):
    """What a cluster is made of."""

    distribution: Distribution
    """``openshift``, ``kubernetes``, ``eks``, ``gke`` or ``aks``."""
    version: Version
    """Version of the distribution, quoted, for example ``"4.20"``."""
    ingress_domain: Host | None = None
    """Domain below which every tenant gets ``<tenant>.<domain>``."""
    gitops: GitOps
    """Repository, administrators and change windows."""
    node_pools: Annotated[list[NodePool], Field(min_length=1)]
    """Pools of servers."""
    network: ClusterNetwork = ClusterNetwork()
    """Addresses of the cluster itself."""
    fabrics: list[Fabric] = []
    """High-speed networks."""
    operators: dict[str, OperatorPin] = {}
    """Pins per operator of the catalog, for example ``gpu-operator``."""
    driver: Driver = Driver()
    """The GPU driver."""
    scheduler: Scheduler = Scheduler()
    """Who divides GPUs."""
    priority_tiers: list[PriorityTier] = [
        PriorityTier(name="batch", value=50, preempts=False, description="Work that may be preempted and reclaimed"),
        PriorityTier(name="interactive", value=75, description="Notebooks and debugging"),
        PriorityTier(name="production", value=125, description="Serving; never preempted"),
    ]
    """Priority classes."""
    openshift_ai: OpenShiftAi = Field(default=OpenShiftAi(), alias="openshiftAI")
    """Red Hat OpenShift AI (OpenShift only)."""
    observability: Observability = Observability()
    """Metrics, alerts and dashboards."""


class Platform(Document):
    """One cluster; a spec has exactly one."""

    kind: Literal["Platform"]
    """Always ``Platform``."""
    spec: PlatformSpec
    """What the cluster is made of."""
