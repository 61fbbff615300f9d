"""One side of a plan: what compiling, verifying and deciding fit gave, as the caller hands it over."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.manifest import ManifestKey, key_of
from tenantry.model.problem import Location
from tenantry.plan.claims import OpenPairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.model.claim import Alike
    from tenantry.model.cluster import Cluster
    from tenantry.model.finding import Verdict
    from tenantry.model.manifest import Body
    from tenantry.model.problem import DocPath, Subject
    from tenantry.model.tree import Chart, Component, Piece


@dataclass(frozen=True, slots=True)
class Work:
    """A class of work as one tenant would run it in one pool.

    Attributes:
        verdict: whether it can run.
        job: the job in words.
        reason: what is in the way; empty when nothing is.
        at_once: jobs at once within the limit.
    """

    verdict: Verdict
    job: str
    reason: str
    at_once: int


@dataclass(frozen=True, slots=True)
class Waits:
    """What became of the jobs of one tenant in one pool in a replay.

    Attributes:
        jobs: jobs replayed.
        median: median wait in seconds; None when no job started.
        longest: longest wait in seconds; None when no job started.
        preempted: evictions.
        unfinished: jobs that had not started at the end.
    """

    jobs: int
    median: int | None
    longest: int | None
    preempted: int
    unfinished: int


def _nowhere(subject: Subject, path: DocPath) -> Location:
    del subject, path
    return Location("<spec>")


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        label: what the user called it: a folder or a revision.
        cluster: the resolved cluster.
        components: Applications, in the order of their waves.
        pieces: objects of the tree.
        charts: Helm charts.
        claims: what verification claims and does not prove, by channel; None when it did not run.
        work: classes of work by (workload, tenant, pool, extended resource); None when fit did not run.
        held: whether all guarantees of a pool are held, by (pool, extended resource); None when fit did not run.
        waits: what a replay gave by (tenant, pool); None without a trace.
        locate: file and line of a part of a document.
        absent: whether there is no spec on this side; its cluster is the other one's without pools and tenants.
    """

    label: str
    cluster: Cluster
    components: tuple[Component, ...]
    pieces: tuple[Piece, ...]
    charts: tuple[Chart, ...] = ()
    claims: tuple[Alike, ...] | None = None
    work: Mapping[tuple[str, str, str, str], Work] | None = None
    held: Mapping[tuple[str, str], Verdict] | None = None
    waits: Mapping[tuple[str, str], Waits] | None = None
    locate: Callable[[Subject, DocPath], Location] = field(default=_nowhere)
    absent: bool = False

    @cached_property
    def objects(self) -> dict[tuple[str, str, str, str], tuple[str, ManifestKey, Body]]:
        """Component, key and body of every object, by API group, kind, namespace and name."""
        found = {}
        for piece in self.pieces:
            key = key_of(piece.body)
            found[(key.group, key.kind, key.namespace, key.name)] = (piece.component, key, piece.body)
        return found

    @cached_property
    def open_pairs(self) -> dict[str, OpenPairs]:
        """Pairs of tenants that verification does not prove, by channel."""
        return OpenPairs.by_channel(self.claims or ())

    @cached_property
    def wave(self) -> dict[str, int]:
        """Sync wave by component."""
        return {component.name: component.wave for component in self.components}

    @cached_property
    def pool_names(self) -> frozenset[str]:
        """Names of the node pools."""
        return frozenset(pool.name for pool in self.cluster.pools)

    @cached_property
    def tenant_names(self) -> frozenset[str]:
        """Names of the tenants."""
        return frozenset(tenant.name for tenant in self.cluster.tenants)
