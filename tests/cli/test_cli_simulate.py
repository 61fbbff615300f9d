"""``tenantry simulate``: formats, files, exit codes and messages."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.examples import example
from tenantry.app.simulation_runs import POLICIES
from tenantry.cli import simulation_options
from tenantry.cli.main import run
from tenantry.fair.profiles import PROFILES
from tenantry.io.traces.formats import FORMATS

SPEC = str(example("dell-ai-factory-h200"))
JOBS = "name,tenant,submit,duration,pods,gpus\npretrain,nlp,0,7200,6,8\ndetect,cv,100,3600,2,8\n"
SOON = """\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: ai-factory}
spec: {scheduler: {reclaimMinRuntime: 0s}}
"""


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return arguments of a small simulation; the working folder has its files."""
    monkeypatch.chdir(tmp_path)
    Path("jobs.csv").write_text(JOBS)
    Path("who.yaml").write_text("nlp: language\ncv: vision\n")
    Path("soon.yaml").write_text(SOON)
    return ["simulate", SPEC, "--trace", "jobs.csv", "--tenants", "who.yaml", "--pool", "training"]


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_lays_policies_side_by_side(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(given) == 0
    out = capsys.readouterr().out
    assert out.startswith("ai-factory: 2 jobs of jobs.csv (csv)\n")
    # vision waits 830 s, until 48 GPUs are free at 7,200 s, or not at all
    assert re.search(r"^wait, p95 +13\.8 min +\S.* +118\.3 min \(\+104\.5 min\)$", out, re.MULTILINE)


def test_lays_scenarios_side_by_side_in_every_format(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    files = [part for form in ("json", "md", "html") for part in ("-o", f"{form}=out.{form}")]
    assert run([*given, "--scenario", "soon.yaml", *files, "-o", "text"]) == 0
    # with both protected for no time: 100 + 30 - 100
    assert re.search(r"^vision +13\.8 min +30 s \(-13\.3 min\)$", capsys.readouterr().out, re.MULTILINE)
    body: Any = json.loads(Path("out.json").read_text())
    (pool,) = body["pools"]
    assert [replay["name"] for replay in pool["replays"]] == ["base", "soon"]
    waits = [row for row in pool["comparison"] if (row["subject"], row["measure"]) == ("vision", "waitP95Seconds")]
    assert [(row["values"], row["differences"]) for row in waits] == [([830, 30], [0, -800])]
    assert "| base | soon |" in Path("out.md").read_text()
    assert "<!doctype html>" in Path("out.html").read_text()[:20].lower()


def test_writes_what_became_of_every_job_and_all_that_happened(given: list[str]) -> None:
    arguments = [*given, "--policy", "fair-share", "--jobs", "out/jobs.csv", "--events", "out/events.csv"]
    assert run([*arguments, "-o", "json=out/result.json"]) == 0
    assert [(row["job"], row["waitSeconds"], row["evictions"], row["lostSeconds"]) for row in rows("out/jobs.csv")] == [
        # evicted after its 900 s of protection, before the first checkpoint
        ("pretrain", "0", "1", "900"),
        ("detect", "830", "0", "0"),
    ]
    evicted = [row for row in rows("out/events.csv") if row["event"] == "evicted"]
    assert [(row["timeSeconds"], row["job"], row["causeTenant"], row["action"]) for row in evicted] == [
        ("900", "pretrain", "vision", "reclaim")
    ]
    assert evicted[0]["pool"] == "training"


def test_one_tenant_sees_itself_alone(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*given, "--as-tenant", "vision", "--jobs", "jobs-seen.csv", "--events", "events-seen.csv"]
    assert run([*arguments, "-o", "html=seen.html", "-o", "text"]) == 0
    seen = [
        capsys.readouterr().out,
        *(Path(name).read_text() for name in ("jobs-seen.csv", "events-seen.csv", "seen.html")),
    ]
    for text in seen:
        assert "vision" in text
        assert not re.search("language|pretrain|assistant", text)


def test_made_up_load_needs_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", SPEC, "--synthetic", "3", "--days", "0.01", "--pool", "training", "--workers", "1"]
    assert run([*arguments, "-o", "json"]) == 0
    first = capsys.readouterr().out
    assert json.loads(first)["lead"].endswith("jobs of synthetic load 0.9, 0.01 days after philly, seed 3")
    assert run([*arguments, "-o", "json"]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize(("threshold", "code"), [("error", 0), ("warning", 2)])
def test_the_exit_code_follows_the_threshold(given: list[str], threshold: str, code: int) -> None:
    Path("jobs.csv").write_text(JOBS + "huge,cv,200,60,7,8\n")  # 56 GPUs of 48
    assert run([*given, "--policy", "fair-share", "--threshold", threshold, "-o", "text=out.txt"]) == code
    assert "can never start and are left out: has more pods than all nodes have room for" in " ".join(
        Path("out.txt").read_text().split()
    )


def test_bad_rows_of_a_trace_are_findings_with_their_place(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("jobs.csv").write_text(JOBS + "detect,cv,90,3600,2,8\nlate,cv,50,never,1,1\nearly,cv,40,60,1,1\n")
    assert run([*given, "--policy", "fair-share"]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "jobs.csv:4:0: error: trace: the job id was there before; the row is left out; found detect" in out
    assert "jobs.csv:5:0: error: trace: the duration cannot be read" in out
    assert re.search(r"jobs\.csv:\d:0: note: trace: the job was submitted before the one of the row before it", out)


USAGE = [
    ("no jobs", [], "give a trace with --trace FILE, or a seed for made-up load with --synthetic SEED"),
    ("two sources", ["--trace", "jobs.csv", "--synthetic", "1"], "--trace and --synthetic exclude each other"),
    ("a format without a trace", ["--synthetic", "1", "--format", "csv"], "describe a trace; give one with --trace"),
    ("no length of time", ["--trace", "jobs.csv", "--until", "soon"], "'soon' is no length of time"),
    ("a file of no known kind", ["--trace", "jobs.csv", "--events", "a.txt"], "a name that ends in .csv or .parquet"),
    ("a missing trace", ["--trace", "none.csv"], "none.csv"),
    ("a missing scenario", ["--trace", "jobs.csv", "--scenario", "none.yaml"], "none.yaml: no such file"),
    ("a pool there is not", ["--trace", "jobs.csv", "--pool", "trainnig"], "did you mean 'training'?"),
    ("tenants of others", ["--trace", "jobs.csv"], "none of its tenants (cv, nlp) is a tenant of the spec"),
]


@pytest.mark.parametrize(("arguments", "message"), [case[1:] for case in USAGE], ids=[case[0] for case in USAGE])
@pytest.mark.usefixtures("given")
def test_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", SPEC, *arguments]) == 4
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("given")
def test_problems_of_a_table_of_tenants_have_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    Path("who.csv").write_text("trace,tenant\nnlp,langage\ncv,vision\ncv,search\n")
    assert run(["simulate", SPEC, "--trace", "jobs.csv", "--tenants", "who.csv"]) == 4
    err = capsys.readouterr().err
    assert "who.csv:2:1" in err
    assert "did you mean 'language'?" in err
    assert "who.csv:4:1" in err
    assert "stands twice in the table" in err


def test_choices_of_options_are_what_there_is() -> None:
    assert set(simulation_options.POLICIES) == set(POLICIES)
    assert set(simulation_options.PROFILES) == {profile.name for profile in PROFILES}
    assert set(simulation_options.FORMATS) == {form.name for form in FORMATS}


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("2d", 172_800), ("1d12h", 129_600)])
def test_lengths_of_time_may_have_days(text: str, seconds: int) -> None:
    assert simulation_options.DurationType().convert(text, None, None) == seconds
