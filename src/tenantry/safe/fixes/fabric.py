"""Proposals about secondary networks: VLANs, partitions, privileges and rates of virtual functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey
from tenantry.safe.fixes.objects import on_path, put
from tenantry.safe.reading import at, from_json, mapping, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Manifest
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View


def _free_vlan(view: View) -> int:
    """Return the lowest VLAN from 100 that no object of SR-IOV uses."""
    used = {
        number(at(item.body, "spec", "vlan")) for item in view.given.of("sriovnetwork.openshift.io", "SriovNetwork")
    }
    for item in view.given.of("k8s.cni.cncf.io", "NetworkAttachmentDefinition"):
        config = from_json(text(item.body, "spec", "config"))
        used |= {number(mapping(config).get(name)) for name in ("vlan", "vlanID", "vlanId")}
    return next(value for value in range(100, 4095) if value not in used)


_CHOSEN: Final = "the VLAN is to be chosen, and set on the switches"


def _vlan(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in reversed(on_path(view, claim, "SriovNetwork")):
        yield (put(manifest, _free_vlan(view), "spec", "vlan", note=_CHOSEN),)
    for manifest in reversed(on_path(view, claim, "NetworkAttachmentDefinition")):
        yield from _configured(view, manifest)
    for manifest in reversed(on_path(view, claim, "MacvlanNetwork", "IPoIBNetwork", "HostDeviceNetwork")):
        uplink = text(manifest.body, "spec", "master").partition(".")[0]
        if uplink:
            yield (put(manifest, f"{uplink}.{_free_vlan(view)}", "spec", "master", note=_CHOSEN),)


def _configured(view: View, manifest: Manifest) -> Iterator[Proposal]:
    config = from_json(text(manifest.body, "spec", "config"))
    if not isinstance(config, dict):
        return
    if "pkey" in config or text(config, "type") == "ib-sriov":
        used = set()
        for item in view.given.of("k8s.cni.cncf.io", "NetworkAttachmentDefinition"):
            used |= {word for word in text(item.body, "spec", "config").replace('"', " ").split() if "0x" in word}
        free = next(
            f"0x{value:04x}"
            for value in range(0x8010, 0xFFFF)
            if _member(value) not in {_partition(item) for item in used}
        )
        config = {**config, "pkey": free}
        note = "the P_Key is to be chosen, and set in the subnet manager"
        yield (put(manifest, json.dumps(config), "spec", "config", note=note),)
        return
    name = next((item for item in ("vlanID", "vlan", "vlanId") if item in config), "vlan")
    yield (put(manifest, json.dumps({**config, name: _free_vlan(view)}), "spec", "config", note=_CHOSEN),)


def _member(value: int) -> int:
    return value & 0x7FFF


def _partition(word: str) -> int:
    try:
        return _member(int(word, 16))
    except ValueError:
        return -1


def _functions(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in on_path(view, claim, "SriovNetwork"):
        if text(manifest.body, "spec", "trust") == "on":
            yield (put(manifest, "off", "spec", "trust"),)
        if text(manifest.body, "spec", "spoofChk") == "off":
            yield (put(manifest, "on", "spec", "spoofChk"),)
        if not number(at(manifest.body, "spec", "vlan")):
            yield (put(manifest, _free_vlan(view), "spec", "vlan", note=_CHOSEN),)
    yield from _kernel(view, claim)


def _kernel(view: View, claim: Claim) -> Iterator[Proposal]:
    named = on_path(view, claim, "SriovNetworkNodePolicy")
    for manifest in named or view.given.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy"):
        if text(manifest.body, "spec", "deviceType") == "vfio-pci":
            yield (put(manifest, "netdevice", "spec", "deviceType"),)
        if at(manifest.body, "spec", "isRdma") is True:
            yield (put(manifest, False, "spec", "isRdma"),)


def _rates(view: View, claim: Claim) -> Iterator[Proposal]:
    note = "the rate is to be chosen, in Mbit/s"
    found = on_path(view, claim, "SriovNetwork", "SriovIBNetwork")
    for manifest in found:
        if not number(at(manifest.body, "spec", "maxTxRate")):
            yield (put(manifest, 10000, "spec", "maxTxRate", note=note),)
    for manifest in found:
        if not number(at(manifest.body, "spec", "minTxRate")):
            yield (put(manifest, 1000, "spec", "minTxRate", note=note),)


def _exclusive(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have RDMA devices of the nodes of a policy seen in one network namespace only."""
    for manifest in on_path(view, claim, "SriovNetworkPoolConfig"):
        yield (put(manifest, "exclusive", "spec", "rdmaMode"),)
    for manifest in on_path(view, claim, "SriovNetworkNodePolicy"):
        nodes = mapping(at(manifest.body, "spec", "nodeSelector"))
        name = f"{manifest.key.name}-rdma-exclusive"
        key = ManifestKey(manifest.key.api_version, "SriovNetworkPoolConfig", manifest.key.namespace, name)
        body = {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "metadata": {"name": name, "namespace": key.namespace},
            "spec": {"nodeSelector": {"matchLabels": dict(nodes)}, "rdmaMode": "exclusive"},
        }
        yield (Change(Op.CREATE, key, (), body),)


def _multi_policies(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in view.given.of("operator.openshift.io", "Network"):
        yield (put(manifest, True, "spec", "useMultiNetworkPolicy"),)
    yield from _kernel(view, claim)


RULES: Final[Rules] = {
    "X3": _vlan,
    "X4": _functions,
    "X5": _rates,
    "X6": _multi_policies,
    "X7": _exclusive,
    "X9": _vlan,
    "X11": _kernel,
}
"""What is proposed, per channel."""
