"""A Job that ends the sync of the fabrics when the virtual functions are there.

The status of a SriovNetworkNodePolicy is empty, so no health check can read it. What follows from it can be read: the
state the daemon writes per node, and the VFs that each node offers.

Source: sriov-network-operator, ``api/v1/sriovnetworknodestate_types.go`` and ``pkg/consts/constants.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.build import manifest
from tenantry.compile.fabric_config import sriov_namespace, wired_pools
from tenantry.compile.jobs import SYNC_HOOK, client_image, container, pod
from tenantry.model.cluster import ResourceKind
from tenantry.model.tree import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Output

COMPONENT = "sriov"
NAME = "virtual-functions-ready"
WAVE_ACCESS, WAVE_JOB = 2, 3

SECONDS_PER_NODE = 1800
"""Nodes drain one after another, and a bare-metal server takes many minutes to reboot."""


def sriov_readiness(cluster: Cluster) -> Iterable[Output]:
    """Yield the Job with its own account and the right to read nodes and their SR-IOV states."""
    if not cluster.fabrics or cluster.distribution.managed:
        return
    yield from (Piece(COMPONENT, "readiness", body) for body in (*_access(cluster), _job(cluster)))


def _access(cluster: Cluster) -> Iterator[Body]:
    namespace = sriov_namespace(cluster)
    read = ["get", "list", "watch"]
    states = {"apiGroups": ["sriovnetwork.openshift.io"], "resources": ["sriovnetworknodestates"], "verbs": read}
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}]
    group = "rbac.authorization.k8s.io"
    yield manifest("v1", "ServiceAccount", NAME, namespace=namespace, wave=WAVE_ACCESS)
    yield manifest(f"{group}/v1", "Role", NAME, namespace=namespace, wave=WAVE_ACCESS, rules=[states])
    yield manifest(
        f"{group}/v1",
        "RoleBinding",
        NAME,
        namespace=namespace,
        wave=WAVE_ACCESS,
        roleRef={"apiGroup": group, "kind": "Role", "name": NAME},
        subjects=subjects,
    )
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": read}
    yield manifest(f"{group}/v1", "ClusterRole", f"tenantry-{NAME}", wave=WAVE_ACCESS, rules=[nodes])
    yield manifest(
        f"{group}/v1",
        "ClusterRoleBinding",
        f"tenantry-{NAME}",
        wave=WAVE_ACCESS,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": f"tenantry-{NAME}"},
        subjects=subjects,
    )


def _job(cluster: Cluster) -> Body:
    wired = {pool.name: pool for fabric in cluster.fabrics for pool in wired_pools(cluster, fabric)}
    patience = SECONDS_PER_NODE * max(1, sum(pool.nodes for pool in wired.values()))
    image = client_image(cluster)
    waits = [_wait_for_states(cluster, patience)]
    for name in sorted(wired):
        waits.extend(_waits_for_functions(wired[name], patience))
    steps = [container(f"wait-{number}", image, command, mounts={}) for number, command in enumerate(waits, start=1)]
    return manifest(
        "batch/v1",
        "Job",
        NAME,
        namespace=sriov_namespace(cluster),
        annotations=SYNC_HOOK,
        wave=WAVE_JOB,
        spec={
            "backoffLimit": 2,
            "activeDeadlineSeconds": patience + 600,
            "template": {"spec": pod(cluster, NAME, steps, [])},
        },
    )


def _wait_for_states(cluster: Cluster, patience: int) -> list[str]:
    return [
        "kubectl",
        "wait",
        "sriovnetworknodestates.sriovnetwork.openshift.io",
        "--all",
        f"--namespace={sriov_namespace(cluster)}",
        "--for=jsonpath={.status.syncStatus}=Succeeded",
        f"--timeout={patience}s",
    ]


def _waits_for_functions(pool: Pool, patience: int) -> Iterator[list[str]]:
    """Wait until every node of a pool offers what was compiled: a state may still be that of before the change."""
    selector = ",".join(f"{key}={value}" for key, value in sorted(pool.node_selector.items()))
    for resource in pool.resources:
        if resource.kind is ResourceKind.VF:
            field = resource.name.replace(".", "\\.")
            yield [
                "kubectl",
                "wait",
                "nodes",
                f"--selector={selector}",
                f"--for=jsonpath={{.status.allocatable.{field}}}={resource.per_node}",
                f"--timeout={patience}s",
            ]
