"""Plans for services: what comes from the spec, the demand and the table, and what is refused with which reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.rates import RateReport, plan_rates, slices_wanted
from tenantry.cli.render.rates import RENDERERS
from tenantry.errors import InputError, SpecError
from tenantry.io.yaml_read import load_documents
from tenantry.model.problem import SpecProblem

PLATFORM = """\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: lab}
spec:
  distribution: kubernetes
  version: "1.34"
  gitops: {repository: "https://git.example.com/platform/tree.git"}
  nodePools:
    - name: serving
      server: generic
      gpu: {model: a30, count: 1}
      hosts: [gpu-1, gpu-2]
      sharing: {mode: mig, layouts: [{profiles: {1g.6gb: 4}}]}
    - name: training
      server: generic
      gpu: {model: l40s, count: 4}
      hosts: [gpu-3]
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: vision}
spec:
  department: research
  namespaces: [{name: vision}]
  quotas: [{pool: serving, slices: {1g.6gb: {guaranteed: 1, limit: 2}}}]
---
apiVersion: tenantry.dev/v1alpha1
kind: Workload
metadata: {name: stated}
spec:
  gpuMemory: 4Gi
  latency: {percentile: 99, milliseconds: 100}
  speed: {1g.6gb: 10, whole: 15}
"""
TABLE = """\
gpu,sharing,profile,workload,batch_size,throughput_per_s,latency_p99_s
a30,mig,1g.6gb,ranker,4,10,0.020
a30,mig,2g.12gb,ranker,8,25,0.030
a30,mig,1g.6gb,slow,4,10,0.090
l40s,whole,,elsewhere,4,100,0.010
cpu,whole,,toy,1,9,0.001
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "platform.yaml").write_text(PLATFORM)
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path / "spec"


def plan(spec: Path, services: str, *, table: bool = True, **options: Any) -> RateReport:
    demand = spec.parent / "services.yaml"
    demand.write_text(services)
    return plan_rates(spec, demand, profiles=spec.parent / "table.csv" if table else None, **options)


def problems(spec: Path, services: str, **options: Any) -> tuple[SpecProblem, ...]:
    with pytest.raises(SpecError) as raised:
        plan(spec, services, **options)
    return raised.value.problems


def test_services_are_planned_on_the_gpus_of_the_pool(spec: Path) -> None:
    report = plan(spec, "services: [{name: ranker, rate: 24, latency: {milliseconds: 100}, tenant: vision}]")
    assert (report.pool, report.available, report.needed.objective, report.suffices) == ("serving", 2, 1, True)
    assert [(point.profile, count) for point, count in report.used(0).items()] == [("2g.12gb", 1)]
    assert report.free() != ()


def test_too_few_gpus_serve_what_they_can_and_the_report_says_so(spec: Path) -> None:
    report = plan(spec, "services: [{name: ranker, rate: 200, latency: {milliseconds: 100}}]")
    # Two GPUs carry 2 x 50 of 200; all of it takes four.
    assert (report.needed.objective, report.suffices) == (4, False)
    assert report.within is not None
    assert report.within.objective == pytest.approx(0.5)
    said = RENDERERS["text"](report)
    assert "4 GPUs carry everything (proved: no plan needs fewer)" in said
    assert "the pool has too few; with its 2 GPUs 0.500 of 1 services are served" in said


def test_a_service_may_go_by_another_name_than_its_workload(spec: Path) -> None:
    report = plan(
        spec, "services: [{name: home, workload: ranker, rate: 5}, {name: search, workload: ranker, rate: 5}]"
    )
    assert [len(report.used(number)) for number in (0, 1)] == [1, 1]
    assert [service.goal_ms for service in report.demand.services] == [None, None]


def test_speeds_of_the_spec_stand_in_where_nothing_was_measured(spec: Path) -> None:
    report = plan(spec, "services: [{name: stated, rate: 15}]", table=False)
    # Two slices of 10 take half of what the whole GPU of 15 does. The stated latency goal cannot be checked.
    assert [(point.profile, count) for point, count in report.used(0).items()] == [("1g.6gb", 2)]
    assert report.demand.services[0].memory_mib == 4096
    assert "come from its Workload document" in report.notes[0]


def test_a_goal_of_the_workload_document_holds_for_what_was_measured(spec: Path) -> None:
    (spec.parent / "table.csv").write_text(TABLE + "a30,mig,1g.6gb,stated,4,10,0.050\n")
    (problem,) = problems(spec, "services: [{name: stated, rate: 15}]")
    assert problem.found == "50 ms (p99) at best, on 1g.6gb with batch 4"


