"""GPU drivers: upgrades, NVIDIADriver objects, and versions known to be broken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tenantry.lint.index import Index
from tenantry.lint.mig import layouts, mig_texts, settings
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX
from tenantry.lint.rules.gpu import NVIDIA, OWNER_LABEL, cluster_policies, drivers, version
from tenantry.model.finding import Severity
from tenantry.model.reading import at, items, mapping, string_map, text
from tenantry.model.software import VersionNumber

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath


@rule(
    "LINT-GPU-DRAIN",
    Severity.WARNING,
    "A driver upgrade drains whole nodes",
    why="drain.enable evicts every pod of the node, not only those that hold a GPU. Deleting the GPU pods is enough "
    "for most upgrades.",
    source="NVIDIA GPU Operator documentation, GPU driver upgrades",
    fragments=True,
)
def _driver_drain(index: Index) -> Iterator[Hit]:
    for manifest, path in _upgrade_policies(index):
        if at(manifest.body, *path, "drain", "enable") is True:
            message = "an upgrade evicts every pod of the node"
            yield Hit(manifest, (*path, "drain", "enable"), message, "Write false, and set podDeletion.")


@rule(
    "LINT-GPU-PARALLEL",
    Severity.WARNING,
    "A driver upgrade takes all nodes at once",
    why="maxParallelUpgrades 0 means no limit.",
    source="NVIDIA gpu-operator, config/samples/nvidia_v1alpha1_nvidiadriver.yaml (upgradePolicy)",
    fragments=True,
)
def _driver_parallel(index: Index) -> Iterator[Hit]:
    for manifest, path in _upgrade_policies(index):
        upgrade = mapping(manifest.body, *path)
        if upgrade.get("maxParallelUpgrades") == 0 and upgrade.get("autoUpgrade") is not False:
            message = "0 puts no limit on the nodes that are upgraded together"
            yield Hit(manifest, (*path, "maxParallelUpgrades"), message, "Write 1.")


def _upgrade_policies(index: Index) -> Iterator[tuple[Manifest, DocPath]]:
    for policy in cluster_policies(index):
        yield policy, ("spec", "driver", "upgradePolicy")
    for driver in drivers(index):
        yield driver, ("spec", "upgradePolicy")


@rule(
    "LINT-GPU-DRIVER-INACTIVE",
    Severity.ERROR,
    "NVIDIADriver objects that nothing reads",
    why="The operator reads them only when the ClusterPolicy sets driver.useNvidiaDriverCRD; otherwise its own "
    "driver section decides and the version written here is never installed.",
    source="NVIDIA gpu-operator, controllers/nvidiadriver_controller.go",
)
def _driver_inactive(index: Index) -> Iterator[Hit]:
    for driver in drivers(index):
        policies = [found for found in index.beside(driver, NVIDIA, "ClusterPolicy") if found not in index.partial]
        if policies and not any(at(item.body, "spec", "driver", "useNvidiaDriverCRD") is True for item in policies):
            message = f"ClusterPolicy {policies[0].key.name} does not set driver.useNvidiaDriverCRD"
            yield Hit(driver, ("spec",), message, "Write driver.useNvidiaDriverCRD: true in the ClusterPolicy.")


@rule(
    "LINT-GPU-DRIVER-OVERLAP",
    Severity.ERROR,
    "Two NVIDIADriver objects select the same nodes",
    why="Both get the state notReady with reason ConflictingNodeSelector, and no driver is installed or upgraded.",
    source="NVIDIA gpu-operator, internal/validator (node selector conflicts)",
)
def _driver_overlap(index: Index) -> Iterator[Hit]:
    for group in index.together(drivers(index)):
        plain = [driver for driver in group if at(driver.body, "spec", "default") is not True]
        for first, second in combinations(plain, 2):
            mine = string_map(first.body, "spec", "nodeSelector").items()
            theirs = string_map(second.body, "spec", "nodeSelector").items()
            if mine <= theirs or theirs <= mine:
                message = f"nodes of this driver are nodes of {first.key.name} too"
                yield Hit(second, ("spec", "nodeSelector"), message, "Select disjoint sets of nodes.")


@rule(
    "LINT-GPU-DRIVER-SELECTOR",
    Severity.ERROR,
    "The node selector of an NVIDIADriver cannot work",
    why="A default driver takes no selector; the owner label is written by the operator itself.",
    source="NVIDIA gpu-operator, api/nvidia/v1alpha1/nvidiadriver_types.go",
)
def _driver_selector(index: Index) -> Iterator[Hit]:
    for driver in drivers(index):
        selector = mapping(driver.body, "spec", "nodeSelector")
        path = ("spec", "nodeSelector")
        if at(driver.body, "spec", "default") is True and selector:
            yield Hit(driver, path, "a default driver takes no nodeSelector", "Remove one of the two.")
        if OWNER_LABEL in selector:
            yield Hit(driver, path, f"{OWNER_LABEL} is written by the operator", "Select on a label of your own.")


@rule(
    "LINT-GPU-PRECOMPILED",
    Severity.ERROR,
    "A precompiled driver is pinned by digest",
    why="The operator appends the kernel version to the tag of a precompiled driver, which a digest does not allow.",
    source="NVIDIA gpu-operator, api/nvidia/v1alpha1/nvidiadriver_types.go (usePrecompiled)",
)
def _precompiled_digest(index: Index) -> Iterator[Hit]:
    for manifest, path in (
        *((policy, ("spec", "driver")) for policy in cluster_policies(index)),
        *((driver, ("spec",)) for driver in drivers(index)),
    ):
        section = mapping(manifest.body, *path)
        if section.get("usePrecompiled") is True and text(section, "version").startswith("sha256:"):
            yield Hit(manifest, (*path, "version"), "a precompiled driver needs a branch, not a digest", 'Write "580".')


@rule(
    "LINT-GPU-VERSION",
    Severity.ERROR,
    "A version that is known to be broken or vulnerable",
    why="The fault is named in the vendor's release notes or security bulletins.",
    source="NVIDIA GPU Operator release notes; NVIDIA security bulletins",
)
def _broken_versions(index: Index) -> Iterator[Hit]:
    for operator_id, manifest, path, written in _installed(index):
        operator = index.context.operators.get(operator_id)
        number = version(written)
        if operator is None or number is None or manifest in index.partial:
            continue
        for fault in operator.faults(written):
            if _applies(index, fault.when, manifest):
                fix = f"Use {fault.fixed} or later." if fault.fixed else f"Use {operator.recommended}."
                yield Hit(manifest, path, f"{operator.title} {written}: {fault.reason}", fix)
        if operator.floor and number < VersionNumber(operator.floor):
            message = f"{operator.title} {written}: {operator.floor_reason}"
            yield Hit(manifest, path, message, f"Use {operator.floor} or later.")
    for policy in cluster_policies(index):
        written = text(policy.body, "spec", "toolkit", "version")
        number = version(re.sub(r"-(?:ubi|ubuntu|distroless|packaging).*$", "", written))
        found = [cve for cve in index.context.cves if cve.component == "container-toolkit" and cve.fixed]
        hit_by = [cve for cve in found if number is not None and number < VersionNumber(cve.fixed)]
        if hit_by:
            needed = max((cve.fixed for cve in hit_by), key=VersionNumber)
            message = f"container toolkit {written} has {', '.join(cve.id for cve in hit_by)}"
            yield Hit(policy, ("spec", "toolkit", "version"), message, f"Use {needed} or later, or pin none.")


def _installed(index: Index) -> Iterator[tuple[str, Manifest, DocPath, str]]:
    """Yield every version of an operator or driver the set pins: catalog id, object, path, version."""
    packages = {operator.olm.package: name for name, operator in index.context.operators.items() if operator.olm}
    charts = {operator.helm.chart: name for name, operator in index.context.operators.items() if operator.helm}
    for manifest in index.of("operators.coreos.com", "Subscription"):
        csv = text(manifest.body, "spec", "startingCSV")
        name = packages.get(text(manifest.body, "spec", "name"))
        if name and ".v" in csv:
            yield name, manifest, ("spec", "startingCSV"), csv.partition(".v")[2]
    for manifest, path, source in chart_sources(index):
        name = charts.get(text(source, "chart").rpartition("/")[2])
        if name in {"gpu-operator", "network-operator"} and text(source, "targetRevision"):
            yield name, manifest, (*path, "targetRevision"), text(source, "targetRevision").removeprefix("v")
    for policy in cluster_policies(index):
        yield "nvidia-driver", policy, ("spec", "driver", "version"), text(policy.body, "spec", "driver", "version")
    for driver in drivers(index):
        yield "nvidia-driver", driver, ("spec", "version"), text(driver.body, "spec", "version")


def chart_sources(index: Index) -> Iterator[tuple[Manifest, DocPath, Mapping[str, Any]]]:
    """Yield the chart sources of Applications and ApplicationSets with their paths."""
    roots: list[tuple[Manifest, DocPath]] = [(found, ("spec",)) for found in index.of("argoproj.io", "Application")]
    roots += [(found, ("spec", "template", "spec")) for found in index.of("argoproj.io", "ApplicationSet")]
    for manifest, root in roots:
        spec = mapping(manifest.body, *root)
        if text(spec, "source", "chart"):
            yield manifest, (*root, "source"), mapping(spec, "source")
        for position, source in enumerate(items(spec, "sources")):
            if text(source, "chart"):
                yield manifest, (*root, "sources", position), source


def _applies(index: Index, when: str, near: Manifest) -> bool:
    """Whether the condition of a known fault holds in the deployment of an object."""
    if when == "rdma":
        rdma = index.beside(near, MELLANOX, "NicClusterPolicy", "NicNodePolicy")
        return bool(rdma or index.beside(near, "sriovnetwork.openshift.io", "SriovNetworkNodePolicy"))
    if when == "openshift":
        return bool(index.beside(near, "operators.coreos.com", "Subscription"))
    if when == "mixed-mig":
        return any(found.strategy == "mixed" for found in settings(index)) and _partly_parted(index)
    return when == "always"


def _partly_parted(index: Index) -> bool:
    """Whether a layout leaves some GPUs of a node whole."""
    return any(
        {at(entry, "mig-enabled") for entry in items({"entries": entries}, "entries")} == {True, False}
        for found in mig_texts(index)
        for entries in layouts(found.value).values()
    )


RULES: tuple[Rule, ...] = (
    _driver_drain,
    _driver_parallel,
    _driver_inactive,
    _driver_overlap,
    _driver_selector,
    _precompiled_digest,
    _broken_versions,
)
