"""Where the objects of a snapshot come from: files and folders of manifests, or what the KAI scheduler serves.

The scheduler serves a zip with one file in it, and in that its configuration and the objects it knows, by kind and
without the kind's name. Source: pkg/scheduler/plugins/snapshot/snapshot.go.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tenantry.errors import InputError
from tenantry.io.manifests import read_manifests
from tenantry.io.walk import shown
from tenantry.io.yaml_read import Limits, read_file
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.reading import mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tenantry.model.finding import Finding

LIMITS: Final = Limits(max_bytes=512 * 2**20)
"""A pod takes about 10 KB as JSON, so this is some 50,000 of them."""

_ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
_MAGIC: Final = b"PK\x03\x04"
_FILE: Final = "snapshot.json"
_KINDS: Final = {
    "pods": ("v1", "Pod"),
    "nodes": ("v1", "Node"),
    "queues": ("scheduling.run.ai/v2", "Queue"),
    "podGroups": ("scheduling.run.ai/v2alpha2", "PodGroup"),
    "bindRequests": ("scheduling.run.ai/v1alpha2", "BindRequest"),
    "priorityClasses": ("scheduling.k8s.io/v1", "PriorityClass"),
    "configMaps": ("v1", "ConfigMap"),
    "persistentVolumes": ("v1", "PersistentVolume"),
    "persistentVolumeClaims": ("v1", "PersistentVolumeClaim"),
    "storageClasses": ("storage.k8s.io/v1", "StorageClass"),
    "resourceClaims": ("resource.k8s.io/v1", "ResourceClaim"),
    "resourceSlices": ("resource.k8s.io/v1", "ResourceSlice"),
    "deviceClasses": ("resource.k8s.io/v1", "DeviceClass"),
    "topologies": ("kai.scheduler/v1alpha1", "Topology"),
}
"""API version and kind of what the scheduler serves, by the name of the list."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read.

    Attributes:
        manifests: the objects.
        findings: files that could not be read, and the like.
        served: the scheduler's own configuration and parameters, where it served the snapshot; None otherwise.
    """

    manifests: tuple[Manifest, ...]
    findings: tuple[Finding, ...] = ()
    served: Mapping[Any, Any] | None = None


@dataclass(slots=True)
class _Gathered:
    manifests: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    served: list[Mapping[Any, Any]] = field(default_factory=list)


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read every object in files, folders and zips.

    Raises:
        InputError: if a path cannot be read, or two snapshots of schedulers are given.
    """
    gathered = _Gathered()
    plain = []
    for path in paths:
        served = _served(path) if path.is_file() else None
        if served is None:
            plain.append(path)
        else:
            gathered.served.append(served)
            place = Location(f"{shown(path)}:{_FILE}" if path.suffix != ".json" else shown(path))
            gathered.manifests.extend(_objects(served, place))
    if plain:
        read = read_manifests(plain, limits=LIMITS)
        gathered.manifests += [item for item in read.manifests if item not in read.partial]
        gathered.findings += read.findings
    if len(gathered.served) > 1:
        raise InputError("each snapshot of a scheduler is a cluster of its own; give one")
    return Sources(tuple(gathered.manifests), tuple(gathered.findings), gathered.served[0] if gathered.served else None)


def _served(path: Path) -> Mapping[Any, Any] | None:
    """Return what a scheduler served, or None for a file of manifests."""
    if zipfile.is_zipfile(path):
        return _decoded(_unzipped(path), f"{shown(path)}:{_FILE}")
    if path.suffix.lower() == ".zip" or _begins_as_zip(path):
        raise InputError(
            f"{shown(path)} cannot be read as a zip: it is cut off or damaged; "
            "fetch /get-snapshot again, or give manifests"
        )
    if path.suffix.lower() != ".json":
        return None
    data = read_file(path, LIMITS)
    if b'"rawObjects"' not in data:
        return None
    return _decoded(data, shown(path))


def _begins_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        # What cannot be opened is reported where it is read.
        return False


def _unzipped(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(_FILE)
            if entry.file_size > LIMITS.max_bytes:
                raise InputError(f"{shown(path)}: {_FILE} has more than {LIMITS.max_bytes // 2**20} MiB")
            with archive.open(entry) as file:
                # The size in the directory of a zip may be a lie.
                data = file.read(LIMITS.max_bytes + 1)
    except KeyError as error:
        raise InputError(f"{shown(path)} holds no {_FILE}; a snapshot of the KAI scheduler does") from error
    except _ZIP_ERRORS as error:
        raise InputError(f"{shown(path)} cannot be read as a zip: {error}") from error
    if len(data) > LIMITS.max_bytes:
        raise InputError(f"{shown(path)}: {_FILE} has more than {LIMITS.max_bytes // 2**20} MiB")
    return data


def _decoded(data: bytes, name: str) -> Mapping[Any, Any]:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{name} is no JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("rawObjects"), dict):
        raise InputError(f"{name} is no snapshot of the KAI scheduler: it has no rawObjects")
    return body


def _objects(served: Mapping[Any, Any], place: Location) -> Iterator[Manifest]:
    raw = mapping(dict(served), "rawObjects")
    for name, (version, kind) in _KINDS.items():
        entries = raw.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                body = {**entry, "apiVersion": version, "kind": kind}
                yield Manifest(body, place, 0, ("rawObjects", name, index))
