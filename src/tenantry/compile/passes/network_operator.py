"""NicClusterPolicy: the DOCA driver, address management and, on InfiniBand, the P_Key controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, content_hash, manifest
from tenantry.compile.fabric_config import network_operator_namespace, node_terms, wired_pools
from tenantry.model.cluster import POOL_LABEL
from tenantry.model.spec import FabricType
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import ChosenOperator, Cluster
    from tenantry.model.tree import Output

COMPONENT = "network-operator"

# A NicClusterPolicy of any other name is ignored (network-operator, controllers/nicclusterpolicy_controller.go).
NAME = "nic-cluster-policy"

UFM_SECRET = "ib-kubernetes-ufm-secret"
"""Secret with the credentials of the subnet manager; made by a person, only named in the tree."""

# Pods that must survive a drain for a driver upgrade carry this label (network-operator documentation, upgrade).
NEVER_DRAINED = "nvidia.com/ofed-driver-upgrade-drain.skip!=true"


def network_operator(cluster: Cluster) -> Iterable[Output]:
    """Yield the NicClusterPolicy where fabrics exist and the node image is ours to change."""
    if not cluster.fabrics:
        return
    if cluster.distribution.managed:
        yield from _managed_notes(cluster)
        return
    chosen = cluster.operators.get("network-operator")
    if chosen is None:
        return
    yield Piece(
        COMPONENT,
        NAME,
        manifest(
            "mellanox.com/v1alpha1",
            "NicClusterPolicy",
            NAME,
            sync_options=f"{GUARD_DELETE},SkipDryRunOnMissingResource=true",
            spec=_spec(cluster, chosen),
        ),
    )
    yield from _notes(cluster, chosen)


def _spec(cluster: Cluster, chosen: ChosenOperator) -> dict[str, Any]:
    pools = wired_pools(cluster)
    spec: dict[str, Any] = {
        "ofedDriver": _driver(chosen),
        "nvIpam": {**_image(chosen, "nv-ipam"), "enableWebhook": False},
    }
    if _partitioned(cluster):
        start, end = guid_pool(cluster.name)
        spec["ibKubernetes"] = {
            **_image(chosen, "ib-kubernetes"),
            "periodicUpdateSeconds": 5,
            "pKeyGUIDPoolRangeStart": start,
            "pKeyGUIDPoolRangeEnd": end,
            "ufmSecret": UFM_SECRET,
        }
    if not cluster.openshift:
        # OpenShift brings Multus and the reference CNI plugins along.
        spec["secondaryNetwork"] = {
            "cniPlugins": _image(chosen, "cni-plugins"),
            "multus": _image(chosen, "multus"),
        }
    # There is no sriovDevicePlugin: the SR-IOV operator owns the VFs, and two device plugins would claim them twice.
    if any(pool.spec.dedicated for pool in pools):
        spec["tolerations"] = [{"key": POOL_LABEL, "operator": "Exists", "effect": "NoSchedule"}]
    if pools:
        # Otherwise the driver would also be loaded on nodes whose NIC of the same vendor carries their own network.
        spec["nodeAffinity"] = {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": node_terms(pools)}
        }
    return spec


def _driver(chosen: ChosenOperator) -> dict[str, Any]:
    return {
        **_image(chosen, "doca-driver"),
        "forcePrecompiled": False,
        "terminationGracePeriodSeconds": 300,
        "env": [
            # Interface names stay what they were before the driver was replaced.
            {"name": "CREATE_IFNAMES_UDEV", "value": "true"},
            {"name": "RESTORE_DRIVER_ON_POD_TERMINATION", "value": "true"},
            # Storage modules that use the old RDMA stack keep it from being unloaded.
            {"name": "UNLOAD_STORAGE_MODULES", "value": "true"},
        ],
        "startupProbe": {"initialDelaySeconds": 10, "periodSeconds": 20},
        "livenessProbe": {"initialDelaySeconds": 30, "periodSeconds": 30},
        "readinessProbe": {"initialDelaySeconds": 10, "periodSeconds": 30},
        "upgradePolicy": {
            "autoUpgrade": True,
            "maxParallelUpgrades": 1,
            # A node is drained before its driver is loaded, so no pod loses its NIC while it runs.
            "safeLoad": True,
            "drain": {
                "enable": True,
                # Pods without a controller would not come back: the upgrade stops and a person decides.
                "force": False,
                # Shared memory of training pods is an emptyDir; refusing those would stop every upgrade.
                "deleteEmptyDir": True,
                "podSelector": NEVER_DRAINED,
                "timeoutSeconds": 300,
            },
        },
    }


def _image(chosen: ChosenOperator, role: str) -> dict[str, str]:
    """Repository, image and version: the operator refuses an image of which only a part is given."""
    repository, _, image = chosen.operator.images[role].rpartition("/")
    return {"image": image, "repository": repository, "version": _version(chosen, role)}


def _version(chosen: ChosenOperator, role: str) -> str:
    known = chosen.operator.parts(chosen.version).get(role)
    if known:
        return known
    # Everything but the driver is tagged with the release of the operator (network-operator, hack/release.yaml).
    return chosen.operator.components[role] if role == "doca-driver" else f"network-operator-v{chosen.version}"


def guid_pool(platform: str) -> tuple[str, str]:
    """First and last GUID handed to VFs: locally administered, with 24 bits taken from the platform's name.

    Two clusters on one InfiniBand fabric must not hand out the same GUIDs.
    """
    digest = content_hash(platform, 6).upper()
    prefix = ":".join(("02", digest[0:2], digest[2:4], digest[4:6]))
    return f"{prefix}:00:00:00:00", f"{prefix}:FF:FF:FF:FF"


def _partitioned(cluster: Cluster) -> bool:
    names = {fabric.name for fabric in cluster.fabrics if fabric.spec.type is FabricType.INFINIBAND}
    return any(fabric.spec.p_keys is not None for fabric in cluster.fabrics if fabric.name in names) or any(
        attachment.name in names and attachment.p_key is not None
        for tenant in cluster.tenants
        for attachment in tenant.spec.spec.network.fabrics
    )


def _notes(cluster: Cluster, chosen: ChosenOperator) -> Iterator[Note]:
    if "doca-driver" not in chosen.operator.parts(chosen.version):
        yield Note(
            "NOTE-DOCA-VERSION",
            f"operator network-operator {chosen.version}",
            "The catalog does not know which DOCA driver belongs to this release; that of "
            f"{chosen.operator.recommended} is written.",
            "Compare ofedDriver.version in the NicClusterPolicy with the release notes of the operator.",
        )
    if _partitioned(cluster):
        yield Note(
            "NOTE-UFM-SECRET",
            f"secret {network_operator_namespace(cluster)}/{UFM_SECRET}",
            "P_Keys are set in the subnet manager with credentials that do not belong into Git; without the secret, "
            "pods with a P_Key do not start. The default partition must have full members only by P_Key.",
            "Create the secret with UFM_USERNAME, UFM_PASSWORD, UFM_ADDRESS, UFM_HTTP_SCHEMA, UFM_PORT and "
            "UFM_CERTIFICATE before the first sync.",
        )
    if not cluster.openshift:
        yield Note(
            "NOTE-MULTUS-ISOLATION",
            "Multus",
            "Unlike on OpenShift, Multus lets a pod attach to networks of other namespaces by default. The admission "
            "guard on network annotations refuses it; nothing else does.",
        )


def _managed_notes(cluster: Cluster) -> Iterator[Note]:
    for fabric in cluster.fabrics:
        yield Note(
            "NOTE-MANAGED-FABRIC",
            f"fabric {fabric.name}",
            f"On {cluster.distribution.value} the provider owns NIC firmware, drivers and virtual functions; no "
            "objects are compiled for this fabric and no VFs are advertised by Tenantry.",
            "Use the provider's own RDMA offering, or leave the fabric out of the spec.",
        )
