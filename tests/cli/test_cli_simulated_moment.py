"""``tenantry explain`` and ``tenantry fairshare`` on a moment of a simulation: what is said, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.examples import example
from tenantry.cli.main import run

SPEC = str(example("dell-ai-factory-h200"))
# language borrows all 48 GPUs, vision asks for the 16 it is guaranteed, and running jobs are protected for 15 minutes:
# pretrain is evicted at 900 s, detect runs from 930 s to 4,530 s. 56 GPUs are more than there are.
JOBS = """\
name,tenant,submit,duration,pods,gpus
pretrain,language,0,7200,6,8
detect,vision,100,3600,2,8
huge,vision,150,60,7,8
later,vision,9000,60,1,8
"""
SOON = """\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: ai-factory}
spec: {scheduler: {reclaimMinRuntime: 0s}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("jobs.csv").write_text(JOBS)
    Path("soon.yaml").write_text(SOON)


def explain(job: str, at: str, *more: str) -> list[str]:
    return ["explain", job, "--spec", SPEC, "--trace", "jobs.csv", "--pool", "training", "--at", at, *more]


def fairshare(at: str, *more: str) -> list[str]:
    return ["fairshare", "--spec", SPEC, "--trace", "jobs.csv", "--pool", "training", "--at", at, *more]


def test_a_job_that_waits_in_a_replay_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("detect", "8m20s")) == 2
    out, err = capsys.readouterr()
    assert out.startswith("vision/detect waits in node pool training, 8m20s after the first submission.\n")
    # 900 - 500 = 400 s
    assert "No running job may be evicted for it yet: language/pretrain is protected for another 6 min 40 s." in out
    assert "submitted 6 min 40 s ago" in out
    assert "note: node pool development is not simulated" in err
    assert "SIM-NEVER" not in out
    assert "jobs.csv: warning: tenant vision in node pool training: 1 jobs" in err


def test_the_first_job_was_submitted_at_the_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("language/pretrain", "1h")) == 2
    out = capsys.readouterr().out
    assert "submitted 1 h ago" in out
    # evicted at 900 s; detect ends at 4,530 s, 930 s from now
    assert "It was evicted 45 min ago for vision/detect" in out
    assert "wait until vision/detect ends in 15 min 30 s, when its run time in the trace is over" in out
    assert "deadline" not in out


def test_jobs_may_be_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--spec", SPEC, "--synthetic", "1", "--days", "0.02", "--pool", "training", "--at", "10m"]
    run(["fairshare", *arguments, "-o", "json"])
    body: Any = json.loads(capsys.readouterr().out)
    assert body["source"].endswith("synthetic load 0.9, 0.02 days after philly, seed 1, after 10m")
    assert any(queue["gpu"]["requested"] for queue in body["pools"][0]["queues"])


def test_a_job_that_runs_in_a_replay_is_settled(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("detect", "20m")) == 0
    # 1,200 - 930 = 270 s
    assert "It has run for 4 min 30 s" in capsys.readouterr().out


def test_a_job_that_leaves_is_told_for_whom(capsys: pytest.CaptureFixture[str]) -> None:
    run(explain("pretrain", "15m15s"))
    out = capsys.readouterr().out
    assert "language/pretrain is leaving in node pool training, 15m15s after the first submission." in out
    assert "It was evicted 15 s ago for vision/detect, since its queue gets back what it is due." in out


def test_a_scenario_changes_what_happened_until_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("detect", "8m20s", "--scenario", "soon.yaml")) == 0
    # evicted at once at 100 s, gone at 130 s
    assert "It has run for 6 min 10 s" in capsys.readouterr().out


def test_options_of_the_behaviour_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("detect", "16m", "--leaving", "2m")) == 2
    assert capsys.readouterr().out.startswith("vision/detect is promised its place in node pool training")


def test_fair_shares_of_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(fairshare("8m20s")) == 2
    out = capsys.readouterr().out
    assert out.startswith(
        "node pool training: 48 GPUs, 0 GPUs idle (KAI 0.17.0, simulated, 8m20s after the first submission)\n"
    )
    assert re.search(r"^ *vision-training +16 +32 +2 +16 +0 +16 +starved 16", out, re.MULTILINE)


def test_pools_without_jobs_are_there_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fairshare", "--spec", SPEC, "--trace", "jobs.csv", "--at", "1m", "-o", "json"]
    assert run(arguments) == 0
    body: Any = json.loads(capsys.readouterr().out)
    assert [(pool["name"], pool["now"], pool["time"]) for pool in body["pools"]] == [
        ("serving", 60, None),
        ("training", 60, None),
    ]
    assert body["simulated"] is True
    assert [item["rule"] for item in body["findings"]] == ["SIM-NEVER-STARTS"]
    assert body["notes"][0].startswith("node pool development is not simulated")


def test_json_says_that_a_moment_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain("detect", "500s", "-o", "json")) == 2
    body: Any = json.loads(capsys.readouterr().out)
    assert (body["simulated"], body["now"], body["time"]) == (True, 500, None)
    assert body["source"] == f"{SPEC}, jobs.csv (csv), after 8m20s"


