"""What kustomization files say about the files around them: which are patches, and which are no manifests at all.

Source: kubernetes-sigs/kustomize, api/types/kustomization.go and api/konfig (file names).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAMES: Final = frozenset(("kustomization.yaml", "kustomization.yml", "Kustomization"))
"""Names kustomize looks for in a folder."""


@dataclass(slots=True)
class References:
    """Files that kustomizations name, as real paths.

    Attributes:
        patches: partial manifests and lists of JSON patch operations.
        data: contents of generated ConfigMaps and Secrets, Helm values, transformer settings and the like.
    """

    patches: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)

    def add(self, folder: Path, body: Any) -> None:
        """Take what one kustomization in ``folder`` names; anything malformed is passed over."""
        if isinstance(body, dict):
            self.patches.update(_real(folder, name) for name in _patches(body))
            self.data.update(_real(folder, name) for name in _data(body))


def is_kustomization(body: Any) -> bool:
    """Whether a document is a Kustomization or Component, which kustomize reads and no cluster stores."""
    if not isinstance(body, dict):
        return False
    version = body.get("apiVersion")
    # Settings of kustomize's own transformers and generators have the version "builtin".
    return isinstance(version, str) and (version.startswith("kustomize.config.k8s.io/") or version == "builtin")


def _patches(body: dict[str, Any]) -> Iterator[str]:
    for item in _items(body, "patchesStrategicMerge"):
        # An entry of several lines is the patch itself.
        if isinstance(item, str) and "\n" not in item.strip():
            yield item
    for key in ("patches", "patchesJson6902"):
        yield from _texts(body, key, "path")


def _data(body: dict[str, Any]) -> Iterator[str]:
    for key in ("configMapGenerator", "secretGenerator"):
        for item in _items(body, key):
            if isinstance(item, dict):
                for name in [*_items(item, "files"), *_items(item, "envs"), item.get("env")]:
                    if isinstance(name, str):
                        yield name.rpartition("=")[2]
    for key in ("configurations", "crds", "transformers", "generators", "validators"):
        yield from (item for item in _items(body, key) if isinstance(item, str))
    yield from _texts(body, "replacements", "path")
    yield from _texts(body, "helmCharts", "valuesFile")
    for item in _items(body, "helmCharts"):
        if isinstance(item, dict):
            yield from (name for name in _items(item, "additionalValuesFiles") if isinstance(name, str))
    openapi = body.get("openapi")
    if isinstance(openapi, dict) and isinstance(openapi.get("path"), str):
        yield openapi["path"]


def _items(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key)
    return value if isinstance(value, list) else []


def _texts(body: dict[str, Any], key: str, field_name: str) -> Iterator[str]:
    for item in _items(body, key):
        if isinstance(item, dict) and isinstance(item.get(field_name), str):
            yield item[field_name]


def _real(folder: Path, name: str) -> str:
    # A zero byte in a name makes the lookup fail; such a name leads to no file anyway.
    return os.path.realpath(folder / name.replace("\0", ""))
