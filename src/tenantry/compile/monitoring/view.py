"""What expressions and texts need to know of a cluster: flags that switch them, values that fill them in.

Templates carry ``@name@`` where a value belongs: braces and dollar signs already mean something in PromQL, in alert
templates and in dashboards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.cluster import ResourceKind
from tenantry.model.spec import SchedulerType, SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.cluster import Cluster

NAMESPACE = "tenantry-monitoring"
"""Namespace of rules, monitors and dashboards of the platform."""

FLAGS: Mapping[str, str] = {
    "openshift": "OpenShift",
    "plain": "not OpenShift",
    "kai": "scheduler KAI",
    "kueue": "scheduler Kueue",
    "runai": "scheduler Run:ai",
    "tenants": "at least one tenant",
    "mig": "a MIG pool",
    "shared": "a time-sliced or MPS pool",
    "fabric": "a fabric the platform configures",
    "nvlink": "servers with NVLink",
    "profiling": "profiling metrics",
    "utilisation": "no profiling metrics",
    "pinned-driver": "driver installed by the GPU Operator",
}
"""Flags and what each means."""

_PLACEHOLDER = re.compile(r"@([a-z_]+)@")
_NOTHING = "none"
"""Matches no pool and no metric resource: an alternation must not be empty, or it would match the empty label."""


@dataclass(frozen=True)
class View:
    """One cluster as alerts, records and panels see it.

    Attributes:
        cluster: the resolved cluster.
        flags: what is true of it, of :data:`FLAGS`.
        values: texts by placeholder name.
    """

    cluster: Cluster
    flags: frozenset[str]
    values: Mapping[str, str]

    def has(self, needs: Iterable[str]) -> bool:
        """Whether everything needed is true of the cluster.

        Raises:
            KeyError: if a flag does not exist.
        """
        return all(FLAGS[need] and need in self.flags for need in needs)

    def fill(self, template: str) -> str:
        """Replace every ``@name@``.

        Raises:
            KeyError: if a placeholder has no value.
        """
        return _PLACEHOLDER.sub(lambda match: self.values[match[1]], template)


def metric_resource(resource: str) -> str:
    """Spell an extended resource as kube-state-metrics does: ``nvidia_com_mig_3g_71gb``.

    Source: kube-state-metrics, ``internal/store/utils.go`` SanitizeLabelName.
    """
    return re.sub(r"[^A-Za-z0-9_]", "_", resource)


def label_metric(label: str) -> str:
    """Spell a node label as kube-state-metrics does in ``kube_node_labels``: ``label_tenantry_dev_pool``.

    Source: kube-state-metrics, ``internal/store/utils.go``: characters outside ``[a-zA-Z0-9_]`` become ``_`` and
    camel case becomes snake case.
    """
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"[^A-Za-z0-9_]", "_", label))
    return "label_" + snake.lower()


def view_of(cluster: Cluster) -> View:
    """Look at a cluster the way monitoring does."""
    return View(cluster, frozenset(_flags(cluster)), _values(cluster))


def _flags(cluster: Cluster) -> Iterable[str]:
    spec = cluster.spec.platform.spec
    yield "openshift" if cluster.openshift else "plain"
    yield spec.scheduler.type.value
    yield "profiling" if spec.observability.profiling_metrics else "utilisation"
    modes = {pool.mode for pool in cluster.pools}
    if SharingMode.MIG in modes:
        yield "mig"
    if modes & {SharingMode.TIME_SLICING, SharingMode.MPS}:
        yield "shared"
    if cluster.fabrics and not cluster.distribution.managed:
        yield "fabric"
    if any(pool.server.nvlink for pool in cluster.pools):
        yield "nvlink"
    if spec.driver.managed_by == "operator":
        yield "pinned-driver"
    if cluster.tenants:
        yield "tenants"


def _values(cluster: Cluster) -> dict[str, str]:
    spec = cluster.spec.platform.spec
    observability = spec.observability
    kinds: dict[ResourceKind, set[str]] = {kind: set() for kind in ResourceKind}
    for pool in cluster.pools:
        for item in pool.resources:
            kinds[item.kind].add(metric_resource(item.name))
    gpus = kinds[ResourceKind.GPU] | kinds[ResourceKind.SHARED]
    shared = {pool.name for pool in cluster.pools if pool.mode in {SharingMode.TIME_SLICING, SharingMode.MPS}}
    mig = {pool.name for pool in cluster.pools if pool.mode is SharingMode.MIG}
    return {
        "idle": f"{observability.idle_minutes}m",
        "starvation": f"{observability.starvation_minutes}m",
        "quota_percent": str(observability.quota_warning_percent),
        "quota_ratio": f"{observability.quota_warning_percent / 100:g}",
        "gpu_resources": _any(gpus),
        "slice_resources": _any(kinds[ResourceKind.SLICE]),
        "compute_resources": _any(gpus | kinds[ResourceKind.SLICE]),
        "vf_resources": _any(kinds[ResourceKind.VF]),
        "device_resources": _any(set().union(*kinds.values())),
        "quota_resources": _any(f"requests.{name}" for name in cluster.resources),
        "shared_pools": _any(shared),
        "mig_pools": _any(mig),
        "rdma_pools": _any({name for fabric in cluster.fabrics for name in fabric.spec.pools}),
        "scheduler": {
            SchedulerType.KAI: "KAI",
            SchedulerType.KUEUE: "Kueue",
            SchedulerType.RUNAI: "Run:ai",
        }[spec.scheduler.type],
        "platform": cluster.name,
    }


def _any(names: Iterable[str]) -> str:
    """Write names as a PromQL alternation; dots are literal, as a class because a backslash would need escaping."""
    return "|".join(name.replace(".", "[.]") for name in sorted(names)) or _NOTHING
