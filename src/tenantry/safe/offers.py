"""Extended resources that nodes offer: from Node objects and from what configures device plugins.

Texts inside ConfigMaps are searched, not parsed: the engine has no YAML reader, and what is searched for (names of MIG
configurations with their profiles, names of shared devices) stands alone on its lines in every form these files take.

Sources: NVIDIA mig-parted ``api/spec/v1``; k8s-device-plugin ``api/config/v1``; GPU Operator ``controllers``;
sriov-network-operator ``pkg/consts``; Mellanox k8s-rdma-shared-dev-plugin README.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Missing, Step
from tenantry.safe.reading import amount, at, from_json, items, labels_of, mapping, positive, strings, text
from tenantry.safe.shared import once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot
    from tenantry.safe.view import View

FACT = "nodes.extended-resources-listed"

GPU = "nvidia.com/gpu"
SHARED_SUFFIX = ".shared"
MIG_LABEL = "nvidia.com/mig.config"
NOT_COUNTED = ("kubernetes.io/", "attachable-volumes-")
"""Prefixes of what quotas bound under other names, or not at all."""

_PROFILE = re.compile(r"[\"']?(\d+g\.\d+gb(?:\+[a-z0-9.+]+)?)[\"']?\s*:\s*[\"']?[1-9]")
_BUILT_IN = re.compile(r"^all-(\d+g\.\d+gb(?:[.+][a-z0-9.+]+)?)$")
_WITHOUT_SLICES = frozenset({"all-disabled", "all-enabled"})
_REPLICAS = re.compile(r"[\"']?replicas[\"']?\s*:\s*(\d+)")
_RENAMED = re.compile(r"[\"']?renameByDefault[\"']?\s*:\s*true")
_NAMED = re.compile(r"[\"']?(name|rename)[\"']?\s*:\s*[\"']?([a-z0-9.-]+/[A-Za-z0-9._-]+)")
_MIG_CHOICE = re.compile(re.escape(MIG_LABEL) + r"[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9._-]+)")

SRIOV_PREFIX = "openshift.io"
NVIDIA_PREFIX = "nvidia.com"


@dataclass
class Offers:
    """Extended resources of a cluster.

    Attributes:
        named: where each is offered; the first place found counts.
        missing: what would show the rest; empty when the list is complete.
    """

    named: dict[str, Step] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    seen: bool = False

    def add(self, name: str, manifest: Manifest, *pointer: str | int) -> None:
        """Note that a resource is offered, unless quotas count it under another name."""
        self.seen = True
        if "/" in name and not any(name.startswith(prefix) or f".{prefix}" in name for prefix in NOT_COUNTED):
            self.named.setdefault(name, Step(f"offers {name}", manifest.key, pointer))


@once
def read_offers(view: View) -> Offers:
    """Return what the nodes of a snapshot offer; channels share it."""
    offers = Offers()
    snapshot = view.snapshot
    _nodes(snapshot, offers)
    for manifest, path, spec in gpu_policies(snapshot):
        _gpus(snapshot, offers, manifest, path, spec)
    _virtual_functions(snapshot, offers)
    _network_plugins(snapshot, offers)
    _mentioned(snapshot, offers)
    if not offers.seen:
        offers.missing.append(view.missing(FACT))
    if view.signed(FACT):
        offers.missing.clear()
    return offers


def helm_values(snapshot: Snapshot, chart: str) -> Iterator[tuple[Manifest, DocPath, Mapping[str, Any]]]:
    """Yield the values given to a Helm chart by Argo CD Applications, with the place they stand in."""
    for manifest in snapshot.of("argoproj.io", "Application"):
        spec = at(manifest.body, "spec")
        places: list[tuple[DocPath, Any]] = [(("spec", "source"), at(spec, "source"))]
        places += [(("spec", "sources", index), entry) for index, entry in enumerate(items(spec, "sources"))]
        for path, source in places:
            if text(source, "chart").rpartition("/")[2] == chart:
                yield manifest, (*path, "helm", "valuesObject"), mapping(source, "helm", "valuesObject")


def gpu_policies(snapshot: Snapshot) -> Iterator[tuple[Manifest, DocPath, Mapping[str, Any]]]:
    """Yield the settings of the GPU Operator: the spec of its ClusterPolicy, or the values its chart makes one from."""
    for manifest in snapshot.of("nvidia.com", "ClusterPolicy"):
        yield manifest, ("spec",), mapping(manifest.body, "spec")
    yield from helm_values(snapshot, "gpu-operator")


def _nodes(snapshot: Snapshot, offers: Offers) -> None:
    for node in snapshot.of("", "Node"):
        for part in ("allocatable", "capacity"):
            for name, value in mapping(node.body, "status", part).items():
                offers.seen = True
                found = amount(value)
                if found is not None and found.nanos > 0:
                    offers.add(str(name), node, "status", part, name)


def _gpus(snapshot: Snapshot, offers: Offers, manifest: Manifest, path: DocPath, spec: Mapping[str, Any]) -> None:
    if at(spec, "devicePlugin", "enabled") is False:
        return
    offers.add(GPU, manifest, *path, "devicePlugin")
    for config in _config_maps(snapshot, text(spec, "devicePlugin", "config", "name")):
        _shared(offers, config)
    if text(spec, "mig", "strategy") == "mixed":
        _slices(snapshot, offers, manifest, spec)


def _config_maps(snapshot: Snapshot, name: str) -> list[Manifest]:
    return [item for item in snapshot.of("", "ConfigMap") if name and item.key.name == name]


def _shared(offers: Offers, config: Manifest) -> None:
    """Add what device plugin configurations rename devices to; a configuration without sharing adds nothing."""
    for key, written in sorted(strings(config.body, "data").items()):
        if not any(int(count) > 1 for count in _REPLICAS.findall(written)):
            continue
        renamed = bool(_RENAMED.search(written))
        for field_name, name in _NAMED.findall(written):
            if field_name == "rename":
                offers.add(name, config, "data", key)
            elif renamed:
                offers.add(f"{name}{SHARED_SUFFIX}", config, "data", key)


def _slices(snapshot: Snapshot, offers: Offers, manifest: Manifest, spec: Mapping[str, Any]) -> None:
    """Add a resource per MIG profile of the configurations that nodes are given."""
    name = text(spec, "migManager", "config", "name")
    configs = _config_maps(snapshot, name)
    chosen = _chosen(snapshot)
    default = text(spec, "migManager", "config", "default")
    if default:
        chosen.setdefault(default, (manifest, ("spec", "migManager", "config", "default")))
    for choice, (by, pointer) in sorted(chosen.items()):
        profiles: dict[str, tuple[Manifest, DocPath]] = {
            item: (config, ("data", key)) for config, key, item in _profiles(configs, choice)
        }
        built_in = _BUILT_IN.match(choice)
        if built_in:
            profiles.setdefault(built_in.group(1), (by, pointer))
        for profile, (where, place) in sorted(profiles.items()):
            offers.add(f"nvidia.com/mig-{profile.replace('+', '.')}", where, *place)
        if not profiles and choice not in _WITHOUT_SLICES and not _listed(configs, choice):
            how = f"add the ConfigMap that holds MIG configuration {choice} to the objects"
            offers.missing.append(Missing(f"MIG configuration {choice}", how))


def _chosen(snapshot: Snapshot) -> dict[str, tuple[Manifest, DocPath]]:
    """Return the MIG configurations that labels of nodes name, in Node objects and in lists of Nodes as texts."""
    found: dict[str, tuple[Manifest, DocPath]] = {}
    for node in snapshot.of("", "Node"):
        choice = labels_of(node.body).get(MIG_LABEL)
        if choice:
            found.setdefault(choice, (node, ("metadata", "labels", MIG_LABEL)))
    for manifest in snapshot.of("", "ConfigMap"):
        for key, written in sorted(strings(manifest.body, "data").items()):
            for choice in _MIG_CHOICE.findall(written) if MIG_LABEL in written else ():
                found.setdefault(choice, (manifest, ("data", key)))
    for manifest in snapshot.of("nfd.openshift.io", "NodeFeatureRule") + snapshot.of(
        "nfd.k8s-sigs.io", "NodeFeatureRule"
    ):
        for index, rule in enumerate(items(manifest.body, "spec", "rules")):
            choice = strings(rule, "labels").get(MIG_LABEL)
            if choice:
                found.setdefault(choice, (manifest, ("spec", "rules", index, "labels", MIG_LABEL)))
    return found


def _blocks(configs: list[Manifest], choice: str) -> Iterator[tuple[Manifest, str, str]]:
    """Yield the lines of one configuration: those after its name that are indented deeper."""
    start = re.compile(rf"^(\s*)[\"']?{re.escape(choice)}[\"']?\s*:(.*)$")
    for config in configs:
        for key, written in sorted(strings(config.body, "data").items()):
            depth = None
            lines: list[str] = []
            for line in written.splitlines():
                if depth is None:
                    head = start.match(line)
                    if head:
                        depth, lines = len(head.group(1)), [head.group(2)]
                elif line.strip() and len(line) - len(line.lstrip()) <= depth and not line.lstrip().startswith("-"):
                    break
                else:
                    lines.append(line)
            if depth is not None:
                yield config, key, "\n".join(lines)


def _profiles(configs: list[Manifest], choice: str) -> Iterator[tuple[Manifest, str, str]]:
    for config, key, block in _blocks(configs, choice):
        for profile in _PROFILE.findall(block):
            yield config, key, profile


def _listed(configs: list[Manifest], choice: str) -> bool:
    return any(True for _ in _blocks(configs, choice))


def _virtual_functions(snapshot: Snapshot, offers: Offers) -> None:
    policies = snapshot.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy")
    prefix = _sriov_prefix(snapshot) if policies else ""
    for policy in policies:
        name = text(policy.body, "spec", "resourceName")
        if name:
            offers.add(f"{prefix}/{name}", policy, "spec", "resourceName")


def _sriov_prefix(snapshot: Snapshot) -> str:
    """Return the prefix of VF resources: the NVIDIA chart sets its own, every other install uses the operator's."""
    for manifest in snapshot.of("apps", "Deployment"):
        for container in items(manifest.body, "spec", "template", "spec", "containers"):
            for entry in items(container, "env"):
                if text(entry, "name") == "RESOURCE_PREFIX" and text(entry, "value"):
                    return text(entry, "value")
    for _, _, values in helm_values(snapshot, "network-operator"):
        if at(values, "sriovNetworkOperator", "enabled") is True:
            return text(values, "sriov-network-operator", "operator", "resourcePrefix") or NVIDIA_PREFIX
    for _, _, values in helm_values(snapshot, "sriov-network-operator"):
        if text(values, "operator", "resourcePrefix"):
            return text(values, "operator", "resourcePrefix")
    return SRIOV_PREFIX


