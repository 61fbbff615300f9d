"""Devices of two tenants in one server, or in one NVLink domain: peer-to-peer transfers nothing else is between.

Whole servers for one tenant at a time, or one tenant per node pool, take the question away; so does MIG, whose
instances have no peer-to-peer transfers.
Sources: NCCL documentation, "PCI Access Control Services"; NVIDIA Fabric Manager and IMEX documentation; NVIDIA
Multi-Instance GPU user guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.safe.devices.reading import environment
from tenantry.safe.fabric.ethernet import WHOLE_SERVERS
from tenantry.safe.fabric.rdma import possible
from tenantry.safe.gpu.ground import Trick, ground_of
from tenantry.safe.gpu.requests import CHANNELS_VARIABLE, imex_changes
from tenantry.safe.gpu.shares import Shared, reach_pairs, reuse_offers, shared_witness
from tenantry.safe.gpu.sharing import CLIQUE_LABEL, PRODUCT_LABEL
from tenantry.safe.reading import items, text
from tenantry.safe.ruling import Outcome, lacking

if TYPE_CHECKING:
    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.fabric.adapters import Adapter, Fabrics
    from tenantry.safe.gpu.ground import Ground

ACS = "pcie.acs"
IOMMU = "pcie.iommu"
NVLINK = "nvlink.partitioning"


def _whole(ground: Ground) -> list[Shared]:
    """Return undivided GPUs, with the tenants that can get them."""
    if ground.stack.present is None:
        return []
    return [shared for shared in reuse_offers(ground) if not shared.offer.sliced]


# --- X11: PCIe ------------------------------------------------------------------------------------------------------


def peer_outcomes(fabrics: Fabrics, source: str) -> dict[str, Outcome]:
    """Return for every tenant with devices in the same servers whether transfers between them are checked."""
    view = fabrics.view
    checked = next((name for name in (IOMMU, ACS, WHOLE_SERVERS) if view.signed(name) is True), "")

    def met(pair: tuple[str, str], driven: Step | None) -> Outcome:
        if checked:
            return Outcome.safe(f"{checked} is signed as {view.declared.fact(checked)}")
        if driven is not None and view.signed(IOMMU) is False:
            steps = (driven, lacking("no IOMMU checks transfers", f"{IOMMU} is signed as {view.declared.fact(IOMMU)}"))
            summary = f"a pod of {pair[0]} programs a VF to read and write memory of the server {pair[1]} runs on"
            return Outcome.broken(Witness(steps, summary), "use deviceType netdevice, or set the IOMMU to strict")
        facts = [name for name in (WHOLE_SERVERS, IOMMU, ACS) if view.signed(name) is None]
        return Outcome.open(*(view.missing(name) for name in facts or (WHOLE_SERVERS,)))

    found = reach_pairs(source, _whole(ground_of(view)), lambda target, shared: met((source, target), None))
    for adapter in fabrics.adapters.values():
        for target, users in fabrics.together(adapter, source).items():
            outcome = possible((source, target), users, met((source, target), _driven(adapter)))
            known = found.get(target)
            if known is None or (outcome.witness and not known.witness) or (outcome.missing and known.reason):
                found[target] = outcome
    return found


def _driven(adapter: Adapter) -> Step | None:
    policy = adapter.userspace
    return Step("the pod drives the VF", policy.key, ("spec", "deviceType")) if policy else None


# --- X12: NVLink and IMEX -------------------------------------------------------------------------------------------


def nvlink_outcomes(fabrics: Fabrics, source: str) -> dict[str, Outcome]:
    """Return for every tenant with undivided GPUs in the same servers whether NVLink joins them."""
    view = fabrics.view
    ground = ground_of(view)
    signed = view.signed(NVLINK)

    def met(target: str, shared: Shared) -> Outcome:
        if view.signed(WHOLE_SERVERS) is True:
            return Outcome.safe("servers run pods of one tenant at a time")
        if signed is True:
            return Outcome.safe(f"{NVLINK} is signed as {view.declared.fact(NVLINK)}")
        if signed is None:
            return Outcome.open(view.missing(NVLINK))
        happens = f"NVLink joins their GPUs, {NVLINK} is signed as {view.declared.fact(NVLINK)}"
        fix = "hand servers out whole, or partition NVLink with Fabric Manager or ComputeDomains"
        return Outcome.broken(shared_witness(source, target, shared, happens), fix)

    linked = [shared for shared in _whole(ground) if not _without_nvlink(shared)]
    return reach_pairs(source, linked, met)


# Products on PCIe cards that have no NVLink connector. Source: NVIDIA product briefs.
_NO_NVLINK = ("T4", "A2", "A10", "A16", "L4", "L40", "L40S", "RTX-PRO-6000", "RTX-PRO-4500")


def _without_nvlink(shared: Shared) -> bool:
    product = shared.group.labels.get(PRODUCT_LABEL, "").removesuffix("-SHARED").upper()
    return any(product in {f"NVIDIA-{name}", f"TESLA-{name}"} for name in _NO_NVLINK)


def channel_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant gets IMEX channels, which share memory between nodes, without asking for them."""
    domains = [group for group in ground.groups if CLIQUE_LABEL in group.labels]
    trick = Trick(
        imex_changes(),
        _asks_channels,
        "gets IMEX channels and with them memory that GPUs of other nodes export",
        (lacking("the toolkit gives channels to whoever asks", "ComputeDomains are not what hands them out"),),
        f"add an admission policy that refuses {CHANNELS_VARIABLE} in tenants' namespaces",
        f"requests of IMEX channels by {CHANNELS_VARIABLE}",
    )
    found = ground.outcome(tenant, trick)
    if found.witness is None:
        return found
    if domains:
        return found
    if ground.groups and all(group.complete for group in ground.groups):
        return Outcome.safe("no node is in a multi-node NVLink domain")
    return Outcome.open(_CLIQUE)


_CLIQUE = Missing(
    f"label {CLIQUE_LABEL} of nodes",
    f"add an admission policy that refuses {CHANNELS_VARIABLE}, or the nodes to the objects: kubectl get nodes -o yaml",
)


def _asks_channels(pod: Body) -> tuple[str | int, ...] | None:
    for path, entry in environment(pod):
        if text(entry, "name") == CHANNELS_VARIABLE:
            return path
    for name in ("initContainers", "containers"):
        for index, container in enumerate(items(pod, "spec", name)):
            for mount, entry in enumerate(items(container, "volumeMounts")):
                if "nvidia-container-devices/imex" in text(entry, "mountPath"):
                    return ("spec", name, index, "volumeMounts", mount)
    return None
