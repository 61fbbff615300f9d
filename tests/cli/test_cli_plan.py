"""``tenantry plan``: outputs, exit codes, broken isolation, bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tenantry.app.examples import example
from tenantry.cli.main import run

TENANTS = "tenants.yaml"


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Return an example twice."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        for file in example("eks-gpu").glob("*.yaml"):
            shutil.copy(file, tmp_path / name)
    return tmp_path / "old", tmp_path / "new"


def edit(folder: Path, before: str, after: str, file: str = TENANTS) -> None:
    """Replace a text that must be there."""
    text = (folder / file).read_text("utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after), "utf-8")


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run(["plan", *map(str, arguments)])
    return code, capsys.readouterr().out


def test_equal_sides_give_zero(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, out = call(capsys, *sides)
    assert (code, out.strip()) == (0, "cloud-burst: no differences")


def test_the_summary_comes_first_and_a_lost_guarantee_gives_three(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sides[1], "guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32")
    code, out = call(capsys, *sides, "--no-verify")
    assert code == 3
    # 16 guaranteed before, 8 now.
    first = "cloud-burst: no node is disturbed; forecasting loses 8 guaranteed GPUs; isolation not compared"
    assert " ".join(out.split()).startswith(first)
    assert "! tenant forecasting: guarantee in p5: 16 -> 8 GPUs" in out
    assert f"{sides[1]}/tenants.yaml:11" in out


@pytest.mark.parametrize(
    ("change", "threshold", "expected"),
    [
        (("guaranteed: 8, limit: 16", "guaranteed: 8, limit: 24"), "note", 2),
        (("guaranteed: 8, limit: 16", "guaranteed: 8, limit: 24"), "disruptive", 0),
        (("guaranteed: 8, limit: 16", "guaranteed: 4, limit: 16"), "disruptive", 3),
        (("guaranteed: 8, limit: 16", "guaranteed: 4, limit: 16"), "unsafe", 0),
    ],
)
def test_the_threshold_decides_the_exit_code(
    sides: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    threshold: str,
    expected: int,
) -> None:
    edit(sides[1], *change)
    assert call(capsys, *sides, "--no-verify", "--threshold", threshold)[0] == expected


def test_a_side_that_does_not_compile_gives_its_problems(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sides[1], "pool: l4", "pool: l5")
    assert run(["plan", *map(str, sides)]) == 4
    err = capsys.readouterr().err
    assert "l5" in err
    assert "l4" in err
    assert "Traceback" not in err


def test_what_is_unknown_on_both_sides_is_told(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    edit(sides[1], "{group: analysts, role: edit}", "{group: analysts, role: admin}")
    _, out = call(capsys, *sides, "-o", "json", "--today", "2026-06-01")
    data = json.loads(out)
    assert data["summary"].endswith("isolation unchanged")
    # The example signs no facts at all, that API access is logged (A7) among them.
    (note,) = [note for note in data["notes"] if note.startswith("isolation is unknown before and after in")]
    assert " channels (A7, " in note


def test_amounts_that_no_proof_reads_leave_isolation_as_it_was(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sides[1], "guaranteed: 8, limit: 16", "guaranteed: 8, limit: 24")
    _, out = call(capsys, *sides, "-o", "json", "--today", "2026-06-01")
    data = json.loads(out)
    assert data["summary"].endswith("isolation unchanged")
    assert "isolation is as it was: no proof reads what differs" in data["notes"]
    _, out = call(capsys, *sides, "--no-verify")
    assert "reads what differs" not in out


def test_a_signed_fact_that_goes_leaves_isolation_unknown(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    facts = (
        "apiVersion: tenantry.dev/v1alpha1\nkind: Facts\nmetadata: {name: signed}\nspec:\n  facts:\n"
        "    - {id: gpu.memory-scrubbing, value: reset-between-tenants, evidence: epilogue, "
        "signedBy: me, date: 2026-01-02}\n"
    )
    (sides[0] / "facts.yaml").write_text(facts, "utf-8")
    code, out = call(capsys, *sides, "-o", "json", "--today", "2026-06-01")
    assert code == 3
    data = json.loads(out)
    told = [item for item in data["effects"] if item["area"] == "isolation"]
    # G8 is about a pair; there are two ordered pairs of two tenants.
    assert [(item["subject"], item["level"]) for item in told] == [
        ("tenant forecasting to tenant notebooks", "disruptive"),
        ("tenant notebooks to tenant forecasting", "disruptive"),
    ]
    assert data["summary"].endswith("isolation is no longer known in 2 places")
    assert told[0]["causes"][0]["document"] == "Facts signed"


def test_every_output_can_be_read(sides: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(sides[1], "replicas: 4", "replicas: 8", "platform.yaml")
    edit(
        sides[1], "driver: {managedBy: operator", 'driver: {version: "580.126.20", managedBy: operator', "platform.yaml"
    )
    files = {form: tmp_path / f"plan.{form}" for form in ("json", "md", "html", "sarif", "junit")}
    code, _ = call(capsys, *sides, "--no-verify", *(f"-o{form}={file}" for form, file in files.items()))
    assert code == 3
    data = json.loads(files["json"].read_text("utf-8"))
    assert data["formatVersion"] == "1.1"
    # Ten nodes, one at a time (maxParallelUpgrades), 15 minutes each: 4 of p5 and 6 of l4.
    assert data["minutes"] == 150
    assert [(step["pool"], step["start"], step["minutes"]) for step in data["rollout"]] == [
        ("l4", 0, 90),
        ("p5", 90, 60),
    ]
    comment = files["md"].read_text("utf-8").splitlines()
    assert comment[0].startswith("<!-- tenantry-plan spec=")
    assert comment[2].startswith("**cloud-burst: 10 nodes reload their GPU driver")
    page = files["html"].read_text("utf-8")
    assert "<svg" in page
    assert "http://" not in page
    assert "<script" not in page
    assert json.loads(files["sarif"].read_text("utf-8"))["version"] == "2.1.0"
    suite = ElementTree.parse(files["junit"]).getroot().find("testsuite")
    assert suite is not None
    assert suite.get("skipped") == "1"


def test_the_difference_of_objects_is_shown_on_demand(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sides[1], "guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32")
    assert "ClusterQueue" not in call(capsys, *sides, "--no-verify")[1]
    assert "~ ClusterQueue" in call(capsys, *sides, "--no-verify", "--diff")[1]


def test_a_trace_is_replayed_on_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("old", "new"):
        shutil.copytree(example("dell-ai-factory-h200") / "base", tmp_path / name)
    edit(tmp_path / "new", "guaranteed: 16, limit: 32", "guaranteed: 16, limit: 16", "tenants/vision.yaml")
    trace = tmp_path / "jobs.csv"
    jobs = "".join(f"{name},vision,0,{duration},2,8,50,completed\n" for name, duration in (("a", 600), ("b", 600)))
    trace.write_text(f"name,tenant,submit,duration,pods,gpus,priority,outcome\n{jobs}", "utf-8")
    code, out = call(capsys, tmp_path / "old", tmp_path / "new", "--no-verify", "--trace", trace, "-o", "json")
    assert code == 2
    (told,) = [item for item in json.loads(out)["effects"] if item["rule"] == "EFFECT-WAITS"]
    assert told["subject"] == "tenant vision"
    # Two jobs of 2 x 8 GPUs. Under a limit of 32 both start at once; under 16 one waits the 600 s that the other runs,
    # and is seen in the cycle after that.
    assert "the same 2 jobs in training" in told["message"]
    assert "longest 0 s -> 10 min, evictions 0 -> 0, never started 0 -> 0" in told["message"]
    trace.write_text("name,tenant\n", "utf-8")
    assert call(capsys, tmp_path / "old", tmp_path / "new", "--no-verify", "--trace", trace)[0] == 4
    assert call(capsys, tmp_path / "old", tmp_path / "new", "--no-verify", "--trace", tmp_path / "gone")[0] == 4


def test_a_file_that_is_no_spec_is_bad_input(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(sides[1])
    assert call(capsys, *sides)[0] == 4
