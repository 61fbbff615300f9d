"""Decide whether what a spec promises fits its hardware: findings at their places, jobs that cannot run, and tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from tenantry.app.spec import load
from tenantry.app.tenancy import matches
from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.efficient.fit import fit
from tenantry.efficient.fit.engine import judge
from tenantry.efficient.fit.jobs import pod_shape
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss
from tenantry.errors import InputError
from tenantry.model.finding import Finding, Severity, Verdict
from tenantry.model.problem import dotted, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tenantry.app.spec import CheckedSpec
    from tenantry.efficient.fit import FitResult
    from tenantry.efficient.fit.engine import Found
    from tenantry.efficient.fit.jobs import Job
    from tenantry.model.cluster import Cluster
    from tenantry.model.spec import Spec, Waiver


@dataclass(frozen=True, slots=True)
class FitFinding:
    """A finding with what stands behind it.

    Attributes:
        finding: the same as a lint finding.
        job: a job that cannot run because of it, or None.
        shape: one pod of that job as a Pod, or None.
        changes: changes of the spec that resolve it, each tried, the nearest first.
        waiver: the waiver that is about it, expired or not.
        waived: whether that waiver accepts it today.
    """

    finding: Finding
    job: Job | None
    shape: dict[str, Any] | None
    changes: tuple[str, ...]
    waiver: Waiver | None = None
    waived: bool = False


@dataclass(frozen=True)
class FitReport:
    """What is decided about a spec.

    Attributes:
        name: the platform.
        environment: overlay applied; empty for none.
        findings: in the order of :meth:`~tenantry.model.finding.Finding.sort_key`.
        result: tables, and the nodes that were taken to be lost.
    """

    name: str
    environment: str
    findings: tuple[FitFinding, ...]
    result: FitResult

    def at_least(self, severity: Severity) -> int:
        """Number of findings at or above a severity that no waiver accepts."""
        return sum(not item.waived and item.finding.severity >= severity for item in self.findings)

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly this severity that no waiver accepts."""
        return sum(not item.waived and item.finding.severity is severity for item in self.findings)

    @property
    def guarantees(self) -> tuple[int, int]:
        """How many guarantees there are, and how many lie in pools that hold all of theirs at the same time."""
        sound = {row.pool for row in self.result.tables.pools if row.held is Verdict.PROVED}
        rows = [row for row in self.result.tables.tenants if row.guaranteed]
        return len(rows), sum(row.pool in sound for row in rows)


def fit_spec(
    folder: Path, environment: str = "", minus_nodes: Sequence[str] = (), *, today: date | None = None
) -> FitReport:
    """Decide about a spec.

    Args:
        folder: folder of YAML documents, or one file.
        environment: overlay below ``environments/``; empty for none.
        minus_nodes: nodes to do without, each ``N`` or ``POOL=N``.
        today: day on which waivers must hold; the current one when None.

    Raises:
        SpecError: with every problem of the spec.
        InputError: if the folder cannot be read, or there is no such pool.
    """
    checked = load(folder, environment)
    return fit_checked(checked, read_loss(checked.cluster, minus_nodes), today=today)


def fit_checked(checked: CheckedSpec, loss: Loss = NO_LOSS, *, today: date | None = None) -> FitReport:
    """Decide about a spec that is loaded already."""
    result = fit(checked.cluster, loss=loss, rebuild=rebuild)
    day = today or date.today()
    findings = [_finding(checked, item, day) for item in result.found]
    ordered = sorted(findings, key=lambda item: item.finding.sort_key())
    return FitReport(checked.cluster.name, checked.spec.environment, tuple(ordered), result)


def misfits(cluster: Cluster, today: date | None = None) -> dict[str, int]:
    """Count warnings and errors that no waiver accepts, by rule; no change is tried, which makes it quick."""
    day = today or date.today()
    found: dict[str, int] = {}
    for rule, hit in judge(Ground(cluster)):
        severity = rule.severity if hit.severity is None else hit.severity
        if severity >= Severity.WARNING and not _holds(_waiver(cluster.spec.waivers, rule.id, hit.subject), day):
            found[rule.id] = found.get(rule.id, 0) + 1
    return dict(sorted(found.items()))


def rebuild(spec: Spec) -> Cluster | None:
    """Resolve a changed spec; None when the compiler would refuse it."""
    cluster, problems = resolve(spec)
    return None if problems or check(cluster) else cluster


def read_loss(cluster: Cluster, texts: Iterable[str]) -> Loss:
    """Read nodes to do without: ``N`` anywhere, ``POOL=N`` in one pool; of the same pool the last counts.

    Raises:
        InputError: if a text is neither, or there is no such pool.
    """
    anywhere, pools = 0, {}
    names = [pool.name for pool in cluster.pools]
    for text in texts:
        name, _, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit() or len(number) > 7:
            raise InputError(f"--minus-nodes {text}: expected N or POOL=N, N being a whole number of nodes")
        if "=" not in text:
            anywhere = int(number)
            continue
        if name not in names:
            near = nearest_name(name, names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise InputError(
                f"--minus-nodes {text}: there is no node pool {name!r}; there are {', '.join(names)}{hint}"
            )
        pools[name] = int(number)
    return Loss(anywhere, tuple(sorted(pools.items())))


def _finding(checked: CheckedSpec, found: Found, today: date) -> FitFinding:
    hit, job = found.hit, found.hit.job
    changes = tuple(change.words for change in found.changes)
    fix = "; or ".join(changes) or hit.hint
    message = hit.message
    if job is not None and hit.verdict is Verdict.VIOLATED and found.severity > Severity.INFO:
        message += f". Cannot run: {job.words()}, for tenant {job.tenant}"
    finding = Finding(
        rule=found.rule.id,
        severity=found.severity,
        subject=hit.subject,
        message=message,
        location=checked.loaded.locate(hit.document, hit.path),
        path=dotted(hit.path),
        fix=fix[:1].upper() + fix[1:],
        verdict=hit.verdict,
        source=found.rule.source,
    )
    waiver = _waiver(checked.spec.waivers, finding.rule, finding.subject)
    shape = pod_shape(checked.cluster, job) if job is not None else None
    return FitFinding(finding, job, shape, changes, waiver, _holds(waiver, today))


def _waiver(waivers: Iterable[Waiver], rule: str, subject: str) -> Waiver | None:
    """Return the waiver about a finding: one that holds before one that has expired."""
    fitting = [item for item in waivers if item.spec.rule == rule and matches(subject, item.spec.subject)]
    return max(fitting, key=lambda item: (item.spec.expires, item.name), default=None)


def _holds(waiver: Waiver | None, today: date) -> bool:
    return waiver is not None and waiver.spec.expires >= today
