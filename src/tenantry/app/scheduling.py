"""From a spec to what its scheduler sees: per node pool the nodes, the queues as compiled, and the settings.

One scheduler instance serves one node pool (a SchedulingShard of KAI), so every pool is a cluster of its own here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.compile.passes.kai import NODE_POOL_LABEL
from tenantry.compile.queue_shares import counted
from tenantry.compile.queue_tree import pool_queues
from tenantry.errors import InputError
from tenantry.fair.checks import check_setup
from tenantry.fair.kai.asks import mig_size
from tenantry.fair.kai.rules import DEFAULTS, VERSIONS, Settings, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.setup import AS_USUAL, Behaviour, Setup
from tenantry.fair.routing import PoolOffer
from tenantry.model.cluster import POOL_LABEL, ResourceKind
from tenantry.model.duration import parse_duration
from tenantry.model.moment import Node
from tenantry.model.spec import SchedulerType
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.compile.queue_tree import OwnedQueue
    from tenantry.model.cluster import Cluster, ClusterTenant, Pool

OPERATOR = "kai-scheduler"
PODS = {True: 250.0, False: 110.0}
"""Pods a node may hold, by whether it runs OpenShift (kubelet, maxPods)."""

RUNAI_NOTE = (
    "Run:ai is simulated as the KAI scheduler, which is its core: the same quotas, limits and weights, the rules of "
    "KAI {version}; what Run:ai adds to it is not modelled"
)
UNCOUNTED = (
    "its GPUs are shared by replicas, which KAI does not count as GPUs, so its queues divide nothing and there is no "
    "share to simulate"
)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What of the scheduler no spec says.

    Attributes:
        period: seconds between two cycles.
        k_value: weight of past usage in the division of what is left over; it counts only where a usage window is set.
    """

    period: int = 1
    k_value: float = DEFAULTS.k_value


USUAL_TUNING = Tuning()


@dataclass(frozen=True, slots=True)
class PoolScheduling:
    """One node pool as its scheduler sees it.

    Attributes:
        name: name of the pool.
        setup: nodes, queues and who submits where.
        scheduler: the scheduler of the pool.
        offer: the pool as jobs choose among pools.
        unit: what one GPU of a queue is, in words.
    """

    name: str
    setup: Setup
    scheduler: KaiScheduler
    offer: PoolOffer
    unit: str


@dataclass(frozen=True, slots=True)
class Scheduling:
    """A platform as its schedulers see it.

    Attributes:
        pools: node pools ordered by name, those that cannot be simulated included.
        classes: value of every priority class by its name.
        priorities: values of the priority classes each tenant may use, ascending.
        notes: what is simulated otherwise than it is deployed, a sentence each.
    """

    pools: tuple[PoolScheduling, ...]
    classes: dict[str, int]
    priorities: dict[str, tuple[int, ...]]
    notes: tuple[str, ...]

    @property
    def tenants(self) -> tuple[str, ...]:
        """Tenants of the platform, sorted."""
        return tuple(sorted(self.priorities))


def scheduling(cluster: Cluster, behaviour: Behaviour = AS_USUAL, tuning: Tuning = USUAL_TUNING) -> Scheduling:
    """Return what the schedulers of a platform see.

    Args:
        cluster: the platform.
        behaviour: how jobs behave.
        tuning: what of the scheduler no spec says.

    Raises:
        InputError: if the platform has a scheduler that is not modelled.
    """
    kind = cluster.spec.platform.spec.scheduler.type
    if kind is SchedulerType.KUEUE:
        raise InputError(
            f"platform {cluster.name} shares its GPUs with Kueue, which is not modelled; expected scheduler.type kai, "
            "or runai, which is simulated by its core, KAI"
        )
    version, notes = _version(cluster)
    if kind is SchedulerType.RUNAI:
        notes.append(RUNAI_NOTE.format(version=version))
    settings = _settings(cluster, version, tuning)
    scheduler = KaiScheduler(settings, tuning.period)
    pools = tuple(_pool(cluster, pool, scheduler, behaviour) for pool in cluster.pools)
    for item in pools:
        problems = check_setup(item.setup)
        if problems:
            raise InputError(f"node pool {item.name}: {problems[0]}")
        if item.offer.refused:
            notes.append(f"node pool {item.name} is not simulated: {item.offer.refused}")
    tiers = {tier.name: tier.value for tier in cluster.spec.platform.spec.priority_tiers}
    priorities = {tenant.name: tuple(sorted({tiers[name] for name in tenant.priorities})) for tenant in cluster.tenants}
    return Scheduling(pools, tiers, priorities, tuple(notes))


