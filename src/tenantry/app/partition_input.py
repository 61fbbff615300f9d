"""What a partition plan starts from: the MIG pools of a spec, what is wanted of them, and what their GPUs hold now.

Without a demand file the quotas are the demand: what is guaranteed to a tenant has priority 1, what lies between that
and its limit priority 0 and the tenant's over-quota weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.partition.validate import present_faults
from tenantry.errors import InputError, SpecError
from tenantry.model.gpu import Placement, place
from tenantry.model.partition import WHOLE, Layout, PartitionPool, Pin, PresentGpu, SliceDemand, whole_gpu
from tenantry.model.problem import Location, SpecProblem, Subject, nearest_name
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.io.partition_file import ListedInstances, LoadedPartitionFile
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.problem import DocPath
    from tenantry.model.spec.partition_file import NodeGpu, PoolDemand

MOST_GPUS = 20_000
"""GPUs of one pool."""

State = dict[tuple[str, int], tuple[Layout, tuple[Pin, ...]]]
"""Instances and pinned ones by node and index."""


def solvable(problem: SpecProblem) -> bool:
    """Whether a problem of a spec is one that a plan may solve: layouts that do not serve the quotas, or no layouts."""
    if problem.rule == "SPEC-SHARING-FIELDS":
        return problem.message.endswith("is partitioned but has no layouts")
    return problem.rule in {"SPEC-QUOTA-CAPACITY", "SPEC-QUOTA-UNIT"}


@dataclass(frozen=True)
class Listed:
    """What ``nvidia-smi mig -lgi`` printed on a node.

    Attributes:
        node: name of the node.
        content: the instances.
        pinned: whether all of them stay.
    """

    node: str
    content: ListedInstances
    pinned: bool


def mig_pools(cluster: Cluster, names: Sequence[str]) -> list[Pool]:
    """Return the pools that are partitioned, those of ``names`` when any are given.

    Raises:
        InputError: if there is none, or one of ``names`` is none.
    """
    pools = [pool for pool in cluster.pools if pool.mode is SharingMode.MIG]
    known = [pool.name for pool in pools]
    for name in names:
        if name not in known:
            near = nearest_name(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise InputError(
                f"there is no node pool {name!r} with mode mig; there are {', '.join(known) or 'none'}{hint}"
            )
    if not pools:
        raise InputError(f"no node pool of {cluster.name} has sharing.mode mig, so there is nothing to partition")
    return [pool for pool in pools if not names or pool.name in names]


def partition_pools(
    cluster: Cluster, pools: Sequence[Pool], demand: LoadedPartitionFile | None, listed: Sequence[Listed]
) -> list[PartitionPool]:
    """Join pools with what is wanted and what is there.

    Raises:
        SpecError: with everything that is wrong in the quotas, the demand file and the listings.
        InputError: if a pool is too large.
    """
    reader = _Reader(cluster, demand)
    if demand is not None:
        reader.check_pools()
    states: dict[str, State] = {pool.name: {} for pool in pools}
    for pool in pools:
        if pool.nodes * pool.gpus_per_node > MOST_GPUS:
            raise InputError(
                f"node pool {pool.name} has {pool.nodes * pool.gpus_per_node:,} GPUs; at most {MOST_GPUS:,} are planned"
            )
        states[pool.name] = reader.state(pool)
    reader.listings(pools, states, listed)
    found = [reader.pool(pool, states[pool.name]) for pool in pools]
    if reader.problems:
        raise SpecError(sorted(reader.problems, key=lambda item: (item.location, item.rule, str(item.path))))
    return found


def node_names(pool: Pool, state: State) -> list[str]:
    """Names of the nodes of a pool: its hosts, else those of the present state, filled up with made-up ones."""
    if pool.spec.hosts:
        return sorted(pool.spec.hosts)
    names = sorted({node for node, _ in state})[: pool.nodes]
    width = len(str(pool.nodes))
    made_up = (f"{pool.name}-{number:0{width}}" for number in range(1, 2 * pool.nodes + 1))
    return sorted([*names, *[name for name in made_up if name not in names][: pool.nodes - len(names)]])


class _Reader:
    """Turns documents into pools and collects what is wrong."""

    def __init__(self, cluster: Cluster, file: LoadedPartitionFile | None) -> None:
        self.cluster, self.file = cluster, file
        self.problems: list[SpecProblem] = []

    def _entry(self, pool: Pool) -> PoolDemand | None:
        return self.file.content.pools.get(pool.name) if self.file else None

    def _problem(
        self, path: DocPath, message: str, *, rule: str, expected: str = "", nearest: str | None = None,
        at_key: bool = False,
    ) -> None:  # fmt: skip
        assert self.file is not None
        self.problems.append(
            self.file.problem(path, message, rule=rule, expected=expected, nearest=nearest, at_key=at_key)
        )

    def check_pools(self) -> None:
        """Every pool of the demand file is a partitioned one."""
        assert self.file is not None
        known = [pool.name for pool in self.cluster.pools if pool.mode is SharingMode.MIG]
        for name in self.file.content.pools:
            if name not in known:
                self._problem(
                    ("pools", name), f"there is no node pool {name!r} with mode mig", rule="PARTITION-POOL",
                    expected=f"one of {', '.join(known)}" if known else "", nearest=nearest_name(name, known),
                    at_key=True,
                )  # fmt: skip

    def state(self, pool: Pool) -> State:
        """Read the present state of a pool from the demand file."""
        entry = self._entry(pool)
        found: State = {}
        for node, gpus in entry.nodes.items() if entry else ():
            path: DocPath = ("pools", pool.name, "nodes", node)
            if pool.spec.hosts and node not in pool.spec.hosts:
                self._problem(
                    path, f"node pool {pool.name} has no node {node}", rule="PARTITION-NODE",
                    expected="one of its hosts", nearest=nearest_name(node, pool.spec.hosts), at_key=True,
                )  # fmt: skip
                continue
            for number, item in enumerate(gpus):
                self._gpu(pool, found, (node, item), (*path, number))
        if not pool.spec.hosts and entry and len(entry.nodes) > pool.nodes:
            self._problem(
                ("pools", pool.name, "nodes"), f"node pool {pool.name} has {pool.nodes} nodes", rule="PARTITION-NODE",
                expected=f"at most {pool.nodes} nodes",
            )  # fmt: skip
        return found

    def _gpu(self, pool: Pool, found: State, item: tuple[str, NodeGpu], path: DocPath) -> None:
        node, gpu = item
        if gpu.gpu >= pool.gpus_per_node or (node, gpu.gpu) in found:
            known = "stands twice" if (node, gpu.gpu) in found else f"is none of {pool.gpus_per_node}, numbered from 0"
            self._problem((*path, "gpu"), f"GPU {gpu.gpu} of {node} {known}", rule="PARTITION-GPU")
            return
        placements, pins = [], []
        for number, instance in enumerate(gpu.instances):
            profile = pool.gpu.profile(instance.profile)
            where = (*path, "instances", number)
            if profile is None and instance.profile != WHOLE:
                self._profile(pool, (*where, "profile"), instance.profile)
                return
            size = profile.memory if profile else pool.gpu.memory_slices
            placements.append(Placement(instance.start, instance.profile, size))
            if instance.tenant:
                self._tenant(instance.tenant, (*where, "tenant"))
            if instance.pinned:
                pins.append(Pin(placements[-1], instance.tenant or ""))
        present = PresentGpu(node, gpu.gpu, tuple(sorted(placements)), tuple(sorted(pins)))
        for fault in present_faults(pool.gpu, present):
            stay = " although it is pinned" if pins else ""
            self._problem(
                (*path, "instances"), f"GPU {gpu.gpu} of {node} cannot be so{stay}: {fault}",
                rule="PARTITION-PLACEMENT", expected=f"instances that can exist on {pool.gpu.title} together",
            )  # fmt: skip
            return
        found[node, gpu.gpu] = (present.layout, present.pins)

    def _profile(self, pool: Pool, path: DocPath, name: str) -> None:
        names = [profile.name for profile in pool.gpu.profiles]
        self._problem(
            path, f"{pool.gpu.title} has no MIG profile {name!r}", rule="PARTITION-PROFILE",
            expected=f"one of {', '.join(names)}, or {WHOLE} for whole GPUs", nearest=nearest_name(name, names),
        )  # fmt: skip

    def _tenant(self, name: str, path: DocPath) -> None:
        names = [tenant.name for tenant in self.cluster.tenants]
        if name not in names:
            self._problem(
                path, f"there is no tenant {name!r}", rule="PARTITION-TENANT",
                expected=f"one of {', '.join(names)}" if names else "", nearest=nearest_name(name, names),
            )  # fmt: skip

    def listings(self, pools: Sequence[Pool], states: dict[str, State], listed: Sequence[Listed]) -> None:
        """Read listings of nodes into the states of their pools; a GPU that is not listed has no instance."""
        for item in listed:
            homes = [pool for pool in pools if item.node in pool.spec.hosts]
            homes = homes or [pool for pool in pools if not pool.spec.hosts][:1]
            if not homes:
                hosts = [host for pool in pools for host in pool.spec.hosts]
                near = nearest_name(item.node, hosts)
                hint = f"; did you mean {near!r}?" if near else ""
                raise InputError(f"no planned node pool has a node {item.node}{hint}")
            self._listing(homes[0], states[homes[0].name], item)

    def _listing(self, pool: Pool, state: State, item: Listed) -> None:
        for index in sorted({*range(pool.gpus_per_node), *item.content.gpus}):
            rows = item.content.gpus.get(index, ())
            layout = tuple(sorted(placement for placement, _ in rows))
            pins = tuple(Pin(placement) for placement in layout) if item.pinned else ()
            faults = present_faults(pool.gpu, PresentGpu(item.node, index, layout, pins))
            if index >= pool.gpus_per_node:
                faults = (f"its nodes have {pool.gpus_per_node} GPUs, numbered from 0",)
            if faults:
                self.problems.append(
                    SpecProblem(
                        Subject("File", item.content.file), (), f"GPU {index} of {item.node}: {faults[0]}",
                        expected=f"instances of {pool.gpu.title}", location=Location(item.content.file, rows[0][1], 1),
                        rule="PARTITION-PLACEMENT",
                    )
                )  # fmt: skip
                continue
            state[item.node, index] = (layout, pins)

    def pool(self, pool: Pool, state: State) -> PartitionPool:
        """Join a pool with its state and what is wanted of it."""
        spec = _spec_layouts(pool)
        gpus = []
        for node in node_names(pool, state):
            for index in range(pool.gpus_per_node):
                layout, pins = state.get((node, index), (spec[index], ()))
                gpus.append(PresentGpu(node, index, layout, pins))
        entry = self._entry(pool)
        stated = entry is not None and entry.demand is not None
        demands = list(self._stated(pool)) if stated else list(self._quotas(pool))
        return PartitionPool(pool.name, pool.gpu, tuple(gpus), tuple(demands))

    def _stated(self, pool: Pool) -> Iterator[SliceDemand]:
        entry = self._entry(pool)
        assert entry is not None
        for number, item in enumerate(entry.demand or ()):
            path: DocPath = ("pools", pool.name, "demand", number)
            if item.profile != WHOLE and pool.gpu.profile(item.profile) is None:
                self._profile(pool, (*path, "profile"), item.profile)
                continue
            if item.tenant:
                self._tenant(item.tenant, (*path, "tenant"))
            yield SliceDemand(item.profile, item.count, item.tenant or "", item.priority, item.weight)

    def _quotas(self, pool: Pool) -> Iterator[SliceDemand]:
        for tenant in self.cluster.tenants:
            for quota in tenant.spec.spec.quotas:
                if quota.pool != pool.name:
                    continue
                asked = {name: (item.guaranteed, item.limit) for name, item in sorted(quota.slices.items())}
                if quota.guaranteed or quota.limit:
                    asked[WHOLE] = (quota.guaranteed, quota.limit)
                for name, (guaranteed, limit) in asked.items():
                    if guaranteed:
                        yield SliceDemand(name, guaranteed, tenant.name, 1)
                    more = (limit or guaranteed) - guaranteed
                    if more > 0 and quota.over_quota_weight:
                        yield SliceDemand(name, more, tenant.name, 0, quota.over_quota_weight)


def _spec_layouts(pool: Pool) -> Mapping[int, Layout]:
    """Return the layout of each GPU of a node as the spec has it."""
    found: dict[int, Layout] = {}
    for group in pool.groups:
        placed = place(pool.gpu, dict(group.profiles)) if group.profiles else whole_gpu(pool.gpu)
        assert placed is not None, "checked when the spec was loaded"
        found.update(dict.fromkeys(group.indices, placed))
    return found


def without_demand(pools: Sequence[PartitionPool]) -> list[str]:
    """Names of pools of which nothing is wanted."""
    return [pool.name for pool in pools if not any(demand.count for demand in pool.demands)]
