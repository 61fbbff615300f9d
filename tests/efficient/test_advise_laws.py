"""Laws that hold for every class of work: what is said to change a decision does, and facts act in one direction."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from advise_cases import PROFILES, cases, document, identity_after, nowhere, question
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tenantry.efficient.advise import PoolFacts, Speed, WorkFacts, advise, decide, options
from tenantry.efficient.advise.facts import GIB, MIB, Verdict
from tenantry.efficient.advise.gather import work_facts
from tenantry.efficient.advise.option import Option, usable
from tenantry.efficient.advise.rules import RULES, first_objection, objections
from tenantry.efficient.advise.score import per_copy, per_gpu
from tenantry.model.spec import SharingMode, Trust

Case = tuple[dict[str, Any], str, dict[str, Any]]
LARGE = 1e9
"""Stands for a speed that nothing bounds."""


def facts(case: Case) -> tuple[WorkFacts, PoolFacts]:
    work, gpu, surroundings = case
    found = question(work, gpu, **surroundings)
    return found.work, found.pool


@settings(max_examples=150, deadline=None)
@given(cases())
def test_every_stated_change_changes_the_recommendation_as_stated(case: Case) -> None:
    work, gpu, surroundings = case
    asked = {"work": work, "gpu": gpu, **surroundings}
    found = advise(question(**asked), nowhere)
    for change in found.changes:
        after = identity_after(asked, change)
        assert after == change.decision.identity, change
        assert after != found.decision.identity, change


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(1, 99))
def test_no_smaller_change_of_memory_would_do(case: Case, percent: int) -> None:
    work, gpu, surroundings = case
    found = advise(question(work, gpu, **surroundings), nowhere)
    for change in found.changes:
        if change.field == "spec.gpuMemory":
            told = work_facts(document("class", {"gpuMemory": change.value}), ()).memory
            between = found.work.memory + (told - found.work.memory) * percent // 100
            # What is told is rounded to MiB, so that the last step may do before its end.
            if abs(between - told) > MIB and between != found.work.memory:
                closer = decide(replace(found.work, memory=between), found.pool)
                assert closer.identity == found.decision.identity, (change.text, between)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_decision_holds_whatever_the_unknown_speeds_are(case: Case) -> None:
    """The oracle tries every combination of extremes of what is left by the rules."""
    work, pool = facts(case)
    left = []
    for option in options(work, pool):
        found = first_objection(work, pool, option)
        if found is None:
            left.append((option, per_gpu(work, pool, option)))
        elif found[1].missing:
            left.append((option, replace(per_gpu(work, pool, option), low=0.0)))
    assume(len(left) <= 9)
    if not left:
        assert decide(work, pool).verdict is Verdict.REFUSED
        return
    winners = set()
    for values in product(*({bounds.low, min(bounds.high, LARGE)} for _, bounds in left)):
        best = max(values)
        winners.add(tuple(value >= best for value in values))
    sure = [option for index, (option, _) in enumerate(left) if all(winner[index] for winner in winners)]
    decision = decide(work, pool)
    if decision.verdict is Verdict.ALLOWED:
        assert decision.leader in sure
    else:
        certain = [option for option in sure if first_objection(work, pool, option) is None]
        assert not certain, "something wins in any case and yet nothing is decided"


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(1, 200))
def test_less_memory_never_makes_anything_refused_for_memory(case: Case, less: int) -> None:
    work, pool = facts(case)
    assume(less * GIB < work.memory)
    lighter = replace(work, memory=less * GIB)
    for option in options(work, pool):
        before = {rule.id for rule, _ in objections(work, pool, option)}
        after = {rule.id for rule, _ in objections(lighter, pool, option)}
        assert after & {"ADVISE-MEMORY", "ADVISE-HALF"} <= before


@settings(max_examples=150, deadline=None)
@given(cases())
def test_stricter_trust_never_allows_more(case: Case) -> None:
    work, pool = facts(case)
    allowed = []
    for trust in (Trust.NOBODY, Trust.OWN_TEAM, Trust.ANY_TENANT):
        asked = replace(work, trust=trust)
        allowed.append({option.key for option in options(asked, pool) if first_objection(asked, pool, option) is None})
    assert allowed[0] <= allowed[1] <= allowed[2]


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(["sharers", "nvlink", "gpus", "latency"]))
def test_asking_more_never_allows_more(case: Case, what: str) -> None:
    work, pool = facts(case)
    more, stricter = work, pool
    if what == "sharers":
        stricter = replace(pool, sharers=(*pool.sharers, "stranger"))
    elif what == "nvlink":
        more = replace(work, nvlink=True)
    elif what == "gpus":
        more = replace(work, gpus=work.gpus + 1)
    else:
        more = replace(work, latency=(99.0, 10.0))
    for option in options(work, pool):
        if first_objection(more, stricter, option) is None:
            assert first_objection(replace(work, latency=None) if what == "latency" else work, pool, option) is None


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_larger_slice_is_never_slower_nor_has_it_less_memory(case: Case) -> None:
    work, pool = facts(case)
    slices = [option for option in pool.slices if option.profile is not None]
    for small, large in product(slices, slices):
        one, other = small.profile, large.profile
        assert one is not None
        assert other is not None
        if one.memory > other.memory:
            continue
        assert usable(pool, small)[0] <= usable(pool, large)[1]
        measured = {small.key, large.key} & set(work.speeds)
        if one.compute <= other.compute and not measured:
            assert per_copy(work, pool, small).high <= per_copy(work, pool, large).high


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_measurement_narrows_bounds_and_never_widens_them(data: st.DataObject) -> None:
    gpu = data.draw(st.sampled_from(sorted(gpu for gpu in PROFILES if PROFILES[gpu])))
    pool = question({}, gpu).pool
    slices = sorted(pool.slices, key=lambda item: item.profile.memory + item.profile.compute if item.profile else 0)
    # In this order a slice comes after all that it holds, so that rising speeds contradict nothing.
    speeds = sorted(data.draw(st.lists(st.floats(0.05, 3), min_size=len(slices) + 1, max_size=len(slices) + 1)))
    truth = {option.key: Speed(speed) for option, speed in zip(slices, speeds, strict=False)}
    truth["whole"] = Speed(speeds[-1])
    known = data.draw(st.sets(st.sampled_from(sorted(truth)), min_size=1))
    told = data.draw(st.sampled_from(sorted(truth)))
    before = WorkFacts("class", GIB, speeds={key: truth[key] for key in known})
    after = replace(before, speeds={**before.speeds, told: truth[told]})
    for option in (Option(SharingMode.WHOLE, 1), *slices):
        wide, narrow = per_copy(before, pool, option), per_copy(after, pool, option)
        assert wide.low <= narrow.low <= truth[option.key].value <= narrow.high <= wide.high


def test_every_option_has_a_key_of_its_own() -> None:
    for gpu in ("h200-sxm", "a30", "l40s"):
        found = question({}, gpu, sharing={"mode": "time-slicing", "replicas": 3})
        keys = [option.key for option in options(found.work, found.pool)]
        assert len(set(keys)) == len(keys)


def test_rules_have_ids_of_their_own_and_sources() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.title and rule.id.startswith("ADVISE-") for rule in RULES)


@pytest.mark.parametrize("mode", [SharingMode.MPS, SharingMode.TIME_SLICING])
def test_copies_are_as_many_as_memory_holds(mode: SharingMode) -> None:
    found = question({"gpuMemory": "20Gi"})
    # 143,771 MiB / 20,480 MiB = 7.02
    assert Option(mode, 7) in options(found.work, found.pool)
