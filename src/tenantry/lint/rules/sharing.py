"""Device plugin configurations: how GPUs are shared by time-slicing or MPS, and whether the plugin reads it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tenantry.lint.index import Index, hint, slip
from tenantry.lint.mig import Settings, Text, config_map_named, plugin_texts, settings
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.problem import DocPath, nearest_name
from tenantry.model.reading import at, integer, items, mapping, text

_TOP = frozenset({"version", "flags", "resources", "sharing", "imex"})
_SHARING = frozenset({"timeSlicing", "mps"})
_SHARED = frozenset({"renameByDefault", "failRequestsGreaterThanOne", "resources"})
_RESOURCE = frozenset({"name", "replicas", "rename", "devices"})
_FLAGS = frozenset(
    {
        *("migStrategy", "failOnInitError", "nvidiaDriverRoot", "nvidiaDevRoot", "gdrcopyEnabled", "gdsEnabled"),
        *("mofedEnabled", "useNodeFeatureAPI", "deviceDiscoveryStrategy", "plugin", "gfd", "mpsRoot"),
    }
)


def _sections(found: Text) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("timeSlicing", "mps"):
        section = at(found.value, "sharing", kind)
        if isinstance(section, dict):
            yield kind, section


@rule(
    "LINT-SHARE-REPLICAS",
    Severity.ERROR,
    "A GPU is shared among fewer than two",
    why="The device plugin refuses its configuration: number of replicas must be >= 2. Every node that chooses the "
    "key loses its GPUs.",
    source="NVIDIA k8s-device-plugin, api/config/v1/replicas.go",
    fragments=True,
)
def _share_replicas(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        for kind, section in _sections(found):
            for position, entry in enumerate(items(section, "resources")):
                count = at(entry, "replicas")
                if integer(entry, "replicas") is None or count < 2:
                    written = "missing" if count is None else repr(count)
                    inner: DocPath = ("sharing", kind, "resources", position, "replicas")
                    message = f"replicas is {written}; the device plugin accepts 2 and more"
                    yield found.hit(inner, message, "Write 2 or more, or drop the sharing section to share nothing.")


@rule(
    "LINT-SHARE-SCHEMA",
    Severity.ERROR,
    "A device plugin configuration does not have the form the plugin reads",
    why="The plugin stops with a parse error on every node that chooses the key.",
    source="NVIDIA k8s-device-plugin, api/config/v1/{config,sharing,replicas}.go",
    fragments=True,
)
def _share_schema(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        if found.error:
            yield found.hit((), f"the text is not YAML: {found.error}", "Correct the text.")
        elif found.value.get("version") != "v1":
            yield found.hit(("version",), f"version is {found.value.get('version')!r}, not v1", "Write version: v1.")
        for kind, section in _sections(found):
            entries = items(section, "resources")
            if not entries:
                message = f"{kind} names no resources to share"
                yield found.hit(("sharing", kind, "resources"), message, "List at least nvidia.com/gpu.")
            for position, entry in enumerate(entries):
                if not text(entry, "name"):
                    inner: DocPath = ("sharing", kind, "resources", position, "name")
                    yield found.hit(inner, "a shared resource has no name", "Write name: nvidia.com/gpu.")
        strategy = at(found.value, "flags", "migStrategy")
        if strategy is not None and strategy not in {"none", "single", "mixed"}:
            message = f"migStrategy is {strategy!r}, none of none, single and mixed"
            yield found.hit(("flags", "migStrategy"), message, "Use one of the three.")


@rule(
    "LINT-SHARE-KEY",
    Severity.WARNING,
    "A device plugin configuration has a key the plugin does not know",
    why="Unknown keys are passed over without a word: GPUs are shared under another name, or requests for several "
    "shares are granted, although the text seems to say otherwise.",
    source="NVIDIA k8s-device-plugin, api/config/v1 (non-strict parsing)",
    fragments=True,
)
def _share_keys(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        parts: list[tuple[DocPath, object, frozenset[str]]] = [
            ((), found.value, _TOP),
            (("flags",), at(found.value, "flags"), _FLAGS),
            (("sharing",), at(found.value, "sharing"), _SHARING),
        ]
        for kind, section in _sections(found):
            parts.append((("sharing", kind), section, _SHARED))
            for position, entry in enumerate(items(section, "resources")):
                parts.append((("sharing", kind, "resources", position), entry, _RESOURCE))
        for where, value, known in parts:
            for key in mapping(value):
                if key not in known:
                    close = slip(str(key), known)
                    message = f"the device plugin passes over {key!r}{hint(close)}"
                    severity = Severity.ERROR if close else None
                    fix = f"Write {close}." if close else "Remove it."
                    yield found.hit((*where, str(key)), message, fix, severity)


@rule(
    "LINT-SHARE-IGNORED",
    Severity.WARNING,
    "A device plugin configuration uses a part that has no effect",
    why="resources is ignored with a warning; of devices only all is supported, and a name of one's own is overridden.",
    source="NVIDIA k8s-device-plugin, api/config/v1/config.go",
    fragments=True,
)
def _share_ignored(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        if at(found.value, "resources"):
            yield found.hit(("resources",), "the section resources is ignored", "Remove it.")
        for kind, section in _sections(found):
            for position, entry in enumerate(items(section, "resources")):
                inner: DocPath = ("sharing", kind, "resources", position)
                if at(entry, "devices") not in (None, "all"):
                    yield found.hit((*inner, "devices"), "devices is ignored; all GPUs are shared", "Remove it.")
                if at(entry, "rename"):
                    message = "rename is ignored; renameByDefault gives nvidia.com/gpu.shared"
                    yield found.hit((*inner, "rename"), message, "Use renameByDefault: true.")


def _strategies(index: Index, found: Text) -> Iterator[tuple[Settings, str]]:
    """Yield the settings that name the ConfigMap of a text, with their MIG strategy."""
    for policy in settings(index):
        if text(policy.values, "devicePlugin", "config", "name") == found.manifest.key.name:
            yield policy, policy.strategy


@rule(
    "LINT-SHARE-MPS-MIG",
    Severity.ERROR,
    "MPS on GPUs that are partitioned",
    why="The device plugin stops when MPS is set and the MIG strategy is mixed; MPS shares nvidia.com/gpu only.",
    source="NVIDIA k8s-device-plugin, cmd/nvidia-device-plugin/main.go",
    fragments=True,
)
def _share_mps_mig(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        section = at(found.value, "sharing", "mps")
        if not isinstance(section, dict):
            continue
        if text(found.value, "flags", "migStrategy") == "mixed":
            message = "the device plugin stops with MPS under migStrategy mixed"
            yield found.hit(("flags", "migStrategy"), message, "Write none, or share by timeSlicing.")
        for position, entry in enumerate(items(section, "resources")):
            name = text(entry, "name")
            if name and name != "nvidia.com/gpu":
                inner: DocPath = ("sharing", "mps", "resources", position, "name")
                yield found.hit(inner, f"MPS cannot share {name}", "Share nvidia.com/gpu, or use timeSlicing.")


@rule(
    "LINT-SHARE-BOTH",
    Severity.WARNING,
    "Time-slicing and MPS in one configuration",
    why="When mps is present, timeSlicing has no effect.",
    source="NVIDIA k8s-device-plugin, api/config/v1/sharing.go",
    fragments=True,
)
def _share_both(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        if len(list(_sections(found))) > 1:
            yield found.hit(("sharing", "timeSlicing"), "mps wins; timeSlicing has no effect", "Keep one of them.")


@rule(
    "LINT-SHARE-STRATEGY",
    Severity.WARNING,
    "The MIG strategy of a device plugin configuration is overridden",
    why="The operator passes the strategy of the ClusterPolicy by environment, which wins over the file.",
    source="NVIDIA gpu-operator, controllers/object_controls.go (MIG_STRATEGY)",
)
def _share_strategy(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        written = text(found.value, "flags", "migStrategy")
        for policy, strategy in _strategies(index, found):
            same = index.scope(policy.manifest) == index.scope(found.manifest)
            if same and written and strategy and written != strategy:
                message = f"migStrategy is {written} here, but {policy.manifest.key} sets {strategy}, which wins"
                yield found.hit(("flags", "migStrategy"), message, f"Write {strategy}, or leave it out.")


@rule(
    "LINT-SHARE-GREEDY",
    Severity.INFO,
    "A pod may ask for several shares of a time-sliced GPU",
    why="Without failRequestsGreaterThanOne a request for two shares is granted, maybe on one GPU, and gives no "
    "more compute than one.",
    source="NVIDIA k8s-device-plugin, README (failRequestsGreaterThanOne)",
)
def _share_greedy(index: Index) -> Iterator[Hit]:
    for found in plugin_texts(index):
        section = at(found.value, "sharing", "timeSlicing")
        if isinstance(section, dict) and section.get("failRequestsGreaterThanOne") is not True:
            inner: DocPath = ("sharing", "timeSlicing", "failRequestsGreaterThanOne")
            yield found.hit(inner, "requests for several shares are granted", "Write true.")


@rule(
    "LINT-SHARE-REFERENCE",
    Severity.ERROR,
    "The default device plugin configuration does not exist",
    why="Nodes without the label get a key that is not there: the plugin's pods stay in Init:Error.",
    source="NVIDIA k8s-device-plugin, cmd/config-manager/main.go; gpu-operator, api/nvidia/v1 (devicePlugin.config)",
)
def _share_reference(index: Index) -> Iterator[Hit]:
    for policy in settings(index):
        config = mapping(policy.values, "devicePlugin", "config")
        name, default = text(config, "name"), text(config, "default")
        found = config_map_named(index, policy.manifest, name) if name else []
        keys = {key for manifest in found for key in mapping(manifest.body, "data")}
        if found and default and default not in keys:
            close = hint(nearest_name(default, {str(key) for key in keys}) or "")
            message = f"the ConfigMap {name} has no key {default!r}{close}"
            path = (*policy.path, "devicePlugin", "config", "default")
            yield Hit(policy.manifest, path, message, "Name a key of the ConfigMap.")


RULES: tuple[Rule, ...] = (
    _share_replicas,
    _share_schema,
    _share_keys,
    _share_ignored,
    _share_mps_mig,
    _share_both,
    _share_strategy,
    _share_greedy,
    _share_reference,
)
