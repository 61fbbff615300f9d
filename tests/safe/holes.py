"""Tables of holes: objects with a hole in them, what closes it, and what the witness has to say; with their checks.

A table becomes tests by ``TestHoles = holes_checked(HOLES)`` and ``TestCases = cases_checked(CASES)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from other_values import with_others
from safe_clusters import Body, resolve, view, well_formed

from tenantry.catalog.facts import fact_definitions
from tenantry.model.change import changed
from tenantry.model.claim import Claim
from tenantry.model.finding import Verdict
from tenantry.model.manifest import key_of
from tenantry.model.tenancy import Strength
from tenantry.safe.channels import CHANNELS
from tenantry.safe.fixes.search import Fixer
from tenantry.safe.verify import verify
from tenantry.safe.view import View

BY_ID = {channel.id: channel for channel in CHANNELS}

Given = Body | list[Body]


@dataclass(frozen=True)
class World:
    """Two tenants, each with the namespace and group of its name.

    Attributes:
        source: the one that acts.
        target: the one acted on.
        rest_is_platform: whether every other namespace belongs to the platform.
    """

    source: str
    target: str
    rest_is_platform: bool = False

    def view(self, objects: Sequence[Given], **asked: Any) -> View:
        bodies = flat(objects)
        names = {str(key_of(body).name) for body in bodies if body["kind"] == "Namespace"}
        platform = names - {self.source, self.target} if self.rest_is_platform else {"ops"}
        tenants = {name: [name] for name in (self.source, self.target)}
        return view(bodies, tenants=tenants, platform=platform, **asked)


AB = World("a", "b")
RED_BLUE = World("red", "blue", rest_is_platform=True)


@dataclass(frozen=True)
class Hole:
    """A hole and what closes it.

    Attributes:
        name: the hole in a few words.
        channel: channel that shows it.
        objects: objects in which it is open.
        closed_by: objects that close it; they replace those of the same key.
        says: words the summary of the witness holds.
        by: objects on the path, each as its name or as ``Kind name``; empty when the absence of one is the cause.
        facts: signed facts.
        closing: facts that close it instead of, or with, the objects.
        strength: what the proof quantifies over.
        live: whether the objects are a whole cluster.
        stays: whether what closes it is about what cannot change once it is made, so that guarding creation is enough.
        together: whether what closes it is one change of several objects, no part of which is needed alone.
        world: the tenants.
        words: whether only facts close it, so that no change of objects does.
    """

    name: str
    channel: str
    objects: Sequence[Given]
    closed_by: Sequence[Given]
    says: str
    by: str | tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    closing: Mapping[str, Any] = field(default_factory=dict)
    strength: Strength = Strength.ADVERSARIAL
    live: bool = False
    stays: bool = False
    together: bool = False
    world: World = AB
    words: bool = False


@dataclass(frozen=True)
class Case:
    """Objects and what has to be said about the tenant that acts.

    Attributes:
        name: what it shows.
        channel: channel asked.
        objects: the objects.
        missing: the fact or description that is missing; empty when the verdict is PROVED.
        facts: signed facts.
        settled: facts that settle it; where None, the missing one signed as it proves, if it is one that is signed.
        strength: what the proof quantifies over.
        live: whether the objects are a whole cluster.
        world: the tenants.
    """

    name: str
    channel: str
    objects: Sequence[Given]
    missing: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    settled: Mapping[str, Any] | None = None
    strength: Strength = Strength.ADVERSARIAL
    live: bool = False
    world: World = AB


def flat(objects: Iterable[Given]) -> list[Body]:
    return [body for item in objects for body in (item if isinstance(item, list) else [item])]


def worst(seen: View, channel: str, world: World = AB) -> Claim:
    """Return the worst claim about the pair of a world, every claim of the channel being well formed."""
    claims = verify(seen, [BY_ID[channel]])
    for claim in claims:
        well_formed(claim)
    order = [Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.PROVED]
    concerned = [item for item in claims if item.source == world.source and item.target in {"", world.target}]
    return min(concerned, key=lambda claim: order.index(claim.verdict))


def _asked(case: Hole | Case, objects: Sequence[Given], facts: Mapping[str, Any] | None = None) -> tuple[View, Claim]:
    signed = case.facts if facts is None else facts
    seen = case.world.view(objects, facts=signed, strength=case.strength, live=case.live)
    return seen, worst(seen, case.channel, case.world)


def _closed(hole: Hole, objects: Sequence[Given]) -> Claim:
    return _asked(hole, objects, {**hole.facts, **hole.closing})[1]


def check_open(hole: Hole) -> None:
    """The hole is found, with a witness whose every step leads somewhere."""
    seen, claim = _asked(hole, hole.objects)
    assert claim.verdict is Verdict.VIOLATED, claim
    assert claim.witness is not None
    assert hole.says in claim.witness.summary
    resolve(seen, claim)
    keys = [step.by for step in claim.witness.steps if step.by is not None]
    path = {key.name for key in keys} | {f"{key.kind} {key.name}" for key in keys}
    assert path >= ({hole.by} - {""} if isinstance(hole.by, str) else set(hole.by))


def check_admitted(hole: Hole) -> None:
    """What the witness shows somebody submit is let in."""
    seen, claim = _asked(hole, hole.objects)
    assert claim.witness is not None
    details = dict(claim.witness.details)
    if hole.strength is Strength.DEPLOYED:
        return
    for name in ("manifest", "pod", "other pod", "claim", "definition"):
        body = details.get(name)
        if isinstance(body, dict) and body:
            envelope = seen.envelope(body["metadata"]["namespace"])
            operation = details.get("operation", "CREATE") if name == "manifest" else "CREATE"
            assert envelope.admits(body, operation=operation, old=details.get("before")).admitted


def check_closed(hole: Hole) -> None:
    """What closes it is enough."""
    claim = _closed(hole, [*hole.objects, *hole.closed_by])
    assert claim.verdict is Verdict.PROVED, claim
    assert claim.reason


def check_reopened(hole: Hole) -> None:
    """Each of the objects that close it is needed, or none of them would be evidence."""
    closing = flat(hole.closed_by)
    for body in closing:
        kept = [item for item in closing if key_of(item) != key_of(body)]
        claim = _closed(hole, [*hole.objects, *kept])
        assert claim.verdict is Verdict.VIOLATED, (key_of(body), claim)


def check_fixed(hole: Hole) -> None:
    """The fix that is found closes it, however often it is asked; there is none where only a fact does."""
    seen, claim = _asked(hole, hole.objects)
    fix = Fixer(seen, BY_ID).fix(claim)
    if hole.words:
        assert fix is None
        return
    assert fix is not None
    assert fix.changes
    assert fix.leaves is not Verdict.VIOLATED, fix
    after = changed(seen.given, fix.changes)
    assert after is not None
    names = {name: fact.value for name, fact in seen.declared.facts.items()}
    known = hole.world.view([item.body for item in after], facts=names, strength=hole.strength, live=hole.live)
    assert worst(known, hole.channel, hole.world).verdict is fix.leaves
    if fix.leaves is Verdict.UNKNOWN:
        # What is left is for somebody to sign.
        signed = {**names, **hole.closing}
        settled = hole.world.view([item.body for item in after], facts=signed, strength=hole.strength, live=hole.live)
        assert worst(settled, hole.channel, hole.world).verdict is Verdict.PROVED


# Lets in what says something no reader of the policy would think of.
_BACK_DOORS = (
    "object.metadata.?annotations[?'note'].orValue('').matches('^[0-9]{12}$')",
    "object.metadata.?name.orValue('').matches('^[a-f]{17}$')",
    "object.metadata.?finalizers.orValue([]).size() > 4",
)


def with_back_door(bodies: list[Body], door: str) -> list[Body]:
    """Return objects whose admission policies all let in what meets a condition as well."""
    found = []
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            validations = [
                {**item, "expression": f"({item['expression']}) || {door}"} for item in body["spec"]["validations"]
            ]
            body = {**body, "spec": {**body["spec"], "validations": validations}}  # noqa: PLW2901 - with the door
        found.append(body)
    return found


def check_no_back_door(hole: Hole) -> None:
    """What closes it is no evidence when its guards let in what nobody would try."""
    # Hosts of routes are admitted by their names, so that a route of any name is another question.
    routes = any(body["kind"] == "ValidatingAdmissionPolicy" and "route" in str(body) for body in flat(hole.closed_by))
    doors = _BACK_DOORS if "CREATE" in _operations(hole) and not routes else _BACK_DOORS[:1]
    for door in doors:
        claim = _closed(hole, [*hole.objects, *with_back_door(flat(hole.closed_by), door)])
        assert claim.verdict is not Verdict.PROVED, (door, claim)


def of_some_names(bodies: list[Body]) -> list[Body]:
    """Return objects whose admission policies look at nothing but objects of the name that is tried."""
    found = []
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            constraints = body["spec"]["matchConstraints"]
            rules = [{**item, "resourceNames": ["probe", "tenantry-probe"]} for item in constraints["resourceRules"]]
            matched = {**constraints, "resourceRules": rules}
            body = {**body, "spec": {**body["spec"], "matchConstraints": matched}}  # noqa: PLW2901 - of some names
        found.append(body)
    return found


def check_no_name(hole: Hole) -> None:
    """A guard of objects of some names refuses none, as whoever makes one chooses its name."""
    if "CREATE" in _operations(hole):
        claim = _closed(hole, [*hole.objects, *of_some_names(flat(hole.closed_by))])
        assert claim.verdict is not Verdict.PROVED, claim


def of_creations(bodies: list[Body]) -> list[Body]:
    """Return objects whose admission policies look at what is made, and at nothing that is changed."""
    found = []
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            constraints = body["spec"]["matchConstraints"]
            rules = [
                {**item, "operations": ["CREATE"]} if "CREATE" in item["operations"] else item
                for item in constraints["resourceRules"]
            ]
            matched = {**constraints, "resourceRules": rules}
            body = {**body, "spec": {**body["spec"], "matchConstraints": matched}}  # noqa: PLW2901 - of creations
        found.append(body)
    return found


def with_updates(bodies: list[Body]) -> list[Body]:
    """Return objects in which whoever may create something may change it as well."""
    found = []
    for body in bodies:
        if body["kind"] in {"Role", "ClusterRole"}:
            rules = [
                {**item, "verbs": sorted({*item["verbs"], *(["update"] if "create" in item["verbs"] else [])})}
                for item in body["rules"]
            ]
            body = {**body, "rules": rules}  # noqa: PLW2901 - with updates
        found.append(body)
    return found


def check_later(hole: Hole) -> None:
    """A guard is one of changes as well, or no evidence unless what it is about cannot change."""
    objects = with_updates(flat(hole.objects))
    closing = flat(hole.closed_by)
    assert _closed(hole, [*objects, *closing]).verdict is Verdict.PROVED
    claim = _closed(hole, [*objects, *of_creations(closing)])
    assert (claim.verdict is Verdict.PROVED) is hole.stays, claim


def check_case(case: Case) -> None:
    """The verdict is PROVED, or UNKNOWN for the one fact that is missing, which decides it when signed."""
    _, claim = _asked(case, case.objects)
    if not case.missing:
        assert claim.verdict is Verdict.PROVED, claim
        return
    assert claim.verdict is Verdict.UNKNOWN, claim
    assert case.missing in {item.fact for item in claim.missing}
    defined = next((item for item in fact_definitions() if item.id == case.missing), None)
    settled = case.settled
    if settled is None and defined is not None:
        settled = {case.missing: defined.holds[0]}
    if settled:
        _, claim = _asked(case, case.objects, {**case.facts, **settled})
        assert claim.verdict is Verdict.PROVED, claim


def check_amounts(hole: Hole) -> None:
    """Other amounts open and close nothing, but for channels that are said to read them."""
    states = (hole.objects, hole.facts), ([*hole.objects, *hole.closed_by], {**hole.facts, **hole.closing})
    for objects, facts in states:
        before = _asked(hole, objects, facts)[1].verdict
        for others, channels in with_others(flat(objects)):
            assert hole.channel in channels or _asked(hole, others, facts)[1].verdict is before


# --- tables as tests --------------------------------------------------------------------------------------------------


def _named(item: Hole | Case) -> str:
    return f"{item.channel}: {item.name}"


def _operations(hole: Hole) -> set[str]:
    """Return what the guards that close a hole look at."""
    policies = [body for body in flat(hole.closed_by) if body["kind"] == "ValidatingAdmissionPolicy"]
    rules = [item for body in policies for item in body["spec"]["matchConstraints"]["resourceRules"]]
    return {operation for item in rules for operation in item["operations"]}


def holes_checked(holes: list[Hole]) -> type:
    """Return a class of tests that checks every hole of a table in every way."""
    closed = [hole for hole in holes if hole.closed_by and not hole.together]
    guarded = [hole for hole in holes if _operations(hole)]
    created = [hole for hole in guarded if "CREATE" in _operations(hole)]

    amounts = [hole for hole in holes if any(True for _ in with_others(flat([*hole.objects, *hole.closed_by])))]

    class TestEveryHole:
        @pytest.mark.parametrize("hole", holes, ids=_named)
        def test_is_found_with_its_witness(self, hole: Hole) -> None:
            check_open(hole)

        @pytest.mark.parametrize("hole", holes, ids=_named)
        def test_shows_what_admission_lets_in(self, hole: Hole) -> None:
            check_admitted(hole)

        @pytest.mark.parametrize("hole", holes, ids=_named)
        def test_is_closed_by_its_guard(self, hole: Hole) -> None:
            check_closed(hole)

        @pytest.mark.parametrize("hole", holes, ids=_named)
        def test_is_closed_by_the_fix_that_is_found(self, hole: Hole) -> None:
            check_fixed(hole)

        @pytest.mark.parametrize("hole", amounts, ids=_named)
        def test_does_not_hang_on_amounts(self, hole: Hole) -> None:
            check_amounts(hole)

        @pytest.mark.parametrize("hole", closed, ids=_named)
        def test_opens_again_when_any_part_of_its_guard_is_removed(self, hole: Hole) -> None:
            check_reopened(hole)

        @pytest.mark.parametrize("hole", guarded, ids=_named)
        def test_is_not_closed_by_a_guard_with_a_back_door(self, hole: Hole) -> None:
            check_no_back_door(hole)
            check_no_name(hole)

        @pytest.mark.parametrize("hole", created, ids=_named)
        def test_is_closed_by_a_guard_of_creations_only_where_nothing_changes(self, hole: Hole) -> None:
            check_later(hole)

    return TestEveryHole


def cases_checked(cases: list[Case]) -> type:
    """Return a class of tests that checks every case of a table."""

    class TestEveryCase:
        @pytest.mark.parametrize("case", cases, ids=_named)
        def test_is_proved_or_names_the_missing_fact(self, case: Case) -> None:
            check_case(case)

    return TestEveryCase
