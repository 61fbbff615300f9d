"""Say what a change of a spec does: compile, verify and fit both sides, and hand them to the engine.

What both sides share is worked out once: verification is asked again only where the objects, the owners or the signed
facts differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from tenantry.app.spec import load
from tenantry.app.tenancy import spec_tenancy
from tenantry.app.verify import Question, Subject, verify_subject
from tenantry.catalog.changes import step_minutes
from tenantry.compile.compiler import compile_cluster
from tenantry.efficient.fit.work import NO_LOSS
from tenantry.exec.pool import cores, spread
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.plan import Side, plan
from tenantry.plan.side import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.app.spec import CheckedSpec
    from tenantry.compile.compiler import Compilation
    from tenantry.model.claim import Claim
    from tenantry.model.cluster import Cluster
    from tenantry.model.spec import Spec
    from tenantry.plan import Plan


@dataclass(frozen=True)
class PlanQuestion:
    """What is asked.

    Attributes:
        verify: whether isolation is compared.
        fit: whether work that can run is compared.
        trace: jobs to replay on both sides; None for none.
        today: day on which exceptions, facts and waivers must hold; the current one when None.
    """

    verify: bool = True
    fit: bool = True
    today: date | None = None
    trace: Path | None = None


def plan_folders(
    old: Path,
    new: Path,
    environment: str = "",
    question: PlanQuestion = PlanQuestion(),
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Say what going from one folder to another does.

    Args:
        old: the spec that is there.
        new: the spec that is to be.
        environment: overlay of both; empty for none.
        question: what is asked.
        progress: told what is being done.

    Raises:
        SpecError: with every problem of the side that does not compile, the old one first.
        InputError: if a folder cannot be read.
    """
    return plan_specs(load(old, environment), load(new, environment), str(old), str(new), question, progress=progress)


def plan_specs(
    old: CheckedSpec,
    new: CheckedSpec,
    before: str,
    after: str,
    question: PlanQuestion = PlanQuestion(),
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Say what going from one spec to another does; ``before`` and ``after`` are the names of the sides."""
    progress("compiling both sides")
    was = compile_cluster(old.cluster)
    now = was if old.spec == new.spec else compile_cluster(new.cluster)
    left, right = _side(old, was, before), _side(new, now, after)
    notes = []
    if question.verify:
        progress("verifying both sides")
        left, right = _verified(left, right, old.spec, new.spec, question.today or date.today())
    else:
        notes.append("isolation was not compared (--no-verify)")
    if question.fit:
        progress("deciding what fits on both sides")
        left = _fitted(left, old.cluster)
        same = old.spec == new.spec
        right = replace(right, work=left.work, held=left.held) if same else _fitted(right, new.cluster)
    if question.trace is not None:
        from tenantry.app.plan_trace import both_waits

        progress("replaying the trace on both sides")
        waits = both_waits(old.cluster, new.cluster, question.trace)
        left, right = replace(left, waits=waits[0]), replace(right, waits=waits[1])
    return plan(left, right, notes=notes)


def _side(checked: CheckedSpec, made: Compilation, label: str) -> Side:
    return Side(label, made.cluster, made.components, made.pieces, made.charts, locate=checked.loaded.locate)


def _verified(old: Side, new: Side, was: Spec, now: Spec, today: date) -> tuple[Side, Side]:
    """Verify both sides; once when nothing that verification reads differs."""
    subjects = [_subject(side, spec) for side, spec in ((old, was), (new, now))]
    alike = all(
        getattr(subjects[0], name) == getattr(subjects[1], name) for name in ("tenancy", "contract", "facts", "waivers")
    ) and _same_objects(old, new)
    common = (tuple(subjects), Question(fixes=False, today=today))
    if alike:
        claims = _claims(common, 0)
        return replace(old, claims=claims), replace(new, claims=claims)
    # The sides know nothing of each other, so each has a process of its own where there are two cores.
    left, right = spread(_claims, common, (0, 1), workers=cores())
    return replace(old, claims=left), replace(new, claims=right)


def _claims(common: tuple[tuple[Subject, ...], Question], side: int) -> tuple[Claim, ...]:
    subjects, asked = common
    return tuple(finding.claim for finding in verify_subject(subjects[side], asked).findings)


def _same_objects(old: Side, new: Side) -> bool:
    return [item[2] for item in old.objects.values()] == [item[2] for item in new.objects.values()]


def _subject(side: Side, spec: Spec) -> Subject:
    snapshot = Snapshot(Manifest(body, Location(component)) for component, _, body in side.objects.values())
    return Subject(side.label, snapshot, spec_tenancy(spec, snapshot), spec.contract, spec.facts, spec.waivers)


def _fitted(side: Side, cluster: Cluster) -> Side:
    from tenantry.efficient.fit import fit

    tables = fit(cluster, loss=NO_LOSS, rebuild=lambda spec: None).tables
    work = {}
    for row in tables.work:
        outcome = row.outcome
        known = outcome.verdict is not Verdict.UNKNOWN
        place = (row.workload, outcome.job.tenant, outcome.job.pool, outcome.job.need.resource)
        reason = "; ".join(item.reason for item in outcome.obstacles)
        work[place] = Work(outcome.verdict, outcome.job.words(), reason, outcome.within_limit if known else 0)
    return replace(side, work=work, held={(row.pool, row.resource): row.held for row in tables.pools})


__all__ = ["PlanQuestion", "plan_folders", "plan_specs", "step_minutes"]
