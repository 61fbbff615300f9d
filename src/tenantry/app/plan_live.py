"""Read what a cluster held, so that a plan can say what it meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.errors import InputError, SnapshotError
from tenantry.io.scheduler_snapshot.sources import read_sources
from tenantry.model.problem import SpecProblem, Subject
from tenantry.model.snapshot import Snapshot
from tenantry.plan.live import Live, live

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tenantry.model.cluster import Cluster

_ASK = "kubectl get nodes,pods,persistentvolumeclaims,poddisruptionbudgets -A -o json"
_BROKEN = frozenset({"LINT-YAML", "LINT-UNREADABLE", "LINT-SYMLINK-LOOP", "LINT-NOT-MANIFEST", "LINT-NOT-OBJECT"})


def read_live(place: Path, clusters: Iterable[Cluster]) -> Live:
    """Read a snapshot: a file or folder of manifests, or a zip that the KAI scheduler served.

    Args:
        place: the file or folder.
        clusters: both sides, whose tenants own the namespaces.

    Raises:
        InputError: if it cannot be read, or holds no node.
        SnapshotError: with everything in it that cannot be read.
    """
    read = read_sources([place])
    problems = [
        SpecProblem(Subject("File", item.subject), (), item.message, location=item.location, rule=item.rule)
        for item in read.findings
        if item.rule in _BROKEN
    ]
    if problems:
        raise SnapshotError(problems)
    snapshot = Snapshot(read.manifests, live=True)
    if not snapshot.of("", "Node"):
        raise InputError(f"{place}: there is no Node; a snapshot is what this prints:\n  {_ASK}")
    owners = {name: tenant.name for cluster in clusters for tenant in cluster.tenants for name in tenant.namespaces}
    return live(snapshot, owners)
