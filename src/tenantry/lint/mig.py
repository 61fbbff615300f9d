"""MIG layouts and device plugin configurations as the set holds them: where they stand, and which nodes choose them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.lint.advertised import helm_sources
from tenantry.lint.rule import Hit
from tenantry.model.finding import Severity
from tenantry.model.gpu import Gpu, profile_name
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath
from tenantry.model.reading import at, items, mapping, string_map, text

if TYPE_CHECKING:
    from tenantry.lint.index import Index

MIG_CONFIG = "nvidia.com/mig.config"
PLUGIN_CONFIG = "nvidia.com/device-plugin.config"

# Total memory of drivers' names that the catalog has no model for, in GiB (older GB200 firmware reported 189).
_OTHER_TOTALS = (40, 80, 94, 96, 141, 144, 180, 186, 189, 269, 278)


@dataclass(frozen=True, slots=True)
class Text:
    """A configuration text: the object it stands in, its path, its key there, and what it holds."""

    manifest: Manifest
    path: DocPath
    key: str
    value: Mapping[str, Any]
    error: str = ""

    def hit(self, inner: DocPath, message: str, fix: str, severity: Severity | None = None) -> Hit:
        """Report a place inside the text."""
        return Hit(self.manifest, self.path, message, fix, severity, inner)


def mig_texts(index: Index) -> list[Text]:
    """Return the mig-parted configurations in ConfigMaps and in the values of the GPU operator's chart."""
    return index.shared("mig-texts", lambda found: list(_texts(found, _is_mig, "migManager")))


def plugin_texts(index: Index) -> list[Text]:
    """Return the device plugin configurations in ConfigMaps and in the values of the GPU operator's chart."""
    return index.shared("plugin-texts", lambda found: list(_texts(found, _is_plugin, "devicePlugin")))


def _is_mig(source: str) -> bool:
    return re.search(r"(?m)^\s*[\"']?mig-configs[\"']?\s*:", source) is not None


def _is_plugin(source: str) -> bool:
    return (
        re.search(r"(?m)^\s*[\"']?(?:sharing|flags)[\"']?\s*:", source) is not None
        and re.search(r"(?m)^[\"']?version[\"']?\s*:\s*[\"']?v1", source) is not None
        and re.search(r"timeSlicing|timeslicing|mps|migStrategy|nvidia\.com|plugin", source) is not None
    )


def _texts(index: Index, recognise: Any, section: str) -> Iterator[Text]:
    for manifest, key, source in index.config_texts:
        if recognise(source) and index.yaml(source).known:
            yield _text(index, manifest, ("data", key), key, source)
    for manifest, chart, values in helm_sources(index):
        if chart == "gpu-operator":
            for key, source in string_map(values, section, "config", "data").items():
                if recognise(source) and index.yaml(source).known:
                    yield _text(index, manifest, ("spec",), key, source)


def _text(index: Index, manifest: Manifest, path: DocPath, key: str, source: str) -> Text:
    parsed = index.yaml(source)
    value = parsed.value if isinstance(parsed.value, dict) else {}
    error = parsed.error or ("" if value else "the text is no mapping")
    return Text(manifest, path, key, value, error)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a ClusterPolicy, or the values of the GPU operator's chart, say about sharing.

    Attributes:
        manifest: the object.
        path: path of the settings inside it.
        values: the settings; chart values use the names of the ClusterPolicy.
    """

    manifest: Manifest
    path: DocPath
    values: Mapping[str, Any]

    @property
    def strategy(self) -> str:
        """MIG strategy, empty when not written."""
        return text(self.values, "mig", "strategy")


def settings(index: Index) -> list[Settings]:
    """Return the settings of the GPU operator: every ClusterPolicy and every release of its chart."""
    return index.shared("settings", _settings)


def _settings(index: Index) -> list[Settings]:
    found = [
        Settings(manifest, ("spec",), mapping(manifest.body, "spec"))
        for manifest in index.of("nvidia.com", "ClusterPolicy")
    ]
    charts = [entry for entry in helm_sources(index) if entry[1] == "gpu-operator"]
    return found + [Settings(manifest, ("spec", "source", "helm"), values) for manifest, _, values in charts]


def config_map_named(index: Index, near: Manifest, name: str) -> list[Manifest]:
    """Return the ConfigMaps of that name in the deployment of ``near``."""
    scope = index.scope(near)
    return [found for found in index.config_maps.get(name, ()) if index.scope(found) == scope]


def layouts(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the named layouts of a mig-parted configuration."""
    return mapping(value, "mig-configs")


def entry_profiles(entry: object) -> dict[str, int]:
    """Return the instances per profile of one entry of a layout; malformed ones are passed over."""
    return {
        name: count
        for name, count in mapping(entry, "mig-devices").items()
        if isinstance(name, str) and isinstance(count, int) and not isinstance(count, bool)
    }


def filters(entry: object) -> list[str]:
    """Return the device filters of an entry as four upper-case hexadecimal digits each; others are kept as written."""
    written = at(entry, "device-filter")
    found = [written] if isinstance(written, str) else items(entry, "device-filter")
    return [_device_id(item) for item in found if isinstance(item, str) and item]


def _device_id(written: str) -> str:
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]{4})10[dD][eE]", written.strip())
    return match[1].upper() if match else written


def candidates(gpus: Mapping[str, Gpu], entry: object) -> list[Gpu]:
    """Return the GPU models an entry may apply to: those of its filter, or every model with MIG."""
    wanted = set(filters(entry))
    return [gpu for gpu in gpus.values() if gpu.mig_capable and (not wanted or wanted & set(gpu.pci_ids))]


def profile_names(gpus: Mapping[str, Gpu]) -> frozenset[str]:
    """Return every profile name a known GPU or a known total of memory gives."""
    names = {profile.name for gpu in gpus.values() for profile in gpu.profiles}
    shapes = ((1, 1, ""), (1, 1, "+me"), (1, 2, ""), (2, 2, ""), (3, 4, ""), (4, 4, ""), (7, 8, ""))
    for total in _OTHER_TOTALS:
        names |= {profile_name(compute, memory, 8, total * 1024, suffix) for compute, memory, suffix in shapes}
    return frozenset(names)


def chosen(index: Index, label: str) -> dict[str, list[tuple[Manifest, DocPath, DocPath]]]:
    """Return the values Nodes of the set give a label, each with the places that say so."""
    from tenantry.lint.rules.embedded import embedded_nodes

    found: dict[str, list[tuple[Manifest, DocPath, DocPath]]] = {}
    for manifest, path, inner, node in embedded_nodes(index):
        value = text(node, "metadata", "labels", label)
        if value:
            place = (*inner, "metadata", "labels", label)
            found.setdefault(value, []).append((manifest, path, place) if path else (manifest, place, ()))
    return found