def test_the_same_moment_gives_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        run(explain("detect", "8m20s", "-o", "json"))
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_tenant_sees_its_own_names_only(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Wrong rows are findings about jobs of anybody, which are nobody else's business.
    Path("jobs.csv").write_text(JOBS + "pretrain,language,9100,60,1,8\n")
    for arguments in (explain("detect", "8m20s", "--check-order"), fairshare("8m20s")):
        run([*arguments, "--as-tenant", "vision", "-o", form])
        shown = "".join(capsys.readouterr())
        assert "other-" in shown
        assert "vision" in shown
        assert not re.search("language|pretrain|assistant", shown)


ABSENT = [
    (
        "to come",
        "later",
        "8m20s",
        "job vision/later is not there: it is submitted only after 2h30m, to node pool training",
    ),
    ("done", "vision/detect", "2h", "job vision/detect is not there: it finished after 1h15m30s in node pool training"),
    (
        "left out",
        "huge",
        "8m20s",
        "job vision/huge is not there: jobs like it can never start and are left out (tenant vision): has more",
    ),
    ("never there", "dettect", "8m20s", "there never is a job 'dettect'"),
]


@pytest.mark.parametrize(("job", "at", "message"), [case[1:] for case in ABSENT], ids=[case[0] for case in ABSENT])
def test_what_became_of_a_job_that_is_not_there(
    job: str, at: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(explain(job, at)) == 4
    err = capsys.readouterr().err
    assert message in err
    assert "looked at node pool training after" in err


def test_the_nearest_name_may_be_that_of_a_job_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explain", "latter", "--spec", SPEC, "--trace", "jobs.csv", "--at", "8m20s"]
    assert run(arguments) == 4
    assert capsys.readouterr().err.endswith(
        "there never is a job 'latter'; looked at node pools serving and training after 8m20s, where there are "
        "language/pretrain, vision/detect; did you mean 'later'?\n"
    )


def test_jobs_of_a_tenant_the_spec_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    Path("jobs.csv").write_text(JOBS + "render,graphics,200,60,1,8\n")
    assert run(explain("render", "8m20s")) == 4
    assert "job graphics/render is not there: jobs like it are of a tenant that the spec does not have" in (
        capsys.readouterr().err
    )
    assert run(explain("render", "8m20s", "--as-tenant", "vision")) == 4
    assert "there never is a job 'render' of vision" in capsys.readouterr().err


@pytest.mark.parametrize(("job", "told"), [("pretrain", "there never is"), ("later", "is submitted only after")])
def test_a_tenant_is_told_of_its_own_jobs_only(job: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain(job, "8m20s", "--as-tenant", "vision")) == 4
    err = capsys.readouterr().err
    assert told in err
    assert "language" not in err


def test_a_replay_that_is_given_up_has_no_later_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tenantry.fair.replay.driver.STUCK_AFTER", 0)
    assert run(explain("detect", "14m")) == 2
    capsys.readouterr()
    # The first eviction is at 900 s.
    assert run(explain("detect", "16m")) == 4
    assert "node pool training after 900 s, before the moment asked for: jobs only kept evicting each other" in (
        capsys.readouterr().err
    )


TRACE = ["--spec", SPEC, "--trace", "jobs.csv"]
USAGE = [
    ("no cluster", [], "a snapshot of one with --snapshot PATH, or a moment of a simulated one with --spec SPEC"),
    ("two clusters", [*TRACE, "--snapshot", "x"], "--snapshot and --spec exclude each other"),
    ("no moment", TRACE, "say with --at which moment of the simulation is meant, such as --at 3h20m"),
    ("a date", [*TRACE, "--at", "2026-03-10T11:31:00Z"], "expected the time since the first submission such as 3h20m"),
    ("a negative time", [*TRACE, "--at", "-5m"], "'-5m' is no moment of a simulation"),
    ("too late", [*TRACE, "--at", "1001d"], "expected at most 1000d"),
    ("a length with a snapshot", ["--snapshot", "x", "--at", "3h"], "'3h' is no moment of a snapshot; expected one in"),
    ("no jobs", ["--spec", SPEC, "--at", "1h"], "give a trace with --trace FILE, or a seed for made-up load"),
    ("two scenarios", [*TRACE, "--at", "1h", *["--scenario", "soon.yaml"] * 2], "give at most one --scenario"),
    ("a trace with a snapshot", ["--snapshot", "x", "--trace", "y"], "--trace goes with --spec, not with --snapshot"),
    ("an overlay with a snapshot", ["--snapshot", "x", "-e", "y"], "--environment goes with --spec"),
    ("a default said", ["--snapshot", "x", "--checkpoint", "1h"], "--checkpoint goes with --spec"),
    ("a label with a spec", [*TRACE, "--at", "1h", "--pool-label", "x"], "--pool-label goes with --snapshot"),
    ("a version", [*TRACE, "--at", "1h", "--scheduler-version", "0.17"], "--scheduler-version goes with --snapshot"),
    ("no such pool", [*TRACE, "--at", "1h", "--pool", "trainnig"], "did you mean 'training'?"),
    (
        "a pool without jobs",
        [*TRACE, "--at", "1h", "--pool", "development"],
        "node pool development cannot be simulated",
    ),
    ("no such tenant", [*TRACE, "--at", "1h", "--as-tenant", "x"], "no queue of the cluster belongs to 'x'"),
    ("a missing scenario", [*TRACE, "--at", "1h", "--scenario", "none.yaml"], "none.yaml: no such file"),
]


@pytest.mark.parametrize("command", [["explain", "detect"], ["fairshare"]], ids=["explain", "fairshare"])
@pytest.mark.parametrize(("arguments", "message"), [case[1:] for case in USAGE], ids=[case[0] for case in USAGE])
def test_is_refused(command: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, *arguments]) == 4
    assert message in " ".join(capsys.readouterr().err.split())


def test_only_one_pool_can_be_the_only_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*fairshare("1h"), "--pool", "serving"]) == 4
    assert "give at most one --pool with --spec" in capsys.readouterr().err
