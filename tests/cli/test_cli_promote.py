"""``tenantry promote`` and ``tenantry rollback``: commits with the plan as their message, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.cli.main import run

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]

OVERLAY = """apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {{name: cloud-burst}}
spec:
  gitops: {{revision: {revision}}}
"""
FEWER = ("guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32")
HOOK = "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n"


@pytest.fixture
def made(new_repository: New, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a repository with a spec of two environments and no trees."""
    made = new_repository("r")
    made.example("eks-gpu", "spec/base")
    for environment in ("staging", "production"):
        made.write(f"spec/environments/{environment}/platform.yaml", OVERLAY.format(revision=environment))
    made.commit("the platform")
    monkeypatch.chdir(made.folder)
    return made


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run([*arguments, "--no-verify"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def promote(capsys: pytest.CaptureFixture[str], environment: str, *more: str) -> tuple[int, str, str]:
    return call(capsys, "promote", environment, "spec", "--out", f"trees/{environment}", *more)


def state(made: GitFolder) -> tuple[str, ...]:
    """Return everything that must not change when something fails."""
    files = sorted(str(path) for path in made.folder.rglob("*") if ".git" not in path.parts)
    return (
        made.git("for-each-ref"), made.git("status", "--porcelain"), made.git("stash", "list"),
        made.git("worktree", "list"), made.git("symbolic-ref", "--short", "HEAD"), "\n".join(files),
    )  # fmt: skip


def test_the_first_promotion_adds_the_tree(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    spec = made.git("rev-parse", "HEAD")
    code, out, err = promote(capsys, "staging")
    assert code == 0
    assert "there is no tree trees/staging yet: everything is added" in out
    assert f"committed {made.git('rev-parse', 'HEAD')[:7]} on main: Promote staging to {spec[:7]}" in err
    assert made.git("status", "--porcelain") == ""
    assert run(["compile", "spec", "-e", "staging", "--out", "trees/staging", "--check"]) == 0
    message = made.git("log", "-1", "--format=%B")
    assert message.splitlines()[0] == f"Promote staging to {spec[:7]}"
    assert message.endswith(f"\n\nTenantry-Spec: {spec}\nTenantry-Environment: staging")


def test_the_message_is_the_plan_from_what_the_tree_had(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    promote(capsys, "production")
    made.edit("spec/base/tenants.yaml", *FEWER)
    spec = made.commit("fewer")
    assert promote(capsys, "production")[0] == 0
    message = made.git("log", "-1", "--format=%B")
    assert "forecasting loses 8 guaranteed GPUs" in " ".join(message.split())
    assert "! tenant forecasting: guarantee in p5: 16 -> 8 GPUs" in message
    assert max(map(len, message.splitlines())) <= 72
    assert made.git("log", "-1", "--format=%(trailers:key=Tenantry-Spec,valueonly)").strip() == spec
    changed = made.git("show", "--name-only", "--format=", "HEAD").splitlines()
    assert all(name.startswith("trees/production/") for name in changed)
    code, _, err = promote(capsys, "production")
    assert (code, made.git("rev-parse", "HEAD~1")) == (0, spec)
    assert "nothing differs; nothing was committed" in err


def test_the_next_environment_gets_what_the_one_before_it_has(
    made: GitFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = made.git("rev-parse", "HEAD")
    promote(capsys, "staging")
    made.edit("spec/base/tenants.yaml", *FEWER)
    made.commit("not tried in staging yet")
    assert promote(capsys, "production", "--after", "trees/staging")[0] == 0
    assert made.git("log", "-1", "--format=%(trailers:key=Tenantry-Spec,valueonly)").strip() == tried
    assert promote(capsys, "production", "--after", "trees/staging", "--revision", "HEAD")[0] == 4


def test_spec_and_tree_may_be_in_two_repositories(
    made: GitFolder, new_repository: New, capsys: pytest.CaptureFixture[str]
) -> None:
    other = new_repository("trees")
    other.write("README.md", "trees")
    other.commit()
    tree = str(other.folder / "production")
    first = made.git("rev-parse", "HEAD")
    words = ("promote", "production", "spec", "--out", tree)
    assert call(capsys, *words)[0] == 0
    made.edit("spec/base/tenants.yaml", *FEWER)
    made.commit()
    assert call(capsys, *words)[0] == 0
    assert "guarantee in p5: 16 -> 8 GPUs" in other.git("log", "-1", "--format=%B")
    assert other.git("log", "--format=%s").count("Promote production") == 2
    # A commit that a person made does not say where the tree comes from.
    other.write("production/README.md", "edited")
    other.commit("by hand")
    made.edit("spec/base/tenants.yaml", *FEWER[::-1])
    made.commit()
    code, _, err = call(capsys, *words)
    assert code == 4
    assert "does not say which spec it was compiled from; name it with --since" in err
    code, out, _ = call(capsys, *words, "--since", first)
    assert code == 0
    assert "files of the tree are not what its spec compiles to" in out


def test_a_dry_run_and_another_branch_leave_everything_alone(
    made: GitFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(made)
    code, out, err = promote(capsys, "staging", "--dry-run")
    assert code == 0
    assert "everything is added" in out
    assert "--dry-run" in err
    assert state(made) == before
    code, out, _ = promote(capsys, "staging", "--branch", "promote/staging", "-o", "json")
    data = json.loads(out)
    assert code == 0
    assert data["commit"] == made.git("rev-parse", "promote/staging")
    assert made.git("rev-parse", "promote/staging~1") == made.git("rev-parse", "main")
    assert not (made.folder / "trees").exists()
    assert promote(capsys, "staging", "--branch", "promote/staging")[0] == 4
    assert promote(capsys, "staging", "--branch", "a..b")[0] == 4


def test_what_stands_in_the_way_is_said_and_nothing_changes(
    made: GitFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(capsys, "staging")
    made.edit("spec/base/tenants.yaml", *FEWER)
    made.commit()

    def refused(expected: str, code: int = 4) -> None:
        before = state(made)
        found = promote(capsys, "staging")
        assert found[0] == code, found
        assert expected in found[2]
        assert state(made) == before

    made.write("trees/staging/README.md", "edited")
    refused("there are changes that are not committed: trees/staging/README.md")
    made.git("checkout", "--", "trees")
    made.write("trees/staging/stray.yaml", "new")
    refused("trees/staging/stray.yaml")
    (made.folder / "trees" / "staging" / "stray.yaml").unlink()
    made.write("spec/base/note.yaml", "# a comment\n")
    refused("spec has changes that are not committed: spec/base/note.yaml")
    (made.folder / "spec" / "base" / "note.yaml").unlink()
    hook = made.write(".git/hooks/pre-commit", HOOK)
    hook.chmod(0o755)
    refused("git commit refused; nothing was changed: not on a Friday", 1)
    hook.unlink()
    made.write(".git/MERGE_HEAD", made.git("rev-parse", "HEAD") + "\n")
    refused("a merge is under way")
    (made.folder / ".git" / "MERGE_HEAD").unlink()
    config = Path(made.git("config", "--global", "--list", "--show-origin").split("\t")[0].removeprefix("file:"))
    config.write_text("[user]\n\tuseConfigOnly = true\n", "utf-8")
    refused("Git does not know who commits; set it: git config user.name")
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n", "utf-8")
    made.git("checkout", "--quiet", "--detach")
    code, _, err = promote(capsys, "staging")
    assert code == 4
    assert "no branch is checked out" in err
    assert promote(capsys, "staging", "--branch", "promote/staging")[0] == 0
    # An untracked file that the commit would overwrite.
    made.git("checkout", "--quiet", "main")
    assert promote(capsys, "staging")[0] == 0


def test_other_changes_of_the_work_tree_stay(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    made.write("notes.txt", "a draft")
    made.write("staged.txt", "staged")
    made.git("add", "staged.txt")
    assert promote(capsys, "staging")[0] == 0
    assert made.git("status", "--porcelain").splitlines() == ["A  staged.txt", "?? notes.txt"]
    assert "staged.txt" not in made.git("show", "--name-only", "--format=", "HEAD")


def test_a_rollback_restores_the_spec_and_its_tree_on_top(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    promote(capsys, "production")
    good = made.git("rev-parse", "HEAD")
    made.edit("spec/base/tenants.yaml", *FEWER)
    made.write("spec/base/added.yaml", "# nothing but a comment\n")
    made.commit()
    promote(capsys, "production")
    top = made.git("rev-parse", "HEAD")
    words = ("rollback", good, "spec", "-e", "production")
    code, out, _ = call(capsys, *words, "--out", "trees/production")
    assert code == 0
    assert "guarantee in p5: 8 -> 16 GPUs" in out
    assert made.git("rev-parse", "HEAD~1") == top
    assert made.git("diff", "--name-only", good, "HEAD") == ""
    assert made.git("log", "-1", "--format=%s") == f"Roll production back to {good[:7]}"
    code, _, err = call(capsys, *words)
    assert code == 0
    assert "nothing differs" in err


def test_a_rollback_says_what_does_not_come_back(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    text = (made.folder / "spec" / "base" / "tenants.yaml").read_text("utf-8")
    first, _, rest = text.partition("\n---\n")
    name = "notebooks" if "name: notebooks" in rest else "forecasting"
    made.write("spec/base/tenants.yaml", first + "\n")
    made.commit("a team leaves")
    code, out, _ = call(capsys, "rollback", "HEAD~1", "spec", "-e", "production", "-o", "json")
    assert code == 0
    data = json.loads(out)
    assert f"tenant {name}" in {item["subject"] for item in data["notRestored"]}
    message = made.git("log", "-1", "--format=%B")
    assert "not brought back by this commit:" in message
    assert made.git("diff", "--name-only", "HEAD~2", "HEAD") == ""


def test_a_rollback_to_what_never_had_the_spec_is_refused(made: GitFolder, capsys: pytest.CaptureFixture[str]) -> None:
    made.git("checkout", "--quiet", "--orphan", "empty")
    made.git("rm", "-r", "--quiet", "--force", "spec")
    made.write("README.md", "nothing")
    made.commit()
    made.git("checkout", "--quiet", "main")
    before = state(made)
    assert call(capsys, "rollback", "empty", "spec", "-e", "production")[0] == 4
    assert call(capsys, "rollback", "nowhere", "spec", "-e", "production")[0] == 4
    assert state(made) == before
