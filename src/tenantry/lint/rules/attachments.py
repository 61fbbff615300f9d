"""What networks and pods draw from: address pools, VFs and their resource names, the networks pods attach."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.advertised import vf_prefixes, vf_resources
from tenantry.lint.index import Index, hint
from tenantry.lint.pods import networks_of
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import CNI, networks
from tenantry.lint.rules.networks import sriov_networks, target_namespace
from tenantry.lint.rules.sriov import functions
from tenantry.model.finding import Severity
from tenantry.model.reading import annotations_of, integer, items, mapping, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest

IPAM = "nv-ipam.nvidia.com"
NAD_RESOURCE = "k8s.v1.cni.cncf.io/resourceName"


def _pool_of(index: Index, network: Manifest) -> list[str]:
    ipam = index.json(text(network.body, "spec", "ipam") or "{}").value
    if text(ipam, "type") != "nv-ipam" or text(ipam, "poolType") == "cidrpool":
        return []
    return [name.strip() for name in text(ipam, "poolName").split(",") if name.strip()]


@rule(
    "LINT-IPAM-POOL-MISSING",
    Severity.WARNING,
    "A network takes addresses from a pool that does not exist",
    why="CNI ADD fails and no pod with the network starts.",
    source="nvidia-k8s-ipam, README",
)
def _pool_missing(index: Index) -> Iterator[Hit]:
    pools = {pool.key.name for pool in index.of(IPAM, "IPPool")}
    for network in networks(index):
        for name in _pool_of(index, network):
            verdict = index.dangling(name, pools)
            if verdict:
                severity, nearest = verdict
                message = f"the set has no IPPool {name}{hint(nearest)}"
                fix = "Add the pool or correct poolName."
                yield Hit(network, ("spec", "ipam"), message, fix, severity, ("poolName",))


@rule(
    "LINT-IPAM-POOL",
    Severity.ERROR,
    "An address pool contradicts itself",
    why="nv-ipam refuses the pool, or a node finds no room for its block of addresses.",
    source="nvidia-k8s-ipam, api/v1alpha1 (IPPool validation)",
    fragments=True,
)
def _pool_consistent(index: Index) -> Iterator[Hit]:
    for pool in index.of(IPAM, "IPPool"):
        spec = mapping(pool.body, "spec")
        subnet, block = text(spec, "subnet"), integer(spec, "perNodeBlockSize")
        if not subnet:
            continue
        try:
            network = ipaddress.ip_network(subnet, strict=False)
        except ValueError:
            yield Hit(pool, ("spec", "subnet"), f"{subnet!r} is no network", "Write it as 192.0.2.0/24.")
            continue
        if block is not None and block < 1:
            yield Hit(
                pool, ("spec", "perNodeBlockSize"), f"a block of {block} addresses serves no pod", "Write 1 or more."
            )
        elif block is not None and block > network.num_addresses:
            message = f"a block of {block} does not fit {subnet}, which has {network.num_addresses} addresses"
            yield Hit(pool, ("spec", "perNodeBlockSize"), message, "Widen the subnet or shrink the block.")
        gateway = text(spec, "gateway")
        if gateway and not _inside(gateway, network):
            yield Hit(pool, ("spec", "gateway"), f"the gateway {gateway} is not in {subnet}", "Use one inside it.")


def _inside(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


@rule(
    "LINT-IPAM-BLOCK",
    Severity.WARNING,
    "A node has fewer addresses than VFs",
    why="Each node takes one block from the pool; when every VF is in use the last pods find no address.",
    source="nvidia-k8s-ipam, README (perNodeBlockSize)",
)
def _block_size(index: Index) -> Iterator[Hit]:
    pools = {pool.key.name: pool for pool in index.whole(IPAM, "IPPool")}
    demand: dict[str, dict[str, int]] = defaultdict(dict)
    for network in sriov_networks(index):
        name = text(network.body, "spec", "resourceName")
        resource = vf_resources(index).get(name)
        for pool in _pool_of(index, network) if resource else ():
            if resource and name not in demand[pool]:
                demand[pool][name] = max(_vfs_per_node(policy) for policy in resource.policies)
    for name in sorted(demand.keys() & pools.keys()):
        block = integer(pools[name].body, "spec", "perNodeBlockSize")
        vfs = sum(demand[name].values())
        if block is not None and 0 < block < vfs:
            message = f"each node has {vfs} VFs on this pool, but a block of {block} addresses"
            yield Hit(pools[name], ("spec", "perNodeBlockSize"), message, f"Write at least {vfs}.")


def _vfs_per_node(policy: Manifest) -> int:
    """VFs a policy makes on one node, counting one function where the policy does not name them."""
    vfs = integer(policy.body, "spec", "numVfs") or 0
    named = functions(policy)
    return sum(function.last - function.first + 1 for function in named) if named else vfs


@rule(
    "LINT-SRIOV-VF-DEMAND",
    Severity.ERROR,
    "A pod asks for more VFs than a node has",
    why="The pod stays Pending for ever.",
    source="Kubernetes, extended resources; sriov-network-operator, README (numVfs)",
)
def _vf_demand(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        for name, path in pod.resources.items():
            resource = vf_resources(index).get(name.rpartition("/")[2])
            if resource is None or not all(functions(policy) for policy in resource.policies):
                continue
            # Several policies may meet on one node, so their VFs add up to the most a node can have.
            most = sum(_vfs_per_node(policy) for policy in resource.policies)
            asked = sum(container.amount(name) for container in pod.containers if not container.init)
            if asked > most:
                message = f"the pod asks for {asked:g} of {name}; no node has more than {most}"
                yield Hit(pod.manifest, path, message, "Ask for fewer, or raise numVfs.")


@rule(
    "LINT-SRIOV-PREFIX",
    Severity.ERROR,
    "A VF resource is written with the wrong prefix",
    why="The prefix depends on who installs the operator: openshift.io with OLM or the upstream chart, nvidia.com "
    "with the chart of the NVIDIA network operator. Pods that ask for the other name stay Pending.",
    source="sriov-network-operator, api/v1/helper.go (RESOURCE_PREFIX); network-operator, "
    "deployment/network-operator/values.yaml",
)
def _prefix(index: Index) -> Iterator[Hit]:
    known = vf_prefixes(index)
    if len(known) != 1:
        return
    right, witness = next(iter(known.items()))
    for manifest, path, name in vf_references(index):
        domain, _, rest = name.removeprefix("requests.").rpartition("/")
        if domain and domain != right and rest in vf_resources(index) and domain in _PREFIXES:
            message = f"VFs are advertised as {right}/{rest} ({witness.key}), not {domain}/{rest}"
            yield Hit(manifest, path, message, f"Write {right}/{rest}.")


_PREFIXES = frozenset({"openshift.io", "nvidia.com", "intel.com", "mellanox.com"})


def vf_references(index: Index) -> Iterator[tuple[Manifest, tuple[str | int, ...], str]]:
    """Yield every place that names an extended resource by its full name, with the name."""
    for pod in index.pods:
        for name, path in pod.resources.items():
            yield pod.manifest, path, name
    for quota in index.of("", "ResourceQuota"):
        for name in mapping(quota.body, "spec", "hard"):
            yield quota, ("spec", "hard", name), str(name)
    for quota in index.of("quota.openshift.io", "ClusterResourceQuota"):
        for name in mapping(quota.body, "spec", "quota", "hard"):
            yield quota, ("spec", "quota", "hard", name), str(name)
    for queue in index.of("kueue.x-k8s.io", "ClusterQueue"):
        for group, body in enumerate(items(queue.body, "spec", "resourceGroups")):
            for position, name in enumerate(items(body, "coveredResources")):
                yield queue, ("spec", "resourceGroups", group, "coveredResources", position), str(name)
    for profile in index.of("infrastructure.opendatahub.io", "HardwareProfile"):
        for position, entry in enumerate(items(profile.body, "spec", "identifiers")):
            yield profile, ("spec", "identifiers", position, "identifier"), text(entry, "identifier")
    for manifest in index.of(CNI, "NetworkAttachmentDefinition"):
        name = annotations_of(manifest.body).get(NAD_RESOURCE, "")
        yield manifest, ("metadata", "annotations", NAD_RESOURCE), name


def attached(index: Index, source: str, namespace: str) -> list[tuple[str, str]]:
    """Return the networks an annotation names, plain or in JSON, as namespace and name."""
    found: list[tuple[str, str]] = []
    if source.strip().startswith(("[", "{")):
        entries = index.json(source).value
        for entry in entries if isinstance(entries, list) else ():
            if text(entry, "name"):
                found.append((text(entry, "namespace") or namespace, text(entry, "name")))
        return found
    for part in source.split(","):
        domain, _, short = part.strip().partition("@")[0].rpartition("/")
        if short:
            found.append((domain or namespace, short))
    return found


@rule(
    "LINT-NET-UNKNOWN",
    Severity.ERROR,
    "A pod attaches a network that does not exist where it looks for it",
    why="Multus cannot find the attachment; the pod stays in ContainerCreating.",
    source="Network Plumbing Working Group, multi-network specification 1.3, section 4.1",
)
def _network_unknown(index: Index) -> Iterator[Hit]:
    known = {(manifest.key.namespace, manifest.key.name) for manifest in index.of(CNI, "NetworkAttachmentDefinition")}
    known |= {(target_namespace(network), network.key.name) for network in networks(index)}
    homes: dict[str, set[str]] = defaultdict(set)
    for namespace, name in known:
        homes[name].add(namespace)
    for pod in index.pods:
        for namespace, name in attached(index, networks_of(pod), pod.namespace):
            if not namespace or (namespace, name) in known or "" in homes.get(name, ()):
                continue
            path = (*pod.annotations_path, "k8s.v1.cni.cncf.io/networks")
            elsewhere = sorted(homes.get(name, ()))
            if elsewhere:
                message = f"{name} is made in {', '.join(elsewhere)}, but the pod looks in {namespace}"
                yield Hit(pod.manifest, path, message, "Set networkNamespace of the network to the pod's namespace.")
            elif index.complete:
                message = f"no network {namespace}/{name} exists"
                yield Hit(pod.manifest, path, message, "Add the network or correct the name.")


@rule(
    "LINT-NET-IPC-LOCK",
    Severity.WARNING,
    "A container uses RDMA without the right to lock memory",
    why="ibv_reg_mr fails with 'Cannot allocate memory' unless the container has IPC_LOCK or the runtime raises the "
    "limit for locked memory.",
    source="NVIDIA network operator documentation, pod examples (IPC_LOCK)",
)
def _ipc_lock(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        for container in pod.containers:
            if container.privileged or container.capabilities & {"IPC_LOCK", "ALL", "SYS_ADMIN"}:
                continue
            for name in container.extended:
                domain, _, short = name.rpartition("/")
                resource = vf_resources(index).get(short)
                if domain == "rdma" or (resource is not None and resource.rdma):
                    message = f"the container uses {name} but may not lock memory"
                    place = (*container.path, "securityContext", "capabilities", "add")
                    yield Hit(pod.manifest, place, message, "Add the capability IPC_LOCK.")
                    break


RULES: tuple[Rule, ...] = (
    _pool_missing,
    _pool_consistent,
    _block_size,
    _vf_demand,
    _prefix,
    _network_unknown,
    _ipc_lock,
)
