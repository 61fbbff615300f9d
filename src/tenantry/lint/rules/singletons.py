"""Kinds of which a cluster has one, or of which only one name is honoured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenantry.lint.index import Index
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.reading import at, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest

_NAMES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("mellanox.com", "NicClusterPolicy"): ("nic-cluster-policy", "other objects get the state ignore"),
    ("sriovnetwork.openshift.io", "SriovOperatorConfig"): ("default", "the webhook refuses other names"),
    ("kueue.openshift.io", "Kueue"): ("cluster", "the operator reconciles this name only"),
    ("nvidia.com", "GPUCluster"): ("gpu-cluster", "the operator refuses other names"),
}

_SINGLE: tuple[tuple[str, str, str], ...] = (
    ("nvidia.com", "ClusterPolicy", "every later one gets the state ignored"),
    ("nfd.openshift.io", "NodeFeatureDiscovery", "their workers overwrite each other's labels"),
    ("datasciencecluster.opendatahub.io", "DataScienceCluster", "the second is refused at admission"),
    ("dscinitialization.opendatahub.io", "DSCInitialization", "the second is refused at admission"),
)


@rule(
    "LINT-SINGLE-NAME",
    Severity.ERROR,
    "Only one name is honoured for this kind",
    why="An object of another name is refused or stays without effect.",
    source="network-operator, controllers/nicclusterpolicy_controller.go; sriov-network-operator, "
    "pkg/webhook/validate.go; kueue-operator; gpu-operator, api/nvidia/v1alpha1",
)
def _honoured_name(index: Index) -> Iterator[Hit]:
    for (group, kind), (name, consequence) in _NAMES.items():
        for manifest in index.of(group, kind):
            if manifest.key.name and manifest.key.name != name:
                message = f"{kind} must be named {name}: {consequence}"
                yield Hit(manifest, ("metadata", "name"), message, f"Rename it to {name}.")


@rule(
    "LINT-SINGLE-TWO",
    Severity.ERROR,
    "Two objects of a kind of which a cluster has one",
    why="The second has no effect, or both contend for the same nodes.",
    source="NVIDIA gpu-operator, controllers/clusterpolicy_controller.go; cluster-nfd-operator; "
    "opendatahub-operator, internal/webhook",
)
def _two_of_a_kind(index: Index) -> Iterator[Hit]:
    for group, kind, consequence in _SINGLE:
        for together in index.together(index.of(group, kind)):
            seen: dict[str, Manifest] = {}
            for manifest in together:
                # The NFD operator keeps deployments apart by this field; the other kinds have none like it.
                first = seen.setdefault(text(manifest.body, "spec", "instance"), manifest)
                if (first.key.namespace, first.key.name) != (manifest.key.namespace, manifest.key.name):
                    message = f"there already is {first.key}; {consequence}"
                    yield Hit(manifest, ("metadata", "name"), message, "Keep one.")


@rule(
    "LINT-SINGLE-DRA",
    Severity.ERROR,
    "ClusterPolicy and GPUCluster at once",
    why="GPUCluster runs the driver for dynamic resource allocation; the two exclude each other.",
    source="NVIDIA gpu-operator, api/nvidia/v1alpha1/gpucluster_types.go",
)
def _two_stacks(index: Index) -> Iterator[Hit]:
    for manifest in index.of("nvidia.com", "GPUCluster"):
        for policy in index.beside(manifest, "nvidia.com", "ClusterPolicy"):
            message = f"ClusterPolicy {policy.key.name} manages the same GPUs"
            yield Hit(manifest, ("metadata", "name"), message, "Keep one of the two.")


@rule(
    "LINT-SINGLE-DEFINED-TWICE",
    Severity.ERROR,
    "One object is defined twice in a file",
    why="The second definition wins, or an apply flips between them; Argo CD reports a repeated object.",
    source="Argo CD, RepeatedResourceWarning",
)
def _defined_twice(index: Index) -> Iterator[Hit]:
    seen: dict[tuple[str, object], Manifest] = {}
    for manifest in index.manifests:
        key = manifest.key
        if not key.name or not key.kind or manifest in index.partial or at(manifest.body, "spec") is None:
            continue
        first = seen.setdefault((manifest.location.file, key), manifest)
        if first is not manifest:
            message = f"{key} is defined at line {first.location.line} already"
            yield Hit(manifest, ("metadata", "name"), message, "Remove or rename one.")


RULES: tuple[Rule, ...] = (
    _honoured_name,
    _two_of_a_kind,
    _two_stacks,
    _defined_twice,
)
