"""Which class of work an observed pod belongs to, and whether what was seen of it can be attributed to it.

A pod belongs to a class when its namespace is one of a tenant of the class, and its label ``tenantry.dev/workload``
names the class or, without that label, its name is that of the class or begins with it and a dash. Further beginnings
may be given; the longest that fits counts. What belongs to no class, or to two alike, is listed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.efficient.advise.option import REPLICATED
from tenantry.model.activity import summed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenantry.model.activity import Activity, DeviceSamples
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.spec import Workload

WHY_SHARED = (
    "copies share a GPU by MPS or time-slicing there, so that nothing can be attributed to a pod; watch one that has a "
    "whole GPU or a MIG slice"
)


@dataclass(frozen=True)
class Watched:
    """What was seen, by class of work.

    Attributes:
        activities: by name of the class.
        strangers: pods that belong to no class, with the reason, sorted: ``namespace/pod: reason``.
        shared: pods of a class that cannot be told apart from their neighbours, by name of the class, sorted.
    """

    activities: Mapping[str, Activity] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def watched(cluster: Cluster, devices: Iterable[DeviceSamples], prefixes: Sequence[tuple[str, str]] = ()) -> Watched:
    """Attribute observed pods to the classes of work of a platform.

    Args:
        cluster: the resolved cluster.
        devices: what was seen of each pod.
        prefixes: further pairs of a class and how names of its pods begin.
    """
    found: dict[str, list[DeviceSamples]] = defaultdict(list)
    shared: dict[str, set[str]] = defaultdict(set)
    strangers: set[str] = set()
    by_name = {item.name: item for item in cluster.spec.workloads}
    for device in devices:
        name, reason = owner(cluster, device, prefixes)
        pod = f"{device.namespace}/{device.pod}"
        if not name:
            strangers.add(f"{pod}: {reason}")
        elif device.shared or any(pool.mode in REPLICATED for pool in _pools(cluster, by_name[name], device)):
            shared[name].add(pod)
        else:
            found[name].append(device)
    return Watched(
        {name: summed(items) for name, items in sorted(found.items())},
        tuple(sorted(strangers)),
        {name: tuple(sorted(pods)) for name, pods in sorted(shared.items())},
    )


def owner(cluster: Cluster, device: DeviceSamples, prefixes: Sequence[tuple[str, str]] = ()) -> tuple[str, str]:
    """Return the class of work of a pod, or an empty name and why there is none."""
    tenants = {item.name for item in cluster.tenants if device.namespace in item.namespaces}
    if not tenants:
        return "", "its namespace belongs to no tenant"
    near = [item.name for item in cluster.spec.workloads if not item.spec.tenants or tenants & set(item.spec.tenants)]
    if device.label:
        if device.label in near:
            return device.label, ""
        return "", f"its label names {device.label}, which is no Workload of this tenant"
    fitting: dict[int, set[str]] = defaultdict(set)
    for name in near:
        if device.pod == name or device.pod.startswith(f"{name}-"):
            fitting[len(name)].add(name)
    for name, prefix in prefixes:
        if name in near and device.pod.startswith(prefix):
            fitting[len(prefix)].add(name)
    if not fitting:
        return "", "no Workload of this tenant has such a name"
    best = sorted(fitting[max(fitting)])
    return (best[0], "") if len(best) == 1 else ("", f"it may be of {' or '.join(best)}")


def _pools(cluster: Cluster, workload: Workload, device: DeviceSamples) -> list[Pool]:
    """Return the node pools in which a pod may have run, as far as the samples tell."""
    for pool in cluster.pools:
        if pool.name == device.pool or device.node in pool.spec.hosts:
            return [pool]
    open_to = [pool for pool in cluster.pools if not workload.spec.pools or pool.name in workload.spec.pools]
    return [pool for pool in open_to if pool.gpu.product == device.product] or open_to