def test_the_slices_become_a_demand_that_lays_them_out_on_nodes(spec: Path) -> None:
    report = plan(
        spec, "services: [{name: a, workload: ranker, rate: 24, tenant: vision}, {name: b, workload: ranker, rate: 19}]"
    )
    (document,) = load_documents(slices_wanted(report).encode())
    wanted = document.value["pools"]["serving"]["demand"]
    assert report.chosen.plan is not None
    served = {(each.service, each.placement.profile) for each in report.chosen.plan.servings}
    assert sum(each["count"] for each in wanted) == len(report.chosen.plan.servings)
    assert {(each.get("tenant", ""), each["profile"]) for each in wanted} == {
        (("vision", "")[number], profile) for number, profile in served
    }
    assert {each["priority"] for each in wanted} == {1}


@pytest.mark.parametrize(
    "case",
    [
        ("services:\n- {name: rankr, rate: 1}\n", 2, "has no measurement of 'rankr' on a30", "rankr", "ranker"),
        (
            "services:\n- name: slow\n  rate: 1\n  latency:\n    milliseconds: 100\n", 5,
            "keeps the latency goal in no setting", "90 ms (p99) at best, on 1g.6gb with batch 4", None,
        ),
        ("services:\n- {name: elsewhere, rate: 1}\n", 2, "was measured on another GPU model", "l40s", None),
        ("services:\n- {name: toy, rate: 1}\n", 2, "was measured without a GPU", "cpu", None),
        ("services:\n- {name: ranker, rate: 0}\n", 2, "", "0", None),
        ("services:\n- {name: ranker, rate: -3}\n", 2, "", "-3", None),
        ("services:\n- {name: ranker, rate: many}\n", 2, "", "many", None),
        ("services:\n- {name: ranker, rate: 1e13}\n", 2, "", "1e13", None),
        ("services:\n- {name: ranker}\n", 2, "", "", None),
        ("services: []\n", 1, "", "", None),
        ("services:\n- {name: ranker, rate: 1}\n- {name: ranker, rate: 2}\n", 3, "is there already", "ranker", None),
        ("services:\n- {name: ranker, rate: 1, tenant: vison}\n", 2, "no tenant named 'vison'", "vison", "vision"),
        ("pool: servin\nservices:\n- {name: ranker, rate: 1}\n", 1, "no node pool named 'servin'", "servin", "serving"),
        ("services:\n- {name: ranker, rate: 1, latncy: {milliseconds: 1}}\n", 2, "", "", "latency"),
    ],
    ids=[
        "misspelled workload", "too slow", "other GPU", "no GPU", "no rate", "negative", "text", "absurd", "missing",
        "no services", "twice", "misspelled tenant", "misspelled pool", "misspelled field",
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(spec: Path, case: tuple[str, int, str, str, str | None]) -> None:
    services, line, message, found, nearest = case
    (problem, *_) = problems(spec, services)
    assert problem.location.line == line
    assert message in problem.message
    assert (problem.found, problem.nearest) == (found, nearest)


def test_all_services_that_can_run_nowhere_are_told_together(spec: Path) -> None:
    found = problems(spec, "services: [{name: rankr, rate: 1}, {name: toy, rate: 1}, {name: ranker, rate: 1}]")
    assert [problem.subject.name for problem in found] == ["rankr", "toy"]


def test_a_pool_may_be_named_by_the_call_and_must_exist(spec: Path) -> None:
    report = plan(spec, "services: [{name: elsewhere, rate: 250}]", pool="training")
    assert (report.pool, report.needed.objective) == ("training", 3)
    with pytest.raises(InputError, match="did you mean 'training'"):
        plan(spec, "services: [{name: elsewhere, rate: 1}]", pool="trainin")


@pytest.mark.parametrize("services", ["", "- a\n", "a: 1\n---\nb: 2\n"], ids=["empty", "a list", "two documents"])
def test_a_file_that_is_no_map_is_refused(spec: Path, services: str) -> None:
    with pytest.raises(InputError, match="must be one YAML map with services"):
        plan(spec, services)


def test_without_any_speeds_a_table_is_asked_for(spec: Path) -> None:
    with pytest.raises(InputError, match=r"nothing says how fast ranker, slow run; expected a profile table"):
        plan(spec, "services: [{name: ranker, rate: 1}, {name: slow, rate: 1}]", table=False)


def test_outputs_agree_with_each_other(spec: Path) -> None:
    report = plan(spec, "services: [{name: ranker, rate: 24, latency: {milliseconds: 100}}]")
    body = json.loads(RENDERERS["json"](report))
    assert body["gpusNeeded"] == {"objective": 1, "bound": 1, "gap": 0, "proved": True}
    assert body["services"][0]["carriesPerSecond"] == 25
    assert sum(item["service"] == "ranker" for item in body["gpus"][0]["slices"]) == 1
    assert "| ranker | 24 | 100 ms | 1 x 2g.12gb | 8 | 1 | 25.0 | 30 ms (p99) |" in RENDERERS["md"](report)
    assert RENDERERS["text"](report) == RENDERERS["text"](report)
