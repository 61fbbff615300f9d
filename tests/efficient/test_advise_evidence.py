"""What metrics say about a class of work: whose pods they show, what counts beside the spec, and laws of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from advise_cases import cases, cluster, document, nowhere, question
from hypothesis import given
from hypothesis import strategies as st

from tenantry.efficient.advise import PoolFacts, WorkFacts, advise, decide, options
from tenantry.efficient.advise.evidence import burstiness, lighter, with_evidence
from tenantry.efficient.advise.facts import GIB, MIB, Verdict
from tenantry.efficient.advise.gather import work_facts
from tenantry.efficient.advise.pods import Watched, owner, watched
from tenantry.efficient.advise.rules import first_objection
from tenantry.model.activity import Activity, DeviceSamples, Measure, Spread, spread
from tenantry.model.spec import Workload

Case = tuple[dict[str, Any], str, dict[str, Any]]


def facts(case: Case) -> tuple[WorkFacts, PoolFacts]:
    work, gpu, surroundings = case
    found = question(work, gpu, **surroundings)
    return found.work, found.pool


def seen(work: WorkFacts, activity: Activity) -> WorkFacts:
    return with_evidence(work, Watched({work.name: activity}), "spec:1", "spec:2")


def used(amount: int) -> Activity:
    return Activity(1, ("metrics.json",), peak_memory_mib=amount)


def said(work: WorkFacts) -> Mapping[str, str]:
    return {item.name: f"{item.value}; {item.effect}" for item in work.evidence}


# Laws ----------------------------------------------------------------------------------------------------------------


@given(cases(), st.integers(1, 200_000), st.integers(1, 200_000))
def test_more_memory_in_use_never_allows_what_less_refuses(case: Case, one: int, other: int) -> None:
    work, pool = facts(case)
    light, heavy = seen(work, used(min(one, other))), seen(work, used(max(one, other)))
    for option in {*options(light, pool), *options(heavy, pool), *options(work, pool)}:
        if first_objection(heavy, pool, option) is None:
            assert first_objection(light, pool, option) is None
            assert first_objection(work, pool, option) is None


@given(cases(), st.integers(1, 200_000))
def test_what_the_spec_states_counts_unless_more_memory_is_in_use(case: Case, peak: int) -> None:
    work, pool = facts(case)
    engine = Spread(100, 0.2, 0.7)
    after = seen(work, Activity(1, ("m",), engine, engine, peak_memory_mib=peak))
    assert after.memory == max(work.memory, peak * MIB)
    assert after.burstiness == (3.5 if work.burstiness is None else work.burstiness)  # 0.7 / 0.2
    if peak * MIB <= work.memory and work.burstiness is not None:
        assert decide(after, pool) == decide(work, pool)
        assert not after.origins
    # Whatever metrics changed says so.
    assert ("gpuMemory" in after.origins) == (after.memory != work.memory)
    assert ("burstiness" in after.origins) == (after.burstiness != work.burstiness)


@given(cases(), st.integers(1, 200_000))
def test_stated_changes_flip_as_stated_with_metrics_too(case: Case, peak: int) -> None:
    work, pool = facts(case)
    gathered = replace(question(case[0], case[1], **case[2]), work=seen(work, used(peak)))
    for change in advise(gathered, nowhere).changes:
        if change.field not in {"spec.gpuMemory", "use.memory"}:
            continue
        told = _bytes(change.value)
        stated, lower = work.memory, peak
        if change.field == "spec.gpuMemory":
            stated = told
        else:
            stated, lower = min(stated, told), told // MIB
            assert ("and gpuMemory" in change.text) == (told < work.memory)
        again = decide(seen(replace(work, memory=stated), used(lower)), pool)
        assert again.identity == change.decision.identity, change
        assert again.identity != decide(gathered.work, pool).identity


@given(cases(), st.integers(1, 200_000))
def test_what_would_fit_with_less_is_refused_now_and_fits_then(case: Case, peak: int) -> None:
    work, pool = facts(case)
    after = seen(work, used(peak))
    light = lighter(after, pool, decide(after, pool))
    if peak * MIB >= work.memory:
        assert light is None
        return
    stated = replace(work, memory=peak * MIB)
    labels = {option.label: option for option in options(stated, pool)}
    for label in light.fits if light else ():
        then, before = first_objection(stated, pool, labels[label]), first_objection(work, pool, labels[label])
        assert then is None or then[1].missing
        assert before is not None
        assert before[0].id in {"ADVISE-MEMORY", "ADVISE-HALF"}
    if light is None:
        assert decide(stated, pool).identity == decide(work, pool).identity
    else:
        assert light.decision.identity == decide(stated, pool).identity


@given(cases())
def test_without_pods_nothing_changes_and_it_says_what_to_do(case: Case) -> None:
    work, pool = facts(case)
    after = with_evidence(work, Watched(), "", "")
    assert decide(after, pool) == decide(work, pool)
    assert (after.evidence, after.used) == ((), None)
    assert "--pods class=PREFIX" in after.unseen[0].measure


@given(st.lists(st.floats(0, 1), max_size=60))
def test_burstiness_is_at_least_one_or_not_known(values: list[float]) -> None:
    found = burstiness(Activity(1, engine_of_gpu=spread(values)))
    assert found is None or found >= 1
    if len(values) < 20 or not any(values):
        assert found is None


# What is said --------------------------------------------------------------------------------------------------------


def test_more_memory_in_use_than_stated_refuses_a_slice() -> None:
    found = question({"gpuMemory": "12Gi"})
    option = next(item for item in found.pool.slices if item.key == "1g.18gb")
    heavy = seen(found.work, used(20 * 1024))
    assert first_objection(found.work, found.pool, option) is None
    objection = first_objection(heavy, found.pool, option)
    assert objection is not None
    assert objection[0].id == "ADVISE-MEMORY"  # 20 GiB into 16
    assert heavy.origins["gpuMemory"].endswith("spec:1 states 12 GiB")
    fact = next(item for item in advise(replace(found, work=heavy), nowhere).cells[0].facts if item.name == "gpuMemory")
    assert "metrics.json (1 pod): DCGM_FI_DEV_FB_USED" in fact.where


def test_much_less_memory_in_use_says_what_would_fit() -> None:
    found = question({"gpuMemory": "60Gi", "pattern": "interactive"})
    work = seen(found.work, used(10 * 1024))
    light = lighter(work, found.pool, decide(work, found.pool))
    assert work.memory == 60 * GIB
    assert light is not None
    assert "1g.18gb" in light.fits  # 10 GiB into 16
    assert "time-slicing x14" in light.fits  # 143,771 MiB / 10,240 MiB = 14.04
    assert light.said(decide(work, found.pool)).endswith("the advice would still be time-slicing x2") is False


def test_bursts_that_were_seen_let_copies_take_turns() -> None:
    found = question({"pattern": "inference", "speed": {"whole": 10.0}})
    engine = Spread(100, 0.2, 0.6)  # peak 3 times the mean
    after = seen(found.work, Activity(2, ("m",), engine, engine))
    assert decide(found.work, found.pool).verdict is Verdict.UNKNOWN
    assert any(option.key == "time-slicing-3" for option in options(after, found.pool))
    assert said(after)["burstiness"] == "peak (p95) 3 times the mean activity; counts, since the spec states none"
    stated = seen(replace(found.work, burstiness=2.0), Activity(2, ("m",), engine, engine))
    assert said(stated)["burstiness"].endswith("spec:2 states 2, which counts")


@pytest.mark.parametrize(
    ("compute", "moved", "words"),
    [
        pytest.param(0.9, 0.7, "memory bandwidth and compute: ", id="both"),
        pytest.param(0.4, 0.7, "memory bandwidth: ", id="memory"),
        pytest.param(None, 0.7, "memory bandwidth: ", id="memory, compute not collected"),
        pytest.param(0.9, 0.1, "compute: ", id="compute"),
        pytest.param(0.9, None, "compute: ", id="compute, memory not collected"),
        pytest.param(0.3, 0.1, "neither compute nor memory bandwidth: ", id="launches, the host or waiting"),
        pytest.param(0.3, None, "not clear from these figures: ", id="not enough to say neither"),
        pytest.param(0.6, 0.4, "not clear from these figures: ", id="between"),
    ],
)
def test_what_binds_it_is_said_in_words(compute: float | None, moved: float | None, words: str) -> None:
    def of(value: float | None) -> Spread | None:
        return None if value is None else Spread(50, value / 2, value)

    found = question({})
    after = seen(found.work, Activity(1, ("m",), multiprocessors=of(compute), memory_traffic=of(moved)))
    assert said(after)["bound by"].startswith(words)
    assert decide(after, found.pool) == decide(found.work, found.pool)


def test_what_was_not_collected_is_named_with_how_to_enable_it() -> None:
    after = seen(question({}).work, used(10))
    told = {item.fact: item.measure for item in after.unseen}
    assert set(told) == {"activity", "SM_ACTIVE", "DRAM_ACTIVE"}
    assert "commented out" in told["SM_ACTIVE"]
    assert "GPU_UTIL" in told["activity"]
    assert "bound by" not in said(after)


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        pytest.param(Spread(19, 0.1, 0.3), "19 samples, at least 20 are needed", id="few samples"),
        pytest.param(Spread(500, 0.02, 0.0), "it is busy too rarely", id="busy less than a twentieth of the time"),
        pytest.param(Spread(500, 0.0, 0.0), "it is busy too rarely", id="never busy"),
    ],
)
def test_bursts_that_cannot_be_known_are_no_number(engine: Spread, why: str) -> None:
    after = seen(question({}).work, Activity(1, ("m",), engine, engine))
    assert after.burstiness is None
    assert f"burstiness: {why}" in [item.fact for item in after.unseen]


def test_memory_that_fills_what_a_pod_has_is_said_to_be_reserved_perhaps() -> None:
    after = seen(question({}).work, Activity(1, ("m",), peak_memory_mib=100_000, filled=True))
    assert "a framework that reserves what it finds may need less" in said(after)["memory in use"]


# Whose pods ----------------------------------------------------------------------------------------------------------


def pod(name: str, namespace: str = "team-0", **fields: Any) -> DeviceSamples:
    values = {Measure.MEMORY: ((None, 1000.0),)}
    return DeviceSamples(namespace, name, values=values, **fields)


@pytest.mark.parametrize(
    ("device", "prefixes", "name", "reason"),
    [
        pytest.param(pod("class-7c9d8f6b5-x2x4z"), (), "class", "", id="begins with the name"),
        pytest.param(pod("class"), (), "class", "", id="is the name"),
        pytest.param(pod("classic-0"), (), "", "no Workload of this tenant has such a name", id="another word"),
        pytest.param(pod("ranker-0"), [("class", "rank")], "class", "", id="a given beginning"),
        pytest.param(pod("ranker-0", label="class"), (), "class", "", id="labelled"),
        pytest.param(
            pod("class-0", label="clas"), (), "", "its label names clas, which is no Workload of this tenant",
            id="a wrong label is not guessed around",
        ),
        pytest.param(pod("class-0", "kube-system"), (), "", "its namespace belongs to no tenant", id="no tenant"),
        pytest.param(
            pod("class-0", "team-1"), (), "", "no Workload of this tenant has such a name", id="another tenant",
        ),
    ],
)  # fmt: skip
def test_whose_a_pod_is(device: DeviceSamples, prefixes: Sequence[tuple[str, str]], name: str, reason: str) -> None:
    assert owner(cluster({}, tenants=2), device, prefixes) == (name, reason)


def test_the_longest_beginning_counts_and_a_tie_is_nobodys() -> None:
    platform = cluster({})
    more = replace(platform, spec=replace_workloads(platform, document("class-b", {})))
    assert owner(more, pod("class-b-0"))[0] == "class-b"
    assert owner(more, pod("x-0"), [("class", "x"), ("class-b", "x")]) == ("", "it may be of class or class-b")


def replace_workloads(platform: Any, extra: Workload) -> Any:
    return replace(platform.spec, workloads=(*platform.spec.workloads, extra))


def test_pods_of_a_shared_pool_are_listed_and_not_used() -> None:
    shared = watched(cluster({}, sharing={"mode": "time-slicing", "replicas": 4}), [pod("class-0")])
    assert (shared.activities, shared.shared) == ({}, {"class": ("team-0/class-0",)})
    told = with_evidence(work_facts(document("class", {}), ()), shared, "", "")
    assert "nothing can be attributed to a pod" in told.unseen[0].measure
    alone = watched(cluster({}), [pod("class-0"), pod("class-1", shared=True), pod("stray-0", "team-9")])
    assert alone.activities["class"].pods == 1
    assert alone.shared == {"class": ("team-0/class-1",)}
    assert alone.strangers == ("team-9/stray-0: its namespace belongs to no tenant",)


def test_a_pod_in_the_part_of_a_platform_that_is_not_shared_counts() -> None:
    others = {"apart": {"mode": "time-slicing", "replicas": 4}}
    platform = cluster({"pools": []}, others=others)
    assert watched(platform, [pod("class-0", pool="joint")]).activities
    assert not watched(platform, [pod("class-0", pool="apart")]).activities
    assert not watched(platform, [pod("class-0")]).activities, "it may have been either"


def _bytes(text: str) -> int:
    return work_facts(document("class", {"gpuMemory": text}), ()).memory
