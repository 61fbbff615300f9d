"""The changes that rules propose, in one wording: quotas, nodes, workloads, attachments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.efficient.fit.changes import Change, Edit
from tenantry.model.problem import DocPath, Subject
from tenantry.model.spec import FabricType

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster, ClusterTenant
    from tenantry.model.spec import Fabric, Workload


def tenant_subject(tenant: ClusterTenant) -> Subject:
    """Name the document of a tenant."""
    return Subject("Tenant", tenant.name)


def platform_subject(cluster: Cluster) -> Subject:
    """Name the platform's document."""
    return Subject("Platform", cluster.name)


def workload_subject(workload: Workload) -> Subject:
    """Name the document of a class of work."""
    return Subject("Workload", workload.name)


def pool_path(cluster: Cluster, pool: str) -> DocPath:
    """Path of a node pool in the platform."""
    names = [item.name for item in cluster.spec.platform.spec.node_pools]
    return ("spec", "nodePools", names.index(pool))


def fabric_path(cluster: Cluster, fabric: str) -> DocPath:
    """Path of a fabric in the platform."""
    names = [item.name for item in cluster.spec.platform.spec.fabrics]
    return ("spec", "fabrics", names.index(fabric))


def quota_path(cluster: Cluster, tenant: ClusterTenant, pool: str, resource: str = "") -> DocPath:
    """Path of a tenant's quota in a pool, down to a profile where the resource is one."""
    index = [item.pool for item in tenant.spec.spec.quotas].index(pool)
    profiles = {item.name: item.profile for item in cluster.pool(pool).gpu_resources}
    profile = profiles.get(resource, "")
    path: DocPath = ("spec", "quotas", index)
    return (*path, "slices", profile) if profile else path


def set_guarantee(cluster: Cluster, tenant: ClusterTenant, pool: str, resource: str, units: int) -> Change:
    """Change what is guaranteed; the limit stays what it was, or grows with the guarantee."""
    item = _entitlement(tenant, pool, resource)
    path = quota_path(cluster, tenant, pool, resource)
    word = "lower" if units < item[0] else "raise"
    edits = [
        Edit("Tenant", tenant.name, (*path, "guaranteed"), units),
        Edit("Tenant", tenant.name, (*path, "limit"), max(units, item[1])),
    ]
    words = f"{word} the guarantee of tenant {tenant.name} in {pool} from {item[0]} to {units} x {resource}"
    return Change(words, tuple(edits))


def set_limit(cluster: Cluster, tenant: ClusterTenant, pool: str, resource: str, units: int) -> Change:
    """Change a limit; the guarantee stays, unless it would exceed the limit."""
    item = _entitlement(tenant, pool, resource)
    path = quota_path(cluster, tenant, pool, resource)
    edits = [Edit("Tenant", tenant.name, (*path, "limit"), units)]
    if item[0] > units:
        edits.append(Edit("Tenant", tenant.name, (*path, "guaranteed"), units))
    word = "lower" if units < item[1] else "raise"
    words = f"{word} the limit of tenant {tenant.name} in {pool} from {item[1]} to {units} x {resource}"
    return Change(words, tuple(edits))


def _entitlement(tenant: ClusterTenant, pool: str, resource: str) -> tuple[int, int]:
    for item in tenant.entitlements:
        if item.pool == pool and item.resource == resource:
            return item.guaranteed, item.limit
    return 0, 0


def add_nodes(cluster: Cluster, pool: str, number: int) -> Change:
    """Add servers to a pool; where hosts are named the new ones get names to be replaced."""
    spec = cluster.pool(pool).spec
    path = pool_path(cluster, pool)
    if spec.hosts:
        added = [f"added-{count}.{pool}.invalid" for count in range(1, number + 1)]
        edits = [Edit("Platform", cluster.name, (*path, "hosts"), [*spec.hosts, *added])]
        if spec.count is not None:
            edits.append(Edit("Platform", cluster.name, (*path, "count"), len(spec.hosts) + number))
    else:
        edits = [Edit("Platform", cluster.name, (*path, "count"), cluster.pool(pool).nodes + number)]
    return Change(f"add {number} node{'s' if number != 1 else ''} to {pool}", tuple(edits))


