"""OpenShift AI: its components, and a hardware profile for everything that can be asked for in each pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.model.cluster import POOL_LABEL, ResourceKind
from tenantry.model.software import VersionNumber
from tenantry.model.spec import SchedulerType
from tenantry.model.tree import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.cluster import Cluster, Pool, PoolResource
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Output

COMPONENT = "openshift-ai"
OPERATOR = "openshift-ai"
APPLICATIONS = "redhat-ods-applications"
MONITORING = "redhat-ods-monitoring"
SKIP_MISSING = "SkipDryRunOnMissingResource=true"
GUARDED = f"{GUARD_DELETE},{SKIP_MISSING}"

# From here on the second version of the interfaces is stored (opendatahub-operator, api/datasciencecluster).
SECOND_VERSION = VersionNumber("3")

COMPONENTS = (
    "aipipelines",
    "dashboard",
    "kserve",
    "modelregistry",
    "ray",
    "trainingoperator",
    "trustyai",
    "workbenches",
)
"""Components the spec can choose, in the order written. Others stay at the operator's default, which is removed."""

# Names before the second version (opendatahub-operator, api/datasciencecluster/v1).
OLD_NAMES: Mapping[str, str] = {"aipipelines": "datasciencepipelines"}

# Part of a pool's CPU and memory that comes with one accelerator when the order of the server is not known.
DEFAULT_CPU, DEFAULT_MEMORY_GIB = 8, 64

# Projects and namespaces appear when the operator first runs, then its custom resources can be made.
WAVE_INITIALIZATION, WAVE_CLUSTER, WAVE_PROFILES = 0, 1, 2


def openshift_ai(cluster: Cluster) -> Iterable[Output]:
    """Yield initialization, components and hardware profiles where OpenShift AI is installed."""
    if not cluster.openshift or OPERATOR not in cluster.operators:
        return
    yield Piece(COMPONENT, "initialization", _initialization(cluster))
    yield Piece(COMPONENT, "components", _components(cluster))
    queued = {name for tenant in cluster.tenants for name in tenant.pools}
    kueue = cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE
    for pool in cluster.pools:
        if kueue and pool.name not in queued:
            continue  # no namespace has the queue its profiles would name, so what chooses them would wait for ever
        for resource in pool.gpu_resources:
            yield Piece(COMPONENT, f"profiles-{pool.name}", _profile(cluster, pool, resource))


def _modern(cluster: Cluster) -> bool:
    return VersionNumber(cluster.operators[OPERATOR].version) >= SECOND_VERSION


def _initialization(cluster: Cluster) -> Body:
    return manifest(
        f"dscinitialization.opendatahub.io/{'v2' if _modern(cluster) else 'v1'}",
        "DSCInitialization",
        "default-dsci",
        wave=WAVE_INITIALIZATION,
        sync_options=GUARDED,
        spec={
            "applicationsNamespace": APPLICATIONS,
            "monitoring": {"managementState": "Managed", "namespace": MONITORING},
            "trustedCABundle": {"customCABundle": "", "managementState": "Managed"},
        },
    )


def _components(cluster: Cluster) -> Body:
    modern = _modern(cluster)
    wanted = set(cluster.spec.platform.spec.openshift_ai.components)
    states = {
        (name if modern else OLD_NAMES.get(name, name)): {"managementState": "Managed" if name in wanted else "Removed"}
        for name in COMPONENTS
    }
    # Queues belong to the Red Hat build of Kueue, so Managed, which would install a second one, is refused.
    kueue = cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE
    states["kueue"] = {"managementState": "Unmanaged" if kueue else "Removed"}
    return manifest(
        f"datasciencecluster.opendatahub.io/{'v2' if modern else 'v1'}",
        "DataScienceCluster",
        "default-dsc",
        wave=WAVE_CLUSTER,
        sync_options=GUARDED,
        spec={"components": dict(sorted(states.items()))},
    )


def profile_name(pool: Pool, resource: PoolResource) -> str:
    """Name of the hardware profile of one extended resource of a pool, for example ``serving-3g.71gb``."""
    if resource.kind is ResourceKind.SLICE:
        return f"{pool.name}-{resource.profile.replace('+', '.').lower()}"
    return f"{pool.name}-{'shared' if resource.kind is ResourceKind.SHARED else 'gpu'}"


def _profile(cluster: Cluster, pool: Pool, resource: PoolResource) -> Body:
    what = {
        ResourceKind.SLICE: f"slice {resource.profile} of {pool.gpu.title}",
        ResourceKind.SHARED: f"share of {pool.gpu.title}",
    }.get(resource.kind, pool.gpu.title)
    # A request for several replicas of a shared GPU is refused by the device plugin.
    most = 1 if resource.kind is ResourceKind.SHARED else resource.per_node
    return manifest(
        f"infrastructure.opendatahub.io/{'v1' if _modern(cluster) else 'v1alpha1'}",
        "HardwareProfile",
        profile_name(pool, resource),
        namespace=APPLICATIONS,
        annotations={
            "opendatahub.io/description": f"{what}, node pool {pool.name}",
            "opendatahub.io/disabled": "false",
            "opendatahub.io/display-name": f"{pool.name}: {what}",
        },
        wave=WAVE_PROFILES,
        sync_options=SKIP_MISSING,
        spec={
            "identifiers": [
                *_host_identifiers(pool),
                {
                    "displayName": what,
                    "identifier": resource.name,
                    "resourceType": "Accelerator",
                    "minCount": 1,
                    "defaultCount": 1,
                    "maxCount": most,
                },
            ],
            "scheduling": _scheduling(cluster, pool),
        },
    )


def _host_identifiers(pool: Pool) -> list[dict[str, Any]]:
    """CPU and memory: by default a fair part of the node per accelerator, at most the node."""
    units = max(1, sum(item.per_node for item in pool.gpu_resources))
    cores, memory = pool.server.cpu_cores, pool.server.memory_gib
    cpu: dict[str, Any] = {
        "displayName": "CPU",
        "identifier": "cpu",
        "resourceType": "CPU",
        "minCount": 1,
        "defaultCount": max(1, cores // units) if cores else DEFAULT_CPU,
    }
    ram: dict[str, Any] = {
        "displayName": "Memory",
        "identifier": "memory",
        "resourceType": "Memory",
        "minCount": "1Gi",
        "defaultCount": f"{max(1, memory // units) if memory else DEFAULT_MEMORY_GIB}Gi",
    }
    if cores:
        cpu["maxCount"] = cores
    if memory:
        ram["maxCount"] = f"{memory}Gi"
    return [cpu, ram]


def _scheduling(cluster: Cluster, pool: Pool) -> dict[str, Any]:
    if cluster.spec.platform.spec.scheduler.type is SchedulerType.KUEUE:
        # The flavor of the queue brings node selector and tolerations; a profile may not name both.
        return {"type": "Queue", "kueue": {"localQueueName": pool.name}}
    node: dict[str, Any] = {"nodeSelector": dict(sorted(pool.node_selector.items()))}
    if pool.spec.dedicated:
        node["tolerations"] = [{"key": POOL_LABEL, "operator": "Equal", "value": pool.name, "effect": "NoSchedule"}]
    return {"type": "Node", "node": node}
