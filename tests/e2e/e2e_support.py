"""What end-to-end tests share: a cluster with a tree in it, and the counts of what was compared."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenantry.model.cluster import Cluster as Resolved
from testbed import binaries
from testbed.api import User
from testbed.control_plane import Cluster
from testbed.delivery import MANAGER, Synced

Body = dict[str, Any]

TRIES = 5
"""How often an apply without effect is tried while controllers still write the status of an object."""


@dataclass(frozen=True)
class Platform:
    """A cluster that holds the tree of an example.

    Attributes:
        cluster: runs it.
        resolved: the spec joined with the catalog.
        tree: folder of the compiled tree.
        synced: what came of putting the tree into the cluster.
    """

    cluster: Cluster
    resolved: Resolved
    tree: Path
    synced: Synced


@dataclass
class Tally:
    """Counts by table and row: how much was tried and how often both sides agreed; differences that are explained."""

    rows: dict[str, dict[str, list[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: [0, 0]))
    )

    def count(self, table: str, row: str, *, agreed: bool, number: int = 1) -> bool:
        """Count comparisons with one outcome; returns ``agreed``."""
        cell = self.rows[table][row]
        cell[0] += number
        cell[1] += number if agreed else 0
        return agreed

    def add(self, rows: dict[str, dict[str, list[int]]]) -> None:
        """Add what another process counted."""
        for table, found in rows.items():
            for row, (tried, agreed) in found.items():
                cell = self.rows[table][row]
                cell[0] += tried
                cell[1] += agreed


@dataclass
class Transcript:
    """What the server answered, case by case; tests that run without a server hold the product against it.

    Attributes:
        subject: what it is about; the name of its file.
        cases: each a list of what was asked and what was answered.
    """

    subject: str
    cases: list[list[Any]] = field(default_factory=list)

    def add(self, *case: Any) -> None:
        """Note one question with its answer."""
        self.cases.append(list(case))

    def write(self, folder: Path) -> None:
        """Write the file: one case on a line, so that a change of an answer is a change of a line in review."""
        lines = ",\n".join(json.dumps(case, ensure_ascii=True, sort_keys=True) for case in self.cases)
        head = f'"formatVersion": "1.0", "server": "{binaries.versions()["kube-apiserver"]}"'
        (folder / f"{self.subject}.json").write_text(f'{{{head}, "cases": [\n{lines}\n]}}\n', "utf-8")


def argo_cd(platform: Platform) -> User:
    """Return the account of Argo CD, which may do everything: on plain Kubernetes its own manifests say so."""
    namespace, cluster = platform.resolved.argocd_namespace, platform.cluster
    if platform.resolved.openshift:
        return User.service_account(namespace, "openshift-gitops-argocd-application-controller")
    user = User.service_account(namespace, "argocd-application-controller")
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argocd-application-controller"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": user.name}],
    }
    cluster.api.create(binding).expect()
    probe = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "probe"}}
    cluster.until("Argo CD's rights", lambda: cluster.api.create(probe, user=user, dry_run=True).ok)
    return user


def live(cluster: Cluster, body: Body) -> Body:
    """Return an object as the server has it."""
    meta = body["metadata"]
    found = cluster.api.get(body["apiVersion"], body["kind"], meta["name"], meta.get("namespace", ""))
    assert found is not None, meta
    return found


def is_unchanged(cluster: Cluster, body: Body, user: User) -> bool:
    """Whether applying an object again leaves it as it is, to the version."""
    return any(_is_unchanged(cluster, body, user) for _ in range(TRIES))


def _is_unchanged(cluster: Cluster, body: Body, user: User) -> bool:
    before = live(cluster, body)
    after = cluster.api.apply(body, manager=MANAGER, user=user).expect()
    assert after["metadata"].get("generation") == before["metadata"].get("generation"), body["metadata"]
    return bool(after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"])
