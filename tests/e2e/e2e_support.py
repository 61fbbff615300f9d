"""What end-to-end tests share: a cluster with a tree in it, and the counts of what was compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tenantry.model.cluster import Cluster as Resolved
from testbed.control_plane import Cluster
from testbed.delivery import Synced


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
