"""Say what a change of a spec does: compile, verify and fit both sides, and hand them to the engine.

What both sides share is worked out once, and of isolation only that is compared on which a difference has a bearing.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from tenantry import __version__
from tenantry.app.plan_places import read_place
from tenantry.app.spec import load
from tenantry.app.tenancy import spec_tenancy
from tenantry.app.verify import Question, Subject, open_claims_of
from tenantry.catalog.changes import step_minutes
from tenantry.compile.compiler import compile_cluster
from tenantry.efficient.fit.work import NO_LOSS
from tenantry.errors import InputError
from tenantry.exec.garbage import keeping_all
from tenantry.exec.pool import beside, cores
from tenantry.io.digest import digest
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.plan import Side, plan
from tenantry.plan.difference import object_changes, only_numbers_differ
from tenantry.plan.effect import Touched
from tenantry.plan.inputs import FileInput, Inputs, SideInput
from tenantry.plan.rule import listed, plural
from tenantry.plan.side import Work
from tenantry.safe.bearing import Difference, bearing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tenantry.app.plan_places import Compared
    from tenantry.app.spec import CheckedSpec
    from tenantry.compile.compiler import Compilation
    from tenantry.model.claim import Alike
    from tenantry.model.cluster import Cluster
    from tenantry.model.spec import Spec
    from tenantry.plan import Plan
    from tenantry.plan.effect import ObjectChange
    from tenantry.plan.live import Live


NOT_VERIFIED = "isolation was not compared (--no-verify)"


@dataclass(frozen=True)
class PlanQuestion:
    """What is asked.

    Attributes:
        verify: whether isolation is compared.
        fit: whether work that can run is compared.
        trace: jobs to replay on both sides; None for none.
        snapshot: what a cluster held, to say what the change meets; None for none.
        today: day on which exceptions, facts and waivers must hold; the current one when None.
    """

    verify: bool = True
    fit: bool = True
    today: date | None = None
    trace: Path | None = None
    snapshot: Path | None = None


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


def plan_compared(
    sides: Compared,
    environment: str = "",
    question: PlanQuestion = PlanQuestion(),
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Say what going from one folder or revision to another does; a spec that is on one side only comes or goes.

    Raises:
        SpecError: with every problem of the side that does not compile, the old one first.
        InputError: if a side cannot be read, or neither has a spec.
    """
    old, new = sides.old, sides.new
    was, now = read_place(old, environment), read_place(new, environment)
    if was is not None and now is not None:
        made = plan_specs(was, now, old.label, new.label, question, notes=sides.notes, progress=progress)
    else:
        there, came = now or was, was is None
        if there is None:
            if environment:
                for place in (new, old):
                    read_place(place, "", required=True)
                    read_place(place, environment, required=True)
            raise InputError(f"there is no spec {new.path}, neither {old.where} nor {new.where}")
        said = f"there is no such spec {(old if came else new).where}: everything is {'added' if came else 'removed'}"
        labels = old.label, new.label
        made = plan_one_sided(there, labels, question, came=came, notes=(*sides.notes, said), progress=progress)
    return replace(made, inputs=_inputs(sides, (was, now), question))


def _inputs(sides: Compared, specs: tuple[CheckedSpec | None, CheckedSpec | None], question: PlanQuestion) -> Inputs:
    repository = sides.new.repository is not None
    read = [
        SideInput(place.commit.hash if place.commit else "", tuple(checked.loaded.digests().items()) if checked else ())
        for place, checked in zip((sides.old, sides.new), specs, strict=True)
    ]
    files = [
        FileInput(role, str(place), digest(place))
        for role, place in (("trace", question.trace), ("snapshot", question.snapshot))
        if place is not None
    ]
    return Inputs(
        tool=__version__,
        asked=sides.asked,
        spec=sides.new.path if repository else str(sides.new.folder),
        repository=repository,
        day=(question.today or date.today()).isoformat() if question.verify else "",
        old=read[0],
        new=read[1],
        files=tuple(files),
    )


