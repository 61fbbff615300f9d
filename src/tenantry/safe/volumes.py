"""Where volumes keep their data: exports, paths and volume handles of PersistentVolumes and storage classes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.reading import at, labels_of, mapping, strings, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.safe.view import View

_OWNER_WORDS = frozenset({"tenant", "team", "project", "owner"})

# Attributes by which CSI drivers of shared file systems say what they mount, as their documentation names them.
_SERVERS = ("server", "source", "clusterID", "monitors", "fsName", "storageAccount", "dnsname", "mgsAddress")
_PATHS = ("share", "subdir", "subDir", "subPath", "path", "rootPath", "exportPath", "shareName", "mountname")

# Sources of PersistentVolumes that Kubernetes has besides those looked at one by one, and fields of theirs that say how
# and not what.
_SOURCES = frozenset(
    {
        *(
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cinder",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
        ),
        *("glusterfs", "iscsi", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos"),
        "vsphereVolume",
    }
)
_MOUNTING = frozenset(
    {"readOnly", "fsType", "cachingMode", "initiatorName", "keyring", "secretRef", "secretName", "user"}
)

_VARIABLE = re.compile(r"\$\{\s*\.?([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a volume keeps its data.

    Attributes:
        system: kind of storage and its server, or the node.
        path: path below it; empty for a volume that is one thing as a whole.
    """

    system: str
    path: str

    def overlaps(self, other: Place) -> bool:
        """Whether one place is, or lies in, the other."""
        if self.system != other.system:
            return False
        mine, theirs = _steps(self.path), _steps(other.path)
        shorter = min(len(mine), len(theirs))
        return mine[:shorter] == theirs[:shorter]


def _steps(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def place_of(volume: Manifest) -> tuple[Place, tuple[str, ...]] | None:
    """Return where a PersistentVolume keeps its data, and where it says so; None when it cannot be compared."""
    spec = mapping(volume.body, "spec")
    if "nfs" in spec:
        return Place(f"nfs {text(spec, 'nfs', 'server')}", text(spec, "nfs", "path")), ("spec", "nfs")
    if "cephfs" in spec:
        monitors = ",".join(sorted(map(str, at(spec, "cephfs", "monitors") or [])))
        return Place(f"cephfs {monitors}", text(spec, "cephfs", "path") or "/"), ("spec", "cephfs")
    for kind in ("hostPath", "local"):
        if kind in spec:
            node = repr(at(spec, "nodeAffinity", "required")) if kind == "local" else "any node"
            return Place(f"{kind} {node}", text(spec, kind, "path")), ("spec", kind)
    if "csi" in spec:
        return _csi(mapping(spec, "csi")), ("spec", "csi")
    for kind in sorted(set(spec) & _SOURCES):
        # Two volumes are one if they say the same but for how they are mounted.
        source = {key: value for key, value in mapping(spec, kind).items() if key not in _MOUNTING}
        return Place(f"{kind} {json.dumps(source, sort_keys=True, default=str)}", ""), ("spec", kind)
    return None


def _csi(source: object) -> Place:
    driver, attributes = text(source, "driver"), strings(source, "volumeAttributes")
    server = " ".join(attributes[name] for name in _SERVERS if attributes.get(name))
    path = "/".join(attributes[name] for name in _PATHS if attributes.get(name))
    if server:
        return Place(f"csi {driver} {server}", path or text(source, "volumeHandle"))
    return Place(f"csi {driver} volume {text(source, 'volumeHandle')}", "")


def volume_owner(view: View, volume: Manifest) -> str:
    """Return the tenant whose data a PersistentVolume holds: by its claim, else by its labels or name."""
    known = view.tenancy.by_name
    claimed = view.tenancy.owner(text(volume.body, "spec", "claimRef", "namespace"))
    if claimed in known:
        return str(claimed)
    for key, value in sorted(labels_of(volume.body).items()):
        if value in known and key.rpartition("/")[2] in _OWNER_WORDS:
            return value
    name = volume.key.name
    return max((tenant for tenant in known if name == tenant or name.startswith(f"{tenant}-")), key=len, default="")


def shared_by_class(storage_class: Manifest) -> tuple[str, str] | None:
    """Return the parameter by which volumes of a class get a place that others get too, and why; None when none does.

    Source: csi-driver-nfs ``docs/driver-parameters.md`` (subDir), nfs-subdir-external-provisioner (pathPattern).
    """
    parameters = strings(storage_class.body, "parameters")
    for name in ("subDir", "subdir", "pathPattern"):
        written = parameters.get(name)
        if not written:
            continue
        variables = {found.strip().lower() for found in _VARIABLE.findall(written)}
        if any("annotations" in item or "labels" in item for item in variables):
            return name, "the claim says by an annotation which folder it gets"
        if any(item.startswith("pv.") for item in variables):
            continue
        spaces = any(item.endswith("namespace") for item in variables)
        names = any(item.endswith(("pvc.name", "pvc.metadata.name")) for item in variables)
        if not (names or spaces):
            return name, "every claim gets the same folder"
        if not spaces:
            return name, "claims of one name in two namespaces get the same folder"
    return None
