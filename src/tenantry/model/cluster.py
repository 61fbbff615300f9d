"""The resolved cluster: the spec joined with the catalog, in the terms every engine reasons in.

Counts are whole devices (GPUs, replicas, slices, VFs). Nothing here depends on the order of documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.spec import Distribution, SharingMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.gpu import Gpu
    from tenantry.model.hardware import Nic, Server
    from tenantry.model.software import Operator
    from tenantry.model.spec import Fabric, NodePool, Spec, Tenant

DOMAIN = "tenantry.dev"
POOL_LABEL = f"{DOMAIN}/pool"
TENANT_LABEL = f"{DOMAIN}/tenant"
DEPARTMENT_LABEL = f"{DOMAIN}/department"
COMPONENT_LABEL = f"{DOMAIN}/component"
"""Label of every compiled object that names its component."""

CONTAINER_LIMITS = {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "4Gi"}
"""What a container of a tenant gets that asks for nothing; never more than its namespace may use."""


class ResourceKind(StrEnum):
    """What one unit of an extended resource is."""

    GPU = "gpu"
    SHARED = "shared"
    SLICE = "slice"
    VF = "vf"


@dataclass(frozen=True, slots=True)
class PoolResource:
    """An extended resource that every node of a pool advertises.

    Attributes:
        name: full name, for example ``nvidia.com/mig-3g.71gb`` or ``openshift.io/sriovlegacy``.
        kind: what one unit is.
        per_node: units on each node.
        profile: MIG profile, empty for other kinds.
    """

    name: str
    kind: ResourceKind
    per_node: int
    profile: str = ""


@dataclass(frozen=True, slots=True)
class GpuGroup:
    """GPUs of each node of a pool that are partitioned alike.

    Attributes:
        indices: GPU indices, ascending.
        profiles: count per MIG profile on each GPU; empty for whole GPUs.
    """

    indices: tuple[int, ...]
    profiles: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Pool:
    """A node pool joined with its server and GPU.

    Attributes:
        spec: the pool as written.
        server: server model.
        gpu: GPU model.
        gpus_per_node: GPUs of each node.
        nodes: number of nodes.
        groups: partitioning of the GPUs of a node; one whole group without MIG.
        resources: advertised extended resources (GPUs first, then VFs), each name once.
        fabrics: names of the fabrics the pool is wired to.
        driver: NVIDIA driver version.
    """

    spec: NodePool
    server: Server
    gpu: Gpu
    gpus_per_node: int
    nodes: int
    groups: tuple[GpuGroup, ...]
    resources: tuple[PoolResource, ...]
    fabrics: tuple[str, ...]
    driver: str

    @property
    def name(self) -> str:
        """Name of the pool."""
        return self.spec.name

    @property
    def mode(self) -> SharingMode:
        """How GPUs are shared."""
        return self.spec.sharing.mode

    @property
    def gpu_resources(self) -> tuple[PoolResource, ...]:
        """Advertised resources that are GPUs or parts of them."""
        return tuple(resource for resource in self.resources if resource.kind is not ResourceKind.VF)

    @property
    def node_selector(self) -> dict[str, str]:
        """Labels that select exactly the nodes of the pool."""
        return dict(self.spec.selector) or {POOL_LABEL: self.name}

    def capacity(self, resource: str) -> int:
        """Units of a resource in the whole pool; 0 when it is not advertised."""
        return sum(item.per_node for item in self.resources if item.name == resource) * self.nodes


@dataclass(frozen=True, slots=True)
class FabricRail:
    """One physical function per node, ready to be configured.

    Attributes:
        name: name of the rail.
        pci: PCI address, empty when not known.
        interface: interface name, empty when not known.
        resource: full name of the extended resource its VFs are advertised as.
        subnet: prefix for addresses of its VFs.
    """

    name: str
    pci: str
    interface: str
    resource: str
    subnet: str

    @property
    def short_resource(self) -> str:
        """Resource name without its prefix, as SR-IOV objects spell it."""
        return self.resource.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class ClusterFabric:
    """A fabric joined with its NIC.

    Attributes:
        spec: the fabric as written.
        nic: NIC model.
        rails: physical functions with their resources and prefixes.
        mtu: MTU of the VFs, None where none is set (InfiniBand).
        nodes: number of nodes wired to it.
    """

    spec: Fabric
    nic: Nic
    rails: tuple[FabricRail, ...]
    mtu: int | None
    nodes: int

    @property
    def name(self) -> str:
        """Name of the fabric."""
        return self.spec.name

    @property
    def resources(self) -> tuple[str, ...]:
        """Full resource names, each once, in rail order."""
        return tuple(dict.fromkeys(rail.resource for rail in self.rails))


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a tenant may use of one resource in one pool.

    Attributes:
        pool: name of the pool.
        resource: full resource name.
        guaranteed: units it always gets back.
        limit: most units at one time.
        weight: share of idle units relative to other tenants.
    """

    pool: str
    resource: str
    guaranteed: int
    limit: int
    weight: int