def set_workload(workload: Workload, field: str, value: int) -> Change:
    """Make a class of work smaller: its ``gpus`` of a pod, or its ``pods``."""
    old, name = getattr(workload.spec, field), workload.name
    what = "each pod of" if field == "gpus" else ""
    unit = ("GPU" if field == "gpus" else "pod") + ("" if value == 1 else "s")
    words = f"give {what} workload {name} {value} {unit} instead of {old}".replace("  ", " ")
    return Change(words, (Edit("Workload", workload.name, ("spec", field), value),))


def set_alignment(cluster: Cluster, pool: str, alignment: str) -> Change:
    """Change how strictly the kubelet aligns devices."""
    edit = Edit("Platform", cluster.name, (*pool_path(cluster, pool), "numaAlignment"), alignment)
    return Change(f"set numaAlignment of {pool} to {alignment}", (edit,))


def set_pods(tenant: ClusterTenant, pods: int) -> Change:
    """Let each namespace have more pods."""
    old = tenant.spec.spec.compute.pods
    edit = Edit("Tenant", tenant.name, ("spec", "compute", "pods"), pods)
    return Change(f"raise compute.pods of tenant {tenant.name} from {old} to {pods}", (edit,))


def set_vfs(cluster: Cluster, fabric: str, number: int) -> Change:
    """Change how many virtual functions each rail has."""
    old = cluster.fabric(fabric).spec.vfs_per_rail
    edit = Edit("Platform", cluster.name, (*fabric_path(cluster, fabric), "vfsPerRail"), number)
    return Change(f"set vfsPerRail of {fabric} to {number} instead of {old}", (edit,))


def attach(cluster: Cluster, tenant: ClusterTenant, fabric: str) -> Change | None:
    """Attach a tenant to a fabric under the lowest number that nobody has; None when none is left."""
    spec = cluster.fabric(fabric).spec
    number = _free(cluster, spec)
    if number is None:
        return None
    ethernet = spec.type is FabricType.ETHERNET
    key: dict[str, int | str] = {"vlan": number} if ethernet else {"pKey": f"0x{0x8000 | number:04x}"}
    position = len(tenant.spec.spec.network.fabrics)
    path: DocPath = ("spec", "network", "fabrics")
    item = {"name": fabric, **key}
    edit = (
        Edit("Tenant", tenant.name, (*path, position), item) if position else Edit("Tenant", tenant.name, path, [item])
    )
    shown = next(iter(key.values()))
    return Change(f"attach tenant {tenant.name} to fabric {fabric} with {next(iter(key))} {shown}", (edit,))


def _free(cluster: Cluster, spec: Fabric) -> int | None:
    ethernet = spec.type is FabricType.ETHERNET
    taken: set[int] = set()
    for tenant in cluster.tenants:
        for item in tenant.spec.spec.network.fabrics:
            if ethernet and item.vlan is not None:
                taken.add(item.vlan)
            elif not ethernet and item.p_key is not None:
                taken.add(int(item.p_key, 16) & 0x7FFF)
    first, last = 1, 4094 if ethernet else 0x7FFE
    if ethernet and spec.vlans:
        first, last = spec.vlans.first, spec.vlans.last
    elif not ethernet and spec.p_keys:
        first, last = (int(text, 16) & 0x7FFF for text in (spec.p_keys.first, spec.p_keys.last))
    return next((number for number in range(first, last + 1) if number not in taken), None)


def both(first: Change, *others: Change) -> Change:
    """Several changes made together."""
    changes = (first, *others)
    return Change("; ".join(item.words for item in changes), tuple(edit for item in changes for edit in item.edits))
