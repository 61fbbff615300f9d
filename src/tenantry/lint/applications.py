"""Argo CD Applications of the set: their specs, and which of them covers which manifest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath
from tenantry.model.reading import annotations_of, at, items, mapping, text, texts

if TYPE_CHECKING:
    from tenantry.lint.index import Index

ARGO = "argoproj.io"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
WAVE = "argocd.argoproj.io/sync-wave"


@dataclass(frozen=True, slots=True)
class Application:
    """The spec of an Application, or of the template of an ApplicationSet.

    Attributes:
        manifest: the object.
        path: path of the spec inside it.
        spec: the spec.
        template: whether it is a template, whose values may be placeholders.
    """

    manifest: Manifest
    path: DocPath
    spec: Mapping[str, Any]
    template: bool

    @property
    def sources(self) -> Iterator[tuple[DocPath, Mapping[str, Any]]]:
        """Sources with their paths inside the object."""
        if isinstance(self.spec.get("source"), dict):
            yield (*self.path, "source"), self.spec["source"]
        for position, source in enumerate(items(self.spec, "sources")):
            if isinstance(source, dict):
                yield (*self.path, "sources", position), source

    @property
    def options(self) -> frozenset[str]:
        """Sync options of the whole Application."""
        return frozenset(option.strip() for option in texts(self.spec, "syncPolicy", "syncOptions"))

    @property
    def automated(self) -> bool:
        """Whether it syncs by itself."""
        found = at(self.spec, "syncPolicy", "automated")
        return isinstance(found, dict) and found.get("enabled") is not False

    @property
    def prunes(self) -> bool:
        """Whether it deletes by itself what leaves Git."""
        return self.automated and at(self.spec, "syncPolicy", "automated", "prune") is True


def applications(index: Index) -> list[Application]:
    """Return the Applications of the set and the templates of its ApplicationSets."""
    found = [
        Application(manifest, ("spec",), mapping(manifest.body, "spec"), False)
        for manifest in index.of(ARGO, "Application")
    ]
    return found + [
        Application(manifest, ("spec", "template", "spec"), mapping(manifest.body, "spec", "template", "spec"), True)
        for manifest in index.of(ARGO, "ApplicationSet")
    ]


class Coverage:
    """Which Applications cover which file, by the folder their sources name.

    The repository may be linted from any folder above or below its root, so a source's path matches wherever its parts
    stand together in the path of the file.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._by_path: dict[tuple[str, ...], list[Application]] = defaultdict(list)
        for application in applications(index):
            for _, source in application.sources:
                path = text(source, "path").strip("/")
                if path and "{{" not in path and not source.get("chart"):
                    self._by_path[tuple(part for part in path.split("/") if part != ".")].append(application)
        self._folders: dict[tuple[str, ...], list[Application]] = {}

    def of(self, manifest: Manifest) -> list[Application]:
        """Return the Applications that cover the file of an object."""
        folder = tuple(manifest.location.file.split("/")[:-1])
        if folder not in self._folders:
            parts = [part for part in folder if part not in {"", "."}]
            pieces = {
                tuple(parts[first:last]) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1)
            }
            pieces.add(())
            self._folders[folder] = [found for piece in sorted(pieces) for found in self._by_path.get(piece, ())]
        # An Application never covers itself: it stands in the folder of the one above it.
        return [found for found in self._folders[folder] if found.manifest is not manifest]


def coverage(index: Index) -> Coverage:
    """Return which Applications cover which file."""
    return index.shared("coverage", Coverage)


def object_options(manifest: Manifest) -> frozenset[str]:
    """Return the sync options an object carries itself."""
    return frozenset(part.strip() for part in annotations_of(manifest.body).get(SYNC_OPTIONS, "").split(","))


def folder(manifest: Manifest) -> str:
    """Return the folder of an object's file."""
    return manifest.location.file.rpartition("/")[0]