@dataclass(frozen=True)
class ClusterTenant:
    """A tenant joined with the resources of the cluster.

    Attributes:
        spec: the document as written.
        entitlements: per pool and resource, ordered by pool then resource; only pools named in its quotas.
        limits: most units per resource over all pools, for **every** extended resource of the cluster, 0 included, and
            for whole GPUs, which nodes offer until their sharing is configured.
        priorities: names of the priority tiers it may use, its default first.
    """

    spec: Tenant
    entitlements: tuple[Entitlement, ...]
    limits: Mapping[str, int]
    priorities: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the tenant."""
        return self.spec.name

    @property
    def department(self) -> str:
        """Department of the tenant."""
        return self.spec.spec.department

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Names of its namespaces, in the order written."""
        return tuple(namespace.name for namespace in self.spec.spec.namespaces)

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the pools it has an entitlement in, each once."""
        return tuple(dict.fromkeys(item.pool for item in self.entitlements))


@dataclass(frozen=True, slots=True)
class ChosenOperator:
    """An operator of the catalog with the version this platform runs.

    Attributes:
        operator: catalog entry.
        version: version.
        channel: OLM channel, empty without OLM.
        csv: ClusterServiceVersion, empty without OLM.
    """

    operator: Operator
    version: str
    channel: str
    csv: str


@dataclass(frozen=True)
class Cluster:
    """Everything engines need to know about one platform.

    Attributes:
        spec: the documents as written.
        pools: node pools ordered by name.
        fabrics: fabrics ordered by name.
        tenants: tenants ordered by name.
        operators: chosen operators by catalog name; only those this platform installs.
        resources: every extended resource name of the cluster, sorted.
        kubernetes_minor: Kubernetes version such as ``1.33``, derived from the distribution's.
    """

    spec: Spec
    pools: tuple[Pool, ...]
    fabrics: tuple[ClusterFabric, ...]
    tenants: tuple[ClusterTenant, ...]
    operators: Mapping[str, ChosenOperator]
    resources: tuple[str, ...]
    kubernetes_minor: str

    @property
    def name(self) -> str:
        """Name of the platform."""
        return self.spec.platform.name

    @property
    def distribution(self) -> Distribution:
        """The Kubernetes it runs on."""
        return self.spec.platform.spec.distribution

    @property
    def openshift(self) -> bool:
        """Whether it is OpenShift."""
        return self.distribution is Distribution.OPENSHIFT

    @property
    def argocd_namespace(self) -> str:
        """Namespace of Argo CD."""
        return self.spec.platform.spec.gitops.namespace or ("openshift-gitops" if self.openshift else "argocd")

    @property
    def mig_strategy(self) -> str:
        """``mixed`` when any pool is partitioned, else ``none``: quotas need one resource name per profile."""
        return "mixed" if any(pool.mode is SharingMode.MIG for pool in self.pools) else "none"

    @cached_property
    def _pools_by_name(self) -> dict[str, Pool]:
        return {pool.name: pool for pool in self.pools}

    @cached_property
    def _fabrics_by_name(self) -> dict[str, ClusterFabric]:
        return {fabric.name: fabric for fabric in self.fabrics}

    def pool(self, name: str) -> Pool:
        """Return a pool by name; KeyError when there is none."""
        return self._pools_by_name[name]

    def fabric(self, name: str) -> ClusterFabric:
        """Return a fabric by name; KeyError when there is none."""
        return self._fabrics_by_name[name]

    @property
    def departments(self) -> tuple[str, ...]:
        """Departments, each once, sorted."""
        return tuple(sorted({tenant.department for tenant in self.tenants}))
