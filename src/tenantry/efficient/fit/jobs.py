"""Jobs: what a class of work asks of a pool, as a value and in the shape of a Pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.efficient.fit.room import Need
from tenantry.model.cluster import POOL_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Job:
    """Equal pods that start together.

    Attributes:
        name: class of work, or a word for what it stands for.
        tenant: who submits it.
        namespace: where; a namespace of the tenant.
        pool: node pool.
        pods: number of pods.
        need: what each takes.
    """

    name: str
    tenant: str
    namespace: str
    pool: str
    pods: int
    need: Need

    @property
    def units(self) -> int:
        """GPUs, slices or replicas of all pods."""
        return self.pods * self.need.units

    def words(self) -> str:
        """Write it as people say it: ``4 pods x 8 nvidia.com/gpu + 8 VFs of roce in training``."""
        vfs = "".join(f" + {count} VFs of {fabric}" for fabric, count in self.need.vfs)
        pods = "1 pod" if self.pods == 1 else f"{self.pods} pods"
        return f"{pods} x {self.need.units} {self.need.resource}{vfs} in {self.pool}"


def pod_shape(cluster: Cluster, job: Job) -> dict[str, Any]:
    """Return one pod of a job as a Pod: only what decides where it fits.

    The virtual functions of a fabric whose rails are resources of their own are spread over them.
    """
    limits = {job.need.resource: str(job.need.units)}
    for fabric, count in job.need.vfs:
        for name, number in _per_resource(cluster, fabric, count).items():
            limits[name] = str(number)
    pool = cluster.pool(job.pool)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{job.name}-0", "namespace": job.namespace},
        "spec": {
            "nodeSelector": dict(sorted(pool.node_selector.items())) or {POOL_LABEL: job.pool},
            "containers": [{"name": "main", "resources": {"limits": dict(sorted(limits.items()))}}],
        },
    }


def _per_resource(cluster: Cluster, fabric: str, count: int) -> Mapping[str, int]:
    names = cluster.fabric(fabric).resources
    each, more = divmod(count, len(names))
    spread = {name: each + (position < more) for position, name in enumerate(names)}
    return {name: number for name, number in spread.items() if number}
