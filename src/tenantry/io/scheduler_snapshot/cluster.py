"""The objects of a snapshot by kind, and what of them does not depend on the node pool that is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenantry.io.scheduler_snapshot.config import (
    SCHEDULER,
    file_config,
    map_config,
    partition,
    served_config,
    shard_config,
)
from tenantry.io.scheduler_snapshot.demands import Surroundings, device_resources, repelling_terms
from tenantry.io.scheduler_snapshot.fields import Fields, Log, parse_time
from tenantry.io.scheduler_snapshot.jobs import Priorities, priorities_of
from tenantry.io.scheduler_snapshot.nodes import node_of
from tenantry.io.scheduler_snapshot.pods import (
    RESERVATION,
    STUCK_AFTER,
    Clock,
    Name,
    ReadPod,
    bind_of,
    eviction_of,
    pod_of,
    times_of,
    with_demands,
)
from tenantry.model.duration import parse_duration
from tenantry.model.moment import Node, Topology
from tenantry.model.pool_snapshot import DEFAULT_POOL, Eviction, SchedulerConfig
from tenantry.model.reading import at, items, text
from tenantry.model.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.io.scheduler_snapshot.sources import Sources
    from tenantry.model.manifest import Manifest

POOL_LABEL: Final = "kai.scheduler/node-pool"
"""Label by which objects belong to a scheduler instance, unless the cluster uses another one."""

QUEUES: Final = "scheduling.run.ai"
SHARDS: Final = "kai.scheduler"
TOPOLOGIES: Final = ("kai.scheduler", "kueue.x-k8s.io")


@dataclass(frozen=True, slots=True)
class Instance:
    """One scheduler instance.

    Attributes:
        config: how it is set up.
        scheduler: scheduler name pods want it by.
        reservation: label ``app`` of its pods that reserve shared GPUs.
        full_hierarchy: whether it is fair at every level of queues, not at the lowest only.
    """

    config: SchedulerConfig
    scheduler: str
    reservation: str
    full_hierarchy: bool


class Cluster:
    """All objects of a snapshot."""

    def __init__(self, sources: Sources, log: Log, *, pool_label: str, at_time: int | None) -> None:
        """Sort the objects and read what no pool decides.

        Args:
            sources: the objects.
            log: takes what is wrong.
            pool_label: label of node pools; what the cluster's configuration says when empty.
            at_time: second the snapshot is read for; the newest in it when None.
        """
        self.objects, self.log, self.served = Snapshot(sources.manifests), log, sources.served
        self._global = self._global_config()
        self.pool_label = pool_label or text(self._global, "nodePoolLabelKey") or POOL_LABEL
        self.now = at_time if at_time is not None else newest(self.objects)
        self.queues = self._fields(QUEUES, "Queue")
        self.groups = self._fields(QUEUES, "PodGroup")
        self.nodes: tuple[tuple[Fields, Node], ...] = tuple((item, node_of(item)) for item in self._fields("", "Node"))
        self.shards = self._fields(SHARDS, "SchedulingShard")
        self.priorities: Priorities = priorities_of(self._fields("scheduling.k8s.io", "PriorityClass"))
        self.topologies = tuple(self._topologies())
        self.pods = self._pods()

    def _fields(self, group: str, kind: str) -> tuple[Fields, ...]:
        return tuple(Fields(item, self.log) for item in self.objects.of(group, kind))

    def _global_config(self) -> object:
        """The part of the scheduler operator's configuration that all instances share."""
        found = self.objects.of(SHARDS, "Config")
        return at(found[0].body, "spec", "global") if found else None

    def pool_of(self, fields: Fields) -> str:
        """Node pool an object belongs to."""
        return fields.labels.get(self.pool_label) or DEFAULT_POOL

    @property
    def served_pool(self) -> str:
        """Pool of the instance that served the snapshot."""
        return partition(self.served)[1] or DEFAULT_POOL if self.served is not None else ""

    def instance(self, pool: str) -> Instance:
        """Return the scheduler instance of a pool."""
        config = self._config(pool)
        flags = config.flags
        return Instance(
            config=config,
            scheduler=flags.get("scheduler-name") or text(self._global, "schedulerName") or SCHEDULER,
            reservation=flags.get("resource-reservation-app-label") or RESERVATION,
            full_hierarchy=flags.get("full-hierarchy-fairness", "true").lower() not in {"false", "0", "f"},
        )

    def _config(self, pool: str) -> SchedulerConfig:
        if self.served is not None:
            return served_config(self.served)
        scheduler = text(self._global, "schedulerName") or SCHEDULER
        for shard in self.shards:
            if (shard.text("spec", "partitionLabelValue") or DEFAULT_POOL) != pool:
                continue
            made = shard_config(shard)
            for item in self._fields("", "ConfigMap"):
                if item.name == f"{scheduler}-{shard.name}":
                    return map_config(item, made.flags) or made
            return made
        return file_config(None, {})

    # --- what no pool decides -----------------------------------------------------------------------------------------

    def _pods(self) -> tuple[ReadPod, ...]:
        instance = self.instance(self.served_pool)
        stuck = parse_duration(instance.config.flags.get("stuck-in-releasing-threshold", "")) or STUCK_AFTER
        clock = Clock(self.now, stuck)
        binds = dict(filter(None, map(bind_of, self.objects.of(QUEUES, "BindRequest"))))
        # The scheduler does not even watch pods that have failed (pkg/scheduler/cache/cache.go).
        seen = [item for item in self._fields("", "Pod") if item.text("status", "phase") != "Failed"]
        read = [pod_of(item, clock, binds, instance.reservation) for item in seen]
        around = self._surroundings(read)
        return tuple(with_demands(item, around) for item in read)

    def _surroundings(self, pods: list[ReadPod]) -> Surroundings:
        claims = self.objects.of("", "PersistentVolumeClaim")
        volumes = self.objects.of("", "PersistentVolume")
        classes = self.objects.of("storage.k8s.io", "StorageClass")
        repelling = tuple(term for item in pods if item.occupies for term in repelling_terms(item.fields))
        by_name = {(item.key.namespace or "default", item.key.name): item for item in claims}
        return Surroundings(
            claims=by_name if claims or self.served is not None else None,
            volumes={item.key.name: item for item in volumes},
            classes={item.key.name: item for item in classes},
            device_resources=device_resources(self.objects.of("resource.k8s.io", "DeviceClass")),
            repelling=repelling,
        )

    def _topologies(self) -> list[Topology]:
        found: dict[str, Topology] = {}
        for manifest in (item for group in TOPOLOGIES for item in self.objects.of(group, "Topology")):
            levels = items(manifest.body, "spec", "levels")
            aliases = tuple(
                (text(level, "alias"), text(level, "nodeLabel")) for level in levels if text(level, "alias")
            )
            labels = tuple(text(level, "nodeLabel") for level in levels)
            found.setdefault(manifest.key.name, Topology(manifest.key.name, labels, aliases))
        return list(found.values())

    def evictions(self) -> Mapping[Name, Eviction]:
        """Last evictions of pod groups that events tell of, by namespace and name."""
        found: dict[Name, Eviction] = {}
        for manifest in (item for group in ("", "events.k8s.io") for item in self.objects.of(group, "Event")):
            told = eviction_of(manifest)
            if told is not None and (told[0] not in found or found[told[0]].at < told[1].at):
                found[told[0]] = told[1]
        return found

    def by_group(self) -> Mapping[str, list[ReadPod]]:
        """Pods by the name of their pod group."""
        found: dict[str, list[ReadPod]] = {}
        for item in self.pods:
            if item.group:
                found.setdefault(item.group, []).append(item)
        return found


def newest(objects: Snapshot) -> int:
    """Second of the newest thing seen to happen in a snapshot; 0 when nothing says."""
    found = (parse_time(value) for manifest in objects for value in times_of(manifest.body))
    return max((value for value in found if value is not None), default=0)


def repeated(objects: Snapshot) -> list[Manifest]:
    """Objects that are there again with other content, in the order they were read."""
    different = []
    for item in objects.repeated:
        key = item.key
        kept = objects.get(key.group, key.kind, key.name, key.namespace)
        if kept is not None and kept.body != item.body:
            different.append(item)
    return different