@keeping_all()
def plan_specs(
    old: CheckedSpec,
    new: CheckedSpec,
    before: str,
    after: str,
    question: PlanQuestion = PlanQuestion(),
    *,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Say what going from one spec to another does; ``before`` and ``after`` are the names of the sides."""
    same = old.spec == new.spec
    asked = Question(fixes=False, today=question.today or date.today())
    verifying = question.verify and not same
    said = list(notes)
    progress("compiling both sides")
    with ExitStack() as processes:
        begin = partial(_apart, processes, asked, old)
        # Where amounts are all that differs, there is hardly anything to verify.
        of_old = begin() if verifying and not only_numbers_differ(old.spec, new.spec) else None
        was = compile_cluster(old.cluster)
        now = was if same else compile_cluster(new.cluster)
        left, right = _side(old, was, before), _side(new, now, after)
        changes = object_changes(left, right)
        if verifying:
            progress("verifying both sides")
            subjects = _subject(left, old.spec), _subject(right, new.spec)
            about = _concerned(*subjects, changes)
            of_old = None if about is not None else of_old or begin()
            right = replace(right, claims=open_claims_of(subjects[1], asked, about))
            left = replace(left, claims=of_old() if of_old else open_claims_of(subjects[0], asked, about))
            said += _compared_in(about)
    if question.verify and same:
        # Equal specs have equal claims, so nothing about them can change.
        left, right = replace(left, claims=()), replace(right, claims=())
    elif not question.verify:
        said.append(NOT_VERIFIED)
    if question.fit:
        progress("deciding what fits on both sides")
        left = _fitted(left, old.cluster)
        right = replace(right, work=left.work, held=left.held) if same else _fitted(right, new.cluster)
    if question.trace is not None:
        from tenantry.app.plan_trace import both_waits

        progress("replaying the trace on both sides")
        waits = both_waits(old.cluster, new.cluster, question.trace)
        left, right = replace(left, waits=waits[0]), replace(right, waits=waits[1])
    progress("comparing both sides")
    return plan(left, right, notes=said, there=_there(question, left, right), objects=changes)


@keeping_all()
def plan_one_sided(
    there: CheckedSpec,
    labels: tuple[str, str],
    question: PlanQuestion,
    *,
    came: bool,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Say what a spec brings that is on the new side only, or takes away that is on the old side only."""
    progress("compiling")
    said = list(notes)
    side = _side(there, compile_cluster(there.cluster), labels[came])
    if question.verify:
        progress("verifying")
        asked = Question(fixes=False, today=question.today or date.today())
        side = replace(side, claims=open_claims_of(_subject(side, there.spec), asked))
    else:
        said.append(NOT_VERIFIED)
    if question.fit:
        side = _fitted(side, there.cluster)
    if question.trace is not None:
        said.append("the trace was not replayed: there is one side only")
    empty = Side(
        labels[not came],
        replace(side.cluster, pools=(), fabrics=(), tenants=(), operators={}, resources=()),
        side.components,
        (),
        claims=() if question.verify else None,
        absent=True,
    )
    sides = (empty, side) if came else (side, empty)
    return plan(*sides, notes=said, there=_there(question, side))


def _there(question: PlanQuestion, *sides: Side) -> Live | None:
    if question.snapshot is None:
        return None
    from tenantry.app.plan_live import read_live

    return read_live(question.snapshot, [side.cluster for side in sides])


def _side(checked: CheckedSpec, made: Compilation, label: str) -> Side:
    return Side(label, made.cluster, made.components, made.pieces, made.charts, locate=checked.loaded.locate)


def _apart(processes: ExitStack, question: Question, old: CheckedSpec) -> Callable[[], tuple[Alike, ...]] | None:
    """Verify the old side in a process of its own, where there are two cores: the sides know nothing of each other."""
    return processes.enter_context(beside(_open_claims, question, (old.cluster, old.spec), workers=cores()))


def _concerned(old: Subject, new: Subject, changes: Iterable[ObjectChange]) -> frozenset[str] | None:
    """Return the channels in which isolation may differ; None where it may in any."""
    was, now = ((item.tenancy, item.contract, item.facts, item.waivers) for item in (old, new))
    if was != now:
        return None
    differences = (
        Difference(item.key.group, item.key.kind, touched.pointer, touched.before, touched.after)
        for item in changes
        for touched in item.fields or (Touched(item.key),)
    )
    return bearing(differences, [manifest.body for manifest in new.snapshot])


def _compared_in(about: frozenset[str] | None) -> list[str]:
    """Say where isolation was compared, unless it was everywhere."""
    if about is None:
        return []
    if not about:
        return ["isolation is as it was: no proof reads what differs"]
    return [
        f"isolation was compared in {plural(len(about), 'channel')} ({listed(sorted(about))}): no other proof "
        "reads what differs"
    ]


def _open_claims(question: Question, side: tuple[Cluster, Spec]) -> tuple[Alike, ...]:
    """Compile a side again and verify it: in another process, where that takes less than sending all its objects."""
    cluster, spec = side
    made = compile_cluster(cluster)
    whole = Side(spec.platform.name, made.cluster, made.components, made.pieces, made.charts)
    return open_claims_of(_subject(whole, spec), question)


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


__all__ = ["PlanQuestion", "plan_compared", "plan_folders", "plan_one_sided", "plan_specs", "step_minutes"]
