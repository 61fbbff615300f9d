"""The extended resources that the set of manifests offers: VFs, shared RDMA devices, GPUs, slices.

A resource is offered by node policies, device plugin configurations and MIG layouts. What cannot be decided from the
manifests (the prefix of a VF resource, layouts chosen on the node) is kept apart as unknown, so that rules stay silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.model.manifest import Manifest
from tenantry.model.reading import at, items, mapping, text

if TYPE_CHECKING:
    from tenantry.lint.index import Index

UPSTREAM_PREFIX = "openshift.io"
NVIDIA_PREFIX = "nvidia.com"
SHARED_RDMA_PREFIX = "rdma"


@dataclass(frozen=True, slots=True)
class VfResource:
    """A resource made of VFs.

    Attributes:
        name: resource name without prefix.
        policies: node policies that make it.
        rdma: whether every policy makes RDMA devices; None when they differ.
    """

    name: str
    policies: tuple[Manifest, ...]
    rdma: bool | None


def vf_resources(index: Index) -> Mapping[str, VfResource]:
    """Return the VF resources of the set by name without prefix."""
    return index.shared("vf-resources", _vf_resources)


def _vf_resources(index: Index) -> Mapping[str, VfResource]:
    found: dict[str, list[Manifest]] = {}
    for policy in index.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy"):
        name = text(policy.body, "spec", "resourceName")
        if name:
            found.setdefault(name, []).append(policy)
    answer: dict[str, VfResource] = {}
    for name in sorted(found):
        flags = {at(policy.body, "spec", "isRdma") is True for policy in found[name]}
        answer[name] = VfResource(name, tuple(found[name]), flags.pop() if len(flags) == 1 else None)
    return answer


def vf_prefixes(index: Index) -> Mapping[str, Manifest]:
    """Return the prefixes that VF resources get, each with the object that says so; empty when nothing says.

    The chart of the NVIDIA network operator deploys the SR-IOV operator with ``nvidia.com`` unless its values say
    otherwise; OLM and the upstream chart use ``openshift.io``.
    """
    return index.shared("vf-prefixes", _vf_prefixes)


def _vf_prefixes(index: Index) -> Mapping[str, Manifest]:
    found: dict[str, Manifest] = {}
    for manifest in index.of("operators.coreos.com", "Subscription"):
        if text(manifest.body, "spec", "name") == "sriov-network-operator":
            found.setdefault(UPSTREAM_PREFIX, manifest)
    for manifest, chart, values in helm_sources(index):
        inner = mapping(values, "sriov-network-operator")
        if chart == "network-operator" and at(values, "sriovNetworkOperator", "enabled") is True:
            found.setdefault(text(inner, "operator", "resourcePrefix") or NVIDIA_PREFIX, manifest)
        elif chart in {"sriov-network-operator-chart", "sriov-network-operator"}:
            found.setdefault(text(values, "operator", "resourcePrefix") or UPSTREAM_PREFIX, manifest)
    for manifest in index.of("apps", "Deployment"):
        for container in items(manifest.body, "spec", "template", "spec", "containers"):
            for entry in items(container, "env"):
                if text(entry, "name") == "RESOURCE_PREFIX" and text(entry, "value"):
                    found.setdefault(text(entry, "value"), manifest)
    if not found:
        for policy in index.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy"):
            if policy.key.namespace == "openshift-sriov-network-operator":
                found.setdefault(UPSTREAM_PREFIX, policy)
    return found


def helm_sources(index: Index) -> list[tuple[Manifest, str, Mapping[str, Any]]]:
    """Return the Helm sources of Argo CD Applications: the Application, the chart's name, its values.

    Values written as a text are read with the caller's YAML reader; an unreadable text counts as no values.
    """
    return index.shared("helm-sources", _helm_sources)


def _helm_sources(index: Index) -> list[tuple[Manifest, str, Mapping[str, Any]]]:
    found: list[tuple[Manifest, str, Mapping[str, Any]]] = []
    specs = [(manifest, at(manifest.body, "spec")) for manifest in index.of("argoproj.io", "Application")]
    specs += [
        (manifest, at(manifest.body, "spec", "template", "spec"))
        for manifest in index.of("argoproj.io", "ApplicationSet")
    ]
    for manifest, spec in specs:
        for source in [at(spec, "source"), *items(spec, "sources")]:
            chart = text(source, "chart").rpartition("/")[2]
            if not chart:
                continue
            values: dict[str, Any] = dict(mapping(index.yaml(text(source, "helm", "values") or "{}").value))
            values.update(mapping(source, "helm", "valuesObject"))
            for parameter in items(source, "helm", "parameters"):
                _set(values, text(parameter, "name"), text(parameter, "value"))
            found.append((manifest, chart, values))
    return found


def _set(values: dict[str, Any], path: str, value: str) -> None:
    """Set a value the way ``helm --set`` does, for plain dotted paths; lists and escapes are left alone."""
    *parents, last = path.split(".")
    here = values
    for step in parents:
        child = here.get(step)
        here[step] = here = dict(child) if isinstance(child, dict) else {}
    if last:
        here[last] = {"true": True, "false": False}.get(value, value)


def plugin_resources(index: Index) -> Mapping[str, Manifest]:
    """Return full resource names that the plugins of NicClusterPolicy and NicNodePolicy offer."""
    return index.shared("plugin-resources", _plugin_resources)


def _plugin_resources(index: Index) -> Mapping[str, Manifest]:
    found: dict[str, Manifest] = {}
    for manifest in index.of("mellanox.com", "NicClusterPolicy", "NicNodePolicy"):
        for section, key in (("rdmaSharedDevicePlugin", "configList"), ("sriovDevicePlugin", "resourceList")):
            config = index.json(text(manifest.body, "spec", section, "config") or "{}").value
            for entry in items(config, key):
                name, prefix = text(entry, "resourceName"), text(entry, "resourcePrefix")
                default = SHARED_RDMA_PREFIX if section == "rdmaSharedDevicePlugin" else "intel.com"
                if name:
                    found.setdefault(f"{prefix or default}/{name}", manifest)
    return found
