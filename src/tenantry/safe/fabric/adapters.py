"""Virtual functions and shared RDMA devices: what nodes offer, and which tenants can get it.

Sources: SR-IOV network operator ``api/v1`` (node policies, pools, RESOURCE_PREFIX); k8s-rdma-shared-dev-plugin README.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Step
from tenantry.model.selector import parse_selector
from tenantry.safe.devices.access import access_of
from tenantry.safe.devices.nodes import read_nodes
from tenantry.safe.devices.reading import parsed
from tenantry.safe.fabric.attachments import (
    DEFAULT_NETWORK,
    MELLANOX,
    NETWORKS,
    RESOURCE_ANNOTATION,
    SRIOV,
    named_networks,
    of_tenants,
    read_attachments,
)
from tenantry.safe.gpu.stack import chart_values, charts
from tenantry.safe.reading import at, items, mapping, strings, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest, ManifestKey
    from tenantry.safe.devices.access import Access, Users
    from tenantry.safe.devices.nodes import Node
    from tenantry.safe.fabric.attachments import Attachment
    from tenantry.safe.ruling import Outcome
    from tenantry.safe.view import PodTemplate, View

UPSTREAM_PREFIX = "openshift.io"
NVIDIA_PREFIX = "nvidia.com"


@dataclass(frozen=True)
class Adapter:
    """Node policies that make the VFs of one resource.

    Attributes:
        name: resource name without prefix.
        policies: the policies.
    """

    name: str
    policies: tuple[Manifest, ...]

    @property
    def rdma(self) -> Manifest | None:
        """A policy that makes RDMA devices, or None."""
        return next((item for item in self.policies if at(item.body, "spec", "isRdma") is True), None)

    @property
    def userspace(self) -> Manifest | None:
        """A policy whose VFs are driven by the pod itself, or None."""
        return next((item for item in self.policies if text(item.body, "spec", "deviceType") == "vfio-pci"), None)

    @property
    def infiniband(self) -> bool:
        """Whether its links are InfiniBand."""
        return any(text(item.body, "spec", "linkType").lower() == "ib" for item in self.policies)


@dataclass(frozen=True)
class SharedDevice:
    """A resource of the RDMA shared device plugin.

    Attributes:
        resource: full name.
        pods: how many pods get it at the same time; 0 when not written.
        step: where it is configured.
    """

    resource: str
    pods: int
    step: Step


class Fabrics:
    """Analyses the channels of secondary networks share."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.access: Access = access_of(view)
        self._named: dict[str, dict[tuple[str, str, str], PodTemplate]] = {}
        self.refused: dict[str, dict[tuple[str, ...], list[Outcome]]] = {}
        self._modes: dict[ManifestKey, tuple[str, Step | None]] = {}
        self.distinct: dict[str, list[Attachment]] = {}
        self.apart: Outcome | None = None
        self._first: dict[str, dict[str, Attachment]] = {}
        self._placed: dict[ManifestKey, tuple[Node, ...]] = {}
        self._users: dict[str, list[Users]] = {}
        self._together: dict[tuple[str, str], dict[str, Users]] = {}
        self._infiniband: dict[str, bool] = {}

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """Every secondary network."""
        return read_attachments(self.view)

    @cached_property
    def homes(self) -> tuple[tuple[Attachment, str | None], ...]:
        """Every secondary network with the owner of its namespace."""
        return tuple((item, self.view.tenancy.owner(item.namespace)) for item in self.attachments)

    @cached_property
    def owned(self) -> Mapping[str, tuple[Attachment, ...]]:
        """Secondary networks per tenant."""
        return of_tenants(self.view, self.attachments)

    def first_on(self, below: str) -> Mapping[str, Attachment]:
        """Return per tenant its first network that something carries."""
        if below not in self._first:
            found: dict[str, Attachment] = {}
            for tenant, attachments in self.owned.items():
                for item in attachments:
                    if item.below == below:
                        found.setdefault(tenant, item)
            self._first[below] = found
        return self._first[below]

    @cached_property
    def adapters(self) -> Mapping[str, Adapter]:
        """VF resources by name without prefix."""
        found: dict[str, list[Manifest]] = {}
        for policy in self.view.snapshot.of(SRIOV, "SriovNetworkNodePolicy"):
            name = text(policy.body, "spec", "resourceName")
            if name:
                found.setdefault(name, []).append(policy)
        return {name: Adapter(name, tuple(found[name])) for name in sorted(found)}

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes as the objects describe them."""
        return read_nodes(self.view.snapshot)

    def placed(self, policy: Manifest) -> tuple[Node, ...]:
        """Return the nodes a node policy may select; a label that is not known counts as carried."""
        if policy.key not in self._placed:
            wanted = strings(policy.body, "spec", "nodeSelector")
            self._placed[policy.key] = tuple(
                node
                for node in self.nodes
                if all(node.labels.get(key, value) == value for key, value in wanted.items())
                and (not wanted or any(key in node.labels for key in wanted))
            )
        return self._placed[policy.key]

    def users(self, adapter: Adapter) -> list[Users]:
        """Return who can get VFs of a resource, once for every kind of node that offers them."""
        if adapter.name not in self._users:
            taints = {tuple(sorted(node.taints)) for policy in adapter.policies for node in self.placed(policy)}
            self._users[adapter.name] = [
                self.access.users(name, group)
                for name in self.full_names(adapter.name)
                for group in (sorted(taints) if taints else [()])
            ]
        return self._users[adapter.name]

    def together(self, adapter: Adapter, source: str) -> dict[str, Users]:
        """Return the tenants that may get VFs of a resource on the same nodes as one tenant, with who can get them."""
        key = (adapter.name, source)
        if key not in self._together:
            found: dict[str, Users] = {}
            for users in self.users(adapter):
                if users.can(source):
                    found |= {target: users for target in users.able if target not in found}
            found.pop(source, None)
            self._together[key] = found
        return self._together[key]

    def over_infiniband(self, name: str) -> bool:
        """Whether a VF resource is known and its links are InfiniBand."""
        if name not in self._infiniband:
            self._infiniband[name] = name in self.adapters and self.adapters[name].infiniband
        return self._infiniband[name]

    def full_names(self, name: str) -> list[str]:
        """Return the names by which pods ask for a VF resource: those mentioned, else the one its operator gives."""
        found = sorted({known for known in self._mentioned if known.rpartition("/")[2] == name})
        return found or [f"{self._prefix}/{name}"]

    @cached_property
    def _mentioned(self) -> frozenset[str]:
        found: set[str] = set()
        snapshot = self.view.snapshot
        for quota in snapshot.of("", "ResourceQuota"):
            found.update(str(key).removeprefix("requests.") for key in mapping(quota.body, "spec", "hard"))
        for quota in snapshot.of("quota.openshift.io", "ClusterResourceQuota"):
            found.update(str(key).removeprefix("requests.") for key in mapping(quota.body, "spec", "quota", "hard"))
        for tenant in self.view.tenants:
            found.update(self.access.asking(tenant.name))
        for item in snapshot.of("k8s.cni.cncf.io", "NetworkAttachmentDefinition"):
            found.add(strings(item.body, "metadata", "annotations").get(RESOURCE_ANNOTATION, ""))
        return frozenset(name for name in found if "/" in name)

    @cached_property
    def _prefix(self) -> str:
        for _, _, source in charts(self.view.snapshot, "network-operator"):
            values = chart_values(source) or {}
            if at(values, "sriovNetworkOperator", "enabled") is True:
                return text(values, "sriov-network-operator", "operator", "resourcePrefix") or NVIDIA_PREFIX
        return UPSTREAM_PREFIX

    def named(self, tenant: str) -> Mapping[tuple[str, str, str], PodTemplate]:
        """Return the networks pods of a tenant name, by annotation, namespace and name, with a pod that does."""
        if tenant not in self._named:
            found: dict[tuple[str, str, str], PodTemplate] = {}
            for template in self.access.pods(tenant):
                for annotation in (NETWORKS, DEFAULT_NETWORK):
                    for home, name in named_networks(template.body, annotation):
                        found.setdefault((annotation, home, name), template)
            self._named[tenant] = found
        return self._named[tenant]

    # --- RDMA ---------------------------------------------------------------------------------------------------------

    def rdma_mode(self, policy: Manifest) -> tuple[str, Step | None]:
        """Return the RDMA mode pools set on the nodes of a policy: empty when none sets it for all of them."""
        if policy.key not in self._modes:
            self._modes[policy.key] = self._mode(policy)
        return self._modes[policy.key]

    def _mode(self, policy: Manifest) -> tuple[str, Step | None]:
        pools = self.view.snapshot.of(SRIOV, "SriovNetworkPoolConfig")
        modes: dict[str, Step] = {}
        for pool in pools:
            mode = text(pool.body, "spec", "rdmaMode")
            if mode and self._covers(pool, policy):
                modes[mode] = Step(f"rdmaMode is {mode}", pool.key, ("spec", "rdmaMode"))
        if "shared" in modes:
            return "shared", modes["shared"]
        return ("exclusive", modes["exclusive"]) if "exclusive" in modes else ("", None)

    def _covers(self, pool: Manifest, policy: Manifest) -> bool:
        try:
            selector = parse_selector(mapping(pool.body, "spec", "nodeSelector"))
        except ValueError:
            return False
        wanted = strings(policy.body, "spec", "nodeSelector")
        positive = all(item.operator in {"In", "Exists"} for item in selector.requirements)
        if positive and selector.matches(wanted):
            return True
        nodes = self.placed(policy)
        return bool(nodes) and positive and all(selector.matches(node.labels) for node in nodes)

    @cached_property
    def shared_devices(self) -> tuple[tuple[SharedDevice, ...], tuple[Manifest, ...]]:
        """Resources of the RDMA shared device plugin, and the objects whose configuration cannot be read."""
        found: list[SharedDevice] = []
        unread: list[Manifest] = []
        for manifest, path, written in _plugin_configs(self.view):
            document = parsed(written)
            entries = items(document, "configList")
            if not isinstance(document, dict):
                unread.append(manifest)
            for entry in entries:
                name = text(entry, "resourceName")
                most = at(entry, "rdmaHcaMax")
                count = most if isinstance(most, int) and not isinstance(most, bool) else 0
                if name:
                    full = f"{text(entry, 'resourcePrefix') or 'rdma'}/{name}"
                    found.append(SharedDevice(full, count, Step(f"{full} for {count} pods", manifest.key, path)))
        return tuple(found), tuple(unread)


def _plugin_configs(view: View) -> Iterator[tuple[Manifest, tuple[str, ...], str]]:
    for manifest in view.snapshot.of(MELLANOX, "NicClusterPolicy", "NicNodePolicy"):
        if at(manifest.body, "spec", "rdmaSharedDevicePlugin") is not None:
            path = ("spec", "rdmaSharedDevicePlugin", "config")
            yield manifest, path, text(manifest.body, *path)
    for manifest in view.snapshot.of("", "ConfigMap"):
        for key, value in sorted(strings(manifest.body, "data").items()):
            if "rdmaHcaMax" in value:
                yield manifest, ("data", key), value


@lru_cache(maxsize=2)
def fabrics_of(view: View) -> Fabrics:
    """Return the analyses of a view; channels of one view share them."""
    return Fabrics(view)
