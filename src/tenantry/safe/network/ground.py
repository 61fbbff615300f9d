"""What is known of the network plugin: whether and how network policies act, and which addresses pods have.

Three answers are possible everywhere: yes, no, and not known. The last comes with what would decide it.

Source: OVN-Kubernetes ``go-controller/pkg/ovn/gress_policy.go`` (address ranges match pods); Calico issue 6634 (so they
do there); Cilium documentation (they do not); OVN-Kubernetes ``go.mod`` (AdminNetworkPolicy of v1alpha1 only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.claim import Missing
from tenantry.safe.network.addresses import AddressSet, parse_cidr
from tenantry.safe.network.rules import Tier

if TYPE_CHECKING:
    from tenantry.model.manifest import ManifestKey
    from tenantry.model.snapshot import Snapshot
    from tenantry.safe.view import View

CNI: Final = "cni"
ENFORCES: Final = "cni.enforces-network-policies"
ENFORCES_ADMIN: Final = "cni.enforces-admin-network-policies"
RANGES_WITHOUT_PODS: Final = "cni.ranges-without-pods"

OVN: Final = "ovn-kubernetes"

NETWORK_TYPES: Final = {"OVNKubernetes": OVN, "OpenShiftSDN": "openshift-sdn"}
"""Names of network plugins in OpenShift's configuration."""

_BLOCKS_MATCH_PODS: Final = {OVN: True, "calico": True, "cilium": False}
_ADMIN_TIER: Final = {OVN: True, "flannel": False, "openshift-sdn": False}


@dataclass(frozen=True, slots=True)
class Ground:
    """What the network plugin does.

    Attributes:
        plugin: its name as a fact states it; empty when not known.
        unproved: what is missing before network policies may be relied on; empty when they may.
        inert: why network policies are known to have no effect; empty otherwise.
        admin: whether admin and baseline network policies have effect.
        cluster: the same for ClusterNetworkPolicy.
        blocks_match_pods: whether address ranges in network policies are compared with addresses of pods.
        ranges: addresses of pods; empty when not known.
        needs_plugin: what is missing when the plugin is not known.
        needs_admin: what is missing when ``admin`` or ``cluster`` is not known.
        needs_ranges: what is missing when a range of addresses may or may not mean pods.
    """

    plugin: str
    unproved: tuple[Missing, ...]
    inert: str
    admin: bool | None
    cluster: bool | None
    blocks_match_pods: bool | None
    ranges: tuple[AddressSet, ...]
    needs_plugin: Missing
    needs_admin: Missing
    needs_ranges: Missing

    @property
    def separates_networks(self) -> bool | None:
        """Whether user-defined networks are apart from each other."""
        return None if not self.plugin else self.plugin == OVN

    def effect(self, policy: ManifestKey, tier: Tier) -> bool | Missing:
        """Say whether network policies of a kind have effect, or what would decide it."""
        if tier is Tier.NAMESPACE:
            return True
        known = self.cluster if policy.kind == "ClusterNetworkPolicy" else self.admin
        return self.needs_admin if known is None else known


def survey(view: View) -> Ground:
    """Gather what the objects and the signed facts say about the network plugin."""
    shown = _shown(view.snapshot)
    signed = view.declared.fact(CNI)
    plugin = str(signed) if isinstance(signed, str) and signed != "other" else shown
    enforced, proves = view.declared.fact(ENFORCES), view.signed(CNI)
    inert = ""
    if enforced is False:
        inert = "a signed fact says that network policies do not block traffic on this cluster"
    elif plugin == "flannel":
        inert = "the network plugin flannel does not implement network policies"
    unproved = []
    if not plugin and not proves:
        unproved.append(view.missing(CNI))
    # OpenShift's own configuration is evidence of both: its plugins enforce network policies and cannot be told not to.
    if enforced is None and not shown:
        unproved.append(view.missing(ENFORCES))
    admin = _known(view.declared.fact(ENFORCES_ADMIN), _ADMIN_TIER.get(plugin))
    cluster = _known(view.declared.fact(ENFORCES_ADMIN), False if _ADMIN_TIER.get(plugin) is False else None)
    apart = view.declared.fact(RANGES_WITHOUT_PODS) is True
    return Ground(
        plugin=plugin,
        unproved=tuple(unproved),
        inert=inert,
        admin=admin,
        cluster=cluster,
        blocks_match_pods=False if apart else _BLOCKS_MATCH_PODS.get(plugin),
        ranges=_pod_ranges(view.snapshot),
        needs_plugin=view.missing(CNI),
        needs_admin=view.missing(ENFORCES_ADMIN if plugin else CNI),
        needs_ranges=view.missing(RANGES_WITHOUT_PODS),
    )


def _known(stated: object, otherwise: bool | None) -> bool | None:
    return stated if isinstance(stated, bool) else otherwise


def _shown(snapshot: Snapshot) -> str:
    """Return the network plugin OpenShift's configuration names; empty when it is not among the objects."""
    for group, path in (
        ("config.openshift.io", ("status", "networkType")),
        ("config.openshift.io", ("spec", "networkType")),
        ("operator.openshift.io", ("spec", "defaultNetwork", "type")),
    ):
        found = snapshot.get(group, "Network", "cluster")
        name = _field(found.body, path) if found else None
        if isinstance(name, str) and name in NETWORK_TYPES:
            return NETWORK_TYPES[name]
    return ""


def _pod_ranges(snapshot: Snapshot) -> tuple[AddressSet, ...]:
    """Return the addresses from which pods get theirs, as OpenShift's configuration states them."""
    for group in ("config.openshift.io", "operator.openshift.io"):
        found = snapshot.get(group, "Network", "cluster")
        entries = _field(found.body, ("spec", "clusterNetwork")) if found else None
        if not isinstance(entries, list) or not entries:
            continue
        try:
            return tuple(parse_cidr(_field(entry, ("cidr",))) for entry in entries)
        except ValueError:
            continue
    return ()


def _field(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body