def _version(cluster: Cluster) -> tuple[str, list[str]]:
    """Return the modelled version nearest to the one that is deployed, and a note when it is another."""
    chosen = cluster.operators.get(OPERATOR)
    if chosen is None:
        return DEFAULTS.version, []
    exact = chosen.version.removeprefix("v")
    if exact in VERSIONS:
        return exact, []
    wanted = _release(chosen.version)
    known = {_release(version): version for version in VERSIONS}
    if wanted in known:
        return known[wanted], []
    nearest = max((release for release in known if release <= wanted), default=min(known))
    return known[nearest], [f"KAI {chosen.version} is simulated by the rules of {known[nearest]}"]


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").partition("-")[0].split(".")[:2])


def _settings(cluster: Cluster, version: str, tuning: Tuning) -> Settings:
    scheduler = cluster.spec.platform.spec.scheduler
    strategy = Strategy(scheduler.placement)
    settings = replace(
        DEFAULTS,
        version=version,
        k_value=tuning.k_value,
        reclaim_min_runtime=_seconds(scheduler.reclaim_min_runtime),
        preempt_min_runtime=_seconds(scheduler.preempt_min_runtime),
    )
    return placement(strategy, strategy, settings)


def _seconds(text: str | None) -> int:
    return (parse_duration(text) or 0) if text else 0


# Pools ---------------------------------------------------------------------------------------------------------------


def _pool(cluster: Cluster, pool: Pool, scheduler: KaiScheduler, behaviour: Behaviour) -> PoolScheduling:
    queues = pool_queues(cluster, pool.name)
    leaves = [item for item in queues if item.tenant]
    setup = Setup(
        nodes=tuple(_nodes(cluster, pool)),
        queues=tuple(item.queue for item in queues),
        queue_of={item.tenant: item.queue.name for item in leaves},
        behaviour=behaviour,
        instances=_instances(pool),
    )
    unit = next((item.share.unit for item in queues), "GPUs")
    return PoolScheduling(pool.name, setup, scheduler, _offer(cluster, pool, setup, leaves), unit)


def _nodes(cluster: Cluster, pool: Pool) -> Iterable[Node]:
    names = pool.spec.hosts or [f"{pool.name}-{number:04d}" for number in range(pool.nodes)]
    whole = sum(item.per_node for item in pool.gpu_resources if item.kind is ResourceKind.GPU)
    slices = {item.name: float(item.per_node) for item in pool.gpu_resources if item.kind is ResourceKind.SLICE}
    labels = {
        **pool.spec.labels,
        POOL_LABEL: pool.name,
        NODE_POOL_LABEL: pool.name,
        "nvidia.com/gpu.product": pool.gpu.product,
    }
    for name in sorted(names):
        yield Node(
            name=name,
            gpus=float(whole),
            # CPUs and memory stay at 0, which bounds nothing: they depend on the order of a server, so no catalog knows
            # them, and traces ask for what their own nodes had.
            pods=PODS[cluster.openshift],
            extended=tuple(sorted(slices.items())),
            gpu_memory=pool.gpu.memory_mib,
            gpu_count=pool.gpus_per_node,
            labels=labels,
            mig_strategy=cluster.mig_strategy,
        )


def _instances(pool: Pool) -> dict[int, str]:
    """Return the MIG resource by the milli-GPUs queues count it as; of several the one with the least memory."""
    sizes: dict[int, tuple[int, str]] = {}
    for item in pool.gpu_resources:
        size = mig_size(item.name)
        if size is not None:
            compute, memory = size
            sizes[compute * MILLI] = min(sizes.get(compute * MILLI, (memory, item.name)), (memory, item.name))
    return {gpus: name for gpus, (_, name) in sorted(sizes.items())}


def _offer(cluster: Cluster, pool: Pool, setup: Setup, leaves: list[OwnedQueue]) -> PoolOffer:
    sizes = {tenant.name: _sizes(tenant, pool, setup) for tenant in cluster.tenants} if setup.instances else {}
    return PoolOffer(
        name=pool.name,
        titles=(pool.gpu.id, pool.gpu.title, pool.gpu.product),
        setup=setup,
        slices=pool.gpu.compute_slices if setup.instances else 0,
        sizes=sizes,
        entitled={item.tenant: (item.queue.gpu.quota, item.queue.gpu.limit) for item in leaves},
        refused="" if counted(pool) else UNCOUNTED,
    )


def _sizes(tenant: ClusterTenant, pool: Pool, setup: Setup) -> tuple[int, ...]:
    """Return the milli-GPUs of the instances a tenant may have, ascending."""
    allowed = {item.resource for item in tenant.entitlements if item.pool == pool.name and item.limit}
    return tuple(gpus for gpus, name in setup.instances.items() if name in allowed)
