"""From a spec and a trace to measured replays: cases, policies, moments, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenantry.app.examples import example
from tenantry.app.job_source import MadeUp, TraceFile
from tenantry.app.scheduling import scheduling
from tenantry.app.simulate import Question, Simulation, simulate
from tenantry.app.simulation_report import report_of
from tenantry.app.spec import load
from tenantry.errors import InputError, SpecError
from tenantry.fair.measures import NamedResult
from tenantry.fair.replay.kernel.coverage import not_covered
from tenantry.fair.replay.log import Log
from tenantry.fair.replay.setup import Behaviour
from tenantry.model.finding import Severity

SPEC = example("dell-ai-factory-h200")

# language borrows all 48 GPUs; vision asks for the 16 it is guaranteed
JOBS = """\
name,tenant,submit,duration,pods,gpus
pretrain,language,0,7200,6,8
detect,vision,100,3600,2,8
"""

PLATFORM = "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata: {name: ai-factory}\nspec: "
TENANT = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: vision}\nspec: "


@pytest.fixture
def question(tmp_path: Path) -> Question:
    (tmp_path / "jobs.csv").write_text(JOBS)
    return Question(spec=SPEC, source=TraceFile(tmp_path / "jobs.csv"), pool="training")


def scenario(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def wait(simulation: Simulation, name: str, tenant: str) -> float | None:
    run = next(run for run in simulation.runs if run.measured.name == name)
    found = next(each for each in run.measured.result.tenants if each.name == tenant)
    return None if found.waits[0].first is None else found.waits[0].first.largest


def results(simulation: Simulation) -> list[tuple[NamedResult, Log]]:
    return [(run.measured, run.log) for run in simulation.runs]


def test_every_policy_is_replayed_and_compared_with_a_static_partition(question: Question) -> None:
    found = simulate(question)
    assert [run.measured.name for run in found.runs] == ["fair-share", "static-partition", "fifo"]
    # the running job is protected for 15 minutes, its pods take 30 s to leave: 900 + 30 - 100
    assert wait(found, "fair-share", "vision") == 830
    # 48 GPUs are in use until 7,200
    assert wait(found, "fifo", "vision") == 7100
    assert wait(found, "static-partition", "vision") == 0
    # language, with 24 GPUs for itself, never runs a job of 48; all waits are still growing at the end
    apart = found.runs[1].measured.result
    assert (apart.cluster.jobs.finished, apart.cluster.jobs.waiting) == (1, 1)


def test_scenarios_are_laid_beside_the_spec_under_the_policy_that_is_deployed(
    question: Question, tmp_path: Path
) -> None:
    soon = scenario(tmp_path, "soon", PLATFORM + "{scheduler: {reclaimMinRuntime: 0s}}\n")
    more = scenario(
        tmp_path, "more-nodes", PLATFORM + "{nodePools: [{name: training, hosts: [a, b, c, d, e, f, g, h]}]}\n"
    )
    found = simulate(replace(question, scenarios=[soon, more]))
    assert [run.measured.name for run in found.runs] == ["base", "soon", "more-nodes"]
    # 30 s to leave; or two more nodes of 8 GPUs at once
    assert [wait(found, name, "vision") for name in ("base", "soon", "more-nodes")] == [830, 30, 0]
    assert [run.setup.capacity for run in found.runs] == [48_000, 48_000, 64_000]


def test_cases_and_policies_both_name_a_run_when_both_vary(question: Question, tmp_path: Path) -> None:
    soon = scenario(tmp_path, "soon", PLATFORM + "{scheduler: {reclaimMinRuntime: 0s}}\n")
    found = simulate(replace(question, scenarios=[soon], policies=["fair-share", "fifo"]))
    names = ["base fair-share", "base fifo", "soon fair-share", "soon fifo"]
    assert [run.measured.name for run in found.runs] == names
    assert wait(found, "soon fifo", "vision") == 7100


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PLATFORM + "{scheduler: {reclaimMinRuntime: 15m}}\n", "it changes nothing in the spec"),
        (TENANT + "{description: Seeing}\n", "it changes nothing that the scheduler sees"),
    ],
    ids=["nothing at all", "nothing of the scheduler's"],
)
def test_a_scenario_that_changes_nothing_is_said_to(question: Question, tmp_path: Path, text: str, why: str) -> None:
    found = simulate(replace(question, scenarios=[scenario(tmp_path, "idle", text)]))
    assert found.cases[1].same == why
    assert "SIM-SCENARIO-SAME" in {item.rule for item in found.findings}
    base, idle = found.runs
    assert (idle.measured.name, idle.log) == ("idle", base.log)


def test_processes_and_the_literal_way_change_nothing(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.app.simulation_runs.WORTH_SPREADING", 0)
    alone = results(simulate(replace(question, workers=1)))
    assert results(simulate(replace(question, workers=2))) == alone
    assert results(simulate(replace(question, workers=1, literal=True))) == alone


def test_what_hangs_on_the_order_of_hash_maps_is_said(question: Question) -> None:
    found = simulate(replace(question, order_seeds=[1], policies=["fair-share"]))
    (finding,) = [item for item in found.findings if item.rule == "SIM-ORDER"]
    assert "every job starts and is evicted as before" in finding.message


def test_a_replay_that_is_cut_off_says_so(question: Question) -> None:
    found = simulate(replace(question, behaviour=Behaviour(until=500), policies=["fair-share"]))
    window = found.runs[0].measured.result.window
    assert (window.end, window.cut) == (500, True)


def test_only_findings_of_the_deployed_policy_count(question: Question) -> None:
    found = simulate(question)
    fifo = found.runs[2].measured.result.findings
    assert any(item.severity is Severity.ERROR for item in fifo)
    assert found.at_least(Severity.ERROR) == 0


# What the scheduler is given -----------------------------------------------------------------------------------------


def test_what_a_job_asks_of_cpus_and_memory_bounds_nothing(question: Question, tmp_path: Path) -> None:
    rows = JOBS.replace("gpus", "gpus,cpus,memory").replace(",8\n", ",8,1000,9000000\n")
    (tmp_path / "jobs.csv").write_text(rows)
    found = simulate(replace(question, policies=["fair-share"]))
    assert list(found.runs[0].table.cpus) == [1_000_000] * 2
    assert wait(found, "fair-share", "vision") == 830


def test_whole_gpus_are_replayed_the_fast_way(question: Question) -> None:
    run = simulate(replace(question, policies=["fair-share"])).runs[0]
    platform = scheduling(load(SPEC).cluster)
    scheduler = next(pool.scheduler for pool in platform.pools if pool.name == "training")
    assert not_covered(run.setup, run.table, scheduler) is None


@pytest.mark.parametrize(
    ("pinned", "rules", "noted"),
    [("0.17.0", "0.17.0", False), ("v0.17.0", "0.17.0", False), ("0.17.1", "0.17", False), ("0.18.2", "0.17", True)],
)
def test_the_rules_are_those_of_the_version_that_is_pinned(pinned: str, rules: str, noted: bool) -> None:
    cluster = load(SPEC).cluster
    chosen = replace(cluster.operators["kai-scheduler"], version=pinned)
    platform = scheduling(replace(cluster, operators={**cluster.operators, "kai-scheduler": chosen}))
    assert {pool.scheduler.name for pool in platform.pools} == {f"KAI {rules}"}
    assert (f"KAI {pinned} is simulated by the rules of {rules}" in platform.notes) is noted


def test_made_up_load_is_the_same_for_the_same_seed() -> None:
    question = Question(spec=SPEC, source=MadeUp(7, days=0.02), pool="training", policies=["fair-share"])
    one, other = simulate(question), simulate(question)
    assert len(one.jobs.table) > 5
    assert one.jobs.table.digest() == other.jobs.table.digest()
    assert results(one) == results(other)
    assert one.jobs.table.digest() != simulate(replace(question, source=MadeUp(8, days=0.02))).jobs.table.digest()


# Through the eyes of a tenant ----------------------------------------------------------------------------------------


def test_one_tenant_sees_no_names_of_others(question: Question) -> None:
    report = report_of(simulate(question), "vision")
    assert "language" not in repr(report)
    assert "pretrain" not in repr(report)
    with pytest.raises(InputError, match="did you mean 'vision'"):
        report_of(simulate(question), "visoin")


# What is refused -----------------------------------------------------------------------------------------------------


def test_two_scenarios_of_one_name_are_refused(question: Question, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, two = (scenario(folder, "soon", PLATFORM + "{}\n") for folder in (tmp_path, tmp_path / "other"))
    with pytest.raises(InputError, match="'soon' stands for"):
        simulate(replace(question, scenarios=[one, two]))
    with pytest.raises(InputError, match="'base' stands for the spec as it is"):
        simulate(replace(question, scenarios=[scenario(tmp_path, "base", PLATFORM + "{}\n")]))


def test_a_scenario_is_checked_like_the_spec_it_lies_over(question: Question, tmp_path: Path) -> None:
    # 24 + 8 + 40 of 48
    text = TENANT + "\n  quotas:\n    - {pool: training, guaranteed: 40, limit: 48}\n"
    with pytest.raises(SpecError) as raised:
        simulate(replace(question, scenarios=[scenario(tmp_path, "greedy", text)]))
    assert {item.rule for item in raised.value.problems} == {"SPEC-QUOTA-CAPACITY"}


def test_a_platform_with_another_scheduler_is_refused(question: Question) -> None:
    with pytest.raises(InputError, match=r"Kueue, which is not modelled; expected scheduler.type kai"):
        simulate(replace(question, spec=example("vanilla-kubernetes")))


def test_a_pool_that_divides_nothing_is_refused(question: Question) -> None:
    with pytest.raises(InputError, match="node pool development cannot be simulated: its GPUs are shared by replicas"):
        simulate(replace(question, pool="development"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,visoin,0,10,1,1", "none of its tenants .visoin. is a tenant of the spec.*'visoin' is near 'vision'"),
        ("a,vision,0,10,9,8", "none of 1 jobs can be replayed: 1 jobs can never start and are left out"),
        ("a,vision,0,x,1,1", "expected jobs; none of 1 rows is one that can be replayed"),
    ],
    ids=["unknown tenants", "jobs larger than the pool", "rows that cannot be read"],
)
def test_a_trace_with_nothing_to_replay_is_refused(question: Question, tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "jobs.csv").write_text(f"name,tenant,submit,duration,pods,gpus\n{rows}\n")
    with pytest.raises(InputError, match=message):
        simulate(question)
