"""Puts a compiled tree into a cluster as Argo CD would: applications by wave, their objects by phase, wave and kind.

What operators and the distribution bring is there before: custom resource definitions, stand-ins for kinds without one,
and the namespaces that the tree writes into but does not make.

Source: Argo CD documentation, "Sync Phases and Waves", "Server-Side Apply"; argo-cd ``gitops-engine/pkg/sync``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.io.manifests import read_manifests
from tenantry.safe.admission import plural_of
from testbed.definitions import install, stand_in
from testbed.errors import TestbedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.manifest import Manifest
    from testbed.api import Answer
    from testbed.control_plane import Cluster

Body = dict[str, Any]

MANAGER = "argocd-controller"
PREFIX = "argocd.argoproj.io/"
PHASES = ("PreSync", "Sync", "PostSync")

KIND_ORDER = (
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "Job",
    "CronJob",
    "Ingress",
)


@dataclass
class Synced:
    """What came of one sync.

    Attributes:
        applied: the objects the server took, in order, each with its answer.
        refused: those it refused.
        namespaces: namespaces made beforehand, since the platform has them.
        stand_ins: kinds whose definition was made up.
    """

    applied: list[tuple[Manifest, Answer]] = field(default_factory=list)
    refused: list[tuple[Manifest, Answer]] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    stand_ins: list[str] = field(default_factory=list)


def sync(cluster: Cluster, tree: Path) -> Synced:
    """Apply a whole tree and wait until its quotas count; refusals are collected, not raised.

    Raises:
        TestbedError: if the tree has no root application, or one of them names a folder that is not there, or a quota
            is not counted.
    """
    done = prepare(cluster, _read(tree))
    _follow(cluster, tree, _in_order(_read(tree / "bootstrap")), done)
    # Admission lets everything pass a quota that was never counted.
    cluster.until("the count of every quota", lambda: _counted(cluster), seconds=90)
    return done


def _counted(cluster: Cluster) -> bool:
    return all(
        (body.get("status") or {}).get("hard", {}).keys() == body["spec"].get("hard", {}).keys()
        for body in cluster.api.list("v1", "ResourceQuota")
    )


# --- order ------------------------------------------------------------------------------------------------------------


def _read(folder: Path) -> list[Manifest]:
    if not folder.is_dir():
        raise TestbedError(f"the tree has no folder {folder}")
    found = read_manifests([folder])
    if found.findings:
        raise TestbedError(f"{folder} cannot be read: {found.findings[0].message}")
    return list(found.manifests)


def _in_order(items: Iterable[Manifest]) -> list[Manifest]:
    return sorted(items, key=_place)


def _place(item: Manifest) -> tuple[int, int, int, str, str]:
    notes = (item.body.get("metadata") or {}).get("annotations") or {}
    phase = next((at for at, name in enumerate(PHASES) if name in notes.get(f"{PREFIX}hook", "Sync")), 1)
    kind = KIND_ORDER.index(item.key.kind) if item.key.kind in KIND_ORDER else len(KIND_ORDER)
    return phase, int(notes.get(f"{PREFIX}sync-wave", "0")), kind, item.key.kind, item.key.name


def _follow(cluster: Cluster, tree: Path, items: Iterable[Manifest], done: Synced) -> None:
    """Apply objects, and after each application what it points to: applications are healthy when their parts are."""
    for item in items:
        _apply(cluster, item, done)
        source = item.body["spec"].get("source", {}) if item.key.kind == "Application" else {}
        if "path" in source:
            _follow(cluster, tree, _in_order(_read(tree / source["path"])), done)


def _apply(cluster: Cluster, item: Manifest, done: Synced) -> None:
    answer = cluster.api.apply(item.body, manager=MANAGER)
    (done.applied if answer.ok else done.refused).append((item, answer))


# --- what is there before ---------------------------------------------------------------------------------------------


def prepare(cluster: Cluster, items: list[Manifest]) -> Synced:
    """Make what objects need and do not bring; what was made is returned, and nothing is applied yet."""
    done = Synced()
    absent = {(item.key.api_version, item.key.kind): item for item in items if not _known(cluster, item)}
    if absent:
        install(cluster, [_made_up(item) for item in absent.values()])
        done.stand_ins += sorted(f"{kind}.{version}" for version, kind in absent)
    made = {item.key.name for item in items if item.key.kind == "Namespace"}
    used = {item.key.namespace for item in items} | set(_destinations(items))
    for name in sorted(used - made - {""}):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if cluster.api.create(body).ok:
            done.namespaces.append(name)
    return done


def _known(cluster: Cluster, item: Manifest) -> bool:
    return (item.key.api_version, item.key.kind) in cluster.api.kinds()


def _made_up(item: Manifest) -> Body:
    group, _, version = item.key.api_version.rpartition("/")
    kind = item.key.kind
    return stand_in(group, version, kind, plural_of(kind), namespaced=bool(item.key.namespace))


def _destinations(items: Iterable[Manifest]) -> Iterator[str]:
    """Yield where charts are installed: their operators make nothing here, but others write beside them."""
    for item in items:
        if item.key.kind == "Application" and "chart" in item.body["spec"].get("source", {}):
            yield item.body["spec"]["destination"].get("namespace", "")
