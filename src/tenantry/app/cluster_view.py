"""A cluster to ask about: its node pools with their schedulers, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.app.lint import lint_finding, parse_one
from tenantry.errors import InputError, SnapshotError
from tenantry.fair.explain.audit import oversized
from tenantry.fair.explain.words import gpus
from tenantry.fair.kai.configure import configured
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.io.scheduler_snapshot import read_snapshot
from tenantry.lint import RULES, LintContext, lint
from tenantry.model.finding import Finding, Severity
from tenantry.model.problem import Location, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tenantry.fair.inspection import Inspectable
    from tenantry.io.scheduler_snapshot import ClusterSnapshot
    from tenantry.model.pool_snapshot import JobTitle, PoolSnapshot

QUEUE_RULES = frozenset({
    "LINT-KAI-LIMIT", "LINT-KAI-BELOW-QUOTA", "LINT-KAI-PARENT", "LINT-KAI-SUM", "LINT-KAI-SHARD",
    "LINT-KAI-NO-RESOURCES",
})  # fmt: skip
"""Rules about queues that are applied to a snapshot; what else may be wrong with one its reader says."""


@dataclass(frozen=True, slots=True)
class PoolView:
    """A node pool and what schedules it.

    Attributes:
        snapshot: the pool at one instant.
        scheduler: its scheduler.
        notes: what of the scheduler's configuration is not followed, sentences.
    """

    snapshot: PoolSnapshot
    scheduler: Inspectable
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """A job that is known but not there.

    Attributes:
        title: its name, with the tenant as its namespace.
        tenant: its tenant; empty when it is none of the platform's.
        queue: its queue; empty when it goes to none.
        why: says what it is, was or becomes instead, a clause.
    """

    title: JobTitle
    tenant: str
    queue: str
    why: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster to ask about.

    Attributes:
        name: where it comes from.
        pools: its node pools by name, sorted.
        findings: what is worth knowing about what was read.
        notes: what about it is otherwise than it is deployed, sentences; they may hold any names.
        after: seconds from the first submission to its moment, where it is simulated; None for a snapshot.
        absent: gives the jobs that are known but not there, one at a time.
    """

    name: str
    pools: Mapping[str, PoolView]
    findings: tuple[Finding, ...] = field(default=())
    notes: tuple[str, ...] = ()
    after: int | None = None
    absent: Callable[[], Iterable[Absent]] = tuple

    def pool(self, name: str) -> PoolView:
        """Return a node pool.

        Raises:
            InputError: if there is none of that name.
        """
        if name not in self.pools:
            hint = did_you_mean(name, self.pools)
            raise InputError(f"there is no node pool {name!r}; there are {', '.join(self.pools)}{hint}")
        return self.pools[name]


def snapshot_view(
    paths: Sequence[Path], *, pool_label: str = "", at_time: int | None = None, version: str = ""
) -> ClusterView:
    """Read a snapshot of a cluster and set up its schedulers as it says.

    Args:
        paths: files and folders of manifests, or a zip that the KAI scheduler served.
        pool_label: label of node pools; what the cluster says when empty.
        at_time: second since 1970 it is looked at; the newest in it when None.
        version: version of the KAI scheduler; the one that is modelled by default when empty.

    Raises:
        InputError: if a path cannot be read, or holds no cluster.
        SnapshotError: with everything in it that cannot be read.
    """
    read = read_snapshot(paths, pool_label=pool_label, at_time=at_time)
    pools = {}
    for name in read.pools:
        snapshot = read.pool(name)
        scheduler, notes = configured(snapshot.config, version or DEFAULTS.version)
        pools[name] = PoolView(snapshot, scheduler, notes)
    if read.problems:
        raise SnapshotError(read.problems)
    findings = {*read.findings, *_about_queues(read)}
    for view in pools.values():
        findings.update(_too_large(read, view.snapshot))
    return ClusterView(", ".join(str(path) for path in paths), pools, tuple(sorted(findings, key=Finding.sort_key)))


def _about_queues(read: ClusterSnapshot) -> list[Finding]:
    kinds = {"Queue", "SchedulingShard"}
    objects = [item for item in read.manifests if item.key.kind in kinds and "spec" in item.body]
    rules = [rule for rule in RULES if rule.id in QUEUE_RULES]
    return [lint_finding(issue) for issue in lint(objects, LintContext(parse_yaml=parse_one, complete=True), rules)]


def _too_large(read: ClusterSnapshot, snapshot: PoolSnapshot) -> list[Finding]:
    found = []
    for name, needed, offered in oversized(snapshot.moment):
        title = snapshot.titles[name]
        place = read.place("scheduling.run.ai", "PodGroup", title.group, title.namespace) or Location("")
        message = (
            f"the pods that must start together ask for {gpus(needed)}, and all nodes of pool {snapshot.pool} have "
            f"{gpus(offered)}"
        )
        subject = f"PodGroup {title.namespace}/{title.group}"
        found.append(Finding("SNAP-TOO-LARGE", Severity.WARNING, subject, message, place))
    return found
