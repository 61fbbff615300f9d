"""``tenantry plan --out`` and ``tenantry plan show``: the same again, and refused once it is stale."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.app.examples import example
from tenantry.cli.main import run

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]

FORMS = ("text", "json", "md", "html", "sarif", "junit")
FEWER = ("guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32")
TRACE = "job,tenant,submitted,duration,gpus,pool\na,forecasting,0,600,8,p5\n"


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), "utf-8")


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an example as ``old`` and, with a guarantee taken away, as ``new``."""
    for name in ("old", "new"):
        shutil.copytree(example("eks-gpu"), tmp_path / name)
    edit(tmp_path / "new" / "tenants.yaml", *FEWER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["plan", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_saved_plan_is_shown_as_it_was_made(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"-o{form}=live/{form}" for form in FORMS]
    code, _, _ = call(capsys, "old", "new", "--diff", "--today", "2026-06-01", "--out", "plan.json", *files)
    again = [f"-o{form}=again/{form}" for form in FORMS]
    assert call(capsys, "show", "plan.json", "--diff", *again) == (code, "", "")
    assert code == 3
    for form in FORMS:
        assert (sides / "live" / form).read_bytes() == (sides / "again" / form).read_bytes(), form
    assert call(capsys, "show", "plan.json", "--threshold", "unsafe")[0] == 0


def test_a_comment_does_not_make_a_plan_stale_and_a_change_does(
    sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "old", "new", "--no-verify", "--out", "plan.json")
    edit(sides / "new" / "tenants.yaml", "kind: Tenant", "kind: Tenant  # a team")
    assert call(capsys, "show", "plan.json")[0] == 3
    edit(sides / "new" / "tenants.yaml", "guaranteed: 8, limit: 32", "guaranteed: 8, limit: 40")
    edit(sides / "old" / "platform.yaml", "replicas: 4", "replicas: 2")
    code, out, err = call(capsys, "show", "plan.json")
    assert (code, out) == (4, "")
    assert "plan.json is stale" in err
    assert "in old: Platform cloud-burst was changed" in err
    assert "in new: Tenant forecasting was changed" in err
    assert call(capsys, "show", "plan.json", "--no-check")[0] == 3
    edit(sides / "new" / "tenants.yaml", "pool: l4", "pool: ")
    assert "in new: the spec has" in call(capsys, "show", "plan.json")[2]


def test_a_side_that_is_gone_is_said_and_refused_on_demand(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "old", "new", "--no-verify", "--out", "plan.json")
    shutil.rmtree(sides / "old")
    code, out, err = call(capsys, "show", "plan.json")
    assert code == 3
    assert "forecasting loses 8" in " ".join(out.split())
    assert "warning: not checked: the spec in old cannot be read" in err
    code, _, err = call(capsys, "show", "plan.json", "--check")
    assert code == 4
    assert "plan.json cannot be checked" in err


def test_a_trace_counts_as_well(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(sides / "old")
    shutil.rmtree(sides / "new")
    for name in ("old", "new"):
        shutil.copytree(example("dell-ai-factory-h200"), sides / name)
    trace = sides / "a-day.csv"
    shutil.copy(sides / "old" / "simulation" / "a-day.csv", trace)
    call(capsys, "old", "new", "--no-verify", "--trace", "a-day.csv", "--out", "plan.json")
    assert call(capsys, "show", "plan.json", "--check")[0] == 0
    trace.write_text(trace.read_text("utf-8") + "\n", "utf-8")
    assert "the trace a-day.csv was changed" in call(capsys, "show", "plan.json")[2]


def test_a_plan_of_revisions_holds_until_the_spec_at_one_changes(
    new_repository: New, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_repository("r")
    made.example("eks-gpu", "spec")
    made.commit()
    made.git("checkout", "--quiet", "-b", "quota")
    made.edit("spec/tenants.yaml", *FEWER)
    made.commit()
    monkeypatch.chdir(made.folder)
    call(capsys, "main...quota", "spec", "--no-verify", "--out", "../plan.json")
    made.git("checkout", "--quiet", "main")
    made.write("README.md", "the branch moves, the spec does not")
    made.commit()
    monkeypatch.chdir(made.folder / "spec")
    assert call(capsys, "show", "../../plan.json", "--check")[0] == 3
    made.git("checkout", "--quiet", "quota")
    made.edit("spec/tenants.yaml", "guaranteed: 8, limit: 32", "guaranteed: 4, limit: 32")
    commit = made.commit()
    code, _, err = call(capsys, "show", "../../plan.json")
    assert code == 4
    assert f"at quota ({commit[:7]}): Tenant forecasting was changed" in err
    made.git("checkout", "--quiet", "main")
    made.git("branch", "--quiet", "-D", "quota")
    assert "not checked: " in call(capsys, "show", "../../plan.json")[2]


def test_a_plan_of_another_version_of_the_tool_is_told(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "old", "new", "--no-verify", "--out", "plan.json")
    edit(sides / "plan.json", '"tool": "', '"tool": "0.0.')
    code, _, err = call(capsys, "show", "plan.json")
    assert code == 3
    assert "the plan was made by Tenantry 0.0." in err


def test_a_file_that_is_not_there_is_bad_input(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del sides
    assert call(capsys, "show", "nothing.json")[0] == 4
    assert call(capsys, "show")[0] == 4
