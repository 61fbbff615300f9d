"""A moment of a replay, explained as a snapshot of a cluster would be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenantry.app import explain as asking
from tenantry.app.examples import example
from tenantry.app.explain import ExplainReport, explain_job
from tenantry.app.fairshare import share_out_cluster
from tenantry.app.job_source import MadeUp, TraceFile
from tenantry.app.simulate import Question
from tenantry.app.simulated_view import simulated_view
from tenantry.errors import InputError
from tenantry.model.pool_snapshot import EndSource

# As in the tests of the moment: language borrows all 48 GPUs, vision asks for the 16 it is guaranteed, and running jobs
# are protected for 15 minutes, so that it gets them at 900 s.
JOBS = """\
name,tenant,submit,duration,pods,gpus
pretrain,language,0,7200,6,8
detect,vision,100,3600,2,8
"""


@pytest.fixture
def question(tmp_path: Path) -> Question:
    (tmp_path / "jobs.csv").write_text(JOBS)
    return Question(spec=example("dell-ai-factory-h200"), source=TraceFile(tmp_path / "jobs.csv"), pool="training")


def explained(question: Question, at: int, job: str, tenant: str = "") -> ExplainReport:
    return explain_job(lambda: simulated_view(question, at), asking.Question(job, tenant=tenant))


def test_a_job_that_waits_in_a_replay_is_told_when_protection_ends(question: Question) -> None:
    report = explained(question, 500, "detect")
    assert (report.standing, report.title, report.now) == ("waits", "vision/detect", 500)
    assert [item.rule for item in report.reasons] == ["room", "only-protected"]
    # 900 - 500 = 400 s
    assert report.reasons[1].text == (
        "No running job may be evicted for it yet: language/pretrain is protected for another 6 min 40 s."
    )
    (first, *_) = [item for item in report.advice if item.kind == "time"]
    assert first.change.text == "wait 6 min 40 s: language/pretrain may be evicted then"


def test_a_replay_knows_when_running_jobs_end_and_who_was_evicted_for_whom(question: Question) -> None:
    report = explained(question, 1000, "pretrain")
    assert report.standing == "waits"
    evicted = next(item for item in report.reasons if item.rule == "evicted-before")
    assert evicted.text == (
        "It was evicted 1 min 40 s ago for vision/detect, since its queue gets back what it is due, and waits for a "
        "place again."
    )
    # detect began at 930 and runs for 3,600 s: it ends at 4,530, and so does the wait.
    (end,) = [item for item in report.advice if item.kind == "run-time"]
    assert end.change.text == ("wait until vision/detect ends in 58 min 50 s, when its run time in the trace is over")
    assert end.change.facts["at"] == 4530


def test_names_of_other_tenants_are_hidden_in_a_replay_too(question: Question) -> None:
    report = explained(question, 500, "detect", tenant="vision")
    shown = repr((report.reasons, report.tried, report.advice, [names for _, names in report.victims]))
    assert "other-job-1" in shown
    assert "pretrain" not in shown
    assert "language" not in shown
    with pytest.raises(
        InputError, match=r"there never is a job 'pretrain' of vision; .* where there are vision/detect"
    ):
        explained(question, 500, "pretrain", tenant="vision")


def test_fair_shares_of_a_replay(question: Question) -> None:
    report = share_out_cluster(lambda: simulated_view(question, 500))
    (pool,) = report.pools
    rows = {name: row.gpu for name, row in pool.rows}
    # language holds 32 above its 16, and vision misses all of its 16.
    assert rows["language-training"].allocated == 48
    assert rows["vision-training"].starved == 16


def test_a_made_up_run_time_is_not_one_of_a_trace(question: Question) -> None:
    made_up = replace(question, source=MadeUp(1, days=0.01))
    for asked, source in ((question, EndSource.TRACE), (made_up, EndSource.MADE_UP)):
        assert simulated_view(asked, 60).pools["training"].snapshot.ends_by is source


def test_jobs_that_are_not_there_are_told_on_demand(question: Question) -> None:
    view = simulated_view(question, 50)
    (absent,) = view.absent()
    assert (absent.title.group, absent.tenant, absent.queue) == ("detect", "vision", "vision-training")
    assert absent.why() == "it is submitted only after 1m40s, to node pool training"


def test_how_far_the_replay_is_is_told(question: Question) -> None:
    told: list[tuple[str, int, int]] = []
    simulated_view(question, 1000, lambda *said: told.append(said))
    replayed = [(done, total) for what, done, total in told if what == "replaying training (seconds)"]
    assert told[0] == ("reading the spec", 0, 0)
    # From the start on cycle by cycle: at submissions, at the end of the protection, after the eviction.
    assert {done for done, _ in replayed} >= {0, 100, 900, 930}
    assert {total for _, total in replayed} == {1000}
    assert [done for done, _ in replayed] == sorted(done for done, _ in replayed)
