"""``tenantry plan`` over revisions of a repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tenantry.cli.main import run

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]

SPEC = "clusters/burst"
FEWER = ("guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32")


@pytest.fixture
def made(new_repository: New, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a repository whose ``main`` has an example, and whose ``quota`` takes a guarantee away."""
    made = new_repository("r")
    made.example("eks-gpu", SPEC)
    made.commit("the platform")
    made.git("checkout", "--quiet", "-b", "quota")
    made.edit(f"{SPEC}/tenants.yaml", *FEWER)
    made.commit("fewer")
    monkeypatch.chdir(made.folder)
    return made


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["plan", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_revisions_are_compared_with_paths_of_the_repository(
    made: GitFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "main..quota", SPEC, "--no-verify", "-o", "json")
    data = json.loads(out)
    assert code == 3
    assert data["summary"].startswith("no node is disturbed; forecasting loses 8 guaranteed GPUs")
    assert (data["before"], data["after"]) == (
        f"main ({made.git('rev-parse', 'main')[:7]})",
        f"quota ({made.git('rev-parse', 'quota')[:7]})",
    )
    (cause,) = data["causes"]
    assert (cause["file"], cause["line"]) == (f"{SPEC}/tenants.yaml", 11)
    assert str(made.folder) not in out


def test_the_paths_are_the_same_from_any_folder(
    made: GitFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = call(capsys, "main..quota", SPEC, "--no-verify", "-o", "json")
    monkeypatch.chdir(made.folder / SPEC)
    assert call(capsys, "main..quota", "--no-verify", "-o", "json") == expected


def test_three_dots_leave_out_what_happened_on_the_other_side(
    made: GitFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    made.git("checkout", "--quiet", "main")
    made.edit(f"{SPEC}/platform.yaml", "replicas: 4", "replicas: 8")
    made.commit("meanwhile")
    two = json.loads(call(capsys, "main..quota", SPEC, "--no-verify", "-o", "json")[1])
    three = json.loads(call(capsys, "main...quota", SPEC, "--no-verify", "-o", "json")[1])
    assert {cause["document"] for cause in two["causes"]} == {"Platform cloud-burst", "Tenant forecasting"}
    assert {cause["document"] for cause in three["causes"]} == {"Tenant forecasting"}
    assert three["before"].startswith("fork of main and quota (")


def test_one_revision_is_compared_with_the_work_tree(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "HEAD", SPEC, "--no-verify")[0] == 0
    made.edit(f"{SPEC}/platform.yaml", "replicas: 4", "replicas: 8")
    code, out, _ = call(capsys, "HEAD", SPEC, "--no-verify", "-o", "json")
    data = json.loads(out)
    assert code == 2
    assert data["after"] == "work tree"
    assert [cause["file"] for cause in data["causes"]] == [f"{SPEC}/platform.yaml"]


def test_a_folder_named_like_a_branch_is_the_folder(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    made.example("eks-gpu", "main")
    assert call(capsys, "main", SPEC, "--no-verify")[0] == 3  # two folders: the one named main has the old quota
    assert json.loads(call(capsys, "heads/main", SPEC, "--no-verify", "-o", "json")[1])["after"] == "work tree"


def test_a_new_spec_adds_and_one_that_is_gone_removes_everything(
    made: GitFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    made.git("checkout", "--quiet", "--orphan", "empty")
    made.git("rm", "-r", "--quiet", "--force", SPEC)
    made.write("README.md", "nothing yet")
    made.commit("nothing")
    came = json.loads(call(capsys, "empty..quota", SPEC, "-o", "json", "--today", "2026-06-01")[1])
    rules = {effect["rule"] for effect in came["effects"]}
    assert {"EFFECT-TENANT-ADDED", "EFFECT-POOL-ADDED", "EFFECT-GUARANTEE"} <= rules
    assert {item["mark"] for item in came["objects"]} == {"+"}
    assert came["minutes"] == 0
    assert came["isolationCompared"]
    assert any(note.startswith("there is no such spec at empty (") for note in came["notes"])
    assert any("unrelated histories" in note for note in came["notes"])
    assert ("Platform cloud-burst", "") in {(cause["document"], cause["field"]) for cause in came["causes"]}
    code, out, _ = call(capsys, "quota..empty", SPEC, "-o", "json", "--no-verify")
    assert code == 3
    assert {item["mark"] for item in json.loads(out)["objects"]} == {"-"}
    code, _, err = call(capsys, "empty", "elsewhere")
    assert code == 4
    assert "there is no spec elsewhere, neither at empty" in err


def test_an_environment_may_be_new(new_repository: New, capsys: pytest.CaptureFixture[str]) -> None:
    made = new_repository("dell")
    made.example("dell-ai-factory-h200", "spec")
    moved = made.folder / "later"
    (made.folder / "spec" / "environments" / "production").rename(moved)
    made.commit()
    moved.rename(made.folder / "spec" / "environments" / "production")
    made.commit()
    spec = made.folder / "spec"
    code, out, _ = call(capsys, "HEAD~1..HEAD", spec, "-e", "production", "--no-verify", "-o", "json")
    assert code == 2
    assert {item["mark"] for item in json.loads(out)["objects"]} == {"+"}
    code, _, err = call(capsys, "HEAD~1..HEAD", spec, "-e", "prodution", "--no-verify")
    assert code == 4
    assert "spec has no environment 'prodution'; there are production, staging; did you mean 'production'?" in err


def test_a_side_that_does_not_compile_is_named(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    made.edit(f"{SPEC}/tenants.yaml", "pool: l4", "pool: l5")
    made.commit("broken")
    code, out, err = call(capsys, "main..HEAD", SPEC)
    assert (code, out) == (4, "")
    assert f"{SPEC}/tenants.yaml:" in err
    assert f"in the spec at HEAD ({made.git('rev-parse', 'HEAD')[:7]})" in err
    code, _, err = call(capsys, "main", SPEC)
    assert code == 4
    assert "in the spec in the work tree" in err


def test_what_is_neither_file_nor_revision_is_bad_input(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in (
        (("mian..quota", SPEC), "did you mean 'main'"),
        (("mian", SPEC), "did you mean 'main'"),
        ((SPEC,), "is one side only"),
        (("main", made.folder.parent), "is in no Git repository"),
        (("main", "/nowhere/at/all"), "is in no Git repository"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 4, arguments
        assert expected in err, arguments


def test_unrelated_histories_have_no_fork_to_compare_with(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    made.git("checkout", "--quiet", "--orphan", "other")
    made.commit()
    code, _, err = call(capsys, "main...other", SPEC)
    assert code == 4
    assert "unrelated histories and so no fork" in err
