"""ClusterPolicy and NVIDIADriver: images, versions, upgrades, references, and who may reach a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.advertised import vf_resources
from tenantry.lint.index import Index, hint
from tenantry.lint.mig import (
    MIG_CONFIG,
    PLUGIN_CONFIG,
    chosen,
    entry_profiles,
    layouts,
    mig_texts,
    plugin_texts,
    settings,
)
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, items, mapping, text
from tenantry.model.software import VersionNumber

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

NVIDIA = "nvidia.com"
OWNER_LABEL = "nvidia.com/gpu-operator.driver.owner"

# Components of a ClusterPolicy that name an image.
_IMAGES: tuple[DocPath, ...] = (
    *((name,) for name in ("driver", "toolkit", "devicePlugin", "dcgm", "dcgmExporter", "gfd", "migManager")),
    *((name,) for name in ("nodeStatusExporter", "validator", "gds", "gdrcopy", "vfioManager", "vgpuManager")),
    *((name,) for name in ("vgpuDeviceManager", "sandboxDevicePlugin", "kataManager", "ccManager")),
    ("driver", "manager"),
    ("operator", "initContainer"),
)

_STATIC_LAYOUTS = frozenset({"all-disabled", "all-enabled", "all-balanced"})


def cluster_policies(index: Index) -> list[Manifest]:
    """Return the ClusterPolicy objects."""
    return index.of(NVIDIA, "ClusterPolicy")


def drivers(index: Index) -> list[Manifest]:
    """Return the NVIDIADriver objects."""
    return index.of(NVIDIA, "NVIDIADriver")


def environment(section: object) -> dict[str, str]:
    """Return the environment variables of a component."""
    return {text(entry, "name"): text(entry, "value") for entry in items(section, "env") if text(entry, "name")}


def version(written: str) -> VersionNumber | None:
    """Return a version, or None when the text is not one (a digest, a template)."""
    try:
        return VersionNumber(written)
    except ValueError:
        return None


@rule(
    "LINT-GPU-IMAGE",
    Severity.ERROR,
    "A component has part of an image only",
    why="Once repository or version is set, repository, image and version must all be: the operator stops with "
    "'invalid image specification'.",
    source="NVIDIA gpu-operator, api/nvidia/v1/clusterpolicy_types.go (imagePath)",
)
def _image_triple(index: Index) -> Iterator[Hit]:
    for policy in cluster_policies(index):
        for path in _IMAGES:
            section = mapping(policy.body, "spec", *path)
            missing = [name for name in ("repository", "image", "version") if not section.get(name)]
            if missing and (section.get("repository") or section.get("version")):
                message = f"{'.'.join(map(str, path))} has no {' and no '.join(missing)}"
                fix = "Set repository, image and version together, or none of them."
                yield Hit(policy, ("spec", *path), message, fix)
    for driver in drivers(index):
        spec = mapping(driver.body, "spec")
        image = text(spec, "image")
        # Without an image the API server fills in nvcr.io/nvidia/driver, which already holds a repository.
        if spec.get("version") and not spec.get("repository"):
            shown = image or "nvcr.io/nvidia/driver, the default"
            message = f"version is set without repository; image is {shown}"
            yield Hit(driver, ("spec", "version"), message, "Add repository: nvcr.io/nvidia and image: driver.")
        elif spec.get("repository") and not image:
            message = "repository is set without image; the default image holds a repository of its own"
            yield Hit(driver, ("spec", "repository"), message, "Add image: driver.")


@rule(
    "LINT-GPU-POD-DELETION",
    Severity.ERROR,
    "The upgrade policy uses the name of a chart value, gpuPodDeletion",
    why="In ClusterPolicy and NVIDIADriver the field is podDeletion; the API server drops the other name, and pods "
    "that hold a GPU block the driver upgrade.",
    source="NVIDIA gpu-operator, config/crd/bases/nvidia.com_clusterpolicies.yaml and templates/clusterpolicy.yaml",
    fragments=True,
)
def _pod_deletion(index: Index) -> Iterator[Hit]:
    for manifest, path in (
        *((policy, ("spec", "driver", "upgradePolicy")) for policy in cluster_policies(index)),
        *((driver, ("spec", "upgradePolicy")) for driver in drivers(index)),
    ):
        if "gpuPodDeletion" in mapping(manifest.body, *path):
            message = "gpuPodDeletion is dropped; the field is called podDeletion"
            yield Hit(manifest, (*path, "gpuPodDeletion"), message, "Rename it to podDeletion.")


@rule(
    "LINT-GPU-MIG-DEFAULT",
    Severity.WARNING,
    "The default MIG layout has no effect",
    why="migManager.config.default acts only when it is all-disabled; every other layout has to be chosen by a "
    "label on the node.",
    source="NVIDIA gpu-operator, controllers/nodelabeling_controller.go",
    fragments=True,
)
def _mig_default(index: Index) -> Iterator[Hit]:
    for policy in cluster_policies(index):
        default = text(policy.body, "spec", "migManager", "config", "default")
        if default and default != "all-disabled":
            message = f"default {default!r} does nothing: only all-disabled acts"
            fix = f"Label the nodes {MIG_CONFIG}={default}."
            yield Hit(policy, ("spec", "migManager", "config", "default"), message, fix)


@rule(
    "LINT-GPU-IGNORED",
    Severity.INFO,
    "A setting of the ClusterPolicy is ignored",
    why="The field is kept for old manifests and has no effect.",
    source="NVIDIA gpu-operator, api/nvidia/v1/clusterpolicy_types.go",
    fragments=True,
)
def _ignored_fields(index: Index) -> Iterator[Hit]:
    for policy in cluster_policies(index):
        for path, advice in (
            (("cdi", "default"), "Remove it; CDI is on by default."),
            (("driver", "useOpenKernelModules"), "Write driver.kernelModuleType: open."),
        ):
            if at(policy.body, "spec", *path) is not None:
                yield Hit(policy, ("spec", *path), f"{'.'.join(path)} is ignored", advice)


@rule(
    "LINT-GPU-REFERENCE",
    Severity.WARNING,
    "A ConfigMap that the ClusterPolicy names is not in the set",
    why="The operand that mounts it stays in ContainerCreating, or keeps its defaults.",
    source="NVIDIA gpu-operator, api/nvidia/v1/clusterpolicy_types.go",
)
def _config_reference(index: Index) -> Iterator[Hit]:
    surfaces = {
        ("devicePlugin", "config"): [found.manifest.key.name for found in plugin_texts(index)],
        ("migManager", "config"): [found.manifest.key.name for found in mig_texts(index)],
        ("dcgmExporter", "config"): [
            manifest.key.name for manifest, key, _ in index.config_texts if key == "dcgm-metrics.csv"
        ],
    }
    for policy in cluster_policies(index):
        for path, alike in surfaces.items():
            name = text(policy.body, "spec", *path, "name")
            # The operator ships this one itself.
            if not name or name in index.config_maps or name == "default-mig-parted-config":
                continue
            verdict = index.dangling(name, alike)
            if verdict:
                severity, nearest = verdict
                message = f"the set has no ConfigMap {name}{hint(nearest)}"
                yield Hit(policy, ("spec", *path, "name"), message, "Add it or correct the name.", severity)


@rule(
    "LINT-GPU-NODE-KEY",
    Severity.ERROR,
    "A node chooses a configuration that does not exist",
    why="A missing MIG layout sets mig.config.state to failed; a missing device plugin key leaves the plugin in "
    "Init:Error and the node without GPUs.",
    source="NVIDIA mig-parted, deployments/container; k8s-device-plugin, cmd/config-manager/main.go",
)
def _node_key(index: Index) -> Iterator[Hit]:
    for label, known in ((MIG_CONFIG, _layout_names(index)), (PLUGIN_CONFIG, _plugin_keys(index))):
        for value, places in chosen(index, label).items() if known else ():
            if value in known or (label == MIG_CONFIG and not _own_layouts(index) and _static(index, value)):
                continue
            nearest = hint(nearest_name(value, known) or "")
            for manifest, path, inner in places:
                message = f"no ConfigMap of the set has {value!r} for {label}{nearest}"
                yield Hit(manifest, path, message, "Add the configuration or correct the label.", inner=inner)


def _own_layouts(index: Index) -> bool:
    """Whether the MIG manager is told to read a ConfigMap of the set."""
    return any(
        text(found.values, "migManager", "config", "name") in index.config_maps
        for found in settings(index)
        if text(found.values, "migManager", "config", "name")
    )


def _layout_names(index: Index) -> frozenset[str]:
    return frozenset(str(name) for found in mig_texts(index) for name in layouts(found.value))


def _plugin_keys(index: Index) -> frozenset[str]:
    return frozenset(found.key for found in plugin_texts(index))


def _static(index: Index, name: str) -> bool:
    """Whether a layout is one the operator ships."""
    if name in _STATIC_LAYOUTS:
        return True
    known = {profile.name.replace("+", ".") for gpu in index.context.gpus.values() for profile in gpu.profiles}
    return name.startswith("all-") and name[4:] in known


@rule(
    "LINT-GPU-STRATEGY",
    Severity.WARNING,
    "The MIG strategy does not fit the layouts",
    why="Under none, partitioned GPUs are unusable. Under single every GPU of a node must have the same uniform "
    "slices; otherwise the node advertises no GPU and its product ends in MIG-INVALID.",
    source="NVIDIA k8s-device-plugin, README (MIG strategies); gpu-feature-discovery",
)
def _mig_strategy(index: Index) -> Iterator[Hit]:
    used = {
        (found.manifest.key.name, str(name)): entries
        for found in mig_texts(index)
        for name, entries in layouts(found.value).items()
    }
    picked = set(chosen(index, MIG_CONFIG))
    for policy in settings(index):
        name = text(policy.values, "migManager", "config", "name")
        mine = {layout: entries for (holder, layout), entries in used.items() if holder == name and layout in picked}
        parted = sorted(layout for layout, entries in mine.items() if _profiles(entries))
        mixed = sorted(layout for layout, entries in mine.items() if not _uniform(entries))
        path = (*policy.path, "mig", "strategy")
        if parted and policy.strategy == "none":
            message = f"strategy none, but nodes choose {', '.join(parted)}, which partition GPUs"
            yield Hit(policy.manifest, path, message, "Write strategy: mixed.")
        elif mixed and policy.strategy == "single":
            message = f"strategy single, but {', '.join(mixed)} mixes slices on one node"
            yield Hit(policy.manifest, path, message, "Write strategy: mixed, or make the layout uniform.")


def _profiles(entries: object) -> set[str]:
    return {profile for entry in items({"entries": entries}, "entries") for profile in entry_profiles(entry)}


def _uniform(entries: object) -> bool:
    listed = items({"entries": entries}, "entries")
    switched = {at(entry, "mig-enabled") for entry in listed}
    return all(len(entry_profiles(entry)) <= 1 for entry in listed) and (
        len(switched) <= 1 and (len(_profiles(entries)) <= 1 or any("device-filter" in mapping(e) for e in listed))
    )


@rule(
    "LINT-GPU-PEERMEM",
    Severity.WARNING,
    "GPUDirect RDMA by nvidia-peermem has no network driver to work with",
    why="nvidia-peermem needs the DOCA (MOFED) driver, from the NicClusterPolicy or from the host. Without it the "
    "container waits and NCCL reports GPU Direct RDMA disabled. With both, one of them fails to load.",
    source="NVIDIA GPU Operator documentation, GPUDirect RDMA",
)
def _peermem(index: Index) -> Iterator[Hit]:
    for policy in index.whole(NVIDIA, "ClusterPolicy"):
        rdma = mapping(policy.body, "spec", "driver", "rdma")
        nics = index.beside(policy, MELLANOX, "NicClusterPolicy", "NicNodePolicy")
        loads = any(mapping(manifest.body, "spec", "ofedDriver") for manifest in nics)
        path: DocPath = ("spec", "driver", "rdma")
        if rdma.get("enabled") is True and nics and not loads and rdma.get("useHostMofed") is not True:
            message = "rdma is enabled, but no NicClusterPolicy loads the DOCA driver and useHostMofed is not set"
            yield Hit(policy, path, message, "Add ofedDriver to the NicClusterPolicy, or set useHostMofed: true.")
        if rdma.get("useHostMofed") is True and loads:
            message = "useHostMofed is set, but a NicClusterPolicy loads the driver in a container"
            yield Hit(policy, (*path, "useHostMofed"), message, "Write useHostMofed: false.")
        module = text(policy.body, "spec", "driver", "kernelModuleType")
        fabric = any(resource.rdma for resource in vf_resources(index).values())
        if module == "proprietary" and fabric and rdma.get("enabled") is not True:
            message = "the proprietary module has no DMA-BUF and nvidia-peermem is off, so GPUDirect RDMA is off"
            place = ("spec", "driver", "kernelModuleType")
            yield Hit(policy, place, message, "Write kernelModuleType: open, or enable driver.rdma.")


@rule(
    "LINT-GPU-HOST-USERS",
    Severity.ERROR,
    "A pod with its own user namespace asks for a GPU",
    why="The container toolkit cannot inject devices into a pod with hostUsers: false; it does not start.",
    source="NVIDIA GPU Operator documentation, release notes (known limitations)",
)
def _host_users(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        if pod.spec.get("hostUsers") is False and pod.uses_gpu:
            path = (*pod.path, "hostUsers")
            yield Hit(pod.manifest, path, "hostUsers is false, which excludes GPUs", "Remove hostUsers.")


@rule(
    "LINT-GPU-ACCESS",
    Severity.ERROR,
    "Toolkit and device plugin disagree about how a container gets its GPU",
    why="The toolkit refuses requests by environment from unprivileged containers while the device plugin hands "
    "GPUs out by environment: ordinary pods start and find no GPU.",
    source="NVIDIA container toolkit, internal/config/image/cuda_image.go; k8s-device-plugin, README",
)
def _access_path(index: Index) -> Iterator[Hit]:
    for policy in cluster_policies(index):
        spec = mapping(policy.body, "spec")
        toolkit, plugin = environment(spec.get("toolkit")), environment(spec.get("devicePlugin"))
        cdi = at(spec, "cdi", "enabled") is not False
        strategy = plugin.get("DEVICE_LIST_STRATEGY", "cdi-annotations,cdi-cri" if cdi else "envvar")
        path: DocPath = ("spec", "toolkit", "env")
        if toolkit.get(_ENVVAR, "").lower() == "false" and strategy.split(",") == ["envvar"]:
            message = f"{_ENVVAR} is false, but the device plugin uses {strategy}: pods get no GPU"
            yield Hit(policy, path, message, "Leave DEVICE_LIST_STRATEGY to CDI, or write volume-mounts.")
        if toolkit.get(_MOUNTS, "").lower() == "true" and not cdi and "volume-mounts" not in strategy:
            message = f"{_MOUNTS} is true, but the device plugin uses {strategy}"
            yield Hit(policy, path, message, "Write DEVICE_LIST_STRATEGY: volume-mounts.", Severity.WARNING)


_ENVVAR = "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED"
_MOUNTS = "ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS"


@rule(
    "LINT-GPU-OPEN-ACCESS",
    Severity.WARNING,
    "A pod may take GPUs it was not given",
    why="A container that runs under the nvidia runtime with NVIDIA_VISIBLE_DEVICES sees every GPU of its node, "
    "past quota and scheduler. The toolkit allows that to unprivileged containers unless told otherwise.",
    source="NVIDIA container toolkit, api/config/v1/config.go; k8s-device-plugin, README",
)
def _open_access(index: Index) -> Iterator[Hit]:
    for policy in index.whole(NVIDIA, "ClusterPolicy"):
        toolkit = environment(at(policy.body, "spec", "toolkit"))
        path: DocPath = ("spec", "toolkit", "env")
        if toolkit.get("NVIDIA_RUNTIME_SET_AS_DEFAULT", "").lower() == "true":
            message = "the nvidia runtime is the default, so any CUDA image sees all GPUs of its node"
            yield Hit(policy, path, message, "Remove NVIDIA_RUNTIME_SET_AS_DEFAULT.")
        tenants = {index.tenant(name) for name in index.tenant_namespaces}
        if len(tenants) > 1 and toolkit.get(_ENVVAR, "").lower() != "false":
            message = f"{len(tenants)} tenants share the cluster, and unprivileged containers may ask for GPUs by name"
            yield Hit(policy, path, message, f'Set {_ENVVAR} to "false".')


RULES: tuple[Rule, ...] = (
    _image_triple,
    _pod_deletion,
    _mig_default,
    _ignored_fields,
    _config_reference,
    _node_key,
    _mig_strategy,
    _peermem,
    _host_users,
    _access_path,
    _open_access,
)