def _network_plugins(snapshot: Snapshot, offers: Offers) -> None:
    for manifest in snapshot.of("mellanox.com", "NicClusterPolicy", "NicNodePolicy"):
        for section, listed, default in (
            ("rdmaSharedDevicePlugin", "configList", "rdma"),
            ("sriovDevicePlugin", "resourceList", "intel.com"),
        ):
            config = from_json(text(manifest.body, "spec", section, "config") or "{}")
            for entry in items(config, listed):
                name = text(entry, "resourceName")
                if name:
                    prefix = text(entry, "resourcePrefix") or default
                    offers.add(f"{prefix}/{name}", manifest, "spec", section, "config")


def _mentioned(snapshot: Snapshot, offers: Offers) -> None:
    """Add what somebody is given: a quota above zero, or a resource a queue covers, stands for something that exists.

    It does not make the list complete, so it does not count as having seen the nodes.
    """
    seen = offers.seen
    for quota in snapshot.of("", "ResourceQuota"):
        for key, value in mapping(quota.body, "spec", "hard").items():
            name = str(key).removeprefix("requests.")
            if name != key and "/" in name and ".storageclass." not in name and positive(value):
                offers.add(name, quota, "spec", "hard", key)
    for queue in snapshot.of("kueue.x-k8s.io", "ClusterQueue"):
        for index, group in enumerate(items(queue.body, "spec", "resourceGroups")):
            for name in items(group, "coveredResources"):
                if isinstance(name, str) and "/" in name:
                    offers.add(name, queue, "spec", "resourceGroups", index, "coveredResources")
    offers.seen = seen
